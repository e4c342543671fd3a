//! A flood with a window: as fast as what is in between can go, and never faster.
//!
//! ```text
//! Source ─ trains ─▶ what is measured ─▶ Sink        sent − arrived − lost ≤ window
//! ```
//!
//! An open flood measures how a machine collapses under more than it can carry; with the window it measures what it
//! carries, without a search for the right rate. What does not arrive in time is counted as lost, which is shown
//! beside the result.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use anyhow::Context as _;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use crate::clock;

/// Where packets come from.
pub(crate) trait Source {
    /// Sends the next train and returns its packets; `None` when there are no more.
    fn send(&mut self) -> anyhow::Result<Option<u64>>;
}

/// Where they arrive.
pub(crate) trait Sink: AsFd {
    /// Takes what is there, without waiting, and returns its packets.
    fn receive(&mut self) -> anyhow::Result<u64>;
}

/// How hard and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Packets that may be under way.
    pub(crate) window: u64,
    /// When to end, if the source does not end before.
    pub(crate) duration: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) arrived: u64,
    pub(crate) lost: u64,
    pub(crate) elapsed: Duration,
}

/// Sends from `source` until the time is over or nothing is left, and counts at `sink`.
pub(crate) fn run(pace: Pace, source: &mut impl Source, sink: &mut impl Sink) -> anyhow::Result<Outcome> {
    let (mut sent, mut arrived, mut lost) = (0, 0, 0);
    let start = clock();
    let mut last = start;
    let mut exhausted = false;
    while !exhausted || sent > arrived + lost {
        exhausted |= last - start >= pace.duration;
        let mut moved = 0;
        if !exhausted && sent - (arrived + lost).min(sent) < pace.window {
            match source.send()? {
                Some(packets) => {
                    sent += packets;
                    moved += packets;
                }
                None => exhausted = true,
            }
        }
        let received = sink.receive()?;
        arrived += received;
        // What was given up may still come.
        lost = lost.min(sent.saturating_sub(arrived));
        if received > 0 {
            last = clock();
        } else if moved == 0 && !wait(sink.as_fd(), PATIENCE.into())? {
            lost = sent.saturating_sub(arrived);
            if clock() - start > pace.duration + Duration::from_secs(5) {
                break;
            }
            // Nothing arrives at all: the time must still come to its end.
            exhausted |= clock() - start >= pace.duration;
        }
    }
    Ok(Outcome { arrived, lost, elapsed: last - start })
}

/// Waits until `fd` is readable; false when it is not in time.
pub(crate) fn wait(fd: BorrowedFd<'_>, timeout: PollTimeout) -> io::Result<bool> {
    Ok(poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], timeout)? > 0)
}

/// Packets of one UDP flow, sent in trains.
pub(crate) struct UdpSource {
    socket: UdpSocket,
    train: Vec<u8>,
    packets: u64,
}

impl UdpSource {
    /// Sends `packets` datagrams of `payload` bytes at once, from the namespace that this is called in.
    pub(crate) fn connect(to: SocketAddr, payload: u16, packets: u16) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect(to).with_context(|| format!("no way to {to}"))?;
        prepare(&socket)?;
        if packets > 1 {
            setsockopt(&socket, sockopt::UdpGsoSegment, &payload.into()).context("UDP_SEGMENT")?;
        }
        let train = vec![0x5a; usize::from(payload) * usize::from(packets)];
        Ok(Self { socket, train, packets: packets.into() })
    }
}

impl Source for UdpSource {
    fn send(&mut self) -> anyhow::Result<Option<u64>> {
        Ok(Some(if send(&self.socket, &self.train)? { self.packets } else { 0 }))
    }
}

/// Counts the datagrams of one size that arrive at a port.
pub(crate) struct UdpSink {
    socket: UdpSocket,
    payload: usize,
    buffer: Vec<u8>,
}

impl UdpSink {
    /// Binds in the namespace that this is called in.
    pub(crate) fn bind(address: SocketAddr, payload: u16) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind(address).with_context(|| format!("cannot bind {address}"))?;
        prepare(&socket)?;
        setsockopt(&socket, sockopt::UdpGroSegment, &true).context("UDP_GRO")?;
        Ok(Self { socket, payload: payload.into(), buffer: vec![0; 1 << 16] })
    }
}

impl AsFd for UdpSink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Sink for UdpSink {
    fn receive(&mut self) -> anyhow::Result<u64> {
        let mut packets = 0;
        // A bounded turn: the source wants one too.
        for _ in 0..64 {
            let Some(length) = receive(&self.socket, &mut self.buffer)? else { break };
            packets += length.div_ceil(self.payload) as u64;
        }
        Ok(packets)
    }
}

/// Large buffers, and no waiting.
pub(crate) fn prepare(socket: &UdpSocket) -> anyhow::Result<()> {
    socket.set_nonblocking(true)?;
    // Beyond the system's limit with root, up to it without.
    setsockopt(socket, sockopt::RcvBufForce, &BUFFER)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &BUFFER))
        .context("SO_RCVBUF")?;
    setsockopt(socket, sockopt::SndBufForce, &BUFFER)
        .or_else(|_| setsockopt(socket, sockopt::SndBuf, &BUFFER))
        .context("SO_SNDBUF")?;
    Ok(())
}

/// Sends without waiting; false when there was no room or nobody listens.
pub(crate) fn send(socket: &UdpSocket, bytes: &[u8]) -> io::Result<bool> {
    match socket.send(bytes) {
        Ok(_) => Ok(true),
        Err(error) if passes(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Receives without waiting; `None` when nothing is there.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    match socket.recv(buffer) {
        Ok(length) => Ok(Some(length)),
        Err(error) if passes(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionRefused)
        || error.raw_os_error() == Some(libc::ENOBUFS)
}

const BUFFER: usize = 8 << 20;

/// Milliseconds in which nothing arrives before what is under way counts as lost.
const PATIENCE: u8 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(window: u64, milliseconds: u64) -> Pace {
        Pace { window, duration: Duration::from_millis(milliseconds) }
    }

    #[test]
    fn over_loopback_everything_arrives() {
        for train in [1, 44] {
            let mut sink = UdpSink::bind("127.0.0.1:0".parse().unwrap(), 1372).unwrap();
            let to = sink.socket.local_addr().unwrap();
            let mut source = UdpSource::connect(to, 1372, train).unwrap();
            let outcome = run(pace(88, 30), &mut source, &mut sink).unwrap();
            assert!(outcome.arrived > 88 && outcome.arrived.is_multiple_of(train.into()), "{outcome:?}");
            assert_eq!(outcome.lost, 0);
        }
    }

    /// Loses all of the second hundred.
    struct Lossy(u64, UdpSource);

    impl Source for Lossy {
        fn send(&mut self) -> anyhow::Result<Option<u64>> {
            self.0 += 1;
            match self.0 {
                101..=200 => Ok(Some(1)),
                301.. => Ok(None),
                _ => self.1.send(),
            }
        }
    }

    #[test]
    fn what_is_lost_is_counted_and_does_not_stop_the_flood() {
        let mut sink = UdpSink::bind("127.0.0.1:0".parse().unwrap(), 100).unwrap();
        let source = UdpSource::connect(sink.socket.local_addr().unwrap(), 100, 1).unwrap();
        let outcome = run(pace(10, 5000), &mut Lossy(0, source), &mut sink).unwrap();
        assert_eq!((outcome.arrived, outcome.lost), (200, 100));
        assert!(outcome.elapsed < Duration::from_secs(5));
    }
}
