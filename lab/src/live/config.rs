//! The configuration file of `lab peer` (TOML).
//!
//! ```
//! let config = lab::live::config::Config::parse(r#"
//!     asn = 65001
//!     router-id = "192.0.2.1"
//!
//!     [[peer]]
//!     address = "198.51.100.2"
//!     local-address = "198.51.100.1"
//!     remote-as = 65001
//!     families = ["vpn-ipv4", "vpn-ipv6"]
//!     hold = 9
//!
//!     [[vrf]]
//!     name = "red"
//!     rd = "65001:1"
//!     targets = ["65001:100"]
//!     routes = ["10.1.0.0/24", "fd00:1::/48"]
//!
//!     [[at]]
//!     second = 20
//!     command = "withdraw red 10.1.0.0/24"
//! "#).unwrap();
//! assert_eq!(config.peers[0].hold, 9);
//! ```

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bgp_vpn::attr::ext_community::RouteTarget;
use bgp_vpn::nlri::{Family, RouteDistinguisher};
use bgp_vpn::session::{
    FamilyConfig, LocalIdentity, NextHopRule, PeerConfig, PeerRole, Protection, SessionTimers, UpdateRate,
};
use bgp_vpn::speaker::SpeakerConfig;
use bgp_vpn::vrf::{LabelMode, RouteLimit, VrfConfig};
use fwd_core::net::{IpPrefix, Label, LabelStack, NhlfeId, VrfId};
use serde::{Deserialize, Deserializer};

use super::security::Authentication;

/// A value that is written as text, as its `FromStr` reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<'de, T: FromStr> Deserialize<'de> for Text<T>
where
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|e| serde::de::Error::custom(format_args!("{text:?}: {e}")))
    }
}

/// An address family by its name.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum FamilyName {
    /// 1/1.
    Ipv4Unicast,
    /// 2/1.
    Ipv6Unicast,
    /// 1/4.
    Ipv4LabeledUnicast,
    /// 2/4.
    Ipv6LabeledUnicast,
    /// 1/128.
    VpnIpv4,
    /// 2/128.
    VpnIpv6,
    /// 1/132.
    RtConstraint,
    /// 1/5.
    McastVpnIpv4,
    /// 2/5.
    McastVpnIpv6,
    /// 1/66.
    Mdt,
    /// 25/65.
    Vpls,
    /// 25/8.
    McastVpls,
    /// 25/70.
    Evpn,
}

impl FamilyName {
    fn family(self) -> Family {
        match self {
            Self::Ipv4Unicast => Family::IPV4_UNICAST,
            Self::Ipv6Unicast => Family::IPV6_UNICAST,
            Self::Ipv4LabeledUnicast => Family::IPV4_LABELED_UNICAST,
            Self::Ipv6LabeledUnicast => Family::IPV6_LABELED_UNICAST,
            Self::VpnIpv4 => Family::VPN_IPV4,
            Self::VpnIpv6 => Family::VPN_IPV6,
            Self::RtConstraint => Family::RT_CONSTRAINT,
            Self::McastVpnIpv4 => Family::MCAST_VPN_IPV4,
            Self::McastVpnIpv6 => Family::MCAST_VPN_IPV6,
            Self::Mdt => Family::MDT,
            Self::Vpls => Family::VPLS,
            Self::McastVpls => Family::MCAST_VPLS,
            Self::Evpn => Family::EVPN,
        }
    }
}

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Our AS number.
    pub asn: u32,
    /// Our BGP identifier.
    pub router_id: Ipv4Addr,
    /// Cluster identifier as a route reflector. Default: the BGP identifier.
    pub cluster_id: Option<Ipv4Addr>,
    /// The first and the last VPN label to hand out. Default 16 to 1,048,575.
    #[serde(default = "all_labels")]
    pub labels: (u32, u32),
    /// TCP port to listen on and to connect to. Default 179.
    #[serde(default = "bgp_port")]
    pub port: u16,
    /// Next hops that are reachable beside the peers' own addresses: PEs behind a route reflector.
    #[serde(default)]
    pub next_hops: Vec<IpAddr>,
    /// Seed of all jitter. Default 1.
    #[serde(default = "one")]
    pub seed: u64,
    /// The peers.
    #[serde(default, rename = "peer")]
    pub peers: Vec<Peer>,
    /// Labels on which tunnels from other PEs end here, below which VPN labels are: those that this router would announce for its
    /// own address by LDP, without penultimate hop popping.
    #[serde(default)]
    pub transport_labels: Vec<u32>,
    /// The VRFs.
    #[serde(default, rename = "vrf")]
    pub vrfs: Vec<Vrf>,
    /// Interfaces to forward packets on. Without any there are tables, but no packets.
    #[serde(default, rename = "interface")]
    pub interfaces: Vec<Interface>,
    /// Routes behind the CEs on these interfaces.
    #[serde(default, rename = "static")]
    pub statics: Vec<Static>,
    /// Ways to BGP next hops that are not on a core interface's own subnet.
    #[serde(default, rename = "tunnel")]
    pub tunnels: Vec<Tunnel>,
    /// An SNMP agent to serve the managed objects through.
    pub snmp: Option<Snmp>,
    /// A collector of the VRFs' counters.
    pub ipfix: Option<Ipfix>,
    /// Commands to be carried out at a time.
    #[serde(default, rename = "at")]
    pub script: Vec<Step>,
}

/// One `[[peer]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Peer {
    /// The peer's address.
    pub address: IpAddr,
    /// Our address.
    pub local_address: IpAddr,
    /// The peer's AS number.
    pub remote_as: u32,
    /// The VRF the session belongs to, for a CE. The CE is reached over an attachment circuit of its own.
    pub vrf: Option<String>,
    /// The peer is our client as a route reflector.
    #[serde(default)]
    pub client: bool,
    /// Families to offer.
    pub families: Vec<FamilyName>,
    /// Offer IPv6 next hops in IPv4 families (RFC 8950).
    #[serde(default)]
    pub extended_next_hop: bool,
    /// Take several paths per destination (RFC 7911).
    #[serde(default)]
    pub add_path_receive: bool,
    /// Offer messages longer than 4,096 octets (RFC 8654). Default on.
    #[serde(default = "yes")]
    pub extended_messages: bool,
    /// Hold time to offer, in seconds. Default 90.
    #[serde(default = "hold")]
    pub hold: u64,
    /// Seconds between attempts to connect. Default 5: `lab peer` is mostly used beside something being started.
    #[serde(default = "connect_retry")]
    pub connect_retry: u64,
    /// Wait for the peer to connect.
    #[serde(default)]
    pub passive: bool,
    /// Send several paths per destination (RFC 7911). Default off.
    #[serde(default)]
    pub add_path_send: bool,
    /// Offer long-lived graceful restart (RFC 9494) with this stale time, in seconds.
    pub long_lived: Option<u64>,
    /// Offer graceful restart with this restart time, in seconds.
    pub graceful_restart: Option<u64>,
    /// Which next hop the peer is told of routes that others brought. Default: by the kind of peer.
    #[serde(default)]
    pub next_hop: NextHopName,
    /// Routes a second to take from the peer, and routes to take at once before that counts.
    pub update_rate: Option<(u32, u32)>,
    /// Authenticate by TCP MD5 (RFC 2385) with this key.
    pub md5: Option<String>,
    /// Authenticate by TCP-AO (RFC 5925) with this key.
    pub tcp_ao: Option<String>,
    /// KeyID of TCP-AO in both directions. Default 1.
    #[serde(default = "key_id")]
    pub tcp_ao_id: u8,
    /// The peer is at most so many hops away, and what comes from farther is dropped (RFC 5082); 1: on our link.
    pub gtsm_hops: Option<u8>,
    /// TTL of our packets. Default: 1 to an external peer, the system's to an internal one.
    pub ttl: Option<u8>,
}

/// One `[[vrf]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Vrf {
    /// Its name.
    pub name: String,
    /// Its route distinguisher.
    pub rd: Text<RouteDistinguisher>,
    /// Route targets to import and export, unless `import` or `export` says otherwise.
    #[serde(default)]
    pub targets: Vec<Text<RouteTarget>>,
    /// Route targets to import.
    pub import: Option<Vec<Text<RouteTarget>>>,
    /// Route targets to export.
    pub export: Option<Vec<Text<RouteTarget>>>,
    /// Which packets share a label. Default: those of the VRF.
    #[serde(default)]
    pub label_mode: LabelModeName,
    /// Prefixes to announce from the start.
    #[serde(default)]
    pub routes: Vec<Text<IpPrefix>>,
    /// Routes at which a first and a second warning are raised, and routes that the VRF holds at most.
    pub limit: Option<(u32, u32, u32)>,
}

/// One `[[interface]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Interface {
    /// The system's name of it.
    pub name: String,
    /// The VRF it belongs to. Without one it is a core interface, whose addresses the kernel has too.
    pub vrf: Option<String>,
    /// Our addresses on it, with the length of their subnets.
    pub addresses: Vec<Text<InterfaceAddress>>,
}

/// One `[[static]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Static {
    /// The VRF.
    pub vrf: String,
    /// The destination.
    pub prefix: Text<IpPrefix>,
    /// The CE's address on an interface of the VRF.
    pub via: IpAddr,
}

/// One `[[tunnel]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tunnel {
    /// The BGP next hop.
    pub next_hop: IpAddr,
    /// The neighbour on a core interface.
    pub via: IpAddr,
    /// Transport labels to push, top first. Default none: the neighbour is the penultimate hop or the PE itself.
    #[serde(default)]
    pub labels: Vec<u32>,
}

/// An address with the length of its subnet, `10.1.2.3/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceAddress(pub IpAddr, pub u8);

impl FromStr for InterfaceAddress {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (address, len) = text.split_once('/').context("an address and the length of its subnet")?;
        let (address, len) = (address.parse()?, len.parse()?);
        ensure!(super::plane::prefix(address, len).is_some(), "{len} is no length of its subnet");
        Ok(Self(address, len))
    }
}

/// `[snmp]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Snmp {
    /// The Unix socket of the master agent (RFC 2741).
    pub agentx: PathBuf,
    /// Whether notifications are sent; the master can change it.
    #[serde(default)]
    pub notifications: bool,
    /// Labelled packets refused on a VRF's interfaces above which a notification is sent. Default 0.
    #[serde(default)]
    pub illegal_label_threshold: u32,
}

/// `[ipfix]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ipfix {
    /// Address and UDP port of the collector.
    pub collector: SocketAddr,
    /// Seconds between records, at least 0.1. Default 60.
    #[serde(default = "minute")]
    pub interval: f64,
}

/// A next hop rule by its name (RFC 4364 §10).
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum NextHopName {
    /// Ours towards other ASes and CEs, the route's own within the AS.
    #[default]
    ByKind,
    /// Ours: an ASBR towards its own AS (option B).
    Own,
    /// The route's own: between reflectors of several ASes (option C).
    Unchanged,
}

/// A label mode by its name.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum LabelModeName {
    /// One label for the VRF.
    #[default]
    PerVrf,
    /// One label per prefix.
    PerPrefix,
}

/// One `[[at]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// Seconds after the start.
    pub second: f64,
    /// What to do, in the words of the command input (`lab peer --help`).
    pub command: String,
}

fn all_labels() -> (u32, u32) {
    (Label::FIRST_UNRESERVED.value(), Label::MAX.value())
}

fn bgp_port() -> u16 {
    179
}

fn one() -> u64 {
    1
}

fn key_id() -> u8 {
    1
}

fn minute() -> f64 {
    60.0
}

fn yes() -> bool {
    true
}

fn hold() -> u64 {
    90
}

fn connect_retry() -> u64 {
    5
}

impl Config {
    /// Entries for the ways to next hops: below those that the speaker numbers.
    pub const NEXT_HOPS: u32 = 1024;
    /// Entries for the neighbours on interfaces, after those.
    pub const NEIGHBOURS: u32 = 1024;
    /// Next hop label forwarding entries of the router: those of next hops and neighbours, then the speaker's.
    pub const NHLFES: u32 = 1 << 16;

    /// Reads a configuration.
    ///
    /// # Errors
    /// Not TOML, a field that is unknown, missing or out of range: which one, and in which line.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        for peer in &config.peers {
            ensure!(
                peer.address.is_ipv4() == peer.local_address.is_ipv4(),
                "peer {}: local-address {} is of the other IP version",
                peer.address,
                peer.local_address
            );
            ensure!(peer.gtsm_hops != Some(0), "peer {}: gtsm-hops must be 1 to 255", peer.address);
            ensure!(
                peer.md5.is_none() || peer.tcp_ao.is_none(),
                "peer {}: md5 and tcp-ao exclude each other",
                peer.address
            );
            ensure!(!peer.families.is_empty(), "peer {}: families must not be empty", peer.address);
            if let Some(name) = &peer.vrf {
                config.vrf_id(name).with_context(|| format!("peer {}", peer.address))?;
            }
        }
        for interface in &config.interfaces {
            if let Some(name) = &interface.vrf {
                config.vrf_id(name).with_context(|| format!("interface {}", interface.name))?;
            }
        }
        for route in &config.statics {
            config.vrf_id(&route.vrf).with_context(|| format!("static {}", route.prefix.0))?;
        }
        for tunnel in &config.tunnels {
            tunnel.stack().with_context(|| format!("tunnel to {}", tunnel.next_hop))?;
        }
        ensure!(config.ipfix.as_ref().is_none_or(|i| i.interval >= 0.1), "ipfix: interval must be at least 0.1");
        ensure!(config.script.iter().all(|s| s.second >= 0.0), "at: second must not be negative");
        Ok(config)
    }

    /// The speaker's own configuration.
    ///
    /// # Errors
    /// A label that is none.
    pub fn speaker(&self) -> anyhow::Result<SpeakerConfig> {
        let label = |value| Label::new(value).with_context(|| format!("labels: {value} is above {}", Label::MAX));
        Ok(SpeakerConfig {
            local: LocalIdentity { asn: self.asn, router_id: self.router_id },
            cluster_id: self.cluster_id.map(u32::from),
            labels: (label(self.labels.0)?, label(self.labels.1)?),
            nhlfes: (NhlfeId(Self::NEXT_HOPS + Self::NEIGHBOURS), NhlfeId(Self::NHLFES - 1)),
            seed: self.seed,
        })
    }

    /// The labels of [`Self::transport_labels`].
    ///
    /// # Errors
    /// A value that is no label, special, or one of those to hand out.
    pub fn tunnel_ends(&self) -> anyhow::Result<Vec<Label>> {
        let taken = self.labels.0..=self.labels.1;
        let label = |value: &u32| {
            let label = Label::new(*value).filter(|l| *l >= Label::FIRST_UNRESERVED && !taken.contains(value));
            label.with_context(|| format!("transport-labels: {value} is special, too large, or one of `labels`"))
        };
        self.transport_labels.iter().map(label).collect()
    }

    /// The handle of a VRF: its place in the file, from 1.
    ///
    /// # Errors
    /// There is no such VRF.
    pub fn vrf_id(&self, name: &str) -> anyhow::Result<VrfId> {
        let at = self.vrfs.iter().position(|v| v.name == name).with_context(|| format!("there is no vrf {name:?}"))?;
        Ok(VrfId(u16::try_from(at + 1).context("more than 65,535 VRFs")?))
    }
}

impl Peer {
    /// The speaker's configuration of the peer.
    ///
    /// # Errors
    /// It names a VRF that does not exist.
    pub fn config(&self, whole: &Config) -> anyhow::Result<PeerConfig> {
        let families = self.families.iter().map(|f| {
            let family = f.family();
            let extended_next_hop = self.extended_next_hop && family.afi == bgp_vpn::nlri::Afi::IPV4;
            FamilyConfig {
                extended_next_hop,
                add_path_receive: self.add_path_receive,
                add_path_send: self.add_path_send,
                long_lived: self.long_lived.map(Duration::from_secs),
                next_hop: match self.next_hop {
                    NextHopName::ByKind => NextHopRule::ByKind,
                    NextHopName::Own => NextHopRule::Own,
                    NextHopName::Unchanged => NextHopRule::Unchanged,
                },
                ..FamilyConfig::new(family)
            }
        });
        Ok(PeerConfig {
            vrf: self.vrf.as_ref().map_or(Ok(VrfId::GLOBAL), |name| whole.vrf_id(name))?,
            role: if self.client { PeerRole::ReflectorClient } else { PeerRole::Peer },
            families: families.collect(),
            timers: SessionTimers {
                hold: Duration::from_secs(self.hold),
                connect_retry: Duration::from_secs(self.connect_retry),
                ..SessionTimers::default()
            },
            passive: self.passive,
            protection: Protection { authentication: self.authentication(), hops: self.gtsm_hops },
            extended_messages: self.extended_messages,
            graceful_restart: self.graceful_restart.map(Duration::from_secs),
            update_rate: self.update_rate.map(|(per_second, burst)| UpdateRate { per_second, burst }),
            ..PeerConfig::new(self.address, self.local_address, self.remote_as, &[])
        })
    }

    /// TTL of our packets to the peer: RFC 4271 leaves it open, common practice for a directly connected external peer is 1.
    #[must_use]
    pub fn ttl(&self, asn: u32) -> Option<u8> {
        // RFC 5082 §3: what the peer is to take as near leaves with the highest TTL.
        let gtsm = self.gtsm_hops.map(|_| u8::MAX);
        self.ttl.or(gtsm).or((self.remote_as != asn).then_some(1))
    }
}

impl Peer {
    /// The least TTL of the peer's packets.
    #[must_use]
    pub fn least_ttl(&self) -> Option<u8> {
        self.gtsm_hops.map(|hops| u8::MAX - (hops - 1))
    }

    /// How the session is authenticated.
    #[must_use]
    pub fn authentication(&self) -> Option<Authentication> {
        let md5 = self.md5.as_ref().map(|key| Authentication::Md5(key.clone().into_bytes()));
        md5.or(self.tcp_ao.as_ref().map(|key| Authentication::Ao { key: key.clone().into_bytes(), id: self.tcp_ao_id }))
    }
}

impl Tunnel {
    /// The labels to push.
    ///
    /// # Errors
    /// A value that is no label, or more than a stack holds.
    pub fn stack(&self) -> anyhow::Result<LabelStack> {
        let label =
            |value: &u32| Label::new(*value).with_context(|| format!("labels: {value} is above {}", Label::MAX));
        let labels = self.labels.iter().map(label).collect::<anyhow::Result<Vec<_>>>()?;
        LabelStack::new(&labels).with_context(|| format!("labels: more than {}", LabelStack::CAPACITY))
    }
}

impl Interface {
    /// The interface for the forwarding plane.
    ///
    /// # Errors
    /// It names a VRF that does not exist.
    pub fn attachment(&self, whole: &Config) -> anyhow::Result<super::plane::Attachment> {
        Ok(super::plane::Attachment {
            name: self.name.clone(),
            vrf: self.vrf.as_ref().map_or(Ok(VrfId::GLOBAL), |name| whole.vrf_id(name))?,
            addresses: self.addresses.iter().map(|a| (a.0.0, a.0.1)).collect(),
        })
    }
}

impl Vrf {
    /// The speaker's configuration of the VRF.
    #[must_use]
    pub fn config(&self, id: VrfId) -> VrfConfig {
        let targets = |list: &Option<Vec<Text<RouteTarget>>>| {
            list.as_ref().unwrap_or(&self.targets).iter().map(|t| t.0).collect::<Vec<_>>()
        };
        VrfConfig {
            id,
            name: self.name.clone(),
            rd: self.rd.0,
            import: targets(&self.import),
            export: targets(&self.export),
            label_mode: match self.label_mode {
                LabelModeName::PerVrf => LabelMode::PerVrf,
                LabelModeName::PerPrefix => LabelMode::PerPrefix,
            },
            vpn_id: None,
            site_of_origin: None,
            model: fwd_core::op::TunnelModel::default(),
            limit: self.limit.map(|(mid, high, max)| RouteLimit { mid, high, max }),
            customer_as: None,
            igp: None,
            backup: false,
            best_external: false,
            inter_as: Vec::new(),
            import_policy: bgp_vpn::policy::Policy::default(),
            export_policy: bgp_vpn::policy::Policy::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "asn = 65001\nrouter-id = \"192.0.2.1\"\n";

    fn fault(rest: &str) -> String {
        format!("{:#}", Config::parse(&format!("{HEAD}{rest}")).unwrap_err())
    }

    #[test]
    fn the_example_is_valid() {
        let config = Config::parse(include_str!("../../examples/peer.toml")).unwrap();
        assert_eq!((config.peers.len(), config.vrfs.len(), config.script.len()), (1, 1, 2));
        for step in &config.script {
            step.command.parse::<crate::live::control::Command>().unwrap();
        }
    }

    #[test]
    fn faults_name_the_field() {
        assert!(fault("[[vrf]]\nname = \"red\"\nrd = \"65001\"").contains("\"65001\": a route distinguisher"));
        assert!(fault("ans = 1").contains("unknown field `ans`"));
        let peer = "[[peer]]\naddress = \"192.0.2.2\"\nlocal-address = \"192.0.2.1\"\nremote-as = 1\n";
        let both = format!("{peer}families = [\"vpn-ipv4\"]\nmd5 = \"a\"\ntcp-ao = \"b\"");
        assert!(fault(&both).contains("md5 and tcp-ao exclude each other"));
        assert!(
            fault(&format!("{peer}families = [\"vpn-ipv4\"]\ngtsm-hops = 0")).contains("gtsm-hops must be 1 to 255")
        );
        assert!(fault(&format!("{peer}families = []")).contains("families must not be empty"));
        assert!(fault(&format!("{peer}families = [\"vpn-ipv4\"]\nvrf = \"x\"")).contains("there is no vrf \"x\""));
        assert!(
            fault("[[interface]]\nname = \"e\"\nvrf = \"x\"\naddresses = []").contains("interface e: there is no vrf")
        );
        let addresses = |a: &str| fault(&format!("[[interface]]\nname = \"e\"\naddresses = [\"{a}\"]"));
        assert!(addresses("10.0.0.1").contains("the length of its subnet"));
        assert!(addresses("10.0.0.1/33").contains("33 is no length"));
        let tunnel = "[[tunnel]]\nnext-hop = \"192.0.2.9\"\nvia = \"198.51.100.9\"\nlabels = [1048576]";
        assert!(fault(tunnel).contains("tunnel to 192.0.2.9: labels: 1048576"));
        let mixed = peer.replace("192.0.2.2", "2001:db8::2");
        assert!(fault(&format!("{mixed}families = [\"vpn-ipv4\"]")).contains("the other IP version"));
    }

    #[test]
    fn a_vrf_takes_targets_for_both_directions_unless_told() {
        let config = Config::parse(&format!(
            "{HEAD}[[vrf]]\nname = \"red\"\nrd = \"65001:1\"\ntargets = [\"65001:7\"]\nexport = [\"65001:8\"]"
        ))
        .unwrap();
        let vrf = config.vrfs[0].config(config.vrf_id("red").unwrap());
        assert_eq!(vrf.import, ["65001:7".parse().unwrap()]);
        assert_eq!(vrf.export, ["65001:8".parse().unwrap()]);
        assert_eq!(vrf.id, VrfId(1));
    }
}
