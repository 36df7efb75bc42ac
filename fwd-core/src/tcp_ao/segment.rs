//! What TCP-AO sees of a segment (RFC 9293 §3.1): where the option stands, and what its MAC is over.

use core::net::IpAddr;
use core::ops::Range;

use super::AoOption;
use crate::malformed::{Fault, Malformed};
use crate::wire::IpProtocol;

/// Octets of a header without options.
const HEADER_LEN: usize = 20;

/// A segment, its options walked over.
#[derive(Clone, Debug)]
pub(super) struct Segment<'a> {
    octets: &'a [u8],
    header: &'a [u8; HEADER_LEN],
    /// Where the data begins.
    data: usize,
    /// Where the option stands.
    option: Option<Range<usize>>,
}

impl<'a> Segment<'a> {
    const SYN: u8 = 2;
    const ACK: u8 = 16;

    /// Finds the option.
    ///
    /// # Errors
    /// A header that is cut short, an option that reaches over its end, two of this option, or one beside TCP MD5 (RFC 5925 §2.2).
    pub(super) fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        let wrong = |offset, field, fault| Malformed { offset, field, fault };
        let header = octets.first_chunk::<{ HEADER_LEN }>().ok_or(wrong(octets.len(), "header", Fault::Truncated))?;
        let data = usize::from(header[12] >> 4).saturating_mul(4);
        if data < HEADER_LEN || data > octets.len() {
            return Err(wrong(12, "Data Offset", Fault::Length(data)));
        }
        // A pseudo-header of IPv4 counts no more.
        if octets.len() > usize::from(u16::MAX) {
            return Err(wrong(0, "segment", Fault::Length(octets.len())));
        }
        let (mut at, mut option, mut md5) = (HEADER_LEN, None, None);
        while at < data {
            let rest = octets.get(at..data).unwrap_or_default();
            let len = match *rest {
                // RFC 9293 §3.2: the end of the list, and nothing.
                [0, ..] => break,
                [1, ..] => 1,
                [_, len, ..] => usize::from(len),
                _ => 0,
            };
            if len == 0 || len > rest.len() || (len == 1 && rest.first() != Some(&1)) {
                return Err(wrong(at, "option", Fault::Length(len)));
            }
            let end = at.saturating_add(len);
            match rest.first() {
                Some(&AoOption::KIND) if len < AoOption::HEADER_LEN => {
                    return Err(wrong(at, "Length", Fault::Length(len)));
                }
                Some(&AoOption::KIND) if option.is_some() => {
                    return Err(wrong(at, "Kind", Fault::Value(AoOption::KIND.into())));
                }
                Some(&AoOption::KIND) => option = Some(at..end),
                Some(&AoOption::MD5_KIND) => md5 = Some(at),
                _ => {}
            }
            at = end;
        }
        match md5.filter(|_| option.is_some()) {
            Some(at) => Err(wrong(at, "Kind", Fault::Value(AoOption::MD5_KIND.into()))),
            None => Ok(Self { octets, header, data, option }),
        }
    }

    fn number(&self, at: usize) -> u32 {
        self.header.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |n| u32::from_be_bytes(*n))
    }

    /// Source and destination port.
    pub(super) fn ports(&self) -> (u16, u16) {
        let both = self.number(0);
        ((both >> 16) as u16, both as u16)
    }

    pub(super) fn sequence(&self) -> u32 {
        self.number(4)
    }

    /// Whether the sender knows no number of the receiver's yet: SYN without ACK.
    pub(super) const fn is_first(&self) -> bool {
        self.header[13] & (Self::SYN | Self::ACK) == Self::SYN
    }

    /// Whether it answers one that [is first](Self::is_first).
    pub(super) const fn is_second(&self) -> bool {
        self.header[13] & (Self::SYN | Self::ACK) == Self::SYN | Self::ACK
    }

    pub(super) fn option(&self) -> Option<AoOption<'a>> {
        AoOption::parse(self.octets.get(self.option.clone()?)?).ok()
    }

    /// Where the octets of KeyID, RNextKeyID and MAC are.
    pub(super) fn place(&self) -> Option<Range<usize>> {
        let Range { start, end } = self.option.clone()?;
        Some(start.saturating_add(2)..end)
    }

    /// Hands over what the MAC is of (RFC 5925 §5.1): the extension, the pseudo-header, the header without checksum and MAC, the data. The IDs
    /// are `ids`; other options count if `options` says so.
    pub(super) fn covered<R>(
        &self,
        (source, destination): (IpAddr, IpAddr),
        extension: u32,
        ids: [u8; 2],
        options: bool,
        mac: impl FnOnce(&[&[u8]]) -> R,
    ) -> R {
        const ZEROS: [u8; AoOption::MAX_LEN] = [0; AoOption::MAX_LEN];
        let mut pseudo = [0; 40];
        let pseudo = pseudo_header(&mut pseudo, source, destination, self.octets.len());
        let mut header = *self.header;
        [header[16], header[17]] = [0, 0];
        let Range { start, end } = self.option.clone().unwrap_or(self.data..self.data);
        let len = end.saturating_sub(start);
        let option = [AoOption::KIND, len as u8, ids[0], ids[1]];
        let zeros = ZEROS.get(..len.saturating_sub(AoOption::HEADER_LEN)).unwrap_or_default();
        let between = |range: Range<usize>| self.octets.get(range).filter(|_| options).unwrap_or_default();
        let data = self.octets.get(self.data..).unwrap_or_default();
        let before = between(HEADER_LEN..start);
        mac(&[&extension.to_be_bytes(), pseudo, &header, before, &option, zeros, between(end..self.data), data])
    }
}

/// The pseudo-header of the TCP checksum (RFC 9293 §3.1, RFC 8200 §8.1). Addresses of two families have none.
fn pseudo_header(out: &mut [u8; 40], source: IpAddr, destination: IpAddr, len: usize) -> &[u8] {
    let [.., l2, l1, l0] = len.to_be_bytes();
    let tcp = IpProtocol::TCP.0;
    let mut rest = &mut out[..];
    let mut put = |octets: &[u8]| bytes::BufMut::put_slice(&mut rest, octets);
    let used = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            put(&source.octets());
            put(&destination.octets());
            put(&[0, tcp, l1, l0]);
            12
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            put(&source.octets());
            put(&destination.octets());
            put(&[0, l2, l1, l0, 0, 0, 0, tcp]);
            40
        }
        _ => 0,
    };
    out.get(..used).unwrap_or_default()
}
