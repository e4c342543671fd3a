//! ISAKMP messages: the header, RFC 2408 §3.1.
//!
//! ```text
//!   0               8               16     17     18     19     20     24     28
//!   +---------------+---------------+------+------+------+------+------+------+ - - - -
//!   |initiator      |responder      | next | ver. | exch.| flags|message length   payloads
//!   |        cookie |        cookie | payl.|      | type |      |  id  |      |
//!   +---------------+---------------+------+------+------+------+------+------+ - - - -
//! ```

pub(crate) mod iana;
mod id;
mod notify;
mod payload;
mod sa;
mod write;

use std::fmt;

use self::iana::{ExchangeType, PayloadType, VERSION_1_0};

pub use self::id::Id;
pub(crate) use self::id::IdPayload;
pub(crate) use self::notify::{DeletePayload, NotifyPayload};
pub(crate) use self::payload::{Payload, Payloads};
pub(crate) use self::sa::{Proposal, SaPayload, Transform};
pub(crate) use self::write::{Chain, MessageWriter};

/// Octets of the fixed header.
pub(crate) const HEADER_LEN: usize = 28;

/// Why bytes are not a message, or a payload not what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Malformed {
    /// Ends before a fixed part does.
    Truncated,
    /// A length field below its own header or beyond what holds it.
    Length,
    /// Not ISAKMP 1.x.
    Version,
    /// More payloads than any message has.
    TooMany,
    /// A payload the exchange needs is not there.
    Missing(PayloadType),
    /// Not the IPsec DOI, or a situation with labels.
    Doi,
    /// A field whose value makes no sense where it stands.
    Value,
}

/// Half of an ISAKMP SA's name, chosen by one side, RFC 2408 §2.5.3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Cookie(pub(crate) [u8; 8]);

impl Cookie {
    /// The responder's half in an initiator's first message.
    pub(crate) const ZERO: Self = Self([0; 8]);
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The name of an ISAKMP SA and of the phase 1 exchange that makes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Cookies {
    /// Chosen by the client.
    pub(crate) initiator: Cookie,
    /// Chosen by us.
    pub(crate) responder: Cookie,
}

impl Cookies {
    /// Both halves as they stand in a notification's or a Delete's SPI, RFC 2408 §3.14.
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.initiator.0);
        bytes[8..].copy_from_slice(&self.responder.0);
        bytes
    }
}

/// The header's flag octet, RFC 2408 §3.1. Bits nobody defined are tolerated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    /// What follows the header is encrypted.
    pub(crate) const ENCRYPTION: Self = Self(1);

    /// No bit set.
    pub(crate) const NONE: Self = Self(0);

    /// The body is ciphertext.
    pub(crate) fn is_encrypted(self) -> bool {
        self.0 & Self::ENCRYPTION.0 != 0
    }
}

/// The fixed header, RFC 2408 §3.1, less its version and length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Which ISAKMP SA.
    pub(crate) cookies: Cookies,
    /// Kind of the first payload.
    pub(crate) next_payload: PayloadType,
    /// Kind of exchange.
    pub(crate) exchange: ExchangeType,
    /// Encryption, commit, authentication only.
    pub(crate) flags: Flags,
    /// Zero in phase 1; else names the exchange under its ISAKMP SA.
    pub(crate) message_id: u32,
}

/// A message taken apart no further than its header: the body may be ciphertext.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// The fixed header.
    pub(crate) header: Header,
    /// What the header's length says follows it.
    pub(crate) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Takes the header off. Octets behind the length it claims are ignored, as a UDP datagram may be padded.
    pub(crate) fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (&fixed, rest) = datagram.split_first_chunk::<HEADER_LEN>().ok_or(Malformed::Truncated)?;
        let [i0, i1, i2, i3, i4, i5, i6, i7, r0, r1, r2, r3, r4, r5, r6, r7, tail @ ..] = fixed;
        let [next, version, exchange, flags, m0, m1, m2, m3, l0, l1, l2, l3] = tail;
        if version >> 4 != VERSION_1_0 >> 4 {
            return Err(Malformed::Version);
        }
        let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).map_err(|_| Malformed::Length)?;
        let body_len = length.checked_sub(HEADER_LEN).ok_or(Malformed::Length)?;
        let body = rest.get(..body_len).ok_or(Malformed::Length)?;
        let header = Header {
            cookies: Cookies {
                initiator: Cookie([i0, i1, i2, i3, i4, i5, i6, i7]),
                responder: Cookie([r0, r1, r2, r3, r4, r5, r6, r7]),
            },
            next_payload: PayloadType(next),
            exchange: ExchangeType(exchange),
            flags: Flags(flags),
            message_id: u32::from_be_bytes([m0, m1, m2, m3]),
        };
        Ok(Self { header, body })
    }

    /// The payloads of a message that is not encrypted.
    pub(crate) fn payloads(&self) -> Result<Payloads<'a>, Malformed> {
        Payloads::parse(self.header.next_payload, self.body)
    }
}

#[cfg(test)]
mod tests;
