//! Queries and querier election (RFC 3376 §6.6; RFC 3810 §7.6).

use crate::both;

both! {
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    a_querier_asks_at_startup_and_then_at_the_query_interval
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    the_lowest_address_is_querier_until_it_falls_silent
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    a_leave_is_followed_by_queries_and_by_nothing_if_a_member_answers
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    a_blocked_source_is_asked_for_alone
    another_queriers_query_lowers_our_timers
    a_querier_that_says_other_values_is_followed
    many_sources_are_asked_for_in_several_queries
}

mod generic {
    use std::time::Duration;

    use mvpn::gmp::{EventKind, Membership, Message, Query, RecordType, ResponseCode, Version};

    use crate::lan::{Family, IF, Lan};

    pub fn a_querier_asks_at_startup_and_then_at_the_query_interval<A: Family>() {
        let mut lan = Lan::<A>::new();
        let sent = lan.take_sent();
        assert_eq!((sent.len(), sent[0].to, sent[0].group), (1, A::ALL_SYSTEMS, A::UNSPECIFIED));
        assert_eq!((sent[0].response, sent[0].version), (Duration::from_secs(10), Version::V3));
        lan.pass(Duration::from_millis(31_249));
        assert_eq!(lan.take_sent().len(), 0);
        lan.pass(Duration::from_millis(1));
        assert_eq!(lan.take_sent().len(), 1);
        lan.secs(124);
        assert_eq!(lan.take_sent().len(), 0);
        lan.secs(1);
        assert_eq!(lan.take_sent().len(), 1);
    }

    pub fn the_lowest_address_is_querier_until_it_falls_silent<A: Family>() {
        let mut lan = Lan::<A>::new();
        lan.query(11, A::UNSPECIFIED, false, 2, 125);
        assert!(lan.router.is_querier(IF), "11 is higher");
        lan.query(9, A::UNSPECIFIED, false, 2, 125);
        assert_eq!(lan.router.querier(IF), Some(A::host(9)));
        lan.query(5, A::UNSPECIFIED, false, 2, 125);
        lan.query(9, A::UNSPECIFIED, false, 2, 125);
        assert_eq!(lan.router.querier(IF), Some(A::host(5)));
        assert_eq!(lan.events, [(EventKind::NonQuerier, 1)], "events are limited in rate");
        lan.take_sent();
        lan.secs(254);
        assert_eq!(lan.take_sent().len(), 0);
        lan.secs(1);
        assert!(lan.router.is_querier(IF));
        assert_eq!(lan.take_sent().len(), 1);
        // A snooping switch asks from no address: it is never elected.
        lan.query(5, A::UNSPECIFIED, false, 2, 125);
        assert!(!lan.router.is_querier(IF));
        lan.secs(300);
        let query = Message::Query(Query { group: A::UNSPECIFIED, response: A::ResponseCode::ZERO, v3: None });
        lan.message(A::UNSPECIFIED, A::ALL_SYSTEMS, &query);
        assert!(lan.router.is_querier(IF));
    }

    pub fn a_leave_is_followed_by_queries_and_by_nothing_if_a_member_answers<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::group(1);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        lan.take_sent();
        lan.report(20, RecordType::TO_INCLUDE, group, &[]);
        let sent = lan.take_sent();
        assert_eq!((sent.len(), sent[0].to, sent[0].group), (1, group, group));
        assert_eq!((sent[0].response, sent[0].suppress), (Duration::from_secs(1), false));
        assert_eq!(lan.router.group_timer(IF, group), Some(Duration::from_secs(2)));
        lan.pass(Duration::from_millis(1500));
        assert_eq!(lan.take_sent().len(), 1, "repeated once");
        assert!(lan.any(group));
        lan.secs(1);
        assert!(!lan.any(group));
        // A member answers: its timer is raised, and the repeated query says so by the S flag.
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        lan.report(20, RecordType::TO_INCLUDE, group, &[]);
        lan.report(21, RecordType::IS_EXCLUDE, group, &[]);
        lan.take_sent();
        lan.secs(1);
        assert_eq!(lan.take_sent().iter().map(|s| s.suppress).collect::<Vec<_>>(), [true]);
        lan.secs(3);
        assert!(lan.any(group));
    }

    pub fn a_blocked_source_is_asked_for_alone<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::ssm_group(1);
        lan.report(20, RecordType::ALLOW, group, &[1, 2, 3]);
        lan.take_sent();
        lan.report(20, RecordType::BLOCK, group, &[1, 2]);
        let sent = lan.take_sent();
        assert_eq!(sent.len(), 1);
        assert_eq!((&sent[0].sources[..], sent[0].suppress), (&[A::source(1), A::source(2)][..], false));
        // Source 2 is wanted by another: it goes into a query of its own with the S flag.
        lan.report(21, RecordType::IS_INCLUDE, group, &[2]);
        lan.secs(1);
        let sent = lan.take_sent();
        let asked: Vec<_> = sent.iter().map(|s| (s.suppress, s.sources.clone())).collect();
        assert_eq!(asked, [(true, vec![A::source(2)]), (false, vec![A::source(1)])]);
        lan.secs(1);
        let include = |n| (group, Membership::Include(A::source(n)));
        assert_eq!(lan.members, [include(2), include(3)]);
        assert_eq!(lan.take_sent().len(), 0, "as often as the last member query count");
    }

    pub fn another_queriers_query_lowers_our_timers<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::group(1);
        lan.query(5, A::UNSPECIFIED, false, 2, 125);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        lan.take_sent();
        lan.report(20, RecordType::TO_INCLUDE, group, &[]);
        assert_eq!(lan.take_sent().len(), 0, "the querier asks, not we");
        lan.query(5, group, true, 2, 125);
        assert_eq!(lan.router.group_timer(IF, group), Some(Duration::from_secs(260)), "the S flag");
        lan.query(7, group, false, 2, 125);
        assert_eq!(lan.router.group_timer(IF, group), Some(Duration::from_secs(260)), "not the querier");
        lan.query(5, group, false, 2, 125);
        assert_eq!(lan.router.group_timer(IF, group), Some(Duration::from_secs(2)));
    }

    pub fn a_querier_that_says_other_values_is_followed<A: Family>() {
        let mut lan = Lan::<A>::new();
        lan.query(5, A::UNSPECIFIED, false, 3, 60);
        lan.report(20, RecordType::TO_EXCLUDE, A::group(1), &[]);
        assert_eq!(lan.router.group_timer(IF, A::group(1)), Some(Duration::from_secs(3 * 60 + 10)));
        // Zero says nothing.
        lan.query(5, A::UNSPECIFIED, false, 0, 0);
        lan.report(20, RecordType::TO_EXCLUDE, A::group(1), &[]);
        assert_eq!(lan.router.group_timer(IF, A::group(1)), Some(Duration::from_secs(260)));
        lan.secs(256);
        assert!(lan.router.is_querier(IF));
        lan.report(20, RecordType::TO_EXCLUDE, A::group(1), &[]);
        assert_eq!(lan.router.group_timer(IF, A::group(1)), Some(Duration::from_secs(260)));
    }

    pub fn many_sources_are_asked_for_in_several_queries<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::ssm_group(1);
        let all: Vec<u8> = (1..=200).collect();
        lan.report(20, RecordType::ALLOW, group, &all);
        lan.take_sent();
        lan.report(20, RecordType::BLOCK, group, &all);
        let sent = lan.take_sent();
        assert_eq!(sent.iter().map(|s| s.sources.len()).sum::<usize>(), 200);
        assert!(sent.iter().all(|s| s.sources.len() * A::LEN <= 1204));
    }
}
