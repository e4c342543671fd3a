//! Decryption: every block is on its own, so blocks of whatever packets fill the lanes.

use core::ptr;

use arrayvec::ArrayVec;

use super::bitslice::Lanes;
use super::kernel::Kernel;
use super::register::Register;
#[cfg(target_arch = "x86_64")]
use super::register::{Avx2, Avx512, Avx512Half};
use super::{BLOCK_LEN, TripleDes, TripleDesKey, lookup};
use crate::Tier;

/// Blocks that wait for a full kernel.
#[derive(Default)]
struct Waiting<'a> {
    keys: ArrayVec<&'a TripleDesKey, { Kernel::MOST_LANES }>,
    /// The ciphertext block before, or the IV.
    before: ArrayVec<u64, { Kernel::MOST_LANES }>,
    blocks: ArrayVec<&'a mut [u8; BLOCK_LEN], { Kernel::MOST_LANES }>,
}

/// `packets` are whole blocks.
pub(super) fn decrypt(tier: Tier, packets: &mut [TripleDes<'_>]) {
    let full = Kernel::widest(tier).lanes();
    let mut waiting = Waiting::default();
    for TripleDes { key, iv, text } in packets {
        let mut before = u64::from_be_bytes(*iv);
        let (blocks, _) = text.as_chunks_mut();
        for block in blocks {
            waiting.keys.push(*key);
            waiting.before.push(before);
            before = u64::from_be_bytes(*block);
            waiting.blocks.push(block);
            if waiting.blocks.len() == full {
                waiting.decrypt(tier);
            }
        }
    }
    waiting.decrypt(tier);
}

impl Waiting<'_> {
    /// Works on all of them.
    fn decrypt(&mut self, tier: Tier) {
        // SAFETY: `Kernel::of` names what the CPU has.
        unsafe {
            match Kernel::of(tier, self.blocks.len()) {
                None => self.decrypt_in_pairs(),
                Some(Kernel::Word) => self.decrypt_in::<u64>(),
                #[cfg(target_arch = "x86_64")]
                Some(Kernel::Avx2) => self.decrypt_in::<Avx2>(),
                #[cfg(target_arch = "x86_64")]
                Some(Kernel::Avx512Half) => self.decrypt_in::<Avx512Half>(),
                #[cfg(target_arch = "x86_64")]
                Some(Kernel::Avx512) => self.decrypt_in::<Avx512>(),
            }
        }
        self.keys.clear();
        self.before.clear();
        self.blocks.clear();
    }

    /// Two at a time; a last one without a second goes alone.
    fn decrypt_in_pairs(&mut self) {
        let lanes = self.keys.iter().map(|key| &*key.rounds).zip(&self.before).zip(&mut self.blocks);
        let mut lanes = lanes.map(|((key, before), block)| (key, *before, block));
        while let Some((key, before, block)) = lanes.next() {
            let text = u64::from_be_bytes(**block);
            let mut plain = |text: u64| **block = (text ^ before).to_be_bytes();
            match lanes.next() {
                Some((other_key, other_before, other_block)) => {
                    let other_text = u64::from_be_bytes(**other_block);
                    let [text, other_text] = lookup::decrypt([key, other_key], [text, other_text]);
                    plain(text);
                    **other_block = (other_text ^ other_before).to_be_bytes();
                }
                None => {
                    let [text] = lookup::decrypt([key], [text]);
                    plain(text);
                }
            }
        }
    }

    /// # Safety
    ///
    /// The CPU has what the register needs.
    unsafe fn decrypt_in<R: Register>(&mut self) {
        let Some(first) = self.keys.first() else { return };
        // SAFETY: the caller's word.
        let mut lanes = unsafe { Lanes::<R>::new() };
        if self.keys.iter().all(|key| ptr::eq(*key, *first)) {
            lanes.set_every_key(&first.octets.0);
        } else {
            lanes.set_keys(self.keys.iter().map(|key| &key.octets.0));
        }
        for (lane, block) in self.blocks.iter().enumerate() {
            lanes.set(lane, u64::from_be_bytes(**block));
        }
        lanes.decrypt();
        for (lane, (before, block)) in self.before.iter().zip(&mut self.blocks).enumerate() {
            **block = (lanes.get(lane) ^ before).to_be_bytes();
        }
    }
}
