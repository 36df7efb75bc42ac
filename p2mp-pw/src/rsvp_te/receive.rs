//! Messages of neighbours (RFC 4875 §5.2, §6.2, §7.2, §11).

use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use fwd_core::net::{IfIndex, Label};

use super::config::{LspKey, SubGroup};
use super::io::{Event, Output};
use super::lsp::{Lsp, Upstream, whole_routes};
use super::machine::{Rsvp, Timer};
use super::message::{Message, MessageType};
use super::object::{Class, ErrorCode, Object, P2mpSender, P2mpSession};
use super::tspec::TokenBucket;

/// What a message that names a sender is about.
fn subject(session: P2mpSession<Ipv4Addr>, sender: P2mpSender<Ipv4Addr>) -> (LspKey, SubGroup) {
    let key = LspKey { session, sender: sender.sender, lsp_id: sender.lsp_id };
    (key, SubGroup { originator: sender.sub_group_originator, id: sender.sub_group_id })
}

/// A filter specification of a Resv, ResvTear or ResvErr with what belongs to it.
struct Filter {
    sender: P2mpSender<Ipv4Addr>,
    label: Option<u32>,
    leaves: BTreeSet<Ipv4Addr>,
}

fn filters(message: &Message) -> Vec<Filter> {
    let mut all: Vec<Filter> = Vec::new();
    for object in &message.objects {
        match (object, all.last_mut()) {
            (Object::FilterSpec4(sender), _) => {
                all.push(Filter { sender: *sender, label: None, leaves: BTreeSet::new() });
            }
            (Object::Label(label), Some(last)) => last.label = Some(*label),
            (Object::S2lSubLsp(IpAddr::V4(leaf)), Some(last)) => drop(last.leaves.insert(*leaf)),
            _ => {}
        }
    }
    all
}

impl Rsvp {
    pub(super) fn receive(&mut self, from: Ipv4Addr, iface: IfIndex, message: &Message) {
        let done = match message.kind {
            MessageType::PATH => self.path(iface, message),
            MessageType::PATH_TEAR => self.path_tear(message),
            MessageType::PATH_ERR => self.path_err(message),
            MessageType::RESV => self.resv(from, message),
            MessageType::RESV_TEAR => self.resv_tear(from, message),
            MessageType::RESV_ERR => self.resv_err(message),
            _ => Some(false),
        };
        let counter = match done {
            None => &mut self.counters.malformed,
            Some(false) => &mut self.counters.ignored,
            Some(true) => &mut self.counters.received,
        };
        *counter = counter.saturating_add(1);
    }

    /// Path. `None`: it lacks what it must have; `Some(false)`: it is not taken.
    fn path(&mut self, iface: IfIndex, message: &Message) -> Option<bool> {
        let (key, group) = subject(message.session()?, message.sender()?);
        let (hop, handle) = message.objects.iter().find_map(|object| match object {
            Object::Hop { address: IpAddr::V4(hop), handle } => Some((*hop, *handle)),
            _ => None,
        })?;
        let tspec = message.tspec()?;
        let wants_label = message.has(Class::LABEL_REQUEST);
        let list = whole_routes(message.sub_lsps());
        if list.is_empty() || !wants_label {
            return None;
        }
        // Only a neighbour on that link is a previous hop; our own LSPs do not come back to us.
        let known = self.neighbours.get(&hop).is_some_and(|n| n.iface == iface);
        if !known || self.is_ours(key.sender) {
            return Some(false);
        }
        let leaves: Vec<Ipv4Addr> = list.iter().map(|(leaf, _)| *leaf).collect();
        if let Some(code) = message.refused_object() {
            self.send_path_error(key, group, (hop, iface), &leaves, (self.config.address, code), tspec);
            return Some(true);
        }
        if let Some(code) = self.admit(key, group, (hop, iface, handle), tspec, list.len()) {
            self.send_path_error(key, group, (hop, iface), &leaves, (self.config.address, code), tspec);
            self.dirty.insert(key);
            return Some(true);
        }
        self.timers.set(Timer::Path(key, group), self.now + self.lifetime(message.refresh_period()));
        self.update_group(key, group, list);
        Some(true)
    }

    /// Makes room for a sub-group's state, or says why there is none.
    fn admit(
        &mut self,
        key: LspKey,
        group: SubGroup,
        (hop, iface, handle): (Ipv4Addr, IfIndex, u32),
        tspec: TokenBucket,
        leaves: usize,
    ) -> Option<ErrorCode> {
        if !self.lsps.contains_key(&key) {
            if self.lsps.len() >= self.config.max_lsps {
                self.too_many("max_lsps");
                return Some(ErrorCode::ADMISSION);
            }
            let Some(label) = self.labels.allocate().and_then(Label::new) else {
                self.too_many("labels");
                return Some(ErrorCode::LABEL_ALLOCATION);
            };
            let mut lsp = Lsp::new(self.now, false, tspec);
            lsp.upstream = Some(Upstream { hop, iface, handle, label });
            self.lsps.insert(key, lsp);
            self.start_refreshing(key);
        }
        let max = self.config.max_leaves;
        let lsp = self.lsps.get_mut(&key)?;
        let upstream = lsp.upstream.as_mut()?;
        // RFC 4875 §18.1: the tree comes by two ways. The first stays.
        if (upstream.hop, upstream.iface) != (hop, iface) && lsp.groups.keys().any(|g| *g != group) {
            return Some(ErrorCode::RE_MERGE);
        }
        (upstream.hop, upstream.iface, upstream.handle) = (hop, iface, handle);
        lsp.tspec = tspec;
        let others = lsp.groups.iter().filter(|(g, _)| **g != group).map(|(_, g)| g.leaves.len());
        let many_groups = !lsp.groups.contains_key(&group) && lsp.groups.len() >= max;
        if many_groups || others.fold(leaves, usize::saturating_add) > max {
            self.too_many("max_leaves");
            return Some(ErrorCode::ADMISSION);
        }
        None
    }

    /// A Path says all of a sub-group: what it does not name is torn down (RFC 4875 §7.2.1).
    fn update_group(&mut self, key: LspKey, group: SubGroup, list: Vec<(Ipv4Addr, super::Route)>) {
        let named: BTreeSet<Ipv4Addr> = list.iter().map(|(leaf, _)| *leaf).collect();
        let Some(lsp) = self.lsps.get_mut(&key) else { return };
        let state = lsp.groups.entry(group).or_default();
        let gone: Vec<Ipv4Addr> = state.leaves.difference(&named).copied().collect();
        state.leaves = named;
        for leaf in gone {
            self.leave_group(key, group, leaf);
        }
        for (leaf, route) in list {
            self.place(key, leaf, route, Some(group));
        }
        self.tell_leaf(key);
        self.dirty.insert(key);
    }

    /// A sub-LSP is in a sub-group no more; in another, if that has it too.
    fn leave_group(&mut self, key: LspKey, group: SubGroup, leaf: Ipv4Addr) {
        let Some(lsp) = self.lsps.get_mut(&key) else { return };
        let Some(state) = lsp.leaves.get_mut(&leaf).filter(|state| state.from == Some(group)) else { return };
        match lsp.groups.iter().find(|(g, of)| **g != group && of.leaves.contains(&leaf)) {
            Some((other, _)) => state.from = Some(*other),
            None => self.displace(key, leaf),
        }
    }

    /// Tells the embedder once that an LSP ends here, and that it does no more.
    fn tell_leaf(&mut self, key: LspKey) {
        let delivered = self.deliveries.contains_key(&key.session);
        let Some(lsp) = self.lsps.get_mut(&key) else { return };
        let is_leaf = lsp.is_leaf();
        if is_leaf && !lsp.wanted {
            lsp.wanted = true;
            if !delivered {
                self.outputs.push_back(Output::Event(Event::Wanted { lsp: key }));
            }
        } else if !is_leaf && lsp.wanted {
            lsp.wanted = false;
            self.outputs.push_back(Output::Event(Event::Ended { lsp: key }));
        }
    }

    /// Path state of a sub-group ends: torn down, or timed out.
    pub(super) fn drop_group(&mut self, key: LspKey, group: SubGroup) {
        self.timers.clear(Timer::Path(key, group));
        let state = self.lsps.get_mut(&key).and_then(|lsp| lsp.groups.remove(&group));
        for leaf in state.into_iter().flat_map(|state| state.leaves) {
            self.leave_group(key, group, leaf);
        }
        self.tell_leaf(key);
        self.dirty.insert(key);
    }

    /// PathTear: of a sub-group (RFC 4875 §7.2.2).
    fn path_tear(&mut self, message: &Message) -> Option<bool> {
        let (key, group) = subject(message.session()?, message.sender()?);
        let hop = message.hop()?;
        let lsp = self.lsps.get(&key).filter(|lsp| lsp.groups.contains_key(&group));
        let ours = lsp.and_then(|lsp| lsp.upstream).is_some_and(|upstream| IpAddr::V4(upstream.hop) == hop);
        if ours {
            self.drop_group(key, group);
        }
        Some(ours)
    }

    /// Resv: labels and leaves of sub-groups of ours.
    fn resv(&mut self, from: Ipv4Addr, message: &Message) -> Option<bool> {
        let session = message.session()?;
        let IpAddr::V4(hop) = message.hop()? else { return None };
        let list = filters(message);
        if list.is_empty() {
            return None;
        }
        let mut taken = false;
        for filter in list {
            let (key, group) = subject(session, filter.sender);
            let Some((branch_hop, iface)) = self.branch_of(key, group, from, hop) else { continue };
            let label = filter.label.and_then(Label::new);
            let Some(label) = label.filter(|label| !label.is_special_purpose()) else {
                let code = ErrorCode::UNACCEPTABLE_LABEL;
                self.send_resv_error(key, group, (branch_hop, iface), &filter.leaves, (self.config.address, code));
                continue;
            };
            taken = true;
            self.timers.set(Timer::Resv(key, branch_hop, group.id), self.now + self.lifetime(message.refresh_period()));
            self.reserve(key, branch_hop, group.id, label, &filter.leaves);
        }
        Some(taken)
    }

    /// The neighbour that a sub-group of ours went to, if it is the one that speaks.
    fn branch_of(&self, key: LspKey, group: SubGroup, from: Ipv4Addr, hop: Ipv4Addr) -> Option<(Ipv4Addr, IfIndex)> {
        if group.originator != self.config.address {
            return None;
        }
        let lsp = self.lsps.get(&key)?;
        let branch = lsp.branches.iter().find(|(_, branch)| branch.groups.contains_key(&group.id));
        let (address, branch) = branch.filter(|(address, _)| **address == hop || **address == from)?;
        Some((*address, branch.neighbour.iface))
    }

    fn reserve(&mut self, key: LspKey, hop: Ipv4Addr, id: u16, label: Label, named: &BTreeSet<Ipv4Addr>) {
        let Some(lsp) = self.lsps.get_mut(&key) else { return };
        let Some(branch) = lsp.branches.get_mut(&hop) else { return };
        branch.label = Some(label);
        let Some(group) = branch.groups.get(&id) else { return };
        for address in &group.leaves {
            if let Some(leaf) = lsp.leaves.get_mut(address) {
                leaf.reserved = named.contains(address);
            }
        }
        self.dirty.insert(key);
    }

    /// A reservation ends: of all leaves of a sub-group, or of these.
    pub(super) fn unreserve(&mut self, key: LspKey, hop: Ipv4Addr, id: u16, only: Option<&BTreeSet<Ipv4Addr>>) {
        let Some(lsp) = self.lsps.get_mut(&key) else { return };
        let Some(group) = lsp.branches.get(&hop).and_then(|branch| branch.groups.get(&id)) else { return };
        for address in group.leaves.iter().filter(|a| only.is_none_or(|only| only.is_empty() || only.contains(a))) {
            if let Some(leaf) = lsp.leaves.get_mut(address) {
                leaf.reserved = false;
            }
        }
        self.dirty.insert(key);
    }

    fn resv_tear(&mut self, from: Ipv4Addr, message: &Message) -> Option<bool> {
        let session = message.session()?;
        let IpAddr::V4(hop) = message.hop()? else { return None };
        let mut taken = false;
        for filter in filters(message) {
            let (key, group) = subject(session, filter.sender);
            if let Some((branch_hop, _)) = self.branch_of(key, group, from, hop) {
                self.unreserve(key, branch_hop, group.id, Some(&filter.leaves));
                taken = true;
            }
        }
        Some(taken)
    }

    /// PathErr: goes on to the ingress, with the sub-groups as the previous hop knows them (RFC 4875 §11.1).
    fn path_err(&mut self, message: &Message) -> Option<bool> {
        let (key, group) = subject(message.session()?, message.sender()?);
        let (IpAddr::V4(node), code) = message.error()? else { return None };
        if group.originator != self.config.address {
            return Some(false);
        }
        let Some(lsp) = self.lsps.get(&key) else { return Some(false) };
        let tspec = lsp.tspec;
        let named: Vec<Ipv4Addr> = message.sub_lsps().into_iter().filter_map(|(leaf, _)| v4(leaf)).collect();
        let of_group = lsp.branches.values().find_map(|branch| branch.groups.get(&group.id))?;
        let leaves: Vec<Ipv4Addr> = match named.is_empty() {
            true => of_group.leaves.iter().copied().collect(),
            false => named.into_iter().filter(|leaf| of_group.leaves.contains(leaf)).collect(),
        };
        if lsp.ingress {
            for leaf in leaves {
                let event = Event::PathRefused { lsp: key, leaf: Some(leaf), node, code };
                self.outputs.push_back(Output::Event(event));
            }
            return Some(true);
        }
        let upstream = lsp.upstream?;
        let mut by_group: alloc::collections::BTreeMap<SubGroup, Vec<Ipv4Addr>> = Default::default();
        for leaf in leaves {
            if let Some(from) = lsp.leaves.get(&leaf).and_then(|l| l.from) {
                by_group.entry(from).or_default().push(leaf);
            }
        }
        for (group, leaves) in by_group {
            self.send_path_error(key, group, (upstream.hop, upstream.iface), &leaves, (node, code), tspec);
        }
        Some(true)
    }

    /// ResvErr: goes on to the leaves, with the sub-groups as ours (RFC 4875 §11.2).
    fn resv_err(&mut self, message: &Message) -> Option<bool> {
        let session = message.session()?;
        let (IpAddr::V4(node), code) = message.error()? else { return None };
        let mut taken = false;
        for filter in filters(message) {
            let (key, group) = subject(session, filter.sender);
            let Some(lsp) = self.lsps.get(&key).filter(|lsp| lsp.groups.contains_key(&group)) else { continue };
            taken = true;
            if lsp.is_leaf() {
                self.outputs.push_back(Output::Event(Event::ResvRefused { lsp: key, node, code }));
            }
            let mut on = Vec::new();
            for (hop, branch) in &lsp.branches {
                for (id, of) in &branch.groups {
                    let leaves: BTreeSet<Ipv4Addr> = of.leaves.intersection(&filter.leaves).copied().collect();
                    if !leaves.is_empty() {
                        on.push(((*hop, branch.neighbour.iface), *id, leaves));
                    }
                }
            }
            for (to, id, leaves) in on {
                let group = SubGroup { originator: self.config.address, id };
                self.send_resv_error(key, group, to, &leaves, (node, code));
            }
        }
        Some(taken)
    }

    /// An error about one sub-LSP that came in a sub-group.
    pub(super) fn path_error(&mut self, key: LspKey, group: SubGroup, leaf: Ipv4Addr, code: ErrorCode) {
        let Some(lsp) = self.lsps.get(&key) else { return };
        let (Some(upstream), tspec) = (lsp.upstream, lsp.tspec) else { return };
        let node = self.config.address;
        self.send_path_error(key, group, (upstream.hop, upstream.iface), &[leaf], (node, code), tspec);
    }

    fn send_path_error(
        &mut self,
        key: LspKey,
        group: SubGroup,
        to: (Ipv4Addr, IfIndex),
        leaves: &[Ipv4Addr],
        (node, code): (Ipv4Addr, ErrorCode),
        tspec: TokenBucket,
    ) {
        let mut objects = vec![
            Object::Session4(key.session),
            Object::ErrorSpec { node: node.into(), flags: 0, code },
            Object::SenderTemplate4(key.sender(group)),
            Object::SenderTspec(tspec),
        ];
        objects.extend(leaves.iter().map(|leaf| Object::S2lSubLsp((*leaf).into())));
        self.counters.errors_sent = self.counters.errors_sent.saturating_add(1);
        self.send(to, Message::new(MessageType::PATH_ERR, objects));
    }

    fn send_resv_error(
        &mut self,
        key: LspKey,
        group: SubGroup,
        (to, iface): (Ipv4Addr, IfIndex),
        leaves: &BTreeSet<Ipv4Addr>,
        (node, code): (Ipv4Addr, ErrorCode),
    ) {
        let (Some(neighbour), Some(lsp)) = (self.neighbours.get(&to), self.lsps.get(&key)) else { return };
        let mut objects = vec![
            Object::Session4(key.session),
            Object::Hop { address: neighbour.local.into(), handle: iface.0 },
            Object::ErrorSpec { node: node.into(), flags: 0, code },
            Object::SHARED_EXPLICIT,
            Object::FlowSpec(lsp.tspec),
            Object::FilterSpec4(key.sender(group)),
        ];
        objects.extend(leaves.iter().map(|leaf| Object::S2lSubLsp((*leaf).into())));
        self.counters.errors_sent = self.counters.errors_sent.saturating_add(1);
        self.send((to, iface), Message::new(MessageType::RESV_ERR, objects));
    }

    pub(super) fn send(&mut self, (to, iface): (Ipv4Addr, IfIndex), message: Message) {
        let mut octets = Vec::with_capacity(message.wire_len());
        message.emit(&mut octets);
        self.counters.sent = self.counters.sent.saturating_add(1);
        self.outputs.push_back(Output::Datagram { to, iface, octets });
    }
}

const fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
