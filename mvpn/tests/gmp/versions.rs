//! Hosts and routers of older versions (RFC 3376 §7; RFC 3810 §8).

use mvpn::gmp::{EventKind, Message, Query, RecordType, ResponseCode, Version};

use crate::both;
use crate::lan::{Family, IF, Lan};

both! {
    /// Shows: MVPN-CEPE-5
    a_version_2_member_makes_the_group_version_2
    /// Shows: MVPN-CEPE-5
    a_router_of_version_2_speaks_it
    queries_of_another_version_are_an_event
}

/// Version 1, which MLD has not.
///
/// Shows: MVPN-CEPE-5
#[test]
fn a_version_1_member_makes_leaves_void() {
    use std::net::Ipv4Addr;
    let mut lan = Lan::<Ipv4Addr>::new();
    let (group, all) = (Ipv4Addr::group(1), "224.0.0.2".parse().unwrap());
    lan.message(Ipv4Addr::host(20), group, &Message::ReportV1(group));
    assert_eq!(lan.router.compatibility(IF, group), Version::V1);
    lan.take_sent();
    lan.message(Ipv4Addr::host(21), all, &Message::Leave(group));
    lan.report(21, RecordType::TO_INCLUDE, group, &[]);
    assert_eq!(lan.take_sent().len(), 0, "a version 1 member would not answer");
    lan.secs(200);
    lan.message(Ipv4Addr::host(22), group, &Message::ReportV2(group));
    lan.secs(60);
    assert_eq!(lan.router.compatibility(IF, group), Version::V2, "the version 1 host is forgotten");
    lan.message(Ipv4Addr::host(22), all, &Message::Leave(group));
    assert_eq!(lan.take_sent().iter().filter(|s| s.group == group).count(), 1);
    lan.secs(2);
    assert!(!lan.any(group));
    assert_eq!(lan.router.compatibility(IF, group), Version::V3);
    // A query of version 1 has no code.
    let mut old = Lan::<Ipv4Addr>::with(|c| c.version = Version::V1);
    let sent = old.take_sent();
    assert_eq!((sent[0].version, sent[0].response.as_millis()), (Version::V1, 0));
}

mod generic {
    use super::*;

    pub fn a_version_2_member_makes_the_group_version_2<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::group(1);
        lan.message(A::host(20), group, &Message::ReportV2(group));
        assert!(lan.any(group));
        assert_eq!(lan.router.compatibility(IF, group), Version::V2);
        // Block, and the sources of TO_EX, are ignored: the version 2 member wants them all.
        lan.report(21, RecordType::TO_EXCLUDE, group, &[1]);
        lan.report(21, RecordType::BLOCK, group, &[2]);
        assert_eq!(lan.members.len(), 1);
        assert!(lan.router.filter(IF, group).unwrap().is_empty());
        lan.take_sent();
        lan.message(A::host(20), A::ALL_ROUTERS, &Message::Leave(group));
        assert_eq!(lan.take_sent().len(), 1);
        lan.secs(2);
        assert!(!lan.any(group));
        // The older host present timer runs out while a version 3 member refreshes.
        lan.message(A::host(20), group, &Message::ReportV2(group));
        lan.secs(259);
        lan.report(21, RecordType::IS_EXCLUDE, group, &[]);
        lan.secs(1);
        assert_eq!(lan.router.compatibility(IF, group), Version::V3);
        lan.report(21, RecordType::BLOCK, group, &[2]);
        assert_eq!(lan.router.filter(IF, group).unwrap().len(), 1);
    }

    pub fn a_router_of_version_2_speaks_it<A: Family>() {
        let mut lan = Lan::<A>::with(|c| c.version = Version::V2);
        let group = A::group(1);
        assert_eq!(lan.take_sent()[0].version, Version::V2);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        assert_eq!(lan.members, [], "version 3 is not understood");
        lan.message(A::host(20), group, &Message::ReportV2(group));
        assert!(lan.any(group));
        lan.message(A::host(20), A::ALL_ROUTERS, &Message::Leave(group));
        let sent = lan.take_sent();
        assert_eq!((sent[0].version, sent[0].group), (Version::V2, group));
    }

    pub fn queries_of_another_version_are_an_event<A: Family>() {
        let mut lan = Lan::<A>::new();
        let response = A::ResponseCode::of(std::time::Duration::from_secs(10));
        let query = Query { group: A::UNSPECIFIED, response, v3: None };
        for _ in 0..5 {
            lan.message(A::host(11), A::ALL_SYSTEMS, &Message::Query(query));
        }
        lan.secs(10);
        lan.message(A::host(11), A::ALL_SYSTEMS, &Message::Query(query));
        let kind = EventKind::QueryVersion(Version::V2);
        assert_eq!(lan.events, [(kind, 1), (kind, 5)], "at once, then counted");
    }
}
