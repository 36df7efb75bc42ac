//! Debian's pimd 2.3.2, the descendant of the University of Oregon's, as a second peer. `LAB_PIMD` is its binary; ci/live.sh unpacks it.

use std::fmt::Write as _;
use std::time::Duration;

use super::super::net::{Net, Node, Process};
use super::host::{Member, Source, every_packet_once};
use super::line::place;
use super::ours::Ours;
use super::{Family, Place, interface, ip, nodes};

fn start(node: &Node, place: &Place) -> Process {
    let n = place.number;
    for (i, lan) in place.lans.iter().enumerate() {
        ip(node, &format!("addr add {}/24 dev {}", Family::V4.address(*lan, n), interface(i)));
    }
    ip(node, &format!("addr add {}/32 dev lo", Family::V4.loopback(n)));
    node.run(&["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"]).unwrap();
    for (to, (lan, via)) in &place.routes {
        ip(node, &format!("route add {} via {}", to.prefix(Family::V4), Family::V4.address(*lan, *via)));
    }
    let mut text = "hello-interval 30\nspt-threshold packets 0 interval 5\n".to_owned();
    if let Some(rp) = place.rp {
        let _ = writeln!(text, "rp-address {} 224.0.0.0/4", Family::V4.loopback(rp));
    }
    let file = node.write("pimd.conf", &text);
    let binary = std::env::var("LAB_PIMD").expect("LAB_PIMD: Debian's pimd, see ci/live.sh");
    // It keeps its process number in /run, of which each has its own.
    let script = format!("mount -t tmpfs tmpfs /run && exec {binary} -f -s notice -c {}", file.display());
    let mut command = node.command("sh");
    command.args(["-c", &script]);
    Process::start(node, &mut command)
}

/// pimd is first hop and last hop, ours the RP between them.
///
/// Shows: MVPN-CEPE-2
#[test]
fn our_router_is_rp_between_two_of_pimd() {
    let mut net = Net::new();
    let places: Vec<Place> = (1..=3).map(|n| place(n, Some(2))).collect();
    let (routers, hosts) = nodes(&mut net, &places, &[1, 4]);
    let mut peers: Vec<Process> = [0, 2].iter().map(|n| start(&routers[*n], &places[*n])).collect();
    let ours = Ours::start(&routers[1], &places[1]);
    for i in 0..2 {
        ours.expect_neighbors(Family::V4, i, 1);
    }
    let group = Family::V4.asm();
    let member = Member::join(&hosts[1], group, None);
    let source = Source::start(&hosts[0], Family::V4.address(1, 100), group);
    every_packet_once("pimd, ours, pimd", &source, &member, Duration::from_secs(40));
    for peer in &mut peers {
        peer.check().unwrap();
    }
}
