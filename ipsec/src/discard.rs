//! What the responder throws away, and why.

/// Reason to ignore an IKE message; doubles as a counter's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discard {
    /// Not an ISAKMP message, or payloads that do not parse.
    Malformed,
    /// IKEv2, or something later still.
    Version,
    /// An exchange that nobody here takes part in.
    ExchangeType,
    /// Cookies of no ISAKMP SA and no exchange.
    UnknownCookies,
    /// A second phase before the first is done.
    Early,
    /// In clear where it must be encrypted, or the other way round.
    Unencrypted,
    /// Does not decrypt to payloads, or its hash is not theirs.
    Unauthenticated,
    /// A request being worked on came again.
    Retransmission,
    /// A message of a finished exchange came again.
    Replay,
    /// Fits no state of its exchange.
    Unexpected,
    /// A first message beyond what may be half open; also one that made room for a newer one.
    HalfOpenLimit,
    /// A client never returned our cookie.
    HalfOpenExpired,
    /// Too much arithmetic waiting already: the client will repeat its request.
    JobLimit,
    /// Too many exchanges at once under one ISAKMP SA.
    ExchangeLimit,
    /// A notification that we have no use for.
    Notify,
    /// A piece of a message twice, or of one that is too long or never came whole.
    Fragment,
}

impl Discard {
    const ALL: [Self; 16] = [
        Self::Malformed,
        Self::Version,
        Self::ExchangeType,
        Self::UnknownCookies,
        Self::Early,
        Self::Unencrypted,
        Self::Unauthenticated,
        Self::Retransmission,
        Self::Replay,
        Self::Unexpected,
        Self::HalfOpenLimit,
        Self::HalfOpenExpired,
        Self::JobLimit,
        Self::ExchangeLimit,
        Self::Notify,
        Self::Fragment,
    ];

    /// The counter's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "ike_malformed",
            Self::Version => "ike_version",
            Self::ExchangeType => "ike_exchange_type",
            Self::UnknownCookies => "ike_unknown_cookies",
            Self::Early => "ike_early",
            Self::Unencrypted => "ike_unencrypted",
            Self::Unauthenticated => "ike_unauthenticated",
            Self::Retransmission => "ike_retransmission",
            Self::Replay => "ike_replay",
            Self::Unexpected => "ike_unexpected",
            Self::HalfOpenLimit => "ike_half_open_limit",
            Self::HalfOpenExpired => "ike_half_open_expired",
            Self::JobLimit => "ike_job_limit",
            Self::ExchangeLimit => "ike_exchange_limit",
            Self::Notify => "ike_notify",
            Self::Fragment => "ike_fragment",
        }
    }
}

/// A counter per reason.
#[derive(Clone, Debug, Default)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    pub(crate) fn count(&mut self, reason: Discard) {
        if let Some(counter) = self.0.get_mut(reason as usize) {
            *counter = counter.saturating_add(1);
        }
    }

    /// How often that was the reason.
    pub fn of(&self, reason: Discard) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// Every counter with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Discard::ALL.into_iter().map(|reason| (reason.name(), self.of(reason)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own() {
        for (index, reason) in Discard::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            let mut discards = Discards::default();
            discards.count(reason);
            let counted: Vec<_> = discards.iter().filter(|(_, count)| *count == 1).collect();
            assert_eq!(counted, [(reason.name(), 1)]);
        }
    }
}
