//! L2TP version 2 and PPP with xl2tpd and pppd, which run above a Linux that has PPP.

use std::time::{Duration, Instant};

use fwd_core::wire::IpProtocol;
use ipsec_vlink::l2tp::PseudowireType;
use ipsec_vlink::l2tp::control::{self, PeerConfig, SessionConfig, SessionStart};
use ipsec_vlink::l2tp::digest::Secret;
use ipsec_vlink::ppp::{self, AuthProtocol, Credential};
use lab::live::l2tp::L2tpDriver;

use super::PATIENCE;
use super::capture::Frames;
use super::ike::echo;
use super::net::{Net, Node};
use super::raw::inside;
use super::uml::{Uml, tap, wait};

/// xl2tpd and pppd, which are unpacked and not installed: they, devices and secrets are where they would be, for the guest alone.
const GUEST: &str = r"
set -e
ip link set vec0 up
ip addr add 198.51.100.2/24 dev vec0
mkdir -p /run/sbin /run/sbin.host /run/dev/pts /run/xl2tpd
mount --bind /usr/sbin /run/sbin.host
ln -s /run/sbin.host/* /run/sbin
cp $L2TP/usr/sbin/pppd /run/sbin
cp -a /etc /run/etc
mkdir -p /run/etc/ppp
cp chap-secrets /run/etc/ppp
modprobe -a -d $MODULES ppp_generic ppp_async
cd /run/dev
mknod null c 1 3
mknod zero c 1 5
mknod random c 1 8
mknod urandom c 1 9
mknod tty c 5 0
mknod ptmx c 5 2
mknod ppp c 108 0
chmod 666 *
cd $OLDPWD
mount --bind /run/sbin /usr/sbin
mount --bind /run/etc /etc
mount --bind /run/dev /dev
mount -t devpts pts /dev/pts
$L2TP/usr/sbin/xl2tpd -D -c $PWD/xl2tpd.conf -s $PWD/l2tp-secrets -p /run/xl2tpd.pid -C /run/xl2tpd/control &
touch ready
set +e
while ! ping -c 5 -i 0.2 -W 1 -I ppp0 10.9.0.1 | grep ' 0% packet loss'; do sleep 0.3; done
ip addr show ppp0 >reached.part
mv reached.part reached
while [ -e /sys/class/net/ppp0 ]; do sleep 0.2; done
touch down
sleep 600
";

const SECRETS: &str = "ours guest pppsecret *\nguest ours pppsecret *\n";

/// pppd proves who it is, and wants it proved.
const OPTIONS: &str = "name guest\nremotename ours\nauth\nrequire-chap\nnoccp\nnoipdefault\nnodefaultroute\nlcp-echo-interval 1\ndebug\nnodetach\n";

fn start(node: &Node, section: &str) -> Uml {
    let root = std::env::var("LAB_L2TP").expect("LAB_L2TP: ci/live.sh unpacks xl2tpd and ppp and sets it");
    let dir = node.dir.display();
    let global = format!(
        "[global]\nlisten-addr = 198.51.100.2\nport = 1701\nforce userspace = yes\nauth file = {dir}/l2tp-secrets\n"
    );
    node.write(
        "xl2tpd.conf",
        &format!("{global}{section}pppoptfile = {dir}/options\nname = guest\nchallenge = yes\nppp debug = yes\n"),
    );
    node.write("l2tp-secrets", "* * tunnelsecret\n");
    node.write("chap-secrets", SECRETS);
    node.write("options", OPTIONS);
    let guest = Uml::start(node, "tap0", &format!("L2TP={root}\n{GUEST}"));
    wait(node, "ready");
    guest
}

fn credential(name: &str) -> Option<Credential> {
    Some(Credential { name: name.as_bytes().to_vec(), secret: Secret::copy(b"pppsecret") })
}

/// What ended, and what was said.
struct Ended {
    events: Vec<control::Event>,
    links: Vec<ppp::Event>,
    packets: u64,
}

/// Our end inside of its node: it answers pings until the guest had five answers and three Hellos have passed, then closes.
fn ours(node: &Node, start: SessionStart, mut link: ppp::Config) -> Ended {
    link.demand = Some(AuthProtocol::ChapMd5);
    (link.peer, link.ours) = (credential("guest"), credential("ours"));
    let (reached, down) = (node.dir.join("reached"), node.dir.join("down"));
    let run = move || {
        let config = control::Config { hello: Duration::from_secs(1), ..control::Config::new(b"ours", 1, [7; 32]) };
        let mut driver = L2tpDriver::new([198, 51, 100, 1].into(), config).unwrap();
        let peer = PeerConfig {
            secret: Some(Secret::copy(b"tunnelsecret")),
            initiate: start == SessionStart::Incoming,
            ..PeerConfig::v2([198, 51, 100, 2].into())
        };
        let session =
            |peer| SessionConfig { pseudowire: PseudowireType::PPP, ..SessionConfig::new(peer, start, b"", b"") };
        let peer = driver.add(peer, session, link).unwrap();
        let begun = Instant::now();
        let (mut close_at, mut closed) = (None, false);
        while begun.elapsed() < 2 * PATIENCE && !down.exists() {
            driver.turn(|packet| echo(IpProtocol::IPV4, packet)).unwrap();
            if close_at.is_none() && reached.exists() {
                close_at = Some(Instant::now() + Duration::from_secs(4));
            }
            if !closed && close_at.is_some_and(|at| Instant::now() >= at) {
                closed = true;
                driver.remove_peer(peer);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ended { events: driver.events, links: driver.link_events, packets: driver.packets }
    };
    inside(node, run).join().unwrap()
}

/// The link came up with both proofs and the addresses, five pings were answered, and the call and its tunnel were closed by us.
fn carried(ended: &Ended, node: &Node) {
    wait(node, "down");
    let addresses = ppp::Event::Ipv4Up { local: [10, 9, 0, 1].into(), remote: [10, 9, 0, 2].into() };
    assert!(ended.links.contains(&ppp::Event::Authenticated) && ended.links.contains(&addresses), "{:?}", ended.links);
    assert!(ended.packets >= 5);
    let refused = |e: &control::Event| matches!(e, control::Event::AuthenticationFailed { .. });
    let up = |e: &control::Event| matches!(e, control::Event::SessionUp { .. });
    assert_eq!(ended.events.iter().filter(|e| up(e)).count(), 1, "{:?}", ended.events);
    assert!(!ended.events.iter().any(refused), "{:?}", ended.events);
    let there = std::fs::read_to_string(node.dir.join("reached")).unwrap();
    assert!(there.contains("inet 10.9.0.2 peer 10.9.0.1/32"), "{there}");
}

/// tshark reads what we sent: these control messages, and nothing that it calls malformed.
fn read(frames: &Frames, kinds: &[&str]) {
    let sent = frames.fields("ip.src == 198.51.100.1 && l2tp.type == 1", "l2tp.avp.message_type");
    for kind in kinds {
        assert!(sent.iter().any(|sent| sent == kind), "{kind}: {sent:?}");
    }
    let bad = frames.fields("ip.src == 198.51.100.1 && l2tp && _ws.malformed", "frame.number");
    assert!(bad.is_empty(), "{bad:?}");
}

/// We open tunnel and call; the address is assigned by the peer.
#[test]
fn a_call_of_ours_is_answered_by_xl2tpd() {
    let mut net = Net::new();
    let node = net.bare();
    tap(&node, "tap0", &["198.51.100.1/24"]);
    let _guest = start(
        &node,
        "[lns default]\nip range = 10.9.0.1-10.9.0.1\nlocal ip = 10.9.0.2\nrequire chap = yes\nrefuse pap = yes\n",
    );
    let frames = Frames::start(&node, "tap0", "udp port 1701");
    let link = ppp::Config::new(Some([0; 4].into()), None, [9; 32]);
    let ended = ours(&node, SessionStart::Incoming, link);
    carried(&ended, &node);
    // SCCRQ, SCCCN, ICRQ, ICCN, Hello, StopCCN.
    read(&frames, &["1", "3", "10", "12", "6", "4"]);
}

/// xl2tpd opens tunnel and call; we assign the address.
#[test]
fn a_call_of_xl2tpd_is_answered_by_ours() {
    let mut net = Net::new();
    let node = net.bare();
    tap(&node, "tap0", &["198.51.100.1/24"]);
    let _guest = start(&node, "[lac ours]\nlns = 198.51.100.1\nautodial = yes\nredial = yes\nredial timeout = 1\n");
    let frames = Frames::start(&node, "tap0", "udp port 1701");
    let link = ppp::Config::new(Some([10, 9, 0, 1].into()), Some([10, 9, 0, 2].into()), [9; 32]);
    let ended = ours(&node, SessionStart::Await, link);
    carried(&ended, &node);
    // SCCRP, ICRP, Hello, StopCCN.
    read(&frames, &["2", "11", "6", "4"]);
}
