//! Source Tree Joins in haste: of the routes of MCAST-VPN there are most of these (RFC 6514 §16), and a reader that looks for them reads a
//! field of them in about the time that its octets take.

use core::marker::PhantomData;

use fwd_core::codec::{self, BufMut, Take};

use super::{CAddress, CMulticast};
use crate::nlri::nlris::{emit_path_id, take_path_id};
use crate::nlri::{Framing, Nlri, NlriFormat, OpaqueNlri, PathId};

/// Source Tree Join NLRI without path identifiers, one after another, as a view: all their lengths are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Joins<'a, A> {
    octets: &'a [u8],
    family: PhantomData<fn() -> A>,
}

impl<'a, A: CAddress> Joins<'a, A> {
    /// Those that the octets begin with, `most` of them.
    #[inline(always)]
    fn first_of(i: &'a [u8], most: usize) -> Self {
        let (mut rest, mut many) = (i, 0_usize);
        while many < most && A::is_join(rest) {
            rest = rest.get(A::JOIN_LEN..).unwrap_or_default();
            many = many.wrapping_add(1);
        }
        let octets = i.get(..many.wrapping_mul(A::JOIN_LEN)).unwrap_or_default();
        Self { octets, family: PhantomData }
    }

    /// The routes.
    #[inline(always)]
    pub fn routes(&self) -> impl ExactSizeIterator<Item = CMulticast<A>> + use<'a, A> {
        self.octets.chunks_exact(A::JOIN_LEN.max(1)).map(A::joined)
    }
}

/// NLRI of family 1/5 or 2/5, read only if they are Source Tree Joins; these are taken together as far as they follow one another.
///
/// ```
/// use bgp_vpn::nlri::mcast_vpn::JoinNlri;
/// use bgp_vpn::nlri::{NlriFormat, Nlris};
/// use core::net::Ipv4Addr;
/// let field = [
///     7, 22, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 0, 0, 0xfd, 0xe9, 32, 10, 0, 0, 1, 32, 232, 1, 1, 1, // a Source Tree Join
///     1, 12, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 192, 0, 2, 1, // an Intra-AS I-PMSI A-D route
/// ];
/// let mut nlris = Nlris::<JoinNlri<'_, Ipv4Addr>>::new(&field, NlriFormat::default());
/// let Some(Ok(JoinNlri::Joins { joins, .. })) = nlris.next() else { panic!() };
/// let join = joins.routes().next().unwrap();
/// assert_eq!((join.source, join.group), (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(232, 1, 1, 1)));
/// let Some(Ok(JoinNlri::Other(other))) = nlris.next() else { panic!() };
/// assert_eq!(other.octets[..2], [1, 12]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinNlri<'a, A: CAddress> {
    /// Type 7 with addresses of the NLRI's family, one at least.
    Joins {
        /// Path identifier, where the session has them; then it is one route.
        path_id: Option<PathId>,
        /// The routes.
        joins: Joins<'a, A>,
    },
    /// Anything else, malformed routes included: to be read as [`McastVpnNlri`](super::McastVpnNlri).
    Other(OpaqueNlri<'a>),
}

impl<'a, A: CAddress> Nlri<'a> for JoinNlri<'a, A> {
    #[inline(always)]
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let joins = Joins::<A>::first_of(i, if path_id.is_some() { 1 } else { usize::MAX });
        if joins.octets.is_empty() {
            let (rest, octets) = Framing::TypeLength.take(i)?;
            return Ok((rest, Self::Other(OpaqueNlri { path_id, octets })));
        }
        let (rest, _) = codec::octets(i, joins.octets.len(), "Source Tree Joins")?;
        Ok((rest, Self::Joins { path_id, joins }))
    }

    #[inline]
    fn wire_len(&self, format: NlriFormat) -> usize {
        match self {
            Self::Joins { joins, .. } => joins.octets.len().saturating_add(if format.add_path { 4 } else { 0 }),
            Self::Other(nlri) => nlri.wire_len(format),
        }
    }

    #[inline]
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        match self {
            Self::Joins { path_id, joins } => {
                emit_path_id(*path_id, format, out);
                out.put_slice(joins.octets);
            }
            Self::Other(nlri) => nlri.emit(format, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::nlri::Nlris;
    use crate::nlri::mcast_vpn::{McastVpnNlri, McastVpnRoute};

    /// What the hasty reader says is what the other says, of joins and of what only looks like one.
    fn agrees<A: CAddress>(field: &[u8], format: NlriFormat) -> (usize, usize) {
        let (mut joins, mut others) = (0, 0);
        let mut rest = field;
        for nlri in Nlris::<JoinNlri<'_, A>>::new(field, format) {
            let nlri = nlri.unwrap();
            let mut whole = Nlris::<McastVpnNlri<'_, A>>::new(rest, format);
            match nlri {
                JoinNlri::Joins { path_id, joins: run } => {
                    for join in run.routes() {
                        let expected = McastVpnNlri { path_id, route: McastVpnRoute::SourceTreeJoin(join) };
                        assert_eq!(whole.next(), Some(Ok(expected)));
                        joins += 1;
                    }
                }
                JoinNlri::Other(_) => {
                    let join = |n: &McastVpnNlri<'_, A>| matches!(n.route, McastVpnRoute::SourceTreeJoin(_));
                    assert!(!whole.next().unwrap().is_ok_and(|n| join(&n)));
                    others += 1;
                }
            }
            let mut out = alloc::vec::Vec::new();
            nlri.emit(format, &mut out);
            assert_eq!((out.len(), &out[..]), (nlri.wire_len(format), &rest[..out.len()]));
            rest = &rest[out.len()..];
        }
        assert!(rest.is_empty());
        (joins, others)
    }

    #[test]
    fn joins_are_read_as_by_the_slow_way_and_all_else_is_left() {
        const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
        let v4 = [&[7, 22][..], &RD, &[0, 0, 0xfd, 0xe9, 32, 10, 0, 0, 1, 32, 232, 1, 1, 1]].concat();
        let (source, group) =
            (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xff3e, 0, 0, 0, 0, 0, 0, 9));
        let ends = [&[128][..], &source.octets(), &[128], &group.octets()].concat();
        let v6 = [&[7, 46][..], &RD, &[0, 0, 0xfd, 0xe9], &ends].concat();
        let shared = [&[6][..], &v4[1..]].concat();
        // A group of no family's length; a route that is longer than its fields.
        let (mut odd, mut long) = (v4.clone(), v4.clone());
        odd[19] = 24;
        long[1] = 23;
        long.push(0);
        let plain = NlriFormat::default();
        let field = [&v4[..], &v4, &shared, &v4, &odd, &long, &v4].concat();
        assert_eq!(agrees::<Ipv4Addr>(&field, plain), (4, 3));
        let mut odd = v6.clone();
        odd[31] = 120;
        assert_eq!(agrees::<Ipv6Addr>(&[&v6[..], &odd, &v6].concat(), plain), (2, 1));
        let add_path = NlriFormat { add_path: true, ..plain };
        let field = [&[0, 0, 0, 9][..], &v4, &[0, 0, 0, 7], &v4, &[0, 0, 0, 8], &shared].concat();
        assert_eq!(agrees::<Ipv4Addr>(&field, add_path), (2, 1));
        for n in 1..v4.len() {
            let mut nlris = Nlris::<JoinNlri<'_, Ipv4Addr>>::new(&v4[..n], plain);
            assert!(nlris.next().is_some_and(|n| n.is_err()) && nlris.next().is_none());
        }
    }
}
