//! Which transform we choose, and why: RFC 2407 §4, RFC 2409 Appendix A.
//!
//! Never the mere first. A client's list is taken as what it *can* do; we take the strongest of it, because clients put
//! what is oldest, or fastest, or alphabetically first on top.

mod esp;
mod ike;
mod offer;

use std::time::Duration;

use crate::crypto::{Cipher, Hash};
use crate::dh::Group;
use crate::isakmp::Transform;

pub(crate) use self::esp::{EspChoice, EspPolicy, EspRefusal, choose_esp};
pub use self::ike::IkeSuite;
pub(crate) use self::ike::{Authentication, IkePolicy, choose_ike};
pub(crate) use self::offer::{Remedy, describe_esp, describe_ike};

/// How old a client may be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Algorithms {
    /// No 3DES, MD5, MODP-1024 or MODP-1536: Windows, Apple, Linux; not the native client of Android.
    Modern,
    /// All that real clients need: everything except DES, MODP-768 and ESP without encryption.
    #[default]
    Compatible,
    /// Everything there is, for devices that nobody can update.
    Legacy,
}

impl Algorithms {
    /// The value in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Compatible => "compatible",
            Self::Legacy => "legacy",
        }
    }

    /// Strictest first.
    const ALL: [Self; 3] = [Self::Modern, Self::Compatible, Self::Legacy];

    fn allows_cipher(self, cipher: Cipher) -> bool {
        self >= match cipher {
            Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => Self::Modern,
            Cipher::TripleDes => Self::Compatible,
            Cipher::Des => Self::Legacy,
        }
    }

    fn allows_hash(self, hash: Hash) -> bool {
        self >= match hash {
            Hash::Sha1 | Hash::Sha256 | Hash::Sha384 | Hash::Sha512 => Self::Modern,
            // TP-Link's routers offer nothing better than 3DES/MD5 on some models.
            Hash::Md5 => Self::Compatible,
        }
    }

    fn allows_group(self, group: Group) -> bool {
        self >= match group {
            Group::Modp2048 | Group::Modp3072 | Group::Ecp256 | Group::Ecp384 => Self::Modern,
            // The native client of Android knows no other group than MODP-1024.
            Group::Modp1024 | Group::Modp1536 => Self::Compatible,
            Group::Modp768 => Self::Legacy,
        }
    }
}

/// Bits of work a cipher stands for, NIST SP 800-57 part 1 table 2.
fn cipher_strength(cipher: Cipher) -> u16 {
    match cipher {
        Cipher::Des => 56,
        Cipher::TripleDes => 112,
        Cipher::Aes128 => 128,
        Cipher::Aes192 => 192,
        Cipher::Aes256 => 256,
    }
}

/// The AES of a key length in bits. Without the attribute it is 128: RFC 3602 §5.3 wants it said, some clients do not.
fn aes(key_length: Option<u64>) -> Option<Cipher> {
    match key_length {
        None | Some(128) => Some(Cipher::Aes128),
        Some(192) => Some(Cipher::Aes192),
        Some(256) => Some(Cipher::Aes256),
        Some(_) => None,
    }
}

/// The lifetime in seconds that a transform proposes, and that we answer: whatever it is, the client's own clock decides
/// when it rekeys, and a shorter answer would only make it rekey more often. Kilobytes are answered and left to the client.
fn lifetime(transform: &Transform<'_>, life_type: u16, duration: u16) -> Duration {
    let seconds = transform
        .lifetimes(life_type, duration)
        .find_map(|(unit, value)| (unit == SECONDS && value > 0).then_some(Duration::from_secs(value)));
    seconds.unwrap_or(DEFAULT_LIFETIME).min(MAX_LIFETIME)
}

/// Life type 1 in both phases.
const SECONDS: u64 = 1;

/// RFC 2407 §4.5: what holds if no lifetime is proposed.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(8 * 3600);

/// Nothing lives longer, whatever was agreed: our side forgets, the client notices and comes again.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

#[cfg(test)]
mod tests;
