//! Applying a [`FwdOp`] to the tables.

use core::fmt;

use super::records::Refused;
use super::replication::pack_mark;
use super::vrf::{model_bits, pack};
use super::{ProtectionSlot, QOS, Writer, ilm, interface, nhlfe};
use crate::net::{
    IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, Mac, NhlfeId, PolicerId, PortId, VlinkId, VrfId,
};
use crate::op::{
    CodePoint, Deliver, FwdOp, Ilm, IlmAction, MarkPoint, MrouteKey, PolicePoint, RouteAction, TunnelModel, Vlink,
};

/// A table of the forwarding plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Interfaces.
    Interface,
    /// VRFs.
    Vrf,
    /// Next hop label forwarding entries.
    Nhlfe,
    /// Groups of entries that packets are spread over.
    Ecmp,
    /// Pairs of an entry and the one that protects it.
    Protection,
    /// Incoming labels.
    Ilm,
    /// IPv4 routes.
    Fib4,
    /// IPv6 routes.
    Fib6,
    /// Multicast routes, and sets of interfaces that packets may come from.
    Mroute,
    /// Replication groups and their legs.
    Replication,
    /// Virtual switch instances.
    Vsi,
    /// Bridge ports.
    Port,
    /// MAC addresses.
    Mac,
    /// Policers and where they stand.
    Policer,
    /// Virtual links.
    Vlink,
}

/// Why an op was not applied. The tables are as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// The table has no room, or no such number.
    TableFull(Table),
    /// The memory that the op needs may still be in a reader's hands. Apply it again when readers have ended their batches.
    /// Not for the control plane; never without readers beside the writer.
    Busy(Table),
    /// A special-purpose label cannot be given a meaning (RFC 7274). The explicit null labels take a `PopLookup` of the global
    /// table, which sets the model they are popped by.
    SpecialPurposeLabel(Label),
    /// An entry number that is too large: from 2^26 in an incoming label, from 2^30 - 3 in a route.
    NhlfeId(NhlfeId),
    /// A multicast route whose groups are no multicast addresses, or whose source is one.
    NotMulticast(MrouteKey),
    /// A label space or state for an interface that there is not.
    NoInterface(IfIndex),
    /// A group entry of a MAC address that is not a group's.
    NotGroupMac(Mac),
    /// A static address that is a group's.
    GroupMac(Mac),
    /// A circuit that this port has.
    InUse(PortId),
    /// A policer with two empty buckets, or with a peak rate below the committed one.
    Rates(PolicerId),
    /// A policer, a mark, or classes of priorities, in a forwarding plane that is built without the feature `qos`.
    WithoutQos,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableFull(table) => write!(f, "{table:?} table full"),
            Self::Busy(table) => write!(f, "{table:?} table waits for its readers"),
            Self::SpecialPurposeLabel(label) => write!(f, "label {label} is special-purpose"),
            Self::NhlfeId(id) => write!(f, "{id}: number too large"),
            Self::NotMulticast(key) => write!(f, "route {key:?}: groups have to be multicast, the source not"),
            Self::NoInterface(iface) => write!(f, "{iface}: there is none"),
            Self::NotGroupMac(mac) => write!(f, "group entry {mac}: not a group address"),
            Self::GroupMac(mac) => write!(f, "static address {mac}: a group address"),
            Self::InUse(port) => write!(f, "circuit is that of {port}"),
            Self::Rates(id) => write!(f, "{id}: both bursts are zero, or the peak rate is below the committed one"),
            Self::WithoutQos => f.write_str("built without quality of service"),
        }
    }
}

impl core::error::Error for ApplyError {}

impl Writer<'_> {
    /// The label spaces of an interface; none of one that there is not.
    fn spaces(&self, iface: IfIndex) -> interface::Spaces {
        [self.label_space(iface), self.upstream_space(iface)]
    }

    fn set_spaces(&mut self, iface: IfIndex, spaces: interface::Spaces) -> Result<(), ApplyError> {
        let interface = self.interface(iface).ok_or(ApplyError::NoInterface(iface))?;
        if spaces.contains(&Some(LabelSpaceId(u32::MAX))) {
            return Err(ApplyError::TableFull(Table::Ilm));
        }
        let record = interface::pack(&interface, spaces, self.is_down(iface));
        self.interfaces.set(&mut self.grace, iface.0, record).map_err(refused(Table::Interface))
    }

    /// Changes the tables. Idempotent.
    ///
    /// # Errors
    /// The table is full, waits for its readers, or the op names what cannot be; the tables are then as they were.
    pub fn apply(&mut self, op: &FwdOp) -> Result<(), ApplyError> {
        match *op {
            FwdOp::SetInterface { iface, interface } => {
                self.vrfs.get(interface.vrf).ok_or(ApplyError::TableFull(Table::Vrf))?;
                let record = interface::pack(&interface, self.spaces(iface), self.is_down(iface));
                self.interfaces.set(&mut self.grace, iface.0, record).map_err(refused(Table::Interface))
            }
            FwdOp::SetLabelSpace { iface, space } => self.set_spaces(iface, [Some(space), self.upstream_space(iface)]),
            FwdOp::SetUpstreamSpace { iface, space } => self.set_spaces(iface, [self.label_space(iface), Some(space)]),
            FwdOp::ClearLabelSpace { iface } | FwdOp::ClearUpstreamSpace { iface }
                if self.interface(iface).is_none() =>
            {
                Ok(())
            }
            FwdOp::ClearLabelSpace { iface } => self.set_spaces(iface, [None, self.upstream_space(iface)]),
            FwdOp::ClearUpstreamSpace { iface } => self.set_spaces(iface, [self.label_space(iface), None]),
            FwdOp::ClearInterface { iface } => {
                self.interfaces.clear(&self.grace, iface.0);
                Ok(())
            }
            FwdOp::SetNhlfe { id, nhlfe } => {
                self.nhlfes.set(&mut self.grace, id.0, nhlfe::pack(&nhlfe)).map_err(refused(Table::Nhlfe))
            }
            FwdOp::ClearNhlfe { id } => {
                self.nhlfes.clear(&self.grace, id.0);
                Ok(())
            }
            FwdOp::SetBucket { group, bucket, entry } => {
                let word = self.groups.bucket(group, bucket).ok_or(ApplyError::TableFull(Table::Ecmp))?;
                word.publish(entry.0.checked_add(1).ok_or(ApplyError::NhlfeId(entry))?);
                Ok(())
            }
            FwdOp::ClearBucket { group, bucket } => {
                self.groups.bucket(group, bucket).into_iter().for_each(|word| word.publish(0));
                Ok(())
            }
            FwdOp::SetProtection { id, primary, backup } => {
                self.pairs.set(id, primary, backup).ok_or(ApplyError::TableFull(Table::Protection))
            }
            FwdOp::ClearProtection { id } => {
                self.pairs.slot(id).into_iter().for_each(ProtectionSlot::clear);
                Ok(())
            }
            FwdOp::SwitchOver { id, backup } => {
                self.pairs.switch_over(id, backup);
                Ok(())
            }
            FwdOp::SetWatch { id, iface } => {
                self.pairs.watch(id, Some(iface)).ok_or(ApplyError::TableFull(Table::Protection))
            }
            FwdOp::ClearWatch { id } => {
                // Where there is no such pair, nothing is watched.
                let _ = self.pairs.watch(id, None);
                Ok(())
            }
            FwdOp::SetInterfaceState { iface, down } => {
                let record = self.tables().interfaces.record(iface).ok_or(ApplyError::NoInterface(iface))?;
                record.set_down(down);
                Ok(())
            }
            FwdOp::SetIlm { label, ilm } => self.set_ilm(label, ilm),
            FwdOp::ClearIlm { label } => {
                if label.is_special_purpose() {
                    self.set_explicit_null(label, TunnelModel::Uniform);
                } else if let Some(slot) = self.ilm.slot(label) {
                    slot.publish(0);
                }
                Ok(())
            }
            FwdOp::SetRoute4 { vrf, prefix, action } => self.set_route4(vrf, prefix, action),
            FwdOp::ClearRoute4 { vrf, prefix } => {
                let Some(slot) = self.vrfs.get(vrf) else { return Ok(()) };
                let removed = self.fib4.remove(&mut self.grace, &slot.fib4, prefix.bits(), prefix.bit_len());
                removed.map_err(refused(Table::Fib4))
            }
            FwdOp::SetRoute6 { vrf, prefix, action } => self.set_route6(vrf, prefix, action),
            FwdOp::ClearRoute6 { vrf, prefix } => {
                let Some(slot) = self.vrfs.get(vrf) else { return Ok(()) };
                let removed = self.fib6.remove(&mut self.grace, &slot.fib6, prefix.bits(), prefix.bit_len());
                removed.map_err(refused(Table::Fib6))
            }
            FwdOp::SetVlink { id, vlink } => self.set_vlink(id, &vlink),
            FwdOp::ClearVlink { id } => {
                self.vlinks.clear(&self.grace, id);
                Ok(())
            }
            FwdOp::SetVlinkOutput { id, output } => {
                self.vlinks.set_output(&mut self.grace, id, &output).map_err(refused(Table::Vlink))
            }
            FwdOp::SetPolicer { id, policer } => self.policers.set(&mut self.grace, id, &policer),
            FwdOp::ClearPolicer { id } => {
                self.policers.clear(&self.grace, id);
                Ok(())
            }
            FwdOp::SetPolicePoint { at, policer } => self.policers.word(policer).and_then(|word| self.police(at, word)),
            FwdOp::ClearPolicePoint { at } => {
                // Where there is no such point, nothing polices.
                let _ = self.police(at, 0);
                Ok(())
            }
            FwdOp::SetMark { at, code } => self.mark(at, Some(code)),
            FwdOp::ClearMark { at } => {
                // Where there is no such point, nothing is marked.
                let _ = self.mark(at, None);
                Ok(())
            }
            _ => self.apply_switching(op),
        }
    }

    fn set_vlink(&mut self, id: VlinkId, vlink: &Vlink) -> Result<(), ApplyError> {
        match vlink.deliver {
            Deliver::Vrf(vrf) => drop(self.vrfs.get(vrf).ok_or(ApplyError::TableFull(Table::Vrf))?),
            Deliver::Port(port) if self.bridge.reader().port(port).is_none() => {
                return Err(ApplyError::TableFull(Table::Port));
            }
            Deliver::Port(_) => {}
        }
        self.vlinks.set(&mut self.grace, id, vlink).map_err(refused(Table::Vlink))
    }

    /// Ops of multicast, replication and bridging.
    fn apply_switching(&mut self, op: &FwdOp) -> Result<(), ApplyError> {
        let (grace, multicast) = (&mut self.grace, &mut self.multicast);
        let applied = multicast.apply(grace, op).or_else(|| self.bridge.apply(grace, &mut multicast.routes, op));
        applied.unwrap_or(Ok(()))
    }

    /// Puts a policer, from 1, somewhere; 0 takes it away.
    fn police(&self, at: PolicePoint, word: u32) -> Result<(), ApplyError> {
        match at {
            PolicePoint::Port(port, traffic) => self.bridge.police_port(port, traffic, word),
            PolicePoint::Vsi(vsi, traffic) => self.bridge.police_vsi(vsi, traffic, word),
            PolicePoint::Multicast(vrf) => self.multicast.police(vrf, false, word),
            PolicePoint::Punt(vrf) => self.multicast.police(vrf, true, word),
            PolicePoint::Group(id) => self.multicast.police_group(id, word),
        }
    }

    /// Marks packets, or leaves them as they are.
    fn mark(&self, at: MarkPoint, code: Option<CodePoint>) -> Result<(), ApplyError> {
        if !QOS && code.is_some() {
            return Err(ApplyError::WithoutQos);
        }
        match at {
            MarkPoint::Vrf(vrf) => {
                let slot = self.vrfs.get(vrf).ok_or(ApplyError::TableFull(Table::Vrf))?;
                slot.mark.publish(pack_mark(code));
                Ok(())
            }
            MarkPoint::Group(id) => self.multicast.mark(id, code),
        }
    }

    fn set_ilm(&mut self, label: Label, ilm: Ilm) -> Result<(), ApplyError> {
        if label.is_special_purpose() {
            let is_global = ilm.action == IlmAction::PopLookup(VrfId::GLOBAL);
            return match is_global && self.set_explicit_null(label, ilm.model) {
                true => Ok(()),
                false => Err(ApplyError::SpecialPurposeLabel(label)),
            };
        }
        match ilm.action {
            IlmAction::Forward(_) => {}
            IlmAction::PopLookup(vrf) => drop(self.vrfs.get(vrf).ok_or(ApplyError::TableFull(Table::Vrf))?),
            IlmAction::Multicast(_) | IlmAction::Replicate(_) | IlmAction::Bridge(_) | IlmAction::Context(_) => {}
        }
        let word = ilm::pack(&ilm)?;
        self.ilm.slot(label).ok_or(ApplyError::TableFull(Table::Ilm))?.publish(word);
        Ok(())
    }

    /// Sets the model of an explicit null label; `false` for another label.
    fn set_explicit_null(&mut self, label: Label, model: TunnelModel) -> bool {
        let shift = match label {
            Label::IPV4_EXPLICIT_NULL => 0,
            Label::IPV6_EXPLICIT_NULL => 2,
            _ => return false,
        };
        let Some(slot) = self.vrfs.get(VrfId::GLOBAL) else { return false };
        slot.explicit_null.publish((slot.explicit_null.peek() & !(3 << shift)) | model_bits(model) << shift);
        true
    }

    fn set_route4(&mut self, vrf: VrfId, prefix: Ipv4Prefix, action: RouteAction) -> Result<(), ApplyError> {
        let slot = self.vrfs.get(vrf).ok_or(ApplyError::TableFull(Table::Vrf))?;
        let route = (prefix.bits(), prefix.bit_len());
        self.fib4.insert(&mut self.grace, &slot.fib4, route, pack(action)?).map_err(refused(Table::Fib4))
    }

    fn set_route6(&mut self, vrf: VrfId, prefix: Ipv6Prefix, action: RouteAction) -> Result<(), ApplyError> {
        let slot = self.vrfs.get(vrf).ok_or(ApplyError::TableFull(Table::Vrf))?;
        let route = (prefix.bits(), prefix.bit_len());
        self.fib6.insert(&mut self.grace, &slot.fib6, route, pack(action)?).map_err(refused(Table::Fib6))
    }
}

/// Why a table refused.
pub(super) fn refused(table: Table) -> impl FnOnce(Refused) -> ApplyError {
    move |refused| match refused {
        Refused::Full => ApplyError::TableFull(table),
        Refused::Busy => ApplyError::Busy(table),
    }
}
