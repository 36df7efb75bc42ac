//! Traffic Selector payloads (RFC 7296 §3.13, RFC 9478 §2).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

use super::super::selector::TrafficSelector;

/// One selector as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsBody<'a> {
    /// Addresses and ports: types 7 (IPv4) and 8 (IPv6).
    Range(TrafficSelector),
    /// A security label: type 10 (RFC 9478 §2).
    Label(&'a [u8]),
    /// Another type. It selects nothing that we could match.
    Unknown(u8, &'a [u8]),
}

const IPV4_RANGE: u8 = 7;
const IPV6_RANGE: u8 = 8;
const SECLABEL: u8 = 10;
const HEADER_LEN: usize = 4;

impl<'a> TsBody<'a> {
    /// Takes a selector.
    ///
    /// ```text
    /// +---------------+---------------+-------------------------------+
    /// |   TS type     |  IP protocol  |       selector length         |
    /// +---------------+---------------+-------------------------------+
    /// |           start port          |           end port            |
    /// +-------------------------------+-------------------------------+
    /// |  starting address, ending address                             ~
    /// +---------------------------------------------------------------+
    /// ```
    ///
    /// # Errors
    /// Truncated, or a range that is none.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let start = i;
        let (i, [kind, protocol]) = codec::array::<2>(i, "TS type")?;
        let len_at = i;
        let (i, len) = codec::be_u16(i, "selector length")?;
        let length = || Fail::new(len_at, "selector length", Fault::Length(len.into()));
        let (i, body) = codec::octets(i, usize::from(len).checked_sub(HEADER_LEN).ok_or_else(length)?, "selector")?;
        let range = |(rest, (first, last, ports)): (&[u8], Range)| {
            if !rest.is_empty() {
                return Err(length());
            }
            TrafficSelector::new(protocol, ports, (first, last))
                .map(Self::Range)
                .ok_or_else(|| Fail::new(start, "selector", Fault::Value(kind.into())))
        };
        let value = match kind {
            IPV4_RANGE => range(take_v4(body)?)?,
            IPV6_RANGE => range(take_v6(body)?)?,
            // RFC 9478 §2.1: an empty label is an error.
            SECLABEL if body.is_empty() => return Err(length()),
            SECLABEL => Self::Label(body),
            other => Self::Unknown(other, start.get(1..usize::from(len)).unwrap_or_default()),
        };
        Ok((i, value))
    }

    /// Octets on the wire.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self {
            Self::Range(ts) if ts.is_ipv4() => 16,
            Self::Range(_) => 40,
            Self::Label(label) => label.len().saturating_add(HEADER_LEN),
            Self::Unknown(_, octets) => octets.len().saturating_add(1),
        }
    }

    /// Writes the selector.
    pub fn emit(&self, out: &mut impl BufMut) {
        let len = u16::try_from(self.wire_len()).unwrap_or(u16::MAX);
        match self {
            Self::Range(ts) => {
                out.put_slice(&[if ts.is_ipv4() { IPV4_RANGE } else { IPV6_RANGE }, ts.protocol()]);
                out.put_u16(len);
                let ((a, b), (first, last)) = (ts.ports(), ts.addresses());
                out.put_u16(a);
                out.put_u16(b);
                for address in [first, last] {
                    match address {
                        IpAddr::V4(a) => out.put_slice(&a.octets()),
                        IpAddr::V6(a) => out.put_slice(&a.octets()),
                    }
                }
            }
            Self::Label(label) => {
                out.put_slice(&[SECLABEL, 0]);
                out.put_u16(len);
                out.put_slice(label);
            }
            Self::Unknown(kind, octets) => {
                out.put_u8(*kind);
                out.put_slice(octets);
            }
        }
    }
}

type Range = (IpAddr, IpAddr, (u16, u16));

fn take_ports(i: &[u8]) -> Take<'_, (u16, u16)> {
    let (i, first) = codec::be_u16(i, "start port")?;
    let (i, last) = codec::be_u16(i, "end port")?;
    Ok((i, (first, last)))
}

fn take_v4(i: &[u8]) -> Take<'_, Range> {
    let (i, ports) = take_ports(i)?;
    let (i, first) = codec::be_u32(i, "starting address")?;
    let (i, last) = codec::be_u32(i, "ending address")?;
    Ok((i, (Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(last).into(), ports)))
}

fn take_v6(i: &[u8]) -> Take<'_, Range> {
    let (i, ports) = take_ports(i)?;
    let (i, first) = codec::array::<16>(i, "starting address")?;
    let (i, last) = codec::array::<16>(i, "ending address")?;
    Ok((i, (Ipv6Addr::from(first).into(), Ipv6Addr::from(last).into(), ports)))
}

/// The selectors of a payload; a list that was checked when it was taken.
///
/// ```text
/// +---------------+-----------------------------------------------+
/// | number of TSs |                  reserved                     |
/// +---------------+-----------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selectors<'a> {
    count: u8,
    octets: &'a [u8],
}

impl<'a> Selectors<'a> {
    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let start = i;
        let (octets, [count, ..]) = codec::array::<4>(i, "number of TSs")?;
        let mut i = octets;
        for _ in 0..count {
            (i, _) = TsBody::take(i)?;
        }
        if !i.is_empty() {
            return Err(Fail::new(start, "number of TSs", Fault::Length(count.into())));
        }
        Ok((&[], Self { count, octets }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.octets.len().saturating_add(HEADER_LEN)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.count, 0, 0, 0]);
        out.put_slice(self.octets);
    }

    /// Writes the body of a payload with these selectors and this label. At most 254 selectors are written.
    pub fn write(selectors: &[TrafficSelector], label: Option<&[u8]>, out: &mut impl BufMut) {
        let selectors = selectors.get(..254).unwrap_or(selectors);
        let count = selectors.len().saturating_add(label.iter().count());
        out.put_slice(&[u8::try_from(count).unwrap_or(u8::MAX), 0, 0, 0]);
        for ts in selectors {
            TsBody::Range(*ts).emit(out);
        }
        if let Some(label) = label {
            TsBody::Label(label).emit(out);
        }
    }

    /// The selectors of addresses and ports.
    pub fn ranges(self) -> impl Iterator<Item = TrafficSelector> + use<'a> {
        self.filter_map(|ts| match ts {
            TsBody::Range(ts) => Some(ts),
            _ => None,
        })
    }

    /// The first security label.
    #[must_use]
    pub fn label(mut self) -> Option<&'a [u8]> {
        self.find_map(|ts| match ts {
            TsBody::Label(label) => Some(label),
            _ => None,
        })
    }
}

impl<'a> Iterator for Selectors<'a> {
    type Item = TsBody<'a>;

    #[inline]
    fn next(&mut self) -> Option<TsBody<'a>> {
        let (rest, body) = TsBody::take(self.octets).ok()?;
        self.octets = rest;
        Some(body)
    }
}
