//! Hosts: members and sources with the kernel's own IGMP, MLD and UDP.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::SetSockOpt;
use nix::sys::socket::sockopt::SetStruct;
use socket2::{Domain, Protocol, Socket, Type};

use super::super::net::Node;

const PORT: u16 = 5000;
/// Between two packets of a source.
const PACE: Duration = Duration::from_millis(20);

/// `struct group_source_req`: interface, padding, and two `struct sockaddr_storage`.
type GroupSource = [u8; 264];

/// `MCAST_JOIN_SOURCE_GROUP` (RFC 3678 §5.1) of IPv6.
#[derive(Clone, Copy, Debug)]
struct JoinSource;
const MCAST_JOIN_SOURCE_GROUP: libc::c_int = 46;
nix::setsockopt_impl!(JoinSource, libc::IPPROTO_IPV6, MCAST_JOIN_SOURCE_GROUP, GroupSource, SetStruct<GroupSource>);

/// Does something in a node's network namespace.
pub fn within<T: Send + 'static>(node: &Node, work: impl FnOnce() -> T + Send + 'static) -> T {
    let namespace = File::open(format!("/run/netns/{}", node.ns)).unwrap();
    let thread = std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    });
    thread.join().unwrap()
}

fn udp(group: IpAddr) -> Socket {
    let domain = if group.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket
}

fn storage(address: Ipv6Addr) -> [u8; 128] {
    let mut octets = [0; 128];
    octets[..2].copy_from_slice(&u16::try_from(libc::AF_INET6).unwrap().to_ne_bytes());
    octets[8..24].copy_from_slice(&address.octets());
    octets
}

fn join(socket: &Socket, group: IpAddr, source: Option<IpAddr>) {
    match (group, source) {
        (IpAddr::V4(g), None) => {
            socket.join_multicast_v4_n(&g, &socket2::InterfaceIndexOrAddress::Index(interface())).unwrap();
        }
        (IpAddr::V4(g), Some(IpAddr::V4(s))) => socket.join_ssm_v4(&s, &g, &own_v4()).unwrap(),
        (IpAddr::V6(g), None) => socket.join_multicast_v6(&g, interface()).unwrap(),
        (IpAddr::V6(g), Some(IpAddr::V6(s))) => {
            let mut request: GroupSource = [0; 264];
            request[..4].copy_from_slice(&interface().to_ne_bytes());
            request[8..136].copy_from_slice(&storage(g));
            request[136..].copy_from_slice(&storage(s));
            JoinSource.set(socket, &request).unwrap();
        }
        other => panic!("{other:?}"),
    }
}

fn interface() -> u32 {
    nix::net::if_::if_nametoindex("eth0").unwrap()
}

fn own_v4() -> Ipv4Addr {
    let all = nix::ifaddrs::getifaddrs().unwrap();
    let v4 = all.filter(|i| i.interface_name == "eth0").find_map(|i| Some(i.address?.as_sockaddr_in()?.ip()));
    v4.expect("an IPv4 address")
}

/// A member, and how often it got each packet.
pub struct Member {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    got: Arc<Mutex<BTreeMap<u64, u64>>>,
}

impl Member {
    /// Joins a group, or a source of it.
    pub fn join(node: &Node, group: IpAddr, source: Option<IpAddr>) -> Self {
        let socket: UdpSocket = within(node, move || {
            let socket = udp(group);
            socket.bind(&SocketAddr::new(group, PORT).into()).unwrap();
            join(&socket, group, source);
            socket.set_recv_buffer_size(1 << 20).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            socket.into()
        });
        let (stop, got) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::new())));
        let (end, sink) = (Arc::clone(&stop), Arc::clone(&got));
        let thread = std::thread::spawn(move || {
            let mut octets = [0; 64];
            while !end.load(Ordering::Relaxed) {
                if let Ok((8.., _)) = socket.recv_from(&mut octets) {
                    let number = u64::from_be_bytes(*octets.first_chunk().unwrap());
                    *sink.lock().unwrap().entry(number).or_insert(0) += 1;
                }
            }
        });
        Self { stop, thread: Some(thread), got }
    }

    /// How often it got these packets: none of them, once, more.
    pub fn counts(&self, range: std::ops::Range<u64>) -> (usize, usize, usize) {
        let got = self.got.lock().unwrap();
        let of = |n: u64| got.get(&n).copied().unwrap_or(0);
        let mut counts = (0, 0, 0);
        for n in range {
            match of(n) {
                0 => counts.0 += 1,
                1 => counts.1 += 1,
                _ => counts.2 += 1,
            }
        }
        counts
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A source that sends numbered packets.
pub struct Source {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    next: Arc<AtomicU64>,
}

impl Source {
    /// Begins to send to a group from the node.
    pub fn start(node: &Node, from: IpAddr, group: IpAddr) -> Self {
        let socket: UdpSocket = within(node, move || {
            let socket = udp(group);
            socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
            if group.is_ipv4() {
                socket.set_multicast_ttl_v4(16).unwrap();
                socket.set_multicast_if_v4(&own_v4()).unwrap();
            } else {
                socket.set_multicast_hops_v6(16).unwrap();
                socket.set_multicast_if_v6(interface()).unwrap();
            }
            socket.into()
        });
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (end, number) = (Arc::clone(&stop), Arc::clone(&next));
        let thread = std::thread::spawn(move || {
            let mut due = Instant::now();
            while !end.load(Ordering::Relaxed) {
                let n = number.load(Ordering::Relaxed);
                let _ = socket.send_to(&n.to_be_bytes(), SocketAddr::new(group, PORT));
                number.store(n + 1, Ordering::Relaxed);
                due += PACE;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        Self { stop, thread: Some(thread), next }
    }

    /// The number of the next packet.
    pub fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// How many packets in a row each once show that the tree is what it should be.
const RUN: u64 = 150;

/// Waits until the member gets every packet once for three seconds. Counts nothing before.
pub fn every_packet_once(what: &str, source: &Source, member: &Member, within: Duration) {
    let end = Instant::now() + within;
    loop {
        let first = source.next();
        let settle = Instant::now() + Duration::from_secs(20);
        while source.next() < first + RUN && Instant::now() < settle {
            std::thread::sleep(Duration::from_millis(50));
        }
        // The last ones are on their way.
        std::thread::sleep(Duration::from_millis(200));
        let (lost, once, more) = member.counts(first..first + RUN);
        if lost == 0 && more == 0 {
            return;
        }
        assert!(Instant::now() < end, "{what}: of {RUN} packets {lost} lost, {once} once, {more} more often");
    }
}
