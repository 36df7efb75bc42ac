//! Customers' bridges around a VPLS: RSTP through it, and what a change of their topology does to groups.

use std::collections::VecDeque;
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::wire::Ethernet;
use vpls::snoop::bpdu::BRIDGES;

use super::snoop::{G, snooped};
use crate::rstp::{Bridge, Role};
use crate::world::World;
use crate::world::packets::{data, frame, join, mac};

/// Port 0 of each bridge leads to circuit 1 of its PE, port 1 to its neighbour: 0 to 1, 2 to 3.
const LAN: usize = 0;
const DOOR: usize = 1;
/// The bridge with the member behind it, and the member.
const OF_MEMBER: usize = 3;
const MEMBER: u8 = 7;

struct Customers {
    world: World,
    bridges: Vec<Bridge>,
    /// Queries that the member has yet to answer.
    asked: u32,
    /// Frames that hosts behind bridges got since the last look: bridge and octets.
    got: Vec<(usize, Vec<u8>)>,
}

impl Customers {
    fn new(topology: bool) -> Self {
        let world = snooped(4, |config| config.topology = topology);
        // The way through the provider costs more than the link next door.
        let bridges = (1..=4).map(|id| Bridge::new(id, &[(200_000, false), (20_000, true)])).collect();
        Self { world, bridges, asked: 0, got: Vec::new() }
    }

    /// A frame leaves a bridge by a port: it arrives, and so do those that it causes.
    fn carry(&mut self, bridge: usize, port: usize, octets: Vec<u8>) {
        let mut queue = VecDeque::from([(bridge, port, octets)]);
        for turn in 0.. {
            let Some((bridge, port, octets)) = queue.pop_front() else { return };
            assert!(turn < 20_000, "frames circle");
            let mut arrivals = Vec::new();
            if !self.bridges[bridge].ports[port].up {
                continue;
            }
            if port == DOOR {
                arrivals.push((bridge ^ 1, DOOR, octets));
            } else {
                self.world.control.clear();
                let delivered = self.world.send(bridge, 1, &octets);
                let control = std::mem::take(&mut self.world.control);
                let of_lan = delivered.into_iter().chain(control).filter(|(_, iface, _)| *iface == 1);
                arrivals.extend(of_lan.map(|(pe, _, octets)| (pe, LAN, octets)));
            }
            for (bridge, port, octets) in arrivals {
                self.arrive(bridge, port, &octets);
                queue.extend(self.forward(bridge, Some(port), &octets));
                let out = std::mem::take(&mut self.bridges[bridge].out);
                queue.extend(out.into_iter().map(|(port, octets)| (bridge, port, octets)));
                if std::mem::take(&mut self.asked) > 0 {
                    queue.extend(self.forward(OF_MEMBER, None, &join(MEMBER, G)));
                }
            }
        }
    }

    /// A frame arrives at a bridge: its own, or for the hosts behind it.
    fn arrive(&mut self, bridge: usize, port: usize, octets: &[u8]) {
        if Ethernet::of(octets).unwrap().destination() == BRIDGES {
            return self.bridges[bridge].receive(port, octets);
        }
        let from = &self.bridges[bridge].ports[port];
        if from.up && from.forwarding {
            self.got.push((bridge, octets.to_vec()));
            let is_query = octets[12..14] == [8, 0] && octets[23] == 2 && octets.get(38) == Some(&0x11);
            self.asked += u32::from(is_query && bridge == OF_MEMBER);
        }
    }

    /// Where a bridge sends a frame on: it knows no addresses.
    fn forward(&self, bridge: usize, from: Option<usize>, octets: &[u8]) -> Vec<(usize, usize, Vec<u8>)> {
        let is_open = |port: usize| self.bridges[bridge].ports[port].up && self.bridges[bridge].ports[port].forwarding;
        if Ethernet::of(octets).unwrap().destination() == BRIDGES || from.is_some_and(|port| !is_open(port)) {
            return vec![];
        }
        let to = [LAN, DOOR].into_iter().filter(|port| Some(*port) != from && is_open(*port));
        to.map(|port| (bridge, port, octets.to_vec())).collect()
    }

    /// A host behind a bridge sends.
    fn say(&mut self, bridge: usize, octets: &[u8]) -> Vec<usize> {
        self.got.clear();
        for (bridge, port, octets) in self.forward(bridge, None, octets) {
            self.carry(bridge, port, octets);
        }
        let mut who: Vec<usize> = self.got.iter().filter(|(_, got)| got == octets).map(|(at, _)| *at).collect();
        who.sort_unstable();
        who
    }

    fn seconds(&mut self, n: u32) {
        for _ in 0..n {
            self.world.control.clear();
            self.world.pass(Duration::from_secs(1));
            // Queries of the provider's.
            for (pe, iface, octets) in std::mem::take(&mut self.world.control) {
                if iface == 1 {
                    self.arrive(pe, LAN, &octets);
                    for (bridge, port, octets) in self.forward(pe, Some(LAN), &octets) {
                        self.carry(bridge, port, octets);
                    }
                }
            }
            if std::mem::take(&mut self.asked) > 0 {
                self.say(OF_MEMBER, &join(MEMBER, G));
            }
            for bridge in 0..4 {
                self.bridges[bridge].tick();
                self.speak(bridge);
            }
        }
    }

    fn speak(&mut self, bridge: usize) {
        for (port, octets) in std::mem::take(&mut self.bridges[bridge].out) {
            self.carry(bridge, port, octets);
        }
    }

    fn fail(&mut self, bridge: usize, port: usize) {
        self.bridges[bridge].link(port, false);
        self.speak(bridge);
    }

    /// Whether everybody hears everybody once: a tree, and all of it.
    fn is_tree(&mut self) -> bool {
        (0..4).all(|from| {
            let expected: Vec<usize> = (0..4).filter(|at| *at != from).collect();
            self.say(from, &frame(Mac::BROADCAST, mac(20 + u8::try_from(from).unwrap()))) == expected
        })
    }

    /// Seconds until there is a tree again.
    fn converges(&mut self, within: u32) -> u32 {
        for n in 0..within {
            if self.is_tree() {
                return n;
            }
            self.seconds(1);
        }
        panic!("no tree within {within} s: {:?}", self.bridges.iter().map(|b| &b.ports).collect::<Vec<_>>());
    }
}

/// Four bridges of a customer's, two ways between each two: they agree on a tree through the provider. A link to it fails that the
/// provider does not see: the way next door takes over at once; the root's fails: another bridge speaks for the LAN in its time. Where
/// topology changes are looked at, a group follows its member within a query interval; where they are not, BPDUs pass all the same, and
/// the group comes when the member reports again, unasked.
///
/// Shows: VPLS-L2-1
#[test]
fn rstp_of_customers_converges_through_the_provider_and_groups_follow() {
    const QUERY_INTERVAL: u32 = 125;
    for topology in [true, false] {
        let mut all = Customers::new(topology);
        assert!(!all.is_tree(), "nothing is forwarded yet");
        all.converges(40);
        let roles = |all: &Customers| -> Vec<(Role, Role)> {
            all.bridges.iter().map(|b| (b.ports[LAN].role, b.ports[DOOR].role)).collect()
        };
        let (root, designated, alternate) = (Role::Root, Role::Designated, Role::Alternate);
        let expected = [(designated, designated), (alternate, root), (root, designated), (root, alternate)];
        assert_eq!(roles(&all), expected);
        // The changes are over, and what they put in doubt is known again.
        all.seconds(60);
        all.say(OF_MEMBER, &join(MEMBER, G));
        let is_reached = |all: &mut Customers| all.say(0, &data(1, G)).contains(&OF_MEMBER);
        assert!(is_reached(&mut all));
        // Learned at its circuit.
        all.say(OF_MEMBER, &frame(Mac::BROADCAST, mac(MEMBER)));
        assert_eq!(all.world.reached(0, 2, &frame(mac(MEMBER), mac(9))), [(3, 1)]);

        all.fail(OF_MEMBER, LAN);
        assert!(all.converges(3) <= 2, "an alternate port takes over without waiting");
        assert_eq!(roles(&all)[3], (designated, root));
        // Its address is forgotten where it was, unless nobody looks at what bridges say.
        let is_old = all.world.reached(0, 2, &frame(mac(MEMBER), mac(9))) == [(3, 1)];
        assert_eq!(is_old, !topology);
        let mut seconds = 0;
        while !is_reached(&mut all) && seconds < QUERY_INTERVAL {
            all.seconds(1);
            seconds += 1;
        }
        if topology {
            assert!(seconds < QUERY_INTERVAL, "the group follows");
            all.seconds(30);
            let to = all.world.reached(0, 2, &data(1, G));
            assert!(
                to.contains(&(2, 1)) && !to.contains(&(3, 1)),
                "at the new circuit, and not at the old one: {to:?}"
            );
        }
        // The root loses the LAN: what it said is void after three hellos, and no neighbour can agree on a LAN that is shared.
        all.fail(0, LAN);
        let seconds = all.converges(60);
        assert!((30..=40).contains(&seconds), "{seconds}");
        assert_eq!(roles(&all)[1], (designated, root));
    }
}
