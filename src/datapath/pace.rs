//! How often something may happen that costs everybody.
//!
//! A bucket as in [`limits`](super::limits), of events instead of bits: `PER_SECOND` of them in the long run, `AT_ONCE` after a pause.

use std::time::{Duration, Instant};

/// How often a client may ask us as its neighbour on the link. Every question costs the control plane an answer, and so everybody else some
/// of its time; an honest client has a handful when it connects and hardly any later.
pub(super) type Questions = Pace<20, 40>;

/// What happened of late.
#[derive(Debug, Default)]
pub(super) struct Pace<const PER_SECOND: u32, const AT_ONCE: u32> {
    /// When it will be as if nothing had happened; it is so from the start.
    forgotten_at: Option<Instant>,
}

impl<const PER_SECOND: u32, const AT_ONCE: u32> Pace<PER_SECOND, AT_ONCE> {
    const GAP: Duration = Duration::from_nanos(1_000_000_000 / PER_SECOND as u64);

    /// Whether it may happen once more at `now`, which it then does.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let admits = self.admits(now);
        if admits {
            self.forgotten_at = Some(self.from(now) + Self::GAP);
        }
        admits
    }

    /// Whether it may happen once more at `now`.
    pub(super) fn admits(&self, now: Instant) -> bool {
        self.from(now).saturating_duration_since(now) <= Self::GAP * (AT_ONCE - 1)
    }

    fn from(&self, now: Instant) -> Instant {
        self.forgotten_at.map_or(now, |forgotten_at| forgotten_at.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
    fn start() -> Instant {
        Instant::now()
    }

    /// How many of `count` are admitted, one each `gap` from `now` on.
    fn admitted(pace: &mut Questions, now: Instant, gap: Duration, count: u32) -> usize {
        (0..count).filter(|number| pace.admit(now + gap * *number)).count()
    }

    #[test]
    fn some_may_come_at_once_and_again_after_a_pause() {
        let now = start();
        let mut pace = Questions::default();
        assert_eq!(admitted(&mut pace, now, Duration::ZERO, 1000), 40);
        assert!(!pace.admit(now + Duration::from_millis(49)));
        assert!(pace.admit(now + Duration::from_millis(50)));
        assert!(!pace.admit(now + Duration::from_millis(99)));
        let later = now + Duration::from_secs(3600);
        assert_eq!(admitted(&mut pace, later, Duration::ZERO, 1000), 40, "a pause saves up no more");
    }

    #[test]
    fn in_the_long_run_it_is_twenty_a_second() {
        let now = start();
        let flood = admitted(&mut Questions::default(), now, Duration::from_millis(1), 60_000);
        assert!((1200..=1240).contains(&flood), "{flood} in a minute");
        let slow = admitted(&mut Questions::default(), now, Duration::from_millis(50), 1200);
        assert_eq!(slow, 1200, "who keeps to it loses nothing");
    }

    #[test]
    fn it_takes_no_more_than_a_time() {
        assert_eq!(size_of::<Questions>(), size_of::<Instant>());
    }
}
