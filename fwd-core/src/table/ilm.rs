//! The incoming label map (RFC 3031 §3.11): one per-platform label space, direct by label.

use crate::net::{Label, NhlfeId, PortId, ReplicationId, TunnelId, VrfId};
use crate::op::{Ilm, IlmAction, TunnelModel};

/// What one label means. Eight octets.
#[derive(Clone, Copy, Debug, Default)]
pub struct IlmSlot {
    value: u32,
    kind: Kind,
    model: TunnelModel,
}

#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    Forward,
    PopLookup,
    Replicate,
    Multicast,
    Bridge,
}

impl IlmSlot {
    /// An unknown label, to fill the memory that is lent.
    pub const EMPTY: Self = Self { value: 0, kind: Kind::Unknown, model: TunnelModel::Uniform };

    #[inline]
    fn ilm(self) -> Option<Ilm> {
        let action = match self.kind {
            Kind::Unknown => return None,
            Kind::Forward => IlmAction::Forward(NhlfeId(self.value)),
            Kind::PopLookup => IlmAction::PopLookup(VrfId(self.value as u16)),
            Kind::Replicate => IlmAction::Replicate(ReplicationId(self.value)),
            Kind::Multicast => IlmAction::Multicast(TunnelId(self.value)),
            Kind::Bridge => IlmAction::Bridge(PortId(self.value)),
        };
        Some(Ilm { action, model: self.model })
    }
}

impl From<Ilm> for IlmSlot {
    fn from(ilm: Ilm) -> Self {
        let (kind, value) = match ilm.action {
            IlmAction::Forward(id) => (Kind::Forward, id.0),
            IlmAction::PopLookup(vrf) => (Kind::PopLookup, u32::from(vrf.0)),
            IlmAction::Replicate(id) => (Kind::Replicate, id.0),
            IlmAction::Multicast(tunnel) => (Kind::Multicast, tunnel.0),
            IlmAction::Bridge(port) => (Kind::Bridge, port.0),
        };
        Self { value, kind, model: ilm.model }
    }
}

/// The labels from `first` on.
#[derive(Debug)]
pub(crate) struct IlmTable<'m> {
    pub(super) first: Label,
    pub(super) slots: &'m mut [IlmSlot],
}

impl IlmTable<'_> {
    fn index(&self, label: Label) -> Option<usize> {
        usize::try_from(label.value().checked_sub(self.first.value())?).ok()
    }

    #[inline]
    pub(crate) fn get(&self, label: Label) -> Option<Ilm> {
        self.slots.get(self.index(label)?)?.ilm()
    }

    pub(super) fn slot(&mut self, label: Label) -> Option<&mut IlmSlot> {
        let index = self.index(label)?;
        self.slots.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_count_from_the_first() {
        let mut slots = [IlmSlot::EMPTY; 4];
        let label = |v| Label::new(v).unwrap();
        let mut table = IlmTable { first: label(100), slots: &mut slots };
        for (action, model) in [
            (IlmAction::PopLookup(VrfId(u16::MAX)), TunnelModel::Pipe),
            (IlmAction::Forward(NhlfeId(u32::MAX)), TunnelModel::ShortPipe),
            (IlmAction::Replicate(ReplicationId(u32::MAX)), TunnelModel::Uniform),
            (IlmAction::Multicast(TunnelId(u32::MAX)), TunnelModel::Pipe),
            (IlmAction::Bridge(PortId(u32::MAX)), TunnelModel::Pipe),
        ] {
            *table.slot(label(103)).unwrap() = Ilm { action, model }.into();
            assert_eq!(table.get(label(103)), Some(Ilm { action, model }));
        }
        assert!(table.slot(label(99)).is_none() && table.slot(label(104)).is_none());
        assert!(table.get(label(99)).is_none() && table.get(label(102)).is_none());
        assert_eq!(size_of::<IlmSlot>(), 8);
    }
}
