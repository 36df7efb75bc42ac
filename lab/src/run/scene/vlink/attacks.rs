//! What attackers get: refusals that are counted, while other links do not notice.

use std::time::Duration;

use anyhow::Result;
use fwd_core::DropReason;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::l2tp::control as l2tp;
use ipsec_vlink::l2tp::digest::Secret;
use ipsec_vlink::sad::Reject;
use ipsec_vlink::vlink::Security;

use super::super::super::Report;
use super::world::{Outcome, Size, World};
use super::{exchange, join};

/// Forged packets of each kind.
const FORGED: usize = 10_000;

/// A world with links of this architecture, and the packets of one exchange on the wire towards the second router.
fn recorded(seed: u64, architecture: Architecture, security: Security) -> Result<(World, Vec<Vec<u8>>)> {
    let mut world = World::new(2, Size { links: 16 }, seed);
    let peers = world.peer(0, 1, |_, _| {});
    join(&mut world, [0, 1], peers, architecture, security)?;
    world.wire = Some(Vec::new());
    let _ = exchange(&mut world, [0, 1], 50);
    let wire = world.wire.take().unwrap_or_default();
    let to_second = wire.into_iter().filter(|frame| frame[5] == 2).map(|frame| frame[14..].to_vec());
    Ok((world, to_second.collect()))
}

/// Runs the attacks.
///
/// # Errors
/// The machine refuses what is good.
pub fn run(seed: u64, report: &mut Report) -> Result<()> {
    replay(seed, report)?;
    clear_into_protected(seed, report)?;
    blind(seed, report)?;
    wrong_secret(seed, report);
    Ok(())
}

fn unharmed(world: &mut World) -> bool {
    exchange(world, [0, 1], 20) == (80, 0)
}

fn replay(seed: u64, report: &mut Report) -> Result<()> {
    let (mut world, packets) = recorded(seed, Architecture::SharedIpip, Security::Esp)?;
    let mut replayed = 0;
    for packet in &packets {
        replayed += usize::from(world.inject(1, packet) == Outcome::Rejected(1, Reject::Replayed));
    }
    let mut flipped = 0;
    for n in 0..FORGED {
        let mut packet = packets[n % packets.len()].clone();
        // A number that was not used yet, and not its check value.
        packet[26] ^= 0x40;
        let at = 28 + n % (packet.len() - 28);
        packet[at] ^= 1;
        flipped += usize::from(matches!(world.inject(1, &packet), Outcome::Rejected(1, Reject::Integrity)));
    }
    let mut spoofed = 0;
    for packet in &packets {
        let mut packet = packet.clone();
        packet[15] ^= 1;
        fix_checksum(&mut packet);
        spoofed += usize::from(world.inject(1, &packet) == Outcome::Rejected(1, Reject::Address));
    }
    let all = packets.len();
    report.check("replayed packets are not taken", replayed == all, format!("{replayed} of {all}"));
    report.check("packets that were changed are not taken", flipped == FORGED, format!("{flipped} of {FORGED}"));
    report.check("packets from a spoofed outer address are not taken", spoofed == all, format!("{spoofed} of {all}"));
    report.check("the links go on", unharmed(&mut world), "");
    Ok(())
}

fn fix_checksum(packet: &mut [u8]) {
    if let Some(header) = packet.first_chunk_mut::<20>() {
        fwd_core::wire::Ipv4(header).fill_checksum();
    }
}

/// What was recorded of a link in clear is sent to the addresses of one that is protected.
fn clear_into_protected(seed: u64, report: &mut Report) -> Result<()> {
    for architecture in [Architecture::Gre, Architecture::Mpls, Architecture::DistinctIpip] {
        let (_, packets) = recorded(seed, architecture, Security::Clear)?;
        let (mut world, _) = recorded(seed, architecture, Security::Esp)?;
        let mut dropped = 0;
        for packet in &packets {
            let mut packet = packet.clone();
            // The pair of addresses of what is protected, where there are two.
            if architecture != Architecture::DistinctIpip {
                (packet[14], packet[18]) = (1, 1);
                fix_checksum(&mut packet);
            }
            let refused = [DropReason::VlinkProtection, DropReason::NoVlink];
            dropped +=
                usize::from(matches!(world.inject(1, &packet), Outcome::Dropped(1, why) if refused.contains(&why)));
        }
        let all = packets.len();
        let what = format!("{}: clear packets are not taken for a protected link", architecture.name());
        report.check(what, dropped == all && unharmed(&mut world), format!("{dropped} of {all} dropped"));
    }
    Ok(())
}

/// Who does not read along guesses keys, labels and sessions.
fn blind(seed: u64, report: &mut Report) -> Result<()> {
    for (architecture, at) in [(Architecture::Gre, 24), (Architecture::L2tp, 20)] {
        let (mut world, packets) = recorded(seed, architecture, Security::Clear)?;
        let mut taken = 0;
        let mut random = seed | 1;
        for n in 0..FORGED {
            let mut packet = packets[n % packets.len()].clone();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let guess = random.to_be_bytes();
            // The session is known, and its cookie guessed; of GRE the key is guessed.
            let from = if architecture == Architecture::L2tp { at + 4 } else { at };
            let len = if architecture == Architecture::L2tp { 8 } else { 4 };
            packet[from..from + len].copy_from_slice(&guess[..len]);
            taken += usize::from(matches!(world.inject(1, &packet), Outcome::Delivered { .. }));
        }
        let what = format!("{}: blind guesses are not taken", architecture.name());
        report.check(what, taken == 0 && unharmed(&mut world), format!("{taken} of {FORGED} taken"));
    }
    Ok(())
}

fn wrong_secret(seed: u64, report: &mut Report) {
    let mut world = World::new(2, Size { links: 16 }, seed);
    let mut ids = Vec::new();
    for n in 0..2 {
        let ip = std::net::IpAddr::from([198, 18 + 1 - n as u8, 9, 9]);
        let mut cfg = l2tp::PeerConfig::v3(l2tp::Address { ip, port: None });
        cfg.initiate = n == 0;
        cfg.secret = Some(Secret::copy(if n == 0 { b"word" } else { b"sword" }));
        let router = &mut world.routers[n];
        let Ok(peer) = router.l2tp.add_peer(cfg) else { continue };
        let start = if n == 0 { l2tp::SessionStart::Incoming } else { l2tp::SessionStart::Await };
        ids.extend(router.l2tp.add_session(world.now, l2tp::SessionConfig::new(peer, start, b"x", b"x")));
    }
    world.run(Duration::from_secs(60));
    let up = |e: &l2tp::Event| matches!(e, l2tp::Event::PeerUp { .. });
    let none = world.routers.iter().all(|router| !router.l2tp_events.iter().any(up));
    let counted = world.routers[1].l2tp.counters().unauthenticated;
    report.check("L2TP with the wrong secret gets no connection", none && counted > 0, format!("{counted} attempts"));
}
