//! Another kind of tunnel for S-PMSIs in service: each is announced anew with a tunnel of that kind (RFC 6514 §12.1), and its flows move there
//! after the switch-over delay (RFC 6513 §7.1.1).

use alloc::vec::Vec;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;

use super::fsm::{Action, State};
use super::policy::Move;
use crate::mvrf::config::{MvpnConfigError, MvrfConfig, TunnelKind};
use crate::mvrf::instance::{Mvrf, SPmsiOut};
use crate::mvrf::machine::MvpnPe;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::Shared;

impl MvpnPe {
    /// Changes the kind of tunnels of an MVRF's S-PMSIs while it runs; flows that have one move to a tunnel of the new kind without a loss. The
    /// S-PMSIs of bidirectional groups keep what they have.
    ///
    /// # Errors
    /// An unknown VRF, or a kind that does not fit the rest of its configuration.
    pub fn set_selective(&mut self, now: Instant, vrf: VrfId, kind: TunnelKind) -> Result<(), MvpnConfigError> {
        let m = self.mvrfs.get_mut(&vrf).ok_or(MvpnConfigError::Vrf)?;
        let config = MvrfConfig { selective: kind, ..m.config.clone() };
        config.check(&self.shared.config)?;
        self.shared.clock = self.shared.clock.max(now);
        m.config = config;
        m.exchange_all(&mut self.shared, now);
        Ok(())
    }
}

impl Mvrf {
    fn exchange_all(&mut self, shared: &mut Shared, now: Instant) {
        let flows: Vec<SFlow> = self.s_out.keys().copied().collect();
        flows.into_iter().for_each(|flow| self.exchange(shared, now, flow));
    }

    /// Another tunnel for an S-PMSI, if it has one of another kind than it should.
    fn exchange(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        let Some(out) = self.s_out.get(&flow).filter(|out| out.state != State::Returning) else { return };
        let kind = self.kind_for(flow);
        let (state, old, before) = (out.state, out.tree, out.before);
        if shared.roots.get(&old).is_none_or(|root| root.kind == kind) {
            return;
        }
        let Some(tree) = self.choose_tree(shared, now, flow) else {
            // It keeps what it has.
            self.waiting.remove(&flow);
            return;
        };
        if let Some(out) = self.s_out.get_mut(&flow) {
            out.tree = tree;
            if state.carries() {
                out.before = before.or(Some(old));
            }
        }
        if before.is_some() || !state.carries() {
            self.release_tree(shared, now, flow, old);
        }
        self.attach_known_leaves(shared, now, flow);
        self.act(shared, now, flow, Action::Announce, None);
        self.act(shared, now, flow, Action::StartDelay, None);
    }

    /// The delay is over: flows take the new tunnel.
    pub(super) fn exchanged(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        if self.is_too_small(shared, flow) {
            return self.fail_small(shared, now, flow);
        }
        if self.has_no_branch(shared, flow) {
            return self.fail_unborn(shared, now, flow);
        }
        let Some(out) = self.s_out.get_mut(&flow) else { return };
        let Some(before) = out.before.take() else { return };
        let why = Move::Wanted(out.reason);
        self.s_pmsi_changed_at = Some(now);
        self.act(shared, now, flow, Action::Bind, None);
        self.count_move(flow);
        self.moved(shared, flow, Some(before), why);
        self.release_tree(shared, now, flow, before);
    }

    /// Takes down what an S-PMSI that ended had.
    pub(super) fn release_trees(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, out: &SPmsiOut) {
        for tree in [Some(out.tree), out.before].into_iter().flatten() {
            self.release_tree(shared, now, flow, tree);
        }
    }
}
