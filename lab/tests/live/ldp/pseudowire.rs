//! Targeted Hellos and FEC 128 with FRR's ldpd.

use super::super::PATIENCE;
use super::super::capture::Frames;
use super::super::net::until;
use super::frr::Frr;
use super::ours::Ours;
use super::{Families, Pair, frr_config, ip, our_config};

const L2VPN: &str =
    "l2vpn CUST type vpls\n bridge br0\n member pseudowire mpw0\n  neighbor lsr-id 192.0.2.1\n  pw-id 100\n !\n!\n";

fn start(pair: &Pair, l2vpn: &str, pseudowire: &str) -> (Ours, Frr) {
    let frr = Frr::start(&pair.far, "ldpd", &frr_config(Families::V4, "  neighbor 192.0.2.1 targeted\n", l2vpn));
    let more = format!("[[pseudowire]]\nid = 100\npeer = \"192.0.2.2\"\n{pseudowire}");
    let ours =
        Ours::start(&pair.ours, &our_config(Families::V4, "targets = [\"192.0.2.2\"]\ntargeted-hold = 9", &more));
    ours.expect_session("192.0.2.2");
    (ours, frr)
}

fn both_have_labels(ours: &Ours, frr: &Frr) {
    let show = ours.expect("label of ldpd", "show", |s| !s["pseudowires"][0]["remote-status"].is_null());
    let label = show["pseudowires"][0]["local-label"].to_string();
    frr.expect("our label", "show l2vpn atom binding", |t| {
        t.contains("Destination Address: 192.0.2.1, VC ID: 100") && t.contains(&format!("Remote Label: {label}"))
    });
}

/// Labels both ways with the control word that both want, and our circuit's faults in PW Status TLVs that tshark reads. Without MPLS in the
/// kernel ldpd itself never forwards and says so: `kernel.rs` has it forward.
#[test]
fn a_pseudowire_with_ldpd_and_its_status() {
    let pair = Pair::new();
    let frames = Frames::start(&pair.ours, "eth0", "tcp port 646");
    let (ours, frr) = start(&pair, L2VPN, "");
    both_have_labels(&ours, &frr);
    let binding = frr.vtysh("show l2vpn atom binding");
    assert_eq!(binding.matches("Cbit: 1,    VC Type: Ethernet").count(), 2, "{binding}");
    assert_eq!(binding.matches("MTU: 1500").count(), 2, "{binding}");
    let told = |status: &str| {
        let field = "ldp.msg.tlv.pwstatus.code";
        until(&format!("status {status} is on the wire"), PATIENCE, || {
            let all = frames.fields(&format!("ip.src == 192.0.2.1 && {field}"), field);
            let last = all.last().and_then(|codes| codes.split(',').next_back());
            if last == Some(status) { Ok(()) } else { Err(format!("{all:?}")) }
        });
    };
    told("0x00000000");
    for (state, status) in [("down", "0x00000006"), ("up", "0x00000000")] {
        ours.ask(&format!("circuit 100 {state}"));
        told(status);
    }
    ours.expect_session("192.0.2.2");
    // The operator takes the pseudowire away: its label goes, and comes back with it.
    frr.configure(&["l2vpn CUST type vpls", "no member pseudowire mpw0"]);
    ours.expect("withdrawn", "show", |s| s["pseudowires"][0]["remote-status"].is_null());
    frr.configure(&["l2vpn CUST type vpls", "member pseudowire mpw0", "neighbor lsr-id 192.0.2.1", "pw-id 100"]);
    both_have_labels(&ours, &frr);
    drop(pair.net);
}

/// The sessions' adjacencies are on the link and from afar: with the link's gone, the targeted one holds the session.
#[test]
fn targeted_hellos_hold_the_session_without_the_link() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, L2VPN, "");
    both_have_labels(&ours, &frr);
    ours.expect("both adjacencies", "show", |s| s["adjacencies"].as_array().map(Vec::len) == Some(2));
    frr.configure(&["mpls ldp", "address-family ipv4", "no interface eth0"]);
    ours.expect("the targeted one alone", "show", |s| {
        let all = s["adjacencies"].as_array().cloned().unwrap_or_default();
        all.len() == 1 && all[0]["target"].as_str().is_some_and(|t| t.starts_with("Targeted"))
    });
    ours.expect_session("192.0.2.2");
    assert_eq!(ours.heard(|e| e["event"] == "session" && e["state"] == "down"), Vec::<serde_json::Value>::new());
    drop(pair.net);
}

/// RFC 8077 §6.1: another MTU or another type, and the label is of no use until that is mended.
#[test]
fn a_pseudowire_of_another_mtu_is_not_used() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, L2VPN, "mtu = 9000");
    ours.expect("mismatch", "show", |s| {
        s["pseudowires"][0]["mismatch"].as_str().is_some_and(|m| m.contains("Mtu(9000"))
    });
    frr.configure(&["l2vpn CUST type vpls", "mtu 9000"]);
    ours.expect("no mismatch", "show", |s| s["pseudowires"][0]["mismatch"].is_null());
    both_have_labels(&ours, &frr);
    drop(pair.net);
}

/// ldpd is killed and comes back: the pseudowire is down in between.
#[test]
fn a_pseudowire_comes_back_with_ldpd() {
    let pair = Pair::new();
    ip(&pair.far, "link add mpw0 type bridge");
    ip(&pair.far, "link set mpw0 up");
    let (ours, frr) = start(&pair, L2VPN, "");
    both_have_labels(&ours, &frr);
    frr.kill("ldpd");
    ours.expect("its label is gone", "show", |s| s["pseudowires"][0]["remote-status"].is_null());
    frr.spawn("ldpd");
    both_have_labels(&ours, &frr);
    drop(pair.net);
}
