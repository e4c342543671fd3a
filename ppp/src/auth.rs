//! Authentication: a question to the owner and its verdict.
//!
//! ```text
//!  client          Authenticator                          owner
//!    │ ── Response ──► │ ── AuthRequest: name, Proof ──► │ Proof::verify ─► Verified
//!    │ ◄─ Success ──── │ ◄── Verdict::Accept(Verified) ─ │
//! ```

mod authenticator;
pub(crate) mod chap;
pub(crate) mod eap;
pub(crate) mod mschapv2;
pub(crate) mod pap;

use std::fmt;

use crate::packet::Protocol;
use crate::reason::printable;
use crate::{Ipv4Config, Ipv6Config};
pub(crate) use authenticator::{Authenticator, Outcome, Terms};
use chap::md5::ChapProof;
use eap::{CertificateProof, EapMethod};
use mschapv2::{MasterKey, MsChapV2Proof, NewPasswordProof};
use pap::Password;

/// A way for clients to prove who they are, as LCP negotiates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthProtocol {
    /// MS-CHAP version 2, RFC 2759.
    MsChapV2,
    /// CHAP with MD5, RFC 1994.
    Chap,
    /// The password itself, RFC 1334.
    Pap,
    /// EAP, RFC 3748.
    Eap,
}

impl AuthProtocol {
    /// The data of the LCP option that asks for it, RFC 1661 §6.2.
    pub(crate) fn option(self) -> &'static [u8] {
        match self {
            // RFC 2759 §3: CHAP with algorithm 0x81.
            Self::MsChapV2 => &[0xc2, 0x23, 0x81],
            // RFC 1994 §3.
            Self::Chap => &[0xc2, 0x23, 0x05],
            // RFC 1334 §2.1.
            Self::Pap => &[0xc0, 0x23],
            // RFC 3748 §2.
            Self::Eap => &[0xc2, 0x27],
        }
    }

    pub(crate) fn from_option(data: &[u8]) -> Option<Self> {
        let all = [Self::MsChapV2, Self::Eap, Self::Chap, Self::Pap];
        all.into_iter().find(|protocol| protocol.option() == data)
    }
}

impl fmt::Display for AuthProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MsChapV2 => f.write_str("MS-CHAPv2"),
            Self::Chap => f.write_str("CHAP-MD5"),
            Self::Pap => f.write_str("PAP"),
            Self::Eap => f.write_str("EAP"),
        }
    }
}

/// Names what a client asked for, whether or not we know it.
pub(crate) fn describe_offer(data: &[u8]) -> String {
    if let Some(known) = AuthProtocol::from_option(data) {
        return known.to_string();
    }
    match *data {
        [0xc2, 0x23, 0x80] => "MS-CHAPv1".to_owned(),
        [high, low, ..] => Protocol(u16::from_be_bytes([high, low])).to_string(),
        [] | [_] => "something unreadable".to_owned(),
    }
}

/// May this client come in? Answered with [`Link::handle_verdict`](crate::Link::handle_verdict), now or later.
#[derive(Clone)]
pub struct AuthRequest {
    /// The name as the client sent it, with the domain if there is one.
    pub name: Vec<u8>,
    /// How the client went about it, for the log.
    pub method: Method,
    /// What it showed.
    pub proof: Proof,
}

impl AuthRequest {
    /// The verdict that the client may not come in: RFC 2759 §6's `code` for it, and a text that some clients show.
    pub fn reject(&self, code: u16, message: impl Into<String>) -> Verdict {
        Verdict::Reject(Reject { question: self.proof.question(), code, message: message.into() })
    }
}

impl fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthRequest")
            .field("name", &printable(&self.name))
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// How a client came to show its [`Proof`]. `Display` is what stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// MS-CHAP version 2 as LCP negotiates it.
    MsChapV2,
    /// CHAP with MD5.
    Chap,
    /// PAP.
    Pap,
    /// Within EAP.
    Eap(EapMethod),
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MsChapV2 => AuthProtocol::MsChapV2.fmt(f),
            Self::Chap => AuthProtocol::Chap.fmt(f),
            Self::Pap => AuthProtocol::Pap.fmt(f),
            Self::Eap(method) => method.fmt(f),
        }
    }
}

/// What a client showed, to be compared with what its account says.
#[derive(Clone)]
pub enum Proof {
    /// The answer to a challenge, made with the password's NT hash.
    MsChapV2(MsChapV2Proof),
    /// The same with a new password, in the place of an expired one.
    NewPassword(NewPasswordProof),
    /// The answer to a challenge, made with the password itself.
    Chap(ChapProof),
    /// The password itself.
    Password(Password),
    /// A certificate that TLS has verified; whose it is, is for the owner to say.
    Certificate(CertificateProof),
}

impl Proof {
    /// The challenge that it answers, or a number as random.
    fn question(&self) -> [u8; 16] {
        match self {
            Self::MsChapV2(proof) => proof.question(),
            Self::NewPassword(proof) => proof.question(),
            Self::Chap(proof) => proof.question(),
            Self::Password(password) => password.question(),
            Self::Certificate(proof) => proof.question(),
        }
    }
}

/// That a [`Proof`] was right. It belongs to one question to the owner, as every verdict does: one that comes late can neither let
/// somebody else in nor keep somebody else out.
#[derive(Clone)]
pub struct Verified {
    /// The challenge that the client answered, or a number as random.
    question: [u8; 16],
    evidence: Evidence,
}

/// What the client is shown in turn.
#[derive(Clone)]
enum Evidence {
    /// Nothing.
    None,
    /// The Authenticator Response of RFC 2759 §8.7: we know the password too. And the key that both sides have now.
    MsChapV2 { authenticator_response: [u8; 20], master_key: MasterKey },
}

impl Evidence {
    fn mschapv2(&self) -> Option<&[u8; 20]> {
        match self {
            Self::MsChapV2 { authenticator_response, .. } => Some(authenticator_response),
            Self::None => None,
        }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verified(…)")
    }
}

/// The owner's answer to an [`AuthRequest`].
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The client is who it says.
    Accept(Box<Accept>),
    /// It is not, or may not log in.
    Reject(Reject),
}

impl Verdict {
    /// The same, if it is about that question.
    fn on(self, question: &[u8; 16]) -> Option<Self> {
        let own = match &self {
            Self::Accept(accept) => accept.verified.question,
            Self::Reject(reject) => reject.question,
        };
        (own == *question).then_some(self)
    }
}

/// Everything that a client gets with its admission.
#[derive(Clone, Debug)]
pub struct Accept {
    /// What the proof's `verify` gave.
    pub verified: Verified,
    /// A text that some clients show; may be empty.
    pub message: String,
    /// The client's place in the network.
    pub addressing: Addressing,
}

/// A client's place in the network.
#[derive(Clone, Debug)]
pub struct Addressing {
    /// What IPCP is to agree on. Nothing: no address is free, and the client is told so by the end of IPCP.
    pub ipv4: Option<Ipv4Config>,
    /// What IPV6CP is to agree on, if the client may have IPv6.
    pub ipv6: Option<Ipv6Config>,
}

/// What a refused client is told; [`AuthRequest::reject`] makes it.
#[derive(Clone, Debug)]
pub struct Reject {
    /// That of the [`Proof`].
    question: [u8; 16],
    /// 646 restricted hours, 647 account disabled, 648 password expired, 649 no dial-in permission,
    /// 691 wrong name or password, 709 new password refused (RFC 2759 §6), 708 account expired. With MS-CHAPv2, after 691 the
    /// client may try again while attempts are left, and after 648 it may show a [`Proof::NewPassword`].
    code: u16,
    /// A text that some clients show; may be empty.
    message: String,
}

impl Reject {
    /// For protocols whose refusals are free text: the code as MS-CHAPv2 writes it, so that whoever reads the
    /// client's log finds it.
    fn text(&self) -> String {
        let message: String = self.message.chars().take(MESSAGE_LENGTH).collect();
        format!("E={} R=0 M={message}", self.code)
    }
}

/// Within every MRU that we acknowledge, whatever the characters.
const MESSAGE_LENGTH: usize = 100;
