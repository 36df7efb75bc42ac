//! Decoding a full UPDATE allocates nothing.

use bgp_vpn::attr::{AsPathBuf, AsWidth, Attribute, ClusterId, ExtCommunity, ListBuf, NextHop, Origin};
use bgp_vpn::message::{Header, MpPosition, Update, UpdateWriter, frame_len};
use bgp_vpn::nlri::{Family, Labels, RouteDistinguisher, VpnNlri};
use bgp_vpn::session::{Negotiated, PeerKind};
use fwd_core::net::{Ipv4Prefix, Label};

/// A message with every base attribute and as many VPN-IPv4 routes as fit.
fn full(negotiated: &Negotiated) -> (Vec<u8>, u32) {
    let path = AsPathBuf::sequence([65010, 4_200_000_020]);
    let clusters: ListBuf<_> = [ClusterId(1), ClusterId(2)].into_iter().collect();
    let target = ExtCommunity::two_octet_as(ExtCommunity::ROUTE_TARGET, 65000, 1);
    let communities: ListBuf<_> = [target].into_iter().collect();
    let attributes = [
        Attribute::Origin(Origin::Igp),
        Attribute::AsPath(path.as_path()),
        Attribute::MultiExitDisc(10),
        Attribute::LocalPref(100),
        Attribute::OriginatorId([192, 0, 2, 11].into()),
        Attribute::ClusterList(clusters.as_list()),
        Attribute::ExtCommunities(communities.as_list()),
    ];
    let (mut octets, mut out, mut routes) = (Vec::new(), Vec::new(), 0u32);
    Attribute::emit_all(&attributes, AsWidth::Four, &mut octets);
    let next_hop = NextHop::Ipv4([192, 0, 2, 11].into());
    let (family, position) = (Family::VPN_IPV4, MpPosition::First);
    let mut writer = UpdateWriter::announce(&mut out, negotiated, family, next_hop, &octets, position).unwrap();
    loop {
        let label = Labels::encode(Label::new(16 + routes).unwrap());
        let nlri = VpnNlri {
            path_id: None,
            labels: Labels::from_octets(&label).unwrap(),
            rd: RouteDistinguisher::two_octet_as(65000, routes),
            prefix: Ipv4Prefix::from_bits(0x0a00_0000 | (routes << 8), 24).unwrap(),
        };
        if !writer.push(&nlri) {
            break;
        }
        routes += 1;
    }
    writer.finish();
    (out, routes)
}

#[test]
fn evaluating_a_policy_allocates_nothing() {
    use bgp_vpn::policy::{AsPathMatch, Match, Policy, PolicyRoute, PrefixRange, Set, Statement, Then};
    let target = ExtCommunity::two_octet_as(ExtCommunity::ROUTE_TARGET, 65000, 1);
    let communities: ListBuf<_> = [target].into_iter().collect();
    let path = AsPathBuf::sequence([65010, 65020]);
    let attributes = [
        Attribute::Origin(Origin::Igp),
        Attribute::AsPath(path.as_path()),
        Attribute::ExtCommunities(communities.as_list()),
    ];
    let mut octets = Vec::new();
    Attribute::emit_all(&attributes, AsWidth::Four, &mut octets);
    let prefix = "10.0.0.0/8".parse().unwrap();
    let refuse = |m| Statement { matches: vec![m], sets: vec![], then: Then::Reject };
    let target = bgp_vpn::attr::RouteTarget::from_community(target).unwrap();
    let statements = vec![
        refuse(Match::Prefix(vec![PrefixRange { prefix, lengths: 17..=32 }])),
        refuse(Match::AsPath(AsPathMatch::Contains(65030))),
        Statement {
            matches: vec![Match::RouteTarget(vec![target])],
            sets: vec![Set::LocalPref(200)],
            then: Then::Accept,
        },
    ];
    let policy = Policy { statements, otherwise: Then::Reject };
    let prefix = "10.1.0.0/16".parse().unwrap();
    let route = PolicyRoute { prefix, rd: None, next_hop: None, attributes: &octets };
    let counted = allocation_counter::measure(|| {
        let applied = policy.evaluate(&route);
        assert!(applied.is_some_and(|applied| !applied.is_empty()));
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn decoding_a_full_update_allocates_nothing() {
    let negotiated = Negotiated { four_octet_as: true, ..Negotiated::baseline(PeerKind::Internal) };
    let (message, routes) = full(&negotiated);
    assert!(message.len() > 4096 - 16 && message.len() <= 4096, "{}", message.len());
    let mut read = 0;
    let counted = allocation_counter::measure(|| {
        assert_eq!(frame_len(&message, 4096), Ok(Some(message.len())));
        let update = Update::parse(&message[Header::LEN..], &negotiated).unwrap();
        assert!(update.faults().is_empty() && update.check_nlri().is_ok());
        let a = update.attributes();
        assert!(a.origin().is_some() && a.med() == Some(10) && a.local_pref() == Some(100));
        assert_eq!(a.as_path().unwrap().hop_count(), 2);
        assert_eq!(a.ext_communities().unwrap().iter().count(), 1);
        assert_eq!(a.cluster_list().unwrap().iter().count(), 2);
        assert!(a.originator_id().is_some() && a.unknown_transitive().next().is_none());
        let reach = update.mp_reach().unwrap();
        assert!(reach.next_hop().is_some());
        for nlri in reach.nlris::<VpnNlri<'_, Ipv4Prefix>>() {
            assert_eq!(nlri.unwrap().labels.top().value(), 16 + read);
            read += 1;
        }
    });
    assert_eq!((read, counted.count_total), (routes, 0));
    // The counter counts.
    assert!(allocation_counter::measure(|| drop(std::hint::black_box(vec![0u8; 100]))).count_total > 0);
}
