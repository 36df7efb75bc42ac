//! `ietf-pim-base` and `ietf-pim-rp` (RFC 9128 §3.1, §3.2): interfaces, neighbours, trees and RPs of a [`PimRouter`].
//!
//! Up times are not kept here; BFD, graceful restart, queues and counters of messages have no leaf. The bootstrap router's own objects are in
//! PIM-BSR-MIB (`bsr/mib.rs`).

use core::net::IpAddr;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use fwd_core::yang::{Node, Tree, Value, left, seconds, text};

use super::downstream::{JoinState, RptState};
use super::network::{Interface, Neighbor, PimAddress};
use super::router::PimRouter;
use super::rp_set::RpMode;
use super::state::{Group, Rpf, Source, Timer};

/// Where PIM is (RFC 8349); the names of protocols are keys.
const PIM: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol/ietf-pim-base:pim";

const SPARSE: &str = "ietf-pim-base:pim-asm";
const SOURCE_SPECIFIC: &str = "ietf-pim-base:pim-ssm";
const BIDIR: &str = "ietf-pim-base:pim-bidir";

const fn mode(mode: RpMode) -> &'static str {
    match mode {
        RpMode::Sparse => "ietf-pim-sm:rp-sm",
        RpMode::Bidir => "ietf-pim-bidir:rp-bidir",
    }
}

const fn join_state(state: JoinState) -> &'static str {
    match state {
        JoinState::NoInfo => "no-info",
        JoinState::Join => "join",
        JoinState::PrunePending => "prune-pending",
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// Writes the router as the protocol of this name, in the address family that is its.
    pub fn write_yang(&self, now: Instant, name: &str, tree: &mut Tree) {
        let family = if A::BITS == 128 { "ipv6" } else { "ipv4" };
        let mut root = tree.root(PIM);
        root.key(name);
        let mut node = root.entry("address-family", &[("address-family", text(family))]);
        self.rps(family, &mut node.at("ietf-pim-rp:rp"));
        for (group, state) in &self.groups {
            if state.interfaces.interfaces().next().is_some() {
                self.group(now, family, (*group, state), &mut node);
            }
            for (source, of) in &state.sources {
                self.source(now, family, (*group, *source), (state, of), &mut node);
            }
        }
        for (index, interface) in &self.net.interfaces {
            let mut entry = root.entry("interfaces/interface", &[("name", text(index.0))]);
            let mut node = entry.entry("address-family", &[("address-family", text(family))]);
            self.interface(now, family, (*index, interface), &mut node);
        }
    }

    fn at(&self, now: Instant, timer: Timer<A>) -> Option<Value> {
        self.timers.get(timer).map(|at| left(now, Some(at)))
    }

    fn rps(&self, family: &str, node: &mut Node<'_>) {
        let list = alloc::format!("{family}-rp");
        let set = &self.net.rp_set;
        for rp in set.fixed() {
            drop(node.entry(&alloc::format!("static-rp/{list}"), &[("rp-address", text(rp.address))]));
            let keys = [("rp-address", text(rp.address)), ("mode", text(mode(rp.mode)))];
            node.entry(&alloc::format!("rp-list/{list}"), &keys).leaf("info-source-type", text("ietf-pim-rp:static"));
        }
        let learnt: alloc::collections::BTreeSet<A> =
            set.learnt().flat_map(|(_, candidates)| candidates.iter().map(|c| c.address)).collect();
        let bidir: alloc::collections::BTreeSet<A> = set.bidir().map(|(_, rp)| rp).collect();
        for rp in learnt {
            let of = if bidir.contains(&rp) { RpMode::Bidir } else { RpMode::Sparse };
            let keys = [("rp-address", text(rp)), ("mode", text(mode(of)))];
            node.entry(&alloc::format!("rp-list/{list}"), &keys)
                .leaf("info-source-type", text("ietf-pim-rp:bootstrap"));
        }
        for (range, rps) in set.ranges() {
            for rp in rps {
                let keys = [("group", text(range)), ("rp-address", text(rp))];
                drop(node.entry(&alloc::format!("rp-mappings/{list}"), &keys));
            }
        }
    }

    /// (*,G) (RFC 7761 §4.1.3).
    fn group(&self, now: Instant, family: &str, (group, state): (A, &Group<A>), node: &mut Node<'_>) {
        let keys = [("group", text(group)), ("source-address", text("*")), ("is-rpt", true.into())];
        let mut route = node.entry(&alloc::format!("topology-tree-info/{family}-route"), &keys);
        route.leaf("is-spt", false);
        route.leaf("mode", text(if state.bidir { BIDIR } else { SPARSE }));
        route.leaf("msdp-learned", false);
        route.option("rp-address", state.rp.map(text));
        upstream(&state.upstream.rpf, &mut route);
        let mut latest = None;
        for (iface, of) in state.interfaces.iter() {
            let mut leg = route.entry("outgoing-interface", &[("name", text(iface.0))]);
            let expiry = self.timers.get(Timer::GroupExpiry(group, iface));
            leg.leaf("expiration", left(now, expiry));
            leg.leaf("jp-state", text(join_state(of.join)));
            latest = latest.max(expiry);
        }
        route.option("expiration", latest.map(|at| left(now, Some(at))));
    }

    /// (S,G), and (S,G,rpt) where someone pruned the source off the shared tree (§4.1.4, §4.1.5).
    fn source(
        &self,
        now: Instant,
        family: &str,
        (group, source): (A, A),
        (state, of): (&Group<A>, &Source<A>),
        node: &mut Node<'_>,
    ) {
        let list = alloc::format!("topology-tree-info/{family}-route");
        let keys = |is_rpt: bool| [("group", text(group)), ("source-address", text(source)), ("is-rpt", is_rpt.into())];
        let mut route = node.entry(&list, &keys(false));
        route.leaf("is-spt", of.spt_bit);
        route.leaf("mode", text(if state.ssm { SOURCE_SPECIFIC } else { SPARSE }));
        route.leaf("msdp-learned", of.remote);
        route.option("rp-address", state.rp.filter(|_| !state.ssm).map(text));
        route.option("expiration", self.at(now, Timer::Keepalive(group, source)));
        upstream(&of.upstream.rpf, &mut route);
        for (iface, there) in of.interfaces.iter().filter(|(_, there)| there.join.is_joined() || there.include) {
            let mut leg = route.entry("outgoing-interface", &[("name", text(iface.0))]);
            leg.leaf("expiration", left(now, self.timers.get(Timer::SourceExpiry(group, source, iface))));
            leg.leaf("jp-state", text(join_state(there.join)));
        }
        for (iface, there) in of.interfaces.iter().filter(|(_, there)| there.rpt != RptState::NoInfo) {
            let mut pruned = node.entry(&list, &keys(true));
            let mut leg = pruned.entry("outgoing-interface", &[("name", text(iface.0))]);
            leg.leaf("expiration", left(now, self.timers.get(Timer::RptExpiry(group, source, iface))));
            let word = if there.rpt == RptState::PrunePending { "prune-pending" } else { "no-info" };
            leg.leaf("jp-state", text(word));
        }
    }

    fn interface(&self, now: Instant, family: &str, (index, interface): (IfIndex, &Interface<A>), node: &mut Node<'_>) {
        let config = &interface.config;
        let period = self.net.config.timers.join_prune_period;
        node.leaf("dr-priority", u64::from(config.dr_priority));
        node.leaf("hello-interval", seconds(config.hello_period));
        // 3.5 times the period (RFC 7761 §4.11).
        node.leaf("hello-holdtime", seconds(config.hello_period.saturating_mul(7) / 2));
        node.leaf("jp-interval", seconds(period));
        node.leaf("jp-holdtime", seconds(period.saturating_mul(7) / 2));
        node.leaf("override-interval", millis(config.override_interval));
        node.leaf("propagation-delay", millis(config.propagation_delay));
        node.leaf("oper-status", text("up"));
        node.leaf("gen-id", u64::from(interface.generation_id));
        node.option("hello-expiration", self.at(now, Timer::Hello(index)));
        let mut of_family = node.at(family);
        of_family.list("address", core::iter::once(config.address).chain(config.secondary.iter().copied()).map(text));
        of_family.leaf("dr-address", text(interface.dr));
        let list = alloc::format!("neighbors/{family}-neighbor");
        for (address, neighbor) in &interface.neighbors {
            let mut entry = node.entry(&list, &[("address", text(address))]);
            let expires = self.timers.get(Timer::NeighborLiveness(index, *address));
            neighbor_leaves(neighbor, left(now, expires), &mut entry);
        }
    }
}

fn millis(time: core::time::Duration) -> Value {
    Value::Unsigned(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn upstream<A: Copy + Into<IpAddr>>(rpf: &Rpf<A>, route: &mut Node<'_>) {
    route.option("incoming-interface", rpf.interface.map(|iface| text(iface.0)));
    route.option("rpf-neighbor", rpf.neighbor.map(|neighbor| text(neighbor.into())));
}

fn neighbor_leaves<A>(neighbor: &Neighbor<A>, expiration: Value, node: &mut Node<'_>) {
    node.leaf("expiration", expiration);
    node.option("dr-priority", neighbor.dr_priority.map(|priority| u64::from(priority).into()));
    node.option("gen-id", neighbor.generation_id.map(|id| u64::from(id).into()));
    let mut delay = node.at("lan-prune-delay");
    delay.leaf("present", neighbor.lan_prune_delay.is_some());
    if let Some((tracking, propagation, overriding)) = neighbor.lan_prune_delay {
        delay.leaf("override-interval", millis(overriding));
        delay.leaf("propagation-delay", millis(propagation));
        delay.leaf("t-bit", tracking);
    }
}
