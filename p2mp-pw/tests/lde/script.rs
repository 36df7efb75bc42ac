//! Runs a script of stimuli (`>`) and the outputs that follow each of them (`<`).
//!
//! Peer N is LSR 192.0.2.N, and 10.0.0.N its address behind interface N.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Ipv4Prefix, Label, Mac, NhlfeId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, TunnelModel};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{Fec, FecElement, FecType, PrefixFec, TypedWildcard, WildcardScope};
use p2mp_pw::ldp::lde::{
    Control, EgressLabel, Hop, Input, Lde, LdeConfig, LoopDetection, Output, RequestProcedure, Retention, Route,
};
use p2mp_pw::ldp::message::{
    Address, LabelAbortRequest, LabelMapping, LabelRequest, LabelTlv, LabelWithdraw, Message, MessageBody, MessageType,
    Notification,
};
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange, OWN_MESSAGE_ID};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{
    AddressFamily, Capability, FaultTolerance, FtFlags, LdpId, Status, StatusCode, Tlv, TlvType, TlvValue,
};

pub fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

pub fn peer(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, n].into())
}

pub fn config(n: u8, last_label: u32) -> LdeConfig {
    let labels = LabelRange { first: label(16), last: label(last_label) };
    let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(9999) };
    let groups = EcmpRange { first: EcmpId(1), last: EcmpId(999) };
    LdeConfig::new([192, 0, 2, n].into(), labels, nhlfes, groups)
}

pub fn hop(n: u8) -> Hop {
    let next = NextHop::Neighbor { iface: IfIndex(n.into()), mac: Mac([2, 0, 0, 0, 0, n]) };
    Hop { gateway: [10, 0, 0, n].into(), iface: IfIndex(n.into()), next }
}

pub fn negotiated() -> Negotiated {
    Negotiated {
        keepalive: Duration::from_secs(180),
        max_pdu_length: 4096,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: Vec::new(),
        graceful_restart: None,
    }
}

/// The words of a line, and those that are `key=value`.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn new(line: &'a str) -> Self {
        let (named, plain): (Vec<&str>, Vec<&str>) = line.split_whitespace().partition(|word| word.contains('='));
        Self { plain, named: named.into_iter().map(|word| word.split_once('=').unwrap()).collect() }
    }

    fn number(&self, key: &str) -> Option<u32> {
        self.named.get(key).map(|value| match value.strip_prefix('#') {
            Some(own) => own.parse::<u32>().unwrap() + OWN_MESSAGE_ID - 1,
            None => value.parse().unwrap(),
        })
    }

    fn peer(&self) -> LdpId {
        peer(self.plain[1].parse().unwrap())
    }

    fn has(&self, word: &str) -> bool {
        self.plain.contains(&word)
    }

    fn label(&self, at: usize) -> Option<Label> {
        self.plain.get(at).map(|value| label(value.parse().unwrap()))
    }

    fn fec(&self) -> Fec {
        Fec::single(match self.plain[2] {
            "*" => FecElement::Wildcard,
            "*4" => FecElement::TypedWildcard(TypedWildcard {
                fec_type: FecType::PREFIX,
                scope: WildcardScope::Family(AddressFamily::IPV4),
            }),
            "?" => FecElement::Unknown(FecType(0x7f), [1, 2][..].into()),
            prefix => FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix.parse().unwrap()))),
        })
    }

    fn attributes(&self) -> Vec<Tlv> {
        let hops = self.number("hops").map(|n| TlvValue::HopCount(u8::try_from(n).unwrap()));
        let path = self.named.get("path").map(|list| {
            TlvValue::PathVector(list.split(',').map(|n| Ipv4Addr::from([192, 0, 2, n.parse().unwrap()])).collect())
        });
        let request = self.number("request").map(TlvValue::LabelRequestMessageId);
        hops.into_iter().chain(path).chain(request).map(Tlv::new).collect()
    }
}

const CODES: [(&str, StatusCode); 8] = [
    ("loop-detected", StatusCode::LOOP_DETECTED),
    ("no-route", StatusCode::NO_ROUTE),
    ("no-label-resources", StatusCode::NO_LABEL_RESOURCES),
    ("label-resources-available", StatusCode::LABEL_RESOURCES_AVAILABLE),
    ("label-request-aborted", StatusCode::LABEL_REQUEST_ABORTED),
    ("unknown-fec", StatusCode::UNKNOWN_FEC),
    ("unsupported-family", StatusCode::UNSUPPORTED_ADDRESS_FAMILY),
    ("end-of-lib", StatusCode::END_OF_LIB),
];

fn code_name(code: StatusCode) -> &'static str {
    CODES.iter().find(|(_, known)| *known == code.without_forward()).map_or("?", |(name, _)| name)
}

fn set_config(config: &mut LdeConfig, line: &str) {
    for (key, value) in Words::new(line).named {
        match (key, value) {
            ("control", "independent") => config.control = Control::Independent,
            ("retention", "conservative") => config.retention = Retention::Conservative,
            ("request", "needed") => config.request = RequestProcedure::WhenNeeded,
            ("egress", "explicit") => config.egress = EgressLabel::ExplicitNull,
            ("split-horizon", "on") => config.split_horizon = true,
            ("propagate-release", "on") => config.propagate_release = true,
            ("labels", last) => config.labels.last = label(last.parse().unwrap()),
            ("max-labels", n) => config.max_labels = n.parse().unwrap(),
            ("max-addresses", n) => config.max_addresses = n.parse().unwrap(),
            ("max-queued", n) => config.max_queued = n.parse().unwrap(),
            ("loop", limits) => {
                let (max_hops, max_path) = limits.split_once('/').unwrap();
                let limits = LoopDetection { max_hops: max_hops.parse().unwrap(), max_path: max_path.parse().unwrap() };
                config.loop_detection = Some(limits);
            }
            other => panic!("config {other:?}"),
        }
    }
}

struct Run {
    lde: Lde,
    now: Instant,
    next_id: u32,
}

impl Run {
    fn said_by_peer(&mut self, words: &Words<'_>, body: MessageBody) {
        self.next_id += 1;
        let id = words.number("id").unwrap_or(self.next_id);
        let message = Message { id, body };
        self.lde.handle_input(self.now, Input::Message { peer: words.peer(), message: &message });
    }

    fn route(&mut self, words: &Words<'_>) {
        let prefix = IpPrefix::V4(words.plain[1].parse().unwrap());
        let hops: Vec<Hop> = words.plain.iter().skip(3).map(|n| hop(n.parse().unwrap())).collect();
        let route = match words.plain[2] {
            "none" => None,
            "egress" => Some(Route::Egress),
            "via" => Some(Route::Via(&hops)),
            other => panic!("route {other}"),
        };
        self.lde.handle_input(self.now, Input::Route { prefix, route });
    }

    fn peer_up(&mut self, words: &Words<'_>) {
        let mut negotiated = negotiated();
        if words.has("on-demand") {
            negotiated.discipline = AdvertisementDiscipline::DownstreamOnDemand;
        }
        if words.has("end-of-lib") {
            for capability in [TlvType::UNRECOGNIZED_NOTIFICATION, TlvType::TYPED_WILDCARD_CAPABILITY] {
                negotiated.capabilities.push((capability, Capability::advertised()));
            }
        }
        negotiated.graceful_restart = words.number("recovery").map(|seconds| FaultTolerance {
            flags: FtFlags::LEARN,
            reconnect_timeout_ms: 60_000,
            recovery_time_ms: seconds * 1000,
        });
        self.lde.handle_input(self.now, Input::PeerUp { peer: words.peer(), negotiated: &negotiated });
    }

    fn notification(words: &Words<'_>) -> Notification {
        let code = CODES.iter().find(|(name, _)| *name == words.plain[2]).unwrap().1;
        let message_id = words.number("id").unwrap_or(0);
        let status = Status { code, message_id, message_type: MessageType::LABEL_REQUEST };
        if code == StatusCode::END_OF_LIB {
            let all = TypedWildcard { fec_type: FecType::PREFIX, scope: WildcardScope::Family(AddressFamily::IPV4) };
            return Notification::end_of_lib(FecElement::TypedWildcard(all));
        }
        let mut notification = Notification::new(status);
        if code == StatusCode::LABEL_REQUEST_ABORTED {
            notification.optional.push(Tlv::new(TlvValue::LabelRequestMessageId(message_id)));
        }
        notification
    }

    fn stimulus(&mut self, line: &str) {
        let words = Words::new(line);
        match words.plain[0] {
            "up" => self.peer_up(&words),
            "down" => {
                let retain = words.number("retain").map(|seconds| Duration::from_secs(seconds.into()));
                self.lde.handle_input(self.now, Input::PeerDown { peer: words.peer(), retain });
            }
            "route" => self.route(&words),
            "address" | "address-withdraw" => {
                let addresses: Vec<IpAddr> = words.plain.iter().skip(2).map(|a| a.parse().unwrap()).collect();
                let list = Address::new(AddressFamily::IPV4, addresses).unwrap();
                let up = words.plain[0] == "address";
                self.said_by_peer(
                    &words,
                    if up { MessageBody::Address(list) } else { MessageBody::AddressWithdraw(list) },
                );
            }
            "local-address" => {
                let (address, up) = (words.plain[1].parse().unwrap(), !words.has("gone"));
                self.lde.handle_input(self.now, Input::LocalAddress { address, up });
            }
            "mapping" => {
                let label = LabelTlv::Generic(words.label(3).unwrap());
                let mapping = LabelMapping { fec: words.fec(), label, optional: words.attributes() };
                self.said_by_peer(&words, MessageBody::LabelMapping(mapping));
            }
            "request" => {
                let request = LabelRequest { fec: words.fec(), optional: words.attributes() };
                self.said_by_peer(&words, MessageBody::LabelRequest(request));
            }
            "abort" => {
                let request_id = words.number("of").unwrap();
                let abort = LabelAbortRequest { fec: words.fec(), request_id, optional: Vec::new() };
                self.said_by_peer(&words, MessageBody::LabelAbortRequest(abort));
            }
            kind @ ("withdraw" | "release") => {
                let label = words.label(3).map(|label| Tlv::new(TlvValue::GenericLabel(label)));
                let body = LabelWithdraw { fec: words.fec(), optional: label.into_iter().collect() };
                let withdraw = kind == "withdraw";
                let body = if withdraw { MessageBody::LabelWithdraw(body) } else { MessageBody::LabelRelease(body) };
                self.said_by_peer(&words, body);
            }
            "notification" => self.said_by_peer(&words, MessageBody::Notification(Self::notification(&words))),
            "writable" => {
                let writable = words.has("on");
                self.lde.handle_input(self.now, Input::Writable { peer: words.peer(), writable });
            }
            "restore" => {
                let (prefix, nhlfe) = (words.plain[1].parse().unwrap(), words.number("nhlfe").unwrap());
                let label = words.label(2).unwrap();
                assert!(self.lde.restore(self.now, IpPrefix::V4(prefix), label, NhlfeId(nhlfe)));
            }
            "refuse-ilm" => {
                let ilm = Ilm { action: IlmAction::Forward(NhlfeId(1)), model: TunnelModel::Uniform };
                let op = FwdOp::SetIlm { label: words.label(1).unwrap(), ilm };
                self.lde.handle_input(self.now, Input::Refused(op));
            }
            "wait" => {
                self.now = self.now + Duration::from_secs(words.plain[1].parse().unwrap());
                self.lde.handle_timeout(self.now);
            }
            other => panic!("stimulus {other}"),
        }
    }

    fn outputs(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        while let Some(output) = self.lde.poll_output() {
            let line = show(&output);
            // The buckets of a group are one line.
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        lines
    }
}

fn show_prefix(prefix: IpPrefix) -> String {
    match prefix {
        IpPrefix::V4(prefix) => prefix.to_string(),
        IpPrefix::V6(prefix) => prefix.to_string(),
    }
}

fn show_fec(fec: &Fec) -> String {
    match fec.only() {
        Some(FecElement::Prefix(PrefixFec::Ip(prefix))) => show_prefix(*prefix),
        Some(FecElement::Wildcard) => "*".to_owned(),
        Some(FecElement::TypedWildcard(w)) => match w.scope {
            WildcardScope::Family(AddressFamily::IPV4) => "*4".to_owned(),
            _ => "*6".to_owned(),
        },
        other => format!("{other:?}"),
    }
}

fn show_id(id: u32) -> String {
    if id >= OWN_MESSAGE_ID { format!("#{}", id - OWN_MESSAGE_ID + 1) } else { id.to_string() }
}

fn show_tlvs(tlvs: &[Tlv]) -> String {
    let mut text = String::new();
    for tlv in tlvs {
        match &tlv.value {
            TlvValue::GenericLabel(label) => write!(text, " {label}"),
            TlvValue::HopCount(n) => write!(text, " hops={n}"),
            TlvValue::PathVector(path) => {
                let path: Vec<String> = path.iter().map(|lsr| lsr.octets()[3].to_string()).collect();
                write!(text, " path={}", path.join(","))
            }
            TlvValue::LabelRequestMessageId(id) => write!(text, " request={}", show_id(*id)),
            TlvValue::Status(status) => write!(text, " {}", code_name(status.code)),
            TlvValue::Fec(fec) => write!(text, " {}", show_fec(fec)),
            other => write!(text, " {other:?}"),
        }
        .unwrap();
    }
    text
}

fn show_message(message: &Message) -> String {
    match &message.body {
        MessageBody::LabelMapping(m) => {
            format!("mapping {} {}{}", show_fec(&m.fec), m.label.label(), show_tlvs(&m.optional))
        }
        MessageBody::LabelRequest(m) => {
            format!("request {} id={}{}", show_fec(&m.fec), show_id(message.id), show_tlvs(&m.optional))
        }
        MessageBody::LabelWithdraw(m) => format!("withdraw {}{}", show_fec(&m.fec), show_tlvs(&m.optional)),
        MessageBody::LabelRelease(m) => format!("release {}{}", show_fec(&m.fec), show_tlvs(&m.optional)),
        MessageBody::LabelAbortRequest(m) => format!("abort {} of={}", show_fec(&m.fec), show_id(m.request_id)),
        MessageBody::Notification(m) => {
            let id = show_id(m.status.message_id);
            format!("notification {} id={id}{}", code_name(m.status.code), show_tlvs(&m.optional))
        }
        MessageBody::Address(m) => format!("address {:?}", m.addresses),
        MessageBody::AddressWithdraw(m) => format!("address-withdraw {:?}", m.addresses),
        other => format!("{other:?}"),
    }
}

fn show(output: &Output) -> String {
    match output {
        Output::Message { peer, message } => format!("{} {}", peer.lsr.octets()[3], show_message(message)),
        Output::Lsp { prefix, nhlfe: Some(id) } => format!("lsp {} by {}", show_prefix(*prefix), id.0),
        Output::Lsp { prefix, nhlfe: None } => format!("lsp {} gone", show_prefix(*prefix)),
        Output::Event(event) => format!("event {event:?}"),
        Output::Program(op) => match op {
            FwdOp::SetNhlfe { id, nhlfe } => {
                let push: Vec<String> = nhlfe.push.as_slice().iter().map(ToString::to_string).collect();
                let next = match nhlfe.next {
                    NextHop::Neighbor { iface, .. } => format!("if{}", iface.0),
                    NextHop::Ecmp(group) => format!("group {}", group.0),
                    other => format!("{other:?}"),
                };
                format!("nhlfe {} push [{}] {next}", id.0, push.join(","))
            }
            FwdOp::ClearNhlfe { id } => format!("no nhlfe {}", id.0),
            FwdOp::SetIlm { label, ilm: Ilm { action: IlmAction::Forward(id), .. } } => {
                format!("ilm {label} by {}", id.0)
            }
            FwdOp::ClearIlm { label } => format!("no ilm {label}"),
            FwdOp::SetBucket { group, .. } => format!("buckets {}", group.0),
            FwdOp::ClearBucket { group, .. } => format!("no buckets {}", group.0),
            other => format!("{other:?}"),
        },
    }
}

/// Runs a script; panics with the whole transcript if an output is other than expected.
pub fn run(name: &str, script: &str) {
    let mut lde_config = config(1, 999);
    let mut run: Option<Run> = None;
    let (mut expected, mut actual) = (Vec::new(), Vec::new());
    let keep = |line: &str| line.trim().to_owned();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        expected.extend((!line.starts_with('#')).then(|| keep(line)));
        if let Some(settings) = line.strip_prefix("config ") {
            assert!(run.is_none(), "{name}: config comes first");
            set_config(&mut lde_config, settings);
            actual.push(keep(line));
        } else if let Some(stimulus) = line.strip_prefix("> ") {
            let now = Instant::from_secs(1);
            let run =
                run.get_or_insert_with(|| Run { lde: Lde::new(now, lde_config.clone()).unwrap(), now, next_id: 100 });
            actual.push(keep(line));
            run.stimulus(stimulus);
            actual.extend(run.outputs().into_iter().map(|output| format!("< {output}")));
        } else {
            assert!(line.starts_with(['<', '#']), "{name}: {line}");
        }
    }
    assert_eq!(expected, actual, "{name}: what happens is\n{}\n", actual.join("\n"));
}

#[test]
fn prefixes_show_as_written() {
    let prefix: Ipv4Prefix = "10.1.0.0/16".parse().unwrap();
    assert_eq!(show_prefix(IpPrefix::V4(prefix)), "10.1.0.0/16");
}
