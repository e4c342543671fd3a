//! Aggressive Mode: from a stranger's first message to an ISAKMP SA.

use std::mem;
use std::time::Instant;

use super::attempt::{Established, HALF_OPEN, MAX_FAILURES};
use super::half_open::{Attempt, State, source};
use super::{Asker, Responder, Timer};
use crate::aggressive::{Aggressive, AwaitHash, Computing, Message1, NONCE_LEN, names};
use crate::crypto::Digest;
use crate::dh::BadPublicValue;
use crate::discard::Discard;
use crate::event::Credential;
use crate::isakmp::iana::{ExchangeType, NotifyType};
use crate::isakmp::{Cookie, Cookies, Id, Message, MessageWriter};
use crate::isakmp_sa::Answered;
use crate::job::{KeyExchange, Task};
use crate::nat::{Traversal, address_hash};
use crate::path::Path;
use crate::phase1::Agreed;
use crate::proposal::describe_ike;
use crate::refusal::{Cause, Stage};
use crate::secret::Psk;

impl Responder {
    pub(super) fn aggressive_mode(
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
            return self.aggressive_message1(now, path, message, datagram);
        }
        let Some(request) = self.fresh_request(path, cookies, datagram)? else { return Ok(()) };
        match self.half_open.get(cookies).map(|attempt| &attempt.state) {
            Some(State::Aggressive(Aggressive::AwaitHash(_))) => {
                self.aggressive_message3(now, path, message, request)
            }
            Some(_) | None => Err(Discard::Unexpected),
        }
    }

    fn aggressive_message1(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        let payloads = message.payloads().map_err(|_| Discard::Malformed)?;
        let message1 = Message1::try_from(&payloads).map_err(|_| Discard::Malformed)?;
        let known = self.half_open.of_first(path.remote, message.header.cookies.initiator).is_some();
        if !known && self.jobs_of_strangers_are_enough(path) {
            return Err(Discard::JobLimit);
        }
        let Some(cookies) = self.admit(now, path, message, datagram)? else { return Ok(()) };
        let (computing, public) = match self.agree(now, path, &message1, datagram.len()) {
            Ok(computing) => (computing, message1.public),
            Err((cause, notify)) => {
                self.refuse_attempt(path, cookies, cause, notify, datagram.len());
                return Ok(());
            }
        };
        let asker = Asker::Aggressive(cookies);
        if let Err(limit) = self.start_job(asker, Task::exchange(computing.suite().group, public)) {
            self.drop_attempt(cookies);
            return Err(limit);
        }
        if let Some(attempt) = self.half_open.get_mut(cookies) {
            attempt.state = State::Aggressive(Aggressive::Computing(Box::new(computing)));
        }
        Ok(())
    }

    /// What a first message leads to, or why it does not.
    fn agree(
        &self,
        now: Instant,
        path: Path,
        message1: &Message1<'_>,
        request_len: usize,
    ) -> Result<Computing, (Cause, NotifyType)> {
        let identity = message1.id.to_id();
        let psks = &self.config.psks;
        let Some(psk) = self.key_to_try(path, &identity) else {
            return Err(if psks.iter().any(|psk| psk.id.is_some()) {
                (Cause::UnknownIdentifier { identity }, NotifyType::INVALID_ID_INFORMATION)
            } else {
                (Cause::AggressiveMode { identity }, NotifyType::INVALID_EXCHANGE_TYPE)
            });
        };
        let policy = self.config.ike_policy(Some(message1.public.len()));
        let agreed = Agreed::choose_silently(now, &message1.first, policy, None).ok_or_else(|| {
            let (offer, remedy) = describe_ike(&message1.first.sa, policy);
            let policy = policy.algorithms;
            let cause = Cause::NoIkeProposal { stage: Stage::Aggressive1, offer, policy, remedy };
            (cause, NotifyType::NO_PROPOSAL_CHOSEN)
        })?;
        let version = message1.first.vendor.nat.map(|(version, _)| version);
        if version.is_none() && !self.serves_native(path) {
            let cause = Cause::NoNatTraversal { stage: Stage::Aggressive1 };
            return Err((cause, NotifyType::NO_PROPOSAL_CHOSEN));
        }
        Ok(Computing::new(message1, agreed, version, psk.clone(), request_len))
    }

    /// The key of that identifier to make HASH_R with. While there are two, because one is being replaced, nothing says which
    /// of them the client has, and it is the client that finds out first: an attempt that was left unanswered makes the
    /// next one from there try the next key. Racoon needs no second dialling: it has moved to port 4500 before it compares
    /// the hash, so its repetition of message 1 comes from there and is the next attempt.
    fn key_to_try(&self, path: Path, identity: &Id) -> Option<&Psk> {
        let psks: Vec<&Psk> = self.config.psks.iter().filter(|psk| names(identity, psk)).collect();
        if psks.len() < 2 {
            return psks.first().copied();
        }
        let unanswered = self.half_open.unproven_of(path.remote).filter(|attempt| match &attempt.state {
            State::Aggressive(Aggressive::AwaitHash(awaiting)) => awaiting.identity == *identity,
            _ => false,
        });
        psks.get(unanswered.count() % psks.len()).copied()
    }

    /// Whether no more arithmetic is to be done for those who have proved nothing: Main Mode keeps most of it, and of their
    /// share one source gets only a part.
    fn jobs_of_strangers_are_enough(&self, path: Path) -> bool {
        let share = self.config.max_jobs.div_ceil(STRANGERS_SHARE);
        let strangers = self.jobs.values().filter_map(|asker| match asker {
            Asker::Aggressive(cookies) => Some(cookies),
            Asker::MainMode(_) | Asker::Authentication(_) | Asker::QuickMode(..) | Asker::Rekey(..) => None,
        });
        let remotes =
            strangers.map(|cookies| self.half_open.get(*cookies).map(|attempt| attempt.first_remote));
        let (mut all, mut own) = (0, 0);
        for remote in remotes {
            all += 1;
            own += usize::from(remote.is_some_and(|remote| source(remote) == source(path.remote)));
        }
        self.jobs.len() >= self.config.max_jobs || all >= share || own >= share.div_ceil(STRANGERS_SHARE)
    }

    pub(super) fn aggressive_mode_computed(
        &mut self,
        now: Instant,
        cookies: Cookies,
        outcome: Result<KeyExchange, BadPublicValue>,
    ) {
        let Some(attempt) = self.half_open.get_mut(cookies) else { return };
        let path = attempt.path;
        let State::Aggressive(Aggressive::Computing(computing)) =
            mem::replace(&mut attempt.state, State::Refused)
        else {
            return;
        };
        let request_len = computing.request_len();
        let Ok(exchange) = outcome else {
            let notify = NotifyType::INVALID_KEY_INFORMATION;
            self.refuse_attempt(path, cookies, Cause::BadPublicValue, notify, request_len);
            return;
        };
        let hash = computing.suite().hash;
        let ours = address_hash(hash, cookies, path.local);
        // Where the client is shows with its next message only.
        let theirs = self.hash_of_client(hash, cookies, path, None);
        let nonce = self.random::<NONCE_LEN>();
        let (awaiting, chain) =
            computing.finish(now, cookies, exchange, nonce, (path.local.ip(), [&theirs, &ours]));
        let response = MessageWriter::new(cookies, ExchangeType::AGGRESSIVE_MODE, 0).clear(&chain);
        let Some(attempt) = self.half_open.get_mut(cookies) else { return };
        attempt.state = State::Aggressive(Aggressive::AwaitHash(Box::new(awaiting)));
        attempt.last.response.clone_from(&response);
        let limit = attempt.answer_limit(request_len);
        self.timers.set(Timer::HalfOpen(cookies), now + HALF_OPEN);
        self.answer_stranger(path, limit, response);
    }

    fn aggressive_message3(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        request: Digest,
    ) -> Result<(), Discard> {
        let header = message.header;
        let cookies = header.cookies;
        let serves_native = self.serves_native(path);
        let attempt = self.half_open.get_mut(cookies).ok_or(Discard::UnknownCookies)?;
        let State::Aggressive(Aggressive::AwaitHash(awaiting)) = &mut attempt.state else {
            return Err(Discard::Unexpected);
        };
        if awaiting.failures >= MAX_FAILURES {
            return Err(Discard::Unauthenticated);
        }
        let paths = [path, attempt.path];
        let client = awaiting.authenticate(&header, message.body, &self.config.psks, paths);
        let proved = client.is_some();
        let is_served = |traversal| traversal != Traversal::Unspoken || serves_native;
        let Some(client) = client.filter(|client| is_served(client.traversal)) else {
            // Somebody else may have made this message up: the attempt goes on, and its client may yet be heard.
            awaiting.failures += 1;
            let (id, first) = (attempt.id, awaiting.failures == 1);
            let keys = self.config.psks.iter().filter(|psk| names(&awaiting.identity, psk)).count();
            let (cause, notify) = if proved {
                (Cause::NoNatTraversal { stage: Stage::Aggressive3 }, NotifyType::NO_PROPOSAL_CHOSEN)
            } else {
                (Cause::WrongPsk { stage: Stage::Aggressive3, keys }, NotifyType::AUTHENTICATION_FAILED)
            };
            if first {
                let notify = self.clear_notify(cookies, notify);
                self.answer_stranger(path, message.body.len(), notify);
                self.refuse(id, path, cause);
            }
            return Err(Discard::Unauthenticated);
        };
        let credential = Credential::Psk(client.psk.name.clone());
        let (traversal, initial_contact) = (client.traversal, client.initial_contact);
        let keys = client.into_keys();
        let Some(Attempt {
            id: attempt,
            path: answered,
            state: State::Aggressive(Aggressive::AwaitHash(done)),
            ..
        }) = self.drop_attempt(cookies)
        else {
            return Err(Discard::Unexpected);
        };
        let AwaitHash { agreed, timings, identity, .. } = *done;
        let last = Answered { request, response: Vec::new() };
        let established = Established {
            attempt,
            agreed,
            traversal,
            timings,
            identity,
            credential,
            reached: answered.remote.ip(),
            initial_contact,
            keys,
            last,
        };
        self.establish(now, path, cookies, established);
        Ok(())
    }

    /// A message of the second phase came before the first is done. In Aggressive Mode that tells that message 3 was lost:
    /// racoon sends it again only if message 2 comes again, which must not go unasked to who has not returned our cookie.
    /// This one has.
    ///
    /// Or it tells that the client turned message 2 down: racoon and strongSwan say so under the keys that they made of
    /// their secret, which are not ours.
    pub(super) fn too_early(&mut self, path: Path, message: &Message<'_>) -> Discard {
        let header = message.header;
        let Some(attempt) = self.half_open.get_mut(header.cookies) else { return Discard::UnknownCookies };
        let State::Aggressive(Aggressive::AwaitHash(awaiting)) = &mut attempt.state else {
            return Discard::Early;
        };
        let psks = &self.config.psks;
        let tried = psks.iter().find(|psk| psk.name == awaiting.tried);
        if header.exchange == ExchangeType::INFORMATIONAL
            && awaiting.failures == 0
            && tried.is_some_and(|psk| !awaiting.is_under(psk, &header, message.body))
        {
            awaiting.failures += 1;
            let (identity, psk) = (awaiting.identity.clone(), awaiting.tried.clone());
            let keys = psks.iter().filter(|psk| names(&identity, psk)).count();
            let id = attempt.id;
            self.refuse(id, path, Cause::HashNotAccepted { told: true, identity, psk, keys });
            return Discard::Early;
        }
        // Racoon takes it for a repetition only if it comes from the port that it has moved to itself. No other address than
        // the one that was sent our cookie is believed.
        if attempt.resent < MAX_RESENT && attempt.path.remote.ip() == path.remote.ip() {
            attempt.resent += 1;
            let response = attempt.last.response.clone();
            self.transmit(path, response);
        }
        Discard::Early
    }
}

/// Of the arithmetic that may wait, one part in so many is for those who have proved nothing, and of that for one source.
const STRANGERS_SHARE: usize = 4;

/// How often message 2 is sent again for a message of the second phase.
const MAX_RESENT: u32 = 8;
