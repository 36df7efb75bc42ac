//! The customers' bootstrap mechanism across the VPN (RFC 6513 §5.3.4): a CE is BSR and RP, and CEs of other sites hear of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::wire::Ipv4;
use mvpn::mvrf::{AdRoute, McastKind, PTunnel, TunnelKind, Umh};
use mvpn::pim::bsr::{
    BsrConfig, BsrInterfaceConfig, BsrRouter, CandidateBsr, CandidateRpConfig, Input, Output, Zone, ZoneAddress,
};
use mvpn::pim::rp_set::RpMode;
use mvpn::pim::wire::Message;

use super::node::{CORE, SimAddress, mac, pmsi, site};
use super::world::{What, World};
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
const PES: usize = 4;

/// A router with the mechanism: the PE's VRF, or its CE.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Pe(usize),
    Ce(usize),
}

struct Domain<A: SimAddress + ZoneAddress> {
    world: World<A>,
    pes: Vec<BsrRouter<A>>,
    ces: Vec<BsrRouter<A>>,
    /// RPs that each CE was told of.
    rps: Vec<Vec<A>>,
    /// Messages over the PMSI that were not taken, by PE.
    refused: [u32; PES],
    /// Messages over the PMSI that were.
    taken: [u32; PES],
}

/// The BSR, behind the first PE.
fn bsr<A: SimAddress>() -> A {
    A::host(0, 9)
}

fn router<A: SimAddress + ZoneAddress>(seed: usize, interfaces: &[(IfIndex, A)]) -> BsrRouter<A> {
    let config = BsrConfig { seed: seed as u64, ..BsrConfig::default() };
    let mut router = BsrRouter::new(fwd_core::time::Instant::ZERO, config).unwrap();
    for (interface, address) in interfaces {
        let config = BsrInterfaceConfig { interface: *interface, address: *address, mtu: 1500, borders: Vec::new() };
        router.add_interface(fwd_core::time::Instant::ZERO, config).unwrap();
    }
    router
}

impl<A: SimAddress + ZoneAddress> Domain<A> {
    fn new(provider: Provider, inclusive: Option<TunnelKind>) -> Self {
        let mut world: World<A> = World::new(provider.routers(PES), 5, |_, _| {});
        for pe in 0..PES {
            let mut config = mvrf(pe, inclusive, TunnelKind::MldpP2mp);
            config.bootstrap = true;
            world.add_site(pe, config, false);
        }
        world.run_for(SECOND * 10);
        let link = |world: &World<A>, pe: usize| world.pes[pe].sites[&VRF].link;
        let of_pe = |pe: usize| router(pe, &[(site(VRF), A::site(pe, 1)), (pmsi(VRF), link(&world, pe).address)]);
        let pes: Vec<BsrRouter<A>> = (0..PES).map(of_pe).collect();
        let ces = (0..PES).map(|pe| router(100 + pe, &[(IfIndex(1), A::site(pe, 9))])).collect();
        let (rps, refused, taken) = (vec![Vec::new(); PES], [0; PES], [0; PES]);
        let mut domain = Self { world, pes, ces, rps, refused, taken };
        for pe in 0..PES {
            let beyond = link(&domain.world, pe).neighbor.unwrap();
            domain.neighbor(At::Pe(pe), pmsi(VRF), beyond);
            domain.neighbor(At::Pe(pe), site(VRF), A::site(pe, 9));
            domain.neighbor(At::Ce(pe), IfIndex(1), A::site(pe, 1));
        }
        domain
    }

    fn machine(&mut self, at: At) -> &mut BsrRouter<A> {
        match at {
            At::Pe(n) => &mut self.pes[n],
            At::Ce(n) => &mut self.ces[n],
        }
    }

    fn input(&mut self, at: At, input: Input<'_, A>) {
        let now = self.world.now;
        self.machine(at).handle_input(now, input);
        while let Some(output) = self.machine(at).poll_output() {
            self.output(at, output);
        }
    }

    fn neighbor(&mut self, at: At, interface: IfIndex, neighbor: A) {
        self.input(at, Input::Neighbor { interface, neighbor, present: true, prime: false });
    }

    fn output(&mut self, at: At, output: Output<A>) {
        match (at, output) {
            (At::Pe(pe), Output::Datagram { interface: Some(interface), octets, .. }) if interface == pmsi(VRF) => {
                let mvpn = &self.world.pes[pe].mvpn;
                if let Some(octets) = mvpn.bootstrap_to_send(&self.world.pes[pe].sites[&VRF].link, &octets) {
                    self.send(pe, &octets);
                }
            }
            (_, Output::Datagram { interface: Some(_), from, to, octets }) => {
                let (other, interface) = match at {
                    At::Pe(pe) => (At::Ce(pe), IfIndex(1)),
                    At::Ce(pe) => (At::Pe(pe), site(VRF)),
                };
                self.input(other, Input::Datagram { interface, from, to, octets: &octets });
            }
            (_, Output::Track(address)) => {
                let neighbor = self.rpf_neighbor(at, address);
                self.input(at, Input::Rpf { address, neighbor });
            }
            (At::Ce(ce), Output::Mapping { candidates, .. }) => {
                self.rps[ce] = candidates.into_iter().map(|c| c.address).collect();
            }
            _ => {}
        }
    }

    fn rpf_neighbor(&self, at: At, address: A) -> Option<A> {
        match at {
            At::Ce(ce) => Some(A::site(ce, 1)),
            At::Pe(pe) => {
                let of = &self.world.pes[pe];
                match of.mvpn.upstream(VRF, address.into(), A::ALL_PIM_ROUTERS.into())? {
                    Umh::Local => Some(A::site(pe, 9)),
                    Umh::Remote { .. } => of.sites[&VRF].link.route(None).next_hop,
                }
            }
        }
    }

    /// The tunnel that carries a PE's messages.
    fn tunnel(&self, pe: usize) -> PTunnel {
        self.world.pes[pe].mvpn.bootstrap_tunnel(VRF).unwrap().1.clone()
    }

    /// A message of a PE goes into its tunnel, as a packet of the customers.
    fn send(&mut self, pe: usize, octets: &[u8]) {
        let packet = packet(self.world.routers[pe], A::ALL_PIM_ROUTERS.into(), octets);
        let leaves = self.world.lsps[&self.tunnel(pe)].leaves.clone();
        for (to, label) in leaves {
            let entry = label.value() << 12 | 1 << 8 | 64;
            let front = [&mac(to).0[..], &[2, 0, 0, 0, 9, 9, 0x88, 0x47], &entry.to_be_bytes()].concat();
            let octets = [front, packet.clone()].concat();
            self.world.push(self.world.now + Duration::from_millis(5), What::Frame { to, octets });
        }
    }

    fn run_for(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.world.run_for(SECOND);
            let now = self.world.now;
            for ((pe, vrf), packet) in std::mem::take(&mut self.world.control) {
                assert_eq!(vrf, VRF);
                let (from, octets) = unpack::<A>(&packet);
                let link = self.world.pes[pe].sites[&VRF].link;
                match self.world.pes[pe].mvpn.bootstrap_received(&link, from, &octets) {
                    Some(octets) => {
                        self.taken[pe] += 1;
                        let (interface, from) = (pmsi(VRF), link.neighbor.unwrap());
                        let to = A::ALL_PIM_ROUTERS;
                        self.input(At::Pe(pe), Input::Datagram { interface, from, to, octets: &octets });
                    }
                    None => self.refused[pe] += 1,
                }
            }
            for at in (0..PES).map(At::Pe).chain((0..PES).map(At::Ce)) {
                if self.machine(at).next_timeout().is_some_and(|due| due <= now) {
                    self.machine(at).handle_timeout(now);
                }
                while let Some(output) = self.machine(at).poll_output() {
                    self.output(at, output);
                }
            }
        }
    }
}

/// An IP packet of PIM.
fn packet(from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap();
    let mut octets = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let [high, low] = (len + 20).to_be_bytes();
            let mut ip = vec![0x45, 0xc0, high, low, 0, 1, 0, 0, 1, 103, 0, 0];
            ip.extend([from.octets(), to.octets()].concat());
            Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
            ip
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let [high, low] = len.to_be_bytes();
            let mut ip = vec![0x6c, 0, 0, 0, high, low, 103, 1];
            ip.extend([from.octets(), to.octets()].concat());
            ip
        }
        _ => panic!("one family"),
    };
    octets.extend_from_slice(payload);
    octets
}

/// Source and payload of such a packet.
fn unpack<A: SimAddress>(packet: &[u8]) -> (A, Vec<u8>) {
    let (source, header) = if A::LEN == 4 { (12, 20) } else { (8, 40) };
    (A::split(&packet[source..]).unwrap().0, packet[header..].to_vec())
}

fn crosses<A: SimAddress + ZoneAddress>(provider: Provider, inclusive: Option<TunnelKind>) {
    let has_i_pmsi = inclusive.is_some();
    let mut domain = Domain::<A>::new(provider, inclusive);
    // Without an I-PMSI there is an S-PMSI for (PE, ALL-PIM-ROUTERS), and every other PE is a leaf of it though nobody joined a thing.
    let is_s_pmsi = |kind: &McastKind| matches!(kind, McastKind::Ad(AdRoute::SPmsi { .. }));
    let s_pmsis = domain.world.pes[0].mvpn.originated().filter(|(route, _)| is_s_pmsi(&route.kind)).count();
    assert_eq!(s_pmsis, usize::from(!has_i_pmsi));
    assert_eq!(domain.world.lsps[&domain.tunnel(0)].leaves.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    let now = domain.world.now;
    let candidate = CandidateBsr { address: bsr::<A>(), priority: 64, hash_mask_len: 30 };
    let rp = CandidateRpConfig { address: bsr::<A>(), priority: 192, ranges: vec![(A::ALL_GROUPS, RpMode::Sparse)] };
    domain.ces[0].set_candidate_bsr(now, Zone::Global, Some(candidate)).unwrap();
    domain.ces[0].set_candidate_rp(now, Some(rp)).unwrap();
    domain.run_for(300);
    for n in 0..PES {
        assert_eq!(domain.ces[n].bsr(Zone::Global), Some(bsr::<A>()), "CE {n}, I-PMSI {has_i_pmsi}");
        assert_eq!(domain.pes[n].bsr(Zone::Global), Some(bsr::<A>()), "PE {n}, I-PMSI {has_i_pmsi}");
        assert_eq!(domain.rps[n], [bsr::<A>()], "CE {n}, I-PMSI {has_i_pmsi}");
    }
    // No PE sent what it heard from another PE back into the VPN.
    assert_eq!((domain.refused, domain.taken[0]), ([0; PES], 0));
    assert!(domain.taken[1..].iter().all(|n| *n >= 3), "{:?}", domain.taken);
    // The same BSR by another PE than the one that is upstream of it is not believed.
    let forged = forged(&domain.world, 2);
    domain.send(2, &forged);
    domain.run_for(2);
    assert_eq!(domain.refused, [1, 1, 0, 1]);
    assert!(domain.rps.iter().all(|rps| *rps == [bsr::<A>()]));
}

/// A message of the BSR as if its CE were behind this PE.
fn forged<A: SimAddress>(world: &World<A>, pe: usize) -> Vec<u8> {
    let message = mvpn::pim::wire::Bootstrap {
        no_forward: false,
        fragment_tag: 7,
        hash_mask_len: 30,
        priority: 255,
        bsr: bsr::<A>().into(),
        groups: Vec::new(),
    };
    Message::Bootstrap(message).to_packet(world.routers[pe], A::ALL_PIM_ROUTERS.into())
}

/// Bootstrap messages of a BSR at a CE reach the CEs of all sites, over the I-PMSI, or over an S-PMSI that each PE has for them: its tunnel, its
/// labels, its forwarder. Each PE takes them from the PE that is upstream of the BSR alone.
///
/// Shows: MVPN-RP-3
#[test]
fn bootstrap_messages_cross_the_vpn() {
    for inclusive in [Some(TunnelKind::MldpP2mp), None] {
        crosses::<Ipv4Addr>(Provider::V4, inclusive);
        crosses::<Ipv6Addr>(Provider::V6, inclusive);
    }
}

/// What comes by a core interface without a label is no message of the VPN.
#[test]
fn only_tunnels_carry_them() {
    let mut domain = Domain::<Ipv4Addr>::new(Provider::V4, Some(TunnelKind::MldpP2mp));
    let packet = packet(domain.world.routers[1], IpAddr::from([224, 0, 0, 13]), &forged(&domain.world, 1));
    let octets = [&[1, 0, 0x5e, 0, 0, 13, 2, 0, 0, 0, 9, 9, 8, 0][..], &packet].concat();
    domain.world.frame(0, CORE, &octets);
    assert!(domain.world.control.iter().all(|((_, vrf), _)| *vrf != VRF));
}
