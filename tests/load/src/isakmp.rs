//! ISAKMP messages: the header and the chain of payloads, RFC 2408 §3.1 and §3.2.
//!
//! ```text
//!  0               8               16 17 18 19 20      24      28
//!  ┌───────────────┬───────────────┬──┬──┬──┬──┬───────┬───────┐
//!  │ initiator     │ responder     │np│v │ex│fl│ msgid │length │
//!  └───────────────┴───────────────┴──┴──┴──┴──┴───────┴───────┘
//!  then, for each payload: next payload, reserved, length (2), body
//! ```

/// Payload types, RFC 2408 §3.1 and RFC 3947 §3.2, §5.2.
pub(crate) mod payload {
    pub(crate) const SA: u8 = 1;
    pub(crate) const KEY_EXCHANGE: u8 = 4;
    pub(crate) const ID: u8 = 5;
    pub(crate) const CERTIFICATE: u8 = 6;
    pub(crate) const CERTIFICATE_REQUEST: u8 = 7;
    pub(crate) const HASH: u8 = 8;
    pub(crate) const SIGNATURE: u8 = 9;
    pub(crate) const NONCE: u8 = 10;
    pub(crate) const NOTIFICATION: u8 = 11;
    pub(crate) const DELETE: u8 = 12;
    pub(crate) const VENDOR_ID: u8 = 13;
}

/// Exchange types, RFC 2408 §3.1 and RFC 2409 App. A.
pub(crate) mod exchange {
    pub(crate) const MAIN_MODE: u8 = 2;
    pub(crate) const AGGRESSIVE: u8 = 4;
    pub(crate) const INFORMATIONAL: u8 = 5;
    pub(crate) const QUICK_MODE: u8 = 32;
}

/// Header flag: everything after the header is encrypted.
pub(crate) const ENCRYPTED: u8 = 1;

/// A cookie of the header.
pub(crate) type Cookie = [u8; 8];

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) initiator: Cookie,
    pub(crate) responder: Cookie,
    pub(crate) next: u8,
    pub(crate) exchange: u8,
    pub(crate) flags: u8,
    pub(crate) message_id: u32,
}

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = 28;

impl Header {
    /// The whole message; its length is filled in.
    pub(crate) fn encode(&self, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_LEN + body.len()).expect("our own messages fit a datagram");
        [
            &self.initiator[..],
            &self.responder,
            &[self.next, 0x10, self.exchange, self.flags],
            &self.message_id.to_be_bytes(),
            &length.to_be_bytes(),
            body,
        ]
        .concat()
    }

    /// Splits a message into header and body; `None` unless version and length are right.
    pub(crate) fn decode(message: &[u8]) -> Option<(Self, &[u8])> {
        let (initiator, rest) = message.split_first_chunk()?;
        let (responder, rest) = rest.split_first_chunk()?;
        let ([next, 0x10, exchange, flags], rest) = rest.split_first_chunk()? else { return None };
        let (message_id, rest) = rest.split_first_chunk()?;
        let (length, body) = rest.split_first_chunk()?;
        (usize::try_from(u32::from_be_bytes(*length)) == Ok(message.len())).then_some(())?;
        let header = Self {
            initiator: *initiator,
            responder: *responder,
            next: *next,
            exchange: *exchange,
            flags: *flags,
            message_id: u32::from_be_bytes(*message_id),
        };
        Some((header, body))
    }
}

/// A payload to be sent: its type and body.
#[derive(Clone, Debug)]
pub(crate) struct Payload(pub(crate) u8, pub(crate) Vec<u8>);

/// The first payload's type and the chain with its generic headers.
pub(crate) fn encode_chain(payloads: &[Payload]) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    let following = payloads.iter().skip(1).map(|payload| payload.0).chain([0]);
    for (payload, next) in payloads.iter().zip(following) {
        bytes.extend([next, 0]);
        bytes.extend(length16(payload.1.len() + 4));
        bytes.extend(&payload.1);
    }
    (payloads.first().map_or(0, |payload| payload.0), bytes)
}

/// A payload as received, in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) kind: u8,
    pub(crate) body: &'a [u8],
    /// With its generic header, as HASH(1) and its like cover it.
    pub(crate) whole: &'a [u8],
}

/// The payloads of a message; `None` if the chain breaks. What follows the last payload is padding.
pub(crate) fn decode_chain(first: u8, mut bytes: &[u8]) -> Option<Vec<Received<'_>>> {
    let mut payloads = Vec::new();
    let mut kind = first;
    while kind != 0 {
        let ([next, _reserved, high, low], _) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (whole, rest) = bytes.split_at_checked(length)?;
        payloads.push(Received { kind, body: whole.get(4..)?, whole });
        (kind, bytes) = (*next, rest);
    }
    Some(payloads)
}

/// A length of our own making as it goes on the wire.
pub(crate) fn length16(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("our own payloads are small").to_be_bytes()
}

/// The value of an attribute (RFC 2408 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    /// Two bytes in place of a length.
    Basic(u16, u16),
    /// Four bytes.
    Long(u16, u32),
}

impl Attribute {
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Self::Basic(kind, value) => [(kind | 0x8000).to_be_bytes(), value.to_be_bytes()].concat(),
            Self::Long(kind, value) => [&kind.to_be_bytes()[..], &[0, 4], &value.to_be_bytes()].concat(),
        }
    }

    /// All attributes as (type, value); `None` if they break off or a value exceeds 32 bits.
    pub(crate) fn decode_all(mut bytes: &[u8]) -> Option<Vec<(u16, u32)>> {
        let mut attributes = Vec::new();
        while let Some((kind, rest)) = bytes.split_first_chunk() {
            let kind = u16::from_be_bytes(*kind);
            let (second, rest) = rest.split_first_chunk()?;
            let second = u16::from_be_bytes(*second);
            if kind & 0x8000 != 0 {
                attributes.push((kind & 0x7fff, u32::from(second)));
                bytes = rest;
            } else {
                let (value, rest) = rest.split_at_checked(usize::from(second))?;
                (value.len() <= 4).then_some(())?;
                attributes.push((kind, value.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte))));
                bytes = rest;
            }
        }
        bytes.is_empty().then_some(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_and_no_prefix_does() {
        let payloads = [Payload(payload::SA, vec![1, 2, 3]), Payload(payload::NONCE, vec![4; 16])];
        let (next, body) = encode_chain(&payloads);
        let header = Header {
            initiator: [1; 8],
            responder: [2; 8],
            next,
            exchange: exchange::MAIN_MODE,
            flags: 0,
            message_id: 7,
        };
        let message = header.encode(&body);
        let (decoded, rest) = Header::decode(&message).unwrap();
        assert_eq!(decoded, header);
        let chain = decode_chain(decoded.next, rest).unwrap();
        assert_eq!(
            chain.iter().map(|p| (p.kind, p.body)).collect::<Vec<_>>(),
            [(payload::SA, &[1, 2, 3][..]), (payload::NONCE, &[4; 16]),]
        );
        for length in 0..message.len() {
            assert!(Header::decode(&message[..length]).is_none());
            let body = &rest[..length.min(rest.len().saturating_sub(1))];
            assert!(decode_chain(header.next, body).is_none());
        }
    }

    #[test]
    fn attributes() {
        let bytes = [Attribute::Basic(1, 7).encode(), Attribute::Long(12, 28_800).encode()].concat();
        assert_eq!(bytes, [0x80, 1, 0, 7, 0, 12, 0, 4, 0, 0, 0x70, 0x80]);
        assert_eq!(Attribute::decode_all(&bytes), Some(vec![(1, 7), (12, 28_800)]));
        assert_eq!(Attribute::decode_all(&bytes[..9]), None);
    }
}
