//! `ietf-msdp` (RFC 8916 §3): the peers of an [`MsdpSpeaker`] and its cache. What an embedder knows alone (interfaces, keys, descriptions, AS
//! numbers, filters by name) has no leaf; nor is there a hold-down.

use fwd_core::time::Instant;
use fwd_core::yang::{Node, Tree, Value, count, left, text};

use super::fsm::PeerState;
use super::speaker::{MsdpSpeaker, Peer, Timer, TlvCounts};

/// Where a protocol of RFC 8349 is; its names are keys.
const MSDP: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol/ietf-msdp:msdp";

fn elapsed(now: Instant, since: Instant) -> Value {
    Value::Unsigned((now - since).as_secs())
}

impl MsdpSpeaker {
    /// Writes the speaker as the protocol of this name.
    pub fn write_yang(&self, now: Instant, name: &str, tree: &mut Tree) {
        let mut root = tree.root(MSDP);
        root.key(name);
        root.leaf("global/sa-limit", count(self.config.limits.cache));
        for (address, peer) in &self.peers {
            let mut entry = root.entry("peers/peer", &[("address", text(address))]);
            self.peer(now, peer, &mut entry);
        }
        // An entry of the model has all that is said of one source; of several RPs the first came from the least.
        for (key, cached) in &self.cache {
            let keys = [("group", text(key.entry.group)), ("source-addr", text(key.entry.source))];
            let mut entry = root.entry("sa-cache/entry", &keys);
            let expires = left(now, self.timers.get(Timer::SaState(*key)));
            let mut rp = entry.entry("origin-rp", &[("rp-address", text(key.rp))]);
            rp.leaf("is-local-rp", false);
            rp.leaf("sa-adv-expire", expires.clone());
            let mut state = entry.at("state-attributes");
            state.leaf("up-time", elapsed(now, cached.since));
            state.leaf("expire", expires);
            state.leaf("peer-learned-from", text(cached.from));
            state.option("rpf-peer", self.rpf.get(&key.rp).copied().flatten().flatten().map(text));
        }
        for key in &self.own {
            let keys = [("group", text(key.entry.group)), ("source-addr", text(key.entry.source))];
            let mut entry = root.entry("sa-cache/entry", &keys);
            let mut rp = entry.entry("origin-rp", &[("rp-address", text(key.rp))]);
            rp.leaf("is-local-rp", key.rp == self.config.originator);
        }
    }

    fn peer(&self, now: Instant, peer: &Peer, node: &mut Node<'_>) {
        let address = peer.config.address;
        node.leaf("enabled", true);
        node.option("mesh-group", peer.config.mesh_group.map(text));
        node.leaf("sa-limit", count(self.config.limits.per_peer));
        let timers = &self.config.timers;
        node.leaf("timer/connect-retry-interval", timers.connect_retry.as_secs());
        node.leaf("timer/holdtime-interval", timers.hold.as_secs());
        node.leaf("timer/keepalive-interval", timers.keepalive.as_secs());
        node.leaf(
            "session-state",
            text(match peer.state {
                PeerState::Disabled => "disabled",
                PeerState::Inactive => "inactive",
                PeerState::Connecting => "connecting",
                PeerState::Listen => "listen",
                PeerState::Established => "established",
            }),
        );
        node.leaf("elapsed-time", elapsed(now, peer.counts.changed));
        for (leaf, timer) in [
            ("connect-retry-expire", Timer::ConnectRetry(address)),
            ("hold-expire", Timer::Hold(address)),
            ("keepalive-expire", Timer::KeepAlive(address)),
        ] {
            node.option(leaf, self.timers.get(timer).map(|at| left(now, Some(at))));
        }
        node.leaf("is-default-peer", peer.config.static_rpf);
        node.leaf("reset-count", peer.counts.resets);
        let mut statistics = node.at("statistics");
        statistics.leaf("error/rpf-failure", peer.counts.rpf_failures);
        statistics.leaf("queue/size-out", count(peer.pending.len().saturating_add(peer.data.len())));
        for (direction, counts) in [("received", peer.counts.received), ("sent", peer.counts.sent)] {
            let TlvCounts { keepalives, source_actives, requests, responses, total } = counts;
            let mut below = statistics.at(direction);
            below.leaf("keepalive", keepalives);
            below.leaf("sa-message", source_actives);
            below.leaf("sa-request", requests);
            below.leaf("sa-response", responses);
            below.leaf("total", total);
        }
    }
}
