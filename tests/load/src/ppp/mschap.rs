//! MS-CHAP-V2, the peer's side, RFC 2759.

use des::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use md4::Md4;
use rc4::StreamCipher as _;
use sha1::{Digest as _, Sha1};

/// What both sides need to compute a response.
pub(super) struct Exchange<'a> {
    pub(super) authenticator_challenge: &'a [u8; 16],
    pub(super) peer_challenge: &'a [u8; 16],
    pub(super) user: &'a str,
    pub(super) password: &'a str,
}

impl Exchange<'_> {
    /// GenerateNTResponse, §8.1.
    pub(super) fn nt_response(&self) -> [u8; 24] {
        challenge_response(&self.challenge_hash(), &nt_hash(self.password))
    }

    /// GenerateAuthenticatorResponse, §8.7: forty upper-case digits.
    pub(super) fn authenticator_response(&self) -> String {
        const MAGIC_1: &[u8] = b"Magic server to client signing constant";
        const MAGIC_2: &[u8] = b"Pad to make it do more than one iteration";
        let hash_hash = Md4::digest(nt_hash(self.password));
        let digest = Sha1::new()
            .chain_update(hash_hash)
            .chain_update(self.nt_response())
            .chain_update(MAGIC_1)
            .finalize();
        let digest = Sha1::new()
            .chain_update(digest)
            .chain_update(self.challenge_hash())
            .chain_update(MAGIC_2)
            .finalize();
        digest.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// MasterReceiveKey and MasterSendKey of the server, RFC 3079 §3.3, for keys of 128 bits.
    pub(super) fn session_keys(&self) -> [u8; 32] {
        const MASTER: &[u8] = b"This is the MPPE Master Key";
        const RECEIVE: &[u8] =
            b"On the client side, this is the send key; on the server side, it is the receive key.";
        const SEND: &[u8] =
            b"On the client side, this is the receive key; on the server side, it is the send key.";
        let hash_hash = Md4::digest(nt_hash(self.password));
        let master = Sha1::new()
            .chain_update(hash_hash)
            .chain_update(self.nt_response())
            .chain_update(MASTER)
            .finalize();
        let key = |magic: &[u8]| {
            Sha1::new()
                .chain_update(&master[..16])
                .chain_update([0; 40])
                .chain_update(magic)
                .chain_update([0xf2; 40])
                .finalize()
        };
        let mut keys = [0; 32];
        keys[..16].copy_from_slice(&key(RECEIVE)[..16]);
        keys[16..].copy_from_slice(&key(SEND)[..16]);
        keys
    }

    /// ChallengeHash, §8.2: the name without its domain.
    fn challenge_hash(&self) -> [u8; 8] {
        let name = self.user.rsplit('\\').next().unwrap_or(self.user);
        let digest = Sha1::new()
            .chain_update(self.peer_challenge)
            .chain_update(self.authenticator_challenge)
            .chain_update(name)
            .finalize();
        *digest.first_chunk().expect("SHA-1 has twenty bytes")
    }
}

/// A password that is to take the place of another, §7.
pub(super) struct Change<'a> {
    pub(super) old: &'a str,
    pub(super) new: &'a str,
}

impl Change<'_> {
    /// NewPasswordEncryptedWithOldNtPasswordHash, §8.9: the end of `padding` makes room for the password, whose length
    /// follows.
    pub(super) fn encrypted_password(&self, padding: [u8; 512]) -> [u8; 516] {
        let utf16: Vec<u8> = self.new.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u32::try_from(utf16.len()).expect("our own passwords are short");
        let room = padding.len() - utf16.len();
        let mut block = [0; 516];
        block[..512].copy_from_slice(&padding);
        block[room..512].copy_from_slice(&utf16);
        block[512..].copy_from_slice(&length.to_le_bytes());
        let mut rc4 = rc4::Rc4::new_from_slice(&nt_hash(self.old)).expect("RC4 takes 16 octets");
        rc4.apply_keystream(&mut block);
        block
    }

    /// OldNtPasswordHashEncryptedWithNewNtPasswordHash, §8.12.
    pub(super) fn encrypted_hash(&self) -> [u8; 16] {
        let (mut hash, key) = (nt_hash(self.old), nt_hash(self.new));
        for (block, key) in hash.as_chunks_mut::<8>().0.iter_mut().zip(key.as_chunks::<7>().0) {
            des::Des::new(&spread(key).into()).encrypt_block(block.into());
        }
        hash
    }
}

/// NtPasswordHash, §8.3: MD4 of the password in UTF-16, little-endian.
fn nt_hash(password: &str) -> [u8; 16] {
    let utf16: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Md4::digest(utf16).into()
}

/// ChallengeResponse, §8.5: the hash, padded to 21 bytes, as three DES keys.
fn challenge_response(challenge: &[u8; 8], hash: &[u8; 16]) -> [u8; 24] {
    let mut padded = [0; 21];
    padded[..16].copy_from_slice(hash);
    let mut response = [0; 24];
    for (key, out) in padded.as_chunks::<7>().0.iter().zip(response.as_chunks_mut::<8>().0) {
        *out = *challenge;
        des::Des::new(&spread(key).into()).encrypt_block(out.into());
    }
    response
}

/// Seven bits of key a byte; the parity bits do not matter.
fn spread(key: &[u8; 7]) -> [u8; 8] {
    let bits = key.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    std::array::from_fn(|index| {
        let shifted = bits >> (49 - 7 * index) << 1;
        shifted.to_be_bytes()[7]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// RFC 2759 §9.2.
    #[test]
    fn published_vector() {
        let mut exchange = Exchange {
            authenticator_challenge: &hex!("5b5d7c7d7b3f2f3e3c2c602132262628"),
            peer_challenge: &hex!("21402324255e262a28295f2b3a337c7e"),
            user: "User",
            password: "clientPass",
        };
        assert_eq!(exchange.challenge_hash(), hex!("d02e4386bce91226"));
        assert_eq!(nt_hash("clientPass"), hex!("44ebba8d5312b8d611474411f56989ae"));
        let expected = hex!("82309ecd8d708b5ea08faa3981cd83544233114a3d85d6df");
        assert_eq!(exchange.nt_response(), expected);
        assert_eq!(exchange.authenticator_response(), "407A5589115FD0D6209F510FE9C04566932CDA56");
        exchange.user = "CORP\\User";
        assert_eq!(exchange.nt_response(), expected, "the domain is left out");
    }

    /// RFC 2759 has no vector for a change. Computed with OpenSSL's md4, rc4 and des-ecb; the padding counts up from zero.
    #[test]
    fn a_change() {
        let change = Change { old: "clientPass", new: "newPass!" };
        assert_eq!(nt_hash(change.new), hex!("d4a6e37b5716d4d18b1e90f2845b37d3"));
        assert_eq!(change.encrypted_hash(), hex!("d6806af35ee78a280e6d4cc9bdd844f0"));
        let block = change.encrypted_password(std::array::from_fn(|index| index.to_le_bytes()[0]));
        assert_eq!(block[..16], hex!("92e3c9ecb7fcf6132005f1836c3c39ef"));
        assert_eq!(block[496..], hex!("ab2277df2dec647f6818bc7ff245da58a2343a7c"));
    }
}
