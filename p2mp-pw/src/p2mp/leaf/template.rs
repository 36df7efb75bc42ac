//! Pseudowires that a leaf takes without being told of each (RFC 7338 §3.3): the root alone says which there are.
//!
//! RFC 8338 §3 has the same FEC configured at both ends. A template stands for many: an offer that nothing is configured for and that a
//! template matches becomes a pseudowire, whose circuit is the VLAN with the number of the root's attachment circuit (RFC 5003 §3.2) on the
//! template's interface. It goes when no root offers it any more. Without templates such offers are retained only.

use alloc::vec;
use core::net::Ipv4Addr;

use fwd_core::net::{IfIndex, VlanId, VsiId};
use fwd_core::op::Tags;
use fwd_core::time::Instant;

use super::super::config::{Circuit, PwId, Sai, Service, VsiRange};
use super::io::{Event, LeafError, LeafPwConfig, Output};
use super::machine::Leaf;
use crate::ldp::fec::Attachment;
use crate::ldp::neighbour::Pool;

/// What pseudowires of roots are taken, and where they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateConfig {
    /// The attachment group of their names.
    pub agi: Attachment,
    /// Global identifier and prefix of their source attachment identifiers; `None`: any root's.
    pub root: Option<(u32, Ipv4Addr)>,
    /// What the root has to offer.
    pub service: Service,
    /// Instances: one for each pseudowire; nobody else's.
    pub vsis: VsiRange,
    /// The interface of their circuits.
    pub iface: IfIndex,
}

impl TemplateConfig {
    /// The circuit of a pseudowire; `None`: the template is not for it.
    fn circuit(&self, sai: &Sai) -> Option<Circuit> {
        let (global_id, prefix, circuit) = sai.saii.as_aggregatable()?;
        let is_of_root = self.root.is_none_or(|root| root == (global_id, prefix));
        let vlan = u16::try_from(circuit).ok().and_then(VlanId::new)?;
        let tags = Tags::Vlan(vlan);
        (is_of_root && self.agi == sai.agi).then_some(Circuit { iface: self.iface, tags })
    }
}

/// A template of this router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateId(pub u32);

#[derive(Debug)]
pub(super) struct Template {
    config: TemplateConfig,
    vsis: Pool,
}

impl Leaf {
    /// Adds a template; offers that are retained and match are taken at once.
    ///
    /// # Errors
    /// The block of instances is empty.
    pub fn add_template(&mut self, now: Instant, config: TemplateConfig) -> Result<TemplateId, LeafError> {
        if config.vsis.first > config.vsis.last {
            return Err(LeafError::Exhausted("vsis"));
        }
        let vsis = Pool::new(config.vsis.first.0.into(), config.vsis.last.0.into());
        let id = TemplateId(self.next_template);
        self.next_template = self.next_template.saturating_add(1);
        self.templates.insert(id, Template { config, vsis });
        let retained: vec::Vec<Sai> = self.retained().map(|(_, sai)| sai.clone()).collect();
        for sai in retained {
            self.instantiate(now, &sai);
        }
        Ok(id)
    }

    /// Removes a template with the pseudowires that it made.
    pub fn remove_template(&mut self, now: Instant, id: TemplateId) {
        let made = self.pws.iter().filter(|(_, pw)| pw.template == Some(id)).map(|(pw, _)| *pw);
        for pw in made.collect::<vec::Vec<_>>() {
            self.remove_pw(now, pw);
        }
        self.templates.remove(&id);
    }

    /// An offer that nothing is configured for: a template may be for it.
    pub(super) fn instantiate(&mut self, now: Instant, sai: &Sai) {
        if self.by_sai.contains_key(sai) {
            return;
        }
        let found = self.templates.iter_mut().find_map(|(id, t)| Some((*id, t.config.circuit(sai)?, t)));
        let Some((id, circuit, template)) = found else { return };
        let Some(vsi) = template.vsis.allocate() else {
            return self.outputs.push_back(Output::Event(Event::TemplateExhausted { template: id, sai: sai.clone() }));
        };
        let service = template.config.service.clone();
        let vsi_id = VsiId(u16::try_from(vsi).unwrap_or(u16::MAX));
        let config = LeafPwConfig::new(sai.clone(), service, vsi_id, vec![circuit]);
        match self.add(now, config, Some(id)) {
            Ok(pw) => self.outputs.push_back(Output::Event(Event::FromTemplate { template: id, pw, sai: sai.clone() })),
            Err(_) => {
                if let Some(template) = self.templates.get_mut(&id) {
                    template.vsis.release(vsi);
                }
                self.outputs.push_back(Output::Event(Event::TemplateExhausted { template: id, sai: sai.clone() }));
            }
        }
    }

    /// No root offers a pseudowire any more: one of a template goes.
    pub(super) fn expire(&mut self, now: Instant, id: PwId) {
        if self.pws.get(&id).is_some_and(|pw| pw.template.is_some()) {
            self.remove_pw(now, id);
        }
    }

    /// The instance of a pseudowire is its template's again.
    pub(super) fn give_back(&mut self, template: TemplateId, vsi: VsiId) {
        if let Some(template) = self.templates.get_mut(&template) {
            template.vsis.release(vsi.0.into());
        }
    }
}
