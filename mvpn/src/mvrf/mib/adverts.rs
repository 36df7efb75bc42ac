//! mvpnAdvtStatsTable.

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use fwd_core::mib::{Oid, Row, Value};

use super::Outside;
use crate::mvrf::adverts::{AdvertType, Received, Sent};
use crate::mvrf::instance::Mvrf;
use crate::mvrf::shared::Shared;

/// A row of mvpnAdvtStatsTable. What is sent goes to every PE of the MVPN by way of BGP: the count is the same for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvtStats {
    name: Vec<u8>,
    kind: AdvertType,
    peer: IpAddr,
    sent: Sent,
    received: Received,
    /// DateAndTime, or nothing.
    last: [Vec<u8>; 2],
}

impl Row for AdvtStats {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 1, 6, 1];
    const COLUMNS: &'static [u32] = &[4, 5, 6, 9, 10, 11];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.name);
        out.push(self.kind as u32);
        out.push_address(Some(self.peer));
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let [sent, received] = &self.last;
        Some(match column {
            4 => Value::counter(self.sent.count),
            5 => Value::counter(self.received.count),
            6 => Value::counter(self.received.refused),
            9 => Value::Octets(sent.clone()),
            10 => Value::Octets(received.clone()),
            // No counter was ever set back.
            11 => Value::Ticks(0),
            _ => return None,
        })
    }
}

/// The rows of an MVRF: one for each type and PE that is known.
pub(super) fn stats(m: &Mvrf, shared: &Shared, outside: &Outside<'_>) -> Vec<AdvtStats> {
    let name = (outside.vrf_name)(m.config.vrf);
    let date = |at: Option<_>| at.map(outside.date).unwrap_or_default();
    let peers: BTreeSet<IpAddr> =
        m.adverts.keys().map(|(_, peer)| *peer).chain(m.members.keys().map(|k| k.address)).collect();
    let mut rows = Vec::new();
    for kind in AdvertType::ALL {
        let sent = shared.sent.get(&(m.config.vrf, kind)).copied().unwrap_or_default();
        for peer in &peers {
            let received = m.adverts.get(&(kind, *peer)).copied().unwrap_or_default();
            if (sent.count, received.count) != (0, 0) {
                let last = [date(sent.last), date(received.last)];
                rows.push(AdvtStats { name: name.clone(), kind, peer: *peer, sent, received, last });
            }
        }
    }
    rows
}
