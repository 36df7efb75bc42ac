//! Arbitrary stimuli against an MSDP speaker. Shared with the fuzz target `drive_msdp`.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use fwd_core::time::Instant;
use mvpn::msdp::tlv::{MAX_LEN, SaEntry, Tlv, emit_source_active};
use mvpn::msdp::{Input, MsdpConfig, MsdpPeerConfig, MsdpSpeaker, Output};

const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 5);

fn address(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    Ok(Ipv4Addr::new(192, 0, 2, u.int_in_range(3..=7)?))
}

fn group(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    Ok(Ipv4Addr::new(if u.ratio(1, 8)? { 232 } else { 239 }, 1, 1, u.int_in_range(1..=3)?))
}

fn source(u: &mut Unstructured<'_>) -> Result<Ipv4Addr> {
    Ok(Ipv4Addr::new(10, 0, 0, u.int_in_range(1..=3)?))
}

struct Drive<'u, 'a> {
    u: &'u mut Unstructured<'a>,
    now: Instant,
    speaker: MsdpSpeaker,
    /// What PIM was told is active: RP, source, group.
    active: BTreeSet<(Ipv4Addr, Ipv4Addr, Ipv4Addr)>,
    tracked: BTreeSet<Ipv4Addr>,
}

impl Drive<'_, '_> {
    fn take(&mut self) {
        while let Some(output) = self.speaker.poll_output() {
            match output {
                Output::SourceActive { source, group, rp, active, .. } => {
                    assert!(group.is_multicast() && group.octets()[0] != 232);
                    match active {
                        true => {
                            self.active.insert((rp, source, group));
                        }
                        false => assert!(self.active.remove(&(rp, source, group)), "{source} was not active"),
                    }
                }
                Output::Track(rp) => assert!(self.tracked.insert(rp), "{rp} is tracked already"),
                Output::Untrack(rp) => assert!(self.tracked.remove(&rp), "{rp} is not tracked"),
                Output::Stream { peer, octets } => {
                    assert!(octets.len() <= usize::from(MAX_LEN));
                    if let Tlv::SourceActive { rp, entries, .. } = Tlv::parse(&octets).expect("a whole message") {
                        assert_ne!(rp, peer, "an RP is told of its own sources");
                        for entry in entries.iter() {
                            assert!(entry.group.octets()[0] != 232, "a group that is never announced");
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn stream(&mut self) -> Result<Vec<u8>> {
        let mut octets = Vec::new();
        if self.u.ratio(3, 4)? {
            let entries: Vec<SaEntry> = (0..self.u.int_in_range(0..=3)?)
                .map(|_| Ok(SaEntry { group: group(self.u)?, source: source(self.u)? }))
                .collect::<Result<_>>()?;
            emit_source_active(address(self.u)?, &entries, &[], &mut octets);
        }
        if self.u.ratio(1, 4)? {
            octets.extend_from_slice(self.u.arbitrary()?);
        }
        Ok(octets)
    }

    fn step(&mut self) -> Result<()> {
        let peer = address(self.u)?;
        match self.u.int_in_range(0..=9)? {
            0 => {
                let mut config = MsdpPeerConfig::new(peer, OURS);
                config.mesh_group = if self.u.arbitrary()? { Some(1) } else { None };
                config.static_rpf = self.u.arbitrary()?;
                let _ = self.speaker.add_peer(self.now, config);
            }
            1 => self.speaker.remove_peer(self.now, peer),
            2 => self.speaker.handle_input(self.now, Input::Connected { peer }),
            3 => self.speaker.handle_input(self.now, Input::Closed { peer }),
            4 => {
                let neighbor = if self.u.arbitrary()? { Some(address(self.u)?) } else { None };
                self.speaker.handle_input(self.now, Input::Rpf { rp: peer, neighbor });
            }
            5 => {
                let (source, group) = (source(self.u)?, Ipv4Addr::new(239, 1, 1, 1));
                let active = self.u.arbitrary()?;
                self.speaker.handle_input(self.now, Input::Source { source, group, active, data: &[] });
            }
            6 => {
                let (source, group, active) = (source(self.u)?, group(self.u)?, self.u.arbitrary()?);
                let rp = if self.u.arbitrary()? { Some(address(self.u)?) } else { None };
                self.speaker.handle_input(self.now, Input::Mesh { source, group, rp, active });
            }
            7 => {
                let writable = self.u.arbitrary()?;
                self.speaker.handle_input(self.now, Input::Writable { peer, writable });
            }
            8 => {
                self.now = self.now + Duration::from_secs(self.u.int_in_range(0..=90)?);
                self.speaker.handle_timeout(self.now);
            }
            _ => {
                let octets = self.stream()?;
                self.speaker.handle_input(self.now, Input::Stream { peer, octets: &octets });
            }
        }
        if self.u.ratio(3, 4)? {
            self.take();
        }
        assert!(self.speaker.cached().count() <= 6, "more than the limit");
        Ok(())
    }
}

fn steps(u: &mut Unstructured<'_>) -> Result<()> {
    let mut config = MsdpConfig::new(OURS);
    (config.limits.cache, config.limits.per_peer, config.limits.rps) = (6, 4, 4);
    let speaker = MsdpSpeaker::new(Instant::ZERO, config).unwrap();
    let (active, tracked) = (BTreeSet::new(), BTreeSet::new());
    let mut drive = Drive { u, now: Instant::ZERO, speaker, active, tracked };
    while !drive.u.is_empty() && drive.step().is_ok() {}
    drive.take();
    let cached: BTreeSet<_> = drive.speaker.cached().map(|(rp, group, source)| (rp, source, group)).collect();
    assert_eq!(cached, drive.active);
    // Without peers everything is forgotten in time.
    (3..=7).for_each(|n| drive.speaker.remove_peer(drive.now, Ipv4Addr::new(192, 0, 2, n)));
    drive.now = drive.now + Duration::from_secs(1000);
    drive.speaker.handle_timeout(drive.now);
    drive.take();
    assert!(drive.active.is_empty() && drive.speaker.cached().next().is_none());
    Ok(())
}

/// Runs the stimuli that the octets stand for.
pub fn run(data: &[u8]) {
    let _ = steps(&mut Unstructured::new(data));
}
