//! Auto-discovery: which PEs have an instance of the same VPLS, and LDP pseudowires to them (RFC 6074 §3.2).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::VsiId;

use super::{Nlri, RouteAttributes};
use crate::config::PwRole;
use crate::io::PwService;
use crate::pe::VplsPe;
use crate::vsi::{Instance, PwKey, Route};

impl Instance {
    /// PEs that announced an instance with our VPLS-id.
    fn discovered(&self) -> BTreeSet<IpAddr> {
        let wanted = self.config.discovery;
        let pe = |route: &alloc::sync::Arc<Route>| match route.nlri {
            Nlri::Discovery { pe, .. } if wanted.is_some() && route.attributes.vpls_id == wanted => {
                Some(IpAddr::V4(pe))
            }
            _ => None,
        };
        self.routes.values().filter_map(pe).collect()
    }
}

impl VplsPe {
    /// PEs have appeared or gone: each end sets its pseudowire up of its own accord (RFC 6074 §3.2.3).
    pub(crate) fn discovery_changed(&mut self, vsi: VsiId) {
        let Some(instance) = self.vsis.get(&vsi) else { return };
        let found = instance.discovered();
        let gone: Vec<PwKey> = instance.pws.of(PwService::Discovered).filter(|key| !found.contains(&key.0)).collect();
        gone.iter().for_each(|key| self.drop_pw(vsi, key));
        for peer in found {
            self.ldp_pw(vsi, &(peer, PwService::Discovered), PwRole::Mesh);
        }
        self.touch(vsi);
    }

    /// The auto-discovery route of an instance; also the VPLS A-D route of RFC 7117 §3.2.
    pub(crate) fn discovery_route(&self, vsi: VsiId) -> Option<Route> {
        let instance = self.vsis.get(&vsi)?;
        let vpls_id = instance.config.discovery?;
        let mut attributes = RouteAttributes::with_targets(self.config.router_id.into(), &instance.config.export);
        attributes.vpls_id = Some(vpls_id);
        attributes.pmsi = instance.inclusive_pmsi();
        Some(Route { nlri: Nlri::Discovery { rd: instance.config.rd, pe: self.config.router_id }, attributes })
    }
}
