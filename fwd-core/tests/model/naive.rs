//! A forwarding plane that is slow and plain: maps, vectors, recursion, and checksums computed anew. What it says is what
//! the forwarder must do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::net::{IfIndex, IpPrefix, Label, Mac, NhlfeId, VrfId};
use fwd_core::op::{Assigned, FwdOp, Ilm, IlmAction, Interface, MarkPoint, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::wire::checksum;
use fwd_core::{DropReason as D, PuntReason as P, Verdict};

/// The tables as maps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Naive {
    pub interfaces: BTreeMap<IfIndex, Interface>,
    pub nhlfes: BTreeMap<NhlfeId, Nhlfe>,
    pub ilms: BTreeMap<Label, Ilm>,
    pub routes: BTreeMap<(VrfId, IpPrefix), RouteAction>,
    /// Interfaces with a label space of their own, which holds nothing here.
    pub spaces: BTreeSet<IfIndex>,
    /// Interfaces with a space of labels that their senders assigned, which holds nothing, either.
    pub upstream: BTreeSet<IfIndex>,
    pub marks: BTreeMap<VrfId, u8>,
}

/// TTL and class on the way out of tunnels.
#[derive(Clone, Copy)]
struct State {
    ttl: u8,
    class: u8,
    phb: u8,
}

/// A packet about to leave: the label on top if it is to be swapped, and what lies below the labels to come.
struct Leaving {
    swap: Option<(u8, bool)>,
    ttl: u8,
    phb: u8,
    below: Vec<u8>,
    ethertype: u16,
    fragmentable: bool,
    punt: (VrfId, usize),
}

type Way<T> = Result<T, Verdict>;

fn dropped<T>(reason: D) -> Way<T> {
    Err(Verdict::Drop(reason))
}

fn punted<T>(reason: P, (vrf, offset): (VrfId, usize)) -> Way<T> {
    Err(Verdict::Punt { reason, vrf, offset })
}

impl Naive {
    /// Applies an op that the forwarder accepted.
    pub fn apply(&mut self, op: &FwdOp) {
        match *op {
            FwdOp::SetInterface { iface, interface } => drop(self.interfaces.insert(iface, interface)),
            FwdOp::ClearInterface { iface } => {
                self.interfaces.remove(&iface);
                self.spaces.remove(&iface);
                self.upstream.remove(&iface);
            }
            FwdOp::SetUpstreamSpace { iface, .. } => drop(self.upstream.insert(iface)),
            FwdOp::ClearUpstreamSpace { iface } => drop(self.upstream.remove(&iface)),
            FwdOp::SetLabelSpace { iface, .. } => drop(self.spaces.insert(iface)),
            FwdOp::ClearLabelSpace { iface } => drop(self.spaces.remove(&iface)),
            FwdOp::SetNhlfe { id, nhlfe } => drop(self.nhlfes.insert(id, nhlfe)),
            FwdOp::ClearNhlfe { id } => drop(self.nhlfes.remove(&id)),
            FwdOp::SetIlm { label, ilm } => drop(self.ilms.insert(label, ilm)),
            FwdOp::ClearIlm { label } => drop(self.ilms.remove(&label)),
            FwdOp::SetRoute4 { vrf, prefix, action } => drop(self.routes.insert((vrf, prefix.into()), action)),
            FwdOp::ClearRoute4 { vrf, prefix } => drop(self.routes.remove(&(vrf, prefix.into()))),
            FwdOp::SetRoute6 { vrf, prefix, action } => drop(self.routes.insert((vrf, prefix.into()), action)),
            FwdOp::ClearRoute6 { vrf, prefix } => drop(self.routes.remove(&(vrf, prefix.into()))),
            FwdOp::SetMark { at: MarkPoint::Vrf(vrf), code } => drop(self.marks.insert(vrf, code.value())),
            FwdOp::ClearMark { at: MarkPoint::Vrf(vrf) } => drop(self.marks.remove(&vrf)),
            _ => {}
        }
    }

    fn route(&self, vrf: VrfId, addr: IpAddr) -> Option<RouteAction> {
        let holds = |prefix: &IpPrefix| match (prefix, addr) {
            (IpPrefix::V4(p), IpAddr::V4(a)) => p.contains(a),
            (IpPrefix::V6(p), IpAddr::V6(a)) => p.contains(a),
            _ => false,
        };
        let hits = self.routes.iter().filter(|((v, p), _)| *v == vrf && holds(p));
        hits.max_by_key(|((_, p), _)| p.bit_len()).map(|(_, action)| *action)
    }

    /// The verdict, and the frame that is sent.
    pub fn forward(&self, frame: &[u8], ingress: IfIndex) -> (Verdict, Vec<u8>) {
        match self.arrive(frame, ingress) {
            Ok(sent) => sent,
            Err(verdict) => (verdict, frame.to_vec()),
        }
    }

    fn arrive(&self, frame: &[u8], ingress: IfIndex) -> Way<(Verdict, Vec<u8>)> {
        let Some(port) = self.interfaces.get(&ingress) else { return dropped(D::NoIngress) };
        if frame.len() < 14 {
            return dropped(D::Truncated);
        }
        let group = frame[0] & 1 == 1;
        if !group && frame[..6] != port.mac.0 {
            return dropped(D::NotOurMac);
        }
        let is_mpls = frame.starts_with(&[1, 0, 0x5e]) && frame[3] >> 4 == 8;
        match (frame[12], frame[13]) {
            (0x08, 0x06) => punted(P::Arp, (port.vrf, 14)),
            (0x81, 0x00) | (0x88, 0xa8) => dropped(D::VlanTagged),
            (0x08, 0x00) => self.ipv4(frame, 14, port.vrf, None, group),
            (0x86, 0xdd) => self.ipv6(frame, 14, port.vrf, None, group),
            (0x88, 0x47) if !port.mpls => dropped(D::MplsDisabled),
            (0x88, 0x47) if group && !is_mpls => dropped(D::LinkBroadcast),
            (0x88, 0x47) => {
                self.labelled(frame, 14, (port.vrf, VrfId::GLOBAL, self.spaces.contains(&ingress), group), None, 0)
            }
            (0x88, 0x48) if is_mpls && port.mpls && self.upstream.contains(&ingress) => {
                self.labelled(frame, 14, (port.vrf, VrfId::GLOBAL, true, true), None, 0)
            }
            _ => dropped(D::UnknownEthertype),
        }
    }

    fn labelled(
        &self,
        frame: &[u8],
        at: usize,
        (vrf, above, own_space, group): (VrfId, VrfId, bool, bool),
        state: Option<State>,
        popped: usize,
    ) -> Way<(Verdict, Vec<u8>)> {
        if popped == 9 {
            return dropped(D::StackTooDeep);
        }
        let Some(&[a, b, c, ttl]) = frame.get(at..at + 4) else { return dropped(D::Truncated) };
        let label = u32::from(a) << 12 | u32::from(b) << 4 | u32::from(c) >> 4;
        let (class, bottom) = (c >> 1 & 7, c & 1 == 1);
        let state = state.unwrap_or(State { ttl, class, phb: class });
        let ilm = self.ilms.get(&Label::new(label).unwrap()).filter(|_| label < 16 || !own_space);
        let (model, into) = match (label, ilm) {
            (0 | 2, ilm) => (ilm.map_or(TunnelModel::Uniform, |ilm| ilm.model), VrfId::GLOBAL),
            (1, _) if bottom => return dropped(D::RouterAlertAtBottom),
            (1, _) => return punted(P::RouterAlert, (vrf, at)),
            (3, _) => return dropped(D::ImplicitNull),
            (7, _) if !bottom => {
                let Some(&[_, _, c, _]) = frame.get(at + 4..at + 8) else { return dropped(D::Truncated) };
                return match (c & 1, frame.get(at + 8).map(|first| first >> 4)) {
                    (0, _) => self.labelled(frame, at + 8, (vrf, above, own_space, group), Some(state), popped + 1),
                    (_, Some(6)) => self.ipv6(frame, at + 8, above, Some(state), group),
                    _ => self.ipv4(frame, at + 8, above, Some(state), group),
                };
            }
            (4..=15, _) => return dropped(D::SpecialPurposeLabel),
            (_, None) => return dropped(D::UnknownLabel),
            (_, Some(Ilm { action: IlmAction::PopLookup(into), model })) => (*model, *into),
            (_, Some(Ilm { action: IlmAction::Forward(_), .. })) if group => return dropped(D::LinkBroadcast),
            (_, Some(Ilm { action: IlmAction::Forward(id), model })) => {
                return self.forward_label(frame, at, vrf, (*id, *model), bottom, state);
            }
            // There are no such groups, tunnels and ports here.
            (_, Some(Ilm { action: IlmAction::Replicate(_), .. })) => return dropped(D::NoReceivers),
            (_, Some(Ilm { action: IlmAction::Multicast(_), .. })) => return dropped(D::UnknownTunnel),
            (_, Some(Ilm { action: IlmAction::Bridge(_), .. })) => return dropped(D::NoPort),
            (_, Some(Ilm { action: IlmAction::Context(_), .. })) => {
                let is_cut = !bottom && frame.len() < at + 8;
                return dropped(if is_cut { D::Truncated } else { D::NoContextBinding });
            }
        };
        let (own_ttl, own_class) = exposed(&frame[at + 4..], bottom)?;
        let state = match model {
            TunnelModel::Uniform => state,
            TunnelModel::Pipe => State { ttl: own_ttl, class: own_class, phb: state.phb },
            TunnelModel::ShortPipe => State { ttl: own_ttl, class: own_class, phb: own_class },
        };
        match (bottom, frame[at + 4] >> 4, label) {
            (false, _, _) => self.labelled(frame, at + 4, (vrf, into, own_space, group), Some(state), popped + 1),
            (true, 6, 0) | (true, 4, 2) => dropped(D::IpVersion),
            (true, 6, _) => self.ipv6(frame, at + 4, into, Some(state), group),
            (true, _, _) => self.ipv4(frame, at + 4, into, Some(state), group),
        }
    }

    fn forward_label(
        &self,
        frame: &[u8],
        at: usize,
        vrf: VrfId,
        (id, model): (NhlfeId, TunnelModel),
        bottom: bool,
        state: State,
    ) -> Way<(Verdict, Vec<u8>)> {
        let (entries, iface, mac) = self.chain(id, (vrf, at))?;
        let out_vrf = self.interfaces[&iface].vrf;
        let mut below = frame[at + 4..].to_vec();
        if !labels(&entries[0]).is_empty() {
            if state.ttl <= 1 {
                return punted(P::TtlExpired, (vrf, at));
            }
            let swap = Some((state.class, bottom));
            let leaving = Leaving {
                swap,
                ttl: state.ttl - 1,
                phb: state.phb,
                below,
                ethertype: 0x8847,
                fragmentable: false,
                punt: (vrf, at),
            };
            return self.leave(&entries, iface, mac, leaving);
        }
        let (own_ttl, own_class) = exposed(&below, bottom)?;
        let penultimate = model == TunnelModel::ShortPipe && out_vrf == VrfId::GLOBAL;
        let (checked, ttl, class, phb) = match model {
            TunnelModel::Uniform => (state.ttl, state.ttl.saturating_sub(1), state.class, state.phb),
            TunnelModel::ShortPipe if penultimate => (state.ttl, own_ttl, own_class, state.phb),
            TunnelModel::Pipe => (own_ttl, own_ttl.saturating_sub(1), own_class, state.phb),
            TunnelModel::ShortPipe => (own_ttl, own_ttl.saturating_sub(1), own_class, own_class),
        };
        if checked <= 1 {
            return punted(P::TtlExpired, (out_vrf, at));
        }
        let mut fragmentable = false;
        let ethertype = if !bottom {
            below[2] = below[2] & 0xf1 | class << 1;
            below[3] = ttl;
            0x8847
        } else {
            fragmentable = below[0] >> 4 == 4 && below[6] & 0x40 == 0;
            write_ip(&mut below, ttl, class)
        };
        let leaving = Leaving { swap: None, ttl, phb, below, ethertype, fragmentable, punt: (out_vrf, at) };
        self.leave(&entries, iface, mac, leaving)
    }

    fn ipv4(&self, frame: &[u8], at: usize, vrf: VrfId, state: Option<State>, group: bool) -> Way<(Verdict, Vec<u8>)> {
        let ip = &frame[at..];
        if ip.len() < 20 {
            return dropped(D::Truncated);
        }
        let (header, total) = (usize::from(ip[0] & 15) * 4, usize::from(ip[2]) << 8 | usize::from(ip[3]));
        match () {
            () if ip[0] >> 4 != 4 => return dropped(D::IpVersion),
            () if header < 20 => return dropped(D::HeaderLength),
            () if ip.len() < header => return dropped(D::Truncated),
            () if total < header => return dropped(D::TotalLength),
            () if total > ip.len() => return dropped(D::Truncated),
            () if checksum::of(&ip[..header]) != 0 => return dropped(D::Checksum),
            () => {}
        }
        let source = Ipv4Addr::new(ip[12], ip[13], ip[14], ip[15]);
        let destination = Ipv4Addr::new(ip[16], ip[17], ip[18], ip[19]);
        match (source.octets(), destination.octets()) {
            (_, [224..=239, ..] | [255, 255, 255, 255]) => return punted(P::Multicast, (vrf, at)),
            _ if group => return dropped(D::LinkBroadcast),
            ([0 | 127 | 224..=239, ..] | [255, 255, 255, 255], _) => return dropped(D::MartianSource),
            (_, [0 | 127, ..]) => return dropped(D::MartianDestination),
            _ => {}
        }
        let id = self.follow(self.route(vrf, destination.into()), (vrf, at))?;
        match (source.octets(), destination.octets()) {
            ([169, 254, ..], _) => return dropped(D::MartianSource),
            (_, [169, 254, ..]) => return dropped(D::MartianDestination),
            _ if header > 20 => return punted(P::Ipv4Options, (vrf, at)),
            _ => {}
        }
        self.routed(id, &ip[..total], vrf, at, state)
    }

    fn ipv6(&self, frame: &[u8], at: usize, vrf: VrfId, state: Option<State>, group: bool) -> Way<(Verdict, Vec<u8>)> {
        let ip = &frame[at..];
        if ip.len() < 40 {
            return dropped(D::Truncated);
        }
        if ip[0] >> 4 != 6 {
            return dropped(D::IpVersion);
        }
        let total = 40 + (usize::from(ip[4]) << 8 | usize::from(ip[5]));
        if total > ip.len() {
            return dropped(D::Truncated);
        }
        let address = |octets: &[u8]| Ipv6Addr::from(<[u8; 16]>::try_from(octets).unwrap());
        let (source, destination) = (address(&ip[8..24]), address(&ip[24..40]));
        let link_local = |a: Ipv6Addr| a.segments()[0] & 0xffc0 == 0xfe80;
        let special = [Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED];
        match () {
            () if ip[24] == 0xff => return punted(P::Multicast, (vrf, at)),
            () if group => return dropped(D::LinkBroadcast),
            () if link_local(destination) && state.is_none() => return punted(P::LinkLocal, (vrf, at)),
            () if ip[8] == 0xff || special.contains(&source) => return dropped(D::MartianSource),
            () if special.contains(&destination) || link_local(destination) => return dropped(D::MartianDestination),
            () => {}
        }
        let id = self.follow(self.route(vrf, destination.into()), (vrf, at))?;
        if link_local(source) {
            return dropped(D::MartianSource);
        }
        self.routed(id, &ip[..total], vrf, at, state)
    }

    fn follow(&self, action: Option<RouteAction>, punt: (VrfId, usize)) -> Way<NhlfeId> {
        match action {
            None => dropped(D::NoRoute),
            Some(RouteAction::Discard) => dropped(D::Discard),
            Some(RouteAction::Local) => punted(P::Local, punt),
            Some(RouteAction::Forward(id)) => Ok(id),
        }
    }

    fn routed(&self, id: NhlfeId, ip: &[u8], vrf: VrfId, at: usize, state: Option<State>) -> Way<(Verdict, Vec<u8>)> {
        let (entries, iface, mac) = self.chain(id, (vrf, at))?;
        let (own_ttl, own_class) = exposed(ip, true)?;
        let mark = if state.is_none() { self.marks.get(&vrf).copied() } else { None };
        let class = mark.map_or(own_class, |code| code >> 3);
        let state = state.unwrap_or(State { ttl: own_ttl, class, phb: class });
        if state.ttl <= 1 {
            return punted(P::TtlExpired, (vrf, at));
        }
        let mut below = ip.to_vec();
        let ethertype = write_ip(&mut below, state.ttl - 1, state.class);
        if let Some(code) = mark {
            write_code(&mut below, code);
        }
        let leaving = Leaving {
            swap: None,
            ttl: state.ttl - 1,
            phb: state.phb,
            fragmentable: ip[0] >> 4 == 4 && ip[6] & 0x40 == 0,
            below,
            ethertype,
            punt: (vrf, at),
        };
        self.leave(&entries, iface, mac, leaving)
    }

    fn chain(&self, id: NhlfeId, punt: (VrfId, usize)) -> Way<(Vec<Nhlfe>, IfIndex, Mac)> {
        let mut entries = Vec::new();
        let mut id = id;
        while entries.len() < 4 {
            let Some(entry) = self.nhlfes.get(&id) else { return dropped(D::NoNhlfe) };
            entries.push(*entry);
            match entry.next {
                NextHop::Nhlfe(next) => id = next,
                // The model has no virtual links.
                NextHop::Vlink(_) => return dropped(D::NoVlink),
                // Nor groups, nor pairs.
                NextHop::Ecmp(_) | NextHop::Protected(_) => return dropped(D::NoNhlfe),
                NextHop::Local => return punted(P::Local, punt),
                NextHop::Discard => return dropped(D::Discard),
                NextHop::Neighbor { iface, .. } if !self.interfaces.contains_key(&iface) => {
                    return dropped(D::NoEgress);
                }
                NextHop::Neighbor { iface, mac } => return Ok((entries, iface, mac)),
                NextHop::Lan { .. } if entries.iter().all(|entry| labels(entry).is_empty()) => {
                    return dropped(D::NoNhlfe);
                }
                NextHop::Lan { iface, .. } if !self.interfaces.contains_key(&iface) => return dropped(D::NoEgress),
                NextHop::Lan { iface, .. } => return Ok((entries, iface, Mac::default())),
            }
        }
        dropped(D::ChainTooDeep)
    }

    fn leave(&self, entries: &[Nhlfe], iface: IfIndex, mac: Mac, p: Leaving) -> Way<(Verdict, Vec<u8>)> {
        let port = &self.interfaces[&iface];
        let (mut packet, mut ethertype, mut ttl, mut swap) = (p.below, p.ethertype, p.ttl, p.swap);
        for entry in entries {
            for label in labels(entry).into_iter().rev() {
                let (class, bottom) = swap.take().unwrap_or_else(|| {
                    if entry.model != TunnelModel::Uniform {
                        ttl = 255;
                    }
                    (p.phb, ethertype != 0x8847)
                });
                let bits = label.value() << 12 | u32::from(class) << 9 | u32::from(bottom) << 8 | u32::from(ttl);
                packet.splice(0..0, bits.to_be_bytes());
                ethertype = 0x8847;
            }
        }
        if packet.len() > usize::from(port.mtu) {
            return punted(if p.fragmentable { P::FragmentationNeeded } else { P::TooBig }, p.punt);
        }
        let mut mac = mac;
        if let Some(Nhlfe { next: NextHop::Lan { top, .. }, .. }) = entries.last() {
            // RFC 5332 §8: the second label, or the only one.
            let second = if packet[2] & 1 == 0 && packet.len() >= 8 { &packet[4..7] } else { &packet[..3] };
            mac.0 =
                [1, 0, 0x5e, 0x80 | second[0] >> 4, second[0] << 4 | second[1] >> 4, second[1] << 4 | second[2] >> 4];
            ethertype = if *top == Assigned::Upstream { 0x8848 } else { 0x8847 };
        }
        let header: Vec<u8> = mac.0.into_iter().chain(port.mac.0).chain(ethertype.to_be_bytes()).collect();
        Ok((Verdict::Transmit { iface, class: p.phb }, [header, packet].concat()))
    }
}

fn labels(entry: &Nhlfe) -> Vec<Label> {
    entry.push.as_slice().iter().copied().filter(|&label| label != Label::IMPLICIT_NULL).collect()
}

/// TTL and class of the header that a pop exposes.
fn exposed(octets: &[u8], bottom: bool) -> Way<(u8, u8)> {
    match octets.first().map(|first| first >> 4) {
        _ if !bottom && octets.len() < 4 => dropped(D::Truncated),
        _ if !bottom => Ok((octets[3], octets[2] >> 1 & 7)),
        None => dropped(D::Truncated),
        Some(4) if octets.len() < 20 => dropped(D::Truncated),
        Some(6) if octets.len() < 40 => dropped(D::Truncated),
        Some(4) => Ok((octets[8], octets[1] >> 5)),
        Some(6) => Ok((octets[7], octets[0] >> 1 & 7)),
        Some(_) => dropped(D::UnknownPayload),
    }
}

/// Writes a code point.
fn write_code(ip: &mut [u8], code: u8) {
    if ip[0] >> 4 == 6 {
        ip[0] = 0x60 | code >> 2;
        ip[1] = ip[1] & 0x3f | code << 6;
        return;
    }
    let before = checksum::of(&ip[..20]);
    ip[1] = ip[1] & 3 | code << 2;
    let [hi, lo] =
        checksum::update(u16::from_be_bytes([ip[10], ip[11]]), checksum::of(&ip[..20]), before).to_be_bytes();
    (ip[10], ip[11]) = (hi, lo);
}

/// Writes TTL and, where it differs, class; returns the ethertype.
fn write_ip(ip: &mut [u8], ttl: u8, class: u8) -> u16 {
    if ip[0] >> 4 == 6 {
        ip[7] = ttl;
        if ip[0] >> 1 & 7 != class {
            ip[0] = 0x60 | class << 1;
            ip[1] &= 0x3f;
        }
        return 0x86dd;
    }
    // The sum of all words is kept: right sums stay right and wrong ones as wrong.
    let before = checksum::of(&ip[..20]);
    ip[8] = ttl;
    if ip[1] >> 5 != class {
        ip[1] = ip[1] & 3 | class << 5;
    }
    let [hi, lo] =
        checksum::update(u16::from_be_bytes([ip[10], ip[11]]), checksum::of(&ip[..20]), before).to_be_bytes();
    (ip[10], ip[11]) = (hi, lo);
    0x0800
}
