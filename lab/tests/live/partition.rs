//! Thirty seconds in which no packet passes and nobody is told.

use std::thread::sleep;
use std::time::Duration;

use super::bird::{self, Bird};
use super::frr::{self, Frr};
use super::gobgp::{self, GoBgp};
use super::net::{Net, Node};
use super::ours::{Config, LABEL, Ours, Peer};
use super::route::{Route, Router};

const PARTITION: Duration = Duration::from_secs(30);

struct Trio {
    r: Node,
    f: Node,
    g: Node,
    o: Node,
    reflector: Ours,
    frr: Frr,
    gobgp: GoBgp,
    pe: Ours,
    _net: Net,
}

impl Trio {
    /// We reflect between FRR, GoBGP and a PE of ours, with this hold time on every session.
    fn start(hold: u32) -> Self {
        let mut net = Net::new();
        let (r, f, g, o) = (net.node(), net.node(), net.node(), net.node());
        let peers = [&f, &g, &o].map(|n| Peer::client(n.v4)).to_vec();
        let reflector = Ours::start(&r, &Config { peers, hold, ..Config::default() });
        let networks =
            vec![("65001:1".into(), "10.1.1.0/24".into(), 1001), ("65001:1".into(), "fd00:1::/48".into(), 1002)];
        let neighbor =
            frr::Neighbor { address: r.v4.into(), client: false, both_families: true, extended_next_hop: false };
        let frr = Frr::start(&f, &frr::Config { neighbors: vec![neighbor], networks, hold, ..Default::default() });
        let neighbors = vec![gobgp::Neighbor { address: r.v4.into(), client: false, passive: false }];
        let gobgp = GoBgp::start(&g, &gobgp::Config { neighbors, hold, ..Default::default() });
        gobgp.originate(&Route::new("65001:2", "10.2.3.0/24", 2003, g.v4));
        gobgp.originate(&Route::new("65001:2", "fd00:2::/48", 2004, g.v4));
        let vrf = Some(("65001:3", &["10.3.3.0/24", "fd00:3::/48"][..]));
        let pe = Ours::start(&o, &Config { peers: vec![Peer::new(r.v4)], hold, vrf, ..Config::default() });
        let trio = Self { r, f, g, o, reflector, frr, gobgp, pe, _net: net };
        trio.expect_all_routes();
        trio
    }

    /// Everybody has everybody's routes.
    fn expect_all_routes(&self) {
        let all = [
            Route::new("65001:1", "10.1.1.0/24", 1001, self.f.v4),
            Route::new("65001:1", "fd00:1::/48", 1002, self.f.v4),
            Route::new("65001:2", "10.2.3.0/24", 2003, self.g.v4),
            Route::new("65001:2", "fd00:2::/48", 2004, self.g.v4),
            Route::new("65001:3", "10.3.3.0/24", LABEL, self.o.v4),
            Route::new("65001:3", "fd00:3::/48", LABEL, self.o.v4),
        ];
        all.iter().filter(|r| r.rd != "65001:1").for_each(|r| self.frr.expect(r));
        all.iter().filter(|r| r.rd != "65001:2").for_each(|r| self.gobgp.expect(r));
        all.iter().for_each(|r| self.reflector.expect(r));
        all.iter().filter(|r| r.rd != "65001:3").for_each(|r| self.pe.expect(r));
        self.pe.expect_forwarding("10.1.1.0/24", 1001);
        self.pe.expect_forwarding("fd00:2::/48", 2004);
    }
}

/// With a hold time of 9 s every session of the router that was cut off ends, and all is as before once it is back.
#[test]
fn sessions_end_at_the_hold_time_and_return() {
    let trio = Trio::start(9);
    let before = [&trio.f, &trio.g, &trio.o].map(|node| (node, trio.reflector.ups_and_downs(node.v4)));
    let of_pe = trio.pe.ups_and_downs(trio.r.v4);
    trio.r.cut();
    for (node, (_, down)) in before {
        trio.reflector.expect_down(node.v4, down + 1);
    }
    trio.pe.expect_down(trio.r.v4, of_pe.1 + 1);
    trio.frr.expect_none("65001:3");
    trio.gobgp.expect_none("65001:3");
    sleep(PARTITION - Duration::from_secs(12));
    trio.r.join();
    for (node, (up, _)) in before {
        trio.reflector.expect_up(node.v4, up + 1);
    }
    trio.expect_all_routes();
}

/// With a hold time of 90 s the sessions outlast the partition; what was announced meanwhile arrives after it.
#[test]
fn sessions_outlast_a_partition_shorter_than_the_hold_time() {
    let trio = Trio::start(90);
    let before = [&trio.f, &trio.g, &trio.o].map(|node| (node, trio.reflector.ups_and_downs(node.v4)));
    let of_pe = trio.pe.ups_and_downs(trio.r.v4);
    trio.r.cut();
    trio.pe.ask("announce red 10.3.4.0/24");
    trio.pe.ask("withdraw red 10.3.3.0/24");
    sleep(PARTITION);
    trio.r.join();
    let news = Route::new("65001:3", "10.3.4.0/24", LABEL, trio.o.v4);
    trio.frr.expect(&news);
    trio.gobgp.expect(&news);
    trio.pe.ask("withdraw red 10.3.4.0/24");
    trio.pe.ask("announce red 10.3.3.0/24");
    trio.expect_all_routes();
    for (node, before) in before {
        assert_eq!(trio.reflector.ups_and_downs(node.v4), before, "session with {}", node.v4);
    }
    assert_eq!(trio.pe.ups_and_downs(trio.r.v4), of_pe);
}

/// BIRD and our PE, cut apart beyond the hold time.
#[test]
fn bird_returns_after_a_partition() {
    let mut net = Net::new();
    let (b, o) = (net.node(), net.node());
    let theirs = Route::new("65001:4", "10.4.4.0/24", 4001, std::net::Ipv4Addr::new(198, 51, 100, 33));
    let neighbors = vec![o.v4.into()];
    let bird = Bird::start(&b, &bird::Config { neighbors, extended_next_hop: false, routes: vec![theirs.clone()] });
    let vrf = Some(("65001:3", &["10.3.3.0/24"][..]));
    let peers = vec![Peer::new(b.v4).families(&["vpn-ipv4"])];
    let pe = Ours::start(&o, &Config { peers, vrf, ..Config::default() });
    let ours = Route::new("65001:3", "10.3.3.0/24", LABEL, o.v4);
    bird.expect(&ours);
    pe.expect(&theirs);
    let (up, down) = pe.ups_and_downs(b.v4);
    o.cut();
    pe.expect_down(b.v4, down + 1);
    pe.expect_none("65001:4");
    bird.expect_none("65001:3");
    sleep(PARTITION - Duration::from_secs(12));
    o.join();
    pe.expect_up(b.v4, up + 1);
    bird.expect(&ours);
    pe.expect(&theirs);
    let complaints = bird.complaints();
    assert!(complaints.lines().all(|l| l.ends_with("Hold timer expired")), "{complaints}");
}
