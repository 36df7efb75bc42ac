//! P-tunnels of every kind beside each other, and the one that all PEs of a VPN share.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::attr::{PmsiTunnelType, RouteTarget};
use bgp_vpn::mib::View;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::mib::{Objects, Oid, Value};
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use mvpn::mvrf::mib::MvpnMib;
use mvpn::mvrf::{
    MvpnConfig, MvpnConfigError, MvpnEvent, MvpnPe, MvpnReject, MvrfConfig, PTunnel, PmsiTunnelValue, RootStandby,
    TunnelIdentifier, TunnelKind, TunnelTechnology, UmhSelection,
};

use super::node::{SimAddress, pmsi};
use super::oam::{outside, walk};
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// The MP2MP LSP of VPN 1, rooted at PE 0.
fn mp2mp(provider: Provider) -> TunnelKind {
    TunnelKind::MldpMp2mp { root: provider.routers(1)[0], lsp: 7 }
}

/// The kinds by the types of their tunnels, 1 to 7.
fn kinds(provider: Provider) -> [TunnelKind; 7] {
    let group = |n: u8| match provider {
        Provider::V4 => IpAddr::from([239, 9, 9, n]),
        Provider::V6 => IpAddr::from([0xff0e, 0, 0, 0, 0, 0, 9, u16::from(n)]),
    };
    [
        TunnelKind::RsvpTeP2mp,
        TunnelKind::MldpP2mp,
        TunnelKind::PimSsm,
        TunnelKind::PimSm(group(4)),
        TunnelKind::BidirPim(group(5)),
        TunnelKind::IngressReplication,
        mp2mp(provider),
    ]
}

fn seven_vpns<A: SimAddress>(provider: Provider) -> World<A> {
    let groups = if provider == Provider::V4 { "232.100.0.0/24" } else { "ff3e::8000:0/112" };
    let mut world: World<A> =
        World::with_room(provider.routers(4), 3, 7, |_, c| c.p_groups = Some(groups.parse().unwrap()));
    for pe in 0..4 {
        for (n, kind) in (1..).zip(kinds(provider)) {
            let rd = RouteDistinguisher::two_octet_as(65001, u32::from(n) * 100 + pe as u32);
            let mut config =
                MvrfConfig::new(VrfId(n), rd, RouteTarget::two_octet_as(65001, u32::from(n)), pmsi(VrfId(n)));
            config.inclusive = Some(kind);
            config.selective = match kind {
                TunnelKind::RsvpTeP2mp | TunnelKind::PimSsm | TunnelKind::IngressReplication => kind,
                _ => TunnelKind::MldpP2mp,
            };
            world.add_site(pe, config, false);
        }
    }
    world.run_for(SECOND * 3);
    // The type of tunnel in the attribute, as it is written.
    for pe in 0..4 {
        let types: BTreeMap<RouteDistinguisher, u8> = world.pes[pe]
            .mvpn
            .originated()
            .filter_map(|(route, attributes)| match route.kind {
                mvpn::mvrf::McastKind::Ad(ad) => {
                    let kind = attributes.pmsi.as_ref()?.with_attribute(|a| a.tunnel.tunnel_type().0)?;
                    Some((ad.rd(), kind))
                }
                _ => None,
            })
            .collect();
        let rd = |n: u8| RouteDistinguisher::two_octet_as(65001, u32::from(n) * 100 + pe as u32);
        assert_eq!(types, (1..=7).map(|n| (rd(n), n)).collect(), "PE {pe}");
    }
    // In every VPN the same addresses: PE 0 sends to 1 and 3, PE 2 to 0 and 3.
    let flows = [(0, A::ssm(1), [1, 3]), (2, A::ssm(2), [0, 3])];
    for n in 1..=7 {
        for (from, group, to) in flows {
            to.iter().for_each(|pe| world.member((*pe, VrfId(n)), Some(A::host(from, 1)), group, true));
        }
    }
    world.run_for(SECOND * 5);
    for n in 1..=7 {
        let vrf = VrfId(n);
        for (from, group, to) in flows {
            let number = world.send((from, vrf), A::host(from, 1), group);
            world.run_for(SECOND);
            let expected: BTreeMap<_, _> = to.iter().map(|pe| ((*pe, vrf), 1)).collect();
            assert_eq!(
                world.copies(A::host(from, 1), group, number),
                expected,
                "{provider:?} {:?}",
                kinds(provider)[n as usize - 1]
            );
        }
    }
    world
}

/// The tunnels of a PE with all seven kinds as L2L3-VPN-MULTICAST-MIB has them: for each type its number, an identifier of the size that
/// L2L3VpnMcastProviderTunnelId has for the provider's family, which names this PE or the root; the label that copies are to carry; and from
/// the row of each PMSI a pointer to the row of its tunnel.
///
/// Shows: L3VPN-8.11-3, MVPN-TRB-5
#[test]
fn tunnels_of_every_type_are_rows_of_the_mib() {
    for provider in Provider::BOTH {
        let world = seven_vpns::<Ipv4Addr>(provider);
        let mib = MvpnMib::new(&world.pes[0].mvpn, &outside(View::Provider));
        let sizes = match provider {
            Provider::V4 => [12, 17, 8, 8, 8, 4, 17],
            Provider::V6 => [24, 29, 32, 32, 32, 16, 29],
        };
        let address = match world.routers[0] {
            IpAddr::V4(a) => a.octets().to_vec(),
            IpAddr::V6(a) => a.octets().to_vec(),
        };
        // l2L3VpnMcastPmsiTunnelAttributeEntry: type, length and octets of the identifier.
        let entry = [1, 3, 6, 1, 2, 1, 245, 1, 1, 1];
        let rows = walk(&mib, &entry);
        let of = |column: u32, kind: u8| {
            let prefix = [&entry[..], &[column, u32::from(kind)]].concat();
            rows.iter().filter(move |(oid, _)| oid.ids().starts_with(&prefix)).collect::<Vec<_>>()
        };
        for (kind, size) in (1_u8..).zip(sizes) {
            let own = |(oid, _): &&&(Oid, Value)| {
                let id = &oid.ids()[13..];
                id.windows(address.len()).any(|w| w.iter().zip(&address).all(|(a, b)| *a == u32::from(*b)))
            };
            let flags: Vec<_> = of(3, kind);
            assert!(
                flags.iter().all(|(oid, _)| oid.ids()[12] == size && oid.ids().len() == 13 + size as usize),
                "type {kind}"
            );
            // One for each PE of the VPN, and one for all where they share it.
            assert_eq!(flags.len(), if kind == 7 { 1 } else { 4 }, "type {kind}");
            assert_eq!(flags.iter().filter(own).count(), 1, "type {kind}");
            assert!(flags.iter().all(|(_, flag)| matches!(flag, Value::Integer(0 | 1))));
            let labels = of(4, kind);
            let has_label = |(_, label): &&(Oid, Value)| *label != Value::Unsigned(0);
            assert_eq!(
                labels.iter().filter(|row| has_label(row)).count(),
                if kind == 6 { 4 } else { 0 },
                "type {kind}"
            );
            // mvpnPmsiTunnelType and mvpnPmsiTunnelAttribute of the I-PMSI.
            let of_pmsi = |column: u32| {
                mib.get(&Oid::new(&[1, 3, 6, 1, 2, 1, 243, 1, 4, 1, column, pmsi(VrfId(u16::from(kind))).0]))
            };
            assert_eq!(of_pmsi(4), Some(Value::Integer(i32::from(kind))));
            let Some(Value::Oid(tunnel)) = of_pmsi(5) else { panic!("type {kind}") };
            assert!(mib.get(&tunnel).is_some() && tunnel.ids()[11] == u32::from(kind), "{tunnel}");
        }
    }
}

/// Seven VPNs on the same PEs, one for each type of tunnel that a PMSI Tunnel attribute names: all deliver at once, with the same customers'
/// addresses in each.
///
/// Shows: MVPN-CORE-4
#[test]
fn seven_vpns_with_seven_kinds_of_tunnels() {
    for provider in Provider::BOTH {
        seven_vpns::<Ipv4Addr>(provider);
        seven_vpns::<Ipv6Addr>(provider);
    }
}

fn one_lsp<A: SimAddress>(provider: Provider, umh: UmhSelection) {
    let mut world: World<A> = World::new(provider.routers(5), 7, |_, _| {});
    for pe in 0..5 {
        let mut config = mvrf(pe, Some(mp2mp(provider)), TunnelKind::MldpP2mp);
        config.umh = umh;
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 2);
    // One LSP, joined once by each PE, for both families and all senders.
    assert_eq!((world.lsps.len(), world.joins), (1, 5));
    // A source behind two PEs: all select the same, and what the other sends as well is dropped by its way in.
    let group = A::ssm(1);
    let source = A::host(9, 1);
    (0..2).for_each(|pe| world.set_prefix(pe, VRF, A::subnet(9).into(), true));
    world.run_for(SECOND);
    for pe in [2, 3, 4] {
        world.member((pe, VRF), Some(source), group, true);
    }
    for from in [2, 3] {
        world.member((4, VRF), Some(A::host(from, 1)), A::ssm(2), true);
    }
    world.run_for(SECOND * 2);
    let to = |pes: &[usize]| pes.iter().map(|pe| ((*pe, VRF), 1)).collect::<BTreeMap<_, _>>();
    let upstream: BTreeSet<_> = [2, 3, 4]
        .map(|pe| world.pes[pe].mvpn.carried(VRF, source.into(), group.into()).unwrap())
        .into_iter()
        .map(|carried| (carried.from, carried.received_by))
        .collect();
    assert_eq!(upstream.len(), 1, "{upstream:?}");
    assert!(upstream.iter().all(|(_, tunnel)| matches!(tunnel, Some(PTunnel::MldpMp2mp(_)))));
    let all: [(usize, A, A, &[usize]); 3] =
        [(2, A::host(2, 1), A::ssm(2), &[4]), (3, A::host(3, 1), A::ssm(2), &[4]), (0, source, group, &[2, 3, 4])];
    for (from, source, group, receivers) in all {
        let number = world.send((from, VRF), source, group);
        if from == 0 {
            world.send_again((1, VRF), source, group, number);
        }
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), to(receivers), "{provider:?} {umh:?} from {from}");
    }
    // The PE that sends dies: the other takes over, by the same LSP.
    let first = world.routers.iter().position(|r| upstream.iter().next().unwrap().0 == Some(*r)).unwrap();
    world.kill(first);
    world.run_for(SECOND * 5);
    let number = world.send((1 - first, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), to(&[2, 3, 4]));
    assert_eq!((world.lsps.len(), world.joins), (1, 5));
}

/// An MP2MP LSP as the I-PMSI of a VPN: one for all senders.
#[test]
fn all_pes_send_by_one_mp2mp_lsp() {
    for provider in Provider::BOTH {
        for umh in [UmhSelection::HighestAddress, UmhSelection::Hash] {
            one_lsp::<Ipv4Addr>(provider, umh);
            one_lsp::<Ipv6Addr>(provider, umh);
        }
    }
}

/// What a tunnel that does not tell who sent cannot be used for, and what is left of an MVRF that is refused.
#[test]
fn an_mp2mp_lsp_is_one_vpns_and_its_pes_select_alike() {
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    let config = |n: u16| {
        let rd = RouteDistinguisher::two_octet_as(65001, u32::from(n));
        let mut config = MvrfConfig::new(VrfId(n), rd, "65001:1".parse().unwrap(), pmsi(VrfId(n)));
        config.inclusive = Some(mp2mp(Provider::V4));
        config
    };
    let refused = |pe: &mut MvpnPe, change: fn(&mut MvrfConfig)| {
        let mut config = config(2);
        change(&mut config);
        pe.add_mvrf(Instant::ZERO, config)
    };
    assert_eq!(refused(&mut pe, |c| c.umh = UmhSelection::Installed), Err(MvpnConfigError::Mp2mp));
    assert_eq!(refused(&mut pe, |c| c.standby = Some(RootStandby::Hot)), Err(MvpnConfigError::Mp2mp));
    assert_eq!(refused(&mut pe, |c| c.selective = c.inclusive.unwrap()), Err(MvpnConfigError::Selective));
    pe.add_mvrf(Instant::ZERO, config(1)).unwrap();
    let used = pe.numbers_in_use();
    assert_eq!(pe.add_mvrf(Instant::ZERO, config(2)), Err(MvpnConfigError::Mp2mp));
    assert_eq!(pe.numbers_in_use(), used);
    pe.remove_mvrf(Instant::ZERO, VrfId(1)).unwrap();
    assert_eq!(pe.numbers_in_use(), [0; 4]);
}

/// A technology that `mvpn` does not know: its tunnels are named by root and number.
#[derive(Debug)]
struct Experiment;

const EXPERIMENT: PmsiTunnelType = PmsiTunnelType(0x7b);

impl TunnelTechnology for Experiment {
    fn tunnel_type(&self) -> PmsiTunnelType {
        EXPERIMENT
    }
    fn identifier(&self, root: IpAddr, number: u32) -> TunnelIdentifier {
        let mut id = TunnelIdentifier::from_slice(&number.to_be_bytes());
        match root {
            IpAddr::V4(a) => id.extend_from_slice(&a.octets()),
            IpAddr::V6(a) => id.extend_from_slice(&a.octets()),
        }
        id
    }
    fn is_identifier(&self, octets: &[u8]) -> bool {
        matches!(octets.len(), 8 | 20)
    }
}

fn added<A: SimAddress>(provider: Provider) {
    // PE 3 was not told of the technology.
    let mut world: World<A> = World::new(provider.routers(4), 3, |pe, c| {
        if pe < 3 {
            c.technologies = vec![&Experiment];
        }
    });
    let kind = TunnelKind::Other(EXPERIMENT);
    for pe in 0..4 {
        let kind = if pe < 3 { kind } else { TunnelKind::MldpP2mp };
        world.add_site(pe, mvrf(pe, Some(kind), kind), false);
    }
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2, 3] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 5);
    let delivered = |world: &mut World<A>| {
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        world.copies(source, group, number).into_keys().map(|(pe, _)| pe).collect::<Vec<_>>()
    };
    assert_eq!(delivered(&mut world), [1, 2], "{provider:?}");
    let now = world.now;
    world.pes[0].mvpn.place(now, VRF, super::decision::flow(group), Some(true)).unwrap();
    world.drain(0);
    world.run_for(SECOND * 5);
    let carried = world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap();
    assert!(carried.is_selective && matches!(carried.sent_by, Some(PTunnel::Other { tunnel_type: EXPERIMENT, .. })));
    assert_eq!(delivered(&mut world), [1, 2], "{provider:?}");
    // What it says is an attribute of the type, and comes back as the same value.
    let sent: Vec<_> = world.pes[0].mvpn.originated().filter_map(|(_, a)| a.pmsi.clone()).collect();
    assert!(sent.len() >= 2);
    for value in sent {
        assert_eq!(value.with_attribute(|a| a.tunnel.tunnel_type()), Some(EXPERIMENT));
        assert_eq!(value.with_attribute(PmsiTunnelValue::from_attribute), Some(Some(value)));
    }
    // Who does not know the type takes the routes as withdrawn, and says so.
    assert_eq!(world.pes[3].mvpn.members(VRF).count(), 0);
    let is_said = |e: &MvpnEvent| matches!(e, MvpnEvent::Rejected { reason: MvpnReject::TunnelType, .. });
    assert!(world.pes[3].events.iter().any(is_said) && !world.pes[1].events.iter().any(is_said));
    // And an identifier that is none of the type's is as bad.
    let (route, mut attributes) = world.pes[0]
        .mvpn
        .originated()
        .find(|(route, _)| matches!(route.kind, mvpn::mvrf::McastKind::Ad(_)))
        .map(|(route, a)| (*route, a.clone()))
        .unwrap();
    let members = world.pes[1].mvpn.members(VRF).count();
    let identifier = TunnelIdentifier::from_slice(&[1, 2, 3]);
    attributes.pmsi = Some(PmsiTunnelValue::new(PTunnel::Other { tunnel_type: EXPERIMENT, identifier }));
    world.input(1, mvpn::mvrf::Input::Route { route, attributes: Some(attributes) });
    assert!(world.pes[1].events.iter().any(is_said) && world.pes[1].mvpn.members(VRF).count() < members);
}

/// A type of tunnel that the crate does not know is an entry in a list and an implementation of a trait: flows go by I-PMSI and S-PMSI of it as
/// by every tree. A PE without the entry takes such routes as withdrawn, as RFC 6514 §5 has it of a malformed attribute.
///
/// Shows: MVPN-TUN-2
#[test]
fn a_new_kind_of_tunnel_is_an_entry_and_a_trait() {
    for provider in Provider::BOTH {
        added::<Ipv4Addr>(provider);
        added::<Ipv6Addr>(provider);
    }
    let new = |technologies: Vec<&'static dyn TunnelTechnology>| {
        let mut config = MvpnConfig::new(Provider::V4.routers(1)[0], 65001);
        config.technologies = technologies;
        MvpnPe::new(Instant::ZERO, config)
    };
    assert_eq!(new(vec![&Experiment, &Experiment]).err(), Some(MvpnConfigError::Technologies));
    let mut pe = new(Vec::new()).unwrap();
    let unknown = mvrf(0, Some(TunnelKind::Other(EXPERIMENT)), TunnelKind::MldpP2mp);
    assert_eq!(pe.add_mvrf(Instant::ZERO, unknown), Err(MvpnConfigError::Technologies));
}
