//! The incoming label map (RFC 3031 §3.11): one per-platform label space, direct by label.

use super::word::Word;
use super::{ApplyError, Table};
use crate::net::{Label, LabelSpaceId, NhlfeId, PortId, ReplicationId, TunnelId, VrfId};
use crate::op::{Ilm, IlmAction, TunnelModel};

/// What one label means, in one word, so that one store changes it:
///
/// ```text
/// number of an entry, VRF, … (26) | model (2) | action (4)
/// ```
pub type IlmSlot = Word;

impl IlmSlot {
    /// An unknown label, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh word
    pub const EMPTY: Self = Self::ZERO;
}

const FORWARD: u32 = 1;
const POP_LOOKUP: u32 = 2;
const REPLICATE: u32 = 3;
const MULTICAST: u32 = 4;
const BRIDGE: u32 = 5;
const CONTEXT: u32 = 6;

/// Numbers in a word are below this.
const NUMBERS: u32 = 1 << 26;

pub(super) fn pack(ilm: &Ilm) -> Result<u32, ApplyError> {
    let (kind, value) = match ilm.action {
        IlmAction::Forward(id) => (FORWARD, id.0),
        IlmAction::PopLookup(vrf) => (POP_LOOKUP, u32::from(vrf.0)),
        IlmAction::Replicate(group) => (REPLICATE, group.0),
        IlmAction::Multicast(tunnel) => (MULTICAST, tunnel.0),
        IlmAction::Bridge(port) => (BRIDGE, port.0),
        IlmAction::Context(space) => (CONTEXT, space.0),
    };
    if value >= NUMBERS {
        return Err(match ilm.action {
            IlmAction::Forward(id) => ApplyError::NhlfeId(id),
            IlmAction::PopLookup(_) => ApplyError::TableFull(Table::Vrf),
            IlmAction::Replicate(_) => ApplyError::TableFull(Table::Replication),
            IlmAction::Multicast(_) => ApplyError::TableFull(Table::Mroute),
            IlmAction::Bridge(_) => ApplyError::TableFull(Table::Port),
            IlmAction::Context(_) => ApplyError::TableFull(Table::Ilm),
        });
    }
    let model = match ilm.model {
        TunnelModel::Uniform => 0,
        TunnelModel::Pipe => 1,
        TunnelModel::ShortPipe => 2,
    };
    Ok(value << 6 | model << 4 | kind)
}

#[inline]
pub(super) fn unpack(word: u32) -> Option<Ilm> {
    let value = word >> 6;
    let action = match word & 0xf {
        FORWARD => IlmAction::Forward(NhlfeId(value)),
        POP_LOOKUP => IlmAction::PopLookup(VrfId(value as u16)),
        REPLICATE => IlmAction::Replicate(ReplicationId(value)),
        MULTICAST => IlmAction::Multicast(TunnelId(value)),
        BRIDGE => IlmAction::Bridge(PortId(value)),
        CONTEXT => IlmAction::Context(LabelSpaceId(value)),
        _ => return None,
    };
    let model = match (word >> 4) & 3 {
        0 => TunnelModel::Uniform,
        1 => TunnelModel::Pipe,
        _ => TunnelModel::ShortPipe,
    };
    Some(Ilm { action, model })
}

/// The labels from `first` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IlmTable<'m> {
    pub(super) first: Label,
    pub(super) slots: &'m [IlmSlot],
}

impl<'m> IlmTable<'m> {
    #[inline]
    pub(crate) fn get(self, label: Label) -> Option<Ilm> {
        unpack(self.slot(label)?.load())
    }

    #[inline]
    pub(super) fn slot(self, label: Label) -> Option<&'m IlmSlot> {
        self.slots.get(usize::try_from(label.value().checked_sub(self.first.value())?).ok()?)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn labels_count_from_the_first() {
        let slots = [IlmSlot::EMPTY; 4];
        let label = |v| Label::new(v).unwrap();
        let table = IlmTable { first: label(100), slots: &slots };
        for (action, model) in [
            (IlmAction::PopLookup(VrfId(u16::MAX)), TunnelModel::Pipe),
            (IlmAction::Forward(NhlfeId(NUMBERS - 1)), TunnelModel::ShortPipe),
            (IlmAction::Forward(NhlfeId(0)), TunnelModel::Uniform),
            (IlmAction::Replicate(ReplicationId(NUMBERS - 1)), TunnelModel::Uniform),
            (IlmAction::Multicast(TunnelId(NUMBERS - 1)), TunnelModel::Pipe),
            (IlmAction::Bridge(PortId(NUMBERS - 1)), TunnelModel::Pipe),
            (IlmAction::Context(LabelSpaceId(NUMBERS - 1)), TunnelModel::Pipe),
        ] {
            let ilm = Ilm { action, model };
            table.slot(label(103)).unwrap().publish(pack(&ilm).unwrap());
            assert_eq!(table.get(label(103)), Some(ilm));
        }
        assert!(table.slot(label(99)).is_none() && table.slot(label(104)).is_none());
        assert!(table.get(label(99)).is_none() && table.get(label(102)).is_none());
        let ilm = Ilm { action: IlmAction::Forward(NhlfeId(NUMBERS)), model: TunnelModel::Uniform };
        assert_eq!(pack(&ilm), Err(ApplyError::NhlfeId(NhlfeId(NUMBERS))));
    }
}
