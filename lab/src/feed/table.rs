//! What the receiving end holds, and whether it is what was sent.

use super::workload::{ASN, NEXT_HOP, NLRI, PER_RD, PER_SET, SECOND, Shape};

/// Counts of what came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Routes held in their first version.
    pub first: u32,
    /// Routes held in their second version.
    pub second: u32,
    /// UPDATEs.
    pub updates: u64,
    /// Octets.
    pub octets: u64,
    /// Announcements that changed nothing.
    pub repeats: u64,
    /// Routes whose label, next hop, MED, community or route target is not what was sent, and UPDATEs that nobody understands.
    pub bad: u64,
    /// Labels right but for the bits that are the traffic class.
    pub class_bits: u64,
}

/// The routes held.
#[derive(Debug)]
pub struct Table {
    shape: Shape,
    /// 0: not held; 1, 2: the version.
    held: Vec<u8>,
    /// Counts so far.
    pub counts: Counts,
}

impl Table {
    /// An empty table of so many routes.
    #[must_use]
    pub fn new(routes: u32, shape: Shape) -> Self {
        Self { shape, held: vec![0; routes as usize], counts: Counts::default() }
    }

    /// Takes the body of an UPDATE.
    pub fn update(&mut self, body: &[u8]) {
        self.counts.updates += 1;
        if self.apply(body).is_none() {
            self.counts.bad += 1;
        }
    }

    fn apply(&mut self, body: &[u8]) -> Option<()> {
        let withdrawn = usize::from(u16::from_be_bytes(*body.first_chunk()?));
        let rest = body.get(2 + withdrawn..)?;
        let (mut attributes, mut med, mut community, mut target) = (rest.get(2..)?, None, None, None);
        let (mut reach, mut unreach): (&[u8], &[u8]) = (&[], &[]);
        while let [flags, kind, more @ ..] = attributes {
            let (len, value) = if flags & 0x10 == 0 {
                (usize::from(*more.first()?), more.get(1..)?)
            } else {
                (usize::from(u16::from_be_bytes(*more.first_chunk()?)), more.get(2..)?)
            };
            let (value, next) = value.split_at_checked(len)?;
            match kind {
                4 => med = Some(u32::from_be_bytes(*value.first_chunk()?)),
                8 => community = Some(value),
                14 => reach = value,
                15 => unreach = value,
                16 => target = Some(value),
                _ => {}
            }
            attributes = next;
        }
        if !unreach.is_empty() {
            self.nlri(unreach.get(3..)?, 0, |_, _| true)?;
        }
        if reach.is_empty() {
            return Some(());
        }
        let med = med?;
        let (set, version) = if med >= SECOND { (med - SECOND, 2) } else { (med, 1) };
        let [a, b] = ASN.to_be_bytes();
        let rd = (set * PER_SET / PER_RD).to_be_bytes();
        let right = reach.get(3) == Some(&12)
            && reach.get(4..16)? == [&[0; 8][..], &NEXT_HOP].concat()
            && community == Some(&set.to_be_bytes()[..])
            && target == Some(&[&[0, 2, a, b][..], &rd].concat()[..]);
        self.nlri(reach.get(17..)?, version, |id, _| right && id / PER_SET == set)
    }

    fn nlri(&mut self, octets: &[u8], version: u8, right: impl Fn(u32, u32) -> bool) -> Option<()> {
        for nlri in octets.chunks(NLRI) {
            let (id, label) = self.shape.route(nlri.try_into().ok()?)?;
            let held = self.held.get_mut(id as usize)?;
            if version != 0 {
                self.counts.repeats += u64::from(*held == version);
                if !right(id, label) || label >> 4 != self.shape.label(id) >> 4 || label & 1 == 0 {
                    self.counts.bad += 1;
                } else if label & 0xe != 0 {
                    self.counts.class_bits += 1;
                }
            }
            match std::mem::replace(held, version) {
                1 => self.counts.first -= 1,
                2 => self.counts.second -= 1,
                _ => {}
            }
            match version {
                1 => self.counts.first += 1,
                2 => self.counts.second += 1,
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_replace_each_other_and_differences_are_counted() {
        let shape = Shape::default();
        let mut table = Table::new(2000, shape);
        let take = |table: &mut Table, message: &[u8]| table.update(&message[19..]);
        take(&mut table, &shape.announce(3, 0));
        assert_eq!((table.counts.first, table.counts.second, table.counts.bad), (100, 0, 0));
        take(&mut table, &shape.announce(3, SECOND));
        assert_eq!((table.counts.first, table.counts.second, table.counts.repeats), (0, 100, 0));
        take(&mut table, &shape.announce(3, SECOND));
        assert_eq!(table.counts.repeats, 100);
        let mut wrong = shape.announce(4, 0);
        let label = wrong.len() - 11 - NLRI + 3;
        wrong[label] ^= 0x10;
        take(&mut table, &wrong);
        assert_eq!(table.counts.bad, 1);
        wrong[label] ^= 0x12;
        take(&mut table, &wrong);
        assert_eq!((table.counts.bad, table.counts.class_bits), (1, 1));
        take(&mut table, &shape.withdraw(3));
        assert_eq!((table.counts.first, table.counts.second), (100, 0));
    }
}
