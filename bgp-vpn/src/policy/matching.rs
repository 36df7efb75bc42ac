//! Conditions of a policy.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::RangeInclusive;

use fwd_core::net::IpPrefix;

use super::PolicyRoute;
use crate::attr::ext_community::{ExtCommunity, RouteTarget};
use crate::attr::{AsPath, AsWidth, AttrType, Community, LargeCommunity, ListItem};
use crate::nlri::RouteDistinguisher;
use crate::rib::raw_attributes;
use crate::session::ConfigError;

/// Prefixes within one, of some lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixRange {
    /// The prefix that holds them; of the same address family.
    pub prefix: IpPrefix,
    /// Their lengths in bits.
    pub lengths: RangeInclusive<u8>,
}

/// What an AS_PATH is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsPathMatch {
    /// The AS number is somewhere in it.
    Contains(u32),
    /// It begins with the AS number: the route came from that neighbour.
    From(u32),
    /// It ends with the AS number: the route originated there.
    OriginatedBy(u32),
    /// It has at most so many AS numbers, a set counting one.
    LengthAtMost(u32),
}

/// A condition. Of a list, one element is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// The destination is in one of these ranges.
    Prefix(Vec<PrefixRange>),
    /// The route distinguisher is one of these.
    Rd(Vec<RouteDistinguisher>),
    /// AS_PATH.
    AsPath(AsPathMatch),
    /// COMMUNITIES has one of these.
    Community(Vec<Community>),
    /// EXTENDED COMMUNITIES has one of these.
    ExtCommunity(Vec<ExtCommunity>),
    /// LARGE_COMMUNITY has one of these.
    LargeCommunity(Vec<LargeCommunity>),
    /// The route has one of these route targets.
    RouteTarget(Vec<RouteTarget>),
    /// ORIGIN: 0 IGP, 1 EGP, 2 INCOMPLETE.
    Origin(u8),
    /// MULTI_EXIT_DISC, 0 where there is none.
    Med(RangeInclusive<u32>),
    /// The next hop is in one of these prefixes.
    NextHop(Vec<IpPrefix>),
    /// The condition does not hold.
    Not(Box<Match>),
}

impl Match {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Prefix(ranges) => {
                let longest = |range: &PrefixRange| if matches!(range.prefix, IpPrefix::V4(_)) { 32 } else { 128 };
                let bad = |range: &&PrefixRange| range.lengths.is_empty() || *range.lengths.end() > longest(range);
                match ranges.iter().find(bad) {
                    Some(range) => Err(ConfigError::Value {
                        field: "prefix",
                        value: format!("{} of {:?} bits", range.prefix, range.lengths),
                        rule: "lengths of the address family, the least not above the greatest",
                    }),
                    None => Ok(()),
                }
            }
            Self::Not(m) => m.validate(),
            _ => Ok(()),
        }
    }

    /// Whether the condition holds for a route.
    pub(super) fn holds(&self, route: &PolicyRoute<'_>) -> bool {
        let value = |t: AttrType| raw_attributes(route.attributes).find(|a| a.attr_type == t).map(|a| a.value);
        match self {
            Self::Prefix(ranges) => {
                ranges.iter().any(|r| r.lengths.contains(&route.prefix.bit_len()) && covers(&r.prefix, &route.prefix))
            }
            Self::Rd(rds) => route.rd.is_some_and(|rd| rds.contains(&rd)),
            Self::AsPath(m) => {
                let path = AsPath::parse(value(AttrType::AS_PATH).unwrap_or_default(), AsWidth::Four);
                path.is_ok_and(|path| m.holds(path))
            }
            Self::Community(list) => has(value(AttrType::COMMUNITIES), list),
            Self::ExtCommunity(list) => has(value(AttrType::EXTENDED_COMMUNITIES), list),
            Self::LargeCommunity(list) => has(value(AttrType::LARGE_COMMUNITY), list),
            Self::RouteTarget(list) => {
                let mut communities = items::<ExtCommunity>(value(AttrType::EXTENDED_COMMUNITIES));
                communities.any(|c| RouteTarget::from_community(c).is_some_and(|t| list.contains(&t)))
            }
            Self::Origin(origin) => value(AttrType::ORIGIN).and_then(<[u8]>::first) == Some(origin),
            Self::Med(range) => {
                let med = value(AttrType::MULTI_EXIT_DISC).and_then(|v| v.first_chunk());
                range.contains(&med.map_or(0, |v| u32::from_be_bytes(*v)))
            }
            Self::NextHop(list) => route.next_hop.is_some_and(|hop| list.iter().any(|p| within(p, hop))),
            Self::Not(m) => !m.holds(route),
        }
    }
}

impl AsPathMatch {
    fn holds(self, path: AsPath<'_>) -> bool {
        match self {
            Self::Contains(asn) => path.contains(asn),
            Self::From(asn) => path.first_as() == Some(asn),
            Self::OriginatedBy(asn) => path.origin_as() == Some(asn),
            Self::LengthAtMost(len) => path.hop_count() <= len,
        }
    }
}

/// The items of a list attribute.
fn items<T: ListItem>(value: Option<&[u8]>) -> impl Iterator<Item = T> + '_ {
    let mut rest = value.unwrap_or_default();
    core::iter::from_fn(move || {
        let (item, after) = T::split(rest)?;
        rest = after;
        Some(item)
    })
}

fn has<T: ListItem>(value: Option<&[u8]>, list: &[T]) -> bool {
    items::<T>(value).any(|item| list.contains(&item))
}

/// Whether one prefix holds the other.
fn covers(outer: &IpPrefix, inner: &IpPrefix) -> bool {
    match (outer, inner) {
        (IpPrefix::V4(o), IpPrefix::V4(i)) => o.bit_len() <= i.bit_len() && o.contains(i.bits().into()),
        (IpPrefix::V6(o), IpPrefix::V6(i)) => o.bit_len() <= i.bit_len() && o.contains(i.bits().into()),
        _ => false,
    }
}

fn within(prefix: &IpPrefix, address: IpAddr) -> bool {
    match (prefix, address) {
        (IpPrefix::V4(p), IpAddr::V4(a)) => p.contains(a),
        (IpPrefix::V6(p), IpAddr::V6(a)) => p.contains(a),
        _ => false,
    }
}
