//! Quick Mode, initiator side, RFC 2409 §5.5.
//!
//! ```text
//! 1  HASH(1), SA, Ni, [KE], IDci, IDcr, [NAT-OA, NAT-OA]   →
//! 2                                                        ←  HASH(2), SA, Nr, [KE], IDci, IDcr, …
//! 3  HASH(3)                                               →
//! ```

use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use super::nat::{NAT_T_PORT, NO_PORT, address_bytes, address_type};
use super::offer::{PROTO_ESP, esp_choice, esp_offer};
use super::{IsakmpSa, Setup, pad};
use crate::dh::KeyPair;
use crate::esp::{InboundSa, OutboundSa};
use crate::isakmp::{Cookie, ENCRYPTED, Header, Payload, decode_chain, encode_chain, exchange, payload};
use crate::profile::IdentityPort;
use crate::resend::Resend;

/// A Quick Mode in progress or just done.
pub(crate) struct QuickMode {
    pub(crate) message_id: u32,
    /// The ISAKMP SA it runs under.
    pub(crate) responder: Cookie,
    /// Our last message, as it was sent.
    pub(crate) sent: Vec<u8>,
    pub(crate) state: State,
}

pub(crate) enum State {
    AwaitAnswer(Box<AwaitAnswer>),
    /// Done with this message 2: if it comes again, message 3 was lost.
    Done(Vec<u8>),
}

pub(crate) struct AwaitAnswer {
    pub(crate) resend: Resend,
    iv: Vec<u8>,
    spi: [u8; 4],
    nonce: Vec<u8>,
    pfs: Option<KeyPair>,
}

/// A pair of ESP SAs that Quick Mode made.
pub(crate) struct SaPair {
    /// Where packets go from and to: port 4500, or none if they are native.
    pub(crate) port: u16,
    pub(crate) inbound: InboundSa,
    pub(crate) outbound: OutboundSa,
    pub(crate) lifetime: Duration,
}

/// Where a message led.
pub(crate) enum Step {
    Ignored,
    /// Message 2 again: message 3 is to be sent again.
    Repeated,
    /// Message 3 is in `sent`.
    Done(Box<SaPair>),
    Violated(String),
}

impl QuickMode {
    /// Starts with message 1 in `sent`.
    pub(crate) fn start(
        now: Instant,
        setup: &Setup,
        rng: &mut ChaCha20Rng,
        sa: &IsakmpSa,
        message_id: u32,
    ) -> Self {
        let mut nonce = vec![0; setup.ike.nonce_len];
        rng.fill_bytes(&mut nonce);
        let mut spi = [0; 4];
        rng.fill_bytes(&mut spi);
        // RFC 4303 §2.1: 1 to 255 are reserved, and 0 would look like the non-ESP marker.
        spi[0] |= 0x80;
        let pfs = setup.esp.pfs.map(|group| KeyPair::generate(group, rng));
        let mode = sa.nat_t.transport_mode(sa.behind_nat);
        let port = match setup.esp.identity_port {
            IdentityPort::Source => setup.l2tp_port,
            IdentityPort::Any => 0,
        };
        let mut payloads = vec![
            Payload(payload::SA, esp_offer(&setup.esp, mode, spi)),
            Payload(payload::NONCE, nonce.clone()),
        ];
        payloads.extend(pfs.iter().map(|key| Payload(payload::KEY_EXCHANGE, key.public().to_vec())));
        payloads.push(Payload(payload::ID, udp_identity(setup.local, port)));
        payloads.push(Payload(payload::ID, udp_identity(setup.server, 1701)));
        if sa.behind_nat && setup.esp.nat_oa {
            let kind = sa.nat_t.original_address();
            payloads.push(Payload(kind, original_address(setup.local)));
            payloads.push(Payload(kind, original_address(setup.server)));
        }
        let (next, mut body) = sa.keys.hashed_chain(message_id, payloads);
        let mut iv = sa.keys.phase2_iv(&sa.last_block, message_id);
        pad(&mut body, sa.keys.block_len(), setup.ike.padding, rng);
        sa.keys.encrypt(&mut iv, &mut body);
        let sent = header(sa, next, message_id).encode(&body);
        let resend = Resend::new(now, &setup.ike.retransmit);
        let state = State::AwaitAnswer(Box::new(AwaitAnswer { resend, iv, spi, nonce, pfs }));
        Self { message_id, responder: sa.responder, sent, state }
    }

    /// Takes a Quick Mode message with our message id.
    pub(crate) fn handle(
        &mut self,
        setup: &Setup,
        rng: &mut ChaCha20Rng,
        sa: &IsakmpSa,
        message: &[u8],
    ) -> Step {
        let waiting = match &self.state {
            State::AwaitAnswer(waiting) => waiting,
            State::Done(answer) if answer == message => return Step::Repeated,
            State::Done(_) => return Step::Ignored,
        };
        let Some((header, body)) = Header::decode(message) else { return Step::Ignored };
        let mut iv = waiting.iv.clone();
        let Some(plain) = sa.keys.decrypt(&mut iv, body) else { return Step::Ignored };
        let (pair, responder_nonce) = match self.answer(setup, sa, waiting, header.next, &plain) {
            Ok(Some(found)) => found,
            Ok(None) => return Step::Ignored,
            Err(violation) => return Step::Violated(violation),
        };
        // HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)
        let id = self.message_id.to_be_bytes();
        let hash = sa.keys.protect(&[&[0], &id, &waiting.nonce, &responder_nonce]);
        let (next, mut body) = encode_chain(&[Payload(payload::HASH, hash)]);
        pad(&mut body, sa.keys.block_len(), setup.ike.padding, rng);
        sa.keys.encrypt(&mut iv, &mut body);
        self.sent = self::header(sa, next, self.message_id).encode(&body);
        self.state = State::Done(message.to_vec());
        Step::Done(Box::new(pair))
    }

    fn answer(
        &self,
        setup: &Setup,
        sa: &IsakmpSa,
        waiting: &AwaitAnswer,
        first: u8,
        plain: &[u8],
    ) -> Result<Option<(SaPair, Vec<u8>)>, String> {
        let Some(payloads) = decode_chain(first, plain) else { return Ok(None) };
        let Some((hash, others)) = payloads.split_first() else { return Ok(None) };
        if hash.kind != payload::HASH {
            return Ok(None);
        }
        let covered: Vec<u8> = others.iter().flat_map(|payload| payload.whole).copied().collect();
        let expected = sa.keys.protect(&[&self.message_id.to_be_bytes(), &waiting.nonce, &covered]);
        if expected != hash.body {
            return Ok(None);
        }
        let allowed = [
            payload::SA,
            payload::NONCE,
            payload::KEY_EXCHANGE,
            payload::ID,
            payload::NOTIFICATION,
            sa.nat_t.original_address(),
        ];
        if setup.ike.strict_payloads
            && let Some(stray) = others.iter().find(|payload| !allowed.contains(&payload.kind))
        {
            return Err(format!("message 2 of Quick Mode brings payload {}: racoon drops it", stray.kind));
        }
        let find = |kind| others.iter().find(|payload| payload.kind == kind).map(|payload| payload.body);
        let mode = sa.nat_t.transport_mode(sa.behind_nat);
        let choice = find(payload::SA).and_then(|body| esp_choice(&setup.esp, mode, body));
        let Some(choice) = choice else {
            return Err("Quick Mode does not choose one of the offered transforms".into());
        };
        let Some(nonce) = find(payload::NONCE) else { return Ok(None) };
        let secret = match (&waiting.pfs, find(payload::KEY_EXCHANGE)) {
            (None, None) => Vec::new(),
            (Some(key), Some(public)) => match key.agree(public) {
                Some(secret) => secret,
                None => return Err("Quick Mode brings an impossible public value".into()),
            },
            _ => return Err("Quick Mode answers with or without KE, unlike what was asked".into()),
        };
        let transform = choice.transform;
        let length = transform.keymat_len();
        let keymat =
            |spi: &[u8; 4]| sa.keys.keymat(&secret, &[&[PROTO_ESP], spi, &waiting.nonce, nonce], length);
        let icv = setup.icv_len(transform);
        let pair = SaPair {
            port: esp_port(sa),
            inbound: InboundSa::new(waiting.spi, transform, &keymat(&waiting.spi), icv),
            outbound: OutboundSa::new(choice.spi, transform, &keymat(&choice.spi), icv),
            lifetime: choice.lifetime.map_or(setup.esp.lifetime, |given| given.min(setup.esp.lifetime)),
        };
        Ok(Some((pair, nonce.to_vec())))
    }
}

/// Where ESP goes from and to.
pub(super) fn esp_port(sa: &IsakmpSa) -> u16 {
    if sa.behind_nat { NAT_T_PORT } else { NO_PORT }
}

/// An address with protocol UDP and a port, RFC 2407 §4.6.2.
fn udp_identity(ip: IpAddr, port: u16) -> Vec<u8> {
    [&[address_type(ip), 17][..], &port.to_be_bytes(), &address_bytes(ip)].concat()
}

/// RFC 3947 §5.2: type, three reserved bytes, address.
fn original_address(ip: IpAddr) -> Vec<u8> {
    [&[address_type(ip), 0, 0, 0][..], &address_bytes(ip)].concat()
}

pub(super) fn header(sa: &IsakmpSa, next: u8, message_id: u32) -> Header {
    Header {
        initiator: sa.initiator,
        responder: sa.responder,
        next,
        exchange: exchange::QUICK_MODE,
        flags: ENCRYPTED,
        message_id,
    }
}
