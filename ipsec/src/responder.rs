//! The responder: every client's exchanges and SAs, found by cookies, RFC 2408 §2.5.3 and §4.
//!
//! ```text
//!   handle_datagram ─▶ by exchange type ─┬─▶ main_mode       half-open main modes ─▶ ISAKMP SAs
//!                                        ├─▶ aggressive      the same in three messages
//!                                        ├─▶ quick_mode      ISAKMP SAs ─▶ pairs of ESP SAs (events)
//!                                        │   └─▶ rekey       those that we ask for, of a client that did not in time
//!                                        └─▶ informational   Delete, Notify, dead peer detection
//! ```
//!
//! After any `handle_…` the owner drains `poll_transmit`, `poll_event`, `poll_job` and asks `poll_timeout` anew. Time must
//! not run backwards.
//!
//! What a client does never makes an error: bytes that mean nothing are counted, refusals go out as notifications, the end
//! of something is an event.

mod aggressive;
mod attempt;
mod fragments;
mod half_open;
mod informational;
mod main_mode;
mod merge;
mod no_native;
mod peers;
mod quick_mode;
mod rekey;
mod signed;
#[cfg(test)]
pub(crate) mod tests;
mod timer;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use timers::Timers;
use zeroize::Zeroizing;

use self::half_open::HalfOpen;
use self::no_native::NoNative;
use self::timer::Timer;
use crate::certificate::Credentials;
use crate::crypto::Hash;
use crate::discard::{Discard, Discards};
use crate::esp::Spi;
use crate::event::Event;
use crate::fragment::{Fragment, Fragments};
use crate::isakmp::iana::{ExchangeType, NotifyType, ProtocolId};
use crate::isakmp::{Chain, Cookie, Cookies, HEADER_LEN, Malformed, Message, MessageWriter};
use crate::isakmp_sa::IsakmpSa;
use crate::job::{Job, JobDone, Outcome, Task, Ticket};
use crate::path::{NAT_T_PORT, Path, PeerId, Transmit};
use crate::peer::{Peer, Seat};
use crate::proposal::{Algorithms, IkePolicy};
use crate::refusal::{Cause, Refusal};
use crate::secret::Psk;

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keys, any of which a client may use.
    pub psks: Vec<Psk>,
    /// Certificates for clients that have one too.
    pub certificate: Option<Arc<Credentials>>,
    /// How old a client may be.
    pub algorithms: Algorithms,
    /// Whether ESP also travels as IP protocol 50: to whom no NAT is seen, and to whom does not speak NAT traversal.
    pub native_esp: bool,
    /// Largest inner packet: algorithms are preferred with which it fits an outer packet of 1500.
    pub mtu: u16,
    /// Main modes under way at once.
    pub max_half_open: usize,
    /// The same from one address.
    pub max_half_open_per_source: usize,
    /// Arithmetic waiting or under way at once; clients beyond it are left to ask again.
    pub max_jobs: usize,
    /// Connections at once.
    pub max_peers: usize,
    /// Every SPI leaves the remainder of its peer's number when divided by this: with one look at a packet, its owner can bring
    /// it to whoever takes care of that peer.
    pub shards: NonZeroU32,
}

impl Config {
    /// What a first phase may be agreed on; `public_len` is the length of the client's public value in Aggressive Mode.
    fn ike_policy(&self, public_len: Option<usize>) -> IkePolicy {
        let signature = match public_len {
            None => self.certificate.as_ref().map(|credentials| credentials.scheme()),
            Some(_) => None,
        };
        IkePolicy { algorithms: self.algorithms, psk: !self.psks.is_empty(), signature, public_len }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            psks: Vec::new(),
            certificate: None,
            algorithms: Algorithms::default(),
            native_esp: false,
            mtu: 1400,
            max_half_open: 8192,
            max_half_open_per_source: 4096,
            // Some seconds of it: so many come at once when power is back, and whoever is told nothing asks again ever later.
            max_jobs: 4096,
            max_peers: 1 << 17,
            shards: NonZeroU32::MIN,
        }
    }
}

/// IKEv1 for any number of clients, without IO.
pub struct Responder {
    config: Config,
    rng: ChaCha20Rng,
    half_open: HalfOpen,
    no_native: NoNative,
    isakmp_sas: HashMap<Cookies, Box<IsakmpSa>>,
    peers: HashMap<PeerId, Box<Peer>>,
    /// The newest peer of each address, identity, credential and port.
    by_who: BTreeMap<Seat, PeerId>,
    by_inbound: HashMap<Spi, PeerId>,
    last_peer: PeerId,
    timers: Timers<Timer>,
    last_ticket: Ticket,
    /// Who waits for which job. A job outlives an exchange that is given up: it still occupies the owner.
    jobs: BTreeMap<Ticket, Asker>,
    ready_jobs: VecDeque<Job>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    fragments: Fragments,
    discards: Discards,
}

/// The exchange that waits for a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asker {
    MainMode(Cookies),
    Authentication(Cookies),
    Aggressive(Cookies),
    QuickMode(Cookies, u32),
    /// One of ours.
    Rekey(Cookies, u32),
}

impl Responder {
    /// A responder with no clients. `seed` is all the randomness it ever has.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            half_open: HalfOpen::new(config.max_half_open, config.max_half_open_per_source),
            config,
            no_native: NoNative::default(),
            rng: ChaCha20Rng::from_seed(seed),
            isakmp_sas: HashMap::new(),
            peers: HashMap::new(),
            by_who: BTreeMap::new(),
            by_inbound: HashMap::new(),
            last_peer: PeerId(0),
            timers: Timers::default(),
            last_ticket: Ticket(0),
            jobs: BTreeMap::new(),
            ready_jobs: VecDeque::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            fragments: Fragments::default(),
            discards: Discards::default(),
        }
    }

    /// From now on, first phases are held against these keys. Who is in stays, whichever key it came by.
    pub fn set_psks(&mut self, psks: Vec<Psk>) {
        self.config.psks = psks;
    }

    /// From now on, first phases begin with these certificates, or without any. Those that have begun go on with what they
    /// began with.
    pub fn set_certificate(&mut self, certificate: Option<Arc<Credentials>>) {
        self.config.certificate = certificate;
    }

    /// An IKE message arrived; on port 4500 the owner has taken the non-ESP marker off.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, message: &[u8]) {
        if let Err(reason) = self.receive(now, path, message) {
            self.discards.count(reason);
        }
    }

    /// Time passed. Early, late or twice does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::HalfOpen(cookies) => self.half_open_expired(cookies),
                Timer::ResendMessage4(cookies) => self.resend_message4(now, cookies),
                Timer::IsakmpSa(cookies) => self.forget_isakmp_sa(now, cookies),
                Timer::ResendQuick(cookies, message_id) => self.resend_quick(now, cookies, message_id),
                Timer::Quick(cookies, message_id) => self.quick_expired(now, cookies, message_id),
                Timer::Renewal(inbound) => self.renewal_due(inbound),
                Timer::EspSa(inbound) => self.esp_sa_expired(now, inbound),
                Timer::Peer(peer) => self.idle_peer_expired(now, peer),
                Timer::Fragments(cookies) => self.fragments_expired(cookies),
            }
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next piece of arithmetic to run, anywhere; its result comes back by [`Self::handle_job`].
    pub fn poll_job(&mut self) -> Option<Job> {
        while let Some(job) = self.ready_jobs.pop_front() {
            let wanted = match self.jobs.get(&job.ticket) {
                Some(
                    Asker::MainMode(cookies) | Asker::Authentication(cookies) | Asker::Aggressive(cookies),
                ) => self.half_open.get(*cookies).is_some(),
                Some(Asker::QuickMode(cookies, _) | Asker::Rekey(cookies, _)) => {
                    self.isakmp_sas.contains_key(cookies)
                }
                None => false,
            };
            if wanted {
                return Some(job);
            }
            self.jobs.remove(&job.ticket);
        }
        None
    }

    /// A job is done.
    pub fn handle_job(&mut self, now: Instant, done: JobDone) {
        let Some(asker) = self.jobs.remove(&done.ticket) else { return };
        match done.outcome {
            Outcome::Exchange(outcome) => match asker {
                Asker::MainMode(cookies) => self.main_mode_computed(now, cookies, outcome),
                Asker::Aggressive(cookies) => self.aggressive_mode_computed(now, cookies, outcome),
                Asker::QuickMode(cookies, message_id) => {
                    self.quick_mode_computed(now, cookies, message_id, outcome);
                }
                Asker::Rekey(cookies, message_id) => self.rekey_computed(now, cookies, message_id, outcome),
                Asker::Authentication(_) => {}
            },
            Outcome::Authenticated(outcome) => {
                if let Asker::Authentication(cookies) = asker {
                    self.main_mode_authenticated(now, cookies, outcome);
                }
            }
        }
    }

    /// What was thrown away, and why.
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    fn receive(&mut self, now: Instant, path: Path, datagram: &[u8]) -> Result<(), Discard> {
        let datagram = match datagram.strip_prefix(&NON_ESP_MARKER) {
            // iOS at times puts the marker twice; no client's cookie starts with four zeros by chance.
            Some(rest) if path.local.port() == NAT_T_PORT => rest,
            _ => datagram,
        };
        let message = Message::parse(datagram).map_err(|malformed| match malformed {
            Malformed::Version => {
                self.refuse_version(path, datagram);
                Discard::Version
            }
            _ => Discard::Malformed,
        })?;
        if message.header.cookies.initiator == Cookie::ZERO {
            return Err(Discard::Malformed);
        }
        match Fragment::of(&message).map_err(|_| Discard::Malformed)? {
            Some(fragment) => self.reassemble(now, path, &message, &fragment),
            None => self.dispatch(now, path, message, datagram),
        }
    }

    /// A whole message is here.
    fn dispatch(
        &mut self,
        now: Instant,
        path: Path,
        message: Message<'_>,
        datagram: &[u8],
    ) -> Result<(), Discard> {
        match message.header.exchange {
            ExchangeType::MAIN_MODE => self.main_mode(now, path, message, datagram),
            ExchangeType::QUICK_MODE => self.quick_mode(now, path, message, datagram),
            ExchangeType::INFORMATIONAL => self.informational(now, path, message),
            ExchangeType::AGGRESSIVE_MODE => self.aggressive_mode(now, path, message, datagram),
            _ => Err(Discard::ExchangeType),
        }
    }

    /// RFC 2408 §5.2: a later major version may be told which one we speak, which is also what RFC 7296 §2.5 asks for. Only a
    /// first request is answered, so that two responders cannot keep each other busy.
    fn refuse_version(&mut self, path: Path, datagram: &[u8]) {
        let Some((&fixed, _)) = datagram.split_first_chunk::<HEADER_LEN>() else { return };
        let [i0, i1, i2, i3, i4, i5, i6, i7, responder @ .., _, _, _, _, _, _, _, _, _, _, _, _] = fixed;
        let initiator = Cookie([i0, i1, i2, i3, i4, i5, i6, i7]);
        if responder != [0; 8] || initiator == Cookie::ZERO {
            return;
        }
        let cookies = Cookies { initiator, responder: Cookie::ZERO };
        let notify = self.clear_notify(cookies, NotifyType::INVALID_MAJOR_VERSION);
        self.answer_stranger(path, datagram.len(), notify);
    }

    /// A notification outside any SA, RFC 2408 §4.8.
    fn clear_notify(&mut self, cookies: Cookies, kind: NotifyType) -> Vec<u8> {
        let mut chain = Chain::default();
        chain.push_notify(ProtocolId::ISAKMP, kind, &[], &[]);
        MessageWriter::new(cookies, ExchangeType::INFORMATIONAL, self.message_id()).clear(&chain)
    }

    /// Sends to somebody who may not be where the message came from: never more than came.
    fn answer_stranger(&mut self, path: Path, request_len: usize, message: Vec<u8>) {
        if message.len() <= request_len {
            self.transmit(path, message);
        }
    }

    /// Sends a message, in pieces if it is long and its cookies are those of a client that takes them.
    fn transmit(&mut self, path: Path, message: Vec<u8>) {
        for message in self.pieces(message) {
            // RFC 3948 §2.2: on 4500 four zeros tell IKE from ESP.
            let payload = if path.local.port() == NAT_T_PORT {
                [&NON_ESP_MARKER[..], &message].concat()
            } else {
                message
            };
            self.transmits.push_back(Transmit { path, payload });
        }
    }

    fn refuse(&mut self, peer: PeerId, path: Path, cause: Cause) {
        let refusal = Refusal { remote: path.remote, cause };
        self.events.push_back(Event::Refused { peer, path, refusal });
    }

    /// Hands out arithmetic, unless too much is waiting already.
    fn start_job(&mut self, asker: Asker, task: Task) -> Result<(), Discard> {
        let seed = self.job_seed();
        self.start_job_with(asker, task, seed)
    }

    /// Randomness for one job.
    fn job_seed(&mut self) -> Zeroizing<[u8; 32]> {
        let mut seed = Zeroizing::new([0; 32]);
        self.rng.fill_bytes(&mut *seed);
        seed
    }

    fn start_job_with(&mut self, asker: Asker, task: Task, seed: Zeroizing<[u8; 32]>) -> Result<(), Discard> {
        if self.jobs.len() >= self.config.max_jobs {
            return Err(Discard::JobLimit);
        }
        self.last_ticket = Ticket(self.last_ticket.0 + 1);
        self.jobs.insert(self.last_ticket, asker);
        self.ready_jobs.push_back(Job::new(self.last_ticket, task, seed));
        Ok(())
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// RFC 2408 §3.1: random, and never zero, which is phase 1's.
    fn message_id(&mut self) -> u32 {
        self.rng.next_u32().max(1)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("isakmp_sas", &self.isakmp_sas.len())
            .field("peers", &self.peers.len())
            .finish_non_exhaustive()
    }
}

/// What makes two messages the same.
fn fingerprint(message: &[u8]) -> crate::crypto::Digest {
    Hash::Sha256.digest(&[message])
}

/// When to send an unanswered message again: after 1, 2, 4 and 8 seconds, then no more.
fn backoff(resent: u32) -> Option<Duration> {
    (resent < 4).then(|| Duration::from_secs(1 << resent))
}

/// RFC 3948 §2.2.
const NON_ESP_MARKER: [u8; 4] = [0; 4];
