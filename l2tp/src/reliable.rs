//! Reliable delivery of control messages, RFC 2661 §5.8 and Appendix A: sequence numbers, windows,
//! retransmission. Knows nothing of what the messages say.

mod pace;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use self::pace::Pace;

/// Both directions of one control connection's sequence.
#[derive(Debug)]
pub(crate) struct Reliable {
    /// Ns of the front of `queue`.
    unacknowledged: u16,
    /// Messages not yet acknowledged, sent or not.
    queue: VecDeque<Vec<u8>>,
    /// How many of `queue` are in flight.
    in_flight: u16,
    /// How many of `queue` have been in flight at least once; their Ns may be acknowledged.
    reached: u16,
    pace: Pace,
    retry: Retry,
    max_retransmissions: u32,

    /// Ns of the next message in order: the Nr that we send.
    expected: u16,
    receive_window: u16,
    /// Messages that overtook others, by Ns.
    ahead: BTreeMap<u16, Vec<u8>>,
    acknowledgement_due: bool,
}

/// The sequence numbers to send with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sequence {
    pub(crate) ns: u16,
    pub(crate) nr: u16,
}

/// What a received Ns means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// The next one: to be handled now, and then whatever [`Reliable::take_held`] has.
    Next,
    /// Known already; an acknowledgement is due (RFC 2661 §5.8).
    Duplicate,
    /// It overtook others and is held.
    Held,
    /// Beyond the window.
    Beyond,
}

/// What the retransmission timer has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expiry {
    /// It is not time yet.
    Early,
    /// The oldest message is to be sent again.
    Retransmit,
    /// The peer has not answered for a full cycle.
    GaveUp,
}

impl Reliable {
    pub(crate) fn new(peer_window: u16, receive_window: u16, max_retransmissions: u32) -> Self {
        Self {
            unacknowledged: 0,
            queue: VecDeque::new(),
            in_flight: 0,
            reached: 0,
            pace: Pace::new(peer_window),
            retry: Retry::Idle,
            max_retransmissions,
            expected: 0,
            receive_window,
            ahead: BTreeMap::new(),
            acknowledgement_due: false,
        }
    }

    /// Takes a message into the queue; [`Self::poll_transmit`] decides when it goes.
    pub(crate) fn send(&mut self, now: Instant, message: Vec<u8>) {
        self.queue.push_back(message);
        // A message must not wait behind one whose retransmission was postponed.
        if matches!(self.retry, Retry::Postponed { .. }) {
            self.retry = Retry::first(now);
        }
    }

    /// Hands out the next message that the windows admit.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<(Sequence, &[u8])> {
        if self.in_flight >= self.pace.window() {
            return None;
        }
        let message = self.queue.get(usize::from(self.in_flight))?;
        let sequence = Sequence { ns: self.unacknowledged.wrapping_add(self.in_flight), nr: self.expected };
        self.in_flight = self.in_flight.saturating_add(1);
        self.reached = self.reached.max(self.in_flight);
        self.acknowledgement_due = false; // Every message carries Nr.
        if matches!(self.retry, Retry::Idle) {
            self.retry = Retry::first(now);
        }
        Some((sequence, message))
    }

    /// The sequence numbers of the ZLB that is due, if nothing sent since has carried the acknowledgement.
    pub(crate) fn take_acknowledgement(&mut self) -> Option<Sequence> {
        // RFC 2661 §5.8: a ZLB has the Ns of the next message, but does not use it up.
        let ns = self.unacknowledged.wrapping_add(self.reached);
        std::mem::take(&mut self.acknowledgement_due).then_some(Sequence { ns, nr: self.expected })
    }

    /// Takes a received Nr. False if it acknowledges what was never sent.
    pub(crate) fn acknowledge(&mut self, now: Instant, nr: u16) -> bool {
        let acknowledged = nr.wrapping_sub(self.unacknowledged);
        if acknowledged == 0 || acknowledged >= OLD {
            return true; // Nothing new, or a message that was overtaken.
        }
        if acknowledged > self.reached {
            return false;
        }
        self.queue.drain(..usize::from(acknowledged));
        if self.queue.is_empty() {
            // And so it is most of the time: its memory is for others.
            self.queue = VecDeque::new();
        }
        self.unacknowledged = nr;
        self.in_flight = self.in_flight.saturating_sub(acknowledged);
        self.reached = self.reached.saturating_sub(acknowledged);
        self.pace.acknowledged(acknowledged);
        self.retry = if self.in_flight == 0 { Retry::Idle } else { Retry::first(now) };
        true
    }

    /// Takes a received Ns; the message itself is kept only if it overtook others.
    pub(crate) fn receive(&mut self, ns: u16, message: &[u8]) -> Received {
        let distance = ns.wrapping_sub(self.expected);
        if distance == 0 {
            self.advance();
            Received::Next
        } else if distance >= OLD {
            self.acknowledgement_due = true;
            Received::Duplicate
        } else if distance < self.receive_window && message.len() <= MAX_HELD_LEN {
            self.ahead.insert(ns, message.to_vec());
            Received::Held
        } else {
            Received::Beyond
        }
    }

    /// Takes a held message that is now the next one.
    pub(crate) fn take_held(&mut self) -> Option<Vec<u8>> {
        let message = self.ahead.remove(&self.expected)?;
        self.advance();
        Some(message)
    }

    fn advance(&mut self) {
        self.expected = self.expected.wrapping_add(1);
        self.acknowledgement_due = true;
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Expiry {
        let (at, interval, retransmissions) = match self.retry {
            Retry::Idle => return Expiry::Early,
            Retry::Armed { at, interval, retransmissions } => (at, interval, retransmissions),
            Retry::Postponed { at } => (at, FIRST_INTERVAL, 0),
        };
        if now < at {
            return Expiry::Early;
        }
        if retransmissions >= self.max_retransmissions {
            return Expiry::GaveUp;
        }
        let interval = interval.saturating_mul(2).min(MAX_INTERVAL);
        self.retry =
            Retry::Armed { at: now + interval, interval, retransmissions: retransmissions.saturating_add(1) };
        self.in_flight = 0;
        self.pace.timed_out();
        Expiry::Retransmit
    }

    /// Starts the retransmission cycle afresh, at a later time or when there is more to send.
    pub(crate) fn postpone(&mut self, at: Instant) {
        self.retry = Retry::Postponed { at };
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.retry {
            Retry::Idle => None,
            Retry::Armed { at, .. } | Retry::Postponed { at } => Some(at),
        }
    }

    /// Lets the last messages go regardless of windows.
    ///
    /// Deviates from RFC 2661 §5.8 so that a goodbye does not wait behind a message that the peer has received but
    /// never acknowledges (HELLO to Android 9 and 10, whose window is 1).
    pub(crate) fn hurry(&mut self) {
        self.pace = Pace::Unlimited;
    }

    /// Forgets what was to be sent; the receiving half goes on.
    pub(crate) fn abandon(&mut self) {
        self.unacknowledged = self.unacknowledged.wrapping_add(self.reached);
        self.queue.clear();
        self.in_flight = 0;
        self.reached = 0;
        self.retry = Retry::Idle;
        self.ahead.clear();
    }

    /// Messages not yet acknowledged, oldest first.
    pub(crate) fn waiting(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.queue.iter().map(Vec::as_slice)
    }

    /// How many messages have been received in order, modulo 2^16.
    pub(crate) fn received(&self) -> u16 {
        self.expected
    }
}

/// When to send again, RFC 2661 §5.8: one second, doubled each time up to eight.
#[derive(Clone, Copy, Debug)]
enum Retry {
    Idle,
    Armed { at: Instant, interval: Duration, retransmissions: u32 },
    Postponed { at: Instant },
}

impl Retry {
    fn first(now: Instant) -> Self {
        Self::Armed { at: now + FIRST_INTERVAL, interval: FIRST_INTERVAL, retransmissions: 0 }
    }
}

/// How long a peer may go on retransmitting: what [`Retry`] makes of the given number of retransmissions.
pub(crate) fn full_cycle(max_retransmissions: u32) -> Duration {
    let mut interval = FIRST_INTERVAL;
    let mut total = interval;
    for _ in 0..max_retransmissions {
        interval = interval.saturating_mul(2).min(MAX_INTERVAL);
        total = total.saturating_add(interval);
    }
    total
}

const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// RFC 2661 §5.8: a cap MUST NOT be below eight seconds.
const MAX_INTERVAL: Duration = Duration::from_secs(8);
/// RFC 2661 §5.8: the preceding 32767 values count as already received.
const OLD: u16 = 0x8000;
/// Larger messages that overtake others are left to the peer's retransmission.
const MAX_HELD_LEN: usize = 2048;

#[cfg(test)]
mod tests {
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
}
