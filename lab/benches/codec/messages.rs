//! The messages: octets written by hand to the RFCs with no codec's help, and the digest that a decoder reaches once it has read
//! every field of every NLRI and attribute.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Which NLRI a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Vpn4,
    Vpn6,
    /// Source Tree Joins of MCAST-VPN, type 7.
    Join4,
}

/// What a decoder has read. Sums, so that the proof of reading does not outweigh a fast decoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    pub nlri: u64,
    pub rd: u64,
    pub label: u64,
    pub addr: u64,
    pub len: u64,
    pub attributes: u64,
}

impl Digest {
    #[inline(always)]
    pub fn route4(&mut self, rd: u64, label: u32, addr: u32, len: u8) {
        self.route(rd, label, u64::from(addr), len);
    }

    #[inline(always)]
    pub fn route6(&mut self, rd: u64, label: u32, addr: u128, len: u8) {
        self.route(rd, label, fold(addr), len);
    }

    /// A Source Tree Join.
    #[inline(always)]
    pub fn join4(&mut self, rd: u64, source_as: u32, source: u32, group: u32) {
        self.route(rd, source_as, (u64::from(source) << 32) | u64::from(group), 0);
    }

    #[inline(always)]
    fn route(&mut self, rd: u64, label: u32, addr: u64, len: u8) {
        self.nlri += 1;
        self.rd = self.rd.wrapping_add(rd);
        self.label = self.label.wrapping_add(u64::from(label));
        self.addr = self.addr.wrapping_add(addr);
        self.len = self.len.wrapping_add(u64::from(len));
    }

    #[inline(always)]
    pub fn attribute(&mut self, value: u64) {
        self.attributes = self.attributes.wrapping_add(value);
    }

    /// An extended community by its two halves.
    #[inline(always)]
    pub fn community(&mut self, octets: [u8; 8]) {
        let (global, local) = halves(octets);
        self.community_halves(global, local);
    }

    #[inline(always)]
    pub fn community_halves(&mut self, global: u32, local: u32) {
        self.attribute((u64::from(global) << 32) | u64::from(local));
    }
}

#[inline(always)]
pub fn fold(bits: u128) -> u64 {
    ((bits >> 64) as u64).wrapping_add(bits as u64)
}

/// Global and local administrator of an extended community of type 0, 1 or 2.
#[inline(always)]
pub fn halves([kind, _, a, b, c, d, e, f]: [u8; 8]) -> (u32, u32) {
    match kind & 0x3f {
        0 => (u32::from(u16::from_be_bytes([a, b])), u32::from_be_bytes([c, d, e, f])),
        _ => (u32::from_be_bytes([a, b, c, d]), u32::from(u16::from_be_bytes([e, f]))),
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub rd: [u8; 8],
    /// The label; the source AS of a join.
    pub label: u32,
    /// The address, in the high bits for IPv4 too; source and group of a join, in the high bits.
    pub bits: u128,
    pub len: u8,
}

/// The attributes of every message.
pub struct Common {
    pub origin: u8,
    pub as_path: [u32; 2],
    pub med: u32,
    pub local_pref: u32,
    pub communities: [[u8; 8]; 3],
    pub originator: Ipv4Addr,
    pub clusters: [u32; 2],
    pub next_hop4: Ipv4Addr,
    pub next_hop6: Ipv6Addr,
}

pub const COMMON: Common = Common {
    origin: 0,
    as_path: [65010, 4_200_000_020],
    med: 10,
    local_pref: 100,
    // RT 65000:100, RT 65000:200, SoO 65000:5000.
    communities: [
        [0, 2, 0xfd, 0xe8, 0, 0, 0, 100],
        [0, 2, 0xfd, 0xe8, 0, 0, 0, 200],
        [0, 3, 0xfd, 0xe8, 0, 0, 0x13, 0x88],
    ],
    originator: Ipv4Addr::new(192, 0, 2, 11),
    clusters: [0xc000_0201, 0xc000_0202],
    next_hop4: Ipv4Addr::new(192, 0, 2, 11),
    next_hop6: Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xc000, 0x020b),
};

pub struct Case {
    pub name: &'static str,
    pub form: Form,
    pub routes: Vec<Route>,
    pub octets: Vec<u8>,
    pub digest: Digest,
}

fn attribute(out: &mut Vec<u8>, flags: u8, code: u8, value: &[u8]) {
    match u8::try_from(value.len()) {
        Ok(len) => out.extend([flags, code, len]),
        Err(_) => {
            out.extend([flags | 0x10, code]);
            out.extend((value.len() as u16).to_be_bytes());
        }
    }
    out.extend(value);
}

fn nlri(form: Form, routes: &[Route]) -> Vec<u8> {
    let mut out = match form {
        Form::Vpn4 => {
            let mut out = vec![0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0];
            out.extend(COMMON.next_hop4.octets());
            out
        }
        Form::Vpn6 => {
            let mut out = vec![0, 2, 128, 24, 0, 0, 0, 0, 0, 0, 0, 0];
            out.extend(COMMON.next_hop6.octets());
            out
        }
        Form::Join4 => {
            let mut out = vec![0, 1, 5, 4];
            out.extend(COMMON.next_hop4.octets());
            out
        }
    };
    out.push(0);
    for route in routes {
        if form == Form::Join4 {
            let [a, b, c, d, e, f, g, h, ..] = route.bits.to_be_bytes();
            out.extend([7, 22]);
            out.extend(route.rd);
            out.extend(route.label.to_be_bytes());
            out.extend([32, a, b, c, d, 32, e, f, g, h]);
            continue;
        }
        out.push(24 + 64 + route.len);
        out.extend(&((route.label << 4) | 1).to_be_bytes()[1..]);
        out.extend(route.rd);
        out.extend(&route.bits.to_be_bytes()[..usize::from(route.len).div_ceil(8)]);
    }
    out
}

/// The message: attributes in ascending order of types.
fn message(form: Form, routes: &[Route]) -> Vec<u8> {
    let c = &COMMON;
    let mut a = Vec::new();
    attribute(&mut a, 0x40, 1, &[c.origin]);
    let mut path = vec![2, c.as_path.len() as u8];
    path.extend(c.as_path.iter().flat_map(|asn| asn.to_be_bytes()));
    attribute(&mut a, 0x40, 2, &path);
    attribute(&mut a, 0x80, 4, &c.med.to_be_bytes());
    attribute(&mut a, 0x40, 5, &c.local_pref.to_be_bytes());
    attribute(&mut a, 0x80, 9, &c.originator.octets());
    attribute(&mut a, 0x80, 10, &c.clusters.map(u32::to_be_bytes).concat());
    attribute(&mut a, 0x80, 14, &nlri(form, routes));
    attribute(&mut a, 0xc0, 16, &c.communities.concat());
    let mut out = vec![0xff; 16];
    out.extend((23 + a.len() as u16).to_be_bytes());
    out.extend([2, 0, 0]);
    out.extend((a.len() as u16).to_be_bytes());
    out.extend(a);
    out
}

fn digest(form: Form, routes: &[Route]) -> Digest {
    let c = &COMMON;
    let mut d = Digest::default();
    let words = [c.med, c.local_pref, c.originator.to_bits(), u32::from(c.origin)];
    words.into_iter().chain(c.as_path).chain(c.clusters).for_each(|word| d.attribute(u64::from(word)));
    c.communities.into_iter().for_each(|community| d.community(community));
    match form {
        Form::Vpn4 | Form::Join4 => d.attribute(u64::from(c.next_hop4.to_bits())),
        Form::Vpn6 => d.attribute(fold(c.next_hop6.to_bits())),
    }
    for route in routes {
        let rd = u64::from_be_bytes(route.rd);
        match form {
            Form::Vpn4 => d.route4(rd, route.label, (route.bits >> 96) as u32, route.len),
            Form::Vpn6 => d.route6(rd, route.label, route.bits, route.len),
            Form::Join4 => d.join4(rd, route.label, (route.bits >> 96) as u32, (route.bits >> 64) as u32),
        }
    }
    d
}

fn rd(i: u32) -> [u8; 8] {
    let [_, _, _, number] = (i % 64).to_be_bytes();
    match i % 4 {
        3 => [0, 1, 192, 0, 2, 11, 0, number],
        _ => [0, 0, 0xfd, 0xe8, 0, 0, 0, 100 + number],
    }
}

fn route(form: Form, i: u32) -> Route {
    const LENGTHS4: [u8; 8] = [24, 24, 24, 32, 22, 30, 16, 24];
    const LENGTHS6: [u8; 8] = [48, 64, 64, 128, 56, 64, 32, 64];
    let (len, bits) = match form {
        Form::Vpn4 => {
            let bits = 0x0a00_0000 | (i.wrapping_mul(0x9e37_79b1) >> 8);
            (LENGTHS4[i as usize % 8], u128::from(bits) << 96)
        }
        Form::Vpn6 => {
            let high = u64::from(i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (LENGTHS6[i as usize % 8], (0x2001_0db8 << 96) | (u128::from(high) << 32) | u128::from(i))
        }
        Form::Join4 => {
            let source = 0x0a00_0000 | (i.wrapping_mul(0x9e37_79b1) >> 8);
            let bits = (u128::from(source) << 96) | (u128::from(0xe801_0000 | i) << 64);
            return Route { rd: rd(i), label: 65000, bits, len: 0 };
        }
    };
    let bits = bits & (u128::MAX << (128 - u32::from(len)));
    Route { rd: rd(i), label: 16 + (i * 37) % 1_000_000, bits, len }
}

fn case(name: &'static str, form: Form, routes: u32) -> Case {
    let mut routes: Vec<Route> = (0..routes).map(|i| route(form, i)).collect();
    while message(form, &routes).len() > 4096 {
        routes.pop();
    }
    Case { name, form, octets: message(form, &routes), digest: digest(form, &routes), routes }
}

/// One NLRI, a hundred, and as many as 4,096 octets hold.
pub fn cases() -> Vec<Case> {
    vec![
        case("vpn-ipv4/1", Form::Vpn4, 1),
        case("vpn-ipv4/100", Form::Vpn4, 100),
        case("vpn-ipv4/full", Form::Vpn4, 400),
        case("vpn-ipv6/1", Form::Vpn6, 1),
        case("vpn-ipv6/100", Form::Vpn6, 100),
        case("vpn-ipv6/full", Form::Vpn6, 400),
        case("mcast-vpn-7/1", Form::Join4, 1),
        case("mcast-vpn-7/100", Form::Join4, 100),
        case("mcast-vpn-7/full", Form::Join4, 400),
    ]
}
