//! A path: who told us, with which attributes, with which labels.

use fwd_core::net::{IfIndex, Label, LabelStack, NhlfeId};
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{AttrId, Slab};
use crate::nlri::Labels;
use crate::speaker::{LocalRoute, PeerId};

/// Where a path came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source(u32);

impl Source {
    /// A route of a VRF that BGP did not bring; in a VPN table, a route that one of our VRFs exports.
    pub(crate) const LOCAL: Self = Self(u32::MAX);
    /// A VPN route of another PE, imported into a VRF; the path identifier is its destination in the VPN table.
    pub(crate) const IMPORTED: Self = Self(u32::MAX - 1);
    /// A route that another VRF of ours exports, imported into a VRF; the path identifier as for [`Self::IMPORTED`].
    pub(crate) const LEAKED: Self = Self(u32::MAX - 2);

    /// A peer.
    pub(crate) const fn peer(peer: PeerId) -> Self {
        Self(peer.0)
    }

    /// The peer, if it is one.
    pub(crate) fn as_peer(self) -> Option<PeerId> {
        (self < Self::LEAKED).then_some(PeerId(self.0))
    }

    /// Whether a VRF exports the path: it came from a CE or is local.
    pub(crate) fn is_own(self) -> bool {
        self == Self::LOCAL || self < Self::LEAKED
    }
}

/// The labels of a path in 30 bits: the octets of one label, or the number of a longer stack; and the stale mark.
///
/// Routes without labels hold [`LabelRef::NONE`]. A local route, which has no labels either, holds its kind here; a route that a VRF imports
/// from an ASBR of option AB the link that leads there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LabelRef(u32);

impl LabelRef {
    /// No labels.
    pub(crate) const NONE: Self = Self(0);
    const STACK: u32 = 1 << 31;
    const STALE: u32 = 1 << 30;
    const ONE: u32 = 1 << 24;
    const LOCAL: u32 = 1 << 25;
    const DISCARD: u32 = 1 << 26;
    const VIA: u32 = 1 << 27;
    const ENTRY: u32 = 1 << 28;
    const LINK: u32 = 1 << 29;
    const NUMBER: u32 = Self::ONE - 1;

    /// One label.
    pub(crate) const fn one([a, b, c]: [u8; 3]) -> Self {
        Self(Self::ONE | u32::from_be_bytes([0, a, b, c]))
    }

    /// No labels: packets leave by the link of this number to another AS, one of those that the VRF has.
    pub(crate) const fn by_link(number: u16) -> Self {
        Self(Self::LINK | number as u32)
    }

    /// The link by which packets leave, where it is one.
    pub(crate) const fn link(self) -> Option<u16> {
        if self.0 & Self::LINK == 0 { None } else { Some((self.0 & 0xffff) as u16) }
    }

    /// Whether these are labels: neither none nor the kind of a local route.
    pub(crate) const fn is_stack(self) -> bool {
        self.0 & (Self::STACK | Self::ONE) != 0
    }

    /// The first label, unless there is none or there are several.
    pub(crate) fn single(self) -> Option<Label> {
        (self.0 & Self::ONE != 0).then(|| Label::from_low_bits((self.0 & Self::NUMBER) >> 4))
    }

    const fn without_stale(self) -> Self {
        Self(self.0 & !Self::STALE)
    }
}

/// Whom a route that a VRF of ours exports is for: its path identifier in the VPN table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// For everyone: it is the VRF's own.
    All,
    /// For all but ASBRs of option AB: one of those brought it.
    Within,
    /// For ASBRs of option AB only: another PE of ours brought it, and the others have it from there.
    Beyond,
}

impl Scope {
    /// The scope of a path that a VRF exports.
    pub(crate) const fn of(exported: &Path) -> Self {
        match exported.source {
            Source::IMPORTED if exported.labels.link().is_some() => Self::Within,
            Source::IMPORTED => Self::Beyond,
            _ => Self::All,
        }
    }

    /// The number it has as a path identifier.
    pub(crate) const fn path_id(self) -> u32 {
        self as u32
    }

    /// Whether a path of the VPN table that a VRF of ours exports is for ASBRs of option AB (`beyond`), or for all others.
    pub(crate) const fn allows(path: &Path, beyond: bool) -> bool {
        path.path_id == Self::All.path_id() || (path.path_id == Self::Beyond.path_id()) == beyond
    }
}

/// One path to a destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// Where it came from.
    pub(crate) source: Source,
    /// Its attribute set.
    pub(crate) attr: AttrId,
    /// Its labels.
    pub(crate) labels: LabelRef,
    /// ADD-PATH path identifier (0 where the session has none), or what [`Source`] says.
    pub(crate) path_id: u32,
}

impl Path {
    /// A local route of a VRF.
    pub(crate) const fn local(route: LocalRoute, attr: AttrId) -> Self {
        let (labels, path_id) = match route {
            LocalRoute::Local => (LabelRef::LOCAL, 0),
            LocalRoute::Discard => (LabelRef::DISCARD, 0),
            LocalRoute::Via(iface) => (LabelRef::VIA, iface.0),
            LocalRoute::Entry(entry) => (LabelRef::ENTRY, entry.0),
        };
        Self { source: Source::LOCAL, attr, labels: LabelRef(labels), path_id }
    }

    /// The local route that this path is, if it is one.
    pub(crate) const fn as_local(&self) -> Option<LocalRoute> {
        match self.labels.0 & !LabelRef::STALE {
            LabelRef::LOCAL => Some(LocalRoute::Local),
            LabelRef::DISCARD => Some(LocalRoute::Discard),
            LabelRef::VIA => Some(LocalRoute::Via(IfIndex(self.path_id))),
            LabelRef::ENTRY => Some(LocalRoute::Entry(NhlfeId(self.path_id))),
            _ => None,
        }
    }

    /// Whether both are what one peer calls one path. A VRF has one local route per destination, however it is reached.
    pub(crate) fn is_same_path(&self, source: Source, path_id: u32) -> bool {
        self.source == source && (self.path_id == path_id || source == Source::LOCAL)
    }

    /// Whether the peer's session ended, or it refreshes its routes, and the path was not confirmed since.
    pub(crate) const fn is_stale(&self) -> bool {
        self.labels.0 & LabelRef::STALE != 0
    }

    /// Marks the path as stale (RFC 4724 §4.2).
    pub(crate) fn set_stale(&mut self) {
        self.labels.0 |= LabelRef::STALE;
    }
}

/// Equal but for the stale mark: nobody needs to be told.
impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        (self.source, self.attr, self.path_id) == (other.source, other.attr, other.path_id)
            && self.labels.without_stale() == other.labels.without_stale()
    }
}

type Octets = SmallVec<[u8; 24]>;

#[derive(Debug, Default)]
struct Stack {
    octets: Octets,
    refs: u32,
}

/// Label stacks of more than one label, each stored once.
#[derive(Debug, Default)]
pub(crate) struct LabelStacks {
    stacks: Slab<Stack>,
    by_octets: HashMap<Octets, u32>,
}

impl LabelStacks {
    /// The reference for these labels, counted once more.
    pub(crate) fn intern(&mut self, labels: Labels<'_>) -> LabelRef {
        if let &[a, b, c] = labels.octets() {
            return LabelRef::one([a, b, c]);
        }
        self.intern_octets(labels.octets())
    }

    /// The reference for octets that stand in the place of labels, counted once more.
    pub(crate) fn intern_octets(&mut self, octets: &[u8]) -> LabelRef {
        let octets = Octets::from_slice(octets);
        let id = match self.by_octets.get(&octets) {
            Some(&id) => id,
            None => {
                let id = self.stacks.insert(Stack { octets: octets.clone(), refs: 0 });
                self.by_octets.insert(octets, id);
                id
            }
        };
        self.stacks.get_mut(id).refs += 1;
        LabelRef(LabelRef::STACK | id)
    }

    /// Counts a reference once more.
    pub(crate) fn retain(&mut self, labels: LabelRef) {
        if labels.0 & LabelRef::STACK != 0 {
            self.stacks.get_mut(labels.0 & LabelRef::NUMBER).refs += 1;
        }
    }

    /// Counts a reference once less.
    pub(crate) fn release(&mut self, labels: LabelRef) {
        if labels.0 & LabelRef::STACK == 0 {
            return;
        }
        let id = labels.0 & LabelRef::NUMBER;
        let stack = self.stacks.get_mut(id);
        stack.refs -= 1;
        if stack.refs == 0 {
            let stack = self.stacks.remove(id);
            self.by_octets.remove(&stack.octets);
        }
    }

    /// The octets of the labels as received.
    pub(crate) fn octets(&self, labels: LabelRef) -> SmallVec<[u8; 24]> {
        if labels.0 & LabelRef::STACK != 0 {
            return self.stacks.get(labels.0 & LabelRef::NUMBER).octets.clone();
        }
        if labels.0 & LabelRef::ONE != 0 {
            let [_, a, b, c] = labels.0.to_be_bytes();
            return SmallVec::from_slice(&[a, b, c]);
        }
        SmallVec::new()
    }

    /// The label at the bottom of the stack: in a VPN route the one that the egress PE handed out.
    pub(crate) fn bottom(&self, labels: LabelRef) -> Option<Label> {
        if labels.0 & LabelRef::STACK == 0 {
            return labels.single();
        }
        Labels::from_octets(&self.stacks.get(labels.0 & LabelRef::NUMBER).octets)?.iter().last()
    }

    /// The label values, top first. Implicit null stands for no label (RFC 3032 §2.1).
    pub(crate) fn stack(&self, labels: LabelRef) -> LabelStack {
        let octets = self.octets(labels);
        let labels: SmallVec<[Label; 8]> =
            Labels::from_octets(&octets).iter().flat_map(Labels::iter).filter(|l| *l != Label::IMPLICIT_NULL).collect();
        LabelStack::new(&labels).unwrap_or(LabelStack::EMPTY)
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.stacks.memory() + self.by_octets.capacity() * (size_of::<(Octets, u32)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_sixteen_octets() {
        assert_eq!(size_of::<Path>(), 16);
    }

    #[test]
    fn the_stale_mark_makes_no_difference_to_peers() {
        let fresh = Path { source: Source(1), attr: AttrId::EMPTY, labels: LabelRef::one([0, 1, 1]), path_id: 0 };
        let mut stale = fresh;
        stale.set_stale();
        assert!(stale.is_stale() && stale == fresh);
        assert_eq!(stale.labels.single(), Label::new(16));
    }

    #[test]
    fn stacks_are_shared_and_freed() {
        let mut stacks = LabelStacks::default();
        let two = [0, 1, 0, 0, 2, 1];
        let a = stacks.intern(Labels::from_octets(&two).unwrap());
        let b = stacks.intern(Labels::from_octets(&two).unwrap());
        assert_eq!(a, b);
        assert_eq!(stacks.octets(a).as_slice(), two);
        assert_eq!(stacks.stack(a).as_slice().len(), 2);
        stacks.release(a);
        stacks.release(b);
        assert_eq!((stacks.stacks.live(), stacks.by_octets.len()), (0, 0));
    }

    #[test]
    fn label_octets_are_kept_with_their_traffic_class_bits() {
        let mut stacks = LabelStacks::default();
        let one = stacks.intern(Labels::from_octets(&[0, 1, 0x0e]).unwrap());
        assert_eq!(stacks.octets(one).as_slice(), [0, 1, 0x0e]);
    }
}
