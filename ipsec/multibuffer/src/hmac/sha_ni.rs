//! SHA-1 and SHA-256 with SHA-NI, a few messages in turn: a round of one fills the wait of the others.

use core::arch::x86_64::*;

use super::{Sha1, Sha256};

/// Takes `blocks` blocks of each message into its words.
///
/// # Safety
///
/// Each pointer is to that many blocks of 64 octets.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) unsafe fn sha1<const N: usize>(words: &mut [Sha1; N], at: &[*const u8; N], blocks: usize) {
    // Reverses all sixteen octets: the first word of four is in the highest place.
    let reverse = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let zero = _mm_setzero_si128();
    let (mut abcd, mut e) = ([zero; N], [zero; N]);
    for lane in 0..N {
        let [a, b, c, d, last] = words[lane].0.map(u32::cast_signed);
        abcd[lane] = _mm_set_epi32(a, b, c, d);
        e[lane] = _mm_set_epi32(last, 0, 0, 0);
    }
    for block in 0..blocks {
        let (abcd_before, e_before) = (abcd, e);
        let mut schedule = [[zero; 4]; N];
        for lane in 0..N {
            for quarter in 0..4 {
                // SAFETY: the caller vouches for `blocks` blocks from there.
                let text = unsafe { _mm_loadu_si128(at[lane].add(64 * block + 16 * quarter).cast()) };
                schedule[lane][quarter] = _mm_shuffle_epi8(text, reverse);
            }
        }
        let mut previous = abcd;
        // Four rounds; the function and constant change every five times.
        macro_rules! rounds {
            ($four:literal, $function:literal) => {
                for lane in 0..N {
                    let w = &mut schedule[lane];
                    if $four >= 4 {
                        let sum = _mm_sha1msg1_epu32(w[$four % 4], w[($four + 1) % 4]);
                        let sum = _mm_xor_si128(sum, w[($four + 2) % 4]);
                        w[$four % 4] = _mm_sha1msg2_epu32(sum, w[($four + 3) % 4]);
                    }
                    let input = if $four == 0 {
                        _mm_add_epi32(e[lane], w[0])
                    } else {
                        _mm_sha1nexte_epu32(previous[lane], w[$four % 4])
                    };
                    previous[lane] = abcd[lane];
                    abcd[lane] = _mm_sha1rnds4_epu32::<$function>(abcd[lane], input);
                }
            };
        }
        rounds!(0, 0);
        rounds!(1, 0);
        rounds!(2, 0);
        rounds!(3, 0);
        rounds!(4, 0);
        rounds!(5, 1);
        rounds!(6, 1);
        rounds!(7, 1);
        rounds!(8, 1);
        rounds!(9, 1);
        rounds!(10, 2);
        rounds!(11, 2);
        rounds!(12, 2);
        rounds!(13, 2);
        rounds!(14, 2);
        rounds!(15, 3);
        rounds!(16, 3);
        rounds!(17, 3);
        rounds!(18, 3);
        rounds!(19, 3);
        for lane in 0..N {
            e[lane] = _mm_sha1nexte_epu32(previous[lane], e_before[lane]);
            abcd[lane] = _mm_add_epi32(abcd[lane], abcd_before[lane]);
        }
    }
    for lane in 0..N {
        words[lane] = Sha1(
            [
                _mm_extract_epi32::<3>(abcd[lane]),
                _mm_extract_epi32::<2>(abcd[lane]),
                _mm_extract_epi32::<1>(abcd[lane]),
                _mm_extract_epi32::<0>(abcd[lane]),
                _mm_extract_epi32::<3>(e[lane]),
            ]
            .map(i32::cast_unsigned),
        );
    }
}

/// Takes `blocks` blocks of each message into its words.
///
/// # Safety
///
/// Each pointer is to that many blocks of 64 octets.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) unsafe fn sha256<const N: usize>(words: &mut [Sha256; N], at: &[*const u8; N], blocks: usize) {
    // Reverses the octets of each word.
    let reverse = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let zero = _mm_setzero_si128();
    // The instructions want the words in two registers, as ABEF and CDGH.
    let (mut abef, mut cdgh) = ([zero; N], [zero; N]);
    for lane in 0..N {
        let [a, b, c, d, e, f, g, h] = words[lane].0.map(u32::cast_signed);
        abef[lane] = _mm_set_epi32(a, b, e, f);
        cdgh[lane] = _mm_set_epi32(c, d, g, h);
    }
    for block in 0..blocks {
        let (abef_before, cdgh_before) = (abef, cdgh);
        let mut schedule = [[zero; 4]; N];
        for lane in 0..N {
            for quarter in 0..4 {
                // SAFETY: the caller vouches for `blocks` blocks from there.
                let text = unsafe { _mm_loadu_si128(at[lane].add(64 * block + 16 * quarter).cast()) };
                schedule[lane][quarter] = _mm_shuffle_epi8(text, reverse);
            }
        }
        // Four rounds. Written out, because which quarter of the schedule they take has to be known to the compiler.
        macro_rules! rounds {
            ($($four:literal)*) => {$({
                let [k0, k1, k2, k3] = CONSTANTS_256.as_chunks::<4>().0[$four].map(u32::cast_signed);
                let constants = _mm_set_epi32(k3, k2, k1, k0);
                for lane in 0..N {
                    let w = &mut schedule[lane];
                    if $four >= 4 {
                        let sum = _mm_sha256msg1_epu32(w[$four % 4], w[($four + 1) % 4]);
                        let seven_ago = _mm_alignr_epi8::<4>(w[($four + 3) % 4], w[($four + 2) % 4]);
                        let sum = _mm_add_epi32(sum, seven_ago);
                        w[$four % 4] = _mm_sha256msg2_epu32(sum, w[($four + 3) % 4]);
                    }
                    let input = _mm_add_epi32(w[$four % 4], constants);
                    cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], input);
                    let input = _mm_shuffle_epi32::<0b1110>(input);
                    abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], input);
                }
            })*};
        }
        rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for lane in 0..N {
            abef[lane] = _mm_add_epi32(abef[lane], abef_before[lane]);
            cdgh[lane] = _mm_add_epi32(cdgh[lane], cdgh_before[lane]);
        }
    }
    for lane in 0..N {
        words[lane] = Sha256(
            [
                _mm_extract_epi32::<3>(abef[lane]),
                _mm_extract_epi32::<2>(abef[lane]),
                _mm_extract_epi32::<3>(cdgh[lane]),
                _mm_extract_epi32::<2>(cdgh[lane]),
                _mm_extract_epi32::<1>(abef[lane]),
                _mm_extract_epi32::<0>(abef[lane]),
                _mm_extract_epi32::<1>(cdgh[lane]),
                _mm_extract_epi32::<0>(cdgh[lane]),
            ]
            .map(i32::cast_unsigned),
        );
    }
}

/// FIPS 180-4 §4.2.2.
#[rustfmt::skip]
pub(super) const CONSTANTS_256: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];
