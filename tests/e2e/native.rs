//! ESP as IP protocol 50: for clients without a NAT, for those that know no other way, and where a firewall drops it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use load::{End, Event, NO_PORT, Profile};

use crate::world::{Device, Place, Quality, Setup, World};

const HOME: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 5);
const SOON: Duration = Duration::from_secs(8);

fn setup() -> Setup {
    Setup { encapsulation: "auto", ..Setup::default() }
}

fn profiles() -> [Profile; 5] {
    [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux(), Profile::mikrotik()]
}

/// A router that knows nothing of NAT traversal.
fn old_router() -> Profile {
    let mut profile = Profile::linux();
    profile.ike.vendor_ids.clear();
    profile
}

/// Whether ESP came and went as IP protocol 50, and nothing on port 4500.
fn all_is_native(world: &World) -> bool {
    let native =
        |to_server| world.record.iter().any(|sent| sent.to_server == to_server && sent.port == NO_PORT);
    native(true) && native(false) && world.record.iter().all(|sent| sent.port != 4500)
}

#[track_caller]
fn pings(world: &mut World, device: Device, limit: Duration) {
    world.ping(device, limit);
    world.ping_back(device, limit);
}

#[test]
fn without_a_nat_esp_is_native() {
    for profile in profiles() {
        println!("{}", profile.name);
        let mut world = World::new(&setup());
        let device = world.dial(profile, Place::Public(HOME));
        world.until_up(device, SOON);
        pings(&mut world, device, SOON);
        assert_eq!(world.lines(&["alice", "is in", "(native), no NAT"]).len(), 1, "{}", world.log.join("\n"));
        // New keys of both phases, and then the old ones are gone.
        world.with(device, |client, now| client.rekey_phase2(now));
        world.run(SOON);
        pings(&mut world, device, SOON);
        world.with(device, |client, now| client.rekey_phase1(now));
        world.run(Duration::from_secs(60));
        pings(&mut world, device, SOON);
        assert!(all_is_native(&world));
        assert!(world.lines(&["Warn"]).is_empty(), "{}", world.log.join("\n"));
        world.with(device, |client, now| client.disconnect(now));
        assert_eq!(world.until_closed(device, SOON), End::Left);
        world.until("nothing is left", Duration::from_secs(60), |world| world.server.is_idle());
    }
}

#[test]
fn native_esp_on_a_bad_line() {
    for (seed, profile) in (0..20).zip(profiles().into_iter().cycle()) {
        println!("{}, seed {seed}", profile.name);
        let setup = Setup { seed, quality: Quality::BAD, batches: seed % 2 == 1, ..setup() };
        let mut world = World::new(&setup);
        let device = world.dial(profile, Place::Public(HOME));
        world.until_up(device, Duration::from_secs(60));
        pings(&mut world, device, Duration::from_secs(60));
        assert!(all_is_native(&world));
    }
}

#[test]
fn a_client_without_nat_traversal_is_let_in() {
    let mut world = World::new(&setup());
    let device = world.dial(old_router(), Place::Public(HOME));
    world.until_up(device, SOON);
    pings(&mut world, device, SOON);
    assert!(all_is_native(&world));
    assert_eq!(world.lines(&["is in", "(native), no NAT traversal"]).len(), 1, "{}", world.log.join("\n"));
}

/// With the default it is refused, and the line names the setting.
#[test]
fn a_client_without_nat_traversal_needs_the_setting() {
    let mut world = World::new(&Setup::default());
    let device = world.dial(old_router(), Place::Public(HOME));
    assert_eq!(world.until_closed(device, SOON), End::Notified(14));
    assert_eq!(world.lines(&["Warn", "198.18.0.5:500", "NAT traversal", "`encapsulation: auto`"]).len(), 1);
}

#[test]
fn behind_a_nat_and_over_ipv6_esp_is_in_udp() {
    let mut world = World::new(&setup());
    let nat = world.add_nat(Ipv4Addr::new(192, 0, 2, 10));
    let behind = Place::Behind(nat, Ipv4Addr::new(192, 168, 1, 23));
    let v6 = Place::PublicV6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 7, 0, 0, 0, 5));
    for place in [behind, v6] {
        let device = world.dial(Profile::windows_10(), place);
        world.until_up(device, SOON);
        pings(&mut world, device, SOON);
    }
    assert!(world.record.iter().all(|sent| sent.port != NO_PORT));
}

/// The first dial fails, as it must: nothing tells that the packets are lost. The next one is told of a NAT.
#[test]
fn where_a_firewall_drops_it_the_next_dial_uses_udp() {
    for profile in profiles() {
        println!("{}", profile.name);
        let mut world = World::new(&setup());
        world.drop_native_esp();
        let device = world.dial(profile.clone(), Place::Public(HOME));
        world.until("it is noticed", Duration::from_secs(15), |world| {
            !world.lines(&["Warn", "198.18.0.5 ", "protocol 50", "809", "connect again"]).is_empty()
        });
        assert!(matches!(world.until_closed(device, Duration::from_secs(120)), End::NoAnswer(_)));
        let again = world.redial(device, profile);
        world.until_up(again, SOON);
        pings(&mut world, again, SOON);
        assert!(
            world.device(again).events.contains(&Event::Established { behind_nat: true, renewed: false })
        );
        // Another client's address is another matter.
        let other =
            world.dial_as(Profile::linux(), Place::Public(Ipv4Addr::new(198, 18, 0, 6)), ("bob", "hunter2"));
        world.run(SOON);
        let told = Event::Established { behind_nat: false, renewed: false };
        assert!(world.device(other).events.contains(&told));
        assert_eq!(world.lines(&["Warn"]).len(), 1, "{}", world.log.join("\n"));
    }
}

/// Windows makes new ESP keys every few seconds while L2TP is unanswered: that is one connection, and one line.
#[test]
fn new_keys_all_the_while_do_not_hide_the_firewall() {
    let mut world = World::new(&setup());
    world.drop_native_esp();
    let device = world.dial(Profile::windows_10(), Place::Public(HOME));
    for _ in 0..10 {
        world.run(Duration::from_secs(3));
        world.with(device, |client, now| client.rekey_phase2(now));
    }
    assert_eq!(world.lines(&["Warn", "protocol 50"]).len(), 1, "{}", world.log.join("\n"));
}

#[test]
fn who_vanished_gets_its_address_back() {
    for profile in [Profile::android(), Profile::linux()] {
        let mut world = World::new(&setup());
        let device = world.dial(profile.clone(), Place::Public(HOME));
        world.until_up(device, SOON);
        let address = world.address(device);
        world.with(device, |client, _| client.vanish());
        let again = world.redial(device, profile);
        world.until_up(again, SOON);
        assert_eq!(world.address(again), address);
        pings(&mut world, again, SOON);
    }
}

/// There is nothing else for it, and the line says so.
#[test]
fn a_client_without_nat_traversal_is_not_helped_where_a_firewall_drops_it() {
    let mut world = World::new(&setup());
    world.drop_native_esp();
    world.dial(old_router(), Place::Public(HOME));
    world.run(Duration::from_secs(15));
    let line = ["Warn", "198.18.0.5 ", "protocol 50", "open the firewall"];
    assert_eq!(world.lines(&line).len(), 1, "{}", world.log.join("\n"));
}

/// An ESP packet of the client that is not on its way yet.
fn unsent(world: &mut World, device: Device) -> Vec<u8> {
    let mut packet = Vec::new();
    assert!(world.with(device, |client, _| client.seal_packet(&[0x45; 40], &mut packet)));
    packet
}

/// A packet that verifies, from another address: IKE is expected there too, on its port.
#[test]
fn a_changed_address_is_followed() {
    let elsewhere = Ipv4Addr::new(198, 18, 0, 9);
    let mut world = World::new(&setup());
    let device = world.dial(Profile::linux(), Place::Public(HOME));
    world.until_up(device, SOON);
    let packet = unsent(&mut world, device);
    world.mute(device, true);
    world.inject((elsewhere, NO_PORT).into(), NO_PORT, &packet);
    assert_eq!(world.lines(&["moved from 198.18.0.5:500 to 198.18.0.9:500"]).len(), 1);
    let before = world.record.len();
    world.with_server(|server, now| server.disconnect(now, "alice"));
    world.run(Duration::from_secs(120));
    let said: Vec<_> = world.record[before..].iter().map(|sent| (sent.remote, sent.port)).collect();
    for port in [NO_PORT, 500] {
        assert!(said.contains(&((elsewhere, port).into(), port)), "{said:?}");
    }
    assert!(said.iter().all(|(remote, _)| remote.ip() == elsewhere), "{said:?}");
}

/// ESP that was agreed to be native is not taken out of UDP, so nobody who repeats a packet there moves the client.
#[test]
fn a_native_packet_in_udp_moves_nothing() {
    let mut world = World::new(&setup());
    let device = world.dial(Profile::linux(), Place::Public(HOME));
    world.until_up(device, SOON);
    pings(&mut world, device, SOON);
    let packet = unsent(&mut world, device);
    world.inject((HOME, 4500).into(), 4500, &packet);
    assert_eq!(world.discarded(".other_encapsulation"), 1);
    assert!(world.lines(&["moved"]).is_empty());
    pings(&mut world, device, SOON);
    assert!(world.record.iter().all(|sent| sent.to_server || sent.port != 4500));
}
