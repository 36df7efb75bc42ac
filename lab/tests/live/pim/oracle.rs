//! What our multicast codecs write, read by tshark: a message of every kind of PIM, IGMP, MLD and MSDP in a frame, and tshark must find its
//! fields and nothing malformed. It knows no Mtrace2.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use fwd_core::time::Instant;
use fwd_core::wire::checksum::Sum;
use lab::pcap::Writer;
use mvpn::gmp::{Addresses, IntervalCode, Query, QueryBits, QueryV3, RecordType, ReportBuf, ResponseCode};
use mvpn::igmp::{IgmpMessage, MaxRespCode};
use mvpn::mld::{Endpoints, MaximumResponseCode, MldMessage};
use mvpn::msdp::tlv::{SaEntry, Tlv, emit_source_active};
use mvpn::pim::wire::{
    AddressFamily, Assert, Bootstrap, BootstrapGroup, BootstrapRp, CandidateRpAdvertisement, DfElection, DfMetric,
    DfSubtype, EcmpRedirect, EncodedGroup, Flooding, FloodingTlv, GroupSetBuf, GroupSourceHoldtime, Hello, HelloOption,
    JoinAttribute, JoinAttributeValue, JoinAttributesBuf, JoinPruneBuf, LanPruneDelay, Message, MessageType,
    PackedRegister, Register, RegisterFlags, RegisterStop, SourceBuf, SourceFlags, StateRefresh, StateRefreshFlags,
    packet,
};

/// A family's addresses.
#[derive(Clone, Copy)]
struct Family {
    router: IpAddr,
    all: IpAddr,
    group: IpAddr,
    source: IpAddr,
    rp: IpAddr,
}

fn v4() -> Family {
    let of = |a: [u8; 4]| IpAddr::from(a);
    Family {
        router: of([10, 0, 1, 1]),
        all: of([224, 0, 0, 13]),
        group: of([239, 1, 1, 1]),
        source: of([10, 9, 9, 9]),
        rp: of([10, 255, 0, 1]),
    }
}

fn v6() -> Family {
    let of = |text: &str| text.parse().unwrap();
    Family {
        router: of("fe80::1"),
        all: of("ff02::d"),
        group: of("ff1e::1"),
        source: of("2001:db8:9::9"),
        rp: of("2001:db8:ff::1"),
    }
}

/// An IP packet in a frame.
struct Case {
    frame: Vec<u8>,
    expected: Vec<(String, String)>,
}

fn frame(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![1, 0, 0x5e, 0, 0, 13, 2, 0, 0, 0, 0, 1];
    let len = u16::try_from(payload.len()).unwrap();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([8, 0, 0x45, 0xc0]);
            frame.extend((len + 20).to_be_bytes());
            frame.extend([0, 0, 0, 0, 1, protocol, 0, 0]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x6c, 0, 0, 0]);
            frame.extend(len.to_be_bytes());
            frame.extend([protocol, 1]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        _ => panic!("one family"),
    }
    frame.extend(payload);
    frame
}

/// tshark's names of addresses differ by family.
fn named(f: Family, list: &[(&str, String)]) -> Vec<(String, String)> {
    let six = f.router.is_ipv6();
    let of_address =
        ["source", "group", "upstream_neighbor", "join_ip", "prune_ip", "address_list", "bsr", "rp", "originator"];
    let name = |field: &str| match field {
        f if !six || !of_address.contains(&f) => format!("pim.{f}"),
        "join_ip" | "prune_ip" => format!("pim.{field}6"),
        _ => format!("pim.{field}_ip6"),
    };
    list.iter().map(|(field, value)| (name(field), value.clone())).collect()
}

fn pim(f: Family, message: &Message<'_>, more: &[(&str, String)]) -> Case {
    let octets = message.to_packet(f.router, f.all);
    let kind = octets[0] & 15;
    let mut expected = named(f, more);
    expected.extend([("pim.version", "2"), ("pim.cksum.status", "1")].map(|(a, b)| (a.to_owned(), b.to_owned())));
    expected.push(("pim.type".to_owned(), kind.to_string()));
    Case { frame: frame(f.router, f.all, 103, &octets), expected }
}

fn says(field: &'static str, value: impl ToString) -> (&'static str, String) {
    (field, value.to_string())
}

/// Join/Prune, Graft and Graft-Ack: a group with a Join of (*,G), one with attributes, and a Prune of (S,G,rpt).
fn join_prune(f: Family, kind: MessageType) -> Case {
    let mut attributes = JoinAttributesBuf::new(AddressFamily::of(f.source));
    assert!(attributes.push(JoinAttribute { transitive: false, value: JoinAttributeValue::RpfVector(f.rp) }));
    assert!(attributes.push(JoinAttribute { transitive: false, value: JoinAttributeValue::MtId(5) }));
    let mut set = GroupSetBuf::new(EncodedGroup::new(f.group));
    set.joins.push(SourceBuf::new(f.rp, SourceFlags::WILDCARD | SourceFlags::RPT));
    set.joins.push(SourceBuf::new(f.source, SourceFlags::empty()).with_attributes(attributes));
    set.prunes.push(SourceBuf::new(f.source, SourceFlags::RPT));
    let mut message = JoinPruneBuf::new(f.router, 210);
    message.push(set);
    let octets = packet(kind, 0, f.router, f.all, |out| message.emit(out));
    let more = [
        says("upstream_neighbor", f.router),
        says("join_ip", format!("{},{}", f.rp, f.source)),
        says("prune_ip", f.source),
        says("numgroups", 1),
        says("numjoins", 2),
        says("numprunes", 1),
        says("holdtime", 210),
        says("source_ja.flags.attr_type", "0,2"),
        says("type", kind.0),
        says("cksum.status", 1),
    ];
    Case { frame: frame(f.router, f.all, 103, &octets), expected: named(f, &more) }
}

fn hello(f: Family) -> Case {
    let delay = LanPruneDelay { tracking_support: true, propagation_delay: 500, override_interval: 2500 };
    let options = vec![
        HelloOption::Holdtime(105),
        HelloOption::LanPruneDelay(delay),
        HelloOption::DrPriority(7),
        HelloOption::GenerationId(0x1234_5678),
        HelloOption::BidirectionalCapable,
        HelloOption::StateRefreshCapable(60),
        HelloOption::AddressList(vec![f.source, f.rp]),
        HelloOption::JoinAttribute,
        HelloOption::MtId,
        HelloOption::InterfaceId { local: 3, router: 5 },
        HelloOption::EcmpRedirect,
    ];
    let more = [
        says("optiontype", "1,2,19,20,22,21,24,26,30,31,32"),
        says("holdtime", 105),
        says("propagation_delay", 500),
        says("override_interval", 2500),
        says("dr_priority", 7),
        says("generation_id", 0x1234_5678),
        says("state_refresh_interval", 60),
        says("address_list", format!("{},{}", f.source, f.rp)),
    ];
    pim(f, &Message::Hello(Hello { options }), &more)
}

fn bootstrap(f: Family) -> Case {
    let rps = vec![BootstrapRp { address: f.rp, holdtime: 150, priority: 192 }];
    let groups = vec![BootstrapGroup { group: EncodedGroup::new(f.group), rp_count: 1, rps }];
    let message =
        Bootstrap { no_forward: false, fragment_tag: 77, hash_mask_len: 30, priority: 64, bsr: f.source, groups };
    let more = [
        says("fragment_tag", "0x004d"),
        says("hash_mask_len", 30),
        says("bsr_priority", 64),
        says("bsr", f.source),
        says("rp", f.rp),
        says("holdtime", 150),
    ];
    pim(f, &Message::Bootstrap(message), &more)
}

fn elections(f: Family) -> Vec<Case> {
    let (sender_metric, other) = (DfMetric { preference: 110, metric: 20 }, DfMetric { preference: 5, metric: 6 });
    let subtypes = [
        DfSubtype::Offer,
        DfSubtype::Winner,
        DfSubtype::Backoff { offering: f.source, offering_metric: other, interval: 100 },
        DfSubtype::Pass { new_winner: f.source, new_winner_metric: other },
    ];
    let case = |(n, subtype): (usize, DfSubtype)| {
        pim(f, &Message::DfElection(DfElection { rpa: f.rp, sender_metric, subtype }), &[says("df_elect.subtype", n)])
    };
    (1..).zip(subtypes).map(case).collect()
}

fn rest_of_pim(f: Family) -> Vec<Case> {
    let group = EncodedGroup::new(f.group);
    let null = Register::null_packet(f.source, f.group).unwrap();
    let register = Register { flags: RegisterFlags::NULL, packet: &null };
    let stop = RegisterStop { group, source: f.source };
    let assert = Assert { group, source: f.source, rpt: true, metric_preference: 110, metric: 20 };
    let candidate = CandidateRpAdvertisement { priority: 192, holdtime: 150, rp: f.rp, groups: vec![group] };
    let refresh = StateRefresh {
        group,
        source: f.source,
        originator: f.rp,
        metric_preference: 110,
        metric: 20,
        mask_len: 24,
        ttl: 9,
        flags: StateRefreshFlags::PRUNE_NOW,
        interval: 60,
    };
    let mut redirect = EcmpRedirect::new(group, f.source, f.router).unwrap();
    (redirect.preference, redirect.metric) = (3, 9);
    let announced = GroupSourceHoldtime { group, holdtime: 210, sources: vec![f.source] };
    let tlvs = vec![(true, FloodingTlv::GroupSourceHoldtime(announced))];
    let flooding = Flooding { no_forward: true, originator: f.rp, tlvs };
    let sg = [says("source", f.source), says("group", f.group)];
    let metric = [says("metric_pref", 110), says("metric", 20)];
    vec![
        pim(f, &Message::Register(register), &[says("register_flag.null_register", 1)]),
        pim(f, &Message::RegisterStop(stop), &sg),
        pim(f, &Message::Assert(assert), &[&sg[..], &metric, &[says("rpt", 1)]].concat()),
        pim(f, &Message::CandidateRpAdvertisement(candidate), &[says("rp", f.rp), says("holdtime", 150)]),
        pim(f, &Message::StateRefresh(refresh), &[&sg[..], &[says("originator", f.rp), says("ttl", 9)]].concat()),
        pim(f, &Message::EcmpRedirect(redirect), &[]),
        pim(f, &Message::Flooding(flooding), &[says("srcholdtime", 210), says("srccount", 1)]),
        pim(f, &Message::PackedNullRegister(PackedRegister { records: vec![stop] }), &[]),
        pim(f, &Message::PackedRegisterStop(PackedRegister { records: vec![stop] }), &[]),
    ]
}

/// Shows: L3VPN-8.8-1, L3VPN-8.8-2, L3VPN-8.8-3, L3VPN-8.8-4, L3VPN-8.8-5, L3VPN-8.8-6, L3VPN-8.8-7, L3VPN-8.8-8, L3VPN-8.8-9, L3VPN-8.8-10
#[test]
fn tshark_reads_every_pim_message() {
    for (name, f) in [("pim4", v4()), ("pim6", v6())] {
        let mut cases = vec![hello(f), bootstrap(f)];
        cases.extend([MessageType::JOIN_PRUNE, MessageType::GRAFT, MessageType::GRAFT_ACK].map(|k| join_prune(f, k)));
        cases.extend(elections(f));
        cases.extend(rest_of_pim(f));
        check(name, &cases);
    }
}

fn igmp(message: &IgmpMessage<'_>, more: &[(&str, &str)]) -> Case {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    let mut expected: Vec<_> = more.iter().map(|(a, b)| (format!("igmp.{a}"), (*b).to_owned())).collect();
    expected.push(("igmp.checksum.status".to_owned(), "1".to_owned()));
    Case { frame: frame(v4().router, [224, 0, 0, 22].into(), 2, &octets), expected }
}

/// Shows: L3VPN-8.9-1, L3VPN-8.9-3
#[test]
fn tshark_reads_every_igmp_message() {
    let group = Ipv4Addr::new(239, 1, 1, 1);
    let source = Ipv4Addr::new(10, 9, 9, 9);
    let mut report = ReportBuf::new();
    for kind in 1..=6 {
        report.push(RecordType(kind), group, [source]);
    }
    let octets = source.octets();
    let v3 = |suppress| QueryV3 {
        bits: QueryBits::new(suppress, 2),
        interval: IntervalCode::of(Duration::from_secs(125)),
        sources: Addresses::take(&octets, 1, "sources").unwrap().1,
        additional: &[],
    };
    let response = MaxRespCode::of(Duration::from_secs(10));
    let query = |group, response, v3| IgmpMessage::Query(Query { group, response, v3 });
    let [maddr, resp] = [("maddr", "239.1.1.1"), ("max_resp", "100")];
    let cases = [
        igmp(&query(group, MaxRespCode(0), None), &[("type", "0x11"), maddr]),
        igmp(&query(group, response, None), &[("type", "0x11"), maddr, resp]),
        igmp(
            &query(group, response, Some(v3(true))),
            &[("type", "0x11"), maddr, resp, ("s", "1"), ("qrv", "2"), ("qqic", "125"), ("saddr", "10.9.9.9")],
        ),
        igmp(&IgmpMessage::ReportV1(group), &[("type", "0x12"), maddr]),
        igmp(&IgmpMessage::ReportV2(group), &[("type", "0x16"), maddr]),
        igmp(&IgmpMessage::Leave(group), &[("type", "0x17"), maddr]),
        igmp(
            &IgmpMessage::ReportV3(report.as_report()),
            &[("type", "0x22"), ("num_grp_recs", "6"), ("record_type", "1,2,3,4,5,6")],
        ),
    ];
    check("igmp", &cases);
}

fn mld(message: &MldMessage<'_>, more: &[(&str, &str)]) -> Case {
    let (source, destination) = ("fe80::1".parse().unwrap(), "ff02::16".parse().unwrap());
    let mut octets = Vec::new();
    message.emit(&Endpoints { source, destination }, &mut octets);
    let mut expected: Vec<_> = more.iter().map(|(a, b)| (format!("icmpv6.{a}"), (*b).to_owned())).collect();
    expected.push(("icmpv6.checksum.status".to_owned(), "1".to_owned()));
    Case { frame: frame(source.into(), destination.into(), 58, &octets), expected }
}

/// Shows: L3VPN-8.9-2, L3VPN-8.9-3
#[test]
fn tshark_reads_every_mld_message() {
    let group: Ipv6Addr = "ff1e::1".parse().unwrap();
    let source: Ipv6Addr = "2001:db8:9::9".parse().unwrap();
    let mut report = ReportBuf::new();
    for kind in 1..=6 {
        report.push(RecordType(kind), group, [source]);
    }
    let octets = source.octets();
    let v3 = QueryV3 {
        bits: QueryBits::new(false, 2),
        interval: IntervalCode::of(Duration::from_secs(125)),
        sources: Addresses::take(&octets, 1, "sources").unwrap().1,
        additional: &[],
    };
    let response = MaximumResponseCode::of(Duration::from_secs(10));
    let query = |v3| MldMessage::Query(Query { group, response, v3 });
    let address = ("mld.multicast_address", "ff1e::1");
    let cases = [
        mld(&query(None), &[("type", "130"), address, ("mld.maximum_response_delay", "10000")]),
        mld(
            &query(Some(v3)),
            &[
                ("type", "130"),
                address,
                ("mld.flag.qrv", "2"),
                ("mld.qqi", "125"),
                ("mld.source_address", "2001:db8:9::9"),
            ],
        ),
        mld(&MldMessage::ReportV1(group), &[("type", "131"), address]),
        mld(&MldMessage::Done(group), &[("type", "132"), address]),
        mld(
            &MldMessage::ReportV2(report.as_report()),
            &[("type", "143"), ("mldr.nb_mcast_records", "6"), ("mldr.mar.record_type", "1,2,3,4,5,6")],
        ),
    ];
    check("mld", &cases);
}

/// A message on a connection of its own.
fn msdp(port: u8, octets: &[u8], more: &[(&str, &str)]) -> Case {
    let mut tcp = vec![0x80, port, 2, 0x7f, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0];
    tcp.extend(octets);
    let (from, to) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let len = u16::try_from(tcp.len()).unwrap();
    let sum = Sum::new().octets(&from.octets()).octets(&to.octets()).word(6).word(len).octets(&tcp).finish();
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    let expected = more.iter().map(|(a, b)| (format!("msdp.{a}"), (*b).to_owned())).collect();
    Case { frame: frame(from.into(), to.into(), 6, &tcp), expected }
}

/// Shows: L3VPN-8.9-4
#[test]
fn tshark_reads_every_msdp_message() {
    let entry = SaEntry { group: Ipv4Addr::new(239, 1, 1, 1), source: Ipv4Addr::new(10, 9, 9, 9) };
    let rp = Ipv4Addr::new(10, 255, 0, 1);
    let data = Register::null_packet(entry.source.into(), entry.group.into()).unwrap();
    let mut active = Vec::new();
    let other = SaEntry { group: Ipv4Addr::new(239, 1, 1, 2), source: Ipv4Addr::new(10, 9, 9, 8) };
    emit_source_active(rp, &[entry, other], &[], &mut active);
    let mut with_data = Vec::new();
    emit_source_active(rp, &[entry], &data, &mut with_data);
    let written = |tlv: Tlv<'_>| {
        let mut octets = Vec::new();
        tlv.emit(&mut octets);
        octets
    };
    let of_sa = [("type", "1"), ("sa.rp_addr", "10.255.0.1")];
    let two = [("sa.entry_count", "2"), ("sa.group_addr", "239.1.1.1,239.1.1.2"), ("sa.src_addr", "10.9.9.9,10.9.9.8")];
    let cases = [
        msdp(1, &active, &[&of_sa[..], &two].concat()),
        msdp(2, &with_data, &[&of_sa[..], &[("sa.entry_count", "1"), ("sa.sprefix_len", "32")]].concat()),
        msdp(3, &written(Tlv::Request(entry.group)), &[("type", "2"), ("sa_req.group_addr", "239.1.1.1")]),
        msdp(4, &written(Tlv::KeepAlive), &[("type", "4"), ("length", "3")]),
    ];
    check("msdp", &cases);
}

/// tshark finds what the cases say, and nothing malformed.
fn check(name: &str, cases: &[Case]) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.pcap", std::process::id()));
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    cases.iter().for_each(|case| writer.frame(Instant::ZERO, &case.frame).unwrap());
    writer.finish().unwrap();
    let mut names: Vec<&str> = cases.iter().flat_map(|c| c.expected.iter().map(|(name, _)| name.as_str())).collect();
    names.extend(["_ws.malformed", "_ws.expert.message"]);
    names.sort_unstable();
    names.dedup();
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(&path).args(["-T", "fields", "-E", "occurrence=a", "-E", "separator=/t"]);
    tshark.args(["-o", "tcp.check_checksum:TRUE"]);
    for name in &names {
        tshark.args(["-e", name]);
    }
    let output = tshark.output().expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), cases.len());
    for (case, line) in cases.iter().zip(text.lines()) {
        let found: BTreeMap<&str, &str> = names.iter().copied().zip(line.split('\t')).collect();
        for (field, value) in &case.expected {
            // It says an encoded address once for the whole and once for the part.
            let mut values: Vec<&str> = found[field.as_str()].split(',').collect();
            values.dedup();
            // A Null-Register of IPv6 has a PIM header within it, too (RFC 7761 §4.9.3).
            if ["pim.version", "pim.type", "pim.cksum.status"].contains(&field.as_str()) {
                values.truncate(1);
            }
            assert_eq!(values.join(","), *value, "{field} in {found:?}");
        }
        assert_eq!(found.get("_ws.malformed"), Some(&""), "{found:?}");
    }
}
