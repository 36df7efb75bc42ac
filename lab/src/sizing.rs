//! `lab sizing`: what a provider's VPNs cost (catalogue SC-13): PEs with their VRFs around one route reflector, all of them the real
//! speakers, joined by memory instead of TCP; and what sessions with CEs cost while nothing happens.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::Instant as Clock;

use anyhow::{Context, ensure};
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{LocalIdentity, PeerConfig, PeerRole};
use bgp_vpn::speaker::{Input, LocalRoute, Output, PeerId, Reach, Side, Speaker, SpeakerConfig};
use bgp_vpn::vrf::VrfConfig;
use fwd_core::net::{IpPrefix, Ipv4Prefix, Label, NhlfeId, VrfId};
use fwd_core::time::Instant;

/// Arguments of `lab sizing`.
#[derive(clap::Args)]
pub struct Args {
    /// PEs
    #[arg(long, default_value_t = 100)]
    pes: u16,
    /// VRFs of all PEs together
    #[arg(long, default_value_t = 10_000)]
    vrfs: u32,
    /// PEs that a VPN has a VRF on
    #[arg(long, default_value_t = 10)]
    spread: u16,
    /// Routes that each VRF announces
    #[arg(long, default_value_t = 10)]
    routes: u32,
    /// CEs of the PE whose sessions are idle
    #[arg(long, default_value_t = 1000)]
    ces: u16,
}

const ASN: u32 = 65001;
/// Room for UPDATEs that a connection always has.
const ROOM: usize = 1 << 18;

/// Runs it and prints a table.
///
/// # Errors
/// Numbers that do not fit together.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    ensure!(
        args.pes > 0 && args.pes <= 250 && args.spread > 0 && args.spread <= args.pes,
        "--pes: 1 to 250, at least --spread"
    );
    let per_pe = u16::try_from(args.vrfs / u32::from(args.pes)).context("--vrfs: too many for a PE")?;
    ensure!(per_pe > 0 && args.routes > 0 && args.routes <= 250, "--vrfs: one a PE at least; --routes: 1 to 250");
    let before = resident();
    let begin = Clock::now();
    let mut provider = Provider::new(args, per_pe)?;
    provider.settle();
    let seconds = begin.elapsed().as_secs_f64();
    provider.print(args, per_pe, seconds, resident().saturating_sub(before));
    drop(provider);
    idle(args.ces)?;
    Ok(ExitCode::SUCCESS)
}

/// The route reflector and its clients: the PEs, and last a border router to another provider (RFC 4364 §10 b).
struct Provider {
    now: Instant,
    reflector: Speaker,
    pes: Vec<Speaker>,
    /// Octets and messages between them.
    octets: u64,
}

fn speaker(n: u16) -> anyhow::Result<Speaker> {
    let [a, b] = n.to_be_bytes();
    let config = SpeakerConfig {
        local: LocalIdentity { asn: ASN, router_id: Ipv4Addr::new(10, 255, a, b) },
        cluster_id: None,
        labels: (Label::FIRST_UNRESERVED, Label::MAX),
        nhlfes: (NhlfeId(10_000), NhlfeId(2_000_000)),
        seed: n.into(),
    };
    Ok(Speaker::new(Instant::ZERO, config)?)
}

fn address(n: u16) -> IpAddr {
    let [a, b] = n.to_be_bytes();
    Ipv4Addr::new(10, 255, a, b).into()
}

/// The session between a PE and the reflector as `of` sees it.
fn peering(of: u16, with: u16, role: PeerRole, passive: bool) -> PeerConfig {
    let families = [Family::VPN_IPV4];
    PeerConfig { role, passive, ..PeerConfig::new(address(with), address(of), ASN, &families) }
}

/// The number of the VPN that VRF `slot` of a PE belongs to: VPNs have `spread` neighbouring PEs.
fn vpn(pe: u16, slot: u16, per_pe: u16, spread: u16) -> u32 {
    u32::from(pe / spread) * u32::from(per_pe) + u32::from(slot)
}

impl Provider {
    fn new(args: &Args, per_pe: u16) -> anyhow::Result<Self> {
        let now = Instant::ZERO;
        let mut reflector = speaker(0)?;
        let mut pes = Vec::new();
        for n in 1..=args.pes {
            reflector.add_peer(now, peering(0, n, PeerRole::ReflectorClient, true))?;
            let mut pe = speaker(n)?;
            for other in (1..=args.pes).filter(|other| *other != n) {
                let reach = Some(Reach { metric: 1, nhlfe: NhlfeId(other.into()) });
                pe.handle_input(now, Input::NextHop { address: address(other), reach });
            }
            for slot in 0..per_pe {
                let vpn = vpn(n - 1, slot, per_pe, args.spread);
                let id = VrfId(slot + 1);
                let rd = format!("{}:{slot}", address(n)).parse()?;
                pe.add_vrf(now, VrfConfig::new(id, &format!("vpn{vpn}"), rd, format!("{ASN}:{vpn}").parse()?))?;
                for route in 0..args.routes {
                    let prefix = Ipv4Prefix::new(Ipv4Addr::new(10, n as u8, route as u8, 0), 24).context("a prefix")?;
                    let input = Input::Local { vrf: id, prefix: IpPrefix::V4(prefix), route: Some(LocalRoute::Local) };
                    pe.handle_input(now, input);
                }
            }
            pe.add_peer(now, peering(n, 0, PeerRole::Peer, false))?;
            pes.push(pe);
        }
        reflector.add_peer(now, peering(0, args.pes + 1, PeerRole::ReflectorClient, true))?;
        pes.push(border(args.pes)?);
        Ok(Self { now, reflector, pes, octets: 0 })
    }

    /// Carries octets until nobody has any, with time standing still but for the waits of connections.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            for at in 0..self.pes.len() {
                busy |= self.carry(at);
            }
            while let Some(output) = self.reflector.poll_output() {
                busy = true;
                if let Output::Stream { peer, octets, .. } = output {
                    self.octets += octets.len() as u64;
                    let pe = &mut self.pes[peer.0 as usize];
                    pe.handle_input(self.now, Input::Stream { peer: PeerId(0), side: Side::Outgoing, octets: &octets });
                    let writable = Input::Writable { peer, side: Side::Incoming, room: ROOM };
                    self.reflector.handle_input(self.now, writable);
                }
            }
            if busy {
                continue;
            }
            // Connections are attempted after a wait; nothing else is waited for that would not come again and again.
            let up = self.reflector.peers().into_iter().all(|p| self.reflector.peer_negotiated(p).is_some());
            let next = self.pes.iter().chain([&self.reflector]).filter_map(Speaker::next_timeout).min();
            match next {
                Some(next) if !up => {
                    self.now = self.now.max(next);
                    for speaker in self.pes.iter_mut().chain([&mut self.reflector]) {
                        speaker.handle_timeout(self.now);
                    }
                }
                _ => return,
            }
        }
    }

    /// Carries out what a PE wants.
    fn carry(&mut self, at: usize) -> bool {
        let (there, mut busy) = (PeerId(at as u32), false);
        while let Some(output) = self.pes[at].poll_output() {
            busy = true;
            match output {
                Output::Connect { peer } => {
                    self.reflector.handle_input(self.now, Input::Connected { peer: there, side: Side::Incoming });
                    self.pes[at].handle_input(self.now, Input::Connected { peer, side: Side::Outgoing });
                    let writable = Input::Writable { peer: there, side: Side::Incoming, room: ROOM };
                    self.reflector.handle_input(self.now, writable);
                    let writable = Input::Writable { peer, side: Side::Outgoing, room: ROOM };
                    self.pes[at].handle_input(self.now, writable);
                }
                Output::Stream { peer, side, octets } => {
                    self.octets += octets.len() as u64;
                    let input = Input::Stream { peer: there, side: Side::Incoming, octets: &octets };
                    self.reflector.handle_input(self.now, input);
                    self.pes[at].handle_input(self.now, Input::Writable { peer, side, room: ROOM });
                }
                _ => {}
            }
        }
        busy
    }

    /// What there is how often, and its octets.
    fn figures(&self, args: &Args, per_pe: u16) -> [(&'static str, usize, usize); 7] {
        let mut totals: Vec<_> = self.pes.iter().map(Speaker::stats).collect();
        let border = totals.pop().unwrap_or_default();
        let sum = |of: fn(&bgp_vpn::speaker::Stats) -> usize| totals.iter().map(of).sum::<usize>();
        let (pes, octets) = (totals.len(), sum(|s| s.octets));
        let rr = self.reflector.stats();
        [
            ("PEs: routers", pes, octets),
            ("PEs: VRFs, with their routes", usize::from(per_pe) * pes, octets),
            ("PEs: routes in VRFs", sum(|s| s.vrf_routes as usize), octets),
            ("PEs: VPN routes held", sum(|s| s.vpn_routes as usize), octets),
            (
                "VPNs, at their PEs and the reflector",
                usize::from(per_pe) * pes / usize::from(args.spread),
                octets + rr.octets,
            ),
            ("reflector: VPN routes", rr.vpn_routes as usize, rr.octets),
            ("ASBR, option B: VPN routes", border.vpn_routes as usize, border.octets),
        ]
    }

    fn print(&self, args: &Args, per_pe: u16, seconds: f64, resident: u64) {
        println!("| what | entries | octets | octets each |\n|---|---|---|---|");
        for (what, entries, octets) in self.figures(args, per_pe) {
            println!("| {what} | {entries} | {octets} | {} |", octets / entries.max(1));
        }
        let (pes, border) = self.pes.split_at(self.pes.len().saturating_sub(1));
        let border = border.first().map(Speaker::stats).unwrap_or_default();
        let totals: Vec<_> = pes.iter().map(Speaker::stats).collect();
        let sum = |of: fn(&bgp_vpn::speaker::Stats) -> usize| totals.iter().map(of).sum::<usize>();
        println!("| PEs: labels, next hop entries | {}, {} | | |", sum(|s| s.labels), sum(|s| s.nhlfes));
        println!("| ASBR, option B: labels, next hop entries | {}, {} | | |", border.labels, border.nhlfes);
        println!("| P routers: entries of VPNs | 0 | 0 | |");
        println!();
        println!(
            "{} PEs, {} VRFs, VPNs on {} PEs each, {} routes announced a VRF. Everything announced, reflected, imported \
             and programmed in {seconds:.1} s on one thread for all {} routers; {} octets of BGP; {} MiB resident for all of it.",
            pes.len(),
            usize::from(per_pe) * pes.len(),
            args.spread,
            args.routes,
            self.pes.len() + 1,
            self.octets,
            resident >> 20
        );
    }
}

/// A border router that would tell another provider every VPN route with a label of its own, were that there: it holds what it takes.
fn border(pes: u16) -> anyhow::Result<Speaker> {
    let (now, n) = (Instant::ZERO, pes + 1);
    let mut border = speaker(n)?;
    for pe in 1..=pes {
        let reach = Some(Reach { metric: 1, nhlfe: NhlfeId(pe.into()) });
        border.handle_input(now, Input::NextHop { address: address(pe), reach });
    }
    border.add_peer(now, peering(n, 0, PeerRole::Peer, false))?;
    let other = Ipv4Addr::new(192, 0, 2, 1).into();
    let outside = PeerConfig::new(other, Ipv4Addr::new(192, 0, 2, 2).into(), ASN + 1, &[Family::VPN_IPV4]);
    border.add_peer(now, PeerConfig { passive: true, ..outside })?;
    Ok(border)
}

/// A PE whose CEs say nothing but KEEPALIVE, for an hour.
fn idle(ces: u16) -> anyhow::Result<()> {
    let mut pe = speaker(1)?;
    let mut now = Instant::ZERO;
    let vrf = VrfConfig::new(VrfId(1), "idle", "65001:1".parse()?, "65001:1".parse()?);
    pe.add_vrf(now, vrf)?;
    let mut peers = Vec::new();
    for n in 0..ces {
        let [a, b] = n.to_be_bytes();
        let ce = IpAddr::from([172, 16 + (a >> 4), a & 15, b]);
        let config = PeerConfig {
            vrf: VrfId(1),
            passive: true,
            ..PeerConfig::new(ce, [172, 31, 255, 255].into(), 64_512, &[Family::IPV4_UNICAST])
        };
        let peer = pe.add_peer(now, config)?;
        let side = Side::Incoming;
        pe.handle_input(now, Input::Connected { peer, side });
        pe.handle_input(now, Input::Writable { peer, side, room: ROOM });
        let capabilities = [2, 12, 1, 4, 0, 1, 0, 1, 65, 4, 0, 0, 0xfc, 0];
        let open = [&[0xff; 16][..], &[0, 43, 1, 4, 0xfc, 0, 0, 90, 172, 16, a, b, 14], &capabilities].concat();
        pe.handle_input(now, Input::Stream { peer, side, octets: &open });
        pe.handle_input(now, Input::Stream { peer, side, octets: &KEEPALIVE });
        peers.push(peer);
    }
    while pe.poll_output().is_some() {}
    let up = peers.iter().filter(|p| pe.peer_negotiated(**p).is_some()).count();
    ensure!(up == usize::from(ces), "{up} of {ces} sessions came up");
    let (begin, mut sent) = (Clock::now(), 0u64);
    for second in 1..=3600u64 {
        now = Instant::from_secs(second);
        // A thirtieth of the CEs each second: all within a third of the hold time.
        for peer in peers.iter().skip((second % 30) as usize).step_by(30) {
            let input = Input::Stream { peer: *peer, side: Side::Incoming, octets: &KEEPALIVE };
            pe.handle_input(now, input);
        }
        if pe.next_timeout().is_some_and(|at| at <= now) {
            pe.handle_timeout(now);
        }
        while let Some(output) = pe.poll_output() {
            sent += u64::from(matches!(output, Output::Stream { .. }));
        }
    }
    let up = peers.iter().filter(|p| pe.peer_negotiated(**p).is_some()).count();
    ensure!(up == usize::from(ces), "{up} of {ces} sessions stayed up");
    println!(
        "{ces} idle CE sessions: an hour of KEEPALIVEs ({sent} sent) takes {:.3} s of processor time, {:.4} % of a core.",
        begin.elapsed().as_secs_f64(),
        begin.elapsed().as_secs_f64() / 36.0
    );
    Ok(())
}

const KEEPALIVE: [u8; 19] = {
    let mut octets = [0xff; 19];
    octets[16] = 0;
    octets[17] = 19;
    octets[18] = 4;
    octets
};

/// Resident memory of this process.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published figures of each kind of router hold, within a factor of two, at a tenth of the size: they are of this code, and
    /// linear.
    ///
    /// Shows: L3VPN-REF-16, L3VPN-TSK-2
    #[test]
    fn what_routers_hold_is_as_published() {
        let page = include_str!("../../docs/applicability.md");
        let published = |what: &str| -> usize {
            let line = page.lines().find(|l| l.starts_with(&format!("| {what} |"))).expect(what);
            line.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().trim().parse().expect(what)
        };
        let args = Args { pes: 100, vrfs: 1000, spread: 10, routes: 10, ces: 1 };
        let mut provider = Provider::new(&args, 10).unwrap();
        provider.settle();
        for (what, entries, octets) in provider.figures(&args, 10).into_iter().skip(1) {
            let (now, then) = (octets / entries, published(what));
            assert!(now <= 2 * then && then <= 2 * now, "{what}: {now} octets each, published are {then}");
        }
        // One statement for each solution, with the sections of RFC 4365.
        for solution in ["BGP/MPLS VPNs", "Virtual routers", "CE-based VPNs", "Multicast in VPNs"] {
            let at = page.find(&format!("## {solution}")).expect(solution);
            let statement = page[at + 3..].split("\n## ").next().unwrap();
            let missing: Vec<u32> = (3..=15).filter(|n| !statement.contains(&format!("| §{n} "))).collect();
            assert!(missing.is_empty(), "{solution}: RFC 4365 sections {missing:?} are not spoken of");
        }
    }

    /// Every VRF learns what the other PEs of its VPN announce, and nothing else.
    #[test]
    fn a_small_provider_settles_with_every_route_in_its_vpn() {
        let args = Args { pes: 6, vrfs: 24, spread: 3, routes: 5, ces: 1 };
        let mut provider = Provider::new(&args, 4).unwrap();
        provider.settle();
        for pe in &provider.pes {
            assert!(pe.vrfs().all(|vrf| pe.vrf_stats(vrf.id).unwrap().routes == 15));
        }
        // A label of the border router for every VRF, whose label all its routes share.
        let border = provider.pes.last().unwrap().stats();
        assert_eq!((border.vpn_routes, border.labels, border.nhlfes), (24 * 5, 24, 24));
        assert_eq!(provider.reflector.stats().vpn_routes, 24 * 5);
        idle(30).unwrap();
    }
}
