//! How a peer's connection is protected: what the embedder asks of TCP before it connects or listens (RFC 2385, RFC 5925, RFC 5082).

use alloc::string::ToString;

pub use fwd_core::net::Authentication;

use super::ConfigError;

/// The options of a peer's connections.
///
/// They are the embedder's to carry out: on [`Output::Connect`](crate::speaker::Output), and before it takes a connection of the peer's. A connection
/// that cannot be had so is not to be reported as connected: there is no session without the protection that was asked for. A TCP that has no
/// TCP-AO gets it of [`fwd_core::tcp_ao`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// How segments are authenticated. Default not at all.
    pub authentication: Option<Authentication>,
    /// Hops that the peer is away at most, 1 to 255 (GTSM, RFC 5082 §3): packets leave with TTL 255, and those that arrive with less than 256
    /// minus this are dropped. Default: any TTL is taken.
    pub hops: Option<u8>,
}

impl Protection {
    /// The least TTL of the peer's packets, where there is one.
    #[must_use]
    pub fn least_ttl(&self) -> Option<u8> {
        self.hops.map(|hops| u8::MAX - hops.saturating_sub(1))
    }

    /// Checks the options.
    ///
    /// # Errors
    /// A key without octets or with too many; no hops.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(how) = self.authentication.as_ref().filter(|how| !how.is_valid()) {
            let (value, rule) = (how.key().len().to_string(), "a key of 1 to 80 octets");
            return Err(ConfigError::Value { field: "authentication", value, rule });
        }
        if self.hops == Some(0) {
            return Err(ConfigError::Value { field: "hops", value: "0".into(), rule: "1 to 255" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let ao = |key: &[u8]| Protection {
            authentication: Some(Authentication::Ao { key: key.to_vec(), id: 3 }),
            ..Protection::default()
        };
        assert!(ao(b"secret").validate().is_ok() && ao(&[1; 80]).validate().is_ok());
        assert!(ao(b"").validate().is_err() && ao(&[1; 81]).validate().is_err());
        let hops = |n| Protection { hops: Some(n), ..Protection::default() };
        assert!(hops(0).validate().is_err());
        assert_eq!([1, 2, 255].map(|n| hops(n).least_ttl()), [Some(255), Some(254), Some(1)]);
        assert_eq!(Protection::default().least_ttl(), None);
    }
}
