//! What links get from others: keys and labels that are ours to choose, associations that IKE makes, and which of these a peer's request is
//! for.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use fwd_core::net::SaId;
use fwd_core::op::{Ends, FwdOp};
use fwd_core::time::Instant;

use super::config::{ConfigError, Declined, Event, LinkConfig, LinkId, Output, PeerId, PeerKind, SaRequest, Security};
use super::fsm::LinkEvent;
use super::machine::{Tunnel, VirtualLinks};
use crate::arch::{Architecture, Count, addresses};
use crate::correlate::{Implied, Offer, context_of};
use crate::ike::VpnContext;

#[derive(Debug)]
pub(super) struct Association {
    pub(super) request: SaRequest,
    /// Since when it is there.
    pub(super) up: Option<Instant>,
    pub(super) links: BTreeSet<LinkId>,
}

impl VirtualLinks {
    /// Our key or label of a link: what is configured, or one that is free.
    pub(super) fn choose_key(&mut self, id: LinkId, cfg: &LinkConfig) -> Result<Option<u32>, ConfigError> {
        let (range, which) = match cfg.architecture {
            Architecture::Gre => (self.cfg.keys.clone(), 0),
            Architecture::Mpls => (self.cfg.labels.clone(), 1),
            _ => return Ok(None),
        };
        let is_ce = self.peer(cfg.peer).is_some_and(|peer| peer.cfg.kind == PeerKind::Ce);
        if cfg.architecture == Architecture::Gre && is_ce {
            return Ok(None);
        }
        let free = |key: u32| !self.keys.contains_key(&(cfg.architecture, key));
        let next = self.next_key.get(which).copied().unwrap_or(range.start);
        // One that was given up is used again only when all others were: the peer may still send with it.
        let key = match cfg.local_key {
            Some(key) => Some(key).filter(|key| free(*key)).ok_or(ConfigError::Key)?,
            None => (next..range.end).chain(range.start..next).find(|key| free(*key)).ok_or(ConfigError::Full)?,
        };
        if cfg.local_key.is_none() {
            if let Some(slot) = self.next_key.get_mut(which) {
                *slot = if key + 1 < range.end { key + 1 } else { range.start };
            }
        }
        self.keys.insert((cfg.architecture, key), id);
        Ok(Some(key))
    }

    /// The association of a link: its own, or the one that its tunnel shares.
    pub(super) fn choose_sa(&mut self, id: LinkId, cfg: &LinkConfig, ends: &Ends) -> Result<Option<SaId>, ConfigError> {
        if !cfg.security.protects() {
            return Ok(None);
        }
        let properties = cfg.architecture.properties();
        let tunnel = Tunnel::between(cfg, ends);
        let is_shared = properties.child_sas == Count::One;
        if let Some(sa) = self.shared.get(&tunnel).copied().filter(|_| is_shared) {
            if let Some(association) = self.associations.get_mut(&sa) {
                association.links.insert(id);
            }
            return Ok(Some(sa));
        }
        let says_context = self.peer(cfg.peer).is_some_and(|peer| peer.cfg.says_context);
        let sa = match self.free_sas.pop() {
            Some(sa) => sa,
            None => {
                let sa = SaId(u16::try_from(self.next_sa).map_err(|_| ConfigError::Full)?);
                self.next_sa += 1;
                sa
            }
        };
        let request = SaRequest {
            sa,
            ends: addresses(ends),
            mode: properties.mode,
            selectors: cfg.architecture.selectors(ends),
            context: (properties.ike_extension && says_context).then(|| VpnContext::link(cfg.vpn, cfg.index)),
            integrity_only: cfg.security == Security::Integrity,
            initiate: cfg.initiate,
        };
        if !properties.ike_extension {
            self.plain.entry(request.ends).or_default().insert(sa);
        }
        self.associations.insert(sa, Association { request, up: None, links: BTreeSet::from([id]) });
        if is_shared {
            self.shared.insert(tunnel, sa);
        }
        Ok(Some(sa))
    }

    pub(super) fn sa_up(&mut self, now: Instant, sa: SaId, said: Option<&VpnContext>) {
        let Some(association) = self.associations.get_mut(&sa) else {
            return self.outputs.push_back(Output::ReleaseSa { sa });
        };
        // What was asked for is what must have been said; never a guess (VLINK-6.1-C2).
        if association.request.context.as_ref() != said {
            let links: Vec<LinkId> = association.links.iter().copied().collect();
            self.outputs.push_back(Output::ReleaseSa { sa });
            association.up = None;
            for link in links {
                self.outputs.push_back(Output::Event(Event::ContextMismatch { link }));
                self.consider(now, link);
            }
            return;
        }
        association.up = Some(now);
        let ends = association.request.ends;
        let links: Vec<LinkId> = association.links.iter().copied().collect();
        for id in links {
            let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) else { continue };
            link.grace = None;
            if link.cfg.architecture.properties().ike_extension {
                self.last_up.insert((link.cfg.architecture, ends), sa);
            }
            self.consider(now, id);
        }
    }

    /// Which association of ours a peer's request is for, so that IKE answers it with that one's number.
    ///
    /// # Errors
    /// None: IKE answers TS_UNACCEPTABLE.
    pub fn accept(&self, peer: PeerId, offer: &Offer<'_>) -> Result<SaId, Declined> {
        let peer_cfg = &self.peer(peer).ok_or(Declined::NoLink)?.cfg;
        // What needs no extension is asked for by its protocol, and says no context.
        let of_ends = self.plain.get(&offer.ends).into_iter().flatten().filter_map(|sa| self.associations.get(sa));
        let mut fitting = of_ends.filter(|a| {
            a.request.mode == offer.mode && a.request.selectors == (*offer.selectors.0, *offer.selectors.1)
        });
        if let Some(association) = fitting.next().filter(|_| offer.context.is_none()) {
            return Ok(association.request.sa);
        }
        let implied = Implied { address: None, convention: peer_cfg.convention, default: peer_cfg.default_vpn };
        let found = context_of(offer, &implied, |vpn, index| self.names.contains_key(&(peer, vpn, index)));
        let (vpn, index, _) = found.map_err(Declined::Context)?;
        let link = self.names.get(&(peer, vpn, index)).and_then(|id| self.link(*id)).ok_or(Declined::NoLink)?;
        let association = link.sa.and_then(|sa| self.associations.get(&sa)).ok_or(Declined::NoLink)?;
        let request = &association.request;
        if request.mode != offer.mode || request.ends != offer.ends {
            return Err(Declined::NoLink);
        }
        if request.selectors != (*offer.selectors.0, *offer.selectors.1) {
            return Err(Declined::Narrowed);
        }
        Ok(request.sa)
    }

    /// Gives a link's association back; one that others have, too, stays.
    pub(super) fn release_sa(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        let tunnel = Tunnel::of(link);
        let Some(sa) = link.sa.take() else { return };
        let Some(association) = self.associations.get_mut(&sa) else { return };
        association.links.remove(&id);
        if association.links.is_empty() {
            let ends = association.request.ends;
            self.associations.remove(&sa);
            if let Some(plain) = self.plain.get_mut(&ends) {
                plain.remove(&sa);
                if plain.is_empty() {
                    self.plain.remove(&ends);
                }
            }
            if self.shared.get(&tunnel) == Some(&sa) {
                self.shared.remove(&tunnel);
            }
            self.free_sas.push(sa);
            self.outputs.push_back(Output::ReleaseSa { sa });
        }
    }

    /// The forwarding plane has no room: the link of the op is withdrawn.
    pub(super) fn refused(&mut self, now: Instant, op: &FwdOp) {
        let links: Vec<LinkId> = match op {
            FwdOp::SetVlink { id, .. } | FwdOp::SetVlinkOutput { id, .. } => match self.by_vlink.get(id) {
                Some(link) => self.in_tunnel_of(*link),
                None => Vec::new(),
            },
            FwdOp::SetNhlfe { id, .. } => {
                let link = id.0.checked_sub(self.cfg.first_nhlfe.0).map(LinkId);
                link.filter(|link| self.link(*link).is_some_and(|l| l.entry == *id)).into_iter().collect()
            }
            FwdOp::SetIlm { label, .. } | FwdOp::SetContextIlm { label, .. } => {
                self.keys.get(&(Architecture::Mpls, label.value())).copied().into_iter().collect()
            }
            _ => Vec::new(),
        };
        for link in links {
            self.outputs.push_back(Output::Event(Event::Refused { link }));
            self.link_event(now, link, LinkEvent::Lost);
        }
    }

    /// The links that have the virtual link of this one: itself, or all of its MPLS tunnel.
    fn in_tunnel_of(&self, id: LinkId) -> Vec<LinkId> {
        let Some(link) = self.link(id) else { return Vec::new() };
        let (local, remote) = addresses(&link.ends);
        let pair = self.pairs.get(&(link.cfg.architecture, local, remote));
        let has_it = |id: &&LinkId| self.link(**id).is_some_and(|other| other.vlink == link.vlink);
        match pair {
            Some(pair) if link.cfg.architecture == Architecture::Mpls => {
                pair.links.iter().filter(has_it).copied().collect()
            }
            _ => alloc::vec![id],
        }
    }
}
