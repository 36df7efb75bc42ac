//! A PE of the simulated network: the machine of the provider side, a PIM router for each VRF, and a forwarder.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use bumpalo::Bump;
use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, ReplicationId, TunnelId, VlinkId, VrfId};
use fwd_core::op::{
    FwdOp, Ilm, IlmAction, Interface, LegTarget, Mroute, MrouteKey, MulticastVrf, NextHop, Nhlfe, Origin, Rpf,
    TunnelModel, VsiOrVrf,
};
use fwd_core::table::{
    ApplyError, CounterMemory, Exact6Slot, ExactSlot, IlmSlot, InterfaceSlot, LegSlot, Memory, MulticastMemory,
    MulticastVrfSlot, NhlfeSlot, PolicerSlot, ReplicationSlot, Rib4Node, TokenBuckets, VlinkSlot, VlinkState, VrfSlot,
    Word,
};
use fwd_core::time::Instant;
use fwd_core::wire::Ipv4;
use fwd_core::{Forwarder, Frame, GroupCounters, PuntReason, Replica, Verdict};
use mvpn::address::Address;
use mvpn::mvrf::inter_as::MvpnAsbr;
use mvpn::mvrf::{
    BfdSession, CMulticastProtocol, MvpnConfig, MvpnEvent, MvpnPe, MvrfConfig, PTunnel, PimRoot, PmsiLink,
};
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::{BidirConfig, PimAddress, PimConfig, PimInterfaceConfig, PimRouter, SptThreshold};
use self_cell::self_cell;

/// Customers' addresses of the simulated network.
pub trait SimAddress: PimAddress {
    fn host(pe: usize, host: u8) -> Self;
    fn site(pe: usize, host: u8) -> Self;
    fn subnet(pe: usize) -> <Self as Address>::Prefix;
    fn loopback(pe: usize, vrf: u16) -> Self;
    fn link(n: u8) -> Self;
    fn ssm(n: u8) -> Self;
    fn asm(n: u8) -> Self;
    fn rp() -> Self;
    /// The n-th group of the k-th RPA.
    fn bidir(k: u8, n: u16) -> Self;
    /// All groups of the k-th RPA.
    fn bidir_range(k: u8) -> <Self as Address>::Prefix;
    fn rpa(k: u8) -> Self;
}

fn octet(n: usize) -> u8 {
    u8::try_from(n).unwrap()
}

/// Two octets of the number of a PE.
fn two(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap().to_be_bytes()
}

fn number(n: usize) -> u16 {
    u16::try_from(n).unwrap()
}

/// The last part of a PE's address on the PMSI, where there are more PEs than such addresses: BGP carries joins then.
pub fn on_pmsi(pe: usize) -> u8 {
    octet(pe % 250) + 1
}

impl SimAddress for Ipv4Addr {
    fn host(pe: usize, host: u8) -> Self {
        let [high, low] = two(pe);
        Self::new(10, high, low, 100 + host)
    }
    fn site(pe: usize, host: u8) -> Self {
        let [high, low] = two(pe);
        Self::new(10, high, low, host)
    }
    fn subnet(pe: usize) -> <Self as Address>::Prefix {
        Self::host(pe, 0).prefix(24).unwrap()
    }
    fn loopback(pe: usize, vrf: u16) -> Self {
        let [high, low] = two(pe + 1);
        Self::new(10, 255 - 2 * high, vrf as u8, low)
    }
    fn link(n: u8) -> Self {
        Self::new(169, 254, 0, n)
    }
    fn ssm(n: u8) -> Self {
        Self::new(232, 1, 1, n)
    }
    fn asm(n: u8) -> Self {
        Self::new(239, 1, 1, n)
    }
    fn rp() -> Self {
        Self::new(10, 254, 0, 1)
    }
    fn bidir(k: u8, n: u16) -> Self {
        let [high, low] = n.to_be_bytes();
        Self::new(239, 100 + k, high, low)
    }
    fn bidir_range(k: u8) -> <Self as Address>::Prefix {
        Self::bidir(k, 0).prefix(16).unwrap()
    }
    fn rpa(k: u8) -> Self {
        Self::new(10, 254, 100, k)
    }
}

impl SimAddress for Ipv6Addr {
    fn host(pe: usize, host: u8) -> Self {
        Self::new(0x2001, 0xdb8, number(pe), 0, 0, 0, 0, 0x100 + u16::from(host))
    }
    fn site(pe: usize, host: u8) -> Self {
        Self::new(0xfe80, 0, 0, 0, 0, 0, number(pe), u16::from(host))
    }
    fn subnet(pe: usize) -> <Self as Address>::Prefix {
        Self::host(pe, 0).prefix(64).unwrap()
    }
    fn loopback(pe: usize, vrf: u16) -> Self {
        Self::new(0x2001, 0xdb8, 0xffff, vrf, 0, 0, 0, number(pe) + 1)
    }
    fn link(n: u8) -> Self {
        Self::new(0xfe80, 0, 0, 0, 0, 0, 0xffff, u16::from(n))
    }
    fn ssm(n: u8) -> Self {
        Self::new(0xff3e, 0, 0, 0, 0, 0, 1, u16::from(n))
    }
    fn asm(n: u8) -> Self {
        Self::new(0xff0e, 0, 0, 0, 0, 0, 1, u16::from(n))
    }
    fn rp() -> Self {
        Self::new(0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 1)
    }
    fn bidir(k: u8, n: u16) -> Self {
        Self::new(0xff0e, 0, 0, 0, 0, 0, 0x100 + u16::from(k), n)
    }
    fn bidir_range(k: u8) -> <Self as Address>::Prefix {
        Self::bidir(k, 0).prefix(112).unwrap()
    }
    fn rpa(k: u8) -> Self {
        Self::new(0x2001, 0xdb8, 0xfffe, 1, 0, 0, 0, u16::from(k))
    }
}

pub const CORE: IfIndex = IfIndex(0);
/// Labels of the simulated LDP.
pub const LDP_LABELS: u32 = 3000;

pub fn site(vrf: VrfId) -> IfIndex {
    IfIndex(10 + u32::from(vrf.0))
}

pub fn pmsi(vrf: VrfId) -> IfIndex {
    IfIndex(1000 + u32::from(vrf.0))
}

/// How many VPNs a PE has room for, unless more is asked for.
pub const FEW: u16 = 6;

/// What a PE has room for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub vpns: u16,
    /// Streams of VPN 1, where there are many.
    pub streams: u16,
}

impl Room {
    pub const fn for_vpns(vpns: u16) -> Self {
        Self { vpns, streams: 0 }
    }
}

/// The groups that the customers' PIM of a VRF may use.
fn groups_of(vrf: VrfId, room: Room) -> RangeInclusive<u32> {
    let n = u32::from(vrf.0);
    let (first, count) = match room {
        Room { streams: 1.., .. } => (2048, u32::from(room.streams) + 100),
        Room { vpns, .. } if vpns > FEW => (2000 + 40 * n, 40),
        Room { .. } => (1 + 150 * n, 150),
    };
    first..=first + count - 1
}

pub fn mac(pe: usize) -> Mac {
    let [high, low] = two(pe);
    Mac([2, 0, 0, 0, 1 + high, low])
}

/// The PE that a frame in the core is for.
pub fn addressee(octets: &[u8]) -> usize {
    usize::from(octets[4] - 1) << 8 | usize::from(octets[5])
}

/// A CE that is a PIM router, on the site's LAN, with the RP's address.
pub struct Ce<A: PimAddress> {
    pub pim: PimRouter<A>,
    pub address: A,
}

/// A VRF of a PE and its site.
pub struct Site<A: PimAddress> {
    pub config: MvrfConfig,
    pub pim: PimRouter<A>,
    pub link: PmsiLink<A>,
    /// The neighbour that stands for the VPN, while PIM runs between the PEs too.
    pub by_bgp: Option<PmsiLink<A>>,
    pub tracked: BTreeSet<A>,
    pub ce: Option<Ce<A>>,
}

/// What comes out of a forwarder.
#[derive(Debug)]
pub enum Sent {
    Core(Vec<u8>),
    Site(VrfId, Vec<u8>),
    /// To a CE that has a link of its own.
    Ce(IfIndex, Vec<u8>),
    /// A packet for software: why, the VRF, the IP packet.
    Software(PuntReason, VrfId, Vec<u8>),
}

pub struct Pe<A: PimAddress> {
    pub mvpn: MvpnPe,
    pub sites: BTreeMap<VrfId, Site<A>>,
    /// It is at the border of its AS.
    pub border: Option<MvpnAsbr>,
    pub forwarder: Plane,
    pub events: Vec<MvpnEvent>,
    pub drops: BTreeMap<String, u64>,
    /// BFD sessions that it was told to watch.
    pub watched: BTreeMap<IpAddr, Option<BfdSession>>,
    pub ops: u64,
    pub asn: u32,
    pub alive: bool,
    /// Links to CEs that run mLDP.
    pub ce_links: BTreeSet<IfIndex>,
    room: Room,
    pub labels: u32,
    pub branches: u32,
    /// Trees of PIM's that it is the root of, or a leaf, by their numbers here.
    pim_roots: BTreeMap<PTunnel, u32>,
    pim_leaves: BTreeMap<PTunnel, u32>,
}

/// The lowest number that no tree has.
fn free(trees: &BTreeMap<PTunnel, u32>) -> u32 {
    (0..).find(|n| trees.values().all(|of| of != n)).unwrap()
}

/// Root and P-group of a source-specific tree.
fn ssm_tree(tunnel: &PTunnel) -> (Ipv4Addr, Ipv4Addr) {
    match tunnel {
        PTunnel::PimSsm { root: IpAddr::V4(root), group: IpAddr::V4(group) } => (*root, *group),
        other => panic!("{other:?}"),
    }
}

fn groups(room: Room) -> usize {
    match room {
        Room { streams: 1.., .. } => 2200 + usize::from(room.streams),
        Room { vpns, .. } if vpns > FEW => 2048 + 40 * (usize::from(vpns) + 1),
        Room { .. } => 2048,
    }
}

fn counters(arena: &Bump, room: Room) -> CounterMemory<'_> {
    CounterMemory {
        groups: arena.alloc_slice_fill_copy(groups(room), GroupCounters::ZERO),
        buckets: arena.alloc_slice_fill_with(4, |_| TokenBuckets::EMPTY),
        vlinks: arena.alloc_slice_fill_with(32, |_| VlinkState::EMPTY),
        ..CounterMemory::default()
    }
}

fn memory(arena: &Bump, room: Room) -> Memory<'_> {
    let count = usize::from(room.vpns);
    let routes = 1024_usize.max(2 * usize::from(room.streams)).next_power_of_two();
    Memory {
        interfaces: arena.alloc_slice_fill_with(count + 18, |_| InterfaceSlot::EMPTY),
        vrfs: arena.alloc_slice_fill_with(count + 2, |_| VrfSlot::EMPTY),
        nhlfes: arena.alloc_slice_fill_with(3000, |_| NhlfeSlot::EMPTY),
        ilm: arena.alloc_slice_fill_with(6000, |_| IlmSlot::EMPTY),
        policers: arena.alloc_slice_fill_with(4, |_| PolicerSlot::EMPTY),
        rib4: arena.alloc_slice_fill_with(20, |_| Rib4Node::EMPTY),
        fib4: arena.alloc_slice_fill_with(2000, |_| Word::ZERO),
        vlinks: arena.alloc_slice_fill_with(32, |_| VlinkSlot::EMPTY),
        vlink_index: arena.alloc_slice_fill_with(64, |_| Word::ZERO),
        multicast: MulticastMemory {
            // Beside those of VPNs, those of an ASBR's trees.
            vrfs: arena.alloc_slice_fill_with(count + 34, |_| MulticastVrfSlot::EMPTY),
            routes: arena.alloc_slice_fill_with(routes, |_| ExactSlot::EMPTY),
            routes6: arena.alloc_slice_fill_with(routes, |_| Exact6Slot::EMPTY),
            tunnels: arena.alloc_slice_fill_with(1024, |_| Word::ZERO),
            groups: arena.alloc_slice_fill_with(groups(room), |_| ReplicationSlot::EMPTY),
            legs: arena.alloc_slice_fill_with(2 * groups(room), |_| LegSlot::EMPTY),
        },
        seed: 7,
        ..Memory::default()
    }
}

self_cell! {
    /// A forwarder and the memory that it is lent, which goes with it.
    pub struct Plane {
        owner: Bump,
        #[covariant]
        dependent: Forwarder,
    }
}

impl Plane {
    fn with_room(room: Room) -> Self {
        Self::new(Bump::new(), |arena| Forwarder::new(memory(arena, room), counters(arena, room)).unwrap())
    }

    pub fn apply(&mut self, op: &FwdOp) -> Result<(), ApplyError> {
        self.with_dependent_mut(|_, forwarder| forwarder.apply(op))
    }

    pub fn set_now(&mut self, now: Instant) {
        self.with_dependent_mut(|_, forwarder| forwarder.set_now(now));
    }
}

impl<A: SimAddress> Pe<A> {
    pub fn new(pe: usize, router: IpAddr, room: Room, tune: impl FnOnce(&mut MvpnConfig)) -> Self {
        let mut config = MvpnConfig::new(router, 65001);
        config.labels = 1000..=2999;
        config.nhlfes = 200..=999;
        config.groups = 1000..=1999;
        config.tunnels = 1..=1000;
        tune(&mut config);
        let asn = config.asn;
        let mut forwarder = Plane::with_room(room);
        let interface = Interface { vrf: VrfId::GLOBAL, mac: mac(pe), mtu: 1600, mpls: true };
        forwarder.apply(&FwdOp::SetInterface { iface: CORE, interface }).unwrap();
        Self {
            mvpn: MvpnPe::new(Instant::ZERO, config).unwrap(),
            sites: BTreeMap::new(),
            border: None,
            forwarder,
            events: Vec::new(),
            drops: BTreeMap::new(),
            watched: BTreeMap::new(),
            ops: 0,
            asn,
            alive: true,
            ce_links: BTreeSet::new(),
            room,
            labels: LDP_LABELS,
            branches: 1000,
            pim_roots: BTreeMap::new(),
            pim_leaves: BTreeMap::new(),
        }
    }

    /// Adds a VRF with a site.
    pub fn add_site(&mut self, pe: usize, config: MvrfConfig, rp: bool) {
        let (now, vrf) = (Instant::ZERO, config.vrf);
        let interface = Interface { vrf, mac: mac(pe), mtu: 1500, mpls: false };
        for op in [
            FwdOp::SetInterface { iface: site(vrf), interface },
            FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route: true } },
        ] {
            self.forwarder.apply(&op).unwrap();
        }
        let mut c = PimConfig::new(vrf, A::loopback(pe, vrf.0), groups_of(vrf, self.room));
        c.seed = 77 + pe as u64;
        c.spt_threshold = SptThreshold::Infinity;
        let has_bidir = config.bidir.is_some() || !config.in_band.is_empty();
        c.bidir = has_bidir.then(|| BidirConfig::new(5000 + 20 * u32::from(vrf.0)..=5019 + 20 * u32::from(vrf.0)));
        let mut pim = PimRouter::new(now, c).unwrap();
        let lan = PimInterfaceConfig::new(site(vrf), A::site(pe, 1), vec![A::subnet(pe)]);
        pim.add_interface(now, lan).unwrap();
        let by_bgp = config.protocol == CMulticastProtocol::Bgp;
        let (address, neighbor) = (A::link(on_pmsi(pe)), by_bgp.then(|| A::link(0xff)));
        let link = PmsiLink { vrf, interface: pmsi(vrf), address, neighbor };
        pim.add_interface(now, link.config()).unwrap();
        if by_bgp {
            pim.handle_input(now, link.input(&link.hello()));
        }
        let ce = rp.then(|| {
            let mut c = PimConfig::new(VrfId(9), A::rp(), 1..=1000);
            c.local_addresses = vec![A::rp()];
            let mut pim = PimRouter::new(now, c).unwrap();
            let address = A::site(pe, 9);
            pim.add_interface(now, PimInterfaceConfig::new(IfIndex(1), address, vec![A::subnet(pe)])).unwrap();
            set_rp(&mut pim);
            Ce { pim, address }
        });
        set_rp(&mut pim);
        self.mvpn.add_mvrf(now, config.clone()).unwrap();
        let by_bgp = by_bgp.then_some(link);
        self.sites.insert(vrf, Site { config, pim, link, by_bgp, tracked: BTreeSet::new(), ce });
    }

    /// The entry that leads to another PE.
    pub fn transport(&mut self, to: usize) -> NhlfeId {
        let id = NhlfeId(to as u32);
        let next = NextHop::Neighbor { iface: CORE, mac: mac(to) };
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Uniform };
        self.forwarder.apply(&FwdOp::SetNhlfe { id, nhlfe }).unwrap();
        id
    }

    /// The entry of a branch to a leaf that gave a label.
    pub fn branch(&mut self, to: usize, label: Label) -> NhlfeId {
        let id = NhlfeId(self.branches);
        self.branches += 1;
        let next = NextHop::Neighbor { iface: CORE, mac: mac(to) };
        let nhlfe = Nhlfe { push: LabelStack::single(label), next, model: TunnelModel::Uniform };
        self.forwarder.apply(&FwdOp::SetNhlfe { id, nhlfe }).unwrap();
        id
    }

    /// A label of the simulated LDP.
    pub fn leaf(&mut self, action: IlmAction) -> Label {
        let label = Label::new(self.labels).unwrap();
        self.labels += 1;
        let ilm = Ilm { action, model: TunnelModel::Uniform };
        self.forwarder.apply(&FwdOp::SetIlm { label, ilm }).unwrap();
        label
    }

    /// It is the root of a tree of PIM's.
    pub fn pim_root(&mut self, tunnel: &PTunnel) {
        let (_, group) = ssm_tree(tunnel);
        let n = free(&self.pim_roots);
        self.pim_roots.insert(tunnel.clone(), n);
        let [_, b, c, d] = group.octets();
        let (next, entry) = (NhlfeId(2600 + 2 * n), NhlfeId(2601 + 2 * n));
        let neighbor = NextHop::Neighbor { iface: CORE, mac: Mac([1, 0, 0x5e, b & 0x7f, c, d]) };
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: neighbor, model: TunnelModel::Uniform };
        let root = PimRoot { link: VlinkId(n), entry, next, vrf: VrfId::GLOBAL, mtu: 1500, ttl: 64 };
        let ops = tunnel.gre(&root).unwrap();
        for op in [FwdOp::SetNhlfe { id: next, nhlfe }].into_iter().chain(ops) {
            self.forwarder.apply(&op).unwrap();
        }
    }

    /// The entry into a tree of PIM's that it is the root of.
    pub fn pim_entry(&self, tunnel: &PTunnel) -> Option<NhlfeId> {
        self.pim_roots.get(tunnel).map(|n| NhlfeId(2601 + 2 * n))
    }

    /// A tree of PIM's that it was the root of is no more.
    pub fn pim_end(&mut self, tunnel: &PTunnel) {
        let Some(n) = self.pim_roots.remove(tunnel) else { return };
        let entries = [2600, 2601].map(|first| FwdOp::ClearNhlfe { id: NhlfeId(first + 2 * n) });
        for op in entries.into_iter().chain([FwdOp::ClearVlink { id: VlinkId(n) }]) {
            self.forwarder.apply(&op).unwrap();
        }
    }

    /// It is a leaf of a tree of PIM's.
    pub fn pim_join(&mut self, tunnel: &PTunnel, arrives_by: TunnelId) {
        let (source, group) = ssm_tree(tunnel);
        let n = free(&self.pim_leaves);
        self.pim_leaves.insert(tunnel.clone(), n);
        let (vrf, id) = (VrfId::GLOBAL, ReplicationId(2000 + n));
        let rpf = Rpf::From(Origin::Interface(CORE));
        let mroute = Mroute { rpf, replication: Some(id), punt_wrong_interface: false, register: false, spt: None };
        for op in [
            FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route: false } },
            FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) },
            FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Decapsulate(arrives_by) },
            FwdOp::SetMroute { vrf, key: MrouteKey::Source4 { source, group }, mroute },
        ] {
            self.forwarder.apply(&op).unwrap();
        }
    }

    /// It is no leaf any more.
    pub fn pim_leave(&mut self, tunnel: &PTunnel) {
        let Some(n) = self.pim_leaves.remove(tunnel) else { return };
        let ((source, group), id) = (ssm_tree(tunnel), ReplicationId(2000 + n));
        for op in [
            FwdOp::ClearMroute { vrf: VrfId::GLOBAL, key: MrouteKey::Source4 { source, group } },
            FwdOp::ClearLeg { group: id, leg: 0 },
            FwdOp::ClearReplication { id },
        ] {
            self.forwarder.apply(&op).unwrap();
        }
    }

    /// What becomes of a frame.
    pub fn forward(&mut self, iface: IfIndex, octets: &[u8]) -> Vec<Sent> {
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend_from_slice(octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
        let mut sent = Vec::new();
        let software = |frame: &Frame<'_>, verdict: Verdict| match verdict {
            Verdict::Punt { reason, vrf, offset } => {
                Some(Sent::Software(reason, vrf, frame.octets()[offset..].to_vec()))
            }
            _ => None,
        };
        let ce_links = &self.ce_links;
        let out = |iface: IfIndex, octets: Vec<u8>| match iface {
            CORE => Sent::Core(octets),
            iface if ce_links.contains(&iface) => Sent::Ce(iface, octets),
            IfIndex(n) => Sent::Site(VrfId(n as u16 - 10), octets),
        };
        self.forwarder.with_dependent_mut(|_, forwarder| match forwarder.forward(&mut frame, iface) {
            Verdict::Replicate(replication) => {
                let mut copies = forwarder.copies(&frame, replication);
                while let Some(replica) = copies.next() {
                    match replica {
                        Replica::Transmit { iface, front, payload, .. } => {
                            sent.push(out(iface, [front, &frame.octets()[payload]].concat()));
                        }
                        Replica::Punt(verdict) => sent.extend(software(&frame, verdict)),
                    }
                }
            }
            Verdict::Transmit { iface, .. } => sent.push(out(iface, frame.octets().to_vec())),
            Verdict::Drop(reason) => *self.drops.entry(format!("{reason:?}")).or_default() += 1,
            verdict => sent.extend(software(&frame, verdict)),
        });
        sent
    }
}

/// Ranges of bidirectional groups, with their RPAs.
pub fn set_rpas<A: SimAddress>(pim: &mut PimRouter<A>, rpas: u8, now: Instant) {
    pim.update_rp_set(now, |set| {
        for k in 0..rpas {
            let (range, address) = (A::bidir_range(k), A::rpa(k));
            set.set_static(StaticRp { range, address, mode: RpMode::Bidir, overrides: false }).unwrap();
        }
    });
}

fn set_rp<A: SimAddress>(pim: &mut PimRouter<A>) {
    pim.update_rp_set(Instant::ZERO, |set| {
        let fixed = StaticRp { range: A::ALL_GROUPS, address: A::rp(), mode: RpMode::Sparse, overrides: false };
        set.set_static(fixed).unwrap();
    });
}

/// An Ethernet frame with a data packet of a number.
pub fn data<A: Address>(source: A, group: A, number: u32) -> Vec<u8> {
    let mut octets = vec![0; 14];
    let ip = match (source.into(), group.into()) {
        (IpAddr::V4(s), IpAddr::V4(g)) => {
            let [_, b, c, d] = g.octets();
            octets[..6].copy_from_slice(&[1, 0, 0x5e, b & 0x7f, c, d]);
            octets[12..14].copy_from_slice(&[8, 0]);
            let mut ip = vec![0x45, 0, 0, 32, 0, 1, 0x40, 0, 64, 17, 0, 0];
            ip.extend_from_slice(&[s.octets(), g.octets()].concat());
            Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
            ip
        }
        (IpAddr::V6(s), IpAddr::V6(g)) => {
            let g16 = g.octets();
            octets[..6].copy_from_slice(&[0x33, 0x33, g16[12], g16[13], g16[14], g16[15]]);
            octets[12..14].copy_from_slice(&[0x86, 0xdd]);
            let mut ip = vec![0x60, 0, 0, 0, 0, 12, 17, 64];
            ip.extend_from_slice(&[s.octets(), g.octets()].concat());
            ip
        }
        _ => panic!("one family"),
    };
    octets[6..12].copy_from_slice(&[2, 0, 0, 0, 9, 9]);
    octets.extend_from_slice(&ip);
    octets.extend_from_slice(&[0, 9, 0, 9, 0, 12, 0, 0]);
    octets.extend_from_slice(&number.to_be_bytes());
    octets
}

/// Source, group and number of an IP packet of [`data`].
pub fn read<A: Address>(packet: &[u8]) -> (A, A, u32) {
    let at = if A::LEN == 4 { 12 } else { 8 };
    let (source, rest) = A::split(&packet[at..]).unwrap();
    let (group, _) = A::split(rest).unwrap();
    let number = packet.last_chunk::<4>().unwrap();
    (source, group, u32::from_be_bytes(*number))
}
