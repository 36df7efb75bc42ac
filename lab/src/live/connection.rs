//! One TCP connection of a speaker: what waits to be sent, and the room that the speaker knows of.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use bgp_vpn::speaker::{Input, PeerId, Side};
use rustix::event::PollFlags;

use super::meter::Meter;

/// Octets that may wait for a socket before the speaker is told that there is no room: 256 KiB per connection.
pub const OUTBOX: usize = 256 * 1024;
/// The longest message (RFC 8654 §2).
const LONGEST_MESSAGE: usize = 65_535;
/// Octets read from one connection before the others have their turn.
const READ: usize = 64 * 1024;

/// One TCP connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: PeerId,
    pub(super) side: Side,
    pub(super) stream: TcpStream,
    /// The three-way handshake of an outgoing connection is not done.
    pub(super) connecting: bool,
    pub(super) outbox: VecDeque<u8>,
    /// Octets have left since the speaker was told of the room.
    pub(super) drained: bool,
    /// The room that the speaker was told of and has not used.
    pub(super) told: usize,
    /// The speaker was told that there is no room.
    pub(super) full: bool,
    pub(super) sent: Meter,
    pub(super) received: Meter,
}

/// A connection that the speaker closed: what it said before is still to be sent, then our FIN, then the peer's is awaited so that no
/// reset overtakes a NOTIFICATION.
#[derive(Debug)]
pub(super) struct Farewell {
    pub(super) connection: Connection,
    pub(super) until: Instant,
    pub(super) fin_sent: bool,
}

impl Connection {
    pub(super) fn new(peer: PeerId, side: Side, stream: TcpStream, connecting: bool) -> Self {
        Self {
            peer,
            side,
            stream,
            connecting,
            outbox: VecDeque::new(),
            drained: false,
            told: OUTBOX,
            full: false,
            sent: Meter::default(),
            received: Meter::default(),
        }
    }

    pub(super) fn interest(&self) -> PollFlags {
        match (self.connecting, self.outbox.is_empty()) {
            (true, _) => PollFlags::OUT,
            (false, true) => PollFlags::IN,
            (false, false) => PollFlags::IN | PollFlags::OUT,
        }
    }

    /// Writes what the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            let (head, _) = self.outbox.as_slices();
            match self.stream.write(head) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.sent.feed(&head[..n]);
                    self.outbox.drain(..n);
                    self.drained = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there, a bounded amount. `false`: the connection is over.
    pub(super) fn read(&mut self, mut sink: impl FnMut(&[u8])) -> bool {
        let mut buffer = [0; READ];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.received.feed(&buffer[..n]);
                sink(&buffer[..n]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    /// Octets have left, and half the outbox is free again.
    pub(super) fn has_room_to_report(&self) -> bool {
        self.drained && OUTBOX.saturating_sub(self.outbox.len()) >= OUTBOX / 2
    }

    /// Tells the speaker of room once half the outbox is free again, and that there is none when it has used what it knew of.
    pub(super) fn report_room(&mut self, sink: &mut impl FnMut(Input<'_>)) {
        let (peer, side, room) = (self.peer, self.side, OUTBOX.saturating_sub(self.outbox.len()));
        if self.has_room_to_report() {
            (self.drained, self.full, self.told) = (false, false, room);
            sink(Input::Writable { peer, side, room });
        } else if self.told < LONGEST_MESSAGE && !self.full {
            (self.full, self.told) = (true, 0);
            sink(Input::Writable { peer, side, room: 0 });
        }
    }
}

impl Farewell {
    /// Goes on with the closing; `true` when it is done or has taken too long.
    pub(super) fn advance(&mut self) -> bool {
        if self.connection.flush().is_err() || Instant::now() >= self.until {
            return true;
        }
        if self.connection.outbox.is_empty() && !self.fin_sent {
            self.fin_sent = true;
            if self.connection.stream.shutdown(std::net::Shutdown::Write).is_err() {
                return true;
            }
        }
        !self.connection.read(|_| {})
    }
}
