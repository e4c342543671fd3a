//! Main Mode: from a stranger's first message to an ISAKMP SA.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::attempt::{Established, HALF_OPEN, MAX_FAILURES};
use super::half_open::{Attempt, State};
use super::{Asker, Responder, Timer, backoff};
use crate::crypto::Digest;
use crate::dh::BadPublicValue;
use crate::discard::Discard;
use crate::event::Credential;
use crate::isakmp::iana::{ExchangeType, NotifyType};
use crate::isakmp::{Cookie, Cookies, Message, MessageWriter};
use crate::isakmp_sa::Answered;
use crate::job::{KeyExchange, Task};
use crate::nat::{Nat, Traversal, address_hash};
use crate::path::Path;
use crate::phase1::{Agreed, AwaitId, Computing, MainMode, Means, Message1, Message3, NONCE_LEN};
use crate::proposal::describe_ike;
use crate::refusal::{Cause, Stage};

impl Responder {
    pub(super) fn main_mode(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        let cookies = message.header.cookies;
        // RFC 2408 §3.1: zero in phase 1.
        if message.header.message_id != 0 {
            return Err(Discard::Unexpected);
        }
        if cookies.responder == Cookie::ZERO {
            return self.message1(now, path, message, datagram);
        }
        let Some(request) = self.fresh_request(path, cookies, datagram)? else { return Ok(()) };
        match self.half_open.get(cookies).map(|attempt| &attempt.state) {
            Some(State::Main(MainMode::AwaitKe(_))) => self.message3(now, path, message, request),
            Some(State::Main(MainMode::AwaitId(await_id))) => match &await_id.agreed.means {
                Means::PreSharedKey => self.message5(now, path, message, request),
                Means::Certificate(credentials) => {
                    let credentials = Arc::clone(credentials);
                    self.signed5(path, message, request, &credentials)
                }
            },
            Some(_) | None => Err(Discard::Unexpected),
        }
    }

    fn message1(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        let payloads = message.payloads().map_err(|_| Discard::Malformed)?;
        let message1 = Message1::try_from(&payloads).map_err(|_| Discard::Malformed)?;
        let Some(cookies) = self.admit(now, path, message, datagram)? else { return Ok(()) };
        let policy = self.config.ike_policy(None);
        let credentials = self.config.certificate.as_ref();
        let Some((agreed, chain)) = Agreed::choose(now, &message1, policy, credentials) else {
            let (offer, remedy) = describe_ike(&message1.sa, policy);
            let policy = policy.algorithms;
            let cause = Cause::NoIkeProposal { stage: Stage::Main1, offer, policy, remedy };
            self.refuse_attempt(path, cookies, cause, NotifyType::NO_PROPOSAL_CHOSEN, datagram.len());
            return Ok(());
        };
        let response = MessageWriter::new(cookies, ExchangeType::MAIN_MODE, 0).clear(&chain);
        if let Some(attempt) = self.half_open.get_mut(cookies) {
            attempt.state = State::Main(MainMode::AwaitKe(agreed));
            attempt.last.response.clone_from(&response);
        }
        self.answer_stranger(path, datagram.len(), response);
        Ok(())
    }

    fn message3(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        request: Digest,
    ) -> Result<(), Discard> {
        if message.header.flags.is_encrypted() {
            return Err(Discard::Unencrypted);
        }
        let cookies = message.header.cookies;
        let payloads = message.payloads().map_err(|_| Discard::Malformed)?;
        let Message3 { public, nonce } = Message3::try_from(&payloads).map_err(|_| Discard::Malformed)?;
        let attempt = self.half_open.get(cookies).ok_or(Discard::UnknownCookies)?;
        let State::Main(MainMode::AwaitKe(Agreed { suite, vendor, .. })) = &attempt.state else {
            return Err(Discard::Unexpected);
        };
        // Our cookie went elsewhere: message 4, which is longer, would go to somebody who did not ask.
        if attempt.first_remote.ip() != path.remote.ip() {
            return Err(Discard::Unexpected);
        }
        let suite = *suite;
        let detected = vendor.nat.and_then(|(version, _)| {
            Some(Traversal::Detected(version, Nat::detect(&payloads, version, suite.hash, cookies, path)?))
        });
        let traversal = detected.or_else(|| self.serves_native(path).then_some(Traversal::Unspoken));
        let initiator_nonce = nonce.into();
        if traversal.is_some() {
            self.start_job(Asker::MainMode(cookies), Task::exchange(suite.group, public))?;
        }
        self.half_open.prove(cookies);
        let Some(attempt) = self.half_open.get_mut(cookies) else { return Err(Discard::UnknownCookies) };
        attempt.path = path;
        attempt.last = Answered { request, response: Vec::new() };
        let State::Main(MainMode::AwaitKe(agreed)) = mem::replace(&mut attempt.state, State::Refused) else {
            return Err(Discard::Unexpected);
        };
        let Some(traversal) = traversal else {
            let notify = NotifyType::NO_PROPOSAL_CHOSEN;
            self.refuse_attempt(
                path,
                cookies,
                Cause::NoNatTraversal { stage: Stage::Main3 },
                notify,
                message.body.len(),
            );
            return Ok(());
        };
        let computing = Computing { agreed, traversal, message3: now, initiator_nonce };
        attempt.state = State::Main(MainMode::Computing(computing));
        Ok(())
    }

    pub(super) fn main_mode_computed(
        &mut self,
        now: Instant,
        cookies: Cookies,
        outcome: Result<KeyExchange, BadPublicValue>,
    ) {
        let Some(attempt) = self.half_open.get_mut(cookies) else { return };
        let path = attempt.path;
        let State::Main(MainMode::Computing(computing)) = mem::replace(&mut attempt.state, State::Refused)
        else {
            return;
        };
        let Ok(exchange) = outcome else {
            let notify = NotifyType::INVALID_KEY_INFORMATION;
            self.refuse_attempt(path, cookies, Cause::BadPublicValue, notify, usize::MAX);
            return;
        };
        let hash = computing.agreed.suite.hash;
        let ours = address_hash(hash, cookies, path.local);
        let theirs = self.hash_of_client(hash, cookies, path, computing.traversal.nat());
        let nonce = self.random::<NONCE_LEN>();
        let (await_id, chain) = computing.finish(now, exchange, nonce, [&theirs, &ours]);
        let response = MessageWriter::new(cookies, ExchangeType::MAIN_MODE, 0).clear(&chain);
        if let Some(attempt) = self.half_open.get_mut(cookies) {
            attempt.state = State::Main(MainMode::AwaitId(Box::new(await_id)));
            attempt.last.response.clone_from(&response);
        }
        self.timers.set(Timer::HalfOpen(cookies), now + HALF_OPEN);
        self.schedule_message4(now, cookies);
        self.transmit(path, response);
    }

    fn message5(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        request: Digest,
    ) -> Result<(), Discard> {
        let header = message.header;
        let cookies = header.cookies;
        if !header.flags.is_encrypted() {
            return Err(Discard::Unencrypted);
        }
        let attempt = self.half_open.get_mut(cookies).ok_or(Discard::UnknownCookies)?;
        let State::Main(MainMode::AwaitId(await_id)) = &mut attempt.state else {
            return Err(Discard::Unexpected);
        };
        if await_id.failures >= MAX_FAILURES {
            return Err(Discard::Unauthenticated);
        }
        let Some(client) = await_id.authenticate(&header, message.body, &self.config.psks) else {
            // Somebody else may have made this message up: the attempt goes on, and its client may yet be heard.
            await_id.failures += 1;
            let (id, first) = (attempt.id, await_id.failures == 1);
            if first {
                let notify = self.clear_notify(cookies, NotifyType::AUTHENTICATION_FAILED);
                self.timers.stop(Timer::ResendMessage4(cookies));
                self.answer_stranger(path, message.body.len(), notify);
                self.refuse(id, path, Cause::WrongPsk { stage: Stage::Main5, keys: self.config.psks.len() });
            }
            return Err(Discard::Unauthenticated);
        };
        let identity = client.identity.clone();
        let initial_contact = client.initial_contact;
        let credential = Credential::Psk(client.psk.name.clone());
        let (response, keys) = await_id.message6(cookies, client, path.local.ip());
        let Some(Attempt {
            id: attempt, path: answered, state: State::Main(MainMode::AwaitId(done)), ..
        }) = self.drop_attempt(cookies)
        else {
            return Err(Discard::Unexpected);
        };
        let AwaitId { agreed, traversal, timings: (message3, shared), .. } = *done;

        self.establish(
            now,
            path,
            cookies,
            Established {
                attempt,
                agreed,
                traversal,
                timings: (message3, shared),
                identity,
                credential,
                reached: answered.remote.ip(),
                initial_contact,
                keys,
                last: Answered { request, response: response.clone() },
            },
        );
        self.transmit(path, response);
        Ok(())
    }

    /// Message 4 goes to somebody who returned our cookie, so it is sent again without being asked.
    fn schedule_message4(&mut self, now: Instant, cookies: Cookies) {
        let Some(attempt) = self.half_open.get_mut(cookies) else { return };
        if let Some(wait) = backoff(attempt.resent) {
            attempt.resent += 1;
            self.timers.set(Timer::ResendMessage4(cookies), now + wait);
        }
    }

    pub(super) fn resend_message4(&mut self, now: Instant, cookies: Cookies) {
        let Some(attempt) = self.half_open.get(cookies) else { return };
        let (path, response) = (attempt.path, attempt.last.response.clone());
        self.transmit(path, response);
        self.schedule_message4(now, cookies);
    }
}
