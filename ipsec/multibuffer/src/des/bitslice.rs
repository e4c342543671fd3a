//! The kernel: 512 blocks at once, a register for each of their bits.

use core::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_slli_epi64,
    _mm512_srli_epi64, _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

use zeroize::Zeroize;

use super::tables::{EXPANSION, INITIAL, PERMUTATION, SCHEDULE, leaf};

/// Blocks at once.
pub(super) const LANES: usize = 512;

/// From so many blocks on the kernel takes less time than tables.
pub(super) const WORTH_IT: usize = 16;

/// Blocks, each with its key. Lane *n* is octets 8·*n* of `words` before they are turned over.
pub(super) struct Lanes {
    words: Bits,
    keys: [Bits; 3],
}

/// Element `[row][group]` is the word of lane `64 * group + row`; turned over, the bits `row` of all lanes of a group.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bits([[u64; 8]; 64]);

impl Default for Lanes {
    fn default() -> Self {
        const NOTHING: Bits = Bits([[0; 8]; 64]);
        Self { words: NOTHING, keys: [NOTHING; 3] }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for Bits(rows) in &mut self.keys {
            rows.zeroize();
        }
    }
}

impl Lanes {
    /// The three keys of a lane.
    pub(super) fn set_key(&mut self, lane: usize, key: &[u64; 3]) {
        for (Bits(rows), word) in self.keys.iter_mut().zip(key) {
            rows[lane % 64][lane / 64] = *word;
        }
    }

    /// One key for all lanes, which needs no turning over: a bit is the same in each of them.
    pub(super) fn set_every_key(&mut self, key: &[u64; 3]) {
        for (Bits(rows), word) in self.keys.iter_mut().zip(key) {
            for (bit, row) in rows.iter_mut().enumerate() {
                *row = [(word >> bit & 1).wrapping_neg(); 8];
            }
        }
    }

    /// All lanes have their keys.
    pub(super) fn expand_keys(&mut self) {
        for key in &mut self.keys {
            // SAFETY: whoever makes lanes has found AVX-512.
            unsafe { turn_over(key) };
        }
    }

    pub(super) fn set(&mut self, lane: usize, block: u64) {
        self.words.0[lane % 64][lane / 64] = block;
    }

    pub(super) fn get(&self, lane: usize) -> u64 {
        self.words.0[lane % 64][lane / 64]
    }

    /// E with the first key, D with the second, E with the third.
    pub(super) fn encrypt(&mut self) {
        let [first, second, third] = &self.keys;
        // SAFETY: whoever makes lanes has found AVX-512.
        unsafe { run(&mut self.words, [(first, false), (second, true), (third, false)]) }
    }

    /// D with the third key, E with the second, D with the first.
    pub(super) fn decrypt(&mut self) {
        let [first, second, third] = &self.keys;
        // SAFETY: whoever makes lanes has found AVX-512.
        unsafe { run(&mut self.words, [(third, true), (second, false), (first, true)]) }
    }
}

/// Three passes. Between two of them the final permutation and the initial one of the next undo each other.
#[target_feature(enable = "avx512f")]
fn run(words: &mut Bits, passes: [(&Bits, bool); 3]) {
    turn_over(words);
    let zero = _mm512_setzero_si512();
    let (mut left, mut right) = ([zero; 32], [zero; 32]);
    for bit in 0..32 {
        left[bit] = load(&words.0[INITIAL[bit]]);
        right[bit] = load(&words.0[INITIAL[32 + bit]]);
    }
    for (key, backwards) in passes {
        for round in 0..8 {
            let [even, odd] =
                [2 * round, 2 * round + 1].map(|round| if backwards { 15 - round } else { round });
            mix(&mut left, &right, key, &SCHEDULE[even]);
            mix(&mut right, &left, key, &SCHEDULE[odd]);
        }
        // The halves are exchanged behind the last round.
        core::mem::swap(&mut left, &mut right);
    }
    for bit in 0..32 {
        store(&mut words.0[INITIAL[bit]], left[bit]);
        store(&mut words.0[INITIAL[32 + bit]], right[bit]);
    }
    turn_over(words);
}

/// `$a` of three inputs, whichever of its 256 functions.
macro_rules! gate {
    ($s:literal, $bit:literal, $high:literal, $a:ident) => {{
        const TABLE: i32 = leaf($s, $bit, $high);
        _mm512_ternarylogic_epi64::<TABLE>($a[0], $a[1], $a[2])
    }};
}

/// One bit that S-box `$s` puts out: a function of three inputs for each value of the other three, and a choice among the eight.
macro_rules! output {
    ($s:literal, $bit:literal, $a:ident) => {{
        let by_last = [
            choose($a[5], gate!($s, $bit, 1, $a), gate!($s, $bit, 0, $a)),
            choose($a[5], gate!($s, $bit, 3, $a), gate!($s, $bit, 2, $a)),
            choose($a[5], gate!($s, $bit, 5, $a), gate!($s, $bit, 4, $a)),
            choose($a[5], gate!($s, $bit, 7, $a), gate!($s, $bit, 6, $a)),
        ];
        choose($a[3], choose($a[4], by_last[3], by_last[2]), choose($a[4], by_last[1], by_last[0]))
    }};
}

macro_rules! substitute {
    ($into:ident, $from:ident, $key:ident, $schedule:ident, $($s:literal)*) => {$({
        let input = |bit: usize| {
            let key = load(&$key.0[$schedule[6 * $s + bit]]);
            _mm512_xor_si512($from[EXPANSION[6 * $s + bit]], key)
        };
        let a = [input(0), input(1), input(2), input(3), input(4), input(5)];
        let outputs = [output!($s, 0, a), output!($s, 1, a), output!($s, 2, a), output!($s, 3, a)];
        for (bit, output) in outputs.into_iter().enumerate() {
            let place = &mut $into[PERMUTATION[4 * $s + bit]];
            *place = _mm512_xor_si512(*place, output);
        }
    })*};
}

/// One round: `into` takes in what the S-boxes make of `from` and the round's key.
#[target_feature(enable = "avx512f")]
fn mix(into: &mut [__m512i; 32], from: &[__m512i; 32], key: &Bits, schedule: &[usize; 48]) {
    substitute!(into, from, key, schedule, 0 1 2 3 4 5 6 7);
}

/// `yes` where `selector` has ones, `no` where it has zeros.
#[target_feature(enable = "avx512f")]
fn choose(selector: __m512i, yes: __m512i, no: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0xca>(selector, yes, no)
}

/// Exchanges rows and bits, for eight groups of 64 lanes at once: in each of six steps, squares that are off the diagonal.
#[target_feature(enable = "avx512f")]
fn turn_over(Bits(rows): &mut Bits) {
    step::<32>(rows, 0x0000_0000_ffff_ffff);
    step::<16>(rows, 0x0000_ffff_0000_ffff);
    step::<8>(rows, 0x00ff_00ff_00ff_00ff);
    step::<4>(rows, 0x0f0f_0f0f_0f0f_0f0f);
    step::<2>(rows, 0x3333_3333_3333_3333);
    step::<1>(rows, 0x5555_5555_5555_5555);
}

#[target_feature(enable = "avx512f")]
fn step<const WIDTH: u32>(rows: &mut [[u64; 8]; 64], mask: i64) {
    let mask = _mm512_set1_epi64(mask);
    for high in (0..64).filter(|row| row & WIDTH as usize != 0) {
        let low = high - WIDTH as usize;
        let (a, b) = (load(&rows[low]), load(&rows[high]));
        // Columns under the mask stay in the upper row and come down from it in the lower one; the others the other way round.
        let new_low = _mm512_ternarylogic_epi64::<0xca>(mask, a, _mm512_slli_epi64::<WIDTH>(b));
        let new_high = _mm512_ternarylogic_epi64::<0xca>(mask, _mm512_srli_epi64::<WIDTH>(a), b);
        store(&mut rows[low], new_low);
        store(&mut rows[high], new_high);
    }
}

#[target_feature(enable = "avx512f")]
fn load(row: &[u64; 8]) -> __m512i {
    // SAFETY: a row has 64 octets.
    unsafe { _mm512_loadu_si512(row.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
fn store(row: &mut [u64; 8], value: __m512i) {
    // SAFETY: a row has 64 octets.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), value) }
}
