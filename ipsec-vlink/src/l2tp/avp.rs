//! Attribute value pairs (RFC 2661 §4, RFC 3931 §5.1).

use bitflags::bitflags;
use fwd_core::codec::{BufMut, Fail, Fault, Malformed, Take, all, be_u16, octets};

bitflags! {
    /// The bits in front of an AVP's length. Bits of no name are reserved: one that is set makes the AVP an unknown one (RFC
    /// 3931 §5.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AvpFlags: u8 {
        /// M: who does not know the attribute cannot go on (RFC 3931 §5.2).
        const MANDATORY = 0x80;
        /// H: the value is hidden (RFC 3931 §5.3).
        const HIDDEN = 0x40;
        /// Reserved.
        const RESERVED = 0x3c;
    }
}

/// The number of an attribute, of vendor 0 where none is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Attribute(pub u16);

#[allow(missing_docs)] // The names are the RFCs'.
impl Attribute {
    pub const MESSAGE_TYPE: Self = Self(0);
    pub const RESULT_CODE: Self = Self(1);
    pub const PROTOCOL_VERSION: Self = Self(2);
    pub const FRAMING_CAPABILITIES: Self = Self(3);
    pub const BEARER_CAPABILITIES: Self = Self(4);
    pub const TIE_BREAKER: Self = Self(5);
    pub const FIRMWARE_REVISION: Self = Self(6);
    pub const HOST_NAME: Self = Self(7);
    pub const VENDOR_NAME: Self = Self(8);
    pub const ASSIGNED_TUNNEL_ID: Self = Self(9);
    pub const RECEIVE_WINDOW_SIZE: Self = Self(10);
    pub const CHALLENGE: Self = Self(11);
    pub const Q931_CAUSE_CODE: Self = Self(12);
    pub const CHALLENGE_RESPONSE: Self = Self(13);
    pub const ASSIGNED_SESSION_ID: Self = Self(14);
    pub const CALL_SERIAL_NUMBER: Self = Self(15);
    pub const MINIMUM_BPS: Self = Self(16);
    pub const MAXIMUM_BPS: Self = Self(17);
    pub const BEARER_TYPE: Self = Self(18);
    pub const FRAMING_TYPE: Self = Self(19);
    pub const CALLED_NUMBER: Self = Self(21);
    pub const CALLING_NUMBER: Self = Self(22);
    pub const SUB_ADDRESS: Self = Self(23);
    pub const TX_CONNECT_SPEED: Self = Self(24);
    pub const PHYSICAL_CHANNEL_ID: Self = Self(25);
    pub const INITIAL_RECEIVED_LCP: Self = Self(26);
    pub const LAST_SENT_LCP: Self = Self(27);
    pub const LAST_RECEIVED_LCP: Self = Self(28);
    pub const PROXY_AUTHEN_TYPE: Self = Self(29);
    pub const PROXY_AUTHEN_NAME: Self = Self(30);
    pub const PROXY_AUTHEN_CHALLENGE: Self = Self(31);
    pub const PROXY_AUTHEN_ID: Self = Self(32);
    pub const PROXY_AUTHEN_RESPONSE: Self = Self(33);
    pub const CALL_ERRORS: Self = Self(34);
    pub const ACCM: Self = Self(35);
    pub const RANDOM_VECTOR: Self = Self(36);
    pub const PRIVATE_GROUP_ID: Self = Self(37);
    pub const RX_CONNECT_SPEED: Self = Self(38);
    pub const SEQUENCING_REQUIRED: Self = Self(39);
    pub const EXTENDED_VENDOR_ID: Self = Self(58);
    pub const MESSAGE_DIGEST: Self = Self(59);
    pub const ROUTER_ID: Self = Self(60);
    pub const ASSIGNED_CONTROL_CONNECTION_ID: Self = Self(61);
    pub const PSEUDOWIRE_CAPABILITIES: Self = Self(62);
    pub const LOCAL_SESSION_ID: Self = Self(63);
    pub const REMOTE_SESSION_ID: Self = Self(64);
    pub const ASSIGNED_COOKIE: Self = Self(65);
    pub const REMOTE_END_ID: Self = Self(66);
    pub const PSEUDOWIRE_TYPE: Self = Self(68);
    pub const L2_SPECIFIC_SUBLAYER: Self = Self(69);
    pub const DATA_SEQUENCING: Self = Self(70);
    pub const CIRCUIT_STATUS: Self = Self(71);
    pub const PREFERRED_LANGUAGE: Self = Self(72);
    pub const AUTHENTICATION_NONCE: Self = Self(73);
    pub const TX_CONNECT_SPEED_64: Self = Self(74);
    pub const RX_CONNECT_SPEED_64: Self = Self(75);
    pub const FAILOVER_CAPABILITY: Self = Self(76);
    pub const TUNNEL_RECOVERY: Self = Self(77);
    pub const SUGGESTED_CONTROL_SEQUENCE: Self = Self(78);
    pub const FAILOVER_SESSION_STATE: Self = Self(79);
    pub const MULTICAST_CAPABILITY: Self = Self(80);
    pub const NEW_OUTGOING_SESSIONS: Self = Self(81);
    pub const NEW_OUTGOING_SESSIONS_ACK: Self = Self(82);
    pub const WITHDRAW_OUTGOING_SESSIONS: Self = Self(83);
    pub const MULTICAST_PRIORITY: Self = Self(84);
    pub const ATTACHMENT_GROUP_IDENTIFIER: Self = Self(89);
    pub const LOCAL_END_ID: Self = Self(90);
    pub const INTERFACE_MTU: Self = Self(91);
    pub const VCCV_CAPABILITY: Self = Self(96);

    /// Whether an AVP of this attribute may be hidden at all (RFC 2661 §4.4, RFC 3931 §5.4).
    #[must_use]
    pub const fn may_be_hidden(self) -> bool {
        !matches!(self.0, 0..=2 | 5..=8 | 10 | 12 | 36 | 39 | 59 | 60 | 72 | 73 | 77)
    }

    /// Whether we set the M bit (the RFCs' MUST or SHOULD).
    #[must_use]
    pub const fn is_mandatory(self) -> bool {
        // The tie breaker: MUST NOT in RFC 2661, and RFC 3931 leaves it open.
        !matches!(self.0, 5 | 6 | 8 | 25..=33 | 37 | 38 | 58 | 72 | 74..=76 | 78 | 80 | 84 | 89..=91 | 96)
    }
}

/// One AVP as it stands in a message.
///
/// ```text
/// +-+-+-------+-------------------+-------------------------------+
/// |M|H| rsvd  | length (10)       |           vendor ID           |
/// +-+-+-------+-------------------+-------------------------------+
/// |        attribute type         | value, length - 6 octets ...
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawAvp<'a> {
    /// M, H and the reserved bits.
    pub flags: AvpFlags,
    /// Whose attribute it is; 0 is the IETF.
    pub vendor: u16,
    /// Which.
    pub attribute: Attribute,
    /// The value, hidden if the flags say so. At most [`RawAvp::MAX_VALUE`] octets.
    pub value: &'a [u8],
}

impl<'a> RawAvp<'a> {
    /// Octets in front of the value.
    pub const HEADER: usize = 6;
    /// The most octets of a value: the length has ten bits and counts the header.
    pub const MAX_VALUE: usize = 0x3ff - Self::HEADER;

    /// An AVP of the IETF's; `None` if the value is too long.
    #[must_use]
    pub fn new(attribute: Attribute, flags: AvpFlags, value: &'a [u8]) -> Option<Self> {
        (value.len() <= Self::MAX_VALUE).then_some(Self { flags, vendor: 0, attribute, value })
    }

    /// Takes one AVP.
    ///
    /// # Errors
    /// The octets end, or the length is below the header's.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, head) = be_u16(i, "AVP length")?;
        let len = usize::from(head & 0x3ff);
        let Some(body_len) = len.checked_sub(2) else {
            return Err(Fail::new(i, "AVP length", Fault::Length(len)));
        };
        let (rest, body) = octets(rest, body_len, "AVP")?;
        let (body, vendor) = be_u16(body, "vendor ID").map_err(|_| Fail::new(i, "AVP length", Fault::Length(len)))?;
        let (value, attribute) =
            be_u16(body, "attribute type").map_err(|_| Fail::new(i, "AVP length", Fault::Length(len)))?;
        let flags = AvpFlags::from_bits_retain((head >> 8) as u8 & 0xfc);
        Ok((rest, Self { flags, vendor, attribute: Attribute(attribute), value }))
    }

    /// One AVP and nothing else.
    ///
    /// # Errors
    /// As [`Self::take`], or octets are left over.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        all(octets, Self::take)
    }

    /// Octets of the AVP.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.value.len().saturating_add(Self::HEADER)
    }

    /// Writes the AVP.
    pub fn emit(&self, out: &mut impl BufMut) {
        let len = self.wire_len() as u16 & 0x3ff;
        out.put_u16(u16::from(self.flags.bits()) << 8 | len);
        out.put_u16(self.vendor);
        out.put_u16(self.attribute.0);
        out.put_slice(self.value);
    }

    /// Whether the M bit is set.
    #[must_use]
    pub const fn is_mandatory(&self) -> bool {
        self.flags.contains(AvpFlags::MANDATORY)
    }

    /// Whether the value is hidden.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        self.flags.contains(AvpFlags::HIDDEN)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for RawAvp<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let flags = AvpFlags::from_bits_retain(u.arbitrary::<u8>()? & 0xfc);
        let (vendor, attribute) = u.arbitrary()?;
        let len = u.int_in_range(0..=Self::MAX_VALUE)?.min(u.len());
        Ok(Self { flags, vendor, attribute, value: u.bytes(len)? })
    }
}

/// The AVPs of a message, read one after the other; ends after the first fault.
#[derive(Clone, Debug)]
pub struct Avps<'a> {
    rest: &'a [u8],
    whole: &'a [u8],
}

impl<'a> Avps<'a> {
    /// The AVPs that `octets` hold.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets, whole: octets }
    }
}

impl<'a> Iterator for Avps<'a> {
    type Item = Result<RawAvp<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match RawAvp::take(self.rest) {
            Ok((rest, avp)) => {
                self.rest = rest;
                Some(Ok(avp))
            }
            Err(nom::Err::Error(fail) | nom::Err::Failure(fail)) => {
                self.rest = &[];
                Some(Err(fail.within(self.whole)))
            }
            Err(nom::Err::Incomplete(_)) => None,
        }
    }
}

impl core::iter::FusedIterator for Avps<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_octets_of_the_figure() {
        let octets = [0x80, 8, 0, 0, 0, 0, 0, 1];
        let avp = RawAvp::parse(&octets).unwrap();
        assert_eq!((avp.attribute, avp.value, avp.is_mandatory()), (Attribute::MESSAGE_TYPE, &[0, 1][..], true));
        let mut out = Vec::new();
        avp.emit(&mut out);
        assert_eq!(out, octets);
    }

    #[test]
    fn lengths_are_bounded() {
        for (octets, fault) in [
            (&[0x80, 5, 0, 0, 0, 0][..], Fault::Length(5)),
            (&[0x80, 1, 0, 0][..], Fault::Length(1)),
            (&[0x80, 9, 0, 0, 0, 0, 0, 1][..], Fault::Truncated),
            (&[0x83][..], Fault::Truncated),
        ] {
            assert_eq!(RawAvp::parse(octets).unwrap_err().fault, fault, "{octets:?}");
        }
        let mut avps = Avps::new(&[0, 6, 0, 0, 0, 39, 0, 3, 0]);
        assert!(avps.next().unwrap().is_ok());
        assert_eq!(avps.next().unwrap().unwrap_err().offset, 6);
        assert!(avps.next().is_none());
        assert!(RawAvp::new(Attribute::CHALLENGE, AvpFlags::empty(), &[0; 1018]).is_none());
    }
}
