//! The scenes of the first command: each a network of its own that carries one more service, with what must be so checked.
//!
//! One file per service; the list is the order of the report.

pub mod mvpn;
mod p2mp_pw;
pub mod vlink;
pub(crate) mod vpls;

use anyhow::Result;

use super::Report;

/// One service, shown.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Its heading in the report.
    pub title: &'static str,
    /// Runs it from a seed: the same seed gives the same packets. What it prints and checks goes to the report.
    pub run: fn(seed: u64, report: &mut Report) -> Result<()>,
}

/// All scenes.
pub const SCENES: &[Scene] = &[
    Scene { title: "Multicast in a VPN", run: mvpn::run },
    Scene { title: "A point-to-multipoint pseudowire", run: p2mp_pw::run },
    Scene { title: "VPLS: multicast over four PEs", run: vpls::run },
    Scene { title: "Virtual links", run: vlink::run },
];
