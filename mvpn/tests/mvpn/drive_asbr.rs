//! Arbitrary stimuli against a border router. Shared with the fuzz target `drive_asbr`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::{CMulticast, InterAsIPmsiAd};
use fwd_core::net::{Label, NhlfeId, ReplicationId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, IlmAction, LegTarget, Mroute, MrouteKey, Origin, Rpf, VsiOrVrf};
use fwd_core::time::Instant;
use mvpn::mvrf::inter_as::{AsbrConfig, AsbrInput, AsbrOutput, AsbrPath, MvpnAsbr, Peer, Side};
use mvpn::mvrf::{
    AdRoute, McastAttributes, McastKind, McastRoute, MldpLsp, PTunnel, PmsiTunnelValue, SFlow, Target, TreeId,
    TreeRequest, TunnelKind,
};
use mvpn::pim::wire::AddressFamily;

const OURS: [u8; 4] = [192, 0, 2, 9];
const KINDS: [TunnelKind; 4] =
    [TunnelKind::IngressReplication, TunnelKind::MldpP2mp, TunnelKind::RsvpTeP2mp, TunnelKind::PimSsm];

/// What the forwarder and the neighbours were told.
#[derive(Default)]
struct Told {
    groups: BTreeMap<ReplicationId, (VrfId, BTreeSet<u16>)>,
    nhlfes: BTreeSet<NhlfeId>,
    labels: BTreeMap<Label, IlmAction>,
    vrfs: BTreeMap<VrfId, BTreeMap<MrouteKey, Mroute>>,
    tunnels: BTreeMap<TunnelId, VrfId>,
    stitched: BTreeMap<PTunnel, IlmAction>,
    trees: BTreeSet<TreeId>,
    advertised: BTreeMap<(Side, McastRoute), McastAttributes>,
}

impl Told {
    /// Whether labels or tunnels lead there.
    fn is_used(&self, action: IlmAction) -> bool {
        self.labels.values().chain(self.stitched.values()).any(|to| *to == action)
    }

    /// What labels and tunnels lead to is there.
    fn leads(&self, action: IlmAction) {
        match action {
            IlmAction::Replicate(group) => assert_eq!(self.groups[&group].0, VrfId::GLOBAL),
            IlmAction::Multicast(tunnel) => assert!(self.tunnels.contains_key(&tunnel)),
            other => panic!("{other:?}"),
        }
    }

    fn op(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) } => {
                assert!(self.groups.insert(id, (vrf, BTreeSet::new())).is_none());
            }
            FwdOp::ClearReplication { id } => {
                self.groups.remove(&id).expect("a group that is there");
                assert!(!self.is_used(IlmAction::Replicate(id)), "a label or a tunnel leads to {id}");
                let mut routes = self.vrfs.values().flat_map(BTreeMap::values);
                assert!(routes.all(|route| route.replication != Some(id)), "a route leads to {id}");
            }
            FwdOp::SetLeg { group, leg, target } => {
                if let LegTarget::Nhlfe(id) = target {
                    assert!(id.0 < 100 || self.nhlfes.contains(&id), "a leg to no entry: {id}");
                }
                self.groups.get_mut(&group).expect("a group").1.insert(leg);
            }
            FwdOp::ClearLeg { group, leg } => assert!(self.groups.get_mut(&group).expect("a group").1.remove(&leg)),
            FwdOp::SetNhlfe { id, .. } => drop(self.nhlfes.insert(id)),
            FwdOp::ClearNhlfe { id } => assert!(self.nhlfes.remove(&id)),
            FwdOp::SetIlm { label, ilm } => {
                self.leads(ilm.action);
                self.labels.insert(label, ilm.action);
            }
            FwdOp::ClearIlm { label } => {
                assert!(self.labels.remove(&label).is_some());
                let promised = self.advertised.values().filter_map(|a| a.pmsi.as_ref()).any(|p| p.label == Some(label));
                assert!(!promised, "{label} is cleared while it is advertised");
            }
            op => self.lookup(op),
        }
    }

    /// An op of trees whose packets are looked at below their labels.
    fn lookup(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetMulticastVrf { vrf, .. } => {
                assert!(vrf != VrfId::GLOBAL && self.vrfs.insert(vrf, BTreeMap::new()).is_none());
            }
            FwdOp::ClearMulticastVrf { vrf } => {
                assert!(self.vrfs.remove(&vrf).expect("a VRF").is_empty());
                assert!(self.tunnels.values().all(|of| *of != vrf), "a tunnel leads to {vrf:?}");
            }
            FwdOp::SetMulticastTunnel { tunnel, vrf } => {
                assert!(self.vrfs.contains_key(&vrf) && self.tunnels.insert(tunnel, vrf).is_none());
            }
            FwdOp::ClearMulticastTunnel { tunnel } => {
                self.tunnels.remove(&tunnel).expect("a tunnel");
                assert!(!self.is_used(IlmAction::Multicast(tunnel)), "a label or a tunnel leads to {tunnel:?}");
            }
            FwdOp::SetMroute { vrf, key, mroute } => {
                let (owner, _) = self.groups[&mroute.replication.expect("a group")];
                assert_eq!(owner, vrf);
                if let Rpf::From(Origin::Tunnel(tunnel)) = mroute.rpf {
                    assert_eq!(self.tunnels[&tunnel], vrf);
                }
                self.vrfs.get_mut(&vrf).expect("a VRF").insert(key, mroute);
            }
            FwdOp::ClearMroute { vrf, key } => {
                self.vrfs.get_mut(&vrf).expect("a VRF").remove(&key).expect("a route");
            }
            op => panic!("{op:?}"),
        }
    }

    fn take(&mut self, asbr: &mut MvpnAsbr) {
        while let Some(output) = asbr.poll_output() {
            match output {
                AsbrOutput::Program(op) => self.op(op),
                AsbrOutput::Advertise { to, route, advert } => {
                    let label = advert.attributes.pmsi.as_ref().and_then(|p| p.label);
                    if let Some(label) = label.filter(|label| *label != theirs()) {
                        assert!(self.labels.contains_key(&label), "{label} is advertised before it works");
                    }
                    self.advertised.insert((to, route), advert.attributes);
                }
                AsbrOutput::Withdraw { to, route } => {
                    self.advertised.remove(&(to, route)).expect("a route that was advertised");
                }
                AsbrOutput::Tree(TreeRequest::Root { tree, .. }) => assert!(self.trees.insert(tree)),
                AsbrOutput::Tree(TreeRequest::Remove { tree }) => assert!(self.trees.remove(&tree)),
                AsbrOutput::Tree(TreeRequest::Stitch { tunnel, group }) => {
                    self.leads(IlmAction::Replicate(group));
                    self.stitched.insert(tunnel, IlmAction::Replicate(group));
                }
                AsbrOutput::Tree(TreeRequest::Join { tunnel, arrives_by }) => {
                    self.leads(IlmAction::Multicast(arrives_by));
                    self.stitched.insert(tunnel, IlmAction::Multicast(arrives_by));
                }
                AsbrOutput::Tree(TreeRequest::Leave { tunnel }) => drop(self.stitched.remove(&tunnel)),
                AsbrOutput::Tree(_) | AsbrOutput::Event(_) => {}
            }
        }
    }
}

/// The label that others say.
fn theirs() -> Label {
    Label::new(5000).unwrap()
}

fn rd(n: u32) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, n)
}

fn router(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    Ok([192, 0, 2, u.int_in_range(1..=4)?].into())
}

fn neighbor(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    Ok([198, 51, 100, u.int_in_range(1..=2)?].into())
}

fn peer(u: &mut Unstructured<'_>) -> Result<Peer> {
    Ok(match u.arbitrary()? {
        true => Peer::external(neighbor(u)?),
        false => Peer::internal(router(u)?),
    })
}

fn ad(u: &mut Unstructured<'_>) -> Result<AdRoute> {
    let rd = rd(u.int_in_range(1..=2)?);
    Ok(match u.arbitrary()? {
        true => AdRoute::InterAsIPmsi(InterAsIPmsiAd { rd, source_as: u.int_in_range(65001..=65003)? }),
        false => {
            let flow = SFlow::source_group([10, 0, 0, 1].into(), [232, 1, 1, u.int_in_range(1..=2)?].into());
            AdRoute::SPmsi { rd, flow, originator: router(u)? }
        }
    })
}

fn route(u: &mut Unstructured<'_>) -> Result<McastRoute> {
    let family = AddressFamily::V4;
    let kind = match u.int_in_range(0..=6)? {
        0 | 1 => return Ok(McastRoute::i_pmsi(family, rd(u.int_in_range(1..=3)?), router(u)?)),
        2 | 3 => McastKind::Ad(ad(u)?),
        4 => McastKind::Leaf { key: ad(u)?, originator: if u.arbitrary()? { router(u)? } else { neighbor(u)? } },
        5 => {
            let (source, group) = ([10, 0, 0, 1].into(), [232, 1, 1, 1].into());
            let rd = rd(u.int_in_range(1..=2)?);
            McastKind::SourceTreeJoin(CMulticast { rd, source_as: u.int_in_range(65001..=65003)?, source, group })
        }
        _ => return u.arbitrary(),
    };
    Ok(McastRoute { family, kind })
}

fn path(u: &mut Unstructured<'_>) -> Result<AsbrPath> {
    let next_hop = router(u)?;
    let target = |n: u32| Target::from(RouteTarget::two_octet_as(65001, n));
    let targets = match u.int_in_range(0..=3)? {
        0 => vec![target(1)],
        3 => vec![Target::router(router(u)?), Target::router(OURS.into())],
        1 => vec![target(u.int_in_range(1..=3)?), Target::router(OURS.into())],
        _ => vec![Target::router(OURS.into())],
    };
    let mut attributes = McastAttributes::new(next_hop, targets);
    if u.ratio(3, 4)? {
        let tunnel = match u.int_in_range(0..=3)? {
            0 => PTunnel::IngressReplication(next_hop),
            3 => PTunnel::PimSsm { root: next_hop, group: [232, 9, 9, u.int_in_range(1..=2)?].into() },
            1 => PTunnel::MldpP2mp(MldpLsp::generic(next_hop, u.int_in_range(1..=3)?)),
            _ => PTunnel::None,
        };
        let mut value = PmsiTunnelValue::new(tunnel);
        (value.leaf_information_required, value.label) =
            (u.arbitrary()?, if u.ratio(1, 2)? { Some(theirs()) } else { None });
        attributes.pmsi = Some(value);
    }
    attributes.no_export = u.ratio(1, 8)?;
    let first = if u.ratio(1, 8)? { 65000 } else { 65002 };
    let as_path = (0..u.int_in_range(0..=2)?).map(|n| first + n).collect();
    Ok(AsbrPath { attributes, as_path })
}

fn steps(u: &mut Unstructured<'_>) -> Result<()> {
    let mut config = AsbrConfig::new(OURS.into(), 65001, OURS.into());
    config.router.p_groups = Some("232.100.0.0/28".parse().unwrap());
    (config.inclusive, config.selective) = (*u.choose(&KINDS)?, *u.choose(&KINDS)?);
    if u.arbitrary()? {
        config.merged = BTreeSet::from([RouteTarget::two_octet_as(65001, 1).into()]);
        config.vrfs = 1..=u.int_in_range(1..=4)?;
    }
    if u.ratio(1, 4)? {
        config.whole = BTreeSet::from([RouteTarget::two_octet_as(65001, 3).into()]);
    }
    (config.limits.paths, config.limits.segments) = (40, 6);
    let mut asbr = MvpnAsbr::new(Instant::ZERO, config).unwrap();
    let (mut told, mut now, mut heard, mut up) = (Told::default(), Instant::ZERO, BTreeSet::new(), BTreeSet::new());
    while !u.is_empty() {
        let input = match u.int_in_range(0..=12)? {
            0 => {
                let (address, is_up) = (neighbor(u)?, u.ratio(3, 4)?);
                told.take(&mut asbr);
                if is_up {
                    up.insert(address);
                } else if up.remove(&address) {
                    // The session ended, and what it was told.
                    told.advertised.retain(|(to, _), _| *to != Side::External(address));
                }
                AsbrInput::Neighbor { address, up: is_up }
            }
            1 => {
                let entry = if u.arbitrary()? { Some(NhlfeId(u.int_in_range(1..=9)?)) } else { None };
                AsbrInput::Transport { router: if u.arbitrary()? { router(u)? } else { neighbor(u)? }, entry }
            }
            2 => {
                let branches = (0..u.int_in_range(0..=3)?).map(NhlfeId).collect();
                AsbrInput::Branches { tree: TreeId(u.int_in_range(0..=9)?), branches }
            }
            3 => {
                asbr.set_tunnels(now, *u.choose(&KINDS)?, *u.choose(&KINDS)?).unwrap();
                continue;
            }
            _ => {
                let (from, route) = (peer(u)?, route(u)?);
                heard.insert((from, route));
                AsbrInput::Path { from, route, path: if u.ratio(3, 4)? { Some(path(u)?) } else { None } }
            }
        };
        now = now + Duration::from_millis(u.int_in_range(1..=5000)?);
        asbr.handle_timeout(now);
        asbr.handle_input(now, input);
        if u.ratio(3, 4)? {
            told.take(&mut asbr);
        }
    }
    // What came can go: nothing is left.
    for (from, route) in heard {
        asbr.handle_input(now, AsbrInput::Path { from, route, path: None });
    }
    told.take(&mut asbr);
    assert_eq!((asbr.numbers_in_use(), asbr.segments(), asbr.next_timeout()), ([0; 5], 0, None));
    assert!(told.advertised.is_empty(), "{:?}", told.advertised);
    assert!(told.groups.is_empty() && told.nhlfes.is_empty() && told.labels.is_empty());
    assert!(told.stitched.is_empty() && told.trees.is_empty());
    assert!(told.vrfs.is_empty() && told.tunnels.is_empty());
    assert_eq!(asbr.advertised().count(), 0);
    Ok(())
}

/// Runs the stimuli that the octets stand for.
pub fn run(data: &[u8]) {
    let _ = steps(&mut Unstructured::new(data));
}
