//! Virtual routers find each other by VPN-ID: their PEs' discoveries around a route reflector, over UPDATEs.

use std::net::IpAddr;
use std::time::Duration;

use bgp_vpn::attr::ext_community::RouteTarget;
use bgp_vpn::attr::{AsPath, AsWidth, Attribute, ExtCommunity, ListBuf, NextHop, Origin};
use bgp_vpn::message::{Message, MpPosition, Update, UpdateWriter};
use bgp_vpn::nlri::{Family, VrMembershipNlri};
use bgp_vpn::session::{ConfigError, FamilyConfig, PeerRole};
use bgp_vpn::speaker::PeerId;
use bgp_vpn::vr::{Input, Output, VrConfig, VrDiscovery, VrDiscoveryConfig};
use fwd_core::net::VpnId;
use fwd_core::time::Instant;

use crate::overlap::AS;
use crate::world::{World, v4};

const NOW: Instant = Instant::from_secs(1);

/// A link that is to be: VPN, from, to.
type Link = (String, IpAddr, IpAddr);

struct Pe {
    discovery: VrDiscovery,
    /// The reflector's session with it.
    peer: PeerId,
    /// How much of what the reflector sent it has read.
    read: usize,
    links: Vec<Link>,
    outputs: Vec<Output>,
}

/// A route reflector and PEs with nothing but discoveries behind their sessions.
struct Provider {
    world: World,
    pes: Vec<Pe>,
}

impl Provider {
    fn new() -> Self {
        let mut world = World::default();
        world.node(AS, 200, v4(200));
        Self { world, pes: Vec::new() }
    }

    /// One more PE; nothing is told to the others but by BGP.
    fn add_pe(&mut self, config: VrDiscoveryConfig) -> usize {
        let n = self.pes.len() as u8 + 1;
        let node = self.world.node(AS, n, v4(n));
        let (_, peer) = self.world.link(node, 0, |at, peer| {
            peer.families = [Family::VR_MEMBERSHIP_IPV4, Family::VR_MEMBERSHIP_IPV6].map(FamilyConfig::new).to_vec();
            if at == 0 {
                peer.role = PeerRole::ReflectorClient;
            }
        });
        let read = self.world.nodes[0].sent.len();
        let discovery = VrDiscovery::new(NOW, config).unwrap();
        self.pes.push(Pe { discovery, peer, read, links: Vec::new(), outputs: Vec::new() });
        self.world.run(Duration::from_secs(5));
        self.settle();
        self.pes.len() - 1
    }

    fn add_vr(&mut self, pe: usize, vr: VrConfig) {
        self.pes[pe].discovery.add_vr(NOW, vr).unwrap();
        self.settle();
    }

    /// Carries outputs to inputs until there are none.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            for pe in 0..self.pes.len() {
                while let Some(output) = self.pes[pe].discovery.poll_output() {
                    busy = true;
                    self.act(pe, output);
                }
                busy |= self.read(pe);
            }
            if !busy {
                return;
            }
        }
    }

    fn act(&mut self, pe: usize, output: Output) {
        let negotiated = self.world.nodes[0].speaker.peer_negotiated(self.pes[pe].peer).unwrap().clone();
        let mut octets = Vec::new();
        match &output {
            Output::Advertise { nlri, targets } => {
                let communities: ListBuf<ExtCommunity> = targets.iter().map(|t| t.community()).collect();
                let attributes = [
                    Attribute::Origin(Origin::Igp),
                    Attribute::AsPath(AsPath::parse(&[], AsWidth::Four).unwrap()),
                    Attribute::LocalPref(100),
                    Attribute::ExtCommunities(communities.as_list()),
                ];
                let next_hop = NextHop::new(v4(pe as u8 + 1));
                let (family, position) = (nlri.family(), MpPosition::ByType);
                let writer =
                    UpdateWriter::announce(&mut octets, &negotiated, family, next_hop, &attributes[..], position);
                let mut writer = writer.unwrap();
                assert!(writer.push(nlri));
                writer.finish();
            }
            Output::Withdraw { nlri } => {
                let mut writer = UpdateWriter::withdraw(&mut octets, &negotiated, nlri.family());
                assert!(writer.push(nlri));
                writer.finish();
            }
            Output::Neighbor { vpn_id, local, remote, up } => {
                let link = (vpn_id.to_string(), *local, *remote);
                let links = &mut self.pes[pe].links;
                assert_eq!(links.contains(&link), !up, "told twice");
                if *up { links.push(link) } else { links.retain(|l| *l != link) }
            }
            Output::Full | Output::Ask => {}
        }
        self.pes[pe].outputs.push(output);
        if !octets.is_empty() {
            let peer = self.pes[pe].peer;
            self.world.inject(0, peer, &octets);
            self.world.settle();
        }
    }

    /// Reads what the reflector sent to a PE since it read last.
    fn read(&mut self, pe: usize) -> bool {
        let Pe { discovery, peer, read, .. } = &mut self.pes[pe];
        let reflector = &self.world.nodes[0];
        let news = &reflector.sent[*read..];
        *read = reflector.sent.len();
        let mut busy = false;
        for (_, octets) in news.iter().filter(|(to, _)| to == peer) {
            let mut rest = &octets[..];
            while let Ok((after, message)) = Message::take(rest) {
                rest = after;
                let Message::Update(body) = message else { continue };
                let update = Update::parse(body, reflector.speaker.peer_negotiated(*peer).unwrap()).unwrap();
                for nlri in update.mp_unreach().into_iter().flat_map(|u| u.nlris::<VrMembershipNlri>()) {
                    discovery.handle_input(NOW, Input::Route { nlri: nlri.unwrap(), attributes: None });
                    busy = true;
                }
                for nlri in update.mp_reach().into_iter().flat_map(|r| r.nlris::<VrMembershipNlri>()) {
                    let attributes = Some(update.attributes());
                    discovery.handle_input(NOW, Input::Route { nlri: nlri.unwrap(), attributes });
                    busy = true;
                }
            }
        }
        busy
    }

    /// The far ends of a PE's links of a VPN.
    fn links(&self, pe: usize, vpn: &str) -> Vec<IpAddr> {
        let vpn_id: VpnId = vpn.parse().unwrap();
        let links = self.pes[pe].links.iter().filter(|(vpn, ..)| *vpn == vpn_id.to_string());
        let mut remote: Vec<IpAddr> = links.map(|(.., remote)| *remote).collect();
        remote.sort();
        let neighbors: Vec<IpAddr> = self.pes[pe].discovery.neighbors(vpn_id).collect();
        assert_eq!(remote, neighbors);
        remote
    }
}

fn targets(list: &[&str]) -> Vec<RouteTarget> {
    list.iter().map(|t| t.parse().unwrap()).collect()
}

/// A virtual router of a PE; those of all VPNs have the PE's address.
fn vr(pe: usize, vpn: &str, import: &[&str], export: &[&str]) -> VrConfig {
    let (vpn_id, address) = (vpn.parse().unwrap(), v4(pe as u8 + 1));
    VrConfig { vpn_id, address, import: targets(import), export: targets(export) }
}

const MESH: &[&str] = &["65001:1"];

/// Three PEs with a virtual router of each of two VPNs, whose route targets are even the same: the VPN-ID alone keeps them apart. A fourth
/// comes with configuration of its own only; one goes, then a whole PE.
///
/// Shows: L3VPN-TSK-4
#[test]
fn virtual_routers_of_equal_vpn_ids_find_each_other() {
    let mut p = Provider::new();
    for _ in 0..3 {
        let pe = p.add_pe(VrDiscoveryConfig::default());
        ["5e:1", "5e:2"].into_iter().for_each(|vpn| p.add_vr(pe, vr(pe, vpn, MESH, MESH)));
    }
    let others = |pe: usize, of: u8| (1..=of).filter(|n| usize::from(*n) != pe + 1).map(v4).collect::<Vec<_>>();
    for pe in 0..3 {
        assert_eq!([p.links(pe, "5e:1"), p.links(pe, "5e:2")], [others(pe, 3), others(pe, 3)]);
    }
    let new = p.add_pe(VrDiscoveryConfig::default());
    p.add_vr(new, vr(new, "5e:2", MESH, MESH));
    for pe in 0..3 {
        assert_eq!([p.links(pe, "5e:1"), p.links(pe, "5e:2")], [others(pe, 3), others(pe, 4)]);
    }
    assert_eq!([p.links(new, "5e:1"), p.links(new, "5e:2")], [vec![], others(new, 4)]);
    // One whose index differs in the last octet, and one of another authority, are strangers.
    p.add_vr(new, vr(new, "5e:100002", MESH, MESH));
    p.add_vr(new, vr(new, "5f:1", MESH, MESH));
    assert_eq!([p.links(new, "5e:100002"), p.links(new, "5f:1")], [Vec::<IpAddr>::new(), Vec::new()]);
    p.pes[0].discovery.remove_vr(NOW, "5e:1".parse().unwrap()).unwrap();
    p.settle();
    assert_eq!([0, 1, 2].map(|pe| p.links(pe, "5e:1")), [vec![], vec![v4(3)], vec![v4(2)]]);
    assert_eq!(p.links(0, "5e:2").len(), 3);
    // A session that ends takes along what came by it.
    let peer = p.pes[1].peer;
    p.world.set_cut(0, peer, true);
    p.world.reset_connection(0, peer);
    p.settle();
    assert_eq!([p.links(2, "5e:1"), p.links(2, "5e:2")], [vec![], vec![v4(1), v4(4)]]);
}

/// Route targets say who is linked within a VPN; another address family is another family of routes.
#[test]
fn route_targets_make_hubs_and_spokes() {
    let mut p = Provider::new();
    let pes: Vec<usize> = (0..4).map(|_| p.add_pe(VrDiscoveryConfig::default())).collect();
    let (hub, spoke): (&[&str], &[&str]) = (&["65001:10"], &["65001:11"]);
    p.add_vr(pes[0], vr(pes[0], "5e:7", spoke, hub));
    pes[1..].iter().for_each(|&pe| p.add_vr(pe, vr(pe, "5e:7", hub, spoke)));
    assert_eq!(p.links(0, "5e:7"), [v4(2), v4(3), v4(4)]);
    assert!(pes[1..].iter().all(|&pe| p.links(pe, "5e:7") == [v4(1)]));
    // The hub becomes an ordinary router of another topology: links go, at both ends.
    p.pes[0].discovery.remove_vr(NOW, "5e:7".parse().unwrap()).unwrap();
    p.settle();
    p.add_vr(pes[0], vr(pes[0], "5e:7", MESH, MESH));
    assert!(pes.iter().all(|&pe| p.links(pe, "5e:7").is_empty()));
    let v6 = |n: u16| crate::world::v6(n);
    for pe in [1, 2] {
        let address = v6(pe as u16);
        p.add_vr(pes[pe], VrConfig { address, ..vr(pe, "5e:8", MESH, MESH) });
    }
    assert_eq!([p.links(1, "5e:8"), p.links(2, "5e:8")], [vec![v6(2)], vec![v6(1)]]);
}

/// What others tell is bounded, and asked for again when there is room; nobody takes our place.
#[test]
fn memory_is_bounded_and_faults_of_the_caller_have_names() {
    let mut p = Provider::new();
    let small = p.add_pe(VrDiscoveryConfig { max_routers: 2 });
    p.add_vr(small, vr(small, "5e:1", MESH, MESH));
    for n in 1..=3 {
        let pe = p.add_pe(VrDiscoveryConfig::default());
        assert_eq!(pe, n);
        p.add_vr(pe, vr(pe, "5e:1", MESH, MESH));
    }
    assert_eq!(p.links(small, "5e:1"), [v4(2), v4(3)]);
    let count = |p: &Provider, what: &Output| p.pes[small].outputs.iter().filter(|o| *o == what).count();
    assert_eq!((count(&p, &Output::Full), count(&p, &Output::Ask)), (1, 0));
    p.pes[1].discovery.remove_vr(NOW, "5e:1".parse().unwrap()).unwrap();
    p.settle();
    assert_eq!((count(&p, &Output::Full), count(&p, &Output::Ask)), (1, 1));
    // After a new session everything of ours is there again.
    p.pes[small].discovery.handle_input(NOW, Input::Refresh);
    let again = p.pes[small].discovery.poll_output();
    assert!(matches!(again, Some(Output::Advertise { nlri, .. }) if nlri.address == v4(1)));
    let discovery = &mut p.pes[small].discovery;
    let duplicate = discovery.add_vr(NOW, vr(1, "5e:1", MESH, MESH));
    assert!(matches!(duplicate, Err(ConfigError::Duplicate { field: "vpn_id", .. })));
    let empty = discovery.add_vr(NOW, vr(0, "5e:9", &[], MESH));
    assert!(matches!(empty, Err(ConfigError::Empty { field: "import" })));
    let unknown = discovery.remove_vr(NOW, "5e:9".parse().unwrap());
    assert!(matches!(unknown, Err(ConfigError::Unknown { field: "vpn_id", .. })));
    assert!(VrDiscovery::new(NOW, VrDiscoveryConfig { max_routers: 0 }).is_err());
}

/// What a virtual router of another PE takes there and at the reflector is as published, within a factor of two.
///
/// Shows: L3VPN-TSK-2
#[test]
fn what_discovery_holds_is_as_published() {
    const VPNS: usize = 500;
    let name = |n: usize| format!("5e:{n:x}");
    let mut p = Provider::new();
    let (near, far) = (p.add_pe(VrDiscoveryConfig::default()), p.add_pe(VrDiscoveryConfig::default()));
    let before = p.world.nodes[0].speaker.stats().octets;
    (1..=VPNS).for_each(|n| p.add_vr(far, vr(far, &name(n), MESH, MESH)));
    let reflector = (p.world.nodes[0].speaker.stats().octets - before) / VPNS;
    // The same routes as they come to a PE with virtual routers of the same VPNs, which are to have links.
    let mut pe = VrDiscovery::new(NOW, VrDiscoveryConfig::default()).unwrap();
    (1..=VPNS).for_each(|n| pe.add_vr(NOW, vr(near, &name(n), MESH, MESH)).unwrap());
    while pe.poll_output().is_some() {}
    let negotiated = p.world.nodes[0].speaker.peer_negotiated(p.pes[near].peer).unwrap().clone();
    let sent: Vec<Vec<u8>> = p.world.nodes[0]
        .sent
        .iter()
        .filter(|(to, _)| *to == p.pes[near].peer)
        .map(|(_, octets)| octets.clone())
        .collect();
    let mut links = 0;
    let held = allocation_counter::measure(|| {
        for octets in &sent {
            let mut rest = &octets[..];
            while let Ok((after, message)) = Message::take(rest) {
                rest = after;
                let Message::Update(body) = message else { continue };
                let update = Update::parse(body, &negotiated).unwrap();
                for nlri in update.mp_reach().into_iter().flat_map(|r| r.nlris::<VrMembershipNlri>()) {
                    let attributes = Some(update.attributes());
                    pe.handle_input(NOW, Input::Route { nlri: nlri.unwrap(), attributes });
                }
            }
            while let Some(output) = pe.poll_output() {
                links += usize::from(matches!(output, Output::Neighbor { up: true, .. }));
            }
        }
    });
    assert_eq!(links, VPNS);
    let page = include_str!("../../../docs/applicability.md");
    let published = |what: &str| -> Option<f64> {
        let line = page.lines().find(|line| line.starts_with(&format!("| {what} |")))?;
        line.trim_end_matches([' ', '|']).rsplit('|').next()?.trim().parse().ok()
    };
    let each = held.bytes_current as f64 / VPNS as f64;
    for (what, now) in [("PE: another PE's virtual router", each), ("reflector: a virtual router", reflector as f64)] {
        let then = published(what).unwrap_or_default();
        assert!(
            now <= 2.0 * then && then <= 2.0 * now,
            "| {what} | {now:.0} |, published are {then}; {each:.0} {reflector}"
        );
    }
}
