//! What came to a socket whose buffer was full: the kernel drops it, and says how often it did with the next one that it keeps
//! (`SO_RXQ_OVFL`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::{BUFFER, OuterSocket};

/// What is known of a socket's drops.
#[derive(Debug)]
pub(super) struct Overflow {
    /// The furthest that the kernel's count came: of all since the socket was made, and around again after 2^32.
    last: u32,
    /// Of [`super::Counters::overflowed`], how many the log has.
    said: u64,
    said_at: Option<Instant>,
    /// Octets of buffer that the kernel gave.
    buffer: usize,
}

impl Overflow {
    pub(super) fn new(socket: &Socket) -> Self {
        // The kernel doubles what is asked for, and says so, for what it needs beside the octets.
        let buffer = socket.recv_buffer_size().map_or(0, |size| size / 2);
        Self { last: 0, said: 0, said_at: None, buffer }
    }

    /// Takes the kernel's count; returns by how many it has grown. Counts may overtake each other: the kernel notes them with a packet
    /// before it queues that, and several of its cores do so at once.
    pub(super) fn grown(&mut self, count: u32) -> u64 {
        let step = count.wrapping_sub(self.last).cast_signed();
        if step <= 0 {
            return 0;
        }
        self.last = count;
        step.unsigned_abs().into()
    }

    /// How many the log shall say at `now` when there were `overflowed` in all.
    fn news(&mut self, now: Instant, overflowed: u64) -> Option<u64> {
        let is_early = |at| now.saturating_duration_since(at) < PAUSE;
        if overflowed == self.said || self.said_at.is_some_and(is_early) {
            return None;
        }
        self.said_at = Some(now);
        Some(overflowed - std::mem::replace(&mut self.said, overflowed))
    }

    /// What the log says of `dropped` packets to a socket at `local`.
    fn line(&self, dropped: u64, local: SocketAddr, is_esp: bool) -> String {
        // Of UDP, the kernel counts both as one.
        let (kind, or) = if is_esp { ("ESP", "") } else { ("UDP", " or with a wrong checksum") };
        let remedy = self.remedy();
        format!(
            "the kernel dropped {dropped} packets that came to {kind} {local} faster than they were read{or}: {remedy}"
        )
    }

    /// What helps.
    fn remedy(&self) -> String {
        let wanted = BUFFER.unsigned_abs() as usize;
        if self.buffer < wanted {
            format!(
                "its buffer has {} of the {} kB that it asked for: give the process CAP_NET_ADMIN, or set net.core.rmem_max={wanted}",
                self.buffer / 1024,
                wanted / 1024
            )
        } else {
            "if that goes on, this is more than its core carries: `adit status` shows each core's share, `shards` how many there are"
                .to_owned()
        }
    }
}

impl OuterSocket {
    /// Has the log say, once a minute at most, that the kernel dropped something since it said so last.
    pub fn say_overflow(&mut self, now: Instant) {
        if let Some(dropped) = self.overflow.news(now, self.counters.overflowed) {
            tracing::warn!("{}", self.overflow.line(dropped, self.local, self.is_esp()));
        }
    }
}

/// Between lines of the log about one socket.
const PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn overflow(buffer: usize) -> Overflow {
        Overflow { last: 0, said: 0, said_at: None, buffer }
    }

    #[test]
    fn a_count_goes_on_after_its_largest_number() {
        let mut overflow = Overflow { last: u32::MAX - 9, ..overflow(0) };
        assert_eq!([u32::MAX - 2, u32::MAX - 2, 2].map(|count| overflow.grown(count)), [7, 0, 5]);
    }

    #[test]
    fn counts_that_overtake_each_other_count_once() {
        let mut overflow = overflow(0);
        assert_eq!([100, 103, 101, 104].map(|count| overflow.grown(count)), [100, 3, 0, 1]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a start for virtual time")]
    fn it_is_said_at_once_and_then_once_a_minute() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut overflow = overflow(0);
        assert_eq!(overflow.news(now, 0), None);
        assert_eq!(overflow.news(at(1), 5), Some(5));
        assert_eq!(overflow.news(at(2), 9), None);
        assert_eq!(overflow.news(at(61), 9), Some(4), "though nothing was dropped since");
        assert_eq!(overflow.news(at(200), 9), None);
    }

    #[test]
    fn the_remedy_is_what_the_socket_lacks() {
        let small = overflow(212_992).remedy();
        assert!(
            small.contains("208 of the 8192 kB") && small.contains("net.core.rmem_max=8388608"),
            "{small}"
        );
        let full = overflow(8 << 20).remedy();
        assert!(full.contains("`shards`") && !full.contains("rmem_max"), "{full}");
    }

    #[test]
    fn what_else_the_kernel_counts_is_said() {
        let overflow = overflow(8 << 20);
        let line = |local: &str, is_esp| overflow.line(7, local.parse().unwrap(), is_esp);
        let udp = line("192.0.2.1:4500", false);
        assert!(udp.contains("7 packets") && udp.contains("UDP 192.0.2.1:4500"), "{udp}");
        assert!(udp.contains("read or with a wrong checksum: if"), "{udp}");
        let esp = line("192.0.2.1:0", true);
        assert!(esp.contains("ESP") && esp.contains("read: if"), "{esp}");
    }
}
