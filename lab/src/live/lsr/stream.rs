//! TCP connections of LDP sessions.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Context;
use nix::poll::PollFlags;
use p2mp_pw::ldp::LdpId;
use socket2::{Domain, Protocol, Socket, Type};

use super::hello::PORT;
use crate::live::security::{Authentication, authenticate, least_ttl};

/// Octets that may wait for a socket before the speaker is told to hold labels back.
const OUTBOX: usize = 256 * 1024;
/// Octets read from one connection before the others have their turn.
const READ: usize = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    connecting: bool,
    outbox: VecDeque<u8>,
    full: bool,
    /// Close once the outbox is empty.
    closing: bool,
}

/// What happened to connections.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::live) enum Happened {
    /// The connection that we opened is up.
    Connected(LdpId),
    /// Octets came.
    Octets(LdpId, Vec<u8>),
    /// There is room again, or none.
    Writable(LdpId, bool),
    /// It is over.
    Closed(LdpId),
}

/// Listeners and connections.
#[derive(Debug, Default)]
pub(in crate::live) struct Streams {
    listeners: Vec<TcpListener>,
    connections: BTreeMap<LdpId, Connection>,
    /// Closed connections with octets that have not left.
    farewells: Vec<Connection>,
    failed: Vec<LdpId>,
    /// The least TTL of what listeners take.
    least: u8,
}

fn socket(local: IpAddr, port: u16) -> io::Result<Socket> {
    let domain = if local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // RFC 6720 §3: what we send may have to pass GTSM at the peer; accepted connections inherit it.
    if local.is_ipv4() {
        socket.set_ttl_v4(255)?
    } else {
        socket.set_unicast_hops_v6(255)?
    }
    socket.bind(&std::net::SocketAddr::from((local, port)).into())?;
    Ok(socket)
}

impl Streams {
    /// Listens at the transport addresses.
    pub(in crate::live) fn listen(transport: &[IpAddr]) -> anyhow::Result<Self> {
        let mut streams = Self::default();
        for local in transport {
            let listener = socket(*local, PORT).and_then(|socket| socket.listen(BACKLOG).map(|()| socket));
            streams.listeners.push(listener.with_context(|| format!("TCP port {PORT} of {local}"))?.into());
        }
        Ok(streams)
    }

    /// Takes connections from an address only if they are authenticated (RFC 5036 §2.9).
    pub(in crate::live) fn authenticate(&self, remote: IpAddr, how: &Authentication) -> io::Result<()> {
        for listener in &self.listeners {
            if listener.local_addr()?.is_ipv4() == remote.is_ipv4() {
                authenticate(listener, remote, how)?;
            }
        }
        Ok(())
    }

    /// Opens a connection.
    pub(in crate::live) fn connect(
        &mut self,
        peer: LdpId,
        (local, remote): (IpAddr, IpAddr),
        gtsm: bool,
        how: Option<&Authentication>,
    ) {
        let open = || -> io::Result<TcpStream> {
            let socket = socket(local, 0)?;
            if let Some(how) = how {
                authenticate(&socket, remote, how)?;
            }
            if gtsm {
                least_ttl(&socket, local.is_ipv6(), 255)?;
            }
            match socket.connect(&std::net::SocketAddr::from((remote, PORT)).into()) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => {}
                Err(error) => return Err(error),
            }
            Ok(socket.into())
        };
        match open() {
            Ok(stream) => self.insert(peer, stream, true),
            Err(_) => self.failed.push(peer),
        }
    }

    fn insert(&mut self, peer: LdpId, stream: TcpStream, connecting: bool) {
        let connection = Connection { stream, connecting, outbox: VecDeque::new(), full: false, closing: false };
        self.connections.insert(peer, connection);
    }

    /// Drops what comes to listeners with less than this TTL: 255 where all peers are on our links, so that nothing is taken before a
    /// connection's own least TTL is in force (RFC 6720 §3).
    pub(in crate::live) fn listen_within(&mut self, least: u8) -> io::Result<()> {
        if self.least != least {
            self.least = least;
            for listener in &self.listeners {
                least_ttl(listener, listener.local_addr()?.is_ipv6(), least)?;
            }
        }
        Ok(())
    }

    /// Takes connections that peers opened: `admits` says whose one is, and whether it must have come over one hop.
    pub(in crate::live) fn accept(
        &mut self,
        mut admits: impl FnMut(IpAddr) -> Option<(LdpId, bool)>,
    ) -> io::Result<Vec<LdpId>> {
        let mut accepted = Vec::new();
        loop {
            let next = self.listeners.iter().find_map(|listener| match listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                other => Some(other),
            });
            let Some(next) = next else { return Ok(accepted) };
            let (stream, from) = match next {
                Ok(taken) => taken,
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => continue,
                Err(error) => return Err(error),
            };
            let Some((peer, gtsm)) = admits(from.ip()).filter(|(peer, _)| !self.connections.contains_key(peer)) else {
                continue;
            };
            stream.set_nonblocking(true)?;
            if gtsm {
                least_ttl(&stream, from.is_ipv6(), 255)?;
                // Octets that came before may be from anywhere.
                if self.least < 255 && stream.peek(&mut [0]).is_ok() {
                    continue;
                }
            }
            self.insert(peer, stream, false);
            accepted.push(peer);
        }
    }

    /// Sends octets when the socket takes them.
    pub(in crate::live) fn send(&mut self, peer: LdpId, octets: &[u8]) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.outbox.extend(octets);
        }
    }

    /// Closes after what was sent before.
    pub(in crate::live) fn close(&mut self, peer: LdpId) {
        if let Some(mut connection) = self.connections.remove(&peer) {
            connection.closing = true;
            if connection.flush().is_ok() && !connection.outbox.is_empty() {
                self.farewells.push(connection);
            }
        }
    }

    /// What to wait for.
    pub(in crate::live) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let listeners = self.listeners.iter().map(|l| (l.as_fd(), PollFlags::POLLIN));
        let connections = self.connections.values().chain(&self.farewells).map(|c| {
            let flags = match (c.connecting || !c.outbox.is_empty(), c.connecting || c.closing) {
                (true, true) => PollFlags::POLLOUT,
                (true, false) => PollFlags::POLLIN | PollFlags::POLLOUT,
                (false, _) => PollFlags::POLLIN,
            };
            (c.stream.as_fd(), flags)
        });
        listeners.chain(connections)
    }

    /// Moves octets both ways, a bounded amount.
    pub(in crate::live) fn advance(&mut self) -> Vec<Happened> {
        let mut happened: Vec<Happened> = self.failed.drain(..).map(Happened::Closed).collect();
        self.farewells.retain_mut(|connection| connection.flush().is_ok() && !connection.outbox.is_empty());
        let mut over = Vec::new();
        for (peer, connection) in &mut self.connections {
            if connection.advance(*peer, &mut happened).is_err() {
                over.push(*peer);
                happened.push(Happened::Closed(*peer));
            }
        }
        for peer in over {
            self.connections.remove(&peer);
        }
        happened
    }
}

impl Connection {
    fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            let (head, _) = self.outbox.as_slices();
            match self.stream.write(head) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.outbox.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance(&mut self, peer: LdpId, happened: &mut Vec<Happened>) -> io::Result<()> {
        if self.connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error);
            }
            match self.stream.peer_addr() {
                Ok(_) => {
                    self.connecting = false;
                    happened.push(Happened::Connected(peer));
                }
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.flush()?;
        if self.full != (self.outbox.len() >= OUTBOX) {
            self.full = !self.full;
            happened.push(Happened::Writable(peer, !self.full));
        }
        let mut buffer = [0; READ];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                happened.push(Happened::Octets(peer, buffer[..n].to_vec()));
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
