//! What a machine is told about peers: who they are, how they prove it, and what they may ask for.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::child_sa::{EspSuite, Mode};
use super::context::VpnContext;
use super::crypto::{CryptoProvider, DhGroup, Encryption, IntegrityId, PrfId, Secret, SigningKey};
use super::payload::{IdType, Identification};
use super::selector::TrafficSelector;

/// A peer of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Who an end is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The type.
    pub kind: IdType,
    /// The identification.
    pub data: Vec<u8>,
}

impl Identity {
    /// An address.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        let (kind, data) = super::payload::v1::address_id(address);
        Self { kind, data: data.to_vec() }
    }

    /// A domain name.
    #[must_use]
    pub fn fqdn(name: &str) -> Self {
        Self { kind: IdType::FQDN, data: name.as_bytes().to_vec() }
    }

    /// Whether a payload says so.
    #[must_use]
    pub fn is(&self, id: &Identification<'_>) -> bool {
        self.kind == id.kind && self.data == id.data
    }

    pub(super) fn payload(&self) -> Identification<'_> {
        Identification::new(self.kind, &self.data)
    }
}

/// How both ends prove who they are.
#[derive(Clone, Debug)]
pub enum AuthConfig {
    /// A key that both know.
    Psk(Secret),
    /// Raw public keys (RFC 7670).
    PublicKey {
        /// Our key.
        ours: SigningKey,
        /// The peer's SubjectPublicKeyInfo.
        theirs: Vec<u8>,
    },
}

/// Algorithms of an IKE SA, to be taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IkeSuite {
    /// Encryption.
    pub encryption: Encryption,
    /// Integrity; [`IntegrityId::NONE`] where encryption does it.
    pub integrity: IntegrityId,
    /// Pseudorandom function.
    pub prf: PrfId,
    /// Group.
    pub group: DhGroup,
}

impl IkeSuite {
    /// AES-GCM with 128 bits, SHA-256, Curve25519.
    pub const AES_GCM_128_X25519: Self = Self {
        encryption: Encryption::AES_GCM_128,
        integrity: IntegrityId::NONE,
        prf: PrfId::HMAC_SHA2_256,
        group: DhGroup::CURVE25519,
    };
    /// AES-CBC with 256 bits, SHA-256, the MODP group of 2048 bits.
    pub const AES_CBC_256_MODP_2048: Self = Self {
        encryption: Encryption::AES_CBC_256,
        integrity: IntegrityId::HMAC_SHA2_256_128,
        prf: PrfId::HMAC_SHA2_256,
        group: DhGroup::MODP_2048,
    };
}

impl EspSuite {
    /// AES-GCM with 128 bits.
    pub const AES_GCM_128: Self =
        Self { encryption: Encryption::AES_GCM_128, integrity: IntegrityId::NONE, extended: false };
    /// AES-CBC with 256 bits, HMAC-SHA-256.
    pub const AES_CBC_256_SHA2_256: Self =
        Self { encryption: Encryption::AES_CBC_256, integrity: IntegrityId::HMAC_SHA2_256_128, extended: false };
    /// No encryption, HMAC-SHA-256 (RFC 2410).
    pub const NULL_SHA2_256: Self =
        Self { encryption: Encryption::NULL, integrity: IntegrityId::HMAC_SHA2_256_128, extended: false };

    pub(super) const fn is_sound(&self) -> bool {
        self.encryption.key_len().is_some()
            && self.integrity.key_len().is_some()
            && self.encryption.is_aead() == (self.integrity.0 == 0)
    }
}

/// A Child SA that may be asked for, by either end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildConfig {
    /// What the embedder knows it by: unique for the peer.
    pub tag: u32,
    /// How packets are carried.
    pub mode: Mode,
    /// What packets sent come from.
    pub local: Vec<TrafficSelector>,
    /// What packets sent are for.
    pub remote: Vec<TrafficSelector>,
    /// Algorithms, the best first.
    pub suites: Vec<EspSuite>,
    /// The group of a new exchange for each Child SA but the first of an IKE SA; `None`: no perfect forward secrecy.
    pub group: Option<DhGroup>,
    /// After how long it is replaced, the jitter apart (RFC 7296 §2.8).
    pub lifetime: Duration,
    /// The security label that both ends must say (RFC 9478).
    pub label: Option<Vec<u8>>,
    /// The VPN context that both ends must say. It is said to peers with our Vendor ID alone.
    pub context: Option<VpnContext>,
    /// Whether the peer may take less than the selectors (RFC 7296 §2.9). A virtual link wants all.
    pub narrowing: bool,
}

impl ChildConfig {
    /// Every IPv4 packet, in tunnel mode: a route-based VPN.
    #[must_use]
    pub fn any_v4(tag: u32) -> Self {
        Self {
            tag,
            mode: Mode::Tunnel,
            local: alloc::vec![TrafficSelector::ANY_V4],
            remote: alloc::vec![TrafficSelector::ANY_V4],
            suites: alloc::vec![EspSuite::AES_GCM_128],
            group: None,
            lifetime: Duration::from_secs(3600),
            label: None,
            context: None,
            narrowing: false,
        }
    }

    /// All packets of one protocol between two systems, in transport mode.
    #[must_use]
    pub fn transport(tag: u32, local: IpAddr, remote: IpAddr, protocol: u8) -> Self {
        Self {
            mode: Mode::Transport,
            local: alloc::vec![TrafficSelector::host_protocol(local, protocol)],
            remote: alloc::vec![TrafficSelector::host_protocol(remote, protocol)],
            ..Self::any_v4(tag)
        }
    }
}

/// A peer.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Our address.
    pub local: IpAddr,
    /// The peer's address; `None`: any, and it is the peer that begins.
    pub remote: Option<IpAddr>,
    /// Who we are.
    pub local_id: Identity,
    /// Who the peer must be.
    pub remote_id: Identity,
    /// The proof.
    pub auth: AuthConfig,
    /// Algorithms, the best first.
    pub suites: Vec<IkeSuite>,
    /// Child SAs that may be asked for.
    pub children: Vec<ChildConfig>,
    /// After how long the IKE SA is replaced, the jitter apart.
    pub lifetime: Duration,
    /// Whether it is replaced by a new one with a new proof (RFC 7296 §2.8.3), not by a rekeyed one.
    pub reauthenticate: bool,
    /// Whether ESP goes in UDP without a NAT, too.
    pub force_encapsulation: bool,
    /// Whether our Vendor ID is sent, and VPN contexts are said to a peer that sends it.
    pub vpn_context: bool,
    /// Whether Child SAs of other SAs with the same identities end when a new one says INITIAL_CONTACT (RFC 7296 §2.4), and whether
    /// we say so.
    pub initial_contact: bool,
    /// Whether we ask for a ticket, with which an SA that was lost comes back without a group and without a proof (RFC 5723).
    pub resumption: bool,
    /// Whether clones may go to other addresses of the same two systems (RFC 7791, and RFC 4555 as far as that needs).
    pub mobility: bool,
}

impl PeerConfig {
    /// A peer with a shared key, known by addresses, with the default algorithms.
    #[must_use]
    pub fn psk(local: IpAddr, remote: IpAddr, key: &[u8]) -> Self {
        Self {
            local,
            remote: Some(remote),
            local_id: Identity::address(local),
            remote_id: Identity::address(remote),
            auth: AuthConfig::Psk(Secret::copy(key)),
            suites: alloc::vec![IkeSuite::AES_GCM_128_X25519, IkeSuite::AES_CBC_256_MODP_2048],
            children: Vec::new(),
            lifetime: Duration::from_secs(14_400),
            reauthenticate: false,
            force_encapsulation: false,
            vpn_context: false,
            initial_contact: true,
            resumption: false,
            mobility: false,
        }
    }

    pub(super) fn check(&self, provider: &impl CryptoProvider) -> Result<(), ConfigError> {
        if self.remote.is_some_and(|remote| remote.is_ipv4() != self.local.is_ipv4()) {
            return Err(ConfigError::Family);
        }
        if self.suites.is_empty() {
            return Err(ConfigError::Suites);
        }
        for suite in &self.suites {
            let pairs = suite.encryption.is_aead() == (suite.integrity == IntegrityId::NONE);
            let sound = pairs
                && provider.has_encryption(suite.encryption)
                && provider.has_prf(suite.prf)
                && provider.has_group(suite.group)
                && suite.integrity.key_len().is_some();
            if !sound {
                return Err(ConfigError::Suite(*suite));
            }
        }
        if matches!(&self.auth, AuthConfig::Psk(key) if key.is_empty()) {
            return Err(ConfigError::Psk);
        }
        if self.lifetime < MIN_LIFETIME {
            return Err(ConfigError::Lifetime(self.lifetime));
        }
        for (n, child) in self.children.iter().enumerate() {
            self.check_child(child, provider)?;
            if self.children.iter().take(n).any(|other| other.tag == child.tag) {
                return Err(ConfigError::Tag(child.tag));
            }
        }
        Ok(())
    }

    pub(super) fn check_child(&self, child: &ChildConfig, provider: &impl CryptoProvider) -> Result<(), ConfigError> {
        let unsound = child
            .suites
            .iter()
            .find(|s| !s.is_sound() || (s.encryption != Encryption::NULL && !provider.has_encryption(s.encryption)));
        if let Some(suite) = unsound {
            return Err(ConfigError::EspSuite(*suite));
        }
        if child.suites.is_empty() {
            return Err(ConfigError::Suites);
        }
        if child.local.is_empty() || child.remote.is_empty() {
            return Err(ConfigError::Selectors(child.tag));
        }
        if child.group.is_some_and(|group| !provider.has_group(group)) {
            return Err(ConfigError::Group(child.tag));
        }
        if child.lifetime < MIN_LIFETIME {
            return Err(ConfigError::Lifetime(child.lifetime));
        }
        if child.context.is_some() && !self.vpn_context {
            return Err(ConfigError::Context(child.tag));
        }
        if child.label.as_ref().is_some_and(|l| l.is_empty() || l.len() > 4096) {
            return Err(ConfigError::Label(child.tag));
        }
        Ok(())
    }
}

/// The shortest lifetime that makes sense beside retransmission.
const MIN_LIFETIME: Duration = Duration::from_secs(2);

/// What is wrong with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `remote` is not of the family of `local`.
    #[error("local and remote address are of two families")]
    Family,
    /// `suites` is empty.
    #[error("suites is empty")]
    Suites,
    /// One of `suites` is not one of the provider's, or pairs what does not go together.
    #[error("IKE suite not possible: {0:?}")]
    Suite(IkeSuite),
    /// One of a child's `suites` is not possible.
    #[error("ESP suite not possible: {0:?}")]
    EspSuite(EspSuite),
    /// The shared key is empty.
    #[error("auth: the shared key is empty")]
    Psk,
    /// `auth` is not a shared key, which is all that IKEv1 has here.
    #[error("auth: a shared key is needed with IKEv1")]
    SharedKeyOnly,
    /// A lifetime below two seconds.
    #[error("lifetime too short: {0:?}")]
    Lifetime(Duration),
    /// `local` or `remote` of a child is empty; with IKEv1: is not one selector with one port or all.
    #[error("child {0}: selectors")]
    Selectors(u32),
    /// `group` of a child is not one of the provider's.
    #[error("child {0}: group")]
    Group(u32),
    /// A child has a `context`, its peer not `vpn_context`.
    #[error("child {0}: context, but the peer's vpn_context is off")]
    Context(u32),
    /// A child's `label` is empty, or longer than 4,096 octets; with IKEv1: is there at all.
    #[error("child {0}: label")]
    Label(u32),
    /// Two children of a peer have one `tag`.
    #[error("child {0}: tag is there twice")]
    Tag(u32),
    /// A peer with these identities, or at this address, is there.
    #[error("peer is there already")]
    Duplicate,
    /// No such peer, SA or child.
    #[error("not there")]
    NotThere,
    /// The peer has no address, so that it must begin.
    #[error("remote: needed to begin")]
    NoAddress,
    /// `fragment_len` is below 576 less headers, or above 65,535.
    #[error("fragment_len out of range: {0}")]
    FragmentLen(usize),
    /// `tickets.kind`: the key has less than 16 octets, or the provider has nothing to seal tickets with.
    #[error("tickets: key")]
    TicketKey,
    /// The peer's identities are not those of the SA that is to be cloned.
    #[error("local_id, remote_id: not those of the SA to be cloned")]
    Identities,
    /// A limit is zero.
    #[error("{0} is zero")]
    Zero(&'static str),
    /// A limit is reached.
    #[error("{0} is reached")]
    Limit(&'static str),
}
