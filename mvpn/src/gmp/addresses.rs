//! A list of addresses, as queries and group records carry their sources.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use crate::address::Address;

/// Addresses in network order, unread: the octets are a whole number of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addresses<'a, A> {
    octets: &'a [u8],
    family: PhantomData<fn() -> A>,
}

impl<'a, A: Address> Addresses<'a, A> {
    /// No address.
    pub const NONE: Self = Self { octets: &[], family: PhantomData };

    /// Takes `n` addresses.
    ///
    /// # Errors
    /// [`Fault::Truncated`] where there are fewer.
    #[inline]
    pub fn take(i: &'a [u8], n: u16, field: &'static str) -> Take<'a, Self> {
        let Some(len) = usize::from(n).checked_mul(A::LEN) else {
            return Err(Fail::new(i, field, Fault::Length(usize::from(n))));
        };
        let (rest, octets) = codec::octets(i, len, field)?;
        Ok((rest, Self { octets, family: PhantomData }))
    }

    /// A whole number of addresses.
    #[inline]
    pub(super) const fn of(octets: &'a [u8]) -> Self {
        Self { octets, family: PhantomData }
    }

    /// The octets.
    #[inline]
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// How many addresses there are. A list on the wire has at most 65,535; of a longer one the surplus is cut off.
    #[inline]
    #[must_use]
    pub fn count(&self) -> u16 {
        u16::try_from(self.octets.len().checked_div(A::LEN).unwrap_or(0)).unwrap_or(u16::MAX)
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The addresses in wire order.
    #[inline]
    #[must_use]
    pub const fn iter(&self) -> AddressesIter<'a, A> {
        AddressesIter { octets: self.octets, family: PhantomData }
    }
}

impl<'a, A: Address> IntoIterator for Addresses<'a, A> {
    type Item = A;
    type IntoIter = AddressesIter<'a, A>;

    #[inline]
    fn into_iter(self) -> AddressesIter<'a, A> {
        self.iter()
    }
}

impl<A: Address> fmt::Debug for Addresses<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, A: Address> arbitrary::Arbitrary<'a> for Addresses<'a, A> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let n = u.int_in_range(0..=20_usize)?;
        Ok(Self { octets: u.bytes(n.saturating_mul(A::LEN))?, family: PhantomData })
    }
}

/// The addresses of an [`Addresses`].
#[derive(Clone, Debug)]
pub struct AddressesIter<'a, A> {
    octets: &'a [u8],
    family: PhantomData<fn() -> A>,
}

impl<A: Address> Iterator for AddressesIter<'_, A> {
    type Item = A;

    #[inline]
    fn next(&mut self) -> Option<A> {
        let (address, rest) = A::split(self.octets)?;
        self.octets = rest;
        Some(address)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.octets.len().checked_div(A::LEN).unwrap_or(0);
        (n, Some(n))
    }
}

impl<A: Address> ExactSizeIterator for AddressesIter<'_, A> {}
impl<A: Address> core::iter::FusedIterator for AddressesIter<'_, A> {}

/// A list of addresses to be built. Those beyond 65,535 are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressesBuf<A> {
    octets: Vec<u8>,
    family: PhantomData<fn() -> A>,
}

impl<A: Address> AddressesBuf<A> {
    /// The list as it is carried.
    #[must_use]
    pub fn as_addresses(&self) -> Addresses<'_, A> {
        Addresses { octets: &self.octets, family: PhantomData }
    }
}

impl<A: Address> FromIterator<A> for AddressesBuf<A> {
    fn from_iter<I: IntoIterator<Item = A>>(addresses: I) -> Self {
        let mut octets = Vec::new();
        for address in addresses.into_iter().take(usize::from(u16::MAX)) {
            address.emit(&mut octets);
        }
        Self { octets, family: PhantomData }
    }
}

/// Writes the addresses.
pub(super) fn emit<A: Address>(addresses: &Addresses<'_, A>, out: &mut impl BufMut) {
    out.put_slice(addresses.octets);
}
