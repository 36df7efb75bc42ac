//! The SAD (RFC 4301 §4.4.2): security associations with their lifetimes, and ESP through them.
//!
//! What the forwarding plane knows is an [`SaId`]: it stays the same while keys are replaced below it. Packets leave by the newest
//! association of theirs; packets that arrive are known by SPI, and taken from every association that is still there.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::Frame;
use fwd_core::net::SaId;
use fwd_core::sa::{InboundSa, OutboundSa, ProtectError, UnprotectError};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use fwd_core::wire::esp::Cipher;
use fwd_core::wire::{Esp, Ipv4, Ipv6};
use hashbrown::HashMap;

use crate::ike::ChildSaId;

/// Words of an anti-replay window: windows of up to 4,096 numbers fit.
const WINDOW_WORDS: usize = 256;

/// How long an association lives (RFC 4301 §4.4.2.1). A soft limit asks for a replacement, a hard one ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Time, from its installation; default 1 h.
    pub soft_time: Duration,
    /// Time; default 1 h 6 min.
    pub hard_time: Duration,
    /// Octets protected or taken; default 2^38.
    pub soft_octets: u64,
    /// Octets; default 2^38 + 2^35.
    pub hard_octets: u64,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            soft_time: Duration::from_secs(3600),
            hard_time: Duration::from_secs(3960),
            soft_octets: 1 << 38,
            hard_octets: (1 << 38) + (1 << 35),
        }
    }
}

/// A pair of associations to be installed.
#[derive(Debug)]
pub struct NewSa<C> {
    /// What the forwarding plane knows it by.
    pub sa: SaId,
    /// What the negotiation knows it by.
    pub child: ChildSaId,
    /// The class of packets that leave by it; none: those of which there is no other (RFC 4301 §4.1).
    pub class: Option<u8>,
    /// The peer's outer address: packets must come from it; none: from anywhere, as through a NAT.
    pub remote: Option<IpAddr>,
    /// SPI of packets that arrive, and of those that leave.
    pub spis: (u32, u32),
    /// The ciphers of these.
    pub ciphers: (C, C),
    /// Whether sequence numbers have 64 bits.
    pub extended: bool,
    /// Numbers of the anti-replay window: 32 to 4,096; default 64.
    pub window: u32,
    /// How long it lives.
    pub lifetimes: Lifetimes,
}

/// What happened to an association, for whoever negotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SadEvent {
    /// A soft limit is reached: negotiate a replacement.
    Rekey(ChildSaId),
    /// A hard limit is reached: it was removed.
    Expired(ChildSaId),
    /// A packet was refused; at most one a second of each kind is told, all are counted (RFC 4301 §5.2, §2.3 of RFC 4303).
    Audit {
        /// Why.
        why: Reject,
        /// The SPI that it had.
        spi: u32,
        /// Where it came from.
        from: Option<IpAddr>,
    },
}

/// Why a packet that arrived was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// No ESP packet.
    NotEsp,
    /// No such SPI.
    UnknownSpi,
    /// From another address than the association's.
    Address,
    /// Its number was taken before, or is too old.
    Replayed,
    /// The check value is wrong.
    Integrity,
    /// What it held is malformed.
    Malformed,
    /// A dummy packet; no fault.
    Dummy,
}

impl Reject {
    /// All reasons.
    pub const ALL: [Self; 7] =
        [Self::NotEsp, Self::UnknownSpi, Self::Address, Self::Replayed, Self::Integrity, Self::Malformed, Self::Dummy];
}

/// Why a packet was not protected. It must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprotected {
    /// There is no association of that number.
    NoSa,
    /// It could not be done.
    Failed(ProtectError),
}

#[derive(Debug)]
struct Entry<C> {
    sa: SaId,
    child: ChildSaId,
    class: Option<u8>,
    remote: Option<IpAddr>,
    inbound: InboundSa<C, WINDOW_WORDS>,
    outbound: OutboundSa<C>,
    lifetimes: Lifetimes,
    octets: u64,
    rekeying: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Soft(u32),
    Hard(u32),
}

/// The associations of a system. `C` is the embedder's cipher.
#[derive(Debug)]
pub struct Sad<C> {
    /// By the SPI of packets that arrive.
    entries: HashMap<u32, Entry<C>>,
    /// The SPIs of each number, the newest last.
    by_sa: BTreeMap<SaId, Vec<u32>>,
    by_child: HashMap<ChildSaId, u32>,
    timers: Timers<Timer>,
    events: VecDeque<SadEvent>,
    rejected: [u64; Reject::ALL.len()],
    told: [Option<Instant>; Reject::ALL.len()],
}

impl<C> Default for Sad<C> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            by_sa: BTreeMap::new(),
            by_child: HashMap::new(),
            timers: Timers::new(),
            events: VecDeque::new(),
            rejected: [0; Reject::ALL.len()],
            told: [None; Reject::ALL.len()],
        }
    }
}

/// Reads the source address of the IP packet at `offset`, and where its payload begins.
fn source(frame: &Frame<'_>, offset: usize) -> Option<(IpAddr, usize)> {
    let octets = frame.octets().get(offset..)?;
    match octets.first()? >> 4 {
        4 => Ipv4::of(octets).map(|h| (h.source().into(), offset.saturating_add(h.header_len()))),
        6 => Ipv6::of(octets).map(|h| (h.source().into(), offset.saturating_add(Ipv6::LEN))),
        _ => None,
    }
}

impl<C: Cipher> Sad<C> {
    /// No associations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Installs a pair of associations: packets leave by it from here on. One with the same SPI is replaced.
    pub fn install(&mut self, now: Instant, new: NewSa<C>) {
        let (spi_in, spi_out) = new.spis;
        let (inbound, outbound) = new.ciphers;
        self.remove_spi(spi_in);
        self.timers.set(Timer::Soft(spi_in), now + new.lifetimes.soft_time);
        self.timers.set(Timer::Hard(spi_in), now + new.lifetimes.hard_time);
        self.by_sa.entry(new.sa).or_default().push(spi_in);
        self.by_child.insert(new.child, spi_in);
        let entry = Entry {
            sa: new.sa,
            child: new.child,
            class: new.class,
            remote: new.remote,
            inbound: InboundSa::new(spi_in, new.extended, new.window, inbound),
            outbound: OutboundSa::new(spi_out, new.extended, outbound),
            lifetimes: new.lifetimes,
            octets: 0,
            rekeying: false,
        };
        self.entries.insert(spi_in, entry);
    }

    /// Removes the pair that a negotiation knows by this.
    pub fn remove(&mut self, child: ChildSaId) {
        if let Some(spi) = self.by_child.get(&child).copied() {
            self.remove_spi(spi);
        }
    }

    /// Removes every pair of a number.
    pub fn remove_all(&mut self, sa: SaId) {
        for spi in self.by_sa.get(&sa).cloned().unwrap_or_default() {
            self.remove_spi(spi);
        }
    }

    fn remove_spi(&mut self, spi: u32) -> Option<ChildSaId> {
        let entry = self.entries.remove(&spi)?;
        self.by_child.remove(&entry.child);
        if let Some(spis) = self.by_sa.get_mut(&entry.sa) {
            spis.retain(|other| *other != spi);
            if spis.is_empty() {
                self.by_sa.remove(&entry.sa);
            }
        }
        self.timers.clear(Timer::Soft(spi));
        self.timers.clear(Timer::Hard(spi));
        Some(entry.child)
    }

    /// Puts the IP packet at `offset` of the frame through an association: the newest of its number and class.
    ///
    /// # Errors
    /// There is none, or it cannot. The packet must not be sent.
    pub fn protect(&mut self, sa: SaId, class: u8, frame: &mut Frame<'_>, offset: usize) -> Result<(), Unprotected> {
        let spis = self.by_sa.get(&sa).ok_or(Unprotected::NoSa)?;
        let of_class = |wanted: Option<u8>| {
            spis.iter().rev().copied().find(|spi| self.entries.get(spi).is_some_and(|entry| entry.class == wanted))
        };
        let spi = of_class(Some(class)).or_else(|| of_class(None)).ok_or(Unprotected::NoSa)?;
        let entry = self.entries.get_mut(&spi).ok_or(Unprotected::NoSa)?;
        let done = entry.outbound.protect(frame, offset);
        let octets = frame.octets().len() as u64;
        if done == Err(ProtectError::NumbersUsedUp) {
            // RFC 4303 §3.3.3: it never sends again.
            self.expire(spi);
        }
        done.map_err(Unprotected::Failed)?;
        self.count(spi, octets);
        Ok(())
    }

    /// Takes the ESP packet whose IP header is at `offset` of the frame out of its association, and says which that was.
    ///
    /// # Errors
    /// The packet is to be dropped. It is counted.
    pub fn unprotect(&mut self, now: Instant, frame: &mut Frame<'_>, offset: usize) -> Result<SaId, Reject> {
        let (mut spi, mut from) = (0, None);
        let taken = self.try_unprotect(frame, offset, &mut spi, &mut from);
        if let Err(why) = taken {
            let at = why as usize;
            if let Some(count) = self.rejected.get_mut(at) {
                *count = count.saturating_add(1);
            }
            let second = Duration::from_secs(1);
            if let Some(told) = self.told.get_mut(at).filter(|told| told.is_none_or(|at| at + second <= now)) {
                *told = Some(now);
                if why != Reject::Dummy {
                    self.events.push_back(SadEvent::Audit { why, spi, from });
                }
            }
        }
        taken
    }

    fn try_unprotect(
        &mut self,
        frame: &mut Frame<'_>,
        offset: usize,
        spi: &mut u32,
        from: &mut Option<IpAddr>,
    ) -> Result<SaId, Reject> {
        let (source, payload) = source(frame, offset).ok_or(Reject::NotEsp)?;
        *from = Some(source);
        let octets = frame.octets().get(payload..).unwrap_or_default();
        *spi = Esp::of(octets).ok_or(Reject::NotEsp)?.spi();
        let entry = self.entries.get_mut(spi).ok_or(Reject::UnknownSpi)?;
        if entry.remote.is_some_and(|remote| remote != source) {
            return Err(Reject::Address);
        }
        let octets = frame.octets().len() as u64;
        entry.inbound.unprotect(frame, offset).map_err(|error| match error {
            UnprotectError::NotEsp => Reject::NotEsp,
            UnprotectError::Replayed(_) => Reject::Replayed,
            UnprotectError::Integrity => Reject::Integrity,
            UnprotectError::Malformed(_) => Reject::Malformed,
            UnprotectError::Dummy => Reject::Dummy,
        })?;
        let sa = entry.sa;
        self.count(*spi, octets);
        Ok(sa)
    }

    /// Counts octets towards an association's limits.
    fn count(&mut self, spi: u32, octets: u64) {
        let Some(entry) = self.entries.get_mut(&spi) else { return };
        entry.octets = entry.octets.saturating_add(octets);
        if entry.octets >= entry.lifetimes.hard_octets {
            self.expire(spi);
        } else if entry.octets >= entry.lifetimes.soft_octets && !core::mem::replace(&mut entry.rekeying, true) {
            let child = entry.child;
            self.events.push_back(SadEvent::Rekey(child));
        }
    }

    fn expire(&mut self, spi: u32) {
        if let Some(child) = self.remove_spi(spi) {
            self.events.push_back(SadEvent::Expired(child));
        }
    }

    /// Looks at the lifetimes.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Hard(spi) => self.expire(spi),
                Timer::Soft(spi) => {
                    let Some(entry) = self.entries.get_mut(&spi) else { continue };
                    if !core::mem::replace(&mut entry.rekeying, true) {
                        let child = entry.child;
                        self.events.push_back(SadEvent::Rekey(child));
                    }
                }
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called; installing and removing change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<SadEvent> {
        self.events.pop_front()
    }

    /// Packets that were not taken for this reason.
    #[must_use]
    pub fn rejected(&self, why: Reject) -> u64 {
        self.rejected.get(why as usize).copied().unwrap_or(0)
    }

    /// Pairs of associations that there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
