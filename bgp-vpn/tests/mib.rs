//! MPLS-L3VPN-STD-MIB (RFC 4382) of a PE whose state is known.

use bgp_vpn::mib::{L3VpnMib, MODULE, NotificationType, Outside, View};
use bgp_vpn::session::LocalIdentity;
use bgp_vpn::speaker::{Circuit, Event, Input, LocalRoute, Output, Speaker, SpeakerConfig};
use bgp_vpn::vrf::{RouteLimit, VrfConfig};
use fwd_core::mib::{Objects, Oid, Value};
use fwd_core::net::{IfIndex, Label, NhlfeId, VrfId};
use fwd_core::time::Instant;

fn pe() -> Speaker {
    let config = SpeakerConfig {
        local: LocalIdentity { asn: 65001, router_id: [192, 0, 2, 1].into() },
        cluster_id: None,
        labels: (Label::new(1000).unwrap(), Label::new(1999).unwrap()),
        nhlfes: (NhlfeId(1000), NhlfeId(1999)),
        seed: 1,
    };
    let mut pe = Speaker::new(Instant::ZERO, config).unwrap();
    for (n, name, limit) in [(2, "blue", None), (1, "red", Some(RouteLimit { mid: 2, high: 3, max: 3 }))] {
        let name_rd = format!("65001:{n}");
        let mut vrf = VrfConfig::new(VrfId(n), name, name_rd.parse().unwrap(), name_rd.parse().unwrap());
        vrf.limit = limit;
        if n == 1 {
            vrf.import.push("65001:77".parse().unwrap());
            vrf.vpn_id = Some("5e:2a".parse().unwrap());
        }
        pe.add_vrf(Instant::from_secs(u64::from(n)), vrf).unwrap();
    }
    let circuit = |address: &str| Some(Circuit { vrf: VrfId(1), address: address.parse().unwrap(), nhlfe: NhlfeId(5) });
    for address in ["10.0.0.2", "fd00::2"] {
        pe.handle_input(Instant::from_secs(9), Input::Circuit { iface: IfIndex(7), circuit: circuit(address) });
    }
    pe
}

fn local(pe: &mut Speaker, prefix: &str, route: Option<LocalRoute>) {
    let input = Input::Local { vrf: VrfId(1), prefix: prefix.parse().unwrap(), route };
    pe.handle_input(Instant::from_secs(20), input);
}

fn events(pe: &mut Speaker) -> Vec<Event> {
    let outputs = std::iter::from_fn(|| pe.poll_output());
    outputs.filter_map(|o| if let Output::Event(e) = o { Some(e) } else { None }).collect()
}

const OUTSIDE: Outside<'static> = Outside {
    interface_up: &|_| true,
    illegal_labels: &|vrf| u64::from(vrf.0) * 100,
    illegal_label_threshold: 150,
    notifications: true,
    max_routes: 1000,
    view: View::Provider,
};

/// The value below the module's objects, as `1.2.3.0` behind the module's identifier.
fn value(mib: &L3VpnMib, rest: &str) -> Option<Value> {
    let rest: Vec<u32> = rest.split('.').map(|id| id.parse().unwrap()).collect();
    mib.get(&Oid::new(&[MODULE, &rest].concat()))
}

/// VRFs, route targets, routes, security and performance; the identifiers of VPNs are VPNIdOrZero (RFC 4265): seven octets or none.
///
/// Shows: L3VPN-TSK-3, L3VPN-8.11-1, L3VPN-8.11-2
#[test]
fn objects_say_what_the_router_does() {
    let mut pe = pe();
    local(&mut pe, "10.9.0.0/16", Some(LocalRoute::Via(IfIndex(7))));
    local(&mut pe, "fd00:9::/32", Some(LocalRoute::Discard));
    local(&mut pe, "fd00:9::/32", None);
    let mib = L3VpnMib::new(&pe, OUTSIDE);
    let number = |rest: &str| match value(&mib, rest) {
        Some(Value::Unsigned(n) | Value::Counter(n) | Value::Ticks(n)) => Some(i64::from(n)),
        Some(Value::Integer(n)) => Some(i64::from(n)),
        other => panic!("{rest}: {other:?}"),
    };
    let (red, blue) = ("3.114.101.100", "4.98.108.117.101");
    // Scalars: VRFs, active ones, interfaces, notifications, threshold.
    assert_eq!([1, 2, 3, 4, 7].map(|n| number(&format!("1.1.{n}.0"))), [2, 1, 1, 1, 150].map(Some));
    // The circuit of both families is one interface, with static routes.
    assert_eq!(value(&mib, &format!("1.2.1.1.3.{red}.7")), Some(Value::Octets(vec![0x04])));
    // VRFs: creation (time does not go back), status, interfaces, limits.
    assert_eq!(
        [5, 6, 7, 8, 9, 10, 11].map(|c| number(&format!("1.2.2.1.{c}.{red}"))),
        [200, 1, 1, 1, 2, 3, 3].map(Some)
    );
    assert_eq!(number(&format!("1.2.2.1.12.{red}")), Some(900), "the circuit came at 9 s");
    assert_eq!(number(&format!("1.2.2.1.6.{blue}")), Some(2), "no interface, so down");
    assert_eq!(value(&mib, &format!("1.2.2.1.4.{red}")), Some(Value::Octets(vec![0, 0, 0xfd, 0xe9, 0, 0, 0, 1])));
    assert_eq!(value(&mib, &format!("1.2.2.1.2.{red}")), Some(Value::Octets(vec![0, 0, 0x5e, 0, 0, 0, 0x2a])));
    assert_eq!(value(&mib, &format!("1.2.2.1.2.{blue}")), Some(Value::Octets(Vec::new())));
    // Route targets: both(3), and one imported only.
    assert_eq!(value(&mib, &format!("1.2.3.1.4.{red}.1.3")), Some(Value::Octets(b"65001:1".to_vec())));
    assert_eq!(value(&mib, &format!("1.2.3.1.4.{red}.2.1")), Some(Value::Octets(b"65001:77".to_vec())));
    // Security and performance.
    assert_eq!(number(&format!("1.2.6.1.1.{red}")), Some(100));
    assert_eq!([1, 2, 3, 4].map(|c| number(&format!("1.3.1.1.{c}.{red}"))), [2, 1, 1, 0].map(Some));
    // The route: over interface 7, remote(4), netmgmt(3), next hop 10.0.0.2.
    let route = format!("{red}.1.4.10.9.0.0.16.2.0.0.1.4.10.0.0.2");
    assert_eq!([7, 8, 9].map(|c| number(&format!("1.4.1.1.{c}.{route}"))), [7, 4, 3].map(Some));
    assert_eq!(value(&mib, &format!("1.4.1.1.10.{route}")), None, "no age");
}

/// Shows: L3VPN-TSK-3
#[test]
fn a_walk_of_the_module_ends_and_agrees_with_every_single_reading() {
    let mut pe = pe();
    for n in 0..3 {
        local(&mut pe, &format!("10.{n}.0.0/16"), Some(LocalRoute::Local));
    }
    let mib = L3VpnMib::new(&pe, OUTSIDE);
    let (mut at, mut seen) = (Oid::new(MODULE), 0);
    while let Some((oid, value)) = mib.next(&at) {
        assert!(oid > at && oid.ids().starts_with(MODULE), "{oid}");
        assert_eq!(mib.get(&oid), Some(value));
        (at, seen) = (oid, seen + 1);
    }
    // 7 scalars, 4 of an interface, 14 + 2 + 5 of each VRF, 4 of each target, 11 of each route.
    assert_eq!(seen, 7 + 4 + 2 * 21 + 3 * 4 + 3 * 11);
    let bounded = L3VpnMib::new(&pe, Outside { max_routes: 2, ..OUTSIDE });
    assert_eq!(bounded.routes.rows().len(), 2);
}

/// Shows: L3VPN-TSK-3
#[test]
fn each_threshold_is_notified_once_per_crossing() {
    let mut pe = pe();
    let before = L3VpnMib::new(&pe, OUTSIDE);
    events(&mut pe);
    let mut kinds = Vec::new();
    let mut note = |pe: &mut Speaker| {
        let events = events(pe);
        let mib = L3VpnMib::new(pe, OUTSIDE);
        for notification in events.iter().filter_map(|e| mib.notification(e)) {
            assert_eq!(notification.objects.len(), 2);
            for (oid, value) in &notification.objects {
                assert_eq!(mib.get(oid).as_ref(), Some(value), "{oid}");
            }
            kinds.push(notification.kind);
        }
    };
    for _ in 0..2 {
        for n in 0..5 {
            local(&mut pe, &format!("10.{n}.0.0/16"), Some(LocalRoute::Local));
            note(&mut pe);
        }
        for n in (0..5).rev() {
            local(&mut pe, &format!("10.{n}.0.0/16"), None);
            note(&mut pe);
        }
    }
    use NotificationType::{RouteMaxThreshCleared, RouteMaxThreshExceeded, RouteMidThreshExceeded};
    assert_eq!(kinds, [RouteMidThreshExceeded, RouteMaxThreshExceeded, RouteMaxThreshCleared].repeat(2));
    // An interface that goes down takes the VRF down; labels beyond the threshold are told of once.
    let down = L3VpnMib::new(&pe, Outside { interface_up: &|_| false, illegal_labels: &|_| 151, ..OUTSIDE });
    let of = |changes: &[bgp_vpn::mib::Notification]| changes.iter().map(|n| (n.kind, n.vrf)).collect::<Vec<_>>();
    use NotificationType::{IllegalLabelThreshExceeded, VrfDown, VrfUp};
    // VRF 2 had 200 of them before.
    assert_eq!(of(&down.changes(&before)), [(VrfDown, VrfId(1)), (IllegalLabelThreshExceeded, VrfId(1))]);
    let up = down.changes(&before);
    assert_eq!(up[0].oid().to_string(), "1.3.6.1.2.1.10.166.11.0.2");
    assert_eq!(of(&before.changes(&down)), [(VrfUp, VrfId(1)), (IllegalLabelThreshExceeded, VrfId(2))][..1]);
    let off = L3VpnMib::new(&pe, Outside { notifications: false, interface_up: &|_| false, ..OUTSIDE });
    assert_eq!(off.changes(&before), []);
}

/// Every object that a customer sees is one of its own VRF: it is named after it, and says what the provider's view says; another VRF's
/// name, targets and addresses are nowhere, nor is an address of the core.
///
/// Shows: L3VPN-REF-17
#[test]
fn a_customer_sees_its_own_vrf_and_nothing_of_the_core() {
    let mut pe = pe();
    local(&mut pe, "10.9.0.0/16", Some(LocalRoute::Via(IfIndex(7))));
    let far = Input::Local { vrf: VrfId(2), prefix: "10.8.0.0/16".parse().unwrap(), route: Some(LocalRoute::Local) };
    pe.handle_input(Instant::from_secs(20), far);
    let circuit = Circuit { vrf: VrfId(2), address: "10.0.0.6".parse().unwrap(), nhlfe: NhlfeId(6) };
    pe.handle_input(Instant::from_secs(20), Input::Circuit { iface: IfIndex(8), circuit: Some(circuit) });
    // Red imports a route of blue's.
    let targets = || vec!["65001:1".parse().unwrap(), "65001:2".parse().unwrap()];
    pe.set_vrf_targets(Instant::from_secs(21), VrfId(1), targets(), targets()).unwrap();
    let provider = L3VpnMib::new(&pe, OUTSIDE);
    for (vrf, name, other) in [(VrfId(1), "red", "blue"), (VrfId(2), "blue", "red")] {
        let view = [vrf];
        let customer = L3VpnMib::new(&pe, Outside { view: View::Customer(&view), ..OUTSIDE });
        let index = |name: &str| {
            let octets = name.bytes().map(u32::from);
            [name.len() as u32].into_iter().chain(octets).collect::<Vec<u32>>()
        };
        let (mut at, mut seen) = (Oid::new(MODULE), 0);
        while let Some((oid, value)) = customer.next(&at) {
            let ids = oid.ids();
            let names = |name: &str| ids.windows(name.len() + 1).any(|w| w == index(name));
            let scalar = ids.starts_with(&[MODULE, &[1, 1]].concat());
            assert!(scalar || names(name), "{oid}");
            assert!(!names(other), "{oid}");
            if !scalar {
                assert_eq!(provider.get(&oid), Some(value), "{oid}");
            }
            (at, seen) = (oid, seen + 1);
        }
        assert!(seen > 7 + 21, "{seen}");
        assert_eq!(customer.interfaces.rows().len(), 1);
        let scalars = customer.scalars.rows().next().unwrap();
        assert_eq!((scalars.configured_vrfs, scalars.active_vrfs, scalars.connected_interfaces), (1, 1, 1));
    }
}
