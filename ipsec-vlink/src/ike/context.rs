//! The VPN context record: which application and which VPN an SA or a session is for.
//!
//! No RFC has such a record for IKE (catalogue L2VPN-5.6-14, ruling G-27). The same octets go into IKEv2's private notify, IKEv1's
//! private payload, a security label of RFC 9478, and L2TP's Remote End ID.

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};
use fwd_core::net::VpnId;
use smallvec::SmallVec;

/// What an SA serves in the node (draft-duffy §3: the application of a tunnel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ApplicationId(pub u8);

impl ApplicationId {
    /// A virtual link between routers.
    pub const VIRTUAL_LINK: Self = Self(1);
    /// A security gateway's policy.
    pub const SECURITY_GATEWAY: Self = Self(2);
    /// Remote access.
    pub const REMOTE_ACCESS: Self = Self(3);
}

/// The name of a VPN, in the types of RFC 6607 §3.5.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum VpnName {
    /// Type 0: an ASCII name, of at most 255 octets.
    Ascii(AsciiName),
    /// Type 1: a VPN-ID of RFC 2685.
    VpnId(VpnId),
    /// Type 255: the global, default VPN.
    Global,
}

/// A name of 1 to 255 octets of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsciiName(SmallVec<[u8; 16]>);

impl AsciiName {
    /// A name; `None` if it is empty, too long or not printable ASCII.
    #[must_use]
    pub fn new(name: &[u8]) -> Option<Self> {
        let fits = (1..=255).contains(&name.len()) && name.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
        fits.then(|| Self(SmallVec::from_slice(name)))
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// The record.
///
/// ```text
///  0                   1                   2                   3
/// +---------------------------------------------------------------+
/// |            magic: "VLNK"                                      |
/// +---------------+---------------+---------------+---------------+
/// |  version = 1  |  application  |   VSS type    | value length  |
/// +---------------+---------------+---------------+---------------+
/// |  VSS value (0, 7, or 1 to 255 octets)                         ~
/// +---------------------------------------------------------------+
/// |  link index                                                   |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct VpnContext {
    /// The application.
    pub application: ApplicationId,
    /// The VPN.
    pub vpn: VpnName,
    /// Tells links of one VPN between the same two systems apart; 0 where there is one.
    pub link: u32,
}

impl VpnContext {
    const MAGIC: u32 = u32::from_be_bytes(*b"VLNK");
    const VERSION: u8 = 1;

    /// The context of a virtual link in this VPN.
    #[must_use]
    pub const fn link(vpn: VpnId, link: u32) -> Self {
        Self { application: ApplicationId::VIRTUAL_LINK, vpn: VpnName::VpnId(vpn), link }
    }

    /// Takes a record.
    ///
    /// # Errors
    /// Not a record of this version.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let start = i;
        let (i, magic) = codec::be_u32(i, "context magic")?;
        if magic != Self::MAGIC {
            return Err(Fail::new(start, "context magic", Fault::Value(magic)));
        }
        let start = i;
        let (i, version) = codec::be_u8(i, "context version")?;
        if version != Self::VERSION {
            return Err(Fail::new(start, "context version", Fault::Value(version.into())));
        }
        let (i, application) = codec::be_u8(i, "application")?;
        let kind_at = i;
        let (i, kind) = codec::be_u8(i, "VSS type")?;
        let len_at = i;
        let (i, len) = codec::be_u8(i, "VSS length")?;
        let (i, value) = codec::octets(i, len.into(), "VSS value")?;
        let length = || Fail::new(len_at, "VSS length", Fault::Length(len.into()));
        let vpn = match kind {
            0 => VpnName::Ascii(AsciiName::new(value).ok_or_else(|| Fail::new(kind_at, "VSS value", Fault::Value(0)))?),
            1 => VpnName::VpnId(VpnId::from_octets(value.try_into().map_err(|_| length())?)),
            255 if value.is_empty() => VpnName::Global,
            255 => return Err(length()),
            other => return Err(Fail::new(kind_at, "VSS type", Fault::Value(other.into()))),
        };
        let (i, link) = codec::be_u32(i, "link index")?;
        Ok((i, Self { application: ApplicationId(application), vpn, link }))
    }

    /// Parses a record.
    ///
    /// # Errors
    /// Not a record of this version, or octets behind it.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    fn vss(&self) -> (u8, SmallVec<[u8; 16]>) {
        match &self.vpn {
            VpnName::Ascii(name) => (0, name.0.clone()),
            VpnName::VpnId(id) => (1, SmallVec::from_slice(&id.octets())),
            VpnName::Global => (255, SmallVec::new()),
        }
    }

    /// Octets on the wire.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let (_, value) = self.vss();
        value.len().saturating_add(12)
    }

    /// Writes the record.
    pub fn emit(&self, out: &mut impl BufMut) {
        let (kind, value) = self.vss();
        out.put_u32(Self::MAGIC);
        out.put_u8(Self::VERSION);
        out.put_u8(self.application.0);
        out.put_u8(kind);
        // At most 255, by construction.
        out.put_u8(value.len() as u8);
        out.put_slice(&value);
        out.put_u32(self.link);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for AsciiName {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u.int_in_range(1..=20)?;
        (0..len).map(|_| u.int_in_range(b' '..=b'~')).collect::<arbitrary::Result<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Shows: L2VPN-5.6-14
    #[test]
    fn a_record_octet_for_octet() {
        let context = VpnContext::link(VpnId::new(0x5e, 42).unwrap(), 7);
        let mut out = Vec::new();
        context.emit(&mut out);
        assert_eq!(out, *b"VLNK\x01\x01\x01\x07\x00\x00\x5e\x00\x00\x00\x2a\x00\x00\x00\x07");
        assert_eq!((VpnContext::parse(&out), context.wire_len()), (Ok(context), out.len()));
        let name = VpnName::Ascii(AsciiName::new(b"red").unwrap());
        for (vpn, vss) in [(name, &b"\x00\x03red"[..]), (VpnName::Global, b"\xff\x00")] {
            let context = VpnContext { application: ApplicationId::REMOTE_ACCESS, vpn, link: 1 };
            let octets = [b"VLNK\x01\x03", vss, b"\0\0\0\x01"].concat();
            let mut out = Vec::new();
            context.emit(&mut out);
            assert_eq!((&out, VpnContext::parse(&octets)), (&octets, Ok(context)));
        }
    }

    #[test]
    fn what_is_no_record_is_refused_at_its_place() {
        let fault = |octets: &[u8]| VpnContext::parse(octets).map_err(|m| (m.offset, m.fault)).unwrap_err();
        assert_eq!(fault(b"VLNX\x01\x01\xff\x00\0\0\0\0").0, 0);
        assert_eq!(fault(b"VLNK\x02\x01\xff\x00\0\0\0\0"), (4, Fault::Value(2)));
        assert_eq!(fault(b"VLNK\x01\x01\x02\x00\0\0\0\0"), (6, Fault::Value(2)));
        assert_eq!(fault(b"VLNK\x01\x01\x01\x06abcdef\0\0\0\0"), (7, Fault::Length(6)));
        assert_eq!(fault(b"VLNK\x01\x01\xff\x01a\0\0\0\0"), (7, Fault::Length(1)));
        assert_eq!(fault(b"VLNK\x01\x01\x00\x01\x07\0\0\0\0"), (6, Fault::Value(0)));
        assert_eq!(fault(b"VLNK\x01\x01\xff\x00\0\0\0"), (8, Fault::Truncated));
    }
}
