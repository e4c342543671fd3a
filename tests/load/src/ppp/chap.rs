//! MS-CHAP-V2 within the link: challenge, response, verdict, RFC 2759 §3 to §6.

use std::time::Instant;

use rand_core::Rng as _;

use super::mschap::Exchange;
use super::negotiation::{self, Negotiation, Packet, frame};
use super::{CHAP, Event, Link, Phase};
use crate::timeline::Mark;

/// A Failure packet of MS-CHAP-V2, RFC 2759 §6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The error code `E=`.
    pub code: u32,
    /// Another try is allowed: `R=1`.
    pub retry: bool,
    /// The text `M=`.
    pub message: String,
}

/// A response, to be sent again if the challenge is.
#[derive(Clone)]
pub(super) struct Response {
    identifier: u8,
    packet: Vec<u8>,
    expected: String,
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
            Phase::Responded(response) | Phase::Network(response)
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
            Phase::Network(_) => Phase::Network(response),
            _ => Phase::Responded(response),
        };
    }

    /// Answers a challenge.
    pub(super) fn respond(&mut self, identifier: u8, challenge: &[u8; 16]) -> Response {
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
        let packet = Packet { code: RESPONSE, identifier, data: &data }.encode();
        self.outgoing.push_back(frame(CHAP, &packet));
        let expected = exchange.authenticator_response();
        Response { identifier, packet, expected }
    }

    fn handle_success(&mut self, now: Instant, packet: &Packet<'_>) {
        let Phase::Responded(response) = &self.phase else { return };
        if response.identifier != packet.identifier {
            return;
        }
        let proof = packet.data.strip_prefix(b"S=").and_then(|rest| rest.get(..40));
        if proof != Some(response.expected.as_bytes()) {
            return self.events.push_back(Event::Violated("the server does not know the password".into()));
        }
        self.phase = Phase::Network(response.clone());
        self.refusal = None;
        self.events.push_back(Event::Passed(Mark::Authenticated));
        let tries = self.profile.max_configure;
        self.ipcp.start(now, tries, &mut self.outgoing);
        self.extras.clear();
        for (protocol, options) in self.profile.extras.clone() {
            let options = negotiation::decode_options(&options).unwrap_or_default();
            let mut extra = Negotiation::new(protocol, 1, options, self.profile.restart);
            extra.start(now, tries, &mut self.outgoing);
            self.extras.push(extra);
        }
    }

    fn handle_failure(&mut self, packet: &Packet<'_>) {
        let Phase::Responded(response) = &self.phase else { return };
        if response.identifier != packet.identifier {
            return;
        }
        let text = String::from_utf8_lossy(packet.data).into_owned();
        let Some((refusal, challenge)) = decode_failure(&text) else {
            return self.events.push_back(Event::Violated(format!("a failure that cannot be read: {text}")));
        };
        self.phase = Phase::Refused { identifier: packet.identifier, challenge };
        self.refusal = Some(refusal.clone());
        self.events.push_back(Event::Refused(refusal));
    }
}

/// `E=eee R=r C=cc… V=v M=text`, RFC 2759 §6.
fn decode_failure(text: &str) -> Option<(Refusal, [u8; 16])> {
    let (fields, message) = text.split_once(" M=").unwrap_or((text, ""));
    let field = |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name));
    let code = field("E=")?.parse().ok()?;
    let retry = field("R=")? == "1";
    let digits = field("C=")?;
    (digits.len() == 32).then_some(())?;
    let mut challenge = [0; 16];
    for (byte, digits) in challenge.iter_mut().zip(digits.as_bytes().as_chunks::<2>().0) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some((Refusal { code, retry, message: message.into() }, challenge))
}

/// CHAP codes, RFC 1994 §4.
const CHALLENGE: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read() {
        let text = "E=691 R=1 C=000102030405060708090A0B0C0D0E0F V=3 M=Wrong name or password";
        let (refusal, challenge) = decode_failure(text).unwrap();
        assert_eq!((refusal.code, refusal.retry), (691, true));
        assert_eq!(refusal.message, "Wrong name or password");
        assert_eq!(challenge[15], 15);
        assert!(decode_failure("E=691 R=0 V=3").is_none(), "RFC 2759 §6 wants C=");
    }
}
