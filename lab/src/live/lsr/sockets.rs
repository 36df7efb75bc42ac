//! The sockets of an LDP speaker: what arrives goes in, and what it wants sent goes out.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use fwd_core::net::Authentication;
use fwd_core::time::Instant;
use nix::poll::PollFlags;
use p2mp_pw::ldp::speaker::{Input, LdpSpeaker, Output};

use super::hello::Hellos;
use super::stream::{Happened, Streams};

/// Hellos and connections.
#[derive(Debug)]
pub(in crate::live) struct Sockets {
    pub(in crate::live) hellos: Hellos,
    pub(in crate::live) streams: Streams,
}

impl Sockets {
    /// Authenticates sessions with a peer's transport address.
    pub(in crate::live) fn authenticate(
        &mut self,
        now: Instant,
        speaker: &mut LdpSpeaker,
        remote: IpAddr,
        how: Authentication,
    ) -> anyhow::Result<()> {
        self.streams.authenticate(remote, &how)?;
        Ok(speaker.set_authentication(now, remote, Some(how))?)
    }

    /// What to wait for.
    pub(in crate::live) fn descriptors(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.hellos.descriptors().map(|fd| (fd, PollFlags::POLLIN)).chain(self.streams.descriptors())
    }

    /// Gives the speaker what arrived.
    pub(in crate::live) fn receive(&mut self, now: Instant, speaker: &mut LdpSpeaker) -> io::Result<()> {
        for hello in self.hellos.receive()? {
            let input = Input::Datagram {
                from: hello.datagram.from.ip(),
                iface: hello.iface,
                to_all_routers: hello.to_all_routers,
                ttl: hello.datagram.ttl,
                octets: &hello.datagram.octets,
            };
            speaker.handle_input(now, input);
        }
        self.streams.listen_within(if speaker.all_use_gtsm() { u8::MAX } else { 0 })?;
        for peer in self.streams.accept(|from| speaker.admits(from).map(|peer| (peer, speaker.uses_gtsm(peer))))? {
            speaker.handle_input(now, Input::Connected { peer });
        }
        for happened in self.streams.advance() {
            let input = match &happened {
                Happened::Connected(peer) => Input::Connected { peer: *peer },
                Happened::Octets(peer, octets) => Input::Stream { peer: *peer, octets },
                Happened::Writable(peer, writable) => Input::Writable { peer: *peer, writable: *writable },
                Happened::Closed(peer) => Input::Closed { peer: *peer },
            };
            speaker.handle_input(now, input);
        }
        Ok(())
    }

    /// Does what the speaker wants of sockets; returns what is for others.
    pub(in crate::live) fn carry_out(&mut self, output: Output) -> Option<Output> {
        match output {
            Output::Datagram { to, from, octets, .. } => self.hellos.send(to, from, &octets),
            Output::Connect { peer, local, remote, gtsm, authentication } => {
                self.streams.connect(peer, (local, remote), gtsm, authentication.as_ref());
            }
            Output::Stream { peer, octets } => self.streams.send(peer, &octets),
            Output::Close { peer } => self.streams.close(peer),
            other => return Some(other),
        }
        None
    }
}
