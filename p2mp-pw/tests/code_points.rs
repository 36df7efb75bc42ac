//! Every code point of LDP that the catalogue lists, written out from the RFCs' figures.

use p2mp_pw::ldp::fec::*;
use p2mp_pw::ldp::message::{
    Address, CapabilityMessage, IccTlv, IccTlvType, IccpStatus, LabelMapping, LabelTlv, Message, MessageBody,
    Notification, RgKind, RgMessage,
};
use p2mp_pw::ldp::*;
use smallvec::smallvec;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

/// A TLV inside a Capability message, which takes any, is these octets in both directions.
#[track_caller]
fn tlv(value: TlvValue, expected: &str) {
    let expected = expected.replace(' ', "");
    let message =
        Message { id: 1, body: MessageBody::Capability(CapabilityMessage { optional: vec![Tlv::new(value)] }) };
    let mut out = Vec::new();
    Pdu::emit(LdpId::platform([192, 0, 2, 1].into()), std::slice::from_ref(&message), &mut out);
    assert_eq!(hex(&out[18..]), expected);
    let read = Pdu::parse(&out).unwrap().messages().next().unwrap().unwrap().parse();
    assert_eq!(read, Ok(message));
}

/// A FEC element is these octets in both directions.
#[track_caller]
fn element(value: FecElement, expected: &str) {
    let fec = Fec::single(value);
    let mut out = Vec::new();
    fec.emit(&mut out);
    assert_eq!(hex(&out), expected.replace(' ', ""));
    assert_eq!(Fec::parse(&out), Ok(fec));
}

fn lsp(kind: MultipointKind) -> FecElement {
    let opaque = OpaqueValue::single(&OpaqueElement::GenericLspId(7));
    FecElement::Multipoint(Box::new(MultipointFec { kind, root: [192, 0, 2, 1].into(), opaque }))
}

fn label(n: u32) -> fwd_core::net::Label {
    fwd_core::net::Label::new(n).unwrap()
}

/// Shows: L2VPN-5.1-9, L2VPN-5.1-10, L2VPN-5.1-11, L2VPN-5.1-12, L2VPN-5.1-13, L2VPN-5.1-22, L2VPN-5.1-23
#[test]
fn tlvs_of_messages() {
    tlv(TlvValue::HopCount(3), "0103 0001 03");
    tlv(TlvValue::PathVector(vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]), "0104 0008 c0000201 c0000202");
    tlv(TlvValue::GenericLabel(label(0xabcde)), "0200 0004 000abcde");
    tlv(TlvValue::UpstreamLabel(label(16)), "0204 0008 00000000 00000010");
    tlv(TlvValue::UpstreamLabelRequest, "0205 0004 00000000");
    let refused =
        Status { code: StatusCode::UNKNOWN_TLV, message_id: 9, message_type: message::MessageType::LABEL_MAPPING };
    tlv(TlvValue::Status(refused), "0300 000a 00000006 00000009 0400");
    tlv(TlvValue::ExtendedStatus(StatusCode::SHUTDOWN), "0301 0004 8000000a");
    tlv(TlvValue::ReturnedPdu(smallvec![0, 1]), "0302 0002 0001");
    tlv(TlvValue::ReturnedMessage(smallvec![4, 0]), "0303 0002 0400");
    tlv(TlvValue::ReturnedTlvs(smallvec![5, 8]), "8304 0002 0508");
    tlv(TlvValue::TransportAddress([192, 0, 2, 1].into()), "0401 0004 c0000201");
    tlv(TlvValue::ConfigurationSequence(5), "0402 0004 00000005");
    tlv(TlvValue::TransportAddress(std::net::Ipv6Addr::LOCALHOST.into()), "0403 0010 00000000000000000000000000000001");
    let auth = HelloAuth { sa: 7, sequence: 0x1_0000_0005, data: smallvec![0xab, 0xcd] };
    tlv(TlvValue::HelloAuth(Box::new(auth)), "0405 000e 00000007 0000000100000005 abcd");
    tlv(TlvValue::LabelRequestMessageId(77), "0600 0004 0000004d");
    tlv(TlvValue::Mtu(1500), "c601 0002 05dc");
}

/// Shows: L2VPN-5.1-14, L2VPN-5.1-15, L2VPN-5.1-28
#[test]
fn tlvs_of_pseudowires() {
    tlv(TlvValue::MacList(vec![fwd_core::net::Mac([2, 0, 0, 0, 0, 1])]), "8404 0006 020000000001");
    let flush = MacFlush { flags: MacFlags::NEGATIVE, sub_tlvs: smallvec![] };
    tlv(TlvValue::MacFlush(Box::new(flush)), "c406 0001 40");
    let isid = MacSubTlv { kind: MacSubTlvType::PBB_ISID_LIST, value: smallvec![0, 1, 0] };
    let bmac = MacSubTlv { kind: MacSubTlvType::PBB_BMAC_LIST, value: smallvec![2, 0, 0, 0, 0, 9] };
    let flush = MacFlush { flags: MacFlags::I_COMPONENT, sub_tlvs: smallvec![bmac, isid] };
    tlv(TlvValue::MacFlush(Box::new(flush)), "c406 0012 80 0407 0006 020000000009 0408 0003 000100");
    let status = PwStatus::AC_RECEIVE_FAULT | PwStatus::STANDBY;
    tlv(TlvValue::PwStatus(status), "896a 0004 00000022");
    tlv(TlvValue::PwInterfaceParameters(vec![InterfaceParameter::Mtu(1500)]), "096b 0004 010405dc");
    tlv(TlvValue::PwGroupId(3), "096c 0004 00000003");
}

/// Shows: L2VPN-5.1-16, L2VPN-5.1-17, L2VPN-5.1-18, L2VPN-5.1-19, L2VPN-5.1-20, L2VPN-5.1-21, L2VPN-5.1-24
/// Shows: L2VPN-5.1-25, L2VPN-5.1-27, L2VPN-5.1-5, P2MP-BC-2
#[test]
fn capabilities() {
    let ft = FaultTolerance { flags: FtFlags::LEARN, reconnect_timeout_ms: 120_000, recovery_time_ms: 0 };
    tlv(TlvValue::FtSession(ft), "8503 000c 0001 0000 0001d4c0 00000000");
    for (code, expected) in [
        (TlvType::DYNAMIC_CAPABILITY, "8506"),
        (TlvType::UPSTREAM_LABEL_CAPABILITY, "8507"),
        (TlvType::P2MP_CAPABILITY, "8508"),
        (TlvType::MP2MP_CAPABILITY, "8509"),
        (TlvType::MBB_CAPABILITY, "850a"),
        (TlvType::TYPED_WILDCARD_CAPABILITY, "850b"),
        (TlvType::UNRECOGNIZED_NOTIFICATION, "8603"),
        (TlvType::HSMP_CAPABILITY, "8902"),
    ] {
        tlv(TlvValue::Capability(code, Capability::advertised()), &format!("{expected} 0001 80"));
    }
    let sac = Capability { advertised: true, data: smallvec![0x80, 0x01] };
    tlv(TlvValue::Capability(TlvType::STATE_ADVERTISEMENT_CONTROL, sac), "850d 0003 80 8001");
    let p2mp_pw = |advertised| Capability { advertised, data: smallvec![0] };
    tlv(TlvValue::Capability(TlvType::P2MP_PW_CAPABILITY, p2mp_pw(true)), "8703 0002 8000");
    tlv(TlvValue::Capability(TlvType::P2MP_PW_CAPABILITY, p2mp_pw(false)), "8703 0002 0000");
    let iccp = Capability { advertised: true, data: smallvec![0, 0, 1] };
    tlv(TlvValue::Capability(TlvType::ICCP_CAPABILITY, iccp), "8700 0004 80000001");
    tlv(TlvValue::DualStack(DualStack { preference: TransportPreference::IPV6 }), "8701 0004 60000000");
}

/// Shows: L2VPN-5.1-26, L2VPN-5.1-30
#[test]
fn tlvs_of_multipoint_lsps() {
    let tunnel = InterfaceIdTlv { kind: TunnelTlvType::IP_MULTICAST, value: smallvec![192, 0, 2, 1, 232, 0, 0, 1] };
    let id = InterfaceId { hop: [0, 0, 0, 0].into(), logical: 0, tunnels: smallvec![tunnel] };
    tlv(TlvValue::InterfaceId(Box::new(id)), "082d 0014 00000000 00000000 001e 000c c0000201 e8000001");
    let hop = std::net::Ipv6Addr::UNSPECIFIED.into();
    let context = InterfaceIdTlv { kind: TunnelTlvType::CONTEXT_LABEL, value: smallvec![0; 20] };
    let id = InterfaceId { hop, logical: 0, tunnels: smallvec![context] };
    tlv(TlvValue::InterfaceId(Box::new(id)), &format!("082e 002c {} 001f 0018 {}", "00".repeat(20), "00".repeat(20)));
    tlv(TlvValue::MpStatus(smallvec![MpStatus::Mbb(MbbStatus::REQUEST)]), "896f 0004 01000101");
    tlv(TlvValue::MpStatus(smallvec![MpStatus::Mbb(MbbStatus::ACK)]), "896f 0004 01000102");
}

/// Shows: L2VPN-5.1-32, L2VPN-5.1-33, L2VPN-5.1-34, L2VPN-5.1-40
#[test]
fn elements_of_lsps_and_wildcards() {
    element(FecElement::Wildcard, "01");
    let prefix = PrefixFec::Ip(fwd_core::net::IpPrefix::V4("192.0.2.0/24".parse().unwrap()));
    element(FecElement::Prefix(prefix), "02 0001 18 c00002");
    let lsp_octets = "0001 04 c0000201 0007 01 0004 00000007";
    element(lsp(MultipointKind::P2mp), &format!("06 {lsp_octets}"));
    element(lsp(MultipointKind::Mp2mpUp), &format!("07 {lsp_octets}"));
    element(lsp(MultipointKind::Mp2mpDown), &format!("08 {lsp_octets}"));
    element(lsp(MultipointKind::HsmpUp), &format!("09 {lsp_octets}"));
    element(lsp(MultipointKind::HsmpDown), &format!("0a {lsp_octets}"));
    let wildcard = |fec_type, scope| FecElement::TypedWildcard(TypedWildcard { fec_type, scope });
    element(wildcard(FecType::PREFIX, WildcardScope::Family(AddressFamily::IPV6)), "05 02 02 0002");
    element(wildcard(FecType::P2MP, WildcardScope::Family(AddressFamily::IPV4)), "05 06 02 0001");
    element(wildcard(FecType::PW_ID, WildcardScope::PwType(PwType::ETHERNET)), "05 80 02 0005");
    element(wildcard(FecType::GENERALIZED_PW_ID, WildcardScope::PwType(PwType::WILDCARD)), "05 81 02 7fff");
    let mldp = WildcardScope::P2mpPw(PwType::WILDCARD, PmsiTunnelType::MLDP_P2MP);
    element(wildcard(FecType::P2MP_PW_UPSTREAM, mldp), "05 82 03 7fff 02");
    let any = WildcardScope::P2mpPw(PwType::WILDCARD, PmsiTunnelType::WILDCARD);
    element(wildcard(FecType::P2P_PW_DOWNSTREAM, any), "05 84 03 7fff ff");
}

/// Shows: L2VPN-5.1-35, L2VPN-5.1-36, L2VPN-5.1-37, L2VPN-5.1-39, L2VPN-5.1-41, L2VPN-5.1-42
#[test]
fn elements_of_pseudowires() {
    let one = PwIdScope::One { pw_id: 100, parameters: vec![] };
    let pw = PwId { control_word: true, pw_type: PwType::ETHERNET_TAGGED, group_id: 1, pw: one };
    element(FecElement::PwId(Box::new(pw)), "80 8004 04 00000001 00000064");
    let (agi, saii) = (Attachment::group([0, 0, 0xfd, 0xe8, 0, 0, 0, 1]), Attachment::individual(0xc000_0201));
    let ends = PwEnds { agi: agi.clone(), saii, taii: Attachment::individual(0xc000_0202) };
    let pw = GeneralizedPwId { control_word: false, pw_type: PwType::ETHERNET, ends: Some(ends) };
    let expected = "81 0005 16 0108 0000fde800000001 0104 c0000201 0104 c0000202";
    element(FecElement::GeneralizedPwId(Box::new(pw)), expected);
    let root = (agi, Attachment::aggregatable(65_000, [192, 0, 2, 1].into(), 5));
    let tunnel = PmsiTunnel::RsvpTeP2mp { extended_tunnel_id: [192, 0, 2, 1].into(), tunnel_id: 2, p2mp_id: 3 };
    let up = P2mpPw::new(false, PwType::ETHERNET, root.clone(), Some(tunnel), vec![]).unwrap();
    let root_octets = "0108 0000fde800000001 020c 0000fde8 c0000201 00000005";
    let expected = format!("82 0005 26 {root_octets} 010c c0000201 0000 0002 00000003");
    element(FecElement::P2mpPwUpstream(Box::new(up)), &expected);
    let down = P2mpPw::new(true, PwType::ETHERNET, root, None, vec![]).unwrap();
    element(FecElement::P2pPwDownstream(Box::new(down)), &format!("84 8005 18 {root_octets}"));
}

/// Shows: L2VPN-5.1-43, P2MP-BC-3
#[test]
fn interface_parameters() {
    let unknown = |n, value: &[u8]| InterfaceParameter::Unknown(InterfaceParameterType(n), value.into());
    let tree = SelectiveTree { source: None, group: Some([232, 1, 1, 1].into()) };
    for (parameter, expected) in [
        (InterfaceParameter::Mtu(9000), "01042328"),
        (unknown(3, b"ge1"), "0305676531"),
        (InterfaceParameter::RequestedVlan(10), "0604000a"),
        (InterfaceParameter::Fragmentation, "0902"),
        (InterfaceParameter::FcsRetention(4), "0a040004"),
        (InterfaceParameter::Vccv(Vccv { cc_types: 1, cv_types: 2 }), "0c040102"),
        (InterfaceParameter::FlowLabel(FlowLabel::TRANSMIT | FlowLabel::RECEIVE), "1704c000"),
        (unknown(0x18, &[0, 0]), "18040000"),
        (unknown(0x19, &[1, 2]), "19040102"),
        (unknown(0x1a, &[0, 0]), "1a040000"),
        (InterfaceParameter::SelectiveTree(tree), "1b080004e8010101"),
    ] {
        let mut out = Vec::new();
        parameter.emit(&mut out);
        assert_eq!(hex(&out), expected);
        assert_eq!(InterfaceParameter::take(&out).unwrap(), (&[][..], parameter));
    }
}

/// Shows: L2VPN-5.1-44
#[test]
fn status_bits() {
    let bits = [
        PwStatus::NOT_FORWARDING,
        PwStatus::AC_RECEIVE_FAULT,
        PwStatus::AC_TRANSMIT_FAULT,
        PwStatus::PSN_RECEIVE_FAULT,
        PwStatus::PSN_TRANSMIT_FAULT,
        PwStatus::STANDBY,
        PwStatus::REQUEST_SWITCHOVER,
    ];
    assert_eq!(bits.map(|b| b.bits()), [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40]);
    assert!((PwStatus::STANDBY | PwStatus::REQUEST_SWITCHOVER).is_up());
    assert!(bits[..5].iter().all(|fault| !fault.is_up()));
}

/// The messages of pseudowires and multipoint LSPs, whole.
#[test]
fn notifications_and_mappings() {
    let pw = PwId { control_word: false, pw_type: PwType::ETHERNET, group_id: 8, pw: PwIdScope::Group };
    let down = Notification::pw_status(FecElement::PwId(Box::new(pw)), PwStatus::NOT_FORWARDING);
    let mut out = Vec::new();
    Message { id: 2, body: MessageBody::Notification(down) }.emit(&mut out);
    let expected = "0001 0026 00000002 0300000a 00000028 00000000 0000 896a0004 00000001 01000008 80 0005 00 00000008";
    assert_eq!(hex(&out), expected.replace(' ', ""));
    let mapping = LabelMapping {
        fec: Fec::single(lsp(MultipointKind::P2mp)),
        label: LabelTlv::Generic(label(99)),
        optional: vec![Tlv::new(TlvValue::MpStatus(smallvec![MpStatus::Mbb(MbbStatus::REQUEST)]))],
    };
    let mut out = Vec::new();
    Message { id: 3, body: MessageBody::LabelMapping(mapping) }.emit(&mut out);
    let fec = "01000011 06 0001 04 c0000201 0007 01 0004 00000007";
    let expected = format!("0400 0029 00000003 {fec} 02000004 00000063 896f0004 01000101");
    assert_eq!(hex(&out), expected.replace(' ', ""));
    let flush = Address::mac_withdraw(vec![Tlv::new(TlvValue::MacList(vec![]))]);
    let mut out = Vec::new();
    Message { id: 4, body: MessageBody::AddressWithdraw(flush) }.emit(&mut out);
    assert_eq!(hex(&out), "0301 000e 00000004 01010002 0001 84040000".replace(' ', ""));
}

/// A message of the inter-chassis protocol is these octets in both directions.
#[track_caller]
fn rg(kind: RgKind, rg_id: u32, parameters: Vec<IccTlv>, expected: &str) {
    let message = Message { id: 5, body: MessageBody::Rg(RgMessage { kind, rg_id, parameters }) };
    let mut out = Vec::new();
    Pdu::emit(LdpId::platform([192, 0, 2, 1].into()), std::slice::from_ref(&message), &mut out);
    assert_eq!(hex(&out[10..]), expected.replace(' ', ""));
    let read = Pdu::parse(&out).unwrap().messages().next().unwrap().unwrap().parse();
    assert_eq!(read, Ok(message));
}

/// The figures of RFC 7275 §6: header with the group, sender's name, reason, NAK with what it rejects, version, data of an application.
///
/// Shows: L2VPN-5.1-8
#[test]
fn messages_of_redundancy_groups() {
    let name = || IccTlv::SenderName(smallvec![b'p', b'e', b'1']);
    let connect = IccTlv::Other(TlvFlags::empty(), IccTlvType::from_low_bits(0x0010), smallvec![0, 1, 0, 0]);
    let header = "0005 0004 00000009";
    rg(
        RgKind::Connect,
        9,
        vec![name(), connect],
        &format!("0700 001b 00000005 {header} 0001 0003 706531 0010 0004 00010000"),
    );
    let reason = IccTlv::DisconnectCode(IccpStatus::RG_REMOVED);
    rg(RgKind::Disconnect, 9, vec![reason], &format!("0701 0014 00000005 {header} 0004 0004 00010010"));
    let tlvs: Octets = smallvec![0, 3, 0, 4, 0, 0x10, 0, 1];
    let version = IccTlv::RequestedVersion { connection: 0x0010, version: 1 };
    assert_eq!(IccTlv::parse_all(&tlvs), Ok(vec![version]));
    let nak = IccTlv::Nak { status: IccpStatus::INCOMPATIBLE_VERSION, message_id: 77, tlvs };
    let expected = format!("0702 0027 00000005 {header} 0001 0003 706531 0002 0010 00010005 0000004d 0003000400100001");
    rg(RgKind::Notification, 9, vec![name(), nak], &expected);
    let data = IccTlv::Other(TlvFlags::UNKNOWN, IccTlvType::from_low_bits(0x0014), smallvec![1, 2]);
    rg(RgKind::ApplicationData, 9, vec![data], &format!("0703 0012 00000005 {header} 8014 0002 0102"));
}

/// What is missing of an RG message, or too long.
#[test]
fn rg_messages_that_are_wrong() {
    let id = LdpId::platform([192, 0, 2, 1].into());
    let status = |kind, parameters: &[u8]| {
        let body = MessageBody::Unknown(kind, parameters.into());
        let mut out = Vec::new();
        Pdu::emit(id, &[Message { id: 5, body }], &mut out);
        let read = Pdu::parse(&out).unwrap().messages().next().unwrap().unwrap().parse();
        StatusCode::of_malformed(&read.unwrap_err())
    };
    let group = [0, 5, 0, 4, 0, 0, 0, 9];
    let connect = message::MessageType::RG_CONNECT;
    assert_eq!(status(connect, &group), StatusCode::MISSING_MESSAGE_PARAMETERS);
    assert_eq!(status(message::MessageType::RG_DISCONNECT, &group), StatusCode::MISSING_MESSAGE_PARAMETERS);
    assert_eq!(status(connect, &[0, 1, 0, 1, 65]), StatusCode::MISSING_MESSAGE_PARAMETERS, "no group");
    assert_eq!(status(connect, &[&group[..], &[0, 1, 0, 81], &[65; 81]].concat()), StatusCode::MALFORMED_TLV_VALUE);
}

/// The figures of RFC 8104 §6.1 and §6.4.
///
/// Shows: L2VPN-5.1-31, L2VPN-5.1-38
#[test]
fn egress_protection() {
    let capability = Capability { advertised: true, data: smallvec![192, 0, 2, 1, 192, 0, 2, 9] };
    tlv(TlvValue::Capability(TlvType::EGRESS_PROTECTION_CAPABILITY, capability), "8974 0009 80 c0000201 c0000209");
    let protected = |fec| FecElement::Protection(Box::new(fec));
    let (control_word, pw_type) = (true, PwType::ETHERNET);
    let (ingress, egress) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let id = || ProtectedName::Id { group_id: 3, pw_id: 100 };
    let agi = Attachment::group([0, 0, 0xfd, 0xe8, 0, 0, 0, 1]);
    let (saii, taii) = (Attachment::individual(0xc000_0201), Attachment::individual(0xc000_0202));
    let ends = || ProtectedName::Ends(PwEnds { agi: agi.clone(), saii: saii.clone(), taii: taii.clone() });
    let ends_octets = "0108 0000fde800000001 0104 c0000201 0104 c0000202";
    let v4 = ProtectedPw { ingress, egress, control_word, pw_type, name: id() };
    element(protected(ProtectionFec::Ipv4(v4.clone())), "83 00 01 14 c0000201 c0000202 00000003 00000064 8005 0000");
    let expected = format!("83 00 02 22 c0000201 c0000202 8005 0000 {ends_octets}");
    element(protected(ProtectionFec::Ipv4(ProtectedPw { name: ends(), ..v4 })), &expected);
    let (ingress, egress): (std::net::Ipv6Addr, std::net::Ipv6Addr) =
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
    let addresses = "20010db8000000000000000000000001 20010db8000000000000000000000002";
    let v6 = ProtectedPw { ingress, egress, control_word: false, pw_type, name: id() };
    let expected = format!("83 00 03 2c {addresses} 00000003 00000064 0005 0000");
    element(protected(ProtectionFec::Ipv6(v6.clone())), &expected);
    let expected = format!("83 00 04 3a {addresses} 0005 0000 {ends_octets}");
    element(protected(ProtectionFec::Ipv6(ProtectedPw { name: ends(), ..v6 })), &expected);
    element(protected(ProtectionFec::Unknown(ProtectionEncoding(9), smallvec![1, 2])), "83 00 09 02 0102");
    // A router without egress protection refuses the element, and knows where the next begins.
    let fec = Fec::parse(&[0x83, 0, 9, 1, 7, 1]).unwrap();
    assert_eq!((fec.0[0].refused(), &fec.0[1]), (Some(StatusCode::UNKNOWN_FEC), &FecElement::Wildcard));
}

/// An opaque value of one element is these octets in both directions.
#[track_caller]
fn opaque(value: OpaqueElement, expected: &str) {
    let octets = OpaqueValue::single(&value);
    let mut out = Vec::new();
    value.emit(&mut out);
    assert_eq!(hex(&out), expected.replace(' ', ""));
    assert_eq!(OpaqueValue::parse(&out), Ok(octets.clone()));
    assert_eq!(octets.elements().collect::<Vec<_>>(), [Ok(value)]);
}

/// Shows: L3VPN-8.10-6, L3VPN-8.10-7, L3VPN-8.10-8, L3VPN-8.10-9, L3VPN-8.10-10
#[test]
fn opaque_values() {
    opaque(OpaqueElement::GenericLspId(7), "01 0004 00000007");
    opaque(OpaqueElement::Extended(0x1234, smallvec![1, 2]), "ff 1234 0002 0102");
    let (source, group) = ([192, 0, 2, 1].into(), [232, 1, 1, 1].into());
    let (source6, group6) = ("2001:db8::1".parse().unwrap(), "ff3e::1".parse().unwrap());
    let (s6, g6) = ("20010db8000000000000000000000001", "ff3e0000000000000000000000000001");
    opaque(OpaqueElement::TransitSource { source, group, rd: None }, "03 0008 c0000201 e8010101");
    let v6 = OpaqueElement::TransitSource { source: source6, group: group6, rd: None };
    opaque(v6, &format!("04 0020 {s6} {g6}"));
    let bidir = |rp, group, rd| OpaqueElement::TransitBidir { mask_len: 24, rp, group, rd };
    opaque(bidir(source, group, None), "05 0009 18 c0000201 e8010101");
    opaque(bidir(source6, group6, None), &format!("06 0021 18 {s6} {g6}"));
    let fec = "06 0001 04 c0000201 0007 01 0004 00000007".replace(' ', "");
    let octets: Octets = (0..fec.len()).step_by(2).map(|i| u8::from_str_radix(&fec[i..i + 2], 16).unwrap()).collect();
    opaque(OpaqueElement::Recursive { rd: None, fec: octets.clone() }, &format!("07 0011 {fec}"));
    let (rd, rd_octets) = (Some([0, 1, 192, 0, 2, 1, 0, 9]), "0001c00002010009");
    opaque(OpaqueElement::Recursive { rd, fec: octets }, &format!("08 0019 {rd_octets} {fec}"));
    opaque(bidir(source, group, rd), &format!("09 0011 18 c0000201 e8010101 {rd_octets}"));
    opaque(bidir(source6, group6, rd), &format!("0a 0029 18 {s6} {g6} {rd_octets}"));
    let in_vpn = OpaqueElement::TransitSource { source, group, rd };
    opaque(in_vpn, &format!("fa 0010 c0000201 e8010101 {rd_octets}"));
    let in_vpn = OpaqueElement::TransitSource { source: source6, group: group6, rd };
    opaque(in_vpn, &format!("fb 0028 {s6} {g6} {rd_octets}"));
    opaque(OpaqueElement::TransitShared { rp: source, group }, "0b 0008 c0000201 e8010101");
    let shared = OpaqueElement::TransitShared { rp: source6, group: group6 };
    opaque(shared, &format!("0c 0020 {s6} {g6}"));
    opaque(OpaqueElement::L2vpnMcast(9), "0d 0004 00000009");
    // A length that the type does not allow is a fault of the element, though nodes between root and leaves pass it on.
    let short = OpaqueValue::parse(&[11, 0, 7, 192, 0, 2, 1, 232, 1, 1]).unwrap();
    assert!(short.elements().next().unwrap().is_err());
}

/// The messages by their types, whole, with what RFC 5036 §3.5 has each carry.
///
/// Shows: L3VPN-8.10-1, L3VPN-8.10-2, L3VPN-8.10-3, L3VPN-8.10-4, L3VPN-8.10-5
#[test]
fn messages_by_type() {
    use p2mp_pw::ldp::message::MessageBody as Body;
    let octets = |hex: &str| -> Vec<u8> {
        let hex = hex.replace(' ', "");
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    };
    let fec = "0100 0011 06 0001 04 c0000201 0007 01 0004 00000007";
    let init_tail = "0500 000e 0001 00b4 00 00 1000 c0000202 0000 8508 0001 80 8509 0001 80 850a 0001 80";
    let up = "0100 0011 07 0001 04 c0000201 0007 01 0004 00000007";
    let down = "0100 0011 08 0001 04 c0000201 0007 01 0004 00000007";
    let mp_status = format!("0001 002f 00000001 0300 000a 00000040 00000000 0000 {fec} 896f 0004 01000102");
    type Is = fn(&Body) -> bool;
    let messages: [(String, Is); 14] = [
        (
            "0001 0012 00000001 0300 000a 0000000b 00000009 0400".into(),
            |b| matches!(b, Body::Notification(n) if n.status.code == StatusCode::LOOP_DETECTED),
        ),
        (mp_status, |b| {
            let acks = |tlv: &Tlv| tlv.value == TlvValue::MpStatus(smallvec![MpStatus::Mbb(MbbStatus::ACK)]);
            matches!(b, Body::Notification(n)
                if n.status.code == StatusCode::LDP_MP_STATUS && n.optional.iter().any(acks) && n.fec().is_some())
        }),
        ("0100 0014 00000001 0400 0004 000f 0000 0401 0004 c0000201".into(), |b| matches!(b, Body::Hello(_))),
        (format!("0200 0025 00000001 {init_tail}"), |b| {
            let has = |tlvs: &[Tlv], code| {
                tlvs.iter().any(|tlv| tlv.value == TlvValue::Capability(code, Capability::advertised()))
            };
            let codes = [TlvType::P2MP_CAPABILITY, TlvType::MP2MP_CAPABILITY, TlvType::MBB_CAPABILITY];
            matches!(b, Body::Initialization(i) if codes.iter().all(|code| has(&i.optional, *code)))
        }),
        ("0201 0004 00000001".into(), |b| *b == Body::KeepAlive),
        ("0300 000e 00000001 0101 0006 0001 c0000201".into(), |b| matches!(b, Body::Address(_))),
        ("0301 000e 00000001 0101 0006 0001 c0000201".into(), |b| matches!(b, Body::AddressWithdraw(_))),
        (format!("0400 0021 00000001 {fec} 0200 0004 00000063"), |b| kind_of(b, true) == Some(MultipointKind::P2mp)),
        (format!("0400 0021 00000001 {up} 0200 0004 00000063"), |b| kind_of(b, true) == Some(MultipointKind::Mp2mpUp)),
        (format!("0400 0021 00000001 {down} 0200 0004 00000063"), |b| {
            kind_of(b, true) == Some(MultipointKind::Mp2mpDown)
        }),
        (format!("0401 0019 00000001 {fec}"), |b| matches!(b, Body::LabelRequest(_))),
        (format!("0402 0021 00000001 {fec} 0200 0004 00000063"), |b| matches!(b, Body::LabelWithdraw(_))),
        (format!("0403 0021 00000001 {fec} 0200 0004 00000063"), |b| matches!(b, Body::LabelRelease(_))),
        (
            format!("0404 0021 00000001 {fec} 0600 0004 00000009"),
            |b| matches!(b, Body::LabelAbortRequest(a) if a.request_id == 9),
        ),
    ];
    for (expected, is) in messages {
        let expected = octets(&expected);
        let header = [&[0, 1][..], &(expected.len() as u16 + 6).to_be_bytes(), &[192, 0, 2, 1, 0, 0]].concat();
        let pdu = [header, expected.clone()].concat();
        let message = Pdu::parse(&pdu).unwrap().messages().next().unwrap().unwrap().parse().unwrap();
        assert!(is(&message.body), "{message:?}");
        let mut out = Vec::new();
        message.emit(&mut out);
        assert_eq!(hex(&out), hex(&expected), "{message:?}");
    }
}

fn kind_of(body: &MessageBody, mapping: bool) -> Option<MultipointKind> {
    match body {
        MessageBody::LabelMapping(m) if mapping => match m.fec.only()? {
            FecElement::Multipoint(fec) => Some(fec.kind),
            _ => None,
        },
        _ => None,
    }
}
