//! `lab lsr` in a node.

use std::ops::Deref;

use serde_json::Value;

use super::super::net::Node;
use super::super::running::Running;

/// A running `lab lsr`.
pub struct Ours(Running);

impl Deref for Ours {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}

impl Ours {
    /// Starts it with this configuration.
    pub fn start(node: &Node, config: &str) -> Self {
        Self(Running::start(node, "lsr", config))
    }

    /// Waits until the session with a peer is operational.
    pub fn expect_session(&self, peer: &str) {
        self.expect(&format!("session with {peer}"), "show", |s| has_session(s, peer));
    }

    /// Waits until there is no operational session with a peer.
    pub fn expect_no_session(&self, peer: &str) {
        self.expect(&format!("no session with {peer}"), "show", |s| !has_session(s, peer));
    }
}

fn has_session(show: &Value, peer: &str) -> bool {
    let sessions = show["sessions"].as_array().into_iter().flatten();
    sessions.into_iter().any(|s| s["peer"] == peer && s["state"] == "Operational")
}
