//! What the MVRFs of a PE share: numbers, routes to advertise, timers, outputs.

use core::net::IpAddr;
use core::time::Duration;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use fwd_core::net::{Label, NhlfeId, ReplicationId, RpfSetId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, TunnelModel, VsiOrVrf};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use smallvec::SmallVec;

use super::adverts::SentByVrf;
use super::arrival::{Arrivals, Space};
use super::attributes::McastAttributes;
use super::c_mldp::CMldpAdverts;
use super::config::MvpnConfig;
use super::event::{MvpnEvent, MvpnLimit, MvpnReject};
use super::extranet::{Crossing, Crossings};
use super::in_band::InBandFault;
use super::instance::PeKey;
use super::io::{CTree, Output};
use super::numbers::Numbers;
use super::p_tunnel::PTunnel;
use super::root::{Root, TreeId, Trunk};
use super::route::{McastRoute, SFlow};
use super::technology;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// RFC 6514 §11.3.1.1: the PMSI leaves the tree.
    JoinRemoval(VrfId, CTree),
    /// RFC 6514 §13.2.1: a source (second) leaves the shared tree of a group (first).
    SourcePrune(VrfId, IpAddr, IpAddr),
    /// A source (second) of ours that was announced is sent to other PEs.
    SourceStart(VrfId, IpAddr, IpAddr),
    /// RFC 6513 §7.1: flows move to or from an S-PMSI.
    SwitchOver(VrfId, SFlow),
    /// A flow may leave its S-PMSI.
    HoldDown(VrfId, SFlow),
    /// A flow is judged by its receivers.
    Settle(VrfId, SFlow),
    /// S-PMSI Joins are sent again.
    Joins(VrfId),
    /// An S-PMSI Join was not repeated.
    SPmsiTimeout(VrfId, PeKey, SFlow),
    /// An S-PMSI that failed is tried again.
    Retry(VrfId, SFlow),
    /// A period of the schedule begins or ends.
    Period(VrfId, usize),
    /// A leaf leaves an S-PMSI.
    Leave(VrfId, PeKey, SFlow),
    /// A group of a partition goes by its own S-PMSI.
    BidirCarry(VrfId, PeKey, SFlow),
    /// A tunnel of a partition is left.
    BidirLeave(VrfId, PeKey, SFlow),
    /// RFC 7899: the withdrawal of a tree's route.
    Damped(VrfId, CTree),
    /// RFC 7899: the figure of merit of a tree that nobody wants.
    Forget(VrfId, CTree),
    /// RFC 7988 §10: the upstream PE before is left.
    Parting(VrfId, CTree),
    /// The same of the ASBR that an inter-AS tree came by.
    AsParting(VrfId, u32),
    /// The tunnel that an S-PMSI had before is left.
    LeaveOld(VrfId, PeKey, SFlow),
    /// An alarm that waits for its spacing.
    Alarm(VrfId),
    /// LSPs of customers that have no tunnel try again.
    Lsps(VrfId),
}

/// What events that peers cause are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum News {
    Limit(MvpnLimit, VrfId),
    Reject(MvpnReject, VrfId),
    Join(VrfId),
    InBand(InBandFault),
}

/// A route of ours, and the MVRFs that want it.
#[derive(Clone, Debug)]
struct Originated {
    attributes: McastAttributes,
    owners: SmallVec<[VrfId; 1]>,
}

#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) config: MvpnConfig,
    pub(super) timers: Timers<Timer>,
    pub(super) labels: Numbers,
    pub(super) nhlfes: Numbers,
    pub(super) groups: Numbers,
    pub(super) tunnels: Numbers,
    pub(super) space_numbers: Numbers,
    /// P-groups of source-specific trees, by their places in the range.
    pub(super) p_groups: Numbers,
    pub(super) outputs: VecDeque<Output>,
    /// What MVRFs have to say to each other.
    pub(super) crossings: Crossings,
    /// Routes that have room for what one MVRF says, and the MVRFs that would say something else, once that one is silent.
    waiting: BTreeMap<McastRoute, BTreeSet<VrfId>>,
    /// Labels that are withdrawn, and whether they have an entry here: it goes, and they are free, once that is said.
    late: VecDeque<(Label, bool)>,
    originated: BTreeMap<McastRoute, Originated>,
    advertised: BTreeSet<McastRoute>,
    to_advertise: BTreeSet<McastRoute>,
    to_withdraw: BTreeSet<McastRoute>,
    pub(super) transports: BTreeMap<IpAddr, NhlfeId>,
    pub(super) roots: BTreeMap<TreeId, Root>,
    pub(super) by_leaf: BTreeMap<IpAddr, BTreeSet<TreeId>>,
    pub(super) next_tree: u32,
    pub(super) arrivals: BTreeMap<PTunnel, Arrivals>,
    pub(super) spaces: BTreeMap<PTunnel, Space>,
    /// Labels that VRFs of other PEs replicate to.
    pub(super) leaf_labels: BTreeMap<PeKey, (Label, Arrivals)>,
    /// Tunnels that this PE is a leaf of, whose packets are a customer's labelled ones.
    pub(super) stitched: BTreeMap<PTunnel, ReplicationId>,
    /// LSPs of bidirectional groups that mLDP signals and that this PE is a leaf of.
    pub(super) in_band_lsps: BTreeSet<PTunnel>,
    /// Routes of this PE with customers' FEC elements.
    pub(super) c_mldp: CMldpAdverts,
    /// LSPs that several tunnels are labels in.
    pub(super) trunks: BTreeMap<TreeId, Trunk>,
    news: BTreeMap<News, (Option<Instant>, u64)>,
    /// What was refused, by limit.
    refused: BTreeMap<(VrfId, MvpnLimit), u64>,
    /// What was refused, whatever the reason.
    pub(super) refusals: u64,
    pub(super) sent: SentByVrf,
    /// When the last input or timeout was.
    pub(super) clock: Instant,
    ages: u64,
}

/// The places of a range of P-groups: 65,536 at most.
fn places(groups: &fwd_core::net::IpPrefix) -> core::ops::RangeInclusive<u32> {
    let bits = if groups.addr().is_ipv4() { 32 } else { 128_u32 };
    let free = bits.saturating_sub(u32::from(groups.bit_len())).min(16);
    0..=1_u32.checked_shl(free).unwrap_or(u32::MAX).saturating_sub(1)
}

impl Shared {
    pub(super) fn new(config: MvpnConfig) -> Self {
        let numbers = |range: &core::ops::RangeInclusive<u32>| Numbers::new(range.clone());
        Self {
            labels: numbers(&config.labels),
            nhlfes: numbers(&config.nhlfes),
            groups: numbers(&config.groups),
            tunnels: numbers(&config.tunnels),
            space_numbers: numbers(&config.spaces),
            p_groups: Numbers::new(config.p_groups.as_ref().map_or(core::ops::RangeInclusive::new(1, 0), places)),
            config,
            timers: Timers::new(),
            outputs: VecDeque::new(),
            crossings: Crossings::new(),
            waiting: BTreeMap::new(),
            late: VecDeque::new(),
            originated: BTreeMap::new(),
            advertised: BTreeSet::new(),
            to_advertise: BTreeSet::new(),
            to_withdraw: BTreeSet::new(),
            transports: BTreeMap::new(),
            roots: BTreeMap::new(),
            by_leaf: BTreeMap::new(),
            next_tree: 0,
            arrivals: BTreeMap::new(),
            spaces: BTreeMap::new(),
            stitched: BTreeMap::new(),
            in_band_lsps: BTreeSet::new(),
            c_mldp: CMldpAdverts::new(),
            leaf_labels: BTreeMap::new(),
            trunks: BTreeMap::new(),
            news: BTreeMap::new(),
            refused: BTreeMap::new(),
            refusals: 0,
            sent: SentByVrf::new(),
            clock: Instant::ZERO,
            ages: 0,
        }
    }

    pub(super) fn op(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }

    pub(super) fn event(&mut self, event: MvpnEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Originates a route for an MVRF, or changes its attributes.
    pub(super) fn originate(&mut self, vrf: VrfId, route: McastRoute, attributes: McastAttributes) {
        match self.originated.get_mut(&route) {
            None => {
                let owners = SmallVec::from_slice(&[vrf]);
                self.originated.insert(route, Originated { attributes, owners });
            }
            Some(known) => {
                if !known.owners.contains(&vrf) {
                    known.owners.push(vrf);
                }
                if known.attributes == attributes {
                    return;
                }
                known.attributes = attributes;
            }
        }
        self.to_withdraw.remove(&route);
        self.to_advertise.insert(route);
    }

    /// Whether a route is originated, and not by this MVRF alone.
    pub(super) fn is_of_another(&self, vrf: VrfId, route: &McastRoute) -> bool {
        self.originated.get(route).is_some_and(|known| known.owners.iter().any(|owner| *owner != vrf))
    }

    /// An MVRF is told ([`Crossing::Answer`]) when no other originates a route any more.
    pub(super) fn wait_for(&mut self, vrf: VrfId, route: McastRoute) {
        self.waiting.entry(route).or_default().insert(vrf);
    }

    /// An MVRF waits for a route no more.
    pub(super) fn wait_no_more(&mut self, vrf: VrfId) {
        self.waiting.retain(|_, vrfs| {
            vrfs.remove(&vrf);
            !vrfs.is_empty()
        });
    }

    /// An MVRF wants a route no more.
    pub(super) fn withdraw(&mut self, vrf: VrfId, route: McastRoute) {
        let Some(known) = self.originated.get_mut(&route) else { return };
        known.owners.retain(|owner| *owner != vrf);
        if !known.owners.is_empty() {
            return;
        }
        self.originated.remove(&route);
        self.to_advertise.remove(&route);
        for vrf in self.waiting.remove(&route).unwrap_or_default() {
            self.crossings.push_back(Crossing::Answer { vrf, route });
        }
        if self.advertised.contains(&route) {
            self.to_withdraw.insert(route);
        }
    }

    /// The routes that this PE originates.
    pub(super) fn originated(&self) -> impl Iterator<Item = (&McastRoute, &McastAttributes)> {
        self.originated.iter().map(|(route, o)| (route, &o.attributes))
    }

    /// The next output: ops before routes, routes before withdrawals, the entries of labels after their withdrawal.
    pub(super) fn poll(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        while let Some(route) = self.to_advertise.pop_first() {
            if let Some(known) = self.originated.get(&route) {
                let (attributes, owners) = (known.attributes.clone(), known.owners.clone());
                self.advertised.insert(route);
                self.count_sent(&route, &owners);
                return Some(Output::Advertise { route, attributes });
            }
        }
        if let Some(route) = self.to_withdraw.pop_first() {
            self.advertised.remove(&route);
            return Some(Output::Withdraw(route));
        }
        while let Some((label, has_entry)) = self.late.pop_front() {
            self.labels.give_back(label.value());
            if has_entry {
                return Some(Output::Program(FwdOp::ClearIlm { label }));
            }
        }
        None
    }

    /// A number for a tunnel that multicast arrives by.
    pub(super) fn new_tunnel(&mut self, now: Instant, vrf: VrfId) -> Option<TunnelId> {
        let Some(tunnel) = self.tunnels.take().map(TunnelId) else {
            self.limit(now, vrf, MvpnLimit::Numbers);
            return None;
        };
        self.op(FwdOp::SetMulticastTunnel { tunnel, vrf });
        Some(tunnel)
    }

    pub(super) fn drop_tunnel(&mut self, tunnel: TunnelId) {
        self.op(FwdOp::ClearMulticastTunnel { tunnel });
        self.tunnels.give_back(tunnel.0);
    }

    /// A set of tunnels for an RPF check.
    pub(super) fn new_set(&mut self, now: Instant, vrf: VrfId) -> Option<RpfSetId> {
        let set = self.tunnels.take().map(RpfSetId);
        if set.is_none() {
            self.limit(now, vrf, MvpnLimit::Numbers);
        }
        set
    }

    /// A label whose packets arrive by a tunnel.
    pub(super) fn new_label(&mut self, now: Instant, vrf: VrfId, tunnel: TunnelId) -> Option<Label> {
        self.new_ilm(now, vrf, IlmAction::Multicast(tunnel))
    }

    /// A label, and what becomes of its packets.
    pub(super) fn new_ilm(&mut self, now: Instant, vrf: VrfId, action: IlmAction) -> Option<Label> {
        let Some(label) = self.labels.take().and_then(Label::new) else {
            self.limit(now, vrf, MvpnLimit::Numbers);
            return None;
        };
        self.op(FwdOp::SetIlm { label, ilm: Ilm { action, model: TunnelModel::Uniform } });
        Some(label)
    }

    pub(super) fn drop_label(&mut self, label: Label) {
        self.late.push_back((label, true));
    }

    /// A label for what this PE sends into a shared LSP is free once that is said.
    pub(super) fn drop_upstream_label(&mut self, label: Label) {
        self.late.push_back((label, false));
    }

    pub(super) fn new_group(&mut self, now: Instant, vrf: VrfId) -> Option<ReplicationId> {
        let Some(id) = self.groups.take().map(ReplicationId) else {
            self.limit(now, vrf, MvpnLimit::Numbers);
            return None;
        };
        self.op(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) });
        Some(id)
    }

    pub(super) fn is_news(&mut self, now: Instant, key: News) -> Option<u64> {
        let (at, times) = self.news.entry(key).or_insert((None, 0));
        *times = times.saturating_add(1);
        if at.is_some_and(|at| now - at < Duration::from_secs(1)) {
            return None;
        }
        *at = Some(now);
        Some(core::mem::take(times))
    }

    /// What is newer has a higher age.
    pub(super) fn next_age(&mut self) -> u64 {
        self.ages = self.ages.saturating_add(1);
        self.ages
    }

    /// What a limit refused in an MVRF.
    pub(super) fn refused(&self, vrf: VrfId, limit: MvpnLimit) -> u64 {
        self.refused.get(&(vrf, limit)).copied().unwrap_or(0)
    }

    /// An MVRF is gone: so are its counts.
    pub(super) fn forget_counts(&mut self, vrf: VrfId) {
        self.refused.retain(|(of, _), _| *of != vrf);
        self.sent.retain(|(of, _), _| *of != vrf);
    }

    pub(super) fn limit(&mut self, now: Instant, vrf: VrfId, limit: MvpnLimit) {
        let refused = self.refused.entry((vrf, limit)).or_default();
        *refused = refused.saturating_add(1);
        self.refusals = self.refusals.saturating_add(1);
        if let Some(times) = self.is_news(now, News::Limit(limit, vrf)) {
            self.event(MvpnEvent::Limit { limit, vrf, times });
        }
    }

    /// How many bad S-PMSI Joins there were, if that is to be said.
    pub(super) fn bad_join(&mut self, now: Instant, vrf: VrfId) -> Option<u64> {
        self.is_news(now, News::Join(vrf))
    }

    /// Whether the P-tunnel of a route is of a type that is known here, and named as that type names tunnels.
    pub(super) fn knows_tunnel(&self, attributes: &McastAttributes) -> bool {
        let Some(PTunnel::Other { tunnel_type, identifier }) = attributes.pmsi.as_ref().map(|pmsi| &pmsi.tunnel) else {
            return true;
        };
        let technology = technology::find(&self.config.technologies, *tunnel_type);
        technology.is_some_and(|technology| technology.is_identifier(identifier))
    }

    /// How often routes were not used for this reason, if that is to be said.
    pub(super) fn rejects(&mut self, now: Instant, vrf: VrfId, reason: MvpnReject) -> Option<u64> {
        self.is_news(now, News::Reject(reason, vrf))
    }

    pub(super) fn reject(&mut self, now: Instant, vrf: VrfId, reason: MvpnReject, route: McastRoute) {
        self.refusals = self.refusals.saturating_add(1);
        if let Some(times) = self.is_news(now, News::Reject(reason, vrf)) {
            self.event(MvpnEvent::Rejected { reason, vrf, route, times });
        }
    }
}
