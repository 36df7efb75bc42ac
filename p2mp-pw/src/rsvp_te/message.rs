//! Messages (RFC 2205 §3.1, RFC 4875 §5 to §10).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};
use fwd_core::wire::checksum;

use super::object::{Class, ErrorCode, Object, P2mpSender, P2mpSession, UnknownAction};
use super::route::Route;
use super::tspec::TokenBucket;
use crate::ldp::octets::{len16, list, whole};

/// The type of a message; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MessageType(pub u8);

impl MessageType {
    /// Path.
    pub const PATH: Self = Self(1);
    /// Resv.
    pub const RESV: Self = Self(2);
    /// PathErr.
    pub const PATH_ERR: Self = Self(3);
    /// ResvErr.
    pub const RESV_ERR: Self = Self(4);
    /// PathTear.
    pub const PATH_TEAR: Self = Self(5);
    /// ResvTear.
    pub const RESV_TEAR: Self = Self(6);
    /// ResvConf.
    pub const RESV_CONF: Self = Self(7);
    /// Ack (RFC 2961 §4.5).
    pub const ACK: Self = Self(13);
    /// Hello (RFC 3209 §5.2).
    pub const HELLO: Self = Self(20);
}

/// A message: its objects in the order they came. What a message must have and where is looked at by who needs it.
///
/// ```text
/// +--------------------------+------------------+---------------+--------------+--------------+------------+
/// | Version 1 (4), flags (4) | Message type (1) | Checksum (2)  | Send TTL (1) | Reserved (1) | Length (2) |
/// +--------------------------+------------------+---------------+--------------+--------------+------------+
/// | Objects ...                                                                                             |
/// +---------------------------------------------------------------------------------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// The type.
    pub kind: MessageType,
    /// 1: the sender can do refresh reduction (RFC 2961 §2).
    pub flags: u8,
    /// The IP TTL that the message was sent with.
    pub send_ttl: u8,
    /// The objects.
    pub objects: Vec<Object>,
}

impl Message {
    /// Octets of the common header.
    pub const HEADER_LEN: usize = 8;
    /// The IP protocol of RSVP.
    pub const PROTOCOL: u8 = 46;

    /// A message of these objects.
    #[must_use]
    pub const fn new(kind: MessageType, objects: Vec<Object>) -> Self {
        Self { kind, flags: 0, send_ttl: 255, objects }
    }

    /// Takes a message. A checksum of zero says that there is none (RFC 2205 §3.1.1).
    ///
    /// # Errors
    /// Another version, a length that does not fit, a wrong checksum, a malformed object.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let at = i;
        let (i, version_flags) = codec::be_u8(i, "version")?;
        if version_flags >> 4 != 1 {
            return Err(Fail::new(at, "version", Fault::Value((version_flags >> 4).into())));
        }
        let (i, kind) = codec::be_u8(i, "message type")?;
        let at_checksum = i;
        let (i, sum) = codec::be_u16(i, "checksum")?;
        let (i, send_ttl) = codec::be_u8(i, "send ttl")?;
        let (i, _reserved) = codec::be_u8(i, "reserved")?;
        let at_length = i;
        let (_, length) = codec::be_u16(i, "length")?;
        if usize::from(length) < Self::HEADER_LEN || length % 4 != 0 {
            return Err(Fail::new(at_length, "length", Fault::Length(length.into())));
        }
        let (rest, message) = codec::octets(at, length.into(), "length")?;
        if sum != 0 && checksum::of(message) != 0 {
            return Err(Fail::new(at_checksum, "checksum", Fault::Value(sum.into())));
        }
        let (objects, _) = codec::octets(message, Self::HEADER_LEN, "header")?;
        let objects = whole(objects, |i| list(i, Object::take))?;
        Ok((rest, Self { kind: MessageType(kind), flags: version_flags & 0xf, send_ttl, objects }))
    }

    /// Reads a message that is all of `octets`.
    ///
    /// # Errors
    /// As [`Self::take`], and octets behind it.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the message.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.objects.iter().map(Object::wire_len).fold(Self::HEADER_LEN, usize::saturating_add)
    }

    /// Writes the message with its checksum.
    pub fn emit(&self, out: &mut impl BufMut) {
        let mut octets = Vec::with_capacity(self.wire_len());
        octets.put_slice(&[0x10 | (self.flags & 0xf), self.kind.0, 0, 0, self.send_ttl, 0]);
        octets.put_u16(len16(self.wire_len()));
        self.objects.iter().for_each(|object| object.emit(&mut octets));
        let sum = match checksum::of(&octets) {
            0 => u16::MAX,
            sum => sum,
        };
        if let Some(field) = octets.get_mut(2..4) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        out.put_slice(&octets);
    }

    /// The first object whose class is unknown and must not be: what a PathErr or ResvErr says (RFC 2205 §3.10).
    #[must_use]
    pub fn refused_object(&self) -> Option<ErrorCode> {
        self.objects.iter().find_map(|object| match object {
            Object::Unknown(class, c_type, _) if class.unknown_action() == UnknownAction::Reject => {
                Some(ErrorCode::unknown_class(*class, *c_type))
            }
            _ => None,
        })
    }

    /// The session, over IPv4.
    #[must_use]
    pub fn session(&self) -> Option<P2mpSession<Ipv4Addr>> {
        self.objects.iter().find_map(|object| match object {
            Object::Session4(session) => Some(*session),
            _ => None,
        })
    }

    /// The sender of a Path, PathTear, PathErr, or the first of a Resv, ResvTear, ResvErr, over IPv4.
    #[must_use]
    pub fn sender(&self) -> Option<P2mpSender<Ipv4Addr>> {
        self.objects.iter().find_map(|object| match object {
            Object::SenderTemplate4(sender) | Object::FilterSpec4(sender) => Some(*sender),
            _ => None,
        })
    }

    /// The neighbour that sent it.
    #[must_use]
    pub fn hop(&self) -> Option<IpAddr> {
        self.objects.iter().find_map(|object| match object {
            Object::Hop { address, .. } => Some(*address),
            _ => None,
        })
    }

    /// The refresh period in milliseconds.
    #[must_use]
    pub fn refresh_period(&self) -> Option<u32> {
        self.objects.iter().find_map(|object| match object {
            Object::TimeValues(period) => Some(*period),
            _ => None,
        })
    }

    /// The label of a Resv.
    #[must_use]
    pub fn label(&self) -> Option<u32> {
        self.objects.iter().find_map(|object| match object {
            Object::Label(label) => Some(*label),
            _ => None,
        })
    }

    /// What the sender sends.
    #[must_use]
    pub fn tspec(&self) -> Option<TokenBucket> {
        self.objects.iter().find_map(|object| match object {
            Object::SenderTspec(bucket) => Some(*bucket),
            _ => None,
        })
    }

    /// The error.
    #[must_use]
    pub fn error(&self) -> Option<(IpAddr, ErrorCode)> {
        self.objects.iter().find_map(|object| match object {
            Object::ErrorSpec { node, code, .. } => Some((*node, *code)),
            _ => None,
        })
    }

    /// Whether an object of a class is there.
    #[must_use]
    pub fn has(&self, class: Class) -> bool {
        self.objects.iter().any(|object| object.class().0 == class)
    }

    /// The sub-LSPs with their routes: the first's is the EXPLICIT_ROUTE, the others' follow them (RFC 4875 §4.5).
    #[must_use]
    pub fn sub_lsps(&self) -> Vec<(IpAddr, Route)> {
        let mut list: Vec<(IpAddr, Route)> = Vec::new();
        let mut first = None;
        for object in &self.objects {
            match object {
                Object::ExplicitRoute(route) => first = Some(route.clone()),
                Object::S2lSubLsp(egress) => list.push((*egress, first.take().unwrap_or_default())),
                Object::SecondaryExplicitRoute(route) => {
                    if let Some((_, own)) = list.last_mut() {
                        *own = route.clone();
                    }
                }
                _ => {}
            }
        }
        list
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Message {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            kind: u.arbitrary()?,
            flags: u.int_in_range(0..=15)?,
            send_ttl: u.arbitrary()?,
            objects: crate::ldp::octets::arbitrary_list(u, 8)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// The figures of RFC 4875 §19, in a Path message.
    ///
    /// Shows: L3VPN-8.10-11
    #[test]
    fn figures_of_p2mp_objects() {
        let root = Ipv4Addr::new(192, 0, 2, 1);
        let session = P2mpSession { p2mp_id: 7, tunnel_id: 8, extended_tunnel_id: root };
        let sender = P2mpSender { sender: root, lsp_id: 9, sub_group_originator: root, sub_group_id: 1 };
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 5), Ipv4Addr::new(192, 0, 2, 6));
        let message = Message::new(
            MessageType::PATH,
            vec![
                Object::Session4(session),
                Object::ExplicitRoute(Route::strict(&[a])),
                Object::SenderTemplate4(sender),
                Object::S2lSubLsp(a.into()),
                Object::S2lSubLsp(b.into()),
                Object::SecondaryExplicitRoute(Route::strict(&[b])),
            ],
        );
        let mut out = Vec::new();
        message.emit(&mut out);
        let objects = [
            &[0, 16, 1, 13, 0, 0, 0, 7, 0, 0, 0, 8, 192, 0, 2, 1][..],
            &[0, 12, 20, 1, 1, 8, 192, 0, 2, 5, 32, 0],
            &[0, 20, 11, 12, 192, 0, 2, 1, 0, 0, 0, 9, 192, 0, 2, 1, 0, 0, 0, 1],
            &[0, 8, 50, 1, 192, 0, 2, 5, 0, 8, 50, 1, 192, 0, 2, 6],
            &[0, 12, 200, 2, 1, 8, 192, 0, 2, 6, 32, 0],
        ]
        .concat();
        assert_eq!(out[8..], objects);
        assert_eq!((out[0], out[1], &out[6..8]), (0x10, 1, &[0, 84][..]));
        assert_eq!(checksum::of(&out), 0);
        assert_eq!(Message::parse(&out).as_ref(), Ok(&message));
        assert_eq!(message.sub_lsps(), [(a.into(), Route::strict(&[a])), (b.into(), Route::strict(&[b]))]);

        let root = core::net::Ipv6Addr::LOCALHOST;
        let sender = P2mpSender { sender: root, lsp_id: 9, sub_group_originator: root, sub_group_id: 1 };
        let session = P2mpSession { p2mp_id: 7, tunnel_id: 8, extended_tunnel_id: root };
        for (object, header) in [
            (Object::Session6(session), [0, 28, 1, 14]),
            (Object::SenderTemplate6(sender), [0, 44, 11, 13]),
            (Object::FilterSpec6(sender), [0, 44, 10, 13]),
            (Object::S2lSubLsp(root.into()), [0, 20, 50, 2]),
        ] {
            let mut out = Vec::new();
            object.emit(&mut out);
            assert_eq!((out.len(), &out[..4]), (usize::from(header[1]), &header[..]));
        }
    }

    #[test]
    fn faults_have_a_place() {
        let message = Message::new(MessageType::PATH, vec![Object::TimeValues(30_000)]);
        let mut out = Vec::new();
        message.emit(&mut out);
        for (at, value, field) in
            [(0, 0x20, "version"), (7, 4, "length"), (7, 14, "length"), (7, 20, "length"), (12, 1, "checksum")]
        {
            let mut bad = out.clone();
            bad[at] = value;
            assert_eq!(Message::parse(&bad).unwrap_err().field, field);
        }
        // Without a checksum the object is looked at.
        out[2..4].fill(0);
        out[9] = 6;
        assert_eq!(Message::parse(&out).unwrap_err().field, "object length");
        let unknown = Object::Unknown(Class(77), 1, (&[0; 4][..]).into());
        let message = Message::new(MessageType::PATH, vec![Object::Unknown(Class(200), 9, (&[][..]).into()), unknown]);
        assert_eq!(message.refused_object(), Some(ErrorCode(13, 0x4d01)));
    }
}
