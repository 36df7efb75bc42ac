//! What an operator says about BFD and about a session.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::num::{NonZeroU8, NonZeroU32};
use core::time::Duration;

use fwd_core::net::IfIndex;

use super::fsm::SessionType;
use super::packet::AuthType;

/// Bad configuration: which field, and what about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A time outside its range.
    #[error("{field}: {value:?} is not allowed: {rule}")]
    Time {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: Duration,
        /// What is allowed.
        rule: &'static str,
    },
    /// A length outside its range.
    #[error("{field}: {len} octets are not allowed: {rule}")]
    Length {
        /// The field's name.
        field: &'static str,
        /// The length.
        len: usize,
        /// What is allowed.
        rule: &'static str,
    },
    /// Another session has it.
    #[error("{field}: in use by another session")]
    InUse {
        /// The field's name.
        field: &'static str,
    },
    /// A combination that cannot be.
    #[error("{field}: {rule}")]
    Combination {
        /// The field's name.
        field: &'static str,
        /// What is allowed.
        rule: &'static str,
    },
    /// There are as many sessions as there may be.
    #[error("max_sessions: {0} sessions are there")]
    TooMany(usize),
    /// There is no such session, or it is of another type.
    #[error("no such session: {0:?}")]
    Unknown(SessionId),
}

/// A session's number: its own discriminator (`bfd.LocalDiscr`), which is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub NonZeroU32);

/// A multipoint path, by a number of the embedder's: of the tree at its head, of the tunnel it arrives by at its tails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u64);

/// An LSP, by a number of the embedder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LspId(pub u64);

/// A pseudowire, by a number of the embedder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PwRef(pub u64);

/// What a session watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A link (RFC 5881).
    SingleHop {
        /// The link.
        iface: IfIndex,
        /// Our address.
        local: IpAddr,
        /// The neighbour's address.
        remote: IpAddr,
    },
    /// A path of several hops (RFC 5883).
    MultiHop {
        /// Our address.
        local: IpAddr,
        /// The peer's address.
        remote: IpAddr,
        /// The least TTL or hop limit of packets that are taken. 0: any.
        min_ttl: u8,
    },
    /// An LSP that starts here (RFC 5884). LSP ping tells the egress our discriminator first.
    LspIngress {
        /// The LSP.
        lsp: LspId,
        /// Our address.
        local: IpAddr,
        /// The egress, whose packets come routed.
        remote: IpAddr,
    },
    /// An LSP that ends here (RFC 5884): made when LSP ping brings a BFD Discriminator and the FEC is ours.
    LspEgress {
        /// The LSP.
        lsp: LspId,
        /// Our address.
        local: IpAddr,
        /// The source of the echo request.
        remote: IpAddr,
        /// The discriminator in the echo request.
        discriminator: NonZeroU32,
    },
    /// A pseudowire, in its control channel (RFC 5885).
    Pw {
        /// The pseudowire.
        pw: PwRef,
        /// Our address, for CV types 0x04 and 0x08 (IP and UDP headers); `None`: 0x10 and 0x20 (no headers).
        ip: Option<IpAddr>,
    },
    /// A multipoint path that starts here (RFC 8562).
    Head {
        /// The path.
        tree: TreeId,
        /// Our address.
        local: IpAddr,
        /// How fast tails may report; `None`: they are to be silent. `bfd.ReportTailDown` (RFC 8563 §6.3.1).
        report: Option<Duration>,
    },
    /// A multipoint path that ends here (RFC 8562).
    Tail {
        /// The path.
        tree: TreeId,
        /// Our address, from which we report.
        local: IpAddr,
        /// The head's address.
        head: IpAddr,
        /// The head's discriminator.
        discriminator: NonZeroU32,
        /// Never send anything. `bfd.SilentTail` (RFC 8563 §6.3.1); true unless told otherwise.
        silent: bool,
    },
    /// Another node, through its reflector (RFC 7880, 7881).
    Reflector {
        /// Our address.
        local: IpAddr,
        /// The node's address.
        remote: IpAddr,
        /// The reflector's discriminator.
        discriminator: NonZeroU32,
    },
}

impl Path {
    /// The type of sessions over it.
    #[must_use]
    pub const fn session_type(&self) -> SessionType {
        match self {
            Self::SingleHop { .. }
            | Self::MultiHop { .. }
            | Self::LspIngress { .. }
            | Self::LspEgress { .. }
            | Self::Pw { .. } => SessionType::PointToPoint,
            Self::Head { .. } => SessionType::MultipointHead,
            Self::Tail { .. } => SessionType::MultipointTail,
            Self::Reflector { .. } => SessionType::SbfdInitiator,
        }
    }

    /// The peer's discriminator, where it is known from the start.
    pub(super) const fn remote_discriminator(&self) -> u32 {
        match self {
            Self::LspEgress { discriminator, .. }
            | Self::Tail { discriminator, .. }
            | Self::Reflector { discriminator, .. } => discriminator.get(),
            _ => 0,
        }
    }
}

/// The digest that authenticates packets; the embedder brings the function.
#[derive(Clone, Copy)]
pub enum Digest {
    /// MD5.
    Md5(fn(&[u8]) -> [u8; 16]),
    /// SHA1.
    Sha1(fn(&[u8]) -> [u8; 20]),
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5(_) => "Md5",
            Self::Sha1(_) => "Sha1",
        })
    }
}

/// Authentication of a session (RFC 5880 §6.7).
#[derive(Clone)]
pub struct AuthConfig {
    /// `None`: the secret goes as a password in the clear.
    pub digest: Option<Digest>,
    /// The sequence number grows with each packet.
    pub meticulous: bool,
    /// Keys by identifier: the first one signs, all are taken. 1 to 16 octets each, of SHA1 20.
    pub keys: Vec<(u8, Vec<u8>)>,
}

impl fmt::Debug for AuthConfig {
    /// Secrets are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig").field("type", &self.auth_type()).field("keys", &self.keys.len()).finish()
    }
}

impl AuthConfig {
    /// The type of Authentication Section.
    #[must_use]
    pub const fn auth_type(&self) -> AuthType {
        match (self.digest, self.meticulous) {
            (None, _) => AuthType::SIMPLE_PASSWORD,
            (Some(Digest::Md5(_)), false) => AuthType::KEYED_MD5,
            (Some(Digest::Md5(_)), true) => AuthType::METICULOUS_KEYED_MD5,
            (Some(Digest::Sha1(_)), false) => AuthType::KEYED_SHA1,
            (Some(Digest::Sha1(_)), true) => AuthType::METICULOUS_KEYED_SHA1,
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let most = if matches!(self.digest, Some(Digest::Sha1(_))) { 20 } else { 16 };
        if self.keys.is_empty() {
            return Err(ConfigError::Combination { field: "keys", rule: "one at least" });
        }
        match self.keys.iter().map(|(_, key)| key.len()).find(|len| !(1..=most).contains(len)) {
            Some(len) => Err(ConfigError::Length { field: "keys", len, rule: "1 to 16 octets, of SHA1 20" }),
            None => Ok(()),
        }
    }
}

/// One session.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// What it watches.
    pub path: Path,
    /// How often we would like to send once the session is up: 1 µs to 2^32 - 1 µs. Default 100 ms.
    pub desired_min_tx: Duration,
    /// How often we take packets, at most 2^32 - 1 µs; zero: no periodic packets. Default 100 ms. Heads have the time in
    /// [`Path::Head`], initiators have zero.
    pub required_min_rx: Duration,
    /// So many packets may miss in a row before the session fails. Default 3.
    pub detect_mult: NonZeroU8,
    /// Send nothing until the peer has sent something. Default off.
    pub passive: bool,
    /// Ask the peer for silence while the session is up (RFC 5880 §6.6); then [`super::Bfd::poll`] verifies it. Default off.
    pub demand: bool,
    /// Authentication. Default none.
    pub auth: Option<AuthConfig>,
    /// Start disabled. Default off.
    pub disabled: bool,
}

impl SessionConfig {
    /// A session with defaults.
    #[must_use]
    pub const fn new(path: Path) -> Self {
        Self {
            path,
            desired_min_tx: Duration::from_millis(100),
            required_min_rx: Duration::from_millis(100),
            detect_mult: NonZeroU8::MIN.saturating_add(2),
            passive: false,
            demand: false,
            auth: None,
            disabled: false,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let rule = "at most 2^32 - 1 µs";
        let report = match self.path {
            Path::Head { report, .. } => report.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let times =
            [("desired_min_tx", self.desired_min_tx), ("required_min_rx", self.required_min_rx), ("report", report)];
        for (field, value) in times {
            if value.as_micros() > u128::from(u32::MAX) {
                return Err(ConfigError::Time { field, value, rule });
            }
        }
        if self.desired_min_tx.as_micros() == 0 {
            let value = self.desired_min_tx;
            return Err(ConfigError::Time { field: "desired_min_tx", value, rule: "1 µs or more" });
        }
        if self.demand && !matches!(self.path, Path::SingleHop { .. } | Path::MultiHop { .. }) {
            let rule = "only over links and routed paths (RFC 5884 §6, RFC 5885 §3.1)";
            return Err(ConfigError::Combination { field: "demand", rule });
        }
        if self.auth.is_some() && matches!(self.path, Path::Reflector { .. }) {
            return Err(ConfigError::Combination { field: "auth", rule: "not with reflectors, which keep no state" });
        }
        self.auth.as_ref().map_or(Ok(()), AuthConfig::validate)
    }
}

/// BFD on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BfdConfig {
    /// Seed of discriminators, jitter and delays.
    pub seed: u64,
    /// Sessions that there may be, at most; those of dynamic tails count. Default 4,096.
    pub max_sessions: usize,
    /// Make a session for each head that is heard on a tree which [`super::Bfd::set_tree`] named (RFC 8562 §5.6), at most so
    /// many. Default 256.
    pub max_dynamic_tails: usize,
    /// How long such a session stays when it is down. Default 60 s.
    pub dynamic_tail_hold: Duration,
    /// Tails that a head keeps track of, at most (RFC 8563 §6.6). Default 1,024.
    pub max_clients: usize,
    /// Replies of reflectors that may wait for [`super::Bfd::poll_output`], at most. Default 64.
    pub max_reflected: usize,
}

impl Default for BfdConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            max_sessions: 4096,
            max_dynamic_tails: 256,
            dynamic_tail_hold: Duration::from_secs(60),
            max_clients: 1024,
            max_reflected: 64,
        }
    }
}

/// A reflector (RFC 7880 §7.2): it answers whoever asks for its discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflector {
    /// How often it takes packets, at most 2^32 - 1 µs.
    pub required_min_rx: Duration,
    /// What it stands for is in service; else it answers AdminDown.
    pub in_service: bool,
}
