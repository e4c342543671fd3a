//! The three engines composed: IPsec below, L2TP on it, PPP on that, addresses on top. Still without IO.
//!
//! ```text
//!            handle_network                        handle_tun
//!                  │                                    │
//!            ┌─────▼──────── Datapath ──────────────────▼─────┐   data: by value, in batches
//!            └──┬─────────┬───────────┬───────────────────────┘
//!     Control   │ IKE     │ L2TP      │ PPP control
//!          Responder ── Lns ── Link … one a session               control: queued, drained by `settle`
//! ```
//!
//! Every `handle_*` ends in `settle`, which carries events between the engines until all are quiet; the `poll_*`
//! only pop queues. Liveness has one direction: a dead lower layer takes down all above it, a dead upper layer has the
//! lower one say goodbye (Terminate → CDN → StopCCN → Delete).

mod care;
mod connection;
mod control;
mod delegation;
mod denial;
mod engines;
mod exceptions;
mod ipsec_events;
mod job;
mod jobs;
mod l2tp_events;
mod log;
mod login;
mod on_link;
mod passwords;
mod plane;
mod ppp_events;
mod reload;
mod report;
mod same_client;
mod session;
mod shards;
mod timer;
mod usage;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use ipsec::{PeerId, Responder, Transmit};
use l2tp::{Lns, SessionKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use timers::Timers;

pub use crate::datapath::{
    Datagram, Discard, Downlink, Handover, Inside, Load, Prefixes, ShardId, Shards, Stretch, Uplink,
};
pub use job::{Job, JobDone};
pub use log::{Level, LogLine};
pub use plane::{Blueprint, Orders};
pub use reload::{Reload, Reloaded};
pub use report::Draft;

use crate::{
    config::{Config, Papers},
    datapath::{Control, Order, Origin, SessionIndex},
    onlink::{Directions, ServerId},
    pool::{self, Pools},
    superpacket::Superpacket,
    users::{NewPassword, Users},
};
use connection::Connection;
use jobs::Jobs;
use log::{Readable, Throttle};
use plane::Plane;
use session::Session;
use timer::Timer;
use usage::Usage;

/// An L2TP/IPsec server without its sockets: datagrams and IP packets in, datagrams and IP packets out.
pub struct Server {
    ike: Responder,
    lns: Lns<Lac>,
    plane: Plane,
    connections: BTreeMap<PeerId, Box<Connection>>,
    sessions: BTreeMap<SessionIndex, Box<Session>>,
    last_session: SessionIndex,
    /// Whose sessions are whose, oldest first.
    by_user: BTreeSet<(Arc<str>, Instant, SessionIndex)>,
    /// Whose address is whose, from login to logout.
    by_address: HashMap<Ipv4Addr, SessionIndex>,
    /// Every session by the ids that we gave it; those of different clients may be alike.
    by_key: BTreeSet<(SessionKey, SessionIndex)>,
    /// The address each user had last: it is given back to who comes back.
    last_address: HashMap<Arc<str>, Ipv4Addr>,
    hello_interval: Duration,
    users: Users,
    usage: Usage,
    pools: Pools,
    /// Our end of links whose client address lies outside of every pool.
    server_address: Ipv4Addr,
    directions: Directions,
    /// Who we are to DHCPv6.
    server_id: ServerId,
    ppp: Arc<ppp::Config>,
    /// The same with a smaller MRU: for clients around whose packets more has to be put.
    narrow: BTreeMap<u16, Arc<ppp::Config>>,
    rng: ChaCha20Rng,
    timers: Timers<Timer>,
    /// Links that something was said to since they were last drained.
    touched: BTreeSet<SessionIndex>,
    /// Arithmetic of logins.
    jobs: Jobs,
    transmits: VecDeque<Transmit>,
    log: VecDeque<LogLine>,
    new_passwords: VecDeque<NewPassword>,
    control: Vec<Control>,
    /// What the wall clock said at one instant; it is asked for what accounts have in the calendar, and for that alone.
    epoch: (Instant, SystemTime),
    started: Instant,
    stopping: bool,
    strangers: Throttle,
    refusals: Throttle,
    details: Throttle,
    ppp_discards: BTreeMap<&'static str, u64>,
    /// The log says that the server is behind a NAT.
    told_of_nat: bool,
}

/// The L2TP access concentrator at the other end, as [`Lns`] knows it: the IPsec peer, and the UDP port that it sends from
/// inside ESP. So tunnels belong to whoever holds the keys, and one device may run several from different ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lac {
    peer: PeerId,
    port: u16,
}

impl Server {
    /// A server at `now`, when the wall clock shows `wall`. All randomness grows out of `seed`; not what the server calls itself,
    /// which is to be the same at the next start.
    pub fn new(
        now: Instant,
        wall: SystemTime,
        config: &Config,
        users: Users,
        shards: Shards,
        server_id: ServerId,
        seed: [u8; 32],
    ) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut branch = || {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            seed
        };
        let (ike_seed, lns_seed, datapath_seed) = (branch(), branch(), branch());
        let mut pools = Pools::new(&config.pools, shards);
        for address in users.addresses() {
            let reserved = pools.reserve(address);
            debug_assert!(reserved, "the user list was held against these pools");
        }
        let outlying = pool::outlying(&config.pools, users.addresses()).into_iter().collect();
        let plane = Plane::new(Blueprint::new(shards, config, outlying, datapath_seed));
        let mut server = Self {
            ike: Responder::new(engines::ipsec(config, shards), ike_seed),
            lns: Lns::new(engines::l2tp(config), lns_seed),
            plane,
            connections: BTreeMap::new(),
            sessions: BTreeMap::new(),
            last_session: SessionIndex::default(),
            by_user: BTreeSet::new(),
            by_address: HashMap::new(),
            by_key: BTreeSet::new(),
            last_address: HashMap::new(),
            hello_interval: config.hello_interval,
            users,
            usage: Usage::default(),
            pools,
            server_address: config.pools.first().map_or(Ipv4Addr::UNSPECIFIED, |pool| pool.range.server()),
            directions: engines::directions(config),
            server_id,
            ppp: Arc::new(engines::ppp(config)),
            narrow: BTreeMap::new(),
            rng,
            timers: Timers::default(),
            touched: BTreeSet::new(),
            jobs: Jobs::default(),
            transmits: VecDeque::new(),
            log: VecDeque::new(),
            new_passwords: VecDeque::new(),
            control: Vec::new(),
            epoch: (now, wall),
            started: now,
            stopping: false,
            strangers: Throttle::new(now),
            refusals: Throttle::new(now),
            details: Throttle::new(now),
            ppp_discards: BTreeMap::new(),
            told_of_nat: false,
        };
        server.say_of_papers(now, &config.papers);
        server
    }

    /// Says what is amiss with certificates.
    fn say_of_papers(&mut self, now: Instant, papers: &[Papers]) {
        let wall = self.wall(now);
        for remark in papers.iter().flat_map(|papers| papers.remarks(wall)) {
            self.say(Level::Warn, None, remark);
        }
    }

    /// Takes what the sockets had ready: whole UDP payloads from ports 500 and 4500, which are decrypted in place. `up` says
    /// afterwards where in them IP packets stand.
    pub fn handle_network(&mut self, now: Instant, datagrams: &mut [Datagram<'_>], up: &mut Uplink) {
        self.network(now, Origin::Kernel, datagrams, up);
    }

    fn network(&mut self, now: Instant, origin: Origin, datagrams: &mut [Datagram<'_>], up: &mut Uplink) {
        let mut control = std::mem::take(&mut self.control);
        self.plane.local.up(now, origin, datagrams, up, &mut control);
        let any = !control.is_empty();
        for item in control.drain(..) {
            self.handle_control(now, datagrams, item);
        }
        self.control = control;
        if any {
            self.settle(now);
        }
    }

    /// Takes IP packets that the TUN device had ready. `down` is their memory, which `send` is handed once or twice with sealed packets: those
    /// whose cipher is slow come by themselves, so that nobody else's wait for them.
    pub fn handle_tun<'a>(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.tun(now, Origin::Kernel, packets, down, send);
    }

    fn tun<'a>(
        &mut self,
        now: Instant,
        origin: Origin,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.plane.local.down(now, origin, packets, down, send);
        while let Some(peer) = self.plane.local.poll_exhausted() {
            self.exhausted(now, peer);
        }
    }

    /// Sequence numbers never wrap, RFC 4303 §3.3.3. The Delete makes the client ask for new keys or dial anew.
    fn exhausted(&mut self, now: Instant, peer: PeerId) {
        // Its shard says so again until it hears of the end.
        if !self.connections.contains_key(&peer) {
            return;
        }
        self.say(
            Level::Warn,
            Some(peer),
            "has used its keys for 2^32 packets without renewing them: deleting them",
        );
        self.ike.close_peer(now, peer);
        self.settle(now);
    }

    /// Does what is due; safe to call early and twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ike.handle_timeout(now);
        self.lns.handle_timeout(now);
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Link(index) => {
                    if let Some(session) = self.sessions.get_mut(&index) {
                        session.link.handle_timeout(now);
                        self.touched.insert(index);
                    }
                }
                Timer::Watch(index) => self.watch(now, index),
                Timer::Advertisement(index) => self.advertise(now, index),
                Timer::Farewell(peer) => self.ike.close_peer(now, peer),
                Timer::Care(peer) => self.care(now, peer),
                Timer::NativeLost(peer) => self.native_lost(now, peer),
            }
        }
        self.say_withheld(now);
        self.settle(now);
    }

    /// Takes the result of a job that [`Server::poll_job`] handed out.
    pub fn handle_job(&mut self, now: Instant, done: JobDone) {
        match done.0 {
            job::Done::Ike(done) => self.ike.handle_job(now, done),
            // The session may have ended since.
            job::Done::Ppp(index, done) => {
                self.jobs.done();
                if let Some(session) = self.sessions.get_mut(&index) {
                    session.link.handle_job(now, done);
                    self.touched.insert(index);
                }
            }
        }
        self.settle(now);
    }

    /// When [`Server::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let engines = [self.ike.poll_timeout(), self.lns.poll_timeout(), self.timers.next()];
        let lines = [&self.strangers, &self.refusals, &self.details].map(Throttle::deadline);
        engines.into_iter().chain(lines).flatten().min()
    }

    /// The next UDP payload to send that is not in a [`Downlink`].
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next piece of long arithmetic, to be run anywhere and brought back to [`Server::handle_job`].
    pub fn poll_job(&mut self, now: Instant) -> Option<Job> {
        let login = || self.jobs.pop().map(|(index, job)| job::Engine::Ppp(index, job));
        let engine = self.ike.poll_job().map(job::Engine::Ike).or_else(login)?;
        let unix = self.wall(now).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(Job { engine, unix })
    }

    /// The next line for the log.
    pub fn poll_event(&mut self) -> Option<LogLine> {
        self.log.pop_front()
    }

    /// Ends every session of the user or connection (`c17`) called `who`; says how many that were.
    pub fn disconnect(&mut self, now: Instant, who: &str) -> usize {
        let mut matching: BTreeSet<SessionIndex> = self.sessions_of(&who.into()).collect();
        let peer = who.strip_prefix('c').and_then(|number| number.parse().ok()).map(PeerId);
        let peer = peer.filter(|peer| peer.to_string() == who);
        if let Some(connection) = peer.and_then(|peer| self.connections.get(&peer)) {
            matching.extend(&connection.sessions);
        }
        for index in &matching {
            self.hang_up(now, *index, ppp::Reason::Administrative);
        }
        self.settle(now);
        matching.len()
    }

    /// Begins to say goodbye to everybody. [`Server::is_idle`] tells when all has been said.
    pub fn shutdown(&mut self, now: Instant) {
        self.stopping = true;
        let all: Vec<SessionIndex> = self.sessions.keys().copied().collect();
        for index in all {
            self.hang_up(now, index, ppp::Reason::Shutdown);
        }
        let silent: Vec<PeerId> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.sessions.is_empty())
            .map(|(peer, _)| *peer)
            .collect();
        for peer in silent {
            self.ike.close_peer(now, peer);
        }
        self.settle(now);
    }

    /// Tells every client that is still there that its keys are gone, without waiting for an answer.
    pub fn abandon(&mut self, now: Instant) {
        self.charge_all(now);
        let all: Vec<PeerId> = self.connections.keys().copied().collect();
        for peer in all {
            self.ike.close_peer(now, peer);
        }
        self.settle(now);
    }

    /// Whether no client is connected.
    pub fn is_idle(&self) -> bool {
        self.connections.is_empty()
    }

    /// Carries events and frames between the engines until all of them are quiet, then collects what IKE has to send:
    /// what L2TP and PPP said leaves before the Delete of the SA that carries it.
    fn settle(&mut self, now: Instant) {
        self.drain(now);
        let messages: Vec<_> = std::iter::from_fn(|| self.ike.poll_transmit()).collect();
        self.send_after_speech(now, messages);
    }

    fn drain(&mut self, now: Instant) {
        loop {
            let mut quiet = true;
            while let Some(event) = self.ike.poll_event() {
                quiet = false;
                self.handle_ipsec_event(now, event);
            }
            while let Some(event) = self.lns.poll_event() {
                quiet = false;
                self.handle_l2tp_event(now, event);
            }
            while let Some(l2tp::Transmit { peer: Lac { peer, port }, payload }) = self.lns.poll_transmit() {
                quiet = false;
                self.order(now, peer, Order::Control { peer, port, message: payload });
            }
            while let Some(index) = self.touched.pop_first() {
                quiet = false;
                self.drain_link(now, index);
            }
            if quiet {
                return;
            }
        }
    }

    fn say(&mut self, level: Level, peer: Option<PeerId>, text: impl Into<String>) {
        self.log.push_back(LogLine { level, peer, text: text.into() });
    }

    /// Says what anybody with a socket can make us say, unless there was too much of it just now.
    fn say_of_stranger(&mut self, now: Instant, peer: PeerId, text: String) {
        if self.strangers.admit(now) {
            self.say(Level::Warn, Some(peer), text);
        }
    }

    /// Says what a client that knows a key can make us say as often as it likes. Strangers cannot crowd it out, nor can what goes well crowd
    /// out a refusal.
    fn say_of_client(&mut self, now: Instant, level: Level, peer: PeerId, text: String) {
        let throttle = if level == Level::Warn { &mut self.refusals } else { &mut self.details };
        if throttle.admit(now) {
            self.say(level, Some(peer), text);
        }
    }

    /// Owns up to lines that were not written.
    fn say_withheld(&mut self, now: Instant) {
        let throttles = [&mut self.strangers, &mut self.refusals, &mut self.details];
        let withheld: u32 = throttles.into_iter().map(|throttle| throttle.take_withheld(now)).sum();
        if withheld > 0 {
            self.say(
                Level::Warn,
                None,
                format!("{withheld} more lines about clients in one second were not written"),
            );
        }
    }

    /// Tells what the wall clock shows at `now`. Somebody may have set it: then hours and last days are meant by the new one.
    pub fn set_clock(&mut self, now: Instant, wall: SystemTime) {
        let before = self.wall(now);
        let off = wall.duration_since(before).unwrap_or_else(|early| early.duration());
        if off < TOLERANCE {
            return;
        }
        self.epoch = (now, wall);
        let way = if wall > before { "forward" } else { "back" };
        self.say(Level::Info, None, format!("the clock was set {way} by {}", Readable(off)));
        let bound = |session: &Session| {
            session
                .login()
                .is_some_and(|login| login.settings.hours.is_some() || login.settings.expires.is_some())
        };
        let all = self.sessions.iter().filter(|(_, session)| bound(session)).map(|(index, _)| *index);
        for index in all.collect::<Vec<_>>() {
            self.set_limits(now, index);
        }
        self.settle(now);
    }

    /// The wall clock's time at `now`.
    fn wall(&self, now: Instant) -> SystemTime {
        let (at, wall) = self.epoch;
        wall + now.saturating_duration_since(at)
    }

    /// Randomness for one more link.
    fn next_seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        seed
    }
}

/// How far the wall clock may be from what it was thought to show: less is its being steered, not its being set.
const TOLERANCE: Duration = Duration::from_secs(2);
/// How long a client's SAs outlive its last tunnel: long enough to answer repeats of the goodbye and for a redial over the
/// same SAs, short enough that a phone which never sends an IKE Delete (Android up to 7.1.1) does not stay on the books.
const FAREWELL: Duration = Duration::from_secs(30);
/// How long keys wait for a first tunnel: long enough to bring IPsec up by hand and dial then.
const UNUSED: Duration = Duration::from_secs(300);
