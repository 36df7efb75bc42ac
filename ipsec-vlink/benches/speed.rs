//! Speed beside others, as ratios of one run: reading IKE_SA_INIT beside crate ipsec-parser, ESP with AES-GCM beside the bare cipher.
//!
//! Each figure is the least of many short samples, taken in turn, so that what else the machine does counts little.
#![allow(missing_docs)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes128Gcm, KeyInit, Nonce};
use fwd_core::wire::IpProtocol;
use fwd_core::wire::esp::{self, Context};
use ipsec_parser::{IkeV2PayloadContent, parse_ikev2_message};
use ipsec_vlink::ike::crypto::Secret;
use ipsec_vlink::ike::crypto::rustcrypto::EspCipher;
use ipsec_vlink::ike::payload::{Payloads, v2};
use ipsec_vlink::ike::{EspKeys, EspSuite};

/// The least time that one call takes, of each of the two.
fn compare(mut ours: impl FnMut(), mut theirs: impl FnMut()) -> [Duration; 2] {
    const CALLS: u32 = 500;
    let mut best = [Duration::MAX; 2];
    for _ in 0..2000 {
        let sample = |f: &mut dyn FnMut()| {
            let start = Instant::now();
            (0..CALLS).for_each(|_| f());
            start.elapsed() / CALLS
        };
        best = [best[0].min(sample(&mut ours)), best[1].min(sample(&mut theirs))];
    }
    best
}

/// An IKE_SA_INIT request of 216 octets: five transforms, a key exchange, a nonce, two notifications.
fn ike_sa_init() -> Vec<u8> {
    let transforms: [(u8, u16, &[u8]); 5] =
        [(1, 20, &[0x80, 0x0e, 1, 0]), (2, 5, &[]), (4, 31, &[]), (4, 19, &[]), (4, 14, &[])];
    let mut list = Vec::new();
    for (n, (kind, id, attributes)) in transforms.iter().enumerate() {
        list.extend([if n == 4 { 0 } else { 3 }, 0, 0, 8 + attributes.len() as u8, *kind, 0]);
        list.extend(id.to_be_bytes());
        list.extend_from_slice(attributes);
    }
    let proposal = [&[0, 0, 0, 8 + list.len() as u8, 1, 1, 0, 5][..], &list].concat();
    let ke = [&[0, 31, 0, 0][..], &[0x5a; 32]].concat();
    let notify = |low: u8| [&[0, 0, 0x40, low][..], &[7; 20]].concat();
    let payloads = [(34, proposal), (40, ke), (41, vec![0xa5; 32]), (41, notify(4)), (0, notify(5))];
    let mut message = vec![1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 33, 0x20, 34, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    for (next, body) in payloads {
        message.extend([next, 0, 0, 4 + body.len() as u8]);
        message.extend(body);
    }
    let len = (message.len() as u32).to_be_bytes();
    message[24..28].copy_from_slice(&len);
    message
}

/// What both say of a message: the sum of its transforms' types and numbers, and of its payloads' types.
fn read_by_us(message: &[u8]) -> u64 {
    let (_, payloads) = Payloads::of(message).unwrap();
    let mut sum = 0;
    for payload in payloads {
        let payload = payload.unwrap();
        if let v2::Body::Sa(sa) = v2::Body::of(&payload).unwrap() {
            for transform in sa.proposals().flat_map(|proposal| proposal.transforms) {
                sum += u64::from(transform.id) + u64::from(transform.kind.0);
            }
        }
        sum += u64::from(payload.kind.0);
    }
    sum
}

fn read_by_them(message: &[u8]) -> u64 {
    let (_, (_, payloads)) = parse_ikev2_message(message).unwrap();
    let mut sum = 0;
    for payload in payloads.unwrap() {
        sum += match payload.content {
            IkeV2PayloadContent::SA(proposals) => {
                let transforms = proposals.iter().flat_map(|proposal| &proposal.transforms);
                33 + transforms.map(|t| u64::from(t.transform_id) + u64::from(t.transform_type.0)).sum::<u64>()
            }
            IkeV2PayloadContent::KE(_) => 34,
            IkeV2PayloadContent::Nonce(_) => 40,
            IkeV2PayloadContent::Notify(_) => 41,
            _ => 0,
        };
    }
    sum
}

fn parsing() {
    let message = ike_sa_init();
    assert_eq!(message.len(), 216);
    assert_eq!(read_by_us(&message), read_by_them(&message), "both read the same");
    let [ours, theirs] =
        compare(|| _ = black_box(read_by_us(black_box(&message))), || _ = black_box(read_by_them(black_box(&message))));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("IKE_SA_INIT, 216 octets: {ours:?}; ipsec-parser {theirs:?}: {ratio:.1} times as fast");
}

fn protecting(len: usize) {
    let key: Vec<u8> = (0..20).collect();
    let keys = EspKeys { encryption: Secret::copy(&key), integrity: Secret::copy(&[]) };
    let mut cipher = EspCipher::new(&EspSuite::AES_GCM_128, &keys).unwrap();
    let context = Context { spi: 0x1234, sequence: 7, extended: false };
    let over = esp::overhead(&cipher, len);
    let mut packet = vec![0x55; over.front + len + over.back];
    let bare = Aes128Gcm::new_from_slice(&key[..16]).unwrap();
    // As much text: padding, its length and the next header are encrypted, too.
    let mut text = vec![0x55; packet.len() - over.front - 16];
    let [ours, theirs] = compare(
        || esp::seal(&mut cipher, &context, black_box(&mut packet), len, IpProtocol::GRE).unwrap(),
        || {
            let nonce = Nonce::from_slice(&[9; 12]);
            _ = black_box(bare.encrypt_in_place_detached(nonce, &[1; 8], black_box(&mut text)).unwrap());
        },
    );
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("ESP, AES-128-GCM, {len} octets: {ours:?}; the cipher alone {theirs:?}: {ratio:.2} times as long");
}

fn main() {
    parsing();
    [64, 1400].into_iter().for_each(protecting);
}
