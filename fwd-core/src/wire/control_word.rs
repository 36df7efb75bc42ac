//! The pseudowire control word and its sequence numbers (RFC 4385 §3, §4; for Ethernet RFC 4448 §4.6), and the associated
//! channel header that stands in its place (RFC 4385 §5).

/// A control word in front of a pseudowire's payload (RFC 4385 §3).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+---+-----------+-------------------------------+
/// |0 0 0 0| flags |FRG|  length   |        sequence number        |
/// +-------+-------+---+-----------+-------------------------------+
/// ```
///
/// For Ethernet the 12 bits after the first nibble are reserved: sent as zero, ignored when received (RFC 4448 §4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ControlWord(pub [u8; 4]);

impl ControlWord {
    /// Octets of a control word.
    pub const LEN: usize = 4;

    /// The control word of an Ethernet pseudowire; `sequence` is 0 where packets are not numbered.
    #[inline]
    #[must_use]
    pub const fn ethernet(sequence: u16) -> Self {
        Self::new(0, 0, 0, sequence)
    }

    /// A control word; of `flags` the low four bits count, of `fragmentation` two, of `length` six. `length` is that of payload
    /// and control word together where it is below 64, and otherwise 0 (RFC 4385 §3).
    #[inline]
    #[must_use]
    pub const fn new(flags: u8, fragmentation: u8, length: u8, sequence: u16) -> Self {
        let [hi, lo] = sequence.to_be_bytes();
        Self([flags & 0x0f, (fragmentation & 3) << 6 | length & 0x3f, hi, lo])
    }

    /// The control word in front of `octets`, if they are long enough and begin with one: not with the first nibble of an
    /// associated channel or of an IP packet.
    #[inline]
    #[must_use]
    pub fn of(octets: &[u8]) -> Option<Self> {
        octets.first_chunk().copied().map(Self).filter(|word| word.0[0] >> 4 == 0)
    }

    /// The flags, whose meaning is the payload's, 0 to 15.
    #[inline]
    #[must_use]
    pub const fn flags(self) -> u8 {
        self.0[0] & 0x0f
    }

    /// The fragmentation bits (RFC 4623 §4.1): 0 whole, 1 first, 2 last, 3 between.
    #[inline]
    #[must_use]
    pub const fn fragmentation(self) -> u8 {
        self.0[1] >> 6
    }

    /// Octets of payload and control word, where they are below 64; else 0.
    #[inline]
    #[must_use]
    pub const fn length(self) -> u8 {
        self.0[1] & 0x3f
    }

    /// The sequence number; 0 says that there is none.
    #[inline]
    #[must_use]
    pub const fn sequence(self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }
}

/// The associated channel header of a pseudowire (RFC 4385 §5).
///
/// ```text
/// +-------+-------+---------------+-------------------------------+
/// |0 0 0 1|version|   reserved    |         channel type          |
/// +-------+-------+---------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AssociatedChannel(pub [u8; 4]);

impl AssociatedChannel {
    /// Octets of the header.
    pub const LEN: usize = 4;

    /// The header of a channel, version 0.
    #[inline]
    #[must_use]
    pub const fn new(channel: u16) -> Self {
        let [hi, lo] = channel.to_be_bytes();
        Self([0x10, 0, hi, lo])
    }

    /// The header in front of `octets`, if they are long enough and begin with one of version 0.
    #[inline]
    #[must_use]
    pub fn of(octets: &[u8]) -> Option<Self> {
        octets.first_chunk().copied().map(Self).filter(|header| header.0[0] == 0x10)
    }

    /// What the channel carries (IANA registry "MPLS Generalized Associated Channel Types").
    #[inline]
    #[must_use]
    pub const fn channel(self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }
}

/// Numbers that a pseudowire's packets are sent with (RFC 4385 §4.1): 1 to 65535, around and around without 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PwNumbering {
    last: u16,
}

impl PwNumbering {
    /// Nothing sent yet.
    pub const NEW: Self = Self { last: 0 };

    /// The number of the next packet.
    #[inline]
    pub fn number(&mut self) -> u16 {
        self.last = after(self.last);
        self.last
    }
}

/// Which numbered packets of a pseudowire are in order (RFC 4385 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PwOrder {
    expected: u16,
}

impl Default for PwOrder {
    fn default() -> Self {
        Self::NEW
    }
}

impl PwOrder {
    /// Nothing received yet: the first number is 1.
    pub const NEW: Self = Self { expected: 1 };
    /// Nothing received yet of what may have begun before, as a tree has for a leaf that comes late: the first number is any.
    pub const ANY: Self = Self { expected: 0 };

    /// Whether a packet of this number is in order; if so it is the newest from here on. 0 is always in order.
    #[inline]
    pub fn accept(&mut self, sequence: u16) -> bool {
        if sequence == 0 {
            return true;
        }
        let in_window = match sequence.checked_sub(self.expected) {
            _ if self.expected == 0 => true,
            Some(ahead) => ahead < 0x8000,
            None => self.expected.wrapping_sub(sequence) >= 0x8000,
        };
        if !in_window {
            return false;
        }
        self.expected = after(sequence);
        true
    }
}

/// The number after this one.
const fn after(sequence: u16) -> u16 {
    match sequence.wrapping_add(1) {
        0 => 1,
        next => next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L2VPN-5.2-3
    #[test]
    fn the_words_of_the_figures() {
        let word = ControlWord::new(0b1010, 0b01, 0b11_0011, 0x1234);
        assert_eq!(word.0, [0x0a, 0x73, 0x12, 0x34]);
        assert_eq!((word.flags(), word.fragmentation(), word.length(), word.sequence()), (10, 1, 51, 0x1234));
        assert_eq!(ControlWord::ethernet(7).0, [0, 0, 0, 7]);
        assert_eq!(ControlWord::of(&[0x10, 0, 0, 0x21]), None);
        assert_eq!(ControlWord::of(&[0, 0, 0]), None);
        assert_eq!(ControlWord::of(&[0, 0, 0, 1, 9]), Some(ControlWord::ethernet(1)));

        let channel = AssociatedChannel::new(0x0021);
        assert_eq!((channel.0, channel.channel()), ([0x10, 0, 0, 0x21], 0x21));
        assert_eq!(AssociatedChannel::of(&channel.0), Some(channel));
        assert_eq!(AssociatedChannel::of(&[0x11, 0, 0, 0x21]), None);
    }

    /// Shows: L2VPN-5.2-3
    #[test]
    fn numbers_leave_zero_out() {
        let mut numbering = PwNumbering::NEW;
        assert_eq!((numbering.number(), numbering.number()), (1, 2));
        numbering.last = 65534;
        assert_eq!((numbering.number(), numbering.number(), numbering.number()), (65535, 1, 2));
    }

    /// Shows: L2VPN-5.2-3
    #[test]
    fn order_is_that_of_the_rfc() {
        let mut order = PwOrder::NEW;
        assert!(order.accept(0) && order.accept(1) && order.accept(2));
        assert!(!order.accept(2) && !order.accept(1), "old");
        assert!(order.accept(100), "a gap is in the window");
        assert!(order.accept(101 + 32767));
        assert!(!order.accept(102), "out of the window on the other side");
        order.expected = 65535;
        assert!(order.accept(65535));
        assert_eq!(order.expected, 1);
        assert!(!order.accept(65535) && order.accept(1));
        let mut late = PwOrder::ANY;
        assert!(late.accept(0) && late.accept(40_000) && !late.accept(39_999) && late.accept(40_001));
        order.expected = 0xffff;
        assert!(order.accept(5), "32768 less than expected or more is ahead");
    }
}
