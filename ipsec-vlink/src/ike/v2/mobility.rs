//! Clones of an IKE SA for other addresses of the same two systems (RFC 7791 §3, RFC 4555 §3.5).

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::child_sa::{IkeSaId, UdpEncapsulation};
use super::super::config::{ConfigError, PeerConfig, PeerId};
use super::super::crypto::CryptoProvider;
use super::super::event::{Event, Output};
use super::super::header::ExchangeType;
use super::super::payload::{Notify, NotifyType, Writer};
use super::exchange::notify;
use super::machine::{Ike, Timer};
use super::message::Message;
use super::nat;
use super::sa::{IkeSa, Request, Target, Task, Tasks};

/// Whether two configurations are of the same two systems: one proof is good for both.
fn same_systems(a: &PeerConfig, b: &PeerConfig) -> bool {
    (&a.local_id, &a.remote_id) == (&b.local_id, &b.remote_id)
}

impl<P: CryptoProvider> Ike<P> {
    /// Clones an IKE SA for other addresses of the same two systems, which are those of `peer`, and asks for its child of this tag there.
    /// Needs [`PeerConfig::mobility`] at both ends.
    ///
    /// # Errors
    /// There is no such SA, peer or child, the peer cannot, or `peer` is another system.
    pub fn clone_to(&mut self, now: Instant, ike: IkeSaId, peer: PeerId, tag: u32) -> Result<(), ConfigError> {
        let sa = self.sas.get(&ike).filter(|sa| sa.clones && sa.moves).ok_or(ConfigError::NotThere)?;
        let of = self.peers.get(&sa.peer).ok_or(ConfigError::NotThere)?;
        let with = self.peers.get(&peer).ok_or(ConfigError::NotThere)?;
        with.child(tag).ok_or(ConfigError::NotThere)?;
        with.config.remote.ok_or(ConfigError::NoAddress)?;
        if !same_systems(&of.config, &with.config) {
            return Err(ConfigError::Identities);
        }
        self.ask(now, ike, Task::CloneIke(Some(Target { peer, tag })));
        Ok(())
    }

    /// A clone goes to the addresses that it is for.
    pub(super) fn send_to(&mut self, now: Instant, clone: IkeSaId, target: Target) {
        let ends = self.peers.get(&target.peer).and_then(|p| Some((p.config.local, p.config.remote?)));
        let Some((local, remote)) = ends else { return };
        self.with(clone, |this, sa| {
            sa.local.set_ip(local);
            sa.remote.set_ip(remote);
            this.is_of(sa, target.peer);
            sa.ask(Task::Move);
            sa.ask(Task::Create(target.tag));
            this.next_request(now, sa);
        });
    }

    /// Appends what finds NATs.
    fn put_nat_detection(&self, w: &mut Writer, sa: &IkeSa) {
        let spis = (sa.spi_i(), sa.spi_r());
        for (kind, at) in
            [(NotifyType::NAT_DETECTION_SOURCE_IP, sa.local), (NotifyType::NAT_DETECTION_DESTINATION_IP, sa.remote)]
        {
            if let Some(hash) = nat::hash(&self.provider, spis, at) {
                notify(w, &Notify::new(kind, &hash));
            }
        }
    }

    /// Says that the SA is at other addresses from now on.
    pub(super) fn request_move(&mut self, now: Instant, sa: &mut IkeSa) {
        let mut w = Writer::new();
        notify(&mut w, &Notify::new(NotifyType::UPDATE_SA_ADDRESSES, &[]));
        self.put_nat_detection(&mut w, sa);
        self.request(now, sa, ExchangeType::INFORMATIONAL, &w, Request::Move);
    }

    /// The peer says that the SA is at the addresses of this message. They must be those of a peer that is the same system. Appends the
    /// answer.
    pub(super) fn on_move(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        w: &mut Writer,
    ) {
        let there = self.by_ends.at(arrival.to.ip(), arrival.from.ip()).find(|id| {
            let pair = self.peers.get(id).zip(self.peers.get(&sa.peer));
            pair.is_some_and(|(a, b)| same_systems(&a.config, &b.config))
        });
        // RFC 4555 §3.3: the original initiator says where the SA is.
        let Some(peer) = there.filter(|_| sa.moves && !sa.initiator) else {
            return notify(w, &Notify::new(NotifyType::UNACCEPTABLE_ADDRESSES, &[]));
        };
        self.is_of(sa, peer);
        (sa.local, sa.remote) = (arrival.to, arrival.from);
        self.look_for_nats(now, sa, arrival, message);
        self.put_nat_detection(w, sa);
        self.has_moved(sa);
    }

    /// The peer answers where the SA is said to be.
    pub(super) fn on_moved(&mut self, now: Instant, sa: &mut IkeSa, arrival: &Arrival<'_>, message: &Message<'_>) {
        if let Some(error) = message.error() {
            self.event(Event::ChildRefused { ike: sa.id, tag: None, why: error.kind });
            sa.queue = Tasks::default();
            return sa.ask(Task::DeleteIke);
        }
        self.look_for_nats(now, sa, arrival, message);
        self.has_moved(sa);
    }

    fn look_for_nats(&mut self, now: Instant, sa: &mut IkeSa, arrival: &Arrival<'_>, message: &Message<'_>) {
        let found = nat::look(&self.provider, message, (sa.spi_i(), sa.spi_r()), arrival.from, arrival.to);
        let forced = self.peers.get(&sa.peer).is_some_and(|p| p.config.force_encapsulation);
        (sa.behind_nat, sa.peer_behind_nat) = (found.ours, found.theirs);
        sa.encapsulate = found.ours || found.theirs || forced;
        if sa.behind_nat {
            self.timers.set(Timer::Keepalive(sa.id), now + self.config.keepalive);
        }
    }

    /// Says that an SA and its children are elsewhere.
    pub(super) fn has_moved(&mut self, sa: &IkeSa) {
        self.event(Event::Moved(sa.id, sa.remote));
        let moved = UdpEncapsulation { local: sa.local, remote: sa.remote };
        for child in sa.children.values() {
            self.outputs.push_back(Output::Move(*child, moved));
        }
    }
}
