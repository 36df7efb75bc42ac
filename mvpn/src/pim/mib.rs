//! PIM-STD-MIB (RFC 5060 §5): the interface, neighbour, (*,G) and (S,G) tables of a [`PimRouter`], at one moment.
//!
//! Only what the router knows is there: no up times, no columns of PIM-DM, of BIDIR-PIM or of configuration rows. One context
//! (RFC 3411 §3.3.1) is one VRF; both families' tables of a VRF can stand side by side in it, as their indices differ.

use core::net::IpAddr;
use core::time::Duration;

use fwd_core::mib::{Oid, Row, Table, Value};
use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::macros::GroupView;
use super::network::PimAddress;
use super::register::RegisterState;
use super::router::PimRouter;
use super::rp_set::RpOrigin;
use super::state::{Rpf, Timer};
use super::upstream::UpstreamState;
use super::wire::AddressFamily;

fn seconds(d: Duration) -> Value {
    Value::Unsigned(u32::try_from(d.as_secs()).unwrap_or(u32::MAX))
}

fn millis(d: Duration) -> Value {
    Value::Unsigned(u32::try_from(d.as_millis()).unwrap_or(u32::MAX))
}

/// Hundredths of a second.
pub(super) fn ticks(left: Option<Duration>) -> Value {
    Value::Ticks(left.map_or(0, |d| u32::try_from(d.as_millis() / 10).unwrap_or(u32::MAX)))
}

/// A row of pimInterfaceTable.
#[derive(Clone, Debug)]
pub struct PimInterfaceRow {
    index: IfIndex,
    address: IpAddr,
    generation_id: u32,
    dr: IpAddr,
    dr_priority: u32,
    dr_priority_enabled: bool,
    hello_interval: Duration,
    triggered_hello: Duration,
    join_prune_interval: Duration,
    lan_delay_enabled: bool,
    propagation_delay: Duration,
    override_interval: Duration,
    effective: (Duration, Duration),
    suppression_enabled: bool,
    passive: bool,
}

impl Row for PimInterfaceRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 157, 1, 1, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21, 23];

    fn index(&self, out: &mut Oid) {
        out.push(self.index.0);
        out.push(if self.address.is_ipv4() { 1 } else { 2 });
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let holds = |d: Duration| d.saturating_mul(7) / 2;
        Some(match column {
            3 => Value::address_type(Some(self.address)),
            4 => Value::address(Some(self.address)),
            5 => Value::Unsigned(self.generation_id),
            6 => Value::address(Some(self.dr)),
            7 => Value::Unsigned(self.dr_priority),
            8 => Value::truth(self.dr_priority_enabled),
            9 => seconds(self.hello_interval),
            10 => seconds(self.triggered_hello),
            11 => seconds(holds(self.hello_interval)),
            12 => seconds(self.join_prune_interval),
            13 => seconds(holds(self.join_prune_interval)),
            15 => Value::truth(self.lan_delay_enabled),
            16 => millis(self.propagation_delay),
            17 => millis(self.override_interval),
            18 => millis(self.effective.0),
            19 => millis(self.effective.1),
            20 => Value::truth(self.suppression_enabled),
            21 => Value::truth(false),
            23 => Value::truth(self.passive),
            _ => return None,
        })
    }
}

/// A row of pimNeighborTable.
#[derive(Clone, Debug)]
pub struct PimNeighborRow {
    interface: IfIndex,
    address: IpAddr,
    generation_id: Option<u32>,
    expires: Option<Duration>,
    dr_priority: Option<u32>,
    lan_prune_delay: Option<(bool, Duration, Duration)>,
}

impl Row for PimNeighborRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 157, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[4, 5, 7, 8, 9, 10, 11, 12, 13];

    fn index(&self, out: &mut Oid) {
        out.push(self.interface.0);
        out.push_address(Some(self.address));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let delay = self.lan_prune_delay.unwrap_or_default();
        Some(match column {
            4 => Value::truth(self.generation_id.is_some()),
            5 => Value::Unsigned(self.generation_id.unwrap_or(0)),
            7 => ticks(self.expires),
            8 => Value::truth(self.dr_priority.is_some()),
            9 => Value::Unsigned(self.dr_priority.unwrap_or(0)),
            10 => Value::truth(self.lan_prune_delay.is_some()),
            11 => Value::truth(delay.0),
            12 => millis(delay.1),
            13 => millis(delay.2),
            _ => return None,
        })
    }
}

/// Where Joins of a tree go.
#[derive(Clone, Copy, Debug)]
struct Upstream {
    joined: bool,
    timer: Option<Duration>,
    neighbor: Option<IpAddr>,
    interface: Option<IfIndex>,
    next_hop: Option<IpAddr>,
    metric: (u32, u32),
}

impl Upstream {
    fn of<A: PimAddress>(
        state: UpstreamState,
        rpf: &Rpf<A>,
        timer: Option<Duration>,
        metric: Option<(u32, u32)>,
    ) -> Self {
        Self {
            joined: state == UpstreamState::Joined,
            timer,
            neighbor: rpf.neighbor.map(Into::into),
            interface: rpf.interface,
            next_hop: rpf.next_hop.map(Into::into),
            metric: metric.unwrap_or_default(),
        }
    }
}

/// A row of pimStarGTable.
#[derive(Clone, Debug)]
pub struct PimStarGRow {
    group: IpAddr,
    rp: Option<IpAddr>,
    origin: Option<RpOrigin>,
    rp_is_local: bool,
    upstream: Upstream,
}

impl Row for PimStarGRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 157, 1, 4, 1];
    const COLUMNS: &'static [u32] = &[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20];

    fn index(&self, out: &mut Oid) {
        out.push_address(Some(self.group));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let u = &self.upstream;
        Some(match column {
            4 => Value::Integer(3),
            5 => Value::address_type(self.rp),
            6 => Value::address(self.rp),
            7 => Value::Integer(match self.origin {
                Some(RpOrigin::Static) => 2,
                Some(RpOrigin::Learnt) => 4,
                Some(RpOrigin::Embedded) => 6,
                None => 7,
            }),
            8 => Value::truth(self.rp_is_local),
            9 => Value::Integer(if u.joined { 2 } else { 1 }),
            10 => ticks(u.timer),
            11 => Value::address_type(u.neighbor),
            12 => Value::address(u.neighbor),
            13 => Value::Integer(u.interface.map_or(0, |i| i32::try_from(i.0).unwrap_or(0))),
            14 => Value::address_type(u.next_hop),
            15 => Value::address(u.next_hop),
            19 => Value::Unsigned(u.metric.0),
            20 => Value::Unsigned(u.metric.1),
            _ => return None,
        })
    }
}

/// A row of pimSGTable.
#[derive(Clone, Debug)]
pub struct PimSgRow {
    group: IpAddr,
    source: IpAddr,
    ssm: bool,
    upstream: Upstream,
    spt_bit: bool,
    keepalive: Option<Duration>,
    register: RegisterState,
    register_stop: Option<Duration>,
}

impl Row for PimSgRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 157, 1, 6, 1];
    const COLUMNS: &'static [u32] = &[5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 18, 19, 20];

    fn index(&self, out: &mut Oid) {
        out.push_address(Some(self.group));
        match self.source {
            IpAddr::V4(a) => out.push_octets(&a.octets()),
            IpAddr::V6(a) => out.push_octets(&a.octets()),
        }
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let u = &self.upstream;
        Some(match column {
            5 => Value::Integer(if self.ssm { 2 } else { 3 }),
            6 => Value::Integer(if u.joined { 2 } else { 1 }),
            7 => ticks(u.timer),
            8 => Value::address(u.neighbor),
            9 => Value::Integer(u.interface.map_or(0, |i| i32::try_from(i.0).unwrap_or(0))),
            10 => Value::address_type(u.next_hop),
            11 => Value::address(u.next_hop),
            15 => Value::Unsigned(u.metric.0),
            16 => Value::Unsigned(u.metric.1),
            17 => Value::truth(self.spt_bit),
            18 => ticks(self.keepalive),
            19 => Value::Integer(match self.register {
                RegisterState::NoInfo => 1,
                RegisterState::Join => 2,
                RegisterState::JoinPending => 3,
                RegisterState::Prune => 4,
            }),
            20 => ticks(self.register_stop),
            _ => return None,
        })
    }
}

impl<A: PimAddress> PimRouter<A> {
    fn left(&self, now: Instant, timer: Timer<A>) -> Option<Duration> {
        self.timers.get(timer).map(|at| at - now)
    }

    /// pimInterfaceTable.
    #[must_use]
    pub fn interface_table(&self) -> Table<PimInterfaceRow> {
        Table::new(self.net.interfaces.iter().map(|(index, i)| PimInterfaceRow {
            index: *index,
            address: i.config.address.into(),
            generation_id: i.generation_id,
            dr: i.dr.into(),
            dr_priority: i.config.dr_priority,
            dr_priority_enabled: i.neighbors.values().all(|n| n.dr_priority.is_some()),
            hello_interval: i.config.hello_period,
            triggered_hello: i.config.triggered_hello_delay,
            join_prune_interval: self.net.config.timers.join_prune_period,
            lan_delay_enabled: i.lan_delay_enabled(),
            propagation_delay: i.config.propagation_delay,
            override_interval: i.config.override_interval,
            effective: (i.effective_propagation_delay(), i.effective_override_interval()),
            suppression_enabled: i.suppression_enabled(),
            passive: i.config.passive,
        }))
    }

    /// pimNeighborTable.
    #[must_use]
    pub fn neighbor_table(&self, now: Instant) -> Table<PimNeighborRow> {
        let all = self.net.interfaces.iter().flat_map(|(i, x)| x.neighbors.iter().map(move |(a, n)| (*i, *a, n)));
        Table::new(all.map(|(interface, a, n)| PimNeighborRow {
            interface,
            address: a.into(),
            generation_id: n.generation_id,
            expires: self.left(now, Timer::NeighborLiveness(interface, a)),
            dr_priority: n.dr_priority,
            lan_prune_delay: n.lan_prune_delay,
        }))
    }

    /// pimStarGTable.
    #[must_use]
    pub fn star_g_table(&self, now: Instant) -> Table<PimStarGRow> {
        let joined = self.groups.iter().filter(|(_, x)| !x.ssm && x.interfaces.interfaces().next().is_some());
        Table::new(joined.map(|(g, x)| PimStarGRow {
            group: (*g).into(),
            rp: x.rp.map(Into::into),
            origin: self.net.rp_set.rp(*g).map(|rp| rp.origin),
            rp_is_local: x.rp.is_some_and(|rp| self.net.is_local(rp)),
            upstream: Upstream::of(
                x.upstream.state,
                &x.upstream.rpf,
                self.left(now, Timer::GroupJoin(*g)),
                GroupView { net: &self.net, g: *g, group: x }.metric(),
            ),
        }))
    }

    /// pimSGTable.
    #[must_use]
    pub fn sg_table(&self, now: Instant) -> Table<PimSgRow> {
        let all = self.groups.iter().flat_map(|(g, group)| group.sources.iter().map(move |(s, x)| (*g, group, *s, x)));
        Table::new(all.map(|(g, group, s, x)| PimSgRow {
            group: g.into(),
            source: s.into(),
            ssm: group.ssm,
            upstream: Upstream::of(
                x.upstream.state,
                &x.upstream.rpf,
                self.left(now, Timer::SourceJoin(g, s)),
                GroupView { net: &self.net, g, group }.source(s).metric(),
            ),
            spt_bit: GroupView { net: &self.net, g, group }.source(s).spt_bit(),
            keepalive: self.left(now, Timer::Keepalive(g, s)),
            register: x.register,
            register_stop: self.left(now, Timer::RegisterStop(g, s)),
        }))
    }

    /// The family of the router.
    #[must_use]
    pub const fn family(&self) -> AddressFamily {
        A::FAMILY
    }
}
