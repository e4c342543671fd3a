//! Measures what a path carries: plain packets, or packets through a tunnel that this program dials itself.
//!
//! It stands at both ends: near, where it is started, and far, in another network namespace. One UDP flow of equal
//! packets goes up (near to far) or down, as fast as the path takes it, and one line of JSON says what arrived.

mod flood;
mod netns;
mod tunnel;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};
use serde::Serialize;

use load::{Credentials, Profile};

use crate::flood::{Outcome, Pace, Sink, Source, UdpSink, UdpSource};
use crate::tunnel::Tunnel;

#[derive(Parser)]
#[command(about = "Floods a path and prints what arrives, as one line of JSON", version)]
struct Options {
    /// Which way the flood goes: up is from here to the far end
    #[arg(long, value_enum)]
    direction: Direction,
    /// The network namespace of the far end
    #[arg(long)]
    far_netns: Option<String>,
    /// The address of the far end
    #[arg(long)]
    far: Ipv4Addr,
    /// Our own address; with a tunnel, the tunnel gives it
    #[arg(long, default_value = "0.0.0.0")]
    near: Ipv4Addr,
    /// Bytes of an IP packet, headers included
    #[arg(long, default_value_t = 1400, value_parser = clap::value_parser!(u16).range(29..=1500))]
    size: u16,
    /// Packets that are sent at once and may stay together
    #[arg(long, default_value_t = 44, value_parser = clap::value_parser!(u16).range(1..=44))]
    train: u16,
    /// Packets that may be under way
    #[arg(long, default_value_t = 1024)]
    window: u64,
    /// How long to measure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The core whose load to show
    #[arg(long)]
    core: Option<usize>,
    /// Dial in at this server and go through the tunnel
    #[arg(long, requires = "secret", requires = "user")]
    server: Option<Ipv4Addr>,
    /// A file with the pre-shared key in its first line and the password in its second
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
    /// The account
    #[arg(long)]
    user: Option<String>,
    /// Which client to be
    #[arg(long, value_enum, default_value = "windows")]
    client: Device,
}

#[derive(Clone, Copy, ValueEnum)]
enum Device {
    Android,
    Apple,
    Linux,
    Windows,
}

#[derive(Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Up,
    Down,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    path: &'static str,
    direction: Direction,
    size: u16,
    train: u16,
    packets: u64,
    lost: u64,
    seconds: f64,
    inner_gbit: f64,
    core_busy: Option<f64>,
    login_ms: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let pace = Pace { window: options.window, duration: Duration::try_from_secs_f64(options.seconds)? };
    let (outcome, login) = match options.server {
        Some(server) => tunnelled(&options, server, pace).map(|(outcome, login)| (outcome, Some(login)))?,
        None => (plain(&options, pace)?, None),
    };
    let seconds = outcome.flood.elapsed.as_secs_f64();
    let bits = outcome.flood.arrived as f64 * f64::from(options.size) * 8.0;
    let report = Report {
        path: if login.is_some() { "tunnel" } else { "plain" },
        direction: options.direction,
        size: options.size,
        train: options.train,
        packets: outcome.flood.arrived,
        lost: outcome.flood.lost,
        seconds,
        inner_gbit: if outcome.flood.arrived == 0 { 0.0 } else { bits / seconds / 1e9 },
        core_busy: options.core.map(|_| outcome.busy),
        login_ms: login.map(|login| login.as_secs_f64() * 1e3),
    };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

/// A flood, and the share of the core that it took.
struct Measured {
    flood: Outcome,
    busy: f64,
}

fn measure(
    options: &Options,
    pace: Pace,
    source: &mut impl Source,
    sink: &mut impl Sink,
) -> anyhow::Result<Measured> {
    let before = options.core.map(core_time).transpose()?;
    let flood = flood::run(pace, source, sink)?;
    let after = options.core.map(core_time).transpose()?;
    let busy = before.zip(after).map_or(0.0, |(before, after)| before.busy_until(after));
    Ok(Measured { flood, busy })
}

fn plain(options: &Options, pace: Pace) -> anyhow::Result<Measured> {
    let payload = options.size - HEADERS;
    let (far, near) = (SocketAddr::from((options.far, PORT)), SocketAddr::from((options.near, PORT)));
    let far_netns = options.far_netns.as_deref();
    match options.direction {
        Direction::Up => {
            let mut sink = netns::within(far_netns, || UdpSink::bind(far, payload))?;
            let mut source = UdpSource::connect(far, payload, options.train)?;
            measure(options, pace, &mut source, &mut sink)
        }
        Direction::Down => {
            let mut sink = UdpSink::bind(near, payload)?;
            let mut source = netns::within(far_netns, || UdpSource::connect(near, payload, options.train))?;
            measure(options, pace, &mut source, &mut sink)
        }
    }
}

fn tunnelled(options: &Options, server: Ipv4Addr, pace: Pace) -> anyhow::Result<(Measured, Duration)> {
    let profile = match options.client {
        Device::Android => Profile::android(),
        Device::Apple => Profile::apple(),
        Device::Linux => Profile::linux(),
        Device::Windows => Profile::windows_10(),
    };
    let mut tunnel = Tunnel::dial(server, profile, credentials(options)?)?;
    let payload = options.size - HEADERS;
    let far = SocketAddr::from((options.far, PORT));
    let far_netns = options.far_netns.as_deref();
    let measured = match options.direction {
        Direction::Up => {
            let mut sink = netns::within(far_netns, || UdpSink::bind(far, payload))?;
            let mut rounds = Rounds::default();
            // Packets cannot be sent twice (RFC 4303 §3.4.3), so what a long flood needs would not fit into memory:
            // rounds, each as long as the rate of the one before lets expect.
            while let Some(count) = rounds.next(pace.duration) {
                let mut source = tunnel.seal(far, options.size, options.train, count)?;
                let round = measure(options, Pace { duration: A_ROUND, ..pace }, &mut source, &mut sink)?;
                if round.flood.arrived == 0 {
                    bail!("nothing of the flood arrives through the tunnel");
                }
                rounds.add(&round);
            }
            rounds.total()
        }
        Direction::Down => {
            let near = SocketAddr::from((tunnel.address(), PORT));
            let mut single = netns::within(far_netns, || UdpSource::connect(near, payload, 1))?;
            tunnel.expect(&mut single, options.size.into())?;
            let mut source = netns::within(far_netns, || UdpSource::connect(near, payload, options.train))?;
            measure(options, pace, &mut source, &mut tunnel)?
        }
    };
    let login = tunnel.login();
    tunnel.leave()?;
    Ok((measured, login))
}

fn credentials(options: &Options) -> anyhow::Result<Credentials> {
    let (Some(file), Some(user)) = (&options.secret, &options.user) else {
        bail!("--server needs --secret and --user")
    };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut lines = text.lines();
    let (Some(psk), Some(password)) = (lines.next(), lines.next()) else {
        bail!("{}: two lines expected", file.display())
    };
    Ok(Credentials { psk: psk.into(), certificate: None, user: user.clone(), password: password.into() })
}

/// Floods in rounds, added up. The first only finds out the rate.
#[derive(Default)]
struct Rounds {
    rate: f64,
    sum: Outcome,
    busy_seconds: f64,
}

impl Rounds {
    /// How many packets the next round needs; `None` when enough was measured.
    fn next(&self, duration: Duration) -> Option<u64> {
        let left = duration.saturating_sub(self.sum.elapsed).as_secs_f64();
        // A tail too short to measure is not worth a round.
        (self.sum.elapsed.is_zero() || left > 0.1).then(|| {
            if self.rate == 0.0 {
                FIRST_ROUND
            } else {
                ((self.rate * left) as u64).clamp(FIRST_ROUND, LARGEST_ROUND)
            }
        })
    }

    fn add(&mut self, round: &Measured) {
        let elapsed = round.flood.elapsed;
        if self.rate > 0.0 {
            self.sum.arrived += round.flood.arrived;
            self.sum.lost += round.flood.lost;
            self.sum.elapsed += elapsed;
            self.busy_seconds += round.busy * elapsed.as_secs_f64();
        }
        self.rate = round.flood.arrived as f64 / elapsed.as_secs_f64().max(1e-3);
    }

    fn total(&self) -> Measured {
        Measured { flood: self.sum, busy: self.busy_seconds / self.sum.elapsed.as_secs_f64().max(1e-9) }
    }
}

/// What a core did since the machine started, in ticks.
#[derive(Clone, Copy)]
struct CoreTime {
    busy: u64,
    all: u64,
}

impl CoreTime {
    fn busy_until(self, later: Self) -> f64 {
        let (busy, all) = (later.busy - self.busy, later.all - self.all);
        if all == 0 { 0.0 } else { busy as f64 / all as f64 }
    }
}

/// Reads a core's line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn core_time(core: usize) -> anyhow::Result<CoreTime> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let prefix = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&prefix)).context("no such core")?;
    let ticks: Vec<u64> = line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>()?;
    let all = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Ok(CoreTime { busy: all - idle, all })
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn clock() -> Instant {
    Instant::now()
}

/// Packets of the round that finds out the rate; with a Gbit/s that is a quarter of a second.
const FIRST_ROUND: u64 = 20_000;

/// Packets of a round at most: some 600 MB, sealed.
const LARGEST_ROUND: u64 = 400_000;

/// More than a round takes, unless next to nothing passes.
const A_ROUND: Duration = Duration::from_secs(5);

/// IPv4 and UDP headers.
const HEADERS: u16 = 28;

/// The far end's port, and the near end's.
const PORT: u16 = 9000;
