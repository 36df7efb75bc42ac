//! What a node answers (RFC 8029 §4.4, RFC 6425 §4.2), as a procedure over what it knows of its labels and FECs.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{IfIndex, Label};

use super::downstream::{
    DownstreamDetailed, DownstreamLabel, DownstreamSubTlv, FecStackChange, InterfaceAddress, LabelProtocol,
};
use super::fec::TargetFec;
use super::message::{EchoMessage, GlobalFlags};
use super::responder::Arrival;
use super::return_code::ReturnCode;
use super::tlv::{InterfaceAndLabelStack, P2mpResponder, ReceivedLabel, Tlv};
use crate::ldp::octets::len8;

/// Where a label leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downstream {
    /// The largest labelled packet that fits, in octets.
    pub mtu: u16,
    /// The next node and its interface.
    pub address: InterfaceAddress,
    /// The labels that it will see, top first.
    pub labels: Vec<DownstreamLabel>,
    /// Whether the interface to it takes labels.
    pub mpls: bool,
    /// The egresses that are reached through it, where signalling tells them: with RSVP-TE it does, with mLDP not.
    pub egresses: Vec<IpAddr>,
    /// FECs that end or start here on this path (RFC 8029 §4.5.1, §4.5.2).
    pub changes: Vec<FecStackChange>,
}

/// What the forwarding plane does with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelOperation {
    /// Pops it and looks at what is below: explicit null, router alert, the last node of an LSP.
    Pop,
    /// Sends the packet on.
    Switch {
        /// To whom: one of several of equal cost, or all of a tree.
        downstreams: Vec<Downstream>,
        /// It also ends here: a bud.
        local: bool,
    },
}

/// What the control plane advertised for a FEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FecBinding {
    /// The label; implicit null where the neighbour pops.
    pub label: Label,
    /// Who advertised it.
    pub protocol: LabelProtocol,
}

/// What is known of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Our address on it.
    pub address: InterfaceAddress,
    /// Label distribution protocols that run on it; none: not known.
    pub protocols: Vec<LabelProtocol>,
}

/// What a node knows.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) labels: BTreeMap<Label, LabelOperation>,
    pub(super) fecs: BTreeMap<TargetFec, FecBinding>,
    pub(super) interfaces: BTreeMap<IfIndex, InterfaceInfo>,
    /// Our addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// Check FECs of transit LSPs even if the V flag does not ask for it.
    pub(super) validate: bool,
}

/// The result: what goes into the reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: ReturnCode,
    /// Best-rtn-subcode.
    pub(super) subcode: u8,
    pub(super) tlvs: Vec<Tlv>,
}

impl Answer {
    fn new(code: ReturnCode, depth: usize) -> Self {
        Self { code, subcode: len8(depth), tlvs: Vec::new() }
    }
}

/// For whom a request to a tree is, as seen from here (RFC 6425 §4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// All that this node is.
    All,
    /// The egress here.
    Egress,
    /// An egress behind this node.
    Transit(IpAddr),
    /// Not for this node.
    Nobody,
}

impl View {
    /// The answer to a request; `None`: there is none to give.
    pub(super) fn answer(&self, request: &EchoMessage, arrival: &Arrival<'_>) -> Option<Answer> {
        let expired = arrival.labels.first().is_none_or(|top| top.ttl <= 1);
        if request.flags.contains(GlobalFlags::RESPOND_ONLY_IF_TTL_EXPIRED) && !expired {
            return None;
        }
        let not_understood = request.not_understood();
        if !not_understood.is_empty() {
            let mut answer = Answer::new(ReturnCode::TLV_NOT_UNDERSTOOD, 0);
            answer.tlvs.push(Tlv::ErroredTlvs(not_understood));
            return Some(answer);
        }
        if request.fecs().is_empty() {
            return Some(Answer::new(ReturnCode::MALFORMED, 0));
        }
        let multipoint = request.fecs().iter().any(TargetFec::is_multipoint);
        let role = if multipoint { self.role(request, arrival) } else { Role::All };
        if role == Role::Nobody {
            return None;
        }
        Some(self.validate_labels(request, arrival, role, multipoint))
    }

    /// Whether a request to a tree is for this node (RFC 6425 §3.2, §4.2.1.3).
    fn role(&self, request: &EchoMessage, arrival: &Arrival<'_>) -> Role {
        let first = request.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::P2mpResponder(list) => list.first(),
            _ => None,
        });
        let is_mldp = request.fecs().iter().any(|fec| matches!(fec, TargetFec::Mldp(_)));
        match first {
            None | Some(P2mpResponder::Unknown(..)) => Role::All,
            Some(P2mpResponder::Node(address)) if self.addresses.contains(address) => Role::All,
            Some(P2mpResponder::Node(_)) => Role::Nobody,
            // Who lies on the path to an egress is not known with mLDP (RFC 6425 §3.2.1).
            Some(P2mpResponder::Egress(_)) if is_mldp => Role::Nobody,
            Some(P2mpResponder::Egress(address)) if self.addresses.contains(address) => Role::Egress,
            Some(P2mpResponder::Egress(address)) => {
                let behind = arrival.labels.first().is_some_and(|top| match self.labels.get(&top.label) {
                    Some(LabelOperation::Switch { downstreams, .. }) => {
                        downstreams.iter().any(|downstream| downstream.egresses.contains(address))
                    }
                    _ => false,
                });
                if behind { Role::Transit(*address) } else { Role::Nobody }
            }
        }
    }

    /// RFC 8029 §4.4, steps 3 and 4.
    fn validate_labels(&self, request: &EchoMessage, arrival: &Arrival<'_>, role: Role, multipoint: bool) -> Answer {
        let depth_of = |at: usize| arrival.labels.len().saturating_sub(at);
        for (at, received) in arrival.labels.iter().enumerate() {
            let depth = depth_of(at);
            // 3. Label validation. Router alert and explicit nulls always have an entry.
            let well_known =
                matches!(received.label, Label::ROUTER_ALERT | Label::IPV4_EXPLICIT_NULL | Label::IPV6_EXPLICIT_NULL);
            match self.labels.get(&received.label) {
                None if well_known => {}
                None => return Answer::new(ReturnCode::NO_LABEL_ENTRY, depth),
                // 4. Label operation check: pop and continue.
                Some(LabelOperation::Pop) => {}
                Some(LabelOperation::Switch { local: true, .. }) if role == Role::Egress => {}
                Some(LabelOperation::Switch { downstreams, local }) => {
                    let is_bud = *local && role == Role::All;
                    return self.transit(request, arrival, depth, downstreams, role, (is_bud, multipoint));
                }
            }
        }
        self.egress(request, arrival)
    }

    /// Swap, or pop and switch.
    fn transit(
        &self,
        request: &EchoMessage,
        arrival: &Arrival<'_>,
        depth: usize,
        downstreams: &[Downstream],
        role: Role,
        (is_bud, multipoint): (bool, bool),
    ) -> Answer {
        let mut answer = Answer::new(ReturnCode::LABEL_SWITCHED, depth);
        let asked = request.downstreams().next();
        if let Some(mapping) = asked {
            if mapping.address.is_unknown() {
                answer.code = ReturnCode::UPSTREAM_INTERFACE_UNKNOWN;
                answer.tlvs.extend(self.seen(arrival));
            } else if !mapping.address.is_all_routers() && !self.matches(mapping, arrival) {
                let mut answer = Answer::new(ReturnCode::DOWNSTREAM_MAPPING_MISMATCH, depth);
                answer.tlvs.extend(self.seen(arrival));
                return answer;
            }
        }
        let wanted = downstreams.iter().filter(|downstream| match role {
            Role::Transit(egress) => downstream.egresses.contains(&egress),
            _ => true,
        });
        let mut mapped = 0_usize;
        let mut changes = false;
        for downstream in wanted {
            if !downstream.mpls && !multipoint {
                return Answer::new(ReturnCode::NO_MPLS_FORWARDING, depth);
            }
            if asked.is_some() {
                let mut tlv = DownstreamDetailed::new(downstream.mtu, downstream.address, downstream.labels.clone());
                let code = match (downstream.mpls, downstream.changes.is_empty()) {
                    (false, _) => ReturnCode::NO_MPLS_FORWARDING,
                    (true, true) => ReturnCode::LABEL_SWITCHED,
                    (true, false) => ReturnCode::LABEL_SWITCHED_WITH_FEC_CHANGE,
                };
                changes |= !downstream.changes.is_empty();
                (tlv.return_code, tlv.return_subcode) = (code, answer.subcode);
                tlv.sub_tlvs.extend(downstream.changes.iter().cloned().map(DownstreamSubTlv::FecStackChange));
                answer.tlvs.push(Tlv::DownstreamDetailed(Box::new(tlv)));
                mapped = mapped.saturating_add(1);
            }
        }
        let without_fecs = asked.is_none_or(|mapping| mapping.address.is_all_routers());
        if !without_fecs && (self.validate || request.flags.contains(GlobalFlags::VALIDATE_FEC_STACK)) {
            if let Some((code, fec_depth)) = self.transit_fec(request, arrival, depth, asked) {
                return Answer { tlvs: answer.tlvs, ..Answer::new(code, fec_depth) };
            }
        }
        // A tree's FEC is checked in any case: whoever is not of it says so (RFC 6425 §4.2).
        if multipoint && without_fecs {
            let label = arrival.labels.get(arrival.labels.len().saturating_sub(depth)).map(|l| l.label);
            let (_, code) = self.check_fec(request.fecs().last(), label, arrival.iface);
            if code != ReturnCode::NONE {
                return Answer::new(code, 1);
            }
        }
        if is_bud {
            (answer.code, answer.subcode) = (ReturnCode::EGRESS, 1);
        } else if answer.code == ReturnCode::LABEL_SWITCHED && mapped > 0 && (multipoint || mapped > 1 || changes) {
            (answer.code, answer.subcode) = (ReturnCode::SEE_DDMAP, 0);
        }
        answer
    }

    /// The FEC check of a transit node: code and depth of what is wrong.
    fn transit_fec(
        &self,
        request: &EchoMessage,
        arrival: &Arrival<'_>,
        depth: usize,
        asked: Option<&DownstreamDetailed>,
    ) -> Option<(ReturnCode, usize)> {
        if matches!(request.fecs().first(), Some(TargetFec::Nil(_))) {
            return None;
        }
        // Implicit nulls of the mapping stand for FECs without a label.
        let (mut fec_depth, mut left) = (0_usize, depth);
        let labels = asked.map(DownstreamDetailed::labels).unwrap_or_default();
        while left > 0 && fec_depth < 64 {
            fec_depth = fec_depth.saturating_add(1);
            let at = labels.len().checked_sub(fec_depth).and_then(|at| labels.get(at));
            if at.is_none_or(|label| label.label != Label::IMPLICIT_NULL) {
                left = left.saturating_sub(1);
            }
        }
        let fec = request.fecs().len().checked_sub(fec_depth).and_then(|at| request.fecs().get(at))?;
        let label = arrival.labels.get(arrival.labels.len().saturating_sub(depth)).map(|l| l.label);
        match self.check_fec(Some(fec), label, arrival.iface) {
            (2, _) => Some((ReturnCode::NOT_THE_GIVEN_LABEL, fec_depth)),
            (1, code) => Some((code, fec_depth)),
            _ => None,
        }
    }

    /// RFC 8029 §4.4, steps 5 and 6.
    fn egress(&self, request: &EchoMessage, arrival: &Arrival<'_>) -> Answer {
        if let Some(mapping) = request.downstreams().next() {
            let checked = !mapping.address.is_unknown() && !mapping.address.is_all_routers();
            if checked && !self.matches(mapping, arrival) {
                let mut answer = Answer::new(ReturnCode::DOWNSTREAM_MAPPING_MISMATCH, arrival.labels.len());
                answer.tlvs.extend(self.seen(arrival));
                return answer;
            }
        }
        let fecs = request.fecs();
        if matches!(fecs.first(), Some(TargetFec::Nil(_))) {
            return Answer::new(ReturnCode::EGRESS, 1);
        }
        // FECs and labels from the bottom; a FEC whose label the neighbour popped takes none.
        let mut labels = arrival.labels.iter().rev().map(|received| received.label).peekable();
        let mut last = None;
        for (depth, fec) in (1_usize..).zip(fecs.iter().rev()) {
            let label = labels.peek().copied().or(last).unwrap_or(Label::IMPLICIT_NULL);
            let (status, code) = self.check_fec(Some(fec), Some(label), arrival.iface);
            if status == 1 {
                return Answer::new(code, depth);
            }
            if status == 0 {
                last = labels.next().or(last);
                // More FECs than labels: the rest was popped before.
                if labels.peek().is_none() && depth < fecs.len() {
                    last = Some(Label::IMPLICIT_NULL);
                }
            }
        }
        Answer::new(ReturnCode::EGRESS, 1)
    }

    /// FEC validation (RFC 8029 §4.4.1): FEC-status and FEC-return-code.
    fn check_fec(&self, fec: Option<&TargetFec>, label: Option<Label>, iface: IfIndex) -> (u8, ReturnCode) {
        let Some(fec) = fec else { return (1, ReturnCode::NO_MAPPING) };
        let label = label.unwrap_or(Label::IMPLICIT_NULL);
        if let TargetFec::Nil(_) = fec {
            let known = [Label::IPV4_EXPLICIT_NULL, Label::IPV6_EXPLICIT_NULL, Label::ROUTER_ALERT].contains(&label);
            return if known { (0, ReturnCode::NONE) } else { (1, ReturnCode::NOT_THE_GIVEN_LABEL) };
        }
        let Some(binding) = self.fecs.get(fec) else { return (1, ReturnCode::NO_MAPPING) };
        let status = match binding.label {
            Label::IMPLICIT_NULL => 2,
            given if given == label => 0,
            _ => return (1, ReturnCode::NOT_THE_GIVEN_LABEL),
        };
        // Only the protocols of the interface would have advertised the outermost FEC; service labels come from elsewhere.
        let is_transport = matches!(fec, TargetFec::Ldp(_) | TargetFec::Rsvp4(_) | TargetFec::Rsvp6(_));
        let other = self.interfaces.get(&iface).is_some_and(|interface| {
            !interface.protocols.is_empty() && !interface.protocols.contains(&binding.protocol)
        });
        if is_transport && other {
            return (1, ReturnCode::PROTOCOL_NOT_ASSOCIATED);
        }
        (status, ReturnCode::NONE)
    }

    /// Whether a mapping says what we see: our interface, and the labels without implicit nulls.
    fn matches(&self, mapping: &DownstreamDetailed, arrival: &Arrival<'_>) -> bool {
        let known = self.interfaces.get(&arrival.iface);
        let here = known.is_none_or(|interface| match (interface.address, mapping.address) {
            (InterfaceAddress::V4 { interface, .. }, InterfaceAddress::V4 { interface: said, .. }) => interface == said,
            (InterfaceAddress::V6 { interface, .. }, InterfaceAddress::V6 { interface: said, .. }) => interface == said,
            // The number is the upstream node's: only the node can be compared.
            (_, InterfaceAddress::V4Unnumbered { .. } | InterfaceAddress::V6Unnumbered { .. }) => {
                self.addresses.contains(&mapping.address.address())
            }
            _ => false,
        });
        let said = mapping.labels().iter().map(|label| label.label).filter(|label| *label != Label::IMPLICIT_NULL);
        here && said.eq(arrival.labels.iter().map(|received| received.label))
    }

    /// The interface that the request came by, and its labels.
    fn seen(&self, arrival: &Arrival<'_>) -> Option<Tlv> {
        let interface = self.interfaces.get(&arrival.iface)?.address;
        let labels: Vec<ReceivedLabel> = arrival.labels.to_vec();
        Some(Tlv::InterfaceAndLabelStack(Box::new(InterfaceAndLabelStack { interface, labels })))
    }
}
