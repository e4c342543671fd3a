//! Which kernel a batch takes.

use super::{Kernels, Sha1, Sha256, Sha512, avx512, sha_ni};
use crate::Tier;
use crate::tier::sha_ni as has_sha_ni;

impl Kernels for Sha1 {
    fn width(tier: Tier, active: usize) -> usize {
        // Sixteen lanes take as long as eleven by SHA-NI, four at a time.
        match (tier, has_sha_ni(), active) {
            (Tier::Avx512, true, 12..) | (Tier::Avx512, false, 2..) => 16,
            (Tier::AesNi | Tier::Avx512, true, 4..) => 4,
            (Tier::AesNi | Tier::Avx512, true, 2..) => 2,
            _ => 1,
        }
    }

    unsafe fn compress_lanes(words: &mut [Self], at: &[*const u8], blocks: usize) {
        // SAFETY: `width` asks for these widths only where the CPU has what they need; the rest is the caller's word.
        unsafe {
            match words.len() {
                16 => avx512::sha1(lanes(words), *pointers(at), blocks),
                4 => sha_ni::sha1::<4>(lanes(words), pointers(at), blocks),
                _ => sha_ni::sha1::<2>(lanes(words), pointers(at), blocks),
            }
        }
    }
}

impl Kernels for Sha256 {
    fn width(tier: Tier, active: usize) -> usize {
        // Two lanes of SHA-NI are nearly as fast as sixteen of AVX-512.
        match (tier, has_sha_ni(), active) {
            (Tier::Avx512, true, 15..) | (Tier::Avx512, false, 2..) => 16,
            (Tier::AesNi | Tier::Avx512, true, 2..) => 2,
            _ => 1,
        }
    }

    unsafe fn compress_lanes(words: &mut [Self], at: &[*const u8], blocks: usize) {
        // SAFETY: as for SHA-1.
        unsafe {
            match words.len() {
                16 => avx512::sha256(lanes(words), *pointers(at), blocks),
                _ => sha_ni::sha256::<2>(lanes(words), pointers(at), blocks),
            }
        }
    }
}

impl Kernels for Sha512 {
    fn width(tier: Tier, active: usize) -> usize {
        match (tier, active) {
            (Tier::Avx512, 2..) => 8,
            _ => 1,
        }
    }

    unsafe fn compress_lanes(words: &mut [Self], at: &[*const u8], blocks: usize) {
        // SAFETY: as for SHA-1.
        unsafe { avx512::sha512(lanes(words), *pointers(at), blocks) }
    }
}

fn lanes<W, const N: usize>(words: &mut [W]) -> &mut [W; N] {
    words.try_into().expect("as many lanes as the kernel has")
}

fn pointers<const N: usize>(at: &[*const u8]) -> &[*const u8; N] {
    at.try_into().expect("as many lanes as the kernel has")
}
