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
use network::{Arrays, Network, Path};

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
            let _ = network.packet(path, true);
        }));
        let _ = writeln!(Console, "figure {name} {}", cost(network, path, true) / PACKETS);
    }
    let _ = writeln!(Console, "figure stack {stack}");
}

/// Instructions for packets that are made, and sent or not.
fn cost(network: &mut Network<'_>, path: Path, is_sent: bool) -> u32 {
    meter::start();
    let before = meter::now();
    for _ in 0..PACKETS {
        let _ = network.packet(path, is_sent);
    }
    meter::between(before, meter::now())
}

/// Instructions to forward packets of each kind, without those to make them.
fn forwarding(network: &mut Network<'_>) -> [u32; network::PATHS.len()] {
    network::PATHS.map(|(_, path)| cost(network, path, true).saturating_sub(cost(network, path, false)))
}

/// With all counters a packet takes so few instructions more than with none that the rate is 95 % at least: that of packets of all kinds
/// together, each as often. What counting costs of a kind is printed; of a swapped label, which takes least, it is a larger part.
///
/// Shows: MVPN-OAM-16
fn counting(arrays: &mut [Arrays; 3], tally: &mut Tally) {
    if !meter::IS_THERE {
        return;
    }
    let [with, without] = [true, false].map(|is_counting| {
        let mut network = Network::new(arrays, is_counting, tally);
        network.links(tally);
        forwarding(&mut network)
    });
    for ((name, _), (with, without)) in network::PATHS.iter().zip(with.into_iter().zip(without)) {
        let _ = writeln!(Console, "counting: {name} {} instead of {}", with / PACKETS, without / PACKETS);
        tally.check("packets were counted", without > 0);
    }
    let [with, without] = [with, without].map(|each| each.into_iter().map(u64::from).sum::<u64>());
    tally.check("counters take no more than 5 % of the rate", without * 100 >= with * 95);
}

#[unsafe(no_mangle)]
extern "C" fn rust_main() -> ! {
    let mut tally = Tally::default();
    network::encoding(&mut tally);
    // SAFETY: this function is entered once, and nothing else names the arrays.
    let arrays = unsafe { &mut *(&raw mut MEMORY) };
    let mut network = Network::new(arrays, true, &mut tally);
    network.customers(&mut tally);
    network.refusals(&mut tally);
    network.links(&mut tally);
    network.third_customer(&mut tally);
    figures(&mut network);
    counting(arrays, &mut tally);
    #[cfg(feature = "planted")]
    tally.check("planted", false);
    let _ = writeln!(Console, "{} passed, {} failed", tally.passed, tally.failed);
    host::exit(usize::from(tally.failed != 0))
}
