//! Which packet runs in which lane: a lane whose packet is done takes the next one.

use core::marker::PhantomData;

use arrayvec::ArrayVec;

use super::schedule::Schedule;
use super::{BLOCK_LEN, Cbc, EncryptKey, Form, aesni, vaes};

/// A packet under way.
pub(super) struct Slot<'a> {
    pub(super) key: &'a Schedule,
    /// The last ciphertext block, or the IV.
    pub(super) chain: [u8; BLOCK_LEN],
    /// The next block.
    pub(super) at: *mut u8,
    left: usize,
    text: PhantomData<&'a mut [u8]>,
}

/// Encrypts those of `packets` whose keys have `R` round keys. `wide` says that the CPU has VAES and AVX-512.
pub(super) fn encrypt<const R: usize>(wide: bool, packets: &mut [Cbc<'_, EncryptKey>]) {
    let mut waiting = packets.iter_mut().filter_map(|Cbc { key, iv, text }| match &key.0 {
        Form::Native(key) if key.len() == R && !text.is_empty() => Some(Slot {
            key,
            chain: *iv,
            at: text.as_mut_ptr(),
            left: text.len() / BLOCK_LEN,
            text: PhantomData,
        }),
        _ => None,
    });
    let width = if wide { vaes::WIDTH } else { AES_NI_WIDTH };
    let mut scratch = [0_u8; SCRATCH_BLOCKS * BLOCK_LEN];
    let scratch = scratch.as_mut_ptr();
    let mut slots = ArrayVec::<Slot<'_>, { vaes::WIDTH }>::new();
    loop {
        slots.extend(waiting.by_ref().take(width - slots.len()));
        let Some(least) = slots.iter().map(|slot| slot.left).min() else { return };
        let active = slots.len();
        // Lanes of a kernel that have no packet work on scratch paper, with anybody's key.
        let (blocks, idle_key) = (least.min(SCRATCH_BLOCKS), slots[0].key);
        let lanes = match active {
            1 => 1,
            2..=4 => 4,
            5..=8 => 8,
            _ => vaes::WIDTH,
        };
        while slots.len() < lanes {
            slots.push(Slot {
                key: idle_key,
                chain: [0; BLOCK_LEN],
                at: scratch,
                left: blocks,
                text: PhantomData,
            });
        }
        // SAFETY: keys of this form are only made where the CPU has AES-NI; more than eight slots are only filled where
        // it has VAES and AVX-512; every slot has `blocks` blocks left, the idle ones in `scratch`.
        unsafe {
            match lanes {
                1 => aesni::encrypt::<1, R>(&mut slots, blocks),
                4 => aesni::encrypt::<4, R>(&mut slots, blocks),
                8 => aesni::encrypt::<8, R>(&mut slots, blocks),
                _ => {
                    if let Ok(slots) = slots.as_mut_slice().try_into() {
                        vaes::encrypt::<R>(slots, blocks);
                    }
                }
            }
        }
        slots.truncate(active);
        for slot in &mut slots {
            slot.left -= blocks;
            // SAFETY: that many blocks were there; at the end of the text the pointer stands one past it.
            slot.at = unsafe { slot.at.add(BLOCK_LEN * blocks) };
        }
        slots.retain(|slot| slot.left > 0);
    }
}

/// Eight registers of state leave eight for what is loaded.
const AES_NI_WIDTH: usize = 8;

/// What one call of a kernel does at most: 2 KiB of a packet, more than an Ethernet carries.
const SCRATCH_BLOCKS: usize = 128;
