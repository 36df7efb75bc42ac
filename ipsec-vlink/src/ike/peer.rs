//! A configured peer, with what finds the children of its configuration.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::config::{ChildConfig, ConfigError, PeerConfig, PeerId};
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

/// Finds peers by the addresses that they are configured at.
#[derive(Debug, Default)]
pub(super) struct ByEnds(HashMap<(IpAddr, Option<IpAddr>), SmallVec<[PeerId; 1]>>);

impl ByEnds {
    /// Remembers a peer.
    pub(super) fn add(&mut self, config: &PeerConfig, id: PeerId) {
        self.0.entry((config.local, config.remote)).or_default().push(id);
    }

    /// The peers that are configured with just these addresses, the oldest first.
    pub(super) fn of(&self, local: IpAddr, remote: Option<IpAddr>) -> impl Iterator<Item = PeerId> + '_ {
        self.0.get(&(local, remote)).into_iter().flatten().copied()
    }

    /// The peers that a message between these addresses may be of: those at the address itself before those at any.
    pub(super) fn at(&self, local: IpAddr, remote: IpAddr) -> impl Iterator<Item = PeerId> + '_ {
        self.of(local, Some(remote)).chain(self.of(local, None))
    }
}
