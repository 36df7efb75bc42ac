//! Defects of a pseudowire and of its Ethernet attachment circuit, and who is told of them (RFC 6310 §6, RFC 7023 §4–§6), as pure
//! functions over what is known: no state is kept, so none is stale.

use crate::bfd::Diag;
use crate::ldp::PwStatus;

/// What is known of the pseudowire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PwInputs {
    /// What the peer reports.
    pub remote: PwStatus,
    /// VCCV, or the tunnel, found that nothing arrives.
    pub connectivity_lost: bool,
    /// The tunnel towards the peer is gone, and the peer did not say so.
    pub transmit_lost: bool,
    /// The LDP session is gone.
    pub control_lost: bool,
}

/// What is known of the attachment circuit (RFC 7023 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcInputs {
    /// Loss of signal, or a link event that says that nothing arrives.
    pub link_receive_fault: bool,
    /// A link event that says that nothing leaves.
    pub link_transmit_fault: bool,
    /// AIS comes from the customer.
    pub ais: bool,
    /// The customer's continuity checks are missing or wrong.
    pub continuity_lost: bool,
    /// The customer's interface status is down.
    pub interface_down: bool,
    /// The customer's continuity checks have the RDI bit.
    pub rdi: bool,
}

/// A pair of defects (RFC 6310 §6.2, §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Defects {
    /// Nothing is received.
    pub receive: bool,
    /// Nothing that is sent arrives.
    pub transmit: bool,
}

/// How faults are told to the customer (RFC 7023 §6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcConfig {
    /// A Down MEP at the circuit; else none.
    pub mep: Option<Ccm>,
    /// E-LMI tells faults.
    pub elmi: bool,
}

/// Continuity checks of a MEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ccm {
    /// Not sent: AIS instead.
    Off,
    /// Sent, without an interface status.
    Plain,
    /// Sent, with an interface status.
    InterfaceStatus,
}

/// What the customer is told, as long as things are as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcIndication {
    /// Send AIS.
    pub ais: bool,
    /// Send no continuity checks, though they are on.
    pub stop_ccm: bool,
    /// Continuity checks say that the interface is down.
    pub interface_down: bool,
    /// Continuity checks have the RDI bit.
    pub rdi: bool,
    /// E-LMI: the virtual connection is not active.
    pub not_active: bool,
}

/// The whole picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Defects of the pseudowire: one at a time, receive wins.
    pub pw: Defects,
    /// Defects of the circuit.
    pub ac: Defects,
    /// What the customer is told.
    pub indication: AcIndication,
    /// What the peer is told, by LDP.
    pub status: PwStatus,
    /// What the peer is told by BFD, where it carries the status (CV types 0x08, 0x20).
    pub diag: Diag,
}

/// A forward defect indication: nothing comes from there.
const FORWARD: PwStatus =
    PwStatus::NOT_FORWARDING.union(PwStatus::AC_RECEIVE_FAULT).union(PwStatus::PSN_TRANSMIT_FAULT);
/// A reverse defect indication: nothing arrives there.
const REVERSE: PwStatus = PwStatus::AC_TRANSMIT_FAULT.union(PwStatus::PSN_RECEIVE_FAULT);

/// Defects of a pseudowire (RFC 7023 §4.4).
#[must_use]
pub const fn pw_defects(pw: &PwInputs) -> Defects {
    let receive = pw.remote.intersects(FORWARD) || pw.connectivity_lost || pw.control_lost;
    Defects { receive, transmit: !receive && (pw.remote.intersects(REVERSE) || pw.transmit_lost) }
}

/// Defects of an attachment circuit (RFC 7023 §5).
#[must_use]
pub const fn ac_defects(ac: &AcInputs) -> Defects {
    Defects {
        receive: ac.link_receive_fault || ac.ais || ac.continuity_lost || ac.interface_down,
        transmit: ac.link_transmit_fault || ac.rdi,
    }
}

/// Who is told what (RFC 7023 §6).
#[must_use]
pub fn map(config: AcConfig, pw: &PwInputs, ac: &AcInputs) -> Mapping {
    let (defects, circuit) = (pw_defects(pw), ac_defects(ac));
    let ccm_on = matches!(config.mep, Some(Ccm::Plain | Ccm::InterfaceStatus));
    let indication = AcIndication {
        ais: defects.receive && config.mep == Some(Ccm::Off),
        stop_ccm: defects.receive && config.mep == Some(Ccm::Plain),
        interface_down: defects.receive && config.mep == Some(Ccm::InterfaceStatus),
        // Of what the customer sends: it does not get through, or does not even come here.
        rdi: ccm_on && (defects.transmit || circuit.receive),
        not_active: config.elmi && (defects.receive || defects.transmit),
    };
    let mut status = PwStatus::empty();
    // Who reported a defect knows of it, and so does who lost the session (RFC 7023 §6.1, §6.3).
    status.set(PwStatus::PSN_RECEIVE_FAULT, pw.connectivity_lost);
    status.set(PwStatus::PSN_TRANSMIT_FAULT, pw.transmit_lost);
    status.set(PwStatus::AC_RECEIVE_FAULT, circuit.receive);
    status.set(PwStatus::AC_TRANSMIT_FAULT, circuit.transmit);
    // Of a forward and a reverse defect the forward one is told: BFD has room for one.
    let diag = if status.intersects(FORWARD) {
        Diag::CONCATENATED_PATH_DOWN
    } else if status.contains(PwStatus::AC_TRANSMIT_FAULT) {
        Diag::REVERSE_CONCATENATED_PATH_DOWN
    } else {
        // That nothing is received is what BFD itself says.
        Diag::NONE
    };
    Mapping { pw: defects, ac: circuit, indication, status, diag }
}

/// What a peer's diagnostic says of it, where BFD carries the status (RFC 7023 §4.3).
#[must_use]
pub const fn status_of(diag: Diag) -> PwStatus {
    match diag {
        Diag::CONCATENATED_PATH_DOWN => PwStatus::AC_RECEIVE_FAULT,
        Diag::REVERSE_CONCATENATED_PATH_DOWN => PwStatus::AC_TRANSMIT_FAULT,
        Diag::DETECTION_TIME_EXPIRED | Diag::NEIGHBOR_SIGNALED_DOWN => PwStatus::PSN_RECEIVE_FAULT,
        _ => PwStatus::empty(),
    }
}

/// What the root of a P2MP pseudowire takes for its peer's report: a reverse defect only if every leaf has one, so that one leaf takes
/// nobody else down; nothing comes from leaves, so nothing forward.
#[must_use]
pub fn of_leaves(reports: impl IntoIterator<Item = PwStatus>) -> PwStatus {
    let mut reports = reports.into_iter();
    let Some(first) = reports.next() else { return PwStatus::empty() };
    let bad = |status: PwStatus| !status.is_up();
    if bad(first) && reports.all(bad) { PwStatus::PSN_RECEIVE_FAULT } else { PwStatus::empty() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(remote: PwStatus) -> PwInputs {
        PwInputs { remote, ..PwInputs::default() }
    }

    /// RFC 7023 §4.4: entry of both states, receive first.
    #[test]
    fn pw_defects_by_cause() {
        let (receive, transmit) =
            (Defects { receive: true, transmit: false }, Defects { receive: false, transmit: true });
        for bit in [PwStatus::AC_RECEIVE_FAULT, PwStatus::PSN_TRANSMIT_FAULT, PwStatus::NOT_FORWARDING] {
            assert_eq!(pw_defects(&remote(bit)), receive);
            assert_eq!(pw_defects(&remote(bit | PwStatus::AC_TRANSMIT_FAULT)), receive);
        }
        for bit in [PwStatus::AC_TRANSMIT_FAULT, PwStatus::PSN_RECEIVE_FAULT] {
            assert_eq!(pw_defects(&remote(bit)), transmit);
            assert_eq!(pw_defects(&PwInputs { connectivity_lost: true, ..remote(bit) }), receive);
        }
        assert_eq!(pw_defects(&PwInputs { control_lost: true, ..PwInputs::default() }), receive);
        assert_eq!(pw_defects(&remote(PwStatus::STANDBY)), Defects::default());
    }

    /// RFC 7023 §6.1 to §6.4: each way of telling the customer, and that the peer is told of what it cannot know.
    #[test]
    fn the_customer_is_told_as_configured() {
        let fdi = remote(PwStatus::AC_RECEIVE_FAULT);
        let told = |mep, elmi| map(AcConfig { mep, elmi }, &fdi, &AcInputs::default()).indication;
        let nothing = AcIndication::default();
        assert_eq!(told(None, false), nothing);
        assert_eq!(told(Some(Ccm::Off), false), AcIndication { ais: true, ..nothing });
        assert_eq!(told(Some(Ccm::Plain), false), AcIndication { stop_ccm: true, ..nothing });
        assert_eq!(told(Some(Ccm::InterfaceStatus), false), AcIndication { interface_down: true, ..nothing });
        assert_eq!(told(None, true), AcIndication { not_active: true, ..nothing });
        let config = AcConfig { mep: Some(Ccm::Plain), elmi: false };
        let rdi = map(config, &remote(PwStatus::PSN_RECEIVE_FAULT), &AcInputs::default());
        assert_eq!(rdi.indication, AcIndication { rdi: true, ..nothing });
        assert_eq!(rdi.status, PwStatus::empty(), "the peer knows");
        let lost = PwInputs { connectivity_lost: true, ..PwInputs::default() };
        assert_eq!(map(config, &lost, &AcInputs::default()).status, PwStatus::PSN_RECEIVE_FAULT);
        let control = PwInputs { control_lost: true, ..PwInputs::default() };
        assert_eq!(map(config, &control, &AcInputs::default()).status, PwStatus::empty());
    }

    /// RFC 7023 §6.5 to §6.8: from one circuit through both ends to the other, by LDP and by BFD.
    #[test]
    fn a_fault_of_a_circuit_reaches_the_other_customer() {
        let config = AcConfig { mep: Some(Ccm::Off), elmi: false };
        let causes = [
            AcInputs { link_receive_fault: true, ..AcInputs::default() },
            AcInputs { ais: true, ..AcInputs::default() },
            AcInputs { continuity_lost: true, ..AcInputs::default() },
            AcInputs { interface_down: true, ..AcInputs::default() },
        ];
        for ac in causes {
            let near = map(config, &PwInputs::default(), &ac);
            assert_eq!((near.status, near.diag), (PwStatus::AC_RECEIVE_FAULT, Diag::CONCATENATED_PATH_DOWN));
            for report in [near.status, status_of(near.diag)] {
                let far = map(config, &remote(report), &AcInputs::default());
                assert!(far.pw.receive && far.indication.ais);
            }
        }
        for ac in [
            AcInputs { rdi: true, ..AcInputs::default() },
            AcInputs { link_transmit_fault: true, ..AcInputs::default() },
        ] {
            let near = map(config, &PwInputs::default(), &ac);
            assert_eq!((near.status, near.diag), (PwStatus::AC_TRANSMIT_FAULT, Diag::REVERSE_CONCATENATED_PATH_DOWN));
            let config = AcConfig { mep: Some(Ccm::Plain), elmi: false };
            let far = map(config, &remote(status_of(near.diag)), &AcInputs::default());
            assert!(far.pw.transmit && far.indication.rdi && !far.indication.stop_ccm);
        }
    }

    #[test]
    fn one_leaf_takes_no_other_down() {
        let (up, down) = (PwStatus::empty(), PwStatus::PSN_RECEIVE_FAULT);
        assert_eq!(of_leaves([down, up, down]), up);
        assert_eq!(of_leaves([down, PwStatus::AC_TRANSMIT_FAULT]), PwStatus::PSN_RECEIVE_FAULT);
        assert_eq!(of_leaves([]), up);
    }
}
