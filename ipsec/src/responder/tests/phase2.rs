//! Quick mode, Informational exchanges, and the life of SAs.

use super::profile::{esp_attributes, proposals, tv};
use super::*;
use crate::dh::Group;
use crate::esp::{InboundSa, Lane, SealKey, Spi, seal_batch};
use crate::isakmp::iana::{ExchangeType, NotifyType, PayloadType, ProtocolId};
use crate::isakmp::{Chain, NotifyPayload};

#[test]
fn every_client_gets_the_esp_suite_that_works_best() {
    let cases = [
        (Profile::windows10(), "AES-256-CBC/HMAC-SHA1-96", 2),
        (Profile::android(1), "AES-256-CBC/HMAC-SHA1-96", 2),
        // SHA2-256 comes first, with a length nobody knows.
        (Profile::android(2), "AES-256-CBC/HMAC-SHA1-96", 2),
        // SHA2-512 comes first, but would fragment at this MTU.
        (Profile::android(3), "AES-256-CBC/HMAC-SHA2-384-192", 2),
        (Profile::apple(), "AES-256-CBC/HMAC-SHA1-96", 2),
        (Profile::network_manager(), "AES-256-CBC/HMAC-SHA1-96", 2),
        (Profile::network_manager().with_pfs(Group::Modp2048), "AES-256-CBC/HMAC-SHA1-96", 2),
        (Profile::network_manager().with_pfs(Group::Ecp256), "AES-256-CBC/HMAC-SHA1-96", 2),
    ];
    for (profile, suite, nat_oa) in cases {
        let (mut world, mut client) = connected(profile);
        let message2 = world.ask(client.path(), &client.quick1());
        let pair = world.opened();
        assert_eq!(pair.suite.to_string(), suite);
        assert_eq!(pair.path, client.path());
        let (message3, theirs) = client.quick3_and_pair(&message2);
        assert_eq!(theirs.nat_oa, nat_oa, "RFC 3947 §5.2: UDP transport mode was chosen");
        assert!(world.send(client.path(), &message3).is_empty());
        assert_eq!(world.log(), ["c1 confirmed"]);
        assert_eq!((pair.inbound.spi(), pair.outbound.spi()), (theirs.server_spi, theirs.spi));
        assert_opens(pair.inbound, theirs);
    }
}

/// A packet sealed with the client's keys opens with ours.
pub(super) fn assert_opens(mut inbound: InboundSa, theirs: initiator::ClientPair) {
    let mut outbound = crate::esp::OutboundSa::new(theirs.server_spi, theirs.suite, &theirs.outbound_keys);
    let mut packet = vec![0; theirs.suite.packet_len(8)];
    outbound.frame(&mut crate::esp::IvSource::new([1; 32]), &mut packet, 8).expect("room");
    let key: &SealKey = outbound.key();
    seal_batch(&mut [Lane { key, packet: &mut packet }]);
    let sequence = inbound.check(&packet).expect("plausible");
    let mut verified = [false];
    crate::esp::open_batch(&mut [Lane { key: inbound.key(), packet: &mut packet }], &mut verified);
    assert!(verified[0], "the same keys on both sides");
    inbound.accept(sequence, &packet).expect("accepted");
}

#[test]
fn encapsulation_modes_are_answered_in_kind() {
    for (mode, nat_oa) in [(2, 0), (4, 2), (61444, 0)] {
        let esp = [(12, esp_attributes(mode, Some(128), 2, &[]))];
        let (mut world, mut client) = connected(Profile::windows10().with_esp(&esp));
        let message2 = world.ask(client.path(), &client.quick1());
        let (message3, pair) = client.quick3_and_pair(&message2);
        assert_eq!((pair.mode.0, pair.nat_oa), (mode, nat_oa));
        world.send(client.path(), &message3);
        assert_eq!(world.log(), ["c1 opened AES-128-CBC/HMAC-SHA1-96 first", "c1 confirmed"]);
    }
}

/// Clients that speak one draft of NAT traversal and nothing newer: Windows XP 02 with a line feed, old racoons the others.
#[test]
fn encapsulation_modes_of_every_draft_are_answered_in_kind() {
    let drafts = [
        ("00", hex_literal::hex!("4485152d18b6bbcd0be8a8469579ddcc")),
        ("02", hex_literal::hex!("cd60464335df21f87cfdb2fc68b6a448")),
        ("02\n", hex_literal::hex!("90cb80913ebb696e086381b5ec427b1f")),
        ("03", hex_literal::hex!("7d9419a65310ca6f2c179d9215529d56")),
    ];
    for (draft, id) in drafts {
        let offering = |mode| {
            let esp = [(12, esp_attributes(mode, Some(128), 2, &[]))];
            let mut profile = Profile::windows10().with_esp(&esp);
            profile.vendor_ids = vec![id.into()];
            profile
        };
        for mode in [61_444, 2] {
            let (mut world, mut client) = connected(offering(mode));
            let message2 = world.ask(client.path(), &client.quick1());
            let (message3, pair) = client.quick3_and_pair(&message2);
            assert_eq!((pair.mode.0, pair.nat_oa), (mode, 0), "draft {draft}");
            world.send(client.path(), &message3);
            assert_eq!(world.log(), ["c1 opened AES-128-CBC/HMAC-SHA1-96 first", "c1 confirmed"]);
        }
        for tunnel in [61_443, 1] {
            let (mut world, mut client) = connected(offering(tunnel));
            world.ask(client.path(), &client.quick1());
            assert_eq!(world.log(), ["c1 refused: tunnel_mode"], "draft {draft}");
        }
    }
}

#[test]
fn what_is_not_served_is_refused_under_the_sa_and_logged_once() {
    let tunnel = [(12, esp_attributes(3, Some(128), 2, &[]))];
    let des = [(2, esp_attributes(4, None, 2, &[]))];
    let gcm = [(20, esp_attributes(4, Some(128), 2, &[]))];
    let half_pfs = [(12, [esp_attributes(4, Some(128), 2, &[]), tv(3, 14)].concat())];
    let cases = [
        (&tunnel, "tunnel_mode", "L2TP/IPsec"),
        (&des, "no_esp_proposal", "`algorithms: legacy` would accept it"),
        (&gcm, "no_esp_proposal", "AES-GCM-16-128/SHA1 UDP transport"),
        (&half_pfs, "no_esp_proposal", "MODP-2048"),
    ];
    for (esp, name, text) in cases {
        let (mut world, mut client) = connected(Profile::android(3).with_esp(esp));
        let message1 = client.quick1();
        let answer = world.ask(client.path(), &message1);
        let told = client.read_informational(&answer);
        let notify = NotifyPayload::parse(&told[0].1).expect("N");
        assert_eq!(notify.kind, NotifyType::NO_PROPOSAL_CHOSEN);
        assert_eq!(world.ask(client.path(), &message1), answer);
        let refusal = world.refusals();
        assert_eq!(refusal.len(), 1, "{name}");
        assert!(refusal[0].contains(text), "{}", refusal[0]);
        world.wait(secs(31));
        assert!(world.log().contains(&"c1 closed: the client did not go on after the first phase".into()));
    }
}

#[test]
fn ah_and_bundles_are_refused_unless_esp_alone_is_offered_too() {
    let spi = [1, 2, 3, 4];
    let esp = [(12, esp_attributes(4, Some(128), 2, &[]))];
    let ah = [(3, esp_attributes(4, None, 2, &[]))];
    let bundle = proposals(&[(1, 2, &spi, &ah), (1, 3, &spi, &esp)]);
    let only_ah = proposals(&[(1, 2, &spi, &ah)]);
    let with_esp = proposals(&[(1, 2, &spi, &ah), (1, 3, &spi, &esp), (2, 3, &spi, &esp)]);
    for (offer, refused) in [(bundle, true), (only_ah, true), (with_esp, false)] {
        let (mut world, mut client) = connected(Profile::windows10());
        let mut chain = Chain::default();
        chain.push(PayloadType::SECURITY_ASSOCIATION, &offer);
        chain.push(PayloadType::NONCE, &[5; 16]);
        let (message1, _) = client.seal_first(ExchangeType::QUICK_MODE, 77, chain);
        world.ask(client.path(), &message1);
        let log = world.log();
        assert_eq!(log[0] == "c1 refused: not_esp", refused, "{log:?}");
    }
}

#[test]
fn other_traffic_than_l2tp_is_refused() {
    let (mut world, mut client) = connected(Profile::windows10());
    let mut chain = Chain::default();
    let offer = profile::sa(1, &[1, 2, 3, 4], &client.profile.esp);
    chain.push(PayloadType::SECURITY_ASSOCIATION, &offer);
    chain.push(PayloadType::NONCE, &[5; 16]);
    chain.push(PayloadType::IDENTIFICATION, &[1, 6, 0, 80, 10, 0, 0, 2]);
    chain.push(PayloadType::IDENTIFICATION, &[1, 6, 0, 80, 192, 0, 2, 1]);
    let (message1, _) = client.seal_first(ExchangeType::QUICK_MODE, 77, chain);
    world.ask(client.path(), &message1);
    assert!(world.refusals()[0].contains("protocol 6 from 10.0.0.2 port 80"));
}

#[test]
fn a_client_that_stays_on_port_500_is_told_why() {
    let (mut world, mut client) = connected(Profile::windows10());
    let message1 = client.quick1();
    world.ask(Path { local: addr("192.0.2.1:500"), remote: addr("198.51.100.7:500") }, &message1);
    assert!(world.refusals()[0].contains("did not move to UDP 4500"));
}

#[test]
fn equal_message_ids_of_different_clients_do_not_meet() {
    let mut world = World::with_psks(&["main"]);
    let mut one = Initiator::new(Profile::windows10(), "main", 1);
    let mut two = Initiator::new(Profile::windows10(), "main", 2);
    two.inside = one.inside;
    world.connect(&mut one);
    world.connect(&mut two);
    let (first, second) = (one.quick1(), two.quick1());
    assert_eq!(first[20..24], second[20..24]);
    let (first, second) = (world.ask(one.path(), &first), world.ask(two.path(), &second));
    let (first, second) = (one.quick3(&first), two.quick3(&second));
    world.log();
    world.send(two.path(), &second);
    world.send(one.path(), &first);
    assert_eq!(world.log(), ["c2 confirmed", "c1 confirmed"]);
}

#[test]
fn quick_mode_messages_are_retransmitted_both_ways() {
    let (mut world, mut client) = connected(Profile::apple());
    let message1 = client.quick1();
    let message2 = world.ask(client.path(), &message1);
    assert_eq!(world.ask(client.path(), &message1), message2);
    for gap in [1, 2, 4] {
        world.wait(secs(gap));
        assert_eq!(world.sent(), std::slice::from_ref(&message2));
    }
    let message3 = client.quick3(&message2);
    assert!(world.send(client.path(), &message3).is_empty());
    assert_eq!(world.log(), ["c1 opened AES-256-CBC/HMAC-SHA1-96 first", "c1 confirmed"]);
    world.discards(client.path(), &message3, Discard::Replay);
    assert_eq!(world.ask(client.path(), &message1), message2, "from the cache");
    world.wait(secs(60));
    assert!(world.sent().is_empty());
    world.discards(client.path(), &message1, Discard::Replay);
    assert!(world.log().is_empty());
}

#[test]
fn a_packet_confirms_when_message3_is_lost() {
    let (mut world, mut client) = connected(Profile::windows10());
    world.ask(client.path(), &client.quick1());
    let spi = world.opened().inbound.spi();
    world.responder.confirm(world.now, spi);
    world.responder.confirm(world.now, spi);
    world.settle();
    assert_eq!(world.log(), ["c1 confirmed"]);
    world.wait(secs(300));
    assert!(world.sent().is_empty() && world.log().is_empty());
}

#[test]
fn quick_mode_before_message6_is_repeated_by_the_client() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    let path = client.float(&message4);
    let message5 = client.message5();
    let mut early = message5.clone();
    early[18] = 32;
    early[23] = 1;
    world.discards(path, &early, Discard::Early);
    let message6 = world.ask(path, &message5);
    client.finish(&message6);
    world.quick(&mut client);
}

#[test]
fn a_nat_that_changes_the_port_is_followed_in_quick_mode_and_by_esp() {
    let (mut world, mut client) = connected(Profile::windows10());
    client.outside.set_port(40_000);
    let pair = world.quick(&mut client);
    assert_eq!(pair.path.remote, addr("198.51.100.7:40000"));
    let moved = Path { local: client.path().local, remote: addr("203.0.113.9:5000") };
    world.responder.handle_path_change(world.now, PeerId(1), moved);
    world.responder.close_peer(world.now, PeerId(1));
    world.settle();
    assert!(world.sent.len() == 2 && world.sent.iter().all(|(path, _)| *path == moved));
}

#[test]
fn repeated_quick_modes_are_new_pairs_and_the_oldest_go() {
    let (mut world, mut client) = connected(Profile::windows10());
    for _ in 0..12 {
        world.quick(&mut client);
        world.wait(secs(3));
    }
    assert!(client.profile.counts_message_ids);
    let log = world.log();
    assert_eq!(log.iter().filter(|line| line.contains("confirmed")).count(), 12);
    assert_eq!(log.iter().filter(|line| line.contains("superseded")).count(), 4);
    assert_eq!(world.responder.by_inbound.len(), 8);
    let deletes = world.sent();
    assert_eq!(deletes.len(), 4);
    assert_eq!(client.read_informational(&deletes[0])[0].0, PayloadType::DELETE);
}

#[test]
fn what_anybody_can_send_changes_nothing() {
    let (mut world, mut client) = connected(Profile::windows10());
    world.quick(&mut client);
    world.log();
    let mut chain = Chain::default();
    chain.push_delete(ProtocolId::ISAKMP, &client.cookies.to_bytes());
    let clear =
        crate::isakmp::MessageWriter::new(client.cookies, ExchangeType::INFORMATIONAL, 5).clear(&chain);
    world.discards(client.path(), &clear, Discard::Unencrypted);
    let mut forged = client.delete(ProtocolId::ISAKMP, &[0; 16]);
    forged[30] ^= 1;
    world.discards(client.path(), &forged, Discard::Unauthenticated);
    let other = client.notify(NotifyType::CONNECTED, &[]);
    world.discards(client.path(), &other, Discard::Notify);
    assert!(world.log().is_empty());
}

#[test]
fn perfect_forward_secrecy_waits_for_its_job() {
    let (mut world, mut client) = connected(Profile::network_manager().with_pfs(Group::Modp1024));
    world.eager = false;
    let message1 = client.quick1();
    assert!(world.send(client.path(), &message1).is_empty());
    world.discards(client.path(), &message1, Discard::Retransmission);
    assert!(world.log().is_empty());
    world.eager = true;
    world.settle();
    let message2 = world.sent().remove(0);
    let message3 = client.quick3(&message2);
    world.send(client.path(), &message3);
    assert_eq!(world.log(), ["c1 opened AES-256-CBC/HMAC-SHA1-96 first", "c1 confirmed"]);
}

#[test]
fn a_bad_public_value_in_quick_mode_is_refused() {
    let (mut world, mut client) = connected(Profile::network_manager().with_pfs(Group::Modp1024));
    let mut chain = Chain::default();
    let offer = profile::sa(1, &[1, 2, 3, 4], &client.profile.esp);
    chain.push(PayloadType::SECURITY_ASSOCIATION, &offer);
    chain.push(PayloadType::NONCE, &[5; 16]);
    chain.push(PayloadType::KEY_EXCHANGE, &[0; 128]);
    let (message1, _) = client.seal_first(ExchangeType::QUICK_MODE, 77, chain);
    let answer = world.ask(client.path(), &message1);
    let notify = client.read_informational(&answer).remove(0).1;
    assert_eq!(NotifyPayload::parse(&notify).expect("N").kind, NotifyType::INVALID_KEY_INFORMATION);
    assert_eq!(world.log(), ["c1 refused: bad_public_value"]);
    assert_eq!(world.responder.by_inbound.len(), 0);
}

#[test]
fn spis_are_unique_and_not_reserved() {
    let (mut world, mut client) = connected(Profile::windows10());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let pair = world.quick(&mut client);
        assert!(pair.inbound.spi() >= Spi(256));
        assert!(seen.insert(pair.inbound.spi()));
        world.wait(secs(40));
    }
}
