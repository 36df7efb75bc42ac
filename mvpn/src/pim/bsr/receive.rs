//! The checks and effects of received messages (RFC 5059 §3.1.3, §3.1.4, §3.3).

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::fsm::{BsrEvent, BsrState};
use super::zone::{Advertised, Zone, ZoneAddress, ZoneState};
use super::{BsrReject, BsrRouter, Input, Timer};
use crate::pim::rp_set::RpMode;
use crate::pim::wire::{Bootstrap, CandidateRpAdvertisement, EncodedGroup, GroupFlags, Message, MessageType};

/// Messages that may wait for RPF_neighbor of their BSR.
const WAITING: usize = 16;

impl<A: ZoneAddress> BsrRouter<A> {
    /// Takes an input. It never fails: what a peer does wrong becomes an event.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_, A>) {
        self.now = now;
        match input {
            Input::Datagram { interface, from, to, octets } => self.datagram(interface, from, to, octets),
            Input::Neighbor { interface, neighbor, present, prime } => {
                self.neighbor(interface, neighbor, present, prime);
            }
            Input::Rpf { address, neighbor } => self.rpf_told(address, neighbor),
        }
        self.settle_tracking();
    }

    fn neighbor(&mut self, interface: IfIndex, neighbor: A, present: bool, prime: bool) {
        let Some(i) = self.interfaces.get_mut(&interface) else { return };
        if !present {
            i.neighbors.remove(&neighbor);
            return;
        }
        let first = i.neighbors.is_empty();
        i.neighbors.insert(neighbor);
        if prime {
            // Our triggered Hello goes out within Triggered_Hello_Delay: only then are we its neighbour.
            self.timers.set(Timer::Prime(interface), self.now + core::time::Duration::from_secs(5));
        }
        if first {
            self.advertise_soon();
        }
    }

    fn datagram(&mut self, interface: IfIndex, from: A, to: A, octets: &[u8]) {
        let kind = octets.first().map(|o| MessageType(o & 0x0f));
        if !matches!(kind, Some(MessageType::BOOTSTRAP | MessageType::CANDIDATE_RP_ADVERTISEMENT)) {
            return;
        }
        if !self.take_token() {
            return self.reject(BsrReject::Rate, from);
        }
        match Message::parse(octets, from.into(), to.into()) {
            Ok(Message::Bootstrap(message)) => self.bootstrap(interface, from, to, message),
            Ok(Message::CandidateRpAdvertisement(message)) => self.advertisement(from, &message),
            _ => self.reject(BsrReject::Malformed, from),
        }
    }

    fn take_token(&mut self) -> bool {
        let (tokens, at) = &mut self.tokens;
        let most = self.config.limits.messages_per_second;
        let micros = u64::try_from((self.now - *at).as_micros()).unwrap_or(u64::MAX);
        let earned = micros.saturating_mul(u64::from(most)) / 1_000_000;
        if earned > 0 {
            *tokens = tokens.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(most);
            *at = self.now;
        }
        let left = tokens.checked_sub(1);
        *tokens = left.unwrap_or(0);
        left.is_some()
    }

    /// The checks of §3.1.3, up to RPF.
    fn bootstrap(&mut self, interface: IfIndex, from: A, to: A, message: Bootstrap) {
        let Some(i) = self.interfaces.get(&interface) else { return };
        let Some(bsr) = A::from_ip(message.bsr).filter(A::is_host) else {
            return self.reject(BsrReject::Malformed, from);
        };
        if !i.neighbors.contains(&from) {
            return self.reject(BsrReject::NotNeighbor, from);
        }
        let Some(zone) = zone_of::<A>(&message) else { return self.reject(BsrReject::Zone, from) };
        if i.is_border(zone) {
            return self.reject(BsrReject::Border, from);
        }
        let unicast = to != A::ALL_PIM_ROUTERS;
        if unicast && !(self.config.unicast && to == i.config.address) {
            return;
        }
        // Our own message, on its way around.
        if self.zones.values().any(|z| z.candidate.is_some_and(|c| c.address == bsr)) {
            return;
        }
        if message.no_forward || unicast {
            let accepted = self.zones.get(&zone).is_some_and(|z| z.accepted);
            if accepted || self.now > self.started + self.config.timers.period {
                return self.reject(BsrReject::NotStarting, from);
            }
            return self.checked(zone, from, bsr, message, false);
        }
        match self.rpf.get(&bsr) {
            Some(Some(neighbor)) if *neighbor == Some(from) => self.checked(zone, from, bsr, message, true),
            Some(Some(_)) => self.reject(BsrReject::Rpf, from),
            _ if self.waiting.len() < WAITING => self.waiting.push_back((interface, from, message)),
            _ => self.reject(BsrReject::Limit, from),
        }
    }

    fn rpf_told(&mut self, address: A, neighbor: Option<A>) {
        if let Some(known) = self.rpf.get_mut(&address) {
            *known = Some(neighbor);
        }
        let waiting = core::mem::take(&mut self.waiting);
        for (interface, from, message) in waiting {
            self.bootstrap(interface, from, A::ALL_PIM_ROUTERS, message);
        }
    }

    /// A message that passed the checks: the event that it is (§3.1.4).
    fn checked(&mut self, zone: Zone<A>, from: A, bsr: A, message: Bootstrap, forward: bool) {
        if !self.zones.contains_key(&zone) && self.zones.len() >= self.config.limits.zones {
            return self.reject(BsrReject::Limit, from);
        }
        let state = self.zones.entry(zone).or_insert_with(|| ZoneState::new(false));
        let weight = (message.priority, bsr);
        let event = classify(state, weight);
        let Some(event) = event else { return };
        if event == BsrEvent::Preferred {
            state.accepted = true;
        }
        self.run(zone, event, Some((weight, message, forward)));
    }

    /// A Candidate-RP-Advertisement: ranges of zones whose elected BSR we are.
    pub(super) fn advertisement(&mut self, from: A, message: &CandidateRpAdvertisement) {
        let Some(rp) = A::from_ip(message.rp).filter(A::is_host) else {
            return self.reject(BsrReject::Malformed, from);
        };
        let all = [super::message::encoded::<A>(&A::ALL_GROUPS, RpMode::Sparse, false)];
        // RFC 5059 §3.3: no range stands for all groups.
        let groups: &[EncodedGroup] = if message.groups.is_empty() { &all } else { &message.groups };
        for group in groups {
            let Some(range) = range_of::<A>(group) else {
                self.reject(BsrReject::Malformed, from);
                continue;
            };
            let Some(zone) = self.containing(&range) else { continue };
            let mode = mode_of(group);
            let advertised = Advertised { priority: message.priority, holdtime: message.holdtime, mode };
            self.advertised(zone, from, range, rp, advertised);
        }
    }

    /// The narrowest zone that holds a range and whose elected BSR we are.
    fn containing(&self, range: &A::Prefix) -> Option<Zone<A>> {
        let holds = |zone: &Zone<A>| match zone {
            Zone::Global => true,
            Zone::Scoped(z) => A::zone_contains(z, range),
        };
        let len = |zone: &Zone<A>| match zone {
            Zone::Global => 0,
            Zone::Scoped(z) => A::prefix_len(z),
        };
        let narrowest = self.zones.iter().filter(|(zone, _)| holds(zone)).max_by_key(|(zone, _)| len(zone))?;
        (narrowest.1.state == BsrState::Elected).then_some(*narrowest.0)
    }

    fn advertised(&mut self, zone: Zone<A>, from: A, range: A::Prefix, rp: A, advertised: Advertised) {
        let limits = self.config.limits;
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let timer = Timer::Candidate(zone, range, rp);
        if advertised.holdtime == 0 {
            self.timers.clear(timer);
            return self.candidate_gone(zone, range, rp);
        }
        let full = !state.candidates.contains_key(&range) && state.candidates.len() >= limits.ranges;
        let rps = state.candidates.get(&range);
        if full || rps.is_some_and(|rps| !rps.contains_key(&rp) && rps.len() >= limits.rps) {
            return self.reject(BsrReject::Limit, from);
        }
        let old = state.candidates.entry(range).or_default().insert(rp, advertised);
        state.withdrawn.remove(&range);
        let holdtime = core::time::Duration::from_secs(u64::from(advertised.holdtime));
        self.timers.set(timer, self.now + holdtime);
        if old != Some(advertised) {
            self.originate_soon(zone);
        }
    }
}

/// The event that a message is.
fn classify<A: ZoneAddress>(state: &ZoneState<A>, weight: (u8, A)) -> Option<BsrEvent> {
    let own = state.own_weight();
    let current = match state.state {
        BsrState::Pending | BsrState::Elected => own,
        _ => state.bsr,
    };
    let from_current = state.bsr.is_some_and(|(_, address)| address == weight.1);
    Some(match state.state {
        BsrState::NoInfo | BsrState::AcceptAny => BsrEvent::Preferred,
        BsrState::Candidate if from_current && own.is_some_and(|own| weight < own) => BsrEvent::NonPreferredFromElected,
        BsrState::Candidate | BsrState::AcceptPreferred if from_current => BsrEvent::Preferred,
        _ if current.is_none_or(|current| weight >= current) => BsrEvent::Preferred,
        _ => BsrEvent::NonPreferred,
    })
}

/// The zone of a message; `None` if its first range names none.
fn zone_of<A: ZoneAddress>(message: &Bootstrap) -> Option<Zone<A>> {
    match message.groups.first() {
        Some(first) if first.group.flags().contains(GroupFlags::ADMIN_SCOPE_ZONE) => {
            range_of::<A>(&first.group).and_then(|range| A::zone(&range)).map(Zone::Scoped)
        }
        _ => Some(Zone::Global),
    }
}

/// The range of an encoded group: of this family, and of groups.
pub(super) fn range_of<A: ZoneAddress>(group: &EncodedGroup) -> Option<A::Prefix> {
    let address = A::from_ip(group.addr()).filter(A::is_multicast)?;
    let range = address.prefix(group.mask_len())?;
    (A::prefix_len(&range) >= A::prefix_len(&A::ALL_GROUPS)).then_some(range)
}

pub(super) fn mode_of(group: &EncodedGroup) -> RpMode {
    if group.flags().contains(GroupFlags::BIDIRECTIONAL) { RpMode::Bidir } else { RpMode::Sparse }
}
