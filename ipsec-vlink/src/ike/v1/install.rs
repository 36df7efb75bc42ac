//! IPsec SAs handed out, replaced, and taken back (RFC 2409 §5.5).
//!
//! They belong to the peer and not to the ISAKMP SA that made them, so that they outlive its replacement.

use alloc::boxed::Box;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::child_sa::{ChildSa, ChildSaId, UdpEncapsulation};
use super::super::crypto::CryptoProvider;
use super::super::event::Output;
use super::super::payload::v1::{Body, DOI_IPSEC};
use super::super::payload::{Delete, ProtocolId};
use super::exchange::AGAIN;
use super::keys::keymat;
use super::machine::{Ike, Timer};
use super::sa::{Child, IkeSa, Larval, Task};

impl<P: CryptoProvider> Ike<P> {
    /// Whether there is an IPsec SA of a child.
    pub(super) fn is_there(&self, sa: &IkeSa, tag: u32) -> bool {
        self.of_tag(sa, tag).next().is_some()
    }

    fn of_tag(&self, sa: &IkeSa, tag: u32) -> impl Iterator<Item = ChildSaId> {
        let of_peer = self.peers.get(&sa.peer).into_iter().flat_map(|with| with.children.iter().copied());
        of_peer.filter(move |id| self.children.get(id).is_some_and(|c| c.tag == tag && !c.replaced))
    }

    /// Makes the keys and hands the pair out. What there is of the same child is replaced: by the end that began, it is deleted.
    pub(super) fn install(&mut self, now: Instant, sa: &IkeSa, larval: Larval, initiator: bool) {
        let Some(d) = sa.keys.as_ref().map(|keys| &keys.d) else { return };
        let Some(mode) = self.peers.get(&sa.peer).and_then(|with| with.peer.child(larval.tag)).map(|c| c.mode) else {
            return;
        };
        let nonces = (&larval.nonce_i[..], &larval.nonce_r[..]);
        let shared = larval.shared.as_ref();
        let keys = |spi| keymat(&self.provider, sa.suite.prf, d, &larval.suite, spi, shared, nonces);
        let (Ok(keys_in), Ok(keys_out)) = (keys(larval.spi_in), keys(larval.spi_out)) else { return };
        let id = ChildSaId(self.next_child);
        self.next_child = self.next_child.wrapping_add(1);
        let older: Vec<ChildSaId> = self.of_tag(sa, larval.tag).collect();
        let replaces = larval.replaces.filter(|old| self.children.contains_key(old)).or(older.last().copied());
        let soft_lifetime = self.jittered(larval.lifetime);
        self.timers.set(Timer::ReplaceChild(id), now + soft_lifetime);
        self.timers.set(Timer::ExpireChild(id), now + larval.lifetime);
        self.by_spi_in.insert(larval.spi_in, id);
        self.by_spi_out.insert((sa.peer, larval.spi_out), id);
        if let Some(with) = self.peers.get_mut(&sa.peer) {
            with.children.insert(id);
        }
        let (spi_in, spi_out) = (larval.spi_in, larval.spi_out);
        let child = Child { peer: sa.peer, tag: larval.tag, spi_in, spi_out, replaced: false };
        self.children.insert(id, child);
        self.counters.children += 1;
        let encapsulation = sa.encapsulate.then_some(UdpEncapsulation { local: sa.local, remote: sa.remote });
        self.outputs.push_back(Output::Install(Box::new(ChildSa {
            id,
            ike: sa.id,
            spi_in: larval.spi_in,
            spi_out: larval.spi_out,
            suite: larval.suite,
            keys_in,
            keys_out,
            mode,
            encapsulation,
            local: sa.local.ip(),
            remote: sa.remote.ip(),
            local_selectors: alloc::vec![larval.local],
            remote_selectors: alloc::vec![larval.remote],
            label: None,
            context: larval.context,
            replaces,
            soft_lifetime,
            tag: larval.tag,
        })));
        for old in older {
            self.replaced(now, old, initiator);
        }
    }

    /// Another one has taken over. The end that began it deletes the old one, when what is on its way by it has arrived.
    fn replaced(&mut self, now: Instant, old: ChildSaId, by_us: bool) {
        let Some(child) = self.children.get_mut(&old) else { return };
        child.replaced = true;
        self.timers.clear(Timer::ReplaceChild(old));
        if by_us {
            self.timers.set(Timer::ExpireChild(old), now + AGAIN);
        }
    }

    /// Asks for a replacement.
    pub(super) fn replace_child_now(&mut self, now: Instant, id: ChildSaId) {
        let Some(child) = self.children.get(&id).filter(|c| !c.replaced) else { return };
        let (peer, tag) = (child.peer, child.tag);
        // The peer may be about to do the same: one that comes to nothing is asked for again.
        self.try_again_later(now, Some(id));
        if let Some(sa) = self.newest(peer).filter(|sa| self.sas.get(sa).is_some_and(|sa| !sa.asks_for(tag))) {
            self.ask(now, sa, Task::Create(tag, Some(id)));
        }
    }

    /// A replacement came to nothing: it is tried again, until the old one runs out.
    pub(super) fn try_again_later(&mut self, now: Instant, old: Option<ChildSaId>) {
        if let Some(old) = old.filter(|old| self.children.get(old).is_some_and(|c| !c.replaced)) {
            self.timers.set(Timer::ReplaceChild(old), now + AGAIN);
        }
    }

    /// Deletes an IPsec SA; the peer is told.
    pub(super) fn delete_child_now(&mut self, id: ChildSaId) {
        let Some((peer, spi)) = self.children.get(&id).map(|c| (c.peer, c.spi_in)) else { return };
        if let Some(ike) = self.newest(peer) {
            self.with(ike, |this, sa| this.tell_deleted(sa, &spi.to_be_bytes()));
        }
        self.forget_child(id);
    }

    /// Says that IPsec SAs are deleted: SPIs of packets received here, one after the other.
    fn tell_deleted(&mut self, sa: &IkeSa, spis: &[u8]) {
        if let Some(delete) = Delete::new(ProtocolId::ESP, 4, spis) {
            self.inform(sa, &Body::Delete(DOI_IPSEC, delete));
        }
    }

    /// Says that all IPsec SAs with a peer are deleted, in messages that are not too long.
    pub(super) fn tell_children(&mut self, sa: &IkeSa) {
        let children = self.peers.get(&sa.peer).into_iter().flat_map(|with| &with.children);
        let spis = children.filter_map(|id| self.children.get(id)).map(|c| c.spi_in.to_be_bytes());
        let spis: Vec<u8> = spis.flatten().collect();
        for chunk in spis.chunks(4 * 256) {
            self.tell_deleted(sa, chunk);
        }
    }

    pub(super) fn forget_child(&mut self, id: ChildSaId) {
        let Some(gone) = self.children.remove(&id) else { return };
        self.by_spi_in.remove(&gone.spi_in);
        self.by_spi_out.remove(&(gone.peer, gone.spi_out));
        if let Some(with) = self.peers.get_mut(&gone.peer) {
            with.children.remove(&id);
        }
        self.timers.clear(Timer::ReplaceChild(id));
        self.timers.clear(Timer::ExpireChild(id));
        self.outputs.push_back(Output::Remove(id));
    }
}
