//! Two PEs of one VPN in one process: a receiver behind one joins a source behind the other.
//!
//! Each PE is a [`PimRouter`] for the VRF's sites and an [`MvpnPe`] for the backbone. The loop carries values: what PIM says on the PMSI
//! becomes C-multicast state, what that makes the machine say goes to the other PE, and comes out there as a Join of the neighbour on the
//! PMSI. In a router, routes go through BGP, tunnels through LDP, ops to the forwarder, and `now` is the clock.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, VrfId};
use fwd_core::time::Instant;
use mvpn::mvrf::{Input, MvpnConfig, MvpnPe, MvrfConfig, Output, PmsiLink, Umh, UmhRoute};
use mvpn::pim::{self, Membership, MribRoute, PimConfig, PimInterfaceConfig, PimRouter};

const VRF: VrfId = VrfId(1);
const SITE: IfIndex = IfIndex(1);
const PMSI: IfIndex = IfIndex(1001);

struct Pe {
    name: &'static str,
    mvpn: MvpnPe,
    pim: PimRouter<Ipv4Addr>,
    link: PmsiLink<Ipv4Addr>,
}

impl Pe {
    fn new(name: &'static str, n: u8) -> Result<Self, Box<dyn std::error::Error>> {
        let now = Instant::ZERO;
        let mut mvpn = MvpnPe::new(now, MvpnConfig::new([192, 0, 2, n].into(), 65001))?;
        let rd = RouteDistinguisher::two_octet_as(65001, u32::from(n));
        mvpn.add_mvrf(now, MvrfConfig::new(VRF, rd, "65001:1".parse()?, PMSI))?;
        let site = Ipv4Addr::new(10, 0, n, 1);
        let mut pim = PimRouter::new(now, PimConfig::new(VRF, site, 1..=1000))?;
        let subnet = format!("10.0.{n}.0/24").parse()?;
        pim.add_interface(now, PimInterfaceConfig::new(SITE, site, vec![subnet]))?;
        let (address, neighbor) = ([169, 254, 0, 1].into(), Some([169, 254, 0, 2].into()));
        let link = PmsiLink { vrf: VRF, interface: PMSI, address, neighbor };
        pim.add_interface(now, link.config())?;
        pim.handle_input(now, link.input(&link.hello()));
        Ok(Self { name, mvpn, pim, link })
    }

    /// Runs both machines until they have no more to say; what is for the other PE goes into `sent`.
    fn run(&mut self, now: Instant, sent: &mut VecDeque<Input>) {
        loop {
            if let Some(output) = self.pim.poll_output() {
                self.customer(now, output);
            } else if let Some(output) = self.mvpn.poll_output() {
                self.provider(now, output, sent);
            } else {
                return;
            }
        }
    }

    fn customer(&mut self, now: Instant, output: pim::Output<Ipv4Addr>) {
        match output {
            pim::Output::Program(op) => self.mvpn.handle_input(now, Input::Program { vrf: VRF, op }),
            pim::Output::Datagram { interface: Some(PMSI), from, to, octets } => {
                for input in self.link.read(from, to, &octets) {
                    println!("{}: PIM on the PMSI: {input:?}", self.name);
                    self.mvpn.handle_input(now, input);
                }
            }
            pim::Output::Track(address) => {
                let route = match self.mvpn.upstream(VRF, address.into(), address.into()) {
                    Some(Umh::Remote { .. }) => Some(self.link.route(None)),
                    Some(Umh::Local) => Some(MribRoute { interface: SITE, next_hop: None, preference: 0, metric: 0 }),
                    None => None,
                };
                self.pim.handle_input(now, pim::Input::Route { address, route });
            }
            _ => {}
        }
    }

    fn provider(&mut self, now: Instant, output: Output, sent: &mut VecDeque<Input>) {
        match output {
            Output::Advertise { route, attributes } => {
                println!("{}: advertises {:?}", self.name, route.kind);
                sent.push_back(Input::Route { route, attributes: Some(attributes) });
            }
            Output::Withdraw(route) => {
                println!("{}: withdraws {:?}", self.name, route.kind);
                sent.push_back(Input::Route { route, attributes: None });
            }
            Output::Downstream { tree, joined, .. } => {
                println!("{}: the VPN {} {tree:?}", self.name, if joined { "joins" } else { "prunes" });
                let octets = self.link.join_prune(&tree, joined);
                self.pim.handle_input(now, self.link.input(&octets));
            }
            Output::Tree(request) => println!("{}: for LDP: {request:?}", self.name),
            Output::Program(op) => println!("{}: for the forwarder: {op:?}", self.name),
            Output::Event(event) => println!("{}: {event:?}", self.name),
            // The MDT-SAFI, S-PMSI Joins and BFD are not configured.
            other => println!("{}: {other:?}", self.name),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = Instant::ZERO;
    let (mut source, mut receiver) = (Pe::new("PE 1", 1)?, Pe::new("PE 2", 2)?);
    // Unicast: the source's network is local to PE 1, which advertises it to PE 2 with VRF Route Import.
    let prefix = "10.0.1.0/24".parse()?;
    source.mvpn.handle_input(now, Input::Local { vrf: VRF, prefix, reachable: true });
    let route = UmhRoute {
        import: source.mvpn.route_import(VRF),
        source_as: Some(65001),
        next_hop: [192, 0, 2, 1].into(),
        is_installed: true,
    };
    let rd = RouteDistinguisher::two_octet_as(65001, 1);
    receiver.mvpn.handle_input(now, Input::Umh { vrf: VRF, prefix, rd, route: Some(route) });
    // IGMP found a member of (10.0.1.9, 232.1.1.1).
    let (group, host) = (Ipv4Addr::new(232, 1, 1, 1), Ipv4Addr::new(10, 0, 1, 9));
    let membership = Membership::Include;
    receiver.pim.handle_input(now, pim::Input::Membership { interface: SITE, group, source: Some(host), membership });

    let (mut to_source, mut to_receiver) = (VecDeque::new(), VecDeque::new());
    loop {
        source.run(now, &mut to_receiver);
        receiver.run(now, &mut to_source);
        if to_source.is_empty() && to_receiver.is_empty() {
            break;
        }
        to_source.drain(..).for_each(|input| source.mvpn.handle_input(now, input));
        to_receiver.drain(..).for_each(|input| receiver.mvpn.handle_input(now, input));
    }
    let carried = source.mvpn.carried(VRF, host.into(), group.into()).ok_or("no such VRF")?;
    println!("the flow is carried by {:?}", carried.sent_by.ok_or("not carried")?);
    Ok(())
}
