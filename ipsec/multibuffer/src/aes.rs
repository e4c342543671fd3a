//! AES in CBC mode, NIST SP 800-38A §6.2: keys, and the distribution of packets to lanes.

#[cfg(target_arch = "x86_64")]
mod aesni;
mod portable;
#[cfg(target_arch = "x86_64")]
mod schedule;
#[cfg(target_arch = "x86_64")]
mod vaes;

use crate::Tier;
#[cfg(target_arch = "x86_64")]
use schedule::Schedule;

/// Octets of a block, and so of an IV.
pub(crate) const BLOCK_LEN: usize = 16;

/// One packet and its key.
pub struct Cbc<'a, K> {
    /// An [`EncryptKey`] or a [`DecryptKey`].
    pub key: &'a K,
    /// The initialization vector.
    pub iv: [u8; BLOCK_LEN],
    /// Whole blocks, worked on in place.
    pub text: &'a mut [u8],
}

/// An expanded key that encrypts; zeroed on drop.
pub struct EncryptKey(Form<portable::EncryptKey>);

/// An expanded key that decrypts; zeroed on drop.
pub struct DecryptKey(Form<portable::DecryptKey>);

/// A key in the form that its tier works with.
#[allow(clippy::large_enum_variant, reason = "the large one is what every machine but the oldest has")]
enum Form<P> {
    Portable(P),
    #[cfg(target_arch = "x86_64")]
    Native(Schedule),
}

impl EncryptKey {
    /// Expands a key of 16, 24 or 32 octets.
    ///
    /// # Panics
    ///
    /// If the key has another length, or if the CPU lacks the tier.
    pub fn new(tier: Tier, key: &[u8]) -> Self {
        assert!(tier <= Tier::detect(), "the CPU has the tier");
        match tier {
            #[cfg(target_arch = "x86_64")]
            Tier::AesNi | Tier::Avx512 => Self(Form::Native(Schedule::encrypting(key))),
            _ => Self(Form::Portable(portable::EncryptKey::new(key))),
        }
    }
}

impl DecryptKey {
    /// Expands a key of 16, 24 or 32 octets.
    ///
    /// # Panics
    ///
    /// If the key has another length, or if the CPU lacks the tier.
    pub fn new(tier: Tier, key: &[u8]) -> Self {
        assert!(tier <= Tier::detect(), "the CPU has the tier");
        match tier {
            #[cfg(target_arch = "x86_64")]
            Tier::AesNi | Tier::Avx512 => Self(Form::Native(Schedule::decrypting(key))),
            _ => Self(Form::Portable(portable::DecryptKey::new(key))),
        }
    }
}

/// Encrypts every packet in place.
///
/// # Panics
///
/// If a text is not whole blocks.
pub fn cbc_encrypt(tier: Tier, packets: &mut [Cbc<'_, EncryptKey>]) {
    for packet in &mut *packets {
        assert!(packet.text.len().is_multiple_of(BLOCK_LEN), "whole blocks");
        if let Form::Portable(key) = &packet.key.0 {
            key.encrypt(&packet.iv, packet.text);
        }
    }
    #[cfg(target_arch = "x86_64")]
    {
        let wide = tier == Tier::Avx512 && Tier::detect() == Tier::Avx512;
        lanes::encrypt::<11>(wide, packets);
        lanes::encrypt::<13>(wide, packets);
        lanes::encrypt::<15>(wide, packets);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = tier;
}

/// Decrypts every packet in place.
///
/// # Panics
///
/// If a text is not whole blocks.
pub fn cbc_decrypt(tier: Tier, packets: &mut [Cbc<'_, DecryptKey>]) {
    #[cfg(target_arch = "x86_64")]
    let wide = tier == Tier::Avx512 && Tier::detect() == Tier::Avx512;
    #[cfg(not(target_arch = "x86_64"))]
    let _ = tier;
    for Cbc { key, iv, text } in packets {
        assert!(text.len().is_multiple_of(BLOCK_LEN), "whole blocks");
        match &key.0 {
            Form::Portable(key) => key.decrypt(iv, text),
            #[cfg(target_arch = "x86_64")]
            Form::Native(key) => key.decrypt(wide, iv, text),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod lanes;
