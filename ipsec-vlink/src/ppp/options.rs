//! What each control protocol asks for, and what it says to the peer's wishes (RFC 1661 §5, §6).

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use super::auth::AuthProtocol;
use super::packet::{OptionKind, Options, PacketOption};

/// What a Configure-Request is answered with: the options are those of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ack,
    Nak(Vec<u8>),
    Reject(Vec<u8>),
}

/// What one end of a control protocol wants, and what the peer was granted.
#[derive(Clone, Debug)]
pub(super) enum Wishes {
    Lcp(Lcp),
    Ipcp(Ipcp),
    Ipv6cp(Ipv6cp),
}

#[derive(Clone, Debug)]
pub(super) struct Lcp {
    /// Ours, where it is not the default.
    pub(super) mru: Option<u16>,
    pub(super) magic: Option<u32>,
    /// What the peer must do.
    pub(super) demand: Option<AuthProtocol>,
    /// It was refused.
    pub(super) is_demand_refused: bool,
    /// What we would do, the best first.
    pub(super) able: &'static [AuthProtocol],
    /// The most octets of a packet to the peer.
    pub(super) remote_mru: u16,
    /// What the peer wants us to do.
    pub(super) demanded: Option<AuthProtocol>,
}

#[derive(Clone, Debug)]
pub(super) struct Ipcp {
    /// Ours; unspecified: to be assigned.
    pub(super) local: Ipv4Addr,
    /// Whether we have it from the peer.
    pub(super) asks: bool,
    /// What the peer is to have; none: what it says.
    pub(super) assign: Option<Ipv4Addr>,
    /// What it has.
    pub(super) remote: Option<Ipv4Addr>,
}

#[derive(Clone, Debug)]
pub(super) struct Ipv6cp {
    pub(super) local: u64,
    /// Another one to propose.
    pub(super) spare: u64,
    pub(super) remote: Option<u64>,
}

fn put(out: &mut Vec<u8>, kind: OptionKind, data: &[u8]) {
    PacketOption { kind, data }.emit(out);
}

/// What becomes of one option.
enum Judged {
    Good,
    /// Another value, please.
    Other(Vec<u8>),
    Bad,
}

impl Wishes {
    /// The options of our Configure-Request.
    pub(super) fn request(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Lcp(lcp) => {
                if let Some(mru) = lcp.mru {
                    put(&mut out, OptionKind::MRU, &mru.to_be_bytes());
                }
                if let Some(demand) = lcp.demand {
                    put(&mut out, OptionKind::AUTHENTICATION, demand.option());
                }
                if let Some(magic) = lcp.magic {
                    put(&mut out, OptionKind::MAGIC, &magic.to_be_bytes());
                }
            }
            Self::Ipcp(ipcp) => put(&mut out, OptionKind::IP_ADDRESS, &ipcp.local.octets()),
            Self::Ipv6cp(ipv6cp) => put(&mut out, OptionKind::INTERFACE_ID, &ipv6cp.local.to_be_bytes()),
        }
        out
    }

    /// What the peer's Configure-Request is answered with; `None`: it cannot be read.
    pub(super) fn judge(&mut self, options: Options<'_>) -> Option<Answer> {
        let (mut naks, mut rejects) = (Vec::new(), Vec::new());
        let mut seen = Vec::new();
        self.forget();
        for option in options {
            let option = option.ok()?;
            seen.push(option.kind);
            match self.judge_one(&option) {
                Judged::Good => {}
                Judged::Other(data) => put(&mut naks, option.kind, &data),
                Judged::Bad => option.emit(&mut rejects),
            }
        }
        // What the peer did not say, and must (RFC 1661 §5.3).
        if let Self::Ipcp(Ipcp { assign: Some(assign), .. }) = self {
            if !seen.contains(&OptionKind::IP_ADDRESS) {
                put(&mut naks, OptionKind::IP_ADDRESS, &assign.octets());
            }
        }
        Some(match (rejects.is_empty(), naks.is_empty()) {
            (false, _) => Answer::Reject(rejects),
            (true, false) => Answer::Nak(naks),
            (true, true) => Answer::Ack,
        })
    }

    /// What the peer does not say in a request has its default.
    const fn forget(&mut self) {
        match self {
            Self::Lcp(lcp) => (lcp.remote_mru, lcp.demanded) = (1500, None),
            Self::Ipcp(ipcp) => ipcp.remote = None,
            Self::Ipv6cp(ipv6cp) => ipv6cp.remote = None,
        }
    }

    fn judge_one(&mut self, option: &PacketOption<'_>) -> Judged {
        match self {
            Self::Lcp(lcp) => lcp.judge(option),
            Self::Ipcp(ipcp) => ipcp.judge(option),
            Self::Ipv6cp(ipv6cp) => ipv6cp.judge(option),
        }
    }

    /// The peer would have other values.
    pub(super) fn nak(&mut self, options: Options<'_>) {
        for option in options.flatten() {
            match self {
                Self::Lcp(lcp) => lcp.nak(&option),
                Self::Ipcp(ipcp) => {
                    if let (OptionKind::IP_ADDRESS, Ok(octets), true) =
                        (option.kind, <[u8; 4]>::try_from(option.data), ipcp.asks)
                    {
                        ipcp.local = octets.into();
                    }
                }
                Self::Ipv6cp(ipv6cp) => {
                    if let (OptionKind::INTERFACE_ID, Ok(octets)) = (option.kind, <[u8; 8]>::try_from(option.data)) {
                        let proposed = u64::from_be_bytes(octets);
                        ipv6cp.local = if proposed == 0 { ipv6cp.spare } else { proposed };
                    }
                }
            }
        }
    }

    /// The peer does not know some options. `false`: without them there is no link.
    pub(super) fn reject(&mut self, options: Options<'_>) -> bool {
        options.flatten().all(|option| match (&mut *self, option.kind) {
            (Self::Lcp(lcp), OptionKind::MRU) => lcp.mru.take().is_some(),
            (Self::Lcp(lcp), OptionKind::MAGIC) => lcp.magic.take().is_some(),
            (Self::Lcp(lcp), OptionKind::AUTHENTICATION) => {
                lcp.is_demand_refused = true;
                false
            }
            _ => false,
        })
    }
}

impl Lcp {
    fn judge(&mut self, option: &PacketOption<'_>) -> Judged {
        match (option.kind, option.data) {
            (OptionKind::MRU, &[a, b]) => {
                let mru = u16::from_be_bytes([a, b]);
                if mru < 128 {
                    return Judged::Other(128_u16.to_be_bytes().to_vec());
                }
                self.remote_mru = mru;
                Judged::Good
            }
            (OptionKind::ACCM, [_, _, _, _])
            | (OptionKind::PROTOCOL_COMPRESSION | OptionKind::ADDRESS_COMPRESSION, []) => Judged::Good,
            (OptionKind::AUTHENTICATION, data) => match (AuthProtocol::of_option(data), self.able.first()) {
                (_, None) => Judged::Bad,
                (Some(protocol), _) if self.able.contains(&protocol) => {
                    self.demanded = Some(protocol);
                    Judged::Good
                }
                (_, Some(best)) => Judged::Other(best.option().to_vec()),
            },
            (OptionKind::MAGIC, &[a, b, c, d]) => {
                let magic = u32::from_be_bytes([a, b, c, d]);
                // The line leads back to us, or the peer made the same number of its own (RFC 1661 §6.4).
                match self.magic {
                    Some(ours) if ours == magic || magic == 0 => {
                        Judged::Other(ours.wrapping_mul(0x9e37_79b1).max(1).to_be_bytes().to_vec())
                    }
                    _ => Judged::Good,
                }
            }
            _ => Judged::Bad,
        }
    }

    fn nak(&mut self, option: &PacketOption<'_>) {
        match (option.kind, option.data) {
            (OptionKind::MRU, &[a, b]) => self.mru = Some(u16::from_be_bytes([a, b]).max(128)),
            (OptionKind::MAGIC, &[a, b, c, d]) => self.magic = Some(u32::from_be_bytes([a, b, c, d])),
            // What the peer must do is ours to say.
            _ => {}
        }
    }
}

impl Ipcp {
    fn judge(&mut self, option: &PacketOption<'_>) -> Judged {
        let (OptionKind::IP_ADDRESS, Ok(octets)) = (option.kind, <[u8; 4]>::try_from(option.data)) else {
            return Judged::Bad;
        };
        let said = Ipv4Addr::from(octets);
        match self.assign {
            Some(assign) if assign != said => Judged::Other(assign.octets().to_vec()),
            None if said.is_unspecified() => Judged::Bad,
            _ => {
                self.remote = Some(said);
                Judged::Good
            }
        }
    }
}

impl Ipv6cp {
    fn judge(&mut self, option: &PacketOption<'_>) -> Judged {
        let (OptionKind::INTERFACE_ID, Ok(octets)) = (option.kind, <[u8; 8]>::try_from(option.data)) else {
            return Judged::Bad;
        };
        // RFC 5072 §4.1: zero asks for one, and two of the same are none.
        let said = u64::from_be_bytes(octets);
        if said == 0 || said == self.local {
            return Judged::Other(self.spare.to_be_bytes().to_vec());
        }
        self.remote = Some(said);
        Judged::Good
    }
}
