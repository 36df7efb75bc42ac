//! RFC 7761 §4.6.

use std::net::Ipv4Addr;
use std::time::Duration;

use mvpn::pim::Input;
use mvpn::pim::wire::{Assert, EncodedGroup, Message, SourceFlags};

use crate::one::{ALL, LAN, N1, NUP, One, S, SSM, UP};

const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 7);

fn assert(rpt: bool, metric_preference: u32, metric: u32) -> Assert {
    Assert { group: EncodedGroup::new(SSM.into()), source: S.into(), rpt, metric_preference, metric }
}

fn cancel() -> Assert {
    assert(true, 0x7fff_ffff, u32::MAX)
}

/// The Asserts sent since the last call.
fn asserts(one: &mut One) -> Vec<Assert> {
    let parse =
        |(_, from, to, octets): (_, Ipv4Addr, Ipv4Addr, Vec<u8>)| match Message::parse(&octets, from.into(), to.into())
        {
            Ok(Message::Assert(assert)) => Some(assert),
            _ => None,
        };
    one.sent.drain(..).filter_map(parse).collect()
}

fn forwards(one: &One) -> bool {
    one.mroute(Some(S), SSM).is_some_and(|m| m.replication.is_some())
}

/// Data on a downstream interface makes it assert; a worse Assert is answered, a better one silences it for Assert_Time.
#[test]
fn winner_and_loser_on_a_downstream_interface() {
    let mut one = One::new();
    one.hello(LAN, N1, &[mvpn::pim::wire::HelloOption::Holdtime(0xffff)]);
    one.hello(UP, NUP, &[mvpn::pim::wire::HelloOption::Holdtime(0xffff)]);
    one.member(SSM, Some(S), true);
    asserts(&mut one);
    one.input(Input::Data { interface: LAN, source: S, group: SSM });
    assert_eq!(asserts(&mut one), [assert(false, 110, 20)]);
    // Again a little before losers would forget.
    one.wait(Duration::from_secs(177));
    assert_eq!(asserts(&mut one), [assert(false, 110, 20)]);
    one.receive(LAN, N1, ALL, &Message::Assert(assert(false, 110, 21)));
    one.receive(LAN, N1, ALL, &Message::Assert(assert(true, 0, 0)));
    assert_eq!(asserts(&mut one), [assert(false, 110, 20); 2]);
    assert!(forwards(&one));
    // Of equal metric the higher address wins, which is this router's.
    one.receive(LAN, N1, ALL, &Message::Assert(assert(false, 110, 20)));
    assert!(forwards(&one));
    one.receive(LAN, N1, ALL, &Message::Assert(assert(false, 100, 99)));
    assert!(!forwards(&one));
    one.wait(Duration::from_secs(179));
    assert!(!forwards(&one));
    one.wait(Duration::from_secs(1));
    assert!(forwards(&one), "the Assert timer expired");
    // The winner stops forwarding.
    one.receive(LAN, N1, ALL, &Message::Assert(assert(false, 100, 99)));
    one.receive(LAN, N1, ALL, &Message::Assert(cancel()));
    assert!(forwards(&one));
    // So does this router, as the winner: it cancels.
    one.input(Input::Data { interface: LAN, source: S, group: SSM });
    asserts(&mut one);
    one.member(SSM, Some(S), false);
    assert_eq!(asserts(&mut one), [cancel()]);
}

/// A downstream router sends its Joins to whoever wins the Assert on its upstream interface, and back when the winner is gone.
#[test]
fn joins_go_to_the_assert_winner() {
    let mut one = One::new();
    one.hello(UP, OTHER, &[]);
    one.member(SSM, Some(S), true);
    one.join_prunes();
    one.receive(UP, OTHER, ALL, &Message::Assert(assert(false, 110, 5)));
    one.wait(Duration::from_millis(2500));
    assert_eq!(one.join_prunes(), [(UP, OTHER, SSM, S, SourceFlags::SPARSE, true)]);
    one.receive(UP, OTHER, ALL, &Message::Assert(cancel()));
    one.wait(Duration::from_millis(2500));
    assert_eq!(one.join_prunes(), [(UP, NUP, SSM, S, SourceFlags::SPARSE, true)]);
    one.receive(UP, OTHER, ALL, &Message::Assert(assert(false, 110, 5)));
    one.wait(Duration::from_millis(2500));
    one.join_prunes();
    // The winner restarts.
    one.hello(UP, OTHER, &[mvpn::pim::wire::HelloOption::GenerationId(1234)]);
    one.wait(Duration::from_millis(2500));
    assert_eq!(one.join_prunes(), [(UP, NUP, SSM, S, SourceFlags::SPARSE, true)]);
}

#[test]
fn asserts_of_strangers_and_about_nothing_change_nothing() {
    let mut one = One::new();
    one.receive(UP, OTHER, ALL, &Message::Assert(assert(false, 0, 0)));
    one.receive(UP, NUP, ALL, &Message::Assert(assert(false, 0, 0)));
    one.receive(UP, NUP, ALL, &Message::Assert(assert(true, 0, 0)));
    assert_eq!(one.pim.states(), 0);
    one.member(SSM, Some(S), true);
    one.receive(UP, OTHER, ALL, &Message::Assert(assert(false, 0, 0)));
    one.join_prunes();
    one.wait(Duration::from_secs(60));
    assert_eq!(one.join_prunes()[0].1, NUP);
}
