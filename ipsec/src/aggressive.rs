//! Aggressive Mode authenticated by a pre-shared key, responder side, RFC 2409 §5 and §5.4.
//!
//! ```text
//!      initiator                                      responder
//!   1  HDR, SA, KE, Ni, IDii, VID …  ─▶                                               Message1, Computing
//!   2                                ◀─  HDR, SA, KE, Nr, IDir, HASH_R, VID …, NAT-D, NAT-D     AwaitHash
//!   3  HDR(*), HASH_I, NAT-D, NAT-D  ─▶                                               an ISAKMP SA
//! ```
//!
//! The client names the key it will use before anything is encrypted: Android by its *IPSec identifier*, Apple by its *Group
//! Name*. Message 3 comes in clear from racoon, which is Android and Apple, and encrypted from strongSwan.
//!
//! # What a stranger can do
//!
//! Message 1 proves nothing, not even where it comes from, and yet message 2 costs a Diffie-Hellman computation and carries
//! HASH_R, which is enough to try secrets against at leisure. That is the mode's nature. What bounds it here: it is off
//! until a key has an identifier; nothing is computed for an identifier that no key has; such computations never take more
//! than a share of those that may wait, and one source's a part of that; half-open limits hold per source and in all, as in Main Mode; message 2 is sent
//! when message 1 comes and never on our own, and it is at most twice as long.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::crypto::Iv;
use crate::envelope;
use crate::isakmp::iana::{IdType, PayloadType};
use crate::isakmp::{Chain, Cookies, Header, Id, IdPayload, Malformed, Payloads};
use crate::isakmp_sa::open_first;
use crate::job::KeyExchange;
use crate::keymat::{IsakmpKeys, Skeyid, Transcript};
use crate::nat::{Nat, NatTraversal, Traversal};
use crate::path::Path;
use crate::phase1::{self, Agreed, Keys, Verified, identity, nonce, own_id, says_initial_contact};
use crate::proposal::IkeSuite;
use crate::secret::Psk;

/// How far an aggressive mode has come.
pub(crate) enum Aggressive {
    /// Message 1 is here, the arithmetic is under way.
    Computing(Box<Computing>),
    /// Message 2 is sent.
    AwaitHash(Box<AwaitHash>),
}

/// `HDR, SA, KE, Ni, IDii, VID …`
pub(crate) struct Message1<'a> {
    pub(crate) first: phase1::Message1<'a>,
    pub(crate) public: &'a [u8],
    pub(crate) nonce: &'a [u8],
    pub(crate) id: IdPayload<'a>,
}

impl<'a> TryFrom<&Payloads<'a>> for Message1<'a> {
    type Error = Malformed;

    fn try_from(payloads: &Payloads<'a>) -> Result<Self, Malformed> {
        let first = phase1::Message1::try_from(payloads)?;
        let public = payloads.require(PayloadType::KEY_EXCHANGE)?;
        let id = identity(payloads)?;
        Ok(Self { first, public, nonce: nonce(payloads)?, id })
    }
}

/// Whether an identity in a first message asks for this key. Android makes a KEY_ID of what its user typed, an FQDN if there
/// is a dot in it, a USER_FQDN if there is an at sign too; only what was typed counts. A Cisco router, or strongSwan without
/// an identifier of its own, sends its address, which is then typed as one writes it.
pub(crate) fn names(id: &Id, psk: &Psk) -> bool {
    let Some(wanted) = &psk.id else { return false };
    match id.bytes_of(&[IdType::KEY_ID, IdType::FQDN, IdType::USER_FQDN]) {
        Some(typed) => typed == wanted.as_bytes(),
        None => id.address().is_some_and(|address| wanted.parse() == Ok(address)),
    }
}

/// What is known while the shared secret is computed.
pub(crate) struct Computing {
    agreed: Agreed,
    /// How the client speaks NAT traversal, if it does.
    version: Option<NatTraversal>,
    /// The answer's SA payload.
    chosen: Chain,
    initiator_nonce: Box<[u8]>,
    /// `IDii_b`.
    initiator_id: Box<[u8]>,
    identity: Id,
    psk: Psk,
    request_len: usize,
}

impl Computing {
    /// Message 1 has been agreed to; `psk` is the key to try first.
    pub(crate) fn new(
        message: &Message1<'_>,
        (agreed, chosen): (Agreed, Chain),
        version: Option<NatTraversal>,
        psk: Psk,
        request_len: usize,
    ) -> Self {
        Self {
            agreed,
            version,
            chosen,
            initiator_nonce: message.nonce.into(),
            initiator_id: message.id.body.into(),
            identity: message.id.to_id(),
            psk,
            request_len,
        }
    }

    /// Octets of message 1: what may go back to where it came from.
    pub(crate) fn request_len(&self) -> usize {
        self.request_len
    }

    /// The algorithms agreed on.
    pub(crate) fn suite(&self) -> IkeSuite {
        self.agreed.suite
    }

    /// The secret is there: writes message 2's payloads. `hashes` are of the client's address and of ours.
    ///
    /// SA stands first, as RFC 2409 §5.4 has it and racoon insists; NAT-D behind the vendor IDs, for racoon does not know
    /// what it is before.
    pub(crate) fn finish(
        self,
        now: Instant,
        cookies: Cookies,
        exchange: KeyExchange,
        responder_nonce: [u8; NONCE_LEN],
        (own, hashes): (IpAddr, [&[u8]; 2]),
    ) -> (AwaitHash, Chain) {
        let Self { agreed, version, mut chosen, initiator_nonce, initiator_id, identity, psk, .. } = self;
        let id = own_id(own);
        let awaiting = AwaitHash {
            version,
            timings: (agreed.message1, now),
            agreed,
            identity,
            tried: psk.name.clone(),
            failures: 0,
            initiator_nonce,
            initiator_id,
            responder_nonce,
            exchange,
        };
        let hash_r = awaiting.skeyid(&psk).hash_r(&awaiting.transcript(cookies), &id);
        chosen.push(PayloadType::KEY_EXCHANGE, &awaiting.exchange.public);
        chosen.push(PayloadType::NONCE, &responder_nonce);
        chosen.push(PayloadType::IDENTIFICATION, &id);
        chosen.push(PayloadType::HASH, &hash_r);
        awaiting.agreed.vendor.acknowledge(&mut chosen);
        if let Some(version) = version {
            for hash in hashes {
                chosen.push(version.nat_d(), hash);
            }
        }
        (awaiting, chosen)
    }
}

/// All there is to know except whether the client has the key.
pub(crate) struct AwaitHash {
    pub(crate) agreed: Agreed,
    version: Option<NatTraversal>,
    /// When message 1 came, when the secret was there.
    pub(crate) timings: (Instant, Instant),
    pub(crate) identity: Id,
    /// Name of the key that HASH_R was made with.
    pub(crate) tried: Arc<str>,
    /// How many messages 3 did not verify; a client that turned message 2 down counts too.
    pub(crate) failures: u32,
    initiator_nonce: Box<[u8]>,
    initiator_id: Box<[u8]>,
    responder_nonce: [u8; NONCE_LEN],
    exchange: KeyExchange,
}

impl AwaitHash {
    /// Tries each key of the client's identifier on message 3. `paths` are those that its address hashes may be about.
    pub(crate) fn authenticate<'k>(
        &self,
        header: &Header,
        body: &[u8],
        psks: &'k [Psk],
        paths: [Path; 2],
    ) -> Option<Authenticated<'k>> {
        let mut named = psks.iter().filter(|psk| names(&self.identity, psk));
        named.find_map(|psk| self.try_psk(header, body, psk, paths))
    }

    fn try_psk<'k>(
        &self,
        header: &Header,
        body: &[u8],
        psk: &'k Psk,
        paths: [Path; 2],
    ) -> Option<Authenticated<'k>> {
        let said = self.transcript(header.cookies);
        let IkeSuite { cipher, hash, .. } = self.agreed.suite;
        let skeyid = self.skeyid(psk);
        let keys = skeyid.keys(cipher, &self.exchange.shared, &said).ok()?;
        // RFC 2409 App. B: the second phase goes on from the last block of the first, or from where there was none.
        let mut iv = said.iv(hash, cipher);
        let text = if header.flags.is_encrypted() {
            envelope::open(keys.cipher_key(), &mut iv, body)?
        } else {
            Zeroizing::new(body.to_vec())
        };
        let payloads = Payloads::parse(header.next_payload, &text).ok()?;
        let sent = payloads.require(PayloadType::HASH).ok()?;
        let verified = Verified::compare(&skeyid.hash_i(&said, &self.initiator_id), sent)?;
        // RFC 3947 §4 has the ports changed with this message, and does not say which ones its hashes are about.
        let detected = self.version.and_then(|version| {
            let seen = paths.map(|path| Nat::detect(&payloads, version, hash, header.cookies, path));
            let [Some(one), Some(other)] = seen else { return None };
            let nat = Nat { client: one.client && other.client, server: one.server && other.server };
            Some(Traversal::Detected(version, nat))
        });
        let traversal = detected.unwrap_or(Traversal::Unspoken);
        let initial_contact = says_initial_contact(&payloads);
        Some(Authenticated { psk, initial_contact, traversal, keys, iv, verified })
    }

    /// Whether a message of the second phase is of a client that has this key, and sent its message 3 in clear.
    pub(crate) fn is_under(&self, psk: &Psk, header: &Header, body: &[u8]) -> bool {
        let said = self.transcript(header.cookies);
        let IkeSuite { cipher, hash, .. } = self.agreed.suite;
        let keys = self.skeyid(psk).keys(cipher, &self.exchange.shared, &said);
        keys.is_ok_and(|keys| open_first(&keys, &said.iv(hash, cipher), header, body).is_some())
    }

    fn skeyid(&self, psk: &Psk) -> Skeyid {
        let (initiator, responder) = (&self.initiator_nonce, &self.responder_nonce);
        Skeyid::from_psk(self.agreed.suite.hash, psk.secret.as_bytes(), initiator, responder)
    }

    fn transcript(&self, cookies: Cookies) -> Transcript<'_> {
        self.agreed.transcript(cookies, &self.exchange)
    }
}

/// A client that knows a key of its identifier.
pub(crate) struct Authenticated<'k> {
    pub(crate) psk: &'k Psk,
    /// It has forgotten whatever SAs it had with us.
    pub(crate) initial_contact: bool,
    pub(crate) traversal: Traversal,
    keys: IsakmpKeys,
    iv: Iv,
    verified: Verified,
}

impl Authenticated<'_> {
    /// What the ISAKMP SA is made of.
    pub(crate) fn into_keys(self) -> Keys {
        Keys::new(self.keys, self.iv, self.verified)
    }
}

/// Octets of our nonce, as many as racoon's: message 2 goes to an unproven address.
pub(crate) const NONCE_LEN: usize = 16;
