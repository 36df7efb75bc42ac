//! Label distribution for address prefixes (RFC 5036 §2.6, §2.7, Appendix A).
//!
//! The procedures of Appendix A are functions, and its steps are comments in them.
//!
//! | What | Appendix | File |
//! |---|---|---|
//! | Receive Label Request, Label Abort Request | A.1.1, A.1.3 | `request.rs` |
//! | Receive Label Mapping | A.1.2 | `mapping.rs` |
//! | Receive Label Release, Label Withdraw; NoLS | A.1.4, A.1.5, A.1.14 | `withdraw.rs` |
//! | Recognize New FEC, Detect Change in FEC Next Hop | A.1.6, A.1.7 | `route.rs` |
//! | notifications, deferred requests, label resources | A.1.8–A.1.13, A.1.15 | `notification.rs` |
//! | Send_Label, Send_Label_Request, Send_Label_Withdraw | A.2.1–A.2.5 | `send.rs` |
//! | hop counts, path vectors | A.2.6–A.2.8 | `attributes.rs` |
//! | peers that come and go, End-of-LIB, graceful restart | | `peer.rs` |
//! | which message goes to which procedure | | `receive.rs` |
//! | FECs and who knows them | | `fec.rs` |
//! | incoming label maps and entries | | `forwarding.rs` |
//! | the machine, configuration, inputs and outputs | | `machine.rs`, `config.rs`, `io.rs` |

// An instant plus a time saturates.
#![allow(clippy::arithmetic_side_effects)]

mod attributes;
mod config;
mod fec;
mod forwarding;
mod io;
mod machine;
mod mapping;
mod notification;
mod peer;
mod receive;
mod request;
mod route;
mod send;
mod withdraw;

pub use config::{Control, EgressLabel, LdeConfig, LoopDetection, RequestProcedure, Retention};
pub use io::{Event, Hop, Input, LdeCounters, Output, Route};
pub use machine::Lde;
