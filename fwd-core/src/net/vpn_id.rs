//! The global VPN identifier (RFC 2685 §4).

use core::fmt;
use core::str::FromStr;

/// A VPN-ID: a 3-octet OUI of the VPN's authority and a 4-octet index that the authority assigns.
///
/// ```text
///  0                   1                   2                   3
/// +---------------+---------------+---------------+
/// |                 VPN OUI (3 octets)            |
/// +---------------+---------------+---------------+---------------+
/// |                 VPN index (4 octets)                          |
/// +---------------------------------------------------------------+
/// ```
///
/// The text form is `oui:index`, both in hexadecimal, as in `00005e:0000002a`.
///
/// ```
/// use fwd_core::net::VpnId;
/// let id: VpnId = "5e:2a".parse()?;
/// assert_eq!(id, VpnId::new(0x5e, 42).unwrap());
/// assert_eq!(id.to_string(), "00005e:0000002a");
/// # Ok::<(), fwd_core::net::VpnIdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct VpnId {
    octets: [u8; 7],
}

/// Why a VPN-ID is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VpnIdError {
    /// The text is not `oui:index`.
    Form,
    /// The OUI is not a hexadecimal number of at most 24 bits.
    Oui,
    /// The index is not a hexadecimal number of at most 32 bits.
    Index,
}

impl VpnId {
    /// Octets on the wire.
    pub const LEN: usize = 7;

    /// A VPN-ID; `None` if the OUI exceeds 24 bits.
    #[must_use]
    pub const fn new(oui: u32, index: u32) -> Option<Self> {
        let [0, o1, o2, o3] = oui.to_be_bytes() else { return None };
        let [i1, i2, i3, i4] = index.to_be_bytes();
        Some(Self { octets: [o1, o2, o3, i1, i2, i3, i4] })
    }

    /// The VPN-ID of these wire octets.
    #[must_use]
    pub const fn from_octets(octets: [u8; Self::LEN]) -> Self {
        Self { octets }
    }

    /// The wire octets.
    #[must_use]
    pub const fn octets(self) -> [u8; Self::LEN] {
        self.octets
    }

    /// The 24-bit OUI.
    #[must_use]
    pub const fn oui(self) -> u32 {
        let [a, b, c, ..] = self.octets;
        u32::from_be_bytes([0, a, b, c])
    }

    /// The 32-bit index.
    #[must_use]
    pub const fn index(self) -> u32 {
        let [_, _, _, a, b, c, d] = self.octets;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl fmt::Display for VpnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}:{:08x}", self.oui(), self.index())
    }
}

impl FromStr for VpnId {
    type Err = VpnIdError;

    fn from_str(s: &str) -> Result<Self, VpnIdError> {
        let (oui, index) = s.split_once(':').ok_or(VpnIdError::Form)?;
        let oui = hex(oui).ok_or(VpnIdError::Oui)?;
        let index = hex(index).ok_or(VpnIdError::Index)?;
        Self::new(oui, index).ok_or(VpnIdError::Oui)
    }
}

fn hex(s: &str) -> Option<u32> {
    if s.is_empty() || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(s, 16).ok()
}

impl fmt::Display for VpnIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a VPN-ID is written oui:index",
            Self::Oui => "VPN OUI: not a hexadecimal number of at most 24 bits",
            Self::Index => "VPN index: not a hexadecimal number of at most 32 bits",
        })
    }
}

impl core::error::Error for VpnIdError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    /// Shows: L3VPN-REF-7
    #[test]
    fn text_form_round_trips() {
        for (oui, index) in [(0, 0), (0x00_005e, 42), (0xff_ffff, u32::MAX)] {
            let id = VpnId::new(oui, index).unwrap();
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!((id.oui(), id.index()), (oui, index));
            assert_eq!(VpnId::from_octets(id.octets()), id);
        }
    }

    #[test]
    fn text_that_is_no_vpn_id_names_the_field() {
        assert_eq!("5e".parse::<VpnId>(), Err(VpnIdError::Form));
        assert_eq!("1000000:1".parse::<VpnId>(), Err(VpnIdError::Oui));
        assert_eq!("+1:1".parse::<VpnId>(), Err(VpnIdError::Oui));
        assert_eq!("5e:100000000".parse::<VpnId>(), Err(VpnIdError::Index));
        assert_eq!(VpnId::new(1 << 24, 0), None);
    }
}
