//! What an operator says about pseudowires.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{IfIndex, PortId, ReplicationId, VsiId};
use fwd_core::op::Tags;

use super::io::PwIndex;
use crate::ldp::LdpId;
use crate::ldp::fec::{InterfaceParameter, PwEnds, PwType};
use crate::ldp::neighbour::{LabelRange, NhlfeRange};

/// All pseudowires of a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwsConfig {
    /// Our address, for switching points (RFC 6073 §7.4).
    pub local: IpAddr,
    /// Labels to hand out, one for each pseudowire.
    pub labels: LabelRange,
    /// Entries to number, one for each pseudowire.
    pub nhlfes: NhlfeRange,
    /// Pseudowires, at most. Default 20,000.
    pub max_pws: usize,
    /// Labels of a peer for pseudowires that are not configured, kept until they are, at most; more are released. Default 1,000.
    pub max_retained: usize,
    /// How long to wait for the answer to a requested switch-over (RFC 6870 §6.3). Default 2 s.
    pub switchover_response: Duration,
    /// How long a primary pseudowire must be well again before it is active again. Default 30 s.
    pub revert: Duration,
}

impl PwsConfig {
    /// Defaults.
    #[must_use]
    pub const fn new(local: IpAddr, labels: LabelRange, nhlfes: NhlfeRange) -> Self {
        Self {
            local,
            labels,
            nhlfes,
            max_pws: 20_000,
            max_retained: 1000,
            switchover_response: Duration::from_secs(2),
            revert: Duration::from_secs(30),
        }
    }
}

/// What names a pseudowire, between us and its peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PwName {
    /// FEC 128: a number that both ends know, not zero.
    Id(u32),
    /// FEC 129: group and both individuals as we send them, our own as the source.
    Ends(PwEnds),
}

/// A circuit that is joined to a pseudowire frame by frame, without learning: a virtual private wire. The numbers are the
/// embedder's and of this pseudowire alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrossConnect {
    /// The instance that joins both ports.
    pub vsi: VsiId,
    /// The interface of the circuit.
    pub iface: IfIndex,
    /// Which of its frames, and the tags that delimit the service.
    pub tags: Tags,
    /// The circuit's port.
    pub circuit: PortId,
    /// The pseudowire's port.
    pub pseudowire: PortId,
    /// The group of both.
    pub replication: ReplicationId,
}

/// What a pseudowire ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PwAttachment {
    /// A bridge port of the embedder's (a VPLS): incoming frames are led to it, and [`Output::Up`](super::Output::Up) says which
    /// entry it sends by.
    Port(PortId),
    /// A circuit; this machine programs the join. The pseudowires of a redundant set share one.
    Circuit(CrossConnect),
    /// Another pseudowire: we are S-PE (RFC 6073). Both name each other.
    Segment(PwIndex),
}

/// Who decides which pseudowire of a set is active (RFC 6870 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedundancyMode {
    /// Both ends; a pseudowire is used that both prefer.
    #[default]
    Independent,
    /// We do; the peer follows.
    Master,
    /// The peer does; we follow.
    Slave,
}

/// Membership in a set of pseudowires of which one is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedundancyMember {
    /// The set, of the operator's choice.
    pub set: u32,
    /// Who decides. The same for all of a set.
    pub mode: RedundancyMode,
    /// The smaller, the rather active. 0: the primary, to which the set reverts.
    pub precedence: u8,
}

/// One pseudowire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwConfig {
    /// The peer.
    pub peer: LdpId,
    /// Its name.
    pub name: PwName,
    /// Its type.
    pub pw_type: PwType,
    /// A group for wildcard messages (RFC 8077 §6.2.2.2). Default 0.
    pub group_id: u32,
    /// MTU of the circuit in octets; both ends must say the same. 0: not said, not checked. Default 1500.
    pub mtu: u16,
    /// Whether the control word is preferred (RFC 8077 §7.2). Default yes.
    pub control_word: bool,
    /// Whether frames of a [`PwAttachment::Circuit`] are numbered where the control word is used, and those that arrive late are dropped
    /// (RFC 4385 §4). Not signalled. Default no.
    pub sequence: bool,
    /// Whether status is signalled by the PW Status TLV, if the peer does so too; else by withdrawing labels. Default yes.
    pub status_tlv: bool,
    /// Further interface parameters: VLAN, VCCV, flow label.
    pub parameters: Vec<InterfaceParameter>,
    /// What it ends at.
    pub attachment: PwAttachment,
    /// The redundant set that it is of, if any.
    pub redundancy: Option<RedundancyMember>,
}

impl PwConfig {
    /// A pseudowire in Ethernet raw mode with defaults.
    #[must_use]
    pub const fn new(peer: LdpId, name: PwName, attachment: PwAttachment) -> Self {
        Self {
            peer,
            name,
            pw_type: PwType::ETHERNET,
            group_id: 0,
            mtu: 1500,
            control_word: true,
            sequence: false,
            status_tlv: true,
            parameters: Vec::new(),
            attachment,
            redundancy: None,
        }
    }
}

/// Bad configuration of a pseudowire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PwConfigError {
    /// A pseudowire number of zero.
    #[error("name: the number 0 is not allowed (RFC 8077 §6.1)")]
    ZeroId,
    /// The peer has a pseudowire of that name already.
    #[error("name: the peer has a pseudowire of that name already")]
    Duplicate,
    /// There are as many pseudowires as configured.
    #[error("max_pws: {0} pseudowires are there")]
    TooMany(usize),
    /// No label is left.
    #[error("labels: none is left")]
    NoLabel,
    /// No entry number is left.
    #[error("nhlfes: none is left")]
    NoNhlfe,
    /// A pseudowire type for which the control word is required, without it.
    #[error("control_word: required for this type (RFC 8077 §7.1)")]
    ControlWordRequired,
    /// There is no such pseudowire.
    #[error("pseudowire: there is none of that number")]
    Unknown,
    /// The other segment is joined to another one, or is no segment.
    #[error("attachment: the other segment does not lead here")]
    NotASegment,
    /// Interface parameters that do not fit the FEC element.
    #[error("parameters: {0} octets, 251 fit")]
    ParametersTooLong(usize),
}
