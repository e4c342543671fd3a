//! The authenticator's side of MS-CHAPv2, RFC 2759, in CHAP packets, RFC 1994 §4.
//!
//! ```text
//!  Challenge │ 16 │ challenge (16)                                          │ our name
//!  Response  │ 49 │ peer challenge (16) │ zero (8) │ NT-Response (24) │ flags │ user name
//!  Success   │ "S=<40 hex digits> M=<text>"
//!  Failure   │ "E=<code> R=<0|1> C=<32 hex digits> V=3 M=<text>"
//! ```

pub(crate) mod hash;

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;

use super::{Accept, AuthRequest, Evidence, Method, Outcome, Proof, Reject, Verdict, Verified};
use crate::automaton::RESTART_INTERVAL;
use crate::config::Config;
use crate::packet::{self, Code, Packet, Protocol};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};
pub use hash::NtHash;

/// A client's Response, to be compared with what the account's password gives.
#[derive(Clone)]
pub struct MsChapV2Proof {
    name: Vec<u8>,
    challenge: [u8; 16],
    peer_challenge: [u8; 16],
    nt_response: [u8; 24],
}

impl MsChapV2Proof {
    /// Compares in constant time.
    ///
    /// The challenge hash covers the name without its domain (RFC 2759 §4), but some clients hash what they
    /// send, so for `DOMAIN\user` either is right.
    pub fn verify(&self, nt_hash: &NtHash) -> Option<Verified> {
        let user = self.name.rsplit(|&octet| octet == b'\\').next().unwrap_or(&self.name);
        [user, &self.name].into_iter().find_map(|name| {
            let challenge_hash = hash::challenge_hash(&self.peer_challenge, &self.challenge, name);
            let expected = hash::challenge_response(&challenge_hash, nt_hash);
            bool::from(expected.ct_eq(&self.nt_response)).then(|| Verified {
                challenge: self.challenge,
                evidence: Evidence::MsChapV2(hash::authenticator_response(
                    nt_hash,
                    &self.nt_response,
                    &challenge_hash,
                )),
            })
        })
    }
}

impl fmt::Debug for MsChapV2Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MsChapV2Proof(…)")
    }
}

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
    Challenged { challenge: [u8; 16], frame: Vec<u8>, identifier: u8, resends: usize, resend_at: Instant },
    /// The owner is thinking about this Response.
    Deciding { name: Vec<u8>, challenge: [u8; 16], response: Response },
    /// The client was refused and may try again, with the new challenge in the Failure.
    Refused { challenge: [u8; 16], answered: Response, failure: Vec<u8>, reason: Reason },
    /// The client is in; whoever repeats the Response did not hear so.
    Accepted { answered: Response, success: Vec<u8> },
    /// The client was refused for good.
    Failed,
}

/// A Response packet's identity: identifier and content.
#[derive(Clone, PartialEq, Eq)]
struct Response {
    identifier: u8,
    data: Vec<u8>,
}

impl Authenticator {
    /// Sends the first Challenge to a client that was refused `refusals` times before it renegotiated.
    pub(crate) fn challenge(now: Instant, config: &Config, refusals: u32, wire: &mut Wire) -> Self {
        let challenge = wire.bytes();
        let [identifier] = wire.bytes();
        let mut data = vec![CHALLENGE_LENGTH];
        data.extend(challenge);
        data.extend(config.server_name.as_bytes());
        let frame = packet::encode(Protocol::CHAP, CHALLENGE, identifier, &data);
        wire.repeat(&frame);
        let resend_at = now + RESTART_INTERVAL;
        Self {
            state: State::Challenged { challenge, frame, identifier, resends: 0, resend_at },
            refusals,
            attempts: config.auth_attempts,
        }
    }

    pub(crate) fn handle_packet(&mut self, packet: Packet<'_>, wire: &mut Wire) -> Outcome {
        if packet.code != RESPONSE {
            wire.discard(Discard::Code);
            return Outcome::Waiting;
        }
        let response = Response { identifier: packet.identifier, data: packet.data.to_vec() };
        let challenge = match &self.state {
            State::Challenged { challenge, identifier, .. } if *identifier == response.identifier => {
                *challenge
            }
            State::Challenged { .. } => {
                wire.discard(Discard::Identifier);
                return Outcome::Waiting;
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
            State::Refused { .. } => {
                wire.discard(Discard::Identifier);
                return Outcome::Waiting;
            }
            State::Deciding { .. } | State::Accepted { .. } | State::Failed => {
                wire.discard(Discard::Response);
                return Outcome::Waiting;
            }
        };
        let Some(proof) = parse_response(&response.data, challenge) else {
            wire.discard(Discard::Length);
            return Outcome::Waiting;
        };
        let name = proof.name.clone();
        self.state = State::Deciding { name: name.clone(), challenge, response };
        Outcome::Asking(AuthRequest { name, method: Method::MsChapV2, proof: Proof::MsChapV2(proof) })
    }

    pub(crate) fn handle_verdict(&mut self, verdict: Verdict, wire: &mut Wire) -> Outcome {
        let State::Deciding { name, challenge, response } = &self.state else { return Outcome::Waiting };
        match verdict {
            // A verdict on an earlier request: this link renegotiated in the meantime.
            Verdict::Accept(accept) if accept.verified.challenge != *challenge => Outcome::Waiting,
            Verdict::Accept(accept) => {
                let Accept { verified, message, addressing } = *accept;
                let Evidence::MsChapV2(authenticator_response) = verified.evidence;
                let mut text = String::from("S=");
                push_hex(&mut text, &authenticator_response);
                push_message(&mut text, &message);
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
                let text = failure_text(&reject, !last, &challenge);
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

    /// Repeats the Challenge when it is time, until there is no point any more.
    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Outcome {
        if let State::Challenged { frame, resends, resend_at, .. } = &mut self.state
            && now >= *resend_at
        {
            let Some(interval) = RESEND_INTERVALS.get(*resends) else {
                return Outcome::Failed(Reason::AuthTimeout);
            };
            *resends += 1;
            *resend_at = now + *interval;
            wire.repeat(frame);
        }
        Outcome::Waiting
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Challenged { resend_at, .. } => Some(*resend_at),
            State::Deciding { .. } | State::Refused { .. } | State::Accepted { .. } | State::Failed => None,
        }
    }

    /// The client cannot have heard our last packet: says it again.
    pub(crate) fn repeat(&self, wire: &mut Wire) {
        match &self.state {
            State::Challenged { frame, .. }
            | State::Refused { failure: frame, .. }
            | State::Accepted { success: frame, .. } => wire.repeat(frame),
            State::Deciding { .. } | State::Failed => {}
        }
    }

    /// Why the client hung up, if a refusal explains it.
    pub(crate) fn refusal(&self) -> Option<&Reason> {
        match &self.state {
            State::Refused { reason, .. } => Some(reason),
            State::Challenged { .. } | State::Deciding { .. } | State::Accepted { .. } | State::Failed => {
                None
            }
        }
    }
}

fn parse_response(data: &[u8], challenge: [u8; 16]) -> Option<MsChapV2Proof> {
    let (&value_size, data) = data.split_first()?;
    let (&peer_challenge, data) = data.split_first_chunk()?;
    let (_reserved, data) = data.split_first_chunk::<8>()?;
    let (&nt_response, data) = data.split_first_chunk()?;
    // RFC 2759 §4: flags must be zero; nothing hangs on them.
    let (_flags, name) = data.split_first()?;
    let proof = MsChapV2Proof { name: name.to_vec(), challenge, peer_challenge, nt_response };
    (value_size == RESPONSE_LENGTH).then_some(proof)
}

/// RFC 2759 §6. The challenge is exactly 32 digits even when it is of no use any more.
fn failure_text(reject: &Reject, retry: bool, challenge: &[u8; 16]) -> String {
    let mut text = format!("E={} R={} C=", reject.code, u8::from(retry));
    push_hex(&mut text, challenge);
    text.push_str(" V=3");
    push_message(&mut text, &reject.message);
    text
}

/// RFC 2759 §5: the digits must be upper case.
fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "{byte:02X}").expect("a String takes everything");
    }
}

fn push_message(text: &mut String, message: &str) {
    text.push_str(" M=");
    text.extend(message.chars().take(MESSAGE_LENGTH));
}

const CHALLENGE: Code = Code(1);
const RESPONSE: Code = Code(2);
const SUCCESS: Code = Code(3);
const FAILURE: Code = Code(4);

/// ERROR_AUTHENTICATION_FAILURE, RFC 2759 §6.
const WRONG_PASSWORD: u16 = 691;

const CHALLENGE_LENGTH: u8 = 16;
const RESPONSE_LENGTH: u8 = 49;
/// Within every MRU that we acknowledge, whatever the characters.
const MESSAGE_LENGTH: usize = 100;

/// How long the Challenge, resent, waits for a Response: 57 s with the first one's three, then we give up.
const RESEND_INTERVALS: [Duration; 5] = [
    Duration::from_secs(6),
    Duration::from_secs(12),
    Duration::from_secs(12),
    Duration::from_secs(12),
    Duration::from_secs(12),
];

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    const CHALLENGE_VALUE: [u8; 16] = hex!("5B5D7C7D7B3F2F3E3C2C602132262628");
    const RESPONSE_DATA: [u8; 54] = hex!(
        "31 21402324255E262A28295F2B3A337C7E 0000000000000000"
        "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF 00 55736572"
    );

    #[test]
    fn rfc2759_section_9_2() {
        let request = parse_response(&RESPONSE_DATA, CHALLENGE_VALUE).unwrap();
        assert_eq!(request.name, b"User");
        let verified = request.verify(&NtHash::from_password("clientPass")).unwrap();
        let Evidence::MsChapV2(response) = verified.evidence;
        assert_eq!(response, hex!("407A5589115FD0D6209F510FE9C04566932CDA56"));
        assert!(request.verify(&NtHash::from_password("clientpass")).is_none());
        let other = parse_response(&RESPONSE_DATA, [0; 16]).unwrap();
        assert!(other.verify(&NtHash::from_password("clientPass")).is_none());
    }

    #[test]
    fn a_response_is_taken_whole_or_not_at_all() {
        for length in 0..RESPONSE_DATA.len() {
            let request = parse_response(&RESPONSE_DATA[..length], CHALLENGE_VALUE);
            assert_eq!(request.is_some(), length >= 50, "{length} octets");
        }
    }

    #[test]
    fn failures_are_written_as_windows_reads_them() {
        let reject = Reject { code: 647, message: "Disabled".to_owned() };
        let challenge = hex!("000102030405060708090a0b0c0d0eff");
        let text = "E=647 R=1 C=000102030405060708090A0B0C0D0EFF V=3 M=Disabled";
        assert_eq!(failure_text(&reject, true, &challenge), text);
        assert_eq!(failure_text(&reject, false, &challenge), text.replace("R=1", "R=0"));
    }
}
