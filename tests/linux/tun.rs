//! The TUN device with the kernel as its peer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::time::Duration;

use adit::config::Switch;
use adit::io::outer::{self, Offload, OuterSocket, Path};
use adit::io::poll::{self, Waker};
use adit::io::tun::{self, Counters, Inbox, Interface, Kinds, Tun};
use adit::pool::Pool;
use adit::superpacket::{Left, Segment, Superpacket, Transport};

use crate::namespace::{run, within};

/// What this kernel has, as any since 6.2; its answers are held against it by the tests that send something.
const ALL: tun::Offload = tun::Offload {
    checksums: true,
    reads: Kinds { tcp: true, udp: true },
    writes: Kinds { tcp: true, udp: true },
};

/// The right one's of [`between_two_kernels`].
const SERVER6: &str = "[fd00:2:0:1::1]:99";

fn create(name: &str, pools: &[&str], offload: Switch) -> anyhow::Result<Tun> {
    let pool = |range: &&str| Pool {
        name: (*range).into(),
        range: range.parse().unwrap(),
        range6: None,
        delegate: None,
    };
    create_with(name, &pools.iter().map(pool).collect::<Vec<_>>(), offload)
}

fn create_with(name: &str, pools: &[Pool], offload: Switch) -> anyhow::Result<Tun> {
    Tun::create(&Interface { name, pools, mtu: 1400, offload })
}

/// Turns echo requests around until the waker ends it.
fn answer(mut tun: Tun, end: &Waker) -> Tun {
    let mut inbox = Inbox::new();
    loop {
        let ready = poll::wait([tun.as_fd(), end.as_fd()], Some(Duration::from_secs(20))).unwrap();
        if ready.contains(1) {
            return tun;
        }
        assert!(ready.contains(0), "nobody pings");
        tun.receive(&mut inbox).unwrap();
        let replies: Vec<Vec<u8>> =
            packets(&mut inbox).iter().filter_map(|packet| echo_reply(packet)).collect();
        tun.send(replies.iter().map(Vec::as_slice));
    }
}

/// Everything that was read, cut and completed.
fn packets(inbox: &mut Inbox) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while inbox.next_batch() {
        let segments = inbox.packets().flat_map(|packet| packet.segments().unwrap().iter());
        packets.extend(segments.map(|segment| written(&segment)));
    }
    packets
}

fn written(segment: &Segment<'_>) -> Vec<u8> {
    let mut packet = vec![0; segment.len()];
    segment.write(&mut packet);
    packet
}

fn echo_reply(packet: &[u8]) -> Option<Vec<u8>> {
    let mut packet = packet.to_vec();
    if packet[9] != 1 || packet[20] != 8 {
        return None;
    }
    let (source, destination) = packet[12..20].split_at_mut(4);
    source.swap_with_slice(destination);
    // From type 8 to 0: the checksum's complement grows by 0x0800.
    packet[20] = 0;
    let checksum = u16::from_be_bytes([packet[22], packet[23]]);
    let (sum, carry) = checksum.overflowing_add(0x0800);
    packet[22..24].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
    Some(packet)
}

#[test]
fn the_kernel_gets_answers_from_every_pool() {
    within(|| {
        let tun = create("adit-t", &["10.20.0.0/16", "10.30.0.0/24"], Switch::Auto).unwrap();
        let end = Waker::new().unwrap();
        let waker = end.clone();
        let answering = std::thread::spawn(move || answer(tun, &waker));
        for address in ["10.20.7.9", "10.30.0.200"] {
            run(&["ping", "-c", "3", "-i", "0.05", "-W", "2", address]);
        }
        for address in ["10.20.0.1", "10.30.0.1"] {
            run(&["ping", "-c", "1", "-W", "2", address]);
        }
        let link = run(&["ip", "link", "show", "adit-t"]);
        assert!(link.contains("mtu 1400") && link.contains(",UP"), "{link}");
        end.wake();
        let tun = answering.join().unwrap();
        assert_eq!((tun.counters().sent, tun.counters().unusable), (6, 0));
        drop(tun);
        assert!(!run(&["ip", "link"]).contains("adit-t"), "the interface goes with its owner");
    });
}

#[test]
fn what_stands_in_the_way_is_named() {
    within(|| {
        let first = create("adit-t", &["10.20.0.0/16"], Switch::Auto).unwrap();
        let error = create("adit-t", &["10.30.0.0/16"], Switch::Auto).unwrap_err();
        assert!(format!("{error:#}").contains("another adit"), "{error:#}");
        let error = create("adit-u", &["10.20.0.0/16"], Switch::Auto).unwrap_err();
        assert!(format!("{error:#}").contains("10.20.0.0/16 already"), "{error:#}");
        let error = create("lo", &["10.40.0.0/16"], Switch::Auto).unwrap_err();
        assert!(format!("{error:#}").contains("no TUN device"), "{error:#}");
        let error = create("a-name-that-is-too-long", &["10.40.0.0/16"], Switch::Auto).unwrap_err();
        assert!(format!("{error:#}").contains("a-name-that-is-too-long"), "{error:#}");
        drop(first);
    });
}

#[test]
fn what_is_no_packet_is_refused_and_counted() {
    within(|| {
        let mut tun = create("adit-t", &["10.20.0.0/16"], Switch::Auto).unwrap();
        tun.send([&[0; 40][..], &[], &[0x45; 3]]);
        assert_eq!(tun.counters().sent + tun.counters().refused, 3);
        assert!(tun.counters().refused >= 2, "{:?}", tun.counters());
    });
}

#[test]
fn what_the_kernel_drops_before_a_full_queue_is_known() {
    within(|| {
        let mut tun = create("adit-t", &["10.20.0.0/16"], Switch::Auto).unwrap();
        assert_eq!(tun::dropped("adit-t"), Some(0));
        let socket = std::net::UdpSocket::bind("10.20.0.1:0").unwrap();
        for _ in 0..5000 {
            socket.send_to(b"nobody reads", "10.20.0.9:9").unwrap();
        }
        let dropped = tun::dropped("adit-t").unwrap();
        assert!(dropped > 0);
        let (mut inbox, mut received) = (Inbox::new(), 0);
        loop {
            let read = tun.receive(&mut inbox).unwrap();
            if read == 0 {
                break;
            }
            received += read as u64;
            while inbox.next_batch() {}
        }
        assert_eq!(received + dropped, 5000);
    });
}

/// A train of datagrams from one client to nobody.
fn train() -> Vec<Vec<u8>> {
    let headers = [&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0][..], &[10, 20, 0, 2, 10, 20, 0, 3], &[0; 8]];
    let uncut = [&headers.concat()[..], &[7; 3000]].concat();
    let left = Left::Segmentation { transport: Transport::Udp, size: 1000 };
    let segments = Superpacket::new(&uncut, left).segments().unwrap();
    segments.iter().map(|segment| written(&segment)).collect()
}

#[test]
fn a_device_that_is_down_for_a_moment_keeps_its_superpackets() {
    within(|| {
        let mut tun = create("adit-t", &["10.20.0.0/16"], Switch::Auto).unwrap();
        let train = train();
        run(&["ip", "link", "set", "adit-t", "down"]);
        tun.send(train.iter().map(Vec::as_slice));
        assert_eq!((tun.counters().sent, tun.counters().refused), (0, 3));
        run(&["ip", "link", "set", "adit-t", "up"]);
        tun.send(train.iter().map(Vec::as_slice));
        assert_eq!((tun.counters().sent, tun.counters().coalesced), (3, 3));
        assert_eq!(tun.offload(), ALL);
    });
}

/// Two kernels with our device between them: what the one leaves open or uncut, the other accepts only if it was
/// completed and cut right, for everything is written as plain packets whose checksums it verifies.
fn between_two_kernels(
    offload: Switch,
    left: impl FnOnce() + Send,
    right: impl FnOnce(mpsc::Sender<()>) + Send,
) -> (Counters, Counters) {
    let pool = |range: &str, range6: &str| {
        let (range, range6) = (range.parse().unwrap(), Some(range6.parse().unwrap()));
        [Pool { name: "pool".into(), range, range6, delegate: None }]
    };
    let (give_a, take_a) = mpsc::channel();
    let (give_b, take_b) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let end = Waker::new().unwrap();
    std::thread::scope(|scope| {
        let bridge = scope.spawn({
            let end = end.clone();
            move || {
                let (mut a, mut b): (Tun, Tun) = (take_a.recv().unwrap(), take_b.recv().unwrap());
                let mut inbox = Inbox::new();
                let mut longest = 0;
                loop {
                    let ready =
                        poll::wait([end.as_fd(), a.as_fd(), b.as_fd()], Some(Duration::from_secs(20)))
                            .unwrap();
                    if ready.contains(0) {
                        assert_eq!(a.counters().unusable + b.counters().unusable, 0);
                        assert!(longest <= 1400, "{longest}");
                        return (*a.counters(), *b.counters());
                    }
                    for index in [1, 2] {
                        if ready.contains(index) {
                            a.receive(&mut inbox).unwrap();
                            let packets = packets(&mut inbox);
                            longest = packets.iter().map(Vec::len).max().unwrap_or(0).max(longest);
                            b.send(packets.iter().map(Vec::as_slice));
                        }
                        std::mem::swap(&mut a, &mut b);
                    }
                }
            }
        });
        let a = scope.spawn(move || {
            within(move || {
                let tun = create_with("adit-a", &pool("10.1.0.0/24", "fd00:1::/56"), offload).unwrap();
                assert_eq!(tun.offload(), if offload == Switch::Off { tun::Offload::default() } else { ALL });
                run(&["ip", "route", "add", "10.2.0.0/24", "dev", "adit-a"]);
                run(&["ip", "route", "add", "fd00:2::/56", "dev", "adit-a"]);
                give_a.send(tun).unwrap();
                is_ready.recv().unwrap();
                left();
            });
        });
        within(|| {
            let tun = create_with("adit-b", &pool("10.2.0.0/24", "fd00:2::/56"), offload).unwrap();
            run(&["ip", "route", "add", "10.1.0.0/24", "dev", "adit-b"]);
            run(&["ip", "route", "add", "fd00:1::/56", "dev", "adit-b"]);
            give_b.send(tun).unwrap();
            right(ready);
            a.join().unwrap();
            let errors = run(&["cat", "/proc/net/snmp"]);
            for protocol in ["Tcp:", "Udp:", "Ip:"] {
                let mut lines = errors.lines().filter(|line| line.starts_with(protocol));
                let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
                for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                    assert!(
                        !["InCsumErrors", "InErrs", "InHdrErrors"].contains(&name) || value == "0",
                        "{protocol} {name} {value}"
                    );
                }
            }
            for line in run(&["cat", "/proc/net/snmp6"]).lines() {
                let error =
                    ["InCsumErrors", "InErrors", "InHdrErrors"].iter().any(|name| line.contains(name));
                assert!(!error || line.ends_with("\t0"), "{line}");
            }
        });
        end.wake();
        bridge.join().unwrap()
    })
}

#[test]
fn tcp_of_one_kernel_is_accepted_by_the_other() {
    for offload in [Switch::Auto, Switch::On, Switch::Off] {
        carries_tcp(offload, "10.2.0.1:99");
    }
}

#[test]
fn tcp_over_ipv6_is_accepted_as_well() {
    for offload in [Switch::Auto, Switch::Off] {
        carries_tcp(offload, SERVER6);
    }
}

fn carries_tcp(offload: Switch, server: &str) {
    let sent: Vec<u8> = (0..8_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (counters, beyond) = between_two_kernels(
        offload,
        || TcpStream::connect(server).unwrap().write_all(&sent).unwrap(),
        |ready| {
            let listener = TcpListener::bind(server).unwrap();
            ready.send(()).unwrap();
            let mut received = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
            assert!(received == sent, "{} of {} bytes, or others", received.len(), sent.len());
        },
    );
    assert!(counters.received >= 8_000_000 / 1360, "{counters:?}");
    assert_eq!(counters.superpackets > 0, offload != Switch::Off, "{counters:?}");
    let most = beyond.coalesced > beyond.sent / 2;
    assert_eq!(most, offload != Switch::Off, "{beyond:?}");
}

#[test]
fn udp_of_one_kernel_is_accepted_by_the_other() {
    carries_udp("10.1.0.1:9", "10.2.0.1:99");
}

#[test]
fn udp_over_ipv6_is_accepted_as_well() {
    carries_udp("[fd00:1:0:1::1]:9", SERVER6);
}

fn carries_udp(client: &str, server: &str) {
    let server: SocketAddr = server.parse().unwrap();
    let run_of = |size: usize| -> Vec<u8> { (0..40 * size - 100).map(|i| (i / size) as u8).collect() };
    let (counters, beyond) = between_two_kernels(
        Switch::Auto,
        || {
            let mut socket = OuterSocket::bind(client.parse().unwrap(), Offload::detect()).unwrap();
            let path = Path { local: socket.local(), remote: server };
            let (long, short) = (run_of(1300), run_of(333));
            socket.send([
                (path, &long[..], 1300),
                (path, &short[..], 333),
                (path, &[5; 3000], 0),
                (path, b"odd", 0),
            ]);
            assert_eq!(socket.counters().sent, 82);
        },
        |ready| {
            let mut socket = OuterSocket::bind(server, Offload::detect()).unwrap();
            ready.send(()).unwrap();
            let mut inbox = outer::Inbox::new();
            let mut received: Vec<Vec<u8>> = Vec::new();
            while received.len() < 82 {
                assert!(
                    poll::wait([socket.as_fd()], Some(Duration::from_secs(5))).unwrap().contains(0),
                    "{}",
                    received.len()
                );
                socket.receive(&mut inbox).unwrap();
                while inbox.next_batch() {
                    received.extend(inbox.segments().map(|(_, bytes)| bytes.to_vec()));
                }
            }
            let (long, short) = (run_of(1300), run_of(333));
            let expected = long.chunks(1300).chain(short.chunks(333)).chain([&[5; 3000][..], b"odd"]);
            assert!(received.iter().map(Vec::as_slice).eq(expected));
        },
    );
    // One datagram of the 82 was fragmented. Each run of 40 was one superpacket, or two if it was too long for one.
    assert!(counters.received >= 84 && (2..=4).contains(&counters.superpackets), "{counters:?}");
    assert!(beyond.coalesced >= 70 && beyond.uncoalesced == 0, "{beyond:?}");
}
