//! The loops, and the only place that reads the clock.
//!
//! One turn: results and commands, packets up, packets down, what is due, what the engines have to say, and then a wait for
//! more. Batches hold what was ready and are never waited for. A turn takes one batch up and one down, so that whatever a
//! flood of the slowest suite leaves to do, another client's next packet is seen after one turn, is in the first batch after
//! that, and, if it goes down, has left before the slow packets of that batch are worked on.
//!
//! ```text
//!  core 0  EventLoop ─ Server with its data path ─ UDP 500, UDP 4500, ESP, TUN queue 0
//!             ▲ reports │ orders                      ▲ packets that came to the wrong core
//!             │         ▼                             ▼
//!  core 1… Core ─ Shard, a data path               ─ UDP 4500, ESP, TUN queue 1…
//! ```

use std::{
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use ipsec::NAT_T_PORT;
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

mod cores;
mod others;
mod ports;
mod post;
mod server_id;

use crate::{
    config::Config,
    control::{self, Asked, Command, Control, Reply},
    host::{self, Host},
    io::{
        outer::{self, Offload, OuterSocket},
        poll::{self, Waker},
        steering::Exceptions,
        tun::{self, Interface, Tun},
    },
    reload::Serving,
    server::{Draft, Level, LogLine, Reload, Server, ShardId, Shards},
    shard::Shard,
    status::Status,
    users::{Bookkeeper, Ledger, Users, scribe::Scribe},
    workers::Workers,
};
use cores::Cores;
pub(crate) use cores::MOST_SHARDS;
use others::{Others, Posts};
use ports::Ports;
use post::{LETTERS, Letter, Mailbox, Post, Read};

/// Serves until a signal ends it; what it set up on the machine is undone when it returns.
///
/// # Errors
///
/// If the machine lacks something to start with: one sentence each.
pub fn run(config: &Config, users: Users) -> anyhow::Result<()> {
    host::check()?;
    tun::check()?;
    // Blocked before any thread starts, so that no thread takes a signal away from the descriptor.
    let signals = signals()?;
    let waker = Waker::new().context("no event descriptor")?;
    let cores = Cores::allowed();
    let shards = cores.shards(config.shards);
    let mut sockets = sockets(config, Offload::choose(config.udp_gso), shards)?;
    let pools = &config.pools;
    let interface = Interface { name: &config.tun, pools, mtu: config.mtu, offload: config.tun_offload };
    let (queues, steered) = Tun::create_queues(&interface, shards)?;
    let exceptions = say_steered("the TUN device", steered).unwrap_or_default();
    let _host = config.nat.then(|| Host::prepare(&config.tun, pools)).transpose()?;
    let (posts, mailboxes): (Vec<_>, Vec<_>) = mailboxes(shards, &waker)?.into_iter().unzip();
    let posts = Posts::new(posts);
    let (sender, commands) = mpsc::channel();
    let wake = waker.clone();
    let others = posts.others().iter().cloned().map(ask).collect();
    let serving = Serving::new(config.clone(), &users)?;
    let scribe = Scribe::start(config.users.clone(), config.pools.clone())?;
    let wake = Arc::new(move || wake.wake());
    let asked = Asked { commands: sender, wake, others, device: config.tun.clone() };
    let control = control::serve(&config.control, asked, serving, scribe.progress())?;
    // One core is left to packets, whatever burst of logins comes.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
    let workers = Workers::start(threads, &waker)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random bytes")?;
    let now = clock();
    let server_id = server_id::of_this_machine(config)?;
    let mut server = Server::new(now, wall_clock(), config, users, shards, server_id, seed);
    let quotas = config.state.join("quotas.json");
    let ledger = Ledger::load(&quotas)?;
    server.restore(&ledger);
    let bookkeeper = Bookkeeper::start(quotas, ledger)?;
    let mut others = Others::new(posts.clone());
    let mut first = None;
    for (((id, tun), sockets), (waker, mailbox)) in
        shards.iter().zip(queues).zip(sockets.drain(..)).zip(mailboxes)
    {
        let ports = Ports::new(sockets, tun);
        if id == FIRST {
            first = Some((ports, mailbox));
        } else {
            others.start(Shard::new(id, server.blueprint()), shards, ports, waker, mailbox)?;
        }
    }
    let (ports, mailbox) = first.context("no core to serve on")?;
    // After the other threads, which start where their parent may run.
    cores.pin(0, shards);
    let many = if shards == Shards::ONE { String::new() } else { format!(", {} cores", shards.count()) };
    tracing::info!("serving on {} with {}{many}", listing(&config.listen), config.tun);
    tracing::info!("offload: {}", ports.offload());
    EventLoop {
        server,
        ports,
        mailbox,
        posts,
        exceptions,
        waker,
        workers,
        scribe,
        bookkeeper,
        commands,
        signals,
        control,
        drafts: Vec::new(),
        reloads: Vec::new(),
        stop: Stop::No,
        look_at_calendar: now + CALENDAR,
        lost: 0,
        _others: others,
    }
    .run()
}

/// Every shard's sockets: the first one's have port 500 too.
fn sockets(config: &Config, offload: Offload, shards: Shards) -> anyhow::Result<Vec<Vec<OuterSocket>>> {
    let mut sockets: Vec<Vec<OuterSocket>> = shards.iter().map(|_| Vec::new()).collect();
    for address in &config.listen {
        match OuterSocket::bind(SocketAddr::new(*address, IKE_PORT), offload) {
            Ok(socket) => sockets.first_mut().context("no shard")?.push(socket),
            // `::` is what IPv6 there is: a kernel without any has none.
            Err(error) if address.is_unspecified() && outer::is_unsupported(&error) => {
                tracing::info!("not serving on {address}: this machine has no such addresses");
                continue;
            }
            Err(error) => return Err(error),
        }
        let local = SocketAddr::new(*address, NAT_T_PORT);
        let (group, steered) = OuterSocket::bind_group(local, offload, shards)?;
        say_steered(&format!("UDP {local}"), steered);
        sockets.iter_mut().zip(group).for_each(|(of_shard, socket)| of_shard.push(socket));
    }
    if config.native_esp {
        for address in &config.listen {
            let IpAddr::V4(address) = address else { continue };
            let group = OuterSocket::esp_group(*address, shards)?;
            sockets.iter_mut().zip(group).for_each(|(of_shard, socket)| of_shard.push(socket));
        }
    }
    anyhow::ensure!(
        sockets.first().is_some_and(|sockets| !sockets.is_empty()),
        "this machine has none of the addresses to listen on"
    );
    Ok(sockets)
}

/// Says that packets come to any core.
fn say_steered<T>(what: &str, steered: std::io::Result<T>) -> Option<T> {
    let say = |error: &std::io::Error| {
        tracing::warn!(
            "the kernel does not bring packets of {what} to the core that knows them ({error}): cores hand them over to each other, \
             which costs time; allow the process the bpf system call and CAP_BPF, or set `shards: 1`"
        );
    };
    steered.inspect_err(say).ok()
}

/// A mailbox for every shard, whose thread has the waker; that of the first is `waker`.
fn mailboxes(shards: Shards, waker: &Waker) -> anyhow::Result<Vec<(Post, (Waker, Mailbox))>> {
    let of_shard = |id| {
        let waker = if id == FIRST { waker.clone() } else { Waker::new().context("no event descriptor")? };
        let (post, mailbox) = post::mailbox(waker.clone());
        Ok((post, (waker, mailbox)))
    };
    shards.iter().map(of_shard).collect()
}

/// Asks a core what it has done.
fn ask(post: Post) -> control::Ask {
    Arc::new(move |reply| {
        post.put(Letter::Load(reply));
        post.wake();
    })
}

struct EventLoop {
    server: Server,
    ports: Ports,
    mailbox: Mailbox,
    posts: Posts,
    exceptions: Exceptions,
    waker: Waker,
    workers: Workers,
    scribe: Scribe,
    bookkeeper: Bookkeeper,
    commands: mpsc::Receiver<Command>,
    signals: SignalFd,
    control: Control,
    /// Statuses that were asked for.
    drafts: Vec<(Draft, Reply<Status>)>,
    /// Accounts that are being taken over.
    reloads: Vec<(Box<Reload>, u64, Reply<Box<Reload>>)>,
    stop: Stop,
    /// When to see whether somebody has set the wall clock.
    look_at_calendar: Instant,
    /// Packets that another core had no room for.
    lost: u64,
    /// Ended last: they still send the goodbyes.
    _others: Others,
}

/// Whether the server is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// Clients were told; the loop runs on until all have answered, or until then.
    By(Instant),
    Now,
}

impl EventLoop {
    fn run(mut self) -> anyhow::Result<()> {
        // What the server has to say of itself before anything happens.
        self.flush();
        let mut more = false;
        let mut letters = Read::All;
        loop {
            let timeout =
                if more || letters == Read::Some { Some(Duration::ZERO) } else { self.time_to_wait() };
            let ready = self.wait(timeout)?;
            // 1. What other threads and the operator have.
            if ready.contains(WAKER) || letters == Read::Some {
                self.waker.clear();
                self.take_results();
                letters = self.read_letters()?;
                self.take_commands();
            }
            if ready.contains(SIGNALS) {
                self.take_signals();
            }
            // 2. Packets up, and down.
            more = self.ports.serve(ready, FIRST_PORT, &mut self.server)?;
            // 3. What is due. After the packets: they may have brought what a timer waits for.
            let now = clock();
            if now >= self.look_at_calendar {
                self.server.set_clock(now, wall_clock());
                self.look_at_calendar = now + CALENDAR;
            }
            if self.server.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.server.handle_timeout(now);
            }
            // 4. What the engines have to say.
            self.flush();
            // 5. What the operator asked.
            more |= self.draw_up();
            more |= self.take_over();
            // 6. The end.
            if self.finished(now) {
                self.server.abandon(now);
                self.flush();
                return Ok(());
            }
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> anyhow::Result<poll::Ready> {
        let fixed = [self.waker.as_fd(), self.signals.as_fd()];
        let descriptors = fixed.into_iter().chain(self.ports.descriptors());
        poll::wait(descriptors, timeout).context("waiting for packets")
    }

    fn time_to_wait(&self) -> Option<Duration> {
        let stop = match self.stop {
            Stop::No => None,
            Stop::By(deadline) => Some(deadline),
            Stop::Now => return Some(Duration::ZERO),
        };
        let deadline = self.server.poll_timeout().map(|at| at + SLACK).into_iter().chain(stop).min()?;
        Some(deadline.saturating_duration_since(clock()))
    }

    fn flush(&mut self) {
        let now = clock();
        while let Some(job) = self.server.poll_job(now) {
            self.workers.submit(job);
        }
        // Before what is sent: the answer to a client's quick mode brings its first packet.
        while let Some((shard, orders)) = self.server.poll_orders() {
            if let Some(post) = self.posts.of(shard) {
                post.put(Letter::Orders(orders));
                post.wake();
            }
        }
        let transmits: Vec<_> = std::iter::from_fn(|| self.server.poll_transmit()).collect();
        self.ports.send(&transmits);
        while let Some((inside, shard)) = self.server.poll_exception() {
            self.exceptions.set(inside, shard);
        }
        while let Some((shard, packets)) = self.server.poll_handover() {
            self.lost += self.posts.hand_over(shard, packets);
        }
        while let Some(line) = self.server.poll_event() {
            write(&line);
        }
        while let Some(count) = self.server.poll_usage() {
            self.bookkeeper.note(count);
        }
        while let Some(new) = self.server.poll_new_password() {
            self.scribe.store(new);
        }
    }

    fn take_results(&mut self) {
        while let Some(done) = self.workers.poll() {
            self.server.handle_job(clock(), done);
        }
    }

    fn read_letters(&mut self) -> anyhow::Result<Read> {
        for _ in 0..LETTERS {
            let Some(letter) = self.mailbox.read() else { return Ok(Read::All) };
            match letter {
                Letter::Report(report) => self.server.handle_report(clock(), report),
                Letter::Handover(packets) => self.ports.take_over(packets, &mut self.server),
                Letter::Failed(error) => return Err(error),
                // Letters to the other cores.
                Letter::Orders(_) | Letter::Load(_) | Letter::Stop => {}
            }
        }
        Ok(Read::Some)
    }

    fn take_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Status(reply) => self.drafts.push((Draft::default(), reply)),
                Command::Disconnect(who, reply) => reply.send(self.server.disconnect(clock(), &who)),
                Command::Reload(reload, written, reply) => self.reloads.push((reload, written, reply)),
            }
        }
    }

    /// Goes on with the first status that was asked for; true if there is more to do.
    fn draw_up(&mut self) -> bool {
        let Some((draft, _)) = self.drafts.first_mut() else { return false };
        if let Some(status) = self.server.draw_up(clock(), draft, SESSIONS_A_TURN) {
            let (_, reply) = self.drafts.remove(0);
            reply.send(self.complete(status));
        }
        !self.drafts.is_empty()
    }

    /// Goes on with the first reload; true if there is more to do.
    fn take_over(&mut self) -> bool {
        let Some((reload, written, _)) = self.reloads.first_mut() else { return false };
        let is_stale = !reload.is_begun() && *written != self.scribe.progress().queued();
        let done = is_stale || self.server.reload(clock(), reload, SESSIONS_A_TURN);
        self.flush();
        if done {
            let (reload, _, reply) = self.reloads.remove(0);
            reply.send(reload);
        }
        !self.reloads.is_empty()
    }

    /// The server's own account, and what the first core's sockets and queue let go.
    fn complete(&self, mut status: Status) -> Status {
        status.count(self.ports.discards().chain([("data", "other_core_behind", self.lost)]));
        status.add_offloads(self.ports.offloads());
        status
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo == Signal::SIGHUP as u32 {
                self.control.reload();
                continue;
            }
            let now = clock();
            self.stop = match self.stop {
                Stop::No => {
                    tracing::info!("stopping: saying goodbye to every client; a second signal stops at once");
                    self.server.shutdown(now);
                    Stop::By(now + GOODBYE)
                }
                Stop::By(_) | Stop::Now => Stop::Now,
            };
        }
    }

    fn finished(&self, now: Instant) -> bool {
        match self.stop {
            Stop::No => false,
            Stop::By(deadline) => self.server.is_idle() || now >= deadline,
            Stop::Now => true,
        }
    }
}

fn write(line: &LogLine) {
    match line.level {
        Level::Debug => tracing::debug!("{line}"),
        Level::Info => tracing::info!("{line}"),
        Level::Warn => tracing::warn!("{line}"),
    }
}

fn signals() -> anyhow::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        mask.add(signal);
    }
    mask.thread_block().context("signals cannot be blocked")?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("no signal descriptor")
}

fn listing(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[expect(clippy::disallowed_methods, reason = "this is the loop that reads the clock for everybody")]
fn clock() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "for what accounts have in the calendar")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The shard that is the server's own.
const FIRST: ShardId = ShardId(0);
/// RFC 2409 §5.
const IKE_PORT: u16 = 500;
/// Places among the descriptors waited for.
const WAKER: usize = 0;
const SIGNALS: usize = 1;
const FIRST_PORT: usize = 2;
/// Sessions of a status, or of a reload, in one turn: a tenth of a millisecond or so.
const SESSIONS_A_TURN: usize = 64;
/// How often somebody may set the wall clock without being noticed; not worth waking up for.
const CALENDAR: Duration = Duration::from_secs(30);
/// How late a timer may be, so that several share one waking up.
const SLACK: Duration = Duration::from_millis(10);
/// How long clients have to answer the goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
