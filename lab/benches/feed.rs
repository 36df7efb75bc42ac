//! VPN-IPv4 routes through one speaker on one thread: octets in, octets and forwarding ops out.
//!
//! ```text
//! cargo bench -p lab --bench feed                    # all cases, 10k, 100k and 1M routes
//! cargo bench -p lab --bench feed -- rr 1000000 5    # one role, one size, five runs
//! ```
//!
//! Roles: `rr`, a route reflector with two clients; `rr100`, with a hundred; `pe`, a PE that imports every route into one of its
//! 1,000 VRFs (fewer below a million routes); `pe1`, a PE with one VRF that imports them all, no prefix twice; `overlap`, the same
//! with the same 1,000 prefixes under every route distinguisher. Routes: 1,000 prefixes to a route distinguisher, 100 routes to an attribute set, one UPDATE to a set; a label per route, or (`/rd`) per route distinguisher.
//! Phases: 1 announce all; 2 withdraw a tenth and announce it again; 3 the sender disappears. Role `pe200` is a PE whose 200 VRFs share
//! the route targets among them, each prefix under several of its route distinguishers. Role `rt` is `pe1` with a VRF that imports one of
//! the thousand route targets at first, and other phases: 2 it imports one more, a thousandth of the routes; 3 it imports them all. Every run is a process of its own, so that
//! its peak of resident memory is its own; octets per route are the growth of that peak over what was there before the first
//! route. Times are minimum and median.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Instant as Clock;

use bgp_vpn::attr::ext_community::RouteTarget;
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{
    Input as SessionInput, LocalIdentity, Output as SessionOutput, PeerConfig, PeerRole, Session, SessionConfig,
};
use bgp_vpn::speaker::{Input, Output, PeerId, Reach, Side, Speaker, SpeakerConfig};
use bgp_vpn::vrf::VrfConfig;
use fwd_core::net::{Label, NhlfeId, VrfId};
use fwd_core::time::Instant;

const PER_RD: u32 = 1000;
const PER_SET: u32 = 100;
const AS: u16 = 65001;
const NOW: Instant = Instant::from_secs(1);
const ROOM: usize = 1 << 18;
const CHUNK: usize = 1 << 16;

/// What routes look like.
#[derive(Clone, Copy)]
struct Shape {
    /// One label per route distinguisher instead of one per route.
    label_per_rd: bool,
    /// No prefix occurs with two route distinguishers.
    distinct: bool,
}

/// One UPDATE of `PER_SET` routes, announced or withdrawn.
fn update(set: u32, shape: Shape, withdraw: bool, med: u32, out: &mut Vec<u8>) {
    let rd = set * PER_SET / PER_RD;
    let mut nlri = Vec::new();
    for id in set * PER_SET..(set + 1) * PER_SET {
        let label = if shape.label_per_rd { rd } else { id };
        let label = if withdraw { 0x80_0000 } else { (16 + label % ((1 << 20) - 16)) << 4 | 1 };
        let p = if shape.distinct { id } else { id % PER_RD };
        nlri.push(24 + 64 + 24);
        nlri.extend_from_slice(&label.to_be_bytes()[1..]);
        nlri.extend_from_slice(&[0, 0]);
        nlri.extend_from_slice(&AS.to_be_bytes());
        nlri.extend_from_slice(&rd.to_be_bytes());
        nlri.extend_from_slice(&[10 + (p >> 16) as u8, (p >> 8) as u8, p as u8]);
    }
    let mut attributes = Vec::new();
    if withdraw {
        attributes.extend_from_slice(&[0x90, 15]);
        attributes.extend_from_slice(&(nlri.len() as u16 + 3).to_be_bytes());
        attributes.extend_from_slice(&[0, 1, 128]);
        attributes.extend_from_slice(&nlri);
    } else {
        attributes.extend_from_slice(&[0x40, 1, 1, 0, 0x40, 2, 0, 0x80, 4, 4]);
        attributes.extend_from_slice(&med.to_be_bytes());
        attributes.extend_from_slice(&[0x40, 5, 4, 0, 0, 0, 100, 0xc0, 8, 4]);
        attributes.extend_from_slice(&set.to_be_bytes());
        attributes.extend_from_slice(&[0x90, 14]);
        attributes.extend_from_slice(&(nlri.len() as u16 + 17).to_be_bytes());
        attributes.extend_from_slice(&[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 198, 51, 100, 11, 0]);
        attributes.extend_from_slice(&nlri);
        attributes.extend_from_slice(&[0xc0, 16, 8, 0, 2]);
        attributes.extend_from_slice(&AS.to_be_bytes());
        attributes.extend_from_slice(&rd.to_be_bytes());
    }
    out.extend_from_slice(&[0xff; 16]);
    out.extend_from_slice(&(23 + attributes.len() as u16).to_be_bytes());
    out.extend_from_slice(&[2, 0, 0]);
    out.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    out.extend_from_slice(&attributes);
}

/// What came out.
#[derive(Default)]
struct Counts {
    ops: u64,
    octets: u64,
    messages: u64,
}

/// What VRF `n` of `vrfs` imports of so many route targets: every one that leaves its number.
fn import(n: u16, vrfs: u16, targets: u16) -> Vec<RouteTarget> {
    (n..targets.max(n + 1)).step_by(usize::from(vrfs.max(1))).map(|n| format!("{AS}:{n}").parse().unwrap()).collect()
}

struct Bed {
    speaker: Speaker,
    peers: Vec<PeerId>,
    counts: Counts,
}

impl Bed {
    fn new(clients: u8, vrfs: u16, targets: u16) -> Self {
        let config = SpeakerConfig {
            local: LocalIdentity { asn: AS.into(), router_id: Ipv4Addr::new(127, 0, 0, 10) },
            cluster_id: None,
            labels: (Label::new(16).unwrap(), Label::MAX),
            nhlfes: (NhlfeId(1000), NhlfeId(3_000_000)),
            seed: 1,
        };
        let mut speaker = Speaker::new(NOW, config).unwrap();
        for n in 0..vrfs {
            let target = format!("{AS}:{n}").parse().unwrap();
            let rd = format!("{AS}:{}", 1_000_000 + u32::from(n)).parse().unwrap();
            let mut vrf = VrfConfig::new(VrfId(n + 1), &format!("vrf{n}"), rd, target);
            vrf.import = import(n, vrfs, targets);
            speaker.add_vrf(NOW, vrf).unwrap();
        }
        let peers = (0..clients)
            .map(|n| {
                let address = IpAddr::V4(Ipv4Addr::new(127, 0, 1, n + 1));
                let local = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 10));
                let mut peer = PeerConfig::new(address, local, AS.into(), &[Family::VPN_IPV4]);
                peer.role = PeerRole::ReflectorClient;
                peer.passive = true;
                speaker.add_peer(NOW, peer).unwrap()
            })
            .collect();
        let address = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 11));
        speaker.handle_input(NOW, Input::NextHop { address, reach: Some(Reach { metric: 1, nhlfe: NhlfeId(1) }) });
        let mut bed = Self { speaker, peers, counts: Counts::default() };
        (0..clients).for_each(|n| bed.establish(n));
        bed
    }

    /// The VRF of role `rt` imports these many route targets from now on.
    fn set_targets(&mut self, targets: u16) -> f64 {
        let begin = Clock::now();
        let (import, export) = (import(0, 1, targets), import(0, 1, 1));
        self.speaker.set_vrf_targets(NOW, VrfId(1), import, export).unwrap();
        self.drain();
        begin.elapsed().as_secs_f64()
    }

    /// Brings a session up by a session machine at the far end.
    fn establish(&mut self, n: u8) {
        let peer = self.peers[usize::from(n)];
        let side = Side::Incoming;
        let config = SessionConfig {
            local: LocalIdentity { asn: AS.into(), router_id: Ipv4Addr::new(127, 0, 1, n + 1) },
            peer: PeerConfig::new([127, 0, 0, 10].into(), [127, 0, 1, n + 1].into(), AS.into(), &[Family::VPN_IPV4]),
            seed: 7,
            restarted: false,
        };
        let mut far = Session::new(NOW, config).unwrap();
        far.handle_input(NOW, SessionInput::Start);
        far.handle_input(NOW, SessionInput::Connected { side: Side::Outgoing });
        self.speaker.handle_input(NOW, Input::Connected { peer, side });
        while self.speaker.peer_negotiated(peer).is_none() {
            while let Some(output) = self.speaker.poll_output() {
                if let Output::Stream { octets, .. } = output {
                    far.handle_input(NOW, SessionInput::Stream { side: Side::Outgoing, octets: &octets });
                }
            }
            while let Some(output) = far.poll_output() {
                if let SessionOutput::Send { octets, .. } = output {
                    self.speaker.handle_input(NOW, Input::Stream { peer, side, octets: &octets });
                }
            }
        }
        self.speaker.handle_input(NOW, Input::Writable { peer, side, room: ROOM });
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Program(_) => self.counts.ops += 1,
                Output::Stream { peer, side, octets } => {
                    self.counts.octets += octets.len() as u64;
                    let mut rest = &octets[..];
                    while !rest.is_empty() {
                        let len = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
                        self.counts.messages += 1;
                        rest = &rest[len..];
                    }
                    self.speaker.handle_input(NOW, Input::Writable { peer, side, room: ROOM });
                }
                _ => {}
            }
        }
    }

    fn feed(&mut self, octets: &[u8]) {
        let peer = self.peers[0];
        for chunk in octets.chunks(CHUNK) {
            self.speaker.handle_input(NOW, Input::Stream { peer, side: Side::Incoming, octets: chunk });
            self.drain();
        }
    }

    fn advertised(&self, peer: PeerId) -> u32 {
        self.speaker.peer_families(peer).first().map_or(0, |f| f.advertised)
    }
}

/// A figure of `/proc/self/status` in octets.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field));
    line.and_then(|l| l.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// One run: prints seconds of the three phases, octets per route, messages, octets out, ops.
fn run(role: &str, routes: u32, label_per_rd: bool) {
    let sets = routes / PER_SET;
    let (mut all, mut again) = (Vec::new(), Vec::new());
    let shape = Shape { label_per_rd, distinct: role == "pe1" || role == "rt" };
    (0..sets).for_each(|set| update(set, shape, false, set, &mut all));
    (0..sets).step_by(10).for_each(|set| update(set, shape, true, set, &mut again));
    (0..sets).step_by(10).for_each(|set| update(set, shape, false, set + 1_000_000, &mut again));
    let vrfs = match role {
        "pe" => (routes / PER_RD) as u16,
        "pe200" => 200,
        "pe1" | "overlap" | "rt" => 1,
        _ => 0,
    };
    let clients = match role {
        "rr100" => 100,
        "rr" => 2,
        _ => 1,
    };
    // A VRF of role `pe` imports one route target each, as many VRFs as there are.
    let targets = if role == "rt" { 1 } else { 1000 };
    let mut bed = Bed::new(clients, vrfs, targets);
    let before = memory("VmRSS");
    let mut seconds = [0.0; 3];
    let begin = Clock::now();
    bed.feed(&all);
    seconds[0] = begin.elapsed().as_secs_f64();
    let peak = memory("VmHWM");
    assert_eq!(bed.speaker.stats().vpn_routes, routes);
    let counts = std::mem::take(&mut bed.counts);
    for peer in bed.peers.iter().skip(1) {
        assert_eq!(bed.advertised(*peer), routes);
    }
    assert_eq!(bed.advertised(bed.peers[0]), 0, "nothing goes back to the sender");
    if role == "rt" {
        assert_eq!(bed.speaker.stats().vrf_routes, PER_RD);
        (seconds[1], seconds[2]) = (bed.set_targets(2), bed.set_targets(1000));
        assert_eq!(bed.speaker.stats().vrf_routes, routes);
        return report(seconds, peak.saturating_sub(before) / u64::from(routes), &counts);
    }
    let begin = Clock::now();
    bed.feed(&again);
    seconds[1] = begin.elapsed().as_secs_f64();
    let begin = Clock::now();
    bed.speaker.handle_input(NOW, Input::Closed { peer: bed.peers[0], side: Side::Incoming });
    bed.drain();
    seconds[2] = begin.elapsed().as_secs_f64();
    assert_eq!(bed.speaker.stats().vpn_paths, 0);
    assert!(bed.peers.iter().all(|peer| bed.advertised(*peer) == 0));
    report(seconds, peak.saturating_sub(before) / u64::from(routes), &counts);
}

fn report([a, b, c]: [f64; 3], per_route: u64, counts: &Counts) {
    println!("{a} {b} {c} {per_route} {} {} {}", counts.messages, counts.octets, counts.ops);
}

/// Runs one case several times and prints a line.
fn case(role: &str, routes: u32, label_per_rd: bool, runs: usize) {
    let me = std::env::current_exe().expect("own path");
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for _ in 0..runs {
        let labels = if label_per_rd { "rd" } else { "route" };
        let output = Command::new(&me).args(["run", role, &routes.to_string(), labels]).output().expect("a run");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        rows.push(text.split_whitespace().map(|n| n.parse().expect("a figure")).collect());
    }
    let column = |i: usize| {
        let mut column: Vec<f64> = rows.iter().map(|r| r[i]).collect();
        column.sort_by(f64::total_cmp);
        column
    };
    let times: Vec<String> = (0..3)
        .map(|i| {
            let c = column(i);
            format!("{:.3}/{:.3}", c[0], c[c.len() / 2])
        })
        .collect();
    let rate = f64::from(routes) / column(0)[0];
    println!(
        "{role:>6}{:4} {routes:>8}  {:>24}  {:>10.0}  {:>6}  {:>9}  {:>9}",
        if label_per_rd { "/rd" } else { "" },
        times.join(" "),
        rate,
        column(3)[0],
        column(4)[0],
        column(6)[0],
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["run", role, routes, labels] = args[..] {
        return run(role, routes.parse().expect("routes"), labels == "rd");
    }
    println!("  role         routes  seconds of phases 1 2 3 (min/median)  routes/s  octets/route  messages  ops");
    match args[..] {
        [role, routes, runs] => {
            let runs = runs.parse().expect("runs");
            case(role, routes.parse().expect("routes"), false, runs);
            case(role, routes.parse().expect("routes"), true, runs);
        }
        _ => {
            for routes in [10_000, 100_000, 1_000_000] {
                let runs = if routes == 1_000_000 { 3 } else { 9 };
                for role in ["rr", "pe", "pe1", "pe200", "rt"] {
                    case(role, routes, false, runs);
                    case(role, routes, true, runs);
                }
                case("rr100", routes.min(100_000), false, 1);
                case("overlap", routes.min(100_000), false, 1);
            }
        }
    }
}
