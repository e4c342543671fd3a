//! `tcp`: what iperf3 moves from a TUN device of our own through one client's tunnel, or plain.
//!
//! ```text
//! iperf3 ─ TCP ─ TUN ─▶ this client ─ ESP ─▶ server ─▶ iperf3 --server, at the far end
//! ```

use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use adit::config::Switch;
use adit::io::tun::{self, Interface, Tun};
use adit::superpacket::Superpacket;
use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use crate::dial::DialOptions;
use crate::far::FarEnd;
use crate::fleet::{Fleet, wait};
use crate::flooding::Direction;
use crate::usage::{Usage, Watched};
use crate::{clock, netns, print};

#[derive(Args)]
pub(crate) struct TcpOptions {
    #[command(flatten)]
    dial: DialOptions,
    #[command(flatten)]
    far: FarEnd,
    #[command(flatten)]
    watched: Watched,
    /// The network namespace in which the TUN device appears, and iperf3 runs
    #[arg(long)]
    tun_netns: Option<String>,
    /// Which ways, one after the other
    #[arg(long, value_enum, value_delimiter = ',', default_value = "up,down")]
    direction: Vec<Direction>,
    /// Streams; each of several
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    streams: Vec<u16>,
    /// How long to measure
    #[arg(long, default_value_t = 3)]
    seconds: u16,
    /// The largest packet of the device
    #[arg(long, default_value_t = 1400)]
    mtu: u16,
}

#[derive(Serialize)]
struct Report {
    kind: &'static str,
    direction: Direction,
    streams: u16,
    gbit: f64,
    retransmits: Option<u64>,
    #[serde(flatten)]
    usage: Usage,
}

pub(crate) fn run(options: &TcpOptions) -> anyhow::Result<()> {
    let mut tunnel = match options.dial.dial()? {
        Some(dial) => Some(Tunnel::open(options, Fleet::dialled(dial, 1)?)?),
        None => None,
    };
    let server = options.far.within(|| {
        iperf3(&["--server", "--bind", &options.far.address().to_string()])
            .spawn()
            .context("cannot start iperf3")
    })?;
    let _server = Ends(server);
    // It has no way to say that it listens.
    pump_for(&mut tunnel, Duration::from_millis(300))?;
    for direction in options.direction.iter().copied() {
        for streams in options.streams.iter().copied() {
            print(&measure(options, &mut tunnel, direction, streams)?)?;
        }
    }
    tunnel.map_or(Ok(()), |tunnel| tunnel.fleet.leave())
}

fn measure(
    options: &TcpOptions,
    tunnel: &mut Option<Tunnel>,
    direction: Direction,
    streams: u16,
) -> anyhow::Result<Report> {
    let (far, streams_text) = (options.far.address().to_string(), streams.to_string());
    let seconds = options.seconds.to_string();
    let mut command = iperf3(&["--json", "--client", &far, "--parallel", &streams_text, "--time", &seconds]);
    match direction {
        Direction::Up => {}
        Direction::Down => drop(command.arg("--reverse")),
        Direction::Both => drop(command.arg("--bidir")),
    }
    let before = options.watched.snapshot()?;
    let child = netns::within(options.tun_netns.as_deref().filter(|_| tunnel.is_some()), || {
        command.stdout(Stdio::piped()).spawn().context("cannot start iperf3")
    })?;
    let mut child = Ends(child);
    let end = clock() + Duration::from_secs(u64::from(options.seconds) + 20);
    while child.0.try_wait()?.is_none() {
        if clock() > end {
            bail!("iperf3 does not come to its end");
        }
        pump_for(tunnel, Duration::from_millis(20))?;
    }
    let usage = options.watched.since(&before)?;
    let output = child.0.stdout.take().context("it has an output")?;
    let result: serde_json::Value = serde_json::from_reader(output).context("iperf3 printed no JSON")?;
    if let Some(error) = result.get("error") {
        bail!("iperf3: {error}");
    }
    let sum = |path: &str| result.pointer(path).and_then(serde_json::Value::as_f64);
    let received = sum("/end/sum_received/bits_per_second").context("iperf3 tells no rate")?;
    let reverse = sum("/end/sum_received_bidir_reverse/bits_per_second").unwrap_or_default();
    Ok(Report {
        kind: "tcp",
        direction,
        streams,
        gbit: (received + reverse) / 1e9,
        retransmits: sum("/end/sum_sent/retransmits").map(|count| count as u64),
        usage,
    })
}

fn iperf3(arguments: &[&str]) -> Command {
    let mut command = Command::new("iperf3");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A process that does not outlive us.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pump_for(tunnel: &mut Option<Tunnel>, duration: Duration) -> anyhow::Result<()> {
    let end = clock() + duration;
    match tunnel {
        Some(tunnel) => tunnel.pump(end),
        None => {
            std::thread::sleep(duration);
            Ok(())
        }
    }
}

/// One client with a device.
struct Tunnel {
    fleet: Fleet,
    tun: Tun,
    inbox: tun::Inbox,
    outbox: Outbox,
}

impl Tunnel {
    /// Gives the client of a fleet of one its device, with its address and the way to the far end.
    fn open(options: &TcpOptions, mut fleet: Fleet) -> anyhow::Result<Self> {
        let own = fleet.members().first().and_then(|member| member.address()).context("a fleet of one")?;
        let far = options.far.address();
        let tun = netns::within(options.tun_netns.as_deref(), || {
            let tun = Tun::create(&Interface {
                name: DEVICE,
                pools: &[],
                mtu: options.mtu,
                offload: Switch::Auto,
            })?;
            ip(&["address", "add", &host(own), "dev", DEVICE])?;
            ip(&["route", "add", &host(far), "dev", DEVICE])?;
            Ok(tun)
        })?;
        Ok(Self { fleet, tun, inbox: tun::Inbox::new(), outbox: Outbox::default() })
    }

    /// Moves packets both ways until `end`.
    fn pump(&mut self, end: Instant) -> anyhow::Result<()> {
        let Self { fleet, tun, inbox, outbox } = self;
        while clock() < end {
            let mut idle = true;
            if tun.receive(inbox)? > 0 {
                idle = false;
                let member = fleet.members().first_mut().context("a fleet of one")?;
                while inbox.next_batch() {
                    outbox.send(inbox.packets(), member)?;
                }
            }
            fleet.turn(clock(), &mut |_, packets| {
                idle = false;
                tun.send(packets.iter().copied());
            })?;
            if idle {
                wait([tun.as_fd(), fleet.as_fd()].into_iter(), end)?;
            }
        }
        Ok(())
    }
}

/// Packets sealed into trains of equal lengths.
#[derive(Default)]
struct Outbox {
    /// One, as it was cut.
    packet: Vec<u8>,
    bytes: Vec<u8>,
    segment: usize,
}

impl Outbox {
    fn send<'a>(
        &mut self,
        packets: impl Iterator<Item = Superpacket<'a>>,
        member: &mut crate::member::Member,
    ) -> anyhow::Result<()> {
        // What the kernel says of its own packets is right.
        for segment in
            packets.filter_map(|packet| packet.segments().ok()).flat_map(|segments| segments.iter())
        {
            self.packet.resize(segment.len(), 0);
            segment.write(&mut self.packet);
            let start = self.bytes.len();
            if !member.client().seal_packet(&self.packet, &mut self.bytes) {
                bail!("the tunnel is gone: {:?}", member.client().stage());
            }
            let length = self.bytes.len() - start;
            // Only the last of a train may be shorter, and the kernel takes 64 of them and 64 kB.
            if start > 0 && (length > self.segment || self.bytes.len() > LONGEST_TRAIN) {
                member.data().send(&self.bytes[..start], self.segment)?;
                self.bytes.drain(..start);
            }
            if self.bytes.len() == length {
                self.segment = length;
            } else if length < self.segment {
                self.flush(member)?;
            }
        }
        self.flush(member)
    }

    fn flush(&mut self, member: &crate::member::Member) -> anyhow::Result<()> {
        if !self.bytes.is_empty() {
            member.data().send(&self.bytes, self.segment)?;
            self.bytes.clear();
        }
        Ok(())
    }
}

fn host(address: Ipv4Addr) -> String {
    format!("{address}/32")
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("ip").args(arguments).output().context("cannot run ip: install iproute2")?;
    if !output.status.success() {
        bail!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// What the device is called in its namespace.
const DEVICE: &str = "load0";

/// Bytes of a train: below 64 kB, and with small packets below the kernel's 64 of them.
const LONGEST_TRAIN: usize = 64 * 1000;
