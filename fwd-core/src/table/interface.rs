//! Interfaces, by number.

use super::records::{RecordWriter, Records, Slot};
use super::word::Word;
use crate::net::{IfIndex, LabelSpaceId, Mac, VrfId};
use crate::op::Interface;

/// ```text
/// word 0: MTU (16) | VRF (16)      1, 2: MAC address (48) | flags (16)      3: label space + 1, or 0
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

impl Interfaces<'_> {
    #[inline]
    pub(crate) fn get(self, iface: IfIndex) -> Option<Interface> {
        self.0.get(iface.0).map(unpack)
    }

    /// The label space of the interface, if it has one of its own.
    #[inline]
    pub(crate) fn label_space(self, iface: IfIndex) -> Option<LabelSpaceId> {
        let [.., space, _] = self.0.get(iface.0)?;
        space.peek().checked_sub(1).map(LabelSpaceId)
    }
}

pub(super) fn pack(interface: &Interface, space: Option<LabelSpaceId>) -> [u32; WORDS] {
    let Mac([a, b, c, d, e, f]) = interface.mac;
    let flags = if interface.mpls { MPLS } else { 0 };
    let head = (interface.mtu as u32) << 16 | interface.vrf.0 as u32;
    [
        head,
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, 0, 0]) | flags,
        space.map_or(0, |space| space.0.saturating_add(1)),
        0,
    ]
}

#[inline]
fn unpack(record: &[Word; WORDS]) -> Interface {
    let [head, high, low, ..] = record;
    let (head, high, low) = (head.peek(), high.peek(), low.peek());
    let ([a, b, c, d], [e, f, ..]) = (high.to_be_bytes(), low.to_be_bytes());
    Interface { vrf: VrfId(head as u16), mac: Mac([a, b, c, d, e, f]), mtu: (head >> 16) as u16, mpls: low & MPLS != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_survives_its_record() {
        for mpls in [false, true] {
            let interface = Interface { vrf: VrfId(0xfffe), mac: Mac([2, 3, 4, 5, 6, 0xff]), mtu: 0x8001, mpls };
            assert_eq!(unpack(&pack(&interface, Some(LabelSpaceId(7))).map(Word::new)), interface);
        }
        assert_eq!(size_of::<InterfaceSlot>(), 64);
    }
}
