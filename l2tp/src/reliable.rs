//! Reliable delivery of control messages, RFC 2661 §5.8 and Appendix A: sequence numbers, windows,
//! retransmission. Knows nothing of what the messages say.

mod pace;
#[cfg(test)]
mod tests;

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
