use p2mp_pw::rsvp_te::Message;

/// Octets as an RSVP message: no panic, and what is read is written so that it is read as the same, in the length that was promised.
/// A checksum of zero stands for none, so that the objects are reached.
pub fn parse_rsvp(data: &[u8]) {
    let mut octets = data.to_vec();
    if let Some(checksum) = octets.get_mut(2..4) {
        checksum.fill(0);
    }
    let _ = Message::parse(data);
    let Ok((_, message)) = Message::take(&octets) else { return };
    let _ = (message.refused_object(), message.sub_lsps(), message.sender(), message.session());
    let mut out = Vec::new();
    message.emit(&mut out);
    assert_eq!(out.len(), message.wire_len());
    assert_eq!(Message::parse(&out).as_ref(), Ok(&message));
}
