//! A VRF at work: its tables, its labels, what the forwarding plane holds of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, Label, NhlfeId, VrfId};
use fwd_core::time::Instant;

use super::VrfConfig;
use super::circuit::CircuitKey;
use super::limits::Limits;
use crate::pe_ce::IgpRoute;
use crate::rib::{AttrId, Form, Path, PlainKey, Rib, Source};
use crate::speaker::LocalRoute;

/// What the forwarding plane holds for a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Installed {
    /// No route.
    #[default]
    None,
    /// To this router's own software.
    Local,
    /// A discard route.
    Discard,
    /// Through an entry of somebody else: a circuit's, or in the global table a transport's.
    Direct(NhlfeId),
    /// Through a shared entry of ours, by its index.
    Shared(u32),
}

/// A VRF, or the global table.
#[derive(Debug)]
pub(crate) struct Vrf {
    /// Its handle.
    pub(crate) id: VrfId,
    /// Its configuration; the global table has none.
    pub(crate) config: Option<VrfConfig>,
    /// IPv4 routes.
    pub(crate) v4: Rib<PlainKey<Ipv4Prefix>>,
    /// IPv6 routes.
    pub(crate) v6: Rib<PlainKey<Ipv6Prefix>>,
    /// What the forwarding plane holds, by destination.
    pub(crate) installed4: Vec<Installed>,
    /// What the forwarding plane holds, by destination.
    pub(crate) installed6: Vec<Installed>,
    /// Routes against their bound.
    pub(crate) limits: Limits,
    /// When it was made.
    pub(crate) created: Instant,
    /// When its configuration or its circuits changed last.
    pub(crate) changed: Instant,
    /// Routes that BGP did not bring, those included that the bound refused.
    pub(crate) locals: BTreeMap<IpPrefix, (LocalRoute, Option<IgpRoute>)>,
    /// Destinations that OSPF reaches over a sham link.
    pub(crate) over_sham_link: BTreeSet<IpPrefix>,
    /// Routes from elsewhere that the IGP was told.
    pub(crate) redistributed: BTreeSet<IpPrefix>,
    /// The label whose packets are looked up here.
    pub(crate) label: Option<Label>,
    /// The labels of attachment circuits.
    pub(crate) circuit_labels: BTreeMap<CircuitKey, Label>,
    /// The attribute set exported last, of which customer AS if it came from an internal CE, and what became of it.
    pub(crate) exported: Option<((AttrId, Option<u32>), AttrId)>,
    /// It is in the queue of VRFs whose forwarding entries are out of date.
    pub(crate) fib_queued: bool,
}

impl Vrf {
    /// An empty VRF.
    pub(crate) fn new(id: VrfId, config: Option<VrfConfig>) -> Self {
        Self {
            id,
            limits: Limits::new(config.as_ref().and_then(|c| c.limit)),
            config,
            v4: Rib::new(Form::Unicast),
            v6: Rib::new(Form::Unicast),
            installed4: Vec::new(),
            installed6: Vec::new(),
            created: Instant::ZERO,
            changed: Instant::ZERO,
            locals: BTreeMap::new(),
            over_sham_link: BTreeSet::new(),
            redistributed: BTreeSet::new(),
            label: None,
            circuit_labels: BTreeMap::new(),
            exported: None,
            fib_queued: false,
        }
    }

    /// Whether a path, where it is the best, may be exported: it is the VRF's own, or passes on between ASes (option AB).
    pub(crate) fn exports(&self, path: &Path) -> bool {
        let between = || self.config.as_ref().is_some_and(|c| !c.inter_as.is_empty());
        path.source.is_own() || path.source == Source::IMPORTED && between()
    }

    /// Destinations that have a path, both families together.
    pub(crate) fn routes(&self) -> u32 {
        self.v4.routes + self.v6.routes
    }
}
