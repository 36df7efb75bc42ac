//! Ours and FRR's side by side on two LANs, the source's and the member's: they elect a DR on each (RFC 7761 §4.3.2), and on the member's LAN
//! the DR forwards (§4.1.5).
//!
//! FRR 10.3 goes on forwarding when it is DR no more, for as long as the member stays. A capture of the member's LAN shows it: Hellos of ours
//! with the higher priority, FRR's `show ip pim interface` with ours as DR within a second, every packet from both routers from then on (for
//! two minutes, until ours was killed), one Assert of ours with metric 0 for (S,G) at the first of them, and no Assert of FRR's, which has
//! no part in it any more: who is neither DR nor winner has neither pim_include(S,G) nor AssertTrackingDesired(S,G,I) (§4.6.1). So the
//! member leaves and comes back where ours takes over: then FRR's interface is gone, and each packet comes once.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::PATIENCE;
use super::super::net::{Net, Node, until};
use super::frr::Frr;
use super::host::{Member, Source, every_packet_once};
use super::lan::{known_link_locals, place};
use super::ours::Ours;
use super::{Family, Place, interface, nodes};

const OURS: u8 = 1;
const FRR: u8 = 2;
/// The DR priority of FRR's.
const PRIORITY: u32 = 5;
/// FRR asks for members again 20 s after the querier was lost, which it holds for twice that and more.
const TREE: Duration = Duration::from_secs(120);

/// A source-specific stream of a family and its member.
struct Stream {
    family: Family,
    source: Source,
    member: Option<Member>,
}

impl Stream {
    fn start(family: Family, hosts: &[Node]) -> Self {
        let source = Source::start(&hosts[0], family.address(1, 100), family.ssm());
        let mut stream = Self { family, source, member: None };
        stream.join(&hosts[1]);
        stream
    }

    fn join(&mut self, host: &Node) {
        self.member = Some(Member::join(host, self.family.ssm(), Some(self.family.address(1, 100))));
    }

    /// The member leaves, and both routers have forgotten it and what they asserted for it.
    fn leave(&mut self, ours: &Ours, frr: &Frr) {
        self.member = None;
        let group = self.family.ssm().to_string();
        until("ours forgets the member", PATIENCE, || {
            let state = ours.family(self.family);
            let groups = state["interfaces"][1]["groups"].as_array().unwrap();
            if groups.contains(&json!(group)) || self.winner(&state).is_some() {
                Err(state.to_string())
            } else {
                Ok(())
            }
        });
        let word = word(self.family);
        until("FRR forgets the member", PATIENCE, || {
            let said = frr.vtysh(&format!("show {word} pim join"));
            if said.contains(&group) { Err(said) } else { Ok(()) }
        });
    }

    fn every_packet_once(&self, what: &str) {
        let member = self.member.as_ref().unwrap();
        every_packet_once(&format!("{:?}, {what}", self.family), &self.source, member, TREE);
    }

    fn is_flow(&self, entry: &Value) -> bool {
        entry["group"] == json!(self.family.ssm().to_string())
            && entry["source"] == json!(self.family.address(1, 100).to_string())
    }

    /// Whether ours forwards it to the member's LAN.
    fn is_forwarded(&self, state: &Value) -> bool {
        let routes = state["mroutes"].as_array().unwrap();
        routes.iter().any(|route| self.is_flow(route) && route["copies"] == true)
    }

    /// Who forwards to the member's LAN by an Assert, as ours has it.
    fn winner(&self, state: &Value) -> Option<String> {
        let asserts = state["interfaces"][1]["asserts"].as_array()?;
        asserts.iter().find(|of| self.is_flow(of))?["winner"].as_str().map(str::to_owned)
    }
}

/// FRR's word for a family.
const fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ipv6",
    }
}

/// A router's address in its Hellos.
fn address(family: Family, lan: u8, number: u8) -> String {
    match family {
        Family::V4 => family.address(lan, number).to_string(),
        Family::V6 => format!("fe80::{lan}:{number}"),
    }
}

/// Waits until FRR has this router as DR of an interface.
fn frr_elects(frr: &Frr, place: &Place, family: Family, at: usize, dr: u8) {
    let word = word(family);
    let wanted = if dr == place.number { "local".to_owned() } else { address(family, place.lans[at], dr) };
    until(&format!("FRR has {wanted} as DR of {family:?} on interface {at}"), PATIENCE, || {
        let said = frr.vtysh(&format!("show {word} pim interface"));
        let line = said.lines().find(|line| line.trim_start().starts_with(&interface(at))).unwrap_or_default();
        if line.split_whitespace().any(|column| column == wanted) { Ok(()) } else { Err(said) }
    });
}

/// Both routers elect the same DR on both LANs.
fn elected(ours: &Ours, frr: &Frr, places: &[Place], family: Family, dr: u8) {
    for (at, lan) in places[0].lans.iter().enumerate() {
        let wanted = address(family, *lan, dr);
        until(&format!("ours has {wanted} as DR"), PATIENCE, || {
            let state = ours.family(family);
            if state["interfaces"][at]["dr"] == json!(wanted) { Ok(()) } else { Err(state.to_string()) }
        });
        frr_elects(frr, &places[1], family, at, dr);
    }
}

/// Shows: MVPN-CEPE-2, MVPN-CEPE-8
#[test]
fn the_routers_of_a_lan_elect_one_dr_and_it_forwards() {
    let mut net = Net::new();
    let places = [OURS, FRR].map(|n| Place { dr_priority: PRIORITY, ..place(n, [1, 2], None) });
    let (routers, hosts) = nodes(&mut net, &places, &[1, 2]);
    known_link_locals(&routers[1], &places[1]);
    let frr = Frr::start(&routers[1], &places[1]);
    let mut streams = [Family::V4, Family::V6].map(|family| Stream::start(family, &hosts));
    // Lower, higher, and equal, where the higher address is FRR's.
    for (priority, dr) in [(1, FRR), (9, OURS), (PRIORITY, FRR)] {
        let ours = Ours::start(&routers[0], &Place { dr_priority: priority, ..places[0].clone() });
        for stream in &mut streams {
            let family = stream.family;
            ours.expect_neighbors(family, 0, 1);
            ours.expect_neighbors(family, 1, 1);
            elected(&ours, &frr, &places, family, dr);
            if dr == OURS {
                // Ours says what it sees of FRR's packets. If FRR was still DR then, it has answered and won.
                until("ours sees FRR's packets", PATIENCE, || {
                    let state = ours.family(family);
                    stream.winner(&state).map(drop).ok_or_else(|| state.to_string())
                });
                stream.leave(&ours, &frr);
                stream.join(&hosts[1]);
            }
            stream.every_packet_once(&format!("ours with priority {priority}"));
            let state = ours.family(family);
            assert_eq!(stream.is_forwarded(&state), dr == OURS, "{family:?}, priority {priority}: {state}");
        }
        ours.kill();
        for stream in &streams {
            for at in 0..2 {
                frr_elects(&frr, &places[1], stream.family, at, FRR);
            }
            stream.every_packet_once(&format!("ours with priority {priority} is dead"));
        }
    }
}
