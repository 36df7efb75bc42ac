//! What we write, read by tshark: typed values become LDP, BFD and RSVP in frames, and tshark must find every field. Echo messages and control
//! channels are in `oracle_oam.rs`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU32};
use std::path::PathBuf;
use std::process::Command;

use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, Ipv6Prefix, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{Assigned, FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, TunnelModel};
use fwd_core::table::{CounterMemory, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, VrfSlot};
use fwd_core::time::Instant;
use fwd_core::{Forwarder, Frame, Verdict};
use lab::pcap::Writer;
use p2mp_pw::bfd::{ControlFlags, ControlPacket, Diag, State};
use p2mp_pw::ldp::fec::*;
use p2mp_pw::ldp::message::*;
use p2mp_pw::ldp::*;
use p2mp_pw::rsvp_te;

/// Protocol number, and the ports of UDP and TCP.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    Tcp(u16),
    Udp(u16),
    Ip(u8),
    /// Nothing: the octets begin with a label.
    Mpls,
    /// Nothing: the octets are the frame.
    Frame,
}

/// A frame's payload, and what tshark is to say of it: fields with all their values in order.
pub struct Case {
    over: Over,
    octets: Vec<u8>,
    fields: Vec<(String, String)>,
    /// What the RFC says and tshark does not.
    misread: bool,
}

impl Case {
    /// tshark may find it malformed, because it reads it otherwise than the RFC says: that the octets are these is checked instead.
    pub fn misread(mut self, octets: &str) -> Self {
        let payload = match self.over {
            Over::Tcp(_) => "tcp.payload",
            Over::Udp(_) => "udp.payload",
            Over::Ip(_) | Over::Mpls | Over::Frame => "data.data",
        };
        self.fields.push((payload.to_owned(), octets.to_owned()));
        Self { misread: true, ..self }
    }
}

pub fn case(over: Over, octets: Vec<u8>, prefix: &str, fields: &[(&str, &str)]) -> Case {
    let fields = fields.iter().map(|(name, value)| (format!("{prefix}{name}"), (*value).to_owned())).collect();
    Case { over, octets, fields, misread: false }
}

pub fn ldp(body: MessageBody, fields: &[(&str, &str)]) -> Case {
    let over = if matches!(body, MessageBody::Hello(_)) { Over::Udp(646) } else { Over::Tcp(646) };
    let mut octets = Vec::new();
    Pdu::emit(LdpId::platform([192, 0, 2, 1].into()), &[Message { id: 77, body }], &mut octets);
    let mut case = case(over, octets, "ldp.", fields);
    let header = [("hdr.version", "1"), ("hdr.ldpid.lsr", "192.0.2.1"), ("hdr.ldpid.lsid", "0")];
    case.fields.extend(header.map(|(name, value)| (format!("ldp.{name}"), value.to_owned())));
    case
}

pub fn frame(over: Over, port: u16, octets: &[u8]) -> Vec<u8> {
    let (protocol, header) = match over {
        Over::Tcp(to) => {
            let mut header = [port.to_be_bytes(), to.to_be_bytes()].concat();
            header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
            (6, header)
        }
        Over::Udp(to) => {
            let len = u16::try_from(octets.len() + 8).unwrap();
            (17, [port.to_be_bytes(), to.to_be_bytes(), len.to_be_bytes(), [0, 0]].concat())
        }
        Over::Ip(protocol) => (protocol, Vec::new()),
        Over::Frame => return octets.to_vec(),
        Over::Mpls => return [&[0; 12][..], &[0x88, 0x47], octets].concat(),
    };
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend(u16::try_from(20 + header.len() + octets.len()).unwrap().to_be_bytes());
    frame.extend([0, 0, 0, 0, 255, protocol, 0, 0, 192, 0, 2, 2, 192, 0, 2, 3]);
    frame.extend(header);
    frame.extend(octets);
    frame
}

/// tshark finds what the cases say, and nothing malformed.
pub fn check(name: &str, cases: &[Case]) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{name}-{}.pcap", std::process::id()));
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    for (port, case) in (20_000u16..).zip(cases) {
        writer.frame(Instant::ZERO, &frame(case.over, port, &case.octets)).unwrap();
    }
    writer.finish().unwrap().flush().unwrap();
    let mut names: Vec<&str> =
        cases.iter().flat_map(|case| case.fields.iter().map(|(name, _)| name.as_str())).collect();
    names.push("_ws.malformed");
    names.sort_unstable();
    names.dedup();
    let mut tshark = Command::new("tshark");
    tshark.arg("-n").arg("-r").arg(&path).args(["-T", "fields", "-E", "occurrence=a", "-E", "separator=/t"]);
    for name in &names {
        tshark.args(["-e", name]);
    }
    let output = tshark.output().expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), cases.len());
    let mut wrong = Vec::new();
    for (n, (line, case)) in text.lines().zip(cases).enumerate() {
        let found: BTreeMap<&str, &str> = names.iter().copied().zip(line.split('\t')).collect();
        for (field, value) in &case.fields {
            if found.get(field.as_str()) != Some(&value.as_str()) {
                wrong.push(format!("case {n}: {field}: {:?}, not {value:?}", found.get(field.as_str())));
            }
        }
        if !case.misread && found.get("_ws.malformed") != Some(&"") {
            wrong.push(format!("case {n}: malformed: {:?}", case.octets));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

pub fn v4_prefix() -> FecElement {
    let prefix = Ipv4Prefix::new([10, 1, 0, 0].into(), 16).unwrap();
    FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix)))
}

pub fn v6_prefix() -> FecElement {
    let prefix = Ipv6Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32).unwrap();
    FecElement::Prefix(PrefixFec::Ip(IpPrefix::V6(prefix)))
}

pub fn mapping(element: FecElement, optional: Vec<TlvValue>) -> MessageBody {
    let optional = optional.into_iter().map(Tlv::new).collect();
    MessageBody::LabelMapping(LabelMapping {
        fec: Fec::single(element),
        label: LabelTlv::Generic(label(1234)),
        optional,
    })
}

/// Hello, Initialization, KeepAlive, Address, Notification, with their TLVs.
#[test]
fn tshark_reads_our_session_messages() {
    let transport = TlvValue::TransportAddress(Ipv4Addr::new(192, 0, 2, 1).into());
    let six = TlvValue::TransportAddress(Ipv6Addr::LOCALHOST.into());
    let optional = vec![Tlv::new(transport), Tlv::new(TlvValue::ConfigurationSequence(9))];
    let flags = HelloFlags::TARGETED | HelloFlags::REQUEST | HelloFlags::GTSM;
    let restart = FaultTolerance { flags: FtFlags::LEARN, reconnect_timeout_ms: 120_000, recovery_time_ms: 60_000 };
    let initialization = Initialization {
        version: 1,
        keepalive_time: 180,
        flags: SessionFlags::ON_DEMAND | SessionFlags::LOOP_DETECTION,
        path_vector_limit: 32,
        max_pdu_length: 4096,
        receiver: LdpId::platform([192, 0, 2, 2].into()),
        optional: vec![Tlv::new(TlvValue::FtSession(restart))],
    };
    let addresses = vec![Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(198, 51, 100, 1).into()];
    let address = |list| Address::new(AddressFamily::IPV4, list).unwrap();
    let mut status = Status::new(StatusCode::HOLD_TIMER_EXPIRED);
    (status.message_id, status.message_type) = (5, MessageType::LABEL_MAPPING);
    let cases = [
        ldp(
            MessageBody::Hello(Hello { hold_time: 45, flags, optional }),
            &[
                ("msg.type", "0x0100"),
                ("msg.id", "0x0000004d"),
                ("msg.tlv.hello.hold", "45"),
                ("msg.tlv.hello.targeted", "1"),
                ("msg.tlv.hello.requested", "1"),
                ("msg.tlv.hello.gtsm", "1"),
                ("msg.tlv.ipv4.taddr", "192.0.2.1"),
                ("msg.tlv.hello.cnf_seqno", "9"),
            ],
        ),
        ldp(
            MessageBody::Hello(Hello { hold_time: 15, flags: HelloFlags::empty(), optional: vec![Tlv::new(six)] }),
            &[("msg.tlv.hello.hold", "15"), ("msg.tlv.hello.targeted", "0"), ("msg.tlv.ipv6.taddr", "::1")],
        ),
        ldp(
            MessageBody::Initialization(initialization),
            &[
                ("msg.type", "0x0200"),
                ("msg.tlv.sess.ver", "1"),
                ("msg.tlv.sess.ka", "180"),
                ("msg.tlv.sess.advbit", "1"),
                ("msg.tlv.sess.ldetbit", "1"),
                ("msg.tlv.sess.pvlim", "32"),
                ("msg.tlv.sess.mxpdu", "4096"),
                ("msg.tlv.sess.rxlsr", "192.0.2.2"),
                ("msg.tlv.ft_sess.flag_l", "1"),
                ("msg.tlv.ft_sess.reconn_to", "120000"),
                ("msg.tlv.ft_sess.recovery_time", "60000"),
            ],
        ),
        ldp(MessageBody::KeepAlive, &[("msg.type", "0x0201"), ("msg.len", "4")]),
        ldp(
            MessageBody::Address(address(addresses.clone())),
            &[
                ("msg.type", "0x0300"),
                ("msg.tlv.addrl.addr_family", "1"),
                ("msg.tlv.addrl.addr", "192.0.2.1,198.51.100.1"),
            ],
        ),
        ldp(MessageBody::AddressWithdraw(address(addresses)), &[("msg.type", "0x0301")]),
        ldp(
            MessageBody::Notification(Notification::new(status)),
            &[
                ("msg.type", "0x0001"),
                ("msg.tlv.status.ebit", "1"),
                ("msg.tlv.status.fbit", "0"),
                ("msg.tlv.status.data", "0x00000009"),
                ("msg.tlv.status.msg.id", "0x00000005"),
                ("msg.tlv.status.msg.type", "0x0400"),
            ],
        ),
    ];
    check("session", &cases);
}

/// Label messages with prefixes, and the attributes of loop detection and MTU.
#[test]
fn tshark_reads_our_label_messages() {
    let optional = vec![
        TlvValue::LabelRequestMessageId(6),
        TlvValue::HopCount(3),
        TlvValue::PathVector(vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]),
        TlvValue::Mtu(1496),
    ];
    let withdraw = |element| LabelWithdraw {
        fec: Fec::single(element),
        optional: vec![Tlv::new(TlvValue::GenericLabel(label(1234)))],
    };
    let labelled: &[(&str, &str)] = &[("msg.tlv.generic.label", "1234")];
    let cases = [
        ldp(
            mapping(v4_prefix(), optional),
            &[
                ("msg.type", "0x0400"),
                ("msg.tlv.fec.type", "2"),
                ("msg.tlv.fec.af", "1"),
                ("msg.tlv.fec.len", "16"),
                ("msg.tlv.generic.label", "1234"),
                ("msg.tlv.lbl_req_msg_id", "0x00000006"),
                ("msg.tlv.hc.value", "3"),
                ("msg.tlv.pv.lsrid", "192.0.2.1,192.0.2.2"),
            ],
        ),
        ldp(mapping(v6_prefix(), Vec::new()), &[("msg.tlv.fec.af", "2"), ("msg.tlv.fec.len", "32")]),
        ldp(
            MessageBody::LabelRequest(LabelRequest {
                fec: Fec::single(v4_prefix()),
                optional: vec![Tlv::new(TlvValue::HopCount(3))],
            }),
            &[("msg.type", "0x0401"), ("msg.tlv.fec.len", "16")],
        ),
        ldp(MessageBody::LabelWithdraw(withdraw(v4_prefix())), labelled),
        ldp(MessageBody::LabelRelease(withdraw(v6_prefix())), labelled),
        ldp(
            MessageBody::LabelAbortRequest(LabelAbortRequest {
                fec: Fec::single(v4_prefix()),
                request_id: 6,
                optional: Vec::new(),
            }),
            &[("msg.type", "0x0404"), ("msg.tlv.lbl_req_msg_id", "0x00000006")],
        ),
    ];
    check("label", &cases);
}

/// FEC 128 and 129, PW status, MAC withdrawal.
#[test]
fn tshark_reads_our_pseudowire_messages() {
    let parameters = vec![
        InterfaceParameter::Mtu(1500),
        InterfaceParameter::RequestedVlan(7),
        InterfaceParameter::Vccv(Vccv { cc_types: 1, cv_types: 2 }),
        InterfaceParameter::FlowLabel(FlowLabel::TRANSMIT | FlowLabel::RECEIVE),
    ];
    let pw = PwIdScope::One { pw_id: 100, parameters };
    let fec = PwId { control_word: true, pw_type: PwType::ETHERNET, group_id: 5, pw };
    let attachment = |octets: &[u8]| Attachment::new(AttachmentType::TYPE_1, octets).unwrap();
    let ends = PwEnds {
        agi: attachment(&[0, 1, 2, 3, 4, 5, 6, 7]),
        saii: attachment(&[0, 0, 0, 1]),
        taii: attachment(&[0, 0, 0, 2]),
    };
    let generalized = GeneralizedPwId { control_word: false, pw_type: PwType::ETHERNET_TAGGED, ends: Some(ends) };
    let status = PwStatus::AC_RECEIVE_FAULT | PwStatus::AC_TRANSMIT_FAULT;
    let macs = vec![Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];
    let fec_tlv = Tlv::new(TlvValue::Fec(Fec::single(FecElement::PwId(Box::new(fec.clone())))));
    let withdraw = Address::mac_withdraw(vec![fec_tlv, Tlv::new(TlvValue::MacList(macs))]);
    let cases = [
        ldp(
            mapping(FecElement::PwId(Box::new(fec.clone())), vec![TlvValue::PwStatus(status)]),
            &[
                ("msg.tlv.fec.pw.controlword", "1"),
                ("msg.tlv.fec.pw.pwtype", "0x0005"),
                ("msg.tlv.fec.pw.groupid", "5"),
                ("msg.tlv.fec.pw.pwid", "100"),
                ("msg.tlv.fec.vc.intparam.id", "0x01,0x06,0x0c,0x17"),
                ("msg.tlv.fec.vc.intparam.mtu", "1500"),
                ("msg.tlv.fec.vc.intparam.vlanid", "7"),
                ("msg.tlv.fec.vc.intparam.vccv.cctype_cw", "1"),
                ("msg.tlv.fec.vc.intparam.vccv.cvtype_lspping", "1"),
                ("msg.tlv.fec.vc.intparam.flowlabel.t", "1"),
                ("msg.tlv.fec.vc.intparam.flowlabel.r", "1"),
                ("msg.tlv.pwstatus.code", "0x00000006"),
                ("msg.tlv.pwstatus.code.pwnotforward", "0"),
                ("msg.tlv.pwstatus.code.pwlacingressrecvfault", "1"),
                ("msg.tlv.pwstatus.code.pwlacegresstransfault", "1"),
                ("msg.tlv.generic.label", "1234"),
            ],
        ),
        ldp(
            mapping(
                FecElement::GeneralizedPwId(Box::new(generalized)),
                vec![TlvValue::PwGroupId(5), TlvValue::PwInterfaceParameters(vec![InterfaceParameter::Mtu(1500)])],
            ),
            &[
                ("msg.tlv.fec.pw.controlword", "0"),
                ("msg.tlv.fec.pw.pwtype", "0x0004"),
                ("msg.tlv.fec.gen.agi.type", "1"),
                ("msg.tlv.fec.gen.agi.value", "0001020304050607"),
                ("msg.tlv.fec.gen.saii.value", "00000001"),
                ("msg.tlv.fec.gen.taii.value", "00000002"),
                ("msg.tlv.pwgrouping.value", "5"),
                ("msg.tlv.intparam.mtu", "1500"),
            ],
        ),
        ldp(
            MessageBody::Notification(Notification::pw_status(
                FecElement::PwId(Box::new(fec)),
                PwStatus::NOT_FORWARDING,
            )),
            &[
                ("msg.tlv.status.data", "0x00000028"),
                ("msg.tlv.pwstatus.code", "0x00000001"),
                ("msg.tlv.pwstatus.code.pwnotforward", "1"),
                ("msg.tlv.fec.pw.pwid", "100"),
            ],
        ),
        ldp(MessageBody::AddressWithdraw(withdraw), &[("msg.tlv.mac", "02:00:00:00:00:01,02:00:00:00:00:02")]),
    ];
    check("pw", &cases);
}

/// Multipoint LSPs. tshark knows P2MP FECs over IPv4, and upstream-assigned labels with their tunnels.
#[test]
fn tshark_reads_our_multipoint_messages() {
    let opaque = OpaqueValue::single(&OpaqueElement::GenericLspId(0x1234));
    let fec = MultipointFec { kind: MultipointKind::P2mp, root: Ipv4Addr::new(192, 0, 2, 9).into(), opaque };
    let cases = [ldp(
        mapping(FecElement::Multipoint(Box::new(fec)), Vec::new()),
        &[
            ("msg.tlv.fec.type", "6"),
            ("msg.tlv.fec.af", "1"),
            ("msg.tlv.fec.len", "4"),
            ("msg.tlv.ldp_p2mp.ipv4_rtnodeaddr", "192.0.2.9"),
            ("msg.tlv.ldp_p2mp.oplength", "7"),
            ("msg.tlv.ldp_p2mp.opvalue", "01000400001234"),
        ],
    )];
    check("mldp", &cases);
}

/// Frames to a LAN, as the forwarder writes them: the Ethertype of upstream-assigned labels, and the second label in the MAC address (RFC 5332
/// §4, §8). What tshark makes of the payload does not matter: it is an IPv4 packet.
#[test]
fn tshark_reads_our_multicast_frames_of_labelled_packets() {
    let mut interfaces = [InterfaceSlot::EMPTY; 3];
    let (mut vrfs, mut nhlfes, mut ilm) = ([VrfSlot::EMPTY; 2], [NhlfeSlot::EMPTY; 4], [IlmSlot::EMPTY; 64]);
    let memory = Memory {
        interfaces: &mut interfaces,
        vrfs: &mut vrfs,
        nhlfes: &mut nhlfes,
        ilm: &mut ilm,
        ..Memory::default()
    };
    let mut forwarder = Forwarder::new(memory, CounterMemory::default()).unwrap();
    let ours = Mac([2, 0, 0, 0, 0, 1]);
    let interface = Interface { vrf: VrfId::GLOBAL, mac: ours, mtu: 1500, mpls: true };
    for iface in [0, 1].map(IfIndex) {
        forwarder.apply(&FwdOp::SetInterface { iface, interface }).unwrap();
    }
    let stacks: [(&[u32], Assigned); 2] =
        [(&[0x12345, 0xabcde], Assigned::Upstream), (&[0x54321], Assigned::Downstream)];
    let mut cases = Vec::new();
    let expected: [&[(&str, &str)]; 2] = [
        &[
            ("eth.dst", "01:00:5e:8a:bc:de"),
            ("eth.type", "0x8848"),
            ("mpls.label", "74565,703710"),
            ("mpls.bottom", "0,1"),
            ("ip.dst", "192.0.2.3"),
        ],
        &[
            ("eth.dst", "01:00:5e:85:43:21"),
            ("eth.type", "0x8847"),
            ("mpls.label", "344865"),
            ("mpls.bottom", "1"),
            ("ip.dst", "192.0.2.3"),
        ],
    ];
    for ((labels, top), fields) in stacks.into_iter().zip(expected) {
        let push: Vec<Label> = labels.iter().map(|value| label(*value)).collect();
        let push = LabelStack::new(&push).unwrap();
        let nhlfe = Nhlfe { push, next: NextHop::Lan { iface: IfIndex(1), top }, model: TunnelModel::Uniform };
        forwarder.apply(&FwdOp::SetNhlfe { id: NhlfeId(0), nhlfe }).unwrap();
        let to_lan = Ilm { action: IlmAction::Forward(NhlfeId(0)), model: TunnelModel::Uniform };
        forwarder.apply(&FwdOp::SetIlm { label: label(40), ilm: to_lan }).unwrap();
        let packet = frame(Over::Udp(4000), 20_000, &[0; 20]).split_off(14);
        let arrived = [&ours.0[..], &[2, 0, 0, 0, 0, 2, 0x88, 0x47, 0, 2, 0x81, 64], &packet].concat();
        let mut buffer = [vec![0; Frame::HEADROOM], arrived.clone()].concat();
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, arrived.len()).unwrap();
        let verdict = forwarder.forward(&mut frame, IfIndex(0));
        assert_eq!(verdict, Verdict::Transmit { iface: IfIndex(1), class: 0 });
        cases.push(case(Over::Frame, frame.octets().to_vec(), "", fields));
    }
    check("lan", &cases);
}

/// BFD Control packets.
#[test]
fn tshark_reads_our_bfd_packets() {
    let packet = ControlPacket {
        diag: Diag::DETECTION_TIME_EXPIRED,
        state: State::Down,
        flags: ControlFlags::POLL,
        detect_mult: NonZeroU8::new(3).unwrap(),
        my_discriminator: NonZeroU32::new(0x11).unwrap(),
        your_discriminator: 0x22,
        desired_min_tx: 100_000,
        required_min_rx: 200_000,
        required_min_echo_rx: 0,
        auth: None,
    };
    let mut octets = Vec::new();
    packet.emit(&mut octets);
    let fields: &[(&str, &str)] = &[
        ("version", "1"),
        ("diag", "0x01"),
        ("sta", "0x01"),
        ("flags.p", "1"),
        ("flags.f", "0"),
        ("detect_time_multiplier", "3"),
        ("my_discriminator", "0x00000011"),
        ("your_discriminator", "0x00000022"),
        ("desired_min_tx_interval", "100000"),
        ("required_min_rx_interval", "200000"),
        ("required_min_echo_interval", "0"),
    ];
    check(
        "bfd",
        &[case(Over::Udp(3784), octets.clone(), "bfd.", fields), case(Over::Udp(4784), octets, "bfd.", fields)],
    );
}

/// RSVP-TE P2MP: Path with sub-LSPs and their ways.
#[test]
fn tshark_reads_our_rsvp_messages() {
    use rsvp_te::{ErrorCode, Message, MessageType, Object, P2mpSender, P2mpSession, Route, TokenBucket};
    let root = Ipv4Addr::new(192, 0, 2, 1);
    let session = P2mpSession { p2mp_id: 7, tunnel_id: 8, extended_tunnel_id: root };
    let sender = P2mpSender { sender: root, lsp_id: 9, sub_group_originator: root, sub_group_id: 1 };
    let (a, b) = (Ipv4Addr::new(192, 0, 2, 5), Ipv4Addr::new(192, 0, 2, 6));
    let hop = Object::Hop { address: root.into(), handle: 3 };
    let path = vec![
        Object::Session4(session),
        hop.clone(),
        Object::TimeValues(30_000),
        Object::ExplicitRoute(Route::strict(&[a])),
        Object::LabelRequest(0x0800),
        Object::SenderTemplate4(sender),
        Object::SenderTspec(TokenBucket::of_rate(1000.0)),
        Object::S2lSubLsp(a.into()),
        Object::S2lSubLsp(b.into()),
        Object::SecondaryExplicitRoute(Route::strict(&[b])),
    ];
    let resv = vec![
        Object::Session4(session),
        hop.clone(),
        Object::TimeValues(30_000),
        Object::SHARED_EXPLICIT,
        Object::FlowSpec(TokenBucket::of_rate(1000.0)),
        Object::FilterSpec4(sender),
        Object::Label(1234),
        Object::S2lSubLsp(a.into()),
    ];
    let error = vec![
        Object::Session4(session),
        Object::ErrorSpec { node: b.into(), flags: 0, code: ErrorCode::NO_ROUTE },
        Object::SenderTemplate4(sender),
        Object::SenderTspec(TokenBucket::of_rate(1000.0)),
    ];
    let message = |kind, objects, fields: &[(&str, &str)]| {
        let mut octets = Vec::new();
        Message::new(kind, objects).emit(&mut octets);
        case(Over::Ip(Message::PROTOCOL), octets, "rsvp.", fields)
    };
    let cases = [
        message(
            MessageType::PATH,
            path,
            &[
                ("msg", "1"),
                ("session.p2mp_id", "7"),
                ("session.tunnel_id", "8"),
                ("extended_tunnel", "192.0.2.1"),
                ("hop.neighbor_address_ipv4", "192.0.2.1"),
                ("hop.logical_interface", "3"),
                ("sender.lsp_id", "9"),
                ("s2l_sub_lsp.destination_ipv4_address", "192.0.2.5,192.0.2.6"),
            ],
        ),
        message(
            MessageType::RESV,
            resv,
            &[("msg", "2"), ("session.p2mp_id", "7"), ("s2l_sub_lsp.destination_ipv4_address", "192.0.2.5")],
        ),
        message(
            MessageType::PATH_ERR,
            error,
            &[("msg", "3"), ("error.error_node_ipv4", "192.0.2.6"), ("error.error_code", "24"), ("error_value", "5")],
        ),
        message(
            MessageType::PATH_TEAR,
            vec![Object::Session4(session), hop, Object::SenderTemplate4(sender)],
            &[("msg", "5"), ("session.p2mp_id", "7")],
        ),
    ];
    check("rsvp", &cases);
}
