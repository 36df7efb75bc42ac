//! A port in user space on a wire with a real kernel.

use std::fs::File;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use lab::live::port::{Heard, Port, Reception};
use nix::sched::{CloneFlags, setns};

use super::net::{Net, Node, run};

/// Opens a port in the namespace of a node; the thread that this is done in ends with it.
fn open(node: &Node, heard: Heard, reception: Reception) -> Port {
    let namespace = File::open(format!("/run/netns/{}", node.ns)).unwrap();
    let thread = std::thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        Port::open("eth0", heard, reception).unwrap()
    });
    thread.join().unwrap()
}

/// Answers ARP requests for an address until one was answered.
fn answer_arp(port: &mut Port, address: Ipv4Addr) {
    let end = Instant::now() + super::PATIENCE;
    let mut buffer = [0; 2048];
    while Instant::now() < end {
        let Some(len) = port.receive(&mut buffer).unwrap() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let frame = &buffer[..len];
        if frame[12..14] != [8, 6] || frame[20..22] != [0, 1] || frame[38..42] != address.octets() {
            continue;
        }
        let mut reply = [&frame[6..12], &port.mac().0, &frame[12..20], &[0, 2], &port.mac().0].concat();
        reply.extend([&address.octets(), &frame[22..32]].concat());
        return port.send(&reply).unwrap();
    }
    panic!("nobody asked for {address}");
}

#[test]
fn a_kernel_resolves_an_address_that_only_the_port_has() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let mut port = open(&a, Heard::All, Reception::Own);
    let ghost = Ipv4Addr::new(198, 51, 100, 77);
    let mut ping = b.command("ping").args(["-c1", "-W1", &ghost.to_string()]).spawn().unwrap();
    answer_arp(&mut port, ghost);
    ping.wait().unwrap();
    let neighbours = run(&["ip", "-n", &b.ns, "neigh", "show", &ghost.to_string()]).unwrap();
    assert!(neighbours.contains(&format!("lladdr {}", port.mac())), "{neighbours}");
}

#[test]
fn a_port_hears_what_it_asked_for() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let mut all = open(&a, Heard::All, Reception::Everything);
    let labels = open(&a, Heard::Ethertype(0x8847), Reception::Own);
    let mut sender = open(&b, Heard::All, Reception::Own);
    // To a stranger, of an experimental Ethertype; then to us, labelled.
    let strange = [&[2, 0, 0, 0, 0, 9][..], &sender.mac().0, &[0x88, 0xb5, 0xaa], &[0; 43]].concat();
    let labelled = [&all.mac().0[..], &sender.mac().0, &[0x88, 0x47, 0xbb], &[0; 43]].concat();
    sender.send(&strange).unwrap();
    sender.send(&labelled).unwrap();
    let heard = |port: &Port, frame: &[u8]| {
        let (mut buffer, end) = ([0; 2048], Instant::now() + super::PATIENCE);
        while Instant::now() < end {
            match port.receive(&mut buffer).unwrap() {
                Some(len) if buffer[..len] == *frame => return,
                Some(_) => {}
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        panic!("not heard: {frame:x?}");
    };
    heard(&all, &strange);
    heard(&all, &labelled);
    heard(&labels, &labelled);
    assert_eq!(labels.receive(&mut [0; 64]).unwrap(), None);
    // A port does not hear itself.
    all.send(&[&sender.mac().0[..], &all.mac().0, &[0x88, 0x47, 0xcc], &[0; 43]].concat()).unwrap();
    assert_eq!(all.receive(&mut [0; 64]).unwrap(), None);
}
