//! Hellos, sessions, addresses and labels with FRR's ldpd.

use super::frr::Frr;
use super::ours::Ours;
use super::{Families, Pair, frr_config, ip, our_config};

/// A prefix behind FRR, in each family.
const BEHIND: [&str; 2] = ["10.9.0.0/24", "2001:db8:9::/64"];

fn prefixes(families: Families) -> Vec<(&'static str, &'static str, &'static str)> {
    let all = [
        (true, "192.0.2.1/32", "192.0.2.2/32", BEHIND[0]),
        (false, "2001:db8:ff::1/128", "2001:db8:ff::2/128", BEHIND[1]),
    ];
    let wanted = |v4: bool| if v4 { families.v4() } else { families.v6() };
    all.into_iter().filter(|(v4, ..)| wanted(*v4)).map(|(_, ours, far, behind)| (ours, far, behind)).collect()
}

fn start(pair: &Pair, families: Families) -> (Ours, Frr) {
    // ldpd gives labels of its own to prefixes that are not connected.
    for route in ["10.9.0.0/24 via 198.51.100.9", "2001:db8:9::/64 via 2001:db8::9 dev eth0"] {
        ip(&pair.far, &format!("route add {route}"));
    }
    let frr = Frr::start(&pair.far, "ldpd", &frr_config(families, "", ""));
    let routes: String = prefixes(families)
        .iter()
        .map(|(_, _, behind)| {
            let via = if behind.contains(':') { "fe80::2" } else { "198.51.100.2" };
            format!("[[route]]\nprefix = \"{behind}\"\nvia = \"{via}\"\n")
        })
        .collect();
    (Ours::start(&pair.ours, &our_config(families, "keepalive = 15", &routes)), frr)
}

/// Both ends have each other's labels, and ours leads packets by theirs.
fn labels_are_exchanged(ours: &Ours, frr: &Frr, families: Families) {
    ours.expect_session("192.0.2.2");
    for (own, far, behind) in prefixes(families) {
        // FRR is the last hop of its loopback, and not of what is behind it.
        ours.expect("implicit null", &format!("fec {far}"), |f| f["remote"]["192.0.2.2"] == 3 && f["lsp"] == true);
        let fec = ours.expect("a label of its own", &format!("fec {behind}"), |f| {
            f["remote"]["192.0.2.2"].as_u64().is_some_and(|l| l >= 16) && f["lsp"] == true
        });
        let (theirs, local) = (fec["remote"]["192.0.2.2"].clone(), fec["local"].clone());
        // Ours is advertised to FRR, as the last hop and as one before it.
        let family = if own.contains(':') { "ipv6" } else { "ipv4" };
        let command = format!("show mpls ldp {family} binding");
        let row = |text: &str, prefix: &str| {
            text.lines().find(|l| l.split_whitespace().nth(1) == Some(prefix)).map(|l| {
                let words: Vec<&str> = l.split_whitespace().collect();
                (words[3].to_owned(), words[4].to_owned())
            })
        };
        frr.expect("our labels", &command, |text| {
            row(text, own).is_some_and(|(_, remote)| remote == "imp-null")
                && row(text, behind) == Some((theirs.to_string(), local.to_string()))
        });
    }
}

#[test]
fn ldpd_and_we_exchange_addresses_and_labels_over_ipv4() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, Families::V4);
    labels_are_exchanged(&ours, &frr, Families::V4);
    frr.expect("session", "show mpls ldp neighbor", |t| t.contains("192.0.2.1") && t.contains("OPERATIONAL"));
    // It does not print our addresses; it counts the messages that bring them, sent and received.
    frr.expect("our addresses", "show mpls ldp neighbor detail", |t| {
        let row = t.lines().find_map(|l| l.trim().strip_prefix("- Address Messages: ")?.split_once('/'));
        row.is_some_and(|(_, received)| received.trim().parse::<u32>().is_ok_and(|n| n > 0))
    });
    drop(pair.net);
}

/// RFC 7552: Hellos and the session over IPv6, labels of IPv6 prefixes, link-local next hops.
#[test]
fn ldpd_and_we_exchange_addresses_and_labels_over_ipv6() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, Families::V6);
    labels_are_exchanged(&ours, &frr, Families::V6);
    drop(pair.net);
}

/// RFC 7552 §6.1.1: two families, one session, over IPv6, and labels of both.
#[test]
fn a_dual_stack_session_carries_labels_of_both_families() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, Families::Both);
    labels_are_exchanged(&ours, &frr, Families::Both);
    let show = ours.ask("show");
    assert_eq!(show["sessions"].as_array().map(Vec::len), Some(1), "{show}");
    frr.expect("the session is over IPv6", "show mpls ldp neighbor detail", |t| t.contains("2001:db8:ff::1"));
    drop(pair.net);
}

/// ldpd is killed: the TCP connection breaks, its labels go, and all comes back with it. It has no graceful restart (RFC 3478), so
/// nothing of it may stay although we offer that.
#[test]
fn ldpd_killed_and_started_again_gives_its_labels_again() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, Families::V4);
    labels_are_exchanged(&ours, &frr, Families::V4);
    frr.kill("ldpd");
    ours.expect_no_session("192.0.2.2");
    ours.expect("its labels are gone", "fec 10.9.0.0/24", |f| f["lsp"] == false);
    frr.spawn("ldpd");
    labels_are_exchanged(&ours, &frr, Families::V4);
    drop(pair.net);
}

/// The link is silent: both ends notice by their Hellos, and find each other when it heals.
#[test]
fn a_partition_ends_the_session_and_its_end_restores_it() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, Families::V4);
    labels_are_exchanged(&ours, &frr, Families::V4);
    pair.far.cut();
    ours.expect_no_session("192.0.2.2");
    frr.expect("no session", "show mpls ldp neighbor", |t| !t.contains("OPERATIONAL"));
    ours.expect("its labels are gone", "fec 10.9.0.0/24", |f| f["lsp"] == false);
    pair.far.join();
    labels_are_exchanged(&ours, &frr, Families::V4);
    drop(pair.net);
}

/// A route that turns away takes the label with it, and a new route brings it: ldpd withdraws and maps.
#[test]
fn labels_follow_routes_on_both_sides() {
    let pair = Pair::new();
    let (ours, frr) = start(&pair, Families::V4);
    labels_are_exchanged(&ours, &frr, Families::V4);
    ip(&pair.far, "route del 10.9.0.0/24");
    ours.expect("withdrawn", "fec 10.9.0.0/24", |f| f["remote"]["192.0.2.2"].is_null() && f["lsp"] == false);
    ip(&pair.far, "route add 10.9.0.0/24 via 198.51.100.9");
    labels_are_exchanged(&ours, &frr, Families::V4);
    ours.ask("route 10.9.0.0/24 none");
    let row = |t: &str| t.lines().find(|l| l.contains("10.9.0.0/24")).map(str::to_owned);
    frr.expect("our label is gone", "show mpls ldp ipv4 binding", |t| {
        row(t).is_some_and(|l| l.split_whitespace().nth(4) == Some("-"))
    });
    ours.ask("route 10.9.0.0/24 198.51.100.2");
    labels_are_exchanged(&ours, &frr, Families::V4);
    drop(pair.net);
}
