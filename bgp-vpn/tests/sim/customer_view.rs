//! What a customer may see of a PE that carries its VPN.

use std::time::Duration;

use bgp_vpn::mib::{L3VpnMib, Outside, View};
use bgp_vpn::vrf::LabelMode;
use fwd_core::mib::{Objects, Oid};
use fwd_core::net::VrfId;

use crate::overlap::{core, site};

/// A route from another site is there, and neither in its value nor in its name is there an address of the core.
///
/// Shows: L3VPN-REF-17
#[test]
fn no_next_hop_of_the_core_is_in_a_customers_view() {
    let (mut world, pes, _) = core(2, 1);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16"]);
    site(&mut world, pes[1], 1, (t, t), LabelMode::PerVrf, &["10.2.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let outside = |view| Outside {
        interface_up: &|_| true,
        illegal_labels: &|_| 0,
        illegal_label_threshold: 1,
        notifications: false,
        max_routes: 100,
        view,
    };
    let std::net::IpAddr::V4(far) = world.nodes[pes[0]].address else { panic!("an IPv4 core") };
    let shows = |view| {
        let mib = L3VpnMib::new(&world.nodes[pes[1]].speaker, outside(view));
        let far = far.octets().map(u32::from);
        let objects = std::iter::successors(mib.next(&Oid::new(&[])), |(oid, _)| mib.next(oid));
        let names = objects.filter(|(oid, _)| oid.ids().windows(4).any(|w| w == far)).count();
        (mib.routes.rows().len(), names > 0)
    };
    assert_eq!(shows(View::Provider), (2, true));
    assert_eq!(shows(View::Customer(&[VrfId(1)])), (2, false));
    assert_eq!(shows(View::Customer(&[VrfId(2)])), (0, false));
}
