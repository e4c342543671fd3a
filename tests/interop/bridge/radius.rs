//! As much of RADIUS as carries EAP, RFC 2865, RFC 3579.
//!
//! ```text
//! ┌──────┬────────────┬────────┬──────────────────┬──────────────────────────────────┐
//! │ code │ identifier │ length │ authenticator 16 │ attributes: type, length, value… │
//! └──────┴────────────┴────────┴──────────────────┴──────────────────────────────────┘
//! ```

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};

/// An Access-Request, whose Message-Authenticator is not looked at.
pub(super) struct Request {
    identifier: u8,
    authenticator: [u8; 16],
    pub(super) eap: Vec<u8>,
    /// It has the State of an earlier answer.
    pub(super) continues: bool,
}

/// An answer: its code, and the EAP packet in it.
pub(super) struct Answer {
    code: u8,
    eap: Vec<u8>,
}

impl Request {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[ACCESS_REQUEST, identifier, _, _], rest) = bytes.split_first_chunk()? else { return None };
        let (&authenticator, mut rest) = rest.split_first_chunk()?;
        let mut request = Self { identifier, authenticator, eap: Vec::new(), continues: false };
        while let Some((&[kind, length], _)) = rest.split_first_chunk() {
            let (attribute, behind) = rest.split_at_checked(usize::from(length))?;
            match (kind, attribute.get(2..)?) {
                (EAP_MESSAGE, value) => request.eap.extend(value),
                (STATE, _) => request.continues = true,
                _ => {}
            }
            rest = behind;
        }
        Some(request)
    }

    /// The packet that answers this one, signed twice: RFC 3579 §3.2, RFC 2865 §3.
    pub(super) fn answer(&self, answer: &Answer, secret: &[u8]) -> Vec<u8> {
        let mut attributes = Vec::new();
        for piece in answer.eap.chunks(253) {
            push(&mut attributes, EAP_MESSAGE, piece);
        }
        if answer.code == ACCESS_CHALLENGE {
            push(&mut attributes, STATE, b"the one");
        }
        push(&mut attributes, MESSAGE_AUTHENTICATOR, &[0; 16]);
        let length =
            u16::try_from(20 + attributes.len()).expect("an EAP packet of 1400 octets and little else");
        let [high, low] = length.to_be_bytes();
        let mut packet =
            [&[answer.code, self.identifier, high, low][..], &self.authenticator, &attributes].concat();
        let mac = Hmac::<Md5>::new_from_slice(secret).expect("HMAC takes keys of any length");
        let mac: [u8; 16] = mac.chain_update(&packet).finalize().into_bytes().into();
        let end = packet.len() - 16;
        packet[end..].copy_from_slice(&mac);
        let signature: [u8; 16] = Md5::new().chain_update(&packet).chain_update(secret).finalize().into();
        packet[4..20].copy_from_slice(&signature);
        packet
    }
}

impl Answer {
    /// By the code of the EAP packet: Request, Success, Failure.
    pub(super) fn of(eap: Vec<u8>) -> Option<Self> {
        let code = match eap.first()? {
            1 => ACCESS_CHALLENGE,
            3 => ACCESS_ACCEPT,
            4 => ACCESS_REJECT,
            _ => return None,
        };
        Some(Self { code, eap })
    }
}

fn push(attributes: &mut Vec<u8>, kind: u8, value: &[u8]) {
    attributes.extend([kind, u8::try_from(2 + value.len()).expect("a value of at most 253 octets")]);
    attributes.extend(value);
}

const ACCESS_REQUEST: u8 = 1;
const ACCESS_ACCEPT: u8 = 2;
const ACCESS_REJECT: u8 = 3;
const ACCESS_CHALLENGE: u8 = 11;
const STATE: u8 = 24;
const EAP_MESSAGE: u8 = 79;
const MESSAGE_AUTHENTICATOR: u8 = 80;
