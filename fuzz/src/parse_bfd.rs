use p2mp_pw::bfd::ControlPacket;

/// Octets as a BFD Control packet: no panic, and what is read is written as it came, but for reserved octets.
pub fn parse_bfd(data: &[u8]) {
    let Ok((rest, packet)) = ControlPacket::take(data) else { return };
    let mut out = Vec::new();
    packet.emit(&mut out);
    assert_eq!(out.len(), packet.wire_len());
    assert_eq!(out.len(), data.len() - rest.len());
    assert_eq!(ControlPacket::parse(&out), Ok(packet));
}
