//! Objects of YANG models, read-only: snooping (RFC 9166), PIM as far as a bridge has state of it (RFC 9128), and the service as its
//! network model has it (RFC 9291).
//!
//! A [`Tree`] is a picture of one moment, as [`crate::mib::VplsMib`] is. A leaf is found by the path of its schema node and the keys of
//! the lists above it; of a leaf-list, the value is the last key. An instance is named by its number, an interface by its bridge port.
//!
//! | Wanted (RFC 5501 §5.4, §6.5.3) | Node |
//! |---|---|
//! | membership: groups, sources, ports, since when, who reported | `igmp-snooping-instance`, `mld-snooping-instance` |
//! | messages of a port by kind | `interfaces/interface/statistics` below them |
//! | PIM routers, Joins and Prunes | `pim/interfaces`, `pim/address-family/topology-tree-info` |
//! | instances, their signalling, circuits, limits | `l2vpn-ntw/vpn-services` |

mod pim;
mod service;
mod snooping;

use fwd_core::time::Instant;
use fwd_core::yang::{Node, count, left, seconds, text, ticks};
pub use fwd_core::yang::{Tree, Value};

use crate::pe::VplsPe;

/// Where a control plane protocol of RFC 8349 is.
const PROTOCOL: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol";

/// The leaves of a PE at this moment.
///
/// ```
/// use bgp_vpn::nlri::RouteDistinguisher;
/// use fwd_core::net::VsiId;
/// use fwd_core::time::Instant;
/// use vpls::yang::{Value, tree};
/// use vpls::{PeConfig, VplsPe, VsiConfig};
///
/// let now = Instant::ZERO;
/// let mut pe = VplsPe::new(now, PeConfig::new([192, 0, 2, 1].into()))?;
/// pe.add_vsi(now, VsiConfig::new(VsiId(1), RouteDistinguisher::two_octet_as(65000, 1)))?;
/// let path = "/ietf-l2vpn-ntw:l2vpn-ntw/vpn-services/vpn-service/vpn-type";
/// assert_eq!(tree(&pe, now).get(path, &["1"]), Some(&Value::Text("vpls".into())));
/// # Ok::<(), vpls::ConfigError>(())
/// ```
#[must_use]
pub fn tree(pe: &VplsPe, now: Instant) -> Tree {
    let mut tree = Tree::default();
    snooping::write(pe, now, &mut tree);
    pim::write(pe, now, &mut tree);
    service::write(pe, &mut tree);
    tree
}
