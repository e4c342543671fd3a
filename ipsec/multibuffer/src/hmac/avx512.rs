//! SHA-1 and SHA-256 of sixteen messages and SHA-512 of eight, a word of each in one register: AVX-512 has rotations, and
//! any function of three bits in one instruction.

use core::arch::x86_64::*;

use super::sha_ni::CONSTANTS_256;
use super::{Rows, lanes::MAX_LANES};

/// Takes `blocks` blocks of each message into the words of its lane.
///
/// # Safety
///
/// Each pointer is to that many blocks of 64 octets.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sha1(rows: &mut Rows<u32, 5>, mut at: [*const u8; 16], blocks: usize) {
    let mut state: [__m512i; 5] = core::array::from_fn(|word| load(&rows.0[word]));
    for _ in 0..blocks {
        // SAFETY: the caller vouches for another block.
        let mut w = unsafe { transpose32(&at) };
        at.iter_mut().for_each(|pointer| *pointer = pointer.wrapping_add(64));
        let [mut a, mut b, mut c, mut d, mut e] = state;
        macro_rules! round {
            ($t:expr, $function:expr, $constant:expr) => {
                if $t >= 16 {
                    let sum = _mm512_ternarylogic_epi32::<XOR3>(
                        w[($t + 13) % 16],
                        w[($t + 8) % 16],
                        w[($t + 2) % 16],
                    );
                    w[$t % 16] = _mm512_rol_epi32::<1>(_mm512_xor_si512(sum, w[$t % 16]));
                }
                let input = _mm512_add_epi32(w[$t % 16], _mm512_set1_epi32($constant));
                let mixed = _mm512_ternarylogic_epi32::<$function>(b, c, d);
                let sum = _mm512_add_epi32(_mm512_add_epi32(e, input), mixed);
                e = d;
                d = c;
                c = _mm512_rol_epi32::<30>(b);
                b = a;
                a = _mm512_add_epi32(sum, _mm512_rol_epi32::<5>(a));
            };
        }
        macro_rules! rounds {
            ($from:expr, $function:expr, $constant:expr) => {
                rounds!(@four $from, $function, $constant);
                rounds!(@four $from + 4, $function, $constant);
                rounds!(@four $from + 8, $function, $constant);
                rounds!(@four $from + 12, $function, $constant);
                rounds!(@four $from + 16, $function, $constant);
            };
            (@four $from:expr, $function:expr, $constant:expr) => {
                round!($from, $function, $constant);
                round!($from + 1, $function, $constant);
                round!($from + 2, $function, $constant);
                round!($from + 3, $function, $constant);
            };
        }
        // FIPS 180-4 §4.1.1 and §4.2.1.
        rounds!(0, CHOOSE, 0x5a82_7999);
        rounds!(20, XOR3, 0x6ed9_eba1);
        rounds!(40, MAJORITY, 0x8f1b_bcdc_u32.cast_signed());
        rounds!(60, XOR3, 0xca62_c1d6_u32.cast_signed());
        for (before, after) in state.iter_mut().zip([a, b, c, d, e]) {
            *before = _mm512_add_epi32(*before, after);
        }
    }
    for (row, state) in rows.0.iter_mut().zip(state) {
        store(row, state);
    }
}

/// Takes `blocks` blocks of each message into the words of its lane.
///
/// # Safety
///
/// Each pointer is to that many blocks of 64 octets.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sha256(rows: &mut Rows<u32, 8>, mut at: [*const u8; 16], blocks: usize) {
    let mut state: [__m512i; 8] = core::array::from_fn(|word| load(&rows.0[word]));
    for _ in 0..blocks {
        // SAFETY: the caller vouches for another block.
        let mut w = unsafe { transpose32(&at) };
        at.iter_mut().for_each(|pointer| *pointer = pointer.wrapping_add(64));
        let mut v = state;
        // Written out, because which words a round takes has to be known to the compiler.
        macro_rules! rounds {
            ($sixteen:literal: $($t:literal)*) => {$({
                if $sixteen > 0 {
                    let (x, y) = (w[($t + 1) % 16], w[($t + 14) % 16]);
                    let s0 = _mm512_ternarylogic_epi32::<XOR3>(
                        _mm512_ror_epi32::<7>(x),
                        _mm512_ror_epi32::<18>(x),
                        _mm512_srli_epi32::<3>(x),
                    );
                    let s1 = _mm512_ternarylogic_epi32::<XOR3>(
                        _mm512_ror_epi32::<17>(y),
                        _mm512_ror_epi32::<19>(y),
                        _mm512_srli_epi32::<10>(y),
                    );
                    let seven_ago = _mm512_add_epi32(w[($t + 9) % 16], s1);
                    w[$t] = _mm512_add_epi32(_mm512_add_epi32(w[$t], s0), seven_ago);
                }
                let [a, b, c, d, e, f, g, h] = v;
                let s1 = _mm512_ternarylogic_epi32::<XOR3>(
                    _mm512_ror_epi32::<6>(e),
                    _mm512_ror_epi32::<11>(e),
                    _mm512_ror_epi32::<25>(e),
                );
                let constant = CONSTANTS_256[16 * $sixteen + $t].cast_signed();
                let input = _mm512_add_epi32(w[$t], _mm512_set1_epi32(constant));
                let choice = _mm512_ternarylogic_epi32::<CHOOSE>(e, f, g);
                let first = _mm512_add_epi32(_mm512_add_epi32(h, input), _mm512_add_epi32(s1, choice));
                let s0 = _mm512_ternarylogic_epi32::<XOR3>(
                    _mm512_ror_epi32::<2>(a),
                    _mm512_ror_epi32::<13>(a),
                    _mm512_ror_epi32::<22>(a),
                );
                let second = _mm512_add_epi32(s0, _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c));
                v = [_mm512_add_epi32(first, second), a, b, c, _mm512_add_epi32(d, first), e, f, g];
            })*};
        }
        rounds!(0: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(1: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(2: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(3: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for (before, after) in state.iter_mut().zip(v) {
            *before = _mm512_add_epi32(*before, after);
        }
    }
    for (row, state) in rows.0.iter_mut().zip(state) {
        store(row, state);
    }
}

/// Takes `blocks` blocks of each message into the words of its lane.
///
/// # Safety
///
/// Each pointer is to that many blocks of 128 octets.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sha512(rows: &mut Rows<u64, 8>, mut at: [*const u8; 8], blocks: usize) {
    let mut state: [__m512i; 8] = core::array::from_fn(|word| load(&rows.0[word]));
    for _ in 0..blocks {
        // SAFETY: the caller vouches for another block, of two halves.
        let (low, high) =
            unsafe { (transpose64(&at), transpose64(&at.map(|pointer| pointer.wrapping_add(64)))) };
        let mut w: [__m512i; 16] = core::array::from_fn(|t| if t < 8 { low[t] } else { high[t - 8] });
        at = at.map(|pointer| pointer.wrapping_add(128));
        let mut v = state;
        macro_rules! rounds {
            ($sixteen:literal: $($t:literal)*) => {$({
                if $sixteen > 0 {
                    let (x, y) = (w[($t + 1) % 16], w[($t + 14) % 16]);
                    let s0 = _mm512_ternarylogic_epi64::<XOR3>(
                        _mm512_ror_epi64::<1>(x),
                        _mm512_ror_epi64::<8>(x),
                        _mm512_srli_epi64::<7>(x),
                    );
                    let s1 = _mm512_ternarylogic_epi64::<XOR3>(
                        _mm512_ror_epi64::<19>(y),
                        _mm512_ror_epi64::<61>(y),
                        _mm512_srli_epi64::<6>(y),
                    );
                    let seven_ago = _mm512_add_epi64(w[($t + 9) % 16], s1);
                    w[$t] = _mm512_add_epi64(_mm512_add_epi64(w[$t], s0), seven_ago);
                }
                let [a, b, c, d, e, f, g, h] = v;
                let s1 = _mm512_ternarylogic_epi64::<XOR3>(
                    _mm512_ror_epi64::<14>(e),
                    _mm512_ror_epi64::<18>(e),
                    _mm512_ror_epi64::<41>(e),
                );
                let constant = CONSTANTS_512[16 * $sixteen + $t].cast_signed();
                let input = _mm512_add_epi64(w[$t], _mm512_set1_epi64(constant));
                let choice = _mm512_ternarylogic_epi64::<CHOOSE>(e, f, g);
                let first = _mm512_add_epi64(_mm512_add_epi64(h, input), _mm512_add_epi64(s1, choice));
                let s0 = _mm512_ternarylogic_epi64::<XOR3>(
                    _mm512_ror_epi64::<28>(a),
                    _mm512_ror_epi64::<34>(a),
                    _mm512_ror_epi64::<39>(a),
                );
                let second = _mm512_add_epi64(s0, _mm512_ternarylogic_epi64::<MAJORITY>(a, b, c));
                v = [_mm512_add_epi64(first, second), a, b, c, _mm512_add_epi64(d, first), e, f, g];
            })*};
        }
        rounds!(0: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(1: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(2: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(3: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        rounds!(4: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for (before, after) in state.iter_mut().zip(v) {
            *before = _mm512_add_epi64(*before, after);
        }
    }
    for (row, state) in rows.0.iter_mut().zip(state) {
        store(row, state);
    }
}

/// The next 64 octets of sixteen messages as sixteen registers, each with one big-endian word of all of them.
///
/// # Safety
///
/// Each pointer is to 64 octets.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn transpose32(at: &[*const u8; 16]) -> [__m512i; 16] {
    let reverse = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203));
    let mut rows = [_mm512_setzero_si512(); 16];
    for lane in 0..16 {
        // SAFETY: the caller's word.
        rows[lane] = unsafe { _mm512_loadu_si512(at[lane].cast()) };
    }
    // Words of two lanes side by side; then of four, so that each 128 bits of a register hold one word of four lanes.
    let mut pairs = rows;
    for i in 0..8 {
        pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    let mut fours = pairs;
    for i in [0, 4, 8, 12] {
        fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
        fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
        fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
        fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    // Then the quarters of four registers that hold the same word.
    let mut words = fours;
    for column in 0..4 {
        let (a, b, c, d) = (fours[column], fours[column + 4], fours[column + 8], fours[column + 12]);
        let [even_ab, odd_ab] = [_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b)];
        let [even_cd, odd_cd] = [_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d)];
        words[column] = _mm512_shuffle_i32x4::<0x88>(even_ab, even_cd);
        words[column + 4] = _mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd);
        words[column + 8] = _mm512_shuffle_i32x4::<0xdd>(even_ab, even_cd);
        words[column + 12] = _mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd);
    }
    for word in &mut words {
        *word = _mm512_shuffle_epi8(*word, reverse);
    }
    words
}

/// The next 64 octets of eight messages as eight registers, each with one big-endian word of all of them.
///
/// # Safety
///
/// Each pointer is to 64 octets.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn transpose64(at: &[*const u8; 8]) -> [__m512i; 8] {
    let reverse = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0809_0a0b_0c0d_0e0f, 0x0001_0203_0405_0607));
    let mut rows = [_mm512_setzero_si512(); 8];
    for lane in 0..8 {
        // SAFETY: the caller's word.
        rows[lane] = unsafe { _mm512_loadu_si512(at[lane].cast()) };
    }
    let mut pairs = rows;
    for i in 0..4 {
        pairs[2 * i] = _mm512_unpacklo_epi64(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_epi64(rows[2 * i], rows[2 * i + 1]);
    }
    let mut words = pairs;
    for column in 0..2 {
        let (a, b, c, d) = (pairs[column], pairs[column + 2], pairs[column + 4], pairs[column + 6]);
        let [even_ab, odd_ab] = [_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b)];
        let [even_cd, odd_cd] = [_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d)];
        words[column] = _mm512_shuffle_i32x4::<0x88>(even_ab, even_cd);
        words[column + 2] = _mm512_shuffle_i32x4::<0x88>(odd_ab, odd_cd);
        words[column + 4] = _mm512_shuffle_i32x4::<0xdd>(even_ab, even_cd);
        words[column + 6] = _mm512_shuffle_i32x4::<0xdd>(odd_ab, odd_cd);
    }
    for word in &mut words {
        *word = _mm512_shuffle_epi8(*word, reverse);
    }
    words
}

/// The first 64 octets of a row.
#[inline]
#[target_feature(enable = "avx512f")]
fn load<T>(row: &[T; MAX_LANES]) -> __m512i {
    const { assert!(size_of::<[T; MAX_LANES]>() >= 64, "a register of them") };
    // SAFETY: 64 octets are there, and the instruction asks for no alignment.
    unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store<T>(row: &mut [T; MAX_LANES], words: __m512i) {
    const { assert!(size_of::<[T; MAX_LANES]>() >= 64, "a register of them") };
    // SAFETY: as for `load`.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), words) };
}

/// Truth tables of three bits: a ⊕ b ⊕ c; b or c as a says; what two of them are.
const XOR3: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

/// FIPS 180-4 §4.2.3.
#[rustfmt::skip]
const CONSTANTS_512: [u64; 80] = [
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
];
