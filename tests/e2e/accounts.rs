//! What a users file says of who may come in, and of when a session is over.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::{End, Event, Profile, Refusal};

use crate::inner;
use crate::world::{Device, HOST, Place, Setup, World};

const SOON: Duration = Duration::from_secs(8);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const ALICE: (&str, &str) = ("alice", "secret");

/// A world with these accounts, on Friday, 2027-01-01, at this hour UTC.
fn world(users: &'static str, hour: u32) -> World {
    let midnight = Setup::default().wall;
    World::new(&Setup { users, wall: midnight + HOUR * hour, ..Setup::default() })
}

fn place(number: u8) -> Place {
    Place::Public(Ipv4Addr::new(198, 51, 100, number))
}

fn dial(world: &mut World, number: u8) -> Device {
    world.dial_as(Profile::windows_10(), place(number), ALICE)
}

fn up(world: &mut World, number: u8) -> Device {
    let device = dial(world, number);
    world.until_up(device, SOON);
    device
}

/// How a device that is to be refused is refused.
#[track_caller]
fn refusal(world: &mut World, device: Device) -> Refusal {
    let refused = |world: &World| {
        world.device(device).events.iter().find_map(|event| match event {
            Event::Refused(refusal) => Some(refusal.clone()),
            _ => None,
        })
    };
    world.until("the login is refused", SOON, |world| refused(world).is_some());
    refused(world).expect("just seen")
}

/// The session of a device ends within a minute of `after`, not before, and the log says why.
#[track_caller]
fn ends(world: &mut World, device: Device, after: Duration, why: &str) {
    world.run(after.saturating_sub(Duration::from_secs(10)));
    assert!(world.is_up(device), "log:\n{}", world.log.join("\n"));
    let end = world.until_closed(device, MINUTE);
    assert!(matches!(end, End::Dismissed(_)), "{end:?}");
    world.until("its address is free", MINUTE, |world| world.status().pools[0].used == 0);
    assert_eq!(world.lines(&["\"alice\" is out", why]).len(), 1, "{}", world.log.join("\n"));
}

#[test]
fn hours_close_the_door_and_end_the_session() {
    const USERS: &str = "alice: { password: secret, hours: [Mon-Fri 08:00-18:00 +01:00] }";
    let mut early = world(USERS, 6);
    let device = dial(&mut early, 1);
    assert_eq!(refusal(&mut early, device).code, 646);
    let words = ["Warn", "198.51.100.1:4500", "alice", "hour", "Windows shows 646", "widen `hours`"];
    assert_eq!(early.lines(&words).len(), 1, "{}", early.log.join("\n"));
    let mut late = world(USERS, 16);
    let device = up(&mut late, 1);
    ends(&mut late, device, HOUR, "may not be used at this hour");
    let device = dial(&mut late, 1);
    assert_eq!(refusal(&mut late, device).code, 646);
}

/// A machine without a battery learns the time after it has started.
#[test]
fn a_clock_that_is_set_is_followed() {
    let mut world =
        world("alice: { password: secret, hours: [Fri 08:00-18:00 UTC] }\nbob: { password: secret }", 9);
    let device = up(&mut world, 1);
    let other = world.dial_as(Profile::windows_10(), place(2), ("bob", "secret"));
    world.until_up(other, SOON);
    let wall = std::time::UNIX_EPOCH + Setup::default().wall + HOUR * 9;
    let passed = world.elapsed();
    world.with_server(|server, now| server.set_clock(now, wall + passed + Duration::from_secs(1)));
    world.run(MINUTE);
    assert!(world.is_up(device), "a second is nothing");
    let passed = world.elapsed();
    world.with_server(|server, now| server.set_clock(now, wall + passed + 10 * HOUR));
    world.until_closed(device, SOON);
    assert!(world.is_up(other));
    assert_eq!(world.lines(&["the clock was set forward by 10h"]).len(), 1, "{}", world.log.join("\n"));
    let device = dial(&mut world, 3);
    assert_eq!(refusal(&mut world, device).code, 646);
    let passed = world.elapsed();
    world.with_server(|server, now| server.set_clock(now, wall + passed));
    up(&mut world, 4);
}

#[test]
fn an_account_that_expires_ends_its_session() {
    let mut world = world("alice: { password: secret, expires: 2027-01-01 }", 23);
    let device = up(&mut world, 1);
    ends(&mut world, device, HOUR, "the account has expired");
    let device = dial(&mut world, 1);
    assert_eq!(refusal(&mut world, device).code, 708);
}

#[test]
fn an_expired_password() {
    let mut world = world("alice: { password: secret, password_expires: 2026-12-31 }", 0);
    let device = dial(&mut world, 1);
    assert_eq!(refusal(&mut world, device).code, 648);
    let words = ["Warn", "alice", "password has expired", "Windows shows 648", "adit user passwd"];
    assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
    let device = world.dial_as(Profile::windows_10(), place(2), ("alice", "wrong"));
    assert_eq!(refusal(&mut world, device).code, 691, "only who knows the password learns more");
}

#[test]
fn one_device_more_takes_the_oldest_ones_place() {
    let mut world = world("alice: { password: secret, sessions: 2 }", 0);
    let [first, second, third] = [1, 2, 3].map(|number| up(&mut world, number));
    world.until_closed(first, SOON);
    assert!(world.is_up(second) && world.is_up(third));
    let words = ["\"alice\" is out", "the same user logged in again"];
    assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
}

#[test]
fn one_device_more_is_refused() {
    let mut world = world("alice: { password: secret, sessions: 2, when_full: refuse }", 0);
    let [first, second] = [1, 2].map(|number| up(&mut world, number));
    let third = dial(&mut world, 3);
    let refusal = refusal(&mut world, third);
    assert_eq!((refusal.code, refusal.retry), (649, false));
    let words = ["Warn", "198.51.100.3:4500", "alice", "Windows shows 649", "when_full: replace"];
    assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
    assert!(world.is_up(first) && world.is_up(second));
    // The refused one holds nothing, and who leaves makes room.
    world.with(first, |client, now| client.disconnect(now));
    world.until_closed(first, SOON);
    let fourth = up(&mut world, 4);
    world.ping(fourth, SOON);
}

#[test]
fn a_session_lasts_as_long_as_it_may() {
    let mut world = world("alice: { password: secret, session_timeout: 2 h }", 0);
    let device = up(&mut world, 1);
    for _ in 0..11 {
        world.run(10 * MINUTE);
        world.ping(device, SOON);
    }
    let left = 2 * HOUR - world.elapsed();
    ends(&mut world, device, left, "(session_timeout)");
    // Nothing keeps it from dialling again.
    let again = up(&mut world, 1);
    world.ping(again, SOON);
}

#[test]
fn a_session_without_data_ends() {
    let mut world = world("alice: { password: secret, idle_timeout: 10 min }", 0);
    let device = up(&mut world, 1);
    // Either way counts; what PPP says to stay alive does not.
    for _ in 0..4 {
        world.run(8 * MINUTE);
        world.ping(device, SOON);
        world.run(8 * MINUTE);
        world.ping_back(device, SOON);
    }
    ends(&mut world, device, 10 * MINUTE, "(idle_timeout)");
}

/// Moves a packet of so many bytes up, so often.
fn send(world: &mut World, device: Device, bytes: usize, times: usize) {
    let packet = inner::ipv4(world.address(device), HOST, 99, &vec![0xa5; bytes - 20]);
    for _ in 0..times {
        world.with(device, |client, now| client.send_packet(now, &packet));
    }
}

#[test]
fn a_quota_ends_all_sessions_of_its_user_until_the_next_period() {
    let mut world = world("alice: { password: secret, quota: 1 MB per day }\nbob: { password: secret }", 22);
    let [first, second] = [1, 2].map(|number| up(&mut world, number));
    let other = world.dial_as(Profile::windows_10(), place(3), ("bob", "secret"));
    world.until_up(other, SOON);
    send(&mut world, first, 1000, 499);
    send(&mut world, second, 1000, 499);
    world.run(MINUTE);
    assert!(world.is_up(first) && world.is_up(second), "{}", world.log.join("\n"));
    send(&mut world, second, 1000, 2);
    world.until_closed(first, Duration::from_secs(20));
    world.until_closed(second, SOON);
    world.run(SOON);
    assert_eq!(world.lines(&["\"alice\" is out", "(quota)"]).len(), 2, "{}", world.log.join("\n"));
    assert!(world.is_up(other));
    let device = dial(&mut world, 4);
    assert_eq!(refusal(&mut world, device).code, 649);
    let words = ["Warn", "alice", "quota is used up", "Windows shows 649", "raise `quota`"];
    assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
    // A new day.
    world.run(2 * HOUR);
    let device = up(&mut world, 5);
    send(&mut world, device, 1000, 900);
    world.run(MINUTE);
    assert!(world.is_up(device));
}

/// What was used stands in a file, from which another server takes it up.
#[test]
fn a_quota_survives_a_restart() {
    const USERS: &str = "alice: { password: secret, quota: 1 MB per month }";
    let mut before = world(USERS, 0);
    let device = up(&mut before, 1);
    send(&mut before, device, 1000, 700);
    before.run(MINUTE);
    let counted = before.usage();
    assert_eq!(counted.get("alice").map(|used| used.bytes), Some(700_000));
    // What came since the last look is counted at the end.
    send(&mut before, device, 1000, 200);
    before.run(Duration::from_millis(100));
    before.with_server(|server, now| server.shutdown(now));
    before.until("nobody is there", MINUTE, |world| world.server.is_idle());
    let counted = before.usage();
    assert_eq!(counted.get("alice").map(|used| used.bytes), Some(900_000));
    let mut after = world(USERS, 1);
    after.restore(&counted);
    let device = up(&mut after, 1);
    send(&mut after, device, 1000, 101);
    after.until_closed(device, Duration::from_secs(20));
    let device = dial(&mut after, 2);
    assert_eq!(refusal(&mut after, device).code, 649);
}

/// Nobody who may stay is looked after or dismissed.
#[test]
fn without_limits_a_session_lasts() {
    let mut world = world("alice: { password: secret }", 0);
    let device = up(&mut world, 1);
    world.run(10 * HOUR);
    world.ping(device, SOON);
}

/// What the operator changes holds at once for those who are in: who is not allowed any more goes, others have new limits.
#[test]
fn changed_accounts_are_taken_over_at_once() {
    let before = "\
alice: { password: secret }
bob: { password: secret, address: 10.20.0.9 }
carol: { password: secret }
dave: { password: secret, sessions: 2 }
erin: { password: secret }
";
    let mut world = world(before, 0);
    let dial = |world: &mut World, user: &str, number: u8| {
        let device = world.dial_as(Profile::windows_10(), place(number), (user, "secret"));
        world.until_up(device, SOON);
        device
    };
    let users = ["alice", "bob", "carol", "dave", "dave", "erin"];
    let [alice, bob, carol, old, new, erin] =
        [0, 1, 2, 3, 4, 5].map(|number: u8| dial(&mut world, users[usize::from(number)], number + 1));
    assert_eq!(world.address(bob), Ipv4Addr::new(10, 20, 0, 9));
    let his = world.address(erin);
    let after = format!(
        "\
alice: {{ password: other, to: [192.0.2.0/24], session_timeout: 2 h }}
bob: {{ password: secret, address: 10.20.0.10 }}
carol: {{ password: secret, disabled: true }}
dave: {{ password: secret, sessions: 1 }}
frank: {{ password: secret, address: {his} }}
"
    );
    let reloaded = world.reload(&after, |_| {});
    assert_eq!((reloaded.users, reloaded.ended), (5, 4), "{reloaded:?}\n{}", world.log.join("\n"));
    for device in [bob, carol, old, erin] {
        world.until_closed(device, SOON);
    }
    world.run(SOON);
    for (user, why) in [
        ("bob", "the user has another address now"),
        ("carol", "the account is disabled"),
        ("dave", "the user may have fewer sessions now"),
        ("erin", "the account was removed"),
    ] {
        let line = format!("\"{user}\" is out");
        assert_eq!(world.lines(&[&line, why]).len(), 1, "{user}: {}", world.log.join("\n"));
    }
    // Another password alone ends nothing; the new limits hold.
    let packet = inner::ping(world.address(alice), HOST, 1);
    world.with(alice, |client, now| client.send_packet(now, &packet));
    world.run(SOON);
    assert_eq!((world.discarded("out_of_reach"), world.is_up(new)), (1, true));
    assert_eq!(world.status().pools[0].used, 2);
    // What was somebody's is nobody's in particular now, and the other way round.
    let frank = dial(&mut world, "frank", 7);
    assert_eq!(world.address(frank), his);
    let bob = dial(&mut world, "bob", 8);
    assert_eq!(world.address(bob), Ipv4Addr::new(10, 20, 0, 10));
    let left = 2 * HOUR - world.elapsed();
    ends_among_others(&mut world, alice, left);
    let again = world.reload(&after, |_| {});
    assert_eq!((again.ended, again.changed), (0, 0), "nothing is new");
}

#[track_caller]
fn ends_among_others(world: &mut World, device: Device, after: Duration) {
    world.run(after - Duration::from_secs(10));
    assert!(world.is_up(device), "log:\n{}", world.log.join("\n"));
    world.until_closed(device, Duration::from_secs(20));
}

/// A key is replaced while devices are connected: they stay, and who dials anew needs the new one.
#[test]
fn a_changed_key_is_for_those_who_dial() {
    let mut world = world("alice: { password: secret }", 0);
    let device = up(&mut world, 1);
    world.reload("alice: { password: secret }", |config| {
        config.psks[0].secret = ipsec::Secret::new("another one");
        config.dns.ipv4 = vec![Ipv4Addr::new(10, 0, 0, 53)];
    });
    world.ping(device, SOON);
    let old = dial(&mut world, 2);
    world.until_closed(old, Duration::from_secs(300));
    assert_eq!(world.lines(&["198.51.100.2", "pre-shared key"]).len(), 1, "{}", world.log.join("\n"));
    let credentials = load::Credentials {
        psk: b"another one".to_vec(),
        certificate: None,
        user: "alice".into(),
        password: "secret".into(),
    };
    let new = world.dial_with(Profile::windows_10(), place(3), credentials);
    world.until_up(new, SOON);
}

/// What was moved before there was a quota is not part of it.
#[test]
fn a_quota_begins_when_it_is_given() {
    let mut world = world("alice: { password: secret }", 3);
    let device = up(&mut world, 1);
    send(&mut world, device, 1000, 1500);
    world.run(MINUTE);
    world.reload("alice: { password: secret, quota: 1 MB per month }", |_| {});
    send(&mut world, device, 1000, 500);
    world.run(MINUTE);
    assert!(world.is_up(device), "{}", world.log.join("\n"));
    send(&mut world, device, 1000, 600);
    world.until_closed(device, Duration::from_secs(20));
}
