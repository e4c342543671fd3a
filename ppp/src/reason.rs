//! Why a link ended, in an operator's words.

use std::fmt;
use std::net::Ipv4Addr;

use crate::EapMethod;

/// Why a link ended. `Display` names the cause, what the user sees, and the remedy where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client hung up.
    PeerTerminated {
        /// What it said, made printable; empty if it said nothing.
        message: String,
    },
    /// The client did not answer LCP at all.
    LcpTimeout,
    /// The client does not understand LCP.
    LcpRejected,
    /// Our own packets come back.
    LoopedBack,
    /// The client will not use any of the authentication protocols that we allow.
    AuthRefused {
        /// What we allow.
        offered: String,
        /// What the client asked for instead.
        wanted: Option<String>,
    },
    /// The client did not answer our challenge.
    AuthTimeout,
    /// Wrong name or password, or an account that may not log in.
    AuthFailed {
        /// The name as the client gave it, made printable.
        name: String,
        /// The error code it was told, RFC 2759 §6.
        code: u16,
        /// How often it was refused.
        attempts: u32,
    },
    /// The client will not use any of the EAP methods that we allow.
    NoEapMethod {
        /// What we allow.
        offered: String,
        /// What the client asked for instead.
        wanted: String,
    },
    /// An EAP method came to nothing before there was a password or a certificate to ask the owner about, or after that.
    EapFailed {
        /// Which.
        method: EapMethod,
        /// The name as the client gave it, made printable.
        name: String,
        /// Cause and remedy.
        fault: String,
    },
    /// The client did not answer IPCP.
    IpcpTimeout,
    /// The client does not want to speak IP.
    IpcpRejected,
    /// The client insists on an address other than the one assigned.
    AddressRefused {
        /// What it asked for last, if it asked.
        asked: Option<Ipv4Addr>,
        /// What it was to get.
        assigned: Ipv4Addr,
    },
    /// The negotiation went on and on.
    SetupTimeout,
    /// Nothing was heard from the client although it was asked.
    PeerSilent,
    /// No address is free for the client.
    NoAddress,
    /// What the owner has for its clients to keep to ends the session: the words say what.
    Policy(&'static str),
    /// An operator ended the session.
    Administrative,
    /// The server is being shut down.
    Shutdown,
}

impl Reason {
    /// The cause in a few words: the text of our Terminate-Request, and how `Display` begins.
    pub(crate) fn summary(&self) -> &'static str {
        match self {
            Self::PeerTerminated { .. } => "the client hung up",
            Self::LcpTimeout => "no answer to LCP",
            Self::LcpRejected => "the client rejected LCP",
            Self::LoopedBack => "the link is looped back",
            Self::AuthRefused { .. } => "no common authentication protocol",
            Self::AuthTimeout => "no answer to the authentication challenge",
            Self::AuthFailed { .. } | Self::EapFailed { .. } => "authentication failed",
            Self::NoEapMethod { .. } => "no common EAP method",
            Self::IpcpTimeout => "no answer to IPCP",
            Self::IpcpRejected => "the client rejected IPCP",
            Self::AddressRefused { .. } => "the client did not take its address",
            Self::SetupTimeout => "negotiation took too long",
            Self::PeerSilent => "the client fell silent",
            Self::NoAddress => "no free address",
            Self::Policy(why) => why,
            Self::Administrative => "disconnected by the administrator",
            Self::Shutdown => "the server is shutting down",
        }
    }

    /// From the data of a Terminate-Request (RFC 1661 §5.5), which is for people to read, except from Windows.
    pub(crate) fn peer_terminated(data: &[u8]) -> Self {
        // Windows sends its magic number, a constant and a RAS error code.
        let message = if let &[_, _, _, _, 0x00, 0x3c, 0xcd, 0x74, a, b, c, d] = data {
            match u32::from_be_bytes([a, b, c, d]) {
                0 => String::new(),
                code => format!("Windows error {code}"),
            }
        } else {
            printable(data)
        };
        Self::PeerTerminated { message }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.summary())?;
        match self {
            Self::PeerTerminated { message } if message.is_empty() => Ok(()),
            Self::PeerTerminated { message } => write!(f, ": {message}"),
            Self::AuthRefused { offered, wanted } => {
                write!(f, ": we allow {offered}, ")?;
                match wanted {
                    Some(wanted) => write!(f, "the client wants {wanted}")?,
                    None => f.write_str("the client wants none")?,
                }
                write!(
                    f,
                    "; Windows shows error 734 or 691: allow {offered} in the connection's security settings"
                )
            }
            Self::AuthFailed { name, code, attempts } => {
                let cause = match code {
                    646 => "not at this hour",
                    647 => "the account is disabled",
                    648 => "the password has expired",
                    649 => "the account may not dial in",
                    691 => "wrong name or password",
                    708 => "the account has expired",
                    709 => "the new password was refused",
                    _ => "refused",
                };
                let times = if *attempts == 1 { "once" } else { "repeatedly" };
                write!(f, " for \"{name}\" {times}: {cause}; Windows shows error {code}")
            }
            Self::NoEapMethod { offered, wanted } => write!(
                f,
                ": we allow {offered}, the client wants {wanted}; Windows shows error 691 or 812: choose one of these on the \
                 device, or add what it wants to `eap.methods`"
            ),
            Self::EapFailed { method, name, fault } => {
                write!(
                    f,
                    " for \"{name}\" ({method}): {fault}; Windows shows error 691, or a text of its own"
                )
            }
            Self::AddressRefused { asked: Some(asked), assigned } => {
                write!(f, " {assigned} and insists on {asked}")?;
                f.write_str(ADDRESS_REFUSED)
            }
            Self::AddressRefused { asked: None, assigned } => {
                write!(f, " {assigned} and asked for none")?;
                f.write_str(ADDRESS_REFUSED)
            }
            Self::LcpTimeout | Self::AuthTimeout | Self::IpcpTimeout | Self::SetupTimeout => {
                f.write_str("; Windows shows error 718: packets get lost on the way, or the client gave up")
            }
            Self::IpcpRejected => {
                f.write_str("; Windows shows error 720, 732 or 733: enable IPv4 in the connection")
            }
            Self::NoAddress => f.write_str("; Windows shows error 736: enlarge the pool"),
            Self::PeerSilent => f.write_str(" and did not answer LCP echoes"),
            Self::LcpRejected => f.write_str(
                "; Windows shows error 720: the client's PPP is broken, or it is no client of L2TP/IPsec",
            ),
            Self::LoopedBack => {
                f.write_str("; Windows shows error 718: whatever stands between sends our own packets back")
            }
            Self::Policy(_) | Self::Administrative | Self::Shutdown => Ok(()),
        }
    }
}

const ADDRESS_REFUSED: &str = "; Windows shows error 735: let it obtain an address automatically";

/// Bytes of the peer's as text that is safe to print on a terminal and not too long for a line.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let bytes = bytes.get(..PRINTABLE_LENGTH).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).escape_debug().collect()
}

const PRINTABLE_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn terminate_requests_are_read_as_their_senders_meant_them() {
        let says = |data: &[u8]| Reason::peer_terminated(data).to_string();
        assert_eq!(says(b"User request"), "the client hung up: User request");
        assert_eq!(says(b""), "the client hung up");
        assert_eq!(says(b"\x1b[2J\n"), "the client hung up: \\u{1b}[2J\\n");
        assert_eq!(says(&hex!("11223344 003ccd74 000002dc")), "the client hung up: Windows error 732");
        assert_eq!(says(&hex!("11223344 003ccd74 00000000")), "the client hung up");
    }

    #[test]
    fn a_refused_protocol_names_the_remedy() {
        let reason = Reason::AuthRefused { offered: "MS-CHAPv2".to_owned(), wanted: Some("PAP".to_owned()) };
        assert_eq!(
            reason.to_string(),
            "no common authentication protocol: we allow MS-CHAPv2, the client wants PAP; \
             Windows shows error 734 or 691: allow MS-CHAPv2 in the connection's security settings"
        );
    }

    /// Whatever keeps a client out that wanted in: the cause, what its user sees, and what there is to do, or to know.
    #[test]
    fn every_failure_names_screen_and_remedy() {
        let assigned = Ipv4Addr::new(10, 20, 0, 2);
        for reason in [
            Reason::LcpTimeout,
            Reason::LcpRejected,
            Reason::LoopedBack,
            Reason::AuthRefused { offered: "MS-CHAPv2".to_owned(), wanted: None },
            Reason::AuthTimeout,
            Reason::IpcpTimeout,
            Reason::IpcpRejected,
            Reason::AddressRefused { asked: Some(Ipv4Addr::LOCALHOST), assigned },
            Reason::AddressRefused { asked: None, assigned },
            Reason::SetupTimeout,
            Reason::NoAddress,
        ] {
            let line = reason.to_string();
            let (cause, rest) = line.split_once("; ").unwrap_or_else(|| panic!("{line}"));
            assert!(cause.starts_with(reason.summary()), "{line}");
            let (screen, remedy) = rest.split_once(": ").unwrap_or_else(|| panic!("{line}"));
            assert!(screen.starts_with("Windows shows error 7"), "{line}");
            assert!(!remedy.is_empty(), "{line}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(printable(&[b'a'; 5000]).len(), PRINTABLE_LENGTH);
    }
}
