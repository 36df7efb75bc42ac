//! IKE SAs replaced (RFC 7296 §1.3.2, §2.8.2, §2.18), and cloned (RFC 7791).

use alloc::boxed::Box;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::child_sa::IkeSaId;
use super::super::config::IkeSuite;
use super::super::crypto::{CryptoProvider, Secret};
use super::super::event::Event;
use super::super::header::{ExchangeType, Header};
use super::super::payload::v2::{Body, Sa};
use super::super::payload::{KeyExchange, Notify, NotifyType, PayloadType, Writer};
use super::exchange::{notify, put};
use super::fsm::{SaEvent, State, transition};
use super::keys::{IkeKeys, Seed};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::proposal::{choose_ike, chosen_ike, ike_offer, ike_offers};
use super::sa::{Collision, IkeSa, Request, Successor, Target, Task};

/// What the keys of a successor are made of.
struct Made<'a> {
    suite: IkeSuite,
    shared: Secret,
    /// Of the initiator and of the responder of the exchange.
    nonces: (&'a [u8], &'a [u8]),
    spi_ours: u64,
    spi_theirs: u64,
    initiator: bool,
}

impl<P: CryptoProvider> Ike<P> {
    /// Asks for a successor, or, with the addresses that it is for if they are others, for a clone.
    pub(super) fn request_successor(&mut self, now: Instant, sa: &mut IkeSa, clone: Option<Option<Target>>) {
        let (clone, target) = (clone.is_some(), clone.flatten());
        if sa.state != State::Established || (clone && !sa.clones) {
            return;
        }
        let Some(suites) = self.peers.get(&sa.peer).map(|p| p.config.suites.clone()) else { return };
        // The group in use is one that the peer knows.
        let Ok(dh) = self.provider.dh_begin(sa.suite.group) else { return };
        let spi = self.random_spi();
        let successor = Successor { spi, nonce: self.nonce(), dh, clone, target };
        let mut offered: Vec<IkeSuite> = suites.into_iter().filter(|s| s.group == sa.suite.group).collect();
        offered.truncate(255);
        let mut w = Writer::new();
        if clone {
            notify(&mut w, &Notify::new(NotifyType::CLONE_IKE_SA, &[]));
        } else if let Ok(state) = transition(sa.state, SaEvent::Replace) {
            sa.state = state;
        }
        w.put(PayloadType::SA, false, |out| Sa::write(&ike_offers(&offered, Some(spi)), out));
        put(&mut w, &Body::Nonce(&successor.nonce));
        put(&mut w, &Body::Ke(KeyExchange { group: successor.dh.group, data: &successor.dh.public }));
        self.request(now, sa, ExchangeType::CREATE_CHILD_SA, &w, Request::Successor(Box::new(successor)));
    }

    pub(super) fn on_successor_request(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        header: &Header,
        message: &Message<'_>,
    ) {
        let mut w = Writer::new();
        match self.answer_successor(now, sa, message, &mut w) {
            Ok(()) => self.respond(sa, header, &w),
            Err((why, data)) => self.refuse(sa, header, why, &data),
        }
    }

    fn answer_successor(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        message: &Message<'_>,
        w: &mut Writer,
    ) -> Result<(), (NotifyType, Vec<u8>)> {
        let no = |why| (why, Vec::new());
        let outstanding = sa.outstanding.as_ref().map(|o| &o.what);
        let changing = matches!(outstanding, Some(Request::Create(_) | Request::DeleteChild(_) | Request::Drop));
        let clone = message.notify(NotifyType::CLONE_IKE_SA).is_some();
        if (changing && !clone) || !matches!(sa.state, State::Established | State::Rekeying) {
            // RFC 7296 §2.25.2.
            return Err(no(NotifyType::TEMPORARY_FAILURE));
        }
        let (Some(offer), Some(ke), Some(nonce)) = (message.sa, message.ke, message.good_nonce()) else {
            return Err(no(NotifyType::INVALID_SYNTAX));
        };
        let suites = self.peers.get(&sa.peer).map(|p| p.config.suites.clone()).unwrap_or_default();
        let Some((suite, number, Some(spi_theirs))) = choose_ike(&offer, &suites) else {
            return Err(no(NotifyType::NO_PROPOSAL_CHOSEN));
        };
        if ke.group != suite.group {
            return Err((NotifyType::INVALID_KE_PAYLOAD, suite.group.0.to_be_bytes().to_vec()));
        }
        let dh = self.provider.dh_begin(suite.group).map_err(|_| no(NotifyType::NO_PROPOSAL_CHOSEN))?;
        let shared = self.provider.dh_agree(&dh, ke.data).map_err(|_| no(NotifyType::INVALID_SYNTAX))?;
        let nonce_ours = self.nonce();
        let spi_ours = self.random_spi();
        let nonces = (nonce, &nonce_ours[..]);
        let made = Made { suite, shared, nonces, spi_ours, spi_theirs, initiator: false };
        let new = self.succeed(now, sa, &made).ok_or_else(|| no(NotifyType::NO_ADDITIONAL_SAS))?;
        w.put(PayloadType::SA, false, |out| Sa::write(&[ike_offer(&suite, number, Some(spi_ours))], out));
        put(w, &Body::Nonce(&nonce_ours));
        put(w, &Body::Ke(KeyExchange { group: suite.group, data: &dh.public }));
        if clone {
            self.event(Event::Cloned { new, of: sa.id });
        } else if sa.state == State::Rekeying {
            let lowest = nonce.min(&nonce_ours).to_vec();
            sa.collision = Some(Collision { successor: new, lowest });
            self.with(new, |_, successor| successor.successor_of = Some(sa.id));
        } else {
            self.hand_over(sa, new);
        }
        Ok(())
    }

    pub(super) fn on_successor_response(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        message: &Message<'_>,
        ours: &Successor,
    ) {
        let answer = message.sa.zip(message.ke).zip(message.good_nonce());
        let suites = self.peers.get(&sa.peer).map(|p| p.config.suites.clone()).unwrap_or_default();
        let new = answer.and_then(|((offer, ke), nonce)| {
            let (suite, spi_theirs) = chosen_ike(&offer, &suites)?;
            let shared = self.provider.dh_agree(&ours.dh, ke.data).ok()?;
            let nonces = (&ours.nonce[..], nonce);
            let made = Made { suite, shared, nonces, spi_ours: ours.spi, spi_theirs: spi_theirs?, initiator: true };
            let new = self.succeed(now, sa, &made)?;
            Some((new, ours.nonce.as_slice().min(nonce).to_vec()))
        });
        let Some((new, lowest)) = new else { return self.successor_refused(now, sa, message, ours) };
        if ours.clone {
            self.event(Event::Cloned { new, of: sa.id });
            if let Some(target) = ours.target {
                self.send_to(now, new, target);
            }
            return;
        }
        if sa.is_replaced() {
            // The peer has taken its own.
            return self.ask(now, new, Task::DeleteIke);
        }
        match sa.collision.take() {
            // RFC 7296 §2.8.2: ours has the lowest nonce, so it is ours that goes.
            Some(theirs) if lowest < theirs.lowest => {
                self.hand_over(sa, theirs.successor);
                self.ask(now, new, Task::DeleteIke);
            }
            _ => {
                self.hand_over(sa, new);
                sa.ask(Task::DeleteIke);
            }
        }
    }

    fn successor_refused(&mut self, now: Instant, sa: &mut IkeSa, message: &Message<'_>, ours: &Successor) {
        if ours.clone {
            // RFC 7791 §5.3: later, if it may be.
            if message.notify(NotifyType::TEMPORARY_FAILURE).is_some() {
                self.put_off(now, sa, Task::CloneIke(ours.target));
            }
            return;
        }
        if let Ok(state) = transition(sa.state, SaEvent::ReplaceRefused) {
            sa.state = state;
        }
        if let Some(theirs) = sa.collision.take() {
            // The peer's replacement stands.
            return self.hand_over(sa, theirs.successor);
        }
        if message.notify(NotifyType::TEMPORARY_FAILURE).is_some() {
            return self.put_off(now, sa, Task::RekeyIke);
        }
        // The peer will not: it is asked again when the SA is due the next time.
        self.watch(now, sa);
    }

    /// Makes an SA with the same peer out of this one.
    fn succeed(&mut self, now: Instant, sa: &IkeSa, made: &Made<'_>) -> Option<IkeSaId> {
        let old = sa.keys.as_ref()?;
        let (i, r) = if made.initiator { (made.spi_ours, made.spi_theirs) } else { (made.spi_theirs, made.spi_ours) };
        let keys = IkeKeys::derive(
            &self.provider,
            &made.suite,
            Seed::Successor(&made.shared, &old.d, sa.suite.prf),
            made.nonces,
            (i, r),
        );
        let keys = keys.ok()?;
        let mut new = self.blank(sa.peer, made.initiator, (sa.local, sa.remote), made.suite).ok()?;
        self.by_spi.remove(&new.spi_ours);
        self.by_spi.insert(made.spi_ours, new.id);
        new.spi_ours = made.spi_ours;
        new.spi_theirs = made.spi_theirs;
        new.state = State::Established;
        new.set_keys(keys);
        (new.encapsulate, new.behind_nat, new.peer_behind_nat) = (sa.encapsulate, sa.behind_nat, sa.peer_behind_nat);
        (new.fragments, new.vpn_context) = (sa.fragments, sa.vpn_context);
        (new.clones, new.moves) = (sa.clones, sa.moves);
        let id = new.id;
        self.watch(now, &new);
        self.sas.insert(id, Box::new(new));
        Some(id)
    }

    /// The children, and what is still to be asked, go to the successor.
    pub(super) fn hand_over(&mut self, sa: &mut IkeSa, new: IkeSaId) {
        self.with(new, |this, successor| this.hand_over_to(sa, successor));
    }

    fn hand_over_to(&mut self, sa: &mut IkeSa, successor: &mut IkeSa) {
        for id in sa.children.values() {
            if let Some(child) = self.children.get_mut(id) {
                child.ike = successor.id;
            }
        }
        successor.children.append(&mut sa.children);
        while let Some(task) = sa.queue.pop() {
            if !matches!(task, Task::RekeyIke | Task::Liveness) {
                successor.ask(task);
            }
        }
        self.replace_ticket(sa, successor);
        // What it was to ask goes at once.
        self.timers.set(Timer::Retry(successor.id), Instant::ZERO);
        sa.replaced = true;
        if let Ok(state) = transition(sa.state, SaEvent::ReplacementUp) {
            sa.state = state;
        }
        self.event(Event::Rekeyed { new: successor.id, old: sa.id });
    }

    /// The peer asks something on a successor that stands beside one of ours in the making: it has taken this one, whatever becomes of
    /// ours, so that the children are here from now on.
    pub(super) fn peer_has_taken(&mut self, successor: &mut IkeSa) {
        let Some(old) = successor.successor_of.take() else { return };
        self.with(old, |this, old| {
            if old.collision.take_if(|theirs| theirs.successor == successor.id).is_some() {
                this.hand_over_to(old, successor);
            }
        });
    }
}
