//! Building a PE that has much of one thing (RFC 5501 §6.1.2), and counting what that takes.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::ensure;
use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::{Layer2Flags, Layer2Info};
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, Label, NhlfeId, PortId, VlanId, VsiId};
use fwd_core::op::{NextHop, Tags};
use fwd_core::time::Instant;
use mvpn::gmp::RecordType;
use vpls::bgp::{Nlri, RouteAttributes};
use vpls::label_block::LabelBlock;
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::oam::PwState;
use vpls::snoop::{Keying, SnoopConfig};
use vpls::{CircuitConfig, Input, Output, PeConfig, PeLimits, VeConfig, VplsPe, VsiConfig, VsiLimits};

use crate::run::scene::vpls::world::packets::{join, report};

/// What there is ten times as much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Metric {
    /// Remote PEs of an instance, a pseudowire to each.
    Pes,
    /// Instances of a PE, each with two circuits, ten pseudowires and snooping.
    Instances,
    /// Sites of an instance at the PE: interfaces.
    Sites,
    /// VLANs of customers on one interface, a circuit each.
    Vlans,
    /// Groups told apart by MAC address.
    MacGroups,
    /// Channels (S,G).
    Channels,
    /// Multicast trees that the PE roots, one an instance.
    Trees,
}

/// What was built, and what that took.
#[derive(Debug)]
pub struct Swept {
    /// The machine that holds it.
    pub pe: VplsPe,
    /// Of how many.
    pub units: u32,
    /// Forwarding operations.
    pub ops: usize,
    /// Routes advertised.
    pub updates: usize,
    /// Octets of their NLRI and communities.
    pub octets: usize,
}

impl Swept {
    /// Operations, UPDATEs and their octets for each unit, in columns.
    #[must_use]
    pub fn per_unit(&self) -> String {
        let each = |n: usize| n as f64 / f64::from(self.units);
        format!("{:>9.2} {:>13.2} {:>18.2}", each(self.ops), each(self.updates), each(self.octets))
    }

    fn drain(&mut self) {
        while let Some(output) = self.pe.poll_output() {
            match output {
                Output::Program(_) => self.ops += 1,
                Output::Advertise(nlri, attributes) => {
                    let mut octets = Vec::new();
                    nlri.emit(&mut octets);
                    self.updates += 1;
                    self.octets += octets.len() + 8 * attributes.communities().count();
                }
                _ => {}
            }
        }
    }

    fn transports(&mut self, pes: u32) {
        for to in 1..=pes {
            let next = Some(NextHop::Nhlfe(NhlfeId(200_000 + to)));
            self.pe.handle_input(Instant::ZERO, Input::Transport { peer: address(to), next, mtu: 0 });
        }
    }

    fn circuit(&mut self, vsi: u16, iface: u32, tags: Tags) -> anyhow::Result<PortId> {
        Ok(self.pe.add_circuit(Instant::ZERO, VsiId(vsi), CircuitConfig::new(IfIndex(iface), tags))?)
    }

    /// Frames of a customer at 150 a second: the rate of changes of a circuit is 200.
    fn frames(&mut self, port: PortId, frame: impl Fn(u32) -> Vec<u8>) {
        for k in 0..self.units {
            let now = Instant::from_micros(u64::from(k) * 6_667);
            self.pe.handle_input(now, Input::Frame { port, octets: &frame(k) });
            self.drain();
        }
    }
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Pes, Self::Instances, Self::Sites, Self::Vlans, Self::MacGroups, Self::Channels, Self::Trees];

    /// What it is.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pes => "remote PEs of an instance",
            Self::Instances => "instances: 10 pseudowires, 2 circuits each",
            Self::Sites => "sites of an instance",
            Self::Vlans => "VLANs of an interface",
            Self::MacGroups => "groups by MAC address",
            Self::Channels => "channels (S,G)",
            Self::Trees => "trees, one an instance",
        }
    }

    /// The smaller number of the sweep; the larger is ten times it.
    #[must_use]
    pub const fn base(self) -> u32 {
        match self {
            Self::Pes | Self::Instances | Self::Trees => 100,
            Self::Sites => 50,
            Self::Vlans | Self::MacGroups | Self::Channels => 400,
        }
    }

    /// A PE with so many of it.
    ///
    /// # Errors
    /// Configuration that the PE refuses, or something that did not come up.
    pub fn build(self, n: u32) -> anyhow::Result<Swept> {
        let mut swept = Swept { pe: pe(0, u32::MAX)?, units: n, ops: 0, updates: 0, octets: 0 };
        match self {
            Self::Pes => remote_pes(&mut swept, n)?,
            Self::Instances => instances(&mut swept, n)?,
            Self::Sites | Self::Vlans => {
                swept.pe.add_vsi(Instant::ZERO, VsiConfig { limits: open(), ..config(0, 1) })?;
                for k in 1..=n {
                    let vlan = u16::try_from(k).ok().and_then(VlanId::new);
                    let (iface, tags) = match (self, vlan) {
                        (Self::Vlans, Some(vlan)) => (1, Tags::Vlan(vlan)),
                        _ => (k, Tags::Any),
                    };
                    swept.circuit(1, iface, tags)?;
                }
            }
            Self::MacGroups | Self::Channels => groups(&mut swept, self)?,
            Self::Trees => {
                let trees = TreeConfig { inclusive: Some(TunnelKind::Mldp), ..TreeConfig::default() };
                for vsi in 1..=u16::try_from(n)? {
                    swept.pe.add_vsi(Instant::ZERO, VsiConfig { snoop: None, trees: Some(trees), ..config(0, vsi) })?;
                }
                ensure!(swept.pe.rooted_trees().len() == n as usize, "a tree for each instance");
            }
        }
        swept.drain();
        swept.pe.handle_timeout(Instant::from_secs(3));
        swept.drain();
        let mut pseudowires = swept.pe.pseudowires(VsiId(1));
        ensure!(pseudowires.all(|(_, state, _)| state == PwState::Up), "the pseudowires of the first instance are up");
        drop(pseudowires);
        Ok(swept)
    }
}

fn remote_pes(swept: &mut Swept, n: u32) -> anyhow::Result<()> {
    let limits = VsiLimits { pseudowires: 8192, ..VsiLimits::DEFAULT };
    let ve = VeConfig { block_size: 1100, ..VeConfig::new(1) };
    swept.pe.add_vsi(Instant::ZERO, VsiConfig { snoop: None, ve: Some(ve), limits, ..config(0, 1) })?;
    swept.transports(n);
    for to in 1..=n {
        let (nlri, attributes) = block(to, 1);
        swept.pe.handle_input(Instant::ZERO, Input::Route { nlri, attributes: Some(attributes) });
    }
    ensure!(swept.pe.pseudowires(VsiId(1)).count() == n as usize, "a pseudowire to each PE");
    Ok(())
}

fn instances(swept: &mut Swept, n: u32) -> anyhow::Result<()> {
    swept.transports(10);
    for vsi in 1..=u16::try_from(n)? {
        swept.pe.add_vsi(Instant::ZERO, config(0, vsi))?;
        for iface in 0..2 {
            swept.circuit(vsi, u32::from(vsi) * 2 + iface, Tags::Any)?;
        }
        for to in 1..=10 {
            let (nlri, attributes) = block(to, vsi);
            swept.pe.handle_input(Instant::ZERO, Input::Route { nlri, attributes: Some(attributes) });
        }
        swept.drain();
    }
    Ok(())
}

fn groups(swept: &mut Swept, metric: Metric) -> anyhow::Result<()> {
    let mut of = VsiConfig { limits: open(), ..config(0, 1) };
    if let (Some(snoop), Metric::MacGroups) = (&mut of.snoop, metric) {
        snoop.keying = Keying::Mac;
    }
    swept.pe.add_vsi(Instant::ZERO, of)?;
    let port = swept.circuit(1, 1, Tags::Any)?;
    swept.circuit(1, 2, Tags::Any)?;
    swept.drain();
    let before = swept.ops;
    if metric == Metric::MacGroups {
        swept.frames(port, |k| join(7, group(k)));
    } else {
        swept.frames(port, |k| {
            let source = Ipv4Addr::new(198, 51, 100, 1);
            report(7, &[(RecordType::ALLOW, Ipv4Addr::from(u32::from(group(k)) - 0x0700_0000), &[source])])
        });
    }
    let held = swept.pe.usage(VsiId(1)).map_or(0, |usage| usage.groups);
    ensure!(held == swept.units as usize && swept.ops > before, "{held} groups of {}", swept.units);
    Ok(())
}

/// Limits that are out of the way.
fn open() -> VsiLimits {
    VsiLimits {
        groups: 100_000,
        groups_per_circuit: 100_000,
        records: u32::MAX,
        records_per_circuit: u32::MAX,
        ..VsiLimits::DEFAULT
    }
}

pub(super) fn group(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(239, 0, 0, 0)) + n)
}

fn target(vsi: u16) -> RouteTarget {
    RouteTarget::two_octet_as(65000, vsi.into())
}

pub(super) fn config(pe: u32, vsi: u16) -> VsiConfig {
    let rd = RouteDistinguisher::two_octet_as(65000, pe * 100_000 + u32::from(vsi));
    let snoop = SnoopConfig {
        querier4: Some(Ipv4Addr::new(10, 0, 0, 200)),
        querier6: Some("fe80::200".parse().unwrap_or(std::net::Ipv6Addr::LOCALHOST)),
        settle: Duration::ZERO,
        ..SnoopConfig::default()
    };
    let ve = u16::try_from(pe + 1).unwrap_or(1);
    VsiConfig { ve: Some(VeConfig::new(ve)), snoop: Some(snoop), ..VsiConfig::new(VsiId(vsi), rd) }
        .with_target(target(vsi))
}

fn address(pe: u32) -> IpAddr {
    Ipv4Addr::from(0xc000_0200 + pe).into()
}

/// The label block of another PE for an instance.
fn block(pe: u32, vsi: u16) -> (Nlri, RouteAttributes) {
    let base = Label::from_low_bits(100_000 + pe * 16 + u32::from(vsi) * 8);
    let rd = RouteDistinguisher::two_octet_as(65000, pe * 100_000 + u32::from(vsi));
    let nlri =
        Nlri::Block { rd, ve_id: u16::try_from(pe + 1).unwrap_or(1), block: LabelBlock { offset: 1, size: 8, base } };
    let mut attributes = RouteAttributes::with_targets(address(pe), &[target(vsi)]);
    attributes.layer2 =
        Some(Layer2Info { encaps: Layer2Info::VPLS, flags: Layer2Flags::empty(), mtu: 1500, reserved: 0 });
    (nlri, attributes)
}

pub(super) fn pe(own: u32, records_per_second: u32) -> anyhow::Result<VplsPe> {
    let IpAddr::V4(router_id) = address(own) else { anyhow::bail!("an IPv4 address") };
    let limits = PeLimits { records_per_second, routes: 1_000_000, ..PeLimits::DEFAULT };
    Ok(VplsPe::new(Instant::ZERO, PeConfig { limits, labels: 16..=1_048_575 - 1000, ..PeConfig::new(router_id) })?)
}
