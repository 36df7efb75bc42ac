//! In which context a message of a capture is to be read.

use bgp_vpn::message::capability::Capability;
use bgp_vpn::message::{FaultAction, Header, Open, Update};
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{Negotiated, PeerKind};

/// What two OPENs agree on, for messages from `sender` to `receiver`, as the receiver reads them.
#[must_use]
pub fn observed(sender: &Open, receiver: &Open) -> Negotiated {
    let kind = if sender.asn() == receiver.asn() { PeerKind::Internal } else { PeerKind::External };
    let mut negotiated = Negotiated::baseline(kind);
    negotiated.four_octet_as = sender.four_octet_as() && receiver.four_octet_as();
    if has(sender, &Capability::ExtendedMessage) && has(receiver, &Capability::ExtendedMessage) {
        negotiated.max_message_len = Header::MAX_EXTENDED_LEN;
    }
    for family in families(sender).filter(|f| families(receiver).any(|g| g == *f)) {
        if !negotiated.families.contains(&family) {
            negotiated.families.push(family);
        }
    }
    negotiated.add_path_receive =
        add_path(sender, true).filter(|f| add_path(receiver, false).any(|g| g == *f)).collect();
    negotiated.multiple_labels =
        multiple_labels(sender).filter(|f| multiple_labels(receiver).any(|g| g == *f)).collect();
    negotiated.extended_next_hop = extended_next_hop(receiver).collect();
    negotiated.route_refresh = has(receiver, &Capability::RouteRefresh);
    negotiated.enhanced_route_refresh =
        has(sender, &Capability::EnhancedRouteRefresh) && has(receiver, &Capability::EnhancedRouteRefresh);
    negotiated
}

fn has(open: &Open, capability: &Capability) -> bool {
    open.capabilities().any(|c| c == capability)
}

fn families(open: &Open) -> impl Iterator<Item = Family> + '_ {
    open.capabilities().filter_map(|c| if let Capability::Multiprotocol(family) = c { Some(*family) } else { None })
}

fn add_path(open: &Open, sends: bool) -> impl Iterator<Item = Family> + '_ {
    let lists = open.capabilities().filter_map(|c| if let Capability::AddPath(list) = c { Some(list) } else { None });
    let wanted =
        move |mode: bgp_vpn::message::capability::SendReceive| if sends { mode.sends() } else { mode.receives() };
    lists.flat_map(|list| list.iter()).filter(move |entry| wanted(entry.mode)).map(|entry| entry.family)
}

fn multiple_labels(open: &Open) -> impl Iterator<Item = Family> + '_ {
    let lists =
        open.capabilities().filter_map(|c| if let Capability::MultipleLabels(list) = c { Some(list) } else { None });
    lists.flat_map(|list| list.iter()).filter(|entry| entry.count > 1).map(|entry| entry.family)
}

fn extended_next_hop(open: &Open) -> impl Iterator<Item = Family> + '_ {
    let lists =
        open.capabilities().filter_map(|c| if let Capability::ExtendedNextHop(list) = c { Some(list) } else { None });
    lists.flat_map(|list| list.iter()).filter_map(|entry| entry.family())
}

/// Contexts that a session whose OPENs are not in the capture may have, the likeliest first: AS numbers of four octets
/// before those of two, no path identifiers before path identifiers in every family, internal before external.
#[must_use]
pub fn guesses() -> Vec<Negotiated> {
    let known = [
        Family::IPV4_UNICAST,
        Family::IPV6_UNICAST,
        Family::IPV4_MULTICAST,
        Family::IPV6_MULTICAST,
        Family::IPV4_LABELED_UNICAST,
        Family::IPV6_LABELED_UNICAST,
        Family::VPN_IPV4,
        Family::VPN_IPV6,
    ];
    let mut guesses = Vec::new();
    for add_path in [false, true] {
        for four_octet_as in [true, false] {
            for kind in [PeerKind::Internal, PeerKind::External] {
                let mut guess = Negotiated::baseline(kind);
                guess.four_octet_as = four_octet_as;
                guess.max_message_len = Header::MAX_EXTENDED_LEN;
                guess.families = known.into_iter().collect();
                guess.extended_next_hop = known.into_iter().collect();
                if add_path {
                    guess.add_path_receive = known.into_iter().collect();
                }
                guesses.push(guess);
            }
        }
    }
    guesses
}

/// How badly the body of an UPDATE reads in a context; `None`: without fault.
#[must_use]
pub fn badness(body: &[u8], negotiated: &Negotiated) -> Option<FaultAction> {
    match Update::parse(body, negotiated) {
        Err(_) => Some(FaultAction::SessionReset),
        Ok(update) => update.action().max(update.check_nlri().err().map(|fault| fault.action)),
    }
}

/// The first guess in which the body of an UPDATE has the least fault.
#[must_use]
pub fn best_guess<'g>(body: &[u8], guesses: &'g [Negotiated]) -> Option<&'g Negotiated> {
    guesses.iter().min_by_key(|guess| badness(body, guess))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(as_path: &[u8], nlri: &[u8], local_pref: bool) -> Vec<u8> {
        let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, as_path.len() as u8];
        attributes.extend(as_path);
        attributes.extend([0x40, 3, 4, 192, 0, 2, 1]);
        if local_pref {
            attributes.extend([0x40, 5, 4, 0, 0, 0, 100]);
        }
        [&[0, 0, 0, attributes.len() as u8][..], &attributes, nlri].concat()
    }

    #[test]
    fn width_kind_and_path_identifiers_are_guessed() {
        let guesses = guesses();
        let guess = |body: &[u8]| {
            let guess = best_guess(body, &guesses).unwrap();
            (guess.four_octet_as, guess.peer_kind, !guess.add_path_receive.is_empty())
        };
        let (two, four) = ([2, 2, 0xfd, 0xe9, 0xfd, 0xea], [2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xea]);
        assert_eq!(guess(&update(&four, &[8, 10], false)), (true, PeerKind::External, false));
        assert_eq!(guess(&update(&two, &[8, 10], true)), (false, PeerKind::Internal, false));
        assert_eq!(guess(&update(&four, &[0, 0, 0, 1, 32, 10, 1, 2, 3], true)), (true, PeerKind::Internal, true));
    }
}
