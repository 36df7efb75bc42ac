//! BGP messages, one file per message.

mod notification;
mod update_action;

pub use notification::{ErrorCode, Notification};
pub use update_action::FaultAction;
