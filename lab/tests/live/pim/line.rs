//! Three routers in a line: LAN 1 with the source, 2, 3, and LAN 4 with the member. Router 2 is the RP. Ours is each of them in turn.

use std::net::IpAddr;
use std::time::Duration;

use super::super::net::{Net, Node};
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
    Place { number: n, lans: vec![n, n + 1], routes, dr_priority: 1, rp, candidate: false, hello: 1 }
}

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
        let mut net = Net::new();
        let mut places: Vec<Place> = (1..=3).map(|n| place(n, rp)).collect();
        if rp.is_none() {
            places.iter_mut().for_each(|p| p.candidate = p.number > 1);
        }
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
    let line = Line::new(1, None);
    line.neighbors(Family::V4);
    let own = Family::V4.loopback(2).to_string();
    line.frr.iter().for_each(|frr| frr.expect("show ip pim bsr", &own));
    line.frr.iter().for_each(|frr| frr.expect("show ip pim rp-info", "BSR"));
    let (source, member) = line.stream(Family::V4, Family::V4.asm(), None);
    every_packet_once("ASM by BSR", &source, &member, TREE);
    assert!(!line.ours().heard(|l| l["event"] == "rp-set").is_empty());
}
