//! Encryption and integrity of many packets of many SAs.
//!
//! One packet after another for now. The shape is that of a kernel with lanes: every lane has its own key, nothing is
//! shared between lanes, and nothing but the packet is written.

use super::{EspKeys, EspSuite, FIXED_HEADER_LEN};
use crate::crypto::{
    cipher::{DecryptKey, EncryptKey},
    constant_time_eq,
    mac::MacKey,
};

/// One packet of a batch and the key of its SA: a [`SealKey`] on the way out, an [`OpenKey`] on the way in.
pub struct Lane<'a, K> {
    /// The key, [`OutboundSa::key`](super::OutboundSa::key) or [`InboundSa::key`](super::InboundSa::key).
    pub key: &'a K,
    /// The whole packet, from the SPI to the ICV.
    pub packet: &'a mut [u8],
}

/// Encrypts and authenticates packets that [`OutboundSa::frame`](super::OutboundSa::frame) has framed, in place.
///
/// # Panics
///
/// If a packet is not framed for the suite of its key: it must not leave unprotected.
pub fn seal_batch(lanes: &mut [Lane<'_, SealKey>]) {
    for lane in lanes {
        lane.key.seal(lane.packet);
    }
}

/// Verifies packets that [`InboundSa::check`](super::InboundSa::check) let through and decrypts those that are authentic, in
/// place. `verified` says for each lane whether it was; the octets of one that was not are unspecified.
///
/// # Panics
///
/// If there is not one `verified` for each lane.
pub fn open_batch(lanes: &mut [Lane<'_, OpenKey>], verified: &mut [bool]) {
    assert_eq!(lanes.len(), verified.len(), "one verdict for each lane");
    for (lane, verified) in lanes.iter_mut().zip(verified) {
        *verified = lane.key.open(lane.packet);
    }
}

/// The expanded keys of an SA that sends; zeroed on drop.
pub struct SealKey {
    suite: EspSuite,
    cipher: EncryptKey,
    mac: MacKey,
}

impl SealKey {
    pub(super) fn new(suite: EspSuite, keys: &EspKeys) -> Self {
        let cipher = EncryptKey::new(suite.cipher.cipher(), keys.cipher_key());
        Self { suite, cipher, mac: keys.mac_key(suite) }
    }

    pub(super) fn suite(&self) -> EspSuite {
        self.suite
    }

    fn seal(&self, packet: &mut [u8]) {
        let Parts { covered, icv } =
            Parts::of(self.suite, packet).expect("a frame has a header, whole blocks and an ICV");
        let (header, text) = covered.split_at_mut(self.suite.header_len());
        self.cipher.encrypt(&header[FIXED_HEADER_LEN..], text);
        let mac = self.mac.mac(covered);
        icv.copy_from_slice(&mac[..icv.len()]);
    }
}

/// The expanded keys of an SA that receives; zeroed on drop.
pub struct OpenKey {
    suite: EspSuite,
    cipher: DecryptKey,
    mac: MacKey,
}

impl OpenKey {
    pub(super) fn new(suite: EspSuite, keys: &EspKeys) -> Self {
        let cipher = DecryptKey::new(suite.cipher.cipher(), keys.cipher_key());
        Self { suite, cipher, mac: keys.mac_key(suite) }
    }

    pub(super) fn suite(&self) -> EspSuite {
        self.suite
    }

    /// Verifies, and only then decrypts, RFC 4303 §3.4.4.1.
    fn open(&self, packet: &mut [u8]) -> bool {
        let Some(Parts { covered, icv }) = Parts::of(self.suite, packet) else { return false };
        let mac = self.mac.mac(covered);
        if !constant_time_eq(&mac[..icv.len()], icv) {
            return false;
        }
        let (header, text) = covered.split_at_mut(self.suite.header_len());
        self.cipher.decrypt(&header[FIXED_HEADER_LEN..], text);
        true
    }
}

/// A packet as integrity sees it.
struct Parts<'a> {
    /// Header, IV and ciphertext: at least the header, and whole blocks behind it.
    covered: &'a mut [u8],
    icv: &'a mut [u8],
}

impl<'a> Parts<'a> {
    fn of(suite: EspSuite, packet: &'a mut [u8]) -> Option<Self> {
        let covered_len = packet.len().checked_sub(suite.icv_len())?;
        let text_len = covered_len.checked_sub(suite.header_len())?;
        let (covered, icv) = packet.split_at_mut(covered_len);
        text_len.is_multiple_of(suite.block_len()).then_some(Self { covered, icv })
    }
}
