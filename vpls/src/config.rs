//! Configuration of a PE, its instances, circuits and pseudowires.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::ops::RangeInclusive;
use core::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::L2vpnId;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, VlanId, VsiId};
use fwd_core::op::{Class, ClassMap, LinkLocal, Tags};

use crate::damping::DampingConfig;
use crate::multicast::TreeConfig;
use crate::police::{Rate, TypeRates};
use crate::snoop::{CircuitSnoop, SnoopConfig};

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An instance with this number is there already.
    #[error("vsi: configured already")]
    VsiExists,
    /// No such instance.
    #[error("vsi: not configured")]
    NoVsi,
    /// The VE identifier is zero (RFC 4761 §3.2.2).
    #[error("ve.ve_id: zero")]
    VeId,
    /// The block size is zero or more than 4,096.
    #[error("ve.block_size: not within 1 to 4096")]
    BlockSize,
    /// Signalled, but nobody exports to it or imports from it.
    #[error("import, export: a signalled instance needs route targets")]
    Targets,
    /// Trees carry frames without the control word (RFC 8614 §4 asks for two trees, which are not built).
    #[error("trees: need control_word off")]
    TreeControlWord,
    /// Trees need a VPLS A-D or VE route.
    #[error("trees: need ve or discovery")]
    TreeSignalling,
    /// A circuit with these tags is there already.
    #[error("iface, tags: in use")]
    CircuitExists,
    /// No such circuit.
    #[error("circuit: not configured")]
    NoCircuit,
    /// No such pseudowire.
    #[error("pseudowire: not configured")]
    NoPseudowire,
    /// A pseudowire with this identifier to this peer is there already.
    #[error("pw_id: in use")]
    PseudowireExists,
    /// More circuits than the instance may have.
    #[error("circuits: more than limits.circuits")]
    TooManyCircuits,
    /// A pool has no number left.
    #[error("{0}: none left")]
    Exhausted(&'static str),
    /// The multicast MTU is more than the MTU.
    #[error("mtu: less than 64, or multicast_mtu above it")]
    Mtu,
    /// The path carries less than the service MTU; the greatest that would fit is given.
    #[error("mtu: the path carries {0} at most")]
    PathMtu(u16),
    /// Not a group that is routed.
    #[error("group: not one that is routed")]
    Group,
    /// A fault of the snooping configuration.
    #[error("snoop: {0}")]
    Snoop(mvpn::gmp::ConfigError),
    /// A channel type that is not for experiments.
    #[error("probe_channel: not within 0x7ff8 to 0x7fff")]
    Channel,
    /// Damping values that cannot be (RFC 7899 §6.2).
    #[error("damping: reuse not below cut-off, or beyond the maxima")]
    Damping,
}

/// Numbers of a PE that its instances share, and limits of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeConfig {
    /// The address that other PEs know this one by.
    pub router_id: Ipv4Addr,
    /// Labels for pseudowires.
    pub labels: RangeInclusive<u32>,
    /// Labels for aggregate trees that this PE roots: no other PE of the domain may use them (RFC 9573 §3.1).
    pub tree_labels: RangeInclusive<u32>,
    /// Bridge ports.
    pub ports: RangeInclusive<u32>,
    /// Forwarding entries.
    pub nhlfes: RangeInclusive<u32>,
    /// Replication groups.
    pub groups: RangeInclusive<u32>,
    /// Policers.
    pub policers: RangeInclusive<u32>,
    /// Limits.
    pub limits: PeLimits,
    /// The channel type that probes travel by and are answered in: one of those for experiments, 0x7FF8 to 0x7FFF (RFC 5586 §10), the
    /// same at all PEs. Default none: no probe is sent or answered.
    pub probe_channel: Option<u16>,
    /// Where random delays begin.
    pub seed: u64,
}

impl PeConfig {
    /// A PE with ranges that are enough for the catalogue's scale targets.
    #[must_use]
    pub const fn new(router_id: Ipv4Addr) -> Self {
        Self {
            router_id,
            labels: 100_000..=499_999,
            tree_labels: 900_000..=900_999,
            ports: 0..=131_071,
            nhlfes: 0..=131_071,
            groups: 0..=131_071,
            policers: 0..=16_383,
            limits: PeLimits::DEFAULT,
            probe_channel: None,
            seed: 0,
        }
    }
}

/// What the whole PE may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeLimits {
    /// Routes of other PEs that are kept. Default 200,000.
    pub routes: usize,
    /// MAC withdraw messages a second of one peer. Default 100.
    pub mac_withdraws_per_second: u32,
    /// Membership records a second, of all instances. Default 20,000.
    pub records_per_second: u32,
    /// Switches of selective trees a second. Default 10.
    pub tree_switches_per_second: u32,
    /// At most one event of a kind and instance in this time. Default 10 s.
    pub event_interval: Duration,
}

impl PeLimits {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        routes: 200_000,
        mac_withdraws_per_second: 100,
        records_per_second: 20_000,
        tree_switches_per_second: 10,
        event_interval: Duration::from_secs(10),
    };
}

/// What one instance may cost. Each is its own, whatever others have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VsiLimits {
    /// Addresses learned. Default 8,192.
    pub macs: u32,
    /// Addresses learned at a circuit. Default 1,024.
    pub macs_per_circuit: u32,
    /// Circuits. Default 4,096.
    pub circuits: usize,
    /// Pseudowires. Default 4,096.
    pub pseudowires: usize,
    /// Groups and channels with an entry. Default 4,096.
    pub groups: usize,
    /// Groups that one circuit joins. Default 512.
    pub groups_per_circuit: usize,
    /// Sources of a group. Default 128.
    pub sources: usize,
    /// Membership records a second of a circuit, with bursts of twice as many. Default 500.
    pub records_per_circuit: u32,
    /// Membership records a second. Default 5,000.
    pub records: u32,
    /// PIM neighbours at a port. Default 64.
    pub neighbors_per_port: usize,
    /// PIM neighbours. Default 512.
    pub neighbors: usize,
    /// Ports towards routers that were learned. Default 16.
    pub router_ports: usize,
    /// Selective trees. Default 100.
    pub selective_trees: usize,
}

impl VsiLimits {
    /// The defaults of the catalogue's threat table.
    pub const DEFAULT: Self = Self {
        macs: 8192,
        macs_per_circuit: 1024,
        circuits: 4096,
        pseudowires: 4096,
        groups: 4096,
        groups_per_circuit: 512,
        sources: 128,
        records_per_circuit: 500,
        records: 5000,
        neighbors_per_port: 64,
        neighbors: 512,
        router_ports: 16,
        selective_trees: 100,
    };
}

/// BGP signalling of an instance (RFC 4761).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VeConfig {
    /// The VE identifier; PEs of one multi-homed site share it.
    pub ve_id: u16,
    /// Labels of a block: 1 to 4,096, default 8.
    pub block_size: u16,
    /// Whether other PEs may have the same VE identifier: the site is multi-homed (RFC 4761 §3.5).
    pub multi_homed: bool,
    /// Site preference, sent as LOCAL_PREF; the greatest is designated forwarder. Default 100.
    pub preference: u32,
    /// How long a site waits before it takes over. Default 3 s.
    pub hold_down: Duration,
}

impl VeConfig {
    /// A VE of a site with one PE.
    #[must_use]
    pub const fn new(ve_id: u16) -> Self {
        Self { ve_id, block_size: 8, multi_homed: false, preference: 100, hold_down: Duration::from_secs(3) }
    }
}

/// Whether unicast and multicast to a PE share their fate (RFC 5501 §5.11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FateSharing {
    /// One may fail without the other: a tree that fails is replaced by copies.
    #[default]
    None,
    /// A pseudowire is down while the tree to its PE is, and both return together.
    Coupled,
}

/// A virtual switch instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VsiConfig {
    /// Its number.
    pub vsi: VsiId,
    /// Route distinguisher of its routes.
    pub rd: RouteDistinguisher,
    /// Route targets that it takes.
    pub import: Vec<RouteTarget>,
    /// Route targets that it sends.
    pub export: Vec<RouteTarget>,
    /// BGP signalling.
    pub ve: Option<VeConfig>,
    /// The VPLS-id of BGP auto-discovery with LDP signalling (RFC 6074).
    pub discovery: Option<L2vpnId>,
    /// The MTU of frames' payloads: 64 at least, default 1,500. Other PEs must have the same.
    pub mtu: u16,
    /// The MTU that is promised for multicast; not above the other. Default none: the same.
    pub multicast_mtu: Option<u16>,
    /// Whether pseudowires have a control word. Default false.
    pub control_word: bool,
    /// Whether pseudowires have a flow label where the other end can take it (RFC 8395). Default false.
    pub flow_label: bool,
    /// Seconds after which an address is forgotten; 0: never. Default 300.
    pub mac_age: u16,
    /// VLANs of customers that are broadcast domains of their own, and the instance number of each (qualified learning).
    pub qualified: Vec<(VlanId, VsiId)>,
    /// What becomes of frames to 01-80-C2-00-00-00 to -0F. Default: transparent.
    pub link_local: LinkLocal,
    /// Snooping; none: customers' multicast is flooded.
    pub snoop: Option<SnoopConfig>,
    /// Trees; none: copies by pseudowires.
    pub trees: Option<TreeConfig>,
    /// Damping of memberships (RFC 7899).
    pub damping: Option<DampingConfig>,
    /// Whether unicast shares the fate of trees.
    pub fate: FateSharing,
    /// Rates of the whole instance by traffic type.
    pub rates: TypeRates,
    /// What copies of multicast may be in all, whatever they are copies of: frames that are copied more often are policed to less.
    /// Default none: no budget.
    pub copies: Option<Rate>,
    /// The traffic class of its frames, where a circuit says none; none: that of the priority in the tag.
    pub class: Option<Class>,
    /// The traffic class of each priority (RFC 4761 §4.2.7, RFC 4448 §4.7). Default: the same number.
    pub classes: ClassMap,
    /// Bandwidth in bit/s that streams are admitted to; none: no admission control.
    pub admission: Option<u64>,
    /// Limits.
    pub limits: VsiLimits,
}

impl VsiConfig {
    /// A plain VPLS without signalling: RFC 4762 bridging, nothing of multicast looked at.
    #[must_use]
    pub const fn new(vsi: VsiId, rd: RouteDistinguisher) -> Self {
        Self {
            vsi,
            rd,
            import: Vec::new(),
            export: Vec::new(),
            ve: None,
            discovery: None,
            mtu: 1500,
            multicast_mtu: None,
            control_word: false,
            flow_label: false,
            mac_age: 300,
            qualified: Vec::new(),
            link_local: LinkLocal::Flood,
            snoop: None,
            trees: None,
            damping: None,
            fate: FateSharing::None,
            rates: TypeRates::NONE,
            copies: None,
            class: None,
            classes: ClassMap::IDENTITY,
            admission: None,
            limits: VsiLimits::DEFAULT,
        }
    }

    /// The same route target in both directions.
    #[must_use]
    pub fn with_target(mut self, target: RouteTarget) -> Self {
        self.import = alloc::vec![target];
        self.export = alloc::vec![target];
        self
    }

    /// The MTU that is signalled: the smaller of the two, so that ends that promise less for multicast find each other.
    pub(crate) fn signalled_mtu(&self) -> u16 {
        self.multicast_mtu.map_or(self.mtu, |mtu| mtu.min(self.mtu))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Some(ve) = &self.ve {
            if ve.ve_id == 0 {
                return Err(ConfigError::VeId);
            }
            if !(1..=4096).contains(&ve.block_size) {
                return Err(ConfigError::BlockSize);
            }
        }
        let is_signalled = self.ve.is_some() || self.discovery.is_some();
        if is_signalled && (self.import.is_empty() || self.export.is_empty()) {
            return Err(ConfigError::Targets);
        }
        if self.mtu < 64 || self.multicast_mtu.is_some_and(|mtu| mtu > self.mtu) {
            return Err(ConfigError::Mtu);
        }
        if self.trees.is_some() && self.control_word {
            return Err(ConfigError::TreeControlWord);
        }
        if self.trees.is_some() && !is_signalled {
            return Err(ConfigError::TreeSignalling);
        }
        self.damping.map_or(Ok(()), |damping| damping.check())?;
        self.snoop.as_ref().map_or(Ok(()), SnoopConfig::check)
    }
}

/// An attachment circuit: a port of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitConfig {
    /// The interface.
    pub iface: IfIndex,
    /// Its service-delimiting tags: a port, a VLAN, stacked VLANs. Two circuits of an instance with other tags translate.
    pub tags: Tags,
    /// The traffic class of its frames; none: that of the instance.
    pub class: Option<Class>,
    /// Addresses learned at it; none: the instance's limit for circuits.
    pub mac_limit: Option<u32>,
    /// Multicast at it.
    pub snoop: CircuitSnoop,
    /// Rates by traffic type.
    pub rates: TypeRates,
}

impl CircuitConfig {
    /// A circuit with the defaults.
    #[must_use]
    pub const fn new(iface: IfIndex, tags: Tags) -> Self {
        Self { iface, tags, class: None, mac_limit: None, snoop: CircuitSnoop::DEFAULT, rates: TypeRates::NONE }
    }
}

/// What a pseudowire is in an instance (RFC 4762 §4.4, §10.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PwRole {
    /// Of the full mesh: frames do not go from one to another.
    Mesh,
    /// A spoke of H-VPLS: bridged like a circuit. Spokes of one group are redundant: one forwards, that of the lowest preference
    /// which is up.
    Spoke {
        /// The group; none: alone.
        group: Option<u16>,
        /// Preference, the lowest first.
        preference: u8,
    },
}

/// A pseudowire that an operator configures (RFC 4762 §6.1.1: FEC 128).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PwConfig {
    /// The other end.
    pub peer: IpAddr,
    /// PW identifier.
    pub pw_id: u32,
    /// What it is.
    pub role: PwRole,
    /// How long a better spoke must be up before it is taken again. Default 30 s.
    pub revert: Duration,
    /// Whether snooped reports and queries go to it, and groups are looked up for it.
    pub snoop: bool,
}

impl PwConfig {
    /// A pseudowire of the full mesh.
    #[must_use]
    pub const fn mesh(peer: IpAddr, pw_id: u32) -> Self {
        Self { peer, pw_id, role: PwRole::Mesh, revert: Duration::from_secs(30), snoop: true }
    }

    /// A spoke.
    #[must_use]
    pub const fn spoke(peer: IpAddr, pw_id: u32, group: Option<u16>, preference: u8) -> Self {
        Self { peer, pw_id, role: PwRole::Spoke { group, preference }, revert: Duration::from_secs(30), snoop: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_field_is_named() {
        let target = RouteTarget::two_octet_as(65000, 1);
        let base = VsiConfig::new(VsiId(1), RouteDistinguisher::two_octet_as(65000, 1)).with_target(target);
        assert_eq!(base.check(), Ok(()));
        let with = |change: fn(&mut VsiConfig)| {
            let mut config = base.clone();
            config.ve = Some(VeConfig::new(1));
            change(&mut config);
            config.check()
        };
        assert_eq!(with(|c| c.ve = Some(VeConfig::new(0))), Err(ConfigError::VeId));
        assert_eq!(with(|c| c.ve.as_mut().unwrap().block_size = 0), Err(ConfigError::BlockSize));
        assert_eq!(with(|c| c.export.clear()), Err(ConfigError::Targets));
        assert_eq!(with(|c| c.mtu = 63), Err(ConfigError::Mtu));
        assert_eq!(with(|c| c.multicast_mtu = Some(1501)), Err(ConfigError::Mtu));
        let trees = |c: &mut VsiConfig| {
            c.trees = Some(TreeConfig::default());
            c.control_word = true;
        };
        assert_eq!(with(trees), Err(ConfigError::TreeControlWord));
        let trees = |c: &mut VsiConfig| (c.trees, c.ve) = (Some(TreeConfig::default()), None);
        assert_eq!(with(trees), Err(ConfigError::TreeSignalling));
        let error = Err(ConfigError::Snoop(mvpn::gmp::ConfigError::Robustness));
        assert_eq!(
            with(|c| {
                let mut snoop = SnoopConfig::default();
                snoop.intervals.robustness = 0;
                c.snoop = Some(snoop);
            }),
            error
        );
    }
}
