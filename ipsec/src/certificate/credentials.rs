//! What an operator gives: our certificate and key, whom we believe, and whom no longer.

use std::fmt;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, TrustAnchor};
use webpki::{CertRevocationList, OwnedCertRevocationList, anchor_from_trusted_cert};
use zeroize::Zeroize;

use super::identity;
use super::x509::Certificate;
use crate::crypto::signature::{PublicKey, Scheme, SigningKey};

/// The four files, as they are: PEM, or DER.
#[derive(Clone, Copy)]
pub struct CredentialFiles<'a> {
    /// Our certificate, and behind it those between it and an authority that clients know.
    pub cert: &'a [u8],
    /// Its private key.
    pub key: &'a [u8],
    /// The authorities whose certificates clients may have.
    pub ca: &'a [u8],
    /// Their lists of revoked certificates.
    pub crl: Option<&'a [u8]>,
}

impl fmt::Debug for CredentialFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialFiles(…)")
    }
}

/// Certificates and key, read and found to belong together.
pub struct Credentials {
    /// Ours first.
    chain: Vec<Certificate>,
    id: Vec<u8>,
    key: SigningKey,
    authorities: Vec<Authority>,
    anchors: Vec<TrustAnchor<'static>>,
    revoked: Vec<CertRevocationList<'static>>,
}

/// A certificate that is believed because an operator says so.
struct Authority {
    subject: Vec<u8>,
}

impl Credentials {
    /// Reads the files' content.
    pub fn read(files: CredentialFiles<'_>) -> Result<Self, CredentialsError> {
        use CredentialsError as Wrong;
        let chain = certificates(files.cert).map_err(|()| Wrong::Cert("no certificate that can be read"))?;
        let own = chain.first().ok_or(Wrong::Cert("no certificate"))?;
        let id =
            identity::own_id(own).ok_or(Wrong::Cert("a certificate without subject and alternative name"))?;
        let public = own
            .public_key()
            .ok_or(Wrong::Cert("a key that IKEv1 cannot sign with; RSA, P-256 and P-384 are known"))?;
        let mut der = private_key(files.key).ok_or(Wrong::Key("no private key that can be read"))?;
        let key = SigningKey::from_der(&der);
        der.zeroize();
        let key =
            key.ok_or(Wrong::Key("a private key that is neither RSA of 1024 bits or more, P-256 nor P-384"))?;
        if key.scheme() != public.scheme || key.public() != public.octets {
            return Err(Wrong::Key("the private key of another certificate"));
        }
        let trusted = certificates(files.ca).map_err(|()| Wrong::Ca("a certificate that cannot be read"))?;
        if trusted.is_empty() {
            return Err(Wrong::Ca("no certificate"));
        }
        let anchors = trusted
            .iter()
            .map(|authority| anchor_from_trusted_cert(authority.der()).map(|anchor| anchor.to_owned()));
        let anchors = anchors
            .collect::<Result<_, _>>()
            .map_err(|_| Wrong::Ca("a certificate that cannot be an authority's"))?;
        let authorities =
            trusted.iter().map(|authority| Authority { subject: authority.subject().to_vec() }).collect();
        let revoked = match files.crl {
            Some(crl) => lists(crl)
                .ok_or(Wrong::Crl("no certificate revocation list of version 2 that can be read"))?,
            None => Vec::new(),
        };
        Ok(Self { chain, id, key, authorities, anchors, revoked })
    }

    /// What log lines call our certificate.
    pub fn name(&self) -> String {
        self.chain.first().map(Certificate::name).unwrap_or_default()
    }

    /// What works but is probably not meant.
    pub fn warnings(&self) -> Vec<&'static str> {
        let short = self.chain.first().and_then(Certificate::public_key).is_some_and(PublicKey::is_short);
        let many = self.authorities.len() > MAX_REQUESTS;
        let short = short.then_some("key: an RSA key of fewer than 2048 bits, which devices may refuse");
        let many = many.then_some("ca: more than 8 authorities: devices are told of the first 8 only");
        short.into_iter().chain(many).collect()
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.key.scheme()
    }

    /// Body of our ID payload.
    pub(crate) fn id(&self) -> &[u8] {
        &self.id
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// DER of our certificate, then of those above it.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.chain.iter().map(|certificate| &**certificate.der())
    }

    /// Distinguished names of the authorities that clients are told of.
    pub(crate) fn authorities(&self) -> impl Iterator<Item = &[u8]> {
        self.authorities.iter().take(MAX_REQUESTS).map(|authority| &*authority.subject)
    }

    pub(crate) fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.anchors
    }

    pub(crate) fn revoked(&self) -> &[CertRevocationList<'static>] {
        &self.revoked
    }
}

/// How many authorities a client is told of; each costs message 4 some hundred octets.
const MAX_REQUESTS: usize = 8;

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({:?}, …)", self.name())
    }
}

/// Which of the files cannot be used, and what was found in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialsError {
    /// Our certificate.
    Cert(&'static str),
    /// Its key.
    Key(&'static str),
    /// The authorities.
    Ca(&'static str),
    /// The lists.
    Crl(&'static str),
}

impl CredentialsError {
    /// What was found.
    pub fn found(self) -> &'static str {
        match self {
            Self::Cert(found) | Self::Key(found) | Self::Ca(found) | Self::Crl(found) => found,
        }
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.found())
    }
}

impl std::error::Error for CredentialsError {}

/// DER begins with a SEQUENCE, and nowhere in it are the dashes that PEM has, maybe after some text.
fn is_der(file: &[u8]) -> bool {
    const DASHES: &[u8] = b"-----BEGIN";
    file.starts_with(&[0x30]) && !file.windows(DASHES.len()).any(|window| window == DASHES)
}

fn certificates(file: &[u8]) -> Result<Vec<Certificate>, ()> {
    if is_der(file) {
        return Certificate::from_der(file).map(|one| vec![one]).ok_or(());
    }
    CertificateDer::pem_slice_iter(file)
        .map(|der| Certificate::from_der(&der.map_err(|_| ())?).ok_or(()))
        .collect()
}

fn private_key(file: &[u8]) -> Option<PrivateKeyDer<'static>> {
    if is_der(file) {
        return PrivateKeyDer::try_from(file).ok().map(|key| key.clone_key());
    }
    PrivateKeyDer::from_pem_slice(file).ok()
}

fn lists(file: &[u8]) -> Option<Vec<CertRevocationList<'static>>> {
    let read = |der: &[u8]| OwnedCertRevocationList::from_der(der).ok().map(CertRevocationList::from);
    if is_der(file) {
        return read(file).map(|list| vec![list]);
    }
    let lists: Option<Vec<_>> =
        CertificateRevocationListDer::pem_slice_iter(file).map(|der| read(&der.ok()?)).collect();
    lists.filter(|lists| !lists.is_empty())
}
