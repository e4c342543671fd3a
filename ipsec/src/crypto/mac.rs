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
//! For SHA that is [`multibuffer::HmacKey`], which hashes many packets at once. MD5, which nobody should want, is done here.

use multibuffer::{DIGEST_LEN, Hmac, HmacKey, Tier};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::hash::{Digest, Hash};

/// An HMAC key, ready for any number of messages.
pub(crate) enum MacKey {
    Md5(Md5Key),
    Sha(HmacKey),
}

impl MacKey {
    /// Absorbs the key into both states.
    pub(crate) fn new(hash: Hash, key: &[u8]) -> Self {
        let block_len = if matches!(hash, Hash::Sha384 | Hash::Sha512) { 128 } else { 64 };
        // A key longer than a block is hashed first, RFC 2104 §2.
        let hashed = (key.len() > block_len).then(|| hash.digest(&[key]));
        let key = hashed.as_deref().unwrap_or(key);
        match hash {
            Hash::Md5 => Self::Md5(Md5Key::new(key)),
            Hash::Sha1 => Self::Sha(HmacKey::new(multibuffer::Hash::Sha1, key)),
            Hash::Sha256 => Self::Sha(HmacKey::new(multibuffer::Hash::Sha256, key)),
            Hash::Sha384 => Self::Sha(HmacKey::new(multibuffer::Hash::Sha384, key)),
            Hash::Sha512 => Self::Sha(HmacKey::new(multibuffer::Hash::Sha512, key)),
        }
    }

    /// The MAC of one message at the front of an array; an ICV is its first octets.
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; DIGEST_LEN] {
        match self {
            Self::Md5(key) => key.mac(message),
            Self::Sha(key) => {
                let mut one = [Hmac { key, message, mac: [0; DIGEST_LEN] }];
                multibuffer::hmac(Tier::detect(), &mut one);
                one[0].mac
            }
        }
    }
}

/// Both states of an HMAC-MD5 key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Md5Key {
    inner: [u32; 4],
    outer: [u32; 4],
}

impl Md5Key {
    fn new(key: &[u8]) -> Self {
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        let absorb = |pad: u8| {
            let mut padded = block.map(|octet| octet ^ pad);
            let mut words = MD5_INITIAL;
            md5::block_api::compress(&mut words, &[padded]);
            padded.zeroize();
            words
        };
        let this = Self { inner: absorb(0x36), outer: absorb(0x5c) };
        block.zeroize();
        this
    }

    fn mac(&self, message: &[u8]) -> [u8; DIGEST_LEN] {
        let digest = finish(self.inner, message);
        let mut mac = [0; DIGEST_LEN];
        mac[..16].copy_from_slice(&finish(self.outer, &digest));
        mac
    }
}

/// Takes in `message` and the padding (a one bit, zeros, the length in bits, the least significant octet first: RFC 1321
/// §3.1 and §3.2), after one block that was the key.
fn finish(mut words: [u32; 4], message: &[u8]) -> [u8; 16] {
    let (blocks, rest) = message.as_chunks::<64>();
    md5::block_api::compress(&mut words, blocks);
    let mut last = [[0; 64]; 2];
    let used = if rest.len() + 1 + 8 <= 64 { 1 } else { 2 };
    let padded = last[..used].as_flattened_mut();
    padded[..rest.len()].copy_from_slice(rest);
    padded[rest.len()] = 0x80;
    let bits = (64 + message.len() as u64) * 8;
    if let Some(length) = padded.last_chunk_mut() {
        *length = bits.to_le_bytes();
    }
    md5::block_api::compress(&mut words, &last[..used]);
    let mut digest = [0; 16];
    digest.copy_from_slice(words.map(u32::to_le_bytes).as_flattened());
    digest
}

/// RFC 1321 §3.3.
const MD5_INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

const _: () = assert!(DIGEST_LEN == Digest::MAX_LEN);

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
