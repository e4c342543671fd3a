//! What the kernel brings to which core.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::time::Duration;

use adit::config::Switch;
use adit::io::outer::{self, Offload, OuterSocket, Path};
use adit::io::poll;
use adit::io::tun::{self, Interface, Tun};
use adit::pool::{Delegation, Pool, Prefix};
use adit::server::{Inside, ShardId, Shards};

use socket2::SockRef;

use crate::namespace::{run, within};

fn shards(count: u32) -> Shards {
    Shards::new(NonZeroU32::new(count).unwrap())
}

/// What a socket has, in order.
fn received(socket: &mut OuterSocket) -> Vec<Vec<u8>> {
    let (mut inbox, mut all) = (outer::Inbox::new(), Vec::new());
    while poll::wait([socket.as_fd()], Some(Duration::ZERO)).unwrap().contains(0) {
        socket.receive(&mut inbox).unwrap();
        while inbox.next_batch() {
            all.extend(inbox.segments().map(|(_, bytes)| bytes.to_vec()));
        }
    }
    all
}

/// ESP with these SPIs, more than one round of every remainder.
fn esp() -> impl Iterator<Item = (u32, Vec<u8>)> {
    (0x1234_5600..0x1234_5640_u32).map(|spi| (spi, [&spi.to_be_bytes()[..], &[0, 0, 0, 1, 9, 9]].concat()))
}

#[test]
fn esp_in_udp_comes_to_the_socket_of_its_shard_and_ike_to_the_first() {
    within(|| {
        for (count, address) in [(2, "127.0.0.1"), (3, "::1"), (5, "127.0.0.1")] {
            let local = SocketAddr::new(address.parse().unwrap(), 4500);
            let (mut group, steered) =
                OuterSocket::bind_group(local, Offload::choose(Switch::Auto), shards(count)).unwrap();
            steered.unwrap();
            assert_eq!(group.len(), count as usize);
            let client = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).unwrap();
            let send = |bytes: &[u8]| assert_eq!(client.send_to(bytes, local).unwrap(), bytes.len());
            esp().for_each(|(_, packet)| send(&packet));
            let others = [&[0xff][..], b"ab", &[0, 0, 0, 0, 7, 7, 7, 7, 7]];
            others.into_iter().for_each(send);
            for (shard, socket) in group.iter_mut().enumerate() {
                let own = esp().filter(|(spi, _)| spi % count == shard as u32).map(|(_, packet)| packet);
                let first = if shard == 0 { &others[..] } else { &[] };
                let expected: Vec<Vec<u8>> = own.chain(first.iter().map(|bytes| bytes.to_vec())).collect();
                assert_eq!(received(socket), expected, "socket {shard} of {count}");
            }
            // Nobody else gets in, not even as another member of a group.
            let again =
                OuterSocket::bind_group(local, Offload::choose(Switch::Auto), shards(count)).unwrap_err();
            assert!(again.to_string().contains("Address already in use"), "{again}");
        }
    });
}

#[test]
fn each_native_packet_comes_to_one_socket() {
    within(|| {
        let mut group = OuterSocket::esp_group(Ipv4Addr::LOCALHOST, shards(3)).unwrap();
        run(&["ip", "addr", "add", "10.1.0.3/32", "dev", "lo"]);
        let mut client = OuterSocket::esp(Ipv4Addr::new(10, 1, 0, 3)).unwrap();
        let there = Path::native(Ipv4Addr::new(10, 1, 0, 3).into(), Ipv4Addr::LOCALHOST.into());
        for (_, packet) in esp() {
            client.send([(there, &packet[..], packet.len())]);
        }
        for (shard, socket) in group.iter_mut().enumerate() {
            let own = esp().filter(|(spi, _)| *spi % 3 == shard as u32).map(|(_, packet)| packet);
            assert_eq!(received(socket), own.collect::<Vec<_>>(), "socket {shard}");
        }
    });
}

/// A full raw socket drops whatever comes, before its filter is asked: it cannot tell what was for it.
#[test]
fn only_a_raw_socket_that_is_alone_counts_what_overflows() {
    within(|| {
        run(&["ip", "addr", "add", "10.1.0.3/32", "dev", "lo"]);
        let mut client = OuterSocket::esp(Ipv4Addr::new(10, 1, 0, 3)).unwrap();
        let there = Path::native(Ipv4Addr::new(10, 1, 0, 3).into(), Ipv4Addr::LOCALHOST.into());
        for count in [1, 2] {
            let mut group = OuterSocket::esp_group(Ipv4Addr::LOCALHOST, shards(count)).unwrap();
            let socket = group.last_mut().unwrap();
            SockRef::from(&*socket).set_recv_buffer_size(1 << 16).unwrap();
            let mut send = |spi: u8| client.send([(there, &[0, 0, 0, spi, 7, 7, 7, 7][..], 0)]);
            // Those of the last until it is full, and some of the first.
            (0..1000).for_each(|_| send(1));
            (0..10).for_each(|_| send(2));
            let kept = received(socket).len();
            assert!(kept < 1000, "{kept}");
            send(1);
            assert_eq!(received(socket).len(), 1);
            let lost = if count == 1 { 1010 - kept as u64 } else { 0 };
            assert_eq!(socket.counters().overflowed, lost);
        }
    });
}

#[test]
fn packets_come_to_the_queue_of_their_destination() {
    within(|| {
        for count in [2, 3] {
            let pools = [pool()];
            let interface = Interface { name: "adit7", pools: &pools, mtu: 1400, offload: Switch::Auto };
            let (mut queues, steered) = Tun::create_queues(&interface, shards(count)).unwrap();
            let exceptions = steered.unwrap();
            let again = Tun::create_queues(&interface, shards(count)).unwrap_err().to_string();
            assert!(
                again.starts_with("interface adit7 is there already: is another adit running"),
                "{again}"
            );
            let host = UdpSocket::bind("0.0.0.0:0").unwrap();
            let clients: Vec<Ipv4Addr> = (2..40).map(|last| Ipv4Addr::new(10, 20, 3, last)).collect();
            let all = |except: &[(Ipv4Addr, u32)], queues: &mut [Tun]| {
                for client in &clients {
                    host.send_to(b"hello", (*client, 9)).unwrap();
                }
                for (shard, queue) in queues.iter_mut().enumerate() {
                    let mut inbox = tun::Inbox::new();
                    queue.receive(&mut inbox).unwrap();
                    inbox.next_batch();
                    let came =
                        inbox.packets().map(|packet| *packet.bytes()[16..].first_chunk::<4>().unwrap());
                    let came: Vec<Ipv4Addr> = came.map(Ipv4Addr::from).collect();
                    let core = |client: &Ipv4Addr| {
                        let except = except.iter().find(|(address, _)| address == client);
                        except.map_or_else(|| client.to_bits() % count, |(_, core)| *core)
                    };
                    let own = clients.iter().filter(|client| core(client) == shard as u32);
                    assert!(came.iter().eq(own), "queue {shard} of {count}: {came:?}");
                }
            };
            all(&[], &mut queues);
            // To whom an address was given that another core would have: some are where they would be anyway.
            let away: Vec<_> = clients.iter().step_by(3).map(|client| (*client, count - 1)).collect();
            away.iter().for_each(|(client, core)| exceptions.set(Inside::V4(*client), Some(ShardId(*core))));
            all(&away, &mut queues);
            away.iter().skip(1).for_each(|(client, _)| exceptions.set(Inside::V4(*client), None));
            all(&away[..1], &mut queues);
        }
    });
}

#[test]
fn packets_over_ipv6_come_to_the_queue_of_their_prefix() {
    within(|| {
        for count in [2, 3] {
            let pools = [pool()];
            let interface = Interface { name: "adit7", pools: &pools, mtu: 1400, offload: Switch::Auto };
            let (mut queues, steered) = Tun::create_queues(&interface, shards(count)).unwrap();
            let exceptions = steered.unwrap();
            let away = Prefix::of("2001:db8:1:302::".parse().unwrap());
            exceptions.set(Inside::V6(away), Some(ShardId(count - 1)));
            let host = UdpSocket::bind("[::]:0").unwrap();
            let clients: Vec<Ipv6Addr> =
                (2..40).map(|last| Ipv6Addr::new(0x2001, 0xdb8, 1, 0x300 + last, 7, 7, 7, last)).collect();
            let core = |client: &Ipv6Addr| match Prefix::of(*client) {
                prefix if prefix == away => count - 1,
                // That of 10.20.3.2 and of those that follow.
                _ => (0x0a14_0000 + u32::from(client.segments()[3])) % count,
            };
            each_comes_to_its_queue(&host, &clients, &mut queues, core);
        }
    });
}

#[test]
fn packets_to_hosts_behind_a_client_come_to_its_queue() {
    within(|| {
        let range = |text: &str| Delegation::new(text.parse().unwrap(), 16).unwrap();
        // A range whose first word has its highest bit set, one that ends with the first word, and one that ends within the second.
        let ranges = ["fd00:db8:100::/40", "2001:d00::/32", "2001:db8:100::/44"].map(range);
        let pools: Vec<Pool> = (20..).zip(ranges).map(|(net, delegate)| pool_of(net, delegate)).collect();
        for count in [2, 3] {
            let interface = Interface { name: "adit7", pools: &pools, mtu: 1400, offload: Switch::Auto };
            let (mut queues, steered) = Tun::create_queues(&interface, shards(count)).unwrap();
            let exceptions = steered.unwrap();
            let host = UdpSocket::bind("[::]:0").unwrap();
            for (net, delegation) in (20..).zip(ranges) {
                let away = delegation.nth(9);
                exceptions.set(Inside::Delegated(away), Some(ShardId(count - 1)));
                // Three networks of each.
                let clients: Vec<Ipv6Addr> = (2..40)
                    .flat_map(|number| {
                        let prefix = delegation.nth(number).network().to_bits();
                        [0, 1, 3].map(|net| Ipv6Addr::from_bits(prefix | net << 64 | 7))
                    })
                    .collect();
                let core = |client: &Ipv6Addr| match delegation.of(*client).unwrap() {
                    prefix if prefix == away => count - 1,
                    // That of 10.20.0.2, 10.21.0.2, 10.22.0.2 and of those that follow.
                    prefix => {
                        let number = prefix.number() - delegation.nth(0).number();
                        (0x0a00_0000 + (net << 16) + number) % count
                    }
                };
                each_comes_to_its_queue(&host, &clients, &mut queues, core);
                exceptions.set(Inside::Delegated(away), None);
            }
            // What is no client's but a pool's, and what is next to a range.
            let others = ["2001:db8:3:3::7", "2001:db8:3:2::7"].map(|text| text.parse().unwrap());
            let of_net_22 = |to: &Ipv6Addr| (0x0a16_0000 + u32::from(to.segments()[3])) % count;
            each_comes_to_its_queue(&host, &others, &mut queues, of_net_22);
        }
    });
}

/// Sends something to each, and looks where it comes.
#[track_caller]
fn each_comes_to_its_queue(
    host: &UdpSocket,
    clients: &[Ipv6Addr],
    queues: &mut [Tun],
    core: impl Fn(&Ipv6Addr) -> u32,
) {
    for client in clients {
        host.send_to(b"hello", (*client, 9)).unwrap();
    }
    let count = queues.len();
    for (shard, queue) in queues.iter_mut().enumerate() {
        let mut inbox = tun::Inbox::new();
        queue.receive(&mut inbox).unwrap();
        inbox.next_batch();
        let came = inbox.packets().map(|packet| *packet.bytes()[24..].first_chunk::<16>().unwrap());
        // The kernel itself has something to say to groups. Those to one client wait for each other: the order is another.
        let came: BTreeSet<Ipv6Addr> = came.map(Ipv6Addr::from).filter(|to| !to.is_multicast()).collect();
        let own = clients.iter().copied().filter(|client| core(client) == shard as u32);
        assert_eq!(came, own.collect(), "queue {shard} of {count}");
    }
}

/// The pool 10.`net`.0.0/16.
fn pool_of(net: u8, delegate: Delegation) -> Pool {
    Pool {
        name: net.to_string(),
        range: format!("10.{net}.0.0/16").parse().unwrap(),
        range6: Some(format!("2001:db8:{}::/48", net - 19).parse().unwrap()),
        delegate: Some(delegate),
    }
}

fn pool() -> Pool {
    Pool {
        name: "default".into(),
        range: "10.20.0.0/16".parse().unwrap(),
        range6: Some("2001:db8:1::/48".parse().unwrap()),
        delegate: Delegation::new("2001:db8:100::/40".parse().unwrap(), 16),
    }
}
