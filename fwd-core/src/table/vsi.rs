//! Virtual switch instances and their ports, by number.

use super::mroute::Lengths;
use super::records::{Records, Slot};
use super::word::Word;
use crate::net::{IfIndex, NhlfeId, PortId, ReplicationId, VlanId, VsiId};
use crate::op::{Attachment, BridgePort, Class, ClassMap, FlowLabels, LinkLocal, Tags, TrafficType, Vsi};

/// ```text
/// word 0: age (16) | snoop (1) | link-local (2), from the lowest bit      1 to 3: groups for unknown, broadcast, multicast, from 1
/// 4: MAC limit      5: MTU of multicast      6: classes of priorities (24)
/// ```
pub(super) const VSI_WORDS: usize = 7;

/// ```text
/// word 0: VSI (16) | split horizon (8) | class from 1 (4) | learn, control word, flow label (3 bits)
/// 1: interface or entry      2: attachment (8) | outer VLAN (12) | inner VLAN (12)      3: MAC limit
/// ```
pub(super) const PORT_WORDS: usize = 4;

/// One instance's settings, or none.
pub type VsiSlot = Slot<VSI_WORDS>;
/// One port's settings, or none.
pub type PortSlot = Slot<PORT_WORDS>;

const TYPES: usize = TrafficType::ALL.len();

/// What an instance has beside its settings: how many addresses, which policers, which prefixes of groups.
#[derive(Clone, Debug, Default)]
pub struct VsiState {
    pub(super) macs: Word,
    pub(super) lengths: Lengths,
    pub(super) police: [Word; TYPES],
}

impl VsiState {
    /// An instance without addresses, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh state
    pub const EMPTY: Self = Self { macs: Word::ZERO, lengths: Lengths::NONE, police: [const { Word::ZERO }; TYPES] };

    #[inline]
    pub(crate) fn macs(&self) -> u32 {
        self.macs.peek()
    }

    #[inline]
    pub(crate) const fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// The policer of a type of traffic, from 1.
    #[inline]
    pub(crate) fn policer(&self, traffic: TrafficType) -> u32 {
        self.police.get(traffic as usize).map_or(0, Word::load)
    }
}

/// What a port has beside its settings: how many addresses, which policers.
#[derive(Clone, Debug, Default)]
pub struct PortState {
    pub(super) macs: Word,
    /// Another for each attachment that the port has had: what was kept of the one before is not its own.
    pub(super) generation: Word,
    pub(super) police: [Word; TYPES],
}

impl PortState {
    /// A port without addresses, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh state
    pub const EMPTY: Self = Self { macs: Word::ZERO, generation: Word::ZERO, police: [const { Word::ZERO }; TYPES] };

    #[inline]
    pub(crate) fn macs(&self) -> u32 {
        self.macs.peek()
    }

    #[inline]
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load()
    }

    /// The policer of a type of traffic, from 1.
    #[inline]
    pub(crate) fn policer(&self, traffic: TrafficType) -> u32 {
        self.police.get(traffic as usize).map_or(0, Word::load)
    }
}

/// The circuits of an interface: ports from 1 that take all its frames or those without a tag, and how many take tagged ones.
#[derive(Clone, Debug, Default)]
pub struct CircuitSlot {
    pub(super) any: Word,
    pub(super) untagged: Word,
    pub(super) tagged: Word,
}

impl CircuitSlot {
    /// An interface without circuits, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self = Self { any: Word::ZERO, untagged: Word::ZERO, tagged: Word::ZERO };

    /// Whether frames of the interface may belong to a bridge port.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        self.any.load() | self.untagged.load() | self.tagged.load() != 0
    }

    /// The port that takes all frames.
    #[inline]
    pub(crate) fn any(&self) -> Option<PortId> {
        self.any.load().checked_sub(1).map(PortId)
    }

    /// The port that takes frames without a tag.
    #[inline]
    pub(crate) fn untagged(&self) -> Option<PortId> {
        self.untagged.load().checked_sub(1).map(PortId)
    }

    /// Whether some port takes tagged frames.
    #[inline]
    pub(crate) fn has_tagged(&self) -> bool {
        self.tagged.load() != 0
    }
}

/// The settings of an instance.
pub(super) fn pack_vsi(v: &Vsi) -> [u32; VSI_WORDS] {
    let link_local = match v.link_local {
        LinkLocal::Flood => 0,
        LinkLocal::Punt => 1,
        LinkLocal::Drop => 2,
    };
    let group = |id: Option<ReplicationId>| id.map_or(0, |id| id.0.saturating_add(1));
    let head = u32::from(v.sequence) << 19 | link_local << 17 | u32::from(v.snoop) << 16 | u32::from(v.age);
    [
        head,
        group(v.unknown),
        group(v.broadcast),
        group(v.multicast),
        v.mac_limit,
        u32::from(v.multicast_mtu),
        v.classes.bits(),
    ]
}

/// The reverse of [`pack_vsi`].
#[inline]
pub(super) fn unpack_vsi(record: &[Word; VSI_WORDS]) -> Vsi {
    let [head, unknown, broadcast, multicast, mac_limit, multicast_mtu, classes] = record.each_ref().map(Word::peek);
    let group = |word: u32| word.checked_sub(1).map(ReplicationId);
    Vsi {
        unknown: group(unknown),
        broadcast: group(broadcast),
        multicast: group(multicast),
        mac_limit,
        age: head as u16,
        multicast_mtu: multicast_mtu as u16,
        snoop: head & 1 << 16 != 0,
        sequence: head & 1 << 19 != 0,
        classes: ClassMap::from_bits(classes).unwrap_or_default(),
        link_local: match head >> 17 & 3 {
            0 => LinkLocal::Flood,
            1 => LinkLocal::Punt,
            _ => LinkLocal::Drop,
        },
    }
}

/// The settings of a port.
pub(super) fn pack_port(p: &BridgePort) -> [u32; PORT_WORDS] {
    let (kind, value, outer, inner) = match p.attachment {
        Attachment::Circuit { iface, tags } => {
            let (kind, outer, inner) = match tags {
                Tags::Any => (0, 0, 0),
                Tags::Untagged => (1, 0, 0),
                Tags::Vlan(vlan) => (2, vlan.value(), 0),
                Tags::Service(vlan) => (3, vlan.value(), 0),
                Tags::Stacked { outer, inner } => (4, outer.value(), inner.value()),
            };
            (kind, iface.0, outer, inner)
        }
        Attachment::Pseudowire { nhlfe } => (5, nhlfe.0, 0, 0),
        Attachment::Tagged { nhlfe, vlan } => (6, nhlfe.0, vlan.value(), 0),
    };
    let flags = u32::from(p.learn) | u32::from(p.control_word) << 1 | flow(p.flow_label);
    let class = p.class.map_or(0, |class| u32::from(class.value()).saturating_add(1));
    let head = u32::from(p.vsi.0) << 16 | u32::from(p.split_horizon) << 8 | class << 4 | flags;
    [head, value, kind << 24 | u32::from(outer) << 12 | u32::from(inner), p.mac_limit]
}

const fn flow(labels: FlowLabels) -> u32 {
    (labels.transmit as u32) << 2 | (labels.receive as u32) << 3
}

/// The reverse of [`pack_port`].
#[inline]
pub(super) fn unpack_port(record: &[Word; PORT_WORDS]) -> Option<BridgePort> {
    let [head, value, tags, mac_limit] = record.each_ref().map(Word::peek);
    let outer = || VlanId::new((tags >> 12) as u16 & 0xfff);
    let circuit = |tags| Attachment::Circuit { iface: IfIndex(value), tags };
    let attachment = match tags >> 24 {
        0 => circuit(Tags::Any),
        1 => circuit(Tags::Untagged),
        2 => circuit(Tags::Vlan(outer()?)),
        3 => circuit(Tags::Service(outer()?)),
        4 => circuit(Tags::Stacked { outer: outer()?, inner: VlanId::new(tags as u16 & 0xfff)? }),
        5 => Attachment::Pseudowire { nhlfe: NhlfeId(value) },
        _ => Attachment::Tagged { nhlfe: NhlfeId(value), vlan: outer()? },
    };
    Some(BridgePort {
        vsi: VsiId((head >> 16) as u16),
        attachment,
        split_horizon: (head >> 8) as u8,
        mac_limit,
        learn: head & 1 != 0,
        control_word: head & 2 != 0,
        flow_label: FlowLabels { transmit: head & 4 != 0, receive: head & 8 != 0 },
        class: ((head >> 4) as u8 & 0xf).checked_sub(1).and_then(Class::new),
    })
}

/// What readers see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bridges<'m> {
    pub(super) vsis: Records<'m, VSI_WORDS>,
    pub(super) vsi_states: &'m [VsiState],
    pub(super) ports: Records<'m, PORT_WORDS>,
    pub(super) port_states: &'m [PortState],
    pub(super) circuits: &'m [CircuitSlot],
}

impl<'m> Bridges<'m> {
    /// An instance.
    #[inline]
    pub(crate) fn vsi(&self, vsi: VsiId) -> Option<(Vsi, &'m VsiState)> {
        Some((unpack_vsi(self.vsis.get(u32::from(vsi.0))?), self.vsi_state(vsi)?))
    }

    #[inline]
    pub(super) fn vsi_state(&self, vsi: VsiId) -> Option<&'m VsiState> {
        self.vsi_states.get(usize::from(vsi.0))
    }

    /// A port.
    #[inline]
    pub(crate) fn port(&self, port: PortId) -> Option<BridgePort> {
        unpack_port(self.ports.get(port.0)?)
    }

    #[inline]
    pub(crate) fn port_state(&self, port: PortId) -> Option<&'m PortState> {
        self.port_states.get(usize::try_from(port.0).ok()?)
    }

    /// The circuits of an interface.
    #[inline]
    pub(crate) fn circuits(&self, iface: IfIndex) -> Option<&'m CircuitSlot> {
        self.circuits.get(usize::try_from(iface.0).ok()?)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_their_words() {
        let vlan = |id| VlanId::new(id).unwrap();
        let iface = IfIndex(u32::MAX);
        for attachment in [
            Attachment::Circuit { iface, tags: Tags::Any },
            Attachment::Circuit { iface, tags: Tags::Untagged },
            Attachment::Circuit { iface, tags: Tags::Vlan(vlan(4094)) },
            Attachment::Circuit { iface, tags: Tags::Service(vlan(1)) },
            Attachment::Circuit { iface, tags: Tags::Stacked { outer: vlan(4094), inner: vlan(4093) } },
            Attachment::Pseudowire { nhlfe: NhlfeId(u32::MAX) },
            Attachment::Tagged { nhlfe: NhlfeId(7), vlan: vlan(100) },
        ] {
            for (class, learn) in [(None, true), (Class::new(0), false), (Class::new(7), true)] {
                let port = BridgePort {
                    vsi: VsiId(u16::MAX),
                    attachment,
                    split_horizon: u8::MAX,
                    mac_limit: u32::MAX,
                    learn,
                    control_word: !learn,
                    flow_label: FlowLabels { transmit: learn, receive: !learn },
                    class,
                };
                assert_eq!(unpack_port(&pack_port(&port).map(Word::new)), Some(port));
            }
        }
        for link_local in [LinkLocal::Flood, LinkLocal::Punt, LinkLocal::Drop] {
            let vsi = Vsi {
                unknown: Some(ReplicationId(0)),
                broadcast: None,
                multicast: Some(ReplicationId(u32::MAX - 1)),
                mac_limit: u32::MAX,
                age: u16::MAX,
                multicast_mtu: u16::MAX - 1,
                snoop: link_local == LinkLocal::Punt,
                link_local,
                sequence: link_local != LinkLocal::Drop,
                classes: ClassMap::new([Class::new(6).unwrap(); 8]),
            };
            assert_eq!(unpack_vsi(&pack_vsi(&vsi).map(Word::new)), vsi);
        }
    }
}
