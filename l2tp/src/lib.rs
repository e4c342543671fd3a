//! L2TP network server (RFC 2661), without IO.
//!
//! ```text
//! LAC (client)                    LNS (this)
//!     SCCRQ  ─────────────────────▶
//!            ◀───────────────────── SCCRP
//!     SCCCN  ─────────────────────▶        the tunnel is open
//!            ◀───────────────────── ZLB
//!     ICRQ   ─────────────────────▶
//!            ◀───────────────────── ICRP
//!     ICCN   ─────────────────────▶        the session is open: PPP
//!            ◀───────────────────── ZLB
//! ```
//!
//! [`Lns`] handles control messages; the owner moves data messages with [`parse_data`] and [`data_header`]. Tunnels
//! belong to an opaque peer `P` chosen by the owner, so equal ids of different peers never meet.
//!
//! Deviations from RFC 2661, each explained where it happens:
//! - §4.4.6: Sequencing Required is not obeyed: data is never sent with sequence numbers.
//! - §5.7: a refused SCCRQ is answered without keeping state, once for each time that it is received.
//! - §5.8: a goodbye does not wait for the peer's window; an unanswered HELLO is no reason to close a tunnel whose
//!   data flows.
//! - §6.1: of the mandatory AVPs of an SCCRQ only the Assigned Tunnel ID is insisted upon.

#![forbid(unsafe_code)]

mod avp;
mod channel;
mod config;
mod control;
mod discard;
mod event;
mod header;
mod iana;
mod lns;
mod message;
mod reason;
mod reliable;
mod secret;
mod session;
mod small_map;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod test_support;

pub use config::Config;
pub use discard::{Discard, Discards};
pub use event::{Event, SessionKey, Transmit};
pub use header::{Data, Malformed, data_header, is_control, parse_data};
pub use lns::Lns;
pub use reason::{Disconnect, Fault, Reason};
pub use secret::Secret;
