//! What an operator says about a PIM router and its interfaces.

use core::ops::RangeInclusive;
use core::time::Duration;

use alloc::vec::Vec;
use fwd_core::net::{IfIndex, VrfId};

use super::network::PimAddress;

/// Which prefixes are allowed: the first rule that holds the address decides, and no rule means yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixFilter<A: PimAddress> {
    /// Prefix, and whether it is permitted.
    pub rules: Vec<(A::Prefix, bool)>,
}

impl<A: PimAddress> Default for PrefixFilter<A> {
    fn default() -> Self {
        Self { rules: Vec::new() }
    }
}

impl<A: PimAddress> PrefixFilter<A> {
    /// Whether the address is permitted.
    #[must_use]
    pub fn permits(&self, address: A) -> bool {
        self.rules.iter().find(|(prefix, _)| address.is_in(prefix)).is_none_or(|(_, permit)| *permit)
    }
}

/// When a last-hop router leaves the shared tree for that of the source: SwitchToSptDesired (RFC 7761 §4.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SptThreshold {
    /// At the first packet.
    #[default]
    Immediate,
    /// When a source sends more than this many octets in a second.
    OctetsPerSecond(u64),
    /// Never.
    Infinity,
}

/// How much state peers may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PimLimits {
    /// (*,G) and (S,G) states of the VRF and family. Default 100,000.
    pub states: usize,
    /// States that Joins and members of one interface may make. Default 20,000.
    pub states_per_interface: usize,
    /// Neighbours of an interface. Default 256.
    pub neighbors_per_interface: usize,
    /// Messages of one neighbour in a second, of which as many may come at once. Default 500.
    pub messages_per_neighbor: u32,
    /// Hellos that say something new (a neighbour, its restart, its priority), by interface and second. Default 50.
    pub hello_changes_per_second: u32,
    /// Registers by second. Default 10,000.
    pub registers_per_second: u32,
    /// Data packets that software looks at by second. Default 10,000.
    pub data_per_second: u32,
    /// Octets of Join attributes (RFC 5384) that a neighbour may send with one source. Default 64.
    pub join_attribute_octets: usize,
    /// ECMP Redirects (RFC 6754) sent out of an interface in a second. Default 100.
    pub redirects_per_second: u32,
}

impl Default for PimLimits {
    fn default() -> Self {
        Self {
            states: 100_000,
            states_per_interface: 20_000,
            neighbors_per_interface: 256,
            messages_per_neighbor: 500,
            hello_changes_per_second: 50,
            registers_per_second: 10_000,
            data_per_second: 10_000,
            join_attribute_octets: 64,
            redirects_per_second: 100,
        }
    }
}

/// Timer values (RFC 7761 §4.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PimTimers {
    /// t_periodic: 10 to 600 s, default 60 s. Joins hold for 3.5 times as long.
    pub join_prune_period: Duration,
    /// Keepalive_Period: at least 10 s, default 210 s.
    pub keepalive: Duration,
    /// Register_Suppression_Time: at least 10 s, default 60 s.
    pub register_suppression: Duration,
    /// Register_Probe_Time: less than half the suppression time, default 5 s.
    pub register_probe: Duration,
    /// Assert_Time: at least 10 s, default 180 s.
    pub assert: Duration,
    /// Assert_Override_Interval: less than Assert_Time, default 3 s.
    pub assert_override: Duration,
}

impl Default for PimTimers {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            join_prune_period: secs(60),
            keepalive: secs(210),
            register_suppression: secs(60),
            register_probe: secs(5),
            assert: secs(180),
            assert_override: secs(3),
        }
    }
}

/// BIDIR-PIM (RFC 5015) of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BidirConfig {
    /// Numbers of sets of interfaces in the forwarder that are this router's alone, one for each RPA.
    pub rpf_sets: RangeInclusive<u32>,
    /// Offer_Period: 10 ms to 10 s, default 100 ms.
    pub offer_period: Duration,
    /// Backoff_Period: more than the offer period and at most 65,535 ms, default 1 s.
    pub backoff_period: Duration,
    /// Election_Robustness: 1 to 10, default 3.
    pub robustness: u8,
    /// How often the DF says that it is (RFC 5015 §3.5.6): at least 1 s, default 60 s. A router that missed the outcome of an election
    /// learns it so.
    pub winner_period: Duration,
}

impl BidirConfig {
    /// The RFC's defaults.
    #[must_use]
    pub const fn new(rpf_sets: RangeInclusive<u32>) -> Self {
        Self {
            rpf_sets,
            offer_period: Duration::from_millis(100),
            backoff_period: Duration::from_secs(1),
            robustness: 3,
            winner_period: Duration::from_secs(60),
        }
    }

    fn check(&self) -> Result<(), PimConfigError> {
        let millis = Duration::from_millis;
        if self.rpf_sets.is_empty() {
            return Err(PimConfigError::RpfSets);
        }
        if !(millis(10)..=millis(10_000)).contains(&self.offer_period) {
            return Err(PimConfigError::OfferPeriod);
        }
        if self.backoff_period <= self.offer_period || self.backoff_period > millis(0xffff) {
            return Err(PimConfigError::BackoffPeriod);
        }
        if self.winner_period < millis(1000) {
            return Err(PimConfigError::WinnerPeriod);
        }
        if !(1..=10).contains(&self.robustness) {
            return Err(PimConfigError::ElectionRobustness);
        }
        Ok(())
    }
}

/// PIM-DM (RFC 3973) of a router.
#[derive(Clone, Debug)]
pub struct DenseConfig<A: PimAddress> {
    /// Groups that are flooded and pruned. The SSM range never is.
    pub ranges: Vec<A::Prefix>,
    /// StateRefreshInterval: 1 to 255 s, default 60 s. Without one, State Refreshes are neither sent nor taken.
    pub state_refresh: Option<Duration>,
    /// RefreshLimitInterval: State Refreshes of a source and group that follow sooner are not passed on. Default 30 s.
    pub refresh_limit: Duration,
    /// TTL of State Refreshes of this router, not zero, default 255: the embedder does not say those of packets.
    pub refresh_ttl: u8,
    /// SourceLifetime: at least 10 s, default 210 s. State of a source without packets and messages is kept as long.
    pub source_lifetime: Duration,
    /// Graft_Retry_Period: at least 1 s, default 3 s.
    pub graft_retry: Duration,
    /// t_limit, and the holdtime of Prunes: 10 to 65,534 s, default 210 s.
    pub prune_limit: Duration,
}

impl<A: PimAddress> Default for DenseConfig<A> {
    fn default() -> Self {
        Self {
            ranges: Vec::new(),
            state_refresh: Some(Duration::from_secs(60)),
            refresh_limit: Duration::from_secs(30),
            refresh_ttl: u8::MAX,
            source_lifetime: Duration::from_secs(210),
            graft_retry: Duration::from_secs(3),
            prune_limit: Duration::from_secs(210),
        }
    }
}

impl<A: PimAddress> DenseConfig<A> {
    fn check(&self) -> Result<(), PimConfigError> {
        let secs = Duration::from_secs;
        if self.state_refresh.is_some_and(|i| !(secs(1)..=secs(255)).contains(&i)) || self.refresh_ttl == 0 {
            return Err(PimConfigError::StateRefresh);
        }
        if self.source_lifetime < secs(10) {
            return Err(PimConfigError::SourceLifetime);
        }
        if self.graft_retry < secs(1) {
            return Err(PimConfigError::GraftRetry);
        }
        if !(secs(10)..secs(0xffff)).contains(&self.prune_limit) {
            return Err(PimConfigError::PruneLimit);
        }
        Ok(())
    }
}

/// A PIM router: one VRF and one family.
#[derive(Clone, Debug)]
pub struct PimConfig<A: PimAddress> {
    /// The VRF.
    pub vrf: VrfId,
    /// Seed of random delays and generation IDs.
    pub seed: u64,
    /// Numbers of replication groups in the forwarder that are this router's alone.
    pub replication: RangeInclusive<u32>,
    /// Source of Registers and Register-Stops that no interface gives one for; an address of this router.
    pub router_address: A,
    /// Addresses of this router beside those of interfaces: RP addresses on loopbacks.
    pub local_addresses: Vec<A>,
    /// Group ranges of source-specific multicast beside 232.0.0.0/8 and ff3x::/32.
    pub ssm_ranges: Vec<A::Prefix>,
    /// When to leave the shared tree.
    pub spt_threshold: SptThreshold,
    /// Which groups may have state.
    pub group_filter: PrefixFilter<A>,
    /// Which sources may have state, be registered and be forwarded.
    pub source_filter: PrefixFilter<A>,
    /// The other members of the Anycast-RP set (RFC 4610) of each RP address that is this router's.
    pub anycast_rp: Vec<(A, Vec<A>)>,
    /// BIDIR-PIM; without it, groups whose RP says BIDIR have no state.
    pub bidir: Option<BidirConfig>,
    /// PIM-DM; without it no group is flooded.
    pub dense: Option<DenseConfig<A>>,
    /// Groups whose RPF lookups are done in another topology, 1 to 4095 (RFC 6420 §4.2.2): the first range that holds the group. It goes
    /// before what neighbours ask for.
    pub topologies: Vec<(A::Prefix, u16)>,
    /// Groups whose sources are joined by a second way too, which takes over at once when the first fails (RFC 7431).
    pub fast_reroute: Vec<A::Prefix>,
    /// Router identifier of the Interface ID option (RFC 6395), unique in the domain; 0 leaves the option out. ECMP Redirects of IPv6 need
    /// it.
    pub router_id: u32,
    /// Limits.
    pub limits: PimLimits,
    /// Timers.
    pub timers: PimTimers,
}

impl<A: PimAddress> PimConfig<A> {
    /// Defaults for everything but what has none.
    #[must_use]
    pub fn new(vrf: VrfId, router_address: A, replication: RangeInclusive<u32>) -> Self {
        Self {
            vrf,
            seed: 0,
            replication,
            router_address,
            local_addresses: Vec::new(),
            ssm_ranges: Vec::new(),
            spt_threshold: SptThreshold::default(),
            group_filter: PrefixFilter::default(),
            source_filter: PrefixFilter::default(),
            anycast_rp: Vec::new(),
            bidir: None,
            dense: None,
            topologies: Vec::new(),
            fast_reroute: Vec::new(),
            router_id: 0,
            limits: PimLimits::default(),
            timers: PimTimers::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), PimConfigError> {
        let secs = Duration::from_secs;
        let (t, l) = (&self.timers, &self.limits);
        if !self.router_address.is_host() {
            return Err(PimConfigError::RouterAddress);
        }
        if self.replication.is_empty() {
            return Err(PimConfigError::Replication);
        }
        if !self.local_addresses.iter().all(|a| a.is_host()) {
            return Err(PimConfigError::LocalAddresses);
        }
        if !self.anycast_rp.iter().all(|(rp, peers)| rp.is_host() && peers.iter().all(|p| p.is_host() && p != rp)) {
            return Err(PimConfigError::AnycastRp);
        }
        if !(secs(10)..=secs(600)).contains(&t.join_prune_period) {
            return Err(PimConfigError::JoinPrunePeriod);
        }
        if t.keepalive < secs(10) {
            return Err(PimConfigError::Keepalive);
        }
        if t.register_suppression < secs(10) || t.register_probe.saturating_mul(2) >= t.register_suppression {
            return Err(PimConfigError::RegisterSuppression);
        }
        if t.assert < secs(10) || t.assert_override >= t.assert {
            return Err(PimConfigError::Assert);
        }
        let rates = [
            l.messages_per_neighbor,
            l.hello_changes_per_second,
            l.registers_per_second,
            l.data_per_second,
            l.redirects_per_second,
        ];
        if !self.topologies.iter().all(|(_, topology)| (1..=0x0fff).contains(topology)) {
            return Err(PimConfigError::Topologies);
        }
        if l.states == 0 || l.states_per_interface == 0 || l.neighbors_per_interface == 0 || rates.contains(&0) {
            return Err(PimConfigError::Limits);
        }
        self.bidir.as_ref().map_or(Ok(()), BidirConfig::check)?;
        self.dense.as_ref().map_or(Ok(()), DenseConfig::check)
    }
}

/// DR load balancing of an interface (RFC 8775 §5.3.2). Every router of the link needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrLoadBalancing<A> {
    /// Which bits of a group count.
    pub group_mask: A,
    /// Which bits of a source count.
    pub source_mask: A,
    /// Which bits of an RP count; zero takes those of the group instead.
    pub rp_mask: A,
}

/// An interface of a bundle of links of equal cost (RFC 6754).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcmpConfig {
    /// Number of the bundle in this router.
    pub bundle: u32,
    /// First measure of the interface, less being better. Not 15, which would make the metric a time.
    pub preference: u8,
    /// Second measure, less being better.
    pub metric: u64,
}

/// A PIM interface.
#[derive(Clone, Debug)]
pub struct PimInterfaceConfig<A: PimAddress> {
    /// The interface.
    pub interface: IfIndex,
    /// Primary address: source of messages; link-local in IPv6.
    pub address: A,
    /// Secondary addresses.
    pub secondary: Vec<A>,
    /// Subnets of the link; sources in them are directly connected.
    pub subnets: Vec<A::Prefix>,
    /// Hello_Period: 1 to 3,600 s, default 30 s; the holdtime is 3.5 times as long.
    pub hello_period: Duration,
    /// Triggered_Hello_Delay: at most the period, default 5 s.
    pub triggered_hello_delay: Duration,
    /// DR priority, default 1.
    pub dr_priority: u32,
    /// Propagation_Delay: 100 to 32,767 ms, default 500 ms (RFC 7761 §4.3.3 asks for a lower bound).
    pub propagation_delay: Duration,
    /// Override_Interval: at most 65,535 ms, default 2,500 ms.
    pub override_interval: Duration,
    /// T of LAN Prune Delay: this router can do without join suppression.
    pub tracking_support: bool,
    /// A point-to-point link: Join/Prunes to the unspecified address are taken too.
    pub point_to_point: bool,
    /// No PIM message is sent or taken: hosts only. This router is then the DR.
    pub passive: bool,
    /// A designated forwarder is elected for each RPA of BIDIR-PIM (RFC 5015 §3.5). Default yes. Without, this router is one where the interface
    /// is not its own way to the RPA: others of the link are told by other means whether they may take what it sends (RFC 6513 §11.2).
    pub df_election: bool,
    /// Only messages that the embedder says are authenticated are taken (RFC 5796).
    pub authenticated: bool,
    /// Whether receivers behind the interface are served: Joins and members.
    pub receivers: bool,
    /// Whether sources behind the interface are served: data and Registers for it.
    pub senders: bool,
    /// Octets of a packet on the link: 576 to 65,535, default 1,500.
    pub mtu: u16,
    /// Which neighbours are taken.
    pub neighbor_filter: PrefixFilter<A>,
    /// Which groups may be joined here.
    pub group_filter: PrefixFilter<A>,
    /// Which sources may be joined here.
    pub source_filter: PrefixFilter<A>,
    /// DR load balancing.
    pub dr_load_balancing: Option<DrLoadBalancing<A>>,
    /// Whether Join attributes, RPF vectors and topologies among them, are announced, sent and taken (RFC 5384, RFC 5496, RFC 6420). Default
    /// no: who may send them steers this router's Joins.
    pub join_attributes: bool,
    /// The bundle of links that it is of: ECMP Redirects are announced, sent and taken.
    pub ecmp: Option<EcmpConfig>,
}

impl<A: PimAddress> PimInterfaceConfig<A> {
    /// An interface with the RFC's defaults.
    #[must_use]
    pub fn new(interface: IfIndex, address: A, subnets: Vec<A::Prefix>) -> Self {
        Self {
            interface,
            address,
            secondary: Vec::new(),
            subnets,
            hello_period: Duration::from_secs(30),
            triggered_hello_delay: Duration::from_secs(5),
            dr_priority: 1,
            propagation_delay: Duration::from_millis(500),
            override_interval: Duration::from_millis(2500),
            tracking_support: false,
            point_to_point: false,
            passive: false,
            df_election: true,
            authenticated: false,
            receivers: true,
            senders: true,
            mtu: 1500,
            neighbor_filter: PrefixFilter::default(),
            group_filter: PrefixFilter::default(),
            source_filter: PrefixFilter::default(),
            dr_load_balancing: None,
            join_attributes: false,
            ecmp: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), PimConfigError> {
        let (secs, millis) = (Duration::from_secs, Duration::from_millis);
        if !self.address.is_link_protocol_source() {
            return Err(PimConfigError::Address);
        }
        if !(secs(1)..=secs(3600)).contains(&self.hello_period) {
            return Err(PimConfigError::HelloPeriod);
        }
        if self.triggered_hello_delay > self.hello_period {
            return Err(PimConfigError::TriggeredHelloDelay);
        }
        if !(millis(100)..=millis(0x7fff)).contains(&self.propagation_delay) {
            return Err(PimConfigError::PropagationDelay);
        }
        if self.override_interval > millis(0xffff) {
            return Err(PimConfigError::OverrideInterval);
        }
        if self.secondary.len() > 64 {
            return Err(PimConfigError::Secondary);
        }
        if self.mtu < 576 {
            return Err(PimConfigError::Mtu);
        }
        if self.ecmp.is_some_and(|e| e.preference == 15) {
            return Err(PimConfigError::EcmpPreference);
        }
        Ok(())
    }
}

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PimConfigError {
    /// `router_address`.
    #[error("router_address: not a unicast address")]
    RouterAddress,
    /// `replication`.
    #[error("replication: an empty range")]
    Replication,
    /// `local_addresses`.
    #[error("local_addresses: not unicast addresses")]
    LocalAddresses,
    /// `anycast_rp`.
    #[error("anycast_rp: not unicast addresses, or the RP address among the members")]
    AnycastRp,
    /// `timers.join_prune_period`.
    #[error("join_prune_period: not 10 to 600 s")]
    JoinPrunePeriod,
    /// `timers.keepalive`.
    #[error("keepalive: below 10 s")]
    Keepalive,
    /// `timers.register_suppression`, `timers.register_probe`.
    #[error("register_suppression: below 10 s, or not more than twice register_probe")]
    RegisterSuppression,
    /// `timers.assert`, `timers.assert_override`.
    #[error("assert: below 10 s, or not more than assert_override")]
    Assert,
    /// `limits`.
    #[error("limits: a limit of 0")]
    Limits,
    /// `bidir.rpf_sets`.
    #[error("rpf_sets: an empty range")]
    RpfSets,
    /// `bidir.offer_period`.
    #[error("offer_period: not 10 ms to 10 s")]
    OfferPeriod,
    /// `bidir.backoff_period`.
    #[error("backoff_period: not more than offer_period, or more than 65,535 ms")]
    BackoffPeriod,
    /// `dense.state_refresh`, `dense.refresh_ttl`.
    #[error("state_refresh: not 1 to 255 s, or a TTL of 0")]
    StateRefresh,
    /// `dense.source_lifetime`.
    #[error("source_lifetime: below 10 s")]
    SourceLifetime,
    /// `dense.graft_retry`.
    #[error("graft_retry: below 1 s")]
    GraftRetry,
    /// `dense.prune_limit`.
    #[error("prune_limit: not 10 to 65,534 s")]
    PruneLimit,
    /// `bidir.winner_period`.
    #[error("winner_period: below 1 s")]
    WinnerPeriod,
    /// `bidir.robustness`.
    #[error("robustness: not 1 to 10")]
    ElectionRobustness,
    /// `address`.
    #[error("address: not an address that PIM messages are sent from")]
    Address,
    /// `hello_period`.
    #[error("hello_period: not 1 to 3,600 s")]
    HelloPeriod,
    /// `triggered_hello_delay`.
    #[error("triggered_hello_delay: more than hello_period")]
    TriggeredHelloDelay,
    /// `propagation_delay`.
    #[error("propagation_delay: not 100 to 32,767 ms")]
    PropagationDelay,
    /// `override_interval`.
    #[error("override_interval: more than 65,535 ms")]
    OverrideInterval,
    /// `secondary`.
    #[error("secondary: more than 64 addresses")]
    Secondary,
    /// `mtu`.
    #[error("mtu: below 576")]
    Mtu,
    /// `topologies`.
    #[error("topologies: not 1 to 4095")]
    Topologies,
    /// `ecmp.preference`.
    #[error("ecmp.preference: 15 is reserved")]
    EcmpPreference,
    /// `ecmp` without `router_id` in IPv6.
    #[error("router_id: ECMP Redirects of IPv6 need one")]
    RouterId,
    /// The interface is there already, or is not.
    #[error("interface: already a PIM interface, or none")]
    Interface,
}
