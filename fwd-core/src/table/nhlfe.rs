//! Next hop label forwarding entries, by number (RFC 3031 §3.10).

use super::records::{RecordWriter, Records, Slot};
use super::word::Word;
use crate::net::{EcmpId, IfIndex, Label, LabelStack, Mac, MacWords, NhlfeId, ProtectionId, VlinkId};
use crate::op::{Assigned, NextHop, Nhlfe, TunnelModel};

/// ```text
/// word 0: unused (8) | entropy indicators (8) | labels (8) | model (4) | next hop (4)      1: interface, entry or link
/// 2, 3: MAC address (48) | unused (16)      4 to 11: labels, the bottom one first, as high bits of their stack entries
/// ```
const WORDS: usize = 13;

/// One entry, or none. One cache line.
pub type NhlfeSlot = Slot<WORDS>;

/// Entries numbered from 0, as readers see them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nhlfes<'m>(pub(super) Records<'m, WORDS>);

/// The writer of the entries.
pub(super) type NhlfeWriter<'m> = RecordWriter<'m, WORDS>;

/// An entry, read where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'m> {
    /// Its first word.
    head: u32,
    words: &'m [Word; WORDS],
}

const NEIGHBOR: u32 = 0;
const NHLFE: u32 = 1;
const LOCAL: u32 = 2;
const DISCARD: u32 = 3;
const VLINK: u32 = 4;
const ECMP: u32 = 5;
const PROTECTED: u32 = 6;
const LAN: u32 = 7;
const LAN_UPSTREAM: u32 = 8;

impl<'m> Nhlfes<'m> {
    #[inline]
    pub(crate) fn get(self, id: NhlfeId) -> Option<Entry<'m>> {
        self.0.get(id.0).map(Entry::of)
    }
}

impl<'m> Entry<'m> {
    #[inline]
    fn of(words: &'m [Word; WORDS]) -> Self {
        let [head, ..] = words;
        Self { head: head.peek(), words }
    }

    /// The neighbour's address, if the next hop is one.
    #[inline]
    pub(crate) fn mac(self) -> MacWords {
        let [_, _, high, low, ..] = self.words;
        [high.peek(), low.peek()]
    }

    /// Whether it leads into a virtual link.
    #[inline]
    pub(crate) fn is_vlink(self) -> bool {
        self.head & 0xf == VLINK
    }

    /// How many labels it pushes.
    #[inline]
    pub(crate) fn label_count(self) -> usize {
        ((self.head >> 8) & 0xff) as usize
    }

    /// How many of them are entropy label indicators: each brings an entropy label with it.
    #[inline]
    pub(crate) fn entropy_count(self) -> usize {
        ((self.head >> 16) & 0xff) as usize
    }

    /// The labels it pushes, the bottom one first.
    #[inline]
    pub(crate) fn labels(self) -> impl DoubleEndedIterator<Item = Label> + 'm {
        self.stack_words().map(|word| Label::from_low_bits(word >> 12))
    }

    /// The same as the high bits of stack entries.
    #[inline]
    pub(crate) fn stack_words(self) -> impl DoubleEndedIterator<Item = u32> + 'm {
        let [_, _, _, _, labels @ ..] = self.words;
        labels.get(..self.label_count()).unwrap_or_default().iter().map(Word::peek)
    }

    #[inline]
    pub(crate) fn model(self) -> TunnelModel {
        match (self.head >> 4) & 0xf {
            0 => TunnelModel::Uniform,
            1 => TunnelModel::Pipe,
            _ => TunnelModel::ShortPipe,
        }
    }

    #[inline]
    pub(crate) fn next(self) -> NextHop {
        let [_, value, high, low, ..] = self.words;
        match self.head & 0xf {
            NEIGHBOR => {
                let mac = Mac::from_words([high.peek(), low.peek()]);
                NextHop::Neighbor { iface: IfIndex(value.peek()), mac }
            }
            NHLFE => NextHop::Nhlfe(NhlfeId(value.peek())),
            LAN => NextHop::Lan { iface: IfIndex(value.peek()), top: Assigned::Downstream },
            LAN_UPSTREAM => NextHop::Lan { iface: IfIndex(value.peek()), top: Assigned::Upstream },
            VLINK => NextHop::Vlink(VlinkId(value.peek())),
            ECMP => NextHop::Ecmp(EcmpId(value.peek())),
            PROTECTED => NextHop::Protected(ProtectionId(value.peek())),
            LOCAL => NextHop::Local,
            _ => NextHop::Discard,
        }
    }

    /// The whole entry.
    pub(crate) fn nhlfe(self) -> Nhlfe {
        let mut labels = [Label::IMPLICIT_NULL; LabelStack::CAPACITY];
        for (slot, label) in labels.iter_mut().zip(self.labels().rev()) {
            *slot = label;
        }
        let push = labels.get(..self.label_count()).and_then(LabelStack::new).unwrap_or(LabelStack::EMPTY);
        Nhlfe { push, next: self.next(), model: self.model() }
    }
}

/// The record of an entry, without implicit null labels: to put label 3 on a stack means to put none there (RFC 3032 §2.1).
pub(super) fn pack(nhlfe: &Nhlfe) -> [u32; WORDS] {
    let mut record = [0; WORDS];
    let [head, value, high, low, labels @ ..] = &mut record;
    let real = nhlfe.push.as_slice().iter().rev().filter(|&&label| label != Label::IMPLICIT_NULL);
    let (mut count, mut entropy) = (0_u32, 0_u32);
    for (word, label) in labels.iter_mut().zip(real) {
        *word = label.value() << 12;
        count = count.saturating_add(1);
        entropy = entropy.saturating_add(u32::from(*label == Label::ENTROPY_INDICATOR));
    }
    let kind = match nhlfe.next {
        NextHop::Neighbor { iface, mac } => {
            *value = iface.0;
            [*high, *low] = mac.words();
            NEIGHBOR
        }
        NextHop::Lan { iface, top } => {
            *value = iface.0;
            if top == Assigned::Upstream { LAN_UPSTREAM } else { LAN }
        }
        NextHop::Nhlfe(next) => {
            *value = next.0;
            NHLFE
        }
        NextHop::Vlink(link) => {
            *value = link.0;
            VLINK
        }
        NextHop::Ecmp(group) => {
            *value = group.0;
            ECMP
        }
        NextHop::Protected(pair) => {
            *value = pair.0;
            PROTECTED
        }
        NextHop::Local => LOCAL,
        NextHop::Discard => DISCARD,
    };
    let model = match nhlfe.model {
        TunnelModel::Uniform => 0,
        TunnelModel::Pipe => 1,
        TunnelModel::ShortPipe => 2,
    };
    *head = entropy << 16 | count << 8 | model << 4 | kind;
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_its_record_but_for_implicit_null() {
        let label = |v| Label::new(v).unwrap();
        let all: [Label; 8] = core::array::from_fn(|i| label((1 << 20) - 1 - i as u32));
        let next = NextHop::Neighbor { iface: IfIndex(u32::MAX), mac: Mac([2, 3, 4, 5, 6, 0xff]) };
        for (push, next, model) in [
            (LabelStack::new(&all).unwrap(), next, TunnelModel::Uniform),
            (LabelStack::EMPTY, NextHop::Nhlfe(NhlfeId(u32::MAX)), TunnelModel::Pipe),
            (LabelStack::single(label(17)), NextHop::Vlink(VlinkId(u32::MAX)), TunnelModel::Pipe),
            (LabelStack::single(label(7)), NextHop::Ecmp(EcmpId(u32::MAX)), TunnelModel::Pipe),
            (LabelStack::single(label(17)), NextHop::Protected(ProtectionId(5)), TunnelModel::Pipe),
            (LabelStack::single(label(16)), NextHop::Local, TunnelModel::ShortPipe),
            (LabelStack::EMPTY, NextHop::Lan { iface: IfIndex(9), top: Assigned::Downstream }, TunnelModel::Pipe),
            (LabelStack::EMPTY, NextHop::Lan { iface: IfIndex(u32::MAX), top: Assigned::Upstream }, TunnelModel::Pipe),
            (LabelStack::single(label(0)), NextHop::Discard, TunnelModel::Uniform),
        ] {
            let nhlfe = Nhlfe { push, next, model };
            assert_eq!(Entry::of(&pack(&nhlfe).map(Word::new)).nhlfe(), nhlfe);
        }
        let push = LabelStack::new(&[label(100), Label::IMPLICIT_NULL, label(200)]).unwrap();
        let record = pack(&Nhlfe { push, next, model: TunnelModel::Uniform }).map(Word::new);
        assert!(Entry::of(&record).labels().eq([label(200), label(100)]));
        assert_eq!(size_of::<NhlfeSlot>(), 64);
    }
}
