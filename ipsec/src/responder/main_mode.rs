//! Main Mode: from a stranger's first message to an ISAKMP SA.

use std::mem;
use std::time::{Duration, Instant};

use super::half_open::Attempt;
use super::{Asker, Responder, Timer, backoff, fingerprint};
use crate::crypto::Digest;
use crate::dh::BadPublicValue;
use crate::discard::Discard;
use crate::event::{CloseReason, Event, Phase1, Timings};
use crate::isakmp::iana::{ExchangeType, NotifyType};
use crate::isakmp::{Cookie, Cookies, Message, MessageWriter};
use crate::isakmp_sa::{Answered, IsakmpSa, Origin};
use crate::job::KeyExchange;
use crate::nat::{Nat, address_hash};
use crate::path::{NAT_T_PORT, Path, PeerId};
use crate::phase1::{Agreed, AwaitId, Computing, MainMode, Message1, Message3, NONCE_LEN};
use crate::proposal::describe_ike;
use crate::refusal::Cause;

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
        let request = fingerprint(datagram);
        let half_open = self.half_open.get(cookies).map(|attempt| (&attempt.last, Some(attempt.path)));
        let known = half_open.or_else(|| {
            let sa = self.isakmp_sas.get(&cookies)?;
            Some((&sa.last, self.peers.get(&sa.peer).map(|peer| peer.path)))
        });
        let (last, known_path) = known.ok_or(Discard::UnknownCookies)?;
        if last.request == request {
            let response = last.response.clone();
            // A recorded request may be played again from anywhere.
            let limit = if known_path == Some(path) { usize::MAX } else { datagram.len() };
            return self.answer_again(path, limit, response);
        }
        match self.half_open.get(cookies).map(|attempt| &attempt.state) {
            Some(MainMode::AwaitKe(_)) => self.message3(now, path, message, request),
            Some(MainMode::AwaitId(_)) => self.message5(now, path, message, request),
            Some(MainMode::Computing(_) | MainMode::Refused) | None => Err(Discard::Unexpected),
        }
    }

    /// Aggressive Mode is refused, once per client and not once per retransmission.
    pub(super) fn aggressive_mode(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        if message.header.cookies.responder != Cookie::ZERO {
            return Err(Discard::UnknownCookies);
        }
        let cookies = self.admit(now, path, message, datagram)?;
        let Some(cookies) = cookies else { return Ok(()) };
        self.refuse_attempt(
            path,
            cookies,
            Cause::AggressiveMode,
            NotifyType::INVALID_EXCHANGE_TYPE,
            datagram.len(),
        );
        Ok(())
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
        let Some((agreed, chain)) = Agreed::choose(now, &message1, self.config.algorithms) else {
            let policy = self.config.algorithms;
            let (offer, remedy) = describe_ike(&message1.sa);
            let cause = Cause::NoIkeProposal { offer, policy, remedy };
            self.refuse_attempt(path, cookies, cause, NotifyType::NO_PROPOSAL_CHOSEN, datagram.len());
            return Ok(());
        };
        let response = MessageWriter::new(cookies, ExchangeType::MAIN_MODE, 0).clear(&chain);
        if let Some(attempt) = self.half_open.get_mut(cookies) {
            attempt.state = MainMode::AwaitKe(agreed);
            attempt.last.response.clone_from(&response);
        }
        self.answer_stranger(path, datagram.len(), response);
        Ok(())
    }

    /// Makes room for a stranger's first message and gives it a cookie; `None` if it is a retransmission, answered already.
    fn admit(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<Option<Cookies>, Discard> {
        if message.header.flags.is_encrypted() {
            return Err(Discard::Unencrypted);
        }
        if datagram.len() > MAX_MESSAGE1_LEN {
            return Err(Discard::Malformed);
        }
        let initiator = message.header.cookies.initiator;
        let request = fingerprint(datagram);
        if let Some(attempt) = self.half_open.of_first(path.remote, initiator) {
            if attempt.last.request != request {
                return Err(Discard::Unexpected);
            }
            let response = attempt.last.response.clone();
            return self.answer_again(path, datagram.len(), response).map(|()| None);
        }
        if self.peers.len() >= self.config.max_peers {
            return Err(Discard::HalfOpenLimit);
        }
        if let Some(victim) = self.half_open.victim(path.remote).map_err(|_| Discard::HalfOpenLimit)? {
            self.discards.count(Discard::HalfOpenLimit);
            self.drop_attempt(victim);
        }
        let id = PeerId(self.last_peer.0 + 1);
        self.last_peer = id;
        let cookies = self.new_cookies(initiator);
        let last = Answered { request, response: Vec::new() };
        let attempt =
            Attempt { id, path, first_remote: path.remote, last, state: MainMode::Refused, resent: 0 };
        self.half_open.insert(cookies, attempt);
        self.timers.set(Timer::HalfOpen(cookies), now + HALF_OPEN);
        self.events.push_back(Event::Attempt { peer: id, path });
        Ok(Some(cookies))
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
        let MainMode::AwaitKe(Agreed { suite, vendor, .. }) = &attempt.state else {
            return Err(Discard::Unexpected);
        };
        let suite = *suite;
        let detected = vendor.nat.and_then(|(version, _)| {
            Some((version, Nat::detect(&payloads, version, suite.hash, cookies, path)?))
        });
        let initiator_nonce = nonce.into();
        if detected.is_some() {
            self.start_job(Asker::MainMode(cookies), suite.group, public)?;
        }
        self.half_open.prove(cookies);
        let Some(attempt) = self.half_open.get_mut(cookies) else { return Err(Discard::UnknownCookies) };
        attempt.path = path;
        attempt.last = Answered { request, response: Vec::new() };
        let MainMode::AwaitKe(agreed) = mem::replace(&mut attempt.state, MainMode::Refused) else {
            return Err(Discard::Unexpected);
        };
        let Some((nat_traversal, nat)) = detected else {
            let notify = NotifyType::NO_PROPOSAL_CHOSEN;
            self.refuse_attempt(path, cookies, Cause::NoNatTraversal, notify, message.body.len());
            return Ok(());
        };
        let computing = Computing { agreed, nat_traversal, nat, message3: now, initiator_nonce };
        attempt.state = MainMode::Computing(computing);
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
        let MainMode::Computing(computing) = mem::replace(&mut attempt.state, MainMode::Refused) else {
            return;
        };
        let Ok(exchange) = outcome else {
            let notify = NotifyType::INVALID_KEY_INFORMATION;
            self.refuse_attempt(path, cookies, Cause::BadPublicValue, notify, usize::MAX);
            return;
        };
        let hash = computing.agreed.suite.hash;
        let ours = address_hash(hash, cookies, path.local);
        // The client must believe that it sits behind a NAT, so that it moves to 4500 and encapsulates: if it does not, the
        // hash of its address is one of nothing (RFC 3947 §3.2 would have it true). Ours stays true: Windows does not
        // connect to a server behind a NAT unless a registry value allows it.
        let theirs = if computing.nat.client {
            address_hash(hash, cookies, path.remote).to_vec()
        } else {
            hash.digest(&[&self.random::<32>()]).to_vec()
        };
        let nonce = self.random::<NONCE_LEN>();
        let (await_id, chain) = computing.finish(now, exchange, nonce, [&theirs, &ours]);
        let response = MessageWriter::new(cookies, ExchangeType::MAIN_MODE, 0).clear(&chain);
        if let Some(attempt) = self.half_open.get_mut(cookies) {
            attempt.state = MainMode::AwaitId(Box::new(await_id));
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
        let MainMode::AwaitId(await_id) = &mut attempt.state else { return Err(Discard::Unexpected) };
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
                self.refuse(id, path, Cause::WrongPsk { keys: self.config.psks.len() });
            }
            return Err(Discard::Unauthenticated);
        };
        let identity = client.identity.clone();
        let initial_contact = client.initial_contact;
        let psk = client.psk.name.clone();
        let (response, keys) = await_id.message6(cookies, client, path.local.ip());
        let Some(Attempt { id: attempt, state: MainMode::AwaitId(done), .. }) =
            self.half_open.remove(cookies)
        else {
            return Err(Discard::Unexpected);
        };
        self.timers.stop(Timer::HalfOpen(cookies));
        self.timers.stop(Timer::ResendMessage4(cookies));
        let AwaitId { agreed, nat, nat_traversal, timings: (message3, shared), .. } = *done;

        let same = self.by_identity.get(&(path.remote, identity.clone())).copied();
        let renewed = match same {
            Some(old) if initial_contact => {
                self.drop_peer(now, old, CloseReason::Replaced);
                None
            }
            same => same,
        };
        let peer = renewed.unwrap_or(attempt);
        let last = Answered { request, response: response.clone() };
        let phase1 = Phase1 {
            suite: agreed.suite,
            identity,
            psk,
            nat,
            lifetime: agreed.lifetime,
            rekey: renewed.is_some(),
            vendor: agreed.vendor.name,
            timings: Timings { message1: agreed.message1, message3, shared, message5: now },
        };
        let mut sa =
            IsakmpSa::new(cookies, keys, last, Origin { attempt, nat_traversal, phase1: phase1.clone() });
        sa.peer = peer;
        sa.contacted = initial_contact;
        self.isakmp_sas.insert(cookies, sa);
        self.timers.set(Timer::IsakmpSa(cookies), now + agreed.lifetime + ISAKMP_GRACE);
        self.attach(now, peer, path, &phase1.identity, cookies);
        self.transmit(path, response);
        self.events.push_back(Event::Established { attempt, peer, path, phase1: Box::new(phase1) });
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

    pub(super) fn half_open_expired(&mut self, cookies: Cookies) {
        let Some(Attempt { id, path, state, .. }) = self.drop_attempt(cookies) else { return };
        match state {
            MainMode::AwaitId(await_id) if await_id.failures == 0 => {
                self.refuse(id, path, Cause::SilentAfterKe { moved: path.local.port() != NAT_T_PORT });
            }
            MainMode::AwaitKe(_) => self.discards.count(Discard::HalfOpenExpired),
            MainMode::AwaitId(_) | MainMode::Computing(_) | MainMode::Refused => {}
        }
    }

    fn drop_attempt(&mut self, cookies: Cookies) -> Option<Attempt> {
        self.timers.stop(Timer::HalfOpen(cookies));
        self.timers.stop(Timer::ResendMessage4(cookies));
        self.half_open.remove(cookies)
    }

    /// Turns an attempt away and remembers the notification for its retransmissions.
    fn refuse_attempt(
        &mut self,
        path: Path,
        cookies: Cookies,
        cause: Cause,
        notify: NotifyType,
        request_len: usize,
    ) {
        let response = self.clear_notify(cookies, notify);
        let Some(attempt) = self.half_open.get_mut(cookies) else { return };
        attempt.state = MainMode::Refused;
        attempt.last.response.clone_from(&response);
        let id = attempt.id;
        self.answer_stranger(path, request_len, response);
        self.refuse(id, path, cause);
    }

    /// Answers a retransmission; one whose answer is still being computed is only counted.
    fn answer_again(&mut self, path: Path, limit: usize, response: Vec<u8>) -> Result<(), Discard> {
        if response.is_empty() {
            return Err(Discard::Retransmission);
        }
        self.answer_stranger(path, limit, response);
        Ok(())
    }

    fn new_cookies(&mut self, initiator: Cookie) -> Cookies {
        loop {
            let cookies = Cookies { initiator, responder: Cookie(self.random()) };
            let taken = self.half_open.get(cookies).is_some() || self.isakmp_sas.contains_key(&cookies);
            if cookies.responder != Cookie::ZERO && !taken {
                return cookies;
            }
        }
    }
}

/// How long a main mode may take to its third message, and from there to its fifth: Android repeats itself for 30 s,
/// strongSwan's fifth copy of a message comes after 47 s. Strangers gain nothing: when the table is full, the oldest of them
/// gives way.
const HALF_OPEN: Duration = Duration::from_secs(60);

/// How long we keep an ISAKMP SA behind its lifetime: the client's clock started after ours.
const ISAKMP_GRACE: Duration = Duration::from_secs(30);

/// Android's first message has 724 octets, Apple's about 900.
const MAX_MESSAGE1_LEN: usize = 4096;

/// Bounds the work that made-up messages 5 can cause.
const MAX_FAILURES: u32 = 8;
