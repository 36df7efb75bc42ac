//! CE-based VPNs (RFC 4110 §2.2): CEs that the provider manages build the links, and the provider's routers hold nothing of the VPN.
//!
//! Four CEs across a network that only routes: a full mesh, then a hub with three spokes. Links are of architecture 6.3, the profile
//! of CEs.

use std::time::Duration;

use anyhow::Result;
use fwd_core::net::VrfId;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::ce_based::{Plan, Role};
use ipsec_vlink::vlink::{LinkConfig, LinkId, PeerId, PeerKind};

use super::super::super::Report;
use super::vpn;
use super::world::{Outcome, Size, World, ends};

const CES: usize = 4;

/// Links by the pair of CEs that they join, each with its name at either end.
pub type Links = Vec<([usize; 2], [LinkId; 2])>;

/// The CEs of a VPN, joined as the plan says; the links of each pair.
///
/// # Errors
/// What the machine refuses.
pub fn build(seed: u64, roles: &[Role]) -> Result<(World, Links)> {
    let mut world = World::new(CES, Size { links: 16 }, seed);
    let plan = Plan::new(roles);
    let mut links = Vec::new();
    for (a, b) in plan.links() {
        let routers = [a, b];
        let peers = world.peer(a, b, |_, cfg| {
            (cfg.kind, cfg.says_context, cfg.clear) = (PeerKind::Ce, false, None);
        });
        let own_ends = |end: usize, cfg: &mut LinkConfig| {
            cfg.ends = Some(ends(routers[end], routers[1 - end], 4, 1));
        };
        let base = LinkConfig::new(PeerId(0), vpn(1), VrfId(1), Architecture::DistinctIpip);
        links.push((routers, world.link(routers, peers, own_ends, &base)?));
    }
    world.run(Duration::from_secs(2));
    for (routers, ids) in &links {
        for end in 0..2 {
            world.route(routers[end], 1, routers[1 - end] as u8, ids[end]);
        }
    }
    // What is not reached directly goes by the hub.
    for ce in 0..CES {
        for (site, by) in plan.by_hub(ce) {
            let link = links
                .iter()
                .find_map(|(pair, ids)| (0..2).find(|end| pair[*end] == ce && pair[1 - end] == by).map(|end| ids[end]));
            if let Some(link) = link {
                world.route(ce, 1, site as u8, link);
            }
        }
    }
    Ok((world, links))
}

/// Whether each CE's site reaches each other one's: pairs that do.
#[must_use]
pub fn reached(world: &mut World) -> usize {
    let mut pairs = 0;
    for from in 0..CES {
        for to in (0..CES).filter(|to| *to != from) {
            let delivered = world.send(from, 1, to as u8, 200);
            pairs += usize::from(matches!(delivered, Outcome::Delivered { router, iface: 1, .. } if router == to));
        }
    }
    pairs
}

/// Runs the CE-based VPNs.
///
/// # Errors
/// The machine refuses what is good.
pub fn run(seed: u64, report: &mut Report) -> Result<()> {
    let all = CES * (CES - 1);
    for (what, roles, due) in [
        ("full mesh", [Role::Member; CES], 6),
        ("hub and spoke", [Role::Hub, Role::Spoke, Role::Spoke, Role::Spoke], 3),
    ] {
        let (mut world, links) = build(seed, &roles)?;
        let (pairs, made) = (reached(&mut world), links.len());
        let good = pairs == all && made == due;
        report.check(
            format!("CE-based VPN, {what}: each site reaches each"),
            good,
            format!("{made} links, {pairs} of {all}"),
        );
        let sas: usize = world.routers.iter().map(|ce| ce.sad.len()).sum();
        report.check(
            format!("CE-based VPN, {what}: a pair of SAs at both ends of a link"),
            sas == 2 * due,
            format!("{sas}"),
        );
    }
    Ok(())
}
