//! PIM: Hellos, Joins and Prunes of customers (RFC 8220 §2).

use core::net::IpAddr;

use fwd_core::net::PortId;
use mvpn::pim::wire::Message;

use super::frame::{Protocol, Snooped, build};
use super::machine::{Act, Snooper};
use super::members::Ports;
use super::pim::{Flow, PimAct};
use super::{PimMode, permits};
use crate::event::EventKind;

impl Snooper {
    /// PIM.
    pub(super) fn pim_message(
        &mut self,
        port: PortId,
        octets: &[u8],
        snooped: &Snooped<'_>,
        admit: impl FnOnce(u32) -> bool,
    ) {
        let Ok(message) = Message::parse(snooped.message, snooped.source, snooped.destination) else {
            return self.malformed(port);
        };
        let records = match &message {
            Message::JoinPrune(m) => m.groups().map(|g| g.joins().count().saturating_add(g.prunes().count())).sum(),
            _ => 1,
        };
        if !self.charge(port, u32::try_from(records).unwrap_or(u32::MAX).max(1), admit) {
            return;
        }
        if let Some(state) = self.ports.get_mut(&port) {
            state.counts.received(snooped);
        }
        let limits = self.pim_limits();
        match message {
            Message::Hello(hello) => {
                let from = (snooped.source, port, snooped.mac, snooped.tags);
                self.pim.hello(self.now, from, &hello.options, limits);
                self.acts.push(Act::Send(self.all_but(port), octets.to_vec()));
            }
            Message::JoinPrune(message) => {
                let to = self.pim_upstream(port, message.upstream_neighbor());
                let circuit = self.ports.get(&port).map(|state| state.config.acl.clone()).unwrap_or_default();
                let config = &self.config;
                let may = |source, group: IpAddr| {
                    is_joinable(source, group)
                        && config.is_group(group)
                        && permits(&circuit, source, group)
                        && permits(&config.acl, source, group)
                };
                self.pim.join_prune(self.now, (snooped.source, port), &message, limits, may);
                self.acts.push(Act::Send(to, octets.to_vec()));
                if self.config.pim_mode == PimMode::Proxy {
                    self.send_joins();
                }
            }
            _ => self.acts.push(Act::Send(self.all_but(port), octets.to_vec())),
        }
    }

    /// Where a Join/Prune goes as it came (RFC 8220 §2.4.1).
    pub(super) fn pim_upstream(&self, port: PortId, upstream: IpAddr) -> Ports {
        let all = self.all_but(port);
        match (self.config.pim_mode, self.pim.port_of(upstream)) {
            (PimMode::Proxy, Some(_)) => Ports::new(),
            (PimMode::Auto, _) if self.pim.all_track() => all,
            (_, Some(at)) => all.into_iter().filter(|to| *to == at).collect(),
            (_, None) => all,
        }
    }

    /// Sends the Joins and Prunes that are due.
    pub(super) fn send_joins(&mut self) {
        for j in self.pim.proxy(self.now) {
            let frame = build(j.mac, &j.tags, Protocol::Pim, j.source, j.destination, &j.packet);
            self.acts.push(Act::Send([j.port].into(), frame));
        }
    }

    pub(super) fn pim_act(&mut self, act: PimAct) {
        match act {
            PimAct::Changed(flow) => {
                match flow {
                    Flow::Any(group) => self.group_changed(group),
                    Flow::Source(source, group) | Flow::Rpt(source, group) => self.flow_changed(Some(source), group),
                }
                self.acts.push(Act::Local);
            }
            PimAct::Neighbors => self.everything_changed(),
            PimAct::NeighborLimit => self.event(EventKind::NeighborLimit(PortId::default())),
            PimAct::NeighborMoved => self.event(EventKind::NeighborMoved(PortId::default())),
            PimAct::Unknown => {
                self.dropped[2] = self.dropped[2].saturating_add(1);
                self.event(EventKind::UnknownNeighbor(PortId::default()));
            }
            PimAct::Denied => {
                self.dropped[2] = self.dropped[2].saturating_add(1);
                self.event(EventKind::Denied(PortId::default()));
            }
            PimAct::GroupLimit => self.event(EventKind::GroupLimit(PortId::default())),
            PimAct::Bidir => self.event(EventKind::BidirFlooding),
            PimAct::JoinSuppression => self.event(EventKind::JoinSuppression),
        }
    }
}

/// A group that may be joined: not of link scope, and of the SSM range only with a source.
fn is_joinable(source: Option<IpAddr>, group: IpAddr) -> bool {
    use mvpn::address::Address;
    let (is_link, is_ssm) = match group {
        IpAddr::V4(group) => (group.is_link_scope_group(), group.is_ssm_group()),
        IpAddr::V6(group) => (group.is_link_scope_group(), group.is_ssm_group()),
    };
    !is_link && (!is_ssm || source.is_some())
}
