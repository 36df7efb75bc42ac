//! LSP ping and traceroute (RFC 8029) of unicast LSPs, P2MP LSPs (RFC 6425) and pseudowires with one or many ends (RFC 8339).
//!
//! | What | File |
//! |---|---|
//! | echo requests and replies | `message.rs` |
//! | TLVs, return codes | `tlv.rs`, `return_code.rs` |
//! | FECs of the Target FEC Stack | `fec.rs`, `fec_rsvp.rs` |
//! | downstream mappings | `downstream.rs` |
//! | what a node answers, as a procedure | `answer.rs` |
//! | a node that answers: tables, limits, delays | `responder.rs` |
//! | a node that asks: ping and traceroute | `prober.rs` |
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

mod answer;
mod downstream;
mod fec;
mod fec_rsvp;
mod message;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod prober;
#[allow(clippy::arithmetic_side_effects)] // an instant plus a time saturates
mod responder;
mod return_code;
mod tlv;

pub use answer::{Downstream, FecBinding, InterfaceInfo, LabelOperation};
pub use downstream::{
    DownstreamDetailed, DownstreamLabel, DownstreamMapping, DownstreamSubTlv, DsFlags, FecStackChange,
    InterfaceAddress, LabelProtocol, Multipath,
};
pub use fec::{GeneralizedPwFec, PwIdFec, TargetFec, TargetFecType};
pub use fec_rsvp::{RsvpLsp, RsvpP2mpLsp};
pub use message::{EchoMessage, GlobalFlags, MessageType, ReplyMode};
pub use prober::{
    LspRef, Probe, ProbeError, ProbeEvent, ProbeId, ProbeInput, ProbeMode, ProbeOutput, ProbeReply, Prober,
    ProberConfig,
};
pub use responder::{
    Arrival, Responder, ResponderConfig, ResponderCounters, ResponderError, ResponderEvent, ResponderInput,
    ResponderOutput,
};
pub use return_code::ReturnCode;
pub use tlv::{InterfaceAndLabelStack, P2mpResponder, ReceivedLabel, Tlv, TlvType};
