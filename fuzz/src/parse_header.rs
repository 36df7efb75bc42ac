//! Data-plane headers: GRE, L2TPv3, ESP, VLAN tags, and the ICMP errors about any packet.

use std::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::Frame;
use fwd_core::net::VlanId;
use fwd_core::wire::esp::{self, Cipher, Context, Refused};
use fwd_core::wire::icmp::{Trouble, error4, error6};
use fwd_core::wire::l2tpv3::{self, Carrier, Kind, Sublayer};
use fwd_core::wire::{ControlWord, EtherType, Gre, IpProtocol, Ipv4, Ipv6, checksum, vlan};

/// Takes every packet: framing is what is tried.
struct Open;

impl Cipher for Open {
    fn iv_len(&self) -> usize {
        8
    }
    fn icv_len(&self) -> usize {
        12
    }
    fn block_len(&self) -> usize {
        16
    }
    fn seal(&mut self, _: &Context, iv: &mut [u8], _: &mut [u8], icv: &mut [u8]) -> Result<(), Refused> {
        iv.fill(1);
        icv.fill(2);
        Ok(())
    }
    fn open(&mut self, _: &Context, _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), Refused> {
        Ok(())
    }
}

/// What parses is emitted again as it came, but for bits that receivers ignore; lengths stay within the octets.
pub fn parse_header(data: &[u8]) {
    if let Ok((header, len)) = Gre::take(data) {
        assert!(len <= data.len() && len == header.wire_len());
        assert_eq!(Gre::take(&header.emit()[..len]), Ok((header, len)));
    }
    for carrier in [Carrier::Ip, Carrier::Udp] {
        if let Ok(Kind::Data { session, offset }) = l2tpv3::kind(carrier, data) {
            let ours = l2tpv3::emit(carrier, session, &l2tpv3::Cookie::NONE);
            assert_eq!(l2tpv3::kind(carrier, &ours), Ok(Kind::Data { session, offset }));
            if let Some(sublayer) = Sublayer::of(&data[offset..]) {
                assert_eq!(Sublayer::new(sublayer.sequence()).sequence(), sublayer.sequence());
            }
        }
    }
    if let Some(word) = ControlWord::of(data) {
        assert_eq!(ControlWord::new(word.flags(), word.fragmentation(), word.length(), word.sequence()), word);
    }
    esp_framing(data);
    tags(data);
    errors(data);
}

fn esp_framing(data: &[u8]) {
    let context = Context { spi: 1, sequence: 2, extended: true };
    let mut packet = data.to_vec();
    if let Ok(opened) = esp::open(&mut Open, &context, &mut packet) {
        let payload = &data[opened.offset..][..opened.len];
        let overhead = esp::overhead(&Open, payload.len());
        let mut ours = vec![0; overhead.front + payload.len() + overhead.back];
        ours[overhead.front..][..payload.len()].copy_from_slice(payload);
        esp::seal(&mut Open, &context, &mut ours, payload.len(), opened.next).unwrap();
        assert_eq!(esp::open(&mut Open, &context, &mut ours), Ok(opened));
    }
}

fn tags(data: &[u8]) {
    let mut buffer = [&[0; 4], data].concat();
    let Some(mut frame) = Frame::new(&mut buffer, 4, data.len()) else { return };
    let vlan = VlanId::new(7).unwrap();
    if vlan::push(&mut frame, EtherType::S_VLAN, 3, true, vlan).is_some() {
        let (tpid, tag) = vlan::pop(&mut frame).unwrap();
        assert_eq!((tpid, tag.vlan()), (EtherType::S_VLAN, Some(vlan)));
    }
    assert_eq!(frame.octets(), data);
    let had_tag = vlan::pop(&mut frame).is_some();
    assert_eq!(frame.octets().len(), data.len() - if had_tag { 4 } else { 0 });
}

fn errors(data: &[u8]) {
    let mut out = [0; 1280];
    for trouble in [Trouble::TooBig { mtu: 1400 }, Trouble::TimeExceeded] {
        if let Some(len) = error4(trouble, Ipv4Addr::new(192, 0, 2, 1), data, &mut out) {
            let header = Ipv4::of(&out[..len]).unwrap();
            assert_eq!((header.total_len(), header.destination()), (len, Ipv4::of(data).unwrap().source()));
            assert_eq!((checksum::of(&out[..20]), checksum::of(&out[20..len])), (0, 0));
        }
        if let Some(len) = error6(trouble, Ipv6Addr::LOCALHOST, data, &mut out) {
            let header = Ipv6::of(&out[..len]).unwrap();
            assert_eq!((header.payload_len() + 40, header.next_header()), (len, IpProtocol::ICMPV6.0));
        }
    }
}
