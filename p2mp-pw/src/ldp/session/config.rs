//! What an operator says about a session.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use super::super::capability::{Capability, FaultTolerance, FtFlags};
use super::super::tlv::{Tlv, TlvType, TlvValue};
use super::super::{LdpId, Pdu};

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
    /// A number outside its range.
    #[error("{field}: {value} is not allowed: {rule}")]
    Number {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: u32,
        /// What is allowed.
        rule: &'static str,
    },
    /// Addresses that cannot be compared or are the same.
    #[error("{field}: {value} is not allowed: {rule}")]
    Address {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: IpAddr,
        /// What is allowed.
        rule: &'static str,
    },
}

/// How labels are advertised (RFC 5036 §2.6.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdvertisementDiscipline {
    /// Without being asked.
    #[default]
    DownstreamUnsolicited,
    /// On request.
    DownstreamOnDemand,
}

/// Graceful restart (RFC 3478 §2). The forwarding plane outlives the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// How long the peer should wait for us, at most 2^32 - 1 ms. Default 120 s.
    pub reconnect: Duration,
    /// How long we keep forwarding state after a restart, at most 2^32 - 1 ms; sent as zero until [`Self::restarted`].
    /// Default 120 s.
    pub recovery: Duration,
    /// Our control plane restarted and the forwarding state is still there.
    pub restarted: bool,
}

impl Default for GracefulRestart {
    fn default() -> Self {
        let project = Duration::from_secs(120);
        Self { reconnect: project, recovery: project, restarted: false }
    }
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Our label space.
    pub local: LdpId,
    /// The peer's label space, as its Hellos say.
    pub peer: LdpId,
    /// Our end of the TCP connection. The larger of both addresses is active (RFC 5036 §2.5.2).
    pub local_transport: IpAddr,
    /// The peer's end.
    pub peer_transport: IpAddr,
    /// Proposed KeepAlive time, 1 s to 65,535 s in whole seconds. Default 180 s.
    pub keepalive: Duration,
    /// Proposed maximum PDU length in octets: 256 to 65,535. Default 4096.
    pub max_pdu_length: u16,
    /// The discipline that we propose; Unsolicited wins over On Demand.
    pub discipline: AdvertisementDiscipline,
    /// Loop detection by path vectors of at most so many LSRs, 1 to 255. Default none.
    pub path_vector_limit: Option<u8>,
    /// Capabilities to advertise, by type; of P2MP PW the data is one octet of zero.
    pub capabilities: Vec<(TlvType, Capability)>,
    /// Graceful restart. Default none.
    pub graceful_restart: Option<GracefulRestart>,
    /// How long the TCP connection and each message of initialization may take. Default 15 s.
    pub initialization: Duration,
    /// The first delay after a refused Initialization: 15 s or more (RFC 5036 §2.5.3). Default 15 s.
    pub backoff: Duration,
    /// What the delay grows to by doubling: 120 s or more. Default 120 s.
    pub max_backoff: Duration,
}

impl SessionConfig {
    /// A session with defaults.
    #[must_use]
    pub const fn new(local: LdpId, peer: LdpId, local_transport: IpAddr, peer_transport: IpAddr) -> Self {
        Self {
            local,
            peer,
            local_transport,
            peer_transport,
            keepalive: Duration::from_secs(180),
            max_pdu_length: Pdu::DEFAULT_MAX_LEN,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            path_vector_limit: None,
            capabilities: Vec::new(),
            graceful_restart: None,
            initialization: Duration::from_secs(15),
            backoff: Duration::from_secs(15),
            max_backoff: Duration::from_secs(120),
        }
    }

    /// Whether we open the TCP connection.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.local_transport > self.peer_transport
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let time = |field, value: Duration, ok: bool, rule| {
            if ok { Ok(()) } else { Err(ConfigError::Time { field, value, rule }) }
        };
        let keepalive = self.keepalive;
        let whole = keepalive.subsec_nanos() == 0 && (1..=65_535).contains(&keepalive.as_secs());
        time("keepalive", keepalive, whole, "1 to 65,535 whole seconds")?;
        time("initialization", self.initialization, self.initialization >= Duration::from_secs(1), "1 s or more")?;
        time("backoff", self.backoff, self.backoff >= Duration::from_secs(15), "15 s or more (RFC 5036 §2.5.3)")?;
        let max = self.max_backoff;
        let rule = "120 s or more, and not below backoff (RFC 5036 §2.5.3)";
        time("max_backoff", max, max >= Duration::from_secs(120).max(self.backoff), rule)?;
        if self.max_pdu_length < 256 {
            let value = self.max_pdu_length.into();
            return Err(ConfigError::Number { field: "max_pdu_length", value, rule: "256 or more (RFC 5036 §3.5.3)" });
        }
        if self.path_vector_limit == Some(0) {
            return Err(ConfigError::Number { field: "path_vector_limit", value: 0, rule: "1 or more" });
        }
        if let Some(restart) = self.graceful_restart {
            for (field, value) in [("reconnect", restart.reconnect), ("recovery", restart.recovery)] {
                time(field, value, value.as_millis() <= u128::from(u32::MAX), "at most 2^32 - 1 ms")?;
            }
        }
        let (a, b) = (self.local_transport, self.peer_transport);
        if a.is_ipv4() != b.is_ipv4() || a == b {
            let rule = "of the family of local_transport, and another address";
            return Err(ConfigError::Address { field: "peer_transport", value: b, rule });
        }
        Ok(())
    }

    /// The optional parameters of our Initialization.
    pub(super) fn optional(&self) -> Vec<Tlv> {
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let restart = self.graceful_restart.map(|restart| {
            TlvValue::FtSession(FaultTolerance {
                flags: FtFlags::LEARN,
                reconnect_timeout_ms: ms(restart.reconnect),
                recovery_time_ms: if restart.restarted { ms(restart.recovery) } else { 0 },
            })
        });
        let capabilities = self.capabilities.iter().map(|(code, value)| TlvValue::Capability(*code, value.clone()));
        restart.into_iter().chain(capabilities).map(Tlv::new).collect()
    }
}
