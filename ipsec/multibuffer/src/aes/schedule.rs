//! Key expansion with AES-NI, FIPS 197 §5.2: no table, so no cache tells the key.

use core::arch::x86_64::*;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{BLOCK_LEN, aesni, vaes};

/// The round keys of one direction.
#[derive(Zeroize, ZeroizeOnDrop)]
#[repr(align(16))]
pub(super) struct Schedule {
    keys: [[u8; BLOCK_LEN]; MAX_KEYS],
    /// How many of them count: 11, 13 or 15.
    len: usize,
}

impl Schedule {
    pub(super) fn encrypting(key: &[u8]) -> Self {
        assert!(matches!(key.len(), 16 | 24 | 32), "16, 24 or 32 octets");
        let mut schedule = Self { keys: [[0; BLOCK_LEN]; MAX_KEYS], len: key.len() / 4 + 7 };
        // SAFETY: a key of this form is only made where the CPU has AES-NI.
        unsafe { expand(key, &mut schedule) };
        schedule
    }

    pub(super) fn decrypting(key: &[u8]) -> Self {
        let mut schedule = Self::encrypting(key);
        // SAFETY: as above.
        unsafe { invert(&mut schedule) };
        schedule
    }

    /// How many round keys there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The round keys; those behind [`Self::len`] are zeros.
    #[inline]
    pub(super) fn keys(&self) -> &[[u8; BLOCK_LEN]; MAX_KEYS] {
        &self.keys
    }

    pub(super) fn decrypt(&self, wide: bool, iv: &[u8; BLOCK_LEN], text: &mut [u8]) {
        let (blocks, _) = text.as_chunks_mut::<BLOCK_LEN>();
        // SAFETY: a key of this form is only made where the CPU has AES-NI, and `wide` says that it has VAES and AVX-512.
        unsafe {
            match (wide, self.len) {
                (true, 11) => vaes::decrypt::<11>(self, iv, blocks),
                (true, 13) => vaes::decrypt::<13>(self, iv, blocks),
                (true, _) => vaes::decrypt::<15>(self, iv, blocks),
                (false, 11) => aesni::decrypt::<11>(self, iv, blocks),
                (false, 13) => aesni::decrypt::<13>(self, iv, blocks),
                (false, _) => aesni::decrypt::<15>(self, iv, blocks),
            }
        }
    }
}

#[target_feature(enable = "aes,sse4.1")]
fn expand(key: &[u8], schedule: &mut Schedule) {
    let key_words = key.len() / 4;
    let words = schedule.keys.as_flattened_mut();
    words[..key.len()].copy_from_slice(key);
    let (words, _) = words.as_chunks_mut::<4>();
    let mut round_constant = 1_u32;
    for at in key_words..4 * schedule.len {
        let mut word = u32::from_le_bytes(words[at - 1]);
        if at % key_words == 0 {
            // The instruction substitutes and rotates the second word of its operand.
            word = substitute(word).rotate_right(8) ^ round_constant;
            round_constant = round_constant << 1 ^ if round_constant & 0x80 == 0 { 0 } else { 0x11b };
        } else if key_words > 6 && at % key_words == 4 {
            word = substitute(word);
        }
        words[at] = (word ^ u32::from_le_bytes(words[at - key_words])).to_le_bytes();
    }
}

/// SubWord.
#[target_feature(enable = "aes,sse4.1")]
fn substitute(word: u32) -> u32 {
    let operand = _mm_set1_epi32(word.cast_signed());
    _mm_cvtsi128_si32(_mm_aeskeygenassist_si128::<0>(operand)).cast_unsigned()
}

/// The equivalent inverse cipher's keys, FIPS 197 §5.3.5: in reverse order, the inner ones through InvMixColumns.
#[target_feature(enable = "aes,sse4.1")]
fn invert(schedule: &mut Schedule) {
    let len = schedule.len;
    schedule.keys[..len].reverse();
    for key in &mut schedule.keys[1..len - 1] {
        let mixed = _mm_aesimc_si128(aesni::load(key));
        aesni::store(key, mixed);
    }
}

/// Of AES-256.
const MAX_KEYS: usize = 15;
