//! Labelled packets between two Linux kernels with MPLS, whose labels are FRR's ldpd's, through our router.

use super::super::PATIENCE;
use super::super::capture::Frames;
use super::super::net::{Net, Node, until};
use super::super::uml::{Uml, tap};
use super::ip;
use super::ours::Ours;

/// Guest `n` of two: its loopback, and behind it a host that is no LSR, in a namespace of the guest. It pings the host of the other.
fn guest(n: u8) -> String {
    let other = 3 - n;
    format!(
        r"
set -e
ip link set vec0 up
ip addr add 198.51.10{n}.2/24 dev vec0
ip addr add fe80::2/64 dev vec0 nodad
ip addr add 192.0.2.1{n}/32 dev lo
sysctl -q net.mpls.platform_labels=10000 net.mpls.conf.vec0.input=1 net.ipv4.ip_forward=1
sysctl -q net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
mkdir -p /run/netns /run/frr
ip netns add host
ip link add inside type veth peer name eth0 netns host
ip link set inside up
ip addr add 10.{n}.0.1/24 dev inside
ip -n host link set lo up
ip -n host link set eth0 up
ip -n host addr add 10.{n}.0.2/24 dev eth0
ip -n host route add default via 10.{n}.0.1
chown frr:frr /run/frr
/usr/lib/frr/zebra -d -f $PWD/zebra.conf -P 0
/usr/lib/frr/staticd -d -f $PWD/static.conf -P 0
ip link add mpw0 type dummy
ip link set mpw0 up
/usr/lib/frr/ldpd -d -f $PWD/ldpd.conf -P 0
set +e
while true; do vtysh -c 'show l2vpn atom vc json' >vc.new; mv vc.new vc; sleep 1; done &
# All five answered: ping alone is content with one.
while ! ip netns exec host ping -c 5 -i 0.2 -W 1 10.{other}.0.2 | grep ' 0% packet loss'; do sleep 0.5; ip -f mpls route; ip route; done
echo yes >reached
ip -f mpls route
ip route
sleep 600
"
    )
}

#[test]
fn our_lsr_switches_labels_between_two_linux_lsrs() {
    let mut net = Net::new();
    let node = net.node();
    ip(&node, "addr flush dev eth0");
    ip(&node, "addr add 192.0.2.1/32 dev lo");
    let mut guests = Vec::new();
    // Each guest has a directory of its own.
    let places = [1, 2].map(|n| {
        let mut place = node.clone();
        place.dir = node.dir.join(format!("guest{n}"));
        std::fs::create_dir_all(&place.dir).unwrap();
        place
    });
    let mut config =
        "router-id = \"192.0.2.1\"\ntransport = [\"192.0.2.1\"]\negress = [\"192.0.2.1/32\"]\nlink-hold = 6\n\
         accept-targeted = true\n"
            .to_owned();
    for n in [1_u8, 2] {
        let other = 3 - n;
        let name = format!("tap{n}");
        tap(&node, &name, &[&format!("198.51.10{n}.1/24")]);
        ip(&node, &format!("route add 192.0.2.1{n}/32 via 198.51.10{n}.2"));
        config += &format!("[[interface]]\nname = \"{name}\"\naddresses = [\"198.51.10{n}.1/24\"]\n");
        let routes = format!(
            "ip route 192.0.2.1/32 198.51.10{n}.1\nip route 192.0.2.1{other}/32 198.51.10{n}.1\n\
             ip route 10.{other}.0.0/24 198.51.10{n}.1\n"
        );
        let place = &places[usize::from(n) - 1];
        place.write("zebra.conf", "");
        place.write("static.conf", &routes);
        let ldp = format!(
            "mpls ldp\n router-id 192.0.2.1{n}\n discovery hello holdtime 6\n discovery hello interval 2\n !\n address-family ipv4\n  \
             discovery transport-address 192.0.2.1{n}\n  label local advertise explicit-null\n  !\n  interface vec0\n  !\n exit-address-family\n !\n!\n"
        );
        // The first has a pseudowire with us.
        let l2vpn = "l2vpn CUST type vpls\n bridge br0\n member pseudowire mpw0\n  neighbor lsr-id 192.0.2.1\n  pw-id 100\n !\n!\n";
        place.write("ldpd.conf", &(ldp + if n == 1 { l2vpn } else { "" }));
    }
    for n in [1_u8, 2] {
        config += &format!("[[route]]\nprefix = \"192.0.2.1{n}/32\"\nvia = \"198.51.10{n}.2\"\n");
        config += &format!("[[route]]\nprefix = \"10.{n}.0.0/24\"\nvia = \"198.51.10{n}.2\"\n");
    }
    config += "[[pseudowire]]\nid = 100\npeer = \"192.0.2.11\"\n";
    let frames = [1, 2].map(|n| Frames::start(&node, &format!("tap{n}"), "mpls"));
    let ours = Ours::start(&node, &config);
    for n in [1_u8, 2] {
        guests.push(Uml::start(&places[usize::from(n) - 1], &format!("tap{n}"), &guest(n)));
    }
    for n in [1_u8, 2] {
        ours.expect_session(&format!("192.0.2.1{n}"));
    }
    until("hosts behind two Linux LSRs ping each other through our LSR", PATIENCE * 2, || {
        let reached = [0, 1].map(|n: usize| places[n].dir.join("reached").exists());
        let labels = [1, 2].map(|n| ours.ask(&format!("fec 10.{n}.0.0/24")).to_string());
        if reached == [true, true] { Ok(()) } else { Err(format!("{reached:?} {labels:?}")) }
    });
    // Each packet came with our label and left with the far LSR's.
    for (n, far) in [(1_u8, 2_u8), (2, 1)] {
        let fec = ours.ask(&format!("fec 10.{far}.0.0/24"));
        let [local, theirs] = [&fec["local"], &fec["remote"][format!("192.0.2.1{far}")]].map(ToString::to_string);
        let filter = format!("ip.src == 10.{n}.0.2");
        let came = frames[usize::from(n) - 1].fields(&filter, "mpls.label");
        let left = frames[usize::from(far) - 1].fields(&filter, "mpls.label");
        assert!(came.len() >= 5 && came.iter().all(|l| *l == local), "{came:?} {fec}");
        assert!(left.len() >= 5 && left.iter().all(|l| *l == theirs), "{left:?} {fec}");
        let ttl = frames[usize::from(far) - 1].fields(&filter, "mpls.ttl");
        assert!(ttl.iter().all(|t| t == "62"), "two hops: {ttl:?}");
    }
    a_pseudowire_follows_its_status(&ours, &places[0]);
    drop(guests);
}

/// With MPLS in its kernel ldpd has the pseudowire up, down while our circuit is down, and up again.
fn a_pseudowire_follows_its_status(ours: &Ours, place: &Node) {
    for (command, state) in [(None, "up"), (Some("down"), "down"), (Some("up"), "up")] {
        if let Some(command) = command {
            ours.ask(&format!("circuit 100 {command}"));
        }
        until(&format!("ldpd's pseudowire is {state}"), PATIENCE, || {
            let said = std::fs::read_to_string(place.dir.join("vc")).unwrap_or_default();
            if said.contains(&format!("\"status\":\"{state}\"")) { Ok(()) } else { Err(said) }
        });
    }
    ours.expect("our end is up", "show", |s| s["pseudowires"][0]["up"] == true);
}
