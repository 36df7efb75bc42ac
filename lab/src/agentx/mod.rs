//! A sub-agent (RFC 2741): managed objects served to an SNMP agent that others wrote, as Debian's snmpd.
//!
//! The PDUs are written here: of the crates that have them, none with a maintainer reads what a master sends without a panic in reach.

pub mod pdu;

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use fwd_core::mib::{Objects, Oid, Value};
use pdu::{Bound, HEADER, Header, SearchRange, Type, put_binding, put_octets, put_oid};

/// res.error (RFC 2741 §6.2.16).
mod error {
    pub(super) const NONE: u16 = 0;
    pub(super) const WRONG_TYPE: u16 = 7;
    pub(super) const WRONG_VALUE: u16 = 10;
    pub(super) const NOT_WRITABLE: u16 = 17;
    pub(super) const UNSUPPORTED_CONTEXT: u16 = 262;
    pub(super) const PARSE: u16 = 266;
}

/// The most instances in one answer to a GetBulk.
const BULK: usize = 2000;

/// A session with a master agent.
#[derive(Debug)]
pub struct Agent {
    stream: UnixStream,
    /// What is served; the first names the agent.
    subtrees: Vec<Oid>,
    /// Registrations that are not answered yet.
    awaited: usize,
    writable: Vec<(Oid, Value)>,
    /// What a TestSet found right, until it is committed or cleaned up; after the commit, what was there before.
    pending: Vec<(usize, Value)>,
    session: u32,
    packet: u32,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

impl Agent {
    /// Opens a session over the master's socket, and asks to serve subtrees. `writable` are the instances that may be set, with the
    /// values they have; a value is set to one of the same type that is not below 0.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn open(socket: &Path, subtrees: &[&[u32]], writable: Vec<(Oid, Value)>) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_nonblocking(true)?;
        let mut agent = Self {
            stream,
            subtrees: subtrees.iter().map(|subtree| Oid::new(subtree)).collect(),
            awaited: subtrees.len(),
            writable,
            pending: Vec::new(),
            session: 0,
            packet: 1,
            inbox: Vec::new(),
            outbox: Vec::new(),
        };
        let mut payload = vec![0; 4];
        put_oid(&mut payload, agent.subtrees.first().unwrap_or(&Oid::default()));
        put_octets(&mut payload, b"provider-provisioned VPNs");
        agent.request(Type::OPEN, &payload);
        agent.flush()?;
        Ok(agent)
    }

    /// Whether the master serves our objects.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.awaited == 0
    }

    /// The value of a writable instance.
    #[must_use]
    pub fn written(&self, oid: &Oid) -> Option<&Value> {
        self.writable.iter().find(|(o, _)| o == oid).map(|(_, value)| value)
    }

    fn request(&mut self, pdu: Type, payload: &[u8]) {
        let header = Header { pdu, flags: 0, session: self.session, transaction: 0, packet: self.packet, len: 0 };
        self.packet += 1;
        self.outbox.extend(header.emit(payload));
    }

    /// Takes what the master sent, and answers from `objects`, which is asked for when it is needed.
    ///
    /// # Errors
    /// The session is over.
    pub fn serve<O: Objects>(&mut self, objects: impl FnOnce() -> O) -> io::Result<()> {
        let mut buffer = [0; 16384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.inbox.extend(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let (mut ask, mut picture) = (Some(objects), None);
        while let Some(header) = Header::read(&self.inbox).map_err(io::Error::other)? {
            if self.inbox.len() < HEADER + header.len {
                break;
            }
            let rest = self.inbox.split_off(HEADER + header.len);
            let whole = std::mem::replace(&mut self.inbox, rest);
            if picture.is_none() {
                picture = ask.take().map(|objects| objects());
            }
            if let Some(objects) = &picture {
                self.handle(&header, &whole[HEADER..], objects)?;
            }
        }
        self.flush()
    }

    fn handle(&mut self, header: &Header, payload: &[u8], objects: &impl Objects) -> io::Result<()> {
        match header.pdu {
            Type::RESPONSE => return self.response(header, payload),
            Type::CLOSE => return Err(ErrorKind::ConnectionAborted.into()),
            Type::CLEANUP_SET => {
                self.pending.clear();
                return Ok(());
            }
            _ => {}
        }
        let (fault, at, bindings) = match self.answer(header, payload, objects) {
            Ok(bindings) => (error::NONE, 0, bindings),
            Err((fault, at)) => (fault, at, Vec::new()),
        };
        let mut out = vec![0; 4];
        out.extend(fault.to_be_bytes());
        out.extend(at.to_be_bytes());
        bindings.iter().for_each(|(name, bound)| put_binding(&mut out, name, bound));
        let answer = Header { pdu: Type::RESPONSE, ..*header };
        self.outbox.extend(answer.emit(&out));
        Ok(())
    }

    /// To our own requests: the first is Open, then comes a Register for each subtree; notifications follow.
    fn response(&mut self, header: &Header, payload: &[u8]) -> io::Result<()> {
        let fault = header.body(payload).and_then(|(mut body, _)| {
            body.u32()?;
            body.u16()
        });
        match (header.packet, fault) {
            (1, Some(error::NONE)) => {
                self.session = header.session;
                for subtree in self.subtrees.clone() {
                    // r.timeout, r.priority, r.range_subid, reserved.
                    let mut payload = vec![0, 127, 0, 0];
                    put_oid(&mut payload, &subtree);
                    self.request(Type::REGISTER, &payload);
                }
            }
            (_, Some(error::NONE)) => self.awaited = self.awaited.saturating_sub(1),
            (_, fault) if self.awaited > 0 => {
                return Err(io::Error::other(format!("the master agent refuses: {fault:?}")));
            }
            _ => {}
        }
        Ok(())
    }

    /// The bindings of an answer, or res.error and res.index.
    fn answer(
        &mut self,
        header: &Header,
        payload: &[u8],
        objects: &impl Objects,
    ) -> Result<Vec<(Oid, Bound)>, (u16, u16)> {
        const MALFORMED: (u16, u16) = (error::PARSE, 0);
        let (mut body, context) = header.body(payload).ok_or(MALFORMED)?;
        if context {
            return Err((error::UNSUPPORTED_CONTEXT, 0));
        }
        match header.pdu {
            Type::GET => {
                let ranges = body.ranges().ok_or(MALFORMED)?;
                let get = |r: SearchRange| {
                    let bound = objects.get(&r.start).map_or(Bound::NoSuchInstance, Bound::Value);
                    (r.start, bound)
                };
                Ok(ranges.into_iter().map(get).collect())
            }
            Type::GET_NEXT => {
                let ranges = body.ranges().ok_or(MALFORMED)?;
                Ok(ranges.iter().map(|r| next(objects, r)).collect())
            }
            Type::GET_BULK => {
                let counts = body.u16().zip(body.u16()).ok_or(MALFORMED)?;
                Ok(bulk(objects, &body.ranges().ok_or(MALFORMED)?, counts))
            }
            Type::TEST_SET => self.test(body.bindings().ok_or(MALFORMED)?).map(|()| Vec::new()),
            Type::COMMIT_SET | Type::UNDO_SET => {
                for (at, value) in &mut self.pending {
                    std::mem::swap(&mut self.writable[*at].1, value);
                }
                Ok(Vec::new())
            }
            _ => Err(MALFORMED),
        }
    }

    fn test(&mut self, bindings: Vec<(Oid, Bound)>) -> Result<(), (u16, u16)> {
        self.pending.clear();
        for (n, (name, bound)) in (1..).zip(bindings) {
            let at = self.writable.iter().position(|(oid, _)| *oid == name).ok_or((error::NOT_WRITABLE, n))?;
            let Bound::Value(value) = bound else { return Err((error::WRONG_TYPE, n)) };
            if std::mem::discriminant(&value) != std::mem::discriminant(&self.writable[at].1) {
                return Err((error::WRONG_TYPE, n));
            }
            // The only INTEGER that may be set is a TruthValue.
            if matches!(value, Value::Integer(truth) if !(1..=2).contains(&truth)) {
                return Err((error::WRONG_VALUE, n));
            }
            self.pending.push((at, value));
        }
        Ok(())
    }

    /// Tells the master of a notification (§6.2.10): `kind` is the value of snmpTrapOID.0.
    ///
    /// # Errors
    /// The session is over.
    pub fn notify(&mut self, kind: &Oid, objects: &[(Oid, Value)]) -> io::Result<()> {
        if !self.is_registered() {
            return Ok(());
        }
        let mut payload = Vec::new();
        let trap_oid = Oid::new(&[1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0]);
        put_binding(&mut payload, &trap_oid, &Bound::Value(Value::Oid(kind.clone())));
        for (name, value) in objects {
            put_binding(&mut payload, name, &Bound::Value(value.clone()));
        }
        self.request(Type::NOTIFY, &payload);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.outbox.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Agent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The next instance inside a range (§7.2.3.2).
fn next(objects: &impl Objects, range: &SearchRange) -> (Oid, Bound) {
    let first = range.include.then(|| Some((range.start.clone(), objects.get(&range.start)?))).flatten();
    match first.or_else(|| objects.next(&range.start)) {
        Some((oid, value)) if range.end.ids().is_empty() || oid < range.end => (oid, Bound::Value(value)),
        _ => (range.start.clone(), Bound::EndOfMibView),
    }
}

/// The answer to a GetBulk (§7.2.3.3): the first ranges once, the others again and again.
fn bulk(objects: &impl Objects, ranges: &[SearchRange], (once, times): (u16, u16)) -> Vec<(Oid, Bound)> {
    let (first, repeated) = ranges.split_at(usize::from(once).min(ranges.len()));
    let mut answer: Vec<(Oid, Bound)> = first.iter().map(|r| next(objects, r)).collect();
    let mut repeated = repeated.to_vec();
    for _ in 0..times {
        if repeated.is_empty() || answer.len() + repeated.len() > BULK {
            break;
        }
        let mut ended = true;
        for range in &mut repeated {
            let (oid, bound) = next(objects, range);
            ended &= bound == Bound::EndOfMibView;
            (range.start, range.include) = (oid.clone(), false);
            answer.push((oid, bound));
        }
        if ended {
            break;
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use fwd_core::mib::{Row, Table};

    use super::*;

    struct Number(u32);

    impl Row for Number {
        const ENTRY: &'static [u32] = &[1, 3, 6, 1, 4, 1, 9, 1];
        const COLUMNS: &'static [u32] = &[1];
        fn index(&self, out: &mut Oid) {
            out.push(self.0);
        }
        fn cell(&self, _: u32) -> Option<Value> {
            Some(Value::Unsigned(self.0 * 10))
        }
    }

    fn oid(rest: &[u32]) -> Oid {
        Oid::new(&[Number::ENTRY, rest].concat())
    }

    #[test]
    fn a_range_bounds_what_comes_next() {
        let table = Table::new([Number(1), Number(2), Number(3)]);
        let range = |start: &[u32], include, end: &[u32]| SearchRange { start: oid(start), include, end: oid(end) };
        let value = |n| (oid(&[1, n]), Bound::Value(Value::Unsigned(n * 10)));
        assert_eq!(next(&table, &range(&[], false, &[2])), value(1));
        assert_eq!(next(&table, &range(&[1, 1], false, &[2])), value(2));
        assert_eq!(next(&table, &range(&[1, 1], true, &[2])), value(1));
        assert_eq!(next(&table, &range(&[1, 1], false, &[1, 2])), (oid(&[1, 1]), Bound::EndOfMibView));
        let open = SearchRange { end: Oid::default(), ..range(&[1, 2], false, &[]) };
        assert_eq!(bulk(&table, std::slice::from_ref(&open), (0, 9)), [value(3), (oid(&[1, 3]), Bound::EndOfMibView)]);
        assert_eq!(bulk(&table, &[range(&[], false, &[2]), open], (1, 1)), [value(1), value(3)]);
    }

    #[test]
    fn what_may_be_set_is_set_when_committed_and_undone() {
        let (stream, _master) = UnixStream::pair().unwrap();
        let (truth, number) = (oid(&[7]), oid(&[8]));
        let mut agent = Agent {
            stream,
            subtrees: vec![oid(&[])],
            awaited: 0,
            writable: vec![(truth.clone(), Value::Integer(2)), (number.clone(), Value::Unsigned(5))],
            pending: vec![],
            session: 1,
            packet: 3,
            inbox: vec![],
            outbox: vec![],
        };
        let bound = |value| Bound::Value(value);
        assert_eq!(agent.test(vec![(oid(&[9]), bound(Value::Integer(1)))]), Err((17, 1)));
        let both = vec![(truth.clone(), bound(Value::Integer(1))), (number.clone(), bound(Value::Integer(1)))];
        assert_eq!(agent.test(both), Err((7, 2)));
        assert_eq!(agent.test(vec![(truth.clone(), bound(Value::Integer(3)))]), Err((10, 1)));
        assert_eq!(agent.test(vec![(truth.clone(), bound(Value::Integer(1)))]), Ok(()));
        assert_eq!(agent.written(&truth), Some(&Value::Integer(2)), "tested only");
        let header = Header { pdu: Type::COMMIT_SET, flags: 0x10, session: 1, transaction: 1, packet: 1, len: 0 };
        let table = Table::new([Number(1)]);
        agent.handle(&header, &[], &table).unwrap();
        assert_eq!(agent.written(&truth), Some(&Value::Integer(1)));
        agent.handle(&Header { pdu: Type::UNDO_SET, ..header }, &[], &table).unwrap();
        assert_eq!(agent.written(&truth), Some(&Value::Integer(2)));
    }
}
