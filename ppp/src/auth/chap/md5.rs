//! The authenticator's side of CHAP with MD5, RFC 1994: an algorithm that needs the password itself, not its NT hash.

use std::fmt;
use std::time::Instant;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::{Answered, Challenge, FAILURE, RESPONSE, SUCCESS};
use crate::auth::{AuthRequest, Evidence, Method, Outcome, Proof, Verdict, Verified};
use crate::config::Config;
use crate::packet::{self, Packet, Protocol};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};

/// A client's Response, to be compared with what the account's password gives.
#[derive(Clone)]
pub struct ChapProof {
    identifier: u8,
    challenge: [u8; 16],
    response: [u8; 16],
}

impl ChapProof {
    pub(crate) fn new(identifier: u8, challenge: [u8; 16], response: [u8; 16]) -> Self {
        Self { identifier, challenge, response }
    }

    /// The challenge that it answers.
    pub(crate) fn question(&self) -> [u8; 16] {
        self.challenge
    }

    /// Compares in constant time; §4.1: MD5 over identifier, secret and challenge.
    pub fn verify(&self, password: &[u8]) -> Option<Verified> {
        let expected: [u8; 16] = Md5::new()
            .chain_update([self.identifier])
            .chain_update(password)
            .chain_update(self.challenge)
            .finalize()
            .into();
        let verified = Verified { question: self.challenge, evidence: Evidence::None };
        bool::from(expected.ct_eq(&self.response)).then_some(verified)
    }
}

impl fmt::Debug for ChapProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChapProof(…)")
    }
}

/// One client's authentication. There is one try: §4.2 has the link terminated after a Failure.
pub(crate) enum Authenticator {
    /// The Challenge is out.
    Challenged(Challenge),
    /// The owner is thinking about this Response.
    Deciding { name: Vec<u8>, challenge: [u8; 16], response: Answered },
    /// The client is in; whoever repeats the Response did not hear so.
    Accepted { answered: Answered, success: Vec<u8> },
    /// The client was refused.
    Failed,
}

impl Authenticator {
    pub(crate) fn challenge(now: Instant, config: &Config, wire: &mut Wire) -> Self {
        Self::Challenged(Challenge::send(now, config, wire))
    }

    pub(crate) fn handle_packet(&mut self, packet: Packet<'_>, wire: &mut Wire) -> Outcome {
        if packet.code != RESPONSE {
            wire.discard(Discard::Code);
            return Outcome::Waiting;
        }
        let response = Answered::from(packet);
        match self {
            Self::Challenged(challenge) if challenge.identifier() != response.identifier => {
                wire.discard(Discard::Identifier);
            }
            Self::Challenged(challenge) => {
                let challenge = challenge.value();
                let Some((name, proof)) = parse_response(packet, challenge) else {
                    wire.discard(Discard::Length);
                    return Outcome::Waiting;
                };
                *self = Self::Deciding { name: name.clone(), challenge, response };
                return Outcome::Asking(AuthRequest {
                    name,
                    method: Method::Chap,
                    proof: Proof::Chap(proof),
                });
            }
            Self::Accepted { answered, success } if *answered == response => wire.repeat(success),
            Self::Deciding { .. } | Self::Accepted { .. } | Self::Failed => wire.discard(Discard::Response),
        }
        Outcome::Waiting
    }

    pub(crate) fn handle_verdict(&mut self, verdict: Verdict, wire: &mut Wire) -> Outcome {
        let Self::Deciding { name, challenge, response } = self else { return Outcome::Waiting };
        let Some(verdict) = verdict.on(challenge) else { return Outcome::Waiting };
        match verdict {
            Verdict::Accept(accept) => {
                let text = accept.message.as_bytes();
                let success = packet::encode(Protocol::CHAP, SUCCESS, response.identifier, text);
                wire.repeat(&success);
                *self = Self::Accepted { answered: response.clone(), success };
                Outcome::Accepted(accept.addressing)
            }
            Verdict::Reject(reject) => {
                let text = reject.text();
                wire.send(Protocol::CHAP, FAILURE, response.identifier, text.as_bytes());
                let reason = Reason::AuthFailed { name: printable(name), code: reject.code, attempts: 1 };
                *self = Self::Failed;
                Outcome::Failed(reason)
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Outcome {
        match self {
            Self::Challenged(challenge) => challenge.handle_timeout(now, wire),
            Self::Deciding { .. } | Self::Accepted { .. } | Self::Failed => Outcome::Waiting,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Challenged(challenge) => Some(challenge.poll_timeout()),
            Self::Deciding { .. } | Self::Accepted { .. } | Self::Failed => None,
        }
    }

    /// The client cannot have heard our last packet: says it again.
    pub(crate) fn repeat(&self, wire: &mut Wire) {
        match self {
            Self::Challenged(challenge) => challenge.repeat(wire),
            Self::Accepted { success, .. } => wire.repeat(success),
            Self::Deciding { .. } | Self::Failed => {}
        }
    }
}

fn parse_response(packet: Packet<'_>, challenge: [u8; 16]) -> Option<(Vec<u8>, ChapProof)> {
    let (&value_size, data) = packet.data.split_first()?;
    let (&response, name) = data.split_first_chunk()?;
    let proof = ChapProof { identifier: packet.identifier, challenge, response };
    (value_size == RESPONSE_LENGTH).then(|| (name.to_vec(), proof))
}

/// §4.1: the size of the hash.
const RESPONSE_LENGTH: u8 = 16;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 1994 has no vectors; RFC 2865 §7.2 is a login by CHAP with what §7.1 gives as the password.
    #[test]
    fn rfc2865_section_7_2() {
        let challenge = hex!("2aee86f08d0d55969ca5978e0d3367a2");
        let response = hex!("02 16 001b 10 e97557c316185895f293ff6344077275 666c6f707379");
        let (name, proof) = parse_response(Packet::parse(&response).unwrap(), challenge).unwrap();
        assert_eq!(name, b"flopsy");
        assert!(proof.verify(b"arctangent").is_some());
        assert!(proof.verify(b"Arctangent").is_none());
        let (_, other) = parse_response(Packet::parse(&response).unwrap(), [0; 16]).unwrap();
        assert!(other.verify(b"arctangent").is_none());
    }

    #[test]
    fn a_response_is_taken_whole_or_not_at_all() {
        let data = hex!("10 e97557c316185895f293ff6344077275 666c6f707379");
        for length in 0..data.len() {
            let packet =
                Packet { code: RESPONSE, identifier: 0, data: &data[..length], whole: &data[..length] };
            assert_eq!(parse_response(packet, [0; 16]).is_some(), length >= 17, "{length} octets");
        }
    }
}
