//! Block ciphers in CBC mode: RFC 2451, RFC 2405, RFC 3602.
//!
//! Two shapes of a key: [`CipherKey`] is the octets, small, and expanded for every message, for IKE; [`EncryptKey`] and
//! [`DecryptKey`] are the expanded schedule of one direction, for ESP.

use std::fmt;

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit,
};
use des::{Des, TdesEde3};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A negotiable encryption algorithm, RFC 2409 App. A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cipher {
    /// DES-CBC, RFC 2405.
    Des,
    /// 3DES-CBC, three keys, encrypt-decrypt-encrypt, RFC 2451.
    TripleDes,
    /// AES-CBC with a key of 128 bits, RFC 3602.
    Aes128,
    /// AES-CBC with a key of 192 bits, RFC 3602.
    Aes192,
    /// AES-CBC with a key of 256 bits, RFC 3602.
    Aes256,
}

impl Cipher {
    /// Octets of a key.
    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Des => 8,
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Octets of a block, and so of an IV.
    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::Des | Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// Whether the key (of [`Cipher::key_len`] octets) must not be used: a weak or semi-weak DES key (RFC 2409 App. A),
    /// or a 3DES key with two equal parts, which is as good as one DES key (RFC 2451 §2.3). Parity bits are not looked at.
    pub(crate) fn is_weak(self, key: &[u8]) -> bool {
        let mut odd_parity = [0; 24];
        match (self, odd_parity.get_mut(..key.len())) {
            (Self::Des | Self::TripleDes, Some(copy)) => {
                for (with_parity, octet) in copy.iter_mut().zip(key) {
                    *with_parity = octet & 0xfe | u8::from((octet & 0xfe).count_ones() % 2 == 0);
                }
                let weak = des::weak_key_test(copy).is_err();
                odd_parity.zeroize();
                weak
            }
            _ => false,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Des => "DES-CBC",
            Self::TripleDes => "3DES-CBC",
            Self::Aes128 => "AES-128-CBC",
            Self::Aes192 => "AES-192-CBC",
            Self::Aes256 => "AES-256-CBC",
        })
    }
}

/// The derived key is one of those that DES must not be used with; the exchange starts over with new nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WeakKey;

/// The initialization vector of the next IKE message: it moves on to the last block of each message (RFC 2409 App. B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Iv {
    block: [u8; 16],
    len: usize,
}

impl Iv {
    /// Takes the first octets of `source`, as many as the cipher's block has.
    pub(crate) fn new(cipher: Cipher, source: &[u8]) -> Self {
        let len = cipher.block_len();
        let mut block = [0; 16];
        block[..len].copy_from_slice(&source[..len]);
        Self { block, len }
    }

    /// The block itself.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.block[..self.len]
    }
}

/// The text is not a whole number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartialBlock;

/// The key of an ISAKMP SA. Its schedule is computed for each message: there are few of them and many SAs.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct CipherKey {
    #[zeroize(skip)]
    cipher: Cipher,
    key: [u8; 32],
}

impl CipherKey {
    /// Takes the first octets of `key`, as many as the cipher needs.
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Result<Self, WeakKey> {
        let key = &key[..cipher.key_len()];
        if cipher.is_weak(key) {
            return Err(WeakKey);
        }
        let mut bytes = [0; 32];
        bytes[..key.len()].copy_from_slice(key);
        Ok(Self { cipher, key: bytes })
    }

    /// The algorithm that the key is for.
    pub(crate) fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Encrypts whole blocks in place and moves `iv` on.
    pub(crate) fn encrypt(&self, iv: &mut Iv, text: &mut [u8]) -> Result<(), PartialBlock> {
        if !text.len().is_multiple_of(iv.len) {
            return Err(PartialBlock);
        }
        EncryptKey::new(self.cipher, self.octets()).encrypt(iv.as_bytes(), text);
        if let Some(last) = text.rchunks_exact(iv.len).next() {
            *iv = Iv::new(self.cipher, last);
        }
        Ok(())
    }

    /// Decrypts whole blocks in place and moves `iv` on.
    pub(crate) fn decrypt(&self, iv: &mut Iv, text: &mut [u8]) -> Result<(), PartialBlock> {
        if !text.len().is_multiple_of(iv.len) {
            return Err(PartialBlock);
        }
        let first = *iv;
        if let Some(last) = text.rchunks_exact(iv.len).next() {
            *iv = Iv::new(self.cipher, last);
        }
        DecryptKey::new(self.cipher, self.octets()).decrypt(first.as_bytes(), text);
        Ok(())
    }

    fn octets(&self) -> &[u8] {
        &self.key[..self.cipher.key_len()]
    }
}

/// An expanded key that encrypts.
///
/// The DES schedules are boxed because the one of 3DES, the rarest, would be the size of every SA.
pub(crate) enum EncryptKey {
    Des(Box<Des>),
    TripleDes(Box<TdesEde3>),
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl EncryptKey {
    /// Expands a key of exactly [`Cipher::key_len`] octets.
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Self {
        match cipher {
            Cipher::Des => Self::Des(Box::new(expand(key))),
            Cipher::TripleDes => Self::TripleDes(Box::new(expand(key))),
            Cipher::Aes128 => Self::Aes128(expand(key)),
            Cipher::Aes192 => Self::Aes192(expand(key)),
            Cipher::Aes256 => Self::Aes256(expand(key)),
        }
    }

    /// Encrypts whole blocks in place. The caller has made `iv` one block and `text` whole blocks.
    pub(crate) fn encrypt(&self, iv: &[u8], text: &mut [u8]) {
        match self {
            Self::Des(key) => encrypt(&**key, iv, text),
            Self::TripleDes(key) => encrypt(&**key, iv, text),
            Self::Aes128(key) => encrypt(key, iv, text),
            Self::Aes192(key) => encrypt(key, iv, text),
            Self::Aes256(key) => encrypt(key, iv, text),
        }
    }
}

/// An expanded key that decrypts.
pub(crate) enum DecryptKey {
    Des(Box<Des>),
    TripleDes(Box<TdesEde3>),
    Aes128(Aes128Dec),
    Aes192(Aes192Dec),
    Aes256(Aes256Dec),
}

impl DecryptKey {
    /// Expands a key of exactly [`Cipher::key_len`] octets.
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Self {
        match cipher {
            Cipher::Des => Self::Des(Box::new(expand(key))),
            Cipher::TripleDes => Self::TripleDes(Box::new(expand(key))),
            Cipher::Aes128 => Self::Aes128(expand(key)),
            Cipher::Aes192 => Self::Aes192(expand(key)),
            Cipher::Aes256 => Self::Aes256(expand(key)),
        }
    }

    /// Decrypts whole blocks in place. The caller has made `iv` one block and `text` whole blocks.
    pub(crate) fn decrypt(&self, iv: &[u8], text: &mut [u8]) {
        match self {
            Self::Des(key) => decrypt(&**key, iv, text),
            Self::TripleDes(key) => decrypt(&**key, iv, text),
            Self::Aes128(key) => decrypt(key, iv, text),
            Self::Aes192(key) => decrypt(key, iv, text),
            Self::Aes256(key) => decrypt(key, iv, text),
        }
    }
}

fn expand<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("the key has the cipher's own length")
}

fn encrypt<C: BlockCipherEncrypt>(key: &C, iv: &[u8], text: &mut [u8]) {
    let iv = <&Array<u8, <C as BlockSizeUser>::BlockSize>>::try_from(iv).expect("an IV is one block");
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    debug_assert!(rest.is_empty(), "CBC takes whole blocks");
    cbc::Encryptor::inner_iv_init(key, iv).encrypt_blocks(blocks);
}

fn decrypt<C: BlockCipherDecrypt>(key: &C, iv: &[u8], text: &mut [u8]) {
    let iv = <&Array<u8, <C as BlockSizeUser>::BlockSize>>::try_from(iv).expect("an IV is one block");
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    debug_assert!(rest.is_empty(), "CBC takes whole blocks");
    cbc::Decryptor::inner_iv_init(key, iv).decrypt_blocks(blocks);
}
