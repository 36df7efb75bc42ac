//! The PMSI as the customers' mLDP sees it: a peer that is downstream in LSPs of the VRF's own sites, and upstream in those of others.

use core::time::Duration;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use fwd_core::net::{IfIndex, Label, LabelSpaceId, Mac, VrfId};
use fwd_core::op::NextHop;
use p2mp_pw::ldp::fec::{Fec, FecElement, MultipointFec};
use p2mp_pw::ldp::message::{LabelMapping, LabelTlv, LabelWithdraw, Message, MessageBody};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{Capability, LdpId, Pdu, Tlv, TlvType, TlvValue};
use p2mp_pw::mldp;

use crate::mvrf::io::Input;

/// The PMSI of a VRF, as a peer of the [`mldp::Mldp`] that runs in the VRF: makes the messages of the peer that stands for the VPN, and reads
/// those sent to it (RFC 6514 §11.1.2, §11.3.2).
///
/// The VRF's mLDP is given [`Self::reach`], [`Self::label_space`] and a session ([`Self::negotiated`]); roots that are behind other PEs have
/// this peer as candidate ([`mldp::Route::Paths`]). Its ops all go through [`Input::Program`]: labels that it gives to this peer become what
/// tunnels bring, and legs to this peer become tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PmsiPeer {
    /// The VRF.
    pub vrf: VrfId,
    /// The interface that the customers' protocols know the PMSI by: [`MvrfConfig::pmsi`](crate::mvrf::MvrfConfig::pmsi).
    pub interface: IfIndex,
    /// The LDP identifier that stands for the VPN; none of the customer's.
    pub peer: LdpId,
}

impl PmsiPeer {
    /// The label space of the PMSI. It is a name between the VRF's mLDP and the provider side: no interface has it, and no op with it
    /// reaches the forwarder.
    pub const SPACE: LabelSpaceId = LabelSpaceId(u32::MAX);

    /// How packets get to the PMSI, of so many octets at most, for the VRF's mLDP.
    #[must_use]
    pub const fn reach(&self, mtu: u16) -> mldp::Input<'static> {
        let next = Some(NextHop::Neighbor { iface: self.interface, mac: Mac([0; 6]) });
        mldp::Input::Reach { peer: self.peer, next, mtu }
    }

    /// Where labels given to the PMSI are looked up, for the VRF's mLDP.
    #[must_use]
    pub const fn label_space(&self) -> mldp::Input<'static> {
        mldp::Input::LabelSpace { peer: self.peer, space: Some(Self::SPACE) }
    }

    /// The session with the PMSI: P2MP LSPs, and nothing else. An MP2MP LSP of the customer's finds no upstream LSR there
    /// ([`mldp::Event::NoUpstream`]): what its leaves send has no way over the PMSI (RFC 7441 names such LSPs, and says nothing of that).
    #[must_use]
    pub fn negotiated() -> Negotiated {
        Negotiated {
            keepalive: Duration::from_secs(60),
            max_pdu_length: Pdu::DEFAULT_MAX_LEN,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: vec![(TlvType::P2MP_CAPABILITY, Capability::advertised())],
            graceful_restart: None,
        }
    }

    /// What [`Output::CMldp`](crate::mvrf::Output::CMldp) says, as the peer's message: a Label Mapping, or a Label Withdraw.
    #[must_use]
    pub fn message(&self, fec: MultipointFec, label: Label, mapped: bool) -> Message {
        let fec = Fec::single(FecElement::Multipoint(Box::new(fec)));
        let body = match mapped {
            true => {
                let label = LabelTlv::Generic(label);
                MessageBody::LabelMapping(LabelMapping { fec, label, optional: Vec::new() })
            }
            false => {
                let optional = vec![Tlv::new(TlvValue::GenericLabel(label))];
                MessageBody::LabelWithdraw(LabelWithdraw { fec, optional })
            }
        };
        body.into()
    }

    /// What a message of the VRF's mLDP to this peer says to the VPN, and the peer's answer: a Label Mapping joins an LSP, a Label Withdraw
    /// leaves it and is answered by a Label Release (RFC 6388 §2.4.2.2).
    #[must_use]
    pub fn read(&self, message: &Message) -> (Option<Input>, Option<Message>) {
        let single = |fec: &Fec| match fec.only() {
            Some(FecElement::Multipoint(fec)) => Some((**fec).clone()),
            _ => None,
        };
        let vrf = self.vrf;
        match &message.body {
            MessageBody::LabelMapping(mapping) => {
                let label = Some(mapping.label.label());
                (single(&mapping.fec).map(|fec| Input::CMldp { vrf, fec, label }), None)
            }
            MessageBody::LabelWithdraw(withdraw) => {
                let answer = MessageBody::LabelRelease(withdraw.clone()).into();
                (single(&withdraw.fec).map(|fec| Input::CMldp { vrf, fec, label: None }), Some(answer))
            }
            _ => (None, None),
        }
    }
}
