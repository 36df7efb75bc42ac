//! What customers get of a core that has not enough for all: classes on a congested link, trees that an outside computation lays.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{NhlfeId, PolicerId, VrfId};
use fwd_core::op::{CodePoint, FwdOp, MarkPoint, PolicePoint, Policer, Rates, Unit};
use fwd_core::time::Instant;
use fwd_core::wire::LabelEntry;
use mvpn::mvrf::{
    Input, McastAttributes, McastKind, McastRoute, MvpnConfig, MvpnPe, MvrfConfig, SFlow, Target, TreeId, TunnelKind,
};

use super::node::{CORE, Sent, SimAddress, data, pmsi, site};
use super::te::Te;
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
/// VPNs 1 to 3: expedited forwarding, assured forwarding, best effort.
const VPNS: [(u16, u8); 3] = [(1, 46), (2, 26), (3, 0)];
/// Packets in a second that gold and silver are promised, and that the link carries.
const CONTRACT: usize = 100;
const LINK: usize = 250;
/// How many ms a packet of silver waits at most: for the burst of four that gold is allowed, for one more of gold, and for its own turn.
const SILVER_WAITS: usize = 6 * 1000 / LINK;
/// Packets that wait for the link in a class.
const ROOM: usize = 32;
const SECONDS: usize = 5;

/// Packets that wait for the link in a class: whose of [`VPNS`], since when in ms, their number, and the frame.
type Queue = VecDeque<(usize, usize, u32, Vec<u8>)>;

/// What a VPN got: packets lost, packets delivered, the longest wait for the link in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Served {
    lost: usize,
    delivered: usize,
    waited: usize,
}

/// Two PEs with the three VPNs, marked as they pay; `enforced`: gold and silver are policed to what they are promised.
fn network(enforced: bool) -> World<A> {
    let mut world: World<A> = World::new(Provider::V4.routers(2), 3, |_, _| {});
    for pe in 0..2 {
        for (vpn, _) in VPNS {
            let rd = RouteDistinguisher::two_octet_as(65001, u32::from(vpn) * 100 + pe as u32);
            let rt = RouteTarget::two_octet_as(65001, u32::from(vpn));
            world.add_site(pe, MvrfConfig::new(VrfId(vpn), rd, rt, pmsi(VrfId(vpn))), false);
        }
    }
    world.run_for(SECOND * 2);
    for (vpn, code) in VPNS {
        let vrf = VrfId(vpn);
        world.member((1, vrf), Some(A::host(0, 1)), A::ssm(1), true);
        let mark = FwdOp::SetMark { at: MarkPoint::Vrf(vrf), code: CodePoint::new(code).unwrap() };
        world.pes[0].forwarder.apply(&mark).unwrap();
        if enforced && code > 0 {
            // Packets of 32 octets.
            let rates = Rates::Single { cir: 32 * CONTRACT as u64, cbs: 32 * 4, ebs: 0 };
            let (id, policer) =
                (PolicerId(u32::from(vpn) - 1), Policer { rates, unit: Unit::Octets, drop_yellow: true });
            for op in [
                FwdOp::SetPolicer { id, policer },
                FwdOp::SetPolicePoint { at: PolicePoint::Multicast(vrf), policer: id },
            ] {
                world.pes[0].forwarder.apply(&op).unwrap();
            }
        }
    }
    world.run_for(SECOND * 3);
    world
}

/// Each VPN sends so many packets in a second for some seconds, the same addresses in all. The link sends what waits in the highest class first, by the
/// class in the label.
fn congested(enforced: bool, rates: [usize; 3]) -> [Served; 3] {
    let mut world = network(enforced);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    let mut queues: [Queue; 8] = Default::default();
    let (mut served, mut sent, mut number) = ([Served::default(); 3], Vec::new(), 0);
    for ms in 0..SECONDS * 1000 {
        for (n, (vpn, _)) in VPNS.into_iter().enumerate() {
            // As many as are due by now.
            for _ in ms * rates[n] / 1000..(ms + 1) * rates[n] / 1000 {
                number += 1;
                world.pes[0].forwarder.set_now(world.now);
                let out = world.pes[0].forward(site(VrfId(vpn)), &data(source, group, number));
                let frame =
                    out.into_iter().find_map(|sent| if let Sent::Core(octets) = sent { Some(octets) } else { None });
                let Some(frame) = frame else {
                    served[n].lost += 1;
                    continue;
                };
                let class = usize::from(LabelEntry::of(&frame[14..]).unwrap().class());
                match queues[class].len() < ROOM {
                    true => queues[class].push_back((n, ms, number, frame)),
                    false => served[n].lost += 1,
                }
            }
        }
        for _ in ms * LINK / 1000..(ms + 1) * LINK / 1000 {
            let Some((n, since, number, frame)) = queues.iter_mut().rev().find_map(VecDeque::pop_front) else { break };
            served[n].waited = served[n].waited.max(ms - since);
            sent.push((n, number));
            world.frame(1, CORE, &frame);
        }
        world.run_for(Duration::from_millis(1));
    }
    world.run_for(SECOND);
    for (n, number) in sent {
        // In its own VPN, and in no other.
        assert_eq!(world.copies(source, group, number), BTreeMap::from([((1, VrfId(VPNS[n].0)), 1)]));
        served[n].delivered += 1;
    }
    served
}

/// Three VPNs on a link that carries five sixths of what they send: gold and silver lose nothing, gold waits less than silver, bronze gets what is left. A
/// gold customer who sends three times what he pays for loses that himself; were it not for the policer, silver would.
///
/// Shows: MVPN-DIFF-1
#[test]
fn gold_silver_and_bronze_on_a_congested_link() {
    let [gold, silver, bronze] = congested(true, [CONTRACT; 3]);
    println!("{gold:?} {silver:?} {bronze:?}");
    assert_eq!((gold.lost, silver.lost), (0, 0));
    assert!(gold.waited <= silver.waited && silver.waited < bronze.waited, "{gold:?} {silver:?} {bronze:?}");
    assert!(gold.waited <= 8 && silver.waited <= SILVER_WAITS, "{gold:?} {silver:?}");
    let left = (LINK - 2 * CONTRACT) * SECONDS;
    assert!(bronze.lost > 0 && (left - 5..=left + ROOM).contains(&bronze.delivered), "{bronze:?}");
    let [greedy, silver, _] = congested(true, [3 * CONTRACT, CONTRACT, CONTRACT]);
    assert!(greedy.delivered.abs_diff(CONTRACT * SECONDS) <= 10, "{greedy:?}");
    assert!(silver.lost == 0 && silver.waited <= SILVER_WAITS, "{silver:?}");
    let [_, silver, _] = congested(false, [3 * CONTRACT, CONTRACT, CONTRACT]);
    assert!(silver.lost > CONTRACT, "{silver:?}");
}

/// A core with what its links cost: the root, four PEs, and a router before each of them; these are linked in a row.
fn costs() -> BTreeMap<(u8, u8), u32> {
    let mut links = BTreeMap::new();
    let mut link = |a: u8, b: u8, cost: u32| {
        links.insert((a, b), cost);
        links.insert((b, a), cost);
    };
    for pe in 1..=4 {
        link(0, 10 + pe, 5);
        link(10 + pe, pe, 4);
        if pe > 1 {
            link(9 + pe, 10 + pe, 1);
        }
    }
    links
}

/// The cheapest way from any of some routers to another.
fn way(costs: &BTreeMap<(u8, u8), u32>, from: &BTreeSet<u8>, to: u8) -> Vec<u8> {
    let mut best: BTreeMap<u8, (u32, Vec<u8>)> = from.iter().map(|n| (*n, (0, vec![*n]))).collect();
    loop {
        let mut changed = false;
        for ((a, b), cost) in costs {
            let Some((so_far, path)) = best.get(a).cloned() else { continue };
            if best.get(b).is_none_or(|(known, _)| so_far + cost < *known) {
                best.insert(*b, (so_far + cost, [path, vec![*b]].concat()));
                changed = true;
            }
        }
        if !changed {
            return best[&to].1.clone();
        }
    }
}

/// Routes to the leaves, each by the shortest path.
fn shortest(leaves: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    leaves.iter().map(|leaf| (*leaf, way(&costs(), &BTreeSet::from([0]), *leaf))).collect()
}

/// Routes along one tree that grows by the nearest leaf at a time (Takahashi and Matsuyama's heuristic of Steiner's problem).
fn steiner(leaves: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let (costs, mut routes) = (costs(), BTreeMap::from([(0, vec![0])]));
    let mut left: BTreeSet<u8> = leaves.iter().copied().collect();
    while !left.is_empty() {
        let tree: BTreeSet<u8> = routes.keys().copied().collect();
        let cost = |path: &Vec<u8>| path.windows(2).map(|hop| costs[&(hop[0], hop[1])]).sum::<u32>();
        let nearest = left.iter().map(|leaf| way(&costs, &tree, *leaf)).min_by_key(cost).unwrap();
        for end in 1..nearest.len() {
            let route = [routes[&nearest[0]].clone(), nearest[1..=end].to_vec()].concat();
            routes.entry(nearest[end]).or_insert(route);
        }
        left.remove(nearest.last().unwrap());
    }
    routes.retain(|node, _| leaves.contains(node));
    routes
}

/// A PE with an S-PMSI, whose leaves are the PEs of these numbers; and what computes paths for it.
struct Planned {
    pe: MvpnPe,
    te: Te,
    tree: TreeId,
    routers: Vec<IpAddr>,
    flow: SFlow,
}

impl Planned {
    fn new(provider: Provider) -> Self {
        let routers = provider.routers(5);
        let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(routers[0], 65001)).unwrap();
        pe.add_mvrf(Instant::ZERO, mvrf(0, None, TunnelKind::RsvpTeP2mp)).unwrap();
        let flow = SFlow::source_group([10, 0, 0, 1].into(), [232, 1, 1, 1].into());
        pe.place(Instant::ZERO, VRF, flow, Some(true)).unwrap();
        let mut te = Te::default();
        te.take(&mut pe);
        let tree = *te.tunnels.keys().next().unwrap();
        Self { pe, te, tree, routers, flow }
    }

    /// A PE says that it receives the flow, or that it does not any more.
    fn leaf(&mut self, n: u8, present: bool) {
        let rd = mvrf(0, None, TunnelKind::RsvpTeP2mp).rd;
        let McastKind::Ad(key) = McastRoute::s_pmsi(rd, self.flow, self.routers[0]).kind else {
            panic!("an A-D route")
        };
        let originator = self.routers[usize::from(n)];
        let route = McastRoute { family: self.flow.family, kind: McastKind::Leaf { key, originator } };
        let attributes = McastAttributes::new(originator, vec![Target::router(self.routers[0])]);
        let attributes = Some(attributes).filter(|_| present);
        self.pe.handle_input(Instant::ZERO, Input::Route { route, attributes });
        self.te.take(&mut self.pe);
    }

    /// The hook: it is given the leaves, and answers with the tree's branches at the root. What the tree costs, and the copies that the PE makes.
    fn plan(&mut self, compute: fn(&[u8]) -> BTreeMap<u8, Vec<u8>>) -> (u32, usize) {
        let leaves = self.te.leaves.get(&self.tree).cloned().unwrap_or_default();
        let number = |leaf: &IpAddr| self.routers.iter().position(|r| r == leaf).unwrap() as u8;
        let leaves: Vec<u8> = leaves.iter().map(number).collect();
        let routes = compute(&leaves).into_iter().map(|(leaf, route)| (self.routers[usize::from(leaf)], route));
        self.te.routes = routes.collect();
        let links = self.te.links(self.tree);
        let ends: BTreeSet<u8> = links.iter().map(|(_, to)| *to).collect();
        assert!(leaves.iter().all(|leaf| ends.contains(leaf)), "every leaf is reached");
        assert_eq!(ends.len(), links.len(), "by one way");
        let branches: BTreeSet<NhlfeId> =
            links.iter().filter(|(from, _)| *from == 0).map(|(_, to)| NhlfeId(u32::from(*to))).collect();
        let branches = branches.into_iter().collect();
        self.pe.handle_input(Instant::ZERO, Input::Branches { tree: self.tree, branches });
        self.te.take(&mut self.pe);
        let costs = costs();
        (links.iter().map(|link| costs[link]).sum(), self.te.legs.len())
    }
}

/// A computation of paths beside the PE: it is told the leaves of a tree, one by one as they come and go, knows what links cost, and lays the tree. By a
/// heuristic of Steiner's problem it costs less than shortest paths do, and the PE makes the copies that the tree asks for.
///
/// Shows: MVPN-TE-3
#[test]
fn an_outside_computation_lays_cheaper_trees() {
    for provider in Provider::BOTH {
        let mut planned = Planned::new(provider);
        for n in 1..=4 {
            planned.leaf(n, true);
            let all = u32::from(n);
            assert_eq!(planned.plan(shortest), (9 * all, usize::from(n)));
            assert_eq!(planned.plan(steiner), (4 + 5 * all, 1));
        }
        for (n, cost) in [(2, 20), (3, 16), (4, 9)] {
            planned.leaf(n, false);
            assert_eq!(planned.plan(steiner).0, cost, "without {n}");
        }
        planned.leaf(1, false);
        assert_eq!(planned.plan(steiner), (0, 0));
    }
}
