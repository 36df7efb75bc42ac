use bgp_vpn::message::{Header, Message, Notification, RouteRefresh, frame_len};

/// Octets as BGP messages: no panic, framing agrees with parsing, and what parses can be written and read again.
pub fn parse_message(data: &[u8]) {
    for max_len in [Header::MAX_MESSAGE_LEN, Header::MAX_EXTENDED_LEN] {
        match frame_len(data, max_len) {
            Ok(Some(len)) => assert!((Header::LEN..=max_len).contains(&len)),
            Ok(None) => assert!(data.len() < Header::LEN),
            Err(notification) => assert!(!notification.to_string().is_empty()),
        }
    }
    let mut rest = data;
    while let Ok((after, message)) = Message::take(rest) {
        assert!(after.len() < rest.len());
        rest = after;
        let mut out = Vec::new();
        message.emit(&mut out);
        assert_eq!(out.len(), message.wire_len());
        assert_eq!(Message::parse(&out).as_ref(), Ok(&message));
        read(&message);
    }
    if let Err(malformed) = Message::parse(data) {
        assert!(malformed.offset <= data.len());
    }
}

/// Every accessor.
fn read(message: &Message<'_>) {
    match message {
        Message::Open(open) => {
            let _ = (open.asn(), open.four_octet_as(), open.capabilities().count());
        }
        Message::Notification(n) => {
            let _ = (n.to_string(), n.reason(), n.communication());
            let hard = Notification::hard_reset(n);
            assert!(hard.is_hard_reset());
        }
        Message::RouteRefresh(refresh) => {
            let _ = (RouteRefresh::filters(refresh), refresh.is_deferred());
        }
        Message::Update(_) | Message::Keepalive => {}
    }
}
