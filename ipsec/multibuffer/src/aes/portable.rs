//! What any CPU does: RustCrypto's AES, one packet after another.

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit, consts::U16,
};

use super::BLOCK_LEN;

/// Boxed, because the schedule of a bitsliced AES is ten times a key of the other tiers.
pub(super) enum EncryptKey {
    Aes128(Box<Aes128Enc>),
    Aes192(Box<Aes192Enc>),
    Aes256(Box<Aes256Enc>),
}

/// The same for the other direction.
pub(super) enum DecryptKey {
    Aes128(Box<Aes128Dec>),
    Aes192(Box<Aes192Dec>),
    Aes256(Box<Aes256Dec>),
}

impl EncryptKey {
    pub(super) fn new(key: &[u8]) -> Self {
        match key.len() {
            16 => Self::Aes128(expand(key)),
            24 => Self::Aes192(expand(key)),
            _ => Self::Aes256(expand(key)),
        }
    }

    pub(super) fn encrypt(&self, iv: &[u8; BLOCK_LEN], text: &mut [u8]) {
        match self {
            Self::Aes128(key) => encrypt(&**key, iv, text),
            Self::Aes192(key) => encrypt(&**key, iv, text),
            Self::Aes256(key) => encrypt(&**key, iv, text),
        }
    }
}

impl DecryptKey {
    pub(super) fn new(key: &[u8]) -> Self {
        match key.len() {
            16 => Self::Aes128(expand(key)),
            24 => Self::Aes192(expand(key)),
            _ => Self::Aes256(expand(key)),
        }
    }

    pub(super) fn decrypt(&self, iv: &[u8; BLOCK_LEN], text: &mut [u8]) {
        match self {
            Self::Aes128(key) => decrypt(&**key, iv, text),
            Self::Aes192(key) => decrypt(&**key, iv, text),
            Self::Aes256(key) => decrypt(&**key, iv, text),
        }
    }
}

fn expand<K: KeyInit>(key: &[u8]) -> Box<K> {
    Box::new(K::new_from_slice(key).expect("16, 24 or 32 octets"))
}

fn encrypt<C>(key: &C, iv: &[u8; BLOCK_LEN], text: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let (blocks, _) = Array::slice_as_chunks_mut(text);
    cbc::Encryptor::inner_iv_init(key, &Array(*iv)).encrypt_blocks(blocks);
}

fn decrypt<C>(key: &C, iv: &[u8; BLOCK_LEN], text: &mut [u8])
where
    C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16>,
{
    let (blocks, _) = Array::slice_as_chunks_mut(text);
    cbc::Decryptor::inner_iv_init(key, &Array(*iv)).decrypt_blocks(blocks);
}
