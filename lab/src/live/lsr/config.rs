//! The configuration file of `lab lsr` (TOML).
//!
//! ```
//! let config = lab::live::lsr::config::Config::parse(r#"
//!     router-id = "192.0.2.1"
//!     transport = ["192.0.2.1", "2001:db8:ff::1"]
//!     egress = ["192.0.2.1/32", "2001:db8:ff::1/128"]
//!     targets = ["192.0.2.3"]
//!
//!     [[interface]]
//!     name = "eth0"
//!     addresses = ["198.51.100.1/24", "fe80::1/64"]
//!
//!     [[route]]
//!     prefix = "192.0.2.2/32"
//!     via = "198.51.100.2"
//!
//!     [[neighbour]]
//!     address = "192.0.2.2"
//!     md5 = "correct-horse"
//!
//!     [[hello-key]]
//!     id = 7
//!     key = "battery-staple"
//!
//!     [[pseudowire]]
//!     id = 100
//!     peer = "192.0.2.3"
//!
//!     [[bfd]]
//!     local = "198.51.100.1"
//!     remote = "198.51.100.2"
//!     interface = "eth0"
//! "#).unwrap();
//! assert_eq!(config.pseudowires[0].mtu, 1500);
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, ensure};
use fwd_core::net::{Authentication, IpPrefix};
use p2mp_pw::ldp::discovery::{HelloAuthConfig, HelloHash, HelloKey};
use serde::Deserialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::live::config::{InterfaceAddress, Text};

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The LSR identifier.
    pub router_id: Ipv4Addr,
    /// Our end of LDP sessions: of one family or of both. None: no LDP.
    #[serde(default)]
    pub transport: Vec<IpAddr>,
    /// Prefer IPv4 for sessions with dual-stack peers. Default IPv6.
    #[serde(default)]
    pub prefer_ipv4: bool,
    /// Seconds that Link Hellos hold: 3 and more, so that one goes out each second at most. Default 15.
    #[serde(default = "link_hold")]
    pub link_hold: u16,
    /// Seconds that Targeted Hellos hold. Default 45.
    #[serde(default = "targeted_hold")]
    pub targeted_hold: u16,
    /// Proposed KeepAlive time in seconds. Default 180.
    #[serde(default = "keepalive")]
    pub keepalive: u16,
    /// Offer graceful restart with this reconnect time in seconds.
    pub graceful_restart: Option<u32>,
    /// LSRs to send Targeted Hellos to.
    #[serde(default)]
    pub targets: Vec<IpAddr>,
    /// Answer whoever asks for Targeted Hellos.
    #[serde(default)]
    pub accept_targeted: bool,
    /// Prefixes that end here.
    #[serde(default)]
    pub egress: Vec<Text<IpPrefix>>,
    /// Give explicit null for them. Default implicit null.
    #[serde(default)]
    pub explicit_null: bool,
    /// Interfaces, numbered from 1.
    #[serde(rename = "interface")]
    pub interfaces: Vec<Interface>,
    /// Unicast routes.
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
    /// Neighbours whose sessions are authenticated.
    #[serde(default, rename = "neighbour")]
    pub neighbours: Vec<Neighbour>,
    /// Keys of Hellos (RFC 7349); without one Hellos are not authenticated.
    #[serde(default, rename = "hello-key")]
    pub hello_keys: Vec<Key>,
    /// Pseudowires of FEC 128.
    #[serde(default, rename = "pseudowire")]
    pub pseudowires: Vec<Pseudowire>,
    /// BFD sessions.
    #[serde(default, rename = "bfd")]
    pub bfd: Vec<Bfd>,
}

const fn link_hold() -> u16 {
    15
}

const fn targeted_hold() -> u16 {
    45
}

const fn keepalive() -> u16 {
    180
}

const fn mtu() -> u16 {
    1500
}

const fn yes() -> bool {
    true
}

const fn key_id() -> u8 {
    1
}

const fn interval() -> u32 {
    100
}

/// An interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Interface {
    /// The system's name of it.
    pub name: String,
    /// Addresses that the kernel has on it. The first IPv4 address and the first link-local IPv6 address are the sources of Hellos.
    pub addresses: Vec<Text<InterfaceAddress>>,
    /// LDP runs on it. Default yes.
    #[serde(default = "yes")]
    pub ldp: bool,
}

/// A unicast route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where to.
    pub prefix: Text<IpPrefix>,
    /// The next hop, on a subnet of an interface.
    pub via: IpAddr,
}

/// How sessions with a neighbour are authenticated: by TCP MD5 or by TCP-AO.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Neighbour {
    /// Its transport address.
    pub address: IpAddr,
    /// Authenticate by TCP MD5 (RFC 2385) with this key.
    pub md5: Option<String>,
    /// Authenticate by TCP-AO (RFC 5925) with this key.
    pub tcp_ao: Option<String>,
    /// KeyID of TCP-AO in both directions. Default 1.
    #[serde(default = "key_id")]
    pub tcp_ao_id: u8,
}

/// A key of Hellos.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Key {
    /// The Security Association ID.
    pub id: u32,
    /// The key.
    pub key: String,
    /// The hash function of its HMAC. Default SHA-256.
    #[serde(default)]
    pub hash: Hash,
}

/// A hash function.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// A pseudowire.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pseudowire {
    /// Its number.
    pub id: u32,
    /// The peer's LSR identifier.
    pub peer: Ipv4Addr,
    /// MTU of the circuit.
    #[serde(default = "mtu")]
    pub mtu: u16,
    /// Whether the control word is preferred. Default yes.
    #[serde(default = "yes")]
    pub control_word: bool,
    /// Whether status is signalled by its TLV. Default yes.
    #[serde(default = "yes")]
    pub status_tlv: bool,
}

/// A BFD session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bfd {
    /// Our address.
    pub local: IpAddr,
    /// The peer's.
    pub remote: IpAddr,
    /// The link; without one the session is multihop.
    pub interface: Option<String>,
    /// Milliseconds between packets, both ways. Default 100.
    #[serde(default = "interval")]
    pub interval: u32,
}

impl Neighbour {
    /// How its sessions are authenticated.
    #[must_use]
    pub fn authentication(&self) -> Option<Authentication> {
        let md5 = self.md5.as_ref().map(|key| Authentication::Md5(key.clone().into_bytes()));
        md5.or(self.tcp_ao.as_ref().map(|key| Authentication::Ao { key: key.clone().into_bytes(), id: self.tcp_ao_id }))
    }
}

impl Hash {
    fn function(self) -> HelloHash {
        match self {
            Self::Sha1 => HelloHash::Sha1(|octets| Sha1::digest(octets).into()),
            Self::Sha256 => HelloHash::Sha256(|octets| Sha256::digest(octets).into()),
            Self::Sha384 => HelloHash::Sha384(|octets| Sha384::digest(octets).into()),
            Self::Sha512 => HelloHash::Sha512(|octets| Sha512::digest(octets).into()),
        }
    }
}

impl Interface {
    /// The source of Link Hellos over IPv4.
    #[must_use]
    pub fn v4(&self) -> Option<Ipv4Addr> {
        self.addresses.iter().find_map(|a| match a.0.0 {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }

    /// The source of Link Hellos over IPv6.
    #[must_use]
    pub fn v6(&self) -> Option<Ipv6Addr> {
        self.addresses.iter().find_map(|a| match a.0.0 {
            IpAddr::V6(address) if address.is_unicast_link_local() => Some(address),
            _ => None,
        })
    }
}

impl Config {
    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no TOML, names what there is not, or a value is none that can be.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        ensure!(!config.interfaces.is_empty(), "interface: none");
        ensure!(config.link_hold >= 3 && config.targeted_hold >= 3, "link-hold, targeted-hold: below 3 s");
        for v6 in [false, true] {
            let count = config.transport.iter().filter(|a| a.is_ipv6() == v6).count();
            ensure!(count <= 1, "transport: {count} addresses of one family");
        }
        for neighbour in &config.neighbours {
            let keys = [&neighbour.md5, &neighbour.tcp_ao].into_iter().flatten().count();
            ensure!(keys == 1, "neighbour {}: md5 or tcp-ao, one of them", neighbour.address);
        }
        for bfd in &config.bfd {
            if let Some(name) = &bfd.interface {
                config.interface(name).with_context(|| format!("bfd {}", bfd.remote))?;
            }
        }
        Ok(config)
    }

    /// The number of an interface.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn interface(&self, name: &str) -> anyhow::Result<u32> {
        let at = self.interfaces.iter().position(|i| i.name == name);
        Ok(u32::try_from(at.with_context(|| format!("interface {name}: not configured"))? + 1)?)
    }

    /// Authentication of Hellos; `started`: the time since 1970. Numbers begin above those of earlier runs, with the second in the upper half.
    #[must_use]
    pub fn hello_authentication(&self, started: Duration) -> Option<HelloAuthConfig> {
        let key = |k: &Key| HelloKey::new(k.id, k.hash.function(), k.key.clone().into_bytes());
        let keys: Vec<HelloKey> = self.hello_keys.iter().map(key).collect();
        (!keys.is_empty()).then(|| HelloAuthConfig::new(keys, started.as_secs() << 32))
    }

    /// Our end of sessions over IPv4.
    #[must_use]
    pub fn transport_v4(&self) -> Option<Ipv4Addr> {
        self.transport.iter().find_map(|a| if let IpAddr::V4(a) = a { Some(*a) } else { None })
    }

    /// Our end of sessions over IPv6.
    #[must_use]
    pub fn transport_v6(&self) -> Option<Ipv6Addr> {
        self.transport.iter().find_map(|a| if let IpAddr::V6(a) = a { Some(*a) } else { None })
    }

    /// Hold times of Link and Targeted Hellos, and the KeepAlive time.
    #[must_use]
    pub fn times(&self) -> [Duration; 3] {
        [self.link_hold, self.targeted_hold, self.keepalive].map(|seconds| Duration::from_secs(seconds.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_field_is_named() {
        let with = |line: &str| {
            let text = format!("router-id = \"192.0.2.1\"\n{line}\n[[interface]]\nname = \"eth0\"\naddresses = []");
            Config::parse(&text).map(|_| ()).map_err(|e| format!("{e:#}"))
        };
        assert_eq!(with(""), Ok(()));
        assert!(with("link-hold = 2").unwrap_err().contains("link-hold"));
        assert!(with("transport = [\"192.0.2.1\", \"192.0.2.2\"]").unwrap_err().contains("transport: 2 addresses"));
        let both = "[[neighbour]]\naddress = \"192.0.2.2\"\nmd5 = \"a\"\ntcp-ao = \"b\"";
        assert!(with(both).unwrap_err().contains("neighbour 192.0.2.2: md5 or tcp-ao"), "{:?}", with(both));
        assert!(with("colour = 1").unwrap_err().contains("colour"));
        let bfd = "[[bfd]]\nlocal = \"10.0.0.1\"\nremote = \"10.0.0.2\"\ninterface = \"eth7\"";
        assert!(with(bfd).unwrap_err().contains("bfd 10.0.0.2"), "{:?}", with(bfd));
    }
}
