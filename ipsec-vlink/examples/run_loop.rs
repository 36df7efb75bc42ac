//! Two systems, a protected GRE link between them: what the machines say is carried to and fro.
//!
//! What IKE and BGP would carry is handed over by value; a router has its own of both.

use fwd_core::net::{NhlfeId, VpnId, VrfId};
use fwd_core::op::Ends;
use fwd_core::time::Instant;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::vlink::{Config, Event, Input, LinkConfig, LinkId, Output, PeerConfig, VirtualLinks};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = Instant::from_secs(0);
    let (a, b) = ("192.0.2.1".parse()?, "192.0.2.2".parse()?);
    let vpn = VpnId::new(0x5e, 42).ok_or("an OUI has 24 bits")?;
    let mut systems = Vec::new();
    for (local, remote) in [(a, b), (b, a)] {
        let mut links = VirtualLinks::new(now, Config::default())?;
        let peer = links.add_peer(PeerConfig::pe(Ends::V4 { local, remote }, NhlfeId(0)));
        let link = links.add_link(now, LinkConfig::new(peer, vpn, VrfId(1), Architecture::Gre))?;
        systems.push((links, link));
    }
    for n in [0, 1, 0] {
        let mut told: Option<u32> = None;
        let mut negotiated = Vec::new();
        let (links, _): &mut (VirtualLinks, LinkId) = &mut systems[n];
        while let Some(output) = links.poll_output() {
            match output {
                Output::Program(op) => println!("system {n}: program {op:?}"),
                Output::RequestSa(request) => negotiated.push(request.sa),
                Output::Advertise { key, .. } => told = Some(key),
                Output::Event(Event::LinkUp { entry, mtu, overhead, .. }) => {
                    println!("system {n}: up by {entry}, MTU {mtu}, {overhead} octets of headers");
                }
                other => println!("system {n}: {other:?}"),
            }
        }
        for sa in negotiated {
            links.handle_input(now, Input::SaUp { sa, context: None });
        }
        let (other, link) = &mut systems[1 - n];
        if let Some(key) = told {
            other.handle_input(now, Input::RemoteKey { link: *link, key: Some(key) });
        }
    }
    Ok(())
}
