//! What a trace wants to know of a router: the path that packets of a source and group take through it (RFC 8487 §4.2.2).

use fwd_core::net::IfIndex;

use super::io::MribRoute;
use super::network::PimAddress;
use super::router::PimRouter;
use super::upstream::RptUpstreamState;

/// The path of a source, of a group or of both through this router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedPath<A> {
    /// By the group's shared tree, not by that of the source.
    pub shared: bool,
    /// The interface that packets come in by; `None` at the RP of a shared tree.
    pub incoming: Option<IfIndex>,
    /// The router that they come from.
    pub upstream: Option<A>,
    /// The source is on a link of this router.
    pub connected: bool,
    /// This router is the RP of the group.
    pub is_rp: bool,
    /// Packets would leave by the interface that was asked about.
    pub forwards: bool,
    /// A Prune of the source was sent up the shared tree.
    pub prune_sent: bool,
    /// A Prune of the source came from the interface that was asked about.
    pub prune_received: bool,
}

impl<A: PimAddress> PimRouter<A> {
    /// Whether the address is this router's.
    #[must_use]
    pub fn is_local(&self, address: A) -> bool {
        self.net.is_local(address)
    }

    /// Whether the address is this router's, and the RP of some groups.
    #[must_use]
    pub fn is_rp_address(&self, address: A) -> bool {
        self.net.is_local(address) && self.net.rp_set.ranges().any(|(_, rps)| rps.contains(&address))
    }

    /// Whether this router is the one that serves members of a group on an interface.
    #[must_use]
    pub fn forwards_for_members(&self, interface: IfIndex, group: A, source: Option<A>) -> bool {
        self.net.i_am_dr(interface, group, source)
    }

    /// The path of packets, with `outgoing` as the interface they would leave by; `None` if there is no route. Without state it is the
    /// path that a Join would make, by the route that `route` gives.
    #[must_use]
    pub fn traced_path(
        &self,
        group: Option<A>,
        source: Option<A>,
        outgoing: IfIndex,
        route: impl Fn(A) -> Option<MribRoute<A>>,
    ) -> Option<TracedPath<A>> {
        if let Some(path) = group.and_then(|g| self.path_of_state(g, source, outgoing)) {
            return Some(path);
        }
        // RFC 8487 §4.2.2, step 4: the way of a Join.
        let s = source?;
        let link = self.net.link_of(s);
        let found = if link.is_some() { None } else { route(s) };
        let incoming = link.or(found.map(|r| r.interface))?;
        Some(TracedPath {
            shared: false,
            incoming: Some(incoming),
            upstream: found.and_then(|r| r.next_hop).and_then(|hop| self.net.nbr(incoming, hop)),
            connected: link.is_some(),
            is_rp: false,
            forwards: incoming != outgoing,
            prune_sent: false,
            prune_received: false,
        })
    }

    fn path_of_state(&self, g: A, source: Option<A>, outgoing: IfIndex) -> Option<TracedPath<A>> {
        let view = self.view(g)?;
        let of_source = source.map(|s| view.source(s)).filter(|v| v.source.is_some());
        let is_rp = view.group.rp.is_some_and(|rp| self.net.is_local(rp));
        if let Some(v) = of_source.as_ref().filter(|v| v.spt_bit() && v.is_joined() || v.directly_connected()) {
            let rpf = v.rpf_sg();
            return Some(TracedPath {
                shared: false,
                incoming: rpf.interface,
                upstream: rpf.neighbor,
                connected: v.directly_connected(),
                is_rp,
                forwards: v.in_inherited_olist_sg(outgoing),
                prune_sent: false,
                prune_received: v.prunes_sg_rpt(outgoing),
            });
        }
        view.group.rp?;
        let rpf = view.rpf_g();
        let forwards = match &of_source {
            Some(v) => v.in_inherited_olist_sg_rpt(outgoing),
            None => view.in_immediate_olist_g(outgoing),
        };
        Some(TracedPath {
            shared: true,
            incoming: rpf.interface,
            upstream: rpf.neighbor,
            connected: false,
            is_rp,
            forwards,
            prune_sent: of_source.as_ref().is_some_and(|v| v.source.is_some_and(|s| s.rpt == RptUpstreamState::Pruned)),
            prune_received: of_source.as_ref().is_some_and(|v| v.prunes_sg_rpt(outgoing)),
        })
    }
}
