//! A PE's VRFs as leaves of YANG models, read-only: the network model `ietf-l3vpn-ntw` (RFC 9182 §7) and the service model `ietf-l3vpn-svc`
//! (RFC 8299 §6).
//!
//! A VRF is a service, by its name, of one node, this PE; an attachment circuit is a network access, by its interface, and to the service
//! model a site of its own with one access. What only whoever ordered the service knows (customers' names, bearers, locations, quality of
//! service) has no leaf. Of multicast, see `mvpn`.

mod network;
mod service;

use fwd_core::net::IfIndex;
pub use fwd_core::yang::{Tree, Value};

use crate::mib::View;
use crate::speaker::{Circuit, PeerId, Speaker};
use crate::vrf::VrfConfig;

/// What the router knows and its BGP speaker does not.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// Whether an interface is up.
    pub interface_up: &'a dyn Fn(IfIndex) -> bool,
    /// For whom the tree is.
    pub view: View<'a>,
}

/// The leaves of both models at this moment.
///
/// ```
/// use bgp_vpn::mib::View;
/// use bgp_vpn::session::LocalIdentity;
/// use bgp_vpn::speaker::{Speaker, SpeakerConfig};
/// use bgp_vpn::vrf::VrfConfig;
/// use bgp_vpn::yang::{Outside, Value, tree};
/// use fwd_core::net::{Label, NhlfeId, VrfId};
/// use fwd_core::time::Instant;
///
/// let local = LocalIdentity { asn: 65001, router_id: [192, 0, 2, 1].into() };
/// let labels = (Label::new(1000).unwrap(), Label::new(1999).unwrap());
/// let config = SpeakerConfig { local, cluster_id: None, labels, nhlfes: (NhlfeId(1), NhlfeId(99)), seed: 1 };
/// let mut pe = Speaker::new(Instant::ZERO, config)?;
/// let vrf = VrfConfig::new(VrfId(1), "red", "65001:1".parse().unwrap(), "65001:1".parse().unwrap());
/// pe.add_vrf(Instant::ZERO, vrf)?;
/// let tree = tree(&pe, Outside { interface_up: &|_| true, view: View::Provider });
/// let path = "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service/vpn-type";
/// assert_eq!(tree.get(path, &["red"]), Some(&Value::Text("ietf-vpn-common:l3vpn".into())));
/// # Ok::<(), bgp_vpn::session::ConfigError>(())
/// ```
#[must_use]
pub fn tree(speaker: &Speaker, outside: Outside<'_>) -> Tree {
    let mut tree = Tree::default();
    for vrf in speaker.vrfs().filter(|vrf| outside.view.shows(vrf.id)) {
        let circuits = circuits(speaker, vrf);
        network::write(speaker, outside, (vrf, &circuits), &mut tree);
        service::write(speaker, (vrf, &circuits), &mut tree);
    }
    tree
}

/// An attachment circuit of a VRF, with the circuits of both families and the CE that speaks BGP on it.
struct Access {
    iface: IfIndex,
    circuits: alloc::vec::Vec<Circuit>,
    peers: alloc::vec::Vec<PeerId>,
}

fn circuits(speaker: &Speaker, vrf: &VrfConfig) -> alloc::vec::Vec<Access> {
    let mut all: alloc::vec::Vec<Access> = alloc::vec::Vec::new();
    for (iface, circuit) in speaker.circuits().filter(|(_, circuit)| circuit.vrf == vrf.id) {
        let peer = speaker.peer_by_address(vrf.id, circuit.address);
        match all.iter_mut().find(|access| access.iface == iface) {
            Some(access) => {
                access.circuits.push(circuit);
                access.peers.extend(peer);
            }
            None => {
                let (circuits, peers) = (alloc::vec![circuit], peer.into_iter().collect());
                all.push(Access { iface, circuits, peers });
            }
        }
    }
    all
}

/// Whether every site of the VPN reaches every other: it imports what it exports.
fn is_any_to_any(vrf: &VrfConfig) -> bool {
    vrf.import.len() == vrf.export.len() && vrf.import.iter().all(|target| vrf.export.contains(target))
}
