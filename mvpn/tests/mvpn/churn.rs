//! Random cores, joins, leaves, failures and repairs against a reference model: every receiver that should be served is, once; nobody else is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::IpPrefix;
use mvpn::address::Address;
use mvpn::mvrf::{Input, TunnelKind, UmhSelection};
use proptest::prelude::*;

use super::ldp::link;
use super::node::SimAddress;
use super::ssm;
use super::world::World;
use super::{Provider, VRF, mvrf};

/// What carries I-PMSI and S-PMSIs: those of the SSM tests, and two more with trees through the core.
const KINDS: [(Option<TunnelKind>, TunnelKind); 6] = {
    let [a, b, c, d] = ssm::KINDS;
    [a, b, c, d, (Some(TunnelKind::IngressReplication), TunnelKind::MldpP2mp), (None, TunnelKind::MldpP2mp)]
};

/// PEs, numbered from 0, then P routers; and links. Trees by mLDP go hop by hop over them, other tunnels from PE to PE.
#[derive(Clone, Debug)]
struct Core {
    pes: usize,
    routers: usize,
    links: BTreeSet<(usize, usize)>,
}

/// Four to seven PEs, each linked to a P router of one to four that hang together; and up to six links more.
fn core() -> impl Strategy<Value = Core> {
    use prop::sample::Index;
    let any_of = |n| prop::collection::vec(any::<Index>(), n);
    (4..8_usize, 1..5_usize, any_of(11), prop::collection::vec(any::<(Index, Index)>(), 0..7)).prop_map(
        |(pes, ps, to, more)| {
            let p = |index: &Index, count| pes + index.index(count);
            let routers = pes + ps;
            let homes = (0..pes).map(|pe| link(pe, p(&to[pe], ps)));
            let tree = (1..ps).map(|n| link(pes + n, p(&to[7 + n], n)));
            let more = more.iter().map(|(a, b)| link(a.index(routers), p(b, ps))).filter(|(a, b)| a != b);
            let links = homes.chain(tree).chain(more).collect();
            Core { pes, routers, links }
        },
    )
}

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
    /// A router dies, and does not come back. PEs 0 and 1 stay.
    Kill {
        router: usize,
    },
    Link {
        n: usize,
        up: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..100_usize, 0..FLOWS, any::<bool>()).prop_map(|(pe, flow, joined)| Step::Member { pe, flow, joined }),
        2 => (0..FLOWS, any::<bool>()).prop_map(|(flow, up)| Step::Second { flow, up }),
        2 => (0..FLOWS, any::<bool>()).prop_map(|(flow, fast)| Step::Fast { flow, fast }),
        1 => (0..100_usize).prop_map(|router| Step::Kill { router }),
        3 => (0..100_usize, any::<bool>()).prop_map(|(n, up)| Step::Link { n, up }),
    ]
}

const FLOWS: usize = 4;

/// Flow n comes from PE n mod 2, and may have PE 2 + n mod 2 for a second.
struct Model<A: SimAddress> {
    world: World<A>,
    core: Core,
    down: BTreeSet<(usize, usize)>,
    dead: BTreeSet<usize>,
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

    fn new(
        core: &Core,
        provider: Provider,
        kinds: (Option<TunnelKind>, TunnelKind),
        umh: UmhSelection,
        seed: u64,
    ) -> Self {
        let mut world: World<A> = World::new(provider.routers(core.routers), seed, |_, c| {
            c.timers.hold_down = Duration::from_secs(5);
        });
        if kinds.0 != Some(TunnelKind::RsvpTeP2mp) && kinds.1 != TunnelKind::RsvpTeP2mp {
            world.start_ldp_on(core.links.clone(), |_, _| {});
        }
        for pe in 0..core.pes {
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
        let core = core.clone();
        let (down, dead) = (BTreeSet::new(), BTreeSet::new());
        Self { world, core, down, dead, members: BTreeSet::new(), second: [false; FLOWS] }
    }

    /// Links whose routers are alive, but those.
    fn links<'a>(
        &'a self,
        down: &'a BTreeSet<(usize, usize)>,
        dead: &'a BTreeSet<usize>,
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        let is_there = |l: &(usize, usize)| !down.contains(l) && !dead.contains(&l.0) && !dead.contains(&l.1);
        self.core.links.iter().copied().filter(is_there)
    }

    /// Whether all PEs that are alive would still reach each other: a flow without a way is nobody's promise.
    fn hangs_together(&self, down: &BTreeSet<(usize, usize)>, dead: &BTreeSet<usize>) -> bool {
        let mut seen = BTreeSet::from([0]);
        loop {
            let before = seen.len();
            for (a, b) in self.links(down, dead) {
                if seen.contains(&a) || seen.contains(&b) {
                    seen.extend([a, b]);
                }
            }
            if seen.len() == before {
                return (0..self.core.pes).all(|pe| dead.contains(&pe) || seen.contains(&pe));
            }
        }
    }

    fn kill(&mut self, router: usize) {
        let mut dead = self.dead.clone();
        if router < 2 || !dead.insert(router) || !self.hangs_together(&self.down, &dead) {
            return;
        }
        let gone: Vec<_> = self.links(&self.down, &self.dead).filter(|(a, b)| *a == router || *b == router).collect();
        if self.world.ldp.is_some() {
            gone.into_iter().for_each(|link| self.world.set_core_link(link, false));
        }
        self.dead = dead;
        self.world.kill(router);
        self.world.converge();
        self.members.retain(|(member, _)| *member != router);
    }

    fn set_link(&mut self, link: (usize, usize), up: bool) {
        let mut down = self.down.clone();
        let is_new = if up { down.remove(&link) } else { down.insert(link) };
        let ends_live = !self.dead.contains(&link.0) && !self.dead.contains(&link.1);
        if self.world.ldp.is_some() && is_new && ends_live && self.hangs_together(&down, &self.dead) {
            self.down = down;
            self.world.set_core_link(link, up);
            self.world.converge();
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Member { pe, flow, joined } if !self.dead.contains(&(pe % self.core.pes)) => {
                let pe = pe % self.core.pes;
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
            Step::Kill { router } => self.kill(router % self.core.routers),
            Step::Link { n, up } => {
                let link = self.core.links.iter().nth(n % self.core.links.len()).copied();
                self.set_link(link.expect("one at least"), up);
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

fn run<A: SimAddress + Address>(
    core: &Core,
    provider: Provider,
    (kinds, umh, seed): (usize, UmhSelection, u64),
    steps: &[Vec<Step>],
) {
    let mut model = Model::<A>::new(core, provider, KINDS[kinds], umh, seed);
    for (n, burst) in steps.iter().enumerate() {
        burst.iter().for_each(|step| model.apply(*step));
        model.check(&format!("after burst {n} {burst:?} of {provider:?} {:?} {umh:?}", KINDS[kinds]));
    }
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("MVPN_CASES").map_or(100, |n| n.parse().expect("a number of cases"));
    ProptestConfig { cases, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Shows: MVPN-MH-1
    #[test]
    fn every_receiver_is_served_once(
        core in core(),
        (v6, provider_v6) in any::<(bool, bool)>(),
        kinds in 0..KINDS.len(),
        how in 0..3_usize,
        seed in any::<u64>(),
        steps in prop::collection::vec(prop::collection::vec(step(), 1..6), 1..5),
    ) {
        let provider = if provider_v6 { Provider::V6 } else { Provider::V4 };
        // One label for all PEs does not tell who sent: with it all have to select the same (RFC 7988 §7).
        let how = if KINDS[kinds].0 == Some(TunnelKind::IngressReplication) { how % 2 } else { how };
        let umh = [UmhSelection::HighestAddress, UmhSelection::Hash, UmhSelection::Installed][how];
        match v6 {
            true => run::<Ipv6Addr>(&core, provider, (kinds, umh, seed), &steps),
            false => run::<Ipv4Addr>(&core, provider, (kinds, umh, seed), &steps),
        }
    }
}
