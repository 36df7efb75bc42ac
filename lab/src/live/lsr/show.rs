//! What an operator sees.

use fwd_core::net::IpPrefix;
use serde_json::{Value, json};

use super::router::Router;

impl Router<'_> {
    /// Adjacencies, sessions, pseudowires, BFD.
    #[must_use]
    pub fn show(&self) -> Value {
        let mut peers: Vec<_> = self.speaker.discovery().adjacencies().map(|a| a.id.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        let adjacency = |a: &p2mp_pw::ldp::discovery::Adjacency| {
            json!({"peer": a.id.peer.lsr, "target": format!("{:?}", a.id.target), "source": a.source,
                "transport": a.transport})
        };
        let session = |peer: &p2mp_pw::ldp::LdpId| {
            let state = self.speaker.session_state(*peer).map(|state| format!("{state:?}"));
            json!({"peer": peer.lsr, "state": state, "labels": self.speaker.lde().labels_of(*peer)})
        };
        json!({
            "reply": "show",
            "adjacencies": self.speaker.discovery().adjacencies().map(adjacency).collect::<Vec<_>>(),
            "sessions": peers.iter().map(session).collect::<Vec<_>>(),
            "lsps": self.lsps.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "pseudowires": self.pseudowires(),
            "bfd": self.watch.show(),
            "refused": self.refused,
            "unsent": self.unsent(),
        })
    }

    fn pseudowires(&self) -> Value {
        let one = |(pw, number): &(p2mp_pw::pw::PwIndex, u32)| {
            json!({
                "id": number,
                "up": self.pws.is_up(*pw),
                "local-label": self.pws.local_label(*pw).map(|label| label.value()),
                "remote-status": self.pws.remote_status(*pw).map(|status| status.bits()),
                "mismatch": self.pws.mismatch(*pw).map(|why| format!("{why:?}")),
                "control-word": self.pws.forwarding(*pw).map(|f| f.control_word),
            })
        };
        self.pw_numbers.iter().map(one).collect()
    }

    /// The labels of a prefix.
    #[must_use]
    pub fn fec(&self, prefix: IpPrefix) -> Value {
        let lde = self.speaker.lde();
        let of = |a: &p2mp_pw::ldp::discovery::Adjacency| {
            Some((a.id.peer.lsr.to_string(), lde.remote_label(a.id.peer, prefix)?.value()))
        };
        let remote: std::collections::BTreeMap<String, u32> =
            self.speaker.discovery().adjacencies().filter_map(of).collect();
        json!({
            "reply": "fec",
            "prefix": prefix.to_string(),
            "local": lde.local_label(prefix).map(|label| label.value()),
            "remote": remote,
            "lsp": lde.lsp(prefix).is_some(),
        })
    }
}
