//! Loads an L2TP/IPsec server, or the same path without it, and prints what came of it: one line of JSON each time.
//!
//! It stands at both ends: near, where it is started, and far, in another network namespace. Every client is a
//! [`load::Client`] with sockets of its own; one thread serves them all.

mod dial;
mod ends;
mod far;
mod fleet;
mod flood;
mod flooding;
mod logins;
mod member;
mod netns;
mod packets;
mod ping;
mod report;
mod socket;
mod suite;
mod tcp;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use serde::Serialize;

#[derive(Parser)]
#[command(about = "Loads an L2TP/IPsec server, or the same path without it, and prints JSON", version)]
struct Options {
    #[command(subcommand)]
    load: Load,
}

#[derive(Subcommand)]
enum Load {
    /// Packets as fast as the path takes them, up, down or both ways
    Flood(flooding::FloodOptions),
    /// Clients that come in: how many a second, how long it takes each
    Login(logins::LoginOptions),
    /// Sessions that do nothing: the server's memory, and its time
    Hold(logins::HoldOptions),
    /// Round trips of one client's echoes, alone or beside a flood
    Ping(ping::PingOptions),
    /// iperf3 through one client with a TUN device
    Tcp(tcp::TcpOptions),
    /// What others printed, as tables and a chart
    Report(report::ReportOptions),
}

fn main() -> ExitCode {
    match run(&Options::parse().load) {
        Ok(()) => ExitCode::SUCCESS,
        // One sentence, whatever the environment says of backtraces.
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "load-generator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(load: &Load) -> anyhow::Result<()> {
    match load {
        Load::Flood(options) => flooding::run(options),
        Load::Login(options) => logins::login(options),
        Load::Hold(options) => logins::hold(options),
        Load::Ping(options) => ping::run(options),
        Load::Tcp(options) => tcp::run(options),
        Load::Report(options) => report::run(options),
    }
}

/// Prints a result.
fn print(report: &impl Serialize) -> anyhow::Result<()> {
    say(&format!("{}\n", serde_json::to_string(report)?))
}

fn say(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn clock() -> Instant {
    Instant::now()
}
