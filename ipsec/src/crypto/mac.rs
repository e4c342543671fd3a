//! The keyed state of an integrity algorithm: HMAC, RFC 2104.
//!
//! HMAC(K, m) = H(K ^ opad | H(K ^ ipad | m)). The first block of either hash depends on the key only, so an SA keeps the
//! hash's chaining words after that block, and a packet starts from a copy of them:
//!
//! ```text
//!   K ^ ipad ─▶ inner words ─▶ message, padding ─▶ digest
//!                                                    │
//!   K ^ opad ─▶ outer words ───────────────▶ digest, padding ─▶ ICV
//! ```
//!
//! The words are kept and not a library's hasher with its buffer, because they are a third of its size and because a
//! kernel that hashes many packets at once starts from them.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::hash::{Digest, Hash};

/// An HMAC key, ready for any number of messages.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) enum MacKey {
    Md5(Pair<Md5Words, 64>),
    Sha1(Pair<Sha1Words, 64>),
    Sha256(Pair<Sha256Words, 64>),
    Sha384(Pair<Sha384Words, 128>),
    Sha512(Pair<Sha512Words, 128>),
}

impl MacKey {
    /// Absorbs the key into both states.
    pub(crate) fn new(hash: Hash, key: &[u8]) -> Self {
        match hash {
            Hash::Md5 => Self::Md5(Pair::new(hash, key)),
            Hash::Sha1 => Self::Sha1(Pair::new(hash, key)),
            Hash::Sha256 => Self::Sha256(Pair::new(hash, key)),
            Hash::Sha384 => Self::Sha384(Pair::new(hash, key)),
            Hash::Sha512 => Self::Sha512(Pair::new(hash, key)),
        }
    }

    /// The MAC of `message` at the front of an array; an ICV is its first octets.
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; Digest::MAX_LEN] {
        match self {
            Self::Md5(pair) => pair.mac(message),
            Self::Sha1(pair) => pair.mac(message),
            Self::Sha256(pair) => pair.mac(message),
            Self::Sha384(pair) => pair.mac(message),
            Self::Sha512(pair) => pair.mac(message),
        }
    }
}

/// The words of both hashes of an HMAC after the block that is the key.
#[derive(Clone, Zeroize)]
pub(crate) struct Pair<W: Words<BLOCK>, const BLOCK: usize> {
    inner: W,
    outer: W,
}

impl<W: Words<BLOCK>, const BLOCK: usize> Pair<W, BLOCK> {
    fn new(hash: Hash, key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        match block.get_mut(..key.len()) {
            Some(front) => front.copy_from_slice(key),
            // A key longer than a block is hashed first, RFC 2104 §2.
            None => block[..hash.digest_len()].copy_from_slice(&hash.digest(&[key])),
        }
        let absorb = |pad: u8| {
            let mut padded = block.map(|octet| octet ^ pad);
            let mut words = W::INITIAL;
            words.compress(&[padded]);
            padded.zeroize();
            words
        };
        let pair = Self { inner: absorb(0x36), outer: absorb(0x5c) };
        block.zeroize();
        pair
    }

    fn mac(&self, message: &[u8]) -> [u8; Digest::MAX_LEN] {
        let digest = finish(self.inner, message).octets();
        finish(self.outer, &digest[..W::DIGEST_LEN]).octets()
    }
}

/// The chaining words of a hash built as Merkle and Damgård say.
pub(crate) trait Words<const BLOCK: usize>: Copy + Zeroize {
    /// Before the first block.
    const INITIAL: Self;
    /// Octets of a digest, perhaps fewer than the words have.
    const DIGEST_LEN: usize;

    /// Takes in whole blocks.
    fn compress(&mut self, blocks: &[[u8; BLOCK]]);

    /// The words in the hash's own octet order, at the front of an array.
    fn octets(&self) -> [u8; Digest::MAX_LEN];

    /// The message's length in the hash's own octet order.
    fn length_field(bits: u64) -> [u8; 8] {
        bits.to_be_bytes()
    }
}

/// Takes in `message` and the padding (a one bit, zeros, the length in bits: FIPS 180-4 §5.1, RFC 1321 §3.1), after one
/// block that was the key.
fn finish<W: Words<BLOCK>, const BLOCK: usize>(mut words: W, message: &[u8]) -> W {
    let (blocks, rest) = message.as_chunks::<BLOCK>();
    words.compress(blocks);

    let mut last = [[0; BLOCK]; 2];
    // The length field takes an eighth of a block: 8 octets of 64, 16 of 128.
    let used = if rest.len() + 1 + BLOCK / 8 <= BLOCK { 1 } else { 2 };
    let padded = last[..used].as_flattened_mut();
    padded[..rest.len()].copy_from_slice(rest);
    padded[rest.len()] = 0x80;
    // A message in memory is shorter than 2^61 octets.
    let bits = (BLOCK as u64 + message.len() as u64) * 8;
    if let Some(length) = padded.last_chunk_mut() {
        *length = W::length_field(bits);
    }
    words.compress(&last[..used]);
    words
}

/// Writes 32-bit words, most significant octet first.
fn big_endian_32(words: &[u32]) -> [u8; Digest::MAX_LEN] {
    let mut octets = [0; Digest::MAX_LEN];
    for (place, word) in octets.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_be_bytes();
    }
    octets
}

/// Writes 64-bit words, most significant octet first.
fn big_endian_64(words: &[u64]) -> [u8; Digest::MAX_LEN] {
    let mut octets = [0; Digest::MAX_LEN];
    for (place, word) in octets.as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_be_bytes();
    }
    octets
}

/// MD5, RFC 1321: the only hash here that writes the least significant octet first.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Md5Words([u32; 4]);

impl Words<64> for Md5Words {
    const INITIAL: Self = Self([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476]);
    const DIGEST_LEN: usize = 16;

    fn compress(&mut self, blocks: &[[u8; 64]]) {
        md5::block_api::compress(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; Digest::MAX_LEN] {
        big_endian_32(&self.0.map(u32::swap_bytes))
    }

    fn length_field(bits: u64) -> [u8; 8] {
        bits.to_le_bytes()
    }
}

/// SHA-1, FIPS 180-4 §5.3.1.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Sha1Words([u32; 5]);

impl Words<64> for Sha1Words {
    const INITIAL: Self = Self([0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]);
    const DIGEST_LEN: usize = 20;

    fn compress(&mut self, blocks: &[[u8; 64]]) {
        sha1::block_api::compress(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; Digest::MAX_LEN] {
        big_endian_32(&self.0)
    }
}

/// SHA-256, FIPS 180-4 §5.3.3.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Sha256Words([u32; 8]);

impl Words<64> for Sha256Words {
    const INITIAL: Self = Self([
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ]);
    const DIGEST_LEN: usize = 32;

    fn compress(&mut self, blocks: &[[u8; 64]]) {
        sha2::block_api::compress256(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; Digest::MAX_LEN] {
        big_endian_32(&self.0)
    }
}

/// SHA-384, FIPS 180-4 §5.3.4: SHA-512 from other words, and the last two not shown.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Sha384Words([u64; 8]);

impl Words<128> for Sha384Words {
    const INITIAL: Self = Self([
        0xcbbb_9d5d_c105_9ed8,
        0x629a_292a_367c_d507,
        0x9159_015a_3070_dd17,
        0x152f_ecd8_f70e_5939,
        0x6733_2667_ffc0_0b31,
        0x8eb4_4a87_6858_1511,
        0xdb0c_2e0d_64f9_8fa7,
        0x47b5_481d_befa_4fa4,
    ]);
    const DIGEST_LEN: usize = 48;

    fn compress(&mut self, blocks: &[[u8; 128]]) {
        sha2::block_api::compress512(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; Digest::MAX_LEN] {
        big_endian_64(&self.0)
    }
}

/// SHA-512, FIPS 180-4 §5.3.5.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Sha512Words([u64; 8]);

impl Words<128> for Sha512Words {
    const INITIAL: Self = Self([
        0x6a09_e667_f3bc_c908,
        0xbb67_ae85_84ca_a73b,
        0x3c6e_f372_fe94_f82b,
        0xa54f_f53a_5f1d_36f1,
        0x510e_527f_ade6_82d1,
        0x9b05_688c_2b3e_6c1f,
        0x1f83_d9ab_fb41_bd6b,
        0x5be0_cd19_137e_2179,
    ]);
    const DIGEST_LEN: usize = 64;

    fn compress(&mut self, blocks: &[[u8; 128]]) {
        sha2::block_api::compress512(&mut self.0, blocks);
    }

    fn octets(&self) -> [u8; Digest::MAX_LEN] {
        big_endian_64(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::hash::tests::hmac_vectors;

    #[test]
    fn published_macs() {
        for (hash, key, message, mac) in hmac_vectors() {
            assert_eq!(MacKey::new(hash, &key).mac(message)[..mac.len()], mac, "{hash}");
        }
    }

    /// Where the padding spills into another block, and all around.
    #[test]
    fn equals_the_library_at_every_length() {
        let message: Vec<u8> = (0..=255).cycle().take(600).collect();
        for hash in [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let key = &message[..hash.digest_len()];
            let mac_key = MacKey::new(hash, key);
            for len in 0..message.len() {
                let message = &message[..len];
                assert_eq!(
                    hash.prf(key, &[message]),
                    mac_key.mac(message)[..hash.digest_len()],
                    "{hash} {len}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn equals_the_library(key in prop::collection::vec(any::<u8>(), 0..200), message: Vec<u8>) {
            for hash in [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512] {
                let mac = MacKey::new(hash, &key).mac(&message);
                prop_assert_eq!(hash.prf(&key, &[&message]), &mac[..hash.digest_len()]);
            }
        }
    }
}
