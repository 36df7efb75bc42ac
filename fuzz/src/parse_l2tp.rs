use ipsec_vlink::l2tp::{Avps, RawAvp, Value, v2, v3};

/// Octets as L2TP messages of both versions and as AVPs: no panic, and what parses is emitted again as it came.
pub fn parse_l2tp(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok((rest, message)) = v2::Control::take(data) {
        avps(message.body);
        message.emit(&mut out);
        let taken = &data[..data.len() - rest.len()];
        // Reserved bits, and O and P, mean nothing in a control message.
        assert_eq!((out[0] & !0x37, &out[2..]), (taken[0] & 0xc8, &taken[2..]));
        assert_eq!(v2::Control::parse(&out), Ok(message));
    }
    out.clear();
    if let Ok((_, message)) = v3::Control::take(data) {
        avps(message.body);
        message.emit(&mut out);
        assert_eq!(v3::Control::parse(&out), Ok(message));
    }
    out.clear();
    if let Ok((_, message)) = v2::Data::take(data) {
        message.emit(&mut out);
        assert_eq!(out.len(), message.wire_len());
        assert_eq!(v2::Data::parse(&out), Ok(message));
    }
    avps(data);
}

fn avps(octets: &[u8]) {
    let mut at = 0;
    for avp in Avps::new(octets).map_while(Result::ok) {
        let mut out = Vec::new();
        avp.emit(&mut out);
        assert_eq!(RawAvp::parse(&out), Ok(avp));
        assert_eq!(out, octets[at..at + avp.wire_len()]);
        at += out.len();
        if let Ok(value) = Value::of(&avp) {
            let mut octets = Vec::new();
            value.emit(&mut octets);
            assert_eq!(octets.len(), value.wire_len());
            let again = RawAvp { value: &octets, ..avp };
            assert_eq!(Value::of(&again), Ok(value));
        }
    }
}
