//! A script for each procedure, in `tests/conformance/`.

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident: $dir:literal / $file:literal;)*) => {$(
        $(#[$doc])*
        #[test]
        fn $name() {
            let script = include_str!(concat!("../conformance/", $dir, "/", $file, ".txt"));
            crate::script::run(concat!($dir, "/", $file), script);
        }
    )*};
}

scripts! {
    /// RFC 5036 A.1.1.
    receive_label_request: "rfc5036-a.1.1-receive-label-request" / "ordered";
    receive_label_request_independent: "rfc5036-a.1.1-receive-label-request" / "independent";
    /// RFC 5036 A.1.2.
    receive_label_mapping: "rfc5036-a.1.2-receive-label-mapping" / "ordered";
    receive_label_mapping_independent: "rfc5036-a.1.2-receive-label-mapping" / "independent";
    receive_label_mapping_conservative: "rfc5036-a.1.2-receive-label-mapping" / "conservative";
    receive_label_mapping_loop: "rfc5036-a.1.2-receive-label-mapping" / "loop-detection";
    receive_label_mapping_split_horizon: "rfc5036-a.1.2-receive-label-mapping" / "split-horizon";
    /// RFC 5036 A.1.3.
    receive_label_abort_request: "rfc5036-a.1.3-receive-label-abort-request" / "abort";
    /// RFC 5036 A.1.4.
    receive_label_release: "rfc5036-a.1.4-receive-label-release" / "release";
    receive_label_release_propagated: "rfc5036-a.1.4-receive-label-release" / "propagated";
    /// RFC 5036 A.1.5.
    receive_label_withdraw: "rfc5036-a.1.5-receive-label-withdraw" / "ordered";
    receive_label_withdraw_independent: "rfc5036-a.1.5-receive-label-withdraw" / "independent-on-demand";
    receive_label_withdraw_wildcard: "rfc5036-a.1.5-receive-label-withdraw" / "wildcard";
    /// RFC 5036 A.1.6.
    recognize_new_fec: "rfc5036-a.1.6-recognize-new-fec" / "egress";
    recognize_new_fec_on_demand: "rfc5036-a.1.6-recognize-new-fec" / "on-demand";
    /// RFC 5036 A.1.7.
    change_of_next_hop_liberal: "rfc5036-a.1.7-change-in-fec-next-hop" / "liberal";
    change_of_next_hop_conservative: "rfc5036-a.1.7-change-in-fec-next-hop" / "conservative";
    change_of_next_hop_ecmp: "rfc5036-a.1.7-change-in-fec-next-hop" / "ecmp";
    /// RFC 5036 A.1.8–A.1.12, A.1.15.
    notifications_about_requests: "rfc5036-a.1.8-notifications" / "requests";
    /// RFC 5036 A.1.13.
    label_resources: "rfc5036-a.1.13-label-resources" / "resources";
    /// RFC 5036 A.1.14, and tables that are full.
    no_longer_label_switch: "rfc5036-a.1.14-no-longer-label-switch" / "refused";
    /// RFC 5036 §3.5.5.
    addresses: "rfc5036-3.5.5-address" / "addresses";
    /// RFC 5919 §4, RFC 5918 §4.
    end_of_lib: "rfc5919-4-end-of-lib" / "end-of-lib";
    typed_wildcard: "rfc5918-4-typed-wildcard" / "prefixes";
    /// RFC 3478 §3.
    graceful_restart_of_a_peer: "rfc3478-3-graceful-restart" / "peer";
    graceful_restart_of_ours: "rfc3478-3-graceful-restart" / "ours";
    /// Limits.
    limits: "limits" / "lde";
}
