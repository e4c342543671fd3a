//! Aggressive Mode with a pre-shared key, initiator side, RFC 2409 §5.4, as Android's and Apple's racoon speaks it.
//!
//! ```text
//! 1  SA, KE, Ni, IDii, vendor IDs          →
//! 2                                        ←  SA, KE, Nr, IDir, HASH_R, vendor IDs, NAT-D, NAT-D
//! 3  HASH_I, NAT-D, NAT-D         (4500)   →
//! ```
//!
//! Message 3 is in clear, and nothing answers it: the client is done when it has sent it.

use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use super::keymat::{Contributions, Keys, Secret};
use super::main_mode::{find, first_port};
use super::nat::{self, NatT, detection_hash};
use super::offer::{ike_choice, ike_offer};
use super::{Event, Ike, IsakmpSa, Setup};
use crate::dh::KeyPair;
use crate::isakmp::{Cookie, ENCRYPTED, Header, Payload, decode_chain, encode_chain, exchange, payload};
use crate::profile::Identifier;
use crate::resend::{Due, Resend};
use crate::timeline::Mark;

/// An Aggressive Mode that waits for message 2.
pub(super) struct Aggressive {
    pub(super) initiator: Cookie,
    pub(super) resend: Resend,
    port: u16,
    /// Message 1.
    sent: Vec<u8>,
    offer: Vec<u8>,
    key: KeyPair,
    nonce: Vec<u8>,
    identity: Vec<u8>,
}

/// What is kept of one that is done: message 2, if it comes again, is answered again.
pub(super) struct Answered {
    message_2: Vec<u8>,
    port: u16,
    message_3: Vec<u8>,
}

impl Aggressive {
    fn start(
        now: Instant,
        setup: &Setup,
        rng: &mut ChaCha20Rng,
        port: u16,
        identifier: &Identifier,
    ) -> Option<Self> {
        // Its group cannot be negotiated: the public value is there already.
        let group = setup.ike.transforms.first()?.group;
        let mut initiator = [0; 8];
        rng.fill_bytes(&mut initiator);
        let mut nonce = vec![0; setup.ike.nonce_len];
        rng.fill_bytes(&mut nonce);
        let key = KeyPair::generate(group, rng);
        let offer = ike_offer(&setup.ike, setup.method());
        let identity = identifier.payload();
        let vendor_ids = setup.ike.vendor_ids.iter();
        let payloads: Vec<Payload> = [
            Payload(payload::SA, offer.clone()),
            Payload(payload::KEY_EXCHANGE, key.public().to_vec()),
            Payload(payload::NONCE, nonce.clone()),
            Payload(payload::ID, identity.clone()),
        ]
        .into_iter()
        .chain(vendor_ids.map(|id| Payload(payload::VENDOR_ID, id.clone())))
        .collect();
        let sent = write(initiator, [0; 8], &payloads);
        let resend = Resend::new(now, &setup.ike.retransmit);
        Some(Self { initiator, resend, port, sent, offer, key, nonce, identity })
    }

    /// Takes message 2: the ISAKMP SA and message 3. `None` for what is to be ignored, `Err` for what racoon could not live with.
    fn answer(
        &self,
        now: Instant,
        setup: &Setup,
        header: &Header,
        body: &[u8],
    ) -> Result<Option<(IsakmpSa, Vec<u8>)>, String> {
        if header.flags & ENCRYPTED != 0 || header.responder == [0; 8] {
            return Ok(None);
        }
        let Some(payloads) = decode_chain(header.next, body) else { return Ok(None) };
        let Some(sa) = payloads.first().filter(|first| first.kind == payload::SA) else {
            return Err("message 2 does not begin with SA: racoon drops it".into());
        };
        let choice = ike_choice(&setup.ike, setup.method(), sa.body);
        let Some(transform) = choice.filter(|choice| choice.group == self.key.group()) else {
            return Err("message 2 does not choose a transform of the group that message 1 brought".into());
        };
        let nat_t = NatT::choose(&setup.ike.vendor_ids, &payloads);
        let is_detection = |kind: u8| Some(kind) == nat_t.detection();
        let mut behind_first_detection = payloads.iter().skip_while(|payload| !is_detection(payload.kind));
        if behind_first_detection.any(|payload| payload.kind == payload::VENDOR_ID) {
            return Err(
                "message 2 brings NAT-D before a vendor ID: racoon does not know yet what that is".into()
            );
        }
        let payloads_found = (
            find(&payloads, payload::KEY_EXCHANGE),
            find(&payloads, payload::NONCE),
            find(&payloads, payload::ID),
            find(&payloads, payload::HASH),
        );
        let (Some(public), Some(nonce), Some(identity), Some(hash)) = payloads_found else { return Ok(None) };
        let Some(shared_secret) = self.key.agree(public) else { return Ok(None) };
        let cookies = (self.initiator, header.responder);
        let keys = Keys::derive(
            transform,
            &Contributions {
                secret: Secret::Psk(&setup.psk),
                initiator_nonce: &self.nonce,
                responder_nonce: nonce,
                shared_secret: &shared_secret,
                initiator_cookie: cookies.0,
                responder_cookie: cookies.1,
            },
        );
        let own = self.key.public();
        if keys.authenticate(&[public, own, &cookies.1, &cookies.0, &self.offer, identity]) != hash {
            return Ok(None);
        }
        let detections: Vec<&[u8]> = payloads
            .iter()
            .filter(|payload| is_detection(payload.kind))
            .map(|payload| payload.body)
            .collect();
        let address = |ip, port| detection_hash(transform.hash, cookies, ip, port);
        let behind_nat =
            nat::is_between(&detections, &address(setup.local, self.port), &address(setup.server, self.port));
        let port = if behind_nat { nat::NAT_T_PORT } else { self.port };

        let proof = keys.authenticate(&[own, public, &cookies.0, &cookies.1, &self.offer, &self.identity]);
        let mut payloads = vec![Payload(payload::HASH, proof)];
        if let Some(kind) = nat_t.detection() {
            payloads.push(Payload(kind, address(setup.server, port)));
            payloads.push(Payload(kind, address(setup.local, port)));
        }
        let message_3 = write(cookies.0, cookies.1, &payloads);
        let sa = IsakmpSa {
            initiator: cookies.0,
            responder: cookies.1,
            // Nothing was encrypted: phase 2 goes on from where phase 1 would have begun.
            last_block: keys.phase1_iv(own, public),
            keys,
            port,
            nat_t,
            behind_nat,
            since: now,
        };
        Ok(Some((sa, message_3)))
    }
}

impl Ike {
    /// Negotiates an ISAKMP SA as somebody who is called so.
    pub(super) fn start_aggressive(&mut self, now: Instant, identifier: &Identifier) {
        let port = first_port(self.floated, self.setup.ike.renews_on_4500);
        self.aggressive = Aggressive::start(now, &self.setup, &mut self.rng, port, identifier);
        if let Some(started) = &self.aggressive {
            self.outgoing.push_back((started.port, started.sent.clone()));
            self.events.push_back(Event::Passed(Mark::Message1));
        }
    }

    pub(super) fn handle_aggressive(&mut self, now: Instant, header: &Header, message: &[u8], body: &[u8]) {
        if let Some(done) = self.answered.as_ref().filter(|done| done.message_2 == message) {
            return self.outgoing.push_back((done.port, done.message_3.clone()));
        }
        let Some(waiting) = self.aggressive.as_ref().filter(|waiting| waiting.initiator == header.initiator)
        else {
            return;
        };
        match waiting.answer(now, &self.setup, header, body) {
            Ok(None) => {}
            Ok(Some((sa, message_3))) => {
                self.aggressive = None;
                self.outgoing.push_back((sa.port, message_3.clone()));
                self.answered = Some(Answered { message_2: message.to_vec(), port: sa.port, message_3 });
                self.events.push_back(Event::Passed(Mark::Message2));
                self.establish(now, sa);
            }
            Err(violation) => self.events.push_back(Event::Violated(violation)),
        }
    }

    pub(super) fn resend_aggressive(&mut self, now: Instant) {
        let Some(waiting) = &mut self.aggressive else { return };
        match waiting.resend.check(now) {
            Due::Later => {}
            Due::Again => self.outgoing.push_back((waiting.port, waiting.sent.clone())),
            Due::GiveUp => {
                self.events.push_back(Event::NoAnswer("message 2 of Aggressive Mode"));
                self.aggressive = None;
            }
        }
    }
}

fn write(initiator: Cookie, responder: Cookie, payloads: &[Payload]) -> Vec<u8> {
    let (next, body) = encode_chain(payloads);
    Header { initiator, responder, next, exchange: exchange::AGGRESSIVE, flags: 0, message_id: 0 }
        .encode(&body)
}
