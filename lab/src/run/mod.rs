//! `lab run`, the first command: a provider network carries two VPNs end to end.

mod path;
mod report;
pub mod scene;
mod topology;
mod traffic;

pub use path::{Step, stack, steps};
pub use report::{Check, Report};
pub use topology::{ASN, CUSTOMERS, Plan, SITES, Topology, build, host, vrf_of};
pub use traffic::{TTL, Traffic, captured, sample};

use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant as WallClock};

use anyhow::{Context, Result};
use bgp_vpn::vrf::LabelMode;
use bumpalo::Bump;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use indicatif::{ProgressBar, ProgressStyle};

use crate::pcap::Tap;
use crate::sim::link::LinkConfig;
use crate::sim::network::Transport;
use crate::sim::packet::{ETHERTYPE_MPLS, ethernet};
use crate::table::FullTable;

/// Arguments of `lab run`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Announce only so many prefixes of the full table, evenly thinned
    #[arg(long, value_name = "N")]
    pub prefixes: Option<usize>,
    /// Seed of everything random; the same seed gives the same packets
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// An IPv6-only core, with IPv6 next hops for VPN-IPv4 (RFC 8950)
    #[arg(long)]
    pub ipv6_core: bool,
    /// Where the captures of the core links go
    #[arg(long, value_name = "DIR", default_value = "out")]
    pub out: PathBuf,
    /// Mebibytes of unlabelled frames (BGP) to capture on each core link; labelled ones are captured all
    #[arg(long, value_name = "MIB", default_value_t = 4)]
    pub capture: u64,
}

impl Default for Args {
    fn default() -> Self {
        Self { prefixes: None, seed: 1, ipv6_core: false, out: "out".into(), capture: 4 }
    }
}

/// Runs `lab run`.
///
/// # Errors
/// Files that cannot be read or written.
pub fn main(args: &Args) -> Result<ExitCode> {
    let table = FullTable::read()?;
    let table = match args.prefixes {
        Some(most) => table.thinned(most),
        None => table,
    };
    let plan = Plan {
        seed: args.seed,
        core: LinkConfig::default(),
        label_mode: LabelMode::PerVrf,
        transport: Transport::Links,
        ipv6_core: args.ipv6_core,
        extended_next_hop: true,
        table,
    };
    let mut report = run(&plan, Some((&args.out, args.capture << 20)), usize::MAX)?;
    for scene in scene::SCENES {
        report.heading(scene.title);
        (scene.run)(args.seed, &mut report)?;
    }
    print!("{}", report.print());
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Virtual time within which the network must converge.
const PATIENCE: Duration = Duration::from_secs(300);
/// Destinations of the full table in each family that packets are sent to.
const TABLE_SAMPLES: usize = 500;

/// Builds the network, lets it converge, sends traffic and checks everything. Captures go to a directory, with a budget of
/// octets for unlabelled frames on each link; of the customers' captures at most `most` packets are sent on each way.
///
/// # Errors
/// Files that cannot be read or written, a configuration that a machine refuses.
pub fn run(plan: &Plan, captures: Option<(&Path, u64)>, most: usize) -> Result<Report> {
    let arena = Bump::new();
    let mut report = Report::default();
    let begin = WallClock::now();
    let mut topology = build(&arena, plan)?;
    if let Some((dir, budget)) = captures {
        add_taps(&mut topology, dir, budget)?;
    }
    let converged = converge(&mut topology);
    report.routes(&topology, converged, begin.elapsed());
    report.isolation_of_routes(&topology);
    for v6 in [false, true] {
        let steps = sample_path(&mut topology, v6)?;
        report.path(&topology, v6, steps);
    }
    let begin = WallClock::now();
    let mut traffic = Traffic::default();
    traffic.between_sites(&mut topology, most)?;
    traffic.to_table(&mut topology, &plan.table, TABLE_SAMPLES.min(most), plan.seed)?;
    topology.provider.net.run_for(Duration::from_secs(1));
    traffic.check(&mut topology);
    report.traffic(&topology, &traffic, begin.elapsed());
    let hostile = send_hostile(&mut topology)?;
    report.hostile(hostile);
    report.counters(&topology);
    if captures.is_some() {
        finish_taps(&mut topology, captures.map(|(dir, _)| dir), &mut report)?;
    }
    Ok(report)
}

/// Lets time pass until every VRF has its routes and every CE all that it is to learn.
fn converge(topology: &mut Topology<'_>) -> bool {
    let routes: usize = topology.expected.iter().map(|(v4, v6)| (v4 + v6) * SITES).sum();
    let bar = ProgressBar::new(routes as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {human_pos}/{human_len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message("routes in VRFs");
    let deadline = topology.provider.net.now() + PATIENCE;
    let mut look_at = Instant::ZERO;
    while topology.provider.net.step(deadline) {
        if topology.provider.net.now() < look_at {
            continue;
        }
        look_at = topology.provider.net.now() + Duration::from_millis(20);
        bar.set_position(installed(topology));
        if is_converged(topology) {
            // The last acknowledgements.
            topology.provider.net.run_for(Duration::from_millis(100));
            bar.finish_and_clear();
            return is_converged(topology);
        }
    }
    bar.finish_and_clear();
    false
}

/// Routes in the VRFs' forwarding tables.
fn installed(topology: &Topology<'_>) -> u64 {
    let pes = topology.pes.iter().map(|pe| topology.provider.net.node(topology.provider.node_of(*pe)));
    let counts = pes.flat_map(|pe| (0..CUSTOMERS.len()).map(|c| pe.host.forwarder.route_counts(vrf_of(c))));
    counts.map(|(v4, v6)| u64::from(v4) + u64::from(v6)).sum()
}

fn is_converged(topology: &Topology<'_>) -> bool {
    let net = &topology.provider.net;
    let vrfs = topology.pes.iter().all(|pe| {
        let forwarder = &net.node(topology.provider.node_of(*pe)).host.forwarder;
        (0..CUSTOMERS.len()).all(|customer| {
            let (v4, v6) = forwarder.route_counts(vrf_of(customer));
            (v4 as usize, v6 as usize) == topology.expected[customer]
        })
    });
    let ces = topology
        .sites
        .iter()
        .flatten()
        .all(|site| net.node(site.ce).control.ce().is_some_and(crate::sim::ce::Ce::is_settled));
    vrfs && ces
}

/// Sends a packet of customer A from its first site to its second, and notes its steps.
fn sample_path(topology: &mut Topology<'_>, v6: bool) -> Result<Vec<Step>> {
    let packet = sample(0, 0, 1, v6, TTL).context("sample packet")?;
    topology.provider.net.trace(true);
    topology.provider.net.send_packet(topology.sites[0][0].ce, VrfId::GLOBAL, &packet);
    topology.provider.net.run_for(Duration::from_secs(1));
    let hops = topology.provider.net.trace(false);
    let ce = topology.sites[0][1].ce;
    topology.provider.net.node_mut(ce).delivered.clear();
    Ok(steps(topology, &hops))
}

/// Sends what must not get through: a labelled packet from a customer with a label of the other's VPN (RFC 4364 §13.1), and
/// packets whose TTL ends at each of the first routers.
fn send_hostile(topology: &mut Topology<'_>) -> Result<Vec<(String, Vec<Step>)>> {
    let mut sent = Vec::new();
    let vpn_label = topology.provider.net.trace(true);
    drop(vpn_label);
    let packet = sample(0, 0, 1, false, TTL).context("sample packet")?;
    topology.provider.net.send_packet(topology.sites[0][0].ce, VrfId::GLOBAL, &packet);
    topology.provider.net.run_for(Duration::from_secs(1));
    let hops = topology.provider.net.trace(true);
    let labelled = hops.iter().map(|hop| stack(&hop.result)).find(|labels| labels.len() == 2).unwrap_or_default();
    let from = topology.sites[1][0];
    for (what, label) in ["transport label from a customer", "VPN label of A from B"].into_iter().zip(&labelled) {
        let entry = (label.0.value() << 12) | 0x100 | u32::from(TTL);
        let frame = [&entry.to_be_bytes()[..], &packet].concat();
        let (iface, to) = topology.provider.net.far_end(from.link, from.ce);
        let octets = ethernet(to, crate::sim::network::mac(from.ce, iface), ETHERTYPE_MPLS, &frame);
        topology.provider.net.send_frame(from.ce, iface, &octets);
        topology.provider.net.run_for(Duration::from_secs(1));
        let hops = topology.provider.net.trace(true);
        sent.push((what.to_owned(), steps(topology, &hops)));
    }
    for ttl in [2, 3] {
        let packet = sample(0, 0, 1, false, ttl).context("sample packet")?;
        topology.provider.net.send_packet(topology.sites[0][0].ce, VrfId::GLOBAL, &packet);
        topology.provider.net.run_for(Duration::from_secs(1));
        let hops = topology.provider.net.trace(true);
        sent.push((format!("TTL {ttl}"), steps(topology, &hops)));
    }
    topology.provider.net.trace(false);
    for site in topology.sites.into_iter().flatten() {
        topology.provider.net.node_mut(site.ce).delivered.clear();
    }
    Ok(sent)
}

fn add_taps(topology: &mut Topology<'_>, dir: &Path, budget: u64) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for (name, link) in &topology.core_links {
        let path = dir.join(format!("{name}.pcap"));
        let file = fs::File::create(&path).with_context(|| path.display().to_string())?;
        topology.provider.net.tap(*link, Tap::new(Box::new(BufWriter::new(file)), budget)?);
    }
    Ok(())
}

fn finish_taps(topology: &mut Topology<'_>, dir: Option<&Path>, report: &mut Report) -> Result<()> {
    let mut files = Vec::new();
    for (name, link) in topology.core_links.clone() {
        let Some(tap) = topology.provider.net.take_tap(link) else { continue };
        let path = dir.unwrap_or(Path::new(".")).join(format!("{name}.pcap"));
        let (written, skipped) = tap.finish().with_context(|| path.display().to_string())?;
        files.push((path, written, skipped, topology.provider.net.link_counters(link)));
    }
    report.captures(&files)
}
