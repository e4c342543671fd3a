//! How SAs and peers end, and dead peer detection.

use super::profile::{esp_attributes, tv};
use super::*;
use crate::isakmp::iana::{NotifyType, PayloadType, ProtocolId};
use crate::isakmp::{DeletePayload, NotifyPayload};

#[test]
fn an_unconfirmed_pair_is_taken_back() {
    let (mut world, mut client) = connected(Profile::windows10());
    world.ask(client.path(), &client.quick1());
    world.wait(secs(31));
    assert_eq!(
        world.log(),
        ["c1 opened AES-256-CBC/HMAC-SHA1-96 first", "c1 sa closed: never used by the client"]
    );
    world.wait(secs(31));
    assert_eq!(world.log(), ["c1 closed: the client did not go on after the first phase"]);
    assert_nothing_left(&world);
}

#[test]
fn a_client_hangs_up_in_every_order() {
    // Deletes of ESP and ISAKMP: gone at once. Only ESP: after 5 s. ISAKMP first, ESP overtaken: at once too.
    for (esp_first, both) in [(true, true), (false, true), (true, false)] {
        let (mut world, mut client) = connected(Profile::android(3));
        let message2 = world.ask(client.path(), &client.quick1());
        let (message3, pair) = client.quick3_and_pair(&message2);
        world.send(client.path(), &message3);
        world.log();
        let esp = client.delete(ProtocolId::ESP, &pair.spi.0.to_be_bytes());
        let cookies = client.cookies.to_bytes();
        let isakmp = client.delete(ProtocolId::ISAKMP, &cookies);
        let messages = if esp_first { [&esp, &isakmp] } else { [&isakmp, &esp] };
        for message in messages.into_iter().take(if both { 2 } else { 1 }) {
            assert!(world.send(client.path(), message).is_empty());
        }
        let mut log = world.log();
        if !both {
            assert_eq!(log, ["c1 sa closed: deleted by the client"]);
            world.wait(secs(5));
            log.extend(world.log());
            let told = client.read_informational(&world.sent()[0]);
            assert_eq!(told[0].0, PayloadType::DELETE, "of the ISAKMP SA");
        }
        assert_eq!(log, ["c1 sa closed: deleted by the client", "c1 closed: the client hung up"]);
        assert_nothing_left(&world);
        world.discards(client.path(), &esp, Discard::UnknownCookies);
    }
}

/// A Delete may overtake what was sent before it: through a pair that has a successor, packets are taken for a while.
#[test]
fn a_replaced_pair_that_is_deleted_still_receives_for_a_while() {
    let (mut world, mut client) = connected(Profile::apple());
    let mut spis = Vec::new();
    for _ in 0..3 {
        let message2 = world.ask(client.path(), &client.quick1());
        let (message3, pair) = client.quick3_and_pair(&message2);
        world.send(client.path(), &message3);
        spis.push(pair.spi);
    }
    world.log();
    for _ in 0..2 {
        // Windows says it twice.
        let delete = client.delete(ProtocolId::ESP, &spis[0].0.to_be_bytes());
        assert!(world.send(client.path(), &delete).is_empty());
    }
    assert_eq!(world.log(), ["c1 retired"]);
    world.wait(secs(5));
    assert_eq!(world.log(), ["c1 sa closed: deleted by the client"]);
    for spi in &spis[1..] {
        let delete = client.delete(ProtocolId::ESP, &spi.0.to_be_bytes());
        world.send(client.path(), &delete);
    }
    let closed = "c1 sa closed: deleted by the client";
    assert_eq!(world.log(), ["c1 retired", closed, closed], "with the last one it hangs up");
    assert!(world.sent().is_empty(), "it is not told what it said itself");
    world.wait(secs(5));
    assert_eq!(world.log(), ["c1 closed: the client hung up"]);
    assert_nothing_left(&world);
}

#[test]
fn a_client_deletes_nothing_but_its_own() {
    let mut world = World::with_psks(&["main"]);
    let mut one = Initiator::new(Profile::windows10(), "main", 1);
    let mut two = Initiator::new(Profile::windows10(), "main", 2);
    world.connect(&mut one);
    world.connect(&mut two);
    let message2 = world.ask(one.path(), &one.quick1());
    let (message3, pair) = one.quick3_and_pair(&message2);
    world.send(one.path(), &message3);
    world.log();
    let cookies = one.cookies.to_bytes();
    for message in [
        two.delete(ProtocolId::ESP, &pair.spi.0.to_be_bytes()),
        two.delete(ProtocolId::ESP, &pair.server_spi.0.to_be_bytes()),
        two.delete(ProtocolId::ISAKMP, &cookies),
    ] {
        assert!(world.send(two.path(), &message).is_empty());
    }
    assert!(world.log().is_empty());
}

#[test]
fn closing_a_peer_deletes_what_it_has() {
    let (mut world, mut client) = connected(Profile::apple());
    let pair = world.quick(&mut client);
    world.log();
    world.responder.close_peer(world.now, PeerId(1));
    world.settle();
    let told: Vec<_> = world.sent().iter().flat_map(|message| client.read_informational(message)).collect();
    let deletes: Vec<_> = told.iter().map(|(_, body)| DeletePayload::parse(body).expect("D")).collect();
    assert_eq!(deletes[0].protocol, ProtocolId::ESP);
    assert_eq!(deletes[0].spis().collect::<Vec<_>>(), [pair.inbound.spi().0.to_be_bytes()]);
    assert_eq!(deletes[1].protocol, ProtocolId::ISAKMP);
    assert_eq!(deletes[1].spis().collect::<Vec<_>>(), [client.cookies.to_bytes()]);
    assert_eq!(world.log(), ["c1 sa closed: connection closed", "c1 closed: closed by the server"]);
    assert_nothing_left(&world);
    world.responder.close_peer(world.now, PeerId(1));
    assert!(world.responder.poll_event().is_none());
}

#[test]
fn lifetimes_end_with_a_delete_for_esp_and_in_silence_for_isakmp() {
    let life = [tv(1, 1), tv(2, 1200)].concat();
    let esp = [(12, esp_attributes(4, Some(128), 2, &life))];
    let (mut world, mut client) = connected(Profile::simple(Some(128), 2, 2).with_esp(&esp));
    let pair = world.quick(&mut client);
    assert_eq!(pair.lifetime, secs(1200));
    world.log();
    world.wait(secs(1229));
    assert!(world.sent().is_empty());
    assert_eq!(world.log(), ["c1 overdue"]);
    world.wait(secs(1));
    let told = client.read_informational(&world.sent()[0]);
    assert_eq!(told[0].0, PayloadType::DELETE);
    assert_eq!(world.log(), ["c1 sa closed: lifetime over"]);
    world.wait(secs(30));
    assert_eq!(world.log(), ["c1 closed: the client let its keys expire"]);

    // 28 800 s for the ISAKMP SA, longer for ESP: Android has no ISAKMP SA for hours.
    let life = [tv(1, 1), tv(2, 60_000)].concat();
    let esp = [(12, esp_attributes(4, Some(128), 2, &life))];
    let (mut world, mut client) = connected(Profile::android(1).with_esp(&esp));
    world.quick(&mut client);
    world.log();
    world.wait(secs(40_000));
    assert!(world.sent().is_empty() && world.log().is_empty());
    assert_eq!(world.responder.isakmp_sas.len(), 0);
    let dead = client.notify(NotifyType::R_U_THERE, &[0, 0, 0, 1]);
    world.discards(client.path(), &dead, Discard::UnknownCookies);
    world.wait(secs(30_000));
    assert_eq!(
        world.log(),
        ["c1 overdue", "c1 sa closed: lifetime over", "c1 closed: the client let its keys expire"]
    );
    assert_nothing_left(&world);
}

#[test]
fn dead_peer_detection_is_answered() {
    let (mut world, mut client) = connected(Profile::apple());
    for sequence in [1_000_u32, 1_001, 1_001] {
        let probe = client.notify(NotifyType::R_U_THERE, &sequence.to_be_bytes());
        let answer = world.ask(client.path(), &probe);
        let told = client.read_informational(&answer);
        let notify = NotifyPayload::parse(&told[0].1).expect("N");
        assert_eq!(notify.kind, NotifyType::R_U_THERE_ACK);
        assert_eq!(notify.spi, client.cookies.to_bytes());
        assert_eq!(notify.data, sequence.to_be_bytes());
        world.discards(client.path(), &probe, Discard::Replay);
    }
    let old = client.notify(NotifyType::R_U_THERE, &1_000_u32.to_be_bytes());
    world.discards(client.path(), &old, Discard::Replay);
}

fn assert_nothing_left(world: &World) {
    let responder = &world.responder;
    assert_eq!(responder.peers.len(), 0);
    assert_eq!(responder.isakmp_sas.len(), 0);
    assert_eq!(responder.by_inbound.len(), 0);
    assert_eq!(responder.by_who.len(), 0);
    assert_eq!(responder.half_open.len(), 0);
    assert_eq!(responder.timers.len(), 0);
    assert_eq!(responder.poll_timeout(), None);
}

/// RFC 3706: whoever announced it is asked, under its newest ISAKMP SA; nobody else is, and no answer does no harm.
#[test]
fn dead_peer_detection_asks_who_announced_it() {
    let read = |client: &Initiator, probe: &[u8]| {
        let told = client.read_informational(probe);
        let notify = NotifyPayload::parse(&told[0].1).expect("N");
        assert_eq!(notify.spi, client.cookies.to_bytes());
        (notify.kind, u32::from_be_bytes(notify.data.try_into().expect("four octets")))
    };
    for (profile, asked) in [(Profile::android(3), true), (Profile::windows10(), false)] {
        let mut world = World::with_psks(&["main"]);
        let mut client = client(profile);
        world.connect(&mut client);
        world.quick(&mut client);
        let (peer, _) = world.established();
        world.events.clear();
        assert_eq!(world.responder.probe(peer), asked);
        world.settle();
        let sent = world.sent();
        assert_eq!(sent.len(), usize::from(asked));
        if let [probe] = &sent[..] {
            let (kind, sequence) = read(&client, probe);
            assert_eq!(kind, NotifyType::R_U_THERE);
            let answer = client.notify(NotifyType::R_U_THERE_ACK, &sequence.to_be_bytes());
            assert!(world.send(client.path(), &answer).is_empty());
            assert!(
                world.events.iter().any(|event| matches!(event, Event::Alive { peer: who } if *who == peer))
            );
            // The next one counts on.
            world.responder.probe(peer);
            world.settle();
            let (_, next) = read(&client, &world.sent()[0]);
            assert_eq!(next, sequence + 1);
        }
        world.wait(secs(60));
        assert!(world.log().is_empty(), "nothing ends for want of an answer");
    }
    let mut world = World::with_psks(&["main"]);
    assert!(!world.responder.probe(PeerId(7)), "nobody of that number");
}
