//! Elliptic curve groups modulo a prime, RFC 5903: a public value is X | Y, a shared secret is X.

use aws_lc_rs::agreement::{self, Algorithm, UnparsedPublicKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::dh::{BadPublicValue, SharedSecret};

/// The private key of one exchange.
pub(crate) struct EcpKey(agreement::PrivateKey);

/// NIST P-256, group 19.
pub(crate) const P256: &Algorithm = &agreement::ECDH_P256;
/// NIST P-384, group 20.
pub(crate) const P384: &Algorithm = &agreement::ECDH_P384;

impl EcpKey {
    /// Draws a private key of `len` octets. The library's own generator would make a run irreproducible.
    pub(crate) fn generate(curve: &'static Algorithm, len: usize, rng: &mut impl CryptoRng) -> Self {
        let mut scalar = Zeroizing::new(vec![0; len]);
        loop {
            rng.fill_bytes(&mut scalar);
            // Zero and what is not below the group's order are refused: draw again, FIPS 186-5 App. A.2.2. For these
            // curves that happens once in 2^32 at most.
            if let Some(key) = Self::new(curve, &scalar) {
                return key;
            }
        }
    }

    /// Takes a private key, if it is between 1 and the group's order and of the order's length.
    pub(crate) fn new(curve: &'static Algorithm, scalar: &[u8]) -> Option<Self> {
        agreement::PrivateKey::from_private_key(curve, scalar).ok().map(Self)
    }

    /// X | Y, RFC 5903 §7: the octets of the uncompressed point without its first, which only says so.
    pub(crate) fn public(&self) -> Vec<u8> {
        let point = self.0.compute_public_key().expect("a private key has a public one");
        point.as_ref().iter().skip(1).copied().collect()
    }

    /// The X coordinate of the common point, RFC 5903 §7 and its erratum 9 to RFC 4753. The peer's point must be on the
    /// curve; the point at infinity cannot be written as X | Y.
    pub(crate) fn shared(&self, peer: &[u8]) -> Result<SharedSecret, BadPublicValue> {
        const UNCOMPRESSED: u8 = 4;
        let point: Vec<u8> = [&[UNCOMPRESSED], peer].concat();
        agreement::agree(&self.0, UnparsedPublicKey::new(self.0.algorithm(), point), BadPublicValue, |x| {
            Ok(SharedSecret::new(x.to_vec()))
        })
    }
}
