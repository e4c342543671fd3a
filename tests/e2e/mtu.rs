//! How long packets may be: what a client asks for, what fits around it outside, and what their senders hear.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use adit::superpacket::{Left, Superpacket, Transport};
use load::Profile;
use load::profile::LcpOption;

use crate::inner;
use crate::inner6;
use crate::world::{Device, HOST, Place, Setup, World};

const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);
const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 7);
const SOON: Duration = Duration::from_secs(8);

/// A client that asks for packets of 1300 octets at most, as some makers' Android does.
fn narrow_profile() -> Profile {
    let mut profile = Profile::windows_10();
    for option in &mut profile.ppp.lcp {
        if let LcpOption::Mru(size) = option {
            *size = 1300;
        }
    }
    profile
}

/// One that is in.
fn narrow() -> (World, Device) {
    let mut world = World::new(&Setup { range6: Some("2001:db8:1::/48"), ..Setup::default() });
    let device = world.dial(narrow_profile(), Place::Public(CLIENT));
    world.until_up(device, SOON);
    world.run(SOON);
    world.beyond.clear();
    (world, device)
}

/// A packet of `len` octets that must not be cut, or may be.
fn datagram(world: &World, device: Device, len: usize, whole: bool) -> Vec<u8> {
    let mut payload = vec![7; len - 20];
    payload[..8].copy_from_slice(&[0x13, 0xc4, 0, 9, 0, 0, 0, 0]);
    let mut packet = inner::ipv4(HOST, world.address(device), 17, &payload);
    if !whole {
        packet[6] = 0;
        packet[10..12].fill(0);
        let sum = inner::checksum(&packet[..20]).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
    }
    packet
}

fn sent(world: &mut World, device: Device, packet: &[u8]) -> bool {
    let before = world.device(device).packets.len();
    world.send_from_beyond(&[packet]);
    world.run(SOON);
    world.device(device).packets.len() > before
}

#[test]
fn the_sender_of_what_a_client_does_not_take_is_told() {
    let (mut world, device) = narrow();
    let fits = datagram(&world, device, 1300, true);
    assert!(sent(&mut world, device, &fits) && world.beyond.is_empty());
    let long = datagram(&world, device, 1301, true);
    assert!(!sent(&mut world, device, &long));
    assert_eq!(world.discarded("too_big"), 1);
    let told = world.beyond.pop().expect("the sender hears of it");
    assert_eq!((inner::source(&told), inner::destination(&told)), (world.address(device), HOST));
    assert_eq!(told[20..28], [3, 4, told[22], told[23], 0, 0, 0x05, 0x14]);
    assert_eq!(told[28..], long[..28]);
}

/// The packet whose fragments these are, in whatever order the network brought them.
fn put_together(mut fragments: Vec<Vec<u8>>) -> Vec<u8> {
    let field = |packet: &[u8]| u16::from_be_bytes([packet[6], packet[7]]);
    fragments.sort_by_key(|packet| field(packet) & 0x1fff);
    let mut whole = Vec::new();
    let count = fragments.len();
    for (index, packet) in fragments.iter().enumerate() {
        assert!(packet.len() <= 1300 && inner::checksum(&packet[..20]) == 0);
        assert_eq!(usize::from(field(packet) & 0x1fff) * 8, whole.len(), "{index}");
        assert_eq!(field(packet) & 0x2000 != 0, index + 1 < count, "{index}");
        whole.extend(&packet[20..]);
    }
    let mut header = fragments[0][..20].to_vec();
    header[2..4].copy_from_slice(&(whole.len() as u16 + 20).to_be_bytes());
    header[6] = 0;
    header[10..12].fill(0);
    let sum = inner::checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    [header, whole].concat()
}

#[test]
fn what_may_be_cut_is_cut_inside() {
    let (mut world, device) = narrow();
    for (len, fragments) in [(1300, 1), (1301, 2), (1400, 2), (4000, 4)] {
        let long = datagram(&world, device, len, false);
        let before = world.device(device).packets.len();
        assert!(sent(&mut world, device, &long) && world.beyond.is_empty());
        let arrived = world.device(device).packets[before..].to_vec();
        assert_eq!(arrived.len(), fragments, "{len}");
        assert_eq!(put_together(arrived), long, "{len}");
    }
    assert_eq!(world.status().sessions[0].packets_out, 1 + 2 + 2 + 4);
    // As large as they are, none of them is cut outside as well.
    let outer = world.record.iter().filter(|sent| !sent.to_server).map(|sent| sent.payload.len()).max();
    assert!(outer.is_some_and(|payload| payload <= 1472), "{outer:?}");
}

/// A kernel leaves to us what it would cut for the device's MTU; each of the packets is then cut for the client.
#[test]
fn so_is_each_packet_that_a_kernel_left_in_one_piece() {
    let (mut world, device) = narrow();
    let payload: Vec<u8> = (0..2700_u32).map(|i| (i * i) as u8).collect();
    let mut whole = inner::udp_begun(HOST, world.address(device), &payload);
    whole[6] = 0;
    let before = world.device(device).packets.len();
    world.send_superpackets([Superpacket::new(
        &whole,
        Left::Segmentation { transport: Transport::Udp, size: 1350 },
    )]);
    world.run(SOON);
    // Each of the two has an identification of its own.
    let arrived = &world.device(device).packets[before..];
    let (first, second) = arrived.iter().cloned().partition(|packet| packet[4..6] == whole[4..6]);
    let arrived = [first, second].map(put_together);
    let payloads = arrived.each_ref().map(|packet| inner::udp_payload(packet).expect("right checksums"));
    assert_eq!(payloads.concat(), payload);
}

#[test]
fn a_flood_of_long_packets_is_not_answered_with_another() {
    let (mut world, device) = narrow();
    let other = world.dial(narrow_profile(), Place::Public(Ipv4Addr::new(198, 51, 100, 98)));
    world.until_up(other, SOON);
    world.run(SOON);
    let long = datagram(&world, device, 1400, true);
    let many: Vec<&[u8]> = (0..1000).map(|_| &long[..]).collect();
    world.send_from_beyond(&many);
    assert_eq!((world.discarded("too_big"), world.beyond.len()), (1000, 20));
    // Whoever writes to another client hears of it still.
    let long = datagram(&world, other, 1400, true);
    world.send_from_beyond(&[&long]);
    assert_eq!((world.discarded("too_big"), world.beyond.len()), (1001, 21));
}

/// ICMP errors are not answered, so they cost nobody an answer.
#[test]
fn of_what_is_not_answered_may_come_any_number() {
    let (mut world, device) = narrow();
    let error = inner::ipv4(HOST, world.address(device), 1, &[3; 1380]);
    let many: Vec<&[u8]> = (0..1000).map(|_| &error[..]).collect();
    world.send_from_beyond(&many);
    let long = datagram(&world, device, 1400, true);
    world.send_from_beyond(&[&long]);
    assert_eq!((world.discarded("too_big"), world.beyond.len()), (1001, 1));
}

/// A core answers two hundred at once: for ten clients.
#[test]
fn who_came_when_nobody_was_answered_is_so_as_soon_as_anybody() {
    let mut world = World::new(&Setup { shards: 1, ..Setup::default() });
    let mut to_a_client = |host| {
        let device = world.dial(narrow_profile(), Place::Public(Ipv4Addr::new(198, 51, 100, host)));
        world.until_up(device, SOON);
        datagram(&world, device, 1400, true)
    };
    let long: Vec<Vec<u8>> = (1..=11).map(&mut to_a_client).collect();
    world.beyond.clear();
    // At one instant.
    let many: Vec<&[u8]> = long.iter().flat_map(|packet| [&packet[..]; 30]).collect();
    world.send_from_beyond(&many);
    assert_eq!(world.beyond.len(), 200, "nothing for the last one");
    world.run(Duration::from_millis(20));
    world.send_from_beyond(&[&long[10]; 5].map(|packet| &packet[..]));
    assert_eq!(world.beyond.len(), 205);
}

#[test]
fn over_ipv6_as_well() {
    let (mut world, device) = narrow();
    let own = Ipv6Addr::new(0x2001, 0xdb8, 1, world.address(device).octets()[3].into(), 0, 0, 0, 9);
    let datagram = |len: usize| inner6::udp((HOST6, own), (5060, 9), &vec![7; len - 48]);
    assert!(sent(&mut world, device, &datagram(1300)) && world.beyond.is_empty());
    assert!(!sent(&mut world, device, &datagram(1301)));
    let told = world.beyond.pop().expect("the sender hears of it");
    let (next_header, message) = inner6::payload(&told).expect("a right checksum");
    assert_eq!((next_header, &message[..2], &message[4..8]), (58, &[2, 0][..], &[0, 0, 0x05, 0x14][..]));
    assert_eq!(message[8..], datagram(1301)[..1232]);
    assert_eq!(inner6::source(&told), own);
}

/// Around the packets of a client that comes over IPv6 is so much that 1400 octets would travel in fragments.
#[test]
fn what_is_put_around_packets_is_reckoned_with() {
    let mut world = World::new(&Setup::default());
    let home = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 5);
    let device = world.dial(Profile::windows_10(), Place::PublicV6(home));
    world.until_up(device, SOON);
    let longest = (1300..=1400).rev().find(|len| {
        let packet = datagram(&world, device, *len, true);
        sent(&mut world, device, &packet)
    });
    assert_eq!(longest, Some(1388), "AES-256 and SHA-1");
    let outer = world.record.iter().filter(|sent| !sent.to_server).map(|sent| sent.payload.len()).max();
    assert!(outer.is_some_and(|payload| (1430..=1452).contains(&payload)), "{outer:?}");
}
