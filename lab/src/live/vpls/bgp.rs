//! BGP sessions of a PE in the families of L2VPNs, and the best of the routes that they bring.
//!
//! Peers are internal: a reflector or two, or the other PEs. Of one route from several peers that of the greatest LOCAL_PREF counts, then
//! that of the lowest peer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Context;
use bgp_vpn::attr::{AsPathBuf, Attribute, ExtCommunities, ListItem, NextHop, Origin, PmsiTunnel};
use bgp_vpn::message::{FaultAction, MpPosition, Update, UpdateWriter, emit_end_of_rib};
use bgp_vpn::nlri::{Family, McastVplsNlri, OpaqueNlri, VplsNlri};
use bgp_vpn::session::{Input as SessionInput, Negotiated, Output as SessionOutput, Session};
use bgp_vpn::speaker::{Input, PeerId, Side};
use fwd_core::time::Instant;
use serde_json::{Value, json};
use vpls::bgp::{Nlri, RouteAttributes, RouteKey};

use super::config::Config;
use crate::live::connection::OUTBOX;
use crate::live::transport::{Endpoint, Transport};

/// A route and its attributes.
type Route = (Nlri, RouteAttributes);

struct Peer {
    address: IpAddr,
    session: Session,
    routes: BTreeMap<RouteKey, Route>,
}

/// All sessions.
pub struct Bgp {
    transport: Transport,
    peers: Vec<Peer>,
    local: BTreeMap<RouteKey, Route>,
    /// Routes of others whose best path changed.
    changes: VecDeque<(Nlri, Option<RouteAttributes>)>,
    events: Vec<Value>,
}

/// Routes taken from one peer; more are dropped.
const MOST_ROUTES: usize = 100_000;

impl Bgp {
    /// Listens and connects as configured.
    ///
    /// # Errors
    /// A configuration that a session refuses, or an address that cannot be listened on.
    pub fn new(now: Instant, config: &Config) -> anyhow::Result<Self> {
        let mut bgp = Self {
            transport: Transport::new(),
            peers: Vec::new(),
            local: BTreeMap::new(),
            changes: VecDeque::new(),
            events: Vec::new(),
        };
        for peer in &config.peers {
            let listen = SocketAddr::new(peer.local_address, config.port);
            bgp.transport.listen(listen).with_context(|| format!("listening on {listen}"))?;
            let id = PeerId(u32::try_from(bgp.peers.len())?);
            let mut session = Session::new(now, config.session(peer))?;
            session.handle_input(now, SessionInput::Start);
            bgp.peers.push(Peer { address: peer.address, session, routes: BTreeMap::new() });
            bgp.transport.add(Endpoint {
                peer: id,
                address: peer.address,
                port: config.port,
                local_address: peer.local_address,
                ttl: None,
                least_ttl: None,
                authentication: None,
            })?;
        }
        bgp.drain(now);
        Ok(bgp)
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.peers.iter().filter_map(|peer| peer.session.next_timeout()).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for peer in &mut self.peers {
            peer.session.handle_timeout(now);
        }
        self.drain(now);
    }

    /// Waits as [`Transport::wait`] does, and takes what arrived.
    ///
    /// # Errors
    /// `poll(2)` failed.
    pub fn wait(
        &mut self,
        timeout: Duration,
        extra: &[BorrowedFd<'_>],
        clock: impl Fn() -> Instant,
    ) -> io::Result<Vec<bool>> {
        let Self { transport, peers, .. } = self;
        let readable = transport.wait(timeout, extra, |input| give(peers, clock(), input))?;
        let mut arrived = Vec::new();
        let admits = |peer: PeerId| of(peers, peer).is_some_and(|p| p.session.admits_incoming());
        transport.admit(admits, |peer| arrived.push(peer));
        for peer in arrived {
            let side = Side::Incoming;
            give(peers, clock(), Input::Connected { peer, side });
            give(peers, clock(), Input::Writable { peer, side, room: OUTBOX });
        }
        self.drain(clock());
        Ok(readable)
    }

    /// The next route of others that has changed.
    pub fn poll_change(&mut self) -> Option<(Nlri, Option<RouteAttributes>)> {
        self.changes.pop_front()
    }

    /// What happened since the last call.
    pub fn events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }

    /// Advertises a route of ours.
    pub fn advertise(&mut self, now: Instant, nlri: Nlri, attributes: RouteAttributes) {
        self.tell(now, &nlri, Some(&attributes));
        self.local.insert(nlri.key(), (nlri, attributes));
    }

    /// Withdraws a route of ours.
    pub fn withdraw(&mut self, now: Instant, key: &RouteKey, nlri: &Nlri) {
        self.local.remove(key);
        self.tell(now, nlri, None);
    }

    /// What an operator sees: sessions, and routes of others.
    pub fn show(&self) -> Value {
        let peer = |p: &Peer| {
            json!({"address": p.address.to_string(), "state": format!("{:?}", p.session.state()),
            "routes": p.routes.values().map(|(nlri, attributes)| route(nlri, attributes)).collect::<Vec<_>>()})
        };
        json!(self.peers.iter().map(peer).collect::<Vec<_>>())
    }

    fn tell(&mut self, now: Instant, nlri: &Nlri, attributes: Option<&RouteAttributes>) {
        for (id, peer) in (0..).map(PeerId).zip(&mut self.peers) {
            let (Some(side), Some(negotiated)) = (peer.session.established_side(), peer.session.negotiated()) else {
                continue;
            };
            let octets = update(negotiated, nlri, attributes);
            if !octets.is_empty() {
                self.transport.send(id, side, &octets);
                peer.session.handle_input(now, SessionInput::UpdateSent);
            }
        }
    }

    /// Does what the sessions want.
    fn drain(&mut self, now: Instant) {
        for at in 0..self.peers.len() {
            let id = PeerId(u32::try_from(at).unwrap_or(u32::MAX));
            while let Some(output) = self.peers[at].session.poll_output() {
                match output {
                    SessionOutput::Connect => self.transport.connect(id),
                    SessionOutput::Close { side } => self.transport.close(id, side),
                    SessionOutput::Send { side, octets } => self.transport.send(id, side, &octets),
                    SessionOutput::Established { side, negotiated } => {
                        self.event(at, "established");
                        self.everything(now, at, side, &negotiated);
                    }
                    SessionOutput::Refresh(_) => {
                        let session = &self.peers[at].session;
                        let (side, negotiated) = (session.established_side(), session.negotiated().cloned());
                        if let Some((side, negotiated)) = side.zip(negotiated) {
                            self.everything(now, at, side, &negotiated);
                        }
                    }
                    SessionOutput::Update(body) => self.update(now, at, &body),
                    SessionOutput::Down(down) => {
                        if down.established {
                            self.event(at, "down");
                        }
                        let keys: Vec<RouteKey> = self.peers[at].routes.keys().copied().collect();
                        keys.iter().for_each(|key| self.set(at, key, None));
                    }
                }
            }
        }
    }

    fn event(&mut self, at: usize, what: &str) {
        self.events.push(json!({"event": what, "peer": self.peers[at].address.to_string()}));
    }

    /// All routes of ours, and the end of each family.
    fn everything(&mut self, now: Instant, at: usize, side: Side, negotiated: &Negotiated) {
        let id = PeerId(u32::try_from(at).unwrap_or(u32::MAX));
        let mut octets = Vec::new();
        for (nlri, attributes) in self.local.values() {
            octets.extend(update(negotiated, nlri, Some(attributes)));
        }
        for family in &negotiated.families {
            emit_end_of_rib(*family, &mut octets);
        }
        self.transport.send(id, side, &octets);
        self.peers[at].session.handle_input(now, SessionInput::UpdateSent);
    }

    fn update(&mut self, now: Instant, at: usize, body: &[u8]) {
        let Some(negotiated) = self.peers[at].session.negotiated().cloned() else { return };
        let refused = match Update::parse(body, &negotiated) {
            Err(error) => Some(error.notification),
            Ok(update) => {
                let fault = update.check_nlri().err().map(|fault| fault.notification());
                let refused = update.notification().or(fault);
                if refused.is_none() {
                    self.take(at, &update);
                }
                refused
            }
        };
        if let Some(notification) = refused {
            self.event(at, "update-error");
            self.peers[at].session.handle_input(now, SessionInput::UpdateError(notification));
        }
    }

    /// The routes of an UPDATE, withdrawn where its attributes are faulty (RFC 7606 §2).
    fn take(&mut self, at: usize, update: &Update<'_>) {
        if let Some(unreach) = update.mp_unreach() {
            for nlri in routes(unreach.family, unreach.nlris().flatten(), unreach.nlris().flatten()) {
                self.set(at, &nlri.key(), None);
            }
        }
        let Some(reach) = update.mp_reach() else { return };
        let is_faulty = update.action() >= Some(FaultAction::TreatAsWithdraw);
        let all = update.attributes();
        let communities: Vec<_> = all.ext_communities().into_iter().flat_map(|list| list.iter()).collect();
        let next_hop = reach.next_hop().filter(|_| !is_faulty).map(NextHop::address);
        let local_pref = all.local_pref().unwrap_or(RouteAttributes::LOCAL_PREF);
        let attributes = next_hop.map(|next_hop| {
            RouteAttributes::new(next_hop, local_pref, communities.iter().copied(), all.pmsi_tunnel().as_ref())
        });
        for nlri in routes(reach.family, reach.nlris().flatten(), reach.nlris().flatten()) {
            self.set(at, &nlri.key(), attributes.clone().map(|attributes| (nlri, attributes)));
        }
    }

    /// A route of a peer is there, changed or gone.
    fn set(&mut self, at: usize, key: &RouteKey, route: Option<Route>) {
        let before = self.best(key);
        let routes = &mut self.peers[at].routes;
        match route {
            Some(route) if routes.len() < MOST_ROUTES || routes.contains_key(key) => drop(routes.insert(*key, route)),
            Some(_) => return,
            None => drop(routes.remove(key)),
        }
        let after = self.best(key);
        if before == after {
            return;
        }
        match (after, before) {
            (Some((nlri, attributes)), _) => self.changes.push_back((nlri, Some(attributes))),
            (None, Some((nlri, _))) => self.changes.push_back((nlri, None)),
            (None, None) => {}
        }
    }

    fn best(&self, key: &RouteKey) -> Option<Route> {
        let held = self.peers.iter().filter_map(|peer| Some((peer.address, peer.routes.get(key)?)));
        held.max_by_key(|(peer, (_, attributes))| (attributes.local_pref, Reverse(*peer))).map(|(_, r)| r.clone())
    }
}

fn of(peers: &[Peer], id: PeerId) -> Option<&Peer> {
    peers.get(usize::try_from(id.0).ok()?)
}

/// What the transport says, to the session that it is about.
fn give(peers: &mut [Peer], now: Instant, input: Input<'_>) {
    let (peer, input) = match input {
        Input::Connected { peer, side } => (peer, SessionInput::Connected { side }),
        Input::Stream { peer, side, octets } => (peer, SessionInput::Stream { side, octets }),
        Input::Writable { peer, side, room } => (peer, SessionInput::Writable { side, room }),
        Input::Closed { peer, side } => (peer, SessionInput::Closed { side }),
        _ => return,
    };
    if let Some(peer) = usize::try_from(peer.0).ok().and_then(|at| peers.get_mut(at)) {
        peer.session.handle_input(now, input);
    }
}

/// The routes of a field, as its family reads it.
fn routes<'a>(
    family: Family,
    vpls: impl Iterator<Item = VplsNlri<'a>>,
    mcast: impl Iterator<Item = McastVplsNlri<'a>>,
) -> BTreeSet<Nlri> {
    match family {
        Family::VPLS => vpls.filter_map(|nlri| Nlri::of_vpls(&nlri)).collect(),
        Family::MCAST_VPLS => mcast.filter_map(|nlri| Nlri::of_mcast(&nlri)).collect(),
        _ => BTreeSet::new(),
    }
}

/// An UPDATE with one route; empty where the session has not got its family.
fn update(negotiated: &Negotiated, nlri: &Nlri, attributes: Option<&RouteAttributes>) -> Vec<u8> {
    let family = if nlri.is_mcast() { Family::MCAST_VPLS } else { Family::VPLS };
    let mut octets = Vec::new();
    if !negotiated.families.contains(&family) {
        return octets;
    }
    let (mut route, mut communities, mut pmsi) = (Vec::new(), Vec::new(), Vec::new());
    nlri.emit(&mut route);
    let route = OpaqueNlri { path_id: None, octets: &route };
    let Some(attributes) = attributes else {
        let mut writer = UpdateWriter::withdraw(&mut octets, negotiated, family);
        let _ = writer.push(&route);
        writer.finish();
        return octets;
    };
    attributes.communities().for_each(|community| community.emit(&mut communities));
    let path = AsPathBuf::new();
    let mut list = vec![
        Attribute::Origin(Origin::Igp),
        Attribute::AsPath(path.as_path()),
        Attribute::LocalPref(attributes.local_pref),
    ];
    list.extend(ExtCommunities::parse(&communities).ok().map(Attribute::ExtCommunities));
    if let Some(value) = &attributes.pmsi {
        value.emit(&mut pmsi);
        list.extend(PmsiTunnel::parse(&pmsi).ok().map(Attribute::PmsiTunnel));
    }
    let next_hop = NextHop::new(attributes.next_hop);
    // A handful of attributes and one route fill no message.
    if let Ok(mut writer) =
        UpdateWriter::announce(&mut octets, negotiated, family, next_hop, &list[..], MpPosition::First)
    {
        let _ = writer.push(&route);
        writer.finish();
    }
    octets
}

/// A route as an operator reads it.
fn route(nlri: &Nlri, attributes: &RouteAttributes) -> Value {
    let next_hop = attributes.next_hop.to_string();
    let targets: Vec<String> = attributes.targets.iter().map(ToString::to_string).collect();
    match nlri {
        Nlri::Block { rd, ve_id, block } => json!({"form": "block", "rd": rd.to_string(), "ve": ve_id,
            "offset": block.offset, "size": block.size, "base": block.base.value(), "next-hop": next_hop,
            "targets": targets, "mtu": attributes.layer2.map(|l| l.mtu)}),
        Nlri::Discovery { rd, pe } => json!({"form": "discovery", "rd": rd.to_string(), "pe": pe.to_string(),
            "next-hop": next_hop, "targets": targets}),
        Nlri::SPmsi(_) | Nlri::Leaf(..) => json!({"form": "multicast", "next-hop": next_hop}),
    }
}
