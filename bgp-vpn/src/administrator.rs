//! The administrator and number that route distinguishers and extended communities share.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

/// Six octets: who assigned a number, and the number (RFC 4364 §4.2, RFC 4360 §3, RFC 5668 §2).
///
/// The text forms are `65001:7`, `192.0.2.1:7` and `4200000000:7`; an AS number above 65535 makes the 4-octet form, and so does
/// a trailing `L` (`65001L:7`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Administrator {
    /// 2-octet AS number, 4-octet number: type 0.
    TwoOctetAs(u16, u32),
    /// IPv4 address, 2-octet number: type 1.
    Ipv4(Ipv4Addr, u16),
    /// 4-octet AS number, 2-octet number: type 2.
    FourOctetAs(u32, u16),
}

impl Administrator {
    /// The type: of a route distinguisher, or the high octet of an extended community.
    pub(crate) const fn kind(self) -> u8 {
        match self {
            Self::TwoOctetAs(..) => 0,
            Self::Ipv4(..) => 1,
            Self::FourOctetAs(..) => 2,
        }
    }

    /// The octets.
    pub(crate) const fn octets(self) -> [u8; 6] {
        let ([a, b, c, d], [e, g]) = match self {
            Self::TwoOctetAs(asn, number) => {
                let ([a, b], [c, d, e, g]) = (asn.to_be_bytes(), number.to_be_bytes());
                ([a, b, c, d], [e, g])
            }
            Self::Ipv4(addr, number) => (addr.octets(), number.to_be_bytes()),
            Self::FourOctetAs(asn, number) => (asn.to_be_bytes(), number.to_be_bytes()),
        };
        [a, b, c, d, e, g]
    }

    /// What the octets mean in a route distinguisher or community of type `kind`; `None` for types beyond 2.
    pub(crate) const fn from_octets(kind: u16, [a, b, c, d, e, g]: [u8; 6]) -> Option<Self> {
        match kind {
            0 => Some(Self::TwoOctetAs(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g]))),
            1 => Some(Self::Ipv4(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([e, g]))),
            2 => Some(Self::FourOctetAs(u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, g]))),
            _ => None,
        }
    }
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TwoOctetAs(asn, number) => write!(f, "{asn}:{number}"),
            Self::Ipv4(addr, number) => write!(f, "{addr}:{number}"),
            Self::FourOctetAs(asn, number) => {
                let mark = if asn <= u32::from(u16::MAX) { "L" } else { "" };
                write!(f, "{asn}{mark}:{number}")
            }
        }
    }
}

/// Text that is no administrator and number.
pub(crate) struct AdministratorError;

impl FromStr for Administrator {
    type Err = AdministratorError;

    fn from_str(s: &str) -> Result<Self, AdministratorError> {
        fn number<T: FromStr>(s: &str) -> Result<T, AdministratorError> {
            s.parse().map_err(|_| AdministratorError)
        }
        let (admin, assigned) = s.rsplit_once(':').ok_or(AdministratorError)?;
        if let Ok(addr) = admin.parse() {
            return Ok(Self::Ipv4(addr, number(assigned)?));
        }
        let (admin, long) = admin.strip_suffix('L').map_or((admin, false), |a| (a, true));
        let asn = number(admin)?;
        match (u16::try_from(asn), long) {
            (Ok(asn), false) => Ok(Self::TwoOctetAs(asn, number(assigned)?)),
            _ => Ok(Self::FourOctetAs(asn, number(assigned)?)),
        }
    }
}
