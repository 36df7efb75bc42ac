//! Selective trees at the source PE (RFC 7117 §8.1, §8.2): announced, then used, and given up when they are not worth it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use bgp_vpn::attr::RouteTarget;
use fwd_core::net::{NhlfeId, VsiId};
use fwd_core::time::Instant;

use super::{Binding, BindingState, Choice, Flow, Reason, TreeConfig, choose};
use crate::bgp::{McastKey, Nlri, Pmsi, RouteAttributes};
use crate::config::ConfigError;
use crate::event::EventKind;
use crate::pe::{Timer, VplsPe};
use crate::vsi::{Instance, Route};

/// What is known of a flow's rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RateWatch {
    /// The last sample.
    pub(crate) rate: u64,
    /// Since when the choice is what it is.
    since: Option<(Instant, bool)>,
    /// Membership changes, and since when they are counted.
    churn: (u32, Instant),
}

/// Flows whose rates are remembered.
const MOST_RATES: usize = 65_536;
const MINUTE: Duration = Duration::from_secs(60);

impl RateWatch {
    /// A membership of the flow changed.
    pub(crate) fn changed(&mut self, now: Instant) {
        if now - self.churn.1 > MINUTE {
            self.churn = (0, now);
        }
        self.churn.0 = self.churn.0.saturating_add(1);
    }

    fn churn(&self, now: Instant) -> u32 {
        if now - self.churn.1 > MINUTE { 0 } else { self.churn.0 }
    }

    /// Notes whether the flow is worth a tree; for how long it has been or has not.
    fn worth(&mut self, now: Instant, is_worth: bool) -> Duration {
        match self.since {
            Some((since, was)) if was == is_worth => now - since,
            _ => {
                self.since = Some((now, is_worth));
                Duration::ZERO
            }
        }
    }
}

impl Instance {
    /// Selective bindings.
    pub(crate) fn selective_bindings(&self) -> impl Iterator<Item = (&McastKey, &Binding)> {
        self.bindings.iter().filter(|(key, _)| key.source.is_some() || key.group.is_some())
    }

    /// PEs with members of a flow: those whose pseudowires want it, and those that answered.
    pub(crate) fn receivers(&self, source: Option<IpAddr>, group: IpAddr) -> BTreeSet<IpAddr> {
        let wanting: BTreeSet<_> = self
            .domains
            .values()
            .filter_map(|domain| domain.snooper.as_deref())
            .flat_map(|snooper| snooper.flow_members(source, group))
            .collect();
        let mut pes: BTreeSet<IpAddr> =
            self.mesh_peers().filter(|(_, port)| wanting.contains(port)).map(|(peer, _)| peer).collect();
        let bound =
            self.bindings.iter().filter(|(k, _)| k.group == Some(group) && (k.source.is_none() || k.source == source));
        pes.extend(bound.flat_map(|(_, binding)| binding.leaves.keys()));
        pes
    }
}

impl VplsPe {
    fn mcast_key(&self, instance: &Instance, source: Option<IpAddr>, group: IpAddr) -> McastKey {
        McastKey { rd: instance.config.rd, source, group: Some(group), originator: self.config.router_id.into() }
    }

    /// The selective tree of a flow, if it carries.
    pub(crate) fn selective(
        &self,
        instance: &Instance,
        source: Option<IpAddr>,
        group: IpAddr,
    ) -> Option<(BTreeSet<IpAddr>, Vec<NhlfeId>)> {
        let of = |source| instance.bindings.get(&self.mcast_key(instance, source, group));
        let binding = source.and_then(|s| of(Some(s))).or_else(|| of(None))?;
        self.served(instance, binding)
    }

    /// A sample of a flow's rate.
    pub(crate) fn rate(&mut self, vsi: VsiId, source: Option<IpAddr>, group: IpAddr, rate: u64) {
        let now = self.now;
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let Some(config) = instance.config.trees else { return };
        if instance.rates.len() >= MOST_RATES && !instance.rates.contains_key(&(source, group)) {
            return;
        }
        let receivers = instance.receivers(source, group).len();
        let trees = (instance.selective_bindings().count(), instance.config.limits.selective_trees);
        let pes = instance.mesh_peers().count();
        let watch = instance.rates.entry((source, group)).or_default();
        watch.rate = rate;
        let churn = watch.churn(now);
        let key =
            McastKey { rd: instance.config.rd, source, group: Some(group), originator: self.config.router_id.into() };
        let known = instance.bindings.get(&key).map(|binding| (binding.state, binding.since, binding.reason));
        // What has a tree is not counted against the limit once more.
        let trees = (trees.0.saturating_sub(usize::from(known.is_some())), trees.1);
        let (choice, reason) = choose(&config, &Flow { rate, receivers, pes, churn, trees });
        let Some(watch) = instance.rates.get_mut(&(source, group)) else { return };
        let lasted = watch.worth(now, choice == Choice::Selective);
        match (choice, known) {
            (Choice::Selective, None) if lasted >= config.sustain => self.announce(vsi, key, &config, reason),
            (Choice::Selective, _) => {}
            (_, Some((BindingState::Sending, since, why)))
                if why != Reason::Operator && lasted >= config.sustain && now - since >= config.least_life =>
            {
                self.revert(vsi, &key, reason);
            }
            _ => {}
        }
    }

    /// Announces a selective tree; data follows after the switchover delay.
    fn announce(&mut self, vsi: VsiId, key: McastKey, config: &TreeConfig, reason: Reason) {
        let Some(kind) = config.selective else { return };
        // VPLS-THR-C3: no more changes of trees in the core than it bears.
        if !self.switches.take(self.now, 1) {
            return;
        }
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let expected = key.group.map(|group| instance.receivers(key.source, group)).unwrap_or_default();
        self.bind(vsi, key, (kind, *config, expected), (BindingState::Announced, reason));
        self.timers.set(Timer::Binding(vsi, key), self.now + config.switchover);
    }

    /// Data leaves a selective tree; the announcement goes when leaves have had time to follow.
    pub(crate) fn revert(&mut self, vsi: VsiId, key: &McastKey, reason: Reason) {
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let Some(config) = instance.config.trees else { return };
        let Some(binding) = instance.bindings.get_mut(key) else { return };
        (binding.state, binding.since) = (BindingState::Reverting, self.now);
        instance.carried.switched(reason);
        self.timers.set(Timer::Binding(vsi, *key), self.now + config.switchover);
        self.event(vsi, EventKind::Inclusive(reason));
        self.regroup(vsi);
    }

    /// The time of a binding's state is over, or a leaf is ready.
    pub(crate) fn binding_timeout(&mut self, vsi: VsiId, key: &McastKey) {
        let now = self.now;
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let Some(config) = instance.config.trees else { return };
        let Some(binding) = instance.bindings.get_mut(key) else { return };
        match binding.state {
            BindingState::Announced if binding.entries.is_empty() || binding.leaves.is_empty() => {
                // Nobody is on the tree yet, or it is not up: data stays where it is.
                self.timers.set(Timer::Binding(vsi, *key), now + config.switchover);
            }
            BindingState::Announced => {
                (binding.state, binding.since) = (BindingState::Sending, now);
                let reason = binding.reason;
                binding.leaves.values_mut().for_each(|from| *from = (*from).min(now));
                instance.carried.switched(reason);
                self.event(vsi, EventKind::Selective(reason));
                self.regroup(vsi);
            }
            BindingState::Sending => self.regroup(vsi),
            BindingState::Reverting => self.drop_binding(vsi, key),
        }
    }

    /// The PEs that answered our route have changed.
    pub(crate) fn leaves_changed(&mut self, vsi: VsiId, key: &McastKey) {
        let now = self.now;
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        let Some(config) = instance.config.trees else { return };
        let answered = instance.routes.values().filter_map(|route| match route.nlri {
            Nlri::Leaf(of, leaf) if of == *key => Some(leaf),
            _ => None,
        });
        let answered: BTreeSet<IpAddr> = answered.collect();
        let Some(binding) = instance.bindings.get_mut(key) else { return };
        let carries = binding.leaves.values().any(|from| *from <= now) && !binding.entries.is_empty();
        binding.leaves.retain(|leaf, _| answered.contains(leaf));
        // The first leaves wait until the tree has grown to them; a later one has what the tree carries from the moment it joined.
        let from = if carries { now } else { now + config.switchover };
        let mut is_new = false;
        for leaf in answered {
            binding.leaves.entry(leaf).or_insert_with(|| {
                is_new = true;
                from
            });
        }
        let is_sending = binding.state == BindingState::Sending;
        if is_new && is_sending && from > now {
            self.timers.set(Timer::Binding(vsi, *key), from);
        }
        if is_sending {
            self.settle_all(crate::pe::Dirty::Flood(vsi));
            self.regroup(vsi);
        }
    }

    /// A selective tree by configuration, for a flow or a whole group.
    ///
    /// # Errors
    /// No such instance, no trees in it, or not a group that is routed.
    pub fn set_selective(
        &mut self,
        now: Instant,
        vsi: VsiId,
        source: Option<IpAddr>,
        group: IpAddr,
        present: bool,
    ) -> Result<(), ConfigError> {
        self.now = now;
        if !group.is_multicast() {
            return Err(ConfigError::Group);
        }
        let instance = self.vsis.get(&vsi).ok_or(ConfigError::NoVsi)?;
        let config = instance.config.trees.ok_or(ConfigError::TreeSignalling)?;
        let key = self.mcast_key(instance, source, group);
        match (present, instance.bindings.contains_key(&key)) {
            (true, false) => self.announce(vsi, key, &config, Reason::Operator),
            (false, true) => self.revert(vsi, &key, Reason::Operator),
            _ => {}
        }
        Ok(())
    }

    /// S-PMSI A-D routes of our bindings, and Leaf A-D routes of our answers.
    pub(crate) fn mcast_routes(&self, vsi: VsiId) -> Vec<Route> {
        let Some(instance) = self.vsis.get(&vsi) else { return Vec::new() };
        let own: IpAddr = self.config.router_id.into();
        let announced = instance.bindings.iter().map(|(key, binding)| {
            let mut attributes = RouteAttributes::with_targets(own, &instance.config.export);
            attributes.pmsi = Some(Pmsi { leaf_info: true, label: binding.label, tunnel: binding.tunnel.clone() });
            Route { nlri: Nlri::SPmsi(*key), attributes }
        });
        let answers = instance.joined.iter().filter(|(_, joined)| joined.leaf_info).map(|(key, joined)| {
            // RFC 7117 §8.3: a target that names the sender.
            let target = match joined.next_hop {
                IpAddr::V4(address) => alloc::vec![RouteTarget::ipv4_address(address, 0)],
                IpAddr::V6(_) => Vec::new(),
            };
            Route { nlri: Nlri::Leaf(*key, own), attributes: RouteAttributes::with_targets(own, &target) }
        });
        announced.chain(answers).collect()
    }

    /// The bindings of an instance.
    #[must_use]
    pub fn bindings(&self, vsi: VsiId) -> BTreeMap<McastKey, Binding> {
        self.vsis.get(&vsi).map(|i| i.bindings.clone().into_iter().collect()).unwrap_or_default()
    }
}
