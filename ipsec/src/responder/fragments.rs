//! Messages that come in pieces, and those that go out so.

use std::time::{Duration, Instant};

use super::half_open::State;
use super::{Responder, Timer};
use crate::discard::Discard;
use crate::fragment::{Fragment, MAX_UNFRAGMENTED, split};
use crate::isakmp::iana::PayloadType;
use crate::isakmp::{Cookies, Message};
use crate::path::Path;
use crate::phase1::MainMode;

impl Responder {
    /// A piece of a message arrived, from anybody who knows the cookies of something under way: a first message is never so
    /// long, so strangers are not waited for.
    pub(super) fn reassemble(
        &mut self,
        now: Instant,
        path: Path,
        message: &Message<'_>,
        fragment: &Fragment<'_>,
    ) -> Result<(), Discard> {
        let cookies = message.header.cookies;
        if self.half_open.get(cookies).is_none() && !self.isakmp_sas.contains_key(&cookies) {
            return Err(Discard::UnknownCookies);
        }
        let added = self.fragments.add(now, &message.header, fragment);
        match self.fragments.since(cookies) {
            Some(since) => self.timers.set(Timer::Fragments(cookies), since + REASSEMBLY),
            None => self.timers.stop(Timer::Fragments(cookies)),
        }
        let Some(whole) = added? else { return Ok(()) };
        let message = Message::parse(&whole).map_err(|_| Discard::Fragment)?;
        if message.header.cookies != cookies || message.header.next_payload == PayloadType::FRAGMENT {
            return Err(Discard::Fragment);
        }
        self.dispatch(now, path, message, &whole)
    }

    /// The rest of a message never came.
    pub(super) fn fragments_expired(&mut self, cookies: Cookies) {
        if self.fragments.remove(cookies) {
            self.discards.count(Discard::Fragment);
        }
    }

    /// What goes out for a message: itself, or its pieces if it is long and the client takes pieces.
    pub(super) fn pieces(&self, message: Vec<u8>) -> Vec<Vec<u8>> {
        if message.len() <= MAX_UNFRAGMENTED - super::NON_ESP_MARKER.len() {
            return vec![message];
        }
        match Message::parse(&message).map(|message| message.header.cookies) {
            Ok(cookies) if self.takes_fragments(cookies) => split(&message),
            _ => vec![message],
        }
    }

    fn takes_fragments(&self, cookies: Cookies) -> bool {
        if let Some(sa) = self.isakmp_sas.get(&cookies) {
            return sa.origin.fragmentation;
        }
        let vendor = match self.half_open.get(cookies).map(|attempt| &attempt.state) {
            Some(State::Main(MainMode::AwaitKe(agreed))) => agreed.vendor,
            Some(State::Main(MainMode::Computing(computing))) => computing.agreed.vendor,
            Some(State::Main(MainMode::AwaitId(await_id))) => await_id.agreed.vendor,
            Some(State::Main(MainMode::Authenticating(authenticating))) => {
                authenticating.await_id.agreed.vendor
            }
            // What Aggressive Mode sends to an address that nobody has proved fits one datagram.
            Some(State::Aggressive(_) | State::Refused) | None => return false,
        };
        vendor.fragmentation.is_some()
    }
}

/// How long the rest of a message is waited for; [MS-IKEE] §3.3.2 allows 90 s. A client repeats all pieces before.
const REASSEMBLY: Duration = Duration::from_secs(30);
