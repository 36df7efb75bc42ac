//! ADD-PATH (RFC 7911 §4).

use fwd_core::codec::{self, BufMut, Take};

use super::Entry;
use crate::nlri::{Afi, Family, Safi};

/// Which way something goes (RFC 7911 §4, RFC 5291 §5). Other values survive, and count as neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SendReceive(pub u8);

impl SendReceive {
    /// The sender of the capability receives (RFC 7911 §4).
    pub const RECEIVE: Self = Self(1);
    /// The sender of the capability sends (RFC 7911 §4).
    pub const SEND: Self = Self(2);
    /// Both (RFC 7911 §4).
    pub const BOTH: Self = Self(3);

    /// The value for these two directions; `None` for neither.
    #[must_use]
    pub const fn new(send: bool, receive: bool) -> Option<Self> {
        match (send, receive) {
            (false, false) => None,
            (false, true) => Some(Self::RECEIVE),
            (true, false) => Some(Self::SEND),
            (true, true) => Some(Self::BOTH),
        }
    }

    /// Whether the sender of the capability receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::RECEIVE | Self::BOTH)
    }

    /// Whether the sender of the capability sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SEND | Self::BOTH)
    }
}

/// Several paths per destination in one family.
///
/// ```text
/// +---------+----------+------------------+
/// | AFI (2) | SAFI (1) | Send/Receive (1) |
/// +---------+----------+------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AddPath {
    /// The family.
    pub family: Family,
    /// Which way.
    pub mode: SendReceive,
}

impl Entry for AddPath {
    const LEN: usize = 4;

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, afi) = codec::be_u16(i, "afi")?;
        let (i, safi) = codec::be_u8(i, "safi")?;
        let (i, mode) = codec::be_u8(i, "send/receive")?;
        Ok((i, Self { family: Family::new(Afi(afi), Safi(safi)), mode: SendReceive(mode) }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.family.afi.0);
        out.put_u8(self.family.safi.0);
        out.put_u8(self.mode.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::{Capability, Entries};

    /// Shows: L3VPN-8.1-12
    #[test]
    fn directions_are_the_senders() {
        let octets = [69, 8, 0, 1, 128, 3, 0, 2, 128, 1];
        let Ok(Capability::AddPath(entries)) = Capability::parse(&octets) else { panic!("not ADD-PATH") };
        assert_eq!(
            *entries,
            [
                AddPath { family: Family::VPN_IPV4, mode: SendReceive::BOTH },
                AddPath { family: Family::VPN_IPV6, mode: SendReceive::RECEIVE },
            ]
        );
        assert!(entries[1].mode.receives() && !entries[1].mode.sends());
        let mut out = alloc::vec::Vec::new();
        Capability::AddPath(entries).emit(&mut out);
        assert_eq!(out, octets);
        assert!(!SendReceive(0).sends() && !SendReceive(4).receives(), "other values count as neither");
    }

    #[test]
    fn a_list_is_bounded_by_the_length_octet() {
        let one = AddPath { family: Family::VPN_IPV4, mode: SendReceive::SEND };
        assert!(Entries::new(&[one; 63]).is_some());
        assert_eq!(Entries::new(&[one; 64]), None);
    }
}
