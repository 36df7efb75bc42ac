//! A VPN on bare metal: an ingress PE, a P router and an egress PE, each a [`Forwarder`] in arrays of its own, programmed by
//! encoded ops. Two customers with the same addresses send IPv4 and IPv6; every frame on every link is checked octet for
//! octet. Exits 0 if all of it is right.
#![no_std]
#![no_main]

mod host;
mod meter;
mod network;
mod startup;

use core::fmt::Write;

use host::Console;
use network::{Arrays, Network};

/// Checks that held and that did not.
#[derive(Default)]
pub struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Counts a check, and names it if it failed.
    pub fn check(&mut self, name: &str, holds: bool) {
        if holds {
            self.passed += 1;
        } else {
            self.failed += 1;
            let _ = writeln!(Console, "FAILED: {name}");
        }
    }
}

/// The memory of three routers: not on the stack, which is small.
static mut MEMORY: [Arrays; 3] = [const { Arrays::new() }; 3];

/// Packets that a figure is the mean of.
const PACKETS: u32 = 64;

/// Prints what the firmware costs, a line for each figure: `figure NAME NUMBER`.
fn figures(network: &mut Network<'_>) {
    if !meter::IS_THERE {
        return;
    }
    let _ = writeln!(Console, "figure code {}", meter::code());
    let mut stack = 0;
    for (name, path) in network::PATHS {
        stack = stack.max(meter::stack(|| {
            let _ = network.packet(path);
        }));
        meter::start();
        let before = meter::now();
        for _ in 0..PACKETS {
            let _ = network.packet(path);
        }
        let after = meter::now();
        let _ = writeln!(Console, "figure {name} {}", meter::between(before, after) / PACKETS);
    }
    let _ = writeln!(Console, "figure stack {stack}");
}

#[unsafe(no_mangle)]
extern "C" fn rust_main() -> ! {
    let mut tally = Tally::default();
    network::encoding(&mut tally);
    // SAFETY: this function is entered once, and nothing else names the arrays.
    let [ingress, core, egress] = unsafe { &mut *(&raw mut MEMORY) };
    let mut network = Network::new(ingress, core, egress, &mut tally);
    network.customers(&mut tally);
    network.refusals(&mut tally);
    network.links(&mut tally);
    figures(&mut network);
    #[cfg(feature = "planted")]
    tally.check("planted", false);
    let _ = writeln!(Console, "{} passed, {} failed", tally.passed, tally.failed);
    host::exit(usize::from(tally.failed != 0))
}
