//! PEAP version 0, type 25, as Windows speaks it, [MS-PEAP]: within TLS, EAP again, with MSCHAPv2.
//!
//! ```text
//!  client                                     Peap                        owner
//!    │ ◄──────── Start, TLS handshake ───────► │
//!    │ ◄───────────────────────── [Identity] ─ │
//!    │ ── [Identity: alice] ─────────────────► │
//!    │ ◄───────────────────────── [MSCHAPv2] ─ │
//!    │ ── [MSCHAPv2: Response] ──────────────► │ ── AuthRequest ────────► │
//!    │ ◄──── [MSCHAPv2: Success-Request] ───── │ ◄──── Verdict::Accept ── │
//!    │ ── [MSCHAPv2: Success-Response] ──────► │
//!    │ ◄── [Extensions: Result, Cryptobinding] │
//!    │ ── [Extensions: Result, Cryptobinding]─►│
//!    │ ◄───────────────────────────── Success ─│
//! ```
//!
//! In brackets: within TLS, where version 0 leaves out the header of EAP, except with Extensions. So an inner packet has no
//! identifier; the outer one does its work.

mod binding;
#[cfg(test)]
mod tests;
mod tlv;

use zeroize::Zeroizing;

use super::EapMethod;
use super::method::{Settings, Step};
use super::mschapv2::MsChapV2;
use super::packet::{REQUEST, RESPONSE, Type};
use super::tls::carrier::{Carried, Carrier};
use super::tls::{self, JobDone, START};
use crate::auth::{Accept, Evidence, Verdict};
use crate::packet::Packet;
use crate::reason::{Reason, printable};
use crate::wire::{Discard, Wire};
use binding::CompoundMacKey;
use tlv::Tlvs;

/// One PEAP conversation.
pub(super) struct Peap {
    carrier: Carrier,
    phase: Phase,
    /// Who the client says it is within the tunnel; outside it may be anybody.
    identity: Vec<u8>,
}

enum Phase {
    Handshake,
    /// It is asked who it is.
    Identity,
    /// It is to prove that.
    Method(MsChapV2),
    /// It did, and is to prove that it is the one at the other end of the tunnel.
    Accepted {
        accept: Box<Accept>,
        key: CompoundMacKey,
    },
    /// It did not, and is told so.
    Refused(Reason),
    Over,
}

impl Peap {
    /// The conversation and the type-data of its first Request; nothing without credentials.
    pub(super) fn begin(settings: &Settings, wire: &mut Wire) -> Option<(Self, Vec<u8>)> {
        let carrier = tls::carrier(settings, false, wire)?;
        Some((Self { carrier, phase: Phase::Handshake, identity: Vec::new() }, START.to_vec()))
    }

    pub(super) fn handle_response(
        &mut self,
        identity: &[u8],
        data: &[u8],
        settings: &Settings,
        wire: &mut Wire,
    ) -> Step {
        // The version is settled: ours is 0, and whoever speaks another one as well speaks that.
        let carried = self.carrier.handle(data);
        self.go_on(identity, carried, settings, wire)
    }

    pub(super) fn handle_job(
        &mut self,
        identity: &[u8],
        done: JobDone,
        settings: &Settings,
        wire: &mut Wire,
    ) -> Step {
        match self.carrier.handle_job(done) {
            Some(carried) => self.go_on(identity, carried, settings, wire),
            None => Step::Waiting,
        }
    }

    fn go_on(&mut self, identity: &[u8], carried: Carried, settings: &Settings, wire: &mut Wire) -> Step {
        match carried {
            Carried::Work(job) => Step::Work(job),
            Carried::Request(data) => Step::Request(data),
            Carried::OurTurn if matches!(self.phase, Phase::Handshake) => self.ask_identity(),
            Carried::OurTurn if let Phase::Refused(reason) = &self.phase => Step::Failed(reason.clone()),
            // An acknowledgement of what is to be answered with more than that.
            Carried::OurTurn => Step::Discard(Discard::Answer),
            Carried::Text(text) => self.handle_text(&text, settings, wire),
            Carried::Broken(fault) => Step::Failed(tls::failed(EapMethod::Peap, identity, &fault)),
            Carried::Discard(why) => Step::Discard(why),
        }
    }

    fn ask_identity(&mut self) -> Step {
        self.phase = Phase::Identity;
        Step::Request(self.carrier.say(&[Type::IDENTITY.0]))
    }

    /// What the client says within the tunnel.
    fn handle_text(&mut self, text: &[u8], settings: &Settings, wire: &mut Wire) -> Step {
        match &mut self.phase {
            Phase::Over => Step::Discard(Discard::Answer),
            // Beside its Finished it may say at once what it is going to be asked.
            Phase::Handshake if text.first() != Some(&Type::IDENTITY.0) => self.ask_identity(),
            Phase::Handshake | Phase::Identity => match text.split_first() {
                Some((&kind, identity)) if Type(kind) == Type::IDENTITY => {
                    self.identity = identity.to_vec();
                    let (method, request) = MsChapV2::begin(EapMethod::Peap, settings, wire);
                    self.phase = Phase::Method(method);
                    Step::Request(self.say(Type::MSCHAPV2, &request))
                }
                _ => Step::Discard(Discard::Answer),
            },
            Phase::Method(method) => match text.split_first() {
                Some((&kind, data)) if Type(kind) == Type::MSCHAPV2 => {
                    let step = method.handle_response(&self.identity, data);
                    self.carry_out(step, wire)
                }
                Some((&kind, wanted)) if Type(kind) == Type::NAK => {
                    let wanted = super::describe(wanted);
                    let offered = EapMethod::Peap.to_string();
                    self.refuse(Reason::NoEapMethod { offered, wanted: format!("{wanted} within PEAP") })
                }
                _ => Step::Discard(Discard::Answer),
            },
            Phase::Accepted { key, .. } => {
                let Some(tlvs) = extensions(text) else { return Step::Discard(Discard::Answer) };
                match (tlvs.success, tlvs.cryptobinding) {
                    (Some(true), Some(value)) if !key.accepts(value) => Step::Failed(self.failed(UNBOUND)),
                    // Some clients know nothing of cryptobinding.
                    (Some(true), _) => self.succeed(),
                    (Some(false), _) => Step::Failed(self.failed(DISBELIEVED)),
                    (None, _) => Step::Discard(Discard::Answer),
                }
            }
            Phase::Refused(reason) => Step::Failed(reason.clone()),
        }
    }

    fn carry_out(&mut self, step: Step, wire: &mut Wire) -> Step {
        match step {
            Step::Request(data) => Step::Request(self.say(Type::MSCHAPV2, &data)),
            Step::Refused(data) => Step::Refused(self.say(Type::MSCHAPV2, &data)),
            Step::Accepted(accept) => self.bind(accept, wire),
            Step::Failed(reason) => self.refuse(reason),
            step @ (Step::Waiting | Step::Work(_) | Step::Ask(_) | Step::Discard(_)) => step,
        }
    }

    /// Tells the client that it is in, in a way that nobody between it and us could.
    fn bind(&mut self, accept: Box<Accept>, wire: &mut Wire) -> Step {
        let (Evidence::MsChapV2 { master_key, .. }, Some(tunnel_key)) =
            (&accept.verified.evidence, self.tunnel_key())
        else {
            return self.refuse(self.failed(UNBOUND));
        };
        let key = CompoundMacKey::derive(&tunnel_key, &master_key.session_keys());
        let mut tlvs = Vec::new();
        tlv::push_result(&mut tlvs, true);
        tlvs.extend(key.request(&wire.bytes()));
        self.phase = Phase::Accepted { accept, key };
        Step::Request(self.extend(&tlvs))
    }

    fn refuse(&mut self, reason: Reason) -> Step {
        let mut tlvs = Vec::new();
        tlv::push_result(&mut tlvs, false);
        self.phase = Phase::Refused(reason);
        Step::Request(self.extend(&tlvs))
    }

    fn succeed(&mut self) -> Step {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Accepted { accept, .. } => Step::Accepted(accept),
            Phase::Handshake | Phase::Identity | Phase::Method(_) | Phase::Refused(_) | Phase::Over => {
                Step::Waiting
            }
        }
    }

    pub(super) fn handle_verdict(&mut self, verdict: Verdict, wire: &mut Wire) -> Step {
        let Phase::Method(method) = &mut self.phase else { return Step::Waiting };
        let step = method.handle_verdict(verdict, wire);
        self.carry_out(step, wire)
    }

    /// Why the client is not going to get in, if that is so already.
    pub(super) fn refusal(&self, identity: &[u8]) -> Option<Reason> {
        match &self.phase {
            Phase::Method(method) => method.refusal().cloned(),
            Phase::Refused(reason) => Some(reason.clone()),
            Phase::Handshake | Phase::Identity | Phase::Accepted { .. } | Phase::Over => {
                self.carrier.fault().map(|fault| tls::failed(EapMethod::Peap, identity, fault))
            }
        }
    }

    /// [MS-PEAP] §3.1.5.5.2.1: the beginning of EAP-TLS's key material; with TLS 1.3 that of RFC 9427 §2.1, where every length
    /// asked for gives other octets.
    fn tunnel_key(&self) -> Option<Zeroizing<[u8; 60]>> {
        let (label, context): (&[u8], Option<&[u8]>) = if self.carrier.is_tls13() {
            (b"EXPORTER_EAP_TLS_Key_Material", Some(&[Type::PEAP.0]))
        } else {
            (b"client EAP encryption", None)
        };
        let material: Zeroizing<[u8; 128]> = self.carrier.export(label, context)?;
        material.first_chunk().copied().map(Zeroizing::new)
    }

    fn failed(&self, fault: &str) -> Reason {
        let name = printable(&self.identity);
        Reason::EapFailed { method: EapMethod::Peap, name, fault: fault.to_owned() }
    }

    /// A Request within the tunnel, without its header.
    fn say(&mut self, kind: Type, data: &[u8]) -> Vec<u8> {
        self.carrier.say(&[&[kind.0], data].concat())
    }

    /// An EAP-TLV Extensions Request within the tunnel, which has its header, §2.2.8.1. The identifier means nothing there.
    fn extend(&mut self, tlvs: &[u8]) -> Vec<u8> {
        let length = u16::try_from(5 + tlvs.len()).expect("our TLVs are a few octets long");
        let [high, low] = length.to_be_bytes();
        self.carrier.say(&[&[REQUEST.0, 0, high, low, Type::EXTENSIONS.0], tlvs].concat())
    }
}

fn extensions(text: &[u8]) -> Option<Tlvs<'_>> {
    let packet = Packet::parse(text).ok().filter(|packet| packet.code == RESPONSE)?;
    let (&kind, tlvs) = packet.data.split_first()?;
    (Type(kind) == Type::EXTENSIONS).then(|| Tlvs::parse(tlvs))?
}

const UNBOUND: &str = "its cryptobinding is of another tunnel: somebody may stand between the client and this server; have its \
     user connect from another network, with the check of the server's certificate switched on";
const DISBELIEVED: &str = "the client says within the tunnel that it failed, after the right password: it does not take our \
     cryptobinding; switch off \"Disconnect if server does not present cryptobinding TLV\" on it";
