//! Explicit and recorded routes, and their secondary kin of sub-LSPs (RFC 3209 §4.3, §4.4, RFC 4875 §19.5, §19.6).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

use crate::ldp::Octets;
use crate::ldp::octets::{len8, list};
use crate::wire_address::WireAddress;

/// A hop of a route.
///
/// ```text
/// +---+----------+------------+-----------+
/// | L | Type (7) | Length (8) | Value ... |
/// +---+----------+------------+-----------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subobject {
    /// Types 1 and 2: a prefix; in a recorded route an address.
    Address {
        /// L: any way to it is right. In a recorded route it is not used.
        loose: bool,
        /// The address.
        address: IpAddr,
        /// How many bits of it count.
        bits: u8,
        /// The flags of a recorded route (RFC 3209 §4.4.1.1), else zero.
        flags: u8,
    },
    /// Type 3 of a recorded route: a label.
    Label {
        /// Whether the label is of the per-platform space: flag 1.
        flags: u8,
        /// Its C-Type.
        c_type: u8,
        /// The label.
        label: u32,
    },
    /// Type 32: an autonomous system.
    AsNumber {
        /// L.
        loose: bool,
        /// Its number.
        number: u16,
    },
    /// Any other: L and type in one octet, and the value.
    Unknown(u8, Octets),
}

impl Subobject {
    /// A strict hop to one address.
    #[must_use]
    pub const fn strict(address: Ipv4Addr) -> Self {
        Self::Address { loose: false, address: IpAddr::V4(address), bits: 32, flags: 0 }
    }

    /// Takes a hop; `recorded` says that label hops may occur.
    ///
    /// # Errors
    /// Truncated input, or a length that the type does not have.
    fn take(i: &[u8], recorded: bool) -> Take<'_, Self> {
        let at = i;
        let (i, kind) = codec::be_u8(i, "subobject type")?;
        let (i, len) = codec::be_u8(i, "subobject length")?;
        let bad = || Fail::new(at, "subobject length", Fault::Length(len.into()));
        let Some(value_len) = usize::from(len).checked_sub(2).filter(|_| len % 4 == 0) else { return Err(bad()) };
        let (rest, value) = codec::octets(i, value_len, "subobject length")?;
        let loose = kind & 0x80 != 0;
        let hop = match (kind & 0x7f, value) {
            (1, &[a, b, c, d, bits, flags]) => {
                Self::Address { loose, address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits, flags }
            }
            (2, [address @ .., bits, flags]) if address.len() == 16 => {
                let (_, address) = Ipv6Addr::take(address, "subobject address")?;
                Self::Address { loose, address: IpAddr::V6(address), bits: *bits, flags: *flags }
            }
            (1 | 2, _) => return Err(bad()),
            (3, &[flags, c_type, a, b, c, d]) if recorded => {
                Self::Label { flags, c_type, label: u32::from_be_bytes([a, b, c, d]) }
            }
            (32, &[a, b]) => Self::AsNumber { loose, number: u16::from_be_bytes([a, b]) },
            (_, value) => Self::Unknown(kind, Octets::from_slice(value)),
        };
        Ok((rest, hop))
    }

    fn wire_len(&self) -> usize {
        match self {
            Self::Address { address: IpAddr::V4(_), .. } | Self::Label { .. } => 8,
            Self::Address { .. } => 20,
            Self::AsNumber { .. } => 4,
            Self::Unknown(_, value) => value.len().saturating_add(2),
        }
    }

    fn emit(&self, out: &mut impl BufMut) {
        let l = |loose: &bool| if *loose { 0x80 } else { 0 };
        let len = len8(self.wire_len());
        match self {
            Self::Address { loose, address: IpAddr::V4(address), bits, flags } => {
                out.put_slice(&[l(loose) | 1, len]);
                address.emit(out);
                out.put_slice(&[*bits, *flags]);
            }
            Self::Address { loose, address: IpAddr::V6(address), bits, flags } => {
                out.put_slice(&[l(loose) | 2, len]);
                address.emit(out);
                out.put_slice(&[*bits, *flags]);
            }
            Self::Label { flags, c_type, label } => {
                out.put_slice(&[3, len, *flags, *c_type]);
                out.put_u32(*label);
            }
            Self::AsNumber { loose, number } => {
                out.put_slice(&[l(loose) | 32, len]);
                out.put_u16(*number);
            }
            Self::Unknown(kind, value) => {
                out.put_slice(&[*kind, len]);
                out.put_slice(value);
            }
        }
    }
}

/// A list of hops.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route(pub Vec<Subobject>);

impl Route {
    /// A route of strict hops.
    #[must_use]
    pub fn strict(hops: &[Ipv4Addr]) -> Self {
        Self(hops.iter().copied().map(Subobject::strict).collect())
    }

    pub(super) fn take(i: &[u8], recorded: bool) -> Take<'_, Self> {
        let (i, hops) = list(i, |i| Subobject::take(i, recorded))?;
        Ok((i, Self(hops)))
    }

    pub(super) fn wire_len(&self) -> usize {
        self.0.iter().map(Subobject::wire_len).fold(0, usize::saturating_add)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.0.iter().for_each(|hop| hop.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
mod generate {
    use arbitrary::{Arbitrary, Result, Unstructured};

    use super::{Route, Subobject};
    use crate::ldp::Octets;
    use crate::ldp::octets::arbitrary_list;

    impl<'a> Arbitrary<'a> for Subobject {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=2)? {
                0 => Self::Address {
                    loose: u.arbitrary()?,
                    address: u.arbitrary()?,
                    bits: u.arbitrary()?,
                    flags: u.arbitrary()?,
                },
                1 => Self::AsNumber { loose: u.arbitrary()?, number: u.arbitrary()? },
                _ => {
                    let words = u.int_in_range(0..=4_usize)?;
                    let len = words.saturating_mul(4).saturating_add(2);
                    let mut value = Octets::new();
                    for _ in 0..len {
                        value.push(u.arbitrary()?);
                    }
                    let kind: u8 = u.int_in_range(40..=0x7f)?;
                    Self::Unknown(kind | if u.arbitrary()? { 0x80 } else { 0 }, value)
                }
            })
        }
    }

    impl<'a> Arbitrary<'a> for Route {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            arbitrary_list(u, 6).map(Self)
        }
    }
}
