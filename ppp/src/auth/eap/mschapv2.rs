//! EAP-MSCHAPv2, type 26, draft-kamath-pppext-eap-mschapv2-02: the packets of MS-CHAPv2, one layer further in.
//!
//! ```text
//! ┌────────┬────────────────┬───────────┬────────┐
//! │ OpCode │ MS-CHAPv2-ID 1 │ MS-Length │ data … │    from OpCode on; a Success- or Failure-Response is its OpCode alone
//! └────────┴────────────────┴───────────┴────────┘
//!
//!  client                          MsChapV2                    owner
//!    │ ◄────────────── Challenge 1 ─ │
//!    │ ── Response 2 ──────────────► │ ── AuthRequest ────────► │
//!    │ ◄──────── Success-Request 3 ─ │ ◄──── Verdict::Accept ── │
//!    │ ── Success-Response 3 ──────► │
//!    │
//!    │ ◄──────── Failure-Request 4 ─ │ ◄──── Verdict::Reject ── │
//!    │ ── Response 2 (R=1) ────────► │ …
//!    │ ── Change-Password 7 (E=648)► │ …
//!    │ ── Failure-Response 4 ──────► │
//! ```

use super::EapMethod;
use super::method::{Settings, Step};
use crate::auth::mschapv2::{self, PASSWORD_EXPIRED, WRONG_PASSWORD, message};
use crate::auth::{Accept, Method, Verdict};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};

/// One EAP-MSCHAPv2 conversation.
pub(super) struct MsChapV2 {
    /// What it is called: alone, or within PEAP.
    method: EapMethod,
    state: State,
    /// MS-CHAPv2-ID.
    identifier: u8,
    refusals: u32,
    attempts: u32,
}

enum State {
    Challenged {
        challenge: [u8; 16],
    },
    Deciding {
        name: Vec<u8>,
        challenge: [u8; 16],
        changing: bool,
    },
    /// The client is to say that it believes us, too.
    Succeeding(Box<Accept>),
    Refused {
        name: Vec<u8>,
        challenge: [u8; 16],
        next: Next,
        reason: Reason,
    },
    /// It does believe us.
    Over,
}

/// What a client that was refused may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Try another password.
    Response,
    /// Make another one, §2.7, RFC 2759 §7.
    Change,
    Nothing,
}

impl MsChapV2 {
    pub(super) fn begin(method: EapMethod, settings: &Settings, wire: &mut Wire) -> (Self, Vec<u8>) {
        let challenge: [u8; 16] = wire.bytes();
        let [identifier] = wire.bytes();
        let data = [&[CHALLENGE_LENGTH], &challenge[..], settings.server_name.as_bytes()].concat();
        let this = Self {
            method,
            state: State::Challenged { challenge },
            identifier,
            refusals: settings.refusals,
            attempts: settings.attempts,
        };
        let request = this.request(CHALLENGE, &data);
        (this, request)
    }

    pub(super) fn handle_response(&mut self, identity: &[u8], data: &[u8]) -> Step {
        let Some((&code, rest)) = data.split_first() else { return Step::Discard(Discard::Truncated) };
        // The identifier is EAP's own concern, and lengths are those of the packet around: neither is looked at twice.
        let behind_header = rest.split_first_chunk::<3>().map(|(_, data)| data);
        let (request, challenge) = match (&self.state, code) {
            (State::Challenged { challenge }, RESPONSE)
            | (State::Refused { challenge, next: Next::Response, .. }, RESPONSE) => {
                (behind_header.and_then(|data| mschapv2::parse_response(data, *challenge)), *challenge)
            }
            (State::Refused { name, challenge, next: Next::Change, .. }, CHANGE_PASSWORD) => {
                (behind_header.and_then(|data| mschapv2::parse_change(name, data, *challenge)), *challenge)
            }
            (State::Succeeding(_), SUCCESS) => return self.succeed(),
            // §2.6: its user gave up, or there was no use in trying.
            (State::Refused { reason, .. }, FAILURE) => return Step::Failed(reason.clone()),
            (State::Deciding { .. }, _) => return Step::Discard(Discard::Response),
            _ => return Step::Discard(Discard::Code),
        };
        let Some(mut request) = request else { return Step::Discard(Discard::Length) };
        if request.name.is_empty() {
            request.name = identity.to_vec();
        }
        request.method = Method::Eap(self.method);
        self.state =
            State::Deciding { name: request.name.clone(), challenge, changing: code == CHANGE_PASSWORD };
        Step::Ask(request)
    }

    fn succeed(&mut self) -> Step {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Succeeding(accept) => Step::Accepted(accept),
            State::Challenged { .. } | State::Deciding { .. } | State::Refused { .. } | State::Over => {
                Step::Waiting
            }
        }
    }

    pub(super) fn handle_verdict(&mut self, verdict: Verdict, wire: &mut Wire) -> Step {
        let State::Deciding { name, challenge, changing } = &self.state else { return Step::Waiting };
        let Some(verdict) = verdict.on(challenge) else { return Step::Waiting };
        match verdict {
            Verdict::Accept(accept) => {
                let Some(proof) = accept.verified.evidence.mschapv2() else { return Step::Waiting };
                let text = message::success(proof, &accept.message);
                let request = self.request(SUCCESS, text.as_bytes());
                self.state = State::Succeeding(accept);
                Step::Request(request)
            }
            Verdict::Reject(reject) => {
                self.refusals += 1;
                let next = match reject.code {
                    WRONG_PASSWORD if self.refusals < self.attempts => Next::Response,
                    PASSWORD_EXPIRED if !changing => Next::Change,
                    _ => Next::Nothing,
                };
                let reason =
                    Reason::AuthFailed { name: printable(name), code: reject.code, attempts: self.refusals };
                let (name, challenge) = (name.clone(), wire.bytes());
                let text = message::failure(&reject, next == Next::Response, &challenge);
                let request = self.request(FAILURE, text.as_bytes());
                self.state = State::Refused { name, challenge, next, reason };
                Step::Refused(request)
            }
        }
    }

    /// Why the client is not going to get in, if it leaves it at that.
    pub(super) fn refusal(&self) -> Option<&Reason> {
        match &self.state {
            State::Refused { reason, .. } => Some(reason),
            State::Challenged { .. } | State::Deciding { .. } | State::Succeeding(_) | State::Over => None,
        }
    }

    fn request(&self, code: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + data.len()).expect("texts are cut to a length that fits");
        let [high, low] = length.to_be_bytes();
        [&[code, self.identifier, high, low], data].concat()
    }
}

const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;
const CHANGE_PASSWORD: u8 = 7;

const CHALLENGE_LENGTH: u8 = 16;
