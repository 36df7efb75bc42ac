//! A configured peer, with what finds the children of its configuration.

use alloc::collections::BTreeMap;

use super::config::{ChildConfig, ConfigError, PeerConfig};
use super::context::VpnContext;

/// A peer and the children that it may ask for.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) config: PeerConfig,
    by_context: BTreeMap<VpnContext, usize>,
    by_tag: BTreeMap<u32, usize>,
}

impl Peer {
    pub(super) fn new(config: PeerConfig) -> Self {
        let mut peer = Self { config, by_context: BTreeMap::new(), by_tag: BTreeMap::new() };
        peer.index(0);
        peer
    }

    fn index(&mut self, from: usize) {
        for (at, child) in self.config.children.iter().enumerate().skip(from) {
            self.by_tag.insert(child.tag, at);
            if let Some(context) = &child.context {
                self.by_context.insert(context.clone(), at);
            }
        }
    }

    /// Adds a child.
    pub(super) fn add(&mut self, child: ChildConfig) -> Result<(), ConfigError> {
        if self.has(child.tag) {
            return Err(ConfigError::Tag(child.tag));
        }
        let at = self.config.children.len();
        self.config.children.push(child);
        self.index(at);
        Ok(())
    }

    fn has(&self, tag: u32) -> bool {
        self.by_tag.contains_key(&tag)
    }

    pub(super) fn child(&self, tag: u32) -> Option<&ChildConfig> {
        self.by_tag.get(&tag).and_then(|at| self.config.children.get(*at))
    }

    pub(super) fn child_of(&self, context: &VpnContext) -> Option<&ChildConfig> {
        self.by_context.get(context).and_then(|at| self.config.children.get(*at))
    }
}
