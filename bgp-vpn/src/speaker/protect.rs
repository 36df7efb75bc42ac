//! Backup paths in the forwarding plane: prefix independent convergence.
//!
//! A route with a second way leads to a pair of entries. All routes with the same two ways share it. When the next hop or circuit of the
//! first fails, one operation per pair sends everything by the second; what follows route by route only makes it last.

use alloc::string::ToString;

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix, NhlfeId, ProtectionId};
use fwd_core::op::{FwdOp, TunnelModel};
use fwd_core::time::Instant;

use super::machine::Speaker;
use super::routing::Routing;
use super::tables::AddressFamily;
use crate::rib::{LabelRef, Path, PrefixKey, Source, best_where};
use crate::session::ConfigError;
use crate::vrf::{Carrier, Installed, Tunnel, Tunnels};

impl Speaker {
    /// Gives the speaker pairs of entries, the first and the last, for the VRFs that are to have backup paths
    /// ([`VrfConfig::backup`](crate::vrf::VrfConfig)). To be called before the first VRF is added.
    ///
    /// # Errors
    /// A range that is empty; a VRF was added before.
    pub fn set_protections(&mut self, now: Instant, pairs: (ProtectionId, ProtectionId)) -> Result<(), ConfigError> {
        self.begin(now);
        let refuse = |value, rule| Err(ConfigError::Value { field: "protections", value, rule });
        if pairs.1 < pairs.0 {
            return refuse(alloc::format!("{} to {}", pairs.0.0, pairs.1.0), "the first not above the last");
        }
        if self.routing.tables.has_vrfs() {
            return refuse(self.routing.tables.by_rd.len().to_string(), "before the first VRF is added");
        }
        self.routing.tunnels.set_protections(pairs);
        Ok(())
    }
}

impl Routing {
    /// The entry of the pair of a destination's best way, `primary`, and its second best, counted once; `None` where there is no second.
    /// `owned` is the entry of the best where it is ours and counted for the destination: the pair takes it over.
    pub(crate) fn protected<P: AddressFamily>(
        &mut self,
        slot: u16,
        dest: u32,
        primary: NhlfeId,
        owned: Option<u32>,
    ) -> Option<u32> {
        let vrf = self.tables.vrf(slot)?;
        if !self.tunnels.protects() || !vrf.config.as_ref()?.backup {
            return None;
        }
        let (id, model) = (vrf.id, vrf.config.as_ref()?.model);
        let prefix = P::unicast(vrf).table.get(dest).key.prefix();
        let path = self.second_best::<P>(slot, dest)?;
        let (backup, second) = match self.way::<P>(slot, &path, prefix)? {
            (Some(nhlfe), _) => (nhlfe, None),
            (None, (labels, carrier)) => {
                let entry = self.acquire(id, Tunnel::new(labels, carrier, model))?;
                (self.tunnels.id(entry), Some(entry))
            }
        };
        let pair = Tunnel::new(LabelRef::NONE, Carrier::Pair(primary, backup), TunnelModel::Uniform);
        let known = self.tunnels.contains(&pair);
        let entry = if primary == backup { None } else { self.acquire(id, pair) };
        // A pair counts its two entries once.
        if known && entry.is_some() {
            owned.into_iter().for_each(|entry| self.release_entry(entry));
        }
        if known || entry.is_none() {
            second.into_iter().for_each(|entry| self.release_entry(entry));
        }
        entry
    }

    /// The best path of a destination that does not share the next hop or circuit of the best of all.
    fn second_best<P: AddressFamily>(&self, slot: u16, dest: u32) -> Option<Path> {
        let vrf = self.tables.vrf(slot)?;
        let d = P::unicast(vrf).table.get(dest);
        let best = d.best()?;
        let hop = |path: &Path| self.shared.attributes.get(path.attr).next_hop;
        let circuit = |path: &Path| self.shared.circuit(vrf.id, path, P::V6).map(|(_, nhlfe)| nhlfe);
        let apart = |path: &Path| match (best.source, path.source) {
            (Source::LEAKED, _) | (_, Source::LEAKED) => false,
            (Source::IMPORTED, Source::IMPORTED) => hop(best) != hop(path),
            (Source::IMPORTED, _) | (_, Source::IMPORTED) => true,
            _ => circuit(best) != circuit(path),
        };
        best_where(d, apart, |path| self.shared.judge_in_vrf(vrf.id, path, P::V6))
    }

    /// One operation for everything whose first way failed, or is there again: it goes before all others.
    pub(crate) fn switch_over(&mut self, is: impl Fn(&Tunnels, NhlfeId) -> bool, backup: bool) {
        let tunnels = &self.tunnels;
        let over = tunnels.pairs_over(|primary| is(tunnels, primary));
        let ops: alloc::vec::Vec<FwdOp> = over.map(|id| FwdOp::SwitchOver { id, backup }).collect();
        // Not before the op that makes a pair, if that is still to be taken.
        for op in ops {
            let FwdOp::SwitchOver { id, .. } = op else { continue };
            let made = |op: &FwdOp| matches!(op, FwdOp::SetProtection { id: pair, .. } if *pair == id);
            match self.ops.iter().position(made) {
                Some(at) => self.ops.insert(at.saturating_add(1), op),
                None => self.ops.push_front(op),
            }
        }
    }

    /// The forwarding plane had no room for a pair: its routes go by their best way alone, and no more pairs are made.
    pub(crate) fn unprotect(&mut self, entry: u32) {
        self.tunnels.refuse_pairs();
        for slot in self.tables.slots() {
            self.install_again::<Ipv4Prefix>(slot, entry);
            self.install_again::<Ipv6Prefix>(slot, entry);
        }
    }

    fn install_again<P: AddressFamily>(&mut self, slot: u16, entry: u32) {
        let Some(vrf) = self.tables.vrf_mut(slot) else { return };
        let through = (0u32..).zip(P::installed(vrf)).filter(|(_, i)| **i == Installed::Shared(entry));
        for dest in through.map(|(dest, _)| dest).collect::<alloc::vec::Vec<u32>>() {
            self.mark_fib::<P>(slot, dest);
        }
    }
}
