//! What is programmed for a pseudowire: its entry over the tunnel, its incoming label, the join with a circuit.

use fwd_core::net::{Label, LabelStack, NhlfeId};
use fwd_core::op::{
    Attachment, BridgePort, ClassMap, FlowLabels, FwdOp, Ilm, IlmAction, LegTarget, LinkLocal, NextHop, Nhlfe,
    TunnelModel, Vsi, VsiOrVrf,
};
use fwd_core::time::Instant;

use super::c_bit::CBit;
use super::config::{CrossConnect, PwAttachment};
use super::io::{Event, Output, PwForwarding, PwIndex};
use super::machine::Pws;
use crate::ldp::fec::{FlowLabel, InterfaceParameter};

impl Pws {
    /// How a pseudowire should forward: `None`, not at all.
    fn wanted(&self, pw: PwIndex) -> Option<(PwForwarding, NhlfeId, Label)> {
        let state = self.pws.get(&pw)?;
        if !self.is_able(pw) || !state.active {
            return None;
        }
        let remote = state.remote.as_ref()?;
        if state.config.redundancy.is_some() && remote.status.contains(crate::ldp::PwStatus::STANDBY) {
            // Only one that both ends have active carries packets (RFC 6870 §5.1).
            return None;
        }
        if self.other(pw).is_some_and(|other| !self.is_able(other)) {
            return None;
        }
        let says = |flow: FlowLabel| move |p: &InterfaceParameter| matches!(p, InterfaceParameter::FlowLabel(f) if f.contains(flow));
        let ours = |flow| state.config.parameters.iter().any(says(flow));
        // RFC 6391 §4.1: in each direction where one end sends them and the other takes them.
        let flow_label = FlowLabels {
            transmit: ours(FlowLabel::TRANSMIT) && remote.flow_label.contains(FlowLabel::RECEIVE),
            receive: ours(FlowLabel::RECEIVE) && remote.flow_label.contains(FlowLabel::TRANSMIT),
        };
        let control_word = match state.c_bit {
            CBit::Done(used) => used,
            _ => remote.control_word,
        };
        let transport = *self.transports.get(&state.config.peer)?;
        Some((PwForwarding { nhlfe: state.nhlfe, control_word, flow_label }, transport, remote.label))
    }

    /// Brings the forwarding plane to what is known of a pseudowire.
    pub(super) fn program(&mut self, pw: PwIndex) {
        let wanted = self.wanted(pw);
        let Some(state) = self.pws.get(&pw) else { return };
        if state.programmed == wanted {
            return;
        }
        let Some((forwarding, transport, label)) = wanted else { return self.unprogram(pw) };
        let (own, attachment) = (state.label, state.config.attachment);
        let push = LabelStack::single(label);
        let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(transport), model: TunnelModel::Pipe };
        self.op(FwdOp::SetNhlfe { id: forwarding.nhlfe, nhlfe });
        if let Some(state) = self.pws.get_mut(&pw) {
            state.programmed = wanted;
        }
        let model = TunnelModel::Pipe;
        match attachment {
            PwAttachment::Port(port) => {
                self.outputs.push_back(Output::Up { pw, forwarding });
                self.op(FwdOp::SetIlm { label: own, ilm: Ilm { action: IlmAction::Bridge(port), model } });
            }
            PwAttachment::Circuit(circuit) => {
                self.connect(pw, &circuit, forwarding);
                let action = IlmAction::Bridge(circuit.pseudowire);
                self.op(FwdOp::SetIlm { label: own, ilm: Ilm { action, model } });
                self.outputs.push_back(Output::Up { pw, forwarding });
            }
            PwAttachment::Segment(other) => {
                self.outputs.push_back(Output::Up { pw, forwarding });
                self.stitch(pw, other);
                self.program(other);
            }
        }
    }

    /// Packets with the label of one segment leave by the entry of the other, both ways.
    fn stitch(&mut self, pw: PwIndex, other: PwIndex) {
        let both = [(pw, other), (other, pw)];
        for (from, to) in both {
            let Some((label, entry)) = self.pws.get(&from).map(|p| p.label).zip(self.forwarding(to)) else { continue };
            if self.is_up(from) {
                let ilm = Ilm { action: IlmAction::Forward(entry.nhlfe), model: TunnelModel::Pipe };
                self.op(FwdOp::SetIlm { label, ilm });
            }
        }
    }

    /// Joins circuit and pseudowire: an instance of two ports that learns nothing, and floods from one to the other.
    fn connect(&mut self, pw: PwIndex, c: &CrossConnect, forwarding: PwForwarding) {
        let first = self.joined.insert(c.vsi, pw).is_none();
        let port = |attachment, control_word, flow_label| BridgePort {
            vsi: c.vsi,
            attachment,
            split_horizon: 0,
            mac_limit: 0,
            learn: false,
            control_word,
            flow_label,
            class: None,
        };
        if first {
            let all = Some(c.replication);
            let settings = Vsi {
                unknown: all,
                broadcast: all,
                multicast: all,
                mac_limit: 0,
                age: 0,
                multicast_mtu: 0,
                snoop: false,
                link_local: LinkLocal::Flood,
                sequence: self.pws.get(&pw).is_some_and(|state| state.config.sequence),
                classes: ClassMap::IDENTITY,
            };
            self.op(FwdOp::SetVsi { vsi: c.vsi, settings });
            self.op(FwdOp::SetReplication { id: c.replication, owner: VsiOrVrf::Vsi(c.vsi) });
            let circuit = Attachment::Circuit { iface: c.iface, tags: c.tags };
            self.op(FwdOp::SetPort { id: c.circuit, port: port(circuit, false, FlowLabels::NONE) });
            self.op(FwdOp::SetLeg { group: c.replication, leg: 0, target: LegTarget::Port(c.circuit) });
        }
        let wire = Attachment::Pseudowire { nhlfe: forwarding.nhlfe };
        self.op(FwdOp::SetPort { id: c.pseudowire, port: port(wire, forwarding.control_word, forwarding.flow_label) });
        if first {
            self.op(FwdOp::SetLeg { group: c.replication, leg: 1, target: LegTarget::Port(c.pseudowire) });
        }
    }

    /// Takes a pseudowire out of the forwarding plane.
    pub(super) fn unprogram(&mut self, pw: PwIndex) {
        let Some(state) = self.pws.get_mut(&pw) else { return };
        let Some((forwarding, ..)) = state.programmed.take() else { return };
        let (label, attachment) = (state.label, state.config.attachment);
        self.op(FwdOp::ClearIlm { label });
        self.outputs.push_back(Output::Down { pw });
        match attachment {
            PwAttachment::Port(_) => {}
            PwAttachment::Circuit(c) => {
                // Another of the set may have taken the circuit over.
                if self.joined.get(&c.vsi) == Some(&pw) {
                    self.joined.remove(&c.vsi);
                    self.op(FwdOp::ClearPort { id: c.pseudowire });
                    self.op(FwdOp::ClearPort { id: c.circuit });
                    self.op(FwdOp::ClearReplication { id: c.replication });
                    self.op(FwdOp::ClearVsi { vsi: c.vsi });
                }
            }
            // The other segment leads nowhere without this one.
            PwAttachment::Segment(other) => self.unprogram(other),
        }
        self.op(FwdOp::ClearNhlfe { id: forwarding.nhlfe });
    }

    /// The forwarding plane has no room: the pseudowire is taken out, and the peer hears that it does not forward.
    pub(super) fn refused(&mut self, now: Instant, op: FwdOp) {
        let concerns = |p: &super::machine::Pw| match op {
            FwdOp::SetIlm { label, .. } => p.label == label,
            FwdOp::SetNhlfe { id, .. } => p.nhlfe == id,
            FwdOp::SetVsi { vsi, .. } => matches!(p.config.attachment, PwAttachment::Circuit(c) if c.vsi == vsi),
            FwdOp::SetPort { id, .. } => {
                matches!(p.config.attachment, PwAttachment::Circuit(c) if c.circuit == id || c.pseudowire == id)
            }
            FwdOp::SetReplication { id, .. } | FwdOp::SetLeg { group: id, .. } => {
                matches!(p.config.attachment, PwAttachment::Circuit(c) if c.replication == id)
            }
            _ => false,
        };
        let pw = self.pws.iter().find(|(_, p)| concerns(p) && p.programmed.is_some()).map(|(pw, _)| *pw);
        let Some(pw) = pw else { return };
        if let Some(state) = self.pws.get_mut(&pw) {
            state.refused = true;
        }
        self.outputs.push_back(Output::Event(Event::TableFull { pw }));
        self.refresh(now, pw);
        self.refresh_other(now, pw);
    }
}
