//! One speaker on sockets, a clock and a forwarding plane.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use anyhow::Context;
use bgp_vpn::speaker::{Circuit, Event, Input, LocalRoute, Output, PeerId, Reach, Side, Speaker};
use fwd_core::Forwarder;
use fwd_core::net::{IfIndex, IpPrefix, LabelStack, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe, TunnelModel};
use fwd_core::time::Instant;

use super::config::Config;
use super::connection::OUTBOX;
use super::manage::{Managed, Management};
use super::plane::{Attachment, Plane, prefix};
use super::transport::{Endpoint, Transport};

/// A speaker that runs.
pub struct Driver<'m> {
    speaker: Speaker,
    transport: Transport,
    forwarder: Forwarder<'m>,
    began: std::time::Instant,
    peers: Vec<(PeerId, IpAddr)>,
    next_hops: HashMap<IpAddr, NhlfeId>,
    tunnels: HashMap<IpAddr, (IpAddr, LabelStack)>,
    plane: Plane,
    management: Management,
    refused: u64,
}

impl<'m> Driver<'m> {
    /// Sets up peers, VRFs and listeners as configured, and announces the VRFs' routes.
    ///
    /// # Errors
    /// A configuration that the speaker refuses, or an address that cannot be listened on.
    pub fn new(config: &Config, forwarder: Forwarder<'m>) -> anyhow::Result<Self> {
        let now = Instant::ZERO;
        let mut driver = Self {
            speaker: Speaker::new(now, config.speaker()?)?,
            transport: Transport::new(),
            forwarder,
            began: std::time::Instant::now(),
            peers: Vec::new(),
            next_hops: HashMap::new(),
            tunnels: HashMap::new(),
            plane: Plane::new(Config::NEXT_HOPS..Config::NEXT_HOPS + Config::NEIGHBOURS),
            management: Management::new(config).context("ipfix")?,
            refused: 0,
        };
        for label in config.tunnel_ends()? {
            let ilm = Ilm { action: IlmAction::PopLookup(VrfId::GLOBAL), model: TunnelModel::default() };
            driver.forwarder.apply(&FwdOp::SetIlm { label, ilm }).map_err(|e| anyhow::anyhow!("label {label}: {e}"))?;
        }
        for tunnel in &config.tunnels {
            driver.tunnels.insert(tunnel.next_hop.to_canonical(), (tunnel.via, tunnel.stack()?));
        }
        for vrf in &config.vrfs {
            let id = config.vrf_id(&vrf.name)?;
            driver.speaker.add_vrf(now, vrf.config(id)).with_context(|| format!("vrf {}", vrf.name))?;
            for route in &vrf.routes {
                driver.announce(id, route.0);
            }
        }
        for interface in &config.interfaces {
            driver.attach(&interface.attachment(config)?)?;
        }
        for route in &config.statics {
            driver
                .add_static(config.vrf_id(&route.vrf)?, route.prefix.0, route.via)
                .with_context(|| format!("static {}", route.prefix.0))?;
        }
        for address in &config.next_hops {
            driver.set_next_hop(*address, true);
        }
        for peer in &config.peers {
            driver.add_peer(config, peer).with_context(|| format!("peer {}", peer.address))?;
        }
        Ok(driver)
    }

    fn add_peer(&mut self, config: &Config, peer: &super::config::Peer) -> anyhow::Result<()> {
        let listen = SocketAddr::new(peer.local_address, config.port);
        self.transport.listen(listen).with_context(|| format!("listening on {listen}"))?;
        let id = self.speaker.add_peer(self.now(), peer.config(config)?)?;
        self.peers.push((id, peer.address));
        if let Some(vrf) = &peer.vrf {
            self.add_circuit(config.vrf_id(vrf)?, peer.address)?;
        }
        self.transport.add(Endpoint {
            peer: id,
            address: peer.address,
            port: config.port,
            local_address: peer.local_address,
            ttl: peer.ttl(config.asn),
            least_ttl: peer.least_ttl(),
            authentication: peer.authentication(),
        })?;
        Ok(())
    }

    /// Opens an interface; the subnets on one of a VRF are the VRF's routes.
    fn attach(&mut self, attachment: &Attachment) -> anyhow::Result<()> {
        self.plane.attach(attachment, &mut self.forwarder)?;
        if attachment.vrf != VrfId::GLOBAL {
            for subnet in attachment.addresses.iter().filter_map(|(address, len)| prefix(*address, *len)) {
                self.announce(attachment.vrf, subnet);
            }
        }
        Ok(())
    }

    /// A route behind a CE.
    fn add_static(&mut self, vrf: VrfId, prefix: IpPrefix, via: IpAddr) -> anyhow::Result<()> {
        let now = self.now();
        let iface =
            self.plane.interface_of(vrf, via).with_context(|| format!("{via} is on no interface of the VRF"))?;
        let nhlfe = self.plane.neighbour(now, iface, via, &mut self.forwarder).context("too many neighbours")?;
        let circuit = Some(Circuit { vrf, address: via, nhlfe });
        self.speaker.handle_input(now, Input::Circuit { iface, circuit });
        self.speaker.handle_input(now, Input::Local { vrf, prefix, route: Some(LocalRoute::Via(iface)) });
        Ok(())
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.began.elapsed()
    }

    /// The speaker, to be asked.
    #[must_use]
    pub fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// The forwarding plane, to be asked.
    #[must_use]
    pub fn forwarder(&self) -> &Forwarder<'m> {
        &self.forwarder
    }

    /// The transport, to be asked.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Ops that the forwarding plane refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The address of a peer.
    #[must_use]
    pub fn address(&self, peer: PeerId) -> Option<IpAddr> {
        self.peers.iter().find(|(id, _)| *id == peer).map(|(_, address)| *address)
    }

    /// The neighbour or next hop that an entry of ours leads to.
    #[must_use]
    pub fn next_hop_of(&self, nhlfe: NhlfeId) -> Option<IpAddr> {
        self.next_hops.iter().find(|(_, id)| **id == nhlfe).map(|(address, _)| *address)
    }

    /// Announces a route of a VRF that ends on this router.
    pub fn announce(&mut self, vrf: VrfId, prefix: IpPrefix) {
        let route = Some(LocalRoute::Local);
        self.speaker.handle_input(self.now(), Input::Local { vrf, prefix, route });
    }

    /// Withdraws a route of a VRF.
    pub fn withdraw(&mut self, vrf: VrfId, prefix: IpPrefix) {
        self.speaker.handle_input(self.now(), Input::Local { vrf, prefix, route: None });
    }

    /// Says whether a BGP next hop is reached.
    pub fn set_next_hop(&mut self, address: IpAddr, reached: bool) {
        let address = address.to_canonical();
        let nhlfe = if reached { self.entry(address) } else { None };
        let reach = nhlfe.map(|nhlfe| Reach { metric: 0, nhlfe });
        self.speaker.handle_input(self.now(), Input::NextHop { address, reach });
    }

    /// Brings up an attachment circuit to a CE.
    fn add_circuit(&mut self, vrf: VrfId, address: IpAddr) -> anyhow::Result<()> {
        if let Some(iface) = self.plane.interface_of(vrf, address) {
            let now = self.now();
            let nhlfe =
                self.plane.neighbour(now, iface, address, &mut self.forwarder).context("too many neighbours")?;
            let circuit = Some(Circuit { vrf, address, nhlfe });
            self.speaker.handle_input(now, Input::Circuit { iface, circuit });
            return Ok(());
        }
        let nhlfe = self.entry(address).context("too many neighbours")?;
        // Not on an interface of ours: a number that none of them has.
        let iface = IfIndex(u32::try_from(Self::FIRST_VIRTUAL + self.peers.len())?);
        let circuit = Some(Circuit { vrf, address, nhlfe });
        self.speaker.handle_input(self.now(), Input::Circuit { iface, circuit });
        Ok(())
    }

    /// Circuits of CEs that are on no interface are numbered from here.
    const FIRST_VIRTUAL: usize = 1 << 16;

    /// The forwarding entry that leads to a next hop: through its tunnel, or to the neighbour that it is. It discards where neither
    /// is known: a router without interfaces has no packets to forward, only tables.
    fn entry(&mut self, address: IpAddr) -> Option<NhlfeId> {
        if let Some(id) = self.next_hops.get(&address) {
            return Some(*id);
        }
        let id = u32::try_from(self.next_hops.len()).ok().filter(|n| *n < Config::NEXT_HOPS).map(NhlfeId)?;
        self.next_hops.insert(address, id);
        let (via, push) = self.tunnels.get(&address).copied().unwrap_or((address, LabelStack::EMPTY));
        let now = self.now();
        let neighbour = self
            .plane
            .interface_of(VrfId::GLOBAL, via)
            .and_then(|iface| self.plane.neighbour(now, iface, via, &mut self.forwarder));
        let next = neighbour.map_or(NextHop::Discard, NextHop::Nhlfe);
        let nhlfe = Nhlfe { push, next, model: TunnelModel::default() };
        self.program(FwdOp::SetNhlfe { id, nhlfe });
        Some(id)
    }

    fn program(&mut self, op: FwdOp) {
        if self.forwarder.apply(&op).is_err() {
            self.refused += 1;
            self.speaker.handle_input(self.now(), Input::Refused(op));
        }
    }

    /// Does what is due, then waits for at most `most`; returns which of the `extra` descriptors can be read.
    ///
    /// # Errors
    /// `poll(2)` failed.
    pub fn pass(
        &mut self,
        most: Duration,
        extra: &[BorrowedFd<'_>],
        mut on_event: impl FnMut(&Self, &Event),
    ) -> io::Result<Vec<bool>> {
        let now = self.now();
        if self.speaker.next_timeout().is_some_and(|at| at <= now) {
            self.speaker.handle_timeout(now);
        }
        self.drain(&mut on_event);
        self.plane.handle_timeout(self.now(), &mut self.forwarder);
        self.managed(|management, now, router| management.handle_timeout(now, router));
        let timeouts = [self.speaker.next_timeout(), self.plane.next_timeout(), self.management.next_timeout()];
        let next = timeouts.into_iter().flatten().min();
        let now = self.now();
        let pauses = self.peers.iter().filter_map(|(peer, _)| Some((*peer, self.speaker.paused_until(*peer)?)));
        let pauses: Vec<_> = pauses.filter(|(_, at)| *at > now).collect();
        self.transport.pause(pauses.iter().map(|(peer, _)| *peer));
        let due = next.into_iter().chain(pauses.iter().map(|(_, at)| *at)).min().map_or(most, |at| at - now);
        let (speaker, began) = (&mut self.speaker, self.began);
        let ports = self.plane.descriptors().count();
        let ours = self.plane.descriptors().chain(self.management.descriptor());
        let descriptors: Vec<_> = extra.iter().copied().chain(ours).collect();
        let mut readable = self.transport.wait(due.min(most), &descriptors, |input| {
            speaker.handle_input(Instant::ZERO + began.elapsed(), input);
        })?;
        drop(descriptors);
        let ours = readable.split_off(extra.len());
        let (frames, asked) = ours.split_at(ports);
        if frames.contains(&true) {
            let now = self.now();
            self.plane.receive(now, &mut self.forwarder)?;
        }
        if asked.contains(&true) {
            self.managed(|management, now, router| management.serve(now, router));
        }
        let mut arrived = Vec::new();
        self.transport.admit(|peer| self.speaker.admits_incoming(peer), |peer| arrived.push(peer));
        for peer in arrived {
            let (side, now) = (Side::Incoming, self.now());
            self.speaker.handle_input(now, Input::Connected { peer, side });
            self.speaker.handle_input(now, Input::Writable { peer, side, room: OUTBOX });
        }
        Ok(readable)
    }

    /// Carries out what the speaker wants.
    pub fn drain(&mut self, on_event: &mut impl FnMut(&Self, &Event)) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Connect { peer } => self.transport.connect(peer),
                Output::Close { peer, side } => self.transport.close(peer, side),
                Output::Stream { peer, side, octets } => self.transport.send(peer, side, &octets),
                Output::Program(op) => self.program(op),
                // No VRF of the driver has an IGP.
                Output::Igp { .. } => {}
                Output::Event(event) => {
                    // There is no IGP here: a next hop is reached unless an operator says otherwise.
                    if let Event::NextHopUnresolved { address } = event {
                        self.set_next_hop(address, true);
                    }
                    self.managed(|management, _, router| management.event(&event, router));
                    on_event(self, &event);
                }
            }
        }
    }

    /// Lets management act on the rest.
    fn managed(&mut self, act: impl FnOnce(&mut Management, Instant, Managed<'_, 'm>)) {
        let now = self.now();
        let router = Managed { speaker: &self.speaker, forwarder: &self.forwarder, plane: &self.plane };
        act(&mut self.management, now, router);
    }

    /// Ends all sessions in order, and waits until the peers were told, at most for `most`.
    ///
    /// # Errors
    /// `poll(2)` failed.
    pub fn stop(&mut self, most: Duration, mut on_event: impl FnMut(&Self, &Event)) -> io::Result<()> {
        let end = self.now() + most;
        for peer in self.speaker.peers() {
            // It was just listed: removing it cannot fail.
            let _ = self.speaker.remove_peer(self.now(), peer);
        }
        self.drain(&mut on_event);
        while !self.transport.is_idle() && self.now() < end {
            self.pass(Duration::from_millis(100), &[], &mut on_event)?;
        }
        Ok(())
    }
}
