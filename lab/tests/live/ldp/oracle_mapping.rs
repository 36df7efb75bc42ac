//! Echo messages read by tshark, further: mappings downstream and interfaces of every address type, changes of the FEC stack, and what
//! stands beside the fields of `oracle_oam.rs`.

use std::net::Ipv4Addr;

use p2mp_pw::ldp::Octets;
use p2mp_pw::lsp_ping::{
    DownstreamDetailed, DownstreamLabel, DownstreamMapping, DownstreamSubTlv, DsFlags, EchoMessage, FecStackChange,
    InterfaceAddress, InterfaceAndLabelStack, LabelProtocol, Multipath, P2mpResponder, PwIdFec, ReceivedLabel,
    ReturnCode, RsvpLsp, RsvpP2mpLsp, TargetFec, Tlv,
};

use super::oracle::{Case, check, label};
use super::oracle_oam::{A, A6, B, B6, echo, fec, message, v4, v6};
use p2mp_pw::ldp::fec::PwType;

/// The interface of the next node.
const I: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

fn one(tlv: Tlv, fields: &[(&str, &str)]) -> Case {
    echo(&message(vec![tlv]), fields)
}

/// A message of one TLV that tshark does not read as the RFC has it, and the TLV's octets.
fn misread(tlv: Tlv, octets: &str, fields: &[(&str, &str)]) -> Case {
    const HEADER: &str = "0001000101020000000012340000000783aa7e80000000000000000000000000";
    one(tlv, fields).misread(&format!("{HEADER}{octets}"))
}

/// A form of an address, its type, and the fields that say where a packet goes.
type Form = (InterfaceAddress, &'static str, [(&'static str, &'static str); 2]);

fn forms() -> [Form; 4] {
    let i6 = "2001:db8:ffff::2".parse().unwrap();
    [
        (InterfaceAddress::V4 { address: B, interface: I }, "1", [("ds_ip", "192.0.2.2"), ("int_ip", "198.51.100.2")]),
        (InterfaceAddress::V4Unnumbered { address: B, index: 7 }, "2", [("ds_ip", "192.0.2.2"), ("if_index", "7")]),
        (
            InterfaceAddress::V6 { address: B6, interface: i6 },
            "3",
            [("ds_ipv6", "2001:db8::2"), ("int_ipv6", "2001:db8:ffff::2")],
        ),
        (
            InterfaceAddress::V6Unnumbered { address: B6, index: 7 },
            "4",
            [("ds_ipv6", "2001:db8::2"), ("if_index", "7")],
        ),
    ]
}

fn labels() -> Vec<DownstreamLabel> {
    let mut bottom = DownstreamLabel::new(label(1235), LabelProtocol::BGP);
    bottom.tc_s = 0b0011;
    vec![DownstreamLabel::new(label(1234), LabelProtocol::LDP), bottom]
}

/// RFC 8029 A.2: the mapping of old, of every address type, with labels and every kind of multipath information.
#[test]
fn tshark_reads_our_downstream_mappings() {
    let at = |address, multipath| {
        let (mtu, flags) = (1500, DsFlags::INTERFACE_AND_LABEL_STACK);
        let mapping = DownstreamMapping { mtu, flags, address, depth_limit: 3, multipath, labels: labels() };
        Tlv::DownstreamMapping(Box::new(mapping))
    };
    let multipath = |kind, octets: &[u8]| Multipath { kind, information: Octets::from_slice(octets) };
    let both = [
        ("tlv.ds_map.mtu", "1500"),
        ("tlv.ds_map.flag_i", "1"),
        ("tlv.ds_map.flag_n", "0"),
        ("tlv.ds_map.flag_res", "0x00"),
        ("tlv.ds_map.depth", "3"),
        ("tlv.ds_map.mp_label", "1234,1235"),
        ("tlv.ds_map.mp_exp", "0,1"),
        ("tlv.ds_map.mp_bos", "0,1"),
        ("tlv.ds_map.mp_proto", "3,2"),
    ];
    let mut cases = Vec::new();
    for (address, kind, [first, second]) in forms() {
        let names = [first, second].map(|(name, value)| (format!("tlv.ds_map.{name}"), value));
        let [first, second] = names.each_ref().map(|(name, value)| (name.as_str(), *value));
        let of = [&both[..], &[("tlv.ds_map.addr_type", kind), ("tlv.ds_map.multi_len", "0"), first, second]].concat();
        let tlv = at(address, multipath(0, &[]));
        // Before the interface's number it takes an IPv6 address for one of four octets (RFC 8029 A.2 has sixteen).
        cases.push(if kind == "4" {
            let octets = "0002002405dc040220010db80000000000000000000000020000000700030000004d2003004d3302";
            misread(tlv, octets, &[("tlv.ds_map.addr_type", "4")])
        } else {
            one(tlv, &of)
        });
    }
    let (address, ..) = forms()[0];
    let informations: [(Multipath, &[(&str, &str)]); 4] = [
        // Of addresses it takes one.
        (multipath(2, &[127, 0, 0, 1]), &[("hash_type", "2"), ("_mp.ip", "127.0.0.1")]),
        (
            multipath(4, &[127, 0, 0, 1, 127, 0, 0, 9]),
            &[("hash_type", "4"), ("_mp.ip_low", "127.0.0.1"), ("_mp.ip_high", "127.0.0.9")],
        ),
        (
            multipath(8, &[127, 0, 0, 0, 0x80, 0, 0, 1]),
            &[("hash_type", "8"), ("_mp.ip", "127.0.0.0"), ("_mp.mask", "80000001")],
        ),
        (multipath(9, &[0, 0x04, 0xd2, 0, 0xff, 0, 0, 0]), &[("hash_type", "9"), ("multi_len", "8")]),
    ];
    for (multipath, fields) in informations {
        let name = |name: &str| match name.strip_prefix('_') {
            Some(rest) => format!("tlv.ds_map_{rest}"),
            None => format!("tlv.ds_map.{name}"),
        };
        let names: Vec<_> = fields.iter().map(|(field, value)| (name(field), *value)).collect();
        let of: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        cases.push(one(at(address, multipath), &[&both[..], &of].concat()));
    }
    check("echo-mapping", &cases);
}

/// RFC 8029 §3.4: the mapping of today, of every address type.
#[test]
fn tshark_reads_our_detailed_mappings() {
    let mut cases = Vec::new();
    for (address, kind, [first, second]) in forms() {
        let mut mapping = DownstreamDetailed::new(1500, address, labels());
        mapping.flags = DsFlags::NON_IP;
        (mapping.return_code, mapping.return_subcode) = (ReturnCode::LABEL_SWITCHED, 2);
        let names = [first, second].map(|(name, value)| (format!("tlv.dd_map.{name}"), value));
        let [first, second] = names.each_ref().map(|(name, value)| (name.as_str(), *value));
        let fields = [
            ("lspping.tlv.dd_map.mtu", "1500"),
            ("tlv.dd_map.addr_type", kind),
            ("tlv.dd_map.flag_i", "0"),
            ("tlv.dd_map.flag_n", "1"),
            ("tlv.dd_map.flag_res", "0x00"),
            ("tlv.dd_map.return_code", "8"),
            ("tlv.dd_map.return_subcode", "2"),
            ("tlv.dd_map.subtlv_len", "12"),
            ("subtlv.label", "1234,1235"),
            ("subtlv.traffic_class", "0,1"),
            ("subtlv.s_bit", "0,1"),
            ("tlv.ddstlv_map.mp_proto", "3,2"),
            first,
            second,
        ];
        let tlv = Tlv::DownstreamDetailed(Box::new(mapping));
        let rest = "0802000c00020008004d2003004d3302";
        // Of unnumbered interfaces it knows neither the address nor the number; over IPv6 not their octets, either.
        cases.push(match kind {
            "2" => {
                let octets = format!("0014001c05dc0201c000020200000007{rest}");
                misread(tlv, &octets, &[&fields[..2], &fields[3..fields.len() - 2]].concat())
            }
            "4" => {
                let octets = format!("0014002805dc040120010db800000000000000000000000200000007{rest}");
                misread(tlv, &octets, &fields[..2])
            }
            _ => one(tlv, &fields),
        });
    }
    check("echo-detailed", &cases);
}

/// RFC 8029 §3.4.1: the parts of a detailed mapping, among them what RFC 6424 added for stitched and nested LSPs.
#[test]
fn tshark_reads_our_parts_of_detailed_mappings() {
    let mapping = |sub_tlv| {
        let (address, ..) = forms()[2];
        let mut mapping = DownstreamDetailed::new(9000, address, Vec::new());
        mapping.sub_tlvs = vec![sub_tlv];
        Tlv::DownstreamDetailed(Box::new(mapping))
    };
    let with = |sub_tlv, fields: &[(&str, &str)]| one(mapping(sub_tlv), fields);
    let change = |push, remote_peer, fec| DownstreamSubTlv::FecStackChange(FecStackChange { push, remote_peer, fec });
    let multipath =
        |kind, octets: &[u8]| DownstreamSubTlv::Multipath(Multipath { kind, information: Octets::from_slice(octets) });
    // What it calls the type of the FEC is the FEC's length, with its header and padding.
    let cases = [
        with(
            change(true, Some(B6.into()), Some(TargetFec::Ldp(v6()))),
            &[
                ("tlv.dd_map.subtlv_len", "48"),
                ("tlv.ddstlv_map.op_type", "1"),
                ("tlv.ddstlv_map.address_type", "2"),
                ("subtlv.dd_map.fec_tlv_type", "24"),
                ("subtlv.dd_map.reserved", "0"),
                ("tlv.dd_map.remote_ipv6", "2001:db8::2"),
                ("tlv.fec.type", "2"),
                ("tlv.fec.ldp_ipv6", "2001:db8::"),
                ("tlv.fec.ldp_ipv6_mask", "32"),
            ],
        ),
        with(
            change(true, Some(B.into()), Some(TargetFec::Ldp(v4()))),
            &[
                ("tlv.ddstlv_map.op_type", "1"),
                ("tlv.ddstlv_map.address_type", "1"),
                ("subtlv.dd_map.fec_tlv_type", "12"),
                ("tlv.dd_map.remote_ip", "192.0.2.2"),
                ("tlv.fec.type", "1"),
                ("tlv.fec.ldp_ipv4", "10.1.0.0"),
            ],
        ),
        with(
            change(false, Some(B6.into()), None),
            &[
                ("tlv.ddstlv_map.op_type", "2"),
                ("tlv.ddstlv_map.address_type", "2"),
                ("subtlv.dd_map.fec_tlv_type", "0"),
                ("tlv.dd_map.remote_ipv6", "2001:db8::2"),
            ],
        ),
        // Without an address of the peer it stops (RFC 8029 §3.4.1.3: type 0, no octets).
        misread(
            mapping(change(false, None, Some(TargetFec::Ldp(v4())))),
            "0014003c2328030020010db800000000000000000000000220010db8ffff0000000000000000000200000014\
             0003001002000c00000100050a01000010000000",
            &[("tlv.dd_map.addr_type", "3"), ("tlv.dd_map.subtlv_len", "20")],
        ),
        // Of addresses it takes one.
        with(
            multipath(2, &[127, 0, 0, 1]),
            &[
                ("subtlv.dd_map.multipath_type", "2"),
                ("subtlv.dd_map.multipath_length", "4"),
                ("subtlv.dd_map.reserved", "0"),
                ("tlv.ddstlv_map_mp.ip", "127.0.0.1"),
            ],
        ),
        with(
            multipath(4, &[127, 0, 0, 1, 127, 0, 0, 9]),
            &[("tlv.ddstlv_map_mp.ip_low", "127.0.0.1"), ("tlv.ddstlv_map_mp.ip_high", "127.0.0.9")],
        ),
        with(
            multipath(8, &[127, 0, 0, 0, 0x80, 0, 0, 1]),
            &[("tlv.ddstlv_map_mp.ip", "127.0.0.0"), ("tlv.ddstlv_map_mp.mask", "80000001")],
        ),
    ];
    check("echo-parts", &cases);
}

/// RFC 8029 §3.6, RFC 6425 §3.2: interfaces and responders of every address type.
#[test]
fn tshark_reads_our_interfaces_and_responders() {
    let stack = |interface| {
        let labels = vec![
            ReceivedLabel { label: label(1234), tc_s: 0b1010, ttl: 3 },
            ReceivedLabel { label: label(1235), tc_s: 1, ttl: 4 },
        ];
        Tlv::InterfaceAndLabelStack(Box::new(InterfaceAndLabelStack { interface, labels }))
    };
    let both = [
        ("tlv.type", "7"),
        ("tlv.ilso_ipv4.label", "1234,1235"),
        ("tlv.ilso_ipv4.exp", "5,0"),
        ("tlv.ilso_ipv4.bos", "0,1"),
        ("tlv.ilso_ipv4.ttl", "3,4"),
    ];
    let of = |more: &[(&'static str, &'static str)]| [&both[..], more].concat();
    let [v4, v4_number, v6, v6_number] = forms().map(|(address, ..)| stack(address));
    let (v4_type, v6_type) = ("tlv.ilso.addr_type", "tlv.ilso.addr_type");
    let cases = [
        one(
            v4,
            &of(&[(v4_type, "1"), ("tlv.ilso_ipv4.addr", "192.0.2.2"), ("tlv.ilso_ipv4.int_addr", "198.51.100.2")]),
        ),
        one(
            v4_number,
            &of(&[(v4_type, "2"), ("tlv.ilso_ipv4.addr", "192.0.2.2"), ("tlv.ilso.int_index", "0x00000007")]),
        ),
        one(
            v6,
            &of(&[
                (v6_type, "3"),
                ("tlv.ilso_ipv6.addr", "2001:db8::2"),
                ("tlv.ilso_ipv6.int_addr", "2001:db8:ffff::2"),
            ]),
        ),
        one(
            v6_number,
            &of(&[(v6_type, "4"), ("tlv.ilso_ipv6.addr", "2001:db8::2"), ("tlv.ilso.int_index", "0x00000007")]),
        ),
        // It takes four octets of an IPv6 address for one of IPv4.
        misread(
            Tlv::P2mpResponder(vec![P2mpResponder::Egress(B6.into())]),
            "000b00140002001020010db8000000000000000000000002",
            &[("tlv.type", "11"), ("tlv.resp_id.type", "2")],
        ),
        misread(
            Tlv::P2mpResponder(vec![P2mpResponder::Node(A6.into())]),
            "000b00140004001020010db8000000000000000000000001",
            &[("tlv.type", "11"), ("tlv.resp_id.type", "4")],
        ),
        one(Tlv::Pad { first: 1, len: 11 }, &[("tlv.pad_action", "1"), ("tlv.pad_padding", &"00".repeat(11))]),
    ];
    check("echo-interfaces", &cases);
}

/// RFC 8029 §3: time stamps and reserved bits; §3.2: what `oracle_oam.rs` leaves out of the FECs.
#[test]
fn tshark_reads_the_rest_of_our_echo_messages() {
    let stamped = EchoMessage { received: (2_208_988_801 << 32) + (1 << 31), ..message(Vec::new()) };
    let rsvp4 = RsvpLsp { endpoint: B, tunnel_id: 5, extended_tunnel_id: A, sender: A, lsp_id: 6 };
    let rsvp6 = RsvpLsp { endpoint: B6, tunnel_id: 5, extended_tunnel_id: A6, sender: A6, lsp_id: 6 };
    let tree4 = RsvpP2mpLsp { p2mp_id: 3, tunnel_id: 5, extended_tunnel_id: A, sender: A, lsp_id: 6 };
    let pw4 = PwIdFec { sender: A, remote: B, pw_id: 100, pw_type: PwType::ETHERNET };
    let pw6 = PwIdFec { sender: A6, remote: B6, pw_id: 100 << 16, pw_type: PwType::ETHERNET };
    let cases = [
        echo(
            &stamped,
            &[
                ("flag_sbz", "0x0000"),
                ("timestamp_sent", "Jan  1, 1970 00:00:00.000000000 UTC"),
                ("timestamp_rec", "Jan  1, 1970 00:00:01.500000000 UTC"),
            ],
        ),
        fec(
            TargetFec::Rsvp4(rsvp4),
            &[
                ("tlv.len", "24"),
                ("tlv.fec.len", "20"),
                ("tlv.fec.rsvp_ipv4_ext_tun_id", "0xc0000201"),
                ("tlv.fec.rsvp_ip_mbz1", "0"),
                ("tlv.fec.rsvp_ip_mbz2", "0"),
            ],
        ),
        fec(
            TargetFec::Rsvp6(rsvp6),
            &[("tlv.fec.len", "56"), ("tlv.fec.rsvp_ipv6_ext_tun_id", "20010db8000000000000000000000001")],
        ),
        fec(
            TargetFec::RsvpP2mp4(tree4),
            &[("tlv.fec.len", "20"), ("tlv.fec.rsvp_p2mp_ip_mbz1", "0"), ("tlv.fec.rsvp_p2mp_ip_mbz2", "0")],
        ),
        fec(TargetFec::PwId4(pw4), &[("tlv.fec.len", "14"), ("tlv.fec.l2cid_mbz", "0x0000")]),
        fec(TargetFec::PwId6(pw6), &[("tlv.fec.len", "38")]),
    ];
    check("echo-rest", &cases);
}

/// RFC 6425 §3.1.1.2: a P2MP ID has four octets, whatever the addresses have. tshark takes sixteen for it and says that the FEC is
/// too short; so only the type and the length are its words here, and the value is compared octet for octet.
#[test]
fn tshark_does_not_read_our_p2mp_fec_over_ipv6() {
    let tree = RsvpP2mpLsp { p2mp_id: 3, tunnel_id: 5, extended_tunnel_id: A6, sender: A6, lsp_id: 6 };
    let case = misread(
        Tlv::TargetFecStack(vec![TargetFec::RsvpP2mp6(tree)]),
        "000100300012002c\
         0000000300000005\
         20010db8000000000000000000000001\
         20010db8000000000000000000000001\
         00000006",
        &[("tlv.fec.type", "18"), ("tlv.fec.len", "44")],
    );
    check("echo-p2mp6", &[case]);
}
