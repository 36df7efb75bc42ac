//! What others publish: route tables of crates, and DPDK's, hash tables included.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;

use ip_network_table_deps_treebitmap::IpLookupTable;
use ipnet::{Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;

use crate::data::Data;
use crate::exact::Table;
use crate::ours::Digests;
use crate::{least, row};

/// Crates.
pub fn lookups(data: &Data, digests: &Digests) {
    let mut treebitmap = IpLookupTable::new();
    let mut trie = PrefixMap::<Ipv4Net, u32>::new();
    for (prefix, hop) in &data.v4 {
        treebitmap.insert(prefix.addr(), u32::from(prefix.bit_len()), *hop);
        trie.insert(Ipv4Net::new(prefix.addr(), prefix.bit_len()).expect("a prefix"), *hop);
    }
    for ((name, trace), digest) in data.traces4.iter().zip(digests[0]) {
        let addrs: Vec<Ipv4Addr> = trace.iter().map(|&bits| Ipv4Addr::from_bits(bits)).collect();
        let found = |addr| treebitmap.longest_match(addr).map_or(0, |(_, _, &hop)| u64::from(hop));
        let treebitmap = least(&addrs, |addrs| addrs.iter().map(|&a| found(a)).sum());
        let hosts: Vec<Ipv4Net> = addrs.iter().map(|&addr| addr.into()).collect();
        let trie =
            least(&hosts, |hosts| hosts.iter().filter_map(|h| trie.get_lpm(h)).map(|(_, &hop)| u64::from(hop)).sum());
        assert_eq!((treebitmap.1, trie.1), (digest, digest));
        row("IPv4", "treebitmap 0.5", name, treebitmap);
        row("IPv4", "prefix-trie 0.10", name, trie);
    }
    let mut treebitmap = IpLookupTable::new();
    let mut trie = PrefixMap::<Ipv6Net, u32>::new();
    for (prefix, hop) in &data.v6 {
        treebitmap.insert(prefix.addr(), u32::from(prefix.bit_len()), *hop);
        trie.insert(Ipv6Net::new(prefix.addr(), prefix.bit_len()).expect("a prefix"), *hop);
    }
    for ((name, trace), digest) in data.traces6.iter().zip(digests[1]) {
        let addrs: Vec<Ipv6Addr> = trace.iter().map(|&bits| Ipv6Addr::from_bits(bits)).collect();
        let found = |addr| treebitmap.longest_match(addr).map_or(0, |(_, _, &hop)| u64::from(hop));
        let treebitmap = least(&addrs, |addrs| addrs.iter().map(|&a| found(a)).sum());
        let hosts: Vec<Ipv6Net> = addrs.iter().map(|&addr| addr.into()).collect();
        let trie =
            least(&hosts, |hosts| hosts.iter().filter_map(|h| trie.get_lpm(h)).map(|(_, &hop)| u64::from(hop)).sum());
        assert_eq!((treebitmap.1, trie.1), (digest, digest));
        row("IPv6", "treebitmap 0.5", name, treebitmap);
        row("IPv6", "prefix-trie 0.10", name, trie);
    }
}

/// DPDK, in a process of its own: a C program that reads routes, keys and traces from a directory and prints rows like ours.
pub fn dpdk(data: &Data, digests: &Digests, tables: &[Table]) {
    let directory = std::env::temp_dir().join(format!("forwarding-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libdpdk"]).output();
    let Some(flags) = flags.ok().filter(|out| out.status.success()) else {
        println!("DPDK   SKIPPED (pkg-config finds no libdpdk: apt-get install libdpdk-dev)");
        return;
    };
    let flags = String::from_utf8(flags.stdout).expect("flags");
    let program = directory.join("dpdk");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/forwarding/dpdk.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-O3", "-march=native", source, "-o"]).arg(&program).args(flags.split_whitespace());
    if !compiler.status().is_ok_and(|status| status.success()) {
        println!("DPDK   SKIPPED (cc does not compile {source})");
        return;
    }
    let write = |name: &str, octets: Vec<u8>| {
        std::fs::File::create(directory.join(name)).and_then(|mut f| f.write_all(&octets)).expect("a file");
    };
    let routes4 = |(prefix, hop): &(fwd_core::net::Ipv4Prefix, u32)| {
        [prefix.bits().to_le_bytes(), u32::from(prefix.bit_len()).to_le_bytes(), hop.to_le_bytes()].concat()
    };
    let routes6 = |(prefix, hop): &(fwd_core::net::Ipv6Prefix, u32)| {
        [&prefix.octets()[..], &u32::from(prefix.bit_len()).to_le_bytes(), &hop.to_le_bytes()].concat()
    };
    write("routes4", data.v4.iter().flat_map(routes4).collect());
    write("routes6", data.v6.iter().flat_map(routes6).collect());
    let mut expected = String::new();
    for ((name, trace), digest) in data.traces4.iter().zip(digests[0]) {
        write(&format!("trace4.{name}"), trace.iter().flat_map(|a| a.to_le_bytes()).collect());
        let _ = writeln!(expected, "4 {name} {digest}");
    }
    for ((name, trace), digest) in data.traces6.iter().zip(digests[1]) {
        write(&format!("trace6.{name}"), trace.iter().flat_map(|a| a.to_be_bytes()).collect());
        let _ = writeln!(expected, "6 {name} {digest}");
    }
    for table in tables {
        write(&format!("keys.{}", table.name), table.keys.clone());
        write(&format!("trace.{}", table.name), table.trace.clone());
        let _ = writeln!(expected, "0 {} {}", table.name, table.digest);
    }
    // The program exits with 1 on a digest other than ours.
    write("expected", expected.into_bytes());
    let status = Command::new(&program).arg(&directory).status().expect("the program runs");
    assert!(status.success(), "DPDK: {status}");
    std::fs::remove_dir_all(&directory).expect("the directory goes");
}
