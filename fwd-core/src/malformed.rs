//! What is wrong with octets that came from elsewhere: where, in which field, and why.

use core::fmt;

/// A fault in received octets.
///
/// What to do about it is not the parser's business: each protocol has one table of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Malformed {
    /// Octets from the start of the parsed input to the faulty field.
    pub offset: usize,
    /// The field's name, as in the RFC's figure.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// The kind of a [`Malformed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The input ends inside the field.
    Truncated,
    /// A length field, or the length of a list, has this impossible value.
    Length(usize),
    /// The field has this value, which is not allowed here.
    Value(u32),
    /// So many octets follow the last field.
    Trailing(usize),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}: ", self.field, self.offset)?;
        match self.fault {
            Fault::Truncated => f.write_str("truncated"),
            Fault::Length(n) => write!(f, "impossible length {n}"),
            Fault::Value(v) => write!(f, "value {v:#x} not allowed"),
            Fault::Trailing(n) => write!(f, "{n} octets too many"),
        }
    }
}

impl core::error::Error for Malformed {}
