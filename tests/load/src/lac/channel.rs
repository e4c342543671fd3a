//! Reliable delivery of control messages, RFC 2661 §5.8.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::profile::{L2tpProfile, Retransmit};
use crate::resend::{Due, Resend};

/// Sequence numbers, queue and timers of one control connection.
pub(super) struct Channel {
    habit: Retransmit,
    ack_delay: Duration,
    window: usize,
    /// The peer's tunnel id, zero until it is known.
    pub(super) peer_tunnel: u16,
    /// Next to be sent.
    ns: u16,
    /// Next expected.
    nr: u16,
    waiting: VecDeque<Message>,
    unacknowledged: VecDeque<Message>,
    resend: Option<Resend>,
    acknowledge_at: Option<Instant>,
    outgoing: VecDeque<Vec<u8>>,
}

struct Message {
    session: u16,
    ns: u16,
    avps: Vec<u8>,
}

/// What a message with these numbers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next in order.
    New,
    /// One that was taken before, or an acknowledgement alone.
    Old,
    /// One that comes too early.
    Early,
}

impl Channel {
    pub(super) fn new(profile: &L2tpProfile) -> Self {
        Self {
            habit: profile.retransmit.clone(),
            ack_delay: profile.ack_delay,
            window: usize::from(profile.window.max(1)),
            peer_tunnel: 0,
            ns: 0,
            nr: 0,
            waiting: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            resend: None,
            acknowledge_at: None,
            outgoing: VecDeque::new(),
        }
    }

    /// Queues a message and sends it if the window is open.
    pub(super) fn send(&mut self, now: Instant, session: u16, avps: Vec<u8>) {
        self.waiting.push_back(Message { session, ns: 0, avps });
        self.fill_window(now);
    }

    fn fill_window(&mut self, now: Instant) {
        while self.unacknowledged.len() < self.window {
            let Some(mut message) = self.waiting.pop_front() else { return };
            message.ns = self.ns;
            self.ns = self.ns.wrapping_add(1);
            self.outgoing.push_back(self.encode(&message));
            self.unacknowledged.push_back(message);
            // What we send acknowledges what we have.
            self.acknowledge_at = None;
            self.resend.get_or_insert_with(|| Resend::new(now, &self.habit));
        }
    }

    fn encode(&self, message: &Message) -> Vec<u8> {
        let numbers = [self.peer_tunnel, message.session, message.ns, self.nr];
        let length = u16::try_from(message.avps.len() + 12).expect("our own messages are short");
        let head = [0xc802, length].into_iter().chain(numbers).flat_map(u16::to_be_bytes);
        head.chain(message.avps.iter().copied()).collect()
    }

    /// Everything we sent is acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.unacknowledged.is_empty()
    }

    /// Nr of a message whose Ns is `ns` would acknowledge all we sent.
    pub(super) fn next_ns(&self) -> u16 {
        self.ns
    }

    /// Takes the numbers of a message; a ZLB has no `body`.
    pub(super) fn arrive(&mut self, now: Instant, ns: u16, nr: u16, body: bool) -> Arrival {
        self.acknowledge(now, nr);
        if !body {
            return Arrival::Old;
        }
        let ahead = ns.wrapping_sub(self.nr);
        if ahead == 0 {
            self.nr = self.nr.wrapping_add(1);
            self.acknowledge_at.get_or_insert(now + self.ack_delay);
            Arrival::New
        } else if ahead < 0x8000 {
            Arrival::Early
        } else {
            // Our acknowledgement was lost.
            self.acknowledge_at = Some(now);
            Arrival::Old
        }
    }

    fn acknowledge(&mut self, now: Instant, nr: u16) {
        let before = self.unacknowledged.len();
        self.unacknowledged.retain(|message| message.ns.wrapping_sub(nr) < 0x8000);
        if self.unacknowledged.len() != before {
            let rest = !self.unacknowledged.is_empty();
            self.resend = rest.then(|| Resend::new(now, &self.habit));
            self.fill_window(now);
        }
    }

    /// `false` when retransmissions are used up.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        match self.resend.as_mut().map_or(Due::Later, |resend| resend.check(now)) {
            Due::Later => {}
            Due::Again => {
                let again: Vec<Vec<u8>> =
                    self.unacknowledged.iter().map(|message| self.encode(message)).collect();
                self.outgoing.extend(again);
                self.acknowledge_at = None;
            }
            Due::GiveUp => {
                self.resend = None;
                return false;
            }
        }
        self.acknowledge_if_due(now);
        true
    }

    /// Sends a ZLB if one is due.
    pub(super) fn acknowledge_if_due(&mut self, now: Instant) {
        if self.acknowledge_at.is_some_and(|due| now >= due) {
            self.acknowledge_at = None;
            let zlb = Message { session: 0, ns: self.ns, avps: Vec::new() };
            self.outgoing.push_back(self.encode(&zlb));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.resend.as_ref().map(Resend::due).into_iter().chain(self.acknowledge_at).min()
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }
}
