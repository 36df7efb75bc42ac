//! The host-side laboratory: a deterministic network simulator, captures in and out, message decoding, the live driver
//! and the bookkeeping of requirements.

pub mod agentx;
pub mod columns;
pub mod coverage;
pub mod decode;
pub mod feed;
pub mod ipfix;
pub mod live;
pub mod pcap;
pub mod run;
pub mod sim;
pub mod sizing;
pub mod table;
pub mod vpls_scale;
