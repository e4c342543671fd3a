//! The sum that the Internet checksum is made of, RFC 1071: of octets where they are, or while they are copied.
//!
//! It may be summed in the machine's own words (RFC 1071 §2 (B)) and in longer ones (C), as long as all carries are kept: here of 32 bits, two
//! by two.

use crate::Tier;

/// The sum of `bytes`, an odd one filled up with zero; not folded yet. Its words begin at the first of them.
#[inline]
pub fn sum(bytes: &[u8]) -> u64 {
    // SAFETY: that tier was asked for.
    unsafe { sum_by(best_for(bytes.len()), bytes) }
}

/// Copies `from` into `to`, and returns its [`sum`].
///
/// # Panics
///
/// If one is longer than the other.
#[inline]
pub fn copy_and_sum(from: &[u8], to: &mut [u8]) -> u64 {
    // SAFETY: that tier was asked for.
    unsafe { copy_and_sum_by(best_for(from.len()), from, to) }
}

/// [`sum`] on a tier.
///
/// # Safety
///
/// The CPU has it.
#[inline]
pub(crate) unsafe fn sum_by(tier: Tier, bytes: &[u8]) -> u64 {
    match tier {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's word.
        Tier::Avx512 => unsafe { avx512::sum(bytes) },
        _ => portable(bytes),
    }
}

/// [`copy_and_sum`] on a tier.
///
/// # Safety
///
/// The CPU has it.
#[inline]
pub(crate) unsafe fn copy_and_sum_by(tier: Tier, from: &[u8], to: &mut [u8]) -> u64 {
    assert_eq!(from.len(), to.len(), "as much room as there is to be copied");
    match tier {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's word, and the lengths were compared.
        Tier::Avx512 => unsafe { avx512::copy_and_sum(from, to) },
        _ => {
            to.copy_from_slice(from);
            portable(to)
        }
    }
}

/// For headers, it would take longer to ask what the CPU has.
fn best_for(len: usize) -> Tier {
    const SHORT: usize = 64;
    if len < SHORT { Tier::Portable } else { Tier::detect() }
}

/// Without any instruction that has to be asked for.
fn portable(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let whole: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    let mut last = [0; 4];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    whole + u64::from(u32::from_ne_bytes(last))
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use core::arch::x86_64::*;

    /// Octets of a register.
    const LEN: usize = 64;

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn sum(bytes: &[u8]) -> u64 {
        let (whole, rest) = bytes.as_chunks::<LEN>();
        let mut sums = Sums::zero();
        for chunk in whole {
            // SAFETY: as many octets are there, and the instruction asks for no alignment.
            sums.add(unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) });
        }
        // SAFETY: the mask has a bit for each octet of `rest`, and what it leaves out is not read.
        sums.add(unsafe { _mm512_maskz_loadu_epi8(first(rest.len()), rest.as_ptr().cast()) });
        sums.total()
    }

    /// # Safety
    ///
    /// Both are of one length.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn copy_and_sum(from: &[u8], to: &mut [u8]) -> u64 {
        // By two registers, because the compiler makes a call of `memcpy` and a loop that reads again of a loop with one.
        let (pairs, rest) = from.as_chunks::<{ 2 * LEN }>();
        let (room, rest_room) = to.as_chunks_mut::<{ 2 * LEN }>();
        let mut sums = Sums::zero();
        for (from, to) in pairs.iter().zip(room) {
            let (from, to) = (from.as_ptr(), to.as_mut_ptr());
            // SAFETY: as many octets are there and there, and the instructions ask for no alignment.
            unsafe {
                let [first, second] =
                    [_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(LEN).cast())];
                _mm512_storeu_si512(to.cast(), first);
                _mm512_storeu_si512(to.add(LEN).cast(), second);
                sums.add(first);
                sums.add(second);
            }
        }
        for (from, to) in rest.chunks(LEN).zip(rest_room.chunks_mut(LEN)) {
            let mask = first(from.len());
            // SAFETY: the mask has a bit for each octet, what it leaves out is neither read nor written, and there is as much room as there are octets.
            unsafe {
                let octets = _mm512_maskz_loadu_epi8(mask, from.as_ptr().cast());
                _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), mask, octets);
                sums.add(octets);
            }
        }
        sums.total()
    }

    /// The first so many of a register's octets.
    fn first(octets: usize) -> __mmask64 {
        __mmask64::MAX.checked_shr((LEN - octets) as u32).unwrap_or(0)
    }

    /// Of the words at even places and of those at odd ones, eight of each side by side: none overflows 64 bits.
    struct Sums {
        even: __m512i,
        odd: __m512i,
        low: __m512i,
    }

    impl Sums {
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn zero() -> Self {
            let zero = _mm512_setzero_si512();
            Self { even: zero, odd: zero, low: _mm512_set1_epi64(0xffff_ffff) }
        }

        #[inline]
        #[target_feature(enable = "avx512f")]
        fn add(&mut self, octets: __m512i) {
            self.even = _mm512_add_epi64(self.even, _mm512_and_si512(octets, self.low));
            self.odd = _mm512_add_epi64(self.odd, _mm512_srli_epi64::<32>(octets));
        }

        #[inline]
        #[target_feature(enable = "avx512f")]
        fn total(self) -> u64 {
            _mm512_reduce_add_epi64(_mm512_add_epi64(self.even, self.odd)).cast_unsigned()
        }
    }
}
