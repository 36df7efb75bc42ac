//! LDP's Hellos: a socket for each interface and family, and one for each transport address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::Context;
use fwd_core::net::IfIndex;
use p2mp_pw::ldp::discovery::HelloTarget;

use super::config::Config;
use super::datagram::{Endpoint, Received};

/// UDP and TCP port of LDP.
pub(in crate::live) const PORT: u16 = 646;
const ALL_ROUTERS_4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const ALL_ROUTERS_6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// What a socket hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Link Hellos of a family on an interface.
    Link(IfIndex, bool),
    /// Targeted Hellos to a transport address.
    Targeted(IpAddr),
}

/// A Hello that came.
pub(in crate::live) struct Hello {
    /// The interface; of a Targeted Hello, one on which LDP does not run.
    pub(in crate::live) iface: IfIndex,
    /// To all routers of the link.
    pub(in crate::live) to_all_routers: bool,
    /// The datagram.
    pub(in crate::live) datagram: Received,
}

/// The sockets.
#[derive(Debug)]
pub(in crate::live) struct Hellos {
    sockets: Vec<(Heard, Endpoint, u32)>,
    /// Hellos that could not leave.
    pub(in crate::live) unsent: u64,
}

impl Hellos {
    /// Opens those for Targeted Hellos alone.
    pub(in crate::live) fn targeted(transport: &[IpAddr]) -> anyhow::Result<Self> {
        let mut sockets = Vec::new();
        for address in transport {
            let endpoint = Endpoint::open((*address, PORT).into(), None)
                .with_context(|| format!("UDP port {PORT} of {address}"))?;
            sockets.push((Heard::Targeted(*address), endpoint, 0));
        }
        Ok(Self { sockets, unsent: 0 })
    }

    /// Opens them in the network namespace that the calling thread is in.
    pub(in crate::live) fn open(config: &Config) -> anyhow::Result<Self> {
        let Self { mut sockets, .. } = Self::targeted(&config.transport)?;
        for (n, interface) in (1..).zip(&config.interfaces).filter(|(_, i)| i.ldp) {
            let index = nix::net::if_::if_nametoindex(interface.name.as_str())
                .with_context(|| format!("there is no interface {}", interface.name))?;
            let v4 = interface.v4().filter(|_| config.transport_v4().is_some()).map(|a| {
                // RFC 5036 §2.4.1: link Hellos stay on the link.
                (IpAddr::V4(a), SocketAddr::from((ALL_ROUTERS_4, PORT)), 1)
            });
            let v6 = interface
                .v6()
                .filter(|_| config.transport_v6().is_some())
                .map(|a| (IpAddr::V6(a), SocketAddrV6::new(ALL_ROUTERS_6, PORT, 0, index).into(), 255));
            for (source, group, ttl) in v4.into_iter().chain(v6) {
                let device = (interface.name.as_str(), index);
                let endpoint = Endpoint::open_group(group, device, source, ttl)
                    .with_context(|| format!("UDP port {PORT} on {}", interface.name))?;
                sockets.push((Heard::Link(IfIndex(n), source.is_ipv6()), endpoint, index));
            }
        }
        Ok(Self { sockets, unsent: 0 })
    }

    /// Sends a Hello.
    pub(in crate::live) fn send(&mut self, to: HelloTarget, from: IpAddr, octets: &[u8]) {
        let (wanted, to): (Heard, SocketAddr) = match to {
            HelloTarget::Link { iface, ipv6: false } => (Heard::Link(iface, false), (ALL_ROUTERS_4, PORT).into()),
            HelloTarget::Link { iface, ipv6: true } => (Heard::Link(iface, true), (ALL_ROUTERS_6, PORT).into()),
            HelloTarget::Targeted(address) => (Heard::Targeted(from), (address, PORT).into()),
        };
        let socket = self.sockets.iter().find(|(heard, _, _)| *heard == wanted);
        let sent = socket.is_some_and(|(_, endpoint, index)| match to {
            SocketAddr::V6(v6) if *index != 0 => {
                endpoint.send(SocketAddrV6::new(*v6.ip(), PORT, 0, *index).into(), octets)
            }
            to => endpoint.send(to, octets),
        });
        self.unsent += u64::from(!sent);
    }

    /// What becomes readable when a Hello comes.
    pub(in crate::live) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|(_, endpoint, _)| endpoint.as_fd())
    }

    /// Hellos that are there.
    pub(in crate::live) fn receive(&self) -> io::Result<Vec<Hello>> {
        let mut all = Vec::new();
        for (heard, endpoint, _) in &self.sockets {
            while let Some(datagram) = endpoint.receive()? {
                let (iface, to_all_routers) = match heard {
                    Heard::Link(iface, _) => (*iface, true),
                    Heard::Targeted(_) => (IfIndex(u32::MAX), false),
                };
                all.push(Hello { iface, to_all_routers, datagram });
            }
        }
        Ok(all)
    }
}
