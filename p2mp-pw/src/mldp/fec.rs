//! Names of multipoint LSPs, and what a leaf does with what it receives.

use core::net::IpAddr;

use fwd_core::net::{IpPrefix, LabelSpaceId, PortId, ReplicationId, TunnelId};
use fwd_core::op::{IlmAction, LegTarget};

use crate::ldp::fec::{Fec, FecElement, MultipointFec, MultipointKind, OpaqueElement, OpaqueValue, RouteDistinguisher};

/// Which kind of multipoint LSP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum TreeKind {
    /// From the root to the leaves (RFC 6388 §2).
    P2mp,
    /// From every leaf to all others (RFC 6388 §3).
    Mp2mp,
    /// From the root to the leaves, and from each leaf to the root (RFC 7140).
    Hsmp,
}

impl TreeKind {
    /// The kind of the FEC that leads from the root to the leaves: what a downstream LSR maps a label to.
    #[must_use]
    pub const fn down(self) -> MultipointKind {
        match self {
            Self::P2mp => MultipointKind::P2mp,
            Self::Mp2mp => MultipointKind::Mp2mpDown,
            Self::Hsmp => MultipointKind::HsmpDown,
        }
    }

    /// The kind of the FEC that leads towards the root: what an upstream LSR maps a label to. `None`: there is no such way.
    #[must_use]
    pub const fn up(self) -> Option<MultipointKind> {
        match self {
            Self::P2mp => None,
            Self::Mp2mp => Some(MultipointKind::Mp2mpUp),
            Self::Hsmp => Some(MultipointKind::HsmpUp),
        }
    }

    /// The kind of LSP that a kind of FEC is of, and whether the FEC leads towards the root.
    #[must_use]
    pub const fn of(kind: MultipointKind) -> (Self, bool) {
        match kind {
            MultipointKind::P2mp => (Self::P2mp, false),
            MultipointKind::Mp2mpDown => (Self::Mp2mp, false),
            MultipointKind::Mp2mpUp => (Self::Mp2mp, true),
            MultipointKind::HsmpDown => (Self::Hsmp, false),
            MultipointKind::HsmpUp => (Self::Hsmp, true),
        }
    }
}

/// A multipoint LSP: its kind, its root and the value that names it there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeFec {
    /// The kind.
    pub kind: TreeKind,
    /// The root node's address.
    pub root: IpAddr,
    /// The opaque value, unique at the root.
    pub opaque: OpaqueValue,
}

impl TreeFec {
    /// The tree of one opaque value element.
    #[must_use]
    pub fn new(kind: TreeKind, root: IpAddr, element: &OpaqueElement) -> Self {
        Self { kind, root, opaque: OpaqueValue::single(element) }
    }

    /// The P2MP LSP with a number of the root's (RFC 6388 §2.3.1).
    #[must_use]
    pub fn p2mp(root: IpAddr, lsp_id: u32) -> Self {
        Self::new(TreeKind::P2mp, root, &OpaqueElement::GenericLspId(lsp_id))
    }

    /// The MP2MP LSP with a number of the root's.
    #[must_use]
    pub fn mp2mp(root: IpAddr, lsp_id: u32) -> Self {
        Self::new(TreeKind::Mp2mp, root, &OpaqueElement::GenericLspId(lsp_id))
    }

    /// The P2MP LSP that stands for a multicast (S,G) in-band (RFC 6826 §3.1, RFC 7246 §3.1 with a route distinguisher).
    #[must_use]
    pub fn in_band(root: IpAddr, source: IpAddr, group: IpAddr, rd: Option<RouteDistinguisher>) -> Self {
        Self::new(TreeKind::P2mp, root, &OpaqueElement::TransitSource { source, group, rd })
    }

    /// The MP2MP LSP that stands for a range of bidirectional groups, or for one of them, by their RP (RFC 6826 §3.3, RFC 7246 §3.3 with a route
    /// distinguisher). `None`: they are not of one family.
    #[must_use]
    pub fn in_band_bidir(root: IpAddr, groups: &IpPrefix, rp: IpAddr, rd: Option<RouteDistinguisher>) -> Option<Self> {
        let (group, mask_len) = (groups.addr(), groups.bit_len());
        let element = OpaqueElement::TransitBidir { mask_len, rp, group, rd };
        (group.is_ipv4() == rp.is_ipv4()).then(|| Self::new(TreeKind::Mp2mp, root, &element))
    }

    /// The LSP of a FEC element, and whether that leads towards the root.
    #[must_use]
    pub fn of(fec: &MultipointFec) -> (Self, bool) {
        let (kind, up) = TreeKind::of(fec.kind);
        (Self { kind, root: fec.root, opaque: fec.opaque.clone() }, up)
    }

    /// The FEC element that leads from the root.
    #[must_use]
    pub fn down(&self) -> MultipointFec {
        self.element(self.kind.down())
    }

    /// The FEC element that leads towards the root.
    #[must_use]
    pub fn up(&self) -> Option<MultipointFec> {
        self.kind.up().map(|kind| self.element(kind))
    }

    fn element(&self, kind: MultipointKind) -> MultipointFec {
        MultipointFec { kind, root: self.root, opaque: self.opaque.clone() }
    }

    /// The same tree as nodes see it that have no route to its root: rooted at `via`, with the whole FEC as opaque value
    /// (RFC 6512 §2).
    #[must_use]
    pub fn recursive(&self, via: IpAddr) -> Self {
        self.inside(via, None)
    }

    /// The same tree, of a VPN, as nodes see it that know the root by an Intra-AS I-PMSI A-D route with this RD alone: rooted at the route's next
    /// hop, with RD and the whole FEC as opaque value (RFC 6512 §3.2.1).
    #[must_use]
    pub fn vpn_recursive(&self, via: IpAddr, rd: RouteDistinguisher) -> Self {
        self.inside(via, Some(rd))
    }

    fn inside(&self, via: IpAddr, rd: Option<RouteDistinguisher>) -> Self {
        let mut fec = alloc::vec::Vec::new();
        FecElement::Multipoint(alloc::boxed::Box::new(self.down())).emit(&mut fec);
        Self::new(self.kind, via, &OpaqueElement::Recursive { rd, fec: fec.into() })
    }

    /// The tree inside a recursive opaque value (RFC 6512 §2), of the same kind.
    #[must_use]
    pub fn inner(&self) -> Option<Self> {
        self.content().filter(|(rd, _)| rd.is_none()).map(|(_, fec)| fec)
    }

    /// RD and tree inside a VPN-recursive opaque value (RFC 6512 §3), of the same kind.
    #[must_use]
    pub fn vpn_inner(&self) -> Option<(RouteDistinguisher, Self)> {
        self.content().and_then(|(rd, fec)| Some((rd?, fec)))
    }

    fn content(&self) -> Option<(Option<RouteDistinguisher>, Self)> {
        let mut elements = self.opaque.elements();
        let (Some(Ok(OpaqueElement::Recursive { rd, fec })), None) = (elements.next(), elements.next()) else {
            return None;
        };
        match Fec::parse(&fec).ok()?.only()? {
            FecElement::Multipoint(fec) if fec.kind == self.kind.down() => Some((rd, Self::of(fec).0)),
            _ => None,
        }
    }
}

/// A tree at this router. The number of a tree that is gone is not given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u64);

/// What a leaf does with the packets of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Deliver {
    /// The IP packet below the label is multicast that came by this tunnel (multicast VPNs).
    Multicast(TunnelId),
    /// The frame below the label arrived at this bridge port (VPLS, pseudowires with a tree of their own).
    Bridge(PortId),
    /// The label below is one that the root assigned: it is looked up in the root's label space (RFC 5331 §7). For trees that carry
    /// several VPNs or pseudowires.
    Context(LabelSpaceId),
    /// The packets go on by the legs of this group, in another tree: two segments of an inter-AS tree (RFC 6514 §9.2.3.2).
    Replicate(ReplicationId),
}

impl Deliver {
    /// What the tree's label means where there is nothing downstream.
    #[must_use]
    pub const fn action(self) -> IlmAction {
        match self {
            Self::Multicast(tunnel) => IlmAction::Multicast(tunnel),
            Self::Bridge(port) => IlmAction::Bridge(port),
            Self::Context(space) => IlmAction::Context(space),
            Self::Replicate(group) => IlmAction::Replicate(group),
        }
    }

    /// The leg that ends here, beside copies that go on.
    #[must_use]
    pub const fn leg(self) -> LegTarget {
        match self {
            Self::Multicast(tunnel) => LegTarget::Multicast(tunnel),
            Self::Bridge(port) => LegTarget::Arrive(port),
            Self::Context(space) => LegTarget::Context(space),
            Self::Replicate(group) => LegTarget::Group(group),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TreeFec {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { kind: u.arbitrary()?, root: u.arbitrary()?, opaque: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recursive_value_holds_the_tree() {
        let inner = TreeFec::p2mp([192, 0, 2, 1].into(), 7);
        let outer = inner.recursive([198, 51, 100, 1].into());
        assert_eq!((outer.root, outer.inner()), ([198, 51, 100, 1].into(), Some(inner.clone())));
        assert_eq!(inner.inner(), None);
        let rd = [0, 0, 0xfd, 0xe9, 0, 0, 0, 1];
        let of_vpn = inner.vpn_recursive([198, 51, 100, 1].into(), rd);
        assert_eq!((of_vpn.inner(), of_vpn.vpn_inner()), (None, Some((rd, inner.clone()))));
        assert_eq!((outer.vpn_inner(), inner.vpn_inner()), (None, None));
        // Another kind inside is not the same service.
        let mixed = TreeFec { kind: TreeKind::Mp2mp, ..outer };
        assert_eq!(mixed.inner(), None);
    }

    #[test]
    fn kinds_have_both_ways() {
        for kind in [TreeKind::P2mp, TreeKind::Mp2mp, TreeKind::Hsmp] {
            assert_eq!(TreeKind::of(kind.down()), (kind, false));
            assert!(kind.up().is_none_or(|up| TreeKind::of(up) == (kind, true)));
        }
        assert_eq!(TreeKind::P2mp.up(), None);
    }
}
