//! Trees that mLDP signals in-band: a P2MP LSP for each (C-S,C-G), whose opaque value says which it is (RFC 7246, and RFC 6826 for the global
//! table). No MCAST-VPN route is needed. Bidirectional trees are MP2MP LSPs: those that this PE is a leaf of are in `bidir/in_band.rs`.
//!
//! An egress PE joins the LSP that is named after the tree and the selected upstream PE (RFC 6513 §5.1). That PE hears of it as the LSP's root
//! ([`Input::Rooted`](super::Input::Rooted)): the leaves of the LSP are one member of the tree on its PMSI, which is there as long as the LSP has
//! branches.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IpPrefix, NhlfeId, TunnelId, VrfId};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::{OpaqueElement, OpaqueValue};
use p2mp_pw::mldp::TreeFec;

use super::bidir::is_group;
use super::config::{CMulticastProtocol, Model, MvrfConfig, TunnelKind};
use super::event::{MvpnEvent, MvpnLimit};
use super::forwarding::mroute_key;
use super::instance::{Joiner, Mvrf, PeKey};
use super::io::CTree;
use super::limits::Held;
use super::machine::MvpnPe;
use super::p_tunnel::{MldpLsp, PTunnel};
use super::root::{Root, TreeId};
use super::shared::{News, Shared};
use super::umh::{Umh, UmhRoute, holds, prefix_of};

/// Why an LSP that others joined at this PE, or that this PE would join, carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum InBandFault {
    /// It is no P2MP or MP2MP LSP with this PE's address as root.
    Lsp,
    /// Its opaque value is none of a source tree, of a P2MP LSP, or of a bidirectional tree, of an MP2MP LSP (RFC 6826 §3, RFC 7246 §3).
    Opaque,
    /// No MVRF has its RD, or there is none of the global table.
    Rd,
    /// Its group is none that the MVRF has in-band signalling for (RFC 7246 §1), or the MVRF's sites do not send.
    Group,
    /// The source is not behind this PE: the way to it leads back into the backbone. It carries packets once the source is.
    Source,
    /// Its bidirectional group or range has another RPA here or none, or the RPA is not behind this PE. It carries packets once it is.
    Rpa,
    /// Another MVRF of this PE has it, which imports from another VRF, or sends by it.
    TunnelInUse,
}

/// The tree that an LSP is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// (C-S,C-G).
    Source { group: IpAddr, source: IpAddr },
    /// A bidirectional group, or a range of them: the sender-only branches of those (RFC 6826 §2.3).
    Bidir { groups: IpPrefix, rpa: IpAddr },
}

impl Named {
    /// The tree that those who joined the LSP joined; `None`: they but send.
    fn tree(self) -> Option<CTree> {
        match self {
            Self::Source { group, source } => Some(CTree::Source { group, source }),
            Self::Bidir { groups, rpa } => is_group(&groups).then_some(CTree::Shared { group: groups.addr(), rp: rpa }),
        }
    }
}

/// An LSP that this PE is the root of.
#[derive(Clone, Debug)]
struct Rooted {
    tree: TreeId,
    /// What is received by it arrives by this, of this upstream PE's partition.
    received_by: Option<(TunnelId, PeKey)>,
}

/// Trees of an MVRF that mLDP signals.
#[derive(Clone, Debug, Default)]
pub(super) struct InBand {
    /// The LSPs of source trees that this PE is a leaf of: one, but two while the upstream PE changes.
    joined: BTreeMap<CTree, BTreeMap<PeKey, PTunnel>>,
    /// The LSPs that this PE is the root of.
    roots: BTreeMap<Named, Rooted>,
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

/// The tree that an LSP is named after, and its VRF's RD.
fn tree_of(tunnel: &PTunnel) -> Option<(Named, Option<RouteDistinguisher>)> {
    let (PTunnel::MldpP2mp(lsp) | PTunnel::MldpMp2mp(lsp)) = tunnel else { return None };
    let value = OpaqueValue::parse(&lsp.opaque).ok()?;
    let mut elements = value.elements();
    let (Some(Ok(element)), None) = (elements.next(), elements.next()) else { return None };
    let is_root = |address: IpAddr| !address.is_multicast() && !address.is_unspecified();
    let (named, rd) = match (element, tunnel) {
        (OpaqueElement::TransitSource { source, group, rd }, PTunnel::MldpP2mp(_)) => {
            ((group.is_multicast() && is_root(source)).then_some(Named::Source { group, source })?, rd)
        }
        // Bits of the group that do not count would make another name of the same tree.
        (OpaqueElement::TransitBidir { mask_len, rp, group, rd }, PTunnel::MldpMp2mp(_)) => {
            let groups = prefix_of(group, mask_len).filter(|groups| groups.addr() == group)?;
            ((group.is_multicast() && is_root(rp)).then_some(Named::Bidir { groups, rpa: rp })?, rd)
        }
        _ => return None,
    };
    Some((named, rd.map(RouteDistinguisher::from_octets)))
}

/// Whether an LSP's name is a number of its root: such a one is no tree's.
fn is_number(tunnel: &PTunnel) -> bool {
    let fec = tunnel.mldp_fec();
    fec.is_some_and(|fec| matches!(fec.opaque.elements().next(), Some(Ok(OpaqueElement::GenericLspId(_)))))
}

impl Shared {
    pub(super) fn refuse_in_band(&mut self, now: Instant, vrf: Option<VrfId>, tunnel: PTunnel, fault: InBandFault) {
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
            Ok((vrf, named)) => {
                if let Some(m) = self.mvrfs.get_mut(&vrf) {
                    m.rooted(&mut self.shared, now, tunnel, named);
                    m.watch(&mut self.shared, now);
                }
                return;
            }
            Err(refused) => refused,
        };
        self.shared.refuse_in_band(now, vrf, tunnel, fault);
    }

    /// The MVRF and the tree that an LSP is for.
    fn in_band_of(&self, tunnel: &PTunnel) -> Result<(VrfId, Named), (Option<VrfId>, InBandFault)> {
        let (PTunnel::MldpP2mp(lsp) | PTunnel::MldpMp2mp(lsp)) = tunnel else { return Err((None, InBandFault::Lsp)) };
        if lsp.root != self.shared.config.router {
            return Err((None, InBandFault::Lsp));
        }
        let (named, rd) = tree_of(tunnel).ok_or((None, InBandFault::Opaque))?;
        // The global table has opaque values of its own.
        let vrf = match rd {
            Some(rd) => self.by_rd.get(&rd).copied().filter(|vrf| *vrf != VrfId::GLOBAL),
            None => Some(VrfId::GLOBAL),
        };
        let found = vrf.and_then(|vrf| Some((vrf, self.mvrfs.get(&vrf)?)));
        let (vrf, m) = found.ok_or((None, InBandFault::Rd))?;
        let is_ours = match named {
            Named::Source { group, .. } => m.config.sites.senders && m.is_in_band(group),
            Named::Bidir { groups, .. } => m.signals(&groups),
        };
        match is_ours {
            true => Ok((vrf, named)),
            false => Err((Some(vrf), InBandFault::Group)),
        }
    }

    /// The branches of a tree changed: an LSP that others joined in-band and that has none any more is over.
    pub(super) fn branches_changed(&mut self, now: Instant, tree: TreeId, branches: &[NhlfeId]) {
        let had = self.shared.roots.get(&tree).is_some_and(Root::has_legs);
        self.shared.set_branches(now, tree, branches);
        let Some(root) = self.shared.roots.get(&tree).filter(|root| had != root.has_legs()) else { return };
        let (vrf, carries) = (root.vrf, root.carries);
        if let (Some(m), Some(named)) = (self.mvrfs.get_mut(&vrf), carries) {
            match m.in_band_root(named) == Some(tree) {
                true if had => m.unrooted(&mut self.shared, now, named),
                true => {}
                false => m.lsp_changed(&mut self.shared, now, tree, !had),
            }
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
        self.in_band_root(Named::Source { group, source: source? })
    }

    /// The LSP of a tree that this PE is the root of.
    pub(super) fn in_band_root(&self, named: Named) -> Option<TreeId> {
        self.in_band.roots.get(&named).map(|rooted| rooted.tree)
    }

    /// The groups and ranges of an RPA whose LSPs have this PE as root.
    pub(super) fn in_band_roots_of(&self, rpa: IpAddr) -> Vec<IpPrefix> {
        let of_rpa = |named: &Named| match named {
            Named::Bidir { groups, rpa: of } if *of == rpa => Some(*groups),
            _ => None,
        };
        self.in_band.roots.keys().filter_map(of_rpa).collect()
    }

    /// Other PEs joined the LSP of a tree here.
    fn rooted(&mut self, shared: &mut Shared, now: Instant, tunnel: PTunnel, named: Named) {
        if self.in_band.roots.contains_key(&named) {
            return;
        }
        let (vrf, tree) = (self.config.vrf, named.tree());
        let branches = self.in_band.roots.keys().filter(|named| named.tree().is_none()).count();
        let is_joined = tree.is_some_and(|tree| self.joins.contains_key(&tree));
        if !is_joined && self.joins.len().saturating_add(branches) >= self.config.limits.joins {
            return shared.limit(now, vrf, MvpnLimit::Joins);
        }
        let kind = match &tunnel {
            PTunnel::MldpMp2mp(lsp) => TunnelKind::MldpMp2mp { root: lsp.root, lsp: 0 },
            _ => TunnelKind::MldpP2mp,
        };
        let Some(id) = shared.new_part(now, vrf, kind, tunnel.clone()) else { return };
        if let Some(root) = shared.roots.get_mut(&id) {
            root.carries = Some(named);
        }
        self.in_band.roots.insert(named, Rooted { tree: id, received_by: None });
        let fault = match named {
            Named::Source { source, .. } => (!self.umh.is_local(source)).then_some(InBandFault::Source),
            Named::Bidir { groups, rpa } => {
                (!self.receive_as_root(shared, now, (groups, rpa))).then_some(InBandFault::Rpa)
            }
        };
        if let Some(fault) = fault {
            shared.refuse_in_band(now, Some(vrf), tunnel, fault);
        }
        if let Some(tree) = tree {
            self.join_changed(shared, now, tree, Joiner::InBand, true);
            self.rebind_named(shared, tree);
        }
    }

    /// Receives by an LSP that this PE is the root of, or does not any more.
    pub(super) fn receive_rooted(&mut self, shared: &mut Shared, named: Named, pe: PeKey, wanted: Option<TunnelId>) {
        let Some(rooted) = self.in_band.roots.get_mut(&named) else { return };
        let wanted = wanted.map(|arrives_by| (arrives_by, pe));
        let Some(tunnel) = shared.roots.get(&rooted.tree).map(|root| root.tunnel.clone()) else { return };
        if rooted.received_by == wanted {
            return;
        }
        if let Some((arrives_by, _)) = rooted.received_by.take() {
            shared.leave(&tunnel, None, arrives_by);
        }
        rooted.received_by = wanted.filter(|(arrives_by, pe)| shared.join(&tunnel, None, *arrives_by, Some(*pe)));
    }

    /// The routes and legs of a tree follow its LSP.
    fn rebind_named(&mut self, shared: &mut Shared, tree: CTree) {
        let (source, group) = tree.flow();
        self.emit_route(shared, mroute_key(source, group));
        self.rebind_tree(shared, tree);
    }

    /// Nobody is in the LSP any more.
    pub(super) fn unrooted(&mut self, shared: &mut Shared, now: Instant, named: Named) {
        if let Named::Bidir { .. } = named {
            let own = self.own_key(shared);
            self.receive_rooted(shared, named, own, None);
        }
        let Some(Rooted { tree: id, .. }) = self.in_band.roots.remove(&named) else { return };
        if let Some(tree) = named.tree() {
            self.join_changed(shared, now, tree, Joiner::InBand, false);
            self.rebind_named(shared, tree);
        }
        if let Named::Bidir { .. } = named {
            self.unbind(shared, id);
        }
        shared.drop_root(id);
    }

    /// LSPs beyond the limit of joins are given up.
    pub(super) fn drop_in_band(&mut self, shared: &mut Shared, now: Instant) {
        while self.excess(Held::Joins) > 0 {
            let last = self.in_band.roots.keys().rev().find(|named| named.tree().is_some());
            let Some(named) = last.copied() else { return };
            self.unrooted(shared, now, named);
        }
    }

    /// Ends everything that is signalled in-band.
    pub(super) fn stop_in_band(&mut self, shared: &mut Shared, now: Instant) {
        let roots: BTreeSet<Named> = self.in_band.roots.keys().copied().collect();
        roots.into_iter().for_each(|named| self.unrooted(shared, now, named));
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
        let tree_of = |lsp: &MldpLsp| super::tree_of(&PTunnel::MldpP2mp(lsp.clone()));
        let rd = RouteDistinguisher::two_octet_as(65001, 7);
        let of_vpn = lsp(source, group, Some(rd.octets()));
        // RFC 7246 §3.1
        let octets = [250, 0, 16, 10, 0, 0, 1, 232, 1, 1, 1, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
        assert_eq!(of_vpn.opaque.as_slice(), octets);
        assert_eq!(tree_of(&of_vpn), Some((Named::Source { group, source }, Some(rd))));
        assert_eq!(tree_of(&lsp(source, group, None)), Some((Named::Source { group, source }, None)));
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

    #[test]
    fn an_lsp_says_its_bidirectional_groups() {
        let root = [192, 0, 2, 1].into();
        let rd = RouteDistinguisher::two_octet_as(65001, 7);
        let name = |groups: &str, rp: &str, rd: Option<RouteDistinguisher>| {
            let (groups, rpa) = (groups.parse().unwrap(), rp.parse().unwrap());
            let fec = TreeFec::in_band_bidir(root, &groups, rpa, rd.map(|rd| rd.octets())).unwrap();
            let tunnel = PTunnel::of_mldp(&fec).unwrap();
            assert_eq!(tree_of(&tunnel), Some((Named::Bidir { groups, rpa }, rd)));
            assert_eq!(tunnel.mldp_fec().as_ref(), Some(&fec));
            fec.opaque.octets().to_vec()
        };
        let group6 = [0xff, 0x3e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        let rp6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        let rd_octets = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
        // RFC 6826 §3.3, §3.4; RFC 7246 §3.3, §3.4.
        let v4 = [[10, 9, 0, 1], [239, 1, 2, 3]].concat();
        assert_eq!(name("239.1.2.3/32", "10.9.0.1", None), [&[5, 0, 9, 32], &v4[..]].concat());
        let v6 = [rp6, group6].concat();
        assert_eq!(name("ff3e::5/128", "2001:db8::9", None), [&[6, 0, 33, 128], &v6[..]].concat());
        assert_eq!(name("239.1.2.3/32", "10.9.0.1", Some(rd)), [&[9, 0, 17, 32], &v4[..], &rd_octets].concat());
        assert_eq!(name("ff3e::5/128", "2001:db8::9", Some(rd)), [&[10, 0, 41, 128], &v6[..], &rd_octets].concat());
        // A range is the sender-only branches of its groups.
        let range = [&[9, 0, 17, 16, 10, 9, 0, 1, 239, 1, 0, 0], &rd_octets[..]].concat();
        assert_eq!(name("239.1.0.0/16", "10.9.0.1", Some(rd)), range);
        assert_eq!(Named::Bidir { groups: "239.1.0.0/16".parse().unwrap(), rpa: root }.tree(), None);
        let mixed = TreeFec::in_band_bidir(root, &"239.1.0.0/16".parse().unwrap(), IpAddr::from(rp6), None);
        assert_eq!(mixed, None);
        // Bits beyond the mask, an RP or groups that cannot be, and another kind of LSP.
        let bidir = |mask_len, rp: [u8; 4], group: [u8; 4], kind| {
            let element = OpaqueElement::TransitBidir { mask_len, rp: rp.into(), group: group.into(), rd: None };
            tree_of(&PTunnel::of_mldp(&TreeFec::new(kind, root, &element)).unwrap())
        };
        use p2mp_pw::mldp::TreeKind::{Mp2mp, P2mp};
        assert!(bidir(16, [10, 9, 0, 1], [239, 1, 0, 0], Mp2mp).is_some());
        for (mask_len, rp, group, kind) in [
            (16, [10, 9, 0, 1], [239, 1, 0, 1], Mp2mp),
            (33, [10, 9, 0, 1], [239, 1, 0, 0], Mp2mp),
            (16, [0; 4], [239, 1, 0, 0], Mp2mp),
            (16, [224, 0, 0, 9], [239, 1, 0, 0], Mp2mp),
            (16, [10, 9, 0, 1], [10, 1, 0, 0], Mp2mp),
            (16, [10, 9, 0, 1], [239, 1, 0, 0], P2mp),
        ] {
            assert_eq!(bidir(mask_len, rp, group, kind), None, "{group:?}/{mask_len}");
        }
    }
}
