//! `parse(emit(x)) == x` for every value of the service families' NLRI, of the communities and attributes that go with them.

use std::fmt::Debug;
use std::net::{Ipv4Addr, Ipv6Addr};

use arbitrary::{Arbitrary, Unstructured};
use bgp_vpn::attr::ext_community::{
    AdditionalPmsiFlags, AddressCommunity, AddressTarget, Color, DefaultGateway, Encapsulation, ExtranetSeparation,
    ExtranetSource, L2vpnId, Layer2Info, MacMobility, MvpnSaRpAddress, OspfDomainId, OspfRouteType, OspfRouterId,
    SegmentedNextHop, SourceAs, TypedCommunity, VrfRouteImport,
};
use bgp_vpn::attr::{
    AsWidth, AttrSet, Attribute, Attributes, BfdDiscriminator, ExtCommunities, ExtCommunity, ListBuf,
    PeDistinguisherLabels, PmsiTunnel, PrefixSid, RawSubTlv, SubTlv, Tunnel, TunnelEncapsulation, TunnelType,
};
use bgp_vpn::nlri::{
    EvpnNlri, Family, McastVplsNlri, McastVpnNlri, MdtNlri, Nlri, NlriFormat, Nlris, RtMembershipNlri, VplsNlri,
    VpnMulticastNlri, VrMembershipNlri, check_field, emit_field,
};
use fwd_core::Malformed;
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use proptest::prelude::*;

/// A field of values is as long as they say and is read as they are; without the path identifiers where the session has none.
fn nlris<'a, N: Nlri<'a> + Arbitrary<'a> + Debug>(octets: &'a [u8], field: &'a mut Vec<u8>, family: Family) {
    let mut u = Unstructured::new(octets);
    let routes: Vec<N> = (0..12).filter_map(|_| u.arbitrary().ok()).collect();
    let (format, mut len) = (NlriFormat { add_path: true, multiple_labels: false }, 0);
    for route in &routes {
        route.emit(format, field);
        len += route.wire_len(format);
    }
    let field = &*field;
    assert_eq!((field.len(), check_field(family, field, format)), (len, Ok(routes.len())), "{family}");
    let mut again = Vec::new();
    emit_field(family, field, format, &mut again);
    assert_eq!(&again, field, "{family}");
    let read: Result<Vec<N>, Malformed> = Nlris::new(field, format).collect();
    let mut out = Vec::new();
    let read = read.unwrap();
    for (read, written) in read.iter().zip(&routes) {
        // A missing identifier is read as 0, all else as it was: both are written alike.
        let plain = NlriFormat { add_path: false, ..format };
        out.clear();
        read.emit(plain, &mut out);
        let mut wanted = Vec::new();
        written.emit(plain, &mut wanted);
        assert_eq!((&out, out.len()), (&wanted, read.wire_len(plain)), "{written:?}");
    }
    assert_eq!(read.len(), routes.len());
}

/// What a typed community says survives its octets, alone and in a list.
fn typed<'a, T: TypedCommunity + Arbitrary<'a> + PartialEq + Debug>(u: &mut Unstructured<'a>) -> arbitrary::Result<()> {
    let value: T = u.arbitrary()?;
    let other: ExtCommunity = u.arbitrary()?;
    assert_eq!(T::from_community(value.community()).as_ref(), Some(&value));
    let list: ListBuf<ExtCommunity> = [other, value.community()].into_iter().collect();
    let list = ExtCommunities::parse(list.as_list().octets()).unwrap();
    assert!(list.all::<T>().any(|found| found == value) && list.first::<T>().is_some());
    Ok(())
}

fn communities(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    typed::<SourceAs>(u)?;
    typed::<MvpnSaRpAddress>(u)?;
    typed::<AdditionalPmsiFlags>(u)?;
    typed::<ExtranetSource>(u)?;
    typed::<ExtranetSeparation>(u)?;
    typed::<OspfDomainId>(u)?;
    typed::<OspfRouteType>(u)?;
    typed::<OspfRouterId>(u)?;
    typed::<Color>(u)?;
    typed::<Encapsulation>(u)?;
    typed::<Layer2Info>(u)?;
    typed::<L2vpnId>(u)?;
    typed::<MacMobility>(u)?;
    typed::<DefaultGateway>(u)?;
    let import: VrfRouteImport = u.arbitrary()?;
    assert_eq!(VrfRouteImport::from_community(import.community()), Some(import));
    let hop: SegmentedNextHop = u.arbitrary()?;
    assert_eq!(SegmentedNextHop::from_community(hop.community()), Some(hop));
    let target: AddressTarget = import.c_multicast_import();
    let is_target = match target.community() {
        AddressCommunity::V4(community) => community.is_route_target(),
        AddressCommunity::V6(community) => community.is_route_target(),
    };
    assert!(is_target && AddressTarget::from_community(target.community()) == Some(target));
    Ok(())
}

/// Attributes with a structure: alone, and as written among the attributes of a route.
fn attributes(octets: &[u8]) -> arbitrary::Result<()> {
    let u = || Unstructured::new(octets);
    fn same<'a>(value: Attribute<'a>, len: usize, parsed: impl FnOnce(&[u8]) -> bool, octets: &[u8]) {
        assert_eq!(octets.len(), len, "{value:?}");
        assert!(parsed(octets), "{value:?}");
        let mut out = Vec::new();
        value.emit(AsWidth::Four, &mut out);
        assert_eq!(out.len(), value.wire_len(AsWidth::Four));
        // Behind a longer header it stays octets.
        if len > 255 {
            assert_eq!(out[4..], *octets);
            return;
        }
        assert_eq!(Attributes::of_canonical(&out).values().collect::<Vec<_>>(), [value]);
    }
    let mut out = Vec::new();
    let pmsi: PmsiTunnel<'_> = u().arbitrary()?;
    pmsi.emit(&mut out);
    same(Attribute::PmsiTunnel(pmsi), pmsi.wire_len(), |o| PmsiTunnel::parse(o) == Ok(pmsi), &out);
    out.clear();
    let labels: PeDistinguisherLabels<'_> = u().arbitrary()?;
    labels.emit(&mut out);
    let parsed = |o: &[u8]| PeDistinguisherLabels::parse(o) == Ok(labels);
    same(Attribute::PeDistinguisherLabels(labels), labels.wire_len(), parsed, &out);
    out.clear();
    let bfd: BfdDiscriminator<'_> = u().arbitrary()?;
    bfd.emit(&mut out);
    same(Attribute::BfdDiscriminator(bfd), bfd.wire_len(), |o| BfdDiscriminator::parse(o) == Ok(bfd), &out);
    out.clear();
    let sid: PrefixSid<'_> = u().arbitrary()?;
    sid.emit(&mut out);
    same(Attribute::PrefixSid(sid), sid.wire_len(), |o| PrefixSid::parse(o) == Ok(sid), &out);
    out.clear();
    let set: AttrSet<'_> = u().arbitrary()?;
    set.emit(&mut out);
    same(Attribute::AttrSet(set), set.wire_len(), |o| AttrSet::parse(o) == Ok(set), &out);
    Ok(())
}

fn tunnels(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let attribute: TunnelEncapsulation<'_> = u.arbitrary()?;
    let mut out = Vec::new();
    attribute.tunnels().for_each(|tunnel| tunnel.emit(&mut out));
    assert_eq!((TunnelEncapsulation::parse(&out), out.len()), (Ok(attribute), attribute.wire_len()));
    let (tunnel_type, mut octets) = (*u.choose(&[TunnelType::GRE, TunnelType::L2TPV3])?, Vec::new());
    let sub_tlv: SubTlv<'_> = u.arbitrary()?;
    sub_tlv.emit(&mut octets);
    assert_eq!(octets.len(), sub_tlv.wire_len());
    let tunnel = Tunnel { tunnel_type, octets: &octets };
    let read = tunnel.sub_tlvs().next().unwrap();
    let (_, raw) = RawSubTlv::take(&octets).unwrap();
    // A session or key belongs to one type of tunnel, and is octets in another.
    assert!(read == sub_tlv || matches!(read, SubTlv::Other(_) | SubTlv::L2tpv3 { .. } | SubTlv::GreKey(_)));
    let mut again = Vec::new();
    SubTlv::of(raw, tunnel_type).emit(&mut again);
    if !matches!(read, SubTlv::EgressEndpoint(_)) {
        assert_eq!(again, octets, "{read:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Shows: L3VPN-8.3-6, L3VPN-8.3-7, L3VPN-8.3-8, L3VPN-8.3-9, L3VPN-8.3-11
    #[test]
    fn every_service_nlri(octets in prop::collection::vec(any::<u8>(), 100..1_500)) {
        nlris::<McastVpnNlri<'_, Ipv4Addr>>(&octets, &mut Vec::new(), Family::MCAST_VPN_IPV4);
        nlris::<McastVpnNlri<'_, Ipv6Addr>>(&octets, &mut Vec::new(), Family::MCAST_VPN_IPV6);
        nlris::<McastVplsNlri<'_>>(&octets, &mut Vec::new(), Family::MCAST_VPLS);
        nlris::<EvpnNlri<'_>>(&octets, &mut Vec::new(), Family::EVPN);
        nlris::<VplsNlri<'_>>(&octets, &mut Vec::new(), Family::VPLS);
        nlris::<MdtNlri>(&octets, &mut Vec::new(), Family::MDT);
        nlris::<VrMembershipNlri>(&octets, &mut Vec::new(), Family::VR_MEMBERSHIP_IPV4);
        nlris::<VpnMulticastNlri<Ipv4Prefix>>(&octets, &mut Vec::new(), Family::VPN_IPV4_MULTICAST);
        nlris::<VpnMulticastNlri<Ipv6Prefix>>(&octets, &mut Vec::new(), Family::VPN_IPV6_MULTICAST);
        nlris::<RtMembershipNlri>(&octets, &mut Vec::new(), Family::RT_CONSTRAINT);
    }

    /// Shows: L3VPN-8.6-3, L3VPN-8.6-4, L3VPN-8.6-5, L3VPN-8.6-6, L3VPN-8.6-7, L3VPN-8.6-8, L3VPN-8.6-9, L3VPN-8.6-10, L3VPN-8.6-11
    #[test]
    fn every_community(octets in prop::collection::vec(any::<u8>(), 300..400)) {
        communities(&mut Unstructured::new(&octets)).unwrap();
    }

    /// Shows: L3VPN-8.2-8, L3VPN-8.2-11, L3VPN-8.2-13, L3VPN-8.2-14
    #[test]
    fn every_attribute(octets in prop::collection::vec(any::<u8>(), 300..900)) {
        attributes(&octets).unwrap();
    }

    /// Shows: L3VPN-8.2-9
    #[test]
    fn every_tunnel(octets in prop::collection::vec(any::<u8>(), 50..400)) {
        tunnels(&mut Unstructured::new(&octets)).unwrap();
    }
}
