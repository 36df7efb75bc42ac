//! UDP with what the socket interface of the standard library hides: the TTL of what comes, and the interface.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::sockopt::{Ipv4RecvTtl, Ipv6RecvHopLimit};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SetSockOpt, SockaddrStorage, recvmsg};
use socket2::{Domain, Protocol, Socket, Type};

/// The longest datagram that is taken whole.
const LONGEST: usize = 4096;

/// A datagram that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::live) struct Received {
    /// Its source.
    pub(in crate::live) from: SocketAddr,
    /// Its TTL or hop limit.
    pub(in crate::live) ttl: u8,
    /// The octets.
    pub(in crate::live) octets: Vec<u8>,
}

/// A UDP socket that does not block.
#[derive(Debug)]
pub(in crate::live) struct Endpoint {
    socket: Socket,
}

impl Endpoint {
    /// A socket at an address, on one interface or on all. What it sends has TTL 255 unless told otherwise.
    pub(in crate::live) fn open(local: SocketAddr, device: Option<&str>) -> io::Result<Self> {
        let domain = if local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.bind_device(device.map(str::as_bytes))?;
        if local.is_ipv4() {
            Ipv4RecvTtl.set(&socket, &true)?;
            socket.set_ttl_v4(255)?;
        } else {
            socket.set_only_v6(true)?;
            Ipv6RecvHopLimit.set(&socket, &true)?;
            socket.set_unicast_hops_v6(255)?;
        }
        socket.bind(&local.into())?;
        Ok(Self { socket })
    }

    /// A socket that hears a group on an interface, and sends to it from `source` with this TTL. Its own packets do not come back.
    pub(in crate::live) fn open_group(
        group: SocketAddr,
        device: (&str, u32),
        source: IpAddr,
        ttl: u8,
    ) -> io::Result<Self> {
        let endpoint = Self::open(group, Some(device.0))?;
        let socket = &endpoint.socket;
        match (group.ip(), source) {
            (IpAddr::V4(group), IpAddr::V4(source)) => {
                socket.join_multicast_v4_n(&group, &socket2::InterfaceIndexOrAddress::Index(device.1))?;
                socket.set_multicast_if_v4(&source)?;
                socket.set_multicast_ttl_v4(ttl.into())?;
                socket.set_multicast_loop_v4(false)?;
            }
            (IpAddr::V6(group), IpAddr::V6(_)) => {
                socket.join_multicast_v6(&group, device.1)?;
                socket.set_multicast_if_v6(device.1)?;
                socket.set_multicast_hops_v6(ttl.into())?;
                socket.set_multicast_loop_v6(false)?;
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "group and source of two families")),
        }
        Ok(endpoint)
    }

    /// Sends a datagram; `false` if it could not leave.
    pub(in crate::live) fn send(&self, to: SocketAddr, octets: &[u8]) -> bool {
        self.socket.send_to(octets, &to.into()).is_ok_and(|sent| sent == octets.len())
    }

    /// The next datagram, if there is one.
    pub(in crate::live) fn receive(&self) -> io::Result<Option<Received>> {
        let mut octets = vec![0; LONGEST];
        let mut space = nix::cmsg_space!(libc::c_int);
        let mut parts = [IoSliceMut::new(&mut octets)];
        let (len, from, ttl) = loop {
            let message = recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut space),
                MsgFlags::MSG_DONTWAIT,
            );
            match message {
                Ok(message) => {
                    let ttl = message.cmsgs()?.find_map(|c| match c {
                        ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                            u8::try_from(ttl).ok()
                        }
                        _ => None,
                    });
                    break (message.bytes, message.address, ttl);
                }
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(nix::Error::EINTR | nix::Error::ECONNREFUSED) => {}
                Err(error) => return Err(error.into()),
            }
        };
        octets.truncate(len);
        let v4 = from.and_then(|a| a.as_sockaddr_in().map(|a| SocketAddr::from((a.ip(), a.port()))));
        let v6 = from.and_then(|a| a.as_sockaddr_in6().map(|a| SocketAddr::from((a.ip(), a.port()))));
        // A socket that does not say where from and how far says nothing of use.
        Ok(v4.or(v6).zip(ttl).map(|(from, ttl)| Received { from, ttl, octets }))
    }
}

impl AsFd for Endpoint {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_comes_with_its_source_and_its_ttl() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(a) = Endpoint::open(address.parse().unwrap(), None) else {
                assert!(address.starts_with('['), "IPv4 is there always");
                continue;
            };
            let b = Endpoint::open(address.parse().unwrap(), None).unwrap();
            let to = b.socket.local_addr().unwrap().as_socket().unwrap();
            assert_eq!(b.receive().unwrap(), None);
            assert!(a.send(to, &[1, 2, 3]));
            let received = b.receive().unwrap().unwrap();
            assert_eq!((received.ttl, received.octets), (255, vec![1, 2, 3]));
            assert_eq!(received.from, a.socket.local_addr().unwrap().as_socket().unwrap());
        }
    }
}
