//! The host side against the router side, and against queriers of older versions.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::time::Instant;
use mvpn::gmp::{
    GmpHost, HostConfig, HostFilter, HostOutput, Membership, Message, Query, QueryBits, QueryV3, RecordType,
    ResponseCode, RouterInput, Version,
};

use crate::lan::{Family, IF, Lan};

/// What a host said: records of version 3, or the group of an older message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said<A> {
    Record(RecordType, A, Vec<A>),
    Report(Version, A),
    Leave(A),
}

struct Host<A: Family> {
    host: GmpHost<A>,
    now: Instant,
    said: Vec<(Instant, Said<A>)>,
    /// Whole datagrams, for a router.
    sent: Vec<HostOutput<A>>,
}

impl<A: Family> Host<A> {
    fn new() -> Self {
        let now = Instant::ZERO;
        let mut host = GmpHost::new(now, HostConfig { seed: 3, ..HostConfig::default() }).unwrap();
        host.add_interface(now, IF, A::host(20)).unwrap();
        Self { host, now, said: Vec::new(), sent: Vec::new() }
    }

    fn drain(&mut self) {
        while let Some(output) = self.host.poll_output() {
            match A::parse_message(&output.octets, output.source, output.destination).unwrap() {
                Message::ReportV3(report) => {
                    for r in report.records {
                        self.said.push((self.now, Said::Record(r.kind, r.group, r.sources.iter().collect())));
                    }
                }
                Message::ReportV1(group) => self.said.push((self.now, Said::Report(Version::V1, group))),
                Message::ReportV2(group) => self.said.push((self.now, Said::Report(Version::V2, group))),
                Message::Leave(group) => self.said.push((self.now, Said::Leave(group))),
                other => panic!("{other:?}"),
            }
            self.sent.push(output);
        }
    }

    fn listen(&mut self, group: A, exclude: bool, sources: &[A]) {
        let filter = HostFilter { exclude, sources: sources.iter().copied().collect() };
        self.host.listen(self.now, IF, group, filter).unwrap();
        self.drain();
    }

    fn wait(&mut self, d: Duration) {
        let end = self.now + d;
        while let Some(at) = self.host.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.host.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn hear(&mut self, to: A, message: &Message<'_, A>) {
        let mut octets = Vec::new();
        A::emit_message(message, A::host(1), to, &mut octets);
        let (source, octets) = (A::host(1), &octets[..]);
        let input =
            RouterInput::Datagram { iface: IF, source, destination: to, hop_limit: 1, router_alert: true, octets };
        self.host.handle_input(self.now, input);
        self.drain();
    }

    fn query(&mut self, group: Option<A>, version: Version, sources: &[A]) {
        let sources: mvpn::gmp::AddressesBuf<A> = sources.iter().copied().collect();
        let v3 = QueryV3 {
            bits: QueryBits::new(false, 2),
            interval: mvpn::gmp::IntervalCode(125),
            sources: sources.as_addresses(),
            additional: &[],
        };
        let response = match version {
            Version::V1 => A::ResponseCode::ZERO,
            _ => A::ResponseCode::of(Duration::from_secs(10)),
        };
        let query =
            Query { group: group.unwrap_or(A::UNSPECIFIED), response, v3: (version == Version::V3).then_some(v3) };
        self.hear(group.unwrap_or(A::ALL_SYSTEMS), &Message::Query(query));
    }

    fn take(&mut self) -> Vec<Said<A>> {
        self.said.drain(..).map(|(_, said)| said).collect()
    }
}

/// RFC 3376 §5.1: what changed is said at once and, the robustness being 2, once more within a second.
fn changes_are_said_twice<A: Family>() {
    let mut host = Host::<A>::new();
    let (g, s) = (A::group(1), [A::source(1), A::source(2), A::source(3)]);
    let record = |kind, sources: &[A]| Said::Record(kind, g, sources.to_vec());
    host.listen(g, true, &[]);
    host.wait(Duration::from_secs(1));
    assert_eq!(host.take(), vec![record(RecordType::TO_EXCLUDE, &[]); 2]);
    host.listen(g, true, &s[..1]);
    host.wait(Duration::from_secs(1));
    assert_eq!(host.take(), vec![record(RecordType::BLOCK, &s[..1]); 2]);
    host.listen(g, false, &s[..2]);
    host.wait(Duration::from_secs(1));
    assert_eq!(host.take(), vec![record(RecordType::TO_INCLUDE, &s[..2]); 2]);
    // One source goes and another comes: two records in each report.
    host.listen(g, false, &s[1..]);
    host.wait(Duration::from_secs(1));
    let both = [record(RecordType::ALLOW, &s[2..]), record(RecordType::BLOCK, &s[..1])];
    assert_eq!(host.take(), [both.clone(), both].concat());
    host.listen(g, false, &[]);
    host.wait(Duration::from_secs(1));
    assert_eq!(host.take(), vec![record(RecordType::BLOCK, &s[1..]); 2]);
    host.query(None, Version::V3, &[]);
    host.wait(Duration::from_secs(20));
    assert_eq!(host.take(), vec![], "nothing is wanted any more");
}

/// Shows: MVPN-CEPE-10
#[test]
fn a_host_says_its_changes_as_often_as_the_robustness() {
    changes_are_said_twice::<Ipv4Addr>();
    changes_are_said_twice::<Ipv6Addr>();
}

/// RFC 3376 §5.2, rules 1 to 5.
#[test]
fn queries_are_answered_within_the_response_time() {
    let mut host = Host::<Ipv4Addr>::new();
    let (g, h) = (Ipv4Addr::group(1), Ipv4Addr::group(2));
    let s = [Ipv4Addr::source(1), Ipv4Addr::source(2), Ipv4Addr::source(3)];
    host.listen(g, true, &s[..1]);
    host.listen(h, false, &s[..2]);
    host.wait(Duration::from_secs(2));
    host.take();
    let asked = host.now;
    host.query(None, Version::V3, &[]);
    host.wait(Duration::from_secs(10));
    assert!(host.said.iter().all(|(at, _)| *at > asked && *at - asked <= Duration::from_secs(10)));
    let all =
        [Said::Record(RecordType::IS_EXCLUDE, g, vec![s[0]]), Said::Record(RecordType::IS_INCLUDE, h, s[..2].to_vec())];
    assert_eq!(host.take(), all);
    host.query(Some(h), Version::V3, &[]);
    host.wait(Duration::from_secs(10));
    assert_eq!(host.take(), [Said::Record(RecordType::IS_INCLUDE, h, s[..2].to_vec())]);
    // Of the sources that are asked for, those that are wanted.
    host.query(Some(h), Version::V3, &s[1..2]);
    host.query(Some(h), Version::V3, &s[2..]);
    host.query(Some(g), Version::V3, &s[..2]);
    host.wait(Duration::from_secs(10));
    let mut said = host.take();
    said.sort_by_key(|s| format!("{s:?}"));
    let mut want =
        [Said::Record(RecordType::IS_INCLUDE, g, vec![s[1]]), Said::Record(RecordType::IS_INCLUDE, h, vec![s[1]])];
    want.sort_by_key(|s| format!("{s:?}"));
    assert_eq!(said, want);
    host.query(Some(h), Version::V3, &s[2..]);
    host.wait(Duration::from_secs(10));
    assert_eq!(host.take(), [], "none of these");
}

/// RFC 3376 §7.2: with an older querier the host speaks its version, is silent where another member spoke, and comes back.
#[test]
fn an_older_querier_is_spoken_to_in_its_version() {
    let mut host = Host::<Ipv4Addr>::new();
    let g = Ipv4Addr::group(1);
    host.query(None, Version::V2, &[]);
    assert_eq!(host.host.compatibility(IF), Version::V2);
    host.listen(g, false, &[Ipv4Addr::source(1)]);
    host.wait(Duration::from_secs(11));
    assert_eq!(host.take(), vec![Said::Report(Version::V2, g); 2], "unsolicited, and once more");
    host.query(Some(g), Version::V2, &[]);
    host.hear(g, &Message::ReportV2(g));
    host.wait(Duration::from_secs(11));
    assert_eq!(host.take(), [], "another member answered");
    host.query(None, Version::V2, &[]);
    host.wait(Duration::from_secs(11));
    assert_eq!(host.take(), [Said::Report(Version::V2, g)]);
    host.listen(g, false, &[]);
    assert_eq!(host.take(), [Said::Leave(g)], "it was the last to report");
    host.query(None, Version::V1, &[]);
    host.listen(g, true, &[]);
    assert_eq!(host.take(), [Said::Report(Version::V1, g)]);
    host.wait(Duration::from_secs(11));
    host.take();
    host.listen(g, false, &[]);
    assert_eq!(host.take(), [], "version 1 has no leave");
    // Older Version Querier Present Interval: 2 × 125 s + 10 s.
    host.wait(Duration::from_secs(260));
    assert_eq!(host.host.compatibility(IF), Version::V3);
    host.listen(g, true, &[]);
    assert_eq!(host.take(), [Said::Record(RecordType::TO_EXCLUDE, g, vec![])]);
}

/// What the router side learns is what the host side wants.
fn router_learns<A: Family>() {
    let (mut host, mut lan) = (Host::<A>::new(), Lan::<A>::new());
    let (g, s) = (A::group(1), [A::source(1), A::source(2)]);
    let pass = |host: &mut Host<A>, lan: &mut Lan<A>| {
        for HostOutput { source, destination, octets, .. } in host.sent.drain(..) {
            let input = RouterInput::Datagram {
                iface: IF,
                source,
                destination,
                hop_limit: 1,
                router_alert: true,
                octets: &octets,
            };
            lan.router.handle_input(lan.now, input);
            lan.drain();
        }
    };
    host.listen(g, true, &s[..1]);
    pass(&mut host, &mut lan);
    lan.members.sort();
    assert_eq!(lan.members, [(g, Membership::AnySource), (g, Membership::Exclude(s[0]))]);
    host.listen(g, false, &s);
    pass(&mut host, &mut lan);
    lan.secs(5);
    lan.members.sort();
    assert_eq!(lan.members, [(g, Membership::Include(s[0])), (g, Membership::Include(s[1]))]);
    host.listen(g, false, &[]);
    pass(&mut host, &mut lan);
    lan.secs(5);
    assert_eq!(lan.members, []);
}

#[test]
fn the_router_side_learns_what_the_host_side_wants() {
    router_learns::<Ipv4Addr>();
    router_learns::<Ipv6Addr>();
}

#[test]
fn more_sources_than_a_packet_holds_go_in_several() {
    let mut host = Host::<Ipv6Addr>::new();
    let sources: Vec<Ipv6Addr> = (0..200).map(Ipv6Addr::source).collect();
    host.listen(Ipv6Addr::group(1), false, &sources);
    assert!(host.sent.len() > 1 && host.sent.iter().all(|o| o.octets.len() <= 1232));
    let said: Vec<_> = host.take();
    let told = said.iter().map(|s| if let Said::Record(RecordType::ALLOW, _, list) = s { list.len() } else { 0 });
    assert_eq!(told.sum::<usize>(), 200);
}
