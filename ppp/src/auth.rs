//! Authentication: a question to the owner and its verdict.

pub(crate) mod mschapv2;

use std::fmt;

use crate::Ipv4Config;
use crate::packet::Protocol;
use mschapv2::{AuthenticatorResponse, MsChapV2Request};

/// A way for clients to prove who they are.
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
#[derive(Clone, Debug)]
pub enum AuthRequest {
    /// A Response to an MS-CHAPv2 Challenge.
    MsChapV2(MsChapV2Request),
}

/// The owner's answer to an [`AuthRequest`].
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The client is who it says.
    Accept(Accept),
    /// It is not, or may not log in.
    Reject(Reject),
}

/// Everything that a client gets with its admission.
#[derive(Clone, Debug)]
pub struct Accept {
    /// The proof, from [`MsChapV2Request::verify`], that we know the password too.
    pub authenticator_response: AuthenticatorResponse,
    /// A text that some clients show; may be empty.
    pub message: String,
    /// The client's place in the network.
    pub addressing: Ipv4Config,
}

/// What a refused client is told.
#[derive(Clone, Debug)]
pub struct Reject {
    /// 646 restricted hours, 647 account disabled, 648 password expired, 649 no dial-in permission,
    /// 691 wrong name or password (RFC 2759 §6). After 691 the client may try again while attempts are left.
    pub code: u16,
    /// A text that some clients show; may be empty.
    pub message: String,
}
