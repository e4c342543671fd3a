//! Deadlines in order, so that a tick looks only at what is due.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::esp::Spi;
use crate::isakmp::Cookies;
use crate::path::PeerId;

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Timer {
    /// A main mode has taken too long.
    HalfOpen(Cookies),
    /// Message 4 has not been answered.
    ResendMessage4(Cookies),
    /// An ISAKMP SA's lifetime is over.
    IsakmpSa(Cookies),
    /// Quick mode message 2 has not been answered.
    ResendQuick(Cookies, u32),
    /// A quick mode has taken too long, or is remembered no longer.
    Quick(Cookies, u32),
    /// A pair of ESP SAs' lifetime is all but over, and the client has renewed it by now.
    Renewal(Spi),
    /// It is over.
    EspSa(Spi),
    /// A peer has had no ESP SA for too long.
    Peer(PeerId),
    /// The rest of a message in pieces has not come.
    Fragments(Cookies),
}

/// At most one deadline per timer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets a timer, or moves it.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.stop(timer);
        self.by_time.insert((at, timer));
        self.by_timer.insert(timer, at);
    }

    /// Takes a timer back, if it is set.
    pub(super) fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer that is due.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let &(at, timer) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.stop(timer);
        Some(timer)
    }

    /// How many are set.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_time.len()
    }
}
