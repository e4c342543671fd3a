//! Passwords that have expired: who makes another one, and what becomes of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::profile::Authentication;
use load::{End, Event, Profile, Refusal};

use crate::world::{Device, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);

fn world(setup: &Setup) -> (World, Place) {
    let mut world = World::new(setup);
    let nat = world.add_nat(NAT);
    (world, Place::Behind(nat, PRIVATE))
}

/// Dials until the login is refused.
#[track_caller]
fn refused(world: &mut World, profile: Profile, place: Place, who: (&str, &str)) -> (Device, Refusal) {
    let device = world.dial_as(profile, place, who);
    (device, next_refusal(world, device, 0))
}

/// The first refusal after so many events of the device.
#[track_caller]
fn next_refusal(world: &mut World, device: Device, after: usize) -> Refusal {
    let refusal = |world: &World| {
        world.device(device).events.iter().skip(after).find_map(|event| match event {
            Event::Refused(refusal) => Some(refusal.clone()),
            _ => None,
        })
    };
    world.until("the login is refused", Duration::from_secs(120), |world| refusal(world).is_some());
    refusal(world).expect("just seen")
}

/// What is to be written into the file.
fn to_be_written(world: &mut World) -> Vec<(String, String)> {
    std::iter::from_fn(|| world.server.poll_new_password())
        .map(|new| (new.user.to_string(), new.password.text().to_owned()))
        .collect()
}

#[test]
fn a_new_one_lets_in_and_the_old_one_does_not_any_more() {
    for user in ["grace", "heidi"] {
        for profile in [Profile::windows_10(), Profile::apple()] {
            let (mut world, place) = world(&Setup::default());
            let (device, refusal) = refused(&mut world, profile.clone(), place, (user, "secret"));
            assert_eq!((refusal.code, refusal.retry), (648, false));
            let words =
                ["192.0.2.10:4500", user, "MS-CHAPv2", "password has expired", "648", "`adit user passwd`"];
            assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
            assert_eq!(to_be_written(&mut world), []);

            world.with(device, |client, now| client.change_password(now, "Größer, 200 %"));
            world.until_up(device, SOON);
            world.ping(device, SOON);
            assert_eq!(to_be_written(&mut world), [(user.to_owned(), "Größer, 200 %".to_owned())]);
            assert_eq!(world.lines(&["Info", user, "has a new password"]).len(), 1);
            assert!(!world.log.join("\n").contains("Größer"));

            let (_, refusal) = refused(&mut world, profile.clone(), place, (user, "secret"));
            assert_eq!(refusal.code, 691);
            let again = world.dial_as(profile, place, (user, "Größer, 200 %"));
            world.until_up(again, SOON);
        }
    }
}

/// Devices built on pppd widen each octet of UTF-8 to 16 bits. What is kept is what their users mean, so that other devices get in
/// with it as well; where only a hash is kept, it is theirs.
#[test]
fn a_new_one_beyond_ascii_on_a_device_that_knows_octets_only() {
    let new = "Größer, 200 %";
    let widened: String = new.bytes().map(char::from).collect();
    for (user, elsewhere) in [("grace", true), ("heidi", false)] {
        let (mut world, place) = world(&Setup::default());
        let (device, _) = refused(&mut world, Profile::apple(), place, (user, "secret"));
        world.with(device, |client, now| client.change_password(now, &widened));
        world.until_up(device, SOON);
        assert_eq!(to_be_written(&mut world), [(user.to_owned(), new.to_owned())]);
        let again = world.dial_as(Profile::apple(), place, (user, &widened));
        world.until_up(again, SOON);
        if elsewhere {
            let other = world.dial_as(Profile::windows_10(), place, (user, new));
            world.until_up(other, SOON);
        } else {
            assert_eq!(refused(&mut world, Profile::windows_10(), place, (user, new)).1.code, 691);
        }
    }
}

/// Failures, changes and their answers get lost and come twice; the password changes once.
#[test]
fn over_a_bad_link() {
    for seed in 0..12 {
        let (mut world, place) = world(&Setup { seed, quality: Quality::BAD, ..Setup::default() });
        let (device, _) = refused(&mut world, Profile::windows_10(), place, ("grace", "secret"));
        world.with(device, |client, now| client.change_password(now, "better"));
        world.until_up(device, Duration::from_secs(120));
        assert_eq!(to_be_written(&mut world).len(), 1);
    }
}

/// None at all, or the one that has expired, is no new password.
#[test]
fn one_that_is_none() {
    for password in ["", "secret"] {
        let (mut world, place) = world(&Setup::default());
        let (device, _) = refused(&mut world, Profile::windows_10(), place, ("grace", "secret"));
        let before = world.device(device).events.len();
        world.with(device, |client, now| client.change_password(now, password));
        let refusal = next_refusal(&mut world, device, before);
        assert_eq!((refusal.code, refusal.retry), (709, false));
        assert_eq!(world.until_closed(device, SOON), End::Refused(refusal));
        let words = ["Warn", "192.0.2.10:4500", "grace", "empty or the old one", "709", "choose another"];
        assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
        assert_eq!(to_be_written(&mut world), []);
        // Nothing has changed.
        let (_, refusal) = refused(&mut world, Profile::windows_10(), place, ("grace", "secret"));
        assert_eq!(refusal.code, 648);
    }
}

/// Who does not know the old password hears nothing of its age.
#[test]
fn a_wrong_one() {
    let (mut world, place) = world(&Setup::default());
    let (device, refusal) = refused(&mut world, Profile::windows_10(), place, ("grace", "guess"));
    assert_eq!((refusal.code, refusal.retry), (691, true));
    // A change that nobody asked for is as good as silence.
    world.with(device, |client, now| client.change_password(now, "mine"));
    world.run(SOON);
    assert!(!world.is_up(device));
    assert_eq!(to_be_written(&mut world), []);
}

/// The other ways to log in know of no change.
#[test]
fn without_mschapv2() {
    for authentication in [Authentication::Chap, Authentication::Pap] {
        let (mut world, place) = world(&Setup { extra: "auth: [chap, pap]", ..Setup::default() });
        let mut profile = Profile::windows_10();
        profile.ppp.authentication = authentication;
        let (device, refusal) = refused(&mut world, profile, place, ("grace", "secret"));
        assert_eq!(refusal.code, 648);
        assert_eq!(world.until_closed(device, SOON), End::Refused(refusal));
    }
}

/// A user who would rather not has cost nobody anything.
#[test]
fn nobody_answers_the_dialog() {
    let (mut world, place) = world(&Setup::default());
    let (_, refusal) = refused(&mut world, Profile::windows_10(), place, ("grace", "secret"));
    assert_eq!(refusal.code, 648);
    world.until("it is forgotten", Duration::from_secs(300), |world| world.server.is_idle());
    assert_eq!(to_be_written(&mut world), []);
}
