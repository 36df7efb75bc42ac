//! Routers with RSVP-TE on links that take a millisecond, and what is in their tables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::{IlmAction, LegTarget, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::mldp::{Deliver, GroupRange};
use p2mp_pw::rsvp_te::*;

use super::rsvp_tables::Tables;

pub fn node(n: u8) -> Ipv4Addr {
    [192, 0, 2, n].into()
}

/// The address of `n` on its link with `other`: what neighbours are known by.
pub fn on_link(n: u8, other: u8) -> Ipv4Addr {
    [10, n.min(other), n.max(other), n].into()
}

pub fn config(n: u8) -> RsvpConfig {
    let labels = LabelRange { first: Label::new(100).unwrap(), last: Label::new(199).unwrap() };
    let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(60) };
    let groups = GroupRange { first: ReplicationId(1), last: ReplicationId(40) };
    RsvpConfig { seed: n.into(), ..RsvpConfig::new(node(n), labels, nhlfes, groups) }
}

pub struct Router {
    pub rsvp: Rsvp,
    pub tables: Tables,
    pub events: Vec<Event>,
    /// Legs at the ingress, by LSP.
    pub legs: BTreeMap<LspKey, BTreeMap<u16, NhlfeId>>,
    pub sent: u64,
}

pub struct Net {
    pub now: Instant,
    pub routers: BTreeMap<u8, Router>,
    links: BTreeSet<(u8, u8)>,
    pub cut: BTreeSet<(u8, u8)>,
    wire: BTreeMap<(Instant, u64), (u8, u8, Vec<u8>)>,
    serial: u64,
}

impl Net {
    /// Routers with links; each knows its neighbours and no other routes.
    pub fn new(links: &[(u8, u8)], change: impl Fn(&mut RsvpConfig)) -> Self {
        let now = Instant::from_secs(1);
        let all: BTreeSet<u8> = links.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let mut routers = BTreeMap::new();
        for n in all {
            let mut config = config(n);
            change(&mut config);
            let mut rsvp = Rsvp::new(now, config).unwrap();
            for (a, b) in links.iter().filter(|(a, b)| *a == n || *b == n) {
                let other = a ^ b ^ n;
                rsvp.set_neighbour(now, on_link(other, n), Some(neighbour(n, other)));
            }
            let tables = Tables::default();
            routers.insert(n, Router { rsvp, tables, events: Vec::new(), legs: BTreeMap::new(), sent: 0 });
        }
        let links = links.iter().map(|(a, b)| (*a.min(b), *a.max(b))).collect();
        Self { now, routers, links, cut: BTreeSet::new(), wire: BTreeMap::new(), serial: 0 }
    }

    pub fn at(&mut self, n: u8) -> &mut Rsvp {
        &mut self.routers.get_mut(&n).unwrap().rsvp
    }

    pub fn cut(&mut self, a: u8, b: u8) {
        self.cut.insert((a.min(b), a.max(b)));
    }

    pub fn heal(&mut self, a: u8, b: u8) {
        self.cut.remove(&(a.min(b), a.max(b)));
    }

    /// Lets so much time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let timers = self.routers.values().filter_map(|r| r.rsvp.next_timeout()).min();
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let Some(next) = timers.into_iter().chain(arrival).min().filter(|at| *at <= end) else { break };
            self.now = next.max(self.now);
            while let Some(entry) = self.wire.first_entry().filter(|e| e.key().0 <= self.now) {
                let (from, to, octets) = entry.remove();
                let input = Input::Datagram { from: on_link(from, to), iface: IfIndex(from.into()), octets: &octets };
                let now = self.now;
                self.at(to).handle_input(now, input);
            }
            let now = self.now;
            self.routers.values_mut().for_each(|r| r.rsvp.handle_timeout(now));
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let ids: Vec<u8> = self.routers.keys().copied().collect();
        for n in ids {
            loop {
                let router = self.routers.get_mut(&n).unwrap();
                let Some(output) = router.rsvp.poll_output() else { break };
                match output {
                    Output::Program(op) => router.tables.apply(&op),
                    Output::Event(event) => {
                        match event {
                            Event::LegUp { lsp, leg, nhlfe, .. } => {
                                assert!(router.tables.nhlfes.contains_key(&nhlfe));
                                router.legs.entry(lsp).or_default().insert(leg, nhlfe);
                            }
                            Event::LegDown { lsp, leg } => {
                                assert!(router.legs.get_mut(&lsp).unwrap().remove(&leg).is_some());
                            }
                            _ => {}
                        }
                        router.events.push(event);
                    }
                    Output::Datagram { to, iface, octets } => {
                        router.sent += 1;
                        let other = u8::try_from(iface.0).unwrap();
                        assert_eq!(to, on_link(other, n));
                        let link = (n.min(other), n.max(other));
                        assert!(self.links.contains(&link));
                        if !self.cut.contains(&link) {
                            self.serial += 1;
                            let at = self.now + Duration::from_millis(1);
                            self.wire.insert((at, self.serial), (n, other, octets));
                        }
                    }
                }
            }
        }
    }

    /// A packet sent into an LSP: how often each router delivers it, and how often it crosses each link.
    pub fn packet(&self, ingress: u8, lsp: LspKey) -> (BTreeMap<u8, u32>, BTreeMap<(u8, u8), u32>) {
        let (mut got, mut crossed) = (BTreeMap::new(), BTreeMap::new());
        let legs = self.routers[&ingress].legs.get(&lsp).into_iter().flat_map(BTreeMap::values);
        let mut on: Vec<(u8, NhlfeId)> = legs.map(|id| (ingress, *id)).collect();
        let mut steps = 0;
        while let Some((at, id)) = on.pop() {
            steps += 1;
            assert!(steps < 1000, "a loop");
            let nhlfe = self.routers[&at].tables.nhlfes[&id];
            let NextHop::Neighbor { iface, .. } = nhlfe.next else { panic!("{nhlfe:?}") };
            let to = u8::try_from(iface.0).unwrap();
            *crossed.entry((at, to)).or_default() += 1;
            if self.cut.contains(&(at.min(to), at.max(to))) {
                continue;
            }
            let label = *nhlfe.push.as_slice().first().unwrap();
            let tables = &self.routers[&to].tables;
            match tables.ilm.get(&label).map(|ilm| ilm.action) {
                Some(IlmAction::Replicate(group)) => {
                    for target in tables.groups[&group].values() {
                        match target {
                            LegTarget::Nhlfe(id) => on.push((to, *id)),
                            _ => *got.entry(to).or_default() += 1,
                        }
                    }
                }
                Some(_) => *got.entry(to).or_default() += 1,
                None => {}
            }
        }
        (got, crossed)
    }
}

pub fn neighbour(n: u8, other: u8) -> Neighbour {
    let mac = Mac([2, 0, 0, 0, 0, other]);
    let iface = IfIndex(other.into());
    Neighbour { iface, local: on_link(n, other), next: NextHop::Neighbor { iface, mac } }
}

pub fn deliver() -> Deliver {
    Deliver::Context(LabelSpaceId(1))
}

/// The way over these routers: by their addresses on the links.
pub fn way(path: &[u8]) -> Route {
    let hops: Vec<Ipv4Addr> = path.windows(2).map(|pair| on_link(pair[1], pair[0])).collect();
    Route::strict(&hops)
}

pub fn lsp(lsp_id: u16, paths: &[&[u8]]) -> LspConfig {
    let leaves = paths.iter().map(|path| (node(*path.last().unwrap()), way(path))).collect();
    LspConfig { p2mp_id: 7, tunnel_id: 1, lsp_id, tspec: TokenBucket::of_rate(1000.0), leaves }
}
