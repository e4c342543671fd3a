//! Messages 5 and 6 with signatures, RFC 2409 §5.1.

use std::sync::Arc;

use super::{AwaitId, Keys, Signed5};
use crate::certificate::{Authenticate, Believed, Credentials, payload};
use crate::crypto::Iv;
use crate::envelope;
use crate::isakmp::iana::{ExchangeType, PayloadType};
use crate::isakmp::{Chain, Cookies, Header, Id, MessageWriter, Payloads};
use crate::keymat::{IsakmpKeys, Skeyid};
use crate::path::Path;
use crate::proposal::{Algorithms, IkeSuite};

/// Message 5 is being verified, and message 6 signed.
pub(crate) struct Authenticating {
    /// Where message 5 came from.
    pub(crate) path: Path,
    pub(crate) await_id: Box<AwaitId>,
    pub(crate) signer: Signer,
}

/// A client that says who it is and has yet to be believed.
pub(crate) struct Signer {
    pub(crate) identity: Id,
    /// It has forgotten whatever SAs it had with us.
    pub(crate) initial_contact: bool,
    credentials: Arc<Credentials>,
    keys: IsakmpKeys,
    iv: Iv,
}

impl AwaitId {
    /// Reads message 5, and says what arithmetic will tell whether to believe it. The key it is encrypted with follows from
    /// the public values alone: `None` is a message that somebody else made.
    pub(crate) fn read_signed(
        &self,
        header: &Header,
        body: &[u8],
        credentials: &Arc<Credentials>,
        policy: Algorithms,
    ) -> Option<(Signer, Authenticate)> {
        let said = self.transcript(header.cookies);
        let IkeSuite { cipher, hash, .. } = self.agreed.suite;
        let (initiator, responder) = (&self.initiator_nonce, &self.responder_nonce);
        let skeyid = Skeyid::from_signatures(hash, &self.exchange.shared, initiator, responder);
        let keys = skeyid.keys(cipher, &self.exchange.shared, &said).ok()?;
        let mut iv = said.iv(hash, cipher);
        let text = envelope::open(keys.cipher_key(), &mut iv, body)?;
        let payloads = Payloads::parse(header.next_payload, &text).ok()?;
        let message = Signed5::try_from(&payloads).ok()?;
        let signing = skeyid.signing(credentials.scheme());
        let authenticate = Authenticate {
            credentials: Arc::clone(credentials),
            policy,
            identity: message.id.to_id(),
            certificates: message.certificates,
            signature: message.signature.to_vec(),
            hash_i: signing.hash_i(&said, message.id.body),
            hash_r: signing.hash_r(&said, credentials.id()),
        };
        let (identity, initial_contact) = (message.id.to_id(), message.initial_contact);
        let credentials = Arc::clone(credentials);
        Some((Signer { identity, initial_contact, credentials, keys, iv }, authenticate))
    }
}

impl Signer {
    /// Writes message 6, whose last block is the seed of every IV of the second phase (RFC 2409 App. B).
    ///
    /// Our certificate is in it unasked: Android asks for it only in message 5, strongSwan not at all when it has it, and nobody
    /// minds. It stands before those above it, of which Android reads none.
    pub(crate) fn message6(self, cookies: Cookies, believed: Believed) -> (Vec<u8>, Keys) {
        let Self { credentials, keys, mut iv, .. } = self;
        let mut chain = Chain::default();
        chain.push(PayloadType::IDENTIFICATION, credentials.id());
        for certificate in credentials.chain() {
            chain.push(PayloadType::CERTIFICATE, &payload::certificate(certificate));
        }
        chain.push(PayloadType::SIGNATURE, &believed.signature);
        let writer = MessageWriter::new(cookies, ExchangeType::MAIN_MODE, 0);
        let message = envelope::seal(keys.cipher_key(), &mut iv, writer, &chain);
        (message, Keys::new(keys, iv, believed.proof.into()))
    }
}
