//! What an SA is made of: its number, its algorithms, its keys.

use std::fmt;

use zeroize::Zeroizing;

use super::{FIXED_HEADER_LEN, layout::Geometry};
use crate::crypto::{Cipher, Hash, WeakKey};

/// A Security Parameters Index, RFC 4303 §2.1: chosen by the receiver, and all that says whose packet this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spi(pub u32);

impl fmt::Display for Spi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// An ESP encryption algorithm that comes with a separate integrity algorithm, RFC 2407 §4.4.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EspCipher {
    /// No encryption at all, RFC 2410.
    Null,
    /// DES-CBC, RFC 2405.
    Des,
    /// 3DES-CBC, RFC 2451.
    TripleDes,
    /// AES-CBC, RFC 3602.
    Aes(AesBits),
}

/// How long a key of AES is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AesBits {
    /// 128 bits.
    B128,
    /// 192 bits.
    B192,
    /// 256 bits.
    B256,
}

impl AesBits {
    /// Octets of a key.
    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::B128 => 16,
            Self::B192 => 24,
            Self::B256 => 32,
        }
    }
}

impl EspCipher {
    /// The cipher, if there is one.
    pub(crate) fn cipher(self) -> Option<Cipher> {
        Some(match self {
            Self::Null => return None,
            Self::Des => Cipher::Des,
            Self::TripleDes => Cipher::TripleDes,
            Self::Aes(AesBits::B128) => Cipher::Aes128,
            Self::Aes(AesBits::B192) => Cipher::Aes192,
            Self::Aes(AesBits::B256) => Cipher::Aes256,
        })
    }

    fn key_len(self) -> usize {
        self.cipher().map_or(0, Cipher::key_len)
    }
}

impl fmt::Display for EspCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cipher() {
            Some(cipher) => cipher.fmt(f),
            None => f.write_str("NULL"),
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
    /// HMAC-SHA2-256 cut to 96 bits, draft-ietf-ipsec-ciph-sha-256-00: what kernels of Android did until 2017.
    Sha256_96,
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
            Self::Md5_96 | Self::Sha1_96 | Self::Sha256_96 => 12,
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
            Self::Sha256_96 | Self::Sha256_128 => Hash::Sha256,
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
            Self::Sha256_96 => "HMAC-SHA2-256-96",
            Self::Sha256_128 => "HMAC-SHA2-256-128",
            Self::Sha384_192 => "HMAC-SHA2-384-192",
            Self::Sha512_256 => "HMAC-SHA2-512-256",
        })
    }
}

/// The algorithms of an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EspSuite {
    /// Confidentiality and integrity by an algorithm each, RFC 4303 §3.2.1 and §3.2.2.
    Separate {
        /// How the payload is hidden.
        cipher: EspCipher,
        /// How the packet is protected.
        integrity: EspIntegrity,
    },
    /// AES-GCM, which does both, RFC 4106.
    Gcm {
        /// How long the key is, without the salt.
        key: AesBits,
        /// How much of the tag travels.
        icv: GcmIcv,
    },
}

/// Octets of AES-GCM's integrity check value, RFC 4106 §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GcmIcv {
    /// Eight.
    O8,
    /// Twelve.
    O12,
    /// Sixteen.
    O16,
}

impl GcmIcv {
    fn len(self) -> usize {
        match self {
            Self::O8 => 8,
            Self::O12 => 12,
            Self::O16 => 16,
        }
    }
}

impl EspSuite {
    /// Whether it takes so long that others should not have to wait for it: nothing in a CPU helps with DES.
    pub fn is_slow(self) -> bool {
        matches!(self, Self::Separate { cipher: EspCipher::Des | EspCipher::TripleDes, .. })
    }

    /// Octets before the payload: SPI, sequence number and IV.
    pub fn header_len(self) -> usize {
        FIXED_HEADER_LEN + self.iv_len()
    }

    /// Octets of an IV.
    pub(super) fn iv_len(self) -> usize {
        match self {
            Self::Separate { cipher, .. } => cipher.cipher().map_or(0, Cipher::block_len),
            Self::Gcm { .. } => GCM_IV_LEN,
        }
    }

    /// Octets after the ciphertext.
    pub fn icv_len(self) -> usize {
        match self {
            Self::Separate { integrity, .. } => integrity.icv_len(),
            Self::Gcm { icv, .. } => icv.len(),
        }
    }

    /// Octets of the whole packet around a payload: header, payload with padding up to whole blocks, ICV.
    pub fn packet_len(self, payload_len: usize) -> usize {
        Geometry::of(self).packet_len(payload_len)
    }

    /// What the text is padded to: whole blocks, and four octets at least (RFC 4303 §2.4).
    pub(super) fn alignment(self) -> usize {
        match self {
            Self::Separate { cipher, .. } => cipher.cipher().map_or(MIN_ALIGNMENT, Cipher::block_len),
            Self::Gcm { .. } => MIN_ALIGNMENT,
        }
    }

    /// Octets of all keys, and of the salt.
    pub fn key_len(self) -> usize {
        match self {
            Self::Separate { cipher, integrity } => cipher.key_len() + integrity.key_len(),
            Self::Gcm { key, .. } => key.key_len() + GCM_SALT_LEN,
        }
    }

    /// The same with the other truncation of HMAC-SHA2-256, of which nothing on the wire tells before the first packet, if
    /// that packet's length then does: the two differ by four octets, which no block cipher's alignment hides.
    pub(super) fn truncated_otherwise(self) -> Option<Self> {
        let Self::Separate { cipher, integrity } = self else { return None };
        let integrity = match integrity {
            EspIntegrity::Sha256_128 => EspIntegrity::Sha256_96,
            EspIntegrity::Sha256_96 => EspIntegrity::Sha256_128,
            _ => return None,
        };
        cipher.cipher().map(|_| Self::Separate { cipher, integrity })
    }
}

impl fmt::Display for EspSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Separate { cipher, integrity } => write!(f, "{cipher}/{integrity}"),
            Self::Gcm { key, icv } => write!(f, "AES-{}-GCM-{}", key.key_len() * 8, icv.len()),
        }
    }
}

/// RFC 4106 §3.1 and §4.
const GCM_IV_LEN: usize = 8;
const GCM_SALT_LEN: usize = 4;
const MIN_ALIGNMENT: usize = 4;

/// The keys of one direction, zeroed on drop.
#[derive(Clone)]
pub struct EspKeys {
    octets: Zeroizing<Vec<u8>>,
    cipher_len: usize,
}

impl EspKeys {
    /// Takes the keys from the front of keying material: the cipher's, then the integrity algorithm's, the order in which
    /// every implementation takes them (RFC 2409 §5.5 names none); or AES-GCM's and its salt (RFC 4106 §8.1).
    ///
    /// # Panics
    ///
    /// If there are fewer than [`EspSuite::key_len`] octets.
    pub fn new(suite: EspSuite, keymat: &[u8]) -> Result<Self, WeakKey> {
        let octets = Zeroizing::new(keymat[..suite.key_len()].to_vec());
        let (cipher, cipher_len) = match suite {
            EspSuite::Separate { cipher, .. } => (cipher.cipher(), cipher.key_len()),
            EspSuite::Gcm { key, .. } => (None, key.key_len()),
        };
        let keys = Self { octets, cipher_len };
        match cipher {
            Some(cipher) if cipher.is_weak(keys.cipher_key()) => Err(WeakKey),
            _ => Ok(keys),
        }
    }

    pub(crate) fn cipher_key(&self) -> &[u8] {
        &self.octets[..self.cipher_len]
    }

    /// What stands behind the cipher's key: the integrity algorithm's, or the salt.
    pub(crate) fn second_key(&self) -> &[u8] {
        &self.octets[self.cipher_len..]
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
    use crate::esp::TRAILER_LEN;

    pub(in crate::esp) const AES: [AesBits; 3] = [AesBits::B128, AesBits::B192, AesBits::B256];

    pub(in crate::esp) fn every_suite() -> impl Iterator<Item = EspSuite> {
        let ciphers = [EspCipher::Null, EspCipher::Des, EspCipher::TripleDes]
            .into_iter()
            .chain(AES.map(EspCipher::Aes));
        let integrities = [
            EspIntegrity::Md5_96,
            EspIntegrity::Sha1_96,
            EspIntegrity::Sha256_96,
            EspIntegrity::Sha256_128,
            EspIntegrity::Sha384_192,
            EspIntegrity::Sha512_256,
        ];
        let separate = ciphers.flat_map(move |cipher| {
            integrities.into_iter().map(move |integrity| EspSuite::Separate { cipher, integrity })
        });
        let icvs = [GcmIcv::O8, GcmIcv::O12, GcmIcv::O16];
        let gcm = AES.into_iter().flat_map(move |key| icvs.map(|icv| EspSuite::Gcm { key, icv }));
        separate.chain(gcm)
    }

    /// AES-CBC with a key of 256 bits.
    pub(in crate::esp) fn aes_256(integrity: EspIntegrity) -> EspSuite {
        EspSuite::Separate { cipher: EspCipher::Aes(AesBits::B256), integrity }
    }

    /// Sizes that were seen outside: an inner packet of 1400, in PPP, L2TP with its length field or without, and UDP, gives
    /// these outer IPv4 packets. The last does not fit an Ethernet.
    #[test]
    fn outer_sizes_of_an_inner_packet_of_1400() {
        let outside = |suite: EspSuite, l2tp: usize| 20 + 8 + suite.packet_len(8 + l2tp + 4 + 1400);
        for l2tp in [6, 8] {
            assert_eq!(outside(aes_256(EspIntegrity::Sha1_96), l2tp), 1488);
            assert_eq!(outside(aes_256(EspIntegrity::Sha256_128), l2tp), 1492);
            assert_eq!(outside(aes_256(EspIntegrity::Sha384_192), l2tp), 1500);
            assert_eq!(outside(aes_256(EspIntegrity::Sha512_256), l2tp), 1508);
        }
        let gcm = EspSuite::Gcm { key: AesBits::B128, icv: GcmIcv::O16 };
        assert_eq!((outside(gcm, 6), outside(gcm, 8)), (1480, 1484));
    }

    #[test]
    fn a_packet_is_the_shortest_that_holds_the_payload() {
        for suite in every_suite() {
            for payload_len in 0..100 {
                let text_len = suite.packet_len(payload_len) - suite.header_len() - suite.icv_len();
                let slack = text_len - payload_len - TRAILER_LEN;
                assert!(
                    text_len % suite.alignment() == 0 && slack < suite.alignment(),
                    "{suite} {payload_len}"
                );
            }
        }
    }

    #[test]
    fn names() {
        let suite = aes_256(EspIntegrity::Sha1_96);
        assert_eq!(suite.to_string(), "AES-256-CBC/HMAC-SHA1-96");
        let gcm = EspSuite::Gcm { key: AesBits::B192, icv: GcmIcv::O12 };
        assert_eq!(gcm.to_string(), "AES-192-GCM-12");
        let null = EspSuite::Separate { cipher: EspCipher::Null, integrity: EspIntegrity::Sha256_96 };
        assert_eq!(null.to_string(), "NULL/HMAC-SHA2-256-96");
        assert_eq!(Spi(0xc0ffe).to_string(), "000c0ffe");
        let keys = EspKeys::new(suite, &[7; 52]).unwrap();
        assert_eq!(format!("{keys:?}"), "…");
    }

    #[test]
    fn a_weak_des_key_is_refused() {
        let suite = EspSuite::Separate { cipher: EspCipher::Des, integrity: EspIntegrity::Md5_96 };
        assert_eq!(EspKeys::new(suite, &[1; 24]).err(), Some(WeakKey));
    }

    /// The length of a packet of either truncation fits the other's alignment in no suite where it is to tell them apart.
    #[test]
    fn a_length_tells_truncations_apart() {
        for suite in every_suite() {
            let Some(other) = suite.truncated_otherwise() else { continue };
            assert_eq!(other.truncated_otherwise(), Some(suite));
            for payload_len in 0..100 {
                let len = suite.packet_len(payload_len);
                let text_len = len - other.header_len() - other.icv_len();
                assert!(!text_len.is_multiple_of(other.alignment()), "{suite} {payload_len}");
            }
        }
    }
}
