//! AES-CBC, 3DES-CBC and HMAC over many packets of many SAs at once.
//!
//! CBC encryption is a chain of blocks, and a hash is a chain of rounds: alone, either waits for its own last result most
//! of the time. Packets do not depend on each other, so several of them, each with its own key, fill that time:
//!
//! ```text
//!              one packet                     lanes
//!   block 1  ▓░░░░▓░░░░▓░░░░▓        lane 1  ▓    ▓    ▓    ▓
//!                                    lane 2   ▓    ▓    ▓    ▓
//!   ▓ issue  ░ wait                  lane 3    ▓    ▓    ▓    ▓
//! ```
//!
//! [`Tier`] says what the CPU has; keys are expanded for a tier, and [`cbc_encrypt`], [`cbc_decrypt`] and [`hmac()`] take as
//! many packets as there are, of whatever lengths. A lane whose packet is done takes the next one; a few packets take
//! narrower kernels, a lone one the serial path, so that light load never pays for heavy load.
//!
//! AES-CBC decryption is parallel within a packet already, so it goes packet by packet. 3DES, which no instruction helps with, is
//! computed bit by bit for many blocks at once on any CPU: [`triple_des_encrypt`], [`triple_des_decrypt`].
//!
//! What else the data path does to every octet is here as well, as it takes the same instructions: [`sum`], [`copy_and_sum`].

#![allow(clippy::needless_range_loop, reason = "a kernel indexes several arrays of lanes in step")]

mod aes;
mod checksum;
mod des;
mod hmac;
mod prefetch;
mod tier;

pub use aes::{Cbc, DecryptKey, EncryptKey, cbc_decrypt, cbc_encrypt};
pub use checksum::{copy_and_sum, sum};
pub use des::{TripleDes, TripleDesKey, triple_des_decrypt, triple_des_encrypt};
pub use hmac::{DIGEST_LEN, Hash, Hmac, HmacKey, hmac};
pub use prefetch::prefetch;
pub use tier::Tier;

#[cfg(test)]
mod tests;
