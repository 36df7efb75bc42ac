//! Interfaces, by number.

use super::records::{RecordWriter, Records, Slot};
use super::word::Word;
use crate::net::{IfIndex, LabelSpaceId, Mac, MacWords, VrfId};
use crate::op::Interface;

/// ```text
/// word 0: MTU (16) | VRF (16)      1, 2: MAC address (48) | flags (16)      3: label space + 1, or 0
/// 4: upstream label space + 1, or 0      5: 1 if it is down, changed in place
/// ```
const WORDS: usize = 6;

/// Takes labelled packets.
const MPLS: u32 = 1;

/// One interface, or none.
pub type InterfaceSlot = Slot<WORDS>;

/// Interfaces numbered from 0, as readers see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interfaces<'m>(pub(super) Records<'m, WORDS>);

/// The writer of the interfaces.
pub(super) type InterfaceWriter<'m> = RecordWriter<'m, WORDS>;

/// An interface, read where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'m>(&'m [Word; WORDS]);

impl<'m> Interfaces<'m> {
    #[inline]
    pub(crate) fn record(self, iface: IfIndex) -> Option<Record<'m>> {
        self.0.get(iface.0).map(Record)
    }
}

impl Record<'_> {
    #[inline]
    pub(crate) fn vrf(self) -> VrfId {
        let [head, ..] = self.0;
        VrfId(head.peek() as u16)
    }

    #[inline]
    pub(crate) fn mtu(self) -> u16 {
        let [head, ..] = self.0;
        (head.peek() >> 16) as u16
    }

    #[inline]
    pub(crate) fn mac(self) -> MacWords {
        let [_, high, low, ..] = self.0;
        [high.peek(), low.peek() & 0xffff_0000]
    }

    /// Whether it takes labelled packets.
    #[inline]
    pub(crate) fn takes_labels(self) -> bool {
        let [_, _, low, ..] = self.0;
        low.peek() & MPLS != 0
    }

    /// Its label space, if it has one of its own.
    #[inline]
    pub(crate) fn label_space(self) -> Option<LabelSpaceId> {
        let [_, _, _, space, ..] = self.0;
        space.peek().checked_sub(1).map(LabelSpaceId)
    }

    /// The label space of labels that their senders assigned, if it takes such.
    #[inline]
    pub(crate) fn upstream_space(self) -> Option<LabelSpaceId> {
        let [.., space, _] = self.0;
        space.peek().checked_sub(1).map(LabelSpaceId)
    }

    /// Whether it is down.
    #[inline]
    pub(crate) fn is_down(self) -> bool {
        let [.., down] = self.0;
        down.load() != 0
    }

    /// Says whether it is down. The writer's.
    pub(super) fn set_down(self, is_down: bool) {
        let [.., down] = self.0;
        down.publish(u32::from(is_down));
    }

    /// The whole of it, but for the label spaces.
    pub(crate) fn interface(self) -> Interface {
        Interface { vrf: self.vrf(), mac: Mac::from_words(self.mac()), mtu: self.mtu(), mpls: self.takes_labels() }
    }
}

/// The label space of an interface, and that of labels which their senders assigned.
pub(super) type Spaces = [Option<LabelSpaceId>; 2];

pub(super) fn pack(interface: &Interface, spaces: Spaces, is_down: bool) -> [u32; WORDS] {
    let [high, low] = interface.mac.words();
    let flags = if interface.mpls { MPLS } else { 0 };
    let head = (interface.mtu as u32) << 16 | interface.vrf.0 as u32;
    let [space, upstream] = spaces.map(|space| space.map_or(0, |space| space.0.saturating_add(1)));
    [head, high, low | flags, space, upstream, u32::from(is_down)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_survives_its_record() {
        for mpls in [false, true] {
            let interface = Interface { vrf: VrfId(0xfffe), mac: Mac([2, 3, 4, 5, 6, 0xff]), mtu: 0x8001, mpls };
            for spaces in [[Some(LabelSpaceId(7)), None], [None, Some(LabelSpaceId(8))]] {
                let record = pack(&interface, spaces, mpls).map(Word::new);
                let read = Record(&record);
                assert_eq!(
                    (read.interface(), [read.label_space(), read.upstream_space()], read.is_down()),
                    (interface, spaces, mpls)
                );
            }
        }
        assert_eq!(size_of::<InterfaceSlot>(), 64);
    }
}
