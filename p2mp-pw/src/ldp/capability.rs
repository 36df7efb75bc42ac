//! Capabilities and other TLVs of session set-up (RFC 5561 §3, RFC 3479 §8.2, RFC 7552 §6.1.1).

use core::time::Duration;

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Take};

use super::octets::Octets;

/// The value of a capability parameter; its TLV type says which capability.
///
/// ```text
/// +---+--------------+---------------------+
/// | S | Reserved (7) | Capability data ... |
/// +---+--------------+---------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// S: advertised; else withdrawn.
    pub advertised: bool,
    /// What the capability's own RFC defines.
    pub data: Octets,
}

impl Capability {
    const ADVERTISED: u8 = 0x80;

    /// An advertised capability without data.
    #[must_use]
    pub const fn advertised() -> Self {
        Self { advertised: true, data: Octets::new_const() }
    }

    /// Takes the value up to its end.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, flags) = codec::be_u8(i, "capability flags")?;
        let (i, data) = codec::octets(i, i.len(), "capability data")?;
        Ok((i, Self { advertised: flags & Self::ADVERTISED != 0, data: Octets::from_slice(data) }))
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.data.len().saturating_add(1)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(if self.advertised { Self::ADVERTISED } else { 0 });
        out.put_slice(&self.data);
    }
}

bitflags! {
    /// Flags of the FT Session TLV. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FtFlags: u16 {
        /// R: the sender kept its state (RFC 3479 §8.2).
        const RECONNECT = 0x8000;
        /// S: save the whole session's state (RFC 3479 §8.2).
        const SAVE_STATE = 0x0008;
        /// A: all labels are protected (RFC 3479 §8.2).
        const ALL_LABEL = 0x0004;
        /// C: checkpointing (RFC 3479 §8.2).
        const CHECKPOINT = 0x0002;
        /// L: learn from the network; set for graceful restart (RFC 3478 §2).
        const LEARN = 0x0001;
        const _ = !0;
    }
}

/// The value of the FT Session TLV: graceful restart.
///
/// ```text
/// +-----------+--------------+---------------------------+------------------------+
/// | Flags (2) | Reserved (2) | Reconnect timeout, ms (4) | Recovery time, ms (4)  |
/// +-----------+--------------+---------------------------+------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultTolerance {
    /// The flags.
    pub flags: FtFlags,
    /// How long the peer should wait for the session to come back; 0: the sender does not keep its forwarding state. In
    /// milliseconds on the wire, at most 2^32 - 1.
    pub reconnect_timeout_ms: u32,
    /// How long the sender keeps its forwarding state; 0: it did not keep it. In milliseconds.
    pub recovery_time_ms: u32,
}

impl FaultTolerance {
    /// Octets of the value.
    pub const LEN: usize = 12;

    /// The reconnect timeout.
    #[must_use]
    pub const fn reconnect_timeout(&self) -> Duration {
        Duration::from_millis(self.reconnect_timeout_ms as u64)
    }

    /// The recovery time.
    #[must_use]
    pub const fn recovery_time(&self) -> Duration {
        Duration::from_millis(self.recovery_time_ms as u64)
    }

    /// Takes the value.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, flags) = codec::be_u16(i, "ft flags")?;
        let (i, _reserved) = codec::be_u16(i, "ft reserved")?;
        let (i, reconnect_timeout_ms) = codec::be_u32(i, "ft reconnect timeout")?;
        let (i, recovery_time_ms) = codec::be_u32(i, "recovery time")?;
        Ok((i, Self { flags: FtFlags::from_bits_retain(flags), reconnect_timeout_ms, recovery_time_ms }))
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.flags.bits());
        out.put_u16(0);
        out.put_u32(self.reconnect_timeout_ms);
        out.put_u32(self.recovery_time_ms);
    }
}

/// Which family a dual-stack neighbour prefers for the session; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransportPreference(u8);

impl TransportPreference {
    /// LDP over IPv4 (RFC 7552 §6.1.1).
    pub const IPV4: Self = Self(4);
    /// LDP over IPv6 (RFC 7552 §6.1.1).
    pub const IPV6: Self = Self(6);
}

/// The value of the Dual-Stack capability TLV of a Hello (RFC 7552 §6.1.1).
///
/// ```text
/// +--------+---------------+----------+
/// | TR (4) | Reserved (12) | MBZ (16) |
/// +--------+---------------+----------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DualStack {
    /// The sender's preference.
    pub preference: TransportPreference,
}

impl DualStack {
    /// Octets of the value.
    pub const LEN: usize = 4;

    /// Takes the value.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, [first, ..]) = codec::array::<4>(i, "dual-stack capability")?;
        Ok((i, Self { preference: TransportPreference(first >> 4) }))
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.preference.0 << 4, 0, 0, 0]);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Capability {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { advertised: u.arbitrary()?, data: super::octets::arbitrary_octets(u, 8)? })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for FaultTolerance {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let flags = FtFlags::from_bits_retain(u.arbitrary()?);
        Ok(Self { flags, reconnect_timeout_ms: u.arbitrary()?, recovery_time_ms: u.arbitrary()? })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for DualStack {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { preference: TransportPreference(u.int_in_range(0..=15)?) })
    }
}
