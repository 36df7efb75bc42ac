//! The notifications of MPLS-L3VPN-STD-MIB (RFC 4382), each once per crossing (mplsL3VpnVrfConfRteMxThrshTime is 0).

use alloc::vec::Vec;

use fwd_core::mib::{Oid, Row, Value, instance};
use fwd_core::net::VrfId;

use super::{IfConf, L3VpnMib, Scalars, VrfEntry, VrfPerf, VrfSec};
use crate::speaker::Event;

/// Which notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationType {
    /// mplsL3VpnVrfUp.
    VrfUp = 1,
    /// mplsL3VpnVrfDown.
    VrfDown = 2,
    /// mplsL3VpnVrfRouteMidThreshExceeded.
    RouteMidThreshExceeded = 3,
    /// mplsL3VpnVrfNumVrfRouteMaxThreshExceeded.
    RouteMaxThreshExceeded = 4,
    /// mplsL3VpnNumVrfSecIllglLblThrshExcd.
    IllegalLabelThreshExceeded = 5,
    /// mplsL3VpnNumVrfRouteMaxThreshCleared.
    RouteMaxThreshCleared = 6,
}

/// A notification with its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Which.
    pub kind: NotificationType,
    /// The VRF it is about.
    pub vrf: VrfId,
    /// Its objects, in the order of the MIB.
    pub objects: Vec<(Oid, Value)>,
}

impl Notification {
    /// The value of snmpTrapOID: below mplsL3VpnNotifications.
    #[must_use]
    pub fn oid(&self) -> Oid {
        Oid::new(&[1, 3, 6, 1, 2, 1, 10, 166, 11, 0, self.kind as u32])
    }
}

impl L3VpnMib {
    /// The notification that an event is, with the objects of this moment; `None` if it is none or notifications are off.
    #[must_use]
    pub fn notification(&self, event: &Event) -> Option<Notification> {
        use NotificationType as Type;
        let (vrf, kind) = match *event {
            Event::VrfThreshold { vrf, high: false, .. } => (vrf, Type::RouteMidThreshExceeded),
            // Where the high threshold is the bound, reaching it is enough; else exceeding the bound is.
            Event::VrfThreshold { vrf, high: true, .. } if self.high_is_max(vrf)? => {
                (vrf, Type::RouteMaxThreshExceeded)
            }
            Event::VrfFull { vrf } if !self.high_is_max(vrf)? => (vrf, Type::RouteMaxThreshExceeded),
            Event::VrfCleared { vrf } => (vrf, Type::RouteMaxThreshCleared),
            _ => return None,
        };
        let threshold = if kind == Type::RouteMidThreshExceeded { 9 } else { 10 };
        let objects = [self.of_vrf(&self.performance, vrf, |p: &VrfPerf| &p.0, 3)?, {
            self.of_vrf(&self.vrfs, vrf, |v: &VrfEntry| &v.0, threshold)?
        }];
        self.enabled().then(|| Notification { kind, vrf, objects: objects.into() })
    }

    /// The notifications that the change from an earlier picture is: VRFs up and down, illegal labels above the threshold.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<Notification> {
        use NotificationType as Type;
        let mut notifications = Vec::new();
        if !self.enabled() {
            return notifications;
        }
        let threshold = u64::from(self.scalars.rows().next().map_or(u32::MAX, |s| s.illegal_label_threshold));
        for VrfEntry(now) in self.vrfs.rows() {
            let id = now.config.id;
            let then = before.vrfs.rows().map(|v| &v.0).find(|v| v.config.id == id);
            let was_up = then.is_some_and(super::VrfRow::is_up);
            if now.is_up() != was_up {
                let kind = if now.is_up() { Type::VrfUp } else { Type::VrfDown };
                let mut objects: Vec<_> =
                    self.changed_interface(before, now.config.name.as_bytes()).into_iter().collect();
                objects.extend(self.of_vrf(&self.vrfs, id, |v| &v.0, 6));
                notifications.push(Notification { kind, vrf: id, objects });
            }
            if now.illegal_labels > threshold && then.is_none_or(|t| t.illegal_labels <= threshold) {
                let objects = self.of_vrf(&self.security, id, |s: &VrfSec| &s.0, 1).into_iter().collect();
                notifications.push(Notification { kind: Type::IllegalLabelThreshExceeded, vrf: id, objects });
            }
        }
        notifications
    }

    fn enabled(&self) -> bool {
        self.scalars.rows().next().is_some_and(|s: &Scalars| s.notifications)
    }

    fn high_is_max(&self, vrf: VrfId) -> Option<bool> {
        let limit = self.vrfs.rows().find(|v| v.0.config.id == vrf)?.0.config.limit?;
        Some(limit.high == limit.max)
    }

    /// A column of the row of a VRF, with its identifier.
    fn of_vrf<R: Row>(
        &self,
        table: &fwd_core::mib::Table<R>,
        vrf: VrfId,
        of: impl Fn(&R) -> &super::VrfRow,
        column: u32,
    ) -> Option<(Oid, Value)> {
        let row = table.rows().find(|r| of(r).config.id == vrf)?;
        Some((instance(row, column), row.cell(column)?))
    }

    /// mplsL3VpnIfConfRowStatus of the first interface of a VRF that went up or down, or went.
    fn changed_interface(&self, before: &Self, vrf: &[u8]) -> Option<(Oid, Value)> {
        let of = |mib: &Self| mib.interfaces.rows().filter(|i| i.vrf == vrf).cloned().collect::<Vec<IfConf>>();
        let (now, then) = (of(self), of(before));
        let changed = now.iter().find(|i| !then.contains(i)).or_else(|| then.iter().find(|i| !now.contains(i)))?;
        Some((instance(changed, 5), changed.cell(5)?))
    }
}
