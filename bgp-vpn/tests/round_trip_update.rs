//! `parse(emit(x)) == x` for every value of attributes, NLRI and whole UPDATEs.

use arbitrary::{Arbitrary, Unstructured};
use bgp_vpn::attr::{
    Aggregator, As4Aggregator, As4Path, AsPath, AsPathBuf, AsWidth, AtomicAggregate, Attribute, Attributes,
    ClusterList, Communities, ExtCommunities, Ipv6ExtCommunities, LargeCommunities, LocalPref, MultiExitDisc, NextHop,
    NextHopAttribute, Origin, OriginatorId, RawAttribute,
};
use bgp_vpn::message::{FaultAction, Header, MpPosition, Update, UpdateWriter};
use bgp_vpn::nlri::{Family, LabeledNlri, Labels, Nlri, NlriFormat, UnicastNlri, VpnNlri, check_field, emit_field};
use bgp_vpn::session::{Negotiated, PeerKind};
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use proptest::prelude::*;

/// A value's octets are as many as it says, and are read as the value.
macro_rules! round_trip {
    ($u:expr, $($type:ty),+) => {$({
        let value: $type = $u.arbitrary()?;
        let mut out = Vec::new();
        value.emit(&mut out);
        assert_eq!(out.len(), value.wire_len(), stringify!($type));
        assert_eq!(<$type>::parse(&out), Ok(value), stringify!($type));
    })+};
}

fn attributes(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    round_trip!(u, Origin, MultiExitDisc, LocalPref, OriginatorId, NextHopAttribute, AtomicAggregate, As4Aggregator);
    round_trip!(u, Communities<'_>, ClusterList<'_>, ExtCommunities<'_>, Ipv6ExtCommunities<'_>, LargeCommunities<'_>);
    round_trip!(u, RawAttribute<'_>);
    let aggregator = Aggregator { asn: u.int_in_range(0..=65535)?, ..u.arbitrary()? };
    let path: AsPathBuf = u.arbitrary()?;
    for width in [AsWidth::Two, AsWidth::Four] {
        let mut out = Vec::new();
        aggregator.emit(width, &mut out);
        assert_eq!((out.len(), Aggregator::parse(&out, width)), (aggregator.wire_len(width), Ok(aggregator)));
        out.clear();
        path.as_path().emit(width, &mut out);
        assert_eq!(out.len(), path.as_path().wire_len(width));
        let again = AsPath::parse(&out, width).unwrap();
        assert_eq!(again.hop_count(), path.as_path().hop_count());
        if width == AsWidth::Four || !path.as_path().needs_as4() {
            assert_eq!(AsPathBuf::from(again), path);
        }
    }
    if let Some(as4) = As4Path::of(path.as_path()) {
        let mut out = Vec::new();
        as4.emit(&mut out);
        assert_eq!((out.len(), As4Path::parse(&out)), (as4.wire_len(), Ok(as4)));
    }
    Ok(())
}

fn nlris<'a, N: Nlri<'a> + Arbitrary<'a> + PartialEq + std::fmt::Debug>(
    u: &mut Unstructured<'a>,
    family: Family,
) -> arbitrary::Result<()> {
    let n = u.int_in_range(1..=20)?;
    let routes: Vec<N> = (0..n).filter_map(|_| u.arbitrary().ok()).collect();
    let format = NlriFormat { add_path: u.arbitrary()?, multiple_labels: true };
    let (mut out, mut len) = (Vec::new(), 0);
    for route in &routes {
        route.emit(format, &mut out);
        len += route.wire_len(format);
    }
    assert_eq!(out.len(), len);
    // Without path identifiers they are not on the wire; with them a missing one is 0: what is read is written the same.
    let mut again = Vec::new();
    emit_field(family, &out, format, &mut again);
    assert_eq!(again, out);
    assert_eq!(check_field(family, &out, format), Ok(routes.len()));
    Ok(())
}

/// The values of an UPDATE that a session takes without a fault.
struct Values {
    negotiated: Negotiated,
    origin: Origin,
    path: AsPathBuf,
    med: Option<u32>,
    local_pref: u32,
    aggregator: Option<Aggregator>,
    communities: Vec<u8>,
    unknown: Option<(u8, Vec<u8>)>,
    next_hop: NextHop,
    position: MpPosition,
}

impl Values {
    fn arbitrary(u: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let kind = if u.arbitrary()? { PeerKind::Internal } else { PeerKind::External };
        let mut negotiated = Negotiated { four_octet_as: u.arbitrary()?, ..Negotiated::baseline(kind) };
        let families = [Family::IPV4_UNICAST, Family::IPV4_MULTICAST, Family::IPV4_LABELED_UNICAST, Family::VPN_IPV4];
        negotiated.extended_next_hop.extend(families);
        let n = u.int_in_range(0..=300)?;
        let asns: Vec<u32> = (0..n).map(|_| u.arbitrary()).collect::<arbitrary::Result<_>>()?;
        Ok(Self {
            negotiated,
            origin: u.arbitrary()?,
            path: AsPathBuf::sequence(asns),
            med: u.arbitrary()?,
            local_pref: u.arbitrary()?,
            aggregator: u.arbitrary()?,
            communities: u.arbitrary::<[u8; 16]>()?.to_vec(),
            unknown: if u.arbitrary()? { Some((u.int_in_range(129..=255)?, u.arbitrary()?)) } else { None },
            next_hop: u.arbitrary()?,
            position: if u.arbitrary()? { MpPosition::First } else { MpPosition::ByType },
        })
    }

    /// The attributes as octets with 4-octet AS numbers.
    fn canonical(&self) -> Vec<u8> {
        let communities = Communities::parse(&self.communities).unwrap();
        let mut all = vec![
            Attribute::Origin(self.origin),
            Attribute::AsPath(self.path.as_path()),
            Attribute::Communities(communities),
        ];
        all.extend(self.med.map(Attribute::MultiExitDisc));
        all.extend(self.aggregator.map(Attribute::Aggregator));
        if self.negotiated.peer_kind == PeerKind::Internal {
            all.push(Attribute::LocalPref(self.local_pref));
        }
        let flags = bgp_vpn::attr::AttrFlags::OPTIONAL_TRANSITIVE | bgp_vpn::attr::AttrFlags::PARTIAL;
        if let Some((code, value)) = &self.unknown {
            let attr_type = bgp_vpn::attr::AttrType(*code);
            all.push(Attribute::Raw(RawAttribute { flags, attr_type, value }));
        }
        let mut out = Vec::new();
        Attribute::emit_all(&all, AsWidth::Four, &mut out);
        out
    }

    /// Announces and withdraws the routes; reads both.
    fn check<'a, N>(&self, family: Family, routes: &[N])
    where
        N: Nlri<'a> + PartialEq + std::fmt::Debug,
    {
        let canonical = self.canonical();
        let mut attributes = Vec::new();
        match AsWidth::of(&self.negotiated) {
            AsWidth::Four => attributes.clone_from(&canonical),
            AsWidth::Two => Attribute::emit_two_octet(&canonical, &mut attributes),
        }
        let (mut octets, negotiated) = (Vec::new(), &self.negotiated);
        for route in routes {
            route.emit(negotiated.send_format(family), &mut octets);
        }
        let next_hop = self.next_hop.in_family(family);
        let announce = |out: &mut Vec<u8>, position| {
            let mut writer = UpdateWriter::announce(out, negotiated, family, next_hop, &attributes, position).unwrap();
            assert!(routes.iter().all(|route| writer.push(route)));
            writer.finish()
        };
        let mut message = Vec::new();
        let len = announce(&mut message, self.position);
        assert_eq!((message.len(), len > 0), (len, !routes.is_empty()));
        if routes.is_empty() {
            return;
        }
        let update = Update::parse(&message[Header::LEN..], negotiated).unwrap();
        // A next hop that no host has is the one fault that these values may have.
        assert!(update.faults().iter().all(|f| f.malformed.field == "NEXT_HOP"), "{:?}", update.faults());
        assert_eq!(update.check_nlri(), Ok(()));
        let (field, hop) = match update.mp_reach() {
            Some(reach) => (reach.nlri, reach.next_hop()),
            None => (update.nlri_octets().1, update.attributes().next_hop().map(NextHop::Ipv4)),
        };
        assert_eq!((field, hop), (&octets[..], Some(next_hop)), "{family}");
        let mut again = Vec::new();
        update.attributes().emit_canonical(&mut again);
        assert_eq!(again, canonical, "{family}");
        assert_eq!(Attributes::of_canonical(&again).as_path().unwrap(), self.path.as_path());
        let mut body = Vec::new();
        update.emit(&mut body);
        assert_eq!(body, message[Header::LEN..]);
    }
}

/// Routes of every family that this crate reads, behind one set of attributes.
fn updates(data: &[u8]) -> arbitrary::Result<()> {
    let mut u = Unstructured::new(data);
    let values = Values::arbitrary(&mut u)?;
    let n = u.int_in_range(0..=30)?;
    let prefixes4: Vec<Ipv4Prefix> = (0..n).map(|_| u.arbitrary()).collect::<arbitrary::Result<_>>()?;
    let prefixes6: Vec<Ipv6Prefix> = (0..n).map(|_| u.arbitrary()).collect::<arbitrary::Result<_>>()?;
    let labels = Labels::WITHDRAW;
    let rd = u.arbitrary()?;
    for family in [Family::IPV4_UNICAST, Family::IPV4_MULTICAST] {
        values.check(family, &prefixes4.iter().map(|p| UnicastNlri { path_id: None, prefix: *p }).collect::<Vec<_>>());
    }
    for family in [Family::IPV6_UNICAST, Family::IPV6_MULTICAST] {
        values.check(family, &prefixes6.iter().map(|p| UnicastNlri { path_id: None, prefix: *p }).collect::<Vec<_>>());
    }
    let labeled4: Vec<_> = prefixes4.iter().map(|p| LabeledNlri { path_id: None, labels, prefix: *p }).collect();
    values.check(Family::IPV4_LABELED_UNICAST, &labeled4);
    let labeled6: Vec<_> = prefixes6.iter().map(|p| LabeledNlri { path_id: None, labels, prefix: *p }).collect();
    values.check(Family::IPV6_LABELED_UNICAST, &labeled6);
    let vpn4: Vec<_> = prefixes4.iter().map(|p| VpnNlri { path_id: None, labels, rd, prefix: *p }).collect();
    values.check(Family::VPN_IPV4, &vpn4);
    let vpn6: Vec<_> = prefixes6.iter().map(|p| VpnNlri { path_id: None, labels, rd, prefix: *p }).collect();
    values.check(Family::VPN_IPV6, &vpn6);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Shows: L3VPN-8.2-1, L3VPN-8.2-2, L3VPN-8.2-4, L3VPN-8.2-6, L3VPN-8.2-7, L3VPN-8.2-10, L3VPN-8.2-12
    #[test]
    fn every_attribute(octets in prop::collection::vec(any::<u8>(), 2_000..6_000)) {
        attributes(&mut Unstructured::new(&octets)).unwrap();
    }

    /// Shows: L3VPN-FEA-2, L3VPN-8.3-1, L3VPN-8.3-3, L3VPN-8.3-4, L3VPN-8.3-5
    #[test]
    fn every_form_of_nlri(octets in prop::collection::vec(any::<u8>(), 100..1_000)) {
        let u = || Unstructured::new(&octets);
        nlris::<UnicastNlri<Ipv4Prefix>>(&mut u(), Family::IPV4_UNICAST).unwrap();
        nlris::<UnicastNlri<Ipv6Prefix>>(&mut u(), Family::IPV6_UNICAST).unwrap();
        nlris::<LabeledNlri<'_, Ipv4Prefix>>(&mut u(), Family::IPV4_LABELED_UNICAST).unwrap();
        nlris::<LabeledNlri<'_, Ipv6Prefix>>(&mut u(), Family::IPV6_LABELED_UNICAST).unwrap();
        nlris::<VpnNlri<'_, Ipv4Prefix>>(&mut u(), Family::VPN_IPV4).unwrap();
        nlris::<VpnNlri<'_, Ipv6Prefix>>(&mut u(), Family::VPN_IPV6).unwrap();
    }

    /// Shows: L3VPN-FEA-2, L3VPN-8.2-5, L3VPN-8.3-1, L3VPN-8.3-2, L3VPN-8.3-3, L3VPN-8.3-4, L3VPN-8.3-5
    #[test]
    fn whole_updates(octets in prop::collection::vec(any::<u8>(), 500..3_000)) {
        updates(&octets).unwrap();
    }

    /// Octets from anywhere: no panic, and what the faults ask for is what the table allows.
    #[test]
    fn octets_from_anywhere(body in prop::collection::vec(any::<u8>(), 0..300), four in any::<bool>(), internal in any::<bool>()) {
        let kind = if internal { PeerKind::Internal } else { PeerKind::External };
        let negotiated = Negotiated { four_octet_as: four, ..Negotiated::baseline(kind) };
        if let Ok(update) = Update::parse(&body, &negotiated) {
            let _ = update.check_nlri();
            prop_assert_eq!(update.notification().is_some(), update.action() == Some(FaultAction::SessionReset));
            let mut out = Vec::new();
            update.emit(&mut out);
            prop_assert_eq!(out.len(), body.len());
        }
    }
}
