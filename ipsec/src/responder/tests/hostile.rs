//! Floods, rubbish, truncation, loss.

use proptest::prelude::*;

use super::*;
use crate::isakmp::iana::NotifyType;
use crate::vectors::Vectors;

#[test]
fn a_flood_of_first_messages_is_bounded_and_clients_still_get_in() {
    let limits = Config { max_half_open: 100, max_half_open_per_source: 10, ..config(&["main"]) };
    let mut world = World::new(limits);
    let mut client = client(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    let message4 = world.ask(client.path(), &client.message3(&message2));
    let mut flood = Initiator::new(Profile::android(3), "main", 3);
    for number in 0..1000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        flood.outside = SocketAddr::from(([203, 0, high, low], 500));
        flood.cookies.initiator.0[..4].copy_from_slice(&(number + 1).to_be_bytes());
        let message1 = flood.message1();
        let answers = world.send(flood.path(), &message1);
        assert!(answers.iter().all(|answer| answer.len() <= message1.len()));
        assert!(world.responder.half_open.len() <= 100);
    }
    // One that has returned our cookie is not pushed out.
    let message6 = world.ask(client.float(&message4), &client.message5());
    client.finish(&message6);

    let one_source = world.responder.half_open.len();
    for number in 0..100_u32 {
        flood.outside = addr("203.0.113.200:500");
        flood.cookies.initiator.0[..4].copy_from_slice(&(number + 1).to_be_bytes());
        world.send(flood.path(), &flood.message1());
    }
    assert!(world.responder.half_open.len() <= one_source.min(100) + 10);
    assert!(world.responder.discards().of(Discard::HalfOpenLimit) > 900);
    world.wait(secs(61));
    assert_eq!(world.responder.half_open.len(), 0);
}

#[test]
fn proven_attempts_do_not_give_way() {
    let mut world = World::new(Config { max_half_open: 2, ..config(&["main"]) });
    for number in 1..=2 {
        let mut client = Initiator::new(Profile::windows10(), "main", number);
        let message2 = world.ask(client.path(), &client.message1());
        world.ask(client.path(), &client.message3(&message2));
    }
    let late = Initiator::new(Profile::windows10(), "main", 3);
    world.discards(late.path(), &late.message1(), Discard::HalfOpenLimit);
}

#[test]
fn jobs_are_bounded_and_the_client_comes_again() {
    let mut world = World::new(Config { max_jobs: 1, ..config(&["main"]) });
    world.eager = false;
    let mut one = Initiator::new(Profile::windows10(), "main", 1);
    let mut two = Initiator::new(Profile::windows10(), "main", 2);
    let message2 = world.ask(one.path(), &one.message1());
    world.send(one.path(), &one.message3(&message2));
    let message2 = world.ask(two.path(), &two.message1());
    let message3 = two.message3(&message2);
    world.discards(two.path(), &message3, Discard::JobLimit);
    let job = world.responder.poll_job().expect("one job");
    world.discards(two.path(), &message3, Discard::JobLimit);
    world.responder.handle_job(world.now, job.run(world.unix));
    world.settle();
    world.sent();
    world.eager = true;
    assert_eq!(world.send(two.path(), &message3).len(), 1);
}

#[test]
fn a_job_whose_attempt_is_gone_is_not_run() {
    let mut world = World::with_psks(&["main"]);
    world.eager = false;
    let mut client = client(Profile::windows10());
    let message2 = world.ask(client.path(), &client.message1());
    world.send(client.path(), &client.message3(&message2));
    world.wait(secs(70));
    assert!(world.responder.poll_job().is_none());
    assert!(world.responder.jobs.is_empty());
}

#[test]
fn exchanges_under_one_sa_are_bounded() {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::windows10());
    world.connect(&mut client);
    for _ in 0..16 {
        assert!(!world.send(client.path(), &client.quick1()).is_empty());
    }
    let late = client.quick1();
    world.discards(client.path(), &late, Discard::ExchangeLimit);
    assert!(world.responder.by_inbound.len() <= 8);
    assert!(world.responder.timers.len() < 64);
}

/// Every message of a whole connection, with the path it takes, and the responder as it is just before it.
fn replay(upto: usize) -> (World, Vec<(Path, Vec<u8>)>) {
    let mut world = World::with_psks(&["main"]);
    let mut client = client(Profile::android(3));
    let mut all = Vec::new();
    let mut step = |world: &mut World, path: Path, message: Vec<u8>| {
        let stop = all.len() >= upto;
        all.push((path, message.clone()));
        if stop { None } else { Some(world.send(path, &message)) }
    };
    let mut run = || -> Option<()> {
        let message2 = step(&mut world, client.path(), client.message1())?.remove(0);
        let message3 = client.message3(&message2);
        let message4 = step(&mut world, client.path(), message3)?.remove(0);
        let path = client.float(&message4);
        let message6 = step(&mut world, path, client.message5())?.remove(0);
        client.finish(&message6);
        step(&mut world, path, client.notify(NotifyType::INITIAL_CONTACT, &[]))?;
        let message2 = step(&mut world, path, client.quick1())?.remove(0);
        let message3 = client.quick3(&message2);
        step(&mut world, path, message3)?;
        step(&mut world, path, client.notify(NotifyType::R_U_THERE, &[0, 0, 0, 9]))?;
        step(&mut world, path, client.delete(crate::isakmp::iana::ProtocolId::ISAKMP, &[0; 16]))?;
        Some(())
    };
    run();
    (world, all)
}

#[test]
fn every_prefix_of_every_message_is_discarded() {
    for index in 0..8 {
        let (mut world, all) = replay(index);
        let (path, message) = &all[index];
        for len in 0..message.len() {
            let prefix = &message[..len];
            assert_eq!(world.send(*path, prefix), Vec::<Vec<u8>>::new(), "message {index} cut at {len}");
        }
        // With its length made to match it may be understood, where nothing protects it; then it is answered like any other.
        for len in 28..message.len() {
            let (mut world, all) = replay(index);
            let fitted = fit(&all[index].1[..len]).expect("a header");
            let answers = world.send(*path, &fitted);
            if index > 2 {
                // Racoon's padding is up to two blocks, which no hash covers.
                assert!(answers.is_empty() || len + 32 >= message.len(), "message {index} cut at {len}");
            } else {
                assert!(
                    answers.iter().all(|answer| answer.len() <= fitted.len()),
                    "message {index} cut at {len}"
                );
            }
            if len % 16 == 0 {
                world.wait(secs(120));
            }
        }
    }
}

/// The prefix with a header that says how long it is.
fn fit(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut message = prefix.to_vec();
    let length = u32::try_from(message.len()).expect("short");
    message.get_mut(24..28)?.copy_from_slice(&length.to_be_bytes());
    Some(message)
}

#[test]
fn recorded_rubbish_is_survived_and_counted() {
    let captures = Vectors::of(include_str!("../../../../tests/vectors/ike-captures.txt"));
    for port in [500, 4500] {
        for number in 1..=12 {
            let mut world = World::with_psks(&["main"]);
            let message = captures.get(&format!("malformed{number}"));
            let path =
                Path { local: SocketAddr::from(([192, 0, 2, 1], port)), remote: addr("198.51.100.7:500") };
            assert_eq!(world.send(path, message), Vec::<Vec<u8>>::new(), "number {number}");
            assert_eq!(world.responder.discards().iter().map(|(_, count)| count).sum::<u64>(), 1);
        }
    }
    // Only an IKEv2 client's first request is told that this is IKEv1.
    for (number, answers) in [(1, 1), (2, 0), (3, 0)] {
        let mut world = World::with_psks(&["main"]);
        let message = captures.get(&format!("ikev2_{number}"));
        let path = Path { local: addr("192.0.2.1:500"), remote: addr("198.51.100.7:500") };
        assert_eq!(world.send(path, message).len(), answers);
    }
}

#[test]
fn recorded_offers_are_answered() {
    let captures = Vectors::of(include_str!("../../../../tests/vectors/ike-captures.txt"));
    let path = Path { local: addr("192.0.2.1:500"), remote: addr("198.51.100.7:500") };
    // Cisco offers AES-128/SHA1/MODP-1024 and a pre-shared key; the others certificates, or MODP-768.
    for (name, next_payload) in [("cisco1", 1), ("openswan1", 11), ("certs1", 11), ("setup1", 11)] {
        let mut world = World::with_psks(&["main"]);
        let answer = world.ask(path, captures.get(name));
        assert_eq!(answer[16], next_payload, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600), local in prop_oneof![Just(500_u16), Just(4500)]) {
        let mut world = World::with_psks(&["main"]);
        let path = Path { local: SocketAddr::from(([192, 0, 2, 1], local)), remote: addr("198.51.100.7:500") };
        for answer in world.send(path, &bytes) {
            prop_assert!(answer.len() <= bytes.len());
        }
    }

    #[test]
    fn any_bytes_after_a_plausible_header_are_survived(
        step in 0_usize..8,
        exchange in prop_oneof![Just(2_u8), Just(4), Just(5), Just(32), any::<u8>()],
        next in prop_oneof![any::<u8>(), Just(132)],
        flags in 0_u8..8,
        message_id in prop_oneof![Just(0_u32), any::<u32>()],
        body in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let (mut world, all) = replay(step);
        let (path, message) = &all[step];
        let mut bytes = message[..28].to_vec();
        bytes[16] = next;
        bytes[18] = exchange;
        bytes[19] = flags;
        bytes[20..24].copy_from_slice(&message_id.to_be_bytes());
        bytes.extend(body);
        let bytes = fit(&bytes).expect("a header");
        world.send(*path, &bytes);
        world.wait(secs(120));
    }

    #[test]
    fn mutated_messages_are_survived_and_the_right_one_still_works(
        step in 0_usize..8,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut world, all) = replay(step);
        let (path, message) = &all[step];
        let mut mutated = message.clone();
        for (index, value) in changes {
            let index = index.index(mutated.len());
            mutated[index] = value;
        }
        let before = world.responder.discards().of(Discard::Unauthenticated);
        let answered = !world.send(*path, &mutated).is_empty();
        // No hash covers the padding: with another one it is as good as the right one.
        let accepted = answered && world.responder.discards().of(Discard::Unauthenticated) == before;
        // A third message is in clear: whoever is first wins. Everything behind it is protected.
        if step != 1 && step != 0 && !accepted {
            let before = world.responder.discards().clone();
            world.send(*path, message);
            prop_assert_eq!(before.of(Discard::Unauthenticated), world.responder.discards().of(Discard::Unauthenticated));
        }
        world.wait(secs(120));
    }

    #[test]
    fn connecting_succeeds_under_loss_and_duplication(seed in any::<u64>()) {
        let mut world = World::with_psks(&["main"]);
        let mut client = client(Profile::android(3));
        let mut bits = seed;
        // Two of ten lost, two of ten doubled; at most 60 draws, then all arrives.
        let mut fate = || {
            let fate = bits % 10;
            bits /= 10;
            if bits == 0 { 9 } else { fate }
        };
        // A client takes what is the answer to its request: by exchange, message id and first payload.
        let mut exchange = |world: &mut World, path: Path, message: &[u8], first: u8| -> Vec<u8> {
            for _ in 0..10 {
                let copies = match fate() { 0 | 1 => 0, 2 | 3 => 2, _ => 1 };
                let mut answers = Vec::new();
                for _ in 0..copies {
                    answers.extend(world.send(path, message));
                }
                world.wait(secs(3));
                answers.extend(world.sent());
                answers.retain(|answer| answer[16] == first && answer[18..24] == message[18..24]);
                if let Some(answer) = answers.into_iter().find(|_| !matches!(fate(), 0 | 1)) {
                    return answer;
                }
            }
            panic!("no answer in 30 seconds");
        };
        let message2 = exchange(&mut world, client.path(), &client.message1(), 1);
        let message3 = client.message3(&message2);
        let message4 = exchange(&mut world, client.path(), &message3, 4);
        let path = client.float(&message4);
        let message6 = exchange(&mut world, path, &client.message5(), 5);
        client.finish(&message6);
        let message2 = exchange(&mut world, path, &client.quick1(), 8);
        let message3 = client.quick3(&message2);
        world.send(path, &message3);
        let log = world.log();
        prop_assert_eq!(&log[log.len() - 1], "c1 confirmed");
        prop_assert_eq!(log.iter().filter(|line| line.contains("confirmed")).count(), 1);
    }
}
