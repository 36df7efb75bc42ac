//! Published codecs that take VPN UPDATEs, at pinned versions.

use crate::messages::{Case, Digest, Form, fold, halves};

/// A whole message to what was read of it.
pub type Decode = fn(Form, &[u8]) -> Digest;
/// Leaves a whole message in the buffer, from values that the peer built beforehand.
pub type Encode = Box<dyn FnMut(&mut Vec<u8>)>;
/// Takes a message into the peer's own values and gives what writes them.
pub type Encoder = fn(&Case) -> Encode;

/// Those that read messages of this form.
pub fn decoders(form: Form) -> impl Iterator<Item = &'static (&'static str, Decode)> {
    DECODERS.iter().filter(move |(name, _)| reads(name, form))
}

/// Those that write messages of this form; of joins none does: zettabgp leaves the length of the source out.
pub fn encoders(form: Form) -> impl Iterator<Item = &'static (&'static str, Encoder)> {
    ENCODERS.iter().filter(move |_| form != Form::Join4)
}

/// Of the others some reject MCAST-VPN and some leave its NLRI as octets.
fn reads(name: &str, form: Form) -> bool {
    form != Form::Join4 || name.starts_with("zettabgp")
}

const DECODERS: &[(&str, Decode)] = &[
    ("routecore-0.7.2", routecore_::decode),
    ("zettabgp-0.6.0", zetta::decode),
    ("netgauze-bgp-pkt-0.13.0", netgauze::decode),
    ("rustbgpd-wire-0.27.0", rustbgpd::decode),
];

const ENCODERS: &[(&str, Encoder)] = &[
    ("routecore-0.7.2", routecore_::encoder),
    ("zettabgp-0.6.0", zetta::encoder),
    ("netgauze-bgp-pkt-0.13.0", netgauze::encoder),
    ("rustbgpd-wire-0.27.0", rustbgpd::encoder),
];

/// Validates the whole message, each NLRI parsed and dropped; then reads lazily from the octets.
mod routecore_ {
    use super::*;
    use routecore::bgp::message::update::{SessionConfig, UpdateMessage};
    use routecore::bgp::message::update_builder::UpdateBuilder;
    use routecore::bgp::nlri::afisafi::{
        AfiSafiNlri, Ipv4MplsVpnUnicastNlri, Ipv6MplsVpnUnicastNlri, NlriCompose, NlriParse,
    };
    use routecore::bgp::path_attributes::{PaMap, WireformatPathAttribute as W};
    use routecore::bgp::types::NextHop;
    use std::net::IpAddr;

    pub fn decode(f: Form, m: &[u8]) -> Digest {
        let mut d = Digest::default();
        let cfg = SessionConfig::modern();
        let u = UpdateMessage::from_octets(m, &cfg).unwrap();
        for pa in u.path_attributes().unwrap() {
            match pa.unwrap() {
                W::Origin(e) => d.attribute(e.value_into_parser().parse_u8().unwrap() as u64),
                W::AsPath(e) => {
                    let mut p = e.value_into_parser();
                    let o = p.parse_octets(p.remaining()).unwrap();
                    let ap = routecore::bgp::aspath::AsPath::new(o, true).unwrap();
                    for h in ap.hops() {
                        if let routecore::bgp::aspath::Hop::Asn(a) = h {
                            d.attribute(a.into_u32() as u64)
                        }
                    }
                }
                W::MultiExitDisc(e) => d.attribute(e.value_into_parser().parse_u32_be().unwrap() as u64),
                W::LocalPref(e) => d.attribute(e.value_into_parser().parse_u32_be().unwrap() as u64),
                W::OriginatorId(e) => d.attribute(e.value_into_parser().parse_u32_be().unwrap() as u64),
                W::ClusterList(e) => {
                    let mut p = e.value_into_parser();
                    while p.remaining() > 0 {
                        d.attribute(p.parse_u32_be().unwrap() as u64)
                    }
                }
                _ => {}
            }
        }
        for c in u.ext_communities().unwrap().unwrap() {
            let (g, l) = halves(c.to_raw());
            d.community_halves(g, l);
        }
        match u.mp_next_hop().unwrap().unwrap() {
            NextHop::MplsVpnUnicast(_, IpAddr::V4(a)) => d.attribute(u32::from(a) as u64),
            NextHop::MplsVpnUnicast(_, IpAddr::V6(a)) => d.attribute(fold(a.into())),
            _ => panic!(),
        }
        match f {
            Form::Vpn4 => {
                for n in u.typed_announcements::<_, Ipv4MplsVpnUnicastNlri<_>>().unwrap().unwrap() {
                    let n = n.unwrap();
                    let n = n.nlri();
                    let l = n.labels().iter().next().unwrap().value();
                    let p = n.prefix();
                    let IpAddr::V4(a) = p.addr() else { panic!() };
                    d.route4(u64::from_be_bytes(n.rd().as_ref().try_into().unwrap()), l, a.into(), p.len());
                }
            }
            Form::Vpn6 => {
                for n in u.typed_announcements::<_, Ipv6MplsVpnUnicastNlri<_>>().unwrap().unwrap() {
                    let n = n.unwrap();
                    let n = n.nlri();
                    let l = n.labels().iter().next().unwrap().value();
                    let p = n.prefix();
                    let IpAddr::V6(a) = p.addr() else { panic!() };
                    d.route6(u64::from_be_bytes(n.rd().as_ref().try_into().unwrap()), l, a.into(), p.len());
                }
            }
            Form::Join4 => panic!("rejected"),
        }
        d
    }

    fn enc<A>(c: &Case) -> Encode
    where
        A: AfiSafiNlri + NlriCompose + Clone + 'static,
        A: for<'a> NlriParse<'a, &'static [u8], &'static [u8], Output = A>,
    {
        let cfg = SessionConfig::modern();
        let bytes: &'static [u8] = Box::leak(c.octets.clone().into_boxed_slice());
        let u: &'static UpdateMessage<&'static [u8]> =
            Box::leak(Box::new(UpdateMessage::from_octets(bytes, &cfg).unwrap()));
        let nlri: Vec<A> = u.typed_announcements::<_, A>().unwrap().unwrap().map(|n| n.unwrap()).collect();
        let nh = u.mp_next_hop().unwrap().unwrap();
        let mut pamap = PaMap::empty();
        for pa in u.path_attributes().unwrap() {
            let pa = pa.unwrap();
            if pa.type_code() != 14 {
                pamap.attributes_mut().insert(pa.type_code(), pa.to_owned().unwrap());
            }
        }
        Box::new(move |out: &mut Vec<u8>| {
            // the builder consumes its parts, so they are cloned per message; into_message() composes
            // and then re-parses the result
            let mut b = UpdateBuilder::<Vec<u8>, A>::from_attributes_builder(pamap.clone());
            b.announcements_from_iter(nlri.iter().cloned()).unwrap();
            b.set_mp_nexthop(nh).unwrap();
            let m = b.into_message(&cfg).unwrap();
            out.clear();
            out.extend_from_slice(m.octets().as_ref());
        })
    }

    pub fn encoder(c: &Case) -> Encode {
        match c.form {
            Form::Vpn4 => enc::<Ipv4MplsVpnUnicastNlri<&'static [u8]>>(c),
            Form::Vpn6 => enc::<Ipv6MplsVpnUnicastNlri<&'static [u8]>>(c),
            Form::Join4 => panic!("rejected"),
        }
    }
}

/// Eager and owned. Its guess at ADD-PATH (`fuzzy_pathid`) is off.
mod zetta {
    use super::*;
    use std::net::IpAddr;
    use zettabgp::BgpMessage as _;
    use zettabgp::message::{BgpMessageType, BgpUpdateMessage};
    use zettabgp::prelude::{
        BgpASitem, BgpAddr, BgpAddrs, BgpAttrItem, BgpMVPN, BgpRD, BgpSessionParams, BgpTransportMode,
    };

    fn params() -> BgpSessionParams {
        let mut p = BgpSessionParams::new(65000, 180, BgpTransportMode::IPv4, "192.0.2.9".parse().unwrap(), vec![]);
        p.fuzzy_pathid = false;
        p
    }

    fn ip(a: &IpAddr) -> u64 {
        match a {
            IpAddr::V4(a) => u32::from(*a) as u64,
            IpAddr::V6(a) => fold((*a).into()),
        }
    }
    fn rd(r: &BgpRD) -> u64 {
        ((r.rdh as u64) << 32) | r.rdl as u64
    }

    thread_local!(static P: BgpSessionParams = params());

    pub fn decode(_f: Form, m: &[u8]) -> Digest {
        P.with(|p| {
            let mut d = Digest::default();
            let (ty, len) = p.decode_message_head(m).unwrap();
            assert!(ty == BgpMessageType::Update);
            let mut u = BgpUpdateMessage::new();
            u.decode_from(p, &m[19..19 + len]).unwrap();
            for a in &u.attrs {
                match a {
                    BgpAttrItem::Origin(o) => d.attribute(o.value as u64),
                    BgpAttrItem::ASPath(x) => {
                        for i in &x.value {
                            if let BgpASitem::Seq(s) = i {
                                for n in &s.value {
                                    d.attribute(n.value as u64)
                                }
                            }
                        }
                    }
                    BgpAttrItem::MED(x) => d.attribute(x.value as u64),
                    BgpAttrItem::LocalPref(x) => d.attribute(x.value as u64),
                    BgpAttrItem::OriginatorID(x) => d.attribute(ip(&x.value)),
                    BgpAttrItem::ClusterList(x) => {
                        for c in &x.value {
                            d.attribute(ip(c))
                        }
                    }
                    BgpAttrItem::ExtCommunityList(x) => {
                        for e in &x.value {
                            match e.ctype & 0x3f {
                                0 => d.community_halves(e.a as u32, e.b),
                                _ => d.community_halves(((e.a as u32) << 16) | (e.b >> 16), e.b & 0xffff),
                            }
                        }
                    }
                    BgpAttrItem::MPUpdates(x) => {
                        match &x.nexthop {
                            BgpAddr::V4(a) => d.attribute(u32::from(*a) as u64),
                            BgpAddr::V4RD(a) => d.attribute(u32::from(a.addr) as u64),
                            BgpAddr::V6RD(a) => d.attribute(fold(a.addr.into())),
                            _ => panic!(),
                        }
                        match &x.addrs {
                            BgpAddrs::VPNV4U(v) => {
                                for n in v {
                                    d.route4(
                                        rd(&n.prefix.rd),
                                        n.labels.labels[0],
                                        n.prefix.prefix.addr.into(),
                                        n.prefix.prefix.prefixlen,
                                    )
                                }
                            }
                            BgpAddrs::VPNV6U(v) => {
                                for n in v {
                                    d.route6(
                                        rd(&n.prefix.rd),
                                        n.labels.labels[0],
                                        n.prefix.prefix.addr.into(),
                                        n.prefix.prefix.prefixlen,
                                    )
                                }
                            }
                            BgpAddrs::MVPN(v) => {
                                for n in v {
                                    let BgpMVPN::T7(t) = n else { panic!() };
                                    d.join4(rd(&t.rd), t.asn, ip(&t.rp) as u32, ip(&t.group) as u32)
                                }
                            }
                            _ => panic!(),
                        }
                    }
                    _ => {}
                }
            }
            d
        })
    }

    pub fn encoder(c: &Case) -> Encode {
        let p = params();
        let mut u = BgpUpdateMessage::new();
        u.decode_from(&p, &c.octets[19..]).unwrap();
        let mut buf = vec![0u8; 65536];
        Box::new(move |out: &mut Vec<u8>| {
            let n = u.encode_to(&p, &mut buf[19..]).unwrap();
            let l = p.prepare_message_buf(&mut buf, BgpMessageType::Update, n).unwrap();
            out.clear();
            out.extend_from_slice(&buf[..l]);
        })
    }
}

/// Eager and owned, everything typed.
mod netgauze {
    use super::*;
    use netgauze_bgp_pkt::BgpMessage;
    use netgauze_bgp_pkt::community::*;
    use netgauze_bgp_pkt::nlri::*;
    use netgauze_bgp_pkt::path_attribute::*;
    use netgauze_bgp_pkt::wire::deserializer::BgpParsingContext;
    use netgauze_parse_utils::WritablePdu;
    use netgauze_parse_utils::reader::SliceReader;
    use netgauze_parse_utils::traits::ParseFromWithOneInput;
    use std::cell::RefCell;
    use std::collections::HashMap;

    fn ctx() -> BgpParsingContext {
        BgpParsingContext::new(true, HashMap::new(), HashMap::new(), true, true, true, true)
    }
    thread_local!(static C: RefCell<BgpParsingContext> = RefCell::new(ctx()));

    fn rd(r: RouteDistinguisher) -> u64 {
        match r {
            RouteDistinguisher::As2Administrator { asn2, number } => ((asn2 as u64) << 32) | number as u64,
            RouteDistinguisher::Ipv4Administrator { ip, number } => {
                (1 << 48) | ((u32::from(ip) as u64) << 16) | number as u64
            }
            RouteDistinguisher::As4Administrator { asn4, number } => (2 << 48) | ((asn4 as u64) << 16) | number as u64,
            RouteDistinguisher::LeafAdRoutes => u64::MAX,
        }
    }
    fn label(l: &[MplsLabel]) -> u32 {
        let v = l[0].value();
        (((v[0] as u32) << 16) | ((v[1] as u32) << 8) | v[2] as u32) >> 4
    }

    pub fn decode(_f: Form, m: &[u8]) -> Digest {
        C.with(|c| {
            let mut c = c.borrow_mut();
            let msg = BgpMessage::parse(&mut SliceReader::new(m), &mut *c).unwrap();
            let BgpMessage::Update(u) = msg else { panic!() };
            let mut d = Digest::default();
            for a in u.path_attributes() {
                match a.value() {
                    PathAttributeValue::Origin(o) => d.attribute(*o as u64),
                    PathAttributeValue::AsPath(AsPath::As4PathSegments(s)) => {
                        for s in s.iter() {
                            for n in s.as_numbers() {
                                d.attribute(*n as u64)
                            }
                        }
                    }
                    PathAttributeValue::MultiExitDiscriminator(x) => d.attribute(x.metric() as u64),
                    PathAttributeValue::LocalPreference(x) => d.attribute(x.metric() as u64),
                    PathAttributeValue::Originator(x) => d.attribute(u32::from(x.id()) as u64),
                    PathAttributeValue::ClusterList(x) => {
                        for c in x.cluster_list() {
                            d.attribute(u32::from(c.id()) as u64)
                        }
                    }
                    PathAttributeValue::ExtendedCommunities(x) => {
                        for e in x.communities() {
                            match e {
                                ExtendedCommunity::TransitiveTwoOctet(
                                    TransitiveTwoOctetExtendedCommunity::RouteTarget { global_admin, local_admin }
                                    | TransitiveTwoOctetExtendedCommunity::RouteOrigin { global_admin, local_admin },
                                ) => d.community_halves(*global_admin as u32, *local_admin),
                                ExtendedCommunity::TransitiveIpv4(TransitiveIpv4ExtendedCommunity::RouteTarget {
                                    global_admin,
                                    local_admin,
                                }) => d.community_halves((*global_admin).into(), *local_admin as u32),
                                _ => panic!(),
                            }
                        }
                    }
                    PathAttributeValue::MpReach(MpReach::Ipv4MplsVpnUnicast { next_hop, nlri }) => {
                        let LabeledNextHop::Ipv4(nh) = next_hop else { panic!() };
                        d.attribute(u32::from(nh.next_hop()) as u64);
                        for n in nlri.iter() {
                            let p = n.network().address();
                            d.route4(rd(n.rd()), label(n.label_stack()), p.addr().into(), p.prefix_len());
                        }
                    }
                    PathAttributeValue::MpReach(MpReach::Ipv6MplsVpnUnicast { next_hop, nlri }) => {
                        let LabeledNextHop::Ipv6(nh) = next_hop else { panic!() };
                        d.attribute(fold(nh.next_hop().into()));
                        for n in nlri.iter() {
                            let p = n.network().address();
                            d.route6(rd(n.rd()), label(n.label_stack()), p.addr().into(), p.prefix_len());
                        }
                    }
                    _ => {}
                }
            }
            d
        })
    }

    pub fn encoder(c: &Case) -> Encode {
        let msg = BgpMessage::parse(&mut SliceReader::new(&c.octets), &mut ctx()).unwrap();
        Box::new(move |out: &mut Vec<u8>| {
            out.clear();
            msg.write(out).unwrap();
        })
    }
}

/// Eager and owned, with `parse_revised` (RFC 7606). `Bytes` is made once and cloned per call.
mod rustbgpd {
    use super::*;
    use bytes::Bytes;
    use rustbgpd_wire::attribute::{AsPathSegment, PathAttribute};
    use rustbgpd_wire::update::{Ipv4UnicastMode, ParsedUpdate, UpdateMessage};
    use rustbgpd_wire::vpn::VpnPrefix;
    use rustbgpd_wire::{Message, decode_message, encode_message};
    use std::cell::RefCell;
    use std::net::IpAddr;

    thread_local!(static LAST: RefCell<(usize, usize, Bytes)> = const { RefCell::new((0, 0, Bytes::new())) });

    fn as_bytes(m: &[u8]) -> Bytes {
        LAST.with(|l| {
            let mut l = l.borrow_mut();
            if l.0 != m.as_ptr() as usize || l.1 != m.len() {
                *l = (m.as_ptr() as usize, m.len(), Bytes::copy_from_slice(m));
            }
            l.2.clone()
        })
    }

    fn parse(m: &[u8]) -> ParsedUpdate {
        let mut b = as_bytes(m);
        let Message::Update(u) = decode_message(&mut b, 4096).unwrap() else { panic!() };
        let r = u.parse_revised(true, true, false, &[]).unwrap();
        assert!(r.malformed.is_empty());
        r.update
    }

    pub fn decode(_f: Form, m: &[u8]) -> Digest {
        let mut d = Digest::default();
        let u = parse(m);
        for a in &u.attributes {
            match a {
                PathAttribute::Origin(o) => d.attribute(*o as u64),
                PathAttribute::AsPath(p) => {
                    for s in &p.segments {
                        if let AsPathSegment::AsSequence(v) = s {
                            for n in v {
                                d.attribute(*n as u64)
                            }
                        }
                    }
                }
                PathAttribute::Med(x) | PathAttribute::LocalPref(x) => d.attribute(*x as u64),
                PathAttribute::OriginatorId(x) => d.attribute(u32::from(*x) as u64),
                PathAttribute::ClusterList(x) => {
                    for c in x {
                        d.attribute(u32::from(*c) as u64)
                    }
                }
                PathAttribute::ExtendedCommunities(x) => {
                    for e in x {
                        let (g, l) = halves(e.as_u64().to_be_bytes());
                        d.community_halves(g, l);
                    }
                }
                PathAttribute::MpReachNlri(r) => {
                    match r.next_hop {
                        IpAddr::V4(a) => d.attribute(u32::from(a) as u64),
                        IpAddr::V6(a) => d.attribute(fold(a.into())),
                    }
                    for n in &r.vpn_announced {
                        let rd = u64::from_be_bytes(n.nlri.route_distinguisher.octets());
                        let l = n.nlri.labels[0].label;
                        match n.nlri.prefix {
                            VpnPrefix::V4 { addr, len } => d.route4(rd, l, addr.into(), len),
                            VpnPrefix::V6 { addr, len } => d.route6(rd, l, addr.into(), len),
                        }
                    }
                }
                _ => {}
            }
        }
        d
    }

    pub fn encoder(c: &Case) -> Encode {
        let u = parse(&c.octets);
        Box::new(move |out: &mut Vec<u8>| {
            let m = UpdateMessage::try_build(&[], &[], &u.attributes, true, false, Ipv4UnicastMode::MpReach).unwrap();
            let b = encode_message(&Message::Update(m)).unwrap();
            out.clear();
            out.extend_from_slice(&b);
        })
    }
}
