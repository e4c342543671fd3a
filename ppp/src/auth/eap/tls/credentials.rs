//! What an operator gives for TLS: our certificate and key, whose certificates clients may have, and which no longer.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ResolvesServerCert, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, RootCertStore};

/// The files, as they are: PEM, or DER.
#[derive(Clone, Copy)]
pub struct TlsFiles<'a> {
    /// Our certificate, and behind it those between it and an authority that clients know.
    pub cert: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
    /// The authorities whose certificates users may have; without it there is no EAP-TLS.
    pub ca: Option<&'a [u8]>,
    /// Their lists of revoked certificates.
    pub crl: Option<&'a [u8]>,
}

impl fmt::Debug for TlsFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsFiles(…)")
    }
}

/// Certificates and key, read and found to belong together.
pub struct TlsCredentials {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) own: Arc<dyn ResolvesServerCert>,
    /// Judges clients' certificates, if they may have any.
    pub(super) verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl TlsCredentials {
    /// Reads the files' content.
    pub fn read(files: TlsFiles<'_>) -> Result<Self, TlsCredentialsError> {
        use TlsCredentialsError as Wrong;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = certificates(files.cert).ok_or(Wrong::Cert("no certificate that can be read"))?;
        if chain.is_empty() {
            return Err(Wrong::Cert("no certificate"));
        }
        let key = private_key(files.key).ok_or(Wrong::Key("no private key that can be read"))?;
        let own = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
            Error::InconsistentKeys(_) => Wrong::Key("the private key of another certificate"),
            Error::InvalidCertificate(_) => Wrong::Cert("a certificate that cannot be read"),
            _ => Wrong::Key("a private key that TLS cannot sign with"),
        })?;
        let verifier = match files.ca {
            Some(ca) => Some(verifier(ca, files.crl, &provider)?),
            None => None,
        };
        Ok(Self { provider, own: Arc::new(SingleCertAndKey::from(own)), verifier })
    }

    /// Whether users may have certificates.
    pub fn takes_certificates(&self) -> bool {
        self.verifier.is_some()
    }
}

impl fmt::Debug for TlsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsCredentials(…)")
    }
}

/// Which of the files cannot be used, and what was found in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsCredentialsError {
    /// Our certificate.
    Cert(&'static str),
    /// Its key.
    Key(&'static str),
    /// The authorities.
    Ca(&'static str),
    /// The lists.
    Crl(&'static str),
}

impl fmt::Display for TlsCredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cert(found) | Self::Key(found) | Self::Ca(found) | Self::Crl(found) => f.write_str(found),
        }
    }
}

impl std::error::Error for TlsCredentialsError {}

/// Whoever is in a list of its issuer is turned away. An authority without a list revokes nothing, and a list past its time
/// still counts: that a new one is late must lock nobody out.
fn verifier(
    ca: &[u8],
    crl: Option<&[u8]>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsCredentialsError> {
    use TlsCredentialsError as Wrong;
    let authorities = certificates(ca).ok_or(Wrong::Ca("a certificate that cannot be read"))?;
    if authorities.is_empty() {
        return Err(Wrong::Ca("no certificate"));
    }
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|_| Wrong::Ca("a certificate that cannot be an authority's"))?;
    }
    let crls = match crl {
        Some(crl) => lists(crl).ok_or(Wrong::Crl("no certificate revocation list that can be read"))?,
        None => Vec::new(),
    };
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(crls)
        .allow_unknown_revocation_status()
        .build()
        .map_err(|error| match error {
            VerifierBuilderError::InvalidCrl(_) => {
                Wrong::Crl("no certificate revocation list of version 2 that can be read")
            }
            _ => Wrong::Ca("no certificate"),
        })
}

/// DER begins with a SEQUENCE, and nowhere in it are the dashes that PEM has, maybe after some text.
fn is_der(file: &[u8]) -> bool {
    const DASHES: &[u8] = b"-----BEGIN";
    file.starts_with(&[0x30]) && !file.windows(DASHES.len()).any(|window| window == DASHES)
}

fn certificates(file: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    if is_der(file) {
        return Some(vec![CertificateDer::from(file.to_vec())]);
    }
    CertificateDer::pem_slice_iter(file).map(Result::ok).collect()
}

fn private_key(file: &[u8]) -> Option<PrivateKeyDer<'static>> {
    if is_der(file) {
        return PrivateKeyDer::try_from(file).ok().map(|key| key.clone_key());
    }
    PrivateKeyDer::from_pem_slice(file).ok()
}

fn lists(file: &[u8]) -> Option<Vec<CertificateRevocationListDer<'static>>> {
    if is_der(file) {
        return Some(vec![CertificateRevocationListDer::from(file.to_vec())]);
    }
    let lists: Option<Vec<_>> = CertificateRevocationListDer::pem_slice_iter(file).map(Result::ok).collect();
    lists.filter(|lists| !lists.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pki(name: &str) -> Vec<u8> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/pki/");
        std::fs::read(format!("{directory}{name}")).expect("a file of tests/vectors/pki.bash")
    }

    fn read(cert: &[u8], key: &[u8], ca: &[u8], crl: &[u8]) -> Result<TlsCredentials, TlsCredentialsError> {
        TlsCredentials::read(TlsFiles { cert, key, ca: Some(ca), crl: Some(crl) })
    }

    #[test]
    fn what_is_wrong_is_named_by_its_file() {
        use TlsCredentialsError as Wrong;
        let (cert, key, ca, crl) = (pki("server.pem"), pki("server.key"), pki("ca.pem"), pki("ca.crl"));
        assert!(read(&cert, &key, &ca, &crl).unwrap().takes_certificates());
        assert!(matches!(read(b"", &key, &ca, &crl), Err(Wrong::Cert("no certificate"))));
        assert!(matches!(read(&cert, b"", &ca, &crl), Err(Wrong::Key("no private key that can be read"))));
        let other = pki("server-p256.key");
        let found = read(&cert, &other, &ca, &crl).unwrap_err();
        assert_eq!(found, Wrong::Key("the private key of another certificate"));
        assert!(matches!(read(&cert, &key, b"", &crl), Err(Wrong::Ca("no certificate"))));
        assert!(matches!(read(&cert, &key, &ca, b""), Err(Wrong::Crl(_))));
        assert!(matches!(read(&cert, &key, &ca, &cert), Err(Wrong::Crl(_))));
    }

    #[test]
    fn without_an_authority_nobody_has_a_certificate() {
        let (cert, key) = (pki("server-p256.pem"), pki("server-p256-sec1.key"));
        let files = TlsFiles { cert: &cert, key: &key, ca: None, crl: None };
        assert!(!TlsCredentials::read(files).unwrap().takes_certificates());
        assert_eq!(format!("{files:?}"), "TlsFiles(…)");
    }
}
