//! Quick Mode: from an ISAKMP SA to a pair of ESP SAs.

use std::mem;
use std::time::{Duration, Instant};

use super::{Asker, Responder, Timer, backoff, fingerprint};
use crate::crypto::Digest;
use crate::dh::BadPublicValue;
use crate::discard::Discard;
use crate::event::{Event, SaPair, SaReason};
use crate::isakmp::iana::{NotifyType, ProtocolId};
use crate::isakmp::{Chain, Cookies, Message};
use crate::isakmp_sa::{Answered, Exchange};
use crate::job::{KeyExchange, Task};
use crate::path::{Encapsulation, NAT_T_PORT, Path};
use crate::peer::Pair;
use crate::phase2::{Message1, Opening, Own, QuickMode, Rekey};
use crate::proposal::{EspChoice, EspPolicy, EspRefusal, choose_esp, describe_esp};
use crate::refusal::Cause;

impl Responder {
    pub(super) fn quick_mode(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        let header = message.header;
        let cookies = header.cookies;
        if !header.flags.is_encrypted() {
            return Err(Discard::Unencrypted);
        }
        if header.message_id == 0 {
            return Err(Discard::Unexpected);
        }
        let Some(sa) = self.isakmp_sas.get(&cookies) else {
            return Err(self.too_early(path, &message));
        };
        if sa.deleted {
            return Err(Discard::UnknownCookies);
        }
        let request = fingerprint(datagram);
        // Windows numbers its quick modes 1, 2, 3 …, every one of them: an id means something under its cookies only.
        let Some(exchange) = sa.quick.get(&header.message_id) else {
            return self.quick_message1(now, path, message, request);
        };
        if exchange.last.request == request {
            if exchange.last.response.is_empty() {
                return Err(Discard::Retransmission);
            }
            let response = exchange.last.response.clone();
            // Whoever recorded a request can send it from anywhere, in anybody's name.
            if self.peers.get(&sa.peer).is_some_and(|peer| peer.path == path) {
                self.transmit(path, response);
            } else {
                self.answer_stranger(path, datagram.len(), response);
            }
            return Ok(());
        }
        match &exchange.state {
            QuickMode::AwaitHash3(awaiting) if awaiting.verify(sa, &header, message.body) => {
                let inbound = awaiting.inbound;
                self.confirm(now, inbound);
                Ok(())
            }
            QuickMode::AwaitHash3(_) => Err(Discard::Unauthenticated),
            QuickMode::Rekey(_) => self.rekey_message2(now, path, &message, request),
            QuickMode::Computing(_) => Err(Discard::Unexpected),
            QuickMode::Done => Err(Discard::Replay),
        }
    }

    fn quick_message1(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        request: Digest,
    ) -> Result<(), Discard> {
        let header = message.header;
        let (cookies, message_id) = (header.cookies, header.message_id);
        let sa = self.isakmp_sas.get(&cookies).ok_or(Discard::UnknownCookies)?;
        if sa.is_spent(message_id) {
            return Err(Discard::Replay);
        }
        let opened = sa.open_first(&header, message.body).ok_or(Discard::Unauthenticated)?;
        let native = self.serves_native(path) && sa.origin.traversal.admits_native();
        let payloads = opened.payloads().ok_or(Discard::Malformed)?;
        let message1 = Message1::try_from(&payloads).map_err(|_| Discard::Malformed)?;
        if message1.selectors.is_some_and(|selectors| !selectors.are_modest()) {
            return Err(Discard::Malformed);
        }
        self.make_exchange_room(cookies)?;
        if message1.initial_contact {
            self.initial_contact(now, cookies);
        }
        let policy = EspPolicy {
            algorithms: self.config.algorithms,
            mtu: self.config.mtu,
            encapsulation: match path.local.port() {
                NAT_T_PORT => Encapsulation::Udp,
                _ => Encapsulation::Native,
            },
            ipv6: path.remote.ip().to_canonical().is_ipv6(),
            public_len: message1.public.map(<[u8]>::len),
        };
        let choice = match choose(&message1, native, policy) {
            Ok(choice) => choice,
            Err((cause, notify)) => {
                self.refuse_quick(now, path, cookies, Refused { message_id, request, cause, notify });
                return Ok(());
            }
        };
        let pfs = choice.pfs.zip(message1.public);
        if let Some((group, public)) = pfs {
            self.start_job(Asker::QuickMode(cookies, message_id), Task::exchange(group, public))?;
        }
        let Some(peer) = self.isakmp_sas.get(&cookies).map(|sa| sa.peer) else {
            return Err(Discard::UnknownCookies);
        };
        let inbound = self.new_spi(peer);
        let own = Own { inbound, nonce: self.random(), path, requested: now, iv: opened.iv };
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return Err(Discard::UnknownCookies) };
        let opening = Opening::new(sa, &message1, &choice, own);
        let peer = sa.peer;
        let last = Answered { request, response: Vec::new() };
        sa.quick
            .insert(message_id, Box::new(Exchange { last, state: QuickMode::Computing(opening), resent: 0 }));
        self.by_inbound.insert(inbound, peer);
        self.timers.set(Timer::Quick(cookies, message_id), now + EXCHANGE);
        self.move_peer(peer, path);
        if pfs.is_none() {
            self.open_pair(now, cookies, message_id, None);
        }
        Ok(())
    }

    pub(super) fn quick_mode_computed(
        &mut self,
        now: Instant,
        cookies: Cookies,
        message_id: u32,
        outcome: Result<KeyExchange, BadPublicValue>,
    ) {
        match outcome {
            Ok(exchange) => self.open_pair(now, cookies, message_id, Some(exchange)),
            Err(BadPublicValue) => {
                let Some(sa) = self.isakmp_sas.get(&cookies) else { return };
                let Some(exchange) = sa.quick.get(&message_id) else { return };
                let QuickMode::Computing(opening) = &exchange.state else { return };
                let (path, inbound, request) = (opening.path, opening.inbound, exchange.last.request.clone());
                self.by_inbound.remove(&inbound);
                let (cause, notify) = (Cause::BadPublicValue, NotifyType::INVALID_KEY_INFORMATION);
                self.refuse_quick(now, path, cookies, Refused { message_id, request, cause, notify });
            }
        }
    }

    /// All is known: message 2 goes out and the pair is opened.
    fn open_pair(&mut self, now: Instant, cookies: Cookies, message_id: u32, pfs: Option<KeyExchange>) {
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        let peer = sa.peer;
        let Some(exchange) = sa.quick.get_mut(&message_id) else { return };
        let QuickMode::Computing(opening) = mem::replace(&mut exchange.state, QuickMode::Done) else {
            return;
        };
        let Opening { suite, lifetime, path, encapsulation, requested, inbound, .. } = opening;
        let terms = opening.terms.clone();
        let outbound = opening.peer_spi();
        let Ok((awaiting, response, inbound_sa, outbound_sa)) = opening.finish(sa, message_id, pfs) else {
            // A weak DES key: once in 2^52, and the client will try again.
            self.by_inbound.remove(&inbound);
            self.forget_quick(cookies, message_id);
            return;
        };
        let Some(exchange) = sa.quick.get_mut(&message_id) else { return };
        exchange.state = QuickMode::AwaitHash3(awaiting);
        exchange.last.response.clone_from(&response);
        let Some(owner) = self.peers.get_mut(&peer) else { return };
        owner.terms = Some(terms);
        let rekey = owner.opened;
        let pair = Pair::new(inbound, outbound, (cookies, message_id));
        self.add_pair(now, peer, pair, lifetime);
        self.timers.set(Timer::Quick(cookies, message_id), now + EXCHANGE);
        self.schedule_quick(now, cookies, message_id);
        self.transmit(path, response);
        let sa = SaPair {
            path,
            encapsulation,
            suite,
            inbound: inbound_sa,
            outbound: outbound_sa,
            lifetime,
            rekey,
            requested,
        };
        self.events.push_back(Event::SaOpened { peer, sa: Box::new(sa) });
    }

    /// The client has the pair: message 2 is not sent again. The exchange is remembered until its messages are out of the way.
    pub(super) fn finish_quick(&mut self, now: Instant, cookies: Cookies, message_id: u32) {
        self.timers.stop(Timer::ResendQuick(cookies, message_id));
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        let Some(exchange) = sa.quick.get_mut(&message_id) else { return };
        exchange.state = QuickMode::Done;
        self.timers.set(Timer::Quick(cookies, message_id), now + EXCHANGE);
    }

    pub(super) fn schedule_quick(&mut self, now: Instant, cookies: Cookies, message_id: u32) {
        let Some(exchange) = self.quick_mut(cookies, message_id) else { return };
        if let Some(wait) = backoff(exchange.resent) {
            exchange.resent += 1;
            self.timers.set(Timer::ResendQuick(cookies, message_id), now + wait);
        }
    }

    pub(super) fn resend_quick(&mut self, now: Instant, cookies: Cookies, message_id: u32) {
        let Some(sa) = self.isakmp_sas.get(&cookies) else { return };
        let (Some(peer), Some(exchange)) = (self.peers.get(&sa.peer), sa.quick.get(&message_id)) else {
            return;
        };
        if let QuickMode::Rekey(Rekey::Settling(inbound)) = exchange.state {
            return self.confirm(now, inbound);
        }
        let (path, response) = (peer.path, exchange.last.response.clone());
        self.transmit(path, response);
        self.schedule_quick(now, cookies, message_id);
    }

    pub(super) fn quick_expired(&mut self, now: Instant, cookies: Cookies, message_id: u32) {
        let Some(sa) = self.isakmp_sas.get(&cookies) else { return };
        let peer = sa.peer;
        match sa.quick.get(&message_id).map(|exchange| &exchange.state) {
            Some(QuickMode::AwaitHash3(awaiting)) => {
                let inbound = awaiting.inbound;
                self.forget_quick(cookies, message_id);
                self.delete_pair(now, peer, inbound, SaReason::NeverConfirmed);
            }
            Some(state @ (QuickMode::Computing(_) | QuickMode::Rekey(_))) => {
                let reserved = state.reserved();
                reserved.and_then(|inbound| self.by_inbound.remove(&inbound));
                self.forget_quick(cookies, message_id);
            }
            Some(QuickMode::Done) | None => self.forget_quick(cookies, message_id),
        }
    }

    pub(super) fn forget_quick(&mut self, cookies: Cookies, message_id: u32) {
        self.timers.stop(Timer::Quick(cookies, message_id));
        self.timers.stop(Timer::ResendQuick(cookies, message_id));
        if let Some(sa) = self.isakmp_sas.get_mut(&cookies) {
            sa.forget_quick(message_id);
        }
    }

    /// A finished exchange gives way to a new one; too many unfinished ones do not.
    pub(super) fn make_exchange_room(&mut self, cookies: Cookies) -> Result<(), Discard> {
        let Some(sa) = self.isakmp_sas.get(&cookies) else { return Err(Discard::UnknownCookies) };
        if sa.quick.len() < MAX_EXCHANGES {
            return Ok(());
        }
        let done = sa.quick.iter().find(|(_, exchange)| matches!(exchange.state, QuickMode::Done));
        let message_id = done.map(|(message_id, _)| *message_id).ok_or(Discard::ExchangeLimit)?;
        self.forget_quick(cookies, message_id);
        Ok(())
    }

    /// Refuses under the ISAKMP SA, and remembers the notification for retransmissions.
    fn refuse_quick(&mut self, now: Instant, path: Path, cookies: Cookies, refused: Refused) {
        let Refused { message_id, request, cause, notify } = refused;
        let own_message_id = self.message_id();
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        let mut chain = Chain::default();
        chain.push_notify(ProtocolId::ESP, notify, &[], &[]);
        let response = sa.informational(own_message_id, chain);
        let last = Answered { request, response: response.clone() };
        sa.quick.insert(message_id, Box::new(Exchange { last, state: QuickMode::Done, resent: 0 }));
        let peer = sa.peer;
        self.timers.set(Timer::Quick(cookies, message_id), now + EXCHANGE);
        self.transmit(path, response);
        self.refuse(peer, path, cause);
    }

    pub(super) fn quick_mut(&mut self, cookies: Cookies, message_id: u32) -> Option<&mut Exchange> {
        self.isakmp_sas.get_mut(&cookies)?.quick.get_mut(&message_id).map(|exchange| &mut **exchange)
    }
}

/// A first message that is turned down.
struct Refused {
    message_id: u32,
    request: Digest,
    cause: Cause,
    notify: NotifyType,
}

/// What is served: L2TP, in transport mode, inside UDP; outside of it to whom that is open.
fn choose<'a>(
    message: &'a Message1<'a>,
    native: bool,
    policy: EspPolicy,
) -> Result<EspChoice<'a>, (Cause, NotifyType)> {
    let choice = choose_esp(&message.sa, policy).map_err(|refusal| {
        let (offer, remedy) = describe_esp(&message.sa, policy);
        let cause = match refusal {
            EspRefusal::TunnelMode => Cause::TunnelMode,
            EspRefusal::UdpTransport => Cause::NativeEsp,
            EspRefusal::NotEsp => Cause::NotEsp { offer },
            EspRefusal::NoneAllowed => Cause::NoEspProposal { offer, policy: policy.algorithms, remedy },
        };
        (cause, NotifyType::NO_PROPOSAL_CHOSEN)
    })?;
    if let Some(selectors) = message.selectors.filter(|selectors| !selectors.admit_l2tp()) {
        return Err((Cause::Selectors { what: selectors.describe() }, NotifyType::INVALID_ID_INFORMATION));
    }
    if choice.encapsulation == Encapsulation::Native && !native {
        return Err((Cause::NativeEsp, NotifyType::NO_PROPOSAL_CHOSEN));
    }
    Ok(choice)
}

/// How long a quick mode may take, and how long it is remembered: Android repeats itself for 30 s.
pub(super) const EXCHANGE: Duration = Duration::from_secs(30);

/// Quick modes under one ISAKMP SA at once, finished ones that are still remembered among them.
const MAX_EXCHANGES: usize = 16;
