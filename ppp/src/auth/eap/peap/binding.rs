//! Cryptobinding, [MS-PEAP] §3.1.5.5: proof that the two ends of the tunnel are the two ends of the login within it.
//!
//! ```text
//!  TLS ─ exporter ─▶ tunnel key, 60 ─┬─ first 40 ─▶ key  ┐
//!                                                        ├─ PRF+ ─▶ IPMK, 40 │ CMK, 20 ─▶ HMAC over the TLV
//!  MS-CHAPv2 ─ RFC 3079 ─▶ inner session key, 32 ─▶ seed ┘
//! ```

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::tlv;
use crate::auth::eap::packet::Type;

/// The Compound MAC Key of one login.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct CompoundMacKey([u8; 20]);

impl CompoundMacKey {
    /// §3.1.5.5.2.2. The label is said to end with a zero octet, and in what Windows does it does not.
    pub(super) fn derive(tunnel_key: &[u8; 60], inner_session_key: &[u8; 32]) -> Self {
        let (key, _) = tunnel_key.split_at(40);
        let seed = Zeroizing::new([&b"Inner Methods Compound Keys"[..], inner_session_key].concat());
        let mut output = Zeroizing::new([0; 60]);
        prf_plus(key, &seed, &mut output[..]);
        let mut compound = [0; 20];
        compound.copy_from_slice(&output[40..]);
        Self(compound)
    }

    /// The TLV that the client is to answer: §2.2.8.1.1.
    pub(super) fn request(&self, nonce: &[u8; 32]) -> Vec<u8> {
        self.seal(REQUEST, nonce)
    }

    /// Whether a TLV's value is the answer of a client that has the same key, §3.3.5.3.
    ///
    /// The nonce is the client's own; hostapd's and Windows' clients send ours back or make one.
    pub(super) fn accepts(&self, value: &[u8]) -> bool {
        let Some((&[_, _, _, RESPONSE], rest)) = value.split_first_chunk() else { return false };
        let Some((nonce, mac)) = rest.split_first_chunk::<32>() else { return false };
        let expected = self.seal(RESPONSE, nonce);
        let (_, expected) = expected.split_at(expected.len() - MAC_LENGTH);
        expected.ct_eq(mac).into()
    }

    pub(super) fn seal(&self, subtype: u8, nonce: &[u8; 32]) -> Vec<u8> {
        let value = [&[0, 0, 0, subtype][..], nonce, &[0; MAC_LENGTH]].concat();
        let mut whole = Vec::new();
        tlv::push(&mut whole, tlv::CRYPTOBINDING, &value);
        // §3.1.5.5.1: then the type of PEAP, and the outer TLVs, of which there are none.
        let mac = hmac_sha1(&self.0, &[&whole, &[Type::PEAP.0]]);
        whole.truncate(whole.len() - MAC_LENGTH);
        whole.extend(mac);
        whole
    }
}

/// PRF+ of RFC 4306 §2.13 as [MS-PEAP] has it: HMAC-SHA1, and two zero octets behind the counter.
fn prf_plus(key: &[u8], seed: &[u8], output: &mut [u8]) {
    let mut last: Vec<u8> = Vec::new();
    for (counter, block) in (1..).zip(output.chunks_mut(MAC_LENGTH)) {
        let next = hmac_sha1(key, &[&last, seed, &[counter, 0, 0]]);
        block.copy_from_slice(next.get(..block.len()).unwrap_or(&next));
        last.zeroize();
        last.extend(next);
    }
    last.zeroize();
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; MAC_LENGTH] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;
const MAC_LENGTH: usize = 20;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// [MS-PEAP] §4.4.1.3.2.3: T3 of its example is the CMK; what the server sends with it.
    #[test]
    fn ms_peap_section_4_4_1_3_2_3() {
        let key = CompoundMacKey(hex!("3355353B6920D074C782E475DFB0999D4DB467EB"));
        let nonce = hex!("BDA7A599FA816521AD3064C2BDDBD16EAA949E7D98A8D7943147CF425D85DA7B");
        let request = hex!(
            "000C 0038 00000000 BDA7A599FA816521AD3064C2BDDBD16EAA949E7D98A8D7943147CF425D85DA7B"
            "0CBF105E91755748224FBB83000626911CFB1B0F"
        );
        assert_eq!(key.request(&nonce), request);
    }
}
