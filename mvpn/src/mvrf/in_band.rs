//! Trees that mLDP signals in-band: a P2MP LSP for each (C-S,C-G), whose opaque value says which it is (RFC 7246, and RFC 6826 for the global
//! table). No MCAST-VPN route is needed.
//!
//! An egress PE joins the LSP that is named after the tree and the selected upstream PE (RFC 6513 §5.1). That PE hears of it as the LSP's root
//! ([`Input::Rooted`](super::Input::Rooted)): the leaves of the LSP are one member of the tree on its PMSI, which is there as long as the LSP has
//! branches.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::NhlfeId;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{OpaqueElement, OpaqueValue};
use p2mp_pw::mldp::TreeFec;

use super::config::{CMulticastProtocol, Model, MvrfConfig, TunnelKind};
use super::event::{MvpnEvent, MvpnLimit};
use super::instance::{Joiner, Mvrf, PeKey};
use super::io::CTree;
use super::limits::Held;
use super::machine::MvpnPe;
use super::p_tunnel::{MldpLsp, PTunnel};
use super::root::{Root, TreeId};
use super::shared::{News, Shared};
use super::umh::{Umh, UmhRoute, holds};

/// Why an LSP that others joined at this PE, or that this PE would join, carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum InBandFault {
    /// It is no P2MP LSP with this PE's address as root.
    Lsp,
    /// Its opaque value is none of a source tree (RFC 6826 §3.1, §3.2, RFC 7246 §3.1, §3.2).
    Opaque,
    /// No MVRF has its RD, or there is none of the global table.
    Rd,
    /// Its group is none that the MVRF has in-band signalling for (RFC 7246 §1), or the MVRF's sites do not send.
    Group,
    /// The source is not behind this PE: the way to it leads back into the backbone. It carries packets once the source is.
    Source,
    /// It delivers to another MVRF of this PE, which imports from another VRF.
    TunnelInUse,
}

/// Trees of an MVRF that mLDP signals.
#[derive(Clone, Debug, Default)]
pub(super) struct InBand {
    /// The LSPs that this PE is a leaf of: one, but two while the upstream PE changes.
    joined: BTreeMap<CTree, BTreeMap<PeKey, PTunnel>>,
    /// The LSPs that this PE is the root of.
    roots: BTreeMap<CTree, TreeId>,
}

impl MvrfConfig {
    /// Whether mLDP alone can carry what the configuration asks for.
    pub(super) fn fits_in_band(&self, model: Model, protocol: CMulticastProtocol) -> bool {
        let is_group = self.in_band.iter().all(|range| range.addr().is_multicast());
        let is_alone = self.inclusive.is_none()
            && self.bidir.is_none()
            && self.s_pmsi.fixed.is_empty()
            && !self.bootstrap
            && protocol == CMulticastProtocol::Bgp
            && !self.in_band.is_empty();
        is_group && (self.in_band.is_empty() || !model.has_mdt()) && (model != Model::InBand || is_alone)
    }
}

impl PTunnel {
    /// The P2MP or MP2MP LSP of a tree of mLDP; `None` for one of another kind.
    #[must_use]
    pub fn of_mldp(fec: &TreeFec) -> Option<Self> {
        let lsp = MldpLsp { root: fec.root, opaque: fec.opaque.octets().into() };
        match fec.kind {
            p2mp_pw::mldp::TreeKind::P2mp => Some(Self::MldpP2mp(lsp)),
            p2mp_pw::mldp::TreeKind::Mp2mp => Some(Self::MldpMp2mp(lsp)),
            p2mp_pw::mldp::TreeKind::Hsmp => None,
        }
    }

    /// What mLDP knows an LSP by; `None` for a tunnel of another technology, or an opaque value that is none.
    #[must_use]
    pub fn mldp_fec(&self) -> Option<TreeFec> {
        let (kind, lsp) = match self {
            Self::MldpP2mp(lsp) => (p2mp_pw::mldp::TreeKind::P2mp, lsp),
            Self::MldpMp2mp(lsp) => (p2mp_pw::mldp::TreeKind::Mp2mp, lsp),
            _ => return None,
        };
        Some(TreeFec { kind, root: lsp.root, opaque: OpaqueValue::parse(&lsp.opaque).ok()? })
    }
}

/// The tree that an opaque value names, and its VRF's RD.
fn tree_of(lsp: &MldpLsp) -> Option<(CTree, Option<RouteDistinguisher>)> {
    let value = OpaqueValue::parse(&lsp.opaque).ok()?;
    let mut elements = value.elements();
    match (elements.next(), elements.next()) {
        (Some(Ok(OpaqueElement::TransitSource { source, group, rd })), None) => {
            let is_tree = group.is_multicast() && !source.is_multicast() && !source.is_unspecified();
            let rd = rd.map(RouteDistinguisher::from_octets);
            is_tree.then_some((CTree::Source { group, source }, rd))
        }
        _ => None,
    }
}

/// Whether an LSP's name is a number of its root: such a one is no tree's.
fn is_number(tunnel: &PTunnel) -> bool {
    let fec = tunnel.mldp_fec();
    fec.is_some_and(|fec| matches!(fec.opaque.elements().next(), Some(Ok(OpaqueElement::GenericLspId(_)))))
}

impl Shared {
    fn refuse_in_band(&mut self, now: Instant, vrf: Option<VrfId>, tunnel: PTunnel, fault: InBandFault) {
        if let Some(times) = self.is_news(now, News::InBand(fault)) {
            self.event(MvpnEvent::InBand { vrf, tunnel, fault, times });
        }
    }
}

impl MvpnPe {
    /// Somebody joined an LSP at this PE that was not asked for.
    pub(super) fn rooted(&mut self, now: Instant, tunnel: PTunnel) {
        if is_number(&tunnel) {
            return;
        }
        let (vrf, fault) = match self.in_band_of(&tunnel) {
            Ok((vrf, tree)) => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.rooted(&mut self.shared, now, tunnel, tree);
                    m.watch(&mut self.shared, now);
                }
                return;
            }
            Err(refused) => refused,
        };
        self.shared.refuse_in_band(now, vrf, tunnel, fault);
    }

    /// The MVRF and the tree that an LSP is for.
    fn in_band_of(&self, tunnel: &PTunnel) -> Result<(VrfId, CTree), (Option<VrfId>, InBandFault)> {
        let PTunnel::MldpP2mp(lsp) = tunnel else { return Err((None, InBandFault::Lsp)) };
        if lsp.root != self.shared.config.router {
            return Err((None, InBandFault::Lsp));
        }
        let (tree, rd) = tree_of(lsp).ok_or((None, InBandFault::Opaque))?;
        // The global table has opaque values of its own.
        let vrf = match rd {
            Some(rd) => self.by_rd.get(&rd).copied().filter(|vrf| *vrf != VrfId::GLOBAL),
            None => Some(VrfId::GLOBAL),
        };
        let found = vrf.and_then(|vrf| Some((vrf, self.mvrfs.get(&vrf)?)));
        let (vrf, m) = found.ok_or((None, InBandFault::Rd))?;
        match m.config.sites.senders && m.is_in_band(tree.group()) {
            true => Ok((vrf, tree)),
            false => Err((Some(vrf), InBandFault::Group)),
        }
    }

    /// The branches of a tree changed: an LSP that was joined in-band and has none any more is over.
    pub(super) fn branches_changed(&mut self, now: Instant, tree: TreeId, branches: &[NhlfeId]) {
        let had = self.shared.roots.get(&tree).is_some_and(Root::has_legs);
        self.shared.set_branches(now, tree, branches);
        let Some(root) = self.shared.roots.get(&tree).filter(|root| had && !root.has_legs()) else { return };
        let (vrf, carries) = (root.vrf, root.carries);
        if let (Some(m), Some(carries)) = (self.mvrfs.get_mut(&vrf), carries) {
            m.unrooted(&mut self.shared, now, carries);
            m.watch(&mut self.shared, now);
        }
    }
}

impl Mvrf {
    /// A route with its upstream PE: where no MVPN routes are used, a route without VRF Route Import leads to its next hop (RFC 6826 §2).
    pub(super) fn with_upstream(&self, route: UmhRoute) -> UmhRoute {
        let next_hop = VrfRouteImport { address: route.next_hop, local: 0 };
        let is_alone = self.config.model == Model::InBand;
        UmhRoute { import: route.import.or(is_alone.then_some(next_hop)), ..route }
    }

    /// Whether source trees of a group are signalled in-band.
    pub(super) fn is_in_band(&self, group: IpAddr) -> bool {
        self.config.in_band.iter().any(|range| holds(range, group)) && !self.is_bidir(group)
    }

    /// The LSP that a tree takes from an upstream PE.
    fn in_band_lsp(&self, shared: &Shared, tree: &CTree, umh: Umh) -> Option<(PeKey, PTunnel)> {
        let CTree::Source { group, source } = *tree else { return None };
        let Umh::Remote { import, rd, .. } = umh else { return None };
        if import.address == shared.config.router {
            return None;
        }
        let in_vpn = (self.config.vrf != VrfId::GLOBAL).then_some(rd.octets());
        let fec = TreeFec::in_band(import.address, source, group, in_vpn);
        Some((PeKey { address: import.address, rd }, PTunnel::of_mldp(&fec)?))
    }

    /// Brings the LSPs of a tree up to date: that of the selected upstream PE, and that of the one before while it is received from.
    pub(super) fn update_in_band(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        if !self.is_in_band(tree.group()) && !self.in_band.joined.contains_key(&tree) {
            return;
        }
        let selected = self.trees.get(&tree).and_then(|known| known.umh);
        let ways = [selected, self.partings.get(&tree).map(super::parting::Parting::umh)];
        let ways = ways.into_iter().flatten().filter(|_| self.is_in_band(tree.group()));
        let wanted: BTreeMap<PeKey, PTunnel> = ways.filter_map(|umh| self.in_band_lsp(shared, &tree, umh)).collect();
        let mut joined = self.in_band.joined.remove(&tree).unwrap_or_default();
        for (pe, tunnel) in &wanted {
            if joined.contains_key(pe) {
                continue;
            }
            let Some(arrives_by) = self.hold(shared, now, *pe) else { continue };
            if shared.join(tunnel, None, arrives_by, Some(*pe)) {
                joined.insert(*pe, tunnel.clone());
            } else {
                shared.refuse_in_band(now, Some(self.config.vrf), tunnel.clone(), InBandFault::TunnelInUse);
                self.release(shared, *pe);
            }
        }
        let gone: Vec<PeKey> = joined.keys().copied().filter(|pe| !wanted.contains_key(pe)).collect();
        for pe in gone {
            let arrives_by = self.upstreams.get(&pe).map(|upstream| upstream.tunnel);
            if let (Some(tunnel), Some(arrives_by)) = (joined.remove(&pe), arrives_by) {
                shared.leave(&tunnel, None, arrives_by);
                self.release(shared, pe);
            }
        }
        if !joined.is_empty() {
            self.in_band.joined.insert(tree, joined);
        }
    }

    /// The LSP that a flow comes by from a PE.
    pub(super) fn in_band_from(&self, source: IpAddr, group: IpAddr, pe: PeKey) -> Option<PTunnel> {
        self.in_band.joined.get(&CTree::Source { group, source })?.get(&pe).cloned()
    }

    /// The LSP that a flow takes from this PE.
    pub(super) fn in_band_tree(&self, source: Option<IpAddr>, group: IpAddr) -> Option<TreeId> {
        self.in_band.roots.get(&CTree::Source { group, source: source? }).copied()
    }

    /// Other PEs joined the LSP of a tree here.
    fn rooted(&mut self, shared: &mut Shared, now: Instant, tunnel: PTunnel, tree: CTree) {
        if self.in_band.roots.contains_key(&tree) {
            return;
        }
        let vrf = self.config.vrf;
        if !self.joins.contains_key(&tree) && self.joins.len() >= self.config.limits.joins {
            return shared.limit(now, vrf, MvpnLimit::Joins);
        }
        let Some(id) = shared.new_part(now, vrf, TunnelKind::MldpP2mp, tunnel.clone()) else { return };
        if let Some(root) = shared.roots.get_mut(&id) {
            root.carries = Some(tree);
        }
        self.in_band.roots.insert(tree, id);
        if !self.umh.is_local(tree.root()) {
            shared.refuse_in_band(now, Some(vrf), tunnel, InBandFault::Source);
        }
        self.join_changed(shared, now, tree, Joiner::InBand, true);
        self.rebind_tree(shared, tree);
    }

    /// Nobody is in the LSP any more.
    pub(super) fn unrooted(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let Some(id) = self.in_band.roots.remove(&tree) else { return };
        self.join_changed(shared, now, tree, Joiner::InBand, false);
        self.rebind_tree(shared, tree);
        shared.drop_root(id);
    }

    /// LSPs beyond the limit of joins are given up.
    pub(super) fn drop_in_band(&mut self, shared: &mut Shared, now: Instant) {
        while self.excess(Held::Joins) > 0 {
            let Some((tree, _)) = self.in_band.roots.last_key_value().map(|(tree, id)| (*tree, *id)) else { return };
            self.unrooted(shared, now, tree);
        }
    }

    /// Ends everything that is signalled in-band.
    pub(super) fn stop_in_band(&mut self, shared: &mut Shared, now: Instant) {
        let roots: BTreeSet<CTree> = self.in_band.roots.keys().copied().collect();
        roots.into_iter().for_each(|tree| self.unrooted(shared, now, tree));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lsp_says_its_tree_and_nothing_else_does() {
        let (root, source, group) = ([192, 0, 2, 1].into(), [10, 0, 0, 1].into(), IpAddr::from([232, 1, 1, 1]));
        let lsp = |source, group, rd| match PTunnel::of_mldp(&TreeFec::in_band(root, source, group, rd)) {
            Some(PTunnel::MldpP2mp(lsp)) => lsp,
            other => panic!("{other:?}"),
        };
        let rd = RouteDistinguisher::two_octet_as(65001, 7);
        let of_vpn = lsp(source, group, Some(rd.octets()));
        // RFC 7246 §3.1
        let octets = [250, 0, 16, 10, 0, 0, 1, 232, 1, 1, 1, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
        assert_eq!(of_vpn.opaque.as_slice(), octets);
        assert_eq!(tree_of(&of_vpn), Some((CTree::Source { group, source }, Some(rd))));
        assert_eq!(tree_of(&lsp(source, group, None)), Some((CTree::Source { group, source }, None)));
        let tunnel = PTunnel::MldpP2mp(of_vpn.clone());
        assert_eq!(tunnel.mldp_fec().as_ref().and_then(PTunnel::of_mldp), Some(tunnel));
        for bad in [lsp(source, source, None), lsp(group, group, None), MldpLsp::generic(root, 7)] {
            assert_eq!(tree_of(&bad), None, "{bad:?}");
        }
        let mut two = of_vpn;
        two.opaque.extend_from_slice(&octets);
        assert_eq!(tree_of(&two), None);
        two.opaque.truncate(5);
        assert_eq!(tree_of(&two), None);
    }
}
