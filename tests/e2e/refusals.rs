//! Whoever is not let in, and the one line that says why: who, at which stage, the cause, what the user sees, the
//! remedy.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::profile::{Authentication, Avp, EspTransform, IkeTransform};
use load::{Cipher, Credentials, End, Event, Group, Hash, Profile};

use crate::world::{Device, PSK, Place, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);

fn world() -> (World, Place) {
    let mut world = World::new(&Setup::default());
    let nat = world.add_nat(NAT);
    (world, Place::Behind(nat, PRIVATE))
}

/// Exactly one warning, and it has all of `words`.
#[track_caller]
fn one_line(world: &World, words: &[&str]) {
    let warnings = world.lines(&["Warn"]);
    assert_eq!(warnings.len(), 1, "{}", world.log.join("\n"));
    for word in words {
        assert!(warnings[0].contains(word), "no {word:?} in: {}", warnings[0]);
    }
}

#[test]
fn a_wrong_pre_shared_key() {
    for profile in [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()] {
        let (mut world, place) = world();
        let credentials = Credentials {
            psk: b"wrong horse".to_vec(),
            certificate: None,
            user: "alice".into(),
            password: "secret".into(),
        };
        let device = world.dial_with(profile.clone(), place, credentials);
        let end = world.until_closed(device, Duration::from_secs(300));
        assert!(matches!(end, End::NoAnswer(_) | End::Notified(_)), "{end:?}");
        one_line(&world, &["192.0.2.10:4500", "message 5", "pre-shared key", "789", "type the key again"]);
        // The same device with the right key is let in.
        let device = world.dial(profile, place);
        world.until_up(device, SOON);
    }
}

#[test]
fn no_phase_1_proposal_in_common() {
    let (mut world, place) = world();
    let mut profile = Profile::windows_10();
    profile.ike.transforms = vec![IkeTransform::new(Cipher::Des, Hash::Md5, Group::Modp768)];
    let device = world.dial(profile, place);
    assert_eq!(world.until_closed(device, SOON), End::Notified(14));
    one_line(&world, &["192.0.2.10:500", "message 1", "DES", "MD5", "MODP-768", "788", "algorithms: legacy"]);
}

/// Forged first messages cost their sender nothing; the line about somebody who knows a key is written all the same.
#[test]
fn strangers_do_not_crowd_out_a_wrong_password() {
    let (mut world, place) = world();
    let mut profile = Profile::windows_10();
    profile.ike.transforms = vec![IkeTransform::new(Cipher::Des, Hash::Md5, Group::Modp768)];
    for _ in 0..60 {
        world.dial(profile.clone(), place);
    }
    let device = world.dial_as(Profile::windows_10(), place, ("alice", "wrong"));
    let is_refused = |event: &Event| matches!(event, Event::Refused(_));
    world.until("the login is refused", SOON, |world| world.device(device).events.iter().any(is_refused));
    assert_eq!(world.lines(&["alice", "wrong password"]).len(), 1, "{}", world.log.join("\n"));
    world.run(SOON);
    assert_eq!(world.lines(&["message 1", "DES"]).len(), 20, "a second's share");
    assert_eq!(world.lines(&["40 more lines about clients"]).len(), 1, "{}", world.log.join("\n"));
}

#[test]
fn no_phase_2_proposal_in_common() {
    let (mut world, place) = world();
    let mut profile = Profile::windows_10();
    profile.esp.transforms = vec![EspTransform::new(Cipher::Des, Hash::Md5)];
    let device = world.dial(profile, place);
    world.until("it hears of it", SOON, |world| world.device(device).events.contains(&Event::Notified(14)));
    one_line(&world, &["192.0.2.10:4500", "quick mode", "DES", "MD5", "788", "algorithms: legacy"]);
}

/// Dials as somebody; the refusal's code, and the world and device afterwards.
#[track_caller]
fn refused(user: &str, password: &str) -> (World, Device, load::Refusal) {
    let (mut world, place) = world();
    let device = world.dial_as(Profile::windows_10(), place, (user, password));
    let is_refused = |event: &Event| matches!(event, Event::Refused(_));
    world.until("the login is refused", SOON, |world| world.device(device).events.iter().any(is_refused));
    let refusal = world.device(device).events.iter().find_map(|event| match event {
        Event::Refused(refusal) => Some(refusal.clone()),
        _ => None,
    });
    (world, device, refusal.expect("just seen"))
}

#[test]
fn a_wrong_password_and_then_the_right_one() {
    let (mut world, device, refusal) = refused("alice", "Secret");
    assert_eq!((refusal.code, refusal.retry), (691, true));
    one_line(&world, &["192.0.2.10:4500", "alice", "MS-CHAPv2", "wrong password", "691", "type it anew"]);
    world.with(device, |client, now| client.retry_password(now, "secret"));
    world.until_up(device, SOON);
    world.ping(device, SOON);
}

#[test]
fn a_wrong_password_to_the_end() {
    let (mut world, device, mut refusal) = refused("alice", "a");
    let mut tries = 1;
    while refusal.retry {
        tries += 1;
        assert!(tries < 10, "tries are limited");
        let before = world.device(device).events.len();
        world.with(device, |client, now| client.retry_password(now, "b"));
        world.until("an answer", SOON, |world| world.device(device).events.len() > before);
        match &world.device(device).events[before] {
            Event::Refused(next) => refusal = next.clone(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refusal.code, 691);
    let end = world.until_closed(device, SOON);
    assert!(matches!(end, End::Refused(_)), "{end:?}");
    world.until("it is forgotten", Duration::from_secs(60), |world| world.server.is_idle());
}

#[test]
fn an_unknown_user_learns_no_more_than_one_with_a_wrong_password() {
    let (world, _, unknown) = refused("mallory", "secret");
    one_line(&world, &["192.0.2.10:4500", "mallory", "no such user", "691", "users file"]);
    let (_, _, wrong) = refused("alice", "wrong");
    assert_eq!(unknown, wrong);
}

#[test]
fn a_disabled_account() {
    let (world, _, refusal) = refused("carol", "secret");
    assert_eq!(refusal.code, 647);
    one_line(&world, &["192.0.2.10:4500", "carol", "disabled", "647"]);
    let (world, _, refusal) = refused("carol", "wrong");
    assert_eq!(refusal.code, 691, "only who knows the password learns more");
    one_line(&world, &["wrong password"]);
}

#[test]
fn an_expired_account() {
    let (world, _, refusal) = refused("dave", "secret");
    assert_eq!(refusal.code, 708);
    one_line(&world, &["192.0.2.10:4500", "dave", "expired", "708"]);
}

/// Names come with a domain, passwords in any script.
#[test]
fn domains_and_umlauts() {
    for who in [("CORP\\alice", "secret"), ("Alice", "secret"), ("erin", "Grüße, 100 %")] {
        let (mut world, place) = world();
        let device = world.dial_as(Profile::windows_10(), place, who);
        world.until_up(device, SOON);
    }
}

/// With several keys, each client is let in with its own, and the log says which.
#[test]
fn two_keys_during_a_rotation() {
    let mut world = World::with_keys(&Setup::default(), &[("old", "old key"), ("new", PSK)]);
    let nat = world.add_nat(NAT);
    let place = Place::Behind(nat, PRIVATE);
    let old = Credentials {
        psk: b"old key".to_vec(),
        certificate: None,
        user: "alice".into(),
        password: "secret".into(),
    };
    let first = world.dial_with(Profile::windows_10(), place, old);
    let second = world.dial(Profile::windows_10(), place);
    world.until_up(first, SOON);
    world.until_up(second, SOON);
    assert_eq!(world.lines(&["key \"old\""]).len(), 1, "{}", world.log.join("\n"));
    assert_eq!(world.lines(&["key \"new\""]).len(), 1);
    let sessions = world.status().sessions;
    let mut keys: Vec<_> = sessions.iter().map(|session| (&*session.key, session.inside)).collect();
    keys.sort();
    assert_eq!(keys, [("new", world.address(second)), ("old", world.address(first))]);
}

/// Dials with something about L2TP or PPP that cannot come to a good end, until the server has said so.
#[track_caller]
fn fails(extra: &'static str, change: impl FnOnce(&mut Profile), words: &[&str]) {
    let mut world = World::new(&Setup { extra, ..Setup::default() });
    let nat = world.add_nat(NAT);
    let mut profile = Profile::linux();
    change(&mut profile);
    let device = world.dial(profile, Place::Behind(nat, PRIVATE));
    let with_address = [words, &["192.0.2.10:4500"]].concat();
    let is_said = |world: &World| !world.lines(&with_address).is_empty();
    let patience = Duration::from_secs(120);
    world.until(&format!("a line with {with_address:?}"), patience, is_said);
    assert!(!world.is_up(device));
}

#[test]
fn l2tp_that_comes_to_nothing() {
    const SECRET: &str = "l2tp: { secret: 'of the tunnel' }";
    // Challenge; an AVP that nobody knows, with the M bit.
    let challenge = || Avp::Raw(b"\x80\x16\0\0\0\x0b0123456789abcdef".to_vec());
    let unknown = || Avp::Raw(b"\x80\x08\0\0\x03\xe7ab".to_vec());
    fails(
        SECRET,
        |_| {},
        &["Warn", "L2TP tunnel", "secret is missing or wrong", "628", "`secret` under `l2tp`"],
    );
    fails(
        "",
        |profile| profile.l2tp.sccrq.push(challenge()),
        &["Warn", "L2TP tunnel", "no L2TP secret", "809", "clear"],
    );
    fails(
        "",
        |profile| profile.l2tp.sccrq.push(unknown()),
        &["Warn", "L2TP tunnel", "unknown mandatory AVP 999", "628", "broken"],
    );
    fails(
        "",
        |profile| profile.l2tp.icrq.push(unknown()),
        &["Warn", "L2TP session", "unknown mandatory AVP 999", "628", "broken"],
    );
}

#[test]
fn ppp_that_comes_to_nothing() {
    let deaf = |profile: &mut Profile| {
        profile.ppp.attach_delay = Duration::from_secs(3_600);
        profile.ppp.max_configure = 1_000;
    };
    fails("", deaf, &["before a login", "no answer to LCP", "718", "packets get lost"]);
    let pap = |profile: &mut Profile| profile.ppp.authentication = Authentication::Pap;
    let words = ["before a login", "no common authentication", "wants PAP", "734", "allow MS-CHAPv2"];
    fails("", pap, &words);
    // It asks for no address at all.
    fails(
        "",
        |profile| profile.ppp.ipcp.clear(),
        &["Warn", "\"alice\"", "did not take its address", "735", "automatically"],
    );
}

/// Eight sessions are a client's share, logged in or not.
#[test]
fn more_sessions_than_a_client_may_have() {
    let (mut world, place) = world();
    let device = world.dial(Profile::linux(), place);
    world.until_up(device, SOON);
    for _ in 0..8 {
        assert_eq!(world.lines(&["Warn"]), Vec::<&str>::new());
        let call = world.with(device, |client, now| client.call_again(now, "bob", "hunter2"));
        assert!(call.is_some(), "the call before this one");
        world.run(Duration::from_millis(200));
    }
    let words = ["L2TP session", "192.0.2.10:4500", "too many", "628", "connect again"];
    assert_eq!(world.lines(&words).len(), 1, "{}", world.log.join("\n"));
}

#[test]
fn a_client_that_vanishes_within_l2tp() {
    let (mut world, place) = world();
    let device = world.dial(Profile::linux(), place);
    let opened = Event::SaOpened { renewed: false };
    world.until("keys", SOON, |world| world.device(device).events.contains(&opened));
    // Its request has left.
    world.with(device, |client, _| client.vanish());
    world.run(Duration::from_secs(60));
    one_line(
        &world,
        &["192.0.2.10:4500", "L2TP tunnel", "no longer answers", "809", "time out", "connect again"],
    );
}

#[test]
fn no_address_left() {
    // Eight less network, broadcast and the server's own: five.
    let mut world = World::new(&Setup { range: "10.20.0.0/29", ..Setup::default() });
    let nat = world.add_nat(NAT);
    let place = Place::Behind(nat, PRIVATE);
    let lucky: Vec<Device> = (0..5).map(|_| world.dial(Profile::windows_10(), place)).collect();
    for device in &lucky {
        world.until_up(*device, SOON);
    }
    let late = world.dial(Profile::windows_10(), place);
    world.until("the end of IPCP", SOON, |world| world.device(late).client.ipcp_ended().is_some());
    assert_eq!(world.device(late).client.ipcp_ended(), Some("no free address"));
    let end = world.until_closed(late, Duration::from_secs(30));
    assert!(matches!(end, End::Dismissed(_)), "{end:?}");
    one_line(&world, &["192.0.2.10:", "alice", "no address is free in any pool", "736", "enlarge `range`"]);
    // Somebody leaves, and the next one has that address.
    let free = world.address(lucky[2]);
    world.with(lucky[2], |client, now| client.disconnect(now));
    world.until_closed(lucky[2], SOON);
    world.run(SOON);
    let next = world.dial(Profile::windows_10(), place);
    world.until_up(next, SOON);
    assert_eq!(world.address(next), free);
}
