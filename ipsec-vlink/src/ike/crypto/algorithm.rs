//! Algorithms and what they measure, under IKEv2's transform numbers (RFC 7296 §3.3.2, RFC 8247).

/// Encryption algorithm: transform type 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct EncryptionId(pub u16);

impl EncryptionId {
    /// Triple DES in CBC mode (RFC 2451). For IKEv1 peers of old.
    pub const TRIPLE_DES: Self = Self(3);
    /// No encryption (RFC 2410), for ESP alone.
    pub const NULL: Self = Self(11);
    /// AES in CBC mode (RFC 3602).
    pub const AES_CBC: Self = Self(12);
    /// AES-GCM with a 16-octet check value (RFC 4106, RFC 5282).
    pub const AES_GCM_16: Self = Self(20);
    /// ChaCha20 and Poly1305 (RFC 7634).
    pub const CHACHA20_POLY1305: Self = Self(28);
}

/// An encryption algorithm with the length of its key, where it may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Encryption {
    /// The algorithm.
    pub id: EncryptionId,
    /// Bits of the key as the Key Length attribute says (RFC 7296 §3.3.5); 0 where the algorithm has one length only.
    pub key_bits: u16,
}

impl Encryption {
    /// AES-GCM with a key of 128 bits.
    pub const AES_GCM_128: Self = Self { id: EncryptionId::AES_GCM_16, key_bits: 128 };
    /// AES-GCM with a key of 256 bits.
    pub const AES_GCM_256: Self = Self { id: EncryptionId::AES_GCM_16, key_bits: 256 };
    /// AES-CBC with a key of 128 bits.
    pub const AES_CBC_128: Self = Self { id: EncryptionId::AES_CBC, key_bits: 128 };
    /// AES-CBC with a key of 256 bits.
    pub const AES_CBC_256: Self = Self { id: EncryptionId::AES_CBC, key_bits: 256 };
    /// ChaCha20-Poly1305.
    pub const CHACHA20_POLY1305: Self = Self { id: EncryptionId::CHACHA20_POLY1305, key_bits: 0 };
    /// Triple DES.
    pub const TRIPLE_DES: Self = Self { id: EncryptionId::TRIPLE_DES, key_bits: 0 };
    /// No encryption.
    pub const NULL: Self = Self { id: EncryptionId::NULL, key_bits: 0 };

    /// Octets of keying material, the salt of counter modes included (RFC 4106 §8.1, RFC 7634 §2). `None`: not one of ours.
    #[must_use]
    pub const fn key_len(self) -> Option<usize> {
        Some(match (self.id, self.key_bits) {
            (EncryptionId::AES_CBC, 128) => 16,
            (EncryptionId::AES_CBC, 192) => 24,
            (EncryptionId::AES_CBC, 256) => 32,
            (EncryptionId::AES_GCM_16, 128) => 20,
            (EncryptionId::AES_GCM_16, 192) => 28,
            (EncryptionId::AES_GCM_16, 256) => 36,
            (EncryptionId::CHACHA20_POLY1305, 0 | 256) => 36,
            (EncryptionId::TRIPLE_DES, 0 | 192) => 24,
            (EncryptionId::NULL, _) => 0,
            _ => return None,
        })
    }

    /// Whether it protects integrity itself (RFC 5116): then no integrity algorithm goes with it.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(self.id, EncryptionId::AES_GCM_16 | EncryptionId::CHACHA20_POLY1305)
    }

    /// Octets of the initialization vector that is sent.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match self.id {
            EncryptionId::NULL => 0,
            EncryptionId::AES_CBC => 16,
            _ => 8,
        }
    }

    /// What the length of the plaintext must be a multiple of.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self.id {
            EncryptionId::AES_CBC => 16,
            EncryptionId::TRIPLE_DES => 8,
            _ => 1,
        }
    }

    /// Octets of the check value that the algorithm itself makes.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 0 }
    }
}

/// Pseudorandom function: transform type 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PrfId(pub u16);

impl PrfId {
    /// HMAC with SHA-1 (RFC 2104).
    pub const HMAC_SHA1: Self = Self(2);
    /// HMAC with SHA-256 (RFC 4868).
    pub const HMAC_SHA2_256: Self = Self(5);
    /// HMAC with SHA-384 (RFC 4868).
    pub const HMAC_SHA2_384: Self = Self(6);
    /// HMAC with SHA-512 (RFC 4868).
    pub const HMAC_SHA2_512: Self = Self(7);

    /// Octets of the output, which is also the preferred length of the key. `None`: not one of ours.
    #[must_use]
    pub const fn output_len(self) -> Option<usize> {
        match self {
            Self::HMAC_SHA1 => Some(20),
            Self::HMAC_SHA2_256 => Some(32),
            Self::HMAC_SHA2_384 => Some(48),
            Self::HMAC_SHA2_512 => Some(64),
            _ => None,
        }
    }

    /// The hash inside, where it is a HMAC.
    #[must_use]
    pub const fn hash(self) -> Option<HashId> {
        match self {
            Self::HMAC_SHA1 => Some(HashId::SHA1),
            Self::HMAC_SHA2_256 => Some(HashId::SHA2_256),
            Self::HMAC_SHA2_384 => Some(HashId::SHA2_384),
            Self::HMAC_SHA2_512 => Some(HashId::SHA2_512),
            _ => None,
        }
    }
}

/// Integrity algorithm: transform type 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IntegrityId(pub u16);

impl IntegrityId {
    /// None: the encryption algorithm does it.
    pub const NONE: Self = Self(0);
    /// HMAC-SHA-1-96 (RFC 2404).
    pub const HMAC_SHA1_96: Self = Self(2);
    /// HMAC-SHA-256-128 (RFC 4868).
    pub const HMAC_SHA2_256_128: Self = Self(12);
    /// HMAC-SHA-384-192 (RFC 4868).
    pub const HMAC_SHA2_384_192: Self = Self(13);
    /// HMAC-SHA-512-256 (RFC 4868).
    pub const HMAC_SHA2_512_256: Self = Self(14);

    /// Octets of the key. `None`: not one of ours.
    #[must_use]
    pub const fn key_len(self) -> Option<usize> {
        match self {
            Self::NONE => Some(0),
            Self::HMAC_SHA1_96 => Some(20),
            Self::HMAC_SHA2_256_128 => Some(32),
            Self::HMAC_SHA2_384_192 => Some(48),
            Self::HMAC_SHA2_512_256 => Some(64),
            _ => None,
        }
    }

    /// Octets of the check value that is sent.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HMAC_SHA1_96 => 12,
            Self::HMAC_SHA2_256_128 => 16,
            Self::HMAC_SHA2_384_192 => 24,
            Self::HMAC_SHA2_512_256 => 32,
            _ => 0,
        }
    }

    /// The function whose output is truncated.
    #[must_use]
    pub const fn prf(self) -> Option<PrfId> {
        match self {
            Self::HMAC_SHA1_96 => Some(PrfId::HMAC_SHA1),
            Self::HMAC_SHA2_256_128 => Some(PrfId::HMAC_SHA2_256),
            Self::HMAC_SHA2_384_192 => Some(PrfId::HMAC_SHA2_384),
            Self::HMAC_SHA2_512_256 => Some(PrfId::HMAC_SHA2_512),
            _ => None,
        }
    }
}

/// Diffie-Hellman group: transform type 4, which is also IKEv1's group description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct DhGroup(pub u16);

impl DhGroup {
    /// No exchange.
    pub const NONE: Self = Self(0);
    /// 2048-bit MODP (RFC 3526 §3).
    pub const MODP_2048: Self = Self(14);
    /// 3072-bit MODP (RFC 3526 §4).
    pub const MODP_3072: Self = Self(15);
    /// 4096-bit MODP (RFC 3526 §5).
    pub const MODP_4096: Self = Self(16);
    /// 256-bit random ECP (RFC 5903).
    pub const ECP_256: Self = Self(19);
    /// Curve25519 (RFC 8031).
    pub const CURVE25519: Self = Self(31);

    /// Octets of a public value. `None`: not one of ours.
    #[must_use]
    pub const fn public_len(self) -> Option<usize> {
        match self {
            Self::MODP_2048 => Some(256),
            Self::MODP_3072 => Some(384),
            Self::MODP_4096 => Some(512),
            Self::ECP_256 => Some(64),
            Self::CURVE25519 => Some(32),
            _ => None,
        }
    }
}

/// A hash function, under the numbers of RFC 7427 §7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct HashId(pub u16);

impl HashId {
    /// SHA-1.
    pub const SHA1: Self = Self(1);
    /// SHA-256.
    pub const SHA2_256: Self = Self(2);
    /// SHA-384.
    pub const SHA2_384: Self = Self(3);
    /// SHA-512.
    pub const SHA2_512: Self = Self(4);
    /// Identity: the signature algorithm hashes itself (RFC 8420 §2).
    pub const IDENTITY: Self = Self(5);
}

/// How a raw public key signs (RFC 7427, RFC 8420).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureScheme {
    /// Ed25519.
    Ed25519,
    /// ECDSA on the 256-bit curve, with SHA-256.
    EcdsaP256Sha256,
}

impl SignatureScheme {
    /// The hash that must be in the peer's SIGNATURE_HASH_ALGORITHMS.
    #[must_use]
    pub const fn hash(self) -> HashId {
        match self {
            Self::Ed25519 => HashId::IDENTITY,
            Self::EcdsaP256Sha256 => HashId::SHA2_256,
        }
    }

    /// The AlgorithmIdentifier in front of the signature (RFC 7427 Appendix A, RFC 8420 Appendix A).
    #[must_use]
    pub const fn algorithm_identifier(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
            Self::EcdsaP256Sha256 => &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
        }
    }

    /// What precedes the key itself in a SubjectPublicKeyInfo (RFC 5480 §2, RFC 8410 §4), the form of a raw public key
    /// (RFC 7670 §2).
    #[must_use]
    pub const fn public_key_prefix(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
            Self::EcdsaP256Sha256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
                0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ],
        }
    }
}
