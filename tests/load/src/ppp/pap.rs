//! PAP within the link: the password, and the verdict on it, RFC 1334 §2.

use std::time::Instant;

use super::negotiation::{Packet, frame};
use super::{Event, Link, PAP, Phase, Refusal};

/// An Authenticate-Request that waits for its answer.
pub(super) struct Request {
    identifier: u8,
    left: u32,
    pub(super) resend_at: Instant,
}

impl Link {
    /// Says name and password.
    pub(super) fn request(&mut self, now: Instant) {
        let left = self.profile.max_configure;
        self.send_request(now, Request { identifier: 0, left, resend_at: now });
    }

    /// Says them again when it is time, each time under another number (§2.2.1).
    pub(super) fn repeat_request(&mut self, now: Instant) {
        let Phase::Requested(Request { identifier, left, resend_at }) = self.phase else { return };
        if now < resend_at {
            return;
        }
        if left == 0 {
            self.phase = Phase::Terminating;
            return self.events.push_back(Event::NoAnswer("PAP Authenticate-Ack"));
        }
        self.send_request(now, Request { identifier, left, resend_at });
    }

    fn send_request(&mut self, now: Instant, last: Request) {
        let identifier = last.identifier.wrapping_add(1);
        let counted = |text: &str| {
            let length = u8::try_from(text.len()).expect("our own names are short");
            [&[length], text.as_bytes()].concat()
        };
        let data = [counted(&self.user), counted(&self.password)].concat();
        let packet = Packet { code: AUTHENTICATE_REQUEST, identifier, data: &data };
        self.outgoing.push_back(frame(PAP, &packet.encode()));
        let resend_at = now + self.profile.restart;
        self.phase = Phase::Requested(Request { identifier, left: last.left.saturating_sub(1), resend_at });
    }

    pub(super) fn handle_pap(&mut self, now: Instant, packet: &Packet<'_>) {
        // An answer to any of the requests will do: they all said the same.
        let Phase::Requested(_) = &self.phase else { return };
        let text = packet.data.split_first().map_or(&[][..], |(_, text)| text);
        match packet.code {
            AUTHENTICATE_ACK => self.enter_network(now, None),
            AUTHENTICATE_NAK => {
                let text = String::from_utf8_lossy(text).into_owned();
                self.phase = Phase::Authenticate;
                match Refusal::decode(&text) {
                    Some((refusal, _)) => self.refuse(refusal),
                    None => self.events.push_back(Event::Violated(format!("a Nak without a code: {text}"))),
                }
            }
            _ => {}
        }
    }
}

const AUTHENTICATE_REQUEST: u8 = 1;
const AUTHENTICATE_ACK: u8 = 2;
const AUTHENTICATE_NAK: u8 = 3;
