//! What a session receives: framing, the OPEN, collisions, and the other messages as events.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use core::net::Ipv4Addr;

use fwd_core::time::Instant;

use super::connection::Tcp;
use super::fsm::{SessionEvent, State};
use super::io::Output;
use super::machine::{Cause, Session, other};
use super::negotiated::Negotiated;
use crate::message::{ErrorCode, Header, MessageType, Notification, Open, RefreshSubtype, RouteRefresh, subcode};
use crate::nlri::Family;
use crate::speaker::Side;

impl Session {
    pub(super) fn stream(&mut self, now: Instant, side: Side, mut octets: &[u8]) {
        while self.side(side).tcp == Tcp::Open {
            match self.side_mut(side).next_message(&mut octets) {
                Ok(Some(message)) => self.message(now, side, &message),
                Ok(None) => return,
                Err(fault) => self.fire(now, side, SessionEvent::BgpHeaderErr, Cause::error(fault)),
            }
        }
    }

    fn message(&mut self, now: Instant, side: Side, message: &[u8]) {
        let Some((header, body)) = message.split_at_checked(Header::LEN) else { return };
        let message_type = MessageType(header.last().copied().unwrap_or_default());
        self.counters.received.count(message_type);
        let mut cause = Cause::message(message_type);
        match message_type {
            MessageType::OPEN => self.open_received(now, side, body),
            MessageType::UPDATE => {
                self.counters.last_update = Some(now);
                cause.output = (self.side(side).state == State::Established).then(|| Output::Update(body.to_vec()));
                self.fire(now, side, SessionEvent::UpdateMsg, cause);
            }
            MessageType::NOTIFICATION => {
                let Ok(notification) = Notification::parse(body) else { return };
                self.notification_received(now, side, notification, cause);
            }
            MessageType::KEEPALIVE => self.fire(now, side, SessionEvent::KeepaliveMsg, cause),
            MessageType::ROUTE_REFRESH => self.refresh_received(now, side, message, body),
            // `frame_len` lets no other type pass.
            _ => {}
        }
    }

    fn open_received(&mut self, now: Instant, side: Side, body: &[u8]) {
        let mut cause = Cause::message(MessageType::OPEN);
        let connection = self.side(side);
        let delayed = connection.delay_open.is_some();
        if connection.state != State::OpenSent && !delayed {
            return self.fire(now, side, SessionEvent::BgpOpen, cause);
        }
        let local = match &connection.open {
            Some(open) => Some(open.clone()),
            None => self.local_open(),
        };
        let Some(local) = local else { return };
        // RFC 4271 §6.2: a recognized parameter that is malformed is sub-code 0.
        let malformed = || Notification::new(ErrorCode::OPEN, subcode::UNSPECIFIC);
        let checked = Open::parse(body)
            .map_err(|_| malformed())
            .and_then(|open| Negotiated::from_opens(&local, &open, &self.config.peer));
        match checked {
            Ok(negotiated) => {
                let identifier = negotiated.peer_identifier;
                self.side_mut(side).negotiated = Some(alloc::boxed::Box::new(negotiated));
                if self.survives_collision(now, side, identifier) {
                    let event = if delayed { SessionEvent::BgpOpenDelayed } else { SessionEvent::BgpOpen };
                    self.fire(now, side, event, cause);
                }
            }
            Err(error) => {
                cause.hopeless = is_hopeless(&error);
                cause.error = Some(error);
                self.fire(now, side, SessionEvent::BgpOpenMsgErr, cause);
            }
        }
    }

    /// Collision detection (RFC 4271 §6.8) at a valid OPEN on `side`: closes one connection if the other one is far enough,
    /// and tells whether `side` goes on.
    fn survives_collision(&mut self, now: Instant, side: Side, peer: Ipv4Addr) -> bool {
        let loser = match self.side(other(side)).state {
            // An established session is not given up, unless by the same simultaneous open.
            State::Established if !self.side(side).rival => side,
            State::Established | State::OpenConfirm if self.preserved_side(peer) == side => other(side),
            State::Established | State::OpenConfirm => side,
            _ => return true,
        };
        self.fire(now, loser, SessionEvent::OpenCollisionDump, Cause::default());
        loser != side
    }

    /// The connection that the speaker with the higher identifier opened; of two equal ones, with the higher AS number
    /// (RFC 6286 §2.3).
    fn preserved_side(&self, peer: Ipv4Addr) -> Side {
        let local = &self.config.local;
        if (local.router_id, local.asn) > (peer, self.config.peer.remote_as) { Side::Outgoing } else { Side::Incoming }
    }

    fn notification_received(&mut self, now: Instant, side: Side, notification: Notification, mut cause: Cause) {
        let is = |code, sub| (notification.code, notification.subcode) == (code, sub);
        let event = if is(ErrorCode::OPEN, subcode::open::UNSUPPORTED_VERSION_NUMBER) {
            SessionEvent::NotifMsgVerErr
        } else {
            SessionEvent::NotifMsg
        };
        // RFC 5492 §3: a peer that knows no capabilities gets an OPEN without, where that leaves us a family.
        let unicast = self.config.peer.families.iter().any(|f| f.family == Family::IPV4_UNICAST);
        if is(ErrorCode::OPEN, subcode::open::UNSUPPORTED_OPTIONAL_PARAMETER) && unicast {
            self.without_capabilities = true;
        }
        cause.hopeless = is_hopeless(&notification);
        cause.received = Some(notification);
        self.fire(now, side, event, cause);
    }

    /// RFC 2918 §4, RFC 5291 §6, RFC 7313 §5.
    fn refresh_received(&mut self, now: Instant, side: Side, message: &[u8], body: &[u8]) {
        let mut cause = Cause::message(MessageType::ROUTE_REFRESH);
        let Some(negotiated) = self.side(side).negotiated.as_ref() else {
            return self.fire(now, side, SessionEvent::RouteRefreshMsg, cause);
        };
        let enhanced = negotiated.enhanced_route_refresh;
        let marks = matches!(body.get(2), Some(1 | 2));
        if enhanced && marks && body.len() != RouteRefresh::LEN {
            let sub = subcode::route_refresh::INVALID_MESSAGE_LENGTH;
            cause.error = Some(Notification::with_data(ErrorCode::ROUTE_REFRESH, sub, message));
            return self.fire(now, side, SessionEvent::BgpHeaderErr, cause);
        }
        let Ok(mut refresh) = RouteRefresh::parse(body) else {
            let len = message.get(Header::MARKER.len()..Header::LEN - 1).unwrap_or_default();
            let sub = subcode::header::BAD_MESSAGE_LENGTH;
            cause.error = Some(Notification::with_data(ErrorCode::MESSAGE_HEADER, sub, len));
            return self.fire(now, side, SessionEvent::BgpHeaderErr, cause);
        };
        if !enhanced {
            // The octet is reserved then, and ignored.
            refresh.subtype = RefreshSubtype::REQUEST;
        }
        let known = refresh.subtype.0 <= 2 && negotiated.families.contains(&refresh.family);
        if known && !refresh.is_deferred() {
            cause.output = Some(Output::Refresh(refresh));
        }
        self.fire(now, side, SessionEvent::RouteRefreshMsg, cause);
    }
}

/// Whether an early new attempt has no prospect, so that the next one waits as long as it may (RFC 4486 §4, RFC 5492 §3).
fn is_hopeless(notification: &Notification) -> bool {
    let (code, sub, _) = notification.reason();
    match code {
        ErrorCode::CEASE => matches!(
            sub,
            subcode::cease::ADMINISTRATIVE_SHUTDOWN
                | subcode::cease::PEER_DECONFIGURED
                | subcode::cease::CONNECTION_REJECTED
                | subcode::cease::OUT_OF_RESOURCES
        ),
        ErrorCode::OPEN => sub == subcode::open::UNSUPPORTED_CAPABILITY,
        _ => false,
    }
}
