//! The authenticator of one link: whichever protocol LCP agreed on.

use std::time::Instant;

use super::{Addressing, AuthProtocol, AuthRequest, Verdict, chap, eap, mschapv2, pap};
use crate::config::Config;
use crate::packet::{Packet, Protocol};
use crate::reason::Reason;
use crate::wire::Wire;

/// One client's authentication, from the first packet to the last word.
pub(crate) enum Authenticator {
    MsChapV2(mschapv2::Authenticator),
    Chap(chap::md5::Authenticator),
    Pap(pap::Authenticator),
    Eap(Box<eap::Authenticator>),
}

/// What an authentication begins with.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// What LCP agreed on.
    pub(crate) protocol: AuthProtocol,
    /// The longest packet that may be sent to the client.
    pub(crate) mtu: u16,
    /// How often the client was refused before it renegotiated.
    pub(crate) refusals: u32,
}

/// What a packet, a verdict or the time means for the link.
pub(crate) enum Outcome {
    /// Nothing, for now.
    Waiting,
    /// Nothing, before this is done.
    Working(eap::Job),
    /// The owner has to decide.
    Asking(AuthRequest),
    /// The client is in.
    Accepted(Addressing),
    /// It was refused and may try again.
    Refused,
    /// It is not going to get in on this link.
    Failed(Reason),
}

impl Authenticator {
    /// Opens the conversation.
    pub(crate) fn new(now: Instant, terms: Terms, config: &Config, wire: &mut Wire) -> Self {
        match terms.protocol {
            AuthProtocol::MsChapV2 => {
                Self::MsChapV2(mschapv2::Authenticator::challenge(now, config, terms.refusals, wire))
            }
            AuthProtocol::Chap => Self::Chap(chap::md5::Authenticator::challenge(now, config, wire)),
            AuthProtocol::Pap => Self::Pap(pap::Authenticator::listen(now)),
            AuthProtocol::Eap => Self::Eap(Box::new(eap::Authenticator::new(now, config, terms, wire))),
        }
    }

    /// The protocol of its packets.
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::MsChapV2(_) | Self::Chap(_) => Protocol::CHAP,
            Self::Pap(_) => Protocol::PAP,
            Self::Eap(_) => Protocol::EAP,
        }
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, packet: Packet<'_>, wire: &mut Wire) -> Outcome {
        match self {
            Self::MsChapV2(auth) => auth.handle_packet(packet, wire),
            Self::Chap(auth) => auth.handle_packet(packet, wire),
            Self::Pap(auth) => auth.handle_packet(packet, wire),
            Self::Eap(auth) => auth.handle_packet(now, packet, wire),
        }
    }

    pub(crate) fn handle_verdict(&mut self, now: Instant, verdict: Verdict, wire: &mut Wire) -> Outcome {
        match self {
            Self::MsChapV2(auth) => auth.handle_verdict(verdict, wire),
            Self::Chap(auth) => auth.handle_verdict(verdict, wire),
            Self::Pap(auth) => auth.handle_verdict(verdict, wire),
            Self::Eap(auth) => auth.handle_verdict(now, verdict, wire),
        }
    }

    pub(crate) fn handle_job(&mut self, now: Instant, done: eap::JobDone, wire: &mut Wire) -> Outcome {
        match self {
            Self::MsChapV2(_) | Self::Chap(_) | Self::Pap(_) => Outcome::Waiting,
            Self::Eap(auth) => auth.handle_job(now, done, wire),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, wire: &mut Wire) -> Outcome {
        match self {
            Self::MsChapV2(auth) => auth.handle_timeout(now, wire),
            Self::Chap(auth) => auth.handle_timeout(now, wire),
            Self::Pap(auth) => auth.handle_timeout(now),
            Self::Eap(auth) => auth.handle_timeout(now, wire),
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::MsChapV2(auth) => auth.poll_timeout(),
            Self::Chap(auth) => auth.poll_timeout(),
            Self::Pap(auth) => auth.poll_timeout(),
            Self::Eap(auth) => auth.poll_timeout(),
        }
    }

    /// The client cannot have heard our last packet: says it again.
    pub(crate) fn repeat(&self, wire: &mut Wire) {
        match self {
            Self::MsChapV2(auth) => auth.repeat(wire),
            Self::Chap(auth) => auth.repeat(wire),
            Self::Pap(auth) => auth.repeat(wire),
            Self::Eap(auth) => auth.repeat(wire),
        }
    }

    /// Why the client hung up, if a refusal explains it.
    pub(crate) fn refusal(&self) -> Option<Reason> {
        match self {
            Self::Chap(_) | Self::Pap(_) => None,
            Self::MsChapV2(auth) => auth.refusal().cloned(),
            Self::Eap(auth) => auth.refusal(),
        }
    }
}
