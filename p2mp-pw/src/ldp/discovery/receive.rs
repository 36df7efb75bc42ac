//! Hellos that are received (RFC 5036 §3.5.2.1, RFC 7552 §5, §6.1).

use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::super::message::{Hello, HelloFlags, MessageBody};
use super::super::tlv::TlvValue;
use super::super::{LdpId, Pdu, TransportPreference};
use super::authentication;
use super::io::{Adjacency, AdjacencyId, Event, HelloTarget, Output, Refusal};
use super::machine::{Discovery, Timer};

/// Hold times of Hellos that say 0 (RFC 5036 §3.5.2).
const LINK_HOLD: Duration = Duration::from_secs(15);
const TARGETED_HOLD: Duration = Duration::from_secs(45);

impl Discovery {
    pub(super) fn receive(
        &mut self,
        now: Instant,
        from: IpAddr,
        iface: IfIndex,
        (to_all_routers, ttl): (bool, u8),
        octets: &[u8],
    ) -> Result<(), Refusal> {
        // Malformed Hellos are dropped in silence (RFC 5036 §3.5.1.2.1).
        let (peer, hello) = parse(octets).ok_or(Refusal::Malformed)?;
        if peer == self.config.local {
            return Err(Refusal::Ours);
        }
        self.authenticate(now, from, octets, &hello)?;
        let target = if hello.flags.contains(HelloFlags::TARGETED) {
            HelloTarget::Targeted(from)
        } else {
            HelloTarget::Link { iface, ipv6: from.is_ipv6() }
        };
        match target {
            HelloTarget::Link { .. } => self.check_link(from, iface, to_all_routers, ttl)?,
            HelloTarget::Targeted(_) => self.check_targeted(from, to_all_routers, &hello)?,
        }
        let local_transport = self.local_transport(from.is_ipv6()).ok_or(Refusal::Transport)?;
        let transport = hello.transport_address(from.is_ipv6()).unwrap_or(from);
        if transport.is_multicast() || transport.is_unspecified() || transport == local_transport {
            return Err(Refusal::Transport);
        }
        // A targeted Hello's IPv6 transport address must be global (RFC 7552 §6.1).
        let link_local = matches!(transport, IpAddr::V6(a) if a.is_unicast_link_local());
        if link_local && matches!(target, HelloTarget::Targeted(_)) {
            return Err(Refusal::Transport);
        }
        let id = AdjacencyId { target, peer };
        if !self.adjacencies.contains_key(&id) && self.adjacencies.len() >= self.config.max_adjacencies {
            self.too_many(now);
            return Err(Refusal::TooMany);
        }
        let adjacency = Adjacency {
            id,
            transport,
            local_transport,
            source: from,
            configuration_sequence: configuration_sequence(&hello),
            gtsm: hello.flags.contains(HelloFlags::GTSM),
            preference: preference(&hello),
        };
        self.answer_request(now, from, &hello);
        self.keep(now, adjacency, &hello);
        Ok(())
    }

    fn authenticate(&mut self, now: Instant, from: IpAddr, octets: &[u8], hello: &Hello) -> Result<(), Refusal> {
        let most = self.config.max_adjacencies;
        let verdict = match &mut self.authenticator {
            Some(authenticator) => authenticator.verify(now, from, (octets, hello), most),
            None if authentication::of(hello).is_some() => Err(Refusal::Unauthenticated),
            None => Ok(()),
        };
        match verdict {
            Err(Refusal::TooMany) => self.too_many(now),
            Err(refusal) if self.unauthenticated_since.is_none_or(|at| at + Duration::from_secs(1) <= now) => {
                self.unauthenticated_since = Some(now);
                self.outputs.push_back(Output::Event(Event::Unauthenticated(from, refusal)));
            }
            _ => {}
        }
        verdict
    }

    fn check_link(&self, from: IpAddr, iface: IfIndex, to_all_routers: bool, ttl: u8) -> Result<(), Refusal> {
        let addresses = self.interfaces.get(&iface).ok_or(Refusal::Link)?;
        let ok = match from {
            IpAddr::V4(_) => addresses.v4.is_some(),
            // RFC 7552 §5.1: from a link-local address, over one hop.
            IpAddr::V6(a) => addresses.v6.is_some() && a.is_unicast_link_local() && ttl == 255,
        };
        if ok && to_all_routers { Ok(()) } else { Err(Refusal::Link) }
    }

    fn check_targeted(&self, from: IpAddr, to_all_routers: bool, hello: &Hello) -> Result<(), Refusal> {
        let link_local = matches!(from, IpAddr::V6(a) if a.is_unicast_link_local());
        let known = self.targets.contains_key(&from);
        let asked = self.config.accept_targeted && hello.flags.contains(HelloFlags::REQUEST);
        if to_all_routers || link_local || !(known || asked) { Err(Refusal::Targeted) } else { Ok(()) }
    }

    /// Who asks for Targeted Hellos gets them, if that is configured, as long as its own come.
    fn answer_request(&mut self, now: Instant, from: IpAddr, hello: &Hello) {
        if !hello.flags.contains(HelloFlags::TARGETED | HelloFlags::REQUEST) || !self.config.accept_targeted {
            return;
        }
        let reason = self.targets.entry(from).or_default();
        let begins = !reason.configured && !reason.requested;
        reason.requested = true;
        if begins {
            self.timers.set(Timer::Hello(HelloTarget::Targeted(from)), now);
            self.handle_timeout(now);
        }
    }

    fn keep(&mut self, now: Instant, adjacency: Adjacency, hello: &Hello) {
        let id = adjacency.id;
        let proposed = match (hello.hold_time, id.target) {
            (0, HelloTarget::Link { .. }) => LINK_HOLD,
            (0, HelloTarget::Targeted(_)) => TARGETED_HOLD,
            (Hello::INFINITE, _) => Duration::MAX,
            (seconds, _) => Duration::from_secs(seconds.into()),
        };
        let hold = self.proposed_hold(id.target).min(proposed);
        let shorter = self.hold.insert(id, hold).is_none_or(|before| hold < before);
        self.timers.set(Timer::Hold(id), now + hold);
        match self.adjacencies.insert(id, adjacency) {
            None => {
                self.outputs.push_back(Output::Up(adjacency));
                self.check_dual_stack(&adjacency);
            }
            Some(before) if before != adjacency => self.outputs.push_back(Output::Changed(adjacency)),
            Some(_) => {}
        }
        if shorter {
            // Our Hellos must come in time for the shorter hold time.
            let next = self.timers.get(Timer::Hello(id.target));
            if let Some(next) = next.filter(|at| *at > now + hold / 3) {
                self.timers.set(Timer::Hello(id.target), next.min(now + hold / 3));
            }
        }
    }

    /// A peer from which Hellos of both families come must say its preference, and the same as we (RFC 7552 §6.1.1).
    fn check_dual_stack(&mut self, adjacency: &Adjacency) {
        let ours = self.config.transport_v4.is_some() && self.config.transport_v6.is_some();
        let families = self.count_family(adjacency, true);
        let agrees = adjacency.preference == Some(self.config.preference);
        if ours && !families.contains(&0) && !agrees {
            self.outputs.push_back(Output::Event(Event::DualStackNoncompliance(adjacency.id)));
        }
    }
}

fn parse(octets: &[u8]) -> Option<(LdpId, Hello)> {
    let pdu = Pdu::parse(octets).ok()?;
    let message = pdu.messages().next()?.ok()?.parse().ok()?;
    match message.body {
        MessageBody::Hello(hello) => Some((pdu.id, hello)),
        _ => None,
    }
}

fn configuration_sequence(hello: &Hello) -> Option<u32> {
    hello.optional.iter().find_map(|tlv| match tlv.value {
        TlvValue::ConfigurationSequence(n) => Some(n),
        _ => None,
    })
}

fn preference(hello: &Hello) -> Option<TransportPreference> {
    hello.optional.iter().find_map(|tlv| match tlv.value {
        TlvValue::DualStack(dual_stack) => Some(dual_stack.preference),
        _ => None,
    })
}
