//! PPP, server side: LCP (RFC 1661), MS-CHAPv2 (RFC 2759), CHAP (RFC 1994), PAP (RFC 1334), EAP (RFC 3748) with
//! EAP-TLS (RFC 5216, RFC 9190) and PEAP, IPCP (RFC 1332, RFC 1877), IPV6CP (RFC 5072), without IO.
//!
//! One [`Link`] is one client. It receives whole PPP frames, except IPv4 and IPv6 data, and gives back frames, events
//! and the time at which it wants to be called again; it neither reads a clock nor owns a socket.
//!
//! ```text
//!  client                                    Link                              owner
//!    │ ◄─────────── LCP Configure-Request ── │ Establish
//!    │ ── Configure-Request, -Ack ─────────► │
//!    │ ◄───────────────── CHAP Challenge ─── │ Authenticate
//!    │ ── CHAP Response ───────────────────► │ ── Event::AuthRequest ────────► │
//!    │ ◄─── CHAP Success, IPCP Conf-Req ──── │ ◄──────────── Verdict::Accept ─ │
//!    │ ── IPCP Conf-Req, -Ack ─────────────► │ Network
//!    │ ◄────────────────────── IPCP Ack ──── │ ── Event::NetworkUp ──────────► │
//! ```
//!
//! # Where it leaves the letter of the RFCs
//!
//! - A Configure-Request that repeats, byte for byte, one acknowledged shortly before is acknowledged again and
//!   nothing else happens; the table of RFC 1661 §4.1 would take the layer down, and with it a login, because an
//!   Ack was lost (`automaton.rs`).
//! - Our own Configure-Request is repeated just before the answer to the client's first one: a client that was not
//!   listening yet when ours came would cost a restart timer (`automaton.rs`).
//! - A Terminate-Request while LCP is still negotiating ends the link instead of restarting the negotiation:
//!   there is nobody left to negotiate with, and the tunnel below knows how to call again (`link.rs`).
//! - An option of a known type but a wrong length is rejected; RFC 1661 §5.3 would rather see a Nak (`lcp.rs`).
//! - A Success that seems to be lost is repeated unasked together with the next IPCP request: clients built on
//!   pppd do not repeat their Response (`link.rs`). EAP's Success likewise, which RFC 3748 §4.2 has said once.
//! - A Nak that wants nothing of what there is ends the conversation: RFC 3748 §5.3.1 leaves it open, and another
//!   method would only be refused as well (`eap.rs`).
//! - TLS takes its randomness where it does its arithmetic, and not from the link's seed (`eap/tls/tunnel.rs`).
#![forbid(unsafe_code)]

mod auth;
mod automaton;
mod config;
mod control;
mod fsm;
mod ipcp;
mod ipv6cp;
mod lcp;
mod link;
mod liveness;
mod network;
mod packet;
mod reason;
#[cfg(test)]
mod stories;
mod wire;

pub use auth::chap::md5::ChapProof;
pub use auth::eap::{
    CertificateProof, ClientCertificate, EapMethod, Job, JobDone, TlsCredentials, TlsCredentialsError,
    TlsFiles,
};
pub use auth::mschapv2::{MsChapV2Proof, NewPassword, NewPasswordProof, NtHash};
pub use auth::pap::Password;
pub use auth::{Accept, Addressing, AuthProtocol, AuthRequest, Method, Proof, Reject, Verdict, Verified};
pub use config::{Config, EapConfig};
pub use ipcp::Ipv4Config;
pub use ipv6cp::{InterfaceId, Ipv6Config};
pub use link::{Event, Link, SessionEnd};
pub use packet::{DATA_HEADER_IPV4, DATA_HEADER_IPV6, Malformed, Protocol, parse_frame};
pub use reason::Reason;
pub use wire::{Discard, Discards};
