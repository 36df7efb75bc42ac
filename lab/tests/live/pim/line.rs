//! Three routers in a line: LAN 1 with the source, 2, 3, and LAN 4 with the member. Router 2 is the RP. Ours is each of them in turn.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::super::net::{Net, Node, until};
use super::frr::Frr;
use super::host::{Member, Source, every_packet_once};
use super::ours::Ours;
use super::{Family, Place, To, nodes};

/// How long a tree may take to stand, after neighbours have been found.
const TREE: Duration = Duration::from_secs(25);

/// The router in place `n` of the line, with the RP at `rp`.
pub fn place(n: u8, rp: Option<u8>) -> Place {
    let (left, right) = ((n, n - 1), (n + 1, n + 1));
    let mut routes = Vec::new();
    for lan in 1..n {
        routes.push((To::Lan(lan), left));
        routes.push((To::Router(lan), left));
    }
    for lan in n + 2..=4 {
        routes.push((To::Lan(lan), right));
    }
    for router in n + 1..=3 {
        routes.push((To::Router(router), right));
    }
    Place { number: n, lans: vec![n, n + 1], routes, dr_priority: 1, rp, candidate: None, bsr_period: 5, hello: 1 }
}

/// The priority of FRR's candidate BSR.
const FRR_PRIORITY: u8 = 64;

/// The line with hosts at its ends.
struct Line {
    /// Dropped first: what runs in the nodes.
    ours: Option<Ours>,
    frr: Vec<Frr>,
    routers: Vec<Node>,
    hosts: Vec<Node>,
    places: Vec<Place>,
    at: usize,
    _net: Net,
}

impl Line {
    /// Ours stands at place `at`, counted from 0.
    fn new(at: usize, rp: Option<u8>) -> Self {
        Self::of(at, (1..=3).map(|n| place(n, rp)).collect())
    }

    /// Nobody is told the RP: these are candidates for BSR and RP, ours with a priority above or below FRR's.
    fn with_candidates(at: usize, candidates: &[u8], own_priority: u8) -> Self {
        let mut places: Vec<Place> = (1..=3).map(|n| place(n, None)).collect();
        for place in places.iter_mut().filter(|p| candidates.contains(&p.number)) {
            place.candidate = Some(if usize::from(place.number) == at + 1 { own_priority } else { FRR_PRIORITY });
        }
        Self::of(at, places)
    }

    fn of(at: usize, places: Vec<Place>) -> Self {
        let mut net = Net::new();
        let (routers, hosts) = nodes(&mut net, &places, &[1, 4]);
        let others = (0..3).filter(|n| *n != at);
        let frr = others.map(|n| Frr::start(&routers[n], &places[n])).collect();
        let ours = Some(Ours::start(&routers[at], &places[at]));
        Self { ours, frr, routers, hosts, places, at, _net: net }
    }

    fn ours(&self) -> &Ours {
        self.ours.as_ref().unwrap()
    }

    fn neighbors(&self, family: Family) {
        for i in 0..2 {
            let routers = self.places.iter().filter(|p| p.lans.contains(&self.places[self.at].lans[i])).count();
            self.ours().expect_neighbors(family, i, routers - 1);
        }
    }

    /// Ours dies, if it runs, and comes back as a candidate of this priority.
    fn restart_ours(&mut self, priority: u8) {
        if let Some(ours) = self.ours.take() {
            ours.kill();
        }
        self.places[self.at].candidate = Some(priority);
        self.ours = Some(Ours::start(&self.routers[self.at], &self.places[self.at]));
    }

    /// Whether all of FRR's have this BSR.
    fn frr_has_bsr(&self, bsr: IpAddr) -> Result<(), String> {
        let wanted = format!("Current preferred BSR address: {bsr}");
        let mut said = self.frr.iter().map(|frr| frr.vtysh("show ip pim bsr"));
        said.find(|said| !said.lines().any(|line| line.trim() == wanted)).map_or(Ok(()), Err)
    }

    /// Waits until all routers have this BSR.
    fn bsr_is(&self, bsr: IpAddr, within: Duration) {
        until(&format!("{bsr} is BSR"), within, || {
            let state = self.ours().family(Family::V4);
            if state["bsr"] != bsr.to_string() {
                return Err(state.to_string());
            }
            self.frr_has_bsr(bsr)
        });
    }

    fn stream(&self, family: Family, group: IpAddr, from: Option<IpAddr>) -> (Source, Member) {
        let member = Member::join(&self.hosts[1], group, from);
        (Source::start(&self.hosts[0], family.address(1, 100), group), member)
    }
}

/// Any-source and source-specific multicast with ours at a place.
fn trees(at: usize, rp: u8) {
    let line = Line::new(at, Some(rp));
    for family in [Family::V4, Family::V6] {
        line.neighbors(family);
        let source = family.address(1, 100);
        let (ssm, member) = line.stream(family, family.ssm(), Some(source));
        every_packet_once(&format!("{family:?}, SSM, ours at {at}"), &ssm, &member, TREE);
        let (asm, member) = line.stream(family, family.asm(), None);
        every_packet_once(&format!("{family:?}, ASM, ours at {at}"), &asm, &member, TREE);
        // Every router has left the shared tree: it has a route of the source.
        let of_source = |m: &serde_json::Value| {
            m["group"] == family.asm().to_string() && m["source"] == source.to_string() && m["copies"] == true
        };
        let state = line.ours().family(family);
        assert!(state["mroutes"].as_array().unwrap().iter().any(of_source), "{state}");
    }
    let state = line.ours().ask("show");
    assert_eq!((&state["refused"], &state["unsent"]), (&0.into(), &0.into()));
}

/// Shows: MVPN-CEPE-2, MVPN-CEPE-8
#[test]
fn our_router_is_first_hop() {
    trees(0, 2);
}

/// Shows: MVPN-CEPE-2, MVPN-CEPE-8, MVPN-RP-1
#[test]
fn our_router_is_rp_in_the_middle() {
    trees(1, 2);
}

/// Shows: MVPN-CEPE-2, MVPN-CEPE-3, MVPN-CEPE-4, MVPN-CEPE-8
#[test]
fn our_router_is_last_hop() {
    trees(2, 2);
}

/// The RP is at the source's router, so that ours in the middle is on both trees.
#[test]
fn our_router_is_in_the_middle_of_the_shared_tree() {
    trees(1, 1);
}

/// Our router dies and comes back, then FRR's does: packets flow again each time, and each once.
#[test]
fn either_side_dies_and_comes_back() {
    let mut line = Line::new(1, Some(2));
    let families = [Family::V4, Family::V6];
    families.iter().for_each(|f| line.neighbors(*f));
    let streams = families.map(|f| line.stream(f, f.asm(), None));
    for (source, member) in &streams {
        every_packet_once("before", source, member, TREE);
    }
    line.ours.take().unwrap().kill();
    std::thread::sleep(Duration::from_secs(1));
    line.ours = Some(Ours::start(&line.routers[1], &line.places[1]));
    for (source, member) in &streams {
        every_packet_once("after ours came back", source, member, TREE * 2);
    }
    line.frr[1].kill_pim();
    std::thread::sleep(Duration::from_secs(1));
    line.frr[1].restart_pim();
    for (source, member) in &streams {
        every_packet_once("after FRR came back", source, member, TREE * 2);
    }
}

/// Nobody is told the RP: our router wins the election of the BSR, FRR's takes the mapping from it, and the tree stands.
///
/// Shows: MVPN-RP-4
#[test]
fn our_router_is_elected_bsr() {
    let line = Line::with_candidates(1, &[2, 3], 100);
    line.neighbors(Family::V4);
    let own = Family::V4.loopback(2).to_string();
    line.frr.iter().for_each(|frr| frr.expect("show ip pim bsr", &own));
    line.frr.iter().for_each(|frr| frr.expect("show ip pim rp-info", "BSR"));
    let (source, member) = line.stream(Family::V4, Family::V4.asm(), None);
    every_packet_once("ASM by BSR", &source, &member, TREE);
    assert!(!line.ours().heard(|l| l["event"] == "rp-set").is_empty());
}

/// FRR holds a BSR for BS_Timeout, 130 s, and then waits for up to BS_Rand_Override (RFC 5059 §5).
const FAIL_OVER: Duration = Duration::from_secs(240);

/// FRR is elected BSR before ours of lower priority; then ours, which comes back with a higher one; and when that has died, FRR again. With each
/// the tree stands, by an RP that all routers chose of two candidates.
///
/// Shows: MVPN-RP-4
#[test]
fn frr_and_our_router_elect_the_bsr_of_higher_priority() {
    let mut line = Line::with_candidates(0, &[1, 3], 32);
    line.places[0].bsr_period = 60;
    line.restart_ours(32);
    line.neighbors(Family::V4);
    let (own, other) = (Family::V4.loopback(1), Family::V4.loopback(3));
    let group = Family::V4.asm();
    let (source, member) = line.stream(Family::V4, group, None);
    line.bsr_is(other, FAIL_OVER);
    // Both are candidate RPs, and say so to the BSR, which tells everybody with its next message.
    until("both are in FRR's RP set", FAIL_OVER, || {
        let sets = line.ours().heard(|l| l["event"] == "rp-set" && l["range"] == Family::V4.groups());
        let both = json!([own.to_string(), other.to_string()]);
        if sets.last().is_some_and(|set| set["rps"] == both) { Ok(()) } else { Err(format!("{sets:?}")) }
    });
    every_packet_once("FRR is BSR", &source, &member, TREE * 2);
    line.restart_ours(100);
    line.bsr_is(own, FAIL_OVER);
    every_packet_once("ours is BSR", &source, &member, TREE * 2);
    line.ours.take().unwrap().kill();
    until("FRR is BSR again", FAIL_OVER, || line.frr_has_bsr(other));
    // It was first hop: without it nothing flows. With a lower priority it leaves FRR's in place.
    line.restart_ours(32);
    line.bsr_is(other, FAIL_OVER);
    every_packet_once("FRR is BSR again", &source, &member, TREE * 2);
}
