//! The end that a session has whatever happens, and Time-Remaining, RFC 1570 §2.2.
//!
//! ```text
//!  code 13 │ identifier │ length │ our magic number (4) │ seconds that are left (4)
//! ```
//!
//! A client is told when its packets may flow, and again when the end is near. It is advice: what ends the session is a
//! Terminate-Request.

use std::time::{Duration, Instant};

use super::{Link, Phase};
use crate::packet::{Code, Protocol};
use crate::reason::Reason;

/// When a session ends, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// The moment.
    pub at: Instant,
    /// The reason, for the client and the log.
    pub why: &'static str,
}

impl Link {
    /// Has the session of a client that is in end at a certain time, or not any more; the client is told.
    pub fn limit_session(&mut self, now: Instant, end: Option<SessionEnd>) {
        if self.remaining.map(|remaining| remaining.end()) == end {
            return;
        }
        self.remaining = end.map(Remaining::new);
        if end.is_some_and(|end| end.at > now) {
            self.tell_remaining(now);
        }
        self.check_remaining(now);
    }

    pub(super) fn check_remaining(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Network { .. }) {
            return;
        }
        match self.remaining.as_mut().map(|remaining| remaining.handle_timeout(now)) {
            None | Some(Verdict::Nothing) => {}
            Some(Verdict::Tell(left)) => self.send_remaining(left),
            Some(Verdict::Over(why)) => self.close(now, Reason::Policy(why)),
        }
    }

    /// Tells a client that can do something with its time.
    pub(super) fn tell_remaining(&mut self, now: Instant) {
        if self.is_up()
            && let Some(left) = self.remaining.as_mut().map(|remaining| remaining.tell(now))
        {
            self.send_remaining(left);
        }
    }

    fn send_remaining(&mut self, left: Duration) {
        // Clients that do not know the code may ignore it, or reject it, which ends nothing: RFC 1661 §4.3, RXJ+.
        if self.is_up() {
            let magic = self.lcp.protocol.magic().to_be_bytes();
            // RFC 1570 §2.2: all ones is for ever.
            let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).to_be_bytes();
            let identifier = self.lcp.next_identifier();
            self.wire.send(Protocol::LCP, Code::TIME_REMAINING, identifier, &[magic, seconds].concat());
        }
    }
}

/// A session's end and which of the [`WARNINGS`] are still to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remaining {
    end: SessionEnd,
    warnings: &'static [Duration],
}

/// What the passing of time asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Nothing,
    /// The client is to be told that so much is left.
    Tell(Duration),
    Over(&'static str),
}

impl Remaining {
    pub(super) fn new(end: SessionEnd) -> Self {
        Self { end, warnings: &WARNINGS }
    }

    pub(super) fn end(self) -> SessionEnd {
        self.end
    }

    /// What is left at `now`; the client is told, so that warnings before that are of no use any more.
    pub(super) fn tell(&mut self, now: Instant) -> Duration {
        let left = self.end.at.saturating_duration_since(now);
        while let [first, rest @ ..] = self.warnings
            && left <= *first
        {
            self.warnings = rest;
        }
        left
    }

    pub(super) fn next(&self) -> Instant {
        let warning = self.warnings.first().and_then(|before| self.end.at.checked_sub(*before));
        warning.unwrap_or(self.end.at)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Verdict {
        if now >= self.end.at {
            Verdict::Over(self.end.why)
        } else if now >= self.next() {
            Verdict::Tell(self.tell(now))
        } else {
            Verdict::Nothing
        }
    }
}

/// How long before the end.
const WARNINGS: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(60)];
