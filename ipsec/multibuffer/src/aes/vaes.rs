//! VAES with AVX-512: sixteen packets in four registers for encryption, sixteen blocks in four for decryption.

use core::arch::x86_64::*;

use super::BLOCK_LEN;
use super::aesni::{load, store};
use super::lanes::Slot;
use super::schedule::Schedule;

/// Packets at once.
pub(super) const WIDTH: usize = 16;

/// Encrypts the next `blocks` blocks of each of sixteen packets, whose keys have `R` round keys.
///
/// # Safety
///
/// Each slot has at least that many blocks left.
#[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn encrypt<const R: usize>(slots: &mut [Slot<'_>; WIDTH], blocks: usize) {
    let mut keys = [[_mm512_setzero_si512(); 4]; R];
    for (round, keys) in keys.iter_mut().enumerate() {
        for (group, key) in keys.iter_mut().enumerate() {
            *key = join(core::array::from_fn(|lane| load(&slots[4 * group + lane].key.keys()[round])));
        }
    }
    let mut chain: [__m512i; 4] =
        core::array::from_fn(|group| join(core::array::from_fn(|lane| load(&slots[4 * group + lane].chain))));
    let at: [*mut u8; WIDTH] = core::array::from_fn(|lane| slots[lane].at);
    for block in 0..blocks {
        let offset = BLOCK_LEN * block;
        for (group, chain) in chain.iter_mut().enumerate() {
            // SAFETY: the caller vouches for `blocks` blocks from there.
            let text = join(core::array::from_fn(|lane| unsafe {
                _mm_loadu_si128(at[4 * group + lane].add(offset).cast())
            }));
            *chain = _mm512_ternarylogic_epi64::<XOR3>(*chain, text, keys[0][group]);
        }
        for keys in &keys[1..R - 1] {
            for (chain, key) in chain.iter_mut().zip(keys) {
                *chain = _mm512_aesenc_epi128(*chain, *key);
            }
        }
        for (group, chain) in chain.iter_mut().enumerate() {
            *chain = _mm512_aesenclast_epi128(*chain, keys[R - 1][group]);
            for (lane, block) in split(*chain).into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { _mm_storeu_si128(at[4 * group + lane].add(offset).cast(), block) };
            }
        }
    }
    for (group, chain) in chain.into_iter().enumerate() {
        for (lane, block) in split(chain).into_iter().enumerate() {
            store(&mut slots[4 * group + lane].chain, block);
        }
    }
}

/// Decrypts one packet, whose key has `R` round keys.
#[target_feature(enable = "aes,vaes,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn decrypt<const R: usize>(key: &Schedule, iv: &[u8; BLOCK_LEN], blocks: &mut [[u8; BLOCK_LEN]]) {
    let keys: [__m512i; R] = core::array::from_fn(|round| _mm512_broadcast_i32x4(load(&key.keys()[round])));
    let mut previous = load(iv);
    let (sixteens, rest) = blocks.as_chunks_mut::<16>();
    for sixteen in sixteens {
        let (fours, _) = sixteen.as_chunks_mut::<4>();
        let cipher: [__m512i; 4] = core::array::from_fn(|four| load4(&fours[four]));
        // Each register with the ciphertext one block before.
        let first = _mm512_broadcast_i32x4(previous);
        let before: [__m512i; 4] = core::array::from_fn(|four| {
            _mm512_alignr_epi64::<6>(cipher[four], if four == 0 { first } else { cipher[four - 1] })
        });
        previous = _mm512_extracti32x4_epi32::<3>(cipher[3]);
        let mut state = cipher.map(|text| _mm512_xor_si512(text, keys[0]));
        for key in &keys[1..R - 1] {
            for state in &mut state {
                *state = _mm512_aesdec_epi128(*state, *key);
            }
        }
        for four in 0..4 {
            let last = _mm512_xor_si512(keys[R - 1], before[four]);
            store4(&mut fours[four], _mm512_aesdeclast_epi128(state[four], last));
        }
    }
    let (fours, rest) = rest.as_chunks_mut::<4>();
    for four in fours {
        let cipher = load4(four);
        let before = _mm512_alignr_epi64::<6>(cipher, _mm512_broadcast_i32x4(previous));
        previous = _mm512_extracti32x4_epi32::<3>(cipher);
        let mut state = _mm512_xor_si512(cipher, keys[0]);
        for key in &keys[1..R - 1] {
            state = _mm512_aesdec_epi128(state, *key);
        }
        store4(four, _mm512_aesdeclast_epi128(state, _mm512_xor_si512(keys[R - 1], before)));
    }
    for block in rest {
        let cipher = load(block);
        let mut state = _mm_xor_si128(cipher, load(&key.keys()[0]));
        for key in &key.keys()[1..R - 1] {
            state = _mm_aesdec_si128(state, load(key));
        }
        store(block, _mm_aesdeclast_si128(state, _mm_xor_si128(load(&key.keys()[R - 1]), previous)));
        previous = cipher;
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn join([a, b, c, d]: [__m128i; 4]) -> __m512i {
    let low = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(a), b);
    let high = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(c), d);
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn split(joined: __m512i) -> [__m128i; 4] {
    [
        _mm512_castsi512_si128(joined),
        _mm512_extracti32x4_epi32::<1>(joined),
        _mm512_extracti32x4_epi32::<2>(joined),
        _mm512_extracti32x4_epi32::<3>(joined),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load4(blocks: &[[u8; BLOCK_LEN]; 4]) -> __m512i {
    // SAFETY: 64 octets are there, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(blocks.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store4(blocks: &mut [[u8; BLOCK_LEN]; 4], value: __m512i) {
    // SAFETY: as for `load4`.
    unsafe { _mm512_storeu_si512(blocks.as_mut_ptr().cast(), value) }
}

/// The truth table of a ⊕ b ⊕ c.
const XOR3: i32 = 0x96;
