//! The provider side at scale: rows SC-1 to SC-11 and SC-14 of the catalogue, each axis ten-fold and at the figure that is required. Prints a table: time, octets and messages for each, which are to stay what they are when the number grows.
//!
//! With a directory as argument it also writes the table and a plot for each axis there:
//! `cargo bench -p mvpn --bench mvrf_scale -- docs/scale`, from the top of the tree.
#![allow(missing_docs)]

use std::fmt::Write;
use std::path::PathBuf;

use fwd_core::op::FwdOp;
use mvpn::mvrf::{CMulticastProtocol, DampingConfig, TunnelKind};

#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/border.rs"]
mod border;
#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/delay.rs"]
mod delay;
#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/ldp.rs"]
mod ldp;
#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/live.rs"]
mod live;
#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/node.rs"]
mod node;
#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/outputs.rs"]
mod outputs;
#[allow(dead_code, unused_imports)]
#[path = "../tests/pim/scale.rs"]
mod pim_scale;
#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/world.rs"]
mod world;

#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/reflector.rs"]
mod reflector;
#[allow(dead_code, unused_imports)]
#[path = "../tests/mvpn/scale.rs"]
mod scale;

/// A measurement: how many, microseconds each, octets each, messages each.
struct Point {
    n: u32,
    micros: f64,
    octets: f64,
    messages: f64,
}

impl Point {
    fn of(cost: &scale::Cost) -> Self {
        let messages = (cost.out.routes + cost.out.joined) as f64 / f64::from(cost.n);
        Self { n: cost.n, micros: cost.micros_each, octets: cost.octets_each, messages }
    }

    fn table(table: &reflector::Table) -> Self {
        assert_eq!(table.misdirected, 0, "PEs without a VPN are told nothing of it");
        Self { n: table.routes, micros: table.micros_each, octets: table.octets_each, messages: table.wire_each }
    }
}

struct Axis {
    row: &'static str,
    what: &'static str,
    /// What the last column counts.
    messages: &'static str,
    file: &'static str,
    points: Vec<Point>,
}

const OUT: &str = "routes said and tunnels joined";

fn pes() -> Vec<Axis> {
    let points = |costs: &[scale::Cost]| costs.iter().map(Point::of).collect();
    let axis = |row, what, file, costs: &[scale::Cost]| Axis { row, what, messages: OUT, file, points: points(costs) };
    vec![
        axis(
            "SC-2, SC-9",
            "a PE: type 1 routes of 50, 500 and 2,000 MVRFs with 100 PEs each",
            "mvrfs",
            &[50, 500, 2000].map(|n| scale::i_pmsi(n, 100)),
        ),
        axis(
            "SC-4, SC-9",
            "a PE: type 1 routes of an MVPN with 100, 1,000 and 10,000 PEs",
            "pes",
            &[100, 1000, 10_000].map(|n| scale::i_pmsi(1, n)),
        ),
        axis(
            "SC-5",
            "an egress PE: 200, 1,000 and 10,000 PEs with sources, an inclusive P2MP LSP each",
            "source-pes",
            &[200, 1000, 10_000].map(|n| scale::source_pes(n, TunnelKind::MldpP2mp)),
        ),
        axis(
            "SC-4, SC-7",
            "the upstream PE: type 7 routes of 1,000 to 100,000 streams",
            "joins",
            &[1000, 10_000, 100_000].map(scale::joins),
        ),
        Axis {
            messages: "label mappings to the LSR upstream",
            ..axis(
                "SC-2, SC-5",
                "a P router: P2MP LSPs that branch to two PEs",
                "p-router",
                &[1000, 10_000, 100_000].map(scale::p_router),
            )
        },
        axis("SC-7", "a leaf: trees of 1,000 to 100,000 streams", "trees", &[1000, 10_000, 100_000].map(scale::trees)),
        axis("SC-7", "a leaf: type 3 routes, one a stream", "s-pmsis", &[1000, 10_000, 100_000].map(scale::s_pmsis)),
        axis(
            "SC-7",
            "the ingress PE: (S,G) with a leg into the PMSI",
            "flows",
            &[1000, 10_000, 100_000].map(|n| scale::c_flows(n, false, 64).0),
        ),
        axis(
            "SC-10",
            "the ingress PE: streams that all want an S-PMSI, a budget of 64 P-tunnels",
            "budget",
            &[5000, 50_000].map(|n| {
                let (cost, tunnels) = scale::c_flows(n, true, 64);
                assert_eq!(tunnels, 64);
                cost
            }),
        ),
    ]
}

fn reflector_axes() -> Vec<Axis> {
    let joins = |pes: u32, streams: u32| {
        let j = reflector::joins(pes, streams);
        let all = u64::from(streams);
        assert_eq!((j.upstream.announced, j.other.announced, j.leaving), (all, 0, (0, all)));
        let n = (pes - 1) * streams;
        Point {
            n,
            micros: j.micros_each,
            octets: j.octets_each,
            messages: j.upstream.announced as f64 / f64::from(streams),
        }
    };
    vec![
        Axis {
            row: "SC-1",
            what: "the reflector: type 1 routes of 50, 500 and 5,000 MVPNs on 40 of 200 PEs each",
            messages: "octets of UPDATEs for each route and PE that has it",
            file: "reflector",
            points: [50, 500, 5000].map(|n| Point::table(&reflector::full_table(n, 40, 200, 200))).into(),
        },
        Axis {
            row: "SC-6",
            what: "the reflector: 200 MVPNs on 20 PEs each, of 200 and 2,000 PEs, half of which have none and are told nothing",
            messages: "octets of UPDATEs for each route and PE that has it",
            file: "enabled-pes",
            points: [200, 2000].map(|pes| Point::table(&reflector::full_table(200, 20, pes / 2, pes))).into(),
        },
        Axis {
            row: "SC-4",
            what: "the reflector: 50 and 500 PEs that join 1,000 streams of one PE",
            messages: "routes told to the upstream PE for each stream",
            file: "reflector-joins",
            points: [50, 500].map(|pes| joins(pes, 1000)).into(),
        },
    ]
}

/// SC-3: a VRF with so many CEs beside 499 with ten.
fn ces() -> Axis {
    let points = [50, 500, 2000].map(|big| {
        let ces: Vec<u32> = std::iter::once(big).chain(std::iter::repeat_n(10, 499)).collect();
        let (seconds, all) = (300, big + 4990);
        let mut found = None;
        let held = allocation_counter::measure(|| found = Some(pim_scale::neighbors(&ces, seconds)));
        let found = found.expect("it ran");
        assert_eq!((found.up, found.lost), (all as usize, 0), "no neighbour is lost");
        let each = f64::from(all) * seconds as f64 / 30.0;
        Point {
            n: all,
            micros: found.time.as_secs_f64() * 1e6 / each,
            octets: held.bytes_max as f64 / f64::from(all),
            messages: found.sent as f64 / each,
        }
    });
    Axis {
        row: "SC-3, SC-9",
        what: "PIM neighbours: CEs of one VRF beside 4,990 of 499 others; microseconds of a neighbour in 30 s",
        messages: "messages to a neighbour in 30 s",
        file: "ces",
        points: points.into(),
    }
}

/// SC-8: copies of a packet of 1,316 octets of payload to so many CEs.
fn replication() -> Axis {
    let points = [5, 50, 500].map(|copies| {
        let (micros, octets) = copies_of_a_packet(copies, 200_000 / copies);
        Point { n: copies, micros, octets, messages: 1.0 }
    });
    Axis {
        row: "SC-8",
        what: "the forwarder: a stream of 1,316 octets copied to 5, 50 and 500 CEs; microseconds of a copy, octets moved for it",
        messages: "copies for each CE",
        file: "replication",
        points: points.into(),
    }
}

/// Microseconds, and octets written, of each copy.
fn copies_of_a_packet(copies: u32, packets: u32) -> (f64, f64) {
    use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, ReplicationId, VrfId};
    use fwd_core::op::{Ilm, IlmAction, Interface, LegTarget, NextHop, Nhlfe, TunnelModel, VsiOrVrf};
    use fwd_core::{Frame, Replica, Verdict};
    let mut pe =
        node::Pe::<std::net::Ipv4Addr>::new(0, [192, 0, 2, 1].into(), node::Room { vpns: 1, streams: 1000 }, |_| {});
    let (group, label) = (ReplicationId(1), Label::new(100).expect("20 bits"));
    let interface = Interface { vrf: VrfId::GLOBAL, mac: node::mac(0), mtu: 1600, mpls: true };
    let mut ops = vec![
        FwdOp::SetInterface { iface: node::CORE, interface },
        FwdOp::SetReplication { id: group, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) },
        FwdOp::SetIlm { label, ilm: Ilm { action: IlmAction::Replicate(group), model: TunnelModel::Uniform } },
    ];
    for leg in 0..copies {
        let (id, mac) = (NhlfeId(1000 + leg), Mac([2, 0, 0, 9, (leg >> 8) as u8, leg as u8]));
        let next = NextHop::Neighbor { iface: node::CORE, mac };
        let push = LabelStack::single(Label::new(1000 + leg).expect("20 bits"));
        ops.push(FwdOp::SetNhlfe { id, nhlfe: Nhlfe { push, next, model: TunnelModel::Uniform } });
        ops.push(FwdOp::SetLeg { group, leg: leg as u16, target: LegTarget::Nhlfe(id) });
    }
    for op in ops {
        pe.forwarder.apply(&op).unwrap_or_else(|e| panic!("{op:?}: {e}"));
    }
    let mut octets = [&node::mac(0).0[..], &[2, 0, 0, 0, 9, 9, 0x88, 0x47]].concat();
    octets.extend_from_slice(&(label.value() << 12 | 1 << 8 | 64).to_be_bytes());
    octets.extend_from_slice(&[0x45, 0, 5, 0x40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 232, 1, 1, 1]);
    octets.resize(octets.len() + 8 + 1316, 0);
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend_from_slice(&octets);
    let (mut made, mut written) = (0_u64, 0_u64);
    let clock = std::time::Instant::now();
    pe.forwarder.with_dependent_mut(|_, forwarder| {
        for _ in 0..packets {
            let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).expect("room");
            let Verdict::Replicate(replication) = forwarder.forward(&mut frame, IfIndex(0)) else {
                panic!("no copies")
            };
            let mut replicas = forwarder.copies(&frame, replication);
            while let Some(replica) = replicas.next() {
                if let Replica::Transmit { front, .. } = replica {
                    (made, written) = (made + 1, written + front.len() as u64);
                }
            }
        }
    });
    let micros = clock.elapsed().as_secs_f64() * 1e6;
    assert_eq!(made, u64::from(copies) * u64::from(packets));
    (micros / made as f64, written as f64 / made as f64)
}

/// SC-11: delays in virtual time.
fn delays() -> String {
    let mut out = String::from(
        "\n| SC-11: how joins cross the core | Reflectors | Load of the PE's software | Join, ms: 50 %, 99 % | Leave, ms: 50 %, 99 % |\n\
         |---|---|---|---|---|\n",
    );
    let capacity = 1_000_000 / u32::try_from(delay::SERVICE.as_micros()).expect("small");
    for (protocol, name, depths) in [
        (CMulticastProtocol::Bgp, "C-multicast routes", &[0, 1, 2][..]),
        (CMulticastProtocol::Pim, "PIM between the PEs", &[1][..]),
    ] {
        for reflectors in depths {
            for load in [0, 50, 90] {
                // The VPN that is measured is a part of the load.
                let others = (capacity * load / 100).saturating_sub(50);
                let setup = delay::Setup { others, policed: false, protocol, reflectors: Some(*reflectors) };
                let found = delay::measure(&setup);
                let ms = |of: &[u64], percent| delay::percentile(of, percent) as f64 / 1000.0;
                let _ = writeln!(
                    out,
                    "| {name} | {reflectors} | {load} % | {:.1}, {:.1} | {:.1}, {:.1} |",
                    ms(&found.joins, 50),
                    ms(&found.joins, 99),
                    ms(&found.leaves, 50),
                    ms(&found.leaves, 99)
                );
            }
        }
    }
    out
}

/// The use case "live content".
fn zapping() -> String {
    let mut out = String::from(
        "\n| Live content: PEs with receivers | Streams | Changes | Join delay, ms: 50 %, 99 % | Lost, twice, astray | P-tunnels | \
         BGP messages to the sources' PEs for each change |\n|---|---|---|---|---|---|---|\n",
    );
    for (pes, streams) in [(30, 200), (300, 200), (300, 2000)] {
        let found = live::live(pes, streams, 30);
        let _ = writeln!(
            out,
            "| {pes} | {streams} | {} | {}, {} | {}, {}, {} | {} | {:.2} |",
            found.changes,
            found.percentile(50),
            found.percentile(99),
            found.lost,
            found.twice,
            found.astray,
            found.tunnels,
            found.messages[0] as f64 / found.changes as f64
        );
    }
    out
}

fn table(axes: &[Axis]) -> String {
    let mut out =
        String::from("| Row | What | Number | µs each | Octets each | Messages each |\n|---|---|---|---|---|---|\n");
    for axis in axes {
        // What it is stands in the first line of an axis, what its messages are in the second.
        let texts = [axis.what.to_string(), format!("*messages: {}*", axis.messages)];
        for (k, p) in axis.points.iter().enumerate() {
            let text = texts.get(k).map_or("", String::as_str);
            let row = if k == 0 { axis.row } else { "" };
            let _ =
                writeln!(out, "| {row} | {text} | {} | {:.2} | {:.0} | {:.3} |", p.n, p.micros, p.octets, p.messages);
        }
    }
    let _ = writeln!(
        out,
        "\n| SC-14: 100 of so many trees are joined and left | Changes in a second | Damping | µs each | Routes in a second |\n|---|---|---|---|---|"
    );
    for (streams, changes) in [(1000, 1000), (1000, 10_000), (10_000, 10_000)] {
        for damping in [None, Some(DampingConfig::default())] {
            let (micros, routes) = scale::churn(streams, changes, 30, damping);
            let how = if damping.is_some() { "on" } else { "off" };
            let _ = writeln!(out, "| {streams} | {changes} | {how} | {micros:.2} | {routes:.0} |");
        }
    }
    out.push_str(&delays());
    out.push_str(&zapping());
    out
}

/// Octets and microseconds of an axis over the number, both as shares of the first point, on logarithmic scales.
fn plot(axis: &Axis) -> String {
    let (width, height, left, bottom) = (420.0, 260.0, 50.0, 40.0);
    let (first, last) = (&axis.points[0], &axis.points[axis.points.len() - 1]);
    let span = (f64::from(last.n) / f64::from(first.n)).log10().max(0.1);
    let x = |n: u32| left + (f64::from(n) / f64::from(first.n)).log10() / span * (width - left - 20.0);
    // A tenth to ten times the first.
    let y = |share: f64| height - bottom - (share.log10().clamp(-1.0, 1.0) + 1.0) / 2.0 * (height - bottom - 30.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n<text x=\"{left}\" y=\"14\">{}: {}</text>\n",
        axis.row, axis.what
    );
    for (share, label) in [(0.1, "÷10"), (1.0, "×1"), (10.0, "×10")] {
        let at = y(share);
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {at:.1}H{}\" stroke=\"#ccc\"/><text x=\"8\" y=\"{at:.1}\">{label}</text>",
            width - 20.0
        );
    }
    for p in &axis.points {
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{}</text>", x(p.n) - 12.0, height - 22.0, p.n);
    }
    let line = |of: fn(&Point) -> f64| {
        let at = |p: &Point| format!("{:.1} {:.1}", x(p.n), y(of(p) / of(first)));
        axis.points.iter().map(at).collect::<Vec<_>>().join("L")
    };
    let (octets, micros) = (line(|p| p.octets), line(|p| p.micros));
    let _ = writeln!(
        svg,
        "<path d=\"M{octets}\" fill=\"none\" stroke=\"#06c\"/><path d=\"M{micros}\" fill=\"none\" stroke=\"#c30\"/>"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\"><tspan fill=\"#06c\">octets each ({:.0} to {:.0})</tspan> <tspan fill=\"#c30\">µs each ({:.2} to {:.2})</tspan></text>\n</svg>",
        height - 8.0,
        first.octets,
        last.octets,
        first.micros,
        last.micros
    );
    svg
}

fn main() -> std::io::Result<()> {
    let mut axes = pes();
    axes.extend(reflector_axes());
    axes.extend([ces(), replication()]);
    let table = table(&axes);
    print!("{table}");
    // A bench runs in its crate's directory: the argument is from the top of the tree.
    let Some(directory) = std::env::args().skip(1).find(|a| !a.starts_with('-')) else { return Ok(()) };
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(directory);
    std::fs::create_dir_all(&directory)?;
    let build = if cfg!(debug_assertions) { "with all checks, optimised little" } else { "for release" };
    let mut page = format!(
        "# The provider side at scale\n\nWritten by `cargo bench -p mvpn --bench mvrf_scale -- docs/scale`, here in a build {build}. Machines run in \
         one process, on one thread; time is what passes for an event and all that follows from it in the machine that is measured, and is \
         longer where others use the processor. Octets are memory that stays. Delays are of virtual \
         time: half a millisecond for a message at the PE's software, 5 ms for one on the way. SC-8 without labels, and by packet \
         size, is `cargo bench -p fwd-core`. A VRF takes 5,000 \
         PEs by default; for these points its limit is higher. Joins of SC-11 arrive evenly, so that a loaded PE lets them wait for \
         one message at most. Copies of SC-8 carry labels.\n\n",
    );
    page.push_str(&table);
    page.push('\n');
    for axis in &axes {
        let _ = writeln!(page, "![{}: {}]({}.svg)", axis.row, axis.what, axis.file);
        std::fs::write(directory.join(format!("{}.svg", axis.file)), plot(axis))?;
    }
    std::fs::write(directory.join("mvpn.md"), page)
}
