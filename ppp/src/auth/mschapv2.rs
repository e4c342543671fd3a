//! The authenticator's side of MS-CHAPv2, RFC 2759, in the packets of CHAP.
//!
//! ```text
//!  Challenge                                    Failure, with the next challenge
//!      │                                              ▲            │
//!      ▼            Response                          │ 691        ▼ Response, while attempts are left
//!  Challenged ──────────────────► Deciding ───────────┴──────► Refused
//!                                    │
//!                                    ├── Success ──► Accepted
//!                                    └── Failure ──► Failed
//! ```

pub(crate) mod hash;
pub(crate) mod message;
pub(crate) mod proof;

use std::time::Instant;

use super::chap::{Answered, Challenge, FAILURE, RESPONSE, SUCCESS};
use super::{Accept, AuthRequest, Evidence, Method, Outcome, Proof, Verdict};
use crate::config::Config;
use crate::packet::{self, Packet, Protocol};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};
pub use hash::NtHash;
pub use proof::MsChapV2Proof;
use proof::VALUE_LENGTH;

/// One client's authentication, from the first Challenge to the last word.
pub(crate) struct Authenticator {
    state: State,
    /// How often this client was refused, on this link.
    refusals: u32,
    /// How often it may be.
    attempts: u32,
}

enum State {
    /// The Challenge is out.
    Challenged(Challenge),
    /// The owner is thinking about this Response.
    Deciding { name: Vec<u8>, challenge: [u8; 16], response: Answered },
    /// The client was refused and may try again, with the new challenge in the Failure.
    Refused { challenge: [u8; 16], answered: Answered, failure: Vec<u8>, reason: Reason },
    /// The client is in; whoever repeats the Response did not hear so.
    Accepted { answered: Answered, success: Vec<u8> },
    /// The client was refused for good.
    Failed,
}

impl Authenticator {
    /// Sends the first Challenge to a client that was refused `refusals` times before it renegotiated.
    pub(crate) fn challenge(now: Instant, config: &Config, refusals: u32, wire: &mut Wire) -> Self {
        let challenge = Challenge::send(now, config, wire);
        Self { state: State::Challenged(challenge), refusals, attempts: config.auth_attempts }
    }

    pub(crate) fn handle_packet(&mut self, packet: Packet<'_>, wire: &mut Wire) -> Outcome {
        if packet.code != RESPONSE {
            wire.discard(Discard::Code);
            return Outcome::Waiting;
        }
        let response = Answered::from(packet);
        let challenge = match &self.state {
            State::Challenged(challenge) if challenge.identifier() == response.identifier => {
                challenge.value()
            }
            // RFC 1994 §4.2: a repeated Response gets the answer that the first one got.
            State::Refused { answered, failure: frame, .. }
            | State::Accepted { answered, success: frame }
                if *answered == response =>
            {
                wire.repeat(frame);
                return Outcome::Waiting;
            }
            // RFC 2759 §6: the next Response has the next identifier; some clients keep the old one.
            State::Refused { challenge, answered, .. }
                if [answered.identifier, answered.identifier.wrapping_add(1)]
                    .contains(&response.identifier) =>
            {
                *challenge
            }
            State::Challenged(_) | State::Refused { .. } => {
                wire.discard(Discard::Identifier);
                return Outcome::Waiting;
            }
            State::Deciding { .. } | State::Accepted { .. } | State::Failed => {
                wire.discard(Discard::Response);
                return Outcome::Waiting;
            }
        };
        let Some(proof) = parse_response(packet.data, challenge) else {
            wire.discard(Discard::Length);
            return Outcome::Waiting;
        };
        let name = proof.name().to_vec();
        self.state = State::Deciding { name: name.clone(), challenge, response };
        Outcome::Asking(AuthRequest { name, method: Method::MsChapV2, proof: Proof::MsChapV2(proof) })
    }

    pub(crate) fn handle_verdict(&mut self, verdict: Verdict, wire: &mut Wire) -> Outcome {
        let State::Deciding { name, challenge, response } = &self.state else { return Outcome::Waiting };
        match verdict {
            Verdict::Accept(accept) => {
                let Accept { verified, message, addressing } = *accept;
                // A verdict on an earlier request: this link renegotiated in the meantime.
                let Some(authenticator_response) = verified.on(challenge).and_then(Evidence::mschapv2) else {
                    return Outcome::Waiting;
                };
                let text = message::success(authenticator_response, &message);
                let success = packet::encode(Protocol::CHAP, SUCCESS, response.identifier, text.as_bytes());
                wire.repeat(&success);
                self.state = State::Accepted { answered: response.clone(), success };
                Outcome::Accepted(addressing)
            }
            Verdict::Reject(reject) => {
                self.refusals += 1;
                let challenge = wire.bytes();
                // Only a password can be typed better. The other codes say that the account is not to log in; and
                // "expired" with a retry would bring a Change-Password packet (§7), which we do not speak.
                let last = reject.code != WRONG_PASSWORD || self.refusals >= self.attempts;
                let text = message::failure(&reject, !last, &challenge);
                let failure = packet::encode(Protocol::CHAP, FAILURE, response.identifier, text.as_bytes());
                wire.repeat(&failure);
                let name = printable(name);
                let reason = Reason::AuthFailed { name, code: reject.code, attempts: self.refusals };
                if last {
                    self.state = State::Failed;
                    return Outcome::Failed(reason);
                }
                self.state = State::Refused { challenge, answered: response.clone(), failure, reason };
                Outcome::Refused
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Outcome {
        match &mut self.state {
            State::Challenged(challenge) => challenge.handle_timeout(now, wire),
            State::Deciding { .. } | State::Refused { .. } | State::Accepted { .. } | State::Failed => {
                Outcome::Waiting
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Challenged(challenge) => Some(challenge.poll_timeout()),
            State::Deciding { .. } | State::Refused { .. } | State::Accepted { .. } | State::Failed => None,
        }
    }

    /// The client cannot have heard our last packet: says it again.
    pub(crate) fn repeat(&self, wire: &mut Wire) {
        match &self.state {
            State::Challenged(challenge) => challenge.repeat(wire),
            State::Refused { failure: frame, .. } | State::Accepted { success: frame, .. } => {
                wire.repeat(frame);
            }
            State::Deciding { .. } | State::Failed => {}
        }
    }

    /// Why the client hung up, if a refusal explains it.
    pub(crate) fn refusal(&self) -> Option<&Reason> {
        match &self.state {
            State::Refused { reason, .. } => Some(reason),
            State::Challenged(_) | State::Deciding { .. } | State::Accepted { .. } | State::Failed => None,
        }
    }
}

fn parse_response(data: &[u8], challenge: [u8; 16]) -> Option<MsChapV2Proof> {
    let (&value_size, data) = data.split_first()?;
    let (value, name) = data.split_first_chunk::<VALUE_LENGTH>()?;
    MsChapV2Proof::parse(name, challenge, value).filter(|_| usize::from(value_size) == VALUE_LENGTH)
}

/// ERROR_AUTHENTICATION_FAILURE, RFC 2759 §6.
const WRONG_PASSWORD: u16 = 691;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_taken_whole_or_not_at_all() {
        let data = [&[49][..], &[0; 49], b"User"].concat();
        for length in 0..data.len() {
            assert_eq!(parse_response(&data[..length], [0; 16]).is_some(), length >= 50, "{length} octets");
        }
    }
}
