//! What configuration is refused: an architecture that does not do what is asked, and policies that standard selectors cannot tell
//! apart (draft-duffy §5.2, §6; ruling G-30).

use fwd_core::net::Label;
use fwd_core::op::Ends;

use super::config::{ConfigError, LinkConfig, PeerConfig, PeerKind, Security};
use super::machine::VirtualLinks;
use crate::arch::{Architecture, CeProfile, Clear, Count, addresses};

/// The architectures whose associations alone say the link.
const BY_SPI: [Architecture; 2] = [Architecture::TunnelSa, Architecture::SharedIpip];

/// The addresses of a link.
const fn ends_of(peer: &PeerConfig, cfg: &LinkConfig) -> Result<Ends, ConfigError> {
    if matches!(cfg.architecture.properties().addresses, Count::PerLink) {
        return match cfg.ends {
            Some(ends) => Ok(ends),
            None => Err(ConfigError::Ends),
        };
    }
    match (cfg.security, peer.clear) {
        (Security::Clear, Some(clear)) => Ok(clear),
        _ => Ok(peer.protected),
    }
}

impl VirtualLinks {
    /// Links of an architecture between these addresses: those that are protected, those that are not.
    pub(super) fn between(&self, architecture: Architecture, ends: &Ends) -> (usize, usize) {
        let (local, remote) = addresses(ends);
        let pair = self.pairs.get(&(architecture, local, remote));
        pair.map_or((0, 0), |p| (p.of(Security::Integrity).saturating_add(p.of(Security::Esp)), p.of(Security::Clear)))
    }

    /// Whether the links between these addresses, but for one of the policy `but`, can do with another one of this policy: what
    /// they share has one.
    pub(super) fn is_of_policy(
        &self,
        architecture: Architecture,
        ends: &Ends,
        policy: Security,
        but: Option<Security>,
    ) -> bool {
        let (local, remote) = addresses(ends);
        let Some(pair) = self.pairs.get(&(architecture, local, remote)) else { return true };
        let shares = architecture.properties().child_sas == Count::One;
        let agrees = |other: Security| {
            let fits = if shares { other == policy } else { other.protects() == policy.protects() };
            fits || policy == Security::Discard || pair.of(other) == usize::from(but == Some(other))
        };
        [Security::Clear, Security::Integrity, Security::Esp].into_iter().all(agrees)
    }

    pub(super) fn check(&self, cfg: &LinkConfig) -> Result<Ends, ConfigError> {
        let peer = &self.peer(cfg.peer).ok_or(ConfigError::Peer)?.cfg;
        let properties = cfg.architecture.properties();
        let is_clear = cfg.security == Security::Clear;
        if is_clear && properties.clear == Clear::Never {
            return Err(ConfigError::RequiresIpsec);
        }
        if cfg.architecture == Architecture::L2tp && peer.l2tp.is_none() {
            return Err(ConfigError::L2tp);
        }
        let ends = ends_of(peer, cfg)?;
        if self.names.contains_key(&(cfg.peer, cfg.vpn, cfg.index)) {
            return Err(ConfigError::Index);
        }
        self.check_addresses(cfg, &ends)?;
        // One tunnel, one policy: selectors see the outer packet only.
        if !self.is_of_policy(cfg.architecture, &ends, cfg.security, None) {
            return Err(ConfigError::OnePolicyPerPair);
        }
        let (protected, clear) = self.between(cfg.architecture, &ends);
        if peer.kind == PeerKind::Ce {
            check_ce(cfg, peer.default_vpn == Some(cfg.vpn), protected.saturating_add(clear) > 0)?;
        } else if properties.ike_extension && cfg.security.protects() && !peer.says_context {
            let another = BY_SPI.iter().any(|architecture| self.between(*architecture, &ends).0 > 0);
            let by_convention = cfg.architecture == Architecture::SharedIpip && peer.convention == Some(cfg.vpn);
            if another || peer.default_vpn != Some(cfg.vpn) && !by_convention {
                return Err(ConfigError::NeedsContext);
            }
        }
        let deletes = self.peer(cfg.peer).is_some_and(|peer| peer.deletes_duplicates);
        if deletes && properties.ike_extension && cfg.security.protects() && protected > 0 {
            return Err(ConfigError::Duplicates);
        }
        if cfg.architecture == Architecture::Mpls {
            let is_label = |key: Option<u32>| key.is_none_or(|key| Label::new(key).is_some_and(|l| l.value() > 15));
            if !is_label(cfg.remote_key) || !is_label(cfg.local_key) {
                return Err(ConfigError::Label);
            }
        }
        // The largest headers, and something behind them.
        let headers = crate::arch::outer_header(&ends).saturating_add(u16::from(peer.esp_overhead)).saturating_add(32);
        if peer.path_mtu <= headers {
            return Err(ConfigError::Mtu);
        }
        Ok(ends)
    }

    /// What only the addresses tell apart has addresses of its own.
    fn check_addresses(&self, cfg: &LinkConfig, ends: &Ends) -> Result<(), ConfigError> {
        if cfg.architecture != Architecture::DistinctIpip && !BY_SPI.contains(&cfg.architecture) {
            return Ok(());
        }
        let (distinct, distinct_clear) = self.between(Architecture::DistinctIpip, ends);
        let clear_shared = self.between(Architecture::SharedIpip, ends).1;
        let known_by_spi: usize = BY_SPI.iter().map(|architecture| self.between(*architecture, ends).0).sum();
        let is_clear_shared = cfg.architecture == Architecture::SharedIpip && cfg.security == Security::Clear;
        let is_distinct = cfg.architecture == Architecture::DistinctIpip;
        let by_address = distinct.saturating_add(distinct_clear).saturating_add(clear_shared);
        if is_clear_shared && by_address > 0 {
            // RFC 2003 has nothing that would tell a second one.
            return Err(ConfigError::RequiresIpsec);
        }
        if by_address > 0 || (is_distinct || is_clear_shared) && known_by_spi > 0 {
            return Err(ConfigError::AddressPairTaken);
        }
        Ok(())
    }
}

/// What a CE can do: one context, without extension; by 6.3 one for each pair of addresses.
fn check_ce(cfg: &LinkConfig, is_its_vpn: bool, has_another: bool) -> Result<(), ConfigError> {
    if cfg.architecture == Architecture::DistinctIpip {
        return Ok(());
    }
    let fits = match cfg.architecture.properties().ce {
        CeProfile::No => false,
        CeProfile::UnkeyedGre => cfg.local_key.is_none() && cfg.remote_key.is_none(),
        CeProfile::WildcardTunnelMode | CeProfile::L2tpClient | CeProfile::Yes => true,
    };
    if fits && is_its_vpn && !has_another { Ok(()) } else { Err(ConfigError::Ce) }
}
