//! IPv6 inside: a prefix for each client, and what may pass.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use load::Profile;

use crate::inner6;
use crate::world::{Device, Place, Quality, Setup, Steering, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
/// A host beyond the server.
pub(crate) const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 7);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
pub(crate) const DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
pub(crate) const SOON: Duration = Duration::from_secs(8);
const ADVERTISEMENT: u8 = 134;

fn setup() -> Setup {
    Setup { range6: Some("2001:db8:1::/48"), ..Setup::default() }
}

/// Clients behind one NAT that have IPv4, and whatever they got over IPv6 until then.
pub(crate) fn connected<const N: usize>(setup: &Setup, profiles: [Profile; N]) -> (World, [Device; N]) {
    let mut world = World::new(setup);
    let nat = world.add_nat(NAT);
    let devices = profiles.map(|profile| {
        let device = world.dial(profile, Place::Behind(nat, PRIVATE));
        world.until_up(device, Duration::from_secs(60));
        device
    });
    world.run(SOON);
    (world, devices)
}

/// The prefix that a device was last told to make its address of.
#[track_caller]
pub(crate) fn prefix(world: &World, device: Device) -> Ipv6Addr {
    let packets = world.device(device).packets.iter().rev();
    let told = packets.filter_map(|packet| {
        let (58, message @ [ADVERTISEMENT, ..]) = inner6::payload(packet)? else { return None };
        assert_eq!((inner6::source(packet), packet[7]), (ROUTER, 255));
        let option = message[16..].first_chunk::<32>()?;
        // Prefix information, 32 octets; 64 bits, for addresses; for ever.
        assert_eq!(option[..12], [3, 4, 64, 0x40, 255, 255, 255, 255, 255, 255, 255, 255]);
        let octets: [u8; 16] = option[16..].try_into().ok()?;
        Some(Ipv6Addr::from(octets))
    });
    told.take(1).next().unwrap_or_else(|| panic!("no prefix\nlog:\n{}", world.log.join("\n")))
}

/// The address that a device makes of its prefix.
#[track_caller]
fn address(world: &World, device: Device) -> Ipv6Addr {
    let interface = world.device(device).client.interface_id().expect("IPV6CP is up");
    let prefix = prefix(world, device).to_bits();
    Ipv6Addr::from_bits(prefix | u128::from(u64::from_be_bytes(interface)))
}

pub(crate) fn link_local(world: &World, device: Device) -> Ipv6Addr {
    let interface = world.device(device).client.interface_id().expect("IPV6CP is up");
    Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(u64::from_be_bytes(interface)))
}

pub(crate) fn send(world: &mut World, device: Device, packet: &[u8]) {
    assert!(world.with(device, |client, now| client.send_packet(now, packet)));
    world.run(Duration::from_secs(1));
}

/// What a device got last of a protocol.
pub(crate) fn got(world: &World, device: Device, protocol: u8) -> Option<Vec<u8>> {
    let last = world.device(device).packets.last()?;
    inner6::payload(last).filter(|(found, _)| *found == protocol).map(|(_, payload)| payload.to_vec())
}

/// A packet each way, to and from the address that the device made.
fn talks(world: &mut World, device: Device) {
    let own = address(world, device);
    talks_as(world, device, own);
}

/// A packet each way between one of a device's addresses, or of a host behind it, and a host beyond the server.
#[track_caller]
pub(crate) fn talks_as(world: &mut World, device: Device, own: Ipv6Addr) {
    let ping = inner6::icmp(own, HOST, 128, &[0, 1, 0, 1, 0x5a]);
    send(world, device, &ping);
    assert_eq!(world.beyond.last(), Some(&ping));
    let pong = inner6::icmp(HOST, own, 129, &[0, 1, 0, 1, 0x5a]);
    world.send_from_beyond(&[&pong]);
    world.run(Duration::from_secs(1));
    assert_eq!(world.device(device).packets.last(), Some(&pong));
}

#[test]
fn every_client_that_asks_has_a_prefix_of_its_own() {
    for profile in [Profile::windows_10(), Profile::apple(), Profile::linux()] {
        let asks = profile.ppp.extras.iter().any(|(protocol, _)| *protocol == 0x8057);
        let (mut world, [one, other]) = connected(&setup(), [profile, Profile::windows_10()]);
        if asks {
            let last = world.address(one).octets()[3].into();
            assert_eq!(prefix(&world, one), Ipv6Addr::new(0x2001, 0xdb8, 1, last, 0, 0, 0, 0));
            talks(&mut world, one);
        } else {
            assert!(world.device(one).client.interface_id().is_none());
        }
        talks(&mut world, other);
        assert_eq!(world.lines(&["is in from", "(prefix 2001:db8:1:"]).len(), 2);
    }
}

#[test]
fn whatever_the_network_does_and_wherever_the_kernel_brings_packets() {
    for steering in [Steering::Right, Steering::ByNumber, Steering::Wrong] {
        for shards in [1, 2, 3] {
            let setup = Setup { shards, steering, quality: Quality::CLEAN, ..setup() };
            let (mut world, devices) = connected(&setup, [Profile::windows_10(), Profile::windows_7()]);
            for device in devices {
                talks(&mut world, device);
            }
            if steering == Steering::Right {
                assert_eq!(world.handed_over(), 0, "{shards} cores");
            }
        }
    }
    let (mut world, [device]) =
        connected(&Setup { quality: Quality::BAD, ..setup() }, [Profile::windows_10()]);
    world.run(Duration::from_secs(60));
    world.set_quality(Quality::CLEAN);
    // What was lost is asked for.
    let link_local = link_local(&world, device);
    send(&mut world, device, &inner6::icmp(link_local, ALL_ROUTERS, 133, &[0; 4]));
    talks(&mut world, device);
}

#[test]
fn the_router_says_again_that_it_is_there() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    let count = |world: &World| {
        let packets = world.device(device).packets.iter();
        packets.filter(|packet| matches!(inner6::payload(packet), Some((58, [ADVERTISEMENT, ..])))).count()
    };
    assert_eq!(count(&world), 1);
    world.run(Duration::from_secs(3000));
    assert_eq!(count(&world), 2);
    let link_local = link_local(&world, device);
    send(&mut world, device, &inner6::icmp(link_local, ALL_ROUTERS, 133, &[0; 4]));
    assert_eq!(count(&world), 3);
    assert!(world.beyond.is_empty(), "what is said on the link stays there");
}

#[test]
fn name_servers_are_told_by_dhcpv6() {
    let setup = Setup { extra: "domain: corp.example", ..setup() };
    let (mut world, [device]) = connected(&setup, [Profile::windows_10()]);
    let link_local = link_local(&world, device);
    let request = [11, 1, 2, 3, 0, 6, 0, 4, 0, 23, 0, 24];
    send(&mut world, device, &inner6::udp((link_local, DHCP_SERVERS), (546, 547), &request));
    let reply = got(&world, device, 17).expect("a reply");
    assert_eq!(reply[..4], [0x02, 0x23, 0x02, 0x22], "ports");
    assert_eq!(reply[8..12], [7, 1, 2, 3]);
    let quad9: Ipv6Addr = "2620:fe::fe".parse().unwrap();
    assert!(reply.windows(20).any(|part| part[..4] == [0, 23, 0, 16] && part[4..] == quad9.octets()));
    assert!(reply.ends_with(b"\x00\x18\x00\x0e\x04corp\x07example\x00"));
    // A client that wants an address of us.
    let before = world.discarded("on_link");
    let solicit = [1, 1, 2, 3, 0, 3, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    send(&mut world, device, &inner6::udp((link_local, DHCP_SERVERS), (546, 547), &solicit));
    assert_eq!(world.discarded("on_link"), before + 1);
}

#[test]
fn a_false_source_is_dropped_and_counted() {
    let (mut world, [mallory, victim]) = connected(&setup(), [Profile::windows_10(), Profile::windows_7()]);
    let link_local = link_local(&world, mallory);
    for source in [address(&world, victim), HOST, link_local, Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST] {
        let (beyond, dropped) = (world.beyond.len(), world.discarded("spoofed_source"));
        send(&mut world, mallory, &inner6::icmp(source, HOST, 128, &[0, 1, 0, 1]));
        assert_eq!(world.beyond.len(), beyond, "from {source}");
        assert_eq!(world.discarded("spoofed_source"), dropped + 1, "from {source}");
    }
    // On the link, too.
    let dropped = world.discarded("spoofed_source");
    send(&mut world, mallory, &inner6::icmp(HOST, ALL_ROUTERS, 133, &[0; 4]));
    assert_eq!(world.discarded("spoofed_source"), dropped + 1);
    // Every address of its prefix is its own.
    let own = Ipv6Addr::from_bits(prefix(&world, mallory).to_bits() | 0xabcd);
    let ping = inner6::icmp(own, HOST, 128, &[0, 1, 0, 1]);
    send(&mut world, mallory, &ping);
    assert_eq!(world.beyond.last(), Some(&ping));
}

#[test]
fn clients_do_not_reach_each_other_but_the_server() {
    let (mut world, [one, other]) = connected(&setup(), [Profile::windows_10(), Profile::windows_7()]);
    let (own, others) = (address(&world, one), address(&world, other));
    send(&mut world, one, &inner6::icmp(own, others, 128, &[0, 1, 0, 1]));
    assert!(world.beyond.is_empty());
    assert_eq!(world.discarded("client_to_client"), 1);
    let server = "2001:db8:1:1::1".parse().unwrap();
    send(&mut world, one, &inner6::icmp(own, server, 128, &[0, 1, 0, 1]));
    assert_eq!(world.beyond.len(), 1);
}

/// Without an exception for anybody, on any number of cores: a prefix is where its address is.
#[test]
fn a_prefix_is_on_the_core_of_its_address() {
    for shards in [2, 3, 5] {
        let setup = Setup { shards, steering: Steering::ByNumber, quality: Quality::CLEAN, ..setup() };
        let (mut world, devices) = connected(&setup, [(); 6].map(|()| Profile::windows_10()));
        for device in devices {
            talks(&mut world, device);
        }
        assert_eq!(world.handed_over(), 0, "{shards} cores");
    }
}

#[test]
fn segments_fit_the_tunnel() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    let own = address(&world, device);
    send(&mut world, device, &inner6::syn(own, HOST, 1440));
    assert_eq!(*world.beyond.last().expect("a SYN"), inner6::syn(own, HOST, 1340));
    world.send_from_beyond(&[&inner6::syn(HOST, own, 1440), &inner6::syn(HOST, own, 1000)]);
    world.run(SOON);
    let syns: Vec<_> = world.device(device).packets.iter().rev().take(2).cloned().collect();
    assert_eq!(syns, [inner6::syn(HOST, own, 1000), inner6::syn(HOST, own, 1340)]);
}

#[test]
fn a_prefix_without_a_client_is_nobodys() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    let own = address(&world, device);
    world.with(device, |client, now| client.disconnect(now));
    world.until_closed(device, SOON);
    world.run(SOON);
    let before = world.discarded("no_route");
    world.send_from_beyond(&[&inner6::icmp(HOST, own, 128, &[0, 1, 0, 1])]);
    assert_eq!(world.discarded("no_route"), before + 1);
    // Who comes back has it again.
    let again = world.redial(device, Profile::windows_10());
    world.until_up(again, SOON);
    world.run(SOON);
    assert_eq!(prefix(&world, again), Ipv6Addr::from_bits(own.to_bits() >> 64 << 64));
    talks(&mut world, again);
}

#[test]
fn a_pool_without_ipv6_has_none() {
    let (mut world, [device]) = connected(&Setup::default(), [Profile::windows_10()]);
    assert_eq!(world.device(device).client.rejected_protocols(), [0x8057, 0x80fd]);
    let ping = inner6::icmp(ROUTER, HOST, 128, &[0, 1, 0, 1]);
    let frame = [&[0xff, 0x03, 0x00, 0x57], &ping[..]].concat();
    world.with(device, |client, _| client.send_frame(&frame));
    world.run(SOON);
    assert!(world.beyond.is_empty());
    assert_eq!(world.device(device).client.rejected_protocols(), [0x8057, 0x80fd, 0x0057]);
}
