//! What our router writes, read by tshark: every PIM, IGMP and MLD packet of a busy minute, and no malformed mark.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::capture::Frames;
use super::super::net::Net;
use super::frr::Frr;
use super::host::{Member, Source, every_packet_once};
use super::line::place;
use super::ours::Ours;
use super::{Family, Place, nodes};

/// Shows: MVPN-SVC-2, MVPN-CEPE-1
#[test]
fn tshark_finds_nothing_malformed_in_what_our_router_sends() {
    let mut net = Net::new();
    let places: Vec<Place> = (1..=3).map(|n| place(n, Some(2))).collect();
    let (routers, hosts) = nodes(&mut net, &places, &[1, 4]);
    // Ours is first hop: it registers; the capture is of both its links.
    let frames: Vec<Frames> =
        ["eth0", "eth1"].iter().map(|i| Frames::start(&routers[0], i, "ip proto 103 or igmp or ip6")).collect();
    let ours = Ours::start(&routers[0], &places[0]);
    let _frr: Vec<Frr> = (1..3).map(|n| Frr::start(&routers[n], &places[n])).collect();
    for family in [Family::V4, Family::V6] {
        ours.expect_neighbors(family, 1, 1);
        let member = Member::join(&hosts[1], family.asm(), None);
        let near = Member::join(&hosts[0], family.asm(), None);
        let source = Source::start(&hosts[0], family.address(1, 100), family.asm());
        every_packet_once("a stream", &source, &member, Duration::from_secs(25));
        drop(near);
        // A leave brings queries of the group.
        std::thread::sleep(Duration::from_secs(3));
    }
    let own = "(ip.src == 10.1.0.1 || ip.src == 10.2.0.1 || ipv6.src == fe80::1:1 || ipv6.src == fe80::2:1 || \
               ip.src == 10.255.0.1 || ipv6.src == fd00:ff::1)";
    let (mut pim, mut igmp, mut mld) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for frames in &frames {
        pim.extend(frames.fields(&format!("pim && {own}"), "pim.type"));
        igmp.extend(frames.fields(&format!("igmp && {own}"), "igmp.type"));
        mld.extend(frames.fields(&format!("icmpv6.type == 130 && {own}"), "icmpv6.type"));
        // tshark calls some Registers malformed for the packet within, so those are left out; all else counts.
        let bad = format!("_ws.malformed && (pim || igmp || icmpv6) && {own} && !(pim.type == 1)");
        assert_eq!(frames.fields(&bad, "frame.number"), Vec::<String>::new());
        assert_eq!(frames.fields(&format!("pim.cksum.status == 0 && {own}"), "frame.number"), Vec::<String>::new());
        assert_eq!(frames.fields(&format!("igmp.checksum.status == 0 && {own}"), "frame.number"), Vec::<String>::new());
    }
    // Hello and Register of both families; queries of both.
    let first =
        |set: &BTreeSet<String>| set.iter().map(|t| t.split(',').next().unwrap().to_owned()).collect::<BTreeSet<_>>();
    assert!(first(&pim).is_superset(&["0", "1"].map(String::from).into()), "{pim:?}");
    assert_eq!(first(&igmp), ["0x11"].map(String::from).into());
    assert_eq!(first(&mld), ["130"].map(String::from).into());
}
