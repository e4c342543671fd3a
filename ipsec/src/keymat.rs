//! Keys of both phases, and the hashes that prove them: RFC 2409 §5, §5.5, §5.7, App. B.
//!
//! ```text
//!  pre-shared key, nonces ─▶ SKEYID ─┬─▶ HASH_I, HASH_R                            Main Mode
//!                            g^xy ───┼─▶ SKEYID_d ─▶ KEYMAT (per SPI)                ESP
//!                                    ├─▶ SKEYID_a ─▶ HASH(1), HASH(2), HASH(3)       Quick Mode, Informational
//!                                    └─▶ SKEYID_e ─▶ the key that encrypts messages
//! ```

use zeroize::Zeroizing;

use crate::{
    crypto::{Cipher, CipherKey, Digest, Hash, Iv, WeakKey},
    dh::SharedSecret,
    esp::{EspKeys, EspSuite, Spi},
};

/// What both sides said in a first phase and now sign with the hash.
#[derive(Clone, Copy)]
pub(crate) struct Transcript<'a> {
    /// CKY-I.
    pub(crate) initiator_cookie: [u8; 8],
    /// CKY-R.
    pub(crate) responder_cookie: [u8; 8],
    /// g^xi: the body of the initiator's Key Exchange payload.
    pub(crate) initiator_public: &'a [u8],
    /// g^xr: the body of the responder's.
    pub(crate) responder_public: &'a [u8],
    /// `SAi_b`: the body of the initiator's SA payload, all proposals, as it came.
    pub(crate) initiator_sa: &'a [u8],
}

impl Transcript<'_> {
    /// The IV of the first encrypted message, RFC 2409 App. B.
    pub(crate) fn iv(&self, hash: Hash, cipher: Cipher) -> Iv {
        Iv::new(cipher, &hash.digest(&[self.initiator_public, self.responder_public]))
    }
}

/// SKEYID: what the authentication method makes of the nonces.
#[derive(Clone)]
pub(crate) struct Skeyid {
    hash: Hash,
    value: Digest,
}

impl Skeyid {
    /// Authentication with a pre-shared key: `prf(pre-shared-key, Ni_b | Nr_b)`.
    pub(crate) fn from_psk(hash: Hash, psk: &[u8], initiator_nonce: &[u8], responder_nonce: &[u8]) -> Self {
        Self { hash, value: hash.prf(psk, &[initiator_nonce, responder_nonce]) }
    }

    /// Authentication with signatures: `prf(Ni_b | Nr_b, g^xy)`.
    pub(crate) fn from_signatures(
        hash: Hash,
        initiator_nonce: &[u8],
        responder_nonce: &[u8],
        shared: &SharedSecret,
    ) -> Self {
        let nonces = [initiator_nonce, responder_nonce].concat();
        Self { hash, value: hash.prf(&nonces, &[shared.as_bytes()]) }
    }

    /// `HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b)`.
    pub(crate) fn hash_i(&self, said: &Transcript<'_>, initiator_id: &[u8]) -> Digest {
        self.hash.prf(
            &self.value,
            &[
                said.initiator_public,
                said.responder_public,
                &said.initiator_cookie,
                &said.responder_cookie,
                said.initiator_sa,
                initiator_id,
            ],
        )
    }

    /// `HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)`.
    pub(crate) fn hash_r(&self, said: &Transcript<'_>, responder_id: &[u8]) -> Digest {
        self.hash.prf(
            &self.value,
            &[
                said.responder_public,
                said.initiator_public,
                &said.responder_cookie,
                &said.initiator_cookie,
                said.initiator_sa,
                responder_id,
            ],
        )
    }

    /// SKEYID_d, SKEYID_a and SKEYID_e, each chained to the one before.
    pub(crate) fn keys(
        &self,
        cipher: Cipher,
        shared: &SharedSecret,
        said: &Transcript<'_>,
    ) -> Result<IsakmpKeys, WeakKey> {
        let (hash, g_xy) = (self.hash, shared.as_bytes());
        let (cky_i, cky_r) = (&said.initiator_cookie, &said.responder_cookie);
        let skeyid_d = hash.prf(&self.value, &[g_xy, cky_i, cky_r, &[0]]);
        let skeyid_a = hash.prf(&self.value, &[&skeyid_d, g_xy, cky_i, cky_r, &[1]]);
        let skeyid_e = hash.prf(&self.value, &[&skeyid_a, g_xy, cky_i, cky_r, &[2]]);
        let key = message_key(hash, cipher, &skeyid_e)?;
        Ok(IsakmpKeys { hash, skeyid_d, skeyid_a, key })
    }
}

/// The keys of an ISAKMP SA.
#[derive(Clone)]
pub(crate) struct IsakmpKeys {
    hash: Hash,
    skeyid_d: Digest,
    skeyid_a: Digest,
    key: CipherKey,
}

impl IsakmpKeys {
    /// The key that encrypts messages.
    pub(crate) fn cipher_key(&self) -> &CipherKey {
        &self.key
    }

    /// The IV of the first message of an exchange of the second phase: `hash(last block of phase 1 | M-ID)`, App. B.
    pub(crate) fn phase2_iv(&self, phase1: &Iv, message_id: u32) -> Iv {
        let digest = self.hash.digest(&[phase1.as_bytes(), &message_id.to_be_bytes()]);
        Iv::new(self.key.cipher(), &digest)
    }

    /// `HASH(1) = prf(SKEYID_a, M-ID | rest of the message after HASH)`, RFC 2409 §5.5 and §5.7.
    pub(crate) fn hash_1(&self, message_id: u32, rest: &[u8]) -> Digest {
        self.hash.prf(&self.skeyid_a, &[&message_id.to_be_bytes(), rest])
    }

    /// `HASH(2) = prf(SKEYID_a, M-ID | Ni_b | rest of the message after HASH)`, RFC 2409 §5.5.
    pub(crate) fn hash_2(&self, message_id: u32, initiator_nonce: &[u8], rest: &[u8]) -> Digest {
        self.hash.prf(&self.skeyid_a, &[&message_id.to_be_bytes(), initiator_nonce, rest])
    }

    /// `HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)`, RFC 2409 §5.5.
    pub(crate) fn hash_3(&self, message_id: u32, initiator_nonce: &[u8], responder_nonce: &[u8]) -> Digest {
        self.hash.prf(&self.skeyid_a, &[&[0], &message_id.to_be_bytes(), initiator_nonce, responder_nonce])
    }

    /// KEYMAT for the ESP SA of that SPI, RFC 2409 §5.5: `prf(SKEYID_d, [ g(qm)^xy | ] protocol | SPI | Ni_b | Nr_b)`, fed
    /// back as often as the keys are long. Each direction has its own SPI, so its own keys. `pfs` is `g(qm)^xy`.
    pub(crate) fn esp_keys(
        &self,
        suite: EspSuite,
        spi: Spi,
        nonces: Nonces<'_>,
        pfs: Option<&SharedSecret>,
    ) -> Result<EspKeys, WeakKey> {
        const PROTO_IPSEC_ESP: u8 = 3;
        let keymat = feed_back(suite.key_len(), |previous| {
            let g_xy = pfs.map_or(&[][..], SharedSecret::as_bytes);
            let seed = [
                previous,
                g_xy,
                &[PROTO_IPSEC_ESP],
                &spi.0.to_be_bytes(),
                nonces.initiator,
                nonces.responder,
            ];
            self.hash.prf(&self.skeyid_d, &seed)
        });
        EspKeys::new(suite, &keymat)
    }
}

/// The bodies of both Nonce payloads of an exchange.
#[derive(Clone, Copy)]
pub(crate) struct Nonces<'a> {
    /// `Ni_b`.
    pub(crate) initiator: &'a [u8],
    /// `Nr_b`.
    pub(crate) responder: &'a [u8],
}

/// The encryption key from SKEYID_e, RFC 2409 App. B.
fn message_key(hash: Hash, cipher: Cipher, skeyid_e: &Digest) -> Result<CipherKey, WeakKey> {
    if cipher == Cipher::Des {
        // "the first eight (8) non-weak and non-semi-weak bytes of SKEYID_e"
        let strong = skeyid_e.chunks_exact(8).find(|key| !cipher.is_weak(key));
        return CipherKey::new(cipher, strong.ok_or(WeakKey)?);
    }
    if cipher.key_len() <= skeyid_e.len() {
        return CipherKey::new(cipher, skeyid_e);
    }
    // K1 = prf(SKEYID_e, 0), K2 = prf(SKEYID_e, K1), …
    let key = feed_back(cipher.key_len(), |previous| {
        let seed = if previous.is_empty() { &[0] } else { previous };
        hash.prf(skeyid_e, &[seed])
    });
    CipherKey::new(cipher, &key)
}

/// K1 | K2 | …, at least `len` octets: each output of `prf` is the next one's input, the first one's is empty.
fn feed_back(len: usize, prf: impl Fn(&[u8]) -> Digest) -> Zeroizing<Vec<u8>> {
    let mut last = prf(&[]);
    let mut key = Zeroizing::new(Vec::with_capacity(len + Digest::MAX_LEN));
    key.extend_from_slice(&last);
    while key.len() < len {
        last = prf(&last);
        key.extend_from_slice(&last);
    }
    key
}
