//! Hash functions and the prf of IKEv1, which is HMAC of the negotiated hash (RFC 2409 §4, RFC 2104).

use std::{fmt, ops::Deref};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::constant_time_eq;

/// A negotiable hash algorithm, RFC 2409 App. A and RFC 4868.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hash {
    /// MD5, RFC 1321.
    Md5,
    /// SHA-1, FIPS 180-4.
    Sha1,
    /// SHA2-256, FIPS 180-4.
    Sha256,
    /// SHA2-384, FIPS 180-4.
    Sha384,
    /// SHA2-512, FIPS 180-4.
    Sha512,
}

impl Hash {
    /// Octets of a digest.
    pub(crate) fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Hashes the concatenation of `parts`.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Digest {
        fn run<D: md5::Digest>(parts: &[&[u8]]) -> Digest {
            let mut hash = D::new();
            for part in parts {
                hash.update(part);
            }
            Digest::new(&hash.finalize())
        }
        match self {
            Self::Md5 => run::<Md5>(parts),
            Self::Sha1 => run::<Sha1>(parts),
            Self::Sha256 => run::<Sha256>(parts),
            Self::Sha384 => run::<Sha384>(parts),
            Self::Sha512 => run::<Sha512>(parts),
        }
    }

    /// `prf(key, parts)`: HMAC, since no other prf was ever assigned a number (RFC 2409 §4).
    pub(crate) fn prf(self, key: &[u8], parts: &[&[u8]]) -> Digest {
        fn run<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Digest {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
            for part in parts {
                mac.update(part);
            }
            Digest::new(&mac.finalize().into_bytes())
        }
        match self {
            Self::Md5 => run::<Hmac<Md5>>(key, parts),
            Self::Sha1 => run::<Hmac<Sha1>>(key, parts),
            Self::Sha256 => run::<Hmac<Sha256>>(key, parts),
            Self::Sha384 => run::<Hmac<Sha384>>(key, parts),
            Self::Sha512 => run::<Hmac<Sha512>>(key, parts),
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA2-256",
            Self::Sha384 => "SHA2-384",
            Self::Sha512 => "SHA2-512",
        })
    }
}

/// The output of a hash or of a prf: perhaps a key, so it is zeroed on drop, not printed, and compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Digest {
    bytes: [u8; Self::MAX_LEN],
    #[zeroize(skip)]
    len: u8,
}

impl Digest {
    /// Octets of the longest digest, that of SHA2-512.
    pub(crate) const MAX_LEN: usize = 64;

    fn new(output: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        bytes[..output.len()].copy_from_slice(output);
        Self { bytes, len: u8::try_from(output.len()).expect("no digest is longer than 64 octets") }
    }
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Digest {
    fn eq(&self, other: &T) -> bool {
        constant_time_eq(self, other.as_ref())
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
