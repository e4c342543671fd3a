//! The functions of RFC 2759 §8, under their names there.

use std::fmt;

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use md4::Md4;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// MD4 of a password in UTF-16: as good as the password itself, and treated so.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NtHash([u8; 16]);

impl NtHash {
    /// NtPasswordHash, RFC 2759 §8.3, as Windows computes it: the password in UTF-16, little endian.
    pub fn from_password(password: &str) -> Self {
        Self::from_units(password.encode_utf16())
    }

    /// The hash that clients built on pppd (Linux, Android, Apple) compute: every octet of the password, which
    /// they hold in UTF-8, becomes one UTF-16 unit. The same as [`Self::from_password`] for ASCII; for others
    /// an account needs both.
    pub fn from_password_octets(password: &str) -> Self {
        Self::from_octets(password.as_bytes())
    }

    /// Every octet widened to one UTF-16 unit.
    pub(crate) fn from_octets(password: &[u8]) -> Self {
        Self::from_units(password.iter().copied().map(u16::from))
    }

    /// A hash that was computed elsewhere.
    pub fn from_bytes(hash: [u8; 16]) -> Self {
        Self(hash)
    }

    /// The hash as files of accounts hold it: 32 hexadecimal digits.
    pub fn to_hex(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * self.0.len()));
        for nibble in self.0.iter().flat_map(|octet| [octet >> 4, octet & 0x0f]) {
            text.extend(char::from_digit(nibble.into(), 16));
        }
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub(crate) fn from_units(units: impl Iterator<Item = u16>) -> Self {
        let mut md4 = Md4::new();
        for unit in units {
            md4.update(unit.to_le_bytes());
        }
        Self(md4.finalize().into())
    }

    /// Compares in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// HashNtPasswordHash, §8.4.
    pub(super) fn hash(&self) -> Zeroizing<[u8; 16]> {
        Zeroizing::new(Md4::digest(self.0).into())
    }
}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NtHash(…)")
    }
}

/// OldNtPasswordHashEncryptedWithNewNtPasswordHash, §8.12: two DES encryptions with the key's first fourteen octets.
pub(crate) fn hash_encrypted_with(hash: &NtHash, key: &NtHash) -> [u8; 16] {
    let mut encrypted = hash.0;
    for (key, block) in key.0.as_chunks::<7>().0.iter().zip(encrypted.as_chunks_mut::<8>().0) {
        Des::new(&des_key(key)).encrypt_block(block.into());
    }
    encrypted
}

/// ChallengeHash, §8.2.
pub(crate) fn challenge_hash(peer: &[u8; 16], authenticator: &[u8; 16], user_name: &[u8]) -> [u8; 8] {
    let digest =
        Sha1::new().chain_update(peer).chain_update(authenticator).chain_update(user_name).finalize();
    let (&hash, _) = digest.split_first_chunk().expect("a SHA-1 digest has 20 octets");
    hash
}

/// ChallengeResponse, §8.5: three DES encryptions with the hash, filled up with zeros, as their keys.
pub(crate) fn challenge_response(challenge: &[u8; 8], nt_hash: &NtHash) -> [u8; 24] {
    let mut keys = Zeroizing::new([0; 21]);
    keys[..16].copy_from_slice(&nt_hash.0);
    let mut response = [0; 24];
    for (key, block) in keys.as_chunks::<7>().0.iter().zip(response.as_chunks_mut::<8>().0) {
        let mut output = (*challenge).into();
        Des::new(&des_key(key)).encrypt_block(&mut output);
        *block = output.into();
    }
    response
}

/// §8.6: 56 bits in eight octets, the parity bits in their low ends unset.
fn des_key(key: &[u8; 7]) -> des::cipher::Key<Des> {
    let bits = key.iter().fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
    std::array::from_fn(|octet| (bits >> (49 - 7 * octet) << 1) as u8 & 0xfe).into()
}

/// GenerateAuthenticatorResponse, §8.7, before it becomes hex digits.
pub(crate) fn authenticator_response(
    nt_hash: &NtHash,
    nt_response: &[u8; 24],
    challenge_hash: &[u8; 8],
) -> [u8; 20] {
    let digest = Sha1::new()
        .chain_update(*nt_hash.hash())
        .chain_update(nt_response)
        .chain_update(MAGIC_SERVER_TO_CLIENT)
        .finalize();
    Sha1::new()
        .chain_update(digest)
        .chain_update(challenge_hash)
        .chain_update(MAGIC_MORE_ITERATION)
        .finalize()
        .into()
}

const MAGIC_SERVER_TO_CLIENT: &[u8] = b"Magic server to client signing constant";
const MAGIC_MORE_ITERATION: &[u8] = b"Pad to make it do more than one iteration";

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 2759 §9.2.
    const AUTHENTICATOR_CHALLENGE: [u8; 16] = hex!("5B5D7C7D7B3F2F3E3C2C602132262628");
    const PEER_CHALLENGE: [u8; 16] = hex!("21402324255E262A28295F2B3A337C7E");
    const CHALLENGE: [u8; 8] = hex!("D02E4386BCE91226");
    const NT_HASH: [u8; 16] = hex!("44EBBA8D5312B8D611474411F56989AE");
    const NT_HASH_HASH: [u8; 16] = hex!("41C00C584BD2D91C4017A2A12FA59F3F");
    const NT_RESPONSE: [u8; 24] = hex!("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF");
    const AUTHENTICATOR_RESPONSE: [u8; 20] = hex!("407A5589115FD0D6209F510FE9C04566932CDA56");

    #[test]
    fn rfc2759_section_9_2() {
        let nt_hash = NtHash::from_password("clientPass");
        assert_eq!(nt_hash.0, NT_HASH);
        assert_eq!(nt_hash.to_hex().as_str(), "44ebba8d5312b8d611474411f56989ae");
        assert_eq!(*nt_hash.hash(), NT_HASH_HASH);
        let challenge = challenge_hash(&PEER_CHALLENGE, &AUTHENTICATOR_CHALLENGE, b"User");
        assert_eq!(challenge, CHALLENGE);
        assert_eq!(challenge_response(&challenge, &nt_hash), NT_RESPONSE);
        assert_eq!(authenticator_response(&nt_hash, &NT_RESPONSE, &challenge), AUTHENTICATOR_RESPONSE);
    }

    /// RFC 2759 §9.3, the keys without the parity bits that DES ignores.
    #[test]
    fn rfc2759_section_9_3() {
        for (raw, key) in [
            (hex!("FC156AF7EDCD6C"), hex!("FD0B5B5E7F6E34D9")),
            (hex!("0EDDE3337D427F"), hex!("0E6E796737EA08FE")),
        ] {
            assert_eq!(<[u8; 8]>::from(des_key(&raw)), key.map(|octet| octet & 0xfe));
        }
    }

    #[test]
    fn passwords_beyond_ascii() {
        // Two spellings of one password: U+00E9, and its UTF-8 octets C3 A9 widened.
        assert_eq!(NtHash::from_password("é").0, <[u8; 16]>::from(Md4::digest(hex!("e900"))));
        assert_eq!(NtHash::from_password_octets("é").0, <[u8; 16]>::from(Md4::digest(hex!("c300a900"))));
        assert_eq!(NtHash::from_password_octets("clientPass").0, NT_HASH);
        assert_eq!(NtHash::from_password("😀").0, <[u8; 16]>::from(Md4::digest(hex!("3dd800de"))));
    }

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", NtHash(NT_HASH)), "NtHash(…)");
    }
}
