//! Leaf A-D routes (RFC 6514 §4.4, RFC 7524 §6.2, RFC 7441 §3).

use core::net::IpAddr;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::address::{CAddress, take_router};
use super::s_pmsi_ad::take_fec;
use crate::nlri::{MldpFec, RouteDistinguisher};

/// Leaf A-D route, types 4 and 0x44: a router answers a route that asked for leaves, which is the route key.
///
/// ```text
/// +-----------------------------------------+
/// | Route Key (variable)                    |
/// +-----------------------------------------+
/// | Originating Router's IP Address (4, 16) |
/// +-----------------------------------------+
/// ```
///
/// The key is the whole NLRI of an A-D route, type and length included; or, for the global table, what RFC 7524 §6.2.2 puts there
/// ([`GlobalTableKey`]). Keys that begin with a route type have their own length; the others begin with a RD of zeros or ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafAd<'a> {
    /// The route key: at most 239 octets, for the length of the NLRI has one octet.
    pub route_key: &'a [u8],
    /// The leaf.
    pub originator: IpAddr,
}

/// The key of a Leaf A-D route of the global table (RFC 7524 §6.2.2).
///
/// ```text
/// +-----------------------------------------+
/// | RD (8): 0 for (S,G), all ones for (*,G) |
/// +-----------------------------------------+
/// | Multicast Source Length (1), in octets  |
/// +-----------------------------------------+
/// | Multicast Source: S, or the RP          |
/// +-----------------------------------------+
/// | Multicast Group Length (1), in octets   |
/// +-----------------------------------------+
/// | Multicast Group                         |
/// +-----------------------------------------+
/// | Ingress PE's IP Address (4, 16)         |
/// +-----------------------------------------+
/// ```
///
/// RFC 7524 counts octets (4 or 16) where RFC 6514 counts bits; lengths of 32 and 128 are taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct GlobalTableKey {
    /// Whether the state is (*,G), the source the RP; else it is (S,G).
    pub is_shared_tree: bool,
    /// S or the RP.
    pub source: IpAddr,
    /// G.
    pub group: IpAddr,
    /// The ingress PE.
    pub ingress: IpAddr,
}

impl GlobalTableKey {
    /// Takes the whole key.
    ///
    /// # Errors
    /// Truncated input, a RD that is neither all zeros nor all ones, a length of an address that is none.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let at = i;
        let (i, rd) = RouteDistinguisher::take(i)?;
        let is_shared_tree = match rd {
            RouteDistinguisher::ZERO => false,
            RouteDistinguisher::ALL_ONES => true,
            _ => return Err(Fail::new(at, "route distinguisher", Fault::Value(u32::from(rd.rd_type())))),
        };
        let (i, source) = take_counted(i, "multicast source")?;
        let (i, group) = take_counted(i, "multicast group")?;
        let (i, ingress) = take_router(i, "ingress PE")?;
        Ok((i, Self { is_shared_tree, source, group, ingress }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        [self.source, self.group, self.ingress].iter().fold(10, |len, address| address.octet_len().saturating_add(len))
    }

    /// Writes the key.
    pub fn emit(&self, out: &mut impl BufMut) {
        let rd = if self.is_shared_tree { RouteDistinguisher::ALL_ONES } else { RouteDistinguisher::ZERO };
        rd.emit(out);
        for address in [self.source, self.group] {
            out.put_u8(if address.is_ipv4() { 4 } else { 16 });
            address.put(out);
        }
        self.ingress.put(out);
    }
}

/// Takes a length in octets (or bits) and an address.
fn take_counted<'a>(i: &'a [u8], field: &'static str) -> Take<'a, IpAddr> {
    let at = i;
    let (i, len) = codec::be_u8(i, field)?;
    let octets = match len {
        4 | 32 => 4,
        16 | 128 => 16,
        _ => return Err(Fail::new(at, field, Fault::Length(usize::from(len)))),
    };
    let (i, octets) = codec::octets(i, octets, field)?;
    let (_, address) = take_router(octets, field)?;
    Ok((i, address))
}

impl<'a> LeafAd<'a> {
    /// Takes the whole body of the route. The contents of the key are not looked at.
    ///
    /// # Errors
    /// A key without end, or what follows it is no address.
    pub fn take<A: CAddress>(i: &'a [u8]) -> Take<'a, Self> {
        let at = i;
        let (after, first) = codec::be_u8(i, "route key")?;
        let key_len = match first {
            0 | 0xff => global_key_len::<A>(i)?,
            _ => codec::be_u8(after, "route key").map(|(_, len)| usize::from(len).saturating_add(2))?,
        };
        let (i, route_key) = codec::octets(at, key_len, "route key")?;
        let (i, originator) = take_router(i, "originating router")?;
        Ok((i, Self { route_key, originator }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.route_key.len().saturating_add(self.originator.octet_len())
    }

    /// Writes the body of the route.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.route_key);
        self.originator.put(out);
    }

    /// The key, if it is one of the global table.
    #[must_use]
    pub fn global_table_key(&self) -> Option<GlobalTableKey> {
        codec::all(self.route_key, GlobalTableKey::take).ok()
    }
}

/// Octets of a key of the global table: RD, then addresses behind lengths or a FEC element, then the ingress PE's address, which
/// shares what is left with the originator's, both of one family.
fn global_key_len<'a, A: CAddress>(i: &'a [u8]) -> Result<usize, nom::Err<Fail<'a>>> {
    let (rest, _) = RouteDistinguisher::take(i)?;
    let rest = match rest.first() {
        // RFC 7441 §3: a FEC element in the place of source and group; its type is no length of an address.
        Some(&(MldpFec::P2MP | MldpFec::MP2MP_UPSTREAM | MldpFec::MP2MP_DOWNSTREAM)) => take_fec::<A>(rest)?.0,
        _ => {
            let (rest, _) = take_counted(rest, "multicast source")?;
            take_counted(rest, "multicast group")?.0
        }
    };
    match rest.len() {
        8 | 32 => Ok(i.len().saturating_sub(rest.len() / 2)),
        len => Err(Fail::new(rest, "ingress PE and originating router", Fault::Length(len))),
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LeafAd<'a> {
    /// One whose key is some route of a known length.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let octets = u.bytes(64)?;
        let key = octets.windows(2).position(|w| matches!(w, [1..=0xfe, len] if usize::from(*len) <= 60));
        let key = key.and_then(|at| octets.get(at..)).ok_or(arbitrary::Error::IncorrectFormat)?;
        let len = key.get(1).map_or(0, |len| usize::from(*len).saturating_add(2));
        let route_key = key.get(..len).ok_or(arbitrary::Error::IncorrectFormat)?;
        Ok(Self { route_key, originator: u.arbitrary()? })
    }
}
