//! Interfaces, by number.

use super::records::{RecordWriter, Records, Slot};
use super::word::Word;
use crate::net::{IfIndex, LabelSpaceId, Mac, MacWords, VrfId};
use crate::op::Interface;

/// ```text
/// word 0: MTU (16) | VRF (16)      1, 2: MAC address (48) | flags (16)      3: label space + 1, or 0
/// 4: 1 if it is down, changed in place
/// ```
const WORDS: usize = 5;

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

    /// The whole of it, but for the label space.
    pub(crate) fn interface(self) -> Interface {
        Interface { vrf: self.vrf(), mac: Mac::from_words(self.mac()), mtu: self.mtu(), mpls: self.takes_labels() }
    }
}

pub(super) fn pack(interface: &Interface, space: Option<LabelSpaceId>, is_down: bool) -> [u32; WORDS] {
    let [high, low] = interface.mac.words();
    let flags = if interface.mpls { MPLS } else { 0 };
    let head = (interface.mtu as u32) << 16 | interface.vrf.0 as u32;
    [head, high, low | flags, space.map_or(0, |space| space.0.saturating_add(1)), u32::from(is_down)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_survives_its_record() {
        for mpls in [false, true] {
            let interface = Interface { vrf: VrfId(0xfffe), mac: Mac([2, 3, 4, 5, 6, 0xff]), mtu: 0x8001, mpls };
            let record = pack(&interface, Some(LabelSpaceId(7)), mpls).map(Word::new);
            let read = Record(&record);
            let rest = (read.label_space(), read.is_down());
            assert_eq!((read.interface(), rest), (interface, (Some(LabelSpaceId(7)), mpls)));
        }
        assert_eq!(size_of::<InterfaceSlot>(), 64);
    }
}
