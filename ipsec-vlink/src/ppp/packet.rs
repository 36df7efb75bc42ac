//! Packets of LCP and of the network control protocols (RFC 1661 §5), and the options in them (§6).

use fwd_core::codec::{BufMut, Fail, Fault, Malformed, Take, all, be_u8, be_u16, octets};

/// What a packet is (RFC 1661 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Code(pub u8);

impl Code {
    /// Configure-Request.
    pub const CONFIGURE_REQUEST: Self = Self(1);
    /// Configure-Ack.
    pub const CONFIGURE_ACK: Self = Self(2);
    /// Configure-Nak.
    pub const CONFIGURE_NAK: Self = Self(3);
    /// Configure-Reject.
    pub const CONFIGURE_REJECT: Self = Self(4);
    /// Terminate-Request.
    pub const TERMINATE_REQUEST: Self = Self(5);
    /// Terminate-Ack.
    pub const TERMINATE_ACK: Self = Self(6);
    /// Code-Reject.
    pub const CODE_REJECT: Self = Self(7);
    /// Protocol-Reject; of LCP alone, as what follows.
    pub const PROTOCOL_REJECT: Self = Self(8);
    /// Echo-Request.
    pub const ECHO_REQUEST: Self = Self(9);
    /// Echo-Reply.
    pub const ECHO_REPLY: Self = Self(10);
    /// Discard-Request.
    pub const DISCARD_REQUEST: Self = Self(11);
}

/// A packet.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |     code      |  identifier   |            length             |
/// +---------------+---------------+-------------------------------+
/// |  data ...
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What it is.
    pub code: Code,
    /// Tells answers apart.
    pub id: u8,
    /// What it says; at most [`Packet::MAX_DATA`] octets.
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Octets in front of the data.
    pub const HEADER: usize = 4;
    /// The most octets of data.
    pub const MAX_DATA: usize = 0xffff - Self::HEADER;

    /// Takes a packet. What follows it is padding (RFC 1661 §5).
    ///
    /// # Errors
    /// It is shorter than it says.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, code) = be_u8(i, "code")?;
        let (rest, id) = be_u8(rest, "identifier")?;
        let (after, len) = be_u16(rest, "length")?;
        let Some(len) = usize::from(len).checked_sub(Self::HEADER) else {
            return Err(Fail::new(rest, "length", Fault::Length(len.into())));
        };
        let (after, data) = octets(after, len, "data")?;
        Ok((after, Self { code: Code(code), id, data }))
    }

    /// Parses a packet, which nothing follows.
    ///
    /// # Errors
    /// As [`Self::take`], or octets follow.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        all(octets, Self::take)
    }

    /// Octets on the wire.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.data().len().saturating_add(Self::HEADER)
    }

    fn data(&self) -> &'a [u8] {
        self.data.get(..Self::MAX_DATA).unwrap_or(self.data)
    }

    /// Writes it.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.code.0);
        out.put_u8(self.id);
        out.put_u16(self.wire_len() as u16);
        out.put_slice(self.data());
    }

    /// Its options.
    #[must_use]
    pub const fn options(&self) -> Options<'a> {
        Options { rest: self.data }
    }
}

/// The type of an option, whose meaning its protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct OptionKind(pub u8);

impl OptionKind {
    /// LCP: maximum receive unit, two octets (RFC 1661 §6.1).
    pub const MRU: Self = Self(1);
    /// LCP: the control characters to be escaped, four octets (RFC 1662 §7.1): none are, in L2TP.
    pub const ACCM: Self = Self(2);
    /// LCP: the authentication protocol (RFC 1661 §6.2).
    pub const AUTHENTICATION: Self = Self(3);
    /// LCP: the magic number, four octets (RFC 1661 §6.4).
    pub const MAGIC: Self = Self(5);
    /// LCP: protocol field compression (RFC 1661 §6.5).
    pub const PROTOCOL_COMPRESSION: Self = Self(7);
    /// LCP: address and control field compression (RFC 1661 §6.6).
    pub const ADDRESS_COMPRESSION: Self = Self(8);
    /// IPCP: the address, four octets (RFC 1332 §3.3).
    pub const IP_ADDRESS: Self = Self(3);
    /// IPv6CP: the interface identifier, eight octets (RFC 5072 §4.1).
    pub const INTERFACE_ID: Self = Self(1);
}

/// An option (RFC 1661 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketOption<'a> {
    /// Its type.
    pub kind: OptionKind,
    /// What it says; at most 253 octets.
    pub data: &'a [u8],
}

impl<'a> PacketOption<'a> {
    /// The most octets of data.
    pub const MAX_DATA: usize = 253;

    /// Takes an option.
    ///
    /// # Errors
    /// It is shorter than it says, or says less than its header.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, kind) = be_u8(i, "option type")?;
        let (after, len) = be_u8(rest, "option length")?;
        let Some(len) = usize::from(len).checked_sub(2) else {
            return Err(Fail::new(rest, "option length", Fault::Length(len.into())));
        };
        let (after, data) = octets(after, len, "option data")?;
        Ok((after, Self { kind: OptionKind(kind), data }))
    }

    /// Octets on the wire.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.data().len().saturating_add(2)
    }

    fn data(&self) -> &'a [u8] {
        self.data.get(..Self::MAX_DATA).unwrap_or(self.data)
    }

    /// Writes it.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.kind.0);
        out.put_u8(self.wire_len() as u8);
        out.put_slice(self.data());
    }
}

/// The options of a packet, one after the other; fused after the first error.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<PacketOption<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let i = core::mem::take(&mut self.rest);
        match PacketOption::take(i) {
            Ok((rest, option)) => {
                self.rest = rest;
                Some(Ok(option))
            }
            Err(nom::Err::Error(fail) | nom::Err::Failure(fail)) => Some(Err(fail.within(i))),
            Err(nom::Err::Incomplete(_)) => None,
        }
    }
}
