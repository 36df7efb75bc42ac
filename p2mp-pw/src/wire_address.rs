//! Addresses of a family that is known from elsewhere, so that two of them are of one family by their type.

use core::hash::Hash;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Take};

/// An IPv4 or an IPv6 address.
pub trait WireAddress: Copy + Ord + Hash + core::fmt::Debug + Into<IpAddr> {
    /// Octets.
    const LEN: usize;

    /// Takes an address.
    ///
    /// # Errors
    /// Truncated input.
    fn take<'a>(i: &'a [u8], field: &'static str) -> Take<'a, Self>;

    /// Writes the address.
    fn emit(self, out: &mut impl BufMut);
}

impl WireAddress for Ipv4Addr {
    const LEN: usize = 4;

    fn take<'a>(i: &'a [u8], field: &'static str) -> Take<'a, Self> {
        codec::array::<4>(i, field).map(|(i, octets)| (i, octets.into()))
    }

    fn emit(self, out: &mut impl BufMut) {
        out.put_slice(&self.octets());
    }
}

impl WireAddress for Ipv6Addr {
    const LEN: usize = 16;

    fn take<'a>(i: &'a [u8], field: &'static str) -> Take<'a, Self> {
        codec::array::<16>(i, field).map(|(i, octets)| (i, octets.into()))
    }

    fn emit(self, out: &mut impl BufMut) {
        out.put_slice(&self.octets());
    }
}
