//! How segments of a TCP connection are authenticated (RFC 2385, RFC 5925): what BGP and LDP ask of whoever opens their connections.

use alloc::vec::Vec;
use core::fmt;

/// How segments of a peer are authenticated.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// TCP MD5 (RFC 2385) with this key, 1 to 80 octets.
    Md5(Vec<u8>),
    /// TCP-AO (RFC 5925) with HMAC-SHA-1-96 (RFC 5926 §2) and one master key, 1 to 80 octets.
    Ao {
        /// The key.
        key: Vec<u8>,
        /// KeyID that we send and that the peer sends.
        id: u8,
    },
}

/// Keys are not printed.
impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(_) => f.write_str("Md5"),
            Self::Ao { id, .. } => write!(f, "Ao {{ id: {id} }}"),
        }
    }
}

impl Authentication {
    /// The longest key, in octets.
    pub const LONGEST_KEY: usize = 80;

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Md5(key) | Self::Ao { key, .. } => key,
        }
    }

    /// Whether the key has a length that can be.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=Self::LONGEST_KEY).contains(&self.key().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_lengths_and_are_not_printed() {
        let ao = |key: &[u8]| Authentication::Ao { key: key.to_vec(), id: 3 };
        assert_eq!([&b""[..], &[1], &[1; 80], &[1; 81]].map(|key| ao(key).is_valid()), [false, true, true, false]);
        let md5 = Authentication::Md5(b"secret".to_vec());
        assert!(md5.is_valid());
        assert_eq!(std::format!("{md5:?} {:?}", ao(b"secret")), "Md5 Ao { id: 3 }");
    }
}
