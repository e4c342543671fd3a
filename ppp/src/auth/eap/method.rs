//! One method's part of an EAP conversation, RFC 3748 §2.2.

use std::sync::Arc;

use super::EapMethod;
use super::md5::Md5;
use super::mschapv2::MsChapV2;
use super::packet::{Response, Type};
use super::peap::Peap;
use super::tls::{Job, JobDone, Tls, TlsCredentials};
use crate::auth::{Accept, AuthRequest, Verdict};
use crate::reason::Reason;
use crate::wire::{Discard, Wire};

/// What methods know of the server, and of the link they run on.
pub(super) struct Settings {
    pub(super) server_name: String,
    pub(super) tls: Option<Arc<TlsCredentials>>,
    /// The longest EAP packet that we send.
    pub(super) mtu: usize,
    /// How often the client was refused on this link.
    pub(super) refusals: u32,
    /// How often it may be.
    pub(super) attempts: u32,
}

/// What a method makes of a Response, or of a verdict.
pub(super) enum Step {
    /// Nothing, for now.
    Waiting,
    /// Nothing either, before this is done.
    Work(Job),
    /// The type-data of the next Request.
    Request(Vec<u8>),
    /// Likewise, and it says that the client was refused and may try again.
    Refused(Vec<u8>),
    /// The owner has to decide.
    Ask(AuthRequest),
    /// The client is in.
    Accepted(Box<Accept>),
    /// It is not going to get in.
    Failed(Reason),
    /// The Response has no effect.
    Discard(Discard),
}

/// The method that a conversation has come to.
pub(super) enum Method {
    Md5(Md5),
    MsChapV2(MsChapV2),
    Tls(Box<Tls>),
    Peap(Box<Peap>),
}

impl Method {
    /// The method and the type-data of its first Request; nothing if it cannot be had.
    pub(super) fn begin(method: EapMethod, settings: &Settings, wire: &mut Wire) -> Option<(Self, Vec<u8>)> {
        Some(match method {
            EapMethod::Md5 => {
                let (method, data) = Md5::begin(settings, wire);
                (Self::Md5(method), data)
            }
            EapMethod::MsChapV2 => {
                let (method, data) = MsChapV2::begin(EapMethod::MsChapV2, settings, wire);
                (Self::MsChapV2(method), data)
            }
            EapMethod::Tls => {
                let (method, data) = Tls::begin(settings, wire)?;
                (Self::Tls(Box::new(method)), data)
            }
            EapMethod::Peap => {
                let (method, data) = Peap::begin(settings, wire)?;
                (Self::Peap(Box::new(method)), data)
            }
        })
    }

    pub(super) fn kind(&self) -> Type {
        match self {
            Self::Md5(_) => Type::MD5,
            Self::MsChapV2(_) => Type::MSCHAPV2,
            Self::Tls(_) => Type::TLS,
            Self::Peap(_) => Type::PEAP,
        }
    }

    pub(super) fn handle_response(
        &mut self,
        identity: &[u8],
        response: Response<'_>,
        settings: &Settings,
        wire: &mut Wire,
    ) -> Step {
        match self {
            Self::Md5(method) => method.handle_response(identity, response),
            Self::MsChapV2(method) => method.handle_response(identity, response.data),
            Self::Tls(method) => method.handle_response(identity, response.data, wire),
            Self::Peap(method) => method.handle_response(identity, response.data, settings, wire),
        }
    }

    pub(super) fn handle_job(
        &mut self,
        identity: &[u8],
        done: JobDone,
        settings: &Settings,
        wire: &mut Wire,
    ) -> Step {
        match self {
            Self::Md5(_) | Self::MsChapV2(_) => Step::Waiting,
            Self::Tls(method) => method.handle_job(identity, done, wire),
            Self::Peap(method) => method.handle_job(identity, done, settings, wire),
        }
    }

    pub(super) fn handle_verdict(&mut self, identity: &[u8], verdict: Verdict, wire: &mut Wire) -> Step {
        match self {
            Self::Md5(method) => method.handle_verdict(identity, verdict),
            Self::MsChapV2(method) => method.handle_verdict(verdict, wire),
            Self::Tls(method) => method.handle_verdict(identity, verdict),
            Self::Peap(method) => method.handle_verdict(verdict, wire),
        }
    }

    /// Why the client is not going to get in, if that is so already.
    pub(super) fn refusal(&self, identity: &[u8]) -> Option<Reason> {
        match self {
            Self::Md5(_) => None,
            Self::MsChapV2(method) => method.refusal().cloned(),
            Self::Tls(method) => method.refusal(identity),
            Self::Peap(method) => method.refusal(identity),
        }
    }
}
