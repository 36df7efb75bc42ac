//! Pseudowire status (RFC 8077 §6.3.2, RFC 4446 §3.5, RFC 6870 §11).

use bitflags::bitflags;

bitflags! {
    /// The value of the PW Status TLV. No bit: forwarding, all is well. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct PwStatus: u32 {
        /// The pseudowire does not forward; alone, where no other bit applies (RFC 4446 §3.5).
        const NOT_FORWARDING = 0x01;
        /// Receive fault of the local attachment circuit, towards the pseudowire (RFC 4446 §3.5).
        const AC_RECEIVE_FAULT = 0x02;
        /// Transmit fault of the local attachment circuit, from the pseudowire (RFC 4446 §3.5).
        const AC_TRANSMIT_FAULT = 0x04;
        /// Receive fault of the local end, from the packet network (RFC 4446 §3.5).
        const PSN_RECEIVE_FAULT = 0x08;
        /// Transmit fault of the local end, to the packet network (RFC 4446 §3.5).
        const PSN_TRANSMIT_FAULT = 0x10;
        /// Preferential forwarding: standby (RFC 6870 §5).
        const STANDBY = 0x20;
        /// The sender asks to switch to this pseudowire (RFC 6870 §6.3).
        const REQUEST_SWITCHOVER = 0x40;
        const _ = !0;
    }
}

impl PwStatus {
    /// The bits that say a fault.
    pub const FAULTS: Self = Self::NOT_FORWARDING
        .union(Self::AC_RECEIVE_FAULT)
        .union(Self::AC_TRANSMIT_FAULT)
        .union(Self::PSN_RECEIVE_FAULT)
        .union(Self::PSN_TRANSMIT_FAULT);

    /// Whether no fault is reported.
    #[must_use]
    pub const fn is_up(self) -> bool {
        !self.intersects(Self::FAULTS)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PwStatus {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        u.arbitrary().map(Self::from_bits_retain)
    }
}
