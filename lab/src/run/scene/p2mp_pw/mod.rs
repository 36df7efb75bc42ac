//! A P2MP pseudowire (RFC 8338) from one customer's site to three others, over mLDP trees: a leaf is added, a leaf dies, the root dies and
//! another root takes over.

mod network;

use std::time::Duration;

use anyhow::Result;
use fwd_core::net::VsiId;
use fwd_core::op::Tags;
use p2mp_pw::ldp::fec::Attachment;
use p2mp_pw::p2mp::leaf::LeafPwConfig;
use p2mp_pw::p2mp::root::RootPwConfig;
use p2mp_pw::p2mp::{Circuit, LeafState, PwId, Sai, Service};

use crate::columns::columns;
use crate::run::Report;
use network::{AC, Network, id};

/// The two roots, and the leaves.
const ROOTS: [usize; 2] = [0, 1];
const LEAVES: [usize; 4] = [4, 5, 6, 7];
const NAMES: [&str; 8] = ["R1", "R2", "P1", "P2", "L1", "L2", "L3", "L4"];
const FRAMES: usize = 100;

fn sai(root: usize) -> Sai {
    Sai { agi: Attachment::group(*b"p2mp-pw1"), saii: Attachment::aggregatable(64500, id(root).lsr, 1) }
}

fn circuits() -> Vec<Circuit> {
    vec![Circuit { iface: AC, tags: Tags::Any }]
}

/// What became of the frames of one root's customer.
struct Count {
    what: &'static str,
    copies: [usize; LEAVES.len()],
    on_links: u32,
}

impl Count {
    fn take(net: &mut Network, what: &'static str, root: usize) -> Result<Self> {
        let (mut copies, mut on_links) = ([0; LEAVES.len()], 0);
        for _ in 0..FRAMES {
            let out = net.frame(root)?;
            on_links += net.on_links;
            for (count, leaf) in copies.iter_mut().zip(LEAVES) {
                *count += out.iter().filter(|n| **n == leaf).count();
            }
        }
        Ok(Self { what, copies, on_links })
    }

    fn row(&self) -> [String; 6] {
        let [a, b, c, d] = self.copies.map(|n| n.to_string());
        [self.what.to_owned(), a, b, c, d, self.on_links.to_string()]
    }
}

fn add_leaf(net: &mut Network, pws: &[PwId; 2], leaf: usize) -> Result<()> {
    let mut config = LeafPwConfig::new(sai(ROOTS[0]), Service::ethernet(1500), VsiId(1), circuits());
    config.sais.push(sai(ROOTS[1]));
    net.routers[leaf].leaf.add_pw(net.now, config)?;
    for (root, pw) in ROOTS.into_iter().zip(pws) {
        net.routers[root].root.add_leaf(net.now, *pw, id(leaf))?;
        net.settle()?;
    }
    Ok(())
}

/// Runs the scene. It has no random part: every seed gives the same packets.
pub fn run(_seed: u64, report: &mut Report) -> Result<()> {
    // R1 and R2 at P1; P1 at P2 and L4; P2 at L1, L2, L3.
    let links = [(0, 2), (1, 2), (2, 3), (3, 4), (3, 5), (3, 6), (2, 7)];
    let mut net = Network::new(NAMES.len(), &links)?;
    let mut pws = Vec::new();
    for root in ROOTS {
        for leaf in LEAVES {
            net.target(root, leaf)?;
        }
        let tunnel = net.open(root, 7)?;
        let config = RootPwConfig::new(sai(root), Service::ethernet(1500), VsiId(1), circuits());
        let (now, router) = (net.now, &mut net.routers[root].root);
        let pw = router.add_pw(now, config)?;
        router.set_tunnel(now, pw, Some(tunnel))?;
        pws.push(pw);
    }
    let pws = [pws[0], pws[1]];
    for leaf in [4, 5, 6] {
        add_leaf(&mut net, &pws, leaf)?;
    }
    net.run(Duration::from_secs(2))?;
    let mut counts = vec![Count::take(&mut net, "three leaves", 0)?];
    let confirmed = |net: &Network| {
        let leaves = net.routers[0].root.pw(pws[0]).map(|pw| pw.leaves).unwrap_or_default();
        leaves.iter().filter(|(_, state)| *state == LeafState::Confirmed).count()
    };
    let three = confirmed(&net);
    report.check("P2MP PW: leaves that told R1 that they are attached", three == 3, three.to_string());

    add_leaf(&mut net, &pws, 7)?;
    net.run(Duration::from_secs(2))?;
    counts.push(Count::take(&mut net, "L4 added", 0)?);

    net.kill(5)?;
    net.run(Duration::from_secs(2))?;
    counts.push(Count::take(&mut net, "L2 dead", 0)?);

    // R1's customer has a second home at R2, whose frames nobody takes while R1 lives.
    counts.push(Count::take(&mut net, "R2, standby", 1)?);
    net.kill(0)?;
    net.run(Duration::from_millis(400))?;
    counts.push(Count::take(&mut net, "R1 dead, hold-off", 1)?);
    net.run(Duration::from_millis(200))?;
    counts.push(Count::take(&mut net, "R1 dead, R2 heard", 1)?);

    let n = FRAMES;
    let expected: [([usize; 4], u32); 6] = [
        ([n, n, n, 0], 5),
        ([n, n, n, n], 6),
        ([n, 0, n, n], 5),
        ([0, 0, 0, 0], 5),
        ([0, 0, 0, 0], 5),
        ([n, 0, n, n], 5),
    ];
    for (count, (copies, links)) in counts.iter().zip(expected) {
        let what = format!("P2MP PW, {}: copies at L1 to L4, frames on links", count.what);
        let wanted = links * FRAMES as u32;
        let good = count.copies == copies && count.on_links == wanted;
        report.check(what, good, format!("{:?}, {}", count.copies, count.on_links));
    }
    let rows: Vec<[String; 6]> = counts.iter().map(Count::row).collect();
    report.say(&format!("{FRAMES} frames of the source's customer, copies at the leaves:\n\n"));
    report.say(&columns(["", "L1", "L2", "L3", "L4", "on links"], &rows));
    Ok(())
}
