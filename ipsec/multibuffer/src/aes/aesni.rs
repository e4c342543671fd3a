//! AES-NI: several packets in turn for encryption, eight blocks in turn for decryption.

use core::arch::x86_64::*;

use super::BLOCK_LEN;
use super::lanes::Slot;
use super::schedule::Schedule;

/// Encrypts the next `blocks` blocks of each of `N` packets, whose keys have `R` round keys.
///
/// # Safety
///
/// Each slot has at least that many blocks left.
#[target_feature(enable = "aes,sse4.1")]
pub(super) unsafe fn encrypt<const N: usize, const R: usize>(slots: &mut [Slot<'_>], blocks: usize) {
    let zero = _mm_setzero_si128();
    let (mut chain, mut at) = ([zero; N], [core::ptr::null_mut::<u8>(); N]);
    let keys: [&[[u8; BLOCK_LEN]; 15]; N] = core::array::from_fn(|lane| slots[lane].key.keys());
    for lane in 0..N {
        chain[lane] = load(&slots[lane].chain);
        at[lane] = slots[lane].at;
    }
    for block in 0..blocks {
        for lane in 0..N {
            // SAFETY: the caller vouches for `blocks` blocks from there.
            let text = unsafe { _mm_loadu_si128(at[lane].add(BLOCK_LEN * block).cast()) };
            chain[lane] = _mm_xor_si128(chain[lane], _mm_xor_si128(text, load(&keys[lane][0])));
        }
        for round in 1..R - 1 {
            for lane in 0..N {
                chain[lane] = _mm_aesenc_si128(chain[lane], load(&keys[lane][round]));
            }
        }
        for lane in 0..N {
            chain[lane] = _mm_aesenclast_si128(chain[lane], load(&keys[lane][R - 1]));
            // SAFETY: as above.
            unsafe { _mm_storeu_si128(at[lane].add(BLOCK_LEN * block).cast(), chain[lane]) };
        }
    }
    for lane in 0..N {
        store(&mut slots[lane].chain, chain[lane]);
    }
}

/// Decrypts one packet, whose key has `R` round keys.
#[target_feature(enable = "aes,sse4.1")]
pub(super) fn decrypt<const R: usize>(key: &Schedule, iv: &[u8; BLOCK_LEN], blocks: &mut [[u8; BLOCK_LEN]]) {
    let keys: [__m128i; R] = core::array::from_fn(|round| load(&key.keys()[round]));
    let mut previous = load(iv);
    let (eights, rest) = blocks.as_chunks_mut::<8>();
    for eight in eights {
        let cipher: [__m128i; 8] = core::array::from_fn(|block| load(&eight[block]));
        let mut state = cipher.map(|text| _mm_xor_si128(text, keys[0]));
        for key in &keys[1..R - 1] {
            for state in &mut state {
                *state = _mm_aesdec_si128(*state, *key);
            }
        }
        for block in 0..8 {
            let before = if block == 0 { previous } else { cipher[block - 1] };
            let plain = _mm_aesdeclast_si128(state[block], _mm_xor_si128(keys[R - 1], before));
            store(&mut eight[block], plain);
        }
        previous = cipher[7];
    }
    for block in rest {
        let cipher = load(block);
        let mut state = _mm_xor_si128(cipher, keys[0]);
        for key in &keys[1..R - 1] {
            state = _mm_aesdec_si128(state, *key);
        }
        store(block, _mm_aesdeclast_si128(state, _mm_xor_si128(keys[R - 1], previous)));
        previous = cipher;
    }
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load(block: &[u8; BLOCK_LEN]) -> __m128i {
    // SAFETY: sixteen octets are there, and the instruction asks for no alignment.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn store(block: &mut [u8; BLOCK_LEN], value: __m128i) {
    // SAFETY: as for `load`.
    unsafe { _mm_storeu_si128(block.as_mut_ptr().cast(), value) }
}
