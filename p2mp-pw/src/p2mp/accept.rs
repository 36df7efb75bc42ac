//! Whether a leaf can take what its root offers (RFC 8338 §3.1, §3.2.1).

use super::config::Service;
use crate::ldp::TlvValue;
use crate::ldp::fec::{InterfaceParameter, P2mpPw};

/// What does not match: the leaf does not enable the pseudowire, and says Not Forwarding (RFC 8338 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The type.
    PwType,
    /// The control word.
    ControlWord,
    /// The MTU: the leaf's is above the root's, or different where it has to be equal.
    Mtu {
        /// The root's.
        root: u16,
        /// The leaf's.
        leaf: u16,
    },
    /// A parameter of TDM or of frames that have to be the same at both ends.
    Parameter(u8),
    /// The tunnel is another root's.
    ForeignTunnel,
    /// The pseudowire was switched from another segment (RFC 7338 §1.2: single-segment only).
    Switched,
}

/// An offer that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The leaf's MTU is below the root's: frames of the root may be too large for the leaf's circuit, which the operator should know.
    pub small_mtu: Option<(u16, u16)>,
}

/// Compares a root's offer with a leaf's settings. RFC 8338 §3.2.1 takes a leaf whose value is at most the root's; `strict_mtu` wants
/// the same MTU, as RFC 8077 §6.4 does.
///
/// # Errors
/// What does not match.
pub fn accept(leaf: &Service, offer: &P2mpPw, strict_mtu: bool) -> Result<Accepted, Mismatch> {
    if offer.pw_type() != leaf.pw_type {
        return Err(Mismatch::PwType);
    }
    if offer.control_word() != leaf.control_word {
        return Err(Mismatch::ControlWord);
    }
    let mut small_mtu = None;
    for tlv in offer.optional() {
        let parameters = match &tlv.value {
            TlvValue::PwSwitchingPoint(_) => return Err(Mismatch::Switched),
            TlvValue::PwInterfaceParameters(parameters) => parameters,
            _ => continue,
        };
        for parameter in parameters {
            match parameter {
                InterfaceParameter::Mtu(root) => {
                    let (root, leaf) = (*root, leaf.mtu);
                    if leaf > root || strict_mtu && leaf != root {
                        return Err(Mismatch::Mtu { root, leaf });
                    }
                    small_mtu = (leaf < root).then_some((root, leaf));
                }
                // Both ends would have to reassemble, or to keep the same octets of the FCS: the leaf does neither.
                InterfaceParameter::Fragmentation | InterfaceParameter::FcsRetention(_) => {
                    return Err(Mismatch::Parameter(parameter.parameter_type().0));
                }
                // CEP, TDM: payload octets, bit rate and options have to be the same (RFC 4446 §3.3).
                InterfaceParameter::Unknown(kind, _) if matches!(kind.0, 0x04 | 0x07 | 0x08 | 0x0b) => {
                    return Err(Mismatch::Parameter(kind.0));
                }
                _ => {}
            }
        }
    }
    Ok(Accepted { small_mtu })
}

#[cfg(test)]
mod tests {
    use super::super::config::Sai;
    use super::*;
    use crate::ldp::Tlv;
    use crate::ldp::fec::{Attachment, InterfaceParameterType, PmsiTunnel, PwType};
    use alloc::vec;
    use alloc::vec::Vec;

    fn offer(service: &Service, more: Vec<Tlv>) -> P2mpPw {
        let sai = Sai { agi: Attachment::NULL, saii: Attachment::aggregatable(1, [192, 0, 2, 1].into(), 1) };
        let made = service.offer(&sai, PmsiTunnel::None).unwrap();
        let optional = [made.optional(), &more].concat();
        P2mpPw::new(made.control_word(), made.pw_type(), (sai.agi, sai.saii), Some(PmsiTunnel::None), optional).unwrap()
    }

    /// Shows: P2MP-SIG-3, P2MP-SIG-5, P2MP-SIG-6, P2MP-ARC-2
    #[test]
    fn eight_offers() {
        let root = Service::ethernet(1500);
        let leaf = |mtu| Service::ethernet(mtu);
        let parameters = |list| vec![Tlv::new(TlvValue::PwInterfaceParameters(list))];
        let plain = offer(&root, vec![]);
        assert_eq!(accept(&leaf(1500), &plain, true), Ok(Accepted { small_mtu: None }));
        assert_eq!(accept(&leaf(9000), &plain, false), Err(Mismatch::Mtu { root: 1500, leaf: 9000 }));
        assert_eq!(accept(&leaf(1400), &plain, false), Ok(Accepted { small_mtu: Some((1500, 1400)) }));
        assert_eq!(accept(&leaf(1400), &plain, true), Err(Mismatch::Mtu { root: 1500, leaf: 1400 }));
        let tagged = Service { pw_type: PwType::ETHERNET_TAGGED, ..leaf(1500) };
        assert_eq!(accept(&tagged, &plain, false), Err(Mismatch::PwType));
        let without = Service { control_word: false, ..leaf(1500) };
        assert_eq!(accept(&without, &plain, false), Err(Mismatch::ControlWord));
        let fcs = offer(&root, parameters(vec![InterfaceParameter::FcsRetention(4)]));
        assert_eq!(accept(&leaf(1500), &fcs, false), Err(Mismatch::Parameter(InterfaceParameterType::FCS_RETENTION.0)));
        let switched = offer(&root, vec![Tlv::new(TlvValue::PwSwitchingPoint(Default::default()))]);
        assert_eq!(accept(&leaf(1500), &switched, false), Err(Mismatch::Switched));
    }
}
