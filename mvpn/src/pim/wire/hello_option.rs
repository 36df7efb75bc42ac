//! Options of a Hello (RFC 7761 §4.9.2 and the registry of PIM-Hello options).

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::encoded::{AddressFamily, emit_address, emit_unicast, take_address, take_unicast, unicast_len};

/// The type of an option; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct HelloOptionType(pub u16);

impl HelloOptionType {
    /// Holdtime (RFC 7761 §4.9.2).
    pub const HOLDTIME: Self = Self(1);
    /// LAN Prune Delay (RFC 7761 §4.9.2).
    pub const LAN_PRUNE_DELAY: Self = Self(2);
    /// DR Priority (RFC 7761 §4.9.2).
    pub const DR_PRIORITY: Self = Self(19);
    /// Generation ID (RFC 7761 §4.9.2).
    pub const GENERATION_ID: Self = Self(20);
    /// State Refresh Capable (RFC 3973 §4.7.5.4).
    pub const STATE_REFRESH_CAPABLE: Self = Self(21);
    /// Bidirectional Capable (RFC 5015 §3.7.4).
    pub const BIDIRECTIONAL_CAPABLE: Self = Self(22);
    /// Address List (RFC 7761 §4.9.2).
    pub const ADDRESS_LIST: Self = Self(24);
    /// Join Attribute (RFC 5384 §3.4).
    pub const JOIN_ATTRIBUTE: Self = Self(26);
    /// PIM over TCP capable (RFC 6559 §3.1).
    pub const PORT_TCP: Self = Self(27);
    /// PIM over SCTP capable (RFC 6559 §3.2).
    pub const PORT_SCTP: Self = Self(28);
    /// PIM MT-ID (RFC 6420 §5.1).
    pub const MT_ID: Self = Self(30);
    /// Interface ID (RFC 6395 §2).
    pub const INTERFACE_ID: Self = Self(31);
    /// ECMP Redirect (RFC 6754 §5.1).
    pub const ECMP_REDIRECT: Self = Self(32);
    /// DR Load-Balancing Capability (RFC 8775 §5.3.1).
    pub const DRLB_CAPABILITY: Self = Self(34);
    /// DR Load-Balancing List (RFC 8775 §5.3.2).
    pub const DRLB_LIST: Self = Self(35);
}

/// LAN Prune Delay: T (1 bit), propagation delay (15), override interval (16), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanPruneDelay {
    /// T: the sender can disable join suppression.
    pub tracking_support: bool,
    /// Propagation_Delay, at most 32,767 ms.
    pub propagation_delay: u16,
    /// Override_Interval in ms.
    pub override_interval: u16,
}

/// The transport connection of PIM over TCP or SCTP (RFC 6559 §3.1): AFI (2), reserved (12 bits), experimental (4 bits), address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortConnection {
    /// Where to connect; `None` (AFI 0) if known by other means.
    pub connection_id: Option<IpAddr>,
    /// Four bits for experiments.
    pub experimental: u8,
}

/// Masks and candidates of DR load balancing (RFC 8775 §5.3.2), addresses of the packet's family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrlbList {
    /// Group mask.
    pub group_mask: IpAddr,
    /// Source mask.
    pub source_mask: IpAddr,
    /// RP mask.
    pub rp_mask: IpAddr,
    /// Candidates; the first has ordinal 0.
    pub candidates: Vec<IpAddr>,
}

/// An option of a Hello.
///
/// ```text
/// +----------+------------+-------+
/// | Type (2) | Length (2) | Value |
/// +----------+------------+-------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HelloOption {
    /// 1: seconds that the neighbour lives; 0 says goodbye, 65,535 is for ever.
    Holdtime(u16),
    /// 2
    LanPruneDelay(LanPruneDelay),
    /// 19: more wins.
    DrPriority(u32),
    /// 20: changes when the sender restarts.
    GenerationId(u32),
    /// 21: the interval of State Refresh in seconds.
    StateRefreshCapable(u8),
    /// 22
    BidirectionalCapable,
    /// 24: the sender's secondary addresses.
    AddressList(Vec<IpAddr>),
    /// 26
    JoinAttribute,
    /// 27
    PortTcp(PortConnection),
    /// 28
    PortSctp(PortConnection),
    /// 30
    MtId,
    /// 31: local interface identifier and router identifier.
    InterfaceId {
        /// Unique in the sender.
        local: u32,
        /// The sender; zero if it has none.
        router: u32,
    },
    /// 32
    EcmpRedirect,
    /// 34: the hash algorithm; 0 is the modulo hash.
    DrlbCapability(u8),
    /// 35
    DrlbList(DrlbList),
    /// Another type's value, at most 65,535 octets.
    Other(OtherHelloOption),
}

/// An option of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherHelloOption {
    option_type: HelloOptionType,
    value: Vec<u8>,
}

impl OtherHelloOption {
    /// `None` if the type is one of [`HelloOption`]'s or the value exceeds 65,535 octets.
    #[must_use]
    pub fn new(option_type: HelloOptionType, value: &[u8]) -> Option<Self> {
        let fits = u16::try_from(value.len()).is_ok() && !HelloOption::is_typed(option_type);
        fits.then(|| Self { option_type, value: value.to_vec() })
    }

    /// The type.
    #[must_use]
    pub const fn option_type(&self) -> HelloOptionType {
        self.option_type
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// Runs `take` over all of an option's value.
fn exactly<'a, T>(v: &'a [u8], take: impl FnOnce(&'a [u8]) -> Take<'a, T>) -> Result<T, nom::Err<Fail<'a>>> {
    match take(v)? {
        ([], value) => Ok(value),
        (rest, _) => Err(Fail::new(rest, "hello option length", Fault::Trailing(rest.len()))),
    }
}

fn take_many<'a, T>(mut i: &'a [u8], take: impl Fn(&'a [u8]) -> Take<'a, T>) -> Take<'a, Vec<T>> {
    let mut items = Vec::new();
    while !i.is_empty() {
        let (rest, item) = take(i)?;
        items.push(item);
        i = rest;
    }
    Ok((i, items))
}

impl LanPruneDelay {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, delay) = codec::be_u16(i, "propagation delay")?;
        let (i, override_interval) = codec::be_u16(i, "override interval")?;
        Ok((i, Self { tracking_support: delay & 0x8000 != 0, propagation_delay: delay & 0x7fff, override_interval }))
    }
}

impl PortConnection {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, afi) = codec::be_u16(i, "connection id afi")?;
        let (rest, [_, experimental]) = codec::array::<2>(rest, "experimental")?;
        let (rest, connection_id) = match afi {
            0 => (rest, None),
            1 => take_address(rest, AddressFamily::V4, "connection id").map(|(r, a)| (r, Some(a)))?,
            2 => take_address(rest, AddressFamily::V6, "connection id").map(|(r, a)| (r, Some(a)))?,
            other => return Err(Fail::new(i, "connection id afi", Fault::Value(u32::from(other)))),
        };
        Ok((rest, Self { connection_id, experimental: experimental & 0x0f }))
    }

    fn wire_len(&self) -> usize {
        self.connection_id.map_or(4, |a| AddressFamily::of(a).octets().saturating_add(4))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(match self.connection_id {
            None => 0,
            Some(IpAddr::V4(_)) => 1,
            Some(IpAddr::V6(_)) => 2,
        });
        out.put_slice(&[0, self.experimental & 0x0f]);
        if let Some(addr) = self.connection_id {
            emit_address(addr, out);
        }
    }
}

impl DrlbList {
    fn take(i: &[u8], family: AddressFamily) -> Take<'_, Self> {
        let (i, group_mask) = take_address(i, family, "group mask")?;
        let (i, source_mask) = take_address(i, family, "source mask")?;
        let (i, rp_mask) = take_address(i, family, "rp mask")?;
        let (i, candidates) = take_many(i, |i| take_address(i, family, "gdr candidate"))?;
        Ok((i, Self { group_mask, source_mask, rp_mask, candidates }))
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        [self.group_mask, self.source_mask, self.rp_mask].into_iter().chain(self.candidates.iter().copied())
    }
}

impl HelloOption {
    const fn is_typed(option_type: HelloOptionType) -> bool {
        matches!(option_type.0, 1 | 2 | 19..=22 | 24 | 26..=28 | 30..=32 | 34 | 35)
    }

    /// The type.
    #[must_use]
    pub const fn option_type(&self) -> HelloOptionType {
        match self {
            Self::Holdtime(_) => HelloOptionType::HOLDTIME,
            Self::LanPruneDelay(_) => HelloOptionType::LAN_PRUNE_DELAY,
            Self::DrPriority(_) => HelloOptionType::DR_PRIORITY,
            Self::GenerationId(_) => HelloOptionType::GENERATION_ID,
            Self::StateRefreshCapable(_) => HelloOptionType::STATE_REFRESH_CAPABLE,
            Self::BidirectionalCapable => HelloOptionType::BIDIRECTIONAL_CAPABLE,
            Self::AddressList(_) => HelloOptionType::ADDRESS_LIST,
            Self::JoinAttribute => HelloOptionType::JOIN_ATTRIBUTE,
            Self::PortTcp(_) => HelloOptionType::PORT_TCP,
            Self::PortSctp(_) => HelloOptionType::PORT_SCTP,
            Self::MtId => HelloOptionType::MT_ID,
            Self::InterfaceId { .. } => HelloOptionType::INTERFACE_ID,
            Self::EcmpRedirect => HelloOptionType::ECMP_REDIRECT,
            Self::DrlbCapability(_) => HelloOptionType::DRLB_CAPABILITY,
            Self::DrlbList(_) => HelloOptionType::DRLB_LIST,
            Self::Other(other) => other.option_type,
        }
    }

    /// Takes one option.
    ///
    /// # Errors
    /// Truncated input, or a known option of impossible length.
    pub fn take(i: &[u8], family: AddressFamily) -> Take<'_, Self> {
        let (i, option_type) = codec::be_u16(i, "hello option type")?;
        let (i, len) = codec::be_u16(i, "hello option length")?;
        let (rest, v) = codec::octets(i, usize::from(len), "hello option value")?;
        let none = |option| exactly(v, |i| Ok((i, option)));
        let option = match HelloOptionType(option_type) {
            HelloOptionType::HOLDTIME => Self::Holdtime(exactly(v, |i| codec::be_u16(i, "holdtime"))?),
            HelloOptionType::LAN_PRUNE_DELAY => Self::LanPruneDelay(exactly(v, LanPruneDelay::take)?),
            HelloOptionType::DR_PRIORITY => Self::DrPriority(exactly(v, |i| codec::be_u32(i, "dr priority"))?),
            HelloOptionType::GENERATION_ID => Self::GenerationId(exactly(v, |i| codec::be_u32(i, "generation id"))?),
            HelloOptionType::STATE_REFRESH_CAPABLE => {
                let [version, interval, ..] = exactly(v, |i| codec::array::<4>(i, "state refresh capable"))?;
                if version != 1 {
                    return Err(Fail::new(v, "state refresh version", Fault::Value(u32::from(version))));
                }
                Self::StateRefreshCapable(interval)
            }
            HelloOptionType::BIDIRECTIONAL_CAPABLE => none(Self::BidirectionalCapable)?,
            HelloOptionType::ADDRESS_LIST => {
                Self::AddressList(exactly(v, |i| take_many(i, |i| take_unicast(i, "secondary address")))?)
            }
            HelloOptionType::JOIN_ATTRIBUTE => none(Self::JoinAttribute)?,
            HelloOptionType::PORT_TCP => Self::PortTcp(exactly(v, PortConnection::take)?),
            HelloOptionType::PORT_SCTP => Self::PortSctp(exactly(v, PortConnection::take)?),
            HelloOptionType::MT_ID => none(Self::MtId)?,
            HelloOptionType::INTERFACE_ID => {
                let id = exactly(v, |i| codec::be_u64(i, "interface id"))?;
                let [a, b, c, d, e, f, g, h] = id.to_be_bytes();
                Self::InterfaceId { local: u32::from_be_bytes([a, b, c, d]), router: u32::from_be_bytes([e, f, g, h]) }
            }
            HelloOptionType::ECMP_REDIRECT => none(Self::EcmpRedirect)?,
            HelloOptionType::DRLB_CAPABILITY => {
                let [.., hash] = exactly(v, |i| codec::array::<4>(i, "drlb capability"))?;
                Self::DrlbCapability(hash)
            }
            HelloOptionType::DRLB_LIST => Self::DrlbList(exactly(v, |i| DrlbList::take(i, family))?),
            option_type => Self::Other(OtherHelloOption { option_type, value: v.to_vec() }),
        };
        Ok((rest, option))
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Holdtime(_) => 2,
            Self::LanPruneDelay(_)
            | Self::DrPriority(_)
            | Self::GenerationId(_)
            | Self::StateRefreshCapable(_)
            | Self::DrlbCapability(_) => 4,
            Self::InterfaceId { .. } => 8,
            Self::BidirectionalCapable | Self::JoinAttribute | Self::MtId | Self::EcmpRedirect => 0,
            Self::AddressList(list) => list.iter().fold(0, |n: usize, a| n.saturating_add(unicast_len(*a))),
            Self::PortTcp(c) | Self::PortSctp(c) => c.wire_len(),
            Self::DrlbList(list) => {
                list.addresses().fold(0, |n: usize, a| n.saturating_add(AddressFamily::of(a).octets()))
            }
            Self::Other(other) => other.value.len(),
        }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.value_len().saturating_add(4)
    }

    /// Writes the option. A list longer than 65,535 octets is not valid and its length field is then wrong; [`crate::pim`]'s
    /// machines bound what they send.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.option_type().0);
        out.put_u16(u16::try_from(self.value_len()).unwrap_or(u16::MAX));
        match self {
            Self::Holdtime(v) => out.put_u16(*v),
            Self::LanPruneDelay(v) => {
                out.put_u16(v.propagation_delay & 0x7fff | if v.tracking_support { 0x8000 } else { 0 });
                out.put_u16(v.override_interval);
            }
            Self::DrPriority(v) | Self::GenerationId(v) => out.put_u32(*v),
            Self::StateRefreshCapable(interval) => out.put_slice(&[1, *interval, 0, 0]),
            Self::BidirectionalCapable | Self::JoinAttribute | Self::MtId | Self::EcmpRedirect => {}
            Self::AddressList(list) => list.iter().for_each(|a| emit_unicast(*a, out)),
            Self::PortTcp(c) | Self::PortSctp(c) => c.emit(out),
            Self::InterfaceId { local, router } => {
                out.put_u32(*local);
                out.put_u32(*router);
            }
            Self::DrlbCapability(hash) => out.put_slice(&[0, 0, 0, *hash]),
            Self::DrlbList(list) => list.addresses().for_each(|a| emit_address(a, out)),
            Self::Other(other) => out.put_slice(&other.value),
        }
    }

    /// A generator, for the family that the Hello is of.
    ///
    /// # Errors
    /// Not enough data.
    #[cfg(feature = "arbitrary")]
    pub fn arbitrary_of(family: AddressFamily, u: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<Self> {
        fn addr(family: AddressFamily, u: &mut arbitrary::Unstructured<'_>) -> arbitrary::Result<IpAddr> {
            Ok(match family {
                AddressFamily::V4 => IpAddr::V4(u.arbitrary()?),
                AddressFamily::V6 => IpAddr::V6(u.arbitrary()?),
            })
        }
        let port = |u: &mut arbitrary::Unstructured<'_>| -> arbitrary::Result<PortConnection> {
            Ok(PortConnection { connection_id: u.arbitrary()?, experimental: u.int_in_range(0..=15)? })
        };
        Ok(match u.int_in_range(0..=15)? {
            0 => Self::Holdtime(u.arbitrary()?),
            1 => Self::LanPruneDelay(LanPruneDelay {
                tracking_support: u.arbitrary()?,
                propagation_delay: u.int_in_range(0..=0x7fff)?,
                override_interval: u.arbitrary()?,
            }),
            2 => Self::DrPriority(u.arbitrary()?),
            3 => Self::GenerationId(u.arbitrary()?),
            4 => Self::StateRefreshCapable(u.arbitrary()?),
            5 => Self::BidirectionalCapable,
            6 => Self::AddressList(u.arbitrary()?),
            7 => Self::JoinAttribute,
            8 => Self::PortTcp(port(u)?),
            9 => Self::PortSctp(port(u)?),
            10 => Self::MtId,
            11 => Self::InterfaceId { local: u.arbitrary()?, router: u.arbitrary()? },
            12 => Self::EcmpRedirect,
            13 => Self::DrlbCapability(u.arbitrary()?),
            14 => Self::DrlbList(DrlbList {
                group_mask: addr(family, u)?,
                source_mask: addr(family, u)?,
                rp_mask: addr(family, u)?,
                candidates: (0..u.int_in_range(0..=4)?).map(|_| addr(family, u)).collect::<arbitrary::Result<_>>()?,
            }),
            _ => {
                let value: Vec<u8> = u.arbitrary()?;
                let other = OtherHelloOption::new(HelloOptionType(u.arbitrary()?), &value);
                Self::Other(other.ok_or(arbitrary::Error::IncorrectFormat)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_ways(octets: &[u8], option: &HelloOption) {
        let got = codec::all(octets, |i| HelloOption::take(i, AddressFamily::V4)).unwrap();
        assert_eq!(&got, option);
        let mut out = Vec::new();
        option.emit(&mut out);
        assert_eq!((&out[..], option.wire_len()), (octets, octets.len()));
        for n in 0..octets.len() {
            assert!(codec::all(&octets[..n], |i| HelloOption::take(i, AddressFamily::V4)).is_err(), "{n} {option:?}");
        }
    }

    /// Shows: L3VPN-8.8-7, L3VPN-8.8-8, L3VPN-8.8-9
    #[test]
    fn options_octet_for_octet() {
        let delay = LanPruneDelay { tracking_support: true, propagation_delay: 500, override_interval: 2500 };
        both_ways(&[0, 1, 0, 2, 0, 105], &HelloOption::Holdtime(105));
        both_ways(&[0, 2, 0, 4, 0x81, 0xf4, 0x09, 0xc4], &HelloOption::LanPruneDelay(delay));
        both_ways(&[0, 19, 0, 4, 0, 0, 0, 1], &HelloOption::DrPriority(1));
        both_ways(&[0, 20, 0, 4, 1, 2, 3, 4], &HelloOption::GenerationId(0x0102_0304));
        both_ways(&[0, 21, 0, 4, 1, 60, 0, 0], &HelloOption::StateRefreshCapable(60));
        both_ways(&[0, 22, 0, 0], &HelloOption::BidirectionalCapable);
        both_ways(&[0, 24, 0, 6, 1, 0, 10, 0, 0, 1], &HelloOption::AddressList([[10, 0, 0, 1].into()].into()));
        both_ways(&[0, 26, 0, 0], &HelloOption::JoinAttribute);
        let port = PortConnection { connection_id: Some([10, 0, 0, 1].into()), experimental: 3 };
        both_ways(&[0, 27, 0, 8, 0, 1, 0, 3, 10, 0, 0, 1], &HelloOption::PortTcp(port));
        let port = PortConnection { connection_id: None, experimental: 0 };
        both_ways(&[0, 28, 0, 4, 0, 0, 0, 0], &HelloOption::PortSctp(port));
        both_ways(&[0, 30, 0, 0], &HelloOption::MtId);
        both_ways(&[0, 31, 0, 8, 0, 0, 0, 5, 10, 0, 0, 1], &HelloOption::InterfaceId { local: 5, router: 0x0a00_0001 });
        both_ways(&[0, 32, 0, 0], &HelloOption::EcmpRedirect);
        both_ways(&[0, 34, 0, 4, 0, 0, 0, 0], &HelloOption::DrlbCapability(0));
        let all = [255; 4].into();
        let list =
            DrlbList { group_mask: all, source_mask: all, rp_mask: [0; 4].into(), candidates: [[9; 4].into()].into() };
        let octets = [[0, 35, 0, 16], [255; 4], [255; 4], [0; 4], [9; 4]].concat();
        both_ways(&octets, &HelloOption::DrlbList(list));
        let other = OtherHelloOption::new(HelloOptionType(65000), b"abc").unwrap();
        both_ways(&[0xfd, 0xe8, 0, 3, b'a', b'b', b'c'], &HelloOption::Other(other));
    }

    #[test]
    fn known_options_of_wrong_length_are_faults() {
        for octets in [
            &[0, 1, 0, 3, 0, 105, 0][..],
            &[0, 2, 0, 2, 0, 0],
            &[0, 21, 0, 4, 2, 60, 0, 0],
            &[0, 22, 0, 1, 0],
            &[0, 35, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0],
        ] {
            assert!(codec::all(octets, |i| HelloOption::take(i, AddressFamily::V4)).is_err(), "{octets:?}");
        }
        assert_eq!(OtherHelloOption::new(HelloOptionType::MT_ID, &[]), None);
    }
}
