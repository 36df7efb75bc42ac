//! The BFD Control packet (RFC 5880 §4.1) with its Authentication Section (§4.2–§4.4).

use core::num::{NonZeroU8, NonZeroU32};

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};

use crate::ldp::Octets;
use crate::ldp::octets::{len8, whole};

/// The state of a session, as it is carried in packets (RFC 5880 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum State {
    /// Held down by the operator.
    AdminDown,
    /// Nothing is heard of the peer, or the session has failed.
    Down,
    /// The peer is heard, and it does not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    /// All states.
    pub const ALL: [Self; 4] = [Self::AdminDown, Self::Down, Self::Init, Self::Up];

    const fn of(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

/// Why a session changed its state last: 5 bits; unknown values survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diag(u8);

impl Diag {
    /// No diagnostic.
    pub const NONE: Self = Self(0);
    /// Control Detection Time Expired.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// Echo Function Failed.
    pub const ECHO_FAILED: Self = Self(2);
    /// Neighbor Signaled Session Down.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// Forwarding Plane Reset.
    pub const FORWARDING_PLANE_RESET: Self = Self(4);
    /// Path Down.
    pub const PATH_DOWN: Self = Self(5);
    /// Concatenated Path Down.
    pub const CONCATENATED_PATH_DOWN: Self = Self(6);
    /// Administratively Down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);
    /// Reverse Concatenated Path Down.
    pub const REVERSE_CONCATENATED_PATH_DOWN: Self = Self(8);

    /// The low 5 bits of `value`.
    #[must_use]
    pub const fn from_low_bits(value: u8) -> Self {
        Self(value & 0x1f)
    }

    /// The value, 0 to 31.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

bitflags::bitflags! {
    /// The flags of a Control packet, but for the Authentication Present bit, which follows from the section.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ControlFlags: u8 {
        /// P: the sender asks for a packet with the Final bit.
        const POLL = 0x20;
        /// F: the answer to a Poll.
        const FINAL = 0x10;
        /// C: BFD does not share fate with the control plane.
        const CONTROL_PLANE_INDEPENDENT = 0x08;
        /// D: the sender does not want periodic packets.
        const DEMAND = 0x02;
        /// M: the packet travels on a multipoint path (RFC 8562 §5.1).
        const MULTIPOINT = 0x01;
    }
}

const AUTHENTICATION_PRESENT: u8 = 0x04;

/// The type of an Authentication Section; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthType(pub u8);

impl AuthType {
    /// Simple Password.
    pub const SIMPLE_PASSWORD: Self = Self(1);
    /// Keyed MD5.
    pub const KEYED_MD5: Self = Self(2);
    /// Meticulous Keyed MD5.
    pub const METICULOUS_KEYED_MD5: Self = Self(3);
    /// Keyed SHA1.
    pub const KEYED_SHA1: Self = Self(4);
    /// Meticulous Keyed SHA1.
    pub const METICULOUS_KEYED_SHA1: Self = Self(5);
}

/// The Authentication Section.
///
/// ```text
/// +----------+------------+------------+----------------------------------------------------+
/// | Type (1) | Length (1) | Key ID (1) | password of 1 to 16 octets                         |
/// +----------+------------+------------+--------------+---------------------+---------------+
/// | Type (1) | Length (1) | Key ID (1) | reserved (1) | Sequence number (4) | digest 16, 20 |
/// +----------+------------+------------+--------------+---------------------+---------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AuthSection {
    /// A password in the clear, of 1 to 16 octets.
    Password {
        /// Which of several passwords.
        key_id: u8,
        /// The password.
        password: Octets,
    },
    /// A keyed MD5 digest (type 2, meticulous 3).
    Md5 {
        /// Whether the sequence number grows with each packet.
        meticulous: bool,
        /// Which of several keys.
        key_id: u8,
        /// The sequence number.
        sequence: u32,
        /// The digest.
        digest: [u8; 16],
    },
    /// A keyed SHA1 hash (type 4, meticulous 5).
    Sha1 {
        /// Whether the sequence number grows with each packet.
        meticulous: bool,
        /// Which of several keys.
        key_id: u8,
        /// The sequence number.
        sequence: u32,
        /// The hash.
        digest: [u8; 20],
    },
    /// Any other type, with what follows its length.
    Unknown(AuthType, Octets),
}

impl AuthSection {
    const HEADER_LEN: usize = 2;

    /// The type.
    #[must_use]
    pub const fn auth_type(&self) -> AuthType {
        match self {
            Self::Password { .. } => AuthType::SIMPLE_PASSWORD,
            Self::Md5 { meticulous: false, .. } => AuthType::KEYED_MD5,
            Self::Md5 { meticulous: true, .. } => AuthType::METICULOUS_KEYED_MD5,
            Self::Sha1 { meticulous: false, .. } => AuthType::KEYED_SHA1,
            Self::Sha1 { meticulous: true, .. } => AuthType::METICULOUS_KEYED_SHA1,
            Self::Unknown(kind, _) => *kind,
        }
    }

    fn take(i: &[u8]) -> Take<'_, Self> {
        let at = i;
        let (i, kind) = codec::be_u8(i, "auth type")?;
        let (i, len) = codec::be_u8(i, "auth len")?;
        let Some(len) = usize::from(len).checked_sub(Self::HEADER_LEN) else {
            return Err(Fail::new(at, "auth len", Fault::Length(len.into())));
        };
        let (i, body) = codec::octets(i, len, "auth len")?;
        let kind = AuthType(kind);
        let section = match kind {
            AuthType::SIMPLE_PASSWORD => {
                let (password, key_id) = codec::be_u8(body, "auth key id")?;
                if password.is_empty() || password.len() > 16 {
                    return Err(Fail::new(password, "password", Fault::Length(password.len())));
                }
                Self::Password { key_id, password: Octets::from_slice(password) }
            }
            AuthType::KEYED_MD5 | AuthType::METICULOUS_KEYED_MD5 => {
                let (key_id, sequence, digest) = whole(body, take_digest::<16>)?;
                Self::Md5 { meticulous: kind == AuthType::METICULOUS_KEYED_MD5, key_id, sequence, digest }
            }
            AuthType::KEYED_SHA1 | AuthType::METICULOUS_KEYED_SHA1 => {
                let (key_id, sequence, digest) = whole(body, take_digest::<20>)?;
                Self::Sha1 { meticulous: kind == AuthType::METICULOUS_KEYED_SHA1, key_id, sequence, digest }
            }
            other => Self::Unknown(other, Octets::from_slice(body)),
        };
        Ok((i, section))
    }

    fn wire_len(&self) -> usize {
        let body = match self {
            Self::Password { password, .. } => password.len().saturating_add(1),
            Self::Md5 { .. } => 22,
            Self::Sha1 { .. } => 26,
            Self::Unknown(_, body) => body.len(),
        };
        body.saturating_add(Self::HEADER_LEN)
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.auth_type().0, len8(self.wire_len())]);
        match self {
            Self::Password { key_id, password } => {
                out.put_u8(*key_id);
                out.put_slice(password);
            }
            Self::Md5 { key_id, sequence, digest, .. } => emit_digest(*key_id, *sequence, digest, out),
            Self::Sha1 { key_id, sequence, digest, .. } => emit_digest(*key_id, *sequence, digest, out),
            Self::Unknown(_, body) => out.put_slice(body),
        }
    }
}

fn take_digest<const N: usize>(i: &[u8]) -> Take<'_, (u8, u32, [u8; N])> {
    let (i, key_id) = codec::be_u8(i, "auth key id")?;
    let (i, _reserved) = codec::be_u8(i, "auth reserved")?;
    let (i, sequence) = codec::be_u32(i, "sequence number")?;
    let (i, digest) = codec::array(i, "auth digest")?;
    Ok((i, (key_id, sequence, digest)))
}

fn emit_digest(key_id: u8, sequence: u32, digest: &[u8], out: &mut impl BufMut) {
    out.put_slice(&[key_id, 0]);
    out.put_u32(sequence);
    out.put_slice(digest);
}

/// A BFD Control packet. Intervals are in microseconds.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
/// |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
/// +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
/// |                       My Discriminator                        |
/// |                      Your Discriminator                       |
/// |                    Desired Min TX Interval                    |
/// |                   Required Min RX Interval                    |
/// |                 Required Min Echo RX Interval                 |
/// |                Authentication Section, if A is set            |
/// +---------------------------------------------------------------+
/// ```
///
/// ```
/// use p2mp_pw::bfd::{ControlPacket, State};
///
/// let octets = [0x20, 0x40, 3, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0xf, 0x42, 0x40, 0, 0xf, 0x42, 0x40, 0, 0, 0, 0];
/// let packet = ControlPacket::parse(&octets).unwrap();
/// assert_eq!((packet.state, packet.desired_min_tx), (State::Down, 1_000_000));
/// let mut out = Vec::new();
/// packet.emit(&mut out);
/// assert_eq!(out, octets);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlPacket {
    /// Why the sender's state changed last.
    pub diag: Diag,
    /// The sender's state.
    pub state: State,
    /// P, F, C, D and M.
    pub flags: ControlFlags,
    /// The sender's detection time multiplier.
    pub detect_mult: NonZeroU8,
    /// The sender's discriminator.
    pub my_discriminator: NonZeroU32,
    /// The receiver's discriminator, or 0 if the sender does not know it.
    pub your_discriminator: u32,
    /// The sender would like to send this often.
    pub desired_min_tx: u32,
    /// The sender takes packets this often; 0: no periodic packets.
    pub required_min_rx: u32,
    /// The sender loops Echo packets back this often; 0: not at all.
    pub required_min_echo_rx: u32,
    /// The Authentication Section.
    pub auth: Option<AuthSection>,
}

impl ControlPacket {
    /// The version of BFD.
    pub const VERSION: u8 = 1;
    /// Octets without an Authentication Section.
    pub const HEADER_LEN: usize = 24;

    /// Takes a packet, by the checks of RFC 5880 §6.8.6 that need no session. What follows the packet's length is left.
    ///
    /// # Errors
    /// Another version, a length that does not fit, a zero in Detect Mult or My Discriminator, a bad Authentication Section.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let whole_packet = i;
        let (i, vers_diag) = codec::be_u8(i, "version")?;
        if vers_diag >> 5 != Self::VERSION {
            return Err(Fail::new(whole_packet, "version", Fault::Value((vers_diag >> 5).into())));
        }
        let (i, state_flags) = codec::be_u8(i, "state")?;
        let at_mult = i;
        let (i, detect_mult) = codec::be_u8(i, "detect mult")?;
        let at_length = i;
        let (_, length) = codec::be_u8(i, "length")?;
        let has_auth = state_flags & AUTHENTICATION_PRESENT != 0;
        let least = if has_auth { Self::HEADER_LEN.saturating_add(AuthSection::HEADER_LEN) } else { Self::HEADER_LEN };
        if usize::from(length) < least {
            return Err(Fail::new(at_length, "length", Fault::Length(length.into())));
        }
        let (rest, packet) = codec::octets(whole_packet, length.into(), "length")?;
        let detect_mult =
            NonZeroU8::new(detect_mult).ok_or_else(|| Fail::new(at_mult, "detect mult", Fault::Value(0)))?;
        let (body, _) = codec::octets(packet, 4, "header")?;
        let take = |i| Self::take_body(i, vers_diag, state_flags, detect_mult);
        let value = whole(body, take)?;
        Ok((rest, value))
    }

    fn take_body(i: &[u8], vers_diag: u8, state_flags: u8, detect_mult: NonZeroU8) -> Take<'_, Self> {
        let at_mine = i;
        let (i, mine) = codec::be_u32(i, "my discriminator")?;
        let my_discriminator =
            NonZeroU32::new(mine).ok_or_else(|| Fail::new(at_mine, "my discriminator", Fault::Value(0)))?;
        let (i, your_discriminator) = codec::be_u32(i, "your discriminator")?;
        let (i, desired_min_tx) = codec::be_u32(i, "desired min tx interval")?;
        let (i, required_min_rx) = codec::be_u32(i, "required min rx interval")?;
        let (i, required_min_echo_rx) = codec::be_u32(i, "required min echo rx interval")?;
        let (i, auth) = if state_flags & AUTHENTICATION_PRESENT != 0 {
            AuthSection::take(i).map(|(i, section)| (i, Some(section)))?
        } else {
            (i, None)
        };
        let packet = Self {
            diag: Diag::from_low_bits(vers_diag),
            state: State::of(state_flags >> 6),
            flags: ControlFlags::from_bits_truncate(state_flags),
            detect_mult,
            my_discriminator,
            your_discriminator,
            desired_min_tx,
            required_min_rx,
            required_min_echo_rx,
            auth,
        };
        Ok((i, packet))
    }

    /// Reads a packet that is all of `octets`.
    ///
    /// # Errors
    /// As [`Self::take`], and octets behind the packet.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the packet.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.auth.as_ref().map_or(0, AuthSection::wire_len).saturating_add(Self::HEADER_LEN)
    }

    /// Writes the packet.
    pub fn emit(&self, out: &mut impl BufMut) {
        let authentication = if self.auth.is_some() { AUTHENTICATION_PRESENT } else { 0 };
        out.put_u8(Self::VERSION << 5 | self.diag.0);
        out.put_u8(self.state.bits() << 6 | self.flags.bits() | authentication);
        out.put_slice(&[self.detect_mult.get(), len8(self.wire_len())]);
        out.put_u32(self.my_discriminator.get());
        out.put_u32(self.your_discriminator);
        out.put_u32(self.desired_min_tx);
        out.put_u32(self.required_min_rx);
        out.put_u32(self.required_min_echo_rx);
        self.auth.iter().for_each(|auth| auth.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
mod generate {
    use arbitrary::{Arbitrary, Result, Unstructured};

    use super::{AuthSection, AuthType, ControlFlags, ControlPacket, Diag};
    use crate::ldp::Octets;
    use crate::ldp::octets::arbitrary_octets;

    impl<'a> Arbitrary<'a> for AuthSection {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=3)? {
                0 => {
                    let (key_id, first) = (u.arbitrary()?, u.arbitrary()?);
                    let mut password = Octets::from_slice(&[first]);
                    password.extend(arbitrary_octets(u, 15)?);
                    Self::Password { key_id, password }
                }
                1 => Self::Md5 {
                    meticulous: u.arbitrary()?,
                    key_id: u.arbitrary()?,
                    sequence: u.arbitrary()?,
                    digest: u.arbitrary()?,
                },
                2 => Self::Sha1 {
                    meticulous: u.arbitrary()?,
                    key_id: u.arbitrary()?,
                    sequence: u.arbitrary()?,
                    digest: u.arbitrary()?,
                },
                _ => Self::Unknown(AuthType(u.int_in_range(6..=255)?), arbitrary_octets(u, 40)?),
            })
        }
    }

    impl<'a> Arbitrary<'a> for ControlPacket {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self {
                diag: Diag::from_low_bits(u.arbitrary()?),
                state: u.arbitrary()?,
                flags: ControlFlags::from_bits_truncate(u.arbitrary()?),
                detect_mult: u.arbitrary()?,
                my_discriminator: u.arbitrary()?,
                your_discriminator: u.arbitrary()?,
                desired_min_tx: u.arbitrary()?,
                required_min_rx: u.arbitrary()?,
                required_min_echo_rx: u.arbitrary()?,
                auth: u.arbitrary()?,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn octets() -> Vec<u8> {
        let mut out = Vec::from([0x23, 0xc4, 3, 33, 0, 0, 0, 7, 0, 0, 0, 9]);
        out.extend([0, 1, 0x86, 0xa0, 0, 4, 0x93, 0xe0, 0, 0, 0, 0, 1, 9, 5]);
        out.extend(b"secret");
        out
    }

    /// The figures of RFC 5880 §4.1 and §4.2.
    #[test]
    fn figure_of_the_packet_with_a_password() {
        let packet = ControlPacket::parse(&octets()).unwrap();
        assert_eq!((packet.diag, packet.state), (Diag::NEIGHBOR_SIGNALED_DOWN, State::Up));
        assert_eq!((packet.my_discriminator.get(), packet.your_discriminator), (7, 9));
        assert_eq!((packet.desired_min_tx, packet.required_min_rx), (100_000, 300_000));
        let Some(AuthSection::Password { key_id: 5, password }) = &packet.auth else { panic!("{packet:?}") };
        assert_eq!(&password[..], b"secret");
        let mut out = Vec::new();
        packet.emit(&mut out);
        assert_eq!(out, octets());
    }

    /// The discard rules of RFC 5880 §6.8.6 that need no session, a line each.
    #[test]
    fn what_must_be_discarded_is() {
        for (at, value, field) in [
            (0, 0x03, "version"),
            (3, 23, "length"),
            (3, 25, "length"),
            (3, 34, "length"),
            (2, 0, "detect mult"),
            (7, 0, "my discriminator"),
            (25, 8, "value"),
            (25, 1, "auth len"),
            (25, 10, "auth len"),
        ] {
            let mut bad = octets();
            bad[at] = value;
            let fault = ControlPacket::parse(&bad).unwrap_err();
            assert_eq!(fault.field, field, "octet {at} = {value}");
        }
        // More payload than the packet's length is no fault of the packet.
        let mut more = octets();
        more.push(0);
        assert_eq!(ControlPacket::take(&more).unwrap().0, [0]);
    }
}
