//! Routes of services pass through our speaker as a reflector between routers of others.

use super::PATIENCE;
use super::gobgp::{self, GoBgp};
use super::net::{Net, Node, until};
use super::ours::{Config, Ours, Peer};

fn gobgp(node: &Node, reflector: &Node) -> GoBgp {
    let neighbors = vec![gobgp::Neighbor { address: reflector.v4.into(), client: false, passive: false }];
    GoBgp::start(node, &gobgp::Config { neighbors, hold: 9, families: vec!["l2vpn-evpn"], ..Default::default() })
}

/// The EVPN routes of a GoBGP as it prints them, without what differs from router to router: our attributes and ages.
pub fn routes(gobgp: &GoBgp) -> Result<Vec<(String, String)>, String> {
    let text = gobgp.control("global rib -a evpn -j")?;
    let rib: serde_json::Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
    let mut found = Vec::new();
    for (name, paths) in rib.as_object().into_iter().flatten() {
        let path = &paths[0];
        let kept = |a: &&serde_json::Value| !matches!(a["type"].as_u64(), Some(1 | 2 | 3 | 5 | 9 | 10 | 14));
        let attributes: Vec<_> = path["attrs"].as_array().into_iter().flatten().filter(kept).collect();
        let nlri = &path["nlri"]["value"];
        found.push((name.clone(), format!("{nlri} {attributes:?}")));
    }
    found.sort();
    Ok(found)
}

/// MAC/IP, multicast and prefix routes of one GoBGP reach another through us with labels, segment and communities as they were; a
/// route that comes again with another label replaces the first; withdrawals arrive.
#[test]
fn we_reflect_evpn_between_two_gobgps() {
    let mut net = Net::new();
    let (r, a, b) = (net.node(), net.node(), net.node());
    let peers = [&a, &b].map(|n| Peer::client(n.v4).families(&["evpn"])).to_vec();
    let reflector = Ours::start(&r, &Config { peers, ..Config::default() });
    let (from, to) = (gobgp(&a, &r), gobgp(&b, &r));
    let mac = "aa:bb:cc:dd:ee:04 10.0.0.1 etag 10 label 10,20 rd 65001:1 rt 65001:100";
    let all = [
        format!("macadv {mac}"),
        "multicast 10.0.0.1 etag 10 rd 65001:1 rt 65001:100".to_owned(),
        "prefix 10.1.0.0/16 etag 10 label 30 rd 65001:1 rt 65001:100".to_owned(),
    ];
    let add = |route: &str| from.control(&format!("global rib add {route} -a evpn")).unwrap_or_else(|e| panic!("{e}"));
    all.iter().for_each(|route| drop(add(route)));
    let same = |n: usize| {
        until("the routes arrive as they were sent", PATIENCE, || {
            let (sent, arrived) = (routes(&from)?, routes(&to)?);
            if sent.len() == n && sent == arrived { Ok(()) } else { Err(format!("{sent:?}\nthere: {arrived:?}")) }
        });
    };
    same(3);
    add(&format!("macadv {}", mac.replace("10,20", "11,21")));
    same(3);
    from.control(&format!("global rib del {} -a evpn", all[1])).unwrap();
    same(2);
    assert_eq!(reflector.ups_and_downs(a.v4), (1, 0));
}
