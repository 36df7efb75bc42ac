//! The P2MP PW Upstream and P2P PW Downstream FEC elements (RFC 8338 §3.2).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

use super::super::address_family::{address_len, emit_address, take_address};
use super::super::octets::{Octets, len8, list, whole};
use super::super::tlv::{Tlv, TlvValue};
use super::attachment::Attachment;
use super::interface_parameter::{InterfaceParameter, SelectiveTree};
use super::multipoint::{MultipointFec, MultipointKind};
use super::pw_id::PwType;
use super::{Fec, FecElement, FecType};

/// The type of a PMSI tunnel (RFC 6514 §5, RFC 7385); unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PmsiTunnelType(pub u8);

impl PmsiTunnelType {
    /// None.
    pub const NONE: Self = Self(0);
    /// An RSVP-TE P2MP LSP.
    pub const RSVP_TE_P2MP: Self = Self(1);
    /// An mLDP P2MP LSP.
    pub const MLDP_P2MP: Self = Self(2);
    /// Ingress replication: an LSP from the root to each leaf (RFC 6514 §5).
    pub const INGRESS_REPLICATION: Self = Self(6);
    /// Any, in a typed wildcard (RFC 8338 §3.3).
    pub const WILDCARD: Self = Self(0xff);
}

/// The transport LSP of a P2MP pseudowire.
///
/// ```text
/// +----------+------------+----------------------+
/// | Type (1) | Length (1) | Transport LSP ID ... |
/// +----------+------------+----------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PmsiTunnel {
    /// None chosen.
    None,
    /// An RSVP-TE P2MP LSP, in the order of RFC 6514 §5: extended tunnel identifier first.
    RsvpTeP2mp {
        /// The extended tunnel identifier: the root's address.
        extended_tunnel_id: IpAddr,
        /// The tunnel identifier.
        tunnel_id: u16,
        /// The P2MP identifier.
        p2mp_id: u32,
    },
    /// An mLDP P2MP LSP.
    MldpP2mp(MultipointFec),
    /// LSPs from the root to each leaf, by the root's address: below the label of such an LSP a leaf looks labels up as the root assigned
    /// them.
    IngressReplication(IpAddr),
    /// Any other type.
    Unknown(PmsiTunnelType, Octets),
}

impl PmsiTunnel {
    /// The type.
    #[must_use]
    pub const fn tunnel_type(&self) -> PmsiTunnelType {
        match self {
            Self::None => PmsiTunnelType::NONE,
            Self::RsvpTeP2mp { .. } => PmsiTunnelType::RSVP_TE_P2MP,
            Self::MldpP2mp(_) => PmsiTunnelType::MLDP_P2MP,
            Self::IngressReplication(_) => PmsiTunnelType::INGRESS_REPLICATION,
            Self::Unknown(kind, _) => *kind,
        }
    }

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, kind) = codec::be_u8(i, "pmsi tunnel type")?;
        let (rest, len) = codec::be_u8(i, "pmsi tunnel length")?;
        let (rest, id) = codec::octets(rest, len.into(), "pmsi tunnel length")?;
        let tunnel = match PmsiTunnelType(kind) {
            PmsiTunnelType::NONE if id.is_empty() => Self::None,
            PmsiTunnelType::RSVP_TE_P2MP => whole(id, take_rsvp_te)?,
            PmsiTunnelType::MLDP_P2MP => {
                let bad = || Fail::new(id, "transport lsp id", Fault::Value(kind.into()));
                match whole(id, Fec::take)?.0.into_iter().next() {
                    Some(FecElement::Multipoint(fec)) if fec.kind == MultipointKind::P2mp => Self::MldpP2mp(*fec),
                    _ => return Err(bad()),
                }
            }
            PmsiTunnelType::INGRESS_REPLICATION => {
                Self::IngressReplication(whole(id, |i| take_address(i, if i.len() == 16 { 16 } else { 4 }))?)
            }
            other => Self::Unknown(other, Octets::from_slice(id)),
        };
        Ok((rest, tunnel))
    }

    fn id_len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::RsvpTeP2mp { extended_tunnel_id: IpAddr::V4(_), .. } => 12,
            Self::RsvpTeP2mp { .. } => 24,
            Self::MldpP2mp(fec) => fec.wire_len().saturating_add(1),
            Self::IngressReplication(root) => address_len(*root),
            Self::Unknown(_, id) => id.len(),
        }
    }

    fn wire_len(&self) -> usize {
        self.id_len().saturating_add(2)
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.tunnel_type().0, len8(self.id_len())]);
        match self {
            Self::None => {}
            Self::RsvpTeP2mp { extended_tunnel_id, tunnel_id, p2mp_id } => {
                emit_address(*extended_tunnel_id, out);
                out.put_u16(0);
                out.put_u16(*tunnel_id);
                out.put_u32(*p2mp_id);
            }
            Self::MldpP2mp(fec) => {
                out.put_u8(FecType::P2MP.0);
                fec.emit(out);
            }
            Self::IngressReplication(root) => emit_address(*root, out),
            Self::Unknown(_, id) => out.put_slice(id),
        }
    }
}

/// Extended tunnel identifier of 4 or 16 octets, reserved, tunnel identifier, P2MP identifier.
fn take_rsvp_te(i: &[u8]) -> Take<'_, PmsiTunnel> {
    let (i, extended_tunnel_id) = if i.len() == 24 {
        codec::array::<16>(i, "extended tunnel id").map(|(i, a)| (i, IpAddr::V6(Ipv6Addr::from(a))))?
    } else {
        codec::array::<4>(i, "extended tunnel id").map(|(i, a)| (i, IpAddr::V4(Ipv4Addr::from(a))))?
    };
    let (i, _reserved) = codec::be_u16(i, "tunnel id reserved")?;
    let (i, tunnel_id) = codec::be_u16(i, "tunnel id")?;
    let (i, p2mp_id) = codec::be_u32(i, "p2mp id")?;
    Ok((i, PmsiTunnel::RsvpTeP2mp { extended_tunnel_id, tunnel_id, p2mp_id }))
}

/// A P2MP pseudowire, or the way back to its root.
///
/// ```text
/// +---+--------------+--------------------+---------+----------+-----------------+------------------------+
/// | C | PW type (15) | PW info length (1) | AGI ... | SAII ... | PMSI tunnel ... | Optional parameters ...|
/// +---+--------------+--------------------+---------+----------+-----------------+------------------------+
/// ```
///
/// The info length counts everything after itself. The way back has no PMSI tunnel. What does not fit 255 octets cannot be
/// made: [`P2mpPw::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct P2mpPw {
    control_word: bool,
    pw_type: PwType,
    scope: Option<Scope>,
}

/// What is there unless all pseudowires of a group are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Scope {
    agi: Attachment,
    saii: Attachment,
    tunnel: Option<PmsiTunnel>,
    optional: Vec<Tlv>,
}

/// Why a P2MP pseudowire cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("P2MP PW info length: {0} octets, at most 255")]
pub struct P2mpPwError(pub usize);

impl P2mpPw {
    /// All pseudowires of the PW Group ID TLV beside the FEC (RFC 8338 §3.4).
    #[must_use]
    pub const fn group(control_word: bool, pw_type: PwType) -> Self {
        Self { control_word, pw_type, scope: None }
    }

    /// The pseudowire of a root, its attachment group and individual, with its tunnel for the Upstream element and without
    /// for the Downstream element. `optional` are a PW Interface Parameters TLV and a PW Group ID TLV.
    ///
    /// # Errors
    /// More than 255 octets: too many selective trees.
    pub fn new(
        control_word: bool,
        pw_type: PwType,
        (agi, saii): (Attachment, Attachment),
        tunnel: Option<PmsiTunnel>,
        optional: Vec<Tlv>,
    ) -> Result<Self, P2mpPwError> {
        let pw = Self { control_word, pw_type, scope: Some(Scope { agi, saii, tunnel, optional }) };
        match pw.info_len() {
            0..=255 => Ok(pw),
            len => Err(P2mpPwError(len)),
        }
    }

    /// C: with the control word.
    #[must_use]
    pub const fn control_word(&self) -> bool {
        self.control_word
    }

    /// The type.
    #[must_use]
    pub const fn pw_type(&self) -> PwType {
        self.pw_type
    }

    /// Attachment group and individual of the root; `None` for a group.
    #[must_use]
    pub fn source(&self) -> Option<(&Attachment, &Attachment)> {
        self.scope.as_ref().map(|s| (&s.agi, &s.saii))
    }

    /// The transport LSP.
    #[must_use]
    pub fn tunnel(&self) -> Option<&PmsiTunnel> {
        self.scope.as_ref()?.tunnel.as_ref()
    }

    /// The parameters inside the element; they may stand beside it in the message too.
    #[must_use]
    pub fn optional(&self) -> &[Tlv] {
        self.scope.as_ref().map_or(&[], |s| &s.optional)
    }

    /// The selective trees among the parameters inside; none: all of the root's multicast.
    pub fn selective_trees(&self) -> impl Iterator<Item = SelectiveTree> + '_ {
        let parameters = self.optional().iter().filter_map(|tlv| match &tlv.value {
            TlvValue::PwInterfaceParameters(list) => Some(list),
            _ => None,
        });
        parameters.flatten().filter_map(|p| match p {
            InterfaceParameter::SelectiveTree(tree) => Some(*tree),
            _ => None,
        })
    }

    /// Takes the value after the element's type.
    pub(super) fn take(i: &[u8], upstream: bool) -> Take<'_, Self> {
        let (i, (control_word, pw_type)) = PwType::take_with_c(i)?;
        let (i, len) = codec::be_u8(i, "pw info length")?;
        let (i, info) = codec::octets(i, len.into(), "pw info length")?;
        let scope = if info.is_empty() { None } else { Some(whole(info, |i| Scope::take(i, upstream))?) };
        Ok((i, Self { control_word, pw_type, scope }))
    }

    fn info_len(&self) -> usize {
        let Some(Scope { agi, saii, tunnel, optional }) = &self.scope else { return 0 };
        let tunnel = tunnel.as_ref().map_or(0, PmsiTunnel::wire_len);
        let fixed = agi.wire_len().saturating_add(saii.wire_len()).saturating_add(tunnel);
        optional.iter().map(Tlv::wire_len).fold(fixed, usize::saturating_add)
    }

    pub(super) fn wire_len(&self) -> usize {
        self.info_len().saturating_add(3)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.pw_type.emit_with_c(self.control_word, out);
        out.put_u8(len8(self.info_len()));
        if let Some(scope) = &self.scope {
            scope.agi.emit(out);
            scope.saii.emit(out);
            scope.tunnel.iter().for_each(|tunnel| tunnel.emit(out));
            scope.optional.iter().for_each(|tlv| tlv.emit(out));
        }
    }
}

impl Scope {
    /// A Label Mapping inside a Label Mapping does not exist: a FEC TLV among the parameters is refused, which also bounds
    /// the nesting.
    fn take(i: &[u8], upstream: bool) -> Take<'_, Self> {
        let (i, agi) = Attachment::take(i, "agi")?;
        let (i, saii) = Attachment::take(i, "saii")?;
        let (i, tunnel) = if upstream { PmsiTunnel::take(i).map(|(i, t)| (i, Some(t)))? } else { (i, None) };
        let (i, optional) = list(i, take_parameter)?;
        Ok((i, Self { agi, saii, tunnel, optional }))
    }
}

fn take_parameter(i: &[u8]) -> Take<'_, Tlv> {
    let (_, (_, tlv_type, _)) = super::super::tlv::take_header(i)?;
    if tlv_type == super::super::tlv::TlvType::FEC {
        return Err(Fail::new(i, "fec inside fec", Fault::Value(tlv_type.value().into())));
    }
    Tlv::take(i)
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PmsiTunnel {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=4)? {
            0 => Self::None,
            3 => Self::IngressReplication(u.arbitrary()?),
            1 => Self::RsvpTeP2mp {
                extended_tunnel_id: u.arbitrary()?,
                tunnel_id: u.arbitrary()?,
                p2mp_id: u.arbitrary()?,
            },
            2 => Self::MldpP2mp(MultipointFec { kind: MultipointKind::P2mp, ..u.arbitrary()? }),
            _ => {
                let kind = PmsiTunnelType(u.int_in_range(7..=255)?);
                Self::Unknown(kind, super::super::octets::arbitrary_octets(u, 30)?)
            }
        })
    }
}

impl P2mpPw {
    /// An arbitrary value of the Upstream or of the Downstream element.
    #[cfg(feature = "arbitrary")]
    pub(super) fn arbitrary(u: &mut arbitrary::Unstructured<'_>, upstream: bool) -> arbitrary::Result<Self> {
        let (control_word, pw_type) = (u.arbitrary()?, u.arbitrary()?);
        if u.ratio(1, 8)? {
            return Ok(Self::group(control_word, pw_type));
        }
        let ends = (u.arbitrary()?, u.arbitrary()?);
        let tunnel = if upstream { Some(u.arbitrary()?) } else { None };
        let mut optional = Vec::new();
        if u.arbitrary()? {
            let parameters = super::super::octets::arbitrary_list(u, 4)?;
            optional.push(Tlv::new(TlvValue::PwInterfaceParameters(parameters)));
        }
        if u.arbitrary()? {
            optional.push(Tlv::new(TlvValue::PwGroupId(u.arbitrary()?)));
        }
        let pw = Self::new(control_word, pw_type, ends, tunnel, optional);
        pw.map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::super::OpaqueElement;
    use super::super::opaque::OpaqueValue;
    use super::*;

    fn tunnel() -> PmsiTunnel {
        let opaque = OpaqueValue::single(&OpaqueElement::L2vpnMcast(7));
        PmsiTunnel::MldpP2mp(MultipointFec { kind: MultipointKind::P2mp, root: [192, 0, 2, 1].into(), opaque })
    }

    fn ends() -> (Attachment, Attachment) {
        (Attachment::group([0, 0, 0xfd, 0xe8, 0, 0, 0, 1]), Attachment::aggregatable(65_000, [192, 0, 2, 1].into(), 5))
    }

    /// The figure of RFC 8338 §3.2.1, written out.
    #[test]
    fn figure_of_the_upstream_element() {
        let pw = P2mpPw::new(true, PwType::ETHERNET, ends(), Some(tunnel()), vec![]).unwrap();
        let fec = Fec::single(FecElement::P2mpPwUpstream(alloc::boxed::Box::new(pw.clone())));
        let mut out = Vec::new();
        fec.emit(&mut out);
        let agi = [1, 8, 0, 0, 0xfd, 0xe8, 0, 0, 0, 1];
        let saii = [2, 12, 0, 0, 0xfd, 0xe8, 192, 0, 2, 1, 0, 0, 0, 5];
        let tunnel = [2, 17, 6, 0, 1, 4, 192, 0, 2, 1, 0, 7, 13, 0, 4, 0, 0, 0, 7];
        assert_eq!(out, [&[0x82, 0x80, 5, 43][..], &agi, &saii, &tunnel].concat());
        assert_eq!(Fec::parse(&out), Ok(fec));
        assert_eq!(pw.tunnel().unwrap().tunnel_type(), PmsiTunnelType::MLDP_P2MP);
    }

    #[test]
    fn the_way_back_names_no_tunnel() {
        let pw = P2mpPw::new(false, PwType::ETHERNET, ends(), None, vec![]).unwrap();
        let fec = Fec::single(FecElement::P2pPwDownstream(alloc::boxed::Box::new(pw)));
        let mut out = Vec::new();
        fec.emit(&mut out);
        assert_eq!(out[..4], [0x84, 0, 5, 24]);
        assert_eq!(Fec::parse(&out), Ok(fec));
    }

    /// About sixteen IPv4 selective trees fit beside an IPv4 mLDP root.
    #[test]
    fn too_many_selective_trees_are_refused() {
        let trees = |n| {
            let tree = SelectiveTree { source: Some([10, 0, 0, 1].into()), group: Some([232, 0, 0, 1].into()) };
            let parameters = vec![InterfaceParameter::SelectiveTree(tree); n];
            let tlv = Tlv::new(TlvValue::PwInterfaceParameters(parameters));
            P2mpPw::new(false, PwType::ETHERNET, ends(), Some(tunnel()), vec![tlv])
        };
        assert_eq!(trees(17).unwrap().selective_trees().count(), 17);
        assert_eq!(trees(18), Err(P2mpPwError(263)));
    }

    #[test]
    fn a_fec_inside_a_fec_is_refused() {
        let octets = [0x82, 0, 5, 13, 0, 0, 0, 0, 0, 0, 1, 0, 0, 3, 0x01, 0, 0];
        assert_eq!(Fec::parse(&octets).unwrap_err().field, "fec inside fec");
    }
}
