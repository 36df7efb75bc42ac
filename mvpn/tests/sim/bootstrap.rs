//! Routers of the simulated network that run the bootstrap mechanism too (RFC 5059).

use std::time::Duration;

use mvpn::pim::PimEvent;
use mvpn::pim::bsr::{BsrConfig, BsrInterfaceConfig, BsrRouter, BsrTimers, Input, Output};

use super::world::{SimAddress, World, iface};

impl<A: SimAddress> World<A> {
    /// Bootstrap at a router, on all its LANs, with this period between messages; scoped groups stay on this side of `borders`.
    pub fn run_bootstrap(&mut self, r: usize, period: Duration, borders: &[(usize, A::Prefix)]) {
        let timers = BsrTimers {
            period,
            timeout: period * 2 + Duration::from_secs(10),
            advertisement_period: period,
            ..BsrTimers::default()
        };
        let mut bsr = BsrRouter::new(self.now, BsrConfig { seed: r as u64, timers, ..BsrConfig::default() }).unwrap();
        for lan in (0..self.lans.len()).filter(|lan| self.lans[*lan].contains(&r)) {
            let borders = borders.iter().filter(|(at, _)| *at == lan).map(|(_, range)| *range).collect();
            let address = A::on_lan(lan, r);
            bsr.add_interface(self.now, BsrInterfaceConfig { interface: iface(lan), address, mtu: 1500, borders })
                .unwrap();
        }
        self.nodes[r].bsr = Some(bsr);
    }

    /// Something happens to the bootstrap machine of a router, and what it says of it is done.
    pub fn bootstrap(&mut self, r: usize, happens: impl FnOnce(&mut BsrRouter<A>)) {
        let Some(bsr) = &mut self.nodes[r].bsr else { return };
        happens(bsr);
        while let Some(output) = self.nodes[r].bsr.as_mut().and_then(BsrRouter::poll_output) {
            match output {
                Output::Datagram { interface: Some(i), from, to, octets } => {
                    self.on_link(r, usize::try_from(i.0).unwrap(), from, to, &octets);
                }
                Output::Datagram { interface: None, from, to, octets } => self.unicast(r, from, to, octets),
                Output::Mapping { range, mode, hash_mask_len, candidates } => {
                    let now = self.now;
                    let change = |set: &mut mvpn::pim::rp_set::RpSet<A>| {
                        set.set_learnt(range, mode, hash_mask_len, &candidates);
                    };
                    self.nodes[r].pim.update_rp_set(now, change);
                    self.drain(r);
                }
                Output::Track(address) => {
                    self.nodes[r].followed.insert(address);
                    self.follow(r, address);
                }
                Output::Untrack(address) => assert!(self.nodes[r].followed.remove(&address)),
                Output::Event(_) => {}
            }
        }
    }

    /// RPF_neighbor of an address.
    fn follow(&mut self, r: usize, address: A) {
        let neighbor = self.route(r, address).and_then(|route| route.next_hop);
        let now = self.now;
        if let Some(bsr) = &mut self.nodes[r].bsr {
            bsr.handle_input(now, Input::Rpf { address, neighbor });
        }
    }

    /// Unicast routing changed.
    pub(super) fn reroute_bootstrap(&mut self, r: usize) {
        for address in self.nodes[r].followed.clone() {
            self.follow(r, address);
        }
        self.bootstrap(r, |_| {});
    }

    /// Bootstrap learns of neighbours from PIM.
    pub(super) fn tell_bootstrap(&mut self, r: usize, event: &PimEvent<A>) {
        let (interface, neighbor, present) = match *event {
            PimEvent::NeighborUp { interface, neighbor } | PimEvent::NeighborRestarted { interface, neighbor } => {
                (interface, neighbor, true)
            }
            PimEvent::NeighborDown { interface, neighbor } => (interface, neighbor, false),
            _ => return,
        };
        let (dr, mine) = (self.nodes[r].pim.dr(interface), self.nodes[r].pim.address(interface));
        let (prime, now) = (dr == mine || dr == Some(neighbor), self.now);
        self.bootstrap(r, |bsr| bsr.handle_input(now, Input::Neighbor { interface, neighbor, present, prime }));
    }
}
