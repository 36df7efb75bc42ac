//! Two virtual switch instances beside a bridge of maps: learning, moves, limits, static addresses, flushes, aging and split horizon. Shared
//! with the fuzz target `bridge_vsi`.

use std::collections::{BTreeSet, HashMap};

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::time::Instant;
use fwd_core::wire::{EtherType, Ethernet, LabelEntry};
use fwd_core::{DropReason, Forwarder};

use super::switching::{CORE, DATA, Fate, NEXT, OURS, apply, circuit, ethernet, forward, forwarder, label, pseudowire};

/// The instances, and how long they remember; 0: for ever.
const VSIS: [(VsiId, u16); 2] = [(VsiId(1), 40), (VsiId(2), 0)];
/// The ports: instance, split horizon group, interface of a circuit. Without one a pseudowire, whose labels are 16 + its number inwards and
/// 1000 + its number outwards.
const PORTS: [(VsiId, u8, Option<u32>); 8] = [
    (VsiId(1), 0, Some(6)),
    (VsiId(1), 0, Some(7)),
    (VsiId(1), 1, None),
    (VsiId(1), 1, None),
    (VsiId(1), 0, None),
    (VsiId(2), 0, Some(8)),
    (VsiId(2), 1, None),
    (VsiId(2), 1, None),
];
/// Stations, each of which may be anywhere.
const STATIONS: u8 = 10;

fn station(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 7, n % STATIONS])
}

/// What a bridge knows of an address.
#[derive(Clone, Copy, Debug)]
struct Known {
    port: usize,
    is_static: bool,
    /// The second in which a frame came from it.
    seen: u64,
}

/// The bridge of maps.
struct Model {
    known: HashMap<(VsiId, Mac), Known>,
    vsi_limits: HashMap<VsiId, u32>,
    port_limits: [u32; PORTS.len()],
    learns: [bool; PORTS.len()],
    now: u64,
}

impl Model {
    fn learned(&self, is_counted: impl Fn(VsiId, &Known) -> bool) -> u32 {
        let counted = self.known.iter().filter(|((vsi, _), known)| !known.is_static && is_counted(*vsi, known));
        counted.count() as u32
    }

    /// What becomes of a frame: the ports it leaves by, or why not; and what it teaches.
    fn frame(&mut self, port: usize, from: Mac, to: Mac) -> Result<BTreeSet<usize>, DropReason> {
        let (vsi, horizon, _) = PORTS[port];
        let at = if to == Mac::BROADCAST { None } else { self.known.get(&(vsi, to)).map(|known| known.port) };
        self.learn(vsi, port, from);
        let is_behind = |other: usize| horizon != 0 && PORTS[other].1 == horizon;
        match at {
            Some(at) if at == port => Err(DropReason::SamePort),
            Some(at) if is_behind(at) => Err(DropReason::SplitHorizon),
            Some(at) => Ok([at].into()),
            None => {
                let others = (0..PORTS.len()).filter(|other| PORTS[*other].0 == vsi && *other != port);
                Ok(others.filter(|other| !is_behind(*other)).collect())
            }
        }
    }

    fn learn(&mut self, vsi: VsiId, port: usize, from: Mac) {
        let known = self.known.get(&(vsi, from)).copied();
        let of_port = self.learned(|_, known| known.port == port);
        let of_vsi = self.learned(|of, _| of == vsi);
        let may = match known {
            Some(known) if known.is_static => return,
            Some(known) if known.port == port => true,
            // A move costs the instance nothing.
            Some(_) => self.learns[port] && of_port < self.port_limits[port],
            None => self.learns[port] && of_port < self.port_limits[port] && of_vsi < self.vsi_limits[&vsi],
        };
        if may {
            self.known.insert((vsi, from), Known { port, is_static: false, seen: self.now });
        }
    }

    /// Learned addresses that a flush names are forgotten.
    fn flush(&mut self, is_named: impl Fn(VsiId, Mac, usize) -> bool) {
        self.known.retain(|(vsi, mac), known| known.is_static || !is_named(*vsi, *mac, known.port));
    }

    /// An address is remembered for its instance's age, and forgotten an eighth of that and eight seconds later; in between, what the
    /// forwarder says is right.
    fn age(&mut self, forwarder: &Forwarder<'_>) {
        let now = self.now;
        self.known.retain(|(vsi, mac), known| {
            let age = VSIS.iter().find(|(of, _)| of == vsi).map_or(0, |(_, age)| u64::from(*age));
            let idle = now - known.seen;
            match () {
                () if known.is_static || age == 0 || idle < age => true,
                () if idle > age + age / 8 + 8 => false,
                () => forwarder.mac(*vsi, *mac).is_some(),
            }
        });
    }

    fn compare(&self, forwarder: &Forwarder<'_>) {
        for (vsi, _) in VSIS {
            for mac in (0..STATIONS).map(station) {
                let known = self.known.get(&(vsi, mac)).map(|known| PortId(known.port as u32));
                assert_eq!(forwarder.mac(vsi, mac), known, "{vsi} {mac} at {} s", self.now);
            }
            assert_eq!(forwarder.learned(vsi), self.learned(|of, _| of == vsi));
        }
    }
}

fn settings(vsi: VsiId, age: u16, mac_limit: u32) -> Vsi {
    let all = Some(ReplicationId(u32::from(vsi.0)));
    Vsi { unknown: all, broadcast: all, multicast: all, mac_limit, age, ..super::switching::settings() }
}

fn bridge_port(n: usize, mac_limit: u32, learn: bool) -> FwdOp {
    let (vsi, split_horizon, iface) = PORTS[n];
    let port = match iface {
        Some(iface) => circuit(vsi, iface, Tags::Untagged),
        None => pseudowire(vsi, n as u32),
    };
    FwdOp::SetPort { id: PortId(n as u32), port: BridgePort { split_horizon, mac_limit, learn, ..port } }
}

fn start() -> (Forwarder<'static>, Model) {
    let mut f = forwarder();
    for (vsi, age) in VSIS {
        let id = ReplicationId(u32::from(vsi.0));
        apply(&mut f, [FwdOp::SetVsi { vsi, settings: settings(vsi, age, 100) }]);
        apply(&mut f, [FwdOp::SetReplication { id, owner: VsiOrVrf::Vsi(vsi) }]);
    }
    for (n, (vsi, _, iface)) in PORTS.into_iter().enumerate() {
        let (group, leg, id) = (ReplicationId(u32::from(vsi.0)), n as u16, PortId(n as u32));
        apply(&mut f, [bridge_port(n, 100, true), FwdOp::SetLeg { group, leg, target: LegTarget::Port(id) }]);
        if iface.is_none() {
            let ilm = Ilm { action: IlmAction::Bridge(id), model: TunnelModel::Pipe };
            apply(&mut f, [FwdOp::SetIlm { label: label(16 + n as u32), ilm }]);
        }
    }
    let vsi_limits = VSIS.map(|(vsi, _)| (vsi, 100)).into();
    let (port_limits, learns) = ([100; PORTS.len()], [true; PORTS.len()]);
    (f, Model { known: HashMap::new(), vsi_limits, port_limits, learns, now: 0 })
}

/// Sends a frame into a port, and says by which it left; it must leave as it came.
fn send(f: &mut Forwarder<'_>, port: usize, frame: &[u8]) -> Result<BTreeSet<usize>, DropReason> {
    let fate = match PORTS[port].2 {
        Some(iface) => forward(f, iface, frame),
        None => {
            let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
            let entry = LabelEntry::new(label(16 + port as u32), 0, true, 64).0;
            forward(f, CORE.0, &[&front[..], &entry, &[0; 4], frame].concat())
        }
    };
    let sent = match fate {
        Fate::Sent(sent) => sent,
        Fate::Drop(reason) => return Err(reason),
        Fate::Punt(reason) => panic!("{reason:?}"),
    };
    let mut ports = BTreeSet::new();
    for (iface, copies) in sent {
        for copy in copies {
            let circuit = PORTS.iter().position(|(_, _, at)| *at == Some(iface.0));
            let (to, inside) = match circuit {
                Some(n) => (n, &copy[..]),
                None => {
                    let entry = LabelEntry::of(&copy[Ethernet::LEN..]).unwrap();
                    assert_eq!((iface, entry.is_bottom(), &copy[18..22]), (CORE, true, &[0; 4][..]));
                    (entry.label().value() as usize - 1000, &copy[22..])
                }
            };
            assert_eq!(inside, frame);
            assert!(ports.insert(to), "twice by port {to}");
        }
    }
    Ok(ports)
}

/// Reads steps from `data`, four octets each, and takes them with both bridges.
pub fn run(data: &[u8]) {
    let (mut f, mut model) = start();
    for step in data.chunks_exact(4) {
        let [kind, a, b, c] = [step[0], step[1], step[2], step[3]];
        let (port, (vsi, age)) = (usize::from(a) % PORTS.len(), VSIS[usize::from(a) % VSIS.len()]);
        match kind % 16 {
            0 => {
                let limit = u32::from(b % 8);
                apply(&mut f, [FwdOp::SetVsi { vsi, settings: settings(vsi, age, limit) }]);
                model.vsi_limits.insert(vsi, limit);
            }
            1 => {
                (model.port_limits[port], model.learns[port]) = (u32::from(b % 6), c % 4 != 0);
                apply(&mut f, [bridge_port(port, model.port_limits[port], model.learns[port])]);
            }
            2 => {
                let (vsi, mac) = (PORTS[port].0, station(b));
                apply(&mut f, [FwdOp::SetMac { vsi, mac, port: PortId(port as u32) }]);
                model.known.insert((vsi, mac), Known { port, is_static: true, seen: model.now });
            }
            3 => {
                apply(&mut f, [FwdOp::ClearMac { vsi, mac: station(b) }]);
                model.known.remove(&(vsi, station(b)));
            }
            4 => flush(&mut f, &mut model, (vsi, port), (b, c)),
            5 => {
                // The sweep goes around once in four seconds.
                for _ in 0..b % 16 {
                    model.now += 4;
                    f.age(Instant::from_secs(model.now), usize::MAX);
                    model.age(&f);
                }
            }
            _ => {
                let to = if c % 16 == 0 { Mac::BROADCAST } else { station(c) };
                let frame = ethernet(to, station(b), &DATA);
                assert_eq!(send(&mut f, port, &frame), model.frame(port, station(b), to), "{step:?}");
            }
        }
        model.compare(&f);
    }
}

fn flush(f: &mut Forwarder<'_>, model: &mut Model, (vsi, port): (VsiId, usize), (b, c): (u8, u8)) {
    let (id, mac) = (PortId(port as u32), station(c));
    let what = match b % 4 {
        0 => Flush::Mac { vsi, mac },
        1 => Flush::Port(id),
        2 => Flush::AllBut { vsi: PORTS[port].0, port: id },
        _ => Flush::Vsi(vsi),
    };
    apply(f, [FwdOp::Flush { what }]);
    model.flush(|of, address, at| match what {
        Flush::Mac { .. } => (of, address) == (vsi, mac),
        Flush::Port(_) => at == port,
        Flush::AllBut { vsi, .. } => of == vsi && at != port,
        Flush::Vsi(vsi) => of == vsi,
    });
}
