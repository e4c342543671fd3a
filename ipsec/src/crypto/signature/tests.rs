use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rustls_pki_types::pem::PemObject;

use super::*;
use crate::vectors::{octets, pki};

fn key(name: &str) -> SigningKey {
    let der = PrivateKeyDer::from_pem_slice(pki(name)).expect("PEM");
    SigningKey::from_der(&der).expect("a key")
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

/// RFC 4754 §8.1 and §8.2: the signature of "abc", the hash of which is not hashed again.
#[test]
fn ecdsa_verifies_the_vectors_of_its_rfc() {
    let vectors = [
        (
            Scheme::EcdsaP256,
            Hash::Sha256,
            "042442a5cc0ecd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e970\
             6fc98bd7e50211a4a27102fa3549df79ebcb4bf246b80945cddfe7d509bbfd7d",
            "cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c\
             86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315",
        ),
        (
            Scheme::EcdsaP384,
            Hash::Sha384,
            "0496281bf8dd5e0525ca049c048d345d3082968d10fedf5c5aca0c64e6465a97ea\
             5ce10c9dfec21797415710721f437922447688ba94708eb6e2e4d59f6ab6d7ed\
             ff9301d249fe49c33096655f5d502fad3d383b91c5e7edaa2b714cc99d5743ca",
            "fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e\
             08e07c9c63f2d21a07dcb56a6af56eb3b263a1305e057f984d38726a1b468741\
             09f417bca112674c528262a40a629af1cbb9f516ce0fa7d2ff630863a00e8b9f",
        ),
    ];
    for (scheme, hash, public, signature) in vectors {
        let (public, mut signature) = (octets(public), octets(signature));
        let key = PublicKey { scheme, octets: &public };
        assert!(key.verifies(&hash.digest(&[b"abc"]), &signature), "{scheme}");
        assert!(!key.verifies(&hash.digest(&[b"abd"]), &signature), "{scheme}");
        assert!(
            !key.verifies(&Hash::Sha1.digest(&[b"abc"]), &signature),
            "{scheme}: a hash of another length"
        );
        *signature.last_mut().expect("octets") ^= 1;
        assert!(!key.verifies(&hash.digest(&[b"abc"]), &signature), "{scheme}");
    }
}

/// PKCS #1 version 1.5 is deterministic, so ours and that of openssl's `pkeyutl` are one.
#[test]
fn rsa_signs_the_bare_hash_as_openssl_does() {
    let key = key("server.key");
    let hash = Hash::Sha1.digest(&[b"abc"]);
    let signature = key.sign(&hash, &mut rng()).expect("a signature");
    assert_eq!(signature, pki("server-abc-sha1.signature"));
    let public = key.public();
    let public = PublicKey { scheme: Scheme::Rsa, octets: &public };
    assert!(public.verifies(&hash, &signature));
    assert!(!public.verifies(&Hash::Sha1.digest(&[b"abd"]), &signature));
    assert!(!public.verifies(&hash, &signature[1..]));
}

#[test]
fn every_form_of_a_key_is_read_and_signs() {
    for (name, scheme, hash) in [
        ("server.key", Scheme::Rsa, Hash::Md5),
        ("server-pkcs1.key", Scheme::Rsa, Hash::Sha512),
        ("server-p256.key", Scheme::EcdsaP256, Hash::Sha256),
        ("server-p256-sec1.key", Scheme::EcdsaP256, Hash::Sha256),
        ("server-p384.key", Scheme::EcdsaP384, Hash::Sha384),
    ] {
        let key = key(name);
        assert_eq!(key.scheme(), scheme, "{name}");
        let hash = hash.digest(&[b"abc"]);
        let signature = key.sign(&hash, &mut rng()).expect("a signature");
        let public = key.public();
        assert!(PublicKey { scheme, octets: &public }.verifies(&hash, &signature), "{name}");
        assert_eq!(format!("{key:?}"), format!("SigningKey({scheme}, …)"));
    }
}

#[test]
fn what_is_no_key_verifies_nothing() {
    let hash = Hash::Sha256.digest(&[b"abc"]);
    for scheme in [Scheme::Rsa, Scheme::EcdsaP256, Scheme::EcdsaP384] {
        for octets in [&[][..], &[4], &[0x30, 0x82, 0xff, 0xff], &[4; 65]] {
            assert!(!PublicKey { scheme, octets }.verifies(&hash, &[1; 64]), "{scheme}");
        }
    }
}
