//! IPSEC-SPD-MIB (RFC 4807): the SPD of each interface as the groups, rules and filters that make it.
//!
//! ```text
//! spdEndpointToGroupTable: direction, interface ─► group ─► spdGroupContentsTable: priority ─► rule
//! spdRuleDefinitionTable: rule ─► filter: diffServMultiFieldClfrTable (RFC 3289), or a compound one with address ranges
//!                              └► action: spdDropAction, spdAcceptAction, or of a policy that protects tunnelIfSecurity (RFC 4087)
//! ```
//!
//! A policy looks at two ends, a filter at source and destination: each policy is a rule of either direction. The module has no action that
//! protects (its companions never became RFCs): that of such a rule points at tunnelIfSecurity of the interface, which says ipsec(2). No
//! policy is the system's: what an interface has no rule for is dropped.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::mib::{Groups, Objects, Oid, Row, Table, Value, instance};
use fwd_core::time::Instant;

use super::tunnel::TunnelIf;
use crate::ike::TrafficSelector;
use crate::spd::{Action, Policy, Spd};
use crate::vlink::{LinkId, VirtualLinks};

/// An interface with an SPD.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    /// ifIndex.
    pub if_index: u32,
    /// Its policies.
    pub spd: &'a Spd,
    /// When they were written last.
    pub changed: Instant,
}

/// IfDirection (RFC 3289 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Inbound = 1,
    Outbound = 2,
}

/// One direction of one interface; its name is that of its group.
#[derive(Clone, Copy, Debug)]
struct Side {
    if_index: u32,
    direction: Direction,
    changed: Instant,
}

impl Side {
    fn name(self) -> String {
        let word = if self.direction == Direction::Inbound { "in" } else { "out" };
        alloc::format!("if{}-{word}", self.if_index)
    }

    /// The name of the rule of a policy, and of what belongs to it.
    fn rule(self, number: usize) -> String {
        alloc::format!("{}-{number}", self.name())
    }
}

/// LastChanged, StorageType and RowStatus, which end every table of the module, from this column on.
fn tail(column: u32, first: u32, changed: Instant) -> Option<Value> {
    match column.checked_sub(first)? {
        0 => Some(Value::time_stamp(changed)),
        1 => Some(Value::READ_ONLY),
        2 => Some(Value::ACTIVE),
        _ => None,
    }
}

fn text(text: &str) -> Value {
    Value::Octets(text.as_bytes().to_vec())
}

/// A scalar: no group is the system's, the filter that is true, the actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scalar {
    /// Below spdConfigObjects.
    group: u32,
    number: u32,
}

impl Scalar {
    const TRUE_FILTER: Self = Self { group: 7, number: 1 };
    const DROP: Self = Self { group: 13, number: 1 };
    const ACCEPT: Self = Self { group: 13, number: 3 };
    /// All, with the names of the system's groups and the actions that log.
    const ALL: [Self; 7] = [
        Self { group: 1, number: 1 },
        Self { group: 1, number: 2 },
        Self::TRUE_FILTER,
        Self::DROP,
        Self { group: 13, number: 2 },
        Self::ACCEPT,
        Self { group: 13, number: 4 },
    ];

    fn oid(self) -> Oid {
        Oid::new(&[1, 3, 6, 1, 2, 1, 153, 1, self.group, self.number, 0])
    }

    fn value(self) -> Value {
        if self.group == 1 { text("") } else { Value::Integer(1) }
    }
}

/// The scalars as they are walked.
#[derive(Clone, Copy, Debug)]
struct Scalars;

impl Objects for Scalars {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Scalar::ALL.into_iter().find(|scalar| scalar.oid() == *oid).map(Scalar::value)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Scalar::ALL.into_iter().map(|scalar| (scalar.oid(), scalar.value())).find(|(at, _)| at > oid)
    }
}

/// Which group an interface has (spdEndpointToGroupEntry).
#[derive(Clone, Copy, Debug)]
pub struct EndpointToGroup(Side);

impl Row for EndpointToGroup {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6];

    fn index(&self, out: &mut Oid) {
        out.push(self.0.direction as u32);
        out.push(self.0.if_index);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        if column == 3 { Some(text(&self.0.name())) } else { tail(column, 4, self.0.changed) }
    }
}

/// A rule of a group (spdGroupContentsEntry): its priority is its place in the SPD.
#[derive(Clone, Copy, Debug)]
pub struct GroupContents {
    side: Side,
    priority: usize,
}

impl Row for GroupContents {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 3, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8];

    fn index(&self, out: &mut Oid) {
        out.push_octets(self.side.name().as_bytes());
        out.push(self.priority as u32);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // spdTrueFilterInstance: rules are looked at always.
            3 => Value::Oid(Scalar::TRUE_FILTER.oid()),
            // rule(2).
            4 => Value::Integer(2),
            5 => text(&self.side.rule(self.priority)),
            _ => return tail(column, 6, self.side.changed),
        })
    }
}

/// A rule (spdRuleDefinitionEntry).
#[derive(Clone, Debug)]
pub struct Rule {
    side: Side,
    number: usize,
    filter: Oid,
    action: Oid,
}

impl Row for Rule {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 4, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6, 7, 8, 9];

    fn index(&self, out: &mut Oid) {
        out.push_octets(self.side.rule(self.number).as_bytes());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            3 => Value::Oid(self.filter.clone()),
            4 => Value::truth(false),
            5 => Value::Oid(self.action.clone()),
            // enabled(1).
            6 => Value::Integer(1),
            _ => return tail(column, 7, self.side.changed),
        })
    }
}

/// Selectors as RFC 3289 has them (diffServMultiFieldClfrEntry).
#[derive(Clone, Copy, Debug)]
pub struct Classifier {
    /// diffServMultiFieldClfrId.
    id: u32,
    source: TrafficSelector,
    destination: TrafficSelector,
}

impl Classifier {
    /// Address and prefix length: any address where the range is no prefix, which offset filters say.
    fn address(selector: &TrafficSelector) -> (IpAddr, u8) {
        (selector.addresses().0, selector.prefix_len().unwrap_or(0))
    }
}

impl Row for Classifier {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 97, 1, 2, 6, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15];

    fn index(&self, out: &mut Oid) {
        out.push(self.id);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let ((from, from_len), (to, to_len)) = (Self::address(&self.source), Self::address(&self.destination));
        let (from_ports, to_ports) = (self.source.ports(), self.destination.ports());
        Some(match column {
            2 => Value::address_type(Some(to)),
            3 => Value::address(Some(to)),
            4 => Value::Unsigned(to_len.into()),
            5 => Value::address(Some(from)),
            6 => Value::Unsigned(from_len.into()),
            // Any DSCP; no flow label is looked at.
            7 => Value::Integer(-1),
            // Any protocol is 255.
            9 => Value::Unsigned(if self.source.protocol() == 0 { 255 } else { self.source.protocol().into() }),
            10 => Value::Unsigned(to_ports.0.into()),
            11 => Value::Unsigned(to_ports.1.into()),
            12 => Value::Unsigned(from_ports.0.into()),
            13 => Value::Unsigned(from_ports.1.into()),
            14 => Value::READ_ONLY,
            15 => Value::ACTIVE,
            _ => return None,
        })
    }
}

/// Several filters that must all hold (spdCompoundFilterEntry).
#[derive(Clone, Debug)]
pub struct CompoundFilter {
    name: String,
    changed: Instant,
}

impl Row for CompoundFilter {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 5, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6];

    fn index(&self, out: &mut Oid) {
        out.push_octets(self.name.as_bytes());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        match column {
            2 => Some(text("address ranges")),
            // and(2).
            3 => Some(Value::Integer(2)),
            _ => tail(column, 4, self.changed),
        }
    }
}

/// One of them (spdSubfiltersEntry).
#[derive(Clone, Debug)]
pub struct Subfilter {
    compound: String,
    priority: u32,
    filter: Oid,
    changed: Instant,
}

impl Row for Subfilter {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 6, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6];

    fn index(&self, out: &mut Oid) {
        out.push_octets(self.compound.as_bytes());
        out.push(self.priority);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        match column {
            2 => Some(Value::Oid(self.filter.clone())),
            3 => Some(Value::truth(false)),
            _ => tail(column, 4, self.changed),
        }
    }
}

/// A bound of an address range (spdIpOffsetFilterEntry).
#[derive(Clone, Debug)]
pub struct IpOffsetFilter {
    name: String,
    offset: u32,
    /// spdIpOffFiltType.
    comparison: i32,
    bound: IpAddr,
    changed: Instant,
}

impl IpOffsetFilter {
    /// arithmeticGreaterOrEqual(4): the last address is not below the packet's.
    const LAST: i32 = 4;
    /// arithmeticLessOrEqual(6): the first is not above it.
    const FIRST: i32 = 6;
}

impl Row for IpOffsetFilter {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 153, 1, 8, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7];

    fn index(&self, out: &mut Oid) {
        out.push_octets(self.name.as_bytes());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            2 => Value::Unsigned(self.offset),
            3 => Value::Integer(self.comparison),
            4 => Value::address(Some(self.bound)),
            _ => return tail(column, 5, self.changed),
        })
    }
}

#[derive(Default)]
struct Rows {
    endpoints: Vec<EndpointToGroup>,
    groups: Vec<GroupContents>,
    rules: Vec<Rule>,
    classifiers: Vec<Classifier>,
    compounds: Vec<CompoundFilter>,
    subfilters: Vec<Subfilter>,
    offsets: Vec<IpOffsetFilter>,
}

impl Rows {
    fn policy(&mut self, side: Side, number: usize, policy: &Policy) {
        let (local, remote) = (policy.selector.local, policy.selector.remote);
        let (source, destination) = match side.direction {
            Direction::Inbound => (remote, local),
            Direction::Outbound => (local, remote),
        };
        let id = u32::try_from(self.classifiers.len()).unwrap_or(u32::MAX).saturating_add(1);
        let classifier = Classifier { id, source, destination };
        let filter = self.filter(side, number, &classifier);
        let action = match policy.action {
            Action::Discard => Scalar::DROP.oid(),
            Action::Bypass => Scalar::ACCEPT.oid(),
            Action::Protect(_) => Oid::new(&[TunnelIf::ENTRY, &[5, side.if_index]].concat()),
        };
        self.groups.push(GroupContents { side, priority: number });
        self.rules.push(Rule { side, number, filter, action });
        self.classifiers.push(classifier);
    }

    /// The filter of a rule: the classifier, and with it the bounds of what is no prefix.
    fn filter(&mut self, side: Side, number: usize, classifier: &Classifier) -> Oid {
        let (name, changed) = (side.rule(number), side.changed);
        let ends = [(&classifier.source, "src", 12, 8), (&classifier.destination, "dst", 16, 24)];
        let mut bounds = Vec::new();
        for (selector, end, offset4, offset6) in ends.into_iter().filter(|end| end.0.prefix_len().is_none()) {
            let (first, last) = selector.addresses();
            let offset = if selector.is_ipv4() { offset4 } else { offset6 };
            for (word, comparison, bound) in
                [("from", IpOffsetFilter::FIRST, first), ("to", IpOffsetFilter::LAST, last)]
            {
                let name = alloc::format!("{name}-{end}-{word}");
                bounds.push(IpOffsetFilter { name, offset, comparison, bound, changed });
            }
        }
        let of_classifier = instance(classifier, 2);
        if bounds.is_empty() {
            return of_classifier;
        }
        let compound = CompoundFilter { name: name.clone(), changed };
        let pointer = instance(&compound, 2);
        let filters = core::iter::once(of_classifier).chain(bounds.iter().map(|bound| instance(bound, 2)));
        let subfilter = |(priority, filter)| Subfilter { compound: name.clone(), priority, filter, changed };
        self.subfilters.extend((0..).zip(filters).map(subfilter));
        self.compounds.push(compound);
        self.offsets.extend(bounds);
        pointer
    }
}

/// The policies of a system at one moment. The numbers of classifiers, and so of instances of RFC 3289, are those of the picture.
#[derive(Clone, Debug)]
pub struct SpdMib {
    /// spdEndpointToGroupTable.
    pub endpoints: Table<EndpointToGroup>,
    /// spdGroupContentsTable.
    pub groups: Table<GroupContents>,
    /// spdRuleDefinitionTable.
    pub rules: Table<Rule>,
    /// diffServMultiFieldClfrTable.
    pub classifiers: Table<Classifier>,
    /// spdCompoundFilterTable.
    pub compounds: Table<CompoundFilter>,
    /// spdSubfiltersTable.
    pub subfilters: Table<Subfilter>,
    /// spdIpOffsetFilterTable.
    pub offsets: Table<IpOffsetFilter>,
}

impl SpdMib {
    /// The policies of the links that have an interface.
    #[must_use]
    pub fn new(links: &VirtualLinks, if_index: impl Fn(LinkId) -> Option<u32>) -> Self {
        Self::of(links.links().filter_map(|link| {
            Some(Endpoint { if_index: if_index(link)?, spd: links.spd(link)?, changed: links.spd_changed(link)? })
        }))
    }

    /// The policies of any interfaces.
    #[must_use]
    pub fn of<'a>(endpoints: impl IntoIterator<Item = Endpoint<'a>>) -> Self {
        let mut rows = Rows::default();
        for Endpoint { if_index, spd, changed } in endpoints {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let side = Side { if_index, direction, changed };
                rows.endpoints.push(EndpointToGroup(side));
                for (number, policy) in spd.policies().iter().enumerate() {
                    rows.policy(side, number, policy);
                }
            }
        }
        Self {
            endpoints: Table::new(rows.endpoints),
            groups: Table::new(rows.groups),
            rules: Table::new(rows.rules),
            classifiers: Table::new(rows.classifiers),
            compounds: Table::new(rows.compounds),
            subfilters: Table::new(rows.subfilters),
            offsets: Table::new(rows.offsets),
        }
    }

    fn tables(&self) -> [&dyn Objects; 8] {
        [
            &Scalars,
            &self.endpoints,
            &self.groups,
            &self.rules,
            &self.classifiers,
            &self.compounds,
            &self.subfilters,
            &self.offsets,
        ]
    }
}

impl Objects for SpdMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.tables()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.tables()).next(oid)
    }
}
