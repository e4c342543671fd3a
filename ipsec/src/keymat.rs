//! Keys of both phases, and the hashes that prove them: RFC 2409 §5, §5.5, §5.7, App. B.
//!
//! ```text
//!  pre-shared key, nonces ─▶ SKEYID ─┬─▶ HASH_I, HASH_R                            Main Mode
//!  or g^xy, nonces                  │
//!                            g^xy ───┼─▶ SKEYID_d ─▶ KEYMAT (per SPI)                ESP
//!                                    ├─▶ SKEYID_a ─▶ HASH(1), HASH(2), HASH(3)       Quick Mode, Informational
//!                                    └─▶ SKEYID_e ─▶ the key that encrypts messages
//! ```

use zeroize::Zeroizing;

use crate::{
    crypto::{Cipher, CipherKey, Digest, Hash, Iv, WeakKey, signature::Scheme},
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

    /// Authentication with signatures: `prf(Ni_b | Nr_b, g^xy)`, RFC 2409 §5.1.
    pub(crate) fn from_signatures(
        hash: Hash,
        shared: &SharedSecret,
        initiator_nonce: &[u8],
        responder_nonce: &[u8],
    ) -> Self {
        let nonces = [initiator_nonce, responder_nonce].concat();
        Self { hash, value: hash.prf(&nonces, &[shared.as_bytes()]) }
    }

    /// For HASH_I and HASH_R only: the same secret with the hash function that a kind of key signs with (RFC 4754 §4).
    pub(crate) fn signing(&self, scheme: Scheme) -> Self {
        Self { hash: scheme.hash().unwrap_or(self.hash), value: self.value.clone() }
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
fn message_key(hash: Hash, cipher: Cipher, skeyid_e: &[u8]) -> Result<CipherKey, WeakKey> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::modp::{MODP_1024, ModpKey},
        esp::{AesBits, EspCipher, EspIntegrity},
        vectors::{COMPUTED, HANDSHAKE, Vectors},
    };

    /// The inputs of the computed vectors.
    struct Inputs {
        vectors: Vectors,
        shared: SharedSecret,
    }

    const PSK: &[u8] = b"correct horse battery staple";

    impl Inputs {
        fn new() -> Self {
            let vectors = Vectors::of(COMPUTED);
            let shared = SharedSecret::new(vectors.get("g_xy"));
            Self { vectors, shared }
        }

        fn said(&self) -> Transcript<'_> {
            Transcript {
                initiator_cookie: self.vectors.get("cky_i").try_into().unwrap(),
                responder_cookie: self.vectors.get("cky_r").try_into().unwrap(),
                initiator_public: self.vectors.get("g_xi"),
                responder_public: self.vectors.get("g_xr"),
                initiator_sa: self.vectors.get("sa"),
            }
        }

        fn nonces(&self) -> Nonces<'_> {
            Nonces { initiator: self.vectors.get("ni"), responder: self.vectors.get("nr") }
        }
    }

    #[test]
    fn both_phases_are_what_python_computes() {
        let inputs = Inputs::new();
        let (said, nonces) = (inputs.said(), inputs.nonces());
        let given = |name: &str| inputs.vectors.get(name);
        for (name, hash, cipher) in [
            ("sha1-aes128", Hash::Sha1, Cipher::Aes128),
            ("sha1-aes256", Hash::Sha1, Cipher::Aes256),
            ("md5-3des", Hash::Md5, Cipher::TripleDes),
            ("sha1-des", Hash::Sha1, Cipher::Des),
            ("sha256-aes256", Hash::Sha256, Cipher::Aes256),
            ("sha384-aes192", Hash::Sha384, Cipher::Aes192),
            ("sha512-3des", Hash::Sha512, Cipher::TripleDes),
        ] {
            let expected = |what: &str| inputs.vectors.get(&format!("{name}.{what}"));
            let skeyid = Skeyid::from_psk(hash, PSK, nonces.initiator, nonces.responder);
            assert_eq!(skeyid.hash_i(&said, given("id_i")), expected("hash_i"), "{name}");
            assert_eq!(skeyid.hash_r(&said, given("id_r")), expected("hash_r"), "{name}");

            let keys = skeyid.keys(cipher, &inputs.shared, &said).unwrap();
            assert_eq!(said.iv(hash, cipher).as_bytes(), expected("iv"), "{name}");
            let (mut ours, mut theirs) = ([7; 16], [7; 16]);
            let iv = said.iv(hash, cipher);
            keys.cipher_key().encrypt(&mut iv.clone(), &mut ours).unwrap();
            CipherKey::new(cipher, expected("key")).unwrap().encrypt(&mut iv.clone(), &mut theirs).unwrap();
            assert_eq!(ours, theirs, "{name}: the key");

            let (message_id, rest) = (0xa1b2_c3d4, given("rest_of_the_message"));
            let last = Iv::new(cipher, given("last_block"));
            assert_eq!(keys.phase2_iv(&last, message_id).as_bytes(), expected("phase2_iv"), "{name}");
            assert_eq!(keys.hash_1(message_id, rest), expected("hash_1"), "{name}");
            assert_eq!(keys.hash_2(message_id, nonces.initiator, rest), expected("hash_2"), "{name}");
            assert_eq!(
                keys.hash_3(message_id, nonces.initiator, nonces.responder),
                expected("hash_3"),
                "{name}"
            );

            let suite = EspSuite::Separate {
                cipher: EspCipher::Aes(AesBits::B256),
                integrity: EspIntegrity::Sha512_256,
            };
            let g_qm = SharedSecret::new(given("g(qm)^xy"));
            for (pfs, keymat) in [(None, "keymat"), (Some(&g_qm), "keymat.pfs")] {
                let made = keys.esp_keys(suite, Spi(0xc0ff_ee01), nonces, pfs).unwrap();
                let expected = EspKeys::new(suite, expected(keymat)).unwrap();
                assert_eq!(made.cipher_key(), expected.cipher_key(), "{name} {keymat}");
                assert_eq!(made.second_key(), expected.second_key(), "{name} {keymat}");
            }
        }
    }

    /// A main mode and a quick mode between two other implementations: what they proved to each other, we find as well.
    #[test]
    fn a_recorded_handshake_verifies() {
        let vectors = Vectors::of(HANDSHAKE);
        let get = |name: &str| vectors.get(name).to_vec();
        let (mm1, mm3, mm4) = (get("mm1"), get("mm3"), get("mm4"));
        let said = Transcript {
            initiator_cookie: mm4[..8].try_into().unwrap(),
            responder_cookie: mm4[8..16].try_into().unwrap(),
            initiator_public: &mm3[32..160],
            responder_public: &mm4[32..160],
            initiator_sa: &mm1[32..],
        };
        let private = ModpKey::new(&MODP_1024, vectors.get("initiator_private"));
        assert_eq!(private.public(), said.initiator_public);
        let shared = private.shared(said.responder_public).unwrap();

        let skeyid = Skeyid::from_psk(Hash::Sha1, b"AAAA", &mm3[164..172], &mm4[164..196]);
        let keys = skeyid.keys(Cipher::Aes128, &shared, &said).unwrap();
        let mut iv = said.iv(Hash::Sha1, Cipher::Aes128);
        let decrypt = |message: &str, iv: &mut Iv| {
            let mut body = get(message).split_off(28);
            keys.cipher_key().decrypt(iv, &mut body).unwrap();
            body
        };
        // Message 5: ID payload of 12 octets, HASH payload of 24.
        let mm5 = decrypt("mm5", &mut iv);
        assert_eq!(mm5[..12], [8, 0, 0, 12, 1, 0, 0, 0, 10, 0, 3, 1], "the identity 10.0.3.1");
        assert_eq!(skeyid.hash_i(&said, &mm5[4..12]), mm5[16..36]);
        let mm6 = decrypt("mm6", &mut iv);
        assert_eq!(skeyid.hash_r(&said, &mm6[4..12]), mm6[16..36]);

        // Quick Mode: HASH payload of 24 octets, then what it covers, then padding.
        let message_id = 0x259c_f133;
        let mut phase2 = keys.phase2_iv(&iv, message_id);
        let covered = |message: &[u8]| {
            let (mut end, mut next) = (24, message[0]);
            while next != 0 {
                next = message[end];
                end += usize::from(u16::from_be_bytes([message[end + 2], message[end + 3]]));
            }
            message[24..end].to_vec()
        };
        let qm1 = decrypt("qm1", &mut phase2);
        assert_eq!(keys.hash_1(message_id, &covered(&qm1)), qm1[4..24]);
        let nonce = b"\x69\x53\x46\xeb\xcf\x35\xab\x90";
        let qm2 = decrypt("qm2", &mut phase2);
        assert_eq!(keys.hash_2(message_id, nonce, &covered(&qm2)), qm2[4..24]);
        let qm3 = decrypt("qm3", &mut phase2);
        let sa_len = usize::from(u16::from_be_bytes([qm2[26], qm2[27]]));
        let theirs = &qm2[24 + sa_len..];
        let their_nonce = &theirs[4..usize::from(u16::from_be_bytes([theirs[2], theirs[3]]))];
        assert_eq!(keys.hash_3(message_id, nonce, their_nonce), qm3[4..24]);
    }

    #[test]
    fn another_psk_proves_nothing() {
        let inputs = Inputs::new();
        let (said, nonces) = (inputs.said(), inputs.nonces());
        let hash_i = |psk: &[u8]| {
            let skeyid = Skeyid::from_psk(Hash::Sha256, psk, nonces.initiator, nonces.responder);
            skeyid.hash_i(&said, inputs.vectors.get("id_i"))
        };
        assert!(hash_i(PSK) != hash_i(b"correct horse battery stable"));
    }

    #[test]
    fn des_takes_the_first_key_that_is_not_weak() {
        // SKEYID_e of SHA-1 has room for two DES keys.
        let digest = Hash::Sha1.digest(&[b"any"]);
        let (first, second) = (&digest[..8], &digest[8..16]);
        let encrypted = |key: &CipherKey| {
            let mut block = [0; 8];
            key.encrypt(&mut Iv::new(Cipher::Des, &[0; 8]), &mut block).unwrap();
            block
        };
        let key = message_key(Hash::Sha1, Cipher::Des, &digest).unwrap();
        assert_eq!(encrypted(&key), encrypted(&CipherKey::new(Cipher::Des, first).unwrap()));
        let weak = [&[1; 8], second, &[9; 4]].concat();
        let key = message_key(Hash::Sha1, Cipher::Des, &weak).unwrap();
        assert_eq!(encrypted(&key), encrypted(&CipherKey::new(Cipher::Des, second).unwrap()));
        assert!(message_key(Hash::Sha1, Cipher::Des, &[1; 20]).is_err());
    }
}
