//! The speaker: sessions, RIBs and VRFs of one router as one machine.

mod io;

pub use io::{Circuit, Event, Input, LocalRoute, Output, PeerId, Reach, Side, SpeakerConfig};
