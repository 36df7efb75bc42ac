//! Auto-discovery of the ends of P2MP pseudowires (RFC 7338 §3.3) by the routes of RFC 6074 §3.2.
//!
//! Those routes know neither roots nor leaves. Local policy does: each role has a route target of its own, and imports the other's. No code
//! point is new, and a reflector sees nothing special.

use alloc::collections::BTreeMap;
use core::net::Ipv4Addr;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::L2vpnId;
use bgp_vpn::nlri::RouteDistinguisher;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::fec::Attachment;

use super::{Nlri, RouteAttributes, RouteKey};

/// What this PE is in a group of P2MP pseudowires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P2mpRole {
    /// It has sources: it wants to know the leaves.
    Root,
    /// It has receivers.
    Leaf,
}

/// A group of P2MP pseudowires at one PE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct P2mpGroupConfig {
    /// Route distinguisher of our route.
    pub rd: RouteDistinguisher,
    /// Our address, which is our LSR identifier too.
    pub pe: Ipv4Addr,
    /// The group: the AGI of the pseudowires (RFC 6074 §3.2.2.1).
    pub group: L2vpnId,
    /// What we are.
    pub role: P2mpRole,
    /// The route target of roots.
    pub root_target: RouteTarget,
    /// The route target of leaves; another.
    pub leaf_target: RouteTarget,
    /// Ends kept of the other role, at most. Default 10,000.
    pub max_members: usize,
}

impl P2mpGroupConfig {
    /// A group with defaults.
    #[must_use]
    pub const fn new(
        (rd, pe): (RouteDistinguisher, Ipv4Addr),
        group: L2vpnId,
        role: P2mpRole,
        (root_target, leaf_target): (RouteTarget, RouteTarget),
    ) -> Self {
        Self { rd, pe, group, role, root_target, leaf_target, max_members: 10_000 }
    }
}

/// A PE of the other role came or went: at a root the value of [`p2mp_pw::p2mp::root::Input::Member`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct P2mpMember {
    /// The group.
    pub agi: Attachment,
    /// The PE; LDP needs a targeted session with it.
    pub pe: LdpId,
    /// Whether it is there.
    pub present: bool,
}

/// Who is in a group, by routes of other PEs.
#[derive(Clone, Debug)]
pub struct P2mpGroup {
    config: P2mpGroupConfig,
    routes: BTreeMap<RouteKey, Ipv4Addr>,
}

impl P2mpGroup {
    /// A group of which nobody else is known.
    #[must_use]
    pub const fn new(config: P2mpGroupConfig) -> Self {
        Self { config, routes: BTreeMap::new() }
    }

    /// Our own route, to be announced as long as we are of the group.
    #[must_use]
    pub fn route(&self) -> (Nlri, RouteAttributes) {
        let P2mpGroupConfig { rd, pe, group, role, root_target, leaf_target, .. } = self.config;
        let target = if role == P2mpRole::Root { root_target } else { leaf_target };
        let mut attributes = RouteAttributes::with_targets(pe.into(), &[target]);
        attributes.vpls_id = Some(group);
        (Nlri::Discovery { rd, pe }, attributes)
    }

    /// Takes a route of another PE's; `None`: it was withdrawn. What that changes, if anything.
    pub fn handle_route(&mut self, nlri: &Nlri, attributes: Option<&RouteAttributes>) -> Option<P2mpMember> {
        let Nlri::Discovery { pe, .. } = *nlri else { return None };
        let wanted = if self.config.role == P2mpRole::Root { self.config.leaf_target } else { self.config.root_target };
        let is_ours = |a: &&RouteAttributes| a.vpls_id == Some(self.config.group) && a.is_imported(&[wanted]);
        let key = nlri.key();
        let before = self.is_known(pe);
        match attributes.filter(is_ours).filter(|_| pe != self.config.pe) {
            Some(_) if self.routes.len() >= self.config.max_members && !self.routes.contains_key(&key) => return None,
            Some(_) => drop(self.routes.insert(key, pe)),
            None => drop(self.routes.remove(&key)),
        }
        let present = self.is_known(pe);
        let agi = Attachment::group(self.config.group.octets());
        (before != present).then(|| P2mpMember { agi, pe: LdpId::platform(pe), present })
    }

    fn is_known(&self, pe: Ipv4Addr) -> bool {
        self.routes.values().any(|known| *known == pe)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use core::time::Duration;

    use bgp_vpn::attr::ExtCommunity;
    use bgp_vpn::nlri::{Nlri as _, NlriFormat, VplsNlri};
    use fwd_core::net::{IfIndex, Label, NhlfeId, PortId, ReplicationId, VsiId};
    use fwd_core::op::Tags;
    use fwd_core::time::Instant;
    use p2mp_pw::ldp::fec::PmsiTunnel;
    use p2mp_pw::ldp::message::{MessageBody, MessageType};
    use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
    use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
    use p2mp_pw::ldp::{Capability, TlvType};
    use p2mp_pw::mldp::{GroupRange, TreeFec};
    use p2mp_pw::p2mp::root::{Input, Output, Root, RootConfig, RootPwConfig, TunnelRef};
    use p2mp_pw::p2mp::{Circuit, PortRange, Sai, Service};

    use super::*;

    const GROUP: L2vpnId = L2vpnId::two_octet_as(64500, 9);
    const TARGETS: (RouteTarget, RouteTarget) =
        (RouteTarget::two_octet_as(64500, 1), RouteTarget::two_octet_as(64500, 2));

    fn pe(n: u8) -> Ipv4Addr {
        [192, 0, 2, n].into()
    }

    fn group(n: u8, role: P2mpRole, id: L2vpnId, targets: (RouteTarget, RouteTarget)) -> P2mpGroup {
        let rd = RouteDistinguisher::ipv4(pe(n), 9);
        P2mpGroup::new(P2mpGroupConfig::new((rd, pe(n)), id, role, targets))
    }

    /// A route as BGP carries it: NLRI and extended communities in octets.
    fn carried(group: &P2mpGroup) -> (Nlri, RouteAttributes) {
        const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
        let (nlri, attributes) = group.route();
        let mut octets = Vec::new();
        nlri.emit(&mut octets);
        let (_, read) = VplsNlri::take(&octets, FORMAT).unwrap();
        let communities: Vec<ExtCommunity> = attributes.communities().map(|c| ExtCommunity(c.0)).collect();
        let attributes = RouteAttributes::new(attributes.next_hop, 100, communities.into_iter(), None);
        (Nlri::of_vpls(&read).unwrap(), attributes)
    }

    /// A root with a pseudowire that takes whom discovery names; sessions with all are there.
    fn root(now: Instant) -> Root {
        let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: Label::MAX };
        let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(99) };
        let ports = PortRange { first: PortId(0), last: PortId(99) };
        let groups = GroupRange { first: ReplicationId(0), last: ReplicationId(9) };
        let mut root = Root::new(now, RootConfig::new(labels, nhlfes, ports, groups)).unwrap();
        let capability = Capability { advertised: true, data: [0_u8].as_slice().into() };
        let negotiated = Negotiated {
            keepalive: Duration::from_secs(180),
            max_pdu_length: 4096,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: vec![(TlvType::P2MP_PW_CAPABILITY, capability)],
            graceful_restart: None,
        };
        for n in 2..9 {
            root.handle_input(now, Input::PeerUp { peer: LdpId::platform(pe(n)), negotiated: &negotiated });
        }
        let saii = Attachment::aggregatable(64500, pe(1), 1);
        let sai = Sai { agi: Attachment::group(GROUP.octets()), saii };
        let circuits = vec![Circuit { iface: IfIndex(50), tags: Tags::Any }];
        let mut config = RootPwConfig::new(sai, Service::ethernet(1500), VsiId(1), circuits);
        config.discover = true;
        let pw = root.add_pw(now, config).unwrap();
        let tunnel = PmsiTunnel::MldpP2mp(TreeFec::p2mp(pe(1).into(), 7).down());
        root.set_tunnel(now, pw, Some((TunnelRef(7), tunnel))).unwrap();
        root
    }

    /// What the root says at once, to whom.
    fn told(root: &mut Root, now: Instant, member: Option<P2mpMember>) -> Vec<(Ipv4Addr, MessageType)> {
        if let Some(P2mpMember { agi, pe, present }) = member {
            root.handle_input(now, Input::Member { agi: &agi, leaf: pe, present });
        }
        let mut said = Vec::new();
        while let Some(output) = root.poll_output() {
            if let Output::Message { peer, message } = output {
                assert!(!matches!(message.body, MessageBody::Notification(_)));
                said.push((peer.lsr, message.body.kind()));
            }
        }
        said
    }

    /// A PE announces itself with the leaves' route target and nothing is configured at the root: the root signals to it at once. Who has
    /// another group, another target, or is a root, is not signalled to; who withdraws its route loses its label.
    ///
    /// Shows: P2MP-CON-3
    #[test]
    fn a_leaf_is_found_by_its_route_target() {
        let now = Instant::from_secs(1);
        let mut at_root = group(1, P2mpRole::Root, GROUP, TARGETS);
        let mut root = root(now);
        assert_eq!(told(&mut root, now, None), []);
        for stranger in [
            group(2, P2mpRole::Leaf, L2vpnId::two_octet_as(64500, 8), TARGETS),
            group(3, P2mpRole::Leaf, GROUP, (TARGETS.0, RouteTarget::two_octet_as(64500, 3))),
            group(4, P2mpRole::Root, GROUP, TARGETS),
        ] {
            let (nlri, attributes) = carried(&stranger);
            assert_eq!(at_root.handle_route(&nlri, Some(&attributes)), None);
        }
        let l6 = group(6, P2mpRole::Leaf, GROUP, TARGETS);
        let (nlri, attributes) = carried(&l6);
        let found = at_root.handle_route(&nlri, Some(&attributes));
        assert!(found.is_some());
        assert_eq!(told(&mut root, now, found), [(pe(6), MessageType::LABEL_MAPPING)]);
        // The same route again, and one with another distinguisher: nothing new.
        assert_eq!(at_root.handle_route(&nlri, Some(&attributes)), None);
        let Nlri::Discovery { pe: at, .. } = nlri else { panic!() };
        let second = Nlri::Discovery { rd: RouteDistinguisher::ipv4(pe(6), 10), pe: at };
        assert_eq!(at_root.handle_route(&second, Some(&attributes)), None);
        assert_eq!(at_root.handle_route(&nlri, None), None, "the other is still there");
        let gone = at_root.handle_route(&second, None);
        assert_eq!(told(&mut root, now, gone), [(pe(6), MessageType::LABEL_WITHDRAW)]);
        // A leaf finds the root by the root's target, and no other leaf.
        let mut at_leaf = group(6, P2mpRole::Leaf, GROUP, TARGETS);
        let (nlri, attributes) = carried(&group(7, P2mpRole::Leaf, GROUP, TARGETS));
        assert_eq!(at_leaf.handle_route(&nlri, Some(&attributes)), None);
        let (nlri, attributes) = carried(&at_root);
        let member = at_leaf.handle_route(&nlri, Some(&attributes)).unwrap();
        assert_eq!((member.pe, member.present), (LdpId::platform(pe(1)), true));
    }

    #[test]
    fn members_are_limited() {
        let mut config =
            P2mpGroupConfig::new((RouteDistinguisher::ipv4(pe(1), 9), pe(1)), GROUP, P2mpRole::Root, TARGETS);
        config.max_members = 2;
        let mut at_root = P2mpGroup::new(config);
        let taken = (2..9).filter(|n| {
            let (nlri, attributes) = carried(&group(*n, P2mpRole::Leaf, GROUP, TARGETS));
            at_root.handle_route(&nlri, Some(&attributes)).is_some()
        });
        assert_eq!(taken.count(), 2);
    }
}
