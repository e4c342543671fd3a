//! `flood`: what a path carries, of plain packets or of packets through tunnels.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::dial::DialOptions;
use crate::ends::{Sealed, TunnelSink, UdpSink, UdpSource};
use crate::far::FarEnd;
use crate::fleet::Fleet;
use crate::flood::{self, Beside, Flooded, Lane, Limit, Outcome, Source as _};
use crate::usage::Watched;
use crate::{clock, print};

#[derive(Args)]
pub(crate) struct FloodOptions {
    #[command(flatten)]
    dial: DialOptions,
    #[command(flatten)]
    far: FarEnd,
    #[command(flatten)]
    watched: Watched,
    /// Which ways the flood goes, one after the other: up is from here to the far end
    #[arg(long, value_enum, value_delimiter = ',', default_value = "up,down")]
    direction: Vec<Direction>,
    /// Packets that are sent at once and may stay together; each of several
    #[arg(long, value_delimiter = ',', default_value = "44", value_parser = clap::value_parser!(u16).range(1..=44))]
    train: Vec<u16>,
    /// Clients, or plain flows
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// Bytes of an IP packet, headers included
    #[arg(long, default_value_t = 1400, value_parser = clap::value_parser!(u16).range(29..=1500))]
    size: u16,
    /// Packets that may be under way
    #[arg(long, default_value_t = 1024)]
    window: u64,
    /// Packets a second on the way up, instead of a window; of several, the one at which most arrive is shown
    #[arg(long, value_delimiter = ',')]
    up_rate: Vec<f64>,
    /// How long to measure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Our own address for plain packets; with a tunnel, the tunnel gives it
    #[arg(long, default_value = "0.0.0.0")]
    near: Ipv4Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    Up,
    Down,
    Both,
}

/// What is printed, for each direction and train.
#[derive(Serialize)]
struct Report {
    kind: &'static str,
    esp: Option<String>,
    clients: usize,
    direction: Direction,
    size: u16,
    train: u16,
    packets: u64,
    lost: u64,
    seconds: f64,
    /// Of both directions, if it went both ways.
    inner_gbit: f64,
    core_busy: Option<f64>,
    /// The share of the time in which there was something to do here: next to one, the load is the limit.
    own_busy: f64,
    /// What the server's core worked for a gigabyte (10⁹ bytes) inside.
    cpu_seconds_per_gb: Option<f64>,
}

/// One flood.
#[derive(Clone, Copy)]
pub(crate) struct Flood<'a> {
    pub(crate) direction: Direction,
    pub(crate) train: u16,
    pub(crate) size: u16,
    pub(crate) limit: Limit,
    pub(crate) duration: Duration,
    pub(crate) far: &'a FarEnd,
    pub(crate) watched: Watched,
}

/// A flood, the busy seconds of the server's core meanwhile, and the idle time of the load.
#[derive(Clone, Copy, Default)]
pub(crate) struct Measured {
    pub(crate) flood: Outcome,
    core: Option<f64>,
    idle: Duration,
}

pub(crate) fn run(options: &FloodOptions) -> anyhow::Result<()> {
    let FloodOptions { clients, size, .. } = *options;
    let window = vec![Limit::Window(options.window)];
    let rates: Vec<Limit> = options.up_rate.iter().copied().map(Limit::Rate).collect();
    let duration = Duration::try_from_secs_f64(options.seconds)?;
    let mut fleet = options.dial.dial()?.map(|dial| Fleet::dialled(dial, clients)).transpose()?;
    for direction in options.direction.iter().copied() {
        for train in options.train.iter().copied() {
            let mut best: Option<Report> = None;
            let paced = direction == Direction::Up && !rates.is_empty();
            for limit in if paced { &rates } else { &window }.iter().copied() {
                let (far, watched) = (&options.far, options.watched);
                let flood = Flood { direction, train, size, limit, duration, far, watched };
                let measured = match &mut fleet {
                    Some(fleet) => flood.through(fleet, None)?,
                    None => flood.plain(options.near, clients, None)?,
                };
                let report = report(options, &flood, measured);
                if best.as_ref().is_none_or(|best| report.inner_gbit > best.inner_gbit) {
                    best = Some(report);
                }
            }
            best.as_ref().map_or(Ok(()), print)?;
        }
    }
    fleet.map_or(Ok(()), Fleet::leave)
}

fn report(options: &FloodOptions, flood: &Flood<'_>, measured: Measured) -> Report {
    let Measured { flood: Outcome { arrived, lost, elapsed }, core, idle } = measured;
    let seconds = elapsed.as_secs_f64();
    let bytes = arrived as f64 * f64::from(flood.size);
    Report {
        kind: "flood",
        esp: options.dial.esp(),
        clients: options.clients,
        direction: flood.direction,
        size: flood.size,
        train: flood.train,
        packets: arrived,
        lost,
        seconds,
        inner_gbit: measured.gbit(flood.size),
        core_busy: core.filter(|_| seconds > 0.0).map(|core| core / seconds),
        own_busy: 1.0 - (idle.as_secs_f64() / seconds.max(1e-9)).min(1.0),
        cpu_seconds_per_gb: core.filter(|_| bytes > 0.0).map(|core| core / (bytes / 1e9)),
    }
}

impl Measured {
    /// Gbit/s of packets of `size` bytes.
    pub(crate) fn gbit(&self, size: u16) -> f64 {
        let seconds = self.flood.elapsed.as_secs_f64();
        if seconds > 0.0 { self.flood.arrived as f64 * f64::from(size) * 8.0 / seconds / 1e9 } else { 0.0 }
    }
}

impl Flood<'_> {
    /// Of plain packets, in so many flows.
    pub(crate) fn plain(
        &self,
        near: Ipv4Addr,
        flows: usize,
        beside: Option<&mut dyn Beside>,
    ) -> anyhow::Result<Measured> {
        let payload = self.size - HEADERS;
        let (far, near) = (self.far.socket(), SocketAddr::from((near, PLAIN_PORT)));
        let flows = |to| vec![to; flows];
        let up = || -> anyhow::Result<_> {
            let sink = self.far.within(|| UdpSink::bind(far, payload))?;
            Ok((UdpSource::connect(&flows(far), payload, self.train)?, sink))
        };
        let down = || -> anyhow::Result<_> {
            let sink = UdpSink::bind(near, payload)?;
            let source = self.far.within(|| UdpSource::connect(&flows(near), payload, self.train))?;
            Ok((source, sink))
        };
        let mut ends = match self.direction {
            Direction::Up => vec![up()?],
            Direction::Down => vec![down()?],
            Direction::Both => vec![up()?, down()?],
        };
        let mut lanes: Vec<Lane<'_>> =
            ends.iter_mut().map(|(source, sink)| Lane::new(source, sink, self.limit)).collect();
        self.measure(self.duration, &mut lanes, beside)
    }

    /// Through the tunnels of all clients.
    pub(crate) fn through(
        &self,
        fleet: &mut Fleet,
        mut beside: Option<&mut dyn Beside>,
    ) -> anyhow::Result<Measured> {
        let payload = self.size - HEADERS;
        let far = self.far.socket();
        fleet.catch_up()?;
        let addresses = fleet.members().iter().filter_map(|member| member.address());
        let near: Vec<SocketAddr> = addresses.map(|address| (address, far.port()).into()).collect();
        let expected = if self.direction == Direction::Up { 0 } else { self.learn_length(fleet, &near)? };
        let mut far_source = self.far.within(|| UdpSource::connect(&near, payload, self.train))?;
        if self.direction == Direction::Down {
            let mut sink = TunnelSink::new(fleet, expected);
            let mut lanes = [Lane::new(&mut far_source, &mut sink, self.limit)];
            return self.measure(self.duration, &mut lanes, beside);
        }
        let mut far_sink = self.far.within(|| UdpSink::bind(far, payload))?;
        // Packets cannot be sent twice (RFC 4303 §3.4.3), so what a long flood needs would not fit into memory:
        // rounds, each as long as the rate of the one before lets expect.
        let mut rounds = match self.limit {
            Limit::Window(_) => Rounds::default(),
            Limit::Rate(rate) => Rounds { rate, ..Rounds::default() },
        };
        while let Some(count) = rounds.next(self.duration) {
            let mut sealed = Sealed::of(fleet, far, self.size, self.train, count)?;
            let mut sink = TunnelSink::new(fleet, expected);
            let mut lanes = vec![Lane::new(&mut sealed, &mut far_sink, self.limit)];
            if self.direction == Direction::Both {
                lanes.push(Lane::new(&mut far_source, &mut sink, self.limit));
            }
            let beside = beside.as_mut().map(|beside| &mut **beside as &mut dyn Beside);
            let round = self.measure(A_ROUND, &mut lanes, beside)?;
            if round.flood.arrived == 0 {
                bail!("nothing of the flood arrives through the tunnel");
            }
            rounds.add(&round);
            fleet.catch_up()?;
        }
        Ok(rounds.sum)
    }

    /// Floods on these lanes; several are added up.
    fn measure(
        &self,
        duration: Duration,
        lanes: &mut [Lane<'_>],
        beside: Option<&mut dyn Beside>,
    ) -> anyhow::Result<Measured> {
        let before = self.watched.snapshot()?;
        let start = clock();
        let Flooded { lanes: outcomes, idle } = flood::run(duration, lanes, beside)?;
        let elapsed = (clock() - start).as_secs_f64();
        let usage = self.watched.since(&before)?;
        Ok(Measured {
            flood: Outcome {
                arrived: outcomes.iter().map(|outcome| outcome.arrived).sum(),
                lost: outcomes.iter().map(|outcome| outcome.lost).sum(),
                elapsed: outcomes.iter().map(|outcome| outcome.elapsed).max().unwrap_or_default(),
            },
            core: usage.core_busy.map(|busy| busy * elapsed),
            idle,
        })
    }

    /// Learns from single packets to the first client how long those of the flood are as they come from the server.
    fn learn_length(&self, fleet: &mut Fleet, near: &[SocketAddr]) -> anyhow::Result<usize> {
        let first = near.get(..1).unwrap_or_default();
        let mut single = self.far.within(|| UdpSource::connect(first, self.size - HEADERS, 1))?;
        let end = clock() + Duration::from_secs(10);
        while clock() < end {
            single.send()?;
            let until = clock() + Duration::from_millis(200);
            if let Some(length) = fleet.await_packet(0, self.size.into(), until)? {
                return Ok(length);
            }
        }
        bail!("nothing of the flood arrives through the tunnel")
    }
}

/// Floods in rounds, added up. The first only finds out the rate.
#[derive(Default)]
struct Rounds {
    rate: f64,
    sum: Measured,
}

impl Rounds {
    /// How many packets the next round needs; `None` when enough was measured.
    fn next(&self, duration: Duration) -> Option<u64> {
        let elapsed = self.sum.flood.elapsed;
        let left = duration.saturating_sub(elapsed).as_secs_f64();
        if self.rate == 0.0 {
            return Some(FIRST_ROUND);
        }
        // A tail too short to measure is not worth a round.
        (elapsed.is_zero() || left > 0.1)
            .then(|| ((self.rate * left) as u64).clamp(FIRST_ROUND, LARGEST_ROUND))
    }

    fn add(&mut self, round: &Measured) {
        let Measured { flood, core, idle } = *round;
        if self.rate > 0.0 {
            self.sum = Measured {
                flood: Outcome {
                    arrived: self.sum.flood.arrived + flood.arrived,
                    lost: self.sum.flood.lost + flood.lost,
                    elapsed: self.sum.flood.elapsed + flood.elapsed,
                },
                core: core.map(|core| self.sum.core.unwrap_or_default() + core),
                idle: self.sum.idle + idle,
            };
        }
        self.rate = flood.arrived as f64 / flood.elapsed.as_secs_f64().max(1e-3);
    }
}

/// Packets of the round that finds out the rate.
const FIRST_ROUND: u64 = 2000;

/// Packets of a round at most: some 600 MB, sealed.
const LARGEST_ROUND: u64 = 400_000;

/// More than a round takes, unless next to nothing passes.
const A_ROUND: Duration = Duration::from_secs(5);

/// IPv4 and UDP headers.
const HEADERS: u16 = 28;

/// Our own port for plain packets that come down.
const PLAIN_PORT: u16 = 9000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_finds_the_rate_and_does_not_count() {
        let round = |arrived, milliseconds| Measured {
            flood: Outcome { arrived, lost: 1, elapsed: Duration::from_millis(milliseconds) },
            core: Some(0.001 * milliseconds as f64),
            idle: Duration::from_millis(milliseconds / 10),
        };
        let second = Duration::from_secs(1);
        let mut rounds = Rounds::default();
        assert_eq!(rounds.next(second), Some(FIRST_ROUND));
        rounds.add(&round(2000, 20));
        assert_eq!(rounds.next(second), Some(100_000));
        rounds.add(&round(100_000, 500));
        assert_eq!(rounds.next(second), Some(100_000), "half of the time at twice the rate");
        rounds.add(&round(100_000, 450));
        assert_eq!(rounds.next(second), None, "a twentieth of a second is left");
        assert_eq!((rounds.sum.flood.arrived, rounds.sum.flood.lost), (200_000, 2));
        assert_eq!((rounds.sum.core, rounds.sum.idle), (Some(0.95), Duration::from_millis(95)));
    }
}
