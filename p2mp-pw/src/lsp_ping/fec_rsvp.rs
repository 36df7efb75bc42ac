//! LSPs of RSVP-TE in the Target FEC Stack (RFC 8029 §3.2.3, §3.2.4; RFC 6425 §3.1.1).

use fwd_core::codec::{self, BufMut, Take};

use crate::wire_address::WireAddress;

/// An RSVP-TE LSP between two nodes (RFC 8029 §3.2.3, §3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RsvpLsp<A> {
    /// The tunnel's end.
    pub endpoint: A,
    /// The tunnel.
    pub tunnel_id: u16,
    /// The extended tunnel identifier.
    pub extended_tunnel_id: A,
    /// The tunnel's start.
    pub sender: A,
    /// The LSP of the tunnel.
    pub lsp_id: u16,
}

/// An RSVP-TE P2MP LSP (RFC 6425 §3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RsvpP2mpLsp<A> {
    /// The P2MP identifier.
    pub p2mp_id: u32,
    /// The tunnel.
    pub tunnel_id: u16,
    /// The extended tunnel identifier.
    pub extended_tunnel_id: A,
    /// The tunnel's start.
    pub sender: A,
    /// The LSP of the tunnel.
    pub lsp_id: u16,
}

impl<A: WireAddress> RsvpLsp<A> {
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, endpoint) = A::take(i, "tunnel endpoint")?;
        let (i, _zero) = codec::be_u16(i, "must be zero")?;
        let (i, tunnel_id) = codec::be_u16(i, "tunnel id")?;
        let (i, extended_tunnel_id) = A::take(i, "extended tunnel id")?;
        let (i, sender) = A::take(i, "tunnel sender")?;
        let (i, _zero) = codec::be_u16(i, "must be zero")?;
        let (i, lsp_id) = codec::be_u16(i, "lsp id")?;
        Ok((i, Self { endpoint, tunnel_id, extended_tunnel_id, sender, lsp_id }))
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.endpoint.emit(out);
        out.put_u32(self.tunnel_id.into());
        self.extended_tunnel_id.emit(out);
        self.sender.emit(out);
        out.put_u32(self.lsp_id.into());
    }
}

impl<A: WireAddress> RsvpP2mpLsp<A> {
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, p2mp_id) = codec::be_u32(i, "p2mp id")?;
        let (i, _zero) = codec::be_u16(i, "must be zero")?;
        let (i, tunnel_id) = codec::be_u16(i, "tunnel id")?;
        let (i, extended_tunnel_id) = A::take(i, "extended tunnel id")?;
        let (i, sender) = A::take(i, "tunnel sender")?;
        let (i, _zero) = codec::be_u16(i, "must be zero")?;
        let (i, lsp_id) = codec::be_u16(i, "lsp id")?;
        Ok((i, Self { p2mp_id, tunnel_id, extended_tunnel_id, sender, lsp_id }))
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.p2mp_id);
        out.put_u32(self.tunnel_id.into());
        self.extended_tunnel_id.emit(out);
        self.sender.emit(out);
        out.put_u32(self.lsp_id.into());
    }
}
