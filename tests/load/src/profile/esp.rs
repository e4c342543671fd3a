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
pub struct EspTransform {
    /// Encryption algorithm and key length.
    pub cipher: Cipher,
    /// Hash of the HMAC.
    pub integrity: Hash,
}

impl EspTransform {
    /// A transform from its two choices.
    pub const fn new(cipher: Cipher, integrity: Hash) -> Self {
        Self { cipher, integrity }
    }
}

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
