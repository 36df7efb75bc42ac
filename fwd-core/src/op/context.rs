//! Labels of other label spaces (RFC 5331 §4, §7; RFC 3031 §3.14).

use super::encoding::{Fields, Tag, malformed};
use super::{FwdOp, Ilm};
use crate::malformed::Malformed;
use crate::net::{IfIndex, Label, LabelSpaceId};

impl Tag {
    const SET_CONTEXT_ILM: Self = Self(16);
    const CLEAR_CONTEXT_ILM: Self = Self(17);
    const SET_LABEL_SPACE: Self = Self(18);
    const CLEAR_LABEL_SPACE: Self = Self(19);
    const SET_UPSTREAM_SPACE: Self = Self(23);
    const CLEAR_UPSTREAM_SPACE: Self = Self(24);
}

/// The fields of an op of this file.
pub(super) fn fields(op: &FwdOp) -> Option<(Tag, Fields)> {
    Some(match *op {
        FwdOp::SetContextIlm { space, label, ilm } => {
            (Tag::SET_CONTEXT_ILM, Fields { aux: space.0, ..Fields::ilm(label, ilm) })
        }
        FwdOp::ClearContextIlm { space, label } => {
            (Tag::CLEAR_CONTEXT_ILM, Fields { key: label.value(), aux: space.0, ..Fields::default() })
        }
        FwdOp::SetLabelSpace { iface, space } => {
            (Tag::SET_LABEL_SPACE, Fields { key: iface.0, value: space.0, ..Fields::default() })
        }
        FwdOp::ClearLabelSpace { iface } => (Tag::CLEAR_LABEL_SPACE, Fields { key: iface.0, ..Fields::default() }),
        FwdOp::SetUpstreamSpace { iface, space } => {
            (Tag::SET_UPSTREAM_SPACE, Fields { key: iface.0, value: space.0, ..Fields::default() })
        }
        FwdOp::ClearUpstreamSpace { iface } => {
            (Tag::CLEAR_UPSTREAM_SPACE, Fields { key: iface.0, ..Fields::default() })
        }
        _ => return None,
    })
}

/// The op of these fields, if it is one of this file.
pub(super) fn op(tag: Tag, f: &Fields) -> Option<Result<FwdOp, Malformed>> {
    let space = LabelSpaceId(f.aux);
    let label = || Label::new(f.key).ok_or(malformed(4, "label", f.key));
    Some(match tag {
        Tag::SET_CONTEXT_ILM => label().and_then(|label| {
            let ilm = Ilm { action: f.ilm_action()?, model: f.model()? };
            Ok(FwdOp::SetContextIlm { space, label, ilm })
        }),
        Tag::CLEAR_CONTEXT_ILM => label().map(|label| FwdOp::ClearContextIlm { space, label }),
        Tag::SET_LABEL_SPACE => Ok(FwdOp::SetLabelSpace { iface: IfIndex(f.key), space: LabelSpaceId(f.value) }),
        Tag::CLEAR_LABEL_SPACE => Ok(FwdOp::ClearLabelSpace { iface: IfIndex(f.key) }),
        Tag::SET_UPSTREAM_SPACE => Ok(FwdOp::SetUpstreamSpace { iface: IfIndex(f.key), space: LabelSpaceId(f.value) }),
        Tag::CLEAR_UPSTREAM_SPACE => Ok(FwdOp::ClearUpstreamSpace { iface: IfIndex(f.key) }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PortId;
    use crate::op::{IlmAction, TunnelModel};

    #[test]
    fn layout_is_as_documented() {
        let ilm = Ilm { action: IlmAction::Bridge(PortId(9)), model: TunnelModel::Pipe };
        let label = Label::new(0x12345).unwrap();
        let op = FwdOp::SetContextIlm { space: LabelSpaceId(7), label, ilm };
        let mut octets = op.emit();
        assert_eq!(octets[..12], [16, 18, 1, 0, 0, 1, 0x23, 0x45, 0, 0, 0, 9]);
        assert_eq!(octets[20..24], [0, 0, 0, 7]);
        assert_eq!(FwdOp::parse(&octets), Ok(op));
        octets[4] = 1;
        assert_eq!(FwdOp::parse(&octets).map_err(|m| (m.field, m.offset)), Err(("label", 4)));
        octets[4] = 0;
        octets[1] = 3;
        assert_eq!(FwdOp::parse(&octets).map_err(|m| (m.field, m.offset)), Err(("ILM action", 1)));
        let clear = FwdOp::ClearContextIlm { space: LabelSpaceId(7), label };
        assert_eq!(clear.emit()[..8], [17, 0, 0, 0, 0, 1, 0x23, 0x45]);
        let of = FwdOp::SetLabelSpace { iface: IfIndex(0x0102), space: LabelSpaceId(7) };
        assert_eq!(of.emit()[..12], [18, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 7]);
        assert_eq!(FwdOp::parse(&of.emit()), Ok(of));
        let upstream = FwdOp::SetUpstreamSpace { iface: IfIndex(0x0102), space: LabelSpaceId(7) };
        assert_eq!(upstream.emit()[..12], [23, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 7]);
        let cleared = FwdOp::ClearUpstreamSpace { iface: IfIndex(0x0102) };
        assert_eq!(cleared.emit()[..12], [24, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0]);
        assert_eq!([upstream, cleared].map(|op| FwdOp::parse(&op.emit())), [Ok(upstream), Ok(cleared)]);
        let none = FwdOp::ClearLabelSpace { iface: IfIndex(0x0102) };
        assert_eq!(
            (none.emit()[..8].to_vec(), FwdOp::parse(&none.emit())),
            ([19, 0, 0, 0, 0, 0, 1, 2].to_vec(), Ok(none))
        );
    }
}
