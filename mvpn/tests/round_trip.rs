//! `parse(emit(x)) == x` for every value.

use std::net::{Ipv4Addr, Ipv6Addr};

use arbitrary::{Arbitrary, Unstructured};
use mvpn::address::Address;
use mvpn::gmp::{GroupRecord, Report, ReportBuf};
use mvpn::igmp::IgmpMessage;
use mvpn::mld::{Endpoints, MldMessage};
use mvpn::msdp::tlv::{SaEntry, Tlv, emit_source_active};
use proptest::prelude::*;

fn gmp<'a, A: Address + Arbitrary<'a>>(u: &mut Unstructured<'a>) -> arbitrary::Result<ReportBuf<A>> {
    let record: GroupRecord<'_, A> = u.arbitrary()?;
    let mut out = Vec::new();
    record.emit(&mut out);
    assert_eq!(out.len(), record.wire_len());
    assert_eq!(GroupRecord::take(&out), Ok((&[][..], record)));
    let report: ReportBuf<A> = u.arbitrary()?;
    out.clear();
    report.as_report().emit(&mut out);
    assert_eq!(out.len(), report.as_report().wire_len());
    assert_eq!(Report::parse(&out), Ok(report.as_report()));
    Ok(report)
}

fn igmp(message: &IgmpMessage<'_>) {
    let mut out = Vec::new();
    message.emit(&mut out);
    assert_eq!(out.len(), message.wire_len());
    assert_eq!(IgmpMessage::parse(&out), Ok(*message));
}

fn mld(message: &MldMessage<'_>, endpoints: &Endpoints) {
    let mut out = Vec::new();
    message.emit(endpoints, &mut out);
    assert_eq!(out.len(), message.wire_len());
    assert_eq!(MldMessage::parse(&out, endpoints), Ok(*message));
}

fn group_management(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let endpoints: Endpoints = u.arbitrary()?;
    igmp(&u.arbitrary()?);
    mld(&u.arbitrary()?, &endpoints);
    igmp(&IgmpMessage::ReportV3(gmp::<Ipv4Addr>(u)?.as_report()));
    mld(&MldMessage::ReportV2(gmp::<Ipv6Addr>(u)?.as_report()), &endpoints);
    Ok(())
}

fn msdp(u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let (rp, entries): (Ipv4Addr, Vec<SaEntry>) = u.arbitrary()?;
    let data: Vec<u8> = u.arbitrary()?;
    let mut out = Vec::new();
    emit_source_active(rp, &entries, &data, &mut out);
    let Ok(Tlv::SourceActive { rp: read, entries: listed, data: packet }) = Tlv::parse(&out) else { panic!() };
    assert_eq!((read, listed.iter().collect::<Vec<_>>(), packet), (rp, entries, &data[..]));
    let mut again = Vec::new();
    Tlv::parse(&out).unwrap().emit(&mut again);
    assert_eq!(again, out);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn values_of_group_management(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = group_management(&mut Unstructured::new(&octets));
    }

    #[test]
    fn values_of_msdp(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = msdp(&mut Unstructured::new(&octets));
    }
}
