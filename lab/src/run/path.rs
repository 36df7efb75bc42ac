//! A packet's way through the network, hop by hop.

use fwd_core::Verdict;
use fwd_core::net::Label;
use fwd_core::op::IlmAction;

use super::topology::{CUSTOMERS, Topology, name_of};
use crate::columns::columns;
use crate::sim::network::{Hop, below_labels};
use crate::sim::packet::IpView;

/// The label stack of a frame, top first, each with its TTL.
#[must_use]
pub fn stack(frame: &[u8]) -> Vec<(Label, u8)> {
    let below = below_labels(frame).len();
    let labels = frame.get(14..frame.len() - below).unwrap_or_default();
    let entry = |e: &[u8]| (Label::from_low_bits(u32::from_be_bytes([0, e[0], e[1], e[2]]) >> 4), e[3]);
    labels.chunks_exact(4).map(entry).collect()
}

/// One hop in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The machine.
    pub router: String,
    /// The neighbour it came from, and the interface.
    pub ingress: String,
    /// The labels it came with, top first.
    pub incoming: Vec<u32>,
    /// What was done.
    pub action: String,
    /// The labels it left with, top first.
    pub outgoing: Vec<u32>,
    /// The neighbour it was sent to, and the interface.
    pub egress: String,
    /// TTLs it left with: of each label, then of the packet.
    pub ttls: Vec<u8>,
}

/// The steps of a recorded packet.
#[must_use]
pub fn steps(topology: &Topology<'_>, hops: &[Hop]) -> Vec<Step> {
    hops.iter().map(|hop| step(topology, hop)).collect()
}

fn step(topology: &Topology<'_>, hop: &Hop) -> Step {
    let values = |frame: &[u8]| stack(frame).iter().map(|(label, _)| label.value()).collect::<Vec<_>>();
    let (incoming, mut outgoing) = (values(&hop.received), values(&hop.result));
    let mut ttls: Vec<u8> = stack(&hop.result).iter().map(|(_, ttl)| *ttl).collect();
    ttls.extend(IpView::parse(below_labels(&hop.result)).map(|view| view.ttl));
    let neighbor = |iface| match topology.provider.net.neighbor(hop.node, iface) {
        Some(node) => format!("{} {iface}", name_of(topology, node)),
        None => "itself".to_owned(),
    };
    let (action, egress) = match hop.verdict {
        Verdict::Transmit { iface, .. } => (action(topology, hop, &incoming, &outgoing), neighbor(iface)),
        Verdict::Replicate(_) => ("replicate".to_owned(), "-".to_owned()),
        Verdict::Punt { reason, .. } | Verdict::PuntFrame { reason, .. } => {
            outgoing.clear();
            let word = if reason == fwd_core::PuntReason::Local { "deliver" } else { reason.name() };
            (word.to_owned(), "-".to_owned())
        }
        Verdict::Protect { sa, .. } => (format!("to {sa}"), "-".to_owned()),
        Verdict::Drop(reason) => (format!("drop: {}", reason.name()), "-".to_owned()),
    };
    Step {
        router: name_of(topology, hop.node).to_owned(),
        ingress: neighbor(hop.ingress),
        incoming,
        action,
        outgoing,
        egress,
        ttls,
    }
}

fn action(topology: &Topology<'_>, hop: &Hop, incoming: &[u32], outgoing: &[u32]) -> String {
    let top = stack(&hop.received).first().map(|(label, _)| *label);
    let ilm = top.and_then(|label| topology.provider.net.node(hop.node).host.forwarder.ilm(label));
    match (ilm.map(|ilm| ilm.action), incoming.len(), outgoing.len()) {
        (None, 0, 0) => "route".into(),
        (None, 0, n) => format!("route, push {n}"),
        (Some(IlmAction::PopLookup(vrf)), ..) => {
            let name = CUSTOMERS.get(usize::from(vrf.0).wrapping_sub(1)).unwrap_or(&"global");
            format!("pop, look up in {name}")
        }
        (_, before, after) if before == after => "swap".into(),
        (_, before, after) if before == after + 1 => "pop".into(),
        _ => "forward".into(),
    }
}

/// The steps as a table.
#[must_use]
pub fn print(steps: &[Step]) -> String {
    let list = |labels: &[u32]| {
        let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
        if labels.is_empty() { "-".to_owned() } else { labels.join(" / ") }
    };
    let rows: Vec<[String; 7]> = steps
        .iter()
        .map(|s| {
            let ttls: Vec<String> = s.ttls.iter().map(ToString::to_string).collect();
            let Step { router, ingress, action, egress, .. } = s.clone();
            [router, ingress, list(&s.incoming), action, list(&s.outgoing), egress, ttls.join(" / ")]
        })
        .collect();
    columns(["router", "from", "labels in", "action", "labels out", "to", "TTL out"], &rows)
}
