//! The ways that a customer's frame takes out of its instance, without sending it: what probes follow (RFC 5501 §6.5.2).
//!
//! The look-ups are those of [`Forwarder::forward`], and so are the labels, the flow label and the choice among equal paths. Nothing is
//! learned, no address is kept from aging, nothing is policed, and no counter that anybody can read moves.

use crate::forwarder::Forwarder;
use crate::frame::Frame;
use crate::net::{IfIndex, PortId};
use crate::op::{Attachment, LegTarget};
use crate::stage::bridge::{self, Bridged, Way};
use crate::stage::port;
use crate::stage::replicate::{Copies, Lost, Made};
use crate::table::CounterMemory;
use crate::verdict::{DropReason, Verdict};
use crate::worker::Worker;

/// A way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedExit<'a> {
    /// What the frame leaves by: a bridge port, or the entry of a tree ([`LegTarget::Nhlfe`]).
    pub by: LegTarget,
    /// The interface.
    pub iface: IfIndex,
    /// The class that it would be sent with.
    pub class: u8,
    /// Towards a pseudowire or a tree: the link header and the labels, a flow label among them, whose last is the bottom of the stack.
    /// Towards a circuit: nothing.
    pub labels: &'a [u8],
    /// A control word stands between the labels and the frame (RFC 4385 §3).
    pub control_word: bool,
}

/// Octets of the two MAC addresses, which stand at the end of a front, and of a tag that is behind them.
const MACS: usize = 12;
const TAG: usize = 4;
const CONTROL_WORD: usize = 4;

impl<'m> Forwarder<'m> {
    /// Tells each way that a frame of a customer takes when it has come to a bridge port: to the port of its destination, or to the
    /// legs of a group. The frame stands without tags that delimit the service; a pseudowire's port takes it as if it had come out of
    /// the pseudowire.
    ///
    /// # Errors
    /// It would be dropped, or go to software.
    pub fn trace(&self, frame: &Frame<'_>, port: PortId, on_exit: impl FnMut(TracedExit<'_>)) -> Result<(), Verdict> {
        Tracer { worker: Worker::new(self.tables(), None, CounterMemory::default()), on_exit }.run(frame, port)
    }

    /// Tells how a frame of this router's own, of a class, leaves by a bridge port: what its labels are, or that it has none.
    ///
    /// # Errors
    /// The port leads nowhere, or the frame is too large for it.
    pub fn trace_own(
        &self,
        frame: &Frame<'_>,
        (port, class): (PortId, u8),
        on_exit: impl FnMut(TracedExit<'_>),
    ) -> Result<(), Verdict> {
        let worker = Worker::new(self.tables(), None, CounterMemory::default());
        let bridged = bridge::own(&worker.tables, port, class).ok_or(Verdict::Drop(DropReason::NoPort))?;
        Tracer { worker, on_exit }.by_port(frame, &bridged, port)
    }
}

/// A worker that keeps nothing, and who is told.
struct Tracer<'m, F> {
    worker: Worker<'m>,
    on_exit: F,
}

impl<F: FnMut(TracedExit<'_>)> Tracer<'_, F> {
    fn run(mut self, frame: &Frame<'_>, port: PortId) -> Result<(), Verdict> {
        let worker = &mut self.worker;
        match bridge::trace(&worker.tables, &mut worker.state, frame, port).map_err(Verdict::from)? {
            Way::Port(bridged, id) => self.by_port(frame, &bridged, id)?,
            Way::Replicate(replication) => {
                let mut copies = Copies::new(&mut self.worker, frame, replication, None);
                let tables = copies.tables();
                while let Some((by, made)) = copies.make_next() {
                    if let Some(exit) = by.and_then(|by| exit(&tables, by, &made, copies.header())) {
                        (self.on_exit)(exit);
                    }
                }
            }
        }
        Ok(())
    }

    fn by_port(&mut self, frame: &Frame<'_>, bridged: &Bridged, id: PortId) -> Result<(), Verdict> {
        let mut header = [0; Copies::HEADER];
        let made = port::copy(&mut self.worker, frame, bridged, id, &mut header).map_err(|lost| {
            Verdict::Drop(match lost {
                Lost::Skip => DropReason::SamePort,
                Lost::Drop(reason) => reason,
                Lost::TooBig(..) => DropReason::CopyTooBig,
            })
        })?;
        if let Some(exit) = exit(&self.worker.tables, LegTarget::Port(id), &made, &header) {
            (self.on_exit)(exit);
        }
        Ok(())
    }
}

fn exit<'h>(
    tables: &crate::table::Tables<'_>,
    by: LegTarget,
    made: &Made,
    header: &'h [u8; Copies::HEADER],
) -> Option<TracedExit<'h>> {
    let Made::Transmit { iface, class, header: len, .. } = *made else { return None };
    let (behind, control_word) = match by {
        LegTarget::Port(id) => {
            let port = tables.bridges.port(id)?;
            let tag = match port.attachment {
                Attachment::Circuit { .. } => {
                    return Some(TracedExit { by, iface, class, labels: &[], control_word: false });
                }
                Attachment::Pseudowire { .. } => 0,
                Attachment::Tagged { .. } => TAG,
            };
            (tag, port.control_word)
        }
        _ => (0, false),
    };
    let behind = MACS.saturating_add(behind).saturating_add(if control_word { CONTROL_WORD } else { 0 });
    let labels = header.get(..len.checked_sub(behind)?)?;
    Some(TracedExit { by, iface, class, labels, control_word })
}
