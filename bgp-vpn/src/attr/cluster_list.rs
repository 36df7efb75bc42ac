//! CLUSTER_LIST (RFC 4456 §8).

use core::fmt;
use core::net::Ipv4Addr;

use fwd_core::codec::BufMut;

use super::{List, ListItem};

/// A cluster identifier: four octets, unique in the AS (RFC 4456 §7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ClusterId(pub u32);

/// The value of CLUSTER_LIST: the clusters a route passed, the last one first.
pub type ClusterList<'a> = List<'a, ClusterId>;

impl ListItem for ClusterId {
    const LEN: usize = 4;
    const NAME: &'static str = "CLUSTER_LIST";

    #[inline]
    fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        octets.split_first_chunk().map(|(item, rest)| (Self(u32::from_be_bytes(*item)), rest))
    }

    #[inline]
    fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.0);
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ipv4Addr::from_bits(self.0).fmt(f)
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
