//! Join attributes of trees: what neighbours said, what holds of it, what goes on upstream (RFC 5384 §3.3, RFC 5496 §3.3, RFC 6420 §4.2).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::io::{PimLimit, PimReject};
use super::macros::{GroupView, SourceView};
use super::network::{Network, PimAddress};
use super::router::{Fault, PimRouter};
use super::state::{Group, Rpf, Upstream};
use super::transmit::Entry;
use super::ways::{Detour, Target, Vector};
use super::wire::{
    EncodedSource, JoinAttribute, JoinAttributeType, JoinAttributeValue, JoinAttributesBuf, MessageType,
};

/// What few trees have.
#[derive(Clone, Debug)]
pub(super) struct Extra<A> {
    /// Attributes by the neighbour that sent them: the lowest address first, which RFC 5384 §3.3.3 prefers.
    received: BTreeMap<(A, IfIndex), Received<A>>,
    /// The vectors whose routes are watched: all that were received, so that the next one can be used at once.
    watched: Vec<A>,
    /// A way that is taken instead of the first.
    pub(super) detour: Option<Detour<A>>,
    /// The second tree of fast reroute (RFC 7431).
    pub(super) secondary: Upstream<A>,
}

impl<A> Default for Extra<A> {
    fn default() -> Self {
        Self { received: BTreeMap::new(), watched: Vec::new(), detour: None, secondary: Upstream::default() }
    }
}

impl<A> Extra<A> {
    /// Whether it says nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.received.is_empty()
            && self.watched.is_empty()
            && self.detour.is_none()
            && self.secondary.state == super::upstream::UpstreamState::NotJoined
    }
}

/// Attributes of one neighbour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Received<A> {
    vector: Option<Vector<A>>,
    /// An MVPN Join attribute that named this router, by its RD: the vector is the next router's.
    entered: Option<RouteDistinguisher>,
    topology: Option<u16>,
    /// Of unknown types, transitive: type and value.
    others: Vec<(u8, Vec<u8>)>,
}

/// What a Join says beside its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said<A> {
    pub(super) vector: Option<Vector<A>>,
    topology: u16,
    others: Vec<(u8, Vec<u8>)>,
}

impl<A> Default for Said<A> {
    fn default() -> Self {
        Self { vector: None, topology: 0, others: Vec::new() }
    }
}

impl<A: PimAddress> Said<A> {
    /// The attributes as a source of a Join has them.
    pub(super) fn to_buf(&self) -> JoinAttributesBuf {
        let mut buf = JoinAttributesBuf::new(A::FAMILY);
        let mut push = |transitive, value| buf.push(JoinAttribute { transitive, value });
        if let Some(Vector { address, rd }) = self.vector {
            let proxy = address.into();
            let value = rd.map(|rd| JoinAttributeValue::MvpnJoin { proxy, rd });
            push(false, value.unwrap_or(JoinAttributeValue::RpfVector(proxy)));
        }
        if self.topology != 0 {
            push(false, JoinAttributeValue::MtId(self.topology));
        }
        for (kind, value) in &self.others {
            push(true, JoinAttributeValue::Other(JoinAttributeType(*kind), value));
        }
        buf
    }
}

impl<A: PimAddress> Upstream<A> {
    fn received(&self) -> impl Iterator<Item = &Received<A>> {
        self.extra.iter().flat_map(|x| x.received.values())
    }

    /// The vector that the lowest neighbour of those that sent one sent.
    fn vector(&self) -> Option<Vector<A>> {
        self.received().find_map(|r| r.vector)
    }

    pub(super) fn detour(&self) -> Option<&Detour<A>> {
        self.extra.as_ref()?.detour.as_ref()
    }

    /// The extra, which comes into being for it.
    pub(super) fn extra_mut(&mut self) -> &mut Extra<A> {
        self.extra.get_or_insert_with(Box::default)
    }

    fn drop_idle_extra(&mut self) {
        if self.extra.as_ref().is_some_and(|x| x.is_idle()) {
            self.extra = None;
        }
    }

    /// What the RPF lookup of a tree with this root is of.
    fn target(&self, net: &Network<A>, group: A, root: A) -> Target<A> {
        // RFC 6420 §4.2.2: what is configured here goes before what neighbours say.
        let configured = net.config.topologies.iter().find(|(range, _)| group.is_in(range)).map(|(_, t)| *t);
        let topology = configured.or_else(|| self.received().find_map(|r| r.topology)).unwrap_or(0);
        Target { topology, address: self.vector().map_or(root, |vector| vector.address) }
    }

    /// What Joins of this tree say to `rpf`.
    fn said(&self, net: &Network<A>, target: Target<A>, rpf: &Rpf<A>) -> Said<A> {
        let Some(interface) = rpf.interface.and_then(|i| net.interfaces.get(&i)) else { return Said::default() };
        let all = |has: fn(&super::network::Neighbor<A>) -> bool| interface.neighbors.values().all(has);
        if !interface.config.join_attributes || !all(|n| n.join_attribute) {
            return Said::default();
        }
        // RFC 5496 §3.3.3, RFC 6420 §4.2.4.2: the winner of an Assert may know neither vector nor topology.
        let by_route = rpf.neighbor == rpf.next_hop;
        let mut others: Vec<(u8, Vec<u8>)> = Vec::new();
        for r in self.received() {
            let seen: Vec<u8> = others.iter().map(|(kind, _)| *kind).collect();
            others.extend(r.others.iter().filter(|(kind, _)| !seen.contains(kind)).cloned());
        }
        Said {
            vector: self.vector().or_else(|| net.vector(target)).filter(|_| by_route),
            topology: if by_route && all(|n| n.mt_id) { target.topology } else { 0 },
            others,
        }
    }
}

impl<A: PimAddress> GroupView<'_, A> {
    /// What the RPF lookup of the shared tree is of.
    pub(super) fn target_g(&self) -> Option<Target<A>> {
        self.group.rp.map(|rp| self.group.upstream.target(self.net, self.g, rp))
    }

    /// What Joins(*,G) say.
    pub(super) fn said_g(&self) -> Said<A> {
        let upstream = &self.group.upstream;
        self.target_g().map(|target| upstream.said(self.net, target, &self.rpf_g())).unwrap_or_default()
    }
}

impl<A: PimAddress> SourceView<'_, A> {
    /// What the RPF lookup of the source's tree is of.
    pub(super) fn target_sg(&self) -> Target<A> {
        let none = Upstream::default();
        self.source.map_or(&none, |s| &s.upstream).target(self.group.net, self.group.g, self.s)
    }

    /// What Joins(S,G) by `rpf` say.
    pub(super) fn said_sg(&self, rpf: &Rpf<A>) -> Said<A> {
        let target = self.target_sg();
        self.source.map(|s| s.upstream.said(self.group.net, target, rpf)).unwrap_or_default()
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// What a Join of a neighbour says about the way; `Err` if the Join is not to be taken.
    pub(super) fn read_attributes(
        &mut self,
        now: Instant,
        i: IfIndex,
        from: A,
        source: &EncodedSource<'_>,
    ) -> Result<Received<A>, ()> {
        let mut received = Received { vector: None, entered: None, topology: None, others: Vec::new() };
        let attributes = source.attributes();
        if attributes.is_empty() {
            return Ok(received);
        }
        let taken = self.net.interfaces.get(&i).is_some_and(|x| x.config.join_attributes);
        let most = self.net.config.limits.join_attribute_octets;
        if !taken || attributes.wire_len() > most {
            if taken {
                self.limit(now, PimLimit::JoinAttributes, Some(i));
            } else {
                let message_type = Some(MessageType::JOIN_PRUNE);
                self.reject(
                    now,
                    PimReject::Attributes,
                    Fault { interface: Some(i), from, message_type, malformed: None },
                );
            }
            return Err(());
        }
        for attribute in attributes {
            match attribute.value {
                JoinAttributeValue::RpfVector(vector) if received.vector.is_none() => {
                    // RFC 5496 §3.3.2: what led here leads no further.
                    let vector = A::from_ip(vector).filter(|v| v.is_host() && !self.net.is_local(*v));
                    received.vector = vector.map(|address| Vector { address, rd: None });
                }
                JoinAttributeValue::MvpnJoin { proxy, rd } if received.vector.is_none() => {
                    let Some(proxy) = A::from_ip(proxy).filter(|proxy| proxy.is_host()) else { continue };
                    let pe = A::from_ip(source.addr());
                    if !self.net.is_local(proxy) {
                        received.vector = Some(Vector { address: proxy, rd: Some(rd) });
                    } else if let Some(pe) = pe.filter(|pe| !self.net.is_local(*pe)) {
                        // RFC 6513 §8.1.3.2.2: without an A-D route the Join is discarded.
                        let Some(next) = self.net.mvpn_routes.get(&(pe, rd)).copied() else {
                            let message_type = Some(MessageType::JOIN_PRUNE);
                            let fault = Fault { interface: Some(i), from, message_type, malformed: None };
                            self.reject(now, PimReject::NoAdRoute, fault);
                            return Err(());
                        };
                        (received.vector, received.entered) = (Some(Vector { address: next, rd: Some(rd) }), Some(rd));
                    }
                }
                // RFC 6420 §4.2.3: the last one holds, and 0 says nothing.
                JoinAttributeValue::MtId(topology) if topology != 0 => received.topology = Some(topology),
                JoinAttributeValue::Other(kind, value) if attribute.transitive => {
                    received.others.push((kind.0, value.to_vec()));
                }
                _ => {}
            }
        }
        Ok(received)
    }

    fn upstream_mut(&mut self, g: A, s: Option<A>) -> Option<&mut Upstream<A>> {
        let group = self.groups.get_mut(&g)?;
        match s {
            None => Some(&mut group.upstream),
            Some(s) => group.sources.get_mut(&s).map(|x| &mut x.upstream),
        }
    }

    fn said(&self, g: A, s: Option<A>) -> Said<A> {
        match s {
            None => self.view(g).map(|v| v.said_g()).unwrap_or_default(),
            Some(s) => self.source_view(g, s).map(|v| v.said_sg(&v.rpf_sg())).unwrap_or_default(),
        }
    }

    /// A neighbour joined a tree with these attributes: they replace all that it said before (RFC 5384 §3.3.4).
    pub(super) fn attributes_received(
        &mut self,
        now: Instant,
        (g, s): (A, Option<A>),
        neighbor: (A, IfIndex),
        received: Received<A>,
    ) {
        let Some(upstream) = self.upstream_mut(g, s) else { return };
        if received == (Received { vector: None, entered: None, topology: None, others: Vec::new() }) {
            let known = upstream.extra.as_ref().is_some_and(|x| x.received.contains_key(&neighbor));
            if known {
                self.forget_attributes(now, g, s, |n| n == neighbor);
            }
            return;
        }
        if upstream.extra.as_ref().and_then(|x| x.received.get(&neighbor)) == Some(&received) {
            return;
        }
        let before = self.said(g, s);
        let Some(upstream) = self.upstream_mut(g, s) else { return };
        upstream.extra_mut().received.insert(neighbor, received);
        self.attributes_changed(now, g, s, &before);
    }

    /// The Intra-AS I-PMSI A-D route of a PE changed: trees to it that come through this router's address go another way on.
    pub(super) fn mvpn_route(&mut self, now: Instant, pe: A, rd: RouteDistinguisher, next_hop: Option<A>) {
        let old = match next_hop {
            Some(next) => self.net.mvpn_routes.insert((pe, rd), next),
            None => self.net.mvpn_routes.remove(&(pe, rd)),
        };
        if old == next_hop {
            return;
        }
        let is_there = |(_, group): &(&A, &Group<A>)| group.sources.contains_key(&pe);
        let groups: Vec<A> = self.groups.iter().filter(is_there).map(|(g, _)| *g).collect();
        for g in groups {
            let before = self.said(g, Some(pe));
            let Some(extra) = self.upstream_mut(g, Some(pe)).and_then(|u| u.extra.as_mut()) else { continue };
            for received in extra.received.values_mut().filter(|r| r.entered == Some(rd)) {
                received.vector = next_hop.map(|address| Vector { address, rd: Some(rd) });
            }
            self.attributes_changed(now, g, Some(pe), &before);
        }
    }

    /// Forgets the attributes of some neighbours.
    pub(super) fn forget_attributes(&mut self, now: Instant, g: A, s: Option<A>, of: impl Fn((A, IfIndex)) -> bool) {
        let Some(extra) = self.upstream_mut(g, s).and_then(|u| u.extra.as_ref()) else { return };
        if !extra.received.keys().any(|n| of(*n)) {
            return;
        }
        let before = self.said(g, s);
        if let Some(extra) = self.upstream_mut(g, s).and_then(|u| u.extra.as_mut()) {
            extra.received.retain(|n, _| !of(*n));
        }
        self.attributes_changed(now, g, s, &before);
    }

    /// The same of every tree of a group.
    pub(super) fn forget_group_attributes(&mut self, now: Instant, g: A, of: impl Fn((A, IfIndex)) -> bool + Copy) {
        let sources: Vec<A> = self.groups.get(&g).into_iter().flat_map(|x| x.sources.keys().copied()).collect();
        for s in core::iter::once(None).chain(sources.into_iter().map(Some)) {
            self.forget_attributes(now, g, s, of);
        }
    }

    /// What holds may be different: another vector is watched, and a tree that keeps its neighbour tells it (RFC 5384 §3.3.4).
    fn attributes_changed(&mut self, now: Instant, g: A, s: Option<A>, before: &Said<A>) {
        let Some(upstream) = self.upstream_mut(g, s) else { return };
        let mut new: Vec<A> = upstream.received().filter_map(|r| Some(r.vector?.address)).collect();
        new.sort_unstable();
        new.dedup();
        let old = upstream.extra.as_mut().map(|x| core::mem::replace(&mut x.watched, new.clone())).unwrap_or_default();
        upstream.drop_idle_extra();
        let neighbor = upstream.rpf.neighbor;
        new.iter().filter(|v| !old.contains(v)).for_each(|vector| self.watch_vector(*vector, g, s));
        old.iter().filter(|v| !new.contains(v)).for_each(|vector| self.unwatch_vector(*vector, g, s));
        self.evaluate(now, g, s);
        if self.upstream_mut(g, s).is_some_and(|u| u.rpf.neighbor == neighbor) && self.said(g, s) != *before {
            self.join_again(g, s);
        }
    }

    /// Sends a Join of a joined tree before its time.
    pub(super) fn join_again(&mut self, g: A, s: Option<A>) {
        let Some(group) = self.groups.get(&g) else { return };
        let entry = s.map_or_else(|| Entry::Group(group.rp.unwrap_or(A::UNSPECIFIED)), Entry::Source);
        let Some(upstream) = self.upstream_mut(g, s) else { return };
        if upstream.state == super::upstream::UpstreamState::Joined {
            let to = upstream.rpf.interface.zip(upstream.rpf.neighbor);
            self.send_join_prune(to, g, entry, true);
        }
    }

    /// Forgets what a tree that goes has beside.
    pub(super) fn drop_extra(&mut self, g: A, s: Option<A>) {
        let extra = self.upstream_mut(g, s).and_then(|u| u.extra.take());
        for vector in extra.map(|x| x.watched).unwrap_or_default() {
            self.unwatch_vector(vector, g, s);
        }
    }

    /// Whether another router's Join says the vector that this one's would: only then may it stand for it (RFC 5496 §3.3.4).
    pub(super) fn says_our_vector(&self, g: A, s: Option<A>, source: &EncodedSource<'_>) -> bool {
        let theirs = source.attributes().iter().find_map(|a| match a.value {
            JoinAttributeValue::RpfVector(vector) => Some(Vector { address: A::from_ip(vector)?, rd: None }),
            JoinAttributeValue::MvpnJoin { proxy, rd } => Some(Vector { address: A::from_ip(proxy)?, rd: Some(rd) }),
            _ => None,
        });
        theirs == self.said(g, s).vector
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// A neighbour is gone, and with it what it said.
    pub(super) fn attributes_of_neighbor_gone(&mut self, now: Instant, i: IfIndex, neighbor: A) {
        if !self.net.interfaces.get(&i).is_some_and(|x| x.config.join_attributes) {
            return;
        }
        let groups: Vec<A> = self.net.interfaces.get(&i).into_iter().flat_map(|x| x.groups.iter().copied()).collect();
        for g in groups {
            self.forget_group_attributes(now, g, |n| n == (neighbor, i));
        }
    }
}
