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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::vectors::octets;

    /// Hash, key, message, MAC.
    type HmacVector = (Hash, Vec<u8>, &'static [u8], Vec<u8>);

    /// RFC 2202 §2 and §3, RFC 4231 §4.2, §4.3, §4.7.
    pub(in crate::crypto) fn hmac_vectors() -> Vec<HmacVector> {
        let hi_there = [
            (Hash::Md5, 16, "9294727a3638bb1c13f48ef8158bfc9d"),
            (Hash::Sha1, 20, "b617318655057264e28bc0b6fb378c8ef146be00"),
            (Hash::Sha256, 20, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                Hash::Sha384,
                20,
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59c\
                 faea9ea9076ede7f4af152e8b2fa9cb6",
            ),
            (
                Hash::Sha512,
                20,
                "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
                 daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
            ),
        ];
        let jefe = [
            (Hash::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Hash::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Hash::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Hash::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
                 8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Hash::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ];
        let larger_than_a_block = [
            (Hash::Md5, 80, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
            (Hash::Sha1, 80, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
            (Hash::Sha256, 131, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
            (
                Hash::Sha384,
                131,
                "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c6\
                 0c2ef6ab4030fe8296248df163f44952",
            ),
            (
                Hash::Sha512,
                131,
                "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
                 6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
            ),
        ];
        let jefe_says: &[u8] = b"what do ya want for nothing?";
        let larger: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let hi_there =
            hi_there.map(|(hash, len, mac)| (hash, vec![0x0b; len], &b"Hi There"[..], octets(mac)));
        let jefe = jefe.map(|(hash, mac)| (hash, b"Jefe".to_vec(), jefe_says, octets(mac)));
        let larger_key =
            larger_than_a_block.map(|(hash, len, mac)| (hash, vec![0xaa; len], larger, octets(mac)));
        [hi_there, jefe, larger_key].concat()
    }

    #[test]
    fn prf_is_hmac() {
        for (hash, key, message, mac) in hmac_vectors() {
            assert_eq!(hash.prf(&key, &[message]), mac, "{hash}");
            let (front, back) = message.split_at(message.len() / 2);
            assert_eq!(hash.prf(&key, &[front, &[], back]), mac, "{hash}: in parts");
        }
    }

    /// RFC 1321 App. A.5, FIPS 180-4's examples: the digest of "abc".
    #[test]
    fn digests_of_abc() {
        let digests = [
            (Hash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Hash::Sha384,
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                 8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                Hash::Sha512,
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ];
        for (hash, digest) in digests {
            assert_eq!(hash.digest(&[b"a", b"bc"]), octets(digest), "{hash}");
            assert_eq!(hash.digest(&[]).len(), hash.digest_len(), "{hash}");
        }
    }

    #[test]
    fn a_digest_equals_only_itself_and_shows_nothing() {
        let digest = Hash::Sha1.digest(&[b"abc"]);
        assert!(digest != digest[..19]);
        assert!(digest != Hash::Sha1.digest(&[b"abd"]));
        assert_eq!(format!("{digest:?}"), "…");
    }
}
