//! The ESP of Child SAs in user space (RFC 4303 §3): every installed pair opens packets, the newest seals them.

use std::io;

use fwd_core::wire::esp::{self, Context, EspNumbering, ReplayWindow};
use fwd_core::wire::{Esp, IpProtocol};
use ipsec_vlink::ike::crypto::rustcrypto::EspCipher;
use ipsec_vlink::ike::{ChildSa, ChildSaId, Mode, UdpEncapsulation};

/// A pair of ESP SAs in use.
struct Pair {
    child: ChildSa,
    outbound: EspCipher,
    inbound: EspCipher,
    numbering: EspNumbering,
    window: ReplayWindow<2>,
}

impl Pair {
    /// Whether packets of the pair may have such a payload: IP in tunnel mode, what the selectors say in transport mode (RFC 4301 §5.2).
    fn carries(&self, payload: IpProtocol) -> bool {
        let selected = |protocol: u8| protocol == 0 || protocol == payload.0;
        match self.child.mode {
            Mode::Tunnel => payload == IpProtocol::IPV4,
            Mode::Transport => self.child.local_selectors.iter().any(|s| selected(s.protocol())),
        }
    }
}

/// The pairs in use, the newest last.
#[derive(Default)]
pub(super) struct Pairs(Vec<Pair>);

impl Pairs {
    pub(super) fn children(&self) -> impl Iterator<Item = &ChildSa> {
        self.0.iter().map(|p| &p.child)
    }

    pub(super) fn install(&mut self, child: ChildSa) -> io::Result<()> {
        let outbound = EspCipher::new(&child.suite, &child.keys_out).map_err(io::Error::other)?;
        let inbound = EspCipher::new(&child.suite, &child.keys_in).map_err(io::Error::other)?;
        let (numbering, window) = (EspNumbering::NEW, ReplayWindow::new(64));
        self.0.push(Pair { child, outbound, inbound, numbering, window });
        Ok(())
    }

    pub(super) fn remove(&mut self, id: ChildSaId) {
        self.0.retain(|p| p.child.id != id);
    }

    pub(super) fn moved(&mut self, id: ChildSaId, to: UdpEncapsulation) {
        self.0.iter_mut().filter(|p| p.child.id == id).for_each(|p| p.child.encapsulation = Some(to));
    }

    /// What is inside of an ESP packet.
    pub(super) fn open(&mut self, octets: &[u8]) -> Option<(IpProtocol, Vec<u8>)> {
        let header = Esp::of(octets)?;
        let (spi, low) = (header.spi(), header.sequence());
        let pair = self.0.iter_mut().find(|p| p.child.spi_in == spi)?;
        let extended = pair.child.suite.extended;
        let sequence = pair.window.whole(low, extended);
        pair.window.check(sequence).ok()?;
        let mut packet = octets.to_vec();
        let opened = esp::open(&mut pair.inbound, &Context { spi, sequence, extended }, &mut packet).ok()?;
        pair.window.mark(sequence);
        let inner = packet[opened.offset..][..opened.len].to_vec();
        pair.carries(opened.next).then_some((opened.next, inner))
    }

    /// An ESP packet of the newest pair, which it is returned with. `None`: there is no pair, or its numbers have run out.
    pub(super) fn seal(&mut self, payload: IpProtocol, inner: &[u8]) -> io::Result<Option<(Vec<u8>, &ChildSa)>> {
        let Some(pair) = self.0.last_mut() else { return Ok(None) };
        let (spi, extended) = (pair.child.spi_out, pair.child.suite.extended);
        let over = esp::overhead(&pair.outbound, inner.len());
        let mut packet = vec![0; over.front];
        packet.extend_from_slice(inner);
        packet.resize(packet.len() + over.back, 0);
        let Some(sequence) = pair.numbering.number(extended) else { return Ok(None) };
        let context = Context { spi, sequence, extended };
        esp::seal(&mut pair.outbound, &context, &mut packet, inner.len(), payload)
            .map_err(|e| io::Error::other(format!("{e:?}")))?;
        Ok(Some((packet, &pair.child)))
    }
}
