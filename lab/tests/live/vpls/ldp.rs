//! Pseudowires of an instance of ours that FRR's ldpd signals (RFC 4762 §6.1, RFC 8077).

use serde_json::Value;

use super::super::PATIENCE;
use super::super::capture::Frames;
use super::super::ldp::frr::Frr;
use super::super::net::{Net, Node, until};
use super::ours::{Ours, Pe};

/// ldpd's configuration: a targeted neighbour, and a VPLS with a pseudowire to it.
fn frr_config(frr: &Node, ours: &Node) -> String {
    let (own, other) = (frr.v4, ours.v4);
    format!(
        "mpls ldp\n router-id {own}\n discovery targeted-hello holdtime 9\n discovery targeted-hello interval 3\n address-family ipv4\n  discovery transport-address {own}\n  \
         neighbor {other} targeted\n  !\n \
         exit-address-family\n !\n!\n\
         l2vpn CUST type vpls\n bridge br0\n member pseudowire mpw0\n  neighbor lsr-id {other}\n  pw-id 100\n !\n!\n"
    )
}

fn pseudowire(ours: &Ours, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    until(what, PATIENCE, || {
        let state = ours.ask("show");
        let pw = state["ldp"][0].clone();
        if wanted(&pw) { Ok(pw) } else { Err(state.to_string()) }
    })
}

/// Labels both ways for a PWid FEC; ldpd, which has no MPLS in its kernel, says that it does not forward, and no frame of ours leaves: the
/// instance goes by what the other end reports. Both want the control word: where one did not, ldpd would wait for a release that RFC 8077
/// §7.2 says is not sent. Taken away by ldpd's operator, the pseudowire is gone, and it comes back.
#[test]
fn a_pseudowire_of_an_instance_with_ldpd() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let customer = super::host(&mut net, &a, "ce0", 1);
    let frr = Frr::start(&b, "ldpd", &frr_config(&b, &a));
    let vsi = format!("control-word = true\n[[vsi.pseudowire]]\npeer = \"{}\"\nid = 100", b.v4);
    let frames = Frames::start(&a, "eth0", "tcp port 646 or mpls");
    let ours = Ours::start(&a, &Pe { pes: vec![b.v4], vsi, circuits: vec!["ce0"], ldp: true, ..Pe::default() });
    let both_have_labels = || {
        let pw = pseudowire(&ours, "ldpd's label", |pw| !pw["remote-status"].is_null());
        let label = pw["local-label"].to_string();
        frr.expect("our label", "show l2vpn atom binding", |t| {
            t.contains(&format!("Destination Address: {}, VC ID: 100", a.v4))
                && t.contains(&format!("Remote Label: {label}"))
        });
        pw
    };
    let pw = both_have_labels();
    assert_eq!((&pw["service"], &pw["mismatch"]), (&"PwId(100)".into(), &Value::Null), "{pw}");
    // A Label Mapping without a status may precede the one that tells of it.
    pseudowire(&ours, "ldpd says that it does not forward", |pw| pw["remote-status"] == 1);
    until("the pseudowire is down", PATIENCE, || {
        let state = ours.ask("show");
        if state["vsis"][0]["pseudowires"][0]["state"] == "Up" { Err(state.to_string()) } else { Ok(()) }
    });
    let before = frames.fields("mpls", "mpls.label");
    let _ = customer.run(&["ping", "-c", "2", "-W", "1", "10.5.0.77"]);
    assert_eq!(frames.fields("mpls", "mpls.label"), before, "a pseudowire that is not up carries nothing");
    let fecs = frames.fields(&format!("ip.src == {} && ldp.msg.type == 0x0400", a.v4), "ldp.msg.tlv.fec.type");
    assert!(fecs.iter().any(|fec| fec.split(',').any(|f| f == "128")), "{fecs:?}");
    frr.configure(&["l2vpn CUST type vpls", "no member pseudowire mpw0"]);
    pseudowire(&ours, "withdrawn", |pw| pw["remote-status"].is_null());
    let neighbor = format!("neighbor lsr-id {}", a.v4);
    frr.configure(&["l2vpn CUST type vpls", "member pseudowire mpw0", &neighbor, "pw-id 100"]);
    both_have_labels();
    drop(net);
}
