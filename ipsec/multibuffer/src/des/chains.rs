//! Encryption: every block needs the one before, so each packet is a lane, and a step is a block of every packet.

use arrayvec::ArrayVec;

use super::bitslice::Lanes;
use super::kernel::Kernel;
use super::register::Register;
#[cfg(target_arch = "x86_64")]
use super::register::{Avx2, Avx512, Avx512Half};
use super::{BLOCK_LEN, TripleDes, TripleDesKey, lookup};
use crate::Tier;

/// `packets` are whole blocks.
pub(super) fn encrypt(tier: Tier, packets: &mut [TripleDes<'_>]) {
    for packets in packets.chunks_mut(Kernel::widest(tier).lanes()) {
        let mut chains: Chains<'_> = packets.iter_mut().map(Chain::new).collect();
        // Longest first: those that are not done yet are the first so many.
        chains.sort_unstable_by_key(|chain| core::cmp::Reverse(chain.left.len()));
        // SAFETY: `Kernel::of` names what the CPU has.
        unsafe {
            match Kernel::of(tier, chains.len()) {
                None => {}
                Some(Kernel::Word) => encrypt_in::<u64>(tier, &mut chains),
                #[cfg(target_arch = "x86_64")]
                Some(Kernel::Avx2) => encrypt_in::<Avx2>(tier, &mut chains),
                #[cfg(target_arch = "x86_64")]
                Some(Kernel::Avx512Half) => encrypt_in::<Avx512Half>(tier, &mut chains),
                #[cfg(target_arch = "x86_64")]
                Some(Kernel::Avx512) => encrypt_in::<Avx512>(tier, &mut chains),
            }
        }
        encrypt_in_pairs(chains);
    }
}

/// As many as a kernel has lanes, at most.
type Chains<'a> = ArrayVec<Chain<'a>, { Kernel::MOST_LANES }>;

/// A packet under way.
struct Chain<'a> {
    key: &'a TripleDesKey,
    /// The last ciphertext block, or the IV.
    last: u64,
    left: &'a mut [[u8; BLOCK_LEN]],
}

impl<'a> Chain<'a> {
    fn new(TripleDes { key, iv, text }: &'a mut TripleDes<'_>) -> Self {
        let (left, _) = text.as_chunks_mut();
        Self { key, last: u64::from_be_bytes(*iv), left }
    }

    /// What the cipher takes in next.
    fn next(&self) -> Option<u64> {
        self.left.first().map(|block| u64::from_be_bytes(*block) ^ self.last)
    }

    /// What the cipher made of it.
    fn put(&mut self, block: u64) {
        self.last = block;
        if let Some((first, left)) = core::mem::take(&mut self.left).split_first_mut() {
            *first = block.to_be_bytes();
            self.left = left;
        }
    }
}

/// Goes on as long as there are enough lanes for any kernel.
///
/// # Safety
///
/// The CPU has what the register needs.
unsafe fn encrypt_in<R: Register>(tier: Tier, chains: &mut Chains<'_>) {
    // SAFETY: the caller's word.
    let mut lanes = unsafe { Lanes::<R>::new() };
    lanes.set_keys(chains.iter().map(|chain| &chain.key.octets.0));
    loop {
        let mut active = 0;
        for block in chains.iter().map_while(Chain::next) {
            lanes.set(active, block);
            active += 1;
        }
        if Kernel::of(tier, active).is_none() {
            return;
        }
        lanes.encrypt();
        for (lane, chain) in chains.iter_mut().take(active).enumerate() {
            chain.put(lanes.get(lane));
        }
    }
}

/// Does what is left of each, two at a time: one that is done makes room for the next.
fn encrypt_in_pairs(chains: Chains<'_>) {
    let mut chains = chains.into_iter().filter(|chain| !chain.left.is_empty());
    let Some(mut first) = chains.next() else { return };
    for mut second in chains {
        while let (Some(one), Some(other)) = (first.next(), second.next()) {
            let [one, other] = lookup::encrypt([&first.key.rounds, &second.key.rounds], [one, other]);
            first.put(one);
            second.put(other);
        }
        if first.left.is_empty() {
            first = second;
        }
    }
    while let Some(block) = first.next() {
        let [block] = lookup::encrypt([&first.key.rounds], [block]);
        first.put(block);
    }
}
