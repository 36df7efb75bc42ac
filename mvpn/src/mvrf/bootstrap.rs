//! Bootstrap messages of the customers between PEs (RFC 6513 §5.3.4).
//!
//! BGP carries no such message: it goes over a PMSI that reaches every PE of the VPN, from the PE's own address to ALL-PIM-ROUTERS, as a
//! packet of the customers. The forwarder hands what comes out of a tunnel with that destination to software
//! ([`fwd_core::PuntReason::Multicast`]). To a VRF's [`BsrRouter`](crate::pim::bsr::BsrRouter) the PMSI is an interface with the
//! neighbour that stands for the VPN ([`PmsiLink`]), and that is RPF_neighbor of every BSR behind other PEs.
//!
//! The family of the customers' addresses has to be that of the PE's.

use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{ReplicationId, VrfId};

use super::c_pim::PmsiLink;
use super::config::MvrfConfig;
use super::instance::{Mvrf, PeKey};
use super::machine::MvpnPe;
use super::p_tunnel::PTunnel;
use super::route::SFlow;
use super::umh::Umh;
use crate::pim::PimAddress;
use crate::pim::wire::{AddressFamily, Bootstrap, Message};

/// The flow of a PE's Bootstrap messages.
fn flow_of(pe: IpAddr) -> SFlow {
    SFlow::source_group(pe, AddressFamily::of(pe).all_pim_routers())
}

impl MvrfConfig {
    /// Without an I-PMSI the messages have an S-PMSI of their own.
    pub(super) fn bind_bootstrap(&mut self, router: IpAddr) {
        let flow = flow_of(router);
        if self.bootstrap && self.inclusive.is_none() && !self.s_pmsi.fixed.contains(&flow) {
            self.s_pmsi.fixed.push(flow);
        }
    }
}

impl Mvrf {
    /// Whether an S-PMSI of another PE carries its Bootstrap messages: this PE receives them, whatever its CEs joined.
    pub(super) fn carries_bootstrap(&self, key: PeKey, flow: SFlow) -> bool {
        self.config.bootstrap && flow == flow_of(key.address)
    }

    /// The PE that sends its Bootstrap messages as this flow.
    pub(super) fn bootstrap_from(&self, source: IpAddr, group: IpAddr) -> Option<PeKey> {
        let flow = SFlow::source_group(source, group);
        let first = PeKey { address: source, rd: RouteDistinguisher::ZERO };
        let last = PeKey { address: source, rd: RouteDistinguisher::ALL_ONES };
        let mut known = self.s_in.range((first, flow)..=(last, flow));
        known
            .find(|((key, of), s)| *of == flow && !s.is_withdrawn && self.carries_bootstrap(*key, flow))
            .map(|(k, _)| k.0)
    }
}

impl MvpnPe {
    /// The tunnel of a VRF that carries Bootstrap messages to the other PEs, and the group that leads into it.
    #[must_use]
    pub fn bootstrap_tunnel(&self, vrf: VrfId) -> Option<(ReplicationId, &PTunnel)> {
        let (m, shared) = self.with_mvrf(vrf)?;
        let flow = flow_of(shared.config.router);
        let (tree, _) = m.tunnel_of(flow.source, flow.group.address()?);
        let root = shared.roots.get(&tree.filter(|_| m.config.bootstrap)?)?;
        Some((root.group, &root.tunnel))
    }

    /// A message that the VRF's `BsrRouter` sends out of the PMSI, as the other PEs take it: a PIM message from this PE's address to
    /// ALL-PIM-ROUTERS. `None`: it is none for them, as its BSR is not behind this PE, or it is not to be forwarded.
    #[must_use]
    pub fn bootstrap_to_send<A: PimAddress>(&self, link: &PmsiLink<A>, octets: &[u8]) -> Option<Vec<u8>> {
        let message = read(link.address, octets)?;
        let (_, shared) = self.with_mvrf(link.vrf)?;
        let router = A::from_ip(shared.config.router)?;
        let is_ours = self.upstream(link.vrf, message.bsr, A::ALL_PIM_ROUTERS.into()) == Some(Umh::Local);
        is_ours.then(|| Message::Bootstrap(message).to_packet(router.into(), A::ALL_PIM_ROUTERS.into()))
    }

    /// A PIM message from `pe` that came over the PMSI, as the `BsrRouter` takes it from the neighbour of the link. `None`: it is no Bootstrap
    /// message, or `pe` is not the selected upstream PE of its BSR.
    #[must_use]
    pub fn bootstrap_received<A: PimAddress>(&self, link: &PmsiLink<A>, pe: A, octets: &[u8]) -> Option<Vec<u8>> {
        let (neighbor, message) = (link.neighbor?, read(pe, octets)?);
        let upstream = self.upstream(link.vrf, message.bsr, A::ALL_PIM_ROUTERS.into())?;
        let is_from_it = upstream.pe() == Some(pe.into());
        is_from_it.then(|| Message::Bootstrap(message).to_packet(neighbor.into(), A::ALL_PIM_ROUTERS.into()))
    }
}

/// A Bootstrap message that is to be forwarded.
fn read<A: PimAddress>(from: A, octets: &[u8]) -> Option<Bootstrap> {
    match Message::parse(octets, from.into(), A::ALL_PIM_ROUTERS.into()) {
        Ok(Message::Bootstrap(message)) if !message.no_forward => Some(message),
        _ => None,
    }
}
