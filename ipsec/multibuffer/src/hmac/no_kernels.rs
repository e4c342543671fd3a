//! No kernels: on this architecture every message goes alone.

use super::lanes::MAX_LANES;
use super::{Kernels, Rows, Sha1, Sha256, Sha512};
use crate::Tier;

macro_rules! none {
    ($($hash:ty: $word:ty, $words:literal;)*) => {$(
        impl Kernels for $hash {
            type Rows = Rows<$word, $words>;

            const NO_ROWS: Self::Rows = Rows([[0; MAX_LANES]; $words]);

            fn width(_: Tier, _: usize) -> usize {
                1
            }

            unsafe fn compress_lanes(_: &mut Self::Rows, _: usize, _: &[*const u8; MAX_LANES], _: usize) {
                unreachable!("one lane goes serially")
            }
        }
    )*};
}

none! {
    Sha1: u32, 5;
    Sha256: u32, 8;
    Sha512: u64, 8;
}
