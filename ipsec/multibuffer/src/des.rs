//! 3DES in CBC mode, RFC 2451: three passes of DES, FIPS 46-3, that nothing in a CPU helps with.
//!
//! A table lookup per S-box takes a hundred times as long as AES has. With AVX-512 hundreds of blocks are worked on at once, bit by
//! bit: register *n* holds bit *n* of 512 blocks, a permutation is a matter of naming, and an S-box is a network of three-input
//! gates. That takes the same time for one block as for 512.
//!
//! ```text
//!   decrypt: every block of every packet is a lane          encrypt: a chain, so every packet is a lane
//! ```

#[cfg(target_arch = "x86_64")]
mod bitslice;
#[cfg(target_arch = "x86_64")]
mod tables;

use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Tier;

/// Octets of a block, and so of an IV.
const BLOCK_LEN: usize = 8;

/// A key of either direction; zeroed on drop.
pub struct TripleDesKey {
    tables: Box<des::TdesEde3>,
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "for kernels of another CPU"))]
    octets: Octets,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Octets([u64; 3]);

impl TripleDesKey {
    /// Takes three keys of DES, in the order in which they encrypt; parity bits do not matter.
    ///
    /// # Panics
    ///
    /// If there are not 24 octets.
    pub fn new(key: &[u8]) -> Self {
        let tables = Box::new(des::TdesEde3::new_from_slice(key).expect("24 octets"));
        let (keys, _) = key.as_chunks();
        let mut octets = Octets([0; 3]);
        for (word, key) in octets.0.iter_mut().zip(keys) {
            *word = u64::from_be_bytes(*key);
        }
        Self { tables, octets }
    }

    fn encrypt(&self, iv: [u8; BLOCK_LEN], text: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(text);
        cbc::Encryptor::inner_iv_init(&*self.tables, &Array(iv)).encrypt_blocks(blocks);
    }

    fn decrypt(&self, iv: [u8; BLOCK_LEN], text: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(text);
        cbc::Decryptor::inner_iv_init(&*self.tables, &Array(iv)).decrypt_blocks(blocks);
    }
}

/// One packet and its key.
pub struct TripleDes<'a> {
    /// The key.
    pub key: &'a TripleDesKey,
    /// The initialization vector.
    pub iv: [u8; BLOCK_LEN],
    /// Whole blocks, worked on in place.
    pub text: &'a mut [u8],
}

/// Encrypts every packet in place.
///
/// # Panics
///
/// If a text is not whole blocks.
pub fn triple_des_encrypt(tier: Tier, packets: &mut [TripleDes<'_>]) {
    assert!(packets.iter().all(|packet| packet.text.len().is_multiple_of(BLOCK_LEN)), "whole blocks");
    #[cfg(target_arch = "x86_64")]
    if tier == Tier::Avx512 && Tier::detect() == Tier::Avx512 {
        return packets.chunks_mut(bitslice::LANES).for_each(chains::encrypt);
    }
    let _ = tier;
    for TripleDes { key, iv, text } in packets {
        key.encrypt(*iv, text);
    }
}

/// Decrypts every packet in place.
///
/// # Panics
///
/// If a text is not whole blocks.
pub fn triple_des_decrypt(tier: Tier, packets: &mut [TripleDes<'_>]) {
    assert!(packets.iter().all(|packet| packet.text.len().is_multiple_of(BLOCK_LEN)), "whole blocks");
    #[cfg(target_arch = "x86_64")]
    if tier == Tier::Avx512 && Tier::detect() == Tier::Avx512 {
        return blocks::decrypt(packets);
    }
    let _ = tier;
    for TripleDes { key, iv, text } in packets {
        key.decrypt(*iv, text);
    }
}

#[cfg(target_arch = "x86_64")]
mod blocks;
#[cfg(target_arch = "x86_64")]
mod chains;
