//! TCP-AO as we write it, read by tshark: the option of every segment of a connection whose keys change, and the checksum beside it.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use bgp_vpn::session::{Authentication, Protection};
use fwd_core::net::{Mac, VrfId};
use fwd_core::tcp_ao::{Algorithm, Mkt, Peers};
use fwd_core::time::Instant;
use lab::pcap::Writer;
use lab::sim::packet::{IpView, ethernet, ethertype_of};
use lab::sim::tcp::Stack;

/// Lets two stacks exchange what they have to send; all packets.
fn exchange(stacks: &mut [Stack; 2]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    loop {
        let before = packets.len();
        for side in [0, 1] {
            while let Some((vrf, packet)) = stacks[side].poll_packet() {
                stacks[1 - side].handle_packet(Instant::ZERO, vrf, &IpView::parse(&packet).unwrap());
                packets.push(packet);
            }
        }
        if packets.len() == before {
            return packets;
        }
    }
}

/// What tshark says of packets: kinds of options, IDs, MAC and whether the checksum is right.
fn read(packets: &[Vec<u8>]) -> Vec<Vec<String>> {
    const FIELDS: [&str; 7] = [
        "tcp.option_kind",
        "tcp.option_len",
        "tcp.options.ao.keyid",
        "tcp.options.ao.rnextkeyid",
        "tcp.options.ao.mac",
        "tcp.checksum.status",
        "_ws.malformed",
    ];
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("oracle-tcp-ao-{}.pcap", std::process::id()));
    let mut writer = Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    for packet in packets {
        let frame = ethernet(Mac([0; 6]), Mac([0; 6]), ethertype_of(packet).unwrap(), packet);
        writer.frame(Instant::ZERO, &frame).unwrap();
    }
    writer.finish().unwrap().flush().unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-o", "tcp.check_checksum:TRUE", "-T", "fields", "-E", "separator=/t"]);
    FIELDS.iter().for_each(|name| {
        tshark.args(["-e", name]);
    });
    let output = tshark.output().expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn tshark_reads_our_tcp_ao() {
    for (a, b) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        let ends: [IpAddr; 2] = [a.parse().unwrap(), b.parse().unwrap()];
        let how = Authentication::Ao { key: b"secret".to_vec(), id: 3 };
        let protection = Protection { authentication: Some(how), hops: None };
        let mut stacks = [Stack::default(), Stack::default()];
        for side in [0, 1] {
            stacks[side].protect(VrfId::GLOBAL, ends[side], ends[1 - side], &protection).unwrap();
        }
        stacks[1].listen(VrfId::GLOBAL, ends[0], 179);
        let here = stacks[0].connect(Instant::ZERO, VrfId::GLOBAL, ends[0], SocketAddr::new(ends[1], 179));
        let mut packets = exchange(&mut stacks);
        assert_eq!(packets.len(), 3, "SYN, its answer, and the acknowledgement");
        let there = stacks[1].endpoints().next().unwrap();
        for (side, endpoint, send_id, recv_id) in [(0, here, 5, 250), (1, there, 250, 5)] {
            let mut mkt = Mkt::new(Peers::between(ends[side], ends[1 - side]), 0, b"another");
            (mkt.send_id, mkt.recv_id, mkt.algorithm) = (send_id, recv_id, Algorithm::Aes128Cmac);
            let ao = stacks[side].authentication(endpoint).unwrap();
            ao.add(mkt).unwrap();
            ao.prefer(recv_id).unwrap();
        }
        for data in [&b"first"[..], b"second"] {
            stacks[0].send(Instant::ZERO, here, data);
            packets.extend(exchange(&mut stacks));
        }
        let ids = [["3", "3"], ["3", "3"], ["3", "3"], ["3", "250"], ["250", "5"], ["5", "250"], ["250", "5"]];
        let found = read(&packets);
        assert_eq!((packets.len(), found.len()), (ids.len(), ids.len()));
        for (n, ((packet, fields), ids)) in packets.iter().zip(&found).zip(ids).enumerate() {
            let payload = IpView::parse(packet).unwrap().payload;
            let end = usize::from(payload[12] >> 4) * 4;
            let mac: String = payload[end - 12..end].iter().map(|octet| format!("{octet:02x}")).collect();
            let (kinds, lengths) = if n < 2 { ("2,1,3,29", "4,3,16") } else { ("29", "16") };
            let expected = [kinds, lengths, ids[0], ids[1], &mac, "1", ""];
            assert_eq!(fields, &expected, "packet {n}");
        }
    }
}
