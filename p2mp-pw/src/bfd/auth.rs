//! Authentication of Control packets (RFC 5880 §6.7).

use alloc::vec::Vec;

use super::config::{AuthConfig, Digest};
use super::packet::{AuthSection, ControlPacket};
use crate::ldp::Octets;
use fwd_core::secret::equal;

/// Where sequence numbers are (`bfd.RcvAuthSeq`, `bfd.XmitAuthSeq`, `bfd.AuthSeqKnown`).
#[derive(Clone, Copy, Debug)]
pub(super) struct AuthState {
    transmit: u32,
    received: Option<u32>,
}

impl AuthState {
    /// `transmit` is random (RFC 5880 §6.8.1).
    pub(super) const fn new(transmit: u32) -> Self {
        Self { transmit, received: None }
    }

    /// The peer was silent for so long that it may have restarted.
    pub(super) const fn forget(&mut self) {
        self.received = None;
    }

    /// Puts the section into a packet; `changed` says that it differs from the one before.
    pub(super) fn sign(&mut self, config: &AuthConfig, packet: &mut ControlPacket, changed: bool) {
        let Some((key_id, key)) = config.keys.first() else { return };
        let key_id = *key_id;
        if config.meticulous || changed {
            self.transmit = self.transmit.wrapping_add(1);
        }
        let (meticulous, sequence) = (config.meticulous, self.transmit);
        packet.auth = Some(match config.digest {
            None => AuthSection::Password { key_id, password: Octets::from_slice(key) },
            Some(Digest::Md5(hash)) => {
                packet.auth = Some(AuthSection::Md5 { meticulous, key_id, sequence, digest: padded(key) });
                AuthSection::Md5 { meticulous, key_id, sequence, digest: hash(&octets(packet)) }
            }
            Some(Digest::Sha1(hash)) => {
                packet.auth = Some(AuthSection::Sha1 { meticulous, key_id, sequence, digest: padded(key) });
                AuthSection::Sha1 { meticulous, key_id, sequence, digest: hash(&octets(packet)) }
            }
        });
    }

    /// Whether a packet is the peer's, and none of before.
    pub(super) fn verify(&mut self, config: &AuthConfig, packet: &ControlPacket) -> bool {
        let Some(section) = &packet.auth else { return false };
        if section.auth_type() != config.auth_type() {
            return false;
        }
        let key = |id: u8| config.keys.iter().find(|(key_id, _)| *key_id == id).map(|(_, key)| key.as_slice());
        let (sequence, is_right) = match (section, config.digest) {
            (AuthSection::Password { key_id, password }, None) => {
                return key(*key_id).is_some_and(|key| equal(key, password));
            }
            (AuthSection::Md5 { meticulous, key_id, sequence, digest }, Some(Digest::Md5(hash))) => {
                let Some(key) = key(*key_id) else { return false };
                let (meticulous, key_id, sequence) = (*meticulous, *key_id, *sequence);
                let keyed = AuthSection::Md5 { meticulous, key_id, sequence, digest: padded(key) };
                (sequence, equal(&hash(&with(packet, keyed)), digest))
            }
            (AuthSection::Sha1 { meticulous, key_id, sequence, digest }, Some(Digest::Sha1(hash))) => {
                let Some(key) = key(*key_id) else { return false };
                let (meticulous, key_id, sequence) = (*meticulous, *key_id, *sequence);
                let keyed = AuthSection::Sha1 { meticulous, key_id, sequence, digest: padded(key) };
                (sequence, equal(&hash(&with(packet, keyed)), digest))
            }
            _ => return false,
        };
        // The digest is checked first: a forged packet is not to move the window.
        if !is_right || !self.follows(config.meticulous, sequence, packet.detect_mult.get()) {
            return false;
        }
        self.received = Some(sequence);
        true
    }

    /// Whether a sequence number is in the window of 3 × Detect Mult behind the last one.
    fn follows(&self, meticulous: bool, sequence: u32, detect_mult: u8) -> bool {
        self.received.is_none_or(|last| {
            let ahead = sequence.wrapping_sub(last);
            (u32::from(meticulous)..=u32::from(detect_mult).saturating_mul(3)).contains(&ahead)
        })
    }
}

fn padded<const N: usize>(key: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    field.iter_mut().zip(key).for_each(|(octet, key)| *octet = *key);
    field
}

fn with(packet: &ControlPacket, section: AuthSection) -> Vec<u8> {
    octets(&ControlPacket { auth: Some(section), ..packet.clone() })
}

fn octets(packet: &ControlPacket) -> Vec<u8> {
    let mut out = Vec::with_capacity(packet.wire_len());
    packet.emit(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Not a digest, but every octet of the packet counts.
    fn sum<const N: usize>(octets: &[u8]) -> [u8; N] {
        let mut out = [7_u8; N];
        for (n, octet) in octets.iter().enumerate() {
            out[n % N] = out[n % N].rotate_left(3).wrapping_add(*octet);
        }
        out
    }

    fn packet() -> ControlPacket {
        let octets = [0x20, 0xc0, 3, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0];
        ControlPacket::parse(&octets).unwrap()
    }

    fn configs() -> [AuthConfig; 5] {
        let digests =
            [None, Some(Digest::Md5(sum)), Some(Digest::Md5(sum)), Some(Digest::Sha1(sum)), Some(Digest::Sha1(sum))];
        let mut n = 0;
        digests.map(|digest| {
            n += 1;
            AuthConfig { digest, meticulous: n == 3 || n == 5, keys: vec![(4, b"key".to_vec()), (5, b"old".to_vec())] }
        })
    }

    #[test]
    fn a_signed_packet_is_taken_and_a_changed_one_is_not() {
        for config in configs() {
            let mut sender = AuthState::new(u32::MAX);
            let mut signed = packet();
            sender.sign(&config, &mut signed, true);
            let wire = octets(&signed);
            assert!(AuthState::new(0).verify(&config, &ControlPacket::parse(&wire).unwrap()), "{config:?}");
            for at in [1, 5, 20, wire.len() - 1] {
                let mut changed = wire.clone();
                changed[at] ^= 0x40;
                let Ok(changed) = ControlPacket::parse(&changed) else { continue };
                let in_clear = config.digest.is_none() && at < 24;
                assert_eq!(AuthState::new(0).verify(&config, &changed), in_clear, "{config:?} octet {at}");
            }
            assert!(!AuthState::new(0).verify(&config, &packet()));
        }
    }

    #[test]
    fn replays_are_refused_within_the_window_and_taken_after_a_silence() {
        for config in configs().into_iter().filter(|config| config.digest.is_some()) {
            let (mut sender, mut receiver) = (AuthState::new(10), AuthState::new(0));
            let mut send = |changed| {
                let mut signed = packet();
                sender.sign(&config, &mut signed, changed);
                signed
            };
            let first = send(true);
            assert!(receiver.verify(&config, &first));
            assert_eq!(receiver.verify(&config, &first), !config.meticulous);
            let later: Vec<_> = (0..10).map(|_| send(true)).collect();
            assert!(!receiver.verify(&config, &later[9]), "10 ahead of 3 × 3");
            assert!(receiver.verify(&config, &later[8]));
            assert!(!receiver.verify(&config, &first));
            receiver.forget();
            assert!(receiver.verify(&config, &first));
        }
    }

    #[test]
    fn any_configured_key_is_taken() {
        let [_, config, ..] = configs();
        let mut old = config.clone();
        old.keys.reverse();
        let mut signed = packet();
        AuthState::new(1).sign(&old, &mut signed, true);
        assert!(AuthState::new(0).verify(&config, &signed));
        old.keys = vec![(9, b"key".to_vec())];
        AuthState::new(1).sign(&old, &mut signed, true);
        assert!(!AuthState::new(0).verify(&config, &signed));
    }
}
