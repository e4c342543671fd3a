//! EAP-TLS, type 13: the client has a certificate, RFC 5216, and with TLS 1.3 RFC 9190.
//!
//! ```text
//!  client                                        Tls                            owner
//!    │ ◄──────────────────────────────── Start ─ │
//!    │ ── ClientHello ─────────────────────────► │
//!    │ ◄──── ServerHello … CertificateRequest ── │
//!    │ ── Certificate, CertificateVerify, Fin. ► │
//!    │ ◄─────────────────── Finished (TLS 1.2) ─ │
//!    │ ── acknowledgement ─────────────────────► │ ── AuthRequest: certificate ─► │
//!    │ ◄─────────────────────── 00 (TLS 1.3) ─── │ ◄─────────── Verdict::Accept ─ │
//!    │ ── acknowledgement ─────────────────────► │
//!    │ ◄────────────────────────────── Success ─ │
//! ```

pub(super) mod carrier;
mod certificate;
mod credentials;
mod fault;
mod fragment;
mod job;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod tunnel;

use super::EapMethod;
use super::method::{Settings, Step};
use super::packet::HEADER;
use crate::auth::{Accept, AuthRequest, Evidence, Method, Proof, Reject, Verdict, Verified};
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};
use carrier::{Carried, Carrier};
pub use certificate::ClientCertificate;
pub use credentials::{TlsCredentials, TlsCredentialsError, TlsFiles};
pub(super) use fault::Fault;
pub(super) use fragment::START;
pub use job::{Job, JobDone};
use tunnel::Tunnel;

/// A certificate whose key the client has, and the conversation in which it showed that.
#[derive(Clone, Debug)]
pub struct CertificateProof {
    certificate: ClientCertificate,
    conversation: [u8; 16],
}

impl CertificateProof {
    /// The certificate.
    pub fn certificate(&self) -> &ClientCertificate {
        &self.certificate
    }

    /// What tells this conversation from others.
    pub(crate) fn question(&self) -> [u8; 16] {
        self.conversation
    }

    /// TLS has verified that the client has the key and that an authority vouches for it; whether it may log in as somebody is
    /// left to the owner.
    pub fn verified(&self) -> Verified {
        Verified { question: self.conversation, evidence: Evidence::None }
    }
}

/// One EAP-TLS conversation.
pub(super) struct Tls {
    carrier: Carrier,
    state: State,
}

enum State {
    /// TLS is not through with it.
    Handshake,
    /// The owner decides.
    Deciding { conversation: [u8; 16] },
    /// The client is told within TLS 1.3 that it is in, RFC 9190 §2.5.
    Concluding(Box<Accept>),
}

impl Tls {
    /// The conversation and the type-data of its first Request; nothing without credentials.
    pub(super) fn begin(settings: &Settings, wire: &mut Wire) -> Option<(Self, Vec<u8>)> {
        let carrier = carrier(settings, true, wire)?;
        Some((Self { carrier, state: State::Handshake }, START.to_vec()))
    }

    pub(super) fn handle_response(&mut self, identity: &[u8], data: &[u8], wire: &mut Wire) -> Step {
        if matches!(self.state, State::Deciding { .. }) {
            return Step::Discard(Discard::Response);
        }
        let carried = self.carrier.handle(data);
        self.go_on(identity, carried, wire)
    }

    pub(super) fn handle_job(&mut self, identity: &[u8], done: JobDone, wire: &mut Wire) -> Step {
        match self.carrier.handle_job(done) {
            Some(carried) => self.go_on(identity, carried, wire),
            None => Step::Waiting,
        }
    }

    fn go_on(&mut self, identity: &[u8], carried: Carried, wire: &mut Wire) -> Step {
        match carried {
            Carried::Work(job) => Step::Work(job),
            Carried::Request(data) => Step::Request(data),
            // There is nothing to say in the connection, and it does no harm.
            Carried::OurTurn | Carried::Text(_) => match std::mem::replace(&mut self.state, State::Handshake)
            {
                State::Concluding(accept) => Step::Accepted(accept),
                State::Handshake | State::Deciding { .. } => self.ask(identity, wire),
            },
            Carried::Broken(fault) => Step::Failed(failed(EapMethod::Tls, identity, &fault)),
            Carried::Discard(why) => Step::Discard(why),
        }
    }

    fn ask(&mut self, identity: &[u8], wire: &mut Wire) -> Step {
        let Some(certificate) = self.carrier.client() else {
            return Step::Failed(failed(EapMethod::Tls, identity, &Fault::NoCertificate));
        };
        let conversation = wire.bytes();
        self.state = State::Deciding { conversation };
        Step::Ask(AuthRequest {
            name: identity.to_vec(),
            method: Method::Eap(EapMethod::Tls),
            proof: Proof::Certificate(CertificateProof { certificate, conversation }),
        })
    }

    pub(super) fn handle_verdict(&mut self, identity: &[u8], verdict: Verdict) -> Step {
        let State::Deciding { conversation } = self.state else { return Step::Waiting };
        let Some(verdict) = verdict.on(&conversation) else { return Step::Waiting };
        match verdict {
            Verdict::Accept(accept) if self.carrier.is_tls13() => {
                self.state = State::Concluding(accept);
                Step::Request(self.carrier.say(&COMMITMENT))
            }
            Verdict::Accept(accept) => Step::Accepted(accept),
            Verdict::Reject(Reject { code, .. }) => {
                Step::Failed(Reason::AuthFailed { name: printable(identity), code, attempts: 1 })
            }
        }
    }

    /// Why the client is not going to get in, if that is so already.
    pub(super) fn refusal(&self, identity: &[u8]) -> Option<Reason> {
        self.carrier.fault().map(|fault| failed(EapMethod::Tls, identity, fault))
    }
}

/// A TLS connection in which the client has, or has not, a certificate.
pub(super) fn carrier(settings: &Settings, certificate: bool, wire: &mut Wire) -> Option<Carrier> {
    let credentials = settings.tls.as_ref()?;
    let tunnel = Tunnel::new(credentials, certificate).ok()?;
    Some(Carrier::new(tunnel, wire.bytes(), settings.mtu.saturating_sub(HEADER)))
}

pub(super) fn failed(method: EapMethod, identity: &[u8], fault: &Fault) -> Reason {
    Reason::EapFailed { method, name: printable(identity), fault: fault.to_string() }
}

/// RFC 9190 §2.5: one octet, as application data, says that nothing but Success follows.
const COMMITMENT: [u8; 1] = [0];
