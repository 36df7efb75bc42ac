//! A VPN on bare metal: an ingress PE, a P router and an egress PE, each a [`Forwarder`] in arrays of its own, programmed by
//! encoded ops. Two customers with the same addresses send IPv4 and IPv6; every frame on every link is checked octet for
//! octet. Exits 0 if all of it is right.
#![no_std]
#![no_main]

mod host;
mod network;
mod startup;

use core::fmt::Write;

use host::Console;
use network::Network;

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

#[unsafe(no_mangle)]
extern "C" fn rust_main() -> ! {
    let mut tally = Tally::default();
    network::encoding(&mut tally);
    let (mut ingress, mut core, mut egress) = Network::memory();
    let mut network = Network::new(&mut ingress, &mut core, &mut egress, &mut tally);
    network.customers(&mut tally);
    network.refusals(&mut tally);
    #[cfg(feature = "planted")]
    tally.check("planted", false);
    let _ = writeln!(Console, "{} passed, {} failed", tally.passed, tally.failed);
    host::exit(usize::from(tally.failed != 0))
}
