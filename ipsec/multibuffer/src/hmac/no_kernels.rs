//! No kernels: on this architecture every message goes alone.

use super::{Kernels, Words};
use crate::Tier;

impl<W: Words> Kernels for W {
    fn width(_: Tier, _: usize) -> usize {
        1
    }

    unsafe fn compress_lanes(_: &mut [Self], _: &[*const u8], _: usize) {
        unreachable!("one lane goes serially")
    }
}
