//! The octets of a [`FwdOp`], for a ring or a mailbox between two processors.
//!
//! All ops have one layout. Numbers are in network order; what an op does not use is zero.
//!
//! ```text
//!  0       1       2       3       4               8              12
//! +-------+-------+-------+-------+---------------+---------------+
//! |  op   | kind  | model | count |      key      |     value     |
//! +-------+-------+-------+-------+---+-------+---+---------------+
//! |          MAC address (12)         |half(18)|     aux (20)     |
//! +-----------------------------------+-------+-------------------+
//! |                         body (24), 32 octets                  |
//! +---------------------------------------------------------------+
//! |                       tail (56), 8 octets                     |
//! +---------------------------------------------------------------+
//! ```
//!
//! | op | kind | model | count | key | value | MAC, half | body |
//! |---|---|---|---|---|---|---|---|
//! | `SetInterface` | 1 if labelled packets are taken | | | interface | VRF | MAC, MTU | |
//! | `SetNhlfe` | next hop | model | labels | entry | interface or entry | MAC | labels, 4 octets each, top first |
//! | `SetIlm` | action | model | | label | entry or VRF | | |
//! | `SetRoute4`, `SetRoute6` | action | | prefix length | VRF | entry | | prefix, 4 or 16 octets |
//! | `ClearInterface`, `ClearNhlfe`, `ClearIlm` | | | | as above | | | |
//! | `ClearRoute4`, `ClearRoute6` | | | prefix length | VRF | | | prefix |
//!
//! | op | kind | model | count | key | value | half | aux | body, tail |
//! |---|---|---|---|---|---|---|---|---|
//! | `SetMroute` | form of the key | RPF | prefix length | VRF | replication | flags: 1 replication, 2 wrong interface, 4 Register, 8 SPT | interface, tunnel or set | source, group, 16 octets each; SPT interface |
//! | `ClearMroute` | form of the key | | prefix length | VRF | | | | source, group |
//! | `SetMulticastVrf`, `ClearMulticastVrf` | 1: punt without route | | | VRF | | | | |
//! | `SetRpfMember`, `ClearRpfMember` | RPF | | | set | interface or tunnel | | | |
//! | `SetMulticastTunnel`, `ClearMulticastTunnel` | | | | tunnel | VRF | | | |
//! | `SetReplication` | 1 VRF, 2 VSI | | | group | VRF or VSI | | | |
//! | `SetLeg`, `ClearLeg` | target | | | group | what the target names | leg | | |
//! | `ClearReplication` | | | | group | | | | |
//! | `SetVsi` | link-local | | | VSI | MAC limit | flags: 1 unknown, 2 broadcast, 4 multicast, 8 snoop, 16 sequence | age | three groups, 4 octets each |
//! | `SetPort` | attachment | flags: 1 learn, 2 control word, 4 flow label sent, 8 class, 16 flow label received | split horizon | port | interface or entry | VSI | MAC limit | outer VLAN, inner VLAN, class, 4 octets each |
//! | `ClearVsi`, `ClearPort` | | | | as above | | | | |
//! | `SetMac`, `ClearMac` (and the MAC) | | | | VSI | port | | | |
//! | `Flush` (and the MAC) | form | | | VSI | port | | | |
//! | `SetVsiGroup`, `ClearVsiGroup` | form of the key; 5: the MAC | | prefix length | VSI | replication | | 1: replication | source, group |
//! | `SetVlanDomain`, `ClearVlanDomain` | | | | VSI | VSI of the domain | VLAN | | |
//! | `SetPolicer` | 1 single rate, 2 two rates | 1: drop yellow | unit | policer | | | | CIR, PIR, 8 octets each; CBS, EBS or PBS, 4 each |
//! | `SetBucket`, `ClearBucket` | | | bucket | group | entry | | | |
//! | `SetProtection`, `ClearProtection` | | | | pair | primary | | backup | |
//! | `SetContextIlm`, `ClearContextIlm` | action | model | | label | as of `SetIlm` | | space | |
//! | `SetLabelSpace`, `ClearLabelSpace` | | | | interface | space | | | |
//! | `SetUpstreamSpace`, `ClearUpstreamSpace` | | | | interface | space | | | |
//! | `SwitchOver` | 1: to the backup | | | pair | | | | |
//! | `SetWatch`, `ClearWatch` | | | | pair | interface | | | |
//! | `SetInterfaceState` | 1: down | | | interface | | | | |
//! | `SetVlink` | encapsulation | DSCP model | flags: 1 IPv6, 2 MPLS, 4 ordered, 8 protected, 16 sublayer, 32 port; octets of the cookie in units of 64 × 4 | link | VRF or port | association | key or session | both ends, 16 octets each; cookie |
//! | `ClearVlink` | | | | link | | | | |
//! | `SetVlinkOutput` (and in place of the MAC: DSCP, overhead, ports) | flags: 1 key, 2 numbered, 4 DSCP, 8 protected | TTL | octets of the cookie in units of 4 | link | entry | MTU | key or session | association; cookie |
//! | `ClearPolicer` | | | | policer | | | | |
//! | `SetPolicePoint`, `ClearPolicePoint` | point | | traffic type | port, VSI, VRF or replication | policer | | | |
//! | `SetMark`, `ClearMark` | 1 VRF, 2 group | | code point | VRF or replication | | | | |

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{Assigned, FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use super::{bridge, context, mark, multicast, police, spread, vlink};
use crate::malformed::{Fault, Malformed};
use crate::net::{
    EcmpId, IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, LabelStack, Mac, NhlfeId, PortId, ProtectionId,
    ReplicationId, TunnelId, VlinkId, VrfId,
};

/// The value of octet 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u8);

impl Tag {
    const SET_INTERFACE: Self = Self(1);
    const CLEAR_INTERFACE: Self = Self(2);
    const SET_NHLFE: Self = Self(3);
    const CLEAR_NHLFE: Self = Self(4);
    const SET_ILM: Self = Self(5);
    const CLEAR_ILM: Self = Self(6);
    const SET_ROUTE4: Self = Self(7);
    const CLEAR_ROUTE4: Self = Self(8);
    const SET_ROUTE6: Self = Self(9);
    const CLEAR_ROUTE6: Self = Self(10);
}

/// The value of octet 1: the variant of a next hop or an action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kind(pub(super) u8);

impl Kind {
    const NEIGHBOR: Self = Self(1);
    const NHLFE: Self = Self(2);
    const LOCAL: Self = Self(3);
    const DISCARD: Self = Self(4);
    const VLINK: Self = Self(5);
    const ECMP: Self = Self(6);
    const PROTECTED: Self = Self(7);
    const LAN: Self = Self(8);
    const LAN_UPSTREAM: Self = Self(9);

    const FORWARD: Self = Self(1);
    const POP_LOOKUP: Self = Self(2);
    const REPLICATE: Self = Self(16);
    const MULTICAST: Self = Self(17);
    const BRIDGE: Self = Self(18);
    const CONTEXT: Self = Self(19);

    const MPLS_OFF: Self = Self(0);
    const MPLS_ON: Self = Self(1);
}

const UNIFORM: u8 = 0;
const PIPE: u8 = 1;
const SHORT_PIPE: u8 = 2;

const BODY: usize = LabelStack::CAPACITY * 4;

/// The layout, before it means an op.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields {
    pub(super) kind: Kind,
    pub(super) model: u8,
    pub(super) count: u8,
    pub(super) key: u32,
    pub(super) value: u32,
    pub(super) mac: Mac,
    pub(super) half: u16,
    pub(super) aux: u32,
    pub(super) body: [u8; BODY],
    pub(super) tail: [u32; 2],
}

pub(super) const fn malformed(offset: usize, field: &'static str, value: u32) -> Malformed {
    Malformed { offset, field, fault: Fault::Value(value) }
}

impl FwdOp {
    /// Octets of every op.
    pub const LEN: usize = 64;

    /// The op's octets.
    ///
    /// ```
    /// use fwd_core::net::{Label, VrfId};
    /// use fwd_core::op::{FwdOp, Ilm, IlmAction, TunnelModel};
    /// let op = FwdOp::SetIlm {
    ///     label: Label::new(100).unwrap(),
    ///     ilm: Ilm { action: IlmAction::PopLookup(VrfId(7)), model: TunnelModel::Pipe },
    /// };
    /// let octets = op.emit();
    /// assert_eq!(octets[..12], [5, 2, 1, 0, 0, 0, 0, 100, 0, 0, 0, 7]);
    /// assert_eq!(FwdOp::parse(&octets), Ok(op));
    /// ```
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let (tag, f) = self.fields();
        let mut out = [0; Self::LEN];
        let [o0, o1, o2, o3, rest @ ..] = &mut out;
        (*o0, *o1, *o2, *o3) = (tag.0, f.kind.0, f.model, f.count);
        let values = f.key.to_be_bytes().into_iter().chain(f.value.to_be_bytes()).chain(f.mac.0);
        let values = values.chain(f.half.to_be_bytes()).chain(f.aux.to_be_bytes()).chain(f.body);
        let values = values.chain(f.tail.into_iter().flat_map(u32::to_be_bytes));
        for (octet, value) in rest.iter_mut().zip(values) {
            *octet = value;
        }
        out
    }

    /// The op of these octets.
    ///
    /// # Errors
    /// A field that has no such value, host bits in a prefix, or anything but zero in a field that the op does not use.
    pub fn parse(octets: &[u8; Self::LEN]) -> Result<Self, Malformed> {
        let [tag, kind, model, count, k0, k1, k2, k3, v0, v1, v2, v3, rest @ ..] = *octets;
        let [m0, m1, m2, m3, m4, m5, h0, h1, a0, a1, a2, a3, rest @ ..] = rest;
        let [body @ .., s0, s1, s2, s3, t0, t1, t2, t3] = rest;
        let f = Fields {
            kind: Kind(kind),
            model,
            count,
            key: u32::from_be_bytes([k0, k1, k2, k3]),
            value: u32::from_be_bytes([v0, v1, v2, v3]),
            mac: Mac([m0, m1, m2, m3, m4, m5]),
            half: u16::from_be_bytes([h0, h1]),
            aux: u32::from_be_bytes([a0, a1, a2, a3]),
            body,
            tail: [u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([t0, t1, t2, t3])],
        };
        let op = f.op(Tag(tag))?;
        // An op has one encoding: what differs from it stands in a field that is not in use.
        match op.emit().iter().zip(octets).position(|(a, b)| a != b) {
            None => Ok(op),
            Some(offset) => Err(malformed(offset, "unused field", octets.get(offset).copied().map_or(0, u32::from))),
        }
    }

    fn fields(&self) -> (Tag, Fields) {
        match *self {
            Self::SetInterface { iface, interface } => (Tag::SET_INTERFACE, Fields::interface(iface, interface)),
            Self::ClearInterface { iface } => (Tag::CLEAR_INTERFACE, Fields { key: iface.0, ..Fields::default() }),
            Self::SetNhlfe { id, nhlfe } => (Tag::SET_NHLFE, Fields::nhlfe(id, &nhlfe)),
            Self::ClearNhlfe { id } => (Tag::CLEAR_NHLFE, Fields { key: id.0, ..Fields::default() }),
            Self::SetIlm { label, ilm } => (Tag::SET_ILM, Fields::ilm(label, ilm)),
            Self::ClearIlm { label } => (Tag::CLEAR_ILM, Fields { key: label.value(), ..Fields::default() }),
            Self::SetRoute4 { vrf, prefix, action } => {
                (Tag::SET_ROUTE4, Fields::route(vrf, prefix.bit_len(), prefix.octets()).with_action(action))
            }
            Self::ClearRoute4 { vrf, prefix } => {
                (Tag::CLEAR_ROUTE4, Fields::route(vrf, prefix.bit_len(), prefix.octets()))
            }
            Self::SetRoute6 { vrf, prefix, action } => {
                (Tag::SET_ROUTE6, Fields::route(vrf, prefix.bit_len(), prefix.octets()).with_action(action))
            }
            Self::ClearRoute6 { vrf, prefix } => {
                (Tag::CLEAR_ROUTE6, Fields::route(vrf, prefix.bit_len(), prefix.octets()))
            }
            _ => {
                let fields = multicast::fields(self).or_else(|| bridge::fields(self)).or_else(|| police::fields(self));
                let fields = fields.or_else(|| mark::fields(self));
                let fields = fields.or_else(|| vlink::fields(self)).or_else(|| spread::fields(self));
                let fields = fields.or_else(|| context::fields(self));
                fields.unwrap_or((Tag(0), Fields::default()))
            }
        }
    }
}

impl Fields {
    /// The body as eight words.
    pub(super) fn words(&self) -> [u32; 8] {
        let mut words = [0; 8];
        for (word, octets) in words.iter_mut().zip(self.body.chunks_exact(4)) {
            *word = u32::from_be_bytes(octets.first_chunk().copied().unwrap_or_default());
        }
        words
    }

    /// Writes the first words of the body.
    pub(super) fn set_words(&mut self, words: &[u32]) {
        for (octet, value) in self.body.iter_mut().zip(words.iter().flat_map(|word| word.to_be_bytes())) {
            *octet = value;
        }
    }

    fn interface(iface: IfIndex, i: Interface) -> Self {
        let kind = if i.mpls { Kind::MPLS_ON } else { Kind::MPLS_OFF };
        Self { kind, key: iface.0, value: u32::from(i.vrf.0), mac: i.mac, half: i.mtu, ..Self::default() }
    }

    fn nhlfe(id: NhlfeId, nhlfe: &Nhlfe) -> Self {
        let (kind, value, mac) = match nhlfe.next {
            NextHop::Neighbor { iface, mac } => (Kind::NEIGHBOR, iface.0, mac),
            NextHop::Lan { iface, top: Assigned::Downstream } => (Kind::LAN, iface.0, Mac::default()),
            NextHop::Lan { iface, top: Assigned::Upstream } => (Kind::LAN_UPSTREAM, iface.0, Mac::default()),
            NextHop::Nhlfe(next) => (Kind::NHLFE, next.0, Mac::default()),
            NextHop::Vlink(link) => (Kind::VLINK, link.0, Mac::default()),
            NextHop::Ecmp(group) => (Kind::ECMP, group.0, Mac::default()),
            NextHop::Protected(pair) => (Kind::PROTECTED, pair.0, Mac::default()),
            NextHop::Local => (Kind::LOCAL, 0, Mac::default()),
            NextHop::Discard => (Kind::DISCARD, 0, Mac::default()),
        };
        let labels = nhlfe.push.as_slice();
        let mut body = [0; BODY];
        for (octet, value) in body.iter_mut().zip(labels.iter().flat_map(|l| l.value().to_be_bytes())) {
            *octet = value;
        }
        // A stack holds at most eight.
        let count = u8::try_from(labels.len()).unwrap_or(u8::MAX);
        Self { kind, model: model_octet(nhlfe.model), count, key: id.0, value, mac, body, ..Self::default() }
    }

    pub(super) fn ilm(label: Label, ilm: Ilm) -> Self {
        let (kind, value) = match ilm.action {
            IlmAction::Forward(id) => (Kind::FORWARD, id.0),
            IlmAction::PopLookup(vrf) => (Kind::POP_LOOKUP, u32::from(vrf.0)),
            IlmAction::Replicate(id) => (Kind::REPLICATE, id.0),
            IlmAction::Multicast(tunnel) => (Kind::MULTICAST, tunnel.0),
            IlmAction::Bridge(port) => (Kind::BRIDGE, port.0),
            IlmAction::Context(space) => (Kind::CONTEXT, space.0),
        };
        Self { kind, model: model_octet(ilm.model), key: label.value(), value, ..Self::default() }
    }

    fn route(vrf: VrfId, bit_len: u8, prefix: &[u8]) -> Self {
        let mut body = [0; BODY];
        for (octet, value) in body.iter_mut().zip(prefix) {
            *octet = *value;
        }
        Self { count: bit_len, key: u32::from(vrf.0), body, ..Self::default() }
    }

    fn with_action(self, action: RouteAction) -> Self {
        let (kind, value) = match action {
            RouteAction::Forward(id) => (Kind::NHLFE, id.0),
            RouteAction::Local => (Kind::LOCAL, 0),
            RouteAction::Discard => (Kind::DISCARD, 0),
        };
        Self { kind, value, ..self }
    }

    fn op(&self, tag: Tag) -> Result<FwdOp, Malformed> {
        Ok(match tag {
            Tag::SET_INTERFACE => {
                let interface =
                    Interface { vrf: vrf(self.value, 8)?, mac: self.mac, mtu: self.half, mpls: self.takes_mpls()? };
                FwdOp::SetInterface { iface: IfIndex(self.key), interface }
            }
            Tag::CLEAR_INTERFACE => FwdOp::ClearInterface { iface: IfIndex(self.key) },
            Tag::SET_NHLFE => {
                let nhlfe = Nhlfe { push: self.labels()?, next: self.next_hop()?, model: self.model()? };
                FwdOp::SetNhlfe { id: NhlfeId(self.key), nhlfe }
            }
            Tag::CLEAR_NHLFE => FwdOp::ClearNhlfe { id: NhlfeId(self.key) },
            Tag::SET_ILM => {
                let ilm = Ilm { action: self.ilm_action()?, model: self.model()? };
                FwdOp::SetIlm { label: label(self.key, 4)?, ilm }
            }
            Tag::CLEAR_ILM => FwdOp::ClearIlm { label: label(self.key, 4)? },
            Tag::SET_ROUTE4 => {
                FwdOp::SetRoute4 { vrf: vrf(self.key, 4)?, prefix: self.prefix4()?, action: self.route_action()? }
            }
            Tag::CLEAR_ROUTE4 => FwdOp::ClearRoute4 { vrf: vrf(self.key, 4)?, prefix: self.prefix4()? },
            Tag::SET_ROUTE6 => {
                FwdOp::SetRoute6 { vrf: vrf(self.key, 4)?, prefix: self.prefix6()?, action: self.route_action()? }
            }
            Tag::CLEAR_ROUTE6 => FwdOp::ClearRoute6 { vrf: vrf(self.key, 4)?, prefix: self.prefix6()? },
            tag => {
                let op = multicast::op(tag, self).or_else(|| bridge::op(tag, self)).or_else(|| police::op(tag, self));
                let op = op.or_else(|| mark::op(tag, self));
                let op = op.or_else(|| vlink::op(tag, self)).or_else(|| spread::op(tag, self));
                let op = op.or_else(|| context::op(tag, self));
                return op.unwrap_or(Err(malformed(0, "op", u32::from(tag.0))));
            }
        })
    }

    fn takes_mpls(&self) -> Result<bool, Malformed> {
        match self.kind {
            Kind::MPLS_OFF => Ok(false),
            Kind::MPLS_ON => Ok(true),
            Kind(other) => Err(malformed(1, "mpls", u32::from(other))),
        }
    }

    pub(super) fn model(&self) -> Result<TunnelModel, Malformed> {
        match self.model {
            UNIFORM => Ok(TunnelModel::Uniform),
            PIPE => Ok(TunnelModel::Pipe),
            SHORT_PIPE => Ok(TunnelModel::ShortPipe),
            other => Err(malformed(2, "model", u32::from(other))),
        }
    }

    fn labels(&self) -> Result<LabelStack, Malformed> {
        let mut labels = [Label::IPV4_EXPLICIT_NULL; LabelStack::CAPACITY];
        let mut offset = 24_usize;
        for (label_of, octets) in labels.iter_mut().zip(self.body.chunks_exact(4)) {
            let octets = octets.first_chunk().copied().unwrap_or_default();
            *label_of = label(u32::from_be_bytes(octets), offset)?;
            offset = offset.saturating_add(4);
        }
        let used = labels.get(..usize::from(self.count)).and_then(LabelStack::new);
        used.ok_or(malformed(3, "label count", u32::from(self.count)))
    }

    fn next_hop(&self) -> Result<NextHop, Malformed> {
        match self.kind {
            Kind::NEIGHBOR => Ok(NextHop::Neighbor { iface: IfIndex(self.value), mac: self.mac }),
            Kind::NHLFE => Ok(NextHop::Nhlfe(NhlfeId(self.value))),
            Kind::LAN => Ok(NextHop::Lan { iface: IfIndex(self.value), top: Assigned::Downstream }),
            Kind::LAN_UPSTREAM => Ok(NextHop::Lan { iface: IfIndex(self.value), top: Assigned::Upstream }),
            Kind::VLINK => Ok(NextHop::Vlink(VlinkId(self.value))),
            Kind::ECMP => Ok(NextHop::Ecmp(EcmpId(self.value))),
            Kind::PROTECTED => Ok(NextHop::Protected(ProtectionId(self.value))),
            Kind::LOCAL => Ok(NextHop::Local),
            Kind::DISCARD => Ok(NextHop::Discard),
            Kind(other) => Err(malformed(1, "next hop", u32::from(other))),
        }
    }

    pub(super) fn ilm_action(&self) -> Result<IlmAction, Malformed> {
        match self.kind {
            Kind::FORWARD => Ok(IlmAction::Forward(NhlfeId(self.value))),
            Kind::POP_LOOKUP => Ok(IlmAction::PopLookup(vrf(self.value, 8)?)),
            Kind::REPLICATE => Ok(IlmAction::Replicate(ReplicationId(self.value))),
            Kind::MULTICAST => Ok(IlmAction::Multicast(TunnelId(self.value))),
            Kind::BRIDGE => Ok(IlmAction::Bridge(PortId(self.value))),
            Kind::CONTEXT => Ok(IlmAction::Context(LabelSpaceId(self.value))),
            Kind(other) => Err(malformed(1, "ILM action", u32::from(other))),
        }
    }

    fn route_action(&self) -> Result<RouteAction, Malformed> {
        match self.kind {
            Kind::NHLFE => Ok(RouteAction::Forward(NhlfeId(self.value))),
            Kind::LOCAL => Ok(RouteAction::Local),
            Kind::DISCARD => Ok(RouteAction::Discard),
            Kind(other) => Err(malformed(1, "route action", u32::from(other))),
        }
    }

    fn prefix4(&self) -> Result<Ipv4Prefix, Malformed> {
        let octets: [u8; 4] = self.body.first_chunk().copied().unwrap_or_default();
        let prefix = Ipv4Prefix::new(Ipv4Addr::from(octets), self.count);
        prefix.ok_or(malformed(3, "prefix length", u32::from(self.count)))
    }

    fn prefix6(&self) -> Result<Ipv6Prefix, Malformed> {
        let octets: [u8; 16] = self.body.first_chunk().copied().unwrap_or_default();
        let prefix = Ipv6Prefix::new(Ipv6Addr::from(octets), self.count);
        prefix.ok_or(malformed(3, "prefix length", u32::from(self.count)))
    }
}

pub(super) const fn model_octet(model: TunnelModel) -> u8 {
    match model {
        TunnelModel::Uniform => UNIFORM,
        TunnelModel::Pipe => PIPE,
        TunnelModel::ShortPipe => SHORT_PIPE,
    }
}

pub(super) fn vrf(value: u32, offset: usize) -> Result<VrfId, Malformed> {
    u16::try_from(value).map(VrfId).map_err(|_| malformed(offset, "VRF", value))
}

fn label(value: u32, offset: usize) -> Result<Label, Malformed> {
    Label::new(value).ok_or(malformed(offset, "label", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(value: u32) -> Label {
        Label::new(value).unwrap()
    }

    #[test]
    fn layout_is_as_documented() {
        let nhlfe = Nhlfe {
            push: LabelStack::new(&[label(0x12345), label(16)]).unwrap(),
            next: NextHop::Neighbor { iface: IfIndex(3), mac: Mac([2, 0, 0, 0, 0, 9]) },
            model: TunnelModel::ShortPipe,
        };
        let octets = FwdOp::SetNhlfe { id: NhlfeId(0x0a0b_0c0d), nhlfe }.emit();
        assert_eq!(octets[..24], [3, 1, 2, 2, 10, 11, 12, 13, 0, 0, 0, 3, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0]);
        assert_eq!(octets[24..32], [0, 1, 0x23, 0x45, 0, 0, 0, 16]);
        assert_eq!(octets[32..], [0; 32]);

        let op = FwdOp::ClearRoute6 { vrf: VrfId(2), prefix: "fd00::/8".parse().unwrap() };
        let octets = op.emit();
        assert_eq!((octets[0], octets[3], octets[7], octets[24], octets[25]), (10, 8, 2, 0xfd, 0));
    }

    #[test]
    fn every_bad_field_is_named_at_its_offset() {
        let set_route =
            FwdOp::SetRoute4 { vrf: VrfId(1), prefix: "10.0.0.0/8".parse().unwrap(), action: RouteAction::Local };
        let ilm = Ilm { action: IlmAction::PopLookup(VrfId(1)), model: TunnelModel::Uniform };
        let set_ilm = FwdOp::SetIlm { label: label(16), ilm };
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Local, model: TunnelModel::Pipe };
        let set_nhlfe = FwdOp::SetNhlfe { id: NhlfeId(1), nhlfe };
        for (op, offset, value, field) in [
            (set_route, 0, 0, "op"),
            (set_route, 0, 31, "op"),
            (set_route, 1, 1, "route action"),
            (set_route, 3, 33, "prefix length"),
            (set_route, 4, 1, "VRF"),
            (set_route, 8, 1, "unused field"),
            (set_route, 25, 1, "unused field"),
            (set_route, 63, 1, "unused field"),
            (set_ilm, 1, 3, "ILM action"),
            (set_ilm, 2, 3, "model"),
            (set_ilm, 4, 1, "label"),
            (set_ilm, 8, 1, "VRF"),
            (set_nhlfe, 1, 10, "next hop"),
            (set_nhlfe, 3, 9, "label count"),
            (set_nhlfe, 24, 1, "label"),
            (set_nhlfe, 55, 1, "unused field"),
            (set_nhlfe, 18, 1, "unused field"),
        ] {
            let mut octets = op.emit();
            octets[offset] = value;
            let m = FwdOp::parse(&octets).unwrap_err();
            assert_eq!((m.field, m.offset), (field, offset), "{op:?}");
        }
    }
}
