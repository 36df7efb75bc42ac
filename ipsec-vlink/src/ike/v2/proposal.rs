//! Proposals: what we offer, and what we choose of an offer (RFC 7296 §2.7, §3.3).

use alloc::vec::Vec;

use smallvec::{SmallVec, smallvec};

use super::super::child_sa::EspSuite;
use super::super::config::IkeSuite;
use super::super::crypto::{DhGroup, Encryption, EncryptionId, IntegrityId};
use super::super::payload::ProtocolId;
use super::super::payload::v2::{Offer, Proposal, Sa, TransformType};

fn encryption_transform(encryption: Encryption) -> (TransformType, u16, u16) {
    (TransformType::ENCR, encryption.id.0, encryption.key_bits)
}

/// One proposal per suite, for an IKE SA; `spi` is there in a rekeying.
pub(super) fn ike_offers(suites: &[IkeSuite], spi: Option<u64>) -> Vec<Offer> {
    let numbered = (1..=255_u8).zip(suites);
    numbered.map(|(number, suite)| ike_offer(suite, number, spi)).collect()
}

/// The proposal of one suite.
pub(super) fn ike_offer(suite: &IkeSuite, number: u8, spi: Option<u64>) -> Offer {
    let mut transforms = smallvec![encryption_transform(suite.encryption), (TransformType::PRF, suite.prf.0, 0)];
    if suite.integrity != IntegrityId::NONE {
        transforms.push((TransformType::INTEG, suite.integrity.0, 0));
    }
    transforms.push((TransformType::DH, suite.group.0, 0));
    let spi = spi.map_or_else(SmallVec::new, |spi| SmallVec::from_slice(&spi.to_be_bytes()));
    Offer { number, protocol: ProtocolId::IKE, spi, transforms }
}

/// The proposals of a Child SA.
pub(super) fn esp_offers(suites: &[EspSuite], group: Option<DhGroup>, spi: u32) -> Vec<Offer> {
    let numbered = (1..=255_u8).zip(suites);
    numbered.map(|(number, suite)| esp_offer(suite, group, number, spi)).collect()
}

/// The proposal of one suite of a Child SA.
pub(super) fn esp_offer(suite: &EspSuite, group: Option<DhGroup>, number: u8, spi: u32) -> Offer {
    let mut transforms = smallvec![encryption_transform(suite.encryption)];
    if suite.integrity != IntegrityId::NONE {
        transforms.push((TransformType::INTEG, suite.integrity.0, 0));
    }
    if let Some(group) = group {
        transforms.push((TransformType::DH, group.0, 0));
    }
    transforms.push((TransformType::ESN, u16::from(suite.extended), 0));
    Offer { number, protocol: ProtocolId::ESP, spi: SmallVec::from_slice(&spi.to_be_bytes()), transforms }
}

/// Whether a proposal has this transform, and how it must be if it has none of its type.
fn has(proposal: &Proposal<'_>, kind: TransformType, id: u16, bits: u16, absent: bool) -> bool {
    let mut of_kind = proposal.transforms.filter(|t| t.kind == kind).peekable();
    if of_kind.peek().is_none() {
        return absent;
    }
    of_kind.any(|t| t.id == id && t.key_bits().is_some_and(|b| b == bits))
}

fn knows_all(proposal: &Proposal<'_>) -> bool {
    // RFC 7296 §3.3.6: a proposal with a transform type that is unknown is not acceptable.
    proposal.transforms.into_iter().all(|t| (1..=5).contains(&t.kind.0))
}

fn has_encryption(p: &Proposal<'_>, encryption: Encryption) -> bool {
    has(p, TransformType::ENCR, encryption.id.0, encryption.key_bits, false)
        || (encryption.id == EncryptionId::CHACHA20_POLY1305
            && has(p, TransformType::ENCR, encryption.id.0, 256, false))
}

fn is_of(p: &Proposal<'_>, suite: &IkeSuite) -> bool {
    let no_integrity = suite.integrity == IntegrityId::NONE;
    knows_all(p)
        && has_encryption(p, suite.encryption)
        && has(p, TransformType::PRF, suite.prf.0, 0, false)
        && has(p, TransformType::INTEG, suite.integrity.0, 0, no_integrity)
        && has(p, TransformType::DH, suite.group.0, 0, false)
}

/// The first of our suites that is in the offer: it, the number of the proposal, and the peer's SPI if there is one.
pub(super) fn choose_ike(sa: &Sa<'_>, suites: &[IkeSuite]) -> Option<(IkeSuite, u8, Option<u64>)> {
    suites.iter().find_map(|suite| {
        let p = sa.proposals().find(|p| p.protocol == ProtocolId::IKE && is_of(p, suite))?;
        Some((*suite, p.number, p.spi.try_into().ok().map(u64::from_be_bytes)))
    })
}

/// The first of our suites that is in the offer of a Child SA: it, the number of the proposal, the peer's SPI, and the group to be used.
pub(super) fn choose_esp(
    sa: &Sa<'_>,
    suites: &[EspSuite],
    group: Option<DhGroup>,
) -> Option<(EspSuite, u8, u32, Option<DhGroup>)> {
    suites.iter().find_map(|suite| {
        sa.proposals().filter(|p| p.protocol == ProtocolId::ESP && knows_all(p)).find_map(|p| {
            let no_integrity = suite.integrity == IntegrityId::NONE;
            let fits = has_encryption(&p, suite.encryption)
                && has(&p, TransformType::INTEG, suite.integrity.0, 0, no_integrity)
                && has(&p, TransformType::ESN, u16::from(suite.extended), 0, !suite.extended);
            let spi = p.spi.try_into().ok().map(u32::from_be_bytes)?;
            let wanted = group.unwrap_or(DhGroup::NONE);
            let group_fits = has(&p, TransformType::DH, wanted.0, 0, group.is_none());
            (fits && group_fits && spi > 255).then_some((*suite, p.number, spi, group))
        })
    })
}

/// What a peer chose of our offer: exactly one proposal, one of ours.
pub(super) fn chosen_ike(sa: &Sa<'_>, suites: &[IkeSuite]) -> Option<(IkeSuite, Option<u64>)> {
    one(sa)?;
    choose_ike(sa, suites).map(|(suite, _, spi)| (suite, spi))
}

/// As [`chosen_ike`], of a Child SA: the suite and the peer's SPI.
pub(super) fn chosen_esp(sa: &Sa<'_>, suites: &[EspSuite], group: Option<DhGroup>) -> Option<(EspSuite, u32)> {
    one(sa)?;
    choose_esp(sa, suites, group).map(|(suite, _, spi, _)| (suite, spi))
}

fn one<'a>(sa: &Sa<'a>) -> Option<Proposal<'a>> {
    let mut proposals = sa.proposals();
    let first = proposals.next()?;
    let mut kinds: SmallVec<[TransformType; 8]> = first.transforms.map(|t| t.kind).collect();
    let len = kinds.len();
    kinds.sort_unstable();
    kinds.dedup();
    // One transform of each type (RFC 7296 §3.3).
    (proposals.next().is_none() && kinds.len() == len).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ike::crypto::PrfId;
    use crate::ike::payload::PayloadType;
    use crate::ike::payload::v2::Body;

    fn payload(offers: &[Offer]) -> Vec<u8> {
        let mut out = Vec::new();
        Sa::write(offers, &mut out);
        out
    }

    fn sa(octets: &[u8]) -> Sa<'_> {
        let Ok(Body::Sa(sa)) = Body::parse(PayloadType::SA, octets) else { panic!("no SA") };
        sa
    }

    #[test]
    fn our_order_decides_and_the_number_is_the_peers() {
        let ours = [IkeSuite::AES_GCM_128_X25519, IkeSuite::AES_CBC_256_MODP_2048];
        let theirs = payload(&ike_offers(&[ours[1], ours[0]], Some(7)));
        assert_eq!(choose_ike(&sa(&theirs), &ours), Some((ours[0], 2, Some(7))));
        assert_eq!(choose_ike(&sa(&theirs), &[IkeSuite { prf: PrfId::HMAC_SHA1, ..ours[0] }]), None);
        assert_eq!(chosen_ike(&sa(&theirs), &ours), None, "an answer has one proposal");
    }

    #[test]
    fn a_child_has_the_group_that_is_asked_for_and_an_spi_of_its_own() {
        let suites = [EspSuite::AES_GCM_128];
        let group = Some(DhGroup::CURVE25519);
        let with = payload(&esp_offers(&suites, group, 0x1000));
        let without = payload(&esp_offers(&suites, None, 0x1000));
        assert_eq!(choose_esp(&sa(&with), &suites, group), Some((suites[0], 1, 0x1000, group)));
        assert_eq!(choose_esp(&sa(&with), &suites, None), None);
        assert_eq!(choose_esp(&sa(&without), &suites, group), None);
        assert_eq!(chosen_esp(&sa(&without), &suites, None), Some((suites[0], 0x1000)));
        let reserved = payload(&esp_offers(&suites, None, 255));
        assert_eq!(choose_esp(&sa(&reserved), &suites, None), None, "RFC 4303 §2.1: 1 to 255 are reserved");
        let extended = [EspSuite { extended: true, ..suites[0] }];
        assert_eq!(choose_esp(&sa(&without), &extended, None), None);
    }

    #[test]
    fn an_unknown_transform_spoils_its_proposal() {
        let mut offer = esp_offer(&EspSuite::AES_GCM_128, None, 1, 0x1000);
        offer.transforms.push((TransformType(6), 1, 0));
        let octets = payload(&[offer]);
        assert_eq!(choose_esp(&sa(&octets), &[EspSuite::AES_GCM_128], None), None);
    }
}
