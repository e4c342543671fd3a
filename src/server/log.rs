//! Lines for the operator: who, what, why, in words.

use std::{
    fmt,
    time::{Duration, Instant},
};

use ipsec::PeerId;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever takes a connection apart.
    Debug,
    /// A connection begins, is up, ends.
    Info,
    /// Somebody was refused, or something needs the operator.
    Warn,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The connection that it is about; its id opens the line.
    pub peer: Option<PeerId>,
    /// What happened.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{peer} {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// How many lines strangers can cause: a forged message 1 costs its sender nothing, a line costs the operator disk and sight.
#[derive(Debug)]
pub(super) struct Throttle {
    /// When the second began whose lines are counted, and how many were written in it.
    window: Instant,
    written: u32,
    /// How many were not, and when it is time to say so.
    withheld: u32,
    tell: Instant,
}

impl Throttle {
    const LINES: u32 = 20;
    const WINDOW: Duration = Duration::from_secs(1);

    pub(super) const fn new(now: Instant) -> Self {
        Self { window: now, written: 0, withheld: 0, tell: now }
    }

    /// Whether one more line may be written at `now`.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.window) >= Self::WINDOW {
            (self.window, self.written) = (now, 0);
        }
        let admitted = self.written < Self::LINES;
        if admitted {
            self.written += 1;
        } else {
            if self.withheld == 0 {
                self.tell = self.window + Self::WINDOW;
            }
            self.withheld += 1;
        }
        admitted
    }

    /// When [`Self::take_withheld`] has something to tell: however soon the next lines come, they do not put it off.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.withheld > 0).then_some(self.tell)
    }

    /// How many lines were withheld, once their second is over; told once.
    pub(super) fn take_withheld(&mut self, now: Instant) -> u32 {
        if now < self.tell {
            return 0;
        }
        std::mem::take(&mut self.withheld)
    }
}

/// A duration as people read it: `1h02m03s`, `2m03s`, `3.4s`, `56ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readable(pub(crate) Duration);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        match (hours, minutes) {
            (0, 0) if seconds == 0 => write!(f, "{}ms", self.0.as_millis()),
            (0, 0) => write!(f, "{seconds}.{}s", self.0.subsec_millis() / 100),
            (0, minutes) => write!(f, "{minutes}m{:02}s", seconds % 60),
            (hours, minutes) => write!(f, "{hours}h{minutes:02}m{:02}s", seconds % 60),
        }
    }
}

/// A number of bytes with its unit, in powers of 1000: `1.2 MB`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
        match units.into_iter().find(|(unit, _)| self.0 >= *unit) {
            Some((unit, name)) => write!(f, "{}.{} {name}", self.0 / unit, self.0 % unit / (unit / 10)),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_throttle_lets_some_lines_through_and_counts_the_rest() {
        #[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        assert_eq!((0..100).filter(|_| throttle.admit(start)).count(), 20);
        assert_eq!(throttle.take_withheld(start), 0, "its second is not over");
        let later = start + Duration::from_secs(1);
        assert_eq!(throttle.deadline(), Some(later));
        assert_eq!(throttle.take_withheld(later), 80);
        assert_eq!(throttle.take_withheld(later), 0);
        assert_eq!(throttle.deadline(), None);
        assert!(throttle.admit(later));
    }

    #[test]
    fn lines_of_the_next_second_do_not_put_off_what_is_told_of_the_last() {
        #[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        assert_eq!((0..21).filter(|_| throttle.admit(start)).count(), 20);
        let later = start + Duration::from_secs(1);
        assert!(throttle.admit(later), "its first line comes before the timer is looked at");
        assert_eq!(throttle.deadline(), Some(later));
        assert_eq!(throttle.take_withheld(later), 1);
    }

    #[test]
    fn durations_read_well() {
        let text = |millis| Readable(Duration::from_millis(millis)).to_string();
        assert_eq!(text(56), "56ms");
        assert_eq!(text(3_456), "3.4s");
        assert_eq!(text(123_000), "2m03s");
        assert_eq!(text(3_723_000), "1h02m03s");
    }

    #[test]
    fn bytes_read_well() {
        let text = |bytes| Bytes(bytes).to_string();
        assert_eq!(text(999), "999 B");
        assert_eq!(text(1_250_000), "1.2 MB");
        assert_eq!(text(104_857_600), "104.8 MB");
        assert_eq!(text(7_000_000_000), "7.0 GB");
    }
}
