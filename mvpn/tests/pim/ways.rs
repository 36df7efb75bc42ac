//! Routers with two ways upstream: Join attributes (RFC 5384, RFC 5496, RFC 6420), ECMP Redirect (RFC 6754), fast reroute (RFC 7431).

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::{IfIndex, VrfId};
use fwd_core::op::{Origin, Rpf};
use mvpn::pim::wire::{
    Assert, EcmpRedirect, EncodedGroup, GroupSetBuf, HelloOption, JoinAttribute, JoinAttributeType, JoinAttributeValue,
    JoinAttributesBuf, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet,
};
use mvpn::pim::{
    EcmpConfig, Input, MribRoute, PimAddress, PimConfig, PimConfigError, PimEvent, PimInterfaceConfig, PimLimit,
    PimReject, PimRouter, Ways,
};

use crate::one::{ALL, ASM, LAN, LOOPBACK, ME, ME_UP, N1, N2, NUP, One, RP, S, SSM, UP, config, lan};

const UP2: IfIndex = IfIndex(3);
const ME_UP2: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 5);
const NUP2: Ipv4Addr = Ipv4Addr::new(10, 0, 3, 1);
/// Exits from the network, as vectors say.
const V1: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);
const V2: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);

type Value<'a> = JoinAttributeValue<'a>;

fn by(interface: IfIndex, next_hop: Ipv4Addr, metric: u32) -> MribRoute<Ipv4Addr> {
    MribRoute { interface, next_hop: Some(next_hop), preference: 110, metric }
}

fn both() -> Vec<MribRoute<Ipv4Addr>> {
    vec![by(UP, NUP, 20), by(UP2, NUP2, 20)]
}

impl One {
    /// Join attributes on the LAN and on a second way upstream.
    fn with_ways(mut config: PimConfig<Ipv4Addr>, ecmp: bool) -> Self {
        config.router_id = 5;
        let mut lan = lan();
        lan.join_attributes = true;
        let mut one = Self::with(config, lan, RP);
        let mut up2 = PimInterfaceConfig::new(UP2, ME_UP2, vec!["10.0.3.0/24".parse().unwrap()]);
        up2.join_attributes = true;
        if ecmp {
            one.pim.remove_interface(one.now, UP).unwrap();
            let mut up = crate::one::up();
            up.ecmp = Some(EcmpConfig { bundle: 1, preference: 5, metric: 1 });
            up2.ecmp = Some(EcmpConfig { bundle: 1, preference: 5, metric: 2 });
            one.pim.add_interface(one.now, up).unwrap();
            one.hello(UP, NUP, &forever());
        }
        one.pim.add_interface(one.now, up2).unwrap();
        one.drain();
        one.hello(UP, NUP, &forever());
        one.hello(UP2, NUP2, &[&forever()[..], &[HelloOption::JoinAttribute, HelloOption::MtId]].concat());
        one.hello(LAN, N1, &forever());
        one.hello(LAN, N2, &forever());
        one
    }

    fn ways(&mut self, topology: u16, address: Ipv4Addr, ways: &Ways<Ipv4Addr>) {
        self.input(Input::Ways { topology, address, ways });
    }

    fn route(&mut self, address: Ipv4Addr, route: MribRoute<Ipv4Addr>) {
        self.input(Input::Route { address, route: Some(route) });
    }

    /// A Join with attributes, the flag saying whether each is transitive.
    fn join_with(
        &mut self,
        interface: IfIndex,
        (from, to): (Ipv4Addr, Ipv4Addr),
        (g, s, flags): (Ipv4Addr, Ipv4Addr, SourceFlags),
        values: &[(bool, Value<'_>)],
    ) {
        let mut attributes = JoinAttributesBuf::new(Ipv4Addr::FAMILY);
        for (transitive, value) in values {
            assert!(attributes.push(JoinAttribute { transitive: *transitive, value: *value }));
        }
        let mut set = GroupSetBuf::new(EncodedGroup::new(g.into()));
        set.joins.push(SourceBuf::new(s.into(), flags).with_attributes(attributes));
        let mut m = JoinPruneBuf::new(to.into(), 210);
        m.push(set);
        let octets = packet(MessageType::JOIN_PRUNE, 0, from.into(), ALL.into(), |out| m.emit(out));
        self.input(Input::Datagram { interface, from, to: ALL, octets: &octets, authenticated: false });
    }

    /// A Join of the channel from the LAN.
    fn channel(&mut self, from: Ipv4Addr, values: &[(bool, Value<'_>)]) {
        self.join_with(LAN, (from, ME), (SSM, S, SourceFlags::empty()), values);
    }

    /// What was sent of the source or RP since the last call: neighbour, Join or not, attributes.
    fn said(&mut self, of: Ipv4Addr) -> Vec<(Ipv4Addr, bool, String)> {
        let mut list = Vec::new();
        for (_, from, to, octets) in self.sent.drain(..) {
            let Ok(Message::JoinPrune(m)) = Message::parse(&octets, from.into(), to.into()) else { continue };
            let std::net::IpAddr::V4(neighbor) = m.upstream_neighbor() else { continue };
            for set in m.groups() {
                for (s, join) in set.joins().map(|s| (s, true)).chain(set.prunes().map(|s| (s, false))) {
                    let values = s.attributes().iter().map(|a| match a.value {
                        JoinAttributeValue::RpfVector(v) => format!("vector {v}"),
                        JoinAttributeValue::MtId(t) => format!("topology {t}"),
                        other => format!("{} {other:?}", a.transitive),
                    });
                    // The echo of a Prune is to this router itself.
                    if s.addr() == std::net::IpAddr::V4(of) && neighbor != ME {
                        list.push((neighbor, join, values.collect::<Vec<_>>().join(", ")));
                    }
                }
            }
        }
        list.sort();
        list
    }

    fn taken_from(&self) -> Option<Rpf> {
        self.mroute(Some(S), SSM).map(|m| m.rpf)
    }
}

fn forever() -> [HelloOption; 1] {
    [HelloOption::Holdtime(0xffff)]
}

fn from(interface: IfIndex) -> Option<Rpf> {
    Some(Rpf::From(Origin::Interface(interface)))
}

fn vector(v: Ipv4Addr) -> (bool, Value<'static>) {
    (false, Value::RpfVector(v.into()))
}

fn said(neighbor: Ipv4Addr, join: bool, what: &str) -> (Ipv4Addr, bool, String) {
    (neighbor, join, what.to_owned())
}

/// RFC 5496 §3.3.2, §3.3.3: the Join goes where the vector is, and an Assert has the metric to the vector.
///
/// Shows: L3VPN-8.8-6, L3VPN-8.8-8, L3VPN-8.8-10
#[test]
fn a_vector_leads_the_join_and_goes_with_it() {
    let mut one = One::with_ways(config(), false);
    one.channel(N1, &[vector(V1)]);
    one.said(S);
    one.route(V1, by(UP2, NUP2, 77));
    assert_eq!(one.said(S), [said(NUP, false, ""), said(NUP2, true, "vector 10.8.0.1")]);
    assert_eq!(one.taken_from(), from(UP2));
    one.input(Input::Data { interface: LAN, source: S, group: SSM });
    let assert = Assert {
        group: EncodedGroup::new(SSM.into()),
        source: S.into(),
        rpt: false,
        metric_preference: 110,
        metric: 77,
    };
    let sent = one.sent.last().cloned().unwrap();
    assert_eq!(Message::parse(&sent.3, sent.1.into(), sent.2.into()), Ok(Message::Assert(assert)));
    one.said(S);
    // Each minute again, and a better route to the source itself changes nothing.
    one.route(S, by(UP, NUP, 1));
    one.wait(Duration::from_secs(60));
    assert_eq!(one.said(S), [said(NUP2, true, "vector 10.8.0.1")]);
    // The same neighbour joins without it: nothing of the earlier Join is kept (RFC 5384 §3.3.4).
    one.channel(N1, &[]);
    assert_eq!(one.said(S), [said(NUP, true, ""), said(NUP2, false, "")]);
    one.prune(N1, SSM, S);
    one.wait(Duration::from_secs(4));
    assert_eq!(one.pim.states(), 0);
}

/// RFC 5496 §3.3.2: a vector that names this router is dropped; §3.3.1: it may insert another.
#[test]
fn the_end_of_a_vector_goes_on_by_its_own_route() {
    let mut one = One::with_ways(config(), false);
    one.channel(N1, &[vector(LOOPBACK)]);
    assert_eq!(one.said(S), [said(NUP, true, "")]);
    one.ways(0, S, &Ways { routes: vec![by(UP2, NUP2, 1)], vector: Some(V2), ..Ways::default() });
    assert_eq!(one.said(S), [said(NUP, false, ""), said(NUP2, true, "vector 10.8.0.2")]);
    // Another vector by the same neighbour is said at once.
    one.ways(0, S, &Ways { routes: vec![by(UP2, NUP2, 1)], vector: Some(V1), ..Ways::default() });
    assert_eq!(one.said(S), [said(NUP2, true, "vector 10.8.0.1")]);
}

/// RFC 5384 §3.3.3: the neighbour of the lowest address prevails, and the next one when that leaves or dies.
#[test]
fn of_conflicting_vectors_that_of_the_lowest_neighbour_holds() {
    let mut one = One::with_ways(config(), false);
    one.channel(N2, &[vector(V2)]);
    one.route(V2, by(UP2, NUP2, 1));
    one.said(S);
    one.channel(N1, &[vector(V1)]);
    one.route(V1, by(UP2, NUP2, 1));
    assert_eq!(one.said(S).last(), Some(&said(NUP2, true, "vector 10.8.0.1")));
    one.prune(N1, SSM, S);
    assert_eq!(one.said(S), [said(NUP2, true, "vector 10.8.0.2")], "at once, not with the next refresh");
    one.channel(N2, &[vector(V2)]);
    one.channel(N1, &[vector(V1)]);
    one.said(S);
    one.hello(LAN, N1, &[HelloOption::Holdtime(0)]);
    assert_eq!(one.said(S).last(), Some(&said(NUP2, true, "vector 10.8.0.2")));
}

/// RFC 5384 §3.2: not to a link with a router that could not read them; RFC 5496 §3.3.3: not to the winner of an Assert.
#[test]
fn attributes_go_only_where_they_can_be_used() {
    let mut one = One::with_ways(config(), false);
    let other = Ipv4Addr::new(10, 0, 3, 9);
    one.channel(N1, &[vector(V1)]);
    one.route(V1, by(UP2, NUP2, 20));
    one.hello(UP2, other, &forever());
    one.said(S);
    one.wait(Duration::from_secs(60));
    assert_eq!(one.said(S), [said(NUP2, true, "")]);
    one.hello(UP2, other, &[&forever()[..], &[HelloOption::JoinAttribute]].concat());
    one.wait(Duration::from_secs(60));
    assert_eq!(one.said(S), [said(NUP2, true, "vector 10.8.0.1")]);
    let group = EncodedGroup::new(SSM.into());
    let assert = Assert { group, source: S.into(), rpt: false, metric_preference: 1, metric: 1 };
    one.receive(UP2, other, ALL, &Message::Assert(assert));
    one.wait(Duration::from_secs(3));
    assert_eq!(one.said(S), [said(other, true, "")]);
}

/// RFC 5496 §3.3.4: another router's Join stands for this one's only if it says the same vector.
#[test]
fn joins_with_another_vector_suppress_nothing() {
    for (theirs, suppressed) in [(V1, true), (V2, false)] {
        let mut one = One::with_ways(config(), false);
        let other = Ipv4Addr::new(10, 0, 3, 9);
        one.hello(UP2, other, &[&forever()[..], &[HelloOption::JoinAttribute]].concat());
        one.channel(N1, &[vector(V1)]);
        one.route(V1, by(UP2, NUP2, 20));
        one.said(S);
        one.wait(Duration::from_secs(50));
        one.join_with(UP2, (other, NUP2), (SSM, S, SourceFlags::empty()), &[vector(theirs)]);
        one.wait(Duration::from_secs(11));
        assert_eq!(one.said(S).is_empty(), suppressed, "{theirs}");
    }
}

/// RFC 6420 §4.2: the lookup is done in the topology that was asked for, unless this router's configuration says another.
#[test]
fn a_topology_decides_the_lookup() {
    let mut one = One::with_ways(config(), false);
    let in_up2 = Ways { routes: vec![by(UP2, NUP2, 3)], ..Ways::default() };
    one.channel(N1, &[(false, Value::MtId(4)), (false, Value::MtId(5))]);
    one.ways(5, S, &in_up2);
    one.said(S);
    one.wait(Duration::from_secs(60));
    assert_eq!((one.said(S), one.taken_from()), (vec![said(NUP2, true, "topology 5")], from(UP2)));
    // An MT-ID of 0 says nothing.
    one.channel(N1, &[(false, Value::MtId(0))]);
    assert_eq!(one.said(S), [said(NUP, true, ""), said(NUP2, false, "")]);
    // The route goes: there is none in that topology, whatever there is in others.
    one.channel(N1, &[(false, Value::MtId(5))]);
    one.ways(5, S, &Ways::default());
    assert_eq!(one.taken_from(), Some(Rpf::Nowhere));

    let mut configured = config();
    configured.topologies = vec![("232.0.0.0/8".parse().unwrap(), 6)];
    let mut one = One::with_ways(configured, false);
    one.channel(N1, &[(false, Value::MtId(5))]);
    one.ways(6, S, &in_up2);
    one.said(S);
    one.wait(Duration::from_secs(60));
    assert_eq!(one.said(S), [said(NUP2, true, "topology 6")]);
    // The upstream router does not do topologies (§4.2.1).
    one.hello(UP2, NUP2, &[&forever()[..], &[HelloOption::JoinAttribute]].concat());
    one.wait(Duration::from_secs(60));
    assert_eq!(one.said(S), [said(NUP2, true, "")]);
    let mut wrong = config();
    wrong.topologies = vec![("232.0.0.0/8".parse().unwrap(), 4096)];
    assert_eq!(PimRouter::new(one.now, wrong).err(), Some(PimConfigError::Topologies));
}

/// RFC 5384 §3.3.2, and what a neighbour may not do.
#[test]
fn unknown_attributes_go_on_if_they_are_transitive() {
    let mut one = One::with_ways(config(), false);
    let other = |kind, value| Value::Other(JoinAttributeType(kind), value);
    one.route(S, by(UP2, NUP2, 1));
    one.channel(N1, &[(true, other(9, &[1, 2])), (false, other(10, &[3])), vector(V1)]);
    one.route(S, by(UP2, NUP2, 1));
    one.route(V1, by(UP2, NUP2, 1));
    one.said(S);
    one.wait(Duration::from_secs(60));
    let both = format!("vector 10.8.0.1, true {:?}", other(9, &[1, 2]));
    assert_eq!(one.said(S), [said(NUP2, true, &both)]);
    // The shared tree takes vectors too (RFC 5496 §3.1).
    one.join_with(LAN, (N1, ME), (ASM, RP, SourceFlags::all()), &[vector(V1)]);
    assert_eq!(one.said(RP), [said(NUP2, true, "vector 10.8.0.1")]);
    // More than so many octets, or on an interface where nobody may: the Join is not taken.
    let long = [7; 100];
    one.join_with(LAN, (N1, ME), (SSM, V2, SourceFlags::empty()), &[(true, other(9, &long))]);
    assert_eq!(one.said(V2), []);
    assert!(one.events.iter().any(|e| matches!(e, PimEvent::Limit { limit: PimLimit::JoinAttributes, .. })));
    one.join_with(UP, (NUP, ME_UP), (SSM, V2, SourceFlags::empty()), &[vector(V1)]);
    assert!(one.events.iter().any(|e| matches!(e, PimEvent::Rejected { reason: PimReject::Attributes, .. })));
    assert!(one.mroute(Some(V2), SSM).is_none());
}

fn redirect(neighbor: Ipv4Addr, preference: u8, metric: u64) -> EcmpRedirect {
    let mut r = EcmpRedirect::new(EncodedGroup::new(SSM.into()), S.into(), neighbor.into()).unwrap();
    (r.preference, r.metric) = (preference, metric);
    r
}

/// RFC 6754 §5.2, §5.3 downstream: Joins go where the best redirect says, while that is a way.
///
/// Shows: L3VPN-8.8-4, L3VPN-8.8-9
#[test]
fn a_redirect_moves_the_join_to_another_link_of_the_bundle() {
    let mut one = One::with_ways(config(), true);
    one.wait(Duration::from_secs(6));
    let hellos: Vec<_> = one.sent.iter().filter(|(i, ..)| *i == Some(UP2)).cloned().collect();
    assert!(!hellos.is_empty());
    let ours = hellos.iter().map(|(_, from, to, o)| Message::parse(o, (*from).into(), (*to).into()).unwrap());
    for hello in ours {
        let Message::Hello(hello) = hello else { continue };
        assert!(hello.options.contains(&HelloOption::EcmpRedirect));
        assert!(hello.options.contains(&HelloOption::InterfaceId { local: 3, router: 5 }));
    }
    one.channel(N1, &[]);
    one.ways(0, S, &Ways { routes: both(), ..Ways::default() });
    assert_eq!(one.said(S), [said(NUP, true, "")]);
    one.receive(UP, NUP, ALL, &Message::EcmpRedirect(redirect(NUP2, 3, 9)));
    assert_eq!(one.said(S), [said(NUP, false, ""), said(NUP2, true, "")]);
    assert!(one.events.contains(&PimEvent::Redirected { group: SSM, source: Some(S), interface: UP2 }));
    assert_eq!(one.taken_from(), from(UP2));
    // Of another upstream router: worse, then better.
    one.receive(UP2, NUP2, ALL, &Message::EcmpRedirect(redirect(NUP, 3, 10)));
    assert_eq!(one.said(S), []);
    one.receive(UP2, NUP2, ALL, &Message::EcmpRedirect(redirect(NUP, 2, 10)));
    assert_eq!(one.said(S), [said(NUP, true, ""), said(NUP2, false, "")]);
    // The same router may say something worse later.
    one.receive(UP2, NUP2, ALL, &Message::EcmpRedirect(redirect(NUP2, 9, 10)));
    assert_eq!(one.said(S), [said(NUP, false, ""), said(NUP2, true, "")]);
    // What is no way, or not of the bundle, is none of a router's business.
    one.receive(UP2, NUP2, ALL, &Message::EcmpRedirect(redirect(N1, 0, 0)));
    assert_eq!(one.said(S), []);
    assert!(one.events.iter().any(|e| matches!(e, PimEvent::Rejected { reason: PimReject::Redirect, .. })));
    // The link fails: another way at once.
    one.hello(UP2, NUP2, &[HelloOption::Holdtime(0)]);
    assert_eq!(one.said(S).first(), Some(&said(NUP, true, "")));
}

/// Where the Interface ID names the neighbour, its address does not (RFC 6754 §5.1); a redirected tree whose way is gone prefers the same
/// router on another link (§5.3).
#[test]
fn an_interface_id_names_the_neighbour() {
    let mut one = One::with_ways(config(), true);
    let id = |local, router| [&forever()[..], &[HelloOption::InterfaceId { local, router }]].concat();
    one.hello(UP, NUP, &id(1, 77));
    one.hello(UP2, NUP2, &id(2, 77));
    one.channel(N1, &[]);
    one.ways(0, S, &Ways { routes: both(), ..Ways::default() });
    one.said(S);
    let mut by_id = redirect(N1, 3, 9);
    by_id.interface_id = 2 << 32 | 77;
    one.receive(UP, NUP, ALL, &Message::EcmpRedirect(by_id));
    assert_eq!(one.said(S), [said(NUP, false, ""), said(NUP2, true, "")]);
    by_id.interface_id = 3 << 32 | 77;
    one.receive(UP, NUP, ALL, &Message::EcmpRedirect(by_id));
    assert_eq!(one.said(S), [], "no neighbour has that Interface ID");
    one.hello(UP2, NUP2, &[HelloOption::Holdtime(0)]);
    assert_eq!(one.said(S).first(), Some(&said(NUP, true, "")));
}

/// The redirects sent since the last call: interface, neighbour, preference, metric.
fn redirects(one: &mut One) -> Vec<(IfIndex, std::net::IpAddr, u8, u64)> {
    let sent =
        one.sent.drain(..).filter_map(|(i, from, to, octets)| match Message::parse(&octets, from.into(), to.into()) {
            Ok(Message::EcmpRedirect(r)) => Some((i.unwrap(), r.neighbor(), r.preference, r.metric)),
            _ => None,
        });
    sent.collect()
}

/// RFC 6754 §5.1, §5.4 upstream: here the bundle, UP and UP2, leads to the receivers, and the source is behind the LAN.
#[test]
fn joins_on_an_undesired_link_are_redirected() {
    let aware =
        |router| [&forever()[..], &[HelloOption::EcmpRedirect, HelloOption::InterfaceId { local: 1, router }]].concat();
    let mut one = One::with_ways(config(), true);
    let joins = |one: &mut One, on: IfIndex, g: Ipv4Addr| {
        let (from, to) = if on == UP { (NUP, ME_UP) } else { (NUP2, ME_UP2) };
        one.join_with(on, (from, to), (g, S, SourceFlags::empty()), &[]);
        one.route(S, by(LAN, N1, 1));
        redirects(one)
    };
    // A neighbour does not know redirects: none is sent.
    one.hello(UP, NUP, &aware(8));
    one.hello(UP2, NUP2, &forever());
    assert_eq!(joins(&mut one, UP2, SSM), []);
    one.hello(UP2, NUP2, &aware(8));
    // UP is more desirable, and nothing goes out of either.
    let other = Ipv4Addr::new(232, 1, 1, 2);
    assert_eq!(joins(&mut one, UP2, other), [(UP2, ME_UP.into(), 5, 1)]);
    // It goes out of UP2 already: whoever joins by UP is sent there.
    assert_eq!(joins(&mut one, UP, SSM), [(UP, ME_UP2.into(), 5, 2)]);
    // Both carry it: UP2 is the undesired one, and hears of it with every refresh and every packet seen there.
    assert_eq!((joins(&mut one, UP2, SSM), joins(&mut one, UP, SSM)), (vec![(UP2, ME_UP.into(), 5, 1)], vec![]));
    one.input(Input::Data { interface: UP2, source: S, group: SSM });
    assert_eq!(redirects(&mut one), [(UP2, ME_UP.into(), 5, 1)]);
    // The router that joins is not on the desired link (§5.3).
    one.hello(UP2, NUP2, &aware(9));
    assert_eq!(joins(&mut one, UP2, SSM), []);
    // So many in a second.
    one.hello(UP2, NUP2, &aware(8));
    for _ in 0..300 {
        joins(&mut one, UP2, SSM);
    }
    assert!(one.events.iter().any(|e| matches!(e, PimEvent::Limit { limit: PimLimit::Redirects, .. })));
}

#[test]
fn what_a_bundle_cannot_be_is_refused() {
    let now = fwd_core::time::Instant::ZERO;
    let loopback: std::net::Ipv6Addr = "2001:db8::1".parse().unwrap();
    let mut six = PimRouter::new(now, PimConfig::new(VrfId(1), loopback, 1..=2)).unwrap();
    let mut c = PimInterfaceConfig::new(LAN, "fe80::1".parse().unwrap(), Vec::new());
    c.ecmp = Some(EcmpConfig { bundle: 1, preference: 0, metric: 0 });
    assert_eq!(six.add_interface(now, c), Err(PimConfigError::RouterId));
    let mut c = lan();
    c.ecmp = Some(EcmpConfig { bundle: 1, preference: 15, metric: 0 });
    let mut four = PimRouter::new(now, config()).unwrap();
    assert_eq!(four.add_interface(now, c), Err(PimConfigError::EcmpPreference));
}

fn rerouting() -> PimConfig<Ipv4Addr> {
    let mut c = config();
    c.fast_reroute = vec!["232.0.0.0/8".parse().unwrap()];
    c
}

/// RFC 7431 §3.1, §5: both ways are joined, one is taken, and the other is there when the neighbour of the first is gone.
#[test]
fn the_second_way_takes_over_when_the_first_is_gone() {
    let mut one = One::with_ways(rerouting(), false);
    one.channel(N1, &[]);
    one.ways(0, S, &Ways { routes: both(), ..Ways::default() });
    assert_eq!(one.said(S), [said(NUP, true, ""), said(NUP2, true, "")]);
    assert_eq!(one.taken_from(), from(UP));
    one.wait(Duration::from_secs(60));
    assert_eq!(one.said(S), [said(NUP, true, ""), said(NUP2, true, "")], "both are refreshed");
    // The second tree's packets are no news.
    one.channel(N1, &[]);
    one.input(Input::Data { interface: UP2, source: S, group: SSM });
    assert_eq!(one.kinds(), []);
    let ops = one.ops.len();
    one.hello(UP, NUP, &[HelloOption::Holdtime(0)]);
    assert_eq!((one.taken_from(), one.ops.len() - ops), (from(UP2), 1), "one op");
    assert!(one.events.contains(&PimEvent::Rerouted { group: SSM, source: S, interface: UP2 }));
    one.sent.clear();
    // It is back: the first route is taken again, the other stays joined.
    one.hello(UP, NUP, &forever());
    assert_eq!((one.taken_from(), one.said(S)), (from(UP), vec![said(NUP, true, ""), said(NUP2, true, "")]));
    one.prune(N1, SSM, S);
    one.wait(Duration::from_secs(4));
    assert_eq!(one.said(S), [said(NUP, false, ""), said(NUP2, false, "")]);
    assert_eq!(one.pim.states(), 0);
}

/// RFC 7431 §5, third option: packets cease to come by the first way.
#[test]
fn the_second_way_takes_over_when_the_first_is_silent() {
    let mut one = One::with_ways(rerouting(), false);
    one.channel(N1, &[]);
    one.ways(0, S, &Ways { routes: both(), ..Ways::default() });
    one.said(S);
    for (silent, then) in [(UP, UP2), (UP2, UP)] {
        assert_eq!(one.taken_from(), from(silent));
        one.input(Input::Silent { source: S, group: SSM });
        assert_eq!(one.taken_from(), from(then));
        assert!(one.said(S).iter().all(|(_, join, _)| *join), "both ways stay joined");
    }
    // Groups that are not configured for it have one way.
    one.join(N1, ASM, S);
    one.ways(0, S, &Ways { routes: both(), ..Ways::default() });
    assert_eq!(one.join_prunes().iter().filter(|x| x.2 == ASM && x.5).count(), 1);
    one.input(Input::Silent { source: S, group: ASM });
    assert_eq!(one.join_prunes(), []);
}

/// RFC 7431 §3.2: the alternate is joined while somebody else wants the packets, so that two routers do not keep each other's trees alive.
#[test]
fn an_alternate_serves_while_others_want_the_packets() {
    let mut one = One::with_ways(rerouting(), false);
    let ways = Ways { routes: vec![by(UP, NUP, 1)], alternate: Some(by(UP2, NUP2, 50)), ..Ways::default() };
    let theirs = |one: &mut One| one.join_with(UP2, (NUP2, ME_UP2), (SSM, S, SourceFlags::empty()), &[]);
    theirs(&mut one);
    one.ways(0, S, &ways);
    assert_eq!(one.said(S), [said(NUP, true, "")], "only the alternate's router wants it");
    one.channel(N1, &[]);
    assert_eq!(one.said(S), [said(NUP2, true, "")]);
    // Neither router asserts against what it asked for.
    one.input(Input::Data { interface: UP2, source: S, group: SSM });
    assert_eq!(one.kinds(), []);
    one.prune(N1, SSM, S);
    one.wait(Duration::from_secs(4));
    assert_eq!(one.said(S), [said(NUP2, false, "")]);
    one.channel(N1, &[]);
    one.said(S);
    one.hello(UP, NUP, &[HelloOption::Holdtime(0)]);
    assert_eq!(one.taken_from(), from(UP2));
}
