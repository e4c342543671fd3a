//! How often a client may ask us as its neighbour on the link. Every question costs the control plane an answer, and so everybody else
//! some of its time; an honest client has a handful when it connects and hardly any later.
//!
//! A bucket as in [`limits`](super::limits), of packets instead of bits.

use std::time::{Duration, Instant};

/// What one session has asked of late.
#[derive(Debug)]
pub(super) struct Questions {
    /// When it will be as if it had not asked anything.
    forgotten_at: Instant,
}

impl Questions {
    pub(super) fn new(now: Instant) -> Self {
        Self { forgotten_at: now }
    }

    /// Whether one more may be asked at `now`, which is taken.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let from = self.forgotten_at.max(now);
        if from.saturating_duration_since(now) > GAP * (AT_ONCE - 1) {
            return false;
        }
        self.forgotten_at = from + GAP;
        true
    }
}

/// Between questions in the long run: twenty a second.
const GAP: Duration = Duration::from_millis(50);
/// After a pause.
const AT_ONCE: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    /// How many of `count` questions are admitted, one each `gap` from `now` on.
    fn admitted(questions: &mut Questions, now: Instant, gap: Duration, count: u32) -> usize {
        (0..count).filter(|number| questions.admit(now + gap * *number)).count()
    }

    #[test]
    fn some_may_come_at_once_and_again_after_a_pause() {
        let now = start();
        let mut questions = Questions::new(now);
        assert_eq!(admitted(&mut questions, now, Duration::ZERO, 1000), 40);
        assert!(!questions.admit(now + Duration::from_millis(49)));
        assert!(questions.admit(now + Duration::from_millis(50)));
        assert!(!questions.admit(now + Duration::from_millis(99)));
        let later = now + Duration::from_secs(3600);
        assert_eq!(admitted(&mut questions, later, Duration::ZERO, 1000), 40, "a pause saves up no more");
    }

    #[test]
    fn in_the_long_run_it_is_twenty_a_second() {
        let now = start();
        let flood = admitted(&mut Questions::new(now), now, Duration::from_millis(1), 60_000);
        assert!((1200..=1240).contains(&flood), "{flood} in a minute");
        let slow = admitted(&mut Questions::new(now), now, Duration::from_millis(50), 1200);
        assert_eq!(slow, 1200, "who keeps to it loses nothing");
    }
}
