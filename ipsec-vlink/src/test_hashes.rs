//! The hash functions that tests lend.

use md5::{Digest, Md5};
use sha1::Sha1;

use crate::l2tp::digest::Hashes;

pub(crate) struct RustCrypto;

fn digest<D: Digest>(parts: &[&[u8]]) -> D {
    parts.iter().fold(D::new(), |digest, part| digest.chain_update(part))
}

impl Hashes for RustCrypto {
    fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
        digest::<Md5>(parts).finalize().into()
    }

    fn sha1(&self, parts: &[&[u8]]) -> [u8; 20] {
        digest::<Sha1>(parts).finalize().into()
    }
}
