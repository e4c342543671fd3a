//! The Certificate and Certificate Request payloads, RFC 2408 §3.9 and §3.10.

use super::x509::certificates_of_pkcs7;
use crate::isakmp::Payloads;
use crate::isakmp::iana::{CertificateEncoding, PayloadType};

/// The certificates that a client sent, DER, in the order sent. Other encodings say nothing we ask for.
pub(crate) fn certificates(payloads: &Payloads<'_>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for body in payloads.of(PayloadType::CERTIFICATE) {
        match body.split_first() {
            Some((&encoding, der))
                if CertificateEncoding(encoding) == CertificateEncoding::X509_SIGNATURE =>
            {
                all.push(der.to_vec());
            }
            Some((&encoding, bundle)) if CertificateEncoding(encoding) == CertificateEncoding::PKCS7 => {
                all.extend(certificates_of_pkcs7(bundle).unwrap_or_default());
            }
            _ => {}
        }
    }
    all.truncate(MAX_CERTIFICATES);
    all
}

/// Body of a payload with a certificate in it.
pub(crate) fn certificate(der: &[u8]) -> Vec<u8> {
    [&[CertificateEncoding::X509_SIGNATURE.0], der].concat()
}

/// Body of a payload that asks for a certificate below the authority of that distinguished name.
pub(crate) fn request(authority: &[u8]) -> Vec<u8> {
    [&[CertificateEncoding::X509_SIGNATURE.0], authority].concat()
}

/// A path of certificates is four or five long; what is behind that is a stranger's way to make us work.
const MAX_CERTIFICATES: usize = 8;
