//! Quick Mode, responder side, RFC 2409 §5.5.
//!
//! ```text
//!      initiator                                         responder
//!   1  HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr] …  ─▶                                        Message1
//!   2                       ◀─  HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr] [, NAT-OA, NAT-OA]  AwaitHash3
//!   3  HDR*, HASH(3)        ─▶                                                                  Done
//! ```

mod rekey;

use std::time::{Duration, Instant};

use crate::crypto::{Digest, Iv, WeakKey};
use crate::envelope;
use crate::esp::{EspSuite, InboundSa, OutboundSa, Spi};
use crate::isakmp::iana::PayloadType;
use crate::isakmp::{Chain, Header, IdPayload, Malformed, Payloads, SaPayload};
use crate::isakmp_sa::IsakmpSa;
use crate::job::KeyExchange;
use crate::keymat::{IsakmpKeys, Nonces};
use crate::nat;
use crate::path::{Encapsulation, Path};
use crate::phase1::{NONCE_LEN, nonce, says_initial_contact};
use crate::proposal::EspChoice;

pub(crate) use self::rekey::{Answer, AwaitMessage2, Draft, Pfs, Rekey, Terms};

/// How far a quick mode has come.
pub(crate) enum QuickMode {
    /// The arithmetic of perfect forward secrecy is under way.
    Computing(Opening),
    /// Message 2 is sent.
    AwaitHash3(AwaitHash3),
    /// Ours, with the client as the responder.
    Rekey(Rekey),
    /// Finished or refused; remembered for a while so that its messages may come again.
    Done,
}

impl QuickMode {
    /// The SPI that is kept for it while it makes no pair yet.
    pub(crate) fn reserved(&self) -> Option<Spi> {
        match self {
            Self::Computing(opening) => Some(opening.inbound),
            Self::Rekey(rekey) => rekey.reserved(),
            Self::AwaitHash3(_) | Self::Done => None,
        }
    }
}

/// `HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr]`, the hash verified already.
pub(crate) struct Message1<'a> {
    pub(crate) sa: SaPayload<'a>,
    pub(crate) nonce: &'a [u8],
    pub(crate) public: Option<&'a [u8]>,
    pub(crate) selectors: Option<Selectors<'a>>,
    pub(crate) initial_contact: bool,
}

impl<'a> TryFrom<&Payloads<'a>> for Message1<'a> {
    type Error = Malformed;

    fn try_from(payloads: &Payloads<'a>) -> Result<Self, Malformed> {
        let sa = SaPayload::parse(payloads.require(PayloadType::SECURITY_ASSOCIATION)?)?;
        let mut ids = payloads.of(PayloadType::IDENTIFICATION).map(IdPayload::parse);
        let selectors = match (ids.next().transpose()?, ids.next().transpose()?) {
            (Some(client), Some(server)) => Some(Selectors { client, server }),
            (None, _) => None,
            (Some(_), None) => return Err(Malformed::Missing(PayloadType::IDENTIFICATION)),
        };
        Ok(Self {
            sa,
            nonce: nonce(payloads)?,
            public: payloads.of(PayloadType::KEY_EXCHANGE).next(),
            selectors,
            initial_contact: says_initial_contact(payloads),
        })
    }
}

/// Which traffic the client wants protected: IDci and IDcr.
#[derive(Clone, Copy)]
pub(crate) struct Selectors<'a> {
    client: IdPayload<'a>,
    server: IdPayload<'a>,
}

impl Selectors<'_> {
    /// Whether L2TP fits through.
    ///
    /// Addresses are not compared with anything: behind NAT the client names its private one, and the server's as it dialled
    /// it; Windows XP even sends a name. Ports: Windows 1701 to 1701, Android any (0) to 1701, Apple a port of its own to
    /// 1701. RFC 3193 §3.1: no protocol and no port stand for all of them.
    pub(crate) fn admit_l2tp(&self) -> bool {
        const UDP: u8 = 17;
        const L2TP: u16 = 1701;
        [0, UDP].contains(&self.client.protocol)
            && [0, UDP].contains(&self.server.protocol)
            && [0, L2TP].contains(&self.server.port)
    }

    /// For the log line.
    pub(crate) fn describe(&self) -> String {
        let Self { client, server } = self;
        format!(
            "protocol {} from {} port {} to {} port {}",
            server.protocol,
            client.to_id(),
            client.port,
            server.to_id(),
            server.port
        )
    }

    /// They are echoed, so they are kept while the exchange lasts.
    pub(crate) fn are_modest(&self) -> bool {
        self.client.body.len().max(self.server.body.len()) <= MAX_ID_LEN
    }
}

/// A quick mode whose second message waits for its keys.
pub(crate) struct Opening {
    pub(crate) suite: EspSuite,
    pub(crate) lifetime: Duration,
    pub(crate) path: Path,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) requested: Instant,
    pub(crate) inbound: Spi,
    pub(crate) terms: Terms,
    peer_spi: Spi,
    initiator_nonce: Box<[u8]>,
    responder_nonce: [u8; NONCE_LEN],
    /// SA and Nr.
    head: Chain,
    /// IDci, IDcr as they came, then the original addresses.
    tail: Vec<(PayloadType, Vec<u8>)>,
    iv: Iv,
}

/// What an opening needs besides the client's message.
pub(crate) struct Own {
    pub(crate) inbound: Spi,
    pub(crate) nonce: [u8; NONCE_LEN],
    pub(crate) path: Path,
    pub(crate) requested: Instant,
    pub(crate) iv: Iv,
}

impl Opening {
    /// Takes over what is chosen from message 1.
    pub(crate) fn new(sa: &IsakmpSa, message: &Message1<'_>, choice: &EspChoice<'_>, own: Own) -> Self {
        let mut head = Chain::default();
        head.push_sa(choice.proposal, choice.transform, &own.inbound.0.to_be_bytes());
        head.push(PayloadType::NONCE, &own.nonce);
        let mut tail = Vec::new();
        if let Some(Selectors { client, server }) = message.selectors {
            tail.push((PayloadType::IDENTIFICATION, client.body.to_vec()));
            tail.push((PayloadType::IDENTIFICATION, server.body.to_vec()));
        }
        for address in sa.origin.traversal.original_addresses(choice.mode, own.path).into_iter().flatten() {
            tail.push((PayloadType::NAT_OA, nat::original_address(address)));
        }
        Self {
            suite: choice.suite,
            lifetime: choice.lifetime,
            path: own.path,
            encapsulation: choice.encapsulation,
            requested: own.requested,
            inbound: own.inbound,
            terms: Terms::new(message, choice),
            peer_spi: choice.peer_spi,
            initiator_nonce: message.nonce.into(),
            responder_nonce: own.nonce,
            head,
            tail,
            iv: own.iv,
        }
    }

    /// Derives the keys of both directions and writes message 2.
    pub(crate) fn finish(
        self,
        sa: &IsakmpSa,
        message_id: u32,
        pfs: Option<KeyExchange>,
    ) -> Result<(AwaitHash3, Vec<u8>, InboundSa, OutboundSa), WeakKey> {
        let Self { suite, inbound, peer_spi, initiator_nonce, responder_nonce, head, tail, mut iv, .. } =
            self;
        let keys: &IsakmpKeys = sa.keys();
        let nonces = Nonces { initiator: &initiator_nonce, responder: &responder_nonce };
        let shared = pfs.as_ref().map(|exchange| &exchange.shared);
        let inbound_keys = keys.esp_keys(suite, inbound, nonces, shared)?;
        let outbound_keys = keys.esp_keys(suite, peer_spi, nonces, shared)?;

        let mut chain = head;
        if let Some(exchange) = &pfs {
            chain.push(PayloadType::KEY_EXCHANGE, &exchange.public);
        }
        for (kind, body) in &tail {
            chain.push(*kind, body);
        }
        let hash = keys.hash_2(message_id, &initiator_nonce, chain.as_bytes());
        let chain = chain.prefixed(PayloadType::HASH, &hash);
        let message = sa.seal_quick(message_id, &mut iv, &chain);
        let expected = keys.hash_3(message_id, &initiator_nonce, &responder_nonce);
        Ok((
            AwaitHash3 { iv, expected, inbound },
            message,
            InboundSa::new(inbound, suite, &inbound_keys),
            OutboundSa::new(peer_spi, suite, &outbound_keys),
        ))
    }

    /// The client's inbound SPI, by which it deletes the pair.
    pub(crate) fn peer_spi(&self) -> Spi {
        self.peer_spi
    }
}

/// A quick mode that its last message will confirm.
pub(crate) struct AwaitHash3 {
    pub(crate) inbound: Spi,
    iv: Iv,
    expected: Digest,
}

impl AwaitHash3 {
    /// Whether a message is the third one.
    pub(crate) fn verify(&self, sa: &IsakmpSa, header: &Header, body: &[u8]) -> bool {
        let mut iv = self.iv;
        let Some(text) = envelope::open(sa.keys().cipher_key(), &mut iv, body) else { return false };
        let Ok(payloads) = Payloads::parse(header.next_payload, &text) else { return false };
        let Some(first) = payloads.first() else { return false };
        first.kind == PayloadType::HASH && self.expected == *first.body
    }
}

/// As for the identity of a peer.
const MAX_ID_LEN: usize = 1024;
