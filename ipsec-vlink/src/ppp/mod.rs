//! PPP (RFC 1661) as sessions of L2TPv2 carry it (RFC 2661 §4.5): LCP, authentication by PAP (RFC 1334 §2) and CHAP (RFC 1994), IPCP
//! (RFC 1332) and IPv6CP (RFC 5072).
//!
//! [`Ppp`] is one end of one link. Frames go in and out as values; what was negotiated is an [`Event`]. No compression is offered but
//! that of frame headers, and what a peer wants beyond the options here is rejected, as RFC 1661 §5.4 has it.
//!
//! | File | What |
//! |---|---|
//! | `frame.rs` | frames and their protocols |
//! | `packet.rs` | packets of the control protocols, and their options |
//! | `fsm.rs` | the option negotiation automaton, as a pure function |
//! | `options.rs` | what each protocol asks for and takes |
//! | `auth.rs` | PAP and CHAP |
//! | `config.rs` | configuration and events |
//! | `control.rs` | one control protocol on its way through the automaton |
//! | `machine.rs` | the machine |

mod auth;
mod config;
mod control;
mod frame;
pub mod fsm;
mod machine;
mod options;
mod packet;

pub use auth::{AuthPacket, AuthProtocol};
pub use config::{Config, ConfigError, Credential, Down, Event, Input, Output};
pub use frame::{Frame, Protocol};
pub use machine::{Phase, Ppp};
pub use packet::{Code, OptionKind, Options, Packet, PacketOption};
