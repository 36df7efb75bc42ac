//! What the forwarding plane is told of a link.

use alloc::vec::Vec;

use fwd_core::net::{Label, LabelSpaceId, LabelStack};
use fwd_core::op::{Deliver, Encapsulation, FwdOp, NextHop, Nhlfe, Protection, TunnelModel, Vlink, VlinkOutput};
use fwd_core::wire::l2tpv3::Cookie;

use super::config::LinkId;
use super::machine::{Link, VirtualLinks};
use crate::arch::{self, Architecture};

/// The TTL or hop limit of outer headers.
pub(crate) const OUTER_TTL: u8 = 64;

impl Link {
    /// What packets to us look like.
    fn encapsulation(&self) -> Option<Encapsulation> {
        Some(match self.cfg.architecture {
            Architecture::TunnelSa => arch::tunnel_sa::ENCAPSULATION,
            Architecture::SharedIpip => arch::shared_ipip::ENCAPSULATION,
            Architecture::DistinctIpip => arch::distinct_ipip::ENCAPSULATION,
            Architecture::Gre => arch::gre::encapsulation(self.local_key),
            Architecture::Mpls => arch::mpls::ENCAPSULATION,
            Architecture::L2tp => arch::l2tp::encapsulation(self.session.as_ref()?),
        })
    }

    /// Octets between the outer IP header and the packet.
    fn inner_overhead(&self) -> u16 {
        match self.cfg.architecture {
            Architecture::TunnelSa | Architecture::SharedIpip | Architecture::DistinctIpip => 0,
            Architecture::Gre => arch::gre::overhead(self.remote_key.is_some()),
            Architecture::Mpls => arch::mpls::OVERHEAD,
            Architecture::L2tp => self.session.as_ref().map_or(0, arch::l2tp::overhead),
        }
    }
}

impl VirtualLinks {
    /// Octets that are added to a packet of a link: outer header, what stands behind it, and ESP at most.
    #[must_use]
    pub fn overhead(&self, id: LinkId) -> Option<u16> {
        let link = self.link(id)?;
        let esp = match link.cfg.security.protects() {
            false => 0,
            true => u16::from(self.peer(link.cfg.peer)?.cfg.esp_overhead),
        };
        Some(arch::outer_header(&link.ends).saturating_add(link.inner_overhead()).saturating_add(esp))
    }

    /// The most octets of a packet that goes by a link (RFC 4023 §5.1).
    #[must_use]
    pub fn mtu(&self, id: LinkId) -> Option<u16> {
        let link = self.link(id)?;
        let path = self.peer(link.cfg.peer)?.path_mtu.saturating_sub(self.overhead(id)?);
        Some(link.cfg.mtu.map_or(path, |mtu| mtu.min(path)))
    }

    /// The label space of a link's tunnel.
    fn label_space(&self, link: &Link) -> Option<LabelSpaceId> {
        let first = self.cfg.label_spaces.filter(|_| link.cfg.architecture == Architecture::Mpls)?;
        Some(LabelSpaceId(first.0.wrapping_add(link.vlink.0)))
    }

    /// The virtual link of a link, protected as its SPD says; none if that discards.
    pub(super) fn vlink_ops(&self, id: LinkId) -> Option<[FwdOp; 2]> {
        let link = self.link(id)?;
        let peer = self.peer(link.cfg.peer)?;
        let association = self.decided(id).ok()?;
        let id = link.vlink;
        let session = link.session.as_ref();
        let vlink = Vlink {
            ends: link.ends,
            encapsulation: link.encapsulation()?,
            deliver: Deliver::Vrf(link.cfg.vrf),
            mpls: link.cfg.architecture == Architecture::Mpls,
            label_space: self.label_space(link),
            check_source: link.cfg.check_source,
            ordered: false,
            protection: association,
            model: link.cfg.model,
        };
        let ports = session.and_then(|s| s.remote.port).map_or((0, 0), |port| (port, port));
        let output = VlinkOutput {
            next: peer.cfg.next,
            key: session
                .map(|s| s.remote_id)
                .or(link.remote_key.filter(|_| link.cfg.architecture == Architecture::Gre)),
            cookie: session.map_or(Cookie::NONE, |s| s.remote_cookie),
            ports,
            numbered: false,
            mtu: peer.path_mtu,
            ttl: OUTER_TTL,
            dscp: link.cfg.dscp,
            protection: association.map(|sa| Protection { sa, overhead: peer.cfg.esp_overhead }),
        };
        Some([FwdOp::SetVlink { id, vlink }, FwdOp::SetVlinkOutput { id, output }])
    }

    /// The ops that make a link, in order.
    pub(super) fn install_ops(&self, id: LinkId) -> Vec<FwdOp> {
        let Some(link) = self.link(id) else { return Vec::new() };
        let mut ops = Vec::new();
        if link.cfg.architecture == Architecture::Mpls {
            let labels = link.local_key.and_then(Label::new).zip(link.remote_key.and_then(Label::new));
            if let Some((local, remote)) = labels {
                ops.extend(self.vlink_ops(id).into_iter().flatten());
                ops.push(arch::mpls::incoming(local, link.cfg.vrf, self.label_space(link)));
                ops.push(arch::mpls::outgoing(remote, link.vlink, link.entry));
            }
            return ops;
        }
        ops.extend(self.vlink_ops(id).into_iter().flatten());
        let nhlfe = Nhlfe { push: LabelStack::EMPTY, next: NextHop::Vlink(link.vlink), model: TunnelModel::Pipe };
        ops.push(FwdOp::SetNhlfe { id: link.entry, nhlfe });
        ops
    }

    /// The ops that take a link away.
    pub(super) fn withdraw_ops(&self, id: LinkId) -> Vec<FwdOp> {
        let Some(link) = self.link(id) else { return Vec::new() };
        let entry = FwdOp::ClearNhlfe { id: link.entry };
        match (link.cfg.architecture, link.local_key.and_then(Label::new)) {
            (Architecture::Mpls, Some(label)) => {
                alloc::vec![entry, arch::mpls::no_incoming(label, self.label_space(link))]
            }
            (Architecture::Mpls, None) => alloc::vec![entry],
            _ => alloc::vec![entry, FwdOp::ClearVlink { id: link.vlink }],
        }
    }
}
