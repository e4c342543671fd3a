//! ESP in transport mode, RFC 4303; what surrounds it on UDP 4500 is the owner's, RFC 3948.
//!
//! ```text
//!         ┌─────┬──────────┬────┬──────────────────────┬─────────┬─────────┬──────┬─────┐
//!         │ SPI │ sequence │ IV │ payload (a UDP       │ 1, 2, 3 │ pad     │ next │ ICV │
//!         │  4  │     4    │    │ datagram)            │ …       │ len   1 │ hdr 1│     │
//!         └─────┴──────────┴────┴──────────────────────┴─────────┴─────────┴──────┴─────┘
//!                               └───────────────── encrypted ─────────────────────┘
//!         └───────────────────────────── authenticated ───────────────────────────┘
//! ```
//!
//! Packets are handled in place, in batches, in three steps, of which only the middle one costs anything:
//!
//! ```text
//!   out   OutboundSa::frame ─▶ seal_batch                          lanes of any SAs,
//!   in    InboundSa::check  ─▶ open_batch  ─▶ InboundSa::accept    whatever was ready
//! ```
//!
//! The middle step takes keys by shared reference and packets of many SAs, which kernels work on at once. Nothing here
//! allocates once an SA exists.
//!
//! Sequence numbers are 32 bits: IKEv1 as these clients speak it does not negotiate extended ones (RFC 4304).

mod batch;
mod discard;
mod inbound;
mod layout;
mod outbound;
mod replay;
mod suite;

pub use batch::{Lane, OpenKey, SealKey, open_batch, seal_batch};
pub use discard::{EspDiscard, EspDiscards};
pub use inbound::InboundSa;
pub use outbound::{Exhausted, IvSource, OutboundSa};
pub use replay::Sequence;
pub use suite::{AesBits, EspCipher, EspIntegrity, EspKeys, EspSuite, GcmIcv, Spi};

#[cfg(test)]
mod tests;

/// SPI and sequence number, RFC 4303 §2.
const FIXED_HEADER_LEN: usize = 8;
/// Pad length and next header.
const TRAILER_LEN: usize = 2;
/// The next header of a payload that is a UDP datagram.
const NEXT_HEADER_UDP: u8 = 17;
/// The next header of a dummy packet, RFC 4303 §2.6.
const NEXT_HEADER_NONE: u8 = 59;
/// What padding consists of, cut to length, RFC 4303 §2.4.
const PADDING: [u8; 255] = {
    let mut padding = [0; 255];
    let mut octet = 1;
    while octet < 255 {
        padding[octet as usize - 1] = octet;
        octet += 1;
    }
    padding[254] = octet;
    padding
};
