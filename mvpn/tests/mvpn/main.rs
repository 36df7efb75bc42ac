//! The provider side in simulated networks, packet by packet through real forwarders.

mod accounts;
mod activation;
mod asm;
mod bgp_free;
mod bidir;
mod bootstrap;
mod border;
mod carrier;
mod carriers;
mod chaos;
mod churn;
mod codec;
mod coexist;
mod compatible;
mod conference;
mod control;
mod customer;
mod decision;
mod delay;
mod differ;
mod drive;
mod drive_asbr;
mod extranet;
mod failure;
mod families;
mod hosted_rp;
mod in_band;
mod in_band_bidir;
mod inter_as;
mod kinds;
mod ldp;
mod limits;
mod live;
mod mdt;
mod moves;
mod msdp;
mod node;
mod oam;
mod operation;
mod outputs;
mod outside;
mod p_router;
mod paths;
mod pim_tree;
mod providers;
mod reflector;
mod same_addresses;
mod scale;
mod scenarios;
mod segments;
mod ssm;
mod standby;
mod state;
mod switch;
mod te;
mod transport;
mod vpns;
mod world;

use std::net::IpAddr;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use mvpn::mvrf::{MvrfConfig, TunnelKind};

use node::pmsi;

/// The family of the provider's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Provider {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Addresses of PEs.
    pub fn routers(self, count: usize) -> Vec<IpAddr> {
        let address = |n: usize| match self {
            Self::V4 => IpAddr::from([192, 0, 2 + ((n + 1) >> 8) as u8, (n + 1) as u8]),
            Self::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n as u16 + 1]),
        };
        (0..count).map(address).collect()
    }
}

/// The VRF of VPN 1.
pub const VRF: VrfId = VrfId(1);

/// A VRF of VPN 1.
pub fn mvrf(pe: usize, inclusive: Option<TunnelKind>, selective: TunnelKind) -> MvrfConfig {
    let rd = RouteDistinguisher::two_octet_as(65001, 100 + pe as u32);
    let mut config = MvrfConfig::new(VRF, rd, "65001:1".parse().unwrap(), pmsi(VRF));
    config.inclusive = inclusive;
    config.selective = selective;
    config
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// Whatever comes, what was told is consistent, and removing the VRFs leaves nothing behind.
    #[test]
    fn arbitrary_stimuli(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3000)) {
        drive::run(&data);
    }

    /// The same of a border router: what it promised works, and when all routes are gone nothing is left behind.
    #[test]
    fn arbitrary_stimuli_at_the_border(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3000)) {
        drive_asbr::run(&data);
    }
}
