//! What an operator says about a PE and its MVRFs.

use core::net::IpAddr;
use core::ops::RangeInclusive;
use core::time::Duration;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bgp_vpn::attr::{PmsiTunnelType, RouteTarget};
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, IpPrefix, Label, VrfId};

use super::admission::Reservation;
use super::alarm::AlarmConfig;
use super::attributes::{BfdSession, Target};
use super::bidir::{BidirModel, FIRST_PARTITION_LSP};
use super::damping::DampingConfig;
use super::permit::Permit;
use super::s_pmsi::SPmsiPolicy;
use super::standby::RootStandby;
use super::technology::{self, TunnelTechnology};
use super::umh::UmhSelection;
use crate::pim::wire::AddressFamily;

/// The technology of a P-tunnel (RFC 6513 §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelKind {
    /// Copies through unicast tunnels (RFC 7988).
    IngressReplication,
    /// mLDP point to multipoint (RFC 6388 §2).
    MldpP2mp,
    /// mLDP multipoint to multipoint (RFC 6388 §3): one LSP for an I-PMSI, which all PEs of the MVPN name alike. It does not tell who sent.
    MldpMp2mp {
        /// The root, which may be any router.
        root: IpAddr,
        /// The generic LSP identifier at that root.
        lsp: u32,
    },
    /// RSVP-TE point to multipoint (RFC 4875).
    RsvpTeP2mp,
    /// PIM-SSM over GRE, groups from [`MvpnConfig::p_groups`].
    PimSsm,
    /// PIM-SM over GRE with this P-group.
    PimSm(IpAddr),
    /// BIDIR-PIM over GRE with this P-group.
    BidirPim(IpAddr),
    /// Another one, of this type: one of [`MvpnConfig::technologies`].
    Other(PmsiTunnelType),
}

/// How ASM groups cross the backbone (RFC 6514 §13, §14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsmMode {
    /// Shared and source trees: RPT-SPT mode (RFC 6514 §13). All PEs of the MVPN need the same.
    #[default]
    RptSpt,
    /// Source trees only: SPT-only mode (RFC 6514 §14).
    SptOnly,
}

/// How joins of customers' trees reach other PEs (RFC 6513 §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CMulticastProtocol {
    /// By C-multicast routes (RFC 6514 §11).
    #[default]
    Bgp,
    /// By PIM between the PEs, over the I-PMSI (RFC 6513 §5.2), which then needs a tunnel.
    Pim,
    /// By both: each tree that PIM joins is joined by a C-multicast route too, and either keeps it. Of an MVPN on its way from one to the
    /// other (RFC 6517 §6).
    Both,
}

/// How an MVPN spans ASes (RFC 6513 §8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterAs {
    /// It does not.
    None,
    /// P-tunnels reach from PE to PE (RFC 6514 §11.1.3). Needs an IPv4 `router`.
    NonSegmented,
    /// ASBRs join P-tunnels of ASes (RFC 6514 §9.2). Within an AS that makes no difference.
    #[default]
    Segmented,
}

/// How PEs find each other and say where flows go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// By MCAST-VPN routes (RFC 6514).
    #[default]
    Bgp,
    /// By the MDT-SAFI, and S-PMSI Joins over UDP (RFC 6037, RFC 6513 §7.4.2): PIM trees over IPv4, and PIM between the PEs.
    Mdt,
    /// By both: a VPN on its way from one to the other (RFC 6517 §6).
    Both,
    /// They need not: mLDP signals source trees and bidirectional trees of the groups of [`MvrfConfig::in_band`], and no other crosses the
    /// backbone (RFC 7246). Without inclusive tunnel, S-PMSIs, `bidir`, or anything else that has MCAST-VPN routes.
    InBand,
}

impl Model {
    /// Whether MCAST-VPN routes are originated.
    #[must_use]
    pub const fn has_mcast(self) -> bool {
        matches!(self, Self::Bgp | Self::Both)
    }

    /// Whether MDT-SAFI routes and S-PMSI Joins are sent and taken.
    #[must_use]
    pub const fn has_mdt(self) -> bool {
        matches!(self, Self::Mdt | Self::Both)
    }
}

/// Which sites are attached (RFC 6513 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sites {
    /// Senders: traffic of the sites may enter the PMSI.
    pub senders: bool,
    /// Receivers: traffic of the PMSI may enter the sites.
    pub receivers: bool,
}

impl Default for Sites {
    fn default() -> Self {
        Self { senders: true, receivers: true }
    }
}

/// Timer values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MvpnTimers {
    /// From the announcement of an S-PMSI to its use, and from its withdrawal to the end of its use: at most 60 s, default 3 s.
    pub switch_over: Duration,
    /// How long a flow stays on an S-PMSI at least: default 60 s.
    pub hold_down: Duration,
    /// How long a leaf stays on an S-PMSI after it needs it no more: more than `switch_over`, default 10 s.
    pub leave: Duration,
    /// How long an ASM flow is sent on after the last Source Tree Join is withdrawn (RFC 6514 §11.3.1.1): default 10 s.
    pub join_removal: Duration,
    /// From the first receiver of a flow to the first judgement by who receives it: the others had time to announce themselves. Default
    /// 3 s.
    pub settle: Duration,
    /// From one S-PMSI Join to the next, S-PMSI_INTERVAL (RFC 6513 §7.4.2.2): default 60 s.
    pub s_pmsi_interval: Duration,
    /// How long an S-PMSI lasts without a join, S-PMSI_TIMEOUT: more than `s_pmsi_interval`, default 180 s.
    pub s_pmsi_timeout: Duration,
    /// How long an S-PMSI whose tunnel failed is not tried again: default 60 s.
    pub retry: Duration,
    /// How long a source stays on the shared tree after its Source Active A-D route came (RFC 6514 §13.2.1): default 10 s.
    pub source_prune: Duration,
    /// From the Source Active A-D route of an ASM flow to its first packet over the PMSI, so that all PEs expect it by then; the RP sends it
    /// down the shared tree meanwhile (RFC 6514 §13.1): at most 60 s, default 1 s.
    pub source_start: Duration,
}

impl Default for MvpnTimers {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            switch_over: secs(3),
            hold_down: secs(60),
            leave: secs(10),
            join_removal: secs(10),
            settle: secs(3),
            s_pmsi_interval: secs(60),
            s_pmsi_timeout: secs(180),
            retry: secs(60),
            source_prune: secs(10),
            source_start: secs(1),
        }
    }
}

/// How much state others may make in an MVRF (RFC 6513 §13, RFC 6514 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MvpnLimits {
    /// PEs with I-PMSI A-D routes. Default 5,000.
    pub members: usize,
    /// C-multicast routes for this PE. Default 50,000.
    pub joins: usize,
    /// S-PMSI A-D routes of other PEs. Default 50,000.
    pub s_pmsis: usize,
    /// Source Active A-D routes of other PEs. Default 50,000.
    pub sources: usize,
    /// Trees joined towards other PEs. Default 50,000.
    pub trees: usize,
    /// Sources of ASM groups that this PE announces. Default 10,000.
    pub own_sources: usize,
    /// S-PMSIs of this PE. Default 1,000.
    pub own_s_pmsis: usize,
    /// P-tunnels of S-PMSIs of this PE: the state that the VPN may make in the core. Default 1,000.
    pub own_tunnels: usize,
    /// Leaf A-D routes for this PE. Default 100,000.
    pub leaves: usize,
}

impl Default for MvpnLimits {
    fn default() -> Self {
        Self {
            members: 5_000,
            joins: 50_000,
            s_pmsis: 50_000,
            sources: 50_000,
            trees: 50_000,
            own_sources: 10_000,
            own_s_pmsis: 1_000,
            own_tunnels: 1_000,
            leaves: 100_000,
        }
    }
}

/// A PE.
#[derive(Clone, Debug)]
pub struct MvpnConfig {
    /// The PE's address: next hop, Originating Router and VRF Route Import of its routes.
    pub router: IpAddr,
    /// The AS.
    pub asn: u32,
    /// Labels that are this machine's alone.
    pub labels: RangeInclusive<u32>,
    /// Numbers of next hop label forwarding entries that are this machine's alone.
    pub nhlfes: RangeInclusive<u32>,
    /// Numbers of replication groups that are this machine's alone.
    pub groups: RangeInclusive<u32>,
    /// Numbers of tunnels that multicast arrives by, and of RPF sets, that are this machine's alone.
    pub tunnels: RangeInclusive<u32>,
    /// Numbers of label spaces of other routers that are this machine's alone.
    pub spaces: RangeInclusive<u32>,
    /// P-groups of PIM-SSM tunnels.
    pub p_groups: Option<IpPrefix>,
    /// Technologies of P-tunnels beside this crate's own.
    pub technologies: Vec<&'static dyn TunnelTechnology>,
    /// P-tunnels that this PE is the root of, of all MVRFs together: the state that it makes in the core. Default 10,000.
    pub tunnel_budget: usize,
    /// Timers.
    pub timers: MvpnTimers,
}

impl MvpnConfig {
    /// Defaults for everything but what has none.
    #[must_use]
    pub fn new(router: IpAddr, asn: u32) -> Self {
        Self {
            router,
            asn,
            labels: 100_000..=199_999,
            nhlfes: 100_000..=199_999,
            groups: 100_000..=199_999,
            tunnels: 1..=100_000,
            spaces: 100_000..=199_999,
            p_groups: None,
            technologies: Vec::new(),
            tunnel_budget: 10_000,
            timers: MvpnTimers::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), MvpnConfigError> {
        let router = self.router;
        if router.is_unspecified() || router.is_multicast() || router.is_loopback() {
            return Err(MvpnConfigError::Router);
        }
        if self.asn == 0 {
            return Err(MvpnConfigError::Asn);
        }
        let first = Label::FIRST_UNRESERVED.value();
        if self.labels.is_empty() || *self.labels.start() < first || *self.labels.end() > Label::MAX.value() {
            return Err(MvpnConfigError::Labels);
        }
        for (range, error) in [
            (&self.nhlfes, MvpnConfigError::Nhlfes),
            (&self.groups, MvpnConfigError::Groups),
            (&self.tunnels, MvpnConfigError::Tunnels),
            (&self.spaces, MvpnConfigError::Spaces),
        ] {
            if range.is_empty() {
                return Err(error);
            }
        }
        let same_family = |p: &IpPrefix| p.addr().is_ipv4() == router.is_ipv4() && p.addr().is_multicast();
        if self.p_groups.as_ref().is_some_and(|p| !same_family(p)) {
            return Err(MvpnConfigError::PGroups);
        }
        let types: BTreeSet<_> = self.technologies.iter().map(|technology| technology.tunnel_type()).collect();
        if types.len() < self.technologies.len() || !types.iter().all(|of| technology::may_be(*of)) {
            return Err(MvpnConfigError::Technologies);
        }
        let t = &self.timers;
        if t.switch_over > Duration::from_secs(60) {
            return Err(MvpnConfigError::SwitchOver);
        }
        if t.source_start > Duration::from_secs(60) {
            return Err(MvpnConfigError::SourceStart);
        }
        if t.s_pmsi_interval.is_zero() || t.s_pmsi_timeout <= t.s_pmsi_interval {
            return Err(MvpnConfigError::SPmsiTimeout);
        }
        if t.leave <= t.switch_over {
            return Err(MvpnConfigError::Leave);
        }
        Ok(())
    }
}

/// An MVRF.
#[derive(Clone, Debug)]
pub struct MvrfConfig {
    /// The VRF.
    pub vrf: VrfId,
    /// Its RD; unique to this PE.
    pub rd: RouteDistinguisher,
    /// Import route targets.
    pub import: Vec<Target>,
    /// Export route targets: those of the VRF's unicast routes, unless multicast has its own.
    pub export: Vec<Target>,
    /// The interface that the customers' PIM knows the PMSI by.
    pub pmsi: IfIndex,
    /// Families of customers' addresses.
    pub families: Vec<AddressFamily>,
    /// Local Administrator of VRF Route Import (RFC 6514 §7); default the VRF's number.
    pub number: u16,
    /// The tunnel of the I-PMSI; `None`: S-PMSIs only (RFC 6625 §4.4).
    pub inclusive: Option<TunnelKind>,
    /// The tunnels of S-PMSIs.
    pub selective: TunnelKind,
    /// Whether the P2MP LSPs of the MVRF are one that it shares with others of this PE: upstream-assigned labels tell them apart
    /// (RFC 6513 §6.3, RFC 6514 §12.1). mLDP only.
    pub aggregated: bool,
    /// Whether traffic of the MVRF stays off LSPs that reach PEs without a VRF of its VPN: with `aggregated`, it has LSPs of its own
    /// (RFC 6513 §6.3.2).
    pub no_foreign_leaf: bool,
    /// The tunnels of S-PMSIs whose first choice failed; `None`: their flows return to the default tunnel.
    pub fallback: Option<TunnelKind>,
    /// Octets of a customer's packet that every tunnel has to carry; `None`: no promise.
    pub mtu: Option<u16>,
    /// Which flows get S-PMSIs.
    pub s_pmsi: SPmsiPolicy,
    /// How the upstream PE is selected.
    pub umh: UmhSelection,
    /// How ASM groups cross the backbone, where joins go by BGP.
    pub asm: AsmMode,
    /// How the customers' bidirectional groups cross the backbone; `None`: but those of `in_band` do not. All PEs of the MVPN need the same. Groups in
    /// [`SPmsiPolicy::always`] get S-PMSIs of their own, but not with [`BidirModel::Hierarchical`].
    pub bidir: Option<BidirModel>,
    /// Whether what Source Active A-D routes of other PEs say is said for MSDP too ([`super::Output::SourceActive`]), in SPT-only mode. Default:
    /// it is not.
    pub msdp: bool,
    /// How joins reach other PEs. All PEs of the MVPN need the same.
    pub protocol: CMulticastProtocol,
    /// How PEs find each other. All PEs of the MVPN need the same, or `Both`.
    pub model: Model,
    /// What is done with joins for which this PE is the second choice, and that receivers join a second PE beforehand (RFC 9026); `None`:
    /// they do not. All PEs of the MVPN need the same.
    pub standby: Option<RootStandby>,
    /// Whether a first choice that comes back is selected again (RFC 9026 §4). All PEs of the MVPN need the same. Default: it is.
    pub revertive: bool,
    /// The BFD session that watches the I-PMSI from this PE: announced with it (RFC 9026 §3.1.6).
    pub bfd: Option<BfdSession>,
    /// Groups whose trees mLDP signals in-band (RFC 7246; RFC 6826 for the global table): source trees with a P2MP LSP each, bidirectional ones
    /// with an MP2MP LSP each, whose ranges ([`super::Input::BidirRange`]) are in one of these as a whole. No routes, no S-PMSIs, no shared trees of
    /// other groups. All PEs of the MVPN need the same. Default: none.
    pub in_band: Vec<IpPrefix>,
    /// Groups of source-specific multicast beside 232.0.0.0/8 and ff3x::/32.
    pub ssm_ranges: Vec<IpPrefix>,
    /// How the MVPN spans ASes.
    pub inter_as: InterAs,
    /// Whether P-tunnels of the MVRF are segmented at area borders (RFC 7524 §5.1.3).
    pub inter_area: bool,
    /// Which sites are attached.
    pub sites: Sites,
    /// Whether the customers' Bootstrap messages cross the VPN (RFC 6513 §5.3.4); without an I-PMSI they get an S-PMSI. Default: they do not.
    pub bootstrap: bool,
    /// Whether multipoint LSPs of the customers' mLDP cross the VPN: the customer is a carrier (RFC 6514 §15). All its PEs need the same. With
    /// `aggregated` they are labels in one P-tree, as RFC 6514 recommends. S-PMSIs need tunnels that carry labelled packets ([`super::offer`]).
    /// Each keeps the tunnel that it has if the kind is changed. Limits hold for them together with PIM's trees, for what comes after a limit was lowered. Default: they do not.
    pub c_mldp: bool,
    /// Damping of C-multicast and Leaf A-D routes (RFC 7899); `None`: none.
    pub damping: Option<DampingConfig>,
    /// Limits.
    pub limits: MvpnLimits,
    /// Alarms on the limits.
    pub alarm: AlarmConfig,
    /// The flows that may cross the backbone, in both directions; none: all.
    pub permitted: Vec<Permit>,
    /// Bandwidth that trees joined towards other PEs have to fit in; `None`: they need not.
    pub reservation: Option<Reservation>,
}

impl MvrfConfig {
    /// Defaults for everything but what has none: one route target, an I-PMSI and S-PMSIs by mLDP.
    #[must_use]
    pub fn new(vrf: VrfId, rd: RouteDistinguisher, target: RouteTarget, pmsi: IfIndex) -> Self {
        Self {
            vrf,
            rd,
            import: alloc::vec![target.into()],
            export: alloc::vec![target.into()],
            pmsi,
            families: alloc::vec![AddressFamily::V4, AddressFamily::V6],
            number: vrf.0,
            inclusive: Some(TunnelKind::MldpP2mp),
            selective: TunnelKind::MldpP2mp,
            aggregated: false,
            no_foreign_leaf: false,
            fallback: None,
            mtu: None,
            s_pmsi: SPmsiPolicy::default(),
            umh: UmhSelection::default(),
            asm: AsmMode::default(),
            bidir: None,
            msdp: false,
            protocol: CMulticastProtocol::default(),
            model: Model::default(),
            standby: None,
            revertive: true,
            bfd: None,
            in_band: Vec::new(),
            ssm_ranges: Vec::new(),
            inter_as: InterAs::default(),
            inter_area: false,
            sites: Sites::default(),
            bootstrap: false,
            c_mldp: false,
            damping: None,
            limits: MvpnLimits::default(),
            alarm: AlarmConfig::default(),
            permitted: Vec::new(),
            reservation: None,
        }
    }

    /// Defaults for the multicast of the global table (RFC 7716): RD 0, its routes are those of SAFI 1, 2 or 4 with VRF Route Import and
    /// Source AS.
    #[must_use]
    pub fn global(target: RouteTarget, pmsi: IfIndex) -> Self {
        Self::new(VrfId::GLOBAL, RouteDistinguisher::ZERO, target, pmsi)
    }

    pub(super) fn check(&self, pe: &MvpnConfig) -> Result<(), MvpnConfigError> {
        // RFC 7716 §2.2, §2.3: the global table has RD 0, and 0 in VRF Route Import; a VRF has neither.
        let is_global = [self.vrf == VrfId::GLOBAL, self.rd == RouteDistinguisher::ZERO, self.number == 0];
        if is_global != [true; 3] && is_global != [false; 3] {
            return Err(MvpnConfigError::Vrf);
        }
        if self.import.is_empty() {
            return Err(MvpnConfigError::Import);
        }
        if self.export.is_empty() {
            return Err(MvpnConfigError::Export);
        }
        if self.families.is_empty() {
            return Err(MvpnConfigError::Families);
        }
        if !self.s_pmsi.is_valid() {
            return Err(MvpnConfigError::SPmsi);
        }
        // RFC 6514 §11.1.3: the Source AS field holds the upstream PE's address, of four octets.
        if self.inter_as == InterAs::NonSegmented && pe.router.is_ipv6() {
            return Err(MvpnConfigError::InterAs);
        }
        for kind in self.inclusive.iter().chain([&self.selective]).chain(&self.fallback) {
            if matches!(kind, TunnelKind::Other(of) if technology::find(&pe.technologies, *of).is_none()) {
                return Err(MvpnConfigError::Technologies);
            }
            let is_good = match kind {
                TunnelKind::PimSsm => pe.p_groups.is_some(),
                TunnelKind::PimSm(group) | TunnelKind::BidirPim(group) => {
                    group.is_multicast() && group.is_ipv4() == pe.router.is_ipv4()
                }
                _ => true,
            };
            if !is_good {
                return Err(MvpnConfigError::PGroups);
            }
        }
        self.check_mp2mp(pe)?;
        let is_mldp = |kind: &TunnelKind| *kind == TunnelKind::MldpP2mp;
        if self.aggregated && !self.inclusive.iter().chain([&self.selective]).all(is_mldp) {
            return Err(MvpnConfigError::Aggregated);
        }
        if self.c_mldp {
            super::c_mldp::offer(PmsiTunnelType::MLDP_P2MP, self.selective).map_err(MvpnConfigError::CMldp)?;
        }
        // RFC 6513 leaves S-PMSIs on shared trees out.
        let is_shared = |kind: &TunnelKind| {
            matches!(kind, TunnelKind::PimSm(_) | TunnelKind::BidirPim(_) | TunnelKind::MldpMp2mp { .. })
        };
        if [Some(self.selective), self.fallback].iter().flatten().any(is_shared) {
            return Err(MvpnConfigError::Selective);
        }
        self.check_model(self.model, self.protocol, pe)?;
        self.check_rest()
    }

    /// Whether a model and a way of joins fit the rest.
    pub(super) fn check_model(
        &self,
        model: Model,
        protocol: CMulticastProtocol,
        pe: &MvpnConfig,
    ) -> Result<(), MvpnConfigError> {
        if protocol != CMulticastProtocol::Bgp && self.inclusive.is_none() {
            return Err(MvpnConfigError::Protocol);
        }
        let is_pim =
            |kind: &TunnelKind| matches!(kind, TunnelKind::PimSsm | TunnelKind::PimSm(_) | TunnelKind::BidirPim(_));
        let fits = pe.router.is_ipv4()
            && self.inclusive.as_ref().is_some_and(is_pim)
            && self.selective == TunnelKind::PimSsm
            && (model == Model::Both || protocol == CMulticastProtocol::Pim);
        if model.has_mdt() && !fits {
            return Err(MvpnConfigError::Model);
        }
        if !self.fits_in_band(model, protocol) {
            return Err(MvpnConfigError::InBand);
        }
        BidirModel::check(self, protocol)
    }

    /// RFC 6513 §9.1.2: where a tunnel does not tell who sent, all PEs have to select the same one, and but one may send.
    fn check_mp2mp(&self, pe: &MvpnConfig) -> Result<(), MvpnConfigError> {
        let Some(TunnelKind::MldpMp2mp { root, lsp }) = self.inclusive else { return Ok(()) };
        if root == pe.router && lsp >= FIRST_PARTITION_LSP
            || root.is_unspecified()
            || root.is_multicast()
            || root.is_loopback()
        {
            return Err(MvpnConfigError::Mp2mp);
        }
        match self.umh == UmhSelection::Installed || self.standby == Some(RootStandby::Hot) {
            true => Err(MvpnConfigError::Mp2mp),
            false => Ok(()),
        }
    }

    fn check_rest(&self) -> Result<(), MvpnConfigError> {
        if self.damping.as_ref().is_some_and(|d| !d.is_valid()) {
            return Err(MvpnConfigError::Damping);
        }
        if self.limits.has_zero() {
            return Err(MvpnConfigError::Limits);
        }
        if !self.alarm.is_valid() {
            return Err(MvpnConfigError::Alarm);
        }
        if let Some(reservation) = &self.reservation {
            reservation.check()?;
        }
        Permit::check(&self.permitted)
    }
}

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MvpnConfigError {
    /// `router`.
    #[error("router: not a unicast address")]
    Router,
    /// `asn`.
    #[error("asn: 0")]
    Asn,
    /// `labels`.
    #[error("labels: empty, or with special-purpose labels, or beyond 20 bits")]
    Labels,
    /// `nhlfes`.
    #[error("nhlfes: an empty range")]
    Nhlfes,
    /// `groups`.
    #[error("groups: an empty range")]
    Groups,
    /// `tunnels`.
    #[error("tunnels: an empty range")]
    Tunnels,
    /// `spaces`.
    #[error("spaces: an empty range")]
    Spaces,
    /// `aggregated`.
    #[error("aggregated: tunnels that are not mLDP P2MP LSPs")]
    Aggregated,
    /// `p_groups`, or the group of a tunnel.
    #[error(
        "p_groups: missing, not multicast, of another family than router, or the group of another MVRF's shared tree"
    )]
    PGroups,
    /// `technologies`, or the type of a tunnel.
    #[error(
        "technologies: two of one type, one of a type that is known without it, or a tunnel of a type that is not there"
    )]
    Technologies,
    /// `timers.switch_over`.
    #[error("switch_over: more than 60 s")]
    SwitchOver,
    /// `timers.source_start`.
    #[error("source_start: more than 60 s")]
    SourceStart,
    /// `timers.s_pmsi_timeout`.
    #[error("s_pmsi_timeout: not more than s_pmsi_interval, or that is 0")]
    SPmsiTimeout,
    /// `model`.
    #[error(
        "model: MDT-SAFI and S-PMSI Joins need an IPv4 router, an inclusive tunnel and S-PMSIs by PIM, and PIM between the PEs"
    )]
    Model,
    /// `in_band`, or a model that needs it or does not go with it.
    #[error(
        "in_band: a range that is not multicast, or beside the MDT-SAFI; with that model none, or beside what has routes"
    )]
    InBand,
    /// `timers.leave`.
    #[error("leave: not more than switch_over")]
    Leave,
    /// `vrf`.
    #[error("vrf: in use already, unknown, or the global table without RD 0 and number 0, or these without it")]
    Vrf,
    /// `rd`.
    #[error("rd: another MVRF's")]
    Rd,
    /// `number`.
    #[error("number: another MVRF's")]
    Number,
    /// `import`.
    #[error("import: no route target")]
    Import,
    /// `export`.
    #[error("export: no route target")]
    Export,
    /// `families`.
    #[error("families: none")]
    Families,
    /// `s_pmsi`.
    #[error(
        "s_pmsi: thresholds that cross or are 0, a period without length, or rules by receivers without explicit_tracking"
    )]
    SPmsi,
    /// `selective`.
    #[error("selective, fallback: a shared tree")]
    Selective,
    /// `inclusive` by an MP2MP LSP.
    #[error(
        "inclusive: an MP2MP LSP of a root that is no unicast address, or of another MVRF, or one of this PE from 2^31 up, which are those of partitions, or with an upstream PE by the installed route or a hot standby: it does not tell who sent"
    )]
    Mp2mp,
    /// `inter_as`.
    #[error("inter_as: non-segmented with an IPv6 router address")]
    InterAs,
    /// `protocol`.
    #[error("protocol: PIM needs an inclusive tunnel")]
    Protocol,
    /// `bidir`.
    #[error("bidir: an LSP of a root that is no unicast address, or PIM between the PEs")]
    Bidir,
    /// `c_mldp`, with `selective`.
    #[error("c_mldp: {0}")]
    CMldp(super::c_mldp::OfferRefused),
    /// `damping`.
    #[error("damping: half-life above 60 s, cutoff above 50,000, or reuse not below cutoff")]
    Damping,
    /// `limits`.
    #[error("limits: a limit of 0")]
    Limits,
    /// `alarm`.
    #[error("alarm: low not between 1 and high, or high above 100")]
    Alarm,
    /// `reservation`.
    #[error("reservation: no capacity, a flow that never fits, or a range that is not multicast")]
    Reservation,
    /// `permitted`.
    #[error("permitted: a range that is not multicast, or sources of another family")]
    Permitted,
    /// `inclusive`.
    #[error("inclusive: no numbers, or no room in the tunnel budget")]
    Inclusive,
}
