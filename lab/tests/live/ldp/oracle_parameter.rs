//! LDP and BFD read by tshark, further: every TLV and interface parameter that it knows and `oracle.rs` does not have.

use std::net::Ipv4Addr;
use std::num::{NonZeroU8, NonZeroU32};

use p2mp_pw::bfd::{AuthSection, ControlFlags, ControlPacket, Diag, State};
use p2mp_pw::ldp::fec::*;
use p2mp_pw::ldp::message::*;
use p2mp_pw::ldp::*;

use super::oracle::{Case, Over, case, check, label, ldp, mapping, v4_prefix, v6_prefix};

fn notification(code: StatusCode, optional: Vec<TlvValue>) -> MessageBody {
    let optional = optional.into_iter().map(Tlv::new).collect();
    MessageBody::Notification(Notification { status: Status::new(code), optional })
}

/// RFC 5036 §3.5.1: what a Notification gives back; RFC 3479 §8.2: the flags of fault tolerance.
#[test]
fn tshark_reads_our_notifications_and_session_flags() {
    let keepalive = [0x02, 0x01, 0, 4, 0, 0, 0, 5];
    let pdu = [&[0, 1, 0, 14, 192, 0, 2, 2, 0, 0][..], &keepalive].concat();
    let ft = |flags| {
        let restart = FaultTolerance { flags, reconnect_timeout_ms: 1, recovery_time_ms: 2 };
        MessageBody::Initialization(Initialization {
            version: 1,
            keepalive_time: 180,
            flags: SessionFlags::empty(),
            path_vector_limit: 0,
            max_pdu_length: 4096,
            receiver: LdpId::platform([192, 0, 2, 2].into()),
            optional: vec![Tlv::new(TlvValue::FtSession(restart))],
        })
    };
    let flag = |name: &'static str, value: &'static str| (name, value);
    let flags = |set: &str, word: &'static str| {
        let names = ["r", "s", "a", "c", "l"];
        let mut fields = vec![flag("msg.tlv.ft_sess.flags", word), flag("msg.tlv.sess.advbit", "0")];
        for (name, full) in names.iter().zip([
            "msg.tlv.ft_sess.flag_r",
            "msg.tlv.ft_sess.flag_s",
            "msg.tlv.ft_sess.flag_a",
            "msg.tlv.ft_sess.flag_c",
            "msg.tlv.ft_sess.flag_l",
        ]) {
            fields.push(flag(full, if set.contains(name) { "1" } else { "0" }));
        }
        fields
    };
    let cases = [
        ldp(
            notification(
                StatusCode::UNKNOWN_MESSAGE_TYPE,
                vec![
                    TlvValue::ExtendedStatus(StatusCode(0x0102)),
                    TlvValue::ReturnedPdu(Octets::from_slice(&pdu)),
                    TlvValue::ReturnedMessage(Octets::from_slice(&keepalive)),
                ],
            ),
            &[
                ("msg.ubit", "0"),
                ("msg.tlv.status.data", "0x00000004"),
                ("msg.tlv.extstatus.data", "0x00000102"),
                ("msg.tlv.returned.version", "1"),
                ("msg.tlv.returned.pdu_len", "14"),
                ("msg.tlv.returned.ldpid.lsr", "192.0.2.2"),
                ("msg.tlv.returned.ldpid.lsid", "0x0000"),
                ("msg.tlv.returned.msg.ubit", "0"),
                ("msg.tlv.returned.msg.type", "0x0201"),
                ("msg.tlv.returned.msg.len", "4"),
                ("msg.tlv.returned.msg.id", "0x00000005"),
            ],
        ),
        ldp(ft(FtFlags::RECONNECT | FtFlags::ALL_LABEL), &flags("ra", "0x8004")),
        ldp(ft(FtFlags::SAVE_STATE | FtFlags::CHECKPOINT), &flags("sc", "0x000a")),
        ldp(ft(FtFlags::LEARN), &flags("l", "0x0001")),
    ];
    check("notification", &cases);
}

/// RFC 5036 §3.4.1: the octets of prefixes; RFC 5036 §3.1: lengths.
#[test]
fn tshark_reads_our_prefixes() {
    let wildcard = LabelWithdraw { fec: Fec::single(FecElement::Wildcard), optional: Vec::new() };
    let cases = [
        ldp(mapping(v4_prefix(), Vec::new()), &[("msg.tlv.fec.pfval", "10.1.0.0"), ("hdr.pdu_len", "32")]),
        ldp(mapping(v6_prefix(), Vec::new()), &[("msg.tlv.fec.pfval", "2001:db8::")]),
        // A wildcard has a type and nothing else; it takes more for granted.
        ldp(MessageBody::LabelWithdraw(wildcard), &[("msg.type", "0x0402"), ("msg.tlv.type", "0x0100")])
            .misread("00010013c00002010000040200090000004d0100000101"),
    ];
    check("prefix", &cases);
}

/// RFC 8077 §6.1, §6.2, RFC 4446 §3.3, RFC 5085 §6.1, RFC 5885 §4, RFC 5003 §3: lengths, types and the bits that nothing else sets.
#[test]
fn tshark_reads_our_interface_parameters() {
    let parameters = || {
        vec![
            InterfaceParameter::Unknown(InterfaceParameterType::DESCRIPTION, Octets::from_slice(b"to Berlin")),
            InterfaceParameter::FcsRetention(4),
            InterfaceParameter::Vccv(Vccv { cc_types: 0b110, cv_types: 0b11_1101 }),
        ]
    };
    let pw = PwIdScope::One { pw_id: 100, parameters: parameters() };
    let fec = PwId { control_word: true, pw_type: PwType::ETHERNET, group_id: 5, pw };
    let ends = PwEnds {
        agi: Attachment::group([0, 1, 2, 3, 4, 5, 6, 7]),
        saii: Attachment::aggregatable(64_500, [192, 0, 2, 1].into(), 7),
        taii: Attachment::aggregatable(64_500, [192, 0, 2, 2].into(), 8),
    };
    let generalized = GeneralizedPwId { control_word: true, pw_type: PwType::ETHERNET, ends: Some(ends) };
    let mut in_tlv = parameters();
    in_tlv.extend([InterfaceParameter::Mtu(1500), InterfaceParameter::RequestedVlan(7)]);
    let psn = PwStatus::PSN_RECEIVE_FAULT | PwStatus::PSN_TRANSMIT_FAULT;
    let cases = [
        ldp(
            mapping(FecElement::PwId(Box::new(fec)), vec![TlvValue::PwStatus(psn)]),
            &[
                ("msg.tlv.fec.pw.infolength", "23"),
                ("msg.tlv.fec.vc.intparam.length", "11,4,4"),
                ("msg.tlv.fec.vc.intparam.desc", "to Berlin"),
                ("msg.tlv.fec.vc.intparam.fcslen", "4"),
                ("msg.tlv.fec.vc.intparam.vccv.cctype_cw", "0"),
                ("msg.tlv.fec.vc.intparam.vccv.cctype_mplsra", "1"),
                ("msg.tlv.fec.vc.intparam.vccv.cctype_ttl1", "1"),
                ("msg.tlv.fec.vc.intparam.vccv.cvtype_icmpping", "1"),
                ("msg.tlv.fec.vc.intparam.vccv.cvtype_lspping", "0"),
                ("msg.tlv.fec.vc.intparam.vccv.cvtype_bfd1", "1"),
                ("msg.tlv.pwstatus.code", "0x00000018"),
                ("msg.tlv.pwstatus.code.pwpsnpwingressrecvfault", "1"),
                ("msg.tlv.pwstatus.code.pwpsnpwegresstransfault", "1"),
            ],
        ),
        ldp(
            mapping(FecElement::GeneralizedPwId(Box::new(generalized)), vec![TlvValue::PwInterfaceParameters(in_tlv)]),
            &[
                ("msg.tlv.fec.gen.agi.length", "8"),
                ("msg.tlv.fec.gen.saii.type", "2"),
                ("msg.tlv.fec.gen.saii.length", "12"),
                ("msg.tlv.fec.gen.taii.type", "2"),
                ("msg.tlv.fec.gen.taii.length", "12"),
                // It does not show their parts (RFC 5003 §3.2).
                ("msg.tlv.fec.gen.saii.value", "0000fbf4c000020100000007"),
                ("msg.tlv.fec.gen.taii.value", "0000fbf4c000020200000008"),
                ("msg.tlv.intparam.id", "0x03,0x0a,0x0c,0x01,0x06"),
                ("msg.tlv.intparam.length", "11,4,4,4,4"),
                ("msg.tlv.intparam.desc", "to Berlin"),
                ("msg.tlv.intparam.fcslen", "4"),
                ("msg.tlv.intparam.vccv.cctype_cw", "0"),
                ("msg.tlv.intparam.vccv.cctype_mplsra", "1"),
                ("msg.tlv.intparam.vccv.cctype_ttl1", "1"),
                ("msg.tlv.intparam.vccv.cvtype_icmpping", "1"),
                ("msg.tlv.intparam.vccv.cvtype_lspping", "0"),
                ("msg.tlv.intparam.vccv.cvtype_bfd", "1"),
                ("msg.tlv.intparam.mtu", "1500"),
                ("msg.tlv.intparam.vlanid", "7"),
            ],
        ),
    ];
    check("parameters", &cases);
}

/// RFC 6389 §3 to §5: upstream-assigned labels, and the tunnels below them.
#[test]
fn tshark_reads_our_upstream_assigned_labels() {
    let tunnel = |kind, octets: &[u8]| {
        let tunnel = InterfaceIdTlv { kind, value: Octets::from_slice(octets) };
        TlvValue::InterfaceId(Box::new(InterfaceId {
            hop: Ipv4Addr::new(192, 0, 2, 1).into(),
            logical: 3,
            tunnels: std::iter::once(tunnel).collect(),
        }))
    };
    let of = |tunnel, fields: &[(&str, &str)]| {
        let both = [
            ("msg.tlv.upstream.label", "0x000004d2"),
            ("msg.tlv.upstream.resvbit", "0x00000000"),
            ("msg.tlv.ipv4_interface_ID.hop_addr", "192.0.2.1"),
            ("msg.tlv.interface_ID.logical_intID", "0x00000003"),
        ];
        let body = MessageBody::LabelMapping(LabelMapping {
            fec: Fec::single(v4_prefix()),
            label: LabelTlv::Upstream(label(1234)),
            optional: vec![Tlv::new(tunnel), Tlv::new(TlvValue::LabelRequestMessageId(6))],
        });
        ldp(body, &[&both[..], fields].concat())
    };
    let opaque = OpaqueValue::single(&OpaqueElement::GenericLspId(0x1234));
    let root = Ipv4Addr::new(192, 0, 2, 9).into();
    let mut p2mp = Vec::new();
    FecElement::Multipoint(Box::new(MultipointFec { kind: MultipointKind::P2mp, root, opaque })).emit(&mut p2mp);
    let session = [0, 0, 0, 3, 0, 0, 0, 5, 192, 0, 2, 1];
    let capability = TlvValue::Capability(TlvType::UPSTREAM_LABEL_CAPABILITY, Capability::advertised());
    let initialization = Initialization {
        version: 1,
        keepalive_time: 180,
        flags: SessionFlags::empty(),
        path_vector_limit: 0,
        max_pdu_length: 4096,
        receiver: LdpId::platform([192, 0, 2, 2].into()),
        optional: vec![Tlv::new(capability)],
    };
    let request =
        LabelRequest { fec: Fec::single(v4_prefix()), optional: vec![Tlv::new(TlvValue::UpstreamLabelRequest)] };
    let cases = [
        ldp(MessageBody::Initialization(initialization), &[("msg.tlv.upstream.sbit", "1")]),
        ldp(MessageBody::LabelRequest(request), &[("msg.tlv.upstream_label_req.resvbit", "0x00000000")]),
        of(
            tunnel(TunnelTlvType::RSVP_TE_P2MP, &session),
            &[
                ("msg.tlv.rsvp_te_p2mp.id", "0x00000003"),
                ("msg.tlv.rsvp_te_p2mp.zero", "0x0000"),
                ("msg.tlv.rsvp_te_p2mp.tunnel_id", "0x0005"),
                ("msg.tlv.rsvp_te_p2mp.ipv4_ext_tunnel_id", "192.0.2.1"),
            ],
        ),
        // The length of a tunnel counts its type and length too, and not its padding (RFC 6389 §5); it takes four octets more, and comes to
        // nothing where they are not a whole TLV.
        of(tunnel(TunnelTlvType::LDP_P2MP, &p2mp), &[]).misread(
            "00010050c00002010000\
             040000460000004d\
             01000006020001100a01\
             0204000800000000000004d2\
             082d0020c000020100000003\
             001d001506000104c0000209000701000400001234000000\
             0600000400000006",
        ),
        of(
            tunnel(TunnelTlvType::IP_MULTICAST, &[192, 0, 2, 1, 239, 1, 1, 1]),
            &[("msg.tlv.ip_multicast.ipv4_srcaddr", "192.0.2.1"), ("msg.tlv.ip_multicast.ipv4_maddr", "239.1.1.1")],
        ),
        of(
            tunnel(TunnelTlvType::CONTEXT_LABEL, &[192, 0, 2, 1, 0, 1, 0, 0]),
            &[("msg.tlv.ip_mpls_context.ipv4_srcaddr", "192.0.2.1")],
        ),
    ];
    check("upstream", &cases);
}

/// TLVs that it does not know: type, length and octets (RFC 6388 §2.1, §3.1, §8.3, RFC 7552 §6.1.1, RFC 7349 §2.3, RFC 7361 §5.1.1).
#[test]
fn tshark_passes_the_tlvs_it_does_not_know() {
    let auth = HelloAuth { sa: 1, sequence: 2, data: Octets::from_slice(&[0xaa; 4]) };
    let flags = HelloFlags::empty();
    let hello = Hello { hold_time: 15, flags, optional: vec![Tlv::new(TlvValue::HelloAuth(Box::new(auth)))] };
    let capabilities = [TlvType::P2MP_CAPABILITY, TlvType::MP2MP_CAPABILITY, TlvType::MBB_CAPABILITY];
    let initialization = Initialization {
        version: 1,
        keepalive_time: 180,
        flags: SessionFlags::empty(),
        path_vector_limit: 0,
        max_pdu_length: 4096,
        receiver: LdpId::platform([192, 0, 2, 2].into()),
        optional: capabilities.map(|kind| Tlv::new(TlvValue::Capability(kind, Capability::advertised()))).to_vec(),
    };
    let cases: [Case; 2] = [
        ldp(
            MessageBody::Hello(hello),
            &[
                ("msg.tlv.type", "0x0400,0x0405"),
                ("msg.tlv.len", "4,16"),
                ("msg.tlv.value", "000000010000000000000002aaaaaaaa"),
            ],
        ),
        ldp(
            MessageBody::Initialization(initialization),
            &[
                ("msg.tlv.type", "0x0500,0x0508,0x0509,0x050a"),
                ("msg.tlv.len", "14,1,1,1"),
                ("msg.tlv.value", "80,80,80"),
            ],
        ),
    ];
    check("unknown", &cases);
}

/// RFC 5880 §4.1 to §4.4: every flag, and every kind of authentication.
#[test]
fn tshark_reads_our_bfd_flags_and_authentication() {
    let sections = [
        (
            AuthSection::Password { key_id: 2, password: Octets::from_slice(b"secret") },
            33,
            vec![("auth.type", "1"), ("auth.len", "9"), ("auth.key", "2"), ("auth.password", "secret")],
        ),
        (
            AuthSection::Md5 { meticulous: true, key_id: 3, sequence: 9, digest: [0x5a; 16] },
            48,
            vec![
                ("auth.type", "3"),
                ("auth.len", "24"),
                ("auth.key", "3"),
                ("auth.seq_num", "0x00000009"),
                ("checksum", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"),
            ],
        ),
        (
            AuthSection::Sha1 { meticulous: false, key_id: 4, sequence: 10, digest: [0xa5; 20] },
            52,
            vec![
                ("auth.type", "4"),
                ("auth.len", "28"),
                ("auth.key", "4"),
                ("auth.seq_num", "0x0000000a"),
                ("checksum", "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"),
            ],
        ),
    ];
    let cases = sections.map(|(auth, len, fields)| {
        let packet = ControlPacket {
            diag: Diag::NONE,
            state: State::Init,
            flags: ControlFlags::FINAL | ControlFlags::CONTROL_PLANE_INDEPENDENT | ControlFlags::DEMAND,
            detect_mult: NonZeroU8::new(3).unwrap(),
            my_discriminator: NonZeroU32::new(0x11).unwrap(),
            your_discriminator: 0x22,
            desired_min_tx: 100_000,
            required_min_rx: 200_000,
            required_min_echo_rx: 300_000,
            auth: Some(auth),
        };
        let mut octets = Vec::new();
        packet.emit(&mut octets);
        let len: String = u32::to_string(&len);
        let flags = [
            ("sta", "0x02"),
            ("flags", "0x9e"),
            ("flags.p", "0"),
            ("flags.f", "1"),
            ("flags.c", "1"),
            ("flags.a", "1"),
            ("flags.d", "1"),
            ("flags.m", "0"),
            ("required_min_echo_interval", "300000"),
            ("message_length", len.as_str()),
        ];
        case(Over::Udp(3784), octets, "bfd.", &[&flags[..], &fields].concat())
    });
    check("bfd-auth", &cases);
}
