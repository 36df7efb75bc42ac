//! GRE in ESP transport mode (RFC 4301 §4.1, RFC 2784, RFC 2890) with a Linux kernel, its SAs made by strongSwan and by libreswan: two virtual
//! links with the same addresses, told apart by their GRE keys, share one pair of SAs.

use std::fmt::Write as _;

use fwd_core::wire::{EtherType, Gre, IpProtocol};
use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::{ChildConfig, EspSuite, IkeSuite, PeerConfig, v1, v2};
use lab::live::ike::Machine;

use super::capture::Frames;
use super::ike::{Ours, echo};
use super::net::{Net, Node};
use super::uml::{Uml, tap, wait};

/// The keys of the links that we have. The guest has one more.
const KEYS: [u32; 2] = [11, 12];

/// The kernel's end: three links in namespaces of their own with the same addresses. `start`, `begin` and `states` are the daemon's.
const GUEST: &str = r"
set -e
modprobe -a -d $MODULES ip_gre esp4 xfrm_user af_key
ip link set vec0 up
ip addr add 198.51.100.2/24 dev vec0
mkdir -p /run/netns
for key in 11 12 13; do
  ip netns add r$key
  ip tunnel add g$key mode gre local 198.51.100.2 remote 198.51.100.1 key $key
  ip link set g$key netns r$key
  ip -n r$key link set lo up
  ip netns exec r$key sysctl -q net.ipv6.conf.g$key.disable_ipv6=1
  ip -n r$key link set g$key up
  ip -n r$key addr add 10.9.0.2/30 dev g$key
done
start
set +e
pings() {
  while ! ip netns exec r11 ping -c 5 -i 0.2 -W 1 10.9.0.1 | grep ' 0% packet loss'; do sleep 0.3; done
  while ! ip netns exec r12 ping -c 5 -i 0.2 -W 1 10.9.0.1 | grep ' 0% packet loss'; do sleep 0.3; done
  ip netns exec r13 ping -c 2 -i 0.2 -W 1 10.9.0.1 | grep '100% packet loss' && ip xfrm state >$1.part && mv $1.part $1
}
touch ready
while [ ! -e go ]; do sleep 0.2; done
[ -e theirs ] && begin
pings first
while [ ! -e replaced ]; do sleep 0.2; done
pings second
sleep 600
";

/// charon with the kernel's ESP.
const STRONGSWAN: &str = r"
export STRONGSWAN_CONF=$PWD/strongswan.conf
start() {
  /usr/lib/ipsec/charon &
  while ! swanctl --load-all --file $PWD/swanctl.conf; do sleep 0.3; done
}
begin() { swanctl --initiate --child gre; }
";

/// pluto. It is unpacked and not installed: its helpers and libraries are where they would be, for the guest alone.
const LIBRESWAN: &str = r"
mount --bind $SWAN/usr/libexec /usr/libexec
with() { LD_LIBRARY_PATH=$SWAN/usr/lib/x86_64-linux-gnu $*; }
start() {
  mkdir -p /run/pluto nss
  with $SWAN/usr/bin/certutil -N -d sql:$PWD/nss --empty-password
  with /usr/libexec/ipsec/pluto --config $PWD/ipsec.conf --secretsfile $PWD/ipsec.secrets --nssdir $PWD/nss --rundir /run/pluto \
    --nofork --stderrlog >pluto.log 2>&1 &
  while ! with /usr/libexec/ipsec/addconn --config $PWD/ipsec.conf --ctlsocket /run/pluto/pluto.ctl c; do sleep 0.3; done
  # It reads its secrets when it begins to listen, which is after connections can be added.
  with /usr/libexec/ipsec/whack --rundir /run/pluto --listen
}
begin() { with /usr/libexec/ipsec/whack --rundir /run/pluto --initiate --name c; }
";

fn strongswan(node: &Node, version: u8) -> String {
    node.write(
        "strongswan.conf",
        "charon {\n load = random nonce openssl pem x509 pubkey hmac kdf kernel-netlink socket-default vici updown\n}\n",
    );
    let (ike, esp) = match version {
        1 => ("aes256-sha256-modp2048", "aes256-sha256"),
        _ => ("aes128gcm16-prfsha256-x25519", "aes128gcm16"),
    };
    node.write(
        "swanctl.conf",
        &format!(
            "connections {{\n c {{\n version = {version}\n local_addrs = 198.51.100.2\n remote_addrs = 198.51.100.1\n proposals = {ike}\n \
             local {{\n auth = psk\n id = 198.51.100.2\n }}\n remote {{\n auth = psk\n id = 198.51.100.1\n }}\n children {{\n gre {{\n \
             mode = transport\n local_ts = dynamic[gre]\n remote_ts = dynamic[gre]\n esp_proposals = {esp}\n }}\n }}\n }}\n}}\n\
             secrets {{\n ike {{\n secret = \"sharedsecret\"\n }}\n}}\n"
        ),
    );
    STRONGSWAN.to_owned()
}

fn libreswan(node: &Node, version: u8) -> String {
    let (only, ike, esp) = match version {
        1 => ("never", "aes_cbc256-sha2_256-modp2048", "aes_cbc256-sha2_256"),
        _ => ("insist", "aes_gcm128-sha2_256-dh31", "aes_gcm128"),
    };
    let mut conf =
        "config setup\n ikev1-policy=accept\n nhelpers=0\nconn c\n left=198.51.100.2\n right=198.51.100.1\n".to_owned();
    let _ = write!(
        conf,
        " authby=secret\n type=transport\n leftprotoport=gre\n rightprotoport=gre\n ikev2={only}\n ike={ike}\n esp={esp}\n pfs=no\n \
         leftupdown=%disabled\n auto=add\n"
    );
    node.write("ipsec.conf", &conf);
    node.write("ipsec.secrets", "198.51.100.2 198.51.100.1 : PSK \"sharedsecret\"\n");
    let root = std::env::var("LAB_LIBRESWAN").expect("LAB_LIBRESWAN: ci/live.sh unpacks libreswan and sets it");
    format!("SWAN={root}\n{LIBRESWAN}")
}

/// A packet of a link that we have is answered through that link.
fn answer(payload: IpProtocol, packet: &[u8]) -> Option<Vec<u8>> {
    let (gre, at) = Gre::take(packet).ok().filter(|_| payload == IpProtocol::GRE)?;
    let known = gre.protocol == EtherType::IPV4 && gre.key.is_some_and(|key| KEYS.contains(&key));
    let inner = echo(IpProtocol::IPV4, packet.get(at..).filter(|_| known)?)?;
    Some([&gre.emit()[..gre.wire_len()], &inner].concat())
}

/// Two systems, all of GRE between them in transport mode.
fn config(suite: IkeSuite, esp: EspSuite) -> PeerConfig {
    let (local, remote) = ([198, 51, 100, 1].into(), [198, 51, 100, 2].into());
    let mut config = PeerConfig::psk(local, remote, b"sharedsecret");
    config.suites = vec![suite];
    config.children =
        vec![ChildConfig { suites: vec![esp], ..ChildConfig::transport(1, local, remote, IpProtocol::GRE.0) }];
    config
}

fn v2(node: &Node) -> Ours<v2::Ike<RustCrypto>> {
    let config = config(IkeSuite::AES_GCM_128_X25519, EspSuite::AES_GCM_128);
    Ours::run(node, v2::Config::default(), answer, |ike: &mut v2::Ike<_>| ike.add_peer(config))
}

fn v1(node: &Node) -> Ours<v1::Ike<RustCrypto>> {
    let config = config(IkeSuite::AES_CBC_256_MODP_2048, EspSuite::AES_CBC_256_SHA2_256);
    Ours::run(node, v1::Config::default(), answer, |ike: &mut v1::Ike<_>| ike.add_peer(config, v1::Phase1::Main))
}

/// Both links carry pings, before and after the SAs were replaced, the third one's key is refused, nothing goes in clear, and the kernel
/// holds the SAs that we hold.
fn links<M: Machine + Send + 'static>(
    guest: impl Fn(&Node) -> String,
    start: impl Fn(&Node) -> Ours<M>,
    we_begin: bool,
) {
    let mut net = Net::new();
    let node = net.bare();
    tap(&node, "tap0", &["198.51.100.1/24"]);
    let script = format!("{}\n{GUEST}", guest(&node));
    let _guest = Uml::start(&node, "tap0", &script);
    let frames = Frames::start(&node, "tap0", "ip");
    wait(&node, "ready");
    let ours = start(&node);
    let child = || ours.until("a child", |d| d.children().count() >= 1);
    if we_begin {
        ours.connect();
        child();
    } else {
        node.write("theirs", "");
    }
    node.write("go", "");
    child();
    wait(&node, "first");
    let replaced = ours.with(|d| d.changes.0);
    ours.replace_child();
    ours.until("another child", |d| d.changes.0 > replaced);
    node.write("replaced", "");
    wait(&node, "second");
    let states = std::fs::read_to_string(node.dir.join("second")).unwrap();
    let newest = ours.with(|d| d.children().last().map(|c| [c.spi_in, c.spi_out]).unwrap());
    for spi in newest {
        let held =
            states.split("\nsrc ").any(|sa| sa.contains(&format!("spi 0x{spi:08x}")) && sa.contains("mode transport"));
        assert!(held, "{spi:08x}: {states}");
    }
    let (opened, refused) = ours.with(|d| d.opened);
    assert!(opened >= 24 && refused == 0, "{opened} {refused}");
    let clear = frames.fields("gre && !esp", "frame.number");
    assert!(clear.is_empty(), "{clear:?}");
    // What we sent is ESP of its own, without UDP.
    assert!(frames.fields("ip.src == 198.51.100.1 && ip.proto == 50", "esp.spi").len() >= 20);
}

#[test]
fn ikev2_with_strongswan_of_a_kernel_we_begin() {
    links(|node| strongswan(node, 2), v2, true);
}

#[test]
fn ikev1_with_strongswan_of_a_kernel_it_begins() {
    links(|node| strongswan(node, 1), v1, false);
}

#[test]
fn ikev2_with_libreswan_of_a_kernel_it_begins() {
    links(|node| libreswan(node, 2), v2, false);
}

#[test]
fn ikev1_with_libreswan_of_a_kernel_we_begin() {
    links(|node| libreswan(node, 1), v1, true);
}
