//! Decryption: every block is on its own, so blocks of whatever packets fill the lanes.

use arrayvec::ArrayVec;

use super::bitslice::{LANES, Lanes, WORTH_IT};
use super::{BLOCK_LEN, TripleDes, TripleDesKey};

/// Blocks that wait for a full kernel.
#[derive(Default)]
struct Waiting<'a> {
    keys: ArrayVec<&'a TripleDesKey, LANES>,
    /// The ciphertext block before, or the IV.
    before: ArrayVec<u64, LANES>,
    blocks: ArrayVec<&'a mut [u8; BLOCK_LEN], LANES>,
}

/// `packets` are whole blocks, and the CPU has AVX-512.
pub(super) fn decrypt(packets: &mut [TripleDes<'_>]) {
    let mut waiting = Waiting::default();
    for TripleDes { key, iv, text } in packets {
        let mut before = u64::from_be_bytes(*iv);
        let (blocks, _) = text.as_chunks_mut();
        for block in blocks {
            waiting.keys.push(*key);
            waiting.before.push(before);
            before = u64::from_be_bytes(*block);
            waiting.blocks.push(block);
            if waiting.blocks.is_full() {
                waiting.decrypt();
            }
        }
    }
    waiting.decrypt();
}

impl Waiting<'_> {
    fn decrypt(&mut self) {
        let (keys, before) = (self.keys.drain(..), self.before.drain(..));
        if self.blocks.len() < WORTH_IT {
            for ((key, before), block) in keys.zip(before).zip(self.blocks.drain(..)) {
                key.decrypt(before.to_be_bytes(), block);
            }
            return;
        }
        let mut lanes = Lanes::default();
        for (lane, (key, block)) in keys.zip(&self.blocks).enumerate() {
            lanes.set_key(lane, &key.octets.0);
            lanes.set(lane, u64::from_be_bytes(**block));
        }
        lanes.expand_keys();
        lanes.decrypt();
        for (lane, (before, block)) in before.zip(self.blocks.drain(..)).enumerate() {
            *block = (lanes.get(lane) ^ before).to_be_bytes();
        }
    }
}
