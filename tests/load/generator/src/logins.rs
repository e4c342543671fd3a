//! `login` and `hold`: many clients that come in, and what it costs that they are there.

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use load::Stage;
use serde::Serialize;

use crate::dial::DialOptions;
use crate::fleet::Fleet;
use crate::usage::Watched;
use crate::{clock, print};

#[derive(Args)]
pub(crate) struct LoginOptions {
    #[command(flatten)]
    dial: DialOptions,
    #[command(flatten)]
    watched: Watched,
    /// Clients
    #[arg(long, default_value_t = 100)]
    clients: usize,
    /// Clients that may be on their way in; all of them, if left out
    #[arg(long)]
    at_once: Option<usize>,
    /// How long a client may take before it counts as dropped
    #[arg(long, default_value_t = 60.0)]
    patience: f64,
}

#[derive(Args)]
pub(crate) struct HoldOptions {
    #[command(flatten)]
    dial: DialOptions,
    #[command(flatten)]
    watched: Watched,
    /// How many sessions there are; one after the other of several that grow
    #[arg(long, value_delimiter = ',', default_value = "100")]
    clients: Vec<usize>,
    /// Clients that may be on their way in
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// How long to watch them idle, each time
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

#[derive(Serialize)]
struct LoginReport {
    kind: &'static str,
    ike: Option<String>,
    clients: usize,
    at_once: usize,
    up: usize,
    dropped: usize,
    seconds: f64,
    per_second: f64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    core_busy: Option<f64>,
    own_core_busy: Option<f64>,
    process_seconds: Option<f64>,
}

#[derive(Serialize)]
struct HoldReport {
    kind: &'static str,
    sessions: usize,
    seconds: f64,
    memory_before: Option<u64>,
    memory: Option<u64>,
    bytes_per_session: Option<f64>,
    /// The share of a core that the server's process had while nobody sent anything but signs of life.
    idle_cpu: Option<f64>,
    /// The share of the server's core that was in use meanwhile, the kernel's part included.
    core_busy: Option<f64>,
}

/// Dials all clients and says how fast and how evenly they came in.
pub(crate) fn login(options: &LoginOptions) -> anyhow::Result<()> {
    let mut fleet = Fleet::new(options.dial.dial_or_refuse()?)?;
    let at_once = options.at_once.unwrap_or(options.clients);
    let before = options.watched.snapshot()?;
    let start = clock();
    let end = start + Duration::try_from_secs_f64(options.patience)?;
    fleet.dial_until(options.clients, at_once, end)?;
    let usage = options.watched.since(&before)?;
    let mut times = Vec::new();
    let mut last = start;
    for member in fleet.members() {
        let client = member.client();
        let timeline = client.timeline();
        if client.stage() == Stage::Up
            && let (Some(total), Some(at)) = (timeline.total(), timeline.at(load::Mark::NetworkUp))
        {
            times.push(total);
            last = last.max(at);
        }
    }
    times.sort_unstable();
    let seconds = (last - start).as_secs_f64();
    print(&LoginReport {
        kind: "login",
        ike: options.dial.ike(),
        clients: options.clients,
        at_once,
        up: times.len(),
        dropped: options.clients - times.len(),
        seconds,
        per_second: if seconds > 0.0 { times.len() as f64 / seconds } else { 0.0 },
        p50_ms: milliseconds(percentile(&times, 50)),
        p99_ms: milliseconds(percentile(&times, 99)),
        max_ms: milliseconds(times.last().copied()),
        core_busy: usage.core_busy,
        own_core_busy: usage.own_core_busy,
        process_seconds: usage.process_seconds,
    })?;
    fleet.leave()
}

/// Keeps sessions that do nothing.
pub(crate) fn hold(options: &HoldOptions) -> anyhow::Result<()> {
    let mut fleet = Fleet::new(options.dial.dial_or_refuse()?)?;
    let memory_before = options.watched.memory()?;
    for sessions in options.clients.iter().copied() {
        fleet.dial_until(sessions, options.at_once, clock() + LOGINS)?;
        if fleet.up() < sessions {
            bail!(
                "only {} of {sessions} came in; the first of those that ended: {:?}",
                fleet.up(),
                fleet.ended().first()
            );
        }
        // What the logins left to do is not idleness.
        idle(&mut fleet, clock() + Duration::from_secs(1))?;
        let before = options.watched.snapshot()?;
        let duration = Duration::try_from_secs_f64(options.seconds)?;
        idle(&mut fleet, clock() + duration)?;
        let usage = options.watched.since(&before)?;
        if let Some(end) = fleet.ended().first() {
            bail!("a session did not last: {end:?}");
        }
        let memory = options.watched.memory()?;
        let grown = memory.zip(memory_before).map(|(now, before)| now as f64 - before as f64);
        print(&HoldReport {
            kind: "hold",
            sessions,
            seconds: options.seconds,
            memory_before,
            memory,
            bytes_per_session: grown.map(|bytes| bytes / sessions as f64),
            idle_cpu: usage.process_seconds.map(|seconds| seconds / options.seconds),
            core_busy: usage.core_busy,
        })?;
    }
    fleet.leave()
}

fn idle(fleet: &mut Fleet, until: Instant) -> anyhow::Result<()> {
    while clock() < until {
        fleet.turn(until, &mut |_, _| {})?;
    }
    Ok(())
}

/// The value that `percent` of the sorted `times` do not exceed.
pub(crate) fn percentile(times: &[Duration], percent: usize) -> Option<Duration> {
    let rank = (times.len() * percent).div_ceil(100);
    times.get(rank.saturating_sub(1)).copied()
}

fn milliseconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64() * 1e3)
}

/// How long the logins before idling may take.
const LOGINS: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&times[..1], 99), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 50), None);
    }
}
