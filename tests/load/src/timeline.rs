//! When a client passed each stage of its connection.

use std::time::{Duration, Instant};

/// A stage of a connection, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Main Mode message 1 was sent.
    Message1,
    /// Message 2 arrived.
    Message2,
    /// Message 4 arrived.
    Message4,
    /// Message 6 arrived: phase 1 is done.
    Message6,
    /// Quick Mode message 1 was sent.
    QuickMode1,
    /// Quick Mode message 2 arrived: ESP can flow.
    QuickMode2,
    /// SCCRP arrived.
    Sccrp,
    /// SCCCN was acknowledged.
    ScccnAcknowledged,
    /// ICRP arrived.
    Icrp,
    /// ICCN was acknowledged.
    IccnAcknowledged,
    /// LCP is open on both sides.
    LcpOpen,
    /// A challenge arrived.
    Challenge,
    /// The server accepted the response and proved itself.
    Authenticated,
    /// IPCP is open: the client has its address.
    NetworkUp,
}

/// The stages passed so far, each with the moment it was passed first.
#[derive(Clone, Debug, Default)]
pub struct Timeline(Vec<(Mark, Instant)>);

impl Timeline {
    /// When `mark` was passed.
    pub fn at(&self, mark: Mark) -> Option<Instant> {
        self.0.iter().find(|(found, _)| *found == mark).map(|(_, at)| *at)
    }

    /// The last stage passed.
    pub fn last(&self) -> Option<Mark> {
        self.0.iter().map(|(mark, _)| *mark).max()
    }

    /// From message 1 to the address.
    pub fn total(&self) -> Option<Duration> {
        Some(self.at(Mark::NetworkUp)?.duration_since(self.at(Mark::Message1)?))
    }

    /// Every stage with its distance from the first, in the order they were passed.
    pub fn iter(&self) -> impl Iterator<Item = (Mark, Duration)> + '_ {
        let start = self.0.first().map(|(_, at)| *at);
        self.0.iter().filter_map(move |(mark, at)| Some((*mark, at.duration_since(start?))))
    }

    pub(crate) fn pass(&mut self, mark: Mark, now: Instant) {
        if self.at(mark).is_none() {
            self.0.push((mark, now));
        }
    }
}
