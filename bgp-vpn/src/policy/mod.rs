//! Routing policy: a typed list of what to match and what to set, per peer and per VRF.
//!
//! | File | What |
//! |---|---|
//! | `mod.rs` | the list and its evaluation |
//! | `matching.rs` | conditions |
//! | `setting.rs` | changes of attributes |
//!
//! A route runs through the statements in order. Where all conditions of a statement hold, its changes are noted, and the route is
//! accepted, refused, or goes on to the next; a route that runs off the end is what [`Policy::otherwise`] says. Conditions see the route
//! as it came, not the changes noted before. Evaluation reads the attributes where they are, and allocates nothing; only a set of changes
//! that was not met before, for an attribute set, makes a new attribute set. Policies of peers look at routes to prefixes; those of other
//! families, which are reflected as octets, pass.

mod matching;
mod setting;

use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::IpPrefix;

pub use matching::{AsPathMatch, Match, PrefixRange};
pub use setting::Set;

use crate::nlri::RouteDistinguisher;
use crate::session::ConfigError;

/// What becomes of a route that a statement matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It is accepted with the changes noted so far.
    #[default]
    Accept,
    /// It is refused.
    Reject,
    /// The statements that follow are looked at.
    Next,
}

/// Conditions, and what follows where all of them hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// All must hold; none at all: every route.
    pub matches: Vec<Match>,
    /// Changes, in this order.
    pub sets: Vec<Set>,
    /// What becomes of the route.
    pub then: Then,
}

/// A list of statements. The default accepts every route as it is.
///
/// ```
/// use bgp_vpn::policy::{Match, Policy, Set, Statement, Then};
///
/// // Only routes of one VPN, and these preferred.
/// let policy = Policy {
///     statements: vec![Statement {
///         matches: vec![Match::RouteTarget(vec!["65001:7".parse()?])],
///         sets: vec![Set::LocalPref(200)],
///         then: Then::Accept,
///     }],
///     otherwise: Then::Reject,
/// };
/// policy.validate()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The statements, at most [`Policy::MAX_STATEMENTS`].
    pub statements: Vec<Statement>,
    /// What becomes of a route that no statement decided about; [`Then::Next`] is acceptance.
    pub otherwise: Then,
}

/// A route as conditions see it.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRoute<'a> {
    /// The destination.
    pub prefix: IpPrefix,
    /// The route distinguisher of a VPN route.
    pub rd: Option<RouteDistinguisher>,
    /// The BGP next hop, if the route has one.
    pub next_hop: Option<IpAddr>,
    /// The attributes in ascending order of types with 4-octet AS numbers, without next hop and NLRI.
    pub attributes: &'a [u8],
}

/// The statements that changed a route, by their bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Applied(u64);

impl Applied {
    /// Whether the route stays as it is.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Policy {
    /// The most statements of a policy.
    pub const MAX_STATEMENTS: usize = 64;

    /// Whether it accepts every route as it is.
    #[must_use]
    pub fn is_transparent(&self) -> bool {
        self.statements.is_empty() && self.otherwise != Then::Reject
    }

    /// Checks the policy.
    ///
    /// # Errors
    /// More than [`Self::MAX_STATEMENTS`] statements; a range of prefix lengths that is empty or longer than an address; more than
    /// 32 prependings at a time.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.statements.len() > Self::MAX_STATEMENTS {
            let (value, rule) = (self.statements.len().to_string(), "at most 64");
            return Err(ConfigError::Value { field: "statements", value, rule });
        }
        for statement in &self.statements {
            statement.matches.iter().try_for_each(Match::validate)?;
            statement.sets.iter().try_for_each(Set::validate)?;
        }
        Ok(())
    }

    /// What becomes of a route: `None` if it is refused, else the statements whose changes it gets.
    #[must_use]
    pub fn evaluate(&self, route: &PolicyRoute<'_>) -> Option<Applied> {
        let mut applied = Applied::default();
        for (bit, statement) in self.statements.iter().enumerate() {
            if !statement.matches.iter().all(|m| m.holds(route)) {
                continue;
            }
            if !statement.sets.is_empty() {
                applied.0 |= 1 << (bit % Self::MAX_STATEMENTS);
            }
            match statement.then {
                Then::Accept => return Some(applied),
                Then::Reject => return None,
                Then::Next => {}
            }
        }
        (self.otherwise != Then::Reject).then_some(applied)
    }

    /// The changes of the statements that apply, in order.
    pub(crate) fn sets(&self, applied: Applied) -> impl Iterator<Item = &Set> {
        let of = self.statements.iter().enumerate().filter(move |(bit, _)| applied.0 & 1 << (bit % 64) != 0);
        of.flat_map(|(_, statement)| &statement.sets)
    }

    /// The next hop that the changes say, if they do.
    #[must_use]
    pub fn next_hop(&self, applied: Applied) -> Option<IpAddr> {
        let hops = self.sets(applied).filter_map(|set| match set {
            Set::NextHop(address) => Some(*address),
            _ => None,
        });
        hops.last()
    }

    /// Writes the attributes with the changes of the statements that apply. `local_as` is what is prepended where a change names
    /// no AS number.
    pub fn apply(&self, applied: Applied, attributes: &[u8], local_as: u32, out: &mut Vec<u8>) {
        setting::apply(self.sets(applied), attributes, local_as, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::{Community, LargeCommunity};
    use alloc::vec;

    /// ORIGIN IGP, AS_PATH 65010 65020, MED 7, LOCAL_PREF 100, COMMUNITIES 65010:1, route target 65001:1.
    const ROUTE: &[u8] = &[
        0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0xfd, 0xf2, 0, 0, 0xfd, 0xfc, 0x80, 4, 4, 0, 0, 0, 7, 0x40, 5, 4, 0, 0,
        0, 100, 0xc0, 8, 4, 0xfd, 0xf2, 0, 1, 0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1,
    ];

    fn route(prefix: &str) -> PolicyRoute<'static> {
        PolicyRoute {
            prefix: prefix.parse().unwrap(),
            rd: Some(RouteDistinguisher::two_octet_as(65001, 7)),
            next_hop: Some([192, 0, 2, 1].into()),
            attributes: ROUTE,
        }
    }

    fn holds(m: Match) -> bool {
        let then = Then::Accept;
        let policy =
            Policy { statements: vec![Statement { matches: vec![m], sets: vec![], then }], otherwise: Then::Reject };
        policy.validate().unwrap();
        policy.evaluate(&route("10.1.0.0/16")).is_some()
    }

    fn range(prefix: &str, lengths: core::ops::RangeInclusive<u8>) -> PrefixRange {
        PrefixRange { prefix: prefix.parse().unwrap(), lengths }
    }

    #[test]
    fn every_condition_holds_where_it_should_and_nowhere_else() {
        let yes = [
            Match::Prefix(vec![range("172.16.0.0/12", 12..=32), range("10.0.0.0/8", 16..=24)]),
            Match::Rd(vec!["65001:7".parse().unwrap()]),
            Match::AsPath(AsPathMatch::Contains(65020)),
            Match::AsPath(AsPathMatch::From(65010)),
            Match::AsPath(AsPathMatch::OriginatedBy(65020)),
            Match::AsPath(AsPathMatch::LengthAtMost(2)),
            Match::Community(vec![Community(0xfdf2_0002), Community(0xfdf2_0001)]),
            Match::RouteTarget(vec!["65001:1".parse().unwrap()]),
            Match::Origin(0),
            Match::Med(5..=7),
            Match::NextHop(vec!["192.0.2.0/24".parse().unwrap()]),
            Match::Not(alloc::boxed::Box::new(Match::Origin(1))),
        ];
        assert!(yes.into_iter().all(holds));
        let no = [
            Match::Prefix(vec![range("10.0.0.0/8", 17..=24)]),
            Match::Prefix(vec![range("10.2.0.0/16", 16..=16)]),
            Match::Prefix(vec![range("::/0", 0..=128)]),
            Match::Rd(vec!["65001:8".parse().unwrap()]),
            Match::AsPath(AsPathMatch::Contains(65030)),
            Match::AsPath(AsPathMatch::From(65020)),
            Match::AsPath(AsPathMatch::OriginatedBy(65010)),
            Match::AsPath(AsPathMatch::LengthAtMost(1)),
            Match::Community(vec![Community(0xfdf2_0002)]),
            Match::LargeCommunity(vec![LargeCommunity { global: 1, local1: 2, local2: 3 }]),
            Match::RouteTarget(vec!["65001:2".parse().unwrap()]),
            Match::Med(8..=9),
            Match::NextHop(vec!["198.51.100.0/24".parse().unwrap()]),
        ];
        assert!(!no.into_iter().any(holds));
    }

    #[test]
    fn statements_are_looked_at_in_order_until_one_decides() {
        let statement = |matches, sets, then| Statement { matches, sets, then };
        let policy = Policy {
            statements: vec![
                statement(vec![], vec![Set::LocalPref(300)], Then::Next),
                statement(vec![Match::Origin(2)], vec![Set::LocalPref(9)], Then::Accept),
                statement(vec![Match::Prefix(vec![range("10.2.0.0/16", 16..=32)])], vec![], Then::Reject),
                statement(
                    vec![Match::Med(7..=7)],
                    vec![
                        Set::Med(None),
                        Set::Prepend { asn: None, times: 2 },
                        Set::AddCommunity(Community(5)),
                        Set::RemoveCommunity(Community(0xfdf2_0001)),
                        Set::RemoveRouteTargets,
                        Set::AddExtCommunity("65001:9".parse::<crate::attr::RouteTarget>().unwrap().community()),
                        Set::AddLargeCommunity(LargeCommunity { global: 1, local1: 2, local2: 3 }),
                        Set::Origin(2),
                        Set::NextHop([192, 0, 2, 9].into()),
                    ],
                    Then::Accept,
                ),
                statement(vec![], vec![Set::LocalPref(1)], Then::Accept),
            ],
            otherwise: Then::Reject,
        };
        policy.validate().unwrap();
        assert_eq!(policy.evaluate(&route("10.2.3.0/24")), None);
        let applied = policy.evaluate(&route("10.1.0.0/16")).unwrap();
        assert_eq!(policy.next_hop(applied), Some([192, 0, 2, 9].into()));
        let mut out = Vec::new();
        policy.apply(applied, ROUTE, 65001, &mut out);
        let expected: Vec<u8> = [
            &[0x40, 1, 1, 2][..],
            &[0x40, 2, 18, 2, 4, 0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xf2, 0, 0, 0xfd, 0xfc],
            &[0x40, 5, 4, 0, 0, 1, 44],
            &[0xc0, 8, 4, 0, 0, 0, 5],
            &[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 9],
            &[0xc0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3],
        ]
        .concat();
        assert_eq!(out, expected);
    }

    #[test]
    fn bad_policies_name_the_field() {
        let with = |matches: Vec<Match>, sets: Vec<Set>| {
            let statements = vec![Statement { matches, sets, then: Then::Accept }];
            let error = Policy { statements, otherwise: Then::Accept }.validate().unwrap_err();
            alloc::format!("{error}")
        };
        assert!(with(vec![Match::Prefix(vec![range("10.0.0.0/8", 8..=33)])], vec![]).starts_with("prefix"));
        assert!(with(vec![], vec![Set::Prepend { asn: None, times: 33 }]).starts_with("prepend"));
        let statements = vec![Statement::default(); 65];
        assert!(Policy { statements, otherwise: Then::Accept }.validate().is_err());
    }
}
