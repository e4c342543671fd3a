//! NATs: ports that change under a session, and clients that share one address and everything else.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::{Event, Profile};

use crate::world::{Device, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);

/// The mapping goes away mid-session; the next packet of the client shows the server the new one.
#[test]
fn a_changed_port_is_followed() {
    for profile in [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()] {
        let mut world = World::new(&Setup::default());
        let nat = world.add_nat(NAT);
        let device = world.dial(profile, Place::Behind(nat, PRIVATE));
        world.until_up(device, SOON);
        world.ping(device, SOON);
        for _ in 0..3 {
            world.remap(device);
            world.ping(device, SOON);
            world.ping_back(device, SOON);
        }
        assert_eq!(world.lines(&["moved from 192.0.2.10:"]).len(), 3, "{}", world.log.join("\n"));
        // IKE follows too: a rekey goes through the new mapping.
        world.remap(device);
        rekey(&mut world, device);
        world.ping(device, SOON);
        world.ping_back(device, SOON);
    }
}

#[track_caller]
fn rekey(world: &mut World, device: Device) {
    let before = world.device(device).events.len();
    world.with(device, |client, now| client.rekey_phase2(now));
    let renewed = Event::SaOpened { renewed: true };
    world.until("new ESP keys", SOON, |world| world.device(device).events[before..].contains(&renewed));
}

/// The first that comes by the new mapping is a Quick Mode, which proves as much as an ESP packet.
#[test]
fn a_rekey_shows_the_changed_port() {
    let mut world = World::new(&Setup::default());
    let nat = world.add_nat(NAT);
    let device = world.dial(Profile::windows_10(), Place::Behind(nat, PRIVATE));
    world.until_up(device, SOON);
    world.remap(device);
    rekey(&mut world, device);
    world.ping_back(device, SOON);
}

/// The same while one in ten datagrams is lost: a late packet from the old port must not turn the server back for
/// good.
#[test]
fn a_changed_port_is_followed_on_a_bad_line() {
    for seed in 0..10 {
        let mut world = World::new(&Setup { seed, quality: Quality::BAD, ..Setup::default() });
        let nat = world.add_nat(NAT);
        let device = world.dial(Profile::windows_10(), Place::Behind(nat, PRIVATE));
        world.until_up(device, Duration::from_secs(60));
        for _ in 0..5 {
            world.remap(device);
            world.ping(device, Duration::from_secs(15));
            world.ping_back(device, Duration::from_secs(15));
        }
    }
}

/// A datagram of a live session, sent again by somebody else, moves nothing.
#[test]
fn a_replay_from_elsewhere_moves_nothing() {
    let mut world = World::new(&Setup::default());
    let nat = world.add_nat(NAT);
    let device = world.dial(Profile::windows_10(), Place::Behind(nat, PRIVATE));
    world.until_up(device, SOON);
    world.ping(device, SOON);
    let thief = "198.18.6.6:4500".parse().unwrap();
    let captured: Vec<_> = world.record.iter().filter(|sent| sent.to_server).cloned().collect();
    for sent in captured {
        // A repeated question is answered again, wherever it comes from.
        let answer = world.inject(thief, sent.port, &sent.payload);
        assert!(answer <= sent.payload.len(), "{} bytes for {}", answer, sent.payload.len());
    }
    assert!(world.lines(&["moved"]).is_empty(), "{}", world.log.join("\n"));
    world.ping_back(device, SOON);
    let before = world.record.len();
    world.run(Duration::from_secs(120));
    assert!(world.record[before..].iter().all(|sent| sent.remote != thief), "nothing follows");
}

/// Two devices behind one NAT with the same private address, the same inner port, tunnel, session and message ids.
#[test]
fn identical_twins_behind_one_nat() {
    let mut world = World::new(&Setup::default());
    let nat = world.add_nat(NAT);
    let twins = [0, 1].map(|_| {
        let twin = world.dial(Profile::windows_10(), Place::Behind(nat, PRIVATE));
        world.with(twin, |client, _| client.choose_l2tp_ids(7, 1));
        twin
    });
    for twin in twins {
        world.until_up(twin, SOON);
    }
    let addresses = twins.map(|twin| world.address(twin));
    assert_ne!(addresses[0], addresses[1]);
    for _ in 0..3 {
        for twin in twins {
            world.ping(twin, SOON);
            world.ping_back(twin, SOON);
        }
    }
    // One leaves; the other stays.
    world.with(twins[0], |client, now| client.disconnect(now));
    world.until_closed(twins[0], SOON);
    world.run(Duration::from_secs(40));
    world.ping(twins[1], SOON);
    world.ping_back(twins[1], SOON);
}

/// Ten of every kind at once, and each has an address of its own.
#[test]
fn a_crowd_behind_one_nat() {
    let mut world = World::new(&Setup { quality: Quality::BAD, ..Setup::default() });
    let nat = world.add_nat(NAT);
    let crowd: Vec<_> = (0..10)
        .flat_map(|_| [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()])
        .map(|profile| world.dial(profile, Place::Behind(nat, PRIVATE)))
        .collect();
    world.until("all are up", Duration::from_secs(60), |world| {
        crowd.iter().all(|device| world.is_up(*device))
    });
    let mut addresses: Vec<_> = crowd.iter().map(|device| world.address(*device)).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), crowd.len());
    for device in crowd {
        world.ping(device, Duration::from_secs(15));
        world.ping_back(device, Duration::from_secs(15));
    }
}

/// Two devices that are alike in everything, whose ports change while both renew both phases: each goes on as itself.
#[test]
fn identical_twins_that_move_and_renew_stay_who_they_are() {
    for (profile, seed) in [(Profile::windows_10(), 1), (Profile::android(), 2), (Profile::apple(), 3)] {
        let mut world = World::new(&Setup { seed, ..Setup::default() });
        let nat = world.add_nat(NAT);
        let twins = [0, 1].map(|_| {
            let twin = world.dial(profile.clone(), Place::Behind(nat, PRIVATE));
            world.with(twin, |client, _| client.choose_l2tp_ids(7, 1));
            twin
        });
        for twin in twins {
            world.until_up(twin, SOON);
        }
        let addresses = twins.map(|twin| world.address(twin));
        for round in 0..4 {
            for twin in twins {
                world.remap(twin);
                world.with(twin, |client, now| client.rekey_phase1(now));
            }
            // Both orders of the phases, and packets in between or none.
            world.run(Duration::from_secs(if round % 2 == 0 { 2 } else { 0 }));
            for twin in twins {
                rekey(&mut world, twin);
            }
            for twin in twins {
                world.ping(twin, SOON);
                world.ping_back(twin, SOON);
            }
            assert_eq!(twins.map(|twin| world.address(twin)), addresses);
            assert_eq!(world.status().sessions.len(), 2, "{}", world.log.join("\n"));
            world.run(Duration::from_secs(60));
        }
        assert!(world.lines(&["is out"]).is_empty(), "{}", world.log.join("\n"));
    }
}

/// It renewed its first phase by a port that the server had not seen, and says nothing for two minutes.
#[test]
fn a_renewal_by_another_port_waits_for_its_proof() {
    for profile in [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()] {
        let mut world = World::new(&Setup::default());
        let nat = world.add_nat(NAT);
        let device = world.dial(profile, Place::Behind(nat, PRIVATE));
        world.until_up(device, SOON);
        world.remap(device);
        world.with(device, |client, now| client.rekey_phase1(now));
        world.run(Duration::from_secs(120));
        world.ping(device, SOON);
        world.ping_back(device, SOON);
        assert!(!world.device(device).events.contains(&Event::IsakmpDeleted), "{}", world.log.join("\n"));
        rekey(&mut world, device);
        world.ping_back(device, SOON);
        assert_eq!(world.status().sessions.len(), 1);
        assert!(world.lines(&["is out"]).is_empty(), "{}", world.log.join("\n"));
    }
}
