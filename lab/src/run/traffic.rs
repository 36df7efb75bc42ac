//! What customers send: packets of real captures, and some that must not get through.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use fwd_core::net::VrfId;

use super::topology::{CUSTOMERS, SITES, Topology, host};
use crate::pcap::{Reader, ip_packet};
use crate::sim::packet::{self, IpView, checksum, readdress};
use crate::sim::rng::Rng;
use crate::table::FullTable;

static IPV4: &[u8] = include_bytes!("../../data/customer-ipv4.pcap");
static IPV6: &[u8] = include_bytes!("../../data/customer-ipv6.pcap");

/// The TTL or hop limit that customers' packets start with.
pub const TTL: u8 = 64;

/// The packets of the capture of one family that a customer can send: whole, and no longer than a customer's link takes.
///
/// # Errors
/// A damaged capture.
pub fn captured(v6: bool) -> Result<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    for frame in Reader::new(if v6 { IPV6 } else { IPV4 })? {
        let frame = frame?;
        let Some(packet) = ip_packet(frame.link_type, &frame.octets) else { continue };
        let Some(view) = IpView::parse(packet) else { continue };
        let len = view.header_len + view.payload.len();
        if view.src.is_ipv6() == v6 && !view.fragment && len <= 1500 && view.header_len <= 40 {
            packets.extend(packet.get(..len).map(<[u8]>::to_vec));
        }
    }
    Ok(packets)
}

/// Gives a packet a mark that survives forwarding: in the IPv4 identification or the IPv6 flow label. The customer is in its
/// highest bit; the rest is a number. TTL or hop limit become `ttl`.
fn mark(packet: &mut [u8], customer: usize, number: u32, ttl: u8) {
    let customer = customer as u32;
    if packet.first().is_some_and(|b| b >> 4 == 6) {
        let label = (customer << 19) | (number & 0x7_ffff);
        packet[1] = (packet[1] & 0xf0) | (label >> 16) as u8;
        packet[2..4].copy_from_slice(&(label as u16).to_be_bytes());
        packet[7] = ttl;
    } else {
        let id = ((customer << 15) | (number & 0x7fff)) as u16;
        packet[4..6].copy_from_slice(&id.to_be_bytes());
        packet[8] = ttl;
        packet[10..12].fill(0);
        let header_len = usize::from(packet[0] & 15) * 4;
        let sum = checksum(0, &packet[..header_len]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

/// The customer that a mark names, and the number.
fn marked(packet: &[u8]) -> (usize, u32) {
    if packet.first().is_some_and(|b| b >> 4 == 6) {
        let label = u32::from_be_bytes([0, packet[1] & 15, packet[2], packet[3]]);
        ((label >> 19) as usize, label & 0x7_ffff)
    } else {
        let id = u32::from(u16::from_be_bytes([packet[4], packet[5]]));
        ((id >> 15) as usize, id & 0x7fff)
    }
}

/// What was sent and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Packets sent from site to site.
    pub sent: u64,
    /// Packets sent to destinations of the full table by the customer that has it.
    pub sent_to_table: u64,
    /// The same packets sent by the customer that has not.
    pub sent_without_route: u64,
    /// Packets that arrived where they were sent, with their payload.
    pub delivered: u64,
    /// Packets that arrived at a site of the other customer.
    pub leaked: u64,
    /// Packets that arrived elsewhere, changed, twice, or with a TTL that is not that of the path.
    pub wrong: u64,
    /// Packets delivered, by customer and family (IPv6 second).
    pub by_customer: [[u64; 2]; 2],
    numbers: [u32; 2],
    /// Customer, IPv6, number: the site that is to get it, and the payload.
    expected: BTreeMap<(usize, bool, u32), (usize, Vec<u8>)>,
}

impl Traffic {
    /// Sends the captures between all sites of each customer, the same addresses and payloads for both.
    ///
    /// # Errors
    /// A damaged capture.
    pub fn between_sites(&mut self, topology: &mut Topology<'_>, most: usize) -> Result<()> {
        for v6 in [false, true] {
            let packets = captured(v6)?;
            for (from, to) in (0..SITES).flat_map(|a| (0..SITES).map(move |b| (a, b))).filter(|(a, b)| a != b) {
                for (n, packet) in packets.iter().take(most).enumerate() {
                    let n = n as u16 + 1;
                    let Some(packet) = readdress(packet, host(from, v6, n), host(to, v6, n)) else { continue };
                    for customer in 0..CUSTOMERS.len() {
                        self.send(topology, customer, from, to, packet.clone());
                        self.sent += 1;
                    }
                    topology.provider.net.run_for(Duration::from_micros(20));
                }
            }
        }
        Ok(())
    }

    /// Sends to destinations of the full table from the second and third site of each customer.
    ///
    /// # Errors
    /// A damaged capture.
    pub fn to_table(&mut self, topology: &mut Topology<'_>, table: &FullTable, most: usize, seed: u64) -> Result<()> {
        let mut rng = Rng::new(seed);
        let v4 = (0..most.min(table.v4.len())).map(|_| table.v4[rng.below(table.v4.len() as u64) as usize].addr());
        let mut destinations: Vec<IpAddr> = v4.map(IpAddr::V4).collect();
        let v6 = (0..most.min(table.v6.len())).map(|_| table.v6[rng.below(table.v6.len() as u64) as usize].addr());
        destinations.extend(v6.map(IpAddr::V6));
        let packets = [captured(false)?, captured(true)?];
        for (n, to) in destinations.into_iter().enumerate() {
            let from = 1 + n % (SITES - 1);
            let packets = &packets[usize::from(to.is_ipv6())];
            let Some(packet) = packets.get(n % packets.len().max(1)) else { continue };
            let Some(packet) = readdress(packet, host(from, to.is_ipv6(), n as u16 + 1), to) else { continue };
            self.send(topology, 0, from, 0, packet.clone());
            self.sent_to_table += 1;
            let mut without_route = packet;
            mark(&mut without_route, 1, 0x7fff, TTL);
            let ce = topology.sites[1][from].ce;
            topology.provider.net.send_packet(ce, VrfId::GLOBAL, &without_route);
            self.sent_without_route += 1;
            topology.provider.net.run_for(Duration::from_micros(20));
        }
        Ok(())
    }

    fn send(&mut self, topology: &mut Topology<'_>, customer: usize, from: usize, to: usize, mut packet: Vec<u8>) {
        let number = self.numbers[customer];
        self.numbers[customer] += 1;
        mark(&mut packet, customer, number, TTL);
        let Some(view) = IpView::parse(&packet) else { return };
        self.expected.insert((customer, view.src.is_ipv6(), number), (to, view.payload.to_vec()));
        topology.provider.net.send_packet(topology.sites[customer][from].ce, VrfId::GLOBAL, &packet);
    }

    /// Takes what the CEs received, and compares it with what was sent.
    pub fn check(&mut self, topology: &mut Topology<'_>) {
        let sites = topology.sites;
        for (customer, sites) in sites.iter().enumerate() {
            for (here, site) in sites.iter().enumerate() {
                for delivered in std::mem::take(&mut topology.provider.net.node_mut(site.ce).delivered) {
                    self.judge(customer, here, &delivered.packet);
                }
            }
        }
    }

    fn judge(&mut self, customer: usize, here: usize, packet: &[u8]) {
        let Some(view) = IpView::parse(packet) else {
            self.wrong += 1;
            return;
        };
        let v6 = view.src.is_ipv6();
        let (sender, number) = marked(packet);
        if sender != customer {
            self.leaked += 1;
            return;
        }
        match self.expected.remove(&(sender, v6, number)) {
            Some((to, payload)) if to == here && payload == view.payload && (TTL - 6..TTL - 3).contains(&view.ttl) => {
                self.delivered += 1;
                self.by_customer[customer][usize::from(v6)] += 1;
            }
            _ => self.wrong += 1,
        }
    }

    /// Packets sent that must arrive.
    #[must_use]
    pub const fn due(&self) -> u64 {
        self.sent + self.sent_to_table
    }
}

/// A packet to show the way of.
#[must_use]
pub fn sample(customer: usize, from: usize, to: usize, v6: bool, ttl: u8) -> Option<Vec<u8>> {
    let payload = [0xc0, 0, 0xc0, 1, 0, 12, 0, 0, b'p', b'a', b't', b'h'];
    let mut packet = packet::ip_packet(host(from, v6, 1), host(to, v6, 1), packet::PROTOCOL_UDP, ttl, &payload)?;
    mark(&mut packet, customer, 0, ttl);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_captures_hold_packets_of_both_families() {
        for v6 in [false, true] {
            let packets = captured(v6).unwrap();
            assert!(packets.len() > 200, "{}", packets.len());
            for mut packet in packets {
                mark(&mut packet, 1, 77, 9);
                assert_eq!(marked(&packet), (1, 77));
                let view = IpView::parse(&packet).unwrap();
                assert_eq!(view.ttl, 9);
                assert!(v6 || checksum(0, &packet[..view.header_len]) == 0);
            }
        }
    }
}
