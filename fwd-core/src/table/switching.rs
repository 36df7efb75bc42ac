//! What the tables of multicast, bridging and policing hold.

use super::Writer;
use super::mroute::unpack;
use crate::net::{Label, LabelSpaceId, Mac, PolicerId, PortId, ReplicationId, VrfId, VsiId};
use crate::op::{BridgePort, Ilm, LegTarget, Mroute, MrouteKey, Policer, Vsi, VsiOrVrf};

impl Writer<'_> {
    /// A multicast route.
    #[must_use]
    pub fn mroute(&self, vrf: VrfId, key: &MrouteKey) -> Option<Mroute> {
        self.multicast.reader().routes.get(VsiOrVrf::Vrf(vrf), key).map(unpack)
    }

    /// The multicast routes of a VRF, in no order. The work is proportional to all multicast routes.
    pub fn mroutes(&self, vrf: VrfId) -> impl Iterator<Item = (MrouteKey, Mroute)> + '_ {
        self.multicast.iter(vrf)
    }

    /// What a label of another router's label space means.
    #[must_use]
    pub fn context_ilm(&self, space: LabelSpaceId, label: Label) -> Option<Ilm> {
        self.multicast.reader().routes.context(space, label)
    }

    /// The owner of a replication group.
    #[must_use]
    pub fn replication(&self, id: ReplicationId) -> Option<VsiOrVrf> {
        self.multicast.reader().groups.get(id).map(|(owner, _)| owner)
    }

    /// The legs of a replication group, by number.
    pub fn legs(&self, id: ReplicationId) -> impl Iterator<Item = (u16, LegTarget)> + '_ {
        self.multicast.reader().groups.legs(id)
    }

    /// A virtual switch instance.
    #[must_use]
    pub fn vsi(&self, vsi: VsiId) -> Option<Vsi> {
        self.bridge.reader().vsi(vsi).map(|(settings, _)| settings)
    }

    /// A bridge port.
    #[must_use]
    pub fn port(&self, port: PortId) -> Option<BridgePort> {
        self.bridge.reader().port(port)
    }

    /// The port that a MAC address is at.
    #[must_use]
    pub fn mac(&self, vsi: VsiId, mac: Mac) -> Option<PortId> {
        self.bridge.macs().get(vsi, mac).map(|found| found.port())
    }

    /// Every MAC address with its port, and whether it is static, in no order.
    pub fn addresses(&self) -> impl Iterator<Item = (VsiId, Mac, PortId, bool)> + '_ {
        self.bridge.addresses()
    }

    /// Addresses learned in an instance.
    #[must_use]
    pub fn learned(&self, vsi: VsiId) -> u32 {
        self.bridge.reader().vsi(vsi).map_or(0, |(_, state)| state.macs())
    }

    /// A policer.
    #[must_use]
    pub fn policer(&self, id: PolicerId) -> Option<Policer> {
        self.policers.reader().get(id)
    }
}
