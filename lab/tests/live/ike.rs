//! IKEv2, IKEv1 and ESP with strongSwan, in both roles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use fwd_core::wire::{IpProtocol, Ipv4, checksum};
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::crypto::{DhGroup, Encryption};
use ipsec_vlink::ike::event::Event;
use ipsec_vlink::ike::{
    ChildConfig, ConfigError, EspSuite, IkeSaId, IkeSuite, PeerConfig, PeerId, TrafficSelector, v1, v2,
};
use lab::live::ike::{IkeDriver, Machine};

use super::PATIENCE;
use super::capture::Frames;
use super::net::{Net, Node, until};
use super::raw::inside;
use super::strongswan::StrongSwan;

/// Our end, on a thread inside its node.
pub struct Ours<M> {
    driver: Arc<Mutex<IkeDriver<M>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    peer: PeerId,
}

/// The answer to an echo request.
pub fn echo(payload: IpProtocol, packet: &[u8]) -> Option<Vec<u8>> {
    let header = Ipv4::of(packet).filter(|_| payload == IpProtocol::IPV4)?;
    let at = header.header_len();
    if header.protocol() != 1 || packet.get(at) != Some(&8) {
        return None;
    }
    let mut answer = packet.to_vec();
    let (source, destination) = (packet[12..16].to_vec(), packet[16..20].to_vec());
    answer[12..16].copy_from_slice(&destination);
    answer[16..20].copy_from_slice(&source);
    answer[at] = 0;
    answer[at + 2..at + 4].fill(0);
    let sum = checksum::of(&answer[at..]);
    answer[at + 2..at + 4].copy_from_slice(&sum.to_be_bytes());
    Some(answer)
}

/// What peer and child are configured like, in either version.
fn configured(node: &Node, peer: &Node, suite: IkeSuite, esp: EspSuite) -> PeerConfig {
    let mut config = PeerConfig::psk(node.v4.into(), peer.v4.into(), b"sharedsecret");
    config.force_encapsulation = true;
    config.suites = vec![suite];
    let subnet = |text: &str| vec![TrafficSelector::subnet(text.parse().unwrap(), 24)];
    config.children = vec![ChildConfig {
        local: subnet("10.1.0.0"),
        remote: subnet("10.2.0.0"),
        suites: vec![esp],
        ..ChildConfig::any_v4(1)
    }];
    config
}

impl Ours<v2::Ike<RustCrypto>> {
    fn start(node: &Node, peer: &Node, suite: IkeSuite, esp: EspSuite, adapt: impl Fn(&mut PeerConfig)) -> Self {
        let mut config = configured(node, peer, suite, esp);
        adapt(&mut config);
        let settings = v2::Config { liveness: Duration::from_secs(3), ..v2::Config::default() };
        Self::run(node, settings, echo, |ike| ike.add_peer(config))
    }
}

impl Ours<v1::Ike<RustCrypto>> {
    fn start_v1(node: &Node, peer: &Node, mode: v1::Phase1) -> Self {
        let suites = (IkeSuite::AES_CBC_256_MODP_2048, EspSuite::AES_CBC_256_SHA2_256);
        let config = configured(node, peer, suites.0, suites.1);
        let settings = v1::Config { liveness: Duration::from_secs(3), ..v1::Config::default() };
        Self::run(node, settings, echo, |ike| ike.add_peer(config, mode))
    }
}

impl<M: Machine + Send + 'static> Ours<M> {
    /// Runs a machine with one peer, which `add` tells it of. `answer` is what packets in ESP go to.
    pub fn run(
        node: &Node,
        settings: M::Config,
        answer: fn(IpProtocol, &[u8]) -> Option<Vec<u8>>,
        add: impl FnOnce(&mut M) -> Result<PeerId, ConfigError>,
    ) -> Self
    where
        M::Config: Send + 'static,
    {
        let local = node.v4.into();
        let seed = std::fs::read("/proc/sys/kernel/random/uuid").unwrap();
        let made = inside(node, move || IkeDriver::<M>::new(local, settings, &seed)).join().unwrap();
        let mut driver = made.unwrap();
        let peer = driver.act(|ike, _| add(ike)).unwrap();
        let driver = Arc::new(Mutex::new(driver));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, flag) = (Arc::clone(&driver), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                theirs.lock().unwrap().run(Duration::from_millis(20), answer, |_| false).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { driver, stop, thread: Some(thread), peer }
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut IkeDriver<M>) -> T) -> T {
        f(&mut self.driver.lock().unwrap())
    }

    pub fn until(&self, what: &str, ask: impl Fn(&IkeDriver<M>) -> bool) {
        until(what, PATIENCE, || self.with(|d| if ask(d) { Ok(()) } else { Err(format!("{:?}", d.events())) }));
    }

    /// Asks for the peer's child 1.
    pub fn connect(&self) {
        self.with(|d| d.act(|ike, now| ike.connect(now, self.peer, 1)).unwrap());
    }

    /// Asks for another Child SA in place of the first one.
    pub fn replace_child(&self) {
        let child = self.with(|d| d.children().next().unwrap().id);
        self.with(|d| d.act(|ike, now| ike.replace_child(now, child)).unwrap());
    }
}

impl<M> Drop for Ours<M> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn replaced<M: Machine>(driver: &IkeDriver<M>) -> usize {
    driver.events().iter().filter(|e| matches!(e, Event::Rekeyed { .. })).count()
}

/// We begin: a shared key, pings through both ESPs, the child replaced, the IKE SA replaced, liveness, deletion. tshark decrypts what
/// we sent with the keys we write for it.
#[test]
fn ikev2_with_strongswan_as_responder() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let swan = StrongSwan::start(&b, &a, 2, "aes128gcm16-prfsha256-x25519", "aes128gcm16", "");
    let frames = Frames::start(&a, "eth0", "udp");
    let ours = Ours::start(&a, &b, IkeSuite::AES_GCM_128_X25519, EspSuite::AES_GCM_128, |_| {});
    ours.connect();
    ours.until("a child", |d| d.children().count() == 1);
    swan.ping(5).unwrap();
    decrypted_by_tshark(&ours, &frames, &a);
    ours.replace_child();
    ours.until("the child replaced", |d| d.children().count() == 1 && d.changes == (2, 1));
    swan.ping(5).unwrap();
    ours.with(|d| d.act(|ike, now| ike.replace(now, IkeSaId(0))).unwrap());
    ours.until("the IKE SA replaced", |d| replaced(d) == 1 && d.machine().sizes() == (1, 0));
    swan.ping(5).unwrap();
    // Two rounds of liveness, and nothing has ended.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(ours.with(|d| d.children().count()), 1);
    let (opened, refused) = ours.with(|d| d.opened);
    assert_eq!((opened, refused), (15, 0));
    ours.with(|d| d.act(|ike, now| ike.delete(now, IkeSaId(1))).unwrap());
    ours.until("the end", |d| d.machine().sizes() == (0, 0));
    assert_eq!(swan.control(&["--list-sas"]).unwrap().trim(), "");
}

/// The traffic selectors of our IKE_AUTH, which is encrypted, are read by tshark.
fn decrypted_by_tshark(ours: &Ours<v2::Ike<RustCrypto>>, frames: &Frames, node: &Node) {
    let row = ours.with(|d| {
        let (i, r, _, keys) = d.machine().keys(IkeSaId(0)).unwrap();
        let hex = |octets: &[u8]| octets.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let (ei, er) = (hex(&keys.ei), hex(&keys.er));
        format!(
            "uat:ikev2_decryption_table:{i:016x},{r:016x},{ei},{er},\"AES-GCM-128 with 16 octet ICV [RFC5282]\",\"\",\"\",\"NONE \
             [RFC4306]\""
        )
    });
    let filter = format!("isakmp.exchangetype == 35 && ip.src == {}", node.v4);
    let found = frames.fields_with(&["-o", &row], &filter, "isakmp.ts.start_ipv4");
    // More than once where it was said again for want of an answer.
    assert!(!found.is_empty() && found.iter().all(|selectors| selectors == "10.1.0.0,10.2.0.0"), "{found:?}");
}

/// The peer begins, with CBC and a MODP group: child and IKE SA replaced by its request, its liveness answered, its deletion followed.
#[test]
fn ikev2_with_strongswan_as_initiator() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let esp = "aes256-sha256-modp2048";
    let swan = StrongSwan::start(&b, &a, 2, "aes256-sha256-modp2048", esp, "dpd_delay = 2s");
    let suites = (IkeSuite::AES_CBC_256_MODP_2048, EspSuite::AES_CBC_256_SHA2_256);
    let ours = Ours::start(&a, &b, suites.0, suites.1, |c| c.children[0].group = Some(DhGroup::MODP_2048));
    swan.control(&["--initiate", "--child", "net"]).unwrap();
    ours.until("a child", |d| d.children().count() == 1);
    assert_eq!(ours.with(|d| d.children().next().unwrap().suite.encryption), Encryption::AES_CBC_256);
    swan.ping(5).unwrap();
    swan.control(&["--rekey", "--child", "net"]).unwrap();
    ours.until("the child replaced", |d| d.children().count() == 1 && d.changes == (2, 1));
    swan.ping(5).unwrap();
    swan.control(&["--rekey", "--ike", "c"]).unwrap();
    ours.until("the IKE SA replaced", |d| replaced(d) == 1 && d.machine().sizes() == (1, 0));
    swan.ping(5).unwrap();
    std::thread::sleep(Duration::from_secs(6));
    assert!(swan.control(&["--list-sas"]).unwrap().contains("ESTABLISHED"), "our answers to its liveness");
    swan.control(&["--rekey", "--ike", "c", "--reauth"]).unwrap();
    ours.until("a new proof", |d| d.events().iter().filter(|e| matches!(e, Event::Established(..))).count() == 2);
    ours.until("one child", |d| d.children().count() == 1 && d.machine().sizes() == (1, 0));
    swan.ping(5).unwrap();
    swan.control(&["--terminate", "--ike", "c"]).unwrap();
    ours.until("the end", |d| d.machine().sizes() == (0, 0) && d.children().count() == 0);
}

/// Another key: refused at both ends, whoever begins, and counted.
#[test]
fn ikev2_with_strongswan_and_another_key() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let swan = StrongSwan::start(&b, &a, 2, "aes128gcm16-prfsha256-x25519", "aes128gcm16", "");
    let ours = Ours::start(&a, &b, IkeSuite::AES_GCM_128_X25519, EspSuite::AES_GCM_128, |c| {
        c.auth = ipsec_vlink::ike::AuthConfig::Psk(ipsec_vlink::ike::crypto::Secret::copy(b"anothersecret"));
    });
    assert!(swan.control(&["--initiate", "--child", "net"]).is_err());
    let failed = v2::Reject::Authentication;
    ours.until("refused", |d| d.machine().counters().rejected(failed) == 1);
    ours.connect();
    let refused = |e: &Event| matches!(e, Event::Closed(_, _, v2::Ended::Refused(_)));
    ours.until("refused by the peer", |d| d.events().iter().any(refused));
    assert_eq!(ours.with(|d| (d.machine().sizes(), d.changes)), ((0, 0), (0, 0)));
}

const IKEV1: (&str, &str) = ("aes256-sha256-modp2048", "aes256-sha256");

/// IKEv1, we begin, in both modes of phase 1: pings through both ESPs, the IPsec SA replaced, phase 1 gone through again, the peer asked
/// whether it is there, deletion. Both ends mean a NAT, so that all goes to the second port. tshark decrypts what we sent.
#[test]
fn ikev1_with_strongswan_as_responder() {
    for (mode, more) in [(v1::Phase1::Main, ""), (v1::Phase1::Aggressive, "aggressive = yes")] {
        let mut net = Net::new();
        let (a, b) = (net.node(), net.node());
        let swan = StrongSwan::start(&b, &a, 1, IKEV1.0, IKEV1.1, more);
        let frames = Frames::start(&a, "eth0", "udp");
        let ours = Ours::start_v1(&a, &b, mode);
        ours.connect();
        ours.until("a child", |d| d.children().count() == 1);
        swan.ping(5).unwrap();
        decrypted_by_tshark_v1(&ours, &frames, &a);
        ours.replace_child();
        ours.until("another child", |d| d.changes.0 == 2);
        swan.ping(5).unwrap();
        ours.with(|d| d.act(|ike, now| ike.replace(now, IkeSaId(0))).unwrap());
        ours.until("phase 1 gone through again", |d| replaced(d) == 1);
        swan.ping(5).unwrap();
        // Several questions whether the peer is there, and nothing has ended.
        std::thread::sleep(Duration::from_secs(8));
        assert!(ours.with(|d| d.children().count() >= 1 && d.machine().state(IkeSaId(1)).is_some()));
        let (opened, refused) = ours.with(|d| d.opened);
        assert_eq!((opened, refused), (15, 0), "{mode:?}");
        ours.with(|d| {
            d.act(|ike, now| {
                let _ = ike.delete(now, IkeSaId(0));
                ike.delete(now, IkeSaId(1))
            })
            .unwrap()
        });
        ours.until("the end", |d| d.machine().sizes() == (0, 0) && d.children().count() == 0);
        until("the end there", PATIENCE, || match swan.control(&["--list-sas"]) {
            Ok(list) if list.trim().is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
}

/// The identities of our Quick Mode, which is encrypted, are read by tshark.
fn decrypted_by_tshark_v1(ours: &Ours<v1::Ike<RustCrypto>>, frames: &Frames, node: &Node) {
    let row = ours.with(|d| {
        let (i, _, _, keys) = d.machine().keys(IkeSaId(0)).unwrap();
        let key: String = keys.cipher.iter().map(|b| format!("{b:02x}")).collect();
        format!("uat:ikev1_decryption_table:{i:016x},{key}")
    });
    // The first message of Quick Mode; the third one has a hash alone.
    let filter = format!("isakmp.exchangetype == 32 && isakmp.nonce && ip.src == {}", node.v4);
    let found = frames.fields_with(&["-o", &row], &filter, "isakmp.id.data.ipv4_addr");
    // More than once where it was said again for want of an answer.
    assert!(!found.is_empty() && found.iter().all(|selectors| selectors == "10.1.0.0,10.2.0.0"), "{found:?}");
}

/// IKEv1, the peer begins: the IPsec SA replaced by its request, phase 1 by its request, its questions answered, its deletion followed.
#[test]
fn ikev1_with_strongswan_as_initiator() {
    for (mode, more) in [(v1::Phase1::Main, "dpd_delay = 2s"), (v1::Phase1::Aggressive, "aggressive = yes")] {
        let mut net = Net::new();
        let (a, b) = (net.node(), net.node());
        let swan = StrongSwan::start(&b, &a, 1, IKEV1.0, IKEV1.1, more);
        let ours = Ours::start_v1(&a, &b, mode);
        swan.control(&["--initiate", "--child", "net"]).unwrap();
        ours.until("a child", |d| d.children().count() == 1);
        swan.ping(5).unwrap();
        swan.control(&["--rekey", "--child", "net"]).unwrap();
        ours.until("another child", |d| d.changes.0 == 2);
        swan.ping(5).unwrap();
        swan.control(&["--rekey", "--ike", "c"]).unwrap();
        ours.until("phase 1 gone through again", |d| d.machine().counters().established == 2);
        swan.ping(5).unwrap();
        std::thread::sleep(Duration::from_secs(6));
        assert!(swan.control(&["--list-sas"]).unwrap().contains("ESTABLISHED"), "our answers to its questions");
        let (opened, refused) = ours.with(|d| d.opened);
        assert_eq!((opened, refused), (15, 0), "{mode:?}");
        swan.control(&["--terminate", "--ike", "c"]).unwrap();
        ours.until("the end", |d| d.machine().sizes() == (0, 0) && d.children().count() == 0);
    }
}

/// Aggressive Mode is refused by an end that is not configured for it.
#[test]
fn ikev1_aggressive_mode_is_refused_by_default() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let swan = StrongSwan::start(&b, &a, 1, IKEV1.0, IKEV1.1, "aggressive = yes");
    let ours = Ours::start_v1(&a, &b, v1::Phase1::Main);
    assert!(swan.control(&["--initiate", "--child", "net", "--timeout", "3"]).is_err());
    assert!(
        ours.with(|d| d.machine().counters().rejected(v1::Reject::UnknownPeer) > 0 && d.machine().sizes() == (0, 0))
    );
}
