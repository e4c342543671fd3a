//! The only loop, and the only place that reads the clock.
//!
//! One turn: results and commands, packets up, packets down, what the engines have to say, what is due, and then a wait for
//! more. Batches hold what was ready and are never waited for; a budget keeps either direction from starving the other.

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

use crate::{
    config::Config,
    control::{self, Command},
    host::{self, Host},
    io::{
        outer::{self, Offload, OuterSocket},
        poll::{self, Waker},
        tun::{self, Interface, Tun},
    },
    server::{Datagram, Downlink, Level, LogLine, Server, Shards, Uplink},
    status::{OffloadStatus, Status},
    users::Users,
    workers::Workers,
};

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
    let offload = Offload::choose(config.udp_gso);
    let mut sockets = Vec::new();
    for address in &config.listen {
        for port in [IKE_PORT, NAT_T_PORT] {
            match OuterSocket::bind(SocketAddr::new(*address, port), offload) {
                Ok(socket) => sockets.push(socket),
                // `::` is what IPv6 there is: a kernel without any has none.
                Err(error) if address.is_unspecified() && outer::is_unsupported(&error) => {
                    tracing::info!("not serving on {address}: this machine has no such addresses");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    if config.native_esp {
        for address in &config.listen {
            let IpAddr::V4(address) = address else { continue };
            sockets.push(OuterSocket::esp(*address)?);
        }
    }
    anyhow::ensure!(!sockets.is_empty(), "this machine has none of the addresses to listen on");
    let pools: Vec<_> = config.pools.iter().map(|pool| pool.range).collect();
    let tun = Tun::create(&Interface {
        name: &config.tun,
        pools: &pools,
        mtu: config.mtu,
        offload: config.tun_offload,
    })?;
    let _host = config.nat.then(|| Host::prepare(tun.name(), &pools)).transpose()?;
    let (sender, commands) = mpsc::channel();
    let wake = waker.clone();
    let _control = control::serve(&config.control, sender, Arc::new(move || wake.wake()))?;
    // One core is left to packets, whatever burst of logins comes.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
    let workers = Workers::start(threads, &waker)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random bytes")?;
    let now = clock();
    let server = Server::new(now, wall_clock(), config, users, Shards::ONE, seed);
    tracing::info!("serving on {} with {}", listing(&config.listen), tun.name());
    let udp = sockets.first().map_or(Offload::OFF, OuterSocket::offload);
    tracing::info!("offload: {udp} on UDP; {} on {}", tun.offload(), tun.name());
    EventLoop {
        server,
        sockets,
        tun,
        waker,
        workers,
        commands,
        signals,
        inbox: outer::Inbox::new(),
        packets: tun::Inbox::new(),
        uplink: Uplink::default(),
        downlink: Downlink::default(),
        stop: Stop::No,
    }
    .run()
}

struct EventLoop {
    server: Server,
    sockets: Vec<OuterSocket>,
    tun: Tun,
    waker: Waker,
    workers: Workers,
    commands: mpsc::Receiver<Command>,
    signals: SignalFd,
    inbox: outer::Inbox,
    packets: tun::Inbox,
    uplink: Uplink,
    downlink: Downlink,
    stop: Stop,
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
        loop {
            let timeout = if more { Some(Duration::ZERO) } else { self.time_to_wait() };
            let ready = self.wait(timeout)?;
            // 1. What other threads and the operator have.
            if ready.contains(WAKER) {
                self.waker.clear();
                self.take_results();
                self.take_commands();
            }
            if ready.contains(SIGNALS) {
                self.take_signals();
            }
            // 2. Packets up.
            more = false;
            for index in 0..self.sockets.len() {
                if ready.contains(FIRST_SOCKET + index) {
                    more |= self.up(index)?;
                }
            }
            // 3. Packets down.
            if ready.contains(TUN) {
                more |= self.down()?;
            }
            // 4. What is due. After the packets: they may have brought what a timer waits for.
            let now = clock();
            if self.server.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.server.handle_timeout(now);
            }
            // 5. What the engines have to say.
            self.flush();
            // 6. The end.
            if self.finished(now) {
                self.server.abandon(now);
                self.flush();
                return Ok(());
            }
        }
    }

    fn wait(&self, timeout: Option<Duration>) -> anyhow::Result<poll::Ready> {
        let fixed = [self.waker.as_fd(), self.signals.as_fd(), self.tun.as_fd()];
        let descriptors = fixed.into_iter().chain(self.sockets.iter().map(AsFd::as_fd));
        poll::wait(descriptors, timeout).context("waiting for packets")
    }

    fn time_to_wait(&self) -> Option<Duration> {
        let stop = match self.stop {
            Stop::No => None,
            Stop::By(deadline) => Some(deadline),
            Stop::Now => return Some(Duration::ZERO),
        };
        let deadline = self.server.poll_timeout().into_iter().chain(stop).min()?;
        Some(deadline.saturating_duration_since(clock()))
    }

    /// Takes up what socket `index` has ready; true if the budget ended before the socket was empty.
    fn up(&mut self, index: usize) -> anyhow::Result<bool> {
        for _ in 0..BUDGET {
            let socket = &mut self.sockets[index];
            let count = socket.receive(&mut self.inbox).context("receiving from a socket")?;
            if count == 0 {
                return Ok(false);
            }
            let mut datagrams: Vec<Datagram<'_>> = Vec::with_capacity(count);
            datagrams.extend(self.inbox.segments().map(|(path, bytes)| Datagram { path, bytes }));
            self.server.handle_network(clock(), &mut datagrams, &mut self.uplink);
            let packets =
                self.uplink.packets().filter_map(|(index, range)| datagrams.get(index)?.bytes.get(range));
            self.tun.send(packets);
        }
        Ok(true)
    }

    /// Takes down what the TUN device has ready; true if the budget ended before it was empty.
    fn down(&mut self) -> anyhow::Result<bool> {
        for _ in 0..BUDGET {
            if self.tun.receive(&mut self.packets).context("reading from the TUN device")? == 0 {
                return Ok(false);
            }
            self.server.handle_tun(clock(), self.packets.packets(), &mut self.downlink);
            for socket in &mut self.sockets {
                let local = socket.local();
                socket.send(self.downlink.runs().filter(|(path, ..)| outer::serves(local, path.local)));
            }
        }
        Ok(true)
    }

    fn flush(&mut self) {
        while let Some(job) = self.server.poll_job() {
            self.workers.submit(job);
        }
        let transmits: Vec<_> = std::iter::from_fn(|| self.server.poll_transmit()).collect();
        for socket in &mut self.sockets {
            let local = socket.local();
            let ours = transmits.iter().filter(|transmit| outer::serves(local, transmit.path.local));
            socket.send(ours.map(|transmit| (transmit.path, &*transmit.payload, transmit.payload.len())));
        }
        while let Some(line) = self.server.poll_event() {
            write(&line);
        }
    }

    fn take_results(&mut self) {
        while let Some(done) = self.workers.poll() {
            self.server.handle_job(clock(), done);
        }
    }

    fn take_commands(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Status(reply) => reply.send(self.status()),
                Command::Disconnect(who, reply) => reply.send(self.server.disconnect(clock(), &who)),
            }
        }
    }

    /// The server's own account, and what the sockets and the device let go.
    fn status(&self) -> Status {
        let mut status = self.server.status(clock());
        let sockets = self.sockets.iter().flat_map(|socket| {
            let layer = if socket.is_esp() { "native" } else { "udp" };
            socket.counters().discards().map(move |entry| (layer, entry))
        });
        for (layer, (name, count)) in
            sockets.chain(self.tun.counters().discards().map(|entry| ("tun", entry)))
        {
            *status.discards.entry(format!("{layer}.{name}")).or_default() += count;
        }
        let udp = self.sockets.iter().filter(|socket| !socket.is_esp()).map(|socket| OffloadStatus {
            on: format!("UDP {}", socket.local()),
            used: socket.offload().to_string(),
            refused: socket.counters().offload_refused,
        });
        let tun = OffloadStatus {
            on: self.tun.name().to_owned(),
            used: self.tun.offload().to_string(),
            refused: self.tun.counters().uncoalesced,
        };
        status.offloads = udp.chain([tun]).collect();
        status
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo == Signal::SIGHUP as u32 {
                tracing::warn!("SIGHUP: reloading is not built yet; restart to take a changed configuration");
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

#[expect(clippy::disallowed_methods, reason = "read once, at the start, for account expiry")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// RFC 2409 §5.
const IKE_PORT: u16 = 500;
/// Places among the descriptors waited for.
const WAKER: usize = 0;
const SIGNALS: usize = 1;
const TUN: usize = 2;
const FIRST_SOCKET: usize = 3;
/// Batches of one direction in one turn.
const BUDGET: usize = 4;
/// How long clients have to answer the goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
