//! What a customer manages himself of his multicast service, within his contract (RFC 4176 §2.3, RFC 8299 §6.2.3).

use alloc::vec::Vec;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;

use super::alarm::Usage;
use super::config::{MvpnConfigError, MvpnLimits};
use super::machine::MvpnPe;
use super::permit::Permit;

/// What a customer bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// His VRFs on this PE.
    pub vrfs: Vec<VrfId>,
    /// The flows that may cross the backbone at most.
    pub permitted: Vec<Permit>,
    /// The limits, each at most.
    pub limits: MvpnLimits,
}

/// A PE as one customer may touch it.
#[derive(Debug)]
pub struct Customer<'a> {
    pe: &'a mut MvpnPe,
    contract: &'a Contract,
}

/// What a customer asked for and may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomerError {
    /// Another's VRF, or none.
    #[error("vrf: not one of the contract")]
    Vrf,
    /// More than the contract says, or a list that permits all.
    #[error("beyond the contract")]
    Contract,
    /// A value out of its range.
    #[error(transparent)]
    Config(#[from] MvpnConfigError),
}

impl MvpnPe {
    /// The PE as a customer of this contract may touch it.
    pub const fn customer<'a>(&'a mut self, contract: &'a Contract) -> Customer<'a> {
        Customer { pe: self, contract }
    }
}

impl Customer<'_> {
    fn own(&self, vrf: VrfId) -> Result<(), CustomerError> {
        if self.contract.vrfs.contains(&vrf) { Ok(()) } else { Err(CustomerError::Vrf) }
    }

    /// Changes the limits of a VRF.
    ///
    /// # Errors
    /// Another's VRF, a limit above that of the contract, a limit of 0.
    pub fn set_limits(&mut self, now: Instant, vrf: VrfId, limits: MvpnLimits) -> Result<(), CustomerError> {
        self.own(vrf)?;
        if !limits.is_within(&self.contract.limits) {
            return Err(CustomerError::Contract);
        }
        Ok(self.pe.set_limits(now, vrf, limits)?)
    }

    /// Changes the flows that may cross the backbone.
    ///
    /// # Errors
    /// Another's VRF; flows that the contract does not hold, or none, which would permit all; prefixes that are no groups.
    pub fn set_permitted(&mut self, now: Instant, vrf: VrfId, permitted: Vec<Permit>) -> Result<(), CustomerError> {
        self.own(vrf)?;
        let is_held = |permit: &Permit| self.contract.permitted.iter().any(|most| most.covers(permit));
        if permitted.is_empty() || !permitted.iter().all(is_held) {
            return Err(CustomerError::Contract);
        }
        Ok(self.pe.set_permitted(now, vrf, permitted)?)
    }

    /// How much of its limits a VRF uses; nothing for another's.
    #[must_use]
    pub fn usage(&self, vrf: VrfId) -> Vec<Usage> {
        if self.own(vrf).is_ok() { self.pe.usage(vrf) } else { Vec::new() }
    }
}

impl MvpnLimits {
    /// Whether each is at most that of another.
    fn is_within(&self, most: &Self) -> bool {
        let each = |l: &Self| {
            let of_others = [l.members, l.joins, l.s_pmsis, l.sources, l.leaves];
            let own = [l.trees, l.own_sources, l.own_s_pmsis, l.own_tunnels];
            of_others.into_iter().chain(own)
        };
        each(self).zip(each(most)).all(|(limit, most)| limit <= most)
    }
}
