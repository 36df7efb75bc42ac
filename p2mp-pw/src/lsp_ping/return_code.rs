//! Return codes (RFC 8029 §3.1).

/// What became of an echo request; unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ReturnCode(pub u8);

impl ReturnCode {
    /// None: of a request.
    pub const NONE: Self = Self(0);
    /// Malformed echo request.
    pub const MALFORMED: Self = Self(1);
    /// A TLV was not understood.
    pub const TLV_NOT_UNDERSTOOD: Self = Self(2);
    /// The replying router is an egress for the FEC.
    pub const EGRESS: Self = Self(3);
    /// The replying router has no mapping for the FEC.
    pub const NO_MAPPING: Self = Self(4);
    /// The downstream mapping is not what the router sees.
    pub const DOWNSTREAM_MAPPING_MISMATCH: Self = Self(5);
    /// The upstream interface is unknown.
    pub const UPSTREAM_INTERFACE_UNKNOWN: Self = Self(6);
    /// Label switched.
    pub const LABEL_SWITCHED: Self = Self(8);
    /// Label switched, but the next interface has no MPLS.
    pub const NO_MPLS_FORWARDING: Self = Self(9);
    /// The FEC is mapped to another label.
    pub const NOT_THE_GIVEN_LABEL: Self = Self(10);
    /// There is no entry for the label.
    pub const NO_LABEL_ENTRY: Self = Self(11);
    /// No protocol of the interface would have advertised the FEC.
    pub const PROTOCOL_NOT_ASSOCIATED: Self = Self(12);
    /// The label stack shrank to a single label too early.
    pub const PREMATURE_TERMINATION: Self = Self(13);
    /// Each Downstream Detailed Mapping has its own code.
    pub const SEE_DDMAP: Self = Self(14);
    /// Label switched, and the FEC changes.
    pub const LABEL_SWITCHED_WITH_FEC_CHANGE: Self = Self(15);
}
