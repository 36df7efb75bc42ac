//! The provider's core: loopbacks, shortest paths, and a label switched path to every loopback.
//!
//! Each router binds a label to each other router's loopback, as LDP in downstream unsolicited mode would
//! (RFC 5036 §2.6), and all routers know all bindings at once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp_vpn::speaker::Reach;
use fwd_core::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe, RouteAction, TunnelModel};

use super::igp::{Edge, Path, shortest_paths};

/// One end of a core link.
#[derive(Clone, Copy, Debug)]
pub struct Attachment {
    /// The router, by its place in [`Core::loopbacks`].
    pub router: usize,
    /// Its interface.
    pub iface: IfIndex,
    /// The interface's MAC address.
    pub mac: Mac,
}

/// The loopback addresses of a router; each is a FEC.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loopbacks {
    /// IPv4.
    pub v4: Option<Ipv4Addr>,
    /// IPv6.
    pub v6: Option<Ipv6Addr>,
}

impl Loopbacks {
    fn get(&self, family: usize) -> Option<IpAddr> {
        if family == 0 { self.v4.map(IpAddr::V4) } else { self.v6.map(IpAddr::V6) }
    }
}

/// The core as a whole.
#[derive(Clone, Debug)]
pub struct Core {
    /// Loopbacks, router by router.
    pub loopbacks: Vec<Loopbacks>,
    /// Links, each with its two ends.
    pub links: Vec<(Attachment, Attachment)>,
    /// Their metrics and states, link by link.
    pub edges: Vec<Edge>,
    /// Egress routers ask for penultimate hop popping by implicit null (RFC 3031 §3.16). Otherwise they bind a label of
    /// their own and pop it themselves.
    pub php: bool,
    /// How TTL and class of the transport labels relate to what is below.
    pub model: TunnelModel,
}

/// What a router is told.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Changes of its forwarding plane.
    pub ops: Vec<FwdOp>,
    /// Ways to the other routers' loopbacks.
    pub next_hops: Vec<(IpAddr, Option<Reach>)>,
}

impl Core {
    /// The first NHLFE that a speaker may number; the core uses those below.
    pub const FIRST_FREE_NHLFE: NhlfeId = NhlfeId(1000);
    /// The first label that a speaker may hand out; the core binds those below.
    pub const FIRST_FREE_LABEL: u32 = 100_000;

    /// A core without routers.
    #[must_use]
    pub fn new(php: bool, model: TunnelModel) -> Self {
        Self { loopbacks: Vec::new(), links: Vec::new(), edges: Vec::new(), php, model }
    }

    /// Adds a router; returns its place.
    pub fn add_router(&mut self, loopbacks: Loopbacks) -> usize {
        self.loopbacks.push(loopbacks);
        self.loopbacks.len() - 1
    }

    /// Adds a link that is up; returns its place.
    pub fn add_link(&mut self, a: Attachment, b: Attachment, metric: u32) -> usize {
        self.links.push((a, b));
        self.edges.push(Edge { a: a.router, b: b.router, metric, up: true });
        self.edges.len() - 1
    }

    /// The label that `router` binds to a loopback of `egress`.
    #[must_use]
    pub fn binding(&self, router: usize, egress: usize, family: usize) -> Label {
        if router == egress && self.php {
            return Label::IMPLICIT_NULL;
        }
        Label::from_low_bits((router as u32 + 1) * 1000 + 16 + fec(egress, family))
    }

    /// The entry of every ingress that carries packets to a loopback of `egress` through the label switched path.
    #[must_use]
    pub fn transport(egress: usize, family: usize) -> NhlfeId {
        NhlfeId(1 + 2 * fec(egress, family))
    }

    /// The entry that carries packets to a loopback of `egress` without label.
    #[must_use]
    pub fn plain(egress: usize, family: usize) -> NhlfeId {
        NhlfeId(2 + 2 * fec(egress, family))
    }

    /// Everything that a router is to be told, for the links as they are now.
    #[must_use]
    pub fn program(&self, router: usize) -> Program {
        let paths = shortest_paths(self.loopbacks.len(), &self.edges, router);
        let mut program = Program::default();
        for (egress, loopbacks) in self.loopbacks.iter().enumerate() {
            for family in 0..2 {
                let Some(address) = loopbacks.get(family) else { continue };
                if egress == router {
                    program.ops.push(set_route(address, RouteAction::Local));
                    if !self.php {
                        let ilm = Ilm { action: IlmAction::PopLookup(VrfId::GLOBAL), model: self.model };
                        program.ops.push(FwdOp::SetIlm { label: self.binding(router, egress, family), ilm });
                    }
                } else {
                    self.program_path(&mut program, router, egress, family, address, paths[egress]);
                }
            }
        }
        program
    }

    fn program_path(
        &self,
        program: &mut Program,
        router: usize,
        egress: usize,
        family: usize,
        address: IpAddr,
        path: Option<Path>,
    ) {
        let label = self.binding(router, egress, family);
        let (transport, plain) = (Self::transport(egress, family), Self::plain(egress, family));
        let Some(path) = path else {
            program.next_hops.push((address, None));
            program.ops.extend([clear_route(address), FwdOp::ClearIlm { label }]);
            program.ops.extend([FwdOp::ClearNhlfe { id: transport }, FwdOp::ClearNhlfe { id: plain }]);
            return;
        };
        let (a, b) = self.links[path.edge];
        let (ours, theirs) = if a.router == router { (a, b) } else { (b, a) };
        let next = NextHop::Neighbor { iface: ours.iface, mac: theirs.mac };
        let out = self.binding(path.next, egress, family);
        let push = if out == Label::IMPLICIT_NULL { LabelStack::EMPTY } else { LabelStack::single(out) };
        let entry = |push| Nhlfe { push, next, model: self.model };
        let ilm = Ilm { action: IlmAction::Forward(transport), model: self.model };
        program.ops.extend([
            FwdOp::SetNhlfe { id: transport, nhlfe: entry(push) },
            FwdOp::SetNhlfe { id: plain, nhlfe: entry(LabelStack::EMPTY) },
            FwdOp::SetIlm { label, ilm },
            set_route(address, RouteAction::Forward(plain)),
        ]);
        program.next_hops.push((address, Some(Reach { metric: path.metric, nhlfe: transport })));
    }
}

/// The number of a FEC: a router's loopback of one family (0: IPv4, 1: IPv6).
fn fec(egress: usize, family: usize) -> u32 {
    2 * egress as u32 + family as u32
}

/// The op that writes a host route of the global table.
#[must_use]
pub fn set_route(address: IpAddr, action: RouteAction) -> FwdOp {
    set_route_in(VrfId::GLOBAL, address, action)
}

/// The op that writes a host route of a VRF.
#[must_use]
pub fn set_route_in(vrf: VrfId, address: IpAddr, action: RouteAction) -> FwdOp {
    match address {
        IpAddr::V4(a) => FwdOp::SetRoute4 { vrf, prefix: Ipv4Prefix::host(a), action },
        IpAddr::V6(a) => FwdOp::SetRoute6 { vrf, prefix: Ipv6Prefix::host(a), action },
    }
}

fn clear_route(address: IpAddr) -> FwdOp {
    let vrf = VrfId::GLOBAL;
    match address {
        IpAddr::V4(a) => FwdOp::ClearRoute4 { vrf, prefix: Ipv4Prefix::host(a) },
        IpAddr::V6(a) => FwdOp::ClearRoute6 { vrf, prefix: Ipv6Prefix::host(a) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(php: bool) -> Core {
        let mut core = Core::new(php, TunnelModel::Uniform);
        for n in 1..=3 {
            core.add_router(Loopbacks { v4: Some(Ipv4Addr::new(192, 0, 2, n)), v6: None });
        }
        for n in 0..2 {
            let end = |router, iface| Attachment {
                router,
                iface: IfIndex(iface),
                mac: Mac([2, 0, 0, 0, router as u8, iface as u8]),
            };
            core.add_link(end(n, 2), end(n + 1, 1), 10);
        }
        core
    }

    fn push_of(program: &Program, id: NhlfeId) -> Vec<u32> {
        let found = program.ops.iter().find_map(|op| match op {
            FwdOp::SetNhlfe { id: i, nhlfe } if *i == id => Some(nhlfe.push),
            _ => None,
        });
        found.unwrap().as_slice().iter().map(|l| l.value()).collect()
    }

    #[test]
    fn labels_chain_to_the_egress() {
        let core = chain(true);
        let middle = core.binding(1, 2, 0);
        assert_eq!(push_of(&core.program(0), Core::transport(2, 0)), [middle.value()]);
        // The penultimate router pops.
        assert_eq!(push_of(&core.program(1), Core::transport(2, 0)), [] as [u32; 0]);
        let own = chain(false);
        assert_eq!(push_of(&own.program(1), Core::transport(2, 0)), [own.binding(2, 2, 0).value()]);
        let egress = FwdOp::SetIlm {
            label: own.binding(2, 2, 0),
            ilm: Ilm { action: IlmAction::PopLookup(VrfId::GLOBAL), model: TunnelModel::Uniform },
        };
        assert!(own.program(2).ops.contains(&egress));
    }

    #[test]
    fn a_failed_link_withdraws() {
        let mut core = chain(true);
        core.edges[1].up = false;
        let program = core.program(0);
        assert!(program.next_hops.contains(&(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3)), None)));
        assert!(program.ops.contains(&FwdOp::ClearNhlfe { id: Core::transport(2, 0) }));
    }

    #[test]
    fn bindings_are_distinct() {
        let core = chain(false);
        let mut labels: Vec<_> =
            (0..3).flat_map(|r| (0..3).map(move |e| (r, e))).map(|(r, e)| core.binding(r, e, 0)).collect();
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), 9);
        assert!(labels.iter().all(|l| !l.is_special_purpose() && l.value() < Core::FIRST_FREE_LABEL));
    }
}
