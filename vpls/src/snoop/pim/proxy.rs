//! What a proxy sends upstream in its neighbours' names (RFC 8220 §2.6.6, §2.10.1).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{Mac, PortId};
use fwd_core::time::Instant;
use mvpn::pim::wire::{EncodedGroup, GroupSetBuf, JoinPrune, JoinPruneBuf, Message, SourceBuf, SourceFlags};

use super::super::members::Ports;
use super::{Down, Downstream, Flow, Neighbor, Pim};

/// RFC 7761 §4.11: t_periodic, and the hold time of Joins, 3.5 times as long.
const PERIODIC: Duration = Duration::from_secs(60);
const HOLDTIME: u16 = 210;
const ALL_PIM4: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(224, 0, 0, 13));
const ALL_PIM6: IpAddr = IpAddr::V6(core::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xd));

/// A Join/Prune of the proxy, in the name of a neighbour downstream.
#[derive(Clone, Debug)]
pub(crate) struct Regenerated {
    pub(crate) port: PortId,
    pub(crate) mac: Mac,
    pub(crate) tags: Vec<u8>,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) packet: Vec<u8>,
}

impl Pim {
    /// The Joins and Prunes that a proxy owes its upstream neighbours, as messages from the neighbour whose interest they carry
    /// (RFC 8220 §2.6.6, §2.10.1): the port, and what goes out of it.
    pub(crate) fn proxy(&mut self, now: Instant) -> Vec<Regenerated> {
        let wanted: BTreeSet<(Flow, IpAddr)> =
            self.downstream.keys().map(|(flow, _, upstream)| (*flow, *upstream)).collect();
        let gone: Vec<(Flow, IpAddr)> = self.upstream.keys().filter(|key| !wanted.contains(key)).copied().collect();
        let is_due = |key: &(Flow, IpAddr)| self.upstream.get(key).is_none_or(|at| *at <= now);
        let due: Vec<(Flow, IpAddr)> = wanted.into_iter().filter(is_due).collect();
        // By upstream neighbour and speaker: flows, and whether they are joined.
        let mut messages: BTreeMap<(IpAddr, IpAddr), Vec<(Flow, bool)>> = BTreeMap::new();
        for (key, is_join) in due.iter().map(|key| (*key, true)).chain(gone.iter().map(|key| (*key, false))) {
            let (flow, upstream) = key;
            let Some(speaker) = self.speaker(flow, upstream) else { continue };
            messages.entry((upstream, speaker)).or_default().push((flow, is_join));
        }
        for key in due {
            if matches!(key.0, Flow::Any(_)) {
                let rp = self.rp_of(key.0, key.1);
                self.rps.insert(key.0.group(), rp);
            }
            self.upstream.insert(key, now + PERIODIC);
        }
        for key in gone {
            self.upstream.remove(&key);
        }
        let build = |(upstream, speaker): (IpAddr, IpAddr), flows: &[(Flow, bool)]| {
            let (to, from) = (self.neighbors.get(&upstream)?, self.neighbors.get(&speaker)?);
            let all = if upstream.is_ipv4() { ALL_PIM4 } else { ALL_PIM6 };
            let mut body = Vec::new();
            self.message(upstream, flows).emit(&mut body);
            let packet = Message::JoinPrune(JoinPrune::parse(&body).ok()?).to_packet(speaker, all);
            Some(Regenerated {
                port: to.port,
                mac: from.mac,
                tags: from.tags.clone(),
                source: speaker,
                destination: all,
                packet,
            })
        };
        messages.into_iter().filter_map(|(key, flows)| build(key, &flows)).collect()
    }

    /// A neighbour that is not upstream, in whose name a Join goes.
    fn speaker(&self, flow: Flow, upstream: IpAddr) -> Option<IpAddr> {
        let at = self.port_of(upstream)?;
        let joining: Ports = self.joined(flow).filter(|(_, to)| *to == upstream).map(|(port, _)| port).collect();
        let fits = |(address, n): &(&IpAddr, &Neighbor)| {
            **address != upstream && address.is_ipv4() == upstream.is_ipv4() && n.port != at
        };
        let by_join = self.neighbors.iter().filter(fits).find(|(_, n)| joining.contains(&n.port));
        by_join.or_else(|| self.neighbors.iter().find(fits)).map(|(address, _)| *address)
    }

    /// Joins and Prunes to an upstream neighbour.
    fn message(&self, upstream: IpAddr, flows: &[(Flow, bool)]) -> JoinPruneBuf {
        let mut sets: BTreeMap<IpAddr, GroupSetBuf> = BTreeMap::new();
        for (flow, is_wanted) in flows {
            let group = flow.group();
            let set = sets.entry(group).or_insert_with(|| GroupSetBuf::new(EncodedGroup::new(group)));
            let (source, flags, is_join) = match *flow {
                Flow::Any(_) => (
                    self.rp_of(*flow, upstream),
                    SourceFlags::SPARSE | SourceFlags::WILDCARD | SourceFlags::RPT,
                    *is_wanted,
                ),
                Flow::Source(source, _) => (source, SourceFlags::SPARSE, *is_wanted),
                Flow::Rpt(source, _) => (source, SourceFlags::SPARSE | SourceFlags::RPT, !is_wanted),
            };
            let list = if is_join { &mut set.joins } else { &mut set.prunes };
            list.push(SourceBuf::new(source, flags));
        }
        let mut message = JoinPruneBuf::new(upstream, HOLDTIME);
        for set in sets.into_values() {
            message.push(set);
        }
        message
    }

    /// The RP of a (*,G), as Joins named it.
    fn rp_of(&self, flow: Flow, upstream: IpAddr) -> IpAddr {
        let of = |(key, machine): (&Down, &Downstream)| (key.0 == flow).then_some(machine.rp);
        self.downstream.iter().find_map(of).or_else(|| self.rps.get(&flow.group()).copied()).unwrap_or(upstream)
    }
}
