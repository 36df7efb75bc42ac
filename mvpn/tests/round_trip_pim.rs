//! `parse(emit(x)) == x` for every value of PIM's messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Arbitrary, Unstructured};
use mvpn::pim::wire::port::PortMessage;
use mvpn::pim::wire::s_pmsi_join::SPmsiJoin;
use mvpn::pim::wire::{
    AddressFamily, Assert, Bootstrap, CandidateRpAdvertisement, DfElection, EcmpRedirect, Flooding, Hello, HelloOption,
    JoinPrune, JoinPruneBuf, Message, MessageType, PackedRegister, Register, RegisterFlags, RegisterStop, StateRefresh,
};
use proptest::prelude::*;

fn addresses(family: AddressFamily) -> (IpAddr, IpAddr) {
    match family {
        AddressFamily::V4 => (Ipv4Addr::new(10, 0, 0, 1).into(), family.all_pim_routers()),
        AddressFamily::V6 => (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).into(), family.all_pim_routers()),
    }
}

/// Writes and reads a message in packets of both families.
fn round_trip(message: &Message<'_>) {
    for family in [AddressFamily::V4, AddressFamily::V6] {
        let (source, destination) = addresses(family);
        let octets = message.to_packet(source, destination);
        assert_eq!(octets.len(), message.wire_len());
        assert_eq!(Message::parse(&octets, source, destination).as_ref(), Ok(message));
        let mut wrong = octets.clone();
        wrong[3] ^= 1;
        assert_eq!(Message::parse(&wrong, source, destination).unwrap_err().field, "pim checksum");
    }
}

fn hello(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let family: AddressFamily = u.arbitrary()?;
    let options = (0..u.int_in_range(0..=6)?).map(|_| HelloOption::arbitrary_of(family, u));
    let message = Message::Hello(Hello { options: options.collect::<arbitrary::Result<_>>()? });
    let (source, destination) = addresses(family);
    let octets = message.to_packet(source, destination);
    assert_eq!(octets.len(), message.wire_len());
    assert_eq!(Message::parse(&octets, source, destination), Ok(message));
    Ok(())
}

fn join_prune(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let buf: JoinPruneBuf = u.arbitrary()?;
    let mut octets = Vec::new();
    buf.emit(&mut octets);
    assert_eq!(octets.len(), buf.wire_len());
    let view = JoinPrune::parse(&octets).unwrap();
    assert_eq!(view.to_buf(), buf);
    round_trip(&Message::JoinPrune(view));
    round_trip(&Message::Graft(view));
    round_trip(&Message::GraftAck(view));
    Ok(())
}

fn others(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    round_trip(&match u.int_in_range(0..=11)? {
        0 => Message::RegisterStop(RegisterStop::arbitrary(u)?),
        1 => Message::Bootstrap(Bootstrap::arbitrary(u)?),
        2 => Message::Assert(Assert::arbitrary(u)?),
        3 => Message::CandidateRpAdvertisement(CandidateRpAdvertisement::arbitrary(u)?),
        4 => Message::StateRefresh(StateRefresh::arbitrary(u)?),
        5 => Message::DfElection(DfElection::arbitrary(u)?),
        6 => Message::EcmpRedirect(EcmpRedirect::arbitrary(u)?),
        7 => Message::Flooding(Flooding::arbitrary(u)?),
        8 => Message::PackedNullRegister(PackedRegister::arbitrary(u)?),
        9 => Message::PackedRegisterStop(PackedRegister::arbitrary(u)?),
        10 => Message::Other { message_type: MessageType(14), flags: u.arbitrary()?, body: u.arbitrary()? },
        _ => {
            let flags = RegisterFlags::from_bits_truncate(u.arbitrary()?);
            Message::Register(Register { flags, packet: u.arbitrary()? })
        }
    });
    Ok(())
}

fn beside_pim(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let join: SPmsiJoin = u.arbitrary()?;
    let mut octets = Vec::new();
    join.emit(&mut octets);
    assert_eq!(octets.len(), join.wire_len());
    assert_eq!(SPmsiJoin::parse(&octets), Ok(join));
    let port = if u.arbitrary()? {
        PortMessage::KeepAlive { holdtime: u.arbitrary()? }
    } else {
        PortMessage::JoinPrune { interface_id: u.arbitrary()?, family: u.arbitrary()?, message: u.arbitrary()? }
    };
    let mut octets = Vec::new();
    port.emit(&mut octets);
    assert_eq!(octets.len(), port.wire_len());
    assert_eq!(PortMessage::parse(&octets), Ok(port));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Shows: L3VPN-8.8-1, L3VPN-8.8-2, L3VPN-8.8-3, L3VPN-8.8-4, L3VPN-8.8-5, L3VPN-8.8-6
    #[test]
    fn messages(octets in prop::collection::vec(any::<u8>(), 0..800)) {
        let mut u = Unstructured::new(&octets);
        // Too few octets for a value are no failure of the codec.
        let _ = match u.int_in_range(0..=3) {
            Ok(0) => hello(&mut u),
            Ok(1) => join_prune(&mut u),
            Ok(2) => beside_pim(&mut u),
            _ => others(&mut u),
        };
    }
}
