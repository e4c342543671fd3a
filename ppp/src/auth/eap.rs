//! EAP, the authenticator's side, RFC 3748: who are you, and one method in which that is proved.
//!
//! ```text
//!  client                            Eap
//!    │ ◄──── Request: Identity ─────── │
//!    │ ── Response: Identity ────────► │
//!    │ ◄──── Request: a method ─────── │   the first of those configured
//!    │ ── Response: Nak, others ─────► │   §5.3.1, if it wants another
//!    │ ◄──── Request: one of those ─── │
//!    │ ── Response ──────────────────► │   as often as the method needs
//!    │ ◄──── Success or Failure ────── │
//! ```
//!
//! A Request is repeated until its Response comes (§4.1); the client repeats nothing of its own accord.

mod md5;
mod method;
mod mschapv2;
mod packet;
mod peap;
mod tls;

use std::fmt;
use std::time::{Duration, Instant};

use super::{Outcome, Terms, Verdict};
use crate::automaton::RESTART_INTERVAL;
use crate::config::Config;
use crate::packet::Packet;
use crate::reason::Reason;
use crate::wire::{Discard, Wire};
use method::{Method, Settings, Step};
use packet::{Response, Type};
pub use tls::{
    CertificateProof, ClientCertificate, Job, JobDone, TlsCredentials, TlsCredentialsError, TlsFiles,
};

/// A way to prove within EAP who one is. `Display` is what stands in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EapMethod {
    /// MD5-Challenge, RFC 3748 §5.4: CHAP by another name.
    Md5,
    /// EAP-MSCHAPv2, of Windows.
    MsChapV2,
    /// EAP-TLS, RFC 5216, RFC 9190: a certificate.
    Tls,
    /// Protected EAP, version 0, with EAP-MSCHAPv2 within.
    Peap,
}

impl EapMethod {
    const ALL: [Self; 4] = [Self::Md5, Self::MsChapV2, Self::Tls, Self::Peap];

    fn kind(self) -> Type {
        match self {
            Self::Md5 => Type::MD5,
            Self::MsChapV2 => Type::MSCHAPV2,
            Self::Tls => Type::TLS,
            Self::Peap => Type::PEAP,
        }
    }

    /// Whether it needs [`TlsCredentials`].
    pub fn needs_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Peap)
    }
}

impl fmt::Display for EapMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "EAP-MD5",
            Self::MsChapV2 => "EAP-MSCHAPv2",
            Self::Tls => "EAP-TLS",
            Self::Peap => "PEAP/EAP-MSCHAPv2",
        })
    }
}

/// One client's EAP conversation, from the question who it is to the last word.
pub(crate) struct Authenticator {
    settings: Settings,
    /// What the client has not refused yet; the first is the next to be offered.
    offers: Vec<EapMethod>,
    offered: String,
    /// Who the client says it is.
    identity: Vec<u8>,
    state: State,
    /// What it was sent last.
    last: Sent,
}

enum State {
    /// The client is asked who it is.
    Identity,
    /// A method was begun. Its first Request may be answered with a Nak.
    Begun(Method),
    /// The method runs.
    Running(Method),
    /// Its arithmetic is being done elsewhere.
    Working(Method),
    /// The owner decides.
    Deciding(Method),
    Accepted,
    Failed,
}

/// A Request, or the Success.
struct Sent {
    identifier: u8,
    frame: Vec<u8>,
    resends: u32,
    resend_at: Instant,
}

impl Authenticator {
    /// Asks who the client is.
    pub(crate) fn new(now: Instant, config: &Config, terms: Terms, wire: &mut Wire) -> Self {
        let [identifier] = wire.bytes();
        let frame = packet::request(identifier, Type::IDENTITY, &[]);
        wire.repeat(&frame);
        let offers: Vec<EapMethod> = config
            .eap
            .methods
            .iter()
            .copied()
            .filter(|method| !method.needs_tls() || config.eap.tls.is_some())
            .collect();
        Self {
            settings: Settings {
                server_name: config.server_name.clone(),
                tls: config.eap.tls.clone(),
                mtu: usize::from(terms.mtu),
                refusals: terms.refusals,
                attempts: config.auth_attempts,
            },
            offered: offers.iter().map(EapMethod::to_string).collect::<Vec<_>>().join(", "),
            offers,
            identity: Vec::new(),
            state: State::Identity,
            last: Sent { identifier, frame, resends: 0, resend_at: now + RESTART_INTERVAL },
        }
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, packet: Packet<'_>, wire: &mut Wire) -> Outcome {
        let discard = match Response::of(packet) {
            Err(why) => why,
            // §4.1: whatever answers no outstanding Request. It is a Request repeated that is answered twice.
            Ok(response) if response.identifier != self.last.identifier => Discard::Identifier,
            Ok(response) => match &mut self.state {
                State::Identity if response.kind == Type::IDENTITY => {
                    self.identity = response.data.to_vec();
                    return self.offer(now, None, wire);
                }
                State::Begun(_) if response.kind == Type::NAK => {
                    if !self.offers.is_empty() {
                        self.offers.remove(0);
                    }
                    return self.offer(now, Some(response.data), wire);
                }
                State::Begun(method) | State::Running(method) if response.kind == method.kind() => {
                    let step = method.handle_response(&self.identity, response, &self.settings, wire);
                    return self.carry_out(now, step, wire);
                }
                State::Identity | State::Begun(_) | State::Running(_) => Discard::Answer,
                // It did not hear the Success.
                State::Accepted => {
                    wire.repeat(&self.last.frame);
                    return Outcome::Waiting;
                }
                State::Working(_) | State::Deciding(_) | State::Failed => Discard::Response,
            },
        };
        wire.discard(discard);
        Outcome::Waiting
    }

    /// Begins the first method that the client has not refused, or of those that it wants.
    fn offer(&mut self, now: Instant, wanted: Option<&[u8]>, wire: &mut Wire) -> Outcome {
        let is_wanted = |method: &EapMethod| wanted.is_none_or(|wanted| wanted.contains(&method.kind().0));
        while let Some(index) = self.offers.iter().position(is_wanted) {
            self.offers.swap(0, index);
            if let Some(&method) = self.offers.first()
                && let Some((method, data)) = Method::begin(method, &self.settings, wire)
            {
                self.ask(now, method.kind(), &data, wire);
                self.state = State::Begun(method);
                return Outcome::Waiting;
            }
            self.offers.remove(0);
        }
        let wanted = describe(wanted.unwrap_or_default());
        self.fail(Reason::NoEapMethod { offered: self.offered.clone(), wanted }, wire)
    }

    pub(crate) fn handle_verdict(&mut self, now: Instant, verdict: Verdict, wire: &mut Wire) -> Outcome {
        let State::Deciding(method) = &mut self.state else { return Outcome::Waiting };
        let step = method.handle_verdict(&self.identity, verdict, wire);
        self.carry_out(now, step, wire)
    }

    pub(crate) fn handle_job(&mut self, now: Instant, done: JobDone, wire: &mut Wire) -> Outcome {
        let State::Working(method) = &mut self.state else { return Outcome::Waiting };
        match method.handle_job(&self.identity, done, &self.settings, wire) {
            // It was of another conversation on this link.
            Step::Waiting => Outcome::Waiting,
            step => {
                self.run(State::Running);
                self.carry_out(now, step, wire)
            }
        }
    }

    fn carry_out(&mut self, now: Instant, step: Step, wire: &mut Wire) -> Outcome {
        match step {
            Step::Waiting => Outcome::Waiting,
            Step::Discard(why) => {
                wire.discard(why);
                Outcome::Waiting
            }
            Step::Work(job) => {
                self.run(State::Working);
                Outcome::Working(job)
            }
            Step::Request(data) => {
                self.go_on(now, &data, wire);
                Outcome::Waiting
            }
            Step::Refused(data) => {
                self.go_on(now, &data, wire);
                Outcome::Refused
            }
            Step::Ask(request) => {
                self.run(State::Deciding);
                Outcome::Asking(request)
            }
            Step::Accepted(accept) => {
                self.last.frame = packet::success(self.last.identifier);
                wire.repeat(&self.last.frame);
                self.state = State::Accepted;
                Outcome::Accepted(accept.addressing)
            }
            Step::Failed(reason) => self.fail(reason, wire),
        }
    }

    /// Sends the next Request of the method.
    fn go_on(&mut self, now: Instant, data: &[u8], wire: &mut Wire) {
        let (State::Begun(method) | State::Running(method) | State::Deciding(method)) = &self.state else {
            return;
        };
        self.ask(now, method.kind(), data, wire);
        self.run(State::Running);
    }

    /// Goes to another state with the method that there is.
    fn run(&mut self, next: fn(Method) -> State) {
        self.state = match std::mem::replace(&mut self.state, State::Failed) {
            State::Begun(method)
            | State::Running(method)
            | State::Working(method)
            | State::Deciding(method) => next(method),
            state @ (State::Identity | State::Accepted | State::Failed) => state,
        };
    }

    fn ask(&mut self, now: Instant, kind: Type, data: &[u8], wire: &mut Wire) {
        let identifier = self.last.identifier.wrapping_add(1);
        let frame = packet::request(identifier, kind, data);
        wire.repeat(&frame);
        self.last = Sent { identifier, frame, resends: 0, resend_at: now + RESTART_INTERVAL };
    }

    fn fail(&mut self, reason: Reason, wire: &mut Wire) -> Outcome {
        wire.repeat(&packet::failure(self.last.identifier));
        self.state = State::Failed;
        Outcome::Failed(reason)
    }

    /// Repeats the Request when it is time, until there is no point any more.
    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Outcome {
        if self.poll_timeout().is_none_or(|at| now < at) {
            return Outcome::Waiting;
        }
        if self.last.resends == RESENDS {
            return Outcome::Failed(self.refusal().unwrap_or(Reason::AuthTimeout));
        }
        self.last.resends += 1;
        self.last.resend_at =
            now + (RESTART_INTERVAL * 2_u32.pow(self.last.resends.min(2))).min(LONGEST_INTERVAL);
        wire.repeat(&self.last.frame);
        Outcome::Waiting
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Identity | State::Begun(_) | State::Running(_) => Some(self.last.resend_at),
            State::Working(_) | State::Deciding(_) | State::Accepted | State::Failed => None,
        }
    }

    /// The client cannot have heard our last packet: says it again.
    pub(crate) fn repeat(&self, wire: &mut Wire) {
        match self.state {
            State::Identity | State::Begun(_) | State::Running(_) | State::Accepted => {
                wire.repeat(&self.last.frame)
            }
            State::Working(_) | State::Deciding(_) | State::Failed => {}
        }
    }

    /// Why the client hung up, if a refusal explains it.
    pub(crate) fn refusal(&self) -> Option<Reason> {
        match &self.state {
            State::Begun(method) | State::Running(method) => method.refusal(&self.identity),
            State::Identity | State::Working(_) | State::Deciding(_) | State::Accepted | State::Failed => {
                None
            }
        }
    }
}

/// Names the methods of a Nak, §5.3.1.
fn describe(wanted: &[u8]) -> String {
    let name = |kind: &u8| {
        let known = EapMethod::ALL.into_iter().find(|method| method.kind().0 == *kind);
        known.map_or_else(|| format!("EAP type {kind}"), |method| method.to_string())
    };
    // Zero says that there is none.
    let names: Vec<String> = wanted.iter().filter(|kind| **kind != 0).take(NAMED).map(name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// How many methods of a Nak a line names.
const NAMED: usize = 8;

/// With three seconds at first and twelve in the end, two minutes and a half: somebody may have to type a password, or a
/// smart card's number (§4.3).
const RESENDS: u32 = 12;
const LONGEST_INTERVAL: Duration = Duration::from_secs(12);
