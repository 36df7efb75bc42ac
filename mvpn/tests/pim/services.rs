//! What a VRF offers its customers, in whole: services side by side, and how soon a leave takes effect.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::mib::{Groups, Objects, Oid, Value};
use fwd_core::net::IfIndex;
use fwd_core::op::{Origin, Rpf};
use fwd_core::time::Instant;
use mvpn::gmp::{GmpRouter, InterfaceConfig, RecordType, ReportBuf, RouterConfig, RouterInput, RouterOutput};
use mvpn::igmp::IgmpMessage;
use mvpn::pim::bsr::{BsrConfig, BsrRouter, CandidateBsr, CandidateRpConfig, Zone};
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::{BidirConfig, Input, Membership};

use crate::one::{LAN, LOOPBACK, ME, N1, One, RP, S, SSM, UP, config, lan};

/// Source-specific, any-source, bidirectional and scoped groups of one VRF have state and routes at the same time, each of its kind.
///
/// Shows: MVPN-USE-1
#[test]
fn all_services_side_by_side() {
    let mut c = config();
    c.bidir = Some(BidirConfig::new(1..=10));
    let mut one = One::with(c, lan(), RP);
    let (rpa, scoped_rp) = (Ipv4Addr::new(10, 255, 0, 7), Ipv4Addr::new(10, 255, 0, 8));
    let now = one.now;
    one.pim.update_rp_set(now, |set| {
        for (range, address, mode) in
            [("238.0.0.0/8", rpa, RpMode::Bidir), ("239.255.0.0/16", scoped_rp, RpMode::Sparse)]
        {
            set.set_static(StaticRp { range: range.parse().unwrap(), address, mode, overrides: false }).unwrap();
        }
    });
    one.drain();
    one.wait(Duration::from_secs(10));
    let group = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let (asm, bidir, scoped) = (group("225.1.1.1"), group("238.1.1.1"), group("239.255.1.1"));
    one.member(SSM, Some(S), true);
    [asm, bidir, scoped].into_iter().for_each(|g| one.member(g, None, true));
    let joined: Vec<_> = one.join_prunes().into_iter().filter(|j| j.5).map(|j| (j.2, j.3)).collect();
    for wanted in [(SSM, S), (asm, RP), (scoped, scoped_rp)] {
        assert!(joined.contains(&wanted), "{wanted:?} in {joined:?}");
    }
    let rpf = |one: &One, s, g| one.mroute(s, g).map(|m| (m.rpf, m.replication.is_some()));
    let up = Some((Rpf::From(Origin::Interface(UP)), true));
    assert_eq!([rpf(&one, Some(S), SSM), rpf(&one, None, asm), rpf(&one, None, scoped)], [up; 3]);
    assert!(matches!(rpf(&one, None, bidir), Some((Rpf::AnyOf(_), true))));
    // One that goes leaves the others alone.
    one.member(asm, None, false);
    assert_eq!([rpf(&one, Some(S), SSM), rpf(&one, None, asm), rpf(&one, None, scoped)], [up, None, up]);
    assert!(rpf(&one, None, bidir).is_some());
}

/// Members on the LAN by IGMP, and PIM that forwards for them.
struct Pe {
    one: One,
    igmp: GmpRouter<Ipv4Addr>,
}

impl Pe {
    fn new(change: impl FnOnce(&mut InterfaceConfig<Ipv4Addr>)) -> Self {
        let mut c = InterfaceConfig::new(ME);
        change(&mut c);
        let mut igmp = GmpRouter::new(Instant::ZERO, RouterConfig::default()).unwrap();
        igmp.add_interface(Instant::ZERO, LAN, c).unwrap();
        Self { one: One::new(), igmp }
    }

    fn drain(&mut self) {
        while let Some(output) = self.igmp.poll_output() {
            let RouterOutput::Membership { iface, group, membership, present } = output else { continue };
            let (source, with) = match membership {
                mvpn::gmp::Membership::AnySource => (None, Membership::Include),
                mvpn::gmp::Membership::Include(s) => (Some(s), Membership::Include),
                mvpn::gmp::Membership::Exclude(s) => (Some(s), Membership::Exclude),
            };
            let membership = if present { with } else { Membership::None };
            self.one.input(Input::Membership { interface: iface, group, source, membership });
        }
    }

    fn report(&mut self, host: u8, kind: RecordType) {
        let mut report = ReportBuf::new();
        report.push(kind, SSM, [S]);
        let mut octets = Vec::new();
        IgmpMessage::ReportV3(report.as_report()).emit(&mut octets);
        let input = RouterInput::Datagram {
            iface: LAN,
            source: Ipv4Addr::new(10, 0, 1, host),
            destination: Ipv4Addr::new(224, 0, 0, 22),
            hop_limit: 1,
            router_alert: true,
            octets: &octets,
        };
        self.igmp.handle_input(self.one.now, input);
        self.drain();
    }

    /// How long packets go on to the LAN; `None` if longer than five seconds.
    fn stops_after(&mut self) -> Option<Duration> {
        let start = self.one.now;
        while self.one.mroute(Some(S), SSM).is_some_and(|m| m.replication.is_some()) {
            if self.one.now - start > Duration::from_secs(5) {
                return None;
            }
            self.one.wait(Duration::from_millis(10));
            self.igmp.handle_timeout(self.one.now);
            self.drain();
        }
        Some(self.one.now - start)
    }
}

fn tuned(c: &mut InterfaceConfig<Ipv4Addr>) {
    c.intervals.last_member = Duration::from_millis(100);
    c.intervals.last_member_count = Some(1);
}

fn fast(c: &mut InterfaceConfig<Ipv4Addr>) {
    tuned(c);
    c.fast_leave = true;
}

type Change = fn(&mut InterfaceConfig<Ipv4Addr>);

fn tracked(c: &mut InterfaceConfig<Ipv4Addr>) {
    tuned(c);
    c.tracking = true;
}

/// RFC 3918 §6.2: the time from a leave to the last packet, by the values that an operator may set; a member that stays is served on.
///
/// Shows: MVPN-QOS-9
#[test]
fn a_leave_takes_effect_as_soon_as_configured() {
    let cases: [(Change, u64); 4] = [(|_| {}, 2000), (tuned, 100), (fast, 0), (tracked, 0)];
    for (n, (change, millis)) in cases.into_iter().enumerate() {
        let mut pe = Pe::new(change);
        pe.report(20, RecordType::ALLOW);
        assert!(pe.one.mroute(Some(S), SSM).is_some_and(|m| m.replication.is_some()));
        pe.report(20, RecordType::BLOCK);
        let took = pe.stops_after().unwrap();
        let limit = Duration::from_millis(millis);
        assert!(took >= limit && took <= limit + Duration::from_millis(20), "case {n}: {took:?}");
    }
    // Another member answers, or is known: packets go on.
    for change in [tuned as Change, tracked] {
        let mut pe = Pe::new(change);
        pe.report(20, RecordType::ALLOW);
        pe.report(21, RecordType::ALLOW);
        pe.report(20, RecordType::BLOCK);
        pe.one.wait(Duration::from_millis(50));
        pe.report(21, RecordType::ALLOW);
        assert_eq!(pe.stops_after(), None);
    }
}

/// RFC 5240: instances by their identifiers, as a walk finds them.
///
/// Shows: L3VPN-8.11-5
#[test]
fn the_bootstrap_router_as_managed_objects() {
    let range = "239.0.0.0/8".parse().unwrap();
    let mut bsr: BsrRouter<Ipv4Addr> = BsrRouter::new(Instant::ZERO, BsrConfig::default()).unwrap();
    let candidate = CandidateBsr { address: LOOPBACK, priority: 64, hash_mask_len: 30 };
    bsr.set_candidate_bsr(Instant::ZERO, Zone::Global, Some(candidate)).unwrap();
    let rp = CandidateRpConfig { address: N1, priority: 192, ranges: vec![(range, RpMode::Bidir)] };
    bsr.set_candidate_rp(Instant::ZERO, Some(rp)).unwrap();
    // The candidate is elected after BS_Rand_Override, and hears its own advertisement.
    let end = Instant::from_secs(60);
    while let Some(at) = bsr.next_timeout().filter(|at| *at <= end) {
        bsr.handle_timeout(at);
        while bsr.poll_output().is_some() {}
    }
    let (candidates, set) = (bsr.candidate_rp_table(end), bsr.rp_set_table(end));
    let (own, elected) = (bsr.candidate_bsr_table(end), bsr.elected_bsr_table(end));
    let all = Groups(&[&elected, &candidates, &own, &set]);
    let oid = |text: &str| Oid::new(&text.split('.').map(|n| n.parse().unwrap()).collect::<Vec<_>>());
    let get = |text: &str| all.get(&oid(&format!("1.3.6.1.2.1.172.1.{text}")));
    // pimBsrCandidateRPBidir, Priority, AdvInterval and Holdtime of 10.0.1.1 for 239.0.0.0/8.
    let row = "1.4.10.0.1.1.4.239.0.0.0.8";
    assert_eq!(get(&format!("1.1.5.{row}")), Some(Value::Integer(1)));
    assert_eq!(get(&format!("1.1.7.{row}")), Some(Value::Unsigned(192)));
    assert_eq!([8, 9].map(|c| get(&format!("1.1.{c}.{row}"))), [60, 150].map(|n| Some(Value::Unsigned(n))));
    // pimBsrElectedBSRRPSetPriority and Holdtime.
    let row = "1.4.239.0.0.0.8.4.10.0.1.1";
    assert_eq!([6, 7].map(|c| get(&format!("2.1.{c}.{row}"))), [192, 150].map(|n| Some(Value::Unsigned(n))));
    // pimBsrCandidateBSRElectedBSR, pimBsrElectedBSRAddress and Priority of the global zone.
    assert_eq!(get("3.1.6.1"), Some(Value::Integer(1)));
    assert_eq!(get("4.1.3.1"), Some(Value::Octets(LOOPBACK.octets().to_vec())));
    assert_eq!(get("4.1.4.1"), Some(Value::Unsigned(64)));
    let (mut at, mut instances) = (oid("1.3.6.1.2.1.172"), 0);
    while let Some((next, _)) = all.next(&at) {
        assert!(next > at);
        (at, instances) = (next, instances + 1);
    }
    assert_eq!(instances, 7 + 4 + 8 + 5);
}

/// An interface where multicast is turned off answers nobody and forwards nothing, and the rest of the VRF goes on.
#[test]
fn an_interface_without_multicast_is_silent() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    one.join(N1, SSM, S);
    assert!(one.mroute(Some(S), SSM).is_some());
    let now = one.now;
    one.pim.remove_interface(now, LAN).unwrap();
    one.drain();
    assert_eq!(one.mroute(Some(S), SSM), None);
    one.wait(Duration::from_secs(1));
    one.sent.clear();
    one.hello(LAN, N1, &[]);
    one.join(N1, SSM, S);
    one.input(Input::Data { interface: LAN, source: S, group: SSM });
    one.wait(Duration::from_secs(60));
    assert!(one.sent.iter().all(|(i, ..)| *i != Some(LAN)));
    assert_eq!((one.mroute(Some(S), SSM), one.pim.states(), one.pim.neighbors(LAN).count()), (None, 0, 0));
    assert_eq!(one.pim.dr(IfIndex(2)), Some(crate::one::ME_UP));
}
