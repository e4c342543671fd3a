//! A client that lets the time of its ESP SAs pass is asked for new ones.

use super::phase2::assert_opens;
use super::profile::{esp_attributes, tv};
use super::*;
use crate::dh::Group;
use crate::isakmp::iana::ProtocolId;

/// One that wants new ESP SAs after twenty minutes.
fn twenty_minutes(profile: Profile) -> Profile {
    let life = [tv(1, 1), tv(2, 1_200)].concat();
    profile.with_esp(&[(12, esp_attributes(4, Some(128), 2, &life))])
}

fn connected(profile: Profile) -> (World, Initiator, SaPair) {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(profile);
    world.connect(&mut client);
    let pair = world.quick(&mut client);
    world.log();
    (world, client, pair)
}

/// Its time passes but for ten seconds, and it is asked.
#[track_caller]
fn asked(world: &mut World, after: u64) -> Vec<u8> {
    world.wait(secs(after - 1));
    assert!(world.log().is_empty(), "not before");
    world.wait(secs(1));
    assert_eq!(world.log(), ["c1 overdue"]);
    assert!(world.sent().is_empty(), "the owner decides");
    assert!(world.responder.renew(world.now, PeerId(1)));
    world.settle();
    let mut sent = world.sent();
    assert_eq!(sent.len(), 1);
    sent.remove(0)
}

#[test]
fn who_answers_gets_new_keys_on_the_same_terms() {
    for profile in [
        Profile::windows10(),
        Profile::android(1),
        Profile::apple(),
        twenty_minutes(Profile::network_manager()).with_pfs(Group::Modp1024),
        twenty_minutes(Profile::network_manager()).with_pfs(Group::Ecp256),
    ] {
        let pfs = profile.pfs.is_some();
        let profile = if pfs { profile } else { twenty_minutes(profile) };
        let (mut world, mut client, _) = connected(profile);
        for round in 0..3 {
            let message1 = asked(&mut world, if round == 0 { 1_190 } else { 1_150 });
            let (message2, answered) = client.answer_quick(&message1);
            let mut forged = message2.clone();
            forged[40] ^= 1;
            world.discards(client.path(), &forged, Discard::Unauthenticated);
            let message3 = world.ask(client.path(), &message2);
            assert!(client.accepts(&answered, &message3), "HASH(3)");
            assert_eq!(world.ask(client.path(), &message2), message3, "message 3 was lost");
            let pair = world.opened();
            assert_eq!(
                (pair.inbound.spi(), pair.outbound.spi()),
                (answered.pair.server_spi, answered.pair.spi)
            );
            assert_eq!((pair.lifetime, pair.rekey), (secs(1_200), true));
            assert_eq!((answered.pair.mode.0, answered.pair.nat_oa), (4, 2));
            if round < 2 {
                assert_opens(pair.inbound, answered.pair);
                world.wait(secs(2));
                assert_eq!(world.log(), ["c1 confirmed"], "also if the client has nothing to say");
                world.wait(secs(38));
                assert_eq!(world.log(), ["c1 sa closed: lifetime over"], "the old one, after its grace");
                world.sent();
            } else {
                world.responder.confirm(world.now, pair.inbound.spi());
                world.settle();
                assert_eq!(world.log(), ["c1 confirmed"], "by its first packet");
                // The client deletes it as it deletes its own.
                let delete = client.delete(ProtocolId::ESP, &answered.pair.spi.0.to_be_bytes());
                world.send(client.path(), &delete);
                assert!(world.log().iter().any(|line| line == "c1 retired"));
            }
        }
    }
}

#[test]
fn who_does_not_answer_loses_its_keys_as_if_nobody_had_asked() {
    let (mut world, client, _) = connected(twenty_minutes(Profile::windows10()));
    let message1 = asked(&mut world, 1_190);
    for gap in [1, 2, 4, 8] {
        world.wait(secs(gap));
        assert_eq!(world.sent(), std::slice::from_ref(&message1));
    }
    world.wait(secs(25));
    assert_eq!(world.log(), ["c1 sa closed: lifetime over"]);
    world.wait(secs(30));
    assert_eq!(world.log(), ["c1 closed: the client let its keys expire"]);
    world.sent();
    world.discards(client.path(), &message1, Discard::UnknownCookies);
    assert_eq!((world.responder.by_inbound.len(), world.responder.timers.len()), (0, 0));
}

#[test]
fn who_renewed_in_time_is_not_asked() {
    let (mut world, mut client, _) = connected(twenty_minutes(Profile::windows10()));
    world.wait(secs(1_100));
    world.quick(&mut client);
    world.log();
    world.wait(secs(1_000));
    assert_eq!(world.log(), ["c1 sa closed: lifetime over"]);
}

#[test]
fn without_an_isakmp_sa_there_is_nothing_to_ask_with() {
    let (mut world, mut client, _) = connected(twenty_minutes(Profile::windows10()));
    let cookies = client.cookies.to_bytes();
    let delete = client.delete(ProtocolId::ISAKMP, &cookies);
    world.send(client.path(), &delete);
    world.wait(secs(1_200));
    assert_eq!(world.log(), ["c1 overdue"]);
    assert!(!world.responder.renew(world.now, PeerId(1)));
    assert!(!world.responder.renew(world.now, PeerId(7)), "nobody");
}

/// Both start at the same time: two pairs, either of which will do.
#[test]
fn rekeys_that_cross_each_other_both_succeed() {
    let (mut world, mut client, _) = connected(twenty_minutes(Profile::apple()));
    let ours = asked(&mut world, 1_190);
    let theirs = world.ask(client.path(), &client.quick1());
    let (message2, answered) = client.answer_quick(&ours);
    let message3 = world.ask(client.path(), &message2);
    assert!(client.accepts(&answered, &message3));
    let confirming = client.quick3(&theirs);
    assert!(world.send(client.path(), &confirming).is_empty());
    world.wait(secs(2));
    let log = world.log();
    assert_eq!(log.iter().filter(|line| line.ends_with("rekey")).count(), 2, "{log:?}");
    assert_eq!(log.iter().filter(|line| line.ends_with("confirmed")).count(), 2, "{log:?}");
    world.wait(secs(1_100));
    assert_eq!(world.log(), ["c1 sa closed: lifetime over"]);
    // Only the newest is missed.
    world.wait(secs(100));
    assert_eq!(world.log().iter().filter(|line| line.ends_with("overdue")).count(), 1);
}
