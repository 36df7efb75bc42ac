//! IKEv2 and ESP with strongSwan, in both roles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use fwd_core::wire::{Ipv4, checksum};
use ipsec_vlink::ike::crypto::{DhGroup, Encryption};
use ipsec_vlink::ike::v2::{Config, Event};
use ipsec_vlink::ike::{ChildConfig, EspSuite, IkeSaId, IkeSuite, PeerConfig, PeerId, TrafficSelector};
use lab::live::ike::IkeDriver;

use super::PATIENCE;
use super::capture::Frames;
use super::net::{Net, Node, until};
use super::raw::inside;
use super::strongswan::StrongSwan;

/// Our end, on a thread inside its node.
struct Ours {
    driver: Arc<Mutex<IkeDriver>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    peer: PeerId,
}

/// The answer to an echo request for 10.1.0.1.
fn echo(packet: &[u8]) -> Option<Vec<u8>> {
    let header = Ipv4::of(packet)?;
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

impl Ours {
    fn start(node: &Node, peer: &Node, suite: IkeSuite, esp: EspSuite, adapt: impl Fn(&mut PeerConfig)) -> Self {
        let local = node.v4.into();
        let mut config = PeerConfig::psk(local, peer.v4.into(), b"sharedsecret");
        config.force_encapsulation = true;
        config.suites = vec![suite];
        let subnet = |text: &str| vec![TrafficSelector::subnet(text.parse().unwrap(), 24)];
        config.children = vec![ChildConfig {
            local: subnet("10.1.0.0"),
            remote: subnet("10.2.0.0"),
            suites: vec![esp],
            ..ChildConfig::any_v4(1)
        }];
        adapt(&mut config);
        let settings = Config { liveness: Duration::from_secs(3), ..Config::default() };
        let seed = std::fs::read("/proc/sys/kernel/random/uuid").unwrap();
        let made = inside(node, move || IkeDriver::new(local, settings, &seed)).join().unwrap();
        let mut driver = made.unwrap();
        let peer = driver.act(|ike, _| ike.add_peer(config)).unwrap();
        let driver = Arc::new(Mutex::new(driver));
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, flag) = (Arc::clone(&driver), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                theirs.lock().unwrap().run(Duration::from_millis(20), echo, |_| false).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { driver, stop, thread: Some(thread), peer }
    }

    fn with<T>(&self, f: impl FnOnce(&mut IkeDriver) -> T) -> T {
        f(&mut self.driver.lock().unwrap())
    }

    fn until(&self, what: &str, ask: impl Fn(&IkeDriver) -> bool) {
        until(what, PATIENCE, || self.with(|d| if ask(d) { Ok(()) } else { Err(format!("{:?}", d.events())) }));
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn replaced(driver: &IkeDriver) -> usize {
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
    let peer = ours.peer;
    ours.with(|d| d.act(|ike, now| ike.connect(now, peer, 1)).unwrap());
    ours.until("a child", |d| d.children().count() == 1);
    swan.ping(5).unwrap();
    decrypted_by_tshark(&ours, &frames, &a);
    let child = ours.with(|d| d.children().next().unwrap().id);
    ours.with(|d| d.act(|ike, now| ike.replace_child(now, child)).unwrap());
    ours.until("the child replaced", |d| d.children().count() == 1 && d.changes == (2, 1));
    swan.ping(5).unwrap();
    ours.with(|d| d.act(|ike, now| ike.replace(now, IkeSaId(0))).unwrap());
    ours.until("the IKE SA replaced", |d| replaced(d) == 1 && d.machine().sizes() == (1, 0));
    swan.ping(5).unwrap();
    // Two rounds of liveness, and nothing has ended.
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(ours.with(|d| (d.children().count(), d.machine().counters().retransmitted)), (1, 0));
    let (opened, refused) = ours.with(|d| d.opened);
    assert_eq!((opened, refused), (15, 0));
    ours.with(|d| d.act(|ike, now| ike.delete(now, IkeSaId(1))).unwrap());
    ours.until("the end", |d| d.machine().sizes() == (0, 0));
    assert_eq!(swan.control(&["--list-sas"]).unwrap().trim(), "");
}

/// The traffic selectors of our IKE_AUTH, which is encrypted, are read by tshark.
fn decrypted_by_tshark(ours: &Ours, frames: &Frames, node: &Node) {
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
    assert_eq!(found, ["10.1.0.0,10.2.0.0"]);
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
    let failed = ipsec_vlink::ike::v2::Reject::Authentication;
    ours.until("refused", |d| d.machine().counters().rejected(failed) == 1);
    let peer = ours.peer;
    ours.with(|d| d.act(|ike, now| ike.connect(now, peer, 1)).unwrap());
    let refused = |e: &Event| matches!(e, Event::Closed(_, _, ipsec_vlink::ike::v2::Ended::Refused(_)));
    ours.until("refused by the peer", |d| d.events().iter().any(refused));
    assert_eq!(ours.with(|d| (d.machine().sizes(), d.changes)), ((0, 0), (0, 0)));
}
