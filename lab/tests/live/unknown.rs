//! An attribute that nobody knows goes through our reflector octet for octet.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};

use super::net::Net;
use super::ours::{Config, Ours, Peer};
use super::raw;

/// Optional, transitive and of extended length, type 213, with content that differs in every octet of any 251.
fn unknown() -> Vec<u8> {
    let content: Vec<u8> = (0..1000u32).map(|n| (n % 251) as u8).collect();
    [&[0xd0, 213, 3, 0xe8][..], &content].concat()
}

fn update() -> Vec<u8> {
    let nlri = [112, 0, 0x3e, 0x81, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 10, 7, 7];
    let reach = [&[0x80, 14, 32, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 198, 51, 100, 99, 0][..], &nlri].concat();
    let known = [0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100];
    let attributes = [&known[..], &reach, &unknown()].concat();
    let length = u16::try_from(attributes.len()).unwrap().to_be_bytes();
    raw::message(2, &[&[0, 0][..], &length, &attributes].concat())
}

/// The next UPDATE with the route.
fn received(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    loop {
        let mut header = [0; 19];
        stream.read_exact(&mut header)?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[16], header[17]])) - 19];
        stream.read_exact(&mut body)?;
        if header[18] == 2 && body.len() > 100 {
            return Ok(body);
        }
    }
}

#[test]
fn an_unknown_transitive_attribute_is_reflected_octet_for_octet() {
    let mut net = Net::new();
    let (us, a, b) = (net.node(), net.node(), net.node());
    let client = |address| Peer { passive: true, ..Peer::client(address).families(&["vpn-ipv4"]) };
    let config = Config { peers: vec![client(a.v4), client(b.v4)], hold: 90, ..Config::default() };
    let ours = Ours::start(&us, &config);
    let to = IpAddr::from(us.v4);
    let up = move |id| move || raw::connect(to, None).and_then(|mut s| raw::establish(&mut s, id).map(|()| s)).unwrap();
    let mut receiver = raw::inside(&b, up(2)).join().unwrap();
    let mut sender = raw::inside(&a, up(1)).join().unwrap();
    ours.expect_up(b.v4, 1);
    sender.write_all(&update()).unwrap();
    receiver.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let body = received(&mut receiver).unwrap();
    // The same octets but for the Partial bit, which says that somebody on the way did not know it (RFC 4271 §5).
    let mut partial = unknown();
    partial[0] |= 0x20;
    assert!(body.windows(partial.len()).any(|w| w == partial), "{body:02x?}");
}
