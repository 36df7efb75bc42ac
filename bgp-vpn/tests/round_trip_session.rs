//! `parse(emit(x)) == x` for every value of the session's messages.

use arbitrary::{Arbitrary, Unstructured};
use bgp_vpn::message::capability::Capability;
use bgp_vpn::message::{Header, Message, Notification, Open, RouteRefresh, frame_len};
use proptest::prelude::*;

fn value<'a, T: Arbitrary<'a>>(octets: &'a [u8]) -> Option<T> {
    T::arbitrary(&mut Unstructured::new(octets)).ok()
}

/// Writes, frames and reads a message; its octets.
fn round_trip(message: &Message<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    message.emit(&mut octets);
    assert_eq!(octets.len(), message.wire_len());
    assert_eq!(frame_len(&octets, Header::MAX_MESSAGE_LEN), Ok(Some(octets.len())));
    assert_eq!(Message::parse(&octets).as_ref(), Ok(message));
    octets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn opens(octets in prop::collection::vec(any::<u8>(), 0..1_000)) {
        if let Some(open) = value::<Open>(&octets) {
            round_trip(&Message::Open(open));
        }
    }

    #[test]
    fn capabilities(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Some(capability) = value::<Capability>(&octets) {
            let mut out = Vec::new();
            capability.emit(&mut out);
            prop_assert_eq!(out.len(), capability.wire_len());
            prop_assert_eq!(usize::from(out[1]) + 2, out.len());
            prop_assert_eq!(Capability::parse(&out), Ok(capability));
        }
    }

    #[test]
    fn notifications_and_refreshes(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(notification) = value::<Notification>(&octets) {
            let _ = notification.to_string();
            round_trip(&Message::Notification(notification));
        }
        if let Some(refresh) = value::<RouteRefresh>(&octets) {
            let _ = refresh.filters();
            round_trip(&Message::RouteRefresh(refresh));
        }
    }

    /// What was read from anywhere can be written, and read again as the same.
    #[test]
    fn octets_from_anywhere(kind in 1_u8..=5, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut octets = vec![0xff; 16];
        octets.extend_from_slice(&u16::try_from(body.len() + 19).unwrap().to_be_bytes());
        octets.push(kind);
        octets.extend_from_slice(&body);
        if let Ok(message) = Message::parse(&octets) {
            let mut again = Vec::new();
            message.emit(&mut again);
            assert_eq!(Message::parse(&again).as_ref(), Ok(&message));
        }
    }
}
