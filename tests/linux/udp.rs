//! What a route with a small MTU does to a UDP socket.

use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::AsFd;
use std::time::Duration;

use adit::io::outer::{Inbox, Offload, OuterSocket, Path};
use adit::io::poll;

use crate::namespace::{run, within};

fn bind() -> OuterSocket {
    OuterSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Offload::detect()).unwrap()
}

fn lengths(socket: &mut OuterSocket, count: usize) -> Vec<usize> {
    let mut inbox = Inbox::new();
    let mut lengths = Vec::new();
    while lengths.len() < count {
        assert!(
            poll::wait([socket.as_fd()], Some(Duration::from_secs(5))).unwrap().contains(0),
            "{lengths:?}"
        );
        socket.receive(&mut inbox).unwrap();
        while inbox.next_batch() {
            lengths.extend(inbox.segments().map(|(_, bytes)| bytes.len()));
        }
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
        let mut socket = OuterSocket::bind(SocketAddr::from(([0, 0, 0, 0], 0)), Offload::detect()).unwrap();
        let path = Path { local: socket.local(), remote: SocketAddr::from(([192, 0, 2, 1], 9)) };
        socket.send([(path, &[0; 900][..], 300)]);
        assert_eq!((socket.counters().sent, socket.counters().unreachable), (0, 3));
    });
}

/// Two addresses, one of them link-local: the answer comes from the one that was asked, through the interface it came by.
#[test]
fn ipv6_is_answered_from_the_address_that_was_asked() {
    within(|| {
        for command in [
            "ip link add near0 type veth peer name far0",
            "ip link set near0 addrgenmode none up",
            "ip link set far0 addrgenmode none up",
            "ip addr add 2001:db8::1/64 dev near0 nodad",
            "ip addr add 2001:db8::2/64 dev near0 nodad",
            "ip addr add fe80::1/64 dev near0 nodad",
        ] {
            run(&command.split(' ').collect::<Vec<_>>());
        }
        // An address is ours once the kernel has come to it, some time after the command; what is sent there before goes out.
        let is_ours = |address| {
            run(&["ip", "-6", "route", "show", "table", "local"])
                .contains(&format!("local {address} dev near0"))
        };
        assert!((0..500).any(|_| {
            let all = ["2001:db8::1", "2001:db8::2", "fe80::1"].into_iter().all(is_ours);
            if !all {
                std::thread::sleep(Duration::from_millis(10));
            }
            all
        }));
        // The calling thread's namespace; /sys would show another one's.
        let addresses = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
        let near = addresses.lines().find(|line| line.ends_with("near0")).unwrap();
        let index = u32::from_str_radix(near.split_whitespace().nth(1).unwrap(), 16).unwrap();
        let v6 =
            |address: &str, scope| SocketAddr::V6(SocketAddrV6::new(address.parse().unwrap(), 0, 0, scope));
        let mut server = OuterSocket::bind(v6("::", 0), Offload::detect()).unwrap();
        let both =
            OuterSocket::bind(SocketAddr::new([0, 0, 0, 0].into(), server.local().port()), Offload::OFF);
        assert!(both.is_ok(), "the other family's port stays free");
        for (asked, scope) in [("2001:db8::1", 0), ("2001:db8::2", 0), ("fe80::1", index)] {
            let mut client = OuterSocket::bind(v6(asked, scope), Offload::detect()).unwrap();
            let mut question = v6(asked, scope);
            question.set_port(server.local().port());
            client.send([(Path { local: client.local(), remote: question }, &b"question"[..], 0)]);
            let mut inbox = Inbox::new();
            assert!(poll::wait([server.as_fd()], Some(Duration::from_secs(5))).unwrap().contains(0));
            server.receive(&mut inbox).unwrap();
            assert!(inbox.next_batch());
            let path = inbox.segments().next().unwrap().0;
            assert_eq!((path.local.ip(), path.remote), (question.ip(), client.local()));
            // More than a link's MTU in one run.
            server.send([(path, &[5; 3600][..], 1200)]);
            assert!(poll::wait([client.as_fd()], Some(Duration::from_secs(5))).unwrap().contains(0));
            client.receive(&mut inbox).unwrap();
            assert!(inbox.next_batch());
            assert!(inbox.segments().all(|(path, bytes)| path.remote == question && bytes.len() == 1200));
        }
    });
}
