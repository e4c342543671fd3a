//! Whoever knows a key that others know too must get nothing of theirs by saying it is them.

use super::*;

/// Somebody with that key behind the same NAT, who calls itself as the client does and got its port; by the time of message 5,
/// that is.
fn namesake(client: &Initiator, psk: &str) -> Initiator {
    let mut other = Initiator::new(Profile::windows10(), psk, 9);
    other.outside.set_port(client.outside.port() - 1000);
    other
}

fn connected(psks: &[&str]) -> (World, Initiator) {
    let mut world = World::with_psks(psks);
    let mut client = client(Profile::windows10());
    world.connect(&mut client);
    world.quick(&mut client);
    world.log();
    (world, client)
}

#[test]
fn who_has_another_key_renews_and_replaces_nothing() {
    for contact in [false, true] {
        let (mut world, client) = connected(&["main", "other"]);
        let mut other = namesake(&client, "other");
        other.says_initial_contact = contact;
        world.connect(&mut other);
        assert_eq!(other.path(), client.path(), "at the very same place");
        let log = world.log();
        assert!(log[1].starts_with("c2 is c2 ") && !log[1].ends_with("rekey"), "{log:?}");
        assert!(!log.iter().any(|line| line.contains("closed") || line.contains("met")), "{log:?}");
        world.quick(&mut other);
        assert_eq!(world.log(), ["c2 confirmed"], "its keys are its own");
        assert_eq!(world.responder.peers.len(), 2);
    }
}

/// The key's other owner needs no NAT to be at the client's address: it puts that into what it sends.
#[test]
fn a_made_up_address_renews_replaces_and_joins_nothing() {
    for contact in [false, true] {
        let (mut world, client) = connected(&["main"]);
        let mut other = Initiator::new(Profile::windows10(), "main", 9);
        other.outside = addr("203.0.113.66:10001");
        other.says_initial_contact = contact;
        let message2 = world.ask(other.path(), &other.message1());
        let message4 = world.ask(other.path(), &other.message3(&message2));
        other.float(&message4);
        let message6 = world.ask(client.path(), &other.message5());
        other.finish(&message6);
        let log = world.log();
        assert!(log[1].starts_with("c2 is c2 ") && !log[1].ends_with("rekey"), "{log:?}");
        assert!(!log.iter().any(|line| line.contains("closed") || line.contains("met")), "{log:?}");
        // Nor by a packet of the client's afterwards.
        world.responder.handle_path_change(world.now, PeerId(1), client.path());
        world.settle();
        assert_eq!(world.log(), Vec::<String>::new());
    }
}

/// The same by a later message of its, once it has proved its own address.
#[test]
fn a_made_up_move_joins_nothing() {
    let (mut world, client) = connected(&["main"]);
    let mut other = Initiator::new(Profile::windows10(), "main", 9);
    other.outside = addr("203.0.113.66:10001");
    world.connect(&mut other);
    world.log();
    world.send(client.path(), &other.quick1());
    let log = world.log();
    assert!(!log.iter().any(|line| line.contains("met")), "{log:?}");
}

/// Message 4 is longer than message 3, and goes only to where the cookie went.
#[test]
fn message3_from_another_address_is_not_answered() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    let message3 = client.message3(&message2);
    let mut victim = client.path();
    victim.remote.set_ip("203.0.113.66".parse().expect("an address"));
    world.discards(victim, &message3, Discard::Unexpected);
    let message4 = world.ask(client.path(), &message3);
    let path = client.float(&message4);
    let message6 = world.ask(path, &client.message5());
    client.finish(&message6);
}

/// The owner may find out that two are one while there is more to tell it of the newer.
#[test]
fn what_was_to_be_told_of_one_is_told_of_the_other() {
    let (mut world, old) = connected(&["main"]);
    let mut new = old.again(2);
    new.outside = addr("198.51.100.7:40000");
    world.connect(&mut new);
    world.log();
    // Its Quick Mode comes by the old one's port, and opens a pair in the same breath.
    let quick1 = new.quick1();
    world.responder.handle_datagram(world.now, old.path(), &quick1);
    let told: Vec<Event> = std::iter::from_fn(|| match world.responder.poll_event()? {
        Event::Met { .. } => None,
        event => Some(event),
    })
    .collect();
    assert_eq!(told.len(), 1, "it moved: {told:?}");
    world.responder.merge(world.now, PeerId(2), PeerId(1));
    world.settle();
    let log = world.log();
    assert!(log.iter().any(|line| line.starts_with("c1 opened")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("c2")), "{log:?}");
}
