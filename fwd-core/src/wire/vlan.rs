//! VLAN tags (IEEE 802.1Q §9.6), and frames that gain, lose or change one (802.1Q, 802.1ad "QinQ").

use core::borrow::{Borrow, BorrowMut};

use super::{EtherType, Ethernet};
use crate::frame::Frame;
use crate::net::VlanId;

/// What follows the tag protocol identifier.
///
/// ```text
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-----+-+-----------------------+-------------------------------+
/// | PCP |D|          VID          |           ethertype           |
/// +-----+-+-----------------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan<T>(pub T);

impl Vlan<[u8; 4]> {
    /// Octets of a tag, its protocol identifier included.
    pub const LEN: usize = 4;

    /// A tag; of `priority` the low three bits count. No VLAN makes it a priority tag.
    #[must_use]
    pub const fn new(priority: u8, drop_eligible: bool, vlan: Option<VlanId>, ethertype: EtherType) -> Self {
        let id = match vlan {
            Some(vlan) => vlan.value(),
            None => 0,
        };
        let [hi, lo] = (((priority & 7) as u16) << 13 | (drop_eligible as u16) << 12 | id).to_be_bytes();
        let [t0, t1] = ethertype.0.to_be_bytes();
        Self([hi, lo, t0, t1])
    }
}

impl<'a> Vlan<&'a [u8; 4]> {
    /// The tag in front of `octets`, if they are long enough.
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }
}

impl<T: Borrow<[u8; 4]>> Vlan<T> {
    /// The priority code point, 0 to 7.
    #[must_use]
    pub fn priority(&self) -> u8 {
        let [first, ..] = *self.0.borrow();
        first >> 5
    }

    /// Whether the frame may be dropped first (DEI).
    #[must_use]
    pub fn drop_eligible(&self) -> bool {
        let [first, ..] = *self.0.borrow();
        first & 0x10 != 0
    }

    /// The VLAN; `None` for a priority tag (0) and the reserved value 4095.
    #[must_use]
    pub fn vlan(&self) -> Option<VlanId> {
        let [hi, lo, ..] = *self.0.borrow();
        VlanId::new(u16::from_be_bytes([hi & 0x0f, lo]))
    }

    /// What follows the tag.
    #[must_use]
    pub fn ethertype(&self) -> EtherType {
        let [.., hi, lo] = *self.0.borrow();
        EtherType(u16::from_be_bytes([hi, lo]))
    }
}

impl<T: BorrowMut<[u8; 4]>> Vlan<T> {
    /// Sets the VLAN; priority and drop eligibility stay.
    pub fn set_vlan(&mut self, vlan: VlanId) {
        let [hi, lo, ..] = self.0.borrow_mut();
        let [high, low] = vlan.value().to_be_bytes();
        (*hi, *lo) = (*hi & 0xf0 | high, low);
    }

    /// Sets the priority code point, of which the low three bits count.
    pub fn set_priority(&mut self, priority: u8) {
        let [first, ..] = self.0.borrow_mut();
        *first = *first & 0x1f | priority << 5;
    }
}

/// The outermost tag of a frame, and its protocol identifier; `None` if the frame has none.
#[must_use]
pub fn outer(octets: &[u8]) -> Option<(EtherType, Vlan<&[u8; 4]>)> {
    let ethertype = Ethernet::of(octets)?.ethertype();
    let tag = Vlan::of(octets.get(Ethernet::LEN..)?)?;
    is_tag(ethertype).then_some((ethertype, tag))
}

/// Whether this is the protocol identifier of a tag.
#[inline]
#[must_use]
pub const fn is_tag(ethertype: EtherType) -> bool {
    matches!(ethertype, EtherType::C_VLAN | EtherType::S_VLAN)
}

/// Octets of both addresses.
const ADDRESSES: usize = 12;
const WITH_TAG: usize = ADDRESSES + Vlan::LEN;

/// Gives the frame another tag, outside of those it has; the addresses move four octets into the headroom, the payload stays.
/// Changes nothing and returns `None` if there is no headroom or the frame is too short to be one.
pub fn push(frame: &mut Frame<'_>, tpid: EtherType, priority: u8, drop_eligible: bool, vlan: VlanId) -> Option<()> {
    Ethernet::of(frame.octets())?;
    frame.reframe(0, Vlan::LEN)?;
    let head: &mut [u8; WITH_TAG] = frame.octets_mut().first_chunk_mut()?;
    head.copy_within(Vlan::LEN.., 0);
    let [.., p0, p1, t0, t1] = head;
    [*p0, *p1] = tpid.0.to_be_bytes();
    let [hi, lo, ..] = Vlan::new(priority, drop_eligible, Some(vlan), tpid).0;
    (*t0, *t1) = (hi, lo);
    Some(())
}

/// Takes the outermost tag off the frame, and returns its protocol identifier and the tag. Changes nothing and returns `None`
/// if there is none.
pub fn pop(frame: &mut Frame<'_>) -> Option<(EtherType, Vlan<[u8; 4]>)> {
    let (tpid, tag) = outer(frame.octets())?;
    let tag = Vlan(*tag.0);
    let head: &mut [u8; WITH_TAG] = frame.octets_mut().first_chunk_mut()?;
    head.copy_within(..ADDRESSES, Vlan::LEN);
    frame.reframe(Vlan::LEN, 0)?;
    Some((tpid, tag))
}

/// Gives the outermost tag another VLAN; priority, drop eligibility and identifier stay. `None` if there is no tag.
pub fn translate(frame: &mut Frame<'_>, vlan: VlanId) -> Option<()> {
    outer(frame.octets())?;
    let tag = frame.octets_mut().get_mut(Ethernet::LEN..)?.first_chunk_mut::<{ Vlan::LEN }>()?;
    Vlan(tag).set_vlan(vlan);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read() {
        let tag = Vlan::of(&[0xb0, 0x64, 0x08, 0x00]).unwrap();
        assert_eq!((tag.priority(), tag.drop_eligible(), tag.vlan()), (5, true, VlanId::new(100)));
        assert_eq!(tag.ethertype(), EtherType::IPV4);
        assert_eq!(Vlan([0xe0, 0, 0, 0]).vlan(), None);
    }

    #[test]
    fn a_tag_is_written() {
        let mut tag = Vlan::new(5, true, VlanId::new(0x123), EtherType::IPV6);
        assert_eq!(tag.0, [0xb1, 0x23, 0x86, 0xdd]);
        tag.set_vlan(VlanId::new(0xfed).unwrap());
        tag.set_priority(2);
        assert_eq!(tag.0, [0x5f, 0xed, 0x86, 0xdd]);
        assert_eq!(Vlan::new(7, false, None, EtherType::IPV4).vlan(), None);
    }

    #[test]
    fn tags_are_pushed_translated_and_popped_in_place() {
        const PLAIN: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x45, 0x99];
        let (inner, service) = (VlanId::new(100).unwrap(), VlanId::new(4094).unwrap());
        let mut buffer = [0; 8 + PLAIN.len()];
        buffer[8..].copy_from_slice(&PLAIN);
        let mut frame = Frame::new(&mut buffer, 8, PLAIN.len()).unwrap();
        assert_eq!((pop(&mut frame), translate(&mut frame, inner)), (None, None));

        push(&mut frame, EtherType::C_VLAN, 3, false, inner).unwrap();
        push(&mut frame, EtherType::S_VLAN, 5, true, service).unwrap();
        assert_eq!(push(&mut frame, EtherType::S_VLAN, 0, false, inner), None, "no headroom");
        let tags = [0x88, 0xa8, 0xbf, 0xfe, 0x81, 0x00, 0x60, 100, 8, 0];
        assert_eq!((&frame.octets()[..12], &frame.octets()[12..22]), (&PLAIN[..12], &tags[..]));

        translate(&mut frame, VlanId::new(7).unwrap()).unwrap();
        let (tpid, tag) = pop(&mut frame).unwrap();
        assert_eq!((tpid, tag.vlan(), tag.priority()), (EtherType::S_VLAN, VlanId::new(7), 5));
        assert!(tag.drop_eligible());
        assert_eq!(pop(&mut frame).unwrap().1.vlan(), Some(inner));
        assert_eq!(frame.octets(), PLAIN);

        let mut short = [0; 20];
        let mut frame = Frame::new(&mut short, 7, 13).unwrap();
        assert_eq!(push(&mut frame, EtherType::C_VLAN, 0, false, inner), None);
    }
}
