//! The PMSI as the customers' PIM sees it: a point-to-point link with one neighbour, or a LAN of the PEs.

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::net::IfIndex;

use super::io::{CTree, Input};
use crate::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPrune, JoinPruneBuf, Message, MessageType, SourceBuf,
    SourceFlags, packet,
};
use crate::pim::{self, MribRoute, PimAddress, PimInterfaceConfig};
use fwd_core::net::VrfId;

/// The PMSI of a VRF, as an interface of a [`pim::PimRouter`]: makes the messages of the neighbour that stands for the VPN, and reads
/// those sent to it.
///
/// Without that neighbour the PMSI is a LAN of the PEs (RFC 6513 §5.2): PIM's messages go over the I-PMSI, and only Joins of shared trees
/// are read.
///
/// The neighbour's Hello and Joins never run out: BGP's withdrawals end them.
#[derive(Clone, Copy, Debug)]
pub struct PmsiLink<A: PimAddress> {
    /// The VRF.
    pub vrf: VrfId,
    /// The interface's number.
    pub interface: IfIndex,
    /// Our address on it; link-local in IPv6.
    pub address: A,
    /// The neighbour's address, link-local in IPv6; `None`: PIM runs between the PEs.
    pub neighbor: Option<A>,
}

impl<A: PimAddress> PmsiLink<A> {
    /// The interface for [`pim::PimRouter::add_interface`].
    #[must_use]
    pub fn config(&self) -> PimInterfaceConfig<A> {
        let mut config = PimInterfaceConfig::new(self.interface, self.address, Vec::new());
        config.point_to_point = self.neighbor.is_some();
        // Each PE sends its own Joins, which say the RP.
        config.tracking_support = true;
        // With BGP between the PEs partitions replace the election (RFC 6513 §11).
        config.df_election = self.neighbor.is_none();
        config.triggered_hello_delay = core::time::Duration::ZERO;
        config
    }

    /// What RPF towards a root is if the root is behind other PEs; without the neighbour, `pe` is the PIM address of the selected one.
    #[must_use]
    pub fn route(&self, pe: Option<A>) -> MribRoute<A> {
        MribRoute { interface: self.interface, next_hop: self.neighbor.or(pe), preference: 200, metric: 0 }
    }

    fn from(&self) -> A {
        self.neighbor.unwrap_or(A::UNSPECIFIED)
    }

    /// The neighbour's Hello: to be taken as a message to all PIM routers, once the interface is there.
    #[must_use]
    pub fn hello(&self) -> Vec<u8> {
        let options = [
            HelloOption::Holdtime(u16::MAX),
            HelloOption::DrPriority(0),
            HelloOption::GenerationId(1),
            HelloOption::BidirectionalCapable,
        ];
        Message::Hello(Hello { options: options.into() }).to_packet(self.from().into(), A::ALL_PIM_ROUTERS.into())
    }

    /// The neighbour's Join or Prune of a tree.
    #[must_use]
    pub fn join_prune(&self, tree: &CTree, joined: bool) -> Vec<u8> {
        let (root, flags, is_join) = match tree {
            CTree::Shared { rp, .. } => (*rp, SourceFlags::SPARSE | SourceFlags::WILDCARD | SourceFlags::RPT, joined),
            CTree::Source { source, .. } => (*source, SourceFlags::SPARSE, joined),
            // Joined to be pruned.
            CTree::PrunedSource { source, .. } => (*source, SourceFlags::SPARSE | SourceFlags::RPT, !joined),
        };
        let mut set = GroupSetBuf::new(EncodedGroup::new(tree.group()));
        match is_join {
            true => set.joins.push(SourceBuf::new(root, flags)),
            false => set.prunes.push(SourceBuf::new(root, flags)),
        }
        let mut body = JoinPruneBuf::new(self.address.into(), JoinPrune::FOREVER);
        body.push(set);
        let (from, to) = (self.from().into(), A::ALL_PIM_ROUTERS.into());
        packet(MessageType::JOIN_PRUNE, 0, from, to, |out| body.emit(out))
    }

    /// A message of the neighbour as an input.
    #[must_use]
    pub fn input<'a>(&self, octets: &'a [u8]) -> pim::Input<'a, A> {
        let (interface, from, to) = (self.interface, self.from(), A::ALL_PIM_ROUTERS);
        pim::Input::Datagram { interface, from, to, octets, authenticated: true }
    }

    /// Trees that another PE prunes by a message to us on the PMSI: to be told after PIM itself was given the message, while joins go both
    /// by PIM and by BGP ([`super::CMulticastProtocol::Both`]), so that who joined by BGP alone overrides the Prune (RFC 7761 §4.3.3).
    #[must_use]
    pub fn overhear(&self, from: A, to: A, octets: &[u8]) -> Vec<Input> {
        let Ok(Message::JoinPrune(message)) = Message::parse(octets, from.into(), to.into()) else {
            return Vec::new();
        };
        if message.upstream_neighbor() != self.address.into() {
            return Vec::new();
        }
        let mut inputs = Vec::new();
        for set in message.groups() {
            let group = set.group.addr();
            for pruned in set.prunes() {
                let tree =
                    match (pruned.flags().contains(SourceFlags::WILDCARD), pruned.flags().contains(SourceFlags::RPT)) {
                        (true, _) => CTree::Shared { group, rp: pruned.addr() },
                        (false, false) => CTree::Source { group, source: pruned.addr() },
                        (false, true) => continue,
                    };
                inputs.push(Input::Pruned { vrf: self.vrf, tree });
            }
        }
        inputs
    }

    /// What a message of the customers' PIM out of the PMSI says to the VPN: joins and prunes of trees. Hellos and Asserts say nothing.
    #[must_use]
    pub fn read(&self, from: A, to: A, octets: &[u8]) -> Vec<Input> {
        let Ok(Message::JoinPrune(message)) = Message::parse(octets, from.into(), to.into()) else {
            return Vec::new();
        };
        if self.neighbor.is_some_and(|neighbor| message.upstream_neighbor() != neighbor.into()) {
            return Vec::new();
        }
        let mut inputs = Vec::new();
        for set in message.groups() {
            let group = set.group.addr();
            // The RP of a pruned source's shared tree is not in the message; it says nothing that the group does not.
            let between_pes = self.neighbor.is_none();
            let mut say = |source: IpAddr, flags: SourceFlags, joined: bool| {
                if between_pes && !(joined && flags.contains(SourceFlags::WILDCARD)) {
                    return;
                }
                let is_rpt = flags.contains(SourceFlags::RPT);
                let (tree, joined) = match (flags.contains(SourceFlags::WILDCARD), is_rpt) {
                    (true, _) => (CTree::Shared { group, rp: source }, joined),
                    (false, false) => (CTree::Source { group, source }, joined),
                    (false, true) => (CTree::PrunedSource { group, source, rp: source }, !joined),
                };
                inputs.push(Input::Tree { vrf: self.vrf, tree, joined });
            };
            set.joins().for_each(|s| say(s.addr(), s.flags(), true));
            set.prunes().for_each(|s| say(s.addr(), s.flags(), false));
        }
        inputs
    }
}
