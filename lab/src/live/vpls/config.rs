//! The configuration file of `lab vpls` (TOML).
//!
//! ```
//! let config = lab::live::vpls::config::Config::parse(r#"
//!     asn = 65001
//!     router-id = "198.51.100.1"
//!
//!     [core]
//!     name = "eth0"
//!     addresses = ["198.51.100.1/24"]
//!
//!     [[peer]]
//!     address = "198.51.100.3"
//!     local-address = "198.51.100.1"
//!
//!     [[pe]]
//!     address = "198.51.100.2"
//!
//!     [[vsi]]
//!     id = 1
//!     rd = "65001:1"
//!     targets = ["65001:100"]
//!     ve-id = 1
//!     snoop = true
//!
//!     [[vsi.circuit]]
//!     interface = "ce0"
//! "#).unwrap();
//! assert_eq!(config.vsis[0].circuits.len(), 1);
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, ensure};
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::L2vpnId;
use bgp_vpn::nlri::{Family, RouteDistinguisher};
use bgp_vpn::session::{FamilyConfig, LocalIdentity, PeerConfig, SessionConfig, SessionTimers};
use fwd_core::net::{Label, LabelStack, VlanId, VsiId};
use fwd_core::op::Tags;
use serde::Deserialize;
use vpls::snoop::SnoopConfig;
use vpls::{VeConfig, VsiConfig};

use crate::live::config::Text;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Our AS number; peers are in the same.
    pub asn: u32,
    /// Our BGP identifier, and the address that other PEs know us by.
    pub router_id: Ipv4Addr,
    /// TCP port to listen on and to connect to. Default 179.
    #[serde(default = "bgp_port")]
    pub port: u16,
    /// The first and the last label for pseudowires.
    #[serde(default = "labels")]
    pub labels: (u32, u32),
    /// The interface towards other PEs.
    pub core: Core,
    /// BGP peers.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
    /// Other PEs, and how they are reached.
    #[serde(default, rename = "pe")]
    pub pes: Vec<RemotePe>,
    /// Whether LDP runs with those PEs, for discovered and configured pseudowires.
    #[serde(default)]
    pub ldp: bool,
    /// Seconds that our Targeted Hellos hold. Default 45.
    #[serde(default = "targeted_hold")]
    pub targeted_hold: u16,
    /// Instances.
    #[serde(default, rename = "vsi")]
    pub vsis: Vec<Vsi>,
}

const fn bgp_port() -> u16 {
    179
}

const fn labels() -> (u32, u32) {
    (100_000, 109_999)
}

const fn hold() -> u64 {
    9
}

const fn targeted_hold() -> u16 {
    45
}

const fn mtu() -> u16 {
    1500
}

/// The core interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Core {
    /// The system's name of it.
    pub name: String,
    /// Our addresses on it, which the kernel has.
    pub addresses: Vec<String>,
}

/// A BGP peer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Our address for the session.
    pub local_address: IpAddr,
    /// Hold time in seconds. Default 9.
    #[serde(default = "hold")]
    pub hold: u64,
    /// Whether family 25/8 is offered beside 25/65.
    #[serde(default)]
    pub mcast: bool,
    /// Whether it connects and we wait.
    #[serde(default)]
    pub passive: bool,
}

/// Another PE.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemotePe {
    /// Its address.
    pub address: IpAddr,
    /// The neighbour on the core link that leads there. Default: itself.
    pub via: Option<IpAddr>,
    /// Labels in front of the pseudowire's. Default none: penultimate hop popping over one link.
    #[serde(default)]
    pub labels: Vec<u32>,
}

/// An instance.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Vsi {
    /// Its number.
    pub id: u16,
    /// Route distinguisher.
    pub rd: Text<RouteDistinguisher>,
    /// Route targets of both directions.
    #[serde(default)]
    pub targets: Vec<Text<RouteTarget>>,
    /// VE identifier: signalling by label blocks (RFC 4761).
    pub ve_id: Option<u16>,
    /// The VPLS-id as AS number and value: auto-discovery for LDP (RFC 6074).
    pub vpls_id: Option<(u16, u32)>,
    /// MTU of frames' payloads. Default 1,500.
    #[serde(default = "mtu")]
    pub mtu: u16,
    /// Whether pseudowires have a control word, where the other end wants it too.
    #[serde(default)]
    pub control_word: bool,
    /// Whether customers' IGMP, MLD and PIM are snooped.
    #[serde(default)]
    pub snoop: bool,
    /// The address of queries of ours; none: a querier of the customer's is needed.
    pub querier: Option<Ipv4Addr>,
    /// Pseudowires of the full mesh that LDP signals with the PWid FEC (RFC 4762 §6.1).
    #[serde(default, rename = "pseudowire")]
    pub pseudowires: Vec<Pseudowire>,
    /// Its circuits.
    #[serde(default, rename = "circuit")]
    pub circuits: Vec<Circuit>,
}

/// A pseudowire to another PE.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pseudowire {
    /// The PE.
    pub peer: IpAddr,
    /// Its number.
    pub id: u32,
}

/// An attachment circuit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Circuit {
    /// The system's name of the interface.
    pub interface: String,
    /// The VLAN that delimits the service; none: the whole port.
    pub vlan: Option<u16>,
}

impl Config {
    /// Forwarding entries of neighbours, and of the ways to PEs after them.
    pub const NEIGHBOURS: u32 = 64;
    /// Other PEs at most.
    pub const PES: u32 = 256;
    /// Where the entries of the machine begin.
    pub const NHLFES: u32 = Self::NEIGHBOURS + Self::PES;
    /// Where those of LDP begin, and where all end.
    pub const LDP_NHLFES: u32 = Self::NHLFES + 4096;
    /// Behind the last entry.
    pub const NHLFES_END: u32 = Self::LDP_NHLFES + 1024;
    /// Labels that LDP gives.
    pub const LDP_LABELS: [u32; 2] = [1000, 9999];

    /// Reads a configuration.
    ///
    /// # Errors
    /// Not TOML, a field that is unknown, missing or out of range.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        let first = Label::FIRST_UNRESERVED.value();
        let (low, high) = config.labels;
        ensure!(first <= low && low <= high && high <= Label::MAX.value(), "labels: {low} to {high}");
        ensure!(!config.ldp || Self::LDP_LABELS[1] < low, "labels: {low} is LDP's");
        ensure!(config.targeted_hold >= 3, "targeted-hold: below 3 s");
        ensure!(config.pes.len() < Self::PES as usize, "pe: more than {}", Self::PES);
        for pe in &config.pes {
            pe.stack().with_context(|| format!("pe {}", pe.address))?;
        }
        for circuit in config.vsis.iter().flat_map(|vsi| &vsi.circuits) {
            circuit.tags().with_context(|| format!("circuit {}", circuit.interface))?;
        }
        Ok(config)
    }

    /// The session with a peer.
    #[must_use]
    pub fn session(&self, peer: &Peer) -> SessionConfig {
        let mut families = vec![FamilyConfig::new(Family::VPLS)];
        families.extend(peer.mcast.then(|| FamilyConfig::new(Family::MCAST_VPLS)));
        SessionConfig {
            local: LocalIdentity { asn: self.asn, router_id: self.router_id },
            peer: PeerConfig {
                families,
                passive: peer.passive,
                timers: SessionTimers {
                    hold: Duration::from_secs(peer.hold),
                    connect_retry: Duration::from_secs(2),
                    ..SessionTimers::default()
                },
                ..PeerConfig::new(peer.address, peer.local_address, self.asn, &[])
            },
            seed: u64::from(self.router_id.to_bits()),
            restarted: false,
        }
    }
}

impl RemotePe {
    /// The labels to push.
    ///
    /// # Errors
    /// A value that is no label, or more than a stack holds.
    pub fn stack(&self) -> anyhow::Result<LabelStack> {
        let label = |value: &u32| Label::new(*value).with_context(|| format!("labels: {value}"));
        let labels = self.labels.iter().map(label).collect::<anyhow::Result<Vec<_>>>()?;
        LabelStack::new(&labels).context("labels: too many")
    }
}

impl Vsi {
    /// The machine's configuration of the instance.
    #[must_use]
    pub fn config(&self) -> VsiConfig {
        let targets: Vec<RouteTarget> = self.targets.iter().map(|t| t.0).collect();
        let snoop = || SnoopConfig {
            querier4: self.querier,
            querier6: self.querier.map(|a| std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, a.octets()[3].into())),
            settle: Duration::from_secs(2),
            ..SnoopConfig::default()
        };
        VsiConfig {
            import: targets.clone(),
            export: targets,
            ve: self.ve_id.map(VeConfig::new),
            discovery: self.vpls_id.map(|(asn, value)| L2vpnId::two_octet_as(asn, value)),
            mtu: self.mtu,
            control_word: self.control_word,
            snoop: self.snoop.then(snoop),
            ..VsiConfig::new(VsiId(self.id), self.rd.0)
        }
    }
}

impl Circuit {
    /// Its service-delimiting tags.
    ///
    /// # Errors
    /// A VLAN identifier that is none.
    pub fn tags(&self) -> anyhow::Result<Tags> {
        self.vlan
            .map_or(Ok(Tags::Any), |vlan| VlanId::new(vlan).map(Tags::Vlan).with_context(|| format!("vlan: {vlan}")))
    }
}
