//! The arithmetic of logins that waits to be handed out.
//!
//! IKE has its own bounds. A client that has passed it can begin a login as often as it likes, by negotiating its link anew, and each
//! costs us a handshake of TLS: so a session has one of them waiting, the last one that it wanted, and few are handed out at a time,
//! that key exchanges do not queue behind them.

use std::collections::{HashMap, VecDeque};

use crate::datapath::SessionIndex;

#[derive(Debug)]
pub(super) struct Jobs<J = ppp::Job> {
    waiting: HashMap<SessionIndex, J>,
    /// Whose turn it is; may still name sessions that have none any more.
    order: VecDeque<SessionIndex>,
    running: usize,
}

impl<J> Default for Jobs<J> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), running: 0 }
    }
}

impl<J> Jobs<J> {
    /// Takes the place of what the session wanted before, if that still waits.
    pub(super) fn push(&mut self, session: SessionIndex, job: J) {
        if self.waiting.insert(session, job).is_none() {
            self.order.push_back(session);
        }
    }

    /// The next one to be run; none while there are enough under way.
    pub(super) fn pop(&mut self) -> Option<(SessionIndex, J)> {
        while self.running < AT_ONCE {
            let session = self.order.pop_front()?;
            if let Some(job) = self.waiting.remove(&session) {
                self.running += 1;
                return Some((session, job));
            }
        }
        None
    }

    /// One that was handed out has come back.
    pub(super) fn done(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// The session has ended; nobody waits for what it wanted.
    pub(super) fn forget(&mut self, session: SessionIndex) {
        self.waiting.remove(&session);
    }
}

/// As many as keep a few threads busy until the next turn of the event loop: a job takes about a millisecond.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u64) -> SessionIndex {
        (0..number).fold(SessionIndex::MIN, |index, _| index.next())
    }

    #[test]
    fn a_session_has_one_waiting_the_last() {
        let mut jobs = Jobs::default();
        jobs.push(session(1), 'a');
        jobs.push(session(2), 'b');
        jobs.push(session(1), 'c');
        assert_eq!(jobs.pop(), Some((session(1), 'c')));
        assert_eq!(jobs.pop(), Some((session(2), 'b')));
        assert_eq!(jobs.pop(), None);
    }

    #[test]
    fn few_are_out_at_a_time_and_nobody_waits_for_who_has_left() {
        let mut jobs = Jobs::default();
        let count = AT_ONCE as u64 + 2;
        (0..count).for_each(|number| jobs.push(session(number), number));
        jobs.forget(session(0));
        let out: Vec<u64> = std::iter::from_fn(|| jobs.pop()).map(|(_, job)| job).collect();
        assert_eq!(out, (1..count - 1).collect::<Vec<_>>());
        jobs.done();
        assert_eq!(jobs.pop(), Some((session(count - 1), count - 1)));
    }
}
