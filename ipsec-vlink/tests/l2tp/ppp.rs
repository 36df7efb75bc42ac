//! PPP in sessions of version 2: two systems with addresses, proofs of who they are, and what happens when one falls silent.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipsec_vlink::l2tp::PseudowireType;
use ipsec_vlink::l2tp::control::{Cause, Event as L2tpEvent, PeerConfig, SessionConfig, SessionId, SessionStart};
use ipsec_vlink::l2tp::digest::Secret;
use ipsec_vlink::ppp::{AuthProtocol, Config, Credential, Down, Event, Input, Output, Phase, Ppp, Protocol};

use super::net::{Faults, Net, RustCrypto, address};
use super::ppp_drive;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Two ends of a PPP link on a session of L2TP.
struct Line {
    net: Net,
    sessions: [SessionId; 2],
    ends: [Ppp<RustCrypto>; 2],
    events: [Vec<Event>; 2],
    packets: [Vec<Vec<u8>>; 2],
    frames: usize,
}

fn credential(name: &str, secret: &str) -> Credential {
    Credential { name: name.as_bytes().to_vec(), secret: Secret::copy(secret.as_bytes()) }
}

/// The one assigns both addresses, the other asks for its own.
fn configs() -> [Config; 2] {
    let mut configs =
        [Config::new(Some(OURS), Some(THEIRS), [1; 32]), Config::new(Some(Ipv4Addr::UNSPECIFIED), None, [2; 32])];
    configs[0].interface_id = Some(1);
    configs[1].interface_id = Some(2);
    configs
}

impl Line {
    fn new(configs: [Config; 2], faults: Faults) -> Self {
        let mut net = Net::new(Some(1701), faults);
        let peers = [0, 1].map(|n: usize| {
            let cfg = PeerConfig { initiate: n == 0, ..PeerConfig::v2(address(2 - n as u8, None).ip) };
            net.ends[n].add_peer(cfg).unwrap()
        });
        let starts = [SessionStart::Incoming, SessionStart::Await];
        let sessions = [1, 0].map(|n| {
            let (local, remote): (&[u8], &[u8]) = if n == 0 { (b"a", b"b") } else { (b"b", b"a") };
            let cfg = SessionConfig {
                pseudowire: PseudowireType::PPP,
                cookie_len: 0,
                ..SessionConfig::new(peers[n], starts[n], local, remote)
            };
            net.ends[n].add_session(net.now, cfg).unwrap()
        });
        let now = net.now;
        let [a, b] = configs;
        let ends = [a, b].map(|cfg| Ppp::new(now, cfg, RustCrypto).unwrap());
        let sessions = [sessions[1], sessions[0]];
        Self { net, sessions, ends, events: Default::default(), packets: Default::default(), frames: 0 }
    }

    /// Runs both machines and the network below, a hundredth of a second at a time.
    fn seconds(&mut self, seconds: u64) {
        for _ in 0..seconds * 100 {
            for n in 0..2 {
                let (ppp, l2tp) = (&mut self.ends[n], &mut self.net.ends[n]);
                for event in self.net.events[n].drain(..) {
                    match event {
                        L2tpEvent::SessionUp { .. } => ppp.handle_input(self.net.now, Input::Up),
                        L2tpEvent::SessionDown { .. } => ppp.handle_input(self.net.now, Input::Down),
                        _ => {}
                    }
                }
                for frame in self.net.payloads[n].drain(..) {
                    ppp.handle_input(self.net.now, Input::Frame(&frame));
                }
                if ppp.next_timeout().is_some_and(|at| at <= self.net.now) {
                    ppp.handle_timeout(self.net.now);
                }
                while let Some(output) = ppp.poll_output() {
                    match output {
                        Output::Frame(frame) => {
                            self.frames += 1;
                            l2tp.send_payload(self.sessions[n], &frame);
                        }
                        Output::Packet { octets, .. } => self.packets[n].push(octets),
                        Output::Event(event) => self.events[n].push(event),
                    }
                }
            }
            self.net.run(Duration::from_millis(10));
        }
    }

    fn is_up(&self, n: usize, addresses: (Ipv4Addr, Ipv4Addr)) -> bool {
        let up = Event::Ipv4Up { local: addresses.0, remote: addresses.1 };
        let last = self.events[n].iter().rev().find(|e| matches!(e, Event::Ipv4Up { .. } | Event::Ipv4Down));
        last == Some(&up)
    }
}

/// One end assigns both addresses; packets of both families go; an end that falls silent is found out by echoes, and takes the link
/// down at the other. And a session whose ends have interfaces of other sizes is refused for that.
///
/// Shows: VLINK-6.6-P4
#[test]
fn addresses_are_assigned_and_silence_is_found_out() {
    for lost_percent in [0, 20] {
        let faults = Faults { lost_percent, ..Faults::default() };
        let mut line = Line::new(configs(), faults);
        line.seconds(if lost_percent > 0 { 60 } else { 5 });
        assert!(line.is_up(0, (OURS, THEIRS)) && line.is_up(1, (THEIRS, OURS)), "{:?}", line.events);
        assert!(line.events[0].contains(&Event::Ipv6Up { local: 1, remote: 2 }));
        assert!(line.events[1].contains(&Event::Ipv6Up { local: 2, remote: 1 }));
        line.net.faults = Faults::default();
        let now = line.net.now;
        for (protocol, octets) in [(Protocol::IPV4, b"four"), (Protocol::IPV6, b"six ")] {
            line.ends[0].handle_input(now, Input::Packet { protocol, octets });
        }
        line.ends[0].handle_input(now, Input::Packet { protocol: Protocol::MPLS, octets: b"none" });
        line.seconds(1);
        assert_eq!(line.packets[1], [b"four".to_vec(), b"six ".to_vec()]);
        // Echoes keep it up.
        line.seconds(120);
        assert!(line.is_up(0, (OURS, THEIRS)) && line.is_up(1, (THEIRS, OURS)));
        // PPP at the other end hears and says nothing any more, though L2TP does.
        line.events = Default::default();
        let silent = Config::new(Some(Ipv4Addr::UNSPECIFIED), None, [9; 32]);
        line.ends[1] = Ppp::new(now, silent, RustCrypto).unwrap();
        line.seconds(45);
        assert_eq!(line.events[0], [Event::Ipv4Down, Event::Ipv6Down, Event::Down(Down::EchoLost)]);
        line.ends[0].handle_input(line.net.now, Input::Packet { protocol: Protocol::IPV4, octets: b"late" });
        assert!(line.packets[1].len() == 2);
    }
    // RFC 4667 §4.3, §6: result 23.
    let mut net = Net::new(None, Faults::default());
    for n in [1, 0] {
        let cfg = PeerConfig { initiate: n == 0, ..PeerConfig::v3(address(2 - n as u8, None)) };
        let peer = net.ends[n].add_peer(cfg).unwrap();
        let start = if n == 0 { SessionStart::Incoming } else { SessionStart::Await };
        let cfg = SessionConfig { mtu: Some(1400 + n as u16), ..SessionConfig::new(peer, start, b"x", b"x") };
        net.ends[n].add_session(net.now, cfg).unwrap();
    }
    net.seconds(5);
    let causes: Vec<Cause> = net.events[0]
        .iter()
        .filter_map(|e| if let L2tpEvent::SessionDown { cause, .. } = e { Some(*cause) } else { None })
        .collect();
    assert!(causes.iter().any(|c| matches!(c, Cause::Peer { result: 23, .. })), "{causes:?}");
}

/// Proofs by both protocols, in either direction and in both; wrong ones; and what is not sent in the clear unless that is allowed.
#[test]
fn each_proves_who_it_is() {
    type Case = (Option<AuthProtocol>, bool, &'static str, bool, Option<Down>);
    use AuthProtocol::{ChapMd5, Pap};
    let cases: [Case; 7] = [
        (Some(ChapMd5), false, "secret", false, None),
        (Some(Pap), true, "secret", false, None),
        (Some(ChapMd5), false, "secret", true, None),
        (Some(ChapMd5), false, "wrong", false, Some(Down::PeerUnknown)),
        (Some(Pap), true, "wrong", false, Some(Down::PeerUnknown)),
        // PAP is demanded, and CHAP is all that is allowed: there is no proof, and no link.
        (Some(Pap), false, "secret", false, Some(Down::Timeout)),
        (None, false, "secret", false, None),
    ];
    for (demand, allow_pap, secret, mutual, why) in cases {
        let [mut a, mut b] = configs();
        (a.demand, a.peer) = (demand, Some(credential("branch", "secret")));
        (b.ours, b.allow_pap) = (Some(credential("branch", secret)), allow_pap);
        if mutual {
            (a.ours, b.peer) = (Some(credential("centre", "other")), Some(credential("centre", "other")));
            b.demand = demand;
        }
        let mut line = Line::new([a, b], Faults::default());
        line.seconds(90);
        let name = format!("{demand:?} {allow_pap} {secret} {mutual}: {:?}", line.events);
        match why {
            None => {
                assert!(line.is_up(0, (OURS, THEIRS)) && line.is_up(1, (THEIRS, OURS)), "{name}");
                assert!(line.ends.iter().all(|end| end.phase() == Phase::Network), "{name}");
            }
            Some(why) => {
                let ups = line.events.iter().flatten().filter(|e| matches!(e, Event::Authenticated)).count();
                assert_eq!(ups, 0, "{name}");
                if why != Down::Timeout {
                    assert!(line.events[0].contains(&Event::Down(why)), "{name}");
                    assert!(line.events[1].iter().any(|e| matches!(e, Event::Down(_))), "{name}");
                }
            }
        }
    }
}

/// An end without a credential does not go where one is wanted.
#[test]
fn who_cannot_prove_it_gets_no_link() {
    let [mut a, b] = configs();
    (a.demand, a.peer) = (Some(AuthProtocol::ChapMd5), Some(credential("branch", "secret")));
    let mut line = Line::new([a, b], Faults::default());
    line.seconds(30);
    assert!(line.events[0].contains(&Event::Down(Down::PeerUnknown)), "{:?}", line.events);
    assert!(!line.events.iter().flatten().any(|e| matches!(e, Event::Ipv4Up { .. })));
}

/// Whatever arrives: no panic, bounded output, no packets before the proofs, and every up has its down.
#[test]
fn arbitrary_stimuli() {
    let mut random = 1_u64;
    for n in 0..600 {
        let mut octets = Vec::new();
        for _ in 0..n / 2 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            octets.extend((random >> 24).to_be_bytes());
        }
        ppp_drive::run(&octets);
        ppp_drive::parse(&octets);
    }
    ppp_drive::parse(&[1, 7, 0, 10, 3, 6, 10, 0, 0, 1]);
}
