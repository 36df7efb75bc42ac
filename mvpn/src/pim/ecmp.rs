//! ECMP Redirect (RFC 6754): routers downstream of a bundle of links are brought together on one of them.

use alloc::vec::Vec;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::config::EcmpConfig;
use super::io::{MribRoute, Output, PimEvent, PimLimit, PimReject};
use super::macros::Olist;
use super::network::{Neighbor, Network, PimAddress};
use super::router::{Fault, PimRouter};
use super::upstream::UpstreamState;
use super::ways::{Detour, Target, Weight};
use super::wire::{EcmpRedirect, EncodedGroup, Message, MessageType};

/// The Interface ID field (RFC 6395 §2): local identifier, router identifier.
fn interface_id(local: u32, router: u32) -> u64 {
    u64::from(local) << 32 | u64::from(router)
}

/// The router identifier in an Interface ID.
fn router_of(id: u64) -> u32 {
    u32::try_from(id & u64::from(u32::MAX)).unwrap_or(0)
}

impl<A: PimAddress> Network<A> {
    fn ecmp(&self, i: IfIndex) -> Option<EcmpConfig> {
        self.interfaces.get(&i)?.config.ecmp
    }

    /// The most desirable interface comes first.
    fn desirability(&self, i: IfIndex) -> Option<(u8, u64, core::cmp::Reverse<A>)> {
        self.ecmp(i).map(|e| (e.preference, e.metric, core::cmp::Reverse(self.address(i))))
    }

    /// The other interfaces of the bundle that have neighbours.
    fn bundle(&self, i: IfIndex) -> Vec<IfIndex> {
        let Some(bundle) = self.ecmp(i).map(|e| e.bundle) else { return Vec::new() };
        let with = self
            .interfaces
            .iter()
            .filter(|(j, x)| **j != i && !x.neighbors.is_empty() && x.config.ecmp.is_some_and(|e| e.bundle == bundle));
        with.map(|(j, _)| *j).collect()
    }

    /// RFC 6754 §5.4: none is sent while a neighbour on the bundle does not know them.
    fn bundle_understands(&self, i: IfIndex) -> bool {
        let Some(bundle) = self.ecmp(i).map(|e| e.bundle) else { return false };
        let of_bundle = self.interfaces.values().filter(|x| x.config.ecmp.is_some_and(|e| e.bundle == bundle));
        of_bundle.flat_map(|x| x.neighbors.values()).all(|n| n.ecmp_redirect)
    }

    /// Where packets for `i` should go instead, if that is not the interface desired. `carrying` are those that the flow goes out of,
    /// `i` among them unless the Join that asks for it is `new`.
    fn desired(&self, i: IfIndex, carrying: &Olist, new: bool) -> Option<IfIndex> {
        let others = self.bundle(i);
        let carries: Vec<IfIndex> = others.iter().copied().filter(|j| carrying.contains(j)).collect();
        let best = |of: &[IfIndex]| of.iter().copied().min_by_key(|j| self.desirability(*j));
        if carries.is_empty() {
            // RFC 6754 §5.1: no interface of the bundle carries the flow yet, and another is more desirable.
            return best(&others).filter(|j| new && self.desirability(*j) < self.desirability(i));
        }
        best(&carries).filter(|j| new || self.desirability(*j) < self.desirability(i))
    }

    /// Whether the router that a neighbour is reaches an interface too, as far as Interface IDs tell (RFC 6754 §5.3).
    fn is_reachable(&self, (neighbor, i): (A, IfIndex), by: IfIndex) -> bool {
        let of = |i: IfIndex| self.interfaces.get(&i).map(|x| &x.neighbors);
        let router = of(i).and_then(|n| n.get(&neighbor)).map_or(0, |n| n.router_id);
        router == 0 || of(by).is_some_and(|all| all.values().any(|n| n.router_id == router))
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// A Join came from a neighbour: it is told of a more desirable interface.
    pub(super) fn redirect_join(
        &mut self,
        now: Instant,
        (g, s): (A, Option<A>),
        (from, i): (A, IfIndex),
        new: bool,
    ) -> bool {
        if self.net.ecmp(i).is_none() {
            return false;
        }
        let Some(view) = self.view(g) else { return false };
        let (carrying, root) = match s {
            None => (view.immediate_olist_g(), view.group.rp),
            Some(s) => (view.source(s).inherited_olist_sg(), Some(s)),
        };
        let Some(to) = self.net.desired(i, &carrying, new) else { return false };
        if self.net.bundle_understands(i) && self.net.is_reachable((from, i), to) {
            self.send_redirect(now, i, g, root.unwrap_or(A::UNSPECIFIED), to);
        }
        true
    }

    /// Packets come in by an interface of a bundle that they go out of: another router forwards them too, and one link is enough. `false`
    /// leaves it to an Assert.
    pub(super) fn redirect_data(&mut self, now: Instant, i: IfIndex, g: A, s: A) -> bool {
        if self.net.ecmp(i).is_none() {
            return false;
        }
        let Some(view) = self.source_view(g, s) else { return false };
        let carrying = view.inherited_olist_sg();
        let Some(to) = self.net.desired(i, &carrying, false).filter(|_| carrying.contains(&i)) else { return false };
        if !self.net.bundle_understands(i) {
            return false;
        }
        self.send_redirect(now, i, g, s, to);
        true
    }

    fn send_redirect(&mut self, now: Instant, i: IfIndex, g: A, root: A, to: IfIndex) {
        let router = self.net.config.router_id;
        let (from, all, neighbor) = (self.net.address(i), A::ALL_PIM_ROUTERS, self.net.address(to));
        let Some(ecmp) = self.net.ecmp(to) else { return };
        let Some(interface) = self.net.interfaces.get_mut(&i) else { return };
        if !interface.redirects.take(now) {
            return self.limit(now, PimLimit::Redirects, Some(i));
        }
        self.ensure_hello(i);
        let Some(mut message) = EcmpRedirect::new(EncodedGroup::new(g.into()), root.into(), neighbor.into()) else {
            return;
        };
        // RFC 6754 §5.1: of use only where addresses do not name the link.
        message.interface_id = if A::LEN == 16 { interface_id(to.0, router) } else { 0 };
        (message.preference, message.metric) = (ecmp.preference, ecmp.metric);
        let octets = Message::EcmpRedirect(message).to_packet(from.into(), all.into());
        self.outputs.push_back(Output::Datagram { interface: Some(i), from, to: all, octets });
    }

    /// A router upstream says where Joins should rather go.
    pub(super) fn receive_redirect(&mut self, now: Instant, i: IfIndex, from: A, redirect: &EcmpRedirect) {
        let group = redirect.group();
        let (Some(g), Some(root)) = (A::from_ip(group.addr()), A::from_ip(redirect.source())) else { return };
        if !group.is_host() || self.net.ecmp(i).is_none() {
            return;
        }
        let Some(view) = self.view(g).filter(|v| !v.group.bidir) else { return };
        let (s, target, upstream) = if view.group.rp == Some(root) {
            let Some(target) = view.target_g() else { return };
            (None, target, &view.group.upstream)
        } else {
            let view = view.source(root);
            let Some(source) = view.source else { return };
            (Some(root), view.target_sg(), &source.upstream)
        };
        let (joined, known) = (upstream.state == UpstreamState::Joined, upstream.detour().copied());
        let Some(detour) = self.detour_of(target, (from, i), redirect) else {
            let message_type = Some(MessageType::ECMP_REDIRECT);
            let fault = Fault { interface: Some(i), from, message_type, malformed: None };
            return self.reject(now, PimReject::Redirect, fault);
        };
        // RFC 6754 §5.2: of several upstream routers the best one's holds; the same router may change its mind.
        let (old, new) = (known.and_then(|d| d.redirect), detour.redirect);
        let holds = match (old, new) {
            (Some(old), Some(new)) => {
                old.from == new.from || new.is_better(&old) || !self.leads(target, known.as_ref())
            }
            _ => true,
        };
        if !joined || !holds || known == Some(detour) {
            return;
        }
        let upstream = match s {
            None => self.groups.get_mut(&g).map(|x| &mut x.upstream),
            Some(s) => self.source_mut(g, s).map(|x| &mut x.upstream),
        };
        let Some(upstream) = upstream else { return };
        let moves = upstream.rpf.interface != Some(detour.interface);
        upstream.extra_mut().detour = Some(detour);
        if moves {
            let event = PimEvent::Redirected { group: g, source: s, interface: detour.interface };
            self.outputs.push_back(Output::Event(event));
        }
        self.evaluate(now, g, s);
    }

    /// Whether a detour is a way still.
    fn leads(&self, target: Target<A>, detour: Option<&Detour<A>>) -> bool {
        let same = |d: &Detour<A>, r: &MribRoute<A>| r.interface == d.interface && r.next_hop == Some(d.next_hop);
        detour.is_some_and(|d| self.net.routes(target).any(|r| same(d, r) && self.net.is_live(r)))
    }

    /// The way that a redirect means: sender and new neighbour are both next hops of routes of equal cost, in one bundle.
    fn detour_of(&self, target: Target<A>, (from, i): (A, IfIndex), redirect: &EcmpRedirect) -> Option<Detour<A>> {
        let net = &self.net;
        let hop = |r: &MribRoute<A>| r.next_hop.and_then(|hop| net.nbr(r.interface, hop));
        let said = |i: IfIndex, a: A| -> Option<&Neighbor<A>> { net.interfaces.get(&i)?.neighbors.get(&a) };
        let bundle = net.ecmp(i)?.bundle;
        let routes = || net.routes(target).filter(|r| net.ecmp(r.interface).is_some_and(|e| e.bundle == bundle));
        routes().find(|r| r.interface == i && hop(r) == Some(from))?;
        let wanted = A::from_ip(redirect.neighbor())?;
        let by_id = router_of(redirect.interface_id) != 0;
        let (route, neighbor) = routes().find_map(|r| {
            let neighbor = said(r.interface, hop(r)?)?;
            let named = if by_id {
                interface_id(neighbor.local_id, neighbor.router_id) == redirect.interface_id
            } else {
                net.nbr(r.interface, wanted) == hop(r)
            };
            named.then_some((r, neighbor))
        })?;
        let tie = if by_id { u128::from(redirect.interface_id) } else { wanted.bits() };
        let sender = said(i, from).map_or(0, |n| n.router_id);
        let from = if sender == 0 { (0, from) } else { (sender, A::UNSPECIFIED) };
        let weight = Weight { preference: redirect.preference, metric: redirect.metric, tie, from };
        Some(Detour {
            interface: route.interface,
            next_hop: route.next_hop?,
            router: neighbor.router_id,
            redirect: Some(weight),
        })
    }
}
