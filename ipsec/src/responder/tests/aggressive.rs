//! Aggressive mode.

mod refused;

use proptest::prelude::*;

use super::*;
use crate::isakmp::iana::{NotifyType, PayloadType};
use crate::isakmp::{Cookie, NotifyPayload, SaPayload};
use crate::proposal::{Algorithms, IkePolicy, choose_ike};
use crate::vectors::Vectors;

/// Keys by name, each with the identifier that uses it.
fn with_ids(keys: &[(&str, Option<&str>)]) -> Config {
    let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
    let mut config = config(&names);
    for (psk, (_, id)) in config.psks.iter_mut().zip(keys) {
        psk.id = id.map(Into::into);
    }
    config
}

fn world() -> World {
    World::new(with_ids(&[("main", Some("staff"))]))
}

/// Body of an ID payload as Android and Apple write it: no protocol, no port.
fn id(kind: u8, text: &str) -> Vec<u8> {
    [&[kind, 0, 0, 0][..], text.as_bytes()].concat()
}

fn key_id() -> Vec<u8> {
    id(11, "staff")
}

/// The notification that a message in clear is.
fn notification(answer: &[u8]) -> NotifyType {
    let payloads = Message::parse(answer).expect("a message").payloads().expect("payloads");
    NotifyPayload::parse(payloads.require(PayloadType::NOTIFICATION).expect("N")).expect("N").kind
}

#[test]
fn every_client_with_an_identifier_gets_in_and_on() {
    let cases = [
        // Android and Apple send message 3 in clear, strongSwan encrypted.
        (Profile::android(1), false, "AES-256-CBC/SHA1/MODP-1024"),
        (Profile::android(2), false, "AES-256-CBC/SHA2-256/MODP-1024"),
        (Profile::android(3), false, "AES-256-CBC/SHA2-512/MODP-1024"),
        (Profile::apple_group(true), false, "AES-256-CBC/SHA2-512/MODP-2048"),
        (Profile::apple_group(false), false, "AES-256-CBC/SHA2-256/MODP-1024"),
        (Profile::simple(Some(256), 4, 14), true, "AES-256-CBC/SHA2-256/MODP-2048"),
        (Profile::simple(Some(128), 2, 2), true, "AES-128-CBC/SHA1/MODP-1024"),
        (Profile::simple(Some(256), 6, 19), true, "AES-256-CBC/SHA2-512/ECP-256"),
    ];
    for (profile, encrypted, suite) in cases {
        let mut world = world();
        let mut client = client(profile);
        let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
        let message3 = client.aggressive3(&message2, encrypted).expect("the same key");
        assert!(world.send(client.path(), &message3).is_empty());
        let (_, phase1) = world.established();
        assert_eq!((phase1.suite.to_string().as_str(), phase1.credential.name()), (suite, "main"));
        assert_eq!(
            world.log()[1],
            format!("c1 is c1 198.51.100.7:11001 → 192.0.2.1:4500 {suite} staff main client behind NAT")
        );
        // What follows needs the IV that message 3 left behind.
        let contact = client.notify(NotifyType::INITIAL_CONTACT, &[]);
        assert!(world.send(client.path(), &contact).is_empty());
        world.quick(&mut client);
        world.log();
        world.discards(client.path(), &message3, Discard::Retransmission);
        assert_eq!(world.responder.half_open.len(), 0);
    }
}

#[test]
fn what_the_user_typed_counts_whatever_android_makes_of_it() {
    for (kind, text) in [(11, "staff"), (2, "vpn.example"), (3, "a@vpn.example")] {
        let mut world = World::new(with_ids(&[("other", Some("x")), ("main", Some(text))]));
        let mut client = client(Profile::android(3));
        let message2 = world.ask(client.path(), &client.aggressive1(&id(kind, text)));
        let message3 = client.aggressive3(&message2, false).expect("the same key");
        world.send(client.path(), &message3);
        assert_eq!(world.established().1.credential.name(), "main");
    }
}

#[test]
fn of_two_keys_with_one_identifier_an_unanswered_attempt_leads_to_the_other() {
    for name in ["old", "new"] {
        let mut world =
            World::new(with_ids(&[("old", Some("staff")), ("new", Some("staff")), ("main", None)]));
        let mut client = Initiator::new(Profile::android(3), name, 1);
        let mut attempts = 0;
        let message3 = loop {
            attempts += 1;
            assert!(attempts <= 2);
            let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
            if let Some(message3) = client.aggressive3(&message2, false) {
                break message3;
            }
            world.wait(secs(31));
            client.cookies = crate::isakmp::Cookies { initiator: Cookie([9; 8]), responder: Cookie::ZERO };
        };
        world.send(client.path(), &message3);
        assert_eq!(world.established().1.credential.name(), name);
        // A third client, elsewhere, starts with the first key.
        let mut other = Initiator::new(Profile::android(3), "old", 2);
        other.outside = addr("203.0.113.9:500");
        let message2 = world.ask(other.path(), &other.aggressive1(&key_id()));
        assert!(other.aggressive3(&message2, false).is_some());
    }
}

#[test]
fn racoon_repeats_message1_from_port_4500_and_gets_the_other_key() {
    let mut world = World::new(with_ids(&[("old", Some("staff")), ("new", Some("staff"))]));
    let mut client = Initiator::new(Profile::android(3), "new", 1);
    let message1 = client.aggressive1(&key_id());
    let message2 = world.ask(client.path(), &message1);
    let complaint = client.turn_down(&message2);
    client.move_to_4500();
    world.send(client.path(), &complaint);
    let message2 = world.ask(client.path(), &message1);
    let message3 = client.aggressive3(&message2, false).expect("the same key");
    world.send(client.path(), &message3);
    assert_eq!(world.established().1.credential.name(), "new");
}

#[test]
fn message1_again_gets_message2_again_without_work() {
    let mut world = world();
    world.eager = false;
    let mut client = client(Profile::android(3));
    let message1 = client.aggressive1(&key_id());
    assert!(world.send(client.path(), &message1).is_empty());
    world.discards(client.path(), &message1, Discard::Retransmission);
    let job = world.responder.poll_job().expect("one job");
    assert!(world.responder.poll_job().is_none(), "and only one");
    world.responder.handle_job(world.now, job.run(world.unix));
    world.settle();
    let message2 = world.sent().remove(0);
    assert_eq!(world.ask(client.path(), &message1), message2);
    assert!(message2.len() <= message1.len(), "{} for {}", message2.len(), message1.len());
}

#[test]
fn a_lost_message3_comes_again_when_message2_does() {
    let mut world = world();
    let mut client = client(Profile::android(3));
    let first = client.path();
    let message2 = world.ask(first, &client.aggressive1(&key_id()));
    let message3 = client.aggressive3(&message2, false).expect("the same key");
    // Message 3 is lost. Racoon is done, says INITIAL-CONTACT and goes on; it wakes up when message 2 comes again, from
    // the port where it now is.
    world.responder.handle_datagram(
        world.now,
        client.path(),
        &client.notify(NotifyType::INITIAL_CONTACT, &[]),
    );
    world.settle();
    assert_eq!(world.sent.drain(..).collect::<Vec<_>>(), [(client.path(), message2)]);
    assert_ne!(client.path(), first);
    world.send(client.path(), &message3);
    world.quick(&mut client);
    // Somebody who knows the cookies cannot make it go on for ever, nor to elsewhere.
    let mut other = Initiator::new(Profile::android(3), "main", 2);
    let message2 = world.ask(other.path(), &other.aggressive1(&key_id()));
    other.aggressive3(&message2, false).expect("the same key");
    let elsewhere = Path { remote: addr("203.0.113.1:4500"), ..other.path() };
    world.discards(elsewhere, &other.notify(NotifyType::R_U_THERE, &[0; 4]), Discard::Early);
    let answers: usize =
        (0..20).map(|_| world.send(other.path(), &other.notify(NotifyType::R_U_THERE, &[0; 4])).len()).sum();
    assert_eq!(answers, 8);
}

#[test]
fn two_phones_behind_one_nat_share_an_identifier_and_a_renewal_replaces_its_own() {
    let mut world = world();
    let mut clients = [1, 2].map(|number| Initiator::new(Profile::android(3), "main", number));
    for client in &mut clients {
        let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
        let message3 = client.aggressive3(&message2, false).expect("the same key");
        world.send(client.path(), &message3);
        world.quick(client);
    }
    assert_eq!(world.responder.peers.len(), 2);
    world.log();
    // The first one comes back from the same port and says so.
    let mut again = clients[0].again(7);
    again.outside.set_port(clients[0].outside.port() - 1000);
    again.says_initial_contact = true;
    let message2 = world.ask(again.path(), &again.aggressive1(&key_id()));
    let message3 = again.aggressive3(&message2, true).expect("the same key");
    world.send(again.path(), &message3);
    let log = world.log();
    assert_eq!(&log[1..3], ["c1 sa closed: connection closed", "c1 closed: the client connected anew"]);
    assert_eq!(world.responder.peers.len(), 2);
    // Without INITIAL-CONTACT it is a renewal.
    let mut renewed = clients[1].again(8);
    renewed.outside.set_port(clients[1].outside.port() - 1000);
    let message2 = world.ask(renewed.path(), &renewed.aggressive1(&key_id()));
    let message3 = renewed.aggressive3(&message2, false).expect("the same key");
    world.send(renewed.path(), &message3);
    assert!(world.log()[1].ends_with(" rekey"));
}

#[test]
fn a_key_with_an_identifier_serves_main_mode_too() {
    let mut world = world();
    let mut client = client(Profile::windows10());
    world.connect(&mut client);
    assert_eq!(world.established().1.credential.name(), "main");
}

#[test]
fn a_client_without_a_nat_is_known_by_hashes_of_either_port() {
    for floated in [true, false] {
        let mut world = world();
        let mut client = client(Profile::simple(Some(256), 4, 14)).public();
        let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
        // Hashes of port 500, or of 4500: both are found in the field.
        let (server, inside) = (client.server, client.inside);
        if floated {
            client.aggressive3(&message2, true).map(|message3| world.send(client.path(), &message3));
        } else {
            client.hashes_of = Some((server, inside));
            client.aggressive3(&message2, true).map(|message3| world.send(client.path(), &message3));
        }
        assert_eq!(client.server.port(), NAT_T_PORT, "it was told of a NAT all the same");
        assert_eq!(world.established().1.nat.expect("NAT-D").to_string(), "no NAT");
    }
}

#[test]
fn strangers_take_a_share_of_the_arithmetic_and_main_mode_goes_on() {
    let mut world = World::new(Config { max_jobs: 32, ..with_ids(&[("main", Some("staff"))]) });
    world.eager = false;
    let mut flood = |addresses: u8, expected: (u64, usize)| {
        for number in 0..20 {
            let mut stranger = Initiator::new(Profile::android(3), "main", number + 20 * addresses);
            stranger.outside = SocketAddr::from(([203, 0, 113, number % addresses], 500 + u16::from(number)));
            assert!(world.send(stranger.path(), &stranger.aggressive1(&key_id())).is_empty());
        }
        let seen = (world.responder.discards().of(Discard::JobLimit), world.responder.half_open.len());
        assert_eq!(seen, expected, "the others leave nothing behind");
    };
    // Of 32, a quarter is for strangers, and a quarter of that for one of them.
    flood(1, (18, 2));
    flood(10, (18 + 14, 8));
    let mut client = Initiator::new(Profile::windows10(), "main", 99);
    let message2 = world.ask(client.path(), &client.message1());
    assert!(world.send(client.path(), &client.message3(&message2)).is_empty());
    assert_eq!(world.responder.discards().of(Discard::JobLimit), 32);
    let computed = std::iter::from_fn(|| world.responder.poll_job()).count();
    assert_eq!(computed, 9);
}

#[test]
fn an_unproven_address_gets_at_most_twice_what_came() {
    // The shortest offer with the longest answer.
    let mut profile = Profile::simple(Some(256), 6, 19);
    profile.vendor_ids.retain(|id| id[0] == 0x4a);
    let mut world = world();
    let mut client = client(profile);
    let message1 = client.aggressive1(&key_id());
    let message2 = world.ask(client.path(), &message1);
    assert!(message2.len() <= 2 * message1.len(), "{} for {}", message2.len(), message1.len());
    let elsewhere = Path { remote: addr("203.0.113.1:500"), ..client.path() };
    let answers = world.send(elsewhere, &message1);
    assert!(answers.iter().all(|answer| answer.len() <= 2 * message1.len()));
}

#[test]
fn every_prefix_of_message1_and_message3_is_survived() {
    let mut client = client(Profile::android(3));
    let message1 = client.aggressive1(&key_id());
    for len in HEADER_LEN..message1.len() {
        let mut world = world();
        let mut cut = message1[..len].to_vec();
        cut[24..28].copy_from_slice(&u32::try_from(len).expect("short").to_be_bytes());
        let answers = world.send(client.path(), &cut);
        assert!(answers.iter().all(|answer| answer.len() <= 2 * len), "cut at {len}");
    }
    let mut world = world();
    let path = client.path();
    let message2 = world.ask(path, &message1);
    let message3 = client.aggressive3(&message2, false).expect("the same key");
    for len in 0..message3.len() {
        let mut cut = message3[..len].to_vec();
        if len >= HEADER_LEN {
            cut[24..28].copy_from_slice(&u32::try_from(len).expect("short").to_be_bytes());
        }
        world.send(client.path(), &cut);
    }
    world.events.retain(|event| matches!(event, Event::Established { .. }));
    assert!(world.events.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_messages_are_survived_and_the_right_ones_still_work(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        encrypted in any::<bool>(),
    ) {
        let change = |message: &[u8]| {
            let mut changed = message.to_vec();
            for (index, value) in &changes {
                let index = index.index(changed.len());
                changed[index] = *value;
            }
            changed
        };
        let mut world = world();
        let mut client = client(Profile::android(3));
        let message1 = client.aggressive1(&key_id());
        let elsewhere = Path { remote: addr("203.0.113.1:500"), ..client.path() };
        let changed = change(&message1);
        for answer in world.send(elsewhere, &changed) {
            prop_assert!(answer.len() <= 2 * changed.len());
        }
        let message2 = world.ask(client.path(), &message1);
        let message3 = client.aggressive3(&message2, encrypted).expect("the same key");
        let changed = change(&message3);
        world.send(client.path(), &changed);
        if changed[..HEADER_LEN] == message3[..HEADER_LEN] || world.responder.isakmp_sas.is_empty() {
            world.send(client.path(), &message3);
        }
        prop_assert_eq!(world.responder.isakmp_sas.len(), 1);
        world.wait(secs(120));
        prop_assert_eq!(world.responder.half_open.len(), 0);
    }
}

/// Two Cisco routers, with an address for an identifier.
#[test]
fn a_recorded_first_message_is_answered() {
    let captures = Vectors::of(include_str!("../../../../tests/vectors/ike-captures.txt"));
    let message1 = captures.get("aggressive1");
    let mut world = World::new(with_ids(&[("main", Some("192.168.12.2"))]));
    let path = Path { local: addr("192.0.2.1:500"), remote: addr("198.51.100.7:500") };
    let message2 = world.ask(path, message1);
    assert!(message2.len() <= message1.len());
    // The recorded answer has the same payloads in it, but for vendor IDs.
    let kinds = |message: &[u8]| {
        let payloads = Message::parse(message).expect("a message").payloads().expect("payloads");
        let mut kinds: Vec<u8> =
            payloads.iter().map(|payload| payload.kind.0).filter(|kind| *kind != 13).collect();
        kinds.sort_unstable();
        kinds
    };
    assert_eq!(kinds(&message2), kinds(captures.get("aggressive2")));
    let sa = |message: &[u8]| {
        let payloads = Message::parse(message).expect("a message").payloads().expect("payloads");
        payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("an SA").to_vec()
    };
    assert_eq!(sa(&message2), sa(captures.get("aggressive2")), "the same choice, octet by octet");
    world.wait(secs(61));
    assert!(world.refusals()[0].contains("\"192.168.12.2\""));
}
