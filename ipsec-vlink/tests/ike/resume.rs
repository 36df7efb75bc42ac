//! SAs that come back by tickets (RFC 5723), and clones for other addresses of the same systems (RFC 7791, RFC 4555).

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use super::pair::{self, A, B, Pair, peers};
use ipsec_vlink::ike::crypto::Secret;
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::payload::NotifyType;
use ipsec_vlink::ike::v2::{Config, Ended, Event, Ike, Reject, Ticket, TicketConfig, TicketKind};
use ipsec_vlink::ike::{ChildConfig, ConfigError, Identity, IkeSaId, Mode, PeerConfig, PeerId};

const IKE_SA_INIT: u8 = 34;
const IKE_SESSION_RESUME: u8 = 38;

fn kinds() -> [TicketKind; 2] {
    [TicketKind::Value(Secret::copy(b"of all responders")), TicketKind::Reference]
}

fn config(kind: TicketKind) -> Config {
    Config { tickets: Some(TicketConfig::new(kind)), ..Config::default() }
}

/// A pair with one child up, and a ticket at end 0.
fn up(kind: TicketKind) -> (Pair, PeerId) {
    let mut pair = Pair::new(&config(kind));
    let [a, _] = pair.peers(peers(|c| c.resumption = true));
    pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
    pair.seconds(2);
    assert_eq!(pair.check_mirrored(), 1, "{:?} {:?}", pair.ends[0].events, pair.ends[1].events);
    (pair, a)
}

/// End 0 loses all, and asks for its child again, by this ticket if there is one.
fn begin_anew(pair: &mut Pair, ticket: Option<Ticket>) -> PeerId {
    let ike = Ike::new(pair.now, Config::default(), RustCrypto::new(b"after the restart")).unwrap();
    pair.ends[0] = pair::End::of(ike);
    let [a, _] = peers(|c| c.resumption = true);
    let peer = pair.ends[0].ike.add_peer(a).unwrap();
    if let Some(ticket) = ticket {
        pair.ends[0].ike.give_ticket(peer, ticket).unwrap();
    }
    pair.ends[0].ike.connect(pair.now, peer, 1).unwrap();
    peer
}

/// End 0 loses all but its ticket.
fn restart(pair: &mut Pair, peer: PeerId) -> PeerId {
    let ticket = pair.ends[0].ike.take_ticket(peer);
    begin_anew(pair, ticket)
}

/// Which exchanges end 0 asks for from here on.
fn exchanges(pair: &mut Pair) -> Rc<RefCell<Vec<u8>>> {
    let noted: Rc<RefCell<Vec<u8>>> = Rc::default();
    let to = Rc::clone(&noted);
    pair.fate = Box::new(move |first, _, octets| {
        if first {
            to.borrow_mut().push(octets[18]);
        }
        1
    });
    noted
}

/// RFC 5723 §4.3: four messages, no group; the old SA goes without a word, and a new ticket comes with the new one.
#[test]
fn a_lost_sa_comes_back_by_its_ticket() {
    for kind in kinds() {
        let (mut pair, peer) = up(kind);
        let old = pair.ends[1].live()[0].id;
        let keys = pair.ends[1].live()[0].keys_in.clone();
        let asked = exchanges(&mut pair);
        let peer = restart(&mut pair, peer);
        pair.seconds(2);
        assert_eq!(*asked.borrow(), [IKE_SESSION_RESUME, 35]);
        assert_eq!((pair.check_mirrored(), pair.ends[0].sent), (1, 2));
        assert!(pair.ends[0].events.iter().any(|e| matches!(e, Event::Resumed(..))));
        assert_eq!((pair.ends[1].ike.counters().resumed, pair.ends[1].ike.sizes()), (1, (1, 0)));
        assert!(pair.ends[1].removed.contains(&old) && pair.ends[1].live()[0].keys_in != keys);
        // And once more, by the ticket of the resumed one.
        restart(&mut pair, peer);
        pair.seconds(2);
        assert_eq!((pair.check_mirrored(), pair.ends[1].ike.counters().resumed), (1, 2));
        assert_eq!(asked.borrow()[2..], [IKE_SESSION_RESUME, 35]);
    }
}

/// RFC 5723 §4.3.1, §4.3.2: what was used, revoked or is too old is refused, and the exchange begins anew without it.
#[test]
fn a_ticket_that_is_refused_costs_an_exchange_and_nothing_else() {
    for kind in kinds() {
        for case in 0..3 {
            let (mut pair, peer) = up(kind.clone());
            let ticket = pair.ends[0].ike.take_ticket(peer).unwrap();
            pair.ends[0].ike.give_ticket(peer, ticket.clone()).unwrap();
            match case {
                // Used by somebody before.
                0 => {
                    restart(&mut pair, peer);
                    pair.seconds(2);
                }
                // The responder deletes the SA; the initiator does not hear of it.
                1 => {
                    pair.fate = Box::new(|first, _, _| usize::from(first));
                    pair.ends[1].ike.delete(pair.now, IkeSaId(0)).unwrap();
                    pair.seconds(60);
                    pair.fate = Box::new(|_, _, _| 1);
                }
                // Another responder has the address.
                _ => {
                    let other = config(TicketKind::Value(Secret::copy(b"a key of somebody else's")));
                    let ike = Ike::new(pair.now, other, RustCrypto::new(b"another")).unwrap();
                    pair.ends[1] = pair::End::of(ike);
                    let [_, b] = peers(|c| c.resumption = true);
                    pair.ends[1].ike.add_peer(b).unwrap();
                }
            }
            let refused = pair.ends[1].ike.counters().rejected(Reject::Ticket);
            let resumed = pair.ends[1].ike.counters().resumed;
            let asked = exchanges(&mut pair);
            begin_anew(&mut pair, Some(ticket));
            pair.seconds(2);
            assert_eq!(*asked.borrow(), [IKE_SESSION_RESUME, IKE_SA_INIT, 35], "case {case}");
            assert_eq!((pair.check_mirrored(), pair.ends[1].ike.sizes()), (1, (1, 0)), "case {case}");
            let counters = pair.ends[1].ike.counters();
            assert_eq!((counters.rejected(Reject::Ticket), counters.resumed), (refused + 1, resumed), "case {case}");
        }
    }
}

/// RFC 5723 §6.2: a rekeyed SA has another ticket, a deleted one none; §4.1: who gives none says nothing.
#[test]
fn a_ticket_is_of_one_sa() {
    for kind in kinds() {
        for end in 0..2 {
            let (mut pair, peer) = up(kind.clone());
            pair.ends[end].ike.replace(pair.now, IkeSaId(0)).unwrap();
            pair.seconds(5);
            let peer = restart(&mut pair, peer);
            pair.seconds(2);
            assert_eq!((pair.check_mirrored(), pair.ends[1].ike.counters().resumed), (1, 1), "rekeyed by {end}");
            let sa = pair.ends[0].live()[0].ike;
            pair.ends[0].ike.delete(pair.now, sa).unwrap();
            pair.seconds(2);
            assert!(pair.ends[0].ike.take_ticket(peer).is_none());
        }
    }
    let mut pair = Pair::new(&Config::default());
    let [a, _] = pair.peers(peers(|c| c.resumption = true));
    pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
    pair.seconds(2);
    assert_eq!(pair.check_mirrored(), 1);
    assert!(pair.ends[0].ike.take_ticket(a).is_none());
}

/// RFC 5723 §4.3.2: a flood of tickets is answered by cookies as any other first message is, and the ticket is shown again with one.
#[test]
fn tickets_need_cookies_where_there_are_many() {
    for kind in kinds() {
        let tickets = Config { cookie_threshold: 0, ..config(kind) };
        let mut pair = Pair::new(&tickets);
        let [a, _] = pair.peers(peers(|c| c.resumption = true));
        pair.ends[0].ike.connect(pair.now, a, 1).unwrap();
        pair.seconds(2);
        let asked = exchanges(&mut pair);
        restart(&mut pair, a);
        pair.seconds(2);
        assert_eq!(*asked.borrow(), [IKE_SESSION_RESUME, IKE_SESSION_RESUME, 35]);
        assert_eq!((pair.check_mirrored(), pair.ends[1].ike.counters().resumed), (1, 1));
    }
}

#[test]
fn configurations_of_tickets_are_refused_by_field() {
    let of = |tickets| {
        let config = Config { tickets: Some(tickets), ..Config::default() };
        Ike::new(fwd_core::time::Instant::ZERO, config, RustCrypto::new(b"x")).map(|_| ()).unwrap_err()
    };
    let short = TicketConfig::new(TicketKind::Value(Secret::copy(b"short")));
    assert_eq!(of(short), ConfigError::TicketKey);
    let none = TicketConfig { limit: 0, ..TicketConfig::new(TicketKind::Reference) };
    assert_eq!(of(none), ConfigError::Zero("tickets.limit"));
    let none = TicketConfig { lifetime: std::time::Duration::ZERO, ..TicketConfig::new(TicketKind::Reference) };
    assert_eq!(of(none), ConfigError::Zero("tickets.lifetime"));
}

/// The `n`th pair of addresses of two systems, of which an SA is on the first.
fn at(n: u8) -> [IpAddr; 2] {
    if n == 0 { [A, B].map(|a| a.parse().unwrap()) } else { [[198, 51, 100, n].into(), [203, 0, 113, n].into()] }
}

fn system(n: u8, end: usize) -> PeerConfig {
    let ends = at(n);
    let (local, remote) = (ends[end], ends[1 - end]);
    let mut config = PeerConfig::psk(local, remote, b"secret");
    let names = ["a.example", "b.example"];
    (config.local_id, config.remote_id) = (Identity::fqdn(names[end]), Identity::fqdn(names[1 - end]));
    config.children = vec![ChildConfig::transport(u32::from(n) + 1, local, remote, 4)];
    config.mobility = true;
    config
}

/// One proof for ten pairs of addresses: a clone for each, which moves there and makes its own child.
#[test]
fn clones_go_to_other_addresses_of_the_same_systems() {
    let mut pair = Pair::new(&Config::default());
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push([0, 1].map(|end| pair.ends[end].ike.add_peer(system(n, end)).unwrap())[0]);
    }
    pair.ends[0].ike.connect(pair.now, ids[0], 1).unwrap();
    pair.seconds(2);
    let before = pair.ends[0].sent;
    for n in 1..10_u8 {
        pair.ends[0].ike.clone_to(pair.now, IkeSaId(0), ids[usize::from(n)], u32::from(n) + 1).unwrap();
    }
    pair.seconds(5);
    assert_eq!(pair.check_mirrored(), 10, "{:?} {:?}", pair.ends[0].events, pair.ends[1].events);
    assert_eq!((pair.ends[0].ike.sizes().0, pair.ends[1].ike.sizes().0), (10, 10));
    assert_eq!(pair.ends[0].sent - before, 27, "clone, move, child");
    for end in 0..2 {
        let established = pair.ends[end].events.iter().filter(|e| matches!(e, Event::Established(..))).count();
        assert_eq!(established, 1, "one proof");
        for n in 0..10 {
            let child = pair.ends[end].live().into_iter().find(|c| c.tag == u32::from(n) + 1).unwrap();
            let ends = at(n);
            assert_eq!((child.local, child.remote, child.mode), (ends[end], ends[1 - end], Mode::Transport));
            assert_eq!(child.encapsulation, None);
        }
    }
    // The end of one is the end of that one.
    let gone = pair.ends[0].live().iter().find(|c| c.tag == 4).unwrap().ike;
    pair.ends[0].ike.delete(pair.now, gone).unwrap();
    pair.seconds(2);
    assert_eq!(pair.check_mirrored(), 9);
}

/// RFC 4555 §4.1.1: a clone goes nowhere where the other end knows nobody, or does not want it; and another system's proof is not this one's.
#[test]
fn clones_go_nowhere_else() {
    let mut pair = Pair::new(&Config::default());
    let ids = [0, 1].map(|n| pair.ends[0].ike.add_peer(system(n, 0)).unwrap());
    pair.ends[1].ike.add_peer(system(0, 1)).unwrap();
    let mut other = system(2, 0);
    other.remote_id = Identity::fqdn("c.example");
    let other = pair.ends[0].ike.add_peer(other).unwrap();
    pair.ends[0].ike.connect(pair.now, ids[0], 1).unwrap();
    pair.seconds(2);
    assert_eq!(pair.ends[0].ike.clone_to(pair.now, IkeSaId(0), other, 3), Err(ConfigError::Identities));
    pair.ends[0].ike.clone_to(pair.now, IkeSaId(0), ids[1], 2).unwrap();
    pair.seconds(5);
    let refused = |e: &Event| matches!(e, Event::ChildRefused { why: NotifyType::UNACCEPTABLE_ADDRESSES, .. });
    assert!(pair.ends[0].events.iter().any(refused));
    assert!(pair.ends[0].events.iter().any(|e| matches!(e, Event::Closed(_, _, Ended::Ours))), "the clone goes");
    assert_eq!((pair.check_mirrored(), pair.ends[1].ike.sizes()), (1, (1, 0)));
    // Without mobility at the other end.
    let mut pair = Pair::new(&Config::default());
    let ids = [0, 1].map(|n| pair.ends[0].ike.add_peer(system(n, 0)).unwrap());
    pair.ends[1].ike.add_peer(PeerConfig { mobility: false, ..system(0, 1) }).unwrap();
    pair.ends[0].ike.connect(pair.now, ids[0], 1).unwrap();
    pair.seconds(2);
    assert_eq!(pair.ends[0].ike.clone_to(pair.now, IkeSaId(0), ids[1], 2), Err(ConfigError::NotThere));
}
