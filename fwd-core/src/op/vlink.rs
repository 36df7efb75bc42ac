//! Virtual links: IP tunnels that join two routers of a VPN as a wire would.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::encoding::{Fields, Kind, Tag, malformed};
use super::{FwdOp, TunnelModel};
use crate::malformed::Malformed;
use crate::net::{LabelSpaceId, Mac, NhlfeId, PortId, SaId, VlinkId, VrfId};
use crate::wire::l2tpv3::Cookie;

/// A virtual link, and how its packets are known when they arrive. How they are sent is a [`VlinkOutput`].
///
/// Packets to `ends.local` that the global table says are this router's own are looked up among the links: by the outer
/// addresses, the encapsulation, and the key or session where it has one; of IP in IP by the association. What belongs to no link is dropped, never delivered
/// by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Vlink {
    /// The outer addresses.
    pub ends: Ends,
    /// What stands between the outer IP header and the payload.
    pub encapsulation: Encapsulation,
    /// Where payloads go.
    pub deliver: Deliver,
    /// Whether labelled packets are taken as well; always so where the encapsulation is MPLS in IP or in UDP.
    pub mpls: bool,
    /// The space in which labels of these packets are looked up; none: the platform's. A label of the space of a link that is
    /// protected has no meaning in a packet that came in clear (RFC 3031 §3.14, RFC 4023 §8.1).
    pub label_space: Option<LabelSpaceId>,
    /// Whether the source of an IP packet must be one that packets would be sent to by this very link (RFC 3704 §2.2). Of equal
    /// paths the one of the packet's flow counts. Packets with labels are not looked at.
    pub check_source: bool,
    /// Whether numbered packets that are out of order are dropped (RFC 2890 §2.2, RFC 3931 §4.6). Then one worker alone
    /// forwards for the link.
    pub ordered: bool,
    /// The security association that packets must have come through; none: packets in clear only. So what is protected is
    /// never taken in clear (RFC 4301 §5.2).
    pub protection: Option<SaId>,
    /// How the outer DSCP relates to the payload's at the end of the tunnel (RFC 2983 §3).
    pub model: TunnelModel,
}

/// The outer addresses of a virtual link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Ends {
    /// Over IPv4.
    V4 {
        /// Ours.
        local: Ipv4Addr,
        /// The other router's.
        remote: Ipv4Addr,
    },
    /// Over IPv6.
    V6 {
        /// Ours.
        local: Ipv6Addr,
        /// The other router's.
        remote: Ipv6Addr,
    },
}

/// What stands between the outer IP header and the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Encapsulation {
    /// Nothing (RFC 2003, RFC 2473): the addresses say the link, and the association that packets came through.
    IpInIp,
    /// GRE without a key (RFC 2784).
    Gre,
    /// GRE with this key (RFC 2890).
    GreKey(u32),
    /// A label stack (RFC 4023 §3).
    MplsInIp,
    /// A UDP header and a label stack (RFC 7510).
    MplsInUdp,
    /// An L2TPv3 session over IP, protocol 115 (RFC 3931 §4.1.1).
    L2tp(Session),
    /// An L2TPv3 session over UDP (RFC 3931 §4.1.2).
    L2tpUdp(Session),
}

/// An L2TPv3 session, as its receiver chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Session {
    /// The session; 0 is the control connection and no packet's.
    pub id: u32,
    /// The cookie that packets must have.
    pub cookie: Cookie,
    /// Whether the default sublayer precedes the payload (RFC 3931 §4.6).
    pub sublayer: bool,
}

/// Where the payloads of a virtual link go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Deliver {
    /// They are IP packets, looked up in this VRF.
    Vrf(VrfId),
    /// They are Ethernet frames that arrived at this bridge port, which must be there: a pseudowire of its own for each session
    /// (RFC 4719).
    Port(PortId),
}

/// How packets leave by a virtual link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct VlinkOutput {
    /// The entry that outer packets leave by.
    pub next: NhlfeId,
    /// The key of GRE, the session of L2TPv3, as the other router chose it; without it GRE has no key.
    pub key: Option<u32>,
    /// The cookie that the other router chose.
    pub cookie: Cookie,
    /// Source and destination port over UDP. A source port of 0 is a hash of the payload (RFC 7510 §3).
    pub ports: (u16, u16),
    /// Whether packets are numbered (GRE, L2TPv3 with sublayer). Then one worker alone forwards for the link.
    pub numbered: bool,
    /// The most octets of an outer packet, security included; a larger one is not sent, and never fragmented (RFC 4023 §5.1).
    pub mtu: u16,
    /// The outer TTL.
    pub ttl: u8,
    /// The outer DSCP; none: the payload's (RFC 2983 §3).
    pub dscp: Option<Dscp>,
    /// The security association that packets go through before they are sent.
    pub protection: Option<Protection>,
}

/// The security association of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Protection {
    /// The association.
    pub sa: SaId,
    /// Octets that it adds at most: they count in the size of the outer packet.
    pub overhead: u8,
}

/// A differentiated services code point, 0 to 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dscp(u8);

impl Dscp {
    /// The code point; `None` above 63.
    #[must_use]
    pub const fn new(dscp: u8) -> Option<Self> {
        if dscp < 64 { Some(Self(dscp)) } else { None }
    }

    /// The code point, 0 to 63.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Dscp {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self(u.int_in_range(0..=63)?))
    }
}

impl Tag {
    const SET_VLINK: Self = Self(64);
    const CLEAR_VLINK: Self = Self(65);
    const SET_VLINK_OUTPUT: Self = Self(66);
}

const V6: u8 = 1;
const MPLS: u8 = 2;
const ORDERED: u8 = 4;
const PROTECTED: u8 = 8;
const SUBLAYER: u8 = 16;
const PORT: u8 = 32;
/// Octets of the cookie, in units of four.
const COOKIE_SHIFT: u8 = 6;

const KEY: u8 = 1;
const NUMBERED: u8 = 2;
const DSCP: u8 = 4;
const PROTECT: u8 = 8;

const fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

/// The octets of a cookie as two words, and their number in units of four.
pub(crate) fn cookie_words(cookie: &Cookie) -> ([u32; 2], u8) {
    let mut octets = [0; 8];
    for (to, from) in octets.iter_mut().zip(cookie.as_slice()) {
        *to = *from;
    }
    let [a, b, c, d, e, f, g, h] = octets;
    let words = [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])];
    (words, (cookie.as_slice().len() >> 2) as u8)
}

/// The reverse of [`cookie_words`].
pub(crate) fn cookie_of(words: [u32; 2], units: u8) -> Option<Cookie> {
    let mut octets = [0; 8];
    for (to, from) in octets.iter_mut().zip(words.into_iter().flat_map(u32::to_be_bytes)) {
        *to = from;
    }
    Cookie::new(octets.get(..usize::from(units) << 2)?)
}

impl Ends {
    /// The addresses as eight words: four of ours, four of theirs; of IPv4 the first of the four counts.
    pub(crate) fn words(&self) -> [u32; 8] {
        match *self {
            Self::V4 { local, remote } => [local.to_bits(), 0, 0, 0, remote.to_bits(), 0, 0, 0],
            Self::V6 { local, remote } => {
                let [a, b, c, d] = words_of(local);
                let [e, f, g, h] = words_of(remote);
                [a, b, c, d, e, f, g, h]
            }
        }
    }

    /// The reverse of [`Self::words`].
    pub(crate) fn of(is_v6: bool, words: [u32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = words;
        match is_v6 {
            false => Self::V4 { local: Ipv4Addr::from_bits(a), remote: Ipv4Addr::from_bits(e) },
            true => Self::V6 { local: address_of([a, b, c, d]), remote: address_of([e, f, g, h]) },
        }
    }
}

const fn words_of(address: Ipv6Addr) -> [u32; 4] {
    let bits = address.to_bits();
    [(bits >> 96) as u32, (bits >> 64) as u32, (bits >> 32) as u32, bits as u32]
}

fn address_of(words: [u32; 4]) -> Ipv6Addr {
    Ipv6Addr::from_bits(words.into_iter().fold(0, |bits, word| bits << 32 | u128::from(word)))
}

/// The layout of a link without its number: what [`Fields`] and the table's records share.
#[derive(Clone, Copy)]
pub(crate) struct Packed {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) deliver: u32,
    pub(crate) selector: u32,
    pub(crate) sa: u16,
    pub(crate) cookie: [u32; 2],
    /// [`CHECK_SOURCE`], [`HAS_SPACE`].
    pub(crate) checks: u8,
    pub(crate) space: u32,
}

const CHECK_SOURCE: u8 = 1;
const HAS_SPACE: u8 = 2;

impl Encapsulation {
    /// The value of octet 1, the key or session, and the session.
    const fn parts(&self) -> (u8, u32, Option<Session>) {
        match *self {
            Self::IpInIp => (1, 0, None),
            Self::Gre => (2, 0, None),
            Self::GreKey(key) => (3, key, None),
            Self::MplsInIp => (4, 0, None),
            Self::MplsInUdp => (5, 0, None),
            Self::L2tp(session) => (6, session.id, Some(session)),
            Self::L2tpUdp(session) => (7, session.id, Some(session)),
        }
    }
}

impl Vlink {
    pub(crate) fn pack(&self) -> Packed {
        let (kind, selector, session) = self.encapsulation.parts();
        let (cookie, units) = session.map_or(([0; 2], 0), |session| cookie_words(&session.cookie));
        let (deliver, is_port) = match self.deliver {
            Deliver::Vrf(vrf) => (u32::from(vrf.0), false),
            Deliver::Port(port) => (port.0, true),
        };
        let flags = flag(matches!(self.ends, Ends::V6 { .. }), V6)
            | flag(self.mpls, MPLS)
            | flag(self.ordered, ORDERED)
            | flag(self.protection.is_some(), PROTECTED)
            | flag(session.is_some_and(|session| session.sublayer), SUBLAYER)
            | flag(is_port, PORT)
            | units << COOKIE_SHIFT;
        let checks = flag(self.check_source, CHECK_SOURCE) | flag(self.label_space.is_some(), HAS_SPACE);
        let space = self.label_space.unwrap_or_default().0;
        Packed { kind, flags, deliver, selector, sa: self.protection.unwrap_or_default().0, cookie, checks, space }
    }

    pub(crate) fn unpack(packed: &Packed, ends: [u32; 8], model: TunnelModel) -> Result<Self, Malformed> {
        let Packed { kind, flags, deliver, selector, sa, cookie, checks, space } = *packed;
        let cookie = cookie_of(cookie, flags >> COOKIE_SHIFT).ok_or(malformed(3, "cookie length", flags.into()))?;
        let session = Session { id: selector, cookie, sublayer: flags & SUBLAYER != 0 };
        let encapsulation = match kind {
            1 => Encapsulation::IpInIp,
            2 => Encapsulation::Gre,
            3 => Encapsulation::GreKey(selector),
            4 => Encapsulation::MplsInIp,
            5 => Encapsulation::MplsInUdp,
            6 => Encapsulation::L2tp(session),
            7 => Encapsulation::L2tpUdp(session),
            other => return Err(malformed(1, "encapsulation", other.into())),
        };
        let deliver = match flags & PORT {
            0 => Deliver::Vrf(VrfId(u16::try_from(deliver).map_err(|_| malformed(8, "VRF", deliver))?)),
            _ => Deliver::Port(PortId(deliver)),
        };
        Ok(Self {
            ends: Ends::of(flags & V6 != 0, ends),
            encapsulation,
            deliver,
            mpls: flags & MPLS != 0,
            label_space: (checks & HAS_SPACE != 0).then_some(LabelSpaceId(space)),
            check_source: checks & CHECK_SOURCE != 0,
            ordered: flags & ORDERED != 0,
            protection: (flags & PROTECTED != 0).then_some(SaId(sa)),
            model,
        })
    }
}

/// The fields of an op of this file.
pub(super) fn fields(op: &FwdOp) -> Option<(Tag, Fields)> {
    Some(match *op {
        FwdOp::SetVlink { id, vlink } => {
            let p = vlink.pack();
            let [s0, s1, s2, s3] = p.space.to_be_bytes();
            let mut f = Fields {
                kind: Kind(p.kind),
                model: super::encoding::model_octet(vlink.model),
                count: p.flags,
                key: id.0,
                value: p.deliver,
                half: p.sa,
                mac: Mac([p.checks, 0, s0, s1, s2, s3]),
                aux: p.selector,
                tail: p.cookie,
                ..Fields::default()
            };
            f.set_words(&vlink.ends.words());
            (Tag::SET_VLINK, f)
        }
        FwdOp::ClearVlink { id } => (Tag::CLEAR_VLINK, Fields { key: id.0, ..Fields::default() }),
        FwdOp::SetVlinkOutput { id, output } => (Tag::SET_VLINK_OUTPUT, output_fields(id, &output)),
        _ => return None,
    })
}

fn output_fields(id: VlinkId, output: &VlinkOutput) -> Fields {
    let (cookie, units) = cookie_words(&output.cookie);
    let ([s0, s1], [d0, d1]) = (output.ports.0.to_be_bytes(), output.ports.1.to_be_bytes());
    let (sa, overhead) = output.protection.map_or((0, 0), |p| (p.sa.0, p.overhead));
    let flags = flag(output.key.is_some(), KEY)
        | flag(output.numbered, NUMBERED)
        | flag(output.dscp.is_some(), DSCP)
        | flag(output.protection.is_some(), PROTECT);
    let mut f = Fields {
        kind: Kind(flags),
        model: output.ttl,
        count: units,
        key: id.0,
        value: output.next.0,
        mac: Mac([output.dscp.unwrap_or_default().0, overhead, s0, s1, d0, d1]),
        half: output.mtu,
        aux: output.key.unwrap_or(0),
        tail: cookie,
        ..Fields::default()
    };
    f.set_words(&[u32::from(sa)]);
    f
}

/// The op of these fields, if its tag is one of this file's.
pub(super) fn op(tag: Tag, f: &Fields) -> Option<Result<FwdOp, Malformed>> {
    let id = VlinkId(f.key);
    Some(match tag {
        Tag::SET_VLINK => vlink(f).map(|vlink| FwdOp::SetVlink { id, vlink }),
        Tag::CLEAR_VLINK => Ok(FwdOp::ClearVlink { id }),
        Tag::SET_VLINK_OUTPUT => output(f).map(|output| FwdOp::SetVlinkOutput { id, output }),
        _ => return None,
    })
}

fn vlink(f: &Fields) -> Result<Vlink, Malformed> {
    let Mac([checks, _, s0, s1, s2, s3]) = f.mac;
    let packed = Packed {
        kind: f.kind.0,
        flags: f.count,
        deliver: f.value,
        selector: f.aux,
        sa: f.half,
        cookie: f.tail,
        checks,
        space: u32::from_be_bytes([s0, s1, s2, s3]),
    };
    Vlink::unpack(&packed, f.words(), f.model()?)
}

fn output(f: &Fields) -> Result<VlinkOutput, Malformed> {
    let Kind(flags) = f.kind;
    let Mac([dscp, overhead, s0, s1, d0, d1]) = f.mac;
    let [sa, ..] = f.words();
    let sa = SaId(u16::try_from(sa).map_err(|_| malformed(24, "security association", sa))?);
    Ok(VlinkOutput {
        next: NhlfeId(f.value),
        key: (flags & KEY != 0).then_some(f.aux),
        cookie: cookie_of(f.tail, f.count).ok_or(malformed(3, "cookie length", f.count.into()))?,
        ports: (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])),
        numbered: flags & NUMBERED != 0,
        mtu: f.half,
        ttl: f.model,
        dscp: match flags & DSCP {
            0 => None,
            _ => Some(Dscp::new(dscp).ok_or(malformed(12, "DSCP", dscp.into()))?),
        },
        protection: (flags & PROTECT != 0).then_some(Protection { sa, overhead }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(encapsulation: Encapsulation) -> Vlink {
        Vlink {
            ends: Ends::V4 { local: Ipv4Addr::new(192, 0, 2, 1), remote: Ipv4Addr::new(192, 0, 2, 2) },
            encapsulation,
            deliver: Deliver::Vrf(VrfId(0x0102)),
            mpls: false,
            label_space: None,
            check_source: false,
            ordered: true,
            protection: Some(SaId(0x0304)),
            model: TunnelModel::Pipe,
        }
    }

    fn check(op: FwdOp) -> [u8; FwdOp::LEN] {
        let octets = op.emit();
        assert_eq!(FwdOp::parse(&octets), Ok(op));
        octets
    }

    #[test]
    fn layout_is_as_documented() {
        let id = VlinkId(0x0a0b_0c0d);
        let octets = check(FwdOp::SetVlink { id, vlink: link(Encapsulation::GreKey(0x0506_0708)) });
        assert_eq!(octets[..12], [64, 3, 1, 0x0c, 10, 11, 12, 13, 0, 0, 1, 2]);
        assert_eq!(octets[12..24], [0, 0, 0, 0, 0, 0, 3, 4, 5, 6, 7, 8]);
        assert_eq!((&octets[24..28], &octets[40..44]), (&[192, 0, 2, 1][..], &[192, 0, 2, 2][..]));
        let checked =
            Vlink { label_space: Some(LabelSpaceId(0x0203)), check_source: true, ..link(Encapsulation::MplsInIp) };
        assert_eq!(check(FwdOp::SetVlink { id, vlink: checked })[12..18], [3, 0, 0, 0, 2, 3]);
        check(FwdOp::SetVlink { id, vlink: Vlink { check_source: false, ..checked } });

        let cookie = Cookie::new(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
        let session = Session { id: 9, cookie, sublayer: true };
        let ends = Ends::V6 { local: Ipv6Addr::LOCALHOST, remote: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2) };
        let vlink = Vlink { ends, deliver: Deliver::Port(PortId(7)), ..link(Encapsulation::L2tpUdp(session)) };
        let octets = check(FwdOp::SetVlink { id, vlink });
        assert_eq!((octets[1], octets[3]), (7, 0x80 | 0x3d));
        assert_eq!((octets[39], octets[40], octets[55]), (1, 0xfd, 2));
        assert_eq!(octets[56..], [1, 2, 3, 4, 5, 6, 7, 8]);

        let output = VlinkOutput {
            next: NhlfeId(3),
            key: Some(4),
            cookie: Cookie::new(&[1, 2, 3, 4]).unwrap(),
            ports: (0x0102, 0x0304),
            numbered: true,
            mtu: 1500,
            ttl: 64,
            dscp: Dscp::new(46),
            protection: Some(Protection { sa: SaId(0x0506), overhead: 60 }),
        };
        let octets = check(FwdOp::SetVlinkOutput { id, output });
        assert_eq!(octets[..12], [66, 15, 64, 1, 10, 11, 12, 13, 0, 0, 0, 3]);
        assert_eq!(octets[12..28], [46, 60, 1, 2, 3, 4, 5, 0xdc, 0, 0, 0, 4, 0, 0, 5, 6]);
        assert_eq!(octets[56..], [1, 2, 3, 4, 0, 0, 0, 0]);
        assert_eq!(check(FwdOp::ClearVlink { id })[..8], [65, 0, 0, 0, 10, 11, 12, 13]);
    }

    #[test]
    fn every_bad_field_is_named_at_its_offset() {
        let set = FwdOp::SetVlink { id: VlinkId(1), vlink: link(Encapsulation::IpInIp) }.emit();
        let output = VlinkOutput {
            next: NhlfeId(0),
            key: None,
            cookie: Cookie::NONE,
            ports: (0, 0),
            numbered: false,
            mtu: 1500,
            ttl: 64,
            dscp: Dscp::new(0),
            protection: None,
        };
        let output = FwdOp::SetVlinkOutput { id: VlinkId(1), output }.emit();
        for (mut octets, offset, value, field) in [
            (set, 1, 0, "encapsulation"),
            (set, 1, 8, "encapsulation"),
            (set, 2, 3, "model"),
            (set, 3, 0xc0, "cookie length"),
            (set, 3, 0x4c, "unused field"),
            (set, 8, 1, "VRF"),
            (set, 20, 1, "unused field"),
            (set, 30, 1, "unused field"),
            (output, 3, 3, "cookie length"),
            (output, 12, 64, "DSCP"),
            (output, 24, 1, "security association"),
            (output, 27, 1, "unused field"),
            (output, 60, 1, "unused field"),
        ] {
            octets[offset] = value;
            let m = FwdOp::parse(&octets).unwrap_err();
            assert_eq!((m.field, m.offset), (field, if value == 0x4c { 3 } else { offset }));
        }
    }
}
