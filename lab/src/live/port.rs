//! A network interface as a port of a router in user space: whole Ethernet frames in and out, through a packet socket.
//!
//! The kernel goes on seeing what arrives. On an interface without addresses it does nothing with it; on one with addresses a port may
//! be opened for one Ethertype that the kernel does not know, and leave the rest to it.
//!
//! A sender that leaves checksums to its interface card (as veth does) hands over frames whose TCP and UDP checksums are unfinished:
//! `ethtool -K IFACE tx off` on the sender's side. VLAN tags that the kernel takes off on receipt are not put back: `rxvlan off`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::Context;
use fwd_core::net::Mac;
use nix::libc;
use nix::sys::socket::sockopt::SetStruct;
use nix::sys::socket::{LinkAddr, MsgFlags, SetSockOpt, recvfrom, sendto};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

/// `struct packet_mreq` of packet(7): interface (int), type (u16), length of address (u16), address.
type PacketMreq = [u8; 16];

/// `PACKET_ADD_MEMBERSHIP` of packet(7).
#[derive(Clone, Copy, Debug)]
struct AddMembership;
nix::setsockopt_impl!(AddMembership, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, PacketMreq, SetStruct<PacketMreq>);

/// Octets of frames that may wait in the socket.
const BUFFER: usize = 4 << 20;

/// Which frames a port receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// All that arrive.
    All,
    /// Those with this Ethertype.
    Ethertype(u16),
}

/// Which frames the interface lets through beside those to its own address and to the groups that the machine joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// No others.
    Own,
    /// Those to any group address: a multicast router.
    Groups,
    /// Those to any address: a bridge port.
    Everything,
}

/// An interface that was opened for whole frames. Nothing blocks.
#[derive(Debug)]
pub struct Port {
    name: String,
    mac: Mac,
    link: LinkAddr,
    socket: Socket,
    /// Frames that the interface had no room for.
    pub unsent: u64,
}

impl Port {
    /// Opens an interface of the network namespace that the calling thread is in. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    /// There is no such interface, it is no Ethernet, or the privilege is missing.
    pub fn open(name: &str, heard: Heard, reception: Reception) -> anyhow::Result<Self> {
        let link = link(name)?.with_context(|| format!("there is no interface {name}"))?;
        let mac = link.addr().map(Mac).with_context(|| format!("{name} is no Ethernet"))?;
        let ethertype = match heard {
            Heard::All => libc::ETH_P_ALL,
            Heard::Ethertype(ethertype) => i32::from(ethertype),
        };
        let protocol = u16::try_from(ethertype)?.to_be();
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(protocol))))
            .with_context(|| format!("packet socket for {name}"))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(BUFFER)?;
        socket.attach_filter(&only(u32::try_from(link.ifindex())?)).with_context(|| format!("filter for {name}"))?;
        let port = Self { name: name.to_owned(), mac, link, socket, unsent: 0 };
        match reception {
            Reception::Own => {}
            Reception::Groups => port.hear(libc::PACKET_MR_ALLMULTI)?,
            Reception::Everything => port.hear(libc::PACKET_MR_PROMISC)?,
        }
        Ok(port)
    }

    fn hear(&self, membership: i32) -> anyhow::Result<()> {
        let mut request: PacketMreq = [0; 16];
        request[..4].copy_from_slice(&i32::try_from(self.index())?.to_ne_bytes());
        request[4..6].copy_from_slice(&u16::try_from(membership)?.to_ne_bytes());
        AddMembership.set(&self.socket, &request).with_context(|| format!("reception of {}", self.name))
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interface's address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The system's number of the interface.
    #[must_use]
    pub fn index(&self) -> usize {
        self.link.ifindex()
    }

    /// The largest payload of a frame, in octets.
    ///
    /// # Errors
    /// The system does not say.
    pub fn mtu(&self) -> anyhow::Result<u16> {
        let path = format!("/sys/class/net/{}/mtu", self.name);
        let text = std::fs::read_to_string(&path).context(path)?;
        Ok(text.trim().parse()?)
    }

    /// Whether the interface is up and its other end too.
    #[must_use]
    pub fn has_carrier(&self) -> bool {
        std::fs::read_to_string(format!("/sys/class/net/{}/carrier", self.name)).is_ok_and(|c| c.trim() == "1")
    }

    /// Takes the next frame that arrived, without frame check sequence, and returns its length; `None` if there is none. What the
    /// buffer has no room for is cut off.
    ///
    /// # Errors
    /// The interface is gone or down.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), buffer) {
                // Until the filter is attached the socket hears all interfaces.
                Ok((_, Some(from))) if from.ifindex() != self.index() || from.pkttype() == libc::PACKET_OUTGOING => {}
                Ok((len, _)) => return Ok(Some(len)),
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a frame. One that the interface has no room for is counted and lost, as on any wire.
    ///
    /// # Errors
    /// The interface is gone or down, or the frame is longer than it takes.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        match sendto(self.socket.as_raw_fd(), frame, &self.link, MsgFlags::empty()) {
            Ok(_) => Ok(()),
            Err(nix::Error::EAGAIN | nix::Error::ENOBUFS) => {
                self.unsent += 1;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A filter that lets through what arrived on one interface, whole. An address that binds a packet socket to an interface cannot be
/// made without unsafe code; this can, and keeps other interfaces' frames out of the buffer as well.
fn only(interface: u32) -> [SockFilter; 6] {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let ancillary = |what: i32| (libc::SKF_AD_OFF + what) as u32;
    let answer = |octets| SockFilter::new(libc::BPF_RET as u16, 0, 0, octets);
    [
        SockFilter::new(load, 0, 0, ancillary(libc::SKF_AD_IFINDEX)),
        SockFilter::new(equal, 0, 3, interface),
        SockFilter::new(load, 0, 0, ancillary(libc::SKF_AD_PKTTYPE)),
        SockFilter::new(equal, 1, 0, u32::from(libc::PACKET_OUTGOING)),
        answer(u32::MAX),
        answer(0),
    ]
}

/// The link-layer address of an interface by its name.
fn link(name: &str) -> io::Result<Option<LinkAddr>> {
    let mut all = nix::ifaddrs::getifaddrs()?;
    Ok(all.find_map(|i| (i.interface_name == name).then_some(i.address?.as_link_addr().copied()).flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ethernet_interface_is_refused_by_name() {
        let error = Port::open("no-such-port", Heard::All, Reception::Own).unwrap_err();
        assert_eq!(error.to_string(), "there is no interface no-such-port");
    }
}
