//! Which kernel so many blocks take.

use crate::Tier;

/// A width of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// A word of any CPU.
    Word,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512Half,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// Of the widest.
    pub(super) const MOST_LANES: usize = 512;

    /// The one that holds the most on this tier.
    pub(super) fn widest(tier: Tier) -> Self {
        Self::of(tier, Self::MOST_LANES).unwrap_or(Self::Word)
    }

    /// The quickest for `blocks` blocks on this tier, or its widest if they are more than that holds; none if tables are quicker.
    pub(super) fn of(tier: Tier, blocks: usize) -> Option<Self> {
        let tier = tier.min(Tier::detect());
        match tier {
            // The bounds are where both ways take the same time; half the lanes take half of it, or two thirds.
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 if blocks > Self::Avx512Half.lanes() => Some(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Tier::Avx512 => (blocks >= 20).then_some(Self::Avx512Half),
            #[cfg(target_arch = "x86_64")]
            Tier::AesNi if is_x86_feature_detected!("avx2") => (blocks >= 24).then_some(Self::Avx2),
            _ => (blocks >= 32).then_some(Self::Word),
        }
    }

    /// How many blocks it holds.
    pub(super) fn lanes(self) -> usize {
        match self {
            Self::Word => 64,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512Half => 256,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Self::MOST_LANES,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_blocks_take_tables_and_many_the_narrowest_kernel_that_holds_them() {
        for tier in Tier::available() {
            assert_eq!(Kernel::of(tier, 0), None);
            assert_eq!(Kernel::of(tier, 8), None, "{tier:?}");
            let widest = Kernel::widest(tier).lanes();
            let mut before = 0;
            for blocks in 32..=Kernel::MOST_LANES {
                let lanes = Kernel::of(tier, blocks).map_or(0, Kernel::lanes);
                assert!(lanes >= blocks.min(widest), "{tier:?}: {blocks} blocks in {lanes} lanes");
                assert!(lanes >= before, "{tier:?}: more blocks, and a narrower kernel");
                before = lanes;
            }
            assert_eq!(before, widest);
        }
    }
}
