//! Whether a path leads from a certificate to an authority, RFC 5280 §6, by webpki.

use std::time::Duration;

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RsaParameters, UnparsedPublicKey,
};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime, alg_id,
};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_cert::der::DateTime;

use super::fault::Fault;
use super::x509::Certificate;
use crate::crypto::signature::PublicKey;
use crate::proposal::Algorithms;

/// Follows issuers from the certificate up to one of the authorities.
///
/// With lists, whoever is in the one of its issuer is turned away. An authority without a list revokes nothing, and a list
/// past its time still counts: that a new one is late must lock nobody out.
pub(crate) fn verify(
    certificate: &Certificate,
    intermediates: &[CertificateDer<'_>],
    authorities: &[TrustAnchor<'_>],
    revoked: &[CertRevocationList<'_>],
    policy: Algorithms,
    now: UnixTime,
) -> Result<(), Fault> {
    let lists: Vec<&CertRevocationList<'_>> = revoked.iter().collect();
    let revocation = RevocationOptionsBuilder::new(&lists).ok();
    let revocation = revocation.map(|options| options.with_status_policy(UnknownStatusPolicy::Allow).build());
    let leaf = EndEntityCert::try_from(certificate.der()).map_err(|error| fault(certificate, &error, now))?;
    let verify = |algorithms: &[&dyn SignatureVerificationAlgorithm]| {
        leaf.verify_for_usage(algorithms, authorities, intermediates, now, Purpose, revocation, None)
            .map(|_| ())
    };
    // The first algorithm of a name decides, and the old ones take longer keys too.
    let legacy = [LEGACY, MODERN].concat();
    match policy {
        Algorithms::Legacy => verify(&legacy).map_err(|error| fault(certificate, &error, now))?,
        Algorithms::Modern | Algorithms::Compatible => verify(MODERN).map_err(|error| match error {
            // A key that is too short verifies nothing.
            Error::InvalidSignatureForPublicKey if verify(&legacy).is_ok() => {
                Fault::WeakSignature { subject: certificate.name(), legacy: true }
            }
            Error::UnsupportedSignatureAlgorithmContext(_)
            | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                Fault::WeakSignature { subject: certificate.name(), legacy: verify(&legacy).is_ok() }
            }
            error => fault(certificate, &error, now),
        })?,
    }
    if !certificate.may_sign() {
        return Err(Fault::Usage { subject: certificate.name() });
    }
    let short = certificate.public_key().is_some_and(PublicKey::is_short);
    if short && policy != Algorithms::Legacy {
        return Err(Fault::WeakSignature { subject: certificate.name(), legacy: true });
    }
    Ok(())
}

fn fault(certificate: &Certificate, error: &Error, now: UnixTime) -> Fault {
    let (subject, issuer) = (certificate.name(), certificate.issuer_name());
    let above = certificate.is_valid_at(Duration::from_secs(now.as_secs()));
    match error {
        Error::CertExpired { not_after, .. } => Fault::Expired { subject, above, until: date(*not_after) },
        Error::CertNotValidYet { not_before, .. } => {
            Fault::NotYetValid { subject, above, from: date(*not_before) }
        }
        Error::UnknownIssuer => Fault::UnknownIssuer { subject, issuer },
        Error::CertRevoked => Fault::Revoked { subject },
        Error::InvalidSignatureForPublicKey => Fault::NotSignedByIssuer { subject, issuer },
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            Fault::WeakSignature { subject, legacy: false }
        }
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Fault::Usage { subject },
        Error::InvalidCrlSignatureForPublicKey
        | Error::IssuerNotCrlSigner
        | Error::UnsupportedCrlSignatureAlgorithmContext(_)
        | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
            Fault::RevocationList { error: format!("{error:?}") }
        }
        error => Fault::Path { subject, error: format!("{error:?}") },
    }
}

fn date(time: UnixTime) -> String {
    let time = DateTime::from_unix_duration(Duration::from_secs(time.as_secs()));
    time.map_or_else(|_| "a day beyond any calendar".into(), |time| time.to_string())
}

/// What an extended key usage must allow, if there is one, RFC 4945 §5.1.3.12; and client authentication, which is what
/// authorities put into the certificates of Windows machines.
struct Purpose;

impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, present: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        let mut any = false;
        for purpose in present {
            any = true;
            if PURPOSES.contains(&&*purpose?.to_decoded_oid()) {
                return Ok(());
            }
        }
        if any { Err(Error::EmptyEkuExtension) } else { Ok(()) }
    }
}

const PURPOSES: [&[usize]; 7] = [
    &[2, 5, 29, 37, 0],            // any
    &[1, 3, 6, 1, 5, 5, 7, 3, 2],  // client authentication
    &[1, 3, 6, 1, 5, 5, 7, 3, 5],  // IPsec end system
    &[1, 3, 6, 1, 5, 5, 7, 3, 6],  // IPsec tunnel
    &[1, 3, 6, 1, 5, 5, 7, 3, 7],  // IPsec user
    &[1, 3, 6, 1, 5, 5, 7, 3, 17], // IPsec IKE
    &[1, 3, 6, 1, 5, 5, 8, 2, 2],  // IKE intermediate, of Windows and Apple
];

const MODERN: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P256_SHA384,
    webpki::aws_lc_rs::ECDSA_P384_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
    webpki::aws_lc_rs::ECDSA_P521_SHA512,
    webpki::aws_lc_rs::ED25519,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA384,
    webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    webpki::aws_lc_rs::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

const LEGACY: &[&dyn SignatureVerificationAlgorithm] = &[
    &LegacyRsa {
        name: alg_id::RSA_PKCS1_SHA256,
        parameters: &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    },
    &LegacyRsa { name: RSA_PKCS1_SHA1, parameters: &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY },
];

/// What authorities signed with in the days of Windows XP: keys of 1024 bits, SHA-1.
#[derive(Debug)]
struct LegacyRsa {
    name: AlgorithmIdentifier,
    parameters: &'static RsaParameters,
}

impl SignatureVerificationAlgorithm for LegacyRsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = UnparsedPublicKey::new(self.parameters, public_key);
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.name
    }
}

/// sha1WithRSAEncryption, 1.2.840.113549.1.1.5, and NULL: what RFC 3279 §2.2.1 puts into an AlgorithmIdentifier.
const RSA_PKCS1_SHA1: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00");
