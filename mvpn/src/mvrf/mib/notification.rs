//! mvpnMvrfActionTaken (RFC 8503).

use alloc::vec::Vec;

use fwd_core::mib::{Oid, Row, Value, instance};
use fwd_core::net::VrfId;

use super::{GenericRow, MvpnMib};

/// A notification with its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The VRF it is about.
    pub vrf: VrfId,
    /// Its objects, in the order of the MIB.
    pub objects: Vec<(Oid, Value)>,
}

impl Notification {
    /// The value of snmpTrapOID: mvpnMvrfActionTaken.
    pub const OID: &'static [u32] = &[1, 3, 6, 1, 2, 1, 243, 0, 1];

    /// The columns of mvpnGenericTable that go along, as the module lists them.
    const OBJECTS: [u32; 7] = [4, 2, 3, 4, 5, 8, 9];

    fn of(row: &GenericRow) -> Self {
        let objects = Self::OBJECTS.into_iter().filter_map(|column| Some((instance(row, column), row.cell(column)?)));
        Self { vrf: row.vrf, objects: objects.collect() }
    }
}

/// mvpnGenMvrfLastAction: deletedMvrf(2).
const DELETED: i32 = 2;

impl MvpnMib {
    /// The notifications that the change from an earlier picture is: MVRFs that came, went or changed. However often an MVRF changed
    /// between the pictures, there is one; who takes a picture a second sends no more than one a second for each. `at`:
    /// DateAndTime of this picture.
    #[must_use]
    pub fn changes(&self, before: &Self, at: &[u8]) -> Vec<Notification> {
        let known = |table: &Self, vrf: VrfId| table.generic.rows().find(|row| row.vrf == vrf).cloned();
        let gone = before.generic.rows().filter(|row| known(self, row.vrf).is_none()).map(|row| {
            let row = GenericRow { last: (DELETED, at.to_vec()), ..row.clone() };
            Notification::of(&row)
        });
        let here = self.generic.rows().filter(|row| {
            known(before, row.vrf).is_none_or(|old| (&old.last, &old.created) != (&row.last, &row.created))
        });
        gone.chain(here.map(Notification::of)).collect()
    }
}
