//! What `lab run` says: tables, figures, and what was expected against what was found.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use bgp_vpn::speaker::Stats;
use fwd_core::{DropReason, PuntReason};

use super::path::{Step, print};
use super::topology::{CUSTOMERS, SITES, Topology, vrf_of};
use super::traffic::{TTL, Traffic};
use crate::columns::{columns, grouped};
use crate::decode::decode;
use crate::sim::link::LinkCounters;
use crate::sim::network::BGP_PORT;

/// Something that had to be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: String,
    /// Whether it is.
    pub good: bool,
    /// What was found.
    pub found: String,
}

/// All that is said, and all that was checked.
#[derive(Clone, Debug, Default)]
pub struct Report {
    text: String,
    /// What was checked.
    pub checks: Vec<Check>,
    /// The label path of the sample packets: IPv4, IPv6.
    pub paths: Vec<Vec<Step>>,
}

impl Report {
    /// Whether everything is as it had to be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.good)
    }

    /// The whole report.
    #[must_use]
    pub fn print(&self) -> String {
        let rows: Vec<[String; 3]> = self
            .checks
            .iter()
            .map(|c| [c.what.clone(), if c.good { "yes" } else { "NO" }.to_owned(), c.found.clone()])
            .collect();
        let bad = self.checks.iter().filter(|c| !c.good).count();
        let verdict = if bad == 0 { "everything as expected".into() } else { format!("{bad} expectations failed") };
        format!("{}\nExpectations\n{}\n{verdict}\n", self.text, columns(["expected", "met", "found"], &rows))
    }

    /// Begins a part of the text.
    pub(super) fn heading(&mut self, title: &str) {
        let _ = writeln!(self.text, "\n{title}");
    }

    /// Adds to the text.
    pub fn say(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Notes what had to be so, and whether it is.
    pub fn check(&mut self, what: impl Into<String>, good: bool, found: impl Into<String>) {
        self.checks.push(Check { what: what.into(), good, found: found.into() });
    }

    pub(super) fn routes(&mut self, topology: &Topology<'_>, converged: bool, wall: Duration) {
        let net = &topology.provider.net;
        let mut rows = Vec::new();
        let (mut in_vrfs, mut octets, mut paths) = (0, 0, 0);
        for (node, machine) in net.nodes() {
            let Some(router) = machine.control.router() else { continue };
            let stats: Stats = router.speaker.stats();
            let mut cells = vec![machine.name.clone(), grouped(stats.vpn_routes.into())];
            for customer in 0..CUSTOMERS.len() {
                let (v4, v6) = machine.host.forwarder.route_counts(vrf_of(customer));
                in_vrfs += u64::from(v4) + u64::from(v6);
                let is_pe = topology.pes.iter().any(|pe| topology.provider.node_of(*pe) == node);
                let show = |n: u32| if is_pe { grouped(n.into()) } else { "-".into() };
                cells.extend([show(v4), show(v6)]);
            }
            let held = u64::from(stats.vpn_paths) + u64::from(stats.vrf_paths);
            octets += stats.octets as u64;
            paths += held;
            cells.push(grouped(stats.attribute_sets as u64));
            cells.push(grouped(machine.host.applied));
            cells.push(grouped(stats.octets as u64 / held.max(1)));
            let row: [String; 9] = cells.try_into().unwrap_or_default();
            rows.push(row);
        }
        let head = ["router", "VPN routes", "A IPv4", "A IPv6", "B IPv4", "B IPv6", "attr sets", "ops", "octets/path"];
        let _ = writeln!(self.text, "Routes\n{}", columns(head, &rows));
        let seconds = wall.as_secs_f64();
        let _ = writeln!(
            self.text,
            "{} routes into VRFs in {seconds:.2} s of work: {} routes/s; {} paths held by all speakers in {} MiB: {} octets each",
            grouped(in_vrfs),
            grouped((in_vrfs as f64 / seconds) as u64),
            grouped(paths),
            octets >> 20,
            grouped(octets / paths.max(1)),
        );
        let _ = writeln!(self.text, "virtual time {:.3} s\n", net.now().as_micros() as f64 / 1e6);
        self.check("the network converges", converged, format!("{} routes in VRFs", grouped(in_vrfs)));
        self.sessions(topology);
    }

    /// What CEs learnt, and that nobody was ever down or met a fault.
    fn sessions(&mut self, topology: &Topology<'_>) {
        let net = &topology.provider.net;
        let mut learnt_all = true;
        for (customer, sites) in topology.sites.iter().enumerate() {
            for (site, circuit) in sites.iter().enumerate() {
                let Some(ce) = net.node(circuit.ce).control.ce() else { continue };
                let (v4, v6) = topology.expected[customer];
                // All routes of the VPN but those that it announces itself.
                let own = |all: usize| if customer == 0 && site == 0 { all - (3 * SITES - 1) } else { 1 };
                let due = [v4 - own(v4), v6 - own(v6)];
                learnt_all &= ce.sessions.iter().zip(due).all(|(session, due)| session.learnt.len() == due);
            }
        }
        self.check("each CE learns the routes of its VPN's other sites", learnt_all, "");
        let events: Vec<String> = net
            .nodes()
            .filter_map(|(_, machine)| Some((machine, machine.control.router()?)))
            .flat_map(|(machine, router)| router.events.iter().map(move |(_, event)| (machine, event)))
            .filter(|(_, event)| {
                use bgp_vpn::speaker::Event;
                !matches!(event, Event::Established { .. } | Event::EndOfRib { .. } | Event::NextHopUnresolved { .. })
            })
            .map(|(machine, event)| format!("{}: {event:?}", machine.name))
            .collect();
        let found = events.first().cloned().unwrap_or_else(|| "none".into());
        self.check("no session falls, no UPDATE is faulty, no op is refused", events.is_empty(), found);
    }

    /// No VRF has a route of the other customer.
    pub(super) fn isolation_of_routes(&mut self, topology: &Topology<'_>) {
        let net = &topology.provider.net;
        let reflector = net.node(topology.provider.node_of(topology.reflector)).control.router();
        let (mut total, mut distinct) = (0usize, std::collections::BTreeSet::new());
        let targets: Vec<String> = (0..CUSTOMERS.len()).map(|c| format!("target:{}:{}", super::ASN, c + 1)).collect();
        let mut mixed = 0;
        for route in reflector.map(|r| r.speaker.vpn_routes()).unwrap_or_default() {
            total += 1;
            let customer = route.rd.map_or(0, |rd| rd.octets()[7]);
            let right = route.targets.iter().all(|t| Some(&t.to_string()) == targets.get(usize::from(customer) - 1));
            mixed += usize::from(!right || route.targets.is_empty());
            distinct.insert((route.rd, route.prefix));
        }
        let due: usize = topology.expected.iter().map(|(v4, v6)| v4 + v6).sum();
        let found = format!("{} routes", grouped(total as u64));
        self.check(
            "the reflector holds each site's route under its own RD",
            distinct.len() == due && total == due,
            found,
        );
        self.check("every VPN route carries its customer's target alone", mixed == 0, format!("{mixed} others"));
    }

    pub(super) fn path(&mut self, topology: &Topology<'_>, v6: bool, steps: Vec<Step>) {
        let family = if v6 { "IPv6" } else { "IPv4" };
        let _ = writeln!(self.text, "Path of an {family} packet of A from site 1 to site 2\n{}", print(&steps));
        let [_, pe2, _] = topology.pes;
        let [p1, p2] = topology.ps;
        let core = &topology.provider.core;
        let transport = [p1, p2].map(|p| core.binding(p.0, pe2.0, topology.core_family).value());
        let vpn = steps.get(1).and_then(|s| s.outgoing.get(1)).copied().unwrap_or(0);
        let routers: Vec<&str> = steps.iter().map(|s| s.router.as_str()).collect();
        let stacks: Vec<&[u32]> = steps.iter().map(|s| s.outgoing.as_slice()).collect();
        let good = routers == ["CE-A1", "PE1", "P1", "P2", "PE2", "CE-A2"]
            && stacks == [&[][..], &[transport[0], vpn], &[transport[1], vpn], &[vpn], &[], &[]]
            && steps.last().is_some_and(|s| s.action == "deliver" && s.ttls == [TTL - 5]);
        self.check(format!("{family}: push two, swap, pop, pop at PE2, delivered"), good, "");
        self.paths.push(steps);
    }

    pub(super) fn traffic(&mut self, topology: &Topology<'_>, traffic: &Traffic, wall: Duration) {
        let rows: Vec<[String; 4]> = CUSTOMERS
            .iter()
            .zip(traffic.by_customer)
            .map(|(name, [v4, v6])| [(*name).to_owned(), grouped(v4), grouped(v6), grouped(v4 + v6)])
            .collect();
        let _ = writeln!(self.text, "Packets delivered\n{}", columns(["customer", "IPv4", "IPv6", "all"], &rows));
        let hops: u64 = topology.provider.net.nodes().map(|(_, m)| m.host.forwarder.counters().total()).sum();
        let _ = writeln!(
            self.text,
            "{} packets sent, {} to destinations of the full table, {} without a route, in {:.2} s; {} forwarded in all\n",
            grouped(traffic.sent),
            grouped(traffic.sent_to_table),
            grouped(traffic.sent_without_route),
            wall.as_secs_f64(),
            grouped(hops),
        );
        let (due, done) = (traffic.due(), traffic.delivered);
        self.check("every packet arrives unchanged", done == due, format!("{} of {}", grouped(done), grouped(due)));
        self.check("no packet reaches the other customer", traffic.leaked == 0, format!("{} leaked", traffic.leaked));
        self.check("no packet arrives elsewhere", traffic.wrong == 0, format!("{}", traffic.wrong));
        let dropped: u64 = topology
            .pes
            .iter()
            .map(|pe| topology.provider.net.node(topology.provider.node_of(*pe)))
            .map(|machine| machine.host.forwarder.counters().dropped(DropReason::NoRoute))
            .sum();
        let sent = traffic.sent_without_route;
        self.check("B has none of A's full table", dropped == sent, format!("{dropped} of {sent} dropped: no-route"));
    }

    pub(super) fn hostile(&mut self, sent: Vec<(String, Vec<Step>)>) {
        for (what, steps) in sent {
            let last = steps.last();
            let found = last.map_or_else(|| "nothing".into(), |s| format!("{}: {}", s.router, s.action));
            let good = match what.as_str() {
                "TTL 2" => found == "PE1: ttl-expired",
                "TTL 3" => found == "P1: ttl-expired",
                _ => found == "PE1: drop: mpls-disabled",
            };
            self.check(format!("{what} gets no further"), good, found);
        }
    }

    pub(super) fn counters(&mut self, topology: &Topology<'_>) {
        let mut rows = Vec::new();
        for (_, machine) in topology.provider.net.nodes() {
            let counters = machine.host.forwarder.counters();
            let punts = counters.punts().filter(|(reason, n)| *n > 0 && *reason != PuntReason::Local);
            let punts = punts.map(|(reason, n)| format!("{} {}", grouped(n), reason.name()));
            let drops = counters.drops().filter(|(_, n)| *n > 0);
            let drops = drops.map(|(reason, n)| format!("{} {}", grouped(n), reason.name()));
            let others: Vec<String> = punts.chain(drops).collect();
            rows.push([
                machine.name.clone(),
                grouped(counters.total()),
                grouped(counters.transmitted()),
                grouped(counters.punted(PuntReason::Local)),
                if others.is_empty() { "-".into() } else { others.join(", ") },
            ]);
        }
        let head = ["machine", "in", "out", "to itself", "punted or dropped"];
        let _ = writeln!(self.text, "Packets, BGP's included\n{}", columns(head, &rows));
        self.vrf_counters(topology);
    }

    fn vrf_counters(&mut self, topology: &Topology<'_>) {
        let mut rows = Vec::new();
        for pe in topology.pes {
            let machine = topology.provider.net.node(topology.provider.node_of(pe));
            for (customer, name) in CUSTOMERS.iter().enumerate() {
                let c = machine.host.forwarder.vrf_counters(vrf_of(customer));
                let counts = [c.in_packets, c.in_octets, c.out_packets, c.out_octets].map(grouped);
                let [in_packets, in_octets, out_packets, out_octets] = counts;
                rows.push([machine.name.clone(), (*name).to_owned(), in_packets, in_octets, out_packets, out_octets]);
            }
        }
        let head = ["PE", "VRF", "packets in", "octets in", "packets out", "octets out"];
        let _ = writeln!(self.text, "VRFs' attachment circuits\n{}", columns(head, &rows));
    }

    pub(super) fn captures(&mut self, files: &[(PathBuf, u64, u64, [LinkCounters; 2])]) -> Result<()> {
        let mut rows = Vec::new();
        let mut faults = 0;
        for (path, written, skipped, counters) in files {
            let decoded = decode(path, &[BGP_PORT])?;
            // The last message may be cut where the budget ended.
            let cut = |found: &&crate::decode::Found| found.problems.iter().any(|p| p.action != "none");
            faults += decoded.messages.iter().filter(cut).count() + usize::from(decoded.error.is_some());
            let octets: u64 = counters.iter().map(|c| c.octets).sum();
            rows.push([
                path.display().to_string(),
                grouped(*written),
                grouped(*skipped),
                grouped(decoded.messages.len() as u64),
                grouped(octets),
            ]);
        }
        let head = ["capture", "frames", "over budget", "BGP messages", "octets on the link"];
        let _ = writeln!(self.text, "Captures\n{}", columns(head, &rows));
        self.check("the captures decode without a fault", faults == 0, format!("{faults} faults"));
        Ok(())
    }
}
