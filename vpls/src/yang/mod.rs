//! Objects of YANG models, read-only: snooping (RFC 9166), PIM as far as a bridge has state of it (RFC 9128), and the service as its
//! network model has it (RFC 9291).
//!
//! [`Tree`] is a picture of one moment, as [`crate::mib::VplsMib`] is. A leaf is found by the path of its schema node and the keys of
//! the lists above it; of a leaf-list, the value is the last key. An instance is named by its number, an interface by its bridge port.
//!
//! | Wanted (RFC 5501 §5.4, §6.5.3) | Node |
//! |---|---|
//! | membership: groups, sources, ports, since when, who reported | `igmp-snooping-instance`, `mld-snooping-instance` |
//! | messages of a port by kind | `interfaces/interface/statistics` below them |
//! | PIM routers, Joins and Prunes | `pim/interfaces`, `pim/address-family/topology-tree-info` |
//! | instances, their signalling, circuits, limits | `l2vpn-ntw/vpn-services` |

mod pim;
mod service;
mod snooping;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use fwd_core::time::Instant;

use crate::pe::VplsPe;

/// Where a control plane protocol of RFC 8349 is.
const PROTOCOL: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol";

/// The value of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// boolean
    Boolean(bool),
    /// Numbers of every size, counters and gauges.
    Unsigned(u64),
    /// Strings, enumerations, identities, addresses.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(is) => is.fmt(f),
            Self::Unsigned(n) => n.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Boolean(is)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Unsigned(n)
    }
}

fn text(of: impl fmt::Display) -> Value {
    Value::Text(of.to_string())
}

fn count(n: usize) -> Value {
    Value::Unsigned(n as u64)
}

fn seconds(time: Duration) -> Value {
    Value::Unsigned(time.as_secs())
}

/// A timer: seconds that are left, rounded up, or `forever`.
fn left(now: Instant, until: Option<Instant>) -> Value {
    until.map_or_else(|| text("forever"), |at| Value::Unsigned((at - now).as_millis().div_ceil(1000) as u64))
}

/// Hundredths of a second since an instant.
fn ticks(now: Instant, since: Instant) -> Value {
    Value::Unsigned(((now - since).as_millis() / 10) as u64)
}

/// The leaves of the models at one moment.
///
/// ```
/// use bgp_vpn::nlri::RouteDistinguisher;
/// use fwd_core::net::VsiId;
/// use fwd_core::time::Instant;
/// use vpls::yang::{Tree, Value};
/// use vpls::{PeConfig, VplsPe, VsiConfig};
///
/// let now = Instant::ZERO;
/// let mut pe = VplsPe::new(now, PeConfig::new([192, 0, 2, 1].into()))?;
/// pe.add_vsi(now, VsiConfig::new(VsiId(1), RouteDistinguisher::two_octet_as(65000, 1)))?;
/// let path = "/ietf-l2vpn-ntw:l2vpn-ntw/vpn-services/vpn-service/vpn-type";
/// assert_eq!(Tree::new(&pe, now).get(path, &["1"]), Some(&Value::Text("vpls".into())));
/// # Ok::<(), vpls::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tree {
    leaves: BTreeMap<String, BTreeMap<Vec<String>, Value>>,
}

impl Tree {
    /// The leaves of a PE.
    #[must_use]
    pub fn new(pe: &VplsPe, now: Instant) -> Self {
        let mut tree = Self::default();
        snooping::write(pe, now, &mut tree);
        pim::write(pe, now, &mut tree);
        service::write(pe, &mut tree);
        tree
    }

    /// The leaf of a path, below these list entries.
    #[must_use]
    pub fn get(&self, path: &str, keys: &[&str]) -> Option<&Value> {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        self.leaves.get(path)?.get(&keys)
    }

    /// The leaves of a path with their keys, in order.
    pub fn instances(&self, path: &str) -> impl Iterator<Item = (&[String], &Value)> {
        self.leaves.get(path).into_iter().flatten().map(|(keys, value)| (keys.as_slice(), value))
    }

    /// The paths of which there are leaves, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.leaves.keys().map(String::as_str)
    }
}

/// A place in the tree: a schema node and the keys of lists above.
struct Node<'t> {
    tree: &'t mut Tree,
    path: String,
    keys: Vec<String>,
}

impl Node<'_> {
    fn of(tree: &mut Tree, path: impl Into<String>) -> Node<'_> {
        Node { tree, path: path.into(), keys: Vec::new() }
    }

    /// The node below; a path in the model.
    fn at(&mut self, below: &str) -> Node<'_> {
        Node { path: alloc::format!("{}/{below}", self.path), keys: self.keys.clone(), tree: &mut *self.tree }
    }

    /// An entry of a list below, with its key leaves.
    fn entry(&mut self, list: &str, keys: &[(&str, Value)]) -> Node<'_> {
        let mut node = self.at(list);
        node.keys.extend(keys.iter().map(|(_, value)| value.to_string()));
        for (leaf, value) in keys {
            node.leaf(leaf, value.clone());
        }
        node
    }

    fn leaf(&mut self, leaf: &str, value: impl Into<Value>) {
        let path = alloc::format!("{}/{leaf}", self.path);
        self.tree.leaves.entry(path).or_default().insert(self.keys.clone(), value.into());
    }

    /// A leaf that may be absent.
    fn option(&mut self, leaf: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.leaf(leaf, value);
        }
    }

    /// The values of a leaf-list.
    fn list(&mut self, leaf: &str, values: impl IntoIterator<Item = Value>) {
        let path = alloc::format!("{}/{leaf}", self.path);
        let leaves = self.tree.leaves.entry(path).or_default();
        for value in values {
            let mut keys = self.keys.clone();
            keys.push(value.to_string());
            leaves.insert(keys, value);
        }
    }
}
