//! Arbitrary stimuli against one RSVP-TE router, with invariants; a fuzz target and a property test share it.

use std::net::Ipv4Addr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::*;
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::mldp::{Deliver, GroupRange};
use p2mp_pw::rsvp_te::*;

use super::rsvp_tables::Tables;

#[derive(Debug, Arbitrary)]
enum Stimulus {
    Neighbour(u8, bool),
    Route(u8, Option<u8>),
    Deliver(u8, bool),
    Path { from: u8, tunnel: u8, group: u8, leaves: Vec<(u8, Vec<u8>)> },
    PathTear { from: u8, tunnel: u8, group: u8 },
    Resv { from: u8, tunnel: u8, own: bool, lsp: u8, group: u8, label: u16, leaves: Vec<u8> },
    ResvTear { from: u8, tunnel: u8, own: bool, lsp: u8, group: u8, leaves: Vec<u8> },
    Error { from: u8, tunnel: u8, own: bool, lsp: u8, group: u8, resv: bool, leaves: Vec<u8> },
    Any(u8, Message),
    Octets(u8, Vec<u8>),
    Add { tunnel: u8, lsp: u8, leaves: Vec<(u8, Vec<u8>)>, replaces: Option<u8> },
    AddLeaf(u8, u8, Vec<u8>),
    RemoveLeaf(u8, u8),
    Remove(u8),
    RefuseLast,
    Wait(u16),
}

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 0);

/// Address 0 is ours; 1 to 3 may be neighbours.
fn node(n: u8) -> Ipv4Addr {
    [192, 0, 2, n % 8].into()
}

fn peer(n: u8) -> u8 {
    1 + n % 3
}

fn way(hops: &[u8]) -> Route {
    Route::strict(&hops.iter().take(4).map(|n| node(*n)).collect::<Vec<_>>())
}

fn key(tunnel: u8, own: bool, lsp: u8) -> LspKey {
    let root = if own { OURS } else { node(7) };
    let session = P2mpSession { p2mp_id: 1, tunnel_id: (tunnel % 3).into(), extended_tunnel_id: root };
    LspKey { session, sender: root, lsp_id: if own { (lsp % 4).into() } else { 1 } }
}

fn sender(key: LspKey, originator: Ipv4Addr, group: u8) -> P2mpSender<Ipv4Addr> {
    let (sender, lsp_id) = (key.sender, key.lsp_id);
    P2mpSender { sender, lsp_id, sub_group_originator: originator, sub_group_id: group.into() }
}

fn leaves_of(leaves: &[u8]) -> impl Iterator<Item = Object> + '_ {
    leaves.iter().map(|leaf| Object::S2lSubLsp(node(*leaf).into()))
}

fn message(stimulus: &Stimulus) -> Option<(u8, Message)> {
    let hop = |from: u8| Object::Hop { address: node(peer(from)).into(), handle: 5 };
    let tspec = TokenBucket::of_rate(1000.0);
    let (from, kind, objects) = match stimulus {
        Stimulus::Path { from, tunnel, group, leaves } => {
            let key = key(*tunnel, false, 0);
            let mut objects = vec![Object::Session4(key.session), hop(*from), Object::TimeValues(30_000)];
            objects.extend(leaves.first().map(|(_, hops)| Object::ExplicitRoute(way(hops))));
            objects.push(Object::LabelRequest(0x800));
            objects.push(Object::SenderTemplate4(sender(key, node(7), *group)));
            objects.push(Object::SenderTspec(tspec));
            for (at, (leaf, hops)) in leaves.iter().enumerate() {
                objects.push(Object::S2lSubLsp(node(*leaf).into()));
                if at > 0 {
                    objects.push(Object::SecondaryExplicitRoute(way(hops)));
                }
            }
            (from, MessageType::PATH, objects)
        }
        Stimulus::PathTear { from, tunnel, group } => {
            let key = key(*tunnel, false, 0);
            let template = Object::SenderTemplate4(sender(key, node(7), *group));
            (from, MessageType::PATH_TEAR, vec![Object::Session4(key.session), hop(*from), template])
        }
        Stimulus::Resv { from, tunnel, own, lsp, group, label, leaves } => {
            let key = key(*tunnel, *own, *lsp);
            let mut objects = vec![Object::Session4(key.session), hop(*from), Object::TimeValues(30_000)];
            objects.extend([Object::SHARED_EXPLICIT, Object::FilterSpec4(sender(key, OURS, *group))]);
            objects.push(Object::Label((*label).into()));
            objects.extend(leaves_of(leaves));
            (from, MessageType::RESV, objects)
        }
        Stimulus::ResvTear { from, tunnel, own, lsp, group, leaves } => {
            let key = key(*tunnel, *own, *lsp);
            let mut objects = vec![Object::Session4(key.session), hop(*from)];
            objects.push(Object::FilterSpec4(sender(key, OURS, *group)));
            objects.extend(leaves_of(leaves));
            (from, MessageType::RESV_TEAR, objects)
        }
        Stimulus::Error { from, tunnel, own, lsp, group, resv, leaves } => {
            let key = key(*tunnel, *own, *lsp);
            let error = Object::ErrorSpec { node: node(6).into(), flags: 0, code: ErrorCode::ADMISSION };
            let mut objects = vec![Object::Session4(key.session), hop(*from), error];
            let (kind, name) = match resv {
                true => (MessageType::RESV_ERR, Object::FilterSpec4(sender(key, node(7), *group))),
                false => (MessageType::PATH_ERR, Object::SenderTemplate4(sender(key, OURS, *group))),
            };
            objects.push(name);
            objects.extend(leaves_of(leaves));
            (from, kind, objects)
        }
        Stimulus::Any(from, message) => return Some((peer(*from), message.clone())),
        _ => return None,
    };
    Some((peer(*from), Message::new(kind, objects)))
}

fn neighbour(n: u8) -> Neighbour {
    let iface = IfIndex(n.into());
    Neighbour { iface, local: [10, 0, n, 1].into(), next: NextHop::Neighbor { iface, mac: Mac([2, 0, 0, 0, 0, n]) } }
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let labels = LabelRange { first: Label::new(100).unwrap(), last: Label::new(110).unwrap() };
    let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(20) };
    let groups = GroupRange { first: ReplicationId(1), last: ReplicationId(6) };
    let mut config = RsvpConfig::new(OURS, labels, nhlfes, groups);
    (config.max_lsps, config.max_leaves, config.max_leaves_of_message) = (10, 12, 3);
    let mut now = Instant::from_secs(1);
    let mut rsvp = Rsvp::new(now, config).unwrap();
    let mut tables = Tables::default();
    let mut last = None;
    while let Ok(stimulus) = u.arbitrary::<Stimulus>() {
        apply(&mut rsvp, &mut now, &stimulus, last.take());
        drain(&mut rsvp, &mut tables, &mut last);
        assert!(rsvp.lsps().count() <= 10);
        for key in rsvp.lsps().collect::<Vec<_>>() {
            assert!(rsvp.leaves(key).count() <= 12);
        }
        if u.is_empty() {
            break;
        }
    }
    // Who is told nothing any more has nothing left.
    for key in rsvp.lsps().collect::<Vec<_>>() {
        let _ = rsvp.remove_lsp(now, key);
    }
    for _ in 0..5000 {
        drain(&mut rsvp, &mut tables, &mut last);
        let Some(at) = rsvp.next_timeout() else { break };
        assert!(at + Duration::from_secs(1) > now, "a timer that was due");
        now = at.max(now);
        rsvp.handle_timeout(now);
    }
    assert_eq!(rsvp.lsps().count(), 0);
    assert!(tables.is_empty(), "{tables:?}");
}

fn apply(rsvp: &mut Rsvp, now: &mut Instant, stimulus: &Stimulus, last: Option<FwdOp>) {
    if let Some((from, message)) = message(stimulus) {
        let mut octets = Vec::new();
        message.emit(&mut octets);
        rsvp.handle_input(*now, Input::Datagram { from: node(from), iface: IfIndex(from.into()), octets: &octets });
        return;
    }
    match stimulus {
        Stimulus::Neighbour(n, up) => rsvp.set_neighbour(*now, node(peer(*n)), up.then(|| neighbour(peer(*n)))),
        Stimulus::Route(to, via) => rsvp.set_route(*now, node(*to), via.map(|n| node(peer(n)))),
        Stimulus::Deliver(tunnel, up) => {
            let deliver = up.then_some(Deliver::Context(LabelSpaceId(1)));
            rsvp.deliver(*now, key(*tunnel, false, 0).session, deliver);
        }
        Stimulus::Octets(from, octets) => {
            let (from, iface) = (node(peer(*from)), IfIndex(peer(*from).into()));
            rsvp.handle_input(*now, Input::Datagram { from, iface, octets });
        }
        Stimulus::Add { tunnel, lsp, leaves, replaces } => {
            let leaves = leaves.iter().map(|(leaf, hops)| (node(*leaf), way(hops))).collect();
            let tspec = TokenBucket::of_rate(1000.0);
            let (tunnel_id, lsp_id) = ((tunnel % 3).into(), (lsp % 4).into());
            let config = LspConfig { p2mp_id: 1, tunnel_id, lsp_id, tspec, leaves };
            let _ = match replaces {
                Some(old) => rsvp.replace_lsp(*now, key(*tunnel, true, *old), config),
                None => rsvp.add_lsp(*now, config),
            };
        }
        Stimulus::AddLeaf(lsp, leaf, hops) => {
            let _ = rsvp.add_leaf(*now, key(lsp / 4, true, *lsp), node(*leaf), way(hops));
        }
        Stimulus::RemoveLeaf(lsp, leaf) => drop(rsvp.remove_leaf(*now, key(lsp / 4, true, *lsp), node(*leaf))),
        Stimulus::Remove(lsp) => drop(rsvp.remove_lsp(*now, key(lsp / 4, true, *lsp))),
        Stimulus::RefuseLast => {
            if let Some(op) = last {
                rsvp.handle_input(*now, Input::Refused(op));
            }
        }
        Stimulus::Wait(seconds) => {
            let end = *now + Duration::from_secs(u64::from(*seconds % 300));
            while let Some(at) = rsvp.next_timeout().filter(|at| *at <= end) {
                *now = at.max(*now);
                rsvp.handle_timeout(*now);
            }
            *now = end;
        }
        _ => {}
    }
}

fn drain(rsvp: &mut Rsvp, tables: &mut Tables, last: &mut Option<FwdOp>) {
    let mut most = 10_000;
    while let Some(output) = rsvp.poll_output() {
        most -= 1;
        assert!(most > 0, "no rest");
        match output {
            Output::Program(op) => {
                tables.apply(&op);
                *last = Some(op);
            }
            Output::Datagram { octets, .. } => {
                assert!(Message::parse(&octets).is_ok());
            }
            Output::Event(_) => {}
        }
    }
}
