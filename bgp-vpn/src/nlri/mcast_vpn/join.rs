//! Source Tree Joins in haste: of the routes of MCAST-VPN there are most of these (RFC 6514 §16), and a reader that looks for them reads a
//! field of them in about the time that its octets take.

use fwd_core::codec::{BufMut, Take};

use super::{CAddress, CMulticast};
use crate::nlri::nlris::{emit_path_id, take_path_id};
use crate::nlri::{Framing, Nlri, NlriFormat, OpaqueNlri, PathId};

/// A Source Tree Join NLRI without path identifier, as a view: all its lengths are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JoinView<'a, A: CAddress>(&'a A::JoinOctets);

impl<A: CAddress> JoinView<'_, A> {
    /// The route.
    #[inline(always)]
    #[must_use]
    pub fn route(&self) -> CMulticast<A> {
        A::joined(self.0)
    }
}

/// An NLRI of family 1/5 or 2/5, read only if it is a Source Tree Join.
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
/// let Some(Ok(JoinNlri::Join { join, .. })) = nlris.next() else { panic!() };
/// let join = join.route();
/// assert_eq!((join.source, join.group), (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(232, 1, 1, 1)));
/// let Some(Ok(JoinNlri::Other(other))) = nlris.next() else { panic!() };
/// assert_eq!(other.octets[..2], [1, 12]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinNlri<'a, A: CAddress> {
    /// Type 7 with addresses of the NLRI's family.
    Join {
        /// Path identifier, where the session has them.
        path_id: Option<PathId>,
        /// The route.
        join: JoinView<'a, A>,
    },
    /// Anything else, malformed routes included: to be read as [`McastVpnNlri`](super::McastVpnNlri).
    Other(OpaqueNlri<'a>),
}

impl<'a, A: CAddress> Nlri<'a> for JoinNlri<'a, A> {
    #[inline(always)]
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        if let Some((join, rest)) = A::join(i) {
            return Ok((rest, Self::Join { path_id, join: JoinView(join) }));
        }
        let (rest, octets) = Framing::TypeLength.take(i)?;
        Ok((rest, Self::Other(OpaqueNlri { path_id, octets })))
    }

    #[inline]
    fn wire_len(&self, format: NlriFormat) -> usize {
        match self {
            Self::Join { join, .. } => A::join_octets(join.0).len().saturating_add(if format.add_path { 4 } else { 0 }),
            Self::Other(nlri) => nlri.wire_len(format),
        }
    }

    #[inline]
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        match self {
            Self::Join { path_id, join } => {
                emit_path_id(*path_id, format, out);
                out.put_slice(A::join_octets(join.0));
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
            let whole = McastVpnNlri::<A>::take(rest, format);
            match nlri {
                JoinNlri::Join { path_id, join } => {
                    let expected = McastVpnNlri { path_id, route: McastVpnRoute::SourceTreeJoin(join.route()) };
                    assert_eq!(whole.unwrap().1, expected);
                    joins += 1;
                }
                JoinNlri::Other(_) => {
                    let join = |n: &McastVpnNlri<'_, A>| matches!(n.route, McastVpnRoute::SourceTreeJoin(_));
                    assert!(!whole.is_ok_and(|(_, n)| join(&n)));
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
        let field = [&v4[..], &shared, &v4, &odd, &long, &v4].concat();
        assert_eq!(agrees::<Ipv4Addr>(&field, plain), (3, 3));
        let mut odd = v6.clone();
        odd[31] = 120;
        assert_eq!(agrees::<Ipv6Addr>(&[&v6[..], &odd, &v6].concat(), plain), (2, 1));
        let add_path = NlriFormat { add_path: true, ..plain };
        assert_eq!(agrees::<Ipv4Addr>(&[&[0, 0, 0, 9][..], &v4, &[0, 0, 0, 8], &shared].concat(), add_path), (1, 1));
        for n in 1..v4.len() {
            let mut nlris = Nlris::<JoinNlri<'_, Ipv4Addr>>::new(&v4[..n], plain);
            assert!(nlris.next().is_some_and(|n| n.is_err()) && nlris.next().is_none());
        }
    }
}
