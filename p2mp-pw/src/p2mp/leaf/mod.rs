//! A leaf of P2MP pseudowires (RFC 8338 §3, §3.1, §5).
//!
//! | What | File |
//! |---|---|
//! | settings, inputs, outputs | `io.rs` |
//! | the machine: what operators do, offers of roots, tunnels, groups | `machine.rs` |
//! | pseudowires by template | `template.rs` |
//! | messages of roots | `receive.rs` |
//! | the state as messages and forwarding entries | `program.rs` |

mod io;
mod machine;
mod program;
mod receive;
mod template;

pub use io::{Counters, Event, Input, LeafConfig, LeafError, LeafPwConfig, Output, PwView};
pub use machine::Leaf;
pub use template::{TemplateConfig, TemplateId};
