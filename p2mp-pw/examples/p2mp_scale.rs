//! A root with many P2MP pseudowires and leaves: what it says and holds.
//!
//! `cargo run --release -p p2mp-pw --example p2mp_scale -- [PSEUDOWIRES] [LEAVES] [TREES]`: 10,000, 100 and 1,000 unless said otherwise.
//! With a directory instead of numbers it measures several sizes, each in a process of its own, and writes `p2mp-pw.md` there.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::{IfIndex, Label, NhlfeId, PortId, ReplicationId, VlanId, VsiId};
use fwd_core::op::Tags;
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{Attachment, PmsiTunnel};
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{Capability, LdpId, Pdu, TlvType};
use p2mp_pw::mldp::{GroupRange, TreeFec};
use p2mp_pw::p2mp::root::{Input, Output, Root, RootConfig, RootPwConfig, TunnelRef};
use p2mp_pw::p2mp::{Circuit, PortRange, Sai, Service};

/// Octets of memory that the process holds, if the system says.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// Pseudowires, leaves of each, trees.
const SIZES: [[u32; 3]; 5] =
    [[1_000, 10, 100], [1_000, 100, 100], [1_000, 1_000, 100], [10_000, 100, 1_000], [10_000, 100, 1]];

/// Measures all sizes and writes the page.
fn page(directory: &str) -> Result<(), Box<dyn std::error::Error>> {
    let build = if cfg!(debug_assertions) { "with all checks, optimised little" } else { "for release" };
    let mut page = format!(
        "# P2MP pseudowires at scale\n\nWritten by `cargo run --release -p p2mp-pw --example p2mp_scale -- docs/scale`, here in a build {build}: \
         one root on one thread of a \
         machine with other work; messages are counted and measured as they leave the machine. They, their octets and the memory grow with \
         leaves; ops do not: ten for a pseudowire, however many share its tree. P routers hold nothing of a pseudowire.\n"
    );
    for size in SIZES {
        let numbers = size.map(|n| n.to_string());
        let output = std::process::Command::new(std::env::current_exe()?).args(&numbers).output()?;
        let text = String::from_utf8(output.stdout)?;
        print!("{text}");
        page += &format!("\n```text\n{text}```\n");
    }
    std::fs::create_dir_all(directory)?;
    Ok(std::fs::write(std::path::Path::new(directory).join("p2mp-pw.md"), page)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(directory) = std::env::args().nth(1).filter(|arg| arg.parse::<u32>().is_err()) {
        return page(&directory);
    }
    let mut numbers = std::env::args().skip(1).map(|arg| arg.parse::<u32>());
    let mut next = |default| numbers.next().unwrap_or(Ok(default));
    let (pws, leaves, trees) = (next(10_000)?, next(100)?, next(1_000)?.max(1));
    let now = Instant::from_secs(1);
    let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: Label::MAX };
    let nhlfes = NhlfeRange { first: NhlfeId(0), last: NhlfeId(1 << 22) };
    let ports = PortRange { first: PortId(0), last: PortId(1 << 22) };
    let groups = GroupRange { first: ReplicationId(0), last: ReplicationId(1 << 20) };
    let mut root = Root::new(now, RootConfig::new(labels, nhlfes, ports, groups))?;
    let capability = Capability { advertised: true, data: [0_u8].as_slice().into() };
    let negotiated = Negotiated {
        keepalive: Duration::from_secs(60),
        max_pdu_length: Pdu::DEFAULT_MAX_LEN,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: vec![(TlvType::P2MP_PW_CAPABILITY, capability)],
        graceful_restart: None,
    };
    let leaf = |n: u32| LdpId::platform(Ipv4Addr::from_bits(0x0a00_0001 + n));
    for n in 0..leaves {
        root.handle_input(now, Input::PeerUp { peer: leaf(n), negotiated: &negotiated });
    }
    let address = Ipv4Addr::new(192, 0, 2, 1);
    let before = resident();
    let start = std::time::Instant::now();
    let (mut messages, mut octets, mut ops) = (0_u64, 0_u64, 0_u64);
    let mut drain = |root: &mut Root| {
        while let Some(output) = root.poll_output() {
            match output {
                Output::Message { message, .. } => {
                    messages += 1;
                    octets += message.wire_len() as u64;
                }
                Output::Program(_) => ops += 1,
                Output::Event(_) => {}
            }
        }
    };
    for tree in 0..trees {
        // Two branches each.
        for leg in [2, 3] {
            root.handle_input(now, Input::LegUp { tunnel: TunnelRef(tree.into()), leg, nhlfe: NhlfeId(tree) });
        }
    }
    for n in 0..pws {
        let saii = Attachment::aggregatable(64500, address, n);
        let sai = Sai { agi: Attachment::group([0; 8]), saii };
        let tags = Tags::Vlan(VlanId::new((n % 4000 + 1) as u16).ok_or("VLAN")?);
        let circuits = vec![Circuit { iface: IfIndex(n / 4000), tags }];
        let vsi = VsiId((n % 65_535) as u16);
        let pw = root.add_pw(now, RootPwConfig::new(sai, Service::ethernet(1500), vsi, circuits))?;
        let tree = n % trees;
        let tunnel = PmsiTunnel::MldpP2mp(TreeFec::p2mp(address.into(), tree).down());
        root.set_tunnel(now, pw, Some((TunnelRef(tree.into()), tunnel)))?;
        for l in 0..leaves {
            root.add_leaf(now, pw, leaf(l))?;
        }
        drain(&mut root);
    }
    let took = start.elapsed();
    println!("{pws} pseudowires, {leaves} leaves each, {trees} trees of two branches");
    println!("messages {messages}, octets {octets}, ops {ops}, {:.2} s", took.as_secs_f64());
    let bindings = (u64::from(pws) * u64::from(leaves)).max(1);
    println!(
        "per pseudowire and leaf: {:.2} messages, {} octets, {} ns",
        messages as f64 / bindings as f64,
        octets / bindings,
        took.as_nanos() as u64 / bindings
    );
    if let (Some(before), Some(after)) = (before, resident()) {
        println!(
            "memory {} MiB, {} octets per pseudowire and leaf",
            (after - before) >> 20,
            (after - before) / bindings
        );
    }
    Ok(())
}
