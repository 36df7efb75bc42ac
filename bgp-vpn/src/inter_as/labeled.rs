//! Labelled routes that this router originates, and labelled routes by which next hops are reached (RFC 8277 §2, §4; RFC 4364 §10 c).
//!
//! A labelled route of BGP's to a host is a transport: labelled packets to that host go with its label through the transport to its
//! own next hop. Next hops of VPN routes are resolved by it where the IGP does not reach them; its own next hop is resolved by the
//! IGP alone, so that no transport leads through itself.

use core::net::IpAddr;

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, VrfId};
use fwd_core::op::TunnelModel;

use crate::rib::{AttrId, Path, PlainKey, Source, Touched};
use crate::speaker::{AddressFamily, LabeledRoute, LocalRoute, Reach, Routing};
use crate::vrf::{Carrier, Tunnel};

impl Routing {
    /// A labelled route that BGP did not bring came or went.
    pub(crate) fn originate_labeled(&mut self, prefix: IpPrefix, route: Option<LabeledRoute>) {
        match prefix {
            IpPrefix::V4(prefix) => self.originate_labeled_in::<Ipv4Prefix>(prefix, route),
            IpPrefix::V6(prefix) => self.originate_labeled_in::<Ipv6Prefix>(prefix, route),
        }
    }

    fn originate_labeled_in<P: AddressFamily>(&mut self, prefix: P, route: Option<LabeledRoute>) {
        let rib = P::labeled_mut(&mut self.tables);
        let Some(route) = route else {
            if let Some(dest) = rib.table.find(&PlainKey(prefix)) {
                let before = self.labeled_before::<P>(dest);
                let taken = P::labeled_mut(&mut self.tables).take(dest, Source::LOCAL, 0);
                let Some(old) = taken else { return };
                self.labeled_changed::<P>(dest, before, Touched::Path((Source::LOCAL, 0)));
                self.shared.release(&old);
            }
            return;
        };
        let route = match route {
            LabeledRoute::Local => LocalRoute::Local,
            LabeledRoute::Via(entry) => LocalRoute::Entry(entry),
        };
        let dest = rib.table.find_or_insert(PlainKey(prefix));
        let path = Path::local(route, AttrId::EMPTY);
        self.shared.retain(&path);
        self.labeled_put::<P>(dest, path);
    }

    /// Brings what the labelled route to a host leads next hops through up to date with its best path.
    pub(crate) fn transport<P: AddressFamily>(&mut self, dest: u32) {
        let rib = P::labeled(&self.tables);
        let prefix = rib.table.get(dest).key.0;
        if prefix.bits() != P::MAX_LEN {
            return;
        }
        let reached = |path: &Path| {
            let hop = self.shared.attributes.get(path.attr).next_hop;
            let metric = self.shared.next_hops.below_bgp(hop).metric()?;
            self.shared.next_hops.below_bgp(hop).nhlfe()?;
            Some((Tunnel::new(path.labels, Carrier::Hop(hop), TunnelModel::default()), metric))
        };
        let wanted = rib.best(dest).filter(|p| p.source.as_peer().is_some()).and_then(|p| reached(&p));
        let old = self.transports.remove(&(P::V6, dest));
        let new = wanted.and_then(|(tunnel, metric)| Some((self.acquire(VrfId::GLOBAL, tunnel)?, metric)));
        let reach = new.map(|(entry, metric)| Reach { metric, nhlfe: self.tunnels.id(entry) });
        if let Some((entry, _)) = new {
            self.transports.insert((P::V6, dest), entry);
        }
        let address = host(prefix.into());
        if let Some((hop, was)) = address.and_then(|a| self.shared.next_hops.set_labeled(a, reach)) {
            self.hop_changed(hop, was);
        }
        if let Some(old) = old {
            // Entries that lead through it are written anew before it is cleared.
            let id = self.tunnels.id(old);
            if self.tunnels.release(old, &mut self.shared.stacks) {
                self.late_ops.push_back(fwd_core::op::FwdOp::ClearNhlfe { id });
            }
        }
    }
}

/// The address of a host's prefix.
fn host(prefix: IpPrefix) -> Option<IpAddr> {
    match prefix {
        IpPrefix::V4(p) => Some(IpAddr::V4(core::net::Ipv4Addr::from_bits(p.bits()))),
        IpPrefix::V6(p) => Some(IpAddr::V6(core::net::Ipv6Addr::from_bits(p.bits()))),
    }
}
