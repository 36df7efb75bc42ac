//! Labels in the label spaces of interfaces (RFC 3031 §3.14): a neighbour that is trusted by contract only may use the labels that it
//! was told, and no others (RFC 4364 §10 b, §13.1).
//!
//! A peer with a label space ([`PeerConfig::label_space`](crate::session::PeerConfig)) is told a label after that was written into the
//! space, and the label is taken out after the peer was told that the last route with it went.

use alloc::collections::VecDeque;

use fwd_core::net::{Label, LabelSpaceId};
use fwd_core::op::{FwdOp, Ilm};
use hashbrown::HashMap;
use smallvec::SmallVec;

/// The labels of one speaker that stand in spaces of interfaces, with the routes that were told there with each.
#[derive(Debug, Default)]
pub(crate) struct LabelSpaces {
    told: HashMap<u32, SmallVec<[(LabelSpaceId, u32); 2]>>,
    ops: VecDeque<FwdOp>,
}

impl LabelSpaces {
    /// A peer is about to be told a route with a label that does this; the op that is to come first, if there is one.
    pub(crate) fn tell(&mut self, space: LabelSpaceId, label: Label, ilm: Option<Ilm>) -> Option<FwdOp> {
        let spaces = self.told.entry(label.value()).or_default();
        if let Some((_, routes)) = spaces.iter_mut().find(|(s, _)| *s == space) {
            *routes = routes.saturating_add(1);
            return None;
        }
        spaces.push((space, 1));
        ilm.map(|ilm| FwdOp::SetContextIlm { space, label, ilm })
    }

    /// A peer holds a route with this label less; the op that is to follow, if there is one.
    pub(crate) fn untell(&mut self, space: LabelSpaceId, label: Label) -> Option<FwdOp> {
        let spaces = self.told.get_mut(&label.value())?;
        let (_, routes) = spaces.iter_mut().find(|(s, _)| *s == space)?;
        *routes = routes.saturating_sub(1);
        if *routes > 0 {
            return None;
        }
        spaces.retain(|(s, _)| *s != space);
        if spaces.is_empty() {
            self.told.remove(&label.value());
        }
        Some(FwdOp::ClearContextIlm { space, label })
    }

    /// The label does something else from now on, or nothing.
    pub(crate) fn changed(&mut self, label: Label, ilm: Option<Ilm>) {
        for (space, _) in self.told.get(&label.value()).into_iter().flatten() {
            let space = *space;
            self.ops.push_back(match ilm {
                Some(ilm) => FwdOp::SetContextIlm { space, label, ilm },
                None => FwdOp::ClearContextIlm { space, label },
            });
        }
    }

    /// The next op that follows from changes of labels.
    pub(crate) fn poll(&mut self) -> Option<FwdOp> {
        self.ops.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwd_core::net::VrfId;
    use fwd_core::op::{IlmAction, TunnelModel};

    #[test]
    fn a_label_stands_in_a_space_while_a_route_was_told_there_with_it() {
        let ilm = Ilm { action: IlmAction::PopLookup(VrfId(1)), model: TunnelModel::Pipe };
        let (label, one, two) = (Label::new(100).unwrap(), LabelSpaceId(1), LabelSpaceId(2));
        let mut spaces = LabelSpaces::default();
        assert_eq!(spaces.tell(one, label, Some(ilm)), Some(FwdOp::SetContextIlm { space: one, label, ilm }));
        assert_eq!(spaces.tell(one, label, Some(ilm)), None);
        assert_eq!(spaces.tell(two, label, Some(ilm)), Some(FwdOp::SetContextIlm { space: two, label, ilm }));
        spaces.changed(label, None);
        let cleared = [one, two].map(|space| Some(FwdOp::ClearContextIlm { space, label }));
        assert_eq!([spaces.poll(), spaces.poll()], cleared);
        assert_eq!(spaces.untell(one, label), None);
        assert_eq!(spaces.untell(one, label), Some(FwdOp::ClearContextIlm { space: one, label }));
        assert_eq!(spaces.untell(one, label), None);
        assert_eq!(spaces.untell(two, label), Some(FwdOp::ClearContextIlm { space: two, label }));
        assert!(spaces.told.is_empty() && spaces.poll().is_none());
    }
}
