//! The control channel of a pseudowire (VCCV, RFC 5085), and which kind of BFD runs in it (RFC 5885 §4).
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use core::net::IpAddr;

use fwd_core::codec::BufMut;
use fwd_core::net::Label;
use fwd_core::wire::AssociatedChannel;

use crate::bfd;
use crate::ldp::PwStatus;
use crate::ldp::fec::Vccv;

bitflags::bitflags! {
    /// Kinds of control channel (RFC 5085 §5.1, RFC 7708 §4).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CcTypes: u8 {
        /// Type 1: the control word starts with 0001.
        const CONTROL_WORD = 0x01;
        /// Type 2: a router alert label on top of the pseudowire's.
        const ROUTER_ALERT = 0x02;
        /// Type 3: the pseudowire's label has a TTL of 1.
        const TTL_EXPIRY = 0x04;
        /// Type 4: a generic associated channel label at the bottom.
        const GAL = 0x08;
    }
}

bitflags::bitflags! {
    /// Kinds of verification (RFC 5085 §4, RFC 5885 §3.3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CvTypes: u8 {
        /// ICMP ping.
        const ICMP_PING = 0x01;
        /// LSP ping.
        const LSP_PING = 0x02;
        /// BFD over IP and UDP, for faults.
        const BFD_IP_FAULTS = 0x04;
        /// BFD over IP and UDP, for faults and status.
        const BFD_IP_STATUS = 0x08;
        /// BFD without headers, for faults.
        const BFD_RAW_FAULTS = 0x10;
        /// BFD without headers, for faults and status.
        const BFD_RAW_STATUS = 0x20;
    }
}

impl CvTypes {
    /// The kinds of BFD, the first choice first (RFC 5885 §4).
    const BFD: [Self; 4] = [Self::BFD_RAW_STATUS, Self::BFD_RAW_FAULTS, Self::BFD_IP_STATUS, Self::BFD_IP_FAULTS];

    /// Whether diagnostics carry the status of circuits and pseudowire.
    #[must_use]
    pub const fn signals_status(self) -> bool {
        self.intersects(Self::BFD_IP_STATUS.union(Self::BFD_RAW_STATUS))
    }
}

/// What both ends use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The control channel: one flag.
    pub channel: CcTypes,
    /// Verifications that may be used; of BFD at most one.
    pub verification: CvTypes,
}

impl Selected {
    /// The kind of BFD, as [`bfd::Path::Pw`] has it: `None` no BFD, else whether IP and UDP headers are used.
    #[must_use]
    pub fn bfd_over_ip(&self) -> Option<bool> {
        let bfd = CvTypes::BFD.into_iter().find(|cv| self.verification.contains(*cv))?;
        Some(bfd == CvTypes::BFD_IP_FAULTS || bfd == CvTypes::BFD_IP_STATUS)
    }
}

/// How a pseudowire is built, as far as its control channel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PwTraits {
    /// It has a control word.
    pub control_word: bool,
    /// LDP tells the status of circuits, so that BFD does not (RFC 5885 §3.3 rule 1).
    pub status_by_ldp: bool,
}

/// What both ends of a pseudowire use, of what both can (RFC 5085 §7, RFC 5885 §4); `None`: no control channel.
#[must_use]
pub fn select(local: Vccv, remote: Vccv, pw: PwTraits) -> Option<Selected> {
    choose(local.cc_types & remote.cc_types, local.cv_types & remote.cv_types, pw)
}

/// What a leaf of a P2MP pseudowire uses: what the root says, without a word in the matter (RFC 8338 §3.2.1).
///
/// # Errors
/// The leaf cannot follow: the status that it reports.
pub fn follow_root(root: Vccv, leaf: Vccv, pw: PwTraits) -> Result<Option<Selected>, PwStatus> {
    match choose(root.cc_types, root.cv_types, pw) {
        None => Ok(None),
        Some(selected) => {
            let can =
                leaf.cc_types & selected.channel.bits() != 0 && selected.verification.bits() & !leaf.cv_types == 0;
            if can { Ok(Some(selected)) } else { Err(PwStatus::NOT_FORWARDING) }
        }
    }
}

fn choose(cc_types: u8, cv_types: u8, pw: PwTraits) -> Option<Selected> {
    let (common, cv) = (CcTypes::from_bits_truncate(cc_types), CvTypes::from_bits_truncate(cv_types));
    // The control word's channel needs a control word, and the generic label is for pseudowires without (RFC 7708 §3).
    let channel = [CcTypes::CONTROL_WORD, CcTypes::GAL, CcTypes::ROUTER_ALERT, CcTypes::TTL_EXPIRY]
        .into_iter()
        .filter(|cc| match *cc {
            CcTypes::CONTROL_WORD => pw.control_word,
            CcTypes::GAL => !pw.control_word,
            _ => true,
        })
        .find(|cc| common.contains(*cc))?;
    let has_header = pw.control_word || channel == CcTypes::GAL;
    let bfd = CvTypes::BFD.into_iter().find(|kind| {
        let raw = matches!(*kind, CvTypes::BFD_RAW_FAULTS | CvTypes::BFD_RAW_STATUS);
        cv.contains(*kind) && (has_header || !raw) && !(pw.status_by_ldp && kind.signals_status())
    });
    let pings = cv & (CvTypes::ICMP_PING | CvTypes::LSP_PING);
    let verification = pings | bfd.unwrap_or(CvTypes::empty());
    (!verification.is_empty()).then_some(Selected { channel, verification })
}

/// What an associated channel carries (IANA registry "MPLS Generalized Associated Channel Types"); unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelType(pub u16);

impl ChannelType {
    /// BFD Control without headers (RFC 5885 §3.2).
    pub const BFD: Self = Self(bfd::CHANNEL_TYPE);
    /// An IPv4 packet (RFC 4385 §6).
    pub const IPV4: Self = Self(0x0021);
    /// A PW OAM message: the status of a pseudowire that nobody signals (RFC 6478 §5.1).
    pub const PW_OAM: Self = Self(0x0027);
    /// A MAC withdrawal of such a pseudowire (RFC 7769 §3).
    pub const MAC_WITHDRAW: Self = Self(0x0028);
    /// An IPv6 packet (RFC 4385 §6).
    pub const IPV6: Self = Self(0x0057);

    /// Whether the value is for experiments (RFC 5586 §10).
    #[must_use]
    pub const fn is_experimental(self) -> bool {
        matches!(self.0, 0x7ff8..=0x7fff)
    }
}

/// What a message in the channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
    /// A BFD Control packet without headers.
    Bfd,
    /// A message of a pseudowire that nobody signals, or of an experiment: whoever owns the channel type reads it.
    Other(ChannelType),
}

impl Payload {
    /// The payload of a packet between addresses.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }

    /// The channel type.
    #[must_use]
    pub const fn channel_type(self) -> ChannelType {
        match self {
            Self::Ipv4 => ChannelType::IPV4,
            Self::Ipv6 => ChannelType::IPV6,
            Self::Bfd => ChannelType::BFD,
            Self::Other(channel) => channel,
        }
    }

    /// The payload of a channel type; `None`: nobody knows it.
    #[must_use]
    pub const fn of_channel(channel: ChannelType) -> Option<Self> {
        Some(match channel {
            ChannelType::IPV4 => Self::Ipv4,
            ChannelType::IPV6 => Self::Ipv6,
            ChannelType::BFD => Self::Bfd,
            ChannelType::PW_OAM | ChannelType::MAC_WITHDRAW => Self::Other(channel),
            other if other.is_experimental() => Self::Other(other),
            _ => return None,
        })
    }
}

/// The generic associated channel label (RFC 5586 §4).
const GAL: u32 = 13;

/// Writes the labels of the pseudowire and below, and the header that says what follows (RFC 5085 §5.1): the transport's labels go on
/// top. `ttl` is that of the pseudowire's label, where the channel does not need 1.
pub fn emit_header(
    channel: CcTypes,
    control_word: bool,
    label: Label,
    ttl: u8,
    payload: Payload,
    out: &mut impl BufMut,
) {
    let entry = |label: u32, bottom: bool, ttl: u8| label << 12 | u32::from(bottom) << 8 | u32::from(ttl);
    if channel == CcTypes::ROUTER_ALERT {
        out.put_u32(entry(Label::ROUTER_ALERT.value(), false, ttl));
    }
    let gal = channel == CcTypes::GAL;
    out.put_u32(entry(label.value(), !gal, if channel == CcTypes::TTL_EXPIRY { 1 } else { ttl }));
    if gal {
        out.put_u32(entry(GAL, true, 1));
    }
    if control_word || gal {
        out.put_slice(&AssociatedChannel::new(payload.channel_type().0).0);
    }
}

/// How a packet with a pseudowire's label came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// A router alert label was on top.
    pub router_alert: bool,
    /// A generic associated channel label was below.
    pub gal: bool,
    /// The TTL of the pseudowire's label.
    pub ttl: u8,
    /// What is below the labels.
    pub octets: &'a [u8],
}

/// The message of a packet, if it is one of the control channel; `None`: it is the customer's, or of no kind that is known.
#[must_use]
pub fn receive<'a>(channel: CcTypes, control_word: bool, packet: &Received<'a>) -> Option<(Payload, &'a [u8])> {
    let header = AssociatedChannel::of(packet.octets);
    let is_control = match channel {
        CcTypes::CONTROL_WORD => control_word && header.is_some(),
        CcTypes::ROUTER_ALERT => packet.router_alert,
        CcTypes::TTL_EXPIRY => packet.ttl == 1,
        CcTypes::GAL => packet.gal,
        _ => false,
    };
    if !is_control {
        return None;
    }
    if control_word || channel == CcTypes::GAL {
        let payload = Payload::of_channel(ChannelType(header?.channel()))?;
        return Some((payload, packet.octets.get(AssociatedChannel::LEN..)?));
    }
    // Without a header the IP version tells.
    match packet.octets.first()? >> 4 {
        4 => Some((Payload::Ipv4, packet.octets)),
        6 => Some((Payload::Ipv6, packet.octets)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const WORD: PwTraits = PwTraits { control_word: true, status_by_ldp: true };
    const BARE: PwTraits = PwTraits { control_word: false, status_by_ldp: false };

    fn vccv(cc_types: u8, cv_types: u8) -> Vccv {
        Vccv { cc_types, cv_types }
    }

    /// Shows: L2VPN-5.2-5
    #[test]
    fn both_ends_use_what_both_can() {
        let chosen = |local, remote, pw| select(local, remote, pw).map(|s| (s.channel.bits(), s.verification.bits()));
        assert_eq!(chosen(vccv(7, 0x3f), vccv(7, 0x3f), WORD), Some((1, 0x13)));
        // Without LDP's status BFD carries it.
        let no_ldp = PwTraits { status_by_ldp: false, ..WORD };
        assert_eq!(chosen(vccv(7, 0x3f), vccv(7, 0x3f), no_ldp), Some((1, 0x23)));
        assert_eq!(chosen(vccv(7, 0x3f), vccv(7, 0x0e), no_ldp), Some((1, 0x0a)));
        // Without a control word there is neither channel 1 nor BFD without headers.
        assert_eq!(chosen(vccv(7, 0x3f), vccv(7, 0x3f), BARE), Some((2, 0x0b)));
        assert_eq!(chosen(vccv(5, 2), vccv(5, 2), BARE), Some((4, 2)));
        assert_eq!(chosen(vccv(9, 0x10), vccv(9, 0x10), BARE), Some((8, 0x10)));
        for (local, remote) in [(vccv(1, 2), vccv(2, 2)), (vccv(1, 2), vccv(1, 4)), (vccv(0, 0), vccv(7, 0x3f))] {
            assert_eq!(chosen(local, remote, WORD), None);
        }
        assert_eq!(select(vccv(1, 4), vccv(1, 4), WORD).unwrap().bfd_over_ip(), Some(true));
        assert_eq!(select(vccv(1, 2), vccv(1, 2), WORD).unwrap().bfd_over_ip(), None);
    }

    /// Shows: P2MP-FLT-7
    #[test]
    fn the_root_of_a_tree_alone_decides() {
        let root = vccv(1, 0x12);
        let all = follow_root(root, vccv(7, 0x3f), WORD).unwrap().unwrap();
        assert_eq!((all.channel, all.verification.bits()), (CcTypes::CONTROL_WORD, 0x12));
        // A leaf that can less has no smaller choice: it says that it cannot.
        for leaf in [vccv(7, 0x02), vccv(6, 0x3f), vccv(0, 0)] {
            assert_eq!(follow_root(root, leaf, WORD), Err(PwStatus::NOT_FORWARDING));
        }
        assert_eq!(follow_root(vccv(0, 0), vccv(7, 0x3f), WORD), Ok(None));
    }

    /// The header's first nibble, version and type, behind the generic associated channel label and in the control word's place.
    ///
    /// Shows: L2VPN-5.2-4
    #[test]
    fn channel_types_of_the_associated_channel() {
        let label = Label::new(500).unwrap();
        let types = [0x0007, 0x0021, 0x0057, 0x0027, 0x0028, 0x7ff8, 0x7fff].map(ChannelType);
        for channel in types {
            let payload = Payload::of_channel(channel).unwrap();
            assert_eq!(payload.channel_type(), channel);
            let [hi, lo] = channel.0.to_be_bytes();
            for (cc, control_word, labels) in [
                (CcTypes::CONTROL_WORD, true, &[0x00, 0x1f, 0x41, 0xff][..]),
                // GAL: label 13 at the bottom, TTL 1 (RFC 5586 §4.2.1.1).
                (CcTypes::GAL, false, &[0x00, 0x1f, 0x40, 0xff, 0x00, 0x00, 0xd1, 0x01]),
            ] {
                let mut out = Vec::new();
                emit_header(cc, control_word, label, 255, payload, &mut out);
                assert_eq!(out, [labels, &[0x10, 0, hi, lo]].concat(), "{channel:?} {cc:?}");
                let octets = [&out[labels.len()..], &[9]].concat();
                let packet = Received { router_alert: false, gal: cc == CcTypes::GAL, ttl: 255, octets: &octets };
                assert_eq!(receive(cc, control_word, &packet), Some((payload, &[9][..])));
            }
        }
        assert_eq!([0x7ff7, 0x8000, 0x0001].map(|t| Payload::of_channel(ChannelType(t))), [None; 3]);
        // Another version is no channel of ours.
        let packet = Received { router_alert: false, gal: false, ttl: 255, octets: &[0x11, 0, 0, 7, 9] };
        assert_eq!(receive(CcTypes::CONTROL_WORD, true, &packet), None);
    }

    #[test]
    fn each_channel_is_written_and_told_from_the_customers_packets() {
        let label = Label::new(500).unwrap();
        let channels = [
            (CcTypes::CONTROL_WORD, true, "001f41ff10000007"),
            (CcTypes::ROUTER_ALERT, true, "000010ff001f41ff10000007"),
            (CcTypes::TTL_EXPIRY, true, "001f410110000007"),
            (CcTypes::TTL_EXPIRY, false, "001f4101"),
            (CcTypes::GAL, false, "001f40ff0000d10110000007"),
        ];
        for (channel, control_word, hex) in channels {
            let mut out = Vec::new();
            emit_header(channel, control_word, label, 255, Payload::Bfd, &mut out);
            let expected: Vec<u8> =
                (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
            assert_eq!(out, expected, "{channel:?}");
        }
        let octets = [&AssociatedChannel::new(7).0[..], &[0x20, 0x40]].concat();
        let plain = Received { router_alert: false, gal: false, ttl: 60, octets: &octets };
        let expired = Received { ttl: 1, ..plain };
        let found = Some((Payload::Bfd, &[0x20, 0x40][..]));
        assert_eq!(receive(CcTypes::CONTROL_WORD, true, &plain), found);
        assert_eq!(receive(CcTypes::TTL_EXPIRY, true, &expired), found);
        assert_eq!(receive(CcTypes::TTL_EXPIRY, true, &plain), None);
        assert_eq!(receive(CcTypes::ROUTER_ALERT, true, &Received { router_alert: true, ..plain }), found);
        assert_eq!(receive(CcTypes::GAL, false, &Received { gal: true, ..plain }), found);
        // The customer's control word starts with 0000.
        let customer = Received { octets: &[0, 0, 0, 1, 9], ..plain };
        assert_eq!(receive(CcTypes::CONTROL_WORD, true, &customer), None);
        let ip = Received { octets: &[0x45, 0], ..expired };
        assert_eq!(receive(CcTypes::TTL_EXPIRY, false, &ip), Some((Payload::Ipv4, &[0x45, 0][..])));
    }
}
