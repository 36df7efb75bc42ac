//! The provider side at scale: SC-2, SC-4, SC-7 and SC-14 of the catalogue, each at a tenth of the figure and at the figure. Prints time and
//! octets for each route, which are to stay what they are when the number grows ten-fold.
#![allow(missing_docs)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant as Clock};

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::CMulticast;
use fwd_core::net::{IfIndex, VrfId};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    CTree, DampingConfig, Input, McastAttributes, McastKind, McastRoute, MldpLsp, MvpnConfig, MvpnPe, MvrfConfig,
    Output, PTunnel, PmsiTunnelValue, Target, UmhRoute,
};
use mvpn::pim::wire::AddressFamily;

const NOW: Instant = Instant::ZERO;
const V4: AddressFamily = AddressFamily::V4;

fn router(n: u32) -> IpAddr {
    Ipv4Addr::from_bits((192 << 24) + n).into()
}

fn rd(vpn: u32, pe: u32) -> RouteDistinguisher {
    RouteDistinguisher::four_octet_as(vpn, u16::try_from(pe).unwrap())
}

/// A PE with so many MVRFs.
fn pe(vrfs: u32, tune: impl Fn(&mut MvrfConfig)) -> MvpnPe {
    let mut config = MvpnConfig::new(router(1), 65001);
    config.tunnels = 1..=2_000_000;
    let mut pe = MvpnPe::new(NOW, config).unwrap();
    for vpn in 1..=vrfs {
        let vrf = VrfId(u16::try_from(vpn).unwrap());
        let mut config = MvrfConfig::new(vrf, rd(vpn, 1), RouteTarget::two_octet_as(1, vpn), IfIndex(100_000 + vpn));
        config.families = vec![V4];
        tune(&mut config);
        pe.add_mvrf(NOW, config).unwrap();
    }
    drain(&mut pe);
    pe
}

fn drain(pe: &mut MvpnPe) -> u64 {
    std::iter::from_fn(|| pe.poll_output())
        .filter(|o| matches!(o, Output::Advertise { .. } | Output::Withdraw(_)))
        .count() as u64
}

fn say(what: &str, n: u32, time: Duration, octets: i64) {
    println!(
        "{what}: {n}, {:.2} µs and {} octets each",
        time.as_secs_f64() * 1e6 / f64::from(n),
        octets / i64::from(n)
    );
}

/// Measures an operation done `n` times on a machine that stays.
fn measured(what: &str, n: u32, pe: &mut MvpnPe, mut each: impl FnMut(&mut MvpnPe, u32)) {
    let clock = Clock::now();
    let held = allocation_counter::measure(|| {
        for i in 0..n {
            each(pe, i);
            drain(pe);
        }
    });
    say(what, n, clock.elapsed(), held.bytes_current);
}

/// SC-2: 500 MVRFs with 100 PEs each: 50,000 type 1 routes.
fn i_pmsi(vrfs: u32, pes: u32) {
    let mut machine = pe(vrfs, |_| {});
    measured("type 1 routes (SC-2)", vrfs * pes, &mut machine, |machine, i| {
        let (vpn, n) = (1 + i % vrfs, 2 + i / vrfs);
        let route = McastRoute::i_pmsi(V4, rd(vpn, n), router(n));
        let mut attributes = McastAttributes::new(router(n), vec![RouteTarget::two_octet_as(1, vpn).into()]);
        attributes.pmsi = Some(PmsiTunnelValue::new(PTunnel::MldpP2mp(MldpLsp::generic(router(n), vpn))));
        machine.handle_input(NOW, Input::Route { route, attributes: Some(attributes) });
    });
}

fn group(i: u32) -> IpAddr {
    Ipv4Addr::from_bits((232 << 24) + 256 + i).into()
}

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

/// SC-4: joins at the upstream PE.
fn joins(streams: u32) {
    let mut machine = pe(1, |c| c.limits.joins = 1_000_000);
    machine.handle_input(NOW, Input::Local { vrf: VrfId(1), prefix: "10.0.0.0/8".parse().unwrap(), reachable: true });
    let import = machine.route_import(VrfId(1)).unwrap().c_multicast_import();
    measured("type 7 routes at the upstream PE (SC-4)", streams, &mut machine, |machine, i| {
        let join = CMulticast { rd: rd(1, 1), source_as: 65001, source: SOURCE, group: group(i) };
        let route = McastRoute { family: V4, kind: McastKind::SourceTreeJoin(join) };
        let attributes = Some(McastAttributes::new(router(2), vec![Target::of(import)]));
        machine.handle_input(NOW, Input::Route { route, attributes });
    });
}

/// A PE that knows a source behind another.
fn leaf(tune: impl Fn(&mut MvrfConfig)) -> MvpnPe {
    let mut machine = pe(1, tune);
    let import = Some(VrfRouteImport { address: router(2), local: 1 });
    let route = Some(UmhRoute { import, source_as: None, next_hop: router(2), is_installed: true });
    let prefix = "10.0.0.0/8".parse().unwrap();
    machine.handle_input(NOW, Input::Umh { vrf: VrfId(1), prefix, rd: rd(1, 2), route });
    machine
}

fn join(machine: &mut MvpnPe, now: Instant, i: u32, joined: bool) {
    let tree = CTree::Source { group: group(i), source: SOURCE };
    machine.handle_input(now, Input::Tree { vrf: VrfId(1), tree, joined });
}

/// SC-7: trees joined at a leaf PE.
fn trees(streams: u32) {
    let mut machine = leaf(|c| c.limits.trees = 1_000_000);
    measured("trees joined at a leaf PE (SC-7)", streams, &mut machine, |machine, i| join(machine, NOW, i, true));
}

/// SC-14: joins and leaves in a second, of 100 streams among so many, with and without damping.
fn churn(streams: u32, damping: Option<DampingConfig>) {
    const SECONDS: u32 = 30;
    const CHANGES: u32 = 10_000;
    let mut machine = leaf(|c| (c.limits.trees, c.damping) = (1_000_000, damping));
    (0..streams).for_each(|i| join(&mut machine, NOW, i, true));
    drain(&mut machine);
    let (clock, mut routes) = (Clock::now(), 0);
    for tick in 0..SECONDS * 100 {
        let now = Instant::from_micros(u64::from(tick) * 10_000);
        machine.handle_timeout(now);
        for i in 0..CHANGES / 100 {
            join(&mut machine, now, i, tick % 2 == 1);
            routes += drain(&mut machine);
        }
    }
    let changes = f64::from(SECONDS * CHANGES);
    println!(
        "joins and leaves among {streams} trees (SC-14), damping {}: {:.2} µs each; {:.0} routes a second of {CHANGES} changes",
        if damping.is_some() { "on" } else { "off" },
        clock.elapsed().as_secs_f64() * 1e6 / changes,
        routes as f64 / f64::from(SECONDS),
    );
}

fn main() {
    i_pmsi(50, 100);
    i_pmsi(500, 100);
    i_pmsi(500, 1000);
    for n in [1_000, 10_000, 100_000] {
        joins(n);
        trees(n);
    }
    for damping in [None, Some(DampingConfig::default())] {
        churn(1_000, damping);
        churn(10_000, damping);
    }
}
