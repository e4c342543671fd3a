//! Exponentiation modulo a prime: the MODP groups of RFC 2409 §6 and RFC 3526, all with generator 2.

use crypto_bigint::{
    BoxedUint, Odd,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::dh::{BadPublicValue, SharedSecret};

/// The private exponent of one exchange, and the group's arithmetic.
pub(crate) struct ModpKey {
    exponent: Zeroizing<BoxedUint>,
    params: BoxedMontyParams,
}

impl ModpKey {
    /// Octets of an exponent: at least twice the strength of the strongest group (RFC 3526 §8), and far fewer than the
    /// prime has, which is what an exchange costs.
    const EXPONENT_LEN: usize = 32;

    /// Draws an exponent for the group of that prime.
    pub(crate) fn generate(prime: &str, rng: &mut impl CryptoRng) -> Self {
        let mut octets = Zeroizing::new([0; Self::EXPONENT_LEN]);
        rng.fill_bytes(&mut *octets);
        Self::new(prime, &*octets)
    }

    /// Takes an exponent of any length.
    pub(crate) fn new(prime: &str, exponent: &[u8]) -> Self {
        let bits = u32::try_from(exponent.len() * 8).expect("an exponent of some hundred octets");
        let exponent = BoxedUint::from_be_slice(exponent, bits).expect("as many bits as the octets have");
        Self { exponent: Zeroizing::new(exponent), params: params(prime) }
    }

    /// `2^x`, with zeros in front as far as the prime goes (RFC 2409 §5).
    pub(crate) fn public(&self) -> Vec<u8> {
        let generator = BoxedUint::from_be_slice(&[2], self.params.bits_precision())
            .expect("2 is below any of the primes");
        self.power(generator).to_vec()
    }

    /// `y^x`, with zeros in front. Refused are the values that make the secret a known one: 0, 1, -1, and what is not
    /// below the prime (RFC 2412 §5, RFC 6989 §2.1). The primes are safe ones, so no other small subgroup exists.
    pub(crate) fn shared(&self, peer: &[u8]) -> Result<SharedSecret, BadPublicValue> {
        let bits = self.params.bits_precision();
        let peer = BoxedUint::from_be_slice(peer, bits).map_err(|_| BadPublicValue)?;
        let one = BoxedUint::one_with_precision(bits);
        let minus_one = self.params.modulus().as_ref().wrapping_sub(&one);
        if peer <= one || peer >= minus_one {
            return Err(BadPublicValue);
        }
        Ok(SharedSecret::new(self.power(peer)))
    }

    /// Constant time: every step reads the whole table of its window, and the number of steps follows from the length of
    /// the exponent, not from its value.
    fn power(&self, base: BoxedUint) -> Box<[u8]> {
        let mut power = BoxedMontyForm::new(base, &self.params).pow(&self.exponent);
        let octets = Zeroizing::new(power.retrieve()).to_be_bytes();
        power.zeroize();
        octets
    }
}

fn params(prime: &str) -> BoxedMontyParams {
    let bits = u32::try_from(prime.len() * 4).expect("a prime of some thousand bits");
    let prime = BoxedUint::from_be_hex(prime, bits).expect("the constants below are hexadecimal");
    BoxedMontyParams::new_vartime(Odd::new(prime).expect("a large prime is odd"))
}

/// 2^768 - 2^704 - 1 + 2^64 * ( [2^638 pi] + 149686 ).
pub(crate) const PRIME_768: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF";
/// 2^1024 - 2^960 - 1 + 2^64 * ( [2^894 pi] + 129093 ).
pub(crate) const PRIME_1024: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";
/// 2^1536 - 2^1472 - 1 + 2^64 * ( [2^1406 pi] + 741804 ).
pub(crate) const PRIME_1536: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF";
/// 2^2048 - 2^1984 - 1 + 2^64 * ( [2^1918 pi] + 124476 ).
pub(crate) const PRIME_2048: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AACAA68FFFFFFFFFFFFFFFF";
/// 2^3072 - 2^3008 - 1 + 2^64 * ( [2^2942 pi] + 1690314 ).
pub(crate) const PRIME_3072: &str = "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF";
