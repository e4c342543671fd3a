//! What a route with a small MTU does to a UDP socket.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use adit::io::poll;
use adit::io::udp::{Inbox, Offload, Path, UdpSocket};

use crate::namespace::{run, within};

fn bind() -> UdpSocket {
    UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Offload::detect()).unwrap()
}

fn lengths(socket: &mut UdpSocket, count: usize) -> Vec<usize> {
    let mut inbox = Inbox::new();
    let mut lengths = Vec::new();
    while lengths.len() < count {
        assert!(
            poll::wait([socket.as_fd()], Some(Duration::from_secs(5))).unwrap().contains(0),
            "{lengths:?}"
        );
        socket.receive(&mut inbox).unwrap();
        lengths.extend(inbox.segments().map(|(_, bytes)| bytes.len()));
    }
    lengths
}

#[test]
fn longer_than_the_mtu_is_fragmented_alone_and_in_a_run() {
    within(|| {
        run(&["ip", "link", "set", "lo", "mtu", "1400"]);
        let (mut near, mut far) = (bind(), bind());
        let path = Path { local: near.local(), remote: far.local() };
        let bytes = vec![7; 9000];
        near.send([(path, &bytes[..], 0), (path, &bytes[..], 4000), (path, &bytes[..2600], 1300)]);
        assert_eq!(lengths(&mut far, 6), [9000, 4000, 4000, 1000, 1300, 1300]);
        assert_eq!((near.counters().sent, near.counters().offload_refused), (6, 1));
        assert!(near.offload().segmentation, "the route is to blame, not the offload");
    });
}

#[test]
fn no_route_is_counted_and_passes() {
    within(|| {
        let mut socket = UdpSocket::bind(SocketAddr::from(([0, 0, 0, 0], 0)), Offload::detect()).unwrap();
        let path = Path { local: socket.local(), remote: SocketAddr::from(([192, 0, 2, 1], 9)) };
        socket.send([(path, &[0; 900][..], 300)]);
        assert_eq!((socket.counters().sent, socket.counters().unreachable), (0, 3));
    });
}
