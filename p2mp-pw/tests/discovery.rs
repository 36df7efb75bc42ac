//! Hello adjacencies (RFC 5036 §2.4, §3.5.2.1, RFC 7552 §5).

use std::net::IpAddr;
use std::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use p2mp_pw::ldp::discovery::*;
use p2mp_pw::ldp::message::{HelloFlags, MessageBody};
use p2mp_pw::ldp::{LdpId, Pdu, TransportPreference};
use proptest::prelude::*;

const LINK: IfIndex = IfIndex(7);

fn config(n: u8) -> DiscoveryConfig {
    let mut config = DiscoveryConfig::new(LdpId::platform([192, 0, 2, n].into()));
    config.transport_v4 = Some([192, 0, 2, n].into());
    config
}

fn link(n: u8) -> InterfaceAddresses {
    InterfaceAddresses { v4: Some([198, 51, 100, n].into()), v6: Some(format!("fe80::{n}").parse().unwrap()) }
}

/// LSRs on one link; Targeted Hellos find their way too.
struct Net {
    now: Instant,
    lsrs: Vec<Discovery>,
    outputs: Vec<Vec<Output>>,
    cut: bool,
}

impl Net {
    fn new(configs: Vec<DiscoveryConfig>) -> Self {
        let now = Instant::from_secs(1);
        let lsrs: Vec<Discovery> = configs.into_iter().map(|c| Discovery::new(now, c).unwrap()).collect();
        Self { now, outputs: vec![Vec::new(); lsrs.len()], lsrs, cut: false }
    }

    fn settle(&mut self) {
        // Twice: an answer may be waiting at an LSR that was drained before.
        for n in (0..self.lsrs.len()).chain(0..self.lsrs.len()) {
            while let Some(output) = self.lsrs[n].poll_output() {
                let Output::Datagram { to, from, ttl, octets } = &output else {
                    self.outputs[n].push(output);
                    continue;
                };
                for other in (0..self.lsrs.len()).filter(|other| *other != n && !self.cut) {
                    let at = IpAddr::from([192, 0, 2, other as u8 + 1]);
                    if matches!(to, HelloTarget::Targeted(address) if *address != at) {
                        continue;
                    }
                    let to_all_routers = matches!(to, HelloTarget::Link { .. });
                    let input = Input::Datagram { from: *from, iface: LINK, to_all_routers, ttl: *ttl, octets };
                    self.lsrs[other].handle_input(self.now, input);
                }
                self.outputs[n].push(output);
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(at) = self.lsrs.iter().filter_map(Discovery::next_timeout).min().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.lsrs.iter_mut().for_each(|lsr| lsr.handle_timeout(self.now));
            self.settle();
        }
        self.now = end;
    }

    fn hellos(&self, n: usize) -> usize {
        self.outputs[n].iter().filter(|o| matches!(o, Output::Datagram { .. })).count()
    }

    fn downs(&self, n: usize) -> usize {
        self.outputs[n].iter().filter(|o| matches!(o, Output::Down(_))).count()
    }
}

#[test]
fn link_hellos_make_adjacencies_and_silence_ends_them() {
    let mut net = Net::new(vec![config(1), config(2)]);
    for n in [0, 1] {
        net.lsrs[n].set_interface(net.now, LINK, Some(link(n as u8 + 1)));
    }
    net.run(Duration::from_secs(60));
    for n in [0, 1] {
        let adjacency = *net.lsrs[n].adjacencies().next().unwrap();
        let other = 2 - n as u8;
        assert_eq!(adjacency.id.peer, LdpId::platform([192, 0, 2, other].into()));
        assert_eq!(adjacency.id.target, HelloTarget::Link { iface: LINK, ipv6: false });
        assert_eq!((adjacency.transport, adjacency.source), ([192, 0, 2, other].into(), [198, 51, 100, other].into()));
        assert!(adjacency.gtsm);
        // Three in each hold time of 15 s.
        assert_eq!(net.hellos(n), 13);
    }
    net.cut = true;
    net.run(Duration::from_secs(14));
    assert_eq!(net.downs(0), 0);
    net.run(Duration::from_secs(1));
    assert_eq!([net.downs(0), net.downs(1)], [1, 1]);
    assert_eq!(net.lsrs[0].adjacencies().count(), 0);
}

#[test]
fn the_shorter_hold_time_counts_and_hellos_keep_up_with_it() {
    let mut short = config(2);
    short.link_hold = Duration::from_secs(3);
    let mut net = Net::new(vec![config(1), short]);
    for n in [0, 1] {
        net.lsrs[n].set_interface(net.now, LINK, Some(link(n as u8 + 1)));
    }
    net.run(Duration::from_secs(60));
    assert_eq!([net.downs(0), net.downs(1)], [0, 0]);
    assert!(net.hellos(0) >= 60, "{}", net.hellos(0));
    net.cut = true;
    net.run(Duration::from_secs(3));
    assert_eq!([net.downs(0), net.downs(1)], [1, 1]);
}

#[test]
fn targeted_hellos_are_answered_where_that_is_configured() {
    let mut accepting = config(2);
    accepting.accept_targeted = true;
    let mut net = Net::new(vec![config(1), accepting, config(3)]);
    let target = |n: u8| IpAddr::from([192, 0, 2, n]);
    net.lsrs[0].set_target(net.now, target(2), true).unwrap();
    net.lsrs[0].set_target(net.now, target(3), true).unwrap();
    net.run(Duration::from_secs(100));
    assert_eq!(net.lsrs[0].adjacencies().map(|a| a.id.target).collect::<Vec<_>>(), [HelloTarget::Targeted(target(2))]);
    assert_eq!(net.lsrs[1].adjacencies().count(), 1);
    assert_eq!((net.lsrs[2].adjacencies().count(), net.hellos(2)), (0, 0));
    assert_eq!(net.lsrs[2].counters().refused[Refusal::Targeted as usize], 7);
    // Who asked no more is answered no more.
    net.lsrs[0].set_target(net.now, target(2), false).unwrap();
    net.run(Duration::from_secs(46));
    assert_eq!(net.lsrs[1].adjacencies().count(), 0);
    let sent = net.hellos(1);
    net.run(Duration::from_secs(100));
    assert_eq!(net.hellos(1), sent);
}

/// RFC 7552 §5.1: IPv6 first, hop limit 255, link-local source, one transport address of the packet's family.
#[test]
fn dual_stack_links_have_hellos_of_both_families() {
    let dual = |n: u8, preference| {
        let mut config = config(n);
        config.transport_v6 = Some(format!("2001:db8::{n}").parse().unwrap());
        config.preference = preference;
        config
    };
    let mut net = Net::new(vec![dual(1, TransportPreference::IPV6), dual(2, TransportPreference::IPV6)]);
    for n in [0, 1] {
        net.lsrs[n].set_interface(net.now, LINK, Some(link(n as u8 + 1)));
    }
    net.run(Duration::from_secs(1));
    let mut transports: Vec<IpAddr> = net.lsrs[0].adjacencies().map(|a| a.transport).collect();
    transports.sort();
    assert_eq!(transports, [IpAddr::from([192, 0, 2, 2]), "2001:db8::2".parse().unwrap()]);
    assert!(net.lsrs[0].adjacencies().all(|a| a.preference == Some(TransportPreference::IPV6)));
    let ttl = |v6: bool| {
        net.outputs[0].iter().find_map(|o| match o {
            Output::Datagram { from, ttl, .. } if from.is_ipv6() == v6 => Some(*ttl),
            _ => None,
        })
    };
    assert_eq!((ttl(false), ttl(true)), (Some(1), Some(255)));
    let warned =
        |net: &Net| net.outputs[0].iter().any(|o| matches!(o, Output::Event(Event::DualStackNoncompliance(_))));
    assert!(!warned(&net));
    let mut net = Net::new(vec![dual(1, TransportPreference::IPV6), dual(2, TransportPreference::IPV4)]);
    for n in [0, 1] {
        net.lsrs[n].set_interface(net.now, LINK, Some(link(n as u8 + 1)));
    }
    net.run(Duration::from_secs(1));
    assert!(warned(&net));
}

/// The octets of one Hello of LSR 2 with its flags changed.
fn hello(flags: HelloFlags) -> Vec<u8> {
    let mut net = Net::new(vec![config(2)]);
    net.lsrs[0].set_interface(net.now, LINK, Some(link(2)));
    net.run(Duration::ZERO);
    let Output::Datagram { octets, .. } = &net.outputs[0][0] else { panic!() };
    let pdu = Pdu::parse(octets).unwrap();
    let mut message = pdu.messages().next().unwrap().unwrap().parse().unwrap();
    let MessageBody::Hello(hello) = &mut message.body else { panic!() };
    hello.flags = flags;
    let mut out = Vec::new();
    Pdu::emit(pdu.id, &[message], &mut out);
    out
}

/// A Hello that comes by an interface on which LDP does not run, such as a customer's, makes no neighbour.
///
/// Shows: MVPN-ISEC-1
#[test]
fn what_is_no_hello_for_us_is_dropped_and_counted() {
    let mut limited = config(1);
    limited.max_adjacencies = 0;
    let mut net = Net::new(vec![config(1), limited]);
    for n in [0, 1] {
        net.lsrs[n].set_interface(net.now, LINK, Some(link(1)));
    }
    net.settle();
    let good = hello(HelloFlags::empty());
    let targeted = hello(HelloFlags::TARGETED);
    let from = IpAddr::from([198, 51, 100, 2]);
    let mut give = |n: usize, from, iface, to_all_routers, ttl, octets: &[u8]| {
        let before = net.lsrs[n].counters().refused;
        net.lsrs[n].handle_input(net.now, Input::Datagram { from, iface, to_all_routers, ttl, octets });
        let after = net.lsrs[n].counters().refused;
        after.iter().zip(before).position(|(after, before)| *after > before)
    };
    let refusal = |r: Refusal| Some(r as usize);
    assert_eq!(give(0, from, LINK, true, 1, &good[..20]), refusal(Refusal::Malformed));
    assert_eq!(give(0, from, IfIndex(8), true, 1, &good), refusal(Refusal::Link));
    assert_eq!(give(0, from, LINK, false, 1, &good), refusal(Refusal::Link));
    // Over IPv6 there is no transport address here.
    assert_eq!(give(0, "fe80::2".parse().unwrap(), LINK, true, 255, &good), refusal(Refusal::Transport));
    assert_eq!(give(0, "fe80::2".parse().unwrap(), LINK, true, 254, &good), refusal(Refusal::Link));
    assert_eq!(give(0, "2001:db8::2".parse().unwrap(), LINK, true, 255, &good), refusal(Refusal::Link));
    assert_eq!(give(0, from, LINK, false, 255, &targeted), refusal(Refusal::Targeted));
    assert_eq!(give(1, from, LINK, true, 1, &good), refusal(Refusal::TooMany));
    assert_eq!(give(0, from, LINK, true, 1, &good), None);
    assert_eq!(net.lsrs[0].counters().accepted, 1);
    assert!(net.lsrs[1].poll_output().is_some_and(|o| o == Output::Event(Event::TooMany)));
}

#[test]
fn bad_configuration_names_its_field() {
    let now = Instant::ZERO;
    let mut bad = config(1);
    bad.link_hold = Duration::from_secs(70_000);
    assert!(Discovery::new(now, bad).unwrap_err().to_string().starts_with("link_hold: 70000s"));
    let mut bad = config(1);
    bad.transport_v6 = Some("fe80::1".parse().unwrap());
    assert!(Discovery::new(now, bad).unwrap_err().to_string().starts_with("transport_v6: fe80::1"));
    let mut lsr = Discovery::new(now, config(1)).unwrap();
    let refused = |lsr: &mut Discovery, a: &str| lsr.set_target(now, a.parse().unwrap(), true).unwrap_err().to_string();
    assert!(refused(&mut lsr, "224.0.0.2").starts_with("target: 224.0.0.2"));
    assert!(refused(&mut lsr, "2001:db8::1").starts_with("target: 2001:db8::1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever datagrams come: no panic, bounded state, and every adjacency has an end.
    #[test]
    fn any_datagrams(datagrams in prop::collection::vec((any::<[u8; 4]>(), any::<bool>(), any::<Vec<u8>>(), 0..40_u64), 0..20)) {
        let mut config = config(1);
        config.accept_targeted = true;
        config.max_adjacencies = 4;
        let mut now = Instant::from_secs(1);
        let mut lsr = Discovery::new(now, config).unwrap();
        lsr.set_interface(now, LINK, Some(link(1)));
        let good = [hello(HelloFlags::empty()), hello(HelloFlags::TARGETED | HelloFlags::REQUEST)];
        for (from, to_all_routers, change, wait) in datagrams {
            let mut octets = good[usize::from(!to_all_routers)].clone();
            for pair in change.chunks_exact(2) {
                let at = usize::from(pair[0]) % octets.len();
                octets[at] = pair[1];
            }
            lsr.handle_input(now, Input::Datagram { from: from.into(), iface: LINK, to_all_routers, ttl: 255, octets: &octets });
            while lsr.poll_output().is_some() {}
            prop_assert!(lsr.adjacencies().count() <= 4);
            now = now + Duration::from_secs(wait);
            lsr.handle_timeout(now);
            prop_assert!(lsr.next_timeout().is_some_and(|at| at > now));
        }
        // Infinite hold times are cut to ours.
        now = now + Duration::from_secs(45);
        lsr.handle_timeout(now);
        prop_assert_eq!(lsr.adjacencies().count(), 0);
    }
}
