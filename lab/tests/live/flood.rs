//! One peer's misbehaviour does not cost another its session.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::frr::Frr;
use super::net::{Net, until};
use super::ours::{Config, Ours, Peer};
use super::raw;

/// How long the flood lasts: more than twice the hold time of the bystander.
const FLOOD: Duration = Duration::from_secs(20);
/// Malformed UPDATEs a second.
const RATE: u32 = 10_000;

/// An UPDATE whose ORIGIN is 7: its route is taken as withdrawn (RFC 7606 §7.1), and the session goes on.
fn malformed(n: u32) -> Vec<u8> {
    let [_, _, x, y] = n.to_be_bytes();
    let nlri = [112, 0, 0x3e, 0x81, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 10, x, y];
    let reach = [&[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 198, 51, 100, 99, 0][..], &nlri].concat();
    let attributes = [
        &[0x40, 1, 1, 7, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0x80, 14, u8::try_from(reach.len()).unwrap()][..],
        &reach,
    ]
    .concat();
    let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
    raw::message(2, &[&[0, 0][..], &length, &attributes].concat())
}

/// Sends malformed UPDATEs at the rate, and returns how many.
fn flood(us: IpAddr) -> u32 {
    let mut stream = raw::connect(us, None).unwrap();
    raw::establish(&mut stream, 1).unwrap();
    let mut reader = stream.try_clone().unwrap();
    reader.set_read_timeout(None).unwrap();
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    let (begin, mut sent) = (Instant::now(), 0);
    while begin.elapsed() < FLOOD {
        let due = (begin.elapsed().as_secs_f64() * f64::from(RATE)) as u32;
        let burst: Vec<u8> = (sent..due).flat_map(malformed).collect();
        stream.write_all(&burst).unwrap();
        sent = due;
        std::thread::sleep(Duration::from_millis(5));
    }
    // What is read in order was all there before this.
    stream.write_all(&raw::keepalive()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    sent
}

/// Comes up and breaks the framing, again and again; returns how often.
fn break_framing(us: IpAddr) -> u32 {
    let (begin, mut times) = (Instant::now(), 0);
    while begin.elapsed() < FLOOD {
        let came_up = raw::connect(us, None).and_then(|mut stream| {
            raw::establish(&mut stream, 2)?;
            stream.write_all(&[0; 19])?;
            stream.read_to_end(&mut Vec::new())
        });
        times += u32::from(came_up.is_ok());
        std::thread::sleep(Duration::from_millis(20));
    }
    times
}

/// Shows: L3VPN-REF-9
#[test]
fn a_flood_of_malformed_updates_resets_and_half_open_connections_leave_others_their_sessions() {
    let mut net = Net::new();
    let (us, bystander, flooder, breaker, silent) = (net.node(), net.node(), net.node(), net.node(), net.node());
    let passive = |address| Peer { passive: true, ..Peer::new(address).families(&["vpn-ipv4"]) };
    let peers = vec![Peer::client(bystander.v4), passive(flooder.v4), passive(breaker.v4), passive(silent.v4)];
    let ours = Ours::start(&us, &Config { peers, hold: 9, ..Config::default() });
    let us_v4 = us.v4;
    let config = format!(
        "router bgp 65001\n bgp router-id 192.0.2.2\n no bgp default ipv4-unicast\n neighbor {us_v4} remote-as 65001\n neighbor {us_v4} timers 3 9\n \
         neighbor {us_v4} timers connect 1\n address-family ipv4 vpn\n  neighbor {us_v4} activate\n  \
         network 10.5.0.0/24 rd 65001:5 label 5005\n exit-address-family\n"
    );
    let _frr = Frr::start_with(&bystander, &config);
    ours.expect_up(bystander.v4, 1);
    let before = ours.ups_and_downs(bystander.v4);
    let flood = raw::inside(&flooder, move || flood(us_v4.into()));
    let breaking = raw::inside(&breaker, move || break_framing(us_v4.into()));
    // Connected and silent; and one that is cut off without a word, whose connection stays open on our side.
    let half = raw::inside(&silent, move || {
        let mut stream = raw::connect(us_v4.into(), None).unwrap();
        stream.write_all(&raw::open(3)[..25]).unwrap();
        stream
    });
    let _half_open = half.join().unwrap();
    silent.cut();
    let (sent, broken) = (flood.join().unwrap(), breaking.join().unwrap());
    assert!(sent >= RATE * 19, "{sent} in {FLOOD:?}");
    assert!(broken >= 10, "{broken} resets");
    assert_eq!(ours.ups_and_downs(bystander.v4), before, "the bystander keeps its session");
    assert_eq!(ours.ups_and_downs(flooder.v4), (1, 0), "each UPDATE was survived");
    until("all UPDATEs are read", PATIENCE, || {
        let received = ours.ask("counts")["received"]["update"].as_u64().unwrap();
        if received >= u64::from(sent) { Ok(()) } else { Err(format!("{received} of {sent}")) }
    });
    let vpn = ours.ask("vpn");
    assert!(vpn["paths"].as_array().unwrap().iter().any(|p| p["prefix"] == "10.5.0.0/24"), "{vpn}");
}

/// Announces routes of a CE as fast as the connection takes them, until they are `count`.
fn announce(us: IpAddr, asn: u16, count: u32) -> std::net::TcpStream {
    let mut stream = raw::connect(us, Some(1)).unwrap();
    let [a, b] = asn.to_be_bytes();
    let open = raw::message(1, &[4, a, b, 0, 90, 10, 8, a, b, 14, 2, 12, 1, 4, 0, 1, 0, 1, 65, 4, 0, 0, a, b]);
    stream.write_all(&[open, raw::keepalive()].concat()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    std::thread::sleep(Duration::from_millis(500));
    for n in 0..count {
        let [_, x, y, z] = n.to_be_bytes();
        let IpAddr::V4(_) = us else { panic!("IPv4") };
        let next_hop = stream.local_addr().unwrap().ip();
        let IpAddr::V4(own) = next_hop else { panic!("IPv4") };
        let mut body = vec![0, 0, 0, 20, 0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, a, b, 0x40, 3, 4];
        body.extend(own.octets());
        body.extend([32, 10 + x, y, z, 1]);
        stream.write_all(&raw::message(2, &body)).unwrap();
    }
    stream
}

/// Shows: L3VPN-REF-9
#[test]
fn a_ce_is_read_no_faster_than_agreed_and_another_is_not_slowed() {
    let mut net = Net::new();
    let (pe, flooder, other) = (net.node(), net.node(), net.node());
    let ce = |node: &super::net::Node, asn, more| Peer {
        asn,
        passive: true,
        more,
        ..Peer::new(node.v4).families(&["ipv4-unicast"])
    };
    let peers = vec![ce(&flooder, 65010, "update-rate = [400, 100]"), ce(&other, 65011, "")];
    let config = Config { peers, vrf: Some(("65001:1", &[])), ..Config::default() };
    let ours = Ours::start(&pe, &config);
    let us = pe.v4.into();
    let flood = raw::inside(&flooder, move || announce(us, 65010, 20_000));
    ours.expect_up(flooder.v4, 1);
    let begin = Instant::now();
    let _other = raw::inside(&other, move || announce(us, 65011, 2_000));
    ours.expect_up(other.v4, 1);
    let routes_of = |address: &str| {
        let routes = ours.ask("vrf red");
        routes["routes"].as_array().unwrap().iter().filter(|r| r["from"] == address).count()
    };
    until("the other CE's routes are there", super::PATIENCE, || match routes_of(&other.v4.to_string()) {
        2_000 => Ok(()),
        n => Err(format!("{n}")),
    });
    // Each route came in an UPDATE of its own, so it counted twice: 200 a second, and the burst; a read may hold a few hundred more.
    let (seconds, taken) = (begin.elapsed().as_secs() as usize + 2, routes_of(&flooder.v4.to_string()));
    assert!(taken <= 200 * seconds + 1_500, "{taken} routes in {seconds} s");
    assert_eq!(ours.ups_and_downs(flooder.v4), (1, 0));
    drop(flood);
}
