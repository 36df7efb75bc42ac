//! Handles that control and forwarding plane agree on.

use core::fmt;

/// An interface of this router, as the embedder numbers them. An attachment circuit is an interface bound to a VRF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IfIndex(pub u32);

/// A VRF of this router. `VrfId::GLOBAL` (0) is the global routing table; VPNs count from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct VrfId(pub u16);

impl VrfId {
    /// The global (provider) routing table.
    pub const GLOBAL: Self = Self(0);
}

/// A next hop label forwarding entry (RFC 3031 §3.10) of this router, numbered by the control plane that owns it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct NhlfeId(pub u32);

impl fmt::Display for IfIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "if{}", self.0)
    }
}

impl fmt::Display for VrfId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vrf{}", self.0)
    }
}

impl fmt::Display for NhlfeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nhlfe{}", self.0)
    }
}
