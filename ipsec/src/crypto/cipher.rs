//! Block ciphers in CBC mode: RFC 2451, RFC 2405, RFC 3602.
//!
//! Two shapes of a key: [`CipherKey`] is the octets, small, and expanded for every message, for IKE; [`EncryptKey`] and
//! [`DecryptKey`] are the expanded schedule of one direction, for ESP.

use std::fmt;

use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit,
};
use des::{Des, TdesEde3};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A negotiable encryption algorithm, RFC 2409 App. A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cipher {
    /// DES-CBC, RFC 2405.
    Des,
    /// 3DES-CBC, three keys, encrypt-decrypt-encrypt, RFC 2451.
    TripleDes,
    /// AES-CBC with a key of 128 bits, RFC 3602.
    Aes128,
    /// AES-CBC with a key of 192 bits, RFC 3602.
    Aes192,
    /// AES-CBC with a key of 256 bits, RFC 3602.
    Aes256,
}

impl Cipher {
    /// Octets of a key.
    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Des => 8,
            Self::Aes128 => 16,
            Self::TripleDes | Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    /// Octets of a block, and so of an IV.
    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::Des | Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// Whether the key (of [`Cipher::key_len`] octets) must not be used: a weak or semi-weak DES key (RFC 2409 App. A),
    /// or a 3DES key with two equal parts, which is little or no better than one DES key (RFC 2451 §2.3). Parity bits are
    /// not looked at.
    pub(crate) fn is_weak(self, key: &[u8]) -> bool {
        let mut odd_parity = [0; 24];
        match (self, odd_parity.get_mut(..key.len())) {
            (Self::Des | Self::TripleDes, Some(copy)) => {
                for (with_parity, octet) in copy.iter_mut().zip(key) {
                    *with_parity = octet & 0xfe | u8::from((octet & 0xfe).count_ones() % 2 == 0);
                }
                let weak = des::weak_key_test(copy).is_err();
                odd_parity.zeroize();
                weak
            }
            _ => false,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Des => "DES-CBC",
            Self::TripleDes => "3DES-CBC",
            Self::Aes128 => "AES-128-CBC",
            Self::Aes192 => "AES-192-CBC",
            Self::Aes256 => "AES-256-CBC",
        })
    }
}

/// The derived key is one of those that DES must not be used with; the exchange starts over with new nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeakKey;

/// The initialization vector of the next IKE message: it moves on to the last block of each message (RFC 2409 App. B).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Iv {
    block: [u8; 16],
    len: usize,
}

impl Iv {
    /// Takes the first octets of `source`, as many as the cipher's block has.
    pub(crate) fn new(cipher: Cipher, source: &[u8]) -> Self {
        let len = cipher.block_len();
        let mut block = [0; 16];
        block[..len].copy_from_slice(&source[..len]);
        Self { block, len }
    }

    /// The block itself.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.block[..self.len]
    }
}

/// The text is not a whole number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartialBlock;

/// The key of an ISAKMP SA. Its schedule is computed for each message: there are few of them and many SAs.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct CipherKey {
    #[zeroize(skip)]
    cipher: Cipher,
    key: [u8; 32],
}

impl CipherKey {
    /// Takes the first octets of `key`, as many as the cipher needs.
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Result<Self, WeakKey> {
        let key = &key[..cipher.key_len()];
        if cipher.is_weak(key) {
            return Err(WeakKey);
        }
        let mut bytes = [0; 32];
        bytes[..key.len()].copy_from_slice(key);
        Ok(Self { cipher, key: bytes })
    }

    /// The algorithm that the key is for.
    pub(crate) fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Encrypts whole blocks in place and moves `iv` on.
    pub(crate) fn encrypt(&self, iv: &mut Iv, text: &mut [u8]) -> Result<(), PartialBlock> {
        if !text.len().is_multiple_of(iv.len) {
            return Err(PartialBlock);
        }
        EncryptKey::new(self.cipher, self.octets()).encrypt(iv.as_bytes(), text);
        if let Some(last) = text.rchunks_exact(iv.len).next() {
            *iv = Iv::new(self.cipher, last);
        }
        Ok(())
    }

    /// Decrypts whole blocks in place and moves `iv` on.
    pub(crate) fn decrypt(&self, iv: &mut Iv, text: &mut [u8]) -> Result<(), PartialBlock> {
        if !text.len().is_multiple_of(iv.len) {
            return Err(PartialBlock);
        }
        let first = *iv;
        if let Some(last) = text.rchunks_exact(iv.len).next() {
            *iv = Iv::new(self.cipher, last);
        }
        DecryptKey::new(self.cipher, self.octets()).decrypt(first.as_bytes(), text);
        Ok(())
    }

    fn octets(&self) -> &[u8] {
        &self.key[..self.cipher.key_len()]
    }
}

/// An expanded key that encrypts.
///
/// The DES schedules are boxed because the one of 3DES, the rarest, would be the size of every SA.
pub(crate) enum EncryptKey {
    Des(Box<Des>),
    TripleDes(Box<TdesEde3>),
    Aes128(Aes128Enc),
    Aes192(Aes192Enc),
    Aes256(Aes256Enc),
}

impl EncryptKey {
    /// Expands a key of exactly [`Cipher::key_len`] octets.
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Self {
        match cipher {
            Cipher::Des => Self::Des(Box::new(expand(key))),
            Cipher::TripleDes => Self::TripleDes(Box::new(expand(key))),
            Cipher::Aes128 => Self::Aes128(expand(key)),
            Cipher::Aes192 => Self::Aes192(expand(key)),
            Cipher::Aes256 => Self::Aes256(expand(key)),
        }
    }

    /// Encrypts whole blocks in place. The caller has made `iv` one block and `text` whole blocks.
    pub(crate) fn encrypt(&self, iv: &[u8], text: &mut [u8]) {
        match self {
            Self::Des(key) => encrypt(&**key, iv, text),
            Self::TripleDes(key) => encrypt(&**key, iv, text),
            Self::Aes128(key) => encrypt(key, iv, text),
            Self::Aes192(key) => encrypt(key, iv, text),
            Self::Aes256(key) => encrypt(key, iv, text),
        }
    }
}

/// An expanded key that decrypts.
pub(crate) enum DecryptKey {
    Des(Box<Des>),
    TripleDes(Box<TdesEde3>),
    Aes128(Aes128Dec),
    Aes192(Aes192Dec),
    Aes256(Aes256Dec),
}

impl DecryptKey {
    /// Expands a key of exactly [`Cipher::key_len`] octets.
    pub(crate) fn new(cipher: Cipher, key: &[u8]) -> Self {
        match cipher {
            Cipher::Des => Self::Des(Box::new(expand(key))),
            Cipher::TripleDes => Self::TripleDes(Box::new(expand(key))),
            Cipher::Aes128 => Self::Aes128(expand(key)),
            Cipher::Aes192 => Self::Aes192(expand(key)),
            Cipher::Aes256 => Self::Aes256(expand(key)),
        }
    }

    /// Decrypts whole blocks in place. The caller has made `iv` one block and `text` whole blocks.
    pub(crate) fn decrypt(&self, iv: &[u8], text: &mut [u8]) {
        match self {
            Self::Des(key) => decrypt(&**key, iv, text),
            Self::TripleDes(key) => decrypt(&**key, iv, text),
            Self::Aes128(key) => decrypt(key, iv, text),
            Self::Aes192(key) => decrypt(key, iv, text),
            Self::Aes256(key) => decrypt(key, iv, text),
        }
    }
}

fn expand<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("the key has the cipher's own length")
}

fn encrypt<C: BlockCipherEncrypt>(key: &C, iv: &[u8], text: &mut [u8]) {
    let iv = <&Array<u8, <C as BlockSizeUser>::BlockSize>>::try_from(iv).expect("an IV is one block");
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    debug_assert!(rest.is_empty(), "CBC takes whole blocks");
    cbc::Encryptor::inner_iv_init(key, iv).encrypt_blocks(blocks);
}

fn decrypt<C: BlockCipherDecrypt>(key: &C, iv: &[u8], text: &mut [u8]) {
    let iv = <&Array<u8, <C as BlockSizeUser>::BlockSize>>::try_from(iv).expect("an IV is one block");
    let (blocks, rest) = Array::slice_as_chunks_mut(text);
    debug_assert!(rest.is_empty(), "CBC takes whole blocks");
    cbc::Decryptor::inner_iv_init(key, iv).decrypt_blocks(blocks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::octets;

    /// Cipher, key, IV, plaintext, ciphertext.
    type CbcVector = (Cipher, &'static str, &'static str, Vec<u8>, &'static str);

    fn cbc_vectors() -> Vec<CbcVector> {
        // NIST SP 800-38A F.2: one text under three keys.
        let sp800_38a = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
        vec![
            // RFC 3602 §4, cases 1 to 4.
            (
                Cipher::Aes128,
                "06a9214036b8a15b512e03d534120006",
                "3dafba429d9eb430b422da802c9fac41",
                b"Single block msg".to_vec(),
                "e353779c1079aeb82708942dbe77181a",
            ),
            (
                Cipher::Aes128,
                "c286696d887c9aa0611bbb3e2025a45a",
                "562e17996d093d28ddb3ba695a2e6f58",
                (0..32).collect(),
                "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
            ),
            (
                Cipher::Aes128,
                "6c3ea0477630ce21a2ce334aa746c2cd",
                "c782dc4c098c66cbd9cd27d825682c81",
                b"This is a 48-byte message (exactly 3 AES blocks)".to_vec(),
                "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d83ba2684",
            ),
            (
                Cipher::Aes128,
                "56e47a38c5598974bc46903dba290349",
                "8ce82eefbea0da3c44699ed7db51b7d9",
                (0xa0..0xe0).collect(),
                "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e\
                 35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
            ),
            // RFC 3602 §4, case 5: what a transport mode ESP packet (a ping) encrypts.
            (
                Cipher::Aes128,
                "90d382b410eeba7ad938c46cec1a82bf",
                "e96e8c08ab465763fd098d45dd3ff893",
                octets(
                    "08000ebda70a00008e9c083db95b070008090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
                     202122232425262728292a2b2c2d2e2f3031323334353637\
                     0102030405060708090a0b0c0d0e0e01",
                ),
                "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856\
                 a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a\
                 a269add047ad2d5913ac19b7cfbad4a6",
            ),
            (
                Cipher::Aes192,
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                "000102030405060708090a0b0c0d0e0f",
                octets(sp800_38a),
                "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a\
                 571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
            ),
            (
                Cipher::Aes256,
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                "000102030405060708090a0b0c0d0e0f",
                octets(sp800_38a),
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d\
                 39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
            ),
            // FIPS 81, table C1.
            (
                Cipher::Des,
                "0123456789abcdef",
                "1234567890abcdef",
                b"Now is the time for all ".to_vec(),
                "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6",
            ),
        ]
    }

    #[test]
    fn published_ciphertexts() {
        for (cipher, key, iv, plain, text) in cbc_vectors() {
            let (key, iv, text) = (CipherKey::new(cipher, &octets(key)).unwrap(), octets(iv), octets(text));
            let start = Iv::new(cipher, &iv);

            let mut message = plain.clone();
            let mut chain = start;
            key.encrypt(&mut chain, &mut message).unwrap();
            assert_eq!(message, text, "{cipher}");
            assert_eq!(
                chain.as_bytes(),
                &text[text.len() - cipher.block_len()..],
                "{cipher}: the last block is the next IV"
            );

            let mut back = start;
            key.decrypt(&mut back, &mut message).unwrap();
            assert_eq!(message, plain, "{cipher}");
            assert_eq!(back, chain, "{cipher}: both directions chain alike");
        }
    }

    #[test]
    fn messages_chained_by_iv_are_one_message() {
        for (cipher, key, iv, plain, text) in cbc_vectors() {
            let (key, mut iv) = (CipherKey::new(cipher, &octets(key)).unwrap(), Iv::new(cipher, &octets(iv)));
            let mut message = plain;
            for block in message.chunks_mut(cipher.block_len()) {
                key.encrypt(&mut iv, block).unwrap();
            }
            assert_eq!(message, octets(text), "{cipher}");
        }
    }

    #[test]
    fn only_whole_blocks_are_taken() {
        for cipher in [Cipher::Des, Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256] {
            let octets: Vec<u8> = (1..=32).collect();
            let key = CipherKey::new(cipher, &octets).unwrap();
            for len in 0..=32 {
                let mut iv = Iv::new(cipher, &octets);
                let taken = key.decrypt(&mut iv, &mut octets[..len].to_vec()).is_ok();
                assert_eq!(taken, len % cipher.block_len() == 0, "{cipher} {len}");
                assert_eq!(
                    iv == Iv::new(cipher, &octets),
                    !taken || len == 0 || len == cipher.block_len(),
                    "{cipher} {len}"
                );
            }
        }
    }

    #[test]
    fn weak_keys_are_refused_whatever_their_parity() {
        // RFC 2409 App. A lists them with odd parity: a weak one, a semi-weak one.
        for weak in ["0101010101010101", "1f1f1f1f0e0e0e0e", "011f011f010e010e", "fee0fee0fef1fef1"] {
            let weak = octets(weak);
            let even: Vec<u8> = weak.iter().map(|octet| octet ^ 1).collect();
            assert!(CipherKey::new(Cipher::Des, &weak).is_err());
            assert!(CipherKey::new(Cipher::Des, &even).is_err());
            // AES has no weak keys.
            assert!(CipherKey::new(Cipher::Aes128, &[weak, even].concat()).is_ok());
        }
        let (a, b, c) = ([0x23; 8], [0x45; 8], [0x67; 8]);
        assert!(CipherKey::new(Cipher::TripleDes, &[a, b, c].concat()).is_ok());
        assert!(CipherKey::new(Cipher::TripleDes, &[a, b, a].concat()).is_err());
        assert!(CipherKey::new(Cipher::TripleDes, &[a, a, c].concat()).is_err());
        assert!(CipherKey::new(Cipher::TripleDes, &[a, b, b].concat()).is_err());
    }
}
