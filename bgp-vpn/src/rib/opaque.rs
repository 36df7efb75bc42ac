//! Destinations that are octets: routes of services that this speaker passes on without taking part in them.

use alloc::boxed::Box;
use core::hash::Hasher;

use super::Key;
use crate::message::UpdateWriter;
use crate::nlri::{Labels, OpaqueNlri, PathId};

/// A destination of a family whose NLRI are kept as octets.
#[derive(Clone, Debug, Default)]
pub(crate) struct OctetKey {
    /// What names the route ([`OpaqueNlri::key`]): an NLRI itself.
    name: Box<[u8]>,
    /// The NLRI that was announced last, if it says more than its name: withdrawals say the same, for peers that take labels for a
    /// part of the name.
    last: Option<Box<[u8]>>,
}

impl OctetKey {
    /// The destination of this name.
    pub(crate) fn new(name: &[u8]) -> Self {
        Self { name: name.into(), last: None }
    }

    /// Takes note of an announcement.
    pub(crate) fn announced(&mut self, octets: &[u8]) {
        self.last = if octets == &*self.name { None } else { Some(octets.into()) };
    }

    /// Octets of memory behind the pointers.
    pub(crate) fn memory(&self) -> usize {
        self.name.len() + self.last.as_ref().map_or(0, |last| last.len())
    }
}

impl PartialEq for OctetKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for OctetKey {}

impl Key for OctetKey {
    fn hash_into(&self, hasher: &mut impl Hasher) {
        hasher.write(&self.name);
    }

    /// `labels` are the octets of the announced NLRI, nothing where they are the name, [`Labels::WITHDRAW`] in a withdrawal.
    fn push(&self, labels: &[u8], path_id: Option<PathId>, writer: &mut UpdateWriter<'_, '_>) -> bool {
        let octets = match (labels, &self.last) {
            ([], _) => &self.name,
            (labels, Some(last)) if labels == Labels::WITHDRAW.octets() => last,
            (labels, None) if labels == Labels::WITHDRAW.octets() => &self.name,
            (octets, _) => octets,
        };
        writer.push(&OpaqueNlri { path_id, octets })
    }
}
