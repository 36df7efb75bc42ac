use fwd_core::op::FwdOp;

/// Octets as a `FwdOp`: no panic, and what parses is emitted as it came.
pub fn parse_fwd_op(data: &[u8]) {
    let Some(octets) = data.first_chunk::<{ FwdOp::LEN }>() else { return };
    match FwdOp::parse(octets) {
        Ok(op) => assert_eq!(op.emit(), *octets),
        Err(malformed) => assert!(malformed.offset < FwdOp::LEN),
    }
}
