//! Arbitrary stimuli against two ends of a connection and somebody between them, with invariants; a fuzz target and a property test share it.

use arbitrary::{Arbitrary, Unstructured};
use fwd_core::tcp_ao::crypto::rustcrypto::RustCrypto;
use fwd_core::tcp_ao::{Connection, Dropped, SocketPair};

use super::ao_pair::*;

#[derive(Debug, Arbitrary)]
enum Stimulus {
    /// An end gets the key that follows its last one, and may ask for it.
    Add(bool, bool),
    Prefer(bool, u8),
    SetCurrent(bool, u8),
    Remove(bool, u8),
    /// An end sends a segment, so many numbers behind the last.
    Send(bool, u32, u8),
    /// A segment arrives, the first time or again.
    Deliver(bool, u8),
    /// A segment arrives with octets changed.
    Changed(bool, u8, Vec<(u8, u8)>),
    Octets(bool, Vec<u8>),
    Icmp(bool, u8, u8, bool),
}

/// A segment that was sent: its number, and by which number of its key.
struct Sent {
    number: u64,
    key: u8,
    octets: Vec<u8>,
}

struct End {
    connection: Connection,
    pair: SocketPair,
    next: u64,
    last_key: u8,
    /// The highest number that was received.
    highest: u64,
    sent: Vec<Sent>,
    /// Segments that came, and those that were taken.
    came: u64,
    taken: u64,
}

impl End {
    /// The number of a key as this end receives it.
    fn recv_id(&self, id: u8) -> u8 {
        mkt(self.pair, id).recv_id
    }

    fn has(&self, recv_id: u8) -> bool {
        self.connection.mkts().any(|mkt| mkt.recv_id == recv_id)
    }

    fn receive(&mut self, octets: &[u8]) -> Result<u64, Dropped> {
        self.came += 1;
        let before = (self.connection.current(), self.connection.heard());
        let outcome = verify(&mut self.connection, octets).map(|verified| verified.sequence);
        match outcome {
            Ok(number) => {
                self.taken += 1;
                self.highest = self.highest.max(number);
            }
            Err(_) => assert_eq!((self.connection.current(), self.connection.heard()), before),
        }
        let counters = self.connection.counters();
        assert_eq!((counters.verified, counters.dropped()), (self.taken, self.came - self.taken));
        outcome
    }
}

fn send(end: &mut End, step: u32, len: u8) {
    end.next += u64::from(step >> 4);
    let key = end.connection.current();
    let data = vec![len; usize::from(len)];
    let octets = signed(&mut end.connection, end.pair, end.next as u32, ACK, &data);
    end.sent.push(Sent { number: end.next, key, octets });
    if end.sent.len() > 256 {
        end.sent.remove(0);
    }
}

/// An honest segment is taken if its key is there and its number is not of another time: within 2^31 of the highest, or of the first 2^32,
/// where numbers far ahead are taken for those before the first. What is not in its window is TCP's to drop.
fn deliver(from: &End, to: &mut End, which: u8) {
    let Some(Sent { number, key, octets }) = from.sent.get(usize::from(which)) else { return };
    let ahead = *number as i64 - to.highest as i64;
    let near = (-(1 << 31)..1 << 31).contains(&ahead) || *number >> 32 == 0 && ahead > 0;
    // What one end sends as this number, the other receives as it.
    let expected = to.has(*key);
    let outcome = to.receive(octets);
    if near && expected {
        assert_eq!(outcome, Ok(*number));
    } else if !expected {
        assert_eq!(outcome, Err(Dropped::UnknownKey));
    } else {
        assert!(outcome.is_err());
    }
}

fn changed(from: &End, to: &mut End, which: u8, edits: &[(u8, u8)]) {
    let Some(sent) = from.sent.get(usize::from(which)) else { return };
    let mut octets = sent.octets.clone();
    for (at, value) in edits {
        let at = usize::from(*at) % octets.len();
        octets[at] ^= value;
    }
    let covered = |octets: &[u8]| [&octets[..16], &octets[18..]].concat();
    let differs = covered(&octets) != covered(&sent.octets);
    let outcome = to.receive(&octets);
    assert!(outcome.is_err() || !differs);
}

/// Runs the stimuli in `data`.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let isns = u.arbitrary::<[u32; 2]>().unwrap_or_default();
    let pairs = [pair(), turned(pair())];
    let ends = open(&keys(pairs[0], &[1]), &mut keys(pairs[1], &[1]), isns);
    let mut side = 0;
    let [mut a, mut b] = ends.map(|connection| {
        let (ours, theirs) = (u64::from(isns[side]), u64::from(isns[1 - side]));
        // The acknowledgement of the SYN came from the first end alone.
        let (taken, highest) = if side == 0 { (1, theirs) } else { (2, theirs + 1) };
        let pair = pairs[side];
        side += 1;
        End { connection, pair, next: ours + 1, last_key: 1, highest, sent: Vec::new(), came: taken, taken }
    });
    while let Ok(stimulus) = u.arbitrary() {
        let first = match stimulus {
            Stimulus::Add(first, _)
            | Stimulus::Prefer(first, _)
            | Stimulus::SetCurrent(first, _)
            | Stimulus::Remove(first, _)
            | Stimulus::Send(first, ..)
            | Stimulus::Deliver(first, _)
            | Stimulus::Changed(first, ..)
            | Stimulus::Octets(first, _)
            | Stimulus::Icmp(first, ..) => first,
        };
        let (here, there) = if first { (&mut a, &mut b) } else { (&mut b, &mut a) };
        match stimulus {
            Stimulus::Add(_, prefer) if here.last_key < 100 => {
                here.last_key += 1;
                let mkt = mkt(here.pair, here.last_key);
                let recv_id = mkt.recv_id;
                here.connection.add(mkt).unwrap();
                if prefer {
                    here.connection.prefer(recv_id).unwrap();
                }
            }
            Stimulus::Add(..) => {}
            Stimulus::Prefer(_, id) => {
                let recv_id = here.recv_id(id % 100 + 1);
                assert_eq!(here.connection.prefer(recv_id).is_ok(), here.has(recv_id));
            }
            Stimulus::SetCurrent(_, id) => {
                let there_is = here.connection.mkts().any(|mkt| mkt.send_id == id);
                assert_eq!(here.connection.set_current(id).is_ok(), there_is);
            }
            Stimulus::Remove(_, id) => {
                let recv_id = here.recv_id(id % 100 + 1);
                let _ = here.connection.remove(recv_id);
                let (current, rnext) = (here.connection.current(), here.connection.rnext());
                assert!(here.connection.mkts().any(|mkt| mkt.send_id == current));
                assert!(here.has(rnext));
            }
            Stimulus::Send(_, step, len) => send(here, step, len),
            Stimulus::Deliver(_, which) => deliver(here, there, which),
            Stimulus::Changed(_, which, edits) => changed(here, there, which, &edits),
            Stimulus::Octets(_, octets) => {
                let known = there.sent.iter().any(|sent| sent.octets == octets);
                assert!(here.receive(&octets).is_err() || known);
                let _ = here.connection.clone().sign(&mut octets.clone(), &RustCrypto);
            }
            Stimulus::Icmp(_, kind, code, synchronized) => {
                assert!(here.connection.heeds_icmp(kind, code, synchronized) || synchronized);
            }
        }
        if u.is_empty() {
            break;
        }
    }
}
