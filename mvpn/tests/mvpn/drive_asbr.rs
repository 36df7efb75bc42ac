//! Arbitrary stimuli against a border router. Shared with the fuzz target `drive_asbr`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::{CMulticast, InterAsIPmsiAd};
use fwd_core::net::{Label, NhlfeId, ReplicationId};
use fwd_core::op::{FwdOp, IlmAction, LegTarget};
use fwd_core::time::Instant;
use mvpn::mvrf::inter_as::{AsbrConfig, AsbrInput, AsbrOutput, AsbrPath, MvpnAsbr, Peer, Side};
use mvpn::mvrf::{
    AdRoute, McastAttributes, McastKind, McastRoute, MldpLsp, PTunnel, PmsiTunnelValue, SFlow, Target, TreeId,
    TreeRequest, TunnelKind,
};
use mvpn::pim::wire::AddressFamily;

const OURS: [u8; 4] = [192, 0, 2, 9];
const KINDS: [TunnelKind; 3] = [TunnelKind::IngressReplication, TunnelKind::MldpP2mp, TunnelKind::RsvpTeP2mp];

/// What the forwarder and the neighbours were told.
#[derive(Default)]
struct Told {
    groups: BTreeMap<ReplicationId, BTreeSet<u16>>,
    nhlfes: BTreeSet<NhlfeId>,
    labels: BTreeMap<Label, ReplicationId>,
    stitched: BTreeMap<PTunnel, ReplicationId>,
    trees: BTreeSet<TreeId>,
    advertised: BTreeMap<(Side, McastRoute), McastAttributes>,
}

impl Told {
    fn op(&mut self, op: FwdOp) {
        match op {
            FwdOp::SetReplication { id, .. } => assert!(self.groups.insert(id, BTreeSet::new()).is_none()),
            FwdOp::ClearReplication { id } => {
                self.groups.remove(&id).expect("a group that is there");
                assert!(self.labels.values().all(|group| *group != id), "a label leads to {id}");
                assert!(self.stitched.values().all(|group| *group != id), "a tunnel leads to {id}");
            }
            FwdOp::SetLeg { group, leg, target } => {
                if let LegTarget::Nhlfe(id) = target {
                    assert!(id.0 < 100 || self.nhlfes.contains(&id), "a leg to no entry: {id}");
                }
                self.groups.get_mut(&group).expect("a group").insert(leg);
            }
            FwdOp::ClearLeg { group, leg } => assert!(self.groups.get_mut(&group).expect("a group").remove(&leg)),
            FwdOp::SetNhlfe { id, .. } => drop(self.nhlfes.insert(id)),
            FwdOp::ClearNhlfe { id } => assert!(self.nhlfes.remove(&id)),
            FwdOp::SetIlm { label, ilm } => {
                let IlmAction::Replicate(group) = ilm.action else { panic!("{ilm:?}") };
                assert!(self.groups.contains_key(&group), "{label} leads to no group");
                self.labels.insert(label, group);
            }
            FwdOp::ClearIlm { label } => {
                assert!(self.labels.remove(&label).is_some());
                let promised = self.advertised.values().filter_map(|a| a.pmsi.as_ref()).any(|p| p.label == Some(label));
                assert!(!promised, "{label} is cleared while it is advertised");
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
                    assert!(self.groups.contains_key(&group));
                    self.stitched.insert(tunnel, group);
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
    let targets = match u.int_in_range(0..=2)? {
        0 => vec![target(1)],
        1 => vec![target(u.int_in_range(1..=3)?), Target::router(OURS.into())],
        _ => vec![Target::router(OURS.into())],
    };
    let mut attributes = McastAttributes::new(next_hop, targets);
    if u.ratio(3, 4)? {
        let tunnel = match u.int_in_range(0..=2)? {
            0 => PTunnel::IngressReplication(next_hop),
            1 => PTunnel::MldpP2mp(MldpLsp::generic(next_hop, u.int_in_range(1..=3)?)),
            _ => PTunnel::None,
        };
        let mut value = PmsiTunnelValue::new(tunnel);
        (value.leaf_information_required, value.label) =
            (u.arbitrary()?, if u.ratio(1, 2)? { Some(theirs()) } else { None });
        attributes.pmsi = Some(value);
    }
    attributes.no_export = u.ratio(1, 8)?;
    let as_path = (0..u.int_in_range(0..=2)?).map(|n| 65000 + n).collect();
    Ok(AsbrPath { attributes, as_path })
}

fn steps(u: &mut Unstructured<'_>) -> Result<()> {
    let mut config = AsbrConfig::new(OURS.into(), 65001, OURS.into());
    (config.inclusive, config.selective) = (*u.choose(&KINDS)?, *u.choose(&KINDS)?);
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
        now = now + Duration::from_millis(1);
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
    assert_eq!((asbr.numbers_in_use(), asbr.segments(), asbr.next_timeout()), ([0; 3], 0, None));
    assert!(told.advertised.is_empty(), "{:?}", told.advertised);
    assert!(told.groups.is_empty() && told.nhlfes.is_empty() && told.labels.is_empty());
    assert!(told.stitched.is_empty() && told.trees.is_empty());
    assert_eq!(asbr.advertised().count(), 0);
    Ok(())
}

/// Runs the stimuli that the octets stand for.
pub fn run(data: &[u8]) {
    let _ = steps(&mut Unstructured::new(data));
}
