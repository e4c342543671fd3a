//! Who does not get in by aggressive mode, and what the line says.

use super::*;

#[test]
fn an_identifier_that_no_key_has_is_refused_once_with_the_remedy() {
    let off = World::with_psks(&["main"]);
    for (mut world, kind, name, remedy) in [
        (off, NotifyType::INVALID_EXCHANGE_TYPE, "aggressive_mode", "no key under `psk` has an `id`"),
        (world(), NotifyType::INVALID_ID_INFORMATION, "unknown_identifier", "the `id` of no key under `psk`"),
    ] {
        let mut client = client(Profile::android(3));
        let message1 = client.aggressive1(&id(11, "stuff\n\u{1b}[2J"));
        let answer = world.ask(client.path(), &message1);
        assert!(answer.len() < message1.len());
        assert_eq!(notification(&answer), kind);
        assert_eq!(world.ask(client.path(), &message1), answer, "and again");
        assert!(world.responder.poll_job().is_none(), "nothing is computed");
        let log: Vec<Event> = world.events.drain(..).collect();
        let [Event::Attempt { .. }, Event::Refused { refusal, .. }] = &log[..] else { panic!("{log:?}") };
        assert_eq!(refusal.name(), name);
        let line = refusal.to_string();
        for part in ["198.51.100.7:10001", "message 1", r#""stuff\n\x1b[2J""#, remedy, "IPSec identifier"] {
            assert!(line.contains(part), "{line}");
        }
    }
}

#[test]
fn only_a_transform_of_the_public_values_group_is_chosen() {
    // Apple's whole list, the strongest of which are of MODP-2048, with a public value of MODP-1024.
    let mut world = world();
    let mut client = client(Profile::android(3));
    let message1 = client.aggressive1(&key_id());
    let payloads = Message::parse(&message1).expect("a message").payloads().expect("payloads");
    let mut chain = crate::isakmp::Chain::default();
    for payload in payloads.iter() {
        let apple = Profile::apple().ike;
        let body = if payload.kind == PayloadType::SECURITY_ASSOCIATION { &apple[..] } else { payload.body };
        chain.push(payload.kind, body);
    }
    let exchange = crate::isakmp::iana::ExchangeType::AGGRESSIVE_MODE;
    let message1 = crate::isakmp::MessageWriter::new(client.cookies, exchange, 0).clear(&chain);
    let message2 = world.ask(client.path(), &message1);
    let payloads = Message::parse(&message2).expect("a message").payloads().expect("payloads");
    let body = payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("an SA");
    let suite = choose_ike(&SaPayload::parse(body).expect("an SA"), IkePolicy::psk(Algorithms::Legacy))
        .expect("one")
        .suite;
    assert_eq!(suite.to_string(), "AES-256-CBC/SHA2-256/MODP-1024");
}

#[test]
fn a_refused_offer_names_the_setting_that_would_accept_it() {
    let config = Config { algorithms: Algorithms::Modern, ..with_ids(&[("main", Some("staff"))]) };
    let mut world = World::new(config);
    let mut client = client(Profile::android(2));
    let answer = world.ask(client.path(), &client.aggressive1(&key_id()));
    assert_eq!(notification(&answer), NotifyType::NO_PROPOSAL_CHOSEN);
    let line = world.refusals().remove(0);
    for part in [
        "aggressive mode message 1",
        "AES-256/SHA2-256/MODP-1024",
        "`algorithms: compatible` would accept it",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_client_without_nat_traversal_is_refused_at_message1() {
    let mut world = world();
    let mut client = client(Profile::simple(Some(256), 2, 14).without_nat_t());
    let answer = world.ask(client.path(), &client.aggressive1(&key_id()));
    assert_eq!(notification(&answer), NotifyType::NO_PROPOSAL_CHOSEN);
    assert!(world.refusals()[0].contains("aggressive mode message 1: it does not speak NAT traversal"));
}

#[test]
fn a_client_that_does_not_say_where_it_is_is_refused_at_message3() {
    let mut world = world();
    let mut client = client(Profile::android(3));
    let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
    let message3 = client.aggressive3(&message2, false).expect("the same key");
    let mut without = message3.clone();
    without[HEADER_LEN] = 0;
    let told = world.ask(client.path(), &without);
    assert_eq!(notification(&told), NotifyType::NO_PROPOSAL_CHOSEN);
    assert!(world.refusals()[0].contains("aggressive mode message 3: it does not speak NAT traversal"));
    // Nothing protects that message, so the true one is still welcome.
    world.send(client.path(), &message3);
    world.established();
}

#[test]
fn a_client_with_another_key_goes_silent_and_the_line_says_which_key_it_was_not() {
    let mut world = world();
    let mut client = Initiator::new(Profile::android(3), "mistyped", 1);
    let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
    assert!(client.aggressive3(&message2, false).is_none(), "the client finds out first");
    world.wait(secs(120));
    assert!(world.sent().is_empty(), "message 2 never goes unasked");
    let lines = world.refusals();
    assert_eq!(lines.len(), 1);
    for part in ["198.51.100.7:10001", "\"staff\"", "message 3", "not \"main\"", "4500", "type the key again"]
    {
        assert!(lines[0].contains(part), "{}", lines[0]);
    }
    assert_eq!((world.responder.half_open.len(), world.responder.poll_timeout()), (0, None));
}

#[test]
fn a_client_that_turns_message2_down_is_told_of_at_once_and_once() {
    for profile in [Profile::android(3), Profile::simple(Some(256), 4, 14)] {
        let mut world = world();
        let mut client = Initiator::new(profile, "mistyped", 1);
        let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
        let complaint = client.turn_down(&message2);
        for _ in 0..3 {
            world.send(client.path(), &complaint);
        }
        let lines = world.refusals();
        assert_eq!(lines.len(), 1);
        for part in
            ["198.51.100.7:10001", "\"staff\"", "turned", "message 2", "not \"main\"", "type the key again"]
        {
            assert!(lines[0].contains(part), "{}", lines[0]);
        }
        world.wait(secs(120));
        assert_eq!(world.refusals(), Vec::<String>::new());
    }
}

#[test]
fn a_made_up_message3_is_refused_once_and_does_not_stop_the_client() {
    let mut world = world();
    let mut client = client(Profile::android(3));
    let message2 = world.ask(client.path(), &client.aggressive1(&key_id()));
    let message3 = client.aggressive3(&message2, false).expect("the same key");
    let mut forged = message3.clone();
    forged[HEADER_LEN + 10] ^= 1;
    let told = world.send(client.path(), &forged);
    assert_eq!(
        told.iter().map(|told| notification(told)).collect::<Vec<_>>(),
        [NotifyType::AUTHENTICATION_FAILED]
    );
    assert!(told[0].len() <= forged.len());
    let lines = world.refusals();
    assert!(lines.len() == 1 && lines[0].contains("aggressive mode message 3"), "{lines:?}");
    world.discards(client.path(), &forged, Discard::Unauthenticated);
    world.send(client.path(), &message3);
    world.established();
}
