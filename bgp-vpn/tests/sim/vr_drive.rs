//! Arbitrary stimuli against the discovery of virtual routers, beside a naive model of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use arbitrary::Unstructured;
use bgp_vpn::attr::Attributes;
use bgp_vpn::attr::ext_community::RouteTarget;
use bgp_vpn::nlri::VrMembershipNlri;
use bgp_vpn::vr::{Input, Output, VrConfig, VrDiscovery, VrDiscoveryConfig};
use fwd_core::net::VpnId;
use fwd_core::time::Instant;

const NOW: Instant = Instant::ZERO;
const ROUTERS: usize = 5;

#[derive(Default)]
struct Model {
    ours: BTreeMap<VpnId, VrConfig>,
    theirs: BTreeMap<(VpnId, IpAddr), Vec<RouteTarget>>,
}

impl Model {
    fn links(&self) -> BTreeSet<(VpnId, IpAddr, IpAddr)> {
        let wanted = |(key, exports): (&(VpnId, IpAddr), &Vec<RouteTarget>)| {
            let vr = self.ours.get(&key.0)?;
            let wanted = exports.iter().any(|t| vr.import.contains(t)) && key.1 != vr.address;
            wanted.then_some((key.0, vr.address, key.1))
        };
        self.theirs.iter().filter_map(wanted).collect()
    }
}

fn vpn(u: &mut Unstructured<'_>) -> VpnId {
    VpnId::new(0x5e, u32::from(u.arbitrary::<u8>().unwrap_or(0) % 3)).expect("24 bits")
}

fn address(u: &mut Unstructured<'_>) -> IpAddr {
    match u.arbitrary::<u8>().unwrap_or(0) % 6 {
        n @ 0..=3 => [192, 0, 2, n].into(),
        n => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)]),
    }
}

fn targets(u: &mut Unstructured<'_>) -> Vec<RouteTarget> {
    let bits = u.arbitrary::<u8>().unwrap_or(0);
    (0..3).filter(|n| bits & 1 << n != 0).map(|n| format!("65001:{n}").parse().expect("a target")).collect()
}

/// Runs whatever the octets say.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut discovery = VrDiscovery::new(NOW, VrDiscoveryConfig { max_routers: ROUTERS as u32 }).expect("a bound");
    let mut model = Model::default();
    let mut links = BTreeSet::new();
    while !u.is_empty() {
        match u.arbitrary::<u8>().unwrap_or(0) % 8 {
            0 | 1 => {
                let (vpn_id, import, export) = (vpn(&mut u), targets(&mut u), targets(&mut u));
                let vr = VrConfig { vpn_id, address: address(&mut u), import, export };
                let sound = !vr.import.is_empty() && !vr.export.is_empty() && !model.ours.contains_key(&vpn_id);
                assert_eq!(discovery.add_vr(NOW, vr.clone()).is_ok(), sound);
                if sound {
                    model.ours.insert(vpn_id, vr);
                }
            }
            2 => {
                let vpn_id = vpn(&mut u);
                assert_eq!(discovery.remove_vr(NOW, vpn_id).is_ok(), model.ours.remove(&vpn_id).is_some());
            }
            3..=5 => {
                let (key, exports) = ((vpn(&mut u), address(&mut u)), targets(&mut u));
                let communities: Vec<u8> = exports.iter().flat_map(|t| t.community().0).collect();
                let octets = [&[0xc0, 16, communities.len() as u8], &communities[..]].concat();
                let attributes = Attributes::of_canonical(&octets);
                let nlri = VrMembershipNlri::new(key.0, key.1);
                discovery.handle_input(NOW, Input::Route { nlri, attributes: Some(&attributes) });
                let own = model.ours.get(&key.0).is_some_and(|vr| vr.address == key.1);
                if !own && (model.theirs.contains_key(&key) || model.theirs.len() < ROUTERS) {
                    model.theirs.insert(key, exports);
                }
            }
            6 => {
                let key = (vpn(&mut u), address(&mut u));
                let nlri = VrMembershipNlri::new(key.0, key.1);
                discovery.handle_input(NOW, Input::Route { nlri, attributes: None });
                model.theirs.remove(&key);
            }
            _ => discovery.handle_input(NOW, Input::Refresh),
        }
        while let Some(output) = discovery.poll_output() {
            if let Output::Neighbor { vpn_id, local, remote, up } = output {
                let link = (vpn_id, local, remote);
                assert!(if up { links.insert(link) } else { links.remove(&link) }, "told twice");
            }
        }
        assert_eq!(links, model.links());
    }
}
