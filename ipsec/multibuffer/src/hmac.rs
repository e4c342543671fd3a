//! HMAC, RFC 2104, with SHA-1 and SHA-2 (FIPS 180-4): keys, and the distribution of messages to lanes.
//!
//! HMAC(K, m) = H(K ⊕ opad | H(K ⊕ ipad | m)). The first block of either hash depends on the key only, so a key is the
//! chaining words behind those two blocks.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg_attr(not(target_arch = "x86_64"), path = "hmac/no_kernels.rs")]
mod kernels;
mod lanes;
mod serial;
#[cfg(target_arch = "x86_64")]
mod sha_ni;

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Tier;

/// Octets of the longest digest.
pub const DIGEST_LEN: usize = 64;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// One message, its key, and room for its MAC.
#[derive(Debug)]
pub struct Hmac<'a> {
    /// The key, and with it the hash.
    pub key: &'a HmacKey,
    /// What is authenticated.
    pub message: &'a [u8],
    /// The whole digest, at the front of it.
    pub mac: [u8; DIGEST_LEN],
}

/// The words of both hashes behind the block that is the key; zeroed on drop.
pub struct HmacKey(Form);

#[derive(Zeroize, ZeroizeOnDrop)]
enum Form {
    Sha1([Sha1; 2]),
    Sha256([Sha256; 2]),
    Sha384([Sha512; 2]),
    Sha512([Sha512; 2]),
}

impl HmacKey {
    /// Absorbs a key into both states.
    ///
    /// # Panics
    ///
    /// If the key is longer than a block of the hash; ESP's are as long as a digest (RFC 2404 §3, RFC 4868 §2.1.1).
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        Self(match hash {
            Hash::Sha1 => Form::Sha1(absorb(Sha1::INITIAL, key)),
            Hash::Sha256 => Form::Sha256(absorb(Sha256::INITIAL, key)),
            Hash::Sha384 => Form::Sha384(absorb(Sha512::INITIAL_384, key)),
            Hash::Sha512 => Form::Sha512(absorb(Sha512::INITIAL, key)),
        })
    }

    /// The hash.
    pub fn hash(&self) -> Hash {
        match self.0 {
            Form::Sha1(_) => Hash::Sha1,
            Form::Sha256(_) => Hash::Sha256,
            Form::Sha384(_) => Hash::Sha384,
            Form::Sha512(_) => Hash::Sha512,
        }
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({:?}, …)", self.hash())
    }
}

/// Computes every message's MAC.
pub fn hmac(tier: Tier, messages: &mut [Hmac<'_>]) {
    let tier = tier.min(Tier::detect());
    lanes::run::<Sha1>(tier, messages);
    lanes::run::<Sha256>(tier, messages);
    lanes::run::<Sha512>(tier, messages);
}

/// The chaining words of SHA-1.
#[derive(Clone, Copy, Zeroize)]
struct Sha1([u32; 5]);

/// The chaining words of SHA-256.
#[derive(Clone, Copy, Zeroize)]
struct Sha256([u32; 8]);

/// The chaining words of SHA-512 and SHA-384.
#[derive(Clone, Copy, Zeroize)]
struct Sha512([u64; 8]);

/// A hash as lanes need it.
trait Words: Kernels + Copy + Zeroize {
    /// A block.
    type Block: AsRef<[u8]> + AsMut<[u8]> + Copy;

    /// A block of zeros.
    const ZEROS: Self::Block;

    /// Octets of a block.
    const BLOCK_LEN: usize;

    /// Octets of all words, of which SHA-384 has a digest of fewer.
    const OCTETS: usize = size_of::<Self>();

    /// Both states of a key of this hash, and octets of its digest.
    fn of(key: &HmacKey) -> Option<(&[Self; 2], usize)>;

    /// The whole blocks of a message, and its rest.
    fn blocks(message: &[u8]) -> (&[Self::Block], &[u8]);

    /// Takes in whole blocks, serially and on any CPU.
    fn compress(&mut self, blocks: &[Self::Block]);

    /// The words in octets, at the front of an array of zeros.
    fn octets(&self) -> [u8; DIGEST_LEN];

    /// Makes them the words of a lane.
    fn put(self, rows: &mut Self::Rows, lane: usize);

    /// The words of a lane.
    fn take(rows: &Self::Rows, lane: usize) -> Self;
}

/// The words of a number of lanes, each word of all of them side by side: as the widest kernels hold them in registers.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Rows<T, const WORDS: usize>([[T; lanes::MAX_LANES]; WORDS]);

/// A hash over several messages at once.
trait Kernels: Sized {
    /// [`Rows`] of its words.
    type Rows: Copy;

    /// All zeros.
    const NO_ROWS: Self::Rows;

    /// How many messages the best kernel of a tier takes in at once when so many are there; it may be more than there are.
    fn width(tier: Tier, active: usize) -> usize;

    /// Takes `blocks` blocks of each message into the words of its lane, of which the kernel has the first `width`.
    ///
    /// # Safety
    ///
    /// The CPU has the tier; `width` is what [`Self::width`] says for it, more than one; as many of the pointers are to that many blocks
    /// each.
    unsafe fn compress_lanes(
        rows: &mut Self::Rows,
        width: usize,
        at: &[*const u8; lanes::MAX_LANES],
        blocks: usize,
    );
}

fn absorb<W: Words>(initial: W, key: &[u8]) -> [W; 2] {
    let mut block = W::ZEROS;
    block.as_mut()[..key.len()].copy_from_slice(key);
    let states = [0x36, 0x5c].map(|pad| {
        let mut padded = block;
        padded.as_mut().iter_mut().for_each(|octet| *octet ^= pad);
        let mut words = initial;
        words.compress(&[padded]);
        padded.as_mut().zeroize();
        words
    });
    block.as_mut().zeroize();
    states
}
