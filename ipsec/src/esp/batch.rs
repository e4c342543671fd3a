//! Encryption and integrity of many packets of many SAs.
//!
//! Every lane has its own key, nothing is shared between lanes, and nothing but the packet is written. What AES-CBC and SHA
//! protect goes through [`multibuffer`] together, and so does 3DES, lest one old device take a whole core; AES-GCM is fast alone,
//! and the others are nobody's first choice.

use arrayvec::ArrayVec;
use multibuffer::{
    Cbc, DIGEST_LEN, Hmac, Tier, TripleDes, TripleDesKey, cbc_decrypt, cbc_encrypt, hmac, triple_des_decrypt,
    triple_des_encrypt,
};

use super::{
    EspCipher, EspKeys, EspSuite, FIXED_HEADER_LEN,
    layout::{Geometry, Layout, Pieces},
};
use crate::crypto::{
    cipher::{DecryptKey, EncryptKey},
    constant_time_eq,
    gcm::GcmKey,
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
    let tier = Tier::detect();
    for lanes in lanes.chunks_mut(LANES) {
        encrypt(tier, lanes);
        authenticate(tier, lanes);
    }
}

fn encrypt(tier: Tier, lanes: &mut [Lane<'_, SealKey>]) {
    let mut texts = ArrayVec::<_, LANES>::new();
    let mut slow = ArrayVec::<_, LANES>::new();
    for Lane { key, packet } in lanes {
        let Pieces { fixed, iv, text, icv } = key.layout(packet).split(packet);
        match &key.algorithms {
            SealAlgorithms::Gcm(key) => {
                let tag = key.seal(iv, fixed, text);
                icv.copy_from_slice(&tag[..icv.len()]);
            }
            SealAlgorithms::Separate { cipher, .. } => match cipher {
                SealCipher::Null => {}
                SealCipher::Aes(key) => texts.push(Cbc { key, iv: block(iv), text }),
                SealCipher::TripleDes(key) => slow.push(TripleDes { key, iv: block(iv), text }),
                SealCipher::Des(key) => key.encrypt(iv, text),
            },
        }
    }
    cbc_encrypt(tier, &mut texts);
    if !slow.is_empty() {
        triple_des_encrypt(tier, &mut slow);
    }
}

fn authenticate(tier: Tier, lanes: &mut [Lane<'_, SealKey>]) {
    let mut messages = ArrayVec::<_, LANES>::new();
    for Lane { key, packet } in &*lanes {
        if let SealAlgorithms::Separate { mac: MacKey::Sha(mac), .. } = &key.algorithms {
            let message = &packet[key.layout(packet).covered()];
            messages.push(Hmac { key: mac, message, mac: [0; DIGEST_LEN] });
        }
    }
    hmac(tier, &mut messages);
    let macs = messages.iter().map(|message| message.mac).collect::<ArrayVec<_, LANES>>();
    drop(messages);
    let mut macs = macs.into_iter();
    for Lane { key, packet } in lanes {
        let SealAlgorithms::Separate { mac, .. } = &key.algorithms else { continue };
        let layout = key.layout(packet);
        let digest = match mac {
            MacKey::Sha(_) => macs.next().expect("one for each"),
            md5 => md5.mac(&packet[layout.covered()]),
        };
        let icv = layout.split(packet).icv;
        icv.copy_from_slice(&digest[..icv.len()]);
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
    let tier = Tier::detect();
    for (lanes, verified) in lanes.chunks_mut(LANES).zip(verified.chunks_mut(LANES)) {
        let mut messages = ArrayVec::<_, LANES>::new();
        for Lane { key, packet } in &*lanes {
            if let OpenAlgorithms::Separate { mac: MacKey::Sha(mac), .. } = &key.algorithms
                && let Some(layout) = key.layout(packet.len())
            {
                messages.push(Hmac { key: mac, message: &packet[layout.covered()], mac: [0; DIGEST_LEN] });
            }
        }
        hmac(tier, &mut messages);
        let macs = messages.iter().map(|message| message.mac).collect::<ArrayVec<_, LANES>>();
        drop(messages);
        let mut macs = macs.into_iter();
        // Verified, and only then decrypted: RFC 4303 §3.4.4.1.
        let mut texts = ArrayVec::<_, LANES>::new();
        let mut slow = ArrayVec::<_, LANES>::new();
        for (Lane { key, packet }, verified) in lanes.iter_mut().zip(verified) {
            let Some(layout) = key.layout(packet.len()) else {
                *verified = false;
                continue;
            };
            let digest = match &key.algorithms {
                OpenAlgorithms::Separate { mac: MacKey::Sha(_), .. } => macs.next(),
                OpenAlgorithms::Separate { mac: md5, .. } => Some(md5.mac(&packet[layout.covered()])),
                OpenAlgorithms::Gcm(_) => None,
            };
            if let OpenAlgorithms::Gcm(gcm) = &key.algorithms {
                let (fixed, rest) = packet.split_at_mut(FIXED_HEADER_LEN);
                let (iv, sealed) = rest.split_at_mut(layout.iv_len());
                *verified = gcm.open(iv, fixed, sealed, key.geometry.icv_len());
                continue;
            }
            let Pieces { iv, text, icv, .. } = layout.split(packet);
            *verified = match (&key.algorithms, digest) {
                (OpenAlgorithms::Separate { cipher, .. }, Some(digest))
                    if constant_time_eq(&digest[..icv.len()], icv) =>
                {
                    match cipher {
                        OpenCipher::Null => {}
                        OpenCipher::Aes(key) => texts.push(Cbc { key, iv: block(iv), text }),
                        OpenCipher::TripleDes(key) => slow.push(TripleDes { key, iv: block(iv), text }),
                        OpenCipher::Des(key) => key.decrypt(iv, text),
                    }
                    true
                }
                _ => false,
            };
        }
        cbc_decrypt(tier, &mut texts);
        if !slow.is_empty() {
            triple_des_decrypt(tier, &mut slow);
        }
    }
}

/// The expanded keys of an SA that sends; zeroed on drop.
pub struct SealKey {
    suite: EspSuite,
    geometry: Geometry,
    algorithms: SealAlgorithms,
}

#[allow(clippy::large_enum_variant, reason = "the large one is what nearly every SA has")]
enum SealAlgorithms {
    Separate { cipher: SealCipher, mac: MacKey },
    Gcm(GcmKey),
}

enum SealCipher {
    Null,
    Aes(multibuffer::EncryptKey),
    TripleDes(TripleDesKey),
    Des(EncryptKey),
}

impl SealKey {
    pub(super) fn new(suite: EspSuite, keys: &EspKeys) -> Self {
        let algorithms = match suite {
            EspSuite::Gcm { .. } => SealAlgorithms::Gcm(GcmKey::new(keys.cipher_key(), keys.second_key())),
            EspSuite::Separate { cipher, integrity } => {
                let mac = MacKey::new(integrity.hash(), keys.second_key());
                let cipher = match (cipher, cipher.cipher()) {
                    (EspCipher::Aes(_), _) => {
                        SealCipher::Aes(multibuffer::EncryptKey::new(Tier::detect(), keys.cipher_key()))
                    }
                    (EspCipher::TripleDes, _) => SealCipher::TripleDes(TripleDesKey::new(keys.cipher_key())),
                    (_, Some(cipher)) => SealCipher::Des(EncryptKey::new(cipher, keys.cipher_key())),
                    (_, None) => SealCipher::Null,
                };
                SealAlgorithms::Separate { cipher, mac }
            }
        };
        Self { suite, geometry: Geometry::of(suite), algorithms }
    }

    pub(super) fn suite(&self) -> EspSuite {
        self.suite
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Goes over to the other truncation of the same algorithm, if `suite` is that.
    pub(super) fn follow(&mut self, suite: EspSuite) {
        if self.suite.truncated_otherwise() == Some(suite) {
            (self.suite, self.geometry) = (suite, Geometry::of(suite));
        }
    }

    fn layout(&self, frame: &[u8]) -> Layout {
        self.geometry.layout(frame.len()).expect("a frame has a header, whole blocks and an ICV")
    }
}

/// The expanded keys of an SA that receives; zeroed on drop.
pub struct OpenKey {
    suite: EspSuite,
    geometry: Geometry,
    /// What the client may mean as well, until its first packet tells.
    other: Option<EspSuite>,
    algorithms: OpenAlgorithms,
}

#[allow(clippy::large_enum_variant, reason = "the large one is what nearly every SA has")]
enum OpenAlgorithms {
    Separate { cipher: OpenCipher, mac: MacKey },
    Gcm(GcmKey),
}

enum OpenCipher {
    Null,
    Aes(multibuffer::DecryptKey),
    TripleDes(TripleDesKey),
    Des(DecryptKey),
}

impl OpenKey {
    pub(super) fn new(suite: EspSuite, keys: &EspKeys) -> Self {
        let algorithms = match suite {
            EspSuite::Gcm { .. } => OpenAlgorithms::Gcm(GcmKey::new(keys.cipher_key(), keys.second_key())),
            EspSuite::Separate { cipher, integrity } => {
                let mac = MacKey::new(integrity.hash(), keys.second_key());
                let cipher = match (cipher, cipher.cipher()) {
                    (EspCipher::Aes(_), _) => {
                        OpenCipher::Aes(multibuffer::DecryptKey::new(Tier::detect(), keys.cipher_key()))
                    }
                    (EspCipher::TripleDes, _) => OpenCipher::TripleDes(TripleDesKey::new(keys.cipher_key())),
                    (_, Some(cipher)) => OpenCipher::Des(DecryptKey::new(cipher, keys.cipher_key())),
                    (_, None) => OpenCipher::Null,
                };
                OpenAlgorithms::Separate { cipher, mac }
            }
        };
        Self { suite, geometry: Geometry::of(suite), other: suite.truncated_otherwise(), algorithms }
    }

    pub(super) fn suite(&self) -> EspSuite {
        self.suite
    }

    /// Where the parts of a packet of that length are; `None` if it cannot be one.
    pub(super) fn layout(&self, packet_len: usize) -> Option<Layout> {
        self.geometry.layout(packet_len).or_else(|| Geometry::of(self.other?).layout(packet_len))
    }

    /// An authentic packet of that length came: which truncation it has is what the client means from now on. The longer one
    /// for good. The shorter one until the longer one comes: who cuts four octets off a packet on its way must not mute a client.
    pub(super) fn pin(&mut self, packet_len: usize) {
        let Some(other) = self.other else { return };
        let (meant, unmeant) = match self.geometry.layout(packet_len) {
            Some(_) => (self.suite, other),
            None => (other, self.suite),
        };
        (self.suite, self.geometry) = (meant, Geometry::of(meant));
        self.other = (meant.icv_len() < unmeant.icv_len()).then_some(unmeant);
    }
}

fn block<const N: usize>(iv: &[u8]) -> [u8; N] {
    iv.try_into().expect("an IV is as long as a block of its cipher")
}

/// How many packets are worked on at once: whatever the event loop brings, as of 3DES each packet out is but a lane of some hundred.
const LANES: usize = 128;
