//! The kernel: as many blocks at once as a register has bits, and a register for each bit of theirs.

use zeroize::Zeroize;

use super::register::Register;
use super::sboxes;
use super::tables::{EXPANSION, INITIAL, PERMUTATION, SCHEDULE};

/// Blocks, each with its key.
pub(super) struct Lanes<R: Register> {
    blocks: Bits<R>,
    keys: [Bits<R>; 3],
}

/// Word `[row][group]` is that of lane `64 * group + row`; turned over, the bits `row` of all lanes of a group.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Bits<R>([R; 64]);

/// The keys of the three passes, and whether each runs backwards.
pub(super) type Passes<'a, R> = [(&'a Bits<R>, bool); 3];

impl<R: Register> Bits<R> {
    const NOTHING: Self = {
        // SAFETY: a register is words, whatever they are.
        unsafe { core::mem::zeroed() }
    };

    const GROUPS: usize = size_of::<R>() / size_of::<u64>();

    fn words(&mut self) -> &mut [u64] {
        // SAFETY: a register is that many words.
        unsafe { core::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), 64 * Self::GROUPS) }
    }

    fn word(&mut self, lane: usize) -> &mut u64 {
        &mut self.words()[lane % 64 * Self::GROUPS + lane / 64]
    }
}

impl<R: Register> Drop for Lanes<R> {
    fn drop(&mut self) {
        for key in &mut self.keys {
            key.words().zeroize();
        }
    }
}

impl<R: Register> Lanes<R> {
    /// # Safety
    ///
    /// The CPU has what the register needs.
    pub(super) unsafe fn new() -> Self {
        Self { blocks: Bits::NOTHING, keys: [Bits::NOTHING; 3] }
    }

    /// Gives each lane its three keys.
    pub(super) fn set_keys<'a>(&mut self, keys: impl Iterator<Item = &'a [u64; 3]>) {
        for (lane, key) in keys.enumerate() {
            for (lanes, word) in self.keys.iter_mut().zip(key) {
                *lanes.word(lane) = *word;
            }
        }
        for key in &mut self.keys {
            // SAFETY: as the caller of `new` said.
            unsafe { R::turn_over(key) };
        }
    }

    /// One key for all lanes, which needs no turning over: a bit is the same in each of them.
    pub(super) fn set_every_key(&mut self, key: &[u64; 3]) {
        for (lanes, word) in self.keys.iter_mut().zip(key) {
            for (bit, row) in lanes.words().chunks_exact_mut(Bits::<R>::GROUPS).enumerate() {
                row.fill((word >> bit & 1).wrapping_neg());
            }
        }
    }

    pub(super) fn set(&mut self, lane: usize, block: u64) {
        *self.blocks.word(lane) = block;
    }

    pub(super) fn get(&mut self, lane: usize) -> u64 {
        *self.blocks.word(lane)
    }

    /// E with the first key, D with the second, E with the third.
    pub(super) fn encrypt(&mut self) {
        let [first, second, third] = &self.keys;
        // SAFETY: as the caller of `new` said.
        unsafe { R::run(&mut self.blocks, [(first, false), (second, true), (third, false)]) }
    }

    /// D with the third key, E with the second, D with the first.
    pub(super) fn decrypt(&mut self) {
        let [first, second, third] = &self.keys;
        // SAFETY: as the caller of `new` said.
        unsafe { R::run(&mut self.blocks, [(third, true), (second, false), (first, true)]) }
    }
}

/// Three passes. Between two of them the final permutation and the initial one of the next undo each other.
#[inline(always)]
pub(super) fn run<R: Register>(blocks: &mut Bits<R>, passes: Passes<'_, R>) {
    turn_over(blocks);
    let Bits(rows) = blocks;
    let (mut left, mut right) = ([rows[0]; 32], [rows[0]; 32]);
    for bit in 0..32 {
        left[bit] = rows[INITIAL[bit]];
        right[bit] = rows[INITIAL[32 + bit]];
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
        rows[INITIAL[bit]] = left[bit];
        rows[INITIAL[32 + bit]] = right[bit];
    }
    turn_over(blocks);
}

/// One round: `into` takes in what the S-boxes make of `from` and the round's key.
#[inline(always)]
fn mix<R: Register>(into: &mut [R; 32], from: &[R; 32], key: &Bits<R>, schedule: &[usize; 48]) {
    substitute::<0, R>(into, from, key, schedule);
    substitute::<1, R>(into, from, key, schedule);
    substitute::<2, R>(into, from, key, schedule);
    substitute::<3, R>(into, from, key, schedule);
    substitute::<4, R>(into, from, key, schedule);
    substitute::<5, R>(into, from, key, schedule);
    substitute::<6, R>(into, from, key, schedule);
    substitute::<7, R>(into, from, key, schedule);
}

/// What one S-box does in a round.
#[inline(always)]
fn substitute<const SBOX: usize, R: Register>(
    into: &mut [R; 32],
    from: &[R; 32],
    key: &Bits<R>,
    schedule: &[usize; 48],
) {
    let input = |bit: usize| from[EXPANSION[6 * SBOX + bit]] ^ key.0[schedule[6 * SBOX + bit]];
    let inputs = [input(0), input(1), input(2), input(3), input(4), input(5)];
    for (bit, output) in sboxes::outputs::<SBOX, R>(inputs).into_iter().enumerate() {
        let place = &mut into[PERMUTATION[4 * SBOX + bit]];
        *place = *place ^ output;
    }
}

/// Exchanges rows and bits, for each group of 64 lanes: in each of six steps, squares that are off the diagonal.
#[inline(always)]
pub(super) fn turn_over<R: Register>(Bits(rows): &mut Bits<R>) {
    let steps = [
        (32, 0x0000_0000_ffff_ffff),
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    for (width, mask) in steps {
        let mask = R::splat(mask);
        for high in (0..64).filter(|row| row & width as usize != 0) {
            let low = high - width as usize;
            // Columns above the mask of the upper row change places with those under it of the lower one.
            let differ = (rows[low].right(width) ^ rows[high]) & mask;
            rows[low] = rows[low] ^ differ.left(width);
            rows[high] = rows[high] ^ differ;
        }
    }
}
