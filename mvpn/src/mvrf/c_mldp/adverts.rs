//! Routes of this PE with customers' FEC elements, and the MVRFs that want them.

use alloc::collections::{BTreeMap, BTreeSet};
use fwd_core::net::VrfId;
use fwd_core::time::Instant;

use super::route::CMldpRoute;
use crate::mvrf::attributes::McastAttributes;
use crate::mvrf::event::{MvpnEvent, MvpnReject};
use crate::mvrf::io::Output;
use crate::mvrf::shared::Shared;

/// Routes of this PE, each once, whatever the number of MVRFs that originate it.
pub(in crate::mvrf) type CMldpAdverts = BTreeMap<CMldpRoute, (McastAttributes, BTreeSet<VrfId>)>;

impl Shared {
    /// Originates a route for an MVRF, or changes its attributes.
    pub(super) fn originate_c_mldp(&mut self, vrf: VrfId, route: CMldpRoute, attributes: McastAttributes) {
        let known = self.c_mldp.get_mut(&route);
        if let Some((said, owners)) = known {
            owners.insert(vrf);
            if *said == attributes {
                return;
            }
            *said = attributes.clone();
        } else {
            self.c_mldp.insert(route.clone(), (attributes.clone(), BTreeSet::from([vrf])));
        }
        self.outputs.push_back(Output::AdvertiseCMldp { route, attributes });
    }

    /// An MVRF wants a route no more.
    pub(super) fn withdraw_c_mldp(&mut self, vrf: VrfId, route: CMldpRoute) {
        let Some((_, owners)) = self.c_mldp.get_mut(&route) else { return };
        owners.remove(&vrf);
        if owners.is_empty() {
            self.c_mldp.remove(&route);
            self.outputs.push_back(Output::WithdrawCMldp(route));
        }
    }

    /// Whether another MVRF of this PE originates a route.
    pub(super) fn is_c_mldp_of_another(&self, vrf: VrfId, route: &CMldpRoute) -> bool {
        self.c_mldp.get(route).is_some_and(|(_, owners)| owners.iter().any(|owner| *owner != vrf))
    }

    /// A route with a customer's FEC element was not used.
    pub(super) fn reject_c_mldp(&mut self, now: Instant, vrf: VrfId, reason: MvpnReject, route: &CMldpRoute) {
        self.refusals = self.refusals.saturating_add(1);
        if let Some(times) = self.rejects(now, vrf, reason) {
            self.event(MvpnEvent::RejectedCMldp { reason, vrf, route: route.clone(), times });
        }
    }
}
