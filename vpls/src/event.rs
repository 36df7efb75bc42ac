//! What an operator may want to know, each kind at most once in an interval and instance.

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{PortId, VsiId};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

/// What an [`Event`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A pseudowire forwards.
    PwUp(IpAddr),
    /// A pseudowire forwards no longer.
    PwDown(IpAddr),
    /// The MTU of the other end is another than ours (RFC 4761 §3.2.4, RFC 8077 §6.4): no pseudowire.
    MtuMismatch(IpAddr),
    /// The encapsulation of the other end is not VPLS: no pseudowire.
    EncapsMismatch(IpAddr),
    /// Another PE has our VE identifier, and the site is not multi-homed.
    VeIdConflict(IpAddr),
    /// This PE has become designated forwarder of its multi-homed site (RFC 4761 §3.5).
    DesignatedForwarder,
    /// Another PE is designated forwarder: circuits are blocked.
    Backup(IpAddr),
    /// No labels, ports, entries or groups are left.
    Exhausted,
    /// More routes than may be kept.
    RouteLimit,
    /// More pseudowires than the instance may have.
    PwLimit,
    /// The forwarding plane refused an op.
    Refused,
    /// MAC addresses were withdrawn by a peer.
    MacWithdrawn(IpAddr),
    /// A spoke took over from another.
    SpokeSwitched(PortId),
    /// More MAC withdraw messages than [`crate::PeLimits::mac_withdraws_per_second`].
    MacWithdrawRate(IpAddr),
    /// A snooped message was malformed, or broke a check of its addresses or TTL.
    Malformed(PortId),
    /// A circuit sent too much that is malformed: what it reports is not looked at for a while.
    Quarantined(PortId),
    /// The quarantine of a circuit has ended.
    Released(PortId),
    /// A circuit sends more membership records than it may.
    RecordRate(PortId),
    /// A circuit or instance has more group entries than it may.
    GroupLimit(PortId),
    /// A group has more sources than it may.
    SourceLimit(PortId),
    /// More PIM neighbours or router ports than there may be.
    NeighborLimit(PortId),
    /// A Join/Prune of somebody who sent no Hello on that port.
    UnknownNeighbor(PortId),
    /// A query from a circuit of hosts.
    QuerierGuard(PortId),
    /// A PIM neighbour moves between ports too often: it stays where it was.
    NeighborMoved(PortId),
    /// A join that an access list denies, or of a group that cannot be joined.
    Denied(PortId),
    /// A version of IGMP or MLD newer than what the instance is set to: the group is flooded.
    VersionMismatch(PortId),
    /// A neighbour without the T bit: joins may be suppressed, so that they are relayed (RFC 8220 §2.4.3).
    JoinSuppression,
    /// Neighbours of bidirectional PIM: their groups are flooded (RFC 8220 §2.7).
    BidirFlooding,
    /// A flow was damped: it stays joined (RFC 7899 §5.1).
    Damped,
    /// A stream more than the admitted bandwidth.
    AdmissionRefused,
    /// A selective tree was taken, and why.
    Selective(crate::multicast::Reason),
    /// A selective tree was given up, and why.
    Inclusive(crate::multicast::Reason),
    /// A tree does not carry: copies go by pseudowires.
    TreeDown,
    /// A tree carries again.
    TreeUp,
    /// Multicast has no way to a PE for half of the shortest hold time that was snooped.
    Unrestored(IpAddr),
    /// A MAC address moves too often, or comes back from where it was sent: the newer port is blocked.
    Loop(PortId),
    /// A port blocked for a loop is tried again.
    LoopCleared(PortId),
    /// A customer's bridges changed their topology: what was learned is learned anew.
    TopologyChange(PortId),
    /// A limit is reached to the share in per cent, or no longer is.
    Threshold(crate::oam::Resource, u8, bool),
}

/// Something an operator may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The instance.
    pub vsi: Option<VsiId>,
    /// What has happened.
    pub kind: EventKind,
    /// How often since the last event of this kind and instance.
    pub count: u64,
}

/// Events, at most one of a kind and instance in an interval; the rest is counted.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    interval: Duration,
    queue: VecDeque<Event>,
    /// How often since the last that was handed out, by what it is of; none where not again.
    held: BTreeMap<(Option<VsiId>, EventKind), u64>,
    /// Until when no more are handed out.
    until: Timers<(Option<VsiId>, EventKind)>,
    total: u64,
}

impl Events {
    /// Events that nobody polls are dropped beyond so many.
    const MAX: usize = 1024;
    /// Kinds and instances whose interval is remembered.
    const MAX_HELD: usize = 8192;

    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, queue: VecDeque::new(), held: BTreeMap::new(), until: Timers::new(), total: 0 }
    }

    pub(crate) fn push(&mut self, now: Instant, vsi: Option<VsiId>, kind: EventKind) {
        self.total = self.total.saturating_add(1);
        let key = (vsi, kind);
        if self.until.len() >= Self::MAX_HELD {
            while let Some(over) = self.until.expired(now) {
                self.held.remove(&over);
            }
            if self.until.len() >= Self::MAX_HELD {
                return;
            }
        }
        let until = self.until.get(key);
        if until.is_none_or(|until| now >= until) && self.queue.len() < Self::MAX {
            let count = self.held.remove(&key).unwrap_or(0).saturating_add(1);
            self.queue.push_back(Event { vsi, kind, count });
            self.until.set(key, now + self.interval);
            return;
        }
        let count = self.held.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        if until.is_none() {
            self.until.set(key, now);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    pub(crate) const fn total(&self) -> u64 {
        self.total
    }
}
