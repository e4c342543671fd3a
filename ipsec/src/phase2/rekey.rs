//! Quick Mode, initiator side: what a client had asked for, asked of it again, RFC 2409 §5.5.
//!
//! ```text
//!      we                                              client
//!   1  HDR*, HASH(1), SA, Ni [, KE] [, IDci, IDcr] …  ─▶                       Drawing, AwaitMessage2
//!   2                         ◀─  HDR*, HASH(2), SA, Nr [, KE] [, IDci, IDcr]  Computing
//!   3  HDR*, HASH(3)          ─▶                                               Settling
//! ```

use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{Message1, Selectors};
use crate::crypto::{Iv, WeakKey};
use crate::dh::{Group, SharedSecret};
use crate::envelope;
use crate::esp::{EspSuite, InboundSa, OutboundSa, Spi};
use crate::isakmp::iana::{EncapsulationMode, PayloadType, ProtocolId};
use crate::isakmp::{Chain, Header, Payloads, Proposal, Transform};
use crate::isakmp_sa::{IsakmpSa, split_hash};
use crate::keymat::Nonces;
use crate::nat;
use crate::path::{Encapsulation, Path};
use crate::phase1::NONCE_LEN;
use crate::proposal::EspChoice;

/// What a client has asked for, and was given.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) suite: EspSuite,
    pub(crate) lifetime: Duration,
    pub(crate) pfs: Option<Pfs>,
    /// How the packets travel, and what the client calls that.
    pub(crate) encapsulation: Encapsulation,
    mode: EncapsulationMode,
    /// The transform's id and its attributes as the client wrote them, so that it reads what it understands.
    transform: u8,
    attributes: Box<[u8]>,
    /// IDci and IDcr.
    selectors: Option<[Box<[u8]>; 2]>,
}

/// The group of the second exchange, and a public value of the client's.
#[derive(Clone)]
pub(crate) struct Pfs {
    pub(crate) group: Group,
    pub(crate) public: Box<[u8]>,
}

impl Terms {
    pub(crate) fn new(message: &Message1<'_>, choice: &EspChoice<'_>) -> Self {
        let pfs = choice.pfs.zip(message.public);
        Self {
            suite: choice.suite,
            lifetime: choice.lifetime,
            pfs: pfs.map(|(group, public)| Pfs { group, public: public.into() }),
            encapsulation: choice.encapsulation,
            mode: choice.mode,
            transform: choice.transform.id,
            attributes: choice.transform.raw.into(),
            selectors: message
                .selectors
                .map(|Selectors { client, server }| [client.body.into(), server.body.into()]),
        }
    }
}

/// How far a quick mode of ours has come.
pub(crate) enum Rekey {
    /// Our public value is being computed.
    Drawing(Draft),
    /// Message 1 is sent.
    AwaitMessage2(AwaitMessage2),
    /// Message 2 is there, and the arithmetic of perfect forward secrecy under way.
    Computing(Box<Answer>),
    /// Message 3 is sent: the client has the pair once that arrives.
    Settling(Spi),
}

/// A message 1 that lacks its KE payload.
pub(crate) struct Draft {
    pub(crate) inbound: Spi,
    pub(crate) nonce: [u8; NONCE_LEN],
    /// Out of which both jobs draw the same private value.
    pub(crate) seed: Option<Zeroizing<[u8; 32]>>,
    pub(crate) terms: Terms,
    pub(crate) requested: Instant,
}

impl Draft {
    /// The group of the second exchange and what our private value is drawn from, if there is one.
    pub(crate) fn pfs(&self) -> Option<(Group, Zeroizing<[u8; 32]>)> {
        self.terms.pfs.as_ref().map(|pfs| pfs.group).zip(self.seed.clone())
    }

    /// Writes message 1.
    pub(crate) fn send(
        self,
        sa: &IsakmpSa,
        path: Path,
        message_id: u32,
        public: Option<&[u8]>,
    ) -> (AwaitMessage2, Vec<u8>) {
        let Terms { transform, attributes, selectors, mode, .. } = &self.terms;
        let mut chain = Chain::default();
        let proposal = Proposal { number: 1, protocol: ProtocolId::ESP, spi: &[], transforms: Vec::new() };
        let transform = Transform { number: 1, id: *transform, raw: attributes, attributes: Vec::new() };
        chain.push_sa(&proposal, &transform, &self.inbound.0.to_be_bytes());
        chain.push(PayloadType::NONCE, &self.nonce);
        if let Some(public) = public {
            chain.push(PayloadType::KEY_EXCHANGE, public);
        }
        // The initiator's comes first, which is now ours.
        for id in selectors.iter().flat_map(|[client, server]| [server, client]) {
            chain.push(PayloadType::IDENTIFICATION, id);
        }
        if let Some([client, server]) = sa.origin.traversal.original_addresses(*mode, path) {
            chain.push(PayloadType::NAT_OA, &nat::original_address(server));
            chain.push(PayloadType::NAT_OA, &nat::original_address(client));
        }
        let (message, iv) = sa.seal_quick_first(message_id, chain);
        (AwaitMessage2 { draft: self, iv }, message)
    }
}

/// A quick mode that waits for the client's answer.
pub(crate) struct AwaitMessage2 {
    pub(crate) draft: Draft,
    iv: Iv,
}

impl AwaitMessage2 {
    /// Decrypts message 2 and verifies its `HASH(2)`.
    pub(crate) fn open(
        &self,
        sa: &IsakmpSa,
        header: &Header,
        body: &[u8],
    ) -> Option<(Zeroizing<Vec<u8>>, Iv)> {
        let mut iv = self.iv;
        let text = envelope::open(sa.keys().cipher_key(), &mut iv, body)?;
        let payloads = Payloads::parse(header.next_payload, &text).ok()?;
        let (hash, rest) = split_hash(&payloads, &text)?;
        let expected = sa.keys().hash_2(header.message_id, &self.draft.nonce, rest);
        (expected == *hash).then_some((text, iv))
    }
}

/// What the client chose in message 2.
pub(crate) struct Answer {
    pub(crate) draft: Draft,
    pub(crate) nonce: Box<[u8]>,
    pub(crate) peer_spi: Spi,
    pub(crate) iv: Iv,
}

impl Answer {
    /// Derives the keys of both directions and writes message 3.
    pub(crate) fn finish(
        self,
        sa: &IsakmpSa,
        message_id: u32,
        shared: Option<&SharedSecret>,
    ) -> Result<(Vec<u8>, InboundSa, OutboundSa), WeakKey> {
        let Self { draft: Draft { inbound, nonce: own, terms, .. }, nonce, peer_spi, mut iv } = self;
        let nonces = Nonces { initiator: &own, responder: &nonce };
        let inbound_keys = sa.keys().esp_keys(terms.suite, inbound, nonces, shared)?;
        let outbound_keys = sa.keys().esp_keys(terms.suite, peer_spi, nonces, shared)?;
        let mut chain = Chain::default();
        chain.push(PayloadType::HASH, &sa.keys().hash_3(message_id, &own, &nonce));
        let message = sa.seal_quick(message_id, &mut iv, &chain);
        let inbound = InboundSa::new(inbound, terms.suite, &inbound_keys);
        Ok((message, inbound, OutboundSa::new(peer_spi, terms.suite, &outbound_keys)))
    }
}

impl Rekey {
    /// The SPI that is kept for it while it makes no pair yet.
    pub(crate) fn reserved(&self) -> Option<Spi> {
        match self {
            Self::Drawing(draft) => Some(draft.inbound),
            Self::AwaitMessage2(awaiting) => Some(awaiting.draft.inbound),
            Self::Computing(answer) => Some(answer.draft.inbound),
            Self::Settling(_) => None,
        }
    }
}
