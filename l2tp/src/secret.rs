//! The tunnel secret: tunnel authentication, RFC 2661 §5.1.1, and AVP hiding, RFC 2661 §4.3.

use std::fmt;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::iana::{Attribute, MessageType};

/// The secret shared between both ends of a tunnel; zeroed on drop, never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Takes the secret's bytes.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Computes the Challenge Response that travels in a message of type `carrier` (RFC 2661 §4.4.3: the CHAP
    /// identifier is that message type).
    pub(crate) fn response(&self, carrier: MessageType, challenge: &[u8]) -> ChallengeResponse {
        let [.., identifier] = carrier.0.to_be_bytes();
        let digest =
            Md5::new().chain_update([identifier]).chain_update(self.0.as_slice()).chain_update(challenge);
        ChallengeResponse(digest.finalize().into())
    }

    /// Recovers the value of a hidden AVP from its hidden AVP subformat, RFC 2661 §4.3.
    ///
    /// `None` when the subformat is too short for the length that it claims, which is what a wrong secret looks like.
    pub(crate) fn unhide(
        &self,
        attribute: Attribute,
        vector: &[u8],
        hidden: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(hidden.len()));
        let mut pad = self.first_pad(attribute, vector);
        for block in hidden.chunks(16) {
            plain.extend(block.iter().zip(pad).map(|(cipher, pad)| cipher ^ pad));
            pad = self.next_pad(block);
        }
        let (length, value) = plain.split_first_chunk::<2>()?;
        let value = value.get(..usize::from(u16::from_be_bytes(*length)))?;
        Some(Zeroizing::new(value.to_vec()))
    }

    /// Makes the hidden AVP subformat of a value, RFC 2661 §4.3. Clients need nothing hidden from us and Apple's
    /// refuses it, so only tests call this.
    #[cfg(test)]
    pub(crate) fn hide(&self, attribute: Attribute, vector: &[u8], value: &[u8], padding: usize) -> Vec<u8> {
        let mut plain = u16::try_from(value.len()).unwrap().to_be_bytes().to_vec();
        plain.extend_from_slice(value);
        plain.resize(plain.len() + padding, 0);
        let mut hidden = Vec::new();
        let mut pad = self.first_pad(attribute, vector);
        for block in plain.chunks(16) {
            let cipher: Vec<u8> = block.iter().zip(pad).map(|(plain, pad)| plain ^ pad).collect();
            pad = self.next_pad(&cipher);
            hidden.extend(cipher);
        }
        hidden
    }

    fn first_pad(&self, attribute: Attribute, vector: &[u8]) -> [u8; 16] {
        let digest = Md5::new().chain_update(attribute.0.to_be_bytes()).chain_update(self.0.as_slice());
        digest.chain_update(vector).finalize().into()
    }

    fn next_pad(&self, cipher: &[u8]) -> [u8; 16] {
        Md5::new().chain_update(self.0.as_slice()).chain_update(cipher).finalize().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Value of a Challenge Response AVP, compared in constant time only.
#[derive(Clone, Copy)]
pub(crate) struct ChallengeResponse(pub(crate) [u8; 16]);

impl ChallengeResponse {
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for ChallengeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeResponse(…)")
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    // Both vectors below were computed apart from this code, with Python's hashlib alone:
    //   response = md5(bytes([id]) + secret + challenge)
    //   pad = md5(attribute.to_bytes(2, "big") + secret + vector); each 16-byte block of
    //   len.to_bytes(2, "big") + value + padding is XORed with pad, then pad = md5(secret + cipher block)
    const CHALLENGE: [u8; 16] = hex!("000102030405060708090a0b0c0d0e0f");

    #[test]
    fn challenge_responses() {
        let secret = Secret::new("tunnel secret");
        assert_eq!(
            secret.response(MessageType::SCCRP, &CHALLENGE).0,
            hex!("6cabe3a6fd5b808fff268d6fecee6c84")
        );
        assert_eq!(
            secret.response(MessageType::SCCCN, &CHALLENGE).0,
            hex!("cf97f8a2d782ba6041053491d8973eae")
        );
    }

    #[test]
    fn responses_are_compared() {
        let secret = Secret::new("tunnel secret");
        let response = secret.response(MessageType::SCCCN, &CHALLENGE);
        assert!(response.matches(&secret.response(MessageType::SCCCN, &CHALLENGE)));
        assert!(!response.matches(&secret.response(MessageType::SCCRP, &CHALLENGE)));
        assert!(!response.matches(&Secret::new("tunnel Secret").response(MessageType::SCCCN, &CHALLENGE)));
    }

    #[test]
    fn hidden_short_value() {
        let hidden = hex!("db2488f79460242c07");
        let secret = Secret::new("tunnel secret");
        let vector = hex!("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
        let value = secret.unhide(Attribute::ASSIGNED_TUNNEL_ID, &vector, &hidden).unwrap();
        assert_eq!(*value, hex!("1234"));
        assert_eq!(secret.hide(Attribute::ASSIGNED_TUNNEL_ID, &vector, &hex!("1234"), 5), hidden);
    }

    #[test]
    fn hidden_long_value() {
        let hidden =
            hex!("0b01eaf5d2eeb6e1791bccf764236b034b6a147087dc95c665a71b670a8c0c96cbf76013fb5b72e5d29b63");
        let secret = Secret::new("tunnel secret");
        let vector = hex!("55aa");
        let value = secret.unhide(Attribute::CALLING_NUMBER, &vector, &hidden).unwrap();
        assert_eq!(value.as_slice(), b"+49 30 1234567 extension 890, third floor");
        assert_eq!(secret.hide(Attribute::CALLING_NUMBER, &vector, &value, 0), hidden);
    }

    #[test]
    fn hidden_value_shorter_than_it_claims() {
        let hidden =
            hex!("0b01eaf5d2eeb6e1791bccf764236b034b6a147087dc95c665a71b670a8c0c96cbf76013fb5b72e5d29b63");
        let secret = Secret::new("tunnel secret");
        for end in 0..hidden.len() {
            assert!(secret.unhide(Attribute::CALLING_NUMBER, &hex!("55aa"), &hidden[..end]).is_none());
        }
    }

    #[test]
    fn secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("tunnel secret")), "Secret(…)");
    }
}
