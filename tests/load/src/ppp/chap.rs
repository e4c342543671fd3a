//! CHAP within the link: challenge, response, verdict, RFC 1994 §4, RFC 2759 §3 to §7.

use std::time::Instant;

use md5::{Digest as _, Md5};
use rand_core::Rng as _;

use super::mschap::{Change, Exchange};
use super::negotiation::{Packet, frame};
use super::{CHAP, Event, Link, Phase, Refusal};
use crate::profile::Authentication;
use crate::timeline::Mark;

/// A response, to be sent again if the challenge is.
#[derive(Clone)]
pub(super) struct Response {
    identifier: u8,
    packet: Vec<u8>,
    /// What a Success has to begin with.
    expected: String,
    /// To be sent again then: after a Failure no challenge asks for it.
    resend_at: Option<Instant>,
}

impl Response {
    pub(super) fn repeated(self, at: Instant) -> Self {
        Self { resend_at: Some(at), ..self }
    }

    pub(super) fn resend_at(&self) -> Option<Instant> {
        self.resend_at
    }
}

impl Link {
    pub(super) fn handle_chap(&mut self, now: Instant, packet: &Packet<'_>) {
        match packet.code {
            CHALLENGE => self.handle_challenge(packet),
            SUCCESS => self.handle_success(now, packet),
            FAILURE => self.handle_failure(packet),
            _ => {}
        }
    }

    /// A challenge comes again if our response was lost, and may come at any time (RFC 1994 §4.1).
    fn handle_challenge(&mut self, packet: &Packet<'_>) {
        match &self.phase {
            Phase::Responded(response) | Phase::Network(Some(response))
                if response.identifier == packet.identifier =>
            {
                return self.outgoing.push_back(frame(CHAP, &response.packet));
            }
            // It was answered, and the answer refused.
            Phase::Refused { identifier, .. } if *identifier == packet.identifier => return,
            _ => {}
        }
        let Some((&[16], rest)) = packet.data.split_first_chunk() else {
            return self.events.push_back(Event::Violated("a challenge is not of 16 bytes".into()));
        };
        let Some(challenge) = rest.first_chunk() else { return };
        self.events.push_back(Event::Passed(Mark::Challenge));
        let response = self.respond(packet.identifier, challenge);
        self.phase = match self.phase {
            Phase::Network(_) => Phase::Network(Some(response)),
            _ => Phase::Responded(response),
        };
    }

    /// Answers a challenge.
    pub(super) fn respond(&mut self, identifier: u8, challenge: &[u8; 16]) -> Response {
        if self.profile.authentication == Authentication::Chap {
            // RFC 1994 §4.1.
            let digest = Md5::new()
                .chain_update([identifier])
                .chain_update(&self.password)
                .chain_update(challenge)
                .finalize();
            let data = [&[16][..], &digest, self.user.as_bytes()].concat();
            return self.send_response(RESPONSE, identifier, &data, String::new());
        }
        let mut peer_challenge = [0; 16];
        self.rng.fill_bytes(&mut peer_challenge);
        let exchange = Exchange {
            authenticator_challenge: challenge,
            peer_challenge: &peer_challenge,
            user: &self.user,
            password: &self.password,
        };
        // §4: value size 49, peer challenge, eight reserved bytes, NT response, flags, name.
        let data = [&[49][..], &peer_challenge, &[0; 8], &exchange.nt_response(), &[0], self.user.as_bytes()]
            .concat();
        let expected = format!("S={}", exchange.authenticator_response());
        self.send_response(RESPONSE, identifier, &data, expected)
    }

    /// Answers a challenge with another password, RFC 2759 §7.
    pub(super) fn change(&mut self, identifier: u8, challenge: &[u8; 16], new: &str) -> Response {
        let (mut peer_challenge, mut padding) = ([0; 16], [0; 512]);
        self.rng.fill_bytes(&mut peer_challenge);
        self.rng.fill_bytes(&mut padding);
        let change = Change { old: &self.password, new };
        let exchange = Exchange {
            authenticator_challenge: challenge,
            peer_challenge: &peer_challenge,
            user: &self.user,
            password: new,
        };
        let data = [
            &change.encrypted_password(padding)[..],
            &change.encrypted_hash(),
            &peer_challenge,
            &[0; 8],
            &exchange.nt_response(),
            &[0, 0],
        ]
        .concat();
        let expected = format!("S={}", exchange.authenticator_response());
        self.send_response(CHANGE_PASSWORD, identifier, &data, expected)
    }

    /// Sends a response again when it is time.
    pub(super) fn repeat_response(&mut self, now: Instant) {
        if let Phase::Responded(response) = &mut self.phase
            && response.resend_at.is_some_and(|at| at <= now)
        {
            response.resend_at = Some(now + self.profile.restart);
            self.outgoing.push_back(frame(CHAP, &response.packet));
        }
    }

    fn send_response(&mut self, code: u8, identifier: u8, data: &[u8], expected: String) -> Response {
        let packet = Packet { code, identifier, data }.encode();
        self.outgoing.push_back(frame(CHAP, &packet));
        Response { identifier, packet, expected, resend_at: None }
    }

    fn handle_success(&mut self, now: Instant, packet: &Packet<'_>) {
        let Phase::Responded(response) = &self.phase else { return };
        if response.identifier != packet.identifier {
            return;
        }
        if !packet.data.starts_with(response.expected.as_bytes()) {
            return self.events.push_back(Event::Violated("the server does not know the password".into()));
        }
        let response = response.clone();
        self.enter_network(now, Some(response));
    }

    fn handle_failure(&mut self, packet: &Packet<'_>) {
        let Phase::Responded(response) = &self.phase else { return };
        if response.identifier != packet.identifier {
            return;
        }
        let text = String::from_utf8_lossy(packet.data).into_owned();
        let refusal = match self.profile.authentication {
            Authentication::MsChapV2 => Refusal::decode_mschap(&text).map(|(refusal, challenge)| {
                self.phase = Phase::Refused { identifier: packet.identifier, challenge };
                refusal
            }),
            // There is no second try.
            Authentication::Chap | Authentication::Pap | Authentication::Eap(_) => {
                self.phase = Phase::Authenticate;
                Refusal::decode(&text).map(|(refusal, _)| refusal)
            }
        };
        match refusal {
            Some(refusal) => self.refuse(refusal),
            None => self.events.push_back(Event::Violated(format!("a failure that cannot be read: {text}"))),
        }
    }
}

/// CHAP codes, RFC 1994 §4.
const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;
/// RFC 2759 §7.
const CHANGE_PASSWORD: u8 = 7;
