//! The arithmetic of one authentication by certificate: believe the client's, answer with ours.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_core::CryptoRng;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::credentials::Credentials;
use super::fault::Fault;
use super::x509::Certificate;
use super::{identity, path};
use crate::crypto::{Digest, Hash};
use crate::isakmp::Id;
use crate::proposal::Algorithms;

/// What message 5 says and message 6 is to say, less the signatures.
pub(crate) struct Authenticate {
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) policy: Algorithms,
    pub(crate) identity: Id,
    /// DER, the client's own among them.
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) signature: Vec<u8>,
    /// What the client signed.
    pub(crate) hash_i: Digest,
    /// What we sign.
    pub(crate) hash_r: Digest,
}

/// A client that holds the key of a certificate that we believe.
#[derive(Debug)]
pub(crate) struct Believed {
    /// What log lines call the certificate.
    pub(crate) name: String,
    /// SHA2-256 of the certificate.
    pub(crate) digest: [u8; 32],
    /// Ours, over HASH_R.
    pub(crate) signature: Vec<u8>,
    pub(crate) proof: Proof,
}

/// That a signature was verified, and its key's certificate: nothing else makes one.
#[derive(Debug)]
pub(crate) struct Proof(());

impl Authenticate {
    /// Cheapest first: what costs arithmetic only after what costs none.
    pub(crate) fn run(self, now: UnixTime, rng: &mut impl CryptoRng) -> Result<Believed, Fault> {
        if self.certificates.is_empty() {
            return Err(Fault::Missing);
        }
        let (certificate, intermediates) = self.own_and_above().ok_or(Fault::Unreadable)?;
        identity::verify(&self.identity, &certificate)?;
        let agreed = self.credentials.scheme();
        let key = certificate
            .public_key()
            .filter(|key| key.scheme == agreed)
            .ok_or_else(|| Fault::Kind { subject: certificate.name(), agreed })?;
        let (anchors, revoked) = (self.credentials.anchors(), self.credentials.revoked());
        path::verify(&certificate, &intermediates, anchors, revoked, self.policy, now)?;
        if !key.verifies(&self.hash_i, &self.signature) {
            return Err(Fault::Signature { subject: certificate.name() });
        }
        let signature = self.credentials.key().sign(&self.hash_r, rng).ok_or(Fault::OwnKey)?;
        let digest = Hash::Sha256.digest(&[certificate.der()]);
        let digest = digest.first_chunk().copied().unwrap_or_default();
        Ok(Believed { name: certificate.name(), digest, signature, proof: Proof(()) })
    }

    /// The client's certificate is the one that issued none of the others: first as a rule, anywhere in a bundle.
    pub(super) fn own_and_above(&self) -> Option<(Certificate, Vec<CertificateDer<'static>>)> {
        let mut all: Vec<_> = self.certificates.iter().filter_map(|der| Certificate::from_der(der)).collect();
        let issued_none = |one: &Certificate| {
            !all.iter().any(|other| other.issuer() == one.subject() && other.der() != one.der())
        };
        let index = all.iter().position(issued_none).unwrap_or(0);
        let own = (index < all.len()).then(|| all.remove(index))?;
        // One of each name: among many of one name, every order would have to be tried.
        let mut names = BTreeSet::new();
        all.retain(|one| names.insert(one.subject().to_vec()));
        Some((own, all.into_iter().map(Certificate::into_der).collect()))
    }
}
