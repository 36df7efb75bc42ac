//! The root of P2MP pseudowires (RFC 8338 §3, §5).
//!
//! | What | File |
//! |---|---|
//! | settings, inputs, outputs | `io.rs` |
//! | the machine: what operators do, sessions, tunnels | `machine.rs` |
//! | messages of leaves | `receive.rs` |
//! | the state as messages and forwarding entries | `program.rs` |

mod discover;
mod io;
mod machine;
mod program;
mod receive;

pub use io::{
    Counters, Event, FaultPolicy, Input, Output, Protects, PwView, RootConfig, RootError, RootPwConfig, RootState,
    TunnelRef,
};
pub use machine::Root;
