//! A run is a function of its seed.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::Profile;

use crate::world::{Place, Quality, Setup, World};

/// A busy quarter of an hour on a bad line.
fn run(seed: u64) -> World {
    let mut world = World::new(&Setup { seed, quality: Quality::BAD, ..Setup::default() });
    let nat = world.add_nat(Ipv4Addr::new(192, 0, 2, 10));
    let place = Place::Behind(nat, Ipv4Addr::new(192, 168, 1, 23));
    let profiles = [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()];
    let devices = profiles.map(|profile| world.dial(profile, place));
    let stranger = world.dial_as(Profile::windows_10(), place, ("mallory", "x"));
    for device in devices {
        world.until_up(device, Duration::from_secs(60));
        world.ping(device, Duration::from_secs(20));
        world.remap(device);
        world.ping(device, Duration::from_secs(20));
    }
    world.run(Duration::from_secs(600));
    for device in devices {
        world.with(device, |client, now| client.disconnect(now));
        world.until_closed(device, Duration::from_secs(60));
    }
    world.with(stranger, |client, now| client.disconnect(now));
    world.run(Duration::from_secs(300));
    world
}

#[test]
fn the_same_seed_makes_the_same_run_to_the_byte() {
    let (one, same) = (run(7), run(7));
    assert_eq!(one.log, same.log);
    assert_eq!(one.record.len(), same.record.len());
    let other = run(8);
    assert_ne!(one.log, other.log);
    assert_eq!(other.lines(&["is in from"]).len(), 4);
}
