//! AgentX PDUs (RFC 2741 §6), as far as a sub-agent that is read, written and notifies needs them.
//!
//! What we send is in network byte order; what the master sends is in the order that its header says (§6.1).

use fwd_core::mib::{Oid, Value};

/// Octets of a header.
pub const HEADER: usize = 20;
/// The longest PDU taken from a master.
pub const LONGEST: usize = 1 << 20;

const NETWORK_BYTE_ORDER: u8 = 0x10;
const NON_DEFAULT_CONTEXT: u8 = 0x08;

/// PDU types (RFC 2741 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type(pub u8);

impl Type {
    /// agentx-Open-PDU.
    pub const OPEN: Self = Self(1);
    /// agentx-Close-PDU.
    pub const CLOSE: Self = Self(2);
    /// agentx-Register-PDU.
    pub const REGISTER: Self = Self(3);
    /// agentx-Get-PDU.
    pub const GET: Self = Self(5);
    /// agentx-GetNext-PDU.
    pub const GET_NEXT: Self = Self(6);
    /// agentx-GetBulk-PDU.
    pub const GET_BULK: Self = Self(7);
    /// agentx-TestSet-PDU.
    pub const TEST_SET: Self = Self(8);
    /// agentx-CommitSet-PDU.
    pub const COMMIT_SET: Self = Self(9);
    /// agentx-UndoSet-PDU.
    pub const UNDO_SET: Self = Self(10);
    /// agentx-CleanupSet-PDU.
    pub const CLEANUP_SET: Self = Self(11);
    /// agentx-Notify-PDU.
    pub const NOTIFY: Self = Self(12);
    /// agentx-Response-PDU.
    pub const RESPONSE: Self = Self(18);
}

/// The header of a PDU without version and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub pdu: Type,
    /// h.flags.
    pub flags: u8,
    /// h.sessionID, which the master gave.
    pub session: u32,
    /// h.transactionID.
    pub transaction: u32,
    /// h.packetID: a response has that of its request.
    pub packet: u32,
    /// Octets behind the header.
    pub len: usize,
}

/// A range of a search (RFC 2741 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchRange {
    /// Where it begins.
    pub start: Oid,
    /// The first itself may be the answer.
    pub include: bool,
    /// What the answer must be below; empty if there is no bound.
    pub end: Oid,
}

/// A variable binding's value, or why there is none (RFC 2741 §5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The value.
    Value(Value),
    /// noSuchInstance(129).
    NoSuchInstance,
    /// endOfMibView(130).
    EndOfMibView,
}

/// The octets of a PDU, read from the front. Whatever is short or impossible ends it with `None`.
pub struct Reader<'a> {
    octets: &'a [u8],
    little: bool,
}

impl Header {
    /// Reads a header; `None` if there is not one yet.
    ///
    /// # Errors
    /// A version other than 1, a length that no PDU has.
    pub fn read(octets: &[u8]) -> Result<Option<Self>, String> {
        let Some(h) = octets.first_chunk::<HEADER>() else { return Ok(None) };
        if h[0] != 1 {
            return Err(format!("AgentX version {}", h[0]));
        }
        let mut reader = Reader { octets: &h[4..], little: h[2] & NETWORK_BYTE_ORDER == 0 };
        let mut word = || reader.u32().unwrap_or_default();
        let (session, transaction, packet, len) = (word(), word(), word(), word() as usize);
        if len > LONGEST || len % 4 != 0 {
            return Err(format!("a PDU of {len} octets"));
        }
        Ok(Some(Self { pdu: Type(h[1]), flags: h[2], session, transaction, packet, len }))
    }

    /// The octets behind the header, without the context; `None` if the context is malformed.
    #[must_use]
    pub fn body<'a>(&self, payload: &'a [u8]) -> Option<(Reader<'a>, bool)> {
        let mut reader = Reader { octets: payload, little: self.flags & NETWORK_BYTE_ORDER == 0 };
        let context = self.flags & NON_DEFAULT_CONTEXT != 0;
        if context {
            reader.octets()?;
        }
        Some((reader, context))
    }

    /// The header and a payload, in network byte order.
    #[must_use]
    pub fn emit(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![1, self.pdu.0, NETWORK_BYTE_ORDER, 0];
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        for word in [self.session, self.transaction, self.packet, len] {
            out.extend(word.to_be_bytes());
        }
        out.extend(payload);
        out
    }
}

impl Reader<'_> {
    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let (head, rest) = self.octets.split_at_checked(len)?;
        self.octets = rest;
        Some(head)
    }

    /// Two octets.
    pub fn u16(&mut self) -> Option<u16> {
        let little = self.little;
        let octets = *self.take(2)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(octets) } else { u16::from_be_bytes(octets) })
    }

    /// Four octets.
    pub fn u32(&mut self) -> Option<u32> {
        let little = self.little;
        let octets = *self.take(4)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(octets) } else { u32::from_be_bytes(octets) })
    }

    /// Eight octets.
    pub fn u64(&mut self) -> Option<u64> {
        let little = self.little;
        let octets = *self.take(8)?.first_chunk()?;
        Some(if little { u64::from_le_bytes(octets) } else { u64::from_be_bytes(octets) })
    }

    /// An octet string with its padding (§5.3).
    pub fn octets(&mut self) -> Option<Vec<u8>> {
        let len = self.u32()? as usize;
        let padded = len.checked_next_multiple_of(4)?;
        Some(self.take(padded)?.get(..len)?.to_vec())
    }

    /// An object identifier and its include field (§5.1).
    pub fn oid(&mut self) -> Option<(Oid, bool)> {
        let &[n, prefix, include, _] = self.take(4)?.first_chunk()?;
        let mut oid = if prefix == 0 { Oid::default() } else { Oid::new(&[1, 3, 6, 1, prefix.into()]) };
        for _ in 0..n {
            oid.push(self.u32()?);
        }
        (oid.ids().len() <= Oid::MAX_LEN).then_some((oid, include != 0))
    }

    /// The search ranges up to the end.
    pub fn ranges(&mut self) -> Option<Vec<SearchRange>> {
        let mut ranges = Vec::new();
        while !self.octets.is_empty() {
            let ((start, include), (end, _)) = (self.oid()?, self.oid()?);
            ranges.push(SearchRange { start, include, end });
        }
        Some(ranges)
    }

    /// The variable bindings up to the end.
    pub fn bindings(&mut self) -> Option<Vec<(Oid, Bound)>> {
        let mut bindings = Vec::new();
        while !self.octets.is_empty() {
            let kind = self.u16()?;
            self.u16()?;
            let (name, _) = self.oid()?;
            bindings.push((name, self.bound(kind)?));
        }
        Some(bindings)
    }

    fn bound(&mut self, kind: u16) -> Option<Bound> {
        Some(Bound::Value(match kind {
            2 => Value::Integer(self.u32()? as i32),
            4 => Value::Octets(self.octets()?),
            6 => Value::Oid(self.oid()?.0),
            64 => Value::IpAddress(<[u8; 4]>::try_from(self.octets()?).ok()?.into()),
            65 => Value::Counter(self.u32()?),
            66 => Value::Unsigned(self.u32()?),
            67 => Value::Ticks(self.u32()?),
            70 => Value::Counter64(self.u64()?),
            129 => return Some(Bound::NoSuchInstance),
            130 => return Some(Bound::EndOfMibView),
            _ => return None,
        }))
    }
}

/// Appends an object identifier (§5.1).
pub fn put_oid(out: &mut Vec<u8>, oid: &Oid) {
    out.extend([u8::try_from(oid.ids().len()).unwrap_or(u8::MAX), 0, 0, 0]);
    oid.ids().iter().take(255).for_each(|id| out.extend(id.to_be_bytes()));
}

/// Appends an octet string with its padding (§5.3).
pub fn put_octets(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend(u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(octets);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Appends a variable binding (§5.4).
pub fn put_binding(out: &mut Vec<u8>, name: &Oid, bound: &Bound) {
    let kind: u16 = match bound {
        Bound::Value(Value::Integer(_)) => 2,
        Bound::Value(Value::Octets(_)) => 4,
        Bound::Value(Value::Oid(_)) => 6,
        Bound::Value(Value::IpAddress(_)) => 64,
        Bound::Value(Value::Counter(_)) => 65,
        Bound::Value(Value::Unsigned(_)) => 66,
        Bound::Value(Value::Ticks(_)) => 67,
        Bound::Value(Value::Counter64(_)) => 70,
        Bound::NoSuchInstance => 129,
        Bound::EndOfMibView => 130,
    };
    out.extend(kind.to_be_bytes());
    out.extend([0, 0]);
    put_oid(out, name);
    match bound {
        Bound::Value(Value::Integer(n)) => out.extend(n.to_be_bytes()),
        // An octet string of four (§5.4).
        Bound::Value(Value::IpAddress(address)) => put_octets(out, &address.octets()),
        Bound::Value(Value::Octets(octets)) => put_octets(out, octets),
        Bound::Value(Value::Oid(oid)) => put_oid(out, oid),
        Bound::Value(Value::Counter(n) | Value::Unsigned(n) | Value::Ticks(n)) => out.extend(n.to_be_bytes()),
        Bound::Value(Value::Counter64(n)) => out.extend(n.to_be_bytes()),
        Bound::NoSuchInstance | Bound::EndOfMibView => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_round_trips() {
        let values = [
            Value::Integer(-5),
            Value::Unsigned(7),
            Value::Counter(u32::MAX),
            Value::Counter64(1 << 40),
            Value::Ticks(100),
            Value::IpAddress([192, 0, 2, 1].into()),
            Value::Octets(b"abcde".to_vec()),
            Value::Oid(Oid::new(&[1, 3, 6, 1, 4])),
        ];
        let name = Oid::new(&[1, 3, 6, 1, 2, 1, 10]);
        let bound: Vec<Bound> =
            values.into_iter().map(Bound::Value).chain([Bound::NoSuchInstance, Bound::EndOfMibView]).collect();
        let mut out = Vec::new();
        bound.iter().for_each(|b| put_binding(&mut out, &name, b));
        let read = Reader { octets: &out, little: false }.bindings().unwrap();
        assert_eq!(
            read.into_iter()
                .map(|(n, b)| {
                    assert_eq!(n, name);
                    b
                })
                .collect::<Vec<_>>(),
            bound
        );
        for len in 0..out.len() {
            let _ = Reader { octets: &out[..len], little: false }.bindings();
        }
    }

    /// The octets of a GetNext-PDU in the other byte order, with the prefix that RFC 2741 §5.1 allows and a context.
    #[test]
    fn a_little_endian_request_with_prefix_and_context() {
        let mut pdu = vec![1, 6, 0x08, 0, 9, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 24, 0, 0, 0];
        pdu.extend([3, 0, 0, 0, b'c', b't', b'x', 0]);
        pdu.extend([2, 2, 1, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0]);
        let header = Header::read(&pdu).unwrap().unwrap();
        assert_eq!((header.pdu, header.session, header.transaction, header.packet), (Type::GET_NEXT, 9, 8, 7));
        let (mut body, context) = header.body(&pdu[HEADER..]).unwrap();
        assert!(context);
        let range = SearchRange { start: Oid::new(&[1, 3, 6, 1, 2, 1, 10]), include: true, end: Oid::default() };
        assert_eq!(body.ranges().unwrap()[0], range);
    }

    #[test]
    fn impossible_headers_are_refused() {
        let header = Header { pdu: Type::OPEN, flags: 0, session: 0, transaction: 0, packet: 1, len: 0 };
        let octets = header.emit(&[0; 8]);
        assert_eq!(Header::read(&octets).unwrap().unwrap().len, 8);
        assert_eq!(Header::read(&octets[..19]), Ok(None));
        let mut wrong = octets.clone();
        wrong[0] = 2;
        assert!(Header::read(&wrong).is_err());
        wrong = octets;
        wrong[16..20].copy_from_slice(&[0xff; 4]);
        assert!(Header::read(&wrong).is_err());
    }
}
