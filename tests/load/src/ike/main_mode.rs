//! Main Mode, initiator side, with a pre-shared key, RFC 2409 §5.4, or a certificate, §5.1.
//!
//! ```text
//! 1  SA, vendor IDs                  →
//! 2                                  ←  SA, vendor IDs
//! 3  KE, Ni, NAT-D, NAT-D            →
//! 4                                  ←  KE, Nr, NAT-D, NAT-D
//! 5  IDii, HASH_I            (4500)  →
//! 6                                  ←  IDir, HASH_R
//!
//! 5  IDii, CERT, SIG_I, CERTREQ      →
//! 6                                  ←  IDir, CERT, SIG_R
//! ```

use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use super::certificate::request_for_any;
use super::keymat::{Contributions, Keys, Secret};
use super::nat::{IKE_PORT, NAT_T_PORT, NatT, address_bytes, address_type, detection_hash, is_between};
use super::offer::{ike_choice, ike_offer};
use super::{IsakmpSa, Setup, notification, pad};
use crate::dh::KeyPair;
use crate::isakmp::{
    Cookie, ENCRYPTED, Header, Payload, Received, decode_chain, encode_chain, exchange, payload,
};
use crate::profile::{IkeTransform, InitialContact};
use crate::resend::Resend;
use crate::timeline::Mark;

/// A Main Mode in progress.
pub(crate) struct MainMode {
    pub(crate) initiator: Cookie,
    pub(crate) port: u16,
    pub(crate) resend: Resend,
    /// Our last message, as it was sent.
    pub(crate) sent: Vec<u8>,
    /// The message we answered last: if it comes again, our answer was lost.
    answered: Vec<u8>,
    offer: Vec<u8>,
    /// The first Main Mode of the client, not a renewal.
    first: bool,
    state: State,
}

/// By what the next message is to bring.
enum State {
    Sa,
    Ke(AwaitKe),
    Id(Box<AwaitId>),
}

struct AwaitKe {
    responder: Cookie,
    transform: IkeTransform,
    nat_t: NatT,
    key: KeyPair,
    nonce: Vec<u8>,
}

struct AwaitId {
    responder: Cookie,
    nat_t: NatT,
    behind_nat: bool,
    keys: Keys,
    iv: Vec<u8>,
    initiator_public: Vec<u8>,
    responder_public: Vec<u8>,
}

/// Where a message led.
pub(crate) enum Step {
    /// It was not for us, or not what was due.
    Ignored(MainMode),
    /// It was the one we had answered: the answer is to be sent again.
    Repeated(MainMode),
    /// The next message is in `sent`.
    Advanced(MainMode, Mark),
    /// Phase 1 is done.
    Done(Box<IsakmpSa>),
    /// A demand of the client was not met.
    Violated(String),
}

impl MainMode {
    /// Starts with message 1 in `sent`.
    pub(crate) fn start(now: Instant, setup: &Setup, rng: &mut ChaCha20Rng, port: u16, first: bool) -> Self {
        let mut initiator = [0; 8];
        rng.fill_bytes(&mut initiator);
        let offer = ike_offer(&setup.ike, setup.method());
        let vendor_ids = setup.ike.vendor_ids.iter();
        let payloads: Vec<Payload> = [Payload(payload::SA, offer.clone())]
            .into_iter()
            .chain(vendor_ids.map(|id| Payload(payload::VENDOR_ID, id.clone())))
            .collect();
        let (next, body) = encode_chain(&payloads);
        let sent = header(initiator, [0; 8], next, 0).encode(&body);
        let resend = Resend::new(now, &setup.ike.retransmit);
        Self { initiator, port, resend, sent, answered: Vec::new(), offer, first, state: State::Sa }
    }

    /// Which answer is due, for messages about a failure.
    pub(crate) fn stage(&self) -> &'static str {
        match self.state {
            State::Sa => "message 2 of Main Mode",
            State::Ke(_) => "message 4 of Main Mode",
            State::Id(_) => "message 6 of Main Mode",
        }
    }

    /// Takes a message that carries our cookie.
    pub(crate) fn handle(
        mut self,
        now: Instant,
        setup: &Setup,
        rng: &mut ChaCha20Rng,
        message: &[u8],
    ) -> Step {
        if self.answered == message {
            return Step::Repeated(self);
        }
        let Some((header, body)) = Header::decode(message) else { return Step::Ignored(self) };
        let (state, mark) = match &self.state {
            State::Sa => match self.take_sa(setup, rng, &header, body) {
                Ok(Some(next)) => (State::Ke(next), Mark::Message2),
                Ok(None) => return Step::Ignored(self),
                Err(violation) => return Step::Violated(violation),
            },
            State::Ke(waiting) => match self.take_ke(setup, rng, waiting, &header, body) {
                Some(next) => (State::Id(Box::new(next)), Mark::Message4),
                None => return Step::Ignored(self),
            },
            State::Id(waiting) => {
                return match take_id(now, setup, &self, waiting, &header, body) {
                    Ok(Some(sa)) => Step::Done(Box::new(sa)),
                    Ok(None) => Step::Ignored(self),
                    Err(violation) => Step::Violated(violation),
                };
            }
        };
        self.state = state;
        self.answered = message.to_vec();
        self.sent = match &mut self.state {
            State::Sa => return Step::Ignored(self),
            State::Ke(next) => message_3(setup, self.initiator, self.port, next),
            State::Id(next) => {
                if next.behind_nat {
                    self.port = NAT_T_PORT;
                }
                message_5(setup, rng, self.initiator, &self.offer, self.first, next)
            }
        };
        self.resend = Resend::new(now, &setup.ike.retransmit);
        Step::Advanced(self, mark)
    }

    fn take_sa(
        &self,
        setup: &Setup,
        rng: &mut ChaCha20Rng,
        header: &Header,
        body: &[u8],
    ) -> Result<Option<AwaitKe>, String> {
        if header.flags & ENCRYPTED != 0 || header.responder == [0; 8] {
            return Ok(None);
        }
        let Some(payloads) = decode_chain(header.next, body) else { return Ok(None) };
        let Some((sa, others)) = payloads.split_first() else { return Ok(None) };
        let stray = others.iter().find(|payload| payload.kind != payload::VENDOR_ID);
        if setup.ike.strict_payloads
            && let Some(stray) = stray
        {
            return Err(format!(
                "message 2 brings payload {} after SA: racoon takes vendor IDs only",
                stray.kind
            ));
        }
        let choice =
            if sa.kind == payload::SA { ike_choice(&setup.ike, setup.method(), sa.body) } else { None };
        let Some(transform) = choice else {
            return Err("message 2 does not choose one of the offered transforms".into());
        };
        let mut nonce = vec![0; setup.ike.nonce_len];
        rng.fill_bytes(&mut nonce);
        Ok(Some(AwaitKe {
            responder: header.responder,
            transform,
            nat_t: NatT::choose(&setup.ike.vendor_ids, others),
            key: KeyPair::generate(transform.group, rng),
            nonce,
        }))
    }

    fn take_ke(
        &self,
        setup: &Setup,
        _rng: &mut ChaCha20Rng,
        waiting: &AwaitKe,
        header: &Header,
        body: &[u8],
    ) -> Option<AwaitId> {
        (header.responder == waiting.responder && header.flags & ENCRYPTED == 0).then_some(())?;
        let payloads = decode_chain(header.next, body)?;
        let public = find(&payloads, payload::KEY_EXCHANGE)?;
        let nonce = find(&payloads, payload::NONCE)?;
        (8..=256).contains(&nonce.len()).then_some(())?;
        let shared_secret = waiting.key.agree(public)?;
        let keys = Keys::derive(
            waiting.transform,
            &Contributions {
                secret: match setup.certificate {
                    Some(_) => Secret::Exchanged,
                    None => Secret::Psk(&setup.psk),
                },
                initiator_nonce: &waiting.nonce,
                responder_nonce: nonce,
                shared_secret: &shared_secret,
                initiator_cookie: self.initiator,
                responder_cookie: waiting.responder,
            },
        );
        let detections: Vec<&[u8]> = payloads
            .iter()
            .filter(|payload| Some(payload.kind) == waiting.nat_t.detection())
            .map(|payload| payload.body)
            .collect();
        let cookies = (self.initiator, waiting.responder);
        let hash = |ip, port| detection_hash(waiting.transform.hash, cookies, ip, port);
        let behind_nat =
            is_between(&detections, &hash(setup.local, self.port), &hash(setup.server, self.port));
        Some(AwaitId {
            responder: waiting.responder,
            nat_t: waiting.nat_t,
            behind_nat,
            iv: keys.phase1_iv(waiting.key.public(), public),
            keys,
            initiator_public: waiting.key.public().to_vec(),
            responder_public: public.to_vec(),
        })
    }
}

fn message_3(setup: &Setup, initiator: Cookie, port: u16, state: &AwaitKe) -> Vec<u8> {
    let mut payloads = vec![
        Payload(payload::KEY_EXCHANGE, state.key.public().to_vec()),
        Payload(payload::NONCE, state.nonce.clone()),
    ];
    if let Some(kind) = state.nat_t.detection() {
        let hash = |ip| detection_hash(state.transform.hash, (initiator, state.responder), ip, port);
        payloads.push(Payload(kind, hash(setup.server)));
        payloads.push(Payload(kind, hash(setup.local)));
    }
    let (next, body) = encode_chain(&payloads);
    header(initiator, state.responder, next, 0).encode(&body)
}

fn message_5(
    setup: &Setup,
    rng: &mut ChaCha20Rng,
    initiator: Cookie,
    offer: &[u8],
    first: bool,
    state: &mut AwaitId,
) -> Vec<u8> {
    let identity = identity(setup);
    let hash = state.keys.authenticate(&[
        &state.initiator_public,
        &state.responder_public,
        &initiator,
        &state.responder,
        offer,
        &identity,
    ]);
    let mut payloads = vec![Payload(payload::ID, identity)];
    match &setup.certificate {
        Some(certificate) => {
            payloads.extend(certificate.payloads(&hash));
            // Android asks for the server's certificate no earlier than here.
            payloads.push(request_for_any());
        }
        None => payloads.push(Payload(payload::HASH, hash)),
    }
    if first && setup.ike.initial_contact == InitialContact::InMessage5 {
        payloads.push(notification(initiator, state.responder, super::INITIAL_CONTACT, &[]));
    }
    let (next, mut body) = encode_chain(&payloads);
    pad(&mut body, state.keys.block_len(), setup.ike.padding, rng);
    state.keys.encrypt(&mut state.iv, &mut body);
    header(initiator, state.responder, next, ENCRYPTED).encode(&body)
}

fn take_id(
    now: Instant,
    setup: &Setup,
    exchange: &MainMode,
    waiting: &AwaitId,
    header: &Header,
    body: &[u8],
) -> Result<Option<IsakmpSa>, String> {
    if header.responder != waiting.responder || header.flags & ENCRYPTED == 0 {
        return Ok(None);
    }
    let mut iv = waiting.iv.clone();
    let Some(plain) = waiting.keys.decrypt(&mut iv, body) else { return Ok(None) };
    let Some(payloads) = decode_chain(header.next, &plain) else { return Ok(None) };
    let Some(identity) = find(&payloads, payload::ID) else { return Ok(None) };
    let offer = &exchange.offer;
    let expected = waiting.keys.authenticate(&[
        &waiting.responder_public,
        &waiting.initiator_public,
        &waiting.responder,
        &exchange.initiator,
        offer,
        identity,
    ]);
    if let Some(certificate) = &setup.certificate {
        certificate.check(&payloads, &expected)?;
    } else if find(&payloads, payload::HASH) != Some(&expected) {
        return Ok(None);
    } else {
        check_payloads(setup, &payloads)?;
    }
    Ok(Some(IsakmpSa {
        initiator: exchange.initiator,
        responder: waiting.responder,
        keys: waiting.keys.clone(),
        last_block: iv,
        port: exchange.port,
        nat_t: waiting.nat_t,
        behind_nat: waiting.behind_nat,
        since: now,
    }))
}

fn check_payloads(setup: &Setup, payloads: &[Received<'_>]) -> Result<(), String> {
    let allowed = [payload::ID, payload::HASH, payload::VENDOR_ID, payload::NOTIFICATION];
    match payloads.iter().find(|payload| !allowed.contains(&payload.kind)) {
        Some(stray) if setup.ike.strict_payloads => {
            Err(format!("message 6 brings payload {}: racoon drops it", stray.kind))
        }
        _ => Ok(()),
    }
}

/// ID_IPV4_ADDR or ID_IPV6_ADDR of the private address, or the subject of the certificate.
fn identity(setup: &Setup) -> Vec<u8> {
    if let Some(certificate) = &setup.certificate {
        return certificate.identity();
    }
    let (protocol, port) = setup.ike.identity_port;
    [&[address_type(setup.local), protocol][..], &port.to_be_bytes(), &address_bytes(setup.local)].concat()
}

fn header(initiator: Cookie, responder: Cookie, next: u8, flags: u8) -> Header {
    Header { initiator, responder, next, exchange: exchange::MAIN_MODE, flags, message_id: 0 }
}

pub(super) fn find<'a>(payloads: &[Received<'a>], kind: u8) -> Option<&'a [u8]> {
    payloads.iter().find(|payload| payload.kind == kind).map(|payload| payload.body)
}

/// Where message 1 goes: 500, or 4500 for a renewal by clients that have moved there and stay.
pub(crate) fn first_port(floated: bool, stays: bool) -> u16 {
    if floated && stays { NAT_T_PORT } else { IKE_PORT }
}
