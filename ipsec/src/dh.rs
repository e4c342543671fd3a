//! Diffie-Hellman groups: RFC 2409 §6, RFC 3526, RFC 5903.
//!
//! Everything here is long arithmetic: it belongs into a job, not between packets.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::crypto::{
    ecp::{self, EcpKey},
    modp::{self, ModpKey},
};

/// A negotiable group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Group 1, RFC 2409 §6.1.
    Modp768,
    /// Group 2, RFC 2409 §6.2.
    Modp1024,
    /// Group 5, RFC 3526 §2.
    Modp1536,
    /// Group 14, RFC 3526 §3.
    Modp2048,
    /// Group 15, RFC 3526 §4.
    Modp3072,
    /// Group 19, RFC 5903 §3.1.
    Ecp256,
    /// Group 20, RFC 5903 §3.2.
    Ecp384,
}

impl Group {
    /// Every group, weakest first.
    pub const ALL: [Self; 7] = [
        Self::Modp768,
        Self::Modp1024,
        Self::Modp1536,
        Self::Modp2048,
        Self::Modp3072,
        Self::Ecp256,
        Self::Ecp384,
    ];

    /// The number in a Group Description attribute, RFC 2409 App. A.
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

    /// The group of that number, if it is one of ours.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.number() == number)
    }

    /// Octets of a Key Exchange payload's body. Shorter values are padded with zeros in front, RFC 2409 §5.
    pub fn public_len(self) -> usize {
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

    /// The size of a symmetric key that takes as long to find, NIST SP 800-57 part 1 table 2 (RFC 3526 §8 for MODP-1536).
    pub fn strength_bits(self) -> u16 {
        match self {
            Self::Modp768 => 64,
            Self::Modp1024 => 80,
            Self::Modp1536 => 90,
            Self::Modp2048 => 112,
            Self::Modp3072 | Self::Ecp256 => 128,
            Self::Ecp384 => 192,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Modp768 => "MODP-768",
            Self::Modp1024 => "MODP-1024",
            Self::Modp1536 => "MODP-1536",
            Self::Modp2048 => "MODP-2048",
            Self::Modp3072 => "MODP-3072",
            Self::Ecp256 => "ECP-256",
            Self::Ecp384 => "ECP-384",
        })
    }
}

/// The peer's public value is not one of the group: of another length, or of a subgroup that gives the secret away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPublicValue;

/// `g^xy`, RFC 2409 §5, as many octets as the group's elements have; zeroed on drop.
#[derive(Clone)]
pub(crate) struct SharedSecret(Zeroizing<Vec<u8>>);

impl SharedSecret {
    pub(crate) fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets, for a key derivation.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Our half of an exchange: a private value and the group that it is for.
pub(crate) struct PrivateKey {
    group: Group,
    value: Value,
}

enum Value {
    Modp(ModpKey),
    Ecp(EcpKey),
}

impl PrivateKey {
    /// Draws a private value.
    pub(crate) fn generate(group: Group, rng: &mut impl CryptoRng) -> Self {
        let value = match group {
            Group::Modp768 => Value::Modp(ModpKey::generate(&modp::MODP_768, rng)),
            Group::Modp1024 => Value::Modp(ModpKey::generate(&modp::MODP_1024, rng)),
            Group::Modp1536 => Value::Modp(ModpKey::generate(&modp::MODP_1536, rng)),
            Group::Modp2048 => Value::Modp(ModpKey::generate(&modp::MODP_2048, rng)),
            Group::Modp3072 => Value::Modp(ModpKey::generate(&modp::MODP_3072, rng)),
            Group::Ecp256 => Value::Ecp(EcpKey::generate(ecp::P256, 32, rng)),
            Group::Ecp384 => Value::Ecp(EcpKey::generate(ecp::P384, 48, rng)),
        };
        Self { group, value }
    }

    /// The body of our Key Exchange payload.
    pub(crate) fn public(&self) -> Vec<u8> {
        match &self.value {
            Value::Modp(key) => key.public(),
            Value::Ecp(key) => key.public(),
        }
    }

    /// What only the two of us know, from the body of the peer's Key Exchange payload.
    pub(crate) fn shared(&self, peer_public: &[u8]) -> Result<SharedSecret, BadPublicValue> {
        if peer_public.len() != self.group.public_len() {
            return Err(BadPublicValue);
        }
        match &self.value {
            Value::Modp(key) => key.shared(peer_public),
            Value::Ecp(key) => key.shared(peer_public),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::vectors::{COMPUTED, Vectors, octets};

    fn rng(seed: u8) -> ChaCha20Rng {
        ChaCha20Rng::from_seed([seed; 32])
    }

    const MODP: [(Group, &modp::ModpGroup); 5] = [
        (Group::Modp768, &modp::MODP_768),
        (Group::Modp1024, &modp::MODP_1024),
        (Group::Modp1536, &modp::MODP_1536),
        (Group::Modp2048, &modp::MODP_2048),
        (Group::Modp3072, &modp::MODP_3072),
    ];

    #[test]
    fn modp_is_what_python_computes() {
        let vectors = Vectors::of(COMPUTED);
        for (group, modp) in MODP {
            let get = |name: &str| vectors.get(&format!("modp.{}.{name}", group.public_len() * 8));
            assert_eq!(get("prime"), octets(modp.prime), "{group}");
            let key = PrivateKey { group, value: Value::Modp(ModpKey::new(modp, get("private"))) };
            assert_eq!(key.public(), get("public"), "{group}");
            assert_eq!(key.shared(get("peer")).unwrap().as_bytes(), get("shared"), "{group}");
        }
    }

    /// RFC 5903 §8.1 and §8.2: (private, public) of either side, and the shared secret.
    #[test]
    fn ecp_is_what_rfc_5903_says() {
        let curves = [
            (
                Group::Ecp256,
                ecp::P256,
                "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
                "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180\
                 5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
                "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
                "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63\
                 56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
                "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
            ),
            (
                Group::Ecp384,
                ecp::P384,
                "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
                "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA\
                 9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
                "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
                "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571\
                 DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
                "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746",
            ),
        ];
        for (group, curve, i, gi, r, gr, gir) in curves {
            let key = |scalar| PrivateKey {
                group,
                value: Value::Ecp(EcpKey::new(curve, &octets(scalar)).unwrap()),
            };
            assert_eq!(key(i).public(), octets(gi), "{group}");
            assert_eq!(key(r).public(), octets(gr), "{group}");
            assert_eq!(key(i).shared(&octets(gr)).unwrap().as_bytes(), octets(gir), "{group}");
            assert_eq!(key(r).shared(&octets(gi)).unwrap().as_bytes(), octets(gir), "{group}");
        }
    }

    #[test]
    fn both_sides_agree_and_a_seed_gives_one_key() {
        for group in Group::ALL {
            let (ours, theirs) =
                (PrivateKey::generate(group, &mut rng(1)), PrivateKey::generate(group, &mut rng(2)));
            assert_eq!(ours.public().len(), group.public_len(), "{group}");
            assert_eq!(ours.public(), PrivateKey::generate(group, &mut rng(1)).public(), "{group}");
            assert_ne!(ours.public(), theirs.public(), "{group}");
            let shared = ours.shared(&theirs.public()).unwrap();
            assert_eq!(shared.as_bytes(), theirs.shared(&ours.public()).unwrap().as_bytes(), "{group}");
        }
    }

    #[test]
    fn every_prefix_and_every_longer_value_is_refused() {
        for group in Group::ALL {
            let key = PrivateKey::generate(group, &mut rng(3));
            let mut public = PrivateKey::generate(group, &mut rng(4)).public();
            for len in 0..public.len() {
                assert_eq!(key.shared(&public[..len]).err(), Some(BadPublicValue), "{group} {len}");
            }
            public.push(0);
            assert_eq!(key.shared(&public).err(), Some(BadPublicValue), "{group}");
        }
    }

    #[test]
    fn modp_values_that_give_the_secret_away_are_refused() {
        for (group, modp) in MODP {
            let key = PrivateKey::generate(group, &mut rng(5));
            let prime = octets(modp.prime);
            let beside = |difference: i8| {
                let mut value = prime.clone();
                let last = value.last_mut().unwrap();
                *last = last.saturating_add_signed(difference);
                value
            };
            let small = |number: u8| {
                let mut value = vec![0; group.public_len()];
                *value.last_mut().unwrap() = number;
                value
            };
            for bad in [small(0), small(1), beside(-1), prime.clone(), vec![0xff; group.public_len()]] {
                assert_eq!(key.shared(&bad).err(), Some(BadPublicValue), "{group}");
            }
            // The nearest good ones, so that the line is where it belongs.
            assert!(key.shared(&small(2)).is_ok() && key.shared(&beside(-2)).is_ok(), "{group}");
        }
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        for group in [Group::Ecp256, Group::Ecp384] {
            let key = PrivateKey::generate(group, &mut rng(6));
            let public = PrivateKey::generate(group, &mut rng(7)).public();
            assert!(key.shared(&vec![0; group.public_len()]).is_err(), "{group}");
            assert!(key.shared(&vec![0xff; group.public_len()]).is_err(), "{group}");
            for place in 0..public.len() {
                let mut moved = public.clone();
                moved[place] ^= 1;
                assert!(key.shared(&moved).is_err(), "{group} {place}");
            }
        }
    }

    #[test]
    fn numbers_name_groups() {
        for group in Group::ALL {
            assert_eq!(Group::from_number(group.number()), Some(group));
        }
        assert_eq!(Group::from_number(3), None);
    }

    #[test]
    fn keys_can_be_made_on_another_thread() {
        fn is_send<T: Send>() {}
        is_send::<PrivateKey>();
        is_send::<SharedSecret>();
    }
}
