//! ESP in UDP, transport mode, RFC 4303 §2 and RFC 3948 §2.1.
//!
//! ```text
//! SPI 4 │ sequence 4 │ IV │ payload │ padding │ pad length 1 │ next header 1 │ ICV
//! ```

use std::ops::Range;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use crate::crypto::{CipherKey, GcmCipher, Hash, MacKey};
use crate::profile::EspTransform;

/// Bytes of the ICV (RFC 2403, 2404, 4106, 4868).
pub(crate) fn icv_len(transform: EspTransform) -> usize {
    match transform.integrity() {
        Some(Hash::Md5 | Hash::Sha1) => 12,
        Some(Hash::Sha256) => 16,
        Some(Hash::Sha384) => 24,
        Some(Hash::Sha512) => 32,
        None => GcmCipher::ICV_LEN,
    }
}

/// One direction's keys and lengths.
#[derive(Clone)]
enum Suite {
    Cbc { cipher: CipherKey, block_len: usize, integrity: MacKey, icv_len: usize },
    Gcm(GcmCipher),
}

impl Suite {
    /// `keymat` holds the cipher's key, then the integrity key or the salt.
    fn new(transform: EspTransform, keymat: &[u8], icv_len: usize) -> Self {
        const LENGTH: &str = "as long as the transform says";
        match transform {
            EspTransform::Cbc { cipher, integrity } => {
                let (key, mac_key) = keymat.split_at(cipher.key_len());
                Self::Cbc {
                    cipher: CipherKey::new(cipher, key).expect(LENGTH),
                    block_len: cipher.block_len(),
                    integrity: MacKey::new(integrity, mac_key),
                    icv_len,
                }
            }
            EspTransform::Gcm(_) => Self::Gcm(GcmCipher::new(keymat).expect(LENGTH)),
        }
    }

    fn iv_len(&self) -> usize {
        match self {
            Self::Cbc { block_len, .. } => *block_len,
            Self::Gcm(_) => GcmCipher::IV_LEN,
        }
    }

    fn icv_len(&self) -> usize {
        match self {
            Self::Cbc { icv_len, .. } => *icv_len,
            Self::Gcm(_) => GcmCipher::ICV_LEN,
        }
    }

    /// What the encrypted part is a multiple of (RFC 4303 §2.4).
    fn alignment(&self) -> usize {
        match self {
            Self::Cbc { block_len, .. } => *block_len,
            Self::Gcm(_) => 4,
        }
    }

    /// Writes the IV of a packet.
    fn write_iv(&self, sequence: u32, rng: &mut ChaCha20Rng, iv: &mut [u8]) {
        match self {
            // RFC 3602 §3: unpredictable.
            Self::Cbc { .. } => rng.fill_bytes(iv),
            // RFC 4106 §3.1: never the same twice.
            Self::Gcm(_) => iv.copy_from_slice(&u64::from(sequence).to_be_bytes()),
        }
    }

    /// Encrypts `packet` from `body_at` on, and appends the ICV.
    fn protect(&self, packet: &mut Vec<u8>, start: usize, body_at: usize) {
        let (head, body) = packet.split_at_mut(body_at);
        let (fixed, iv) = head[start..].split_at(FIXED_LEN);
        match self {
            Self::Cbc { cipher, integrity, icv_len, .. } => {
                cipher.encrypt(iv, body);
                let icv = integrity.compute(&[&packet[start..]]);
                packet.extend(icv.iter().take(*icv_len));
            }
            Self::Gcm(key) => {
                let icv = key.seal(*iv.first_chunk().expect("as long as the IV"), fixed, body);
                packet.extend(icv);
            }
        }
    }

    /// Verifies and decrypts what is behind the IV, ICV last.
    fn verify(&self, packet: &mut [u8], body_at: usize, icv_at: usize) -> Option<()> {
        match self {
            Self::Cbc { cipher, integrity, icv_len, .. } => {
                let icv = integrity.compute(&[&packet[..icv_at]]);
                packet[icv_at..].iter().eq(icv.iter().take(*icv_len)).then_some(())?;
                let (head, body) = packet[..icv_at].split_at_mut(body_at);
                cipher.decrypt(&head[FIXED_LEN..], body);
                Some(())
            }
            Self::Gcm(key) => {
                let (head, sealed) = packet.split_at_mut(body_at);
                let (fixed, iv) = head.split_at(FIXED_LEN);
                key.open(*iv.first_chunk()?, fixed, sealed).then_some(())
            }
        }
    }
}

/// The SA that a client sends on.
#[derive(Clone)]
pub(crate) struct OutboundSa {
    spi: [u8; 4],
    suite: Suite,
    sequence: u32,
}

impl OutboundSa {
    pub(crate) fn new(spi: [u8; 4], transform: EspTransform, keymat: &[u8], icv_len: usize) -> Self {
        Self { spi, suite: Suite::new(transform, keymat, icv_len), sequence: 0 }
    }

    pub(crate) fn spi(&self) -> [u8; 4] {
        self.spi
    }

    /// Appends the ESP packet around `payload`, whose parts are concatenated.
    pub(crate) fn seal(&mut self, rng: &mut ChaCha20Rng, payload: &[&[u8]], packet: &mut Vec<u8>) {
        let start = packet.len();
        let suite = &self.suite;
        self.sequence = self.sequence.wrapping_add(1);
        packet.extend(self.spi);
        packet.extend(self.sequence.to_be_bytes());
        let iv_at = packet.len();
        let body = iv_at + suite.iv_len();
        packet.resize(body, 0);
        suite.write_iv(self.sequence, rng, &mut packet[iv_at..]);
        payload.iter().for_each(|part| packet.extend(*part));
        let length = packet.len() - body + TRAILER_LEN;
        let padding = length.next_multiple_of(suite.alignment()) - length;
        // RFC 4303 §2.4: 1, 2, 3, …
        packet.extend((1..=u8::MAX).take(padding));
        packet.push(u8::try_from(padding).expect("less than a block"));
        packet.push(UDP);
        suite.protect(packet, start, body);
    }
}

/// An SA that a client receives on.
pub(crate) struct InboundSa {
    spi: [u8; 4],
    suite: Suite,
    /// Highest sequence number seen, and a bit for each of the ones before it.
    highest: u32,
    window: u128,
}

impl InboundSa {
    pub(crate) fn new(spi: [u8; 4], transform: EspTransform, keymat: &[u8], icv_len: usize) -> Self {
        Self { spi, suite: Suite::new(transform, keymat, icv_len), highest: 0, window: 0 }
    }

    pub(crate) fn spi(&self) -> [u8; 4] {
        self.spi
    }

    /// Verifies and decrypts in place; the payload's place, or `None` for anything forged, old or malformed.
    pub(crate) fn open(&mut self, packet: &mut [u8]) -> Option<Range<usize>> {
        let suite = &self.suite;
        let sequence = u32::from_be_bytes(*packet.get(4..)?.first_chunk()?);
        let body_at = FIXED_LEN + suite.iv_len();
        let icv_at = packet.len().checked_sub(suite.icv_len())?;
        let encrypted = packet.get(body_at..icv_at)?.len();
        (encrypted > 0 && encrypted.is_multiple_of(suite.alignment())).then_some(())?;
        self.is_new(sequence).then_some(())?;
        suite.verify(packet, body_at, icv_at)?;
        self.note(sequence);
        let [rest @ .., pad_len, next_header] = &packet[body_at..icv_at] else { return None };
        let payload = rest.len().checked_sub(usize::from(*pad_len))?;
        let padding = rest.get(payload..)?.iter().copied();
        (*next_header == UDP && padding.eq(1..=*pad_len)).then_some(body_at..body_at + payload)
    }

    fn is_new(&self, sequence: u32) -> bool {
        if sequence > self.highest {
            return true;
        }
        let age = self.highest - sequence;
        sequence != 0 && age < u128::BITS && self.window >> age & 1 == 0
    }

    fn note(&mut self, sequence: u32) {
        if sequence > self.highest {
            self.window = self.window.checked_shl(sequence - self.highest).unwrap_or(0) | 1;
            self.highest = sequence;
        } else {
            self.window |= 1 << (self.highest - sequence);
        }
    }
}

/// SPI and sequence number.
const FIXED_LEN: usize = 8;
/// Pad length and next header.
const TRAILER_LEN: usize = 2;
/// Next header: UDP.
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Cipher;
    use crate::profile::GcmKey;
    use rand_core::SeedableRng as _;

    fn pair(transform: EspTransform) -> (OutboundSa, InboundSa) {
        let keymat: Vec<u8> = (0..).take(transform.keymat_len()).collect();
        let icv = icv_len(transform);
        (OutboundSa::new([9; 4], transform, &keymat, icv), InboundSa::new([9; 4], transform, &keymat, icv))
    }

    #[test]
    fn every_suite_and_length_comes_back_once() {
        use {Cipher::*, Hash::*};
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let ciphers = [Des, TripleDes, Aes128, Aes192, Aes256];
        let cbc = ciphers.into_iter().flat_map(|cipher| {
            [Md5, Sha1, Sha256, Sha384, Sha512].map(|integrity| EspTransform::new(cipher, integrity))
        });
        for transform in cbc.chain([GcmKey::Aes128, GcmKey::Aes256].map(EspTransform::Gcm)) {
            let (mut outbound, mut inbound) = pair(transform);
            for length in 0..50 {
                let payload: Vec<u8> = (0..length).collect();
                let mut packet = Vec::new();
                outbound.seal(&mut rng, &[&payload], &mut packet);
                let mut again = packet.clone();
                let range = inbound.open(&mut packet).unwrap();
                assert_eq!(packet[range], payload);
                assert_eq!(inbound.open(&mut again), None, "a replay");
            }
        }
    }

    #[test]
    fn forged_and_truncated_packets_are_dropped() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        for transform in [EspTransform::new(Cipher::Aes256, Hash::Sha1), EspTransform::Gcm(GcmKey::Aes256)] {
            let (mut outbound, mut inbound) = pair(transform);
            let mut packet = Vec::new();
            outbound.seal(&mut rng, &[b"payload"], &mut packet);
            for length in 0..packet.len() {
                assert_eq!(inbound.open(&mut packet[..length].to_vec()), None);
                let mut forged = packet.clone();
                forged[length] ^= 1;
                assert_eq!(inbound.open(&mut forged), None);
            }
            assert!(inbound.open(&mut packet).is_some());
        }
    }

    #[test]
    fn the_window_takes_what_was_overtaken() {
        let (_, mut inbound) = pair(EspTransform::new(Cipher::Aes128, Hash::Sha1));
        for sequence in [1, 5, 3, 200, 73] {
            assert!(inbound.is_new(sequence), "{sequence}");
            inbound.note(sequence);
            assert!(!inbound.is_new(sequence), "{sequence}");
        }
        assert!(!inbound.is_new(72), "beyond the window");
        assert!(!inbound.is_new(0));
    }
}
