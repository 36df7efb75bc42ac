//! Payloads of both versions: the chain of generic headers (RFC 2408 §3.2, RFC 7296 §3.2), and a body of its own for each type.
//!
//! A body borrows the message: reading allocates nothing. [`v1::Body`] and [`v2::Body`] name the types of each version.

mod attribute;
mod auth;
mod cert;
mod chain;
mod cp;
mod delete;
mod fragment;
mod id;
mod ke;
mod notify;
mod ts;
pub mod v1;
pub mod v2;

pub use attribute::{Attribute, Attributes};
pub use auth::{Auth, AuthMethod};
pub use cert::{Cert, CertEncoding};
pub(super) use chain::set_length;
pub use chain::{MAX_PAYLOADS, Payload, PayloadType, Payloads, Writer};
pub use cp::{CfgType, Configuration};
pub use delete::Delete;
pub use fragment::EncryptedFragment;
pub use id::{IdType, Identification};
pub use ke::KeyExchange;
pub use notify::{Notify, NotifyType, ProtocolId};
pub use ts::{Selectors, TsBody};
