//! Signatures over HASH_I and HASH_R: RFC 2409 §5.1 for RSA, RFC 4754 for ECDSA.
//!
//! Both sign the hash as it is, without hashing it again:
//!
//! - RSA as PKCS #1 encrypts with a private key, that is without the name of the hash function that PKCS #1 puts in front
//!   of a hash it signs;
//! - ECDSA over a HASH_I made by HMAC of the curve's own hash function, whichever was negotiated.

use std::fmt;

use aws_lc_rs::digest::{self, Digest as Imported};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm,
    KeyPair, UnparsedPublicKey,
};
use rand_core::CryptoRng;
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPublicKey};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts as _;
use rustls_pki_types::PrivateKeyDer;

use super::{Digest, Hash};

/// What kind of key signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scheme {
    /// RSA of any length.
    Rsa,
    /// ECDSA on P-256, with SHA2-256.
    EcdsaP256,
    /// ECDSA on P-384, with SHA2-384.
    EcdsaP384,
}

impl Scheme {
    /// The hash function that HASH_I and HASH_R are made with, if the kind of key decides that.
    pub(crate) fn hash(self) -> Option<Hash> {
        match self {
            Self::Rsa => None,
            Self::EcdsaP256 => Some(Hash::Sha256),
            Self::EcdsaP384 => Some(Hash::Sha384),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
        })
    }
}

/// A private key. The libraries zero it when it is dropped.
pub(crate) enum SigningKey {
    Rsa(Box<rsa::PrivateKey>),
    Ecdsa(Curve, EcdsaKeyPair),
}

impl SigningKey {
    /// Reads a key in any of the forms that tools write: PKCS #8, PKCS #1 for RSA, SEC 1 for curves.
    pub(crate) fn from_der(der: &PrivateKeyDer<'_>) -> Option<Self> {
        let rsa = match der {
            PrivateKeyDer::Pkcs1(der) => rsa::PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok(),
            PrivateKeyDer::Pkcs8(der) => rsa::PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).ok(),
            _ => None,
        };
        if let Some(key) = rsa {
            return Some(Self::Rsa(Box::new(key)));
        }
        [Curve::P256, Curve::P384].into_iter().find_map(|curve| {
            let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), der.secret_der()).ok()?;
            Some(Self::Ecdsa(curve, pair))
        })
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self {
            Self::Rsa(_) => Scheme::Rsa,
            Self::Ecdsa(Curve::P256, _) => Scheme::EcdsaP256,
            Self::Ecdsa(Curve::P384, _) => Scheme::EcdsaP384,
        }
    }

    /// The public half as a certificate has it.
    pub(crate) fn public(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                key.as_public_key().to_pkcs1_der().map(|der| der.as_bytes().to_vec()).unwrap_or_default()
            }
            Self::Ecdsa(_, pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// Signs a hash. `None` if the key is too short for it. The randomness blinds the arithmetic of RSA, so that its time
    /// tells nothing.
    pub(crate) fn sign(&self, hash: &Digest, rng: &mut impl CryptoRng) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => key.sign_with_rng(rng, Pkcs1v15Sign::new_unprefixed(), hash).ok(),
            Self::Ecdsa(curve, pair) => Some(pair.sign_digest(&curve.import(hash)?).ok()?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.scheme())
    }
}

/// A public key as a certificate has it, RFC 3279 §2.3: an RSAPublicKey, or an uncompressed point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKey<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) octets: &'a [u8],
}

impl PublicKey<'_> {
    /// An RSA key that can be broken: fewer than 2048 bits, NIST SP 800-131A.
    pub(crate) fn is_short(self) -> bool {
        self.scheme == Scheme::Rsa
            && rsa::PublicKey::from_pkcs1_der(self.octets).is_ok_and(|key| key.n().bit_width() < 2048)
    }

    /// Whether the signature of a hash is by the owner of this key.
    pub(crate) fn verifies(self, hash: &Digest, signature: &[u8]) -> bool {
        let curve = match self.scheme {
            Scheme::Rsa => {
                let key = rsa::PublicKey::from_pkcs1_der(self.octets);
                let scheme = Pkcs1v15Sign::new_unprefixed();
                return key.is_ok_and(|key| key.verify(scheme, hash, signature).is_ok());
            }
            Scheme::EcdsaP256 => Curve::P256,
            Scheme::EcdsaP384 => Curve::P384,
        };
        let key = UnparsedPublicKey::new(curve.verification(), self.octets);
        curve.import(hash).is_some_and(|hash| key.verify_digest(&hash, signature).is_ok())
    }
}

/// A curve, RFC 4754 §7: a signature is r and s, each as long as the curve's order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        }
    }

    fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
        }
    }

    /// The hash as the library's own, if it is of the curve's length.
    fn import(self, hash: &Digest) -> Option<Imported> {
        let function = match self {
            Self::P256 => &digest::SHA256,
            Self::P384 => &digest::SHA384,
        };
        Imported::import_less_safe(hash, function).ok()
    }
}

#[cfg(test)]
mod tests;
