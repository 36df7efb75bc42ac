//! Which groups may leave a VPN without meeting those of others (RFC 4834 §5.1.11): a look at ranges that a policy lets out of it.

use crate::address::Address;
use core::net::Ipv4Addr;
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};

/// Why a range of groups should not leave its VPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupAdvice {
    /// It is of the link or the interface: no router forwards it.
    LinkScope,
    /// It is of an organisation: 239.0.0.0/8 (RFC 2365 §6), or IPv6 scopes below global (RFC 4291 §2.7). Others use the same groups.
    Private,
    /// It is any-source, and nobody says whose: rather a group of GLOP (RFC 3180), a unicast-prefix-based one (RFC 3306, RFC 6034), or a
    /// source-specific one (RFC 4607), each of which is unique without asking anybody.
    NotUnique,
}

/// What there is to say about a range of groups that a policy of an extranet, or towards the Internet, lets leave the VPN: nothing, if each
/// of them is unique beyond it.
///
/// ```
/// use mvpn::group_scope::{GroupAdvice, advise};
///
/// assert_eq!(advise(&"239.1.0.0/16".parse()?), Some(GroupAdvice::Private));
/// assert_eq!(advise(&"232.1.0.0/16".parse()?), None);
/// # Ok::<(), fwd_core::net::PrefixError>(())
/// ```
#[must_use]
pub fn advise(range: &IpPrefix) -> Option<GroupAdvice> {
    match range {
        IpPrefix::V4(range) => advise_v4(range),
        IpPrefix::V6(range) => advise_v6(range),
    }
}

fn advise_v4(range: &Ipv4Prefix) -> Option<GroupAdvice> {
    let of = |a: u8, b: u8, len| Ipv4Prefix::new(Ipv4Addr::new(a, b, 0, 0), len);
    let meets = |other: Option<Ipv4Prefix>| other.is_some_and(|other| other.covers(range) || range.covers(&other));
    let within = |other: Option<Ipv4Prefix>| other.is_some_and(|other| other.covers(range));
    if within(Ipv4Prefix::new(Ipv4Addr::new(224, 0, 0, 0), 24)) {
        Some(GroupAdvice::LinkScope)
    } else if meets(of(239, 0, 8)) {
        Some(GroupAdvice::Private)
    } else if within(of(232, 0, 8)) || within(of(233, 0, 8)) || within(of(234, 0, 8)) {
        None
    } else {
        Some(GroupAdvice::NotUnique)
    }
}

fn advise_v6(range: &Ipv6Prefix) -> Option<GroupAdvice> {
    /// The scope of global groups (RFC 4291 §2.7).
    const GLOBAL: u8 = 0xe;
    let [_, flags_and_scope, ..] = range.addr().octets();
    let (flags, scope) = (flags_and_scope >> 4, flags_and_scope & 0x0f);
    match (range.bit_len(), scope) {
        // Several scopes, those of organisations among them.
        (..16, _) => Some(GroupAdvice::Private),
        (_, 0..=2) => Some(GroupAdvice::LinkScope),
        (_, GLOBAL) if Address::is_ssm_group(&range.addr()) || flags & 0b0010 != 0 => None,
        (_, GLOBAL) => Some(GroupAdvice::NotUnique),
        _ => Some(GroupAdvice::Private),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: MVPN-ADDR-3
    #[test]
    fn groups_of_an_organisation_are_not_let_out_silently() {
        let cases = [
            ("239.0.0.0/8", Some(GroupAdvice::Private)),
            ("239.255.1.1/32", Some(GroupAdvice::Private)),
            ("224.0.0.0/4", Some(GroupAdvice::Private)),
            ("232.0.0.0/8", None),
            ("232.1.1.1/32", None),
            ("233.252.0.0/16", None),
            ("234.1.1.0/24", None),
            ("224.0.0.0/24", Some(GroupAdvice::LinkScope)),
            ("225.0.0.0/8", Some(GroupAdvice::NotUnique)),
            ("ff3e::/32", None),
            ("ff3e:20:2001:db8::/64", None),
            ("ff0e::/16", Some(GroupAdvice::NotUnique)),
            ("ff08::/16", Some(GroupAdvice::Private)),
            ("ff38::/32", Some(GroupAdvice::Private)),
            ("ff02::/16", Some(GroupAdvice::LinkScope)),
            ("ff00::/8", Some(GroupAdvice::Private)),
        ];
        for (range, expected) in cases {
            assert_eq!(advise(&range.parse().unwrap()), expected, "{range}");
        }
    }
}
