//! TUNNEL-MIB and IPSEC-SPD-MIB: links as the forwarding plane was told of them, and policies as a manager reads them out of the objects.

use fwd_core::mib::{Objects, Oid, Value};
use fwd_core::net::VlinkId;
use fwd_core::op::{Dscp, Vlink};
use ipsec_vlink::mib::{Endpoint, SpdMib, TunnelMib};
use ipsec_vlink::spd::{Action, FromPacket, Outbound, Packet, Policy, Protect, Selector, Spd};

use super::*;

const TUNNEL: &[u32] = &[1, 3, 6, 1, 2, 1, 10, 131, 1, 1, 1, 1];
const ENDPOINT: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 2, 1];
const CONTENTS: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 3, 1];
const RULE: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 4, 1];
const COMPOUND: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 5, 1];
const SUBFILTER: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 6, 1];
const OFFSET: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 8, 1];
const CLASSIFIER: &[u32] = &[1, 3, 6, 1, 2, 1, 97, 1, 2, 6, 1];
const TRUE: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 7, 1, 0];
const DROP: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 13, 1, 0];
const ACCEPT: &[u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 13, 3, 0];

/// A manager: objects, and nothing else.
struct Manager<'a>(&'a dyn Objects);

/// An IP packet, and where a manager finds what filters look at.
struct Seen {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    ports: (u16, u16),
    octets: Vec<u8>,
}

impl Seen {
    fn of(packet: &Packet, is_inbound: bool) -> Self {
        let (source, destination, ports) = match is_inbound {
            true => (packet.remote, packet.local, (packet.ports.1, packet.ports.0)),
            false => (packet.local, packet.remote, packet.ports),
        };
        let octets = match (source, destination) {
            (IpAddr::V4(s), IpAddr::V4(d)) => [&[0x45; 12][..], &s.octets(), &d.octets()].concat(),
            (IpAddr::V6(s), IpAddr::V6(d)) => [&[0x60; 8][..], &s.octets(), &d.octets()].concat(),
            _ => panic!("one family"),
        };
        Self { source, destination, protocol: packet.protocol, ports, octets }
    }
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(a) => (a.to_bits().into(), 32),
        IpAddr::V6(a) => (a.to_bits(), 128),
    }
}

impl Manager<'_> {
    fn cell(&self, entry: &[u32], column: u32, index: &[u32]) -> Value {
        let oid = Oid::new(&[entry, &[column], index].concat());
        self.0.get(&oid).unwrap_or_else(|| panic!("{oid} is not there"))
    }

    fn number(&self, entry: &[u32], column: u32, index: &[u32]) -> u64 {
        match self.cell(entry, column, index) {
            Value::Integer(n) => n as u64,
            Value::Unsigned(n) => n.into(),
            other => panic!("{other:?}"),
        }
    }

    fn octets(&self, entry: &[u32], column: u32, index: &[u32]) -> Vec<u8> {
        let Value::Octets(octets) = self.cell(entry, column, index) else { panic!() };
        octets
    }

    fn pointer(&self, entry: &[u32], column: u32, index: &[u32]) -> Oid {
        let Value::Oid(oid) = self.cell(entry, column, index) else { panic!() };
        assert!(self.0.get(&oid).is_some() || oid.ids().starts_with(TUNNEL), "{oid} leads nowhere");
        oid
    }

    /// The cells of a column whose index begins so, in order.
    fn below(&self, entry: &[u32], column: u32, index: &[u32]) -> Vec<Value> {
        let start = [entry, &[column], index].concat();
        let (mut at, mut cells) = (Oid::new(&start), Vec::new());
        while let Some((oid, value)) = self.0.next(&at).filter(|(oid, _)| oid.ids().starts_with(&start)) {
            cells.push(value);
            at = oid;
        }
        cells
    }

    fn classifies(&self, index: &[u32], packet: &Seen) -> bool {
        let within = |column: u32, address: IpAddr| {
            let first = self.octets(CLASSIFIER, column, index);
            let (own, width) = bits(address);
            let first = first.iter().fold(0, |n: u128, octet| n << 8 | u128::from(*octet));
            let len = self.number(CLASSIFIER, column + 1, index) as u32;
            len == 0 || (first ^ own) >> (width - len) == 0
        };
        let family = self.number(CLASSIFIER, 2, index) == if packet.source.is_ipv4() { 1 } else { 2 };
        let protocol = self.number(CLASSIFIER, 9, index);
        let ports = |first: u32, port: u16| {
            (self.number(CLASSIFIER, first, index)..=self.number(CLASSIFIER, first + 1, index)).contains(&port.into())
        };
        family
            && (protocol == 255 || protocol == u64::from(packet.protocol))
            && within(3, packet.destination)
            && within(5, packet.source)
            && ports(10, packet.ports.1)
            && ports(12, packet.ports.0)
    }

    fn passes(&self, filter: &Oid, packet: &Seen) -> bool {
        let of = |entry: &[u32]| filter.ids().strip_prefix(entry).map(<[u32]>::to_vec);
        if filter.ids() == TRUE {
            return true;
        }
        if let Some(rest) = of(CLASSIFIER) {
            return self.classifies(&rest[1..], packet);
        }
        if let Some(rest) = of(OFFSET) {
            let value = self.octets(OFFSET, 4, &rest[1..]);
            let at = self.number(OFFSET, 2, &rest[1..]) as usize;
            let found = &packet.octets[at..at + value.len()];
            return match self.number(OFFSET, 3, &rest[1..]) {
                4 => value.as_slice() >= found,
                6 => value.as_slice() <= found,
                other => panic!("comparison {other}"),
            };
        }
        let rest = of(COMPOUND).unwrap_or_else(|| panic!("{filter} is no filter"));
        assert_eq!(self.number(COMPOUND, 3, &rest[1..]), 2, "and");
        let filters = self.below(SUBFILTER, 2, &rest[1..]);
        assert!(filters.len() > 1);
        filters.iter().all(|filter| matches!(filter, Value::Oid(oid) if self.passes(oid, packet)))
    }

    /// What the rules of an interface say of a packet; none of a packet that no rule is for.
    fn action(&self, if_index: u32, packet: &Packet, is_inbound: bool) -> Option<Oid> {
        let seen = Seen::of(packet, is_inbound);
        let mut group = Oid::default();
        group.push_octets(&self.octets(ENDPOINT, 3, &[if is_inbound { 1 } else { 2 }, if_index]));
        for rule in self.below(CONTENTS, 5, group.ids()) {
            let Value::Octets(name) = rule else { panic!() };
            let mut index = Oid::default();
            index.push_octets(&name);
            if self.passes(&self.pointer(RULE, 3, index.ids()), &seen) {
                return Some(self.pointer(RULE, 5, index.ids()));
            }
        }
        None
    }
}

/// As numbers, without a library.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn address(&mut self, is_ipv6: bool) -> IpAddr {
        let last = self.roll(32) as u8;
        if is_ipv6 {
            IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
        } else {
            [10, 0, 0, last].into()
        }
    }

    fn end(&mut self, is_ipv6: bool, protocol: u8) -> TrafficSelector {
        let mut range = [self.address(is_ipv6), self.address(is_ipv6)];
        range.sort();
        let ports = [(0, u16::MAX), (80, 80), (1000, 2000)][self.roll(3) as usize];
        match self.roll(4) {
            0 if is_ipv6 => TrafficSelector::new(protocol, ports, TrafficSelector::ANY_V6.addresses()).unwrap(),
            0 => TrafficSelector::new(protocol, ports, TrafficSelector::ANY_V4.addresses()).unwrap(),
            1 => TrafficSelector::subnet(range[0], if is_ipv6 { 125 } else { 29 }),
            _ => TrafficSelector::new(protocol, ports, (range[0], range[1])).unwrap(),
        }
    }

    fn policy(&mut self) -> Policy {
        let (is_ipv6, protocol) = (self.roll(3) == 0, [0, 6, 17][self.roll(3) as usize]);
        let protect = Protect { sa: SaId(1), mode: Mode::Tunnel, from_packet: FromPacket::default() };
        let action = [Action::Discard, Action::Bypass, Action::Protect(protect)][self.roll(3) as usize];
        Policy {
            selector: Selector { local: self.end(is_ipv6, protocol), remote: self.end(is_ipv6, protocol) },
            action,
        }
    }

    fn packet(&mut self) -> Packet {
        let is_ipv6 = self.roll(3) == 0;
        let ports = [80, 1500, 9][self.roll(3) as usize];
        Packet {
            local: self.address(is_ipv6),
            remote: self.address(is_ipv6),
            protocol: [6, 17, 47][self.roll(3) as usize],
            ports: (ports, [80, 1500, 9][self.roll(3) as usize]),
        }
    }
}

/// Every object once, in order, and each is what reading it alone says.
fn walk(objects: &dyn Objects) -> usize {
    let (mut at, mut seen) = (Oid::new(&[1]), 0);
    while let Some((oid, value)) = objects.next(&at) {
        assert!(oid > at, "{oid} after {at}");
        assert_eq!(objects.get(&oid), Some(value), "{oid}");
        (at, seen) = (oid, seen + 1);
    }
    seen
}

/// A manager who reads groups, rules and filters decides of each packet as the SPD does, in both directions.
#[test]
fn the_rules_that_a_manager_reads_are_the_spd() {
    let mut dice = Dice(5);
    let mut decided = [0; 4];
    for _ in 0..200 {
        let mut spd = Spd::new();
        for _ in 0..dice.roll(8) {
            // Ends of two protocols are refused.
            let _ = spd.push(dice.policy(), |_| true);
        }
        let mib = SpdMib::of([Endpoint { if_index: 9, spd: &spd, changed: Instant::from_secs(3) }]);
        walk(&mib);
        let manager = Manager(&mib);
        for _ in 0..50 {
            let packet = dice.packet();
            let (expected, kind) = match spd.find(&packet).map(|policy| policy.action) {
                None => (None, 0),
                Some(Action::Discard) => (Some(Oid::new(DROP)), 1),
                Some(Action::Bypass) => (Some(Oid::new(ACCEPT)), 2),
                Some(Action::Protect(_)) => (Some(Oid::new(&[TUNNEL, &[5, 9]].concat())), 3),
            };
            decided[kind] += 1;
            for is_inbound in [true, false] {
                assert_eq!(manager.action(9, &packet, is_inbound), expected, "{packet:?} {spd:?}");
            }
        }
    }
    assert!(decided.iter().all(|n| *n > 200), "{decided:?}");
}

/// What the forwarding plane holds of each virtual link.
fn vlinks(system: &System) -> BTreeMap<VlinkId, Vlink> {
    let mut vlinks = BTreeMap::new();
    for op in &system.ops {
        match op {
            FwdOp::SetVlink { id, vlink } => drop(vlinks.insert(*id, *vlink)),
            FwdOp::ClearVlink { id } => drop(vlinks.remove(id)),
            _ => {}
        }
    }
    vlinks
}

/// After each event the objects are those of the links: as many as there are, between their addresses, protected as the forwarding plane
/// protects them, and with the rules of their policies.
fn agrees(system: &System, links: &[LinkId]) {
    let if_index = |link: LinkId| Some(100 + link.0);
    let (tunnels, policies) = (TunnelMib::new(&system.links, if_index), SpdMib::new(&system.links, if_index));
    // All of a row of IPv4 but the flow label; and its three of configuration.
    assert_eq!(walk(&tunnels), links.len() * (8 + 3));
    walk(&policies);
    let manager = Manager(&tunnels);
    let held = vlinks(system);
    for link in links {
        let index = [100 + link.0];
        let config = system.links.config(*link).unwrap();
        let (local, remote) = addresses(&system.links.ends(*link).unwrap());
        let octets = |address: IpAddr| if let IpAddr::V4(a) = address { a.octets().to_vec() } else { panic!() };
        assert_eq!(manager.octets(TUNNEL, 9, &index), octets(local));
        assert_eq!(manager.octets(TUNNEL, 10, &index), octets(remote));
        let is_ipsec = manager.number(TUNNEL, 5, &index) == 2;
        let mut by_addresses = Oid::new(&[1, 3, 6, 1, 2, 1, 10, 131, 1, 1, 3, 1, 6]);
        by_addresses.push_address(Some(local));
        by_addresses.push_inet_address(remote);
        by_addresses.push(manager.number(TUNNEL, 3, &index) as u32);
        by_addresses.push(link.0 + 1);
        assert_eq!(tunnels.get(&by_addresses), Some(Value::Integer(index[0] as i32)));
        let method = match config.architecture {
            Architecture::TunnelSa => 19,
            Architecture::SharedIpip | Architecture::DistinctIpip => 2,
            Architecture::Gre => 3,
            Architecture::Mpls => 1,
            Architecture::L2tp => 5,
        };
        assert_eq!(manager.number(TUNNEL, 3, &index), method);
        // A packet of the tunnel's own, as the rules of the link decide of it and as software's SPD does.
        let packet = Packet { local, remote, protocol: config.architecture.protocol().0, ports: (0, 0) };
        let action = Manager(&policies).action(index[0], &packet, false).unwrap();
        let expected = match system.links.spd(*link).unwrap().outbound(&packet) {
            Outbound::Bypass => Oid::new(ACCEPT),
            Outbound::Protect(..) => Oid::new(&[TUNNEL, &[5], &index[..]].concat()),
            Outbound::Drop(_) => Oid::new(DROP),
        };
        assert_eq!(action, expected, "{link:?}");
        assert_eq!(is_ipsec, action.ids().starts_with(TUNNEL));
        if is_ipsec {
            assert_eq!(tunnels.get(&action), Some(Value::Integer(2)), "what the rule points at says that it is ipsec");
        }
        if system.state(*link).carries() {
            let of = |vlink: &&Vlink| addresses(&vlink.ends) == (local, remote);
            let found: Vec<bool> = held.values().filter(of).map(|vlink| vlink.protection.is_some()).collect();
            assert!(!found.is_empty() && found.contains(&is_ipsec), "{link:?} {found:?}");
        }
    }
}

/// Shows: L3VPN-8.11-7
#[test]
fn tunnels_and_policies_are_those_of_the_links_after_each_event() {
    for architecture in Architecture::ALL {
        let (mut system, peer, mut links) = up(3, architecture, Security::Esp);
        agrees(&system, &links);
        let changed = |system: &System, link: LinkId| {
            let mib = SpdMib::new(&system.links, |of| (of == link).then_some(1));
            Manager(&mib).cell(ENDPOINT, 4, &[1, 1])
        };
        system.pass(20);
        system.links.secure(system.now, links[1], Security::Discard).unwrap();
        system.drain();
        agrees(&system, &links);
        assert_eq!(changed(&system, links[1]), Value::Ticks(2000), "the policy changed when it did");
        assert_eq!(changed(&system, links[0]), Value::Ticks(0));
        let sa = system.links.sa(links[2]).unwrap();
        system.input(Input::SaDown { sa });
        agrees(&system, &links);
        system.links.remove_link(system.now, links.remove(0));
        system.drain();
        agrees(&system, &links);
        let dscp = Dscp::new(46);
        let cfg = LinkConfig { dscp, ..config(peer, 9, architecture, Security::Discard) };
        links.push(system.links.add_link(system.now, cfg).unwrap());
        system.drain();
        agrees(&system, &links);
        let index = [100 + links.last().unwrap().0];
        let mib = TunnelMib::new(&system.links, |link| Some(100 + link.0));
        let manager = Manager(&mib);
        assert_eq!(manager.cell(TUNNEL, 6, &index), Value::Integer(46));
        assert_eq!(manager.cell(TUNNEL, 6, &[100 + links[0].0]), Value::Integer(-1));
        assert_eq!(manager.number(TUNNEL, 5, &index), 1);
        // A router that gives a link no interface has no objects of it.
        assert_eq!(walk(&TunnelMib::new(&system.links, |_| None)), 0);
    }
}
