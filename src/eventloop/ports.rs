//! One core's sockets and its queue of the TUN device, and what is done with the packets in them.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use anyhow::Context as _;
use ipsec::Transmit;

use super::clock;
use crate::{
    io::{
        outer::{self, Offload, OuterSocket},
        poll::Ready,
        tun::{self, Tun},
    },
    server::{Datagram, Downlink, Handover, Server, Uplink},
    shard::Shard,
    status::OffloadStatus,
    superpacket::Superpacket,
};

/// Who knows what to do with packets: the server, or one of its shards.
pub(super) trait Packets {
    fn network(&mut self, now: Instant, datagrams: &mut [Datagram<'_>], up: &mut Uplink);
    fn tun<'a>(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
    );
    fn handover(&mut self, now: Instant, packets: &mut Handover, up: &mut Uplink, down: &mut Downlink);
}

impl Packets for Server {
    fn network(&mut self, now: Instant, datagrams: &mut [Datagram<'_>], up: &mut Uplink) {
        self.handle_network(now, datagrams, up);
    }

    fn tun<'a>(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
    ) {
        self.handle_tun(now, packets, down);
    }

    fn handover(&mut self, now: Instant, packets: &mut Handover, up: &mut Uplink, down: &mut Downlink) {
        self.handle_handover(now, packets, up, down);
    }
}

impl Packets for Shard {
    fn network(&mut self, now: Instant, datagrams: &mut [Datagram<'_>], up: &mut Uplink) {
        self.handle_network(now, datagrams, up);
    }

    fn tun<'a>(
        &mut self,
        _now: Instant,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
    ) {
        self.handle_tun(packets, down);
    }

    fn handover(&mut self, now: Instant, packets: &mut Handover, up: &mut Uplink, down: &mut Downlink) {
        self.handle_handover(now, packets, up, down);
    }
}

/// Where one core's packets come and go.
pub(super) struct Ports {
    sockets: Vec<OuterSocket>,
    tun: Tun,
    inbox: outer::Inbox,
    packets: tun::Inbox,
    uplink: Uplink,
    downlink: Downlink,
}

impl Ports {
    pub(super) fn new(sockets: Vec<OuterSocket>, tun: Tun) -> Self {
        Self {
            sockets,
            tun,
            inbox: outer::Inbox::new(),
            packets: tun::Inbox::new(),
            uplink: Uplink::default(),
            downlink: Downlink::default(),
        }
    }

    /// What to wait for, in the order that [`Self::serve`] expects.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.tun.as_fd()).chain(self.sockets.iter().map(AsFd::as_fd))
    }

    /// Takes packets up, then down, as far as a turn's budget goes; true if there is more. The first of [`Self::descriptors`] stood
    /// at `first` among those that were waited for.
    pub(super) fn serve(
        &mut self,
        ready: Ready,
        first: usize,
        packets: &mut impl Packets,
    ) -> anyhow::Result<bool> {
        let mut more = false;
        for index in 0..self.sockets.len() {
            if ready.contains(first + 1 + index) {
                more |= self.up(index, packets)?;
            }
        }
        if ready.contains(first) {
            more |= self.down(packets)?;
        }
        Ok(more)
    }

    /// Takes packets that came to another core.
    pub(super) fn take_over(&mut self, mut handover: Handover, packets: &mut impl Packets) {
        packets.handover(clock(), &mut handover, &mut self.uplink, &mut self.downlink);
        self.send_down();
        let datagrams = handover.datagrams();
        let found = self.uplink.packets().filter_map(|(index, range)| datagrams.get(index)?.bytes.get(range));
        self.tun.send(found);
    }

    /// Sends what is not in a batch.
    pub(super) fn send(&mut self, transmits: &[Transmit]) {
        for socket in &mut self.sockets {
            let local = socket.local();
            let ours = transmits.iter().filter(|transmit| outer::serves(local, transmit.path.local));
            socket.send(ours.map(|transmit| (transmit.path, &*transmit.payload, transmit.payload.len())));
        }
    }

    /// What the sockets and the device let go: layer, reason, number.
    pub(super) fn discards(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let sockets = self.sockets.iter().flat_map(|socket| {
            let layer = if socket.is_esp() { "native" } else { "udp" };
            socket.counters().discards().map(move |(name, count)| (layer, name, count))
        });
        sockets.chain(self.tun.counters().discards().map(|(name, count)| ("tun", name, count)))
    }

    /// What the kernel does for the sockets and the device.
    pub(super) fn offloads(&self) -> Vec<OffloadStatus> {
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
        udp.chain([tun]).collect()
    }

    /// The same for the log: all UDP sockets begin alike.
    pub(super) fn offload(&self) -> String {
        let udp = self.sockets.first().map_or(Offload::OFF, OuterSocket::offload);
        format!("{udp} on UDP; {} on {}", self.tun.offload(), self.tun.name())
    }

    /// Takes up what socket `index` has ready; true if the budget ended before the socket was empty.
    fn up(&mut self, index: usize, packets: &mut impl Packets) -> anyhow::Result<bool> {
        for _ in 0..BUDGET {
            let Some(socket) = self.sockets.get_mut(index) else { return Ok(false) };
            let count = socket.receive(&mut self.inbox).context("receiving from a socket")?;
            if count == 0 {
                return Ok(false);
            }
            let mut datagrams: Vec<Datagram<'_>> = Vec::with_capacity(count);
            datagrams.extend(self.inbox.segments().map(|(path, bytes)| Datagram { path, bytes }));
            packets.network(clock(), &mut datagrams, &mut self.uplink);
            let found =
                self.uplink.packets().filter_map(|(index, range)| datagrams.get(index)?.bytes.get(range));
            self.tun.send(found);
        }
        Ok(true)
    }

    /// Takes down what the TUN device has ready; true if the budget ended before it was empty.
    fn down(&mut self, packets: &mut impl Packets) -> anyhow::Result<bool> {
        for _ in 0..BUDGET {
            if self.tun.receive(&mut self.packets).context("reading from the TUN device")? == 0 {
                return Ok(false);
            }
            packets.tun(clock(), self.packets.packets(), &mut self.downlink);
            self.send_down();
        }
        Ok(true)
    }

    fn send_down(&mut self) {
        for socket in &mut self.sockets {
            let local = socket.local();
            socket.send(self.downlink.runs().filter(|(path, ..)| outer::serves(local, path.local)));
        }
    }
}

/// Batches of one direction in one turn.
const BUDGET: usize = 4;
