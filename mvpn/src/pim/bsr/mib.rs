//! PIM-BSR-MIB (RFC 5240): the candidate RP, the RP-Set, candidate BSR and elected BSR tables of a [`BsrRouter`], at one moment.
//!
//! A zone's index is 1 for the global one and from 2 on for the others, in their order. RowStatus and StorageType are those of rows that
//! nobody makes by SNMP: active and readOnly.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::mib::{Oid, Row, Table, Value};
use fwd_core::time::Instant;

use super::fsm::BsrState;
use super::{BsrRouter, Timer, Zone, ZoneAddress};
use crate::pim::mib::ticks;
use crate::pim::rp_set::RpMode;

/// A row of pimBsrCandidateRPTable: a range that this router is candidate RP of.
#[derive(Clone, Debug)]
pub struct BsrCandidateRpRow {
    rp: IpAddr,
    group: (IpAddr, u8),
    bidir: bool,
    advertisement: Option<Duration>,
    priority: u8,
    interval: Duration,
}

impl Row for BsrCandidateRpRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 172, 1, 1, 1];
    const COLUMNS: &'static [u32] = &[5, 6, 7, 8, 9, 10, 11];

    fn index(&self, out: &mut Oid) {
        out.push_address(Some(self.rp));
        out.push_inet_address(self.group.0);
        out.push(u32::from(self.group.1));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let seconds = u32::try_from(self.interval.as_secs()).unwrap_or(u32::MAX);
        Some(match column {
            5 => Value::truth(self.bidir),
            6 => ticks(self.advertisement),
            7 => Value::Unsigned(u32::from(self.priority)),
            8 => Value::Unsigned(seconds),
            9 => Value::Unsigned(seconds.saturating_mul(5).div_ceil(2)),
            10 => Value::ACTIVE,
            11 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// A row of pimBsrElectedBSRRPSetTable: a mapping that this router, as elected BSR, was told by a candidate RP.
#[derive(Clone, Debug)]
pub struct BsrRpSetRow {
    group: (IpAddr, u8),
    rp: IpAddr,
    priority: u8,
    holdtime: u16,
    expires: Option<Duration>,
    bidir: bool,
}

impl Row for BsrRpSetRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 172, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[6, 7, 8, 9];

    fn index(&self, out: &mut Oid) {
        out.push_address(Some(self.group.0));
        out.push(u32::from(self.group.1));
        out.push_inet_address(self.rp);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            6 => Value::Unsigned(u32::from(self.priority)),
            7 => Value::Unsigned(u32::from(self.holdtime)),
            8 => ticks(self.expires),
            9 => Value::truth(self.bidir),
            _ => return None,
        })
    }
}

/// A row of pimBsrCandidateBSRTable: a zone that this router is candidate BSR of.
#[derive(Clone, Debug)]
pub struct BsrCandidateRow {
    zone: u32,
    address: IpAddr,
    priority: u8,
    hash_mask_len: u8,
    elected: bool,
    timer: Option<Duration>,
}

impl Row for BsrCandidateRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 172, 1, 3, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 8, 9];

    fn index(&self, out: &mut Oid) {
        out.push(self.zone);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            2 => Value::address_type(Some(self.address)),
            3 => Value::address(Some(self.address)),
            4 => Value::Unsigned(u32::from(self.priority)),
            5 => Value::Unsigned(u32::from(self.hash_mask_len)),
            6 => Value::truth(self.elected),
            7 => ticks(self.timer),
            8 => Value::ACTIVE,
            9 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// A row of pimBsrElectedBSRTable: the BSR of a zone.
#[derive(Clone, Debug)]
pub struct BsrElectedRow {
    zone: u32,
    address: IpAddr,
    priority: u8,
    hash_mask_len: u8,
    expires: Option<Duration>,
}

impl Row for BsrElectedRow {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 172, 1, 4, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6];

    fn index(&self, out: &mut Oid) {
        out.push(self.zone);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            2 => Value::address_type(Some(self.address)),
            3 => Value::address(Some(self.address)),
            4 => Value::Unsigned(u32::from(self.priority)),
            5 => Value::Unsigned(u32::from(self.hash_mask_len)),
            6 => ticks(self.expires),
            _ => return None,
        })
    }
}

fn range<A: ZoneAddress>(prefix: &A::Prefix) -> (IpAddr, u8) {
    (A::prefix_addr(prefix).into(), A::prefix_len(prefix))
}

impl<A: ZoneAddress> BsrRouter<A> {
    fn left(&self, now: Instant, timer: Timer<A>) -> Option<Duration> {
        self.timers.get(timer).map(|at| at - now)
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, Zone<A>, &super::ZoneState<A>)> {
        (1..).zip(&self.zones).map(|(n, (zone, state))| (n, *zone, state))
    }

    /// pimBsrCandidateRPTable.
    #[must_use]
    pub fn candidate_rp_table(&self, now: Instant) -> Table<BsrCandidateRpRow> {
        let advertisement = self.left(now, Timer::Advertisement);
        let rows = self.candidate_rp.iter().flat_map(|c| c.ranges.iter().map(move |(prefix, mode)| (c, prefix, *mode)));
        Table::new(rows.map(|(c, prefix, mode)| BsrCandidateRpRow {
            rp: c.address.into(),
            group: range::<A>(prefix),
            bidir: mode == RpMode::Bidir,
            advertisement,
            priority: c.priority,
            interval: self.config.timers.advertisement_period,
        }))
    }

    /// pimBsrElectedBSRRPSetTable: empty at routers that no zone has elected.
    #[must_use]
    pub fn rp_set_table(&self, now: Instant) -> Table<BsrRpSetRow> {
        let mut rows = Vec::new();
        for (_, zone, state) in self.numbered().filter(|(_, _, s)| s.state == BsrState::Elected) {
            for (prefix, rps) in &state.candidates {
                rows.extend(rps.iter().map(|(rp, a)| BsrRpSetRow {
                    group: range::<A>(prefix),
                    rp: (*rp).into(),
                    priority: a.priority,
                    holdtime: a.holdtime,
                    expires: self.left(now, Timer::Candidate(zone, *prefix, *rp)),
                    bidir: a.mode == RpMode::Bidir,
                }));
            }
        }
        Table::new(rows)
    }

    /// pimBsrCandidateBSRTable.
    #[must_use]
    pub fn candidate_bsr_table(&self, now: Instant) -> Table<BsrCandidateRow> {
        Table::new(self.numbered().filter_map(|(n, zone, state)| {
            let candidate = state.candidate?;
            Some(BsrCandidateRow {
                zone: n,
                address: candidate.address.into(),
                priority: candidate.priority,
                hash_mask_len: candidate.hash_mask_len,
                elected: state.state == BsrState::Elected,
                timer: self.left(now, Timer::Bootstrap(zone)),
            })
        }))
    }

    /// pimBsrElectedBSRTable.
    #[must_use]
    pub fn elected_bsr_table(&self, now: Instant) -> Table<BsrElectedRow> {
        Table::new(self.numbered().filter_map(|(n, zone, state)| {
            let me = state.candidate.filter(|_| state.state == BsrState::Elected);
            let (priority, address, hash_mask_len) = match me {
                Some(c) => (c.priority, c.address, c.hash_mask_len),
                None => state.bsr.map(|(priority, address)| (priority, address, state.hash_mask_len))?,
            };
            let expires = self.left(now, Timer::Bootstrap(zone)).filter(|_| me.is_none());
            Some(BsrElectedRow { zone: n, address: address.into(), priority, hash_mask_len, expires })
        }))
    }
}
