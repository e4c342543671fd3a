use super::*;
use crate::test_support::start;

const SECOND: Duration = Duration::from_secs(1);

fn sent(reliable: &mut Reliable, now: Instant) -> Vec<(u16, u16, u8)> {
    let mut sent = Vec::new();
    while let Some((sequence, message)) = reliable.poll_transmit(now) {
        sent.push((sequence.ns, sequence.nr, message[0]));
    }
    sent
}

/// A pair of queues whose sequence numbers begin just before the wrap.
fn near_wrap(peer_window: u16) -> Reliable {
    Reliable { unacknowledged: 0xfffe, expected: 0xfffe, ..Reliable::new(peer_window, 4, 5) }
}

#[test]
fn the_peers_window_is_kept() {
    let now = start();
    let mut reliable = Reliable::new(3, 4, 5);
    (0..10).for_each(|n| reliable.send(now, vec![n]));
    assert_eq!(sent(&mut reliable, now), [(0, 0, 0)]);
    assert!(reliable.acknowledge(now, 1));
    assert_eq!(sent(&mut reliable, now), [(1, 0, 1), (2, 0, 2)]);
    assert!(reliable.acknowledge(now, 3));
    assert_eq!(sent(&mut reliable, now), [(3, 0, 3), (4, 0, 4), (5, 0, 5)]);
    assert!(reliable.acknowledge(now, 6));
    assert_eq!(sent(&mut reliable, now).len(), 3);
}

#[test]
fn retransmits_with_backoff_and_gives_up() {
    let begin = start();
    let mut reliable = Reliable::new(4, 4, 5);
    reliable.send(begin, vec![7]);
    assert_eq!(sent(&mut reliable, begin).len(), 1);
    let mut times = Vec::new();
    let gave_up = loop {
        let at = reliable.poll_timeout().unwrap();
        assert_eq!(reliable.handle_timeout(at - Duration::from_millis(1)), Expiry::Early);
        match reliable.handle_timeout(at) {
            Expiry::Early => panic!(),
            Expiry::Retransmit => {
                assert_eq!(sent(&mut reliable, at), [(0, 0, 7)]);
                times.push((at - begin).as_secs());
            }
            Expiry::GaveUp => break at - begin,
        }
    };
    assert_eq!(times, [1, 3, 7, 15, 23]);
    assert_eq!(gave_up, full_cycle(5));
    assert_eq!(gave_up, 31 * SECOND);
}

#[test]
fn retransmission_carries_the_newest_nr() {
    let now = start();
    let mut reliable = Reliable::new(4, 4, 5);
    reliable.send(now, vec![7]);
    assert_eq!(sent(&mut reliable, now), [(0, 0, 7)]);
    assert_eq!(reliable.receive(0, &[1]), Received::Next);
    assert_eq!(reliable.handle_timeout(now + SECOND), Expiry::Retransmit);
    assert_eq!(sent(&mut reliable, now + SECOND), [(0, 1, 7)]);
    assert_eq!(reliable.take_acknowledgement(), None, "the retransmission carried it");
}

#[test]
fn acknowledgement_restarts_the_timer() {
    let now = start();
    let mut reliable = near_wrap(4);
    (0..3).for_each(|n| reliable.send(now, vec![n]));
    assert_eq!(sent(&mut reliable, now), [(0xfffe, 0xfffe, 0)]);
    assert!(reliable.acknowledge(now, 0xffff));
    assert_eq!(reliable.poll_timeout(), None);
    assert_eq!(sent(&mut reliable, now), [(0xffff, 0xfffe, 1), (0, 0xfffe, 2)]);
    let later = now + SECOND / 2;
    assert!(reliable.acknowledge(later, 0));
    assert_eq!(reliable.poll_timeout(), Some(later + SECOND));
    assert!(reliable.acknowledge(later, 1));
    assert_eq!(reliable.poll_timeout(), None);
}

#[test]
fn acknowledgements_that_are_old_or_impossible() {
    let now = start();
    let mut reliable = near_wrap(4);
    (0..2).for_each(|n| reliable.send(now, vec![n]));
    assert_eq!(sent(&mut reliable, now).len(), 1);
    assert!(reliable.acknowledge(now, 0xfffd), "old");
    assert!(!reliable.acknowledge(now, 0), "queued, but not sent");
    assert!(!reliable.acknowledge(now, 0x4000));
    assert_eq!(reliable.waiting().len(), 2);
}

#[test]
fn acknowledgement_of_what_was_sent_before_a_timeout() {
    let now = start();
    let mut reliable = Reliable::new(4, 4, 5);
    (0..4).for_each(|n| reliable.send(now, vec![n]));
    sent(&mut reliable, now);
    assert!(reliable.acknowledge(now, 1));
    assert_eq!(sent(&mut reliable, now), [(1, 0, 1), (2, 0, 2)]);
    assert_eq!(reliable.handle_timeout(now + SECOND), Expiry::Retransmit);
    assert_eq!(sent(&mut reliable, now + SECOND), [(1, 0, 1)]);
    assert!(reliable.acknowledge(now + SECOND, 3), "both had arrived");
    assert_eq!(sent(&mut reliable, now + SECOND), [(3, 0, 3)]);
}

#[test]
fn zlb_has_the_next_ns() {
    let now = start();
    let mut reliable = near_wrap(4);
    assert_eq!(reliable.take_acknowledgement(), None);
    assert_eq!(reliable.receive(0xfffe, &[1]), Received::Next);
    assert_eq!(reliable.take_acknowledgement(), Some(Sequence { ns: 0xfffe, nr: 0xffff }));
    assert_eq!(reliable.take_acknowledgement(), None);
    (0..2).for_each(|n| reliable.send(now, vec![n]));
    sent(&mut reliable, now);
    assert_eq!(reliable.receive(0xffff, &[1]), Received::Next);
    assert_eq!(
        reliable.take_acknowledgement(),
        Some(Sequence { ns: 0xffff, nr: 0 }),
        "one sent, one waiting"
    );
}

#[test]
fn duplicates_are_acknowledged_again() {
    let mut reliable = near_wrap(4);
    assert_eq!(reliable.receive(0xfffe, &[1]), Received::Next);
    assert_eq!(reliable.receive(0xffff, &[2]), Received::Next);
    reliable.take_acknowledgement();
    for ns in [0xffff, 0xfffe, 0x8000, 0x8001] {
        assert_eq!(reliable.receive(ns, &[1]), Received::Duplicate, "{ns:#x}");
        assert_eq!(reliable.take_acknowledgement(), Some(Sequence { ns: 0xfffe, nr: 0 }));
    }
}

#[test]
fn overtaking_messages_are_held_within_the_window() {
    let mut reliable = near_wrap(4);
    assert_eq!(reliable.receive(1, &[3]), Received::Held);
    assert_eq!(reliable.receive(0xffff, &[1]), Received::Held);
    assert_eq!(reliable.receive(0xffff, &[1]), Received::Held, "twice");
    assert_eq!(reliable.receive(2, &[4]), Received::Beyond);
    assert_eq!(reliable.receive(0x7ffd, &[4]), Received::Beyond);
    assert_eq!(reliable.receive(0, &[0; 4096]), Received::Beyond, "too long to hold");
    assert_eq!(reliable.take_held(), None);
    assert_eq!(reliable.take_acknowledgement(), None);
    assert_eq!(reliable.receive(0xfffe, &[0]), Received::Next);
    assert_eq!(reliable.take_held(), Some(vec![1]));
    assert_eq!(reliable.take_held(), None, "0 is missing");
    assert_eq!(reliable.receive(0, &[2]), Received::Next);
    assert_eq!(reliable.take_held(), Some(vec![3]));
    assert_eq!(reliable.take_acknowledgement(), Some(Sequence { ns: 0xfffe, nr: 2 }));
}

#[test]
fn postponed_until_something_else_is_to_be_sent() {
    let now = start();
    let mut reliable = Reliable::new(1, 4, 1);
    reliable.send(now, vec![0]);
    sent(&mut reliable, now);
    assert_eq!(reliable.handle_timeout(now + SECOND), Expiry::Retransmit);
    reliable.postpone(now + 60 * SECOND);
    assert_eq!(reliable.handle_timeout(now + 59 * SECOND), Expiry::Early);
    reliable.send(now + 10 * SECOND, vec![1]);
    assert_eq!(reliable.poll_timeout(), Some(now + 11 * SECOND));
    assert_eq!(reliable.handle_timeout(now + 11 * SECOND), Expiry::Retransmit);
    assert_eq!(reliable.handle_timeout(now + 13 * SECOND), Expiry::GaveUp);
}

#[test]
fn a_hurry_passes_over_windows() {
    let now = start();
    let mut reliable = Reliable::new(1, 4, 5);
    (0..3).for_each(|n| reliable.send(now, vec![n]));
    assert_eq!(sent(&mut reliable, now).len(), 1);
    reliable.hurry();
    assert_eq!(sent(&mut reliable, now), [(1, 0, 1), (2, 0, 2)]);
    assert_eq!(reliable.handle_timeout(now + SECOND), Expiry::Retransmit);
    assert_eq!(sent(&mut reliable, now + SECOND).len(), 3);
    assert!(reliable.acknowledge(now + SECOND, 3));
    assert_eq!(reliable.waiting().len(), 0);
}

#[test]
fn abandoned_messages_keep_their_numbers() {
    let now = start();
    let mut reliable = Reliable::new(4, 4, 5);
    (0..3).for_each(|n| reliable.send(now, vec![n]));
    sent(&mut reliable, now);
    reliable.abandon();
    assert_eq!(reliable.poll_timeout(), None);
    assert_eq!(reliable.receive(0, &[1]), Received::Next);
    assert_eq!(reliable.take_acknowledgement(), Some(Sequence { ns: 1, nr: 1 }));
}

/// Two ends across a link that loses, duplicates and reorders, each sending 200 messages across the wrap.
#[test]
fn everything_arrives_once_and_in_order() {
    use rand_core::{Rng, SeedableRng};
    for seed in 0..20 {
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
        let now = start();
        let wrap = 0xffff - 100;
        let make = || Reliable { unacknowledged: wrap, expected: wrap, ..Reliable::new(4, 4, 100) };
        let mut ends = [make(), make()];
        let mut got: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
        let mut link: Vec<(usize, Sequence, Option<Vec<u8>>)> = Vec::new();
        (0..200).for_each(|n| ends.iter_mut().for_each(|end| end.send(now, vec![n])));
        let mut now = now;
        for _ in 0..20_000 {
            for (from, end) in ends.iter_mut().enumerate() {
                end.handle_timeout(now);
                while let Some((sequence, message)) = end.poll_transmit(now) {
                    link.push((1 - from, sequence, Some(message.to_vec())));
                }
                if let Some(sequence) = end.take_acknowledgement() {
                    link.push((1 - from, sequence, None));
                }
            }
            if link.is_empty() {
                now += SECOND;
                continue;
            }
            let index = usize::try_from(rng.next_u64() % 4).unwrap().min(link.len() - 1);
            let (to, sequence, message) = link.remove(index);
            match rng.next_u32() % 10 {
                0 => continue,
                1 => link.push((to, sequence, message.clone())),
                _ => {}
            }
            assert!(ends[to].acknowledge(now, sequence.nr));
            let Some(message) = message else { continue };
            if ends[to].receive(sequence.ns, &message) == Received::Next {
                got[to].push(message[0]);
                while let Some(held) = ends[to].take_held() {
                    got[to].push(held[0]);
                }
            }
        }
        for got in got {
            assert!(got.into_iter().eq(0..200), "seed {seed}");
        }
    }
}
