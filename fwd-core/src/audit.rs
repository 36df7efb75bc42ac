//! Is the forwarding plane what the control plane believes it is? Every entry as the op that made it, ops compared with the
//! tables, and the ways of packets for a human to read.
//!
//! What changes with packets and time is not looked at: addresses that were learned, counters, token buckets.

mod bridge;
mod multicast;
mod path;
mod police;
mod routing;
mod spread;
mod tree;

pub use path::{Path, Step};
pub use tree::Tree;

use crate::op::FwdOp;
use crate::table::Writer;

/// How the tables differ from an op that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is nothing of what the op set.
    Missing,
    /// There is something else: this op would make it.
    Different(FwdOp),
    /// What the op cleared is there: this op would make it.
    Present(FwdOp),
}

/// Compares the tables with what one op left behind; `Ok` also of an op that leaves nothing to be looked at: a flush.
///
/// ```
/// # use fwd_core::audit::{Finding, compare};
/// # use fwd_core::net::VrfId;
/// # use fwd_core::op::{FwdOp, RouteAction};
/// # use fwd_core::table::{Memory, Rib4Node, VrfSlot, Word, Writer};
/// # let (mut vrfs, mut rib4, mut fib4) = ([VrfSlot::EMPTY; 1], [Rib4Node::EMPTY; 8], vec![Word::ZERO; 2000]);
/// # let memory = Memory { vrfs: &mut vrfs, rib4: &mut rib4, fib4: &mut fib4, ..Memory::default() };
/// # let mut writer = Writer::new(memory)?;
/// let op = FwdOp::SetRoute4 { vrf: VrfId(0), prefix: "10.0.0.0/8".parse()?, action: RouteAction::Local };
/// assert_eq!(compare(&writer, &op), Err(Finding::Missing));
/// writer.apply(&op)?;
/// assert_eq!(compare(&writer, &op), Ok(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The tables hold nothing of it, or something else.
pub fn compare(tables: &Writer<'_>, op: &FwdOp) -> Result<(), Finding> {
    let expected = match *op {
        // Implicit null labels are not kept: to push one is to push none (RFC 3032 §2.1).
        FwdOp::SetNhlfe { id, mut nhlfe } => {
            nhlfe.push = routing::without_implicit_null(&nhlfe.push);
            FwdOp::SetNhlfe { id, nhlfe }
        }
        op => op,
    };
    match found(tables, op) {
        None | Some(Found::Clear(None)) => Ok(()),
        Some(Found::Clear(Some(op))) => Err(Finding::Present(op)),
        Some(Found::Set(None)) => Err(Finding::Missing),
        Some(Found::Set(Some(op))) if op == expected => Ok(()),
        Some(Found::Set(Some(op))) => Err(Finding::Different(op)),
    }
}

/// What stands where an op writes, as the op that would make it.
enum Found {
    /// The op sets something.
    Set(Option<FwdOp>),
    /// The op clears.
    Clear(Option<FwdOp>),
}

/// What stands where this op writes; `None` of one that leaves nothing to be looked at.
fn found(tables: &Writer<'_>, op: &FwdOp) -> Option<Found> {
    routing::found(tables, op)
        .or_else(|| spread::found(tables, op))
        .or_else(|| multicast::found(tables, op))
        .or_else(|| bridge::found(tables, op))
        .or_else(|| police::found(tables, op))
}

/// Every entry of the tables as the op that would make it, in an order in which they can be applied: what a control plane compares with
/// its own list to find what should not be there, and what makes the same tables elsewhere. A virtual link to a bridge port that was removed
/// since is among them, and is refused elsewhere.
pub fn entries<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    routing::interfaces(tables)
        .chain(routing::labels(tables))
        .chain(spread::entries(tables))
        .chain(police::policers(tables))
        .chain(multicast::entries(tables))
        .chain(bridge::entries(tables))
        .chain(police::points(tables))
        .chain(routing::vlinks(tables))
        .chain(routing::routes(tables))
}
