//! Keys out of an MS-CHAPv2 login, RFC 3079 §3.

use sha1::{Digest, Sha1};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::NtHash;

/// What only who knows the password can compute from a Response.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct MasterKey([u8; 16]);

impl MasterKey {
    /// GetMasterKey, §3.4.
    pub(super) fn derive(nt_hash: &NtHash, nt_response: &[u8; 24]) -> Self {
        let digest = Sha1::new()
            .chain_update(*nt_hash.hash())
            .chain_update(nt_response)
            .chain_update(MAGIC_1)
            .finalize();
        Self(first_16(digest.into()))
    }

    /// The server's MasterReceiveKey and MasterSendKey, one behind the other: the MSK of EAP-MSCHAPv2 ([MS-CHAP] §3.1.5.1)
    /// without the zeros behind it, and PEAP's inner session key ([MS-PEAP] §3.1.5.5.2.2).
    pub(crate) fn session_keys(&self) -> Zeroizing<[u8; 32]> {
        let mut keys = Zeroizing::new([0; 32]);
        let (receive, send) = keys.split_at_mut(16);
        receive.copy_from_slice(&*self.asymmetric_start_key(MAGIC_2));
        send.copy_from_slice(&*self.asymmetric_start_key(MAGIC_3));
        keys
    }

    /// GetAsymmetricStartKey, §3.4, for keys of 128 bits.
    fn asymmetric_start_key(&self, magic: &[u8]) -> Zeroizing<[u8; 16]> {
        let digest = Sha1::new()
            .chain_update(self.0)
            .chain_update([0; 40])
            .chain_update(magic)
            .chain_update([0xf2; 40])
            .finalize();
        Zeroizing::new(first_16(digest.into()))
    }
}

fn first_16(digest: [u8; 20]) -> [u8; 16] {
    let (&first, _) = digest.split_first_chunk().expect("a SHA-1 digest has 20 octets");
    first
}

const MAGIC_1: &[u8] = b"This is the MPPE Master Key";
const MAGIC_2: &[u8] =
    b"On the client side, this is the send key; on the server side, it is the receive key.";
const MAGIC_3: &[u8] =
    b"On the client side, this is the receive key; on the server side, it is the send key.";

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn rfc3079_section_3_5_3() {
        let nt_response = hex!("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF");
        let master = MasterKey::derive(&NtHash::from_password("clientPass"), &nt_response);
        assert_eq!(master.0, hex!("FDECE3717A8C838CB388E527AE3CDD31"));
        let keys = master.session_keys();
        assert_eq!(keys[16..], hex!("8B7CDC149B993A1BA118CB153F56DCCB"), "SendStartKey128");
    }
}
