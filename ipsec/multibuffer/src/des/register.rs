//! The registers that the kernel can be made of.

use core::ops::{BitAnd, BitOr, BitXor, Not};

use super::bitslice::{self, Bits, Passes};

/// One bit of as many blocks as it has bits: words of 64 lanes.
///
/// # Safety
///
/// It is nothing but those words, and any words are one.
pub(super) unsafe trait Register:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> + Not<Output = Self>
{
    /// The word in all places.
    fn splat(word: u64) -> Self;

    /// Shifts each word.
    fn left(self, bits: u32) -> Self;

    /// Shifts each word.
    fn right(self, bits: u32) -> Self;

    /// [`bitslice::run`] with the instructions that this register needs.
    ///
    /// # Safety
    ///
    /// The CPU has them.
    unsafe fn run(blocks: &mut Bits<Self>, passes: Passes<'_, Self>);

    /// [`bitslice::turn_over`] with the instructions that this register needs.
    ///
    /// # Safety
    ///
    /// The CPU has them.
    unsafe fn turn_over(rows: &mut Bits<Self>);
}

// SAFETY: it is one word.
unsafe impl Register for u64 {
    fn splat(word: u64) -> Self {
        word
    }

    fn left(self, bits: u32) -> Self {
        self << bits
    }

    fn right(self, bits: u32) -> Self {
        self >> bits
    }

    unsafe fn run(blocks: &mut Bits<Self>, passes: Passes<'_, Self>) {
        bitslice::run(blocks, passes);
    }

    unsafe fn turn_over(rows: &mut Bits<Self>) {
        bitslice::turn_over(rows);
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{Avx2, Avx512, Avx512Half};

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use core::arch::x86_64::{
        __m256i, __m512i, _mm_cvtsi64_si128, _mm256_and_si256, _mm256_or_si256, _mm256_set1_epi64x,
        _mm256_sll_epi64, _mm256_srl_epi64, _mm256_xor_si256, _mm512_and_si512, _mm512_or_si512,
        _mm512_set1_epi64, _mm512_sll_epi64, _mm512_srl_epi64, _mm512_xor_si512,
    };

    use super::{BitAnd, BitOr, BitXor, Bits, Not, Passes, Register, bitslice};

    /// What is inlined everywhere takes on the instructions of the function that it ends up in, which is `run` or `turn_over`.
    macro_rules! register {
        ($(#[$doc:meta])* $name:ident($register:ty), $features:literal: $and:ident $or:ident $xor:ident $splat:ident $left:ident $right:ident) => {
            $(#[$doc])*
            #[derive(Clone, Copy)]
            #[repr(transparent)]
            pub(in super::super) struct $name($register);

            register!(@operator $name BitAnd bitand $and);
            register!(@operator $name BitOr bitor $or);
            register!(@operator $name BitXor bitxor $xor);

            impl Not for $name {
                type Output = Self;

                #[inline(always)]
                fn not(self) -> Self {
                    self ^ Self::splat(!0)
                }
            }

            // SAFETY: the CPU's registers are words and nothing else.
            unsafe impl Register for $name {
                #[inline(always)]
                fn splat(word: u64) -> Self {
                    // SAFETY: only reached through `run` and `turn_over`.
                    Self(unsafe { $splat(word.cast_signed()) })
                }

                #[inline(always)]
                fn left(self, bits: u32) -> Self {
                    // SAFETY: only reached through `run` and `turn_over`.
                    Self(unsafe { $left(self.0, _mm_cvtsi64_si128(i64::from(bits))) })
                }

                #[inline(always)]
                fn right(self, bits: u32) -> Self {
                    // SAFETY: only reached through `run` and `turn_over`.
                    Self(unsafe { $right(self.0, _mm_cvtsi64_si128(i64::from(bits))) })
                }

                #[target_feature(enable = $features)]
                unsafe fn run(blocks: &mut Bits<Self>, passes: Passes<'_, Self>) {
                    bitslice::run(blocks, passes);
                }

                #[target_feature(enable = $features)]
                unsafe fn turn_over(rows: &mut Bits<Self>) {
                    bitslice::turn_over(rows);
                }
            }
        };
        (@operator $name:ident $operator:ident $function:ident $intrinsic:ident) => {
            impl $operator for $name {
                type Output = Self;

                #[inline(always)]
                fn $function(self, other: Self) -> Self {
                    // SAFETY: only reached through `run` and `turn_over`.
                    Self(unsafe { $intrinsic(self.0, other.0) })
                }
            }
        };
    }

    register! {
        /// 256 lanes of a CPU without AVX-512.
        Avx2(__m256i), "avx2":
        _mm256_and_si256 _mm256_or_si256 _mm256_xor_si256 _mm256_set1_epi64x _mm256_sll_epi64 _mm256_srl_epi64
    }
    register! {
        /// 256 lanes, where the compiler makes one instruction of any two gates that have three inputs.
        Avx512Half(__m256i), "avx512f,avx512vl":
        _mm256_and_si256 _mm256_or_si256 _mm256_xor_si256 _mm256_set1_epi64x _mm256_sll_epi64 _mm256_srl_epi64
    }
    register! {
        /// 512 lanes; the compiler does the same here.
        Avx512(__m512i), "avx512f":
        _mm512_and_si512 _mm512_or_si512 _mm512_xor_si512 _mm512_set1_epi64 _mm512_sll_epi64 _mm512_srl_epi64
    }
}
