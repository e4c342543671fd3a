//! Quick Mode, responder side: the server asks for new ESP SAs because we made none in time.

use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use super::offer::{PROTO_ESP, esp_answer, esp_asked};
use super::quick_mode::{SaPair, esp_port, header};
use super::{IsakmpSa, Setup, pad};
use crate::dh::KeyPair;
use crate::esp::{InboundSa, OutboundSa};
use crate::isakmp::{Cookie, Header, Payload, decode_chain, encode_chain, payload};
use crate::resend::Resend;

/// A Quick Mode of the server's that we answered.
pub(crate) struct Answer {
    pub(crate) message_id: u32,
    /// The ISAKMP SA it runs under.
    pub(crate) responder: Cookie,
    /// Message 2, as it was sent.
    pub(crate) sent: Vec<u8>,
    request: Vec<u8>,
    /// Until message 3 is there.
    pub(crate) waiting: Option<Waiting>,
}

/// What message 3 completes.
pub(crate) struct Waiting {
    pub(crate) resend: Resend,
    iv: Vec<u8>,
    hash_3: Vec<u8>,
    pair: Box<SaPair>,
}

/// Where a message led.
pub(crate) enum Step {
    Ignored,
    /// Message 1 again.
    Repeated,
    Done(Box<SaPair>),
}

impl Answer {
    /// Takes message 1; message 2 is in `sent`.
    pub(crate) fn start(
        now: Instant,
        setup: &Setup,
        rng: &mut ChaCha20Rng,
        sa: &IsakmpSa,
        message: &[u8],
    ) -> Option<Self> {
        let (Header { message_id, next, .. }, body) = Header::decode(message)?;
        let id = message_id.to_be_bytes();
        let mut iv = sa.keys.phase2_iv(&sa.last_block, message_id);
        let plain = sa.keys.decrypt(&mut iv, body)?;
        let payloads = decode_chain(next, &plain)?;
        let (hash, others) = payloads.split_first()?;
        let covered: Vec<u8> = others.iter().flat_map(|payload| payload.whole).copied().collect();
        (hash.kind == payload::HASH && hash.body == sa.keys.protect(&[&id, &covered])).then_some(())?;
        let find = |kind| others.iter().find(|payload| payload.kind == kind).map(|payload| payload.body);
        let asked = find(payload::SA)?;
        let choice = esp_asked(&setup.esp, sa.nat_t.transport_mode(sa.behind_nat), asked)?;
        let peer_nonce = find(payload::NONCE)?;
        let pfs = setup.esp.pfs.map(|group| KeyPair::generate(group, rng));
        let secret = match (&pfs, find(payload::KEY_EXCHANGE)) {
            (None, None) => Vec::new(),
            (Some(own), Some(public)) => own.agree(public)?,
            _ => return None,
        };

        let mut nonce = vec![0; setup.ike.nonce_len];
        rng.fill_bytes(&mut nonce);
        let mut spi = [0; 4];
        rng.fill_bytes(&mut spi);
        spi[0] |= 0x80;
        let mut answer =
            vec![Payload(payload::SA, esp_answer(asked, spi)), Payload(payload::NONCE, nonce.clone())];
        answer.extend(pfs.iter().map(|own| Payload(payload::KEY_EXCHANGE, own.public().to_vec())));
        let ids = others.iter().filter(|payload| payload.kind == payload::ID);
        answer.extend(ids.map(|id| Payload(payload::ID, id.body.to_vec())));
        let (_, covered) = encode_chain(&answer);
        answer.insert(0, Payload(payload::HASH, sa.keys.protect(&[&id, peer_nonce, &covered])));
        let (next, mut body) = encode_chain(&answer);
        pad(&mut body, sa.keys.block_len(), setup.ike.padding, rng);
        sa.keys.encrypt(&mut iv, &mut body);

        let transform = choice.transform;
        let length = transform.keymat_len();
        let keymat =
            |spi: &[u8; 4]| sa.keys.keymat(&secret, &[&[PROTO_ESP], spi, peer_nonce, &nonce], length);
        let icv = setup.icv_len(transform);
        let pair = Box::new(SaPair {
            inbound: InboundSa::new(spi, transform, &keymat(&spi), icv),
            outbound: OutboundSa::new(choice.spi, transform, &keymat(&choice.spi), icv),
            lifetime: setup.esp.lifetime,
            port: esp_port(sa),
        });
        let hash_3 = sa.keys.protect(&[&[0], &id, peer_nonce, &nonce]);
        let resend = Resend::new(now, &setup.ike.retransmit);
        Some(Self {
            message_id,
            responder: sa.responder,
            sent: header(sa, next, message_id).encode(&body),
            request: message.to_vec(),
            waiting: Some(Waiting { resend, iv, hash_3, pair }),
        })
    }

    /// Takes a message with its id.
    pub(crate) fn handle(&mut self, sa: &IsakmpSa, message: &[u8]) -> Step {
        if message == self.request {
            return Step::Repeated;
        }
        let complete = |waiting: &mut Waiting| {
            let (header, body) = Header::decode(message)?;
            let plain = sa.keys.decrypt(&mut waiting.iv.clone(), body)?;
            let payloads = decode_chain(header.next, &plain)?;
            Some(payloads.first()?.body == waiting.hash_3)
        };
        match self.waiting.take_if(|waiting| complete(waiting) == Some(true)) {
            Some(Waiting { pair, .. }) => Step::Done(pair),
            None => Step::Ignored,
        }
    }
}
