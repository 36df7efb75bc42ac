//! Two IKEv1 machines with each other, and one under attack, in virtual time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::pair::{self, A, B, Pair, peers};
use fwd_core::net::VpnId;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::crypto::{DhGroup, Encryption, IntegrityId, PrfId, Secret};
use ipsec_vlink::ike::payload::{NotifyType, PayloadType, Payloads};
use ipsec_vlink::ike::v1::{
    Config, Ended, Event, Ike, Input, Output, Phase1, Reject, State, VENDOR_ID_DPD, VENDOR_ID_NAT_T,
};
use ipsec_vlink::ike::{
    AuthConfig, ChildConfig, ConfigError, EspSuite, Identity, IkeSaId, IkeSuite, Mode, PeerConfig, TrafficSelector,
    VpnContext,
};

type V1 = Pair<Ike<RustCrypto>>;

const MODES: [Phase1; 2] = [Phase1::Main, Phase1::Aggressive];

/// The cheapest group, where the group is not what is tested.
const SUITE: IkeSuite = IkeSuite { group: DhGroup::CURVE25519, ..IkeSuite::AES_CBC_256_MODP_2048 };

fn configs(adapt: impl Fn(&mut PeerConfig)) -> [PeerConfig; 2] {
    peers(|c| {
        c.suites = vec![SUITE];
        adapt(c);
    })
}

fn begin(mode: Phase1, config: &Config, adapt: impl Fn(&mut PeerConfig)) -> V1 {
    let mut pair = Pair::new_v1(config);
    let [a, _] = pair.peers(configs(adapt), mode);
    pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
    pair
}

/// A pair with one child up.
fn up(mode: Phase1, adapt: impl Fn(&mut PeerConfig)) -> V1 {
    let mut pair = begin(mode, &Config::default(), adapt);
    pair.seconds(2);
    assert_eq!(pair.check_mirrored(), 1, "{:?} {:?}", pair.ends[0].events, pair.ends[1].events);
    pair
}

fn closed(pair: &V1, end: usize) -> Vec<Ended> {
    let events = pair.ends[end].events.iter();
    events.filter_map(|e| if let Event::Closed(_, _, why) = e { Some(*why) } else { None }).collect()
}

fn refusals(pair: &V1, end: usize) -> Vec<NotifyType> {
    let events = pair.ends[end].events.iter();
    events.filter_map(|e| if let Event::ChildRefused { why, .. } = e { Some(*why) } else { None }).collect()
}

/// RFC 2409 §5.4, §5.5: six messages and three, or three and three.
#[test]
fn main_and_aggressive_mode_and_a_quick_mode() {
    for (mode, sent) in [(Phase1::Main, (5, 4)), (Phase1::Aggressive, (4, 2))] {
        for prf in [PrfId::HMAC_SHA1, PrfId::HMAC_SHA2_256, PrfId::HMAC_SHA2_512] {
            for encryption in [Encryption::AES_CBC_128, Encryption::AES_CBC_256, Encryption::TRIPLE_DES] {
                let pair = up(mode, |c| c.suites = vec![IkeSuite { encryption, prf, ..SUITE }]);
                assert_eq!((pair.ends[0].sent, pair.ends[1].sent), sent, "{mode:?}");
                let child = pair.ends[0].live()[0];
                assert_eq!((child.mode, child.encapsulation), (Mode::Tunnel, None));
                assert_eq!(pair.ends[0].ike.state(IkeSaId(0)), Some(State::Established));
            }
        }
    }
    for group in [DhGroup::MODP_2048, DhGroup::ECP_256] {
        up(Phase1::Main, |c| c.suites = vec![IkeSuite { group, ..SUITE }]);
    }
}

/// RFC 2407 §4.5: algorithms, modes and lifetimes of phase 2 are agreed on, with and without a new exchange.
#[test]
fn attributes_of_phase_2_are_agreed_on() {
    let sha1 = EspSuite { integrity: IntegrityId::HMAC_SHA1_96, ..EspSuite::AES_CBC_256_SHA2_256 };
    for suite in [EspSuite::AES_GCM_128, EspSuite::NULL_SHA2_256, sha1, EspSuite { extended: true, ..sha1 }] {
        for group in [None, Some(DhGroup::ECP_256)] {
            let pair = up(Phase1::Main, |c| {
                c.children[0].suites = vec![suite];
                c.children[0].group = group;
            });
            assert_eq!(pair.ends[1].live()[0].suite, suite);
        }
    }
    let transport = |c: &mut PeerConfig| {
        c.children = vec![ChildConfig::transport(1, c.local, c.remote.unwrap(), 47)];
    };
    assert_eq!(up(Phase1::Main, transport).ends[1].live()[0].mode, Mode::Transport);
    let both = |c: &mut PeerConfig| {
        transport(c);
        c.force_encapsulation = true;
    };
    let pair = up(Phase1::Main, both);
    let child = pair.ends[1].live()[0];
    assert!(child.mode == Mode::Transport && child.encapsulation.is_some());
    // The responder wants a shorter life, and says so.
    let mut pair = Pair::new_v1(&Config::default());
    let [a, mut b] = configs(|_| {});
    b.children[0].lifetime = Duration::from_secs(100);
    let [id, _] = pair.peers([a, b], Phase1::Main);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    pair.seconds(2);
    let soft = pair.ends[0].live()[0].soft_lifetime;
    assert!((Duration::from_secs(79)..Duration::from_secs(91)).contains(&soft), "{soft:?}");
}

/// RFC 2408 §3.14.1, RFC 2407 §4.6.3.
#[test]
fn what_does_not_fit_is_refused_with_its_cause() {
    let run = |adapt: fn(&mut PeerConfig)| {
        let mut pair = Pair::new_v1(&Config::default());
        let [a, mut b] = configs(|_| {});
        adapt(&mut b);
        let [id, _] = pair.peers([a, b], Phase1::Main);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(2);
        assert_eq!(pair.ends[0].installed.len() + pair.ends[1].installed.len(), 0);
        (refusals(&pair, 0), closed(&pair, 0))
    };
    let group = |c: &mut PeerConfig| c.suites = vec![IkeSuite { group: DhGroup::ECP_256, ..SUITE }];
    assert_eq!(run(group), (vec![], vec![Ended::Refused(NotifyType::NO_PROPOSAL_CHOSEN)]));
    let esp = |c: &mut PeerConfig| c.children[0].suites = vec![EspSuite::NULL_SHA2_256];
    assert_eq!(run(esp), (vec![NotifyType::NO_PROPOSAL_CHOSEN], vec![]));
    let mode = |c: &mut PeerConfig| c.children[0].mode = Mode::Transport;
    assert_eq!(run(mode), (vec![NotifyType::NO_PROPOSAL_CHOSEN], vec![]));
    let net = |c: &mut PeerConfig| {
        c.children[0].local = vec![TrafficSelector::subnet("10.0.0.0".parse().unwrap(), 8)];
    };
    assert_eq!(run(net), (vec![NotifyType::INVALID_ID_INFORMATION_V1], vec![]));
    let id = |c: &mut PeerConfig| c.remote_id = Identity::fqdn("another");
    assert_eq!(run(id), (vec![], vec![Ended::Refused(NotifyType::INVALID_ID_INFORMATION_V1)]));
}

#[test]
fn a_wrong_shared_key_is_refused_and_counted() {
    for mode in MODES {
        let mut pair = Pair::new_v1(&Config { tries: 3, ..Config::default() });
        let [mut a, b] = configs(|_| {});
        a.auth = AuthConfig::Psk(Secret::copy(b"guess"));
        let [id, _] = pair.peers([a, b], mode);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(60);
        assert_eq!((closed(&pair, 0), pair.ends[0].ike.sizes()), (vec![Ended::Timeout], (0, 0)));
        // In Aggressive Mode the responder proves itself first.
        let judge = if mode == Phase1::Main { 1 } else { 0 };
        assert!(pair.ends[judge].ike.counters().rejected(Reject::Authentication) >= 3);
        assert_eq!((pair.ends[1].ike.sizes(), pair.ends[1].installed.len()), ((0, 0), 0));
    }
}

/// Aggressive Mode is refused but from a peer that is configured for it, which may be at any address.
#[test]
fn aggressive_mode_is_for_those_who_are_configured_for_it() {
    let run = |mode, name: &str| {
        let mut pair = Pair::new_v1(&Config { tries: 2, ..Config::default() });
        let [mut a, mut b] = configs(|_| {});
        a.local_id = Identity::fqdn(name);
        (b.remote, b.remote_id) = (None, Identity::fqdn("branch.example"));
        let id = pair.ends[0].ike.add_peer(a, Phase1::Aggressive).unwrap();
        pair.ends[1].ike.add_peer(b, mode).unwrap();
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(60);
        (pair.check_mirrored(), pair.ends[1].ike.counters().rejected(Reject::UnknownPeer))
    };
    assert_eq!(run(Phase1::Aggressive, "branch.example"), (1, 0));
    assert_eq!(run(Phase1::Aggressive, "other.example"), (0, 2));
    assert_eq!(run(Phase1::Main, "branch.example"), (0, 2));
}

/// The exchanges of ISAKMP by their numbers: Main Mode, Informational and Quick Mode are spoken; Aggressive Mode is where it is
/// configured, and is refused by default; New Group Mode is refused.
///
/// Shows: L2VPN-5.6-2
#[test]
fn exchanges_by_their_numbers() {
    use ipsec_vlink::ike::header::Header;
    for (mode, first) in [(Phase1::Main, 2), (Phase1::Aggressive, 4)] {
        let seen: Rc<RefCell<BTreeSet<u8>>> = Rc::default();
        let mut pair = begin(mode, &Config::default(), |_| {});
        let log = seen.clone();
        pair.fate = Box::new(move |_, _, octets| {
            let message = octets.strip_prefix(&[0; 4]).unwrap_or(octets);
            log.borrow_mut().insert(message[18]);
            1
        });
        pair.seconds(5);
        let child = pair.ends[0].live()[0].id;
        pair.ends[0].ike.delete_child(pair.now, child).unwrap();
        pair.seconds(5);
        assert_eq!(seen.borrow().iter().copied().collect::<Vec<_>>(), [first, 5, 32], "{mode:?}");
    }
    // To a system that is not configured for it: no answer, no state.
    for exchange in [4, 33] {
        let mut pair = Pair::new_v1(&Config::default());
        let [a, b] = configs(|_| {});
        let id = pair.ends[0].ike.add_peer(a, Phase1::Main).unwrap();
        pair.ends[1].ike.add_peer(b, Phase1::Main).unwrap();
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.fate = Box::new(move |is_first, _, octets| {
            octets[18] = exchange;
            usize::from(is_first)
        });
        pair.seconds(20);
        assert!(pair.ends[0].sent > 1 && pair.ends[1].sent == 0, "exchange {exchange}");
        assert_eq!(pair.ends[1].ike.sizes().0, 0);
    }
    assert_eq!(Header::LEN, 28);
}

/// The octets of the vendor IDs, and that they are said.
///
/// Shows: L2VPN-5.6-6
#[test]
fn vendor_ids_are_said_in_both_modes() {
    for mode in MODES {
        let mut pair = begin(mode, &Config::default(), |_| {});
        let Some(Output::Datagram { octets, .. }) = pair.ends[0].ike.poll_output() else { panic!() };
        let (_, payloads) = Payloads::of(&octets).unwrap();
        let said: Vec<Vec<u8>> = payloads
            .filter_map(|p| p.ok().filter(|p| p.kind == PayloadType::VENDOR_ID_V1).map(|p| p.body.to_vec()))
            .collect();
        assert_eq!(said, [VENDOR_ID_NAT_T, VENDOR_ID_DPD], "and nothing private");
    }
    let hex: String = VENDOR_ID_NAT_T.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "4a131c81070358455c5728f20e95452f");
    use md5::Digest as _;
    assert_eq!(md5::Md5::digest(b"RFC 3947")[..], VENDOR_ID_NAT_T);
}

/// The context record goes in a private payload of Quick Mode, to a peer with our Vendor ID alone.
#[test]
fn contexts_are_said_to_peers_that_know_them() {
    let children = |n: u32| -> Vec<ChildConfig> {
        let context = |tag| VpnContext::link(VpnId::new(0x5e, tag).unwrap(), 0);
        (1..=n).map(|tag| ChildConfig { context: Some(context(tag)), ..ChildConfig::any_v4(tag) }).collect()
    };
    let adapt = |c: &mut PeerConfig| {
        c.vpn_context = true;
        c.children = children(20);
    };
    let mut pair = up(Phase1::Main, adapt);
    for tag in 2..=20 {
        let peer = ipsec_vlink::ike::PeerId(0);
        pair.ends[0].ike.connect(pair.now, peer, tag).unwrap();
    }
    pair.seconds(2);
    assert_eq!((pair.check_mirrored(), pair.ends[0].ike.sizes()), (20, (1, 0)));
    for child in pair.ends[1].live() {
        let context = VpnContext::link(VpnId::new(0x5e, child.tag).unwrap(), 0);
        assert!(child.is_for(&context), "each for its own context");
    }
    // A peer that does not say it back.
    let mut pair = Pair::new_v1(&Config::default());
    let [mut a, b] = configs(|_| {});
    adapt(&mut a);
    let [id, _] = pair.peers([a, b], Phase1::Main);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    pair.seconds(600);
    assert!(pair.ends[0].events.iter().any(|e| matches!(e, Event::NoContext { tag: 1, .. })));
    assert_eq!((pair.ends[0].installed.len(), pair.ends[1].installed.len()), (0, 0), "neither end has it");
}

#[test]
fn children_are_replaced_in_time_by_either_end() {
    for group in [None, Some(DhGroup::CURVE25519)] {
        let mut pair = up(Phase1::Main, |c| {
            c.children[0].lifetime = Duration::from_secs(100);
            c.children[0].group = group;
        });
        pair.seconds(3600);
        let installed = pair.ends[0].installed.len();
        assert!((36..=100).contains(&installed), "{installed}");
        assert!((1..=3).contains(&pair.check_mirrored()));
        assert!(pair.ends[0].installed[1..].iter().all(|c| c.replaces.is_some()));
        assert_eq!(pair.ends[0].ike.sizes(), (1, 0));
        let child = pair.ends[1].live().last().unwrap().id;
        pair.ends[1].ike.replace_child(pair.now, child).unwrap();
        pair.seconds(2);
        assert_eq!(pair.ends[0].installed.len(), installed + 1);
    }
}

#[test]
fn phase_1_is_gone_through_again_and_children_stay() {
    for mode in MODES {
        let mut pair = up(mode, |c| {
            c.lifetime = Duration::from_secs(300);
            c.children[0].lifetime = Duration::from_secs(7200);
        });
        pair.seconds(3000);
        let established = pair.ends[0].ike.counters().established;
        assert!((10..=24).contains(&established), "{mode:?} {established}");
        assert!(pair.ends[0].ike.sizes().0 <= 3 && pair.ends[1].ike.sizes().0 <= 3);
        assert_eq!(pair.check_mirrored(), 1, "{mode:?}");
        assert_eq!((pair.ends[0].removed.len(), pair.ends[1].removed.len()), (0, 0), "never without it");
        assert!(closed(&pair, 0).iter().all(|why| *why == Ended::Replaced), "{:?}", closed(&pair, 0));
    }
}

#[test]
fn deletions_are_told_and_followed() {
    let mut pair = up(Phase1::Main, |_| {});
    let child = pair.ends[1].live()[0].id;
    pair.ends[1].ike.delete_child(pair.now, child).unwrap();
    pair.seconds(1);
    assert_eq!((pair.check_mirrored(), pair.ends[0].removed.len(), pair.ends[0].ike.sizes().0), (0, 1, 1));
    pair.ends[0].ike.connect(pair.now, ipsec_vlink::ike::PeerId(0), 1).unwrap();
    pair.seconds(1);
    assert_eq!(pair.check_mirrored(), 1);
    pair.ends[0].ike.delete(pair.now, IkeSaId(0)).unwrap();
    pair.seconds(1);
    assert_eq!((closed(&pair, 0), closed(&pair, 1)), (vec![Ended::Ours], vec![Ended::Peer]));
    assert_eq!((pair.check_mirrored(), pair.ends[1].ike.children(), pair.ends[1].ike.sizes()), (0, 0, (0, 0)));
}

/// RFC 3706.
#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let mut pair = up(Phase1::Main, |_| {});
    pair.seconds(300);
    assert!(pair.ends[0].events.len() == 1 && pair.ends[0].sent > 8, "liveness goes on");
    pair.fate = Box::new(|_, _, _| 0);
    pair.seconds(600);
    assert_eq!((closed(&pair, 0), pair.ends[0].live().len()), (vec![Ended::Timeout], 0));
    assert_eq!((pair.ends[0].ike.next_timeout(), pair.ends[0].ike.children()), (None, 0));
    // What the peer protects shows that it is there: no question is asked.
    let mut pair = up(Phase1::Main, |_| {});
    let sent = pair.ends[0].sent;
    for _ in 0..20 {
        for end in &mut pair.ends {
            let child = end.installed[0].id;
            end.ike.handle_input(pair.now, Input::Heard(child));
        }
        pair.seconds(10);
    }
    assert_eq!(pair.ends[0].sent, sent);
}

/// 29 % of the messages are lost, as many come twice, and those that come twice overtake others.
#[test]
fn a_link_that_loses_repeats_and_reorders() {
    for mode in MODES {
        for seed in 0..12_u64 {
            let mut pair = Pair::new_v1(&Config::default());
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            pair.fate = Box::new(move |_, _, _| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                [0, 0, 1, 1, 1, 2, 2][(state % 7) as usize]
            });
            let [a, _] = pair.peers(
                configs(|c| {
                    c.children[0].lifetime = Duration::from_secs(500);
                    c.lifetime = Duration::from_secs(2000);
                }),
                mode,
            );
            pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
            pair.seconds(4500);
            pair.fate = Box::new(|_, _, _| 1);
            // All that a deletion which was lost has left has run out by then.
            pair.seconds(2100);
            let [x, y] = &pair.ends;
            let newest = |e: &pair::End<Ike<RustCrypto>>| e.live().iter().max_by_key(|c| c.id).map(|c| c.spi_in);
            assert!(newest(x).is_some(), "{mode:?} {seed}: {:?} {:?}", x.events, y.events);
            assert!((1..=3).contains(&pair.check_mirrored()), "{mode:?} {seed}");
            assert!(x.ike.sizes().0 <= 3 && y.ike.sizes().0 <= 3, "{mode:?} {seed}");
            assert!(x.ike.counters().retransmitted > 0 && y.ike.counters().duplicates > 0);
        }
    }
}

/// RFC 3947: found, kept open, and followed when it gives another port.
#[test]
fn a_nat_is_found_kept_open_and_followed() {
    for mode in MODES {
        let mut pair = Pair::new_v1(&Config::default());
        let outside: SocketAddr = "203.0.113.9:20000".parse().unwrap();
        pair.nat = Some(outside);
        let [a, mut b] = configs(|_| {});
        b.remote = None;
        let [id, _] = pair.peers([a, b], mode);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(70);
        assert_eq!(pair.check_mirrored(), 1, "{mode:?} {:?} {:?}", pair.ends[0].events, pair.ends[1].events);
        let at_b = pair.ends[1].live()[0].encapsulation.unwrap();
        assert_eq!((at_b.local.port(), at_b.remote), (4500, SocketAddr::new(outside.ip(), 20_500)), "{mode:?}");
        let at_a = pair.ends[0].live()[0].encapsulation.unwrap();
        assert_eq!((at_a.local.port(), at_a.remote.port()), (4500, 4500));
        pair.nat = Some(SocketAddr::new(outside.ip(), 30_000));
        pair.seconds(60);
        assert_eq!(pair.ends[1].moved, 1);
        let child = pair.ends[1].live()[0].id;
        pair.ends[1].ike.replace_child(pair.now, child).unwrap();
        pair.seconds(2);
        assert_eq!(pair.ends[1].installed.last().unwrap().encapsulation.unwrap().remote.port(), 30_500);
    }
}

/// RFC 3947 §5.2: transport mode through a NAT, whoever asks. Selectors have the addresses from before the NAT, packets those from behind
/// it; what NAT-OA says makes them agree.
#[test]
fn transport_mode_through_a_nat() {
    for mode in MODES {
        let mut pair = Pair::new_v1(&Config::default());
        let outside: SocketAddr = "203.0.113.9:20000".parse().unwrap();
        pair.nat = Some(outside);
        let [mut a, mut b] = configs(|_| {});
        let (inner, server) = (a.local, b.local);
        a.children = vec![ChildConfig::transport(1, inner, server, 47)];
        b.children = vec![ChildConfig::transport(1, server, outside.ip(), 47)];
        b.remote = None;
        let [id, _] = pair.peers([a, b], mode);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(5);
        let [at_a, at_b] = [0, 1].map(|end| pair.ends[end].live()[0]);
        let of = |from: std::net::IpAddr| TrafficSelector::host_protocol(from, 47);
        assert_eq!(
            (at_a.mode, &at_a.local_selectors[..], &at_a.remote_selectors[..]),
            (Mode::Transport, &[of(inner)][..], &[of(server)][..])
        );
        assert_eq!(
            (at_b.mode, &at_b.local_selectors[..], &at_b.remote_selectors[..]),
            (Mode::Transport, &[of(server)][..], &[of(outside.ip())][..])
        );
        assert_eq!((at_a.spi_in, &at_a.keys_in), (at_b.spi_out, &at_b.keys_out), "{mode:?}");
        let child = at_b.id;
        pair.ends[1].ike.replace_child(pair.now, child).unwrap();
        pair.seconds(5);
        let [at_a, at_b] = [0, 1].map(|end| pair.ends[end].installed.last().unwrap());
        assert_eq!((pair.ends[0].installed.len(), pair.ends[1].installed.len()), (2, 2), "{mode:?}");
        assert_eq!(
            (&at_a.local_selectors[..], &at_b.remote_selectors[..]),
            (&[of(inner)][..], &[of(outside.ip())][..])
        );
    }
}

#[test]
fn initial_contact_ends_what_the_peer_forgot() {
    for mode in MODES {
        let mut pair = up(mode, |_| {});
        let provider = RustCrypto::new(b"other seed");
        let mut fresh = pair::End::of(Ike::new(pair.now, Config::default(), provider).unwrap());
        let [a, _] = configs(|_| {});
        let id = fresh.ike.add_peer(a, mode).unwrap();
        fresh.ike.connect(pair.now, id, 1).unwrap();
        pair.ends[0] = fresh;
        pair.seconds(2);
        assert_eq!((pair.check_mirrored(), closed(&pair, 1)), (1, vec![Ended::InitialContact]), "{mode:?}");
    }
}

fn first_message(pair: &mut V1) -> Vec<u8> {
    let mut first = Vec::new();
    while let Some(output) = pair.ends[0].ike.poll_output() {
        if let Output::Datagram { octets, .. } = output {
            first = octets;
        }
    }
    first
}

/// A hundred thousand first messages with forged sources: bounded, and a peer that means it gets through all the same.
#[test]
fn a_flood_of_half_open_sas_is_bounded_and_counted_and_others_are_served() {
    let mut pair = Pair::new_v1(&Config::default());
    let [a, mut b] = configs(|_| {});
    b.remote = None;
    let [id, _] = pair.peers([a, b], Phase1::Main);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    let mut first = first_message(&mut pair);
    let to: SocketAddr = format!("{B}:500").parse().unwrap();
    let victim = &mut pair.ends[1].ike;
    let (mut most, mut events) = (0, 0);
    for n in 0..100_000_u32 {
        first[..8].copy_from_slice(&(u64::from(n) + 1).to_be_bytes());
        let from = SocketAddr::new(Ipv4Addr::from_bits(0x0a00_0000 + n / 8).into(), 500);
        victim.handle_input(pair.now, Input::Datagram { from, to, octets: &first });
        while let Some(output) = victim.poll_output() {
            events += usize::from(matches!(output, Output::Event(_)));
        }
        most = most.max(victim.sizes().0);
    }
    assert_eq!((most, victim.sizes().1, events), (10_000, 10_000, 1));
    assert_eq!(victim.counters().rejected(Reject::HalfOpen), 90_000);
    // All places are taken, and yet.
    pair.seconds(5);
    assert_eq!(pair.check_mirrored(), 1);
    pair.seconds(40);
    assert_eq!(pair.ends[1].ike.sizes(), (1, 0), "what was half-open is forgotten");
}

#[test]
fn one_source_cannot_take_all_half_open_places() {
    let mut pair = begin(Phase1::Main, &Config { half_open_per_source: 10, ..Config::default() }, |_| {});
    let mut first = first_message(&mut pair);
    let (from, to) = (format!("{A}:500").parse().unwrap(), format!("{B}:500").parse().unwrap());
    for n in 1..=50_u64 {
        first[..8].copy_from_slice(&n.to_be_bytes());
        pair.ends[1].ike.handle_input(pair.now, Input::Datagram { from, to, octets: &first });
    }
    let victim = &pair.ends[1].ike;
    assert_eq!((victim.sizes(), victim.counters().rejected(Reject::HalfOpen)), ((10, 10), 40));
}

/// Whatever an attacker changes in a message, or repeats, nothing changes in the SA, and it is counted.
#[test]
fn changed_and_repeated_messages_change_nothing() {
    let mut pair = up(Phase1::Main, |_| {});
    let peer = ipsec_vlink::ike::PeerId(0);
    let (from, to): (SocketAddr, SocketAddr) =
        (format!("{A}:500").parse().unwrap(), format!("{B}:500").parse().unwrap());
    pair.ends[0].ike.connect(pair.now, peer, 1).unwrap();
    let quick = first_message(&mut pair);
    let child = pair.ends[0].installed[0].id;
    pair.ends[0].ike.delete_child(pair.now, child).unwrap();
    let delete = first_message(&mut pair);
    for message in [&quick, &delete] {
        for at in 0..message.len() {
            let mut forged = message.clone();
            forged[at] ^= 0x10;
            pair.ends[1].ike.handle_input(pair.now, Input::Datagram { from, to, octets: &forged });
            while let Some(output) = pair.ends[1].ike.poll_output() {
                assert!(matches!(output, Output::Event(Event::Rejected(..))), "octet {at}: {output:?}");
            }
        }
    }
    let victim = &pair.ends[1].ike;
    let counted: u64 = victim.counters().rejected.iter().sum();
    assert_eq!((counted, victim.children()), ((quick.len() + delete.len()) as u64, 1));
    // An old message 1 is answered, and comes to nothing: nobody proves that it is fresh.
    for _ in 0..3 {
        pair.ends[1].ike.handle_input(pair.now, Input::Datagram { from, to, octets: &quick });
    }
    let installed = pair.ends[1].installed.len();
    pair.fate = Box::new(|first, _, _| usize::from(!first));
    pair.seconds(1);
    assert_eq!((pair.ends[1].installed.len(), pair.ends[1].ike.children()), (installed, 1));
}

/// RFC 2408 §3.1: anybody could set it.
#[test]
fn the_commit_bit_is_refused() {
    let mut pair = begin(Phase1::Main, &Config { tries: 2, ..Config::default() }, |_| {});
    pair.fate = Box::new(|_, _, octets| {
        octets[19] |= 2;
        1
    });
    pair.seconds(60);
    assert_eq!(pair.ends[1].ike.counters().rejected(Reject::Exchange), 2);
    assert_eq!(pair.ends[1].ike.sizes(), (0, 0));
}

#[test]
fn configurations_are_refused_by_field() {
    let mut ike = Ike::new(fwd_core::time::Instant::ZERO, Config::default(), RustCrypto::new(b"x")).unwrap();
    let mut refused = |adapt: &dyn Fn(&mut PeerConfig)| {
        let [mut a, _] = configs(|_| {});
        adapt(&mut a);
        ike.add_peer(a, Phase1::Main).unwrap_err()
    };
    assert_eq!(refused(&|c| c.suites = vec![IkeSuite::AES_GCM_128_X25519]), {
        ConfigError::Suite(IkeSuite::AES_GCM_128_X25519)
    });
    let key = RustCrypto::signing_key(ipsec_vlink::ike::crypto::SignatureScheme::Ed25519, &[1; 32]).unwrap();
    let public = AuthConfig::PublicKey { theirs: key.public.clone(), ours: key };
    assert_eq!(refused(&|c| c.auth = public.clone()), ConfigError::SharedKeyOnly);
    assert_eq!(refused(&|c| c.children[0].label = Some(vec![1])), ConfigError::Label(1));
    assert_eq!(refused(&|c| c.children[0].local.push(TrafficSelector::ANY_V4)), ConfigError::Selectors(1));
    let chacha = EspSuite { encryption: Encryption::CHACHA20_POLY1305, ..EspSuite::AES_GCM_128 };
    assert_eq!(refused(&|c| c.children[0].suites = vec![chacha]), ConfigError::EspSuite(chacha));
    let zero = Config { exchanges_per_sa: 0, ..Config::default() };
    let made = Ike::new(fwd_core::time::Instant::ZERO, zero, RustCrypto::new(b"x"));
    assert_eq!(made.unwrap_err(), ConfigError::Zero("exchanges_per_sa"));
}
