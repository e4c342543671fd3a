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
    // Four octets at a time, of which every ICV of ESP is some; what decides is one number, in the end.
    let (a4, a1) = a.as_chunks::<4>();
    let (b4, b1) = b.as_chunks::<4>();
    let words = a4.iter().zip(b4).map(|(a, b)| u32::from_ne_bytes(*a) ^ u32::from_ne_bytes(*b));
    let octets = a1.iter().zip(b1).map(|(a, b)| u32::from(a ^ b));
    let difference = words.chain(octets).fold(0, |all, one| all | one);
    a.len() == b.len() && difference.ct_eq(&0).into()
}

#[cfg(test)]
mod tests {
    use super::constant_time_eq;

    #[test]
    fn every_octet_and_the_length_count() {
        for len in 0..40 {
            let a = vec![0x5a; len];
            assert!(constant_time_eq(&a, &a.clone()));
            assert!(!constant_time_eq(&a, &[&a[..], &[0x5a]].concat()));
            for place in 0..len {
                for bit in 0..8 {
                    let mut b = a.clone();
                    b[place] ^= 1 << bit;
                    assert!(!constant_time_eq(&a, &b), "{len} {place} {bit}");
                }
            }
        }
    }
}
