//! A customer's router: EBGP sessions that announce what they are given and note what they learn.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use bgp_vpn::attr::{AsPathBuf, AsWidth, Attribute, NextHop, Origin};
use bgp_vpn::message::{MpPosition, Update, UpdateWriter, emit_end_of_rib};
use bgp_vpn::nlri::{Family, Nlris, UnicastNlri, WirePrefix};
use bgp_vpn::session::{
    ConfigError, Input, LocalIdentity, Negotiated, Output, PeerConfig, Session, SessionConfig, State,
};
use bgp_vpn::speaker::{Reach, Side};
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, VrfId};
use fwd_core::time::Instant;

use super::node::{Control, Host};
use super::peering::{PeerEvent, Peering};
use super::tcp::Stack;

/// Prefixes with one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteGroup<P> {
    /// The ASes behind the customer's own.
    pub as_path: Vec<u32>,
    /// The prefixes.
    pub prefixes: Vec<P>,
}

/// What a session announces.
#[derive(Clone, Debug)]
pub enum Announced {
    /// IPv4 unicast.
    V4(Rc<[RouteGroup<Ipv4Prefix>]>),
    /// IPv6 unicast.
    V6(Rc<[RouteGroup<Ipv6Prefix>]>),
}

impl Announced {
    /// The family.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::V4(_) => Family::IPV4_UNICAST,
            Self::V6(_) => Family::IPV6_UNICAST,
        }
    }

    /// Routes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::V4(groups) => groups.iter().map(|g| g.prefixes.len()).sum(),
            Self::V6(groups) => groups.iter().map(|g| g.prefixes.len()).sum(),
        }
    }

    /// Whether there is no route.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One session of a CE.
#[derive(Debug)]
pub struct CeSession {
    session: Session,
    local: IpAddr,
    announced: Announced,
    up: Option<(Side, Negotiated)>,
    room: usize,
    /// The group, and the prefix in it, that comes next; `None` once End-of-RIB is sent.
    next: Option<(usize, usize)>,
    /// What the PE announced and did not withdraw.
    pub learnt: BTreeSet<IpPrefix>,
    /// Announcements received since the session came up, again and again of one prefix too.
    pub announcements: u64,
    /// The PE sent its End-of-RIB.
    pub complete: bool,
}

/// A customer's router.
#[derive(Debug)]
pub struct Ce {
    identity: LocalIdentity,
    peering: Peering<usize>,
    /// Its sessions, one for each family.
    pub sessions: Vec<CeSession>,
}

impl Ce {
    /// A customer's router without sessions.
    #[must_use]
    pub fn new(identity: LocalIdentity) -> Self {
        Self { identity, peering: Peering::default(), sessions: Vec::new() }
    }

    /// Adds a session with the PE at `remote` in AS `remote_as`, and starts it.
    ///
    /// # Errors
    /// Addresses or numbers that a session refuses.
    pub fn add_session(
        &mut self,
        now: Instant,
        tcp: &mut Stack,
        (local, remote): (IpAddr, IpAddr),
        remote_as: u32,
        announced: Announced,
    ) -> Result<(), ConfigError> {
        let mut peer = PeerConfig::new(remote, local, remote_as, &[announced.family()]);
        peer.timers.connect_retry = Duration::from_secs(5);
        let number = self.sessions.len();
        let config = SessionConfig { local: self.identity, peer, seed: number as u64, restarted: false };
        let mut session = Session::new(now, config)?;
        session.handle_input(now, Input::Start);
        self.peering.add(tcp, number, VrfId::GLOBAL, local, remote);
        self.sessions.push(CeSession {
            session,
            local,
            announced,
            up: None,
            room: 0,
            next: None,
            learnt: BTreeSet::new(),
            announcements: 0,
            complete: false,
        });
        Ok(())
    }

    /// Whether all sessions are up and have sent and received all there is.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.sessions.iter().all(|s| s.session.state() == State::Established && s.complete && s.next.is_none())
    }
}

impl Control for Ce {
    fn drive(&mut self, now: Instant, host: &mut Host<'_>) {
        let tcp = &mut host.tcp;
        while let Some(event) = tcp.poll_event() {
            let Some((number, side, event)) = self.peering.event(tcp, event) else { continue };
            let Some(ce) = self.sessions.get_mut(number) else { continue };
            match event {
                PeerEvent::Connected if side == Side::Incoming && !ce.session.admits_incoming() => {
                    self.peering.close(now, tcp, number, side);
                }
                PeerEvent::Connected => ce.session.handle_input(now, Input::Connected { side }),
                PeerEvent::Received(octets) => {
                    ce.session.handle_input(now, Input::Stream { side, octets: &octets });
                }
                PeerEvent::Writable(room) => {
                    ce.session.handle_input(now, Input::Writable { side, room });
                    ce.room = room;
                }
                PeerEvent::Closed => ce.session.handle_input(now, Input::Closed { side }),
            }
            ce.act(now, number, &mut self.peering, tcp);
        }
        for (number, ce) in self.sessions.iter_mut().enumerate() {
            if ce.session.next_timeout().is_some_and(|at| at <= now) {
                ce.session.handle_timeout(now);
            }
            ce.act(now, number, &mut self.peering, tcp);
        }
    }

    fn next_hop(&mut self, _: Instant, _: IpAddr, _: Option<Reach>) {}

    fn next_timeout(&self) -> Option<Instant> {
        self.sessions.iter().filter_map(|ce| ce.session.next_timeout()).min()
    }
}

impl CeSession {
    fn act(&mut self, now: Instant, number: usize, peering: &mut Peering<usize>, tcp: &mut Stack) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Connect => peering.connect(now, tcp, number),
                Output::Close { side } => peering.close(now, tcp, number, side),
                Output::Send { side, octets } => peering.send(now, tcp, number, side, &octets),
                Output::Established { side, negotiated } => {
                    self.up = Some((side, *negotiated));
                    self.next = Some((0, 0));
                    self.announcements = 0;
                    self.complete = false;
                }
                Output::Update(body) => self.learn(&body),
                Output::Refresh(_) => self.next = Some((0, 0)),
                Output::Down(_) => {
                    self.up = None;
                    self.next = None;
                    self.learnt.clear();
                    self.complete = false;
                }
            }
        }
        self.announce(now, number, peering, tcp);
    }

    fn announce(&mut self, now: Instant, number: usize, peering: &mut Peering<usize>, tcp: &mut Stack) {
        let Some((side, negotiated)) = &self.up else { return };
        while let Some(next) = self.next {
            if self.room < negotiated.max_message_len {
                return;
            }
            let next_hop = NextHop::new(self.local);
            let asn = self.session.config().local.asn;
            let (mut octets, announced) = (Vec::new(), self.announced.clone());
            self.next = match &announced {
                Announced::V4(groups) => message(groups, next, asn, next_hop, negotiated, &mut octets),
                Announced::V6(groups) => message(groups, next, asn, next_hop, negotiated, &mut octets),
            };
            if self.next.is_none() {
                emit_end_of_rib(announced.family(), &mut octets);
            }
            self.room = self.room.saturating_sub(octets.len());
            peering.send(now, tcp, number, *side, &octets);
            self.session.handle_input(now, Input::UpdateSent);
        }
    }

    fn learn(&mut self, body: &[u8]) {
        let Some((_, negotiated)) = &self.up else { return };
        let Ok(update) = Update::parse(body, negotiated) else { return };
        if update.end_of_rib() == Some(self.announced.family()) {
            self.complete = true;
        }
        for nlri in update.withdrawn().flatten() {
            self.learnt.remove(&IpPrefix::V4(nlri.prefix));
        }
        let before = self.announcements;
        let mut learn = |prefix: IpPrefix| {
            self.announcements += 1;
            self.learnt.insert(prefix);
        };
        update.nlri().flatten().for_each(|nlri| learn(nlri.prefix.into()));
        if let Some(mp) = update.mp_reach().filter(|mp| mp.family == Family::IPV6_UNICAST) {
            let nlris: Nlris<'_, UnicastNlri<Ipv6Prefix>> = mp.nlris();
            nlris.flatten().for_each(|nlri| learn(nlri.prefix.into()));
        }
        if let Some(mp) = update.mp_unreach().filter(|mp| mp.family == Family::IPV6_UNICAST) {
            let nlris: Nlris<'_, UnicastNlri<Ipv6Prefix>> = mp.nlris();
            nlris.flatten().for_each(|nlri| {
                self.learnt.remove(&nlri.prefix.into());
            });
        }
        debug_assert!(self.announcements >= before);
    }
}

/// Writes one UPDATE of the routes from `at` on; says where to go on.
fn message<P: WirePrefix>(
    groups: &[RouteGroup<P>],
    (mut group, mut from): (usize, usize),
    asn: u32,
    next_hop: NextHop,
    negotiated: &Negotiated,
    out: &mut Vec<u8>,
) -> Option<(usize, usize)> {
    while groups.get(group).is_some_and(|g| from >= g.prefixes.len()) {
        (group, from) = (group + 1, 0);
    }
    let routes = groups.get(group)?;
    let path = AsPathBuf::sequence([asn].into_iter().chain(routes.as_path.iter().copied()));
    let width = if negotiated.four_octet_as { AsWidth::Four } else { AsWidth::Two };
    let mut attributes = Vec::new();
    let values = [Attribute::Origin(Origin::Igp), Attribute::AsPath(path.as_path())];
    Attribute::emit_all(&values, width, &mut attributes);
    let family = *negotiated.families.first()?;
    let mut writer = UpdateWriter::announce(out, negotiated, family, next_hop, &attributes, MpPosition::First).ok()?;
    for prefix in routes.prefixes.iter().skip(from) {
        if !writer.push(&UnicastNlri { path_id: None, prefix: *prefix }) {
            break;
        }
        from += 1;
    }
    writer.finish();
    if from >= routes.prefixes.len() && group + 1 >= groups.len() { None } else { Some((group, from)) }
}

#[cfg(test)]
mod tests;
