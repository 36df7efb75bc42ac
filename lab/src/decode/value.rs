//! A message as a value that prints as JSON and as a tree.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bgp_vpn::attr::{AttrFlags, AttrType, Attributes, RawAttribute};
use bgp_vpn::message::capability::Capability;
use bgp_vpn::message::{FaultAction, Header, Message, Notification, Open, RouteRefresh, Update};
use bgp_vpn::nlri::{Family, LabeledNlri, Nlri, NlriFormat, Nlris, PathId, UnicastNlri, VpnNlri};
use bgp_vpn::session::Negotiated;
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use fwd_core::{Fault, Malformed};
use serde_json::{Map, Value, json};

/// A fault in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Octets from the start of the message to the faulty field.
    pub offset: usize,
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub fault: String,
    /// What a speaker does about it.
    pub action: &'static str,
}

impl Problem {
    fn new(base: usize, malformed: &Malformed, field: &str, action: &'static str) -> Self {
        let fault = match malformed.fault {
            Fault::Truncated => "truncated".to_owned(),
            Fault::Length(n) => format!("impossible length {n}"),
            Fault::Value(v) => format!("value {v:#x} not allowed"),
            Fault::Trailing(n) => format!("{n} octets too many"),
        };
        Self { offset: base + malformed.offset, field: field.to_owned(), fault, action }
    }

    /// A header that ends the session.
    #[must_use]
    pub fn header(octets: &[u8], notification: &Notification) -> Self {
        let marked = octets.iter().take(Header::MARKER.len()).all(|b| *b == 0xff);
        let (offset, field) = match notification.subcode {
            1 => (octets.iter().position(|b| *b != 0xff).unwrap_or(0), "marker"),
            2 => (16, "length"),
            _ => (18, "type"),
        };
        let offset = if marked { offset } else { offset.min(15) };
        Self { offset, field: field.into(), fault: notification.to_string(), action: "session-reset" }
    }

    /// A message of which the capture has only these first octets.
    #[must_use]
    pub fn cut(len: usize) -> Self {
        Self { offset: len, field: "message".into(), fault: "the capture ends inside it".into(), action: "none" }
    }

    fn to_json(&self) -> Value {
        json!({"offset": self.offset, "field": self.field, "fault": self.fault, "action": self.action})
    }
}

/// The name of an action of RFC 7606 §2.
#[must_use]
pub const fn action_name(action: FaultAction) -> &'static str {
    match action {
        FaultAction::AttributeDiscard => "attribute-discard",
        FaultAction::TreatAsWithdraw => "treat-as-withdraw",
        FaultAction::DisableFamily => "disable-family",
        FaultAction::SessionReset => "session-reset",
    }
}

/// A message found in a capture.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The frame that completed it.
    pub frame: u64,
    /// When.
    pub time: Duration,
    /// Its sender.
    pub src: SocketAddr,
    /// Its receiver.
    pub dst: SocketAddr,
    /// Its type, as RFC 4271 names it.
    pub kind: &'static str,
    /// Octets, header included; fewer than the header says if the capture lacks the rest.
    pub length: usize,
    /// The capture lacks the OPENs: the context was guessed.
    pub guessed: bool,
    /// What it says; null if it does not parse.
    pub value: Value,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

impl Found {
    pub(super) fn new(frame: u64, time: Duration, src: SocketAddr, dst: SocketAddr, octets: &[u8]) -> Self {
        let kind = match octets.get(18) {
            Some(1) => "OPEN",
            Some(2) => "UPDATE",
            Some(3) => "NOTIFICATION",
            Some(4) => "KEEPALIVE",
            Some(5) => "ROUTE-REFRESH",
            _ => "unknown",
        };
        let length = octets.len();
        Self { frame, time, src, dst, kind, length, guessed: false, value: Value::Null, problems: Vec::new() }
    }

    pub(super) fn with(mut self, problem: Problem) -> Self {
        self.problems.push(problem);
        self
    }

    /// The message as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("frame".into(), self.frame.into());
        object.insert("time".into(), self.time.as_secs_f64().into());
        object.insert("protocol".into(), "bgp".into());
        object.insert("src".into(), self.src.to_string().into());
        object.insert("dst".into(), self.dst.to_string().into());
        object.insert("type".into(), self.kind.into());
        object.insert("length".into(), self.length.into());
        if self.guessed {
            object.insert("context".into(), "guessed".into());
        }
        object.insert("value".into(), self.value.clone());
        if !self.problems.is_empty() {
            object.insert("faults".into(), self.problems.iter().map(Problem::to_json).collect());
        }
        Value::Object(object)
    }
}

/// Reads a whole message into `found`.
pub(super) fn message(found: &mut Found, octets: &[u8], negotiated: &Negotiated) {
    match Message::parse(octets) {
        Ok(Message::Open(message)) => found.value = open(&message),
        Ok(Message::Update(body)) => update(found, body, negotiated),
        Ok(Message::Notification(message)) => found.value = notification(&message),
        Ok(Message::Keepalive) => found.value = json!({}),
        Ok(Message::RouteRefresh(message)) => found.value = refresh(&message),
        Err(malformed) => {
            found.problems.push(Problem::new(0, &malformed, malformed.field, "session-reset"));
        }
    }
}

fn open(open: &Open) -> Value {
    let capabilities: Vec<Value> = open.capabilities().map(capability).collect();
    json!({
        "version": open.version,
        "as": open.asn(),
        "hold_time": open.hold_time,
        "identifier": open.identifier.to_string(),
        "capabilities": capabilities,
    })
}

fn capability(capability: &Capability) -> Value {
    let name = capability.code().to_string();
    let value = match capability {
        Capability::Multiprotocol(family) => family.to_string().into(),
        Capability::ExtendedNextHop(list) => list
            .iter()
            .map(|e| json!(format!("afi {} safi {} by afi {}", e.nlri_afi.0, e.nlri_safi, e.next_hop_afi.0)))
            .collect(),
        Capability::MultipleLabels(list) => list.iter().map(|e| json!(format!("{}: {}", e.family, e.count))).collect(),
        Capability::Role(role) => (*role).into(),
        Capability::GracefulRestart(restart) => json!({
            "time": restart.time(),
            "flags": format!("{:#x}", restart.flags.bits()),
            "families": restart.families.iter().map(|e| e.family.to_string()).collect::<Vec<_>>(),
        }),
        Capability::FourOctetAs(asn) => (*asn).into(),
        Capability::AddPath(list) => list
            .iter()
            .map(|e| {
                let mode = match (e.mode.sends(), e.mode.receives()) {
                    (true, true) => "send and receive",
                    (true, false) => "send",
                    (false, true) => "receive",
                    (false, false) => "nothing",
                };
                json!(format!("{}: {mode}", e.family))
            })
            .collect(),
        Capability::Other(other) => hex(other.value()).into(),
        other => {
            let mut octets = Vec::new();
            other.emit(&mut octets);
            octets.get(2..).filter(|value| !value.is_empty()).map_or(Value::Null, |value| hex(value).into())
        }
    };
    if value.is_null() { name.into() } else { json!({ name: value }) }
}

fn notification(notification: &Notification) -> Value {
    json!({
        "code": notification.code.0,
        "subcode": notification.subcode,
        "text": notification.to_string(),
        "data": hex(&notification.data),
    })
}

fn refresh(refresh: &RouteRefresh) -> Value {
    json!({
        "family": refresh.family.to_string(),
        "subtype": refresh.subtype.0,
        "filters": hex(refresh.filter_octets()),
    })
}

fn update(found: &mut Found, body: &[u8], negotiated: &Negotiated) {
    let update = match Update::parse(body, negotiated) {
        Ok(update) => update,
        Err(error) => {
            let problem = Problem::new(Header::LEN, &error.malformed, error.malformed.field, "session-reset");
            found.problems.push(problem);
            return;
        }
    };
    for fault in update.faults() {
        let field = format!("{}: {}", fault.attr_type, fault.malformed.field);
        found.problems.push(Problem::new(Header::LEN, &fault.malformed, &field, action_name(fault.action)));
    }
    if let Err(fault) = update.check_nlri() {
        let start = match fault.field {
            bgp_vpn::message::NlriField::Withdrawn => 2,
            bgp_vpn::message::NlriField::Nlri => update.nlri_offset(),
            bgp_vpn::message::NlriField::MpReach => update.mp_reach().map_or(0, |mp| distance(body, mp.nlri)),
            bgp_vpn::message::NlriField::MpUnreach => update.mp_unreach().map_or(0, |mp| distance(body, mp.nlri)),
        };
        let field = format!("{} NLRI: {}", fault.family, fault.malformed.field);
        found.problems.push(Problem::new(Header::LEN + start, &fault.malformed, &field, action_name(fault.action)));
    }
    let mut value = Map::new();
    if let Some(family) = update.end_of_rib() {
        value.insert("end_of_rib".into(), family.to_string().into());
    }
    let format = negotiated.receive_format(Family::IPV4_UNICAST);
    let (withdrawn, nlri) = update.nlri_octets();
    if !withdrawn.is_empty() {
        value.insert("withdrawn".into(), routes(Family::IPV4_UNICAST, withdrawn, format));
    }
    let attributes: Vec<Value> = update.attributes().raw().map(|raw| attribute(&raw, update.attributes())).collect();
    if !attributes.is_empty() {
        value.insert("attributes".into(), attributes.into());
    }
    if !nlri.is_empty() {
        value.insert("nlri".into(), routes(Family::IPV4_UNICAST, nlri, format));
    }
    found.value = Value::Object(value);
}

/// Octets from the start of `whole` to `part`, which lies in it.
fn distance(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize)
}

fn attribute(raw: &RawAttribute<'_>, attributes: &Attributes<'_>) -> Value {
    let names = [
        (AttrFlags::OPTIONAL, "optional"),
        (AttrFlags::TRANSITIVE, "transitive"),
        (AttrFlags::PARTIAL, "partial"),
        (AttrFlags::EXTENDED_LENGTH, "extended-length"),
    ];
    let flags: Vec<&str> = names.iter().filter(|(flag, _)| raw.flags.contains(*flag)).map(|(_, name)| *name).collect();
    // Only of the occurrence that counts: of a repeated attribute, the first (RFC 7606 §3 g).
    let counts = attributes.value(raw.attr_type).is_none_or(|value| value.as_ptr() == raw.value.as_ptr());
    let value = if counts { attribute_value(raw, attributes) } else { None };
    json!({
        "type": raw.attr_type.to_string(),
        "flags": flags.join(" "),
        "value": value.unwrap_or_else(|| hex(raw.value).into()),
    })
}

/// The value of an attribute as the accessors give it; `None`: unknown or malformed, to be shown as octets.
fn attribute_value(raw: &RawAttribute<'_>, a: &Attributes<'_>) -> Option<Value> {
    fn list<T: ToString>(items: impl Iterator<Item = T>) -> Value {
        items.map(|item| Value::from(item.to_string())).collect()
    }
    Some(match raw.attr_type {
        AttrType::ORIGIN => format!("{:?}", a.origin()?).to_lowercase().into(),
        AttrType::AS_PATH => a.as_path()?.to_string().into(),
        AttrType::AS4_PATH => a.as4_path()?.segments().map(|s| Value::from(format!("{s:?}"))).collect(),
        AttrType::NEXT_HOP => a.next_hop()?.to_string().into(),
        AttrType::MULTI_EXIT_DISC => a.med()?.into(),
        AttrType::LOCAL_PREF => a.local_pref()?.into(),
        AttrType::ATOMIC_AGGREGATE => a.atomic_aggregate().into(),
        AttrType::AGGREGATOR => a.aggregator().map(|g| format!("{} {}", g.asn, g.address))?.into(),
        AttrType::AS4_AGGREGATOR => format!("{:?}", a.as4_aggregator()?).into(),
        AttrType::COMMUNITIES => list(a.communities()?.iter()),
        AttrType::ORIGINATOR_ID => a.originator_id()?.to_string().into(),
        AttrType::CLUSTER_LIST => a.cluster_list()?.iter().map(|c| Value::from(format!("{c:?}"))).collect(),
        AttrType::EXTENDED_COMMUNITIES => list(a.ext_communities()?.iter()),
        AttrType::IPV6_EXTENDED_COMMUNITIES => {
            a.ipv6_ext_communities()?.iter().map(|c| Value::from(format!("{c:?}"))).collect()
        }
        AttrType::LARGE_COMMUNITY => list(a.large_communities()?.iter()),
        AttrType::MP_REACH_NLRI => {
            let mp = a.mp_reach()?;
            let next_hop = mp.next_hop().map_or_else(|| hex(mp.next_hop_octets), |n| n.to_string());
            json!({
                "family": mp.family.to_string(),
                "next_hop": next_hop,
                "nlri": routes(mp.family, mp.nlri, mp.format),
            })
        }
        AttrType::MP_UNREACH_NLRI => {
            let mp = a.mp_unreach()?;
            json!({"family": mp.family.to_string(), "withdrawn": routes(mp.family, mp.nlri, mp.format)})
        }
        other => return super::service::attribute(other, a),
    })
}

/// The routes of a field of NLRI, up to the first that is malformed; octets where the family is not known.
fn routes(family: Family, octets: &[u8], format: NlriFormat) -> Value {
    match family {
        Family::IPV4_UNICAST | Family::IPV4_MULTICAST => each(octets, format, unicast::<Ipv4Prefix>),
        Family::IPV6_UNICAST | Family::IPV6_MULTICAST => each(octets, format, unicast::<Ipv6Prefix>),
        Family::IPV4_LABELED_UNICAST => each(octets, format, labeled::<Ipv4Prefix>),
        Family::IPV6_LABELED_UNICAST => each(octets, format, labeled::<Ipv6Prefix>),
        Family::VPN_IPV4 => each(octets, format, vpn::<Ipv4Prefix>),
        Family::VPN_IPV6 => each(octets, format, vpn::<Ipv6Prefix>),
        _ => super::service::routes(family, octets, format).unwrap_or_else(|| json!({"octets": hex(octets)})),
    }
}

fn each<'a, N: Nlri<'a>>(octets: &'a [u8], format: NlriFormat, show: fn(N) -> String) -> Value {
    Nlris::new(octets, format).map_while(Result::ok).map(|nlri| Value::from(show(nlri))).collect()
}

fn path_id(id: Option<PathId>) -> String {
    id.map_or_else(String::new, |id| format!(" path {}", id.0))
}

fn unicast<P: std::fmt::Display>(nlri: UnicastNlri<P>) -> String {
    format!("{}{}", nlri.prefix, path_id(nlri.path_id))
}

fn labeled<P: std::fmt::Display>(nlri: LabeledNlri<'_, P>) -> String {
    format!("{} labels {:?}{}", nlri.prefix, nlri.labels, path_id(nlri.path_id))
}

fn vpn<P: std::fmt::Display>(nlri: VpnNlri<'_, P>) -> String {
    format!("{} rd {} labels {:?}{}", nlri.prefix, nlri.rd, nlri.labels, path_id(nlri.path_id))
}

/// Octets as hexadecimal digits.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
