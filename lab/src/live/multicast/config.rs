//! The configuration file of `lab multicast` (TOML).
//!
//! ```
//! let config = lab::live::multicast::config::Config::parse(r#"
//!     loopbacks = ["10.255.0.1", "fd00:ff::1"]
//!
//!     [[interface]]
//!     name = "eth0"
//!     addresses = ["10.1.0.1/24", "fe80::1/64", "fd00:1::1/64"]
//!     hello = 1.0
//!
//!     [[route]]
//!     prefix = "10.2.0.0/16"
//!     via = "10.1.0.2"
//!
//!     [[rp]]
//!     range = "224.0.0.0/4"
//!     address = "10.255.0.1"
//! "#).unwrap();
//! assert_eq!(config.interfaces[0].addresses.len(), 3);
//! ```

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use fwd_core::net::IpPrefix;
use serde::Deserialize;

use crate::live::config::Text;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Addresses of the router that are on no interface; the first of each family names it.
    #[serde(default)]
    pub loopbacks: Vec<IpAddr>,
    /// Seed of delays and generation IDs. Default: the time of day, so that a restart is one.
    pub seed: Option<u64>,
    /// Its interfaces, numbered from 1.
    #[serde(rename = "interface")]
    pub interfaces: Vec<Interface>,
    /// Unicast routes.
    #[serde(default, rename = "route")]
    pub routes: Vec<Route>,
    /// RPs that the operator assigns.
    #[serde(default, rename = "rp")]
    pub rps: Vec<Rp>,
    /// This router as candidate BSR, of both families as far as it has loopbacks.
    pub candidate_bsr: Option<u8>,
    /// This router as candidate RP for these groups.
    #[serde(default)]
    pub candidate_rp: Vec<Text<IpPrefix>>,
    /// Whether last-hop routers stay on the shared tree.
    #[serde(default)]
    pub no_switch: bool,
    /// Seconds between Bootstrap messages and between advertisements. Default 60.
    #[serde(default = "minute")]
    pub bsr_period: f64,
    /// Seconds between Join/Prunes: 10 to 600. Default 60.
    #[serde(default = "minute")]
    pub join_prune_period: f64,
}

const fn minute() -> f64 {
    60.0
}

const fn one() -> f64 {
    1.0
}

const fn priority() -> u32 {
    1
}

/// An interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Interface {
    /// The system's name of it.
    pub name: String,
    /// Addresses with the lengths of their subnets; IPv6 needs a link-local one among them.
    pub addresses: Vec<String>,
    /// Seconds between Hellos, at least 1. Default 1: tests are in a hurry.
    #[serde(default = "one")]
    pub hello: f64,
    /// DR priority.
    #[serde(default = "priority")]
    pub dr_priority: u32,
    /// Hosts only.
    #[serde(default)]
    pub passive: bool,
}

/// A unicast route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where to.
    pub prefix: Text<IpPrefix>,
    /// The next hop, on a subnet of an interface.
    pub via: IpAddr,
    /// Metric; its preference is 1, as that of static routes elsewhere.
    #[serde(default)]
    pub metric: u32,
}

/// A static RP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rp {
    /// The groups.
    pub range: Text<IpPrefix>,
    /// The RP.
    pub address: IpAddr,
}

impl Config {
    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no TOML, names what there is not, or an address is none.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        ensure!(!config.interfaces.is_empty(), "no interface");
        for interface in &config.interfaces {
            interface.addresses().with_context(|| format!("interface {}", interface.name))?;
            ensure!(interface.hello >= 1.0, "interface {}: hello below 1 s", interface.name);
        }
        ensure!(config.bsr_period >= 1.0 && config.bsr_period <= 3600.0, "bsr-period: not 1 to 3,600 s");
        Ok(config)
    }

    /// BS_Period.
    #[must_use]
    pub fn bsr_period(&self) -> Duration {
        Duration::from_secs_f64(self.bsr_period)
    }
}

impl Interface {
    /// Addresses and the lengths of their subnets.
    ///
    /// # Errors
    /// Text that is no address with a length.
    pub fn addresses(&self) -> anyhow::Result<Vec<(IpAddr, u8)>> {
        let each = self.addresses.iter().map(|text| {
            let (address, len) = text.split_once('/').with_context(|| format!("{text}: no length"))?;
            let (address, len): (IpAddr, u8) = (address.parse()?, len.parse()?);
            ensure!(len <= if address.is_ipv4() { 32 } else { 128 }, "{text}: too long");
            Ok((address, len))
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_field_is_named() {
        let with = |line: &str| {
            let text = format!("[[interface]]\nname = \"eth0\"\naddresses = [\"10.0.0.1/24\"]\n{line}");
            Config::parse(&text).map(|_| ()).map_err(|e| format!("{e:#}"))
        };
        assert_eq!(with(""), Ok(()));
        assert!(with("hello = 0.5").unwrap_err().contains("hello"));
        assert!(with("colour = 1").unwrap_err().contains("colour"));
        let text = "[[interface]]\nname = \"eth0\"\naddresses = [\"10.0.0.1/33\"]";
        assert!(format!("{:#}", Config::parse(text).unwrap_err()).contains("10.0.0.1/33"));
        assert!(Config::parse("interface = []").is_err());
    }
}
