//! Arbitrary stimuli against label distribution with three peers, with invariants; a fuzz target and a property test share it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Ipv4Prefix, Label, Mac, NhlfeId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{Fec, FecElement, PrefixFec};
use p2mp_pw::ldp::lde::{
    Control, Hop, Input, Lde, LdeConfig, LoopDetection, Output, RequestProcedure, Retention, Route,
};
use p2mp_pw::ldp::message::{Address, LabelMapping, LabelRequest, LabelTlv, LabelWithdraw, Message, MessageBody};
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{AddressFamily, Capability, LdpId, Tlv, TlvType, TlvValue};

#[derive(Debug, Arbitrary)]
enum Stimulus {
    Up { peer: u8, on_demand: bool, end_of_lib: bool },
    Down { peer: u8, retain: bool },
    Writable { peer: u8, on: bool },
    Route { prefix: u8, hops: Option<u8> },
    Address { peer: u8, of: u8, up: bool },
    Mapping { peer: u8, prefix: u8, label: u8, hops: Option<u8> },
    Request { peer: u8, prefix: u8, id: u8 },
    Withdraw { peer: u8, prefix: u8, label: Option<u8>, release: bool },
    Any { peer: u8, message: Message },
    Adjacent { peer: u8, up: bool },
    Refuse(u8),
    Wait(u16),
}

fn peer(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, n % 3 + 2].into())
}

fn prefix(n: u8) -> IpPrefix {
    IpPrefix::V4(Ipv4Prefix::new([198, 18, n % 6, 0].into(), 24).unwrap())
}

fn fec(n: u8) -> Fec {
    Fec::single(if n > 250 { FecElement::Wildcard } else { FecElement::Prefix(PrefixFec::Ip(prefix(n))) })
}

fn hop(n: u8) -> Hop {
    let next = NextHop::Neighbor { iface: IfIndex(n.into()), mac: Mac([2, 0, 0, 0, 0, n]) };
    Hop { gateway: [10, 0, 0, n].into(), iface: IfIndex(n.into()), next }
}

fn label(n: u8) -> Label {
    Label::from_low_bits(if n < 4 { n.into() } else { u32::from(n) + 16 })
}

struct Run {
    lde: Lde,
    now: Instant,
    up: BTreeSet<LdpId>,
    writable: BTreeSet<LdpId>,
    ilm: BTreeMap<Label, NhlfeId>,
    nhlfe: BTreeSet<NhlfeId>,
    lsps: BTreeMap<IpPrefix, NhlfeId>,
}

fn config(modes: u8) -> LdeConfig {
    let at = Label::from_low_bits;
    let labels = LabelRange { first: at(16), last: at(19) };
    let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(9) };
    let groups = EcmpRange { first: EcmpId(1), last: EcmpId(2) };
    let mut config = LdeConfig::new([192, 0, 2, 1].into(), labels, nhlfes, groups);
    if modes & 1 != 0 {
        config.control = Control::Independent;
    }
    if modes & 2 != 0 {
        config.retention = Retention::Conservative;
    }
    if modes & 4 != 0 {
        config.request = RequestProcedure::WhenNeeded;
    }
    config.loop_detection = (modes & 8 != 0).then_some(LoopDetection { max_hops: 9, max_path: 4 });
    config.propagate_release = modes & 16 != 0;
    config.split_horizon = modes & 32 != 0;
    config.max_labels = 4;
    config.max_addresses = 3;
    config.max_queued = 8;
    config
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let now = Instant::from_secs(1);
    let config = config(u.arbitrary().unwrap_or(0));
    let mut run = Run {
        lde: Lde::new(now, config).unwrap(),
        now,
        up: BTreeSet::new(),
        writable: BTreeSet::new(),
        ilm: BTreeMap::new(),
        nhlfe: BTreeSet::new(),
        lsps: BTreeMap::new(),
    };
    while let Ok(stimulus) = Stimulus::arbitrary(&mut u) {
        run.apply(stimulus);
        run.check();
        if u.is_empty() {
            break;
        }
    }
    // Without routes and peers nothing is left.
    for n in 0..6 {
        run.lde.handle_input(run.now, Input::Route { prefix: prefix(n), route: None });
    }
    for n in 0..3 {
        run.up.remove(&peer(n));
        run.lde.handle_input(run.now, Input::PeerDown { peer: peer(n), retain: None });
    }
    run.check();
    assert_eq!(run.lde.fecs(), 0);
    assert!(run.ilm.is_empty() && run.nhlfe.is_empty() && run.lsps.is_empty());
}

impl Run {
    fn message(&mut self, from: u8, id: u8, body: MessageBody) {
        let message = Message { id: id.into(), body };
        self.lde.handle_input(self.now, Input::Message { peer: peer(from), message: &message });
    }

    fn apply(&mut self, stimulus: Stimulus) {
        let now = self.now;
        match stimulus {
            Stimulus::Up { peer: n, on_demand, end_of_lib } => self.peer_up(n, on_demand, end_of_lib),
            Stimulus::Down { peer: n, retain } => {
                self.up.remove(&peer(n));
                let retain = retain.then_some(Duration::from_secs(9));
                self.lde.handle_input(now, Input::PeerDown { peer: peer(n), retain });
            }
            Stimulus::Writable { peer: n, on } => {
                if on {
                    self.writable.insert(peer(n))
                } else {
                    self.writable.remove(&peer(n))
                };
                self.lde.handle_input(now, Input::Writable { peer: peer(n), writable: on });
            }
            Stimulus::Route { prefix: n, hops } => {
                let via: Vec<Hop> = (0..3).filter(|bit| hops.is_some_and(|h| h >> bit & 1 != 0)).map(hop).collect();
                let route = hops.map(|h| if h & 7 == 0 { Route::Egress } else { Route::Via(&via) });
                self.lde.handle_input(now, Input::Route { prefix: prefix(n), route });
            }
            Stimulus::Address { peer: n, of, up } => {
                let list = Address::new(AddressFamily::IPV4, vec![[10, 0, 0, of % 5].into()]).unwrap();
                let body = if up { MessageBody::Address(list) } else { MessageBody::AddressWithdraw(list) };
                self.message(n, 1, body);
            }
            Stimulus::Mapping { peer: n, prefix, label: value, hops } => {
                let optional = hops.map(|h| Tlv::new(TlvValue::HopCount(h % 12))).into_iter().collect();
                let mapping = LabelMapping { fec: fec(prefix), label: LabelTlv::Generic(label(value)), optional };
                self.message(n, 1, MessageBody::LabelMapping(mapping));
            }
            Stimulus::Request { peer: n, prefix, id } => {
                let request = LabelRequest { fec: fec(prefix), optional: Vec::new() };
                self.message(n, id, MessageBody::LabelRequest(request));
            }
            Stimulus::Withdraw { peer: n, prefix, label: value, release } => {
                // Labels that we handed out among them.
                let value = value.map(|v| if release { Label::from_low_bits(u32::from(v % 5) + 15) } else { label(v) });
                let optional = value.map(|label| Tlv::new(TlvValue::GenericLabel(label))).into_iter().collect();
                let body = LabelWithdraw { fec: fec(prefix), optional };
                let given_back = MessageBody::LabelRelease(body.clone());
                self.message(n, 1, if release { given_back } else { MessageBody::LabelWithdraw(body) });
            }
            Stimulus::Any { peer: n, message } => self.message(n, 9, message.body),
            Stimulus::Adjacent { peer: n, up } => {
                let input =
                    Input::Adjacent { peer: peer(n), source: [10, 0, 0, n].into(), iface: IfIndex(n.into()), up };
                self.lde.handle_input(now, input);
            }
            Stimulus::Refuse(n) => {
                let ilm = Ilm { action: IlmAction::Forward(NhlfeId(1)), model: fwd_core::op::TunnelModel::Uniform };
                let op = FwdOp::SetIlm { label: Label::from_low_bits(16 + u32::from(n % 4)), ilm };
                self.lde.handle_input(now, Input::Refused(op));
            }
            Stimulus::Wait(ms) => {
                self.now = now + Duration::from_millis(u64::from(ms) * 10);
                self.lde.handle_timeout(self.now);
                assert!(self.lde.next_timeout().is_none_or(|at| at > self.now), "a timer is left behind");
            }
        }
    }

    fn peer_up(&mut self, n: u8, on_demand: bool, end_of_lib: bool) {
        let mut negotiated = Negotiated {
            keepalive: Duration::from_secs(180),
            max_pdu_length: 4096,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: Vec::new(),
            graceful_restart: None,
        };
        if on_demand {
            negotiated.discipline = AdvertisementDiscipline::DownstreamOnDemand;
        }
        if end_of_lib {
            for capability in [TlvType::UNRECOGNIZED_NOTIFICATION, TlvType::TYPED_WILDCARD_CAPABILITY] {
                negotiated.capabilities.push((capability, Capability::advertised()));
            }
        }
        self.up.insert(peer(n));
        self.writable.insert(peer(n));
        self.lde.handle_input(self.now, Input::PeerUp { peer: peer(n), negotiated: &negotiated });
    }

    /// Entries before what leads to them, and after it when they go; messages only where they can be sent; limits kept.
    fn check(&mut self) {
        while let Some(output) = self.lde.poll_output() {
            match output {
                Output::Program(FwdOp::SetNhlfe { id, .. }) => drop(self.nhlfe.insert(id)),
                Output::Program(FwdOp::ClearNhlfe { id }) => {
                    assert!(self.nhlfe.remove(&id), "{id} was not there");
                    assert!(!self.ilm.values().any(|to| *to == id), "{id} is still led to");
                    assert!(!self.lsps.values().any(|to| *to == id), "{id} is still an LSP");
                }
                Output::Program(FwdOp::SetIlm { label, ilm: Ilm { action: IlmAction::Forward(id), .. } }) => {
                    assert!(self.nhlfe.contains(&id), "{label} leads to {id}, which is not there");
                    self.ilm.insert(label, id);
                }
                Output::Program(FwdOp::ClearIlm { label }) => assert!(self.ilm.remove(&label).is_some()),
                Output::Program(FwdOp::SetBucket { entry, .. }) => assert!(self.nhlfe.contains(&entry)),
                Output::Program(FwdOp::ClearBucket { .. }) => {}
                Output::Program(other) => panic!("{other:?}"),
                Output::Lsp { prefix, nhlfe: Some(id) } => {
                    assert!(self.nhlfe.contains(&id));
                    self.lsps.insert(prefix, id);
                }
                Output::Lsp { prefix, nhlfe: None } => assert!(self.lsps.remove(&prefix).is_some()),
                Output::Message { peer, message } => {
                    assert!(self.up.contains(&peer) && self.writable.contains(&peer));
                    if let MessageBody::LabelMapping(m) = &message.body {
                        // A label is programmed before it is told, unless nothing leads on yet.
                        let value = m.label.label();
                        assert!(value == Label::IMPLICIT_NULL || (16..20).contains(&value.value()));
                    }
                }
                Output::Event(p2mp_pw::ldp::lde::Event::Overrun { peer }) => drop(self.up.remove(&peer)),
                Output::Event(_) => {}
            }
        }
        for n in 0..3 {
            assert!(self.lde.labels_of(peer(n)) <= 4);
        }
    }
}
