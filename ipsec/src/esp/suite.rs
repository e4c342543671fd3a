//! What an SA is made of: its number, its algorithms, its keys.

use std::fmt;

use zeroize::Zeroizing;

use super::{FIXED_HEADER_LEN, TRAILER_LEN};
use crate::crypto::{Cipher, Hash, WeakKey, mac::MacKey};

/// A Security Parameters Index, RFC 4303 §2.1: chosen by the receiver, and all that says whose packet this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// An ESP encryption algorithm, RFC 2407 §4.4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EspCipher {
    /// DES-CBC, RFC 2405.
    Des,
    /// 3DES-CBC, RFC 2451.
    TripleDes,
    /// AES-CBC with a key of 128 bits, RFC 3602.
    Aes128,
    /// AES-CBC with a key of 192 bits, RFC 3602.
    Aes192,
    /// AES-CBC with a key of 256 bits, RFC 3602.
    Aes256,
}

impl EspCipher {
    pub(crate) fn cipher(self) -> Cipher {
        match self {
            Self::Des => Cipher::Des,
            Self::TripleDes => Cipher::TripleDes,
            Self::Aes128 => Cipher::Aes128,
            Self::Aes192 => Cipher::Aes192,
            Self::Aes256 => Cipher::Aes256,
        }
    }
}

/// An ESP integrity algorithm, RFC 2407 §4.5: HMAC of a hash, and how much of it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EspIntegrity {
    /// HMAC-MD5-96, RFC 2403.
    Md5_96,
    /// HMAC-SHA1-96, RFC 2404.
    Sha1_96,
    /// HMAC-SHA2-256-128, RFC 4868.
    Sha256_128,
    /// HMAC-SHA2-384-192, RFC 4868.
    Sha384_192,
    /// HMAC-SHA2-512-256, RFC 4868.
    Sha512_256,
}

impl EspIntegrity {
    /// Octets of the integrity check value.
    pub fn icv_len(self) -> usize {
        match self {
            Self::Md5_96 | Self::Sha1_96 => 12,
            Self::Sha256_128 => 16,
            Self::Sha384_192 => 24,
            Self::Sha512_256 => 32,
        }
    }

    /// Octets of the key: those of the hash's digest (RFC 2403 §3, RFC 2404 §3, RFC 4868 §2.1.1).
    pub(crate) fn key_len(self) -> usize {
        self.hash().digest_len()
    }

    pub(crate) fn hash(self) -> Hash {
        match self {
            Self::Md5_96 => Hash::Md5,
            Self::Sha1_96 => Hash::Sha1,
            Self::Sha256_128 => Hash::Sha256,
            Self::Sha384_192 => Hash::Sha384,
            Self::Sha512_256 => Hash::Sha512,
        }
    }
}

impl fmt::Display for EspIntegrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5_96 => "HMAC-MD5-96",
            Self::Sha1_96 => "HMAC-SHA1-96",
            Self::Sha256_128 => "HMAC-SHA2-256-128",
            Self::Sha384_192 => "HMAC-SHA2-384-192",
            Self::Sha512_256 => "HMAC-SHA2-512-256",
        })
    }
}

/// The algorithms of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EspSuite {
    /// How the payload is hidden.
    pub cipher: EspCipher,
    /// How the packet is protected.
    pub integrity: EspIntegrity,
}

impl EspSuite {
    /// Octets before the payload: SPI, sequence number and IV.
    pub fn header_len(self) -> usize {
        FIXED_HEADER_LEN + self.block_len()
    }

    /// Octets after the ciphertext.
    pub fn icv_len(self) -> usize {
        self.integrity.icv_len()
    }

    /// Octets of the whole packet around a payload: header, payload with padding up to whole blocks, ICV.
    pub fn packet_len(self, payload_len: usize) -> usize {
        let text_len = (payload_len + TRAILER_LEN).next_multiple_of(self.block_len());
        self.header_len() + text_len + self.icv_len()
    }

    /// Octets of a block of the cipher, and of an IV.
    pub(super) fn block_len(self) -> usize {
        self.cipher.cipher().block_len()
    }

    /// Octets of both keys.
    pub fn key_len(self) -> usize {
        self.cipher.cipher().key_len() + self.integrity.key_len()
    }
}

impl fmt::Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.cipher.cipher(), self.integrity)
    }
}

/// The keys of one direction, zeroed on drop.
#[derive(Clone)]
pub struct EspKeys {
    octets: Zeroizing<Vec<u8>>,
    cipher_len: usize,
}

impl EspKeys {
    /// Takes the keys from the front of keying material: the cipher's, then the integrity algorithm's, the order in which
    /// every implementation takes them (RFC 2409 §5.5 names none).
    ///
    /// # Panics
    ///
    /// If there are fewer than [`EspSuite::key_len`] octets.
    pub fn new(suite: EspSuite, keymat: &[u8]) -> Result<Self, WeakKey> {
        let cipher = suite.cipher.cipher();
        let octets = Zeroizing::new(keymat[..suite.key_len()].to_vec());
        let keys = Self { octets, cipher_len: cipher.key_len() };
        if cipher.is_weak(keys.cipher_key()) { Err(WeakKey) } else { Ok(keys) }
    }

    pub(crate) fn cipher_key(&self) -> &[u8] {
        &self.octets[..self.cipher_len]
    }

    pub(crate) fn mac_key(&self, suite: EspSuite) -> MacKey {
        MacKey::new(suite.integrity.hash(), &self.octets[self.cipher_len..])
    }
}

impl fmt::Debug for EspKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::esp) fn every_suite() -> impl Iterator<Item = EspSuite> {
        let ciphers =
            [EspCipher::Des, EspCipher::TripleDes, EspCipher::Aes128, EspCipher::Aes192, EspCipher::Aes256];
        let integrities = [
            EspIntegrity::Md5_96,
            EspIntegrity::Sha1_96,
            EspIntegrity::Sha256_128,
            EspIntegrity::Sha384_192,
            EspIntegrity::Sha512_256,
        ];
        ciphers.into_iter().flat_map(move |cipher| {
            integrities.into_iter().map(move |integrity| EspSuite { cipher, integrity })
        })
    }

    /// Sizes that were seen outside: an inner packet of 1400, in PPP, L2TP with its length field or without, and UDP, gives
    /// these outer IPv4 packets. The last does not fit an Ethernet.
    #[test]
    fn outer_sizes_of_an_inner_packet_of_1400() {
        let outside = |integrity, l2tp: usize| {
            let suite = EspSuite { cipher: EspCipher::Aes256, integrity };
            20 + 8 + suite.packet_len(8 + l2tp + 4 + 1400)
        };
        for l2tp in [6, 8] {
            assert_eq!(outside(EspIntegrity::Sha1_96, l2tp), 1488);
            assert_eq!(outside(EspIntegrity::Sha256_128, l2tp), 1492);
            assert_eq!(outside(EspIntegrity::Sha384_192, l2tp), 1500);
            assert_eq!(outside(EspIntegrity::Sha512_256, l2tp), 1508);
        }
    }

    #[test]
    fn a_packet_is_the_shortest_that_holds_the_payload() {
        for suite in every_suite() {
            for payload_len in 0..100 {
                let text_len = suite.packet_len(payload_len) - suite.header_len() - suite.icv_len();
                let slack = text_len - payload_len - TRAILER_LEN;
                assert!(
                    text_len % suite.block_len() == 0 && slack < suite.block_len(),
                    "{suite} {payload_len}"
                );
            }
        }
    }

    #[test]
    fn names() {
        let suite = EspSuite { cipher: EspCipher::Aes256, integrity: EspIntegrity::Sha1_96 };
        assert_eq!(suite.to_string(), "AES-256-CBC/HMAC-SHA1-96");
        assert_eq!(Spi(0xc0ffe).to_string(), "000c0ffe");
        let keys = EspKeys::new(suite, &[7; 52]).unwrap();
        assert_eq!(format!("{keys:?}"), "…");
    }

    #[test]
    fn a_weak_des_key_is_refused() {
        let suite = EspSuite { cipher: EspCipher::Des, integrity: EspIntegrity::Md5_96 };
        assert_eq!(EspKeys::new(suite, &[1; 24]).err(), Some(WeakKey));
    }
}
