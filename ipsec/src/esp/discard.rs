//! Why a packet for one of our SPIs is let go.

/// An ESP packet that goes no further, RFC 4303 §3.4; each variant is a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EspDiscard {
    /// Too short for header, IV, one block and ICV.
    Short,
    /// The ciphertext is not a whole number of blocks.
    PartialBlock,
    /// Sequence number 0, which no sender uses (§3.3.3).
    SequenceZero,
    /// Older than the replay window.
    TooOld,
    /// A sequence number that was accepted before.
    Replayed,
    /// The integrity check failed: damaged, forged, or of other keys.
    BadIcv,
    /// Authentic, but the pad length reaches beyond the payload, or the padding is not 1, 2, 3, ….
    BadPadding,
    /// Authentic, but neither UDP nor a dummy.
    NextHeader,
    /// A dummy packet, sent to hide when there is traffic (§2.6).
    Dummy,
}

impl EspDiscard {
    /// Every variant, in counter order.
    pub const ALL: [Self; 9] = [
        Self::Short,
        Self::PartialBlock,
        Self::SequenceZero,
        Self::TooOld,
        Self::Replayed,
        Self::BadIcv,
        Self::BadPadding,
        Self::NextHeader,
        Self::Dummy,
    ];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "esp_short",
            Self::PartialBlock => "esp_partial_block",
            Self::SequenceZero => "esp_sequence_zero",
            Self::TooOld => "esp_too_old",
            Self::Replayed => "esp_replayed",
            Self::BadIcv => "esp_bad_icv",
            Self::BadPadding => "esp_bad_padding",
            Self::NextHeader => "esp_next_header",
            Self::Dummy => "esp_dummy",
        }
    }
}

/// How often each [`EspDiscard`] happened.
#[derive(Clone, Debug, Default)]
pub struct EspDiscards([u64; EspDiscard::ALL.len()]);

impl EspDiscards {
    /// Counts one packet.
    pub fn count(&mut self, discard: EspDiscard) {
        self.0[discard as usize] += 1;
    }

    /// How many went that way.
    pub fn of(&self, discard: EspDiscard) -> u64 {
        self.0[discard as usize]
    }

    /// Every counter with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        EspDiscard::ALL.into_iter().map(|discard| (discard.name(), self.of(discard)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_stand_in_the_order_of_the_variants() {
        for (place, discard) in EspDiscard::ALL.into_iter().enumerate() {
            assert_eq!(discard as usize, place);
        }
    }

    #[test]
    fn a_count_shows_under_its_name_only() {
        let mut discards = EspDiscards::default();
        discards.count(EspDiscard::Replayed);
        discards.count(EspDiscard::Replayed);
        let counted: Vec<_> = discards.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [("esp_replayed", 2)]);
    }
}
