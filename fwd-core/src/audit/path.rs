//! The way of one packet, or of one of its copies, through the tables.

use core::fmt;
use core::net::IpAddr;

use crate::net::{
    IfIndex, Label, LabelSpaceId, LabelStack, Mac, NhlfeId, PortId, ReplicationId, TunnelId, VlinkId, VrfId, VsiId,
};
use crate::op::{
    Attachment, Deliver, IlmAction, LegTarget, MrouteKey, NextHop, Origin, RouteAction, Rpf, Tags, TrafficType,
};
use crate::table::Writer;

/// One step of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The longest matching route of a VRF.
    Route(VrfId, RouteAction),
    /// The multicast route of a VRF, and where its packets must come from.
    Mroute(VrfId, MrouteKey, Rpf),
    /// An incoming label.
    Label(Label, IlmAction),
    /// A MAC address that an instance knows.
    Mac(VsiId, Mac),
    /// Frames of a type that an instance sends to several ports.
    Flood(VsiId, TrafficType),
    /// A replication group.
    Group(ReplicationId),
    /// A leg of it.
    Leg(u16),
    /// Out of a bridge port.
    Port(PortId),
    /// The circuit of a bridge port: its interface, and the tags that frames leave with.
    Circuit(IfIndex, Tags),
    /// In by a bridge port, as a frame that arrived there.
    Arrive(PortId),
    /// On in a VRF, as a packet that came from there: the packet is looked up.
    Vrf(VrfId, Option<Origin>),
    /// The label below is looked up in this space.
    Space(LabelSpaceId),
    /// An entry, and the labels it pushes.
    Nhlfe(NhlfeId, LabelStack),
    /// A virtual link.
    Vlink(VlinkId),
    /// An interface, and the neighbour on it.
    Interface(IfIndex, Mac),
    /// An interface, and all on it who listen to the group.
    Link(IfIndex),
    /// To this router's software.
    Software,
    /// Nowhere, as an entry or route says.
    Discard,
    /// There is no route, label, entry, link, port, group or interface where the step before leads.
    Nothing,
    /// The group is there, but is not the owner's whose packet it is: nothing is copied.
    Foreign,
    /// The entries form a chain that is too long.
    TooDeep,
}

/// The way of a packet through the tables.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    steps: [Step; Self::CAPACITY],
    len: usize,
}

impl Path {
    /// The most steps: two groups with a leg each, a port, a chain of entries with a virtual link in it, an interface, and what is not there.
    const CAPACITY: usize = 16;

    pub(super) const EMPTY: Self = Self { steps: [Step::Nothing; Self::CAPACITY], len: 0 };

    /// The way of a packet to an address in a VRF.
    #[must_use]
    pub fn to(tables: &Writer<'_>, vrf: VrfId, address: IpAddr) -> Self {
        let action = match address {
            IpAddr::V4(address) => tables.lookup4(vrf, address),
            IpAddr::V6(address) => tables.lookup6(vrf, address),
        };
        let mut path = Self::EMPTY;
        let Some(action) = action else { return path.and(Step::Nothing) };
        path = path.and(Step::Route(vrf, action));
        match action {
            RouteAction::Forward(id) => path.through(tables, id),
            RouteAction::Local => path.and(Step::Software),
            RouteAction::Discard => path.and(Step::Discard),
        }
    }

    /// The way of a packet with this label on top. It ends where the label does, if what is below it is looked up, and at a group
    /// ([`super::Tree::of_label`] goes on).
    #[must_use]
    pub fn of_label(tables: &Writer<'_>, label: Label) -> Self {
        let Some(ilm) = tables.ilm(label) else { return Self::EMPTY.and(Step::Nothing) };
        let path = Self::EMPTY.and(Step::Label(label, ilm.action));
        match ilm.action {
            IlmAction::Forward(id) => path.through(tables, id),
            IlmAction::Multicast(tunnel) => path.by_tunnel(tables, tunnel),
            IlmAction::Bridge(port) => path.arrive(tables, port),
            IlmAction::PopLookup(_) | IlmAction::Replicate(_) | IlmAction::Context(_) => path,
        }
    }

    /// The way of a packet that this entry sends.
    #[must_use]
    pub fn by(tables: &Writer<'_>, id: NhlfeId) -> Self {
        Self::EMPTY.through(tables, id)
    }

    /// The way of a frame to an address that an instance knows.
    #[must_use]
    pub fn to_mac(tables: &Writer<'_>, vsi: VsiId, mac: Mac) -> Self {
        match tables.mac(vsi, mac) {
            Some(port) => Self::EMPTY.and(Step::Mac(vsi, mac)).out_of(tables, port),
            None => Self::EMPTY.and(Step::Nothing),
        }
    }

    /// The way of what arrives by a virtual link: where its payloads go.
    #[must_use]
    pub fn from_vlink(tables: &Writer<'_>, id: VlinkId) -> Self {
        let Some((link, _)) = tables.vlink(id) else { return Self::EMPTY.and(Step::Nothing) };
        let path = Self::EMPTY.and(Step::Vlink(id));
        match link.deliver {
            Deliver::Vrf(vrf) => path.and(Step::Vrf(vrf, None)),
            Deliver::Port(port) => path.arrive(tables, port),
        }
    }

    /// The way of what leaves by a virtual link.
    #[must_use]
    pub fn by_vlink(tables: &Writer<'_>, id: VlinkId) -> Self {
        let path = Self::EMPTY.and(Step::Vlink(id));
        match tables.vlink(id) {
            Some((_, Some(output))) => path.through(tables, output.next),
            _ => path.and(Step::Nothing),
        }
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.steps.get(..self.len).unwrap_or(&self.steps)
    }

    pub(super) fn and(mut self, step: Step) -> Self {
        if let Some(slot) = self.steps.get_mut(self.len) {
            *slot = step;
            self.len = self.len.saturating_add(1);
        }
        self
    }

    /// The copy for a leg, but for one that is a group.
    pub(super) fn by_leg(self, tables: &Writer<'_>, leg: u16, target: LegTarget) -> Self {
        let path = self.and(Step::Leg(leg));
        match target {
            LegTarget::Interface(iface) => path.and(Step::Link(iface)).if_there(tables, iface),
            LegTarget::Nhlfe(id) => path.through(tables, id),
            LegTarget::Port(port) => path.out_of(tables, port),
            LegTarget::Group(_) => path,
            LegTarget::Multicast(tunnel) | LegTarget::Decapsulate(tunnel) => path.by_tunnel(tables, tunnel),
            LegTarget::Arrive(port) => path.arrive(tables, port),
            LegTarget::Context(space) => path.and(Step::Space(space)),
            LegTarget::Local => path.and(Step::Software),
        }
    }

    /// Multicast that came by a tunnel, in the tunnel's VRF.
    fn by_tunnel(self, tables: &Writer<'_>, tunnel: TunnelId) -> Self {
        let vrf = tables.tunnel_vrf(tunnel);
        self.and(vrf.map_or(Step::Nothing, |vrf| Step::Vrf(vrf, Some(Origin::Tunnel(tunnel)))))
    }

    fn arrive(self, tables: &Writer<'_>, port: PortId) -> Self {
        self.and(if tables.port(port).is_some() { Step::Arrive(port) } else { Step::Nothing })
    }

    fn out_of(self, tables: &Writer<'_>, id: PortId) -> Self {
        let Some(port) = tables.port(id) else { return self.and(Step::Nothing) };
        let path = self.and(Step::Port(id));
        match port.attachment {
            Attachment::Circuit { iface, tags } => path.and(Step::Circuit(iface, tags)).if_there(tables, iface),
            Attachment::Pseudowire { nhlfe } | Attachment::Tagged { nhlfe, .. } => path.through(tables, nhlfe),
        }
    }

    /// It ends at this interface, which may not be there.
    fn if_there(self, tables: &Writer<'_>, iface: IfIndex) -> Self {
        if tables.interface(iface).is_some() { self } else { self.and(Step::Nothing) }
    }

    fn through(mut self, tables: &Writer<'_>, id: NhlfeId) -> Self {
        let mut at = id;
        for _ in 0..NextHop::MAX_DEPTH {
            let Some(nhlfe) = tables.nhlfe(at) else { return self.and(Step::Nothing) };
            self = self.and(Step::Nhlfe(at, nhlfe.push));
            at = match nhlfe.next {
                NextHop::Nhlfe(next) => next,
                NextHop::Ecmp(group) => match tables.tables().groups.pick(group, 0) {
                    Some(next) => next,
                    None => return self.and(Step::Nothing),
                },
                NextHop::Protected(pair) => match tables.tables().pairs.active(pair, tables.tables().interfaces) {
                    Some(next) => next,
                    None => return self.and(Step::Nothing),
                },
                NextHop::Vlink(link) => {
                    self = self.and(Step::Vlink(link));
                    match tables.vlink(link) {
                        Some((_, Some(output))) => output.next,
                        _ => return self.and(Step::Nothing),
                    }
                }
                NextHop::Neighbor { iface, mac } => {
                    return self.and(Step::Interface(iface, mac)).if_there(tables, iface);
                }
                NextHop::Lan { iface, .. } => {
                    return self.and(Step::Interface(iface, Mac::MPLS_MULTICAST)).if_there(tables, iface);
                }
                NextHop::Local => return self.and(Step::Software),
                NextHop::Discard => return self.and(Step::Discard),
            };
        }
        self.and(Step::TooDeep)
    }
}

/// One line: the steps with arrows between them.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps().iter().enumerate() {
            if i > 0 {
                f.write_str(" -> ")?;
            }
            step.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(vrf, _) => write!(f, "route of {vrf}"),
            Self::Mroute(vrf, key, rpf) => mroute(f, *vrf, key, rpf),
            Self::Label(label, IlmAction::PopLookup(vrf)) => write!(f, "label {label}, look up in {vrf}"),
            Self::Label(label, IlmAction::Context(space)) => write!(f, "label {label}, look up in {space}"),
            Self::Label(label, _) => write!(f, "label {label}"),
            Self::Mac(vsi, mac) => write!(f, "{mac} of {vsi}"),
            Self::Flood(vsi, TrafficType::Unicast) => write!(f, "known of {vsi}"),
            Self::Flood(vsi, TrafficType::Unknown) => write!(f, "unknown of {vsi}"),
            Self::Flood(vsi, TrafficType::Broadcast) => write!(f, "broadcast of {vsi}"),
            Self::Flood(vsi, TrafficType::Multicast) => write!(f, "multicast of {vsi}"),
            Self::Flood(vsi, TrafficType::Control) => write!(f, "control of {vsi}"),
            Self::Group(id) => write!(f, "{id}"),
            Self::Leg(leg) => write!(f, "leg {leg}"),
            Self::Port(port) => write!(f, "{port}"),
            Self::Circuit(iface, tags) => circuit(f, *iface, *tags),
            Self::Arrive(port) => write!(f, "in by {port}"),
            Self::Vrf(vrf, None) => write!(f, "look up in {vrf}"),
            Self::Vrf(vrf, Some(origin)) => {
                write!(f, "{vrf} from ")?;
                from(f, *origin)
            }
            Self::Space(space) => write!(f, "look up in {space}"),
            Self::Nhlfe(id, push) if push.as_slice().is_empty() => write!(f, "{id}"),
            Self::Nhlfe(id, push) => write!(f, "{id} push {push:?}"),
            Self::Vlink(link) => write!(f, "{link}"),
            Self::Interface(iface, mac) => write!(f, "{iface} to {mac}"),
            Self::Link(iface) => write!(f, "{iface}"),
            Self::Software => f.write_str("software"),
            Self::Discard => f.write_str("discard"),
            Self::Nothing => f.write_str("nothing"),
            Self::Foreign => f.write_str("another's"),
            Self::TooDeep => f.write_str("too many entries"),
        }
    }
}

fn mroute(f: &mut fmt::Formatter<'_>, vrf: VrfId, key: &MrouteKey, rpf: &Rpf) -> fmt::Result {
    match key {
        MrouteKey::Source4 { source, group } => write!(f, "({source}, {group})")?,
        MrouteKey::Source6 { source, group } => write!(f, "({source}, {group})")?,
        MrouteKey::Group4 { group } => write!(f, "(*, {group})")?,
        MrouteKey::Group6 { group } => write!(f, "(*, {group})")?,
    }
    write!(f, " of {vrf} from ")?;
    match rpf {
        Rpf::Any => f.write_str("anywhere"),
        Rpf::Nowhere => f.write_str("nowhere"),
        Rpf::From(origin) => from(f, *origin),
        Rpf::AnyOf(set) | Rpf::Bidirectional(set) | Rpf::Merging { set, .. } => write!(f, "{set}"),
    }
}

fn from(f: &mut fmt::Formatter<'_>, origin: Origin) -> fmt::Result {
    match origin {
        Origin::Interface(iface) => write!(f, "{iface}"),
        Origin::Tunnel(tunnel) => write!(f, "{tunnel}"),
    }
}

fn circuit(f: &mut fmt::Formatter<'_>, iface: IfIndex, tags: Tags) -> fmt::Result {
    match tags {
        Tags::Any => write!(f, "{iface}"),
        Tags::Untagged => write!(f, "{iface} untagged"),
        Tags::Vlan(vlan) => write!(f, "{iface} tag {vlan}"),
        Tags::Service(vlan) => write!(f, "{iface} service tag {vlan}"),
        Tags::Stacked { outer, inner } => write!(f, "{iface} tags {outer}, {inner}"),
    }
}
