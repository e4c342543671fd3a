//! Which kernel a batch takes.

use super::lanes::MAX_LANES;
use super::{Kernels, Rows, Sha1, Sha256, Sha512, Words, avx512, sha_ni};
use crate::Tier;
use crate::tier::sha_ni as has_sha_ni;

impl Kernels for Sha1 {
    type Rows = Rows<u32, 5>;

    const NO_ROWS: Self::Rows = Rows([[0; MAX_LANES]; 5]);

    fn width(tier: Tier, active: usize) -> usize {
        // Sixteen lanes take as long as eleven by SHA-NI, four at a time.
        match (tier, has_sha_ni(), active) {
            (Tier::Avx512, true, 12..) | (Tier::Avx512, false, 2..) => 16,
            (Tier::AesNi | Tier::Avx512, true, 4..) => 4,
            (Tier::AesNi | Tier::Avx512, true, 2..) => 2,
            _ => 1,
        }
    }

    unsafe fn compress_lanes(
        rows: &mut Self::Rows,
        width: usize,
        at: &[*const u8; MAX_LANES],
        blocks: usize,
    ) {
        // SAFETY: `width` asks for these widths only where the CPU has what they need; the rest is the caller's word.
        unsafe {
            match width {
                16 => avx512::sha1(rows, *at, blocks),
                4 => narrow::<Self, 4>(rows, at, |words, at| sha_ni::sha1(words, at, blocks)),
                _ => narrow::<Self, 2>(rows, at, |words, at| sha_ni::sha1(words, at, blocks)),
            }
        }
    }
}

impl Kernels for Sha256 {
    type Rows = Rows<u32, 8>;

    const NO_ROWS: Self::Rows = Rows([[0; MAX_LANES]; 8]);

    fn width(tier: Tier, active: usize) -> usize {
        // Two lanes of SHA-NI are nearly as fast as sixteen of AVX-512.
        match (tier, has_sha_ni(), active) {
            (Tier::Avx512, true, 15..) | (Tier::Avx512, false, 2..) => 16,
            (Tier::AesNi | Tier::Avx512, true, 2..) => 2,
            _ => 1,
        }
    }

    unsafe fn compress_lanes(
        rows: &mut Self::Rows,
        width: usize,
        at: &[*const u8; MAX_LANES],
        blocks: usize,
    ) {
        // SAFETY: as for SHA-1.
        unsafe {
            match width {
                16 => avx512::sha256(rows, *at, blocks),
                _ => narrow::<Self, 2>(rows, at, |words, at| sha_ni::sha256(words, at, blocks)),
            }
        }
    }
}

impl Kernels for Sha512 {
    type Rows = Rows<u64, 8>;

    const NO_ROWS: Self::Rows = Rows([[0; MAX_LANES]; 8]);

    fn width(tier: Tier, active: usize) -> usize {
        match (tier, active) {
            (Tier::Avx512, 2..) => 8,
            _ => 1,
        }
    }

    unsafe fn compress_lanes(rows: &mut Self::Rows, _: usize, at: &[*const u8; MAX_LANES], blocks: usize) {
        let (eight, _) = at.split_first_chunk().expect("eight of sixteen");
        // SAFETY: as for SHA-1.
        unsafe { avx512::sha512(rows, *eight, blocks) }
    }
}

/// Lets a kernel that holds each lane's words by themselves work on the first lanes.
fn narrow<W: Words, const N: usize>(
    rows: &mut W::Rows,
    at: &[*const u8; MAX_LANES],
    kernel: impl FnOnce(&mut [W; N], &[*const u8; N]),
) {
    let mut words: [W; N] = core::array::from_fn(|lane| W::take(rows, lane));
    kernel(&mut words, at.first_chunk().expect("no kernel is wider than the widest"));
    for (lane, words) in words.into_iter().enumerate() {
        words.put(rows, lane);
    }
}
