//! A peer that says what the test wants: a TCP connection out of a node, and octets.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Protocol, Socket, Type};

use super::net::Node;
use super::route::ASN;

/// Runs something on a thread inside a node.
pub fn inside<T: Send + 'static>(node: &Node, act: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
    let namespace = File::open(format!("/run/netns/{}", node.ns)).unwrap();
    std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        act()
    })
}

/// Connects to our speaker with this TTL, or the system's; the calling thread is inside the node.
pub fn connect(to: IpAddr, ttl: Option<u32>) -> std::io::Result<TcpStream> {
    let to = SocketAddr::new(to, 179);
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(ttl) = ttl {
        socket.set_ttl_v4(ttl)?;
    }
    socket.connect_timeout(&to.into(), Duration::from_secs(3))?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    Ok(stream)
}

/// A message with its header (RFC 4271 §4.1).
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 16];
    out.extend(u16::try_from(19 + body.len()).unwrap().to_be_bytes());
    out.push(kind);
    out.extend(body);
    out
}

/// An OPEN of AS 65001 with VPN-IPv4 and 4-octet AS numbers, hold time 90 s.
pub fn open(id: u8) -> Vec<u8> {
    let asn = u16::try_from(ASN).unwrap().to_be_bytes();
    let capabilities = [&[2, 12, 1, 4, 0, 1, 0, 128, 65, 4, 0, 0][..], &asn].concat();
    let length = u8::try_from(capabilities.len()).unwrap();
    message(1, &[&[4][..], &asn, &[0, 90, 10, 9, 9, id, length], &capabilities].concat())
}

/// A KEEPALIVE.
pub fn keepalive() -> Vec<u8> {
    message(4, &[])
}

/// Speaks up to Established: both OPENs and the peer's KEEPALIVE were seen.
pub fn establish(stream: &mut TcpStream, id: u8) -> std::io::Result<()> {
    stream.write_all(&[open(id), keepalive()].concat())?;
    for wanted in [1, 4] {
        let mut header = [0; 19];
        stream.read_exact(&mut header)?;
        let body = u16::from_be_bytes([header[16], header[17]]) - 19;
        std::io::copy(&mut stream.take(body.into()), &mut std::io::sink())?;
        if header[18] != wanted {
            return Err(std::io::Error::other(format!("a message of type {}, not {wanted}", header[18])));
        }
    }
    Ok(())
}
