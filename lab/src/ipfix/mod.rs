//! Figures of VRFs as IPFIX (RFC 7011): traffic by the standard Information Elements, and what MPLS-L3VPN-STD-MIB counts as MIB
//! variables with their object identifiers (RFC 8038), so that no element is of our making.
//!
//! ```text
//! template 256, a record for each VRF:
//!   ingressVRFID VRFname flowStartMilliseconds flowEndMilliseconds
//!   octetDeltaCount packetDeltaCount postOctetDeltaCount postPacketDeltaCount
//!   mibObjectValueCounter × 3 (routes added, deleted, dropped) mibObjectValueGauge (routes)
//! options template 257, a record for each MIB variable of template 256:
//!   scope templateId informationElementIndex; mibIndexIndicator mibObjectIdentifier
//! ```

mod stream;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fwd_core::VrfCounters;
use fwd_core::mib::Oid;

pub use stream::StreamRecord;

/// The template of VRF records.
const VRF_TEMPLATE: u16 = 256;
/// The options template that says which MIB object an element is.
const MIB_FIELD_TEMPLATE: u16 = 257;
/// A field of variable length (RFC 7011 §7).
const VARIABLE: u16 = 65_535;
/// Templates are sent again after this time (RFC 7011 §8.1: from time to time over UDP).
const REFRESH: Duration = Duration::from_secs(60);
/// Octets of a message: what fits in an Ethernet frame.
const ROOM: usize = 1400;

/// Information Elements with their lengths, of IANA's registry.
const VRF_FIELDS: [(u16, u16); 12] = [
    (234, 4),
    (236, VARIABLE),
    (152, 8),
    (153, 8),
    (1, 8),
    (2, 8),
    (23, 8),
    (24, 8),
    (439, 8),
    (439, 8),
    (439, 8),
    (440, 4),
];
/// Where VRFname is, as mibIndexIndicator has it: the index of the objects below is the VRF's name.
const INDEX: u64 = 1 << 1;
/// mplsL3VpnVrfPerfEntry of RFC 4382: the columns behind the elements from the ninth on.
const PERF_ENTRY: [u32; 13] = [1, 3, 6, 1, 2, 1, 10, 166, 11, 1, 3, 1, 1];
const PERF_COLUMNS: [u32; 4] = [1, 2, 4, 3];

/// The figures of one VRF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VrfRecord {
    /// Its handle.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Packets and octets since the record before.
    pub traffic: VrfCounters,
    /// Destinations that got their first path, in all.
    pub routes_added: u64,
    /// Destinations that lost their last path, in all.
    pub routes_deleted: u64,
    /// Announcements refused for the bound, in all.
    pub routes_dropped: u64,
    /// Destinations.
    pub routes: u32,
}

/// An exporting process with one collector, over UDP.
#[derive(Debug)]
pub struct Exporter {
    socket: UdpSocket,
    /// The observation domain.
    domain: u32,
    /// Data records sent before (RFC 7011 §3.1).
    sequence: u32,
    templates_sent: Option<SystemTime>,
    since: SystemTime,
}

impl Exporter {
    /// An exporter that sends to a collector.
    ///
    /// # Errors
    /// No socket for the collector's address.
    pub fn new(collector: SocketAddr, domain: u32) -> io::Result<Self> {
        let any: SocketAddr = if collector.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
        let socket = UdpSocket::bind(any)?;
        socket.connect(collector)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, domain, sequence: 0, templates_sent: None, since: SystemTime::now() })
    }

    /// Sends the figures of all VRFs, behind the templates when those are due.
    ///
    /// # Errors
    /// The system refuses the datagram. The figures of this time are lost, as those of a datagram that the network lost.
    pub fn export(&mut self, now: SystemTime, records: &[VrfRecord]) -> io::Result<()> {
        let due = self.templates_sent.is_none_or(|at| now.duration_since(at).is_ok_and(|age| age >= REFRESH));
        let mut sets = if due { self.templates() } else { Vec::new() };
        if due {
            self.templates_sent = Some(now);
        }
        let times = [milliseconds(self.since), milliseconds(now)];
        self.since = now;
        let mut data = Vec::new();
        let mut count = if due { PERF_COLUMNS.len() as u32 } else { 0 };
        for record in records {
            let record = record.emit(times);
            if sets.len() + data.len() + record.len() + 4 > ROOM {
                self.send(now, sets, set(VRF_TEMPLATE, &data), count)?;
                (sets, data, count) = (Vec::new(), Vec::new(), 0);
            }
            data.extend(record);
            count += 1;
        }
        let data = if data.is_empty() { Vec::new() } else { set(VRF_TEMPLATE, &data) };
        if sets.is_empty() && data.is_empty() { Ok(()) } else { self.send(now, sets, data, count) }
    }

    fn templates(&self) -> Vec<u8> {
        let mut template = words(&[VRF_TEMPLATE, VRF_FIELDS.len() as u16]);
        VRF_FIELDS.iter().for_each(|(element, len)| template.extend(words(&[*element, *len])));
        // Template, number of fields, number of scope fields.
        let fields = [145, 2, 287, 2, 447, 8, 445, VARIABLE];
        let options = [words(&[MIB_FIELD_TEMPLATE, 4, 2]), words(&fields)].concat();
        let mut records = Vec::new();
        for (at, column) in (8u16..).zip(PERF_COLUMNS) {
            records.extend(words(&[VRF_TEMPLATE, at]));
            records.extend(INDEX.to_be_bytes());
            let mut oid = Oid::new(&PERF_ENTRY);
            oid.push(column);
            put_variable(&mut records, &ber(&oid));
        }
        [set(2, &template), set(3, &options), set(MIB_FIELD_TEMPLATE, &records)].concat()
    }

    /// One message (RFC 7011 §3.1).
    fn send(&mut self, now: SystemTime, sets: Vec<u8>, data: Vec<u8>, records: u32) -> io::Result<()> {
        let len = u16::try_from(16 + sets.len() + data.len()).map_err(io::Error::other)?;
        let mut message = words(&[10, len]);
        for word in [(milliseconds(now) / 1000) as u32, self.sequence, self.domain] {
            message.extend(word.to_be_bytes());
        }
        message.extend(sets);
        message.extend(data);
        self.sequence = self.sequence.wrapping_add(records);
        self.socket.send(&message).map(drop)
    }
}

impl VrfRecord {
    fn emit(&self, times: [u64; 2]) -> Vec<u8> {
        let mut out = u32::from(self.id).to_be_bytes().to_vec();
        put_variable(&mut out, self.name.as_bytes());
        let traffic = &self.traffic;
        let counts = [traffic.in_octets, traffic.in_packets, traffic.out_octets, traffic.out_packets];
        let routes = [self.routes_added, self.routes_deleted, self.routes_dropped];
        for n in times.into_iter().chain(counts).chain(routes) {
            out.extend(n.to_be_bytes());
        }
        out.extend(self.routes.to_be_bytes());
        out
    }
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// A set with its header (RFC 7011 §3.3.2).
fn set(id: u16, content: &[u8]) -> Vec<u8> {
    let mut set = words(&[id, u16::try_from(content.len() + 4).unwrap_or(u16::MAX)]);
    set.extend(content);
    set
}

/// A value of variable length (RFC 7011 §7).
fn put_variable(out: &mut Vec<u8>, value: &[u8]) {
    match u8::try_from(value.len()) {
        Ok(len) if len < 255 => out.push(len),
        _ => {
            out.push(255);
            out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend(value.iter().take(usize::from(u16::MAX)));
}

/// An object identifier in BER with tag and length, as RFC 8038 §5.4.2 has it. Identifiers here are short.
fn ber(oid: &Oid) -> Vec<u8> {
    let (first, rest) = oid.ids().split_at(2);
    let mut value = Vec::new();
    for id in std::iter::once(first[0] * 40 + first[1]).chain(rest.iter().copied()) {
        let groups = (0..5).rev().map(|n| (id >> (7 * n)) as u8 & 0x7f).collect::<Vec<_>>();
        let begin = groups.iter().position(|g| *g != 0).unwrap_or(4);
        value.extend(groups[begin..4].iter().map(|g| g | 0x80));
        value.push(groups[4]);
    }
    let mut out = vec![6, u8::try_from(value.len()).unwrap_or(u8::MAX)];
    out.extend(value);
    out
}

fn milliseconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8038 §6.1 prints the encoding of 1.3.6.1.2.1.6.9; the other has a sub-identifier above 127.
    #[test]
    fn identifiers_in_ber() {
        assert_eq!(ber(&Oid::new(&[1, 3, 6, 1, 2, 1, 6, 9])), [6, 7, 0x2b, 6, 1, 2, 1, 6, 9]);
        assert_eq!(ber(&Oid::new(&[1, 3, 166, 16384])), [6, 6, 0x2b, 0x81, 0x26, 0x81, 0x80, 0]);
    }

    #[test]
    fn messages_are_counted_in_records_and_bounded_in_octets() {
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut exporter = Exporter::new(collector.local_addr().unwrap(), 7).unwrap();
        let record = |id| VrfRecord { id, name: format!("vrf-{id}"), routes: u32::from(id), ..VrfRecord::default() };
        let records: Vec<VrfRecord> = (1..=100).map(record).collect();
        let now = SystemTime::now();
        exporter.export(now, &records).unwrap();
        exporter.export(now + Duration::from_secs(1), &records[..1]).unwrap();
        let (mut sequence, mut lens, mut buffer) = (0, vec![], [0; 2000]);
        while lens.last() != Some(&(16 + 4 + records[0].emit([0; 2]).len())) {
            let len = collector.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..4], [&[0, 10][..], &(len as u16).to_be_bytes()].concat());
            let word = |at: usize| u32::from_be_bytes(*buffer[at..].first_chunk().unwrap());
            assert_eq!((word(8), word(12)), (sequence, 7));
            // Count the data records: sets, then records by their own lengths.
            let mut at = 16;
            while at < len {
                let head = [word(at) >> 16, word(at) & 0xffff];
                let end = at + head[1] as usize;
                let mut record = at + 4;
                while head[0] >= 256 && record < end {
                    record += match head[0] {
                        256 => 4 + 1 + usize::from(buffer[record + 4]) + 9 * 8 + 4,
                        _ => 12 + 1 + usize::from(buffer[record + 12]),
                    };
                    sequence += 1;
                }
                assert!(head[0] < 256 || record == end, "records fill their set");
                at = end;
            }
            assert_eq!(at, len);
            assert!(len <= 16 + ROOM);
            lens.push(len);
        }
        assert_eq!(sequence, 4 + 101);
    }
}
