//! Changes that a policy makes.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

use smallvec::SmallVec;

use crate::attr::ext_community::ExtCommunity;
use crate::attr::{AsPath, AsPathBuf, AsWidth, AttrFlags, AttrType, Community, LargeCommunity, ListItem};
use crate::rib::{Edits, raw_attributes};
use crate::session::ConfigError;

/// A change of a route's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// LOCAL_PREF.
    LocalPref(u32),
    /// MULTI_EXIT_DISC, or none.
    Med(Option<u32>),
    /// ORIGIN: 0 IGP, 1 EGP, 2 INCOMPLETE.
    Origin(u8),
    /// An AS number, ours where none is named, in front of AS_PATH, 1 to 32 times.
    Prepend {
        /// The AS number.
        asn: Option<u32>,
        /// How often.
        times: u8,
    },
    /// A community more.
    AddCommunity(Community),
    /// A community less.
    RemoveCommunity(Community),
    /// An extended community more.
    AddExtCommunity(ExtCommunity),
    /// An extended community less.
    RemoveExtCommunity(ExtCommunity),
    /// No route targets.
    RemoveRouteTargets,
    /// A large community more.
    AddLargeCommunity(LargeCommunity),
    /// A large community less.
    RemoveLargeCommunity(LargeCommunity),
    /// The BGP next hop. Of routes with labels only where they come in: the labels are those of the next hop.
    NextHop(IpAddr),
}

impl Set {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Prepend { times, .. } if !(1..=32).contains(times) => {
                Err(ConfigError::Value { field: "prepend", value: times.to_string(), rule: "1 to 32 times" })
            }
            Self::Origin(origin) if *origin > 2 => {
                Err(ConfigError::Value { field: "origin", value: origin.to_string(), rule: "0 to 2" })
            }
            _ => Ok(()),
        }
    }
}

/// List attributes that were touched, as octets.
type Touched = SmallVec<[(AttrType, Vec<u8>); 3]>;

/// The octets of a list attribute, to be changed.
fn list<'a>(touched: &'a mut Touched, attributes: &[u8], attr_type: AttrType) -> Option<&'a mut Vec<u8>> {
    if !touched.iter().any(|(t, _)| *t == attr_type) {
        let value = raw_attributes(attributes).find(|a| a.attr_type == attr_type).map(|a| a.value.to_vec());
        touched.push((attr_type, value.unwrap_or_default()));
    }
    touched.iter_mut().find(|(t, _)| *t == attr_type).map(|(_, octets)| octets)
}

fn retain<T: ListItem>(octets: &mut Vec<u8>, keep: impl Fn(&T) -> bool) {
    let mut kept = Vec::with_capacity(octets.len());
    for chunk in octets.chunks_exact(T::LEN) {
        if T::split(chunk).is_some_and(|(item, _)| keep(&item)) {
            kept.extend_from_slice(chunk);
        }
    }
    *octets = kept;
}

fn add<T: ListItem>(octets: &mut Vec<u8>, item: T) {
    retain::<T>(octets, |other| *other != item);
    item.emit(octets);
}

/// Writes the attributes with the changes.
pub(super) fn apply<'s>(sets: impl Iterator<Item = &'s Set>, attributes: &[u8], local_as: u32, out: &mut Vec<u8>) {
    let mut edits = Edits::default();
    let mut touched = Touched::new();
    let mut path: Option<AsPathBuf> = None;
    for set in sets {
        match *set {
            Set::LocalPref(value) => edits.set(AttrType::LOCAL_PREF, AttrFlags::WELL_KNOWN, &value.to_be_bytes()),
            Set::Med(Some(value)) => {
                edits.set(AttrType::MULTI_EXIT_DISC, AttrFlags::OPTIONAL_NON_TRANSITIVE, &value.to_be_bytes());
            }
            Set::Med(None) => edits.remove(AttrType::MULTI_EXIT_DISC),
            Set::Origin(origin) => edits.set(AttrType::ORIGIN, AttrFlags::WELL_KNOWN, &[origin]),
            Set::Prepend { asn, times } => {
                let path = path.get_or_insert_with(|| as_path(attributes));
                path.prepend(asn.unwrap_or(local_as), times);
            }
            Set::NextHop(_) => {}
            _ => change_list(set, attributes, &mut touched),
        }
    }
    if let Some(path) = path {
        edits.set(AttrType::AS_PATH, AttrFlags::WELL_KNOWN, path.as_path().octets());
    }
    for (attr_type, octets) in touched {
        if octets.is_empty() {
            edits.remove(attr_type);
        } else {
            edits.set(attr_type, AttrFlags::OPTIONAL_TRANSITIVE, &octets);
        }
    }
    edits.apply(attributes, out);
}

fn change_list(set: &Set, attributes: &[u8], touched: &mut Touched) {
    let attr_type = match set {
        Set::AddCommunity(_) | Set::RemoveCommunity(_) => AttrType::COMMUNITIES,
        Set::AddLargeCommunity(_) | Set::RemoveLargeCommunity(_) => AttrType::LARGE_COMMUNITY,
        _ => AttrType::EXTENDED_COMMUNITIES,
    };
    let Some(items) = list(touched, attributes, attr_type) else { return };
    match *set {
        Set::AddCommunity(c) => add(items, c),
        Set::RemoveCommunity(c) => retain::<Community>(items, |other| *other != c),
        Set::AddExtCommunity(c) => add(items, c),
        Set::RemoveExtCommunity(c) => retain::<ExtCommunity>(items, |other| *other != c),
        Set::RemoveRouteTargets => retain::<ExtCommunity>(items, |c| !c.is_route_target()),
        Set::AddLargeCommunity(c) => add(items, c),
        Set::RemoveLargeCommunity(c) => retain::<LargeCommunity>(items, |other| *other != c),
        _ => {}
    }
}

/// The AS_PATH, to be changed.
fn as_path(attributes: &[u8]) -> AsPathBuf {
    let value = raw_attributes(attributes).find(|a| a.attr_type == AttrType::AS_PATH).map(|a| a.value);
    let mut path = AsPathBuf::new();
    for segment in value.and_then(|v| AsPath::parse(v, AsWidth::Four).ok()).iter().flat_map(AsPath::segments) {
        path.push(segment.kind, segment.asns());
    }
    path
}
