//! Accounts whose address lies in no pool.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::{Event, Profile};

use crate::inner;
use crate::world::{Device, HOST, Place, Setup, Steering, World};

const SOON: Duration = Duration::from_secs(8);
const ALICES: Ipv4Addr = Ipv4Addr::new(172, 31, 9, 7);
const BOBS: Ipv4Addr = Ipv4Addr::new(172, 31, 9, 8);
const CAROLS: Ipv4Addr = Ipv4Addr::new(172, 31, 9, 9);
/// Dave has one of the pool.
const USERS: &str = "\
alice: { password: secret, address: 172.31.9.7 }
bob: { password: secret, address: 172.31.9.8 }
carol: { password: secret, address: 172.31.9.9, sessions: 1, when_full: refuse }
dave: { password: secret }
";

fn world(setup: Setup) -> World {
    World::new(&Setup { users: USERS, ..setup })
}

fn dial(world: &mut World, user: &str) -> Device {
    let number = 100 + world.status().sessions.len() as u8;
    let place = Place::Public(Ipv4Addr::new(198, 51, number, user.as_bytes()[0]));
    world.dial_as(Profile::windows_10(), place, (user, "secret"))
}

fn up(world: &mut World, user: &str) -> Device {
    let device = dial(world, user);
    world.until_up(device, SOON);
    device
}

/// How many packets of `device` to `destination` go into the network.
fn passes(world: &mut World, device: Device, source: Ipv4Addr, destination: Ipv4Addr) -> usize {
    let before = world.beyond.len();
    let packet = inner::ping(source, destination, 7);
    world.with(device, |client, now| client.send_packet(now, &packet));
    world.run(Duration::from_secs(1));
    world.beyond.len() - before
}

#[test]
fn somebody_has_such_an_address_on_every_core() {
    for (shards, steering) in [
        (1, Steering::Right),
        (2, Steering::Right),
        (3, Steering::Right),
        (3, Steering::ByNumber),
        (3, Steering::Wrong),
    ] {
        let mut world = world(Setup { shards, steering, ..Setup::default() });
        for (user, address) in [("alice", ALICES), ("bob", BOBS), ("carol", CAROLS)] {
            let device = up(&mut world, user);
            assert_eq!(world.address(device), address);
            let server = world.device(device).client.server_address();
            assert_eq!(server, Some(Ipv4Addr::new(10, 20, 0, 1)), "the first pool's");
            world.ping(device, SOON);
            world.ping_back(device, SOON);
        }
        let status = world.status();
        assert_eq!((status.outlying.used, status.outlying.size, status.pools[0].used), (3, 3, 0));
        assert_eq!(status.sessions[0].inside, ALICES);
        if steering == Steering::Right {
            assert_eq!(world.handed_over(), 0, "the kernel was told");
        }
    }
}

#[test]
fn a_prefix_goes_with_addresses_of_pools_only() {
    let mut world = world(Setup { range6: Some("2001:db8:1::/48"), ..Setup::default() });
    for (user, has_ipv6) in [("alice", false), ("dave", true)] {
        let device = up(&mut world, user);
        world.run(SOON);
        assert_eq!(world.device(device).client.interface_id().is_some(), has_ipv6, "{user}");
        world.ping(device, SOON);
    }
}

#[test]
fn clients_do_not_reach_each_other() {
    for shards in [1, 2, 3] {
        let mut world = world(Setup { shards, ..Setup::default() });
        let [alice, bob, dave] = ["alice", "bob", "dave"].map(|user| up(&mut world, user));
        let daves = world.address(dave);
        let pairs = [(alice, ALICES, daves), (alice, ALICES, BOBS), (bob, BOBS, ALICES)];
        // Carol is not here.
        let others = [(dave, daves, ALICES), (dave, daves, BOBS), (dave, daves, CAROLS)];
        for (number, (device, source, destination)) in pairs.into_iter().chain(others).enumerate() {
            assert_eq!(passes(&mut world, device, source, destination), 0, "{source} to {destination}");
            assert_eq!(world.discarded("client_to_client"), number as u64 + 1);
        }
        assert_eq!(passes(&mut world, alice, ALICES, Ipv4Addr::new(172, 31, 9, 10)), 1, "nobody's");
    }
}

#[test]
fn clients_reach_each_other_if_the_operator_wants() {
    let mut world = world(Setup { extra: "client_to_client: true", ..Setup::default() });
    let [alice, dave] = ["alice", "dave"].map(|user| up(&mut world, user));
    let daves = world.address(dave);
    for (device, source, other, destination) in [(alice, ALICES, dave, daves), (dave, daves, alice, ALICES)] {
        assert_eq!(passes(&mut world, device, source, destination), 1);
        // From where the kernel routes it back.
        let packet = world.beyond.pop().expect("just counted");
        world.send_from_beyond(&[&packet]);
        world.run(SOON);
        let answer = world.beyond.pop().expect("the other one answers");
        assert_eq!((inner::source(&answer), inner::destination(&answer)), (destination, source));
        assert!(world.is_up(other));
    }
}

#[test]
fn a_false_source_is_dropped_and_counted() {
    let mut world = world(Setup::default());
    let [alice, dave] = ["alice", "dave"].map(|user| up(&mut world, user));
    let daves = world.address(dave);
    let false_ones = [(dave, ALICES), (dave, CAROLS), (alice, daves), (alice, BOBS)];
    for (number, (device, source)) in false_ones.into_iter().enumerate() {
        assert_eq!(passes(&mut world, device, source, HOST), 0, "{source}");
        assert_eq!(world.discarded("spoofed_source"), number as u64 + 1);
    }
}

#[test]
fn who_comes_anew_has_the_address_and_the_former_session_ends() {
    let mut world = world(Setup::default());
    let first = up(&mut world, "alice");
    let second = up(&mut world, "alice");
    world.until_closed(first, SOON);
    assert_eq!(world.address(second), ALICES);
    world.ping(second, SOON);
    let words = ["\"alice\" is out", "the same user logged in again"];
    assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
}

#[test]
fn who_comes_anew_is_refused_if_the_account_says_so() {
    let mut world = world(Setup::default());
    let first = up(&mut world, "carol");
    let second = dial(&mut world, "carol");
    world.until_closed(second, Duration::from_secs(30));
    let refused = |event: &Event| matches!(event, Event::Refused(refusal) if refusal.code == 649);
    assert!(world.device(second).events.iter().any(refused), "{}", world.log.join("\n"));
    world.ping(first, SOON);
    world.ping_back(first, SOON);
}

/// Whoever's address changes is disconnected and gets the new one; every core knows who is a client from the first login on.
#[test]
fn a_reload_gives_and_takes() {
    for shards in [1, 2, 3] {
        let mut world = world(Setup { shards, ..Setup::default() });
        let [alice, bob, dave] = ["alice", "bob", "dave"].map(|user| up(&mut world, user));
        let daves = world.address(dave);
        // Alice loses hers, bob's becomes carol's, dave gets one.
        let davess = Ipv4Addr::new(172, 31, 9, 77);
        let reloaded = world.reload(
            "\
alice: { password: secret }
bob: { password: secret, address: 172.31.9.18 }
carol: { password: secret, address: 172.31.9.8 }
dave: { password: secret, address: 172.31.9.77 }
erin: { password: secret }
",
            |_| {},
        );
        assert_eq!((reloaded.users, reloaded.ended), (5, 3), "{}", world.log.join("\n"));
        for device in [alice, bob, dave] {
            world.until_closed(device, SOON);
        }
        world.run(SOON);
        assert_eq!(world.lines(&["is out", "the user has another address now"]).len(), 3);
        let [carol, dave, erin] = ["carol", "dave", "erin"].map(|user| up(&mut world, user));
        assert_eq!([carol, dave].map(|device| world.address(device)), [BOBS, davess]);
        world.ping_back(carol, SOON);
        world.ping_back(dave, SOON);
        let erins = world.address(erin);
        let before = world.discarded("client_to_client");
        for destination in [BOBS, davess, Ipv4Addr::new(172, 31, 9, 18), daves] {
            assert_eq!(passes(&mut world, erin, erins, destination), 0, "{destination}");
        }
        assert_eq!(world.discarded("client_to_client") - before, 4);
        for nobodys in [ALICES, CAROLS] {
            assert_eq!(passes(&mut world, erin, erins, nobodys), 1, "{nobodys}");
        }
        // What alice had is not given to her again.
        let alice = up(&mut world, "alice");
        assert_eq!(world.address(alice).octets()[..3], [10, 20, 0]);
        assert_eq!((world.status().outlying.used, world.status().outlying.size), (2, 3));
    }
}
