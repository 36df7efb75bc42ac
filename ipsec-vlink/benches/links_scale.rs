//! 10,000 virtual links between two systems, by each of the six architectures (draft-duffy §6): what setting up takes, what a link takes
//! to keep, what a packet takes; and what IKE SAs take that are made in full, cloned and resumed.
//!
//! With a directory as argument it writes the page there: `cargo bench -p ipsec-vlink --features rustcrypto --bench links_scale --
//! docs/scale`, from the top of the tree. Each size is measured in a process of its own.
#![allow(missing_docs)]

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant as Clock;

use fwd_core::net::IfIndex;
use fwd_core::table::{NhlfeSlot, VlinkSlot, VlinkState, Word};
use fwd_core::{Frame, PuntReason, Verdict};
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::vlink::{LinkId, Security};

#[allow(dead_code, unused_imports)]
#[path = "../tests/sim/nat.rs"]
mod nat;
#[path = "../tests/ike/pair.rs"]
mod pair;
#[allow(dead_code)]
#[path = "../tests/sim/router.rs"]
mod router;
#[allow(dead_code)]
#[path = "../tests/ike/scale.rs"]
mod sas;
#[allow(dead_code)]
#[path = "../tests/sim/scale.rs"]
mod scale;
#[allow(dead_code)]
#[path = "../tests/sim/spy.rs"]
mod spy;
#[allow(dead_code)]
#[path = "../tests/sim/world.rs"]
mod world;

use router::{CORE, ethernet, mac};
use world::{World, packet};

const SIZES: [u16; 4] = [10, 100, 1000, 10_000];

/// Carries a packet of a VRF's site over its link, out at one end and in at the other.
fn carry(world: &mut World, buffer: &mut [u8], site: &[u8], vrf: u16) {
    let now = world.now;
    let [out, into] = &mut world.routers[..] else { unreachable!() };
    buffer[Frame::HEADROOM..][..site.len()].copy_from_slice(site);
    let mut frame = Frame::new(buffer, Frame::HEADROOM, site.len()).unwrap();
    match out.forwarder.forward(&mut frame, IfIndex(vrf.into())) {
        Verdict::Transmit { .. } => {}
        Verdict::Protect { sa, offset, class, .. } => out.sad.protect(sa, class, &mut frame, offset).unwrap(),
        other => panic!("{other:?}"),
    }
    let mut verdict = into.forwarder.forward(&mut frame, IfIndex(CORE));
    if let Verdict::Punt { reason: PuntReason::Esp, offset, .. } = verdict {
        let sa = into.sad.unprotect(now, &mut frame, offset).unwrap();
        verdict = into.forwarder.forward_unprotected(&mut frame, IfIndex(CORE), sa);
    }
    assert!(matches!(verdict, Verdict::Transmit { iface, .. } if iface == IfIndex(vrf.into())), "{verdict:?}");
}

/// Nanoseconds of a packet, both ends, when packets go by so many links in turn: the least of many samples.
fn look_up(world: &mut World, n: u16, in_use: u16) -> f64 {
    let vrfs: Vec<u16> = (0..in_use).map(|at| 1 + (u64::from(at) * u64::from(n) / u64::from(in_use)) as u16).collect();
    let sites: Vec<Vec<u8>> = vrfs.iter().map(|vrf| ethernet(mac(0, (*vrf).into()), &packet(0, 1))).collect();
    let mut buffer = vec![0; 512];
    let rounds = (20_000 / usize::from(in_use)).max(1);
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Clock::now();
        for _ in 0..rounds {
            for (vrf, site) in vrfs.iter().zip(&sites) {
                carry(world, &mut buffer, site, *vrf);
            }
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / (rounds * vrfs.len()) as f64);
    }
    best
}

fn row(architecture: Architecture, security: Security, n: u16) -> String {
    let (mut world, cost) = scale::linked(n, architecture, security);
    for vrf in 1..=n {
        world.route(0, vrf, 1, LinkId(u32::from(vrf) - 1));
    }
    let few = look_up(&mut world, n, 10);
    let all = look_up(&mut world, n, n);
    let held = scale::held(&mut world, n);
    let total: f64 = held.iter().sum();
    let [links, ike, sad, l2tp] = held;
    let name = scale::name(architecture, security);
    format!(
        "{name:<33} {n:>6} {} {total:>7.0} {links:>6.0} {ike:>6.0} {sad:>6.0} {l2tp:>6.0} {:>8.0} {few:>7.0} {all:>7.0}",
        cost.counts(),
        cost.micros
    )
}

fn sa_row(how: sas::How, n: u32) -> String {
    let cost = sas::contexts(n, how);
    format!("{:<20} {} {:>9.0} {:>9.0}", how.name(), cost.counts(), cost.micros, cost.held)
}

/// Octets of code by part of the crate, in this program: as its symbols say.
fn code() -> Option<Vec<(&'static str, u64)>> {
    let output =
        Command::new("nm").args(["--print-size", "--demangle"]).arg(std::env::current_exe().ok()?).output().ok()?;
    let symbols = String::from_utf8(output.stdout).ok()?;
    let parts = [
        ("vlink, arch, correlate", &["ipsec_vlink::vlink", "ipsec_vlink::arch", "ipsec_vlink::correlate"][..]),
        ("spd, sad", &["ipsec_vlink::spd", "ipsec_vlink::sad"]),
        (
            "ike: payloads and version 2",
            &["ipsec_vlink::ike::payload", "ipsec_vlink::ike::v2", "ipsec_vlink::ike::context"],
        ),
        ("l2tp", &["ipsec_vlink::l2tp"]),
    ];
    let code: Vec<(&str, u64)> = symbols
        .lines()
        .filter_map(|line| {
            let mut words = line.splitn(4, ' ').skip(1);
            let size = u64::from_str_radix(words.next()?, 16).ok()?;
            matches!(words.next()?, "t" | "T").then_some((words.next()?, size))
        })
        .collect();
    let of = |names: &[&str]| {
        code.iter().filter(|(name, _)| names.iter().any(|n| name.contains(n))).map(|(_, size)| size).sum()
    };
    let parts: Vec<(&str, u64)> = parts.into_iter().map(|(part, names)| (part, of(names))).collect();
    parts.iter().all(|(_, size)| *size > 0).then_some(parts)
}

/// One row by another process, so that what one leaves behind is not the next one's.
fn elsewhere(arguments: &[String]) -> Result<String, Box<dyn std::error::Error>> {
    let output = Command::new(std::env::current_exe()?).arg("row").args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    print!("{text}");
    Ok(text)
}

const HEAD: &str = "# Virtual links at scale

Written by `cargo bench -p ipsec-vlink --features rustcrypto --bench links_scale -- docs/scale`: two systems in one process, on one thread
of a machine with other work. Messages and SAs are the same on every machine, and tests compare them with this page, as they do octets
(to 1.5 times). Times are of whoever runs it.

Messages are those of both ends together, and of everything up to the last link being up: IKE's, L2TP's, and keys or labels that some
other protocol carries (BGP, LDP or configuration). Octets are those of one end, for a link: the links themselves, IKE, the SAD, L2TP.
Besides, the forwarding plane has ";

fn page() -> Result<String, Box<dyn std::error::Error>> {
    let slots = size_of::<VlinkSlot>() + size_of::<NhlfeSlot>() + size_of::<VlinkState>() + 4 * size_of::<Word>();
    let mut page = format!(
        "{HEAD}{slots} octets of tables for each. A packet of 97 octets is carried out at one end and in at the other, with IPsec by \
         AES-128-GCM in software: nanoseconds for both ends, the least of 20 samples, with 10 of the links in use and with all of them in turn. \
         The look-up is the same for 10 links and for 10,000; what all in turn cost more is memory that is no longer in the cache.\n\n```text\n"
    );
    writeln!(
        page,
        "{:<33} {:>6} {:>7} {:>7} {:>7} {:>9} {:>8} {:>9} {:>7} {:>6} {:>6} {:>6} {:>6} {:>8} {:>7} {:>7}",
        "architecture",
        "links",
        "IKE",
        "L2TP",
        "keys",
        "msgs each",
        "IKE SAs",
        "Child SAs",
        "octets",
        "links",
        "IKE",
        "SAD",
        "L2TP",
        "us each",
        "ns few",
        "ns all"
    )?;
    for (at, architecture) in Architecture::ALL.into_iter().enumerate() {
        for security in [Security::Esp, Security::Clear] {
            if !scale::goes(architecture, security) {
                writeln!(
                    page,
                    "{:<33} refused: only an association tells links apart",
                    scale::name(architecture, security)
                )?;
                continue;
            }
            for n in SIZES {
                let security = if security == Security::Clear { "clear" } else { "esp" };
                page += &elsewhere(&[at.to_string(), security.to_string(), n.to_string()])?;
            }
        }
    }
    page += "```\n\n## IKE SAs by the hundred\n\nLinks of 6.3 need an IKE SA for each pair of addresses. Contexts that IKE says by name share one. \
        A clone (RFC 7791) needs no proof, but a group, and another exchange that says where it is (RFC 4555): the fewest proofs, the most \
        messages. A resumed SA (RFC 5723) needs neither group nor proof. Octets held are IKE's alone.\n\n```text\n";
    writeln!(
        page,
        "{:<20} {:>6} {:>6} {:>9} {:>12} {:>7} {:>9} {:>9}",
        "contexts", "", "SAs", "msgs each", "octets each", "proofs", "us each", "held each"
    )?;
    for (at, _) in sas::How::ALL.iter().enumerate() {
        for n in [100, 1000] {
            page += &elsewhere(&["sas".to_string(), at.to_string(), n.to_string()])?;
        }
    }
    page += "```\n";
    if let Some(parts) = code() {
        page += "\n## Code\n\nOctets of machine code in the program that measured this, built for release on x86-64, by its symbols; cryptography and \
            the forwarding plane are not counted.\n\n```text\n";
        for (part, size) in &parts {
            writeln!(page, "{part:<30} {size:>8}")?;
        }
        let size = |at: usize| parts[at].1;
        let (base, ipsec, l2tp) = (size(0), size(1) + size(2), size(3));
        writeln!(page, "6.1, 6.2, 6.3 with IPsec       {:>8}", base + ipsec)?;
        writeln!(page, "6.3, 6.4, 6.5 in clear         {base:>8}")?;
        writeln!(page, "6.4, 6.5 with IPsec            {:>8}", base + ipsec)?;
        writeln!(page, "6.6 in clear                   {:>8}", base + l2tp)?;
        writeln!(page, "6.6 with IPsec                 {:>8}\n```", base + ipsec + l2tp)?;
    }
    Ok(page)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    if let [row_, rest @ ..] = &arguments[..] {
        if row_ == "row" {
            match rest {
                [sas_, at, n] if sas_ == "sas" => {
                    println!("{}", sa_row(sas::How::ALL[at.parse::<usize>()?], n.parse()?))
                }
                [at, security, n] => {
                    let security = if security == "clear" { Security::Clear } else { Security::Esp };
                    println!("{}", row(Architecture::ALL[at.parse::<usize>()?], security, n.parse()?));
                }
                _ => return Err("row: which".into()),
            }
            return Ok(());
        }
    }
    let page = page()?;
    if let Some(directory) = arguments.first() {
        // A bench runs in its crate's directory: the argument is from the top of the tree.
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(directory);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("ipsec-vlink.md"), &page)?;
    }
    Ok(())
}
