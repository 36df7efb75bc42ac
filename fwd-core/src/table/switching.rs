//! What the tables of multicast, bridging, policing and path protection hold.

use core::net::IpAddr;

use super::Writer;
use super::mroute::unpack;
use super::spread::Pair;
use crate::net::{
    EcmpId, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, Mac, NhlfeId, PolicerId, PortId, ProtectionId, ReplicationId,
    RpfSetId, TunnelId, VlanId, VrfId, VsiId,
};
use crate::op::{
    BridgePort, Bucket, CodePoint, FwdOp, Ilm, LegTarget, MarkPoint, Mroute, MrouteKey, MulticastVrf, Origin,
    PolicePoint, Policer, Vsi, VsiGroupKey, VsiOrVrf,
};

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

    /// The multicast routes of every VRF and the group entries by IP address of every instance, in no order.
    pub(crate) fn all_mroutes(&self) -> impl Iterator<Item = (VsiOrVrf, MrouteKey, Mroute)> + '_ {
        self.multicast.routes.all()
    }

    /// What else is in the table of multicast routes and is no port's: members of RPF sets, labels of other label spaces, VLAN domains,
    /// group entries by MAC address; as the ops that would make it, in no order.
    pub(crate) fn small_entries(&self) -> impl Iterator<Item = FwdOp> + '_ {
        self.multicast.routes.others()
    }

    /// The multicast route that packets from a source to a group take in a VRF, and its key.
    #[must_use]
    pub fn mroute_of(&self, vrf: VrfId, source: IpAddr, group: IpAddr) -> Option<(MrouteKey, Mroute)> {
        let reader = self.multicast.reader();
        let (owner, lengths) = (VsiOrVrf::Vrf(vrf), reader.vrf(vrf)?.lengths());
        let value = match (source, group) {
            (IpAddr::V4(source), IpAddr::V4(group)) => reader.routes.lookup4(owner, lengths, source, group),
            (IpAddr::V6(source), IpAddr::V6(group)) => reader.routes.lookup6(owner, lengths, source, group),
            _ => None,
        };
        let is_there = |key: &MrouteKey| reader.routes.get(owner, key).is_some();
        Some((keys_of(source, group).find(is_there)?, unpack(value?)))
    }

    /// How a VRF does multicast; none if it does not.
    #[must_use]
    pub fn multicast_vrf(&self, vrf: VrfId) -> Option<MulticastVrf> {
        self.multicast.reader().vrf(vrf)?.punts().map(|punt_no_route| MulticastVrf { punt_no_route })
    }

    /// Whether a set that packets may come from has this member.
    #[must_use]
    pub fn is_rpf_member(&self, set: RpfSetId, from: Origin) -> bool {
        self.multicast.reader().routes.is_member(set, from)
    }

    /// The VRF that a tunnel is bound to.
    #[must_use]
    pub fn tunnel_vrf(&self, tunnel: TunnelId) -> Option<VrfId> {
        self.multicast.reader().tunnel_vrf(tunnel)
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

    /// The port that a static MAC address is at.
    #[must_use]
    pub fn static_mac(&self, vsi: VsiId, mac: Mac) -> Option<PortId> {
        self.bridge.macs().get(vsi, mac).filter(|found| found.is_static()).map(|found| found.port())
    }

    /// Where the frames of exactly this group entry go, if there is such an entry; none: nowhere.
    #[must_use]
    pub fn vsi_group(&self, vsi: VsiId, key: &VsiGroupKey) -> Option<Option<ReplicationId>> {
        let routes = self.multicast.reader().routes;
        let value = match key {
            VsiGroupKey::Ip(key) => routes.get(VsiOrVrf::Vsi(vsi), key),
            VsiGroupKey::Mac(mac) => routes.mac(vsi, *mac),
        };
        value.map(|value| unpack(value).replication)
    }

    /// The instance that stands for a customer's VLAN.
    #[must_use]
    pub fn vlan_domain(&self, vsi: VsiId, vlan: VlanId) -> Option<VsiId> {
        self.multicast.reader().routes.vlan_domain(vsi, vlan)
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

    /// The policer that stands somewhere.
    #[must_use]
    pub fn police_point(&self, at: PolicePoint) -> Option<PolicerId> {
        let (bridges, multicast) = (self.bridge.reader(), self.multicast.reader());
        let word = match at {
            PolicePoint::Port(port, traffic) => bridges.port_state(port)?.policer(traffic),
            PolicePoint::Vsi(vsi, traffic) => bridges.vsi_state(vsi)?.policer(traffic),
            PolicePoint::Multicast(vrf) => multicast.vrf(vrf)?.policer(),
            PolicePoint::Punt(vrf) => multicast.vrf(vrf)?.punt_policer(),
            PolicePoint::Group(id) => multicast.groups.treatment(id).0,
        };
        word.checked_sub(1).map(PolicerId)
    }

    /// What packets are marked with somewhere.
    #[must_use]
    pub fn mark_point(&self, at: MarkPoint) -> Option<CodePoint> {
        let mark = match at {
            MarkPoint::Vrf(vrf) => self.vrfs.get(vrf)?.mark(),
            MarkPoint::Group(id) => self.multicast.reader().groups.treatment(id).1,
        };
        mark.and_then(CodePoint::new)
    }

    /// The entry in a bucket of a group.
    #[must_use]
    pub fn bucket(&self, group: EcmpId, bucket: Bucket) -> Option<NhlfeId> {
        self.groups.bucket(group, bucket)?.peek().checked_sub(1).map(NhlfeId)
    }

    /// A protected pair.
    pub(crate) fn protection(&self, id: ProtectionId) -> Option<Pair> {
        self.pairs.get(id)
    }
}

/// The keys that a packet's route may have, the one that wins first.
fn keys_of(source: IpAddr, group: IpAddr) -> impl Iterator<Item = MrouteKey> {
    let exact = match (source, group) {
        (IpAddr::V4(source), IpAddr::V4(group)) => Some(MrouteKey::Source4 { source, group }),
        (IpAddr::V6(source), IpAddr::V6(group)) => Some(MrouteKey::Source6 { source, group }),
        _ => None,
    };
    let lengths = if group.is_ipv4() { MrouteKey::SHORTEST4..=32 } else { MrouteKey::SHORTEST6..=128 };
    let prefixes = lengths.rev().filter_map(move |len| {
        Some(match group {
            IpAddr::V4(group) => MrouteKey::Group4 { group: Ipv4Prefix::from_bits(group.to_bits(), len)? },
            IpAddr::V6(group) => MrouteKey::Group6 { group: Ipv6Prefix::from_bits(group.to_bits(), len)? },
        })
    });
    exact.into_iter().chain(prefixes)
}
