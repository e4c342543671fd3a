//! The authenticator's side of MS-CHAPv2, RFC 2759, in the packets of CHAP.
//!
//! ```text
//!  Challenged ── Response ─────► Deciding
//!  Deciding   ── Success ──────► Accepted
//!             ── Failure 691 ──► Refused ── Response ────────► Deciding, while attempts are left
//!             ── Failure 648 ──► Expired ── Change-Password ─► Deciding
//!             ── Failure ──────► Failed
//! ```

pub(crate) mod hash;
mod keys;
pub(crate) mod message;
pub(crate) mod new_password;
pub(crate) mod proof;

use std::time::Instant;

use super::chap::{Answered, Challenge, FAILURE, RESPONSE, SUCCESS};
use super::{Accept, AuthRequest, Method, Outcome, Proof, Verdict};
use crate::config::Config;
use crate::packet::{self, Code, Packet, Protocol};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};
pub use hash::NtHash;
pub(crate) use keys::MasterKey;
pub use new_password::{NewPassword, NewPasswordProof};
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
    /// The password was right, but is too old; the client may make another one, with the new challenge in the Failure.
    Expired { name: Vec<u8>, challenge: [u8; 16], answered: Answered, failure: Vec<u8>, reason: Reason },
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
        let arrived = Answered::from(packet);
        let (challenge, request) = match (&self.state, packet.code) {
            // RFC 1994 §4.2: a repeated Response gets the answer that the first one got.
            (
                State::Refused { answered, failure: frame, .. }
                | State::Expired { answered, failure: frame, .. }
                | State::Accepted { answered, success: frame },
                _,
            ) if *answered == arrived => {
                wire.repeat(frame);
                return Outcome::Waiting;
            }
            (State::Challenged(challenge), RESPONSE) if challenge.identifier() == packet.identifier => {
                (challenge.value(), parse_response(packet.data, challenge.value()))
            }
            (State::Refused { challenge, answered, .. }, RESPONSE)
                if answered.is_followed_by(packet.identifier) =>
            {
                (*challenge, parse_response(packet.data, *challenge))
            }
            (State::Expired { name, challenge, answered, .. }, CHANGE_PASSWORD)
                if answered.is_followed_by(packet.identifier) =>
            {
                (*challenge, parse_change(name, packet.data, *challenge))
            }
            (State::Challenged(_) | State::Refused { .. }, RESPONSE)
            | (State::Expired { .. }, CHANGE_PASSWORD) => {
                wire.discard(Discard::Identifier);
                return Outcome::Waiting;
            }
            (State::Deciding { .. } | State::Accepted { .. } | State::Failed, RESPONSE | CHANGE_PASSWORD) => {
                wire.discard(Discard::Response);
                return Outcome::Waiting;
            }
            _ => {
                wire.discard(Discard::Code);
                return Outcome::Waiting;
            }
        };
        let Some(request) = request else {
            wire.discard(Discard::Length);
            return Outcome::Waiting;
        };
        self.state = State::Deciding { name: request.name.clone(), challenge, response: arrived };
        Outcome::Asking(request)
    }

    pub(crate) fn handle_verdict(&mut self, verdict: Verdict, wire: &mut Wire) -> Outcome {
        let State::Deciding { name, challenge, response } = &self.state else { return Outcome::Waiting };
        let Some(verdict) = verdict.on(challenge) else { return Outcome::Waiting };
        match verdict {
            Verdict::Accept(accept) => {
                let Accept { verified, message, addressing } = *accept;
                let Some(authenticator_response) = verified.evidence.mschapv2() else {
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
                // Only a password can be typed better. The other codes say that the account is not to log in.
                let retry = reject.code == WRONG_PASSWORD && self.refusals < self.attempts;
                let text = message::failure(&reject, retry, &challenge);
                let failure = packet::encode(Protocol::CHAP, FAILURE, response.identifier, text.as_bytes());
                wire.repeat(&failure);
                let shown = printable(name);
                let reason = Reason::AuthFailed { name: shown, code: reject.code, attempts: self.refusals };
                let answered = response.clone();
                self.state = match reject.code {
                    _ if retry => State::Refused { challenge, answered, failure, reason },
                    // §7: no other Response is welcome, hence R=0, but a Change-Password is. Not one after another.
                    PASSWORD_EXPIRED if answered.code == RESPONSE => {
                        State::Expired { name: name.clone(), challenge, answered, failure, reason }
                    }
                    _ => {
                        self.state = State::Failed;
                        return Outcome::Failed(reason);
                    }
                };
                Outcome::Refused
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Outcome {
        match &mut self.state {
            State::Challenged(challenge) => challenge.handle_timeout(now, wire),
            State::Deciding { .. }
            | State::Refused { .. }
            | State::Expired { .. }
            | State::Accepted { .. }
            | State::Failed => Outcome::Waiting,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Challenged(challenge) => Some(challenge.poll_timeout()),
            State::Deciding { .. }
            | State::Refused { .. }
            | State::Expired { .. }
            | State::Accepted { .. }
            | State::Failed => None,
        }
    }

    /// The client cannot have heard our last packet: says it again.
    pub(crate) fn repeat(&self, wire: &mut Wire) {
        match &self.state {
            State::Challenged(challenge) => challenge.repeat(wire),
            State::Refused { failure: frame, .. }
            | State::Expired { failure: frame, .. }
            | State::Accepted { success: frame, .. } => wire.repeat(frame),
            State::Deciding { .. } | State::Failed => {}
        }
    }

    /// Why the client hung up, if a refusal explains it.
    pub(crate) fn refusal(&self) -> Option<&Reason> {
        match &self.state {
            State::Refused { reason, .. } | State::Expired { reason, .. } => Some(reason),
            State::Challenged(_) | State::Deciding { .. } | State::Accepted { .. } | State::Failed => None,
        }
    }
}

/// §4: from the value's size on.
pub(crate) fn parse_response(data: &[u8], challenge: [u8; 16]) -> Option<AuthRequest> {
    let (&value_size, data) = data.split_first()?;
    let (value, name) = data.split_first_chunk::<VALUE_LENGTH>()?;
    let proof = MsChapV2Proof::parse(name, challenge, value)?;
    let request =
        AuthRequest { name: name.to_vec(), method: Method::MsChapV2, proof: Proof::MsChapV2(proof) };
    (usize::from(value_size) == VALUE_LENGTH).then_some(request)
}

/// §7: without a name, for it is the one of the Response.
pub(crate) fn parse_change(name: &[u8], data: &[u8], challenge: [u8; 16]) -> Option<AuthRequest> {
    let proof = NewPasswordProof::parse(name, challenge, data)?;
    Some(AuthRequest { name: name.to_vec(), method: Method::MsChapV2, proof: Proof::NewPassword(proof) })
}

/// §7.
const CHANGE_PASSWORD: Code = Code(7);

/// ERROR_PASSWD_EXPIRED, RFC 2759 §6.
pub(crate) const PASSWORD_EXPIRED: u16 = 648;
/// ERROR_AUTHENTICATION_FAILURE, RFC 2759 §6.
pub(crate) const WRONG_PASSWORD: u16 = 691;

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
