//! What two speakers agreed on: the one context every message is read and written in.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use core::net::Ipv4Addr;
use core::time::Duration;

use smallvec::SmallVec;

use super::config::PeerConfig;
use crate::message::capability::{
    AddPath, Capability, ExtendedNextHop, MultipleLabels, RestartFamilyFlags, RestartFlags,
};
use crate::message::{ErrorCode, Header, Notification, Open, Parameter, subcode};
use crate::nlri::{Family, NlriFormat};

/// Whether the peer belongs to our AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// Same AS: IBGP.
    Internal,
    /// Another AS: EBGP.
    External,
}

/// What the peer said about its own restarts (RFC 4724 §3), to be kept while the session is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRestart {
    /// R: the peer has restarted; nobody waits for its End-of-RIB.
    pub restarted: bool,
    /// N: the peer's restarts include NOTIFICATIONs and hold timer expiry (RFC 8538 §2).
    pub notification: bool,
    /// How long stale routes are kept for the session to come back. 0 to 4,095 s.
    pub time: Duration,
    /// Families whose routes are kept, each with F: whether the peer preserved its forwarding state. Empty: the peer
    /// only sends End-of-RIB, and helps us.
    pub families: SmallVec<[(Family, bool); 4]>,
}

/// What the peer said about one family's routes while it stays away for long (RFC 9494 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLongLived {
    /// The family.
    pub family: Family,
    /// F: the peer preserved its forwarding state.
    pub forwarding: bool,
    /// How long stale routes are kept once the restart time is over.
    pub time: Duration,
}

/// The outcome of capability negotiation (RFC 5492) on one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Whether the peer belongs to our AS.
    pub peer_kind: PeerKind,
    /// The peer's AS number.
    pub peer_as: u32,
    /// The peer's BGP identifier.
    pub peer_identifier: Ipv4Addr,
    /// The smaller of the offered hold times; zero: neither keepalives nor a hold timer.
    pub hold_time: Duration,
    /// Both speakers have 4-octet AS numbers (RFC 6793): AS_PATH and AGGREGATOR carry four octets each.
    pub four_octet_as: bool,
    /// The longest message we send: 4,096 octets, or 65,535 if both offered RFC 8654. The peer's offer alone would do
    /// (RFC 8654 §4), but FRR 8.4 takes long messages only from a speaker that made the offer itself.
    pub max_message_len: usize,
    /// The longest message we accept: 4,096 octets, or 65,535 if we offered RFC 8654, whatever the peer offered
    /// (RFC 8654 §4).
    pub max_receive_len: usize,
    /// Families that both speakers support.
    pub families: SmallVec<[Family; 8]>,
    /// Families in which the peer sends path identifiers (RFC 7911).
    pub add_path_receive: SmallVec<[Family; 2]>,
    /// Families in which we send path identifiers.
    pub add_path_send: SmallVec<[Family; 2]>,
    /// Families in which NLRI may carry several labels, both ways (RFC 8277 §2.1).
    pub multiple_labels: SmallVec<[Family; 2]>,
    /// For each of these families, the labels that we take and that the peer takes from one NLRI; 255 is no limit. More
    /// received than we take is treat-as-withdraw (RFC 8277 §2.1).
    pub label_counts: SmallVec<[(Family, u8, u8); 2]>,
    /// IPv4 families that accept IPv6 next hops (RFC 8950).
    pub extended_next_hop: SmallVec<[Family; 2]>,
    /// The peer takes ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// Both mark begin and end of a refresh (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// What the peer said about its restarts; `None`: it does not know graceful restart, and may send no End-of-RIB.
    pub peer_restart: Option<PeerRestart>,
    /// Families for which both offered long-lived graceful restart (RFC 9494), beside graceful restart.
    pub long_lived: SmallVec<[PeerLongLived; 2]>,
    /// The peer knows what LLGR_STALE means: it offered long-lived graceful restart for whatever families.
    pub long_lived_known: bool,
    /// Both said that NOTIFICATIONs do not end graceful restart (RFC 8538 §2).
    pub notification_restart: bool,
}

impl Negotiated {
    /// A session that agreed on nothing: IPv4 unicast between 2-octet AS speakers, hold time 90 s.
    #[must_use]
    pub fn baseline(peer_kind: PeerKind) -> Self {
        Self {
            peer_kind,
            peer_as: 0,
            peer_identifier: Ipv4Addr::UNSPECIFIED,
            hold_time: Duration::from_secs(90),
            four_octet_as: false,
            max_message_len: Header::MAX_MESSAGE_LEN,
            max_receive_len: Header::MAX_MESSAGE_LEN,
            families: SmallVec::from_slice(&[Family::IPV4_UNICAST]),
            add_path_receive: SmallVec::new(),
            add_path_send: SmallVec::new(),
            multiple_labels: SmallVec::new(),
            label_counts: SmallVec::new(),
            extended_next_hop: SmallVec::new(),
            route_refresh: false,
            enhanced_route_refresh: false,
            peer_restart: None,
            long_lived: SmallVec::new(),
            long_lived_known: false,
            notification_restart: false,
        }
    }

    /// What follows from the OPEN we sent and the one the peer sent.
    ///
    /// # Errors
    /// The NOTIFICATION that refuses the peer's OPEN (RFC 4271 §6.2, RFC 5492 §5, RFC 6286 §2.2): another version, another
    /// AS than configured, an identifier of zero or equal to ours inside one AS, a hold time of one or two seconds, an
    /// unknown optional parameter, no common family.
    pub fn from_opens(local: &Open, peer: &Open, config: &PeerConfig) -> Result<Self, Notification> {
        let peer_kind = if local.asn() == config.remote_as { PeerKind::Internal } else { PeerKind::External };
        check_open(local, peer, peer_kind, config)?;
        let (ours, theirs) = (families(local), families(peer));
        let families: SmallVec<[Family; 8]> = ours.iter().filter(|f| theirs.contains(f)).copied().collect();
        if families.is_empty() {
            return Err(no_common_family(&ours));
        }
        let hold_time = Duration::from_secs(u64::from(local.hold_time.min(peer.hold_time)));
        let extended = |open| if has(open, &Capability::ExtendedMessage) { Header::MAX_EXTENDED_LEN } else { 4096 };
        let add_path = |receiver, sender| {
            let both = |f: &&Family| {
                add_path(receiver, **f).is_some_and(|a| a.mode.receives())
                    && add_path(sender, **f).is_some_and(|a| a.mode.sends())
            };
            families.iter().filter(both).copied().collect()
        };
        let label_counts: SmallVec<[(Family, u8, u8); 2]> =
            families.iter().filter_map(|f| Some((*f, label_count(local, *f)?, label_count(peer, *f)?))).collect();
        let ipv6_next_hop = |f: &&Family| accepts_ipv6_next_hop(local, **f) && accepts_ipv6_next_hop(peer, **f);
        let peer_restart = restart(peer);
        let notification_restart =
            restart(local).is_some_and(|r| r.notification) && peer_restart.as_ref().is_some_and(|r| r.notification);
        Ok(Self {
            peer_kind,
            peer_as: peer.asn(),
            peer_identifier: peer.identifier,
            hold_time,
            four_octet_as: local.four_octet_as() && peer.four_octet_as(),
            max_message_len: extended(local).min(extended(peer)),
            max_receive_len: extended(local),
            add_path_receive: add_path(local, peer),
            add_path_send: add_path(peer, local),
            multiple_labels: label_counts.iter().map(|(f, ..)| *f).collect(),
            label_counts,
            extended_next_hop: families.iter().filter(ipv6_next_hop).copied().collect(),
            route_refresh: has(peer, &Capability::RouteRefresh) || has(peer, &Capability::RouteRefreshPreStandard),
            enhanced_route_refresh: has(local, &Capability::EnhancedRouteRefresh)
                && has(peer, &Capability::EnhancedRouteRefresh),
            long_lived: long_lived(local, peer).into_iter().filter(|l| families.contains(&l.family)).collect(),
            long_lived_known: peer_restart.is_some()
                && peer.capabilities().any(|c| matches!(c, Capability::LongLivedGracefulRestart(_))),
            families,
            peer_restart,
            notification_restart,
        })
    }

    /// How to read NLRI of this family.
    #[inline]
    #[must_use]
    pub fn receive_format(&self, family: Family) -> NlriFormat {
        NlriFormat {
            add_path: self.add_path_receive.contains(&family),
            multiple_labels: self.multiple_labels.contains(&family),
        }
    }

    /// How to write NLRI of this family.
    #[inline]
    #[must_use]
    pub fn send_format(&self, family: Family) -> NlriFormat {
        NlriFormat {
            add_path: self.add_path_send.contains(&family),
            multiple_labels: self.multiple_labels.contains(&family),
        }
    }

    /// The most labels of this family that the peer takes from one NLRI: 1, or what it offered (RFC 8277 §2.1).
    #[must_use]
    pub fn max_labels_sent(&self, family: Family) -> u8 {
        self.label_counts.iter().find(|(f, ..)| *f == family).map_or(1, |(_, _, theirs)| *theirs)
    }

    /// The most labels of this family that we take from one NLRI.
    #[must_use]
    pub fn max_labels_received(&self, family: Family) -> u8 {
        self.label_counts.iter().find(|(f, ..)| *f == family).map_or(1, |(_, ours, _)| *ours)
    }

    /// Whether the peer asked that routes of some family be kept while it restarts (RFC 4724 §4.2) or stays away (RFC 9494 §4.2).
    #[must_use]
    pub fn peer_restarts(&self) -> bool {
        self.peer_restart.as_ref().is_some_and(|r| !r.families.is_empty()) || !self.long_lived.is_empty()
    }
}

fn open_error(sub: u8, data: &[u8]) -> Notification {
    Notification::with_data(ErrorCode::OPEN, sub, data)
}

/// RFC 4271 §6.2 as far as the fields go.
fn check_open(local: &Open, peer: &Open, kind: PeerKind, config: &PeerConfig) -> Result<(), Notification> {
    if peer.version != Open::VERSION {
        // The only version supported is both the largest below and the smallest above.
        return Err(open_error(subcode::open::UNSUPPORTED_VERSION_NUMBER, &u16::from(Open::VERSION).to_be_bytes()));
    }
    // RFC 6793 §4.1: the capability's number counts; several that differ name no AS. AS 0: RFC 7607 §2. AS_TRANS is
    // nobody's AS, and stands in the two-octet field only (RFC 6793 §9); config.remote_as is neither.
    let mut numbers = peer.capabilities().filter_map(|c| match c {
        Capability::FourOctetAs(asn) => Some(*asn),
        _ => None,
    });
    if peer.asn() != config.remote_as || numbers.any(|asn| asn != peer.asn()) {
        return Err(open_error(subcode::open::BAD_PEER_AS, &[]));
    }
    let same = kind == PeerKind::Internal && peer.identifier == local.identifier;
    if peer.identifier.is_unspecified() || same {
        return Err(open_error(subcode::open::BAD_BGP_IDENTIFIER, &[]));
    }
    if matches!(peer.hold_time, 1 | 2) {
        return Err(open_error(subcode::open::UNACCEPTABLE_HOLD_TIME, &[]));
    }
    if peer.parameters().iter().any(|p| matches!(p, Parameter::Other { .. })) {
        return Err(open_error(subcode::open::UNSUPPORTED_OPTIONAL_PARAMETER, &[]));
    }
    Ok(())
}

/// RFC 5492 §5: the data are the capabilities that we require.
fn no_common_family(ours: &[Family]) -> Notification {
    let mut data = alloc::vec::Vec::new();
    ours.iter().for_each(|f| Capability::Multiprotocol(*f).emit(&mut data));
    open_error(subcode::open::UNSUPPORTED_CAPABILITY, &data)
}

fn has(open: &Open, capability: &Capability) -> bool {
    open.capabilities().any(|c| c == capability)
}

/// The families of an OPEN: those of its multiprotocol capabilities; without any, IPv4 unicast.
fn families(open: &Open) -> SmallVec<[Family; 8]> {
    let mut families = SmallVec::new();
    for c in open.capabilities() {
        match c {
            Capability::Multiprotocol(f) if !families.contains(f) => families.push(*f),
            _ => {}
        }
    }
    if families.is_empty() {
        families.push(Family::IPV4_UNICAST);
    }
    families
}

fn add_path(open: &Open, family: Family) -> Option<AddPath> {
    open.capabilities().find_map(|c| match c {
        Capability::AddPath(list) => list.iter().find(|a| a.family == family).copied(),
        _ => None,
    })
}

/// The label count for a family: of the first copy of the capability, the first entry that counts (RFC 8277 §2.1).
fn label_count(open: &Open, family: Family) -> Option<u8> {
    let list = open.capabilities().find_map(|c| match c {
        Capability::MultipleLabels(list) => Some(list),
        _ => None,
    })?;
    list.iter().filter(|l: &&MultipleLabels| l.count > 1).find(|l| l.family == family).map(|l| l.count)
}

fn accepts_ipv6_next_hop(open: &Open, family: Family) -> bool {
    open.capabilities().any(|c| match c {
        Capability::ExtendedNextHop(list) => list.iter().any(|e: &ExtendedNextHop| e.family() == Some(family)),
        _ => false,
    })
}

/// The graceful restart capability: the last instance counts (RFC 4724 §3).
fn restart(open: &Open) -> Option<PeerRestart> {
    let capability = open.capabilities().filter_map(|c| match c {
        Capability::GracefulRestart(g) => Some(g),
        _ => None,
    });
    capability.last().map(|g| PeerRestart {
        restarted: g.flags.contains(RestartFlags::RESTARTED),
        notification: g.flags.contains(RestartFlags::NOTIFICATION),
        time: Duration::from_secs(u64::from(g.time())),
        families: g.families.iter().map(|f| (f.family, f.flags.contains(RestartFamilyFlags::FORWARDING))).collect(),
    })
}

/// What the peer said of the families for which both offered long-lived graceful restart; it counts beside graceful restart only
/// (RFC 9494 §3.1).
fn long_lived(local: &Open, peer: &Open) -> SmallVec<[PeerLongLived; 2]> {
    let list = |open: &Open| {
        let lists = open.capabilities().filter_map(|c| match c {
            Capability::LongLivedGracefulRestart(list) if restart(open).is_some() => Some(list.clone()),
            _ => None,
        });
        lists.last()
    };
    let (Some(ours), Some(theirs)) = (list(local), list(peer)) else { return SmallVec::new() };
    let both = theirs.iter().filter(|l| ours.iter().any(|o| o.family == l.family));
    both.map(|l| PeerLongLived {
        family: l.family,
        forwarding: l.flags.contains(RestartFamilyFlags::FORWARDING),
        time: l.time(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::{Entries, SendReceive};
    use alloc::vec::Vec;

    const LABELED: Family = Family::IPV4_LABELED_UNICAST;

    fn config() -> PeerConfig {
        let ip = |n| core::net::IpAddr::from([192, 0, 2, n]);
        PeerConfig::new(ip(2), ip(1), 65002, &[])
    }

    fn open(asn: u32, hold_time: u16, capabilities: &[Capability]) -> Open {
        let mut all: Vec<_> =
            [Family::VPN_IPV4, Family::VPN_IPV6, LABELED].into_iter().map(Capability::Multiprotocol).collect();
        all.extend_from_slice(capabilities);
        Open::new(asn, hold_time, Ipv4Addr::from(asn), all).unwrap()
    }

    fn agree(ours: &[Capability], theirs: &[Capability]) -> Negotiated {
        Negotiated::from_opens(&open(65001, 90, ours), &open(65002, 30, theirs), &config()).unwrap()
    }

    /// Shows: L3VPN-8.1-12
    #[test]
    fn add_path_needs_a_receiver_and_a_sender() {
        let paths = |list: &[(Family, u8)]| {
            let list: Vec<_> =
                list.iter().map(|(family, m)| AddPath { family: *family, mode: SendReceive(*m) }).collect();
            [Capability::AddPath(Entries::new(&list).unwrap())]
        };
        let (four, six) = (Family::VPN_IPV4, Family::VPN_IPV6);
        let agreed = agree(&paths(&[(four, 1), (six, 3), (LABELED, 2)]), &paths(&[(four, 3), (six, 1), (LABELED, 2)]));
        assert_eq!((&agreed.add_path_receive[..], &agreed.add_path_send[..]), (&[four][..], &[six][..]));
        assert!(agreed.receive_format(four).add_path && !agreed.send_format(four).add_path);
        let ignored = agree(&paths(&[(four, 3)]), &paths(&[(four, 4)]));
        assert!(ignored.add_path_receive.is_empty() && ignored.add_path_send.is_empty(), "any other value is ignored");
    }

    /// Shows: L3VPN-8.1-9
    #[test]
    fn multiple_labels_need_both_and_count_above_one() {
        let labels = |list: &[(Family, u8)]| {
            let list: Vec<_> =
                list.iter().map(|(family, count)| MultipleLabels { family: *family, count: *count }).collect();
            Capability::MultipleLabels(Entries::new(&list).unwrap())
        };
        let (four, six) = (Family::VPN_IPV4, Family::VPN_IPV6);
        let ours = [labels(&[(four, 3), (six, 2), (LABELED, 8)])];
        // Of one family the first entry that counts, of one OPEN the first copy.
        let theirs = [labels(&[(four, 0), (four, 5), (four, 7), (six, 1), (LABELED, 255)]), labels(&[(six, 4)])];
        let agreed = agree(&ours, &theirs);
        assert_eq!(agreed.multiple_labels[..], [four, LABELED]);
        assert_eq!([four, six, LABELED].map(|f| agreed.max_labels_received(f)), [3, 1, 8]);
        assert_eq!([four, six, LABELED].map(|f| agreed.max_labels_sent(f)), [5, 1, 255]);
        assert!(agree(&ours, &[]).multiple_labels.is_empty());
    }

    /// Shows: L3VPN-8.1-8
    #[test]
    fn extended_next_hops_need_both() {
        let ipv6 = |families: &[Family]| {
            let list: Vec<_> = families.iter().map(|f| ExtendedNextHop::ipv6(*f)).collect();
            [Capability::ExtendedNextHop(Entries::new(&list).unwrap())]
        };
        let agreed = agree(&ipv6(&[Family::VPN_IPV4, LABELED]), &ipv6(&[Family::VPN_IPV4, Family::VPN_IPV6]));
        assert_eq!(agreed.extended_next_hop[..], [Family::VPN_IPV4]);
    }

    /// Shows: L3VPN-8.1-6
    #[test]
    fn refresh_depends_on_the_peer_and_its_marks_on_both() {
        let (plain, old, enhanced) =
            (Capability::RouteRefresh, Capability::RouteRefreshPreStandard, Capability::EnhancedRouteRefresh);
        let got = |ours: &[Capability], theirs: &[Capability]| {
            let agreed = agree(ours, theirs);
            (agreed.route_refresh, agreed.enhanced_route_refresh)
        };
        assert_eq!(got(&[plain.clone(), enhanced.clone()], &[]), (false, false));
        assert_eq!(got(&[], &[plain.clone(), enhanced.clone()]), (true, false));
        assert_eq!(got(core::slice::from_ref(&enhanced), &[old, enhanced.clone()]), (true, true));
    }

    /// Shows: L3VPN-8.1-10
    #[test]
    fn the_last_graceful_restart_capability_counts() {
        use crate::message::capability::{FamilyRestart, GracefulRestart};
        let restart = |flags, time, families: &[FamilyRestart]| {
            Capability::GracefulRestart(GracefulRestart::new(flags, time, Entries::new(families).unwrap()).unwrap())
        };
        let kept = FamilyRestart { family: Family::VPN_IPV4, flags: RestartFamilyFlags::FORWARDING };
        let lost = FamilyRestart { family: Family::VPN_IPV6, flags: RestartFamilyFlags::empty() };
        let both = RestartFlags::RESTARTED | RestartFlags::NOTIFICATION;
        let theirs = [restart(RestartFlags::empty(), 7, &[]), restart(both, 120, &[kept, lost])];
        let agreed = agree(&[restart(RestartFlags::NOTIFICATION, 0, &[])], &theirs);
        let peer = agreed.peer_restart.clone().unwrap();
        assert_eq!((peer.restarted, peer.notification, peer.time), (true, true, Duration::from_secs(120)));
        assert_eq!(peer.families[..], [(Family::VPN_IPV4, true), (Family::VPN_IPV6, false)]);
        assert!(agreed.notification_restart && agreed.peer_restarts());
        assert!(!agree(&[], &theirs).notification_restart);
        assert_eq!(agree(&theirs, &[]).peer_restart, None);
    }

    #[test]
    fn hold_times_and_kinds() {
        assert_eq!(agree(&[], &[]).hold_time, Duration::from_secs(30));
        assert_eq!(agree(&[], &[]).peer_kind, PeerKind::External);
        let zero = Negotiated::from_opens(&open(65001, 90, &[]), &open(65002, 0, &[]), &config()).unwrap();
        assert_eq!(zero.hold_time, Duration::ZERO);
        let inside = PeerConfig { remote_as: 65001, ..config() };
        let mut peer = open(65001, 90, &[]);
        peer.identifier = Ipv4Addr::new(1, 2, 3, 4);
        let agreed = Negotiated::from_opens(&open(65001, 90, &[]), &peer, &inside).unwrap();
        assert_eq!(agreed.peer_kind, PeerKind::Internal);
        let baseline = Negotiated::baseline(PeerKind::External);
        assert_eq!(baseline.families[..], [Family::IPV4_UNICAST]);
    }
}
