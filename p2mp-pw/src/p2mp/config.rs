//! Names and settings of both ends.

use alloc::vec;
use alloc::vec::Vec;

use fwd_core::net::{IfIndex, LabelSpaceId, PortId};
use fwd_core::net::{ReplicationId, VsiId};
use fwd_core::op::{Attachment as PortAttachment, BridgePort, ClassMap, FlowLabels, LinkLocal, Tags, Vsi};

use crate::ldp::fec::{Attachment, InterfaceParameter, P2mpPw, P2mpPwError, PmsiTunnel, PwType, SelectiveTree, Vccv};
use crate::ldp::{Tlv, TlvValue};

/// Names a P2MP pseudowire in all signalling: the source attachment identifier (RFC 8338 §3.2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sai {
    /// The attachment group identifier, or [`Attachment::NULL`].
    pub agi: Attachment,
    /// The source attachment individual identifier, of type 2 (RFC 5003 §3.2).
    pub saii: Attachment,
}

impl Sai {
    /// The name in a FEC element; `None` if that means a group.
    #[must_use]
    pub fn of(pw: &P2mpPw) -> Option<Self> {
        pw.source().map(|(agi, saii)| Self { agi: agi.clone(), saii: saii.clone() })
    }
}

/// A pseudowire of this router, of whichever end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PwId(pub u32);

/// An attachment circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// The interface.
    pub iface: IfIndex,
    /// The tags of its frames.
    pub tags: Tags,
}

/// What both ends have to agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The type; frames are carried in raw mode.
    pub pw_type: PwType,
    /// With the control word (RFC 4385).
    pub control_word: bool,
    /// Frames are numbered, and those that arrive late are dropped (RFC 4385 §4). Not signalled; needs the control word. Default off.
    pub sequence: bool,
    /// The largest frame payload of the attachment circuits, in octets.
    pub mtu: u16,
    /// Control channels and verification that the root uses; nothing is negotiated (RFC 8338 §3.2.1).
    pub vccv: Option<Vccv>,
    /// The group of the pseudowire, for wildcards (RFC 8338 §3.4).
    pub group_id: Option<u32>,
    /// What of the root's multicast it carries; empty: all.
    pub selective: Vec<SelectiveTree>,
}

impl Service {
    /// Ethernet in raw mode with the control word.
    #[must_use]
    pub const fn ethernet(mtu: u16) -> Self {
        let selective = Vec::new();
        Self {
            pw_type: PwType::ETHERNET,
            control_word: true,
            sequence: false,
            mtu,
            vccv: None,
            group_id: None,
            selective,
        }
    }

    /// The P2MP PW Upstream element of a Label Mapping: parameters stand inside.
    pub(super) fn offer(&self, sai: &Sai, tunnel: PmsiTunnel) -> Result<P2mpPw, P2mpPwError> {
        let mut parameters = vec![InterfaceParameter::Mtu(self.mtu)];
        parameters.extend(self.vccv.map(InterfaceParameter::Vccv));
        parameters.extend(self.selective.iter().copied().map(InterfaceParameter::SelectiveTree));
        let mut optional = vec![Tlv::new(TlvValue::PwInterfaceParameters(parameters))];
        optional.extend(self.group_id.map(|id| Tlv::new(TlvValue::PwGroupId(id))));
        let name = (sai.agi.clone(), sai.saii.clone());
        P2mpPw::new(self.control_word, self.pw_type, name, Some(tunnel), optional)
    }

    /// An element that only names the pseudowire: upstream with its tunnel, or downstream.
    pub(super) fn named(&self, sai: &Sai, tunnel: Option<PmsiTunnel>) -> Result<P2mpPw, P2mpPwError> {
        let name = (sai.agi.clone(), sai.saii.clone());
        P2mpPw::new(self.control_word, self.pw_type, name, tunnel, Vec::new())
    }
}

/// Where the root looks for faults of leaves, and a leaf for faults of the way from the root (RFC 7338 §3.4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Monitor {
    /// In LDP status messages: out of band.
    Ldp,
    /// In VCCV: in band.
    Vccv,
    /// In both.
    #[default]
    Both,
}

impl Monitor {
    /// Whether LDP status counts.
    #[must_use]
    pub const fn ldp(self) -> bool {
        matches!(self, Self::Ldp | Self::Both)
    }

    /// Whether what VCCV finds counts.
    #[must_use]
    pub const fn vccv(self) -> bool {
        matches!(self, Self::Vccv | Self::Both)
    }
}

/// A block of bridge ports that one machine numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: PortId,
    /// The last.
    pub last: PortId,
}

/// A block of instances that one machine numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VsiRange {
    /// The first.
    pub first: VsiId,
    /// The last.
    pub last: VsiId,
}

/// A block of label spaces that one machine numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceRange {
    /// The first.
    pub first: LabelSpaceId,
    /// The last.
    pub last: LabelSpaceId,
}

/// An instance that floods and learns nothing: a pseudowire has no addresses.
pub(super) const fn instance(group: ReplicationId, sequence: bool) -> Vsi {
    let all = Some(group);
    let (mac_limit, age, snoop, link_local) = (0, 0, false, LinkLocal::Flood);
    Vsi {
        unknown: all,
        broadcast: all,
        multicast: all,
        mac_limit,
        age,
        multicast_mtu: 0,
        snoop,
        link_local,
        sequence,
        classes: ClassMap::IDENTITY,
    }
}

/// A port of such an instance. Frames do not go between ports of one side, but for side 0.
pub(super) const fn port(vsi: VsiId, attachment: PortAttachment, side: u8, control_word: bool) -> BridgePort {
    let (mac_limit, learn, flow_label, class) = (0, false, FlowLabels::NONE, None);
    BridgePort { vsi, attachment, split_horizon: side, mac_limit, learn, control_word, flow_label, class }
}
