//! RFC 9128: leaves of the model beside the messages that made them.

use std::time::Duration;

use fwd_core::yang::{Tree, Value};
use mvpn::pim::wire::{HelloOption, LanPruneDelay};

use crate::one::{ASM, LAN, N1, NUP, One, RP, S, SSM, UP};

const PIM: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol/ietf-pim-base:pim";

fn picture(one: &One) -> Tree {
    let mut tree = Tree::default();
    one.pim.write_yang(one.now, "red", &mut tree);
    tree
}

fn text(value: impl ToString) -> Option<Value> {
    Some(Value::Text(value.to_string()))
}

/// Shows: L3VPN-8.11-8
#[test]
fn interfaces_neighbours_trees_and_rps_are_leaves() {
    let mut one = One::new();
    let delay = LanPruneDelay { tracking_support: false, propagation_delay: 700, override_interval: 2600 };
    one.hello(LAN, N1, &[HelloOption::GenerationId(0xabcd), HelloOption::LanPruneDelay(delay)]);
    one.member(ASM, None, true);
    one.join(N1, SSM, S);
    one.wait(Duration::from_secs(15));
    let tree = picture(&one);
    let (lan, up) = (LAN.0.to_string(), UP.0.to_string());
    let interface = format!("{PIM}/interfaces/interface/address-family");
    let get = |path: String, keys: &[&str]| tree.get(&path, keys).cloned();
    let of = ["red", lan.as_str(), "ipv4"];
    assert_eq!(get(format!("{interface}/hello-interval"), &of), Some(Value::Unsigned(30)));
    assert_eq!(get(format!("{interface}/hello-holdtime"), &of), Some(Value::Unsigned(105)));
    let table = one.pim.interface_table();
    assert_eq!(tree.instances(&format!("{interface}/oper-status")).count(), table.rows().len());
    let neighbor = format!("{interface}/neighbors/ipv4-neighbor");
    let n1 = N1.to_string();
    let theirs = ["red", lan.as_str(), "ipv4", &n1];
    assert_eq!(get(format!("{neighbor}/expiration"), &theirs), Some(Value::Unsigned(90)));
    assert_eq!(get(format!("{neighbor}/gen-id"), &theirs), Some(Value::Unsigned(0xabcd)));
    assert_eq!(get(format!("{neighbor}/lan-prune-delay/propagation-delay"), &theirs), Some(Value::Unsigned(700)));
    let nup = NUP.to_string();
    assert_eq!(
        get(format!("{neighbor}/lan-prune-delay/present"), &["red", &up, "ipv4", &nup]),
        Some(Value::Boolean(false))
    );
    // The shared tree of a group with members, and the tree of a source that a router joined.
    let route = format!("{PIM}/address-family/topology-tree-info/ipv4-route");
    let (asm, ssm, s) = (ASM.to_string(), SSM.to_string(), S.to_string());
    let shared = ["red", "ipv4", asm.as_str(), "*", "true"];
    assert_eq!(get(format!("{route}/rp-address"), &shared), text(RP));
    assert_eq!(get(format!("{route}/rpf-neighbor"), &shared), text(NUP));
    assert_eq!(get(format!("{route}/mode"), &shared), text("ietf-pim-base:pim-asm"));
    let source = ["red", "ipv4", ssm.as_str(), &s, "false"];
    assert_eq!(get(format!("{route}/mode"), &source), text("ietf-pim-base:pim-ssm"));
    assert_eq!(get(format!("{route}/incoming-interface"), &source), text(UP.0));
    assert_eq!(get(format!("{route}/rp-address"), &source), None);
    let leg = [&source[..], &[lan.as_str()]].concat();
    assert_eq!(get(format!("{route}/outgoing-interface/jp-state"), &leg), text("join"));
    let left = |tree: &Tree| match tree.get(&format!("{route}/outgoing-interface/expiration"), &leg) {
        Some(Value::Unsigned(n)) => *n,
        other => panic!("{other:?}"),
    };
    let first = left(&tree);
    // RPs, with where they are known from.
    let rp = format!("{PIM}/address-family/ietf-pim-rp:rp");
    let address = RP.to_string();
    let keys = ["red", "ipv4", address.as_str(), "ietf-pim-sm:rp-sm"];
    assert_eq!(get(format!("{rp}/rp-list/ipv4-rp/info-source-type"), &keys), text("ietf-pim-rp:static"));
    let mapping = ["red", "ipv4", "224.0.0.0/4", &address];
    assert_eq!(get(format!("{rp}/rp-mappings/ipv4-rp/rp-address"), &mapping), text(RP));
    // Time passes; then the Prune, which waits for others on the LAN, and the members leave.
    one.wait(Duration::from_secs(10));
    assert_eq!(left(&picture(&one)), first - 10);
    one.prune(N1, SSM, S);
    one.member(ASM, None, false);
    let after = picture(&one);
    let state = after.get(&format!("{route}/outgoing-interface/jp-state"), &leg);
    assert!(state.is_none() || state == text("prune-pending").as_ref(), "{state:?}");
    one.wait(Duration::from_secs(10));
    let after = picture(&one);
    assert_eq!(after.get(&format!("{route}/outgoing-interface/jp-state"), &leg), None);
    assert_eq!(after.get(&format!("{route}/rp-address"), &shared), None);
    // A neighbour that goes silent is gone.
    one.wait(Duration::from_secs(120));
    assert_eq!(picture(&one).get(&format!("{neighbor}/expiration"), &theirs), None);
}
