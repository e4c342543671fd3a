//! Diffie-Hellman groups: MODP by RFC 2409 §6 and RFC 3526, ECP by RFC 5903.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, Uint};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

/// A group, by its number in the IANA registry "Group Description".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// 768 bits, group 1.
    Modp768,
    /// 1024 bits, group 2.
    Modp1024,
    /// 1536 bits, group 5.
    Modp1536,
    /// 2048 bits, group 14.
    Modp2048,
    /// 3072 bits, group 15.
    Modp3072,
    /// P-256, group 19.
    Ecp256,
    /// P-384, group 20.
    Ecp384,
}

impl Group {
    /// The group's number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Modp768 => 1,
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
        }
    }

    /// Bytes of a public value: the prime's length for MODP (left-padded with zeros, RFC 2409 §5), both
    /// coordinates for ECP (RFC 5903 §7).
    pub(crate) fn public_len(self) -> usize {
        match self {
            Self::Modp768 => 96,
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
        }
    }
}

/// One side's secret of one exchange, with the public value that goes out.
pub(crate) struct KeyPair {
    group: Group,
    secret: Secret,
    public: Vec<u8>,
}

enum Secret {
    /// 256 bits, as RFC 3526 §8 asks for the strengths used here.
    Exponent(Uint<EXPONENT_LIMBS>),
    Scalar(Box<PrivateKey>),
}

impl KeyPair {
    pub(crate) fn generate(group: Group, rng: &mut ChaCha20Rng) -> Self {
        match group {
            Group::Ecp256 => Self::curve(group, &agreement::ECDH_P256, 32, rng),
            Group::Ecp384 => Self::curve(group, &agreement::ECDH_P384, 48, rng),
            _ => {
                let mut bytes = [0; 32];
                rng.fill_bytes(&mut bytes);
                let exponent = Uint::from_be_slice(&bytes);
                let public = power(group, None, &exponent);
                Self { group, secret: Secret::Exponent(exponent), public }
            }
        }
    }

    fn curve(
        group: Group,
        algorithm: &'static agreement::Algorithm,
        length: usize,
        rng: &mut ChaCha20Rng,
    ) -> Self {
        loop {
            let mut scalar = vec![0; length];
            rng.fill_bytes(&mut scalar);
            // A scalar of zero or beyond the order is refused; the next draw is as good.
            let Ok(key) = PrivateKey::from_private_key(algorithm, &scalar) else { continue };
            let Ok(public) = key.compute_public_key() else { continue };
            // SEC1 uncompressed: 0x04, then X and Y, which alone go on the wire.
            let Some((_, coordinates)) = public.as_ref().split_first() else { continue };
            let public = coordinates.to_vec();
            return Self { group, secret: Secret::Scalar(Box::new(key)), public };
        }
    }

    pub(crate) fn group(&self) -> Group {
        self.group
    }

    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret g^xy, or `None` for a public value that is none of this group's.
    pub(crate) fn agree(&self, peer: &[u8]) -> Option<Vec<u8>> {
        if peer.len() != self.group.public_len() {
            return None;
        }
        match &self.secret {
            Secret::Exponent(exponent) => {
                let degenerate = peer.iter().rev().skip(1).all(|byte| *byte == 0) && peer.last() <= Some(&1);
                (!degenerate).then(|| power(self.group, Some(peer), exponent))
            }
            Secret::Scalar(key) => {
                let point = [&[4], peer].concat();
                let peer = UnparsedPublicKey::new(key.algorithm(), point);
                // RFC 5903 §9: the shared secret is the x coordinate alone.
                agreement::agree(key.as_ref(), peer, (), |secret| Ok(secret.to_vec())).ok()
            }
        }
    }
}

const EXPONENT_LIMBS: usize = 256 / crypto_bigint::Limb::BITS as usize;

/// `base` (2 when `None`) to the power of `exponent`, as long as the prime.
fn power(group: Group, base: Option<&[u8]>, exponent: &Uint<EXPONENT_LIMBS>) -> Vec<u8> {
    match group {
        Group::Modp768 => modular_power::<{ limbs(768) }>(MODP_768, base, exponent),
        Group::Modp1024 => modular_power::<{ limbs(1024) }>(MODP_1024, base, exponent),
        Group::Modp1536 => modular_power::<{ limbs(1536) }>(MODP_1536, base, exponent),
        Group::Modp2048 => modular_power::<{ limbs(2048) }>(MODP_2048, base, exponent),
        Group::Modp3072 => modular_power::<{ limbs(3072) }>(MODP_3072, base, exponent),
        Group::Ecp256 | Group::Ecp384 => Vec::new(),
    }
}

const fn limbs(bits: usize) -> usize {
    bits / crypto_bigint::Limb::BITS as usize
}

fn modular_power<const LIMBS: usize>(
    prime: &str,
    base: Option<&[u8]>,
    exponent: &Uint<EXPONENT_LIMBS>,
) -> Vec<u8> {
    let prime = Odd::new(Uint::<LIMBS>::from_be_hex(prime)).expect("the primes are odd");
    let base = base.map_or(Uint::from_u8(2), Uint::from_be_slice);
    let form = FixedMontyForm::new(&base, &FixedMontyParams::new_vartime(prime));
    let value = form.pow(exponent).retrieve();
    value.to_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}

const MODP_768: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6\
F44C42E9A63A3620FFFFFFFFFFFFFFFF";
const MODP_1024: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6\
F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";
const MODP_1536: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6\
F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804\
F1746C08CA237327FFFFFFFFFFFFFFFF";
const MODP_2048: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6\
F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804\
F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF";
const MODP_3072: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6\
F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804\
F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A\
8AEA71575D060C7DB3970F85A6E1E4C7ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864\
D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E\
4B82D120A93AD2CAFFFFFFFFFFFFFFFF";

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng as _;

    const MODP: [Group; 5] =
        [Group::Modp768, Group::Modp1024, Group::Modp1536, Group::Modp2048, Group::Modp3072];

    #[test]
    fn both_sides_agree() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for group in MODP.into_iter().chain([Group::Ecp256, Group::Ecp384]) {
            let ours = KeyPair::generate(group, &mut rng);
            let theirs = KeyPair::generate(group, &mut rng);
            assert_eq!(ours.public().len(), group.public_len(), "{group:?}");
            let secret = ours.agree(theirs.public()).unwrap();
            assert_eq!(secret, theirs.agree(ours.public()).unwrap(), "{group:?}");
            let half = matches!(group, Group::Ecp256 | Group::Ecp384);
            assert_eq!(secret.len(), group.public_len() / if half { 2 } else { 1 });
        }
    }

    /// A mistyped digit would make the modulus composite: 2 is a Fermat witness for p and for (p-1)/2.
    #[test]
    fn primes_are_safe_primes() {
        fn check<const LIMBS: usize>(hex: &str) {
            let prime = Uint::<LIMBS>::from_be_hex(hex);
            let half = prime >> 1;
            for number in [prime, half] {
                let params = FixedMontyParams::new_vartime(Odd::new(number).unwrap());
                let two = FixedMontyForm::new(&Uint::from_u8(2), &params);
                let exponent = number.wrapping_sub(&Uint::ONE);
                assert_eq!(two.pow_vartime(&exponent).retrieve(), Uint::ONE);
            }
        }
        check::<{ limbs(768) }>(MODP_768);
        check::<{ limbs(1024) }>(MODP_1024);
        check::<{ limbs(1536) }>(MODP_1536);
        check::<{ limbs(2048) }>(MODP_2048);
        check::<{ limbs(3072) }>(MODP_3072);
    }

    #[test]
    fn foreign_values_are_refused() {
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let key = KeyPair::generate(Group::Modp1024, &mut rng);
        assert!(key.agree(&[0; 128]).is_none());
        assert!(key.agree(&[1; 127]).is_none());
        let key = KeyPair::generate(Group::Ecp256, &mut rng);
        assert!(key.agree(&[5; 64]).is_none(), "not on the curve");
    }
}
