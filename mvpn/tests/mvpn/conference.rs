//! Conferences (RFC 4834 §4.1.2): many small groups in which everybody sends. What they cost in tunnels, and what reaches PEs for nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, ReplicationId, RpfSetId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, Origin, Rpf, VsiOrVrf};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    BidirModel, CTree, Input, McastKind, MvpnConfig, MvpnPe, MvrfConfig, Output, PTunnel, Target, TreeRequest,
    TunnelKind, UmhRoute,
};
use mvpn::pim::wire::AddressFamily;

use super::world::Rng;

const PES: usize = 200;
const GROUPS: usize = 1000;
const MEMBERS: usize = 6;
const RPAS: usize = 10;
const VRF: VrfId = VrfId(1);
const PMSI: IfIndex = IfIndex(1000);

/// How the groups are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Trees of sources, by each PE's I-PMSI.
    IPmsi,
    /// Trees of sources, each by an S-PMSI; there is no I-PMSI.
    SPmsi,
    /// Bidirectional trees, by an MP2MP LSP for each RPA.
    BidirInclusive,
    /// Bidirectional trees, each by an MP2MP LSP of its own.
    BidirSelective,
}

impl Way {
    fn is_bidir(self) -> bool {
        matches!(self, Self::BidirInclusive | Self::BidirSelective)
    }
}

fn router(pe: usize) -> IpAddr {
    IpAddr::from([192, 0, 2 + (pe >> 8) as u8, pe as u8])
}

fn rd(pe: usize) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, 1 + pe as u32)
}

fn source(pe: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, pe as u8, 1)
}

fn rpa(k: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, k as u8, 1)
}

fn prefix(address: Ipv4Addr) -> IpPrefix {
    IpPrefix::V4(Ipv4Prefix::new(address, 24).unwrap())
}

/// Groups of one RPA follow each other.
fn group(n: usize) -> Ipv4Addr {
    let (k, n) = (n * RPAS / GROUPS, n % (GROUPS / RPAS));
    Ipv4Addr::new(239, 100 + k as u8, 0, n as u8)
}

fn rpa_of(n: usize) -> Ipv4Addr {
    rpa(n * RPAS / GROUPS)
}

/// The PE with the link of an RPA.
fn upstream(k: usize) -> usize {
    k * PES / RPAS
}

/// The machines of all PEs, whose routes are there at once. What the customers' PIM would do is done in its place.
struct Net {
    way: Way,
    now: Instant,
    pes: Vec<MvpnPe>,
    lsps: BTreeMap<PTunnel, BTreeSet<usize>>,
    /// P-tunnels that there are in the core.
    tunnels: BTreeMap<PTunnel, usize>,
    trees: BTreeMap<(usize, mvpn::mvrf::TreeId), PTunnel>,
    /// Replication groups of the customers' PIM.
    groups: BTreeMap<(usize, MrouteKey), ReplicationId>,
    routes: BTreeMap<&'static str, usize>,
    queue: VecDeque<usize>,
    /// C-multicast Import route targets.
    joinable: BTreeMap<Target, usize>,
}

impl Net {
    fn new(way: Way) -> Self {
        let config = |pe: usize| {
            let mut config = MvrfConfig::new(VRF, rd(pe), RouteTarget::two_octet_as(65001, 1), PMSI);
            config.families = vec![AddressFamily::V4];
            config.inclusive = (way == Way::IPmsi).then_some(TunnelKind::MldpP2mp);
            config.bidir = way.is_bidir().then_some(BidirModel::FlatMp2mp);
            if matches!(way, Way::SPmsi | Way::BidirSelective) {
                config.s_pmsi.always = vec!["239.0.0.0/8".parse().unwrap()];
            }
            config
        };
        let pe = |n: usize| {
            let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(router(n), 65001)).unwrap();
            pe.add_mvrf(Instant::ZERO, config(n)).unwrap();
            pe
        };
        let mut net = Self {
            way,
            now: Instant::ZERO,
            pes: (0..PES).map(pe).collect(),
            lsps: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            trees: BTreeMap::new(),
            groups: BTreeMap::new(),
            routes: BTreeMap::new(),
            queue: (0..PES).collect(),
            joinable: BTreeMap::new(),
        };
        net.joinable =
            (0..PES).map(|pe| (Target::of(net.pes[pe].route_import(VRF).unwrap().c_multicast_import()), pe)).collect();
        net.drain();
        for of in 0..PES {
            let behind = (0..RPAS).filter(|k| way.is_bidir() && upstream(*k) == of).map(rpa);
            for address in behind.chain((!way.is_bidir()).then_some(source(of))) {
                net.reach(of, address);
            }
        }
        for pe in 0..PES {
            net.bidir_ranges(pe);
        }
        net.drain();
        net
    }

    /// A route to an address behind a PE.
    fn reach(&mut self, of: usize, address: Ipv4Addr) {
        let prefix = prefix(address);
        let import = self.pes[of].route_import(VRF);
        let route = UmhRoute { import, source_as: Some(65001), next_hop: router(of), is_installed: true };
        for pe in 0..PES {
            let input = match pe == of {
                true => Input::Local { vrf: VRF, prefix, reachable: true },
                false => Input::Umh { vrf: VRF, prefix, rd: rd(of), route: Some(route) },
            };
            self.pes[pe].handle_input(self.now, input);
        }
    }

    /// RPAs, and what PIM has of them: a set of interfaces each.
    fn bidir_ranges(&mut self, pe: usize) {
        if !self.way.is_bidir() {
            return;
        }
        for k in 0..RPAS {
            let range = IpPrefix::V4(Ipv4Prefix::new(Ipv4Addr::new(239, 100 + k as u8, 0, 0), 16).unwrap());
            let rpa = Some(rpa(k).into());
            self.input(pe, Input::BidirRange { vrf: VRF, range, rpa });
            let op = FwdOp::SetRpfMember { set: RpfSetId(500_000 + k as u32), from: Origin::Interface(PMSI) };
            self.input(pe, Input::Program { vrf: VRF, op });
        }
    }

    fn input(&mut self, pe: usize, input: Input) {
        self.pes[pe].handle_input(self.now, input);
        self.queue.push_back(pe);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(pe) = self.queue.pop_front() {
            while let Some(output) = self.pes[pe].poll_output() {
                self.output(pe, output);
            }
        }
    }

    fn output(&mut self, pe: usize, output: Output) {
        match output {
            Output::Advertise { route, attributes } => {
                let kind = match route.kind {
                    McastKind::Ad(mvpn::mvrf::AdRoute::SPmsi { .. }) => "S-PMSI A-D",
                    McastKind::Ad(_) => "I-PMSI A-D",
                    McastKind::SharedTreeJoin(_) | McastKind::SourceTreeJoin(_) => "C-multicast",
                    _ => "other",
                };
                *self.routes.entry(kind).or_default() += 1;
                // Joins go to whom they are for (RFC 4684); all else to all.
                let to: Vec<usize> = match kind {
                    "C-multicast" => attributes.targets.iter().filter_map(|t| self.joinable.get(t).copied()).collect(),
                    _ => (0..PES).filter(|to| *to != pe).collect(),
                };
                for to in to {
                    let attributes = Some(attributes.clone());
                    self.pes[to].handle_input(self.now, Input::Route { route, attributes });
                    self.queue.push_back(to);
                }
            }
            Output::Tree(TreeRequest::Root { tree, tunnel }) => {
                self.trees.insert((pe, tree), tunnel.clone());
                *self.tunnels.entry(tunnel).or_default() += 1;
            }
            Output::Tree(TreeRequest::Remove { tree }) => {
                let tunnel = self.trees.remove(&(pe, tree)).unwrap();
                let senders = self.tunnels.get_mut(&tunnel).unwrap();
                *senders -= 1;
                if *senders == 0 {
                    self.tunnels.remove(&tunnel);
                }
            }
            Output::Tree(TreeRequest::Join { tunnel, .. }) => {
                self.lsps.entry(tunnel).or_default().insert(pe);
            }
            Output::Tree(TreeRequest::Leave { tunnel }) => {
                self.lsps.get_mut(&tunnel).unwrap().remove(&pe);
            }
            Output::Downstream { tree, joined: true, .. } => self.joined_by_others(pe, tree),
            _ => {}
        }
    }

    /// PIM's route with a leg out of the PMSI.
    fn route(&mut self, pe: usize, key: MrouteKey, rpf: Rpf) {
        if self.groups.contains_key(&(pe, key)) {
            return;
        }
        let id = ReplicationId(1 + self.groups.len() as u32);
        self.groups.insert((pe, key), id);
        let mroute = Mroute { rpf, replication: Some(id), punt_wrong_interface: false, register: false, spt: None };
        for op in [
            FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(VRF) },
            FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Interface(PMSI) },
            FwdOp::SetMroute { vrf: VRF, key, mroute },
        ] {
            self.pes[pe].handle_input(self.now, Input::Program { vrf: VRF, op });
        }
        self.queue.push_back(pe);
    }

    fn bidir_route(&mut self, pe: usize, group: Ipv4Addr) {
        let set = RpfSetId(500_000 + u32::from(group.octets()[1]) - 100);
        self.route(pe, MrouteKey::Group4 { group: Ipv4Prefix::host(group) }, Rpf::AnyOf(set));
    }

    fn joined_by_others(&mut self, pe: usize, tree: CTree) {
        match tree {
            CTree::Source { group: IpAddr::V4(group), source: IpAddr::V4(source) } => {
                self.route(pe, MrouteKey::Source4 { source, group }, Rpf::Any);
            }
            CTree::Shared { group: IpAddr::V4(group), .. } => self.bidir_route(pe, group),
            _ => {}
        }
    }

    fn join(&mut self, pe: usize, n: usize, members: &BTreeSet<usize>) {
        let group = group(n);
        if self.way.is_bidir() {
            let tree = CTree::Shared { group: group.into(), rp: rpa_of(n).into() };
            let is_upstream = upstream(n * RPAS / GROUPS) == pe;
            if !is_upstream {
                // PIM has a route with a leg up, and joins.
                self.bidir_route(pe, group);
                self.input(pe, Input::Tree { vrf: VRF, tree, joined: true });
            }
            return self.drain();
        }
        for of in members.iter().filter(|of| **of != pe) {
            let tree = CTree::Source { group: group.into(), source: source(*of).into() };
            self.input(pe, Input::Tree { vrf: VRF, tree, joined: true });
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        for pe in 0..PES {
            self.pes[pe].handle_timeout(self.now);
            self.queue.push_back(pe);
        }
        self.drain();
    }
}

/// P-tunnels, S-PMSI A-D routes, and PEs without a member that a packet reaches, on the average.
fn figures(way: Way, conferences: &[BTreeSet<usize>]) -> (usize, usize, f64) {
    let mut net = Net::new(way);
    for (n, members) in conferences.iter().enumerate() {
        members.iter().for_each(|pe| net.join(*pe, n, members));
    }
    net.wait(Duration::from_secs(5));
    net.wait(Duration::from_secs(20));
    let (mut reached, mut packets) = (0, 0);
    for (n, members) in conferences.iter().enumerate() {
        for pe in members {
            let carried = net.pes[*pe].carried(VRF, source(*pe).into(), group(n).into()).unwrap();
            let Some(tunnel) = carried.sent_by else {
                // The upstream PE alone, or with nobody else.
                assert!(way.is_bidir() && upstream(n * RPAS / GROUPS) == *pe, "{way:?}: group {n} from PE {pe}");
                continue;
            };
            let mut leaves = net.lsps[&tunnel].clone();
            leaves.remove(pe);
            assert!(
                members.iter().all(|m| m == pe || leaves.contains(m)),
                "{way:?}: group {n} from PE {pe}: {leaves:?}"
            );
            // The upstream PE of a bidirectional group takes part: the RPL may have members.
            let up = way.is_bidir().then_some(upstream(n * RPAS / GROUPS));
            reached += leaves.iter().filter(|leaf| !members.contains(leaf) && Some(**leaf) != up).count();
            packets += 1;
        }
    }
    (
        net.tunnels.len(),
        net.routes.get("S-PMSI A-D").copied().unwrap_or(0),
        f64::from(reached as u32) / f64::from(packets),
    )
}

/// 1,000 conferences of 6 participants on 200 PEs, each participant a source. By I-PMSIs there is a tunnel for each PE, and a packet reaches
/// 194 PEs for nothing; by S-PMSIs it reaches none, with a tunnel for each source of each group. Bidirectional groups need one tunnel each for
/// the same, or one for each RPA.
///
/// Shows: MVPN-USE-3
#[test]
fn a_thousand_conferences_need_a_tunnel_each() {
    let mut rng = Rng(6);
    let conferences: Vec<BTreeSet<usize>> = (0..GROUPS)
        .map(|_| {
            let mut members = BTreeSet::new();
            while members.len() < MEMBERS {
                members.insert(rng.below(PES as u64) as usize);
            }
            members
        })
        .collect();
    let of = |way| {
        let figures = figures(way, &conferences);
        println!(
            "{way:?}: {} tunnels, {} S-PMSI A-D routes, {:.1} PEs reached for nothing",
            figures.0, figures.1, figures.2
        );
        figures
    };
    assert_eq!(of(Way::IPmsi), (PES, 0, 194.0));
    assert_eq!(of(Way::SPmsi), (GROUPS * MEMBERS, GROUPS * MEMBERS, 0.0));
    let (tunnels, routes, waste) = of(Way::BidirInclusive);
    assert_eq!((tunnels, routes), (RPAS, RPAS));
    assert!(waste > 190.0);
    // Beside a tunnel for each RPA.
    let (tunnels, routes, waste) = of(Way::BidirSelective);
    assert_eq!((tunnels, routes, waste), (GROUPS + RPAS, GROUPS + RPAS, 0.0));
}
