//! IKEv1, initiator side: the exchanges and SAs of one client, RFC 2409.

mod aggressive;
mod answer;
mod certificate;
mod informational;
mod keymat;
mod main_mode;
pub(crate) mod nat;
mod offer;
mod quick_mode;
mod timers;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;

use self::aggressive::{Aggressive, Answered};
use self::answer::Answer;
pub use self::certificate::Certificate;
use self::keymat::Keys;
use self::main_mode::MainMode;
use self::nat::NatT;
use self::offer::AuthenticationMethod;
use self::quick_mode::QuickMode;
pub(crate) use self::quick_mode::SaPair;
use crate::crypto::Hash;
use crate::isakmp::{Cookie, Header, Payload, exchange, payload};
use crate::profile::{EspProfile, EspTransform, IkePadding, IkeProfile, InitialContact, MessageIds};
use crate::timeline::Mark;

/// What does not change during a client's life.
pub(crate) struct Setup {
    pub(crate) ike: IkeProfile,
    pub(crate) esp: EspProfile,
    pub(crate) psk: Vec<u8>,
    /// Used instead of the key.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) local: IpAddr,
    pub(crate) server: IpAddr,
    pub(crate) l2tp_port: u16,
}

impl Setup {
    fn method(&self) -> AuthenticationMethod {
        match self.certificate {
            Some(_) => AuthenticationMethod::RsaSignatures,
            None => AuthenticationMethod::PreSharedKey,
        }
    }

    /// Bytes of the ICV as this client understands them.
    pub(crate) fn icv_len(&self, transform: EspTransform) -> usize {
        match transform.integrity() {
            Some(Hash::Sha256) => self.esp.sha256_icv,
            _ => crate::esp::icv_len(transform),
        }
    }
}

/// Phase 1, done.
pub(crate) struct IsakmpSa {
    initiator: Cookie,
    responder: Cookie,
    keys: Keys,
    /// Last cipher block of phase 1, from which the IVs of phase 2 derive.
    last_block: Vec<u8>,
    port: u16,
    nat_t: NatT,
    behind_nat: bool,
    since: Instant,
}

/// What a client learns from its IKE.
pub(crate) enum Event {
    Passed(Mark),
    /// Phase 1 is done; `renewed` if there was one before.
    Established {
        behind_nat: bool,
        renewed: bool,
    },
    Opened(Box<SaPair>),
    /// The server will not accept this SPI any more.
    Deleted([u8; 4]),
    /// The server forgot an ISAKMP SA.
    IsakmpDeleted,
    /// The server reported an error in the clear (not authenticated).
    PlainNotify(u16),
    /// The server reported an error or state, authenticated.
    Notify(u16),
    /// Retransmissions are used up.
    NoAnswer(&'static str),
    Violated(String),
}

/// IKE of one client.
pub(crate) struct Ike {
    setup: Setup,
    rng: ChaCha20Rng,
    negotiation: Option<MainMode>,
    aggressive: Option<Aggressive>,
    answered: Option<Answered>,
    /// The newest last; the one before it is kept for messages under way.
    sas: Vec<IsakmpSa>,
    quick_modes: VecDeque<QuickMode>,
    /// Those that the server started.
    answers: VecDeque<Answer>,
    /// When to start a Quick Mode.
    quick_mode_due: Option<Instant>,
    renew_esp: Option<Instant>,
    keepalive: Option<Instant>,
    message_ids_used: u8,
    established_once: bool,
    /// The last phase 1 ended on port 4500.
    floated: bool,
    outgoing: VecDeque<(u16, Vec<u8>)>,
    events: VecDeque<Event>,
}

impl Ike {
    /// Sends message 1 at once.
    pub(crate) fn new(now: Instant, setup: Setup, rng: ChaCha20Rng) -> Self {
        let mut ike = Self {
            setup,
            rng,
            negotiation: None,
            aggressive: None,
            answered: None,
            sas: Vec::new(),
            quick_modes: VecDeque::new(),
            answers: VecDeque::new(),
            quick_mode_due: None,
            renew_esp: None,
            keepalive: None,
            message_ids_used: 0,
            established_once: false,
            floated: false,
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
        };
        ike.start_phase1(now);
        ike
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Local port and message, without marker.
    pub(crate) fn poll_transmit(&mut self) -> Option<(u16, Vec<u8>)> {
        self.outgoing.pop_front()
    }

    /// The port of the newest ISAKMP SA.
    pub(crate) fn port(&self) -> u16 {
        self.sas.last().map_or(nat::IKE_PORT, |sa| sa.port)
    }

    /// Negotiates a new ISAKMP SA.
    pub(crate) fn start_phase1(&mut self, now: Instant) {
        if self.negotiation.is_some() || self.aggressive.is_some() {
            return;
        }
        match self.setup.ike.identifier.clone() {
            Some(identifier) => self.start_aggressive(now, &identifier),
            None => self.start_main_mode(now),
        }
    }

    fn start_main_mode(&mut self, now: Instant) {
        let port = main_mode::first_port(self.floated, self.setup.ike.renews_on_4500);
        let first = !self.established_once;
        let started = MainMode::start(now, &self.setup, &mut self.rng, port, first);
        self.outgoing.push_back((started.port, started.sent.clone()));
        self.events.push_back(Event::Passed(Mark::Message1));
        self.negotiation = Some(started);
    }

    /// Negotiates a new pair of ESP SAs, after a new phase 1 if there is none.
    pub(crate) fn start_quick_mode(&mut self, now: Instant) {
        self.renew_esp = None;
        let Some(sa) = self.sas.last() else {
            self.quick_mode_due = Some(now);
            return self.start_phase1(now);
        };
        self.quick_mode_due = None;
        let message_id = match self.setup.ike.message_ids {
            MessageIds::Random => self.rng.next_u32().max(1),
            MessageIds::Counting => {
                self.message_ids_used = self.message_ids_used.wrapping_add(1);
                u32::from_be_bytes([self.message_ids_used, 0, 0, 0])
            }
        };
        let started = QuickMode::start(now, &self.setup, &mut self.rng, sa, message_id);
        self.outgoing.push_back((sa.port, started.sent.clone()));
        self.events.push_back(Event::Passed(Mark::QuickMode1));
        self.quick_modes.push_back(started);
        if self.quick_modes.len() > REMEMBERED {
            self.quick_modes.pop_front();
        }
    }

    /// Takes an IKE message, whichever port it came to.
    pub(crate) fn handle_datagram(&mut self, now: Instant, message: &[u8]) {
        let Some((header, body)) = Header::decode(message) else { return };
        match header.exchange {
            exchange::MAIN_MODE => self.handle_main_mode(now, &header, message),
            exchange::AGGRESSIVE => self.handle_aggressive(now, &header, message, body),
            exchange::QUICK_MODE => self.handle_quick_mode(now, &header, message),
            exchange::INFORMATIONAL => self.handle_informational(&header, body),
            _ => {}
        }
    }

    fn handle_main_mode(&mut self, now: Instant, header: &Header, message: &[u8]) {
        let Some(negotiation) = self.negotiation.take_if(|active| active.initiator == header.initiator)
        else {
            return;
        };
        match negotiation.handle(now, &self.setup, &mut self.rng, message) {
            main_mode::Step::Ignored(same) => self.negotiation = Some(same),
            main_mode::Step::Repeated(same) => {
                self.outgoing.push_back((same.port, same.sent.clone()));
                self.negotiation = Some(same);
            }
            main_mode::Step::Advanced(next, mark) => {
                self.events.push_back(Event::Passed(mark));
                self.outgoing.push_back((next.port, next.sent.clone()));
                self.negotiation = Some(next);
            }
            main_mode::Step::Done(sa) => self.establish(now, *sa),
            main_mode::Step::Violated(what) => self.events.push_back(Event::Violated(what)),
        }
    }

    fn establish(&mut self, now: Instant, sa: IsakmpSa) {
        let renewed = self.established_once;
        self.established_once = true;
        self.floated = sa.port == nat::NAT_T_PORT;
        self.events.push_back(Event::Passed(Mark::Message6));
        self.events.push_back(Event::Established { behind_nat: sa.behind_nat, renewed });
        self.keepalive = self.setup.ike.keepalive.map(|interval| now + interval);
        self.sas.push(sa);
        if !renewed && self.setup.ike.initial_contact == InitialContact::Informational {
            self.send_initial_contact();
        }
        if renewed && self.setup.ike.deletes_replaced && self.sas.len() > 1 {
            self.send_delete_isakmp(0);
        }
        if self.sas.len() > 1 && self.setup.ike.deletes_replaced || self.sas.len() > 2 {
            self.sas.remove(0);
        }
        let wanted = self.quick_mode_due.is_some() || !renewed;
        if wanted && self.setup.esp.delay.is_zero() {
            self.start_quick_mode(now);
        } else if wanted {
            self.quick_mode_due = Some(now + self.setup.esp.delay);
        }
    }

    fn handle_quick_mode(&mut self, now: Instant, header: &Header, message: &[u8]) {
        let Some(sa) = self.sas.iter().find(|sa| sa.is_for(header)) else { return };
        let found = self
            .quick_modes
            .iter_mut()
            .find(|quick| quick.message_id == header.message_id && quick.responder == header.responder);
        let Some(quick) = found else { return self.handle_asked(now, header, message) };
        match quick.handle(&self.setup, &mut self.rng, sa, message) {
            quick_mode::Step::Ignored => {}
            quick_mode::Step::Repeated => self.outgoing.push_back((sa.port, quick.sent.clone())),
            quick_mode::Step::Done(pair) => {
                self.outgoing.push_back((sa.port, quick.sent.clone()));
                self.renew_esp =
                    self.setup.esp.rekey_after.map(|after| now + after.min(pair.lifetime * 9 / 10));
                self.events.push_back(Event::Passed(Mark::QuickMode2));
                self.events.push_back(Event::Opened(pair));
            }
            quick_mode::Step::Violated(what) => self.events.push_back(Event::Violated(what)),
        }
    }

    /// A message of a Quick Mode that the server started.
    fn handle_asked(&mut self, now: Instant, header: &Header, message: &[u8]) {
        let Some(sa) = self.sas.iter().find(|sa| sa.is_for(header)) else { return };
        let known = |answer: &&mut Answer| {
            (answer.message_id, answer.responder) == (header.message_id, header.responder)
        };
        let Some(answer) = self.answers.iter_mut().find(known) else {
            let wanted = self.setup.esp.answers;
            let answer = wanted.then(|| Answer::start(now, &self.setup, &mut self.rng, sa, message));
            if let Some(answer) = answer.flatten() {
                self.outgoing.push_back((sa.port, answer.sent.clone()));
                self.answers.push_back(answer);
            }
            if self.answers.len() > REMEMBERED {
                self.answers.pop_front();
            }
            return;
        };
        match answer.handle(sa, message) {
            answer::Step::Ignored => {}
            answer::Step::Repeated => self.outgoing.push_back((sa.port, answer.sent.clone())),
            answer::Step::Done(pair) => self.events.push_back(Event::Opened(pair)),
        }
    }

    /// Forgets the newest ISAKMP SA without a word, as after its lifetime.
    pub(crate) fn forget_isakmp(&mut self) {
        self.sas.pop();
        self.keepalive = None;
    }

    /// Stops every timer and forgets every SA.
    pub(crate) fn shut_down(&mut self) {
        self.negotiation = None;
        self.aggressive = None;
        self.answered = None;
        self.sas.clear();
        self.quick_modes.clear();
        self.answers.clear();
        self.quick_mode_due = None;
        self.renew_esp = None;
        self.keepalive = None;
    }
}

impl IsakmpSa {
    fn is_for(&self, header: &Header) -> bool {
        self.initiator == header.initiator && self.responder == header.responder
    }
}

/// Pads a body to whole blocks.
fn pad(body: &mut Vec<u8>, block_len: usize, padding: IkePadding, rng: &mut ChaCha20Rng) {
    let missing = body.len().next_multiple_of(block_len) - body.len();
    match padding {
        IkePadding::Zeros => body.resize(body.len() + missing, 0),
        IkePadding::Random => {
            let extra = if rng.next_u32() & 1 == 0 { block_len } else { 0 };
            let length = if missing == 0 { block_len } else { missing } + extra;
            let mut bytes = vec![0; length];
            rng.fill_bytes(&mut bytes);
            if let Some(last) = bytes.last_mut() {
                *last = u8::try_from(length - 1).expect("at most two blocks");
            }
            body.extend(bytes);
        }
    }
}

/// A Notification about an ISAKMP SA, RFC 2408 §3.14, with the IPsec DOI and the cookies as SPI.
fn notification(initiator: Cookie, responder: Cookie, kind: u16, data: &[u8]) -> Payload {
    let body =
        [&[0, 0, 0, 1, offer::PROTO_ISAKMP, 16][..], &kind.to_be_bytes(), &initiator, &responder, data];
    Payload(payload::NOTIFICATION, body.concat())
}

/// RFC 2407 §4.6.3.3.
const INITIAL_CONTACT: u16 = 24578;

/// Quick Modes whose last message can still be repeated.
const REMEMBERED: usize = 8;

/// A Delete that waits for its time.
pub(crate) struct PendingDelete {
    pub(crate) at: Instant,
    pub(crate) spi: [u8; 4],
}

impl PendingDelete {
    pub(crate) fn after(now: Instant, delay: Duration, spi: [u8; 4]) -> Self {
        Self { at: now + delay, spi }
    }
}
