//! Second stage: labelled packets. Pops what ends here, swaps what goes on.

use super::egress::Hop;
use super::exposed::{Exposed, Tunnel, dscp_for};
use super::{Below, Halt, Rewrite, Step, flow, outgoing_ttl, punt};
use crate::frame::Frame;
use crate::net::{Label, LabelSpaceId, NhlfeId, PortId, ReplicationId, TunnelId, VrfId};
use crate::op::{Ilm, IlmAction, TunnelModel};
use crate::table::Tables;
use crate::verdict::{DropReason, PuntReason};
use crate::wire::LabelEntry;

/// Labels that are popped at most, one of which may be followed by a swap: a bound on the work for one packet.
const MAX_POPS: usize = 8;

/// Label spaces that one packet is looked up in at most, below the tunnel's label: a VPN's label and a PE distinguisher label.
const MAX_SPACES: usize = 2;

/// What becomes of a labelled packet.
pub(crate) enum Labelled {
    /// It goes on, its label swapped or popped.
    Forward(Forwarded),
    /// Its labels end here; the IP packet at `offset` is looked up.
    Route {
        vrf: VrfId,
        offset: usize,
        tunnel: Tunnel,
        /// The IP version that the last label demands.
        version: Option<Version>,
    },
    /// Its labels end here; another stage goes on.
    Ended(Ended),
}

/// Where a label leads that is swapped or popped, the label's entry, and what the labels above it left.
pub(crate) type Forwarded = (Incoming, LabelEntry, Tunnel);

/// A labelled packet that is neither forwarded by its label nor routed by its destination.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ended {
    /// Its label is that of a P2MP LSP: the legs of this group get it.
    Replicate(ReplicationId, Incoming, LabelEntry, Tunnel),
    /// The IP packet at `offset` is multicast of the VRF that came by this tunnel.
    Multicast { origin: TunnelId, vrf: VrfId, offset: usize, tunnel: Tunnel },
    /// Its label is that of a pseudowire; what is below it stands at `offset`.
    Bridge { port: PortId, offset: usize, is_bottom: bool, tunnel: Tunnel },
}

/// The IP version that an explicit null label announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

/// Processes the label stack at `offset` (RFC 3031 §3.13, §3.18; RFC 3032 §2.1).
///
/// `space` is that of the interface, where it has one of its own (RFC 3031 §3.14): all labels are of it.
pub(crate) fn process(
    tables: &Tables<'_>,
    frame: &Frame<'_>,
    vrf: VrfId,
    space: Option<LabelSpaceId>,
    offset: usize,
) -> Step<Labelled> {
    let mut offset = offset;
    let mut tunnel: Option<Tunnel> = None;
    // Where IP below an entropy label is looked up: as the label above says.
    let mut below = VrfId::GLOBAL;
    for _ in 0..=MAX_POPS {
        let entry = LabelEntry::of(frame.after(offset)).ok_or(Halt::Drop(DropReason::Truncated))?;
        let state = tunnel.unwrap_or(Tunnel::of(entry));
        let label = entry.label();
        let (model, next_vrf, version) = match label {
            Label::IPV4_EXPLICIT_NULL => (tables.explicit_null_model(label), VrfId::GLOBAL, Some(Version::V4)),
            Label::IPV6_EXPLICIT_NULL => (tables.explicit_null_model(label), VrfId::GLOBAL, Some(Version::V6)),
            Label::ROUTER_ALERT if entry.is_bottom() => return Err(Halt::Drop(DropReason::RouterAlertAtBottom)),
            Label::ROUTER_ALERT => return Err(punt(PuntReason::RouterAlert, vrf, offset)),
            Label::ENTROPY_INDICATOR if !entry.is_bottom() => {
                // RFC 6790 §4.2: the indicator and the label below go; what they tell of TTL and class is the tunnel's.
                offset = offset.saturating_add(LabelEntry::LEN);
                let entropy = LabelEntry::of(frame.after(offset)).ok_or(Halt::Drop(DropReason::Truncated))?;
                offset = offset.saturating_add(LabelEntry::LEN);
                if entropy.is_bottom() {
                    return Ok(Labelled::Route { vrf: below, offset, tunnel: state, version: None });
                }
                tunnel = Some(state);
                continue;
            }
            Label::IMPLICIT_NULL => return Err(Halt::Drop(DropReason::ImplicitNull)),
            _ if label.is_special_purpose() => return Err(Halt::Drop(DropReason::SpecialPurposeLabel)),
            _ => {
                let ilm = match space {
                    None => tables.ilm.get(label),
                    Some(space) => of_space(tables, space, label),
                }
                .ok_or(Halt::Drop(DropReason::UnknownLabel))?;
                match ilm.action {
                    IlmAction::PopLookup(vrf) => (ilm.model, vrf, None),
                    IlmAction::Replicate(group) => {
                        // The entries that replace the label are those of the legs.
                        let at = Incoming { id: NhlfeId(0), model: ilm.model, offset, vrf };
                        return Ok(Labelled::Ended(Ended::Replicate(group, at, entry, state)));
                    }
                    IlmAction::Multicast(origin) => {
                        let at = Incoming { id: NhlfeId(0), model: ilm.model, offset, vrf };
                        return leave_tree(tables, frame, origin, &at, entry, state).map(Labelled::Ended);
                    }
                    IlmAction::Context(space) => {
                        let at = Incoming { id: NhlfeId(0), model: ilm.model, offset, vrf };
                        return context(tables, frame, space, &at, entry, state).map(Labelled::Ended);
                    }
                    IlmAction::Bridge(port) => {
                        let offset = offset.saturating_add(LabelEntry::LEN);
                        let is_bottom = entry.is_bottom();
                        return Ok(Labelled::Ended(Ended::Bridge { port, offset, is_bottom, tunnel: state }));
                    }
                    IlmAction::Forward(id) => {
                        let at = Incoming { id, model: ilm.model, offset, vrf };
                        return Ok(Labelled::Forward((at, entry, state)));
                    }
                }
            }
        };
        offset = offset.saturating_add(LabelEntry::LEN);
        let exposed = Exposed::read(frame, offset, entry.is_bottom())?;
        let state = state.pop(model, &exposed);
        if entry.is_bottom() {
            return Ok(Labelled::Route { vrf: next_vrf, offset, tunnel: state, version });
        }
        (tunnel, below) = (Some(state), next_vrf);
    }
    Err(Halt::Drop(DropReason::StackTooDeep))
}

/// What a label of another label space means. Most packets have no need of it: it stays out of their way.
#[inline(never)]
fn of_space(tables: &Tables<'_>, space: LabelSpaceId, label: Label) -> Option<Ilm> {
    tables.multicast.routes.context(space, label)
}

/// Leaves a tunnel that carries multicast of a VRF (RFC 6513 §6, §9.1).
#[inline(never)]
pub(super) fn leave_tree(
    tables: &Tables<'_>,
    frame: &Frame<'_>,
    origin: TunnelId,
    at: &Incoming,
    entry: LabelEntry,
    tunnel: Tunnel,
) -> Step<Ended> {
    let bound = tables.multicast.tunnel_vrf(origin);
    let vrf = bound.ok_or(Halt::Drop(DropReason::UnknownTunnel))?;
    if !entry.is_bottom() {
        return Err(Halt::Drop(DropReason::LabelBelow));
    }
    let offset = at.offset.saturating_add(LabelEntry::LEN);
    let exposed = Exposed::read(frame, offset, true)?;
    Ok(Ended::Multicast { origin, vrf, offset, tunnel: tunnel.pop(at.model, &exposed) })
}

/// Looks the labels below a tunnel's label up in the label spaces of the tunnel's root (RFC 5331 §7).
#[inline(never)]
pub(super) fn context(
    tables: &Tables<'_>,
    frame: &Frame<'_>,
    space: LabelSpaceId,
    at: &Incoming,
    entry: LabelEntry,
    tunnel: Tunnel,
) -> Step<Ended> {
    if entry.is_bottom() {
        return Err(UNBOUND);
    }
    let offset = at.offset.saturating_add(LabelEntry::LEN);
    let tunnel = tunnel.pop(at.model, &Exposed::read(frame, offset, false)?);
    in_space(tables, frame, space, (at.vrf, offset), tunnel)
}

/// Looks the labels of a tunnel without a label of its own up in the label spaces of the tunnel's root (RFC 6513 §12.2).
#[inline(never)]
pub(super) fn upstream(tables: &Tables<'_>, frame: &Frame<'_>, space: LabelSpaceId, offset: usize) -> Step<Ended> {
    let entry = LabelEntry::of(frame.after(offset)).ok_or(Halt::Drop(DropReason::Truncated))?;
    in_space(tables, frame, space, (VrfId::GLOBAL, offset), Tunnel::of(entry))
}

const UNBOUND: Halt = Halt::Drop(DropReason::NoContextBinding);

/// Looks labels up in the label spaces of a tunnel's root: one, or where several VPNs share the tunnel that of the VPN and below it that of
/// a distinguished PE (RFC 6513 §12.2, §12.3). A leaf of the tunnel that the root told nothing about a label drops the packet: it is for
/// others.
fn in_space(
    tables: &Tables<'_>,
    frame: &Frame<'_>,
    space: LabelSpaceId,
    (vrf, offset): (VrfId, usize),
    tunnel: Tunnel,
) -> Step<Ended> {
    let (mut space, mut offset, mut tunnel) = (space, offset, tunnel);
    for _ in 0..MAX_SPACES {
        let entry = LabelEntry::of(frame.after(offset)).ok_or(Halt::Drop(DropReason::Truncated))?;
        let ilm = tables.multicast.routes.context(space, entry.label()).ok_or(UNBOUND)?;
        let at = Incoming { id: NhlfeId(0), model: ilm.model, offset, vrf };
        match ilm.action {
            IlmAction::Multicast(origin) => return leave_tree(tables, frame, origin, &at, entry, tunnel),
            IlmAction::Bridge(port) => {
                let offset = offset.saturating_add(LabelEntry::LEN);
                return Ok(Ended::Bridge { port, offset, is_bottom: entry.is_bottom(), tunnel });
            }
            IlmAction::Replicate(group) => return Ok(Ended::Replicate(group, at, entry, tunnel)),
            IlmAction::Context(inner) if !entry.is_bottom() => {
                offset = offset.saturating_add(LabelEntry::LEN);
                tunnel = tunnel.pop(ilm.model, &Exposed::read(frame, offset, false)?);
                space = inner;
            }
            _ => return Err(UNBOUND),
        }
    }
    Err(UNBOUND)
}

/// Where a label leads, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(super) id: NhlfeId,
    pub(super) model: TunnelModel,
    pub(super) offset: usize,
    pub(super) vrf: VrfId,
}

/// Swaps or pops a label.
pub(crate) fn forward<'m>(
    tables: &Tables<'m>,
    frame: &Frame<'_>,
    (at, entry, tunnel): Forwarded,
    hop: &mut Hop<'m>,
) -> Step<Rewrite> {
    hop.follow(tables, at.id, (at.vrf, at.offset), || flow::of_labels(frame.after(at.offset)))?;
    if hop.pops() {
        return pop(frame, hop.vrf, at, entry, tunnel);
    }
    // RFC 3443 §3.5, cases 1 and 2; RFC 3270: a swap alone is the same in every model.
    Ok(Rewrite {
        strip: at.offset.saturating_add(LabelEntry::LEN),
        end: frame.octets().len(),
        below: Below::Swapped { class: tunnel.class, bottom: entry.is_bottom() },
        ttl: outgoing_ttl(tunnel.ttl, at.vrf, at.offset)?,
        phb: tunnel.phb,
        punt: (at.vrf, at.offset),
    })
}

/// Pops the last label of an LSP without a look-up of what is below: at its penultimate hop, or at its end where the label
/// alone says the attachment circuit. `vrf` is that of the interface it leaves by.
fn pop(frame: &Frame<'_>, vrf: VrfId, at: Incoming, entry: LabelEntry, tunnel: Tunnel) -> Step<Rewrite> {
    let strip = at.offset.saturating_add(LabelEntry::LEN);
    let exposed = Exposed::read(frame, strip, entry.is_bottom())?;
    let is_penultimate = vrf == VrfId::GLOBAL;
    let (ttl, tunnel) = if at.model == TunnelModel::ShortPipe && is_penultimate {
        // RFC 3443 §3.5, case 3: the outer TTL is checked, the exposed one neither checked nor changed. RFC 3270
        // §2.6.2.1: the penultimate hop serves the packet by the outer class.
        outgoing_ttl(tunnel.ttl, vrf, at.offset)?;
        (exposed.ttl(), tunnel.pop(TunnelModel::Pipe, &exposed))
    } else {
        // Uniform: the same here and at the end. Pipe has no penultimate hop popping (RFC 3443 §3.3): this is the end.
        let tunnel = tunnel.pop(at.model, &exposed);
        (outgoing_ttl(tunnel.ttl, vrf, at.offset)?, tunnel)
    };
    let below = match exposed {
        Exposed::Label(_) => Below::Label { class: tunnel.class },
        Exposed::Ipv4 { dscp, dont_fragment, .. } => Below::Ipv4 { dscp: dscp_for(tunnel.class, dscp), dont_fragment },
        Exposed::Ipv6 { dscp, .. } => Below::Ipv6 { dscp: dscp_for(tunnel.class, dscp) },
    };
    let end = frame.octets().len();
    Ok(Rewrite { strip, end, below, ttl, phb: tunnel.phb, punt: (vrf, at.offset) })
}
