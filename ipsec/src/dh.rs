//! Diffie-Hellman groups: RFC 2409 §6, RFC 3526, RFC 5903.
//!
//! Everything here is long arithmetic: it belongs into a job, not between packets.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::crypto::{
    ecp::{self, EcpKey},
    modp::{self, ModpKey},
};

/// A negotiable group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Group 1, RFC 2409 §6.1.
    Modp768,
    /// Group 2, RFC 2409 §6.2.
    Modp1024,
    /// Group 5, RFC 3526 §2.
    Modp1536,
    /// Group 14, RFC 3526 §3.
    Modp2048,
    /// Group 19, RFC 5903 §3.1.
    Ecp256,
    /// Group 20, RFC 5903 §3.2.
    Ecp384,
}

impl Group {
    /// Every group, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Modp768, Self::Modp1024, Self::Modp1536, Self::Modp2048, Self::Ecp256, Self::Ecp384];

    /// The number in a Group Description attribute, RFC 2409 App. A.
    pub fn number(self) -> u16 {
        match self {
            Self::Modp768 => 1,
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
        }
    }

    /// The group of that number, if it is one of ours.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }

    /// Octets of a Key Exchange payload's body. Shorter values are padded with zeros in front, RFC 2409 §5.
    pub fn public_len(self) -> usize {
        match self {
            Self::Modp768 => 96,
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
        }
    }

    /// The size of a symmetric key that takes as long to find, NIST SP 800-57 part 1 table 2 (RFC 3526 §8 for MODP-1536).
    pub fn strength_bits(self) -> u16 {
        match self {
            Self::Modp768 => 64,
            Self::Modp1024 => 80,
            Self::Modp1536 => 90,
            Self::Modp2048 => 112,
            Self::Ecp256 => 128,
            Self::Ecp384 => 192,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modp768 => "MODP-768",
            Self::Modp1024 => "MODP-1024",
            Self::Modp1536 => "MODP-1536",
            Self::Modp2048 => "MODP-2048",
            Self::Ecp256 => "ECP-256",
            Self::Ecp384 => "ECP-384",
        })
    }
}

/// The peer's public value is not one of the group: of another length, or of a subgroup that gives the secret away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPublicValue;

/// `g^xy`, RFC 2409 §5, as many octets as the group's elements have; zeroed on drop.
#[derive(Clone)]
pub(crate) struct SharedSecret(Zeroizing<Vec<u8>>);

impl SharedSecret {
    pub(crate) fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets, for a key derivation.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Our half of an exchange: a private value and the group that it is for.
pub(crate) struct PrivateKey {
    group: Group,
    value: Value,
}

enum Value {
    Modp(ModpKey),
    Ecp(EcpKey),
}

impl PrivateKey {
    /// Draws a private value.
    pub(crate) fn generate(group: Group, rng: &mut impl CryptoRng) -> Self {
        let value = match group {
            Group::Modp768 => Value::Modp(ModpKey::generate(modp::PRIME_768, rng)),
            Group::Modp1024 => Value::Modp(ModpKey::generate(modp::PRIME_1024, rng)),
            Group::Modp1536 => Value::Modp(ModpKey::generate(modp::PRIME_1536, rng)),
            Group::Modp2048 => Value::Modp(ModpKey::generate(modp::PRIME_2048, rng)),
            Group::Ecp256 => Value::Ecp(EcpKey::generate(ecp::P256, 32, rng)),
            Group::Ecp384 => Value::Ecp(EcpKey::generate(ecp::P384, 48, rng)),
        };
        Self { group, value }
    }

    /// The group of the exchange.
    pub(crate) fn group(&self) -> Group {
        self.group
    }

    /// The body of our Key Exchange payload.
    pub(crate) fn public(&self) -> Vec<u8> {
        match &self.value {
            Value::Modp(key) => key.public(),
            Value::Ecp(key) => key.public(),
        }
    }

    /// What only the two of us know, from the body of the peer's Key Exchange payload.
    pub(crate) fn shared(&self, peer_public: &[u8]) -> Result<SharedSecret, BadPublicValue> {
        if peer_public.len() != self.group.public_len() {
            return Err(BadPublicValue);
        }
        match &self.value {
            Value::Modp(key) => key.shared(peer_public),
            Value::Ecp(key) => key.shared(peer_public),
        }
    }
}
