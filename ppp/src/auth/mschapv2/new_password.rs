//! A new password in the place of an expired one: the Change-Password packet, RFC 2759 §7.
//!
//! ```text
//!  Encrypted-Password (516) │ Encrypted-Hash (16) │ peer challenge (16) │ zero (8) │ NT-Response (24) │ flags (2)
//! ```
//!
//! Only who knows the old password's hash can read the new password, and only who knows both can have written the rest.

use std::fmt;

use rc4::{KeyInit, Rc4, StreamCipher};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hash::{self, NtHash};
use super::proof::{MsChapV2Proof, VALUE_LENGTH};
use crate::auth::Verified;

/// A client's Change-Password, to be compared with what the account's old password gives.
#[derive(Clone)]
pub struct NewPasswordProof {
    encrypted_password: Box<[u8; PASSWORD_BLOCK]>,
    encrypted_hash: [u8; 16],
    /// A Response as the new password makes it.
    response: MsChapV2Proof,
}

/// What the account's owner wants its password to be from now on.
#[derive(Clone)]
pub struct NewPassword {
    /// For the [`Accept`](crate::Accept), should the password be taken.
    pub verified: Verified,
    /// The password, as its user typed it; empty if it is no text.
    pub password: Zeroizing<String>,
    /// The hash that this client makes of it.
    pub nt_hash: NtHash,
}

impl NewPasswordProof {
    /// From a packet by `name` in answer to a Failure with `challenge`.
    pub(crate) fn parse(name: &[u8], challenge: [u8; 16], data: &[u8]) -> Option<Self> {
        let (encrypted_password, data) = data.split_first_chunk()?;
        let (&encrypted_hash, data) = data.split_first_chunk()?;
        // One octet of flags less is what a Response has.
        let response = MsChapV2Proof::parse(name, challenge, data.first_chunk::<VALUE_LENGTH>()?)?;
        let proof = Self { encrypted_password: Box::new(*encrypted_password), encrypted_hash, response };
        (data.len() == VALUE_LENGTH + 1).then_some(proof)
    }

    /// The challenge that it answers.
    pub(crate) fn question(&self) -> [u8; 16] {
        self.response.question()
    }

    /// Reads the new password, if `old` is the hash of the old one.
    pub fn verify(&self, old: &NtHash) -> Option<NewPassword> {
        let units = self.decrypt(old)?;
        let new = NtHash::from_units(units.iter().copied());
        let expected = hash::hash_encrypted_with(old, &new);
        let verified = self.response.verify(&new)?;
        let password = typed(&units);
        bool::from(expected.ct_eq(&self.encrypted_hash)).then(|| NewPassword {
            verified,
            password,
            nt_hash: new,
        })
    }

    /// NewPasswordEncryptedWithOldNtPasswordHash, §8.9, undone: the password stands at the end of 256 characters, of which
    /// the others are random, and its length in octets follows.
    fn decrypt(&self, old: &NtHash) -> Option<Zeroizing<Vec<u16>>> {
        let mut block = Zeroizing::new(*self.encrypted_password);
        let mut rc4 = Rc4::new_from_slice(old.as_bytes()).expect("RC4 takes a key of sixteen octets");
        rc4.apply_keystream(&mut *block);
        let (characters, &length) = block.split_last_chunk()?;
        let (characters, _) = characters.as_chunks::<2>();
        let length = usize::try_from(u32::from_le_bytes(length)).ok().filter(|length| length % 2 == 0)?;
        // With another key the length is as good as random: the client does not know the old password.
        let random = characters.len().checked_sub(length / 2)?;
        let units = characters.iter().skip(random).map(|unit| u16::from_le_bytes(*unit));
        Some(Zeroizing::new(units.collect()))
    }
}

impl fmt::Debug for NewPasswordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPasswordProof(…)")
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// What the user typed. §7 has it in UTF-16, as Windows does; clients built on pppd widen each octet of what they hold, which is
/// UTF-8. Nobody types by chance what looks like that.
fn typed(units: &[u16]) -> Zeroizing<String> {
    let octets = units.iter().map(|unit| u8::try_from(*unit)).collect::<Result<Vec<u8>, _>>();
    let octets = Zeroizing::new(octets.unwrap_or_default());
    let widened = str::from_utf8(&octets).ok().filter(|text| !text.is_empty());
    Zeroizing::new(widened.map_or_else(|| String::from_utf16(units).unwrap_or_default(), str::to_owned))
}

/// 256 characters and a length.
const PASSWORD_BLOCK: usize = 516;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// RFC 2759 has no example of a change. This one goes on with §9.2: there, User's password becomes "newPass!". Computed
    /// with OpenSSL's md4, rc4 and des-ecb; the random characters count up from 00 01.
    const ENCRYPTED_PASSWORD: [u8; 516] = hex!(
        "92e3c9ecb7fcf6132005f1836c3c39efd317a80173669ca225ed96d5f05d6464600acaed683e7ded438e4ed32c426b5d"
        "352a111675780b0ec7293171ff4cb930c6585e97d1f284ccfdb0c5f096e4695c705b8634d43432d7876aff3bca1f382e"
        "6f6fee1915932b785ab798da8ce9af78f9af3aae69879199a41e4aece3069987640d1b8c1a3b9ffb0b26daf628d2fb2b"
        "6c9d9745eca3e18fbfec81400e53abbcaaaaacaa09c1d27481e141f7ce5d8e35b50224982c85a06bbd86f890b9dfd5b3"
        "44d1f3b59f8a539231300dbdd427003e0636f1b3e2d43252281d9ddf799df5d8a48b9fc647ed387fc6d3562c2fc9e948"
        "5f821f41592507a1ec881362d09c0cf6aa20d63bdc931918627b513f85c75002e53d611d942e9cfbe421d4c2f88d5f04"
        "c306af56f71cd04056d519eb6f600baa1a4bd4cb5e39b6900dfddaa432f5278e1be869fd142a0ce74df3bda8f69d93c1"
        "373db9d0b2aeb9d55fabcc2eb9bde690534d3c50ab50a697639948fd885b3ea39cb98c0729837ebce10e5b090a357823"
        "ae2c3bf28b5e40279eb234792e7b2934b90819537376a8710e1f2c0b1c4815db27b73e418edac07b10a10dac2f111e73"
        "ca7dab8cc148df86ccc115f00bdd541810bedbda8a4905cc02f981efc4ecfb586d23ae7115ada377ea60d0d522ac6daa"
        "05fa7d781667660c4d316ad14a0128c3ab2277df2dec647f6818bc7ff245da58a2343a7c"
    );
    const ENCRYPTED_HASH: [u8; 16] = hex!("d6806af35ee78a280e6d4cc9bdd844f0");
    const PEER_CHALLENGE: [u8; 16] = hex!("21402324255E262A28295F2B3A337C7E");
    const CHALLENGE: [u8; 16] = hex!("5B5D7C7D7B3F2F3E3C2C602132262628");
    const NT_RESPONSE: [u8; 24] = hex!("b75b7da6f194678358243acecd0886ec54c6ac0e9500f444");

    fn packet() -> Vec<u8> {
        let (password, hash): (&[u8], &[u8]) = (&ENCRYPTED_PASSWORD, &ENCRYPTED_HASH);
        [password, hash, &PEER_CHALLENGE, &[0; 8], &NT_RESPONSE, &[0; 2]].concat()
    }

    fn verify(data: &[u8], old: &str) -> Option<NewPassword> {
        NewPasswordProof::parse(b"User", CHALLENGE, data)?.verify(&NtHash::from_password(old))
    }

    #[test]
    fn only_who_knows_the_old_password_changes_it() {
        let new = verify(&packet(), "clientPass").unwrap();
        assert_eq!(*new.password, "newPass!");
        assert!(new.nt_hash.is(&NtHash::from_password("newPass!")));
        assert!(verify(&packet(), "clientpass").is_none());
        assert!(verify(&packet(), "").is_none());
    }

    #[test]
    fn what_was_typed_is_found_in_either_script() {
        let widened = |text: &str| text.bytes().map(u16::from).collect::<Vec<_>>();
        for text in ["", "newPass!", "Größer, 200 %", "é", "пароль", "日本😀"] {
            let utf16: Vec<u16> = text.encode_utf16().collect();
            assert_eq!(*typed(&utf16), text);
            assert_eq!(*typed(&widened(text)), text);
        }
        // Octets that are no UTF-8 are characters of their own, and half a pair of surrogates is none.
        assert_eq!(*typed(&[0xe9, 0xdf]), "éß");
        assert_eq!(*typed(&[0xd83d]), "");
    }

    /// Whatever is not as the client wrote it, but for random characters, reserved octets and flags, is no proof.
    #[test]
    fn nothing_can_be_altered() {
        let free = |index: usize| index < 496 || (548..556).contains(&index) || index >= 580;
        for index in 0..packet().len() {
            let mut altered = packet();
            altered[index] ^= 1;
            assert_eq!(verify(&altered, "clientPass").is_some(), free(index), "octet {index}");
        }
        let elsewhere = NewPasswordProof::parse(b"User", [0; 16], &packet()).unwrap();
        assert!(elsewhere.verify(&NtHash::from_password("clientPass")).is_none());
    }

    #[test]
    fn a_packet_is_taken_whole_or_not_at_all() {
        let longer = [&packet()[..], &[0]].concat();
        for length in 0..=longer.len() {
            let proof = NewPasswordProof::parse(b"User", CHALLENGE, &longer[..length]);
            assert_eq!(proof.is_some(), length == 582, "{length} octets");
        }
    }

    /// What the length says is never believed beyond the block.
    #[test]
    fn lengths_beyond_the_block_are_no_password() {
        for (length, units) in
            [(0_u32, Some(0)), (512, Some(256)), (514, None), (3, None), (u32::MAX - 1, None)]
        {
            let mut block = [0x61; PASSWORD_BLOCK];
            block[512..].copy_from_slice(&length.to_le_bytes());
            let old = NtHash::from_password("clientPass");
            Rc4::new_from_slice(old.as_bytes()).unwrap().apply_keystream(&mut block);
            let mut proof = NewPasswordProof::parse(b"User", CHALLENGE, &packet()).unwrap();
            *proof.encrypted_password = block;
            assert_eq!(proof.decrypt(&old).map(|units| units.len()), units, "{length} octets");
        }
    }

    #[test]
    fn debug_says_nothing() {
        let proof = NewPasswordProof::parse(b"User", CHALLENGE, &packet()).unwrap();
        assert_eq!(format!("{proof:?}"), "NewPasswordProof(…)");
        let password = proof.verify(&NtHash::from_password("clientPass")).unwrap();
        assert_eq!(format!("{password:?}"), "NewPassword(…)");
    }
}
