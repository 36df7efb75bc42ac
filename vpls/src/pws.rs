//! The pseudowires of an instance, found by their other end, their port, and how they are signalled.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;
use core::ops::Deref;

use fwd_core::net::PortId;

use crate::io::PwService;
use crate::vsi::{Pw, PwKey};

/// The least key of a peer's.
const fn first(peer: IpAddr) -> PwKey {
    (peer, PwService::Ve(0))
}

/// Pseudowires by key. A pseudowire keeps its port as long as it is here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pws {
    all: BTreeMap<PwKey, Pw>,
    ports: BTreeMap<PortId, PwKey>,
    /// Peers by service: of a VE, PEs that it was behind.
    peers: BTreeMap<PwService, BTreeSet<IpAddr>>,
}

impl Deref for Pws {
    type Target = BTreeMap<PwKey, Pw>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl Pws {
    pub(crate) fn insert(&mut self, key: PwKey, pw: Pw) {
        self.ports.insert(pw.port, key.clone());
        self.peers.entry(key.1.clone()).or_default().insert(key.0);
        self.all.insert(key, pw);
    }

    pub(crate) fn remove(&mut self, key: &PwKey) -> Option<Pw> {
        let pw = self.all.remove(key)?;
        self.ports.remove(&pw.port);
        if let Entry::Occupied(mut peers) = self.peers.entry(key.1.clone()) {
            peers.get_mut().remove(&key.0);
            if peers.get().is_empty() {
                peers.remove();
            }
        }
        Some(pw)
    }

    pub(crate) fn get_mut(&mut self, key: &PwKey) -> Option<&mut Pw> {
        self.all.get_mut(key)
    }

    /// The pseudowire of a port.
    pub(crate) fn at(&self, port: PortId) -> Option<(&PwKey, &Pw)> {
        self.all.get_key_value(self.ports.get(&port)?)
    }

    /// Pseudowires to a peer, in the order of their keys.
    pub(crate) fn to(&self, peer: IpAddr) -> impl Iterator<Item = (&PwKey, &Pw)> {
        self.all.range(first(peer)..).take_while(move |(key, _)| key.0 == peer)
    }

    /// As [`Self::to`], to change them.
    pub(crate) fn to_mut(&mut self, peer: IpAddr) -> impl Iterator<Item = &mut Pw> {
        self.all.range_mut(first(peer)..).take_while(move |(key, _)| key.0 == peer).map(|(_, pw)| pw)
    }

    /// Keys of pseudowires that are signalled as this.
    pub(crate) fn of(&self, service: PwService) -> impl Iterator<Item = PwKey> + '_ {
        self.peers.get(&service).into_iter().flatten().map(move |peer| (*peer, service.clone()))
    }
}
