//! Anti-replay window, RFC 4303 §3.4.3, as a ring of words, RFC 6479.

use super::EspDiscard;

/// The sequence number of a packet: never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(pub(super) u32);

/// Which of the last 1024 sequence numbers have been accepted.
///
/// ```text
///          too old  │◀──────────── WIDTH ────────────▶│  new
///   ────────────────┼─────────────────────────────────┼──────────▶ sequence
///                   │  accepted once each      highest│
///
///   word    sequence / 64 mod 17      bit   sequence mod 64
///
///   ┌────┬────┬────┬────┬────┬ ─ ─ ┬────┬────┐  17 words: the window lies in at most 17, so the word that a new highest
///   │ 16 │ 17 │  1 │  2 │  3 │     │ 14 │ 15 │  number enters holds nothing of the window and is cleared as a whole;
///   └────┴────┴────┴────┴────┴ ─ ─ ┴────┴────┘  nothing is ever shifted
///          ▲ highest here: the next word to be cleared is "1"
/// ```
///
/// It is this wide because network cards with many queues, Wi-Fi and GRO reorder more than 64 packets.
#[derive(Clone, Debug)]
pub(super) struct ReplayWindow {
    highest: u32,
    words: [u64; Self::WORDS],
}

impl ReplayWindow {
    /// How many numbers, down from the highest accepted one, can still be accepted.
    pub(super) const WIDTH: u32 = 1024;
    const BITS: u32 = u64::BITS;
    const WORDS: usize = (Self::WIDTH / Self::BITS) as usize + 1;

    pub(super) const fn new() -> Self {
        Self { highest: 0, words: [0; Self::WORDS] }
    }

    /// Whether the number could be accepted. Costs nothing, so it comes before the cryptography.
    pub(super) fn check(&self, sequence: u32) -> Result<Sequence, EspDiscard> {
        if sequence == 0 {
            return Err(EspDiscard::SequenceZero);
        }
        if self.highest.saturating_sub(sequence) >= Self::WIDTH {
            return Err(EspDiscard::TooOld);
        }
        if sequence <= self.highest && self.words[Self::word(sequence)] & Self::bit(sequence) != 0 {
            return Err(EspDiscard::Replayed);
        }
        Ok(Sequence(sequence))
    }

    /// Accepts a number whose packet has proved authentic. It is checked again: the same packet may stand twice in a
    /// batch, and the window may have moved on within it.
    pub(super) fn accept(&mut self, Sequence(sequence): Sequence) -> Result<(), EspDiscard> {
        self.check(sequence)?;
        if sequence > self.highest {
            let entered = self.highest / Self::BITS + 1..=sequence / Self::BITS;
            for block in entered.rev().take(Self::WORDS) {
                self.words[block as usize % Self::WORDS] = 0;
            }
            self.highest = sequence;
        }
        self.words[Self::word(sequence)] |= Self::bit(sequence);
        Ok(())
    }

    /// Whether no higher number has been accepted.
    pub(super) fn is_newest(&self, Sequence(sequence): Sequence) -> bool {
        sequence >= self.highest
    }

    fn word(sequence: u32) -> usize {
        (sequence / Self::BITS) as usize % Self::WORDS
    }

    fn bit(sequence: u32) -> u64 {
        1 << (sequence % Self::BITS)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// Says what RFC 4303 §3.4.3 says, with no regard for space.
    #[derive(Default)]
    struct Model {
        highest: u32,
        seen: HashSet<u32>,
    }

    impl Model {
        fn check(&self, sequence: u32) -> Result<Sequence, EspDiscard> {
            if sequence == 0 {
                Err(EspDiscard::SequenceZero)
            } else if u64::from(sequence) + u64::from(ReplayWindow::WIDTH) <= u64::from(self.highest) {
                Err(EspDiscard::TooOld)
            } else if self.seen.contains(&sequence) {
                Err(EspDiscard::Replayed)
            } else {
                Ok(Sequence(sequence))
            }
        }

        fn accept(&mut self, sequence: u32) {
            self.seen.insert(sequence);
            self.highest = self.highest.max(sequence);
        }
    }

    fn agree(sequences: impl IntoIterator<Item = u32>) {
        let (mut window, mut model) = (ReplayWindow::new(), Model::default());
        for sequence in sequences {
            let expected = model.check(sequence);
            assert_eq!(window.check(sequence), expected, "{sequence} after {}", model.highest);
            assert_eq!(window.accept(Sequence(sequence)).map(|()| Sequence(sequence)), expected);
            if expected.is_ok() {
                model.accept(sequence);
                assert!(window.is_newest(Sequence(model.highest)));
            }
        }
    }

    fn steps() -> impl Strategy<Value = Vec<i64>> {
        let step = prop_oneof![
            8 => -5..=5_i64,
            4 => -70..=70_i64,
            2 => -1100..=1100_i64,
            1 => -3000..=3000_i64,
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn agrees_with_the_model(start: u32, steps in steps()) {
            for start in [1, start, u32::MAX - 2000] {
                let mut at = i64::from(start);
                agree(steps.iter().map(|step| {
                    at = (at + step).clamp(0, i64::from(u32::MAX));
                    u32::try_from(at).unwrap()
                }));
            }
        }

        #[test]
        fn agrees_with_the_model_on_anything(sequences: Vec<u32>) {
            agree(sequences);
        }
    }

    #[test]
    fn every_number_in_order_twice() {
        agree((0..5000).chain(0..5000));
    }

    #[test]
    fn the_oldest_number_in_the_window_is_accepted_and_the_one_before_is_not() {
        for highest in [1024, 1025, 1087, 1088, 1089, 5000, u32::MAX] {
            let mut window = ReplayWindow::new();
            window.accept(Sequence(highest)).unwrap();
            let oldest = highest - ReplayWindow::WIDTH + 1;
            assert_eq!(window.check(oldest), Ok(Sequence(oldest)));
            assert_eq!(
                window.check(oldest - 1),
                Err(if oldest == 1 { EspDiscard::SequenceZero } else { EspDiscard::TooOld })
            );
        }
    }

    #[test]
    fn a_leap_forgets_everything() {
        agree((1..2000).chain([10_000]).chain(8_900..10_100).chain([
            u32::MAX,
            1,
            u32::MAX - 1023,
            u32::MAX - 1024,
        ]));
    }
}
