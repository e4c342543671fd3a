//! How fast a session may be, and where it may send.

use std::net::Ipv4Addr;
use std::time::Duration;

use adit::superpacket::{Left, Superpacket, Transport};
use load::Profile;

use crate::inner;
use crate::world::{Device, HOST, Place, Setup, World};

const SOON: Duration = Duration::from_secs(8);
const CLIENT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
/// A rate of 2 Mbit/s for ten seconds, in bytes.
const DUE: f64 = 2e6 / 8.0 * 10.0;

fn world(users: &'static str) -> (World, Device) {
    let mut world = World::new(&Setup { users, ..Setup::default() });
    let device = world.dial(Profile::windows_10(), Place::Public(CLIENT));
    world.until_up(device, SOON);
    (world, device)
}

/// Lets ten seconds pass with something done every so many milliseconds.
fn ten_seconds(world: &mut World, milliseconds: u64, mut act: impl FnMut(&mut World)) {
    let end = world.elapsed() + Duration::from_secs(10);
    while world.elapsed() < end {
        act(world);
        world.run(Duration::from_millis(milliseconds));
    }
    world.run(SOON);
}

fn bytes(packets: &[Vec<u8>]) -> f64 {
    packets.iter().map(Vec::len).sum::<usize>() as f64
}

#[track_caller]
fn within_five_percent(bytes: f64) {
    assert!((0.95..=1.05).contains(&(bytes / DUE)), "{bytes} bytes, expected {DUE}");
}

#[test]
fn a_rate_up_holds_to_five_percent_over_ten_seconds() {
    let (mut world, device) = world("alice: { password: secret, rate_up: 2 Mbit/s }");
    let packet = inner::ipv4(world.address(device), HOST, 99, &[0xa5; 1180]);
    // 3.2 Mbit/s.
    ten_seconds(&mut world, 3, |world| {
        _ = world.with(device, |client, now| client.send_packet(now, &packet))
    });
    within_five_percent(bytes(&world.beyond));
    let passed = world.beyond.len() as u64;
    let session = &world.status().sessions[0];
    assert_eq!(
        (session.packets_in, session.bytes_in),
        (passed, passed * 1200),
        "what is dropped does not count"
    );
    assert!(world.discarded("over_rate") > 1000);
}

#[test]
fn a_rate_down_holds_to_five_percent_over_ten_seconds() {
    let (mut world, device) = world("alice: { password: secret, rate_down: 2 Mbit/s }");
    let packet = inner::ipv4(HOST, world.address(device), 99, &[0xa5; 1180]);
    ten_seconds(&mut world, 3, |world| world.send_from_beyond(&[&packet]));
    within_five_percent(bytes(&world.device(device).packets));
    // The other way is free.
    let up = inner::ipv4(world.address(device), HOST, 99, &[0xa5; 1180]);
    for _ in 0..1000 {
        world.with(device, |client, now| client.send_packet(now, &up));
    }
    world.run(SOON);
    assert_eq!(world.beyond.len(), 1000);
}

/// What the kernel has left in one piece counts by the bytes of its packets, and not as one.
#[test]
fn superpackets_are_held_to_the_rate_by_their_bytes() {
    let (mut world, device) = world("alice: { password: secret, rate_down: 2 Mbit/s }");
    let whole = inner::udp_begun(HOST, world.address(device), &vec![7; 20_000]);
    let cut = Left::Segmentation { transport: Transport::Udp, size: 1000 };
    // 20 560 bytes each 50 ms are 3.3 Mbit/s.
    ten_seconds(&mut world, 50, |world| world.send_superpackets([Superpacket::new(&whole, cut)]));
    let packets = &world.device(device).packets;
    within_five_percent(bytes(packets));
    assert!(packets.iter().all(|packet| packet.len() == 1028));
    assert_eq!(world.discarded("over_rate") + packets.len() as u64, 200 * 20);
}

#[test]
fn some_networks_are_within_reach_and_others_are_not() {
    let (mut world, device) = world("alice: { password: secret, to: [198.51.100.0/24, 10.9.0.0/16] }");
    let address = world.address(device);
    world.ping(device, SOON);
    let send = |world: &mut World, to: &str| {
        let packet = inner::ping(address, to.parse().expect("an address"), 1);
        let before = world.beyond.len();
        world.with(device, |client, now| client.send_packet(now, &packet));
        world.run(SOON);
        world.beyond.len() - before
    };
    assert_eq!(send(&mut world, "10.9.255.255"), 1);
    assert_eq!(send(&mut world, "10.8.0.1"), 0);
    assert_eq!(send(&mut world, "192.0.2.1"), 0);
    assert_eq!(world.discarded("out_of_reach"), 2);
    // The server itself always is.
    assert_eq!(send(&mut world, "10.20.0.1"), 1);
}
