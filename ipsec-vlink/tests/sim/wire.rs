//! What is said on the wire: by the default profile nothing that is not standard.

use fwd_core::net::VrfId;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::vlink::{LinkConfig, PeerId, Security};

use crate::world::{World, packet, vpn};

/// What of a message is not standard, by the names of what it is.
#[derive(Debug, Default)]
struct Seen {
    private: Vec<String>,
    payloads: usize,
    notifies: usize,
}

impl Seen {
    /// A chain of IKEv2 payloads (RFC 7296 §3.2) that begins with one of this type.
    fn chain(&mut self, mut kind: u8, mut octets: &[u8]) {
        while kind != 0 && octets.len() >= 4 {
            let len = usize::from(u16::from_be_bytes([octets[2], octets[3]]));
            let (payload, rest) = octets.split_at(len.clamp(4, octets.len()));
            self.payload(kind, &payload[4..]);
            // What is encrypted is looked at before.
            if kind == 46 || kind == 53 {
                return;
            }
            (kind, octets) = (payload[0], rest);
        }
    }

    fn payload(&mut self, kind: u8, body: &[u8]) {
        self.payloads += 1;
        match kind {
            43 => self.private.push(format!("Vendor ID {body:02x?}")),
            41 => {
                self.notifies += 1;
                let notify = u16::from_be_bytes([body[2], body[3]]);
                // RFC 7296 §3.10.1: private errors, private status types.
                if (8192..16_384).contains(&notify) || notify >= 40_960 {
                    self.private.push(format!("notify {notify}"));
                }
            }
            33 => self.proposals(body),
            44 | 45 => {
                let (count, mut at) = (body[0], 4);
                for _ in 0..count {
                    if body[at] > 10 {
                        self.private.push(format!("traffic selector {}", body[at]));
                    }
                    at += usize::from(u16::from_be_bytes([body[at + 2], body[at + 3]]));
                }
            }
            34..=48 | 53 => {}
            other => self.private.push(format!("payload {other}")),
        }
    }

    fn proposals(&mut self, mut body: &[u8]) {
        while body.len() >= 8 {
            let len = usize::from(u16::from_be_bytes([body[2], body[3]]));
            let mut at = 8 + usize::from(body[6]);
            for _ in 0..body[7] {
                let id = u16::from_be_bytes([body[at + 6], body[at + 7]]);
                // RFC 7296 §3.3.2: values above 1023 are private.
                if id > 1023 {
                    self.private.push(format!("transform {id}"));
                }
                at += usize::from(u16::from_be_bytes([body[at + 2], body[at + 3]]));
            }
            body = &body[len..];
        }
    }

    /// A control message of L2TPv3 over IP (RFC 3931 §3.2.1, §5.1).
    fn l2tp(&mut self, octets: &[u8]) {
        let mut avps = &octets[16..];
        while avps.len() >= 6 {
            let len = usize::from(u16::from_be_bytes([avps[0], avps[1]]) & 0x3ff);
            let (vendor, attribute) = (u16::from_be_bytes([avps[2], avps[3]]), u16::from_be_bytes([avps[4], avps[5]]));
            self.payloads += 1;
            if vendor != 0 || attribute > 103 {
                self.private.push(format!("AVP {vendor}/{attribute}"));
            }
            avps = &avps[len..];
        }
    }
}

/// What two PEs say that build links of this architecture and send packets by them.
fn listen(architecture: Architecture, security: Security) -> Seen {
    let mut world = World::new(2, 3, 8);
    let peers = world.peer(0, 1);
    (world.wire, world.ike_wire) = (Some(Vec::new()), Some(Vec::new()));
    world.join([0, 1], peers, 3, architecture, security);
    // Once more each: rekeyed.
    let children: Vec<_> = world.routers[0].children.keys().copied().collect();
    for child in children {
        world.routers[0].ike.replace_child(world.now, child).unwrap();
    }
    world.seconds(5);
    for vrf in 1..=3 {
        assert!(world.reaches(0, 1, vrf));
    }
    let mut seen = Seen::default();
    for message in world.ike_wire.take().unwrap() {
        seen.chain(message[16], &message[28..]);
    }
    for router in &world.routers {
        for text in &router.spy.borrow().payloads {
            seen.chain(text[0], &text[1..]);
        }
    }
    for frame in world.wire.take().unwrap() {
        let protocol = frame[23];
        if ![4, 47, 50, 115, 137].contains(&protocol) {
            seen.private.push(format!("protocol {protocol}"));
        }
        if protocol == 115 && frame[34..38] == [0; 4] {
            seen.l2tp(&frame[34..]);
        }
    }
    seen
}

/// The profile of PEs and that of CEs, protected and in clear: standard code points alone. Only where the association itself must
/// say the VPN there are two others, both of them known: a Vendor ID and a notify.
///
/// Shows: VLINK-3-6, VLINK-6.4-P2, VLINK-6.5-P2, VLINK-6.6-P2
#[test]
fn nothing_private_is_said_by_default() {
    for architecture in [Architecture::DistinctIpip, Architecture::Gre, Architecture::Mpls, Architecture::L2tp] {
        for security in [Security::Esp, Security::Clear] {
            let seen = listen(architecture, security);
            assert_eq!(seen.private, Vec::<String>::new(), "{architecture:?} {security:?}");
            let protected = security == Security::Esp;
            assert_eq!(protected, seen.notifies > 4, "IKE was looked into");
            let said = seen.payloads > if protected { 20 } else { 0 };
            assert_eq!(said, protected || architecture == Architecture::L2tp, "{architecture:?} {security:?}");
        }
    }
    for architecture in [Architecture::TunnelSa, Architecture::SharedIpip] {
        let mut private = listen(architecture, Security::Esp).private;
        private.retain(|what| !what.starts_with("Vendor ID"));
        private.sort();
        private.dedup();
        assert_eq!(private.len(), 1, "{private:?}");
        assert!(private[0].starts_with("notify"), "{private:?}");
    }
}

/// Without the extension at either end, neither says anything of it.
#[test]
fn the_extension_is_said_by_those_who_use_it() {
    let mut world = World::new(2, 1, 4);
    let peers = world.peer_with(0, 1, |_, cfg| (cfg.says_context, cfg.default_vpn) = (false, Some(vpn(1))));
    world.ike_wire = Some(Vec::new());
    let cfg = LinkConfig::new(PeerId(0), vpn(1), VrfId(1), Architecture::TunnelSa);
    let links = world.link([0, 1], peers, &cfg).unwrap();
    world.seconds(5);
    world.route(0, 1, 1, links[0]);
    assert!(matches!(world.send(0, 1, &packet(0, 1)), (1, _)));
    let mut seen = Seen::default();
    for message in world.ike_wire.take().unwrap() {
        seen.chain(message[16], &message[28..]);
    }
    assert_eq!(seen.private, Vec::<String>::new());
}
