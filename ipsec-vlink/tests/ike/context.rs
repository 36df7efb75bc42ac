//! The VPN context in IKE of both versions: to whom it is said, and that nobody changes it on the way.

use std::cell::RefCell;
use std::rc::Rc;

use super::pair::{Machine, Pair, peers};
use fwd_core::net::VpnId;
use ipsec_vlink::ike::crypto::DhGroup;
use ipsec_vlink::ike::{IkeSuite, PeerConfig, VpnContext, v1, v2};

/// The lengths of what end 0 sent in an exchange, and how many IPsec SAs both ends had in the end.
struct Ran {
    lengths: Vec<usize>,
    installed: (usize, usize),
}

/// Joins both ends; `change` changes an octet of what end 0 says in `exchange`.
fn ran<M: Machine>(mut pair: Pair<M>, exchange: u8, change: bool) -> Ran {
    let lengths = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&lengths);
    pair.fate = Box::new(move |first, _, octets| {
        if first && octets[18] == exchange {
            noted.borrow_mut().push(octets.len());
            if change {
                let at = octets.len() - 20;
                octets[at] ^= 1;
            }
        }
        1
    });
    pair.seconds(20);
    let installed = (pair.ends[0].installed.len(), pair.ends[1].installed.len());
    let lengths = lengths.borrow().clone();
    Ran { lengths, installed }
}

/// End 0 has a child with a context, or one without; end 1 knows our Vendor ID, or does not.
fn configs(context: bool, known: bool) -> [PeerConfig; 2] {
    let context = context.then(|| VpnContext::link(VpnId::new(0x5e, 1).unwrap(), 0));
    let [mut a, mut b] = peers(|_| {});
    a.vpn_context = true;
    b.vpn_context = known;
    a.children[0].context.clone_from(&context);
    b.children[0].context = context.filter(|_| known);
    [a, b]
}

fn version_1(context: bool, known: bool, change: bool) -> Ran {
    let mut pair = Pair::new_v1(&v1::Config::default());
    let suite = IkeSuite { group: DhGroup::CURVE25519, ..IkeSuite::AES_CBC_256_MODP_2048 };
    let [mut a, mut b] = configs(context, known);
    (a.suites, b.suites) = (vec![suite], vec![suite]);
    let [id, _] = pair.peers([a, b], v1::Phase1::Main);
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    ran(pair, 32, change)
}

fn version_2(context: bool, known: bool, change: bool) -> Ran {
    let mut pair = Pair::new(&v2::Config::default());
    let [id, _] = pair.peers(configs(context, known));
    pair.ends[0].ike.connect(pair.now, id, 1).unwrap();
    ran(pair, 35, change)
}

/// What is encrypted cannot be read here, but its length can: the record makes it longer, and does so to a peer with our Vendor ID alone.
///
/// Shows: VLINK-5.3-5
#[test]
fn a_context_is_said_to_those_who_know_it_and_cannot_be_changed() {
    for version in [version_1, version_2] {
        let without = version(false, true, false);
        assert_eq!(without.installed, (1, 1));
        let said = version(true, true, false);
        assert_eq!(said.installed, (1, 1));
        assert!(said.lengths[0] >= without.lengths[0] + 16, "{:?} {:?}", said.lengths, without.lengths);
        let stranger = version(true, false, false);
        assert_eq!((stranger.lengths[0], stranger.installed.0), (without.lengths[0], 0), "not said, and not had");
        let changed = version(true, true, true);
        assert_eq!(changed.installed, (0, 0));
        assert!(changed.lengths.len() > 2, "repeated, and refused each time");
    }
}
