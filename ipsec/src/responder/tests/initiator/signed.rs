//! The initiator's half of an authentication with signatures.

use super::{Initiator, seal, transcript};
use crate::certificate::tests::{der, signing_key};
use crate::certificate::{Certificate, own_id, payload};
use crate::crypto::Digest;
use crate::crypto::signature::{Scheme, SigningKey};
use crate::isakmp::iana::{ExchangeType, NotifyType, PayloadType, ProtocolId};
use crate::isakmp::{Chain, MessageWriter, Payloads};

/// A client's certificate, its key, and what it expects of the server.
pub(crate) struct Signer {
    pub(crate) certificates: Vec<Vec<u8>>,
    key: SigningKey,
    server: Vec<u8>,
}

impl Signer {
    /// Of files that `pki.bash` made.
    pub(crate) fn new(certificate: &str, key: &str, server: &str) -> Self {
        Self { certificates: vec![der(certificate)], key: signing_key(key), server: der(server) }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.key.scheme()
    }

    /// Message 6 as Android insists on it: the server's certificate, its subject as identity, its signature.
    pub(crate) fn check(&self, payloads: &Payloads<'_>, hash_r: &Digest) {
        let kinds: Vec<PayloadType> = payloads.iter().map(|payload| payload.kind).collect();
        assert_eq!(kinds, [PayloadType::IDENTIFICATION, PayloadType::CERTIFICATE, PayloadType::SIGNATURE]);
        let sent = payload::certificates(payloads);
        assert_eq!(sent, std::slice::from_ref(&self.server));
        let certificate = Certificate::from_der(&sent[0]).expect("a certificate");
        let id = payloads.require(PayloadType::IDENTIFICATION).expect("an ID");
        assert_eq!(Some(id.to_vec()), own_id(&certificate));
        let signature = payloads.require(PayloadType::SIGNATURE).expect("a signature");
        assert!(certificate.public_key().expect("a key").verifies(hash_r, signature), "SIG_R");
    }
}

impl Initiator {
    /// `HDR*, IDii, CERT, SIG_I, CERTREQ`: Android's, whose request names no authority.
    pub(super) fn signed5(&mut self) -> Vec<u8> {
        let signer = self.signer.as_ref().expect("a certificate");
        let id = signer
            .certificates
            .first()
            .and_then(|der| Certificate::from_der(der))
            .and_then(|own| own_id(&own));
        let id = id.unwrap_or_else(|| b"\x02\0\0\0nobody".to_vec());
        let main = self.main.as_mut().expect("message 4");
        let said = transcript(self.cookies, &main.public, &main.peer_public, &self.profile.ike);
        let hash = main.skeyid.signing(signer.scheme()).hash_i(&said, &id);
        let mut chain = Chain::default();
        chain.push(PayloadType::IDENTIFICATION, &id);
        for certificate in &signer.certificates {
            chain.push(PayloadType::CERTIFICATE, &payload::certificate(certificate));
        }
        chain.push(PayloadType::SIGNATURE, &signer.key.sign(&hash, &mut self.rng).expect("a signature"));
        chain.push(PayloadType::CERTIFICATE_REQUEST, &payload::request(&[]));
        if self.says_initial_contact {
            let cookies = self.cookies.to_bytes();
            chain.push_notify(ProtocolId::ISAKMP, NotifyType::INITIAL_CONTACT, &cookies, &[]);
        }
        let writer = MessageWriter::new(self.cookies, ExchangeType::MAIN_MODE, 0);
        let rng = self.profile.random_padding.then_some(&mut self.rng);
        seal(&main.keys, &mut main.iv, writer, &chain, rng)
    }
}
