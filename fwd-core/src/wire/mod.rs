//! Headers of the data plane, as views on arrays of their length.
//!
//! A view is made once, where the length of the octets is checked; its getters and setters cannot fail. A view on
//! `&[u8; N]` reads, one on `&mut [u8; N]` or `[u8; N]` writes as well.

pub mod checksum;
pub mod control_word;
pub mod esp;
pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod ip_protocol;
pub mod ipv4;
pub mod ipv6;
pub mod l2tpv3;
pub mod mpls;
pub mod udp;
pub mod vlan;

pub use control_word::{AssociatedChannel, ControlWord, PwNumbering, PwOrder};
pub use esp::Esp;
pub use ethernet::{EtherType, Ethernet};
pub use gre::Gre;
pub use ip_protocol::IpProtocol;
pub use ipv4::Ipv4;
pub use ipv6::Ipv6;
pub use mpls::LabelEntry;
pub use udp::Udp;
pub use vlan::Vlan;
