//! S-PMSI Join over UDP port 3232 (RFC 6513 §7.4.2.2, RFC 6516 §3.1).

use core::net::{IpAddr, Ipv4Addr};

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::encoded::{AddressFamily, emit_address, take_address};

/// The UDP port.
pub const PORT: u16 = 3232;

/// An S-PMSI Join: a customer's flow moves to a tunnel of its own.
///
/// ```text
/// +----------+------------+--------------+------------------+-----------------+-------------+
/// | Type (1) | Length (2) | Reserved (1) | C-source (4/16)  | C-group (4/16)  | P-group (4) |
/// +----------+------------+--------------+------------------+-----------------+-------------+
/// ```
///
/// Type 1 (length 16) is of an IPv4 flow, type 4 (length 40) of an IPv6 flow on an IPv4 GRE tunnel. The length is that of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SPmsiJoin {
    c_source: IpAddr,
    c_group: IpAddr,
    /// The group of the tunnel.
    pub p_group: Ipv4Addr,
}

impl SPmsiJoin {
    /// A binding. `None` if source and group are of different families.
    #[must_use]
    pub fn new(c_source: IpAddr, c_group: IpAddr, p_group: Ipv4Addr) -> Option<Self> {
        (c_source.is_ipv4() == c_group.is_ipv4()).then_some(Self { c_source, c_group, p_group })
    }

    /// The customer's source.
    #[must_use]
    pub const fn c_source(&self) -> IpAddr {
        self.c_source
    }

    /// The customer's group.
    #[must_use]
    pub const fn c_group(&self) -> IpAddr {
        self.c_group
    }

    /// Takes one; a datagram may hold several.
    ///
    /// # Errors
    /// Truncated input, another type, or a length that is not the type's.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, kind) = codec::be_u8(i, "s-pmsi join type")?;
        let (rest, len) = codec::be_u16(rest, "s-pmsi join length")?;
        let (family, expected) = match kind {
            1 => (AddressFamily::V4, 16),
            4 => (AddressFamily::V6, 40),
            other => return Err(Fail::new(i, "s-pmsi join type", Fault::Value(u32::from(other)))),
        };
        if len != expected {
            return Err(Fail::new(i, "s-pmsi join length", Fault::Length(usize::from(len))));
        }
        let (rest, _reserved) = codec::be_u8(rest, "reserved")?;
        let (rest, c_source) = take_address(rest, family, "c-source")?;
        let (rest, c_group) = take_address(rest, family, "c-group")?;
        let (rest, p_group) = codec::array::<4>(rest, "p-group")?;
        Ok((rest, Self { c_source, c_group, p_group: p_group.into() }))
    }

    /// Parses exactly one.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// 16 or 40.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self.c_source {
            IpAddr::V4(_) => 16,
            IpAddr::V6(_) => 40,
        }
    }

    /// Writes it.
    pub fn emit(&self, out: &mut impl BufMut) {
        let (kind, len) = match self.c_source {
            IpAddr::V4(_) => (1, 16),
            IpAddr::V6(_) => (4, 40),
        };
        out.put_slice(&[kind, 0, len, 0]);
        emit_address(self.c_source, out);
        emit_address(self.c_group, out);
        out.put_slice(&self.p_group.octets());
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SPmsiJoin {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (c_source, c_group) = if u.arbitrary()? {
            (IpAddr::V4(u.arbitrary()?), IpAddr::V4(u.arbitrary()?))
        } else {
            (IpAddr::V6(u.arbitrary()?), IpAddr::V6(u.arbitrary()?))
        };
        Ok(Self { c_source, c_group, p_group: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Shows: L3VPN-8.8-12
    #[test]
    fn types_1_and_4_octet_for_octet() {
        let v4 = [1, 0, 16, 0, 10, 1, 1, 1, 232, 1, 1, 1, 239, 255, 0, 7];
        let mut v6 = Vec::from([4, 0, 40, 0]);
        v6.extend("2001:db8::1".parse::<core::net::Ipv6Addr>().unwrap().octets());
        v6.extend("ff3e::1".parse::<core::net::Ipv6Addr>().unwrap().octets());
        v6.extend([239, 255, 0, 8]);
        for octets in [&v4[..], &v6] {
            let join = SPmsiJoin::parse(octets).unwrap();
            let mut out = Vec::new();
            join.emit(&mut out);
            assert_eq!((&out[..], join.wire_len()), (octets, octets.len()));
            for n in 0..octets.len() {
                assert!(SPmsiJoin::parse(&octets[..n]).is_err());
            }
            let mut wrong = octets.to_vec();
            wrong[2] ^= 1;
            assert_eq!(SPmsiJoin::parse(&wrong).unwrap_err().field, "s-pmsi join length");
            wrong[0] = 2;
            assert_eq!(SPmsiJoin::parse(&wrong).unwrap_err().field, "s-pmsi join type");
        }
    }
}
