//! Cookies against floods of half-open SAs, without state (RFC 7296 §2.6).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::super::crypto::{CryptoProvider, HashId, Secret, equal};

/// The secrets of cookies: the one in use and the one before.
#[derive(Debug)]
pub(super) struct Cookies {
    secrets: [Secret; 2],
    version: u32,
    changed: Instant,
}

/// How long a secret makes cookies.
const LIFETIME: Duration = Duration::from_secs(60);

impl Cookies {
    pub(super) fn new(now: Instant, provider: &mut impl CryptoProvider) -> Self {
        Self { secrets: [fresh(provider), fresh(provider)], version: 0, changed: now }
    }

    /// The cookie that the sender of an IKE_SA_INIT must show.
    pub(super) fn make(
        &mut self,
        now: Instant,
        provider: &mut impl CryptoProvider,
        from: SocketAddr,
        spi: u64,
        nonce: &[u8],
    ) -> SmallVec<[u8; 36]> {
        if now - self.changed >= LIFETIME {
            let [current, _] = core::mem::replace(&mut self.secrets, [fresh(provider), Secret::default()]);
            self.secrets = [core::mem::take(&mut self.secrets[0]), current];
            self.version = self.version.wrapping_add(1);
            self.changed = now;
        }
        cookie(provider, self.version, &self.secrets[0], from, spi, nonce)
    }

    /// Whether it is one of ours for this sender.
    pub(super) fn check(
        &self,
        provider: &impl CryptoProvider,
        from: SocketAddr,
        spi: u64,
        nonce: &[u8],
        shown: &[u8],
    ) -> bool {
        let [current, before] = &self.secrets;
        let of = |version, secret| equal(&cookie(provider, version, secret, from, spi, nonce), shown);
        of(self.version, current) || of(self.version.wrapping_sub(1), before)
    }
}

fn fresh(provider: &mut impl CryptoProvider) -> Secret {
    let mut secret = Secret::zeros(32);
    provider.random(secret.octets_mut());
    secret
}

fn cookie(
    provider: &impl CryptoProvider,
    version: u32,
    secret: &Secret,
    from: SocketAddr,
    spi: u64,
    nonce: &[u8],
) -> SmallVec<[u8; 36]> {
    let address: SmallVec<[u8; 16]> = match from.ip() {
        IpAddr::V4(a) => SmallVec::from_slice(&a.octets()),
        IpAddr::V6(a) => SmallVec::from_slice(&a.octets()),
    };
    let mut cookie: SmallVec<[u8; 36]> = SmallVec::from_slice(&version.to_be_bytes());
    let parts = [nonce, &address, &spi.to_be_bytes(), secret];
    let hash = provider.hash(HashId::SHA2_256, &parts).or_else(|_| provider.hash(HashId::SHA1, &parts));
    if let Ok(hash) = hash {
        cookie.extend_from_slice(&hash);
    }
    cookie
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::ike::crypto::rustcrypto::RustCrypto;

    #[test]
    fn a_cookie_is_of_one_sender_and_two_minutes() {
        let mut p = RustCrypto::new(b"x");
        let mut now = Instant::from_secs(1);
        let mut cookies = Cookies::new(now, &mut p);
        let from: SocketAddr = "192.0.2.1:500".parse().unwrap();
        let cookie = cookies.make(now, &mut p, from, 1, b"nonce");
        assert!(cookie.len() <= 64, "RFC 7296 §2.6: of at most 64 octets");
        assert!(cookies.check(&p, from, 1, b"nonce", &cookie));
        assert!(!cookies.check(&p, "192.0.2.2:500".parse().unwrap(), 1, b"nonce", &cookie));
        assert!(!cookies.check(&p, from, 2, b"nonce", &cookie));
        assert!(!cookies.check(&p, from, 1, b"Nonce", &cookie));
        for still in [true, false] {
            now = now + LIFETIME;
            cookies.make(now, &mut p, from, 9, b"");
            assert_eq!(cookies.check(&p, from, 1, b"nonce", &cookie), still);
        }
    }
}
