//! Security policies (RFC 4301 §4.4.1): an SPD for each virtual interface, ordered or decorrelated, and the checks of packets that
//! leave and arrive.
//!
//! | Model (draft-duffy §5.2) | Here |
//! |---|---|
//! | conventional: policies of inner packets, tunnel mode | an [`Spd`] of inner packets |
//! | one SPD per virtual interface | [`Spds`] |
//! | policies of outer packets, transport mode | an [`Spd`] of the tunnel's protocol |
//! | hybrid: policies of inner packets, transport mode | refused: RFC 4301 §4.1 has transport mode for a gateway's own addresses only |

mod decorrelate;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{SaId, VlinkId};
use thiserror::Error;

use crate::ike::{Mode, TrafficSelector};

/// What policies look at in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Of its ends the one here: the source of what leaves, the destination of what arrives.
    pub local: IpAddr,
    /// The one there.
    pub remote: IpAddr,
    /// The protocol.
    pub protocol: u8,
    /// The ports, local and remote; 0 where there are none.
    pub ports: (u16, u16),
}

/// Packets that one policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    /// The end here.
    pub local: TrafficSelector,
    /// The end there; of the same family, and of the same protocol.
    pub remote: TrafficSelector,
}

impl Selector {
    /// Whether a packet is one of these.
    #[must_use]
    pub fn selects(&self, packet: &Packet) -> bool {
        self.local.selects(packet.protocol, packet.ports.0, packet.local)
            && self.remote.selects(packet.protocol, packet.ports.1, packet.remote)
    }
}

/// What a policy does with its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Drop them.
    Discard,
    /// Let them pass as they are.
    Bypass,
    /// Put them through an association.
    Protect(Protect),
}

/// How packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protect {
    /// The association; those that are populated from packets are numbered by whoever negotiates.
    pub sa: SaId,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Which selectors of the association come from the packet that asks for it, and not from the policy (RFC 4301 §4.4.1.2).
    pub from_packet: FromPacket,
}

/// Populate-from-packet flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FromPacket {
    /// The local address.
    pub local: bool,
    /// The remote address.
    pub remote: bool,
    /// The protocol.
    pub protocol: bool,
    /// The ports.
    pub ports: bool,
}

/// A policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Its packets.
    pub selector: Selector,
    /// What becomes of them.
    pub action: Action,
}

/// Why a policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// The two ends are of different families.
    #[error("selector: the two ends are of different families")]
    Family,
    /// The two ends are of different protocols.
    #[error("selector: the two ends are of different protocols")]
    Protocol,
    /// Transport mode for packets of others (RFC 4301 §4.1): the draft's hybrid model.
    #[error(
        "mode: transport mode protects the system's own addresses only; filter packets before they are encapsulated instead"
    )]
    HybridTransport,
    /// More policies than there may be.
    #[error("policies: more than there may be")]
    Full,
}

/// Policies that an interface may have; decorrelated there may be several times as many.
pub const MAX_POLICIES: usize = 10_000;

/// The policies of one interface, in order: the first that selects a packet counts. What none selects is discarded (RFC 4301
/// §4.4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spd {
    policies: Vec<Policy>,
}

/// Why a packet is dropped, for the audit log (RFC 4301 §5.1, §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audit {
    /// Its policy discards it.
    Discard,
    /// No policy selects it.
    NoPolicy,
    /// It came in clear, and its policy protects.
    ShouldBeProtected,
    /// It came through an association, and its policy does not protect, or by another one.
    WrongAssociation,
    /// It is not what its association is for.
    WrongSelectors,
}

/// What becomes of a packet that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// It leaves as it is.
    Bypass,
    /// Through this association; if there is none, one with these selectors is to be negotiated.
    Protect(Protect, Selector),
    /// It does not.
    Drop(Audit),
}

impl Spd {
    /// No policies: everything is discarded.
    #[must_use]
    pub const fn new() -> Self {
        Self { policies: Vec::new() }
    }

    /// Adds a policy behind the others. `is_own` says which addresses are the system's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn push(&mut self, policy: Policy, is_own: impl Fn(IpAddr) -> bool) -> Result<(), PolicyError> {
        let Selector { local, remote } = policy.selector;
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(PolicyError::Family);
        }
        if local.protocol() != remote.protocol() {
            return Err(PolicyError::Protocol);
        }
        if let Action::Protect(Protect { mode: Mode::Transport, .. }) = policy.action {
            let (first, last) = local.addresses();
            if first != last || !is_own(first) {
                return Err(PolicyError::HybridTransport);
            }
        }
        if self.policies.len() >= MAX_POLICIES {
            return Err(PolicyError::Full);
        }
        self.policies.push(policy);
        Ok(())
    }

    /// The policies.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// The policy of a packet.
    #[must_use]
    pub fn find(&self, packet: &Packet) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.selector.selects(packet))
    }

    /// What becomes of a packet that leaves (RFC 4301 §5.1).
    #[must_use]
    pub fn outbound(&self, packet: &Packet) -> Outbound {
        match self.find(packet) {
            None => Outbound::Drop(Audit::NoPolicy),
            Some(Policy { action: Action::Discard, .. }) => Outbound::Drop(Audit::Discard),
            Some(Policy { action: Action::Bypass, .. }) => Outbound::Bypass,
            Some(Policy { action: Action::Protect(protect), selector }) => {
                Outbound::Protect(*protect, narrowed(selector, protect.from_packet, packet))
            }
        }
    }

    /// Whether a packet that arrived may pass (RFC 4301 §5.2): `through` is the association that it came through, and what that
    /// one is for.
    ///
    /// # Errors
    /// It may not.
    pub fn inbound(&self, packet: &Packet, through: Option<(SaId, &Selector)>) -> Result<(), Audit> {
        if through.is_some_and(|(_, selector)| !selector.selects(packet)) {
            return Err(Audit::WrongSelectors);
        }
        match (self.find(packet).ok_or(Audit::NoPolicy)?.action, through) {
            (Action::Discard, _) => Err(Audit::Discard),
            (Action::Bypass, None) => Ok(()),
            (Action::Protect(_), None) => Err(Audit::ShouldBeProtected),
            (Action::Protect(protect), Some((sa, _))) if protect.sa == sa => Ok(()),
            (Action::Protect(_) | Action::Bypass, Some(_)) => Err(Audit::WrongAssociation),
        }
    }

    /// The same policies, none of which selects what another one does (RFC 4301 appendix B): they can be looked at in any order.
    #[must_use]
    pub fn decorrelated(&self) -> Vec<Policy> {
        decorrelate::decorrelated(&self.policies)
    }
}

/// The selectors of an association for a packet: the policy's, and the packet's where that is asked for.
fn narrowed(selector: &Selector, from: FromPacket, packet: &Packet) -> Selector {
    let one = |selector: &TrafficSelector, from_address: bool, address: IpAddr, port: u16| {
        let addresses = if from_address { (address, address) } else { selector.addresses() };
        let protocol = if from.protocol { packet.protocol } else { selector.protocol() };
        let ports = if from.ports { (port, port) } else { selector.ports() };
        TrafficSelector::new(protocol, ports, addresses).unwrap_or(*selector)
    };
    Selector {
        local: one(&selector.local, from.local, packet.local, packet.ports.0),
        remote: one(&selector.remote, from.remote, packet.remote, packet.ports.1),
    }
}

/// The SPDs of a system: one for each virtual interface (RFC 4301 §4.4.1: the SPD-ID). `K` is what tells interfaces apart.
#[derive(Clone, Debug)]
pub struct Spds<K = VlinkId> {
    by_interface: BTreeMap<K, Spd>,
    dropped: BTreeMap<Audit, u64>,
}

impl<K> Default for Spds<K> {
    fn default() -> Self {
        Self { by_interface: BTreeMap::new(), dropped: BTreeMap::new() }
    }
}

impl<K: Ord> Spds<K> {
    /// None: everything is discarded.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the policies of an interface.
    pub fn set(&mut self, interface: K, spd: Spd) {
        self.by_interface.insert(interface, spd);
    }

    /// Forgets an interface: what leaves or arrives by it is discarded.
    pub fn remove(&mut self, interface: &K) {
        self.by_interface.remove(interface);
    }

    /// The policies of an interface.
    #[must_use]
    pub fn get(&self, interface: &K) -> Option<&Spd> {
        self.by_interface.get(interface)
    }

    /// What becomes of a packet that leaves by an interface. What is dropped is counted.
    pub fn outbound(&mut self, interface: &K, packet: &Packet) -> Outbound {
        let found = self.by_interface.get(interface);
        let outbound = found.map_or(Outbound::Drop(Audit::NoPolicy), |spd| spd.outbound(packet));
        if let Outbound::Drop(why) = outbound {
            self.count(why);
        }
        outbound
    }

    /// Whether a packet that arrived by an interface may pass. What may not is counted.
    ///
    /// # Errors
    /// It may not.
    pub fn inbound(&mut self, interface: &K, packet: &Packet, through: Option<(SaId, &Selector)>) -> Result<(), Audit> {
        let found = self.by_interface.get(interface);
        let passed = found.map_or(Err(Audit::NoPolicy), |spd| spd.inbound(packet, through));
        passed.inspect_err(|why| self.count(*why))
    }

    /// Counts a packet that is dropped for this reason.
    pub(crate) fn count(&mut self, why: Audit) {
        let count = self.dropped.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    /// Packets that were dropped for this reason.
    #[must_use]
    pub fn dropped(&self, why: Audit) -> u64 {
        self.dropped.get(&why).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));

    fn packet(protocol: u8, port: u16) -> Packet {
        Packet { local: HERE, remote: THERE, protocol, ports: (1024, port) }
    }

    fn protect(sa: u16, mode: Mode) -> Action {
        Action::Protect(Protect { sa: SaId(sa), mode, from_packet: FromPacket::default() })
    }

    fn policy(protocol: u8, action: Action) -> Policy {
        let host = |address| TrafficSelector::host_protocol(address, protocol);
        Policy { selector: Selector { local: host(HERE), remote: host(THERE) }, action }
    }

    fn own(address: IpAddr) -> bool {
        address == HERE
    }

    fn spd(policies: &[Policy]) -> Spd {
        let mut spd = Spd::new();
        policies.iter().for_each(|policy| spd.push(*policy, own).unwrap());
        spd
    }

    /// Shows: VLINK-5.2.1-3
    #[test]
    fn each_interface_has_its_policies() {
        let mut spds = Spds::new();
        spds.set(VlinkId(1), spd(&[policy(6, Action::Bypass)]));
        spds.set(VlinkId(2), spd(&[policy(6, Action::Discard)]));
        assert_eq!(spds.outbound(&VlinkId(1), &packet(6, 80)), Outbound::Bypass);
        assert_eq!(spds.outbound(&VlinkId(2), &packet(6, 80)), Outbound::Drop(Audit::Discard));
        assert_eq!(spds.outbound(&VlinkId(3), &packet(6, 80)), Outbound::Drop(Audit::NoPolicy));
        assert_eq!((spds.dropped(Audit::Discard), spds.dropped(Audit::NoPolicy)), (1, 1));
    }

    /// Shows: VLINK-3-5
    #[test]
    fn what_arrives_is_checked_against_policy_and_association() {
        let gre = policy(47, protect(5, Mode::Transport));
        let mut spds = Spds::new();
        spds.set(VlinkId(1), spd(&[gre, policy(1, Action::Bypass), policy(6, Action::Discard)]));
        let through = Some((SaId(5), &gre.selector));
        let mut check = |packet, through| spds.inbound(&VlinkId(1), &packet, through);
        assert_eq!(check(packet(47, 0), through), Ok(()));
        assert_eq!(check(packet(47, 0), None), Err(Audit::ShouldBeProtected));
        assert_eq!(check(packet(47, 0), Some((SaId(6), &gre.selector))), Err(Audit::WrongAssociation));
        assert_eq!(check(packet(6, 80), through), Err(Audit::WrongSelectors));
        assert_eq!(check(packet(1, 0), None), Ok(()));
        let any = Selector { local: TrafficSelector::ANY_V4, remote: TrafficSelector::ANY_V4 };
        assert_eq!(check(packet(1, 0), Some((SaId(9), &any))), Err(Audit::WrongAssociation));
        assert_eq!(check(packet(6, 80), None), Err(Audit::Discard));
        assert_eq!(check(packet(17, 53), None), Err(Audit::NoPolicy));
        assert_eq!(spds.dropped(Audit::WrongAssociation), 2);
    }

    /// Shows: VLINK-5.2.3-1
    #[test]
    fn the_hybrid_model_is_refused() {
        let inner = TrafficSelector::subnet(IpAddr::from([10, 0, 0, 0]), 8);
        let hybrid = Policy { selector: Selector { local: inner, remote: inner }, action: protect(1, Mode::Transport) };
        assert_eq!(Spd::new().push(hybrid, own), Err(PolicyError::HybridTransport));
        // Tunnel mode may; transport mode may for what is our own.
        let tunnel = Policy { action: protect(1, Mode::Tunnel), ..hybrid };
        assert_eq!(Spd::new().push(tunnel, own), Ok(()));
        assert_eq!(Spd::new().push(policy(47, protect(1, Mode::Transport)), own), Ok(()));
        let mixed = Selector { local: TrafficSelector::ANY_V4, remote: TrafficSelector::ANY_V6 };
        assert_eq!(Spd::new().push(Policy { selector: mixed, ..tunnel }, own), Err(PolicyError::Family));
        // The filtering that it would give: a policy of inner packets, in front of the tunnel.
        let acl = spd(&[policy(6, Action::Bypass)]);
        assert_eq!(acl.outbound(&packet(6, 80)), Outbound::Bypass);
        assert_eq!(acl.outbound(&packet(17, 80)), Outbound::Drop(Audit::NoPolicy));
    }

    #[test]
    fn selectors_come_from_the_packet_where_that_is_asked_for() {
        let from_packet = FromPacket { remote: true, protocol: true, ..FromPacket::default() };
        let any = Selector { local: TrafficSelector::ANY_V4, remote: TrafficSelector::ANY_V4 };
        let action = Action::Protect(Protect { sa: SaId(1), mode: Mode::Tunnel, from_packet });
        let spd = spd(&[Policy { selector: any, action }]);
        let Outbound::Protect(_, selector) = spd.outbound(&packet(6, 80)) else { panic!() };
        assert_eq!(selector.remote, TrafficSelector::host_protocol(THERE, 6));
        assert_eq!(selector.local.addresses(), TrafficSelector::ANY_V4.addresses());
    }

    #[test]
    fn the_first_policy_counts() {
        let any = Selector { local: TrafficSelector::ANY_V4, remote: TrafficSelector::ANY_V4 };
        let all = Policy { selector: any, action: Action::Bypass };
        let ordered = spd(&[policy(6, Action::Discard), all]);
        assert_eq!(ordered.outbound(&packet(6, 1)), Outbound::Drop(Audit::Discard));
        assert_eq!(spd(&[all, policy(6, Action::Discard)]).outbound(&packet(6, 1)), Outbound::Bypass);
        let set = ordered.decorrelated();
        let of =
            |packet: &Packet| set.iter().filter(|p| p.selector.selects(packet)).map(|p| p.action).collect::<Vec<_>>();
        assert_eq!(of(&packet(6, 1)), [Action::Discard]);
        assert_eq!(of(&packet(17, 1)), [Action::Bypass]);
    }
}
