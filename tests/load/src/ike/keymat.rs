//! Keys of phase 1 and phase 2, RFC 2409 §5, §5.5 and App. B.

use crate::crypto::{Cipher, CipherKey, Hash};
use crate::isakmp::{Cookie, Payload, encode_chain};
use crate::profile::IkeTransform;

/// The keys of an ISAKMP SA.
#[derive(Clone)]
pub(crate) struct Keys {
    hash: Hash,
    cipher: Cipher,
    skeyid: Vec<u8>,
    skeyid_d: Vec<u8>,
    skeyid_a: Vec<u8>,
    encryption: CipherKey,
}

/// What both sides contributed to the keys.
pub(crate) struct Contributions<'a> {
    pub(crate) secret: Secret<'a>,
    pub(crate) initiator_nonce: &'a [u8],
    pub(crate) responder_nonce: &'a [u8],
    pub(crate) shared_secret: &'a [u8],
    pub(crate) initiator_cookie: Cookie,
    pub(crate) responder_cookie: Cookie,
}

/// What SKEYID is made of besides the nonces.
#[derive(Clone, Copy)]
pub(crate) enum Secret<'a> {
    /// RFC 2409 §5.4.
    Psk(&'a [u8]),
    /// g^xy, as both sides sign, RFC 2409 §5.1.
    Exchanged,
}

impl Keys {
    /// Derives SKEYID and its children.
    pub(crate) fn derive(transform: IkeTransform, from: &Contributions<'_>) -> Self {
        let IkeTransform { cipher, hash, .. } = transform;
        let nonces = [from.initiator_nonce, from.responder_nonce];
        let skeyid = match from.secret {
            Secret::Psk(psk) => hash.hmac(psk, &nonces),
            Secret::Exchanged => hash.hmac(&nonces.concat(), &[from.shared_secret]),
        };
        let child = |before: &[u8], number: u8| {
            let cookies = [from.initiator_cookie, from.responder_cookie].concat();
            hash.hmac(&skeyid, &[before, from.shared_secret, &cookies, &[number]])
        };
        let skeyid_d = child(&[], 0);
        let skeyid_a = child(&skeyid_d, 1);
        let skeyid_e = child(&skeyid_a, 2);
        let key = encryption_key(hash, cipher, &skeyid_e);
        let encryption = CipherKey::new(cipher, &key).expect("the key was made to the cipher's length");
        Self { hash, cipher, skeyid, skeyid_d, skeyid_a, encryption }
    }

    /// prf(SKEYID, …): HASH_I and HASH_R.
    pub(crate) fn authenticate(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.hash.hmac(&self.skeyid, parts)
    }

    /// prf(SKEYID_a, …): the hashes of Quick Mode and Informational.
    pub(crate) fn protect(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.hash.hmac(&self.skeyid_a, parts)
    }

    /// The first IV of phase 1: hash(g^xi | g^xr).
    pub(crate) fn phase1_iv(&self, initiator_public: &[u8], responder_public: &[u8]) -> Vec<u8> {
        self.cut(self.hash.digest(&[initiator_public, responder_public]))
    }

    /// The first IV of a phase 2 exchange: hash(last block of phase 1 | message id).
    pub(crate) fn phase2_iv(&self, phase1_last: &[u8], message_id: u32) -> Vec<u8> {
        self.cut(self.hash.digest(&[phase1_last, &message_id.to_be_bytes()]))
    }

    fn cut(&self, mut iv: Vec<u8>) -> Vec<u8> {
        iv.truncate(self.cipher.block_len());
        iv
    }

    /// KEYMAT for one direction of an SA, RFC 2409 §5.5.
    pub(crate) fn keymat(&self, pfs: &[u8], seed: &[&[u8]], length: usize) -> Vec<u8> {
        let seed = seed.concat();
        let mut material: Vec<u8> = Vec::new();
        let mut last = Vec::new();
        while material.len() < length {
            last = self.hash.hmac(&self.skeyid_d, &[&last, pfs, &seed]);
            material.extend(&last);
        }
        material.truncate(length);
        material
    }

    /// Bytes of a cipher block.
    pub(crate) fn block_len(&self) -> usize {
        self.cipher.block_len()
    }

    /// Encrypts a padded body; `iv` becomes the last block, where the next message goes on.
    pub(crate) fn encrypt(&self, iv: &mut Vec<u8>, body: &mut [u8]) {
        self.encryption.encrypt(iv, body);
        self.keep_last(iv, body);
    }

    /// Decrypts a body in whole blocks; `None`, with `iv` as it was, for any other.
    pub(crate) fn decrypt(&self, iv: &mut Vec<u8>, body: &[u8]) -> Option<Vec<u8>> {
        (!body.is_empty() && body.len().is_multiple_of(self.cipher.block_len())).then_some(())?;
        let mut plain = body.to_vec();
        self.encryption.decrypt(iv, &mut plain);
        self.keep_last(iv, body);
        Some(plain)
    }

    fn keep_last(&self, iv: &mut Vec<u8>, body: &[u8]) {
        if let Some(last) = body.rchunks(self.cipher.block_len()).next() {
            iv.clear();
            iv.extend(last);
        }
    }

    /// HASH(1) of an exchange and the payloads it covers, as one chain.
    pub(crate) fn hashed_chain(&self, message_id: u32, payloads: Vec<Payload>) -> (u8, Vec<u8>) {
        let (_, covered) = encode_chain(&payloads);
        let hash = self.protect(&[&message_id.to_be_bytes(), &covered]);
        let chain: Vec<Payload> =
            [Payload(crate::isakmp::payload::HASH, hash)].into_iter().chain(payloads).collect();
        encode_chain(&chain)
    }
}

/// The cipher's key from SKEYID_e, stretched when SKEYID_e is too short (RFC 2409 App. B).
fn encryption_key(hash: Hash, cipher: Cipher, skeyid_e: &[u8]) -> Vec<u8> {
    let length = cipher.key_len();
    if let Some(key) = skeyid_e.get(..length) {
        return key.to_vec();
    }
    let mut key = Vec::new();
    let mut last = vec![0];
    while key.len() < length {
        last = hash.hmac(skeyid_e, &[&last]);
        key.extend(&last);
    }
    key.truncate(length);
    key
}
