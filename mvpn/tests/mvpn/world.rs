//! PEs of one provider in virtual time: a reflector that keeps every promise of BGP and delays each message, P2MP LSPs whose labels take
//! time, and a core that delays packets.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::PuntReason;
use fwd_core::net::{IfIndex, IpPrefix, Label, NhlfeId, VrfId};
use fwd_core::time::Instant;
use mvpn::mvrf::inter_as::{AsPath, AsbrInput, AsbrPath, Peer};
use mvpn::mvrf::{
    CTree, Input, McastAttributes, McastRoute, MdtRoute, MvpnConfig, MvrfConfig, PTunnel, TreeId, Umh, UmhRoute,
};
use mvpn::pim::{self, Membership, MribRoute};
use p2mp_pw::ldp::message::Message;

use super::ldp::Ldp;
use super::node::{CORE, FEW, Pe, Room, Sent, SimAddress, data, read, site};

/// splitmix64
#[derive(Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

pub(super) enum What<A> {
    Bgp {
        to: usize,
        route: McastRoute,
        attributes: Option<McastAttributes>,
    },
    /// What a neighbour of a border router advertises.
    Path {
        to: usize,
        from: Peer,
        route: McastRoute,
        path: Option<AsbrPath>,
    },
    Umh {
        to: usize,
        vrf: VrfId,
        prefix: IpPrefix,
        rd: RouteDistinguisher,
        route: Option<UmhRoute>,
    },
    Branches {
        root: usize,
        tree: TreeId,
    },
    Frame {
        to: usize,
        octets: Vec<u8>,
    },
    /// A message between routers that run mLDP.
    Ldp {
        from: usize,
        to: usize,
        message: Message,
    },
    Mdt {
        to: usize,
        route: MdtRoute,
        attributes: Option<McastAttributes>,
    },
    /// S-PMSI Joins of another PE.
    Joins {
        to: usize,
        vrf: VrfId,
        pe: IpAddr,
        octets: Vec<u8>,
    },
    /// A PIM message of another PE on the PMSI.
    Pmsi {
        to: usize,
        vrf: VrfId,
        from: A,
        dst: A,
        octets: Vec<u8>,
    },
    /// A PIM message, and a packet, on a link between two sites.
    Lan {
        to: Place,
        from: A,
        dst: A,
        octets: Vec<u8>,
    },
    LanFrame {
        to: Place,
        octets: Vec<u8>,
    },
    /// A unicast PIM message to a router of a VPN: PE, or its CE.
    Unicast {
        to: usize,
        ce: bool,
        vrf: VrfId,
        from: A,
        dst: A,
        octets: Vec<u8>,
    },
}

struct Event<A> {
    at: Instant,
    seq: u64,
    what: What<A>,
}

impl<A> PartialEq for Event<A> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl<A> Eq for Event<A> {}
impl<A> PartialOrd for Event<A> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<A> Ord for Event<A> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.seq).cmp(&(self.at, self.seq))
    }
}

/// A P2MP LSP.
#[derive(Default)]
pub(super) struct Lsp {
    pub(super) root: Option<(usize, TreeId)>,
    pub(super) leaves: BTreeMap<usize, Label>,
    pub(super) branches: BTreeMap<usize, NhlfeId>,
    /// An MP2MP LSP: who sends by it, and the entries from each sender to each leaf.
    pub(super) senders: BTreeMap<usize, TreeId>,
    pub(super) between: BTreeMap<(usize, usize), NhlfeId>,
}

impl Lsp {
    /// Who sends by it.
    pub(super) fn roots(&self) -> Vec<(usize, TreeId)> {
        self.root.into_iter().chain(self.senders.iter().map(|(pe, tree)| (*pe, *tree))).collect()
    }
}

/// What a BGP message takes from a speaker to the next.
pub const HOP: Duration = Duration::from_millis(5);

/// Where a copy of a packet was delivered.
pub type Place = (usize, VrfId);

/// Source, group, RP, whether it is active.
pub type ForMsdp = (IpAddr, IpAddr, Option<Ipv4Addr>, bool);

pub struct World<A: SimAddress> {
    pub now: Instant,
    pub pes: Vec<Pe<A>>,
    pub routers: Vec<IpAddr>,
    pub(super) rib: BTreeMap<McastRoute, BTreeMap<usize, McastAttributes>>,
    /// Unicast prefixes by PE and VRF.
    prefixes: BTreeSet<(usize, VrfId, IpPrefix)>,
    pub(super) lsps: BTreeMap<PTunnel, Lsp>,
    queue: BinaryHeap<Event<A>>,
    seq: u64,
    pub rng: Rng,
    /// When the last message to each PE arrives: BGP does not reorder.
    in_order: Vec<Instant>,
    /// Copies by packet and place.
    pub delivered: BTreeMap<(A, A, u32), BTreeMap<Place, u32>>,
    /// Copies by place.
    pub delivered_at: BTreeMap<Place, u64>,
    /// PEs that packets reached through the core, by their number.
    pub reached: BTreeMap<u32, BTreeMap<usize, u32>>,
    /// Packets that crossed the core.
    pub crossed: u64,
    /// Packets that each router sent into it.
    pub sent_by: Vec<u64>,
    /// mLDP, where trees are not simulated.
    pub ldp: Option<Ldp>,
    /// Whether trees of PIM's carry packets in GRE to their P-groups. Otherwise they are simulated as LSPs are.
    pub has_pim: bool,
    /// Packets that each router sent into trees of PIM's.
    pub into_trees: BTreeMap<usize, u64>,
    /// How many reflectors a route passes, each link taking [`HOP`]; none: one, and links as slow as it happens.
    pub reflectors: Option<u32>,
    /// BGP messages that the reflector sent, by PE.
    pub messages: Vec<u64>,
    /// PIM messages between PEs.
    pub pim_messages: u64,
    /// A source whose first-hop router is a CE.
    pub behind_ce: Option<A>,
    /// Registers and Register-Stops that PEs sent.
    pub registers: u64,
    /// Tunnels joined as a leaf.
    pub joins: u64,
    /// S-PMSI Joins sent.
    pub s_pmsi_joins: u64,
    /// PIM messages between PEs and CEs: where, source, destination, octets.
    pub on_lans: Vec<(Place, A, A, Vec<u8>)>,
    /// Octets of customers' packets on links to an RP's CE, in either direction, Registers among them.
    pub rp_link: u64,
    /// Whether packets that were handed to software for want of a route go through the forwarder again: they count twice there.
    pub puts_back: bool,
    /// What came out of tunnels for software: where, the IP packet.
    pub control: Vec<(Place, Vec<u8>)>,
    /// Trees of the other family that PEs were joined by.
    pub other_family: Vec<(usize, CTree, bool)>,
    /// What PEs said for MSDP.
    pub for_msdp: Vec<(usize, ForMsdp)>,
    /// What PEs said of customers' LSPs, and frames for CEs that run mLDP.
    pub of_lsps: Vec<(usize, mvpn::mvrf::Output)>,
    pub ce_frames: Vec<(usize, IfIndex, Vec<u8>)>,
    number: u32,
    /// The AS of each router: routes stay within it but at its border.
    pub(super) asn: Vec<u32>,
    /// Sites that are one link: VRFs back to back (RFC 4364 §10, option A).
    pub lans: BTreeMap<Place, Place>,
    /// Area border routers, and what they tell the backbone.
    pub(super) abrs: BTreeSet<usize>,
    pub(super) to_backbone: BTreeSet<(McastRoute, usize)>,
    /// Links between ASes.
    pub links: Vec<(usize, usize)>,
    pub(super) as_paths: BTreeMap<(McastRoute, usize), AsPath>,
    /// Messages of BGP, and packets, from router to router between ASes.
    pub routes_between: BTreeMap<(usize, usize), u64>,
    pub packets_between: BTreeMap<(usize, usize), u64>,
    /// What a packet takes from router to router, where it is not 5 ms.
    pub latency: BTreeMap<(usize, usize), Duration>,
}

impl<A: SimAddress> World<A> {
    pub fn new(routers: Vec<IpAddr>, seed: u64, tune: impl Fn(usize, &mut MvpnConfig)) -> Self {
        Self::with_room(routers, seed, FEW, tune)
    }

    /// PEs with room for so many VPNs.
    pub fn with_room(routers: Vec<IpAddr>, seed: u64, vpns: u16, tune: impl Fn(usize, &mut MvpnConfig)) -> Self {
        Self::with(routers, seed, Room::for_vpns(vpns), tune)
    }

    /// PEs with room for so much.
    pub fn with(routers: Vec<IpAddr>, seed: u64, room: Room, tune: impl Fn(usize, &mut MvpnConfig)) -> Self {
        let asn = vec![0; routers.len()];
        let mut world = Self::build(routers, asn, seed, room, tune);
        for pe in 0..world.pes.len() {
            for to in (0..world.pes.len()).filter(|to| *to != pe) {
                world.connect(pe, to);
            }
        }
        world
    }

    /// Routers that know no way to each other yet.
    pub(super) fn build(
        routers: Vec<IpAddr>,
        asn: Vec<u32>,
        seed: u64,
        room: Room,
        tune: impl Fn(usize, &mut MvpnConfig),
    ) -> Self {
        let pes: Vec<Pe<A>> = routers.iter().enumerate().map(|(n, r)| Pe::new(n, *r, room, |c| tune(n, c))).collect();
        let (in_order, messages, sent_by) = (vec![Instant::ZERO; pes.len()], vec![0; pes.len()], vec![0; pes.len()]);
        Self {
            now: Instant::ZERO,
            pes,
            routers,
            rib: BTreeMap::new(),
            prefixes: BTreeSet::new(),
            lsps: BTreeMap::new(),
            queue: BinaryHeap::new(),
            seq: 0,
            rng: Rng(seed),
            in_order,
            delivered: BTreeMap::new(),
            delivered_at: BTreeMap::new(),
            reached: BTreeMap::new(),
            crossed: 0,
            sent_by,
            ldp: None,
            has_pim: false,
            into_trees: BTreeMap::new(),
            reflectors: None,
            messages,
            pim_messages: 0,
            behind_ce: None,
            registers: 0,
            joins: 0,
            s_pmsi_joins: 0,
            on_lans: Vec::new(),
            rp_link: 0,
            puts_back: false,
            control: Vec::new(),
            other_family: Vec::new(),
            for_msdp: Vec::new(),
            of_lsps: Vec::new(),
            ce_frames: Vec::new(),
            number: 0,
            asn,
            lans: BTreeMap::new(),
            abrs: BTreeSet::new(),
            to_backbone: BTreeSet::new(),
            links: Vec::new(),
            as_paths: BTreeMap::new(),
            routes_between: BTreeMap::new(),
            packets_between: BTreeMap::new(),
            latency: BTreeMap::new(),
        }
    }

    /// Adds a VRF with a site to a PE; `rp`: the RP is a CE of it.
    pub fn add_site(&mut self, pe: usize, config: MvrfConfig, rp: bool) {
        let vrf = config.vrf;
        self.pes[pe].add_site(pe, config, rp);
        self.set_prefix(pe, vrf, A::subnet(pe).into(), true);
        if rp {
            self.set_prefix(pe, vrf, A::rp().prefix(A::BITS).unwrap().into(), true);
        }
        for (to, of, prefix) in self.prefixes.clone() {
            if (to, of) != (pe, vrf) {
                self.tell_prefix(to, of, prefix, true);
            }
        }
        self.drain(pe);
    }

    /// Turns bidirectional groups on in a VRF: PIM and the provider side are told the same.
    pub fn set_rpas(&mut self, (pe, vrf): Place, rpas: u8) {
        let now = self.now;
        super::node::set_rpas(&mut self.pes[pe].sites.get_mut(&vrf).unwrap().pim, rpas, now);
        for k in 0..rpas {
            let (range, rpa) = (A::bidir_range(k).into(), Some(A::rpa(k).into()));
            self.input(pe, Input::BidirRange { vrf, range, rpa });
        }
        self.drain(pe);
    }

    /// The link of an RPA is behind a site, or not any more; both machines of the PE hear of it at once.
    pub fn set_rpl(&mut self, (pe, vrf): Place, k: u8, reachable: bool) {
        self.set_prefix(pe, vrf, A::rpa(k).prefix(A::BITS).unwrap().into(), reachable);
        self.retrack(pe, vrf);
    }

    /// A unicast route of a site, advertised to all VRFs that import it.
    pub fn set_prefix(&mut self, pe: usize, vrf: VrfId, prefix: IpPrefix, reachable: bool) {
        match reachable {
            true => self.prefixes.insert((pe, vrf, prefix)),
            false => self.prefixes.remove(&(pe, vrf, prefix)),
        };
        self.input(pe, Input::Local { vrf, prefix, reachable });
        self.tell_prefix(pe, vrf, prefix, reachable);
    }

    fn tell_prefix(&mut self, pe: usize, vrf: VrfId, prefix: IpPrefix, reachable: bool) {
        let Some(of) = self.pes[pe].sites.get(&vrf) else { return };
        let (rd, export) = (of.config.rd, of.config.export.clone());
        let route = UmhRoute {
            import: self.pes[pe].mvpn.route_import(vrf),
            source_as: Some(self.pes[pe].asn),
            next_hop: self.routers[pe],
            is_installed: false,
        };
        let mut to_tell = Vec::new();
        for (to, other) in self.pes.iter().enumerate() {
            for (importer, site) in other.sites.iter().filter(|(importer, _)| (to, **importer) != (pe, vrf)) {
                if site.config.import.iter().any(|target| export.contains(target)) {
                    to_tell.push((to, *importer));
                }
            }
        }
        for (to, vrf) in to_tell {
            // Unicast prefers a PE that is as odd or even as its own.
            let route = UmhRoute { is_installed: (to + pe) % 2 == 0, ..route };
            let route = (reachable && self.pes[pe].alive).then_some(route);
            self.bgp(to, What::Umh { to, vrf, prefix, rd, route });
        }
    }

    pub(super) fn push(&mut self, at: Instant, what: What<A>) {
        self.seq += 1;
        self.queue.push(Event { at, seq: self.seq, what });
    }

    /// A message of the reflector: 10 to 200 ms, in order.
    pub(super) fn bgp(&mut self, to: usize, what: What<A>) {
        let delay = match self.reflectors {
            Some(hops) => HOP * (hops + 1),
            None => Duration::from_millis(10 + self.rng.below(190)),
        };
        let at = (self.now + delay).max(self.in_order[to]);
        self.in_order[to] = at;
        self.messages[to] += 1;
        self.push(at, what);
    }

    /// Tells everybody the best path of an NLRI, that of the lowest PE, if it changed.
    pub(super) fn reflect(&mut self, route: McastRoute, changed: usize) {
        self.tell_borders(route, changed);
        let asn = self.area_of(&route, changed);
        let paths = self.rib.get(&route).into_iter().flatten();
        let best = paths.filter(|(pe, _)| self.area_of(&route, **pe) == asn).map(|(pe, a)| (*pe, a.clone())).next();
        if best.as_ref().is_some_and(|(pe, _)| *pe < changed) {
            return;
        }
        for to in 0..self.pes.len() {
            let is_there = self.pes[to].alive && self.pes[to].border.is_none() && self.asn[to] == asn;
            if is_there && to != changed && best.as_ref().is_none_or(|(pe, _)| *pe != to) {
                let attributes = best.as_ref().map(|(_, a)| a.clone());
                self.bgp(to, What::Bgp { to, route, attributes });
            }
        }
    }

    /// A leaf of an LSP is lost: its root does not branch to it any more, and nobody is told.
    pub fn cut_branch(&mut self, tunnel: &PTunnel, leaf: usize) {
        let lsp = self.lsps.get_mut(tunnel).unwrap();
        lsp.leaves.remove(&leaf);
        lsp.branches.remove(&leaf);
        let root = lsp.root;
        self.tell_root(root);
    }

    /// A PE asks for all routes again.
    pub fn refresh(&mut self, to: usize) {
        let best = |(route, paths): (&McastRoute, &BTreeMap<usize, McastAttributes>)| {
            let is_told = |pe: usize| pe != to && self.area_of(route, pe) == self.asn[to];
            let (_, attributes) = paths.iter().find(|(pe, _)| is_told(**pe))?;
            Some((*route, attributes.clone()))
        };
        let routes: Vec<_> = self.rib.iter().filter_map(best).collect();
        for (route, attributes) in routes {
            self.bgp(to, What::Bgp { to, route, attributes: Some(attributes) });
        }
    }

    pub fn input(&mut self, pe: usize, input: Input) {
        self.pes[pe].mvpn.handle_input(self.now, input);
        self.drain(pe);
    }

    pub fn pim(&mut self, pe: usize, vrf: VrfId, input: pim::Input<'_, A>) {
        let now = self.now;
        if let Some(site) = self.pes[pe].sites.get_mut(&vrf) {
            site.pim.handle_input(now, input);
        }
        self.drain(pe);
    }

    /// A receiver in a site.
    pub fn member(&mut self, (pe, vrf): Place, source: Option<A>, group: A, joined: bool) {
        let membership = if joined { Membership::Include } else { Membership::None };
        self.pim(pe, vrf, pim::Input::Membership { interface: site(vrf), group, source, membership });
    }

    /// Everything that the machines of a PE have to say.
    pub fn drain(&mut self, pe: usize) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.pes[pe].mvpn.poll_output() {
                quiet = false;
                self.provider_output(pe, output);
            }
            while let Some(output) = self.pes[pe].border.as_mut().and_then(|border| border.poll_output()) {
                quiet = false;
                self.border_output(pe, output);
            }
            let vrfs: Vec<VrfId> = self.pes[pe].sites.keys().copied().collect();
            for vrf in vrfs {
                while let Some(output) = self.pes[pe].sites.get_mut(&vrf).and_then(|s| s.pim.poll_output()) {
                    quiet = false;
                    self.customer_output(pe, vrf, output);
                }
                while let Some(output) =
                    self.pes[pe].sites.get_mut(&vrf).and_then(|s| s.ce.as_mut()).and_then(|ce| ce.pim.poll_output())
                {
                    quiet = false;
                    self.ce_output(pe, vrf, output);
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// The route of a VRF's multicast RIB.
    pub(super) fn tell_route(&mut self, pe: usize, vrf: VrfId, address: A) {
        // RFC 6513 §11.2.1: an RPA has one upstream PE, whatever the group.
        let group = if (0..20).any(|k| A::rpa(k) == address) { address.into() } else { A::asm(1).into() };
        let of = &self.pes[pe].sites[&vrf];
        let route = match self.pes[pe].mvpn.upstream(vrf, address.into(), group) {
            Some(Umh::Remote { import, .. }) => {
                let of_pe = self.routers.iter().position(|r| *r == import.address);
                Some(of.link.route(of_pe.map(|n| A::link(super::node::on_pmsi(n)))))
            }
            Some(Umh::Local) => {
                let ce = of.ce.as_ref().filter(|_| address == A::rp()).map(|ce| ce.address);
                let beyond = self.lans.get(&(pe, vrf)).filter(|_| !address.is_in(&A::subnet(pe)));
                let first_hop = self.behind_ce.filter(|source| *source == address).map(|_| A::site(pe, 8));
                let next_hop = ce.or(beyond.map(|(other, _)| A::site(*other, 1))).or(first_hop);
                Some(MribRoute { interface: site(vrf), next_hop, preference: 1, metric: 1 })
            }
            None => None,
        };
        let now = self.now;
        let of = self.pes[pe].sites.get_mut(&vrf).unwrap();
        of.pim.handle_input(now, pim::Input::Route { address, route });
    }

    /// The PE's own sites changed: PIM looks at its routes again.
    pub fn retrack(&mut self, pe: usize, vrf: VrfId) {
        let tracked: Vec<A> = self.pes[pe].sites[&vrf].tracked.iter().copied().collect();
        tracked.into_iter().for_each(|address| self.tell_route(pe, vrf, address));
        self.drain(pe);
    }

    /// A frame arrives at a PE.
    pub(super) fn frame(&mut self, pe: usize, iface: IfIndex, octets: &[u8]) {
        if self.pass(pe, iface, octets) && self.puts_back {
            // Software has made a route of it.
            self.pass(pe, iface, octets);
        }
    }

    /// A frame goes through the forwarder. Whether it came no further than to software, which may have changed that.
    fn pass(&mut self, pe: usize, iface: IfIndex, octets: &[u8]) -> bool {
        if !self.pes[pe].alive {
            return false;
        }
        let mut again = false;
        self.pes[pe].forwarder.set_now(self.now);
        if let (CORE, Some(number)) = (iface, octets.last_chunk::<4>()) {
            *self.reached.entry(u32::from_be_bytes(*number)).or_default().entry(pe).or_default() += 1;
        }
        for sent in self.pes[pe].forward(iface, octets) {
            match sent {
                Sent::Core(octets) if self.has_pim && octets[0] & 1 == 1 => self.enter_tree(pe, &octets),
                Sent::Core(octets) => {
                    let to = super::node::addressee(&octets);
                    self.crossed += 1;
                    self.sent_by[pe] += 1;
                    if !self.is_linked(pe, to) {
                        continue;
                    }
                    if self.asn[pe] != self.asn[to] {
                        *self.packets_between.entry((pe, to)).or_default() += 1;
                    }
                    let takes = self.latency.get(&(pe, to)).copied().unwrap_or(Duration::from_millis(5));
                    self.push(self.now + takes, What::Frame { to, octets });
                }
                Sent::Ce(link, octets) => self.ce_frames.push((pe, link, octets)),
                Sent::Site(vrf, octets) => {
                    let (len, (source, group, number)) = (octets.len(), read::<A>(&octets[14..]));
                    *self.delivered.entry((source, group, number)).or_default().entry((pe, vrf)).or_default() += 1;
                    *self.delivered_at.entry((pe, vrf)).or_default() += 1;
                    let now = self.now;
                    if let Some(to) = self.lans.get(&(pe, vrf)).copied() {
                        self.push(now + Duration::from_millis(5), What::LanFrame { to, octets });
                    }
                    if let Some(ce) = self.pes[pe].sites.get_mut(&vrf).and_then(|s| s.ce.as_mut()) {
                        self.rp_link += len as u64 - 14;
                        ce.pim.handle_input(now, pim::Input::Data { interface: IfIndex(1), source, group });
                    }
                }
                Sent::Software(PuntReason::Multicast, vrf, packet) => self.control.push(((pe, vrf), packet)),
                Sent::Software(reason, vrf, packet) => {
                    let (source, group, _) = read::<A>(&packet);
                    if reason == PuntReason::Register {
                        self.pim(pe, vrf, pim::Input::WholePacket { packet: &packet });
                    } else {
                        again = true;
                        // What is not from the VRF's own site came over its PMSI: from another PE, or from another VRF of this one.
                        let by_pmsi = iface != site(vrf);
                        let interface = if by_pmsi { super::node::pmsi(vrf) } else { iface };
                        self.pim(pe, vrf, pim::Input::Data { interface, source, group });
                        if by_pmsi && reason == PuntReason::WrongInterface {
                            let (source, group) = (source.into(), group.into());
                            self.input(pe, Input::Arrival { vrf, source, group });
                        }
                    }
                }
            }
        }
        self.drain(pe);
        again
    }

    /// A host of a site sends a packet. Its number.
    pub fn send(&mut self, at: Place, source: A, group: A) -> u32 {
        self.number += 1;
        self.send_again(at, source, group, self.number);
        self.number
    }

    /// The same packet into another site: the source is attached to two PEs.
    pub fn send_again(&mut self, (pe, vrf): Place, source: A, group: A, number: u32) {
        self.delivered.entry((source, group, number)).or_default();
        self.frame(pe, site(vrf), &data(source, group, number));
    }

    /// Who got a packet, and how often.
    pub fn copies(&self, source: A, group: A, number: u32) -> BTreeMap<Place, u32> {
        self.delivered.get(&(source, group, number)).cloned().unwrap_or_default()
    }

    /// A PE dies: its routes are withdrawn, its LSPs are gone.
    pub fn kill(&mut self, pe: usize) {
        self.pes[pe].alive = false;
        let routes: Vec<McastRoute> = self.rib.iter().filter(|(_, p)| p.contains_key(&pe)).map(|(r, _)| *r).collect();
        routes.into_iter().for_each(|route| self.withdraw(pe, route));
        for (of, vrf, prefix) in self.prefixes.clone() {
            if of == pe {
                self.tell_prefix(pe, vrf, prefix, false);
            }
        }
        for lsp in self.lsps.values_mut() {
            lsp.leaves.remove(&pe);
            lsp.branches.remove(&pe);
            lsp.senders.remove(&pe);
            lsp.between.retain(|(from, to), _| *from != pe && *to != pe);
            lsp.root = lsp.root.filter(|(root, _)| *root != pe);
        }
        self.tell_roots();
        let router = self.routers[pe];
        for other in (0..self.pes.len()).filter(|o| *o != pe) {
            self.input(other, Input::Transport { router, entry: None });
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let timers = self.pes.iter().filter(|pe| pe.alive).filter_map(|pe| {
                let pim = pe.sites.values().filter_map(|s| s.pim.next_timeout());
                let ce = pe.sites.values().filter_map(|s| s.ce.as_ref()).filter_map(|ce| ce.pim.next_timeout());
                let border = pe.border.as_ref().and_then(|border| border.next_timeout());
                pim.chain(ce).chain(pe.mvpn.next_timeout()).chain(border).min()
            });
            let ldp = self.ldp.iter().flat_map(|ldp| ldp.nodes.iter().filter_map(|n| n.next_timeout()));
            let timer = timers.chain(ldp).min();
            let event = self.queue.peek().map(|e| e.at);
            let Some(next) = timer.into_iter().chain(event).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if event == Some(next) {
                // All of this moment: timers that are due wait for them anyway.
                while self.queue.peek().is_some_and(|event| event.at == next) {
                    let event = self.queue.pop().unwrap();
                    self.happens(event.what);
                }
            } else {
                self.timeouts();
            }
        }
        self.now = end;
    }

    fn timeouts(&mut self) {
        let now = self.now;
        self.ldp_timeouts();
        for pe in 0..self.pes.len() {
            if !self.pes[pe].alive {
                continue;
            }
            let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            let mut any = false;
            if due(self.pes[pe].mvpn.next_timeout()) {
                self.pes[pe].mvpn.handle_timeout(now);
                any = true;
            }
            if let Some(border) = self.pes[pe].border.as_mut().filter(|border| due(border.next_timeout())) {
                border.handle_timeout(now);
                any = true;
            }
            for of in self.pes[pe].sites.values_mut() {
                for pim in [Some(&mut of.pim), of.ce.as_mut().map(|ce| &mut ce.pim)].into_iter().flatten() {
                    if due(pim.next_timeout()) {
                        pim.handle_timeout(now);
                        any = true;
                    }
                }
            }
            if any {
                self.drain(pe);
            }
        }
    }

    fn happens(&mut self, what: What<A>) {
        match what {
            What::Bgp { to, route, attributes } => {
                if self.pes[to].alive {
                    self.input(to, Input::Route { route, attributes });
                }
            }
            What::Path { to, from, route, path } => {
                if self.pes[to].alive {
                    self.ldp_ad(to, &route, path.as_ref().map(|path| path.attributes.next_hop));
                    self.border_input(to, AsbrInput::Path { from, route, path });
                }
            }
            What::Umh { to, vrf, prefix, rd, route } => {
                if !self.pes[to].alive {
                    return;
                }
                self.input(to, Input::Umh { vrf, prefix, rd, route });
                self.retrack(to, vrf);
            }
            What::Branches { root, tree } => {
                if let Some(entry) = self.entry_of_pim(root, tree) {
                    return self.branches(root, tree, vec![entry]);
                }
                if let Some(lsp) = self.lsps.values_mut().find(|l| l.senders.get(&root) == Some(&tree)) {
                    for (leaf, label) in lsp.leaves.iter().filter(|(leaf, _)| **leaf != root) {
                        let new = || self.pes[root].branch(*leaf, *label);
                        lsp.between.entry((root, *leaf)).or_insert_with(new);
                    }
                    let branches = lsp.between.iter().filter(|((from, _), _)| *from == root).map(|(_, id)| *id);
                    let branches = branches.collect();
                    return self.branches(root, tree, branches);
                }
                let Some(lsp) = self.lsps.values_mut().find(|l| l.root == Some((root, tree))) else { return };
                for (leaf, label) in &lsp.leaves {
                    if !lsp.branches.contains_key(leaf) {
                        lsp.branches.insert(*leaf, self.pes[root].branch(*leaf, *label));
                    }
                }
                let branches = lsp.branches.values().copied().collect();
                self.branches(root, tree, branches);
            }
            What::Mdt { to, route, attributes } => self.input(to, Input::Mdt { route, attributes }),
            What::Joins { to, vrf, pe, octets } => {
                let interface = super::node::pmsi(vrf);
                self.input(to, Input::SPmsiJoin { vrf, interface, pe, octets });
            }
            What::Frame { to, octets } => self.frame(to, CORE, &octets),
            What::Lan { to: (to, _), .. } if !self.pes[to].alive => {}
            What::Lan { to: (to, vrf), from, dst, octets } => {
                let (interface, authenticated) = (site(vrf), false);
                self.pim(to, vrf, pim::Input::Datagram { interface, from, to: dst, octets: &octets, authenticated });
            }
            What::LanFrame { to: (to, vrf), octets } => self.frame(to, site(vrf), &octets),
            What::Ldp { from, to, message } => self.ldp_message(from, to, &message),
            What::Pmsi { to, vrf, from, dst, octets } => {
                let interface = super::node::pmsi(vrf);
                let authenticated = false;
                let input = pim::Input::Datagram { interface, from, to: dst, octets: &octets, authenticated };
                // Who has but the neighbour that stands for the VPN hears no other.
                if self.pes[to].alive && self.pes[to].sites[&vrf].link.neighbor.is_none() {
                    self.pim(to, vrf, input);
                    let link = self.pes[to].sites[&vrf].link;
                    link.overhear(from, dst, &octets).into_iter().for_each(|input| self.input(to, input));
                }
            }
            What::Unicast { to, ce, vrf, from, dst, octets } => {
                let now = self.now;
                let of = self.pes[to].sites.get_mut(&vrf).unwrap();
                let (pim, interface) = match (&mut of.ce, ce) {
                    (Some(ce), true) => (&mut ce.pim, IfIndex(1)),
                    _ => (&mut of.pim, super::node::pmsi(vrf)),
                };
                let input = pim::Input::Datagram { interface, from, to: dst, octets: &octets, authenticated: false };
                pim.handle_input(now, input);
                self.drain(to);
            }
        }
    }
}
