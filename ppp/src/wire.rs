//! What the layers of one link share: the way to the peer, randomness, and the counters of what was discarded.

use std::collections::VecDeque;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::packet::{self, Code, Malformed, Protocol};

pub(crate) struct Wire {
    frames: VecDeque<Vec<u8>>,
    /// What the next randomness comes from; used once.
    seed: [u8; 32],
    /// Boxed because most links have none.
    discards: Option<Box<Discards>>,
}

impl Wire {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { frames: VecDeque::new(), seed, discards: None }
    }

    pub(crate) fn send(&mut self, protocol: Protocol, code: Code, identifier: u8, data: &[u8]) {
        self.frames.push_back(packet::encode(protocol, code, identifier, data));
    }

    /// Sends a frame that was sent before.
    pub(crate) fn repeat(&mut self, frame: &[u8]) {
        self.frames.push_back(frame.to_vec());
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        pop_or_free(&mut self.frames)
    }

    pub(crate) fn discard(&mut self, discard: Discard) {
        let count = &mut self.discards.get_or_insert_default().0[discard as usize];
        *count = count.saturating_add(1);
    }

    pub(crate) fn take_discards(&mut self) -> Option<Box<Discards>> {
        self.discards.take()
    }

    /// A magic number; never zero, which means "none" (RFC 1661 §6.4).
    pub(crate) fn magic(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes()).max(1)
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        // A generator's state would be most of what a link holds, for three draws in its life.
        let mut random = ChaCha20Rng::from_seed(self.seed);
        let mut bytes = [0; N];
        random.fill_bytes(&mut self.seed);
        random.fill_bytes(&mut bytes);
        bytes
    }
}

/// Takes the first of a queue; one that is found empty gives its memory back, for it is empty most of a link's life.
pub(crate) fn pop_or_free<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front();
    if first.is_none() {
        *queue = VecDeque::new();
    }
    first
}

/// Why a frame had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// The frame or packet ends before its fixed part does.
    Truncated,
    /// Address and control octets are not ff 03.
    Address,
    /// The protocol field is even.
    Protocol,
    /// A length field does not fit the packet.
    Length,
    /// An option's length field does not fit the packet.
    Option,
    /// Not allowed in the link's present phase, RFC 1661 §3.4, §3.5.
    Phase,
    /// IPv4 data given to the link, or data before IPCP is opened, RFC 1661 §3.6.
    Data,
    /// An answer to no outstanding request of ours.
    Identifier,
    /// An Ack that differs from our request, or a Reject of what we did not ask for.
    Answer,
    /// A code that has no meaning here.
    Code,
    /// A magic number that is neither the peer's nor zero.
    Magic,
    /// A Response while the verdict on the same one is awaited, or after the last word was spoken.
    Response,
}

impl Discard {
    const ALL: [Self; 12] = [
        Self::Truncated,
        Self::Address,
        Self::Protocol,
        Self::Length,
        Self::Option,
        Self::Phase,
        Self::Data,
        Self::Identifier,
        Self::Answer,
        Self::Code,
        Self::Magic,
        Self::Response,
    ];

    /// The counter's name in status and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "ppp_truncated",
            Self::Address => "ppp_address",
            Self::Protocol => "ppp_protocol",
            Self::Length => "ppp_length",
            Self::Option => "ppp_option",
            Self::Phase => "ppp_phase",
            Self::Data => "ppp_data",
            Self::Identifier => "ppp_identifier",
            Self::Answer => "ppp_answer",
            Self::Code => "ppp_code",
            Self::Magic => "ppp_magic",
            Self::Response => "ppp_response",
        }
    }
}

impl From<Malformed> for Discard {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::Truncated => Self::Truncated,
            Malformed::Address => Self::Address,
            Malformed::Protocol => Self::Protocol,
            Malformed::Length => Self::Length,
            Malformed::Option => Self::Option,
        }
    }
}

/// How many frames were discarded, by cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discards([u64; Discard::ALL.len()]);

impl Discards {
    /// The count of one cause.
    pub fn count(&self, discard: Discard) -> u64 {
        self.0[discard as usize]
    }

    /// Every cause's name with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Discard::ALL.into_iter().map(|discard| (discard.name(), self.count(discard)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_is_its_own() {
        for (index, discard) in Discard::ALL.into_iter().enumerate() {
            assert_eq!(discard as usize, index);
            let mut wire = Wire::new([0; 32]);
            wire.discard(discard);
            let discards = wire.take_discards().expect("one");
            assert_eq!(discards.iter().filter(|&(_, count)| count == 1).count(), 1);
            assert_eq!(discards.count(discard), 1);
            assert_eq!(wire.take_discards(), None);
        }
    }

    #[test]
    fn links_differ_by_their_seed() {
        assert_ne!(Wire::new([1; 32]).magic(), Wire::new([2; 32]).magic());
        assert_ne!(Wire::new([1; 32]).bytes::<16>(), Wire::new([2; 32]).bytes::<16>());
    }
}
