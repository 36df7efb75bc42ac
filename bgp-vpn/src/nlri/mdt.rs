//! MDT-SAFI, family 1/66 (RFC 6037, historic).

use core::net::Ipv4Addr;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::nlris::{emit_path_id, take_path_id};
use super::{Nlri, NlriFormat, PathId, RouteDistinguisher};

/// A PE and the default MDT group of one of its multicast VRFs.
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Length in bits (1): 128   |
/// +---------------------------+
/// | RD (8)                    |
/// +---------------------------+
/// | PE address (4)            |
/// +---------------------------+
/// | Group address (4)         |
/// +---------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MdtNlri {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// Route distinguisher.
    pub rd: RouteDistinguisher,
    /// The PE.
    pub pe: Ipv4Addr,
    /// The P-group of the default MDT.
    pub group: Ipv4Addr,
}

impl<'a> Nlri<'a> for MdtNlri {
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let at = i;
        let (i, bits) = codec::be_u8(i, "length")?;
        if bits != 128 {
            return Err(Fail::new(at, "length", Fault::Length(usize::from(bits))));
        }
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, pe) = codec::be_u32(i, "PE address")?;
        let (i, group) = codec::be_u32(i, "group address")?;
        Ok((i, Self { path_id, rd, pe: Ipv4Addr::from_bits(pe), group: Ipv4Addr::from_bits(group) }))
    }

    fn wire_len(&self, format: NlriFormat) -> usize {
        if format.add_path { 21 } else { 17 }
    }

    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_u8(128);
        self.rd.emit(out);
        out.put_slice(&self.pe.octets());
        out.put_slice(&self.group.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };

    /// Shows: L3VPN-8.3-9
    #[test]
    fn octets_of_an_mdt_route() {
        let octets = [128, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 192, 0, 2, 1, 239, 1, 1, 1];
        let (rest, nlri) = MdtNlri::take(&octets, FORMAT).unwrap();
        let (pe, group) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(239, 1, 1, 1));
        assert_eq!((rest.len(), nlri.rd, nlri.pe, nlri.group), (0, "65001:7".parse().unwrap(), pe, group));
        let mut out = alloc::vec::Vec::new();
        nlri.emit(FORMAT, &mut out);
        assert_eq!((&out[..], out.len()), (&octets[..], nlri.wire_len(FORMAT)));
        assert!(MdtNlri::take(&[96; 17], FORMAT).is_err() && MdtNlri::take(&octets[..16], FORMAT).is_err());
    }
}
