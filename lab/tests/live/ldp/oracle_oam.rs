//! Operation and maintenance read by tshark: echo messages with every FEC and TLV that it knows, and the control channels of pseudowires.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU32};

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};
use p2mp_pw::bfd::{ControlFlags, ControlPacket, Diag, State};
use p2mp_pw::ldp::Octets;
use p2mp_pw::ldp::fec::{
    Attachment, AttachmentType, MultipointFec, MultipointKind, OpaqueElement, OpaqueValue, PwType,
};
use p2mp_pw::lsp_ping::{
    DownstreamDetailed, DownstreamLabel, DownstreamMapping, DownstreamSubTlv, DsFlags, EchoMessage, GeneralizedPwFec,
    GlobalFlags, InterfaceAddress, InterfaceAndLabelStack, LabelProtocol, MessageType, Multipath, P2mpResponder,
    PwIdFec, ReceivedLabel, ReplyMode, ReturnCode, RsvpLsp, RsvpP2mpLsp, TargetFec, Tlv,
};
use p2mp_pw::vccv::{self, CcTypes, Payload};

use super::oracle::{Case, Over, case, check, frame, label};

pub const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub const A6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub const B6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// One second after the time stamps' epoch of 1900 and a half: the first of 1970.
const SENT: u64 = 2_208_988_800 << 32;

pub fn message(tlvs: Vec<Tlv>) -> EchoMessage {
    EchoMessage {
        flags: GlobalFlags::VALIDATE_FEC_STACK,
        kind: MessageType::ECHO_REQUEST,
        reply_mode: ReplyMode::UDP,
        return_code: ReturnCode::NONE,
        return_subcode: 0,
        handle: 0x1234,
        sequence: 7,
        sent: SENT,
        received: 0,
        tlvs,
    }
}

pub fn echo(message: &EchoMessage, fields: &[(&str, &str)]) -> Case {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    case(Over::Udp(EchoMessage::PORT), octets, "mpls_echo.", fields)
}

pub fn fec(fec: TargetFec, fields: &[(&str, &str)]) -> Case {
    echo(&message(vec![Tlv::TargetFecStack(vec![fec])]), fields)
}

pub fn v4() -> IpPrefix {
    IpPrefix::V4(Ipv4Prefix::new([10, 1, 0, 0].into(), 16).unwrap())
}

pub fn v6() -> IpPrefix {
    IpPrefix::V6(Ipv6Prefix::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32).unwrap())
}

/// RFC 8029 §3: request and reply, and the flags of RFC 6425 and RFC 6426.
#[test]
fn tshark_reads_our_echo_headers() {
    let request = EchoMessage { flags: GlobalFlags::all(), ..message(Vec::new()) };
    let reply = EchoMessage {
        kind: MessageType::ECHO_REPLY,
        reply_mode: ReplyMode::CONTROL_CHANNEL,
        return_code: ReturnCode::LABEL_SWITCHED,
        return_subcode: 2,
        ..message(Vec::new())
    };
    let both = [("version", "1"), ("sender_handle", "0x00001234"), ("sequence", "7")];
    let of = |more: &[(&'static str, &'static str)]| [&both[..], more].concat();
    let cases = [
        echo(
            &request,
            &of(&[
                ("flags", "0x0007"),
                ("flag_v", "1"),
                ("flag_t", "1"),
                ("flag_r", "1"),
                ("msg_type", "1"),
                ("reply_mode", "2"),
            ]),
        ),
        echo(&reply, &of(&[("msg_type", "2"), ("reply_mode", "4"), ("return_code", "8"), ("return_subcode", "2")])),
    ];
    check("echo", &cases);
}

/// RFC 8029 §3.2: prefixes and point-to-point LSPs.
#[test]
fn tshark_reads_our_fecs_of_paths() {
    let rsvp4 = RsvpLsp { endpoint: B, tunnel_id: 5, extended_tunnel_id: A, sender: A, lsp_id: 6 };
    let rsvp6 = RsvpLsp { endpoint: B6, tunnel_id: 5, extended_tunnel_id: A6, sender: A6, lsp_id: 6 };
    let rd = [0, 0, 0xfb, 0xf4, 0, 0, 0, 9];
    let cases = [
        fec(
            TargetFec::Ldp(v4()),
            &[
                ("tlv.type", "1"),
                ("tlv.fec.type", "1"),
                ("tlv.fec.len", "5"),
                ("tlv.fec.ldp_ipv4", "10.1.0.0"),
                ("tlv.fec.ldp_ipv4_mask", "16"),
            ],
        ),
        fec(
            TargetFec::Ldp(v6()),
            &[("tlv.fec.type", "2"), ("tlv.fec.ldp_ipv6", "2001:db8::"), ("tlv.fec.ldp_ipv6_mask", "32")],
        ),
        fec(
            TargetFec::Rsvp4(rsvp4),
            &[
                ("tlv.fec.type", "3"),
                ("tlv.fec.rsvp_ipv4_ep", "192.0.2.2"),
                ("tlv.fec.rsvp_ip_tun_id", "5"),
                ("tlv.fec.rsvp_ipv4_sender", "192.0.2.1"),
                ("tlv.fec.rsvp_ip_lsp_id", "6"),
            ],
        ),
        fec(
            TargetFec::Rsvp6(rsvp6),
            &[
                ("tlv.fec.type", "4"),
                ("tlv.fec.rsvp_ipv6_ep", "2001:db8::2"),
                ("tlv.fec.rsvp_ip_tun_id", "5"),
                ("tlv.fec.rsvp_ipv6_sender", "2001:db8::1"),
                ("tlv.fec.rsvp_ip_lsp_id", "6"),
            ],
        ),
        fec(
            TargetFec::Vpn { rd, prefix: v4() },
            &[
                ("tlv.fec.type", "6"),
                ("tlv.fec.vpn_route_dist", "0000fbf400000009"),
                ("tlv.fec.vpn_ipv4", "10.1.0.0"),
                ("tlv.fec.vpn_len", "16"),
            ],
        ),
        fec(
            TargetFec::Vpn { rd, prefix: v6() },
            &[("tlv.fec.type", "7"), ("tlv.fec.vpn_ipv6", "2001:db8::"), ("tlv.fec.vpn_len", "32")],
        ),
        fec(
            TargetFec::Bgp(v4()),
            &[("tlv.fec.type", "12"), ("tlv.fec.bgp_ipv4", "10.1.0.0"), ("tlv.fec.bgp_len", "16")],
        ),
        fec(
            TargetFec::Bgp(v6()),
            &[("tlv.fec.type", "13"), ("tlv.fec.bgp_ipv6", "2001:db8::"), ("tlv.fec.bgp_len", "32")],
        ),
        fec(
            TargetFec::Generic(v4()),
            &[("tlv.fec.type", "14"), ("tlv.fec.gen_ipv4", "10.1.0.0"), ("tlv.fec.gen_ipv4_mask", "16")],
        ),
        fec(
            TargetFec::Generic(v6()),
            &[("tlv.fec.type", "15"), ("tlv.fec.gen_ipv6", "2001:db8::"), ("tlv.fec.gen_ipv6_mask", "32")],
        ),
        fec(TargetFec::Nil(label(1234)), &[("tlv.fec.type", "16"), ("tlv.fec.nil_label", "1234")]),
    ];
    check("echo-paths", &cases);
}

/// RFC 8029 §3.2.8 to §3.2.11, RFC 6425 §3.1: pseudowires and trees.
#[test]
fn tshark_reads_our_fecs_of_pseudowires_and_trees() {
    let l2vpn = TargetFec::L2vpnEndpoint {
        rd: [0, 0, 0xfb, 0xf4, 0, 0, 0, 9],
        sender_ve: 1,
        receiver_ve: 2,
        pw_type: PwType::ETHERNET,
    };
    let pw4 = PwIdFec { sender: A, remote: B, pw_id: 100, pw_type: PwType::ETHERNET };
    let tree4 = RsvpP2mpLsp { p2mp_id: 3, tunnel_id: 5, extended_tunnel_id: A, sender: A, lsp_id: 6 };
    let opaque = OpaqueValue::single(&OpaqueElement::GenericLspId(0x1234));
    let mldp = MultipointFec { kind: MultipointKind::P2mp, root: A.into(), opaque };
    let cases = [
        fec(
            l2vpn,
            &[
                ("tlv.fec.type", "8"),
                ("tlv.fec.l2vpn_route_dist", "0000fbf400000009"),
                ("tlv.fec.l2vpn_send_ve_id", "0x0001"),
                ("tlv.fec.l2vpn_recv_ve_id", "0x0002"),
                ("tlv.fec.l2vpn_encap_type", "5"),
            ],
        ),
        fec(
            TargetFec::PwIdDeprecated { remote: B, pw_id: 100, pw_type: PwType::ETHERNET },
            &[
                ("tlv.fec.type", "9"),
                ("tlv.fec.l2cid_remote", "192.0.2.2"),
                ("tlv.fec.l2cid_vcid", "100"),
                ("tlv.fec.l2cid_encap", "5"),
            ],
        ),
        fec(
            TargetFec::PwId4(pw4),
            &[
                ("tlv.fec.type", "10"),
                ("tlv.fec.l2cid_sender", "192.0.2.1"),
                ("tlv.fec.l2cid_remote", "192.0.2.2"),
                ("tlv.fec.l2cid_vcid", "100"),
                ("tlv.fec.l2cid_encap", "5"),
            ],
        ),
        // Of the PW ID it shows the upper half.
        fec(
            TargetFec::PwId6(PwIdFec { sender: A6, remote: B6, pw_id: 100 << 16, pw_type: PwType::ETHERNET }),
            &[
                ("tlv.fec.type", "24"),
                ("tlv.fec.pw_ipv6_128_sender", "2001:db8::1"),
                ("tlv.fec.pw_ipv6_128_remote", "2001:db8::2"),
                ("tlv.fec.fec.pw_ipv6_128_pwid", "100"),
            ],
        ),
        // Not the one over IPv6: it takes the P2MP ID, of four octets (RFC 6425 §3.1.1.2), for an address.
        fec(
            TargetFec::RsvpP2mp4(tree4),
            &[
                ("tlv.fec.type", "17"),
                ("tlv.fec.rsvp_p2mp_ipv4_id", "3"),
                ("tlv.fec.rsvp_p2mp_ip_tun_id", "5"),
                ("tlv.fec.rsvp_p2mp_ipv4_ext_tun_id", "192.0.2.1"),
                ("tlv.fec.rsvp_p2mp_ipv4_sender", "192.0.2.1"),
                ("tlv.fec.rsvp_p2mp_ip_lsp_id", "6"),
            ],
        ),
        // It knows these by number and length.
        fec(TargetFec::Mldp(mldp), &[("tlv.fec.type", "19"), ("tlv.fec.len", "16")]),
        fec(
            TargetFec::GeneralizedPw4(generalized(A, B)),
            &[
                ("tlv.fec.type", "11"),
                ("tlv.fec.len", "32"),
                ("tlv.fec.value", "c0000201c0000202000501080000fbf400000009010400000001010400000002"),
            ],
        ),
        fec(
            TargetFec::GeneralizedPw6(generalized(A6, B6)),
            &[
                ("tlv.fec.type", "25"),
                ("tlv.fec.len", "56"),
                (
                    "tlv.fec.value",
                    "20010db800000000000000000000000120010db8000000000000000000000002000501080000fbf400000009010400000001010400000002",
                ),
            ],
        ),
    ];
    check("echo-pw", &cases);
}

/// A pseudowire of an attachment group, between its members 1 and 2 (RFC 4446 §3.4).
fn generalized<A>(sender: A, remote: A) -> GeneralizedPwFec<A> {
    let attachment = |octets: &[u8]| Attachment::new(AttachmentType::TYPE_1, octets).unwrap();
    let agi = attachment(&[0, 0, 0xfb, 0xf4, 0, 0, 0, 9]);
    let (saii, taii) = (attachment(&[0, 0, 0, 1]), attachment(&[0, 0, 0, 2]));
    GeneralizedPwFec { sender, remote, pw_type: PwType::ETHERNET, agi, saii, taii }
}

/// RFC 8029 §3.3 to §3.9, RFC 6425 §3.2, §3.3, RFC 5884 §6.1: TLVs beside the FEC.
#[test]
fn tshark_reads_our_echo_tlvs() {
    let at = InterfaceAddress::V4 { address: B, interface: Ipv4Addr::new(198, 51, 100, 2) };
    let labels = vec![DownstreamLabel::new(label(1234), LabelProtocol::LDP)];
    let none = || Multipath { kind: 0, information: Octets::new() };
    let (mtu, flags) = (1500, DsFlags::all());
    let mapping =
        DownstreamMapping { mtu, flags, address: at, depth_limit: 0, multipath: none(), labels: labels.clone() };
    let mut detailed = DownstreamDetailed::new(mtu, at, labels);
    (detailed.return_code, detailed.return_subcode) = (ReturnCode::LABEL_SWITCHED, 1);
    let addresses = Multipath { kind: 8, information: Octets::from_slice(&[127, 0, 0, 0, 0, 0, 0, 1]) };
    detailed.sub_tlvs.push(DownstreamSubTlv::Multipath(addresses));
    let stack =
        InterfaceAndLabelStack { interface: at, labels: vec![ReceivedLabel { label: label(1234), tc_s: 1, ttl: 3 }] };
    let one = |tlv, fields: &[(&str, &str)]| echo(&message(vec![tlv]), fields);
    let cases = [
        one(
            Tlv::DownstreamMapping(Box::new(mapping)),
            &[
                ("tlv.type", "2"),
                ("tlv.ds_map.mtu", "1500"),
                ("tlv.ds_map.addr_type", "1"),
                ("tlv.ds_map.flag_i", "1"),
                ("tlv.ds_map.flag_n", "1"),
                ("tlv.ds_map.ds_ip", "192.0.2.2"),
                ("tlv.ds_map.int_ip", "198.51.100.2"),
                ("tlv.ds_map.mp_label", "1234"),
                ("tlv.ds_map.mp_proto", "3"),
            ],
        ),
        // Of whole words: it takes the padding behind another length (RFC 8029 §3) for a part of the next TLV.
        one(Tlv::Pad { first: 2, len: 11 }, &[("tlv.type", "3"), ("tlv.pad_action", "2")]),
        one(
            Tlv::InterfaceAndLabelStack(Box::new(stack)),
            &[
                ("tlv.type", "7"),
                ("tlv.ilso.addr_type", "1"),
                ("tlv.ilso_ipv4.addr", "192.0.2.2"),
                ("tlv.ilso_ipv4.int_addr", "198.51.100.2"),
                ("tlv.ilso_ipv4.label", "1234"),
                ("tlv.ilso_ipv4.bos", "1"),
                ("tlv.ilso_ipv4.ttl", "3"),
            ],
        ),
        one(Tlv::VendorEnterprise(9), &[("tlv.type", "5"), ("tlv.vendor_id", "9")]),
        one(
            Tlv::ErroredTlvs(Octets::from_slice(&[0x12, 0x34, 0, 4, 1, 2, 3, 4])),
            &[("tlv.type", "9"), ("tlv.errored.type", "4660")],
        ),
        one(Tlv::ReplyTos(0xc0), &[("tlv.type", "10"), ("tlv.reply.tos", "192")]),
        one(
            Tlv::P2mpResponder(vec![P2mpResponder::Egress(B.into())]),
            &[("tlv.type", "11"), ("tlv.resp_id.type", "1"), ("tlv.resp_id.ipv4", "192.0.2.2")],
        ),
        one(
            Tlv::P2mpResponder(vec![P2mpResponder::Node(A.into())]),
            &[("tlv.resp_id.type", "3"), ("tlv.resp_id.ipv4", "192.0.2.1")],
        ),
        one(Tlv::EchoJitter(500), &[("tlv.type", "12"), ("tlv.echo_jitter", "500")]),
        one(Tlv::BfdDiscriminator(0x77), &[("tlv.type", "15"), ("bfd_discriminator", "0x00000077")]),
        one(
            Tlv::DownstreamDetailed(Box::new(detailed)),
            &[
                ("tlv.type", "20"),
                ("lspping.tlv.dd_map.mtu", "1500"),
                ("tlv.dd_map.addr_type", "1"),
                ("tlv.dd_map.ds_ip", "192.0.2.2"),
                ("tlv.dd_map.int_ip", "198.51.100.2"),
                ("tlv.dd_map.return_code", "8"),
                ("tlv.dd_map.return_subcode", "1"),
                ("subtlv.dd_map.multipath_type", "8"),
            ],
        ),
    ];
    check("echo-tlvs", &cases);
}

fn bfd() -> Vec<u8> {
    let packet = ControlPacket {
        diag: Diag::NONE,
        state: State::Up,
        flags: ControlFlags::empty(),
        detect_mult: NonZeroU8::new(3).unwrap(),
        my_discriminator: NonZeroU32::new(0x11).unwrap(),
        your_discriminator: 0x22,
        desired_min_tx: 100_000,
        required_min_rx: 100_000,
        required_min_echo_rx: 0,
        auth: None,
    };
    let mut octets = Vec::new();
    packet.emit(&mut octets);
    octets
}

/// RFC 5085 §5, RFC 5885 §3.2, RFC 7708 §3: the labels and headers of the control channels, with what they carry.
#[test]
fn tshark_reads_our_control_channels() {
    let mut ping = Vec::new();
    message(vec![Tlv::TargetFecStack(vec![TargetFec::Ldp(v4())])]).emit(&mut ping);
    // The IP packet is that of a frame.
    let packet = frame(Over::Udp(EchoMessage::PORT), 20_000, &ping).split_off(14);
    let case = |channel, payload, body: &[u8], fields: &[(&str, &str)]| {
        let mut octets = Vec::new();
        vccv::emit_header(channel, true, label(1234), 64, payload, &mut octets);
        octets.extend(body);
        case(Over::Mpls, octets, "", fields)
    };
    let cases = [
        case(
            CcTypes::CONTROL_WORD,
            Payload::Ipv4,
            &packet,
            &[
                ("mpls.label", "1234"),
                ("mpls.bottom", "1"),
                ("mpls.ttl", "64"),
                ("pwach.ver", "0"),
                ("pwach.channel_type", "0x0021"),
                ("mpls_echo.tlv.fec.ldp_ipv4", "10.1.0.0"),
            ],
        ),
        case(
            CcTypes::CONTROL_WORD,
            Payload::Bfd,
            &bfd(),
            &[("pwach.channel_type", "0x0007"), ("bfd.sta", "0x03"), ("bfd.my_discriminator", "0x00000011")],
        ),
        case(
            CcTypes::ROUTER_ALERT,
            Payload::Ipv4,
            &packet,
            &[("mpls.label", "1,1234"), ("mpls.bottom", "0,1"), ("pwach.channel_type", "0x0021")],
        ),
        case(
            CcTypes::TTL_EXPIRY,
            Payload::Ipv4,
            &packet,
            &[("mpls.label", "1234"), ("mpls.ttl", "1"), ("mpls_echo.sequence", "7")],
        ),
        case(
            CcTypes::GAL,
            Payload::Ipv4,
            &packet,
            &[("mpls.label", "1234,13"), ("mpls.ttl", "64,1"), ("pwach.channel_type", "0x0021")],
        ),
    ];
    check("vccv", &cases);
}
