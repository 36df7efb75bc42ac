//! Notify payloads (RFC 7296 §3.10; in IKEv1 RFC 2408 §3.14 with a DOI in front).

use fwd_core::codec::{self, BufMut, Take};

/// The protocol of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ProtocolId(pub u8);

impl ProtocolId {
    /// None: a notify that concerns no SA.
    pub const NONE: Self = Self(0);
    /// IKE.
    pub const IKE: Self = Self(1);
    /// AH.
    pub const AH: Self = Self(2);
    /// ESP.
    pub const ESP: Self = Self(3);

    /// The other number of AH and ESP: IKEv1 has AH 2 and ESP 3 too, but ISAKMP 1, as IKE.
    #[must_use]
    pub const fn is_ipsec(self) -> bool {
        matches!(self, Self::AH | Self::ESP)
    }
}

/// What is notified. Types below 16384 are errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct NotifyType(pub u16);

impl NotifyType {
    /// A payload with the critical bit is unknown (RFC 7296 §2.5).
    pub const UNSUPPORTED_CRITICAL_PAYLOAD: Self = Self(1);
    /// The SPI of an IKE message is unknown (RFC 7296 §2.21).
    pub const INVALID_IKE_SPI: Self = Self(4);
    /// The major version is too high (RFC 7296 §2.5).
    pub const INVALID_MAJOR_VERSION: Self = Self(5);
    /// The message is malformed (RFC 7296 §2.21).
    pub const INVALID_SYNTAX: Self = Self(7);
    /// The message ID is outside the window (RFC 7296 §2.3).
    pub const INVALID_MESSAGE_ID: Self = Self(9);
    /// An ESP packet had an unknown SPI (RFC 7296 §1.5).
    pub const INVALID_SPI: Self = Self(11);
    /// No proposal is acceptable (RFC 7296 §2.7). IKEv1 too (RFC 2408 §3.14.1).
    pub const NO_PROPOSAL_CHOSEN: Self = Self(14);
    /// The group of the KE payload is not the one chosen (RFC 7296 §1.3).
    pub const INVALID_KE_PAYLOAD: Self = Self(17);
    /// Authentication failed (RFC 7296 §2.21.2). IKEv1 too (RFC 2408 §3.14.1).
    pub const AUTHENTICATION_FAILED: Self = Self(24);
    /// Only single pairs of addresses are accepted (RFC 7296 §2.9).
    pub const SINGLE_PAIR_REQUIRED: Self = Self(34);
    /// No more Child SAs on this IKE SA (RFC 7296 §1.3).
    pub const NO_ADDITIONAL_SAS: Self = Self(35);
    /// An inner address cannot be assigned (RFC 7296 §3.15.4).
    pub const INTERNAL_ADDRESS_FAILURE: Self = Self(36);
    /// A configuration payload was required (RFC 7296 §2.19).
    pub const FAILED_CP_REQUIRED: Self = Self(37);
    /// No traffic selectors are acceptable (RFC 7296 §2.9).
    pub const TS_UNACCEPTABLE: Self = Self(38);
    /// A packet was outside its SA's selectors (RFC 7296 §3.10.1).
    pub const INVALID_SELECTORS: Self = Self(39);
    /// The addresses are not taken (RFC 4555 §4.1.1).
    pub const UNACCEPTABLE_ADDRESSES: Self = Self(40);
    /// Not now: a rekeying or deletion is on its way (RFC 7296 §2.25).
    pub const TEMPORARY_FAILURE: Self = Self(43);
    /// The Child SA is not there (RFC 7296 §2.25).
    pub const CHILD_SA_NOT_FOUND: Self = Self(44);
    /// The only IKE SA between these identities (RFC 7296 §2.4).
    pub const INITIAL_CONTACT: Self = Self(16384);
    /// How many requests may be on their way (RFC 7296 §2.3).
    pub const SET_WINDOW_SIZE: Self = Self(16385);
    /// More selectors would have been acceptable in an SA of their own (RFC 7296 §2.9).
    pub const ADDITIONAL_TS_POSSIBLE: Self = Self(16386);
    /// IP compression (RFC 7296 §2.22).
    pub const IPCOMP_SUPPORTED: Self = Self(16387);
    /// Hash of the source address (RFC 7296 §2.23).
    pub const NAT_DETECTION_SOURCE_IP: Self = Self(16388);
    /// Hash of the destination address (RFC 7296 §2.23).
    pub const NAT_DETECTION_DESTINATION_IP: Self = Self(16389);
    /// A cookie against floods (RFC 7296 §2.6).
    pub const COOKIE: Self = Self(16390);
    /// Transport mode, please (RFC 7296 §1.3.1).
    pub const USE_TRANSPORT_MODE: Self = Self(16391);
    /// HTTP certificate look-up (RFC 7296 §3.6).
    pub const HTTP_CERT_LOOKUP_SUPPORTED: Self = Self(16392);
    /// The SA that is replaced (RFC 7296 §1.3.3).
    pub const REKEY_SA: Self = Self(16393);
    /// No padding for traffic flow confidentiality (RFC 7296 §1.3.1).
    pub const ESP_TFC_PADDING_NOT_SUPPORTED: Self = Self(16394);
    /// Fragments other than the first go too (RFC 7296 §1.3.1).
    pub const NON_FIRST_FRAGMENTS_ALSO: Self = Self(16395);
    /// MOBIKE (RFC 4555 §4.2.1).
    pub const MOBIKE_SUPPORTED: Self = Self(16396);
    /// Addresses have changed (RFC 4555 §4.2.4).
    pub const UPDATE_SA_ADDRESSES: Self = Self(16400);
    /// When the peer should authenticate anew, in seconds (RFC 4478 §3).
    pub const AUTH_LIFETIME: Self = Self(16403);
    /// Proof that the peer is at an address; it goes back as it came (RFC 4555 §4.2.5).
    pub const COOKIE2: Self = Self(16401);
    /// A ticket, and for how many seconds it is good (RFC 5723 §7.1).
    pub const TICKET_LT_OPAQUE: Self = Self(16409);
    /// A ticket, please (RFC 5723 §4.1).
    pub const TICKET_REQUEST: Self = Self(16410);
    /// There is a ticket, to be asked for later (RFC 5723 §4.1).
    pub const TICKET_ACK: Self = Self(16411);
    /// There is no ticket, or the one shown is not taken (RFC 5723 §4.1, §4.3.2).
    pub const TICKET_NACK: Self = Self(16412);
    /// The ticket that is shown (RFC 5723 §7.2).
    pub const TICKET_OPAQUE: Self = Self(16413);
    /// IKE fragments are understood (RFC 7383 §2.3).
    pub const IKEV2_FRAGMENTATION_SUPPORTED: Self = Self(16430);
    /// Hashes for digital signatures (RFC 7427 §4).
    pub const SIGNATURE_HASH_ALGORITHMS: Self = Self(16431);
    /// Cloning of IKE SAs is understood (RFC 7791 §5.1).
    pub const CLONE_IKE_SA_SUPPORTED: Self = Self(16432);
    /// The IKE SA is cloned, not rekeyed (RFC 7791 §5.2).
    pub const CLONE_IKE_SA: Self = Self(16433);
    /// Parallel SAs of one resource (RFC 9611 §5.1).
    pub const SA_RESOURCE_INFO: Self = Self(16444);
    /// The VPN context of ours, in the private range, to peers that sent our Vendor ID alone (catalogue L2VPN-5.6-14).
    pub const VPN_CONTEXT: Self = Self(40969);

    /// IKEv1: the phase 1 negotiation is complete (RFC 2408 §3.14.1).
    pub const CONNECTED_V1: Self = Self(16384);
    /// IKEv1: the identification is not one of ours (RFC 2408 §3.14.1).
    pub const INVALID_ID_INFORMATION_V1: Self = Self(18);
    /// IKEv1: the payload is malformed (RFC 2408 §3.14.1).
    pub const PAYLOAD_MALFORMED_V1: Self = Self(16);
    /// IKEv1: the hash is wrong (RFC 2408 §3.14.1).
    pub const INVALID_HASH_INFORMATION_V1: Self = Self(23);
    /// IKEv1: the exchange is not one of ours (RFC 2408 §3.14.1).
    pub const UNSUPPORTED_EXCHANGE_TYPE_V1: Self = Self(29);
    /// IKEv1: a lifetime shorter than the one asked for (RFC 2407 §4.6.3.1).
    pub const RESPONDER_LIFETIME_V1: Self = Self(24576);
    /// IKEv1: whether replays are looked for (RFC 2407 §4.6.3.2).
    pub const REPLAY_STATUS_V1: Self = Self(24577);
    /// IKEv1: the only SA between these systems (RFC 2407 §4.6.3.3).
    pub const INITIAL_CONTACT_V1: Self = Self(24578);
    /// IKEv1: are you there (RFC 3706 §5.3).
    pub const R_U_THERE_V1: Self = Self(36136);
    /// IKEv1: yes (RFC 3706 §5.3).
    pub const R_U_THERE_ACK_V1: Self = Self(36137);

    /// Whether it is an error (RFC 7296 §3.10.1).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < 16384
    }
}

/// A notification.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |  protocol ID  |   SPI size    |      notify message type      |
/// +---------------+---------------+-------------------------------+
/// |  SPI, data                                                    ~
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify<'a> {
    /// The protocol of the SA it concerns.
    pub protocol: ProtocolId,
    /// The SPI of that SA; at most 255 octets.
    pub spi: &'a [u8],
    /// What is notified.
    pub kind: NotifyType,
    /// More about it.
    pub data: &'a [u8],
}

impl<'a> Notify<'a> {
    /// A notification that concerns no SA of ESP or AH.
    #[must_use]
    pub const fn new(kind: NotifyType, data: &'a [u8]) -> Self {
        Self { protocol: ProtocolId::NONE, spi: &[], kind, data }
    }

    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, [protocol, spi_len]) = codec::array::<2>(i, "protocol ID")?;
        let (i, kind) = codec::be_u16(i, "notify type")?;
        let (data, spi) = codec::octets(i, spi_len.into(), "SPI")?;
        Ok((&[], Self { protocol: ProtocolId(protocol), spi, kind: NotifyType(kind), data }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.spi.len().saturating_add(self.data.len()).saturating_add(4)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.protocol.0, u8::try_from(self.spi.len()).unwrap_or(u8::MAX)]);
        out.put_u16(self.kind.0);
        out.put_slice(self.spi);
        out.put_slice(self.data);
    }
}
