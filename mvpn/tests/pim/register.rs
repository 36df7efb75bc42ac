//! RFC 7761 §4.4, RFC 4610.

use std::net::Ipv4Addr;
use std::time::Duration;

use mvpn::pim::wire::{
    EncodedGroup, HelloOption, Message, MessageType, Register, RegisterFlags, RegisterStop, SourceFlags,
};
use mvpn::pim::{Input, PimEvent, SptThreshold};

use crate::one::{ASM, LAN, LOOPBACK, ME, N1, N2, One, RP, SSM, config, lan};

/// A source on the router's LAN.
const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 100);
/// A source elsewhere, and its DR.
const FAR: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
const DR: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 1);

fn packet(s: Ipv4Addr, g: Ipv4Addr) -> Vec<u8> {
    let mut packet = Register::null_packet(s.into(), g.into()).unwrap();
    packet.extend(b"data");
    packet
}

fn stop(one: &mut One) {
    let stop = RegisterStop { group: EncodedGroup::new(ASM.into()), source: HERE.into() };
    one.receive(crate::one::UP, RP, ME, &Message::RegisterStop(stop));
}

fn registers(one: &mut One) -> Vec<(Ipv4Addr, RegisterFlags)> {
    let mut list = Vec::new();
    for (_, from, to, octets) in one.sent.drain(..) {
        if let Ok(Message::Register(r)) = Message::parse(&octets, from.into(), to.into()) {
            assert_eq!(r.source_group(), Some((HERE.into(), ASM.into())));
            list.push((to, r.flags));
        }
    }
    list
}

/// The DR registers, stops at the Register-Stop, asks with a Null-Register after 25 to 85 s, and begins again if nobody answers.
#[test]
fn the_dr_registers_its_sources() {
    let mut one = One::new();
    one.input(Input::Data { interface: LAN, source: HERE, group: ASM });
    assert!(one.mroute(Some(HERE), ASM).unwrap().register);
    let data = packet(HERE, ASM);
    one.input(Input::WholePacket { packet: &data });
    assert_eq!(registers(&mut one), [(RP, RegisterFlags::empty())]);
    stop(&mut one);
    assert!(!one.mroute(Some(HERE), ASM).unwrap().register);
    one.input(Input::WholePacket { packet: &data });
    one.wait(Duration::from_secs(24));
    assert!(registers(&mut one).is_empty());
    one.wait(Duration::from_secs(61));
    assert_eq!(registers(&mut one), [(RP, RegisterFlags::NULL)]);
    one.wait(Duration::from_secs(5));
    assert!(one.mroute(Some(HERE), ASM).unwrap().register);
    // Without data the source is forgotten with its Keepalive Timer.
    one.wait(Duration::from_secs(211));
    assert_eq!(one.pim.states(), 0);
}

#[test]
fn who_is_not_the_dr_registers_nothing_and_neither_ssm() {
    let mut one = One::new();
    one.input(Input::Data { interface: LAN, source: HERE, group: SSM });
    assert!(one.mroute(Some(HERE), SSM).is_none_or(|m| !m.register));
    one.hello(LAN, N2, &[HelloOption::DrPriority(9)]);
    one.input(Input::Data { interface: LAN, source: HERE, group: ASM });
    assert!(!one.mroute(Some(HERE), ASM).unwrap().register);
    one.wait(Duration::from_secs(106));
    assert!(one.mroute(Some(HERE), ASM).unwrap().register, "the DR is gone");
}

fn register(one: &mut One, from: Ipv4Addr, to: Ipv4Addr, s: Ipv4Addr, g: Ipv4Addr, flags: RegisterFlags) {
    let data = packet(s, g);
    one.receive(crate::one::UP, from, to, &Message::Register(Register { flags, packet: &data }));
}

fn stops(one: &mut One) -> usize {
    one.kinds().iter().filter(|k| **k == MessageType::REGISTER_STOP).count()
}

#[test]
fn the_rp_stops_what_nobody_wants_forwards_what_somebody_wants_and_joins_the_source() {
    let mut one = One::with(config(), lan(), LOOPBACK);
    register(&mut one, DR, LOOPBACK, FAR, ASM, RegisterFlags::empty());
    assert_eq!((stops(&mut one), one.forwarded.len()), (1, 0));
    one.hello(LAN, N1, &[]);
    one.join_prune(N1, ME, ASM, LOOPBACK, SourceFlags::all(), true);
    one.sent.clear();
    register(&mut one, DR, LOOPBACK, FAR, ASM, RegisterFlags::empty());
    assert_eq!(one.forwarded, [vec![LAN]]);
    // Data comes by the source's tree: no more Registers are needed.
    one.input(Input::Data { interface: crate::one::UP, source: FAR, group: ASM });
    one.sent.clear();
    register(&mut one, DR, LOOPBACK, FAR, ASM, RegisterFlags::empty());
    assert_eq!((stops(&mut one), one.forwarded.len()), (1, 1));
}

#[test]
fn registers_to_another_rp_or_of_ssm_are_stopped_and_to_another_router_dropped() {
    let mut one = One::with(config(), lan(), LOOPBACK);
    register(&mut one, DR, ME, FAR, ASM, RegisterFlags::empty());
    register(&mut one, DR, LOOPBACK, FAR, SSM, RegisterFlags::empty());
    assert_eq!((stops(&mut one), one.pim.states()), (2, 0));
    register(&mut one, DR, RP, FAR, ASM, RegisterFlags::empty());
    assert_eq!((stops(&mut one), one.forwarded.len()), (0, 0));
}

#[test]
fn an_infinite_threshold_keeps_the_rp_on_registers() {
    let mut c = config();
    c.spt_threshold = SptThreshold::Infinity;
    let mut one = One::with(c, lan(), LOOPBACK);
    one.member(ASM, None, true);
    for _ in 0..3 {
        register(&mut one, DR, LOOPBACK, FAR, ASM, RegisterFlags::empty());
    }
    assert_eq!((one.forwarded.len(), stops(&mut one)), (3, 0));
}

/// A Register of a DR goes to the other members; one of a member is used and goes no further.
#[test]
fn anycast_rp_members_tell_one_another() {
    const MEMBER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 9);
    let mut c = config();
    c.local_addresses.push(RP);
    c.anycast_rp.push((RP, vec![LOOPBACK, MEMBER]));
    let mut one = One::with(c, lan(), RP);
    one.member(ASM, None, true);
    register(&mut one, DR, RP, FAR, ASM, RegisterFlags::empty());
    let copies: Vec<_> = one.sent.drain(..).filter(|(_, _, _, o)| o[0] & 15 == 1).map(|(_, f, t, _)| (f, t)).collect();
    assert_eq!((copies, one.forwarded.len()), (vec![(LOOPBACK, MEMBER)], 1));
    let g = Ipv4Addr::new(239, 1, 1, 2);
    one.member(g, None, true);
    register(&mut one, MEMBER, LOOPBACK, FAR, g, RegisterFlags::empty());
    assert!(one.kinds().iter().all(|k| *k != MessageType::REGISTER));
    assert_eq!(one.forwarded.len(), 2);
}

/// RFC 3618 §5, RFC 6514 §14.1: of sources that a DR registers here, or that are on a link of ours, and of no others.
#[test]
fn an_rp_tells_of_its_own_sources() {
    const MEMBER: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 9);
    let mut c = config();
    c.anycast_rp.push((LOOPBACK, vec![MEMBER]));
    let mut one = One::with(c, lan(), LOOPBACK);
    let told = |one: &mut One| {
        let all = one.events.drain(..).filter_map(|e| match e {
            PimEvent::SourceActive { group, source, is_active } => Some((group, source, is_active)),
            _ => None,
        });
        all.collect::<Vec<_>>()
    };
    register(&mut one, DR, LOOPBACK, FAR, ASM, RegisterFlags::empty());
    one.input(Input::Data { interface: LAN, source: HERE, group: ASM });
    assert_eq!(told(&mut one), [(ASM, FAR, true), (ASM, HERE, true)]);
    let g = Ipv4Addr::new(239, 1, 1, 2);
    register(&mut one, MEMBER, LOOPBACK, FAR, g, RegisterFlags::empty());
    assert_eq!(told(&mut one), [], "the other member tells of that");
    one.wait(Duration::from_secs(300));
    let mut ended = told(&mut one);
    ended.sort();
    assert_eq!(ended, [(ASM, HERE, false), (ASM, FAR, false)]);
}

/// RFC 3446 §3: an RP that another RP tells of a source joins it, for receivers that are there or come later.
#[test]
fn an_rp_joins_the_sources_of_other_rps_for_its_receivers() {
    let mut one = One::with(config(), lan(), LOOPBACK);
    one.hello(crate::one::UP, crate::one::NUP, &[HelloOption::Holdtime(0xffff)]);
    let remote = |is_active| Input::RemoteSource { source: FAR, group: ASM, is_active };
    one.input(remote(true));
    assert_eq!(one.join_prunes(), []);
    one.member(ASM, None, true);
    assert_eq!(one.join_prunes(), [(crate::one::UP, crate::one::NUP, ASM, FAR, SourceFlags::SPARSE, true)]);
    // The first packet on the source's tree is taken at once, and no other interface's.
    let mroute = one.mroute(Some(FAR), ASM).unwrap();
    assert_eq!(mroute.spt, Some(crate::one::UP));
    one.input(Input::Data { interface: crate::one::UP, source: FAR, group: ASM });
    let from = fwd_core::op::Rpf::From(fwd_core::op::Origin::Interface(crate::one::UP));
    assert_eq!(one.mroute(Some(FAR), ASM).unwrap().rpf, from);
    one.join_prunes();
    one.wait(Duration::from_secs(211));
    one.join_prunes();
    one.input(remote(false));
    assert_eq!(one.join_prunes(), [(crate::one::UP, crate::one::NUP, ASM, FAR, SourceFlags::SPARSE, false)]);
    // A router that is no RP of the group is not concerned.
    let mut one = One::new();
    one.member(ASM, None, true);
    one.join_prunes();
    one.input(remote(true));
    assert_eq!(one.join_prunes(), []);
}
