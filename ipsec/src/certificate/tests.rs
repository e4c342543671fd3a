//! Certificates that openssl made, against the rules.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};

use super::x509::{Certificate, certificates_of_pkcs7};
use super::*;
use crate::crypto::signature::{Scheme, SigningKey};
use crate::crypto::{Cipher, CipherKey, Digest, Hash, Iv};
use crate::envelope;
use crate::isakmp::iana::{CertificateEncoding, IdType, PayloadType};
use crate::isakmp::{Chain, Id, IdPayload, Message, Payloads};
use crate::proposal::Algorithms;
use crate::vectors::{Vectors, pki};

use std::sync::Arc;
use std::time::Duration;

pub(crate) fn der(name: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pki(name)).expect("a certificate").to_vec()
}

pub(crate) fn signing_key(name: &str) -> SigningKey {
    SigningKey::from_der(&PrivateKeyDer::from_pem_slice(pki(name)).expect("PEM")).expect("a key")
}

/// The server of that name, with an authority and what it revoked.
pub(crate) fn credentials(name: &str) -> Credentials {
    credentials_with(name, "ca.pem")
}

fn credentials_with(name: &str, ca: &str) -> Credentials {
    let (cert, key) = (pki(&format!("{name}.pem")), pki(&format!("{}.key", name.replace("-nameless", ""))));
    let files = CredentialFiles { cert, key, ca: pki(ca), crl: Some(pki("ca.crl")) };
    Credentials::read(files).expect("good credentials")
}

fn id(kind: IdType, data: &[u8]) -> Id {
    IdPayload::parse(&[&[kind.0, 0, 0, 0][..], data].concat()).expect("an ID").to_id()
}

fn subject(name: &str) -> Vec<u8> {
    Certificate::from_der(&der(name)).expect("a certificate").subject().to_vec()
}

/// What a client sends, good unless a test spoils it.
struct Client {
    certificates: Vec<Vec<u8>>,
    identity: Id,
    key: &'static str,
    server: &'static str,
    ca: &'static str,
    hash: Hash,
    policy: Algorithms,
    year: u64,
}

fn run(task: Authenticate, year: u64) -> Result<Believed, Fault> {
    let since_1970 = Duration::from_secs((year - 1970) * 31_557_600);
    task.run(UnixTime::since_unix_epoch(since_1970), &mut ChaCha20Rng::from_seed([1; 32]))
}

impl Client {
    fn with(name: &'static str) -> Self {
        Self {
            certificates: vec![der(name)],
            identity: id(IdType::DER_ASN1_DN, &subject(name)),
            key: "client.key",
            server: "server",
            ca: "ca.pem",
            hash: Hash::Sha1,
            policy: Algorithms::Compatible,
            year: 2026,
        }
    }

    fn digest(&self, of: &[u8]) -> Digest {
        self.hash.digest(&[of])
    }

    fn authenticate(self) -> Result<Believed, Fault> {
        let year = self.year;
        run(self.task(), year)
    }

    fn task(self) -> Authenticate {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let signature = signing_key(self.key).sign(&self.digest(b"HASH_I"), &mut rng).expect("a signature");
        Authenticate {
            credentials: Arc::new(credentials_with(self.server, self.ca)),
            policy: self.policy,
            hash_i: self.digest(b"HASH_I"),
            hash_r: self.digest(b"HASH_R"),
            identity: self.identity,
            certificates: self.certificates,
            signature,
        }
    }

    #[track_caller]
    fn fault(self) -> String {
        self.authenticate().expect_err("a fault").to_string()
    }
}

#[test]
fn a_certificate_of_the_authority_is_believed_and_answered_with_ours() {
    let rsa = Client::with("client.pem");
    let p256 = Client {
        key: "client-p256.key",
        server: "server-p256",
        hash: Hash::Sha256,
        ..Client::with("client-p256.pem")
    };
    let p384 = Client {
        key: "client-p384.key",
        server: "server-p384",
        hash: Hash::Sha384,
        ..Client::with("client-p384.pem")
    };
    for client in [rsa, p256, p384] {
        let (server, hash_r) = (client.server, client.digest(b"HASH_R"));
        let believed = client.authenticate().expect("believed");
        assert_eq!(believed.name, "O=Example,CN=alice");
        let own = Certificate::from_der(&der(&format!("{server}.pem"))).expect("a certificate");
        assert!(own.public_key().expect("a key").verifies(&hash_r, &believed.signature), "{server}");
    }
}

#[test]
fn a_path_may_lead_over_intermediates_that_the_client_sends() {
    let path = Client {
        certificates: vec![der("client-sub.pem"), der("sub.pem")],
        ..Client::with("client-sub.pem")
    };
    assert_eq!(path.authenticate().expect("believed").name, "O=Example,CN=bob");
    let alone = Client::with("client-sub.pem").fault();
    assert!(alone.contains(r#""O=Example,CN=bob" was issued by "O=Example,CN=Devices""#), "{alone}");
    assert!(alone.contains("intermediate certificates"), "{alone}");
}

#[test]
fn each_fault_is_a_sentence_of_its_own() {
    let sha1 = || Client::with("client-sha1.pem");
    let short = || Client { key: "client-short.key", ..Client::with("client-short.pem") };
    let of_a_short_one = || Client { ca: "both-ca.pem", ..Client::with("client-of-short.pem") };
    let mut tampered = der("client.pem");
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    let faults = [
        (Client { certificates: Vec::new(), ..Client::with("client.pem") }, "it sent no certificate"),
        (
            Client { certificates: vec![vec![0x30, 0]], ..Client::with("client.pem") },
            "not an X.509 certificate",
        ),
        (Client::with("client-2021.pem"), r#""O=Example,CN=alice" expired on 2022-01-01T00:00:00Z"#),
        (Client { year: 2019, ..Client::with("client.pem") }, "is valid from 2020-01-01T00:00:00Z on"),
        (Client::with("client-other.pem"), r#""O=Elsewhere,CN=mallory" was issued by "O=Elsewhere,CN=Root""#),
        (
            Client::with("client-impostor.pem"),
            r#"names "O=Example,CN=Root" as its issuer, and the authority of that name did not sign it"#,
        ),
        (
            Client { certificates: vec![tampered], ..Client::with("client.pem") },
            "and the authority of that name did not sign it",
        ),
        (Client::with("client-revoked.pem"), r#""O=Example,CN=carol", or one above it, is revoked"#),
        (Client::with("client-web.pem"), "is for other uses"),
        (Client::with("client-encipher.pem"), "is for other uses"),
        (sha1(), "or set `algorithms: legacy`"),
        (short(), "or set `algorithms: legacy`"),
        (of_a_short_one(), "or set `algorithms: legacy`"),
        (
            Client {
                certificates: vec![der("client-old-sub.pem"), der("old-sub.pem")],
                ..Client::with("client-old-sub.pem")
            },
            r#"a certificate above "O=Example,CN=bob" expired on 2021-01-01T00:00:00Z"#,
        ),
        (Client { key: "server.key", ..Client::with("client.pem") }, "does not verify with certificate"),
        (
            Client { key: "client-p256.key", hash: Hash::Sha256, ..Client::with("client-p256.pem") },
            "not a key for RSA",
        ),
        (
            Client { identity: id(IdType::FQDN, b"bob.example.net"), ..Client::with("client.pem") },
            r#"calls itself "bob.example.net""#,
        ),
        (
            Client {
                identity: id(IdType::DER_ASN1_DN, &subject("client-sub.pem")),
                ..Client::with("client.pem")
            },
            r#"calls itself "O=Example,CN=bob""#,
        ),
        (
            Client { identity: id(IdType::KEY_ID, b"alice"), ..Client::with("client.pem") },
            "neither the subject",
        ),
    ];
    for (client, expected) in faults {
        let fault = client.fault();
        assert!(fault.contains(expected), "{expected}: {fault}");
    }
    for old in [sha1(), short(), of_a_short_one()] {
        assert!(Client { policy: Algorithms::Legacy, ..old }.authenticate().is_ok());
    }
}

#[test]
fn any_name_in_the_certificate_does_and_any_address() {
    for identity in [
        id(IdType::FQDN, b"Alice.example.net"),
        id(IdType::USER_FQDN, b"alice@example.net"),
        id(IdType::IPV4_ADDR, &[192, 168, 12, 118]),
    ] {
        let shown = identity.to_string();
        assert!(Client { identity, ..Client::with("client.pem") }.authenticate().is_ok(), "{shown}");
    }
}

#[test]
fn names_that_strangers_chose_move_no_cursor() {
    assert_eq!(shown("a\x1b[2J\nb\u{202e}"), "a\\u{1b}[2J\\nb\\u{202e}");
    assert_eq!(shown(&"x".repeat(1000)).len(), 120);
}

#[test]
fn our_id_is_the_subject_or_else_the_alternative_name() {
    let named = credentials("server");
    assert_eq!(named.id(), [&[9, 0, 0, 0][..], &subject("server.pem")].concat());
    assert_eq!(named.name(), "O=Example,CN=vpn.example.net");
    let nameless = credentials("server-nameless");
    assert_eq!(nameless.id(), b"\x02\0\0\0vpn.example.net");
    assert_eq!(nameless.name(), "vpn.example.net");
}

#[test]
fn credentials_that_cannot_serve_are_told_apart() {
    let good = CredentialFiles {
        cert: pki("server.pem"),
        key: pki("server.key"),
        ca: pki("ca.pem"),
        crl: Some(pki("ca.crl")),
    };
    let wrong = |files: CredentialFiles<'_>| Credentials::read(files).expect_err("an error");
    assert!(Credentials::read(CredentialFiles { crl: None, ..good }).is_ok());
    let der = der("server.pem");
    assert!(Credentials::read(CredentialFiles { cert: &der, ..good }).is_ok(), "DER");
    let brief = PrivateKeyDer::from_pem_slice(pki("server-p256-sec1.key")).expect("a key");
    let curve = CredentialFiles { cert: pki("server-p256.pem"), key: brief.secret_der(), ..good };
    assert!(Credentials::read(curve).is_ok(), "DER of fewer than 128 octets");
    assert!(matches!(wrong(CredentialFiles { cert: b"", ..good }), CredentialsError::Cert(_)));
    assert!(matches!(wrong(CredentialFiles { cert: pki("server.key"), ..good }), CredentialsError::Cert(_)));
    assert!(matches!(wrong(CredentialFiles { key: pki("server.pem"), ..good }), CredentialsError::Key(_)));
    let others = wrong(CredentialFiles { key: pki("client.key"), ..good });
    assert_eq!(others, CredentialsError::Key("the private key of another certificate"));
    assert!(matches!(wrong(CredentialFiles { ca: b"-----BEGIN", ..good }), CredentialsError::Ca(_)));
    assert!(matches!(wrong(CredentialFiles { crl: Some(pki("ca.pem")), ..good }), CredentialsError::Crl(_)));
    assert_eq!(format!("{:?}", credentials("server")), r#"Credentials("O=Example,CN=vpn.example.net", …)"#);
}

#[test]
fn certificates_come_one_by_one_or_in_a_bundle() {
    let (own, above) = (der("client-sub.pem"), der("sub.pem"));
    let bundle = pki("client-sub.p7");
    let mut in_bundle = certificates_of_pkcs7(bundle).expect("a bundle");
    in_bundle.sort();
    let mut both = vec![own.clone(), above];
    both.sort();
    assert_eq!(in_bundle, both);
    for len in 0..bundle.len() {
        assert_eq!(certificates_of_pkcs7(&bundle[..len]), None, "cut at {len}");
    }

    let mut chain = Chain::default();
    chain.push(PayloadType::CERTIFICATE, &payload::certificate(&own));
    chain.push(PayloadType::CERTIFICATE, &[]);
    chain.push(PayloadType::CERTIFICATE, &[7, 1, 2, 3]);
    chain.push(PayloadType::CERTIFICATE, &[&[CertificateEncoding::PKCS7.0], bundle].concat());
    let payloads = Payloads::parse(chain.first(), chain.as_bytes()).expect("payloads");
    let sent = payload::certificates(&payloads);
    assert_eq!((sent.len(), &sent[0]), (3, &own));
    assert_eq!(payload::request(b"DN"), b"\x04DN");
    let mut many = Chain::default();
    for _ in 0..20 {
        many.push(PayloadType::CERTIFICATE, &payload::certificate(&own));
    }
    let payloads = Payloads::parse(many.first(), many.as_bytes()).expect("payloads");
    assert_eq!(payload::certificates(&payloads).len(), 8);
}

/// In a bundle the client's certificate may stand anywhere.
#[test]
fn the_clients_certificate_is_found_by_what_it_issued() {
    for names in [["client-sub.pem", "sub.pem"], ["sub.pem", "client-sub.pem"]] {
        let client = Client { certificates: names.map(der).into(), ..Client::with("client-sub.pem") };
        assert_eq!(client.authenticate().expect("believed").name, "O=Example,CN=bob");
    }
}

#[test]
fn a_scheme_is_of_its_key() {
    for (name, scheme) in [
        ("client.pem", Scheme::Rsa),
        ("client-p256.pem", Scheme::EcdsaP256),
        ("client-p384.pem", Scheme::EcdsaP384),
    ] {
        let certificate = Certificate::from_der(&der(name)).expect("a certificate");
        assert_eq!(certificate.public_key().expect("a key").scheme, scheme);
    }
}

/// Messages 5 and 6 between Openswan and a Juniper SRX: a certificate each, and a signature over the bare hash, MD5's 16 octets.
#[test]
fn openswan_and_juniper_sign_the_bare_hash_too() {
    let vectors = Vectors::of(include_str!("../../../tests/vectors/ike-captures.txt"));
    let body_of = |name: &str, kind| {
        let message = Message::parse(vectors.get(name)).expect("a message");
        message.payloads().expect("payloads").require(kind).expect("the payload").to_vec()
    };
    let publics = ["certs3", "certs4"].map(|name| body_of(name, PayloadType::KEY_EXCHANGE));
    let requests = body_of("certs4", PayloadType::CERTIFICATE_REQUEST);
    assert_eq!(
        name_of(&requests[1..]).expect("an authority"),
        "CN=SchendlZertifikate,DC=geblergasse95,DC=at".to_string()
    );
    let key = CipherKey::new(Cipher::TripleDes, vectors.get("certs_key")).expect("a key");
    let mut iv = Iv::new(Cipher::TripleDes, &Hash::Md5.digest(&[&publics[0], &publics[1]]));
    for (name, subject, bits) in [
        ("certs5", "CN=OpenSwan,OU=Lab,O=Juniper,L=Wien,ST=Wien,C=AT", 1024),
        ("certs6", "CN=srx210-3,OU=Lab,O=Juniper,L=Wien,ST=Wien,C=AT", 2048),
    ] {
        let message = Message::parse(vectors.get(name)).expect("a message");
        let text = envelope::open(&key, &mut iv, message.body).expect("whole blocks");
        let payloads = Payloads::parse(message.header.next_payload, &text).expect("payloads");
        let sent = payload::certificates(&payloads);
        let certificate = Certificate::from_der(&sent[0]).expect("a certificate");
        assert_eq!((sent.len(), certificate.name().as_str()), (1, subject));
        let public = certificate.public_key().expect("a key");
        let signature = payloads.require(PayloadType::SIGNATURE).expect("a signature");
        assert_eq!((public.scheme, signature.len() * 8), (Scheme::Rsa, bits));
        let encoded = rsa_public(public.octets, signature);
        let (padding, hash) = encoded.split_at(encoded.len() - 16);
        assert!(padding.starts_with(&[0, 1, 0xff]) && padding.ends_with(&[0xff, 0]), "{name}: {encoded:x?}");
        assert_eq!(padding.iter().filter(|octet| **octet == 0xff).count(), padding.len() - 3, "{hash:x?}");
    }
}

/// `s^e mod n`.
fn rsa_public(key: &[u8], signature: &[u8]) -> Vec<u8> {
    let key = rsa::PublicKey::from_pkcs1_der(key).expect("a key");
    let modulus = Odd::new(key.n().as_ref().clone()).expect("odd");
    let number =
        BoxedUint::from_be_slice(signature, modulus.bits_precision()).expect("as long as the modulus");
    let params = BoxedMontyParams::new_vartime(modulus);
    BoxedMontyForm::new(number, &params).pow(key.e()).retrieve().to_be_bytes().to_vec()
}

/// Among many of one name webpki would try every order.
#[test]
fn of_certificates_above_with_one_name_only_one_is_looked_at() {
    let many =
        [vec![der("client-sub.pem"), der("sub.pem")], vec![der("old-sub.pem"); 3], vec![der("sub.pem"); 3]];
    let client = Client { certificates: many.concat(), ..Client::with("client-sub.pem") };
    let authenticate = client.task();
    assert_eq!(authenticate.own_and_above().expect("certificates").1.len(), 2);
    assert!(run(authenticate, 2026).is_ok());
}

/// A list that its authority did not sign says nothing about who is revoked, so it lets nobody in, and is itself named.
#[test]
fn a_forged_revocation_list_is_the_fault_of_the_list() {
    let mut list = CertificateRevocationListDer::from_pem_slice(pki("ca.crl")).expect("a list").to_vec();
    *list.last_mut().expect("octets") ^= 1;
    let files = CredentialFiles {
        cert: pki("server.pem"),
        key: pki("server.key"),
        ca: pki("ca.pem"),
        crl: Some(&list),
    };
    let forged = Arc::new(Credentials::read(files).expect("it can be read"));
    let authenticate = Authenticate { credentials: forged, ..Client::with("client.pem").task() };
    let fault = run(authenticate, 2026).expect_err("a fault").to_string();
    assert!(fault.contains("a list in `ipsec.certificate.crl` cannot be believed"), "{fault}");
}

#[test]
fn what_devices_may_stumble_over_is_warned_about() {
    assert!(credentials("server").warnings().is_empty());
    let many = pki("ca.pem").repeat(9);
    let files =
        CredentialFiles { cert: pki("client-short.pem"), key: pki("client-short.key"), ca: &many, crl: None };
    let warnings = Credentials::read(files).expect("good credentials").warnings();
    assert!(
        warnings[0].contains("fewer than 2048 bits") && warnings[1].contains("more than 8"),
        "{warnings:?}"
    );
}
