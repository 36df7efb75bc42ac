//! A packet in a buffer with room in front of it.

use crate::net::LabelStack;
use crate::op::NextHop;

/// An Ethernet frame (without frame check sequence) in a lent buffer, with room in front of it, so that labels are pushed
/// without moving the payload.
///
/// ```text
/// | headroom | Ethernet header | labels | packet | tailroom |
/// 0          start                               end        buffer length
/// ```
///
/// ```
/// use fwd_core::Frame;
/// let mut buffer = [0; Frame::HEADROOM + 64];
/// let frame = Frame::new(&mut buffer, Frame::HEADROOM, 60).unwrap();
/// assert_eq!((frame.octets().len(), frame.headroom()), (60, Frame::HEADROOM));
/// ```
#[derive(Debug)]
pub struct Frame<'b> {
    buffer: &'b mut [u8],
    start: usize,
    end: usize,
}

impl<'b> Frame<'b> {
    /// Headroom that suffices for every packet: the labels of the longest chain of entries; the longest headers of a virtual
    /// link, L2TPv3 over UDP over IPv6 with cookie and sublayer; and those of ESP with an initialization vector of 16 octets.
    pub const HEADROOM: usize = NextHop::MAX_DEPTH * LabelStack::CAPACITY * 4 + (40 + 8 + 8 + 8 + 4) + (8 + 16);

    /// The frame of `len` octets that starts at `headroom`; `None` if the buffer is too short.
    #[must_use]
    pub fn new(buffer: &'b mut [u8], headroom: usize, len: usize) -> Option<Self> {
        let end = headroom.checked_add(len).filter(|&end| end <= buffer.len())?;
        Some(Self { buffer, start: headroom, end })
    }

    /// The frame, from the Ethernet header on.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// The frame, from the Ethernet header on.
    #[must_use]
    pub fn octets_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Octets of the frame.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Octets in front of the frame.
    #[must_use]
    pub const fn headroom(&self) -> usize {
        self.start
    }

    /// The octets of the frame from `offset` on; none if it is shorter.
    #[inline]
    pub(crate) fn after(&self, offset: usize) -> &[u8] {
        self.octets().get(offset..).unwrap_or_default()
    }

    /// Octets left in front when the first `strip` of the frame are gone.
    #[inline]
    pub(crate) const fn room(&self, strip: usize) -> usize {
        self.start.saturating_add(strip)
    }

    /// Cuts the frame to `len` octets, if it is longer.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start.saturating_add(len));
    }

    /// Adds `len` octets behind; `false`, and no change, if the buffer has not that many.
    pub(crate) fn extend(&mut self, len: usize) -> bool {
        match self.end.checked_add(len).filter(|&end| end <= self.buffer.len()) {
            Some(end) => self.end = end,
            None => return false,
        }
        true
    }

    /// The buffer in front of what stays if `strip` octets go, and what stays.
    #[inline]
    pub(crate) fn split(&mut self, strip: usize) -> Option<(&mut [u8], &mut [u8])> {
        let at = self.start.checked_add(strip)?;
        self.buffer.get_mut(..self.end)?.split_at_mut_checked(at)
    }

    /// Puts `push` octets, which are written, in the place of the first `strip`, and cuts the frame where it had `end`: all of them are
    /// there.
    #[inline]
    pub(crate) const fn replace(&mut self, strip: usize, push: usize, end: usize) {
        self.end = self.start.wrapping_add(end);
        self.start = self.start.wrapping_add(strip).wrapping_sub(push);
    }

    /// Removes `strip` octets in front, then puts room for `push` octets there. Changes nothing and returns `None` if there is
    /// not that much.
    #[inline]
    pub(crate) fn reframe(&mut self, strip: usize, push: usize) -> Option<&mut [u8]> {
        let kept = self.start.checked_add(strip).filter(|&at| at <= self.end)?;
        self.start = kept.checked_sub(push)?;
        self.buffer.get_mut(self.start..kept)
    }
}

/// Without octets.
impl Default for Frame<'_> {
    fn default() -> Self {
        Self { buffer: &mut [], start: 0, end: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lies_inside_its_buffer() {
        let mut buffer = [0; 10];
        assert!(Frame::new(&mut buffer, 4, 7).is_none());
        assert!(Frame::new(&mut buffer, usize::MAX, 2).is_none());
        assert!(Frame::new(&mut buffer, 4, 6).is_some());
    }

    #[test]
    fn headers_are_replaced_in_place() {
        let mut buffer: [u8; 10] = core::array::from_fn(|i| i as u8);
        let mut frame = Frame::new(&mut buffer, 4, 5).unwrap();
        assert!(frame.reframe(6, 0).is_none());
        assert!(frame.reframe(1, 6).is_none());
        assert_eq!(frame.octets(), [4, 5, 6, 7, 8]);
        frame.reframe(1, 2).unwrap().fill(0xff);
        frame.truncate(4);
        assert_eq!(frame.octets(), [0xff, 0xff, 5, 6]);
        assert_eq!((frame.headroom(), frame.room(2), frame.after(3)), (3, 5, &[6][..]));
        assert!(frame.after(5).is_empty());
    }
}
