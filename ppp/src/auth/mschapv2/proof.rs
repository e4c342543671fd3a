//! What a Response says, RFC 2759 §4, and whether it is right.
//!
//! ```text
//!  peer challenge (16) │ zero (8) │ NT-Response (24) │ flags
//! ```

use std::fmt;

use subtle::ConstantTimeEq;

use super::hash::{self, NtHash};
use super::keys::MasterKey;
use crate::auth::{Evidence, Verified};

/// A client's Response, to be compared with what the account's password gives.
#[derive(Clone)]
pub struct MsChapV2Proof {
    name: Vec<u8>,
    challenge: [u8; 16],
    peer_challenge: [u8; 16],
    nt_response: [u8; 24],
}

impl MsChapV2Proof {
    /// From the value of a Response by `name` to `challenge`.
    pub(crate) fn parse(name: &[u8], challenge: [u8; 16], value: &[u8; VALUE_LENGTH]) -> Option<Self> {
        let (&peer_challenge, rest) = value.split_first_chunk()?;
        // §4: reserved octets and flags must be zero; nothing hangs on them.
        let (_reserved, rest) = rest.split_first_chunk::<8>()?;
        let (&nt_response, _flags) = rest.split_first_chunk()?;
        Some(Self { name: name.to_vec(), challenge, peer_challenge, nt_response })
    }

    /// The challenge that it answers.
    pub(crate) fn question(&self) -> [u8; 16] {
        self.challenge
    }

    /// Compares in constant time.
    ///
    /// The challenge hash covers the name without its domain (RFC 2759 §4), but some clients hash what they
    /// send, so for `DOMAIN\user` either is right.
    pub fn verify(&self, nt_hash: &NtHash) -> Option<Verified> {
        let user = self.name.rsplit(|&octet| octet == b'\\').next().unwrap_or(&self.name);
        [user, &self.name].into_iter().find_map(|name| {
            let challenge_hash = hash::challenge_hash(&self.peer_challenge, &self.challenge, name);
            let expected = hash::challenge_response(&challenge_hash, nt_hash);
            bool::from(expected.ct_eq(&self.nt_response)).then(|| Verified {
                question: self.challenge,
                evidence: Evidence::MsChapV2 {
                    authenticator_response: hash::authenticator_response(
                        nt_hash,
                        &self.nt_response,
                        &challenge_hash,
                    ),
                    master_key: MasterKey::derive(nt_hash, &self.nt_response),
                },
            })
        })
    }
}

impl fmt::Debug for MsChapV2Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MsChapV2Proof(…)")
    }
}

/// The size of a Response's value.
pub(crate) const VALUE_LENGTH: usize = 49;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn rfc2759_section_9_2() {
        let value = hex!(
            "21402324255E262A28295F2B3A337C7E 0000000000000000"
            "82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF 00"
        );
        let challenge = hex!("5B5D7C7D7B3F2F3E3C2C602132262628");
        let proof = MsChapV2Proof::parse(b"User", challenge, &value).unwrap();
        let verified = proof.verify(&NtHash::from_password("clientPass")).unwrap();
        let response = verified.evidence.mschapv2().unwrap();
        assert_eq!(*response, hex!("407A5589115FD0D6209F510FE9C04566932CDA56"));
        assert!(proof.verify(&NtHash::from_password("clientpass")).is_none());
        let other = MsChapV2Proof::parse(b"User", [0; 16], &value).unwrap();
        assert!(other.verify(&NtHash::from_password("clientPass")).is_none());
    }
}
