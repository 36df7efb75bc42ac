//! A customer that is a carrier: CEs that run mLDP on links of their own, and mLDP in the VRFs of the PEs. LDP and BGP messages are octets
//! between the machines; labelled packets go through the PEs' forwarders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fwd_core::net::{IfIndex, Label, LabelSpaceId, Mac, NhlfeId, ReplicationId, TunnelId};
use fwd_core::op::{FwdOp, IlmAction, Interface, NextHop, Nhlfe};
use fwd_core::time::Instant;
use fwd_core::wire::{EtherType, Ethernet, LabelEntry};
use mvpn::mvrf::{CMldpRoute, Input, McastAttributes, MvrfConfig, Output, PmsiPeer};
use p2mp_pw::ldp::message::Message;
use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
use p2mp_pw::ldp::{LdpId, Pdu};
use p2mp_pw::mldp::{self, Candidate, Deliver, Event, GroupRange, Mldp, MldpConfig, Route, TreeFec, TreeId};

use super::VRF;
use super::node::{SimAddress, data, mac, pmsi};
use super::world::World;

type A = Ipv4Addr;

/// The first link to a CE that runs mLDP.
const LINKS: u32 = 18;
const DELAY: Duration = Duration::from_millis(5);

/// A router of the customer's.
pub struct Ce {
    pub pe: usize,
    pub link: IfIndex,
    pub address: IpAddr,
    pub mldp: Mldp,
    nhlfes: BTreeMap<NhlfeId, Nhlfe>,
    ilm: BTreeMap<Label, IlmAction>,
    legs: BTreeMap<TreeId, BTreeMap<u16, NhlfeId>>,
    trees: BTreeMap<TreeFec, TreeId>,
}

enum Due {
    /// A message to a CE, or from it.
    Ldp {
        ce: usize,
        to_pe: bool,
        octets: Vec<u8>,
    },
    Bgp {
        to: usize,
        octets: Vec<u8>,
        family: mvpn::pim::wire::AddressFamily,
        attributes: Option<McastAttributes>,
    },
}

pub struct Carriers {
    pub world: World<A>,
    pub vrfs: BTreeMap<usize, Mldp>,
    pub ces: Vec<Ce>,
    /// Routes with FEC elements, by PE.
    pub rib: BTreeMap<CMldpRoute, BTreeMap<usize, McastAttributes>>,
    pub events: Vec<(usize, Event)>,
    due: VecDeque<(Instant, Due)>,
}

fn pmsi_peer() -> PmsiPeer {
    PmsiPeer { vrf: VRF, interface: pmsi(VRF), peer: LdpId::platform([0, 0, 0, 1].into()) }
}

fn pe_id(pe: usize) -> LdpId {
    LdpId::platform(Ipv4Addr::new(172, 16, pe as u8, 1))
}

fn ce_id(ce: usize) -> LdpId {
    LdpId::platform(Ipv4Addr::new(172, 17, ce as u8, 1))
}

fn ce_mac(ce: usize) -> Mac {
    Mac([2, 0, 0, 9, 0, ce as u8])
}

fn config(addresses: Vec<IpAddr>, first: u32) -> MldpConfig {
    let label = |n| Label::new(n).unwrap();
    let labels = LabelRange { first: label(first), last: label(first + 999) };
    let nhlfes = NhlfeRange { first: NhlfeId(2000), last: NhlfeId(2899) };
    let groups = GroupRange { first: ReplicationId(900), last: ReplicationId(999) };
    MldpConfig::new(addresses, labels, nhlfes, groups)
}

fn session(config: &MldpConfig) -> Negotiated {
    Negotiated {
        keepalive: Duration::from_secs(60),
        max_pdu_length: Pdu::DEFAULT_MAX_LEN,
        discipline: AdvertisementDiscipline::DownstreamUnsolicited,
        path_vector_limit: None,
        capabilities: config.capabilities(),
        graceful_restart: None,
    }
}

impl Carriers {
    /// A VPN with mLDP in the VRF of each PE that has a configuration.
    pub fn new(mut world: World<A>, mvrfs: Vec<MvrfConfig>) -> Self {
        let mut vrfs = BTreeMap::new();
        for (pe, config_of) in mvrfs.into_iter().enumerate() {
            world.add_site(pe, config_of, false);
            // The same labels at every PE: they mean what the link, or the root, says.
            let mut of_vrf = config(vec![], 5000);
            of_vrf.vrf = VRF;
            let mut mldp = Mldp::new(world.now, of_vrf).unwrap();
            let peer = pmsi_peer();
            mldp.handle_input(world.now, peer.label_space());
            mldp.handle_input(world.now, peer.reach(1500));
            mldp.handle_input(world.now, mldp::Input::PeerUp { peer: peer.peer, negotiated: &PmsiPeer::negotiated() });
            vrfs.insert(pe, mldp);
        }
        world.run_for(Duration::from_secs(2));
        let (ces, rib, events, due) = (Vec::new(), BTreeMap::new(), Vec::new(), VecDeque::new());
        Self { world, vrfs, ces, rib, events, due }
    }

    /// Adds a CE behind a PE, with an address of the site's.
    pub fn add_ce(&mut self, pe: usize) -> usize {
        let (now, ce) = (self.world.now, self.ces.len());
        let nth = self.ces.iter().filter(|other| other.pe == pe).count();
        let link = IfIndex(LINKS + nth as u32);
        let address: IpAddr = A::host(pe, 1 + nth as u8).into();
        let of_pe = &mut self.world.pes[pe];
        of_pe.ce_links.insert(link);
        let space = LabelSpaceId(10_000 + link.0);
        let interface = Interface { vrf: VRF, mac: mac(pe), mtu: 1500, mpls: true };
        for op in [FwdOp::SetInterface { iface: link, interface }, FwdOp::SetLabelSpace { iface: link, space }] {
            of_pe.forwarder.apply(&op).unwrap();
        }
        let of_ce = config(vec![address], 700);
        let negotiated = session(&of_ce);
        let mut mldp = Mldp::new(now, of_ce).unwrap();
        let next = Some(NextHop::Neighbor { iface: IfIndex(1), mac: mac(pe) });
        mldp.handle_input(now, mldp::Input::Reach { peer: pe_id(pe), next, mtu: 1500 });
        mldp.handle_input(now, mldp::Input::PeerUp { peer: pe_id(pe), negotiated: &negotiated });
        let vrf = self.vrfs.get_mut(&pe).unwrap();
        let next = Some(NextHop::Neighbor { iface: link, mac: ce_mac(ce) });
        vrf.handle_input(now, mldp::Input::LabelSpace { peer: ce_id(ce), space: Some(space) });
        vrf.handle_input(now, mldp::Input::Reach { peer: ce_id(ce), next, mtu: 1500 });
        vrf.handle_input(now, mldp::Input::PeerUp { peer: ce_id(ce), negotiated: &negotiated });
        let (nhlfes, ilm, legs, trees) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        self.ces.push(Ce { pe, link, address, mldp, nhlfes, ilm, legs, trees });
        // Routes: the CE's address is behind its PE, and for other PEs behind the VPN.
        for (other, vrf) in &mut self.vrfs {
            let peer = if *other == pe { ce_id(ce) } else { pmsi_peer().peer };
            let route = Some(Route::Paths { candidates: vec![Candidate { address, peer }], metric: 1 });
            vrf.handle_input(now, mldp::Input::Route { root: address, route });
        }
        let all: BTreeSet<IpAddr> = self.ces.iter().map(|ce| ce.address).collect();
        for ce in &mut self.ces {
            for root in all.iter().filter(|root| **root != ce.address) {
                let candidates = vec![Candidate { address: [10, 0, 0, 1].into(), peer: pe_id(ce.pe) }];
                let route = Some(Route::Paths { candidates, metric: 1 });
                ce.mldp.handle_input(now, mldp::Input::Route { root: *root, route });
            }
        }
        ce
    }

    /// An LSP of a CE's.
    pub fn lsp(&self, root: usize, number: u32) -> TreeFec {
        TreeFec::p2mp(self.ces[root].address, number)
    }

    /// A CE is the root of an LSP, which carries its packets from now on.
    pub fn open(&mut self, ce: usize, fec: &TreeFec) {
        let id = self.ces[ce].mldp.open(self.world.now, fec.clone()).unwrap();
        self.ces[ce].trees.insert(fec.clone(), id);
    }

    /// A CE is a leaf of an LSP: what comes is counted by this number.
    pub fn join(&mut self, ce: usize, fec: &TreeFec, number: u32) {
        let id = self.ces[ce].mldp.join(self.world.now, fec.clone(), Deliver::Multicast(TunnelId(number))).unwrap();
        self.ces[ce].trees.insert(fec.clone(), id);
    }

    pub fn leave(&mut self, ce: usize, fec: &TreeFec) {
        let id = self.ces[ce].trees.remove(fec).unwrap();
        self.ces[ce].mldp.leave(self.world.now, id);
    }

    /// The root of an LSP sends a packet: the leaves that get it, each with the number that it counts the LSP by, and how often.
    pub fn packet(&mut self, root: usize, fec: &TreeFec) -> BTreeMap<(usize, u32), u32> {
        let ce = &self.ces[root];
        let (pe, link) = (ce.pe, ce.link);
        let mut frames = Vec::new();
        for id in ce.trees.get(fec).and_then(|id| ce.legs.get(id)).into_iter().flat_map(BTreeMap::values) {
            let label = ce.nhlfes[id].push.as_slice()[0];
            frames.push(labelled(pe, root, label));
        }
        self.inject(pe, link, frames)
    }

    /// Labelled frames arrive at a PE: as [`Self::packet`].
    pub fn inject(&mut self, pe: usize, link: IfIndex, frames: Vec<Vec<u8>>) -> BTreeMap<(usize, u32), u32> {
        self.world.ce_frames.clear();
        for frame in frames {
            self.world.frame(pe, link, &frame);
        }
        self.run_for(Duration::from_millis(100));
        let mut got = BTreeMap::new();
        for (pe, link, octets) in std::mem::take(&mut self.world.ce_frames) {
            let ce = self.ces.iter().position(|ce| (ce.pe, ce.link) == (pe, link)).unwrap();
            let entry = LabelEntry::of(&octets[14..]).unwrap();
            assert!(entry.is_bottom(), "one label to a CE");
            assert_eq!(octets[18] >> 4, 4, "the customer's packet is below");
            let Some(IlmAction::Multicast(number)) = self.ces[ce].ilm.get(&entry.label()) else {
                panic!("CE {ce} did not give {:?}", entry.label());
            };
            *got.entry((ce, number.0)).or_default() += 1;
        }
        got
    }

    /// Routes of a kind that are there.
    pub fn routes(&self, is: impl Fn(&CMldpRoute) -> bool) -> Vec<(&CMldpRoute, &McastAttributes)> {
        let all = self.rib.iter().filter(|(route, _)| is(route));
        all.flat_map(|(route, paths)| paths.values().map(move |a| (route, a))).collect()
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.world.now + time;
        self.pump();
        while self.world.now < end {
            self.world.run_for(DELAY);
            let now = self.world.now;
            while self.due.front().is_some_and(|(at, _)| *at <= now) {
                let (_, due) = self.due.pop_front().unwrap();
                self.happens(due);
            }
            let timers = self.vrfs.values_mut().chain(self.ces.iter_mut().map(|ce| &mut ce.mldp));
            timers.filter(|mldp| mldp.next_timeout().is_some_and(|at| at <= now)).for_each(|m| m.handle_timeout(now));
            self.pump();
        }
    }

    fn happens(&mut self, due: Due) {
        let now = self.world.now;
        match due {
            Due::Ldp { ce, to_pe, octets } => {
                let message = Pdu::parse(&octets).unwrap().messages().next().unwrap().unwrap().parse().unwrap();
                let pe = self.ces[ce].pe;
                match to_pe {
                    true => {
                        let vrf = self.vrfs.get_mut(&pe).unwrap();
                        vrf.handle_input(now, mldp::Input::Message { peer: ce_id(ce), message: &message });
                    }
                    false => {
                        let input = mldp::Input::Message { peer: pe_id(pe), message: &message };
                        self.ces[ce].mldp.handle_input(now, input);
                    }
                }
            }
            Due::Bgp { to, octets, family, attributes } => {
                let route = CMldpRoute::parse(family, &octets).unwrap().unwrap();
                self.world.input(to, Input::CMldpRoute { route, attributes });
            }
        }
    }

    /// All that the machines have to say.
    fn pump(&mut self) {
        loop {
            let mut quiet = true;
            for (pe, output) in std::mem::take(&mut self.world.of_lsps) {
                quiet = false;
                self.provider_said(pe, output);
            }
            for pe in self.vrfs.keys().copied().collect::<Vec<_>>() {
                while let Some(output) = self.vrfs.get_mut(&pe).unwrap().poll_output() {
                    quiet = false;
                    self.vrf_said(pe, output);
                }
            }
            for ce in 0..self.ces.len() {
                while let Some(output) = self.ces[ce].mldp.poll_output() {
                    quiet = false;
                    self.ce_said(ce, output);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn provider_said(&mut self, pe: usize, output: Output) {
        match output {
            Output::AdvertiseCMldp { route, attributes } => {
                self.rib.entry(route.clone()).or_default().insert(pe, attributes);
                self.reflect(&route, pe);
            }
            Output::WithdrawCMldp(route) => {
                let paths = self.rib.get_mut(&route).expect("a route that was advertised");
                assert!(paths.remove(&pe).is_some(), "a route that was advertised");
                if paths.is_empty() {
                    self.rib.remove(&route);
                }
                self.reflect(&route, pe);
            }
            Output::CMldp { fec, label, mapped, .. } => {
                let (peer, now) = (pmsi_peer(), self.world.now);
                let message = peer.message(fec, label, mapped);
                let input = mldp::Input::Message { peer: peer.peer, message: &message };
                self.vrfs.get_mut(&pe).unwrap().handle_input(now, input);
            }
            other => panic!("{other:?}"),
        }
    }

    /// The best path of a route, that of the lowest PE, to all others.
    fn reflect(&mut self, route: &CMldpRoute, changed: usize) {
        let best = self.rib.get(route).and_then(|paths| paths.iter().next()).map(|(pe, a)| (*pe, a.clone()));
        if best.as_ref().is_some_and(|(pe, _)| *pe < changed) {
            return;
        }
        let mut octets = Vec::new();
        route.emit(&mut octets);
        for to in self.vrfs.keys().copied().filter(|to| *to != changed) {
            let attributes = best.as_ref().filter(|(pe, _)| *pe != to).map(|(_, a)| a.clone());
            let due = Due::Bgp { to, octets: octets.clone(), family: route.family(), attributes };
            self.due.push_back((self.world.now + DELAY, due));
        }
    }

    fn vrf_said(&mut self, pe: usize, output: mldp::Output) {
        let (now, peer_of_pmsi) = (self.world.now, pmsi_peer());
        match output {
            mldp::Output::Program(op) => self.world.input(pe, Input::Program { vrf: VRF, op }),
            mldp::Output::Message { peer, message } if peer == peer_of_pmsi.peer => {
                let (input, answer) = peer_of_pmsi.read(&message);
                input.into_iter().for_each(|input| self.world.input(pe, input));
                if let Some(message) = answer {
                    let vrf = self.vrfs.get_mut(&pe).unwrap();
                    vrf.handle_input(now, mldp::Input::Message { peer, message: &message });
                }
            }
            mldp::Output::Message { peer, message } => {
                let ce = usize::from(peer.lsr.octets()[2]);
                self.ldp(ce, false, pe_id(pe), message);
            }
            mldp::Output::Event(event) => self.events.push((pe, event)),
        }
    }

    fn ce_said(&mut self, ce: usize, output: mldp::Output) {
        let of = &mut self.ces[ce];
        match output {
            mldp::Output::Program(FwdOp::SetNhlfe { id, nhlfe }) => drop(of.nhlfes.insert(id, nhlfe)),
            mldp::Output::Program(FwdOp::ClearNhlfe { id }) => drop(of.nhlfes.remove(&id)),
            mldp::Output::Program(FwdOp::SetIlm { label, ilm }) => drop(of.ilm.insert(label, ilm.action)),
            mldp::Output::Program(FwdOp::ClearIlm { label }) => drop(of.ilm.remove(&label)),
            // The ways up of an MP2MP LSP.
            mldp::Output::Program(_) => {}
            mldp::Output::Message { message, .. } => self.ldp(ce, true, ce_id(ce), message),
            mldp::Output::Event(Event::LegUp { tree, leg, nhlfe, .. }) => {
                of.legs.entry(tree).or_default().insert(leg, nhlfe);
            }
            mldp::Output::Event(Event::LegDown { tree, leg }) => {
                of.legs.get_mut(&tree).unwrap().remove(&leg);
            }
            mldp::Output::Event(_) => {}
        }
    }

    fn ldp(&mut self, ce: usize, to_pe: bool, from: LdpId, message: Message) {
        let mut octets = Vec::new();
        Pdu::emit(from, &[message], &mut octets);
        self.due.push_back((self.world.now + DELAY, Due::Ldp { ce, to_pe, octets }));
    }
}

/// A packet of the customer's below a label, from a CE to its PE.
pub fn labelled(pe: usize, ce: usize, label: Label) -> Vec<u8> {
    let mut octets = Ethernet::new(mac(pe), ce_mac(ce), EtherType::MPLS).0.to_vec();
    octets.extend(LabelEntry::new(label, 0, true, 60).0);
    octets.extend(&data(A::host(99, 1), A::ssm(1), 7)[14..]);
    octets
}
