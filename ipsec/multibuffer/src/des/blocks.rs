//! Decryption: every block is on its own, so blocks of whatever packets fill the lanes.

use core::ptr;

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
    lanes: Lanes,
    /// The key that all lanes have from before.
    key_of_all: Option<&'a TripleDesKey>,
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
        if self.blocks.len() < WORTH_IT {
            for ((key, before), block) in
                self.keys.drain(..).zip(self.before.drain(..)).zip(self.blocks.drain(..))
            {
                key.decrypt(before.to_be_bytes(), block);
            }
            return;
        }
        self.set_keys();
        let lanes = &mut self.lanes;
        for (lane, block) in self.blocks.iter().enumerate() {
            lanes.set(lane, u64::from_be_bytes(**block));
        }
        lanes.decrypt();
        for (lane, (before, block)) in self.before.drain(..).zip(self.blocks.drain(..)).enumerate() {
            *block = (lanes.get(lane) ^ before).to_be_bytes();
        }
    }

    /// Blocks of one client need one key, which may be there already.
    fn set_keys(&mut self) {
        let Some(first) = self.keys.first().copied() else { return };
        if self.keys.iter().all(|key| ptr::eq(*key, first)) {
            if !self.key_of_all.is_some_and(|key| ptr::eq(key, first)) {
                self.lanes.set_every_key(&first.octets.0);
            }
            self.key_of_all = Some(first);
        } else {
            for (lane, key) in self.keys.iter().enumerate() {
                self.lanes.set_key(lane, &key.octets.0);
            }
            self.lanes.expand_keys();
            self.key_of_all = None;
        }
        self.keys.clear();
    }
}
