//! The recorded UPDATEs and what is found in them; `ORIGIN.md` explains the columns.

use bgp_vpn::message::{Header, Update};
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{Negotiated, PeerKind};

const MESSAGES: &str = include_str!("messages.txt");

/// A recorded UPDATE.
pub struct Recording {
    pub name: &'static str,
    pub negotiated: Negotiated,
    /// Header included.
    pub message: Vec<u8>,
}

pub fn recordings() -> impl Iterator<Item = Recording> {
    MESSAGES.lines().map(|line| {
        let mut columns = line.split(' ');
        let mut column = || columns.next().expect("three columns");
        let (name, session, hex) = (column(), column(), column());
        let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
        let message = (0..hex.len()).step_by(2).map(octet).collect();
        Recording { name, negotiated: negotiated(session), message }
    })
}

fn negotiated(session: &str) -> Negotiated {
    let kind = if session.contains('i') { PeerKind::Internal } else { PeerKind::External };
    let mut negotiated = Negotiated { four_octet_as: session.contains('4'), ..Negotiated::baseline(kind) };
    if session.contains('p') {
        negotiated.add_path_receive.push(Family::IPV4_UNICAST);
    }
    if session.contains('x') {
        negotiated.extended_next_hop.extend([Family::IPV4_UNICAST, Family::VPN_IPV4]);
    }
    negotiated
}

/// What is wrong with a message, in words; empty where nothing is.
pub fn outcome(message: &[u8], negotiated: &Negotiated) -> String {
    let update = match Update::parse(&message[Header::LEN..], negotiated) {
        Ok(update) => update,
        Err(error) => return format!("cannot be framed: {:?}", error.malformed),
    };
    let faults = update.faults().iter().map(|fault| {
        format!("{}: {} {:?}: {:?}", fault.attr_type, fault.malformed.field, fault.malformed.fault, fault.action)
    });
    let nlri = update.check_nlri().err().map(|fault| {
        format!(
            "{:?} {}: {} {:?}: {:?}",
            fault.field, fault.family, fault.malformed.field, fault.malformed.fault, fault.action
        )
    });
    faults.chain(nlri).collect::<Vec<_>>().join("; ")
}
