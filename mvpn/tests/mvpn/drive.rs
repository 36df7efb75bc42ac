//! Arbitrary stimuli against a PE with two MVRFs. Shared with the fuzz target `drive_mvpn`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::mib::View;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::CMulticast;
use fwd_core::mib::{Objects, Oid};
use fwd_core::net::{
    IfIndex, IpPrefix, Ipv4Prefix, Label, LabelSpaceId, LabelStack, Mac, NhlfeId, ReplicationId, RpfSetId, TunnelId,
    VrfId,
};
use fwd_core::op::{FwdOp, Ilm, IlmAction, LegTarget, Mroute, MrouteKey, NextHop, Nhlfe, Origin, Rpf, VsiOrVrf};
use fwd_core::time::Instant;
use mvpn::mvrf::mib::{MvpnMib, Outside};
use mvpn::mvrf::{
    AdRoute, AsmMode, Audience, BidirModel, CMldpRoute, CMldpSPmsi, CTree, Input, McastAttributes, McastKind,
    McastRoute, MldpLsp, Model, MvpnConfig, MvpnLimit, MvpnLimits, MvpnPe, MvrfConfig, Output, PTunnel, PmsiPeer,
    PmsiTunnelValue, SFlow, Target, Threshold, TreeId, TreeRequest, TunnelKind, UmhRoute,
};
use mvpn::pim::wire::AddressFamily;
use p2mp_pw::ldp::fec::MultipointFec;
use p2mp_pw::mldp::TreeFec;

const OURS: [u8; 4] = [192, 0, 2, 1];

/// What the forwarder and the other PEs were told.
#[derive(Default)]
struct Told {
    groups: BTreeMap<ReplicationId, BTreeMap<u16, LegTarget>>,
    nhlfes: BTreeSet<NhlfeId>,
    labels: BTreeSet<Label>,
    tunnels: BTreeSet<TunnelId>,
    contexts: BTreeSet<(LabelSpaceId, Label)>,
    mroutes: BTreeMap<(VrfId, MrouteKey), Mroute>,
    advertised: BTreeMap<McastRoute, McastAttributes>,
    trees: BTreeSet<TreeId>,
    sets: BTreeSet<(RpfSetId, Origin)>,
    /// Sources said for MSDP.
    sources: BTreeSet<(VrfId, IpAddr, IpAddr)>,
    /// Routes with customers' FEC elements, and the labels that the PMSI maps.
    of_lsps: BTreeMap<CMldpRoute, McastAttributes>,
    mapped: BTreeMap<(VrfId, MultipointFec), Label>,
    stitched: BTreeSet<PTunnel>,
    /// Tunnels that it is a leaf of; the same one by itself and for the labels in it, if peers name it so.
    leaf_of: BTreeMap<PTunnel, usize>,
}

impl Told {
    fn op(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetReplication { id, .. } => {
                self.groups.entry(id).or_default();
            }
            FwdOp::ClearReplication { id } => {
                self.groups.remove(&id).expect("a group that is there");
                let uses = self.groups.values().flat_map(BTreeMap::values).any(|leg| *leg == LegTarget::Group(id));
                assert!(!uses, "{id} is cleared while a leg leads to it");
                assert!(
                    self.mroutes.values().all(|m| m.replication != Some(id)),
                    "{id} is cleared while a route uses it"
                );
            }
            FwdOp::SetLeg { group, leg, target } => {
                match target {
                    LegTarget::Group(to) => assert!(self.groups.contains_key(&to), "a leg to no group: {to}"),
                    LegTarget::Nhlfe(id) => assert!(id.0 < 100 || self.nhlfes.contains(&id), "a leg to no entry: {id}"),
                    _ => {}
                }
                self.groups.get_mut(&group).expect("a group").insert(leg, target);
            }
            FwdOp::ClearLeg { group, leg } => {
                self.groups.get_mut(&group).expect("a group").remove(&leg).expect("a leg that is there");
            }
            FwdOp::SetNhlfe { id, .. } => {
                self.nhlfes.insert(id);
            }
            FwdOp::ClearNhlfe { id } => assert!(self.nhlfes.remove(&id), "{id} is not there"),
            FwdOp::SetIlm { label, ilm } => {
                match ilm.action {
                    IlmAction::Multicast(tunnel) => assert!(self.tunnels.contains(&tunnel)),
                    IlmAction::Replicate(group) => assert!(self.groups.contains_key(&group)),
                    other => panic!("{other:?}"),
                }
                self.labels.insert(label);
            }
            FwdOp::ClearIlm { label } => {
                assert!(self.labels.remove(&label), "{label} is not there");
                let routes = self.advertised.values().chain(self.of_lsps.values());
                let promised = routes.filter_map(|a| a.pmsi.as_ref()).any(|p| p.label == Some(label));
                assert!(!promised, "{label} is cleared while it is advertised");
            }
            FwdOp::SetContextIlm { space, label, .. } => drop(self.contexts.insert((space, label))),
            FwdOp::ClearContextIlm { space, label } => assert!(self.contexts.remove(&(space, label))),
            FwdOp::SetMulticastTunnel { tunnel, .. } => assert!(self.tunnels.insert(tunnel)),
            FwdOp::ClearMulticastTunnel { tunnel } => {
                assert!(self.tunnels.remove(&tunnel));
                let is_own = |m: &Mroute| matches!(m.rpf, Rpf::Merging { own, .. } if own == tunnel);
                assert!(!self.mroutes.values().any(is_own), "{tunnel} is one of a route");
                assert!(self.sets.iter().all(|(_, from)| *from != Origin::Tunnel(tunnel)), "{tunnel} is in a set");
            }
            FwdOp::SetRpfMember { set, from } => {
                if let Origin::Tunnel(tunnel) = from {
                    assert!(self.tunnels.contains(&tunnel), "{set:?} has no tunnel {tunnel}");
                    assert!(self.sets.insert((set, from)), "{set:?} has {tunnel} already");
                }
            }
            FwdOp::ClearRpfMember { set, from } => {
                let is_there = self.sets.remove(&(set, from));
                assert!(is_there || matches!(from, Origin::Interface(_)), "{set:?} has no {from:?}");
            }
            FwdOp::SetMroute { vrf, key, mroute } => {
                assert!(mroute.replication.is_none_or(|id| self.groups.contains_key(&id)), "{key:?} with no group");
                if let Rpf::From(Origin::Tunnel(tunnel)) | Rpf::Merging { own: tunnel, .. } = mroute.rpf {
                    assert!(self.tunnels.contains(&tunnel), "{key:?} from no tunnel");
                }
                self.mroutes.insert((vrf, key), mroute);
            }
            FwdOp::ClearMroute { vrf, key } => {
                self.mroutes.remove(&(vrf, key)).expect("a route that is there");
            }
            _ => {}
        }
    }

    fn take(&mut self, pe: &mut MvpnPe) {
        while let Some(output) = pe.poll_output() {
            match output {
                Output::Program(op) => self.op(op),
                Output::Advertise { route, attributes } => {
                    if let Some(PmsiTunnelValue {
                        tunnel: PTunnel::IngressReplication(_), label: Some(label), ..
                    }) = &attributes.pmsi
                    {
                        assert!(self.labels.contains(label), "{label} is advertised before it works");
                    }
                    self.advertised.insert(route, attributes);
                }
                Output::AdvertiseCMldp { route, attributes } => drop(self.of_lsps.insert(route, attributes)),
                Output::WithdrawCMldp(route) => {
                    self.of_lsps.remove(&route).expect("a route that was advertised");
                }
                Output::CMldp { vrf, fec, label, mapped: true } => {
                    assert_eq!(self.mapped.insert((vrf, fec), label), None);
                }
                Output::CMldp { vrf, fec, label, mapped: false } => {
                    assert_eq!(self.mapped.remove(&(vrf, fec)), Some(label));
                }
                Output::Tree(TreeRequest::Stitch { tunnel, group }) => {
                    assert!(self.groups.contains_key(&group));
                    self.leaf_of.entry(tunnel.clone()).or_insert(1);
                    self.stitched.insert(tunnel);
                }
                Output::Tree(TreeRequest::Join { tunnel, arrives_by }) => {
                    assert!(self.tunnels.contains(&arrives_by), "{tunnel:?} arrives by nothing");
                    *self.leaf_of.entry(tunnel).or_default() += 1;
                }
                Output::Tree(TreeRequest::JoinSpace { tunnel, .. }) => *self.leaf_of.entry(tunnel).or_default() += 1,
                Output::Tree(TreeRequest::Leave { tunnel }) => {
                    self.stitched.remove(&tunnel);
                    let times = self.leaf_of.remove(&tunnel).expect("a leaf of it");
                    if times > 1 {
                        self.leaf_of.insert(tunnel, times - 1);
                    }
                }
                Output::SourceActive { vrf, source, group, is_active, .. } => {
                    let flow = (vrf, source, group);
                    let changed = if is_active { self.sources.insert(flow) } else { self.sources.remove(&flow) };
                    assert!(changed, "{flow:?} is said twice");
                }
                Output::Withdraw(route) => {
                    self.advertised.remove(&route).expect("a route that was advertised");
                }
                Output::Tree(TreeRequest::Root { tree, .. }) => assert!(self.trees.insert(tree)),
                Output::Tree(TreeRequest::Remove { tree }) => assert!(self.trees.remove(&tree)),
                _ => {}
            }
        }
    }
}

struct Drive<'u, 'a> {
    u: &'u mut Unstructured<'a>,
    now: Instant,
    pe: MvpnPe,
    told: Told,
    /// Flows that the customers' PIM has routes for.
    flows: BTreeMap<(VrfId, MrouteKey), ReplicationId>,
    /// LSPs that the customers' mLDP has.
    lsps: BTreeMap<(VrfId, MultipointFec), ReplicationId>,
}

impl Drive<'_, '_> {
    fn vrf(&mut self) -> Result<VrfId> {
        Ok(VrfId(self.u.int_in_range(1..=2)?))
    }

    fn router(&mut self) -> Result<IpAddr> {
        Ok([192, 0, 2, self.u.int_in_range(1..=4)?].into())
    }

    fn rd(&mut self) -> Result<RouteDistinguisher> {
        Ok(rd(self.u.int_in_range(1..=4)?))
    }

    fn source(&mut self) -> Result<IpAddr> {
        Ok([10, 0, self.u.int_in_range(0..=2)?, self.u.int_in_range(1..=2)?].into())
    }

    fn group(&mut self) -> Result<IpAddr> {
        Ok([if self.u.arbitrary()? { 232 } else { 239 }, 1, 1, self.u.int_in_range(1..=3)?].into())
    }

    fn flow(&mut self) -> Result<SFlow> {
        let (source, group) = (self.source()?, self.group()?);
        Ok(match self.u.int_in_range(0..=5)? {
            0 => SFlow::all(AddressFamily::V4),
            1 => SFlow::any_source(group),
            3 => SFlow::all_bidir(AddressFamily::V4),
            // Bootstrap messages of a PE.
            2 => SFlow::source_group(self.router()?, [224, 0, 0, 13].into()),
            _ => SFlow::source_group(source, group),
        })
    }

    fn route(&mut self) -> Result<McastRoute> {
        let (rd, originator) = (self.rd()?, self.router()?);
        let (source, group, flow) = (self.source()?, self.group()?, self.flow()?);
        let join = CMulticast { rd, source_as: 65001, source, group };
        let v4 = |kind| McastRoute { family: AddressFamily::V4, kind };
        Ok(match self.u.int_in_range(0..=7)? {
            0 => McastRoute::i_pmsi(AddressFamily::V4, rd, originator),
            1 => McastRoute::s_pmsi(rd, flow, originator),
            2 => McastRoute::source_active(rd, source, group),
            3 => v4(McastKind::SourceTreeJoin(join)),
            4 => v4(McastKind::SharedTreeJoin(join)),
            5 => {
                let of = if self.u.arbitrary()? { self.router()? } else { OURS.into() };
                let key = AdRoute::SPmsi { rd, flow, originator: of };
                v4(McastKind::Leaf { key, originator })
            }
            _ => self.u.arbitrary()?,
        })
    }

    fn attributes(&mut self) -> Result<McastAttributes> {
        let next_hop = self.router()?;
        let import = VrfRouteImport { address: OURS.into(), local: self.u.int_in_range(1..=2)? };
        let targets = match self.u.int_in_range(0..=3)? {
            0 => vec![target(1), target(2)],
            1 => vec![Target::of(import.c_multicast_import()), Target::router(OURS.into())],
            2 => vec![target(self.u.int_in_range(1..=3)?)],
            _ => vec![target(1), Target::router(OURS.into())],
        };
        let mut attributes = McastAttributes::new(next_hop, targets);
        attributes.rp = if self.u.arbitrary()? { Some([10, 0, 9, self.u.int_in_range(1..=2)?].into()) } else { None };
        if self.u.arbitrary()? {
            let tunnel = match self.u.int_in_range(0..=3)? {
                0 => PTunnel::IngressReplication(next_hop),
                1 => PTunnel::MldpP2mp(MldpLsp::generic(next_hop, self.u.int_in_range(1..=3)?)),
                2 => PTunnel::MldpMp2mp(MldpLsp::generic(self.router()?, self.u.int_in_range(1..=3)?)),
                _ => PTunnel::None,
            };
            attributes.pmsi = Some(PmsiTunnelValue {
                leaf_information_required: self.u.arbitrary()?,
                per_flow: self.u.arbitrary()?,
                label: if self.u.arbitrary()? { Label::new(5000) } else { None },
                tunnel,
            });
        }
        if self.u.ratio(1, 4)? {
            for _ in 0..self.u.int_in_range(1..=3)? {
                let label = Label::new(self.u.int_in_range(6000..=6005)?).unwrap();
                attributes.pe_labels.push((self.router()?, label));
            }
        }
        Ok(attributes)
    }

    fn program(&mut self) -> Result<()> {
        let (vrf, source, group) = (self.vrf()?, self.source()?, self.group()?);
        let (IpAddr::V4(source), IpAddr::V4(group)) = (source, group) else { return Ok(()) };
        let key = match self.u.int_in_range(0..=4)? {
            0 | 1 => MrouteKey::Source4 { source, group },
            2 => MrouteKey::Group4 { group: Ipv4Prefix::new([239, 1, 1, 0].into(), 24).unwrap() },
            _ => MrouteKey::Group4 { group: Ipv4Prefix::host(group) },
        };
        let pmsi = IfIndex(100 + u32::from(vrf.0));
        // Sets of each VRF's PIM.
        let set = RpfSetId(900_000 + 10 * u32::from(vrf.0) + self.u.int_in_range(0..=1_u32)?);
        if self.u.arbitrary()? {
            let from = Origin::Interface(pmsi);
            let op = match self.u.arbitrary()? {
                true => FwdOp::SetRpfMember { set, from },
                false => FwdOp::ClearRpfMember { set, from },
            };
            self.pe.handle_input(self.now, Input::Program { vrf, op });
        }
        let mut ops = Vec::new();
        match self.flows.remove(&(vrf, key)) {
            Some(id) => ops.extend([FwdOp::ClearMroute { vrf, key }, FwdOp::ClearReplication { id }]),
            None => {
                let used: BTreeSet<ReplicationId> = self.flows.values().copied().collect();
                let id = (1..).map(ReplicationId).find(|id| !used.contains(id)).unwrap();
                ops.push(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) });
                let (to_pmsi, from_pmsi): (bool, bool) = self.u.arbitrary()?;
                if to_pmsi {
                    ops.push(FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Interface(pmsi) });
                }
                ops.push(FwdOp::SetLeg { group: id, leg: 1, target: LegTarget::Interface(IfIndex(10)) });
                let rpf = match key {
                    MrouteKey::Group4 { .. } if self.u.arbitrary()? => Rpf::AnyOf(set),
                    _ => Rpf::From(Origin::Interface(if from_pmsi { pmsi } else { IfIndex(11) })),
                };
                let spt = if self.u.arbitrary()? { Some(pmsi) } else { None };
                let mroute = Mroute { rpf, replication: Some(id), punt_wrong_interface: true, register: false, spt };
                ops.push(FwdOp::SetMroute { vrf, key, mroute });
                self.flows.insert((vrf, key), id);
            }
        }
        for op in ops {
            self.pe.handle_input(self.now, Input::Program { vrf, op });
        }
        Ok(())
    }

    fn fec(&mut self) -> Result<MultipointFec> {
        let (root, lsp) = (self.source()?, self.u.int_in_range(1..=2)?);
        let fec = if self.u.ratio(1, 8)? { TreeFec::mp2mp(root, lsp) } else { TreeFec::p2mp(root, lsp) };
        Ok(fec.down())
    }

    /// Customers' LSPs: routes of other PEs, and what the mLDP of a VRF says and programs.
    fn lsp(&mut self) -> Result<()> {
        let (vrf, fec, rd, originator) = (self.vrf()?, self.fec()?, self.rd()?, self.router()?);
        if self.u.arbitrary()? {
            let key = CMldpSPmsi { rd, fec: fec.clone(), originator };
            let route = match self.u.int_in_range(0..=3)? {
                0 => CMldpRoute::SPmsi(key),
                1 => CMldpRoute::Leaf { key: CMldpSPmsi { originator: OURS.into(), ..key }, originator },
                2 => CMldpRoute::SourceTreeJoin { rd, source_as: 65001, fec },
                _ => self.u.arbitrary()?,
            };
            let attributes = if self.u.ratio(3, 4)? { Some(self.attributes()?) } else { None };
            self.pe.handle_input(self.now, Input::CMldpRoute { route, attributes });
            return Ok(());
        }
        self.told.take(&mut self.pe);
        let IpAddr::V4(root) = fec.root else { return Ok(()) };
        let n = 100 * u32::from(vrf.0) + u32::from(root.octets()[2] * 20 + root.octets()[3]);
        let (label, space) = (Label::new(1000 + n).unwrap(), PmsiPeer::SPACE);
        let (pmsi, branch) = (NhlfeId(n), NhlfeId(n + 50));
        let model = fwd_core::op::TunnelModel::Pipe;
        let mut ops = Vec::new();
        let known = self.lsps.remove(&(vrf, fec.clone()));
        let id = known.unwrap_or(ReplicationId(5000 + n));
        if known.is_none() && self.lsps.values().any(|used| *used == id) {
            return Ok(());
        }
        match known {
            Some(_) => {
                self.pe.handle_input(self.now, Input::CMldp { vrf, fec, label: None });
                ops.extend([FwdOp::ClearContextIlm { space, label }, FwdOp::ClearLeg { group: id, leg: 2 }]);
                ops.extend([branch, pmsi].map(|id| FwdOp::ClearNhlfe { id }));
                ops.push(FwdOp::ClearReplication { id });
            }
            None => {
                let push = LabelStack::single(*self.told.mapped.get(&(vrf, fec.clone())).unwrap_or(&label));
                let next = NextHop::Neighbor { iface: IfIndex(100 + u32::from(vrf.0)), mac: Mac([0; 6]) };
                let to_pmsi = Nhlfe { push: LabelStack::EMPTY, next, model };
                let ilm = Ilm { action: IlmAction::Replicate(id), model };
                ops.push(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) });
                ops.push(FwdOp::SetNhlfe { id: pmsi, nhlfe: to_pmsi });
                let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(pmsi), model };
                ops.push(FwdOp::SetNhlfe { id: branch, nhlfe });
                ops.push(FwdOp::SetLeg { group: id, leg: 2, target: LegTarget::Nhlfe(branch) });
                ops.push(FwdOp::SetContextIlm { space, label, ilm });
                self.lsps.insert((vrf, fec.clone()), id);
                self.pe.handle_input(self.now, Input::CMldp { vrf, fec, label: Some(label) });
            }
        }
        for op in ops {
            self.pe.handle_input(self.now, Input::Program { vrf, op });
        }
        Ok(())
    }

    fn tree(&mut self) -> Result<Input> {
        let (vrf, source, group, joined) = (self.vrf()?, self.source()?, self.group()?, self.u.arbitrary()?);
        let rp = [10, 0, 0, 1].into();
        let tree = match self.u.int_in_range(0..=2)? {
            0 => CTree::Shared { group, rp },
            1 => CTree::PrunedSource { group, source, rp },
            _ => CTree::Source { group, source },
        };
        Ok(if self.u.ratio(1, 8)? { Input::Pruned { vrf, tree } } else { Input::Tree { vrf, tree, joined } })
    }

    fn prefix(&mut self) -> Result<IpPrefix> {
        let third: u8 = self.u.int_in_range(0..=2)?;
        let len = if self.u.arbitrary()? { 24 } else { 16 };
        Ok(IpPrefix::V4(Ipv4Prefix::new([10, 0, third, 0].into(), len).unwrap()))
    }

    /// An operator changes limits, or walks the managed objects.
    fn operator(&mut self) -> Result<()> {
        let vrf = self.vrf()?;
        if self.u.arbitrary()? {
            let mut few = || self.u.int_in_range(1..=5_usize);
            let limits = MvpnLimits {
                members: few()?,
                joins: few()?,
                s_pmsis: few()?,
                sources: few()?,
                trees: few()?,
                own_sources: few()?,
                own_s_pmsis: few()? - 1,
                own_tunnels: few()?,
                leaves: few()?,
            };
            self.pe.set_limits(self.now, vrf, limits).unwrap();
            // S-PMSIs of others that are withdrawn are there until the root has left them.
            for usage in self.pe.usage(vrf).into_iter().filter(|u| u.limit != MvpnLimit::SPmsis) {
                assert!(usage.used <= usage.max, "{usage:?}");
            }
            return Ok(());
        }
        let outside = Outside {
            vrf_name: &|vrf| vec![vrf.0 as u8],
            date: &|_| vec![0; 8],
            group: &|_| None,
            tunnel: &|_| None,
            first_if_index: 1000,
            view: View::Provider,
        };
        let mib = MvpnMib::new(&self.pe, &outside);
        let mut at = Oid::default();
        while let Some((oid, value)) = mib.next(&at) {
            assert!(oid > at, "{oid} after {at}");
            assert_eq!(mib.get(&oid), Some(value));
            at = oid;
        }
        Ok(())
    }

    /// An LSP of a tree at this root, or another that is not.
    fn in_band(&mut self) -> Result<Input> {
        let root = if self.u.ratio(7, 8)? { OURS.into() } else { self.router()? };
        let rd = if self.u.ratio(7, 8)? { Some(self.rd()?.octets()) } else { None };
        let (source, group) = (self.source()?, self.group()?);
        let tunnel = match self.u.int_in_range(0..=11)? {
            0 => PTunnel::MldpP2mp(MldpLsp { root, opaque: self.u.arbitrary::<[u8; 16]>()?.into() }),
            1 => PTunnel::MldpMp2mp(MldpLsp { root, opaque: self.u.arbitrary::<[u8; 16]>()?.into() }),
            // A bidirectional group, or a range of them.
            2..=6 => {
                let len = *self.u.choose(&[32, 24, 8, 16])?;
                let groups = if len == 32 { [239, 1, 1, self.u.int_in_range(1..=3)?] } else { [239, 1, 1, 0] };
                let groups = IpPrefix::V4(Ipv4Prefix::new(groups.into(), len).unwrap());
                let rpa = [10, 0, self.u.int_in_range(0..=2)?, 1].into();
                let fec = TreeFec::in_band_bidir(root, &groups, rpa, rd).expect("of one family");
                PTunnel::of_mldp(&fec).expect("an MP2MP LSP")
            }
            _ => PTunnel::of_mldp(&TreeFec::in_band(root, source, group, rd)).expect("a P2MP LSP"),
        };
        Ok(Input::Rooted { tunnel })
    }

    fn step(&mut self) -> Result<()> {
        let input = match self.u.int_in_range(0..=14)? {
            0..=3 => {
                let (route, present): (McastRoute, bool) = (self.route()?, self.u.ratio(3, 4)?);
                let attributes = if present { Some(self.attributes()?) } else { None };
                Input::Route { route, attributes }
            }
            4 => {
                let address = self.router()?;
                let import = VrfRouteImport { address, local: 1 };
                let route = UmhRoute {
                    import: if self.u.ratio(7, 8)? { Some(import) } else { None },
                    source_as: if self.u.arbitrary()? { Some(self.u.int_in_range(65001..=65002)?) } else { None },
                    next_hop: address,
                    is_installed: self.u.arbitrary()?,
                };
                let route = if self.u.ratio(3, 4)? { Some(route) } else { None };
                Input::Umh { vrf: self.vrf()?, prefix: self.prefix()?, rd: self.rd()?, route }
            }
            5 => Input::Local { vrf: self.vrf()?, prefix: self.prefix()?, reachable: self.u.arbitrary()? },
            6 | 7 => self.tree()?,
            8 => return self.program(),
            9 => {
                let entry = if self.u.arbitrary()? { Some(NhlfeId(self.u.int_in_range(1..=9)?)) } else { None };
                Input::Transport { router: self.router()?, entry }
            }
            10 => match self.u.int_in_range(0..=10)? {
                0 => {
                    let branches = (0..self.u.int_in_range(0..=3)?).map(NhlfeId).collect();
                    Input::Branches { tree: TreeId(self.u.int_in_range(0..=9)?), branches }
                }
                1 => {
                    let (vrf, source, group) = (self.vrf()?, self.source()?, self.group()?);
                    Input::Rate { vrf, source, group, octets_per_second: self.u.int_in_range(0..=2000)? }
                }
                7 => self.in_band()?,
                8 => {
                    let kinds = [TunnelKind::IngressReplication, TunnelKind::MldpP2mp, TunnelKind::RsvpTeP2mp];
                    let (vrf, kind) = (self.vrf()?, *self.u.choose(&kinds)?);
                    // An aggregated one has LSPs alone.
                    let _ = self.pe.set_selective(self.now, vrf, kind);
                    return Ok(());
                }
                2 => Input::TreeFailed { tree: TreeId(self.u.int_in_range(0..=9)?) },
                3 => {
                    let mtu = if self.u.arbitrary()? { Some(self.u.int_in_range(1400..=1600)?) } else { None };
                    Input::TunnelMtu { tree: TreeId(self.u.int_in_range(0..=9)?), mtu }
                }
                4 => {
                    let (vrf, flow) = (self.vrf()?, self.flow()?);
                    let is_selective = if self.u.arbitrary()? { Some(self.u.arbitrary()?) } else { None };
                    self.pe.place(self.now, vrf, flow, is_selective).unwrap();
                    return Ok(());
                }
                6 => {
                    let len = if self.u.arbitrary()? { 24 } else { 8 };
                    let range = IpPrefix::V4(Ipv4Prefix::new([239, 1, 1, 0].into(), len).unwrap());
                    let rpa =
                        if self.u.ratio(3, 4)? { Some([10, 0, self.u.int_in_range(0..=2)?, 1].into()) } else { None };
                    Input::BidirRange { vrf: self.vrf()?, range, rpa }
                }
                5 => Input::Arrival { vrf: self.vrf()?, source: self.source()?, group: self.group()? },
                _ => {
                    let (vrf, source, group) = (self.vrf()?, self.source()?, self.group()?);
                    Input::Active { vrf, source, group, rp: None, is_active: self.u.arbitrary()? }
                }
            },
            11 => return self.operator(),
            14 => return self.lsp(),
            12 => {
                let id = *self.u.choose(&[100_000, 100_001, 100_002, 100_003])?;
                let target = LegTarget::Group(ReplicationId(id));
                Input::Refused(match self.u.int_in_range(0..=2)? {
                    0 => FwdOp::SetLeg { group: ReplicationId(id), leg: 0, target },
                    1 => FwdOp::SetReplication { id: ReplicationId(id), owner: VsiOrVrf::Vrf(self.vrf()?) },
                    _ => FwdOp::SetNhlfe {
                        id: NhlfeId(id),
                        nhlfe: fwd_core::op::Nhlfe {
                            push: fwd_core::net::LabelStack::EMPTY,
                            next: fwd_core::op::NextHop::Nhlfe(NhlfeId(1)),
                            model: fwd_core::op::TunnelModel::Uniform,
                        },
                    },
                })
            }
            _ => {
                self.now = self.now + Duration::from_millis(self.u.int_in_range(0..=30_000)?);
                self.pe.handle_timeout(self.now);
                return Ok(());
            }
        };
        self.pe.handle_input(self.now, input);
        if self.u.ratio(3, 4)? {
            self.told.take(&mut self.pe);
        }
        Ok(())
    }
}

fn rd(n: u32) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, n)
}

fn target(n: u32) -> Target {
    RouteTarget::two_octet_as(65001, n).into()
}

fn config(u: &mut Unstructured<'_>, n: u16) -> Result<MvrfConfig> {
    let pmsi = IfIndex(100 + u32::from(n));
    let mut config = MvrfConfig::new(VrfId(n), rd(u32::from(n)), RouteTarget::two_octet_as(65001, u32::from(n)), pmsi);
    let kinds = [TunnelKind::IngressReplication, TunnelKind::MldpP2mp, TunnelKind::RsvpTeP2mp];
    config.inclusive = if u.arbitrary()? { Some(*u.choose(&kinds)?) } else { None };
    if u.ratio(1, 8)? {
        config.inclusive = Some(TunnelKind::MldpMp2mp { root: OURS.into(), lsp: u32::from(n) });
    }
    config.selective = *u.choose(&kinds)?;
    let is_mldp = |kind: &TunnelKind| *kind == TunnelKind::MldpP2mp;
    config.aggregated = config.inclusive.iter().chain([&config.selective]).all(is_mldp) && u.arbitrary()?;
    config.msdp = u.arbitrary()?;
    config.asm = if u.arbitrary()? { AsmMode::SptOnly } else { AsmMode::RptSpt };
    config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
    config.s_pmsi.explicit_tracking = u.arbitrary()?;
    if config.s_pmsi.explicit_tracking {
        config.s_pmsi.congruence = if u.arbitrary()? { Some(50) } else { None };
        config.s_pmsi.waste = if u.arbitrary()? { Some(Threshold { up: 1000, down: 500 }) } else { None };
        config.s_pmsi.audience = if u.arbitrary()? { Some(Audience { few: 50, many: 80 }) } else { None };
    }
    config.no_foreign_leaf = u.arbitrary()?;
    config.fallback = if u.arbitrary()? { Some(*u.choose(&kinds)?) } else { None };
    config.mtu = Some(1500);
    config.limits.own_tunnels = 2;
    if u.arbitrary()? {
        config.s_pmsi.fixed = vec![SFlow::all(AddressFamily::V4)];
    }
    if u.arbitrary()? {
        config.damping = Some(mvpn::mvrf::DampingConfig::default());
    }
    (config.sites.senders, config.sites.receivers) = (u.ratio(7, 8)?, u.ratio(7, 8)?);
    config.bootstrap = u.arbitrary()?;
    config.c_mldp = true;
    config.bidir = match u.int_in_range(0..=4)? {
        0 | 1 => None,
        2 => Some(BidirModel::IngressReplication),
        3 => Some(BidirModel::FlatMp2mp),
        _ => Some(BidirModel::Hierarchical { root: if u.arbitrary()? { OURS } else { [192, 0, 2, 2] }.into(), lsp: 9 }),
    };
    config.in_band = if u.arbitrary()? { vec!["232.1.1.2/31".parse().unwrap()] } else { Vec::new() };
    if u.arbitrary()? {
        config.in_band.push(if u.arbitrary()? { "239.1.1.0/24" } else { "239.0.0.0/8" }.parse().unwrap());
    }
    if u.ratio(1, 8)? {
        (config.model, config.inclusive, config.bidir, config.bootstrap) = (Model::InBand, None, None, false);
        config.s_pmsi.fixed.clear();
        config.in_band = ["232.0.0.0/8", "239.0.0.0/8"].map(|range| range.parse().unwrap()).to_vec();
    }
    config.s_pmsi.always = vec!["239.1.1.0/30".parse().unwrap()];
    (config.limits.joins, config.limits.trees, config.limits.leaves) = (6, 6, 4);
    Ok(config)
}

fn steps(u: &mut Unstructured<'_>) -> Result<()> {
    let mut c = MvpnConfig::new(OURS.into(), 65001);
    c.tunnel_budget = 4;
    let mut pe = MvpnPe::new(Instant::ZERO, c).unwrap();
    for n in 1..=2 {
        let config = config(u, n)?;
        pe.add_mvrf(Instant::ZERO, config).unwrap();
    }
    let mut drive =
        Drive { u, now: Instant::ZERO, pe, told: Told::default(), flows: BTreeMap::new(), lsps: BTreeMap::new() };
    while !drive.u.is_empty() && drive.step().is_ok() {}
    drive.told.take(&mut drive.pe);
    // What came can go: nothing is left.
    for n in 1..=2 {
        drive.pe.remove_mvrf(drive.now, VrfId(n)).unwrap();
    }
    drive.told.take(&mut drive.pe);
    assert_eq!(drive.pe.numbers_in_use(), [0; 4]);
    assert_eq!(drive.pe.next_timeout(), None);
    let told = &drive.told;
    assert!(told.advertised.is_empty(), "{:?}", told.advertised);
    assert!(told.mroutes.is_empty() && told.groups.is_empty() && told.nhlfes.is_empty(), "{:?}", told.mroutes);
    assert!(told.sources.is_empty(), "{:?}", told.sources);
    assert!(told.of_lsps.is_empty() && told.mapped.is_empty() && told.stitched.is_empty(), "{:?}", told.of_lsps);
    assert!(told.sets.is_empty(), "{:?}", told.sets);
    assert!(told.leaf_of.is_empty(), "{:?}", told.leaf_of);
    assert!(told.labels.is_empty() && told.tunnels.is_empty() && told.trees.is_empty() && told.contexts.is_empty());
    Ok(())
}

/// Runs the stimuli that the octets stand for.
pub fn run(data: &[u8]) {
    let _ = steps(&mut Unstructured::new(data));
}
