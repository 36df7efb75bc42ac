//! What a running speaker answers: rows of named values, printed by `screen.rs`.

use std::net::IpAddr;

use fwd_core::net::{IpPrefix, VrfId};
use fwd_core::op::{NextHop, RouteAction};
use serde_json::{Value, json};

use super::driver::Driver;
use super::meter::MessageCounts;

/// Named values in the order in which they are shown.
pub type Row = Vec<(&'static str, Value)>;

/// An answer.
#[derive(Debug)]
pub enum Report {
    /// Nothing to tell.
    Done,
    /// Some of one kind of thing.
    List {
        /// The things' name, in the plural.
        of: &'static str,
        /// One row each, all with the same fields.
        rows: Vec<Row>,
    },
    /// Facts about one thing.
    Fields(Row),
}

impl Report {
    /// The routes that a VRF forwards by, from the forwarding plane.
    #[must_use]
    pub fn fib(driver: &Driver<'_>, vrf: VrfId) -> Self {
        let v4 = driver.forwarder().routes4(vrf).map(|(p, a)| (IpPrefix::V4(p), a));
        let v6 = driver.forwarder().routes6(vrf).map(|(p, a)| (IpPrefix::V6(p), a));
        let rows = v4.chain(v6).map(|(prefix, action)| forwarding(driver, prefix, action)).collect();
        Self::List { of: "routes", rows }
    }

    /// Messages by type, as TCP carried them.
    #[must_use]
    pub fn counts(driver: &Driver<'_>) -> Self {
        Self::Fields(vec![
            ("sent", by_type(driver.transport().sent())),
            ("received", by_type(driver.transport().received())),
        ])
    }
}

fn by_type(counts: MessageCounts) -> Value {
    Value::Object(counts.by_type().into_iter().map(|(name, n)| (name.to_owned(), json!(n))).collect())
}

/// One route of the forwarding plane: the labels it pushes, and the next hop whose tunnel goes on top of them.
fn forwarding(driver: &Driver<'_>, prefix: IpPrefix, action: RouteAction) -> Row {
    let (what, push, next_hop) = match action {
        RouteAction::Local => ("local", vec![], None),
        RouteAction::Discard => ("discard", vec![], None),
        RouteAction::Forward(id) => match driver.forwarder().nhlfe(id) {
            None => ("no entry", vec![], None),
            Some(nhlfe) => {
                let next_hop: Option<IpAddr> = match nhlfe.next {
                    NextHop::Nhlfe(tunnel) => driver.next_hop_of(tunnel),
                    _ => None,
                };
                ("forward", nhlfe.push.as_slice().iter().map(|l| l.value()).collect(), next_hop)
            }
        },
    };
    vec![
        ("prefix", json!(prefix.to_string())),
        ("action", json!(what)),
        ("push", json!(push)),
        ("next-hop", json!(next_hop.map(|a| a.to_string()))),
    ]
}
