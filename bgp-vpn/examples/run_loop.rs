//! The run loop of a speaker: two PEs in one process exchange a customer's routes over an in-memory "TCP connection".
//!
//! `Pe::drain` is what an embedder writes: carry outputs to sockets, to the forwarding plane, to the log. Run with
//! `cargo run -p bgp-vpn --example run_loop`.

use std::collections::VecDeque;
use std::net::IpAddr;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{LocalIdentity, PeerConfig};
use bgp_vpn::speaker::{Event, Input, LocalRoute, Output, PeerId, Reach, Side, Speaker, SpeakerConfig};
use bgp_vpn::vrf::VrfConfig;
use fwd_core::net::{Label, NhlfeId, VrfId};
use fwd_core::time::Instant;

const CUSTOMER: VrfId = VrfId(1);
/// What a socket buffer takes at a time.
const ROOM: usize = 65_536;

struct Pe {
    name: &'static str,
    speaker: Speaker,
    peer: PeerId,
    /// Which end of the connection is ours.
    side: Side,
    /// Octets that the other PE sent.
    received: VecDeque<Vec<u8>>,
}

impl Pe {
    fn new(number: u8, side: Side) -> Result<Self, Box<dyn std::error::Error>> {
        let now = Instant::ZERO;
        let address = |n: u8| IpAddr::from([192, 0, 2, n]);
        let mut speaker = Speaker::new(
            now,
            SpeakerConfig {
                local: LocalIdentity { asn: 65001, router_id: [192, 0, 2, number].into() },
                cluster_id: None,
                labels: (Label::FIRST_UNRESERVED, Label::from_low_bits(9999)),
                nhlfes: (NhlfeId(100), NhlfeId(9999)),
                seed: number.into(),
            },
        )?;
        let target = "65001:7".parse()?;
        speaker.add_vrf(now, VrfConfig::new(CUSTOMER, "customer", format!("65001:{number}").parse()?, target))?;
        let mut config = PeerConfig::new(address(3 - number), address(number), 65001, &[Family::VPN_IPV4]);
        config.passive = side == Side::Incoming;
        let peer = speaker.add_peer(now, config)?;
        // The other PE's loopback is reached through the forwarding entry 1, which belongs to the transport (LDP, say).
        let reach = Some(Reach { metric: 10, nhlfe: NhlfeId(1) });
        speaker.handle_input(now, Input::NextHop { address: address(3 - number), reach });
        let prefix = format!("10.{number}.0.0/16").parse()?;
        speaker.handle_input(now, Input::Local { vrf: CUSTOMER, prefix, route: Some(LocalRoute::Discard) });
        let name = if number == 1 { "PE1" } else { "PE2" };
        Ok(Self { name, speaker, peer, side, received: VecDeque::new() })
    }

    /// Carries everything the speaker has to say to where it belongs; returns the octets for the other PE.
    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::Connect { .. } | Output::Close { .. } => {} // the connection of this example is always there
                Output::Stream { octets, .. } => sent.push(octets),
                Output::Program(op) => println!("{}: program {op:?}", self.name),
                Output::Igp { prefix, route, .. } => println!("{}: the IGP announces {prefix}: {route:?}", self.name),
                Output::Event(Event::Established { .. }) => println!("{}: established", self.name),
                Output::Event(event) => println!("{}: {event:?}", self.name),
            }
        }
        sent
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut pes = [Pe::new(1, Side::Outgoing)?, Pe::new(2, Side::Incoming)?];
    let now = Instant::from_secs(1);
    for pe in &mut pes {
        let (peer, side) = (pe.peer, pe.side);
        pe.drain();
        pe.speaker.handle_input(now, Input::Connected { peer, side });
    }
    loop {
        let mut idle = true;
        for [from, to] in [[0, 1], [1, 0]] {
            let (peer, side) = (pes[from].peer, pes[from].side);
            while let Some(octets) = pes[from].received.pop_front() {
                pes[from].speaker.handle_input(now, Input::Stream { peer, side, octets: &octets });
            }
            // The socket is writable again; an embedder with nothing to do would sleep until `next_timeout`.
            pes[from].speaker.handle_input(now, Input::Writable { peer, side, room: ROOM });
            let sent = pes[from].drain();
            idle &= sent.is_empty();
            pes[to].received.extend(sent);
        }
        if idle {
            break;
        }
    }
    for pe in &pes {
        for route in pe.speaker.vrf_routes(CUSTOMER).iter().filter(|route| route.best) {
            println!("{}: {} from {:?}, labels {:?}", pe.name, route.prefix, route.source, route.labels);
        }
    }
    Ok(())
}
