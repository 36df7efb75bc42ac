//! Proposals and what is chosen of them: algorithms as attributes (RFC 2409 Appendix A, RFC 2407 §4.4, §4.5, RFC 3947 §5.1).

use alloc::vec::Vec;
use core::time::Duration;

use smallvec::SmallVec;

use super::super::child_sa::{EspSuite, Mode};
use super::super::config::IkeSuite;
use super::super::crypto::{DhGroup, Encryption, EncryptionId, IntegrityId, PrfId};
use super::super::payload::v1::{Proposal, ProposalOffer, Sa, Transform, TransformOffer};
use super::super::payload::{Attribute, ProtocolId};

/// Phase 1 attributes (RFC 2409 Appendix A).
mod phase1 {
    pub(super) const ENCRYPTION: u16 = 1;
    pub(super) const HASH: u16 = 2;
    pub(super) const AUTHENTICATION: u16 = 3;
    pub(super) const GROUP: u16 = 4;
    pub(super) const LIFE_TYPE: u16 = 11;
    pub(super) const LIFE_DURATION: u16 = 12;
    pub(super) const KEY_LENGTH: u16 = 14;
    /// A shared key.
    pub(super) const PSK: u32 = 1;
    /// The transform ID, KEY_IKE (RFC 2407 §4.4.2).
    pub(super) const KEY_IKE: u8 = 1;
}

/// Phase 2 attributes (RFC 2407 §4.5; 11 by RFC 4304).
mod phase2 {
    pub(super) const LIFE_TYPE: u16 = 1;
    pub(super) const LIFE_DURATION: u16 = 2;
    pub(super) const GROUP: u16 = 3;
    pub(super) const MODE: u16 = 4;
    pub(super) const AUTHENTICATION: u16 = 5;
    pub(super) const KEY_LENGTH: u16 = 6;
    pub(super) const EXTENDED: u16 = 11;
}

/// Lifetimes are in seconds, in both phases.
const SECONDS: u32 = 1;

/// The lifetime of an IPsec SA of which nothing is said (RFC 2407 §4.5).
const DEFAULT_LIFETIME: u32 = 28_800;

fn seconds(d: Duration) -> u32 {
    u32::try_from(d.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// Encryption and hash of phase 1, by number; `None`: IKEv1 has none for it.
pub(super) fn ike_attributes(suite: &IkeSuite) -> Option<(u32, u32)> {
    let encryption = match suite.encryption.id {
        EncryptionId::TRIPLE_DES => 5,
        EncryptionId::AES_CBC => 7,
        _ => return None,
    };
    let hash = match suite.prf {
        PrfId::HMAC_SHA1 => 2,
        PrfId::HMAC_SHA2_256 => 4,
        PrfId::HMAC_SHA2_384 => 5,
        PrfId::HMAC_SHA2_512 => 6,
        _ => return None,
    };
    Some((encryption, hash))
}

/// Transform ID and authentication of ESP, by number; `None`: IKEv1 has none for it.
pub(super) fn esp_attributes(suite: &EspSuite) -> Option<(u8, Option<u32>)> {
    // The numbers of these transforms are those of IKEv2 (RFC 2407 §4.4.4, RFC 3602 §5, RFC 4106 §8.1).
    let id = match suite.encryption.id {
        EncryptionId::TRIPLE_DES | EncryptionId::NULL | EncryptionId::AES_CBC | EncryptionId::AES_GCM_16 => {
            u8::try_from(suite.encryption.id.0).ok()?
        }
        _ => return None,
    };
    let authentication = match suite.integrity {
        IntegrityId::NONE => None,
        IntegrityId::HMAC_SHA1_96 => Some(2),
        IntegrityId::HMAC_SHA2_256_128 => Some(5),
        IntegrityId::HMAC_SHA2_384_192 => Some(6),
        IntegrityId::HMAC_SHA2_512_256 => Some(7),
        _ => return None,
    };
    Some((id, authentication))
}

/// The offer of phase 1: one proposal, a transform for each suite.
pub(super) fn ike_offer(suites: &[IkeSuite], lifetime: Duration) -> ProposalOffer {
    let transform = |(number, suite): (u8, &IkeSuite)| {
        let (encryption, hash) = ike_attributes(suite)?;
        let mut attributes = alloc::vec![(phase1::ENCRYPTION, encryption)];
        if suite.encryption.key_bits != 0 {
            attributes.push((phase1::KEY_LENGTH, suite.encryption.key_bits.into()));
        }
        attributes.extend([
            (phase1::HASH, hash),
            (phase1::GROUP, suite.group.0.into()),
            (phase1::AUTHENTICATION, phase1::PSK),
            (phase1::LIFE_TYPE, SECONDS),
            (phase1::LIFE_DURATION, seconds(lifetime)),
        ]);
        Some(TransformOffer { number, id: phase1::KEY_IKE, attributes })
    };
    let transforms = (1..=u8::MAX).zip(suites).filter_map(transform).collect();
    ProposalOffer { number: 1, protocol: ProtocolId::IKE, spi: SmallVec::new(), transforms }
}

/// Attributes of a transform by type; `None` of one that has an attribute of another kind than numbers.
struct Values(Vec<(u16, u32)>);

impl Values {
    fn of(transform: Transform<'_>) -> Option<Self> {
        transform.attributes.map(|a| Some((a.kind(), a.number()?))).collect::<Option<_>>().map(Self)
    }

    fn get(&self, kind: u16) -> Option<u32> {
        self.0.iter().find(|(k, _)| *k == kind).map(|(_, value)| *value)
    }

    /// The lifetime in seconds; other units count nothing here.
    fn lifetime(&self, kind: u16, value: u16) -> Option<Duration> {
        // A type and the duration behind it; there may be another pair, in kilobytes (RFC 2407 §4.5).
        let pairs = self.0.windows(2).filter_map(|pair| match pair {
            [(k, SECONDS), (v, n)] if (*k, *v) == (kind, value) => Some(*n),
            _ => None,
        });
        pairs.map(|n| Duration::from_secs(n.into())).min()
    }

    fn is_ike(&self, suite: &IkeSuite) -> bool {
        let Some((encryption, hash)) = ike_attributes(suite) else { return false };
        let bits = self.get(phase1::KEY_LENGTH).unwrap_or(if encryption == 7 { 128 } else { 0 });
        let wanted = [
            (phase1::ENCRYPTION, encryption),
            (phase1::HASH, hash),
            (phase1::GROUP, suite.group.0.into()),
            (phase1::AUTHENTICATION, phase1::PSK),
        ];
        wanted.iter().all(|(kind, value)| self.get(*kind) == Some(*value)) && bits == suite.encryption.key_bits.into()
    }

    fn is_esp(&self, id: u8, suite: &EspSuite, wanted: &Wanted) -> bool {
        let Some((number, authentication)) = esp_attributes(suite) else { return false };
        let key_bits = |encryption: Encryption| match encryption.id {
            EncryptionId::AES_CBC | EncryptionId::AES_GCM_16 => self.get(phase2::KEY_LENGTH).unwrap_or(128),
            _ => 0,
        };
        // RFC 2407 §4.5: without the attribute the mode is the host's to say; tunnel mode is what peers mean.
        let mode = self.get(phase2::MODE).unwrap_or(1);
        number == id
            && self.get(phase2::AUTHENTICATION) == authentication
            && key_bits(suite.encryption) == u32::from(suite.encryption.key_bits)
            && (self.get(phase2::EXTENDED) == Some(1)) == suite.extended
            && self.get(phase2::GROUP) == wanted.group.map(|g| g.0.into())
            && mode == wanted.mode_number()
    }
}

/// What else must be in a proposal of phase 2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) mode: Mode,
    /// ESP goes in UDP.
    pub(super) udp: bool,
    pub(super) group: Option<DhGroup>,
    pub(super) lifetime: Duration,
}

impl Wanted {
    /// The encapsulation mode (RFC 2407 §4.5, RFC 3947 §5.1).
    const fn mode_number(&self) -> u32 {
        match (self.mode, self.udp) {
            (Mode::Tunnel, false) => 1,
            (Mode::Transport, false) => 2,
            (Mode::Tunnel, true) => 3,
            (Mode::Transport, true) => 4,
        }
    }
}

/// A transform that was chosen, as it was offered: that is what goes back.
pub(super) struct Chosen<S> {
    pub(super) suite: S,
    /// The lifetime that was offered.
    pub(super) lifetime: Option<Duration>,
    /// The answer; its SPI is still the offerer's.
    pub(super) answer: ProposalOffer,
}

fn chosen<S: Copy>(suite: S, proposal: &Proposal<'_>, transform: Transform<'_>, life: (u16, u16)) -> Option<Chosen<S>> {
    let values = Values::of(transform)?;
    let lifetime = values.lifetime(life.0, life.1);
    let transforms = alloc::vec![TransformOffer { number: transform.number, id: transform.id, attributes: values.0 }];
    let spi = SmallVec::from_slice(proposal.spi);
    let answer = ProposalOffer { number: proposal.number, protocol: proposal.protocol, spi, transforms };
    Some(Chosen { suite, lifetime, answer })
}

/// The first of our suites that is offered.
pub(super) fn choose_ike(sa: &Sa<'_>, suites: &[IkeSuite]) -> Option<Chosen<IkeSuite>> {
    let life = (phase1::LIFE_TYPE, phase1::LIFE_DURATION);
    suites.iter().find_map(|suite| {
        sa.proposals().filter(|p| p.protocol == ProtocolId::IKE).find_map(|p| {
            let fits = |t: &Transform<'_>| {
                t.id == phase1::KEY_IKE && Values::of(*t).is_some_and(|values| values.is_ike(suite))
            };
            let mut transforms = p.transforms;
            let transform = transforms.find(fits)?;
            chosen(*suite, &p, transform, life)
        })
    })
}

/// What the peer has chosen of our offer: one proposal with one transform (RFC 2408 §4.2).
pub(super) fn chosen_ike(sa: &Sa<'_>, suites: &[IkeSuite]) -> Option<Chosen<IkeSuite>> {
    is_one(sa).then(|| choose_ike(sa, suites)).flatten()
}

fn is_one(sa: &Sa<'_>) -> bool {
    sa.proposals().count() == 1 && sa.proposals().all(|p| p.transforms.count() == 1)
}

/// The offer of phase 2: one proposal of ESP, a transform for each suite.
pub(super) fn esp_offer(suites: &[EspSuite], wanted: &Wanted, spi: u32) -> ProposalOffer {
    let transform = |(number, suite): (u8, &EspSuite)| {
        let (id, authentication) = esp_attributes(suite)?;
        let mut attributes = alloc::vec![
            (phase2::LIFE_TYPE, SECONDS),
            (phase2::LIFE_DURATION, seconds(wanted.lifetime)),
            (phase2::MODE, wanted.mode_number()),
        ];
        attributes.extend(wanted.group.map(|group| (phase2::GROUP, group.0.into())));
        attributes.extend(authentication.map(|n| (phase2::AUTHENTICATION, n)));
        if suite.encryption.key_bits != 0 {
            attributes.push((phase2::KEY_LENGTH, suite.encryption.key_bits.into()));
        }
        if suite.extended {
            attributes.push((phase2::EXTENDED, 1));
        }
        Some(TransformOffer { number, id, attributes })
    };
    let transforms = (1..=u8::MAX).zip(suites).filter_map(transform).collect();
    ProposalOffer { number: 1, protocol: ProtocolId::ESP, spi: SmallVec::from_slice(&spi.to_be_bytes()), transforms }
}

/// The first of our suites that is offered, with the offerer's SPI. Proposals of AH, or of both together, are none of ours.
pub(super) fn choose_esp(sa: &Sa<'_>, suites: &[EspSuite], wanted: &Wanted) -> Option<(Chosen<EspSuite>, u32)> {
    let alone = |p: &Proposal<'_>| sa.proposals().filter(|other| other.number == p.number).count() == 1;
    let esp = || sa.proposals().filter(|p| p.protocol == ProtocolId::ESP).filter(alone);
    suites.iter().find_map(|suite| {
        esp().find_map(|p| {
            let spi = u32::from_be_bytes(p.spi.try_into().ok()?);
            let fits = |t: &Transform<'_>| Values::of(*t).is_some_and(|values| values.is_esp(t.id, suite, wanted));
            let mut transforms = p.transforms;
            let transform = transforms.find(fits)?;
            let mut found = chosen(*suite, &p, transform, (phase2::LIFE_TYPE, phase2::LIFE_DURATION))?;
            found.lifetime.get_or_insert(Duration::from_secs(DEFAULT_LIFETIME.into()));
            // RFC 4303 §2.1: below 256 nothing is assigned.
            (spi > 255).then_some((found, spi))
        })
    })
}

/// What the peer has chosen of our offer.
pub(super) fn chosen_esp(sa: &Sa<'_>, suites: &[EspSuite], wanted: &Wanted) -> Option<(Chosen<EspSuite>, u32)> {
    is_one(sa).then(|| choose_esp(sa, suites, wanted)).flatten()
}

/// The attributes of RESPONDER-LIFETIME (RFC 2407 §4.6.3.1).
pub(super) fn lifetime_attributes(lifetime: Duration) -> Vec<u8> {
    let mut out = Vec::new();
    Attribute::Short(phase2::LIFE_TYPE, SECONDS as u16).emit(&mut out);
    Attribute::Long(phase2::LIFE_DURATION, &seconds(lifetime).to_be_bytes()).emit(&mut out);
    out
}

/// The lifetime in RESPONDER-LIFETIME.
pub(super) fn said_lifetime(mut data: &[u8]) -> Option<Duration> {
    let mut values = Vec::new();
    while !data.is_empty() && values.len() < 8 {
        let (rest, attribute) = Attribute::take(data).ok()?;
        values.push((attribute.kind(), attribute.number()?));
        data = rest;
    }
    Values(values).lifetime(phase2::LIFE_TYPE, phase2::LIFE_DURATION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ike::crypto::DhGroup;

    /// What is done to attributes, by type and value.
    type Change<'a> = &'a dyn Fn(&mut Vec<(u16, u32)>);

    /// The attributes of IPsec's DOI by their numbers: what is offered has them, and what has others is not taken.
    ///
    /// Shows: L2VPN-5.6-4
    #[test]
    fn attributes_of_phase_2_by_their_numbers() {
        let suites = [EspSuite { extended: true, ..EspSuite::AES_CBC_256_SHA2_256 }];
        for (mode, udp, number) in
            [(Mode::Tunnel, false, 1), (Mode::Transport, false, 2), (Mode::Tunnel, true, 3), (Mode::Transport, true, 4)]
        {
            let group = Some(DhGroup::MODP_2048);
            let wanted = Wanted { mode, udp, group, lifetime: Duration::from_secs(7200) };
            let offer = esp_offer(&suites, &wanted, 0x1234);
            let [transform] = &offer.transforms[..] else { panic!("one transform") };
            let due = [(1, 1), (2, 7200), (4, number), (3, 14), (5, 5), (6, 256), (11, 1)];
            assert_eq!((transform.id, &transform.attributes[..]), (12, &due[..]));
            // Without a lifetime it is eight hours; each other attribute counts.
            let good = |change: Change<'_>| {
                let mut attributes = transform.attributes.clone();
                change(&mut attributes);
                let values = Values(attributes);
                let life = values.lifetime(phase2::LIFE_TYPE, phase2::LIFE_DURATION);
                values.is_esp(12, &suites[0], &wanted).then_some(life)
            };
            assert_eq!(good(&|_| {}), Some(Some(Duration::from_secs(7200))));
            assert_eq!(good(&|a| a.retain(|(kind, _)| *kind > 2)), Some(None));
            assert_eq!(good(&|a| a[0].1 = 2), Some(None), "kilobytes are no time");
            for at in 2..7 {
                assert_eq!(good(&|a| a[at].1 += 1), None, "{:?}", due[at]);
            }
        }
        assert_eq!(DEFAULT_LIFETIME, 28_800);
    }
}
