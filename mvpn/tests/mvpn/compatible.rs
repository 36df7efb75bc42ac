//! What a VPN asks of the core and of its PEs: few protocols, any forms of tunnels, PEs that can do more or less than others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use mvpn::mvrf::{Audience, CMulticastProtocol, DampingConfig, InterAs, MvrfConfig, PTunnel, SFlow, TunnelKind};
use mvpn::pim::wire::{AddressFamily, Message, MessageType, Register, RegisterFlags, packet};

use super::decision::flow;
use super::node::{SimAddress, data, pmsi};
use super::world::{What, World};
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
const MLDP: TunnelKind = TunnelKind::MldpP2mp;

fn once(pes: &[usize]) -> BTreeMap<super::world::Place, u32> {
    pes.iter().map(|pe| ((*pe, VRF), 1)).collect()
}

/// A VPN with a flow on an S-PMSI, and with these groups: everything by defaults, but what `change` says.
fn services(groups: &[Ipv4Addr], change: impl Fn(&mut MvrfConfig)) -> World<Ipv4Addr> {
    type A = Ipv4Addr;
    let mut world: World<A> = World::new(Provider::V4.routers(4), 5, |_, _| {});
    for pe in 0..4 {
        let rd = RouteDistinguisher::two_octet_as(65001, 100 + pe as u32);
        let mut config = MvrfConfig::new(VRF, rd, "65001:1".parse().unwrap(), pmsi(VRF));
        change(&mut config);
        world.add_site(pe, config, pe == 3);
    }
    world.run_for(SECOND * 40);
    let source = A::host(0, 1);
    for pe in [1, 2] {
        world.member((pe, VRF), Some(source), A::ssm(1), true);
        world.member((pe, VRF), None, A::asm(1), true);
    }
    world.run_for(SECOND * 20);
    let now = world.now;
    world.pes[0].mvpn.place(now, VRF, flow(A::ssm(1)), Some(true)).unwrap();
    world.drain(0);
    world.run_for(SECOND * 5);
    assert!(world.pes[0].mvpn.carried(VRF, source.into(), A::ssm(1).into()).unwrap().is_selective);
    for group in groups.iter().copied() {
        for _ in 0..30 {
            world.send((0, VRF), source, group);
            world.run_for(SECOND);
        }
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        let mut copies = world.copies(source, group, number);
        copies.remove(&(3, VRF));
        assert_eq!(copies, once(&[1, 2]), "{group}");
    }
    world
}

/// What defaults add to the core of a unicast VPN: one family of BGP, and P2MP LSPs by the LDP that is there. No PIM between PEs, no S-PMSI Joins over
/// UDP, no other kind of tunnel: these have to be asked for.
///
/// Shows: MVPN-OAM-4
#[test]
fn defaults_add_one_family_and_one_kind_of_lsp() {
    let groups = [<Ipv4Addr as SimAddress>::ssm(1), <Ipv4Addr as SimAddress>::asm(1)];
    let world = services(&groups, |_| {});
    assert_eq!((world.pim_messages, world.s_pmsi_joins), (0, 0));
    assert!(!world.lsps.is_empty() && world.lsps.keys().all(|tunnel| matches!(tunnel, PTunnel::MldpP2mp(_))));
    let named: Vec<_> = world.rib.values().flat_map(BTreeMap::values).filter_map(|a| a.pmsi.as_ref()).collect();
    assert!(!named.is_empty() && named.iter().all(|value| matches!(value.tunnel, PTunnel::MldpP2mp(_))));
    assert!(world.pes.iter().all(|pe| pe.watched.is_empty()), "no BFD sessions");
    let asked = services(&groups[..1], |config| config.protocol = CMulticastProtocol::Pim);
    assert!(asked.pim_messages > 0);
}

/// A form of a technology: how PEs send by it, or why there is none.
type Form = Result<TunnelKind, &'static str>;

/// Technologies, and their forms from point to point, from one to many, and from many to many.
fn forms() -> [(&'static str, [Form; 3]); 3] {
    let group = |n: u8| IpAddr::from([239, 9, 9, n]);
    let root = Provider::V4.routers(1)[0];
    [
        ("LDP", [Ok(TunnelKind::IngressReplication), Ok(MLDP), Ok(TunnelKind::MldpMp2mp { root, lsp: 7 })]),
        (
            "RSVP-TE",
            [
                Ok(TunnelKind::IngressReplication),
                Ok(TunnelKind::RsvpTeP2mp),
                Err("RFC 4875 signals trees from one ingress"),
            ],
        ),
        (
            "IP and GRE",
            [Ok(TunnelKind::IngressReplication), Ok(TunnelKind::PimSsm), Ok(TunnelKind::BidirPim(group(5)))],
        ),
    ]
}

/// Each technology in each form that it has: a VPN with three senders is served, and the state in the core is that of the form. Point to point there is
/// none, and a sender makes a copy for each receiver; from one to many a tree for each sender; from many to many one for all.
///
/// Shows: MVPN-TUN-9
#[test]
fn each_technology_in_each_of_its_forms() {
    type A = Ipv4Addr;
    for (technology, forms) in forms() {
        for (n, form) in forms.into_iter().enumerate() {
            let Ok(kind) = form else {
                println!("{technology}: no form {n}: {form:?}");
                continue;
            };
            let groups = "232.100.0.0/24".parse().unwrap();
            let mut world: World<A> = World::new(Provider::V4.routers(4), 3, |_, c| c.p_groups = Some(groups));
            for pe in 0..4 {
                let mut config = mvrf(pe, Some(kind), MLDP);
                config.sites.senders = pe != 3;
                world.add_site(pe, config, false);
            }
            world.run_for(SECOND * 2);
            for from in 0..3 {
                for pe in (0..4).filter(|pe| *pe != from) {
                    world.member((pe, VRF), Some(A::host(from, 1)), A::ssm(1), true);
                }
            }
            world.run_for(SECOND * 3);
            for from in 0..3 {
                let number = world.send((from, VRF), A::host(from, 1), A::ssm(1));
                world.run_for(SECOND);
                let others: Vec<usize> = (0..4).filter(|pe| *pe != from).collect();
                assert_eq!(world.copies(A::host(from, 1), A::ssm(1), number), once(&others), "{technology} {kind:?}");
            }
            // A shared tree is one, whoever sends by it.
            let tree = |tunnel: &PTunnel| match tunnel {
                PTunnel::BidirPim { group, .. } => format!("{group}"),
                other => format!("{other:?}"),
            };
            let rooted = world.lsps.iter().filter(|(_, lsp)| !lsp.roots().is_empty());
            let trees: BTreeSet<String> = rooted.map(|(tunnel, _)| tree(tunnel)).collect();
            assert_eq!(trees.len(), [0, 3, 1][n], "{technology} {kind:?}: {trees:?}");
        }
    }
}

/// What a PE can do, in its own configuration.
type Profile = fn(&mut MvrfConfig);

/// PEs of several makes and ages: which tunnels they build, whether they track receivers, use wildcards, dampen, join a second PE beforehand. What they
/// have in common is RFC 6514 with (C-*,C-*) (RFC 6625 §4.1).
const PROFILES: [Profile; 7] = [
    |_| {},
    |c| c.inclusive = Some(TunnelKind::RsvpTeP2mp),
    |c| c.s_pmsi.always = vec!["224.0.0.0/4".parse().unwrap(), "ff00::/8".parse().unwrap()],
    |c| {
        (c.inclusive, c.selective) = (None, TunnelKind::RsvpTeP2mp);
        c.s_pmsi.fixed = [AddressFamily::V4, AddressFamily::V6].map(SFlow::all).to_vec();
    },
    |c| {
        (c.inclusive, c.selective) = (None, TunnelKind::IngressReplication);
        c.s_pmsi.fixed = [AddressFamily::V4, AddressFamily::V6].map(SFlow::all).to_vec();
    },
    |c| {
        c.s_pmsi.explicit_tracking = true;
        c.s_pmsi.audience = Some(Audience { few: 1, many: 1 });
        c.damping = Some(DampingConfig::default());
    },
    |c| {
        c.selective = TunnelKind::IngressReplication;
        c.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
        c.inter_as = InterAs::None;
    },
];

/// Every pair of profiles in one VPN: each serves the other. Then the second PE is brought to the level of the first, in service: it is served on.
///
/// Shows: MVPN-MIG-4
#[test]
fn profiles_interoperate_pairwise() {
    type A = Ipv4Addr;
    for (first, one) in PROFILES.iter().enumerate() {
        for (second, other) in PROFILES.iter().enumerate() {
            let mut world: World<A> = World::new(Provider::V4.routers(3), 3, |_, _| {});
            let config = |pe: usize, profile: &Profile| {
                let mut config = mvrf(pe, Some(MLDP), MLDP);
                profile(&mut config);
                config
            };
            world.add_site(0, config(0, one), false);
            world.add_site(1, config(1, other), false);
            world.add_site(2, config(2, other), false);
            world.run_for(SECOND * 2);
            let flows: [(usize, &[usize]); 2] = [(0, &[1, 2]), (1, &[0, 2])];
            for (from, to) in flows {
                to.iter().for_each(|pe| world.member((*pe, VRF), Some(A::host(from, 1)), A::ssm(1), true));
            }
            world.run_for(SECOND * 15);
            let check = |world: &mut World<A>| {
                for (from, to) in flows {
                    let number = world.send((from, VRF), A::host(from, 1), A::ssm(1));
                    world.run_for(SECOND);
                    let copies = world.copies(A::host(from, 1), A::ssm(1), number);
                    assert_eq!(copies, once(to), "profiles {first} and {second}, from PE {from}");
                }
            };
            check(&mut world);
            let now = world.now;
            world.pes[2].mvpn.remove_mvrf(now, VRF).unwrap();
            world.drain(2);
            world.pes[2].sites.remove(&VRF);
            world.run_for(SECOND);
            world.add_site(2, config(2, one), false);
            world.refresh(2);
            for pe in [0, 1] {
                world.set_prefix(pe, VRF, A::subnet(pe).into(), true);
            }
            for from in [0, 1] {
                world.member((2, VRF), Some(A::host(from, 1)), A::ssm(1), true);
            }
            world.run_for(SECOND * 15);
            check(&mut world);
        }
    }
}

/// The RP is on a CE, and so is the first-hop router of the source, which sends the Registers: no PE is an RP, sends or takes a Register, or is told of a
/// source by MSDP, and receivers get the source's packets, first by the shared tree, then by the source's (RFC 6514 §13).
fn only_ces_have_an_rp<A: SimAddress>(provider: Provider) {
    let mut world: World<A> = World::new(provider.routers(4), 21, |_, _| {});
    for pe in 0..4 {
        world.add_site(pe, mvrf(pe, Some(MLDP), MLDP), pe == 3);
    }
    let (source, group) = (A::host(77, 1), A::asm(1));
    // Behind a CE of PE 0.
    world.behind_ce = Some(source);
    world.set_prefix(0, VRF, A::subnet(77).into(), true);
    world.run_for(SECOND * 10);
    for pe in [1, 2] {
        world.member((pe, VRF), None, group, true);
    }
    world.run_for(SECOND * 3);
    let mut first_by_rp = 0;
    let mut last = BTreeMap::new();
    for n in 0..40 {
        // The CE's Register, until the RP has the packets themselves.
        let octets = data(source, group, 1_000_000 + n);
        let register = Register { flags: RegisterFlags::empty(), packet: &octets[14..] };
        let (from, dst) = (A::host(77, 9), A::rp());
        let octets = packet(MessageType::REGISTER, 0, from.into(), dst.into(), |out| register.emit(out));
        if n < 3 {
            let at = world.now;
            world.push(at, What::Unicast { to: 3, ce: true, vrf: VRF, from, dst, octets });
            world.run_for(SECOND);
            first_by_rp += world.copies(source, group, 1_000_000 + n).keys().filter(|(pe, _)| *pe != 3).count();
        }
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        last = world.copies(source, group, number);
    }
    last.remove(&(3, VRF));
    assert_eq!(last, once(&[1, 2]), "{provider:?}");
    assert!(first_by_rp >= 2, "the first packet reached both by the shared tree");
    // What the routers of the VPN said to each other, but the CEs' own Registers, is joins and Hellos.
    let is_register = |octets: &[u8], from: A, to: A| {
        let message = Message::parse(octets, from.into(), to.into());
        matches!(message, Ok(Message::Register(_) | Message::RegisterStop(_)))
    };
    assert!(!world.on_lans.iter().any(|(_, from, to, octets)| is_register(octets, *from, *to)));
    assert_eq!(world.registers, 0);
}

/// Shows: MVPN-CORE-7
#[test]
fn no_pe_is_an_rp_or_handles_registers() {
    for provider in Provider::BOTH {
        only_ces_have_an_rp::<Ipv4Addr>(provider);
        only_ces_have_an_rp::<Ipv6Addr>(provider);
    }
}
