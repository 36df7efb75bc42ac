//! Arbitrary stimuli against one node with a session of each kind. Shared with the fuzz target `drive_bfd`.
#![allow(dead_code)] // the fuzz target uses a part

use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use p2mp_pw::bfd::*;

fn address(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

fn paths() -> [Path; 8] {
    let (local, remote, discriminator) = (address(0), address(1), NonZeroU32::MIN);
    [
        Path::SingleHop { iface: IfIndex(1), local, remote },
        Path::MultiHop { local, remote, min_ttl: 0 },
        Path::LspIngress { lsp: LspId(1), local, remote },
        Path::LspEgress { lsp: LspId(2), local, remote, discriminator },
        Path::Pw { pw: PwRef(1), ip: None },
        Path::Head { tree: TreeId(1), local, report: Some(Duration::from_millis(20)) },
        Path::Tail { tree: TreeId(2), local, head: remote, discriminator, silent: false },
        Path::Reflector { local, remote, discriminator },
    ]
}

#[derive(Debug, Arbitrary)]
enum Step {
    /// A packet; the first number says how it arrives, the second whose session it names.
    Packet(u8, u8, ControlPacket),
    Octets(u8, Vec<u8>),
    Wait(u16),
    Disable(u8),
    Enable(u8),
    Remove(u8),
    Poll(u8),
    Intervals(u8, u16, u16),
    Reset,
}

fn arrival(n: u8) -> Arrival {
    let (from, to) = (address(1 + n / 128), address(0));
    let udp = |port| Arrival::Udp { iface: IfIndex(1), from, to, ttl: 255, source_port: 50_000, port };
    match n % 7 {
        0 => udp(PORT),
        1 => udp(MULTIHOP_PORT),
        2 => udp(SBFD_PORT),
        3 => Arrival::Lsp { lsp: LspId(2), from },
        4 => Arrival::Pw { pw: PwRef(1), ttl: None },
        5 => Arrival::Tree { tree: TreeId(2 + u64::from(n / 64)), from },
        _ => udp(u16::from(n) | 0xc000),
    }
}

fn set_up(now: Instant) -> (Bfd, Vec<SessionId>) {
    let config = BfdConfig { seed: 3, max_dynamic_tails: 4, max_clients: 3, max_sessions: 14, ..BfdConfig::default() };
    let mut node = Bfd::new(now, config).unwrap();
    node.set_tree(TreeId(3), Some((address(0), false)));
    let reflector = Reflector { required_min_rx: Duration::from_millis(5), in_service: true };
    node.set_reflector(NonZeroU32::MIN, Some(reflector)).unwrap();
    let ids = paths().map(|path| node.add_session(now, SessionConfig::new(path)).unwrap());
    (node, ids.to_vec())
}

fn step(node: &mut Bfd, ids: &[SessionId], now: &mut Instant, step: Step) {
    let id = |n: u8| ids[usize::from(n) % ids.len()];
    match step {
        Step::Packet(how, whose, mut packet) => {
            if whose & 0x80 == 0 {
                packet.your_discriminator = id(whose).0.get();
            }
            let mut octets = Vec::new();
            packet.emit(&mut octets);
            node.handle_input(*now, Input::Packet { arrival: arrival(how), octets: &octets });
        }
        Step::Octets(how, octets) => node.handle_input(*now, Input::Packet { arrival: arrival(how), octets: &octets }),
        Step::Wait(ms) => {
            *now = *now + Duration::from_millis(ms.into());
            node.handle_timeout(*now);
            assert!(node.next_timeout().is_none_or(|at| at > *now));
        }
        // Sessions may be gone: the operator is told so.
        Step::Disable(n) => drop(node.disable(*now, id(n), Diag::PATH_DOWN)),
        Step::Enable(n) => drop(node.enable(*now, id(n))),
        Step::Remove(n) => drop(node.remove_session(*now, id(n))),
        Step::Poll(n) => {
            let _ = node.poll(*now, id(n));
            let _ = node.solicit(*now, id(n));
            let _ = node.poll_tail(*now, id(n), address(1));
        }
        Step::Intervals(n, tx, rx) => {
            let (tx, rx) = (Duration::from_millis(tx.into()), Duration::from_millis(rx.into()));
            let _ = node.set_intervals(*now, id(n), tx, rx);
        }
        Step::Reset => node.forwarding_plane_reset(*now),
    }
}

/// Never more output than sessions, replies and limits allow; packets parse; no packet has Poll and Final; a session that is removed is
/// never heard of again; timers are ahead.
pub fn run(data: &[u8]) {
    let mut now = Instant::from_secs(1);
    let (mut node, ids) = set_up(now);
    let mut u = Unstructured::new(data);
    while let Ok(next) = Step::arbitrary(&mut u) {
        if u.is_empty() {
            break;
        }
        step(&mut node, &ids, &mut now, next);
        let mut packets = 0;
        while let Some(output) = node.poll_output() {
            match output {
                Output::Packet { octets, .. } => {
                    packets += 1;
                    let packet = ControlPacket::parse(&octets).unwrap();
                    assert!(!packet.flags.contains(ControlFlags::POLL | ControlFlags::FINAL), "{packet:?}");
                }
                Output::Event(Event::Removed(id)) => assert_eq!(node.state(id), None),
                Output::Event(_) => {}
            }
        }
        assert!(packets <= 14 * 2 + 3 * 2 + 64, "{packets} packets at once");
        assert!(node.sessions().count() <= 14);
        assert!(ids.iter().all(|id| node.tails(*id).count() <= 3));
    }
}
