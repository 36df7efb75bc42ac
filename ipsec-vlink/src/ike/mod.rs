//! The Internet Key Exchange: ISAKMP and IKEv1 (RFC 2407, 2408, 2409), IKEv2 (RFC 7296).
//!
//! [`header`] and [`payload`] are the messages of both versions, [`crypto`] is what they need of the embedder, [`v1`] and [`v2`] are the
//! machines, which take and yield the same values ([`event`]). What a negotiation yields is a [`ChildSa`], for the SAD.
//! [`major_version`] says which version a message is of. RFC 9395 made IKEv1 historic: it is for peers that have nothing else. Its
//! deviations stand in [`v1`].
//!
//! # Deviations from the RFCs
//!
//! | RFC | Text | Here, and why |
//! |---|---|---|
//! | 7296 §2.3 | a window may be larger than 1 | 1, as SET_WINDOW_SIZE that is not sent says |
//! | 7296 §2.15, §2.16 | certificates and EAP | shared keys and raw public keys; certificates and EAP are read as octets and not used |
//! | 7296 §2.19 | addresses by configuration payloads | read and not answered: links between routers have addresses |
//! | 4555 §3.3, §3.6–§3.9 | any SA moves, additional addresses are said, paths are tried | only clones move, at once and where both ends are configured for it; COOKIE2 is answered |
//! | 5723 §4.1 | a ticket may be promised (TICKET_ACK) | it is given or refused at once |
//! | 7296 §2.21.1 | an error in answer to IKE_SA_INIT may be ignored for a while | ends the SA at once; its owner begins again |
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

mod arrival;
pub mod child_sa;
pub mod config;
pub mod context;
pub mod counters;
pub mod crypto;
pub mod event;
mod fresh;
pub mod header;
pub mod payload;
mod peer;
pub mod selector;
pub mod v1;
pub mod v2;

pub use child_sa::{ChildSa, ChildSaId, EspKeys, EspSuite, IkeSaId, Mode, UdpEncapsulation};
pub use config::{AuthConfig, ChildConfig, ConfigError, Identity, IkeSuite, PeerConfig, PeerId};
pub use context::{ApplicationId, AsciiName, VpnContext, VpnName};
pub use header::major_version;
pub use selector::TrafficSelector;
