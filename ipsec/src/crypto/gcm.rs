//! AES-GCM as ESP uses it, RFC 4106: the salt and the IV make the nonce, and a tag may be cut short.

use aws_lc_rs::aead::{
    AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
};
use zeroize::Zeroize;

use super::constant_time_eq;

/// Octets of a whole tag.
pub(crate) const TAG_LEN: usize = 16;

/// An expanded key and its salt; zeroed on drop.
pub(crate) struct GcmKey {
    /// Boxed: what the library keeps of a key is larger than the rest of an SA.
    key: Box<LessSafeKey>,
    salt: [u8; 4],
}

impl GcmKey {
    /// Expands a key of 16, 24 or 32 octets.
    pub(crate) fn new(key: &[u8], salt: &[u8]) -> Self {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            24 => &AES_192_GCM,
            _ => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, key).expect("the key has the cipher's own length");
        let mut this = Self { key: Box::new(LessSafeKey::new(key)), salt: [0; 4] };
        this.salt.copy_from_slice(salt);
        this
    }

    /// Encrypts in place and returns the tag; `iv` has eight octets.
    pub(crate) fn seal(&self, iv: &[u8], aad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        let sealed = self.key.seal_in_place_separate_tag(self.nonce(iv), Aad::from(aad), text);
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(sealed.expect("a packet is no longer than GCM allows").as_ref());
        tag
    }

    /// Decrypts in place the text in front of a tag of `tag_len` octets, if those are the first of the right one; else leaves it
    /// unspecified.
    pub(crate) fn open(&self, iv: &[u8], aad: &[u8], sealed: &mut [u8], tag_len: usize) -> bool {
        if tag_len == TAG_LEN {
            return self.key.open_in_place(self.nonce(iv), Aad::from(aad), sealed).is_ok();
        }
        let Some(text_len) = sealed.len().checked_sub(tag_len) else { return false };
        let (text, tag) = sealed.split_at_mut(text_len);
        // The library verifies whole tags only. Encryption in counter mode undoes itself, and the tag is made of the
        // ciphertext: so plaintext, then ciphertext again and with it the tag, then plaintext. Nobody offers a short tag
        // without offering a whole one as well.
        self.seal(iv, aad, text);
        let whole = self.seal(iv, aad, text);
        let right = whole.get(..tag.len()).is_some_and(|front| constant_time_eq(front, tag));
        if right {
            self.seal(iv, aad, text);
        }
        right
    }

    /// RFC 4106 §4.
    fn nonce(&self, iv: &[u8]) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..4].copy_from_slice(&self.salt);
        nonce[4..].copy_from_slice(iv);
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Drop for GcmKey {
    fn drop(&mut self) {
        self.salt.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// The Galois/Counter Mode of Operation (McGrew, Viega), test cases 4 and 16: key, nonce, plaintext, additional data.
    #[test]
    fn published_tags() {
        let plaintext = hex!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        );
        let aad = hex!("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let cases: [(&[u8], [u8; 60], [u8; 16]); 2] = [
            (
                &hex!("feffe9928665731c6d6a8f9467308308"),
                hex!(
                    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
                    "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
                ),
                hex!("5bc94fbc3221a5db94fae95ae7121a47"),
            ),
            (
                &hex!("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
                hex!(
                    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                ),
                hex!("76fc6ece0f4e1768cddf8853bb2d551b"),
            ),
        ];
        let (salt, iv) = (hex!("cafebabe"), hex!("facedbaddecaf888"));
        for (key, ciphertext, tag) in cases {
            let key = GcmKey::new(key, &salt);
            let mut text = plaintext;
            assert_eq!(key.seal(&iv, &aad, &mut text), tag);
            assert_eq!(text, ciphertext);
            for len in [8, 12, 16] {
                let open = |tag: &[u8], aad: &[u8]| {
                    let mut sealed = [&ciphertext[..], &tag[..len]].concat();
                    key.open(&iv, aad, &mut sealed, len).then(|| sealed[..plaintext.len()].to_vec())
                };
                assert_eq!(open(&tag, &aad).as_deref(), Some(&plaintext[..]), "{len}");
                let mut wrong = tag;
                wrong[len - 1] ^= 1;
                assert_eq!(open(&wrong, &aad), None, "{len}");
                assert_eq!(open(&tag, &aad[1..]), None, "{len}");
            }
        }
    }
}
