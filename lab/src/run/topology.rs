//! The network of `lab run`: one AS, three PEs, two P routers, one route reflector, two customers with equal addresses.
//!
//! ```text
//!  CE-A1 CE-B1          CE-A2 CE-B2
//!      \ /                  \ /
//!      PE1 --- P1 --- P2 --- PE2
//!              |       |
//!              RR     PE3 --- CE-A3, CE-B3
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use bgp_vpn::nlri::{Family, RouteDistinguisher};
use bgp_vpn::session::{LocalIdentity, PeerConfig, PeerRole};
use bgp_vpn::speaker::{Circuit, Input, LocalRoute, SpeakerConfig};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use bumpalo::Bump;
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, Label, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, RouteAction};
use fwd_core::table::Sizes;

use crate::sim::ce::{Announced, Ce, RouteGroup};
use crate::sim::core::{Core, Loopbacks, set_route};
use crate::sim::link::LinkConfig;
use crate::sim::network::Transport;
use crate::sim::node::{LinkId, NodeId};
use crate::sim::provider::{Provider, RouterId, Site};
use crate::sim::rng::mix;
use crate::sim::router::{Machine, Router};
use crate::table::FullTable;

/// The provider's AS.
pub const ASN: u32 = 65_000;
/// PEs, and sites of each customer.
pub const SITES: usize = 3;
/// Customers' names; their VRFs count from 1 in this order.
pub const CUSTOMERS: [&str; 2] = ["A", "B"];

/// What is variable about the network.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Seed of everything random.
    pub seed: u64,
    /// Links between core routers.
    pub core: LinkConfig,
    /// How PEs label routes.
    pub label_mode: LabelMode,
    /// How sessions travel.
    pub transport: Transport,
    /// The core speaks IPv6 alone: IPv6 loopbacks, sessions between them, and IPv6 next hops in both VPN families (RFC 8950).
    pub ipv6_core: bool,
    /// PEs and reflector offer the extended next hop capability, where the core is IPv6.
    pub extended_next_hop: bool,
    /// The table that CE-A1 announces beside its site.
    pub table: FullTable,
}

/// The network.
pub struct Topology<'m> {
    /// Machines and links.
    pub provider: Provider<'m, Machine>,
    /// The PEs, by site.
    pub pes: [RouterId; SITES],
    /// P1 and P2.
    pub ps: [RouterId; 2],
    /// The route reflector.
    pub reflector: RouterId,
    /// Attachment circuits by customer and site.
    pub sites: [[Site; SITES]; 2],
    /// The links of the core, with a name for each.
    pub core_links: Vec<(String, LinkId)>,
    /// The family of the core's loopbacks, as [`Core::binding`] counts.
    pub core_family: usize,
    /// Routes that each VRF of the customer must have: IPv4, IPv6.
    pub expected: [(usize, usize); 2],
}

/// The VRF of a customer.
#[must_use]
pub fn vrf_of(customer: usize) -> VrfId {
    VrfId(customer as u16 + 1)
}

/// An address inside a site: the same for both customers.
#[must_use]
pub fn host(site: usize, v6: bool, n: u16) -> IpAddr {
    let [high, low] = n.to_be_bytes();
    if v6 {
        IpAddr::V6(Ipv6Addr::new(0xfd00, site as u16 + 1, 0, 0, 0, 0, 0, n))
    } else {
        IpAddr::V4(Ipv4Addr::new(10, site as u8 + 1, high, low))
    }
}

/// The addresses of a PE and a CE on the circuit between them: the same for both customers.
fn circuit_addresses(site: usize, v6: bool) -> (IpAddr, IpAddr) {
    let n = site as u16 + 1;
    if v6 {
        let address = |end| IpAddr::V6(Ipv6Addr::new(0xfd00, 0xffff, n, 0, 0, 0, 0, end));
        (address(1), address(2))
    } else {
        let address = |end| IpAddr::V4(Ipv4Addr::new(10, 255, n as u8, end));
        (address(1), address(2))
    }
}

/// The AS of a customer's site.
fn site_as(customer: usize, site: usize) -> u32 {
    65_100 + 100 * customer as u32 + site as u32 + 1
}

/// The loopback of a core router.
fn loopback(n: u8, ipv6_core: bool) -> IpAddr {
    if ipv6_core {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into()))
    } else {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
    }
}

fn loopbacks(n: u8, ipv6_core: bool) -> Loopbacks {
    match loopback(n, ipv6_core) {
        IpAddr::V4(address) => Loopbacks { v4: Some(address), v6: None },
        IpAddr::V6(address) => Loopbacks { v4: None, v6: Some(address) },
    }
}

/// Builds the network; its machines are about to start.
///
/// # Errors
/// A configuration that a machine refuses.
pub fn build<'m>(arena: &'m Bump, plan: &Plan) -> Result<Topology<'m>> {
    let mut provider = Provider::new(arena, plan.seed, plan.transport);
    let extra = 4096;
    let (routes4, routes6) = (plan.table.v4.len() + extra, plan.table.v6.len() + extra);
    // With a label for each prefix PEs hand out as many labels as routes, and need an entry for each.
    let per_prefix = if plan.label_mode == LabelMode::PerPrefix { routes4 + routes6 } else { 0 };
    let labels = 10_000 + per_prefix;
    let p_sizes = Sizes { interfaces: 8, vrfs: 1, nhlfes: 64, labels: 12_000, routes4: 64, routes6: 16, ..Sizes::NONE };
    let pe_sizes = Sizes {
        interfaces: 16,
        vrfs: 4,
        nhlfes: 10_000 + per_prefix,
        labels: Core::FIRST_FREE_LABEL as usize + labels,
        routes4,
        routes6,
        direct4: 1,
        direct6: 1,
        ..Sizes::NONE
    };
    let speaker = |n: u8| -> Result<Machine> {
        let first = Core::FIRST_FREE_LABEL + u32::from(n) * 1000;
        let last = Core::FIRST_FREE_LABEL + labels as u32 - 1;
        let config = SpeakerConfig {
            local: LocalIdentity { asn: ASN, router_id: Ipv4Addr::new(192, 0, 2, n) },
            cluster_id: None,
            labels: (Label::from_low_bits(first), Label::from_low_bits(last)),
            nhlfes: (Core::FIRST_FREE_NHLFE, NhlfeId(pe_sizes.nhlfes as u32 - 1)),
            seed: plan.seed ^ u64::from(n),
        };
        Ok(Machine::Router(Box::new(Router::new(fwd_core::time::Instant::ZERO, config)?)))
    };
    let mut pes = [RouterId(0); SITES];
    for (site, pe) in pes.iter_mut().enumerate() {
        let n = site as u8 + 1;
        *pe = provider.add_router(&format!("PE{n}"), &pe_sizes, loopbacks(n, plan.ipv6_core), speaker(n)?);
    }
    let ps = [1u8, 2]
        .map(|n| provider.add_router(&format!("P{n}"), &p_sizes, loopbacks(10 + n, plan.ipv6_core), Machine::Label));
    let reflector = provider.add_router("RR", &p_sizes, loopbacks(9, plan.ipv6_core), speaker(9)?);
    let [pe1, pe2, pe3] = pes;
    let [p1, p2] = ps;
    let links =
        [("PE1-P1", pe1, p1), ("P1-P2", p1, p2), ("PE2-P2", pe2, p2), ("PE3-P2", pe3, p2), ("RR-P1", reflector, p1)];
    let core_links =
        links.into_iter().map(|(name, a, b)| (name.to_owned(), provider.add_core_link(a, b, 10, plan.core))).collect();
    peer_with_reflector(&mut provider, &pes, reflector, plan)?;
    let sites = attach_customers(&mut provider, &pes, plan)?;
    provider.converge();
    let connected = 2 * SITES;
    let own = SITES + connected;
    let expected = [(plan.table.v4.len() + own, plan.table.v6.len() + own), (own, own)];
    let core_family = usize::from(plan.ipv6_core);
    Ok(Topology { provider, pes, ps, reflector, sites, core_links, core_family, expected })
}

fn peer_with_reflector(
    provider: &mut Provider<'_, Machine>,
    pes: &[RouterId],
    reflector: RouterId,
    plan: &Plan,
) -> Result<()> {
    let address = |n: u8| loopback(n, plan.ipv6_core);
    let offer = |mut config: PeerConfig| {
        let ipv4 = config.families.iter_mut().filter(|f| f.family == Family::VPN_IPV4);
        ipv4.for_each(|f| f.extended_next_hop = plan.ipv6_core && plan.extended_next_hop);
        config
    };
    let families = [Family::VPN_IPV4, Family::VPN_IPV6];
    for (site, pe) in pes.iter().enumerate() {
        let n = site as u8 + 1;
        let mut client = PeerConfig::new(address(n), address(9), ASN, &families);
        client.role = PeerRole::ReflectorClient;
        client.passive = true;
        add_peer(provider, reflector, offer(client))?;
        add_peer(provider, *pe, offer(PeerConfig::new(address(9), address(n), ASN, &families)))?;
    }
    Ok(())
}

fn add_peer(provider: &mut Provider<'_, Machine>, router: RouterId, config: PeerConfig) -> Result<()> {
    let node = provider.node_of(router);
    let now = provider.net.now();
    let machine = provider.net.node_mut(node);
    let router = machine.control.router_mut().context("no speaker")?;
    router.add_peer(now, &mut machine.host.tcp, config)?;
    Ok(())
}

fn attach_customers(
    provider: &mut Provider<'_, Machine>,
    pes: &[RouterId; SITES],
    plan: &Plan,
) -> Result<[[Site; SITES]; 2]> {
    let mut all = Vec::new();
    for (customer, name) in CUSTOMERS.into_iter().enumerate() {
        for (site, pe) in pes.iter().enumerate() {
            let now = provider.net.now();
            let node = provider.node_of(*pe);
            let vrf = vrf_of(customer);
            let rd = RouteDistinguisher::ipv4(Ipv4Addr::new(192, 0, 2, site as u8 + 1), customer as u16 + 1);
            let mut config = VrfConfig::new(vrf, name, rd, format!("{ASN}:{}", customer + 1).parse()?);
            config.label_mode = plan.label_mode;
            let router = provider.net.node_mut(node).control.router_mut().context("no speaker")?;
            router.speaker.add_vrf(now, config)?;
            all.push(attach(provider, *pe, customer, site, plan)?);
        }
    }
    let [a1, a2, a3, b1, b2, b3] = all[..] else { anyhow::bail!("{} sites", all.len()) };
    Ok([[a1, a2, a3], [b1, b2, b3]])
}

fn attach(
    provider: &mut Provider<'_, Machine>,
    pe: RouterId,
    customer: usize,
    site: usize,
    plan: &Plan,
) -> Result<Site> {
    let asn = site_as(customer, site);
    let identity = LocalIdentity { asn, router_id: Ipv4Addr::new(10, 255, site as u8 + 1, 2) };
    let name = format!("CE-{}{}", CUSTOMERS[customer], site + 1);
    let sizes = Sizes { interfaces: 4, vrfs: 1, nhlfes: 600, labels: 0, routes4: 16, routes6: 16, ..Sizes::NONE };
    let ce = provider.add_customer(&name, &sizes, Machine::Ce(Box::new(Ce::new(identity))));
    let vrf = vrf_of(customer);
    let config = LinkConfig { delay: Duration::from_micros(200), mtu: 1500, ..LinkConfig::default() };
    let circuit = provider.attach(pe, vrf, ce, config);
    let now = provider.net.now();
    let is_internet = customer == 0 && site == 0;
    for v6 in [false, true] {
        let (pe_address, ce_address) = circuit_addresses(site, v6);
        provider.own_circuit(&circuit, pe_address, ce_address);
        provider.apply(ce, &set_route(ce_address, RouteAction::Local));
        local_routes(provider, &circuit, site, v6, is_internet);
        let announced = announced(site, v6, is_internet.then_some(&plan.table));
        let machine = provider.net.node_mut(ce);
        let ce_control = machine.control.ce_mut().context("no CE")?;
        let ends = (ce_address, pe_address);
        let family = announced.family();
        ce_control.add_session(now, &mut machine.host.tcp, ends, ASN, announced)?;
        let machine = provider.net.node_mut(circuit.pe);
        let router = machine.control.router_mut().context("no speaker")?;
        let iface = circuit.pe_iface;
        let attached = Circuit { vrf, address: ce_address, nhlfe: circuit.to_ce };
        let inputs = [
            Input::Circuit { iface, circuit: Some(attached) },
            Input::Local { vrf, prefix: host_prefix(pe_address), route: Some(LocalRoute::Local) },
            Input::Local { vrf, prefix: host_prefix(ce_address), route: Some(LocalRoute::Via(iface)) },
        ];
        inputs.into_iter().for_each(|input| router.speaker.handle_input(now, input));
        let mut peer = PeerConfig::new(ce_address, pe_address, asn, &[family]);
        peer.vrf = vrf;
        peer.passive = true;
        router.add_peer(now, &mut machine.host.tcp, peer)?;
    }
    provider.net.wake(ce);
    Ok(circuit)
}

fn host_prefix(address: IpAddr) -> IpPrefix {
    match address {
        IpAddr::V4(a) => IpPrefix::V4(Ipv4Prefix::host(a)),
        IpAddr::V6(a) => IpPrefix::V6(Ipv6Prefix::host(a)),
    }
}

/// What the CE itself takes: its site; and, behind the one with the full table, everything that is not the customer's.
fn local_routes(provider: &mut Provider<'_, Machine>, circuit: &Site, site: usize, v6: bool, is_internet: bool) {
    let (vrf, to_pe) = (VrfId::GLOBAL, RouteAction::Forward(circuit.to_pe));
    let mut routes = vec![(site_prefix(site, v6), RouteAction::Local)];
    if is_internet {
        routes.push((customer_range(v6), to_pe));
        let everything = if v6 { IpPrefix::V6(Ipv6Prefix::DEFAULT) } else { IpPrefix::V4(Ipv4Prefix::DEFAULT) };
        routes.push((everything, RouteAction::Local));
    }
    for (prefix, action) in routes {
        let op = match prefix {
            IpPrefix::V4(prefix) => FwdOp::SetRoute4 { vrf, prefix, action },
            IpPrefix::V6(prefix) => FwdOp::SetRoute6 { vrf, prefix, action },
        };
        provider.apply(circuit.ce, &op);
    }
}

fn site_prefix(site: usize, v6: bool) -> IpPrefix {
    match host(site, v6, 0) {
        IpAddr::V4(a) => Ipv4Prefix::new(a, 16).map_or(IpPrefix::V4(Ipv4Prefix::DEFAULT), IpPrefix::V4),
        IpAddr::V6(a) => Ipv6Prefix::new(a, 32).map_or(IpPrefix::V6(Ipv6Prefix::DEFAULT), IpPrefix::V6),
    }
}

fn customer_range(v6: bool) -> IpPrefix {
    match host(0, v6, 0) {
        IpAddr::V4(a) => Ipv4Prefix::new(a, 8).map_or(IpPrefix::V4(Ipv4Prefix::DEFAULT), IpPrefix::V4),
        IpAddr::V6(a) => Ipv6Prefix::new(a, 8).map_or(IpPrefix::V6(Ipv6Prefix::DEFAULT), IpPrefix::V6),
    }
}

fn announced(site: usize, v6: bool, table: Option<&FullTable>) -> Announced {
    match site_prefix(site, v6) {
        IpPrefix::V4(own) => {
            let own = RouteGroup { as_path: Vec::new(), prefixes: vec![own] };
            let rest = table.map(|t| paths(&t.v4, |p| u64::from(p.bits() >> 16))).unwrap_or_default();
            Announced::V4(Rc::from_iter([own].into_iter().chain(rest)))
        }
        IpPrefix::V6(own) => {
            let own = RouteGroup { as_path: Vec::new(), prefixes: vec![own] };
            let rest = table.map(|t| paths(&t.v6, |p| (p.bits() >> 99) as u64)).unwrap_or_default();
            Announced::V6(Rc::from_iter([own].into_iter().chain(rest)))
        }
    }
}

/// Makes up AS paths, which the packaged table lacks: neighbours that share `key` have one, of two to six ASes.
fn paths<P: Copy>(prefixes: &[P], key: impl Fn(&P) -> u64) -> Vec<RouteGroup<P>> {
    let groups = prefixes.chunk_by(|a, b| key(a) == key(b));
    groups
        .map(|group| {
            let hash = mix(group.first().map_or(0, &key));
            let hops = 2 + hash % 5;
            let as_path = (0..hops).map(|hop| 1 + (mix(hash ^ hop) % 64_000) as u32).collect();
            RouteGroup { as_path, prefixes: group.to_vec() }
        })
        .collect()
}

/// A machine's name.
#[must_use]
pub fn name_of<'t>(topology: &'t Topology<'_>, node: NodeId) -> &'t str {
    &topology.provider.net.node(node).name
}
