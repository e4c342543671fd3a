//! What the kernel has left in one piece reaches clients in many.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use adit::superpacket::{Left, Superpacket, Transport};
use load::profile::EspTransform;
use load::{Cipher, Hash, Profile};

use crate::inner;
use crate::world::{Device, HOST, Place, Setup, Steering, World};

const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);
const SOON: Duration = Duration::from_secs(8);
const UDP: Left = Left::Segmentation { transport: Transport::Udp, size: 1000 };

#[test]
fn a_client_gets_every_segment_whole() {
    let mut world = World::new(&Setup::default());
    let device = world.dial(Profile::windows_10(), Place::Public(CLIENT));
    world.until_up(device, SOON);
    let payload: Vec<u8> = (0..3200_u32).map(|i| (i * i) as u8).collect();
    let address = world.address(device);
    let uncut = inner::udp_begun(HOST, address, &payload);
    let open = inner::udp_begun(HOST, address, b"one");
    world.send_superpackets([
        Superpacket::new(&uncut, UDP),
        Superpacket::new(&open, Left::Checksum { start: 20, field: 6 }),
    ]);
    world.run(SOON);
    let packets = &world.device(device).packets;
    // The network may have brought them in another order.
    let mut payloads: Vec<_> = packets.iter().filter_map(|packet| inner::udp_payload(packet)).collect();
    let mut expected: Vec<_> = payload.chunks(1000).chain([&b"one"[..]]).collect();
    payloads.sort_unstable();
    expected.sort_unstable();
    assert!(payloads == expected, "{} of 5 datagrams, or others", payloads.len());
    assert_eq!(packets.len(), 5);
    let session = &world.status().sessions[0];
    assert_eq!(session.packets_out, 5);
    assert_eq!(session.bytes_out, 3200 + 4 * 28 + 31);
}

/// Two clients, the first of whom has a cipher that nothing in a CPU helps with.
fn slow_and_quick(setup: &Setup) -> (World, [Device; 2]) {
    let mut world = World::new(setup);
    let mut slow = Profile::windows_10();
    slow.esp.transforms = vec![EspTransform::new(Cipher::TripleDes, Hash::Sha1)];
    let slow = world.dial(slow, Place::Public(CLIENT));
    world.until_up(slow, SOON);
    let quick = world.dial(Profile::windows_10(), Place::Public(OTHER));
    world.until_up(quick, SOON);
    (world, [slow, quick])
}

/// Brings six packets to the first and, in their midst, one to the second; returns to whom they went, in that order.
fn bring_to_both(world: &mut World, [slow, quick]: [Device; 2]) -> Vec<IpAddr> {
    let uncut = inner::udp_begun(HOST, world.address(slow), &[7; 3000]);
    let open = inner::udp_begun(HOST, world.address(quick), b"one");
    let before = world.record.len();
    world.send_superpackets([
        Superpacket::new(&uncut, UDP),
        Superpacket::new(&open, Left::Checksum { start: 20, field: 6 }),
        Superpacket::new(&uncut, UDP).part(0..2),
        Superpacket::new(&uncut, UDP).part(2..9),
    ]);
    world.record[before..].iter().map(|sent| sent.remote.ip()).collect()
}

fn all_has_come(world: &mut World, devices: [Device; 2]) {
    world.run(SOON);
    assert_eq!(devices.map(|device| world.device(device).packets.len()), [6, 1]);
    let mut sent: Vec<_> = world.status().sessions.iter().map(|session| session.packets_out).collect();
    sent.sort_unstable();
    assert_eq!(sent, [1, 6]);
}

/// Who came first in a batch is sent last if his cipher takes long, and each packet is sent once.
#[test]
fn nobody_waits_for_a_slow_cipher() {
    let (mut world, devices) = slow_and_quick(&Setup { shards: 1, ..Setup::default() });
    let sent = bring_to_both(&mut world, devices);
    assert_eq!(sent, [&[IpAddr::from(OTHER)][..], &[IpAddr::from(CLIENT); 6]].concat());
    all_has_come(&mut world, devices);
}

#[test]
fn a_slow_cipher_takes_what_came_to_another_core() {
    let setup = Setup { shards: 2, steering: Steering::Wrong, ..Setup::default() };
    let (mut world, devices) = slow_and_quick(&setup);
    bring_to_both(&mut world, devices);
    all_has_come(&mut world, devices);
}

#[test]
fn what_is_lost_is_counted_by_the_packet() {
    let mut world = World::new(&Setup::default());
    let nobody = inner::udp_begun(HOST, Ipv4Addr::new(10, 20, 0, 99), &[7; 3200]);
    world.send_superpackets([Superpacket::new(&nobody, UDP)]);
    assert_eq!(world.discarded("no_route"), 4);
    world.send_superpackets([Superpacket::new(&nobody, UDP).part(1..3)]);
    assert_eq!(world.discarded("no_route"), 6);
    // Another protocol than it is said to be.
    let tcp = Left::Segmentation { transport: Transport::Tcp, size: 1000 };
    world.send_superpackets([Superpacket::new(&nobody, tcp)]);
    assert_eq!(world.discarded("malformed_ip"), 4);
}
