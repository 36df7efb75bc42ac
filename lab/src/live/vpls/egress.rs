//! Frames of the machine's own: reports, queries and what it relays leave by a bridge port with the tags or labels of that port, as the
//! forwarding plane sends customers' frames.

use std::collections::BTreeMap;

use fwd_core::net::{IfIndex, Label, Mac, NhlfeId, PortId, VlanId};
use fwd_core::op::{Attachment, BridgePort, FwdOp, NextHop, Nhlfe, Tags};
use fwd_core::wire::{EtherType, Ethernet, LabelEntry};

/// What is programmed of ports and entries.
#[derive(Debug, Default)]
pub struct Egress {
    ports: BTreeMap<PortId, BridgePort>,
    entries: BTreeMap<NhlfeId, Nhlfe>,
}

/// Network control (RFC 4594 §3.1): the class of frames that a PE itself sends.
const CLASS: u8 = 6;

impl Egress {
    /// Notes an op.
    pub fn note(&mut self, op: &FwdOp) {
        match *op {
            FwdOp::SetPort { id, port } => drop(self.ports.insert(id, port)),
            FwdOp::ClearPort { id } => drop(self.ports.remove(&id)),
            FwdOp::SetNhlfe { id, nhlfe } => drop(self.entries.insert(id, nhlfe)),
            FwdOp::ClearNhlfe { id } => drop(self.entries.remove(&id)),
            _ => {}
        }
    }

    /// A punted frame without the tags that delimit its service.
    pub fn customer_frame(&self, port: PortId, octets: &[u8]) -> Option<Vec<u8>> {
        let tags = match self.ports.get(&port)?.attachment {
            Attachment::Circuit { tags: Tags::Vlan(_) | Tags::Service(_), .. } => 1,
            Attachment::Circuit { tags: Tags::Stacked { .. }, .. } => 2,
            _ => 0,
        };
        Some([octets.get(..12)?, octets.get(12 + 4 * tags..)?].concat())
    }

    /// A frame as it leaves by a port: the interface, and its octets. `way` knows the neighbour that an entry leads to, and our address
    /// on the link.
    pub fn frame(
        &self,
        port: PortId,
        octets: &[u8],
        way: impl Fn(NhlfeId) -> Option<(IfIndex, Mac, Mac)>,
    ) -> Option<(IfIndex, Vec<u8>)> {
        let (bridge, (addresses, rest)) = (self.ports.get(&port)?, octets.split_at_checked(12)?);
        match bridge.attachment {
            Attachment::Circuit { iface, tags } => Some((iface, [addresses, &delimiter(tags), rest].concat())),
            Attachment::Pseudowire { nhlfe } => {
                let (labels, last) = self.chain(nhlfe);
                let (iface, to, from) = way(last)?;
                let mut frame = Ethernet::new(to, from, EtherType::MPLS).0.to_vec();
                for (n, label) in labels.iter().enumerate() {
                    frame.extend(LabelEntry::new(*label, CLASS, n + 1 == labels.len(), 255).0);
                }
                if bridge.control_word {
                    frame.extend([0; 4]);
                }
                frame.extend(octets);
                Some((iface, frame))
            }
            Attachment::Tagged { .. } => None,
        }
    }

    /// The labels of a chain of entries, the outermost first, and the entry beyond those that were programmed.
    fn chain(&self, first: NhlfeId) -> (Vec<Label>, NhlfeId) {
        let (mut labels, mut at) = (Vec::new(), first);
        for _ in 0..NextHop::MAX_DEPTH {
            let Some(entry) = self.entries.get(&at) else { break };
            labels.splice(0..0, entry.push.as_slice().iter().copied());
            let NextHop::Nhlfe(next) = entry.next else { break };
            at = next;
        }
        (labels, at)
    }
}

/// Service-delimiting tags as octets.
fn delimiter(tags: Tags) -> Vec<u8> {
    let tag = |tpid: EtherType, vlan: VlanId| [tpid.0.to_be_bytes(), vlan.value().to_be_bytes()].concat();
    match tags {
        Tags::Any | Tags::Untagged => Vec::new(),
        Tags::Vlan(vlan) => tag(EtherType::C_VLAN, vlan),
        Tags::Service(vlan) => tag(EtherType::S_VLAN, vlan),
        Tags::Stacked { outer, inner } => [tag(EtherType::S_VLAN, outer), tag(EtherType::C_VLAN, inner)].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwd_core::net::{LabelStack, VsiId};
    use fwd_core::op::{FlowLabels, TunnelModel};

    fn port(attachment: Attachment) -> BridgePort {
        BridgePort {
            vsi: VsiId(1),
            attachment,
            split_horizon: 0,
            mac_limit: 1,
            learn: true,
            control_word: true,
            flow_label: FlowLabels::NONE,
            class: None,
        }
    }

    #[test]
    fn frames_get_the_tags_and_labels_of_their_port() {
        let mut egress = Egress::default();
        let vlan = VlanId::new(7).unwrap();
        let circuit = Attachment::Circuit { iface: IfIndex(3), tags: Tags::Vlan(vlan) };
        egress.note(&FwdOp::SetPort { id: PortId(0), port: port(circuit) });
        egress.note(&FwdOp::SetPort { id: PortId(1), port: port(Attachment::Pseudowire { nhlfe: NhlfeId(9) }) });
        let push = |label| LabelStack::single(Label::new(label).unwrap());
        let (next, model) = (NextHop::Nhlfe(NhlfeId(8)), TunnelModel::Pipe);
        egress.note(&FwdOp::SetNhlfe { id: NhlfeId(9), nhlfe: Nhlfe { push: push(100), next, model } });
        let next = NextHop::Nhlfe(NhlfeId(1));
        egress.note(&FwdOp::SetNhlfe { id: NhlfeId(8), nhlfe: Nhlfe { push: push(200), next, model } });
        let customer: Vec<u8> = (0..60).collect();
        let (iface, tagged) = egress.frame(PortId(0), &customer, |_| None).unwrap();
        assert_eq!((iface, &tagged[12..18]), (IfIndex(3), &[0x81, 0, 0, 7, 12, 13][..]));
        assert_eq!(egress.customer_frame(PortId(0), &tagged), Some(customer.clone()));
        let way = |id| (id == NhlfeId(1)).then_some((IfIndex(1), Mac([2; 6]), Mac([4; 6])));
        let (iface, labelled) = egress.frame(PortId(1), &customer, way).unwrap();
        assert_eq!(iface, IfIndex(1));
        assert_eq!(labelled[12..26], [0x88, 0x47, 0, 0x0c, 0x8c, 255, 0, 6, 0x4d, 255, 0, 0, 0, 0]);
        assert_eq!(labelled[26..], customer);
        assert_eq!(egress.frame(PortId(2), &customer, way), None);
    }
}
