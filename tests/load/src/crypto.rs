//! Symmetric algorithms by name: ciphers in CBC mode, AES in GCM, hash functions and HMAC.
//!
//! Keys are expanded once: [`CipherKey`] and [`MacKey`] serve millions of packets in the load generator.

use std::sync::Arc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use cbc::cipher::array::{Array, ArraySize};
use cbc::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt};
use cbc::cipher::{BlockSizeUser, InnerIvInit, KeyInit};
use hmac::{Hmac, Mac};
use sha2::Digest;

use crate::profile::GCM_SALT_LEN;

/// A block cipher with its key length, used in CBC mode by IKE and ESP alike (RFC 2405, 2451, 3602).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cipher {
    /// DES, 56 bits.
    Des,
    /// Triple DES, three keys.
    TripleDes,
    /// AES with a key of 128 bits.
    Aes128,
    /// AES with a key of 192 bits.
    Aes192,
    /// AES with a key of 256 bits.
    Aes256,
}

impl Cipher {
    /// Bytes of key material.
    pub fn key_len(self) -> usize {
        match self {
            Self::Des => 8,
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Bytes of a block, which is also the length of the IV.
    pub fn block_len(self) -> usize {
        match self {
            Self::Des | Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// The Key-Length attribute, present for ciphers of variable key length only (RFC 2407 §4.5).
    pub(crate) fn key_length_attribute(self) -> Option<u16> {
        match self {
            Self::Des | Self::TripleDes => None,
            Self::Aes128 => Some(128),
            Self::Aes192 => Some(192),
            Self::Aes256 => Some(256),
        }
    }
}

/// An expanded cipher key.
#[derive(Clone)]
pub(crate) enum CipherKey {
    Des(Box<des::Des>),
    TripleDes(Box<des::TdesEde3>),
    Aes128(Box<aes::Aes128>),
    Aes192(Box<aes::Aes192>),
    Aes256(Box<aes::Aes256>),
}

impl CipherKey {
    /// Expands a key; `None` unless `key` has the cipher's own length.
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        Some(match cipher {
            Cipher::Des => Self::Des(Box::new(des::Des::new_from_slice(key).ok()?)),
            Cipher::TripleDes => Self::TripleDes(Box::new(des::TdesEde3::new_from_slice(key).ok()?)),
            Cipher::Aes128 => Self::Aes128(Box::new(aes::Aes128::new_from_slice(key).ok()?)),
            Cipher::Aes192 => Self::Aes192(Box::new(aes::Aes192::new_from_slice(key).ok()?)),
            Cipher::Aes256 => Self::Aes256(Box::new(aes::Aes256::new_from_slice(key).ok()?)),
        })
    }

    /// Encrypts whole blocks in place; bytes beyond the last whole block stay as they are.
    pub(crate) fn encrypt(&self, iv: &[u8], data: &mut [u8]) {
        match self {
            Self::Des(key) => encrypt(key.as_ref(), iv, data),
            Self::TripleDes(key) => encrypt(key.as_ref(), iv, data),
            Self::Aes128(key) => encrypt(key.as_ref(), iv, data),
            Self::Aes192(key) => encrypt(key.as_ref(), iv, data),
            Self::Aes256(key) => encrypt(key.as_ref(), iv, data),
        }
    }

    /// Decrypts whole blocks in place; bytes beyond the last whole block stay as they are.
    pub(crate) fn decrypt(&self, iv: &[u8], data: &mut [u8]) {
        match self {
            Self::Des(key) => decrypt(key.as_ref(), iv, data),
            Self::TripleDes(key) => decrypt(key.as_ref(), iv, data),
            Self::Aes128(key) => decrypt(key.as_ref(), iv, data),
            Self::Aes192(key) => decrypt(key.as_ref(), iv, data),
            Self::Aes256(key) => decrypt(key.as_ref(), iv, data),
        }
    }
}

fn encrypt<C: BlockCipherEncrypt + BlockSizeUser>(key: &C, iv: &[u8], data: &mut [u8]) {
    let Ok(mut mode) = cbc::Encryptor::inner_iv_slice_init(key, iv) else { return };
    mode.encrypt_blocks(blocks::<C::BlockSize>(data));
}

fn decrypt<C: BlockCipherDecrypt + BlockSizeUser>(key: &C, iv: &[u8], data: &mut [u8]) {
    let Ok(mut mode) = cbc::Decryptor::inner_iv_slice_init(key, iv) else { return };
    mode.decrypt_blocks(blocks::<C::BlockSize>(data));
}

fn blocks<N: ArraySize>(data: &mut [u8]) -> &mut [Array<u8, N>] {
    Array::slice_as_chunks_mut(data).0
}

/// AES in GCM with its salt, RFC 4106.
#[derive(Clone)]
pub(crate) struct GcmCipher {
    // Shared, because it cannot be copied.
    key: Arc<LessSafeKey>,
    salt: [u8; GCM_SALT_LEN],
}

impl GcmCipher {
    /// Bytes of the IV that a packet carries.
    pub(crate) const IV_LEN: usize = 8;
    /// Bytes of the longest ICV.
    pub(crate) const ICV_LEN: usize = 16;

    /// Expands a key; `None` unless `keymat` is a key of 128 or 256 bits and the salt.
    pub(crate) fn new(keymat: &[u8]) -> Option<Self> {
        let (key, salt) = keymat.split_last_chunk::<GCM_SALT_LEN>()?;
        let algorithm = match key.len() {
            16 => &aead::AES_128_GCM,
            32 => &aead::AES_256_GCM,
            _ => return None,
        };
        let key = UnboundKey::new(algorithm, key).ok()?;
        Some(Self { key: Arc::new(LessSafeKey::new(key)), salt: *salt })
    }

    /// Encrypts in place; returns the ICV.
    pub(crate) fn seal(&self, iv: [u8; Self::IV_LEN], aad: &[u8], data: &mut [u8]) -> [u8; Self::ICV_LEN] {
        let tag = self.key.seal_in_place_separate_tag(self.nonce(iv), Aad::from(aad), data);
        let tag = tag.expect("a packet is shorter than what GCM can take");
        *tag.as_ref().first_chunk().expect("the tag of AES-GCM has 16 bytes")
    }

    /// Verifies and decrypts in place `data`, which ends with the ICV; false if it is forged.
    pub(crate) fn open(&self, iv: [u8; Self::IV_LEN], aad: &[u8], data: &mut [u8]) -> bool {
        self.key.open_in_place(self.nonce(iv), Aad::from(aad), data).is_ok()
    }

    /// RFC 4106 §4: the salt, then the IV.
    fn nonce(&self, iv: [u8; Self::IV_LEN]) -> Nonce {
        let [s0, s1, s2, s3] = self.salt;
        let [i0, i1, i2, i3, i4, i5, i6, i7] = iv;
        Nonce::assume_unique_for_key([s0, s1, s2, s3, i0, i1, i2, i3, i4, i5, i6, i7])
    }
}

/// A hash function, which with HMAC is also the prf of IKE (RFC 2409 §4) and the integrity of ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Bytes of a digest, which is also the length of an ESP integrity key (RFC 4868 §2.1.1).
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of the concatenated parts.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5 => digest::<md5::Md5>(parts),
            Self::Sha1 => digest::<sha1::Sha1>(parts),
            Self::Sha256 => digest::<sha2::Sha256>(parts),
            Self::Sha384 => digest::<sha2::Sha384>(parts),
            Self::Sha512 => digest::<sha2::Sha512>(parts),
        }
    }

    /// HMAC over the concatenated parts.
    pub(crate) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        MacKey::new(self, key).compute(parts)
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}

/// HMAC with its key already absorbed.
#[derive(Clone)]
pub(crate) enum MacKey {
    Md5(Hmac<md5::Md5>),
    Sha1(Hmac<sha1::Sha1>),
    Sha256(Hmac<sha2::Sha256>),
    Sha384(Box<Hmac<sha2::Sha384>>),
    Sha512(Box<Hmac<sha2::Sha512>>),
}

impl MacKey {
    pub(crate) fn new(hash: Hash, key: &[u8]) -> Self {
        const ANY: &str = "HMAC takes keys of every length";
        match hash {
            Hash::Md5 => Self::Md5(Hmac::new_from_slice(key).expect(ANY)),
            Hash::Sha1 => Self::Sha1(Hmac::new_from_slice(key).expect(ANY)),
            Hash::Sha256 => Self::Sha256(Hmac::new_from_slice(key).expect(ANY)),
            Hash::Sha384 => Self::Sha384(Box::new(Hmac::new_from_slice(key).expect(ANY))),
            Hash::Sha512 => Self::Sha512(Box::new(Hmac::new_from_slice(key).expect(ANY))),
        }
    }

    pub(crate) fn compute(&self, parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Self::Md5(mac) => compute(mac, parts),
            Self::Sha1(mac) => compute(mac, parts),
            Self::Sha256(mac) => compute(mac, parts),
            Self::Sha384(mac) => compute(mac.as_ref(), parts),
            Self::Sha512(mac) => compute(mac.as_ref(), parts),
        }
    }
}

fn compute<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = keyed.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// RFC 3602 §4 case 1 and 4: one block of 128 bits, four blocks.
    #[test]
    fn aes_cbc_vectors() {
        let key = CipherKey::new(Cipher::Aes128, &hex!("06a9214036b8a15b512e03d534120006")).unwrap();
        let iv = hex!("3dafba429d9eb430b422da802c9fac41");
        let mut data = *b"Single block msg";
        key.encrypt(&iv, &mut data);
        assert_eq!(data, hex!("e353779c1079aeb82708942dbe77181a"));
        key.decrypt(&iv, &mut data);
        assert_eq!(&data, b"Single block msg");
    }

    /// A wrong key length is refused, not padded.
    #[test]
    fn key_length_is_checked() {
        for cipher in [Cipher::Des, Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256] {
            let key = vec![7; cipher.key_len() + 1];
            assert!(CipherKey::new(cipher, &key).is_none(), "{cipher:?}");
            let key = CipherKey::new(cipher, &key[1..]).unwrap();
            let iv = vec![3; cipher.block_len()];
            let mut data = vec![9; cipher.block_len() * 5];
            key.encrypt(&iv, &mut data);
            assert_ne!(data, vec![9; cipher.block_len() * 5]);
            key.decrypt(&iv, &mut data);
            assert_eq!(data, vec![9; cipher.block_len() * 5]);
        }
    }

    /// RFC 2202 and RFC 4231, test case 2: a key shorter than the digest.
    #[test]
    fn hmac_vectors() {
        let data: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
        assert_eq!(Hash::Md5.hmac(b"Jefe", data), hex!("750c783e6ab0b503eaa86e310a5db738"));
        assert_eq!(Hash::Sha1.hmac(b"Jefe", data), hex!("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
        let expected = hex!("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(Hash::Sha256.hmac(b"Jefe", data), expected);
        assert_eq!(Hash::Sha384.hmac(b"Jefe", data)[..8], hex!("af45d2e376484031"));
        assert_eq!(Hash::Sha512.hmac(b"Jefe", data)[..8], hex!("164b7a7bfcf819e2"));
    }
}
