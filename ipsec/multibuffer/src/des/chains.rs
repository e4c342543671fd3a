//! Encryption: every block needs the one before, so each packet is a lane, and a step is a block of every packet.

use arrayvec::ArrayVec;

use super::bitslice::{LANES, Lanes, WORTH_IT};
use super::{BLOCK_LEN, TripleDes};

/// At most as many packets as there are lanes, of whole blocks; the CPU has AVX-512.
pub(super) fn encrypt(packets: &mut [TripleDes<'_>]) {
    // Longest first: those that are not done yet are the first so many.
    let mut order: ArrayVec<usize, LANES> = (0..packets.len()).collect();
    order.sort_unstable_by_key(|index| core::cmp::Reverse(packets[*index].text.len()));
    let mut chains: ArrayVec<u64, LANES> =
        order.iter().map(|index| u64::from_be_bytes(packets[*index].iv)).collect();
    // How many blocks all of the lanes that make the kernel worth it have.
    let steps = order.get(WORTH_IT - 1).map_or(0, |index| packets[*index].text.len() / BLOCK_LEN);
    if steps > 0 {
        let mut lanes = Lanes::default();
        for (lane, index) in order.iter().enumerate() {
            lanes.set_key(lane, &packets[*index].key.octets.0);
        }
        lanes.expand_keys();
        for step in 0..steps {
            let block_of = |index: &usize| packets[*index].text.as_chunks::<BLOCK_LEN>().0.get(step).copied();
            let mut active = 0;
            for (block, chain) in order.iter().map_while(block_of).zip(&chains) {
                lanes.set(active, u64::from_be_bytes(block) ^ chain);
                active += 1;
            }
            lanes.encrypt();
            for (lane, (index, chain)) in order.iter().zip(&mut chains).take(active).enumerate() {
                *chain = lanes.get(lane);
                packets[*index].text.as_chunks_mut::<BLOCK_LEN>().0[step] = chain.to_be_bytes();
            }
        }
    }
    // The rest of the few longest ones.
    for (index, chain) in order.iter().zip(chains) {
        let TripleDes { key, text, .. } = &mut packets[*index];
        if let Some(rest) = text.get_mut(steps * BLOCK_LEN..) {
            key.encrypt(chain.to_be_bytes(), rest);
        }
    }
}
