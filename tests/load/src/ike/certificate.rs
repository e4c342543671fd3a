//! Authentication by certificate, RFC 2409 §5.1, with RSA: what a device shows, and what it wants to see of the server.

use std::fmt;

use anyhow::Context as _;
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use x509_cert::der::{Decode as _, Encode as _};

use crate::isakmp::{Payload, Received, payload};

/// A device's certificate and key, and the server's certificate, which it has been given too.
#[derive(Clone)]
pub struct Certificate {
    own: Vec<u8>,
    subject: Vec<u8>,
    key: rsa::PrivateKey,
    server: Vec<u8>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(…)")
    }
}

impl Certificate {
    /// Reads PEM; the key is PKCS #8.
    pub fn from_pem(own: &[u8], key: &[u8], server: &[u8]) -> anyhow::Result<Self> {
        let own = CertificateDer::from_pem_slice(own)?.to_vec();
        let server = CertificateDer::from_pem_slice(server)?.to_vec();
        let key = PrivatePkcs8KeyDer::from_pem_slice(key)?;
        let key = rsa::PrivateKey::from_pkcs8_der(key.secret_pkcs8_der()).context("no RSA key")?;
        let subject = subject_of(&own).context("no certificate")?;
        Ok(Self { own, subject, key, server })
    }

    /// ID_DER_ASN1_DN, without protocol and port.
    pub(super) fn identity(&self) -> Vec<u8> {
        [&[DER_ASN1_DN, 0, 0, 0][..], &self.subject].concat()
    }

    /// CERT and SIG.
    pub(super) fn payloads(&self, hash: &[u8]) -> [Payload; 2] {
        let signature = self.key.sign(Pkcs1v15Sign::new_unprefixed(), hash).expect("2048 bits hold any hash");
        let certificate = [&[X509_SIGNATURE][..], &self.own].concat();
        [Payload(payload::CERTIFICATE, certificate), Payload(payload::SIGNATURE, signature)]
    }

    /// Whether message 6 is of the server: its certificate, the subject of that as identity, octet by octet, and its signature.
    /// racoon reads the first CERT only, and drops a message with any payload that it does not expect.
    pub(super) fn check(&self, payloads: &[Received<'_>], hash: &[u8]) -> Result<(), String> {
        let allowed = [
            payload::ID,
            payload::CERTIFICATE,
            payload::SIGNATURE,
            payload::VENDOR_ID,
            payload::NOTIFICATION,
        ];
        if let Some(stray) = payloads.iter().find(|payload| !allowed.contains(&payload.kind)) {
            return Err(format!("message 6 brings payload {}: racoon drops it", stray.kind));
        }
        let first = |kind| payloads.iter().find(|payload| payload.kind == kind).map(|payload| payload.body);
        let sent = first(payload::CERTIFICATE).and_then(|body| body.strip_prefix(&[X509_SIGNATURE]));
        if sent != Some(&self.server) {
            return Err("message 6 does not bring the server's certificate".into());
        }
        let subject = subject_of(&self.server).unwrap_or_default();
        if first(payload::ID) != Some(&[&[DER_ASN1_DN, 0, 0, 0][..], &subject].concat()) {
            return Err("message 6 does not name the subject of the server's certificate".into());
        }
        let key = public_key_of(&self.server).ok_or("the server's certificate has no RSA key")?;
        let signature = first(payload::SIGNATURE).ok_or("message 6 brings no signature")?;
        key.verify(Pkcs1v15Sign::new_unprefixed(), hash, signature)
            .map_err(|_| "the server's signature does not verify".into())
    }
}

/// The request that racoon sends with message 5: for any authority.
pub(super) fn request_for_any() -> Payload {
    Payload(payload::CERTIFICATE_REQUEST, vec![X509_SIGNATURE])
}

fn subject_of(der: &[u8]) -> Option<Vec<u8>> {
    x509_cert::Certificate::from_der(der).ok()?.tbs_certificate().subject().to_der().ok()
}

fn public_key_of(der: &[u8]) -> Option<rsa::PublicKey> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let info = certificate.tbs_certificate().subject_public_key_info();
    rsa::PublicKey::from_pkcs1_der(info.subject_public_key.as_bytes()?).ok()
}

/// Identification type, RFC 2407 §4.6.2.1.
const DER_ASN1_DN: u8 = 9;

/// Certificate encoding, RFC 2408 §3.9.
const X509_SIGNATURE: u8 = 4;
