//! Arbitrary stimuli against one speaker: two core peers, a CE, two VRFs. Shared by a property test and a fuzz target.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use arbitrary::Unstructured;
use bgp_vpn::message::{Update, UpdateError};
use bgp_vpn::nlri::{Family, RouteDistinguisher, VpnNlri};
use bgp_vpn::session::{
    FamilyConfig, Input as SessionInput, LocalIdentity, Output as SessionOutput, PeerConfig, PeerRole, Session,
    SessionConfig,
};
use bgp_vpn::speaker::{Circuit, Input, LocalRoute, Output, PeerId, Reach, RouteSource, Side, Speaker, SpeakerConfig};
use bgp_vpn::vrf::{InterAsLink, LabelMode, RouteLimit, VrfConfig};
use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, Label, LabelSpaceId, NhlfeId, ProtectionId, VrfId};
use fwd_core::op::{FwdOp, IlmAction, RouteAction};
use fwd_core::time::Instant;

const FIRST_NHLFE: u32 = 1000;
const SIDE: Side = Side::Incoming;

/// The far end of a session, and what it was told.
struct Far {
    peer: PeerId,
    config: SessionConfig,
    session: Session,
    up: bool,
    /// By route distinguisher, prefix and path identifier.
    held: BTreeSet<(RouteDistinguisher, Ipv4Prefix, u32)>,
    /// It takes several paths per destination.
    several: bool,
    held_plain: BTreeSet<Ipv4Prefix>,
}

struct Bed {
    now: Instant,
    speaker: Speaker,
    far: Vec<Far>,
    routes: BTreeMap<(VrfId, IpPrefix), RouteAction>,
    ilm: BTreeMap<Label, IlmAction>,
    nhlfes: BTreeSet<NhlfeId>,
    pairs: BTreeMap<ProtectionId, [NhlfeId; 2]>,
    spaces: BTreeSet<Label>,
    ops: Vec<FwdOp>,
    room: usize,
    /// The second core peer is an ASBR of another AS, to which the VRFs have interfaces.
    option_ab: bool,
}

fn ip(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

fn vrf(id: u16, limit: Option<u32>, mode: LabelMode) -> VrfConfig {
    let name = format!("vrf{id}");
    let target = format!("65001:{id}").parse().unwrap();
    let mut config = VrfConfig::new(VrfId(id), &name, format!("65001:{id}").parse().unwrap(), target);
    config.limit = limit.map(|max| RouteLimit { mid: max / 2, high: max, max });
    config.label_mode = mode;
    config
}

impl Bed {
    fn new(u: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let config = SpeakerConfig {
            local: LocalIdentity { asn: 65001, router_id: [192, 0, 2, 1].into() },
            cluster_id: None,
            labels: (Label::new(100).unwrap(), Label::new(u.int_in_range(101..=120)?).unwrap()),
            nhlfes: (NhlfeId(FIRST_NHLFE), NhlfeId(FIRST_NHLFE + 500)),
            seed: 1,
        };
        let now = Instant::from_secs(1);
        let mut speaker = Speaker::new(now, config).unwrap();
        let backup = u.arbitrary()?;
        if backup {
            speaker.set_protections(now, (ProtectionId(7), ProtectionId(u.int_in_range(7..=12)?))).unwrap();
        }
        let modes = [LabelMode::PerVrf, LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix];
        let option_ab = u.arbitrary()?;
        for id in [1, 2] {
            let limit = if u.arbitrary()? { Some(u.int_in_range(1..=6)?) } else { None };
            let mode = *u.choose(&modes)?;
            let best_external = mode != LabelMode::PerVrf && u.arbitrary()?;
            let inter_as = InterAsLink { peer: ip(3), iface: IfIndex(id.into()) };
            let inter_as = if option_ab { vec![inter_as] } else { Vec::new() };
            speaker.add_vrf(now, VrfConfig { backup, best_external, inter_as, ..vrf(id, limit, mode) }).unwrap();
        }
        let mut bed = Self {
            now,
            speaker,
            far: Vec::new(),
            routes: BTreeMap::new(),
            ilm: BTreeMap::new(),
            nhlfes: BTreeSet::new(),
            pairs: BTreeMap::new(),
            spaces: BTreeSet::new(),
            ops: Vec::new(),
            room: 1 << 16,
            option_ab,
        };
        let second = if option_ab { 65100 } else { 65001 };
        for (n, asn, id, role) in
            [(2, 65001, 0, PeerRole::ReflectorClient), (3, second, 0, PeerRole::Peer), (4, 65010, 1, PeerRole::Peer)]
        {
            let family = if id == 0 { Family::VPN_IPV4 } else { Family::IPV4_UNICAST };
            let several = id == 0 && u.arbitrary()?;
            bed.peer((n, asn, id, role), family, u.arbitrary()?, several);
        }
        Ok(bed)
    }

    fn peer(&mut self, (n, asn, id, role): (u8, u32, u16, PeerRole), family: Family, restart: bool, several: bool) {
        let timers = |c: &mut PeerConfig| {
            c.timers.hold = Duration::ZERO;
            c.graceful_restart = restart.then_some(Duration::from_secs(60));
        };
        let mut ours = PeerConfig::new(ip(n), ip(1), asn, &[]);
        let long_lived = restart.then_some(Duration::from_secs(100));
        let offered = FamilyConfig { long_lived, add_path_send: several, max_paths: 2, ..FamilyConfig::new(family) };
        ours.families = vec![FamilyConfig { best_external: id == 0, ..offered }];
        ours.label_space = (id == 0 && n == 2).then_some(LabelSpaceId(5));
        (ours.vrf, ours.role, ours.passive) = (VrfId(id), role, true);
        ours.option_ab = self.option_ab && n == 3;
        timers(&mut ours);
        let peer = self.speaker.add_peer(self.now, ours).unwrap();
        let mut theirs = PeerConfig::new(ip(1), ip(n), 65001, &[]);
        theirs.families = vec![FamilyConfig { add_path_send: false, add_path_receive: several, ..offered }];
        timers(&mut theirs);
        let local = LocalIdentity { asn, router_id: [192, 0, 2, n].into() };
        let config = SessionConfig { local, peer: theirs, seed: u64::from(n), restarted: false };
        let session = Session::new(self.now, config.clone()).unwrap();
        let (held, held_plain) = (BTreeSet::new(), BTreeSet::new());
        self.far.push(Far { peer, config, session, up: false, held, several, held_plain });
    }

    /// A new connection from the far end, whose own session starts afresh.
    fn connect(&mut self, n: usize) {
        let far = &mut self.far[n];
        if far.up {
            return;
        }
        let peer = far.peer;
        far.session = Session::new(self.now, far.config.clone()).unwrap();
        far.session.handle_input(self.now, SessionInput::Start);
        far.session.handle_input(self.now, SessionInput::Connected { side: Side::Outgoing });
        far.up = true;
        far.held.clear();
        far.held_plain.clear();
        self.speaker.handle_input(self.now, Input::Connected { peer, side: SIDE });
        self.speaker.handle_input(self.now, Input::Writable { peer, side: SIDE, room: self.room });
        self.settle();
    }

    fn disconnect(&mut self, n: usize) {
        let far = &mut self.far[n];
        if core::mem::take(&mut far.up) {
            far.held.clear();
            far.held_plain.clear();
            let peer = far.peer;
            self.speaker.handle_input(self.now, Input::Closed { peer, side: SIDE });
        }
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            let Some(output) = self.speaker.poll_output() else {
                if !self.pump() {
                    return;
                }
                continue;
            };
            match output {
                Output::Stream { peer, octets, .. } => {
                    let n = peer.0 as usize;
                    if self.far[n].up {
                        let input = SessionInput::Stream { side: Side::Outgoing, octets: &octets };
                        self.far[n].session.handle_input(self.now, input);
                    }
                    if self.room > 0 {
                        let room = self.room;
                        self.speaker.handle_input(self.now, Input::Writable { peer, side: SIDE, room });
                    }
                }
                Output::Close { peer, side: SIDE } => {
                    let far = &mut self.far[peer.0 as usize];
                    far.up = false;
                    far.held.clear();
                    far.held_plain.clear();
                }
                Output::Program(op) => self.apply(op),
                _ => {}
            }
        }
        panic!("outputs without end");
    }

    /// What the far ends say; whether any did.
    fn pump(&mut self) -> bool {
        let mut any = false;
        for n in 0..self.far.len() {
            while let Some(output) = self.far[n].session.poll_output() {
                any = true;
                match output {
                    SessionOutput::Send { octets, .. } if self.far[n].up => {
                        let peer = self.far[n].peer;
                        self.speaker.handle_input(self.now, Input::Stream { peer, side: SIDE, octets: &octets });
                    }
                    SessionOutput::Update(body) => self.far[n].learn(&body).expect("an UPDATE of ours parses"),
                    SessionOutput::Close { .. } => self.disconnect(n),
                    _ => {}
                }
            }
        }
        any
    }

    fn apply(&mut self, op: FwdOp) {
        self.ops.push(op);
        match op {
            FwdOp::SetNhlfe { id, .. } => drop(self.nhlfes.insert(id)),
            FwdOp::ClearNhlfe { id } => {
                assert!(!self.routes.values().any(|a| *a == RouteAction::Forward(id)), "{id} is in use");
                assert!(!self.pairs.values().flatten().any(|leg| *leg == id), "{id} is in a pair");
                self.nhlfes.remove(&id);
            }
            FwdOp::SetProtection { id, primary, backup } => {
                let there = |leg: &NhlfeId| leg.0 < FIRST_NHLFE || self.nhlfes.contains(leg);
                assert!(there(&primary) && there(&backup) && primary != backup, "{id:?} has no entries");
                self.pairs.insert(id, [primary, backup]);
            }
            FwdOp::ClearProtection { id } => drop(self.pairs.remove(&id)),
            FwdOp::SwitchOver { id, .. } => assert!(self.pairs.contains_key(&id), "{id:?} is not made"),
            FwdOp::SetContextIlm { label, .. } => drop(self.spaces.insert(label)),
            FwdOp::ClearContextIlm { label, .. } => drop(self.spaces.remove(&label)),
            FwdOp::SetIlm { label, ilm } => drop(self.ilm.insert(label, ilm.action)),
            FwdOp::ClearIlm { label } => drop(self.ilm.remove(&label)),
            FwdOp::SetRoute4 { vrf, prefix, action } => {
                if let RouteAction::Forward(id) = action {
                    assert!(id.0 < FIRST_NHLFE || self.nhlfes.contains(&id), "{prefix} has no entry");
                }
                self.routes.insert((vrf, prefix.into()), action);
            }
            FwdOp::ClearRoute4 { vrf, prefix } => drop(self.routes.remove(&(vrf, prefix.into()))),
            _ => {}
        }
    }

    fn inject(&mut self, n: usize, octets: &[u8]) {
        if self.far[n].up {
            let peer = self.far[n].peer;
            self.speaker.handle_input(self.now, Input::Stream { peer, side: SIDE, octets });
        }
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let n = u.int_in_range(0..=2)?;
        match u.int_in_range(0..=13u8)? {
            0..=2 => {
                let octets = announce(u, n == 2)?;
                self.inject(n, &octets);
            }
            3 => {
                let octets = withdraw(u, n == 2)?;
                self.inject(n, &octets);
            }
            4 => {
                let vrf = VrfId(u.int_in_range(0..=2)?);
                let routes = [
                    None,
                    Some(LocalRoute::Local),
                    Some(LocalRoute::Discard),
                    Some(LocalRoute::Via(IfIndex(u.int_in_range(1..=2)?))),
                ];
                let prefix = IpPrefix::V4(prefix(u)?);
                self.speaker.handle_input(self.now, Input::Local { vrf, prefix, route: *u.choose(&routes)? });
            }
            5 => {
                let reach = Reach { metric: u.int_in_range(1..=3)?, nhlfe: NhlfeId(u.int_in_range(1..=3)?) };
                let reach = if u.arbitrary()? { Some(reach) } else { None };
                let address = ip(u.int_in_range(50..=52)?);
                self.speaker.handle_input(self.now, Input::NextHop { address, reach });
            }
            6 => {
                let vrf = VrfId(u.int_in_range(1..=2)?);
                let address = ip(u.int_in_range(4..=5)?);
                let circuit = Circuit { vrf, address, nhlfe: NhlfeId(u.int_in_range(200..=203)?) };
                let circuit = if u.arbitrary()? { Some(circuit) } else { None };
                let iface = IfIndex(u.int_in_range(1..=2)?);
                self.speaker.handle_input(self.now, Input::Circuit { iface, circuit });
            }
            7 => {
                let mut octets = announce(u, n == 2)?;
                let at = u.int_in_range(16..=octets.len() - 1)?;
                octets[at] ^= u.arbitrary::<u8>()?;
                self.inject(n, &octets);
                // What is left of a message would make the next one nonsense.
                self.settle();
                self.disconnect(n);
                self.settle();
                self.connect(n);
            }
            8 if !self.ops.is_empty() => {
                let op = *u.choose(&self.ops)?;
                self.speaker.handle_input(self.now, Input::Refused(op));
            }
            9 => {
                self.room = *u.choose(&[0, 100, 1 << 16])?;
                let peer = self.far[n].peer;
                self.speaker.handle_input(self.now, Input::Writable { peer, side: SIDE, room: self.room });
            }
            10 => {
                self.now = self.now + Duration::from_secs(u.int_in_range(0..=100)?);
                self.speaker.handle_timeout(self.now);
            }
            11 => {
                let lists = [&["65001:1"][..], &["65001:2"], &["65001:1", "65001:2"]];
                let list = |names: &[&str]| names.iter().map(|t| t.parse().unwrap()).collect::<Vec<_>>();
                let (import, export) = (list(u.choose(&lists)?), list(u.choose(&lists)?));
                let id = VrfId(u.int_in_range(1..=2)?);
                // The VRF may be gone.
                let _ = self.speaker.set_vrf_targets(self.now, id, import, export);
            }
            12 => {
                self.disconnect(n);
                self.settle();
                self.connect(n);
            }
            13 if u.ratio(1, 4)? => {
                // The second VRF, which has no CE, goes and comes.
                if self.speaker.remove_vrf(self.now, VrfId(2)).is_err() {
                    self.speaker.add_vrf(self.now, vrf(2, None, LabelMode::PerPrefix)).unwrap();
                }
            }
            _ => self.settle(),
        }
        Ok(())
    }

    /// Everything that waits goes out, and then what each side knows agrees.
    fn check(&mut self) {
        self.settle();
        self.room = 1 << 16;
        for n in 0..self.far.len() {
            let peer = self.far[n].peer;
            self.speaker.handle_input(self.now, Input::Writable { peer, side: SIDE, room: self.room });
        }
        self.settle();
        for id in [0, 1, 2].map(VrfId) {
            let best: BTreeSet<IpPrefix> =
                self.speaker.vrf_routes(id).iter().filter(|r| r.best).map(|r| r.prefix).collect();
            let fib: BTreeSet<IpPrefix> = self.routes.keys().filter(|(v, _)| *v == id).map(|(_, p)| *p).collect();
            if id == VrfId::GLOBAL {
                assert!(fib.is_subset(&best), "{id}");
            } else {
                assert_eq!(best, fib, "{id}: the forwarding plane holds what the VRF chose");
            }
            let imports = self.speaker.vrfs().find(|v| v.id == id).map(|v| v.import.clone()).unwrap_or_default();
            for route in self.speaker.vrf_routes(id) {
                let imported = matches!(route.source, RouteSource::Imported(_) | RouteSource::Leaked(_));
                assert!(!imported || route.targets.iter().any(|t| imports.contains(t)), "{id}: {route:?}");
            }
        }
        let vpn = self.speaker.vpn_routes();
        for route in vpn.iter().filter(|r| r.source == RouteSource::Local) {
            let [label] = route.labels.as_slice() else { panic!("{route:?}") };
            assert!(self.ilm.contains_key(label), "{route:?} is not programmed");
        }
        for far in &self.far {
            let advertised: u32 = self.speaker.peer_families(far.peer).iter().map(|f| f.advertised).sum();
            let up = self.speaker.peer_negotiated(far.peer).is_some();
            assert!(up || advertised == 0);
            if up && far.up {
                let held: BTreeSet<_> = far.held.iter().map(|(rd, prefix, _)| (rd, prefix)).collect();
                assert_eq!(advertised as usize, held.len() + far.held_plain.len(), "peer {}", far.peer.0);
            }
            for (rd, prefix, id) in &far.held {
                let key = (Some(*rd), IpPrefix::V4(*prefix));
                let paths: Vec<_> = vpn.iter().filter(|r| (r.rd, r.prefix) == key).collect();
                assert!(paths.iter().any(|r| r.best), "what a peer holds is a best, or beside one");
                let others = paths.iter().filter(|r| r.source != RouteSource::Peer(far.peer)).count();
                let held = far.held.iter().filter(|(r, p, _)| (r, p) == (rd, prefix)).count();
                assert!(held <= others.min(if far.several { 2 } else { 1 }), "back to the sender, or too many");
                assert_eq!(*id > 0, far.several);
                // What an ASBR of option AB told is passed on by VRFs alone, and it is told what VRFs export.
                let asbr = |peer: PeerId| self.option_ab && peer == self.far[1].peer;
                let may = |source| {
                    if asbr(far.peer) {
                        source == RouteSource::Local
                    } else {
                        !matches!(source, RouteSource::Peer(peer) if asbr(peer))
                    }
                };
                assert!(paths.iter().any(|r| may(r.source)), "peer {} holds {rd} {prefix}", far.peer.0);
            }
        }
        assert!(self.far[0].up || self.spaces.is_empty(), "nobody was told the labels of a space");
    }
}

impl Far {
    fn learn(&mut self, body: &[u8]) -> Result<(), UpdateError> {
        let Some(negotiated) = self.session.negotiated() else { return Ok(()) };
        let update = Update::parse(body, negotiated)?;
        assert!(update.faults().is_empty(), "{:?}", update.faults());
        let (mut told, mut taken) = (BTreeSet::new(), BTreeSet::new());
        if let Some(mp) = update.mp_reach() {
            for nlri in mp.nlris::<VpnNlri<'_, Ipv4Prefix>>() {
                let nlri = nlri.expect("NLRI of ours parse");
                let id = nlri.path_id.map_or(0, |id| id.0);
                assert!(told.insert((nlri.rd, nlri.prefix, id)), "a destination twice in one message");
            }
        }
        if let Some(mp) = update.mp_unreach() {
            for nlri in mp.nlris::<VpnNlri<'_, Ipv4Prefix>>() {
                let nlri = nlri.expect("NLRI of ours parse");
                let id = nlri.path_id.map_or(0, |id| id.0);
                taken.insert((nlri.rd, nlri.prefix, id));
                assert!(self.held.remove(&(nlri.rd, nlri.prefix, id)), "withdrawn without having been told");
            }
        }
        assert!(told.is_disjoint(&taken), "a destination twice in one message");
        self.held.extend(told);
        for nlri in update.withdrawn() {
            assert!(self.held_plain.remove(&nlri.expect("NLRI of ours parse").prefix), "withdrawn, not told");
        }
        self.held_plain.extend(update.nlri().map(|nlri| nlri.expect("NLRI of ours parse").prefix));
        Ok(())
    }
}

fn prefix(u: &mut Unstructured<'_>) -> arbitrary::Result<Ipv4Prefix> {
    Ok(Ipv4Prefix::from_bits(0x0a00_0000 + (u.int_in_range(0..=7u32)? << 16), 16).unwrap())
}

fn message(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut m = vec![0xff; 16];
    m.extend_from_slice(&(23 + attributes.len() as u16 + nlri.len() as u16).to_be_bytes());
    m.extend_from_slice(&[2, 0, 0]);
    m.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    m.extend_from_slice(attributes);
    m.extend_from_slice(nlri);
    m
}

fn nlri(u: &mut Unstructured<'_>, withdraw: bool) -> arbitrary::Result<Vec<u8>> {
    let label = if withdraw { [0x80, 0, 0] } else { [0, 0x10, (u.int_in_range(0..=3u8)? << 4) | 1] };
    let mut nlri = vec![24 + 64 + 16];
    nlri.extend_from_slice(&label);
    nlri.extend_from_slice(&[0, 0, 0xfd, 0xe9, 0, 0, 0, u.int_in_range(1..=4)?]);
    nlri.extend_from_slice(&prefix(u)?.octets()[..2]);
    Ok(nlri)
}

fn announce(u: &mut Unstructured<'_>, ce: bool) -> arbitrary::Result<Vec<u8>> {
    let asn = if ce { 65010u32 } else { 65100 };
    let mut a = vec![0x40, 1, 1, 0, 0x40, 2, 6, 2, 1];
    a.extend_from_slice(&asn.to_be_bytes());
    if ce {
        a.extend_from_slice(&[0x40, 3, 4, 192, 0, 2, u.int_in_range(4..=5)?]);
        a.extend_from_slice(&[0x80, 4, 4, 0, 0, 0, u.int_in_range(0..=2)?]);
        let p = prefix(u)?;
        return Ok(message(&a, &[&[16], &p.octets()[..2]].concat()));
    }
    a.extend_from_slice(&[0x80, 4, 4, 0, 0, 0, u.int_in_range(0..=2)?, 0x40, 5, 4, 0, 0, 0, u.int_in_range(99..=101)?]);
    let nlri = nlri(u, false)?;
    a.extend_from_slice(&[0x80, 14, 17 + nlri.len() as u8, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0]);
    a.extend_from_slice(&[192, 0, 2, u.int_in_range(50..=52)?, 0]);
    a.extend_from_slice(&nlri);
    a.extend_from_slice(&[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, u.int_in_range(1..=3)?]);
    Ok(message(&a, &[]))
}

fn withdraw(u: &mut Unstructured<'_>, ce: bool) -> arbitrary::Result<Vec<u8>> {
    if ce {
        let p = prefix(u)?;
        let mut m = vec![0xff; 16];
        m.extend_from_slice(&[0, 26, 2, 0, 3, 16]);
        m.extend_from_slice(&p.octets()[..2]);
        m.extend_from_slice(&[0, 0]);
        return Ok(m);
    }
    let nlri = nlri(u, true)?;
    let mut a = vec![0x80, 15, 3 + nlri.len() as u8, 0, 1, 128];
    a.extend_from_slice(&nlri);
    Ok(message(&a, &[]))
}

/// Runs the stimuli that the data spell.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(mut bed) = Bed::new(&mut u) else { return };
    (0..3).for_each(|n| bed.connect(n));
    let mut steps = 0;
    while !u.is_empty() && steps < 2000 {
        if bed.step(&mut u).is_err() {
            break;
        }
        steps += 1;
        if steps % 16 == 0 {
            bed.check();
        }
    }
    bed.check();
}
