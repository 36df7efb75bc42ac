//! Arbitrary stimuli against a router of either family, with its invariants. The fuzz target `drive_gmp` runs it, too.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::IfIndex;
use fwd_core::net::{ReplicationId, RpfSetId, VrfId};
use fwd_core::op::FwdOp;
use fwd_core::time::Instant;
use mvpn::gmp::{
    GmpProxy, GmpRouter, HostConfig, InterfaceConfig, Membership, Message, Protocol, ProxyConfig, ProxyOutput, Query,
    RecordType, ReportBuf, RouterConfig, RouterInput, RouterOutput,
};

const IF: IfIndex = IfIndex(1);

/// Runs the octets as stimuli, on IPv4 or IPv6 as the first says.
pub fn run(data: &[u8]) {
    let [family, data @ ..] = data else { return };
    let mut u = Unstructured::new(data);
    if family & 2 != 0 {
        let _ = drive_proxy(&mut u);
        return;
    }
    let _ = if family & 1 == 0 {
        drive::<Ipv4Addr>(&mut u, |n| Ipv4Addr::new(192, 0, 2, n), |n| Ipv4Addr::new(232 + (n & 1), 1, 1, n))
    } else {
        drive::<Ipv6Addr>(
            &mut u,
            |n| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(n)),
            |n| Ipv6Addr::new(if n & 1 == 0 { 0xff3e } else { 0xff1e }, 0, 0, 0, 0, 0, 0x8000, u16::from(n)),
        )
    };
}

fn drive<'a, A>(u: &mut Unstructured<'a>, host: fn(u8) -> A, group: fn(u8) -> A) -> arbitrary::Result<()>
where
    A: Protocol<ResponseCode: Arbitrary<'a>> + Arbitrary<'a>,
{
    let mut now = Instant::ZERO;
    let mut config = InterfaceConfig::new(host(10));
    config.tracking = u.arbitrary()?;
    config.fast_leave = u.ratio(1, 8)?;
    (config.limits.groups, config.limits.sources, config.limits.groups_per_host) = (6, 5, 4);
    let mut router = GmpRouter::new(now, RouterConfig { groups: 5, ..RouterConfig::default() }).unwrap();
    router.add_interface(now, IF, config).unwrap();
    let mut told = BTreeSet::new();
    while !u.is_empty() {
        let (from, g) = (host(u.int_in_range(1..=20)?), group(u.int_in_range(1..=8)?));
        match u.int_in_range(0..=7)? {
            0 => {
                now = now + Duration::from_millis(u64::from(u.arbitrary::<u16>()?) * 4);
                while router.next_timeout().is_some_and(|at| at <= now) {
                    router.handle_timeout(now);
                }
            }
            1 => {
                let octets: Vec<u8> = u.arbitrary()?;
                input(&mut router, now, from, g, &octets);
            }
            2 => {
                let query: Query<'_, A> =
                    Query { group: if u.arbitrary()? { g } else { A::UNSPECIFIED }, ..u.arbitrary()? };
                let to = if query.is_general() { A::ALL_SYSTEMS } else { g };
                message(&mut router, now, from, to, &Message::Query(query));
            }
            3 => message(&mut router, now, from, g, &Message::ReportV2(g)),
            4 => message(&mut router, now, from, A::ALL_ROUTERS, &Message::Leave(g)),
            _ => {
                let mut report = ReportBuf::new();
                for _ in 0..u.int_in_range(1..=3)? {
                    let n = u.int_in_range(0..=4)?;
                    let sources: Vec<A> = (0..n).filter_map(|_| Some(host(u.int_in_range(30..=40).ok()?))).collect();
                    report.push(RecordType(u.int_in_range(0..=7)?), group(u.int_in_range(1..=8)?), sources);
                }
                message(&mut router, now, from, A::ALL_REPORT_ROUTERS, &Message::ReportV3(report.as_report()));
            }
        }
        if u.ratio(3, 4)? {
            drain(&mut router, &mut told);
        }
        check(&router);
    }
    // Everybody falls silent: nothing stays.
    for _ in 0..8 {
        now = now + Duration::from_secs(40_000);
        while router.next_timeout().is_some_and(|at| at <= now) {
            router.handle_timeout(now);
        }
        drain(&mut router, &mut told);
    }
    assert!(told.is_empty() && router.groups(IF).count() == 0);
    Ok(())
}

fn message<A: Protocol>(router: &mut GmpRouter<A>, now: Instant, from: A, to: A, message: &Message<'_, A>) {
    let mut octets = Vec::new();
    A::emit_message(message, from, to, &mut octets);
    input(router, now, from, to, &octets);
}

fn input<A: Protocol>(router: &mut GmpRouter<A>, now: Instant, source: A, destination: A, octets: &[u8]) {
    let input = RouterInput::Datagram { iface: IF, source, destination, hop_limit: 1, router_alert: true, octets };
    router.handle_input(now, input);
}

/// Changes of membership alternate, and a source is not both included and excluded.
fn drain<A: Protocol>(router: &mut GmpRouter<A>, told: &mut BTreeSet<(A, Membership<A>)>) {
    while let Some(output) = router.poll_output() {
        match output {
            RouterOutput::Membership { group, membership, present, .. } => {
                let changed =
                    if present { told.insert((group, membership)) } else { told.remove(&(group, membership)) };
                assert!(changed, "{group} {membership:?} {present}");
            }
            RouterOutput::Datagram { source, destination, octets, .. } => {
                assert!(A::parse_message(&octets, source, destination).is_ok());
                assert!(octets.len() <= 1232);
            }
            RouterOutput::Event(_) => {}
        }
    }
    for &(group, membership) in told.iter() {
        let any = told.contains(&(group, Membership::AnySource));
        match membership {
            Membership::AnySource => {}
            Membership::Include(_) => assert!(!any),
            Membership::Exclude(_) => assert!(any),
        }
    }
}

fn check<A: Protocol>(router: &GmpRouter<A>) {
    let mut members = 0;
    for group in router.groups(IF) {
        let Some(filter) = router.filter(IF, group) else { continue };
        members += 1;
        assert!(filter.len() <= 5, "more sources than allowed");
        assert_eq!(filter.is_exclude(), router.group_timer(IF, group).is_some(), "group timer");
        for source in filter.timed() {
            assert!(router.source_timer(IF, group, *source).is_some(), "a source without its timer");
        }
        assert!(!filter.is_exclude() || !group.is_ssm_group(), "a join of all sources in the SSM range");
    }
    assert!(members <= 5, "more groups than allowed");
}

/// A proxy with two downstream interfaces and few numbers: its ops fit together, and it always has an answer for silence.
fn drive_proxy(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (mut now, up) = (Instant::ZERO, IfIndex(9));
    let host = |n: u8| Ipv4Addr::new(192, 0, 2, n);
    let config = ProxyConfig {
        vrf: VrfId(1),
        upstream: up,
        address: host(50),
        host: HostConfig { groups: 4, ..HostConfig::default() },
        router: RouterConfig::default(),
        replication: 1..=6,
        rpf_set: RpfSetId(1),
    };
    let mut proxy = GmpProxy::new(now, config).unwrap();
    for n in 1..=2 {
        proxy.add_downstream(now, IfIndex(n), InterfaceConfig::new(host(10))).unwrap();
    }
    let (mut routes, mut groups) = (std::collections::BTreeMap::new(), BTreeSet::<ReplicationId>::new());
    while !u.is_empty() {
        let (iface, from) = (*u.choose(&[IfIndex(1), IfIndex(2), up])?, host(u.int_in_range(1..=20)?));
        let g = Ipv4Addr::new(232 + u.int_in_range(0..=1)?, 1, 1, u.int_in_range(1..=6)?);
        let mut octets = Vec::new();
        let to = match u.int_in_range(0..=4)? {
            0 => {
                now = now + Duration::from_millis(u64::from(u.arbitrary::<u16>()?) * 4);
                proxy.handle_timeout(now);
                continue;
            }
            1 => {
                octets = u.arbitrary()?;
                g
            }
            2 => {
                let query: Query<'_, Ipv4Addr> =
                    Query { group: if u.arbitrary()? { g } else { Ipv4Addr::UNSPECIFIED }, ..u.arbitrary()? };
                let to = if query.is_general() { Ipv4Addr::new(224, 0, 0, 1) } else { g };
                Ipv4Addr::emit_message(&Message::Query(query), from, to, &mut octets);
                to
            }
            _ => {
                let mut report = ReportBuf::new();
                let n = u.int_in_range(0..=3)?;
                let sources: Vec<_> = (0..n).filter_map(|_| Some(host(u.int_in_range(30..=33).ok()?))).collect();
                report.push(RecordType(u.int_in_range(1..=6)?), g, sources);
                let to = Ipv4Addr::new(224, 0, 0, 22);
                Ipv4Addr::emit_message(&Message::ReportV3(report.as_report()), from, to, &mut octets);
                to
            }
        };
        let input = RouterInput::Datagram {
            iface,
            source: from,
            destination: to,
            hop_limit: 1,
            router_alert: true,
            octets: &octets,
        };
        proxy.handle_input(now, input);
        while let Some(output) = proxy.poll_output() {
            match output {
                ProxyOutput::Program(FwdOp::SetReplication { id, .. }) => assert!(groups.insert(id)),
                ProxyOutput::Program(FwdOp::ClearReplication { id }) => {
                    assert!(groups.remove(&id) && !routes.values().any(|r| *r == id));
                }
                ProxyOutput::Program(FwdOp::SetMroute { key, mroute, .. }) => {
                    assert!(mroute.replication.is_some_and(|id| groups.contains(&id)));
                    routes.extend(mroute.replication.map(|id| (key, id)));
                }
                ProxyOutput::Program(FwdOp::ClearMroute { key, .. }) => assert!(routes.remove(&key).is_some()),
                ProxyOutput::Datagram { source, destination, octets, .. } => {
                    assert!(Ipv4Addr::parse_message(&octets, source, destination).is_ok());
                }
                _ => {}
            }
        }
        assert!(groups.len() <= 6 && routes.len() == groups.len());
    }
    Ok(())
}
