//! What the machine of virtual links is told, and what it says.

use core::net::IpAddr;
use core::ops::Range;
use core::time::Duration;

use fwd_core::net::{LabelSpaceId, NhlfeId, SaId, VlinkId, VpnId, VrfId};
use fwd_core::op::{Dscp, Ends, FwdOp, TunnelModel};
use thiserror::Error;

use super::fsm::LinkState;
use crate::arch::Architecture;
use crate::correlate::NoContext;
use crate::ike::{Mode, TrafficSelector, VpnContext};
use crate::l2tp::control::{SessionConfig, SessionUp};
use crate::spd::Audit;

/// A system at the other end of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// A virtual link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// The configuration of the machine: numbers that are its own.
#[derive(Clone, Debug)]
pub struct Config {
    /// Virtual links of the forwarding plane, from here on.
    pub first_vlink: VlinkId,
    /// Its entries, from here on.
    pub first_nhlfe: NhlfeId,
    /// Associations, from here on.
    pub first_sa: SaId,
    /// Keys of GRE that are ours to choose.
    pub keys: Range<u32>,
    /// Labels that are ours to choose.
    pub labels: Range<u32>,
    /// Label spaces of MPLS tunnels: the tunnel of virtual link `n` has the `n`th from here on, so that a label of one tunnel means
    /// nothing in another; default: from 1 on. None: labels are the platform's, and whoever gives them to others sees to it that
    /// a protected one is taken in no other tunnel (RFC 4023 §8.1).
    pub label_spaces: Option<LabelSpaceId>,
    /// An association that ends so soon after another one with equal selectors came up was deleted as its duplicate
    /// (draft-duffy §6.1); default 5 s.
    pub duplicate_window: Duration,
    /// How long a link may take to be set up; default 10 s.
    pub bind_timeout: Duration,
    /// How long after a failure it is tried again; default 10 s.
    pub retry: Duration,
    /// Links that there can be; default 100,000.
    pub links: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            first_vlink: VlinkId(1),
            first_nhlfe: NhlfeId(1),
            first_sa: SaId(1),
            keys: 1..u32::MAX,
            labels: 100_000..1 << 20,
            label_spaces: Some(LabelSpaceId(1)),
            duplicate_window: Duration::from_secs(5),
            bind_timeout: Duration::from_secs(10),
            retry: Duration::from_secs(10),
            links: 100_000,
        }
    }
}

/// What a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// A PE: links of many VPNs.
    Pe,
    /// A CE: one VPN, and no extension.
    Ce,
}

/// The configuration of a peer.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// What it is.
    pub kind: PeerKind,
    /// Between which addresses protected links go.
    pub protected: Ends,
    /// Between which addresses links go that are not; none: all links of one tunnel have one policy (ruling G-30).
    pub clear: Option<Ends>,
    /// The entry that outer packets leave by.
    pub next: NhlfeId,
    /// The path's MTU.
    pub path_mtu: u16,
    /// Whether IKE says the VPN context with it ([`VpnContext`]).
    pub says_context: bool,
    /// The VPN of associations that say none.
    pub default_vpn: Option<VpnId>,
    /// Whether an association by the convention of CE drafts is a link, and of which VPN (VLINK-5.3-3); none: off.
    pub convention: Option<VpnId>,
    /// Octets that ESP adds at most; default 37: AES-GCM.
    pub esp_overhead: u8,
    /// The peer in L2TP, where there is one.
    pub l2tp: Option<crate::l2tp::control::PeerId>,
    /// The peer in L2TP of links that are not protected: another control connection, between [`Self::clear`]; none: the same.
    pub l2tp_clear: Option<crate::l2tp::control::PeerId>,
}

impl PeerConfig {
    /// A PE with the defaults.
    #[must_use]
    pub const fn pe(protected: Ends, next: NhlfeId) -> Self {
        Self {
            kind: PeerKind::Pe,
            protected,
            clear: None,
            next,
            path_mtu: 1500,
            says_context: true,
            default_vpn: None,
            convention: None,
            esp_overhead: 37,
            l2tp: None,
            l2tp_clear: None,
        }
    }

    /// A CE of this VPN, with the defaults.
    #[must_use]
    pub const fn ce(protected: Ends, next: NhlfeId, vpn: VpnId) -> Self {
        Self { kind: PeerKind::Ce, says_context: false, default_vpn: Some(vpn), ..Self::pe(protected, next) }
    }
}

/// Whether and how a link is protected: what its SPD says of its packets (RFC 4301 §4.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// Not: they bypass IPsec.
    Clear,
    /// They are discarded: the link is there, and carries nothing.
    Discard,
    /// Integrity alone: ESP with NULL encryption (RFC 2410).
    Integrity,
    /// Integrity and confidentiality.
    Esp,
}

impl Security {
    /// Whether it takes an association.
    #[must_use]
    pub const fn protects(self) -> bool {
        matches!(self, Self::Integrity | Self::Esp)
    }
}

/// The configuration of a link.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// With whom.
    pub peer: PeerId,
    /// Of which VPN.
    pub vpn: VpnId,
    /// Tells links of one VPN with one peer apart.
    pub index: u32,
    /// Where it ends.
    pub vrf: VrfId,
    /// How it is made.
    pub architecture: Architecture,
    /// Whether and how it is protected.
    pub security: Security,
    /// The addresses of architecture 6.3.
    pub ends: Option<Ends>,
    /// The peer's key or label, where that is configured and not learnt.
    pub remote_key: Option<u32>,
    /// Our key or label, where that is configured and not chosen here.
    pub local_key: Option<u32>,
    /// The most octets of an IP packet; none: what the path leaves.
    pub mtu: Option<u16>,
    /// Whether something above watches it: BFD, or routing.
    pub watched: bool,
    /// Whether we ask for what it needs.
    pub initiate: bool,
    /// Whether packets must come from where this link leads to (RFC 3704 §2.2); default: no, so that routes may be asymmetric. Not
    /// of architecture 6.5.
    pub check_source: bool,
    /// The outer DSCP; none: the packet's.
    pub dscp: Option<Dscp>,
    /// The model of TTL and class.
    pub model: TunnelModel,
}

impl LinkConfig {
    /// A link with the defaults: protected, ours to ask for.
    #[must_use]
    pub const fn new(peer: PeerId, vpn: VpnId, vrf: VrfId, architecture: Architecture) -> Self {
        Self {
            peer,
            vpn,
            index: 0,
            vrf,
            architecture,
            security: Security::Esp,
            ends: None,
            remote_key: None,
            local_key: None,
            mtu: None,
            watched: false,
            initiate: true,
            check_source: false,
            dscp: None,
            model: TunnelModel::Pipe,
        }
    }
}

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// There is no such peer.
    #[error("peer: there is no such peer")]
    Peer,
    /// There is no such link.
    #[error("link: there is no such link")]
    Link,
    /// The architecture does not go without IPsec (draft-duffy §6.1, §6.2).
    #[error("security: the architecture requires IPsec")]
    RequiresIpsec,
    /// Without the extension of IKE there is one link, of the default VPN.
    #[error("vpn: the peer says no context, and this is not its one default VPN")]
    NeedsContext,
    /// Architecture 6.3 needs addresses.
    #[error("ends: the architecture needs addresses of the link's own")]
    Ends,
    /// The peer deletes associations with selectors that another one has: it can have one link of this architecture.
    #[error("architecture: the peer deletes associations that look like another")]
    Duplicates,
    /// Other links are between these addresses.
    #[error("ends: another link is between these addresses")]
    AddressPairTaken,
    /// Links of one tunnel cannot be protected and clear (ruling G-30): they need two pairs of addresses.
    #[error("security: links of the same tunnel have the other policy; another pair of addresses is needed")]
    OnePolicyPerPair,
    /// A CE does not take part in this architecture, or not with a second context.
    #[error("architecture: not with a CE, or not a second context")]
    Ce,
    /// The peer has no L2TP.
    #[error("l2tp: the peer has none")]
    L2tp,
    /// A key or label that is not ours to choose, or taken.
    #[error("local_key: taken, or not ours")]
    Key,
    /// A label of more than 20 bits, or a reserved one.
    #[error("remote_key: no label")]
    Label,
    /// There is a link of that VPN and index with the peer.
    #[error("index: there is a link of that VPN and index with the peer")]
    Index,
    /// No number is left: links, associations, keys.
    #[error("links: no number is left")]
    Full,
    /// The packet is smaller than headers are.
    #[error("mtu: nothing is left of the path's")]
    Mtu,
}

/// An association that is wanted from IKE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaRequest {
    /// What the forwarding plane knows it by.
    pub sa: SaId,
    /// Between whom: IKE needs one IKE SA for each pair.
    pub ends: (IpAddr, IpAddr),
    /// Tunnel or transport.
    pub mode: Mode,
    /// What comes from us, and from the peer.
    pub selectors: (TrafficSelector, TrafficSelector),
    /// The context to be said.
    pub context: Option<VpnContext>,
    /// Whether encryption is left out.
    pub integrity_only: bool,
    /// Whether we ask; else the peer does.
    pub initiate: bool,
}

/// What reaches the machine.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// An association is there, with the context that the peer said.
    SaUp {
        /// Which.
        sa: SaId,
        /// The context.
        context: Option<&'a VpnContext>,
    },
    /// An association is gone, or refused.
    SaDown {
        /// Which.
        sa: SaId,
    },
    /// A session is up.
    SessionUp {
        /// Of which link.
        link: LinkId,
        /// What was agreed.
        up: &'a SessionUp,
    },
    /// A session is down.
    SessionDown {
        /// Of which link.
        link: LinkId,
    },
    /// The peer's key or label is known, or not any more.
    RemoteKey {
        /// Of which link.
        link: LinkId,
        /// The key or label.
        key: Option<u32>,
    },
    /// What watches the link says whether it is alive.
    Alive {
        /// Which.
        link: LinkId,
        /// Whether.
        alive: bool,
    },
    /// The path's MTU changed.
    PathMtu {
        /// To whom.
        peer: PeerId,
        /// What it is.
        mtu: u16,
    },
    /// The forwarding plane refused an op: its tables are full.
    Refused(FwdOp),
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Tell the forwarding plane.
    Program(FwdOp),
    /// Ask IKE for an association, or be ready for the peer's.
    RequestSa(SaRequest),
    /// It is not needed any more.
    ReleaseSa {
        /// Which.
        sa: SaId,
    },
    /// Set up a session of L2TP.
    OpenSession {
        /// For which link.
        link: LinkId,
        /// The session.
        session: SessionConfig,
    },
    /// It is not needed any more.
    CloseSession {
        /// Of which link.
        link: LinkId,
    },
    /// Tell the peer our key or label, by BGP or whatever distributes labels.
    Advertise {
        /// Of which link.
        link: LinkId,
        /// Of which VPN.
        vpn: VpnId,
        /// The key or label.
        key: u32,
    },
    /// Tell it that the key or label is not used any more.
    Withdraw {
        /// Of which link.
        link: LinkId,
        /// The key or label.
        key: u32,
    },
    /// Something happened.
    Event(Event),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Packets go: routes may lead to this entry.
    LinkUp {
        /// Which.
        link: LinkId,
        /// The entry that routes lead to.
        entry: NhlfeId,
        /// The most octets of an IP packet.
        mtu: u16,
        /// Octets that are added to each packet, security included.
        overhead: u16,
        /// Whether somebody watches it.
        state: LinkState,
    },
    /// Packets do not go.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// It did not come up in time; it is tried again.
    BindTimeout {
        /// Which.
        link: LinkId,
    },
    /// The peer answered with another context, or none: the association is given back.
    ContextMismatch {
        /// Of which link.
        link: LinkId,
    },
    /// The forwarding plane has no room for it.
    Refused {
        /// Which.
        link: LinkId,
    },
    /// The peer deleted the association of this link when another one with equal selectors came up (draft-duffy §6.1): it is not
    /// asked for again, and no more such links are taken with the peer.
    DuplicatesDeleted {
        /// With whom.
        peer: PeerId,
        /// Of which link.
        link: LinkId,
    },
    /// A packet that arrived was not as the policies say (RFC 4301 §5.2); said at most once a second for each reason, always
    /// counted.
    Audit {
        /// Why it is dropped.
        why: Audit,
        /// Where it came from.
        from: core::net::IpAddr,
    },
}

/// What a link was (RFC 4031 §6.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStatus {
    /// What it is.
    pub state: LinkState,
    /// How long it carried packets.
    pub up_for: Duration,
    /// How long it did not.
    pub down_for: Duration,
    /// How often that changed.
    pub transitions: u32,
}

/// Why an association that a peer asks for is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// It has no context here.
    Context(NoContext),
    /// There is no link for it, or it has another mode.
    NoLink,
    /// Its selectors are narrower than the link's (VLINK-5.2.1-1).
    Narrowed,
}
