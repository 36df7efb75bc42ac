//! VRFs (RFC 4364 §3): configuration, import, export, labels, limits.
//!
//! | File | Procedure |
//! |---|---|
//! | `config.rs` | what an operator says |
//! | `instance.rs` | a VRF's tables and state |
//! | `circuit.rs` | attachment circuits (RFC 4364 §3.1) |
//! | `import.rs` | VPN routes into VRFs by route target (RFC 4364 §4.3.1) |
//! | `export.rs` | routes of CEs into VPN routes (RFC 4364 §4.3.1, §4.3.2) |
//! | `label.rs` | VPN labels and their ILM entries |
//! | `label_space.rs` | VPN labels in the label spaces of interfaces (RFC 3031 §3.14) |
//! | `nhlfe.rs` | entries for imported routes, shared by next hop and label |
//! | `limits.rs` | a bound on a VRF's routes |

mod circuit;
mod config;
mod export;
mod import;
mod instance;
mod label;
mod label_space;
mod limits;
mod nhlfe;

pub(crate) use circuit::{CircuitKey, Circuits};
pub use config::{InterAsLink, LabelMode, RouteLimit, VrfConfig};
pub(crate) use instance::{Installed, Vrf};
pub(crate) use label::VpnLabels;
pub(crate) use limits::RETRY;
pub(crate) use nhlfe::{Carrier, Tunnel, Tunnels};
