//! What both modes of a first phase share: strangers are admitted or refused, retransmissions are answered, and an
//! authenticated client gets its ISAKMP SA.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::Rng as _;

use super::half_open::{Attempt, State};
use super::{Responder, Timer, fingerprint};
use crate::aggressive::{Aggressive, AwaitHash, names};
use crate::crypto::{Digest, Hash};
use crate::discard::Discard;
use crate::event::{CloseReason, Credential, Event, Phase1, Timings};
use crate::isakmp::iana::NotifyType;
use crate::isakmp::{Cookie, Cookies, Id, Message};
use crate::isakmp_sa::{Answered, IsakmpSa, Origin};
use crate::nat::{Nat, Traversal, address_hash};
use crate::path::{NAT_T_PORT, Path, PeerId};
use crate::peer::{Who, seat};
use crate::phase1::{Agreed, Keys, MainMode};
use crate::refusal::Cause;

/// A client that has proved a key.
pub(super) struct Established {
    pub(super) attempt: PeerId,
    pub(super) agreed: Agreed,
    pub(super) traversal: Traversal,
    /// When its public value came, when the secret was there.
    pub(super) timings: (Instant, Instant),
    pub(super) identity: Id,
    pub(super) credential: Credential,
    /// The address that our last message before went to.
    pub(super) reached: IpAddr,
    pub(super) initial_contact: bool,
    pub(super) keys: Keys,
    /// The message that proved it, and our answer.
    pub(super) last: Answered,
}

impl Responder {
    /// Makes room for a stranger's first message and gives it a cookie; `None` if it is a retransmission, answered already.
    pub(super) fn admit(
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
            let (limit, response) = (attempt.answer_limit(datagram.len()), attempt.last.response.clone());
            return self.answer_again(path, limit, response).map(|()| None);
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
        let attempt = Attempt { id, path, first_remote: path.remote, last, state: State::Refused, resent: 0 };
        self.half_open.insert(cookies, attempt);
        self.timers.set(Timer::HalfOpen(cookies), now + HALF_OPEN);
        self.events.push_back(Event::Attempt { peer: id, path });
        Ok(Some(cookies))
    }

    /// Whether a message of a known first phase is new: then its digest. A retransmission is answered, or counted.
    pub(super) fn fresh_request(
        &mut self,
        path: Path,
        cookies: Cookies,
        datagram: &[u8],
    ) -> Result<Option<Digest>, Discard> {
        let request = fingerprint(datagram);
        let half_open = self.half_open.get(cookies).map(|attempt| (&attempt.last, Some(attempt.path)));
        let known = half_open.or_else(|| {
            let sa = self.isakmp_sas.get(&cookies)?;
            Some((&sa.last, self.peers.get(&sa.peer).map(|peer| peer.path)))
        });
        let (last, known_path) = known.ok_or(Discard::UnknownCookies)?;
        if last.request != request {
            return Ok(Some(request));
        }
        let response = last.response.clone();
        // A recorded request may be played again from anywhere.
        let limit = if known_path == Some(path) { usize::MAX } else { datagram.len() };
        self.answer_again(path, limit, response).map(|()| None)
    }

    /// The hash of the client's address that we send, RFC 3947 §3.2.
    ///
    /// The client must believe that it sits behind a NAT, so that it moves to 4500 and encapsulates: if it does not, this is a
    /// hash of nothing (the RFC would have it true). Ours stays true: Windows does not connect to a server behind a NAT
    /// unless a registry value allows it.
    ///
    /// Where native ESP is served, and is not known to get lost, the client is told the truth and decides. `nat` is what its own
    /// hashes tell, if they came already.
    pub(super) fn hash_of_client(
        &mut self,
        hash: Hash,
        cookies: Cookies,
        path: Path,
        nat: Option<Nat>,
    ) -> Digest {
        let is_native = self.serves_native(path)
            && nat.is_none_or(Nat::is_none)
            && !self.no_native.contains(path.remote.ip());
        if is_native || nat.is_some_and(|nat| nat.client) {
            address_hash(hash, cookies, path.remote)
        } else {
            hash.digest(&[&self.random::<32>()])
        }
    }

    /// Whether ESP is served outside of UDP there. Not over IPv6: nothing translates its addresses, and more firewalls drop
    /// what they do not know.
    pub(super) fn serves_native(&self, path: Path) -> bool {
        self.config.native_esp && path.remote.ip().to_canonical().is_ipv4()
    }

    /// The client knows our key: its ISAKMP SA belongs to a new peer, or to the one that renews its first phase.
    pub(super) fn establish(&mut self, now: Instant, path: Path, cookies: Cookies, established: Established) {
        let Established { attempt, agreed, traversal, reached, initial_contact, .. } = established;
        let Established { identity, credential, timings: (message3, shared), keys, last, .. } = established;
        let who = Arc::new(Who { identity: identity.clone(), credential: credential.clone() });
        // Who was answered elsewhere may have made this address up.
        let same = self.by_who.get(&seat(path, &who)).copied();
        let same = same.filter(|_| reached == path.remote.ip());
        let renewed = match same {
            Some(old) if initial_contact => {
                self.drop_peer(now, old, CloseReason::Replaced);
                None
            }
            same => same,
        };
        let peer = renewed.unwrap_or(attempt);
        let phase1 = Arc::new(Phase1 {
            suite: agreed.suite,
            identity,
            credential,
            nat: traversal.nat(),
            lifetime: agreed.lifetime,
            rekey: renewed.is_some(),
            vendor: agreed.vendor.name,
            timings: Timings { message1: agreed.message1, message3, shared, message5: now },
        });
        let fragmentation = agreed.vendor.fragmentation.is_some();
        let dpd = agreed.vendor.dpd;
        let origin = Origin { attempt, traversal, fragmentation, dpd, phase1: phase1.clone() };
        let mut sa = IsakmpSa::new(cookies, keys, last, origin);
        sa.peer = peer;
        sa.contacted = initial_contact;
        // RFC 3706 §5.3: it should be random, and without its highest bit.
        sa.probe = self.rng.next_u32() >> 1;
        self.isakmp_sas.insert(cookies, Box::new(sa));
        self.timers.set(Timer::IsakmpSa(cookies), now + agreed.lifetime + ISAKMP_GRACE);
        self.attach(now, peer, path, (&who, reached), cookies);
        self.events.push_back(Event::Established { attempt, peer, path, phase1 });
        if initial_contact {
            self.events.push_back(Event::InitialContact { peer });
        }
    }

    pub(super) fn half_open_expired(&mut self, cookies: Cookies) {
        let Some(Attempt { id, path, state, .. }) = self.drop_attempt(cookies) else { return };
        match state {
            State::Main(MainMode::AwaitId(await_id)) if await_id.failures == 0 => {
                self.refuse(id, path, Cause::SilentAfterKe { moved: path.local.port() != NAT_T_PORT });
            }
            State::Main(MainMode::AwaitKe(_)) => self.discards.count(Discard::HalfOpenExpired),
            State::Aggressive(Aggressive::AwaitHash(awaiting)) if awaiting.failures == 0 => {
                let AwaitHash { identity, tried, .. } = *awaiting;
                let keys = self.config.psks.iter().filter(|psk| names(&identity, psk)).count();
                self.refuse(id, path, Cause::HashNotAccepted { told: false, identity, psk: tried, keys });
            }
            State::Main(MainMode::AwaitId(_) | MainMode::Computing(_) | MainMode::Authenticating(_))
            | State::Aggressive(_)
            | State::Refused => {}
        }
    }

    pub(super) fn drop_attempt(&mut self, cookies: Cookies) -> Option<Attempt> {
        self.timers.stop(Timer::HalfOpen(cookies));
        self.timers.stop(Timer::ResendMessage4(cookies));
        self.half_open.remove(cookies)
    }

    /// Turns an attempt away and remembers the notification for its retransmissions.
    pub(super) fn refuse_attempt(
        &mut self,
        path: Path,
        cookies: Cookies,
        cause: Cause,
        notify: NotifyType,
        request_len: usize,
    ) {
        let response = self.clear_notify(cookies, notify);
        let Some(attempt) = self.half_open.get_mut(cookies) else { return };
        attempt.state = State::Refused;
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

/// How long a first phase may take to its third message, and from there to its fifth: Android repeats itself for 30 s,
/// strongSwan's fifth copy of a message comes after 47 s. Strangers gain nothing: when the table is full, the oldest of them
/// gives way.
pub(super) const HALF_OPEN: Duration = Duration::from_secs(60);

/// How long we keep an ISAKMP SA behind its lifetime: the client's clock started after ours.
const ISAKMP_GRACE: Duration = Duration::from_secs(30);

/// Android's first message has 724 octets, Apple's about 900.
const MAX_MESSAGE1_LEN: usize = 4096;

/// Bounds the work that made-up last messages can cause.
pub(super) const MAX_FAILURES: u32 = 8;
