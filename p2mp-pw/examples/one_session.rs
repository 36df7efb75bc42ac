//! Many labels through one session between two routers: what a FEC costs in time, octets and memory.
//!
//! `cargo run --release -p p2mp-pw --example one_session -- [FECS]`: 1,000,000 unless said otherwise. Both routers have a route for each
//! FEC, hand out a label of their own for it, and take the other's: a mapping each way.

use std::collections::VecDeque;
use std::time::{Duration, Instant as Clock};

use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Ipv4Prefix, Label, Mac, NhlfeId};
use fwd_core::op::{FwdOp, NextHop};
use fwd_core::time::Instant;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::discovery::{DiscoveryConfig, InterfaceAddresses};
use p2mp_pw::ldp::lde::{Control, Hop, LdeConfig, Route};
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use p2mp_pw::ldp::session::State;
use p2mp_pw::ldp::speaker::{Input, LdpSpeaker, Output, SpeakerConfig};

const LINK: IfIndex = IfIndex(1);

type Error = Box<dyn std::error::Error>;

/// Octets of memory that the process holds, if the system says.
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * 4096)
}

/// A router with the time that it took for itself, and what it said and programmed.
struct Router {
    speaker: LdpSpeaker,
    took: Duration,
    sent: usize,
    entries: u32,
}

impl Router {
    fn new(now: Instant, n: u8) -> Result<Self, Error> {
        let mut discovery = DiscoveryConfig::new(id(n));
        discovery.transport_v4 = Some([192, 0, 2, n].into());
        let labels = LabelRange { first: Label::FIRST_UNRESERVED, last: Label::MAX };
        let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(1 << 21) };
        let groups = EcmpRange { first: EcmpId(1), last: EcmpId(1) };
        let mut lde = LdeConfig::new([192, 0, 2, n].into(), labels, nhlfes, groups);
        // A label for each prefix whether or not a next hop has one: the first router's next hops have none.
        (lde.control, lde.max_labels) = (Control::Independent, 2_000_000);
        let mut speaker = LdpSpeaker::new(now, SpeakerConfig::new(discovery, lde))?;
        speaker.handle_input(now, Input::LocalAddress { address: [198, 51, 100, n].into(), up: true });
        let addresses = InterfaceAddresses { v4: Some([198, 51, 100, n].into()), v6: None };
        speaker.set_interface(now, LINK, Some(addresses));
        Ok(Self { speaker, took: Duration::ZERO, sent: 0, entries: 0 })
    }

    fn input(&mut self, now: Instant, input: Input<'_>) {
        let clock = Clock::now();
        self.speaker.handle_input(now, input);
        self.took += clock.elapsed();
    }

    fn output(&mut self) -> Option<Output> {
        let clock = Clock::now();
        let output = self.speaker.poll_output();
        self.took += clock.elapsed();
        match &output {
            Some(Output::Stream { octets, .. }) => self.sent += octets.len(),
            Some(Output::Program(FwdOp::SetIlm { .. })) => self.entries += 1,
            _ => {}
        }
        output
    }
}

fn id(n: u8) -> LdpId {
    LdpId::platform([192, 0, 2, n].into())
}

/// Carries what both say until they say nothing.
fn carry(now: Instant, routers: &mut [Router; 2]) {
    let mut streams: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    loop {
        let mut idle = true;
        for from in [0, 1] {
            let (to, own) = (1 - from, id(from as u8 + 1));
            // A few at a time, as a socket takes them.
            while streams.len() < 64 {
                let Some(output) = routers[from].output() else { break };
                idle = false;
                match output {
                    Output::Datagram { from: source, ttl, octets, .. } => {
                        let hello =
                            Input::Datagram { from: source, iface: LINK, to_all_routers: true, ttl, octets: &octets };
                        routers[to].input(now, hello);
                    }
                    Output::Connect { peer, local, .. } => {
                        if routers[to].speaker.admits(local) == Some(own) {
                            routers[to].input(now, Input::Connected { peer: own });
                            routers[from].input(now, Input::Connected { peer });
                        } else {
                            routers[from].input(now, Input::Closed { peer });
                        }
                    }
                    Output::Stream { octets, .. } => streams.push_back((to, octets)),
                    _ => {}
                }
            }
        }
        for (to, octets) in streams.drain(..) {
            idle = false;
            routers[to].input(now, Input::Stream { peer: id(2 - to as u8), octets: &octets });
        }
        if idle {
            return;
        }
    }
}

fn main() -> Result<(), Error> {
    let fecs = std::env::args().nth(1).map_or(Ok(1_000_000), |arg| arg.parse::<u32>())?;
    let mut now = Instant::from_secs(1);
    let mut routers = [Router::new(now, 1)?, Router::new(now, 2)?];
    // The session first.
    for _ in 0..20 {
        carry(now, &mut routers);
        if routers[0].speaker.session_state(id(2)) == Some(State::Operational) {
            break;
        }
        now = routers.iter().filter_map(|r| r.speaker.next_timeout()).min().ok_or("no timer")?.max(now);
        routers.iter_mut().for_each(|router| router.speaker.handle_timeout(now));
    }
    carry(now, &mut routers);
    let before = resident();
    for (n, gateway) in [(0, [203, 0, 113, 9]), (1, [198, 51, 100, 1])] {
        let next = NextHop::Neighbor { iface: LINK, mac: Mac([2, 0, 0, 0, 0, 1]) };
        let hops = [Hop { gateway: gateway.into(), iface: LINK, next }];
        for prefix in 0..fecs {
            let prefix = IpPrefix::V4(Ipv4Prefix::host((0x0a00_0000 + prefix).into()));
            routers[n].input(now, Input::Route { prefix, route: Some(Route::Via(&hops)) });
        }
    }
    let routes = routers.each_ref().map(|router| router.took);
    carry(now, &mut routers);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(fecs.max(1));
    for (n, router) in routers.iter().enumerate() {
        let kept = router.speaker.lde().labels_of(id(2 - n as u8));
        println!(
            "router {}: {kept} labels of the other kept, {} entries, {} octets sent, {:.2} us a FEC ({:.2} of them its route)",
            n + 1,
            router.entries,
            router.sent,
            each(router.took),
            each(routes[n]),
        );
        if kept != fecs as usize || router.entries < fecs.saturating_sub(1) * n as u32 {
            return Err(format!("router {}: {kept} labels of {fecs}, {} entries", n + 1, router.entries).into());
        }
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        let (both, fecs) = (after.saturating_sub(before), u64::from(fecs.max(1)));
        println!("memory of both: {} MiB, {} octets a FEC and router", both >> 20, both / fecs / 2);
    }
    Ok(())
}
