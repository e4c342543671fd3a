//! Exponentiation modulo a prime: the MODP groups of RFC 2409 §6 and RFC 3526, all with generator 2.

use std::sync::OnceLock;

use crypto_bigint::{
    BoxedUint, CtAssign, CtEq, Odd,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::dh::{BadPublicValue, SharedSecret};

/// A group: its prime, in hexadecimal, and what is computed of it once.
pub(crate) struct ModpGroup {
    pub(crate) prime: &'static str,
    arithmetic: OnceLock<Arithmetic>,
}

/// The private exponent of one exchange, and the group's arithmetic.
pub(crate) struct ModpKey {
    exponent: Zeroizing<BoxedUint>,
    group: &'static Arithmetic,
}

impl ModpKey {
    /// Octets of an exponent: at least twice the strength of the strongest group (RFC 3526 §8), and far fewer than the
    /// prime has, which is what an exchange costs.
    const EXPONENT_LEN: usize = 32;

    /// Draws an exponent.
    pub(crate) fn generate(group: &'static ModpGroup, rng: &mut impl CryptoRng) -> Self {
        let mut octets = Zeroizing::new([0; Self::EXPONENT_LEN]);
        rng.fill_bytes(&mut *octets);
        Self::new(group, &*octets)
    }

    /// Takes an exponent of any length.
    pub(crate) fn new(group: &'static ModpGroup, exponent: &[u8]) -> Self {
        let bits = u32::try_from(exponent.len() * 8).expect("an exponent of some hundred octets");
        let exponent = BoxedUint::from_be_slice(exponent, bits).expect("as many bits as the octets have");
        Self { exponent: Zeroizing::new(exponent), group: group.arithmetic() }
    }

    /// `2^x`, with zeros in front as far as the prime goes (RFC 2409 §5).
    pub(crate) fn public(&self) -> Vec<u8> {
        octets(self.group.power_of_two(&self.exponent)).to_vec()
    }

    /// `y^x`, with zeros in front. Refused are the values that make the secret a known one: 0, 1, -1, and what is not
    /// below the prime (RFC 2412 §5, RFC 6989 §2.1). The primes are safe ones, so no other small subgroup exists.
    pub(crate) fn shared(&self, peer: &[u8]) -> Result<SharedSecret, BadPublicValue> {
        let params = &self.group.params;
        let bits = params.bits_precision();
        let peer = BoxedUint::from_be_slice(peer, bits).map_err(|_| BadPublicValue)?;
        let one = BoxedUint::one_with_precision(bits);
        let minus_one = params.modulus().as_ref().wrapping_sub(&one);
        if peer <= one || peer >= minus_one {
            return Err(BadPublicValue);
        }
        // Constant time: every step reads the whole table of its window, and the number of steps follows from the length of
        // the exponent, not from its value.
        Ok(SharedSecret::new(octets(BoxedMontyForm::new(peer, params).pow(&self.exponent))))
    }
}

impl ModpGroup {
    const fn new(prime: &'static str) -> Self {
        Self { prime, arithmetic: OnceLock::new() }
    }

    fn arithmetic(&self) -> &Arithmetic {
        self.arithmetic.get_or_init(|| Arithmetic::new(self.prime))
    }
}

/// Of one prime: what multiplications modulo it need, and powers of 2.
struct Arithmetic {
    params: BoxedMontyParams,
    /// For each digit of an exponent, the lowest first, 2 to each of its values in its place: a power is one product of
    /// these, without the squarings that take most of the time of others.
    digits: Vec<[BoxedMontyForm; RADIX]>,
}

impl Arithmetic {
    fn new(prime: &str) -> Self {
        let bits = u32::try_from(prime.len() * 4).expect("a prime of some thousand bits");
        let prime = BoxedUint::from_be_hex(prime, bits).expect("the constants below are hexadecimal");
        let params = BoxedMontyParams::new_vartime(Odd::new(prime).expect("a large prime is odd"));
        let two = BoxedUint::from_be_slice(&[2], bits).expect("2 is below any of the primes");
        let mut base = BoxedMontyForm::new(two, &params);
        let digits = (0..ModpKey::EXPONENT_LEN * 2).map(|_| {
            let mut power = BoxedMontyForm::one(&params);
            let values = std::array::from_fn(|_| {
                let next = power.mul(&base);
                std::mem::replace(&mut power, next)
            });
            // To the sixteenth: the digit that is next.
            base = power;
            values
        });
        Self { digits: digits.collect(), params }
    }

    /// 2 to that power.
    fn power_of_two(&self, exponent: &BoxedUint) -> BoxedMontyForm {
        let octets = Zeroizing::new(exponent.to_le_bytes());
        let mut power = BoxedMontyForm::one(&self.params);
        if octets.len() * 2 > self.digits.len() {
            // A recorded one: ours are shorter.
            let two = power.double();
            return two.pow(exponent);
        }
        let digits = octets.iter().flat_map(|octet| [octet & 0xf, octet >> 4]);
        for (digit, values) in digits.zip(&self.digits) {
            // Constant time: all values are read, whichever is wanted.
            let [first, others @ ..] = values;
            let mut factor = first.clone();
            for (value, number) in others.iter().zip(1_u8..) {
                factor.ct_assign(value, number.ct_eq(&digit));
            }
            power *= &factor;
            factor.zeroize();
        }
        power
    }
}

/// As many octets as the prime has.
fn octets(mut number: BoxedMontyForm) -> Box<[u8]> {
    let octets = Zeroizing::new(number.retrieve()).to_be_bytes();
    number.zeroize();
    octets
}

/// Values of a digit of four bits.
const RADIX: usize = 16;

/// 2^768 - 2^704 - 1 + 2^64 * ( [2^638 pi] + 149686 ).
pub(crate) static MODP_768: ModpGroup = ModpGroup::new(
    "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF",
);
/// 2^1024 - 2^960 - 1 + 2^64 * ( [2^894 pi] + 129093 ).
pub(crate) static MODP_1024: ModpGroup = ModpGroup::new(
    "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
);
/// 2^1536 - 2^1472 - 1 + 2^64 * ( [2^1406 pi] + 741804 ).
pub(crate) static MODP_1536: ModpGroup = ModpGroup::new(
    "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
);
/// 2^2048 - 2^1984 - 1 + 2^64 * ( [2^1918 pi] + 124476 ).
pub(crate) static MODP_2048: ModpGroup = ModpGroup::new(
    "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AACAA68FFFFFFFFFFFFFFFF",
);
/// 2^3072 - 2^3008 - 1 + 2^64 * ( [2^2942 pi] + 1690314 ).
pub(crate) static MODP_3072: ModpGroup = ModpGroup::new(
    "\
    FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
    EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
    EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
    83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
    E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
    15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7\
    ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C\
    BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_of_digits_is_the_power() {
        for group in [&MODP_768, &MODP_1024, &MODP_1536, &MODP_2048, &MODP_3072] {
            for exponent in [[0; 32], [1; 32], [0xff; 32], std::array::from_fn(|n| n as u8 ^ 0x5a)] {
                let key = ModpKey::new(group, &exponent);
                let two = BoxedMontyForm::one(&key.group.params).double();
                assert_eq!(key.public(), octets(two.pow(&key.exponent)).to_vec(), "{}", group.prime.len());
            }
        }
    }
}
