//! Virtual links of one system: set up, bound to their VPNs, watched, taken down.
//!
//! The machine asks IKE for associations and L2TP for sessions by values, learns keys and labels by values, and tells the forwarding
//! plane by ops: an entry is announced after the forwarding plane knows it, and withdrawn before it goes.
//!
//! | File | What |
//! |---|---|
//! | `fsm.rs` | the states of a link |
//! | `config.rs` | configuration, inputs, outputs |
//! | `machine.rs` | the machine |
//! | `association.rs` | keys, labels and associations of links |
//! | `install.rs` | what the forwarding plane is told of a link |
//! | `checks.rs` | what configuration is refused |
//! | `status.rs` | what is known of links |
//! | `policy.rs` | the SPD of each link: protect, bypass, discard |

mod association;
mod checks;
mod config;
pub mod fsm;
mod install;
mod machine;
mod policy;
mod status;

pub use config::{
    Config, ConfigError, Declined, Event, Input, LinkConfig, LinkId, LinkStatus, Output, PeerConfig, PeerId, PeerKind,
    SaRequest, Security,
};
pub use fsm::LinkState;
pub(crate) use install::OUTER_TTL;
pub use machine::VirtualLinks;
