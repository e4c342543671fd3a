//! A client whose NAT gives it another port: what shows it, what does not, and a first phase renewed at that moment.

use super::*;
use crate::isakmp::iana::{NotifyType, PayloadType, ProtocolId};

fn connected(profile: Profile) -> (World, Initiator) {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(profile);
    world.connect(&mut client);
    world.quick(&mut client);
    world.log();
    (world, client)
}

fn are_you_there(client: &mut Initiator, sequence: u32) -> Vec<u8> {
    client.notify(NotifyType::R_U_THERE, &sequence.to_be_bytes())
}

#[test]
fn an_authentic_informational_shows_the_port() {
    let (mut world, mut client) = connected(Profile::apple());
    let before = client.path();
    let first = are_you_there(&mut client, 7);
    world.send(before, &first);
    client.outside.set_port(40_000);
    let second = are_you_there(&mut client, 8);
    world.ask(client.path(), &second);
    assert_eq!(world.log(), [format!("c1 moved {}", client.path())]);
    // It does not move by what is sent again from elsewhere, or comes to where no ESP comes.
    let mut thief = client.path();
    thief.remote.set_port(6_666);
    world.discards(thief, &second, Discard::Replay);
    let mut elsewhere = client.path();
    elsewhere.local.set_port(500);
    let third = are_you_there(&mut client, 9);
    world.ask(elsewhere, &third);
    assert!(world.log().is_empty());
}

#[test]
fn an_informational_that_may_be_a_replay_shows_nothing() {
    let (mut world, mut client) = connected(Profile::apple());
    let recorded = are_you_there(&mut client, 7);
    world.send(client.path(), &recorded);
    for _ in 0..200 {
        let chatter = client.notify(NotifyType::CONNECTED, &[]);
        world.discards(client.path(), &chatter, Discard::Notify);
    }
    let home = client.path();
    client.outside.set_port(40_000);
    // By now its message id is forgotten, but not its number.
    world.ask(client.path(), &recorded);
    let chatter = client.notify(NotifyType::CONNECTED, &[]);
    world.discards(client.path(), &chatter, Discard::Notify);
    assert!(world.log().is_empty());
    let newer = are_you_there(&mut client, 8);
    world.ask(client.path(), &newer);
    assert_eq!(world.log(), [format!("c1 moved {}", client.path())]);
    // An answer to a question of ours shows it too, once.
    client.outside = home.remote;
    world.responder.probe(PeerId(1));
    world.settle();
    let question = world.sent().remove(0);
    let (kind, body) = client.read_informational(&question).remove(0);
    assert_eq!(kind, PayloadType::NOTIFICATION);
    let answer = client.notify(NotifyType::R_U_THERE_ACK, &body[body.len() - 4..]);
    assert!(world.send(home, &answer).is_empty());
    assert_eq!(world.log(), [format!("c1 moved {home}")]);
    let again = client.notify(NotifyType::R_U_THERE_ACK, &body[body.len() - 4..]);
    client.outside.set_port(40_000);
    world.send(client.path(), &again);
    assert!(world.log().is_empty());
}

/// A first phase from a port that the server has not seen yet is somebody's: not more than a key and a name, which others may
/// have too, tells whose. An old SA used from that port tells.
#[test]
fn two_that_meet_are_one_if_the_owner_says_so() {
    let (mut world, old) = connected(Profile::android(3));
    let mut new = old.again(2);
    new.outside = addr("198.51.100.7:40000");
    world.connect(&mut new);
    let moved = new.path();
    let pair = world.quick(&mut new);
    let log = world.log();
    assert!(log[1].starts_with("c2 is c2 "), "nobody's renewal: {log:?}");
    world.responder.handle_path_change(world.now, PeerId(1), moved);
    world.settle();
    assert_eq!(world.log(), [format!("c1 moved {moved}"), "c1 met c2".into()]);
    world.responder.merge(world.now, PeerId(2), PeerId(1));
    world.settle();
    assert!(world.log().is_empty());
    assert_eq!(world.responder.peers.len(), 1);
    // Its keys are the old one's, and so is what it says under its new ISAKMP SA.
    let again = world.quick(&mut new);
    assert_eq!(world.log(), ["c1 confirmed"]);
    for pair in [&pair, &again] {
        let delete = new.delete(ProtocolId::ESP, &pair.outbound.spi().0.to_be_bytes());
        world.send(new.path(), &delete);
        assert_eq!(world.log(), ["c1 retired"]);
    }
    world.wait(secs(60));
    let closed = "c1 sa closed: deleted by the client";
    assert_eq!(world.log(), [closed, closed], "neither is missing a pair");
    world.responder.close_peer(world.now, PeerId(1));
    world.settle();
    assert_eq!(world.responder.timers.len(), 0);
    assert_eq!((world.responder.by_who.len(), world.responder.by_inbound.len()), (0, 0));
}

/// Until it is proved whose renewal it is its ISAKMP SA stays: the client has no other.
#[test]
fn what_may_be_a_renewal_is_given_time() {
    let (mut world, old) = connected(Profile::windows10());
    let mut stranger = Initiator::new(Profile::windows10(), "main", 3);
    stranger.inside = addr("10.0.0.3:500");
    world.connect(&mut stranger);
    let mut new = old.again(2);
    new.outside = addr("198.51.100.7:40000");
    world.connect(&mut new);
    world.log();
    world.wait(secs(30));
    assert_eq!(world.log(), ["c2 closed: the client did not go on after the first phase"]);
    world.wait(secs(569));
    assert!(world.log().is_empty());
    world.wait(secs(1));
    assert_eq!(world.log(), ["c3 closed: the client did not go on after the first phase"]);
}
