use vpls::probe::ProbeMessage;
use vpls::snoop::bpdu::Bpdu;
use vpls::snoop::mmrp::Mmrpdu;

/// Octets as a BPDU and an MMRP frame of a customer, and as a probe: no panic, and what is read of MMRP and probes is written so that it is
/// read as the same.
pub fn parse_bridging(data: &[u8]) {
    if let Ok(bpdu) = Bpdu::parse(data) {
        let _ = bpdu.is_topology_change();
    }
    let _ = Mmrpdu::parse_frame(data);
    if let Ok(message) = ProbeMessage::parse(data) {
        let mut out = Vec::new();
        message.emit(&mut out);
        assert_eq!(ProbeMessage::parse(&out), Ok(message));
    }
    let Ok((_, pdu)) = Mmrpdu::take(data) else { return };
    let mut out = Vec::new();
    pdu.emit(&mut out);
    assert_eq!(Mmrpdu::take(&out), Ok((&[][..], pdu)));
}
