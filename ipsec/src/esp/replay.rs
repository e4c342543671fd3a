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
