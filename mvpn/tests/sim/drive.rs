//! Arbitrary stimuli against one PIM router; the body of the fuzz target `drive_pim`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, ReplicationId, RpfSetId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, Origin};
use fwd_core::time::Instant;
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::wire::{
    Assert, DfElection, EcmpRedirect, EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinAttribute, JoinAttributeType,
    JoinAttributeValue, JoinAttributesBuf, JoinPruneBuf, Message, MessageType, Register, RegisterFlags, RegisterStop,
    SourceBuf, SourceFlags, StateRefresh, packet,
};
use mvpn::pim::{
    BidirConfig, DenseConfig, EcmpConfig, Input, Membership, MribRoute, Output, PimAddress, PimConfig,
    PimInterfaceConfig, PimLimits, PimRouter, Ways,
};

const STATES: usize = 12;

/// The router and what its outputs built.
struct Driven {
    pim: PimRouter<Ipv4Addr>,
    now: Instant,
    tracked: BTreeSet<Ipv4Addr>,
    mroutes: BTreeMap<MrouteKey, Mroute>,
    groups: BTreeMap<ReplicationId, BTreeMap<u16, LegTarget>>,
    sets: BTreeSet<(RpfSetId, Origin)>,
}

fn address(interface: u32, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, u8::try_from(interface).unwrap_or(0), host)
}

fn group(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    Ok(match u.int_in_range(0..=9)? {
        0..=2 => Ipv4Addr::new(239, 1, 1, u.int_in_range(1..=3)?),
        3 => Ipv4Addr::new(u.int_in_range(238..=239)?, 7, 1, u.int_in_range(1..=2)?),
        4..=7 => Ipv4Addr::new(232, 1, 1, u.int_in_range(1..=3)?),
        8 => Ipv4Addr::new(224, 0, 0, 5),
        _ => u.arbitrary()?,
    })
}

fn source(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    Ok(match u.int_in_range(0..=9)? {
        0..=8 => address(u.int_in_range(1..=4)?, u.int_in_range(100..=103)?),
        _ => u.arbitrary()?,
    })
}

fn rd(u: &mut Unstructured<'_>) -> Result<RouteDistinguisher> {
    Ok(RouteDistinguisher::two_octet_as(65001, u.int_in_range(1..=2)?))
}

/// Interfaces 1 and 2 are a bundle; Join attributes are taken on all but 3.
fn interface(n: u32) -> PimInterfaceConfig<Ipv4Addr> {
    let subnet = fwd_core::net::Ipv4Prefix::new(address(n, 0), 24).unwrap();
    let mut config = PimInterfaceConfig::new(IfIndex(n), address(n, 2), vec![subnet]);
    config.join_attributes = n != 3;
    config.ecmp = (n != 3).then_some(EcmpConfig { bundle: 1, preference: 1, metric: u64::from(n) });
    config
}

fn route(u: &mut Unstructured<'_>) -> Result<MribRoute<Ipv4Addr>> {
    let interface = u.int_in_range(1..=4)?;
    let next_hop = if u.arbitrary()? { Some(address(interface, u.int_in_range(1..=4)?)) } else { None };
    Ok(MribRoute { interface: IfIndex(interface), next_hop, preference: 110, metric: u.int_in_range(0..=30)? })
}

/// RPF vectors are addresses that sources have too, or this router's.
fn attributes(u: &mut Unstructured<'_>) -> Result<JoinAttributesBuf> {
    let mut all = JoinAttributesBuf::new(Ipv4Addr::FAMILY);
    for _ in 0..u.int_in_range(0..=2)? {
        let value = match u.int_in_range(0..=4)? {
            4 => {
                let ours = Ipv4Addr::new(10, 255, 0, u.int_in_range(1..=2)?);
                let proxy = if u.arbitrary()? { ours } else { source(u)? };
                JoinAttributeValue::MvpnJoin { proxy: proxy.into(), rd: rd(u)? }
            }
            0 => JoinAttributeValue::RpfVector(source(u)?.into()),
            1 => JoinAttributeValue::RpfVector(Ipv4Addr::new(10, 255, 0, u.int_in_range(1..=2)?).into()),
            2 => JoinAttributeValue::MtId(u.int_in_range(0..=6)?),
            _ => JoinAttributeValue::Other(JoinAttributeType(9), &[0; 40]),
        };
        all.push(JoinAttribute { transitive: u.arbitrary()?, value });
    }
    Ok(all)
}

impl Driven {
    fn new(seed: u64) -> Self {
        let now = Instant::ZERO;
        let mut config = PimConfig::new(VrfId(1), Ipv4Addr::new(10, 255, 0, 1), 1..=8);
        config.seed = seed;
        let limits =
            PimLimits { states: STATES, states_per_interface: 8, neighbors_per_interface: 3, ..PimLimits::default() };
        config.limits = limits;
        config.bidir = Some(BidirConfig::new(1..=2));
        let ranges = vec!["239.7.0.0/16".parse().unwrap()];
        config.dense = Some(DenseConfig { ranges, ..DenseConfig::default() });
        config.fast_reroute = vec!["232.1.1.2/31".parse().unwrap()];
        config.topologies = vec![("232.1.1.3/32".parse().unwrap(), 5)];
        config.router_id = 9;
        let mut pim = PimRouter::new(now, config).unwrap();
        for n in 1..=3 {
            pim.add_interface(now, interface(n)).unwrap();
        }
        Self {
            pim,
            now,
            tracked: BTreeSet::new(),
            mroutes: BTreeMap::new(),
            groups: BTreeMap::new(),
            sets: BTreeSet::new(),
        }
    }

    fn input(&mut self, input: Input<'_, Ipv4Addr>) {
        self.pim.handle_input(self.now, input);
    }

    fn message(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let interface = u.int_in_range(1..=3)?;
        let from = address(interface, u.int_in_range(1..=5)?);
        let all = Ipv4Addr::new(224, 0, 0, 13);
        let (to, octets) = match u.int_in_range(0..=9)? {
            0 | 1 => {
                let mut options = vec![
                    HelloOption::Holdtime(*u.choose(&[0, 1, 105, 65535])?),
                    HelloOption::GenerationId(u.int_in_range(0..=1)?),
                ];
                if u.arbitrary()? {
                    options.push(HelloOption::BidirectionalCapable);
                    options.push(HelloOption::StateRefreshCapable(60));
                }
                if u.arbitrary()? {
                    options.push(HelloOption::DrPriority(u.int_in_range(0..=2)?));
                }
                if u.arbitrary()? {
                    options.extend([HelloOption::JoinAttribute, HelloOption::MtId, HelloOption::EcmpRedirect]);
                    options.push(HelloOption::InterfaceId { local: interface, router: u.int_in_range(0..=2)? });
                }
                (all, Message::Hello(Hello { options }).to_packet(from.into(), all.into()))
            }
            2 => {
                let to = address(interface, u.int_in_range(1..=4)?);
                let mut m = JoinPruneBuf::new(to.into(), *u.choose(&[0, 10, 210, 65535])?);
                for _ in 0..u.int_in_range(1..=3)? {
                    let mut set = GroupSetBuf::new(EncodedGroup::new(group(u)?.into()));
                    for _ in 0..u.int_in_range(0..=3)? {
                        let flags = SourceFlags::from_bits_truncate(u.arbitrary()?);
                        let rp = Ipv4Addr::new(10, 255, 0, u.int_in_range(1..=2)?);
                        let s = if flags.contains(SourceFlags::WILDCARD) { rp } else { source(u)? };
                        let list = if u.arbitrary()? { &mut set.joins } else { &mut set.prunes };
                        list.push(SourceBuf::new(s.into(), flags).with_attributes(attributes(u)?));
                    }
                    m.push(set);
                }
                (all, packet(MessageType::JOIN_PRUNE, 0, from.into(), all.into(), |out| m.emit(out)))
            }
            3 => {
                let assert = Assert {
                    group: EncodedGroup::new(group(u)?.into()),
                    source: if u.arbitrary()? { source(u)?.into() } else { Ipv4Addr::UNSPECIFIED.into() },
                    rpt: u.arbitrary()?,
                    metric_preference: *u.choose(&[0, 110, 0x7fff_ffff])?,
                    metric: *u.choose(&[0, 20, u32::MAX])?,
                };
                (all, Message::Assert(assert).to_packet(from.into(), all.into()))
            }
            5 => {
                let mut message: DfElection = Arbitrary::arbitrary(u)?;
                message.rpa = Ipv4Addr::new(10, 255, 0, u.int_in_range(1..=2)?).into();
                message.sender_metric.preference = *u.choose(&[0, 110, u32::MAX])?;
                (all, Message::DfElection(message).to_packet(from.into(), all.into()))
            }
            6 => {
                let mut message: StateRefresh = Arbitrary::arbitrary(u)?;
                message.group = EncodedGroup::new(group(u)?.into());
                message.source = source(u)?.into();
                (all, Message::StateRefresh(message).to_packet(from.into(), all.into()))
            }
            7 => {
                let to = address(interface, 2);
                let mut m = JoinPruneBuf::new(*u.choose(&[to.into(), from.into()])?, 0);
                let mut set = GroupSetBuf::new(EncodedGroup::new(group(u)?.into()));
                set.joins.push(SourceBuf::dense(source(u)?.into()));
                m.push(set);
                let kind = if u.arbitrary()? { MessageType::GRAFT } else { MessageType::GRAFT_ACK };
                (to, packet(kind, 0, from.into(), to.into(), |out| m.emit(out)))
            }
            8 => {
                let root = if u.arbitrary()? { source(u)? } else { Ipv4Addr::new(10, 255, 0, 2) };
                let neighbor = address(u.int_in_range(1..=3)?, u.int_in_range(1..=5)?);
                let redirect = EcmpRedirect::new(EncodedGroup::new(group(u)?.into()), root.into(), neighbor.into());
                let mut redirect = redirect.unwrap();
                redirect.interface_id = u64::from(u.int_in_range(0..=3_u32)?) << 32 | u.int_in_range(0..=2_u64)?;
                (redirect.preference, redirect.metric) = (u.int_in_range(0..=2)?, u.int_in_range(0..=2)?);
                (all, Message::EcmpRedirect(redirect).to_packet(from.into(), all.into()))
            }
            4 => {
                let to = Ipv4Addr::new(10, 255, 0, 1);
                let inner = Register::null_packet(source(u)?.into(), group(u)?.into()).unwrap();
                let flags = if u.arbitrary()? { RegisterFlags::NULL } else { RegisterFlags::empty() };
                (to, Message::Register(Register { flags, packet: &inner }).to_packet(from.into(), to.into()))
            }
            _ => {
                let to = Ipv4Addr::new(10, 255, 0, 1);
                let stop = RegisterStop { group: EncodedGroup::new(group(u)?.into()), source: source(u)?.into() };
                let rp = Ipv4Addr::new(10, 255, 0, 2);
                let octets = Message::RegisterStop(stop).to_packet(rp.into(), to.into());
                self.input(Input::Datagram {
                    interface: IfIndex(interface),
                    from: rp,
                    to,
                    octets: &octets,
                    authenticated: false,
                });
                return Ok(());
            }
        };
        self.input(Input::Datagram { interface: IfIndex(interface), from, to, octets: &octets, authenticated: false });
        Ok(())
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.now = self.now + Duration::from_millis(*u.choose(&[0, 1, 500, 3000, 61_000])?);
        match u.int_in_range(0..=12)? {
            0..=4 => self.message(u)?,
            5 => {
                let membership = *u.choose(&[Membership::Include, Membership::Exclude, Membership::None])?;
                let interface = IfIndex(u.int_in_range(1..=4)?);
                let (group, source) = (group(u)?, if u.arbitrary()? { Some(source(u)?) } else { None });
                self.input(Input::Membership { interface, group, source, membership });
            }
            6 => {
                let (interface, source, group) = (IfIndex(u.int_in_range(1..=4)?), source(u)?, group(u)?);
                self.input(Input::Data { interface, source, group });
                self.input(Input::Active { source, group, octets_per_second: u.arbitrary()? });
            }
            7 => {
                let inner = Register::null_packet(source(u)?.into(), group(u)?.into()).unwrap();
                self.input(Input::WholePacket { packet: &inner });
            }
            8 => {
                let route = route(u)?;
                let address = if u.arbitrary()? { source(u)? } else { Ipv4Addr::new(10, 255, 0, 2) };
                self.input(Input::Route { address, route: if u.arbitrary()? { Some(route) } else { None } });
            }
            9 => {
                let mut ways = Ways::default();
                for _ in 0..u.int_in_range(0..=3)? {
                    ways.routes.push(route(u)?);
                }
                ways.alternate = if u.arbitrary()? { Some(route(u)?) } else { None };
                ways.vector = if u.arbitrary()? { Some(source(u)?) } else { None };
                ways.rd = if u.arbitrary()? { Some(rd(u)?) } else { None };
                let address = if u.arbitrary()? { source(u)? } else { Ipv4Addr::new(10, 255, 0, 2) };
                let topology = *u.choose(&[0, 0, 5, 6, 5000])?;
                self.input(Input::Ways { topology, address, ways: &ways });
            }
            10 => {
                let (source, group) = (source(u)?, group(u)?);
                self.input(Input::Silent { source, group });
            }
            11 => {
                let (pe, rd) = (source(u)?, rd(u)?);
                let next_hop = if u.arbitrary()? { Some(source(u)?) } else { None };
                self.input(Input::MvpnRoute { pe, rd, next_hop });
            }
            _ => self.operator(u)?,
        }
        if u.ratio(1, 2)? {
            self.drain();
        }
        Ok(())
    }

    fn operator(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let n = u.int_in_range(1..=3)?;
        match u.int_in_range(0..=2)? {
            0 => {
                let rp = Ipv4Addr::new(10, 255, 0, u.int_in_range(1..=2)?);
                let range = u.choose(&["239.0.0.0/8", "238.7.0.0/16"])?.parse().unwrap();
                let mode = *u.choose(&[RpMode::Sparse, RpMode::Bidir])?;
                let fixed = StaticRp { range, address: rp, mode, overrides: false };
                self.pim.update_rp_set(self.now, |set| set.set_static(fixed).unwrap());
            }
            1 => {
                let _ = self.pim.remove_interface(self.now, IfIndex(n));
            }
            _ => {
                let _ = self.pim.add_interface(self.now, interface(n));
            }
        }
        Ok(())
    }

    /// Timers that are due fire, outputs build the forwarder's tables: every op fits what is there.
    fn drain(&mut self) {
        while self.pim.next_timeout().is_some_and(|t| t <= self.now) {
            self.pim.handle_timeout(self.now);
        }
        let mut outputs = 0;
        while let Some(output) = self.pim.poll_output() {
            outputs += 1;
            assert!(outputs < 20_000, "outputs without end");
            match output {
                Output::Program(op) => self.program(op),
                Output::Track(a) => assert!(self.tracked.insert(a), "{a} is tracked already"),
                Output::Untrack(a) => assert!(self.tracked.remove(&a), "{a} is not tracked"),
                Output::Datagram { from, to, octets, .. } => {
                    let m = Message::parse(&octets, from.into(), to.into());
                    assert!(m.is_ok(), "{m:?}");
                }
                Output::Forward { .. } | Output::Event(_) => {}
            }
        }
        assert!(self.pim.states() <= STATES, "{} states", self.pim.states());
        // Beside a state's route that of a range of BIDIR-PIM.
        assert!(self.mroutes.len() <= STATES + 2);
    }

    fn program(&mut self, op: FwdOp) {
        assert_eq!(FwdOp::parse(&op.emit()), Ok(op));
        match op {
            FwdOp::SetMroute { key, mroute, .. } => {
                if let Some(id) = mroute.replication {
                    assert!(!self.groups[&id].is_empty());
                }
                self.mroutes.insert(key, mroute);
            }
            FwdOp::ClearMroute { key, .. } => drop(self.mroutes.remove(&key).unwrap()),
            FwdOp::SetReplication { id, .. } => assert!(self.groups.insert(id, BTreeMap::new()).is_none()),
            FwdOp::ClearReplication { id } => {
                assert!(self.mroutes.values().all(|m| m.replication != Some(id)));
                drop(self.groups.remove(&id).unwrap());
            }
            FwdOp::SetLeg { group, leg, target } => {
                assert!(self.groups.get_mut(&group).unwrap().insert(leg, target).is_none());
            }
            FwdOp::ClearLeg { group, leg } => drop(self.groups.get_mut(&group).unwrap().remove(&leg).unwrap()),
            FwdOp::SetRpfMember { set, from } => assert!(self.sets.insert((set, from))),
            FwdOp::ClearRpfMember { set, from } => assert!(self.sets.remove(&(set, from))),
            other => panic!("{other:?}"),
        }
    }
}

/// Steps as long as there are octets. At the end the interfaces go, and with them everything but the wishes of time: after an hour
/// nothing is left.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut driven = Driven::new(u64::try_from(data.len()).unwrap_or(0));
    while !u.is_empty() {
        if driven.step(&mut u).is_err() {
            break;
        }
    }
    driven.drain();
    driven.pim.update_rp_set(driven.now, |set| {
        set.clear_static(&"239.0.0.0/8".parse().unwrap());
        set.clear_static(&"238.7.0.0/16".parse().unwrap());
    });
    for n in 1..=3 {
        let _ = driven.pim.remove_interface(driven.now, IfIndex(n));
    }
    for _ in 0..100 {
        driven.now = driven.now + Duration::from_secs(60);
        driven.drain();
    }
    assert_eq!(driven.pim.states(), 0, "{:?}", driven.pim);
    assert!(driven.mroutes.is_empty() && driven.groups.is_empty() && driven.tracked.is_empty());
    assert!(driven.sets.is_empty());
    assert_eq!(driven.pim.next_timeout(), None);
}
