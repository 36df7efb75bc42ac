//! A router on one interface, and messages for it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use mvpn::gmp::{
    EventKind, GmpRouter, InterfaceConfig, Membership, Message, Protocol, Query, QueryBits, QueryV3, RecordType,
    ReportBuf, ResponseCode, RouterConfig, RouterInput, RouterOutput, Version,
};

pub const IF: IfIndex = IfIndex(1);

/// Addresses of a family by number.
pub trait Family: Protocol {
    /// A router or host on the link: higher numbers have higher addresses.
    fn host(n: u8) -> Self;
    /// A source anywhere.
    fn source(n: u8) -> Self;
    /// A group that is not of the SSM range.
    fn group(n: u8) -> Self;
    /// A group of the SSM range.
    fn ssm_group(n: u8) -> Self;
}

impl Family for Ipv4Addr {
    fn host(n: u8) -> Self {
        Self::new(192, 0, 2, n)
    }
    fn source(n: u8) -> Self {
        Self::new(198, 51, 100, n)
    }
    fn group(n: u8) -> Self {
        Self::new(239, 1, 1, n)
    }
    fn ssm_group(n: u8) -> Self {
        Self::new(232, 1, 1, n)
    }
}

impl Family for Ipv6Addr {
    fn host(n: u8) -> Self {
        Self::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(n))
    }
    fn source(n: u8) -> Self {
        Self::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n))
    }
    fn group(n: u8) -> Self {
        Self::new(0xff1e, 0, 0, 0, 0, 0, 0, u16::from(n))
    }
    fn ssm_group(n: u8) -> Self {
        Self::new(0xff3e, 0, 0, 0, 0, 0, 0x8000, u16::from(n))
    }
}

/// A query that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent<A> {
    pub to: A,
    pub group: A,
    pub response: Duration,
    pub suppress: bool,
    pub sources: Vec<A>,
    pub version: Version,
}

/// A router with address 10 on its interface.
pub struct Lan<A: Family> {
    pub router: GmpRouter<A>,
    pub now: Instant,
    pub sent: Vec<Sent<A>>,
    /// What holds of memberships, by the changes that were handed out.
    pub members: Vec<(A, Membership<A>)>,
    pub events: Vec<(EventKind, u64)>,
}

impl<A: Family> Lan<A> {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut InterfaceConfig<A>)) -> Self {
        let mut config = InterfaceConfig::new(A::host(10));
        change(&mut config);
        let mut router = GmpRouter::new(Instant::ZERO, RouterConfig::default()).unwrap();
        router.add_interface(Instant::ZERO, IF, config).unwrap();
        let mut lan = Self { router, now: Instant::ZERO, sent: Vec::new(), members: Vec::new(), events: Vec::new() };
        lan.drain();
        lan
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.router.poll_output() {
            match output {
                RouterOutput::Datagram { iface, source, destination, octets } => {
                    assert_eq!((iface, source), (IF, A::host(10)));
                    let Message::Query(query) = A::parse_message(&octets, source, destination).unwrap() else {
                        panic!("a router sends queries alone")
                    };
                    self.sent.push(Sent {
                        to: destination,
                        group: query.group,
                        response: query.response.duration(),
                        suppress: query.v3.is_some_and(|v3| v3.bits.suppress()),
                        sources: query.sources().iter().collect(),
                        version: A::query_version(&query),
                    });
                }
                RouterOutput::Membership { iface, group, membership, present } => {
                    assert_eq!(iface, IF);
                    let at = self.members.iter().position(|m| *m == (group, membership));
                    assert_eq!(at.is_none(), present, "{group} {membership:?}");
                    match at {
                        Some(at) => drop(self.members.remove(at)),
                        None => self.members.push((group, membership)),
                    }
                }
                RouterOutput::Event(event) => self.events.push((event.kind, event.count)),
            }
        }
        self.members.sort();
    }

    /// Time passes, timer by timer.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.router.next_timeout().filter(|&at| at <= end) {
            assert!(at >= self.now, "a timer in the past");
            self.now = at;
            self.router.handle_timeout(at);
            self.drain();
        }
        self.now = end;
        self.router.handle_timeout(end);
        self.drain();
    }

    pub fn secs(&mut self, secs: u64) {
        self.pass(Duration::from_secs(secs));
    }

    pub fn datagram(&mut self, from: A, to: A, hop_limit: u8, router_alert: bool, octets: &[u8]) {
        let input = RouterInput::Datagram { iface: IF, source: from, destination: to, hop_limit, router_alert, octets };
        self.router.handle_input(self.now, input);
        self.drain();
    }

    pub fn message(&mut self, from: A, to: A, message: &Message<'_, A>) {
        let mut octets = Vec::new();
        A::emit_message(message, from, to, &mut octets);
        self.datagram(from, to, 1, true, &octets);
    }

    /// A version 3 report of one record, from host `n`.
    pub fn report(&mut self, n: u8, kind: RecordType, group: A, sources: &[u8]) {
        let mut report = ReportBuf::new();
        report.push(kind, group, sources.iter().map(|&s| A::source(s)));
        self.message(A::host(n), A::ALL_REPORT_ROUTERS, &Message::ReportV3(report.as_report()));
    }

    /// A version 3 query of router `n`.
    pub fn query(&mut self, n: u8, group: A, suppress: bool, robustness: u8, interval: u8) {
        let v3 = QueryV3 {
            bits: QueryBits::new(suppress, robustness),
            interval: mvpn::gmp::IntervalCode(interval),
            sources: mvpn::gmp::Addresses::NONE,
            additional: &[],
        };
        let response = A::ResponseCode::of(Duration::from_secs(10));
        let to = if group == A::UNSPECIFIED { A::ALL_SYSTEMS } else { group };
        self.message(A::host(n), to, &Message::Query(Query { group, response, v3: Some(v3) }));
    }

    /// The queries since the last call.
    pub fn take_sent(&mut self) -> Vec<Sent<A>> {
        std::mem::take(&mut self.sent)
    }

    pub fn any(&self, group: A) -> bool {
        self.members.contains(&(group, Membership::AnySource))
    }
}

/// Runs a test for both families.
#[macro_export]
macro_rules! both {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            self::generic::$name::<std::net::Ipv4Addr>();
            self::generic::$name::<std::net::Ipv6Addr>();
        }
    )+};
}
