//! Slow start and congestion avoidance of control messages, RFC 2661 Appendix A.

/// How much may be in flight, RFC 2661 Appendix A.
#[derive(Debug)]
pub(super) enum Pace {
    Windowed {
        /// CWND.
        congestion: u16,
        /// SSTHRESH.
        threshold: u16,
        /// Acknowledgements towards the next increase beyond the threshold.
        credit: u16,
        /// The peer's receive window.
        limit: u16,
    },
    Unlimited,
}

impl Pace {
    pub(super) fn new(limit: u16) -> Self {
        Self::Windowed { congestion: 1, threshold: limit, credit: 0, limit }
    }

    pub(super) fn window(&self) -> u16 {
        match *self {
            Self::Windowed { congestion, limit, .. } => congestion.min(limit),
            Self::Unlimited => u16::MAX,
        }
    }

    pub(super) fn acknowledged(&mut self, messages: u16) {
        let Self::Windowed { congestion, threshold, credit, limit } = self else { return };
        for _ in 0..messages {
            if *congestion >= *limit {
                return;
            }
            *credit = credit.saturating_add(1);
            // Slow start adds one for each acknowledgement, congestion avoidance one for each window of them.
            if congestion < threshold || credit >= congestion {
                *congestion = congestion.saturating_add(1);
                *credit = 0;
            }
        }
    }

    pub(super) fn timed_out(&mut self) {
        if let Self::Windowed { congestion, threshold, credit, .. } = self {
            *threshold = (*congestion / 2).max(1);
            *congestion = 1;
            *credit = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds in which everything admitted is sent and acknowledged.
    fn rounds(pace: &mut Pace, rounds: usize) -> Vec<u16> {
        let round = |_| {
            let window = pace.window();
            pace.acknowledged(window);
            window
        };
        (0..rounds).map(round).collect()
    }

    #[test]
    fn slow_start_up_to_the_peers_window() {
        assert_eq!(rounds(&mut Pace::new(8), 5), [1, 2, 4, 8, 8]);
        assert_eq!(rounds(&mut Pace::new(3), 4), [1, 2, 3, 3]);
        assert_eq!(rounds(&mut Pace::new(1), 2), [1, 1]);
    }

    #[test]
    fn congestion_avoidance_after_a_timeout() {
        let mut pace = Pace::new(8);
        rounds(&mut pace, 4);
        pace.timed_out();
        // Half of eight is the new threshold: doubling up to four, then one more in each round.
        assert_eq!(rounds(&mut pace, 8), [1, 2, 4, 5, 6, 7, 8, 8]);
    }

    #[test]
    fn a_second_timeout() {
        let mut pace = Pace::new(8);
        pace.timed_out();
        pace.timed_out();
        assert_eq!(rounds(&mut pace, 3), [1, 2, 3]);
    }

    #[test]
    fn unlimited_stays_so() {
        let mut pace = Pace::Unlimited;
        pace.timed_out();
        assert_eq!(rounds(&mut pace, 1), [u16::MAX]);
    }
}
