//! Capture files: reading pcap and pcapng, writing pcap, finding the IP packet in a frame, and putting TCP streams back
//! together.

mod link_layer;
mod read;
mod reassembly;
mod write;

pub use link_layer::{LinkType, TcpFrame, ip_packet};
pub use read::{CaptureError, Captured, Reader};
pub use reassembly::{Chunk, Reassembly};
pub use write::{Tap, Writer};
