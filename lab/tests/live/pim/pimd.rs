//! Debian's pimd, the descendant of the University of Southern California's: IPv4 alone. `LAB_PIMD` names it; ci/live.sh unpacks it, as its
//! package and that of FRR exclude each other.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::net::{Net, Node, Process};
use super::host::{Member, Source, every_packet_once};
use super::line::place;
use super::ours::Ours;
use super::{Family, Place, interface, kernel_router, nodes};

/// pimd's first Hello comes within 5 s, its second after 30.
const TREE: Duration = Duration::from_secs(60);

/// Makes the kernel of the node a router with pimd.
fn start(node: &Node, place: &Place) -> Process {
    kernel_router(node, place);
    let mut t = "spt-threshold packets 0 interval 5\n".to_owned();
    for (i, _) in place.lans.iter().enumerate() {
        // Of a report of IGMPv3 with one record it makes nothing.
        let _ = writeln!(t, "phyint {} enable igmpv2", interface(i));
    }
    let rp = place.rp.expect("a static RP");
    let _ = writeln!(t, "rp-address {} {}", Family::V4.loopback(rp), Family::V4.groups());
    let file = node.write("pimd.conf", &t);
    let program = std::env::var("LAB_PIMD").expect("LAB_PIMD: Debian's pimd, see ci/live.sh");
    // It takes one name for its process and its socket, in a /run of its own.
    let script = format!("mount -t tmpfs tmpfs /run; exec {program} -f -c {} -s info", file.display());
    let mut command = node.command("sh");
    command.args(["-c", &script]);
    Process::start(node, &mut command)
}

/// pimd is first hop and last hop, ours the RP between them: Registers, Register-Stops and Joins of pimd, and members by IGMPv2.
///
/// Shows: MVPN-CEPE-2, MVPN-CEPE-5, MVPN-RP-1
#[test]
fn our_router_is_rp_between_two_of_pimd() {
    let mut net = Net::new();
    let mut places: Vec<Place> = (1..=3).map(|n| place(n, Some(2))).collect();
    // Its clock ticks every 5 s: a holdtime below is over before the next Hello.
    places[1].hello = 5;
    let (routers, hosts) = nodes(&mut net, &places, &[1, 4]);
    let mut pimd = [0, 2].map(|n| start(&routers[n], &places[n]));
    let ours = Ours::start(&routers[1], &places[1]);
    for at in 0..2 {
        ours.expect_neighbors(Family::V4, at, 1);
    }
    let (source, group) = (Family::V4.address(1, 100), Family::V4.asm());
    let member = Member::join(&hosts[1], group, None);
    let stream = Source::start(&hosts[0], source, group);
    every_packet_once("any source between two of pimd", &stream, &member, TREE);
    let of_source = |m: &serde_json::Value| {
        m["group"] == group.to_string() && m["source"] == source.to_string() && m["copies"] == true
    };
    let state = ours.family(Family::V4);
    assert!(state["mroutes"].as_array().unwrap().iter().any(of_source), "{state}");
    pimd.iter_mut().for_each(|p| p.check().unwrap());
}
