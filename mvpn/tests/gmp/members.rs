//! Joins, leaves and expiry (RFC 3376 §6.3 to §6.6; RFC 3810 §7.3 to §7.6).

use std::net::Ipv4Addr;

use fwd_core::mib::{Groups, Objects as _, Oid, Value};
use mvpn::gmp::RecordType;

use crate::both;
use crate::lan::{Family as _, Lan};

both! {
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    a_member_of_all_sources_lasts_the_membership_interval
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    sources_are_included_and_excluded_one_by_one
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    exclude_falls_back_to_include_of_what_is_still_asked_for
    explicit_tracking_acts_on_the_last_members_leave_at_once
    fast_leave_acts_on_every_leave_at_once
    static_joins_are_members_that_never_leave
    groups_of_the_link_are_no_members
    an_interface_that_goes_takes_its_members_along
}

mod generic {
    use std::time::Duration;

    use mvpn::gmp::{Filter, Membership, RecordType};

    use crate::lan::{Family, IF, Lan};

    pub fn a_member_of_all_sources_lasts_the_membership_interval<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::group(1);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        assert_eq!(lan.members, [(group, Membership::AnySource)]);
        assert_eq!(lan.router.group_timer(IF, group), Some(Duration::from_secs(260)));
        lan.secs(200);
        lan.report(20, RecordType::IS_EXCLUDE, group, &[]);
        lan.secs(259);
        assert!(lan.any(group));
        lan.secs(1);
        assert_eq!(lan.members, []);
        assert_eq!(lan.router.groups(IF).count(), 0);
    }

    pub fn sources_are_included_and_excluded_one_by_one<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::ssm_group(1);
        lan.report(20, RecordType::ALLOW, group, &[1, 2]);
        lan.secs(100);
        lan.report(21, RecordType::IS_INCLUDE, group, &[2]);
        let include = |n| (group, Membership::Include(A::source(n)));
        assert_eq!(lan.members, [include(1), include(2)]);
        lan.secs(160);
        assert_eq!(lan.members, [include(2)]);
        lan.secs(100);
        assert_eq!(lan.members, []);
        let group = A::group(1);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[3]);
        let of_all = (group, Membership::AnySource);
        assert_eq!(lan.members, [of_all, (group, Membership::Exclude(A::source(3)))]);
        lan.report(21, RecordType::ALLOW, group, &[3]);
        assert_eq!(lan.members, [of_all]);
    }

    pub fn exclude_falls_back_to_include_of_what_is_still_asked_for<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::group(1);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        lan.secs(100);
        lan.report(21, RecordType::IS_INCLUDE, group, &[1]);
        assert_eq!(lan.members, [(group, Membership::AnySource)]);
        lan.secs(160);
        assert_eq!(lan.members, [(group, Membership::Include(A::source(1)))]);
        assert_eq!(lan.router.filter(IF, group), Some(&Filter::Include([A::source(1)].into())));
        lan.secs(100);
        assert_eq!(lan.members, []);
    }

    pub fn explicit_tracking_acts_on_the_last_members_leave_at_once<A: Family>() {
        let mut lan = Lan::<A>::with(|c| c.tracking = true);
        let group = A::group(1);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        lan.report(21, RecordType::TO_EXCLUDE, group, &[]);
        lan.take_sent();
        assert_eq!(lan.router.hosts(IF, group).collect::<Vec<_>>(), [A::host(20), A::host(21)]);
        lan.report(20, RecordType::TO_INCLUDE, group, &[]);
        assert!(lan.any(group), "another member is there");
        lan.report(21, RecordType::TO_INCLUDE, group, &[]);
        assert_eq!(lan.members, [], "nobody is there, and nobody was asked");
        let group = A::ssm_group(1);
        lan.report(20, RecordType::ALLOW, group, &[1]);
        lan.report(21, RecordType::ALLOW, group, &[1, 2]);
        lan.report(21, RecordType::BLOCK, group, &[1, 2]);
        assert_eq!(lan.members, [(group, Membership::Include(A::source(1)))]);
        lan.report(20, RecordType::BLOCK, group, &[1]);
        assert_eq!(lan.members, []);
        assert_eq!(lan.router.hosts(IF, group).count(), 0);
    }

    pub fn fast_leave_acts_on_every_leave_at_once<A: Family>() {
        let mut lan = Lan::<A>::with(|c| c.fast_leave = true);
        lan.take_sent();
        lan.report(20, RecordType::TO_EXCLUDE, A::group(1), &[]);
        lan.report(20, RecordType::TO_INCLUDE, A::group(1), &[]);
        assert_eq!((lan.members.len(), lan.take_sent().len()), (0, 0));
    }

    pub fn static_joins_are_members_that_never_leave<A: Family>() {
        let mut lan = Lan::<A>::new();
        let (group, ssm) = (A::group(1), A::ssm_group(1));
        lan.router.join(lan.now, IF, group, None).unwrap();
        lan.router.join(lan.now, IF, ssm, Some(A::source(1))).unwrap();
        lan.drain();
        let fixed = [(group, Membership::AnySource), (ssm, Membership::Include(A::source(1)))];
        let mut sorted = fixed.to_vec();
        sorted.sort();
        assert_eq!(lan.members, sorted);
        // What members say of other sources comes and goes beside it.
        lan.report(20, RecordType::ALLOW, ssm, &[1, 2]);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[7]);
        assert_eq!(lan.members.len(), 3, "nobody excludes a source of a static join of all");
        lan.secs(1000);
        assert_eq!(lan.members, sorted);
        lan.router.leave(lan.now, IF, group, None);
        lan.router.leave(lan.now, IF, ssm, Some(A::source(1)));
        lan.drain();
        assert_eq!(lan.members, []);
        assert!(lan.router.join(lan.now, IF, A::ssm_group(1), None).is_err());
        assert!(lan.router.join(lan.now, IF, A::ALL_SYSTEMS, None).is_err());
        assert!(lan.router.join(lan.now, fwd_core::net::IfIndex(9), group, None).is_err());
    }

    pub fn groups_of_the_link_are_no_members<A: Family>() {
        let mut lan = Lan::<A>::new();
        lan.report(20, RecordType::TO_EXCLUDE, A::ALL_PIM_ROUTERS, &[]);
        lan.report(20, RecordType::TO_EXCLUDE, A::ALL_SYSTEMS, &[]);
        lan.report(20, RecordType::TO_EXCLUDE, A::source(1), &[]);
        assert_eq!(lan.router.groups(IF).count(), 0);
    }

    pub fn an_interface_that_goes_takes_its_members_along<A: Family>() {
        let mut lan = Lan::<A>::with(|c| c.tracking = true);
        lan.report(20, RecordType::TO_EXCLUDE, A::group(1), &[]);
        lan.report(20, RecordType::ALLOW, A::ssm_group(1), &[1]);
        lan.router.remove_interface(lan.now, IF);
        lan.drain();
        assert_eq!((lan.members.len(), lan.router.next_timeout()), (0, None));
    }
}

/// MGMD-STD-MIB has the interface, the group and its sources.
///
/// Shows: L3VPN-8.11-5
#[test]
fn groups_and_sources_are_instances_of_the_mib() {
    let mut lan = Lan::<Ipv4Addr>::new();
    lan.report(20, RecordType::ALLOW, Ipv4Addr::group(1), &[1]);
    lan.secs(10);
    let (interfaces, cache) = (lan.router.interface_table(lan.now), lan.router.cache_table(lan.now));
    let sources = lan.router.source_table(lan.now);
    let all = Groups(&[&interfaces, &cache, &sources]);
    let get = |text: &str| {
        let ids: Vec<u32> = "1.3.6.1.2.1.185.1".split('.').chain(text.split('.')).map(|n| n.parse().unwrap()).collect();
        all.get(&Oid::new(&ids))
    };
    // mgmdRouterInterfaceQuerier, QueryMaxResponseTime in tenths, Groups.
    assert_eq!(get("2.1.3.1.1"), Some(Value::Octets(vec![192, 0, 2, 10])));
    assert_eq!(get("2.1.7.1.1"), Some(Value::Unsigned(100)));
    assert_eq!(get("2.1.13.1.1"), Some(Value::Unsigned(1)));
    // mgmdRouterCacheExpiryTime and SourceFilterMode, mgmdRouterSrcListExpire: 260 s less ten.
    assert_eq!(get("4.1.6.1.4.239.1.1.1.1"), Some(Value::Ticks(25_000)));
    assert_eq!(get("4.1.10.1.4.239.1.1.1.1"), Some(Value::Integer(1)));
    assert_eq!(get("8.1.5.1.4.239.1.1.1.1.4.198.51.100.1"), Some(Value::Ticks(25_000)));
}
