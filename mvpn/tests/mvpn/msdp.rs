//! MSDP and Source Active A-D routes (RFC 9081).

use std::net::{IpAddr, Ipv4Addr};

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use mvpn::msdp::tlv::{SaEntry, Tlv, emit_source_active};
use mvpn::msdp::{self, MsdpConfig, MsdpPeerConfig, MsdpSpeaker};
use mvpn::mvrf::{AsmMode, Input, McastAttributes, McastRoute, MvpnConfig, MvpnPe, MvrfConfig, Output, Target};

use super::VRF;

const NOW: Instant = Instant::ZERO;
const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 7);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const RP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 9);

fn router(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, n)
}

fn rd(n: u8) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, n.into())
}

/// A PE and its MSDP speaker of the VPN, with a session to a router of the customer.
struct Pe {
    mvpn: MvpnPe,
    msdp: MsdpSpeaker,
    peer: Ipv4Addr,
    /// Source-Actives that the customer's router gets: RP, source, group.
    told: Vec<(Ipv4Addr, Ipv4Addr, Ipv4Addr)>,
    /// Routes that the others get.
    routes: Vec<(McastRoute, Option<McastAttributes>)>,
}

impl Pe {
    fn new(n: u8, peer: Ipv4Addr) -> Self {
        let mut mvpn = MvpnPe::new(NOW, MvpnConfig::new(router(n).into(), 65001)).unwrap();
        let mut config = MvrfConfig::new(VRF, rd(n), "65001:1".parse().unwrap(), IfIndex(1000));
        (config.asm, config.msdp) = (AsmMode::SptOnly, true);
        mvpn.add_mvrf(NOW, config).unwrap();
        let local = Ipv4Addr::new(10, n, 255, 1);
        let mut msdp = MsdpSpeaker::new(NOW, MsdpConfig::new(local)).unwrap();
        msdp.add_peer(NOW, MsdpPeerConfig::new(peer, local)).unwrap();
        msdp.handle_input(NOW, msdp::Input::Connected { peer });
        let mut pe = Self { mvpn, msdp, peer, told: Vec::new(), routes: Vec::new() };
        pe.drain();
        pe
    }

    fn drain(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(output) = self.mvpn.poll_output() {
                quiet = false;
                match output {
                    Output::SourceActive {
                        source: IpAddr::V4(source),
                        group: IpAddr::V4(group),
                        rp,
                        is_active,
                        ..
                    } => {
                        self.msdp.handle_input(NOW, msdp::Input::Mesh { source, group, rp, active: is_active });
                    }
                    Output::Advertise { route, attributes } => self.routes.push((route, Some(attributes))),
                    Output::Withdraw(route) => self.routes.push((route, None)),
                    _ => {}
                }
            }
            while let Some(output) = self.msdp.poll_output() {
                quiet = false;
                match output {
                    msdp::Output::SourceActive { source, group, rp, active, .. } => {
                        let (source, group) = (source.into(), group.into());
                        let input = Input::Active { vrf: VRF, source, group, rp: Some(rp), is_active: active };
                        self.mvpn.handle_input(NOW, input);
                    }
                    msdp::Output::Stream { octets, .. } => {
                        if let Ok(Tlv::SourceActive { rp, entries, .. }) = Tlv::parse(&octets) {
                            self.told.extend(entries.iter().map(|e| (rp, e.source, e.group)));
                        }
                    }
                    msdp::Output::Track(rp) => {
                        self.msdp.handle_input(NOW, msdp::Input::Rpf { rp, neighbor: Some(self.peer) });
                    }
                    _ => {}
                }
            }
            if quiet {
                return;
            }
        }
    }
}

/// A Source-Active of the customer's RP behind one PE goes as a Source Active A-D route with the RP's address to another PE, and from there as a
/// Source-Active with that RP to the customer's router. It does not go back.
///
/// Shows: MVPN-RP-4
#[test]
fn source_actives_cross_the_vpn_as_routes() {
    let mut near = Pe::new(1, RP);
    let mut far = Pe::new(2, Ipv4Addr::new(10, 2, 0, 9));
    near.routes.clear();
    far.routes.clear();
    let mut octets = Vec::new();
    emit_source_active(RP, &[SaEntry { group: GROUP, source: SOURCE }], &[], &mut octets);
    near.msdp.handle_input(NOW, msdp::Input::Stream { peer: RP, octets: &octets });
    near.drain();
    let [(route, Some(attributes))] = &near.routes[..] else { panic!("{:?}", near.routes) };
    assert_eq!(*route, McastRoute::source_active(rd(1), SOURCE.into(), GROUP.into()));
    assert_eq!(attributes.rp, Some(RP));
    far.mvpn.handle_input(NOW, Input::Route { route: *route, attributes: Some(attributes.clone()) });
    far.drain();
    assert_eq!(far.told, [(RP, SOURCE, GROUP)]);
    assert!(near.told.is_empty());
    // What came by a route makes no route.
    assert!(far.routes.is_empty(), "{:?}", far.routes);
}

/// RFC 9081 §3: the best route's RP; another's, where the best names none; and none, where none does. When the RP changes the old one is taken back.
#[test]
fn the_rp_is_the_best_routes_or_that_of_one_that_names_it() {
    let mut pe = Pe::new(1, RP);
    let target: Target = "65001:1".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into();
    let mut say = |n: u8, rp: Option<Option<Ipv4Addr>>| {
        let route = McastRoute::source_active(rd(n), SOURCE.into(), GROUP.into());
        let attributes = rp.map(|rp| {
            let mut attributes = McastAttributes::new(router(n).into(), vec![target]);
            attributes.rp = rp;
            attributes
        });
        pe.mvpn.handle_input(NOW, Input::Route { route, attributes });
        let said = std::iter::from_fn(|| pe.mvpn.poll_output()).filter_map(|output| match output {
            Output::SourceActive { rp, is_active, .. } => Some((rp, is_active)),
            _ => None,
        });
        said.collect::<Vec<_>>()
    };
    let [one, two] = [1, 2].map(|n| Some(Ipv4Addr::new(10, 9, 0, n)));
    assert_eq!(say(2, Some(None)), [(None, true)], "a PE that cannot name it");
    assert_eq!(say(3, Some(one)), [(None, false), (one, true)]);
    // A better route without: the other's stays.
    assert_eq!(say(4, Some(None)), []);
    assert_eq!(say(4, Some(two)), [(one, false), (two, true)]);
    assert_eq!(say(4, None), [(two, false), (one, true)]);
    assert_eq!((say(3, None), say(2, None)), (vec![(one, false), (None, true)], vec![(None, false)]));
}
