//! What a hostile or mistaken host may cost, and what is refused.

use crate::both;

both! {
    /// Shows: VPLS-SEC-6
    messages_from_elsewhere_are_dropped
    groups_sources_and_hosts_are_limited
    /// Shows: MVPN-CEPE-3, MVPN-CEPE-4
    the_ssm_range_takes_no_joins_of_all_sources_unless_mapped
    filters_refuse_groups_and_sources
    a_flood_is_cut_to_its_rate
}

mod generic {
    use mvpn::gmp::{EventKind, FilterLine, Membership, Message, RecordType, ReportBuf, SsmMapping};

    use crate::lan::{Family, IF, Lan};

    pub fn messages_from_elsewhere_are_dropped<A: Family>() {
        let mut lan = Lan::<A>::new();
        let group = A::group(1);
        let mut report = ReportBuf::new();
        report.push(RecordType::TO_EXCLUDE, group, []);
        let mut octets = Vec::new();
        let (from, to) = (A::host(20), A::ALL_REPORT_ROUTERS);
        A::emit_message(&Message::ReportV3(report.as_report()), from, to, &mut octets);
        lan.datagram(from, to, 64, true, &octets);
        lan.datagram(from, to, 1, false, &octets);
        let mut wrong = octets.clone();
        *wrong.last_mut().unwrap() ^= 1;
        lan.datagram(from, to, 1, true, &wrong);
        assert_eq!(lan.members, []);
        let counters = lan.router.counters(IF).unwrap();
        assert_eq!((counters.unacceptable, counters.malformed), (2, 1));
        assert_eq!(lan.events, [(EventKind::Unacceptable, 1), (EventKind::Malformed, 1)]);
        // A report from no address is one of a host that is booting.
        let mut octets = Vec::new();
        A::emit_message(&Message::ReportV3(report.as_report()), A::UNSPECIFIED, to, &mut octets);
        lan.datagram(A::UNSPECIFIED, to, 1, true, &octets);
        assert!(lan.any(group));
        // In IPv4 a report must come from the subnet, in IPv6 from a link-local address.
        let mut lan = Lan::<A>::with(|c| c.subnets = vec![A::host(0).prefix(24).unwrap()]);
        let mut octets = Vec::new();
        A::emit_message(&Message::ReportV3(report.as_report()), A::source(1), to, &mut octets);
        lan.datagram(A::source(1), to, 1, true, &octets);
        assert_eq!(lan.members, []);
        lan.report(20, RecordType::TO_EXCLUDE, group, &[]);
        assert!(lan.any(group));
    }

    pub fn groups_sources_and_hosts_are_limited<A: Family>() {
        let mut lan = Lan::<A>::with(|c| {
            c.tracking = true;
            c.limits.groups = 3;
            c.limits.sources = 2;
            c.limits.groups_per_host = 2;
        });
        for n in 1..=3 {
            lan.report(20, RecordType::TO_EXCLUDE, A::group(n), &[]);
        }
        assert_eq!(lan.router.groups(IF).count(), 2, "of one host");
        lan.report(21, RecordType::TO_EXCLUDE, A::group(3), &[]);
        lan.report(22, RecordType::TO_EXCLUDE, A::group(4), &[]);
        assert_eq!(lan.router.groups(IF).count(), 3, "of the interface");
        // What is there may go on, and go, and then there is room.
        lan.report(20, RecordType::IS_EXCLUDE, A::group(1), &[]);
        lan.report(20, RecordType::TO_INCLUDE, A::group(1), &[]);
        lan.report(22, RecordType::ALLOW, A::group(4), &[1, 2, 3]);
        assert_eq!(lan.router.filter(IF, A::group(4)).unwrap().len(), 2, "sources of a group");
        lan.report(22, RecordType::ALLOW, A::group(4), &[1, 4]);
        assert_eq!(lan.router.filter(IF, A::group(4)).unwrap().len(), 2);
        let kinds: Vec<_> = lan.events.iter().map(|e| e.0).collect();
        assert_eq!(kinds, [EventKind::HostLimit, EventKind::GroupLimit, EventKind::SourceLimit]);
        assert_eq!(lan.router.counters(IF).unwrap().limited, 4);
    }

    pub fn the_ssm_range_takes_no_joins_of_all_sources_unless_mapped<A: Family>() {
        let mut lan = Lan::<A>::with(|c| {
            let sources = vec![A::source(1), A::source(2)];
            c.ssm_mapping = vec![SsmMapping { groups: A::ssm_group(7).prefix(A::BITS).unwrap(), sources }];
        });
        lan.report(20, RecordType::TO_EXCLUDE, A::ssm_group(1), &[]);
        lan.message(A::host(20), A::ssm_group(1), &Message::ReportV2(A::ssm_group(1)));
        assert_eq!((lan.members.len(), &lan.events[..]), (0, &[(EventKind::SsmRange, 1)][..]));
        let mapped = A::ssm_group(7);
        lan.message(A::host(20), mapped, &Message::ReportV2(mapped));
        let include = |n| (mapped, Membership::Include(A::source(n)));
        assert_eq!(lan.members, [include(1), include(2)]);
        lan.message(A::host(20), A::ALL_ROUTERS, &Message::Leave(mapped));
        lan.secs(2);
        assert_eq!(lan.members, []);
    }

    pub fn filters_refuse_groups_and_sources<A: Family>() {
        let mut lan = Lan::<A>::with(|c| {
            let line =
                |permit, group: A, sources| FilterLine { permit, groups: group.prefix(A::BITS).unwrap(), sources };
            c.filter = vec![
                line(true, A::ssm_group(1), A::source(1).prefix(A::BITS)),
                line(false, A::ssm_group(1), None),
                line(false, A::group(1), None),
            ];
        });
        lan.report(20, RecordType::ALLOW, A::ssm_group(1), &[1, 2]);
        lan.report(20, RecordType::TO_EXCLUDE, A::group(1), &[]);
        assert_eq!(lan.members, [(A::ssm_group(1), Membership::Include(A::source(1)))]);
        lan.report(20, RecordType::TO_EXCLUDE, A::group(2), &[]);
        assert!(lan.any(A::group(2)), "any other group is permitted");
        assert_eq!(lan.router.counters(IF).unwrap().filtered, 2);
    }

    pub fn a_flood_is_cut_to_its_rate<A: Family>() {
        let mut lan = Lan::<A>::with(|c| c.limits.records_per_second = 100);
        lan.secs(10);
        for n in 0..=255 {
            lan.report(20, RecordType::TO_EXCLUDE, A::group(n), &[]);
        }
        // A report costs one token, and each of its records another.
        assert_eq!(lan.router.groups(IF).count(), 50);
        assert_eq!(lan.events, [(EventKind::Rate, 1)]);
        lan.secs(1);
        lan.report(20, RecordType::TO_EXCLUDE, A::group(200), &[]);
        assert!(lan.any(A::group(200)));
        assert!(lan.router.counters(IF).unwrap().rate > 200);
    }
}
