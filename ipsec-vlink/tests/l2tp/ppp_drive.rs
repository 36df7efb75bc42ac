//! Arbitrary stimuli against one end of a PPP link, and octets against its codecs. The fuzz targets `drive_ppp` and `parse_ppp` run
//! them, too.

use std::net::Ipv4Addr;
use std::time::Duration;

use arbitrary::Unstructured;
use fwd_core::time::Instant;
use ipsec_vlink::l2tp::digest::{Hashes, Secret};
use ipsec_vlink::ppp::{
    AuthPacket, AuthProtocol, Config, Credential, Event, Frame, Input, Output, Packet, PacketOption, Ppp, Protocol,
};

/// No hash, but every machine's the same: what is tested here is not how good it is.
struct Folded;

impl Hashes for Folded {
    fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut out = [0x5a_u8; 16];
        for (n, octet) in parts.concat().into_iter().enumerate() {
            out[n % 16] = out[n % 16].rotate_left(3) ^ octet;
        }
        out
    }

    fn sha1(&self, _: &[&[u8]]) -> [u8; 20] {
        [0; 20]
    }
}

/// Reads the octets as each of the wire's types: what is read is written so that the same is read again.
pub fn parse(data: &[u8]) {
    if let Ok(frame) = Frame::parse(data) {
        let mut out = Vec::new();
        frame.emit(&mut out);
        assert_eq!((out.len(), Frame::parse(&out)), (frame.wire_len(), Ok(frame)));
    }
    let Ok((rest, packet)) = Packet::take(data) else { return };
    let mut out = Vec::new();
    packet.emit(&mut out);
    assert_eq!(out, data[..data.len() - rest.len()]);
    let mut options = Vec::new();
    for option in packet.options().flatten() {
        option.emit(&mut options);
        assert!(PacketOption::take(&options).is_ok());
    }
    assert!(packet.data.starts_with(&options));
    for protocol in [AuthProtocol::Pap, AuthProtocol::ChapMd5] {
        if let Ok(said) = AuthPacket::parse(protocol, &packet) {
            let mut out = Vec::new();
            said.emit(protocol, &mut out);
            assert_eq!((out.len(), said.code(protocol)), (said.wire_len(protocol), packet.code));
            let again = Packet { data: &out, ..packet };
            assert_eq!(AuthPacket::parse(protocol, &again), Ok(said));
        }
    }
}

/// Runs the octets as stimuli.
pub fn run(data: &[u8]) {
    let _ = drive(&mut Unstructured::new(data));
}

fn drive(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut now = Instant::from_secs(1);
    let credential = || Some(Credential { name: b"n".to_vec(), secret: Secret::copy(b"s") });
    let mut cfg = Config::new(Some(Ipv4Addr::UNSPECIFIED), None, [7; 32]);
    cfg.interface_id = Some(1);
    cfg.demand = *u.choose(&[None, Some(AuthProtocol::Pap), Some(AuthProtocol::ChapMd5)])?;
    (cfg.peer, cfg.ours, cfg.allow_pap) = (credential(), credential(), u.arbitrary()?);
    let mut end = Ppp::new(now, cfg, Folded).expect("a good configuration");
    let (mut is_up, mut is_proved, mut last) = ([false; 2], false, Vec::new());
    while !u.is_empty() {
        match u.int_in_range(0..=7)? {
            0 => end.handle_input(now, Input::Up),
            1 => end.handle_input(now, Input::Down),
            2 => end.handle_input(now, Input::Packet { protocol: Protocol::IPV4, octets: &[0x45; 20] }),
            3 => end.close(now),
            4 => {
                now = now + Duration::from_millis(u.arbitrary::<u16>()?.into());
                end.handle_timeout(now);
                assert!(end.next_timeout().is_none_or(|at| at > now));
            }
            // Its own frame comes back, or as an acknowledgement.
            5 => {
                let mut frame: Vec<u8> = last.clone();
                if let Some(code) = frame.get_mut(4).filter(|_| u.arbitrary().unwrap_or(false)) {
                    *code = u.int_in_range(1..=10)?;
                }
                end.handle_input(now, Input::Frame(&frame));
            }
            6 => {
                let protocols = [Protocol::LCP, Protocol::IPCP, Protocol::IPV6CP, Protocol::PAP, Protocol::CHAP];
                let number = u.choose(&protocols)?.0.to_be_bytes();
                let (code, id): (u8, u8) = (u.int_in_range(1..=12)?, u.int_in_range(0..=4)?);
                let len = u.int_in_range(0..=24)?;
                let data = u.bytes(len.min(u.len()))?;
                let head = [number[0], number[1], code, id, 0, 4 + data.len() as u8];
                end.handle_input(now, Input::Frame(&[&head[..], data].concat()));
            }
            _ => {
                let len = u.int_in_range(0..=40)?;
                end.handle_input(now, Input::Frame(u.bytes(len.min(u.len()))?));
            }
        }
        let mut outputs = 0;
        while let Some(output) = end.poll_output() {
            outputs += 1;
            match output {
                Output::Frame(frame) => {
                    assert!(frame.len() <= 1504 && Frame::parse(&frame).is_ok());
                    last = frame;
                }
                Output::Packet { protocol, .. } => assert!(is_up[usize::from(protocol == Protocol::IPV6)]),
                Output::Event(event) => match event {
                    Event::Authenticated => is_proved = true,
                    Event::Ipv4Up { .. } => {
                        assert!(is_proved && !std::mem::replace(&mut is_up[0], true));
                    }
                    Event::Ipv6Up { .. } => assert!(is_proved && !std::mem::replace(&mut is_up[1], true)),
                    Event::Ipv4Down => assert!(std::mem::take(&mut is_up[0])),
                    Event::Ipv6Down => assert!(std::mem::take(&mut is_up[1])),
                    Event::Down(_) => {
                        assert_eq!(is_up, [false; 2]);
                        is_proved = false;
                    }
                    _ => {}
                },
            }
        }
        assert!(outputs < 32, "output is bounded");
    }
    Ok(())
}
