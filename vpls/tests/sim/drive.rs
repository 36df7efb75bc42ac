//! Arbitrary stimuli against one PE with three instances; the body of the fuzz target `drive_vpls`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::{L2vpnId, Layer2Flags, Layer2Info};
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::time::Instant;
use mvpn::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPrune, JoinPruneBuf, Message, SourceBuf, SourceFlags,
};
use p2mp_pw::ldp::PwStatus;
use vpls::bgp::{McastKey, Nlri, Pmsi, RouteAttributes, Tunnel};
use vpls::damping::DampingConfig;
use vpls::label_block::LabelBlock;
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::snoop::bpdu::BRIDGES;
use vpls::snoop::mmrp::Mmrpdu;
use vpls::snoop::{Mode, PimMode, Protocol, SnoopConfig, build};
use vpls::{
    CircuitConfig, Input, Output, PeConfig, PwConfig, PwEvent, PwId, PwService, TreeEvent, TreeRequest, VeConfig,
    VplsPe, VsiConfig, VsiLimits,
};

/// The machine, and what its outputs built.
struct Driven {
    pe: VplsPe,
    now: Instant,
    ports: BTreeMap<PortId, VsiId>,
    groups: BTreeMap<ReplicationId, (VsiId, BTreeMap<u16, LegTarget>)>,
    entries: BTreeMap<(VsiId, VsiGroupKey), ReplicationId>,
    trees: BTreeSet<Tunnel>,
    last: Vec<FwdOp>,
}

const GROUPS: usize = 12;
const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn peer(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2 + n % 4))
}

fn target(vsi: u16) -> RouteTarget {
    RouteTarget::two_octet_as(65000, vsi.into())
}

fn rd(pe: u8, vsi: u16) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65000, u32::from(pe) * 100 + u32::from(vsi))
}

fn config(vsi: u16) -> VsiConfig {
    let snoop = SnoopConfig {
        querier4: Some(Ipv4Addr::new(10, 0, 0, 200)),
        mode: [Mode::Snoop, Mode::Relay, Mode::Proxy][usize::from(vsi % 3)],
        pim_mode: if vsi == 2 { PimMode::Proxy } else { PimMode::Auto },
        settle: Duration::from_secs(1),
        topology: vsi == 1,
        mmrp: vsi != 3,
        ..SnoopConfig::default()
    };
    let trees =
        TreeConfig { inclusive: Some(TunnelKind::Mldp), aggregate: vsi == 2, congruency: 0, ..TreeConfig::default() };
    VsiConfig {
        ve: Some(VeConfig { multi_homed: vsi == 3, ..VeConfig::new(1) }),
        discovery: Some(L2vpnId::two_octet_as(65000, vsi.into())),
        snoop: (vsi != 3).then_some(snoop),
        trees: (vsi != 3).then_some(trees),
        damping: (vsi == 1).then(DampingConfig::default),
        copies: (vsi == 2).then_some(vpls::police::Rate::bits(1_000_000)),
        limits: VsiLimits { groups: GROUPS, groups_per_circuit: GROUPS, pseudowires: 12, ..VsiLimits::DEFAULT },
        ..VsiConfig::new(VsiId(vsi), rd(0, vsi)).with_target(target(vsi))
    }
}

impl Driven {
    fn new() -> Self {
        let now = Instant::ZERO;
        let limits = vpls::PeLimits { event_interval: Duration::ZERO, ..vpls::PeLimits::DEFAULT };
        let config_of = PeConfig {
            labels: 1000..=1100,
            ports: 0..=40,
            nhlfes: 0..=60,
            groups: 0..=60,
            limits,
            ..PeConfig::new(OWN)
        };
        let mut driven = Self {
            pe: VplsPe::new(now, config_of).unwrap(),
            now,
            ports: BTreeMap::new(),
            groups: BTreeMap::new(),
            entries: BTreeMap::new(),
            trees: BTreeSet::new(),
            last: Vec::new(),
        };
        for vsi in 1..=3 {
            driven.pe.add_vsi(now, config(vsi)).unwrap();
            for iface in 0..3 {
                let iface = IfIndex(u32::from(vsi) * 10 + iface);
                driven.pe.add_circuit(now, VsiId(vsi), CircuitConfig::new(iface, Tags::Any)).unwrap();
            }
        }
        driven.drain();
        driven
    }

    /// Applies outputs, and checks that copies of an instance go to ports of that instance alone.
    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.pe.poll_output() {
            outputs += 1;
            assert!(outputs < 100_000, "outputs without end");
            match output {
                Output::Program(op) => self.apply(op),
                Output::Tree(TreeRequest::Root { tunnel, .. }) => drop(self.trees.insert(tunnel)),
                Output::Tree(TreeRequest::Unroot { tunnel }) => drop(self.trees.remove(&tunnel)),
                Output::Frame { octets, .. } => assert!(octets.len() >= 14),
                _ => {}
            }
        }
        for (vsi, legs) in self.groups.values() {
            for target in legs.values() {
                if let LegTarget::Port(port) = target {
                    assert_eq!(self.ports.get(port), Some(vsi), "{port:?} in a group of {vsi:?}");
                }
            }
        }
        for ((vsi, key), group) in &self.entries {
            assert_eq!(self.groups.get(group).map(|(of, _)| of), Some(vsi), "{key:?}");
        }
        for vsi in 1..=2 {
            let flows = self.pe.snooping(VsiId(vsi)).map_or(0, |snooper| snooper.flows().len());
            assert!(flows <= 40 * GROUPS, "{flows} flows");
        }
        assert!(self.pe.next_timeout().is_none_or(|at| at > self.now), "a timer that is over");
    }

    fn apply(&mut self, op: FwdOp) {
        self.last.push(op);
        match op {
            FwdOp::SetPort { id, port } => drop(self.ports.insert(id, port.vsi)),
            FwdOp::ClearPort { id } => drop(self.ports.remove(&id)),
            FwdOp::SetReplication { id, owner: VsiOrVrf::Vsi(vsi) } => {
                drop(self.groups.insert(id, (vsi, BTreeMap::new())))
            }
            FwdOp::ClearReplication { id } => drop(self.groups.remove(&id)),
            FwdOp::SetLeg { group, leg, target } => {
                self.groups.get_mut(&group).expect("a leg of no group").1.insert(leg, target);
            }
            FwdOp::ClearLeg { group, leg } => {
                if let Some((_, legs)) = self.groups.get_mut(&group) {
                    legs.remove(&leg);
                }
            }
            FwdOp::SetVsiGroup { vsi, key, replication: Some(id) } => drop(self.entries.insert((vsi, key), id)),
            FwdOp::SetVsiGroup { vsi, key, replication: None } | FwdOp::ClearVsiGroup { vsi, key } => {
                self.entries.remove(&(vsi, key));
            }
            _ => {}
        }
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (n, vsi): (u8, u16) = (u.arbitrary()?, u.int_in_range(1..=3)?);
        let now = self.now;
        match u.int_in_range(0..=12)? {
            0 => {
                self.now = now + Duration::from_millis(u.int_in_range(1..=100_000)?);
                self.pe.handle_timeout(self.now);
            }
            1..=3 => {
                let octets = frame(u)?;
                let port = PortId(u.int_in_range(0..=16)?);
                self.pe.handle_input(now, Input::Frame { port, octets: &octets });
            }
            4 | 5 => {
                let (nlri, attributes) = route(u, n, vsi)?;
                self.pe.handle_input(now, Input::Route { nlri, attributes });
            }
            6 => {
                let next = if u.arbitrary()? { Some(NextHop::Nhlfe(NhlfeId(5000))) } else { None };
                self.pe.handle_input(now, Input::Transport { peer: peer(n), next, mtu: u.arbitrary()? });
            }
            7 => {
                let event = match u.int_in_range(0..=3)? {
                    3 => PwEvent::Session {
                        next: NextHop::Nhlfe(NhlfeId(5001)),
                        control_word: false,
                        flow_label: FlowLabels::NONE,
                        mtu: *u.choose(&[0, 1500, 9000])?,
                    },
                    0 => PwEvent::Withdrawn,
                    1 => PwEvent::Status(PwStatus::from_bits_retain(u.arbitrary()?)),
                    _ => PwEvent::Mapping {
                        label: Label::from_low_bits(u.arbitrary()?),
                        control_word: false,
                        flow_label: u.arbitrary()?,
                        mtu: *u.choose(&[0, 1500, 9000])?,
                    },
                };
                self.pe.handle_input(now, Input::Pw { id: pw(u, n, vsi)?, event });
            }
            8 => {
                let macs = [Mac([2, 0, 0, 0, 0, n])];
                let macs = if u.arbitrary()? { &macs[..] } else { &[] };
                self.pe.handle_input(now, Input::MacWithdraw { id: pw(u, n, vsi)?, macs, negative: u.arbitrary()? });
            }
            9 => {
                let port = PortId(u.int_in_range(0..=12)?);
                self.pe.handle_input(now, Input::Circuit { port, up: u.arbitrary()? });
            }
            10 => self.tree(u)?,
            11 => {
                let group = group(u)?.into();
                let input = Input::Rate { vsi: VsiId(vsi), source: None, group, bits_per_second: u.arbitrary()? };
                self.pe.handle_input(now, input);
            }
            _ => self.operate(u, n, vsi)?,
        }
        self.drain();
        Ok(())
    }

    fn tree(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let trees: Vec<Tunnel> = self.trees.iter().cloned().collect();
        if trees.is_empty() {
            return Ok(());
        }
        let tunnel = u.choose(&trees)?.clone();
        let event = match u.int_in_range(0..=2)? {
            0 => TreeEvent::Branches {
                tunnel,
                entries: (0..u.int_in_range(0..=3)?).map(|n| NhlfeId(6000 + n)).collect(),
            },
            1 => TreeEvent::Leaf { tunnel, leaf: peer(u.arbitrary()?), reached: u.arbitrary()? },
            _ => TreeEvent::Mtu { tunnel, mtu: u.arbitrary()? },
        };
        self.pe.handle_input(self.now, Input::Tree(event));
        Ok(())
    }

    fn operate(&mut self, u: &mut Unstructured<'_>, n: u8, vsi: u16) -> Result<()> {
        let now = self.now;
        let spoke = PwConfig::spoke(peer(n), 7, Some(1), n % 3);
        match u.int_in_range(0..=7)? {
            0 => drop(self.pe.add_pseudowire(now, VsiId(vsi), PwConfig::mesh(peer(n), 5))),
            1 => drop(self.pe.add_pseudowire(now, VsiId(vsi), spoke)),
            2 => drop(self.pe.remove_pseudowire(now, &pw(u, n, vsi)?)),
            3 => drop(self.pe.remove_vsi(now, VsiId(vsi))),
            4 => drop(self.pe.add_vsi(now, config(vsi))),
            5 => drop(self.pe.set_selective(now, VsiId(vsi), None, group(u)?.into(), u.arbitrary()?)),
            6 => drop(self.pe.set_static_group(now, PortId(n.into()), None, group(u)?.into(), u.arbitrary()?)),
            _ => {
                let (mac, from, to) = (Mac([2, 0, 0, 0, 0, n % 2]), PortId(0), PortId(u.int_in_range(0..=12)?));
                self.pe.handle_input(now, Input::Moved { vsi: VsiId(vsi), mac, from, to });
            }
        }
        Ok(())
    }
}

fn pw(u: &mut Unstructured<'_>, n: u8, vsi: u16) -> Result<PwId> {
    let service = match u.int_in_range(0..=3)? {
        0 => PwService::Discovered,
        1 => PwService::PwId(5),
        2 => PwService::PwId(7),
        _ => PwService::Ve(2),
    };
    Ok(PwId { vsi: VsiId(vsi), peer: peer(n), service })
}

fn group(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    Ok(match u.int_in_range(0..=9)? {
        0..=7 => Ipv4Addr::new(239, 1, 1, u.int_in_range(1..=6)?),
        8 => Ipv4Addr::new(232, 1, 1, 1),
        _ => u.arbitrary()?,
    })
}

fn route(u: &mut Unstructured<'_>, n: u8, vsi: u16) -> Result<(Nlri, Option<RouteAttributes>)> {
    let (from, of) = (peer(n), 1 + n % 4);
    let IpAddr::V4(pe) = from else { unreachable!() };
    let key = |group| McastKey { rd: rd(of, vsi), source: None, group, originator: from };
    let nlri = match u.int_in_range(0..=5)? {
        0 => {
            let base = Label::from_low_bits(u.arbitrary()?);
            let block = LabelBlock { offset: *u.choose(&[1, 9])?, size: u.int_in_range(0..=9)?, base };
            Nlri::Block { rd: rd(of, vsi), ve_id: u.int_in_range(0..=20)?, block }
        }
        1 => Nlri::Discovery { rd: rd(of, vsi), pe },
        2 => Nlri::SPmsi(key(None)),
        3 => Nlri::SPmsi(key(Some(group(u)?.into()))),
        4 => Nlri::Leaf(McastKey::all(rd(0, vsi), OWN.into()), from),
        _ => Nlri::Leaf(
            McastKey { rd: rd(0, vsi), source: None, group: Some(group(u)?.into()), originator: OWN.into() },
            from,
        ),
    };
    if u.ratio(1, 4)? {
        return Ok((nlri, None));
    }
    let mut attributes = RouteAttributes::with_targets(from, &[target(vsi)]);
    attributes.local_pref = u.int_in_range(90..=110)?;
    attributes.vpls_id = Some(L2vpnId::two_octet_as(65000, vsi.into()));
    let mtu = *u.choose(&[1500, 1500, 9000])?;
    attributes.layer2 = Some(Layer2Info { encaps: Layer2Info::VPLS, flags: Layer2Flags::empty(), mtu, reserved: 0 });
    attributes.pmsi = if u.arbitrary()? { Some(u.arbitrary::<Pmsi>()?) } else { None };
    Ok((nlri, Some(attributes)))
}

fn frame(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let (host, group): (u8, Ipv4Addr) = (u.int_in_range(1..=5)?, group(u)?);
    let (mac, source) = (Mac([2, 0, 0, 0, 9, host]), IpAddr::from([10, 0, 0, host]));
    let mut octets = match u.int_in_range(0..=5)? {
        4 => {
            let mut body = [0; 36];
            (body[2], body[3], body[4]) = (2, 2, u.arbitrary()?);
            [&BRIDGES.0[..], &mac.0, &[0, 39, 0x42, 0x42, 3], &body].concat()
        }
        5 => u.arbitrary::<Mmrpdu>()?.frame(mac),
        0 => {
            let message: mvpn::igmp::IgmpMessage<'_> = match u.int_in_range(0..=2)? {
                0 => mvpn::igmp::IgmpMessage::ReportV2(group),
                1 => mvpn::igmp::IgmpMessage::Leave(group),
                _ => u.arbitrary()?,
            };
            let mut out = Vec::new();
            message.emit(&mut out);
            build(mac, &[], Protocol::Igmp, source, group.into(), &out)
        }
        1 => {
            let options = vec![HelloOption::Holdtime(*u.choose(&[0, 1, 105, u16::MAX])?)];
            pim(mac, source, &Message::Hello(Hello { options }))
        }
        2 => {
            let mut set = GroupSetBuf::new(EncodedGroup::new(group.into()));
            let flags = SourceFlags::from_bits_truncate(u.arbitrary()?);
            let list = if u.arbitrary()? { &mut set.joins } else { &mut set.prunes };
            list.push(SourceBuf::new([10, 1, 1, u.int_in_range(1..=3)?].into(), flags));
            let mut message =
                JoinPruneBuf::new([10, 0, 0, u.int_in_range(1..=5)?].into(), *u.choose(&[0, 210, u16::MAX])?);
            message.push(set);
            let mut body = Vec::new();
            message.emit(&mut body);
            pim(mac, source, &Message::JoinPrune(JoinPrune::parse(&body).expect("built so")))
        }
        _ => {
            let len = u.int_in_range(0..=80)?;
            u.bytes(len.min(u.len()))?.to_vec()
        }
    };
    if u.ratio(1, 8)? && !octets.is_empty() {
        let at = u.choose_index(octets.len())?;
        octets[at] ^= u.arbitrary::<u8>()?;
    }
    Ok(octets)
}

fn pim(mac: Mac, source: IpAddr, message: &Message<'_>) -> Vec<u8> {
    let all = IpAddr::from([224, 0, 0, 13]);
    build(mac, &[], Protocol::Pim, source, all, &message.to_packet(source, all))
}

/// Runs stimuli until the input ends. The same input gives the same ops.
pub fn run(data: &[u8]) {
    let once = || {
        let (mut driven, mut u) = (Driven::new(), Unstructured::new(data));
        while !u.is_empty() && driven.step(&mut u).is_ok() {}
        driven.last
    };
    assert!(once() == once(), "two runs of the same input differ");
}
