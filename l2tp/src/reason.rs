//! Why tunnels and sessions end: what the peer is told (RFC 2661 §4.4.2) and what the operator reads.

use std::fmt;

use crate::avp;
use crate::iana::{MessageType, disconnect, error, stop};
use crate::message::ResultCode;

/// Why the owner ends a session; decides the codes of CDN and StopCCN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Disconnect {
    /// An operator asked for it.
    Administrative,
    /// The PPP link above is over.
    LinkClosed,
    /// The user could not be authenticated or is not allowed in.
    NotAuthorized,
    /// No address, or too many sessions.
    NoResources,
    /// The server is shutting down.
    Shutdown,
}

impl Disconnect {
    pub(crate) fn cdn(self) -> ResultCode {
        ResultCode::plain(match self {
            Self::Administrative | Self::NotAuthorized | Self::Shutdown => disconnect::ADMINISTRATIVE,
            Self::LinkClosed => disconnect::LOSS_OF_CARRIER,
            Self::NoResources => disconnect::TEMPORARY_LACK,
        })
    }

    pub(crate) fn stop_ccn(self) -> ResultCode {
        ResultCode::plain(if self == Self::Shutdown { stop::SHUTTING_DOWN } else { stop::CLEARED })
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Administrative => "disconnected by the operator",
            Self::LinkClosed => "PPP link closed",
            Self::NotAuthorized => "not authorized",
            Self::NoResources => "no resources",
            Self::Shutdown => "server shuts down",
        })
    }
}

/// What was wrong with a control message, RFC 2661 §4.1 and §7.1. Numbers are vendor and attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An AVP's length does not fit the message.
    Structure,
    /// The first AVP is no proper Message Type.
    NoMessageType,
    /// An unknown AVP with the M bit.
    Unrecognised {
        /// SMI network management private enterprise code, 0 for the IETF.
        vendor: u16,
        /// Attribute type.
        attribute: u16,
    },
    /// A mandatory hidden AVP that cannot be read: no secret here, another secret there, or no random vector.
    Hidden(u16),
    /// A known AVP whose value has the wrong length.
    Length(u16),
    /// A known AVP whose value is out of range.
    Value(u16),
    /// An AVP without which the message means nothing.
    Missing(u16),
    /// A protocol version other than 1.
    ProtocolVersion(u16),
    /// An unknown message type with the M bit.
    UnknownMessage(u16),
    /// A known message in the wrong state.
    OutOfPlace(u16),
}

impl Fault {
    pub(crate) fn stop_ccn(self) -> ResultCode {
        match self {
            // RFC 2661 §4.4.2: the error code indicates the highest version supported.
            Self::ProtocolVersion(_) => {
                ResultCode { result: stop::VERSION_NOT_SUPPORTED, error: 0x0100, message: String::new() }
            }
            Self::OutOfPlace(_) => ResultCode::plain(stop::STATE_MACHINE_ERROR),
            _ => ResultCode { result: stop::GENERAL_ERROR, error: self.error(), message: self.to_string() },
        }
    }

    pub(crate) fn cdn(self) -> ResultCode {
        ResultCode { result: disconnect::GENERAL_ERROR, error: self.error(), message: self.to_string() }
    }

    fn error(self) -> u16 {
        match self {
            Self::Structure | Self::Length(_) => error::WRONG_LENGTH,
            Self::Value(_) => error::BAD_VALUE,
            Self::Unrecognised { .. } | Self::Hidden(_) | Self::UnknownMessage(_) => {
                error::UNKNOWN_MANDATORY_AVP
            }
            Self::NoMessageType | Self::Missing(_) | Self::ProtocolVersion(_) | Self::OutOfPlace(_) => {
                error::VENDOR_SPECIFIC
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Structure => f.write_str("AVP length does not fit the message"),
            Self::NoMessageType => f.write_str("message does not begin with its type"),
            Self::Unrecognised { vendor: 0, attribute } => write!(f, "unknown mandatory AVP {attribute}"),
            Self::Unrecognised { vendor, attribute } => {
                write!(f, "unknown mandatory AVP {attribute} of vendor {vendor}")
            }
            Self::Hidden(attribute) => write!(f, "hidden AVP {} cannot be read", Named(attribute)),
            Self::Length(attribute) => write!(f, "AVP {} has a wrong length", Named(attribute)),
            Self::Value(attribute) => write!(f, "AVP {} is out of range", Named(attribute)),
            Self::Missing(attribute) => write!(f, "AVP {} is missing", Named(attribute)),
            Self::ProtocolVersion(version) => write!(f, "protocol version {version:#06x} is not supported"),
            Self::UnknownMessage(kind) => write!(f, "unknown mandatory message type {kind}"),
            Self::OutOfPlace(kind) => write!(f, "unexpected {}", MessageType(kind)),
        }
    }
}

struct Named(u16);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match avp::name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Why a tunnel or session is over. `Display` is for the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The IPsec peer below is gone.
    PeerGone,
    /// The owner ended it.
    Local(Disconnect),
    /// The client sent StopCCN.
    Stopped {
        /// Result code.
        result: u16,
        /// Error code, 0 if none.
        error: u16,
        /// The client's own words, cleaned of control characters.
        message: String,
    },
    /// The client sent CDN.
    Disconnected {
        /// Result code.
        result: u16,
        /// Error code, 0 if none.
        error: u16,
        /// The client's own words, cleaned of control characters.
        message: String,
    },
    /// The client no longer acknowledges what it is sent.
    NoResponse,
    /// The client began, but did not finish in time.
    SetupTimeout,
    /// The tunnel had no session for too long.
    NoSession,
    /// The client sent something that cannot be served.
    Fault(Fault),
    /// The client demands tunnel authentication, but no tunnel secret is configured here.
    NoSecret,
    /// The client's answer to our challenge is wrong or missing.
    WrongSecret,
    /// The client has begun anew with the same tunnel or session id.
    Replaced,
    /// The client has too many tunnels or sessions.
    TooMany,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PeerGone => f.write_str("IPsec connection ended"),
            Self::Local(why) => why.fmt(f),
            Self::Stopped { result, error, message } => {
                write!(f, "client closed the tunnel: {}", stop::describe(*result))?;
                Self::details(f, *error, message)
            }
            Self::Disconnected { result, error, message } => {
                write!(f, "client hung up: {}", disconnect::describe(*result))?;
                Self::details(f, *error, message)
            }
            Self::NoResponse => f.write_str("client no longer answers"),
            Self::SetupTimeout => f.write_str("client did not complete the set-up in time"),
            Self::NoSession => f.write_str("tunnel without a session"),
            Self::Fault(fault) => write!(f, "client sent what cannot be served: {fault}"),
            Self::NoSecret => f.write_str("client has an L2TP secret, but no L2TP secret is configured here"),
            Self::WrongSecret => f.write_str("client's L2TP secret is missing or wrong"),
            Self::Replaced => f.write_str("replaced by a new attempt of the same client"),
            Self::TooMany => f.write_str("client has too many tunnels or sessions"),
        }
    }
}

impl Reason {
    /// What the user of a client that got no further than this sees, and what to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NoSecret | Self::WrongSecret => {
                "Windows shows error 628 or 809, other devices only that they failed; clear the \"L2TP secret\" on the device, or set \
                 `secret` under `l2tp` to the same: Windows and Apple devices cannot be given one"
            }
            Self::NoResponse | Self::SetupTimeout | Self::NoSession => {
                "Windows shows error 809 or 628, other devices time out; packets get lost on the way, or the device gave up: connect again"
            }
            Self::TooMany => {
                "Windows shows error 628, other devices only that they failed; disconnect the device, and connect again"
            }
            Self::Fault(_) => {
                "Windows shows error 628, other devices only that they failed; the client's software is broken: report this line"
            }
            Self::Stopped { .. } | Self::Disconnected { .. } | Self::Replaced => {
                "its user cancelled, or the device says why it gave up; if nobody cancelled, look there"
            }
            Self::Local(_) | Self::PeerGone => {
                "Windows shows error 628 or 809, other devices that they failed; connect again"
            }
        }
    }

    fn details(f: &mut fmt::Formatter<'_>, code: u16, message: &str) -> fmt::Result {
        if code != error::NONE {
            write!(f, ", {}", error::describe(code))?;
        }
        if !message.is_empty() {
            write!(f, " ({message})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever keeps a client from its tunnel or its session.
    #[test]
    fn every_failure_has_advice() {
        for reason in [
            Reason::NoResponse,
            Reason::SetupTimeout,
            Reason::NoSession,
            Reason::Fault(Fault::Structure),
            Reason::NoSecret,
            Reason::WrongSecret,
            Reason::TooMany,
            Reason::PeerGone,
            Reason::Local(Disconnect::NoResources),
        ] {
            let (screen, remedy) = reason.advice().split_once("; ").unwrap_or_else(|| panic!("{reason}"));
            assert!(screen.starts_with("Windows shows error"), "{reason}: {screen}");
            assert!(!remedy.is_empty(), "{reason}");
        }
    }
}
