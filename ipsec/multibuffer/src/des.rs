//! 3DES in CBC mode, RFC 2451: three passes of DES, FIPS 46-3, that nothing in a CPU helps with.
//!
//! Many blocks are worked on at once, bit by bit: register *n* holds bit *n* of as many blocks as it has bits, a permutation is a
//! matter of naming, and an S-box is a network of gates. That takes the same time for one block as for a full register, so a register
//! is chosen that is no wider than need be, and a few blocks look their S-boxes up in tables, two at a time.
//!
//! ```text
//!   decrypt: every block of every packet is a lane          encrypt: a chain, so every packet is a lane
//! ```

mod bitslice;
mod blocks;
mod chains;
mod kernel;
mod lookup;
mod register;
mod sboxes;
mod tables;

use zeroize::{Zeroize, ZeroizeOnDrop};

use self::lookup::Rounds;
use crate::Tier;

/// Octets of a block, and so of an IV.
const BLOCK_LEN: usize = 8;

/// A key of either direction; zeroed on drop.
pub struct TripleDesKey {
    rounds: Box<Rounds>,
    octets: Octets,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Octets([u64; 3]);

impl TripleDesKey {
    /// Takes three keys of DES, in the order in which they encrypt; parity bits do not matter.
    ///
    /// # Panics
    ///
    /// If there are not 24 octets.
    pub fn new(key: &[u8]) -> Self {
        let (keys, []) = key.as_chunks() else { panic!("24 octets") };
        let keys: &[[u8; 8]; 3] = keys.try_into().expect("24 octets");
        let octets = Octets(keys.map(u64::from_be_bytes));
        Self { rounds: Box::new(Rounds::new(&octets.0)), octets }
    }
}

/// One packet and its key.
pub struct TripleDes<'a> {
    /// The key.
    pub key: &'a TripleDesKey,
    /// The initialization vector.
    pub iv: [u8; BLOCK_LEN],
    /// Whole blocks, worked on in place.
    pub text: &'a mut [u8],
}

/// Encrypts every packet in place.
///
/// # Panics
///
/// If a text is not whole blocks.
pub fn triple_des_encrypt(tier: Tier, packets: &mut [TripleDes<'_>]) {
    assert!(packets.iter().all(|packet| packet.text.len().is_multiple_of(BLOCK_LEN)), "whole blocks");
    chains::encrypt(tier, packets);
}

/// Decrypts every packet in place.
///
/// # Panics
///
/// If a text is not whole blocks.
pub fn triple_des_decrypt(tier: Tier, packets: &mut [TripleDes<'_>]) {
    assert!(packets.iter().all(|packet| packet.text.len().is_multiple_of(BLOCK_LEN)), "whole blocks");
    blocks::decrypt(tier, packets);
}
