//! The policies of virtual links (RFC 4301 §4.4.1): each link has an SPD of its own, and what that says of the link's packets,
//! protect, bypass or discard, is what the forwarding plane is told, and what packets are held against that software takes.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::SaId;
use fwd_core::time::Instant;

use super::config::{ConfigError, Event, LinkId, Output, PeerId, PeerKind, Security};
use super::fsm::{LinkEvent, LinkState};
use super::machine::{Link, Pair, Timer, Tunnel, VirtualLinks};
use crate::arch::{Architecture, Clear, Count};
use crate::spd::{Action, Audit, FromPacket, Outbound, Packet, Policy, Protect, Selector, Spd};

impl Link {
    /// Which packets the link's policy is about.
    const fn selector(&self) -> Selector {
        let (local, remote) = self.cfg.architecture.selectors(&self.ends);
        Selector { local, remote }
    }

    fn policy(&self) -> Policy {
        let action = match (self.cfg.security, self.sa) {
            (Security::Clear, _) => Action::Bypass,
            (Security::Integrity | Security::Esp, Some(sa)) => {
                let mode = self.cfg.architecture.properties().mode;
                Action::Protect(Protect { sa, mode, from_packet: FromPacket::default() })
            }
            (Security::Discard | Security::Integrity | Security::Esp, _) => Action::Discard,
        };
        Policy { selector: self.selector(), action }
    }
}

/// A packet of these: the one of the lowest addresses.
const fn packet_of(selector: &Selector) -> Packet {
    let ((local, _), (remote, _)) = (selector.local.addresses(), selector.remote.addresses());
    Packet { local, remote, protocol: selector.local.protocol(), ports: (0, 0) }
}

impl VirtualLinks {
    /// Writes the SPD of a link anew.
    pub(super) fn set_spd(&mut self, now: Instant, id: LinkId) {
        let Some(link) = self.link(id) else { return };
        let (policy, ours) = (link.policy(), link.selector().local.addresses().0);
        let mut spd = Spd::new();
        // A policy that is refused leaves none behind, and nothing goes.
        let _ = spd.push(policy, |address| address == ours);
        self.spds.set(id, spd);
        if let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) {
            link.spd_changed = now;
        }
    }

    /// The SPD of a link.
    #[must_use]
    pub fn spd(&self, id: LinkId) -> Option<&Spd> {
        self.spds.get(&id)
    }

    /// What a link's SPD says of its packets: through which association they go, if any.
    pub(super) fn decided(&self, id: LinkId) -> Result<Option<SaId>, Audit> {
        let link = self.link(id).ok_or(Audit::NoPolicy)?;
        match self.spds.get(&id).ok_or(Audit::NoPolicy)?.outbound(&packet_of(&link.selector())) {
            Outbound::Bypass => Ok(None),
            Outbound::Protect(protect, _) => Ok(Some(protect.sa)),
            Outbound::Drop(why) => Err(why),
        }
    }

    /// Whether it would help to ask for what a link lacks.
    pub(super) fn is_retried(&self, id: LinkId) -> bool {
        let Some(link) = self.link(id) else { return false };
        if link.cfg.security == Security::Discard {
            return false;
        }
        let deletes = self.peer(link.cfg.peer).is_some_and(|peer| peer.deletes_duplicates);
        let by_spi = link.cfg.architecture.properties().ike_extension && link.cfg.security.protects();
        !deletes || !by_spi || self.twin(link.sa).is_none()
    }

    /// When the last association came up that has the selectors of this one, if that is another one and still there.
    fn twin(&self, sa: Option<SaId>) -> Option<Instant> {
        let ours = self.associations.get(&sa?)?;
        let architecture = self.link(*ours.links.first()?)?.cfg.architecture;
        let last = self.last_up.get(&(architecture, ours.request.ends)).filter(|last| Some(**last) != sa)?;
        self.associations.get(last)?.up
    }

    /// An association ended. If another one of equal selectors came up after it and just now, the peer took them for duplicates
    /// (draft-duffy §6.1): it can have one.
    pub(super) fn suspect_duplicates(&mut self, now: Instant, sa: SaId) {
        let Some(association) = self.associations.get(&sa) else { return };
        let (Some(up), Some(link)) = (association.up, association.links.first().copied()) else { return };
        let Some(cfg) = self.link(link).map(|link| &link.cfg) else { return };
        let (id, by_spi) = (cfg.peer, cfg.architecture.properties().ike_extension);
        let is_deleted = self.twin(Some(sa)).is_some_and(|twin| twin > up && now < twin + self.cfg.duplicate_window);
        let Some(peer) = self.peers.get_mut(id.0 as usize).filter(|_| by_spi && is_deleted) else { return };
        peer.deletes_duplicates = true;
        self.outputs.push_back(Output::Event(Event::DuplicatesDeleted { peer: id, link }));
    }

    /// Changes the policy of a link, and of those that share its tunnel: selectors see the tunnel alone (ruling G-30). The links
    /// stay up. From here on nothing goes in clear that is to be protected; what has no association within the time for that,
    /// [`Config::bind_timeout`](super::Config::bind_timeout), goes down. To discard concerns this link alone.
    ///
    /// # Errors
    /// There is no such link, its architecture does not go so, or another tunnel has the other policy.
    pub fn secure(&mut self, now: Instant, id: LinkId, policy: Security) -> Result<(), ConfigError> {
        let ids = self.change_of_policy(id, policy)?;
        // All of them first: what they share goes with the last.
        ids.iter().for_each(|id| self.release_sa(*id));
        for id in &ids {
            let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) else { continue };
            let before = core::mem::replace(&mut link.cfg.security, policy);
            let (cfg, ends) = (link.cfg.clone(), link.ends);
            let (local, remote) = crate::arch::addresses(&ends);
            if let Some(pair) = self.pairs.get_mut(&(cfg.architecture, local, remote)) {
                pair.count(before, -1);
                pair.count(policy, 1);
            }
            // Where no number is left, the link has no association, and its SPD discards.
            let sa = self.choose_sa(*id, &cfg, &ends).ok().flatten();
            let grace = policy.protects().then(|| now + self.cfg.bind_timeout);
            if let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) {
                (link.sa, link.grace) = (sa, grace);
            }
            self.set_spd(now, *id);
        }
        self.take_effect(now, &ids);
        Ok(())
    }

    /// The links that a change of policy is for.
    fn change_of_policy(&self, id: LinkId, policy: Security) -> Result<Vec<LinkId>, ConfigError> {
        let link = self.link(id).ok_or(ConfigError::Link)?;
        let (architecture, ends) = (link.cfg.architecture, link.ends);
        let properties = architecture.properties();
        let (protected, clear) = self.between(architecture, &ends);
        let others =
            protected.saturating_add(clear).saturating_sub(usize::from(link.cfg.security != Security::Discard));
        if policy == Security::Clear
            && (properties.clear == Clear::Never || properties.clear == Clear::One && others > 0)
        {
            return Err(ConfigError::RequiresIpsec);
        }
        let peer = &self.peer(link.cfg.peer).ok_or(ConfigError::Peer)?.cfg;
        let is_named = peer.says_context || peer.default_vpn == Some(link.cfg.vpn);
        if policy.protects() && properties.ike_extension && !is_named {
            return Err(ConfigError::NeedsContext);
        }
        if policy == Security::Discard || properties.child_sas != Count::One || link.cfg.security == Security::Discard {
            let fits = self.is_of_policy(architecture, &ends, policy, Some(link.cfg.security));
            return if fits { Ok(alloc::vec![id]) } else { Err(ConfigError::OnePolicyPerPair) };
        }
        let tunnel = Tunnel::of(link);
        let of_tunnel = |id: &LinkId| {
            self.link(*id).is_some_and(|l| Tunnel::of(l) == tunnel && l.cfg.security != Security::Discard)
        };
        let peer = self.peer(link.cfg.peer).ok_or(ConfigError::Peer)?;
        Ok(peer.links.iter().copied().filter(of_tunnel).collect())
    }

    /// Tells everybody of changed policies.
    fn take_effect(&mut self, now: Instant, ids: &[LinkId]) {
        for id in ids {
            let Some(link) = self.link(*id) else { continue };
            let (sa, grace) = (link.sa, link.grace);
            match link.state {
                LinkState::Up | LinkState::Unmanaged if self.decided(*id).is_ok() => {
                    let ops: Vec<_> = self.vlink_ops(*id).into_iter().flatten().map(Output::Program).collect();
                    self.outputs.extend(ops);
                    self.announce(*id);
                    let request = sa.and_then(|sa| self.associations.get(&sa)).filter(|a| a.links.first() == Some(id));
                    if let Some(request) = request.map(|association| association.request.clone()) {
                        self.outputs.push_back(Output::RequestSa(request));
                    }
                    if let Some(until) = grace {
                        self.timers.set(Timer(*id), until);
                    }
                }
                LinkState::Pending => self.request(now, *id),
                LinkState::Down => self.link_event(now, *id, LinkEvent::Timeout),
                LinkState::Up | LinkState::Unmanaged | LinkState::Absent => {}
            }
            self.consider(now, *id);
        }
    }

    /// What becomes of a packet of software's that leaves by a link: of the tunnel that the link is in, as L2TP's own messages, or
    /// of what goes inside of a tunnel-mode association (RFC 4301 §5.1). What is dropped is counted.
    pub fn outbound(&mut self, id: LinkId, packet: &Packet) -> Outbound {
        self.spds.outbound(&id, packet)
    }

    /// Whether a packet between the ends of links may pass that software is to take, or that the forwarding plane did not take
    /// (RFC 4301 §5.2): `through` is the association that it came through. What may not is counted, and said by an event.
    ///
    /// # Errors
    /// It may not.
    pub fn inbound(&mut self, now: Instant, packet: &Packet, through: Option<SaId>) -> Result<(), Audit> {
        let checked = self.check_inbound(packet, through);
        if let Err(why) = checked {
            let second = Duration::from_secs(1);
            if self.told.get(&why).is_none_or(|told| *told + second <= now) {
                self.told.insert(why, now);
                self.outputs.push_back(Output::Event(Event::Audit { why, from: packet.remote }));
            }
        }
        checked
    }

    fn check_inbound(&mut self, packet: &Packet, through: Option<SaId>) -> Result<(), Audit> {
        let link = match through {
            Some(sa) => self.associations.get(&sa).and_then(|association| association.links.first().copied()),
            None => self.link_between(packet.protocol, packet.local, packet.remote),
        };
        let Some(link) = link else {
            let why = if through.is_some() { Audit::WrongAssociation } else { Audit::NoPolicy };
            self.spds.count(why);
            return Err(why);
        };
        let selector = self.link(link).map(Link::selector);
        self.spds.inbound(&link, packet, through.zip(selector.as_ref()))
    }

    /// A link whose outer packets are these.
    fn link_between(&self, protocol: u8, local: IpAddr, remote: IpAddr) -> Option<LinkId> {
        let of = Architecture::ALL.into_iter().filter(|architecture| architecture.protocol().0 == protocol);
        let mut pairs = of.filter_map(|architecture| self.pairs.get(&(architecture, local, remote)));
        // One that is discarded says nothing of the others.
        let carries = |id: &&LinkId| self.link(**id).is_some_and(|link| link.cfg.security != Security::Discard);
        let of_pair = |pair: &Pair| pair.links.iter().find(carries).or(pair.links.first()).copied();
        pairs.find_map(of_pair)
    }

    /// Packets that were dropped for this reason, in either direction.
    #[must_use]
    pub fn dropped(&self, why: Audit) -> u64 {
        self.spds.dropped(why)
    }

    /// The architecture to take with a peer where nothing else is asked for: the first of its profile that it can (draft-duffy
    /// §7).
    #[must_use]
    pub fn preferred(&self, peer: PeerId) -> Option<Architecture> {
        let cfg = &self.peer(peer)?.cfg;
        let profile = match cfg.kind {
            PeerKind::Pe => &Architecture::PE_TO_PE[..],
            PeerKind::Ce => &Architecture::WITH_CE[..],
        };
        profile.iter().copied().find(|architecture| *architecture != Architecture::L2tp || cfg.l2tp.is_some())
    }

    /// Whether a link carries packets.
    #[must_use]
    pub fn state(&self, id: LinkId) -> LinkState {
        self.link(id).map_or(LinkState::Absent, |link| link.state)
    }
}
