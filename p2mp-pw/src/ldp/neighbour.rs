//! What every LDP application shares: who owns which message, the addresses of peers, blocks of labels and entries.
//!
//! An application (label distribution, mLDP, pseudowires, P2MP pseudowires) is a machine of its own, owned by the embedder beside
//! discovery and sessions. Its `Input` has, among what else it needs,
//!
//! ```text
//! PeerUp { peer: LdpId, negotiated: &Negotiated }              the session is operational
//! PeerDown { peer: LdpId, retain: Option<Duration> }           it is not; keep its labels so long (RFC 3478 §3.3), or drop them
//! Message { peer: LdpId, message: &Message }                   a message of the application's, by `Application::of`
//! ```
//!
//! and its `Output` has `Message { peer: LdpId, message: Message }`, `Program(FwdOp)` and `Event(Event)`. A message leaves with the
//! identifier 0, and the session numbers it. One that its sender refers to later, a Label Request that may be aborted, has an
//! identifier of the sender's choice from [`OWN_MESSAGE_ID`] on: a session numbers below that.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::IpAddr;

use fwd_core::net::{EcmpId, IfIndex, Label, NhlfeId};

use super::LdpId;
use super::fec::{Fec, FecElement, FecType};
use super::message::{Message, MessageBody};
use super::session::ConfigError;
use super::tlv::TlvValue;

/// The first message identifier that applications choose themselves.
pub const OWN_MESSAGE_ID: u32 = 0x8000_0000;

/// Whose business a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Application {
    /// Address prefixes, and what has no FEC: label distribution.
    Prefix,
    /// Multipoint LSPs: mLDP.
    Multipoint,
    /// Pseudowires between two ends.
    Pseudowire,
    /// P2MP pseudowires with their way back.
    P2mpPseudowire,
    /// Everyone: a Wildcard FEC element, and addresses of the peer's interfaces.
    All,
}

impl Application {
    /// The owner of a type of FEC element; unknown types are label distribution's to refuse.
    #[must_use]
    pub const fn of_fec_type(fec_type: FecType) -> Self {
        match fec_type {
            FecType::WILDCARD => Self::All,
            FecType::P2MP | FecType::MP2MP_UP | FecType::MP2MP_DOWN | FecType::HSMP_UP | FecType::HSMP_DOWN => {
                Self::Multipoint
            }
            FecType::PW_ID | FecType::GENERALIZED_PW_ID => Self::Pseudowire,
            FecType::P2MP_PW_UPSTREAM | FecType::P2P_PW_DOWNSTREAM => Self::P2mpPseudowire,
            _ => Self::Prefix,
        }
    }

    /// The owner of a FEC: that of its first element, or of the type that a typed wildcard means.
    #[must_use]
    pub fn of_fec(fec: &Fec) -> Self {
        match fec.0.first() {
            Some(FecElement::TypedWildcard(wildcard)) => Self::of_fec_type(wildcard.fec_type),
            Some(element) => Self::of_fec_type(element.fec_type()),
            None => Self::Prefix,
        }
    }

    /// The owner of a message: of its FEC, or of the FEC among its parameters.
    #[must_use]
    pub fn of(message: &Message) -> Self {
        match &message.body {
            MessageBody::LabelMapping(m) => Self::of_fec(&m.fec),
            MessageBody::LabelRequest(m) => Self::of_fec(&m.fec),
            MessageBody::LabelWithdraw(m) | MessageBody::LabelRelease(m) => Self::of_fec(&m.fec),
            MessageBody::LabelAbortRequest(m) => Self::of_fec(&m.fec),
            MessageBody::Notification(m) => m.fec().map_or(Self::All, Self::of_fec),
            MessageBody::Address(m) | MessageBody::AddressWithdraw(m) => {
                // A MAC withdrawal names a pseudowire or VPLS beside its empty list (RFC 4762 §6.2.1).
                let fec = m.optional.iter().find_map(|tlv| match &tlv.value {
                    TlvValue::Fec(fec) => Some(fec),
                    _ => None,
                });
                fec.map_or(Self::All, Self::of_fec)
            }
            MessageBody::Capability(_) => Self::All,
            MessageBody::Hello(_)
            | MessageBody::Initialization(_)
            | MessageBody::KeepAlive
            | MessageBody::Rg(_)
            | MessageBody::Unknown(..) => Self::Prefix,
        }
    }

    /// Whether an application takes a message of this owner.
    #[must_use]
    pub fn takes(self, message: &Message) -> bool {
        let owner = Self::of(message);
        owner == self || owner == Self::All
    }
}

/// A block of labels that one machine hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelRange {
    /// The first, not special-purpose.
    pub first: Label,
    /// The last.
    pub last: Label,
}

/// A block of next hop label forwarding entries that one machine numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NhlfeRange {
    /// The first.
    pub first: NhlfeId,
    /// The last.
    pub last: NhlfeId,
}

/// A block of groups of entries that one machine numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcmpRange {
    /// The first.
    pub first: EcmpId,
    /// The last.
    pub last: EcmpId,
}

/// Numbers of a block: a freed one rests as long as there are others.
#[derive(Clone, Debug)]
pub struct Pool {
    next: u32,
    last: u32,
    /// Numbers below `next` that were used up: the block is exhausted once `next` passed `last`.
    exhausted: bool,
    free: VecDeque<u32>,
    /// Numbers taken by name before their turn.
    reserved: BTreeSet<u32>,
}

impl Pool {
    /// The numbers from `first` to `last`.
    #[must_use]
    pub const fn new(first: u32, last: u32) -> Self {
        Self { next: first, last, exhausted: first > last, free: VecDeque::new(), reserved: BTreeSet::new() }
    }

    /// A block of labels.
    ///
    /// # Errors
    /// The first label is special-purpose or above the last.
    pub fn labels(range: LabelRange) -> Result<Self, ConfigError> {
        if range.first.is_special_purpose() {
            let value = range.first.value();
            return Err(ConfigError::Number { field: "labels", value, rule: "16 or more (RFC 7274 §3)" });
        }
        Self::checked("labels", range.first.value(), range.last.value())
    }

    /// A block of entries.
    ///
    /// # Errors
    /// The first is above the last.
    pub fn nhlfes(range: NhlfeRange) -> Result<Self, ConfigError> {
        Self::checked("nhlfes", range.first.0, range.last.0)
    }

    /// A block of groups.
    ///
    /// # Errors
    /// The first is above the last.
    pub fn groups(range: EcmpRange) -> Result<Self, ConfigError> {
        Self::checked("groups", range.first.0, range.last.0)
    }

    fn checked(field: &'static str, first: u32, last: u32) -> Result<Self, ConfigError> {
        if first > last {
            return Err(ConfigError::Number { field, value: first, rule: "the first not above the last" });
        }
        Ok(Self::new(first, last))
    }

    /// A free number; `None` when all are used.
    pub fn allocate(&mut self) -> Option<u32> {
        while !self.exhausted {
            let number = self.next;
            self.exhausted = number >= self.last;
            self.next = number.saturating_add(1);
            if !self.reserved.remove(&number) {
                return Some(number);
            }
        }
        self.free.pop_front()
    }

    /// Takes a number by name, of state that outlived a restart. Only before the first [`Self::allocate`] that would hand it out.
    pub fn reserve(&mut self, number: u32) -> bool {
        (self.next..=self.last).contains(&number) && !self.exhausted && self.reserved.insert(number)
    }

    /// Gives a number back.
    pub fn release(&mut self, number: u32) {
        if self.reserved.contains(&number) && number >= self.next {
            self.reserved.remove(&number);
        } else {
            self.free.push_back(number);
        }
    }

    /// Whether there is a number left.
    #[must_use]
    pub fn has_free(&self) -> bool {
        !self.free.is_empty()
            || (!self.exhausted
                && (self.reserved.len() as u64) < u64::from(self.last.saturating_sub(self.next)).saturating_add(1))
    }
}

/// The addresses of peers' interfaces: which peer a next hop is (RFC 5036 §2.7).
///
/// Link-local addresses are not advertised (RFC 7552 §7): the source of a peer's Hellos stands for them, per interface.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    by_address: BTreeMap<(IpAddr, IfIndex), LdpId>,
    by_peer: BTreeMap<LdpId, BTreeSet<(IpAddr, IfIndex)>>,
}

impl AddressBook {
    /// An empty book.
    #[must_use]
    pub const fn new() -> Self {
        Self { by_address: BTreeMap::new(), by_peer: BTreeMap::new() }
    }

    const fn key(address: IpAddr, iface: IfIndex) -> (IpAddr, IfIndex) {
        match address {
            IpAddr::V6(a) if a.is_unicast_link_local() => (address, iface),
            // An address of wider scope is the peer's by whatever interface.
            _ => (address, IfIndex(0)),
        }
    }

    /// An address is a peer's. The last peer that says so has it (RFC 5036 §3.5.5.1 has no answer to two). `false` if the peer
    /// has `limit` addresses already, and the address is not taken.
    pub fn learn(&mut self, peer: LdpId, address: IpAddr, iface: IfIndex, limit: usize) -> bool {
        let key = Self::key(address, iface);
        let own = self.by_peer.entry(peer).or_default();
        if !own.contains(&key) && own.len() >= limit {
            return false;
        }
        own.insert(key);
        self.by_address.insert(key, peer);
        true
    }

    /// An address is the peer's no more. Whether it was.
    pub fn forget(&mut self, peer: LdpId, address: IpAddr, iface: IfIndex) -> bool {
        let key = Self::key(address, iface);
        let known = self.by_peer.get_mut(&peer).is_some_and(|own| own.remove(&key));
        if known && self.by_address.get(&key) == Some(&peer) {
            self.by_address.remove(&key);
        }
        known
    }

    /// Forgets a peer.
    pub fn forget_peer(&mut self, peer: LdpId) {
        for key in self.by_peer.remove(&peer).unwrap_or_default() {
            if self.by_address.get(&key) == Some(&peer) {
                self.by_address.remove(&key);
            }
        }
    }

    /// The peer that a next hop is.
    #[must_use]
    pub fn peer_of(&self, address: IpAddr, iface: IfIndex) -> Option<LdpId> {
        self.by_address.get(&Self::key(address, iface)).copied()
    }

    /// The addresses of a peer.
    pub fn addresses(&self, peer: LdpId) -> impl Iterator<Item = IpAddr> {
        self.by_peer.get(&peer).into_iter().flatten().map(|(address, _)| *address)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::LabelWithdraw;
    use super::*;

    #[test]
    fn a_pool_hands_out_every_number_once_and_lets_freed_ones_rest() {
        let mut pool = Pool::new(16, 19);
        assert!(pool.reserve(17) && !pool.reserve(17) && !pool.reserve(20));
        assert_eq!([pool.allocate(), pool.allocate()], [Some(16), Some(18)]);
        pool.release(16);
        assert_eq!([pool.allocate(), pool.allocate(), pool.allocate()], [Some(19), Some(16), None]);
        assert!(!pool.has_free());
        pool.release(17);
        assert!(pool.has_free());
        assert_eq!(pool.allocate(), Some(17));
        let label = |n| Label::from_low_bits(n);
        let range = LabelRange { first: label(3), last: label(30) };
        assert!(matches!(Pool::labels(range), Err(ConfigError::Number { field: "labels", value: 3, .. })));
    }

    #[test]
    fn a_next_hop_is_who_advertises_it() {
        let [a, b] = [1, 2].map(|n| LdpId::platform([192, 0, 2, n].into()));
        let address: IpAddr = [198, 51, 100, 1].into();
        let mut book = AddressBook::new();
        assert!(book.learn(a, address, IfIndex(0), 1));
        assert!(!book.learn(a, [198, 51, 100, 2].into(), IfIndex(0), 1), "a limit");
        assert_eq!(book.peer_of(address, IfIndex(7)), Some(a));
        book.learn(b, address, IfIndex(0), 1);
        assert!(book.forget(a, address, IfIndex(0)));
        assert_eq!(book.peer_of(address, IfIndex(7)), Some(b));
        // The same link-local address on two links is two neighbours.
        let local: IpAddr = "fe80::1".parse().unwrap();
        book.learn(a, local, IfIndex(1), 9);
        book.learn(b, local, IfIndex(2), 9);
        assert_eq!((book.peer_of(local, IfIndex(1)), book.peer_of(local, IfIndex(2))), (Some(a), Some(b)));
        book.forget_peer(b);
        assert_eq!((book.peer_of(local, IfIndex(2)), book.peer_of(address, IfIndex(0))), (None, None));
    }

    #[test]
    fn messages_go_to_who_owns_their_fec() {
        let release = |octets: &[u8]| {
            let fec = Fec::parse(octets).unwrap();
            Message { id: 1, body: MessageBody::LabelRelease(LabelWithdraw { fec, optional: alloc::vec::Vec::new() }) }
        };
        assert_eq!(Application::of(&release(&[2, 0, 1, 8, 10])), Application::Prefix);
        assert_eq!(Application::of(&release(&[0x80, 0, 5, 0, 0, 0, 0, 9])), Application::Pseudowire);
        // A typed wildcard of PWid elements.
        assert_eq!(Application::of(&release(&[5, 0x80, 2, 0, 5])), Application::Pseudowire);
        assert!(Application::Multipoint.takes(&release(&[1])), "the wildcard is for all");
        assert!(!Application::Multipoint.takes(&release(&[2, 0, 1, 8, 10])));
    }
}
