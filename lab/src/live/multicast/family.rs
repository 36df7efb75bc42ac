//! The machines of one family, and what goes between them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context;
use fwd_core::PuntReason;
use fwd_core::net::{IfIndex, IpPrefix, VrfId};
use fwd_core::op::{FwdOp, Mroute, MrouteKey};
use fwd_core::time::Instant;
use mvpn::gmp::{GmpRouter, InterfaceConfig, Membership as Wanted, Protocol, RouterConfig, RouterInput, RouterOutput};
use mvpn::pim::bsr::{
    self, BsrConfig, BsrInterfaceConfig, BsrRouter, BsrTimers, CandidateBsr, CandidateRpConfig, Zone, ZoneAddress,
};
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::{
    Input, Membership, MribRoute, Output, PimAddress, PimConfig, PimEvent, PimInterfaceConfig, PimRouter, SptThreshold,
};
use serde_json::{Value, json};

use super::config::Config;
use super::packet::{self, PIM};
use crate::live::plane::Punted;
use crate::sim::packet::{IpView, ip_packet};

/// The VRF of all interfaces.
pub(super) const VRF: VrfId = VrfId(1);
/// Preference of static routes.
const STATIC: u32 = 1;
/// How often counters are read to see which sources are active.
const WATCH: Duration = Duration::from_secs(2);

/// An address of a family that the router serves.
pub(super) trait Address: PimAddress + ZoneAddress + Protocol {}
impl<A: PimAddress + ZoneAddress + Protocol> Address for A {}

/// What the machines want done.
pub(super) enum Effect {
    /// Send a packet to a group of the link.
    Link(IfIndex, Vec<u8>),
    /// Send a packet by unicast routing.
    Unicast(Vec<u8>),
    /// Change the forwarding plane.
    Program(FwdOp),
    /// Tell the operator.
    Event(Value),
}

/// A static route of the family.
struct Route<A: Address> {
    prefix: A::Prefix,
    interface: IfIndex,
    via: A,
    metric: u32,
}

/// The machines of one family.
pub(super) struct Family<A: Address> {
    gmp: GmpRouter<A>,
    pim: PimRouter<A>,
    bsr: BsrRouter<A>,
    routes: Vec<Route<A>>,
    /// Routes of the forwarding plane, with the packets that their groups counted when they were last looked at.
    mroutes: BTreeMap<MrouteKey, (Mroute, u64)>,
    watched: Instant,
}

impl<A: Address> Family<A> {
    /// The machines as configured; `None` without a loopback of the family. `resolve` says which interface an address is on.
    ///
    /// # Errors
    /// A value that a machine refuses.
    pub(super) fn new(
        now: Instant,
        seed: u64,
        config: &Config,
        resolve: impl Fn(IpAddr) -> Option<IfIndex>,
    ) -> anyhow::Result<Option<Self>> {
        let loopbacks: Vec<A> = config.loopbacks.iter().filter_map(|a| A::from_ip(*a)).collect();
        let Some(name) = loopbacks.first().copied() else { return Ok(None) };
        let replication = if A::LEN == 4 { 1..=1999 } else { 2000..=3999 };
        let mut pim_config = PimConfig::new(VRF, name, replication);
        pim_config.local_addresses = loopbacks;
        pim_config.seed = seed;
        pim_config.timers.join_prune_period = Duration::from_secs_f64(config.join_prune_period);
        if config.no_switch {
            pim_config.spt_threshold = SptThreshold::Infinity;
        }
        let timers = BsrTimers {
            period: config.bsr_period(),
            timeout: config.bsr_period() * 2 + Duration::from_secs(10),
            min_interval: Duration::from_secs(10).min(config.bsr_period()),
            advertisement_period: config.bsr_period(),
            ..BsrTimers::default()
        };
        let mut family = Self {
            gmp: GmpRouter::new(now, RouterConfig::default())?,
            pim: PimRouter::new(now, pim_config)?,
            bsr: BsrRouter::new(now, BsrConfig { seed, timers, ..BsrConfig::default() })?,
            routes: Vec::new(),
            mroutes: BTreeMap::new(),
            watched: now,
        };
        for (n, interface) in (1..).zip(&config.interfaces) {
            family.add_interface(now, IfIndex(n), interface).with_context(|| interface.name.clone())?;
        }
        for route in &config.routes {
            let (Some(prefix), Some(via)) = (A::prefix_from_ip(route.prefix.0), A::from_ip(route.via)) else {
                continue;
            };
            let interface = resolve(route.via).with_context(|| format!("{} is on no interface", route.via))?;
            family.routes.push(Route { prefix, interface, via, metric: route.metric });
        }
        family.routes.sort_by_key(|r| std::cmp::Reverse(A::prefix_len(&r.prefix)));
        family.assign(now, config, name)?;
        Ok(Some(family))
    }

    fn add_interface(&mut self, now: Instant, index: IfIndex, config: &super::config::Interface) -> anyhow::Result<()> {
        let own: Vec<(A, u8)> =
            config.addresses()?.into_iter().filter_map(|(a, len)| A::from_ip(a).map(|a| (a, len))).collect();
        let Some((primary, _)) = own.iter().find(|(a, _)| a.is_link_protocol_source()).copied() else { return Ok(()) };
        let subnets: Vec<A::Prefix> = own
            .iter()
            .filter(|(a, _)| A::LEN == 4 || !a.is_link_protocol_source())
            .filter_map(|(a, len)| crate::live::plane::prefix((*a).into(), *len).and_then(A::prefix_from_ip))
            .collect();
        let mut pim = PimInterfaceConfig::new(index, primary, subnets.clone());
        pim.secondary = own.iter().map(|(a, _)| *a).filter(|a| *a != primary).collect();
        pim.hello_period = Duration::from_secs_f64(config.hello);
        pim.triggered_hello_delay = Duration::from_millis(500);
        pim.dr_priority = config.dr_priority;
        pim.passive = config.passive;
        self.pim.add_interface(now, pim)?;
        if !config.passive {
            let bsr = BsrInterfaceConfig { interface: index, address: primary, mtu: 1500, borders: Vec::new() };
            self.bsr.add_interface(now, bsr)?;
        }
        let mut gmp = InterfaceConfig::new(primary);
        gmp.intervals.query = Duration::from_secs(20);
        gmp.intervals.response = Duration::from_secs(4);
        gmp.subnets = subnets;
        self.gmp.add_interface(now, index, gmp)?;
        Ok(())
    }

    /// RPs that the operator assigns, and what this router is candidate for.
    fn assign(&mut self, now: Instant, config: &Config, name: A) -> anyhow::Result<()> {
        for rp in &config.rps {
            let (Some(range), Some(address)) = (A::prefix_from_ip(rp.range.0), A::from_ip(rp.address)) else {
                continue;
            };
            let fixed = StaticRp { range, address, mode: RpMode::Sparse, overrides: false };
            let mut done = Ok(());
            self.pim.update_rp_set(now, |set| done = set.set_static(fixed));
            done.with_context(|| format!("rp {}", rp.address))?;
        }
        if let Some(priority) = config.candidate_bsr {
            let candidate = CandidateBsr { address: name, priority, hash_mask_len: A::HASH_MASK_LEN };
            self.bsr.set_candidate_bsr(now, Zone::Global, Some(candidate))?;
        }
        let ranges: Vec<_> =
            config.candidate_rp.iter().filter_map(|p| A::prefix_from_ip(p.0)).map(|p| (p, RpMode::Sparse)).collect();
        if !ranges.is_empty() {
            let candidate = CandidateRpConfig { address: name, priority: 192, ranges };
            self.bsr.set_candidate_rp(now, Some(candidate))?;
        }
        Ok(())
    }

    /// The static route to an address.
    fn route(&self, address: A) -> Option<MribRoute<A>> {
        let found = self.routes.iter().find(|r| address.is_in(&r.prefix))?;
        let next_hop = Some(found.via);
        Some(MribRoute { interface: found.interface, next_hop, preference: STATIC, metric: found.metric })
    }

    /// Static routes as the forwarding plane has them: prefix, interface and next hop.
    pub(super) fn unicast(&self) -> impl Iterator<Item = (IpPrefix, IfIndex, IpAddr)> + '_ {
        self.routes.iter().map(|r| (r.prefix.into(), r.interface, r.via.into()))
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let all = [self.gmp.next_timeout(), self.pim.next_timeout(), self.bsr.next_timeout()];
        all.into_iter().flatten().chain([self.watched + WATCH]).min()
    }

    /// Does what is due; `counted` gives the packets of a replication group.
    pub(super) fn handle_timeout(&mut self, now: Instant, counted: impl Fn(&Mroute) -> Option<(u64, u64)>) {
        if self.gmp.next_timeout().is_some_and(|at| at <= now) {
            self.gmp.handle_timeout(now);
        }
        if self.pim.next_timeout().is_some_and(|at| at <= now) {
            self.pim.handle_timeout(now);
        }
        if self.bsr.next_timeout().is_some_and(|at| at <= now) {
            self.bsr.handle_timeout(now);
        }
        if self.watched + WATCH <= now {
            let elapsed = (now - self.watched).as_secs().max(1);
            self.watched = now;
            let mut active = Vec::new();
            for (key, (mroute, seen)) in &mut self.mroutes {
                let Some((Some(source), group)) = A::of_mroute_key(*key) else { continue };
                let Some((packets, octets)) = counted(mroute) else { continue };
                if packets != *seen {
                    *seen = packets;
                    active.push(Input::Active { source, group, octets_per_second: octets / elapsed });
                }
            }
            for input in active {
                self.pim.handle_input(now, input);
            }
        }
    }

    /// A packet that the forwarding plane handed up.
    pub(super) fn handle(&mut self, now: Instant, punted: &Punted) {
        let Punted { iface, reason, packet } = punted;
        if let Some(m) = packet::membership(packet) {
            let (Some(source), Some(destination)) = (A::from_ip(m.source), A::from_ip(m.destination)) else { return };
            let input = RouterInput::Datagram {
                iface: *iface,
                source,
                destination,
                hop_limit: m.hop_limit,
                router_alert: m.router_alert,
                octets: m.octets,
            };
            return self.gmp.handle_input(now, input);
        }
        let Some(view) = IpView::parse(packet) else { return };
        let (Some(from), Some(to)) = (A::from_ip(view.src), A::from_ip(view.dst)) else { return };
        if view.protocol == PIM {
            let octets = view.payload;
            let input = Input::Datagram { interface: *iface, from, to, octets, authenticated: false };
            self.pim.handle_input(now, input);
            self.bsr.handle_input(now, bsr::Input::Datagram { interface: *iface, from, to, octets });
            return;
        }
        if *reason == PuntReason::Register {
            if let Some(packet) = packet::aged(packet) {
                self.pim.handle_input(now, Input::WholePacket { packet: &packet });
            }
        } else if to.is_multicast() {
            self.pim.handle_input(now, Input::Data { interface: *iface, source: from, group: to });
        }
    }

    /// The forwarding plane had no room.
    pub(super) fn refused(&mut self, now: Instant, op: FwdOp) {
        self.pim.handle_input(now, Input::Refused(op));
    }

    /// What the machines want done; what they want of each other is done.
    pub(super) fn poll(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        loop {
            let before = effects.len();
            let mut more = false;
            while let Some(output) = self.gmp.poll_output() {
                more = true;
                self.of_gmp(now, output, effects);
            }
            while let Some(output) = self.pim.poll_output() {
                more = true;
                self.of_pim(now, output, effects);
            }
            while let Some(output) = self.bsr.poll_output() {
                more = true;
                self.of_bsr(now, output, effects);
            }
            if !more && effects.len() == before {
                return;
            }
        }
    }

    fn of_gmp(&mut self, now: Instant, output: RouterOutput<A>, effects: &mut Vec<Effect>) {
        match output {
            RouterOutput::Datagram { iface, source, destination, octets } => {
                let packet = packet::of_membership(source.into(), destination.into(), &octets);
                effects.extend(packet.map(|p| Effect::Link(iface, p)));
            }
            RouterOutput::Membership { iface, group, membership, present } => {
                let (source, is) = match membership {
                    Wanted::AnySource => (None, Membership::Include),
                    Wanted::Include(s) => (Some(s), Membership::Include),
                    Wanted::Exclude(s) => (Some(s), Membership::Exclude),
                };
                let membership = if present { is } else { Membership::None };
                self.pim.handle_input(now, Input::Membership { interface: iface, group, source, membership });
            }
            RouterOutput::Event(event) => {
                effects.push(Effect::Event(json!({"event": "membership", "what": format!("{event:?}")})));
            }
        }
    }

    fn datagram(interface: Option<IfIndex>, from: A, to: A, octets: &[u8], effects: &mut Vec<Effect>) {
        let ttl = if interface.is_some() { 1 } else { 64 };
        let Some(packet) = ip_packet(from.into(), to.into(), PIM, ttl, octets) else { return };
        effects.push(match interface {
            Some(i) if to.is_multicast() => Effect::Link(i, packet),
            _ => Effect::Unicast(packet),
        });
    }

    fn of_pim(&mut self, now: Instant, output: Output<A>, effects: &mut Vec<Effect>) {
        match output {
            Output::Datagram { interface, from, to, octets } => Self::datagram(interface, from, to, &octets, effects),
            Output::Forward { interfaces, packet } => {
                let Some(packet) = packet::aged(&packet) else { return };
                effects.extend(interfaces.into_iter().map(|i| Effect::Link(i, packet.clone())));
            }
            Output::Program(op) => {
                match op {
                    FwdOp::SetMroute { key, mroute, .. } => drop(self.mroutes.insert(key, (mroute, 0))),
                    FwdOp::ClearMroute { key, .. } => drop(self.mroutes.remove(&key)),
                    _ => {}
                }
                effects.push(Effect::Program(op));
            }
            Output::Track(address) => {
                let route = self.route(address);
                self.pim.handle_input(now, Input::Route { address, route });
            }
            Output::Untrack(_) => {}
            Output::Event(event) => {
                self.tell_bsr(now, event);
                effects.push(Effect::Event(json!({"event": "pim", "what": format!("{event:?}")})));
            }
        }
    }

    /// BSR learns of neighbours.
    fn tell_bsr(&mut self, now: Instant, event: PimEvent<A>) {
        let (interface, neighbor, present) = match event {
            PimEvent::NeighborUp { interface, neighbor } | PimEvent::NeighborRestarted { interface, neighbor } => {
                (interface, neighbor, true)
            }
            PimEvent::NeighborDown { interface, neighbor } => (interface, neighbor, false),
            _ => return,
        };
        let dr = self.pim.dr(interface);
        let mine = self.pim.address(interface);
        let prime = dr == mine || dr == Some(neighbor);
        self.bsr.handle_input(now, bsr::Input::Neighbor { interface, neighbor, present, prime });
    }

    fn of_bsr(&mut self, now: Instant, output: bsr::Output<A>, effects: &mut Vec<Effect>) {
        match output {
            bsr::Output::Datagram { interface, from, to, octets } => {
                Self::datagram(interface, from, to, &octets, effects)
            }
            bsr::Output::Mapping { range, mode, hash_mask_len, candidates } => {
                self.pim.update_rp_set(now, |set| set.set_learnt(range, mode, hash_mask_len, &candidates));
                let rps: Vec<String> = candidates.iter().map(|c| c.address.to_string()).collect();
                effects.push(Effect::Event(json!({"event": "rp-set", "range": range.to_string(), "rps": rps})));
            }
            bsr::Output::Track(address) => {
                // On a link of ours the address is its own neighbour.
                let neighbor = self.route(address).and_then(|r| self.pim.neighbor_with(r.interface, r.next_hop?));
                let neighbor =
                    neighbor.or_else(|| self.pim.link_of(address).and_then(|i| self.pim.neighbor_with(i, address)));
                self.bsr.handle_input(now, bsr::Input::Rpf { address, neighbor });
            }
            bsr::Output::Untrack(_) => {}
            bsr::Output::Event(event) => {
                effects.push(Effect::Event(json!({"event": "bsr", "what": format!("{event:?}")})));
            }
        }
    }

    /// What an operator sees of the family.
    pub(super) fn show(&self, interfaces: u32) -> Value {
        let text = |a: A| a.to_string();
        let each = (1..=interfaces).map(IfIndex).map(|i| {
            json!({
                "neighbors": self.pim.neighbors(i).map(text).collect::<Vec<_>>(),
                "dr": self.pim.dr(i).map(text),
                "querier": self.gmp.querier(i).map(text),
                "groups": self.gmp.groups(i).map(text).collect::<Vec<_>>(),
                "asserts": self.pim.assert_winners(i).map(|(group, source, winner)| {
                    json!({"group": text(group), "source": source.map(text), "winner": text(winner)})
                }).collect::<Vec<_>>(),
            })
        });
        let mroutes = self.mroutes.iter().map(|(key, (mroute, packets))| {
            let (source, group) = A::of_mroute_key(*key).unzip();
            json!({
                "group": group.map(text),
                "source": source.flatten().map(text),
                "from": format!("{:?}", mroute.rpf),
                "register": mroute.register,
                "copies": mroute.replication.is_some(),
                "packets": packets,
            })
        });
        json!({
            "interfaces": each.collect::<Vec<_>>(),
            "mroutes": mroutes.collect::<Vec<_>>(),
            "bsr": self.bsr.bsr(Zone::Global).map(text),
            "states": self.pim.states(),
        })
    }
}
