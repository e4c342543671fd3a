//! EAP packets, RFC 3748 §4.
//!
//! ```text
//! ┌──────┬────────────┬────────┬──────┬─────────────┐
//! │ code │ identifier │ length │ type │ type-data … │   Request 1, Response 2
//! └──────┴────────────┴────────┴──────┴─────────────┘
//!                                no type in Success 3, Failure 4
//! ```

use crate::packet::{self, Code, Packet, Protocol};
use crate::wire::Discard;

/// A Response: what it answers, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Response<'a> {
    pub(crate) identifier: u8,
    pub(crate) kind: Type,
    pub(crate) data: &'a [u8],
}

impl<'a> Response<'a> {
    /// §4.1. Whatever else a client sends is discarded: Requests, for we do not prove who we are to it in its own
    /// conversation, and Success and Failure, which are ours to say.
    pub(crate) fn of(packet: Packet<'a>) -> Result<Self, Discard> {
        if packet.code != RESPONSE {
            return Err(Discard::Code);
        }
        let (&kind, data) = packet.data.split_first().ok_or(Discard::Truncated)?;
        Ok(Self { identifier: packet.identifier, kind: Type(kind), data })
    }
}

/// A Request as a whole frame.
pub(crate) fn request(identifier: u8, kind: Type, data: &[u8]) -> Vec<u8> {
    packet::encode(Protocol::EAP, REQUEST, identifier, &[&[kind.0], data].concat())
}

/// A Success as a whole frame, §4.2.
pub(crate) fn success(identifier: u8) -> Vec<u8> {
    packet::encode(Protocol::EAP, SUCCESS, identifier, &[])
}

/// A Failure as a whole frame, §4.2.
pub(crate) fn failure(identifier: u8) -> Vec<u8> {
    packet::encode(Protocol::EAP, FAILURE, identifier, &[])
}

/// What a Request or Response is about, §5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Type(pub(crate) u8);

impl Type {
    pub(crate) const IDENTITY: Self = Self(1);
    pub(crate) const NAK: Self = Self(3);
    pub(crate) const MD5: Self = Self(4);
    pub(crate) const TLS: Self = Self(13);
    pub(crate) const PEAP: Self = Self(25);
    pub(crate) const MSCHAPV2: Self = Self(26);
    /// EAP-TLV Extensions, [MS-PEAP] §2.2.8.1.
    pub(crate) const EXTENSIONS: Self = Self(33);
}

pub(crate) const REQUEST: Code = Code(1);
pub(crate) const RESPONSE: Code = Code(2);
const SUCCESS: Code = Code(3);
const FAILURE: Code = Code(4);

/// Code, identifier, length and type: what stands before the type-data.
pub(crate) const HEADER: usize = 5;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Response<'_>, Discard> {
        Response::of(Packet::parse(bytes).unwrap())
    }

    #[test]
    fn responses_are_taken_apart() {
        let response = parse(&hex!("02 07 000a 01 616c696365 00")).unwrap();
        assert_eq!((response.identifier, response.kind, response.data), (7, Type::IDENTITY, &b"alice"[..]));
        assert_eq!(parse(&hex!("02 07 0004")).unwrap_err(), Discard::Truncated);
    }

    #[test]
    fn what_is_ours_to_say_is_not_taken_from_a_client() {
        for code in [1, 3, 4, 5] {
            assert_eq!(parse(&[code, 7, 0, 5, 1]).unwrap_err(), Discard::Code);
        }
    }

    #[test]
    fn packets_are_written_as_the_rfc_draws_them() {
        assert_eq!(request(9, Type::IDENTITY, b""), hex!("ff03 c227 01 09 0005 01"));
        assert_eq!(success(9), hex!("ff03 c227 03 09 0004"));
        assert_eq!(failure(9), hex!("ff03 c227 04 09 0004"));
    }
}
