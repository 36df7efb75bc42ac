//! Virtual switch instances, their ports, static addresses, group entries and flushes.

use super::encoding::{Fields, Kind, Tag, malformed};
use super::multicast::vsi;
use super::{ClassMap, FwdOp, MrouteKey};
use crate::malformed::Malformed;
use crate::net::{IfIndex, Mac, NhlfeId, PortId, ReplicationId, VlanId, VsiId};

/// A virtual switch instance (RFC 4762 §4, RFC 4761 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Vsi {
    /// Where frames to unknown addresses go; none: nowhere.
    pub unknown: Option<ReplicationId>,
    /// Where broadcast goes, and what has to reach every port: control frames of customers' protocols (RFC 4541 §2.1.2).
    pub broadcast: Option<ReplicationId>,
    /// Where multicast without a group entry goes.
    pub multicast: Option<ReplicationId>,
    /// The most addresses learned in it; beyond it frames are forwarded and their sources not learned.
    pub mac_limit: u32,
    /// Seconds after which an address not seen is forgotten; 0: never. IEEE 802.1Q's default is 300.
    pub age: u16,
    /// The most octets behind the Ethernet header, and a tag, of frames to groups; 0: as many as interfaces take (RFC 5501 §5.9).
    pub multicast_mtu: u16,
    /// Whether the group entries of IP multicast are consulted, and IGMP, MLD and PIM go to software (RFC 4541, RFC 8220).
    pub snoop: bool,
    /// What becomes of frames to the link-local group addresses 01-80-C2-00-00-00 to -0F (IEEE 802.1Q §8.6.3).
    pub link_local: LinkLocal,
    /// Frames in pseudowires with a control word are numbered (RFC 4385 §4): one from a circuit has the next number of the instance in all
    /// its copies, and what arrives late is dropped. One worker has to forward all frames of such an instance, with memory for
    /// counters of its ports and instances, where the numbers are kept.
    pub sequence: bool,
    /// The classes of frames from circuits by the priority in their tag, where the port says no class.
    pub classes: ClassMap,
}

/// What becomes of frames to 01-80-C2-00-00-00 to -0F. PAUSE (-01) is dropped always (RFC 4448 §4.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum LinkLocal {
    /// To every port: the service is transparent to them.
    #[default]
    Flood,
    /// To software, and with them those to the addresses of MRP applications, -20 to -2F (IEEE 802.1Q §10.5).
    Punt,
    /// Nowhere.
    Drop,
}

/// A port of a virtual switch instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct BridgePort {
    /// The instance.
    pub vsi: VsiId,
    /// What it is attached to.
    pub attachment: Attachment,
    /// Frames do not go from a port to one with the same number, but for 0: pseudowires of a full mesh share one
    /// (RFC 4762 §4.4).
    pub split_horizon: u8,
    /// The most addresses learned at it.
    pub mac_limit: u32,
    /// Whether source addresses are learned.
    pub learn: bool,
    /// Of a pseudowire: whether frames carry the control word (RFC 4448 §4.6).
    pub control_word: bool,
    /// Of a pseudowire: whether a flow label stands below the pseudowire's (RFC 6391).
    pub flow_label: FlowLabels,
    /// Of an attachment circuit: the traffic class of frames from it, 0 to 7; none: the priority in the frame's tag, and 0
    /// without one (RFC 4448 §4.7).
    pub class: Option<Class>,
}

/// The directions in which packets of a pseudowire have a flow label: each is agreed on by itself (RFC 6391 §4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FlowLabels {
    /// What is sent has one.
    pub transmit: bool,
    /// What arrives may have one, which is thrown away.
    pub receive: bool,
}

impl FlowLabels {
    /// In neither direction.
    pub const NONE: Self = Self { transmit: false, receive: false };
    /// In both.
    pub const BOTH: Self = Self { transmit: true, receive: true };

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { transmit: self.transmit && other.transmit, receive: self.receive && other.receive }
    }
}

/// A traffic class, 0 to 7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class(u8);

impl Class {
    /// The class; `None` above 7.
    #[must_use]
    pub const fn new(class: u8) -> Option<Self> {
        if class < 8 { Some(Self(class)) } else { None }
    }

    /// The class, 0 to 7.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Class {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.int_in_range(0..=7)?))
    }
}

/// What a bridge port is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Attachment {
    /// An attachment circuit: frames of an interface with these tags, which are not forwarded: they delimit the service.
    Circuit {
        /// The interface.
        iface: IfIndex,
        /// Which frames, and the tags of those that are sent.
        tags: Tags,
    },
    /// A pseudowire in raw mode (RFC 4448 §4.4.1). Frames arrive by an incoming label ([`super::IlmAction::Bridge`]).
    Pseudowire {
        /// The entry that frames leave by, with the pseudowire's label.
        nhlfe: NhlfeId,
    },
    /// A pseudowire in tagged mode: frames have a tag with this VLAN on the wire.
    Tagged {
        /// The entry that frames leave by, with the pseudowire's label.
        nhlfe: NhlfeId,
        /// The VLAN.
        vlan: VlanId,
    },
}

/// The service-delimiting tags of an attachment circuit. The more tags, the earlier a circuit matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Tags {
    /// All frames of the interface, with whatever tags they have.
    Any,
    /// Frames without a tag, or with a priority tag.
    Untagged,
    /// Frames with a customer tag (0x8100) of this VLAN.
    Vlan(VlanId),
    /// Frames with a service tag (0x88a8) of this VLAN.
    Service(VlanId),
    /// Frames with a service tag above a customer tag.
    Stacked {
        /// VLAN of the service tag.
        outer: VlanId,
        /// VLAN of the customer tag.
        inner: VlanId,
    },
}

/// Which frames a group entry of an instance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum VsiGroupKey {
    /// IP multicast by its addresses. Wins over an entry of the MAC address.
    Ip(MrouteKey),
    /// Frames to this group MAC address: 32 IPv4 groups share one (RFC 4541 §2.1.2 (5)).
    Mac(Mac),
}

/// Which addresses an instance forgets (RFC 4762 §6.2, RFC 7361 §4, §5). Static ones stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Flush {
    /// This address.
    Mac {
        /// The instance.
        vsi: VsiId,
        /// The address.
        mac: Mac,
    },
    /// Those of a port: positive flush.
    Port(PortId),
    /// Those of all ports of an instance but one: negative flush, an empty MAC list.
    AllBut {
        /// The instance.
        vsi: VsiId,
        /// The port whose addresses stay.
        port: PortId,
    },
    /// All of an instance.
    Vsi(VsiId),
}

impl Tag {
    const SET_VSI: Self = Self(42);
    const CLEAR_VSI: Self = Self(43);
    const SET_PORT: Self = Self(44);
    const CLEAR_PORT: Self = Self(45);
    const SET_MAC: Self = Self(46);
    const CLEAR_MAC: Self = Self(47);
    const FLUSH: Self = Self(48);
    const SET_VSI_GROUP: Self = Self(49);
    const CLEAR_VSI_GROUP: Self = Self(50);
    const SET_VLAN_DOMAIN: Self = Self(51);
    const CLEAR_VLAN_DOMAIN: Self = Self(52);
}

const HAS_UNKNOWN: u16 = 1;
const HAS_BROADCAST: u16 = 2;
const HAS_MULTICAST: u16 = 4;
const SNOOP: u16 = 8;
const SEQUENCE: u16 = 16;
const VSI_FLAGS: u16 = 31;

const LEARN: u8 = 1;
const CONTROL_WORD: u8 = 2;
const FLOW_LABEL: u8 = 4;
const HAS_CLASS: u8 = 8;
const FLOW_LABEL_RECEIVED: u8 = 16;
const PORT_FLAGS: u8 = 31;

const GROUP_MAC: Kind = Kind(5);

/// The fields of an op of this file; `None` for another.
pub(super) fn fields(op: &FwdOp) -> Option<(Tag, Fields)> {
    let of_vsi = |vsi: VsiId| Fields { key: u32::from(vsi.0), ..Fields::default() };
    let domain = |vlan: VlanId| vlan.value();
    Some(match *op {
        FwdOp::SetVsi { vsi, settings } => (Tag::SET_VSI, of_vsi(vsi).with_vsi(&settings)),
        FwdOp::ClearVsi { vsi } => (Tag::CLEAR_VSI, of_vsi(vsi)),
        FwdOp::SetPort { id, port } => (Tag::SET_PORT, Fields::port(id, &port)),
        FwdOp::ClearPort { id } => (Tag::CLEAR_PORT, Fields { key: id.0, ..Fields::default() }),
        FwdOp::SetMac { vsi, mac, port } => (Tag::SET_MAC, Fields { mac, value: port.0, ..of_vsi(vsi) }),
        FwdOp::ClearMac { vsi, mac } => (Tag::CLEAR_MAC, Fields { mac, ..of_vsi(vsi) }),
        FwdOp::Flush { what } => (Tag::FLUSH, Fields::flush(what)),
        FwdOp::SetVsiGroup { vsi, key, replication } => {
            let (aux, value) = replication.map_or((0, 0), |id| (1, id.0));
            (Tag::SET_VSI_GROUP, Fields { aux, value, ..Fields::vsi_group(vsi, key) })
        }
        FwdOp::ClearVsiGroup { vsi, key } => (Tag::CLEAR_VSI_GROUP, Fields::vsi_group(vsi, key)),
        FwdOp::SetVlanDomain { vsi, vlan, domain: to } => {
            (Tag::SET_VLAN_DOMAIN, Fields { half: domain(vlan), value: u32::from(to.0), ..of_vsi(vsi) })
        }
        FwdOp::ClearVlanDomain { vsi, vlan } => (Tag::CLEAR_VLAN_DOMAIN, Fields { half: domain(vlan), ..of_vsi(vsi) }),
        _ => return None,
    })
}

/// The op of these fields; `None` if the tag is not of this file.
pub(super) fn op(tag: Tag, f: &Fields) -> Option<Result<FwdOp, Malformed>> {
    let of_vsi = || vsi(f.key, 4);
    Some(match tag {
        Tag::SET_VSI => of_vsi().and_then(|vsi| Ok(FwdOp::SetVsi { vsi, settings: f.read_vsi()? })),
        Tag::CLEAR_VSI => of_vsi().map(|vsi| FwdOp::ClearVsi { vsi }),
        Tag::SET_PORT => f.read_port().map(|port| FwdOp::SetPort { id: PortId(f.key), port }),
        Tag::CLEAR_PORT => Ok(FwdOp::ClearPort { id: PortId(f.key) }),
        Tag::SET_MAC => of_vsi().map(|vsi| FwdOp::SetMac { vsi, mac: f.mac, port: PortId(f.value) }),
        Tag::CLEAR_MAC => of_vsi().map(|vsi| FwdOp::ClearMac { vsi, mac: f.mac }),
        Tag::FLUSH => f.read_flush().map(|what| FwdOp::Flush { what }),
        Tag::SET_VSI_GROUP => of_vsi().and_then(|vsi| {
            let replication = match f.aux {
                0 => None,
                1 => Some(ReplicationId(f.value)),
                other => return Err(malformed(20, "replication", other)),
            };
            Ok(FwdOp::SetVsiGroup { vsi, key: f.read_vsi_group()?, replication })
        }),
        Tag::CLEAR_VSI_GROUP => of_vsi().and_then(|vsi| Ok(FwdOp::ClearVsiGroup { vsi, key: f.read_vsi_group()? })),
        Tag::SET_VLAN_DOMAIN => of_vsi().and_then(|of| {
            Ok(FwdOp::SetVlanDomain { vsi: of, vlan: vlan(u32::from(f.half), 18)?, domain: vsi(f.value, 8)? })
        }),
        Tag::CLEAR_VLAN_DOMAIN => {
            of_vsi().and_then(|vsi| Ok(FwdOp::ClearVlanDomain { vsi, vlan: vlan(u32::from(f.half), 18)? }))
        }
        _ => return None,
    })
}

fn vlan(value: u32, offset: usize) -> Result<VlanId, Malformed> {
    u16::try_from(value).ok().and_then(VlanId::new).ok_or(malformed(offset, "VLAN", value))
}

impl Fields {
    fn with_vsi(self, s: &Vsi) -> Self {
        let flag = |is_set: bool, flag: u16| if is_set { flag } else { 0 };
        let half = flag(s.unknown.is_some(), HAS_UNKNOWN)
            | flag(s.broadcast.is_some(), HAS_BROADCAST)
            | flag(s.multicast.is_some(), HAS_MULTICAST)
            | flag(s.snoop, SNOOP)
            | flag(s.sequence, SEQUENCE);
        let kind = Kind(match s.link_local {
            LinkLocal::Flood => 0,
            LinkLocal::Punt => 1,
            LinkLocal::Drop => 2,
        });
        let group = |id: Option<ReplicationId>| id.map_or(0, |id| id.0);
        let mut f =
            Self { kind, half, value: s.mac_limit, aux: u32::from(s.multicast_mtu) << 16 | u32::from(s.age), ..self };
        f.set_words(&[group(s.unknown), group(s.broadcast), group(s.multicast), s.classes.bits()]);
        f
    }

    fn read_vsi(&self) -> Result<Vsi, Malformed> {
        let link_local = match self.kind {
            Kind(0) => LinkLocal::Flood,
            Kind(1) => LinkLocal::Punt,
            Kind(2) => LinkLocal::Drop,
            Kind(other) => return Err(malformed(1, "link-local", u32::from(other))),
        };
        if self.half & !VSI_FLAGS != 0 {
            return Err(malformed(18, "flags", u32::from(self.half)));
        }
        let has = |flag: u16| self.half & flag != 0;
        let [unknown, broadcast, multicast, classes, ..] = self.words();
        Ok(Vsi {
            unknown: has(HAS_UNKNOWN).then_some(ReplicationId(unknown)),
            broadcast: has(HAS_BROADCAST).then_some(ReplicationId(broadcast)),
            multicast: has(HAS_MULTICAST).then_some(ReplicationId(multicast)),
            mac_limit: self.value,
            age: self.aux as u16,
            multicast_mtu: (self.aux >> 16) as u16,
            snoop: has(SNOOP),
            link_local,
            sequence: has(SEQUENCE),
            classes: ClassMap::from_bits(classes).ok_or(malformed(36, "classes", classes))?,
        })
    }

    fn port(id: PortId, port: &BridgePort) -> Self {
        let (kind, value, tags) = match port.attachment {
            Attachment::Circuit { iface, tags } => {
                let (kind, outer, inner) = match tags {
                    Tags::Any => (1, 0, 0),
                    Tags::Untagged => (2, 0, 0),
                    Tags::Vlan(vlan) => (3, vlan.value(), 0),
                    Tags::Service(vlan) => (4, vlan.value(), 0),
                    Tags::Stacked { outer, inner } => (5, outer.value(), inner.value()),
                };
                (kind, iface.0, [outer, inner])
            }
            Attachment::Pseudowire { nhlfe } => (6, nhlfe.0, [0, 0]),
            Attachment::Tagged { nhlfe, vlan } => (7, nhlfe.0, [vlan.value(), 0]),
        };
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let model = flag(port.learn, LEARN)
            | flag(port.control_word, CONTROL_WORD)
            | flag(port.flow_label.transmit, FLOW_LABEL)
            | flag(port.flow_label.receive, FLOW_LABEL_RECEIVED)
            | flag(port.class.is_some(), HAS_CLASS);
        let mut f = Self {
            kind: Kind(kind),
            model,
            count: port.split_horizon,
            key: id.0,
            value,
            half: port.vsi.0,
            aux: port.mac_limit,
            ..Self::default()
        };
        let [outer, inner] = tags.map(u32::from);
        f.set_words(&[outer, inner, port.class.map_or(0, |class| u32::from(class.value()))]);
        f
    }

    fn read_port(&self) -> Result<BridgePort, Malformed> {
        let [outer, inner, class, ..] = self.words();
        let circuit = |tags| Attachment::Circuit { iface: IfIndex(self.value), tags };
        let attachment = match self.kind {
            Kind(1) => circuit(Tags::Any),
            Kind(2) => circuit(Tags::Untagged),
            Kind(3) => circuit(Tags::Vlan(vlan(outer, 24)?)),
            Kind(4) => circuit(Tags::Service(vlan(outer, 24)?)),
            Kind(5) => circuit(Tags::Stacked { outer: vlan(outer, 24)?, inner: vlan(inner, 28)? }),
            Kind(6) => Attachment::Pseudowire { nhlfe: NhlfeId(self.value) },
            Kind(7) => Attachment::Tagged { nhlfe: NhlfeId(self.value), vlan: vlan(outer, 24)? },
            Kind(other) => return Err(malformed(1, "attachment", u32::from(other))),
        };
        if self.model & !PORT_FLAGS != 0 {
            return Err(malformed(2, "flags", u32::from(self.model)));
        }
        let has = |flag: u8| self.model & flag != 0;
        let class = match has(HAS_CLASS) {
            true => Some(u8::try_from(class).ok().and_then(Class::new).ok_or(malformed(32, "class", class))?),
            false => None,
        };
        Ok(BridgePort {
            vsi: VsiId(self.half),
            attachment,
            split_horizon: self.count,
            mac_limit: self.aux,
            learn: has(LEARN),
            control_word: has(CONTROL_WORD),
            flow_label: FlowLabels { transmit: has(FLOW_LABEL), receive: has(FLOW_LABEL_RECEIVED) },
            class,
        })
    }

    fn flush(what: Flush) -> Self {
        let f = Self::default();
        match what {
            Flush::Mac { vsi, mac } => Self { kind: Kind(1), key: u32::from(vsi.0), mac, ..f },
            Flush::Port(port) => Self { kind: Kind(2), value: port.0, ..f },
            Flush::AllBut { vsi, port } => Self { kind: Kind(3), key: u32::from(vsi.0), value: port.0, ..f },
            Flush::Vsi(vsi) => Self { kind: Kind(4), key: u32::from(vsi.0), ..f },
        }
    }

    fn read_flush(&self) -> Result<Flush, Malformed> {
        Ok(match self.kind {
            Kind(1) => Flush::Mac { vsi: vsi(self.key, 4)?, mac: self.mac },
            Kind(2) => Flush::Port(PortId(self.value)),
            Kind(3) => Flush::AllBut { vsi: vsi(self.key, 4)?, port: PortId(self.value) },
            Kind(4) => Flush::Vsi(vsi(self.key, 4)?),
            Kind(other) => return Err(malformed(1, "flush", u32::from(other))),
        })
    }

    fn vsi_group(vsi: VsiId, key: VsiGroupKey) -> Self {
        match key {
            VsiGroupKey::Ip(route) => Self::mroute_key(u32::from(vsi.0), route),
            VsiGroupKey::Mac(mac) => Self { kind: GROUP_MAC, key: u32::from(vsi.0), mac, ..Self::default() },
        }
    }

    fn read_vsi_group(&self) -> Result<VsiGroupKey, Malformed> {
        match self.kind {
            GROUP_MAC => Ok(VsiGroupKey::Mac(self.mac)),
            kind => Ok(VsiGroupKey::Ip(self.read_mroute_key(kind)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(attachment: Attachment) -> FwdOp {
        let port = BridgePort {
            vsi: VsiId(7),
            attachment,
            split_horizon: 1,
            mac_limit: 1024,
            learn: true,
            control_word: false,
            flow_label: FlowLabels::NONE,
            class: Class::new(5),
        };
        FwdOp::SetPort { id: PortId(3), port }
    }

    #[test]
    fn layout_is_as_documented() {
        let (outer, inner) = (VlanId::new(0x123).unwrap(), VlanId::new(0x456).unwrap());
        let circuit = Attachment::Circuit { iface: IfIndex(9), tags: Tags::Stacked { outer, inner } };
        let octets = port(circuit).emit();
        assert_eq!(octets[..12], [44, 5, 9, 1, 0, 0, 0, 3, 0, 0, 0, 9]);
        assert_eq!(octets[18..36], [0, 7, 0, 0, 4, 0, 0, 0, 1, 0x23, 0, 0, 4, 0x56, 0, 0, 0, 5]);

        let settings = Vsi {
            unknown: Some(ReplicationId(1)),
            broadcast: Some(ReplicationId(2)),
            multicast: None,
            mac_limit: 8192,
            age: 300,
            multicast_mtu: 1500,
            snoop: true,
            link_local: LinkLocal::Drop,
            sequence: true,
            classes: ClassMap::new([Class::default(); 8]),
        };
        let octets = FwdOp::SetVsi { vsi: VsiId(7), settings }.emit();
        assert_eq!(octets[..12], [42, 2, 0, 0, 0, 0, 0, 7, 0, 0, 0x20, 0]);
        assert_eq!(octets[18..36], [0, 27, 5, 220, 1, 44, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]);
        // In what it is other than the identity: all priorities in class 0.
        assert_eq!(octets[36..40], [0, 0xfa, 0xc6, 0x88]);
    }

    #[test]
    fn every_bad_field_is_named_at_its_offset() {
        let tagged = port(Attachment::Tagged { nhlfe: NhlfeId(1), vlan: VlanId::new(1).unwrap() });
        let settings = Vsi {
            unknown: None,
            broadcast: None,
            multicast: None,
            mac_limit: 0,
            age: 0,
            multicast_mtu: 0,
            snoop: false,
            link_local: LinkLocal::Flood,
            sequence: false,
            classes: ClassMap::IDENTITY,
        };
        let set_vsi = FwdOp::SetVsi { vsi: VsiId(1), settings };
        let key = VsiGroupKey::Mac(Mac([1, 0, 0x5e, 1, 1, 1]));
        let group = FwdOp::SetVsiGroup { vsi: VsiId(1), key, replication: None };
        let domain = FwdOp::SetVlanDomain { vsi: VsiId(1), vlan: VlanId::new(1).unwrap(), domain: VsiId(2) };
        let flush = FwdOp::Flush { what: Flush::Port(PortId(1)) };
        for (op, at, offset, value, field) in [
            (tagged, 1, 1, 8, "attachment"),
            (tagged, 2, 2, 32, "flags"),
            (tagged, 27, 24, 0, "VLAN"),
            (tagged, 31, 31, 1, "unused field"),
            (tagged, 35, 32, 8, "class"),
            (set_vsi, 1, 1, 3, "link-local"),
            (set_vsi, 18, 18, 1, "flags"),
            (set_vsi, 27, 27, 1, "unused field"),
            (set_vsi, 36, 36, 1, "classes"),
            (set_vsi, 4, 4, 1, "VSI"),
            (group, 1, 1, 6, "route"),
            (group, 23, 20, 2, "replication"),
            (group, 24, 24, 1, "unused field"),
            (domain, 19, 18, 0, "VLAN"),
            (domain, 8, 8, 1, "VSI"),
            (flush, 1, 1, 5, "flush"),
            (flush, 4, 4, 1, "unused field"),
        ] {
            let mut octets = op.emit();
            octets[at] = value;
            let m = FwdOp::parse(&octets).unwrap_err();
            assert_eq!((m.field, m.offset), (field, offset), "{op:?}");
        }
    }
}
