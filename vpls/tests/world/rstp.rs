//! Customers' bridges that speak RSTP (IEEE 802.1D-2004 §17), as much of it as a test of what is between them needs: priority vectors,
//! roles, proposals and agreements on point-to-point links, forward delay elsewhere, topology changes.

use fwd_core::net::Mac;
use vpls::snoop::bpdu::BRIDGES;

/// Seconds: between hellos, until what a neighbour said is void, of a listening and of a learning port.
const HELLO: u64 = 2;
const MAX_AGE: u64 = 3 * HELLO;
const FORWARD_DELAY: u64 = 15;

/// Root, cost to it, bridge, port: the less, the better (§17.5).
pub type Vector = (u64, u32, u64, u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Root,
    Designated,
    /// Alternate or backup.
    Alternate,
}

#[derive(Clone, Debug)]
pub struct Port {
    pub up: bool,
    pub role: Role,
    pub forwarding: bool,
    point_to_point: bool,
    cost: u32,
    /// What the designated bridge of the LAN said, and when that is void.
    heard: Option<(Vector, u64)>,
    /// When a designated port forwards that nobody agreed to.
    delay: u64,
    /// Topology changes are told until then.
    tells: u64,
}

/// A bridge.
#[derive(Clone, Debug)]
pub struct Bridge {
    id: u64,
    pub ports: Vec<Port>,
    root: (u64, u32),
    now: u64,
    /// Frames that leave: port and octets.
    pub out: Vec<(usize, Vec<u8>)>,
}

const TOPOLOGY_CHANGE: u8 = 1;
const PROPOSAL: u8 = 2;
const DESIGNATED: u8 = 3 << 2;
const ROOT: u8 = 2 << 2;
const AGREEMENT: u8 = 0x40;

impl Bridge {
    /// A bridge with ports of these costs; whether each is a point-to-point link.
    pub fn new(id: u64, ports: &[(u32, bool)]) -> Self {
        let port = |(cost, point_to_point): &(u32, bool)| Port {
            up: true,
            role: Role::Designated,
            forwarding: false,
            point_to_point: *point_to_point,
            cost: *cost,
            heard: None,
            delay: 2 * FORWARD_DELAY,
            tells: 0,
        };
        Self { id, ports: ports.iter().map(port).collect(), root: (id, 0), now: 0, out: vec![] }
    }

    fn vector(&self, port: usize) -> Vector {
        (self.root.0, self.root.1, self.id, u16::try_from(port + 1).unwrap())
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        self.now += 1;
        for port in &mut self.ports {
            if port.heard.is_some_and(|(_, until)| until <= self.now) {
                port.heard = None;
            }
        }
        self.decide();
        for n in 0..self.ports.len() {
            let port = &self.ports[n];
            if port.up && port.role == Role::Designated && !port.forwarding && self.now >= port.delay {
                self.forward(n);
            }
            if self.now % HELLO == 0 || self.ports[n].tells > self.now {
                self.transmit(n, 0);
            }
        }
    }

    /// A link fails or comes back.
    pub fn link(&mut self, port: usize, up: bool) {
        let now = self.now;
        let port = &mut self.ports[port];
        (port.up, port.forwarding, port.heard, port.delay) = (up, false, None, now + 2 * FORWARD_DELAY);
        self.decide();
    }

    /// Takes a frame to the bridges' group.
    pub fn receive(&mut self, n: usize, frame: &[u8]) {
        let Some(body) = frame.strip_prefix(&BRIDGES.0[..]).and_then(|f| f.get(11..47)).filter(|_| self.ports[n].up)
        else {
            return;
        };
        let (flags, at) = (body[4], |range: std::ops::Range<usize>| {
            body[range].iter().fold(0_u64, |sum, o| sum << 8 | u64::from(*o))
        });
        let vector: Vector =
            (at(5..13), u32::try_from(at(13..17)).unwrap(), at(17..25), u16::try_from(at(25..27)).unwrap());
        if flags & TOPOLOGY_CHANGE != 0 {
            self.told(n);
        }
        if flags & (3 << 2) == DESIGNATED {
            let port = &self.ports[n];
            let same = port.heard.is_some_and(|(old, _)| (old.2, old.3) == (vector.2, vector.3));
            let is_best = port.heard.is_none_or(|(old, _)| vector < old) && vector < self.vector(n);
            if same && vector >= self.vector(n) {
                // It has nothing better any more.
                self.ports[n].heard = None;
            } else if same || is_best {
                self.ports[n].heard = Some((vector, self.now + MAX_AGE));
            }
            self.decide();
            let port = &self.ports[n];
            if flags & PROPOSAL != 0 && port.point_to_point && port.role != Role::Designated {
                self.transmit(n, AGREEMENT);
            } else if port.role == Role::Designated {
                // §17.21.8: an inferior neighbour is told at once.
                self.transmit(n, 0);
            }
        } else if flags & AGREEMENT != 0 && self.ports[n].role == Role::Designated && !self.ports[n].forwarding {
            self.forward(n);
        }
    }

    /// Roles by what is known (§17.21.25).
    fn decide(&mut self) {
        let paths = self.ports.iter().enumerate().filter(|(_, port)| port.up);
        let best = paths.filter_map(|(n, port)| {
            let (heard, _) = port.heard.filter(|(heard, _)| heard.2 != self.id)?;
            Some(((heard.0, heard.1 + port.cost, heard.2, heard.3), n))
        });
        let best = best.min().filter(|(vector, _)| vector.0 < self.id);
        self.root = best.map_or((self.id, 0), |(vector, _)| (vector.0, vector.1));
        let root_port = best.map(|(_, n)| n);
        for n in 0..self.ports.len() {
            let own = self.vector(n);
            let port = &self.ports[n];
            let role = if root_port == Some(n) {
                Role::Root
            } else if port.heard.is_none_or(|(heard, _)| own < heard) {
                Role::Designated
            } else {
                Role::Alternate
            };
            if role == port.role {
                continue;
            }
            let now = self.now;
            let port = &mut self.ports[n];
            (port.role, port.delay) = (role, now + 2 * FORWARD_DELAY);
            if role != Role::Root {
                port.forwarding = false;
            }
        }
        if let Some(n) = root_port.filter(|n| !self.ports[*n].forwarding) {
            // §17.29.2: the others are in step before it forwards.
            let now = self.now;
            for (_, port) in self.ports.iter_mut().enumerate().filter(|(other, _)| *other != n) {
                if port.role == Role::Designated && port.forwarding {
                    (port.forwarding, port.delay) = (false, now + 2 * FORWARD_DELAY);
                }
            }
            self.forward(n);
        }
    }

    fn forward(&mut self, n: usize) {
        self.ports[n].forwarding = true;
        for port in 0..self.ports.len() {
            self.ports[port].tells = self.now + 2 * HELLO;
            self.transmit(port, 0);
        }
    }

    /// A neighbour's topology changed: the others are told.
    fn told(&mut self, n: usize) {
        for other in (0..self.ports.len()).filter(|other| *other != n) {
            if self.ports[other].tells <= self.now {
                self.ports[other].tells = self.now + 2 * HELLO;
                self.transmit(other, 0);
            }
        }
    }

    /// An RST BPDU (§9.3.3).
    fn transmit(&mut self, n: usize, more: u8) {
        let port = &self.ports[n];
        let mut flags = more;
        let is_designated = port.role == Role::Designated;
        let is_due = match port.role {
            Role::Designated => true,
            Role::Root => more != 0 || port.tells > self.now,
            Role::Alternate => more != 0,
        };
        if !port.up || !is_due {
            return;
        }
        flags |= if is_designated { DESIGNATED } else { ROOT };
        if port.tells > self.now {
            flags |= TOPOLOGY_CHANGE;
        }
        if is_designated && !port.forwarding && port.point_to_point {
            flags |= PROPOSAL;
        }
        let (root, cost, bridge, number) = self.vector(n);
        let id = u8::try_from(self.id).unwrap();
        let mac = Mac([2, 0, 0, 0, 8, id]);
        let mut frame = [&BRIDGES.0[..], &mac.0, &[0, 39, 0x42, 0x42, 3], &[0, 0, 2, 2, flags]].concat();
        frame.extend(root.to_be_bytes());
        frame.extend(cost.to_be_bytes());
        frame.extend(bridge.to_be_bytes());
        frame.extend(number.to_be_bytes());
        // Message age, max age, hello time, forward delay in 256ths of a second; length of the version 1 fields; padding.
        frame.extend([0, 0, 6, 0, 2, 0, 15, 0, 0]);
        frame.resize(60, 0);
        self.out.push((n, frame));
    }
}
