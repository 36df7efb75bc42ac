//! What a VRF makes of a VPN route that it imports: the customer's attributes out of ATTR_SET (RFC 6368 §6), then its import policy.

use alloc::vec::Vec;

use fwd_core::net::IpPrefix;

use super::unwrap;
use crate::attr::AttrType;
use crate::nlri::RouteDistinguisher;
use crate::policy::PolicyRoute;
use crate::rib::{AttrId, LabelRef, Path, Source};
use crate::speaker::Routing;

impl Routing {
    /// The path of a VRF that a VPN path becomes, counted once; `None` where the VRF's policy refuses it, or where it came from an
    /// ASBR of option AB to which the VRF has no interface. `dest` is its destination in the VPN table.
    pub(crate) fn imported(
        &mut self,
        slot: u16,
        prefix: IpPrefix,
        rd: RouteDistinguisher,
        source: Source,
        dest: u32,
        path: Path,
    ) -> Option<Path> {
        let shared = &mut self.shared;
        let config = self.tables.vrf(slot)?.config.as_ref()?;
        let labels = match shared.across(&path) {
            Some(asbr) => LabelRef::by_link(shared.circuits.link_to(config.id, asbr)?),
            None => path.labels,
        };
        let set = shared.attributes.get(path.attr);
        let wrapped = set.summary.has_attr_set;
        let mut attr: Option<AttrId> = None;
        if wrapped {
            let mut octets = Vec::new();
            if unwrap(config.customer_as, set.octets(), &mut octets) {
                let hop = set.next_hop;
                attr = Some(shared.attributes.intern(&octets, hop, &mut shared.next_hops));
            }
        }
        if !config.import_policy.is_transparent() {
            let now = attr.unwrap_or(path.attr);
            let set = shared.attributes.get(now);
            let next_hop = shared.next_hops.address(set.next_hop);
            // Route targets are asked of the VPN route: they are not the customer's.
            let asked = shared.attributes.get(path.attr);
            let attributes = if wrapped { asked.octets() } else { set.octets() };
            let applied = config.import_policy.evaluate(&PolicyRoute { prefix, rd: Some(rd), next_hop, attributes });
            let Some(applied) = applied else {
                attr.into_iter().for_each(|attr| shared.attributes.release(attr, &mut shared.next_hops));
                return None;
            };
            if !applied.is_empty() {
                let mut octets = Vec::new();
                config.import_policy.apply(applied, set.octets(), shared.local.asn, &mut octets);
                let hop = set.next_hop;
                let changed = shared.attributes.intern(&octets, hop, &mut shared.next_hops);
                attr.into_iter().for_each(|attr| shared.attributes.release(attr, &mut shared.next_hops));
                attr = Some(changed);
            }
        }
        match attr {
            Some(_) => {}
            None => shared.attributes.retain(path.attr),
        }
        shared.stacks.retain(labels);
        debug_assert!(!wrapped || shared.attributes.get(attr.unwrap_or(path.attr)).value(AttrType::ATTR_SET).is_none());
        Some(Path { source, path_id: dest, attr: attr.unwrap_or(path.attr), labels })
    }
}
