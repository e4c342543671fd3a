//! The ways to log in beside MS-CHAPv2: what is offered, who is let in, and what the others are told.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::profile::Authentication;
use load::{Credentials, End, Event, Profile, Refusal};

use crate::world::{Device, PSK, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);
const ALL: &str = "auth: [mschapv2, chap, pap]";

/// Dials a server with that configuration in that way.
fn dial(setup: &Setup, authentication: Authentication, (user, password): (&str, &str)) -> (World, Device) {
    let mut world = World::new(setup);
    let nat = world.add_nat(NAT);
    let mut profile = Profile::windows_10();
    profile.ppp.authentication = authentication;
    let credentials =
        Credentials { psk: PSK.into(), certificate: None, user: user.into(), password: password.into() };
    let device = world.dial_with(profile, Place::Behind(nat, PRIVATE), credentials);
    (world, device)
}

/// Dials and is refused; what the device is told, and the one line that says why.
#[track_caller]
fn refused(authentication: Authentication, who: (&str, &str), words: &[&str]) -> Refusal {
    let (mut world, device) = dial(&Setup { extra: ALL, ..Setup::default() }, authentication, who);
    let is_refused = |event: &Event| matches!(event, Event::Refused(_));
    world.until("the login is refused", SOON, |world| world.device(device).events.iter().any(is_refused));
    let end = world.until_closed(device, SOON);
    let End::Refused(refusal) = end else { panic!("{end:?}") };
    let warnings = world.lines(&["Warn"]);
    assert_eq!(warnings.len(), 1, "{}", world.log.join("\n"));
    for word in [words, &["192.0.2.10:4500", who.0]].concat() {
        assert!(warnings[0].contains(word), "no {word:?} in: {}", warnings[0]);
    }
    world.until("it is forgotten", Duration::from_secs(60), |world| world.server.is_idle());
    refusal
}

const BOTH: [(Authentication, &str); 2] =
    [(Authentication::Chap, "(CHAP-MD5)"), (Authentication::Pap, "(PAP)")];

#[test]
fn the_right_password_lets_in() {
    for (authentication, _) in BOTH {
        for who in [("alice", "secret"), ("CORP\\Alice", "secret"), ("erin", "Grüße, 100 %")] {
            let (mut world, device) = dial(&Setup { extra: ALL, ..Setup::default() }, authentication, who);
            world.until_up(device, SOON);
            world.ping(device, SOON);
            assert_eq!(world.lines(&["Warn"]), Vec::<&str>::new());
        }
    }
}

/// Requests, responses and answers get lost and come twice.
#[test]
fn over_a_bad_link() {
    for (authentication, _) in BOTH {
        for seed in 0..12 {
            let setup = Setup { seed, quality: Quality::BAD, extra: ALL, ..Setup::default() };
            let (mut world, device) = dial(&setup, authentication, ("alice", "secret"));
            world.until_up(device, Duration::from_secs(120));
        }
    }
}

/// The next Response, or the answer to it, gets lost as well.
#[test]
fn a_second_try_over_a_bad_link() {
    for seed in 0..12 {
        let setup = Setup { seed, quality: Quality::BAD, ..Setup::default() };
        let (mut world, device) = dial(&setup, Authentication::MsChapV2, ("alice", "Secret"));
        let is_refused = |event: &Event| matches!(event, Event::Refused(_));
        let patience = Duration::from_secs(120);
        let refused = |world: &World| world.device(device).events.iter().any(is_refused);
        world.until("the login is refused", patience, refused);
        world.with(device, |client, now| client.retry_password(now, "secret"));
        world.until_up(device, patience);
        assert_eq!(world.lines(&["wrong password"]).len(), 1, "{}", world.log.join("\n"));
    }
}

/// Each cause has its code, in the text of a Failure or Nak.
#[test]
fn every_refusal_has_its_code() {
    for (authentication, method) in BOTH {
        let refused = |who, code, words: &[&str]| {
            let refusal = refused(authentication, who, &[&[method], words].concat());
            assert_eq!((refusal.code, refusal.retry), (code, false), "{who:?}");
            refusal
        };
        let wrong = refused(("alice", "Secret"), 691, &["wrong password", "691", "type it anew"]);
        let unknown = refused(("mallory", "secret"), 691, &["no such user", "691", "users file"]);
        assert_eq!(wrong, unknown, "a stranger learns no more");
        refused(("carol", "secret"), 647, &["disabled", "647"]);
        refused(("carol", "wrong"), 691, &["wrong password"]);
        refused(("dave", "secret"), 708, &["expired", "708"]);
    }
}

/// The hash of a password is enough for PAP, and for CHAP it is not.
#[test]
fn an_account_with_only_a_hash() {
    let (mut world, device) =
        dial(&Setup { extra: ALL, ..Setup::default() }, Authentication::Pap, ("frank", "secret"));
    world.until_up(device, SOON);
    let words = ["(CHAP-MD5)", "only an nt_hash", "691", "MS-CHAPv2", "`password`"];
    assert_eq!(refused(Authentication::Chap, ("frank", "secret"), &words).code, 691);
}

/// Whatever is offered first, each client gets what it asks for instead.
#[test]
fn in_any_order() {
    for extra in ["auth: [pap, chap, mschapv2]", "auth: [chap, mschapv2, pap]", ALL] {
        for authentication in [Authentication::MsChapV2, Authentication::Chap, Authentication::Pap] {
            let setup = Setup { extra, ..Setup::default() };
            let (mut world, device) = dial(&setup, authentication, ("alice", "secret"));
            world.until_up(device, SOON);
        }
    }
}

/// Neither is there unless somebody asked for it.
#[test]
fn what_is_not_configured_is_not_to_be_had() {
    for (extra, authentication, words) in [
        ("", Authentication::Pap, ["we allow MS-CHAPv2", "wants PAP"]),
        ("", Authentication::Chap, ["we allow MS-CHAPv2", "wants CHAP-MD5"]),
        ("auth: [chap]", Authentication::MsChapV2, ["we allow CHAP-MD5", "wants MS-CHAPv2"]),
    ] {
        let setup = Setup { extra, ..Setup::default() };
        let (mut world, device) = dial(&setup, authentication, ("alice", "secret"));
        let words = [&words[..], &["192.0.2.10:4500", "734"]].concat();
        let patience = Duration::from_secs(60);
        world.until("a line that says so", patience, |world| world.lines(&words).len() == 1);
        assert!(!world.is_up(device));
    }
}
