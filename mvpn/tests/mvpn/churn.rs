//! Random joins, leaves, failures and repairs against a reference model: every receiver that should be served is, once; nobody else is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::IpPrefix;
use mvpn::address::Address;
use mvpn::mvrf::{Input, TunnelKind, UmhSelection};
use proptest::prelude::*;

use super::node::SimAddress;
use super::ssm::KINDS;
use super::world::World;
use super::{Provider, VRF, mvrf};

const PES: usize = 6;

#[derive(Clone, Copy, Debug)]
enum Step {
    Member {
        pe: usize,
        flow: usize,
        joined: bool,
    },
    /// The route of a source's second site comes or goes.
    Second {
        flow: usize,
        up: bool,
    },
    Fast {
        flow: usize,
        fast: bool,
    },
    Kill {
        pe: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..PES, 0..FLOWS, any::<bool>()).prop_map(|(pe, flow, joined)| Step::Member { pe, flow, joined }),
        2 => (0..FLOWS, any::<bool>()).prop_map(|(flow, up)| Step::Second { flow, up }),
        2 => (0..FLOWS, any::<bool>()).prop_map(|(flow, fast)| Step::Fast { flow, fast }),
        1 => (2..PES).prop_map(|pe| Step::Kill { pe }),
    ]
}

const FLOWS: usize = 4;

/// Flow n comes from PE n mod 2, and may have PE 2 + n mod 2 for a second.
struct Model<A: SimAddress> {
    world: World<A>,
    members: BTreeSet<(usize, usize)>,
    second: [bool; FLOWS],
}

impl<A: SimAddress> Model<A> {
    fn source(flow: usize) -> A {
        A::host(50 + flow, 1)
    }

    fn prefix(flow: usize) -> IpPrefix {
        A::subnet(50 + flow).into()
    }

    fn group(flow: usize) -> A {
        A::ssm(1 + (flow / 2) as u8)
    }

    fn sites(&self, flow: usize) -> Vec<usize> {
        let first = flow % 2;
        let sites = [Some(first), self.second[flow].then_some(2 + first)];
        sites.into_iter().flatten().filter(|pe| self.world.pes[*pe].alive).collect()
    }

    fn new(provider: Provider, kinds: (Option<TunnelKind>, TunnelKind), umh: UmhSelection, seed: u64) -> Self {
        let mut world: World<A> = World::new(provider.routers(PES), seed, |_, c| {
            c.timers.hold_down = Duration::from_secs(5);
        });
        for pe in 0..PES {
            let mut config = mvrf(pe, kinds.0, kinds.1);
            config.umh = umh;
            config.s_pmsi.threshold = Some(mvpn::mvrf::Threshold { up: 1000, down: 500 });
            if kinds.0.is_none() {
                use mvpn::pim::wire::AddressFamily::{V4, V6};
                config.s_pmsi.fixed = [V4, V6].map(mvpn::mvrf::SFlow::all).to_vec();
            }
            world.add_site(pe, config, false);
        }
        for flow in 0..FLOWS {
            world.set_prefix(flow % 2, VRF, Self::prefix(flow), true);
        }
        world.run_for(Duration::from_secs(2));
        Self { world, members: BTreeSet::new(), second: [false; FLOWS] }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Member { pe, flow, joined } if self.world.pes[pe].alive => {
                match joined {
                    true => self.members.insert((pe, flow)),
                    false => self.members.remove(&(pe, flow)),
                };
                self.world.member((pe, VRF), Some(Self::source(flow)), Self::group(flow), joined);
            }
            Step::Second { flow, up } if self.world.pes[2 + flow % 2].alive => {
                self.second[flow] = up;
                self.world.set_prefix(2 + flow % 2, VRF, Self::prefix(flow), up);
                // PIM of the site itself: the source is on its link, or across the VPN.
                self.world.retrack(2 + flow % 2, VRF);
            }
            Step::Fast { flow, fast } => {
                for pe in self.sites(flow) {
                    let (source, group) = (Self::source(flow).into(), Self::group(flow).into());
                    let octets_per_second = if fast { 5000 } else { 1 };
                    self.world.input(pe, Input::Rate { vrf: VRF, source, group, octets_per_second });
                }
            }
            Step::Kill { pe } if self.world.pes[pe].alive => {
                self.world.kill(pe);
                self.members.retain(|(member, _)| *member != pe);
            }
            _ => {}
        }
    }

    /// Each flow's next packet enters at each of its sites: who gets it?
    fn check(&mut self, what: &str) {
        self.world.run_for(Duration::from_secs(25));
        let sent: Vec<u32> = (0..FLOWS)
            .map(|flow| {
                let (source, group) = (Self::source(flow), Self::group(flow));
                let sites = self.sites(flow);
                let number = self.world.send((sites[0], VRF), source, group);
                for site in &sites[1..] {
                    self.world.send_again((*site, VRF), source, group, number);
                }
                number
            })
            .collect();
        self.world.run_for(Duration::from_secs(1));
        for (flow, number) in sent.into_iter().enumerate() {
            let sites = self.sites(flow);
            let members = self.members.iter().filter(|(pe, f)| *f == flow && !sites.contains(pe));
            let expected: BTreeMap<_, _> = members.map(|(pe, _)| ((*pe, VRF), 1)).collect();
            let got = self.world.copies(Self::source(flow), Self::group(flow), number);
            assert_eq!(got, expected, "flow {flow} {what}");
        }
    }
}

fn run<A: SimAddress + Address>(provider: Provider, kinds: usize, umh: UmhSelection, seed: u64, steps: &[Vec<Step>]) {
    let mut model = Model::<A>::new(provider, KINDS[kinds], umh, seed);
    for (n, burst) in steps.iter().enumerate() {
        burst.iter().for_each(|step| model.apply(*step));
        model.check(&format!("after burst {n} {burst:?} of {provider:?} {:?} {umh:?}", KINDS[kinds]));
    }
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("MVPN_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100);
    ProptestConfig { cases, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Shows: MVPN-MH-1
    #[test]
    fn every_receiver_is_served_once(
        (v6, provider_v6) in any::<(bool, bool)>(),
        kinds in 0..KINDS.len(),
        how in 0..3_usize,
        seed in any::<u64>(),
        steps in prop::collection::vec(prop::collection::vec(step(), 1..6), 1..5),
    ) {
        let provider = if provider_v6 { Provider::V6 } else { Provider::V4 };
        // One label for all PEs does not tell who sent: with it all have to select the same (RFC 7988 §7).
        let how = if kinds == 1 { how % 2 } else { how };
        let umh = [UmhSelection::HighestAddress, UmhSelection::Hash, UmhSelection::Installed][how];
        match v6 {
            true => run::<Ipv6Addr>(provider, kinds, umh, seed, &steps),
            false => run::<Ipv4Addr>(provider, kinds, umh, seed, &steps),
        }
    }
}
