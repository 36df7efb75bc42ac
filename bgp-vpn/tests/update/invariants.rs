//! What holds of every UPDATE, however malformed; shared with the fuzz targets.

use bgp_vpn::attr::Attributes;
use bgp_vpn::message::{FaultAction, Update};
use bgp_vpn::session::Negotiated;

/// The invariants of every UPDATE, however malformed.
pub fn consistent(name: &str, body: &[u8], negotiated: &Negotiated) {
    let update = match Update::parse(body, negotiated) {
        Ok(update) => update,
        Err(error) => {
            assert_eq!((error.notification.code.0, error.notification.subcode), (3, 1), "{name}");
            assert!(error.malformed.offset <= body.len());
            return;
        }
    };
    let worst = update.faults().iter().map(|fault| fault.action).max();
    assert_eq!(worst, update.action(), "{name}");
    assert_eq!(update.notification().is_some(), worst == Some(FaultAction::SessionReset), "{name}");
    for fault in update.faults() {
        assert!(fault.malformed.offset <= body.len(), "{name}");
    }
    let mut out = Vec::new();
    update.emit(&mut out);
    assert_eq!(out.len(), body.len(), "{name}");
    let again = Update::parse(&out, negotiated).unwrap();
    assert_eq!(again.action(), update.action(), "{name}");
    let mut canonical = Vec::new();
    update.attributes().emit_canonical(&mut canonical);
    // The canonical form is a fixed point.
    let (attributes, mut twice) = (Attributes::of_canonical(&canonical), Vec::new());
    attributes.emit_canonical(&mut twice);
    assert_eq!(canonical, twice, "{name}");
    if update.check_nlri().is_ok() {
        assert!(again.check_nlri().is_ok(), "{name}");
        let mut twice = Vec::new();
        again.emit(&mut twice);
        assert_eq!(out, twice, "{name}");
    }
}
