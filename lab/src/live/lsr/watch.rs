//! BFD sessions of links and of routed paths.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::Context;
use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use p2mp_pw::bfd::{
    Arrival, Bfd, BfdConfig, Event, Input, MULTIHOP_PORT, Output, PORT, Path, SessionConfig, SessionId, Via,
};
use serde_json::{Value, json};

use super::config::Config;
use super::datagram::Endpoint;

/// The machine, its sockets and what sessions are called.
#[derive(Debug)]
pub(super) struct Watch {
    bfd: Bfd,
    /// The interface, our address and the port of each socket that hears.
    sockets: Vec<(IfIndex, IpAddr, u16, Endpoint)>,
    /// Sockets that send, by source and source port.
    senders: HashMap<(IpAddr, u16), Endpoint>,
    sessions: Vec<(SessionId, IpAddr)>,
}

impl Watch {
    /// Starts the sessions of the configuration.
    pub(super) fn open(now: Instant, seed: u64, config: &Config) -> anyhow::Result<Self> {
        let bfd = Bfd::new(now, BfdConfig { seed, ..BfdConfig::default() })?;
        let mut watch = Self { bfd, sockets: Vec::new(), senders: HashMap::new(), sessions: Vec::new() };
        for session in &config.bfd {
            let (local, remote) = (session.local, session.remote);
            let (path, iface, port) = match &session.interface {
                Some(name) => {
                    let iface = IfIndex(config.interface(name)?);
                    (Path::SingleHop { iface, local, remote }, iface, PORT)
                }
                None => (Path::MultiHop { local, remote, min_ttl: 0 }, IfIndex(0), MULTIHOP_PORT),
            };
            if !watch.sockets.iter().any(|(i, l, p, _)| (*i, *l, *p) == (iface, local, port)) {
                let endpoint =
                    Endpoint::open(at(local, port, session.interface.as_deref()), session.interface.as_deref())
                        .with_context(|| format!("UDP port {port} of {local}"))?;
                watch.sockets.push((iface, local, port, endpoint));
            }
            let interval = Duration::from_millis(session.interval.into());
            let config =
                SessionConfig { desired_min_tx: interval, required_min_rx: interval, ..SessionConfig::new(path) };
            watch.sessions.push((watch.bfd.add_session(now, config)?, remote));
        }
        Ok(watch)
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|(_, _, _, endpoint)| endpoint.as_fd())
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.bfd.next_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.bfd.handle_timeout(now);
    }

    /// Takes packets that are there.
    pub(super) fn receive(&mut self, now: Instant) -> io::Result<()> {
        for (iface, to, port, endpoint) in &self.sockets {
            while let Some(datagram) = endpoint.receive()? {
                let (from, source_port) = (datagram.from.ip(), datagram.from.port());
                let arrival =
                    Arrival::Udp { iface: *iface, from, to: *to, ttl: datagram.ttl, source_port, port: *port };
                self.bfd.handle_input(now, Input::Packet { arrival, octets: &datagram.octets });
            }
        }
        Ok(())
    }

    /// Sends what is due; returns what happened.
    pub(super) fn carry_out(&mut self, names: &[String]) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(output) = self.bfd.poll_output() {
            match output {
                Output::Packet { via: Via::Udp { iface, from, to, source_port, port }, octets } => {
                    let name = iface.and_then(|i| names.get((i.0 as usize).wrapping_sub(1))).map(String::as_str);
                    let sender = match self.senders.entry((from, source_port)) {
                        Entry::Occupied(open) => open.into_mut(),
                        Entry::Vacant(place) => match Endpoint::open(at(from, source_port, name), name) {
                            Ok(endpoint) => place.insert(endpoint),
                            Err(_) => continue,
                        },
                    };
                    // One that is lost is what BFD is there to notice.
                    let _ = sender.send(at(to, port, name), &octets);
                }
                Output::Event(Event::State { session, state, diag, remote_diag }) => {
                    let remote = self.sessions.iter().find(|(id, _)| *id == session).map(|(_, remote)| remote);
                    events.push(json!({"event": "bfd", "remote": remote, "state": format!("{state:?}"),
                        "diag": format!("{diag:?}"), "remote-diag": format!("{remote_diag:?}")}));
                }
                // Links and routed paths alone have sessions here.
                Output::Packet { .. } | Output::Event(_) => {}
            }
        }
        events
    }

    pub(super) fn show(&self) -> Value {
        let session = |(id, remote): &(SessionId, IpAddr)| {
            let state = self.bfd.state(*id).map(|(state, _)| format!("{state:?}"));
            let detection = self.bfd.detection_time(*id).map(|time| time.as_millis().to_string());
            json!({"remote": remote, "state": state, "detection-ms": detection})
        };
        self.sessions.iter().map(session).collect()
    }
}

/// A socket address; a link-local one is on its link.
fn at(address: IpAddr, port: u16, interface: Option<&str>) -> SocketAddr {
    match address {
        IpAddr::V6(a) if a.is_unicast_link_local() => {
            let index = interface.and_then(|name| nix::net::if_::if_nametoindex(name).ok()).unwrap_or(0);
            SocketAddrV6::new(a, port, 0, index).into()
        }
        other => (other, port).into(),
    }
}
