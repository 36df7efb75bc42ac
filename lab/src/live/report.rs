//! What a running speaker answers: rows of named values, printed by `screen.rs`.

use std::net::IpAddr;

use bgp_vpn::attr::Attributes;
use bgp_vpn::speaker::{PeerId, RouteSource, RouteView};
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
    /// The sessions.
    #[must_use]
    pub fn peers(driver: &Driver<'_>) -> Self {
        let rows = driver.speaker().peers().into_iter().map(|id| peer(driver, id)).collect();
        Self::List { of: "peers", rows }
    }

    /// The VPN routes of all peers and our own.
    #[must_use]
    pub fn vpn(driver: &Driver<'_>) -> Self {
        let mut views = driver.speaker().vpn_routes();
        views.sort_by_key(|v| (v.prefix, v.rd));
        let rows = views.iter().map(|view| path(driver, view, view.rd.map(|rd| rd.to_string()))).collect();
        Self::List { of: "paths", rows }
    }

    /// The routes of a VRF, wherever they come from. The RD is that under which a route was imported.
    #[must_use]
    pub fn vrf(driver: &Driver<'_>, vrf: VrfId) -> Self {
        let mut views = driver.speaker().vrf_routes(vrf);
        views.sort_by_key(|v| v.prefix);
        let imported = |view: &RouteView| match view.source {
            RouteSource::Imported(rd) | RouteSource::Leaked(rd) => Some(rd.to_string()),
            _ => None,
        };
        let rows = views.iter().map(|view| path(driver, view, imported(view))).collect();
        Self::List { of: "routes", rows }
    }

    /// What was learnt and done in all.
    #[must_use]
    pub fn summary(driver: &Driver<'_>) -> Row {
        let stats = driver.speaker().stats();
        let up = driver.speaker().peers().into_iter().filter(|p| driver.speaker().peer_negotiated(*p).is_some());
        vec![
            ("seconds", json!(driver.now().as_micros() as f64 / 1e6)),
            ("peers-up", json!(up.count())),
            ("vpn-routes", json!(stats.vpn_routes)),
            ("vpn-paths", json!(stats.vpn_paths)),
            ("vrf-routes", json!(stats.vrf_routes)),
            ("labels", json!(stats.labels)),
            ("attribute-sets", json!(stats.attribute_sets)),
            ("octets", json!(stats.octets)),
            ("ops-refused", json!(driver.refused())),
            ("sent", by_type(driver.transport().sent())),
            ("received", by_type(driver.transport().received())),
        ]
    }

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
            ("longest-sent", json!(driver.transport().sent().longest)),
            ("longest-received", json!(driver.transport().received().longest)),
        ])
    }
}

fn peer(driver: &Driver<'_>, id: PeerId) -> Row {
    let speaker = driver.speaker();
    let config = speaker.peer_config(id);
    let negotiated = speaker.peer_negotiated(id);
    let families = speaker.peer_families(id);
    let of_families = |value: fn(&bgp_vpn::speaker::PeerFamilyState) -> u64| -> Value {
        families.iter().map(value).collect::<Vec<_>>().into()
    };
    vec![
        ("address", json!(driver.address(id).map(|a| a.to_string()))),
        ("as", json!(config.map(|c| c.remote_as))),
        ("state", json!(speaker.peer_state(id).map(|s| format!("{s:?}")))),
        ("hold", json!(negotiated.map(|n| n.hold_time.as_secs()))),
        ("families", families.iter().filter(|f| f.up).map(|f| f.family.to_string()).collect::<Vec<_>>().into()),
        ("received", of_families(|f| f.received.into())),
        ("advertised", of_families(|f| f.advertised.into())),
        ("refused", of_families(|f| f.refused)),
    ]
}

fn path(driver: &Driver<'_>, view: &RouteView, rd: Option<String>) -> Row {
    let attributes = Attributes::of_canonical(&view.attributes);
    let source = match view.source {
        RouteSource::Peer(id) => driver.address(id).map_or_else(|| "a former peer".to_owned(), |a| a.to_string()),
        RouteSource::Local => "local".to_owned(),
        RouteSource::Imported(_) => "imported".to_owned(),
        RouteSource::Leaked(_) => "leaked".to_owned(),
    };
    vec![
        ("rd", json!(rd)),
        ("prefix", json!(view.prefix.to_string())),
        ("labels", view.labels.as_slice().iter().map(|l| l.value()).collect::<Vec<_>>().into()),
        ("next-hop", json!(view.next_hop.map(|a| a.to_string()))),
        ("targets", view.targets.iter().map(|t| t.to_string().replace("target:", "")).collect::<Vec<_>>().into()),
        ("from", json!(source)),
        ("best", json!(view.best)),
        ("stale", json!(view.stale)),
        ("as-path", json!(attributes.as_path().map(|p| p.to_string()))),
        ("local-pref", json!(attributes.local_pref())),
        ("originator", json!(attributes.originator_id().map(|a| a.to_string()))),
    ]
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
                    _ => driver.next_hop_of(id),
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
