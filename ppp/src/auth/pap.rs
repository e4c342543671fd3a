//! The authenticator's side of PAP, RFC 1334 §2: the password itself, asked for by nobody and sent until it is answered.
//!
//! ```text
//!  Authenticate-Request  │ length │ name │ length │ password
//!  Authenticate-Ack, Nak │ length │ text
//! ```

use std::fmt;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::mschapv2::NtHash;
use super::{AuthRequest, Evidence, Method, Outcome, Proof, Verdict, Verified};
use crate::packet::{self, Code, Packet, Protocol};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};

/// A password as a client sent it.
#[derive(Clone)]
pub struct Password {
    octets: Zeroizing<Vec<u8>>,
    question: [u8; 16],
}

impl Password {
    /// What tells this request from others.
    pub(crate) fn question(&self) -> [u8; 16] {
        self.question
    }

    /// Compares in constant time, and by the hash, so that an account need not hold the password itself.
    pub fn verify(&self, nt_hash: &NtHash) -> Option<Verified> {
        // As pppd hashes what it holds; and what is not UTF-8 is taken for Latin-1, whose octets are the first 256 characters of
        // Unicode.
        let bytewise = NtHash::from_octets(&self.octets).is(nt_hash);
        let is_right = bytewise
            || str::from_utf8(&self.octets).is_ok_and(|text| NtHash::from_password(text).is(nt_hash));
        let verified = Verified { question: self.question, evidence: Evidence::None };
        is_right.then_some(verified)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// One client's authentication. There is one try: §2.2.2 has the link terminated after a Nak.
pub(crate) enum Authenticator {
    /// The client has the word.
    Listening { until: Instant },
    /// The owner is thinking about this request.
    Deciding { name: Vec<u8>, question: [u8; 16], identifier: u8 },
    /// The client is in; whoever repeats the request did not hear so.
    Accepted { identifier: u8, message: String },
    /// The client was refused.
    Failed,
}

impl Authenticator {
    pub(crate) fn listen(now: Instant) -> Self {
        Self::Listening { until: now + PATIENCE }
    }

    pub(crate) fn handle_packet(&mut self, packet: Packet<'_>, wire: &mut Wire) -> Outcome {
        if packet.code != AUTHENTICATE_REQUEST {
            wire.discard(Discard::Code);
            return Outcome::Waiting;
        }
        match self {
            Self::Listening { .. } => {
                let Some((name, octets)) = parse_request(packet.data) else {
                    wire.discard(Discard::Length);
                    return Outcome::Waiting;
                };
                let (name, question) = (name.to_vec(), wire.bytes());
                *self = Self::Deciding { name: name.clone(), question, identifier: packet.identifier };
                let password = Password { octets: Zeroizing::new(octets.to_vec()), question };
                return Outcome::Asking(AuthRequest {
                    name,
                    method: Method::Pap,
                    proof: Proof::Password(password),
                });
            }
            // §2.2.1: each request has an identifier of its own, and gets the answer that the first one got.
            Self::Accepted { identifier, message } => {
                *identifier = packet.identifier;
                wire.repeat(&answer(AUTHENTICATE_ACK, *identifier, message));
            }
            Self::Deciding { .. } | Self::Failed => wire.discard(Discard::Response),
        }
        Outcome::Waiting
    }

    pub(crate) fn handle_verdict(&mut self, verdict: Verdict, wire: &mut Wire) -> Outcome {
        let Self::Deciding { name, question, identifier } = self else { return Outcome::Waiting };
        let Some(verdict) = verdict.on(question) else { return Outcome::Waiting };
        let identifier = *identifier;
        match verdict {
            Verdict::Accept(accept) => {
                wire.repeat(&answer(AUTHENTICATE_ACK, identifier, &accept.message));
                *self = Self::Accepted { identifier, message: accept.message };
                Outcome::Accepted(accept.addressing)
            }
            Verdict::Reject(reject) => {
                wire.repeat(&answer(AUTHENTICATE_NAK, identifier, &reject.text()));
                let reason = Reason::AuthFailed { name: printable(name), code: reject.code, attempts: 1 };
                *self = Self::Failed;
                Outcome::Failed(reason)
            }
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Outcome {
        match self {
            Self::Listening { until } if now >= *until => Outcome::Failed(Reason::AuthTimeout),
            Self::Listening { .. } | Self::Deciding { .. } | Self::Accepted { .. } | Self::Failed => {
                Outcome::Waiting
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Listening { until } => Some(*until),
            Self::Deciding { .. } | Self::Accepted { .. } | Self::Failed => None,
        }
    }

    /// The client cannot have heard our last packet: says it again.
    pub(crate) fn repeat(&self, wire: &mut Wire) {
        if let Self::Accepted { identifier, message } = self {
            wire.repeat(&answer(AUTHENTICATE_ACK, *identifier, message));
        }
    }
}

/// Name and password.
fn parse_request(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = split_counted(data)?;
    let (password, _) = split_counted(rest)?;
    Some((name, password))
}

fn split_counted(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, data) = data.split_first()?;
    data.split_at_checked(usize::from(length))
}

fn answer(code: Code, identifier: u8, text: &str) -> Vec<u8> {
    let text = text.as_bytes();
    let text = text.get(..usize::from(u8::MAX)).unwrap_or(text);
    let length = u8::try_from(text.len()).expect("the text was cut to what fits");
    packet::encode(Protocol::PAP, code, identifier, &[&[length], text].concat())
}

const AUTHENTICATE_REQUEST: Code = Code(1);
const AUTHENTICATE_ACK: Code = Code(2);
const AUTHENTICATE_NAK: Code = Code(3);

/// As long as CHAP waits for a Response.
const PATIENCE: Duration = Duration::from_secs(57);
