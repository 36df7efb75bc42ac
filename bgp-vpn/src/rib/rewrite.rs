//! Attribute sets with some attributes replaced, added or left out.

use alloc::vec::Vec;

use smallvec::SmallVec;

use super::raw_attributes;
use crate::attr::{AttrFlags, AttrType, RawAttribute};

/// One change: an attribute's type, its flags and its value, or none to leave it out.
type Edit = (AttrType, AttrFlags, Option<SmallVec<[u8; 64]>>);

/// Changes to an attribute set, in ascending order of types.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    edits: SmallVec<[Edit; 8]>,
}

impl Edits {
    /// Gives an attribute this value, whether or not it is there.
    pub(crate) fn set(&mut self, attr_type: AttrType, flags: AttrFlags, value: &[u8]) {
        self.put(attr_type, flags, Some(SmallVec::from_slice(value)));
    }

    /// Leaves an attribute out.
    pub(crate) fn remove(&mut self, attr_type: AttrType) {
        self.put(attr_type, AttrFlags::empty(), None);
    }

    fn put(&mut self, attr_type: AttrType, flags: AttrFlags, value: Option<SmallVec<[u8; 64]>>) {
        let at = self.edits.partition_point(|(t, ..)| *t < attr_type);
        match self.edits.get_mut(at) {
            Some(edit) if edit.0 == attr_type => *edit = (attr_type, flags, value),
            _ => self.edits.insert(at, (attr_type, flags, value)),
        }
    }

    /// Writes `octets` with the changes: what was in ascending order of types stays so.
    pub(crate) fn apply(&self, octets: &[u8], out: &mut Vec<u8>) {
        if self.edits.is_empty() {
            return out.extend_from_slice(octets);
        }
        let mut edits = self.edits.iter().peekable();
        let emit = |(attr_type, flags, value): &(AttrType, AttrFlags, Option<SmallVec<[u8; 64]>>),
                    out: &mut Vec<u8>| {
            if let Some(value) = value {
                RawAttribute { flags: *flags, attr_type: *attr_type, value }.emit(out);
            }
        };
        for attribute in raw_attributes(octets) {
            while let Some(edit) = edits.next_if(|(t, ..)| *t < attribute.attr_type) {
                emit(edit, out);
            }
            match edits.next_if(|(t, ..)| *t == attribute.attr_type) {
                Some(edit) => emit(edit, out),
                None => attribute.emit(out),
            }
        }
        edits.for_each(|edit| emit(edit, out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_replaced_added_and_removed_in_order() {
        let mut edits = Edits::default();
        edits.set(AttrType::LOCAL_PREF, AttrFlags::WELL_KNOWN, &[0, 0, 0, 1]);
        edits.remove(AttrType::MULTI_EXIT_DISC);
        edits.set(AttrType::ORIGIN, AttrFlags::WELL_KNOWN, &[0]);
        edits.set(AttrType::COMMUNITIES, AttrFlags::OPTIONAL_TRANSITIVE, &[1, 2, 3, 4]);
        let octets = [0x40, 1, 1, 2, 0x40, 2, 0, 0x80, 4, 4, 0, 0, 0, 9, 0x40, 6, 0];
        let mut out = Vec::new();
        edits.apply(&octets, &mut out);
        let expected = [0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 1, 0x40, 6, 0, 0xc0, 8, 4, 1, 2, 3, 4];
        assert_eq!(out, expected);
    }
}
