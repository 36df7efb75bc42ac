//! VRFs (RFC 4364 §3): configuration, import, export, labels, limits.

mod config;

pub use config::{LabelMode, RouteLimit, VrfConfig};
