//! Virtual links: two PEs with two virtual routers each, joined by links of the six architectures in turn; a CE-based VPN; and what
//! attackers get.

mod attacks;
mod ce;
pub mod crypto;
pub mod world;

use std::time::Duration;

use anyhow::Result;
use fwd_core::net::{VpnId, VrfId};
use ipsec_vlink::arch::{Architecture, Demux};
use ipsec_vlink::vlink::{LinkConfig, LinkId, LinkState, PeerId, Security};

use super::super::Report;
use crate::columns::columns;
use world::{Outcome, Size, VRFS, World, ends};

/// Packets that each virtual router sends to the other in each run.
const PACKETS: u16 = 200;

/// The VPN of a virtual router.
#[must_use]
pub fn vpn(vrf: u16) -> VpnId {
    VpnId::new(0x5e, vrf.into()).expect("24 bits")
}

/// The links of two routers, one for each VRF, of this architecture.
///
/// # Errors
/// What the machine refuses.
pub fn join(
    world: &mut World,
    routers: [usize; 2],
    peers: [PeerId; 2],
    architecture: Architecture,
    security: Security,
) -> Result<Vec<[LinkId; 2]>> {
    let mut links = Vec::new();
    for vrf in 1..=VRFS {
        let base = LinkConfig { security, ..LinkConfig::new(PeerId(0), vpn(vrf), VrfId(vrf), architecture) };
        let own_ends = |end: usize, cfg: &mut LinkConfig| {
            if architecture == Architecture::DistinctIpip {
                cfg.ends = Some(ends(routers[end], routers[1 - end], 3, vrf as u8));
            }
        };
        links.push(world.link(routers, peers, own_ends, &base)?);
    }
    world.run(Duration::from_secs(3));
    for (vrf, ids) in (1..=VRFS).zip(&links) {
        for end in 0..2 {
            world.route(routers[end], vrf, routers[1 - end] as u8, ids[end]);
        }
    }
    Ok(links)
}

/// Packets both ways between the sites of each VRF: how many arrived where they should, and how many elsewhere.
#[must_use]
pub fn exchange(world: &mut World, routers: [usize; 2], packets: u16) -> (usize, usize) {
    let (mut right, mut wrong) = (0, 0);
    for n in 0..packets {
        for vrf in 1..=VRFS {
            for end in 0..2 {
                let (from, to) = (routers[end], routers[1 - end]);
                match world.send(from, vrf, to as u8, 64 + n % 1200) {
                    Outcome::Delivered { router, iface, packet } if router == to && iface == u32::from(vrf) => {
                        let same = packet[20..] == world::packet(to as u8, 64 + n % 1200)[20..];
                        right += usize::from(same);
                        wrong += usize::from(!same);
                    }
                    Outcome::Delivered { .. } => wrong += 1,
                    _ => {}
                }
            }
        }
    }
    (right, wrong)
}

/// How the egress knows a packet's VPN, and who said it.
const fn correlation(architecture: Architecture) -> &'static str {
    match architecture.properties().demux {
        Demux::Spi => "SPI; VPN-ID said in IKE",
        Demux::Address => "outer address; configured",
        Demux::GreKey => "GRE key; said by BGP",
        Demux::Label => "label; said by BGP",
        Demux::Session => "session and cookie; VPN-ID in AVPs",
    }
}

/// Runs the scene.
///
/// # Errors
/// The machine refuses what is good.
pub fn run(seed: u64, report: &mut Report) -> Result<()> {
    let mut rows = Vec::new();
    let (mut right, mut wrong, mut due, mut shown) = (0, 0, 0, 0);
    for architecture in Architecture::ALL {
        for security in [Security::Esp, Security::Clear] {
            let mut world = World::new(2, Size { links: 16 }, seed);
            let peers = world.peer(0, 1, |_, _| {});
            let Ok(links) = join(&mut world, [0, 1], peers, architecture, security) else {
                rows.push(refused(architecture));
                continue;
            };
            world.wire = Some(Vec::new());
            let (r, w) = exchange(&mut world, [0, 1], PACKETS);
            (right, wrong, due) = (right + r, wrong + w, due + usize::from(PACKETS * VRFS) * 2);
            if security == Security::Esp {
                shown += usize::from(reads_payload(world.wire.as_deref().unwrap_or_default()));
            }
            let pe = &world.routers[0];
            let up = links.first().and_then(|ids| pe.up.get(&ids[0]));
            rows.push([
                architecture.name().to_owned(),
                if security == Security::Esp { "AES-GCM" } else { "none" }.to_owned(),
                correlation(architecture).to_owned(),
                format!("{} IKE, {} ESP", pe.links.ike_sas(), pe.links.associations()),
                up.map_or("-".into(), |up| up.overhead.to_string()),
                up.map_or("-".into(), |up| up.mtu.to_string()),
                match up.map(|up| up.state) {
                    Some(LinkState::Up) => "managed",
                    Some(_) => "unmanaged",
                    None => "down",
                }
                .to_owned(),
            ]);
        }
    }
    let head = ["link", "IPsec", "context", "SAs for two links", "overhead", "MTU", "state"];
    report.say(&columns(head, &rows));
    report.check("virtual routers reach each other by each architecture", right == due, format!("{right} of {due}"));
    report.check("no packet reaches the other virtual router", wrong == 0, format!("{wrong}"));
    report.check("protected links show no payload", shown == 0, format!("{shown} of 6"));
    ce::run(seed, report)?;
    attacks::run(seed, report)
}

fn refused(architecture: Architecture) -> [String; 7] {
    let cells = [architecture.name(), "none", "refused: requires IPsec", "-", "-", "-", "-"];
    cells.map(str::to_owned)
}

/// Whether octets of the payload stand in a frame.
#[must_use]
pub fn reads_payload(frames: &[Vec<u8>]) -> bool {
    let payload: Vec<u8> = (24..40).collect();
    frames.iter().any(|frame| frame.windows(payload.len()).any(|window| window == payload))
}
