//! Main Mode, responder side, RFC 2409 §5, with a pre-shared key (§5.4) or with signatures (§5.1).
//!
//! ```text
//!      initiator                                  responder
//!   1  HDR, SA, VID …               ─▶                                        Message1
//!   2                               ◀─  HDR, SA, VID …                        AwaitKe
//!   3  HDR, KE, Ni, NAT-D, NAT-D …  ─▶                                        Message3, Computing
//!   4                               ◀─  HDR, KE, Nr, NAT-D, NAT-D             AwaitId
//!   5  HDR*, IDii, HASH_I           ─▶                                        Message5
//!   6                               ◀─  HDR*, IDir, HASH_R                    an ISAKMP SA
//!
//!   with signatures:
//!   4                               ◀─  HDR, KE, Nr, CERTREQ …, NAT-D, NAT-D  AwaitId
//!   5  HDR*, IDii, CERT …, SIG_I    ─▶                                        Signed5, Authenticating
//!   6                               ◀─  HDR*, IDir, CERT …, SIG_R             an ISAKMP SA
//! ```
//!
//! Which of several pre-shared keys a client uses shows at message 5: the one under which it decrypts and verifies. The
//! client's address or identity says nothing: it sends the private address of wherever it is.

mod message;
mod signed;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::certificate::{Credentials, Proof, payload};
use crate::crypto::{Digest, Iv};
use crate::envelope;
use crate::isakmp::iana::{ExchangeType, IdType, NotifyType, PayloadType};
use crate::isakmp::{Chain, Cookies, Header, Id, MessageWriter, Payloads};
use crate::job::KeyExchange;
use crate::keymat::{IsakmpKeys, Skeyid, Transcript};
use crate::nat::Traversal;
use crate::proposal::{Authentication, IkePolicy, IkeSuite, choose_ike};
use crate::secret::Psk;
use crate::vendor::Vendor;

pub(crate) use self::message::{Message1, Message3, Message5, Signed5, identity, nonce};
pub(crate) use self::signed::Authenticating;

/// How far a main mode has come.
pub(crate) enum MainMode {
    /// Message 2 is sent.
    AwaitKe(Agreed),
    /// Message 3 is here, the arithmetic is under way.
    Computing(Computing),
    /// Message 4 is sent.
    AwaitId(Box<AwaitId>),
    /// Message 5 with a signature is here, the arithmetic is under way.
    Authenticating(Box<Authenticating>),
}

/// How both ends are going to prove who they are.
pub(crate) enum Means {
    PreSharedKey,
    /// With ours as they were at message 1: the operator may bring others at any time.
    Certificate(Arc<Credentials>),
}

/// What messages 1 and 2 agreed on.
pub(crate) struct Agreed {
    pub(crate) suite: IkeSuite,
    pub(crate) means: Means,
    pub(crate) lifetime: Duration,
    pub(crate) vendor: Vendor,
    pub(crate) message1: Instant,
    /// `SAi_b`.
    initiator_sa: Box<[u8]>,
}

impl Agreed {
    /// Chooses among what message 1 offers, and writes message 2's payloads. With signatures in the policy there are `credentials`.
    ///
    /// Vendor IDs are answered only if the client sent the same: message 2 is never longer than message 1, and Windows has
    /// been broken before by vendor IDs it did not expect.
    pub(crate) fn choose(
        now: Instant,
        message: &Message1<'_>,
        policy: IkePolicy,
        credentials: Option<&Arc<Credentials>>,
    ) -> Option<(Self, Chain)> {
        let (agreed, mut chain) = Self::choose_silently(now, message, policy, credentials)?;
        agreed.vendor.acknowledge(&mut chain);
        Some((agreed, chain))
    }

    /// The same without vendor IDs.
    pub(crate) fn choose_silently(
        now: Instant,
        message: &Message1<'_>,
        policy: IkePolicy,
        credentials: Option<&Arc<Credentials>>,
    ) -> Option<(Self, Chain)> {
        let choice = choose_ike(&message.sa, policy)?;
        let means = match choice.authentication {
            Authentication::PreSharedKey => Means::PreSharedKey,
            Authentication::Signature(_) => Means::Certificate(Arc::clone(credentials?)),
        };
        let vendor = message.vendor;
        let mut chain = Chain::default();
        chain.push_sa(choice.proposal, choice.transform, &[]);
        let agreed = Self {
            suite: choice.suite,
            means,
            lifetime: choice.lifetime,
            vendor,
            message1: now,
            initiator_sa: message.sa.body.into(),
        };
        Some((agreed, chain))
    }

    /// What both sides have said once their public values are there.
    pub(crate) fn transcript<'a>(&'a self, cookies: Cookies, exchange: &'a KeyExchange) -> Transcript<'a> {
        Transcript {
            initiator_cookie: cookies.initiator.0,
            responder_cookie: cookies.responder.0,
            initiator_public: &exchange.peer_public,
            responder_public: &exchange.public,
            initiator_sa: &self.initiator_sa,
        }
    }
}

/// What is known while the shared secret is computed.
pub(crate) struct Computing {
    pub(crate) agreed: Agreed,
    pub(crate) traversal: Traversal,
    pub(crate) message3: Instant,
    pub(crate) initiator_nonce: Box<[u8]>,
}

impl Computing {
    /// The secret is there: writes message 4's payloads. `hashes` are of the client's address and of ours; a client that signs
    /// is asked for certificates below our authorities.
    pub(crate) fn finish(
        self,
        now: Instant,
        exchange: KeyExchange,
        responder_nonce: [u8; NONCE_LEN],
        hashes: [&[u8]; 2],
    ) -> (AwaitId, Chain) {
        let mut chain = Chain::default();
        chain.push(PayloadType::KEY_EXCHANGE, &exchange.public);
        chain.push(PayloadType::NONCE, &responder_nonce);
        if let Means::Certificate(credentials) = &self.agreed.means {
            // Windows and Android choose among their certificates by this.
            for authority in credentials.authorities() {
                chain.push(PayloadType::CERTIFICATE_REQUEST, &payload::request(authority));
            }
        }
        let Self { agreed, traversal, message3, initiator_nonce } = self;
        if let Some(nat_d) = traversal.nat_d() {
            for hash in hashes {
                chain.push(nat_d, hash);
            }
        }
        let timings = (message3, now);
        (
            AwaitId { agreed, traversal, timings, initiator_nonce, responder_nonce, exchange, failures: 0 },
            chain,
        )
    }
}

/// All there is to know except who the client is and which key it has.
pub(crate) struct AwaitId {
    pub(crate) agreed: Agreed,
    pub(crate) traversal: Traversal,
    /// When message 3 came, when the secret was there.
    pub(crate) timings: (Instant, Instant),
    /// How many messages 5 did not verify.
    pub(crate) failures: u32,
    initiator_nonce: Box<[u8]>,
    responder_nonce: [u8; NONCE_LEN],
    exchange: KeyExchange,
}

impl AwaitId {
    /// Tries each key on message 5.
    pub(crate) fn authenticate<'k>(
        &self,
        header: &Header,
        body: &[u8],
        psks: &'k [Psk],
    ) -> Option<Authenticated<'k>> {
        psks.iter().find_map(|psk| self.try_psk(header, body, psk))
    }

    fn try_psk<'k>(&self, header: &Header, body: &[u8], psk: &'k Psk) -> Option<Authenticated<'k>> {
        let said = self.transcript(header.cookies);
        let IkeSuite { cipher, hash, .. } = self.agreed.suite;
        let skeyid =
            Skeyid::from_psk(hash, psk.secret.as_bytes(), &self.initiator_nonce, &self.responder_nonce);
        let keys = skeyid.keys(cipher, &self.exchange.shared, &said).ok()?;
        let mut iv = said.iv(hash, cipher);
        let text = envelope::open(keys.cipher_key(), &mut iv, body)?;
        let payloads = Payloads::parse(header.next_payload, &text).ok()?;
        let message = Message5::try_from(&payloads).ok()?;
        let verified = Verified::compare(&skeyid.hash_i(&said, message.id.body), message.hash)?;
        Some(Authenticated {
            psk,
            identity: message.id.to_id(),
            initial_contact: message.initial_contact,
            skeyid,
            keys,
            iv,
            verified,
        })
    }

    /// Writes message 6, whose last block is the seed of every IV of the second phase (RFC 2409 App. B).
    pub(crate) fn message6(
        &self,
        cookies: Cookies,
        client: Authenticated<'_>,
        own: IpAddr,
    ) -> (Vec<u8>, Keys) {
        let Authenticated { skeyid, keys, mut iv, verified, .. } = client;
        let id = own_id(own);
        let mut chain = Chain::default();
        chain.push(PayloadType::IDENTIFICATION, &id);
        chain.push(PayloadType::HASH, &skeyid.hash_r(&self.transcript(cookies), &id));
        let writer = MessageWriter::new(cookies, ExchangeType::MAIN_MODE, 0);
        let message = envelope::seal(keys.cipher_key(), &mut iv, writer, &chain);
        (message, Keys::new(keys, iv, verified))
    }

    fn transcript(&self, cookies: Cookies) -> Transcript<'_> {
        self.agreed.transcript(cookies, &self.exchange)
    }
}

/// A client that knows one of our keys.
pub(crate) struct Authenticated<'k> {
    pub(crate) psk: &'k Psk,
    pub(crate) identity: Id,
    /// It has forgotten whatever SAs it had with us.
    pub(crate) initial_contact: bool,
    skeyid: Skeyid,
    keys: IsakmpKeys,
    iv: Iv,
    verified: Verified,
}

/// Proof that a client's hash was compared and found equal, or its signature verified: nothing else makes the keys of an ISAKMP SA.
pub(crate) struct Verified(());

impl From<Proof> for Verified {
    fn from(_: Proof) -> Self {
        Self(())
    }
}

impl Verified {
    /// Constant in time but for the lengths.
    pub(crate) fn compare(expected: &Digest, sent: &[u8]) -> Option<Self> {
        (*expected == *sent).then_some(Self(()))
    }
}

/// What a finished first phase leaves behind.
pub(crate) struct Keys {
    pub(crate) keys: IsakmpKeys,
    /// The last block of the first phase.
    pub(crate) iv: Iv,
    _verified: Verified,
}

impl Keys {
    /// Only of a client whose hash was equal, or whose signature verified.
    pub(crate) fn new(keys: IsakmpKeys, iv: Iv, verified: Verified) -> Self {
        Self { keys, iv, _verified: verified }
    }
}

/// Body of our ID payload: the address the client sent to. RFC 2407 §4.6.2: protocol and port are zero, or UDP and 500.
pub(crate) fn own_id(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) => [&[IdType::IPV4_ADDR.0, 0, 0, 0][..], &v4.octets()].concat(),
        IpAddr::V6(v6) => [&[IdType::IPV6_ADDR.0, 0, 0, 0][..], &v6.octets()].concat(),
    }
}

/// Whether any of a message's notifications says INITIAL-CONTACT, RFC 2407 §4.6.3.3.
pub(crate) fn says_initial_contact(payloads: &Payloads<'_>) -> bool {
    payloads
        .of(PayloadType::NOTIFICATION)
        .filter_map(|body| crate::isakmp::NotifyPayload::parse(body).ok())
        .any(|notify| notify.kind == NotifyType::INITIAL_CONTACT)
}

/// Octets of our nonces; RFC 2409 §5 allows 8 to 256.
pub(crate) const NONCE_LEN: usize = 32;

#[cfg(test)]
mod tests;
