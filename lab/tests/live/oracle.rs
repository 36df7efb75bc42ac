//! What we write, read by tshark: a typed value becomes an UPDATE in a frame, and tshark must find every field of it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::Command;

use bgp_vpn::attr::ext_community::{
    AdditionalPmsiFlags, AddressCommunity, Color, DefaultGateway, Encapsulation, ExtranetSeparation, ExtranetSource,
    L2vpnId, Layer2Flags, Layer2Info, MacMobility, MvpnSaRpAddress, OspfRouteOptions, OspfRouteType, OspfRouterId,
    RouteTarget, SegmentedNextHop, SourceAs, TypedCommunity, VrfRouteImport,
};
use bgp_vpn::attr::{
    AsPathBuf, AttrSet, Attribute, ExtCommunity, ListBuf, NextHop, Origin, PimTree, PmsiFlags, PmsiLabel, PmsiTunnel,
    PmsiTunnelId, PrefixSid, PrefixSidTlv, SubTlv, Tunnel, TunnelEncapsulation, TunnelType,
};
use bgp_vpn::message::{MpPosition, UpdateWriter};
use bgp_vpn::nlri::evpn::{Esi, EvpnNlri, EvpnRoute};
use bgp_vpn::nlri::mcast_vpn::{
    CGroup, CMulticast, InterAsIPmsiAd, IntraAsIPmsiAd, LeafAd, McastVpnNlri, McastVpnRoute, SPmsiAd, SourceActiveAd,
};
use bgp_vpn::nlri::{
    Family, MdtNlri, MldpFec, Nlri, RouteDistinguisher, RtMembership, RtMembershipNlri, VeBlock, VplsNlri, VplsRoute,
};
use bgp_vpn::session::{Negotiated, PeerKind};
use fwd_core::net::{Label, Mac};
use fwd_core::time::Instant;
use lab::pcap::Writer;

const PE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

fn rd() -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, 7)
}

/// Fields by name, without what their names share, and their values.
type Expected<'a> = &'a [(&'static str, &'a str)];

/// An UPDATE, and what tshark is to say of it: fields with all their values in order.
struct Case {
    message: Vec<u8>,
    fields: Vec<(&'static str, Vec<String>)>,
}

/// A list of fields: the part of the name that is not common to all, and values.
fn fields(prefix: &'static str, list: Expected<'_>) -> Vec<(&'static str, Vec<String>)> {
    let name = |field: &str| -> &'static str { Box::leak(format!("{prefix}{field}").into_boxed_str()) };
    list.iter().map(|(field, value)| (name(field), value.split(',').map(str::to_owned).collect())).collect()
}

fn announce<'a, N: Nlri<'a>>(family: Family, next_hop: IpAddr, nlris: &[N], extra: &[Attribute<'_>]) -> Vec<u8> {
    let negotiated = Negotiated { four_octet_as: true, ..Negotiated::baseline(PeerKind::Internal) };
    let path = AsPathBuf::new();
    let mut attributes =
        vec![Attribute::Origin(Origin::Igp), Attribute::AsPath(path.as_path()), Attribute::LocalPref(100)];
    attributes.extend_from_slice(extra);
    let (mut out, next_hop) = (Vec::new(), NextHop::new(next_hop));
    let mut writer =
        UpdateWriter::announce(&mut out, &negotiated, family, next_hop, &attributes[..], MpPosition::ByType).unwrap();
    assert!(nlris.iter().all(|nlri| writer.push(nlri)));
    writer.finish();
    out
}

/// An I-PMSI A-D route with these attributes.
fn with_attribute(extra: &[Attribute<'_>]) -> Vec<u8> {
    let route = IntraAsIPmsiAd { rd: rd(), originator: PE.into() };
    let nlri = McastVpnNlri::<Ipv4Addr>::new(McastVpnRoute::IntraAsIPmsiAd(route));
    announce(Family::MCAST_VPN_IPV4, PE.into(), &[nlri], extra)
}

/// The messages as frames, each on a connection of its own; what tshark says of each.
fn decode(name: &str, cases: &[Case]) -> Vec<BTreeMap<String, Vec<String>>> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-{name}-{}.pcap", std::process::id()));
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    for (port, case) in (20_000u16..).zip(cases) {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0]);
        frame.extend(u16::try_from(40 + case.message.len()).unwrap().to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 2, 192, 0, 2, 3]);
        frame.extend(port.to_be_bytes());
        frame.extend([0, 179, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
        frame.extend(&case.message);
        writer.frame(Instant::ZERO, &frame).unwrap();
    }
    writer.finish().unwrap().flush().unwrap();
    let mut names: Vec<&str> = cases.iter().flat_map(|case| case.fields.iter().map(|(name, _)| *name)).collect();
    names.push("_ws.malformed");
    names.sort_unstable();
    names.dedup();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-T", "fields", "-E", "occurrence=a", "-E", "separator=/t"]);
    for name in &names {
        tshark.args(["-e", name]);
    }
    let output = tshark.output().expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), cases.len());
    let values = |column: &str| column.split(',').filter(|v| !v.is_empty()).map(str::to_owned).collect();
    lines
        .into_iter()
        .map(|line| names.iter().map(|name| (*name).to_owned()).zip(line.split('\t').map(values)).collect())
        .collect()
}

/// tshark finds what the cases say, and nothing malformed.
fn check(name: &str, cases: &[Case]) {
    for (case, found) in cases.iter().zip(decode(name, cases)) {
        for (field, values) in &case.fields {
            assert_eq!(found.get(*field), Some(values), "{field} in {found:?}");
        }
        assert_eq!(found.get("_ws.malformed").map(Vec::len), Some(0), "{found:?}");
    }
}

/// As tshark writes octets.
const RD: &str = "0000fde900000007";

/// Shows: L3VPN-8.4-1, L3VPN-8.4-2, L3VPN-8.4-3, L3VPN-8.4-6, L3VPN-8.4-7, L3VPN-8.4-8, L3VPN-8.4-9, L3VPN-8.3-7
#[test]
fn tshark_reads_our_mcast_vpn_routes() {
    let (source, group) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(232, 1, 1, 1));
    let join = CMulticast { rd: rd(), source_as: 65001, source, group };
    let s_pmsi = SPmsiAd { rd: rd(), source: Some(source), group: CGroup::Group(group), originator: PE.into() };
    let key = [&[1, 12][..], &rd().octets(), &PE.octets()].concat();
    let leaf = LeafAd { route_key: &key, originator: Ipv4Addr::new(192, 0, 2, 9).into() };
    let key_text = "010c0000fde900000007c0000201";
    let sg = [("source_addr_ipv4", "10.0.0.1"), ("group_addr_ipv4", "232.1.1.1"), ("source_length", "32")];
    let inter = InterAsIPmsiAd { rd: rd(), source_as: 65001 };
    let routes: [(McastVpnRoute<'_, Ipv4Addr>, Expected<'_>); 7] = [
        (
            McastVpnRoute::IntraAsIPmsiAd(IntraAsIPmsiAd { rd: rd(), originator: PE.into() }),
            &[("route_type", "1"), ("length", "12"), ("rd", RD), ("origin_router_ipv4", "192.0.2.1")],
        ),
        (McastVpnRoute::InterAsIPmsiAd(inter), &[("route_type", "2"), ("rd", RD), ("source_as", "65001")]),
        (
            McastVpnRoute::SPmsiAd(s_pmsi),
            &[("route_type", "3"), ("length", "22"), sg[0], sg[1], sg[2], ("origin_router_ipv4", "192.0.2.1")],
        ),
        (
            McastVpnRoute::LeafAd(leaf),
            &[("route_type", "4"), ("route_key", key_text), ("origin_router_ipv4", "192.0.2.9")],
        ),
        (
            McastVpnRoute::SourceActiveAd(SourceActiveAd { rd: rd(), source, group }),
            &[("route_type", "5"), ("length", "18"), ("rd", RD), sg[0], sg[1]],
        ),
        (
            McastVpnRoute::SharedTreeJoin(join),
            &[("route_type", "6"), ("length", "22"), ("rd", RD), ("source_as", "65001"), sg[0], sg[1]],
        ),
        (
            McastVpnRoute::SourceTreeJoin(join),
            &[("route_type", "7"), ("length", "22"), ("rd", RD), ("source_as", "65001"), sg[0], sg[1]],
        ),
    ];
    let mut cases: Vec<Case> = routes
        .into_iter()
        .map(|(route, list)| Case {
            message: announce(Family::MCAST_VPN_IPV4, PE.into(), &[McastVpnNlri::new(route)], &[]),
            fields: fields("bgp.mcast_vpn_nlri_", list),
        })
        .collect();
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let (source, group, pe) = (address("2001:db8::5"), address("ff3e::1"), "2001:db8::1");
    let join = McastVpnRoute::SourceTreeJoin(CMulticast { rd: rd(), source_as: 65001, source, group });
    let (source, group) = (Some(source), CGroup::Group(group));
    let s_pmsi = SPmsiAd { rd: rd(), source, group, originator: pe.parse().unwrap() };
    let sg = [("source_addr_ipv6", "2001:db8::5"), ("group_addr_ipv6", "ff3e::1"), ("source_length", "128")];
    for (route, list) in [
        (join, [("route_type", "7"), ("length", "46"), sg[0], sg[1], sg[2]]),
        (McastVpnRoute::SPmsiAd(s_pmsi), [("route_type", "3"), ("origin_router_ipv6", pe), sg[0], sg[1], sg[2]]),
    ] {
        let message = announce(Family::MCAST_VPN_IPV6, pe.parse().unwrap(), &[McastVpnNlri::new(route)], &[]);
        cases.push(Case { message, fields: fields("bgp.mcast_vpn_nlri_", &list) });
    }
    check("mcast-vpn", &cases);
}

/// Shows: L3VPN-8.3-8, L3VPN-8.3-11, L2VPN-5.3-2, L2VPN-5.3-4
#[test]
fn tshark_reads_our_vpls_evpn_and_membership_routes() {
    let target: RouteTarget = "65001:7".parse().unwrap();
    let membership = RtMembershipNlri { path_id: None, membership: RtMembership::new(65001, target) };
    let label_base = VeBlock::label_octets(Label::new(262_145).unwrap());
    let block = VeBlock { rd: rd(), ve_id: 5, offset: 1, size: 8, label_base, tlvs: &[] };
    let both = [VplsRoute::VeBlock(block), VplsRoute::AutoDiscovery { rd: rd(), pe: PE }];
    let both = both.map(|route| VplsNlri { path_id: None, route });
    let mut cases = vec![
        Case {
            message: announce(Family::RT_CONSTRAINT, PE.into(), &[membership], &[]),
            fields: fields(
                "bgp.",
                &[("prefix_length", "96"), ("originating_as", "65001"), ("community_prefix", "65001:7")],
            ),
        },
        Case {
            message: announce(Family::VPLS, PE.into(), &both, &[]),
            fields: fields(
                "bgp.",
                &[
                    ("vplsad.length", "17,12"),
                    ("vplsad.rd", "65001:7,65001:7"),
                    ("vplsbgp.ce_id", "5"),
                    ("vplsbgp.labelblock.offset", "1"),
                    ("vplsbgp.labelblock.size", "8"),
                    ("ad.pe_addr", "192.0.2.1"),
                ],
            ),
        },
    ];
    let (esi, label) = (Esi([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), PmsiLabel::new(Label::new(100).unwrap()));
    let (rd, tag, pe, mac) = (rd(), 7, IpAddr::from(PE), Mac([2, 0, 0, 0, 0, 1]));
    let ip = Some(IpAddr::from([10, 0, 0, 1]));
    let (prefix, gateway) = (IpAddr::from([10, 0, 0, 0]), IpAddr::from([0; 4]));
    let esi_text = "00:01:02:03:04:05:06:07:08:09";
    let routes: [(EvpnRoute<'_>, Expected<'_>); 5] = [
        (
            EvpnRoute::EthernetAd { rd, esi, tag, label },
            &[("rt", "1"), ("rd", RD), ("esi", esi_text), ("etag", "7"), ("mpls_ls1", "100")],
        ),
        (
            EvpnRoute::MacIp { rd, esi, tag, mac, ip, label, label2: None },
            &[("rt", "2"), ("mac_addr", "02:00:00:00:00:01"), ("ip.addr", "10.0.0.1"), ("mpls_ls1", "100")],
        ),
        (
            EvpnRoute::InclusiveMulticast { rd, tag, originator: pe },
            &[("rt", "3"), ("etag", "7"), ("iplen", "32"), ("ip.addr", "192.0.2.1")],
        ),
        (EvpnRoute::EthernetSegment { rd, esi, originator: pe }, &[("rt", "4"), ("esi", esi_text), ("iplen", "32")]),
        (
            EvpnRoute::IpPrefix { rd, esi: Esi::ZERO, tag, bits: 8, prefix, gateway, label },
            &[("rt", "5"), ("prefix_len", "8"), ("ip.addr", "10.0.0.0"), ("ipv4.gtw_addr", "0.0.0.0")],
        ),
    ];
    cases.extend(routes.into_iter().map(|(route, list)| Case {
        message: announce(Family::EVPN, PE.into(), &[EvpnNlri { path_id: None, route }], &[]),
        fields: fields("bgp.evpn.nlri.", list),
    }));
    check("l2vpn", &cases);
}

/// tshark expects another next hop than RFC 6514 families have, and says so; it reads the route.
///
/// Shows: L3VPN-8.3-9
#[test]
fn tshark_reads_our_mdt_routes() {
    let nlri = MdtNlri { path_id: None, rd: rd(), pe: PE, group: GROUP };
    let list = [("rd", RD), ("ipv4_addr", "192.0.2.1"), ("group_addr", "239.1.1.1")];
    let message = announce(Family::MDT, PE.into(), &[nlri], &[]);
    let case = [Case { message, fields: fields("bgp.mdt_safi_", &list) }];
    let found = decode("mdt", &case);
    for (field, values) in &case[0].fields {
        assert_eq!(found[0].get(*field), Some(values));
    }
}

/// Shows: L3VPN-8.2-8, L3VPN-8.5-1, L3VPN-8.5-2, L3VPN-8.5-3, L3VPN-8.5-4, L3VPN-8.5-5, L3VPN-8.5-6, L3VPN-8.5-7, L3VPN-8.5-8
#[test]
fn tshark_reads_our_pmsi_tunnels() {
    let opaque = [1, 0, 4, 0, 0, 0, 9];
    let root = PE.octets();
    let fec = MldpFec { fec_type: MldpFec::P2MP, address_family: 1, root_octets: &root, opaque: &opaque };
    let mp2mp = MldpFec { fec_type: MldpFec::MP2MP_DOWNSTREAM, ..fec };
    let tree = PimTree::V4 { source: PE, group: GROUP };
    let rsvp = PmsiTunnelId::RsvpTeP2mp { extended_tunnel_id: PE.into(), tunnel_id: 4660, p2mp_id: 0x0102_0304 };
    let fec_fields = [("mldp.fec.root_nodev4", "192.0.2.1"), ("mldp.fec.opaque_value_unique_id_rn", "9")];
    let cases: [(PmsiTunnelId<'_>, Expected<'_>); 8] = [
        (PmsiTunnelId::None, &[("tunnel.type", "0")]),
        // tshark names the fields in another order than RFC 6514 §5: their places are what counts.
        (
            rsvp,
            &[
                ("tunnel.type", "1"),
                ("rsvp.id", "192.0.2.1"),
                ("rsvp.tunnel_id", "4660"),
                ("rsvp.ext_tunnel_idv4", "1.2.3.4"),
            ],
        ),
        (PmsiTunnelId::MldpP2mp(fec), &[("tunnel.type", "2"), ("mldp.fec.type", "6"), fec_fields[0], fec_fields[1]]),
        (
            PmsiTunnelId::PimSsm(tree),
            &[("tunnel.type", "3"), ("pimssm.root_node", "192.0.2.1"), ("pimssm.pmulticast_group", "239.1.1.1")],
        ),
        (
            PmsiTunnelId::PimSm(tree),
            &[("tunnel.type", "4"), ("pimsm.sender_address", "192.0.2.1"), ("pimsm.pmulticast_group", "239.1.1.1")],
        ),
        (PmsiTunnelId::BidirPim(tree), &[("tunnel.type", "5"), ("bidir_pim_tree.sender", "192.0.2.1")]),
        (PmsiTunnelId::IngressReplication(PE.into()), &[("tunnel.type", "6"), ("ingress_rep_ip", "192.0.2.1")]),
        (PmsiTunnelId::MldpMp2mp(mp2mp), &[("tunnel.type", "7"), ("mldp.fec.type", "8"), fec_fields[0], fec_fields[1]]),
    ];
    let label = PmsiLabel::new(Label::new(100).unwrap());
    let cases = cases.map(|(tunnel, list)| {
        let value = PmsiTunnel { flags: PmsiFlags::LEAF_INFORMATION_REQUIRED, label, tunnel };
        let mut fields = fields("bgp.update.path_attribute.pmsi.", list);
        fields.push(("bgp.update.path_attribute.pmsi.tunnel.flags", vec!["1".into()]));
        fields.push(("bgp.update.path_attribute.mpls_label_value_20bits", vec!["100".into()]));
        Case { message: with_attribute(&[Attribute::PmsiTunnel(value)]), fields }
    });
    check("pmsi", &cases);
}

/// Shows: L3VPN-8.6-1, L3VPN-8.6-3, L3VPN-8.6-4, L3VPN-8.6-5, L3VPN-8.6-6, L3VPN-8.6-7, L3VPN-8.6-8, L3VPN-8.6-9, L3VPN-8.6-10,
/// L2VPN-5.3-5, L2VPN-5.3-6
#[test]
fn tshark_reads_our_extended_communities() {
    let address = |community: AddressCommunity| match community {
        AddressCommunity::V4(community) => community,
        AddressCommunity::V6(_) => unreachable!("the address is an IPv4 one"),
    };
    let target: RouteTarget = "65001:7".parse().unwrap();
    let import = VrfRouteImport { address: PE.into(), local: 7 };
    let segmented = SegmentedNextHop { address: PE.into(), local: 0 };
    let options = OspfRouteOptions::TYPE_2_METRIC;
    let ospf = OspfRouteType { area: 51, route_type: OspfRouteType::EXTERNAL, options };
    let layer2 = Layer2Info { encaps: Layer2Info::VPLS, flags: Layer2Flags::CONTROL_WORD, mtu: 1500, reserved: 0 };
    let cases: [(ExtCommunity, Expected<'_>); 18] = [
        (target.community(), &[(".stype_tr_as2", "0x02"), (".value_as2", "65001"), (".value_an4", "7")]),
        (SourceAs(65001).community(), &[(".stype_tr_as2", "0x09"), (".value_as2", "65001")]),
        (SourceAs(4_200_000_000).community(), &[(".stype_tr_as4", "0x09"), (".value_as4", "4200000000")]),
        (address(import.community()), &[(".stype_tr_IP4", "0x0b"), (".value_IP4", "192.0.2.1"), (".value_an2", "7")]),
        (address(segmented.community()), &[(".stype_tr_IP4", "0x12"), (".value_IP4", "192.0.2.1")]),
        (MvpnSaRpAddress(GROUP).community(), &[(".stype_tr_IP4", "0x20"), (".value_IP4", "239.1.1.1")]),
        (ExtranetSource.community(), &[(".type", "0x03"), (".stype_tr_opaque", "0x04")]),
        (ExtranetSeparation.community(), &[(".type", "0x03"), (".stype_tr_opaque", "0x05")]),
        (AdditionalPmsiFlags([0x80, 0, 0, 0, 0, 1]).community(), &[(".stype_tr_opaque", "0x07")]),
        (ospf.community(), &[(".value_ospf_rtype.area", "0.0.0.51"), (".value_ospf_rtype.type", "5")]),
        (OspfRouterId(PE).community(), &[(".stype_tr_IP4", "0x07"), (".value_ospf_rid", "192.0.2.1")]),
        (Encapsulation(TunnelType::GRE).community(), &[(".stype_tr_opaque", "0x0c"), (".tunnel_type", "2")]),
        (Color { flags: 0, value: 100 }.community(), &[(".type", "0x03"), (".stype_tr_opaque", "0x0b")]),
        (layer2.community(), &[("_l2.encaps_type", "19"), ("_l2.flag_c", "1"), ("_l2.l2_mtu", "1500")]),
        (L2vpnId::two_octet_as(65001, 7).community(), &[(".stype_tr_as2", "0x0a"), (".value_an4", "7")]),
        (DefaultGateway.community(), &[(".stype_tr_opaque", "0x0d")]),
        (
            MacMobility { is_sticky: true, sequence: 5 }.community(),
            &[("_evpn.mmac.flags.sticky", "1"), ("_evpn.mmac.seq", "5")],
        ),
        (
            ExtCommunity::two_octet_as(ExtCommunity::ROUTE_ORIGIN, 65001, 8),
            &[(".stype_tr_as2", "0x03"), (".value_an4", "8")],
        ),
    ];
    let cases = cases.map(|(community, list)| {
        let list_of_one: ListBuf<ExtCommunity> = [community].into_iter().collect();
        let message = with_attribute(&[Attribute::ExtCommunities(list_of_one.as_list())]);
        Case { message, fields: fields("bgp.ext_com", list) }
    });
    check("communities", &cases);
}

/// Shows: L3VPN-8.2-9, L3VPN-8.2-14
#[test]
fn tshark_reads_our_other_attributes() {
    let (mut tunnels, mut sub_tlvs) = (Vec::new(), Vec::new());
    SubTlv::GreKey(7).emit(&mut sub_tlvs);
    SubTlv::EgressEndpoint(Some(PE.into())).emit(&mut sub_tlvs);
    Tunnel { tunnel_type: TunnelType::GRE, octets: &sub_tlvs }.emit(&mut tunnels);
    sub_tlvs.clear();
    SubTlv::L2tpv3 { session: 0x0102_0304, cookie: &[9; 8] }.emit(&mut sub_tlvs);
    Tunnel { tunnel_type: TunnelType::L2TPV3, octets: &sub_tlvs }.emit(&mut tunnels);
    let tunnels = TunnelEncapsulation::parse(&tunnels).unwrap();
    let mut sid = Vec::new();
    PrefixSidTlv::LabelIndex { flags: 0, index: 9 }.emit(&mut sid);
    PrefixSidTlv::OriginatorSrgb { flags: 0, blocks: &[0, 0x3e, 0x80, 0, 0x1f, 0x40] }.emit(&mut sid);
    let set = AttrSet { origin_as: 65001, octets: &[0x40, 5, 4, 0, 0, 0, 200] };
    check(
        "attributes",
        &[
            Case {
                message: with_attribute(&[Attribute::TunnelEncapsulation(tunnels)]),
                fields: fields(
                    "bgp.update.encaps_tunnel_",
                    &[
                        ("tlv_type", "2,1"),
                        ("tlv_len", "18,14"),
                        ("subtlv_type", "1,6,1"),
                        ("tlv_subtlv_gre_key", "7"),
                        ("tlv_subtlv_session_id", "16909060"),
                    ],
                ),
            },
            Case {
                message: with_attribute(&[Attribute::PrefixSid(PrefixSid::parse(&sid).unwrap())]),
                fields: fields(
                    "bgp.prefix_sid.",
                    &[("label_index.value", "9"), ("originator_srgb_base", "16000"), ("originator_srgb_range", "8000")],
                ),
            },
            Case {
                message: with_attribute(&[Attribute::AttrSet(set)]),
                fields: fields("bgp.update.path_attribute.attr_set.", &[("origin_as", "65001")]),
            },
        ],
    );
}
