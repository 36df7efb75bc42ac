//! Register and Null-Register (RFC 7761 §4.9.3).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use alloc::vec::Vec;
use bitflags::bitflags;
use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};
use fwd_core::wire::checksum as internet_checksum;

use super::checksum;
use super::header::MessageType;

bitflags! {
    /// Flags of a Register, in the first octet after the header.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RegisterFlags: u8 {
        /// B: from a PIM multicast border router (no longer sent).
        const BORDER = 0x80;
        /// N: a Null-Register, a probe without data.
        const NULL = 0x40;
    }
}

/// A Register: a data packet on its way to the RP.
///
/// ```text
/// +---+---+----------------+----------------------------+
/// | B | N | reserved (30b) | multicast packet (to end)  |
/// +---+---+----------------+----------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register<'a> {
    /// The flags.
    pub flags: RegisterFlags,
    /// The data packet from its IP header on; of a Null-Register a dummy header.
    pub packet: &'a [u8],
}

impl<'a> Register<'a> {
    /// Takes the rest of a message.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, [flags, ..]) = codec::array::<4>(i, "register flags")?;
        let (i, packet) = codec::octets(i, i.len(), "multicast data packet")?;
        Ok((i, Self { flags: RegisterFlags::from_bits_truncate(flags), packet }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.packet.len().saturating_add(4)
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.flags.bits(), 0, 0, 0]);
        out.put_slice(self.packet);
    }

    /// Source and group of the packet inside. `None` if it has no whole IPv4 or IPv6 header, or the dummy header of a
    /// Null-Register fails its checksum (RFC 7761 §4.9.3: zero is not checked).
    #[must_use]
    pub fn source_group(&self) -> Option<(IpAddr, IpAddr)> {
        let null = self.flags.contains(RegisterFlags::NULL);
        match self.packet.first()? >> 4 {
            4 => {
                let header: &[u8; 20] = self.packet.first_chunk()?;
                let [.., c1, c2, s1, s2, s3, s4, g1, g2, g3, g4] = *header;
                if null && (c1, c2) != (0, 0) && internet_checksum::of(header) != 0 {
                    return None;
                }
                Some((IpAddr::from([s1, s2, s3, s4]), IpAddr::from([g1, g2, g3, g4])))
            }
            6 => {
                let header: &[u8; 40] = self.packet.first_chunk()?;
                let (_, addresses) = header.split_first_chunk::<8>()?;
                let (source, group) = addresses.split_first_chunk::<16>()?;
                let (source, group) = (Ipv6Addr::from(*source), Ipv6Addr::from(*group.first_chunk::<16>()?));
                let dummy = self.packet.get(40..44);
                let wrong = |pim| !checksum::verify(MessageType::HELLO, pim, source.into(), group.into());
                if null && dummy.is_some_and(wrong) {
                    return None;
                }
                Some((source.into(), group.into()))
            }
            _ => None,
        }
    }

    /// The dummy packet of an (S,G) Null-Register. `None` if the addresses are of different families.
    #[must_use]
    pub fn null_packet(source: IpAddr, group: IpAddr) -> Option<Vec<u8>> {
        match (source, group) {
            (IpAddr::V4(s), IpAddr::V4(g)) => Some(null_v4(s, g)),
            (IpAddr::V6(s), IpAddr::V6(g)) => Some(null_v6(s, g)),
            _ => None,
        }
    }
}

fn null_v4(source: Ipv4Addr, group: Ipv4Addr) -> Vec<u8> {
    let mut header = Vec::with_capacity(20);
    header.put_slice(&[0x45, 0, 0, 20, 0, 0, 0, 0, 0, checksum::PROTOCOL, 0, 0]);
    header.put_slice(&source.octets());
    header.put_slice(&group.octets());
    let sum = internet_checksum::of(&header);
    if let Some(field) = header.get_mut(10..12) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    header
}

fn null_v6(source: Ipv6Addr, group: Ipv6Addr) -> Vec<u8> {
    let mut packet = Vec::with_capacity(44);
    packet.put_slice(&[0x60, 0, 0, 0, 0, 4, checksum::PROTOCOL, 0]);
    packet.put_slice(&source.octets());
    packet.put_slice(&group.octets());
    let sum = checksum::of(MessageType::HELLO, &[0; 4], source.into(), group.into());
    packet.put_slice(&[0, 0]);
    packet.put_u16(sum);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_register_names_its_source_and_group() {
        for (s, g) in [("10.1.1.1", "239.1.1.1"), ("2001:db8::1", "ff3e::1")] {
            let (s, g): (IpAddr, IpAddr) = (s.parse().unwrap(), g.parse().unwrap());
            let packet = Register::null_packet(s, g).unwrap();
            let register = Register { flags: RegisterFlags::NULL, packet: &packet };
            assert_eq!(register.source_group(), Some((s, g)));
            for n in 0..packet.len().min(40) {
                let register = Register { flags: RegisterFlags::NULL, packet: &packet[..n] };
                assert!(n >= 40 || s.is_ipv4() && n >= 20 || register.source_group().is_none(), "{n}");
            }
            let mut bad = packet.clone();
            bad[19] ^= 1;
            assert_eq!(Register { flags: RegisterFlags::NULL, packet: &bad }.source_group(), None);
            assert!(Register { flags: RegisterFlags::empty(), packet: &bad }.source_group().is_some());
        }
        assert_eq!(Register::null_packet([10, 0, 0, 1].into(), "ff3e::1".parse().unwrap()), None);
    }
}
