//! When to ask a silent client whether it is still there, RFC 1661 §5.8.
//!
//! Any frame is a sign of life, data included: who is sending is never asked. Clients that sleep, or that do not
//! answer echoes while their radio is off, are given time.

use std::time::{Duration, Instant};

pub(crate) struct Liveness {
    last_inbound: Instant,
    last_echo: Instant,
    unanswered: u32,
}

/// What the passing of time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    Ask,
    Dead,
}

impl Liveness {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last_inbound: now, last_echo: now, unanswered: 0 }
    }

    pub(crate) fn note_inbound(&mut self, now: Instant) {
        self.last_inbound = now;
        self.unanswered = 0;
    }

    pub(crate) fn next(&self, interval: Duration) -> Instant {
        self.last_inbound.max(self.last_echo) + interval
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, interval: Duration, failures: u32) -> Verdict {
        if now < self.next(interval) {
            Verdict::Alive
        } else if self.unanswered < failures {
            self.last_echo = now;
            self.unanswered += 1;
            Verdict::Ask
        } else {
            Verdict::Dead
        }
    }
}
