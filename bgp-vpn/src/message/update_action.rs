//! What a malformed UPDATE costs (RFC 7606 §2).

/// What to do about a fault in an UPDATE, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultAction {
    /// Drop the attribute and go on.
    AttributeDiscard,
    /// Treat every route of the UPDATE as withdrawn.
    TreatAsWithdraw,
    /// Stop using this address family on the session.
    DisableFamily,
    /// Send a NOTIFICATION and close the session.
    SessionReset,
}
