//! Main mode.

use super::*;
use crate::isakmp::iana::{NotifyType, PayloadType, ProtocolId};
use crate::isakmp::{Cookie, NotifyPayload};
use crate::proposal::Algorithms;

#[test]
fn every_client_gets_the_strongest_it_offers() {
    let cases = [
        (Profile::windows10(), "AES-256-CBC/SHA1/ECP-384", Some("Windows 8 or later")),
        (Profile::android(1), "AES-256-CBC/SHA1/MODP-1024", Some("Android")),
        (Profile::android(2), "AES-256-CBC/SHA2-256/MODP-1024", Some("Android")),
        (Profile::android(3), "AES-256-CBC/SHA2-512/MODP-1024", Some("Android")),
        (Profile::apple(), "AES-256-CBC/SHA2-512/MODP-2048", Some("Apple")),
        (Profile::network_manager(), "AES-256-CBC/SHA1/ECP-384", None),
        (Profile::simple(None, 1, 2), "3DES-CBC/MD5/MODP-1024", None),
        (Profile::simple(Some(192), 5, 19), "AES-192-CBC/SHA2-384/ECP-256", None),
        (Profile::simple(Some(128), 4, 5), "AES-128-CBC/SHA2-256/MODP-1536", None),
    ];
    for (profile, suite, vendor) in cases {
        let mut world = World::with_psks(&["main"]);
        let mut client = client(profile);
        world.connect(&mut client);
        let (_, phase1) = world.established();
        assert_eq!(phase1.suite.to_string(), suite);
        assert_eq!(phase1.vendor, vendor);
        assert_eq!(
            world.log(),
            [
                "c1 attempt 198.51.100.7:10001 → 192.0.2.1:500".to_string(),
                format!(
                    "c1 is c1 198.51.100.7:11001 → 192.0.2.1:4500 {suite} 10.0.0.2 main client behind NAT"
                ),
            ]
        );
    }
}

#[test]
fn without_nat_the_client_still_moves_to_4500_and_the_log_knows_the_truth() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10()).public();
    world.connect(&mut client);
    assert_eq!(client.path().to_string(), "198.51.100.7:4500 → 192.0.2.1:4500");
    assert_eq!(world.established().1.nat.expect("NAT-D").to_string(), "no NAT");
}

#[test]
fn a_server_behind_nat_is_not_hidden() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::apple());
    client.server_inside = addr("172.16.0.9:500");
    world.connect(&mut client);
    assert_eq!(world.established().1.nat.expect("NAT-D").to_string(), "client and server behind NAT");
}

#[test]
fn drafts_are_spoken_with_their_own_payload_numbers() {
    let mut profile = Profile::windows10();
    profile.vendor_ids = vec![hex_literal::hex!("90cb80913ebb696e086381b5ec427b1f").to_vec()];
    let mut world = World::with_psks(&["main"]);
    let mut client = client(profile);
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    let message = Message::parse(&message4).expect("a message");
    let payloads = message.payloads().expect("payloads");
    assert_eq!(payloads.of(PayloadType::NAT_D_DRAFT).count(), 2);
    assert_eq!(payloads.of(PayloadType::NAT_D).count(), 0);
    let message6 = world.ask(client.float(&message4), &client.message5());
    client.finish(&message6);
}

#[test]
fn message2_answers_only_vendor_ids_that_were_sent_and_is_never_longer() {
    let psk_only = Profile::simple(Some(256), 2, 14).without_nat_t();
    for profile in [Profile::windows10(), Profile::android(3), Profile::apple(), psk_only] {
        let mut world = World::with_psks(&["main"]);
        let client = client(profile);
        let message1 = client.message1();
        let message2 = world.ask(client.path(), &message1);
        assert!(message2.len() <= message1.len());
        let message = Message::parse(&message2).expect("a message");
        for id in message.payloads().expect("payloads").of(PayloadType::VENDOR_ID) {
            assert!(client.profile.vendor_ids.iter().any(|sent| sent == id));
        }
    }
}

#[test]
fn message1_may_come_to_4500() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::android(3));
    client.move_to_4500();
    let path = client.path();
    let message2 = world.ask(path, &client.message1());
    let message4 = world.ask(path, &client.message3(&message2));
    client.float(&message4);
    let message5 = client.message5();
    // iOS puts the marker twice at times; the owner has taken off one.
    let message6 = world.ask(path, &[&[0; 4][..], &message5].concat());
    client.finish(&message6);
}

#[test]
fn any_of_several_keys_does() {
    for name in ["old", "main", "new"] {
        let mut world = World::with_psks(&["old", "main", "new"]);
        let mut client = Initiator::new(Profile::windows10(), name, 1);
        world.connect(&mut client);
        assert_eq!(world.established().1.credential.name(), name);
    }
}

#[test]
fn a_wrong_key_is_refused_once_with_all_an_operator_needs() {
    for (keys, text) in
        [(&["main"][..], "the configured key"), (&["main", "new"], "any of the 2 configured keys")]
    {
        let mut world = World::with_psks(keys);
        let mut client = Initiator::new(Profile::android(3), "mistyped", 1);
        let message2 = world.ask(client.path(), &client.message1());
        let message4 = world.ask(client.path(), &client.message3(&message2));
        let path = client.float(&message4);
        let message5 = client.message5();
        let told = world.send(path, &message5);
        assert_eq!(told.len(), 1);
        assert!(told[0].len() <= message5.len());
        let refusals = world.refusals();
        assert_eq!(refusals.len(), 1);
        for part in ["198.51.100.7:11001", "message 5", text, "789", "time out"] {
            assert!(refusals[0].contains(part), "{}", refusals[0]);
        }
        for _ in 0..9 {
            world.wait(secs(3));
            world.discards(path, &message5, Discard::Unauthenticated);
        }
        world.wait(secs(60));
        assert_eq!(world.log(), Vec::<String>::new());
        assert_eq!(world.responder.half_open.len(), 0);
        assert_eq!(world.responder.poll_timeout(), None);
    }
}

#[test]
fn somebody_elses_message5_does_not_stop_the_client() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    let path = client.float(&message4);
    let message5 = client.message5();
    let mut forged = message5.clone();
    forged[40] ^= 1;
    world.send(path, &forged);
    let message6 = world.ask(path, &message5);
    client.finish(&message6);
}

#[test]
fn a_refused_offer_is_told_and_logged_once() {
    let cases = [
        (Profile::windows10(), Algorithms::Modern, None),
        (Profile::windows10(), Algorithms::Compatible, None),
        (Profile::windows10(), Algorithms::Legacy, None),
        (Profile::apple(), Algorithms::Modern, None),
        (Profile::android(3), Algorithms::Compatible, None),
        (Profile::android(3), Algorithms::Modern, Some("`algorithms: compatible` would accept it")),
        (Profile::simple(None, 2, 14), Algorithms::Modern, Some("`algorithms: compatible` would accept it")),
        (
            Profile::simple(Some(256), 1, 14),
            Algorithms::Modern,
            Some("`algorithms: compatible` would accept it"),
        ),
        (
            Profile::simple(Some(256), 2, 1),
            Algorithms::Compatible,
            Some("`algorithms: legacy` would accept it"),
        ),
        (Profile::simple(Some(256), 2, 1), Algorithms::Legacy, None),
        (Profile::simple(Some(256), 2, 16), Algorithms::Legacy, Some("must be set to")),
    ];
    for (profile, algorithms, remedy) in cases {
        let mut world = World::new(Config { algorithms, ..config(&["main"]) });
        let client = client(profile);
        let message1 = client.message1();
        let answer = world.ask(client.path(), &message1);
        assert!(answer.len() <= message1.len());
        let refusals = world.refusals();
        let Some(remedy) = remedy else {
            assert_eq!(refusals, Vec::<String>::new());
            continue;
        };
        assert_eq!(refusals.len(), 1);
        assert!(refusals[0].contains(remedy), "{}", refusals[0]);
        assert!(refusals[0].contains("198.51.100.7:10001"));
        let message = Message::parse(&answer).expect("a message");
        let payloads = message.payloads().expect("payloads");
        let notify =
            NotifyPayload::parse(payloads.require(PayloadType::NOTIFICATION).expect("N")).expect("N");
        assert_eq!(notify.kind, NotifyType::NO_PROPOSAL_CHOSEN);
        assert_eq!(world.ask(client.path(), &message1), answer, "the same again");
        assert_eq!(world.refusals(), Vec::<String>::new());
    }
}

#[test]
fn the_whole_offer_stands_in_the_line() {
    let mut world = World::new(Config { algorithms: Algorithms::Modern, ..config(&["main"]) });
    let client = client(Profile::android(2));
    world.send(client.path(), &client.message1());
    let refusal = world.refusals().remove(0);
    assert!(
        refusal.contains("(AES-256/SHA2-256/MODP-1024, AES-256/SHA1/MODP-1024, AES-256/MD5/MODP-1024, "),
        "{refusal}"
    );
    assert!(refusal.contains("DES/MD5/MODP-1024)"), "{refusal}");
}

#[test]
fn a_client_without_nat_traversal_is_refused_at_message3() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::simple(Some(256), 2, 14).without_nat_t());
    let message2 = world.ask(client.path(), &client.message1());
    let message3 = client.message3(&message2);
    let told = world.ask(client.path(), &message3);
    assert!(told.len() <= message3.len());
    assert!(world.refusals()[0].contains("NAT traversal"));
    assert_eq!(world.ask(client.path(), &message3), told);
    assert!(world.refusals().is_empty());
}

#[test]
fn ikev2_is_told_which_version_is_spoken() {
    let mut world = World::with_psks(&["main"]);
    let client = client(Profile::windows10());
    let mut request = client.message1();
    request[17] = 0x20;
    request[18] = 34;
    let answer = world.ask(client.path(), &request);
    assert_eq!(answer.len(), 40);
    let payloads = Message::parse(&answer).expect("a message").payloads().expect("payloads");
    let notify = NotifyPayload::parse(payloads.require(PayloadType::NOTIFICATION).expect("N")).expect("N");
    assert_eq!(notify.kind, NotifyType::INVALID_MAJOR_VERSION);
    // An answer, or a later request, gets none.
    request[8] = 1;
    world.discards(client.path(), &request, Discard::Version);
}

#[test]
fn retransmissions_are_answered_without_work() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::apple());
    let message1 = client.message1();
    let message2 = world.ask(client.path(), &message1);
    assert_eq!(world.ask(client.path(), &message1), message2);
    let message3 = client.message3(&message2);
    world.eager = false;
    let old = client.path();
    assert!(world.send(old, &message3).is_empty());
    world.discards(old, &message3, Discard::Retransmission);
    world.discards(old, &message1, Discard::Unexpected);
    let job = world.responder.poll_job().expect("one job");
    assert!(world.responder.poll_job().is_none(), "and only one");
    world.responder.handle_job(world.now, job.run(world.unix));
    world.settle();
    let message4 = world.sent().remove(0);
    assert_eq!(world.ask(old, &message3), message4);
    let elsewhere = Path { remote: addr("203.0.113.1:500"), ..old };
    let reflected = world.send(elsewhere, &message3);
    assert!(reflected.iter().all(|answer| answer.len() <= message3.len()));
    let path = client.float(&message4);
    let message5 = client.message5();
    let message6 = world.ask(path, &message5);
    assert_eq!(world.ask(path, &message5), message6);
    world.discards(old, &message3, Discard::Unexpected);
    client.finish(&message6);
    assert_eq!(world.log().len(), 2, "one attempt, established once");
}

#[test]
fn message4_is_sent_again_with_backoff_and_message2_never() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    world.wait(secs(20));
    assert!(world.sent().is_empty());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    for gap in [1, 2, 4, 8] {
        world.wait(secs(gap) - Duration::from_millis(1));
        assert!(world.sent().is_empty());
        world.wait(Duration::from_millis(1));
        assert_eq!(world.sent(), std::slice::from_ref(&message4));
    }
    world.wait(secs(60));
    assert!(world.sent().is_empty());
    let refusals = world.refusals();
    assert_eq!(refusals.len(), 1);
    assert!(refusals[0].contains("went silent") && refusals[0].contains("4500"), "{}", refusals[0]);
    assert_eq!(world.responder.half_open.len(), 0);
}

#[test]
fn a_stranger_that_never_returns_our_cookie_leaves_nothing_behind() {
    let mut world = World::with_psks(&["main"]);
    let client = client(Profile::windows10());
    world.ask(client.path(), &client.message1());
    world.wait(secs(61));
    assert_eq!(world.responder.discards().of(Discard::HalfOpenExpired), 1);
    assert_eq!(world.responder.half_open.len(), 0);
    assert_eq!(world.log().len(), 1);
}

#[test]
fn timings_are_those_of_the_messages() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10());
    let start = world.now;
    let message2 = world.ask(client.path(), &client.message1());
    world.now += Duration::from_millis(10);
    let message4 = world.ask(client.path(), &client.message3(&message2));
    world.now += Duration::from_millis(20);
    let message6 = world.ask(client.float(&message4), &client.message5());
    client.finish(&message6);
    let timings = world.established().1.timings;
    assert_eq!(timings.message3 - start, Duration::from_millis(10));
    assert_eq!(timings.shared, timings.message3);
    assert_eq!(timings.message5 - start, Duration::from_millis(30));
}

#[test]
fn a_bad_public_value_is_refused() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::android(3));
    let message2 = world.ask(client.path(), &client.message1());
    let mut message3 = client.message3(&message2);
    message3[HEADER_LEN + 4..HEADER_LEN + 4 + 128].fill(0);
    let told = world.send(client.path(), &message3);
    assert_eq!(told.len(), 1);
    assert_eq!(world.log()[1], "c1 refused: bad_public_value");
}

#[test]
fn a_renewed_first_phase_belongs_to_the_live_peer_and_takes_nothing_down() {
    let mut world = World::with_psks(&["main"]);
    let mut first = client(Profile::apple());
    world.connect(&mut first);
    let pair = world.quick(&mut first);
    let mut second = first.again(2);
    world.log();
    // Android and Apple renew from port 4500 at once; others from 500, and move.
    second.server.set_port(4500);
    second.server_inside.set_port(4500);
    second.inside.set_port(4500);
    let message2 = world.ask(second.path(), &second.message1());
    let message4 = world.ask(second.path(), &second.message3(&message2));
    let outside = second.outside;
    second.float(&message4);
    second.outside = outside;
    let message6 = world.ask(second.path(), &second.message5());
    second.finish(&message6);
    let log = world.log();
    assert!(log[1].starts_with("c2 is c1 ") && log[1].ends_with(" rekey"), "{log:?}");
    // The old one's deletion takes nothing down, and the new one makes SAs for the same peer.
    let spi = first.cookies.to_bytes();
    world.send(first.path(), &first.delete(ProtocolId::ISAKMP, &spi));
    let renewed = world.quick(&mut second);
    assert!(renewed.rekey);
    world.wait(secs(10));
    assert_eq!(world.responder.isakmp_sas.len(), 1);
    assert_eq!(world.responder.by_inbound.len(), 2);
    assert_ne!(pair.inbound.spi(), renewed.inbound.spi());
}

#[test]
fn initial_contact_in_message5_closes_the_same_client_only() {
    let mut world = World::with_psks(&["main"]);
    let mut neighbour = Initiator::new(Profile::windows10(), "main", 9);
    world.connect(&mut neighbour);
    world.quick(&mut neighbour);
    let mut first = client(Profile::windows10());
    world.connect(&mut first);
    world.quick(&mut first);
    world.log();
    let mut second = first.again(2);
    second.outside.set_port(first.outside.port() - 1000);
    second.says_initial_contact = true;
    world.connect(&mut second);
    let log = world.log();
    assert_eq!(&log[1..3], ["c2 sa closed: connection closed", "c2 closed: the client connected anew"]);
    assert!(log[3].starts_with("c3 is c3 "), "{log:?}");
    assert_eq!(world.responder.peers.len(), 2);
}

#[test]
fn initial_contact_after_phase1_turns_a_renewal_into_a_new_peer() {
    let mut world = World::with_psks(&["main"]);
    let mut first = client(Profile::android(3));
    world.connect(&mut first);
    let contact = first.notify(NotifyType::INITIAL_CONTACT, &[]);
    assert!(world.send(first.path(), &contact).is_empty());
    world.quick(&mut first);
    world.log();
    let mut second = first.again(2);
    second.outside.set_port(first.outside.port() - 1000);
    world.connect(&mut second);
    assert!(world.log()[1].ends_with("rekey"));
    let contact = second.notify(NotifyType::INITIAL_CONTACT, &[]);
    world.send(second.path(), &contact);
    let log = world.log();
    assert_eq!(&log[..2], ["c1 sa closed: connection closed", "c1 closed: the client connected anew"]);
    assert!(log[2].starts_with("c2 is c2 ") && !log[2].ends_with("rekey"), "{log:?}");
    assert!(!world.quick(&mut second).rekey);
    // Recorded and played again it does nothing.
    world.discards(second.path(), &contact, Discard::Replay);
    let again = second.notify(NotifyType::INITIAL_CONTACT, &[]);
    world.send(second.path(), &again);
    assert_eq!(world.log(), ["c2 confirmed"]);
}

#[test]
fn cookies_are_never_zero_and_never_the_same() {
    let mut world = World::with_psks(&["main"]);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..50 {
        let client = Initiator::new(Profile::windows10(), "main", number);
        let message2 = world.ask(client.path(), &client.message1());
        let responder = Message::parse(&message2).expect("message 2").header.cookies.responder;
        assert_ne!(responder, Cookie::ZERO);
        assert!(seen.insert(responder));
    }
}
