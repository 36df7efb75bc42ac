//! Bodies of the fuzz targets: one function each, called by `fuzz_targets/*.rs` and by the corpus replay.

#[path = "../../fwd-core/tests/model/mod.rs"]
mod forwarder_model;

#[path = "../../fwd-core/tests/switching/mod.rs"]
mod switching;

#[path = "../../fwd-core/tests/vsi/mod.rs"]
mod vsi;

#[path = "../../fwd-core/tests/tcp_ao/ao_pair.rs"]
mod ao_pair;
#[path = "../../fwd-core/tests/tcp_ao/drive.rs"]
mod tcp_ao_drive;

#[path = "../../bgp-vpn/tests/session/drive.rs"]
mod session_drive;

#[path = "../../ipsec-vlink/tests/ike/drive.rs"]
mod ike_drive;

#[path = "../../p2mp-pw/tests/session/drive.rs"]
mod ldp_session_drive;

#[path = "../../p2mp-pw/tests/hello/drive.rs"]
mod ldp_hello_drive;

#[path = "../../p2mp-pw/tests/mldp/drive.rs"]
mod mldp_drive;

#[path = "../../p2mp-pw/tests/rsvp/drive.rs"]
mod rsvp_drive;
#[path = "../../p2mp-pw/tests/rsvp/rsvp_tables.rs"]
mod rsvp_tables;

#[path = "../../p2mp-pw/tests/bfd/drive.rs"]
mod bfd_drive;

#[path = "../../p2mp-pw/tests/lde/drive.rs"]
mod lde_drive;

#[path = "../../p2mp-pw/tests/pw/drive.rs"]
mod pw_drive;

#[path = "../../p2mp-pw/tests/p2mp/drive.rs"]
mod p2mp_drive;
#[path = "../../p2mp-pw/tests/p2mp/p2mp_tables.rs"]
mod p2mp_tables;

#[path = "../../bgp-vpn/tests/sim/drive.rs"]
mod speaker_drive;

#[path = "../../bgp-vpn/tests/sim/vr_drive.rs"]
mod vr_drive;

#[path = "../../mvpn/tests/sim/drive.rs"]
mod pim_drive;

#[path = "../../mvpn/tests/gmp/drive.rs"]
mod gmp_drive;

#[path = "../../mvpn/tests/msdp/drive.rs"]
mod msdp_drive;

#[path = "../../vpls/tests/sim/drive.rs"]
mod vpls_drive;

#[path = "../../ipsec-vlink/tests/l2tp/drive.rs"]
mod l2tp_drive;

#[path = "../../ipsec-vlink/tests/l2tp/ppp_drive.rs"]
mod ppp_drive;

#[path = "../../mvpn/tests/mvpn/drive_asbr.rs"]
mod asbr_drive;

#[path = "../../mvpn/tests/mvpn/drive.rs"]
mod mvpn_drive;

#[path = "../../ipsec-vlink/tests/vlink/drive.rs"]
mod vlink_drive;

mod bridge_vlink;
#[cfg(test)]
mod corpus;
mod parse_bfd;
mod parse_bridging;
mod parse_fwd_op;
mod parse_gmp;
mod parse_header;
mod parse_ike;
mod parse_l2tp;
mod parse_ldp;
mod parse_lsp_ping;
mod parse_message;
mod parse_msdp;
mod parse_mtrace2;
mod parse_nlri;
mod parse_pim;
mod parse_rsvp;
mod parse_update;

pub use bridge_vlink::bridge_vlink;
pub use parse_bfd::parse_bfd;
pub use parse_bridging::parse_bridging;
pub use parse_fwd_op::parse_fwd_op;
pub use parse_gmp::parse_gmp;
pub use parse_header::parse_header;
pub use parse_ike::{parse_ikev2, parse_isakmp};
pub use parse_l2tp::parse_l2tp;
pub use parse_ldp::parse_ldp;
pub use parse_lsp_ping::parse_lsp_ping;
pub use parse_message::parse_message;
pub use parse_msdp::parse_msdp;
pub use parse_mtrace2::parse_mtrace2;
pub use parse_nlri::parse_nlri;
pub use parse_pim::parse_pim;
pub use parse_rsvp::parse_rsvp;
pub use parse_update::parse_update;

/// Arbitrary groups, legs, multicast routes and instances, and frames: nothing of a VPN leaves by another's port.
pub fn bridge_multicast(data: &[u8]) {
    if let Ok((changes, frames)) = arbitrary::Unstructured::new(data).arbitrary::<(Vec<_>, Vec<_>)>() {
        switching::leaks(&changes, &frames);
    }
}

/// Arbitrary frames, limits, static addresses, flushes and waits against two instances and a bridge of maps.
pub fn bridge_vsi(data: &[u8]) {
    vsi::run(data);
}

/// Arbitrary ops and frames against the forwarding plane and a naive model of it.
pub fn bridge_forward(data: &[u8]) {
    forwarder_model::run(data);
}

/// Arbitrary stimuli against an MSDP speaker.
pub fn drive_msdp(data: &[u8]) {
    msdp_drive::run(data);
}

/// Arbitrary stimuli against the router side of IGMP or MLD.
pub fn drive_gmp(data: &[u8]) {
    gmp_drive::run(data);
}

/// Arbitrary stimuli against two IKEv2 machines.
pub fn drive_ike(data: &[u8]) {
    ike_drive::run(data);
}

/// Arbitrary stimuli against two IKEv1 machines.
pub fn drive_ikev1(data: &[u8]) {
    ike_drive::run_v1(data);
}

/// Arbitrary stimuli against a connection with TCP-AO: honest segments are taken, and no others.
pub fn drive_tcp_ao(data: &[u8]) {
    tcp_ao_drive::run(data);
}

/// Arbitrary stimuli against one BGP session.
pub fn drive_session(data: &[u8]) {
    session_drive::run(data);
}

/// Arbitrary stimuli against the machine of virtual links.
pub fn drive_vlink(data: &[u8]) {
    vlink_drive::run(data);
}

/// Arbitrary stimuli against two L2TP endpoints.
pub fn drive_l2tp(data: &[u8]) {
    l2tp_drive::run(data);
}

/// Arbitrary stimuli against one end of a PPP link.
pub fn drive_ppp(data: &[u8]) {
    ppp_drive::run(data);
}

/// Frames, packets, options and proofs of PPP.
pub fn parse_ppp(data: &[u8]) {
    ppp_drive::parse(data);
}

/// Arbitrary stimuli against one LDP session.
pub fn drive_ldp_session(data: &[u8]) {
    ldp_session_drive::run(data);
}

/// An attacker beside a neighbour whose Hellos are authenticated.
pub fn drive_ldp_hello(data: &[u8]) {
    ldp_hello_drive::run(data);
}

/// Arbitrary stimuli against a node with a BFD session of each kind.
pub fn drive_bfd(data: &[u8]) {
    bfd_drive::run(data);
}

/// Arbitrary stimuli against label distribution with three peers.
pub fn drive_lde(data: &[u8]) {
    lde_drive::run(data);
}

/// Arbitrary stimuli against a router that is root and leaf of P2MP pseudowires at once, with two peers.
pub fn drive_p2mp_pw(data: &[u8]) {
    p2mp_drive::run(data);
}

/// Arbitrary stimuli against pseudowires of every kind with two peers.
pub fn drive_pw(data: &[u8]) {
    pw_drive::run(data);
}

/// Arbitrary stimuli against one mLDP router: whoever leaves, nothing is left.
pub fn drive_mldp(data: &[u8]) {
    mldp_drive::run(data);
}

/// Arbitrary stimuli against one RSVP-TE router: whoever leaves, nothing is left.
pub fn drive_rsvp(data: &[u8]) {
    rsvp_drive::run(data);
}

/// Arbitrary stimuli against a speaker with two core peers, a CE and two VRFs.
pub fn drive_speaker(data: &[u8]) {
    speaker_drive::run(data);
}

/// Arbitrary stimuli against the discovery of virtual routers, and a naive model of it.
pub fn drive_vr(data: &[u8]) {
    vr_drive::run(data);
}

/// Arbitrary stimuli against a PIM router with three interfaces.
pub fn drive_pim(data: &[u8]) {
    pim_drive::run(data);
}

/// Arbitrary stimuli against a border router of multicast VPNs.
pub fn drive_asbr(data: &[u8]) {
    asbr_drive::run(data);
}

/// Arbitrary stimuli against a PE with two multicast VRFs.
pub fn drive_mvpn(data: &[u8]) {
    mvpn_drive::run(data);
}

/// Arbitrary stimuli against a PE with three VPLS instances.
pub fn drive_vpls(data: &[u8]) {
    vpls_drive::run(data);
}

/// A target's name and body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. A new one needs a line here, a `[[bin]]` in Cargo.toml, and a file in `fuzz_targets/`.
pub const TARGETS: &[Target] = &[
    ("bridge_forward", bridge_forward),
    ("bridge_multicast", bridge_multicast),
    ("bridge_vlink", bridge_vlink),
    ("bridge_vsi", bridge_vsi),
    ("drive_bfd", drive_bfd),
    ("drive_gmp", drive_gmp),
    ("drive_msdp", drive_msdp),
    ("drive_l2tp", drive_l2tp),
    ("drive_ppp", drive_ppp),
    ("drive_ike", drive_ike),
    ("drive_ikev1", drive_ikev1),
    ("drive_lde", drive_lde),
    ("drive_p2mp_pw", drive_p2mp_pw),
    ("drive_pw", drive_pw),
    ("drive_ldp_hello", drive_ldp_hello),
    ("drive_ldp_session", drive_ldp_session),
    ("drive_asbr", drive_asbr),
    ("drive_mvpn", drive_mvpn),
    ("drive_mldp", drive_mldp),
    ("drive_pim", drive_pim),
    ("drive_rsvp", drive_rsvp),
    ("drive_session", drive_session),
    ("drive_speaker", drive_speaker),
    ("drive_tcp_ao", drive_tcp_ao),
    ("drive_vpls", drive_vpls),
    ("drive_vlink", drive_vlink),
    ("drive_vr", drive_vr),
    ("parse_bfd", parse_bfd),
    ("parse_bridging", parse_bridging),
    ("parse_fwd_op", parse_fwd_op),
    ("parse_gmp", parse_gmp),
    ("parse_header", parse_header),
    ("parse_l2tp", parse_l2tp),
    ("parse_ppp", parse_ppp),
    ("parse_ikev2", parse_ikev2),
    ("parse_isakmp", parse_isakmp),
    ("parse_ldp", parse_ldp),
    ("parse_lsp_ping", parse_lsp_ping),
    ("parse_message", parse_message),
    ("parse_msdp", parse_msdp),
    ("parse_mtrace2", parse_mtrace2),
    ("parse_nlri", parse_nlri),
    ("parse_pim", parse_pim),
    ("parse_rsvp", parse_rsvp),
    ("parse_update", parse_update),
];
