//! C-multicast mLDP: multipoint LSPs of a customer that is a carrier, across its VPN (RFC 6514 §11.1.2, §11.3.2, §15; RFC 7441).
//!
//! | What | File |
//! |---|---|
//! | routes of types 0x43, 0x44 and 0x47 as values | `route.rs` |
//! | routes of this PE, and the MVRFs that want them | `adverts.rs` |
//! | the PMSI as a peer of the customers' mLDP | `peer.rs` |
//! | LSPs whose root is behind this PE's CEs: labels for the customers' mLDP, S-PMSIs | `upstream.rs` |
//! | LSPs whose root is behind another PE: C-multicast routes, and what their S-PMSIs bring | `downstream.rs` |
//! | which tunnels such a customer may have | `offer.rs` |
//!
//! The customers' mLDP of a VRF is a [`p2mp_pw::mldp::Mldp`] of its own. The VPN is one of its peers ([`PmsiPeer`]). At the upstream PE that
//! peer maps a label to an LSP when other PEs join it; the leg that the mLDP then makes becomes the P-tunnel of the LSP's S-PMSI: with
//! [`MvrfConfig::aggregated`](super::MvrfConfig::aggregated) a label of its own in one P-tree for all LSPs. At a PE downstream the label that
//! the mLDP maps for the peer says which replication group what arrives by that S-PMSI is for: the upstream-assigned label, or the P-tunnel,
//! leads to the customer's tree, and its labels stay the business of the customer's mLDP.

mod adverts;
mod downstream;
mod offer;
mod peer;
mod route;
mod upstream;

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use fwd_core::net::{IpPrefix, Label, NhlfeId, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, IlmAction, LegTarget, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{MultipointFec, MultipointKind};
use smallvec::SmallVec;

use super::attributes::{McastAttributes, Target};
use super::event::MvpnReject;
use super::instance::{Mvrf, PeKey};
use super::machine::MvpnPe;
use super::numbers::Numbers;
use super::shared::Shared;
use super::umh::holds;
use downstream::Received;
use upstream::Sent;

pub(super) use adverts::CMldpAdverts;
pub use offer::{Offer, OfferRefused, offer};
pub use peer::PmsiPeer;
pub use route::{CMldpRoute, CMldpSPmsi};

/// What the VRF's mLDP means an entry for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    /// It leads to the PMSI.
    Pmsi,
    /// It pushes a label of the PMSI's: a branch of that LSP.
    Branch(Label),
}

/// The customers' LSPs of an MVRF.
#[derive(Clone, Debug)]
pub(super) struct CMldp {
    /// LSPs of this PE's sites that other PEs join.
    joins: BTreeSet<MultipointFec>,
    sent: BTreeMap<MultipointFec, Sent>,
    /// LSPs that this PE's sites join at others.
    received: BTreeMap<MultipointFec, Received>,
    /// S-PMSIs of other PEs.
    offers: BTreeMap<(PeKey, MultipointFec), McastAttributes>,
    /// Leaves that announced themselves, with the labels that they gave.
    leaves: BTreeMap<MultipointFec, BTreeMap<IpAddr, Option<Label>>>,
    leaf_count: usize,
    /// Labels that the PMSI maps: they only name LSPs to the VRF's mLDP.
    labels: Numbers,
    named: BTreeMap<Label, MultipointFec>,
    /// Labels that the VRF's mLDP maps, and what packets with them are for.
    given: BTreeMap<Label, IlmAction>,
    /// The LSPs that it maps them to.
    mapped: BTreeMap<Label, MultipointFec>,
    entries: BTreeMap<NhlfeId, Entry>,
    /// Legs to the PMSI; none: of an LSP that is over.
    legs: BTreeMap<(ReplicationId, u16), Option<MultipointFec>>,
}

impl CMldp {
    pub(super) fn new() -> Self {
        Self {
            joins: BTreeSet::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            offers: BTreeMap::new(),
            leaves: BTreeMap::new(),
            leaf_count: 0,
            labels: Numbers::new(Label::FIRST_UNRESERVED.value()..=Label::MAX.value()),
            named: BTreeMap::new(),
            given: BTreeMap::new(),
            mapped: BTreeMap::new(),
            entries: BTreeMap::new(),
            legs: BTreeMap::new(),
        }
    }
}

impl MvpnPe {
    /// A route of another PE with a customer's FEC element came, changed or went: the MVRFs that it is for, as with other routes.
    pub(super) fn c_mldp_changed(&mut self, now: Instant, route: CMldpRoute, attributes: Option<McastAttributes>) {
        let new = attributes.as_ref().map(|a| self.c_mldp_importers(&route, a)).unwrap_or_default();
        let known = self.c_mldp_holders.remove(&route).unwrap_or_default();
        for vrf in known.iter().filter(|vrf| !new.contains(vrf)) {
            if let Some(m) = self.mvrfs.get_mut(vrf) {
                m.c_mldp_changed(&mut self.shared, now, &route, None);
            }
        }
        for vrf in &new {
            if let Some(m) = self.mvrfs.get_mut(vrf) {
                m.c_mldp_changed(&mut self.shared, now, &route, attributes.as_ref());
            }
        }
        if !new.is_empty() {
            self.c_mldp_holders.insert(route, new);
        }
    }

    fn c_mldp_importers(&self, route: &CMldpRoute, attributes: &McastAttributes) -> SmallVec<[VrfId; 1]> {
        let targets = attributes.targets.iter();
        let vrfs: BTreeSet<VrfId> = match route {
            CMldpRoute::SourceTreeJoin { .. } => targets.filter_map(|t| self.joinable.get(t).copied()).collect(),
            CMldpRoute::SPmsi(_) => targets.filter_map(|t| self.importers.get(t)).flatten().copied().collect(),
            CMldpRoute::Leaf { key, .. } => {
                let router = self.shared.config.router;
                let is_ours = key.originator == router && attributes.targets.contains(&Target::router(router));
                self.by_rd.get(&key.rd).filter(|_| is_ours).copied().into_iter().collect()
            }
        };
        vrfs.into_iter().collect()
    }
}

impl Mvrf {
    /// Whether LSPs of a FEC element cross the backbone here.
    fn takes_lsp(&self, fec: &MultipointFec) -> bool {
        let family = crate::pim::wire::AddressFamily::of(fec.root);
        self.config.c_mldp && fec.kind == MultipointKind::P2mp && self.config.families.contains(&family)
    }

    fn c_mldp_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        route: &CMldpRoute,
        attributes: Option<&McastAttributes>,
    ) {
        if !self.takes_lsp(route.fec()) {
            if attributes.is_some() && self.config.c_mldp {
                shared.reject_c_mldp(now, self.config.vrf, MvpnReject::CMldp, route);
            }
            return;
        }
        match route {
            CMldpRoute::SourceTreeJoin { rd, source_as, fec } => {
                if *rd != self.config.rd || *source_as != shared.config.asn {
                    return shared.reject_c_mldp(now, self.config.vrf, MvpnReject::Rd, route);
                }
                self.lsp_joined(shared, now, fec, attributes.is_some());
            }
            CMldpRoute::SPmsi(key) if key.originator != shared.config.router => {
                let pe = PeKey { address: key.originator, rd: key.rd };
                self.lsp_offered(shared, now, (pe, key.fec.clone()), attributes);
            }
            CMldpRoute::SPmsi(_) => {}
            CMldpRoute::Leaf { key, originator } => {
                self.lsp_leaf_changed(shared, now, route, (&key.fec, *originator), attributes)
            }
        }
    }

    /// Routes to roots changed.
    pub(super) fn lsp_roots_changed(&mut self, shared: &mut Shared, now: Instant, prefix: Option<&IpPrefix>) {
        if !self.config.c_mldp {
            return;
        }
        let is_meant = |fec: &&MultipointFec| prefix.is_none_or(|prefix| holds(prefix, fec.root));
        let fecs: BTreeSet<MultipointFec> =
            self.c_mldp.joins.iter().chain(self.c_mldp.received.keys()).filter(is_meant).cloned().collect();
        for fec in fecs {
            self.update_sent(shared, now, &fec);
            self.update_received(shared, now, &fec);
        }
    }

    /// An op of the customers' mLDP that concerns the PMSI; `false`: it is for the forwarder as it is.
    pub(super) fn program_lsp(&mut self, shared: &mut Shared, now: Instant, op: &FwdOp) -> bool {
        if !self.config.c_mldp {
            return false;
        }
        match *op {
            FwdOp::SetContextIlm { space: PmsiPeer::SPACE, label, ilm } => {
                self.c_mldp.given.insert(label, ilm.action);
                self.label_given(shared, now, label);
            }
            FwdOp::ClearContextIlm { space: PmsiPeer::SPACE, label } => {
                self.c_mldp.given.remove(&label);
                self.label_given(shared, now, label);
            }
            FwdOp::SetNhlfe { id, nhlfe } => {
                let entry = match (nhlfe.next, nhlfe.push.as_slice()) {
                    (NextHop::Neighbor { iface, .. }, _) if iface == self.config.pmsi => Entry::Pmsi,
                    (NextHop::Nhlfe(next), [label]) if self.c_mldp.entries.get(&next) == Some(&Entry::Pmsi) => {
                        Entry::Branch(*label)
                    }
                    _ => {
                        self.c_mldp.entries.remove(&id);
                        return false;
                    }
                };
                self.c_mldp.entries.insert(id, entry);
            }
            FwdOp::ClearNhlfe { id } => return self.c_mldp.entries.remove(&id).is_some(),
            FwdOp::SetLeg { group, leg, target } => {
                let entry = match target {
                    LegTarget::Nhlfe(id) => self.c_mldp.entries.get(&id).copied(),
                    _ => None,
                };
                let Some(entry) = entry else {
                    self.leg_cleared(shared, (group, leg));
                    return false;
                };
                self.leg_set(shared, (group, leg), entry);
            }
            FwdOp::ClearLeg { group, leg } => return self.leg_cleared(shared, (group, leg)),
            FwdOp::ClearReplication { id } => {
                let legs = self.c_mldp.legs.range((id, 0)..=(id, u16::MAX));
                for leg in legs.map(|(leg, _)| *leg).collect::<Vec<_>>() {
                    self.leg_cleared(shared, leg);
                }
                return false;
            }
            _ => return false,
        }
        true
    }

    /// The MVRF goes: nothing of its LSPs is left.
    pub(super) fn stop_lsps(&mut self, shared: &mut Shared, now: Instant) {
        self.c_mldp.joins.clear();
        for fec in self.c_mldp.sent.keys().cloned().collect::<Vec<_>>() {
            self.update_sent(shared, now, &fec);
        }
        for fec in self.c_mldp.received.keys().cloned().collect::<Vec<_>>() {
            self.set_received(shared, now, fec, None);
        }
    }
}

/// The MVRFs that hold a route.
pub(super) type Holders = BTreeMap<CMldpRoute, SmallVec<[VrfId; 1]>>;
