//! `ping`: how long one client's echo takes, alone or while another client floods.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use socket2::{Domain, Protocol, Socket as RawSocket, Type};

use crate::dial::DialOptions;
use crate::far::FarEnd;
use crate::fleet::Fleet;
use crate::flood::{Beside, Limit};
use crate::flooding::{Direction, Flood, Measured};
use crate::logins::percentile;
use crate::usage::Watched;
use crate::{clock, packets, print};

#[derive(Args)]
pub(crate) struct PingOptions {
    #[command(flatten)]
    dial: DialOptions,
    #[command(flatten)]
    far: FarEnd,
    /// How many echoes
    #[arg(long, default_value_t = 500)]
    count: u16,
    /// Milliseconds from one echo to the next
    #[arg(long, default_value_t = 2.0)]
    interval: f64,
    /// Another client floods meanwhile
    #[arg(long, value_enum)]
    flood: Option<Direction>,
    /// Packets of the flood that are sent at once
    #[arg(long, default_value_t = 44, value_parser = clap::value_parser!(u16).range(1..=44))]
    train: u16,
    /// Packets of the flood that may be under way
    #[arg(long, default_value_t = 1024)]
    window: u64,
    /// What the flood's clients offer in phase 2, if not what the other does
    #[arg(long)]
    flood_esp: Option<crate::suite::EspSuite>,
    /// Our own address for plain packets
    #[arg(long, default_value = "0.0.0.0")]
    near: Ipv4Addr,
}

#[derive(Serialize)]
struct Report {
    kind: &'static str,
    flood: Option<Direction>,
    flood_esp: Option<String>,
    flood_gbit: Option<f64>,
    echoes: usize,
    lost: usize,
    median_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
}

pub(crate) fn run(options: &PingOptions) -> anyhow::Result<()> {
    let dial = options.dial.dial()?;
    let way = match &dial {
        Some(dial) => Way::Tunnel(Box::new(Fleet::dialled(dial.clone(), 1)?)),
        None => Way::Plain(raw_socket()?),
    };
    let interval = Duration::try_from_secs_f64(options.interval / 1e3)?;
    let mut echoes = Echoes::new(way, options.far.address(), interval, options.count);
    let flood = options.flood.map(|direction| Flood {
        direction,
        train: options.train,
        size: SIZE,
        limit: Limit::Window(options.window),
        duration: interval * u32::from(options.count),
        far: &options.far,
        watched: Watched::default(),
    });
    let mut measured = None;
    if let Some(flood) = flood {
        measured = Some(match dial {
            Some(mut dial) => {
                if let Some(suite) = options.flood_esp {
                    dial.profile.esp.transforms = vec![suite.0];
                }
                let mut flooder = Fleet::dialled(dial, 1)?;
                let measured = flood.through(&mut flooder, Some(&mut echoes))?;
                flooder.leave()?;
                measured
            }
            None => flood.plain(options.near, 1, Some(&mut echoes))?,
        });
    } else {
        let end = clock() + interval * u32::from(options.count) + PATIENCE;
        // No sleep: waking up would be part of what is measured.
        while !echoes.are_done() && clock() < end {
            echoes.turn()?;
        }
    }
    print(&report(options, &mut echoes, measured))?;
    match echoes.way {
        Way::Tunnel(fleet) => fleet.leave(),
        Way::Plain(_) => Ok(()),
    }
}

fn report(options: &PingOptions, echoes: &mut Echoes, flood: Option<Measured>) -> Report {
    echoes.times.sort_unstable();
    let times = &echoes.times;
    let microseconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e6);
    Report {
        kind: "ping",
        flood: options.flood,
        flood_esp: options.flood_esp.map(|suite| suite.to_string()),
        flood_gbit: flood.map(|flood| flood.gbit(SIZE)),
        echoes: times.len(),
        lost: echoes.lost,
        median_us: microseconds(percentile(times, 50)),
        p99_us: microseconds(percentile(times, 99)),
        max_us: microseconds(times.last().copied()),
    }
}

/// How echoes travel.
enum Way {
    Plain(RawSocket),
    /// A fleet of one.
    Tunnel(Box<Fleet>),
}

/// Echo requests at even distances, and when their replies came.
struct Echoes {
    way: Way,
    far: Ipv4Addr,
    interval: Duration,
    left: u16,
    sequence: u16,
    /// When the one that is under way was sent.
    sent: Option<Instant>,
    next: Instant,
    times: Vec<Duration>,
    lost: usize,
}

impl Echoes {
    fn new(way: Way, far: Ipv4Addr, interval: Duration, count: u16) -> Self {
        let now = clock();
        Self {
            way,
            far,
            interval,
            left: count,
            sequence: 0,
            sent: None,
            next: now,
            times: Vec::new(),
            lost: 0,
        }
    }

    fn are_done(&self) -> bool {
        self.left == 0 && self.sent.is_none()
    }

    fn send(&mut self) -> anyhow::Result<()> {
        match &mut self.way {
            Way::Plain(socket) => {
                let message = packets::echo_message(IDENTIFIER, self.sequence);
                socket.send_to(&message, &SocketAddr::from((self.far, 0)).into())?;
            }
            Way::Tunnel(fleet) => {
                let member = fleet.members().first_mut().context("a fleet of one")?;
                let own = member.address().context("the client that pings is gone")?;
                let packet = packets::echo_request(own, self.far, IDENTIFIER, self.sequence);
                let mut sealed = Vec::new();
                if !member.client().seal_packet(&packet, &mut sealed) {
                    bail!("the client that pings is gone");
                }
                member.data().send(&sealed, sealed.len())?;
            }
        }
        Ok(())
    }

    /// Whether the reply to the last request is there.
    fn replied(&mut self) -> anyhow::Result<bool> {
        let wanted = (IDENTIFIER, self.sequence);
        let mut found = false;
        match &mut self.way {
            Way::Plain(socket) => {
                let mut buffer = [0; 2048];
                loop {
                    match socket.read(&mut buffer) {
                        Ok(length) => {
                            found |=
                                packets::echo_reply(buffer.get(..length).unwrap_or_default()) == Some(wanted);
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Way::Tunnel(fleet) => fleet.turn(clock(), &mut |_, packets| {
                found |= packets.iter().any(|packet| packets::echo_reply(packet) == Some(wanted));
            })?,
        }
        Ok(found)
    }
}

impl Beside for Echoes {
    fn begin(&mut self) {
        // Nobody looked meanwhile: that is not the way's fault.
        self.sent = None;
    }

    /// Takes a reply, and sends the next request when it is time.
    fn turn(&mut self) -> anyhow::Result<()> {
        let replied = self.replied()?;
        // After the reply was opened: that takes its time, and it is a client's, too.
        let now = clock();
        if replied && let Some(sent) = self.sent.take() {
            self.times.push(now - sent);
        }
        if self.sent.take_if(|sent| now - *sent > PATIENCE).is_some() {
            self.lost += 1;
        }
        if self.sent.is_none() && self.left > 0 && now >= self.next {
            self.left -= 1;
            self.sequence += 1;
            self.next = now + self.interval;
            self.sent = Some(clock());
            self.send()?;
        }
        Ok(())
    }
}

fn raw_socket() -> anyhow::Result<RawSocket> {
    let socket =
        RawSocket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).context("a raw socket needs root")?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Bytes of a packet of the flood.
const SIZE: u16 = 1400;

/// Says whose echoes they are.
const IDENTIFIER: u16 = 0xad17;

/// When an echo counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);
