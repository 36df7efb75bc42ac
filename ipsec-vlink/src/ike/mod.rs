//! The Internet Key Exchange: ISAKMP and IKEv1 (RFC 2407, 2408, 2409), IKEv2 (RFC 7296).
//!
//! [`header`] and [`payload`] are the messages of both versions, [`crypto`] is what they need of the embedder. What a negotiation yields is a
//! [`ChildSa`], for the SAD. [`major_version`] says which version a message is of.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub mod child_sa;
pub mod config;
pub mod context;
pub mod crypto;
pub mod header;
pub mod payload;
pub mod selector;
pub mod v2;

pub use child_sa::{ChildSa, ChildSaId, EspKeys, EspSuite, IkeSaId, Mode, UdpEncapsulation};
pub use config::{AuthConfig, ChildConfig, ConfigError, Identity, IkeSuite, PeerConfig, PeerId};
pub use context::{ApplicationId, AsciiName, VpnContext, VpnName};
pub use header::major_version;
pub use selector::TrafficSelector;
