//! Which address somebody gets, and keeps.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::{End, Profile};

use crate::world::{Device, Place, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);

/// Two pools: the second has one address for clients, and a third one none that is free.
const POOLS: &str = "10.20.0.0/24 }, { name: staff, range: 10.30.0.0/24 }, { name: lab, range: 10.40.0.0/30";
const USERS: &str = "\
alice: { password: secret }
bob: { password: secret, pool: staff }
carol: { password: secret, pool: lab }
dora: { password: secret, pool: lab }
erin: { password: secret, address: 10.30.0.77 }
";

fn world() -> (World, Place) {
    let mut world = World::new(&Setup { range: POOLS, users: USERS, ..Setup::default() });
    let nat = world.add_nat(NAT);
    (world, Place::Behind(nat, PRIVATE))
}

fn connect(world: &mut World, place: Place, user: &str) -> (Device, Ipv4Addr) {
    let device = world.dial_as(Profile::windows_10(), place, (user, "secret"));
    world.until_up(device, SOON);
    (device, world.address(device))
}

fn leave(world: &mut World, device: Device) {
    world.with(device, |client, now| client.disconnect(now));
    world.until_closed(device, SOON);
    world.run(SOON);
}

#[test]
fn everybody_gets_an_address_of_their_pool() {
    let (mut world, place) = world();
    for (user, network) in [("alice", [10, 20, 0]), ("bob", [10, 30, 0]), ("carol", [10, 40, 0])] {
        let (device, address) = connect(&mut world, place, user);
        assert_eq!(address.octets()[..3], network, "{user}");
        let [a, b, c] = network;
        let server = world.device(device).client.server_address();
        assert_eq!(server, Some(Ipv4Addr::new(a, b, c, 1)), "the server's own there");
        world.ping(device, SOON);
    }
}

#[test]
fn somebody_gets_the_same_address_again_while_it_is_free() {
    let (mut world, place) = world();
    for user in ["alice", "bob"] {
        let (device, first) = connect(&mut world, place, user);
        leave(&mut world, device);
        // Others come in the meantime, who get fresh ones.
        for other in ["erin", "alice", "bob"].into_iter().filter(|other| *other != user) {
            assert_ne!(connect(&mut world, place, other).1, first);
        }
        let (device, again) = connect(&mut world, place, user);
        assert_eq!(again, first, "{user}");
        leave(&mut world, device);
    }
}

#[test]
fn a_full_pool_is_named_and_the_others_are_not_touched() {
    let (mut world, place) = world();
    let (carol, last) = connect(&mut world, place, "carol");
    let dora = world.dial_as(Profile::windows_10(), place, ("dora", "secret"));
    let end = world.until_closed(dora, Duration::from_secs(30));
    assert!(matches!(end, End::Dismissed(_)), "{end:?}");
    assert_eq!(world.device(dora).client.ipcp_ended(), Some("no free address"));
    assert_eq!(world.lines(&["\"dora\"", "no address is free in pool \"lab\"", "736"]).len(), 1);
    leave(&mut world, carol);
    assert_eq!(connect(&mut world, place, "dora").1, last);
}

#[test]
fn who_comes_anew_has_the_account_s_address_and_the_former_session_ends() {
    let (mut world, place) = world();
    let (first, address) = connect(&mut world, place, "erin");
    assert_eq!(address, Ipv4Addr::new(10, 30, 0, 77));
    let (second, again) = connect(&mut world, place, "erin");
    assert_eq!(again, address);
    world.until_closed(first, SOON);
    world.ping(second, SOON);
}

/// What a link has agreed on holds as long as it is up.
#[test]
fn a_changed_pool_is_for_the_next_login() {
    let (mut world, place) = world();
    let [alice, bob, erin] = ["alice", "bob", "erin"].map(|user| connect(&mut world, place, user));
    let reloaded = world.reload(
        "\
alice: { password: secret, pool: staff }
bob: { password: secret }
erin: { password: secret, address: 10.30.0.77, pool: lab }
",
        |_| {},
    );
    // Bob may have one of any pool now, and erin's is her own.
    assert_eq!((reloaded.ended, reloaded.changed, reloaded.kept), (0, 3, 1));
    for (device, address) in [alice, bob, erin] {
        assert_eq!(world.address(device), address);
        world.ping(device, SOON);
    }
    leave(&mut world, alice.0);
    let (_, address) = connect(&mut world, place, "alice");
    assert_eq!(address.octets()[..3], [10, 30, 0]);
}
