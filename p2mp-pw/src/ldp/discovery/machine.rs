//! Hellos that are sent, and adjacencies.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::super::message::{Hello, HelloFlags, Message, MessageBody};
use super::super::session::ConfigError;
use super::super::tlv::{Tlv, TlvValue};
use super::super::{DualStack, LdpId, Pdu};
use super::authentication::Authenticator;
use super::io::{
    Adjacency, AdjacencyId, DiscoveryConfig, DiscoveryCounters, Event, HelloTarget, Input, InterfaceAddresses, Output,
};

/// The timers of discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The next Hello.
    Hello(HelloTarget),
    /// No Hello of the peer for the hold time.
    Hold(AdjacencyId),
}

/// Why Targeted Hellos are sent to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reason {
    /// The operator wants it.
    pub(super) configured: bool,
    /// The peer asked for it, as long as its Hellos come.
    pub(super) requested: bool,
}

/// Sends Hellos on links and to targets, and keeps adjacencies with who answers.
///
/// ```
/// use fwd_core::net::IfIndex;
/// use fwd_core::time::Instant;
/// use p2mp_pw::ldp::LdpId;
/// use p2mp_pw::ldp::discovery::{Discovery, DiscoveryConfig, Input, InterfaceAddresses, Output};
///
/// let now = Instant::from_secs(1);
/// let mut lsrs = [1, 2].map(|n: u8| {
///     let mut config = DiscoveryConfig::new(LdpId::platform([192, 0, 2, n].into()));
///     config.transport_v4 = Some([192, 0, 2, n].into());
///     let mut lsr = Discovery::new(now, config).unwrap();
///     let addresses = InterfaceAddresses { v4: Some([198, 51, 100, n].into()), v6: None };
///     lsr.set_interface(now, IfIndex(7), Some(addresses));
///     lsr
/// });
/// let Some(Output::Datagram { from, ttl, octets, .. }) = lsrs[0].poll_output() else { panic!() };
/// lsrs[1].poll_output();
/// let hello = Input::Datagram { from, iface: IfIndex(7), to_all_routers: true, ttl, octets: &octets };
/// lsrs[1].handle_input(now, hello);
/// let Some(Output::Up(adjacency)) = lsrs[1].poll_output() else { panic!() };
/// assert_eq!(adjacency.transport, core::net::IpAddr::from([192, 0, 2, 1]));
/// ```
#[derive(Clone, Debug)]
pub struct Discovery {
    pub(super) config: DiscoveryConfig,
    sequence: u32,
    next_id: u32,
    pub(super) interfaces: BTreeMap<IfIndex, InterfaceAddresses>,
    pub(super) targets: BTreeMap<IpAddr, Reason>,
    pub(super) adjacencies: BTreeMap<AdjacencyId, Adjacency>,
    /// The hold time that was agreed on.
    pub(super) hold: BTreeMap<AdjacencyId, Duration>,
    families: BTreeMap<LdpId, [u32; 2]>,
    pub(super) timers: Timers<Timer>,
    /// Hellos that are due, written when they are polled.
    due: BTreeSet<HelloTarget>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: DiscoveryCounters,
    pub(super) full_since: Option<Instant>,
    pub(super) authenticator: Option<Authenticator>,
    pub(super) unauthenticated_since: Option<Instant>,
    keys_told: Option<Instant>,
    /// The time of the last timeout or input.
    now: Instant,
}

impl Discovery {
    /// Discovery without interfaces and targets.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(now: Instant, config: DiscoveryConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            authenticator: config.authentication.clone().map(Authenticator::new),
            unauthenticated_since: None,
            keys_told: None,
            now,
            config,
            sequence: 1,
            next_id: 1,
            interfaces: BTreeMap::new(),
            targets: BTreeMap::new(),
            adjacencies: BTreeMap::new(),
            hold: BTreeMap::new(),
            families: BTreeMap::new(),
            timers: Timers::new(),
            due: BTreeSet::new(),
            outputs: VecDeque::new(),
            counters: DiscoveryCounters::default(),
            full_since: None,
        })
    }

    /// Runs LDP on an interface, with other addresses, or no more.
    pub fn set_interface(&mut self, now: Instant, iface: IfIndex, addresses: Option<InterfaceAddresses>) {
        let before = self.interfaces.remove(&iface).unwrap_or_default();
        let after = addresses.unwrap_or_default();
        if let Some(addresses) = addresses {
            self.interfaces.insert(iface, addresses);
        }
        let (v4, v6) = (self.config.transport_v4.is_some(), self.config.transport_v6.is_some());
        // IPv6 first: where both families work, sessions over IPv6 are preferred (RFC 7552 §6.1).
        for (ipv6, was, is) in [
            (true, before.v6.is_some() && v6, after.v6.is_some() && v6),
            (false, before.v4.is_some() && v4, after.v4.is_some() && v4),
        ] {
            let target = HelloTarget::Link { iface, ipv6 };
            if is && !was {
                self.timers.set(Timer::Hello(target), now);
            } else if was && !is {
                self.stop(target);
            }
        }
        self.handle_timeout(now);
    }

    /// Sends Targeted Hellos to an address, or no more (RFC 5036 §2.4.2).
    ///
    /// # Errors
    /// A link-local or group address (RFC 7552 §5.2), or one of a family without transport address.
    pub fn set_target(&mut self, now: Instant, address: IpAddr, wanted: bool) -> Result<(), ConfigError> {
        let refuse = |rule| Err(ConfigError::Address { field: "target", value: address, rule });
        let local = matches!(address, IpAddr::V6(a) if a.is_unicast_link_local());
        if local || address.is_multicast() || address.is_unspecified() {
            return refuse("a unicast address that is not link-local (RFC 7552 §5.2)");
        }
        if self.local_transport(address.is_ipv6()).is_none() {
            return refuse("of a family for which there is a transport address");
        }
        let reason = self.targets.entry(address).or_default();
        reason.configured = wanted;
        let target = HelloTarget::Targeted(address);
        if wanted {
            self.timers.set(Timer::Hello(target), now);
        } else if !reason.requested {
            self.targets.remove(&address);
            self.stop(target);
        }
        self.handle_timeout(now);
        Ok(())
    }

    /// Says in Hellos that the configuration changed: peers that were refused try again at once (RFC 5036 §3.5.2.1).
    pub fn reconfigured(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// The sequence number of the last authenticated Hello from an address. Hellos that are not authenticated are not taken from there.
    #[must_use]
    pub fn hello_sequence(&self, from: IpAddr) -> Option<u64> {
        self.authenticator.as_ref()?.heard(from)
    }

    /// Forgets that sequence number: another router has the address now, or its numbers began anew (RFC 7349 §7).
    pub fn forget_hello_sequence(&mut self, from: IpAddr) {
        if let Some(authenticator) = &mut self.authenticator {
            authenticator.forget(from);
        }
    }

    /// Takes a datagram.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        let Input::Datagram { from, iface, to_all_routers, ttl, octets } = input;
        match self.receive(now, from, iface, (to_all_routers, ttl), octets) {
            Ok(()) => self.counters.accepted = self.counters.accepted.saturating_add(1),
            Err(refusal) => {
                if let Some(count) = self.counters.refused.get_mut(refusal as usize) {
                    *count = count.saturating_add(1);
                }
            }
        }
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Hello(target) => {
                    self.due.insert(target);
                    self.timers.set(Timer::Hello(target), now + self.interval(target));
                }
                Timer::Hold(id) => self.lose(id),
            }
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let target = self.due.pop_first()?;
            if let Some(hello) = self.hello(target) {
                return Some(hello);
            }
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and changes of the configuration change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// The adjacencies with a peer.
    pub fn adjacencies(&self) -> impl Iterator<Item = &Adjacency> {
        self.adjacencies.values()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &DiscoveryCounters {
        &self.counters
    }

    pub(super) fn local_transport(&self, ipv6: bool) -> Option<IpAddr> {
        if ipv6 { self.config.transport_v6.map(IpAddr::V6) } else { self.config.transport_v4.map(IpAddr::V4) }
    }

    pub(super) const fn proposed_hold(&self, target: HelloTarget) -> Duration {
        match target {
            HelloTarget::Link { .. } => self.config.link_hold,
            HelloTarget::Targeted(_) => self.config.targeted_hold,
        }
    }

    /// A third of the shortest hold time that was agreed on over this target.
    fn interval(&self, target: HelloTarget) -> Duration {
        let proposed = self.proposed_hold(target);
        let agreed = self.hold.range(AdjacencyId::over(target)).map(|(_, hold)| *hold);
        agreed.fold(proposed, Duration::min) / 3
    }

    pub(super) fn stop(&mut self, target: HelloTarget) {
        self.timers.clear(Timer::Hello(target));
        self.due.remove(&target);
        let lost: Vec<AdjacencyId> = self.adjacencies.range(AdjacencyId::over(target)).map(|(id, _)| *id).collect();
        for id in lost {
            self.timers.clear(Timer::Hold(id));
            self.lose(id);
        }
    }

    /// An adjacency is over; Targeted Hellos that the peer asked for end with it.
    pub(super) fn lose(&mut self, id: AdjacencyId) {
        self.hold.remove(&id);
        if let Some(lost) = self.adjacencies.remove(&id) {
            self.outputs.push_back(Output::Down(id));
            self.count_family(&lost, false);
        }
        let HelloTarget::Targeted(address) = id.target else { return };
        let Some(reason) = self.targets.get_mut(&address) else { return };
        reason.requested = false;
        if !reason.configured {
            self.targets.remove(&address);
            self.timers.clear(Timer::Hello(id.target));
            self.due.remove(&id.target);
        }
    }

    /// Keeps the number of a peer's adjacencies by family: IPv4, IPv6. The numbers afterwards.
    pub(super) fn count_family(&mut self, adjacency: &Adjacency, more: bool) -> [u32; 2] {
        let families = self.families.entry(adjacency.id.peer).or_default();
        let [v4, v6] = families;
        let count = if adjacency.source.is_ipv6() { v6 } else { v4 };
        *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
        let families = *families;
        if families == [0, 0] {
            self.families.remove(&adjacency.id.peer);
        }
        families
    }

    pub(super) fn too_many(&mut self, now: Instant) {
        if self.full_since.is_none_or(|at| at + Duration::from_secs(1) <= now) {
            self.full_since = Some(now);
            self.outputs.push_back(Output::Event(Event::TooMany));
        }
    }

    fn tell_of_keys(&mut self, event: Event) {
        if self.keys_told.is_none_or(|at| at + Duration::from_secs(60) <= self.now) {
            self.keys_told = Some(self.now);
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Writes a Hello.
    fn hello(&mut self, target: HelloTarget) -> Option<Output> {
        let (from, ttl, flags) = self.origin(target)?;
        let mut optional = self.parameters(from)?;
        let authenticated = match &mut self.authenticator {
            Some(authenticator) => match authenticator.prepare(self.now, from) {
                Ok(unsigned) => Some(unsigned),
                Err(_) => {
                    self.tell_of_keys(Event::NoKey);
                    return None;
                }
            },
            None => None,
        };
        let key = authenticated.map(|unsigned| {
            if unsigned.expired {
                self.tell_of_keys(Event::LastKeyExpired);
            }
            // The last one: its digest ends the message.
            optional.push(unsigned.tlv);
            unsigned.key
        });
        let hold_time = u16::try_from(self.proposed_hold(target).as_secs()).unwrap_or(u16::MAX);
        let body = MessageBody::Hello(Hello { hold_time, flags, optional });
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        let mut octets = Vec::new();
        Pdu::emit(self.config.local, &[Message { id, body }], &mut octets);
        if let Some((authenticator, key)) = self.authenticator.as_ref().zip(key) {
            authenticator.sign(key, &mut octets);
        }
        self.counters.sent = self.counters.sent.saturating_add(1);
        Some(Output::Datagram { to: target, from, ttl, octets })
    }

    /// Source, TTL and flags of a Hello.
    fn origin(&self, target: HelloTarget) -> Option<(IpAddr, u8, HelloFlags)> {
        let mut flags = HelloFlags::empty();
        flags.set(HelloFlags::GTSM, self.config.gtsm);
        let (from, ttl) = match target {
            HelloTarget::Link { iface, ipv6 } => {
                let addresses = self.interfaces.get(&iface)?;
                // IPv6 Link Hellos have hop limit 255 (RFC 7552 §5.1).
                if ipv6 { (IpAddr::V6(addresses.v6?), 255) } else { (IpAddr::V4(addresses.v4?), 1) }
            }
            HelloTarget::Targeted(address) => {
                flags |= HelloFlags::TARGETED;
                // Who was asked only answers (RFC 5036 §3.5.2).
                let configured = self.targets.get(&address)?.configured;
                flags.set(HelloFlags::REQUEST, configured);
                (self.local_transport(address.is_ipv6())?, 255)
            }
        };
        Some((from, ttl, flags))
    }

    /// The optional parameters of a Hello from this address.
    fn parameters(&self, from: IpAddr) -> Option<Vec<Tlv>> {
        let transport = self.local_transport(from.is_ipv6())?;
        let sequence = TlvValue::ConfigurationSequence(self.sequence);
        let mut optional = vec![Tlv::new(TlvValue::TransportAddress(transport)), Tlv::new(sequence)];
        if self.config.transport_v4.is_some() && self.config.transport_v6.is_some() {
            let preference = DualStack { preference: self.config.preference };
            optional.push(Tlv::new(TlvValue::DualStack(preference)));
        }
        Some(optional)
    }
}
