//! An unanswered message and when it goes out again.

use std::time::{Duration, Instant};

use crate::profile::Retransmit;

/// A message that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Resend {
    intervals: std::vec::IntoIter<Duration>,
    due: Instant,
}

/// What a deadline demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet.
    Later,
    /// Send it again.
    Again,
    /// It was sent often enough.
    GiveUp,
}

impl Resend {
    /// Starts the clock for a message sent at `now`.
    pub(crate) fn new(now: Instant, habit: &Retransmit) -> Self {
        let mut intervals = habit.0.clone().into_iter();
        let first = intervals.next().unwrap_or(Duration::ZERO);
        Self { intervals, due: now + first }
    }

    /// When to ask next.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Asks, and moves on to the next interval.
    pub(crate) fn check(&mut self, now: Instant) -> Due {
        if now < self.due {
            return Due::Later;
        }
        let Some(interval) = self.intervals.next() else { return Due::GiveUp };
        self.due = now + interval;
        Due::Again
    }
}
