//! BFD with FRR's bfdd, over one hop and several, both families.

use super::Pair;
use super::frr::Frr;
use super::ours::Ours;

/// Our address, FRR's, and the interface of a session over one hop.
type Session = (&'static str, &'static str, Option<&'static str>);

const SESSIONS: [Session; 4] = [
    ("198.51.100.1", "198.51.100.2", Some("eth0")),
    ("2001:db8::1", "2001:db8::2", Some("eth0")),
    ("192.0.2.1", "192.0.2.2", None),
    ("2001:db8:ff::1", "2001:db8:ff::2", None),
];

fn frr_bfd() -> String {
    let mut text = "bfd\n".to_owned();
    for (ours, far, interface) in SESSIONS {
        let how = match interface {
            Some(name) => format!("interface {name}"),
            None => "multihop".to_owned(),
        };
        text += &format!(
            " peer {ours} {how} local-address {far}\n  transmit-interval 100\n  receive-interval 100\n  \
             detect-multiplier 3\n  no shutdown\n !\n"
        );
    }
    text + "!\n"
}

fn our_bfd() -> String {
    let one = |(local, remote, interface): &Session| {
        let interface = interface.map(|name| format!("interface = \"{name}\"\n")).unwrap_or_default();
        format!("[[bfd]]\nlocal = \"{local}\"\nremote = \"{remote}\"\n{interface}")
    };
    let config =
        "router-id = \"192.0.2.1\"\n[[interface]]\nname = \"eth0\"\naddresses = [\"198.51.100.1/24\"]\n".to_owned();
    config + &SESSIONS.iter().map(one).collect::<String>()
}

fn all(ours: &Ours, state: &str) {
    ours.expect(state, "show", |s| {
        let sessions = s["bfd"].as_array().cloned().unwrap_or_default();
        sessions.len() == SESSIONS.len() && sessions.iter().all(|b| b["state"] == state)
    });
}

/// Sessions come up, fall when bfdd is killed, when the wire is cut, and when an operator shuts them down, and come back each time.
#[test]
fn sessions_with_bfdd_follow_its_life() {
    let pair = Pair::new();
    let frr = Frr::start(&pair.far, "bfdd", &frr_bfd());
    let ours = Ours::start(&pair.ours, &our_bfd());
    all(&ours, "Up");
    frr.expect("up", "show bfd peers brief", |t| t.matches(" up").count() == SESSIONS.len());
    // The time after which we give up: three packets at the agreed pace.
    let show = ours.expect("fast", "show", |s| s["bfd"][0]["detection-ms"] == "300");
    assert!(show["bfd"].as_array().unwrap().iter().all(|b| b["detection-ms"] == "300"), "{show}");
    frr.kill("bfdd");
    all(&ours, "Down");
    assert!(!ours.heard(|e| e["state"] == "Down" && e["diag"].as_str().is_some_and(|d| d.contains('1'))).is_empty());
    frr.spawn("bfdd");
    all(&ours, "Up");
    pair.far.cut();
    all(&ours, "Down");
    frr.expect("down", "show bfd peers brief", |t| t.matches(" down").count() == SESSIONS.len());
    pair.far.join();
    all(&ours, "Up");
    frr.configure(&["bfd", "peer 198.51.100.1 interface eth0 local-address 198.51.100.2", "shutdown"]);
    ours.expect("told that it is shut", "show", |s| s["bfd"][0]["state"] == "Down" && s["bfd"][1]["state"] == "Up");
    frr.configure(&["bfd", "peer 198.51.100.1 interface eth0 local-address 198.51.100.2", "no shutdown"]);
    all(&ours, "Up");
    drop(pair.net);
}
