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
        send: impl FnMut(&Downlink),
    );
    fn handover_up(&mut self, now: Instant, packets: &mut Handover, up: &mut Uplink);
    fn handover_down(
        &mut self,
        now: Instant,
        packets: &Handover,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    );
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
        send: impl FnMut(&Downlink),
    ) {
        self.handle_tun(now, packets, down, send);
    }

    fn handover_up(&mut self, now: Instant, packets: &mut Handover, up: &mut Uplink) {
        self.handle_handover_up(now, packets, up);
    }

    fn handover_down(
        &mut self,
        now: Instant,
        packets: &Handover,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.handle_handover_down(now, packets, down, send);
    }
}

impl Packets for Shard {
    fn network(&mut self, now: Instant, datagrams: &mut [Datagram<'_>], up: &mut Uplink) {
        self.handle_network(now, datagrams, up);
    }

    fn tun<'a>(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = Superpacket<'a>>,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.handle_tun(now, packets, down, send);
    }

    fn handover_up(&mut self, now: Instant, packets: &mut Handover, up: &mut Uplink) {
        self.handle_handover_up(now, packets, up);
    }

    fn handover_down(
        &mut self,
        now: Instant,
        packets: &Handover,
        down: &mut Downlink,
        send: impl FnMut(&Downlink),
    ) {
        self.handle_handover_down(now, packets, down, send);
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
    /// How many turns there were.
    turn: usize,
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
            turn: 0,
        }
    }

    /// What to wait for, in the order that [`Self::serve`] expects.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        std::iter::once(self.tun.as_fd()).chain(self.sockets.iter().map(AsFd::as_fd))
    }

    /// Takes a batch of packets up, then one down; true if there is more. The first of [`Self::descriptors`] stood
    /// at `first` among those that were waited for.
    pub(super) fn serve(
        &mut self,
        ready: Ready,
        first: usize,
        packets: &mut impl Packets,
    ) -> anyhow::Result<bool> {
        // Each socket is the first in its turn: whoever comes first may take what room there is.
        self.turn = self.turn.wrapping_add(1);
        let count = self.sockets.len();
        for index in (0..count).map(|index| (index + self.turn) % count) {
            if let Some(socket) = self.sockets.get_mut(index)
                && ready.contains(first + 1 + index)
            {
                socket.receive(&mut self.inbox).context("receiving from a socket")?;
            }
        }
        self.up(packets);
        if ready.contains(first) {
            self.tun.receive(&mut self.packets).context("reading from the TUN device")?;
        }
        self.down(packets);
        Ok(!self.inbox.is_empty() || !self.packets.is_empty())
    }

    /// Takes packets that came to another core.
    pub(super) fn take_over(&mut self, mut handover: Handover, packets: &mut impl Packets) {
        let Self { sockets, tun, uplink, downlink, .. } = self;
        packets.handover_up(clock(), &mut handover, uplink);
        let datagrams = handover.datagrams();
        let found = uplink.packets().filter_map(|(index, range)| datagrams.get(index)?.bytes.get(range));
        tun.send(found);
        packets.handover_down(clock(), &handover, downlink, |down| send_down(sockets, tun, down));
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

    /// Takes up a batch of what was received.
    fn up(&mut self, packets: &mut impl Packets) {
        if !self.inbox.next_batch() {
            return;
        }
        let mut datagrams: Vec<Datagram<'_>> = Vec::with_capacity(self.inbox.count());
        datagrams.extend(self.inbox.segments().map(|(path, bytes)| Datagram { path, bytes }));
        let now = clock();
        packets.network(now, &mut datagrams, &mut self.uplink);
        let found = self.uplink.packets().filter_map(|(index, range)| datagrams.get(index)?.bytes.get(range));
        self.tun.send(found);
        self.sockets.iter_mut().for_each(|socket| socket.say_overflow(now));
    }

    /// Takes down a batch of what was read from the TUN device.
    fn down(&mut self, packets: &mut impl Packets) {
        if !self.packets.next_batch() {
            return;
        }
        let Self { sockets, tun, packets: inbox, downlink, .. } = self;
        packets.tun(clock(), inbox.packets(), downlink, |down| send_down(sockets, tun, down));
    }
}

fn send_down(sockets: &mut [OuterSocket], tun: &mut Tun, down: &Downlink) {
    for socket in sockets {
        let local = socket.local();
        socket.send(down.runs().filter(|(path, ..)| outer::serves(local, path.local)));
    }
    tun.send(down.back());
}
