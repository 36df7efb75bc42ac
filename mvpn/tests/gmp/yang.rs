//! RFC 8652: leaves of the model beside the reports that made them, of both families.

use fwd_core::yang::{Tree, Value};
use mvpn::gmp::RecordType;

use crate::lan::{Family, IF, Lan};

const PROTOCOL: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol";

fn groups_and_sources<A: Family>(root: &str) {
    let picture = |lan: &Lan<A>| {
        let mut tree = Tree::default();
        lan.router.write_yang(lan.now, "red", &mut tree);
        tree
    };
    let mut lan = Lan::<A>::new();
    let (all, ssm) = (A::group(1), A::ssm_group(1));
    lan.report(20, RecordType::TO_EXCLUDE, all, &[]);
    lan.secs(100);
    lan.report(21, RecordType::ALLOW, ssm, &[1, 2]);
    lan.secs(10);
    let tree = picture(&lan);
    let path = |leaf: &str| format!("{PROTOCOL}/{root}/{leaf}");
    let iface = IF.0.to_string();
    let get = |tree: &Tree, leaf: &str, keys: &[&str]| tree.get(&path(leaf), &[&["red"], keys].concat()).cloned();
    let group = "interfaces/interface/group";
    let (all, ssm) = (all.to_string(), ssm.to_string());
    assert_eq!(get(&tree, &format!("{group}/expire"), &[&iface, &all]), Some(Value::Unsigned(150)));
    let mode = |tree: &Tree, group_address: &str| {
        get(tree, &format!("{group}/filter-mode"), &[&iface, group_address]).map(|mode| mode.to_string())
    };
    assert_eq!([&all, &ssm].map(|g| mode(&tree, g)), [Some("exclude".into()), Some("include".into())]);
    let expire =
        |tree: &Tree, n: u8| get(tree, &format!("{group}/source/expire"), &[&iface, &ssm, &A::source(n).to_string()]);
    assert_eq!([1, 2].map(|n| expire(&tree, n)), [(); 2].map(|()| Some(Value::Unsigned(250))));
    assert_eq!(get(&tree, "global/groups-count", &[]), Some(Value::Unsigned(2)));
    assert_eq!(get(&tree, "global/entries-count", &[]), Some(Value::Unsigned(3)));
    assert_eq!(get(&tree, "interfaces/interface/query-interval", &[&iface]), Some(Value::Unsigned(125)));
    assert_eq!(get(&tree, "global/statistics/received/report", &[]), Some(Value::Unsigned(2)));
    // One of the two sources is asked for again; the rest goes.
    lan.secs(100);
    lan.report(21, RecordType::IS_INCLUDE, A::ssm_group(1), &[2]);
    lan.secs(160);
    let tree = picture(&lan);
    assert_eq!([1, 2].map(|n| expire(&tree, n)), [None, Some(Value::Unsigned(100))]);
    assert_eq!(mode(&tree, &all), None);
    assert_eq!(get(&tree, "global/groups-count", &[]), Some(Value::Unsigned(1)));
    lan.secs(100);
    assert_eq!(mode(&picture(&lan), &ssm), None);
}

/// Shows: L3VPN-8.11-8
#[test]
fn groups_and_sources_are_leaves() {
    groups_and_sources::<std::net::Ipv4Addr>("ietf-igmp-mld:igmp");
    groups_and_sources::<std::net::Ipv6Addr>("ietf-igmp-mld:mld");
}
