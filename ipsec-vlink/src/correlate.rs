//! Correlation: which application and which VPN a tunnel serves (draft-duffy §5.3).
//!
//! The context is bound once, when the tunnel is set up, to what each packet carries; the forwarding plane then looks at that
//! alone. Here is how a responder finds the context of an association that a peer asks for. It never guesses.

use core::net::IpAddr;

use fwd_core::net::VpnId;
use fwd_core::wire::IpProtocol;

use crate::ike::{ApplicationId, Mode, TrafficSelector, VpnContext, VpnName};

/// What is known of an association that a peer asks for.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Ours and the peer's outer address.
    pub ends: (IpAddr, IpAddr),
    /// Tunnel or transport.
    pub mode: Mode,
    /// The context that the peer said.
    pub context: Option<&'a VpnContext>,
    /// What comes from us, and from the peer.
    pub selectors: (&'a TrafficSelector, &'a TrafficSelector),
}

/// Where the context of an association comes from, by descending weight (VLINK-5.2.1-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The peer said it in the set-up.
    Explicit,
    /// The address that the peer asked, which is one VPN's.
    Address,
    /// The convention of CE drafts: transport mode for IP in IP between the very addresses.
    Convention,
    /// What is configured for this peer.
    Default,
}

/// Why an association has no context: the negotiation answers TS_UNACCEPTABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoContext {
    /// The peer said none, and nothing implies one.
    Unsaid,
    /// The peer said one that is not configured with it.
    Unknown,
    /// It is for another application: not a virtual link.
    Application(ApplicationId),
}

/// What is configured with a peer about the contexts that it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Implied {
    /// The VPN of the address that it asked.
    pub address: Option<VpnId>,
    /// The VPN of an association that follows the convention; none: the convention is off.
    pub convention: Option<VpnId>,
    /// The VPN of whatever else.
    pub default: Option<VpnId>,
}

/// Finds the VPN of an association that a peer asks for. `is_known` says which contexts are configured with it.
///
/// # Errors
/// There is none: the association is to be refused.
pub fn context_of(
    offer: &Offer<'_>,
    implied: &Implied,
    is_known: impl Fn(VpnId, u32) -> bool,
) -> Result<(VpnId, u32, Source), NoContext> {
    if let Some(context) = offer.context {
        if context.application != ApplicationId::VIRTUAL_LINK {
            return Err(NoContext::Application(context.application));
        }
        let VpnName::VpnId(vpn) = context.vpn else { return Err(NoContext::Unknown) };
        return if is_known(vpn, context.link) {
            Ok((vpn, context.link, Source::Explicit))
        } else {
            Err(NoContext::Unknown)
        };
    }
    let convention = implied.convention.filter(|_| follows_convention(offer)).map(|vpn| (vpn, Source::Convention));
    let address = implied.address.map(|vpn| (vpn, Source::Address));
    let default = implied.default.map(|vpn| (vpn, Source::Default));
    let (vpn, source) = address.or(convention).or(default).ok_or(NoContext::Unsaid)?;
    if is_known(vpn, 0) { Ok((vpn, 0, source)) } else { Err(NoContext::Unknown) }
}

/// Whether an association is a virtual link by the convention of CE drafts (draft-duffy §5.3): transport mode, IP in IP, and the
/// selectors are the very addresses that negotiate.
#[must_use]
pub fn follows_convention(offer: &Offer<'_>) -> bool {
    let exactly = |selector: &TrafficSelector, address: IpAddr| {
        selector.addresses() == (address, address)
            && matches!(IpProtocol(selector.protocol()), IpProtocol::IPV4 | IpProtocol::IPV6)
            && selector.ports() == (0, u16::MAX)
    };
    offer.mode == Mode::Transport
        && exactly(offer.selectors.0, offer.ends.0)
        && exactly(offer.selectors.1, offer.ends.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vpn(n: u32) -> VpnId {
        VpnId::new(0x5e, n).unwrap()
    }

    const US: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 1));
    const PEER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(192, 0, 2, 2));

    /// Shows: VLINK-5.2.1-4
    #[test]
    fn where_a_context_comes_from() {
        let any = TrafficSelector::ANY_V4;
        let (ours, theirs) = (TrafficSelector::host_protocol(US, 4), TrafficSelector::host_protocol(PEER, 4));
        let context = VpnContext::link(vpn(7), 3);
        let strange = VpnContext::link(vpn(99), 0);
        let known = |v: VpnId, link: u32| v.index() < 10 && (link == 0 || link == 3);
        let tunnel = |context| Offer { ends: (US, PEER), mode: Mode::Tunnel, context, selectors: (&any, &any) };
        let convention =
            |context| Offer { ends: (US, PEER), mode: Mode::Transport, context, selectors: (&ours, &theirs) };
        let implied = Implied { address: Some(vpn(1)), convention: Some(vpn(2)), default: Some(vpn(3)) };
        let without_address = Implied { address: None, ..implied };
        let only_default = Implied { default: Some(vpn(3)), ..Implied::default() };
        let decide = |offer: Offer<'_>, implied: Implied| context_of(&offer, &implied, known);
        // What is said counts, whatever else is implied.
        assert_eq!(decide(tunnel(Some(&context)), implied), Ok((vpn(7), 3, Source::Explicit)));
        assert_eq!(decide(tunnel(Some(&strange)), implied), Err(NoContext::Unknown));
        let other = VpnContext { application: ApplicationId::SECURITY_GATEWAY, ..context.clone() };
        let refused = NoContext::Application(ApplicationId::SECURITY_GATEWAY);
        assert_eq!(decide(tunnel(Some(&other)), implied), Err(refused));
        // Else the address, the convention, the default, in this order; else nothing.
        assert_eq!(decide(convention(None), implied), Ok((vpn(1), 0, Source::Address)));
        assert_eq!(decide(convention(None), without_address), Ok((vpn(2), 0, Source::Convention)));
        assert_eq!(decide(tunnel(None), without_address), Ok((vpn(3), 0, Source::Default)));
        assert_eq!(decide(convention(None), only_default), Ok((vpn(3), 0, Source::Default)));
        assert_eq!(decide(tunnel(None), Implied::default()), Err(NoContext::Unsaid));
        let unknown = Implied { default: Some(vpn(50)), ..Implied::default() };
        assert_eq!(decide(tunnel(None), unknown), Err(NoContext::Unknown));
    }

    /// Shows: VLINK-5.3-3, VLINK-5.3-4
    #[test]
    fn the_convention_is_met_exactly_or_not_at_all() {
        let (ours, theirs) = (TrafficSelector::host_protocol(US, 4), TrafficSelector::host_protocol(PEER, 4));
        let exact = Offer { ends: (US, PEER), mode: Mode::Transport, context: None, selectors: (&ours, &theirs) };
        assert!(follows_convention(&exact));
        let gre = TrafficSelector::host_protocol(US, 47);
        let host = TrafficSelector::host(PEER);
        let subnet = TrafficSelector::subnet(US, 24);
        let port = TrafficSelector::new(4, (1, 2), (US, US)).unwrap();
        for deviation in [
            Offer { mode: Mode::Tunnel, ..exact },
            Offer { ends: (PEER, US), ..exact },
            Offer { selectors: (&gre, &theirs), ..exact },
            Offer { selectors: (&ours, &host), ..exact },
            Offer { selectors: (&subnet, &theirs), ..exact },
            Offer { selectors: (&port, &theirs), ..exact },
        ] {
            assert!(!follows_convention(&deviation), "{deviation:?}");
        }
        // Off, which is the default: an ordinary association.
        assert_eq!(context_of(&exact, &Implied::default(), |_, _| true), Err(NoContext::Unsaid));
        // The peer's word weighs more, and may say that it is none.
        let gateway = VpnContext { application: ApplicationId::SECURITY_GATEWAY, ..VpnContext::link(vpn(1), 0) };
        let on = Implied { convention: Some(vpn(2)), ..Implied::default() };
        let said = Offer { context: Some(&gateway), ..exact };
        assert!(matches!(context_of(&said, &on, |_, _| true), Err(NoContext::Application(_))));
    }
}
