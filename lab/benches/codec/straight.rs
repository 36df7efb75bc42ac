//! No codec: one pass over the octets of a message with Source Tree Joins, each field taken where it stands, anything unexpected a
//! panic. What it costs is about what safe code can reach; a codec has faults, unknown attributes and sessions to think of as well.

use crate::messages::{COMMON, Case, Digest};

fn word(octets: &[u8]) -> u32 {
    u32::from_be_bytes(octets[..4].try_into().unwrap())
}

pub fn decode(message: &[u8]) -> Digest {
    let mut d = Digest::default();
    assert!(message[..16] == [0xff; 16] && message[18] == 2);
    assert_eq!(usize::from(u16::from_be_bytes([message[16], message[17]])), message.len());
    let mut rest = &message[23..];
    while !rest.is_empty() {
        let (len, value_at) = match rest[0] & 0x10 {
            0 => (usize::from(rest[2]), 3),
            _ => (usize::from(u16::from_be_bytes([rest[2], rest[3]])), 4),
        };
        let (code, value) = (rest[1], &rest[value_at..value_at + len]);
        rest = &rest[value_at + len..];
        match code {
            1 => d.attribute(u64::from(value[0])),
            2 => value[2..].chunks_exact(4).for_each(|asn| d.attribute(u64::from(word(asn)))),
            4 | 5 | 9 => d.attribute(u64::from(word(value))),
            10 => value.chunks_exact(4).for_each(|cluster| d.attribute(u64::from(word(cluster)))),
            16 => value.chunks_exact(8).for_each(|community| d.community(community.try_into().unwrap())),
            14 => joins(value, &mut d),
            _ => {}
        }
    }
    d
}

fn joins(value: &[u8], d: &mut Digest) {
    assert_eq!(value[..4], [0, 1, 5, 4]);
    d.attribute(u64::from(word(&value[4..])));
    let mut rest = &value[9..];
    while !rest.is_empty() {
        let (join, after) = rest.split_at(2 + usize::from(rest[1]));
        rest = after;
        assert!(join[0] == 7 && join[1] == 22 && join[14] == 32 && join[19] == 32);
        let rd = u64::from_be_bytes(join[2..10].try_into().unwrap());
        d.join4(rd, word(&join[10..]), word(&join[15..]), word(&join[20..]));
    }
}

pub fn encode(case: &Case, out: &mut Vec<u8>) {
    let c = &COMMON;
    out.clear();
    out.extend_from_slice(&[0xff; 16]);
    out.extend_from_slice(&[0, 0, 2, 0, 0, 0, 0, 0x40, 1, 1, c.origin, 0x40, 2, 10, 2, 2]);
    c.as_path.iter().for_each(|asn| out.extend_from_slice(&asn.to_be_bytes()));
    for (head, value) in [([0x80, 4, 4], c.med), ([0x40, 5, 4], c.local_pref), ([0x80, 9, 4], c.originator.to_bits())] {
        out.extend_from_slice(&head);
        out.extend_from_slice(&value.to_be_bytes());
    }
    out.extend_from_slice(&[0x80, 10, 8]);
    c.clusters.iter().for_each(|cluster| out.extend_from_slice(&cluster.to_be_bytes()));
    let len = 9 + 24 * case.routes.len();
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[0x80, 14, len]),
        Err(_) => {
            out.extend_from_slice(&[0x90, 14]);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0, 1, 5, 4]);
    out.extend_from_slice(&c.next_hop4.octets());
    out.push(0);
    for route in &case.routes {
        let mut join = [0u8; 24];
        join[..2].copy_from_slice(&[7, 22]);
        join[2..10].copy_from_slice(&route.rd);
        join[10..14].copy_from_slice(&route.label.to_be_bytes());
        let addresses = route.bits.to_be_bytes();
        (join[14], join[19]) = (32, 32);
        join[15..19].copy_from_slice(&addresses[..4]);
        join[20..].copy_from_slice(&addresses[4..8]);
        out.extend_from_slice(&join);
    }
    out.extend_from_slice(&[0xc0, 16, 24]);
    c.communities.iter().for_each(|community| out.extend_from_slice(community));
    let total = out.len() as u16;
    out[16..18].copy_from_slice(&total.to_be_bytes());
    out[21..23].copy_from_slice(&(total - 23).to_be_bytes());
}
