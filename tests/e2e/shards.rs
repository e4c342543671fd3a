//! Several cores: each client's packets on its own, and everything as if there were one.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::Profile;

use crate::inner;
use crate::world::{Device, HOST, Place, Setup, Steering, World};

const SOON: Duration = Duration::from_secs(10);
const NAT: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

fn crowd(world: &mut World, size: u8) -> Vec<Device> {
    let nat = world.add_nat(NAT);
    let crowd: Vec<Device> = (1..=size)
        .map(|number| {
            world.dial(Profile::windows_10(), Place::Behind(nat, Ipv4Addr::new(192, 168, 1, number)))
        })
        .collect();
    for device in &crowd {
        world.until_up(*device, SOON);
    }
    crowd
}

fn ping_all(world: &mut World, crowd: &[Device]) {
    for device in crowd {
        world.ping(*device, SOON);
        world.ping_back(*device, SOON);
    }
}

#[test]
fn every_core_has_its_clients_and_nothing_goes_to_the_wrong_one() {
    for shards in [1, 2, 3, 4] {
        let mut world = World::new(&Setup { shards, ..Setup::default() });
        let crowd = crowd(&mut world, 8);
        ping_all(&mut world, &crowd);
        let status = world.status();
        assert_eq!(status.shards.len(), shards as usize);
        assert_eq!(status.sessions.len(), crowd.len());
        // Each ping is one packet up and one down, twice.
        for shard in &status.shards {
            let moved = 2 * crowd.len() as u64 / u64::from(shards);
            assert!(shard.packets_in.abs_diff(moved) <= 2, "{status:?}");
            assert_eq!((shard.packets_out, shard.handed_over), (shard.packets_in, 0), "{status:?}");
        }
        // A session's own counters are read where another core writes them.
        assert!(status.sessions.iter().all(|session| session.packets_in == 2 && session.packets_out == 2));
        let wrong = ["unknown_spi", "no_route", "no_session"].map(|name| world.discarded(name));
        assert_eq!(wrong, [0; 3]);
    }
}

/// Some kernels do not steer. Then every packet comes to the wrong core, and all goes on.
#[test]
fn a_kernel_that_brings_everything_to_the_wrong_core_costs_nothing_but_time() {
    for shards in [2, 3] {
        let mut world = World::new(&Setup { shards, steering: Steering::Wrong, ..Setup::default() });
        let crowd = crowd(&mut world, 6);
        ping_all(&mut world, &crowd);
        assert!(world.handed_over() >= 4 * crowd.len() as u64, "{:?}", world.status());
        let wrong = ["unknown_spi", "no_route", "no_session"].map(|name| world.discarded(name));
        assert_eq!(wrong, [0; 3]);
    }
}

/// Nobody's packets are passed round for ever.
#[test]
fn packets_for_nobody_are_handed_over_once_and_counted_once() {
    let mut world = World::new(&Setup { shards: 3, steering: Steering::Wrong, ..Setup::default() });
    let packet = inner::ping(HOST, Ipv4Addr::new(10, 20, 0, 77), 1);
    world.send_from_beyond(&[&packet]);
    assert_eq!((world.discarded("no_route"), world.handed_over()), (1, 1));
    world.inject("198.51.100.9:4500".parse().unwrap(), 4500, &[7; 100]);
    assert_eq!((world.discarded("unknown_spi"), world.handed_over()), (1, 2));
}

/// The address that a user had is given back, on whichever core the user is now.
#[test]
fn an_address_follows_its_user_to_another_core() {
    follows(Steering::Right, 0);
    follows(Steering::ByNumber, 2);
}

/// Two packets down through the core of another number: so many are handed over.
fn follows(steering: Steering, handed: u64) {
    let mut world = World::new(&Setup { steering, ..Setup::default() });
    let first = world.dial(Profile::windows_10(), Place::Public(Ipv4Addr::new(198, 51, 100, 9)));
    world.until_up(first, SOON);
    let address = world.address(first);
    world.with(first, |client, now| client.disconnect(now));
    world.until("it is gone", Duration::from_secs(60), |world| world.server.is_idle());
    for dial in 0..3 {
        let again = world.dial(Profile::windows_10(), Place::Public(Ipv4Addr::new(198, 51, 100, 10 + dial)));
        world.until_up(again, SOON);
        assert_eq!(world.address(again), address);
        let before = world.handed_over();
        world.ping(again, SOON);
        world.ping_back(again, SOON);
        // The second dial is at the other core, the third at the first's again.
        assert_eq!(world.handed_over() - before, if dial == 1 { 0 } else { handed }, "{dial}");
        world.with(again, |client, now| client.disconnect(now));
        world.until("it is gone", Duration::from_secs(60), |world| world.server.is_idle());
    }
    let packet = inner::ping(HOST, address, 1);
    world.send_from_beyond(&[&packet]);
    assert_eq!(world.discarded("no_route"), 1);
}

/// A client whose renewal was taken for somebody else's at first has its new keys on another core: they move.
#[test]
fn keys_move_to_the_core_of_the_client_they_turn_out_to_be_of() {
    for profile in [Profile::android(), Profile::android_8()] {
        let mut world = World::new(&Setup::default());
        let nat = world.add_nat(NAT);
        let device = world.dial(profile, Place::Behind(nat, Ipv4Addr::new(192, 168, 1, 2)));
        world.until_up(device, SOON);
        // Androids say nothing by their old keys that would prove the new port before there are new ones.
        world.run(Duration::from_secs(5));
        world.remap(device);
        // The next client is at the other core.
        world.with(device, |client, now| client.rekey_phase1(now));
        world.until("it is another client", SOON, |world| !world.lines(&["c2 ", "proved a"]).is_empty());
        world.run(Duration::from_millis(50));
        world.with(device, |client, now| client.rekey_phase2(now));
        world.run(Duration::from_secs(2));
        for _ in 0..3 {
            world.ping(device, SOON);
            world.ping_back(device, SOON);
        }
        let log = world.log.join("\n");
        assert!(!world.lines(&["is c2 too"]).is_empty(), "{log}");
        assert_eq!(world.status().sessions.len(), 1, "{log}");
        assert!(world.handed_over() > 0, "{log}");
        // Half a day later nothing of it is left.
        for _ in 0..3 {
            world.run(Duration::from_secs(3600));
            world.ping(device, SOON);
        }
        world.with(device, |client, now| client.disconnect(now));
        world.until("nothing is left", Duration::from_secs(600), |world| world.server.is_idle());
    }
}

/// What L2TP says goes out before the Delete of the keys that carry it, on whichever core they are.
#[test]
fn the_end_of_the_server_reaches_clients_of_every_core() {
    for shards in [1, 2, 3] {
        let mut world = World::new(&Setup { shards, ..Setup::default() });
        let crowd = crowd(&mut world, 6);
        world.with_server(|server, now| server.shutdown(now));
        for device in &crowd {
            world.until_closed(*device, SOON);
        }
        world.until("nothing is left", SOON, |world| world.server.is_idle());
        assert_eq!(world.status().pools[0].used, 0);
        assert_eq!(
            world.lines(&["is out", "the server is shutting down"]).len(),
            6,
            "{}",
            world.log.join("\n")
        );
    }
}
