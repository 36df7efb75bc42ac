//! RFC 7761 §4.5.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::op::{Origin, Rpf};
use mvpn::pim::wire::{HelloOption, LanPruneDelay, SourceFlags};

use crate::one::{ASM, LAN, ME, N1, N2, NUP, One, RP, S, SSM, UP};

const STAR: SourceFlags = SourceFlags::all();
const SG: SourceFlags = SourceFlags::SPARSE;

fn rpt() -> SourceFlags {
    SourceFlags::SPARSE | SourceFlags::RPT
}

/// Shows: L3VPN-8.8-6
#[test]
fn joins_go_upstream_at_once_and_every_minute_and_a_prune_at_the_end() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    one.join(N1, SSM, S);
    assert_eq!(one.join_prunes(), [(UP, NUP, SSM, S, SG, true)]);
    let mroute = one.mroute(Some(S), SSM).unwrap();
    assert_eq!((mroute.rpf, mroute.replication.is_some()), (Rpf::From(Origin::Interface(UP)), true));
    for _ in 0..3 {
        one.wait(Duration::from_secs(60));
        one.join(N1, SSM, S);
        one.hello(LAN, N1, &[]);
        one.hello(UP, NUP, &[]);
        assert_eq!(one.join_prunes(), [(UP, NUP, SSM, S, SG, true)]);
    }
    // A single neighbour: the Prune acts at once.
    one.prune(N1, SSM, S);
    one.wait(Duration::ZERO);
    assert_eq!(one.join_prunes(), [(UP, NUP, SSM, S, SG, false)]);
    assert_eq!((one.mroute(Some(S), SSM), one.pim.states()), (None, 0));
}

#[test]
fn a_join_expires_with_its_holdtime() {
    let mut one = One::new();
    one.hello(LAN, N1, &[HelloOption::Holdtime(0xffff)]);
    one.hello(UP, NUP, &[HelloOption::Holdtime(0xffff)]);
    one.join(N1, SSM, S);
    one.wait(Duration::from_millis(209_999));
    assert_eq!(one.pim.states(), 2);
    one.wait(Duration::from_millis(1));
    assert_eq!(one.pim.states(), 0);
    assert_eq!(one.join_prunes().last(), Some(&(UP, NUP, SSM, S, SG, false)));
}

/// With two neighbours a Prune waits J/P_Override_Interval for a Join of the other, and is echoed when it acts.
#[test]
fn a_prune_on_a_lan_can_be_overridden_and_its_delay_is_that_of_the_link() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    one.hello(LAN, N2, &[]);
    for join in [true, false] {
        one.join(N1, SSM, S);
        one.prune(N1, SSM, S);
        if join {
            one.wait(Duration::from_secs(2));
            one.join(N2, SSM, S);
        }
        one.wait(Duration::from_millis(2999));
        assert!(one.mroute(Some(S), SSM).is_some());
        one.wait(Duration::from_millis(1));
        assert_eq!(one.mroute(Some(S), SSM).is_some(), join);
    }
    assert!(one.join_prunes().contains(&(LAN, ME, SSM, S, SG, false)), "PruneEcho");
    // Everybody on the link offers 100 ms in all: so fast it is.
    let fast = LanPruneDelay { tracking_support: false, propagation_delay: 100, override_interval: 0 };
    let mut c = crate::one::lan();
    (c.propagation_delay, c.override_interval) = (Duration::from_millis(100), Duration::ZERO);
    let mut one = One::with(crate::one::config(), c, RP);
    for n in [N1, N2] {
        one.hello(LAN, n, &[HelloOption::LanPruneDelay(fast)]);
    }
    one.join(N1, SSM, S);
    one.prune(N1, SSM, S);
    one.wait(Duration::from_millis(99));
    assert!(one.mroute(Some(S), SSM).is_some());
    one.wait(Duration::from_millis(1));
    assert!(one.mroute(Some(S), SSM).is_none());
}

/// Another router's Join to the same neighbour suppresses this one's; its Prune is overridden within 2.5 s.
#[test]
fn joins_of_others_suppress_and_prunes_are_overridden() {
    let mut one = One::new();
    let other = Ipv4Addr::new(10, 0, 2, 7);
    one.hello(UP, other, &[]);
    one.member(SSM, Some(S), true);
    one.join_prunes();
    let see = |one: &mut One, join| {
        let mut set = mvpn::pim::wire::GroupSetBuf::new(mvpn::pim::wire::EncodedGroup::new(SSM.into()));
        let source = mvpn::pim::wire::SourceBuf::new(S.into(), SourceFlags::empty());
        if join {
            set.joins.push(source)
        } else {
            set.prunes.push(source)
        }
        let mut m = mvpn::pim::wire::JoinPruneBuf::new(NUP.into(), 210);
        m.push(set);
        let kind = mvpn::pim::wire::MessageType::JOIN_PRUNE;
        let octets = mvpn::pim::wire::packet(kind, 0, other.into(), crate::one::ALL.into(), |out| m.emit(out));
        let to = crate::one::ALL;
        one.input(mvpn::pim::Input::Datagram { interface: UP, from: other, to, octets: &octets, authenticated: false });
    };
    one.wait(Duration::from_secs(59));
    see(&mut one, true);
    one.wait(Duration::from_secs(6));
    assert!(one.join_prunes().is_empty(), "suppressed for 66 to 84 s");
    see(&mut one, false);
    one.wait(Duration::from_millis(2500));
    assert_eq!(one.join_prunes(), [(UP, NUP, SSM, S, SG, true)]);
}

#[test]
fn a_restarted_upstream_neighbour_gets_the_join_again() {
    let mut one = One::new();
    one.member(SSM, Some(S), true);
    one.join_prunes();
    one.hello(UP, NUP, &[HelloOption::GenerationId(99)]);
    one.wait(Duration::from_millis(2500));
    assert_eq!(one.join_prunes(), [(UP, NUP, SSM, S, SG, true)]);
}

/// A Join(*,G) is for RP(G) only, in the SSM range there is none, and a Prune(S,G,rpt) stops the source on that interface until a Join(*,G)
/// without it.
#[test]
fn the_shared_tree_and_sources_pruned_off_it() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    one.join_prune(N1, ME, SSM, RP, STAR, true);
    one.join_prune(N1, ME, ASM, Ipv4Addr::new(10, 255, 0, 77), STAR, true);
    assert_eq!(one.pim.states(), 0);
    one.join_prune(N1, ME, ASM, RP, STAR, true);
    assert_eq!(one.join_prunes(), [(UP, NUP, ASM, RP, STAR, true)]);
    assert!(one.mroute(None, ASM).unwrap().replication.is_some());
    one.join_prune(N1, ME, ASM, S, rpt(), false);
    one.wait(Duration::ZERO);
    assert_eq!(one.mroute(Some(S), ASM).unwrap().replication, None, "nobody wants S");
    assert_eq!(one.join_prunes(), [(UP, NUP, ASM, S, rpt(), false)]);
    one.join_prune(N1, ME, ASM, RP, STAR, true);
    assert_eq!(one.join_prunes(), [(UP, NUP, ASM, S, rpt(), true)]);
}

/// Many sources to one neighbour share messages, none larger than the link's MTU.
#[test]
fn joins_share_packets_within_the_mtu() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    for n in 0..500_u32 {
        let g = Ipv4Addr::from_bits(SSM.to_bits() + n);
        one.pim.handle_input(
            one.now,
            mvpn::pim::Input::Membership {
                interface: LAN,
                group: g,
                source: Some(S),
                membership: mvpn::pim::Membership::Include,
            },
        );
    }
    one.sent.clear();
    one.drain();
    let messages: Vec<_> = one.sent.iter().filter(|(_, _, _, o)| o[0] & 15 == 3).map(|(.., o)| o.len()).collect();
    assert!(messages.iter().all(|n| *n <= 1480) && (7..=8).contains(&messages.len()), "{messages:?}");
    assert_eq!(one.join_prunes().len(), 500);
}

#[test]
fn joins_to_the_unspecified_address_count_on_point_to_point_links_only() {
    for point_to_point in [false, true] {
        let mut c = crate::one::lan();
        c.point_to_point = point_to_point;
        let mut one = One::with(crate::one::config(), c, RP);
        one.hello(LAN, N1, &[]);
        one.join_prune(N1, Ipv4Addr::UNSPECIFIED, SSM, S, SourceFlags::empty(), true);
        assert_eq!(one.pim.states() > 0, point_to_point);
    }
}
