//! The one place that names a cryptography crate.
//!
//! | file | what | from |
//! |---|---|---|
//! | `hash` | MD5, SHA-1, SHA-2 and the prf made of them | RustCrypto |
//! | `mac` | the keyed state of an integrity algorithm, kept between packets | our multi-buffer kernels; RustCrypto for MD5 |
//! | `gcm` | AES-GCM with whole and cut tags | aws-lc-rs |
//! | `cipher` | AES, 3DES and DES in CBC mode | RustCrypto |
//! | `modp` | exponentiation modulo the RFC 2409 and RFC 3526 primes | crypto-bigint |
//! | `ecp` | the curves of RFC 5903 | aws-lc-rs |
//! | `signature` | RSA and ECDSA over HASH_I and HASH_R | rsa, aws-lc-rs |
//!
//! `certificate/path.rs` names one more: webpki, which verifies certificates with aws-lc-rs.

pub(crate) mod cipher;
pub(crate) mod ecp;
pub(crate) mod gcm;
pub(crate) mod hash;
pub(crate) mod mac;
pub(crate) mod modp;
pub(crate) mod signature;

pub use cipher::WeakKey;
pub(crate) use cipher::{Cipher, CipherKey, Iv};
pub(crate) use hash::{Digest, Hash};
use subtle::ConstantTimeEq;

/// Compares in time that depends on the lengths only.
pub(crate) fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}
