//! Virtual routers: who else is in a VPN, told over BGP and keyed by VPN-ID (RFC 2685; RFC 4110 §4.2.2, §4.4.2).
//!
//! In this architecture PEs exchange no customer routes among themselves: the virtual routers of a VPN are joined by links of their own
//! (RFC 4110 §4.4.3), and whatever routing protocol the customer likes runs over these. What BGP does is to say which virtual routers there
//! are. [`VrDiscovery`] is that part: it tells our virtual routers as routes of SAFI 140 ([`VrMembershipNlri`]), takes those of others, and
//! says between which a link is to be. The links are the embedder's, or of the crate for virtual links.
//!
//! A virtual router is a neighbour of ours if their VPN-IDs are equal and ours imports a route target that the other exports. Targets are
//! configured in pairs, so that both ends say so: equal targets make a full mesh, two targets hub and spokes.
//!
//! The drafts of this architecture expired, and with them the rules of the routes: see the deviations of the crate.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::VpnId;
use fwd_core::time::Instant;

use crate::attr::Attributes;
use crate::attr::ext_community::RouteTarget;
use crate::nlri::VrMembershipNlri;
use crate::session::ConfigError;

/// A virtual router of this PE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VrConfig {
    /// Its VPN; one virtual router of a PE is in a VPN.
    pub vpn_id: VpnId,
    /// The address at which its links end. Virtual routers of several VPNs may share it.
    pub address: IpAddr,
    /// It is linked to routers that export one of these; not empty.
    pub import: Vec<RouteTarget>,
    /// What it exports; not empty.
    pub export: Vec<RouteTarget>,
}

/// The bounds of a [`VrDiscovery`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VrDiscoveryConfig {
    /// Virtual routers of others that are kept, of all VPNs together, from 1. Default 100,000.
    pub max_routers: u32,
}

impl Default for VrDiscoveryConfig {
    fn default() -> Self {
        Self { max_routers: 100_000 }
    }
}

/// What goes into a [`VrDiscovery`].
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The best path of a route of family 1/140 or 2/140 came, changed, or (no attributes) went.
    Route {
        /// The route.
        nlri: VrMembershipNlri,
        /// Its attributes.
        attributes: Option<&'a Attributes<'a>>,
    },
    /// A session came up: everything is to be advertised again.
    Refresh,
}

/// What comes out of a [`VrDiscovery`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Announce a virtual router of ours, with these route targets.
    Advertise {
        /// The route.
        nlri: VrMembershipNlri,
        /// Its route targets.
        targets: Vec<RouteTarget>,
    },
    /// Announce it no longer.
    Withdraw {
        /// The route.
        nlri: VrMembershipNlri,
    },
    /// A virtual router of ours is to have a link to another's, or is to have it no longer.
    Neighbor {
        /// The VPN.
        vpn_id: VpnId,
        /// Where the link begins.
        local: IpAddr,
        /// Where it ends.
        remote: IpAddr,
        /// Whether there is to be one.
        up: bool,
    },
    /// There are more virtual routers than are kept: from now on some are not known. Once until there is room again.
    Full,
    /// There is room again: routes are to be asked for again (RFC 2918).
    Ask,
}

/// Discovery of the virtual routers of our VPNs.
///
/// ```
/// use bgp_vpn::nlri::VrMembershipNlri;
/// use bgp_vpn::vr::{Output, VrConfig, VrDiscovery, VrDiscoveryConfig};
/// use fwd_core::time::Instant;
/// let mut discovery = VrDiscovery::new(Instant::ZERO, VrDiscoveryConfig::default()).unwrap();
/// let (vpn_id, address) = ("5e:2a".parse().unwrap(), [192, 0, 2, 1].into());
/// let targets = vec!["65001:42".parse().unwrap()];
/// let vr = VrConfig { vpn_id, address, import: targets.clone(), export: targets.clone() };
/// discovery.add_vr(Instant::ZERO, vr).unwrap();
/// let nlri = VrMembershipNlri::new(vpn_id, address);
/// assert_eq!(discovery.poll_output(), Some(Output::Advertise { nlri, targets }));
/// ```
#[derive(Debug)]
pub struct VrDiscovery {
    config: VrDiscoveryConfig,
    ours: BTreeMap<VpnId, VrConfig>,
    /// Virtual routers of others, with what they export.
    theirs: BTreeMap<(VpnId, IpAddr), Vec<RouteTarget>>,
    neighbors: BTreeSet<(VpnId, IpAddr)>,
    full: bool,
    outputs: VecDeque<Output>,
}

impl VrDiscovery {
    /// The most route targets of a virtual router that are looked at.
    const TARGETS: usize = 64;

    /// A discovery without virtual routers.
    ///
    /// # Errors
    /// A bound of 0.
    pub fn new(_now: Instant, config: VrDiscoveryConfig) -> Result<Self, ConfigError> {
        if config.max_routers == 0 {
            return Err(ConfigError::Value { field: "max_routers", value: "0".into(), rule: "from 1" });
        }
        let (ours, theirs, neighbors) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Ok(Self { config, ours, theirs, neighbors, full: false, outputs: VecDeque::new() })
    }

    /// Adds a virtual router of ours; it is advertised, and linked to those that are known.
    ///
    /// # Errors
    /// The VPN has one here, or a list of route targets is empty.
    pub fn add_vr(&mut self, _now: Instant, vr: VrConfig) -> Result<(), ConfigError> {
        for (field, targets) in [("import", &vr.import), ("export", &vr.export)] {
            if targets.is_empty() {
                return Err(ConfigError::Empty { field });
            }
        }
        if let Some(other) = self.ours.get(&vr.vpn_id) {
            let (value, owner) = (alloc::format!("{}", vr.vpn_id), alloc::format!("virtual router {}", other.address));
            return Err(ConfigError::Duplicate { field: "vpn_id", value, owner });
        }
        let nlri = VrMembershipNlri::new(vr.vpn_id, vr.address);
        self.outputs.push_back(Output::Advertise { nlri, targets: vr.export.clone() });
        let vpn_id = vr.vpn_id;
        self.ours.insert(vpn_id, vr);
        self.decide_vpn(vpn_id);
        Ok(())
    }

    /// Removes our virtual router of a VPN, with its links.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_vr(&mut self, _now: Instant, vpn_id: VpnId) -> Result<(), ConfigError> {
        let Some(vr) = self.ours.get(&vpn_id) else {
            return Err(ConfigError::Unknown { field: "vpn_id", value: alloc::format!("{vpn_id}") });
        };
        let local = vr.address;
        let linked: Vec<_> = self.neighbors.iter().filter(|(vpn, _)| *vpn == vpn_id).copied().collect();
        for (vpn_id, remote) in linked {
            self.neighbors.remove(&(vpn_id, remote));
            self.outputs.push_back(Output::Neighbor { vpn_id, local, remote, up: false });
        }
        self.outputs.push_back(Output::Withdraw { nlri: VrMembershipNlri::new(vpn_id, local) });
        self.ours.remove(&vpn_id);
        Ok(())
    }

    /// Takes what happened outside.
    pub fn handle_input(&mut self, _now: Instant, input: Input<'_>) {
        match input {
            Input::Route { nlri, attributes } => self.route(nlri, attributes),
            Input::Refresh => {
                for vr in self.ours.values() {
                    let nlri = VrMembershipNlri::new(vr.vpn_id, vr.address);
                    self.outputs.push_back(Output::Advertise { nlri, targets: vr.export.clone() });
                }
            }
        }
    }

    /// Nothing here waits for time.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// The next thing to be done outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Always `None`.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// The neighbours of our virtual router of a VPN, by address.
    pub fn neighbors(&self, vpn_id: VpnId) -> impl Iterator<Item = IpAddr> + '_ {
        self.neighbors.iter().filter(move |(vpn, _)| *vpn == vpn_id).map(|(_, address)| *address)
    }

    fn route(&mut self, nlri: VrMembershipNlri, attributes: Option<&Attributes<'_>>) {
        let key = (nlri.vpn_id, nlri.address);
        match attributes {
            // Our own, reflected; or somebody pretends to be us.
            Some(_) if self.ours.get(&nlri.vpn_id).is_some_and(|vr| vr.address == nlri.address) => return,
            Some(attributes) => {
                let communities = attributes.ext_communities();
                let targets = communities.iter().flat_map(|list| list.iter());
                let targets = targets.filter_map(RouteTarget::from_community).take(Self::TARGETS).collect();
                let known = self.theirs.contains_key(&key);
                if !known && self.theirs.len() >= self.config.max_routers as usize {
                    if !core::mem::replace(&mut self.full, true) {
                        self.outputs.push_back(Output::Full);
                    }
                    return;
                }
                self.theirs.insert(key, targets);
            }
            None => {
                if self.theirs.remove(&key).is_some() && core::mem::take(&mut self.full) {
                    self.outputs.push_back(Output::Ask);
                }
            }
        }
        self.decide(key);
    }

    fn decide_vpn(&mut self, vpn_id: VpnId) {
        let first = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);
        let of_vpn = self.theirs.range((vpn_id, first)..).take_while(|((vpn, _), _)| *vpn == vpn_id);
        let keys: Vec<_> = of_vpn.map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.decide(key));
    }

    /// Whether a virtual router is to be a neighbour of ours.
    fn decide(&mut self, key: (VpnId, IpAddr)) {
        let (vpn_id, remote) = key;
        let Some(vr) = self.ours.get(&vpn_id) else { return };
        // What the other imports is not told.
        let exports = self.theirs.get(&key);
        let wanted = exports.is_some_and(|exports| exports.iter().any(|target| vr.import.contains(target)));
        let up = wanted && remote != vr.address;
        let changed = if up { self.neighbors.insert(key) } else { self.neighbors.remove(&key) };
        if changed {
            self.outputs.push_back(Output::Neighbor { vpn_id, local: vr.address, remote, up });
        }
    }
}
