//! A few blocks: S-boxes looked up, and the waits of one block filled by the others.
//!
//! Which octets are looked up depends on key and text, so their time in the cache may tell something to who shares the core: of 3DES
//! that is not the weakest point, and the kernel for many blocks does not have it.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::tables::{PERMUTATION, S, SCHEDULE};

/// The keys of all 48 rounds, as they encrypt. The first half of each goes to the S-boxes 1, 3, 5, 7, the second to the others.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Rounds([[u32; 2]; 48]);

impl Rounds {
    pub(super) fn new(keys: &[u64; 3]) -> Self {
        let mut rounds = [[0; 2]; 48];
        for (round, halves) in rounds.iter_mut().enumerate() {
            let (pass, round) = (round / 16, round % 16);
            // The second pass runs backwards.
            let bits = &SCHEDULE[if pass == 1 { 15 - round } else { round }];
            for (sbox, bits) in bits.chunks_exact(6).enumerate() {
                let input = bits.iter().fold(0, |input, bit| input << 1 | (keys[pass] >> bit & 1) as u32);
                halves[sbox % 2] |= input << (26 - sbox / 2 * 8);
            }
        }
        Self(rounds)
    }
}

/// Encrypts a block with each of the keys.
#[inline]
pub(super) fn encrypt<const N: usize>(keys: [&Rounds; N], blocks: [u64; N]) -> [u64; N] {
    run(blocks, |lane, round| keys[lane].0[round])
}

/// Decrypts a block with each of the keys.
#[inline]
pub(super) fn decrypt<const N: usize>(keys: [&Rounds; N], blocks: [u64; N]) -> [u64; N] {
    run(blocks, |lane, round| keys[lane].0[47 - round])
}

/// Three passes; between two of them the permutations undo each other, which leaves an exchange of the halves.
#[inline(always)]
fn run<const N: usize>(blocks: [u64; N], key: impl Fn(usize, usize) -> [u32; 2]) -> [u64; N] {
    let (mut left, mut right) = ([0; N], [0; N]);
    for lane in 0..N {
        (left[lane], right[lane]) = permute(blocks[lane]);
    }
    for pass in 0..3 {
        for round in (16 * pass..16 * (pass + 1)).step_by(2) {
            for lane in 0..N {
                left[lane] ^= mix(right[lane], key(lane, round));
            }
            for lane in 0..N {
                right[lane] ^= mix(left[lane], key(lane, round + 1));
            }
        }
        core::mem::swap(&mut left, &mut right);
    }
    core::array::from_fn(|lane| unpermute(left[lane], right[lane]))
}

/// The function f: E is two rotations, as an S-box's input is four bits of the half and their neighbours.
#[inline(always)]
fn mix(half: u32, [odd, even]: [u32; 2]) -> u32 {
    let (odd, even) = (half.rotate_right(1) ^ odd, half.rotate_left(3) ^ even);
    let output = |sbox: usize| {
        let inputs = if sbox.is_multiple_of(2) { odd } else { even };
        SUBSTITUTION[sbox][(inputs >> (26 - sbox / 2 * 8) & 63) as usize]
    };
    output(0) ^ output(1) ^ output(2) ^ output(3) ^ output(4) ^ output(5) ^ output(6) ^ output(7)
}

/// IP, as exchanges of squares between the halves.
#[inline(always)]
fn permute(block: u64) -> (u32, u32) {
    let (mut left, mut right) = ((block >> 32) as u32, block as u32);
    exchange(&mut left, &mut right, 4, 0x0f0f_0f0f);
    exchange(&mut left, &mut right, 16, 0x0000_ffff);
    exchange(&mut right, &mut left, 2, 0x3333_3333);
    exchange(&mut right, &mut left, 8, 0x00ff_00ff);
    exchange(&mut left, &mut right, 1, 0x5555_5555);
    (left, right)
}

/// The same backwards.
#[inline(always)]
fn unpermute(mut left: u32, mut right: u32) -> u64 {
    exchange(&mut left, &mut right, 1, 0x5555_5555);
    exchange(&mut right, &mut left, 8, 0x00ff_00ff);
    exchange(&mut right, &mut left, 2, 0x3333_3333);
    exchange(&mut left, &mut right, 16, 0x0000_ffff);
    exchange(&mut left, &mut right, 4, 0x0f0f_0f0f);
    u64::from(left) << 32 | u64::from(right)
}

/// Exchanges the bits of `low` under the mask with those of `high` that are `by` further up.
#[inline(always)]
fn exchange(high: &mut u32, low: &mut u32, by: u32, mask: u32) {
    let differ = (*high >> by ^ *low) & mask;
    *low ^= differ;
    *high ^= differ << by;
}

/// What P makes of each output of each S-box.
static SUBSTITUTION: [[u32; 64]; 8] = {
    let mut tables = [[0; 64]; 8];
    let mut sbox = 0;
    while sbox < 8 {
        let mut input = 0;
        while input < 64 {
            // The first and the last input name the row.
            let (row, column) = (input >> 5 << 1 | input & 1, input >> 1 & 15);
            let value = S[sbox][16 * row + column];
            let mut bit = 0;
            while bit < 4 {
                let place = PERMUTATION[4 * sbox + bit];
                tables[sbox][input] |= ((value >> (3 - bit) & 1) as u32) << (31 - place);
                bit += 1;
            }
            input += 1;
        }
        sbox += 1;
    }
    tables
};
