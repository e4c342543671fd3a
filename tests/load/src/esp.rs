//! ESP in UDP, transport mode, RFC 4303 §2 and RFC 3948 §2.1.
//!
//! ```text
//! SPI 4 │ sequence 4 │ IV │ payload │ padding │ pad length 1 │ next header 1 │ ICV
//! ```

use std::ops::Range;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use crate::crypto::{CipherKey, Hash, MacKey};
use crate::profile::EspTransform;

/// Bytes of the ICV of an HMAC (RFC 2403, 2404, 4868).
pub(crate) fn icv_len(hash: Hash) -> usize {
    match hash {
        Hash::Md5 | Hash::Sha1 => 12,
        Hash::Sha256 => 16,
        Hash::Sha384 => 24,
        Hash::Sha512 => 32,
    }
}

/// One direction's keys and lengths.
#[derive(Clone)]
struct Suite {
    cipher: CipherKey,
    block_len: usize,
    integrity: MacKey,
    icv_len: usize,
}

impl Suite {
    /// `keymat` holds the cipher's key, then the integrity key.
    fn new(transform: EspTransform, keymat: &[u8], icv_len: usize) -> Self {
        let (cipher, integrity) = keymat.split_at(transform.cipher.key_len());
        Self {
            cipher: CipherKey::new(transform.cipher, cipher).expect("split at the cipher's key length"),
            block_len: transform.cipher.block_len(),
            integrity: MacKey::new(transform.integrity, integrity),
            icv_len,
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
        let body = packet.len() + suite.block_len;
        packet.resize(body, 0);
        rng.fill_bytes(&mut packet[body - suite.block_len..]);
        payload.iter().for_each(|part| packet.extend(*part));
        let length = packet.len() - body;
        let padding = (suite.block_len - (length + 2) % suite.block_len) % suite.block_len;
        // RFC 4303 §2.4: 1, 2, 3, …
        packet.extend((1..=u8::MAX).take(padding));
        packet.push(u8::try_from(padding).expect("less than a block"));
        packet.push(UDP);
        let (head, data) = packet.split_at_mut(body);
        suite.cipher.encrypt(&head[head.len() - suite.block_len..], data);
        let icv = suite.integrity.compute(&[&packet[start..]]);
        packet.extend(icv.iter().take(suite.icv_len));
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
        let body_at = 8 + suite.block_len;
        let icv_at = packet.len().checked_sub(suite.icv_len)?;
        let encrypted = packet.get(body_at..icv_at)?.len();
        (encrypted > 0 && encrypted.is_multiple_of(suite.block_len)).then_some(())?;
        self.is_new(sequence).then_some(())?;
        let icv = suite.integrity.compute(&[&packet[..icv_at]]);
        packet[icv_at..].iter().eq(icv.iter().take(suite.icv_len)).then_some(())?;
        let (head, data) = packet[..icv_at].split_at_mut(body_at);
        suite.cipher.decrypt(&head[8..], data);
        self.note(sequence);
        let [rest @ .., pad_len, next_header] = data else { return None };
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

/// Next header: UDP.
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Cipher;
    use rand_core::SeedableRng as _;

    fn pair(transform: EspTransform, icv: usize) -> (OutboundSa, InboundSa) {
        let keymat: Vec<u8> =
            (0..).take(transform.cipher.key_len() + transform.integrity.digest_len()).collect();
        (OutboundSa::new([9; 4], transform, &keymat, icv), InboundSa::new([9; 4], transform, &keymat, icv))
    }

    #[test]
    fn every_suite_and_length_comes_back_once() {
        use {Cipher::*, Hash::*};
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        for cipher in [Des, TripleDes, Aes128, Aes192, Aes256] {
            for integrity in [Md5, Sha1, Sha256, Sha384, Sha512] {
                let (mut outbound, mut inbound) =
                    pair(EspTransform::new(cipher, integrity), icv_len(integrity));
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
    }

    #[test]
    fn forged_and_truncated_packets_are_dropped() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        let (mut outbound, mut inbound) = pair(EspTransform::new(Cipher::Aes256, Hash::Sha1), 12);
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

    #[test]
    fn the_window_takes_what_was_overtaken() {
        let (_, mut inbound) = pair(EspTransform::new(Cipher::Aes128, Hash::Sha1), 12);
        for sequence in [1, 5, 3, 200, 73] {
            assert!(inbound.is_new(sequence), "{sequence}");
            inbound.note(sequence);
            assert!(!inbound.is_new(sequence), "{sequence}");
        }
        assert!(!inbound.is_new(72), "beyond the window");
        assert!(!inbound.is_new(0));
    }
}
