//! Join/Prunes, Asserts and Registers on their way out.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use fwd_core::net::IfIndex;

use super::assert::AssertMetric;
use super::evaluate::neighbor as neighbor_of;
use super::io::Output;
use super::macros::GroupView;
use super::network::PimAddress;
use super::router::PimRouter;
use super::state::Rpf;
use super::wire::{
    Assert, EncodedGroup, GroupSetBuf, Header, JoinAttributesBuf, JoinPruneBuf, Message, MessageType, Register,
    RegisterFlags, RegisterStop, SourceBuf, SourceFlags, packet,
};

/// What a Join/Prune names within a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry<A> {
    /// (*,G), with the RP.
    Group(A),
    /// (S,G,rpt)
    Rpt(A),
    /// (S,G)
    Source(A),
}

/// Joins (`true`) and Prunes that wait for the next drain, by interface and neighbour, then group. A later one of the same entry
/// replaces the earlier.
#[derive(Clone, Debug)]
pub(super) struct Pending<A>(BTreeMap<(IfIndex, A), Groups<A>>);

type Groups<A> = BTreeMap<A, Entries<A>>;
type Entries<A> = BTreeMap<Entry<A>, bool>;

impl<A> Default for Pending<A> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<A: PimAddress> Pending<A> {
    pub(super) fn forget_interface(&mut self, interface: IfIndex) {
        self.0.retain(|(i, _), _| *i != interface);
    }

    pub(super) fn forget_neighbor(&mut self, interface: IfIndex, neighbor: A) {
        self.0.remove(&(interface, neighbor));
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// A Join or Prune is to go to a neighbour with the next drain.
    pub(super) fn send_join_prune(&mut self, to: Option<(IfIndex, A)>, g: A, entry: Entry<A>, join: bool) {
        let Some(to) = to else { return };
        if self.net.interfaces.get(&to.0).is_none_or(|i| i.config.passive) {
            return;
        }
        self.pending.0.entry(to).or_default().entry(g).or_default().insert(entry, join);
    }

    /// Makes messages of what is pending.
    pub(super) fn flush_joins_and_prunes(&mut self) {
        while let Some(((interface, neighbor), groups)) = self.pending.0.pop_first() {
            let Some(config) = self.net.interfaces.get(&interface).map(|i| &i.config) else { continue };
            let (from, mtu) = (config.address, usize::from(config.mtu));
            self.ensure_hello(interface);
            // Room for the body: IP header and PIM header aside.
            let ip_header = if A::LEN == 4 { 20 } else { 40 };
            let room = mtu.saturating_sub(ip_header).saturating_sub(Header::LEN);
            let holdtime = self.join_prune_holdtime();
            let empty = || JoinPruneBuf::new(neighbor.into(), holdtime);
            let (mut message, mut len) = (empty(), empty().wire_len());
            for (g, entries) in groups {
                for set in self.group_sets((interface, neighbor), g, entries, room.saturating_sub(empty().wire_len())) {
                    let more = set.wire_len();
                    if len.saturating_add(more) > room || message.groups().len() == JoinPruneBuf::MAX_GROUPS {
                        let full = core::mem::replace(&mut message, empty());
                        self.send_join_prune_message(interface, from, &full);
                        len = empty().wire_len();
                    }
                    len = len.saturating_add(more);
                    message.push(set);
                }
            }
            if !message.groups().is_empty() {
                self.send_join_prune_message(interface, from, &message);
            }
        }
    }

    fn send_join_prune_message(&mut self, interface: IfIndex, from: A, message: &JoinPruneBuf) {
        let to = A::ALL_PIM_ROUTERS;
        let octets = packet(MessageType::JOIN_PRUNE, 0, from.into(), to.into(), |out| message.emit(out));
        self.outputs.push_back(Output::Datagram { interface: Some(interface), from, to, octets });
    }

    /// The holdtime of Join/Prunes: 3.5 × t_periodic.
    pub(super) fn join_prune_holdtime(&self) -> u16 {
        let secs = self.net.config.timers.join_prune_period.as_secs().saturating_mul(7) / 2;
        u16::try_from(secs).unwrap_or(u16::MAX)
    }

    /// The group sets of one group, each within `room` octets. A Join(*,G) takes the Prunes(S,G,rpt) with it that RFC 7761 §4.5.6
    /// asks for, and stays in one set with them as far as they fit (§4.9.5.2).
    fn group_sets(&self, to: (IfIndex, A), g: A, mut entries: Entries<A>, room: usize) -> Vec<GroupSetBuf> {
        if entries.iter().any(|(e, join)| matches!(e, Entry::Group(_)) && *join) {
            if let Some(group) = self.groups.get(&g).filter(|group| !group.bidir) {
                let view = GroupView { net: &self.net, g, group };
                for s in group.sources.keys() {
                    if view.source(*s).prune_with_join_g() {
                        entries.insert(Entry::Rpt(*s), false);
                    } else if entries.get(&Entry::Rpt(*s)) == Some(&false) {
                        entries.remove(&Entry::Rpt(*s));
                    }
                }
            }
        }
        let encoded = EncodedGroup::new(g.into());
        let most = room.saturating_sub(encoded.wire_len().saturating_add(4));
        let (mut sets, mut set, mut used) = (Vec::new(), GroupSetBuf::new(encoded), 0_usize);
        for (entry, join) in entries {
            let source = match entry {
                Entry::Group(rp) => SourceBuf::new(rp.into(), SourceFlags::WILDCARD | SourceFlags::RPT),
                Entry::Rpt(s) => SourceBuf::new(s.into(), SourceFlags::RPT),
                Entry::Source(s) => SourceBuf::new(s.into(), SourceFlags::empty()),
            };
            let attributes = if join { self.attributes_for(g, entry, to) } else { None };
            let source = attributes.into_iter().fold(source, SourceBuf::with_attributes);
            let len = source.as_source().wire_len();
            if used > 0 && used.saturating_add(len) > most {
                sets.push(core::mem::replace(&mut set, GroupSetBuf::new(encoded)));
                used = 0;
            }
            used = used.saturating_add(len);
            if join { set.joins.push(source) } else { set.prunes.push(source) }
        }
        sets.push(set);
        sets
    }

    /// The attributes that a Join to a neighbour carries, if any.
    fn attributes_for(&self, g: A, entry: Entry<A>, (interface, neighbor): (IfIndex, A)) -> Option<JoinAttributesBuf> {
        if !self.net.interfaces.get(&interface).is_some_and(|i| i.config.join_attributes) {
            return None;
        }
        let said = match entry {
            Entry::Rpt(_) => return None,
            Entry::Group(_) => self.view(g)?.said_g(),
            Entry::Source(s) => {
                let view = self.source_view(g, s)?;
                let own = view.rpf_sg();
                let second = Rpf { interface: Some(interface), next_hop: Some(neighbor), neighbor: Some(neighbor) };
                view.said_sg(if neighbor_of(&own) == Some((interface, neighbor)) { &own } else { &second })
            }
        };
        Some(said.to_buf())
    }

    /// Sends an Assert; `source` is unspecified for (*,G).
    pub(super) fn send_assert(&mut self, interface: IfIndex, g: A, source: A, metric: AssertMetric<A>) {
        let Some(config) = self.net.interfaces.get(&interface).map(|i| &i.config) else { return };
        if config.passive {
            return;
        }
        let (from, to) = (config.address, A::ALL_PIM_ROUTERS);
        self.ensure_hello(interface);
        let assert = Assert {
            group: EncodedGroup::new(g.into()),
            source: source.into(),
            rpt: metric.rpt,
            metric_preference: metric.preference,
            metric: metric.metric,
        };
        let octets = Message::Assert(assert).to_packet(from.into(), to.into());
        self.outputs.push_back(Output::Datagram { interface: Some(interface), from, to, octets });
    }

    /// Sends a Register or a Null-Register to the RP.
    pub(super) fn send_register(&mut self, from: A, rp: A, flags: RegisterFlags, inner: &[u8]) {
        let octets = Message::Register(Register { flags, packet: inner }).to_packet(from.into(), rp.into());
        self.outputs.push_back(Output::Datagram { interface: None, from, to: rp, octets });
    }

    /// Sends a Register-Stop to the router that a Register came from.
    pub(super) fn send_register_stop(&mut self, from: A, to: A, g: A, s: A) {
        let stop = RegisterStop { group: EncodedGroup::new(g.into()), source: s.into() };
        let octets = Message::RegisterStop(stop).to_packet(from.into(), to.into());
        self.outputs.push_back(Output::Datagram { interface: None, from, to, octets });
    }
}
