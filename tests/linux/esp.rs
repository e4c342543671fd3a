//! Native ESP through raw sockets.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::Duration;

use adit::io::outer::{Inbox, OuterSocket, Path};
use adit::io::poll;

use socket2::{Domain, Protocol, Socket, Type};

use crate::namespace::{run, within};

/// Receives until so many packets are there.
fn receive(socket: &mut OuterSocket, count: usize) -> Vec<(Path, Vec<u8>)> {
    let mut inbox = Inbox::new();
    let mut all = Vec::new();
    while all.len() < count {
        let ready = poll::wait([socket.as_fd()], Some(Duration::from_secs(5))).unwrap();
        assert!(ready.contains(0), "{} of {count} packets after five seconds", all.len());
        let announced = socket.receive(&mut inbox).unwrap();
        let before = all.len();
        while inbox.next_batch() {
            all.extend(inbox.segments().map(|(path, bytes)| (path, bytes.to_vec())));
        }
        assert_eq!(all.len() - before, announced);
    }
    all
}

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, last)
}

/// Two addresses of one host: what comes to either is answered from it. The kernel has no ESP of its own here.
#[test]
fn a_batch_arrives_without_its_ip_headers_at_the_address_it_was_sent_to() {
    within(|| {
        for last in 1..=3 {
            run(&["ip", "addr", "add", &format!("10.1.0.{last}/32"), "dev", "lo"]);
        }
        let mut server = OuterSocket::esp(Ipv4Addr::UNSPECIFIED).unwrap();
        let mut client = OuterSocket::esp(address(3)).unwrap();
        assert!(server.is_esp() && server.local().port() == 0);
        for asked in [address(1), address(2)] {
            let there = Path::native(address(3).into(), asked.into());
            assert!(there.is_native() && client.serves(there.local));
            // Three runs: 150 packets of 200 octets, one short one at the end, one alone.
            let long: Vec<u8> = (0..150).flat_map(|number| [number; 200]).chain([0xee; 50]).collect();
            client.send([(there, &long[..], 200), (there, &b"alone"[..], 0)]);
            let arrived = receive(&mut server, 152);
            let back = Path::native(asked.into(), address(3).into());
            assert!(arrived.iter().all(|(path, _)| *path == back), "{arrived:?}");
            let sent = long.chunks(200).chain([&b"alone"[..]]);
            assert!(arrived.iter().map(|(_, bytes)| &bytes[..]).eq(sent));
            server.send([(back, &b"answer"[..], 0)]);
            assert_eq!(receive(&mut client, 1), [(there, b"answer".to_vec())]);
            // All of the host's addresses are the server's, so it hears that too.
            assert_eq!(receive(&mut server, 1), [(there, b"answer".to_vec())]);
        }
        assert_eq!((server.counters().received, server.counters().sent), (306, 2));
        assert!(
            server.counters().discards().chain(client.counters().discards()).all(|(_, count)| count == 0)
        );
    });
}

#[test]
fn a_packet_longer_than_the_mtu_travels_in_fragments() {
    within(|| {
        run(&["ip", "link", "set", "lo", "mtu", "1400"]);
        let mut server = OuterSocket::esp(Ipv4Addr::LOCALHOST).unwrap();
        // It receives what it sends: that host is the peer.
        let path = Path::native(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into());
        server.send([(path, &[7; 3000][..], 0)]);
        assert_eq!(receive(&mut server, 1), [(path, vec![7; 3000])]);
    });
}

#[test]
fn an_empty_packet_is_counted_and_passes() {
    within(|| {
        let mut server = OuterSocket::esp(Ipv4Addr::LOCALHOST).unwrap();
        let path = Path::native(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into());
        let other = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(50))).unwrap();
        other.send_to(&[], &path.remote.into()).unwrap();
        server.send([(path, &b"whole"[..], 0)]);
        assert_eq!(receive(&mut server, 1), [(path, b"whole".to_vec())]);
        assert_eq!(
            server.counters().discards().find(|(name, _)| *name == "receive_unusable"),
            Some(("receive_unusable", 1))
        );
    });
}

#[test]
fn an_address_of_nobody_is_named() {
    within(|| {
        let error = OuterSocket::esp(address(9)).unwrap_err().to_string();
        assert!(error.contains("IP protocol 50 of 10.1.0.9"), "{error}");
    });
}
