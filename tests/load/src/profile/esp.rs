//! Quick Mode and ESP, as data.

use std::time::Duration;

use crate::crypto::{Cipher, Hash};
use crate::dh::Group;

/// Quick Mode (RFC 2409 §5.5) and ESP as one client does it.
#[derive(Clone, Debug)]
pub struct EspProfile {
    /// The transforms in order.
    pub transforms: Vec<EspTransform>,
    /// How the offer is divided and its attributes are laid out.
    pub layout: EspLayout,
    /// Proposed life.
    pub lifetime: Duration,
    /// Proposed life in kilobytes.
    pub kilobytes: Option<u32>,
    /// Group of a second exchange, if perfect forward secrecy is wanted.
    pub pfs: Option<Group>,
    /// Sends its original address and the server's when a NAT was found (RFC 3947 §5.2).
    pub nat_oa: bool,
    /// The UDP port of its own identity.
    pub identity_port: IdentityPort,
    /// Pause between the phases.
    pub delay: Duration,
    /// Bytes of HMAC-SHA2-256's ICV: 16 by RFC 4868, 12 by a draft that some Android kernels follow.
    pub sha256_icv: usize,
    /// The inner UDP checksum is computed over the private address, or left out.
    pub udp_checksum: bool,
    /// Renews the SA this long after it was made.
    pub rekey_after: Option<Duration>,
    /// Sends a Delete for the SA that was replaced, after this time.
    pub deletes_replaced: Option<Duration>,
    /// Answers a Quick Mode that the server starts.
    pub answers: bool,
}

/// One ESP transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspTransform {
    /// A cipher in CBC mode, and an HMAC.
    Cbc {
        /// Encryption algorithm and key length.
        cipher: Cipher,
        /// Hash of the HMAC.
        integrity: Hash,
    },
    /// AES in GCM, which is both, with an ICV of 16 bytes (RFC 4106).
    Gcm(GcmKey),
}

/// The key length of AES in GCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcmKey {
    /// 128 bits.
    Aes128,
    /// 256 bits.
    Aes256,
}

impl EspTransform {
    /// A transform of two algorithms.
    pub const fn new(cipher: Cipher, integrity: Hash) -> Self {
        Self::Cbc { cipher, integrity }
    }

    /// The hash of the HMAC, if there is one.
    pub fn integrity(self) -> Option<Hash> {
        match self {
            Self::Cbc { integrity, .. } => Some(integrity),
            Self::Gcm(_) => None,
        }
    }

    /// Bytes of key material of one direction: the cipher's, then the HMAC's or the salt (RFC 4106 §8.1).
    pub(crate) fn keymat_len(self) -> usize {
        match self {
            Self::Cbc { cipher, integrity } => cipher.key_len() + integrity.digest_len(),
            Self::Gcm(key) => key.len() + GCM_SALT_LEN,
        }
    }

    /// The Key-Length attribute, as for [`Cipher::key_length_attribute`].
    pub(crate) fn key_length_attribute(self) -> Option<u16> {
        match self {
            Self::Cbc { cipher, .. } => cipher.key_length_attribute(),
            Self::Gcm(GcmKey::Aes128) => Some(128),
            Self::Gcm(GcmKey::Aes256) => Some(256),
        }
    }
}

impl GcmKey {
    /// Bytes of it.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

/// RFC 4106 §4: the part of the nonce that is key material.
pub(crate) const GCM_SALT_LEN: usize = 4;

/// Shape of a phase 2 offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EspLayout {
    /// One proposal for each transform; lifetimes as TLVs of four bytes.
    Windows,
    /// One proposal; life type, life duration, mode, key length, authentication.
    Racoon,
    /// One proposal; key length, authentication, mode, life type, life duration.
    StrongSwan,
}

/// The port of the client's own identity in Quick Mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityPort {
    /// The port L2TP is sent from.
    Source,
    /// Zero: any.
    Any,
}

/// Every transform of `ciphers` × `integrities`, ciphers outermost.
pub(super) fn esp_grid(ciphers: &[Cipher], integrities: &[Hash]) -> Vec<EspTransform> {
    let row = |cipher: &Cipher| integrities.iter().map(|hash| EspTransform::new(*cipher, *hash)).collect();
    ciphers.iter().map(row).collect::<Vec<Vec<_>>>().concat()
}
