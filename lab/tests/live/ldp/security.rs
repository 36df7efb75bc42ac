//! Sessions that strangers have no part in: TCP MD5, a least TTL, authenticated Hellos.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use p2mp_pw::ldp::message::{Hello, HelloFlags, Initialization, Message, MessageBody, SessionFlags};
use p2mp_pw::ldp::{LdpId, Pdu, Tlv, TlvValue};
use socket2::{Domain, Protocol, Socket, Type};

use super::super::capture::Frames;
use super::super::net::Node;
use super::super::raw;
use super::frr::Frr;
use super::ours::Ours;
use super::{Families, Pair, frr_config, our_config};

const SESSION_DOWN: Duration = Duration::from_secs(8);

fn frr(pair: &Pair, password: &str) -> Frr {
    let mut config = frr_config(Families::V4, "", "");
    if !password.is_empty() {
        config = config.replace(" router-id", &format!(" neighbor 192.0.2.1 password {password}\n router-id"));
    }
    Frr::start(&pair.far, "ldpd", &config)
}

fn ours(pair: &Pair, md5: &str) -> Ours {
    let key = |md5: &str| format!("[[neighbour]]\naddress = \"192.0.2.2\"\nmd5 = \"{md5}\"\n");
    Ours::start(&pair.ours, &our_config(Families::V4, "", &if md5.is_empty() { String::new() } else { key(md5) }))
}

/// Shows: P2MP-SEC-1
#[test]
fn a_session_with_ldpd_needs_the_key() {
    let pair = Pair::new();
    let frames = Frames::start(&pair.ours, "eth0", "tcp port 646");
    let frr = frr(&pair, "correct-horse");
    let ours = ours(&pair, "correct-horse");
    ours.expect_session("192.0.2.2");
    frr.expect("session", "show mpls ldp neighbor", |t| t.contains("OPERATIONAL"));
    let signed = frames.fields("tcp.flags.syn == 1 && tcp.options.md5", "ip.src");
    assert!(signed.contains(&"192.0.2.1".to_owned()) && signed.contains(&"192.0.2.2".to_owned()), "{signed:?}");
    // The operator of the far end changes the key: the session ends, and there is none until ours is changed back.
    frr.configure(&["mpls ldp", "neighbor 192.0.2.1 password battery-staple"]);
    ours.expect_no_session("192.0.2.2");
    frr.configure(&["mpls ldp", "neighbor 192.0.2.1 password correct-horse"]);
    ours.expect_session("192.0.2.2");
    drop(pair.net);
}

/// Shows: P2MP-SEC-1
#[test]
fn without_the_key_there_is_no_session() {
    for (theirs, of_ours) in [("", "correct-horse"), ("correct-horse", ""), ("battery-staple", "correct-horse")] {
        let pair = Pair::new();
        let _frr = frr(&pair, theirs);
        let ours = ours(&pair, of_ours);
        ours.expect("its Hellos", "show", |s| s["adjacencies"].as_array().map(Vec::len) == Some(1));
        std::thread::sleep(SESSION_DOWN);
        ours.expect_no_session("192.0.2.2");
        let up = ours.heard(|e| e["event"] == "session" && e["state"] == "up");
        assert!(up.is_empty(), "{theirs:?}, {of_ours:?}: {up:?}");
        drop(pair.net);
    }
}

/// A neighbour made of octets: its Hellos say that it uses GTSM.
fn hello() -> Vec<u8> {
    let transport = TlvValue::TransportAddress(Ipv4Addr::new(192, 0, 2, 2).into());
    let hello = Hello { hold_time: 15, flags: HelloFlags::GTSM, optional: vec![Tlv::new(transport)] };
    pdu(1, MessageBody::Hello(hello))
}

fn pdu(id: u32, body: MessageBody) -> Vec<u8> {
    let mut octets = Vec::new();
    Pdu::emit(LdpId::platform([192, 0, 2, 2].into()), &[Message { id, body }], &mut octets);
    octets
}

/// Connects to us with this TTL, sends an Initialization and returns the octets of what comes back.
fn initialize(far: &Node, ttl: u32) -> std::io::Result<Vec<u8>> {
    let speak = move || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_ttl_v4(ttl)?;
        socket.bind(&SocketAddr::from(([192, 0, 2, 2], 0)).into())?;
        socket.connect_timeout(&SocketAddr::from(([192, 0, 2, 1], 646)).into(), Duration::from_secs(3))?;
        let mut stream: TcpStream = socket.into();
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        stream.write_all(&pdu(
            2,
            MessageBody::Initialization(Initialization {
                version: 1,
                keepalive_time: 40,
                flags: SessionFlags::empty(),
                path_vector_limit: 0,
                max_pdu_length: 0,
                receiver: LdpId::platform([192, 0, 2, 1].into()),
                optional: Vec::new(),
            }),
        ))?;
        let mut octets = vec![0; 512];
        let n = stream.read(&mut octets)?;
        octets.truncate(n);
        Ok(octets)
    };
    raw::inside(far, speak).join().unwrap()
}

/// Both ends said GTSM in Hellos of a link: what came through a router is not heard.
///
/// Shows: P2MP-SEC-1
#[test]
fn a_session_from_behind_a_router_is_not_heard() {
    let pair = Pair::new();
    let ours = ours(&pair, "");
    let greet = move || {
        let socket = UdpSocket::bind((Ipv4Addr::new(198, 51, 100, 2), 646)).unwrap();
        socket.set_multicast_ttl_v4(1).unwrap();
        socket.send_to(&hello(), (IpAddr::from([224, 0, 0, 2]), 646)).unwrap();
    };
    raw::inside(&pair.far, greet).join().unwrap();
    ours.expect("its Hello", "show", |s| s["adjacencies"].as_array().map(Vec::len) == Some(1));
    let far = initialize(&pair.far, 254);
    assert!(far.as_ref().map_or(true, Vec::is_empty), "{far:?}");
    let near = initialize(&pair.far, 255).unwrap();
    let answer = Pdu::take(&near).unwrap().1.messages().next().unwrap().unwrap().parse().unwrap();
    assert!(matches!(answer.body, MessageBody::Initialization(_)), "{answer:?}");
    drop(pair.net);
}

/// Two of ours, each with a key of its own for Hellos and sessions: with the same there is a session, whoever opens it; with others not even
/// an adjacency.
#[test]
fn authenticated_hellos_make_adjacencies() {
    for (keys, meet) in [(["correct-horse", "correct-horse"], true), (["correct-horse", "battery-staple"], false)] {
        let pair = Pair::new();
        let frames = Frames::start(&pair.ours, "eth0", "udp port 646");
        let routers = [(1, 2, &pair.ours), (2, 1, &pair.far)].map(|(own, other, node)| {
            let key = keys[own - 1];
            let config = our_config(Families::V4, "", "").replace("192.0.2.1", "192.0.2.A").replace("192.0.2.2", "192.0.2.B");
            let config = config
                .replace("192.0.2.A", &format!("192.0.2.{own}"))
                .replace("192.0.2.B", &format!("192.0.2.{other}"))
                .replace("via = \"198.51.100.2\"", &format!("via = \"198.51.100.{other}\""))
                .replace("[\"198.51.100.1/24\", \"2001:db8::1/64\", \"fe80::1/64\"]", &format!("[\"198.51.100.{own}/24\"]"));
            let more = format!(
                "[[neighbour]]\naddress = \"192.0.2.{other}\"\nmd5 = \"{key}\"\n[[hello-key]]\nid = 7\nkey = \"{key}\"\n"
            );
            Ours::start(node, &(config + &more))
        });
        if meet {
            routers[0].expect_session("192.0.2.2");
            routers[1].expect_session("192.0.2.1");
            let of =
                |field: &str| frames.fields("ip.src == 198.51.100.2", field).into_iter().next().unwrap_or_default();
            assert!(of("ldp.msg.tlv.type").contains("0x0405"), "{}", of("ldp.msg.tlv.type"));
        } else {
            routers[0].expect("refusal", "show", |_| {
                !routers[0].heard(|e| e["what"].as_str().is_some_and(|w| w.contains("Unauthenticated"))).is_empty()
            });
            assert_eq!(routers[0].ask("show")["adjacencies"].as_array().map(Vec::len), Some(0));
        }
        drop(pair.net);
    }
}
