//! Deadlines of links and connections in one ordered set: finding the next one never walks the sessions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use ipsec::PeerId;

use crate::datapath::SessionIndex;

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A link's own `poll_timeout`.
    Link(SessionIndex),
    /// The end of a connection whose last tunnel is gone.
    Farewell(PeerId),
    /// Time to see whether a connection has been silent.
    Care(PeerId),
    /// No tunnel has come of native ESP.
    NativeLost(PeerId),
}

/// At most one deadline for each [`Timer`].
#[derive(Debug, Default)]
pub(super) struct Timers {
    ordered: BTreeSet<(Instant, Timer)>,
    deadlines: BTreeMap<Timer, Instant>,
}

impl Timers {
    /// Sets the deadline of `timer`, or clears it.
    pub(super) fn set(&mut self, timer: Timer, deadline: Option<Instant>) {
        let before = match deadline {
            Some(deadline) => self.deadlines.insert(timer, deadline),
            None => self.deadlines.remove(&timer),
        };
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.ordered.remove(&(before, timer));
        }
        if let Some(deadline) = deadline {
            self.ordered.insert((deadline, timer));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.ordered.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out the earliest timer that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (deadline, timer) = *self.ordered.first()?;
        if deadline > now {
            return None;
        }
        self.ordered.pop_first();
        self.deadlines.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keeps_one_deadline_each_and_pops_them_in_order() {
        #[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (a, b) = (Timer::Farewell(PeerId(1)), Timer::Farewell(PeerId(2)));
        let mut timers = Timers::default();
        timers.set(a, Some(at(5)));
        timers.set(b, Some(at(3)));
        timers.set(a, Some(at(1)));
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.pop_due(start), None);
        assert_eq!(timers.pop_due(at(9)), Some(a));
        timers.set(b, None);
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.next(), None);
    }
}
