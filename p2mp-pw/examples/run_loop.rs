//! The loop around an LDP speaker: what a router's driver does with sockets, here with two speakers and memory between them.
//!
//! `cargo run -p p2mp-pw --example run_loop`

use std::collections::VecDeque;

use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Label, Mac, NhlfeId};
use fwd_core::op::NextHop;
use fwd_core::time::Instant;
use p2mp_pw::ldp::LdpId;
use p2mp_pw::ldp::discovery::{DiscoveryConfig, InterfaceAddresses};
use p2mp_pw::ldp::lde::{Hop, LdeConfig, Route};
use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
use p2mp_pw::ldp::speaker::{Input, LdpSpeaker, Output, SpeakerConfig};

const LINK: IfIndex = IfIndex(1);

fn speaker(now: Instant, n: u8) -> Result<LdpSpeaker, Box<dyn std::error::Error>> {
    let mut discovery = DiscoveryConfig::new(LdpId::platform([192, 0, 2, n].into()));
    discovery.transport_v4 = Some([192, 0, 2, n].into());
    let labels = LabelRange { first: Label::new(16).ok_or("label")?, last: Label::new(999).ok_or("label")? };
    let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(999) };
    let groups = EcmpRange { first: EcmpId(1), last: EcmpId(9) };
    let lde = LdeConfig::new([192, 0, 2, n].into(), labels, nhlfes, groups);
    let mut speaker = LdpSpeaker::new(now, SpeakerConfig::new(discovery, lde))?;
    let address = [198, 51, 100, n].into();
    speaker.handle_input(now, Input::LocalAddress { address, up: true });
    speaker.set_interface(now, LINK, Some(InterfaceAddresses { v4: Some([198, 51, 100, n].into()), v6: None }));
    Ok(speaker)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut now = Instant::from_secs(1);
    let mut speakers = [speaker(now, 1)?, speaker(now, 2)?];
    // Speaker 1 has a prefix; speaker 2 reaches it over the link.
    let prefix = IpPrefix::V4("203.0.113.0/24".parse()?);
    speakers[0].handle_input(now, Input::Route { prefix, route: Some(Route::Egress) });
    let next = NextHop::Neighbor { iface: LINK, mac: Mac([2, 0, 0, 0, 0, 1]) };
    let hop = Hop { gateway: [198, 51, 100, 1].into(), iface: LINK, next };
    speakers[1].handle_input(now, Input::Route { prefix, route: Some(Route::Via(&[hop])) });

    let mut streams: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
    for _ in 0..100 {
        for from in [0, 1] {
            let (to, own) = (1 - from, LdpId::platform([192, 0, 2, from as u8 + 1].into()));
            while let Some(output) = speakers[from].poll_output() {
                match output {
                    Output::Datagram { from: source, ttl, octets, .. } => {
                        let hello =
                            Input::Datagram { from: source, iface: LINK, to_all_routers: true, ttl, octets: &octets };
                        speakers[to].handle_input(now, hello);
                    }
                    Output::Connect { peer, local, .. } => {
                        // Over TCP the passive side asks who it is, and closes what it does not want.
                        if speakers[to].admits(local) == Some(own) {
                            speakers[to].handle_input(now, Input::Connected { peer: own });
                            speakers[from].handle_input(now, Input::Connected { peer });
                        } else {
                            speakers[from].handle_input(now, Input::Closed { peer });
                        }
                    }
                    Output::Stream { octets, .. } => streams.push_back((to, octets)),
                    Output::Program(op) => println!("speaker {}: {op:?}", from + 1),
                    Output::Lsp { prefix, nhlfe } => println!("speaker {}: {prefix:?} by {nhlfe:?}", from + 1),
                    other => println!("speaker {}: {other:?}", from + 1),
                }
            }
        }
        if let Some((to, octets)) = streams.pop_front() {
            let peer = LdpId::platform([192, 0, 2, 2 - to as u8].into());
            speakers[to].handle_input(now, Input::Stream { peer, octets: &octets });
            continue;
        }
        if speakers[1].lde().lsp(prefix).is_some() {
            return Ok(());
        }
        // Nothing to do: sleep until the next timer.
        now = speakers.iter().filter_map(LdpSpeaker::next_timeout).min().ok_or("no timer")?.max(now);
        speakers.iter_mut().for_each(|speaker| speaker.handle_timeout(now));
    }
    Err("no label path".into())
}
