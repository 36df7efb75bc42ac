//! Octets of routes and attributes, written from the figures of the RFCs, both ways.

use std::net::{IpAddr, Ipv4Addr};

use bgp_vpn::attr::ext_community::{L2vpnId, Layer2Flags, Layer2Info};
use bgp_vpn::attr::{PmsiTunnel, RouteTarget};
use bgp_vpn::nlri::{McastVplsNlri, Nlri as _, NlriFormat, RouteDistinguisher, VplsNlri};
use fwd_core::net::Label;
use vpls::bgp::{McastKey, Nlri, Pmsi, RouteAttributes, Tunnel};
use vpls::label_block::LabelBlock;
use vpls::probe::{Outcome, ProbeBody, ProbeId, ProbeMessage, Way, WayKind};

const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
const RD: RouteDistinguisher = RouteDistinguisher::two_octet_as(65001, 7);
const RD_OCTETS: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
const PE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn emitted(nlri: &Nlri) -> Vec<u8> {
    let mut out = Vec::new();
    nlri.emit(&mut out);
    out
}

/// RFC 4761 §3.2.2 with a block offset that is not 1, and RFC 6074 §3.2.2.1.
///
/// Shows: L2VPN-5.3-1, L2VPN-5.3-2, L2VPN-5.3-4
#[test]
fn vpls_routes() {
    let block = LabelBlock { offset: 9, size: 8, base: Label::new(100_000).unwrap() };
    let nlri = Nlri::Block { rd: RD, ve_id: 3, block };
    let octets = [&[0, 17][..], &RD_OCTETS, &[0, 3, 0, 9, 0, 8, 0x18, 0x6a, 0]].concat();
    assert_eq!(emitted(&nlri), octets);
    assert_eq!(Nlri::of_vpls(&VplsNlri::take(&octets, FORMAT).unwrap().1), Some(nlri));
    let nlri = Nlri::Discovery { rd: RD, pe: PE };
    let octets = [&[0, 12][..], &RD_OCTETS, &[192, 0, 2, 1]].concat();
    assert_eq!(emitted(&nlri), octets);
    assert_eq!(Nlri::of_vpls(&VplsNlri::take(&octets, FORMAT).unwrap().1), Some(nlri));
}

/// RFC 7117 §9.2: (C-S,C-G), wildcards, and the answer to one.
///
/// Shows: L2VPN-5.3-8
#[test]
fn mcast_vpls_routes() {
    let key = McastKey {
        rd: RD,
        source: Some([10, 0, 0, 1].into()),
        group: Some([232, 1, 1, 1].into()),
        originator: PE.into(),
    };
    let octets = [&[3, 22][..], &RD_OCTETS, &[32, 10, 0, 0, 1, 32, 232, 1, 1, 1, 192, 0, 2, 1]].concat();
    assert_eq!(emitted(&Nlri::SPmsi(key)), octets);
    let leaf: IpAddr = [192, 0, 2, 2].into();
    let answer = [&[4, 28][..], &octets, &[192, 0, 2, 2]].concat();
    assert_eq!(emitted(&Nlri::Leaf(key, leaf)), answer);
    assert_eq!(Nlri::of_mcast(&McastVplsNlri::take(&answer, FORMAT).unwrap().1), Some(Nlri::Leaf(key, leaf)));
    let all = McastKey::all(RD, PE.into());
    let octets = [&[3, 14][..], &RD_OCTETS, &[0, 0, 192, 0, 2, 1]].concat();
    assert_eq!(emitted(&Nlri::SPmsi(all)), octets);
    assert_eq!(Nlri::of_mcast(&McastVplsNlri::take(&octets, FORMAT).unwrap().1), Some(Nlri::SPmsi(all)));
}

/// RFC 6514 §5 with the tunnel types that RFC 7117 §9.1 names.
///
/// Shows: L2VPN-5.3-9, L2VPN-5.3-11
#[test]
fn pmsi_tunnels() {
    let mldp = Tunnel::MldpP2mp { root: PE.into(), opaque: vec![1, 0, 4, 0, 0, 0, 9] };
    let rsvp = Tunnel::RsvpTeP2mp { extended_tunnel_id: PE, tunnel_id: 5, p2mp_id: 6 };
    for (leaf_info, label, tunnel, octets) in [
        (true, None, Tunnel::None, &[1, 0, 0, 0, 0][..]),
        (false, Label::new(16), Tunnel::IngressReplication(PE.into()), &[0, 6, 0, 1, 0, 192, 0, 2, 1]),
        (true, None, mldp, &[1, 2, 0, 0, 0, 6, 0, 1, 4, 192, 0, 2, 1, 0, 7, 1, 0, 4, 0, 0, 0, 9]),
        (true, Label::new(900_000), rsvp, &[1, 1, 0xdb, 0xba, 0, 192, 0, 2, 1, 0, 0, 0, 5, 0, 0, 0, 6]),
    ] {
        let pmsi = Pmsi { leaf_info, label, tunnel };
        let mut out = Vec::new();
        pmsi.emit(&mut out);
        assert_eq!(out, octets);
        assert_eq!(Pmsi::of(&PmsiTunnel::parse(octets).unwrap()), Some(pmsi));
    }
}

/// RFC 4761 §3.2.4, RFC 6074 §6, RFC 4360 §4.
///
/// Shows: L2VPN-5.3-5, L2VPN-5.3-6, L2VPN-5.3-7
#[test]
fn communities() {
    let mut attributes = RouteAttributes::with_targets(PE.into(), &[RouteTarget::two_octet_as(65001, 7)]);
    let flags = Layer2Flags::CONTROL_WORD | Layer2Flags::RECEIVE_FLOW_LABEL;
    attributes.layer2 = Some(Layer2Info { encaps: Layer2Info::VPLS, flags, mtu: 1500, reserved: 0 });
    attributes.vpls_id = Some(L2vpnId::two_octet_as(65001, 9));
    let octets: Vec<[u8; 8]> = attributes.communities().map(|community| community.0).collect();
    assert_eq!(
        octets,
        [
            [0x00, 0x02, 0xfd, 0xe9, 0, 0, 0, 7],
            [0x80, 0x0a, 19, 0x06, 0x05, 0xdc, 0, 0],
            [0x00, 0x0a, 0xfd, 0xe9, 0, 0, 0, 9],
        ]
    );
    // The target of a Leaf A-D route names the PE that is answered (RFC 7117 §8.3).
    assert_eq!(RouteTarget::ipv4_address(PE, 0).community().0, [0x01, 0x02, 192, 0, 2, 1, 0, 0]);
}

/// The layout in `probe.rs`: a request with a sample, an answer with two ways, and what is neither.
#[test]
fn probes() {
    let sample = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 1], &[0x88, 0xb5]].concat();
    let request = [&[1, 1, 0, 0, 0, 0, 0, 9][..], &sample].concat();
    let answer = [1, 2, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 1, 0, 0];
    let ways = vec![Way { kind: WayKind::CIRCUIT, number: 4 }, Way { kind: WayKind::PSEUDOWIRE, number: 0x1_0000 }];
    for (octets, body) in
        [(&request[..], ProbeBody::Request(sample)), (&answer, ProbeBody::Answer { outcome: Outcome::FORWARDED, ways })]
    {
        let message = ProbeMessage { id: ProbeId(9), body };
        let mut out = Vec::new();
        message.emit(&mut out);
        assert_eq!(out, octets);
        assert_eq!(ProbeMessage::parse(octets), Ok(message));
    }
    let field = |octets: &[u8]| ProbeMessage::parse(octets).unwrap_err().field;
    assert_eq!(field(&request[..21]), "sample");
    assert_eq!(field(&[&request[..], &[0; 115]].concat()), "sample");
    assert_eq!(field(&answer[..23]), "ways");
    assert_eq!(field(&[&answer[..8], &[0; 129 * 8]].concat()), "ways");
    assert_eq!(field(&[2, 1, 0, 0, 0, 0, 0, 9]), "version");
    assert_eq!(field(&[1, 3, 0, 0, 0, 0, 0, 9]), "kind");
    assert_eq!(field(&[1, 1, 0, 0, 0]), "identifier");
}
