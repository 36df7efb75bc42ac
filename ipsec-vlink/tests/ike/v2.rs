//! Two IKEv2 machines with each other, and one under attack, in virtual time.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::pair::{self, A, B, Pair, peers};
use fwd_core::net::VpnId;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::crypto::{CryptoProvider, DhGroup, Encryption, SignatureScheme};
use ipsec_vlink::ike::payload::NotifyType;
use ipsec_vlink::ike::v2::{Config, Ended, Event, Ike, Input, Reject, State};
use ipsec_vlink::ike::{
    AuthConfig, ChildConfig, ConfigError, Identity, IkeSaId, IkeSuite, Mode, PeerConfig, TrafficSelector, VpnContext,
};

/// A pair with one child up.
fn up(adapt: impl Fn(&mut PeerConfig)) -> Pair {
    let mut pair = Pair::new(&Config::default());
    let [a, _] = pair.peers(peers(adapt));
    pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
    pair.seconds(2);
    assert_eq!(pair.check_mirrored(), 1, "{:?} {:?}", pair.ends[0].events, pair.ends[1].events);
    pair
}

fn closed(pair: &Pair, end: usize) -> Vec<Ended> {
    let events = pair.ends[end].events.iter();
    events.filter_map(|e| if let Event::Closed(_, _, why) = e { Some(*why) } else { None }).collect()
}

fn refusals(pair: &Pair, end: usize) -> Vec<NotifyType> {
    let events = pair.ends[end].events.iter();
    events.filter_map(|e| if let Event::ChildRefused { why, .. } = e { Some(*why) } else { None }).collect()
}

/// Four messages, and both ends have the pair, with every suite.
#[test]
fn a_shared_key_makes_a_child_with_four_messages() {
    for suite in [IkeSuite::AES_GCM_128_X25519, IkeSuite::AES_CBC_256_MODP_2048] {
        for group in [suite.group, DhGroup::ECP_256] {
            let suite = IkeSuite { group, ..suite };
            let pair = up(|c| c.suites = vec![suite]);
            assert_eq!((pair.ends[0].sent, pair.ends[1].sent), (2, 2));
            let child = pair.ends[0].live()[0];
            assert_eq!((child.mode, child.encapsulation), (Mode::Tunnel, None));
            assert_eq!(child.local_selectors, [TrafficSelector::ANY_V4]);
        }
    }
}

#[test]
fn raw_public_keys_of_both_kinds() {
    for scheme in [SignatureScheme::Ed25519, SignatureScheme::EcdsaP256Sha256] {
        let key = |n: u8| RustCrypto::signing_key(scheme, &[n; 32]).unwrap();
        let auth = |ours: u8, theirs: u8| AuthConfig::PublicKey { ours: key(ours), theirs: key(theirs).public };
        let mut pair = Pair::new(&Config::default());
        let [mut a, mut b] = peers(|_| {});
        (a.auth, b.auth) = (auth(1, 2), auth(2, 1));
        let [id, _] = pair.peers([a.clone(), b.clone()]);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(2);
        assert_eq!(pair.check_mirrored(), 1);
        // Another key than the one configured.
        let mut pair = Pair::new(&Config::default());
        a.auth = auth(3, 2);
        let [id, _] = pair.peers([a, b]);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(2);
        assert_eq!(closed(&pair, 0), [Ended::Refused(NotifyType::AUTHENTICATION_FAILED)]);
        assert_eq!(pair.ends[1].ike.counters().rejected(Reject::Authentication), 1);
    }
}

#[test]
fn a_wrong_shared_key_or_identity_is_refused_and_counted() {
    for wrong in [0, 1, 2] {
        let mut pair = Pair::new(&Config::default());
        let [mut a, b] = peers(|_| {});
        match wrong {
            0 => a.auth = AuthConfig::Psk(ipsec_vlink::ike::crypto::Secret::copy(b"Secret")),
            1 => a.local_id = Identity::fqdn("mallory.example"),
            _ => a.remote_id = Identity::fqdn("elsewhere.example"),
        }
        let [id, _] = pair.peers([a, b]);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(2);
        assert_eq!(closed(&pair, 0), [Ended::Refused(NotifyType::AUTHENTICATION_FAILED)]);
        assert_eq!(pair.ends[1].ike.counters().rejected(Reject::Authentication), 1);
        assert_eq!((pair.ends[1].ike.sizes(), pair.ends[1].installed.len()), ((0, 0), 0));
    }
}

/// RFC 7296 §1.2: the responder asks for another group than the one guessed.
#[test]
fn another_group_than_the_first_is_agreed_on() {
    let mut pair = Pair::new(&Config::default());
    let [mut a, mut b] = peers(|_| {});
    let other = IkeSuite { group: DhGroup::ECP_256, ..IkeSuite::AES_GCM_128_X25519 };
    a.suites = vec![IkeSuite::AES_GCM_128_X25519, other];
    b.suites = vec![other];
    let [id, _] = pair.peers([a, b]);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    pair.seconds(2);
    assert_eq!((pair.check_mirrored(), pair.ends[0].sent), (1, 3));
}

/// Shows: VLINK-5.1-1
#[test]
fn modes_are_negotiated_and_a_refusal_of_transport_mode_deletes_the_child() {
    let (a, b) = (A.parse().unwrap(), B.parse().unwrap());
    let pair = up(|c| {
        let (local, remote) = if c.local == a { (a, b) } else { (b, a) };
        c.children = vec![ChildConfig::transport(1, local, remote, 47)];
    });
    assert_eq!(pair.ends[1].live()[0].mode, Mode::Transport);
    // The responder has a tunnel alone.
    let mut pair = Pair::new(&Config::default());
    let [mut x, y] = peers(|_| {});
    x.children[0].mode = Mode::Transport;
    let [id, _] = pair.peers([x, y]);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    pair.seconds(2);
    assert_eq!(refusals(&pair, 0), [NotifyType::TS_UNACCEPTABLE]);
    assert_eq!((pair.ends[1].installed.len(), pair.ends[1].live().len()), (1, 0), "made, and deleted");
    assert_eq!(pair.ends[0].installed.len(), 0);
}

/// Shows: VLINK-5.2.1-1
#[test]
fn narrowing_is_a_failure_unless_it_is_allowed() {
    let run = |initiator: bool, responder: bool| {
        let mut pair = Pair::new(&Config::default());
        let [mut a, mut b] = peers(|_| {});
        a.children[0].narrowing = initiator;
        b.children[0].narrowing = responder;
        b.children[0].local = vec![TrafficSelector::subnet("10.0.0.0".parse().unwrap(), 8)];
        let [id, _] = pair.peers([a, b]);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(2);
        pair
    };
    let narrowed = run(true, false);
    assert_eq!(narrowed.check_mirrored(), 1, "the responder's own are whole");
    let wide = run(false, false);
    assert_eq!((wide.check_mirrored(), refusals(&wide, 0)), (0, vec![NotifyType::TS_UNACCEPTABLE]));
    let mut pair = Pair::new(&Config::default());
    let [mut a, b] = peers(|_| {});
    a.children[0].remote = vec![TrafficSelector::subnet("10.0.0.0".parse().unwrap(), 8)];
    let [id, _] = pair.peers([a, b]);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    pair.seconds(2);
    assert_eq!(refusals(&pair, 0), [NotifyType::TS_UNACCEPTABLE], "the responder wants all");
}

fn contexts(n: u32) -> Vec<ChildConfig> {
    let context = |link| Some(VpnContext::link(VpnId::new(0x5e, link).unwrap(), link));
    (1..=n).map(|tag| ChildConfig { context: context(tag), ..ChildConfig::any_v4(tag) }).collect()
}

/// Shows: VLINK-5.2.1-2
#[test]
fn a_thousand_children_with_equal_selectors_under_one_ike_sa() {
    let mut pair = Pair::new(&Config::default());
    let [a, _] = pair.peers(peers(|c| {
        c.vpn_context = true;
        c.children = contexts(1000);
    }));
    for tag in 1..=1000 {
        pair.ends[0].ike.connect(pair.now, a, tag).unwrap();
    }
    pair.seconds(60);
    assert_eq!(pair.check_mirrored(), 1000);
    assert_eq!((pair.ends[0].ike.sizes().0, pair.ends[1].ike.sizes().0), (1, 1));
    for child in pair.ends[1].live() {
        let link = child.context.as_ref().unwrap().link;
        assert_eq!(child.tag, link, "each is bound to the context that it was asked for");
    }
    let one = pair.ends[0].live()[500].id;
    pair.ends[0].ike.replace_child(pair.now, one).unwrap();
    pair.seconds(2);
    assert_eq!((pair.check_mirrored(), &pair.ends[0].removed[..]), (1000, &[one][..]));
}

/// Shows: VLINK-6.1-P1
#[test]
fn the_deletion_of_a_child_takes_exactly_that_one() {
    let mut pair = Pair::new(&Config::default());
    let [a, _] = pair.peers(peers(|c| {
        c.vpn_context = true;
        c.children = contexts(5);
    }));
    (1..=5).for_each(|tag| _ = pair.ends[0].ike.connect(pair.now, a, tag).unwrap());
    pair.seconds(2);
    let gone = pair.ends[1].live()[2].id;
    pair.ends[1].ike.delete_child(pair.now, gone).unwrap();
    pair.seconds(1);
    assert_eq!((pair.check_mirrored(), &pair.ends[1].removed[..]), (4, &[gone][..]));
}

/// A context is said to a peer with our Vendor ID alone, and a child whose context the peer does not say back is deleted.
#[test]
fn contexts_are_said_to_peers_that_know_them() {
    for (there, wrong) in [(false, false), (true, true)] {
        let mut pair = Pair::new(&Config::default());
        let [mut a, mut b] = peers(|_| {});
        (a.vpn_context, b.vpn_context) = (true, there);
        a.children = contexts(1);
        if wrong {
            b.children = contexts(2).split_off(1);
        }
        let [id, _] = pair.peers([a, b]);
        pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
        pair.seconds(2);
        assert_eq!((pair.ends[0].installed.len(), pair.ends[1].live().len()), (0, 0));
        let no_context = |e: &Event| matches!(e, Event::NoContext { tag: 1, .. });
        assert_eq!(pair.ends[0].events.iter().any(no_context), !there);
        assert_eq!(refusals(&pair, 0).contains(&NotifyType::TS_UNACCEPTABLE), wrong);
    }
}

/// Shows: VLINK-5.3-6
#[test]
fn a_security_label_binds_the_context_and_survives_a_rekeying() {
    let label = |link: u32| {
        let mut octets = Vec::new();
        VpnContext::link(VpnId::new(0x5e, 7).unwrap(), link).emit(&mut octets);
        Some(octets)
    };
    let mut pair = up(|c| c.children[0].label = label(1));
    assert_eq!(pair.ends[1].live()[0].label, label(1));
    let child = pair.ends[0].live()[0].id;
    pair.ends[0].ike.replace_child(pair.now, child).unwrap();
    pair.seconds(2);
    assert_eq!((pair.check_mirrored(), &pair.ends[1].live()[0].label), (1, &label(1)));
    let mut pair = Pair::new(&Config::default());
    let [mut a, mut b] = peers(|_| {});
    (a.children[0].label, b.children[0].label) = (label(1), label(2));
    let [id, _] = pair.peers([a, b]);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    pair.seconds(2);
    assert_eq!(refusals(&pair, 0), [NotifyType::TS_UNACCEPTABLE]);
}

#[test]
fn children_are_replaced_in_time_with_and_without_a_group() {
    for group in [None, Some(DhGroup::CURVE25519)] {
        let mut pair = up(|c| {
            c.children[0].group = group;
            c.children[0].lifetime = Duration::from_secs(100);
        });
        pair.seconds(1000);
        assert_eq!(pair.check_mirrored(), 1);
        assert!((9..=24).contains(&pair.ends[0].installed.len()), "{}", pair.ends[0].installed.len());
        let replaced = pair.ends[0].installed.iter().filter(|c| c.replaces.is_some()).count();
        assert_eq!(replaced, pair.ends[0].installed.len() - 1);
    }
}

/// RFC 7296 §2.8.1: both ends replace one child at a time; one replacement is left.
#[test]
fn children_replaced_by_both_ends_at_a_time() {
    for _ in 0..4 {
        let mut pair = up(|_| {});
        for end in 0..2 {
            let child = pair.ends[end].live()[0].id;
            pair.ends[end].ike.replace_child(pair.now, child).unwrap();
        }
        pair.seconds(5);
        assert_eq!(pair.check_mirrored(), 1);
        assert_eq!((pair.ends[0].installed.len(), pair.ends[1].installed.len()), (3, 3));
    }
}

#[test]
fn an_ike_sa_is_replaced_and_keeps_its_children() {
    let mut pair = up(|_| {});
    pair.ends[0].ike.replace(pair.now, IkeSaId(0)).unwrap();
    pair.seconds(5);
    assert_eq!((pair.check_mirrored(), pair.ends[0].installed.len()), (1, 1));
    assert_eq!((closed(&pair, 0), closed(&pair, 1)), (vec![Ended::Replaced], vec![Ended::Replaced]));
    assert_eq!((pair.ends[0].ike.sizes(), pair.ends[1].ike.sizes()), ((1, 0), (1, 0)));
    // The new one works, in both directions.
    for end in 0..2 {
        let child = pair.ends[end].live()[0].id;
        pair.ends[end].ike.replace_child(pair.now, child).unwrap();
        pair.seconds(3);
        assert_eq!((pair.check_mirrored(), pair.ends[end].installed.len()), (1, 2 + end));
    }
}

#[test]
fn an_ike_sa_replaced_by_both_ends_at_a_time() {
    let mut pair = up(|_| {});
    for end in 0..2 {
        pair.ends[end].ike.replace(pair.now, IkeSaId(0)).unwrap();
    }
    pair.seconds(10);
    assert_eq!(pair.check_mirrored(), 1);
    assert_eq!((pair.ends[0].ike.sizes(), pair.ends[1].ike.sizes()), ((1, 0), (1, 0)));
    let child = pair.ends[1].live()[0].id;
    pair.ends[1].ike.replace_child(pair.now, child).unwrap();
    pair.seconds(3);
    assert_eq!((pair.check_mirrored(), pair.ends[0].installed.len()), (1, 2));
}

#[test]
fn a_new_proof_takes_over_before_the_old_sa_goes() {
    let mut pair = up(|c| {
        c.reauthenticate = true;
        c.lifetime = Duration::from_secs(200);
        c.children.push(ChildConfig {
            local: vec![TrafficSelector::ANY_V6],
            remote: vec![TrafficSelector::ANY_V6],
            ..ChildConfig::any_v4(2)
        });
    });
    pair.ends[0].ike.connect_on(pair.now, IkeSaId(0), 2).unwrap();
    pair.seconds(1);
    assert_eq!(pair.check_mirrored(), 2);
    pair.seconds(205);
    assert_eq!(pair.check_mirrored(), 2);
    let established = pair.ends[1].events.iter().filter(|e| matches!(e, Event::Established(..))).count();
    assert!(established >= 2, "{:?}", pair.ends[1].events);
}

#[test]
fn a_cloned_sa_stands_beside_the_first() {
    let mut pair = up(|_| {});
    pair.ends[0].ike.clone_sa(pair.now, IkeSaId(0)).unwrap();
    pair.seconds(2);
    assert_eq!((pair.ends[0].ike.sizes().0, pair.ends[1].ike.sizes().0), (2, 2));
    let clone =
        pair.ends[0].events.iter().find_map(|e| if let Event::Cloned { new, .. } = e { Some(*new) } else { None });
    pair.ends[0].ike.connect_on(pair.now, clone.unwrap(), 1).unwrap();
    pair.seconds(2);
    assert_eq!(pair.check_mirrored(), 2);
    assert!(pair.ends[0].live()[1].ike != pair.ends[0].live()[0].ike);
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let mut pair = up(|_| {});
    pair.seconds(300);
    assert!(pair.ends[0].events.len() == 1 && pair.ends[0].sent > 5, "liveness goes on");
    pair.fate = Box::new(|_, _, _| 0);
    pair.seconds(600);
    assert_eq!((closed(&pair, 0), pair.ends[0].live().len()), (vec![Ended::Timeout], 0));
    assert_eq!(pair.ends[0].ike.counters().retransmitted, 11);
    assert_eq!((pair.ends[0].ike.next_timeout(), pair.ends[0].ike.children()), (None, 0));
}

#[test]
fn a_link_that_loses_and_repeats() {
    for seed in 0..24_u64 {
        let mut pair = Pair::new(&Config::default());
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        pair.fate = Box::new(move |_, _, _| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            [0, 0, 1, 1, 1, 2, 2][(state % 7) as usize]
        });
        let [a, _] = pair.peers(peers(|c| {
            c.children[0].lifetime = Duration::from_secs(60);
            c.lifetime = Duration::from_secs(130);
        }));
        pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
        pair.seconds(900);
        pair.fate = Box::new(|_, _, _| 1);
        pair.seconds(40);
        assert_eq!(pair.check_mirrored(), 1, "seed {seed}: {:?}", pair.ends[0].events);
        assert!(pair.ends[0].ike.counters().retransmitted > 0);
        assert_eq!(closed(&pair, 0).iter().filter(|why| **why == Ended::Timeout).count(), 0, "seed {seed}");
    }
}

#[test]
fn a_nat_is_found_kept_open_and_followed() {
    let mut pair = Pair::new(&Config::default());
    let outside: SocketAddr = "203.0.113.9:20000".parse().unwrap();
    pair.nat = Some(outside);
    let [a, mut b] = peers(|_| {});
    b.remote = None;
    let [id, _] = pair.peers([a, b]);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    pair.seconds(70);
    assert_eq!(pair.check_mirrored(), 1);
    let at_b = pair.ends[1].live()[0].encapsulation.unwrap();
    assert_eq!((at_b.local.port(), at_b.remote), (4500, SocketAddr::new(outside.ip(), 20_500)));
    let at_a = pair.ends[0].live()[0].encapsulation.unwrap();
    assert_eq!((at_a.local.port(), at_a.remote.port()), (4500, 4500));
    assert!(pair.ends[0].sent >= 2 + 3, "three keepalives");
    // The NAT forgets, and gives another port.
    pair.nat = Some(SocketAddr::new(outside.ip(), 30_000));
    pair.seconds(60);
    assert_eq!(pair.ends[1].moved, 1);
    let child = pair.ends[1].live()[0].id;
    pair.ends[1].ike.replace_child(pair.now, child).unwrap();
    pair.seconds(2);
    assert_eq!(pair.ends[1].live()[0].encapsulation.unwrap().remote.port(), 30_500);
}

#[test]
fn encapsulation_without_a_nat() {
    let pair = up(|c| c.force_encapsulation = true);
    assert!(pair.ends.iter().all(|e| e.live()[0].encapsulation.is_some_and(|u| u.remote.port() == 4500)));
}

#[test]
fn long_messages_go_in_fragments() {
    let mut pair = Pair::new(&Config { fragment_len: 600, ..Config::default() });
    let mut longest = 0;
    let [a, _] = pair.peers(peers(|c| {
        let host = |n: u8| TrafficSelector::host(Ipv4Addr::new(10, 0, 0, n).into());
        c.children[0].local = (0..60).map(host).collect();
        c.children[0].remote = (0..60).map(host).collect();
    }));
    pair.fate = Box::new(move |_, n, octets| {
        longest = longest.max(octets.len());
        assert!(longest <= 604 || n < 2, "{longest}");
        // The first piece of every request is lost once.
        usize::from(n != 2)
    });
    pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
    pair.seconds(5);
    assert_eq!(pair.check_mirrored(), 1);
    assert!(pair.ends[0].sent > 6, "{}", pair.ends[0].sent);
}

#[test]
fn initial_contact_ends_what_the_peer_forgot() {
    let mut pair = up(|_| {});
    // End 0 starts anew.
    let provider = RustCrypto::new(b"other seed");
    let mut fresh = pair::End::of(Ike::new(pair.now, Config::default(), provider).unwrap());
    let [a, _] = peers(|_| {});
    let id = fresh.ike.add_peer(a).unwrap();
    fresh.ike.connect(pair.now, id, 1).unwrap();
    pair.ends[0] = fresh;
    pair.seconds(2);
    assert_eq!((pair.check_mirrored(), closed(&pair, 1)), (1, vec![Ended::InitialContact]));
}

/// RFC 7296 §2.6; catalogue 8.3. A hundred thousand first messages with forged sources.
#[test]
fn a_flood_of_half_open_sas_is_bounded_and_counted_and_others_are_served() {
    let mut pair = Pair::new(&Config::default());
    let [a, mut b] = peers(|_| {});
    b.remote = None;
    let [id, _] = pair.peers([a, b]);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    let mut first = Vec::new();
    while let Some(output) = pair.ends[0].ike.poll_output() {
        if let ipsec_vlink::ike::v2::Output::Datagram { octets, .. } = output {
            first = octets;
        }
    }
    let to: SocketAddr = format!("{B}:500").parse().unwrap();
    let victim = &mut pair.ends[1].ike;
    let mut most = 0;
    for n in 0..100_000_u32 {
        first[..8].copy_from_slice(&(u64::from(n) + 1).to_be_bytes());
        let from = SocketAddr::new(Ipv4Addr::from_bits(0x0a00_0000 + n / 8).into(), 500);
        victim.handle_input(pair.now, Input::Datagram { from, to, octets: &first });
        while victim.poll_output().is_some() {}
        most = most.max(victim.sizes().1);
    }
    assert_eq!(most, 1000, "from the threshold on, a cookie must be shown");
    assert_eq!((victim.counters().cookies, victim.counters().rejected(Reject::NoCookie)), (99_000, 99_000));
    // One who shows it is served. The initiator sends its own first message again.
    pair.seconds(10);
    assert_eq!(pair.check_mirrored(), 1);
    pair.seconds(40);
    assert_eq!(pair.ends[1].ike.sizes(), (1, 0), "what was half-open is forgotten");
}

#[test]
fn one_source_cannot_take_all_half_open_places() {
    let mut pair = Pair::new(&Config {
        cookie_threshold: 100_000,
        half_open_per_source: 10,
        half_open_limit: 15,
        ..Config::default()
    });
    let [a, mut b] = peers(|_| {});
    b.remote = None;
    let [id, _] = pair.peers([a, b]);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    let Some(ipsec_vlink::ike::v2::Output::Datagram { mut octets, .. }) = pair.ends[0].ike.poll_output() else {
        panic!()
    };
    for n in 0..40_u8 {
        octets[0] = n;
        let from = SocketAddr::new(Ipv4Addr::new(10, 0, 0, n / 20).into(), 500);
        let to = format!("{B}:500").parse().unwrap();
        pair.ends[1].ike.handle_input(pair.now, Input::Datagram { from, to, octets: &octets });
    }
    assert_eq!(pair.ends[1].ike.sizes(), (15, 15), "ten of the first source, five of the second");
    assert_eq!(pair.ends[1].ike.counters().rejected(Reject::HalfOpen), 25);
}

/// Whatever an attacker changes in a message of an SA, nothing changes in the SA, and it is counted.
#[test]
fn changed_messages_change_nothing() {
    let mut pair = up(|_| {});
    let child = pair.ends[0].live()[0].id;
    pair.ends[0].ike.replace_child(pair.now, child).unwrap();
    let mut request = None;
    while let Some(output) = pair.ends[0].ike.poll_output() {
        if let ipsec_vlink::ike::v2::Output::Datagram { from, to, octets } = output {
            request = Some((from, to, octets));
        }
    }
    let (from, to, octets) = request.unwrap();
    let total = |pair: &Pair| pair.ends[1].ike.counters().rejected.iter().sum::<u64>();
    for at in 0..octets.len() {
        let before = total(&pair);
        let mut changed = octets.clone();
        changed[at] ^= 0x10;
        pair.ends[1].ike.handle_input(pair.now, Input::Datagram { from, to, octets: &changed });
        assert_eq!(total(&pair), before + 1, "octet {at}");
    }
    for len in 0..octets.len() {
        pair.ends[1].ike.handle_input(pair.now, Input::Datagram { from, to, octets: &octets[..len] });
    }
    assert_eq!((pair.ends[1].installed.len(), pair.ends[1].ike.state(IkeSaId(0))), (1, Some(State::Established)));
    pair.ends[1].ike.handle_input(pair.now, Input::Datagram { from, to, octets: &octets });
    pair.seconds(3);
    assert_eq!((pair.check_mirrored(), pair.ends[1].installed.len()), (1, 2));
}

#[test]
fn configurations_are_refused_by_field() {
    let mut pair = Pair::new(&Config::default());
    let ike = &mut pair.ends[0].ike;
    let [good, _] = peers(|_| {});
    let mut refused = |adapt: &dyn Fn(&mut PeerConfig)| {
        let mut config = good.clone();
        adapt(&mut config);
        ike.add_peer(config).unwrap_err()
    };
    assert_eq!(refused(&|c| c.suites.clear()), ConfigError::Suites);
    assert_eq!(refused(&|c| c.remote = Some("2001:db8::1".parse().unwrap())), ConfigError::Family);
    assert_eq!(refused(&|c| c.lifetime = Duration::ZERO), ConfigError::Lifetime(Duration::ZERO));
    assert_eq!(refused(&|c| c.auth = AuthConfig::Psk(Default::default())), ConfigError::Psk);
    assert_eq!(refused(&|c| c.children[0].local.clear()), ConfigError::Selectors(1));
    assert_eq!(refused(&|c| c.children[0].group = Some(DhGroup(2))), ConfigError::Group(1));
    assert_eq!(refused(&|c| c.children = contexts(1)), ConfigError::Context(1));
    assert_eq!(refused(&|c| c.children[0].label = Some(Vec::new())), ConfigError::Label(1));
    assert_eq!(refused(&|c| c.children.push(c.children[0].clone())), ConfigError::Tag(1));
    let mixed = IkeSuite { encryption: Encryption::AES_CBC_256, ..IkeSuite::AES_GCM_128_X25519 };
    assert_eq!(refused(&|c| c.suites = vec![mixed]), ConfigError::Suite(mixed));
    let id = ike.add_peer(good.clone()).unwrap();
    assert_eq!(ike.add_peer(good.clone()), Err(ConfigError::Duplicate));
    assert_eq!(ike.connect(pair.now, id, 9), Err(ConfigError::NotThere));
    let zero = Config { tries: 0, ..Config::default() };
    let provider = RustCrypto::new(b"");
    assert!(provider.has_group(DhGroup::CURVE25519));
    let made = ipsec_vlink::ike::v2::Ike::new(pair.now, zero, provider).map(|_| ());
    assert_eq!(made, Err(ConfigError::Zero("tries")));
}

/// ESP as it is on the wire (RFC 4303 §2), by fields, and beside IKE on the second port (RFC 3948 §2): what begins with four zeros is
/// IKE, one octet of ones keeps the NAT open, all else is ESP's. The high half of a 64-bit number is checked, and not sent.
///
/// Shows: L2VPN-5.6-13
#[test]
fn esp_by_its_fields_and_its_port() {
    use fwd_core::wire::IpProtocol;
    use fwd_core::wire::esp::{self, Context};
    use ipsec_vlink::ike::crypto::rustcrypto::EspCipher;
    let suite = ipsec_vlink::ike::EspSuite::NULL_SHA2_256;
    let keys = ipsec_vlink::ike::EspKeys {
        encryption: ipsec_vlink::ike::crypto::Secret::copy(&[]),
        integrity: ipsec_vlink::ike::crypto::Secret::copy(&[7; 32]),
    };
    let mut cipher = EspCipher::new(&suite, &keys).unwrap();
    let gcm_keys = ipsec_vlink::ike::EspKeys {
        encryption: ipsec_vlink::ike::crypto::Secret::copy(&[9; 20]),
        integrity: ipsec_vlink::ike::crypto::Secret::copy(&[]),
    };
    let mut gcm = EspCipher::new(&ipsec_vlink::ike::EspSuite::AES_GCM_128, &gcm_keys).unwrap();
    for extended in [false, true] {
        let context = Context { spi: 0x1234_5678, sequence: 0x9_0000_000a, extended };
        let over = esp::overhead(&cipher, 5);
        let mut packet = vec![0x55; over.front + 5 + over.back];
        esp::seal(&mut cipher, &context, &mut packet, 5, IpProtocol::GRE).unwrap();
        let (body, check) = packet.split_at(packet.len() - 16);
        // SPI, the low half of the number, no initialization vector, payload, padding to four octets, its length, next header.
        let fields = [0x12, 0x34, 0x56, 0x78, 0, 0, 0, 10, 0x55, 0x55, 0x55, 0x55, 0x55, 1, 1, 47];
        assert_eq!((body, check.len()), (&fields[..], 16));
        assert!(esp::open(&mut cipher, &context, &mut packet.clone()).is_ok());
        let other = Context { sequence: 0x8_0000_000a, ..context };
        assert_eq!(esp::open(&mut cipher, &other, &mut packet.clone()).is_ok(), !extended);
        // With an initialization vector of eight octets and a check value of sixteen (RFC 4106 §3, §6).
        let over = esp::overhead(&gcm, 6);
        assert_eq!((over.front, over.back), (16, 2 + 16));
        let mut packet = vec![0x55; over.front + 6 + over.back];
        esp::seal(&mut gcm, &context, &mut packet, 6, IpProtocol::GRE).unwrap();
        assert_eq!(packet[..8], fields[..8]);
        assert!(esp::open(&mut gcm, &context, &mut packet).is_ok());
    }
    assert_eq!(Config::default().ports, (500, 4500));
    let mut pair = Pair::new(&Config::default());
    pair.peers(peers(|_| {}));
    let now = pair.now;
    let [from, to] = [A, B].map(|ip| SocketAddr::new(ip.parse().unwrap(), 4500));
    let rejected = |pair: &Pair| pair.ends[1].ike.counters().rejected(Reject::NotIke);
    for (octets, taken) in [(&[0xff][..], true), (&[0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1, 9, 9], false)] {
        let before = rejected(&pair);
        pair.ends[1].ike.handle_input(now, Input::Datagram { from, to, octets });
        assert_eq!(rejected(&pair) == before, taken, "{octets:x?}");
    }
}
