//! What is dropped without an answer, counted by cause.

use crate::header::Malformed;

/// Why a datagram or message was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discard {
    /// The header does not parse.
    Malformed(Malformed),
    /// It is for a tunnel that does not exist.
    UnknownTunnel,
    /// Tunnel id 0 in something other than SCCRQ or StopCCN, or one of these that names no usable tunnel id.
    Unaddressed,
    /// A retransmission of what is known already (it is acknowledged).
    Duplicate,
    /// Ns is beyond the receive window.
    OutOfWindow,
    /// Nr acknowledges what was never sent (the rest of the message counts).
    BadAcknowledgement,
    /// It is for a session that does not exist.
    UnknownSession,
    /// An unknown message type without the M bit, or a message that means nothing to an LNS.
    Ignored,
    /// It came after the end of the tunnel.
    AfterEnd,
}

impl Discard {
    /// Every cause, in the order of the counters.
    pub const ALL: [Self; 14] = [
        Self::Malformed(Malformed::Truncated),
        Self::Malformed(Malformed::Version),
        Self::Malformed(Malformed::Type),
        Self::Malformed(Malformed::Flags),
        Self::Malformed(Malformed::Length),
        Self::Malformed(Malformed::Offset),
        Self::UnknownTunnel,
        Self::Unaddressed,
        Self::Duplicate,
        Self::OutOfWindow,
        Self::BadAcknowledgement,
        Self::UnknownSession,
        Self::Ignored,
        Self::AfterEnd,
    ];

    /// Names the cause for a counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.name(),
            Self::UnknownTunnel => "l2tp_unknown_tunnel",
            Self::Unaddressed => "l2tp_unaddressed",
            Self::Duplicate => "l2tp_duplicate",
            Self::OutOfWindow => "l2tp_out_of_window",
            Self::BadAcknowledgement => "l2tp_bad_acknowledgement",
            Self::UnknownSession => "l2tp_unknown_session",
            Self::Ignored => "l2tp_ignored",
            Self::AfterEnd => "l2tp_after_end",
        }
    }
}

/// How often each [`Discard`] happened.
#[derive(Clone, Default, Debug)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    /// The count of one cause.
    pub fn count(&self, discard: Discard) -> u64 {
        Discard::ALL.iter().zip(self.0).find(|(cause, _)| **cause == discard).map_or(0, |(_, count)| count)
    }

    /// Every cause by name, with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Discard::ALL.iter().zip(self.0).map(|(discard, count)| (discard.name(), count))
    }

    pub(crate) fn add(&mut self, discard: Discard) {
        let counters = Discard::ALL.iter().zip(&mut self.0);
        for (_, count) in counters.filter(|(cause, _)| **cause == discard) {
            *count = count.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_counter_and_name() {
        let mut discards = Discards::default();
        for (times, discard) in Discard::ALL.into_iter().enumerate() {
            (0..=times).for_each(|_| discards.add(discard));
        }
        let counts: Vec<u64> = discards.iter().map(|(_, count)| count).collect();
        assert!(counts.iter().copied().eq(1..=14));
        assert_eq!(discards.count(Discard::AfterEnd), 14);
        let names: std::collections::BTreeSet<_> = discards.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), Discard::ALL.len());
    }
}
