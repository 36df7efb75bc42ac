//! What the feed sends: VPN-IPv4 routes in UPDATEs that are built before the clock starts.

/// The AS of all involved.
pub const ASN: u16 = 65001;
/// Prefixes of a route distinguisher.
pub const PER_RD: u32 = 1000;
/// Routes of an attribute set, all in one UPDATE.
pub const PER_SET: u32 = 100;
/// What the second version of a route has more in its MED.
pub const SECOND: u32 = 1_000_000;
/// The next hop of all routes. Not a loopback address: FRR takes none.
pub const NEXT_HOP: [u8; 4] = [198, 51, 100, 11];
/// Octets of a route in an UPDATE: length, label, route distinguisher, 24 bits of prefix.
pub const NLRI: usize = 15;

/// What routes look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// One label per route distinguisher instead of one per route.
    pub label_per_rd: bool,
    /// No prefix occurs with two route distinguishers.
    pub distinct: bool,
}

impl Shape {
    /// The label of a route, as three octets of the wire say it.
    #[must_use]
    pub fn label(self, id: u32) -> u32 {
        let of = if self.label_per_rd { id / PER_RD } else { id };
        ((16 + of % ((1 << 20) - 16)) << 4) | 1
    }

    fn prefix(self, id: u32) -> u32 {
        if self.distinct { id } else { id % PER_RD }
    }

    /// The route of an NLRI, and its label; `None` if it is none of ours.
    #[must_use]
    pub fn route(self, nlri: &[u8; NLRI]) -> Option<(u32, u32)> {
        let [112, l1, l2, l3, 0, 0, a, b, r0, r1, r2, r3, p0, p1, p2] = *nlri else { return None };
        let (rd, prefix) = (u32::from_be_bytes([r0, r1, r2, r3]), u32::from_be_bytes([0, p0.checked_sub(10)?, p1, p2]));
        let id = if self.distinct { prefix } else { rd * PER_RD + prefix };
        let ours = [a, b] == ASN.to_be_bytes() && id / PER_RD == rd;
        ours.then_some((id, u32::from_be_bytes([0, l1, l2, l3])))
    }

    fn put(self, out: &mut Vec<u8>, id: u32, withdraw: bool) {
        let label = if withdraw { 0x80_0000 } else { self.label(id) };
        out.push(112);
        out.extend(&label.to_be_bytes()[1..]);
        out.extend([0, 0]);
        out.extend(ASN.to_be_bytes());
        out.extend((id / PER_RD).to_be_bytes());
        let [_, x, y, z] = self.prefix(id).to_be_bytes();
        out.extend([10 + x, y, z]);
    }

    /// The UPDATE that announces an attribute set, whose MED is the set's number and `more`.
    #[must_use]
    pub fn announce(self, set: u32, more: u32) -> Vec<u8> {
        let mut reach = vec![0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0];
        reach.extend(NEXT_HOP);
        reach.push(0);
        routes(set).for_each(|id| self.put(&mut reach, id, false));
        let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x80, 4, 4];
        attributes.extend((set + more).to_be_bytes());
        attributes.extend([0x40, 5, 4, 0, 0, 0, 100, 0xc0, 8, 4]);
        attributes.extend(set.to_be_bytes());
        attributes.extend(attribute(14, &reach));
        attributes.extend([0xc0, 16, 8, 0, 2]);
        attributes.extend(ASN.to_be_bytes());
        attributes.extend((set * PER_SET / PER_RD).to_be_bytes());
        update(&attributes)
    }

    /// The UPDATE that withdraws an attribute set's routes.
    #[must_use]
    pub fn withdraw(self, set: u32) -> Vec<u8> {
        let mut unreach = vec![0, 1, 128];
        routes(set).for_each(|id| self.put(&mut unreach, id, true));
        update(&attribute(15, &unreach))
    }
}

/// The routes of an attribute set.
pub fn routes(set: u32) -> std::ops::Range<u32> {
    set * PER_SET..(set + 1) * PER_SET
}

fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![0x90, kind];
    out.extend((value.len() as u16).to_be_bytes());
    out.extend(value);
    out
}

/// A message with its header (RFC 4271 §4.1).
#[must_use]
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 16];
    out.extend((19 + body.len() as u16).to_be_bytes());
    out.push(kind);
    out.extend(body);
    out
}

fn update(attributes: &[u8]) -> Vec<u8> {
    message(2, &[&[0, 0][..], &(attributes.len() as u16).to_be_bytes(), attributes].concat())
}

/// The OPEN of a feed's end: VPN-IPv4 and 4-octet AS numbers, hold time 180 s.
#[must_use]
pub fn open(id: [u8; 4]) -> Vec<u8> {
    let [a, b] = ASN.to_be_bytes();
    message(1, &[&[4, a, b, 0, 180][..], &id, &[14, 2, 12, 1, 4, 0, 1, 0, 128, 65, 4, 0, 0, a, b]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_recognised_again() {
        for shape in [Shape::default(), Shape { label_per_rd: true, distinct: true }] {
            let octets = shape.announce(1234, SECOND);
            assert_eq!(octets.len(), 1583);
            let begin = octets.len() - 11 - 100 * NLRI;
            for (id, nlri) in routes(1234).zip(octets[begin..octets.len() - 11].chunks_exact(NLRI)) {
                assert_eq!(shape.route(nlri.try_into().unwrap()), Some((id, shape.label(id))));
            }
        }
    }
}
