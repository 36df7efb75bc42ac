//! Two PEs of one VPLS in one process: the loop that an embedder writes around each machine.
//!
//! Routes are handed from one to the other as values; frames of customers would go through a `Forwarder` that takes the `FwdOp`s.

use std::net::IpAddr;
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, NhlfeId, VsiId};
use fwd_core::op::{NextHop, Tags};
use fwd_core::time::Instant;
use vpls::oam::PwState;
use vpls::{CircuitConfig, ConfigError, Input, Output, PeConfig, VeConfig, VplsPe, VsiConfig};

const VSI: VsiId = VsiId(1);

fn pe(now: Instant, n: u8) -> Result<VplsPe, ConfigError> {
    let mut pe = VplsPe::new(now, PeConfig::new([192, 0, 2, n].into()))?;
    let rd = RouteDistinguisher::two_octet_as(65000, n.into());
    let config = VsiConfig::new(VSI, rd).with_target(RouteTarget::two_octet_as(65000, 1));
    pe.add_vsi(now, VsiConfig { ve: Some(VeConfig::new(n.into())), ..config })?;
    pe.add_circuit(now, VSI, CircuitConfig::new(IfIndex(3), Tags::Any))?;
    Ok(pe)
}

/// Carries the outputs of a machine: routes to the other, ops to a forwarding plane, the rest to whom it concerns.
fn carry(now: Instant, from: &mut VplsPe, to: &mut VplsPe, ops: &mut usize) {
    while let Some(output) = from.poll_output() {
        match output {
            Output::Program(_) => *ops += 1,
            Output::Advertise(nlri, attributes) => {
                to.handle_input(now, Input::Route { nlri, attributes: Some(attributes) });
            }
            Output::Withdraw(_, nlri) => to.handle_input(now, Input::Route { nlri, attributes: None }),
            Output::Fault(notice) => println!("{notice:?}"),
            Output::Event(event) => println!("{event:?}"),
            Output::Pw(_) | Output::MacWithdraw(_) | Output::Tree(_) | Output::Frame { .. } => {}
            // Of probes, which are off here.
            Output::Trace(_) | Output::Channel { .. } | Output::Probe(_) => {}
        }
    }
}

fn main() -> Result<(), ConfigError> {
    let mut now = Instant::ZERO;
    let (mut one, mut two) = (pe(now, 1)?, pe(now, 2)?);
    let (mut ops_one, mut ops_two) = (0, 0);
    // The LSPs between the PEs, which something else set up.
    let way = |n: u8| (IpAddr::from([192, 0, 2, n]), Some(NextHop::Nhlfe(NhlfeId(500_000))));
    for (pe, (peer, next)) in [(&mut one, way(2)), (&mut two, way(1))] {
        pe.handle_input(now, Input::Transport { peer, next, mtu: 9000 });
    }
    for _ in 0..10 {
        carry(now, &mut one, &mut two, &mut ops_one);
        carry(now, &mut two, &mut one, &mut ops_two);
        let Some(next) = [one.next_timeout(), two.next_timeout()].into_iter().flatten().min() else { break };
        now = next.max(now + Duration::from_millis(1));
        one.handle_timeout(now);
        two.handle_timeout(now);
    }
    for (id, state, port) in one.pseudowires(VSI) {
        println!("{} {:?} at {port}: {state:?}", id.peer, id.service);
        assert_eq!(state, PwState::Up);
    }
    assert_eq!(one.pseudowires(VSI).count(), 1);
    println!("{ops_one} and {ops_two} changes of the forwarding planes");
    println!("{}", one.explain_text(VSI));
    Ok(())
}
