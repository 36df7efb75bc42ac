//! All connections of one host.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use bgp_vpn::session::Protection;
use fwd_core::net::{Authentication, VrfId};
use fwd_core::tcp_ao::crypto::rustcrypto::RustCrypto;
use fwd_core::tcp_ao::{self, Keys, Mkt, Peers, SocketPair};
use fwd_core::time::Instant;

use super::connection::{Connection, State, TcpConfig};
use crate::sim::packet::{IpView, TcpSegment, tcp_flags as flag, tcp_packet};
use crate::sim::rng::mix;

/// A connection, named by its ends. Equal addresses in different VRFs are different ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The routing table its packets travel in.
    pub vrf: VrfId,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpEvent {
    /// It is open; `true`: the other end opened it.
    Connected(Endpoint, bool),
    /// Octets arrived.
    Received(Endpoint, Vec<u8>),
    /// So many octets may be written.
    Writable(Endpoint, usize),
    /// The other end closed or reset it, or it timed out. Not told of a connection that our side closed.
    Closed(Endpoint),
}

#[derive(Debug)]
struct Entry {
    connection: Connection,
    /// How it is authenticated (RFC 5925).
    ao: Option<tcp_ao::Connection>,
    incoming: bool,
    /// Our side closed it and wants to hear no more.
    orphan: bool,
}

/// The TCP of one host.
#[derive(Debug, Default)]
pub struct Stack {
    config: TcpConfig,
    connections: BTreeMap<Endpoint, Entry>,
    /// Who may connect to which local port.
    accepted: BTreeSet<(VrfId, IpAddr, u16)>,
    keys: BTreeMap<VrfId, Keys>,
    /// The least TTL of a host's packets (RFC 5082 §3).
    near: BTreeMap<(VrfId, IpAddr), u8>,
    /// SYNs that were not authenticated, and packets from too far.
    dropped: u64,
    opened: u64,
    packets: VecDeque<(VrfId, Vec<u8>)>,
    events: VecDeque<TcpEvent>,
}

impl Stack {
    /// The first port of connections that this host opens.
    const FIRST_PORT: u16 = 32_768;

    /// A host without connections.
    #[must_use]
    pub fn new(config: TcpConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Lets `remote` connect to local port `port`.
    pub fn listen(&mut self, vrf: VrfId, remote: IpAddr, port: u16) {
        self.accepted.insert((vrf, remote, port));
    }

    /// Opens a connection; [`TcpEvent::Connected`] or [`TcpEvent::Closed`] follows.
    pub fn connect(&mut self, now: Instant, vrf: VrfId, local: IpAddr, remote: SocketAddr) -> Endpoint {
        let port = Self::FIRST_PORT + (self.opened % 32_768) as u16;
        let endpoint = Endpoint { vrf, local: SocketAddr::new(local, port), remote };
        let isn = self.next_isn();
        let connection = Connection::new(self.config, isn, State::SynSent);
        let ao = self.keys.get(&vrf).and_then(|keys| keys.open(pair(endpoint), isn));
        self.connections.insert(endpoint, Entry { connection, ao, incoming: false, orphan: false });
        self.flush(now, endpoint);
        endpoint
    }

    /// Asks of connections with `remote` what `protection` says, of those that begin later.
    ///
    /// # Errors
    /// TCP MD5, which this TCP has not; a key that cannot be.
    pub fn protect(
        &mut self,
        vrf: VrfId,
        local: IpAddr,
        remote: IpAddr,
        protection: &Protection,
    ) -> Result<(), tcp_ao::ConfigError> {
        if let Some(least) = protection.least_ttl() {
            self.near.insert((vrf, remote), least);
        }
        match &protection.authentication {
            None => Ok(()),
            Some(Authentication::Ao { key, id }) => {
                self.keys(vrf).add(Mkt::new(Peers::between(local, remote), *id, key))
            }
            Some(Authentication::Md5(key)) => {
                let (field, rule) = ("authentication", "one of TCP-AO");
                Err(tcp_ao::ConfigError::Value { field, value: key.len(), rule })
            }
        }
    }

    /// The keys of connections that begin later.
    pub fn keys(&mut self, vrf: VrfId) -> &mut Keys {
        self.keys.entry(vrf).or_default()
    }

    /// How an open connection is authenticated, if it is: to look at it, and to change its keys.
    pub fn authentication(&mut self, endpoint: Endpoint) -> Option<&mut tcp_ao::Connection> {
        self.connections.get_mut(&endpoint)?.ao.as_mut()
    }

    /// SYNs that were dropped because they were not authenticated, and packets that came from too far.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn next_isn(&mut self) -> u32 {
        self.opened += 1;
        mix(self.opened) as u32
    }

    /// Writes octets. What exceeds the room told by [`TcpEvent::Writable`] is buffered all the same.
    pub fn send(&mut self, now: Instant, endpoint: Endpoint, octets: &[u8]) {
        if let Some(entry) = self.connections.get_mut(&endpoint) {
            entry.connection.write(octets);
            self.flush(now, endpoint);
        }
    }

    /// Closes a connection behind what was written.
    pub fn close(&mut self, now: Instant, endpoint: Endpoint) {
        if let Some(entry) = self.connections.get_mut(&endpoint) {
            entry.orphan = true;
            entry.connection.close();
            self.flush(now, endpoint);
        }
    }

    /// Resets a connection, as a crash does.
    pub fn abort(&mut self, endpoint: Endpoint) {
        if let Some(mut entry) = self.connections.remove(&endpoint) {
            let segment = entry.connection.segment(0, flag::RST, &[], &[]);
            let ttl = self.ttl(endpoint);
            self.packets.extend(packet(endpoint, ttl, segment, entry.ao.as_mut()).map(|p| (endpoint.vrf, p)));
        }
    }

    /// Connections that exist.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> + '_ {
        self.connections.keys().copied()
    }

    /// An IP packet with a TCP segment for this host arrived.
    pub fn handle_packet(&mut self, now: Instant, vrf: VrfId, view: &IpView<'_>) {
        let Some(segment) = TcpSegment::parse(view.payload) else { return };
        let endpoint = Endpoint {
            vrf,
            local: SocketAddr::new(view.dst, segment.dst_port),
            remote: SocketAddr::new(view.src, segment.src_port),
        };
        if self.near.get(&(vrf, view.src)).is_some_and(|least| view.ttl < *least) {
            self.dropped += 1;
            return;
        }
        if let Some(entry) = self.connections.get_mut(&endpoint) {
            if entry.ao.as_mut().is_some_and(|ao| ao.verify(view.payload, &RustCrypto).is_err()) {
                return;
            }
        } else {
            let syn = segment.has(flag::SYN) && !segment.has(flag::ACK);
            if !syn || !self.accepted.contains(&(vrf, view.src, segment.dst_port)) {
                self.refuse(endpoint, &segment);
                return;
            }
            let isn = self.next_isn();
            let keys = self.keys.entry(vrf).or_default();
            let Ok(ao) = keys.accept(pair(endpoint), isn, view.payload, &RustCrypto) else {
                self.dropped += 1;
                return;
            };
            let connection = Connection::new(self.config, isn, State::SynReceived);
            self.connections.insert(endpoint, Entry { connection, ao, incoming: true, orphan: false });
        }
        if let Some(entry) = self.connections.get_mut(&endpoint) {
            entry.connection.on_segment(now, &segment);
        }
        self.flush(now, endpoint);
    }

    fn refuse(&mut self, endpoint: Endpoint, segment: &TcpSegment<'_>) {
        if segment.has(flag::RST) {
            return;
        }
        let len = segment.payload.len() as u32 + u32::from(segment.has(flag::SYN)) + u32::from(segment.has(flag::FIN));
        let reset = TcpSegment {
            src_port: 0,
            dst_port: 0,
            seq: segment.ack,
            ack: segment.seq.wrapping_add(len),
            flags: flag::RST | flag::ACK,
            window: 0,
            options: &[],
            payload: &[],
        };
        // There is no connection, and so no key (RFC 5925 §5.2).
        self.packets.extend(packet(endpoint, self.ttl(endpoint), reset, None).map(|p| (endpoint.vrf, p)));
    }

    /// 255 to hosts that ask for it as we do of them.
    fn ttl(&self, endpoint: Endpoint) -> u8 {
        if self.near.contains_key(&(endpoint.vrf, endpoint.remote.ip())) { u8::MAX } else { 64 }
    }

    /// Timers of the stack are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<Endpoint> = self
            .connections
            .iter()
            .filter(|(_, e)| e.connection.next_timeout().is_some_and(|at| at <= now))
            .map(|(endpoint, _)| *endpoint)
            .collect();
        for endpoint in due {
            if let Some(entry) = self.connections.get_mut(&endpoint) {
                entry.connection.on_timeout(now);
            }
            self.flush(now, endpoint);
        }
    }

    /// When [`Stack::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.connections.values().filter_map(|e| e.connection.next_timeout()).min()
    }

    /// The next IP packet to send.
    pub fn poll_packet(&mut self) -> Option<(VrfId, Vec<u8>)> {
        self.packets.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<TcpEvent> {
        self.events.pop_front()
    }

    /// Sends what a connection owes and tells what it has to tell.
    fn flush(&mut self, now: Instant, endpoint: Endpoint) {
        let ttl = self.ttl(endpoint);
        let Some(entry) = self.connections.get_mut(&endpoint) else { return };
        let told = std::mem::take(&mut entry.connection.told);
        if told.closed && entry.connection.state != State::Gone {
            entry.connection.close();
        }
        let mut due: Vec<(u64, u8, Vec<u8>)> = Vec::new();
        entry.connection.flush(now, |offset, flags, data| due.push((offset, flags, data.to_vec())));
        let [high, low] = (self.config.mss as u16).to_be_bytes();
        let syn_options = [2, 4, high, low, 1, 3, 3, TcpConfig::WINDOW_SHIFT];
        for (offset, flags, data) in &due {
            let options = if flags & flag::SYN != 0 { &syn_options[..] } else { &[] };
            let segment = entry.connection.segment(*offset, *flags, options, data);
            let signed = packet(endpoint, ttl, segment, entry.ao.as_mut());
            self.packets.extend(signed.map(|p| (endpoint.vrf, p)));
        }
        if !entry.orphan {
            if told.connected {
                self.events.push_back(TcpEvent::Connected(endpoint, entry.incoming));
            }
            if !told.data.is_empty() {
                self.events.push_back(TcpEvent::Received(endpoint, told.data));
            }
            if (told.connected || told.writable) && !told.closed {
                self.events.push_back(TcpEvent::Writable(endpoint, entry.connection.room()));
            }
            if told.closed {
                self.events.push_back(TcpEvent::Closed(endpoint));
            }
        }
        if told.closed || entry.connection.state == State::Gone {
            self.connections.remove(&endpoint);
        }
    }
}

fn pair(endpoint: Endpoint) -> SocketPair {
    SocketPair { local: endpoint.local, remote: endpoint.remote }
}

/// A segment in its packet, authenticated where the connection is.
fn packet(
    endpoint: Endpoint,
    ttl: u8,
    segment: TcpSegment<'_>,
    ao: Option<&mut tcp_ao::Connection>,
) -> Option<Vec<u8>> {
    let mut options = segment.options.to_vec();
    if let Some(ao) = &ao {
        ao.blank().emit(&mut options);
    }
    let (src_port, dst_port) = (endpoint.local.port(), endpoint.remote.port());
    let mut octets = TcpSegment { src_port, dst_port, options: &options, ..segment }.octets()?;
    if let Some(ao) = ao {
        ao.sign(&mut octets, &RustCrypto).ok()?;
    }
    tcp_packet(endpoint.local.ip(), endpoint.remote.ip(), ttl, octets)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::sim::rng::Rng;

    const VRF: VrfId = VrfId::GLOBAL;

    struct Pair {
        now: Instant,
        stacks: [Stack; 2],
        /// Packets on their way: arrival, tie-breaker, receiver, octets.
        wire: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
        sent: u64,
        rng: Rng,
        loss: u32,
        cut: bool,
        events: [Vec<TcpEvent>; 2],
    }

    impl Pair {
        fn new(seed: u64, loss: u32) -> Self {
            let mut stacks = [Stack::default(), Stack::default()];
            stacks[1].listen(VRF, "10.0.0.1".parse().unwrap(), 179);
            let events = [Vec::new(), Vec::new()];
            Self {
                now: Instant::ZERO,
                stacks,
                wire: BTreeMap::new(),
                sent: 0,
                rng: Rng::new(seed),
                loss,
                cut: false,
                events,
            }
        }

        fn connect(&mut self) -> Endpoint {
            let (local, remote) = ("10.0.0.1".parse().unwrap(), "10.0.0.2:179".parse().unwrap());
            self.stacks[0].connect(self.now, VRF, local, remote)
        }

        fn collect(&mut self) {
            for side in 0..2 {
                while let Some((_, packet)) = self.stacks[side].poll_packet() {
                    self.sent += 1;
                    if self.cut || self.rng.per_million(self.loss) {
                        continue;
                    }
                    let late = self.rng.up_to(Duration::from_millis(20));
                    let twice = self.rng.per_million(self.loss / 2);
                    for n in 0..=u64::from(twice) {
                        let at = self.now + Duration::from_millis(5) + late * (1 + n as u32);
                        self.wire.insert((at, self.sent * 2 + n), (1 - side, packet.clone()));
                    }
                }
                while let Some(event) = self.stacks[side].poll_event() {
                    self.events[side].push(event);
                }
            }
        }

        fn run(&mut self, until: Instant) {
            self.collect();
            loop {
                let packet = self.wire.first_key_value().map(|(key, _)| key.0);
                let timer = self.stacks.iter().filter_map(Stack::next_timeout).min();
                let Some(at) = packet.into_iter().chain(timer).min().filter(|at| *at <= until) else { break };
                self.now = self.now.max(at);
                if packet == Some(at) {
                    let (to, octets) = self.wire.pop_first().unwrap().1;
                    self.stacks[to].handle_packet(self.now, VRF, &IpView::parse(&octets).unwrap());
                } else {
                    self.stacks.iter_mut().for_each(|s| s.handle_timeout(at));
                }
                self.collect();
            }
            self.now = until;
        }

        fn received(&self, side: usize) -> Vec<u8> {
            self.events[side]
                .iter()
                .filter_map(|e| match e {
                    TcpEvent::Received(_, octets) => Some(octets.clone()),
                    _ => None,
                })
                .flatten()
                .collect()
        }
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Loss, reordering and duplication only delay.
        #[test]
        fn octets_arrive_in_order_and_complete(seed: u64, loss in 0u32..200_000, len in 0usize..200_000) {
            let mut pair = Pair::new(seed, loss);
            let endpoint = pair.connect();
            pair.run(Instant::from_secs(60));
            prop_assert!(matches!(pair.events[0].first(), Some(TcpEvent::Connected(_, false))));
            prop_assert!(matches!(pair.events[1].first(), Some(TcpEvent::Connected(_, true))));
            pair.stacks[0].send(pair.now, endpoint, &pattern(len));
            pair.stacks[0].close(pair.now, endpoint);
            pair.run(Instant::from_secs(4000));
            prop_assert_eq!(pair.received(1), pattern(len));
            prop_assert!(matches!(pair.events[1].last(), Some(TcpEvent::Closed(_))));
            prop_assert_eq!(pair.stacks[0].connections.len() + pair.stacks[1].connections.len(), 0);
        }
    }

    #[test]
    fn a_long_partition_breaks_and_a_short_one_does_not() {
        for (seconds, broken) in [(50, false), (150, true)] {
            let mut pair = Pair::new(1, 0);
            let endpoint = pair.connect();
            pair.run(Instant::from_secs(1));
            pair.cut = true;
            pair.stacks[0].send(pair.now, endpoint, b"hello");
            pair.run(Instant::from_secs(1 + seconds));
            pair.cut = false;
            pair.run(Instant::from_secs(400));
            assert_eq!(pair.events[0].contains(&TcpEvent::Closed(endpoint)), broken, "{seconds} s");
            assert_eq!(pair.received(1), if broken { &b""[..] } else { b"hello" });
        }
    }

    #[test]
    fn room_is_told_and_bounded() {
        let mut pair = Pair::new(1, 0);
        let endpoint = pair.connect();
        pair.run(Instant::from_secs(1));
        let full = TcpConfig::default().buffer;
        assert!(pair.events[0].contains(&TcpEvent::Writable(endpoint, full)));
        pair.events[0].clear();
        pair.cut = true;
        pair.stacks[0].send(pair.now, endpoint, &pattern(full));
        pair.run(Instant::from_secs(2));
        assert!(pair.events[0].is_empty(), "no room while nothing is acknowledged");
        pair.cut = false;
        pair.run(Instant::from_secs(20));
        assert_eq!(pair.received(1).len(), full);
        assert!(pair.events[0].contains(&TcpEvent::Writable(endpoint, full)));
    }

    #[test]
    fn strangers_are_reset_and_aborts_are_seen() {
        let mut pair = Pair::new(1, 0);
        let remote = "10.0.0.2:180".parse().unwrap();
        let stranger = pair.stacks[0].connect(pair.now, VRF, "10.0.0.1".parse().unwrap(), remote);
        pair.run(Instant::from_secs(1));
        assert_eq!(pair.events[0], [TcpEvent::Closed(stranger)]);
        let endpoint = pair.connect();
        pair.run(Instant::from_secs(2));
        pair.stacks[0].abort(endpoint);
        pair.run(Instant::from_secs(3));
        assert!(matches!(pair.events[1].last(), Some(TcpEvent::Closed(_))));
    }
}
