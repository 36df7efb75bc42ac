//! A VPLS PE on real interfaces: [`vpls::VplsPe`] above the forwarding plane, with BGP and LDP to its peers and customers' circuits on ports.
//!
//! The interfaces of customers belong to this process alone; the core interface is shared with the kernel, which has its addresses.
//! How other PEs are reached is configured: neighbours on the core link, by labels in front where there are any.
//!
//! | File | What |
//! |---|---|
//! | `config.rs` | the configuration file of `lab vpls` |
//! | `bgp.rs` | sessions in the families of L2VPNs, and the best of the routes that they bring |
//! | `ldp.rs` | LDP, and the pseudowires that it signals |
//! | `egress.rs` | frames of the machine's own, with the tags or labels of the port that they leave by |
//! | `pe.rs` | the machine, its sessions, the forwarding plane and the clock |
//! | `command.rs` | `lab vpls` itself |

mod bgp;
pub mod command;
pub mod config;
mod egress;
mod ldp;
mod pe;

pub use pe::Pe;
