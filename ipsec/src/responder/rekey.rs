//! New ESP SAs that we ask for: the client let the time of its last ones pass.
//!
//! Every client renews its keys by itself, and knows better when; only one that did not is asked. It may refuse by silence:
//! then its ESP SAs end as if nobody had asked. Without an ISAKMP SA there is nothing to ask with, and no starting one: a
//! client behind a NAT answers no first phase.

use std::mem;
use std::time::{Duration, Instant};

use super::quick_mode::EXCHANGE;
use super::{Asker, Responder, Timer, fingerprint};
use crate::crypto::Digest;
use crate::dh::{BadPublicValue, SharedSecret};
use crate::discard::Discard;
use crate::esp::Spi;
use crate::event::{Event, SaPair};
use crate::isakmp::{Cookies, Message, Payloads};
use crate::isakmp_sa::{Answered, Exchange};
use crate::job::{KeyExchange, Task};
use crate::path::{Path, PeerId};
use crate::peer::Pair;
use crate::phase2::{Answer, AwaitMessage2, Draft, Message1, Pfs, QuickMode, Rekey, Terms};
use crate::proposal::{EspPolicy, choose_esp};

impl Responder {
    /// Asks a client for new ESP SAs, on the terms on which it had the last; false if there is nothing to ask with.
    pub fn renew(&mut self, now: Instant, peer: PeerId) -> bool {
        let Some(cookies) = self.alive_isakmp_sa(peer) else { return false };
        let Some(terms) = self.peers.get(&peer).and_then(|peer| peer.terms.clone()) else { return false };
        if self.make_exchange_room(cookies).is_err() {
            return false;
        }
        let pfs = terms.pfs.clone();
        let inbound = self.new_spi(peer);
        let seed = pfs.is_some().then(|| self.job_seed());
        let draft = Draft { inbound, nonce: self.random(), seed: seed.clone(), terms, requested: now };
        let message_id = self.unused_message_id(cookies);
        if let Some((Pfs { group, public }, seed)) = pfs.zip(seed) {
            // The client's last public value stands in for its next one: it is our own half that is wanted.
            let asker = Asker::Rekey(cookies, message_id);
            if self.start_job_with(asker, Task::exchange(group, &public), seed).is_err() {
                return false;
            }
        }
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return false };
        let wants_public = draft.seed.is_some();
        let last = Answered { request: fingerprint(&[]), response: Vec::new() };
        let state = QuickMode::Rekey(Rekey::Drawing(draft));
        sa.quick.insert(message_id, Box::new(Exchange { last, state, resent: 0 }));
        self.by_inbound.insert(inbound, peer);
        self.timers.set(Timer::Quick(cookies, message_id), now + EXCHANGE);
        if !wants_public {
            self.rekey_message1(now, cookies, message_id, None);
        }
        true
    }

    /// A pair's time is all but over. If it is not the newest, its client has seen to it.
    pub(super) fn renewal_due(&mut self, inbound: Spi) {
        let Some(&id) = self.by_inbound.get(&inbound) else { return };
        let newest = self.peers.get(&id).and_then(|peer| peer.pairs.iter().rev().find(|pair| !pair.retired));
        if newest.is_some_and(|pair| pair.inbound == inbound && pair.confirmed) {
            self.events.push_back(Event::Overdue { peer: id });
        }
    }

    pub(super) fn rekey_computed(
        &mut self,
        now: Instant,
        cookies: Cookies,
        message_id: u32,
        outcome: Result<KeyExchange, BadPublicValue>,
    ) {
        let Some(exchange) = self.quick_mut(cookies, message_id) else { return };
        match (&exchange.state, outcome) {
            (QuickMode::Rekey(Rekey::Drawing(_)), Ok(KeyExchange { public, .. })) => {
                self.rekey_message1(now, cookies, message_id, Some(&public));
            }
            (QuickMode::Rekey(Rekey::Computing(_)), Ok(KeyExchange { shared, .. })) => {
                self.rekey_message3(now, cookies, message_id, Some(&shared));
            }
            (QuickMode::Rekey(_), Err(BadPublicValue)) => self.quick_expired(now, cookies, message_id),
            _ => {}
        }
    }

    fn rekey_message1(&mut self, now: Instant, cookies: Cookies, message_id: u32, public: Option<&[u8]>) {
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        let Some(path) = self.peers.get(&sa.peer).map(|peer| peer.path) else { return };
        let Some(exchange) = sa.quick.get_mut(&message_id) else { return };
        let QuickMode::Rekey(Rekey::Drawing(draft)) = mem::replace(&mut exchange.state, QuickMode::Done)
        else {
            return;
        };
        let (awaiting, message) = draft.send(sa, path, message_id, public);
        let Some(exchange) = sa.quick.get_mut(&message_id) else { return };
        exchange.state = QuickMode::Rekey(Rekey::AwaitMessage2(awaiting));
        exchange.last.response.clone_from(&message);
        self.schedule_quick(now, cookies, message_id);
        self.transmit(path, message);
    }

    pub(super) fn rekey_message2(
        &mut self,
        now: Instant,
        path: Path,
        message: &Message<'_>,
        request: Digest,
    ) -> Result<(), Discard> {
        let header = message.header;
        let (cookies, message_id) = (header.cookies, header.message_id);
        let sa = self.isakmp_sas.get(&cookies).ok_or(Discard::UnknownCookies)?;
        let peer = sa.peer;
        let Some(QuickMode::Rekey(Rekey::AwaitMessage2(awaiting))) =
            sa.quick.get(&message_id).map(|exchange| &exchange.state)
        else {
            return Err(Discard::Unexpected);
        };
        let (text, iv) = awaiting.open(sa, &header, message.body).ok_or(Discard::Unauthenticated)?;
        let payloads = Payloads::parse(header.next_payload, &text).map_err(|_| Discard::Malformed)?;
        let message2 = Message1::try_from(&payloads).map_err(|_| Discard::Malformed)?;
        let peer_spi = self.agreed(&message2, &awaiting.draft.terms).ok_or(Discard::Unexpected)?;
        let second = awaiting.draft.pfs().zip(message2.public);
        let waits = second.is_some();
        if let Some(((group, seed), public)) = second {
            self.start_job_with(Asker::Rekey(cookies, message_id), Task::exchange(group, public), seed)?;
        }
        let exchange = self.quick_mut(cookies, message_id).ok_or(Discard::Unexpected)?;
        if let QuickMode::Rekey(Rekey::AwaitMessage2(AwaitMessage2 { draft, .. })) =
            mem::replace(&mut exchange.state, QuickMode::Done)
        {
            let answer = Answer { draft, nonce: message2.nonce.into(), peer_spi, iv };
            exchange.state = QuickMode::Rekey(Rekey::Computing(Box::new(answer)));
            exchange.last = Answered { request, response: Vec::new() };
        }
        self.timers.stop(Timer::ResendQuick(cookies, message_id));
        self.follow(peer, path);
        if !waits {
            self.rekey_message3(now, cookies, message_id, None);
        }
        Ok(())
    }

    /// The client's SPI, if it took what it was asked to take.
    fn agreed(&self, message2: &Message1<'_>, terms: &Terms) -> Option<Spi> {
        let policy = EspPolicy {
            algorithms: self.config.algorithms,
            mtu: self.config.mtu,
            encapsulation: terms.encapsulation,
            // Matters to a choice among several.
            ipv6: false,
            public_len: message2.public.map(<[u8]>::len),
        };
        let choice = choose_esp(&message2.sa, policy).ok()?;
        let same = choice.suite == terms.suite && choice.pfs == terms.pfs.as_ref().map(|pfs| pfs.group);
        same.then_some(choice.peer_spi)
    }

    /// All is known: message 3 goes out and the pair is opened. It is not confirmed until the client uses it, or has had the
    /// time to repeat its message 2 for want of message 3.
    fn rekey_message3(
        &mut self,
        now: Instant,
        cookies: Cookies,
        message_id: u32,
        shared: Option<&SharedSecret>,
    ) {
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        let peer = sa.peer;
        let Some(path) = self.peers.get(&peer).map(|peer| peer.path) else { return };
        let Some(exchange) = sa.quick.get_mut(&message_id) else { return };
        let QuickMode::Rekey(Rekey::Computing(answer)) = mem::replace(&mut exchange.state, QuickMode::Done)
        else {
            return;
        };
        let Answer { draft: Draft { inbound, ref terms, requested, .. }, peer_spi: outbound, .. } = *answer;
        let Terms { suite, lifetime, encapsulation, .. } = *terms;
        let Ok((message3, inbound_sa, outbound_sa)) = answer.finish(sa, message_id, shared) else {
            // A weak DES key, once in 2^52.
            self.by_inbound.remove(&inbound);
            return self.forget_quick(cookies, message_id);
        };
        let Some(exchange) = sa.quick.get_mut(&message_id) else { return };
        exchange.state = QuickMode::Rekey(Rekey::Settling(inbound));
        exchange.last.response.clone_from(&message3);
        let pair = Pair::new(inbound, outbound, (cookies, message_id));
        self.add_pair(now, peer, pair, lifetime);
        self.timers.set(Timer::Quick(cookies, message_id), now + EXCHANGE);
        self.timers.set(Timer::ResendQuick(cookies, message_id), now + SETTLING);
        self.transmit(path, message3);
        let (inbound, outbound) = (inbound_sa, outbound_sa);
        let sa = SaPair { path, encapsulation, suite, inbound, outbound, lifetime, rekey: true, requested };
        self.events.push_back(Event::SaOpened { peer, sa: Box::new(sa) });
    }

    fn unused_message_id(&mut self, cookies: Cookies) -> u32 {
        loop {
            let id = self.message_id();
            let sa = self.isakmp_sas.get(&cookies);
            if sa.is_none_or(|sa| !sa.quick.contains_key(&id) && !sa.is_spent(id)) {
                return id;
            }
        }
    }
}

/// racoon repeats its message 2 after ten seconds, strongSwan after four. The keys that we keep using meanwhile may be over for
/// the client, so it is not waited for them; what is lost is sent again after message 3.
const SETTLING: Duration = Duration::from_secs(2);
