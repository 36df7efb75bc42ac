//! RFC 8916: leaves of the model beside sessions and sources.

use fwd_core::yang::{Tree, Value};

use super::*;

const MSDP: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol/ietf-msdp:msdp";

fn get(net: &Net, at: u8, leaf: &str, keys: &[&str]) -> Option<Value> {
    let mut tree = Tree::default();
    net.speakers[&speaker_address(at)].write_yang(net.now, "red", &mut tree);
    tree.get(&format!("{MSDP}/{leaf}"), &[&["red"], keys].concat()).cloned()
}

fn text(value: impl ToString) -> Option<Value> {
    Some(Value::Text(value.to_string()))
}

/// Shows: L3VPN-8.11-8
#[test]
fn peers_and_the_cache_are_leaves() {
    // 1 - 2 - 3, and 3 hears of no RP from 1's side but by 2.
    let mut net = Net::new(3);
    net.peer(1, 2, |_| {});
    net.peer(2, 3, |peer| peer.mesh_group = Some(7));
    let [one, two, three] = [1, 2, 3].map(|n| speaker_address(n).to_string());
    let peer = |net: &Net, leaf: &str| get(net, 2, &format!("peers/peer/{leaf}"), &[&one]);
    assert_eq!(peer(&net, "session-state"), text("established"));
    assert_eq!(get(&net, 2, "peers/peer/mesh-group", &[&three]), text(7));
    assert_eq!(get(&net, 2, "peers/peer/mesh-group", &[&one]), None);
    net.source(1, 1, 1, true);
    net.secs(30);
    assert_eq!(peer(&net, "elapsed-time"), Some(Value::Unsigned(30)));
    let (g, s) = (group(1).to_string(), source(1).to_string());
    let entry = |net: &Net, at: u8, leaf: &str| get(net, at, &format!("sa-cache/entry/{leaf}"), &[&g, &s]);
    assert_eq!(entry(&net, 2, "state-attributes/peer-learned-from"), text(&one));
    assert_eq!(entry(&net, 3, "state-attributes/peer-learned-from"), text(&two));
    assert_eq!(entry(&net, 2, "state-attributes/up-time"), Some(Value::Unsigned(30)));
    assert_eq!(entry(&net, 2, "state-attributes/expire"), Some(Value::Unsigned(120)), "of 150 s");
    let local = |at: u8| get(&net, at, "sa-cache/entry/origin-rp/is-local-rp", &[&g, &s, &one]);
    assert_eq!([1, 2].map(local), [true, false].map(|is| Some(Value::Boolean(is))));
    // What 1 sent is what 2 received.
    let sent = get(&net, 1, "peers/peer/statistics/sent/sa-message", &[&two]);
    assert!(matches!(sent, Some(Value::Unsigned(n)) if n > 0));
    assert_eq!(peer(&net, "statistics/received/sa-message"), sent);
    net.secs(120);
    assert_eq!(
        peer(&net, "statistics/received/total"),
        get(&net, 1, "peers/peer/statistics/sent/total", &[&two]),
        "keepalives, too"
    );
    // A session that falls silent ends; what came by it goes.
    net.silent = true;
    net.secs(300);
    assert_ne!(peer(&net, "reset-count"), Some(Value::Unsigned(0)));
    assert_eq!(entry(&net, 2, "state-attributes/expire"), None);
    net.silent = false;
    net.secs(200);
    assert_eq!(peer(&net, "session-state"), text("established"));
    assert_eq!(entry(&net, 2, "state-attributes/peer-learned-from"), text(&one), "it is told anew");
    // One who has nothing to do with the RP says something of it.
    let now = net.now;
    let speaker = net.speakers.get_mut(&speaker_address(2)).unwrap();
    speaker.remove_peer(now, speaker_address(1));
    assert_eq!(peer(&net, "session-state"), None);
}
