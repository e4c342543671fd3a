//! Authentication: a question to the owner and its verdict.
//!
//! ```text
//!  client          Authenticator                          owner
//!    │ ── Response ──► │ ── AuthRequest: name, Proof ──► │ Proof::verify ─► Verified
//!    │ ◄─ Success ──── │ ◄── Verdict::Accept(Verified) ─ │
//! ```

mod authenticator;
pub(crate) mod mschapv2;

use std::fmt;

use crate::Ipv4Config;
use crate::packet::Protocol;
use crate::reason::printable;
pub(crate) use authenticator::{Authenticator, Outcome};
use mschapv2::MsChapV2Proof;

/// A way for clients to prove who they are, as LCP negotiates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthProtocol {
    /// MS-CHAP version 2, RFC 2759.
    MsChapV2,
}

impl AuthProtocol {
    /// The data of the LCP option that asks for it, RFC 1661 §6.2.
    pub(crate) fn option(self) -> &'static [u8] {
        match self {
            // RFC 2759 §3: CHAP with algorithm 0x81.
            Self::MsChapV2 => &[0xc2, 0x23, 0x81],
        }
    }

    pub(crate) fn from_option(data: &[u8]) -> Option<Self> {
        [Self::MsChapV2].into_iter().find(|protocol| protocol.option() == data)
    }
}

impl fmt::Display for AuthProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MsChapV2 => f.write_str("MS-CHAPv2"),
        }
    }
}

/// Names what a client asked for, whether or not we know it.
pub(crate) fn describe_offer(data: &[u8]) -> String {
    match *data {
        [0xc2, 0x23, 0x05] => "CHAP with MD5".to_owned(),
        [0xc2, 0x23, 0x80] => "MS-CHAPv1".to_owned(),
        [0xc2, 0x23, 0x81] => AuthProtocol::MsChapV2.to_string(),
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
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MsChapV2 => f.write_str("MS-CHAPv2"),
        }
    }
}

/// What a client showed, to be compared with what its account says.
#[derive(Clone)]
pub enum Proof {
    /// The answer to a challenge, made with the password's NT hash.
    MsChapV2(MsChapV2Proof),
}

/// That a [`Proof`] was right. It belongs to the challenge that the client answered, so that a verdict which comes
/// late cannot let somebody else in.
#[derive(Clone)]
pub struct Verified {
    challenge: [u8; 16],
    evidence: Evidence,
}

/// What the client is shown in turn.
#[derive(Clone)]
enum Evidence {
    /// The Authenticator Response of RFC 2759 §8.7: we know the password too.
    MsChapV2([u8; 20]),
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
    /// What IPCP is to agree on.
    pub ipv4: Ipv4Config,
}

/// What a refused client is told.
#[derive(Clone, Debug)]
pub struct Reject {
    /// 646 restricted hours, 647 account disabled, 648 password expired, 649 no dial-in permission,
    /// 691 wrong name or password (RFC 2759 §6), 708 account expired. After 691 the client may try again while
    /// attempts are left.
    pub code: u16,
    /// A text that some clients show; may be empty.
    pub message: String,
}
