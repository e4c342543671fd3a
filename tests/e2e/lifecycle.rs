//! What happens to a session that lives: new keys, farewells from either side, coming back.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::{End, Event, Profile};

use crate::inner;
use crate::world::{Device, HOST, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);

fn profiles() -> [Profile; 4] {
    [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()]
}

fn one_client(profile: Profile) -> (World, Device, Place) {
    let mut world = World::new(&Setup::default());
    let nat = world.add_nat(NAT);
    let place = Place::Behind(nat, PRIVATE);
    let device = world.dial(profile, place);
    world.until_up(device, SOON);
    world.ping(device, SOON);
    (world, device, place)
}

/// Runs until the device saw one more event like this.
#[track_caller]
fn await_event(world: &mut World, device: Device, before: usize, event: &Event) {
    let limit = Duration::from_secs(60);
    world.until(&format!("{event:?}"), limit, |world| world.device(device).events[before..].contains(event));
}

#[test]
fn the_client_renews_its_esp_keys() {
    for profile in profiles() {
        let (mut world, device, _) = one_client(profile);
        for _ in 0..10 {
            let before = world.device(device).events.len();
            world.with(device, |client, now| client.rekey_phase2(now));
            await_event(&mut world, device, before, &Event::SaOpened { renewed: true });
            world.ping(device, SOON);
            world.ping_back(device, SOON);
        }
        assert_eq!(world.lines(&["is in from"]).len(), 1, "one session all along");
        assert_eq!(world.lines(&["is out"]).len(), 0);
    }
}

#[test]
fn the_client_renews_its_phase_1() {
    for profile in profiles() {
        let (mut world, device, _) = one_client(profile);
        for _ in 0..3 {
            let before = world.device(device).events.len();
            world.with(device, |client, now| client.rekey_phase1(now));
            let established = Event::Established { behind_nat: true, renewed: true };
            await_event(&mut world, device, before, &established);
            world.ping(device, SOON);
            let before = world.device(device).events.len();
            world.with(device, |client, now| client.rekey_phase2(now));
            await_event(&mut world, device, before, &Event::SaOpened { renewed: true });
            world.ping(device, SOON);
            world.ping_back(device, SOON);
        }
        assert_eq!(world.lines(&["renewed its keys"]).len(), 3, "{}", world.log.join("\n"));
        assert_eq!(world.lines(&["is out"]).len(), 0);
        assert_eq!(world.status().sessions.len(), 1);
    }
}

/// Both at every moment of a bad line, with traffic all along.
#[test]
fn keys_are_renewed_on_a_bad_line() {
    for (profile, seed) in profiles().into_iter().zip(0..) {
        let (mut world, device, _) = one_client(profile);
        world.set_quality(Quality::BAD);
        for round in 0..10 {
            let before = world.device(device).events.len();
            let expected = if (round + seed) % 2 == 0 {
                world.with(device, |client, now| client.rekey_phase1(now));
                Event::Established { behind_nat: true, renewed: true }
            } else {
                world.with(device, |client, now| client.rekey_phase2(now));
                Event::SaOpened { renewed: true }
            };
            await_event(&mut world, device, before, &expected);
            world.ping(device, Duration::from_secs(20));
            world.ping_back(device, Duration::from_secs(20));
        }
    }
}

/// A night, with everything the profile does by itself: keepalives, HELLO, echoes, new keys for both phases.
#[test]
fn a_night_of_idling() {
    for profile in [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()] {
        println!("{}", profile.name);
        let (mut world, device, _) = one_client(profile);
        for _ in 0..10 {
            world.run(Duration::from_secs(3_600));
            assert!(world.is_up(device), "{}", world.log.join("\n"));
            world.ping_back(device, SOON);
            world.ping(device, SOON);
        }
        assert_eq!(world.lines(&["is out"]).len(), 0);
    }
}

/// On a line where packets overtake each other, the Delete of the old keys arrives before some of what was sent with them.
#[test]
fn a_delete_that_overtakes_packets_loses_none() {
    let (mut world, device, _) = one_client(Profile::windows_10());
    world.set_quality(Quality { jitter: Duration::from_millis(60), ..Quality::CLEAN });
    let packet = inner::ping(world.address(device), HOST, 1_000);
    let mut sent = world.beyond.len();
    for _ in 0..20 {
        let before = world.device(device).events.len();
        world.with(device, |client, now| client.rekey_phase2(now));
        let renewed = |world: &World| world.device(device).events[before..].contains(&RENEWED);
        while !renewed(&world) {
            world.with(device, |client, now| client.send_packet(now, &packet));
            sent += 1;
            world.run(Duration::from_millis(1));
        }
        world.run(Duration::from_secs(6));
    }
    assert_eq!(world.lines(&["deleted by the client"]).len(), 20, "{}", world.log.join("\n"));
    assert_eq!(world.discarded("unknown_spi"), 0);
    assert_eq!(world.beyond.len(), sent);
}

/// A client that leaves new ESP keys to the server, with ESP keys for a minute and pings all along.
#[track_caller]
fn lets_its_keys_time_pass(mut profile: Profile, quality: Quality, limit: Duration) {
    println!("{}", profile.name);
    profile.esp.rekey_after = None;
    profile.esp.lifetime = Duration::from_secs(60);
    let (mut world, device, _) = one_client(profile);
    world.set_quality(quality);
    for _ in 0..60 {
        world.run(Duration::from_secs(10));
        world.ping(device, limit);
        world.ping_back(device, limit);
    }
    let log = || world.log.join("\n");
    let renewed = world.device(device).events.iter().filter(|event| **event == RENEWED).count();
    assert!(world.lines(&["asking it for new ones"]).len() >= 9, "{}", log());
    assert!(renewed >= 9, "{renewed}: {}", log());
    assert_eq!(world.lines(&["is out"]).len(), 0, "{}", log());
}

const RENEWED: Event = Event::SaOpened { renewed: true };

#[test]
fn the_server_renews_esp_keys_that_the_client_does_not() {
    // The last one wants a second exchange.
    for profile in [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::libreswan()] {
        lets_its_keys_time_pass(profile.clone(), Quality::CLEAN, Duration::from_secs(1));
        lets_its_keys_time_pass(profile, Quality::BAD, Duration::from_secs(30));
    }
}

/// The client starts in the very moment in which it is asked: either pair will do, and not a packet is lost.
#[test]
fn renewals_that_cross_each_other_do_no_harm() {
    for mut profile in profiles() {
        println!("{}", profile.name);
        profile.esp.rekey_after = None;
        profile.esp.lifetime = Duration::from_secs(600);
        let (mut world, device, _) = one_client(profile);
        let asked = |world: &World| !world.lines(&["asking it for new ones"]).is_empty();
        world.until("it is asked", Duration::from_secs(600), asked);
        world.with(device, |client, now| client.rekey_phase2(now));
        for _ in 0..100 {
            world.ping(device, Duration::from_secs(1));
            world.ping_back(device, Duration::from_secs(1));
        }
        let renewed = world.device(device).events.iter().filter(|event| **event == RENEWED).count();
        assert_eq!(renewed, 2, "{}", world.log.join("\n"));
        world.run(Duration::from_secs(60));
        world.ping(device, Duration::from_secs(1));
        world.ping_back(device, Duration::from_secs(1));
        assert_eq!(world.lines(&["is out"]).len(), 0, "{}", world.log.join("\n"));
    }
}

/// One that never renews, and answers no Quick Mode, loses its session when its keys end.
#[test]
fn keys_that_nobody_renews_end() {
    let mut profile = Profile::windows_10();
    profile.esp.rekey_after = None;
    profile.esp.answers = false;
    profile.esp.lifetime = Duration::from_secs(600);
    let (mut world, _, _) = one_client(profile);
    world.run(Duration::from_secs(590));
    assert_eq!(world.status().sessions.len(), 1);
    world.run(Duration::from_secs(75));
    assert!(world.server.is_idle(), "{}", world.log.join("\n"));
    assert_eq!(world.lines(&["is out", "let its keys expire"]).len(), 1, "{}", world.log.join("\n"));
}

/// Android forgets its ISAKMP SA without a word; the ESP SAs go on, and later a new phase 1 serves a new phase 2.
#[test]
fn esp_outlives_its_isakmp_sa() {
    let (mut world, device, _) = one_client(Profile::android());
    world.with(device, |client, _| client.forget_isakmp());
    world.run(Duration::from_secs(1_000));
    world.ping(device, SOON);
    world.ping_back(device, SOON);
    let before = world.device(device).events.len();
    world.with(device, |client, now| client.rekey_phase2(now));
    await_event(&mut world, device, before, &Event::SaOpened { renewed: true });
    world.ping_back(device, SOON);
    assert_eq!(world.status().sessions.len(), 1);
}

#[test]
fn the_server_hangs_up() {
    for profile in profiles() {
        for who in ["alice", "c1"] {
            let (mut world, device, _) = one_client(profile.clone());
            assert_eq!(world.with_server(|server, now| server.disconnect(now, "nobody")), 0);
            assert_eq!(world.with_server(|server, now| server.disconnect(now, who)), 1);
            let end = world.until_closed(device, SOON);
            assert!(matches!(end, End::Dismissed(_)), "{end:?}");
            world.until("all is forgotten", Duration::from_secs(60), |world| world.server.is_idle());
            assert_eq!(world.lines(&["\"alice\" is out"]).len(), 1, "{}", world.log.join("\n"));
            assert_eq!(world.status().pools[0].used, 0);
        }
    }
}

#[test]
fn the_server_shuts_down() {
    let (mut world, device, place) = one_client(Profile::windows_10());
    let other = world.dial(Profile::linux(), place);
    world.until_up(other, SOON);
    world.with_server(|server, now| server.shutdown(now));
    for device in [device, other] {
        let end = world.until_closed(device, SOON);
        assert!(matches!(end, End::Dismissed(_)), "{end:?}");
    }
    world.until("all is forgotten", SOON, |world| world.server.is_idle());
}

/// A client vanished and comes back at once from the same mapping, saying INITIAL-CONTACT: the old one makes way.
#[test]
fn initial_contact_replaces() {
    let (mut world, device, place) = one_client(Profile::linux());
    // A phone behind the same NAT, which must not be touched.
    let bystander = world.dial(Profile::android(), place);
    world.until_up(bystander, SOON);
    world.with(device, |client, _| client.vanish());
    let again = world.redial(device, Profile::linux());
    world.until_up(again, SOON);
    world.ping(again, SOON);
    let sessions = world.status().sessions;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert_eq!(world.address(again), world.address(device), "the old one's address is given back");
    assert_eq!(world.lines(&["connected anew"]).len(), 2, "{}", world.log.join("\n"));
    assert_eq!(world.status().pools[0].used, 2);
    world.ping(bystander, SOON);
}

/// A client vanished and comes back by another port of its NAT, saying INITIAL-CONTACT: as soon as the old one would have
/// answered an echo if it were still there, it makes way, and its address is given back.
#[test]
fn initial_contact_from_another_port_replaces_who_is_silent() {
    let (mut world, device, place) = one_client(Profile::linux());
    let twin = world.dial(Profile::linux(), place);
    world.until_up(twin, SOON);
    world.with(device, |client, _| client.vanish());
    // The twin has its user, its identity and its address, and answers echoes; it must not be touched.
    world.run(Duration::from_secs(60));
    let again = world.dial(Profile::linux(), place);
    world.until_up(again, SOON);
    assert_eq!(world.address(again), world.address(device), "{}", world.log.join("\n"));
    assert_eq!(world.status().sessions.len(), 2);
    world.ping(again, SOON);
    world.ping(twin, SOON);
    world.ping_back(twin, SOON);
}

/// Somebody who leaves and comes back finds the address that was left, though others came meanwhile.
#[test]
fn an_address_waits_for_who_had_it() {
    let (mut world, device, place) = one_client(Profile::windows_10());
    let address = world.address(device);
    world.with(device, |client, now| client.disconnect(now));
    world.until_closed(device, SOON);
    let again = world.dial(Profile::windows_10(), place);
    world.until_up(again, SOON);
    assert_eq!(world.address(again), address);
}

/// A phone that sleeps for four minutes is still in when it wakes; one that sleeps for six is not.
#[test]
fn a_sleeping_phone_is_given_time() {
    for (asleep, is_in) in [(240, true), (360, false)] {
        let (mut world, device, _) = one_client(Profile::android());
        world.mute(device, true);
        world.run(Duration::from_secs(asleep));
        world.mute(device, false);
        assert_eq!(world.status().sessions.len(), usize::from(is_in), "{asleep} s");
        if is_in {
            world.ping(device, SOON);
            world.ping_back(device, SOON);
        }
    }
}

/// A NAT that forgets a mapping after half a minute: the server keeps it open while the client is silent.
#[test]
fn a_silent_clients_mapping_is_kept_open() {
    let (mut world, _, _) = one_client(Profile::windows_10());
    let before = world.keepalives();
    world.run(Duration::from_secs(300));
    // Silent but for its answers to echoes, which are signs of life for 20 s each.
    let sent = world.keepalives() - before;
    assert!((5..=15).contains(&sent), "{sent}");
    // Nobody's mapping is kept where there is no NAT.
    let mut world = World::new(&Setup::default());
    let device = world.dial(Profile::windows_10(), Place::Public(Ipv4Addr::new(198, 18, 0, 5)));
    world.until_up(device, SOON);
    world.run(Duration::from_secs(300));
    assert_eq!(world.keepalives(), 0);
}

/// Without INITIAL-CONTACT the old session stays until it is found dead, and does no harm meanwhile.
#[test]
fn a_vanished_client_is_found_dead() {
    let (mut world, device, place) = one_client(Profile::windows_10());
    world.with(device, |client, _| client.vanish());
    let again = world.dial(Profile::windows_10(), place);
    world.until_up(again, SOON);
    world.until("the old one is gone", Duration::from_secs(600), |world| world.status().sessions.len() == 1);
    world.ping(again, SOON);
    world.ping_back(again, SOON);
}

/// A second tunnel that was not dialled with new keys may be one of two that a device wants: it ends none. A tunnel in which
/// nobody is any more is found dead, though the other is alive.
#[test]
fn another_tunnel_through_the_same_keys_ends_none() {
    let (mut world, device, _) = one_client(Profile::linux());
    // The keys are renewed in between, which is no new dial.
    for _ in 0..2 {
        let before = world.device(device).events.len();
        world.with(device, |client, now| client.rekey_phase2(now));
        await_event(&mut world, device, before, &RENEWED);
        world.ping(device, SOON);
        world.run(Duration::from_secs(2));
    }
    world.with(device, |client, now| client.redial_l2tp(now));
    world.until_up(device, SOON);
    world.ping(device, SOON);
    assert_eq!(world.status().sessions.len(), 2, "{}", world.log.join("\n"));
    for _ in 0..42 {
        world.run(Duration::from_secs(10));
        world.ping(device, SOON);
    }
    assert_eq!(world.status().sessions.len(), 1, "{}", world.log.join("\n"));
    world.ping_back(device, SOON);
}

/// It comes back by the same port of its NAT, without INITIAL-CONTACT and as somebody else: one peer, two tunnels. The old one
/// is found dead though the new one is alive.
#[test]
fn a_vanished_clients_tunnel_dies_beside_a_live_one() {
    let (mut world, device, _) = one_client(Profile::windows_10());
    world.with(device, |client, _| client.vanish());
    let again = world.redial_as(device, Profile::windows_10(), ("bob", "hunter2"));
    world.until_up(again, SOON);
    assert_eq!(world.status().sessions.len(), 2);
    for _ in 0..42 {
        world.run(Duration::from_secs(10));
        world.ping(again, SOON);
    }
    let sessions = world.status().sessions;
    assert_eq!(sessions.iter().map(|session| &*session.user).collect::<Vec<_>>(), ["bob"]);
    world.ping_back(again, SOON);
}

#[test]
fn coming_and_going() {
    for profile in profiles() {
        let (mut world, mut device, place) = one_client(profile.clone());
        for _ in 0..20 {
            world.with(device, |client, now| client.disconnect(now));
            assert_eq!(world.until_closed(device, SOON), End::Left);
            device = world.dial(profile.clone(), place);
            world.until_up(device, SOON);
            world.ping(device, SOON);
        }
        let status = world.status();
        assert_eq!(status.sessions.len(), 1);
        assert_eq!(status.pools[0].used, 1);
    }
}
