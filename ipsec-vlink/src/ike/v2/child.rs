//! Child SAs: asked for, answered, installed, replaced (RFC 7296 §1.3.1, §1.3.3, §2.8, §2.9, §2.17, §2.23.1).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::time::Instant;

use super::super::child_sa::{ChildSa, ChildSaId, EspSuite, Mode, UdpEncapsulation};
use super::super::config::ChildConfig;
use super::super::context::VpnContext;
use super::super::crypto::{CryptoProvider, DhGroup, Secret};
use super::super::event::{Event, Output};
use super::super::fresh;
use super::super::header::{ExchangeType, Header};
use super::super::payload::v2::{Body, Sa};
use super::super::payload::{KeyExchange, Notify, NotifyType, PayloadType, ProtocolId, Selectors, Writer};
use super::super::selector::TrafficSelector;
use super::exchange::{notify, put};
use super::fsm::{ChildEvent, ChildState, State, child_transition};
use super::keys::child_keys;
use super::machine::{Ike, Timer};
use super::message::Message;
use super::proposal::{choose_esp, chosen_esp, esp_offer, esp_offers};
use super::sa::{Child, Collision, IkeSa, Larval, Request, Task};

/// The nonces that the keys of a Child SA are made of.
pub(super) struct Given<'a> {
    /// Of the initiator of the exchange.
    pub(super) ni: &'a [u8],
    /// Of the responder.
    pub(super) nr: &'a [u8],
    /// Whether the exchange is IKE_AUTH: then there is no group.
    pub(super) first: bool,
}

impl Given<'_> {
    /// The lower of the two nonces, which decides between two replacements at a time (RFC 7296 §2.8.1).
    fn lowest(&self) -> Vec<u8> {
        self.ni.min(self.nr).to_vec()
    }
}

/// What was agreed on.
struct Agreed {
    tag: u32,
    suite: EspSuite,
    mode: Mode,
    spi_in: u32,
    spi_out: u32,
    local: Vec<TrafficSelector>,
    remote: Vec<TrafficSelector>,
    context: Option<VpnContext>,
    label: Option<Vec<u8>>,
    replaces: Option<ChildSaId>,
    /// Whether we asked for it.
    initiator: bool,
}

/// What both lists select. `seen`: the address of a NAT's client as the rest of the network sees it, in place of which `theirs` have
/// another one.
fn intersections(ours: &[TrafficSelector], theirs: Selectors<'_>, seen: Option<IpAddr>) -> Vec<TrafficSelector> {
    let mut both: Vec<TrafficSelector> = Vec::new();
    // A payload holds at most 255 selectors; what we answer with is bounded too.
    for theirs in theirs.ranges().map(|theirs| seen.map_or(theirs, |seen| theirs.of_host_seen_as(seen))) {
        for ts in ours.iter().filter_map(|ours| ours.intersection(&theirs)) {
            if !both.contains(&ts) && both.len() < 64 {
                both.push(ts);
            }
        }
    }
    // What another one contains adds nothing.
    let all = both.clone();
    both.retain(|ts| !all.iter().any(|other| other != ts && other.intersection(ts) == Some(*ts)));
    both
}

/// What is left of our selectors, if it is enough. `seen`: with transport mode, the addresses of this end and of the other one where a NAT
/// is before it; packets have them, and the peer's selectors do not (RFC 7296 §2.23.1).
fn narrowed(
    config: &ChildConfig,
    [local, remote]: [Selectors<'_>; 2],
    seen: [Option<IpAddr>; 2],
) -> Option<[Vec<TrafficSelector>; 2]> {
    let both = [intersections(&config.local, local, seen[0]), intersections(&config.remote, remote, seen[1])];
    let whole = |ours: &[TrafficSelector], left: &[TrafficSelector]| ours.iter().all(|ts| left.contains(ts));
    let [l, r] = &both;
    let enough = if config.narrowing {
        !l.is_empty() && !r.is_empty()
    } else {
        whole(&config.local, l) && whole(&config.remote, r)
    };
    enough.then_some(both)
}

impl<P: CryptoProvider> Ike<P> {
    /// A fresh SPI for packets received (RFC 4303 §2.1: above 255).
    fn new_spi(&mut self) -> u32 {
        fresh::esp_spi(&mut self.provider, |spi| self.by_spi_in.contains_key(spi))
    }

    /// A Child SA in the making; `None`: there is no such child, or its group cannot be had.
    pub(super) fn larval(&mut self, sa: &IkeSa, tag: u32, replaces: Option<ChildSaId>, dh: bool) -> Option<Larval> {
        let group = self.peers.get(&sa.peer)?.child(tag)?.group.filter(|_| dh);
        let dh = group.map(|group| self.provider.dh_begin(group)).transpose().ok()?;
        Some(Larval { tag, spi: self.new_spi(), nonce: self.nonce(), dh, replaces })
    }

    /// Appends what asks for a Child SA, but for nonce and group.
    pub(super) fn put_child_request(&self, w: &mut Writer, sa: &IkeSa, larval: &Larval) {
        let Some(config) = self.peers.get(&sa.peer).and_then(|p| p.child(larval.tag)) else { return };
        if config.mode == Mode::Transport {
            notify(w, &Notify::new(NotifyType::USE_TRANSPORT_MODE, &[]));
        }
        let offers = esp_offers(&config.suites, larval.dh.as_ref().map(|dh| dh.group), larval.spi);
        w.put(PayloadType::SA, false, |out| Sa::write(&offers, out));
        if let Some(dh) = &larval.dh {
            put(w, &Body::Nonce(&larval.nonce));
            put(w, &Body::Ke(KeyExchange { group: dh.group, data: &dh.public }));
        }
        let label = config.label.as_deref();
        w.put(PayloadType::TS_I, false, |out| Selectors::write(&config.local, label, out));
        w.put(PayloadType::TS_R, false, |out| Selectors::write(&config.remote, label, out));
        self.put_context(w, sa, config.context.as_ref());
    }

    /// Says the VPN context, to a peer that knows what it is.
    fn put_context(&self, w: &mut Writer, sa: &IkeSa, context: Option<&VpnContext>) {
        if let Some(context) = context.filter(|_| sa.vpn_context) {
            let mut data = Vec::new();
            context.emit(&mut data);
            notify(w, &Notify::new(NotifyType::VPN_CONTEXT, &data));
        }
    }

    pub(super) fn request_child(&mut self, now: Instant, sa: &mut IkeSa, tag: u32, replaces: Option<ChildSaId>) {
        if !matches!(sa.state, State::Established) {
            return;
        }
        let Some(larval) = self.larval(sa, tag, replaces, true) else { return };
        let mut w = Writer::new();
        if let Some(old) = replaces.and_then(|old| self.children.get(&old)) {
            let spi = old.spi_in.to_be_bytes();
            notify(&mut w, &Notify { protocol: ProtocolId::ESP, spi: &spi, kind: NotifyType::REKEY_SA, data: &[] });
        }
        if larval.dh.is_none() {
            put(&mut w, &Body::Nonce(&larval.nonce));
        }
        self.put_child_request(&mut w, sa, &larval);
        self.request(now, sa, ExchangeType::CREATE_CHILD_SA, &w, Request::Create(larval));
    }

    pub(super) fn request_replacement(&mut self, now: Instant, sa: &mut IkeSa, child: ChildSaId) {
        let Some(old) = self.children.get_mut(&child).filter(|c| c.ike == sa.id) else { return };
        if sa.state != State::Established {
            return;
        }
        let Ok(state) = child_transition(old.state, ChildEvent::Replace) else { return };
        old.state = state;
        let tag = old.tag;
        self.request_child(now, sa, tag, Some(child));
    }

    /// The child that a request is for, and what is left of its selectors.
    fn child_asked_for(
        &self,
        sa: &IkeSa,
        message: &Message<'_>,
        replaces: Option<ChildSaId>,
        first: bool,
    ) -> Result<(ChildConfig, [Vec<TrafficSelector>; 2]), NotifyType> {
        let (Some(offer), Some(ts_i), Some(ts_r)) = (message.sa, message.ts_i, message.ts_r) else {
            return Err(NotifyType::INVALID_SYNTAX);
        };
        let peer = self.peers.get(&sa.peer).ok_or(NotifyType::TS_UNACCEPTABLE)?;
        let transport = message.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        let fits = |config: &ChildConfig| {
            if ts_i.label() != config.label.as_deref() || ts_r.label() != config.label.as_deref() {
                return Err(NotifyType::TS_UNACCEPTABLE);
            }
            let seen = sa.behind_nats(transport && config.mode == Mode::Transport);
            let both = narrowed(config, [ts_r, ts_i], seen).ok_or(NotifyType::TS_UNACCEPTABLE)?;
            let group = config.group.filter(|_| !first);
            match choose_esp(&offer, &config.suites, group) {
                Some(_) => Ok((config.clone(), both)),
                None => Err(NotifyType::NO_PROPOSAL_CHOSEN),
            }
        };
        if let Some(old) = replaces.and_then(|old| self.children.get(&old)) {
            return peer.child(old.tag).ok_or(NotifyType::TS_UNACCEPTABLE).and_then(fits);
        }
        if let Some(n) = message.notify(NotifyType::VPN_CONTEXT).filter(|_| sa.vpn_context) {
            let context = VpnContext::parse(n.data).map_err(|_| NotifyType::INVALID_SYNTAX)?;
            return peer.child_of(&context).ok_or(NotifyType::TS_UNACCEPTABLE).and_then(fits);
        }
        let mut why = NotifyType::TS_UNACCEPTABLE;
        // A mode that the peer did not ask for is the last choice (RFC 7296 §1.3.1).
        for other_mode in [false, true] {
            if other_mode && !transport {
                break;
            }
            let of_mode = |c: &&ChildConfig| ((c.mode == Mode::Transport) == transport) != other_mode;
            for config in peer.config.children.iter().filter(|c| c.context.is_none()).filter(of_mode) {
                match fits(config) {
                    Ok(found) => return Ok(found),
                    Err(NotifyType::NO_PROPOSAL_CHOSEN) => why = NotifyType::NO_PROPOSAL_CHOSEN,
                    Err(_) => {}
                }
            }
        }
        Err(why)
    }

    /// Answers a request for a Child SA: installs it, and appends the answer.
    pub(super) fn answer_child(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        message: &Message<'_>,
        w: &mut Writer,
        given: &Given<'_>,
    ) -> Result<(), NotifyType> {
        let replaces = self.replaced_by(sa, message)?;
        if sa.children.len() >= self.config.children_per_sa {
            return Err(NotifyType::NO_ADDITIONAL_SAS);
        }
        let (config, [local, remote]) = self.child_asked_for(sa, message, replaces, given.first)?;
        let group = config.group.filter(|_| !given.first);
        let offer = message.sa.ok_or(NotifyType::INVALID_SYNTAX)?;
        let chosen = choose_esp(&offer, &config.suites, group).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        let (suite, number, spi_out, _) = chosen;
        let (dh, shared) = self.exchange(group, message)?;
        let spi_in = self.new_spi();
        if config.mode == Mode::Transport {
            notify(w, &Notify::new(NotifyType::USE_TRANSPORT_MODE, &[]));
        }
        w.put(PayloadType::SA, false, |out| Sa::write(&[esp_offer(&suite, group, number, spi_in)], out));
        if !given.first {
            put(w, &Body::Nonce(given.nr));
        }
        if let (Some(group), Some(public)) = (group, &dh) {
            put(w, &Body::Ke(KeyExchange { group, data: public }));
        }
        let label = config.label.as_deref();
        w.put(PayloadType::TS_I, false, |out| Selectors::write(&remote, label, out));
        w.put(PayloadType::TS_R, false, |out| Selectors::write(&local, label, out));
        self.put_context(w, sa, config.context.as_ref());
        let agreed = Agreed {
            tag: config.tag,
            suite,
            mode: config.mode,
            spi_in,
            spi_out,
            local,
            remote,
            context: config.context.filter(|_| sa.vpn_context),
            label: config.label,
            replaces,
            initiator: false,
        };
        let new = self.install(now, sa, agreed, given, shared.as_ref()).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        if let Some(old) = replaces {
            self.replaced_by_peer(old, new, given);
        }
        Ok(())
    }

    /// The Child SA that a request replaces, if it says so.
    fn replaced_by(&self, sa: &IkeSa, message: &Message<'_>) -> Result<Option<ChildSaId>, NotifyType> {
        let Some(n) = message.notify(NotifyType::REKEY_SA) else { return Ok(None) };
        let spi = n.spi.try_into().map(u32::from_be_bytes).map_err(|_| NotifyType::INVALID_SYNTAX)?;
        let old = sa.children.get(&spi).copied().ok_or(NotifyType::CHILD_SA_NOT_FOUND)?;
        match self.children.get(&old).map(|c| c.state) {
            // RFC 7296 §2.25.1.
            Some(ChildState::Deleting | ChildState::RekeyedOld) | None => Err(NotifyType::TEMPORARY_FAILURE),
            Some(_) => Ok(Some(old)),
        }
    }

    /// Both halves of a new exchange, where there is one: our public value, and what is shared.
    fn exchange(
        &mut self,
        group: Option<DhGroup>,
        message: &Message<'_>,
    ) -> Result<(Option<Vec<u8>>, Option<Secret>), NotifyType> {
        let Some(group) = group else { return Ok((None, None)) };
        let ke = message.ke.filter(|ke| ke.group == group).ok_or(NotifyType::INVALID_KE_PAYLOAD)?;
        let dh = self.provider.dh_begin(group).map_err(|_| NotifyType::NO_PROPOSAL_CHOSEN)?;
        let shared = self.provider.dh_agree(&dh, ke.data).map_err(|_| NotifyType::INVALID_SYNTAX)?;
        Ok((Some(dh.public), Some(shared)))
    }

    /// The peer has replaced a Child SA; ours may be on its way too (RFC 7296 §2.8.1).
    fn replaced_by_peer(&mut self, old: ChildSaId, new: ChildSaId, given: &Given<'_>) {
        let Some(child) = self.children.get_mut(&old) else { return };
        if child.state == ChildState::Rekeying {
            child.collision = Some(Collision { successor: new, lowest: given.lowest() });
        } else if let Ok(state) = child_transition(child.state, ChildEvent::ReplacementUp) {
            child.state = state;
        }
        self.timers.clear(Timer::ReplaceChild(old));
    }

    /// Takes the answer to a request for a Child SA, in either exchange.
    pub(super) fn finish_child(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        message: &Message<'_>,
        larval: &Larval,
        given: &Given<'_>,
    ) {
        let refused = |this: &mut Self, sa: &IkeSa, why| {
            this.event(Event::ChildRefused { ike: sa.id, tag: Some(larval.tag), why });
        };
        let config = self.peers.get(&sa.peer).and_then(|p| p.child(larval.tag)).cloned();
        let (Some(config), Some(answer), Some(ts_i), Some(ts_r)) = (config, message.sa, message.ts_i, message.ts_r)
        else {
            let why = message.error().map_or(NotifyType::INVALID_SYNTAX, |n| n.kind);
            return refused(self, sa, why);
        };
        let group = larval.dh.as_ref().map(|dh| dh.group);
        let Some((suite, spi_out)) = chosen_esp(&answer, &config.suites, group) else {
            return refused(self, sa, NotifyType::NO_PROPOSAL_CHOSEN);
        };
        // From here on the peer has the SA: what we do not take must be deleted.
        let transport = message.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        let labels = [ts_i.label(), ts_r.label()];
        let fits = (config.mode == Mode::Transport) == transport && labels == [config.label.as_deref(); 2];
        let both = narrowed(&config, [ts_i, ts_r], sa.behind_nats(transport)).filter(|_| fits);
        let said = message.notify(NotifyType::VPN_CONTEXT).and_then(|n| VpnContext::parse(n.data).ok());
        let shared = match (&larval.dh, message.ke) {
            (Some(dh), Some(ke)) if ke.group == dh.group => self.provider.dh_agree(dh, ke.data).ok().map(Some),
            (Some(_), _) => None,
            (None, _) => Some(None),
        };
        let (Some([local, remote]), Some(shared)) = (both, shared) else {
            refused(self, sa, NotifyType::TS_UNACCEPTABLE);
            return sa.ask(Task::Drop(larval.spi));
        };
        if config.context.is_some() && said != config.context {
            self.event(Event::NoContext { ike: sa.id, tag: larval.tag });
            return sa.ask(Task::Drop(larval.spi));
        }
        let agreed = Agreed {
            tag: larval.tag,
            suite,
            mode: config.mode,
            spi_in: larval.spi,
            spi_out,
            local,
            remote,
            context: config.context,
            label: config.label,
            replaces: larval.replaces,
            initiator: true,
        };
        let new = self.install(now, sa, agreed, given, shared.as_ref());
        if let (Some(new), Some(old)) = (new, larval.replaces) {
            self.replaced_by_us(sa, old, new, given);
        }
    }

    /// We have replaced a Child SA: the old one goes, or, if the peer has replaced it too, that with the lowest nonce
    /// (RFC 7296 §2.8.1).
    fn replaced_by_us(&mut self, sa: &mut IkeSa, old: ChildSaId, new: ChildSaId, given: &Given<'_>) {
        let Some(child) = self.children.get_mut(&old) else {
            // The peer has deleted it: if it has replaced it too, it is ours that is redundant.
            let of_peer =
                |id: &&ChildSaId| **id != new && self.children.get(*id).is_some_and(|c| c.replaces == Some(old));
            if sa.children.values().any(|id| of_peer(&id)) {
                sa.ask(Task::DeleteChild(new));
            }
            return;
        };
        self.timers.clear(Timer::ReplaceChild(old));
        let collision = child.collision.take();
        if let Ok(state) = child_transition(child.state, ChildEvent::ReplacementUp) {
            child.state = state;
        }
        let ours_is_redundant = collision.as_ref().is_some_and(|theirs| given.lowest() < theirs.lowest);
        let goes = if ours_is_redundant { new } else { old };
        // Which of the two the peer keeps for sending is the peer's to say: it deletes the other one.
        sa.ask(Task::DeleteChild(goes));
    }

    pub(super) fn on_child_response(&mut self, now: Instant, sa: &mut IkeSa, message: &Message<'_>, larval: Larval) {
        if let Some(error) = message.error().filter(|_| message.sa.is_none()) {
            if let Some(child) = larval.replaces.and_then(|old| self.children.get_mut(&old)) {
                if let Ok(state) = child_transition(child.state, ChildEvent::ReplaceRefused) {
                    child.state = state;
                }
                if let Some(theirs) = child.collision.take() {
                    // The peer's replacement stands.
                    if let Ok(state) = child_transition(child.state, ChildEvent::ReplacementUp) {
                        child.state = state;
                    }
                    drop(theirs);
                    return;
                }
            }
            let again = larval.replaces.map_or(Task::Create(larval.tag), Task::RekeyChild);
            match (error.kind, larval.replaces) {
                (NotifyType::TEMPORARY_FAILURE, _) => self.put_off(now, sa, again),
                // The peer has none: ours goes (RFC 7296 §2.25.1).
                (NotifyType::CHILD_SA_NOT_FOUND, Some(old)) => {
                    self.remove_child(sa, old);
                    let mut others = sa.children.values().filter_map(|id| self.children.get(id));
                    // It may have replaced it, and deleted it since.
                    if !others.any(|c| c.tag == larval.tag) {
                        sa.ask(Task::Create(larval.tag));
                    }
                }
                (why, _) => self.event(Event::ChildRefused { ike: sa.id, tag: Some(larval.tag), why }),
            }
            return;
        }
        let Some(nonce) = message.good_nonce() else {
            let why = NotifyType::INVALID_SYNTAX;
            return self.event(Event::ChildRefused { ike: sa.id, tag: Some(larval.tag), why });
        };
        let nonce = nonce.to_vec();
        let ours = larval.nonce.clone();
        let given = Given { ni: &ours, nr: &nonce, first: false };
        self.finish_child(now, sa, message, &larval, &given);
    }

    pub(super) fn on_create_request(&mut self, now: Instant, sa: &mut IkeSa, header: &Header, message: &Message<'_>) {
        let of_ike = message.sa.is_some_and(|sa| sa.proposals().any(|p| p.protocol == ProtocolId::IKE));
        if of_ike {
            return self.on_successor_request(now, sa, header, message);
        }
        let busy = matches!(sa.state, State::Rekeying | State::Deleting | State::Replaced);
        let Some(nonce) = message.good_nonce() else {
            return self.refuse(sa, header, NotifyType::INVALID_SYNTAX, &[]);
        };
        if busy {
            // RFC 7296 §2.25.2.
            return self.refuse(sa, header, NotifyType::TEMPORARY_FAILURE, &[]);
        }
        let nonce_ours = self.nonce();
        let given = Given { ni: nonce, nr: &nonce_ours, first: false };
        let mut w = Writer::new();
        match self.answer_child(now, sa, message, &mut w, &given) {
            Ok(()) => self.respond(sa, header, &w),
            Err(why) => {
                let group = self.wanted_group(sa, message).unwrap_or(DhGroup::NONE).0.to_be_bytes();
                let data: &[u8] = if why == NotifyType::INVALID_KE_PAYLOAD { &group } else { &[] };
                self.refuse(sa, header, why, data);
                self.event(Event::ChildRefused { ike: sa.id, tag: None, why });
            }
        }
    }

    /// The group that a request should have had.
    fn wanted_group(&self, sa: &IkeSa, message: &Message<'_>) -> Option<DhGroup> {
        let replaces = self.replaced_by(sa, message).ok()?;
        self.child_asked_for(sa, message, replaces, false).ok()?.0.group
    }

    /// Makes the keys and hands the pair out.
    fn install(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        agreed: Agreed,
        given: &Given<'_>,
        shared: Option<&Secret>,
    ) -> Option<ChildSaId> {
        let d = &sa.keys.as_ref()?.d;
        let nonces = (given.ni, given.nr);
        let (i, r) = child_keys(&self.provider, sa.suite.prf, d, &agreed.suite, shared, nonces).ok()?;
        let (keys_out, keys_in) = if agreed.initiator { (i, r) } else { (r, i) };
        let id = ChildSaId(self.next_child);
        self.next_child = self.next_child.wrapping_add(1);
        let lifetime = self.peers.get(&sa.peer).and_then(|p| p.child(agreed.tag)).map(|c| c.lifetime)?;
        let soft_lifetime = self.jittered(lifetime);
        let encapsulation = sa.encapsulate.then_some(UdpEncapsulation { local: sa.local, remote: sa.remote });
        self.timers.set(Timer::ReplaceChild(id), now + soft_lifetime);
        sa.children.insert(agreed.spi_out, id);
        self.by_spi_in.insert(agreed.spi_in, id);
        self.counters.children += 1;
        self.children.insert(
            id,
            Child {
                ike: sa.id,
                tag: agreed.tag,
                state: ChildState::Installed,
                spi_in: agreed.spi_in,
                spi_out: agreed.spi_out,
                replaces: agreed.replaces,
                collision: None,
            },
        );
        self.outputs.push_back(Output::Install(Box::new(ChildSa {
            id,
            ike: sa.id,
            spi_in: agreed.spi_in,
            spi_out: agreed.spi_out,
            suite: agreed.suite,
            keys_in,
            keys_out,
            mode: agreed.mode,
            encapsulation,
            local: sa.local.ip(),
            remote: sa.remote.ip(),
            local_selectors: agreed.local,
            remote_selectors: agreed.remote,
            label: agreed.label,
            context: agreed.context,
            replaces: agreed.replaces,
            soft_lifetime,
            tag: agreed.tag,
        })));
        Some(id)
    }

    /// A Child SA is no more.
    pub(super) fn remove_child(&mut self, sa: &mut IkeSa, child: ChildSaId) {
        let Some((spi, ike)) = self.children.get(&child).map(|c| (c.spi_out, c.ike)) else { return };
        sa.children.remove(&spi);
        // It may have gone to the successor of the SA that was asked to delete it.
        if let Some(successor) = self.sas.get_mut(&ike) {
            successor.children.remove(&spi);
        }
        self.forget_child(child);
    }

    pub(super) fn forget_child(&mut self, child: ChildSaId) {
        let Some(gone) = self.children.remove(&child) else { return };
        self.by_spi_in.remove(&gone.spi_in);
        self.timers.clear(Timer::ReplaceChild(child));
        self.outputs.push_back(Output::Remove(child));
    }
}
