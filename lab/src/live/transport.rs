//! TCP connections of one speaker, without blocking and without threads.
//!
//! The speaker decides; this file opens, accepts, reads, writes and closes as it says. Everything waits in one `poll(2)`, which is
//! level-triggered: nothing is lost when a pass of the loop leaves work behind.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use bgp_vpn::speaker::{Input, PeerId, Side};
use rustix::event::{PollFd, PollFlags, Timespec};
use socket2::{Domain, Protocol, Socket, Type};

use super::connection::{Connection, Farewell, OUTBOX};
use super::meter::MessageCounts;
use super::security::{Authentication, authenticate, least_ttl};

/// How long a connection that the speaker closed may take to flush and to hear the peer's FIN.
const LINGER: Duration = Duration::from_secs(3);

/// Where the connections of one peer go.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The speaker's name for the peer.
    pub peer: PeerId,
    /// The peer's address.
    pub address: IpAddr,
    /// The peer's TCP port, as a rule 179.
    pub port: u16,
    /// Our address: outgoing connections are bound to it, incoming ones must be to it.
    pub local_address: IpAddr,
    /// TTL or hop limit of what we send, 1 to 255; `None` leaves it to the system.
    pub ttl: Option<u8>,
    /// The least TTL or hop limit of what we take (RFC 5082 §3); `None`: any.
    pub least_ttl: Option<u8>,
    /// How segments are authenticated; `None`: not at all.
    pub authentication: Option<Authentication>,
}

/// All listeners and connections of a speaker.
#[derive(Debug, Default)]
pub struct Transport {
    endpoints: Vec<Endpoint>,
    listeners: Vec<(SocketAddr, TcpListener)>,
    connections: Vec<Connection>,
    farewells: Vec<Farewell>,
    /// Connections from peers that nobody has decided about.
    arrivals: Vec<(PeerId, TcpStream)>,
    /// Peers whose octets stay in their sockets for a while.
    paused: Vec<PeerId>,
    /// Closed or failed connections that the speaker has not heard of.
    lost: Vec<(PeerId, Side)>,
    sent: MessageCounts,
    received: MessageCounts,
}

/// What a poll entry stands for.
#[derive(Clone, Copy)]
enum Entry {
    Extra,
    Listener(usize),
    Connection(usize),
    Farewell,
}

impl Transport {
    /// No listeners, no connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on an address.
    ///
    /// # Errors
    /// The system's: the address is not ours, the port is taken, no privilege.
    pub fn listen(&mut self, address: SocketAddr) -> io::Result<()> {
        if self.listeners.iter().any(|(a, _)| *a == address) {
            return Ok(());
        }
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(128)?;
        let listener: TcpListener = socket.into();
        self.listeners.push((listener.local_addr()?, listener));
        Ok(())
    }

    /// The addresses listened on.
    pub fn listening(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.listeners.iter().map(|(address, _)| *address)
    }

    /// Lets connections from and to this peer be opened.
    ///
    /// # Errors
    /// The kernel has not got the authentication that was asked for.
    pub fn add(&mut self, endpoint: Endpoint) -> io::Result<()> {
        if let Some(how) = &endpoint.authentication {
            for (_, listener) in self.listeners.iter().filter(|(a, _)| a.ip() == endpoint.local_address) {
                authenticate(listener, endpoint.address, how)?;
            }
        }
        let address = endpoint.local_address;
        self.endpoints.push(endpoint);
        // A listener takes what the least protected of its peers may send: what arrives before a connection is accepted is judged by it.
        let least =
            self.endpoints.iter().filter(|e| e.local_address == address).map(|e| e.least_ttl.unwrap_or(0)).min();
        for (_, listener) in self.listeners.iter().filter(|(a, _)| a.ip() == address) {
            least_ttl(listener, address.is_ipv6(), least.unwrap_or(0))?;
        }
        Ok(())
    }

    /// Messages sent whole to all peers, on connections past and present.
    #[must_use]
    pub fn sent(&self) -> MessageCounts {
        self.total(self.sent, |c| c.sent.counts())
    }

    /// Messages received whole from all peers.
    #[must_use]
    pub fn received(&self) -> MessageCounts {
        self.total(self.received, |c| c.received.counts())
    }

    fn total(&self, mut sum: MessageCounts, of: impl Fn(&Connection) -> MessageCounts) -> MessageCounts {
        self.connections.iter().chain(self.farewells.iter().map(|f| &f.connection)).for_each(|c| sum += of(c));
        sum
    }

    /// Whether everything that was handed over is with the system and no connection waits for its end.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.farewells.is_empty() && self.connections.iter().all(|c| c.outbox.is_empty())
    }

    /// Begins an outgoing connection (`Output::Connect`). A failure is reported as `Closed` by the next [`Self::wait`].
    pub fn connect(&mut self, peer: PeerId) {
        self.drop_connection(peer, Side::Outgoing);
        let Some(endpoint) = self.endpoints.iter().find(|e| e.peer == peer) else { return };
        match open(endpoint) {
            Ok(stream) => self.connections.push(Connection::new(peer, Side::Outgoing, stream, true)),
            Err(_) => self.lost.push((peer, Side::Outgoing)),
        }
    }

    /// Sends octets (`Output::Stream`). Octets for a connection that is gone are dropped: the speaker is about to hear of it.
    pub fn send(&mut self, peer: PeerId, side: Side, octets: &[u8]) {
        let Some(at) = self.find(peer, side) else { return };
        let connection = &mut self.connections[at];
        connection.outbox.extend(octets);
        connection.told = connection.told.saturating_sub(octets.len());
        if !connection.connecting && connection.flush().is_err() {
            self.lose(at);
        }
    }

    /// Closes a connection after what was sent before (`Output::Close`). The speaker hears no `Closed` for it.
    pub fn close(&mut self, peer: PeerId, side: Side) {
        self.lost.retain(|lost| *lost != (peer, side));
        let Some(at) = self.find(peer, side) else { return };
        let connection = self.connections.swap_remove(at);
        if connection.connecting {
            return;
        }
        let mut farewell = Farewell { connection, until: Instant::now() + LINGER, fin_sent: false };
        if farewell.advance() {
            self.retire(&farewell.connection);
        } else {
            self.farewells.push(farewell);
        }
    }

    /// Leaves the octets of these peers, and of no others, in their sockets from now on.
    pub fn pause(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        self.paused.clear();
        self.paused.extend(peers);
    }

    /// Waits until something happens, at most for `timeout`, and hands it to `sink` as the speaker's input. Returns which of the
    /// `extra` descriptors can be read. Connections that peers opened wait for [`Self::admit`].
    ///
    /// # Errors
    /// `poll(2)` failed.
    pub fn wait(
        &mut self,
        timeout: Duration,
        extra: &[BorrowedFd<'_>],
        mut sink: impl FnMut(Input<'_>),
    ) -> io::Result<Vec<bool>> {
        for (peer, side) in std::mem::take(&mut self.lost) {
            sink(Input::Closed { peer, side });
        }
        let timeout = if self.farewells.is_empty() { timeout } else { timeout.min(Duration::from_millis(200)) };
        // Room that the speaker does not know of is no reason to sleep: it may have more to send.
        let timeout =
            if self.connections.iter().any(Connection::has_room_to_report) { Duration::ZERO } else { timeout };
        let ready = self.poll(timeout, extra)?;
        let mut readable = vec![false; extra.len()];
        let mut extras = 0..extra.len();
        for (entry, flags) in &ready {
            match *entry {
                Entry::Extra => {
                    if let Some(n) = extras.next() {
                        readable[n] = !flags.is_empty();
                    }
                }
                Entry::Connection(at) if !flags.is_empty() => self.serve(at, *flags, &mut sink),
                Entry::Listener(at) if !flags.is_empty() => self.accept(at),
                _ => {}
            }
        }
        self.connections.iter_mut().for_each(|c| c.report_room(&mut sink));
        self.remove_lost(&mut sink);
        self.tend_farewells();
        Ok(readable)
    }

    fn poll(&self, timeout: Duration, extra: &[BorrowedFd<'_>]) -> io::Result<Vec<(Entry, PollFlags)>> {
        let mut entries: Vec<Entry> = extra.iter().map(|_| Entry::Extra).collect();
        let mut fds: Vec<PollFd<'_>> = extra.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        for (at, (_, listener)) in self.listeners.iter().enumerate() {
            entries.push(Entry::Listener(at));
            fds.push(PollFd::new(listener, PollFlags::IN));
        }
        for (at, connection) in self.connections.iter().enumerate() {
            entries.push(Entry::Connection(at));
            let pause = self.paused.contains(&connection.peer) && !connection.connecting;
            let interest = connection.interest() - if pause { PollFlags::IN } else { PollFlags::empty() };
            fds.push(PollFd::new(&connection.stream, interest));
        }
        for farewell in &self.farewells {
            entries.push(Entry::Farewell);
            let more = if farewell.fin_sent { PollFlags::empty() } else { PollFlags::OUT };
            fds.push(PollFd::new(&farewell.connection.stream, PollFlags::IN | more));
        }
        let timeout = Timespec { tv_sec: timeout.as_secs().min(3600) as i64, tv_nsec: timeout.subsec_nanos().into() };
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(entries.into_iter().zip(fds.iter().map(PollFd::revents)).collect())
    }

    /// Reads and writes one connection. A connection that failed stays in its place, marked in `lost`, until all are served.
    fn serve(&mut self, at: usize, flags: PollFlags, sink: &mut impl FnMut(Input<'_>)) {
        let connection = &mut self.connections[at];
        let (peer, side) = (connection.peer, connection.side);
        if connection.connecting {
            match connection.stream.take_error() {
                Ok(None) if flags.contains(PollFlags::OUT) && connection.stream.peer_addr().is_ok() => {
                    connection.connecting = false;
                    sink(Input::Connected { peer, side });
                    sink(Input::Writable { peer, side, room: OUTBOX });
                }
                Ok(None) if !flags.intersects(PollFlags::ERR | PollFlags::HUP) => {}
                _ => self.lose(at),
            }
            return;
        }
        let mut alive = connection.flush().is_ok();
        if alive && flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            alive = connection.read(|octets| sink(Input::Stream { peer, side, octets }));
        }
        if !alive {
            self.lose(at);
        }
    }

    fn accept(&mut self, at: usize) {
        let (local, listener) = &self.listeners[at];
        // One connection a pass: `poll` says at once if there are more.
        let Ok((stream, from)) = listener.accept() else { return };
        let to = stream.local_addr().map_or(local.ip(), |a| a.ip());
        let Some(endpoint) = self.endpoints.iter().find(|e| e.address == from.ip() && e.local_address == to) else {
            return;
        };
        // Octets that came before the connection's own least TTL was in force may be from anywhere.
        let unjudged = endpoint.least_ttl.is_some()
            && self.endpoints.iter().any(|e| e.local_address == to && e.least_ttl < endpoint.least_ttl)
            && stream.set_nonblocking(true).is_ok()
            && stream.peek(&mut [0]).is_ok();
        if !unjudged && prepare(&stream, endpoint).is_ok() {
            self.arrivals.push((endpoint.peer, stream));
        }
    }

    /// Decides about the connections that peers have opened since the last call. One that `admits` is kept and takes the place of an
    /// earlier one from the same peer; the others are closed. Tells `sink` of those kept.
    pub fn admit(&mut self, admits: impl Fn(PeerId) -> bool, mut sink: impl FnMut(PeerId)) {
        for (peer, stream) in std::mem::take(&mut self.arrivals) {
            if admits(peer) {
                self.drop_connection(peer, Side::Incoming);
                self.connections.push(Connection::new(peer, Side::Incoming, stream, false));
                sink(peer);
            }
        }
    }

    fn remove_lost(&mut self, sink: &mut impl FnMut(Input<'_>)) {
        for (peer, side) in std::mem::take(&mut self.lost) {
            self.drop_connection(peer, side);
            sink(Input::Closed { peer, side });
        }
    }

    fn tend_farewells(&mut self) {
        for mut farewell in std::mem::take(&mut self.farewells) {
            if farewell.advance() {
                self.retire(&farewell.connection);
            } else {
                self.farewells.push(farewell);
            }
        }
    }

    fn find(&self, peer: PeerId, side: Side) -> Option<usize> {
        self.connections.iter().position(|c| c.peer == peer && c.side == side)
    }

    fn lose(&mut self, at: usize) {
        let Connection { peer, side, .. } = self.connections[at];
        if !self.lost.contains(&(peer, side)) {
            self.lost.push((peer, side));
        }
    }

    fn drop_connection(&mut self, peer: PeerId, side: Side) {
        if let Some(at) = self.find(peer, side) {
            let connection = self.connections.swap_remove(at);
            self.retire(&connection);
        }
    }

    /// Keeps the counts of a connection that is no more.
    fn retire(&mut self, connection: &Connection) {
        self.sent += connection.sent.counts();
        self.received += connection.received.counts();
    }
}

/// Begins to connect.
fn open(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let to = SocketAddr::new(endpoint.address, endpoint.port);
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(endpoint.local_address, 0).into())?;
    if let Some(how) = &endpoint.authentication {
        authenticate(&socket, endpoint.address, how)?;
    }
    let stream: TcpStream = socket.into();
    prepare(&stream, endpoint)?;
    match socket2::SockRef::from(&stream).connect(&to.into()) {
        Ok(()) => Ok(stream),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Ok(stream),
        Err(error) => Err(error),
    }
}

/// Socket options of both kinds of connection.
fn prepare(stream: &TcpStream, endpoint: &Endpoint) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    if let Some(least) = endpoint.least_ttl {
        least_ttl(stream, endpoint.address.is_ipv6(), least)?;
    }
    let Some(ttl) = endpoint.ttl else { return Ok(()) };
    let socket = socket2::SockRef::from(stream);
    if socket.domain()? == Domain::IPV6 {
        socket.set_unicast_hops_v6(ttl.into())
    } else {
        socket.set_ttl_v4(ttl.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};

    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
    const PEER: PeerId = PeerId(7);

    /// What the sink of one side saw.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Seen {
        connected: Vec<Side>,
        closed: Vec<Side>,
        octets: Vec<u8>,
        room: Option<usize>,
    }

    impl Seen {
        fn note(&mut self, input: &Input<'_>) {
            match *input {
                Input::Connected { side, .. } => self.connected.push(side),
                Input::Closed { side, .. } => self.closed.push(side),
                Input::Stream { octets, .. } => self.octets.extend(octets),
                Input::Writable { room, .. } => self.room = Some(room),
                _ => panic!("not a transport's input"),
            }
        }
    }

    /// A listens, B connects to it.
    fn pair() -> (Transport, Transport) {
        let (mut a, mut b) = (Transport::new(), Transport::new());
        a.listen(SocketAddr::new(A, 0)).unwrap();
        let port = a.listening().next().unwrap().port();
        let end = |address, local_address, ttl| Endpoint {
            peer: PEER,
            address,
            port,
            local_address,
            ttl,
            least_ttl: None,
            authentication: None,
        };
        a.add(end(B, A, None)).unwrap();
        b.add(end(A, B, Some(1))).unwrap();
        (a, b)
    }

    fn pass(transport: &mut Transport, seen: &mut Seen) {
        transport.wait(Duration::from_millis(5), &[], |input| seen.note(&input)).unwrap();
        let mut arrived = vec![];
        transport.admit(|_| true, |peer| arrived.push(peer));
        for peer in arrived {
            seen.note(&Input::Connected { peer, side: Side::Incoming });
            seen.note(&Input::Writable { peer, side: Side::Incoming, room: OUTBOX });
        }
    }

    fn until(done: impl Fn(&Seen, &Seen) -> bool, a: &mut Transport, b: &mut Transport) -> (Seen, Seen) {
        let (mut seen_a, mut seen_b) = (Seen::default(), Seen::default());
        for _ in 0..2000 {
            if done(&seen_a, &seen_b) {
                return (seen_a, seen_b);
            }
            pass(a, &mut seen_a);
            pass(b, &mut seen_b);
        }
        panic!("not reached: {seen_a:?} {seen_b:?}");
    }

    #[test]
    fn both_sides_hear_of_a_connection_and_of_room() {
        let (mut a, mut b) = pair();
        b.connect(PEER);
        let (a, b) = until(|a, b| a.room.is_some() && b.room.is_some(), &mut a, &mut b);
        assert_eq!((a.connected, b.connected), (vec![Side::Incoming], vec![Side::Outgoing]));
        assert_eq!((a.room, b.room), (Some(OUTBOX), Some(OUTBOX)));
    }

    /// What a socket takes at once must not be followed by a sleep until the peer says something.
    #[test]
    fn a_silent_peer_that_reads_is_sent_everything() {
        const PIECES: usize = 64;
        let (mut a, mut b) = pair();
        b.connect(PEER);
        until(|a, b| a.room.is_some() && b.room.is_some(), &mut a, &mut b);
        let (done, finished) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut seen = Seen::default();
            while seen.octets.len() < PIECES * OUTBOX {
                b.wait(Duration::from_secs(1), &[], |input| seen.note(&input)).unwrap();
            }
            done.send(()).unwrap();
        });
        std::thread::spawn(move || {
            let mut left = PIECES;
            while left > 0 {
                left -= 1;
                a.send(PEER, Side::Incoming, &vec![0; OUTBOX]);
                let mut room = 0;
                while room == 0 {
                    a.wait(Duration::from_secs(3600), &[], |input| {
                        if let Input::Writable { room: r, .. } = input {
                            room = r;
                        }
                    })
                    .unwrap();
                }
            }
        });
        finished.recv_timeout(Duration::from_secs(120)).expect("the sender sleeps although there is room");
    }

    #[test]
    fn close_sends_first_what_was_output_before() {
        let (mut a, mut b) = pair();
        b.connect(PEER);
        until(|a, b| a.room.is_some() && b.room.is_some(), &mut a, &mut b);
        let long: Vec<u8> = (0..3_000_000u32).map(|n| n.to_be_bytes()[3]).collect();
        b.send(PEER, Side::Outgoing, &long);
        b.close(PEER, Side::Outgoing);
        let (seen, closer) = until(|a, _| !a.closed.is_empty(), &mut a, &mut b);
        assert!(seen.octets == long, "{} of {} octets", seen.octets.len(), long.len());
        assert_eq!(closer.closed, [], "who closes is not told so");
    }

    #[test]
    fn an_attempt_that_fails_is_closed() {
        let (a, mut b) = pair();
        drop(a);
        b.connect(PEER);
        let (_, b) = until(|_, b| !b.closed.is_empty(), &mut Transport::new(), &mut b);
        assert_eq!((b.connected, b.closed), (vec![], vec![Side::Outgoing]));
    }

    #[test]
    fn a_second_connection_of_a_peer_needs_leave_and_replaces_the_first() {
        let (mut a, mut b) = pair();
        b.connect(PEER);
        until(|a, b| a.room.is_some() && b.room.is_some(), &mut a, &mut b);
        let open = |a: &mut Transport, leave: bool| {
            let second = open(&Endpoint {
                peer: PEER,
                address: A,
                port: a.listening().next().unwrap().port(),
                local_address: B,
                ttl: None,
                least_ttl: None,
                authentication: None,
            });
            for _ in 0..2000 {
                a.wait(Duration::from_millis(5), &[], |_| {}).unwrap();
                if !a.arrivals.is_empty() {
                    let mut admitted = 0;
                    a.admit(|_| leave, |_| admitted += 1);
                    return (second.unwrap(), admitted);
                }
            }
            panic!("it did not arrive");
        };
        let (_refused, admitted) = open(&mut a, false);
        assert_eq!((admitted, a.connections.len()), (0, 1));
        b.send(PEER, Side::Outgoing, b"still there");
        let (seen, _) = until(|a, _| !a.octets.is_empty(), &mut a, &mut b);
        assert_eq!(seen.octets, b"still there");
        let (_kept, admitted) = open(&mut a, true);
        assert_eq!((admitted, a.connections.len()), (1, 1));
        let (_, first) = until(|_, b| !b.closed.is_empty(), &mut a, &mut b);
        assert_eq!(first.closed, [Side::Outgoing], "the first connection ends");
    }

    #[test]
    fn a_stranger_is_not_let_in() {
        let (mut a, _) = pair();
        let to = a.listening().next().unwrap();
        let mut stranger = TcpStream::connect(to).unwrap();
        stranger.set_nonblocking(true).unwrap();
        let mut seen = Seen::default();
        for _ in 0..2000 {
            pass(&mut a, &mut seen);
            match stranger.read(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                end => {
                    assert!(matches!(end, Ok(0) | Err(_)));
                    assert_eq!(seen, Seen::default());
                    return;
                }
            }
        }
        panic!("the stranger's connection stays open");
    }

    #[test]
    fn a_peer_that_never_reads_gets_no_room() {
        let (mut a, mut b) = pair();
        b.connect(PEER);
        until(|a, b| a.room.is_some() && b.room.is_some(), &mut a, &mut b);
        let mut room = OUTBOX;
        let mut sent = 0;
        // Only `b` runs: `a` never reads. Every octet of room is used.
        for _ in 0..2000 {
            b.send(PEER, Side::Outgoing, &vec![0; room]);
            sent += room;
            let mut seen = Seen::default();
            pass(&mut b, &mut seen);
            room = seen.room.unwrap_or(0);
            if seen.room == Some(0) {
                break;
            }
        }
        assert_eq!(room, 0, "after {sent} octets");
        let waiting = b.connections[0].outbox.len();
        assert!(waiting > OUTBOX / 2 && waiting <= OUTBOX, "{waiting}");
    }
}
