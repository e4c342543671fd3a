//! What is common to all of CHAP, RFC 1994: the packets, and the Challenge that is repeated until there is a Response.
//!
//! ```text
//!  Challenge, Response │ value size │ value │ name
//!  Success, Failure    │ text
//! ```

pub(crate) mod md5;

use std::time::{Duration, Instant};

use super::Outcome;
use crate::automaton::RESTART_INTERVAL;
use crate::config::Config;
use crate::packet::{self, Code, Packet, Protocol};
use crate::reason::Reason;
use crate::wire::Wire;

/// A Challenge that is out, §4.1.
pub(crate) struct Challenge {
    value: [u8; CHALLENGE_LENGTH],
    identifier: u8,
    frame: Vec<u8>,
    resends: usize,
    resend_at: Instant,
}

impl Challenge {
    pub(crate) fn send(now: Instant, config: &Config, wire: &mut Wire) -> Self {
        let value = wire.bytes();
        let [identifier] = wire.bytes();
        let mut data = vec![CHALLENGE_LENGTH as u8];
        data.extend(value);
        data.extend(config.server_name.as_bytes());
        let frame = packet::encode(Protocol::CHAP, CHALLENGE, identifier, &data);
        wire.repeat(&frame);
        Self { value, identifier, frame, resends: 0, resend_at: now + RESTART_INTERVAL }
    }

    pub(crate) fn value(&self) -> [u8; CHALLENGE_LENGTH] {
        self.value
    }

    pub(crate) fn identifier(&self) -> u8 {
        self.identifier
    }

    pub(crate) fn repeat(&self, wire: &mut Wire) {
        wire.repeat(&self.frame);
    }

    /// Repeats the Challenge when it is time, until there is no point any more.
    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Outcome {
        if now >= self.resend_at {
            let Some(interval) = RESEND_INTERVALS.get(self.resends) else {
                return Outcome::Failed(Reason::AuthTimeout);
            };
            self.resends += 1;
            self.resend_at = now + *interval;
            self.repeat(wire);
        }
        Outcome::Waiting
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.resend_at
    }
}

/// The identity of a packet that was answered: §4.2 wants the same answer for the same Response.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) code: Code,
    pub(crate) identifier: u8,
    data: Vec<u8>,
}

impl Answered {
    /// Whether a packet with that identifier answers the answer. RFC 2759 §6: it has the next one; some clients keep the old
    /// one.
    pub(crate) fn is_followed_by(&self, identifier: u8) -> bool {
        [self.identifier, self.identifier.wrapping_add(1)].contains(&identifier)
    }
}

impl From<Packet<'_>> for Answered {
    fn from(packet: Packet<'_>) -> Self {
        Self { code: packet.code, identifier: packet.identifier, data: packet.data.to_vec() }
    }
}

const CHALLENGE: Code = Code(1);
pub(crate) const RESPONSE: Code = Code(2);
pub(crate) const SUCCESS: Code = Code(3);
pub(crate) const FAILURE: Code = Code(4);

/// RFC 2759 §3 wants sixteen octets, and for MD5 §4.1 of RFC 1994 recommends as many as the hash has.
const CHALLENGE_LENGTH: usize = 16;

/// How long the Challenge, resent, waits for a Response: 57 s with the first one's three, then we give up.
const RESEND_INTERVALS: [Duration; 5] = [
    Duration::from_secs(6),
    Duration::from_secs(12),
    Duration::from_secs(12),
    Duration::from_secs(12),
    Duration::from_secs(12),
];
