//! VPN labels that this PE hands out (RFC 4364 §4.3.2, RFC 8277 §2.4), and their ILM entries.
//!
//! A label is programmed before it is announced, and taken out of the forwarding plane only when no peer can still hold a
//! route with it: routes count the labels they announce or announced, and a label without count is cleared and free.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use fwd_core::net::{Label, LabelSpaceId, NhlfeId};
use fwd_core::op::{FwdOp, Ilm, IlmAction};
use hashbrown::HashMap;

use super::label_space::LabelSpaces;

/// A destination of a VRF that has a label of its own: whether it is an IPv6 one, and its number in the table.
pub(crate) type OwnPrefix = (bool, u32);

#[derive(Clone, Copy, Debug)]
struct Slot {
    ilm: Option<Ilm>,
    refs: u32,
    vrf: u16,
    own_prefix: Option<OwnPrefix>,
    /// The entry that packets with this label are handed to, where the label stands for one.
    swap: Option<u32>,
    refused: bool,
    queued: bool,
    programmed: bool,
}

/// The labels of one speaker.
#[derive(Debug)]
pub(crate) struct VpnLabels {
    first: u32,
    last: u32,
    slots: Vec<Slot>,
    free: VecDeque<u32>,
    changed: VecDeque<u32>,
    by_swap: HashMap<u32, Label>,
    /// Entries whose label was cleared.
    swapped: Vec<u32>,
    /// Labels in the label spaces of interfaces.
    spaces: LabelSpaces,
}

impl VpnLabels {
    /// Labels from `first` to `last`.
    pub(crate) fn new((first, last): (Label, Label)) -> Self {
        Self {
            first: first.value(),
            last: last.value(),
            slots: Vec::new(),
            free: VecDeque::new(),
            changed: VecDeque::new(),
            by_swap: HashMap::new(),
            swapped: Vec::new(),
            spaces: LabelSpaces::default(),
        }
    }

    fn slot(&mut self, label: Label) -> Option<&mut Slot> {
        self.slots.get_mut(label.value().checked_sub(self.first)? as usize)
    }

    fn get(&self, label: Label) -> Option<&Slot> {
        self.slots.get(label.value().checked_sub(self.first)? as usize)
    }

    fn queue(&mut self, label: Label) {
        if let Some(slot) = self.slot(label) {
            if !core::mem::replace(&mut slot.queued, true) {
                self.changed.push_back(label.value());
            }
        }
    }

    /// A free label with this entry, counted once; `None` when the range is used up. A freed label rests as long as
    /// there are others.
    pub(crate) fn allocate(&mut self, vrf: u16, own_prefix: Option<OwnPrefix>, ilm: Ilm) -> Option<Label> {
        let fresh = self.first + self.slots.len() as u32;
        let value = if fresh <= self.last {
            self.slots.push(Slot {
                ilm: None,
                refs: 0,
                vrf,
                own_prefix,
                swap: None,
                refused: false,
                queued: false,
                programmed: false,
            });
            fresh
        } else {
            self.free.pop_front()?
        };
        let label = Label::from_low_bits(value);
        let slot = self.slot(label)?;
        *slot = Slot { ilm: Some(ilm), refs: 1, vrf, own_prefix, swap: None, refused: false, ..*slot };
        self.queue(label);
        Some(label)
    }

    /// A free label that hands packets to an entry, counted once. The entry, which the caller counted for it, is the label's
    /// until [`Self::take_swapped`] names it.
    pub(crate) fn allocate_swap(&mut self, vrf: u16, entry: u32, ilm: Ilm) -> Option<Label> {
        let label = self.allocate(vrf, None, ilm)?;
        self.slot(label)?.swap = Some(entry);
        self.by_swap.insert(entry, label);
        Some(label)
    }

    /// The label that hands packets to an entry, if there is one.
    pub(crate) fn of_swap(&self, entry: u32) -> Option<Label> {
        self.by_swap.get(&entry).copied()
    }

    /// Whether the label hands packets to an entry.
    pub(crate) fn is_swap(&self, label: Label) -> bool {
        self.get(label).is_some_and(|s| s.swap.is_some())
    }

    /// Entries that no label leads to any more.
    pub(crate) fn take_swapped(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.swapped)
    }

    /// Labels that hand packets to entries and were refused: the forwarding plane is asked again.
    pub(crate) fn retry_swaps(&mut self) {
        let refused = |(_, s): &(u32, &Slot)| s.refused && s.swap.is_some();
        let labels: Vec<u32> = (self.first..).zip(&self.slots).filter(refused).map(|(value, _)| value).collect();
        labels.into_iter().for_each(|value| self.retry(Label::from_low_bits(value)));
    }

    /// Counts a route more.
    pub(crate) fn retain(&mut self, label: Label) {
        if let Some(slot) = self.slot(label) {
            slot.refs += 1;
        }
    }

    /// Counts a route less; without count the label is cleared and free.
    pub(crate) fn release(&mut self, label: Label) {
        let Some(slot) = self.slot(label) else { return };
        if slot.refs == 0 {
            return;
        }
        slot.refs -= 1;
        if slot.refs > 0 {
            return;
        }
        slot.ilm = None;
        let swap = slot.swap.take();
        if let Some(entry) = swap {
            self.swapped.push(entry);
            if self.by_swap.get(&entry) == Some(&label) {
                self.by_swap.remove(&entry);
            }
        }
        self.free.push_back(label.value());
        self.queue(label);
    }

    /// Changes what the label does.
    pub(crate) fn set_ilm(&mut self, label: Label, ilm: Ilm) {
        let Some(slot) = self.slot(label) else { return };
        if slot.ilm.is_some_and(|was| was != ilm) {
            slot.ilm = Some(ilm);
            slot.refused = false;
            self.queue(label);
        }
    }

    /// The label of a prefix does this from now on, for the prefix by this number.
    pub(crate) fn renew(&mut self, label: Label, own_prefix: OwnPrefix, ilm: Ilm) {
        if let Some(slot) = self.slot(label) {
            slot.own_prefix = Some(own_prefix);
        }
        self.set_ilm(label, ilm);
    }

    /// Takes labels of a VRF out of the forwarding plane at once, while peers may still hold routes with them: those that
    /// forward to `nhlfe`, or all. What they led to is gone, and may be another VPN's next. They are not handed out again
    /// before their count says so.
    pub(crate) fn cut(&mut self, vrf: u16, nhlfe: Option<NhlfeId>) {
        let leads_there = |ilm: Ilm| nhlfe.is_none_or(|nhlfe| ilm.action == IlmAction::Forward(nhlfe));
        let mut cut = Vec::new();
        for (value, slot) in (self.first..).zip(&mut self.slots) {
            if slot.vrf == vrf && slot.ilm.is_some_and(leads_there) {
                (slot.ilm, slot.own_prefix) = (None, None);
                if let Some(entry) = slot.swap {
                    self.by_swap.remove(&entry);
                }
                cut.push(Label::from_low_bits(value));
            }
        }
        cut.into_iter().for_each(|label| self.queue(label));
    }

    /// Whether the label stands for one prefix.
    pub(crate) fn is_of_prefix(&self, label: Label) -> bool {
        self.get(label).is_some_and(|s| s.own_prefix.is_some() && s.ilm.is_some())
    }

    /// Whether the forwarding plane has no room for the label.
    pub(crate) fn is_refused(&self, label: Label) -> bool {
        self.get(label).is_some_and(|s| s.refused)
    }

    /// The forwarding plane had no room for the label; returns the slot of the VRF that uses it, and the prefix whose own
    /// label it is.
    pub(crate) fn refuse(&mut self, label: Label) -> Option<(u16, Option<OwnPrefix>)> {
        let slot = self.slot(label)?;
        slot.ilm?;
        slot.refused = true;
        slot.programmed = false;
        Some((slot.vrf, slot.own_prefix))
    }

    /// The forwarding plane is asked again for a label that it refused.
    pub(crate) fn retry(&mut self, label: Label) {
        if self.slot(label).is_some_and(|s| core::mem::take(&mut s.refused)) {
            self.queue(label);
        }
    }

    /// The next change for the forwarding plane.
    pub(crate) fn poll(&mut self) -> Option<FwdOp> {
        if let Some(op) = self.spaces.poll() {
            return Some(op);
        }
        while let Some(value) = self.changed.pop_front() {
            let label = Label::from_low_bits(value);
            let Some(slot) = self.slot(label) else { continue };
            slot.queued = false;
            match slot.ilm {
                Some(ilm) => {
                    slot.programmed = true;
                    self.spaces.changed(label, Some(ilm));
                    return Some(FwdOp::SetIlm { label, ilm });
                }
                None if core::mem::take(&mut slot.programmed) => {
                    self.spaces.changed(label, None);
                    return Some(FwdOp::ClearIlm { label });
                }
                None => {}
            }
        }
        None
    }

    /// A peer is about to be told a route with this label, and packets from it are looked up in a space of its own; the op that is
    /// to come first.
    pub(crate) fn tell(&mut self, space: LabelSpaceId, label: Label) -> Option<FwdOp> {
        let ilm = self.get(label)?.ilm;
        self.spaces.tell(space, label, ilm)
    }

    /// Such a peer holds a route with this label less; the op that is to follow.
    pub(crate) fn untell(&mut self, space: LabelSpaceId, label: Label) -> Option<FwdOp> {
        self.spaces.untell(space, label)
    }

    /// Labels in use.
    pub(crate) fn in_use(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + (self.free.capacity() + self.changed.capacity()) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwd_core::net::{NhlfeId, VrfId};
    use fwd_core::op::{IlmAction, TunnelModel};

    const POP: Ilm = Ilm { action: IlmAction::PopLookup(VrfId(1)), model: TunnelModel::Uniform };
    const FORWARD: Ilm = Ilm { action: IlmAction::Forward(NhlfeId(9)), model: TunnelModel::Uniform };

    fn label(value: u32) -> Label {
        Label::new(value).unwrap()
    }

    #[test]
    fn the_range_is_kept_and_freed_labels_come_back_after_their_clearing() {
        let mut labels = VpnLabels::new((label(100), label(101)));
        assert_eq!(labels.allocate(1, None, POP), Some(label(100)));
        assert_eq!(labels.allocate(1, Some((false, 7)), FORWARD), Some(label(101)));
        assert_eq!(labels.allocate(1, Some((false, 7)), FORWARD), None);
        labels.retain(label(100));
        labels.release(label(100));
        assert!(matches!(labels.poll(), Some(FwdOp::SetIlm { label: l, ilm: POP }) if l == label(100)));
        assert!(matches!(labels.poll(), Some(FwdOp::SetIlm { .. })));
        assert_eq!(labels.poll(), None);
        labels.release(label(100));
        assert_eq!(labels.poll(), Some(FwdOp::ClearIlm { label: label(100) }));
        assert_eq!(labels.in_use(), 1);
        assert_eq!(labels.allocate(2, None, FORWARD), Some(label(100)));
    }

    #[test]
    fn what_was_never_programmed_is_not_cleared() {
        let mut labels = VpnLabels::new((label(100), label(101)));
        let l = labels.allocate(1, None, POP).unwrap();
        labels.release(l);
        assert_eq!(labels.poll(), None);
    }
}
