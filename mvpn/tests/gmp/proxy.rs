//! The proxy of RFC 4605.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::{IfIndex, ReplicationId, RpfSetId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, MrouteKey, Origin};
use fwd_core::time::Instant;
use mvpn::address::Address;
use mvpn::gmp::{
    GmpProxy, HostConfig, InterfaceConfig, Message, Protocol, ProxyConfig, ProxyError, ProxyOutput, RecordType,
    ReportBuf, RouterConfig, RouterInput,
};
use mvpn::pim::PimAddress;

use crate::lan::Family;

const UP: IfIndex = IfIndex(9);

pub struct Driven {
    pub proxy: GmpProxy<Ipv4Addr>,
    pub now: Instant,
    routes: BTreeMap<MrouteKey, ReplicationId>,
    groups: BTreeMap<ReplicationId, BTreeSet<IfIndex>>,
    from: BTreeSet<IfIndex>,
    upstream: Vec<(RecordType, Ipv4Addr, Vec<Ipv4Addr>)>,
}

impl Driven {
    pub fn new(numbers: u32) -> Self {
        let now = Instant::ZERO;
        let config = ProxyConfig {
            vrf: VrfId(1),
            upstream: UP,
            address: Ipv4Addr::host(50),
            host: HostConfig::default(),
            router: RouterConfig::default(),
            replication: 1..=numbers,
            rpf_set: RpfSetId(4),
        };
        let mut proxy = GmpProxy::new(now, config).unwrap();
        for n in 1..=2 {
            proxy.add_downstream(now, IfIndex(n), InterfaceConfig::new(Ipv4Addr::host(10))).unwrap();
        }
        let (routes, groups, from, upstream) = Default::default();
        let mut driven = Self { proxy, now, routes, groups, from, upstream };
        driven.drain();
        driven
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.proxy.poll_output() {
            match output {
                ProxyOutput::Program(op) => self.program(op),
                ProxyOutput::Datagram { iface: UP, source, destination, octets } => {
                    if let Message::ReportV3(report) = Ipv4Addr::parse_message(&octets, source, destination).unwrap() {
                        let all = report.records.iter().map(|r| (r.kind, r.group, r.sources.iter().collect()));
                        self.upstream.extend(all);
                    }
                }
                ProxyOutput::Datagram { iface, source, destination, octets } => {
                    assert!(iface.0 <= 2);
                    let message = Ipv4Addr::parse_message(&octets, source, destination).unwrap();
                    assert!(matches!(message, Message::Query(_)), "a proxy asks downstream and answers upstream");
                }
                ProxyOutput::Event(_) | ProxyOutput::Refused { .. } => {}
            }
        }
    }

    fn program(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetRpfMember { from: Origin::Interface(i), .. } => assert!(self.from.insert(i)),
            FwdOp::ClearRpfMember { from: Origin::Interface(i), .. } => assert!(self.from.remove(&i)),
            FwdOp::SetReplication { id, .. } => assert!(self.groups.insert(id, BTreeSet::new()).is_none()),
            FwdOp::SetLeg { group, target: LegTarget::Interface(i), .. } => {
                assert!(self.groups.get_mut(&group).unwrap().insert(i));
            }
            FwdOp::SetMroute { key, mroute, .. } => {
                let id = mroute.replication.unwrap();
                assert!(self.groups.contains_key(&id));
                self.routes.insert(key, id);
            }
            FwdOp::ClearMroute { key, .. } => assert!(self.routes.remove(&key).is_some()),
            FwdOp::ClearReplication { id } => {
                assert!(!self.routes.values().any(|r| *r == id), "in use");
                assert!(self.groups.remove(&id).is_some());
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn wait(&mut self, d: Duration) {
        let end = self.now + d;
        while let Some(at) = self.proxy.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.proxy.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    pub fn input(&mut self, iface: IfIndex, source: Ipv4Addr, destination: Ipv4Addr, octets: &[u8]) {
        let input = RouterInput::Datagram { iface, source, destination, hop_limit: 1, router_alert: true, octets };
        self.proxy.handle_input(self.now, input);
        self.drain();
    }

    fn report(&mut self, iface: u32, kind: RecordType, group: Ipv4Addr, sources: &[Ipv4Addr]) {
        let mut report = ReportBuf::new();
        report.push(kind, group, sources.iter().copied());
        let (from, to) = (Ipv4Addr::host(30), Ipv4Addr::ALL_REPORT_ROUTERS);
        let mut octets = Vec::new();
        Ipv4Addr::emit_message(&Message::ReportV3(report.as_report()), from, to, &mut octets);
        self.input(IfIndex(iface), from, to, &octets);
    }

    fn legs(&self, source: Option<Ipv4Addr>, group: Option<Ipv4Addr>) -> Option<Vec<u32>> {
        let key = group.map_or(Ipv4Addr::range_key(Ipv4Addr::ALL_GROUPS), |g| Ipv4Addr::mroute_key(source, g));
        let id = self.routes.get(&key)?;
        Some(self.groups[id].iter().map(|i| i.0).collect())
    }

    pub fn is_whole(&self) -> bool {
        self.routes.len() == self.groups.len()
    }
}

/// The merge of RFC 4605 §3.1, and where packets go.
///
/// Shows: MVPN-CEPE-10
#[test]
fn what_members_want_together_is_wanted_upstream() {
    let mut d = Driven::new(100);
    let (g, s) = (Ipv4Addr::group(1), [Ipv4Addr::source(1), Ipv4Addr::source(2)]);
    assert_eq!(d.legs(None, None), Some(vec![9]), "packets of any group go upstream");
    assert_eq!(d.from, BTreeSet::from([IfIndex(1), IfIndex(2), UP]));
    d.report(1, RecordType::ALLOW, g, &s[..1]);
    assert_eq!(d.upstream.last(), Some(&(RecordType::ALLOW, g, vec![s[0]])));
    assert_eq!((d.legs(Some(s[0]), Some(g)), d.legs(None, Some(g))), (Some(vec![1, 9]), Some(vec![9])));
    // EXCLUDE on the other interface: INCLUDE (s0) and EXCLUDE (s0, s1) make EXCLUDE (s1).
    d.report(2, RecordType::TO_EXCLUDE, g, &s);
    assert_eq!(d.upstream.last(), Some(&(RecordType::TO_EXCLUDE, g, vec![s[1]])));
    assert_eq!(d.legs(None, Some(g)), Some(vec![2, 9]));
    assert_eq!(d.legs(Some(s[0]), Some(g)), Some(vec![1, 9]));
    assert_eq!(d.legs(Some(s[1]), Some(g)), Some(vec![9]));
    d.report(2, RecordType::TO_INCLUDE, g, &[]);
    d.wait(Duration::from_secs(3));
    assert_eq!(d.upstream.last(), Some(&(RecordType::TO_INCLUDE, g, vec![s[0]])));
    d.report(1, RecordType::BLOCK, g, &s[..1]);
    d.wait(Duration::from_secs(5));
    assert_eq!(d.upstream.last(), Some(&(RecordType::BLOCK, g, vec![s[0]])));
    assert!(d.legs(None, Some(g)).is_none() && d.legs(Some(s[0]), Some(g)).is_none() && d.is_whole());
}

/// RFC 4605 §4.2: on a link with a better querier another forwards.
#[test]
fn only_the_querier_forwards_on_a_link() {
    let mut d = Driven::new(100);
    let g = Ipv4Addr::group(1);
    d.report(1, RecordType::TO_EXCLUDE, g, &[]);
    d.report(2, RecordType::TO_EXCLUDE, g, &[]);
    assert_eq!(d.legs(None, Some(g)), Some(vec![1, 2, 9]));
    // IGMPv2 general query of a lower address.
    let mut octets = vec![0x11, 100, 0, 0, 0, 0, 0, 0];
    let sum = fwd_core::wire::checksum::Sum::new().octets(&octets).finish();
    octets[2..4].copy_from_slice(&sum.to_be_bytes());
    d.input(IfIndex(1), Ipv4Addr::host(5), Ipv4Addr::ALL_SYSTEMS, &octets);
    assert_eq!(d.legs(None, Some(g)), Some(vec![2, 9]));
    assert_eq!(d.from, BTreeSet::from([IfIndex(2), UP]));
    // The other falls silent: 2 × 125 s + 5 s.
    d.report(1, RecordType::IS_EXCLUDE, g, &[]);
    d.wait(Duration::from_secs(256));
    d.report(1, RecordType::IS_EXCLUDE, g, &[]);
    assert!(d.legs(None, Some(g)).unwrap().contains(&1));
}

#[test]
fn a_full_forwarder_and_bad_interfaces_are_refused_by_name() {
    let mut d = Driven::new(2);
    d.report(1, RecordType::TO_EXCLUDE, Ipv4Addr::group(1), &[]);
    d.report(1, RecordType::TO_EXCLUDE, Ipv4Addr::group(2), &[]);
    assert!(d.legs(None, Some(Ipv4Addr::group(2))).is_none(), "there are two numbers");
    let twice = d.proxy.add_downstream(d.now, UP, InterfaceConfig::new(Ipv4Addr::host(1)));
    assert_eq!(twice, Err(ProxyError::Interface));
    d.proxy.remove_downstream(d.now, IfIndex(1));
    d.drain();
    assert!(d.legs(None, Some(Ipv4Addr::group(1))).is_none() && d.is_whole());
}
