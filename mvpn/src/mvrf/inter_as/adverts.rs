//! What a border router has to advertise, to whom.

use alloc::collections::{BTreeMap, BTreeSet};

use super::io::{Advert, AsbrOutput, Side};
use crate::mvrf::route::McastRoute;

/// Whom a route goes to, and which.
pub(super) type Key = (Side, McastRoute);

/// Routes of one cause: a tree's own, and those that it makes for its segments.
pub(super) type Own = BTreeMap<Key, Advert>;

/// Everything that is advertised. What changes several times before it is polled comes out once.
#[derive(Clone, Debug, Default)]
pub(super) struct Adverts {
    wanted: Own,
    told: BTreeSet<Key>,
    to_tell: BTreeSet<Key>,
    to_withdraw: BTreeSet<Key>,
}

impl Adverts {
    /// Puts the routes of one cause in the place of those that it had.
    pub(super) fn change(&mut self, had: &mut Own, wants: Own) {
        for key in had.keys().filter(|key| !wants.contains_key(*key)) {
            self.wanted.remove(key);
            self.to_tell.remove(key);
            if self.told.contains(key) {
                self.to_withdraw.insert(*key);
            }
        }
        for (key, advert) in &wants {
            if self.wanted.get(key) != Some(advert) {
                self.wanted.insert(*key, advert.clone());
                self.to_withdraw.remove(key);
                self.to_tell.insert(*key);
            }
        }
        *had = wants;
    }

    /// Forgets that these neighbours were told anything.
    pub(super) fn lost(&mut self, to: Side) {
        let is_there = |(side, _): &Key| *side != to;
        self.told.retain(is_there);
        self.to_withdraw.retain(is_there);
    }

    /// Routes before withdrawals.
    pub(super) fn poll(&mut self) -> Option<AsbrOutput> {
        while let Some(key) = self.to_tell.pop_first() {
            if let Some(advert) = self.wanted.get(&key) {
                self.told.insert(key);
                return Some(AsbrOutput::Advertise { to: key.0, route: key.1, advert: advert.clone() });
            }
        }
        let (to, route) = self.to_withdraw.pop_first()?;
        self.told.remove(&(to, route));
        Some(AsbrOutput::Withdraw { to, route })
    }

    /// What is advertised.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Side, &McastRoute, &Advert)> {
        self.wanted.iter().map(|((to, route), advert)| (*to, route, advert))
    }
}
