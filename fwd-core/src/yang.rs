//! Leaves of YANG models (RFC 7950), read-only: by the path of their schema node and the keys of the lists above.
//!
//! A crate that owns state writes a [`Tree`] of it; whoever speaks NETCONF, RESTCONF or gNMI encodes that. A tree is a picture of one moment, as a
//! [`Table`](crate::mib::Table) is. Of a leaf-list, the value is the last key.
//!
//! ```
//! use fwd_core::yang::{Tree, Value, text};
//!
//! let mut tree = Tree::default();
//! let mut root = tree.root("/ietf-interfaces:interfaces");
//! let mut interface = root.entry("interface", &[("name", text("eth0"))]);
//! interface.leaf("enabled", true);
//! assert_eq!(tree.get("/ietf-interfaces:interfaces/interface/enabled", &["eth0"]), Some(&Value::Boolean(true)));
//! ```

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::time::Instant;

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

/// Anything as it is written.
#[must_use]
pub fn text(of: impl fmt::Display) -> Value {
    Value::Text(of.to_string())
}

/// A number of things.
#[must_use]
pub fn count(n: usize) -> Value {
    Value::Unsigned(n as u64)
}

/// Whole seconds.
#[must_use]
pub fn seconds(time: Duration) -> Value {
    Value::Unsigned(time.as_secs())
}

/// A timer: seconds that are left, rounded up, or `forever`.
#[must_use]
pub fn left(now: Instant, until: Option<Instant>) -> Value {
    until.map_or_else(
        || text("forever"),
        |at| Value::Unsigned(at.as_micros().saturating_sub(now.as_micros()).div_ceil(1_000_000)),
    )
}

/// Hundredths of a second since an instant.
#[must_use]
pub fn ticks(now: Instant, since: Instant) -> Value {
    Value::Unsigned(now.as_micros().saturating_sub(since.as_micros()) / 10_000)
}

/// Leaves at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    leaves: BTreeMap<String, BTreeMap<Vec<String>, Value>>,
}

impl Tree {
    /// A node at the top, or at any path.
    pub fn root(&mut self, path: impl Into<String>) -> Node<'_> {
        Node { tree: self, path: path.into(), keys: Vec::new() }
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
#[derive(Debug)]
pub struct Node<'t> {
    tree: &'t mut Tree,
    path: String,
    keys: Vec<String>,
}

impl Node<'_> {
    /// Says a key of a list above that the path names and that is written elsewhere.
    pub fn key(&mut self, key: impl fmt::Display) {
        self.keys.push(key.to_string());
    }

    /// The node below; a path in the model.
    pub fn at(&mut self, below: &str) -> Node<'_> {
        Node { path: alloc::format!("{}/{below}", self.path), keys: self.keys.clone(), tree: &mut *self.tree }
    }

    /// An entry of a list below, with its key leaves.
    pub fn entry(&mut self, list: &str, keys: &[(&str, Value)]) -> Node<'_> {
        let mut node = self.at(list);
        node.keys.extend(keys.iter().map(|(_, value)| value.to_string()));
        for (leaf, value) in keys {
            node.leaf(leaf, value.clone());
        }
        node
    }

    /// A leaf.
    pub fn leaf(&mut self, leaf: &str, value: impl Into<Value>) {
        let path = alloc::format!("{}/{leaf}", self.path);
        self.tree.leaves.entry(path).or_default().insert(self.keys.clone(), value.into());
    }

    /// A leaf that may be absent.
    pub fn option(&mut self, leaf: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.leaf(leaf, value);
        }
    }

    /// The values of a leaf-list.
    pub fn list(&mut self, leaf: &str, values: impl IntoIterator<Item = Value>) {
        let path = alloc::format!("{}/{leaf}", self.path);
        let leaves = self.tree.leaves.entry(path).or_default();
        for value in values {
            let mut keys = self.keys.clone();
            keys.push(value.to_string());
            leaves.insert(keys, value);
        }
    }
}
