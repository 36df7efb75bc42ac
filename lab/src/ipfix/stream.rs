//! Multicast streams as IPFIX: what an (S,G) of a VRF carried, by which PMSI, in standard Information Elements.
//!
//! ```text
//! template 258 (IPv4), 259 (IPv6), a record for each stream:
//!   ingressVRFID VRFname sourceIPv4Address|sourceIPv6Address destinationIPv4Address|destinationIPv6Address
//!   egressInterface (ifIndex of the PMSI, 0: no other PE receives it)
//!   flowStartMilliseconds flowEndMilliseconds octetDeltaCount packetDeltaCount postMCastPacketDeltaCount
//! ```

use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

use fwd_core::GroupCounters;
use fwd_core::mib::{Oid, Row, Value};
use mvpn::mvrf::mib::MrouteRow;

use super::{Exporter, ROOM, VARIABLE, milliseconds, put_variable, set, words};

/// The templates of IPv4 and IPv6 streams.
const TEMPLATES: [u16; 2] = [258, 259];

/// Information Elements with their lengths, of IANA's registry.
const fn fields(is_v6: bool) -> [(u16, u16); 10] {
    let [source, group] = if is_v6 { [(27, 16), (28, 16)] } else { [(8, 4), (12, 4)] };
    [(234, 4), (236, VARIABLE), source, group, (14, 4), (152, 8), (153, 8), (1, 8), (2, 8), (19, 8)]
}

/// A stream of a VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// The VRF.
    pub vrf: u16,
    /// Its name.
    pub name: String,
    /// S; none is (*,G).
    pub source: Option<IpAddr>,
    /// G.
    pub group: IpAddr,
    /// ifIndex of the PMSI; 0: no other PE receives the stream.
    pub pmsi: u32,
    /// What was counted since the record before.
    pub counters: GroupCounters,
}

impl StreamRecord {
    /// The stream of a row of mvpnMrouteTable, with what was counted since the record before.
    #[must_use]
    pub fn new(vrf: u16, name: &str, row: &MrouteRow, pmsi: impl Fn(&Oid) -> u32, counters: GroupCounters) -> Self {
        let (source, group) = row.flow();
        let pmsi = match row.cell(23) {
            Some(Value::Oid(pointer)) => pmsi(&pointer),
            _ => 0,
        };
        Self { vrf, name: name.to_owned(), source, group, pmsi, counters }
    }

    fn emit(&self, times: [u64; 2]) -> Vec<u8> {
        let mut out = u32::from(self.vrf).to_be_bytes().to_vec();
        put_variable(&mut out, self.name.as_bytes());
        let any = match self.group {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        for address in [self.source.unwrap_or(any), self.group] {
            match address {
                IpAddr::V4(a) => out.extend(a.octets()),
                IpAddr::V6(a) => out.extend(a.octets()),
            }
        }
        out.extend(self.pmsi.to_be_bytes());
        let c = &self.counters;
        for n in times.into_iter().chain([c.octets, c.packets, c.copies]) {
            out.extend(n.to_be_bytes());
        }
        out
    }
}

impl Exporter {
    /// Sends streams, with their templates. `times`: from when to when they were counted.
    ///
    /// # Errors
    /// The system refuses the datagram. The figures of this time are lost, as those of a datagram that the network lost.
    pub fn export_streams(&mut self, now: SystemTime, since: SystemTime, streams: &[StreamRecord]) -> io::Result<()> {
        let times = [milliseconds(since), milliseconds(now)];
        for (is_v6, id) in [false, true].into_iter().zip(TEMPLATES) {
            let of_family: Vec<_> = streams.iter().filter(|s| s.group.is_ipv6() == is_v6).collect();
            let mut template = words(&[id, fields(is_v6).len() as u16]);
            fields(is_v6).iter().for_each(|(element, len)| template.extend(words(&[*element, *len])));
            let template = set(2, &template);
            let (mut data, mut count) = (Vec::new(), 0);
            for stream in of_family {
                let record = stream.emit(times);
                if template.len() + data.len() + record.len() + 4 > ROOM {
                    self.send(now, template.clone(), set(id, &data), count)?;
                    (data, count) = (Vec::new(), 0);
                }
                data.extend(record);
                count += 1;
            }
            if count > 0 {
                self.send(now, template, set(id, &data), count)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::UdpSocket;
    use std::time::Duration;

    use bgp_vpn::mib::View;
    use fwd_core::net::{IfIndex, ReplicationId, VrfId};
    use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, Rpf, VsiOrVrf};
    use fwd_core::time::Instant;
    use mvpn::mvrf::mib::{MvpnMib, Outside};
    use mvpn::mvrf::{Input, MvpnConfig, MvpnPe, MvrfConfig};

    use super::*;

    /// Records of a message as its own templates say: values by Information Element.
    fn decode(message: &[u8]) -> Vec<BTreeMap<u16, Vec<u8>>> {
        let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
        assert_eq!((word(0), usize::from(word(2))), (10, message.len()));
        let (mut templates, mut records, mut at) = (BTreeMap::new(), Vec::new(), 16);
        while at < message.len() {
            let (id, end) = (word(at), at + usize::from(word(at + 2)));
            at += 4;
            if id == 2 {
                let fields: Vec<(u16, u16)> =
                    (0..usize::from(word(at + 2))).map(|n| (word(at + 4 + 4 * n), word(at + 6 + 4 * n))).collect();
                templates.insert(word(at), fields);
                at = end;
                continue;
            }
            while at < end {
                let mut record = BTreeMap::new();
                for (element, len) in &templates[&id] {
                    let len = match *len {
                        VARIABLE => {
                            at += 1;
                            usize::from(message[at - 1])
                        }
                        len => usize::from(len),
                    };
                    record.insert(*element, message[at..at + len].to_vec());
                    at += len;
                }
                records.push(record);
            }
            assert_eq!(at, end, "records fill their set");
        }
        records
    }

    /// A PE with a stream to other PEs, one that has no receivers there, and one of IPv6.
    fn pe() -> MvpnPe {
        let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
        let (vrf, pmsi) = (VrfId(7), IfIndex(1007));
        let rd = bgp_vpn::nlri::RouteDistinguisher::two_octet_as(65001, 7);
        pe.add_mvrf(Instant::ZERO, MvrfConfig::new(vrf, rd, "65001:7".parse().unwrap(), pmsi)).unwrap();
        let v4 = |n: u8| MrouteKey::Source4 { source: [10, 0, 0, n].into(), group: [232, 1, 1, n].into() };
        let v6 = MrouteKey::Source6 {
            source: [0xfd, 0, 0, 0, 0, 0, 0, 1].into(),
            group: [0xff3e, 0, 0, 0, 0, 0, 0, 1].into(),
        };
        for (id, key, leg) in [(1, v4(1), pmsi), (2, v4(2), IfIndex(5)), (3, v6, pmsi)] {
            let id = ReplicationId(id);
            let mroute = Mroute {
                rpf: Rpf::Any,
                replication: Some(id),
                punt_wrong_interface: false,
                register: false,
                spt: None,
            };
            for op in [
                FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) },
                FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Interface(leg) },
                FwdOp::SetMroute { vrf, key, mroute },
            ] {
                pe.handle_input(Instant::ZERO, Input::Program { vrf, op });
            }
        }
        pe
    }

    /// What a collector reads by the templates is what the managed objects and the forwarder's counters say: flow, VRF, tunnel, counters.
    ///
    /// Shows: MVPN-COAM-5
    #[test]
    fn records_decode_to_the_managed_objects() {
        let pe = pe();
        let counters = |id: ReplicationId| {
            let n = u64::from(id.0);
            Some(GroupCounters { packets: 100 * n, octets: 131_600 * n, copies: 300 * n, ..GroupCounters::ZERO })
        };
        let outside = Outside {
            vrf_name: &|_| b"red".to_vec(),
            date: &|_| Vec::new(),
            group: &counters,
            tunnel: &|_| None,
            first_if_index: 5000,
            view: View::Provider,
        };
        let mib = MvpnMib::new(&pe, &outside);
        let streams: Vec<StreamRecord> = mib
            .mroutes
            .rows()
            .zip([1, 2, 3])
            .map(|(row, id)| {
                let pmsi = |pointer: &Oid| pointer.ids().last().copied().unwrap_or(0);
                StreamRecord::new(7, "red", row, pmsi, counters(ReplicationId(id)).unwrap())
            })
            .collect();
        let collector = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut exporter = Exporter::new(collector.local_addr().unwrap(), 1).unwrap();
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        exporter.export_streams(since + Duration::from_secs(60), since, &streams).unwrap();
        let mut records = Vec::new();
        for _ in 0..2 {
            let mut buffer = [0; 2000];
            let len = collector.recv(&mut buffer).unwrap();
            records.extend(decode(&buffer[..len]));
        }
        assert_eq!(records.len(), 3);
        let number = |record: &BTreeMap<u16, Vec<u8>>, element: u16| {
            record[&element].iter().fold(0_u64, |n, octet| n << 8 | u64::from(*octet))
        };
        for (record, row) in records.iter().zip(mib.mroutes.rows()) {
            assert_eq!((number(record, 234), &record[&236][..]), (7, &b"red"[..]));
            assert_eq!(row.cell(17), Some(Value::Counter64(number(record, 1))));
            assert_eq!(row.cell(18), Some(Value::Counter64(number(record, 2))));
            assert_eq!(number(record, 19), 3 * number(record, 2));
            assert_eq!((number(record, 152), number(record, 153)), (1_000_000, 1_060_000));
        }
        assert_eq!(records[0][&8], [10, 0, 0, 1]);
        assert_eq!(records[0][&12], [232, 1, 1, 1]);
        assert_eq!(records[2][&28][..2], [0xff, 0x3e]);
        assert_eq!([0, 1, 2].map(|n| number(&records[n], 14)), [1007, 0, 1007]);
    }
}
